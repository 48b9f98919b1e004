//! Lambda's `Invoke` over HTTP.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Functions, Invocation};
use crate::Response;
use crate::api::lambda::{plain, refuse};

/// Answers one `Invoke`. `invocation_type` is the `X-Amz-Invocation-Type` header: `RequestResponse` by default,
/// `Event` (accepted and run in the background) or `DryRun`.
///
/// A function's own error is 200 with `X-Amz-Function-Error: Unhandled`, as AWS answers; an error of the service has
/// its own status and `X-Amzn-ErrorType`.
pub async fn invoke_api(
    functions: &dyn Functions,
    function: &str,
    invocation_type: Option<&str>,
    body: Bytes,
) -> Response {
    let payload = match serde_json::from_slice::<Value>(if body.is_empty() { b"null" } else { &body }) {
        Ok(payload) => payload,
        Err(error) => {
            let message = format!("Could not parse request body into json: {error}");
            return refuse(400, "InvalidRequestContentException", &message);
        }
    };
    let nothing = |status| Response { body: Bytes::new(), ..plain(status, &Value::Null) };
    let invocation = match invocation_type {
        None | Some("RequestResponse") => functions.invoke(function, payload),
        Some("Event") => {
            tokio::spawn(functions.invoke(function, payload));
            return nothing(202);
        }
        Some("DryRun") => return nothing(204),
        Some(other) => {
            return refuse(400, "InvalidParameterValueException", &format!("{other} is no invocation type"));
        }
    };
    let executed = ("x-amz-executed-version", "$LATEST".to_owned());
    let unhandled = ("x-amz-function-error", "Unhandled".to_owned());
    let failed = |error: &Value| Response { headers: vec![executed.clone(), unhandled], ..plain(200, error) };
    match invocation.await {
        Invocation::Returned(value) => Response { headers: vec![executed], ..plain(200, &value) },
        Invocation::Raised { error_type, error_message } => {
            failed(&json!({ "errorType": error_type, "errorMessage": error_message }))
        }
        // Only Step Functions has this name: over HTTP it is a function error without a type.
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
