//! How instances leave a group: who is chosen, what is waited for, and when they are gone.
//!
//! What it owns: the termination policies, and everything from the decision that an instance leaves until only EC2
//! knows it. That it waits for hooks on the way is told in `hooks`.

use std::collections::BTreeMap;

use super::launching::details;
use super::{Activity, Event, Group, Instance, Lifecycle, Stop, World, timestamp_seconds};

const HOUR_MILLIS: u64 = 3_600_000;

impl World {
    /// The instance that scale-in takes: in service or starting, not protected (P28), no heavier than what is too
    /// much, of the zone with most instances, and then as the group's termination policies say, the first of them
    /// first.
    pub(super) fn next_to_leave(&self, group: &Group, excess: u32) -> Option<String> {
        let living: Vec<&Instance> = self.living(group).collect();
        let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
        for instance in &living {
            *zones.entry(&instance.zone).or_default() += 1;
        }
        let mut choice: Vec<&Instance> =
            living.into_iter().filter(|it| !it.protected && it.units() <= excess).collect();
        narrow(&mut choice, |instance| usize::MAX - zones[instance.zone.as_str()]);
        for policy in group.settings.strings("TerminationPolicies") {
            self.apply_policy(&policy, &mut choice);
        }
        // AWS would draw lots.
        choice.into_iter().min_by_key(|instance| (instance.launched_at, &instance.id)).map(|it| it.id.clone())
    }

    /// Leaves those instances that a termination policy would take.
    fn apply_policy(&self, policy: &str, choice: &mut Vec<&Instance>) {
        match policy {
            "OldestInstance" => narrow(choice, |it| it.launched_at),
            "NewestInstance" => narrow(choice, |it| u64::MAX - it.launched_at),
            // Instances with launch configurations go before all others.
            "OldestLaunchConfiguration" | "OldestLaunchTemplate" => narrow(choice, |it| self.age_of_source(it)),
            "ClosestToNextInstanceHour" => {
                narrow(choice, |it| HOUR_MILLIS - (self.now - it.launched_at) % HOUR_MILLIS);
            }
            "Default" => {
                self.apply_policy("OldestLaunchTemplate", choice);
                self.apply_policy("ClosestToNextInstanceHour", choice);
            }
            // The types of a mixed instances policy are all alike to the model: none is preferred.
            _ => {}
        }
    }

    /// Orders what instances were started from, the oldest first: launch configurations before launch templates.
    fn age_of_source(&self, instance: &Instance) -> (bool, u64, u64) {
        let made = |name: &String| self.configurations.get(name).map_or(0, |configuration| configuration.created_at);
        match (&instance.configuration, &instance.template) {
            (Some(name), _) => (false, made(name), 0),
            (None, Some((id, _, version))) => {
                (true, self.templates.get(id).map_or(0, |template| template.created_at), *version)
            }
            (None, None) => (false, 0, 0),
        }
    }

    /// An instance leaves: it is deregistered, drains for as long as its target groups say, waits for hooks, and shuts
    /// down.
    ///
    /// Draining first and hooks after it is the order that AWS documents (How lifecycle hooks work, step 4).
    pub(super) fn terminate(&mut self, id: &str, cause: &str) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.lifecycle.is_leaving() || instance.lifecycle == Lifecycle::Terminated {
            return;
        }
        instance.lifecycle = Lifecycle::Terminating;
        // Whoever was still preparing the instance need not go on.
        instance.actions.clear();
        let (name, place) = (instance.group.clone(), (instance.zone.clone(), instance.subnet.clone()));
        // It was starting, or on its way to standby.
        self.end_activity(id, "Cancelled");
        let stopped = self.instances.get(id).is_some_and(|instance| instance.server.stopped.is_some());
        let until = self.deregister_everywhere(id);
        let draining = until.filter(|until| !stopped && *until > self.now);
        let activity = Activity {
            id: self.uuid(),
            description: format!("Terminating EC2 instance: {id}"),
            status: if draining.is_some() { "WaitingForELBConnectionDraining" } else { "InProgress" },
            progress: if draining.is_some() { 50 } else { 60 },
            details: details(&place),
            ..Activity::begun(
                self.now,
                &format!("{cause}  At {} instance {id} was selected for termination.", timestamp_seconds(self.now)),
            )
        };
        if let Some(instance) = self.instances.get_mut(id) {
            instance.activity = Some(activity.id.clone());
        }
        if let Some(group) = self.groups.get_mut(&name) {
            group.activities.push(activity);
        }
        self.schedule(draining.unwrap_or(self.now), Event::HasDrained { instance: id.to_owned() });
    }

    /// An instance leaves without draining, and without waiting for hooks.
    pub(super) fn cut_off(&mut self, id: &str, cause: &str) {
        self.terminate(id, cause);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.actions.clear();
        }
        self.shut_down(id);
    }

    /// An instance that leaves has drained: hooks may hold it now.
    pub(super) fn has_drained(&mut self, id: &str) {
        if self.instances.get(id).is_none_or(|instance| instance.lifecycle != Lifecycle::Terminating) {
            return;
        }
        if !self.hold(id, Lifecycle::TerminatingWait) {
            self.shut_down(id);
        }
    }

    pub(super) fn shut_down(&mut self, id: &str) {
        let Some(instance) = self.instances.get(id).filter(|it| it.lifecycle.is_leaving()) else { return };
        // Twice, when an instance that was draining is cut off: the second time there is nothing left to do.
        if matches!(instance.server.stopped, Some((_, Stop::Terminated))) {
            return;
        }
        self.stop(id, Stop::Terminated);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.server.stopped = instance.server.stopped.map(|(at, _)| (at, Stop::Terminated));
        }
        if let Some(activity) = self.activity_of(id) {
            activity.status = "InProgress";
            activity.progress = 60;
        }
        let takes = self.between(self.settings.terminate_millis);
        self.schedule_in(takes, Event::Terminated { instance: id.to_owned() });
    }

    pub(super) fn terminated(&mut self, id: &str) {
        self.end_activity(id, "Successful");
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.lifecycle = Lifecycle::Terminated;
        let name = instance.group.clone();
        let Some(group) = self.groups.get_mut(&name) else { return };
        group.members.retain(|member| member != id);
        if let Some(pool) = &mut group.carried.warm_pool {
            pool.members.retain(|member| member != id);
        }
        self.drop_empty_pool(&name);
        let Some(group) = self.groups.get(&name) else { return };
        if !group.deleting {
            self.reconcile_soon(&name);
        } else if group.all_members().next().is_none() {
            self.schedule_in(self.settings.delete_millis, Event::GroupGone { group: name });
        }
    }

    /// The activity that an instance is the subject of at present.
    pub(super) fn activity_of(&mut self, id: &str) -> Option<&mut Activity> {
        let instance = self.instances.get(id)?;
        let activity = instance.activity.as_ref()?;
        self.groups.get_mut(&instance.group)?.activity(activity)
    }

    /// Ends the activity that an instance is the subject of at present.
    pub(super) fn end_activity(&mut self, id: &str, status: &'static str) {
        let now = self.now;
        if let Some(activity) = self.activity_of(id) {
            activity.status = status;
            activity.progress = 100;
            activity.ended_at = Some(now);
        }
        if let Some(instance) = self.instances.get_mut(id) {
            instance.activity = None;
        }
    }
}

/// Keeps the instances whose key is the least.
fn narrow<K: Ord>(choice: &mut Vec<&Instance>, key: impl Fn(&Instance) -> K) {
    if let Some(least) = choice.iter().map(|instance| key(instance)).min() {
        choice.retain(|instance| key(instance) == least);
    }
}
