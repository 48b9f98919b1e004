//! The SDK's clients: each with a retry quota of its own, and none that waits for an answer for ever.
//!
//! The SDK shares one quota among all clients of a service in the process. Whoever lets hundreds of calls fail in one
//! process, as a rehearsal or a test does, would run out of retries for everybody else in it. And it waits for an answer as long as
//! the connection stays open: one that has gone silent would cost a function all its time instead of one attempt of three.

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

macro_rules! clients {
    ($($(#[$doc:meta])+ $name:ident: $sdk:ident;)+) => {
        $($(#[$doc])+
        pub(crate) fn $name(config: &SdkConfig) -> $sdk::Client {
            let own = $sdk::config::Builder::from(config).retry_partition(own_quota()).timeout_config(timeouts(config));
            $sdk::Client::from_conf(own.build())
        })+
    };
}

clients! {
    /// A client of Auto Scaling.
    autoscaling: aws_sdk_autoscaling;
    /// A client of CloudWatch.
    cloudwatch: aws_sdk_cloudwatch;
    /// A client of Elastic Load Balancing.
    balancing: aws_sdk_elasticloadbalancingv2;
    /// A client of DynamoDB.
    dynamodb: aws_sdk_dynamodb;
    /// A client of Step Functions.
    step_functions: aws_sdk_sfn;
    /// A client of SNS.
    sns: aws_sdk_sns;
}
