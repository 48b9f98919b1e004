//! Where a task runs: on Fargate, or on which EC2 instance of its cluster.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Definition, ServiceKey, Task, TaskState};
use crate::world::World;

/// The zones of tasks on Fargate.
const ZONES: [&str; 3] = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];

/// The first of the ports that a host gives to containers that do not name one.
const FIRST_PORT: u16 = 32_768;

/// A place for one task.
pub(super) struct Place {
    pub(super) host: Option<String>,
    pub(super) zone: String,
    pub(super) ports: BTreeMap<(String, u16), u16>,
}

/// Whether tasks with these settings run on Fargate.
pub(crate) fn is_fargate(config: &Map<String, Value>) -> bool {
    let strategy = config.get("capacityProviderStrategy").and_then(Value::as_array);
    match strategy.filter(|strategy| !strategy.is_empty()) {
        Some(strategy) => strategy
            .iter()
            .any(|item| item["capacityProvider"].as_str().is_some_and(|provider| provider.starts_with("FARGATE"))),
        None => config.get("launchType").and_then(Value::as_str) == Some("FARGATE"),
    }
}

impl World {
    /// A place for one more task, or AWS's reason why there is none.
    pub(super) fn place(
        &mut self,
        key: &ServiceKey,
        definition: &Definition,
        config: &Map<String, Value>,
    ) -> Result<Place, String> {
        let crowd = |zone: &str| {
            let service = self.ecs.services.get(key);
            let tasks = service.into_iter().flat_map(|service| &service.tasks).filter_map(|id| self.ecs.tasks.get(id));
            tasks.filter(|task| task.is_living() && task.zone == zone).count()
        };
        if is_fargate(config) {
            let on_fargate = |task: &&Task| task.host.is_none() && task.state != TaskState::Stopped;
            if self.ecs.tasks.values().filter(on_fargate).count() >= self.settings.ecs.fargate_tasks {
                return Err("was unable to place a task. Reason: You've reached the limit on the number of vCPUs you \
                            can run concurrently."
                    .into());
            }
            let zone = ZONES.iter().min_by_key(|zone| crowd(zone)).map_or("", |zone| zone);
            return Ok(Place { host: None, zone: zone.to_owned(), ports: BTreeMap::new() });
        }
        let (cpu, memory) = definition.needs();
        let own_address = definition.network_mode() == "awsvpc";
        let wanted = if own_address { Vec::new() } else { wanted_ports(definition) };
        let cluster = self.ecs.clusters.get(&key.0);
        let hosts: Vec<_> = cluster.into_iter().flat_map(|cluster| &cluster.instances).collect();
        let fits = |free: (u64, u64)| cpu <= free.0 && memory <= free.1;
        let open = |ports: &std::collections::BTreeSet<u16>| wanted.iter().all(|(_, port)| !ports.contains(port));
        let chosen = hosts
            .iter()
            .filter(|(_, host)| fits(host.free()) && open(&host.ports))
            .min_by_key(|(id, host)| (crowd(&host.zone), u64::MAX - host.free().1, (*id).clone()))
            .map(|(id, _)| (*id).clone());
        let Some(id) = chosen else {
            let none = "was unable to place a task because no container instance met all of its requirements.";
            let closest = hosts.iter().max_by_key(|(_, host)| host.free());
            return Err(closest.map_or_else(
                || format!("{none} Reason: No Container Instances were found in your cluster."),
                |(_, host)| {
                    let lacks = match (cpu <= host.free().0, memory <= host.free().1) {
                        (false, _) => "has insufficient CPU units available",
                        (_, false) => "has insufficient memory available",
                        _ => "is already using a port required by your task",
                    };
                    let short = super::last_part(&host.arn);
                    format!("{none} The closest matching (container-instance {short}) {lacks}.")
                },
            ));
        };
        let host = self.ecs.clusters.get_mut(&key.0).and_then(|cluster| cluster.instances.get_mut(&id));
        let Some(host) = host else { return Err("was unable to place a task.".into()) };
        host.taken = (host.taken.0 + cpu, host.taken.1 + memory);
        let mut ports = BTreeMap::new();
        for (of, port) in wanted {
            let port = if port != 0 {
                port
            } else {
                (FIRST_PORT..u16::MAX).find(|port| !host.ports.contains(port)).unwrap_or(u16::MAX)
            };
            host.ports.insert(port);
            ports.insert(of, port);
        }
        Ok(Place { host: Some(id), zone: host.zone.clone(), ports })
    }

    /// What a task took of its host is free again.
    pub(super) fn give_back_place(&mut self, task: &Task) {
        let needs = self.task_definition(&task.definition).map(Definition::needs).unwrap_or_default();
        let cluster = self.ecs.clusters.get_mut(&task.service.0);
        let host = task.host.as_ref().and_then(|id| cluster?.instances.get_mut(id));
        if let Some(host) = host {
            host.taken = (host.taken.0.saturating_sub(needs.0), host.taken.1.saturating_sub(needs.1));
            host.ports.retain(|port| !task.ports.values().any(|it| it == port));
        }
    }
}

/// The ports that a definition's containers want of their host; 0 is any.
fn wanted_ports(definition: &Definition) -> Vec<((String, u16), u16)> {
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let of_host = definition.network_mode() == "host";
    let mut wanted = Vec::new();
    for container in definition.containers() {
        let name = container["name"].as_str().unwrap_or_default();
        for mapping in container["portMappings"].as_array().into_iter().flatten() {
            let inner = port(&mapping["containerPort"]);
            let outer = if of_host { inner } else { port(&mapping["hostPort"]) };
            wanted.push(((name.to_owned(), inner), outer));
        }
    }
    wanted
}
