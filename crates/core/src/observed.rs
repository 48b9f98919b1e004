//! What was seen of the account, in the domain's own words. Adapters make these; decisions read them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::capacity::Size;

/// A launch template version, pinned by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateVersion {
    /// The template's id.
    pub id: String,
    /// The version number.
    pub version: u64,
}

/// Where a fleet's instances come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LaunchSource {
    /// A launch template version.
    Template(TemplateVersion),
    /// A mixed-instances policy: the version of its launch template, and those of the launch templates that its overrides
    /// name themselves, each once and in their order.
    Mixed {
        /// The policy's launch template.
        template: TemplateVersion,
        /// The launch templates of overrides.
        overrides: Vec<TemplateVersion>,
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
    /// How much of the fleet's size it stands for: 1, or the weight that a mixed-instances policy gives its type.
    #[serde(default = "one")]
    pub weight: u32,
    /// Whether it is protected from scale-in (P28).
    #[serde(default)]
    pub protected: bool,
}

fn one() -> u32 {
    1
}

impl Instance {
    /// Whether the instance counts as capacity.
    pub fn in_service(&self) -> bool {
        self.lifecycle == "InService"
    }

    /// Whether somebody has put it aside. The fleet neither counts nor ever terminates it.
    pub fn standby(&self) -> bool {
        self.lifecycle == "Standby" || self.lifecycle == "EnteringStandby"
    }
}

/// A reserve of stopped or idle instances, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmPool {
    /// The fewest instances in it.
    pub min_size: u32,
    /// How many instances it and the fleet have together; without it, the fleet's maximum.
    pub max_prepared: Option<u32>,
    /// `Stopped`, `Running` or `Hibernated`.
    pub state: String,
    /// Whether instances return to it when the fleet shrinks.
    pub reuse: bool,
}

impl WarmPool {
    /// The same on its way to be deleted: AWS wants it without instances.
    pub fn emptied(&self) -> Self {
        Self { min_size: 0, max_prepared: Some(0), ..self.clone() }
    }

    /// Whether this is what a fleet had and `now` is what a deployment has made of it. Anything else is somebody's hand.
    pub fn was_taken(&self, now: Option<&Self>) -> bool {
        now != Some(self) && now.is_none_or(|now| *now == self.emptied())
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
    /// The processes that somebody has suspended, by their AWS names and in order; not those that AWS itself has (P22).
    #[serde(default)]
    pub suspended: Vec<String>,
    /// Its warm pool, if it has one.
    #[serde(default)]
    pub warm_pool: Option<WarmPool>,
}

/// The process that carries out scheduled actions.
pub const SCHEDULED_ACTIONS: &str = "ScheduledActions";
/// The process that registers new instances with target groups.
pub const ADD_TO_LOAD_BALANCER: &str = "AddToLoadBalancer";

impl Fleet {
    /// The ids of the instances that count as capacity.
    pub fn in_service(&self) -> BTreeSet<&str> {
        self.instances.iter().filter(|i| i.in_service()).map(|i| i.id.as_str()).collect()
    }

    /// How much of its size is in service.
    pub fn capacity(&self) -> u32 {
        self.instances.iter().filter(|i| i.in_service()).map(|i| i.weight).sum()
    }

    /// Whether instances serve, or are to.
    pub fn live(&self) -> bool {
        !self.deleting && (self.size.desired > 0 || !self.instances.is_empty())
    }

    /// Whether a process is suspended.
    pub fn suspends(&self, process: &str) -> bool {
        self.suspended.iter().any(|name| name == process)
    }
}

/// What a base carries beside its settings, and each fleet made from it gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Baggage {
    /// The names of its scaling policies.
    pub policies: Vec<String>,
    /// The names of its scheduled actions.
    pub schedules: Vec<String>,
    /// The names of its life-cycle hooks.
    pub hooks: Vec<String>,
    /// Whether it has a warm pool.
    pub warm_pool: bool,
    /// The longest that its hooks may hold an instance that starts, in seconds.
    pub launching_seconds: u32,
    /// The longest that its hooks may hold an instance that leaves, in seconds.
    pub terminating_seconds: u32,
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

/// What is registered in a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The target group, by ARN.
    pub target_group: String,
    /// Its targets, in whatever state.
    pub targets: Vec<Target>,
}

impl Registered {
    /// How many of its targets are healthy.
    pub fn healthy(&self) -> usize {
        self.targets.iter().filter(|target| target.health == Health::Healthy).count()
    }
}

/// Something that AWS did, does or tried with a fleet: a scaling activity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// Its id.
    pub id: String,
    /// What is done.
    pub description: String,
    /// What led to it, in AWS's words.
    pub cause: String,
    /// How far it has come, by its AWS name.
    pub status: String,
    /// The same in percent.
    pub progress: u32,
    /// Where it happens, as JSON.
    pub details: String,
    /// Why it has come no further, in AWS's words.
    pub reason: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_millis: u64,
    /// Whether it is over.
    pub ended: bool,
}

impl Activity {
    /// Whether it did not succeed.
    pub fn failed(&self) -> bool {
        self.status == "Failed" || self.status == "Cancelled"
    }

    /// Whether a scheduled action led to it (P20).
    pub fn scheduled(&self) -> bool {
        self.cause.contains("scheduled action")
    }
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
    /// The load balancers that forward to it, by ARN; without any nothing reaches it (P73).
    #[serde(default)]
    pub load_balancers: Vec<String>,
}
