//! Cloud Map: namespaces, services, and the instances that ECS registers in them.

use std::collections::BTreeMap;

use super::full;
use crate::world::{Refusal, Server, World};

/// A namespace, whose hosted zone Cloud Map manages.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of its hosted zone.
    pub zone: String,
}

/// A Cloud Map service.
#[derive(Clone, Debug)]
pub struct MapService {
    /// Its id.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The id of its namespace.
    pub namespace: String,
    /// The types of its records, each with its TTL in seconds.
    pub records: Vec<(String, u64)>,
    /// Whether whoever registers instances tells how they are.
    pub told: bool,
    /// By their ids, those that have left lately, too.
    pub(crate) instances: BTreeMap<String, MapInstance>,
}

/// An instance of a Cloud Map service: a task.
#[derive(Clone, Debug)]
pub struct MapInstance {
    /// Since when it is registered.
    pub since: u64,
    /// From when on names are answered with it.
    pub(crate) shown: u64,
    /// Since when it is not any more.
    pub until: Option<u64>,
    /// Whether it was healthy from the start, as far as anybody has told.
    pub trusted: bool,
}

impl MapInstance {
    /// Whether Cloud Map holds it for healthy.
    pub(crate) fn healthy(&self, server: &Server, late: u64, now: u64) -> bool {
        self.trusted || server.answers(now.saturating_sub(late).max(self.since))
    }
}

impl World {
    /// Adds a private DNS namespace with its zone. Answers its id.
    pub fn add_namespace(&mut self, name: &str, vpcs: &[&str], negative_seconds: u64) -> String {
        let zone = self.add_zone(name, Some(vpcs));
        if let Some(zone) = self.dns.zones.get_mut(&zone) {
            zone.managed = Some("Created by AWS Cloud Map".into());
            zone.negative_seconds = negative_seconds;
        }
        let id = format!("ns-{}", self.hex(16));
        self.dns.namespaces.insert(id.clone(), Namespace { id: id.clone(), name: name.to_owned(), zone });
        id
    }

    /// Adds a Cloud Map service with a custom health check. Answers its ARN.
    pub fn add_map_service(&mut self, namespace: &str, name: &str, record: &str, ttl_seconds: u64) -> String {
        let id = format!("srv-{}", self.hex(16));
        let arn = format!("arn:aws:servicediscovery:{}:{}:service/{id}", self.region, self.account);
        let service = MapService {
            id: id.clone(),
            arn: arn.clone(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            records: vec![(record.to_owned(), ttl_seconds)],
            told: true,
            instances: BTreeMap::new(),
        };
        self.dns.services.insert(id, service);
        arn
    }

    /// A Cloud Map service, by its ARN or id, to set up what nobody may change through the API.
    pub fn map_service_mut(&mut self, arn: &str) -> Option<&mut MapService> {
        self.dns.services.get_mut(arn.rsplit('/').next().unwrap_or(arn))
    }

    pub(crate) fn map_service(&self, arn: &str) -> Option<&MapService> {
        self.dns.services.get(arn.rsplit('/').next().unwrap_or(arn))
    }

    /// The Cloud Map service that a name leads to.
    pub(crate) fn map_service_called(&self, name: &str) -> Option<&MapService> {
        let name = full(name);
        self.dns.services.values().find(|service| self.name_of(service).as_deref() == Some(name.as_str()))
    }

    /// A service's name in DNS.
    pub(crate) fn name_of(&self, service: &MapService) -> Option<String> {
        let namespace = self.dns.namespaces.get(&service.namespace)?;
        Some(full(&format!("{}.{}", service.name, namespace.name)))
    }

    /// The namespace of a service.
    pub(crate) fn map_namespace(&self, id: &str) -> Result<&Namespace, Refusal> {
        self.dns.namespaces.get(id).ok_or_else(|| Refusal::new(400, "NamespaceNotFound", &format!("{id} not found")))
    }

    /// ECS registers a task, or somebody does by hand. One without a check of its own is healthy at once (amazon-ecs-agent#1421).
    pub fn map_register(&mut self, arn: &str, task: &str, trusted: bool, already: bool) {
        let since = self.now;
        let shown = if already { since } else { since + self.settings.dns.registry_millis };
        if let Some(service) = self.map_service_mut(arn) {
            service.instances.insert(task.to_owned(), MapInstance { since, shown, until: None, trusted });
        }
        self.traffic.reroute();
    }

    /// ECS deregisters a task. Nobody waits for what resolvers keep (P87).
    pub(crate) fn map_deregister(&mut self, arn: &str, task: &str) {
        let now = self.now;
        if let Some(instance) = self.map_service_mut(arn).and_then(|service| service.instances.get_mut(task)) {
            instance.until.get_or_insert(now);
        }
        self.traffic.reroute();
    }

    /// Nobody remembers a task any more.
    pub(crate) fn map_forget(&mut self, task: &str) {
        for service in self.dns.services.values_mut() {
            service.instances.remove(task);
        }
    }

    /// Who is registered now, and whether Cloud Map holds them for healthy.
    pub fn map_instances(&self, arn: &str) -> BTreeMap<String, bool> {
        let late = self.settings.dns.health_millis;
        let instances = self.map_service(arn).into_iter().flat_map(|service| &service.instances);
        let there = instances.filter(|(_, instance)| instance.until.is_none());
        let healthy = |id: &String, it: &MapInstance| {
            self.ecs.tasks.get(id).is_some_and(|task| it.healthy(&task.server, late, self.now))
        };
        there.map(|(id, it)| (id.clone(), healthy(id, it))).collect()
    }
}
