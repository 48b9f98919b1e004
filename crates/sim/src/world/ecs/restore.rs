//! Services with their tasks as they were described in another account: see [`crate::world`]'s `restore`.
//!
//! What it must never do: refuse. What a description leaves out is left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::definition::OUTPUT;
use super::deployment::DEPLOYED;
use super::starting::targets_of;
use super::{
    Cluster, ContainerBehaviour, ContainerInstance, Definition, Deployment, EcsEvent, Rollout, Service, ServiceKey,
    ServiceStatus, Task, TaskState, last_part, tags_of,
};
use crate::world::World;
use crate::world::servers::{FlawsSince, Server};

/// For how long what runs has been running, as far as anybody can tell: longer than any grace period.
const A_WHILE_MILLIS: u64 = 24 * 3_600_000;
/// For how long a task that is protected stays so: as long as one does unless its application says otherwise.
const PROTECTED_MILLIS: u64 = 2 * 3_600_000;

/// What `describe-services` shows beside what a service was given.
const LIVE: [&str; 14] = [
    "serviceArn",
    "serviceName",
    "clusterArn",
    "status",
    "desiredCount",
    "runningCount",
    "pendingCount",
    "createdAt",
    "createdBy",
    "deployments",
    "currentServiceRevisions",
    "events",
    "tags",
    "taskSets",
];
/// What only deployments show of it.
const OF_DEPLOYMENTS: [&str; 3] = ["serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations"];

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn without(value: &Value, names: &[&str]) -> Map<String, Value> {
    let members = value.as_object().into_iter().flatten();
    members
        .filter(|(name, it)| !names.contains(&name.as_str()) && !it.is_null())
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

impl World {
    /// A cluster, as `describe-clusters` shows it.
    pub fn restore_cluster(&mut self, described: &Value) {
        let name = text(described, "clusterName").to_owned();
        let cluster = Cluster {
            name: name.clone(),
            arn: text(described, "clusterArn").to_owned(),
            default_strategy: json!(list(described, "defaultCapacityProviderStrategy")),
            tags: tags_of(&described["tags"]),
            instances: BTreeMap::new(),
        };
        self.ecs.clusters.insert(name, cluster);
    }

    /// An EC2 instance of a cluster, as `describe-container-instances` shows it.
    pub fn restore_container_instance(&mut self, cluster: &str, described: &Value) {
        let resource = |of: &str, name: &str| {
            let found = list(described, of).iter().find(|it| text(it, "name") == name);
            found.and_then(|it| it["integerValue"].as_u64()).unwrap_or(0)
        };
        let zone = list(described, "attributes").iter().find(|it| text(it, "name") == "ecs.availability-zone");
        let (cpu, memory) = (resource("registeredResources", "CPU"), resource("registeredResources", "MEMORY"));
        let left = (resource("remainingResources", "CPU"), resource("remainingResources", "MEMORY"));
        let instance = ContainerInstance {
            arn: text(described, "containerInstanceArn").to_owned(),
            zone: zone.map(|it| text(it, "value").to_owned()).unwrap_or_default(),
            cpu,
            memory,
            taken: (cpu.saturating_sub(left.0), memory.saturating_sub(left.1)),
            ports: BTreeSet::new(),
        };
        if let Some(cluster) = self.ecs.clusters.get_mut(cluster) {
            cluster.instances.insert(text(described, "ec2InstanceId").to_owned(), instance);
        }
    }

    /// All container images that nobody has put there: whatever a task definition names is in its registry, and behaves so.
    pub fn assume_container_images(&mut self, behaviour: ContainerBehaviour) {
        self.ecs.other_images = Some(behaviour);
    }

    /// A task definition, as `describe-task-definition` shows it.
    pub fn restore_task_definition(&mut self, described: &Value, tags: &Value) {
        let active = text(described, "status") != "INACTIVE";
        let definition = Definition {
            arn: text(described, "taskDefinitionArn").to_owned(),
            family: text(described, "family").to_owned(),
            revision: described["revision"].as_u64().unwrap_or(1),
            active,
            fields: without(described, &OUTPUT),
            tags: tags_of(tags),
            registered_at: self.now,
            deregistered_at: (!active).then_some(self.now),
        };
        let revisions = self.ecs.definitions.entry(definition.family.clone()).or_default();
        revisions.push(definition);
        revisions.sort_by_key(|it| it.revision);
    }

    /// A service, as `describe-services` shows it, without its tasks. Cluster and task definitions have to be there.
    pub fn restore_service(&mut self, described: &Value) {
        let cluster = last_part(text(described, "clusterArn")).to_owned();
        let key: ServiceKey = (cluster, text(described, "serviceName").to_owned());
        let mut fields = without(described, &LIVE);
        let all = list(described, "deployments");
        if let Some(primary) = all.iter().find(|it| text(it, "status") == "PRIMARY") {
            let shown = OF_DEPLOYMENTS.iter().filter(|name| !primary[**name].is_null());
            fields.extend(shown.map(|name| ((*name).to_owned(), primary[*name].clone())));
        }
        let mut deployments: Vec<Deployment> =
            all.iter().map(|it| self.restored_deployment(&key, &fields, it)).collect();
        let primary = all.iter().position(|it| text(it, "status") == "PRIMARY").unwrap_or(0);
        if primary < deployments.len() {
            deployments.swap(0, primary);
        }
        let status = match text(described, "status") {
            "DRAINING" => ServiceStatus::Draining,
            "INACTIVE" => ServiceStatus::Inactive,
            _ => ServiceStatus::Active,
        };
        let desired = described["desiredCount"].as_u64().and_then(|it| u32::try_from(it).ok()).unwrap_or(0);
        let steady = deployments.len() == 1 && deployments[0].rollout == Rollout::Completed;
        let arn = text(described, "serviceArn").to_owned();
        let mut service = Service::new(arn, &key, desired, fields, self.now);
        (service.tags, service.deployments) = (tags_of(&described["tags"]), deployments);
        (service.status, service.steady) = (status, steady);
        self.ecs.services.insert(key.clone(), service);
        self.expect_tick(&key);
    }

    fn restored_deployment(&self, key: &ServiceKey, fields: &Map<String, Value>, described: &Value) -> Deployment {
        let mut config = fields.clone();
        config.retain(|name, _| DEPLOYED.contains(&name.as_str()));
        let definition = text(described, "taskDefinition").to_owned();
        config.insert("taskDefinition".into(), json!(definition));
        let id = text(described, "id").to_owned();
        let path = format!("service-revision/{}/{}/{}", key.0, key.1, last_part(&id));
        Deployment {
            definition,
            rollout: match text(described, "rolloutState") {
                "IN_PROGRESS" => Rollout::InProgress,
                "FAILED" => Rollout::Failed,
                _ => Rollout::Completed,
            },
            reason: format!("ECS deployment {id} completed."),
            failed_tasks: described["failedTasks"].as_u64().and_then(|it| u32::try_from(it).ok()).unwrap_or(0),
            config,
            revision: format!("arn:aws:ecs:{}:{}:{path}", self.region, self.account),
            created_at: self.now,
            updated_at: self.now,
            id,
        }
    }

    /// A task of a service, as `describe-tasks` shows it. Its service and, if it runs on one, its EC2 instance have to be there. What
    /// it listens on is told by its target groups' targets.
    pub fn restore_task(&mut self, described: &Value) {
        let arn = text(described, "taskArn").to_owned();
        let id = last_part(&arn).to_owned();
        let cluster = arn.split('/').nth(1).unwrap_or_default().to_owned();
        let Some(name) = text(described, "group").strip_prefix("service:") else { return };
        let key: ServiceKey = (cluster, name.to_owned());
        let Some(service) = self.ecs.services.get(&key) else { return };
        let deployment = text(described, "startedBy");
        let of = service.deployments.iter().find(|it| it.id == deployment).or(service.deployments.first());
        let config = of.map(|it| it.config.clone()).unwrap_or_default();
        let Some(definition) = self.task_definition(text(described, "taskDefinitionArn")).cloned() else { return };
        let tags = service.task_tags(&definition);
        let details = list(described, "attachments").iter().flat_map(|it| list(it, "details"));
        let address = details.into_iter().find(|it| text(it, "name") == "privateIPv4Address");
        let on = text(described, "containerInstanceArn");
        let instances = self.ecs.clusters.get(&key.0).into_iter().flat_map(|cluster| &cluster.instances);
        let host = instances.into_iter().find(|(_, it)| !on.is_empty() && it.arn == on).map(|(id, _)| id.clone());
        let state = match text(described, "lastStatus") {
            "PROVISIONING" => TaskState::Provisioning,
            "PENDING" => TaskState::Pending,
            "ACTIVATING" => TaskState::Activating,
            _ => TaskState::Running,
        };
        let began = self.now.saturating_sub(A_WHILE_MILLIS);
        let ran = (state == TaskState::Running).then_some(began);
        let slot = self.next_slot();
        let mut task = Task {
            id: id.clone(),
            arn,
            service: key.clone(),
            deployment: deployment.to_owned(),
            definition: definition.arn.clone(),
            state,
            server: Server {
                ready_at: ran.unwrap_or(u64::MAX),
                fails_at: u64::MAX,
                sick: false,
                stopped: None,
                flaws: FlawsSince::default(),
                slot,
            },
            address: address.map(|it| text(it, "value").to_owned()),
            host,
            zone: text(described, "availabilityZone").to_owned(),
            targets: Vec::new(),
            ports: list(described, "containers").iter().flat_map(ports).collect(),
            protected_until: (described["protectionEnabled"] == true).then_some(self.now + PROTECTED_MILLIS),
            stop: None,
            exit_code: None,
            ill: None,
            tags,
            config,
            created_at: began,
            pull_at: ran,
            pulled_at: ran,
            started_at: ran,
            stopping_at: None,
            stopped_at: None,
            let_go: false,
            has_health_check: definition.has_health_check(),
        };
        task.targets = targets_of(&task);
        let cluster = self.ecs.clusters.get_mut(&key.0);
        if let Some(host) = task.host.as_ref().and_then(|id| cluster?.instances.get_mut(id)) {
            host.ports.extend(task.ports.values());
        }
        if ran.is_some() {
            for (_, target) in &task.targets {
                self.ecs.addresses.insert(target.clone(), id.clone());
            }
        } else {
            self.ecs_in(self.settings.ecs.activation_millis, EcsEvent::Starts { task: id.clone() });
        }
        self.ecs.tasks.insert(id.clone(), task);
        if let Some(service) = self.ecs.services.get_mut(&key) {
            service.tasks.push(id);
        }
    }
}

/// The ports of its host on which a container listens, by its name and its own ports.
fn ports(container: &Value) -> Vec<((String, u16), u16)> {
    let port = |it: &Value, name: &str| it[name].as_u64().and_then(|port| u16::try_from(port).ok());
    let name = text(container, "name");
    let bindings = list(container, "networkBindings").iter();
    bindings.filter_map(|it| Some(((name.to_owned(), port(it, "containerPort")?), port(it, "hostPort")?))).collect()
}
