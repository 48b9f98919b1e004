//! The SDK's clients: without a quota of retries, patient when they are throttled ([`crate::patience`]), none that waits for an answer
//! for ever, and none before it is wanted.
//!
//! The SDK shares one quota among all clients of a service in the process, and an environment of a function lives for long: what one
//! storm has used up would be missing in the next. How long a call is tried again is bounded in any case. And it waits for an answer as long as
//! the connection stays open: one that has gone silent would cost a function all its time instead of one attempt of three.
//!
//! Every function gets all adapters and calls few of them. A client that is made by its first call costs the others neither time nor
//! memory; nor, since nothing else refers to what makes it, room in their programs.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;

use crate::patience::Patient;

/// How long an answer may take before the call is made again. Three attempts fit into a function's 60 seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// No quota of retries.
pub(crate) fn no_quota() -> RetryPartition {
    RetryPartition::custom("crossfade").token_bucket(TokenBucket::unlimited()).build()
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
                let own = own.retry_partition(no_quota()).timeout_config(timeouts(config)).interceptor(Patient);
                Self::from_conf(own.build())
            }
        })+
    };
}

made! { aws_sdk_autoscaling aws_sdk_cloudwatch aws_sdk_dynamodb aws_sdk_elasticloadbalancingv2 aws_sdk_sfn aws_sdk_sns }
