//! What tests and demonstrations ask the world that no API answers: is it steady, and since when?
//!
//! What it owns: the moments since which something has been true without interruption. They are kept up to date after
//! every event and every change from outside, so that a short interruption is never overlooked.

use std::collections::{BTreeMap, BTreeSet};

use super::ecs::{Service, Task, TaskState};
use super::{Group, Health, Instance, Lifecycle, TargetKey, World};

/// A group's size at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupView {
    /// The number of instances that it wants to have.
    pub desired: u32,
    /// The least number of instances.
    pub min: u32,
    /// The greatest number of instances.
    pub max: u32,
    /// How many instances are starting.
    pub pending: u32,
    /// How many instances are in service.
    pub in_service: u32,
    /// How many instances are leaving.
    pub terminating: u32,
    /// How many instances are set aside, or about to be.
    pub standby: u32,
    /// How many of those that start or leave are held by hooks.
    pub held: u32,
    /// How many instances the warm pool has.
    pub warmed: u32,
    /// How many instances can really answer a request now.
    pub answering: u32,
    /// Whether the group is being deleted.
    pub deleting: bool,
    /// The launch template version (`id:number`) or launch configuration of its next instance.
    pub source: Option<String>,
    /// The target groups that it is attached to.
    pub target_groups: Vec<String>,
}

/// Since when what is true has been true.
#[derive(Clone, Debug)]
pub(super) struct Oracles {
    origin: u64,
    steady: BTreeMap<(String, String), u64>,
    occupied: BTreeSet<String>,
    emptied: BTreeMap<String, u64>,
}

impl Oracles {
    pub(super) fn new(now: u64) -> Self {
        Self { origin: now, steady: BTreeMap::new(), occupied: BTreeSet::new(), emptied: BTreeMap::new() }
    }
}

impl World {
    /// A group's size at a glance.
    pub fn group_view(&self, name: &str) -> Option<GroupView> {
        let group = self.groups.get(name)?;
        let plan = self.launch_plan(&group.settings).ok();
        let source = plan
            .and_then(|plan| plan.template.map(|(id, _, version)| format!("{id}:{version}")).or(plan.configuration));
        let mut view = GroupView {
            desired: group.desired,
            min: group.min,
            max: group.max,
            deleting: group.deleting,
            source,
            target_groups: group.attachments.keys().cloned().collect(),
            ..GroupView::default()
        };
        let pool = group.carried.warm_pool.as_ref();
        view.warmed = pool.map_or(0, |pool| u32::try_from(pool.members.len()).unwrap_or(u32::MAX));
        for instance in group.members.iter().filter_map(|id| self.instances.get(id)) {
            match instance.lifecycle {
                Lifecycle::InService => view.in_service += 1,
                Lifecycle::EnteringStandby | Lifecycle::Standby => view.standby += 1,
                it if it.is_pending() => view.pending += 1,
                it if it.is_leaving() => view.terminating += 1,
                _ => {}
            }
            view.held += u32::from(!instance.actions.is_empty());
            view.answering += u32::from(instance.answers(self.now));
        }
        Some(view)
    }

    /// How many targets of a target group are healthy.
    pub fn healthy_in(&self, target_group_arn: &str) -> usize {
        if self.map_service(target_group_arn).is_some() {
            return self.map_instances(target_group_arn).into_values().filter(|healthy| *healthy).count();
        }
        self.count_targets(target_group_arn, |health| health == Health::Healthy)
    }

    /// How many of a group's instances, or of a service's tasks, are healthy in a target group.
    pub fn healthy_of(&self, group: &str, target_group_arn: &str) -> usize {
        if self.map_service(target_group_arn).is_some() {
            let own = |id: &String| self.task(id).is_some_and(|task| task.service.1 == group);
            return self.map_instances(target_group_arn).iter().filter(|(id, healthy)| **healthy && own(id)).count();
        }
        let Some(target_group) = self.target_groups.get(target_group_arn) else { return 0 };
        let own = |key: &TargetKey| {
            let instance = self.instances.get(&key.id).is_some_and(|instance| instance.group == group);
            let task = self.ecs.task_at(key).is_some_and(|task| task.service.1 == group);
            instance || task || self.is_of_elastigroup(&key.id, group)
        };
        target_group.targets.iter().filter(|(key, target)| target.health == Health::Healthy && own(key)).count()
    }

    /// How many targets are registered with a target group, healthy or not. Those that drain are not.
    pub fn registered_in(&self, target_group_arn: &str) -> usize {
        self.count_targets(target_group_arn, |health| health != Health::Draining)
    }

    /// How many registered targets of a target group can really answer a request now, whatever the load balancer
    /// thinks of them.
    pub fn answering_in(&self, target_group_arn: &str) -> usize {
        let Some(group) = self.target_groups.get(target_group_arn) else { return 0 };
        let answers = |key: &TargetKey| self.server(key).is_some_and(|server| server.answers(self.now));
        group.targets.iter().filter(|(key, target)| target.health != Health::Draining && answers(key)).count()
    }

    fn count_targets(&self, arn: &str, wanted: impl Fn(Health) -> bool) -> usize {
        let Some(group) = self.target_groups.get(arn) else { return 0 };
        group.targets.values().filter(|target| wanted(target.health)).count()
    }

    /// Since when, without interruption until now, a group or service has had exactly the capacity that it wants, all of
    /// it in service, registered with the target group that it is attached to, and healthy there.
    ///
    /// What others have in the same target group does not matter: two revisions may share one.
    pub fn steady_since(&self, group: &str, target_group_arn: &str) -> Option<u64> {
        self.oracles.steady.get(&(group.to_owned(), target_group_arn.to_owned())).copied()
    }

    /// Since when a group has had no instance at all, or a service no task, or has not existed.
    pub fn empty_since(&self, group: &str) -> Option<u64> {
        if self.oracles.occupied.contains(group) {
            return None;
        }
        Some(self.oracles.emptied.get(group).copied().unwrap_or(self.oracles.origin))
    }

    /// Brings the oracles up to the present.
    pub(super) fn observe(&mut self) {
        let mut steady = BTreeMap::new();
        for group in self.groups.values() {
            for arn in group.attachments.keys() {
                if self.is_steady(group, arn) {
                    let key = (group.name.clone(), arn.clone());
                    let since = self.oracles.steady.get(&key).copied().unwrap_or(self.now);
                    steady.insert(key, since);
                }
            }
        }
        for service in self.ecs.services.values() {
            for arn in service.target_groups() {
                if self.is_service_steady(service, &arn) {
                    let key = (service.name.clone(), arn);
                    let since = self.oracles.steady.get(&key).copied().unwrap_or(self.now);
                    steady.insert(key, since);
                }
            }
        }
        for group in self.spot.groups.values() {
            for arn in group.target_groups() {
                if self.is_elastigroup_steady(group, &arn) {
                    let key = (group.called(), arn);
                    let since = self.oracles.steady.get(&key).copied().unwrap_or(self.now);
                    steady.insert(key, since);
                }
            }
        }
        self.oracles.steady = steady;
        let with_instances = self.groups.values().filter(|group| !group.members.is_empty());
        let occupied: BTreeSet<String> = with_instances
            .map(|group| group.name.clone())
            .chain(self.ecs.services.values().filter(|it| self.has_tasks(it)).map(|service| service.name.clone()))
            .chain(self.occupied_elastigroups())
            .collect();
        for name in self.oracles.occupied.difference(&occupied) {
            self.oracles.emptied.insert(name.clone(), self.now);
        }
        self.oracles.occupied = occupied;
    }

    /// Whether there is anything but Auto Scaling groups: then all is observed each time.
    pub(super) fn others_than_groups(&self) -> bool {
        !self.ecs.services.is_empty() || !self.spot.groups.is_empty()
    }

    /// The same where only a group has changed: brings up to the present what can be different then.
    pub(super) fn observe_group(&mut self, name: &str) {
        let group = self.groups.get(name);
        let arns: Vec<String> = group.map(|it| it.attachments.keys().cloned().collect()).unwrap_or_default();
        let occupied = group.is_some_and(|it| !it.members.is_empty());
        let of_group = (name.to_owned(), String::new())..;
        let of_group = self.oracles.steady.range(of_group).take_while(|((of, _), _)| of == name);
        let detached = of_group.filter(|((_, arn), _)| !arns.contains(arn)).map(|(key, _)| key.clone());
        for key in detached.collect::<Vec<_>>() {
            self.oracles.steady.remove(&key);
        }
        for arn in &arns {
            self.observe_in(arn);
        }
        if occupied {
            self.oracles.occupied.insert(name.to_owned());
        } else if self.oracles.occupied.remove(name) {
            self.oracles.emptied.insert(name.to_owned(), self.now);
        }
    }

    /// The same where only the targets of a target group have changed.
    pub(super) fn observe_in(&mut self, arn: &str) {
        let attached = self.groups.values().filter(|group| group.attachments.contains_key(arn));
        let found: Vec<(String, bool)> =
            attached.map(|group| (group.name.clone(), self.is_steady(group, arn))).collect();
        for (name, steady) in found {
            let key = (name, arn.to_owned());
            if steady {
                self.oracles.steady.entry(key).or_insert(self.now);
            } else {
                self.oracles.steady.remove(&key);
            }
        }
    }

    fn has_tasks(&self, service: &Service) -> bool {
        let tasks = service.tasks.iter().filter_map(|id| self.ecs.tasks.get(id));
        tasks.into_iter().any(|task| task.state != TaskState::Stopped)
    }

    fn is_service_steady(&self, service: &Service, arn: &str) -> bool {
        let Some(target_group) = self.target_groups.get(arn) else { return false };
        let living: Vec<_> =
            service.tasks.iter().filter_map(|id| self.ecs.tasks.get(id)).filter(|task| task.is_living()).collect();
        let healthy = |task: &&Task| {
            let target = task.targets.iter().find(|(of, _)| of == arn).map(|(_, key)| key);
            let target = target.and_then(|key| target_group.targets.get(key));
            task.is_running() && target.is_some_and(|target| target.health == Health::Healthy)
        };
        living.len() == service.desired as usize && living.iter().all(healthy)
    }

    fn is_steady(&self, group: &Group, arn: &str) -> bool {
        let Some(target_group) = self.target_groups.get(arn) else { return false };
        let mut serving: Vec<&Instance> = Vec::with_capacity(group.members.len());
        let (mut left, desired) = (group.members.len(), group.desired as usize);
        for instance in group.members.iter().filter_map(|id| self.instances.get(id)) {
            match instance.lifecycle {
                Lifecycle::InService => serving.push(instance),
                _ => left -= 1,
            }
            // While many start, the first that does says enough, unless some count for more than one.
            if left < desired && instance.weight.is_none() {
                return false;
            }
        }
        let weights = serving.iter().map(|instance| instance.units());
        let (units, lightest) = (weights.clone().sum::<u32>(), weights.min().unwrap_or(1));
        // With weights a group may have more than it wants, as long as no instance could leave.
        if units < group.desired || units - group.desired >= lightest {
            return false;
        }
        let mut registered = BTreeSet::new();
        for (key, target) in &target_group.targets {
            let of = self.instances.get(&key.id).map(|instance| instance.group.as_str());
            let elsewhere = of.is_some_and(|of| of != group.name);
            if target.health == Health::Draining || elsewhere {
                continue;
            }
            if target.health != Health::Healthy {
                return false;
            }
            registered.insert(key.id.as_str());
        }
        registered == serving.iter().map(|instance| instance.id.as_str()).collect()
    }
}
