//! Warm pools: instances that have been started ahead of need.
//!
//! What it owns: how large a group's pool is, and which of its instances goes into service next. Instances of a pool
//! belong to the group's `Carried` and are never among its members, so nothing that counts members can count them (P29).

use super::instances::Parked;
use super::launching::Destination;
use super::{Activity, Event, Group, Lifecycle, Refusal, Tree, World, timestamp_seconds};

/// How long it takes to start an instance that was stopped or hibernated.
const START_MILLIS: u64 = 5_000;
/// How long an application takes to answer after its instance was only stopped: it knows its way.
const RESTART_MILLIS: u64 = 10_000;

/// A group's warm pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmPool {
    /// Its settings, as the API spells them.
    pub settings: Tree,
    /// The ids of its instances, oldest first.
    pub members: Vec<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl WarmPool {
    /// How its instances wait.
    fn parked(&self) -> Parked {
        match self.settings.str("PoolState") {
            Some("Running") => Parked::Running,
            Some("Hibernated") => Parked::Hibernated,
            _ => Parked::Stopped,
        }
    }

    /// How many instances it is to have beside a group that wants `desired` and may have `max` (P31).
    fn size(&self, desired: u32, max: u32) -> u32 {
        let number = |field| self.settings.num(field).and_then(|number| u32::try_from(number).ok());
        // −1 means: as many as the group may have.
        let prepared = number("MaxGroupPreparedCapacity").unwrap_or(max);
        prepared.saturating_sub(desired).max(number("MinSize").unwrap_or(0))
    }
}

impl Group {
    /// How many instances its warm pool is to have.
    fn pool_size(&self) -> u32 {
        let pool = self.carried.warm_pool.as_ref().filter(|pool| !pool.deleting && !self.deleting);
        pool.map_or(0, |pool| pool.size(self.desired, self.max))
    }
}

/// Why a group with these settings can have no warm pool.
pub(super) fn check_pool(settings: &Tree) -> Result<(), Refusal> {
    if settings.get("MixedInstancesPolicy").is_some() {
        return Err(Refusal::validation(
            "You can't add a warm pool to an Auto Scaling group that has a mixed instances policy.",
        ));
    }
    Ok(())
}

impl World {
    /// Gives a group a warm pool, or other settings to the one that it has.
    pub fn put_warm_pool(&mut self, name: &str, given: &Tree) -> Result<(), Refusal> {
        let group = self.group_mut(name)?;
        check_pool(&group.settings)?;
        group.refuse_during_refresh()?;
        if group.carried.warm_pool.as_ref().is_some_and(|pool| pool.deleting) {
            return Err(Refusal::validation(&format!("The warm pool of AutoScalingGroup '{name}' is pending delete")));
        }
        // What is not given stays as it was.
        let mut settings = match &group.carried.warm_pool {
            Some(pool) => pool.settings.clone(),
            None => Tree::map([("PoolState", Tree::text("Stopped")), ("MinSize", Tree::text(0))]),
        };
        for (field, value) in given.members() {
            settings.set(field, value.clone());
        }
        if settings.num("MaxGroupPreparedCapacity") == Some(-1) {
            settings.take("MaxGroupPreparedCapacity");
        }
        if !["Stopped", "Running", "Hibernated"].contains(&settings.str("PoolState").unwrap_or_default()) {
            return Err(Refusal::validation("PoolState must be Stopped, Running or Hibernated"));
        }
        if settings.is_true("InstanceReusePolicy.ReuseOnScaleIn") {
            return Err(Refusal::not_implemented("the reuse of instances on scale-in (ReuseOnScaleIn)"));
        }
        group.carried.warm_pool.get_or_insert_default().settings = settings;
        self.reconcile_soon(name);
        Ok(())
    }

    /// Begins to delete a group's warm pool.
    pub(crate) fn delete_warm_pool(&mut self, name: &str, force: bool) -> Result<(), Refusal> {
        let group = self.group_mut(name)?;
        let Some(pool) = &mut group.carried.warm_pool else {
            return Err(Refusal::validation(&format!("No warm pool found for AutoScalingGroup '{name}'")));
        };
        if !force && !pool.members.is_empty() {
            return Err(Refusal::new(
                400,
                "ResourceInUse",
                "You cannot delete a warm pool while there are instances still in it.",
            ));
        }
        pool.deleting = true;
        let members = pool.members.clone();
        let cause = format!("At {} a user request force-deleted the warm pool.", timestamp_seconds(self.now));
        for id in members {
            self.cut_off(&id, &cause);
        }
        self.drop_empty_pool(name);
        Ok(())
    }

    /// A pool that is being deleted and has no instances any more is gone.
    pub(super) fn drop_empty_pool(&mut self, name: &str) {
        let Some(group) = self.groups.get_mut(name) else { return };
        if group.carried.warm_pool.as_ref().is_some_and(|pool| pool.deleting && pool.members.is_empty()) {
            group.carried.warm_pool = None;
        }
    }

    /// Launches what a pool misses, or terminates what it has too much.
    pub(super) fn reconcile_pool(&mut self, name: &str) {
        let Some(group) = self.groups.get(name).filter(|group| group.rests_until <= self.now) else { return };
        let Some(pool) = group.carried.warm_pool.as_ref().filter(|pool| !pool.deleting) else { return };
        let stays = |id: &&String| self.instances.get(*id).is_some_and(|it| !it.lifecycle.is_leaving());
        let here: Vec<String> = pool.members.iter().filter(stays).cloned().collect();
        let wanted = group.pool_size() as usize;
        let now = timestamp_seconds(self.now);
        if here.len() < wanted && group.runs("Launch") {
            let cause = format!("At {now} an instance was started to fill the warm pool up to {wanted} instances.");
            for _ in here.len()..wanted {
                self.launch(name, &cause, Destination::WarmPool, false);
            }
        } else if here.len() > wanted && group.runs("Terminate") {
            let cause = format!("At {now} the warm pool was shrunk to {wanted} instances.");
            for id in &here[wanted..] {
                self.terminate(id, &cause);
            }
        }
    }

    /// Fills a pool at once: for accounts that have been running for a while when they are first looked at.
    pub fn assume_warm(&mut self, name: &str) {
        let Some(group) = self.groups.get(name) else { return };
        let missing = (group.pool_size() as usize).saturating_sub(group.all_members().count() - group.members.len());
        for _ in 0..missing {
            self.launch(name, "", Destination::WarmPool, true);
        }
    }

    /// An instance has started and rests in the pool.
    pub(super) fn park(&mut self, id: &str) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(group) = self.groups.get(&instance.group) else { return };
        let Some(pool) = &group.carried.warm_pool else { return };
        instance.lifecycle = Lifecycle::Parked(pool.parked());
        self.end_activity(id, "Successful");
    }

    /// The instance of its pool that a group takes next, if any rests there.
    pub(super) fn next_from_pool(&self, name: &str) -> Option<String> {
        let pool = self.groups.get(name)?.carried.warm_pool.as_ref().filter(|pool| !pool.deleting)?;
        let rests = |id: &&String| {
            self.instances.get(*id).is_some_and(|it| {
                matches!(it.lifecycle, Lifecycle::Parked(_)) && it.server.stopped.is_none() && it.healthy
            })
        };
        pool.members.iter().find(rests).cloned()
    }

    /// An instance leaves the pool for service.
    pub(super) fn leave_pool(&mut self, id: &str, cause: &str) {
        let activity = self.uuid();
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(group) = self.groups.get_mut(&instance.group) else { return };
        let Some(pool) = &mut group.carried.warm_pool else { return };
        pool.members.retain(|member| member != id);
        group.members.push(id.to_owned());
        let start = if instance.lifecycle == Lifecycle::Parked(Parked::Running) { 0 } else { START_MILLIS };
        if instance.lifecycle == Lifecycle::Parked(Parked::Stopped) {
            // It may still have been booting for the first time when it was stopped.
            instance.server.ready_at = self.now + START_MILLIS + RESTART_MILLIS;
        }
        instance.server.ready_at = instance.server.ready_at.max(self.now + start);
        instance.warmed = false;
        instance.lifecycle = Lifecycle::Pending;
        instance.activity = Some(activity.clone());
        group.activities.push(Activity {
            id: activity,
            description: format!("Launching a new EC2 instance from warm pool: {id}"),
            status: "PreInService",
            progress: 30,
            details: super::launching::details(&(instance.zone.clone(), instance.subnet.clone())),
            ..Activity::begun(self.now, cause)
        });
        self.schedule_in(start, Event::Launched { instance: id.to_owned() });
    }
}
