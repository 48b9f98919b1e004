//! Secrets Manager (AWS JSON 1.1): `GetSecretValue` by name or ARN. Secrets are put there by whoever sets the account up.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::connector::{ACCOUNT, REGION};
use crate::{Request, Response};

/// The secrets of the account, by name.
#[derive(Default)]
pub struct Secrets(BTreeMap<String, String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Gives a secret a value.
    pub fn define(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Takes a secret away, as if it had never been.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Answers one request.
    pub fn handle(&mut self, request: &Request) -> Response {
        let refuse =
            |status, code: &str, message: &str| Response::json(status, &json!({ "__type": code, "Message": message }));
        let response = match request.operation.as_str() {
            "GetSecretValue" => {
                let asked = request.json["SecretId"].as_str().unwrap_or_default();
                let name = asked.rsplit_once(":secret:").map_or(asked, |(_, name)| name);
                let found = self.0.get_key_value(name);
                match found.or_else(|| self.0.get_key_value(name.rsplit_once('-')?.0)) {
                    Some((name, value)) => Response::json(200, &shown(name, value)),
                    None => {
                        refuse(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
                    }
                }
            }
            other => refuse(501, "NotImplemented", &format!("The simulated account has no operation {other}.")),
        };
        Response { content_type: "application/x-amz-json-1.1", ..response }
    }
}

fn shown(name: &str, value: &str) -> Value {
    json!({
        "ARN": format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-a1B2c3"),
        "Name": name,
        "VersionId": "EXAMPLE1-90ab-cdef-fedc-ba987SECRET1",
        "SecretString": value,
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": 1_767_600_000.0,
    })
}
