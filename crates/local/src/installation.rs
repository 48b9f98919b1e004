//! What `sam deploy` makes, made in a simulated account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossfade_asl::substitute;
use crossfade_aws::Web;
use crossfade_core::payload;
use crossfade_core::progress::Progress;
use crossfade_sim::lambda::{InProcess, Invocation};
use crossfade_sim::world::spot::{SPOT_ACCOUNT, SPOT_TOKEN};
use crossfade_sim::{Clock, Sim};
use crossfade_steps::{Context, FUNCTIONS, Settings, handle};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// The name of the state machine that deploys.
pub const DEPLOY_MACHINE: &str = "crossfade-deploy";
/// The name of the state machine that rolls back.
pub const ROLLBACK_MACHINE: &str = "crossfade-rollback";
/// The name of the state table.
pub const TABLE: &str = "crossfade";
/// The timeout of most functions, as in `template.yaml`.
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(60);
/// That of the function `plan`, as in `infra/functions/plan.yaml`.
const PLAN_TIMEOUT: Duration = Duration::from_secs(300);

/// The stack's parameter HookHosts.
const HOOK_HOSTS: &str = "*.example.com";

const DEPLOY: &str = include_str!("../../../statemachines/deploy.asl.json");
const ROLLBACK: &str = include_str!("../../../statemachines/rollback.asl.json");

/// crossfade, installed in a simulated account.
#[derive(Clone)]
pub struct Installation {
    /// The account.
    pub sim: Arc<Sim>,
    /// The ARN of the state machine that deploys.
    pub deploy_arn: String,
    /// The ARN of the state machine that rolls back.
    pub rollback_arn: String,
    /// The ARN of the topic.
    pub topic_arn: String,
    /// What its functions have said for CloudWatch's metrics.
    pub metrics: Arc<Mutex<Vec<Value>>>,
}

/// Why an installation is impossible: the shipped definitions are wrong.
#[derive(Debug, thiserror::Error)]
#[error("the definition of {machine} is not one that Step Functions would take: {problem}")]
pub struct BadDefinition {
    machine: &'static str,
    problem: String,
}

impl Installation {
    /// Installs crossfade with its steps in this process.
    pub fn in_process(sim: &Arc<Sim>) -> Result<Self, BadDefinition> {
        Self::with_clocks(sim, |_| Duration::ZERO)
    }

    /// The same, with functions whose clocks are late by as much as is said of each.
    pub fn with_clocks(sim: &Arc<Sim>, late: impl Fn(&str) -> Duration) -> Result<Self, BadDefinition> {
        let installation = Self::without_functions(sim)?;
        let functions = InProcess::new(&sim.clock);
        for &function in FUNCTIONS {
            let context = installation.context(function, late(function));
            let timeout = if function == "plan" { PLAN_TIMEOUT } else { FUNCTION_TIMEOUT };
            functions.register(function, timeout, move |event| {
                let context = context.clone();
                async move { invocation(function, event, &context).await }
            });
        }
        sim.set_functions(Arc::new(functions));
        Ok(installation)
    }

    /// Installs everything but the functions; the caller sets a host for them.
    pub fn without_functions(sim: &Arc<Sim>) -> Result<Self, BadDefinition> {
        sim.tables().define(TABLE, "pk", Some("sk"));
        // What whoever deploys Elastigroups has stored beside.
        sim.secrets().define(&format!("crossfade/spot/{SPOT_ACCOUNT}"), SPOT_TOKEN);
        let topic_arn = sim.topics().define("crossfade");
        let create = |name: &'static str, text: &str| {
            let bad = |problem: String| BadDefinition { machine: name, problem };
            let text = substitute(text, &substitutions()).map_err(|error| bad(error.to_string()))?;
            sim.step_functions()
                .create(name, &text, None)
                .map_err(|problems| bad(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
        };
        Ok(Self {
            deploy_arn: create(DEPLOY_MACHINE, DEPLOY)?,
            rollback_arn: create(ROLLBACK_MACHINE, ROLLBACK)?,
            topic_arn,
            sim: sim.clone(),
            metrics: Arc::default(),
        })
    }

    /// The settings of the functions, as their environment gives them.
    pub fn settings(&self) -> Settings {
        Settings {
            table_name: TABLE.into(),
            topic_arn: Some(self.topic_arn.clone()),
            deploy_state_machine_arn: Some(self.deploy_arn.clone()),
            rollback_state_machine_arn: Some(self.rollback_arn.clone()),
            hook_http_function_arn: Some(arn_of("hook-http")),
            hook_hosts: Some(vec![HOOK_HOSTS.into()]),
        }
    }

    /// What somebody works with, who calls AWS as `caller` and whose clock is late by so much.
    pub fn context(&self, caller: &str, late: Duration) -> Context {
        let clock = Arc::new(AccountClock { clock: self.sim.clock.clone(), late });
        let config = self.sim.sdk_config_for(caller);
        // The simulated world outside has no inside that it could lead to.
        let web = Web::new(&config, config.http_client());
        let metrics = self.metrics.clone();
        Context::new(&config, clock, self.settings()).reaching(web).measured_by(Arc::new(move |line| {
            metrics.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone())
        }))
    }

    /// The shipped definitions with their placeholders filled in: (name, text).
    pub fn definitions() -> Result<Vec<(&'static str, String)>, BadDefinition> {
        [(DEPLOY_MACHINE, DEPLOY), (ROLLBACK_MACHINE, ROLLBACK)]
            .into_iter()
            .map(|(name, text)| match substitute(text, &substitutions()) {
                Ok(text) => Ok((name, text)),
                Err(error) => Err(BadDefinition { machine: name, problem: error.to_string() }),
            })
            .collect()
    }

    /// A record of the state table, by its keys.
    pub fn record(&self, pk: &str, sk: &str) -> Option<Value> {
        self.records(pk).remove(sk)
    }

    /// The records of one partition of the state table, by sort key.
    pub fn records(&self, pk: &str) -> BTreeMap<String, Value> {
        let items = self.sim.tables().items(TABLE);
        let of_pk = items.into_iter().filter(|item| item.get("pk").and_then(Value::as_str) == Some(pk));
        of_pk
            .filter_map(|item| {
                let text = |name: &str| item.get(name).and_then(Value::as_str);
                Some((text("sk")?.to_owned(), serde_json::from_str(text("body")?).ok()?))
            })
            .collect()
    }

    /// The log of a deployment, line by line.
    pub fn log(&self, deployment: &str) -> Vec<String> {
        self.dated_log(deployment).into_iter().map(|(_, line)| line).collect()
    }

    /// The same with when each line was said, in milliseconds since 1970.
    pub fn dated_log(&self, deployment: &str) -> Vec<(u64, String)> {
        let lines = self.records(&crossfade_aws::keys::log(deployment));
        let dated = |line: &Value| Some((line.get("atMillis")?.as_u64()?, line.get("line")?.as_str()?.to_owned()));
        lines.values().filter_map(dated).collect()
    }
}

fn arn_of(function: &str) -> String {
    format!("arn:aws:lambda:eu-west-1:123456789012:function:{function}")
}

/// The placeholders of the definitions, as SAM would fill them in.
fn substitutions() -> BTreeMap<String, String> {
    let camel = |name: &str| -> String {
        name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<String>() + "Function"
    };
    let functions = FUNCTIONS.iter().map(|name| (camel(name), arn_of(name)));
    functions.chain([("Partition".to_owned(), "aws".to_owned())]).collect()
}

async fn invocation(function: &str, event: Value, context: &Context) -> Invocation {
    // A function gets a text, and reads it.
    let answer = match payload::decode(&event.to_string()) {
        Ok(event) => handle(function, event, context).await,
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(value) => Invocation::Returned(value),
        Err(failure) => Invocation::Raised { error_type: failure.kind.name().into(), error_message: failure.message },
    }
}

/// The progress in a state's input, if there is one.
pub(crate) fn progress(input: &Value) -> Option<Progress> {
    serde_json::from_value(input.clone()).ok()
}

struct AccountClock {
    clock: Clock,
    late: Duration,
}

impl crossfade_steps::Clock for AccountClock {
    fn now_millis(&self) -> u64 {
        self.clock.now_millis() - self.late.as_millis() as u64
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clock.clone();
        async move { clock.sleep(span).await }.boxed()
    }
}
