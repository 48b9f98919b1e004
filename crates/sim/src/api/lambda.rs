//! Lambda's API (REST and JSON): `Invoke` and `GetFunctionConfiguration`. Invoking is [`invoke_api`](crate::lambda::invoke_api)'s.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::wire::{Head, WireError, percent_decode};
use crate::{Protocol, Request, Response, Service};

const FUNCTIONS: &str = "/2015-03-31/functions/";

/// What a request asks for, in the form in which those of the other services come: the operation and its parameters.
pub(crate) fn decode(head: Head<'_>, body: &Bytes, caller: Option<String>) -> Result<Request, WireError> {
    let rest = head.path.strip_prefix(FUNCTIONS).ok_or(WireError::NoOperation("the path"))?;
    let (name, what) = rest.split_once('/').ok_or(WireError::NoOperation("the path"))?;
    let operation = match (head.method, what) {
        ("POST", "invocations") => "Invoke",
        ("GET", "configuration") => "GetFunctionConfiguration",
        _ => return Err(WireError::NoOperation("method and path")),
    };
    let mut form = BTreeMap::from([("FunctionName".to_owned(), percent_decode(name)?)]);
    if let Some(how) = head.invocation_type.filter(|_| operation == "Invoke") {
        form.insert("InvocationType".into(), how.to_owned());
    }
    let json = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(body).map_err(|error| WireError::Body(error.to_string()))?,
    };
    let (service, protocol) = (Service::Lambda, Protocol::RestJson);
    Ok(Request { service, protocol, interface: None, operation: operation.into(), form, json, caller })
}

/// How a function is set up.
pub(crate) fn configuration(function: &str, there: bool) -> Response {
    if there {
        return plain(200, &json!({ "FunctionArn": function, "State": "Active", "LastUpdateStatus": "Successful" }));
    }
    refuse(404, "ResourceNotFoundException", &format!("Function not found: {function}"))
}

/// An error of the service.
pub(crate) fn refuse(status: u16, code: &str, message: &str) -> Response {
    let response = plain(status, &json!({ "Type": "User", "message": message, "Message": message }));
    Response { headers: vec![("x-amzn-errortype", code.to_owned())], ..response }
}

/// An answer in JSON.
pub(crate) fn plain(status: u16, body: &Value) -> Response {
    Response { content_type: "application/json", ..Response::json(status, body) }
}
