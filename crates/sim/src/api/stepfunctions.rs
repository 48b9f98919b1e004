//! TODO helper: Step Functions
use std::sync::Arc;

use crate::{Request, Response, Sim};

/// The state machines and executions of the account.
#[derive(Debug, Default)]
pub struct StepFunctions {}

impl StepFunctions {
    /// Answers one request.
    pub fn handle(sim: &Arc<Sim>, request: &Request) -> Response {
        let _ = sim;
        Response::error(request.service, 501, "NotImplemented", &request.operation)
    }
}
