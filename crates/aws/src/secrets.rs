//! Secrets of Secrets Manager. Their values go to whoever asked and nowhere else: not into a log, a record or an error.

use std::fmt;

use aws_types::SdkConfig;
use serde_json::{Value, json};

use crate::call::{self, Ask, CallError, Protocol, Service};

const SECRETS: Service = Service { id: "Secrets Manager", name: "secretsmanager", protocol: Protocol::Json };

/// The secrets that a configuration reaches.
#[derive(Clone)]
pub(crate) struct Secrets(call::Client);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self(call::Client::new(&SECRETS, config))
    }

    /// The text of a secret, by its name or ARN; nothing where it holds bytes.
    pub(crate) async fn read(&self, secret: &str) -> Result<Option<String>, CallError> {
        let ask = Ask::json("GetSecretValue", "secretsmanager.GetSecretValue", &json!({ "SecretId": secret }));
        let answer = self.0.call(ask).await?.json()?;
        Ok(answer.get("SecretString").and_then(Value::as_str).map(str::to_owned))
    }
}
