//! What scaling policies do to services.
//!
//! What it owns: the desired count that a triggered policy asks for, within the bounds of its target, and when it stays still:
//! while that is suspended, while it cools down, while ECS deploys. Predictive policies do nothing in this account.

use super::{ScalableTarget, ScalingPolicy, service_of};
use crate::world::ecs::{Rollout, Service};
use crate::world::policy_actions::{adjust, step};
use crate::world::{Alarm, State, World};

impl World {
    /// An alarm runs one of its actions, which is a policy of a service.
    pub(in crate::world) fn trigger_service(&mut self, arn: &str, alarm: &str) {
        let (Some(policy), Some(alarm)) = (self.scaling_policy_by_arn(arn), self.alarms.get(alarm)) else { return };
        let Some(target) = self.scalable.targets.get(&policy.resource) else { return };
        let service = service_of(&policy.resource).and_then(|key| self.ecs.services.get(&key));
        let Some(service) = service else { return };
        let inwards = policy.kind() == "TargetTrackingScaling" && alarm.name.contains("-AlarmLow-");
        let wanted = match policy.kind() {
            "TargetTrackingScaling" => self.tracked_count(policy, service, inwards),
            "StepScaling" => self.stepped_count(policy, service, alarm),
            _ => None,
        };
        let Some(wanted) = wanted else { return };
        let inwards = inwards || wanted < service.desired.into();
        let wanted = u32::try_from(wanted.clamp(target.min.into(), target.max.into())).unwrap_or(service.desired);
        // A service below its minimum is lifted to it by what scales out alone.
        if inwards && wanted > service.desired {
            return;
        }
        if !self.may_scale(policy, target, service, wanted) {
            return;
        }
        let (out, resource) = (wanted > service.desired, policy.resource.clone());
        let key = (policy.resource.clone(), policy.name.clone());
        let cooldown = |name: &str| policy.configuration().num(name).and_then(|seconds| u64::try_from(seconds).ok());
        let specific = if out { "ScaleOutCooldown" } else { "ScaleInCooldown" };
        let until = self.now + cooldown(specific).or_else(|| cooldown("Cooldown")).unwrap_or(300) * 1000;
        if let Some(policy) = self.scalable.policies.get_mut(&key) {
            let side = if out { &mut policy.cools_until.0 } else { &mut policy.cools_until.1 };
            *side = until;
        }
        self.scale_service(&resource, "monitor alarm in state ALARM triggered policy", |_| wanted);
    }

    fn may_scale(&self, policy: &ScalingPolicy, target: &ScalableTarget, service: &Service, wanted: u32) -> bool {
        let deploys = service.primary().is_some_and(|it| it.rollout == Rollout::InProgress);
        let (out, inwards) = policy.cools_until;
        if wanted > service.desired {
            !target.is_suspended("DynamicScalingOutSuspended") && out <= self.now
        } else {
            wanted < service.desired
                && !target.is_suspended("DynamicScalingInSuspended")
                && inwards.max(out) <= self.now
                && !deploys
        }
    }

    /// How many tasks of a service run: from that count on it is scaled, whatever is desired.
    fn running_count(&self, service: &Service) -> i64 {
        let running = service.tasks.iter().filter(|id| self.ecs.tasks.get(*id).is_some_and(|task| task.is_running()));
        i64::try_from(running.count()).unwrap_or(i64::MAX)
    }

    /// The count with which the metric would be at its target, if the policy may go there now.
    fn tracked_count(&self, policy: &ScalingPolicy, service: &Service, inwards: bool) -> Option<i64> {
        let desired = i64::from(service.desired);
        if !inwards {
            return self.fitting_count(policy, service).map(|wanted| wanted.max(desired));
        }
        // Every policy that may scale in has to agree, and one that knows nothing does not.
        let mut wanted = 0;
        let of_service = |other: &&ScalingPolicy| {
            other.resource == policy.resource
                && other.kind() == "TargetTrackingScaling"
                && !other.configuration().is_true("DisableScaleIn")
        };
        for other in self.scalable.policies.values().filter(of_service) {
            let agrees = |alarm: &&Alarm| alarm.name.contains("-AlarmLow-") && alarm.state == State::Alarm;
            self.alarms.values().filter(|alarm| alarm.has_action(&other.arn)).find(agrees)?;
            wanted = wanted.max(self.fitting_count(other, service)?);
        }
        Some(wanted.min(desired))
    }

    fn fitting_count(&self, policy: &ScalingPolicy, service: &Service) -> Option<i64> {
        let alarm = self.alarms.values().find(|alarm| alarm.has_action(&policy.arn))?;
        let target: f64 = policy.configuration().str("TargetValue")?.parse().ok()?;
        let value = self.latest_value(alarm)?;
        (target > 0.0).then(|| (self.running_count(service) as f64 * value / target).ceil() as i64)
    }

    /// The count after the step that the alarm's excess falls into.
    fn stepped_count(&self, policy: &ScalingPolicy, service: &Service, alarm: &Alarm) -> Option<i64> {
        let threshold = alarm.settings.str("Threshold").and_then(|text| text.parse().ok()).unwrap_or(0.0);
        let excess = self.latest_value(alarm).unwrap_or(threshold) - threshold;
        let configuration = policy.configuration();
        let adjustment = step(&configuration, excess)?;
        Some(adjust(&configuration, self.running_count(service), adjustment))
    }
}
