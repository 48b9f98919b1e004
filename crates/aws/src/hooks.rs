//! Functions of the user's own: invoked, told, and looked at before anything begins.
//!
//! What it must never do: invoke a function again by itself when nobody knows whether it has run. That is the step's to say, under the
//! same id.

use std::fmt;
use std::time::Duration;

use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use crossfade_core::hook::Reply;
use crossfade_core::{Failure, Kind, Result, text};
use serde_json::Value;

use crate::call::{self, Ask, CallError, CallErrorKind, Protocol, Service};
use crate::refusal::called;

const LAMBDA: Service = Service { id: "Lambda", name: "lambda", protocol: Protocol::Rest };

/// How long a function may take to answer. The function that waits for it has 60 seconds.
const ANSWER: Duration = Duration::from_secs(50);

/// The functions that a configuration reaches.
#[derive(Clone)]
pub struct Hooks(call::Client);

impl fmt::Debug for Hooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Hooks").finish_non_exhaustive()
    }
}

impl Hooks {
    /// The functions that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        let timeouts = config.timeout_config().map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let config = config.to_builder().timeout_config(timeouts.read_timeout(ANSWER).build()).build();
        Self(call::Client::new(&LAMBDA, &config))
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// Whatever says that it was not invoked: it is missing, or may not be called, or Lambda asks to slow down.
    pub async fn ask(&self, function: &str, payload: &Value) -> Result<Reply> {
        match self.invoke(function, "RequestResponse", payload).await {
            Ok(answer) => {
                let failed = answer.header("x-amz-function-error").is_some();
                let text = answer.text();
                let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
                Ok(if failed { Reply::Raised(words(&value)) } else { Reply::Returned(value) })
            }
            // It may run, or have run.
            Err(error) if error.kind() == CallErrorKind::NoAnswer => Ok(Reply::Silent(format!(
                "no answer within {} s ({})",
                ANSWER.as_secs(),
                text::one_line(error.message(), 200)
            ))),
            Err(error) => Err(failure(function, &error)),
        }
    }

    /// Has a function invoked, and does not wait for that.
    ///
    /// # Errors
    /// Whatever says that it will not be invoked.
    pub async fn tell(&self, function: &str, payload: &Value) -> Result<()> {
        let told = self.invoke(function, "Event", payload).await;
        told.map(|_| ()).map_err(|error| failure(function, &error))
    }

    async fn invoke(
        &self,
        function: &str,
        how: &'static str,
        payload: &Value,
    ) -> std::result::Result<call::Answer, CallError> {
        let path = format!("/2015-03-31/functions/{}/invocations", call::percent_encoded(function));
        let ask = Ask::rest("Invoke", "POST", path, Some(payload)).with("x-amz-invocation-type", how);
        self.0.call(ask.once()).await
    }

    /// Looks at a function without invoking it. What is wrong with it, in words, if anything is.
    ///
    /// # Errors
    /// `Throttled` and `ServiceUnavailable`, while nobody knows.
    pub async fn look(&self, function: &str) -> Result<Option<String>> {
        let path = format!("/2015-03-31/functions/{}/configuration", call::percent_encoded(function));
        let answer = self.0.call(Ask::rest("GetFunctionConfiguration", "GET", path, None)).await;
        Ok(match answer.and_then(|answer| answer.json()) {
            Ok(function) => match function.get("State").and_then(Value::as_str) {
                Some("Failed") => Some(format!(
                    "it is in the state Failed: {}",
                    text::one_line(function["StateReason"].as_str().unwrap_or("no reason given"), text::WHO)
                )),
                _ => None,
            },
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                Some("there is no such function, or no such version or alias of it".into())
            }
            Err(error) => {
                let failure = called("lambda:GetFunctionConfiguration", function, &error);
                match failure.kind {
                    Kind::AccessDenied => Some(
                        "lambda:GetFunctionConfiguration on it is denied. Name it in the stack's parameter HookFunctionArns; \
                         whoever previews a deployment needs that right as well"
                            .into(),
                    ),
                    Kind::Throttled | Kind::ServiceUnavailable => return Err(failure),
                    _ => Some(failure.message),
                }
            }
        })
    }
}

fn failure(function: &str, error: &CallError) -> Failure {
    let failure = called("lambda:InvokeFunction", function, error);
    match failure.kind {
        Kind::AccessDenied => Kind::AccessDenied
            .because(format!("{} Name it in the stack's parameter HookFunctionArns.", failure.message)),
        _ => failure,
    }
}

/// `{"errorType", "errorMessage"}` in words.
fn words(error: &Value) -> String {
    let of = |key: &str| error.get(key).and_then(Value::as_str);
    match (of("errorType"), of("errorMessage")) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (None, Some(message)) => message.to_owned(),
        _ => error.to_string(),
    }
}
