//! CloudWatch's API.

use crate::world::World;
use crate::{Request, Response};

/// Answers one request.
pub fn handle(_world: &mut World, request: &Request) -> Response {
    Response::refuse(request, 501, "NotImplemented", "not yet")
}
