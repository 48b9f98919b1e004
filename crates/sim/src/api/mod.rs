//! The wire protocols: each service decodes its requests, acts on the account's state, and encodes the answer.

pub mod applicationautoscaling;
pub mod autoscaling;
pub mod cloudformation;
pub mod cloudwatch;
pub mod dynamodb;
pub mod ec2;
pub mod ecs;
pub mod elbv2;
pub mod events;
mod json;
pub(crate) mod lambda;
pub mod logs;
pub mod query;
pub mod route53;
pub mod s3;
pub mod secretsmanager;
pub mod servicediscovery;
pub mod sns;
pub mod spot;
pub mod ssm;
pub mod stepfunctions;
pub mod sts;
