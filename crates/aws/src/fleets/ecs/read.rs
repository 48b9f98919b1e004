//! A service, its tasks and its scalable target as AWS describes them, in the domain's words.

use crossfade_core::capacity::Size;
use crossfade_core::infrastructure::{TAG_DEPLOYMENT, TAG_INFRASTRUCTURE, TAG_REVISION, TAG_VERSION, revision_of};
use crossfade_core::kinds::ecs::{Own, Place, ScalableTarget, TaskDefinition};
use crossfade_core::kinds::{Blueprint, Own as AnyOwn};
use crossfade_core::observed::{Fleet, Member, MemberState};
use serde_json::Value;

use super::client::{count, list, tag, text};

/// A service, unless it is gone: a name that was deleted stays listed for a while.
pub(super) fn fleet(service: &Value, tasks: &[Value], target: Option<&Value>, hosts: &Hosts) -> Option<Fleet> {
    if text(service, "status") == "INACTIVE" {
        return None;
    }
    Some(Fleet {
        name: text(service, "serviceName").to_owned(),
        infrastructure: tag(service, TAG_INFRASTRUCTURE).map(str::to_owned),
        revision: tag(service, TAG_REVISION).and_then(revision_of),
        deployment: tag(service, TAG_DEPLOYMENT).map(str::to_owned),
        size: size(service, target),
        target_groups: list(service, "loadBalancers")
            .iter()
            .map(|it| text(it, "targetGroupArn").to_owned())
            .filter(|arn| !arn.is_empty())
            .chain(list(service, "serviceRegistries").iter().map(|it| text(it, "registryArn").to_owned()))
            .collect(),
        sources: sources(service),
        // It has subnets, which only EC2 knows the zones of.
        zones: Vec::new(),
        members: tasks.iter().filter_map(|task| member(service, task, hosts)).collect(),
        blueprint: Some(Blueprint::EcsService(TaskDefinition {
            arn: text(service, "taskDefinition").to_owned(),
            container: String::new(),
            own_address: own_addresses(service),
            places: places(service),
            role: None,
            written: None,
        })),
        deleting: text(service, "status") == "DRAINING",
        own: AnyOwn::EcsService(Own {
            scaling: target.map(scaling),
            problems: problems(service),
            version: tag(service, TAG_VERSION).map(str::to_owned),
        }),
        wakes: None,
    })
}

/// The size of a service: between the limits of its scalable target, or without any.
fn size(service: &Value, target: Option<&Value>) -> Size {
    let desired = count(service, "desiredCount");
    match target {
        Some(target) => Size { min: count(target, "MinCapacity"), desired, max: count(target, "MaxCapacity") },
        None => Size { min: 0, desired, max: desired },
    }
}

fn scaling(target: &Value) -> ScalableTarget {
    let suspended = |name: &str| target["SuspendedState"].get(name).and_then(Value::as_bool).unwrap_or(false);
    ScalableTarget {
        in_suspended: suspended("DynamicScalingInSuspended"),
        out_suspended: suspended("DynamicScalingOutSuspended"),
        schedules_suspended: suspended("ScheduledScalingSuspended"),
    }
}

/// Where a service's tasks are registered, as it says itself.
fn places(service: &Value) -> Vec<Place> {
    let place = |it: &Value, pool: &str| Place {
        pools: vec![text(it, pool).to_owned()],
        container: text(it, "containerName").to_owned(),
        port: u16::try_from(count(it, "containerPort")).unwrap_or(0),
    };
    let balanced = list(service, "loadBalancers").iter().map(|it| place(it, "targetGroupArn"));
    balanced.chain(list(service, "serviceRegistries").iter().map(|it| place(it, "registryArn"))).collect()
}

/// Whether each task has an address of its own (network mode awsvpc): only then a service has a network configuration.
fn own_addresses(service: &Value) -> bool {
    service.get("networkConfiguration").is_some_and(|it| !it.is_null())
}

/// What else sends a service's tasks requests, in words.
fn sources(service: &Value) -> Vec<String> {
    let classic = list(service, "loadBalancers").iter().map(|it| text(it, "loadBalancerName"));
    let classic = classic.filter(|name| !name.is_empty()).map(|name| format!("the classic load balancer {name}"));
    let primary = primary(service);
    let connect = primary.map(|it| &it["serviceConnectConfiguration"]);
    let connect = connect.filter(|it| it["enabled"] == true && !list(it, "services").is_empty());
    let lattice = primary.filter(|it| !list(it, "vpcLatticeConfigurations").is_empty());
    let mut sources: Vec<String> = classic.collect();
    sources.extend(connect.map(|_| "Service Connect".to_owned()));
    sources.extend(lattice.map(|_| "VPC Lattice".to_owned()));
    sources
}

/// ECS's own deployment that is to stay.
pub(super) fn primary(service: &Value) -> Option<&Value> {
    list(service, "deployments").iter().find(|it| text(it, "status") == "PRIMARY")
}

/// What of a service crossfade cannot handle, each with what to do (P81, P101).
fn problems(service: &Value) -> Vec<String> {
    let (name, mut problems) = (text(service, "serviceName"), Vec::new());
    let controller = service["deploymentController"].get("type").and_then(Value::as_str).unwrap_or("ECS");
    if controller != "ECS" {
        problems.push(format!(
            "{name} is deployed by {controller}. Use a service with the deployment controller ECS: make a copy of it with that one."
        ));
    }
    let strategy = service["deploymentConfiguration"].get("strategy").and_then(Value::as_str).unwrap_or("ROLLING");
    if strategy != "ROLLING" {
        problems.push(format!(
            "{name} has ECS's own deployment strategy {strategy}, which would shift traffic beside this deployment. Set it to ROLLING."
        ));
    }
    if text(service, "schedulingStrategy") == "DAEMON" {
        problems.push(format!("{name} is a DAEMON: it has no size that could be set. Use a REPLICA service."));
    }
    if text(service, "resourceManagementType") == "ECS" {
        problems.push(format!("{name} is managed by ECS Express Mode. Use a service of your own."));
    }
    if list(service, "loadBalancers").iter().any(|it| it.get("advancedConfiguration").is_some_and(|it| !it.is_null())) {
        problems
            .push(format!("{name} lets ECS change listener rules. Take advancedConfiguration off its load balancers."));
    }
    let under_way = list(service, "deployments");
    let rolling = |it: &Value| matches!(it.get("rolloutState").and_then(Value::as_str), Some("IN_PROGRESS"));
    if under_way.len() > 1 || under_way.iter().any(rolling) {
        problems.push(format!("{name} is in an ECS deployment, which replaces its tasks. Wait until that has ended."));
    }
    if primary(service).is_some_and(|it| it.get("rolloutState").and_then(Value::as_str) == Some("FAILED")) {
        problems.push(format!(
            "The last ECS deployment of {name} has failed, so ECS starts no task of it any more. Update the service so that one \
             succeeds."
        ));
    }
    problems
}

/// The hosts of tasks without an address of their own: their instance ids by the ARN of the container instance.
pub(super) type Hosts = std::collections::BTreeMap<String, String>;

/// A task, unless it has stopped.
fn member(service: &Value, task: &Value, hosts: &Hosts) -> Option<Member> {
    let said = text(task, "lastStatus");
    let state = state(service, task)?;
    Some(Member {
        id: short(text(task, "taskArn")).to_owned(),
        targets: targets(service, task, hosts),
        state,
        said: match text(task, "healthStatus") {
            "UNHEALTHY" => format!("{said}, UNHEALTHY"),
            _ => said.to_owned(),
        },
        weight: 1,
        protected: task.get("protectionEnabled").and_then(Value::as_bool).unwrap_or(false),
    })
}

/// What the last part of an ARN is called.
pub(super) fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// What a task is doing (Amazon ECS Developer Guide, task lifecycle); nothing when it has stopped. One that ECS has told to stop is
/// leaving, whatever it is at.
fn state(service: &Value, task: &Value) -> Option<MemberState> {
    let stops = text(task, "desiredStatus") == "STOPPED";
    Some(match text(task, "lastStatus") {
        "STOPPED" | "DELETED" => return None,
        "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" => MemberState::Leaving,
        _ if stops => MemberState::Leaving,
        // One of another task definition is no proof of this one (P75).
        "RUNNING" if text(task, "healthStatus") == "UNHEALTHY" || !is_of(service, task) => MemberState::Starting,
        "RUNNING" => MemberState::Serving,
        _ => MemberState::Starting,
    })
}

fn is_of(service: &Value, task: &Value) -> bool {
    text(task, "taskDefinitionArn") == text(service, "taskDefinition")
}

/// What ECS registers a task as: `address:port` of its own, or of its host; in Cloud Map by its id.
fn targets(service: &Value, task: &Value, hosts: &Hosts) -> Vec<String> {
    let own = address(task);
    let of = |place: &Value| {
        let port = count(place, "containerPort");
        let container = list(task, "containers").iter().find(|it| text(it, "name") == text(place, "containerName"));
        match own {
            Some(address) => Some(format!("{address}:{port}")),
            None => {
                let bindings = container.map_or(&[][..], |it| list(it, "networkBindings"));
                let binding = bindings.iter().find(|it| count(it, "containerPort") == port)?;
                let host = hosts.get(text(task, "containerInstanceArn"))?;
                Some(format!("{host}:{}", count(binding, "hostPort")))
            }
        }
    };
    let mut targets: Vec<String> = list(service, "loadBalancers").iter().filter_map(of).collect();
    if !list(service, "serviceRegistries").is_empty() {
        targets.push(short(text(task, "taskArn")).to_owned());
    }
    targets.sort();
    targets.dedup();
    targets
}

fn address(task: &Value) -> Option<&str> {
    let interface = list(task, "attachments").iter().find(|it| text(it, "type") == "ElasticNetworkInterface")?;
    let detail = list(interface, "details").iter().find(|it| text(it, "name") == "privateIPv4Address")?;
    detail.get("value").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service() -> Value {
        json!({
            "serviceName": "shop__7", "status": "ACTIVE", "desiredCount": 2, "taskDefinition": "arn:x:task-definition/shop:7",
            "loadBalancers": [{ "targetGroupArn": "arn:x:targetgroup/shop-b/1", "containerName": "web", "containerPort": 8080 }],
            "networkConfiguration": { "awsvpcConfiguration": {} },
            "deployments": [{ "status": "PRIMARY", "rolloutState": "COMPLETED" }],
        })
    }

    fn task(last: &str, desired: &str) -> Value {
        json!({
            "taskArn": "arn:x:task/shop/abc", "lastStatus": last, "desiredStatus": desired,
            "taskDefinitionArn": "arn:x:task-definition/shop:7",
            "attachments": [{ "type": "ElasticNetworkInterface", "details": [{ "name": "privateIPv4Address", "value": "10.0.0.5" }] }],
        })
    }

    #[test]
    fn p76_p90_every_status_has_its_meaning() {
        let of = |last: &str, desired: &str| state(&service(), &task(last, desired));
        for starting in ["PROVISIONING", "PENDING", "ACTIVATING", "SOMETHING_NEW"] {
            assert_eq!(of(starting, "RUNNING"), Some(MemberState::Starting), "{starting}");
        }
        assert_eq!(of("RUNNING", "RUNNING"), Some(MemberState::Serving));
        for leaving in ["RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "PENDING"] {
            assert_eq!(of(leaving, "STOPPED"), Some(MemberState::Leaving), "{leaving}");
        }
        assert_eq!((of("STOPPED", "STOPPED"), of("DELETED", "STOPPED")), (None, None));
    }

    #[test]
    fn p75_a_task_of_another_definition_or_that_its_container_finds_ill_does_not_serve() {
        let mut other = task("RUNNING", "RUNNING");
        other["taskDefinitionArn"] = json!("arn:x:task-definition/shop:6");
        assert_eq!(state(&service(), &other), Some(MemberState::Starting));
        let mut ill = task("RUNNING", "RUNNING");
        ill["healthStatus"] = json!("UNHEALTHY");
        assert_eq!(state(&service(), &ill), Some(MemberState::Starting));
    }

    #[test]
    fn p94_tasks_are_known_by_address_and_port() {
        assert_eq!(targets(&service(), &task("RUNNING", "RUNNING"), &Hosts::new()), ["10.0.0.5:8080"]);
        let bridged = json!({
            "taskArn": "arn:x:task/shop/abc", "containerInstanceArn": "arn:x:container-instance/shop/1",
            "containers": [{ "name": "web", "networkBindings": [{ "containerPort": 8080, "hostPort": 32_768 }] }],
        });
        let hosts = Hosts::from([("arn:x:container-instance/shop/1".to_owned(), "i-1".to_owned())]);
        assert_eq!(targets(&service(), &bridged, &hosts), ["i-1:32768"]);
    }

    #[test]
    fn p81_p101_what_cannot_be_handled_is_named_with_what_to_do() {
        assert_eq!(problems(&service()), Vec::<String>::new());
        let with = |change: Value| {
            let mut service = service();
            for (name, value) in change.as_object().expect("it is one") {
                service[name] = value.clone();
            }
            problems(&service).concat()
        };
        assert!(with(json!({ "deploymentController": { "type": "CODE_DEPLOY" } })).contains("deployed by CODE_DEPLOY"));
        assert!(with(json!({ "deploymentConfiguration": { "strategy": "BLUE_GREEN" } })).contains("BLUE_GREEN"));
        assert!(with(json!({ "schedulingStrategy": "DAEMON" })).contains("REPLICA"));
        assert!(with(json!({ "resourceManagementType": "ECS" })).contains("Express"));
        let rolling = json!({ "deployments": [{ "status": "PRIMARY", "rolloutState": "IN_PROGRESS" }] });
        assert!(with(rolling).contains("in an ECS deployment"));
    }
}
