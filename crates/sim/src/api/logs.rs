//! CloudWatch Logs (AWS JSON 1.1): what containers have printed that log by the driver `awslogs`, by `GetLogEvents`.

use serde_json::{Value, json};

use super::json::answer;
use crate::world::ecs::Task;
use crate::world::printed::printed;
use crate::world::{Refusal, World};
use crate::{Request, Response};

/// How many lines one answer holds at most (CloudWatch Logs API reference, GetLogEvents).
const LINES: u64 = 10_000;

/// Answers one request.
pub fn handle(world: &World, request: &Request) -> Response {
    let outcome = match request.operation.as_str() {
        "GetLogEvents" => events(world, &request.json),
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    };
    answer(request, outcome)
}

fn events(world: &World, request: &Value) -> Result<Value, Refusal> {
    let known = ["logGroupName", "logStreamName", "limit", "startFromHead"];
    if let Some(other) = request.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(Refusal::not_implemented(&format!("the parameter {}", other.0)));
    }
    let of = |name: &str| request[name].as_str().unwrap_or_default();
    let missing = |what: &str| {
        Refusal::new(400, "ResourceNotFoundException", &format!("The specified log {what} does not exist."))
    };
    let limit = request["limit"].as_u64().unwrap_or(LINES);
    if !(1..=LINES).contains(&limit) {
        let message = format!("1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint");
        return Err(Refusal::new(400, "InvalidParameterException", &message));
    }
    let streams: Vec<(&Task, &Value, String)> =
        world.ecs.tasks.values().flat_map(|task| streams(world, task)).collect();
    let in_group = |container: &Value| container["logConfiguration"]["options"]["awslogs-group"] == of("logGroupName");
    if !streams.iter().any(|(_, container, _)| in_group(container)) {
        return Err(missing("group"));
    }
    let stream = streams.iter().find(|(task, container, stream)| {
        // ECS makes it when the container starts.
        in_group(container) && stream == of("logStreamName") && task.started_at.is_some()
    });
    let (task, container, _) = stream.ok_or_else(|| missing("stream"))?;
    let begun = task.started_at.unwrap_or(task.created_at);
    let mut lines = printed(&task.server, container["image"].as_str().unwrap_or_default(), begun, world.now_millis());
    // The last ones, unless somebody wants the first.
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if request["startFromHead"] == true {
        lines.truncate(limit);
    } else {
        lines.drain(..lines.len().saturating_sub(limit));
    }
    let event =
        |(at, message): (u64, String)| json!({ "timestamp": at, "message": message, "ingestionTime": at + 800 });
    let events: Vec<Value> = lines.into_iter().map(event).collect();
    Ok(json!({ "events": events, "nextForwardToken": "f/0", "nextBackwardToken": "b/0" }))
}

/// The streams of a task's containers.
fn streams<'a>(world: &'a World, task: &'a Task) -> Vec<(&'a Task, &'a Value, String)> {
    let containers = world.task_definition(&task.definition).into_iter().flat_map(|definition| definition.containers());
    let stream = |container: &'a Value| {
        let log = &container["logConfiguration"];
        let prefix = log["options"]["awslogs-stream-prefix"].as_str().filter(|_| log["logDriver"] == "awslogs")?;
        Some((task, container, format!("{prefix}/{}/{}", container["name"].as_str()?, task.id)))
    };
    containers.filter_map(stream).collect()
}
