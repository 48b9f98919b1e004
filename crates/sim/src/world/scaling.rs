//! What groups do with instances: launch, terminate, replace.
//!
//! What it owns: every decision that an instance starts or leaves. How it does either is in `launching` and `leaving`.
//! It never acts on a process that is suspended.

use super::launching::Destination;
use super::{Activity, Event, Lifecycle, Refusal, World, timestamp_seconds};

impl World {
    /// A group will look at its size before long.
    pub(crate) fn reconcile_soon(&mut self, group: &str) {
        self.schedule_in(self.settings.reaction_millis, Event::Reconcile { group: group.to_owned() });
    }

    /// Launches what is missing or terminates what is too much, and then does the same for the warm pool.
    pub(super) fn reconcile(&mut self, name: &str) {
        let Some(group) = self.groups.get(name).filter(|group| !group.deleting) else { return };
        let capacity = self.capacity(group);
        let desired = group.desired + group.rebalancing;
        if capacity < desired {
            self.grow(name, capacity);
        } else if capacity > desired {
            self.shrink(name, capacity);
        }
        self.reconcile_pool(name);
    }

    fn grow(&mut self, name: &str, capacity: u32) {
        let Some(group) = self.groups.get(name).filter(|group| group.runs("Launch")) else { return };
        if group.rests_until > self.now {
            return;
        }
        let desired = group.desired + group.rebalancing;
        let cause = format!(
            "{}  At {} an instance was started in response to a difference between desired and actual capacity, \
             increasing the capacity from {capacity} to {desired}.",
            group.cause,
            timestamp_seconds(self.now),
        );
        let mut reached = capacity;
        while reached < desired {
            reached += self.next_weight(name);
            self.launch(name, &cause, Destination::Service, false);
        }
    }

    fn shrink(&mut self, name: &str, capacity: u32) {
        let Some(group) = self.groups.get(name).filter(|group| group.runs("Terminate")) else { return };
        let desired = group.desired + group.rebalancing;
        let cause = format!(
            "{}  At {} an instance was taken out of service in response to a difference between desired and \
             actual capacity, shrinking the capacity from {capacity} to {desired}.",
            group.cause,
            timestamp_seconds(self.now),
        );
        let mut excess = capacity - desired;
        while excess > 0 {
            let Some(group) = self.groups.get(name) else { return };
            let Some(id) = self.next_to_leave(group, excess) else {
                if self.living(group).all(|instance| instance.protected) {
                    self.cannot_shrink(name, &cause);
                }
                return;
            };
            excess -= self.instances.get(&id).map_or(excess, |instance| instance.units());
            self.terminate(&id, &cause);
        }
    }

    /// Tells, once, that every instance that is left is protected (P28).
    fn cannot_shrink(&mut self, name: &str, cause: &str) {
        const MESSAGE: &str =
            "Could not scale to desired capacity because all remaining instances are protected from scale in.";
        let activity = Activity {
            id: self.uuid(),
            description: MESSAGE.into(),
            ended_at: Some(self.now),
            status: "Cancelled",
            message: Some(MESSAGE.into()),
            progress: 100,
            ..Activity::begun(self.now, cause)
        };
        if let Some(group) = self.groups.get_mut(name)
            && group.activities.last().is_none_or(|last| last.description != MESSAGE)
        {
            group.activities.push(activity);
        }
    }

    /// A group will look at the health of an instance before long.
    pub(super) fn examine_soon(&mut self, id: &str) {
        self.schedule_in(self.settings.health_poll_millis, Event::Examine { instance: id.to_owned() });
    }

    /// A group will look at the health of all its instances, because what it heeds has changed.
    pub(crate) fn examine_all(&mut self, group: &str) {
        for id in self.instances_of(group) {
            self.examine_soon(&id);
        }
    }

    /// Replaces an instance that is dead, or that the load balancer finds unhealthy after its grace period. Answers whether anything has
    /// changed.
    pub(super) fn examine(&mut self, id: &str) -> bool {
        let Some(instance) = self.instances.get(id).filter(|it| it.lifecycle.is_watched()) else { return false };
        let Some(group) = self.groups.get(&instance.group).filter(|group| group.runs("HealthCheck")) else {
            return false;
        };
        let dead = instance.server.stopped.is_some();
        let found = group.heeds_balancer() && self.balancer_finds_unhealthy(id);
        if !dead && !found {
            return false;
        }
        let grace = u64::try_from(group.settings.num("HealthCheckGracePeriod").unwrap_or(0)).unwrap_or(0) * 1000;
        let grace_ends = instance.in_service_at.unwrap_or(self.now) + grace;
        if !dead && self.now < grace_ends {
            self.schedule(grace_ends, Event::Examine { instance: id.to_owned() });
            return false;
        }
        let replaces = group.runs("ReplaceUnhealthy") && group.runs("Terminate");
        let name = group.name.clone();
        if let Some(instance) = self.instances.get_mut(id) {
            instance.healthy = false;
        }
        if !replaces {
            return true;
        }
        let sign = if dead {
            "an EC2 health check indicating it has been terminated or stopped"
        } else {
            "an ELB system health check failure"
        };
        let cause =
            format!("At {} an instance was taken out of service in response to {sign}.", timestamp_seconds(self.now));
        self.terminate(id, &cause);
        if let Some(group) = self.groups.get_mut(&name) {
            group.cause = String::new();
        }
        self.reconcile_soon(&name);
        true
    }

    /// Terminates one instance on request, with or without wanting one less.
    pub(crate) fn terminate_instance(&mut self, id: &str, shrink: bool) -> Result<Activity, Refusal> {
        let instance = self.instances.get(id).filter(|it| it.lifecycle != Lifecycle::Terminated).ok_or_else(|| {
            Refusal::validation(&format!("Instance Id not found - No managed instance found for instance ID: {id}"))
        })?;
        if instance.warmed {
            // AWS documents that this is refused, and not in which words.
            return Err(Refusal::validation(&format!(
                "The instance {id} is in the warm pool and cannot be terminated"
            )));
        }
        let (name, units) = (instance.group.clone(), if instance.lifecycle.counts() { instance.units() } else { 0 });
        let now = timestamp_seconds(self.now);
        let group = self.group_mut(&name)?;
        if shrink && group.desired < group.min + units {
            return Err(Refusal::validation(&format!(
                "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate \
                 group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's \
                 min size.",
                group.min
            )));
        }
        if shrink {
            group.desired -= units;
        }
        let cause = format!("At {now} instance {id} was taken out of service in response to a user request.");
        self.terminate(id, &cause);
        self.reconcile_soon(&name);
        let activity = self.instances.get(id).and_then(|it| it.activity.clone());
        activity
            .and_then(|activity| self.groups.get_mut(&name)?.activity(&activity).cloned())
            .ok_or_else(|| Refusal::validation(&format!("The instance {id} is already being terminated")))
    }

    /// Suspends processes of a group.
    pub(crate) fn suspend(&mut self, name: &str, processes: Vec<String>) -> Result<(), Refusal> {
        let now = timestamp_seconds(self.now);
        let group = self.group_mut(name)?;
        for process in processes {
            group.suspended.entry(process).or_insert_with(|| format!("User suspended at {now}"));
        }
        Ok(())
    }

    /// Resumes processes of a group. It catches up with what it left undone, save one thing: instances that were
    /// launched while `AddToLoadBalancer` was suspended stay unregistered (P23).
    pub(crate) fn resume(&mut self, name: &str, processes: &[String]) -> Result<(), Refusal> {
        let group = self.group_mut(name)?;
        group.suspended.retain(|process, _| !processes.contains(process));
        self.reconcile_soon(name);
        self.examine_all(name);
        Ok(())
    }

    /// Protects instances from scale-in, or no longer.
    pub(crate) fn protect(&mut self, name: &str, ids: &[String], protected: bool) -> Result<(), Refusal> {
        let group = self.group_mut(name)?;
        if let Some(stranger) = ids.iter().find(|id| !group.members.contains(id)) {
            return Err(Refusal::validation(&format!(
                "The instance {stranger} is not part of Auto Scaling group {name}."
            )));
        }
        for id in ids {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.protected = protected;
            }
        }
        self.reconcile_soon(name);
        Ok(())
    }
}
