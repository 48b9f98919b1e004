//! Calls that bear a token, or another header that is secret.
//!
//! What it owns: where what is secret is put in, and how a service with bearer tokens says no. The connection adds it: the runtime writes
//! requests to its log, and must never have seen it.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use serde_json::Value;

use super::{CallError, json};

/// A token. Nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(Arc<str>);

impl Token {
    /// This one.
    pub(crate) fn new(token: &str) -> Self {
        Self(token.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

impl Token {
    /// As the header Authorization bears it.
    pub(super) fn authorization(&self) -> Self {
        Self::new(&format!("Bearer {}", self.0))
    }
}

/// A client whose requests bear these headers.
pub(crate) fn bearing(inner: SharedHttpClient, headers: Vec<(&'static str, Token)>) -> SharedHttpClient {
    SharedHttpClient::new(Bearing { inner, headers })
}

#[derive(Debug)]
struct Bearing {
    inner: SharedHttpClient,
    headers: Vec<(&'static str, Token)>,
}

impl HttpClient for Bearing {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connection { inner, headers: self.headers.clone() })
    }
}

#[derive(Debug)]
struct Connection {
    inner: SharedHttpConnector,
    headers: Vec<(&'static str, Token)>,
}

impl HttpConnector for Connection {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        for (name, token) in &self.headers {
            if request.headers_mut().try_insert(*name, token.0.to_string()).is_err() {
                // What is wrong with it must not be repeated.
                let why = format!("the secret of {name} is no text for a header");
                return HttpConnectorFuture::ready(Err(ConnectorError::user(why.into())));
            }
        }
        self.inner.call(request)
    }
}

/// Reads `{"response": {"errors": [{"code", "message", "field"}]}}`, of which everything may be missing.
pub(super) fn error(status: u16, response: &HttpResponse, body: &str) -> CallError {
    if status == 429 {
        let reset = response.headers().get("x-ratelimit-reset");
        return CallError::too_many(status, "Rate limit exceeded".into(), reset);
    }
    let Ok(body) = json::read(body) else { return CallError::without_code(status) };
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let errors = body.pointer("/response/errors").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(first) = errors.first() else { return CallError::without_code(status) };
    let code = text(first, "code").unwrap_or_else(|| status.to_string());
    let words = errors.iter().map(|error| {
        let field = text(error, "field").map_or_else(String::new, |field| format!("{field}: "));
        format!("{field}{}", text(error, "message").unwrap_or_else(|| "no message".into()))
    });
    let id = body.pointer("/request/id").and_then(Value::as_str);
    CallError::refused(status, &code, words.collect::<Vec<_>>().join("; "), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e7_a_token_shows_nowhere() {
        let token = Token::new("canary");
        let shown = format!(
            "{token:?} {:?}",
            Connection { inner: SharedHttpConnector::new(Never), headers: vec![("x", token.clone())] }
        );
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[derive(Debug)]
    struct Never;

    impl HttpConnector for Never {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            HttpConnectorFuture::ready(Err(ConnectorError::io("never".into())))
        }
    }
}
