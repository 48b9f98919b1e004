//! Amazon ECS's API (AWS JSON 1.1).
//!
//! What it owns: reading requests and writing answers. What services and tasks do, the world knows.

mod clusters;
mod definitions;
mod services;
mod tags;
mod tasks;

use serde_json::{Value, json};

use super::json::answer;
use crate::world::{Reach, Refusal, World};
use crate::{Request, Response};

/// Answers one request.
pub fn handle(world: &mut World, request: &Request) -> Response {
    let outcome = dispatch(world, &request.operation, &request.json);
    world.settle_after(request, Reach::All);
    answer(request, outcome)
}

fn dispatch(world: &mut World, operation: &str, request: &Value) -> Result<Value, Refusal> {
    match operation {
        "DescribeClusters" => Ok(clusters::describe(world, request)),
        "DescribeContainerInstances" => clusters::describe_instances(world, request),
        "ListContainerInstances" => clusters::list_instances(world, request),
        "CreateService" => services::create(world, request),
        "UpdateService" => services::update(world, request),
        "DeleteService" => services::delete(world, request),
        "DescribeServices" => services::describe(world, request),
        "ListServices" => services::list(world, request),
        "DescribeServiceRevisions" => services::revisions(world, request),
        "RegisterTaskDefinition" => definitions::register(world, request),
        "DeregisterTaskDefinition" => definitions::deregister(world, request),
        "DescribeTaskDefinition" => definitions::describe(world, request),
        "ListTaskDefinitions" => definitions::list(world, request),
        "ListTasks" => tasks::list(world, request),
        "DescribeTasks" => tasks::describe(world, request),
        "StopTask" => tasks::stop(world, request),
        "GetTaskProtection" => tasks::protection(world, request),
        "UpdateTaskProtection" => tasks::protect(world, request),
        "TagResource" => tags::tag(world, request),
        "UntagResource" => tags::untag(world, request),
        "ListTagsForResource" => tags::list(world, request),
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    }
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(400, "InvalidParameterException", message)
}

fn missing(arn: &str) -> Value {
    json!({ "arn": arn, "reason": "MISSING" })
}

/// Whether a request asks for tags, too.
fn wants_tags(request: &Value) -> bool {
    request["include"].as_array().is_some_and(|include| include.iter().any(|it| it == "TAGS"))
}
