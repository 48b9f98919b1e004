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
        // A proxy's page, most likely.
        _ => CallError::unreadable(format!("HTTP status {status}, and no error in it that can be read"))
            .with_status(status),
    }
}
