//! Tasks and their protection.

use serde_json::{Value, json};

use super::{invalid, missing, wants_tags};
use crate::api::json::{compact, paged, strings, tags, time};
use crate::world::ecs::{ContainerImage, Task, container_state, last_part, member};
use crate::world::{Refusal, World};

/// How many tasks one request may describe, and how many it may protect.
const MOST: usize = 100;
const MOST_PROTECTED: usize = 10;

pub(super) fn list(world: &World, request: &Value) -> Result<Value, Refusal> {
    let cluster = world.requested_cluster(request)?;
    let living = request["desiredStatus"].as_str().unwrap_or("RUNNING") != "STOPPED";
    let service = request["serviceName"].as_str().map(last_part);
    if let Some(name) = service {
        world
            .service(&cluster, name)
            .ok_or_else(|| Refusal::new(400, "ServiceNotFoundException", "Service not found."))?;
    }
    let family = |task: &Task| last_part(&task.definition).split(':').next().unwrap_or_default().to_owned();
    let asked = |task: &&Task| {
        task.service.0 == cluster
            && task.is_living() == living
            && service.is_none_or(|name| task.service.1 == name)
            && request["family"].as_str().is_none_or(|name| family(task) == name)
            && request["startedBy"].as_str().is_none_or(|by| task.deployment == by)
    };
    let arns = world.ecs.tasks.values().filter(asked).map(|task| json!(task.arn)).collect();
    paged(request, "taskArns", arns, 100)
}

pub(super) fn describe(world: &World, request: &Value) -> Result<Value, Refusal> {
    let cluster = world.requested_cluster(request)?;
    let names = strings(&request["tasks"]);
    if names.is_empty() {
        return Err(invalid("Tasks cannot be empty."));
    }
    if names.len() > MOST {
        return Err(invalid(&format!("Tasks can have at most {MOST} items.")));
    }
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in &names {
        match task(world, &cluster, name) {
            Some(task) => found.push(shown(world, task, wants_tags(request))),
            None => failures.push(missing(name)),
        }
    }
    Ok(json!({ "tasks": found, "failures": failures }))
}

fn task<'a>(world: &'a World, cluster: &str, name: &str) -> Option<&'a Task> {
    world.task(last_part(name)).filter(|task| task.service.0 == cluster)
}

fn shown(world: &World, task: &Task, with_tags: bool) -> Value {
    let definition = world.task_definition(&task.definition);
    let answers = task.server.answers(world.now_millis());
    let health = match (task.has_health_check, task.started_at, answers) {
        (false, _, _) | (_, None, _) => "UNKNOWN",
        (_, _, true) => "HEALTHY",
        _ if task.server.ready_at > world.now_millis() => "UNKNOWN",
        _ => "UNHEALTHY",
    };
    let containers: Vec<Value> = definition
        .into_iter()
        .flat_map(|definition| definition.containers())
        .map(|container| container_shown(task, container, health))
        .collect();
    let attachment = format!("{}-eni", &task.id[..8]);
    let attachments = task.address.as_ref().map_or(json!([]), |address| {
        let detail = |name: &str, value: &str| json!({ "name": name, "value": value });
        let subnets = &member(&task.config, "networkConfiguration")["awsvpcConfiguration"]["subnets"];
        json!([{
            "id": attachment,
            "type": "ElasticNetworkInterface",
            "status": if task.started_at.is_some() { "ATTACHED" } else { "PRECREATED" },
            "details": [
                detail("subnetId", subnets[0].as_str().unwrap_or_default()),
                detail("networkInterfaceId", &format!("eni-0{}", &task.id[..16])),
                detail("privateIPv4Address", address),
            ],
        }])
    });
    let of = |name: &str| definition.and_then(|definition| definition.fields.get(name)).cloned();
    let cluster = world.cluster(&task.service.0);
    let host = task.host.as_ref().and_then(|id| cluster?.instances.get(id));
    compact(json!({
        "taskArn": task.arn,
        "clusterArn": cluster.map(|cluster| &cluster.arn),
        "taskDefinitionArn": task.definition,
        "group": format!("service:{}", task.service.1),
        "startedBy": task.deployment,
        "lastStatus": task.state.as_str(),
        "desiredStatus": if task.is_living() { "RUNNING" } else { "STOPPED" },
        "launchType": task.config.get("launchType"),
        "capacityProviderName": member(&task.config, "capacityProviderStrategy")[0]["capacityProvider"],
        "containerInstanceArn": host.map(|host| &host.arn),
        "availabilityZone": task.zone,
        "cpu": of("cpu"),
        "memory": of("memory"),
        "platformVersion": task.config.get("platformVersion").map(|_| "1.4.0"),
        "platformFamily": task.config.get("platformFamily"),
        "connectivity": "CONNECTED",
        "connectivityAt": task.pull_at.map(time),
        "createdAt": time(task.created_at),
        "pullStartedAt": task.pull_at.map(time),
        "pullStoppedAt": task.pulled_at.map(time),
        "startedAt": task.started_at.map(time),
        "stoppingAt": task.stopping_at.map(time),
        "stoppedAt": task.stopped_at.map(time),
        "executionStoppedAt": task.stopped_at.map(time),
        "stopCode": task.stop.as_ref().map(|(code, _)| code.as_str()),
        "stoppedReason": task.stop.as_ref().map(|(_, reason)| reason),
        "healthStatus": health,
        "attachments": attachments,
        "attributes": [],
        "containers": containers,
        "overrides": { "containerOverrides": [], "inferenceAcceleratorOverrides": [] },
        "enableExecuteCommand": *member(&task.config, "enableExecuteCommand") == true,
        "version": 1,
        "tags": if with_tags { tags(&task.tags) } else { json!([]) },
    }))
}

fn container_shown(task: &Task, container: &Value, health: &str) -> Value {
    let name = container["name"].as_str().unwrap_or_default();
    let image = container["image"].as_str().unwrap_or_default();
    let runs = task.started_at.is_some();
    let bindings: Vec<Value> = task
        .ports
        .iter()
        .filter(|((of, _), _)| of == name && runs)
        .map(|((_, inner), outer)| {
            json!({ "bindIP": "0.0.0.0", "containerPort": inner, "hostPort": outer, "protocol": "tcp" })
        })
        .collect();
    let interfaces =
        task.address.as_ref().filter(|_| runs).map(
            |address| json!([{ "attachmentId": format!("{}-eni", &task.id[..8]), "privateIpv4Address": address }]),
        );
    json!({
        "containerArn": format!("{}/{name}", task.arn.replacen(":task/", ":container/", 1)),
        "taskArn": task.arn,
        "name": name,
        "image": image,
        "imageDigest": task.pulled_at.map(|_| ContainerImage::digest(image)),
        "runtimeId": task.pulled_at.map(|_| format!("{}-{name}", task.id)),
        "lastStatus": container_state(task),
        "exitCode": task.exit_code.filter(|_| container_state(task) == "STOPPED"),
        "networkBindings": bindings,
        "networkInterfaces": interfaces.unwrap_or(json!([])),
        "healthStatus": if container["healthCheck"].is_object() { health } else { "UNKNOWN" },
        "cpu": container["cpu"].to_string(),
    })
}

pub(super) fn stop(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let cluster = world.requested_cluster(request)?;
    let unknown = || invalid("The referenced task was not found.");
    let name = request["task"].as_str().unwrap_or_default();
    let id = task(world, &cluster, name).ok_or_else(unknown)?.id.clone();
    world.stop_task_by_hand(&id, request["reason"].as_str().unwrap_or("Task stopped by user"));
    let task = world.task(&id).ok_or_else(unknown)?;
    Ok(json!({ "task": shown(world, task, false) }))
}

fn protected(world: &World, task: &Task) -> Value {
    let until = task.protected_until.filter(|until| world.now_millis() < *until);
    compact(json!({
        "taskArn": task.arn,
        "protectionEnabled": until.is_some(),
        "expirationDate": until.map(time),
    }))
}

pub(super) fn protection(world: &World, request: &Value) -> Result<Value, Refusal> {
    let cluster = world.requested_cluster(request)?;
    let names = strings(&request["tasks"]);
    if names.len() > MOST {
        return Err(invalid(&format!("Tasks can have at most {MOST} items.")));
    }
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in &names {
        match task(world, &cluster, name).filter(|task| task.is_living()) {
            Some(task) => found.push(protected(world, task)),
            None => failures.push(missing(name)),
        }
    }
    Ok(json!({ "protectedTasks": found, "failures": failures }))
}

pub(super) fn protect(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let cluster = world.requested_cluster(request)?;
    let names = strings(&request["tasks"]);
    if names.is_empty() || names.len() > MOST_PROTECTED {
        return Err(invalid(&format!("Tasks must have between 1 and {MOST_PROTECTED} items.")));
    }
    let enabled = request["protectionEnabled"].as_bool().ok_or_else(|| invalid("protectionEnabled cannot be null."))?;
    let minutes = request["expiresInMinutes"].as_u64().unwrap_or(120);
    if !(1..=2880).contains(&minutes) {
        return Err(invalid("expiresInMinutes must be between 1 and 2880."));
    }
    let until = enabled.then(|| world.now_millis() + minutes * 60_000);
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in &names {
        let id = task(world, &cluster, name).map(|task| task.id.clone());
        match id.filter(|id| world.protect_task(id, until)).and_then(|id| world.task(&id)) {
            Some(task) => found.push(protected(world, task)),
            None => failures.push(missing(name)),
        }
    }
    Ok(json!({ "protectedTasks": found, "failures": failures }))
}
