//! Reading answers in AWS JSON.

use serde_json::Value;

use super::CallError;

/// Reads an answer. The parser's own words are not repeated: they may quote what is secret.
pub(super) fn read(body: &str) -> Result<Value, CallError> {
    serde_json::from_str(body).map_err(|error| {
        CallError::unreadable(format!("the answer is no JSON (line {} column {})", error.line(), error.column()))
    })
}

/// Reads `{"__type": "com.amazonaws.ssm#ParameterNotFound", "message": "…"}`; some services write `Message`.
pub(super) fn error(status: u16, body: &str) -> CallError {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    match read(body).map(|value| (text(&value, "__type"), text(&value, "message").or_else(|| text(&value, "Message"))))
    {
        Ok((Some(code), message)) => {
            let code = code.rsplit('#').next().unwrap_or_default();
            CallError::refused(status, code, message.unwrap_or_default(), None)
        }
        _ => CallError::without_code(status),
    }
}

/// Reads an error of REST and JSON: its code stands in a header, as `ResourceNotFoundException:http://…`, its words in the body.
pub(super) fn rest_error(status: u16, code: Option<&str>, body: &str) -> CallError {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let message = read(body).ok().and_then(|value| text(&value, "message").or_else(|| text(&value, "Message")));
    match code.and_then(|code| code.split(':').next()).filter(|code| !code.is_empty()) {
        Some(code) => CallError::refused(status, code, message.unwrap_or_default(), None),
        None => CallError::without_code(status),
    }
}
