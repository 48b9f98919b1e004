//! The sample's fleets as ECS services, in one cluster, on Fargate or on EC2 instances.

use serde_json::{Value, json};

use super::images::REPOSITORY;
use super::service_scaling::{scale_by_itself, sleep_and_wake};
use super::{Compute, Layout, ShopOptions, Source};
use crate::world::ecs::{ContainerBehaviour, ContainerImage};
use crate::world::{Refusal, World};

/// The cluster of the shop's services.
pub(super) const CLUSTER: &str = "shop";

/// The container that serves, and its port.
const CONTAINER: &str = "app";
const PORT: u16 = 8080;

/// The image of the container beside it.
const SIDECAR: &str = "public.ecr.aws/shop/telemetry:4";

/// The target groups of production, those beside them, and the other team's.
pub(super) struct Pools<'a> {
    pub(super) production: &'a [String],
    pub(super) second: &'a [String],
    pub(super) search: Option<&'a String>,
    pub(super) other: &'a str,
}

/// Adds the cluster and the services. Answers the ARN of the base's task definition.
pub(super) fn add(world: &mut World, options: &ShopOptions, pools: &Pools<'_>) -> Result<String, Refusal> {
    refuse_what_services_have_not(options)?;
    world.add_cluster(CLUSTER);
    if options.compute == Compute::ServicesOnInstances {
        for zone in ["eu-west-1a", "eu-west-1b", "eu-west-1c"] {
            for _ in 0..2 {
                world.add_container_instance(CLUSTER, zone, 4096, 16_384);
            }
        }
    }
    world.add_container_image(
        ContainerImage::new(SIDECAR)
            .behaviour(ContainerBehaviour { boot_seconds: (1, 2), ..ContainerBehaviour::default() }),
    );
    let base = world.register_task_definition(&definition(options, "shop", 2, &common_tags()))?;
    world.add_service(&service(options, "shop-base", &base, pools.production, 0, &common_tags()), true)?;
    for revision in 2..=6 {
        add_revision(world, options, revision, pools)?;
    }
    add_foreigners(world, options, pools.other)?;
    if options.equipped {
        for service in ["shop-base", "shop__6"] {
            scale_by_itself(world, service, &pools.production[0])?;
        }
    }
    if options.protected {
        world.protect_tasks(CLUSTER, "shop__6", 2880);
    }
    for id in world.tasks_of(CLUSTER, "shop__6").into_iter().take(options.ill as usize) {
        world.sicken_task(&id);
    }
    Ok(base)
}

fn add_revision(world: &mut World, options: &ShopOptions, revision: u64, pools: &Pools<'_>) -> Result<(), Refusal> {
    let mut tags = common_tags();
    tags.push(tag("crossfade:infrastructure", "shop/production/shop:shop-base"));
    tags.push(tag("crossfade:revision", &revision.to_string()));
    tags.push(tag("crossfade:deployment", &format!("earlier-{revision}")));
    let definition = world.register_task_definition(&definition(options, "shop", revision, &tags))?;
    let tasks = match revision {
        6 => options.instances,
        _ => options.also_running.iter().find(|(also, _)| *also == revision).map_or(0, |(_, count)| *count),
    };
    // Those that sleep stand where they served last: every other revision on the other side, where there are two.
    let asleep = options.sleeping.iter().find(|(it, _)| *it == revision).map(|(_, count)| *count);
    let tasks = if asleep.is_some() { 0 } else { tasks };
    let aside = tasks == 0 && asleep.is_none() && revision % 2 == 1 && options.layout != Layout::Attached;
    let mut behind = if aside { pools.second.to_vec() } else { pools.production.to_vec() };
    behind.extend(pools.search.filter(|_| revision == 6).cloned());
    let name = format!("shop__{revision}");
    world.add_service(&service(options, &name, &definition, &behind, tasks, &tags), true)?;
    asleep.map_or(Ok(()), |count| sleep_and_wake(world, &name, count, options.sleeps_minutes))
}

fn tag(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": value })
}

fn common_tags() -> Vec<Value> {
    vec![tag("team", "storefront"), tag("cost-centre", "4711")]
}

/// A task definition, most of whose settings are unlike their defaults, so that a clone that forgets one is found out.
fn definition(options: &ShopOptions, family: &str, revision: u64, tags: &[Value]) -> Value {
    let fargate = options.compute == Compute::Services;
    let image = if family == "shop" { format!("{REPOSITORY}:{revision}") } else { super::images::FOREIGN.to_owned() };
    let logs = json!({
        "logDriver": "awslogs",
        "options": { "awslogs-group": "/shop", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "app" },
    });
    let mut app = json!({
        "name": CONTAINER,
        "image": image,
        "cpu": 448,
        "memoryReservation": 768,
        "essential": true,
        "portMappings": [{ "containerPort": PORT, "protocol": "tcp", "name": "http", "appProtocol": "http" }],
        "environment": [{ "name": "STAGE", "value": "production" }],
        "secrets": [{ "name": "TOKEN", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/token" }],
        "mountPoints": [{ "sourceVolume": "cache", "containerPath": "/var/cache/shop", "readOnly": false }],
        "dependsOn": [{ "containerName": "telemetry", "condition": "START" }],
        "ulimits": [{ "name": "nofile", "softLimit": 65_536, "hardLimit": 65_536 }],
        "stopTimeout": 60,
        "logConfiguration": logs,
        "dockerLabels": { "service": family },
        "versionConsistency": "enabled",
    });
    if options.layout == Layout::Named {
        app["healthCheck"] =
            json!({ "command": ["CMD-SHELL", "curl -f http://localhost:8080/"], "interval": 5, "retries": 3 });
    }
    if !fargate {
        app["portMappings"][0]["hostPort"] = json!(0);
        if let Some(mapping) = app["portMappings"][0].as_object_mut() {
            mapping.remove("appProtocol");
        }
    }
    let telemetry = json!({
        "name": "telemetry",
        "image": SIDECAR,
        "cpu": 64,
        "memoryReservation": 128,
        "essential": false,
        "user": "1000",
        "readonlyRootFilesystem": true,
        "logConfiguration": logs,
    });
    let mut definition = json!({
        "family": family,
        "taskRoleArn": "arn:aws:iam::123456789012:role/shop-task",
        "executionRoleArn": "arn:aws:iam::123456789012:role/shop-execution",
        "networkMode": if fargate { "awsvpc" } else { "bridge" },
        "requiresCompatibilities": [if fargate { "FARGATE" } else { "EC2" }],
        "cpu": "512",
        "memory": "1024",
        "volumes": [{ "name": "cache", "host": {} }],
        "containerDefinitions": [app, telemetry],
        "tags": tags,
    });
    if fargate {
        definition["runtimePlatform"] = json!({ "cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX" });
        definition["ephemeralStorage"] = json!({ "sizeInGiB": 30 });
    }
    definition
}

/// A service, most of whose settings are unlike their defaults.
fn service(
    options: &ShopOptions,
    name: &str,
    definition: &str,
    target_groups: &[String],
    tasks: u32,
    tags: &[Value],
) -> Value {
    let balancer = |arn: &String| json!({ "targetGroupArn": arn, "containerName": CONTAINER, "containerPort": PORT });
    let (registries, balanced): (Vec<&String>, Vec<&String>) =
        target_groups.iter().partition(|arn| arn.contains(":servicediscovery:"));
    let balancers: Vec<Value> = balanced.into_iter().map(balancer).collect();
    let mut service = json!({
        "cluster": CLUSTER,
        "serviceName": name,
        "taskDefinition": definition,
        "desiredCount": tasks,
        "loadBalancers": balancers,
        "schedulingStrategy": "REPLICA",
        "healthCheckGracePeriodSeconds": options.grace_seconds,
        "deploymentConfiguration": {
            "maximumPercent": 150,
            "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": { "enable": true, "rollback": true },
        },
        "availabilityZoneRebalancing": "DISABLED",
        "enableECSManagedTags": true,
        "propagateTags": "SERVICE",
        "enableExecuteCommand": true,
        "tags": tags,
    });
    for arn in registries {
        service["serviceRegistries"] = match options.records.srv {
            true => json!([{ "registryArn": arn, "containerName": CONTAINER, "containerPort": PORT }]),
            false => json!([{ "registryArn": arn }]),
        };
        if service["loadBalancers"].as_array().is_some_and(Vec::is_empty) {
            service["healthCheckGracePeriodSeconds"] = Value::Null;
        }
    }
    if options.compute == Compute::Services {
        service["launchType"] = json!("FARGATE");
        service["platformVersion"] = json!("1.4.0");
        service["networkConfiguration"] = json!({ "awsvpcConfiguration": {
            "subnets": ["subnet-0aaa1111bbbb2222c", "subnet-0ddd3333eeee4444f", "subnet-0fff5555aaaa6666b"],
            "securityGroups": ["sg-0123456789abcdef0"],
            "assignPublicIp": "DISABLED",
        } });
    } else {
        service["launchType"] = json!("EC2");
        service["placementStrategy"] = json!([
            { "type": "spread", "field": "attribute:ecs.availability-zone" },
            { "type": "binpack", "field": "memory" },
        ]);
        service["placementConstraints"] =
            json!([{ "type": "memberOf", "expression": "attribute:ecs.os-type == linux" }]);
    }
    service
}

/// The other team's service, which nobody may touch.
fn add_foreigners(world: &mut World, options: &ShopOptions, target_group: &str) -> Result<(), Refusal> {
    let tags = vec![tag("team", "other")];
    let theirs = world.register_task_definition(&definition(options, "other-team", 1, &tags))?;
    world.add_service(&service(options, "other-team", &theirs, &[target_group.to_owned()], 2, &tags), true)
}

/// Options that are about Auto Scaling groups alone.
fn refuse_what_services_have_not(options: &ShopOptions) -> Result<(), Refusal> {
    let plain = ShopOptions::default();
    let of_groups = options.base != Source::Pinned
        || options.warm_pool
        || options.ec2_checks
        || options.held_seconds.is_some()
        || options.unserved_zone
        || options.suspended_on_running != plain.suspended_on_running
        || options.suspended_on_base != plain.suspended_on_base
        || options.classic_load_balancers != plain.classic_load_balancers
        || matches!(options.also_behind, Some(super::AlsoBehind::Lattice | super::AlsoBehind::Classic));
    if of_groups { Err(Refusal::not_implemented("services with what groups alone have")) } else { Ok(()) }
}
