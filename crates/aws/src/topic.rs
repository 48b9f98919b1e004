//! Notifications. A notification must never fail a deployment: callers log what goes wrong here and go on.

use aws_sdk_sns::Client;
use aws_types::SdkConfig;
use crossfade_core::Result;

use crate::clients::Lazy;
use crate::refusal::refusal;

/// An SNS topic.
#[derive(Clone, Debug)]
pub struct Topic {
    client: Lazy<Client>,
}

impl Topic {
    /// The topics that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Lazy::new(config) }
    }

    /// Publishes a message. SNS allows subjects of up to 100 characters of ASCII on one line; longer ones are cut.
    pub async fn publish(&self, arn: &str, subject: &str, message: &str) -> Result<()> {
        let subject: String = subject.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).take(100).collect();
        let call = self.client.publish().topic_arn(arn).subject(subject).message(message);
        call.send().await.map_err(|e| refusal("sns:Publish", arn, e))?;
        Ok(())
    }
}
