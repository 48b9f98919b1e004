//! How an operation is refused.

use serde_json::{Value as Json, json};

use crate::{Response, Service};

/// An error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The error's code, such as `ValidationException`.
    pub code: &'static str,
    /// What it says.
    pub message: String,
    /// More members of the error, such as `CancellationReasons`.
    pub more: serde_json::Map<String, Json>,
}

impl Refusal {
    /// A refusal without more members.
    pub(super) fn new(code: &'static str, message: &str) -> Self {
        Self { code, message: message.to_owned(), more: Default::default() }
    }

    /// The same with one member more.
    pub(super) fn with(mut self, name: &str, value: Json) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// As the answer to a request.
    pub(super) fn response(self) -> Response {
        if self.more.is_empty() {
            return Response::error(Service::DynamoDb, 400, self.code, &self.message);
        }
        let mut body = self.more;
        body.insert("__type".to_owned(), json!(self.code));
        body.insert("message".to_owned(), json!(self.message));
        Response::json(400, &Json::Object(body))
    }
}

/// The request contradicts itself, the table or the limits.
pub(super) fn invalid(message: &str) -> Refusal {
    Refusal::new("ValidationException", message)
}
