//! What scales services as it was described in another account: see [`crate::world`]'s `restore`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::schedules::SETTINGS;
use super::{ScalableTarget, ScalingPolicy};
use crate::world::World;

/// What a policy is given.
const OF_POLICIES: [&str; 4] = [
    "PolicyType",
    "TargetTrackingScalingPolicyConfiguration",
    "StepScalingPolicyConfiguration",
    "PredictiveScalingPolicyConfiguration",
];

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn only(value: &Value, names: &[&str]) -> Map<String, Value> {
    let members = value.as_object().into_iter().flatten();
    members
        .filter(|(name, it)| names.contains(&name.as_str()) && !it.is_null())
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

impl World {
    /// A scalable target of a service, as `describe-scalable-targets` shows it.
    pub fn restore_scalable_target(&mut self, described: &Value, tags: BTreeMap<String, String>) {
        let bound = |name: &str| described[name].as_u64().and_then(|it| u32::try_from(it).ok()).unwrap_or(0);
        let target = ScalableTarget {
            arn: text(described, "ScalableTargetARN").to_owned(),
            min: bound("MinCapacity"),
            max: bound("MaxCapacity"),
            role: text(described, "RoleARN").to_owned(),
            suspended: described["SuspendedState"].as_object().cloned().unwrap_or_default(),
            tags,
            created_at: self.now,
        };
        self.scalable.targets.insert(text(described, "ResourceId").to_owned(), target);
    }

    /// A scaling policy of a service, as `describe-scaling-policies` of Application Auto Scaling shows it. Its alarms are restored by
    /// themselves.
    pub fn restore_service_policy(&mut self, described: &Value) {
        let (resource, name) = (text(described, "ResourceId").to_owned(), text(described, "PolicyName").to_owned());
        let policy = ScalingPolicy {
            arn: text(described, "PolicyARN").to_owned(),
            resource: resource.clone(),
            name: name.clone(),
            settings: only(described, &OF_POLICIES),
            cools_until: (0, 0),
            created_at: self.now,
        };
        self.scalable.policies.insert((resource, name), policy);
    }

    /// A scheduled action of a service, as `describe-scheduled-actions` of Application Auto Scaling shows it.
    pub fn restore_service_schedule(&mut self, described: &Value) {
        let (resource, name) = (text(described, "ResourceId"), text(described, "ScheduledActionName"));
        let arn = text(described, "ScheduledActionARN").to_owned();
        self.place_schedule((resource, name), arn, only(described, &SETTINGS));
    }
}
