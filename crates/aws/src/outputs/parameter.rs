//! The value of a parameter in Parameter Store.

use crossfade_core::document::references::Found;
use serde_json::{Value, json};

use super::{Fetched, missing, unavailable};
use crate::call::{Ask, CallError, Client};

/// The text of the parameter of this name. Its decryption is never asked for.
pub(super) async fn text(client: &Client, name: &str) -> Fetched {
    let ask = Ask::json("GetParameter", "AmazonSSM.GetParameter", &json!({ "Name": name, "WithDecryption": false }));
    let (kind, text, version) = match client.call(ask).await.and_then(|answer| read(&answer.json()?)) {
        Ok(read) => read,
        Err(error) if matches!(error.code(), Some("ParameterNotFound" | "ParameterVersionNotFound")) => {
            let problem = format!("there is no parameter {name} in this account and region");
            return Err(missing(problem, "Correct the name, or create the parameter first."));
        }
        Err(error) => return Err(unavailable("ssm:GetParameter", "ReadableParameterArns", name, &error)),
    };
    if kind == "SecureString" {
        let problem = format!("the parameter {name} is a SecureString, and what a document says is not secret");
        return Err(missing(problem, "Refer to a parameter of type String or StringList."));
    }
    Ok(Found::Text { text, version })
}

/// Type and value, and which of its values it is, in words.
fn read(answer: &Value) -> Result<(String, String, Option<String>), CallError> {
    let text = |name: &str| {
        let text = answer.pointer(&format!("/Parameter/{name}")).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| CallError::unreadable(format!("Systems Manager answered without the parameter's {name}")))
    };
    let version = answer.pointer("/Parameter/Version").and_then(Value::as_u64).map(|it| format!("version {it}"));
    Ok((text("Type")?, text("Value")?, version))
}
