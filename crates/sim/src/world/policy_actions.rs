//! What scaling policies do to their groups.
//!
//! What it owns: the capacity that a triggered policy asks for, within the group's bounds, and when it stays still:
//! while the process `AlarmNotification` is suspended, while it cools down, while instances warm up. Predictive policies
//! do nothing in this account.
//!
//! What it must never do: start or stop an instance; the group does, as for every other change of its capacity.

use super::metrics::warmup_seconds;
use super::{Group, Policy, Refusal, State, Tree, World, timestamp_seconds};

impl World {
    /// An alarm runs one of its actions.
    pub(super) fn trigger(&mut self, arn: &str, alarm: &str) {
        if self.scaling_policy_by_arn(arn).is_some() {
            return self.trigger_service(arn, alarm);
        }
        let (Some(policy), Some(alarm)) = (self.policy_by_arn(arn), self.alarms.get(alarm)) else { return };
        let Some(group) = self.groups.get(&policy.group) else { return };
        if group.deleting || !policy.enabled() || !group.runs("AlarmNotification") {
            return;
        }
        let wanted = match policy.kind() {
            "TargetTrackingScaling" => self.tracked_capacity(policy, group, alarm.name.contains("-AlarmLow-")),
            "StepScaling" => {
                let threshold = alarm.settings.str("Threshold").and_then(|text| text.parse().ok()).unwrap_or(0.0);
                // Without a value, as after SetAlarmState, the alarm stands just at its threshold.
                let excess = self.latest_value(alarm).unwrap_or(threshold) - threshold;
                self.stepped_capacity(policy, group, excess)
            }
            "SimpleScaling" if policy.cools_until <= self.now => simple_capacity(policy, group),
            _ => None,
        };
        let (name, state) = (policy.name.clone(), alarm.state.as_str());
        let why = format!("a monitor alarm {} in state {state} triggered policy {name}", alarm.name);
        let group = group.name.clone();
        if let Some(wanted) = wanted {
            self.scale(&group, &name, wanted, &why);
        }
    }

    /// A human runs a policy, to try it out.
    pub(crate) fn execute_policy(
        &mut self,
        group: &str,
        name: &str,
        honor_cooldown: bool,
        excess: Option<f64>,
    ) -> Result<(), Refusal> {
        self.group_mut(group)?;
        let key = self.policy_key(group, name)?;
        let (Some(policy), Some(of)) = (self.policies.get(&key), self.groups.get(group)) else { return Ok(()) };
        let wanted = match (policy.kind(), excess) {
            ("SimpleScaling", None) if honor_cooldown && policy.cools_until > self.now => {
                return Err(Refusal::new(
                    400,
                    "ScalingActivityInProgress",
                    "The policy cannot be executed: its cooldown period has not ended yet",
                ));
            }
            ("SimpleScaling", None) => simple_capacity(policy, of),
            ("StepScaling", Some(excess)) => match step(&policy.settings, excess) {
                Some(_) => self.stepped_capacity(policy, of, excess),
                None => return Err(Refusal::validation("No step adjustment is found for the metric value")),
            },
            ("StepScaling", None) => {
                return Err(Refusal::validation("MetricValue and BreachThreshold are required for step scaling"));
            }
            ("SimpleScaling", Some(_)) => {
                return Err(Refusal::validation("MetricValue and BreachThreshold go with step scaling only"));
            }
            (kind, _) => return Err(Refusal::validation(&format!("A {kind} policy cannot be executed"))),
        };
        let name = policy.name.clone();
        if let Some(wanted) = wanted {
            self.scale(group, &name, wanted, &format!("a user request executed policy {name}"));
        }
        Ok(())
    }

    fn scale(&mut self, name: &str, policy: &str, wanted: i64, why: &str) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(name) else { return };
        let wanted = u32::try_from(wanted.clamp(group.min.into(), group.max.into())).unwrap_or(group.desired);
        if wanted == group.desired {
            return;
        }
        let at = timestamp_seconds(now);
        group.cause = format!("At {at} {why} changing the desired capacity from {} to {wanted}.", group.desired);
        group.desired = wanted;
        let cooldown = |tree: &Tree, field: &str| tree.num(field).and_then(|seconds| u64::try_from(seconds).ok());
        let default = cooldown(&group.settings, "DefaultCooldown").unwrap_or(300);
        if let Some(policy) = self.policies.get_mut(&(name.to_owned(), policy.to_owned())) {
            policy.cools_until = now + cooldown(&policy.settings, "Cooldown").unwrap_or(default) * 1000;
        }
        self.reconcile_soon(name);
    }

    /// The capacity with which the metric would be at its target, if the policy may go there now.
    fn tracked_capacity(&self, policy: &Policy, group: &Group, inwards: bool) -> Option<i64> {
        let desired = i64::from(group.desired);
        if !inwards {
            return self.fitting(policy, group).map(|wanted| wanted.max(desired));
        }
        // Every policy that may scale in has to agree, and one that knows nothing does not.
        let mut wanted = 0;
        let others = self.policies_of(&group.name).filter(|it| it.kind() == "TargetTrackingScaling");
        for other in others.filter(|it| it.enabled() && it.scales_in()) {
            let agrees = |alarm: &&super::Alarm| alarm.name.contains("-AlarmLow-") && alarm.state == State::Alarm;
            self.alarms_of(other).into_iter().find(agrees)?;
            wanted = wanted.max(self.fitting(other, group)?);
        }
        (!self.is_growing(policy, group)).then(|| wanted.min(desired))
    }

    fn fitting(&self, policy: &Policy, group: &Group) -> Option<i64> {
        let alarm = *self.alarms_of(policy).first()?;
        let target: f64 = policy.settings.str("TargetTrackingConfiguration.TargetValue")?.parse().ok()?;
        let value = self.latest_value(alarm)?;
        let capacity = self.settled_capacity(policy, group);
        (target > 0.0).then(|| (capacity as f64 * value / target).ceil() as i64)
    }

    /// The capacity after the step that the alarm's excess falls into.
    fn stepped_capacity(&self, policy: &Policy, group: &Group, excess: f64) -> Option<i64> {
        let adjustment = step(&policy.settings, excess)?;
        let wanted = adjust(&policy.settings, self.settled_capacity(policy, group), adjustment);
        let desired = i64::from(group.desired);
        if adjustment_grows(policy, adjustment, desired) {
            // What is warming up already counts, so that an alarm that goes on does not add it again.
            return Some(wanted.max(desired));
        }
        (!self.is_growing(policy, group)).then_some(wanted)
    }

    fn warmup(&self, policy: &Policy, group: &Group) -> u64 {
        let own = policy.settings.num("EstimatedInstanceWarmup").and_then(|seconds| u64::try_from(seconds).ok());
        own.unwrap_or_else(|| warmup_seconds(group))
    }

    /// The capacity that the metric speaks of: that of instances which do not warm up.
    fn settled_capacity(&self, policy: &Policy, group: &Group) -> i64 {
        let warm = self.warm(group, self.warmup(policy, group));
        warm.into_iter().map(|instance| i64::from(instance.units())).sum()
    }

    /// Whether instances are starting or warming up, so that scaling in has to wait.
    fn is_growing(&self, policy: &Policy, group: &Group) -> bool {
        i64::from(self.capacity(group)) > self.settled_capacity(policy, group)
    }
}

fn simple_capacity(policy: &Policy, group: &Group) -> Option<i64> {
    let adjustment = policy.settings.num("ScalingAdjustment")?;
    Some(adjust(&policy.settings, group.desired.into(), adjustment))
}

/// The adjustment of the step that an excess over the threshold falls into.
///
/// Above the threshold the lower bound belongs to a step, and below it the upper one.
pub(super) fn step(settings: &Tree, excess: f64) -> Option<i64> {
    let bound = |step: &Tree, field: &str, open: f64| step.str(field).and_then(|it| it.parse().ok()).unwrap_or(open);
    let falls_into = |step: &&Tree| {
        let lower = bound(step, "MetricIntervalLowerBound", f64::NEG_INFINITY);
        let upper = bound(step, "MetricIntervalUpperBound", f64::INFINITY);
        if excess >= 0.0 && upper > 0.0 { lower <= excess && excess < upper } else { lower < excess && excess <= upper }
    };
    settings.list("StepAdjustments").iter().find(falls_into)?.num("ScalingAdjustment")
}

fn adjustment_grows(policy: &Policy, adjustment: i64, desired: i64) -> bool {
    match policy.settings.str("AdjustmentType") {
        Some("ExactCapacity") => adjustment > desired,
        _ => adjustment > 0,
    }
}

/// A capacity after an adjustment, not yet within the group's bounds.
pub(super) fn adjust(settings: &Tree, capacity: i64, adjustment: i64) -> i64 {
    match settings.str("AdjustmentType") {
        Some("ExactCapacity") => adjustment,
        Some("PercentChangeInCapacity") => {
            // Towards zero, but never to it.
            let exact = capacity.saturating_mul(adjustment);
            let change = if exact == 0 { 0 } else { (exact.abs() / 100).max(1) * exact.signum() };
            let least = settings.num("MinAdjustmentMagnitude").or_else(|| settings.num("MinAdjustmentStep"));
            let change = change.abs().max(least.unwrap_or(0)) * adjustment.signum();
            capacity.saturating_add(change)
        }
        _ => capacity.saturating_add(adjustment),
    }
}
