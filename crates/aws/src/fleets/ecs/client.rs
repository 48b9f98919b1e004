//! Calls to ECS and to Application Auto Scaling. Answers stay as the services spell them: whatever is read to be written again keeps
//! the fields that nobody here knows.

use aws_types::SdkConfig;
use crossfade_core::Failure;
use serde_json::Value;

use crate::call::{self, Ask, CallError, Protocol, Service};
use crate::fleets::scaling::Alarms;
use crate::pools::Registries;
use crate::refusal::called;

const ECS: Service = Service { id: "ECS", name: "ecs", protocol: Protocol::Json };
const SCALING: Service =
    Service { id: "Application Auto Scaling", name: "application-autoscaling", protocol: Protocol::Json };

const LOGS: Service = Service { id: "CloudWatch Logs", name: "logs", protocol: Protocol::Json };

/// What calls are made with.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    ecs: call::Client,
    scaling: call::Client,
    logs: call::Client,
    /// The region in which all of them are.
    pub(super) region: String,
    pub(super) alarms: Alarms,
    pub(super) registries: Registries,
}

impl Client {
    /// Clients with this configuration.
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self {
            ecs: call::Client::new(&ECS, config),
            scaling: call::Client::new(&SCALING, config),
            logs: call::Client::new(&LOGS, config),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            alarms: Alarms::new(config),
            registries: Registries::new(config),
        }
    }

    /// One call to ECS.
    pub(super) async fn ecs(&self, operation: &'static str, body: &Value) -> std::result::Result<Value, CallError> {
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        self.ecs.call(Ask::json(operation, &target, body)).await?.json()
    }

    /// One call to Application Auto Scaling.
    pub(super) async fn scaling(&self, operation: &'static str, body: &Value) -> std::result::Result<Value, CallError> {
        let target = format!("AnyScaleFrontendService.{operation}");
        self.scaling.call(Ask::json(operation, &target, body)).await?.json()
    }
}

impl Client {
    /// One call to CloudWatch Logs.
    pub(super) async fn logs(&self, operation: &'static str, body: &Value) -> std::result::Result<Value, CallError> {
        let target = format!("Logs_20140328.{operation}");
        self.logs.call(Ask::json(operation, &target, body)).await?.json()
    }
}

/// The failure of a call to ECS on something.
pub(super) fn ecs_failure(operation: &str, on: &str, error: &CallError) -> Failure {
    called(&format!("ecs:{operation}"), on, error)
}

/// The failure of a call to Application Auto Scaling on something.
pub(super) fn scaling_failure(operation: &str, on: &str, error: &CallError) -> Failure {
    called(&format!("application-autoscaling:{operation}"), on, error)
}

/// Takes what one page of a list has, and answers whether there is another one, which `ask` then asks for. The two services spell
/// tokens differently.
pub(super) fn next_page(
    ask: &mut Value,
    mut answer: Value,
    (token, items): (&'static str, &'static str),
    all: &mut Vec<Value>,
) -> bool {
    if let Some(Value::Array(page)) = answer.get_mut(items).map(Value::take) {
        all.extend(page);
    }
    match answer.get(token).and_then(Value::as_str).filter(|next| !next.is_empty()) {
        Some(next) => ask[token] = Value::from(next),
        None => return false,
    }
    true
}

/// A text in an answer.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A list in an answer; AWS leaves empty ones out.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A count in an answer.
pub(super) fn count(value: &Value, name: &str) -> u32 {
    value.get(name).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

/// A time in an answer, which comes as seconds since 1970, in milliseconds.
pub(super) fn millis(value: &Value, name: &str) -> Option<u64> {
    let seconds = value.get(name)?.as_f64()?;
    // Times are positive and far from what a float cannot hold.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (seconds >= 0.0).then_some((seconds * 1000.0) as u64)
}

/// The tag of a resource, which ECS spells in lower case.
pub(super) fn tag<'a>(resource: &'a Value, key: &str) -> Option<&'a str> {
    let tag = list(resource, "tags").iter().find(|tag| text(tag, "key") == key)?;
    tag.get("value").and_then(Value::as_str)
}
