//! Lambda's API (REST and JSON): `Invoke` and `GetFunctionConfiguration`. What runs is in [`crate::callables`], or what is installed.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::lambda::Invocation;
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

/// What a function answers who is invoked with its name and may have failed.
pub(crate) fn answered(invocation: Invocation) -> Response {
    match invocation {
        Invocation::Returned(value) => plain(200, &value),
        Invocation::Raised { error_type, error_message } => {
            let error = json!({ "errorType": error_type, "errorMessage": error_message });
            failed(&error)
        }
        // Only Step Functions has this name: here it is a function error without a type.
        Invocation::Platform { error, cause } if error == "Lambda.Unknown" => failed(&json!({ "errorMessage": cause })),
        Invocation::Platform { error, cause } => {
            let code = error.strip_prefix("Lambda.").unwrap_or(&error);
            let status = match code {
                "ResourceNotFoundException" => 404,
                "TooManyRequestsException" => 429,
                _ => 500,
            };
            refuse(status, code, &cause)
        }
    }
}

/// That an event will be handled.
pub(crate) fn accepted() -> Response {
    Response { body: Bytes::new(), ..plain(202, &Value::Null) }
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
    let response = plain(status, &json!({ "Type": "User", "message": message }));
    Response { headers: vec![("x-amzn-errortype", code.to_owned())], ..response }
}

fn failed(error: &Value) -> Response {
    Response { headers: vec![("x-amz-function-error", "Unhandled".to_owned())], ..plain(200, error) }
}

fn plain(status: u16, body: &Value) -> Response {
    Response { content_type: "application/json", ..Response::json(status, body) }
}
