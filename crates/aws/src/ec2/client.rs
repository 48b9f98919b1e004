//! Calls to EC2.

use aws_types::SdkConfig;

use crate::call::{self, Answer, Parameters, Protocol, Service};

use super::Ec2Error;

const EC2: Service = Service { id: "EC2", name: "ec2", protocol: Protocol::Query };
/// The version of EC2's API (its service model).
const VERSION: &str = "2016-11-15";

/// What calls are made with.
#[derive(Clone, Debug)]
pub(super) struct Client(call::Client);

impl Client {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self(call::Client::new(&EC2, config))
    }

    /// Makes one call, with the configuration's retries.
    pub(super) async fn call(&self, action: &'static str, parameters: Parameters) -> Result<Answer, Ec2Error> {
        self.0.call(parameters.ask(action, VERSION)).await
    }
}
