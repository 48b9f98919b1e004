//! Notifications. A notification must never fail a deployment: callers log what goes wrong here and go on.

use aws_sdk_sns::Client;
use aws_types::SdkConfig;
use crossfade_core::{Result, text};

use crate::clients::Lazy;
use crate::refusal::refusal;

/// The longest subject, in characters of ASCII (SNS API reference, Publish).
const SUBJECT: usize = 100;
/// The longest message, in bytes (SNS API reference, Publish).
const MESSAGE: usize = 256 * 1024;

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

    /// Publishes a message about something, under a subject that says what has happened to it. What is too long is cut, and says
    /// so: SNS would refuse it, and nobody would be told.
    pub async fn publish(&self, arn: &str, about: &str, what: &str, message: &str) -> Result<()> {
        let subject = text::heading(&format!("crossfade: {about}"), what, SUBJECT);
        let call = self.client.publish().topic_arn(arn).subject(subject).message(text::cut(message, MESSAGE));
        call.send().await.map_err(|e| refusal("sns:Publish", arn, e))?;
        Ok(())
    }
}
