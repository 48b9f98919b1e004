//! What was seen of the account, in the domain's own words. Adapters make these; decisions read them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::capacity::Size;

/// Where a fleet's instances come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LaunchSource {
    /// A launch template version, pinned by number.
    Template {
        /// The template's id.
        id: String,
        /// The version number.
        version: u64,
    },
    /// A launch configuration.
    Configuration {
        /// Its name.
        name: String,
    },
}

/// One instance of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// The instance's id.
    pub id: String,
    /// The life-cycle state by its AWS name; only `InService` counts as capacity (P29).
    pub lifecycle: String,
}

impl Instance {
    /// Whether the instance counts as capacity.
    pub fn in_service(&self) -> bool {
        self.lifecycle == "InService"
    }
}

/// A fleet as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fleet {
    /// The fleet's name.
    pub name: String,
    /// The infrastructure definition that made it, from its tag.
    pub infrastructure: Option<String>,
    /// The revision, from its tag.
    pub revision: Option<u32>,
    /// The deployment that made it, from its tag.
    pub deployment: Option<String>,
    /// Its size.
    pub size: Size,
    /// The target groups it registers its instances in, by ARN.
    pub target_groups: Vec<String>,
    /// Its instances, in whatever state.
    pub instances: Vec<Instance>,
    /// Where its instances come from; nothing when it is of a kind that crossfade does not clone yet.
    pub source: Option<LaunchSource>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl Fleet {
    /// The ids of the instances that count as capacity.
    pub fn in_service(&self) -> BTreeSet<&str> {
        self.instances.iter().filter(|i| i.in_service()).map(|i| i.id.as_str()).collect()
    }
}

/// The health of a target, by the states of the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    /// Registration or the first checks are under way.
    Initial,
    /// Passes its checks.
    Healthy,
    /// Fails its checks.
    Unhealthy,
    /// Not registered, or its target group is in no rule.
    Unused,
    /// Deregistering; finishes what it has.
    Draining,
    /// Health checks are switched off, or the load balancer cannot tell (P12): not proof of health.
    Unavailable,
}

/// One target of a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The instance's id.
    pub id: String,
    /// Its health.
    pub health: Health,
    /// The load balancer's reason code, such as `Target.FailedHealthChecks`.
    pub reason: Option<String>,
}

/// How many of these targets are healthy.
pub fn healthy(targets: &[Target]) -> u32 {
    u32::try_from(targets.iter().filter(|t| t.health == Health::Healthy).count()).unwrap_or(u32::MAX)
}

/// A scaling activity that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedActivity {
    /// What was tried.
    pub description: String,
    /// Why it failed, in AWS's words.
    pub reason: String,
    /// When it was tried, in milliseconds since 1970.
    pub started_millis: u64,
}

/// What a target group is like; what decides how long draining takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// How long a deregistered target may finish its requests, in seconds.
    pub drain_seconds: u32,
    /// Whether targets are instances (the only type an Auto Scaling group can register).
    pub instances: bool,
    /// Whether the load balancer checks the health of its targets.
    pub health_checks: bool,
}
