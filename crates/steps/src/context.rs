//! What every function works with: the adapters, a clock, and the settings of the installation.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_types::SdkConfig;
use crossfade_aws::{
    Bus, Executions, Hooks, Outputs, Platforms, Pools, Proofs, Signals, Switches, Table, Topic, Triggers, Web,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::metrics::Metrics;

/// The time: the wall clock in Lambda, the account's in the simulation.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now_millis(&self) -> u64;
    /// Waits.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// The clock on the wall.
#[derive(Clone, Copy, Debug)]
pub struct WallClock;

impl Clock for WallClock {
    fn now_millis(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(span).boxed()
    }
}

/// The settings of the installation, from the environment of the functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `TABLE_NAME`: the state table.
    pub table_name: String,
    /// `TOPIC_ARN`: the topic for notifications, unless the document names another.
    pub topic_arn: Option<String>,
    /// `DEPLOY_STATE_MACHINE_ARN`: the state machine that deploys.
    pub deploy_state_machine_arn: Option<String>,
    /// `ROLLBACK_STATE_MACHINE_ARN`: the state machine that rolls back.
    pub rollback_state_machine_arn: Option<String>,
    /// `HOOK_HTTP_FUNCTION_ARN`: the function that calls endpoints.
    pub hook_http_function_arn: Option<String>,
    /// `HOOK_HOSTS`: the hosts of endpoints that hooks may call, with commas between them; nothing where that is not known.
    pub hook_hosts: Option<Vec<String>>,
}

impl Settings {
    /// Reads them from the environment.
    pub fn from_env() -> Self {
        let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            table_name: of("TABLE_NAME").unwrap_or_else(|| "crossfade".into()),
            topic_arn: of("TOPIC_ARN"),
            deploy_state_machine_arn: of("DEPLOY_STATE_MACHINE_ARN"),
            rollback_state_machine_arn: of("ROLLBACK_STATE_MACHINE_ARN"),
            hook_http_function_arn: of("HOOK_HTTP_FUNCTION_ARN"),
            hook_hosts: std::env::var("HOOK_HOSTS").ok().map(|hosts| list(&hosts)),
        }
    }
}

/// The items of a list with commas.
fn list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

/// What every function works with.
#[derive(Clone)]
pub struct Context {
    pub(crate) platforms: Platforms,
    pub(crate) pools: Pools,
    pub(crate) switches: Switches,
    pub(crate) signals: Signals,
    pub(crate) outputs: Outputs,
    pub(crate) table: Table,
    pub(crate) topic: Topic,
    pub(crate) bus: Bus,
    pub(crate) triggers: Triggers,
    pub(crate) executions: Executions,
    pub(crate) hooks: Hooks,
    pub(crate) web: Web,
    pub(crate) proofs: Proofs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Option<Metrics>,
}

impl Context {
    /// The context of an account that this configuration reaches.
    pub fn new(config: &SdkConfig, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        Self {
            platforms: Platforms::new(config),
            pools: Pools::new(config),
            switches: Switches::new(config),
            signals: Signals::new(config),
            outputs: Outputs::new(config),
            table: Table::new(config, settings.table_name.clone()),
            topic: Topic::new(config),
            bus: Bus::new(config),
            triggers: Triggers::new(config),
            executions: Executions::new(config),
            hooks: Hooks::new(config),
            web: Web::new(config, None),
            proofs: Proofs::new(config),
            clock,
            settings,
            metrics: None,
        }
    }

    /// The same, which tells somebody of metrics.
    #[must_use]
    pub fn measured_by(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The same, which also reaches endpoints outside.
    #[must_use]
    pub fn reaching(self, web: Web) -> Self {
        Self { web, ..self }
    }

    pub(crate) fn now_millis(&self) -> u64 {
        self.clock.now_millis()
    }
}
