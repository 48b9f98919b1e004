//! What groups do with instances: launch, terminate, replace.
//!
//! What it owns: every decision that an instance starts or leaves, and the activities that tell of it. It never acts
//! on a process that is suspended.

use std::collections::BTreeMap;

use super::instances::Stop;
use super::{Activity, Event, Instance, Lifecycle, Refusal, World, timestamp_seconds};

impl World {
    /// A group will look at its size before long.
    pub(crate) fn reconcile_soon(&mut self, group: &str) {
        self.schedule_in(self.settings.reaction_millis, Event::Reconcile { group: group.to_owned() });
    }

    /// Launches what is missing or terminates what is too much.
    pub(super) fn reconcile(&mut self, name: &str) {
        let Some(group) = self.groups.get(name).filter(|group| !group.deleting) else { return };
        let living = self.living(group);
        let desired = group.desired as usize;
        if living.len() < desired && group.runs("Launch") {
            if group.rests_until > self.now {
                return;
            }
            let missing = desired - living.len();
            let cause = format!(
                "{}  At {} an instance was started in response to a difference between desired and actual capacity, \
                 increasing the capacity from {} to {desired}.",
                group.cause,
                timestamp_seconds(self.now),
                living.len()
            );
            for _ in 0..missing {
                self.launch(name, &cause, false);
            }
        } else if living.len() > desired && group.runs("Terminate") {
            let cause = format!(
                "{}  At {} an instance was taken out of service in response to a difference between desired and \
                 actual capacity, shrinking the capacity from {} to {desired}.",
                group.cause,
                timestamp_seconds(self.now),
                living.len()
            );
            for _ in 0..living.len() - desired {
                match self.next_to_leave(name) {
                    Some(instance) => self.terminate(&instance, &cause),
                    None => return self.cannot_shrink(name, &cause),
                }
            }
        }
    }

    /// Tells, once, that every instance that is left is protected (P28).
    fn cannot_shrink(&mut self, name: &str, cause: &str) {
        const MESSAGE: &str =
            "Could not scale to desired capacity because all remaining instances are protected from scale in.";
        let activity = Activity {
            id: self.uuid(),
            description: MESSAGE.into(),
            cause: cause.to_owned(),
            started_at: self.now,
            ended_at: Some(self.now),
            status: "Cancelled",
            message: Some(MESSAGE.into()),
            progress: 100,
            details: "{}".into(),
        };
        if let Some(group) = self.groups.get_mut(name)
            && group.activities.last().is_none_or(|last| last.description != MESSAGE)
        {
            group.activities.push(activity);
        }
    }

    /// The instance that scale-in takes: none that is protected (P28), of the fullest zone, of the oldest template
    /// version, the oldest. AWS's default policy then looks at billing hours, which decides nothing here.
    fn next_to_leave(&self, name: &str) -> Option<String> {
        let group = self.groups.get(name)?;
        let living: Vec<&Instance> = self.living(group).iter().filter_map(|id| self.instances.get(id)).collect();
        let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
        for instance in &living {
            *zones.entry(&instance.zone).or_default() += 1;
        }
        living
            .into_iter()
            .filter(|instance| !instance.protected)
            .min_by_key(|instance| {
                let fullness = usize::MAX - zones[instance.zone.as_str()];
                let version = instance.template.as_ref().map_or(0, |(_, _, version)| *version);
                (fullness, version, instance.launched_at, &instance.id)
            })
            .map(|instance| instance.id.clone())
    }

    /// Starts one instance of a group. With `already` it is up and answering at once.
    pub(super) fn launch(&mut self, name: &str, cause: &str, already: bool) {
        let Some(group) = self.groups.get(name) else { return };
        let plan = self.launch_plan(&group.settings);
        let zones = self.zones(group);
        let crowd = |zone: &str| {
            let living = self.living(group);
            living.iter().filter(|id| self.instances.get(*id).is_some_and(|it| it.zone == zone)).count()
        };
        let (zone, subnet) = zones.iter().min_by_key(|(zone, _)| crowd(zone)).cloned().unwrap_or_default();
        let protected = group.settings.is_true("NewInstancesProtectedFromScaleIn");
        let behaviour = plan.as_ref().ok().and_then(|plan| self.images.get(&plan.image)).map(|it| it.behaviour.clone());
        let details = match &subnet {
            Some(subnet) => serde_json::json!({ "Subnet ID": subnet, "Availability Zone": zone }),
            None => serde_json::json!({ "Availability Zone": zone }),
        };
        let mut activity = Activity {
            id: self.uuid(),
            description: "Launching a new EC2 instance".into(),
            cause: cause.to_owned(),
            started_at: self.now,
            ended_at: None,
            status: "InProgress",
            message: None,
            progress: 0,
            details: details.to_string(),
        };
        let failure = match (&plan, behaviour.as_ref().and_then(|behaviour| behaviour.launch_failure.clone())) {
            (Err(reason), _) => Some(reason.clone()),
            (Ok(_), failure) => failure,
        };
        let activity_id = activity.id.clone();
        let (plan, behaviour) = match (plan, behaviour, failure) {
            (Ok(plan), Some(behaviour), None) => (plan, behaviour),
            (_, _, failure) => {
                let message = failure.unwrap_or_default();
                let event = Event::LaunchFailed { group: name.to_owned(), activity: activity_id, message };
                self.schedule_in(1_500, event);
                if let Some(group) = self.groups.get_mut(name) {
                    // Until it is known that the launch has failed, no further one is tried.
                    group.rests_until = self.now + 1_500 + self.settings.launch_retry_millis;
                    group.activities.push(activity);
                }
                return;
            }
        };
        let id = format!("i-0{}", self.hex(16));
        activity.description = format!("Launching a new EC2 instance: {id}");
        activity.status = "PreInService";
        activity.progress = 30;
        let thousand = |(shortest, longest): (u64, u64)| (shortest * 1000, longest * 1000);
        let launch = if already { 0 } else { self.between(thousand(behaviour.launch_seconds)) };
        let boot = if already { 0 } else { self.between(thousand(behaviour.boot_seconds)) };
        let ready_at = self.now + launch + boot;
        let instance = Instance {
            id: id.clone(),
            group: name.to_owned(),
            image: plan.image,
            instance_type: plan.instance_type,
            zone,
            subnet,
            template: plan.template,
            configuration: plan.configuration,
            lifecycle: Lifecycle::Pending,
            healthy: true,
            protected,
            launched_at: self.now,
            in_service_at: None,
            ready_at,
            fails_at: behaviour.fails_after_seconds.map_or(u64::MAX, |seconds| ready_at + seconds * 1000),
            sick: !behaviour.passes_health_checks,
            stopped: None,
            activity: Some(activity_id),
            slot: u32::try_from(self.instances.len()).unwrap_or(u32::MAX),
        };
        self.instances.insert(id.clone(), instance);
        if let Some(group) = self.groups.get_mut(name) {
            group.members.push(id.clone());
            group.activities.push(activity);
        }
        if already {
            self.launched(&id);
        } else {
            self.schedule_in(launch, Event::Launched { instance: id });
        }
    }

    /// An instance comes into service and is registered with its group's target groups.
    pub(super) fn launched(&mut self, id: &str) {
        let now = self.now;
        let Some(instance) = self.instances.get_mut(id).filter(|it| it.lifecycle == Lifecycle::Pending) else { return };
        instance.lifecycle = Lifecycle::InService;
        instance.in_service_at = Some(now);
        let name = instance.group.clone();
        self.end_activity(id, "Successful");
        let Some(group) = self.groups.get(&name) else { return };
        if group.runs("AddToLoadBalancer") {
            let arns: Vec<String> =
                group.attachments.iter().filter(|(_, it)| !it.removing).map(|(arn, _)| arn.clone()).collect();
            for arn in arns {
                self.register(&arn, id, None);
            }
        }
    }

    pub(super) fn launch_failed(&mut self, name: &str, activity: &str, message: &str) {
        let (now, retry) = (self.now, self.settings.launch_retry_millis);
        let Some(group) = self.groups.get_mut(name) else { return };
        if let Some(activity) = group.activity(activity) {
            activity.status = "Failed";
            activity.progress = 100;
            activity.ended_at = Some(now);
            let reason = format!("{message} Launching EC2 instance failed.");
            activity.description = format!("Launching a new EC2 instance.  Status Reason: {reason}");
            activity.message = Some(reason);
        }
        group.rests_until = now + retry;
        self.schedule_in(retry, Event::Reconcile { group: name.to_owned() });
    }

    /// An instance leaves: it is deregistered, drains for as long as its target groups say, and shuts down.
    pub(super) fn terminate(&mut self, id: &str, cause: &str) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if matches!(instance.lifecycle, Lifecycle::Terminating | Lifecycle::Terminated) {
            return;
        }
        let was_pending = instance.lifecycle == Lifecycle::Pending;
        instance.lifecycle = Lifecycle::Terminating;
        let (name, zone, subnet) = (instance.group.clone(), instance.zone.clone(), instance.subnet.clone());
        if was_pending {
            self.end_activity(id, "Cancelled");
        }
        let stopped = self.instances.get(id).is_some_and(|instance| instance.stopped.is_some());
        let until = self.deregister_everywhere(id);
        let draining = until.filter(|until| !stopped && *until > self.now);
        let details = match subnet {
            Some(subnet) => serde_json::json!({ "Subnet ID": subnet, "Availability Zone": zone }),
            None => serde_json::json!({ "Availability Zone": zone }),
        };
        let activity = Activity {
            id: self.uuid(),
            description: format!("Terminating EC2 instance: {id}"),
            cause: format!("{cause}  At {} instance {id} was selected for termination.", timestamp_seconds(self.now)),
            started_at: self.now,
            ended_at: None,
            status: if draining.is_some() { "WaitingForELBConnectionDraining" } else { "InProgress" },
            message: None,
            progress: if draining.is_some() { 50 } else { 60 },
            details: details.to_string(),
        };
        if let Some(instance) = self.instances.get_mut(id) {
            instance.activity = Some(activity.id.clone());
        }
        if let Some(group) = self.groups.get_mut(&name) {
            group.activities.push(activity);
        }
        self.schedule(draining.unwrap_or(self.now), Event::ShutDown { instance: id.to_owned() });
    }

    /// An instance leaves without draining.
    pub(super) fn cut_off(&mut self, id: &str) {
        let cause = format!("At {} a user request force-deleted the AutoScalingGroup.", timestamp_seconds(self.now));
        self.terminate(id, &cause);
        self.shut_down(id);
    }

    pub(super) fn shut_down(&mut self, id: &str) {
        let Some(instance) = self.instances.get(id).filter(|it| it.lifecycle == Lifecycle::Terminating) else { return };
        // Twice, when an instance that was draining is cut off: the second time there is nothing left to do.
        if matches!(instance.stopped, Some((_, Stop::Terminated))) {
            return;
        }
        let (name, activity) = (instance.group.clone(), instance.activity.clone());
        self.stop(id, Stop::Terminated);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.stopped = instance.stopped.map(|(at, _)| (at, Stop::Terminated));
        }
        if let Some(activity) =
            activity.and_then(|activity| self.groups.get_mut(&name).and_then(|group| group.activity(&activity)))
        {
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
        if !group.deleting {
            self.reconcile_soon(&name);
        } else if group.members.is_empty() {
            self.schedule_in(self.settings.delete_millis, Event::GroupGone { group: name });
        }
    }

    fn end_activity(&mut self, id: &str, status: &'static str) {
        let now = self.now;
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(activity) = instance.activity.take() else { return };
        let Some(activity) = self.groups.get_mut(&instance.group).and_then(|group| group.activity(&activity)) else {
            return;
        };
        activity.status = status;
        activity.progress = 100;
        activity.ended_at = Some(now);
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

    /// Replaces an instance that is dead, or that the load balancer finds unhealthy after its grace period.
    pub(super) fn examine(&mut self, id: &str) {
        let Some(instance) = self.instances.get(id).filter(|it| it.lifecycle == Lifecycle::InService) else { return };
        let Some(group) = self.groups.get(&instance.group).filter(|group| group.runs("HealthCheck")) else { return };
        let dead = instance.stopped.is_some();
        let found = group.heeds_balancer() && self.balancer_finds_unhealthy(id);
        if !dead && !found {
            return;
        }
        let grace = u64::try_from(group.settings.num("HealthCheckGracePeriod").unwrap_or(0)).unwrap_or(0) * 1000;
        let grace_ends = instance.in_service_at.unwrap_or(self.now) + grace;
        if !dead && self.now < grace_ends {
            self.schedule(grace_ends, Event::Examine { instance: id.to_owned() });
            return;
        }
        let replaces = group.runs("ReplaceUnhealthy") && group.runs("Terminate");
        let name = group.name.clone();
        if let Some(instance) = self.instances.get_mut(id) {
            instance.healthy = false;
        }
        if !replaces {
            return;
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
    }

    /// Terminates one instance on request, with or without wanting one less.
    pub(crate) fn terminate_instance(&mut self, id: &str, shrink: bool) -> Result<Activity, Refusal> {
        let name = self
            .instances
            .get(id)
            .filter(|it| it.lifecycle != Lifecycle::Terminated)
            .map(|it| it.group.clone())
            .ok_or_else(|| {
                Refusal::validation(&format!("Instance Id not found - No managed instance found for instance ID: {id}"))
            })?;
        let now = timestamp_seconds(self.now);
        let group = self.group_mut(&name)?;
        if shrink && group.desired == group.min {
            return Err(Refusal::validation(&format!(
                "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate \
                 group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's \
                 min size.",
                group.min
            )));
        }
        group.desired -= u32::from(shrink);
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
