//! Clusters, and the EC2 instances that are registered with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::definition::last_part;
use crate::world::{Refusal, World};

/// A cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The strategy of services that say nothing, as the API spells it.
    pub default_strategy: Value,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The EC2 instances on which tasks can run, by the ids of the instances.
    pub instances: BTreeMap<String, ContainerInstance>,
}

/// An EC2 instance on which tasks run.
#[derive(Clone, Debug)]
pub struct ContainerInstance {
    /// Its ARN.
    pub arn: String,
    /// Its zone.
    pub zone: String,
    /// CPU units.
    pub cpu: u64,
    /// MiB of memory.
    pub memory: u64,
    /// What the tasks on it take of both.
    pub(super) taken: (u64, u64),
    /// The ports that its tasks listen on.
    pub(super) ports: BTreeSet<u16>,
}

impl ContainerInstance {
    /// CPU units and MiB of memory that are free.
    pub(crate) fn free(&self) -> (u64, u64) {
        (self.cpu.saturating_sub(self.taken.0), self.memory.saturating_sub(self.taken.1))
    }
}

pub(crate) fn cluster_not_found() -> Refusal {
    Refusal::new(400, "ClusterNotFoundException", "Cluster not found.")
}

impl World {
    /// Adds a cluster. Answers its ARN.
    pub fn add_cluster(&mut self, name: &str) -> String {
        let arn = format!("arn:aws:ecs:{}:{}:cluster/{name}", self.region, self.account);
        let cluster = Cluster {
            name: name.to_owned(),
            arn: arn.clone(),
            default_strategy: Value::Array(Vec::new()),
            tags: BTreeMap::new(),
            instances: BTreeMap::new(),
        };
        self.ecs.clusters.insert(name.to_owned(), cluster);
        arn
    }

    /// A cluster by its name or ARN.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.ecs.clusters.get(last_part(name))
    }

    /// A cluster, to change it as a human with the console would.
    pub fn cluster_mut(&mut self, name: &str) -> Option<&mut Cluster> {
        self.ecs.clusters.get_mut(last_part(name))
    }

    /// Registers an EC2 instance with a cluster. Answers its id, or nothing when there is no such cluster.
    pub fn add_container_instance(&mut self, cluster: &str, zone: &str, cpu: u64, memory: u64) -> Option<String> {
        let (id, of_arn) = (format!("i-0{}", self.hex(16)), self.hex(32));
        let arn = format!("arn:aws:ecs:{}:{}:container-instance/{cluster}/{of_arn}", self.region, self.account);
        let (taken, ports) = ((0, 0), BTreeSet::new());
        let instance = ContainerInstance { arn, zone: zone.to_owned(), cpu, memory, taken, ports };
        self.ecs.clusters.get_mut(cluster)?.instances.insert(id.clone(), instance);
        Some(id)
    }

    /// AWS takes an EC2 instance of a cluster away, and all tasks on it with it. Answers whether there was one.
    pub fn kill_container_instance(&mut self, id: &str) -> bool {
        let known = self.ecs.clusters.values_mut().any(|cluster| cluster.instances.remove(id).is_some());
        let on_it = |(_, task): &(&String, &super::Task)| {
            task.host.as_deref() == Some(id) && task.state != super::TaskState::Stopped
        };
        let tasks: Vec<String> = self.ecs.tasks.iter().filter(on_it).map(|(task, _)| task.clone()).collect();
        for task in tasks {
            self.kill_task(&task);
        }
        known
    }
}
