//! Task definitions.

use serde_json::{Value, json};

use super::{invalid, wants_tags};
use crate::api::json::{compact, paged, tags, time};
use crate::world::ecs::Definition;
use crate::world::{Refusal, World};

pub(super) fn register(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let arn = world.register_task_definition(request)?;
    found(world, &arn, true)
}

pub(super) fn deregister(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let arn = world.deregister_task_definition(request["taskDefinition"].as_str().unwrap_or_default())?;
    found(world, &arn, false)
}

pub(super) fn describe(world: &World, request: &Value) -> Result<Value, Refusal> {
    found(world, request["taskDefinition"].as_str().unwrap_or_default(), wants_tags(request))
}

fn found(world: &World, name: &str, with_tags: bool) -> Result<Value, Refusal> {
    let unknown = || Refusal::new(400, "ClientException", "Unable to describe task definition.");
    let definition = world.task_definition(name).ok_or_else(unknown)?;
    let mut answer = json!({ "taskDefinition": shown(world, definition) });
    if with_tags {
        answer["tags"] = tags(&definition.tags);
    }
    Ok(answer)
}

fn shown(world: &World, definition: &Definition) -> Value {
    let mut fields = definition.fields.clone();
    let mut compatibilities = vec!["EC2"];
    if definition.network_mode() == "awsvpc" {
        compatibilities.push("FARGATE");
    }
    let live = compact(json!({
        "taskDefinitionArn": definition.arn,
        "revision": definition.revision,
        "status": if definition.active { "ACTIVE" } else { "INACTIVE" },
        "requiresAttributes": [{ "name": "com.amazonaws.ecs.capability.docker-remote-api.1.18" }],
        "compatibilities": compatibilities,
        "registeredAt": time(definition.registered_at),
        "registeredBy": format!("arn:aws:iam::{}:role/operator", world.account),
        "deregisteredAt": definition.deregistered_at.map(time),
    }));
    fields.extend(live.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

pub(super) fn list(world: &World, request: &Value) -> Result<Value, Refusal> {
    let family = request["familyPrefix"].as_str();
    let active = match request["status"].as_str().unwrap_or("ACTIVE") {
        "ACTIVE" => true,
        "INACTIVE" => false,
        other => return Err(invalid(&format!("The status {other} is not valid."))),
    };
    let families = world.ecs.definitions.iter().filter(|(name, _)| family.is_none_or(|family| *name == family));
    let mut arns: Vec<Value> = families
        .flat_map(|(_, revisions)| revisions)
        .filter(|definition| definition.active == active)
        .map(|definition| json!(definition.arn))
        .collect();
    if request["sort"] == "DESC" {
        arns.reverse();
    }
    paged(request, "taskDefinitionArns", arns, 100)
}
