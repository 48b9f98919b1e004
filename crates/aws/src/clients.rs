//! The SDK's clients: each with a retry quota of its own, none that waits for an answer for ever, and none before it is wanted.
//!
//! The SDK shares one quota among all clients of a service in the process. Whoever lets hundreds of calls fail in one
//! process, as a rehearsal or a test does, would run out of retries for everybody else in it. And it waits for an answer as long as
//! the connection stays open: one that has gone silent would cost a function all its time instead of one attempt of three.
//!
//! Every function gets all adapters and calls few of them. A client that is made by its first call costs the others neither time nor
//! memory; nor, since nothing else refers to what makes it, room in their programs.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime::client::retries::RetryPartition;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;

/// How long an answer may take before the call is made again. Three attempts fit into a function's 60 seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A quota of retries that nobody else uses.
pub(crate) fn own_quota() -> RetryPartition {
    RetryPartition::custom("crossfade").build()
}

/// The timeouts of a configuration, with one for answers if it has none.
pub(crate) fn timeouts(config: &SdkConfig) -> TimeoutConfig {
    let given = config.timeout_config();
    let read = given.and_then(TimeoutConfig::read_timeout).unwrap_or(READ_TIMEOUT);
    given.map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder).read_timeout(read).build()
}

/// A client that is made when it is first used.
#[derive(Clone)]
pub(crate) struct Lazy<C> {
    config: SdkConfig,
    made: Arc<OnceLock<C>>,
}

impl<C> Lazy<C> {
    /// The client that this configuration will make.
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self { config: config.clone(), made: Arc::default() }
    }
}

impl<C: Made> Deref for Lazy<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.made.get_or_init(|| C::made(&self.config))
    }
}

impl<C> fmt::Debug for Lazy<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lazy").field("made", &self.made.get().is_some()).finish_non_exhaustive()
    }
}

/// What a configuration makes.
pub(crate) trait Made {
    /// Makes it.
    fn made(config: &SdkConfig) -> Self;
}

macro_rules! made {
    ($($sdk:ident)+) => {
        $(impl Made for $sdk::Client {
            fn made(config: &SdkConfig) -> Self {
                let own = $sdk::config::Builder::from(config);
                let own = own.retry_partition(own_quota()).timeout_config(timeouts(config));
                Self::from_conf(own.build())
            }
        })+
    };
}

made! { aws_sdk_autoscaling aws_sdk_cloudwatch aws_sdk_dynamodb aws_sdk_elasticloadbalancingv2 aws_sdk_sfn aws_sdk_sns }
