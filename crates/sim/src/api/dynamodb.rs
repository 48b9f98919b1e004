//! TODO helper: DynamoDB
use crate::{Request, Response};

/// All tables of the account.
#[derive(Debug, Default)]
pub struct Tables {}

impl Tables {
    /// Answers one request that arrives at `now_millis`.
    pub fn handle(&mut self, request: &Request, _now_millis: u64) -> Response {
        Response::error(request.service, 501, "NotImplemented", &request.operation)
    }
}
