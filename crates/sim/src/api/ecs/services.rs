//! Services.

use serde_json::{Map, Value, json};

use super::{invalid, missing, wants_tags};
use crate::api::json::{compact, paged, strings, tags, time};
use crate::world::ecs::{Deployment, Service, ServiceKey, ServiceStatus, last_part, member};
use crate::world::{Refusal, World};

/// How many services one request may describe.
const MOST: usize = 10;

/// What belongs to deployments, and is not shown of a service itself.
const OF_DEPLOYMENTS: [&str; 4] =
    ["serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations", "monitoring"];

/// What is shown of a deployment's settings.
const SHOWN: [&str; 8] = [
    "capacityProviderStrategy",
    "launchType",
    "platformVersion",
    "platformFamily",
    "networkConfiguration",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

pub(super) fn create(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let key = world.create_service(request)?;
    one(world, &key, true)
}

pub(super) fn update(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let key = world.update_service(request)?;
    one(world, &key, false)
}

pub(super) fn delete(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let key = world.delete_service(request)?;
    one(world, &key, false)
}

fn one(world: &World, key: &ServiceKey, with_tags: bool) -> Result<Value, Refusal> {
    let service = world.ecs.services.get(key).ok_or_else(|| invalid("Service not found."))?;
    Ok(json!({ "service": shown(world, service, with_tags) }))
}

pub(super) fn describe(world: &World, request: &Value) -> Result<Value, Refusal> {
    let cluster = world.requested_cluster(request)?;
    let names = strings(&request["services"]);
    if names.is_empty() {
        return Err(invalid("Services cannot be empty."));
    }
    if names.len() > MOST {
        return Err(invalid(&format!("Services can have at most {MOST} items.")));
    }
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for name in &names {
        let name = last_part(name);
        match world.service(&cluster, name) {
            Some(service) => services.push(shown(world, service, wants_tags(request))),
            None => failures
                .push(missing(&format!("arn:aws:ecs:{}:{}:service/{cluster}/{name}", world.region, world.account))),
        }
    }
    Ok(json!({ "services": services, "failures": failures }))
}

pub(super) fn list(world: &World, request: &Value) -> Result<Value, Refusal> {
    let cluster = world.requested_cluster(request)?;
    let asked = |service: &&Service| {
        service.cluster == cluster
            && service.status != ServiceStatus::Inactive
            && ["launchType", "schedulingStrategy"]
                .iter()
                .all(|name| request[name].is_null() || request[name] == *member(&service.fields, name))
    };
    let arns = world.ecs.services.values().filter(asked).map(|service| json!(service.arn)).collect();
    paged(request, "serviceArns", arns, 10)
}

fn counts(world: &World, service: &Service, of: Option<&Deployment>) -> (usize, usize) {
    let tasks = service.tasks.iter().filter_map(|id| world.task(id));
    // Tasks that stop are neither running nor pending.
    let tasks = tasks.filter(|task| task.is_living() && of.is_none_or(|of| task.deployment == of.id));
    let running = tasks.clone().filter(|task| task.is_running()).count();
    (running, tasks.count() - running)
}

fn shown(world: &World, service: &Service, with_tags: bool) -> Value {
    let mut fields: Map<String, Value> = service.fields.clone();
    fields.retain(|name, _| !OF_DEPLOYMENTS.contains(&name.as_str()));
    let (running, pending) = counts(world, service, None);
    let primary = service.primary();
    let revision = primary.map(|it| {
        json!([{
            "arn": it.revision,
            "requestedTaskCount": service.desired,
            "runningTaskCount": running,
            "pendingTaskCount": pending,
        }])
    });
    let events: Vec<Value> = service
        .events
        .iter()
        .map(|event| json!({ "id": event.id, "createdAt": time(event.at), "message": event.message }))
        .collect();
    let active = service.status != ServiceStatus::Inactive;
    let deployments: Vec<Value> = service
        .deployments
        .iter()
        .enumerate()
        .filter(|_| active)
        .map(|(place, it)| deployment(world, service, it, place == 0))
        .collect();
    let live = compact(json!({
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": world.cluster(&service.cluster).map(|cluster| &cluster.arn),
        "status": service.status.as_str(),
        "desiredCount": service.desired,
        "runningCount": running,
        "pendingCount": pending,
        "createdAt": time(service.created_at),
        "createdBy": format!("arn:aws:iam::{}:role/operator", world.account),
        "deployments": deployments,
        "currentServiceRevisions": revision,
        "events": events,
        "tags": with_tags.then(|| tags(&service.tags)),
    }));
    fields.extend(live.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

fn deployment(world: &World, service: &Service, it: &Deployment, primary: bool) -> Value {
    let (running, pending) = counts(world, service, Some(it));
    let mut fields = it.config.clone();
    fields.retain(|name, _| SHOWN.contains(&name.as_str()));
    let live = json!({
        "id": it.id,
        "status": if primary { "PRIMARY" } else { "ACTIVE" },
        "taskDefinition": it.definition,
        "desiredCount": if primary { service.desired as usize } else { running + pending },
        "runningCount": running,
        "pendingCount": pending,
        "failedTasks": it.failed_tasks,
        "createdAt": time(it.created_at),
        "updatedAt": time(it.updated_at),
        "rolloutState": it.rollout.as_str(),
        "rolloutStateReason": it.reason,
    });
    fields.extend(live.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

pub(super) fn revisions(world: &World, request: &Value) -> Result<Value, Refusal> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in strings(&request["serviceRevisionArns"]) {
        let all =
            world.ecs.services.values().flat_map(|service| service.deployments.iter().map(move |it| (service, it)));
        match all.into_iter().find(|(_, it)| it.revision == arn) {
            None => failures.push(missing(&arn)),
            Some((service, it)) => {
                let mut fields = it.config.clone();
                let live = compact(json!({
                    "serviceRevisionArn": it.revision,
                    "serviceArn": service.arn,
                    "clusterArn": world.cluster(&service.cluster).map(|cluster| &cluster.arn),
                    "taskDefinition": it.definition,
                    "createdAt": time(it.created_at),
                    "monitoring": service.fields.get("monitoring"),
                }));
                fields.extend(live.as_object().cloned().unwrap_or_default());
                found.push(Value::Object(fields));
            }
        }
    }
    Ok(json!({ "serviceRevisions": found, "failures": failures }))
}
