//! Parameter Store (AWS JSON 1.1): `GetParameter` by name, ARN or version, `GetParametersByPath` and `PutParameter`.
//!
//! It must never give a SecureString away to whoever does not ask for decryption: what they get is no secret.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::connector::{ACCOUNT, REGION};
use crate::{Request, Response};

/// The longest value of a parameter in the standard tier, and in the advanced one (SSM API reference).
const STANDARD: usize = 4096;
const ADVANCED: usize = 8192;

/// How many parameters one answer of `GetParametersByPath` holds at most (SSM API reference).
const PAGE: usize = 10;

/// The parameters of the account.
#[derive(Debug, Default)]
pub struct Parameters {
    by_name: BTreeMap<String, Parameter>,
    changes: Vec<Change>,
}

/// A parameter got a value by a request, as Parameter Store tells EventBridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// `Create`, or `Update` of one that was there.
    pub operation: &'static str,
}

#[derive(Debug)]
struct Parameter {
    kind: String,
    /// The value of each version, from the first.
    versions: Vec<String>,
    changed_millis: u64,
}

impl Parameters {
    /// Gives a parameter a new value. `kind` is `String`, `StringList` or `SecureString`.
    pub fn define(&mut self, name: &str, kind: &str, value: &str) {
        let new = || Parameter { kind: String::new(), versions: Vec::new(), changed_millis: 0 };
        let parameter = self.by_name.entry(name.to_owned()).or_insert_with(new);
        kind.clone_into(&mut parameter.kind);
        parameter.versions.push(value.to_owned());
    }

    /// What requests have changed so far, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Answers one request that arrives at `now_millis`.
    pub fn handle(&mut self, request: &Request, now_millis: u64) -> Response {
        let outcome = match request.operation.as_str() {
            "GetParameter" => self.get(&request.json),
            "GetParametersByPath" => self.by_path(&request.json),
            "PutParameter" => self.put(&request.json, now_millis),
            other => Err(Refusal("NotImplemented", Some(format!("The simulated account has no operation {other}.")))),
        };
        match outcome {
            Ok(answer) => Response { content_type: CONTENT_TYPE, ..Response::json(200, &answer) },
            Err(refusal) => refusal.response(),
        }
    }

    fn get(&self, request: &Value) -> Result<Value, Refusal> {
        only(request, &["Name", "WithDecryption"])?;
        let asked = required(request, "Name")?;
        let name = asked.strip_prefix(&arn("")).map(|rest| rest.to_owned());
        // An ARN has no slash of its own before a name that is a path.
        let name = name.map(|rest| if rest.contains('/') { format!("/{rest}") } else { rest });
        let name = name.as_deref().unwrap_or(asked);
        let (name, version) = match name.split_once(':') {
            Some((name, version)) => (name, Some(version)),
            None => (name, None),
        };
        let parameter = self.by_name.get(name).ok_or(Refusal("ParameterNotFound", None))?;
        let number = match version {
            None => parameter.versions.len(),
            Some(version) => version.parse().unwrap_or(0),
        };
        let value = number.checked_sub(1).and_then(|index| parameter.versions.get(index)).ok_or_else(|| {
            let message = format!("Systems Manager could not find version {} of {name}.", version.unwrap_or_default());
            Refusal("ParameterVersionNotFound", Some(message))
        })?;
        Ok(json!({ "Parameter": shown(name, parameter, number, value, decrypted(request)) }))
    }

    /// The parameters right below a path, a page at a time. The token is the name of the last one.
    fn by_path(&self, request: &Value) -> Result<Value, Refusal> {
        only(request, &["Path", "WithDecryption", "NextToken", "MaxResults", "Recursive"])?;
        let path = required(request, "Path")?.trim_end_matches('/');
        if !path.starts_with('/') {
            return Err(invalid("The parameter path must begin with a slash."));
        }
        let after = request.get("NextToken").and_then(Value::as_str).unwrap_or_default();
        let below = |name: &str| name.strip_prefix(path)?.strip_prefix('/').map(|rest| !rest.contains('/'));
        let mut found = self.by_name.iter().filter(|(name, _)| below(name) == Some(true) && name.as_str() > after);
        let page: Vec<(&String, &Parameter)> = found.by_ref().take(PAGE).collect();
        let shown = page.iter().filter_map(|(name, parameter)| {
            let (number, value) = (parameter.versions.len(), parameter.versions.last()?);
            Some(shown(name, parameter, number, value, decrypted(request)))
        });
        let mut answer = json!({ "Parameters": shown.collect::<Vec<_>>() });
        if let (Some((last, _)), true) = (page.last(), found.next().is_some()) {
            answer["NextToken"] = json!(last);
        }
        Ok(answer)
    }

    fn put(&mut self, request: &Value, now_millis: u64) -> Result<Value, Refusal> {
        only(request, &["Name", "Value", "Type", "Overwrite", "Tier"])?;
        let (name, value) = (required(request, "Name")?, required(request, "Value")?);
        let advanced = request.get("Tier").and_then(Value::as_str) == Some("Advanced");
        let most = if advanced { ADVANCED } else { STANDARD };
        if value.len() > most {
            return Err(invalid(&format!("The parameter's value has more than {most} characters.")));
        }
        let there = self.by_name.get(name);
        if there.is_some() && request.get("Overwrite") != Some(&Value::Bool(true)) {
            let message = "The parameter already exists. To overwrite this value, set the overwrite option in the request \
                           to true.";
            return Err(Refusal("ParameterAlreadyExists", Some(message.into())));
        }
        let kind = match (request.get("Type").and_then(Value::as_str), there) {
            (Some(kind @ ("String" | "StringList" | "SecureString")), _) => kind.to_owned(),
            (Some(other), _) => return Err(invalid(&format!("There is no parameter type {other}."))),
            (None, Some(there)) => there.kind.clone(),
            (None, None) => return Err(invalid("A parameter type is required when you create a parameter.")),
        };
        let operation = if there.is_some() { "Update" } else { "Create" };
        self.define(name, &kind, value);
        self.changes.push(Change { name: name.to_owned(), kind, operation });
        let version = self.by_name.get_mut(name).map_or(0, |parameter| {
            parameter.changed_millis = now_millis;
            parameter.versions.len()
        });
        Ok(json!({ "Version": version, "Tier": if advanced { "Advanced" } else { "Standard" } }))
    }
}

/// A version of a parameter, as it is answered.
fn shown(name: &str, parameter: &Parameter, number: usize, value: &str, decrypted: bool) -> Value {
    let hidden = parameter.kind == "SecureString" && !decrypted;
    json!({
        "Name": name,
        "Type": parameter.kind,
        "Value": if hidden { format!("AQICAHh{number:08}") } else { value.to_owned() },
        "Version": number,
        "LastModifiedDate": parameter.changed_millis as f64 / 1000.0,
        "ARN": arn(name.trim_start_matches('/')),
        "DataType": "text",
    })
}

fn decrypted(request: &Value) -> bool {
    request.get("WithDecryption") == Some(&Value::Bool(true))
}

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

fn arn(name: &str) -> String {
    format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}")
}

/// Code and message of a refusal; some have no message.
struct Refusal(&'static str, Option<String>);

impl Refusal {
    fn response(self) -> Response {
        let status = if self.0 == "NotImplemented" { 501 } else { 400 };
        let mut body = json!({ "__type": self.0 });
        if let Some(message) = self.1 {
            body["message"] = message.into();
        }
        Response { content_type: CONTENT_TYPE, ..Response::json(status, &body) }
    }
}

fn invalid(message: &str) -> Refusal {
    Refusal("ValidationException", Some(message.to_owned()))
}

fn required<'a>(request: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    let text = request.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| invalid(&format!("1 validation error detected: Value at '{name}' must not be null or empty")))
}

/// Refuses what is not modelled, so that nothing is ignored in silence.
fn only(request: &Value, known: &[&str]) -> Result<(), Refusal> {
    let unknown = request.as_object().and_then(|members| members.keys().find(|name| !known.contains(&name.as_str())));
    match unknown {
        Some(name) => {
            Err(Refusal("NotImplemented", Some(format!("The simulated account does not model the parameter {name}."))))
        }
        None => Ok(()),
    }
}
