//! TODO helper: elbv2
use crate::{Request, Response, world::World};

/// Answers one request.
pub fn handle(_world: &mut World, request: &Request) -> Response {
    Response::error(request.service, 501, "NotImplemented", &request.operation)
}
