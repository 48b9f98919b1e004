//! Standby: instances that are set aside and put back.
//!
//! What it owns: both ways, with AWS's bounds. An instance in standby runs, is in no target group, does not count,
//! is never chosen by scale-in, and keeps its group from being deleted.

use super::{Activity, Event, Group, Lifecycle, Refusal, World, timestamp_seconds};

/// How long it takes to put an instance back.
const RETURN_MILLIS: u64 = 5_000;

impl World {
    /// Sets instances aside, with or without wanting as many less. Answers the activities.
    pub(crate) fn enter_standby(&mut self, name: &str, ids: &[String], shrink: bool) -> Result<Vec<Activity>, Refusal> {
        let units = self.check_standby(name, ids, Lifecycle::InService)?;
        let now = timestamp_seconds(self.now);
        let group = self.group_mut(name)?;
        if shrink && group.desired < group.min + units {
            return Err(out_of_bounds(group, "place into standby", ids.len()));
        }
        let before = group.desired;
        if shrink {
            group.desired -= units;
        }
        let effect = match shrink {
            true => format!(", shrinking the capacity from {before} to {}", before - units),
            false => String::new(),
        };
        let mut activities = Vec::new();
        for id in ids {
            let until = self.deregister_everywhere(id).unwrap_or(self.now);
            if let Some(instance) = self.instances.get_mut(id) {
                instance.lifecycle = Lifecycle::EnteringStandby;
            }
            let activity = Activity {
                description: format!("Moving EC2 instance to Standby: {id}"),
                status: "InProgress",
                progress: 50,
                ..Activity::begun(
                    self.now,
                    &format!("At {now} instance {id} was moved to standby in response to a user request{effect}."),
                )
            };
            activities.extend(self.begin(id, activity));
            self.schedule(until, Event::StandbyEntered { instance: id.clone() });
        }
        self.reconcile_soon(name);
        Ok(activities)
    }

    /// Puts instances back, and wants as many more. Answers the activities.
    pub(crate) fn exit_standby(&mut self, name: &str, ids: &[String]) -> Result<Vec<Activity>, Refusal> {
        let units = self.check_standby(name, ids, Lifecycle::Standby)?;
        let now = timestamp_seconds(self.now);
        let group = self.group_mut(name)?;
        if group.desired + units > group.max {
            return Err(out_of_bounds(group, "remove from standby", ids.len()));
        }
        let before = group.desired;
        group.desired += units;
        let mut activities = Vec::new();
        for id in ids {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.lifecycle = Lifecycle::Pending;
            }
            let activity = Activity {
                description: format!("Moving EC2 instance out of Standby: {id}"),
                status: "PreInService",
                progress: 30,
                ..Activity::begun(
                    self.now,
                    &format!(
                        "At {now} instance {id} was moved out of standby in response to a user request, increasing \
                         the capacity from {before} to {}.",
                        before + units
                    ),
                )
            };
            activities.extend(self.begin(id, activity));
            self.schedule_in(RETURN_MILLIS, Event::StandbyLeft { instance: id.clone() });
        }
        Ok(activities)
    }

    /// Checks that instances belong to a group and are where they have to be. Answers their units of capacity.
    fn check_standby(&mut self, name: &str, ids: &[String], from: Lifecycle) -> Result<u32, Refusal> {
        let group = self.group_mut(name)?;
        if let Some(stranger) = ids.iter().find(|id| !group.members.contains(id)) {
            return Err(Refusal::validation(&format!(
                "The instance {stranger} is not part of Auto Scaling group {name}."
            )));
        }
        let mut units = 0;
        for id in ids {
            let Some(instance) = self.instances.get(id).filter(|it| it.lifecycle == from) else {
                return Err(Refusal::validation(&format!("The instance {id} is not in {}.", from.as_str())));
            };
            units += instance.units();
        }
        Ok(units)
    }

    /// Makes an activity the one that an instance is the subject of.
    fn begin(&mut self, id: &str, activity: Activity) -> Option<Activity> {
        let activity = Activity { id: self.uuid(), ..activity };
        let instance = self.instances.get_mut(id)?;
        instance.activity = Some(activity.id.clone());
        self.groups.get_mut(&instance.group)?.activities.push(activity.clone());
        Some(activity)
    }

    pub(super) fn standby_entered(&mut self, id: &str) {
        let Some(instance) = self.instances.get_mut(id).filter(|it| it.lifecycle == Lifecycle::EnteringStandby) else {
            return;
        };
        instance.lifecycle = Lifecycle::Standby;
        self.end_activity(id, "Successful");
    }

    pub(super) fn standby_left(&mut self, id: &str) {
        if self.instances.get(id).is_some_and(|instance| instance.lifecycle == Lifecycle::Pending) {
            self.enter_service(id);
        }
    }
}

fn out_of_bounds(group: &Group, what: &str, count: usize) -> Refusal {
    Refusal::validation(&format!(
        "AutoScalingGroup {} has min-size={}, max-size={}, and desired-size={}. To {what} {count} instance{}, please \
         update the AutoScalingGroup sizes appropriately.",
        group.name,
        group.min,
        group.max,
        group.desired,
        if count == 1 { "" } else { "s" }
    ))
}
