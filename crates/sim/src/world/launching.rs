//! How instances join a group: cold from EC2, or out of its warm pool.
//!
//! What it owns: everything from the decision that an instance starts until it is in service, and the activities that
//! tell of it, the failed ones included. That it waits for hooks on the way is told in `hooks`.

use super::launch::LaunchPlan;
use super::sample::NO_CAPACITY;
use super::{Activity, Event, ImageBehaviour, Instance, Lifecycle, Server, World, timestamp_seconds};

/// How long it takes until a launch that cannot succeed is known to have failed.
const FAILURE_MILLIS: u64 = 1_500;

/// Where a new instance goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Into service.
    Service,
    /// Into the warm pool.
    WarmPool,
}

impl World {
    /// Starts one instance of a group, or takes one from its warm pool.
    ///
    /// With `already` it has been where it goes for a while: no hook holds it, and in service it is up and answering.
    pub(super) fn launch(&mut self, name: &str, cause: &str, destination: Destination, already: bool) {
        if destination == Destination::Service
            && let Some(id) = self.next_from_pool(name)
        {
            return self.leave_pool(&id, cause);
        }
        let Some(group) = self.groups.get(name) else { return };
        let plan = self.next_plan(group);
        let zones = self.zones(group);
        let living: Vec<&str> = self.living(group).map(|instance| instance.zone.as_str()).collect();
        let crowd = |zone: &str| living.iter().filter(|it| **it == zone).count();
        let place = zones.iter().min_by_key(|(zone, _)| crowd(zone)).cloned().unwrap_or_default();
        let behaviour = plan.as_ref().ok().and_then(|plan| self.images.get(&plan.image)).map(|it| it.behaviour.clone());
        let full = behaviour.as_ref().and_then(|it| it.room).is_some_and(|room| living.len() >= room);
        let activity = Activity {
            id: self.uuid(),
            description: match destination {
                Destination::WarmPool => "Launching a new EC2 instance into warm pool".into(),
                _ => "Launching a new EC2 instance".into(),
            },
            details: details(&place),
            ..Activity::begun(self.now, cause)
        };
        match (plan, behaviour) {
            (Ok(plan), Some(behaviour)) => match behaviour.launch_failure {
                None if full => self.fail_soon(name, activity, NO_CAPACITY.into()),
                None => {
                    let warmed = destination == Destination::WarmPool;
                    self.start(name, plan, &behaviour, place, activity, (warmed, already));
                }
                Some(message) => self.fail_soon(name, activity, message),
            },
            (Ok(_), None) => self.fail_soon(name, activity, String::new()),
            (Err(reason), _) => self.fail_soon(name, activity, reason),
        }
    }

    fn fail_soon(&mut self, name: &str, activity: Activity, message: String) {
        let event = Event::LaunchFailed { group: name.to_owned(), activity: activity.id.clone(), message };
        self.schedule_in(FAILURE_MILLIS, event);
        if let Some(group) = self.groups.get_mut(name) {
            // Until it is known that the launch has failed, no further one is tried.
            group.rests_until = self.now + FAILURE_MILLIS + self.settings.launch_retry_millis;
            group.activities.push(activity);
        }
    }

    fn start(
        &mut self,
        name: &str,
        plan: LaunchPlan,
        behaviour: &ImageBehaviour,
        (zone, subnet): (String, Option<String>),
        mut activity: Activity,
        (warmed, already): (bool, bool),
    ) {
        let id = format!("i-0{}", self.hex(16));
        activity.description = format!("{}: {id}", activity.description);
        activity.status = "PreInService";
        activity.progress = 30;
        let thousand = |(shortest, longest): (u64, u64)| (shortest * 1000, longest * 1000);
        let launch = if already { 0 } else { self.between(thousand(behaviour.launch_seconds)) };
        let boot = if already { 0 } else { self.between(thousand(behaviour.boot_seconds)) };
        let ready_at = self.now + launch + boot;
        let slot = self.next_slot();
        let Some(group) = self.groups.get_mut(name) else { return };
        let instance = Instance {
            id: id.clone(),
            group: name.to_owned(),
            image: plan.image,
            instance_type: plan.instance_type,
            weight: plan.weight,
            zone,
            subnet,
            template: plan.template,
            configuration: plan.configuration,
            lifecycle: Lifecycle::Pending,
            warmed,
            healthy: true,
            protected: group.settings.is_true("NewInstancesProtectedFromScaleIn"),
            launched_at: self.now,
            in_service_at: None,
            server: Server {
                ready_at,
                fails_at: behaviour.fails_after_seconds.map_or(u64::MAX, |seconds| ready_at + seconds * 1000),
                sick: !behaviour.passes_health_checks,
                stopped: None,
                flaws: behaviour.flaws.of(ready_at),
                slot,
            },
            activity: Some(activity.id.clone()),
            actions: Default::default(),
        };
        match &mut group.carried.warm_pool {
            Some(pool) if warmed => pool.members.push(id.clone()),
            _ => group.members.push(id.clone()),
        }
        group.activities.push(activity);
        self.instances.insert(id.clone(), instance);
        if already {
            self.arrive(&id);
        } else {
            self.schedule_in(launch, Event::Launched { instance: id });
        }
    }

    /// An instance has started: hooks may hold it now.
    pub(super) fn launched(&mut self, id: &str) {
        if self.instances.get(id).is_none_or(|instance| instance.lifecycle != Lifecycle::Pending) {
            return;
        }
        if !self.hold(id, Lifecycle::PendingWait) {
            self.arrive(id);
        }
    }

    /// Nothing holds an instance any more: it comes into service, or to rest in the warm pool.
    pub(super) fn arrive(&mut self, id: &str) {
        match self.instances.get(id) {
            Some(instance) if instance.warmed => self.park(id),
            Some(_) => self.enter_service(id),
            None => {}
        }
    }

    /// An instance comes into service and is registered with its group's target groups.
    pub(super) fn enter_service(&mut self, id: &str) {
        let now = self.now;
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.lifecycle = Lifecycle::InService;
        instance.in_service_at = Some(now);
        let (name, dead) = (instance.group.clone(), instance.server.stopped.is_some());
        self.end_activity(id, "Successful");
        if dead {
            // It died on the way, when nobody was looking after it yet.
            self.examine_soon(id);
        }
        let Some(group) = self.groups.get_mut(&name) else { return };
        group.launches_fail_since = None;
        let rebalanced = group.rebalancing > 0;
        group.rebalancing = group.rebalancing.saturating_sub(1);
        if group.runs("AddToLoadBalancer") {
            let arns: Vec<String> =
                group.attachments.iter().filter(|(_, it)| !it.removing).map(|(arn, _)| arn.clone()).collect();
            for arn in arns {
                self.register(&arn, id, None);
            }
        }
        if rebalanced {
            self.reconcile_soon(&name);
        }
    }

    pub(super) fn launch_failed(&mut self, name: &str, activity: &str, message: &str) {
        let (now, retry) = (self.now, self.settings.launch_retry_millis);
        let patience = self.settings.administrative_suspension_millis;
        let Some(group) = self.groups.get_mut(name) else { return };
        if let Some(activity) = group.activity(activity) {
            activity.status = "Failed";
            activity.progress = 100;
            activity.ended_at = Some(now);
            let reason = format!("{message} Launching EC2 instance failed.");
            activity.description = format!("Launching a new EC2 instance.  Status Reason: {reason}");
            activity.message = Some(reason);
        }
        group.rebalancing = 0;
        group.rests_until = now + retry;
        let since = *group.launches_fail_since.get_or_insert(now);
        if now - since >= patience {
            self.suspend_administratively(name, &["Launch"]);
            return;
        }
        self.schedule_in(retry, Event::Reconcile { group: name.to_owned() });
    }

    /// AWS suspends processes of a group by itself, as it does when launches have failed for about a day (P22).
    /// Answers whether there is such a group.
    ///
    /// AWS documents neither which processes it suspends nor its words; nobody may depend on more than that they do
    /// not begin with "User suspended".
    pub fn suspend_administratively(&mut self, name: &str, processes: &[&str]) -> bool {
        let reason = format!("Administrative suspension at {}", timestamp_seconds(self.now));
        let Some(group) = self.groups.get_mut(name) else { return false };
        for process in processes {
            group.suspended.entry((*process).to_owned()).or_insert_with(|| reason.clone());
        }
        true
    }
}

/// Where an activity takes place, as AWS writes it.
pub(super) fn details((zone, subnet): &(String, Option<String>)) -> String {
    match subnet {
        Some(subnet) => serde_json::json!({ "Subnet ID": subnet, "Availability Zone": zone }),
        None => serde_json::json!({ "Availability Zone": zone }),
    }
    .to_string()
}
