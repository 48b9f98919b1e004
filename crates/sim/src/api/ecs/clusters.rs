//! Clusters and their EC2 instances.

use serde_json::{Value, json};

use super::{missing, wants_tags};
use crate::api::json::{paged, strings, tags};
use crate::world::ecs::{Cluster, ContainerInstance, ServiceStatus, TaskState, last_part};
use crate::world::{Refusal, World};

pub(super) fn describe(world: &World, request: &Value) -> Value {
    let mut names = strings(&request["clusters"]);
    if names.is_empty() {
        names.push("default".into());
    }
    let (mut clusters, mut failures) = (Vec::new(), Vec::new());
    for name in &names {
        match world.cluster(name) {
            Some(cluster) => clusters.push(shown(world, cluster, wants_tags(request))),
            None => {
                let cluster = last_part(name);
                let arn = format!("arn:aws:ecs:{}:{}:cluster/{cluster}", world.region, world.account);
                failures.push(missing(&arn));
            }
        }
    }
    json!({ "clusters": clusters, "failures": failures })
}

fn shown(world: &World, cluster: &Cluster, with_tags: bool) -> Value {
    let tasks = world.ecs.tasks.values().filter(|task| task.service.0 == cluster.name && task.is_living());
    let running = tasks.clone().filter(|task| task.is_running()).count();
    let active = |service: &&crate::world::ecs::Service| {
        service.cluster == cluster.name && service.status == ServiceStatus::Active
    };
    json!({
        "clusterArn": cluster.arn,
        "clusterName": cluster.name,
        "status": "ACTIVE",
        "registeredContainerInstancesCount": cluster.instances.len(),
        "runningTasksCount": running,
        "pendingTasksCount": tasks.count() - running,
        "activeServicesCount": world.ecs.services.values().filter(active).count(),
        "statistics": [],
        "tags": if with_tags { tags(&cluster.tags) } else { json!([]) },
        "settings": [],
        "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        "defaultCapacityProviderStrategy": cluster.default_strategy,
    })
}

pub(super) fn list_instances(world: &World, request: &Value) -> Result<Value, Refusal> {
    let cluster = world.requested_cluster(request)?;
    let instances = world.cluster(&cluster).into_iter().flat_map(|cluster| cluster.instances.values());
    paged(request, "containerInstanceArns", instances.map(|it| json!(it.arn)).collect(), 100)
}

pub(super) fn describe_instances(world: &World, request: &Value) -> Result<Value, Refusal> {
    let cluster = world.requested_cluster(request)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in strings(&request["containerInstances"]) {
        let instances = world.cluster(&cluster).into_iter().flat_map(|cluster| &cluster.instances);
        let named = instances.into_iter().find(|(_, it)| last_part(&it.arn) == last_part(&name));
        match named {
            Some((id, instance)) => found.push(instance_shown(world, id, instance)),
            None => failures.push(missing(&name)),
        }
    }
    Ok(json!({ "containerInstances": found, "failures": failures }))
}

fn instance_shown(world: &World, id: &str, instance: &ContainerInstance) -> Value {
    let on_it = |task: &&crate::world::ecs::Task| {
        task.host.as_deref() == Some(id) && task.is_living() && task.state != TaskState::Stopped
    };
    let tasks = world.ecs.tasks.values().filter(on_it);
    let running = tasks.clone().filter(|task| task.is_running()).count();
    let resources = |(cpu, memory): (u64, u64)| {
        json!([
            { "name": "CPU", "type": "INTEGER", "integerValue": cpu },
            { "name": "MEMORY", "type": "INTEGER", "integerValue": memory },
        ])
    };
    json!({
        "containerInstanceArn": instance.arn,
        "ec2InstanceId": id,
        "version": 1,
        "status": "ACTIVE",
        "agentConnected": true,
        "runningTasksCount": running,
        "pendingTasksCount": tasks.count() - running,
        "registeredResources": resources((instance.cpu, instance.memory)),
        "remainingResources": resources(instance.free()),
        "attributes": [{ "name": "ecs.availability-zone", "value": instance.zone }],
        "attachments": [],
        "tags": [],
    })
}
