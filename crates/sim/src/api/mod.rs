//! The wire protocols: each service decodes its requests, acts on the account's state, and encodes the answer.

pub mod autoscaling;
pub mod cloudwatch;
pub mod dynamodb;
pub mod ec2;
pub mod elbv2;
pub mod query;
pub mod sns;
pub mod stepfunctions;
