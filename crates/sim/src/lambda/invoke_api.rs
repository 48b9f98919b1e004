//! Lambda's `Invoke` over HTTP, for a server to mount at `POST /2015-03-31/functions/NAME/invocations`.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::{Functions, Invocation};

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
) -> Response<Bytes> {
    let payload = match serde_json::from_slice::<Value>(if body.is_empty() { b"null" } else { &body }) {
        Ok(payload) => payload,
        Err(error) => {
            let message = format!("Could not parse request body into json: {error}");
            return refusal(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &message);
        }
    };
    let invocation = match invocation_type {
        None | Some("RequestResponse") => functions.invoke(function, payload),
        Some("Event") => {
            tokio::spawn(functions.invoke(function, payload));
            return answer(StatusCode::ACCEPTED, &[], Bytes::new());
        }
        Some("DryRun") => return answer(StatusCode::NO_CONTENT, &[], Bytes::new()),
        Some(other) => {
            let message = format!("{other} is no invocation type");
            return refusal(StatusCode::BAD_REQUEST, "InvalidParameterValueException", &message);
        }
    };
    let unhandled = [("x-amz-executed-version", "$LATEST"), ("x-amz-function-error", "Unhandled")];
    match invocation.await {
        Invocation::Returned(value) => answer(StatusCode::OK, &unhandled[..1], value.to_string().into()),
        Invocation::Raised { error_type, error_message } => {
            let body = json!({ "errorType": error_type, "errorMessage": error_message });
            answer(StatusCode::OK, &unhandled, body.to_string().into())
        }
        // Only Step Functions has this name: over HTTP it is a function error without a type.
        Invocation::Platform { error, cause } if error == "Lambda.Unknown" => {
            answer(StatusCode::OK, &unhandled, json!({ "errorMessage": cause }).to_string().into())
        }
        Invocation::Platform { error, cause } => {
            let code = error.strip_prefix("Lambda.").unwrap_or(&error);
            let status = match code {
                "ResourceNotFoundException" => StatusCode::NOT_FOUND,
                "TooManyRequestsException" => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refusal(status, code, &cause)
        }
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Bytes> {
    let body = json!({ "Type": "User", "message": message, "Message": message });
    answer(status, &[("x-amzn-errortype", code)], body.to_string().into())
}

fn answer(status: StatusCode, headers: &[(&str, &str)], body: Bytes) -> Response<Bytes> {
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    // The only way to fail is a header that is no header, such as an error's name with a line end.
    response.body(body).unwrap_or_else(|_| Response::new(Bytes::from_static(b"{}")))
}
