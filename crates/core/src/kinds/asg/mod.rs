//! Auto Scaling groups: what the document says of them, what new ones are made from, and what of one only its kind knows.

mod processes;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ability, UserData, hundred, three, yes};
use crate::document::Capacity;
pub use processes::SCHEDULED_ACTIONS;
use processes::{HEALTH_CHECK, LAUNCH, REPLACE_UNHEALTHY, TERMINATE, name};
pub(super) use processes::{obstacles, remarks};

/// A series of Auto Scaling groups made from one base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoScalingGroup {
    /// The Auto Scaling group that serves as the template. It is read, never changed.
    #[schemars(
        regex(pattern = r"^[!-.0-9;-~]{1,255}$"),
        extend("x-expected" = "the name of an Auto Scaling group: up to 255 printable ASCII characters without blanks, colons and slashes"),
        example = &"shop-base"
    )]
    pub base: String,
    /// The name of the series: revision 7 of `shop` is the group `shop__7`.
    /// Default: the service and the environment, `shop__production`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^([!-.0-9;-~]{1,200})?$"),
        extend("x-expected" = "up to 200 printable ASCII characters without blanks, colons and slashes"),
        example = &"shop"
    )]
    pub name: String,
    /// How many instances the new group ends with.
    #[serde(default)]
    pub capacity: Capacity,
    /// How many old groups at size 0 are kept for a later rollback; older ones are deleted after a success.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 50))]
    pub keep_revisions: u32,
    /// Whether another base starts a series of its own, with its own revision numbers, and leaves the fleets of this one
    /// alone. Switched off, the fleets of every base of this service and environment are one series.
    #[serde(default = "yes")]
    pub reset_revisions_for_new_base: bool,
    /// How far the healthy capacity may fall while the old fleet shrinks before the new one has grown, in percent of
    /// what was there.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 100))]
    pub minimum_healthy_percent: u32,
    /// User data of the new instances; that of the base, unless something is said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<UserData>,
    /// Tags of the new instances, beside those of the base and in place of those with the same keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub instance_tags: BTreeMap<String, String>,
}

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

/// What of a group only its kind knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Own {
    /// The processes that somebody has suspended, by their AWS names and in order; not those that AWS itself has (P22).
    pub suspended: Vec<String>,
    /// The processes that AWS itself has suspended, as it does after a day of launches that fail.
    pub given_up: Vec<String>,
    /// Whether it replaces instances that the load balancer finds unhealthy.
    pub heeds_balancer: bool,
    /// Its warm pool, if it has one.
    pub warm_pool: Option<WarmPool>,
}

impl Own {
    /// Whether somebody has suspended a process.
    pub fn suspends(&self, process: &str) -> bool {
        self.suspended.iter().any(|name| name == process)
    }

    /// Whether a process does not run, whoever has suspended it.
    fn rests(&self, process: &str) -> bool {
        self.suspends(process) || self.given_up.iter().any(|name| name == process)
    }

    pub(super) fn lacks(&self, ability: Ability) -> bool {
        match ability {
            // What AWS does after a day of failed launches is nobody's setting.
            Ability::Schedules => self.suspends(name(ability)),
            Ability::Launching | Ability::Ending | Ability::Registering => self.rests(name(ability)),
        }
    }

    pub(super) fn replaces_ill(&self) -> bool {
        let needs = [HEALTH_CHECK, REPLACE_UNHEALTHY, TERMINATE, LAUNCH];
        self.heeds_balancer && needs.iter().all(|process| !self.rests(process))
    }

    pub(super) fn hindered(&self, fleet: &str, abilities: &[Ability]) -> String {
        let rest: Vec<&str> = abilities.iter().map(|it| name(*it)).filter(|process| self.rests(process)).collect();
        match rest.as_slice() {
            [] => String::new(),
            [one] => format!("; {fleet} has the process {one} suspended: resume it"),
            many => format!("; {fleet} has the processes {} suspended: resume them", many.join(" and ")),
        }
    }

    pub(super) fn taken(&self, now: &Self) -> bool {
        self.warm_pool.as_ref().is_some_and(|pool| pool.was_taken(now.warm_pool.as_ref()))
    }

    pub(super) fn differences(&self, now: &Self, fleet: &str) -> Vec<String> {
        let mut left = Vec::new();
        if now.suspended != self.suspended {
            let words = |own: &Self| match own.suspended.as_slice() {
                [] => "nothing".to_owned(),
                some => some.join(", "),
            };
            left.push(format!("{fleet} has {} suspended, it had {} suspended", words(now), words(self)));
        }
        if now.warm_pool != self.warm_pool {
            left.push(format!("{fleet} has another warm pool than it had"));
        }
        left
    }
}
