//! Application Auto Scaling's API (AWS JSON 1.1).
//!
//! What it owns: reading requests and writing answers. What is scaled, and when, the world knows.

use serde_json::Value;

use super::json::answer;
use crate::world::{Refusal, World};
use crate::{Request, Response};

/// Answers one request.
pub fn handle(world: &mut World, request: &Request) -> Response {
    let outcome = dispatch(world, &request.operation, &request.json);
    world.settle();
    answer(request, outcome)
}

fn dispatch(_: &mut World, operation: &str, _: &Value) -> Result<Value, Refusal> {
    Err(Refusal::not_implemented(&format!("the operation {operation}")))
}
