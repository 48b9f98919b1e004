//! The SDK's clients, each with a retry quota of its own.
//!
//! The SDK shares one quota among all clients of a service in the process. Whoever lets hundreds of calls fail in one
//! process, as a rehearsal or a test does, would run out of retries for everybody else in it.

use aws_smithy_runtime::client::retries::RetryPartition;
use aws_types::SdkConfig;

fn own() -> RetryPartition {
    RetryPartition::custom("crossfade").build()
}

/// A client of Auto Scaling.
pub(crate) fn autoscaling(config: &SdkConfig) -> aws_sdk_autoscaling::Client {
    let config = aws_sdk_autoscaling::config::Builder::from(config).retry_partition(own());
    aws_sdk_autoscaling::Client::from_conf(config.build())
}

/// A client of CloudWatch.
pub(crate) fn cloudwatch(config: &SdkConfig) -> aws_sdk_cloudwatch::Client {
    let config = aws_sdk_cloudwatch::config::Builder::from(config).retry_partition(own());
    aws_sdk_cloudwatch::Client::from_conf(config.build())
}

/// A client of Elastic Load Balancing.
pub(crate) fn balancing(config: &SdkConfig) -> aws_sdk_elasticloadbalancingv2::Client {
    let config = aws_sdk_elasticloadbalancingv2::config::Builder::from(config).retry_partition(own());
    aws_sdk_elasticloadbalancingv2::Client::from_conf(config.build())
}
