//! What an Auto Scaling group is: its settings, its size, its activities.
//!
//! What it owns: creating, changing and deleting groups, with AWS's reasons when it refuses. Which settings are valid is
//! in `group_settings`; what happens to instances because of a change is in `scaling`.

use std::collections::{BTreeMap, BTreeSet};

use super::attachments::Attachment;
use super::group_settings::{SOURCES, check_name, check_reference, check_sizes};
use super::refresh::Refresh;
use super::warm_pool::{WarmPool, check_pool};
use super::{Event, Instance, Refusal, Tree, World, timestamp_seconds};

/// The processes of a group that can be suspended.
pub(crate) const PROCESSES: &[&str] = &[
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
];

/// A tag of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTag {
    /// Its value.
    pub value: String,
    /// Whether new instances get it too.
    pub propagate: bool,
}

/// An Auto Scaling group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was created.
    pub created_at: u64,
    /// The least number of instances.
    pub min: u32,
    /// The greatest number of instances.
    pub max: u32,
    /// The number of instances that it wants to have.
    pub desired: u32,
    /// Everything else that it was created with, as the API spells it.
    pub settings: Tree,
    /// Its tags.
    pub tags: BTreeMap<String, GroupTag>,
    /// Its suspended processes and why each was suspended.
    pub suspended: BTreeMap<String, String>,
    /// Its target groups by ARN.
    pub attachments: BTreeMap<String, Attachment>,
    /// The ids of its instances, oldest first.
    pub members: Vec<String>,
    /// Its activities, oldest first.
    pub activities: Vec<Activity>,
    /// What it carries beside its settings.
    pub carried: Carried,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How many units of capacity it has beyond the desired ones for a while, to balance its zones (P30).
    pub(super) rebalancing: u32,
    /// Since when no launch has succeeded.
    pub(super) launches_fail_since: Option<u64>,
    /// Why it does what it does next, in the words of activities.
    pub(super) cause: String,
    /// Until when it launches nothing, after a failed launch.
    pub(super) rests_until: u64,
}

/// What is attached to a group by operations of its own.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// Its lifecycle hooks by name, as the API spells them.
    pub hooks: BTreeMap<String, Tree>,
    /// Whom it notifies of what: topic and type.
    pub notifications: BTreeSet<(String, String)>,
    /// The metrics that it collects about itself.
    pub metrics: BTreeSet<String>,
    /// What sends its instances requests beside target groups, by identifier: `elb` for a classic load balancer's name,
    /// `vpc-lattice` for the ARN of a VPC Lattice target group.
    pub sources: BTreeMap<String, String>,
    /// Its warm pool.
    pub warm_pool: Option<WarmPool>,
    /// Its instance refreshes, oldest first.
    pub refreshes: Vec<Refresh>,
}

impl Group {
    /// All its instances, those of its warm pool included.
    pub(super) fn all_members(&self) -> impl Iterator<Item = &String> {
        self.members.iter().chain(self.carried.warm_pool.iter().flat_map(|pool| &pool.members))
    }

    /// Whether a process runs.
    pub fn runs(&self, process: &str) -> bool {
        !self.suspended.contains_key(process)
    }

    /// Whether it believes the load balancer about its instances' health.
    pub fn heeds_balancer(&self) -> bool {
        self.settings.str("HealthCheckType").is_some_and(|kinds| kinds.split(',').any(|kind| kind.trim() == "ELB"))
    }

    pub(super) fn activity(&mut self, id: &str) -> Option<&mut Activity> {
        self.activities.iter_mut().rev().find(|activity| activity.id == id)
    }
}

/// Something that a group did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its id.
    pub id: String,
    /// What it did.
    pub description: String,
    /// Why.
    pub cause: String,
    /// When it began.
    pub started_at: u64,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// `PreInService`, `MidLifecycleAction`, `WaitingForELBConnectionDraining`, `InProgress`, `Successful`, `Failed`,
    /// `Cancelled`.
    pub status: &'static str,
    /// Why it failed.
    pub message: Option<String>,
    /// How far it is, in percent.
    pub progress: u8,
    /// Subnet and zone, as JSON.
    pub details: String,
}

impl Activity {
    /// One that begins, without id or description yet.
    pub(super) fn begun(now: u64, cause: &str) -> Self {
        Self {
            id: String::new(),
            description: String::new(),
            cause: cause.to_owned(),
            started_at: now,
            ended_at: None,
            status: "InProgress",
            message: None,
            progress: 0,
            details: "{}".into(),
        }
    }
}

/// The sizes that a request asks for; what it leaves out stays.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
    pub(crate) desired: Option<u32>,
}

impl World {
    /// A group.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The names of all groups.
    pub fn group_names(&self) -> Vec<String> {
        self.groups.keys().cloned().collect()
    }

    /// A group that a request names and that may be changed.
    pub(crate) fn group_mut(&mut self, name: &str) -> Result<&mut Group, Refusal> {
        let group = self.groups.get_mut(name).ok_or_else(|| unknown_group(name))?;
        if group.deleting {
            return Err(Refusal::validation(&format!(
                "AutoScalingGroup '{name}' may not be modified while it is pending delete"
            )));
        }
        Ok(group)
    }

    /// Creates a group with everything that AWS checks.
    pub(crate) fn create_group(
        &mut self,
        name: &str,
        sizes: Sizes,
        settings: Tree,
        tags: BTreeMap<String, GroupTag>,
        target_groups: &[String],
    ) -> Result<(), Refusal> {
        check_name(name)?;
        if let Some(group) = self.groups.get(name) {
            let message = if group.deleting {
                format!("AutoScalingGroup by this name is pending delete - AutoScalingGroup '{name}' is pending delete")
            } else {
                format!("AutoScalingGroup by this name already exists - A group with the name {name} already exists")
            };
            return Err(Refusal::new(400, "AlreadyExists", &message));
        }
        if self.groups.len() >= self.settings.max_groups {
            let message = format!("You've reached the limit of {} AutoScalingGroups", self.settings.max_groups);
            return Err(Refusal::new(400, "LimitExceeded", &message));
        }
        if tags.len() > 50 {
            return Err(Refusal::new(400, "LimitExceeded", "A group can have at most 50 tags"));
        }
        let (min, max) = (sizes.min.unwrap_or(0), sizes.max.unwrap_or(0));
        let desired = sizes.desired.unwrap_or(min);
        check_sizes(min, max, desired)?;
        check_reference(&settings)?;
        self.check_settings(&settings, true)?;
        self.check_target_groups(target_groups)?;
        let arn = self.arn("autoscaling", "autoScalingGroup:", &format!(":autoScalingGroupName/{name}"));
        let attachment = |arn: &String| (arn.clone(), Attachment::given(self.now));
        let group = Group {
            name: name.to_owned(),
            arn,
            created_at: self.now,
            min,
            max,
            desired,
            settings: self.completed(settings),
            tags,
            suspended: BTreeMap::new(),
            attachments: target_groups.iter().map(attachment).collect(),
            members: Vec::new(),
            activities: Vec::new(),
            carried: Carried::default(),
            deleting: false,
            rebalancing: 0,
            launches_fail_since: None,
            cause: format!(
                "At {} a user request created an AutoScalingGroup changing the desired capacity from 0 to {desired}.",
                timestamp_seconds(self.now)
            ),
            rests_until: 0,
        };
        self.groups.insert(name.to_owned(), group);
        self.reconcile_soon(name);
        Ok(())
    }

    /// Changes a group's sizes and settings with everything that AWS checks.
    pub(crate) fn update_group(&mut self, name: &str, sizes: Sizes, changes: Tree) -> Result<(), Refusal> {
        let now = self.now;
        let group = self.group_mut(name)?;
        let before = group.desired;
        let (min, max) = (sizes.min.unwrap_or(group.min), sizes.max.unwrap_or(group.max));
        if min > max {
            return check_sizes(min, max, min);
        }
        // AWS moves the desired capacity into the new bounds, unless the same request asks for one (P18).
        let desired = sizes.desired.unwrap_or(before.clamp(min, max));
        check_sizes(min, max, desired)?;
        let mut settings = group.settings.clone();
        check_reference(&changes)?;
        for (field, value) in changes.members() {
            if SOURCES.contains(&field.as_str()) {
                SOURCES.iter().for_each(|source| drop(settings.take(source)));
            }
            match (field.as_str(), value.leaf()) {
                ("DefaultInstanceWarmup", Some("-1")) => drop(settings.take(field)),
                ("PlacementGroup", Some("")) => drop(settings.take(field)),
                _ => settings.set(field, value.clone()),
            }
        }
        // What the group launches from is looked at when it changes: a size is taken though the image is gone, and the launch fails.
        let launches = changes.members().any(|(field, _)| SOURCES.contains(&field.as_str()));
        self.check_settings(&settings, launches)?;
        let settings = self.completed(settings);
        let group = self.group_mut(name)?;
        if group.carried.warm_pool.is_some() {
            check_pool(&settings)?;
        }
        group.settings = settings;
        // With new settings a launch that failed may succeed.
        group.rests_until = 0;
        (group.min, group.max) = (min, max);
        if desired != before {
            group.cause = format!(
                "At {} a user request update of AutoScalingGroup constraints to min: {min}, max: {max}, desired: \
                 {desired} changing the desired capacity from {before} to {desired}.",
                timestamp_seconds(now)
            );
        }
        group.desired = desired;
        self.reconcile_soon(name);
        self.examine_all(name);
        Ok(())
    }

    /// Sets a group's desired capacity.
    pub(crate) fn set_desired(&mut self, name: &str, desired: u32) -> Result<(), Refusal> {
        let now = self.now;
        let group = self.group_mut(name)?;
        let bound = if desired > group.max {
            Some(("above max", group.max))
        } else if desired < group.min {
            Some(("below min", group.min))
        } else {
            None
        };
        if let Some((side, bound)) = bound {
            return Err(Refusal::validation(&format!(
                "New SetDesiredCapacity value {desired} is {side} value {bound} for the AutoScalingGroup."
            )));
        }
        if desired != group.desired {
            group.cause = format!(
                "At {} a user request explicitly set group desired capacity changing the desired capacity from {} to \
                 {desired}.",
                timestamp_seconds(now),
                group.desired
            );
        }
        group.desired = desired;
        group.rests_until = 0;
        self.reconcile_soon(name);
        Ok(())
    }

    /// Begins to delete a group.
    ///
    /// With `force` its instances are cut off without draining. AWS promises nothing about draining here, so the model
    /// takes the worst case.
    pub(crate) fn delete_group(&mut self, name: &str, force: bool) -> Result<(), Refusal> {
        let group = self.groups.get_mut(name).ok_or_else(|| unknown_group(name))?;
        match group.settings.str("DeletionProtection") {
            Some("prevent-all-deletion") => return Err(protected(name)),
            Some("prevent-force-deletion") if force => return Err(protected(name)),
            _ => {}
        }
        if group.deleting {
            return Ok(());
        }
        if !force {
            if !group.members.is_empty() {
                return Err(Refusal::new(
                    400,
                    "ResourceInUse",
                    "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance \
                     request(s) still in the group.",
                ));
            }
            if group.carried.warm_pool.is_some() {
                // That this needs force is documented; the words are not.
                return Err(Refusal::new(
                    400,
                    "ResourceInUse",
                    "You cannot delete an AutoScalingGroup while it has a warm pool.",
                ));
            }
            if group.activities.iter().any(|activity| activity.ended_at.is_none()) {
                return Err(Refusal::new(
                    400,
                    "ScalingActivityInProgress",
                    "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that \
                     group.",
                ));
            }
        }
        group.deleting = true;
        (group.min, group.max, group.desired) = (0, 0, 0);
        let members: Vec<String> = group.all_members().cloned().collect();
        let cause = format!("At {} a user request force-deleted the AutoScalingGroup.", timestamp_seconds(self.now));
        for instance in &members {
            self.cut_off(instance, &cause);
        }
        if members.is_empty() {
            self.schedule_in(self.settings.delete_millis, Event::GroupGone { group: name.to_owned() });
        }
        Ok(())
    }

    pub(super) fn group_gone(&mut self, name: &str) {
        if self.groups.get(name).is_some_and(|group| group.deleting) {
            self.groups.remove(name);
            self.forget_scaling(name);
        }
    }

    /// The instances of a group that count: starting or in service.
    pub(super) fn living<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Instance> {
        let members = group.members.iter().filter_map(|id| self.instances.get(id));
        members.filter(|instance| instance.lifecycle.counts())
    }

    /// How many units of capacity a group has: one for each instance that counts, unless instances have weights.
    pub(super) fn capacity(&self, group: &Group) -> u32 {
        self.living(group).map(|instance| instance.units()).sum()
    }

    /// The zones of a group, each with its subnet: as given, or one per subnet of its VPC.
    pub(crate) fn zones(&self, group: &Group) -> Vec<(String, Option<String>)> {
        let subnets: Vec<&str> = group
            .settings
            .str("VPCZoneIdentifier")
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|subnet| !subnet.is_empty())
            .collect();
        if subnets.is_empty() {
            return group.settings.strings("AvailabilityZones").into_iter().map(|zone| (zone, None)).collect();
        }
        subnets
            .into_iter()
            .zip(["a", "b", "c"].into_iter().cycle())
            .map(|(subnet, letter)| {
                let known = self.subnets.get(subnet).cloned();
                (known.unwrap_or_else(|| format!("{}{letter}", self.region)), Some(subnet.to_owned()))
            })
            .collect()
    }

    /// The zones of a group as the API lists them.
    pub(crate) fn zone_names(&self, group: &Group) -> BTreeSet<String> {
        self.zones(group).into_iter().map(|(zone, _)| zone).collect()
    }
}

pub(crate) fn unknown_group(name: &str) -> Refusal {
    Refusal::validation(&format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

/// AWS does not document the code of this refusal.
fn protected(name: &str) -> Refusal {
    Refusal::validation(&format!("AutoScalingGroup '{name}' is protected from deletion by its DeletionProtection."))
}
