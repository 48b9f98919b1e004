//! The account as a value that can be compared: what is there and how it is set.
//!
//! What it owns: the choice of what counts as the same account. Ids of instances, histories, timestamps and ids of
//! requests differ between two runs that did the same and are left out; every setting that a human would miss is in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::alarms::ACTIONS;
use super::dns::{RecordSet, Zone};
use super::ecs::{Service, ServiceStatus, TaskState};
use super::scalable::ScalableTarget;
use super::{Alarm, Group, LaunchTemplate, Lifecycle, Policy, TargetGroup, Tree, WarmPool, World};

impl World {
    /// Every durable resource and setting. Two accounts are in the same state if and only if their inventories are
    /// equal.
    pub fn inventory(&self) -> Value {
        let groups: BTreeMap<&String, Value> =
            self.groups.iter().map(|(name, group)| (name, self.group_inventory(group))).collect();
        let templates: BTreeMap<&String, Value> =
            self.templates.iter().map(|(id, template)| (id, template_inventory(template))).collect();
        let configurations: BTreeMap<&String, Value> =
            self.configurations.iter().map(|(name, it)| (name, it.settings.to_json())).collect();
        let listeners: BTreeMap<&String, Value> = self
            .listeners
            .iter()
            .map(|(arn, listener)| {
                let value = json!({
                    "balancer": listener.balancer,
                    "actions": listener.actions.to_json(),
                    "settings": listener.settings.to_json(),
                    "tags": listener.tags,
                });
                (arn, value)
            })
            .collect();
        let rules: BTreeMap<&String, Value> = self
            .rules
            .iter()
            .map(|(arn, rule)| {
                let value = json!({
                    "listener": rule.listener,
                    "priority": rule.priority,
                    "actions": rule.actions.to_json(),
                    "settings": rule.settings.to_json(),
                    "tags": rule.tags,
                });
                (arn, value)
            })
            .collect();
        let target_groups: BTreeMap<&String, Value> =
            self.target_groups.iter().map(|(arn, group)| (arn, target_group_inventory(group))).collect();
        let images: BTreeMap<&String, &String> = self.images.iter().map(|(id, image)| (id, &image.state)).collect();
        json!({
            "alarms": self.alarm_inventory(),
            "autoScalingGroups": groups,
            "launchTemplates": templates,
            "launchConfigurations": configurations,
            "loadBalancers": self.balancers.keys().collect::<Vec<_>>(),
            "listeners": listeners,
            "rules": rules,
            "targetGroups": target_groups,
            "images": images,
            "services": self.service_inventory(),
            "taskDefinitions": self.definition_inventory(),
            "scalableTargets": self.scalable_inventory(),
            "elastigroups": self.spot_inventory(),
            "names": self.name_inventory(),
        })
    }

    /// The records of every zone, in the order of their names.
    fn name_inventory(&self) -> BTreeMap<&String, Value> {
        let zone = |zone: &Zone| {
            let one = |record: &RecordSet| {
                json!({
                    "name": record.name,
                    "type": record.kind,
                    "identifier": record.identifier,
                    "weight": record.weight,
                    "ttl": record.ttl_seconds,
                    "values": record.values,
                    "alias": record.alias.as_ref().map(|it| json!([it.zone, it.name, it.evaluates])),
                    "besides": record.besides,
                })
            };
            let mut records: Vec<Value> = zone.records().iter().map(one).collect();
            records.sort_by_key(Value::to_string);
            json!(records)
        };
        self.dns.zones.iter().map(|(id, it)| (id, zone(it))).collect()
    }

    /// What scales services by itself, by resource. ARNs are new whenever something is made anew, and are left out.
    fn scalable_inventory(&self) -> BTreeMap<&String, Value> {
        let entry = |(resource, target): (&'_ String, &ScalableTarget)| {
            let policies = self.scalable.policies.values().filter(|policy| policy.resource == *resource);
            let schedules = self.scalable.schedules.iter().filter(|((of, _), _)| of == resource);
            json!({
                "min": target.min,
                "max": target.max,
                "role": target.role,
                "suspended": target.suspended,
                "tags": target.tags,
                "policies": policies.map(|it| (it.name.clone(), json!(it.settings))).collect::<serde_json::Map<_, _>>(),
                "scheduledActions": schedules
                    .map(|((_, name), it)| (name.clone(), json!(it.settings)))
                    .collect::<serde_json::Map<_, _>>(),
            })
        };
        self.scalable.targets.iter().map(|it| (it.0, entry(it))).collect()
    }

    /// The services that are there, by cluster and name. Tasks count by what they are; their ids differ.
    fn service_inventory(&self) -> BTreeMap<String, Value> {
        let there = self.ecs.services.values().filter(|service| service.status != ServiceStatus::Inactive);
        let entry = |service: &Service| {
            let mut running: BTreeMap<String, u32> = BTreeMap::new();
            let mut others: BTreeMap<&str, u32> = BTreeMap::new();
            let mut protected = 0_u32;
            for task in service.tasks.iter().filter_map(|id| self.ecs.tasks.get(id)) {
                match task.state {
                    TaskState::Stopped => continue,
                    TaskState::Running => *running.entry(task.definition.clone()).or_default() += 1,
                    other => *others.entry(other.as_str()).or_default() += 1,
                }
                protected += u32::from(task.protected_until.is_some_and(|until| self.now < until));
            }
            let value = json!({
                "status": service.status.as_str(),
                "desired": service.desired,
                "settings": service.fields,
                "tags": service.tags,
                "deployments": service.deployments.iter().map(|it| it.rollout.as_str()).collect::<Vec<_>>(),
                "running": running,
                "otherTasks": others,
                "protectedTasks": protected,
            });
            (format!("{}/{}", service.cluster, service.name), value)
        };
        there.map(entry).collect()
    }

    /// The task definitions that are active.
    fn definition_inventory(&self) -> BTreeMap<&String, Value> {
        let all = self.ecs.definitions.values().flatten().filter(|definition| definition.active);
        all.map(|it| (&it.arn, json!({ "fields": it.fields, "tags": it.tags }))).collect()
    }

    /// The alarms by their names, without their states. Those of target tracking follow from its policies, and have
    /// random names; they go by group and policy.
    fn alarm_inventory(&self) -> BTreeMap<String, Value> {
        let action = |arn: String| match self.policy_by_arn(&arn) {
            Some(policy) => format!("policy {} of {}", policy.name, policy.group),
            None => match self.scaling_policy_by_arn(&arn) {
                Some(policy) => format!("policy {} of {}", policy.name, policy.resource),
                None => arn,
            },
        };
        let entry = |alarm: &Alarm| {
            let mut settings = alarm.settings.clone();
            for (_, list) in ACTIONS {
                let actions = alarm.settings.strings(list).into_iter().map(action);
                settings.set(list, Tree::List(actions.map(Tree::Leaf).collect()));
            }
            let mut name = alarm.name.clone();
            if let Some(arn) = &alarm.managed_by {
                let side = if name.contains("-AlarmLow-") { "AlarmLow" } else { "AlarmHigh" };
                name = format!("{side} of {}", action(arn.clone()));
                settings.take("AlarmDescription");
            }
            (name, json!({ "settings": settings.to_json(), "tags": alarm.tags }))
        };
        self.alarms.values().map(entry).collect()
    }

    fn group_inventory(&self, group: &Group) -> Value {
        let mut in_service: BTreeMap<String, u32> = BTreeMap::new();
        let mut others: BTreeMap<&str, u32> = BTreeMap::new();
        let mut protected = 0_u32;
        for instance in group.members.iter().filter_map(|id| self.instances.get(id)) {
            if instance.lifecycle == Lifecycle::InService {
                let source = match (&instance.template, &instance.configuration) {
                    (Some((id, _, version)), _) => format!("{id}:{version} {}", instance.image),
                    (None, Some(name)) => format!("{name} {}", instance.image),
                    (None, None) => instance.image.clone(),
                };
                *in_service.entry(source).or_default() += 1;
            } else {
                *others.entry(instance.lifecycle.as_str()).or_default() += 1;
            }
            protected += u32::from(instance.protected);
        }
        let tags: BTreeMap<&String, Value> = group
            .tags
            .iter()
            .map(|(key, tag)| (key, json!({ "value": tag.value, "propagateAtLaunch": tag.propagate })))
            .collect();
        let carried = &group.carried;
        let hooks: BTreeMap<&String, Value> = carried.hooks.iter().map(|(name, it)| (name, it.to_json())).collect();
        json!({
            "min": group.min,
            "max": group.max,
            "desired": group.desired,
            "settings": group.settings.to_json(),
            "tags": tags,
            "scalingPolicies": self.policies_of(&group.name).map(policy_inventory).collect::<serde_json::Map<_, _>>(),
            "scheduledActions": self
                .scheduled_actions(&group.name)
                .map(|(name, action)| (name.clone(), action.settings.to_json()))
                .collect::<serde_json::Map<_, _>>(),
            "suspendedProcesses": group.suspended.keys().collect::<Vec<_>>(),
            "targetGroups": group
                .attachments
                .iter()
                .map(|(arn, it)| (arn.clone(), Value::from(it.summary())))
                .collect::<serde_json::Map<_, _>>(),
            "otherTrafficSources": carried.sources,
            "inService": in_service,
            "otherInstances": others,
            "protectedInstances": protected,
            "hooks": hooks,
            "notifications": carried.notifications,
            "metrics": carried.metrics,
            "warmPool": carried.warm_pool.as_ref().map(|pool| self.pool_inventory(pool)),
            "instanceRefresh": carried.refreshes.iter().find(|it| it.is_active()).map(|it| it.status),
            "deleting": group.deleting,
        })
    }

    fn pool_inventory(&self, pool: &WarmPool) -> Value {
        let mut instances: BTreeMap<String, u32> = BTreeMap::new();
        for instance in pool.members.iter().filter_map(|id| self.instances.get(id)) {
            *instances.entry(instance.state()).or_default() += 1;
        }
        json!({ "settings": pool.settings.to_json(), "deleting": pool.deleting, "instances": instances })
    }
}

/// A policy by its name. Its ARN is new whenever it is made anew, and is left out.
fn policy_inventory(policy: &Policy) -> (String, Value) {
    (policy.name.clone(), policy.settings.to_json())
}

fn template_inventory(template: &LaunchTemplate) -> Value {
    let versions: BTreeMap<String, Value> = template
        .versions
        .iter()
        .map(|(number, version)| {
            (number.to_string(), json!({ "data": version.data.to_json(), "description": version.description }))
        })
        .collect();
    json!({
        "name": template.name,
        "defaultVersion": template.default_version,
        "versions": versions,
        "tags": template.tags.to_json(),
    })
}

fn target_group_inventory(group: &TargetGroup) -> Value {
    let mut targets: BTreeMap<&str, u32> = BTreeMap::new();
    for target in group.targets.values() {
        *targets.entry(target.health.as_str()).or_default() += 1;
    }
    let settings: &Tree = &group.settings;
    json!({
        "name": group.name,
        "port": group.port,
        "settings": settings.to_json(),
        "attributes": group.attributes,
        "tags": group.tags,
        "targets": targets,
    })
}
