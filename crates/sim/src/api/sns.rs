//! TODO helper: SNS
use crate::{Request, Response};

/// All topics of the account and what was published to them.
#[derive(Debug, Default)]
pub struct Topics {}

impl Topics {
    /// Answers one request that arrives at `now_millis`.
    pub fn handle(&mut self, request: &Request, _now_millis: u64) -> Response {
        Response::error(request.service, 501, "NotImplemented", &request.operation)
    }
}
