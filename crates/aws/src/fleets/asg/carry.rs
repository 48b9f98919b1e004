//! What a base carries beside its settings, given to a fleet that is made from it.
//!
//! What it owns: scaling policies with their alarms, scheduled actions, notifications, metrics collection, suspended
//! processes and the warm pool. What an instance needs from its first second comes right after the group; what moves the
//! size of a fleet comes only once the fleet serves, so that nothing scales an idle candidate (P19).
//!
//! What it must never do: touch what the fleet has already, or an alarm that crossfade did not make.

mod policies;
mod schedules;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleHook, ScalingPolicy, ScheduledUpdateGroupAction};
use aws_types::SdkConfig;
use crossfade_core::kinds::asg::SCHEDULED_ACTIONS;
use crossfade_core::lane::Counterpart;
use crossfade_core::observed::{Baggage, Fleet, HookTimes, Schedule};
use crossfade_core::{Kind, Result, unless_refused};

use crate::clients::Lazy;
use crate::fleets::asg::groups::{as_fleet, configured, describe, hooks, put, resume, suspend, suspended};
use crate::fleets::scaling::{Alarms, Made, Names, Owner, left_out};
use crate::refusal::refusal;

/// The dimension by which metrics name a group.
const GROUP_NAME: &str = "AutoScalingGroupName";
/// How long a hook holds an instance unless it says otherwise, in seconds (Auto Scaling API reference).
const HEARTBEAT_SECONDS: u32 = 3600;

/// Carries what bases have to the fleets made from them.
#[derive(Clone, Debug)]
pub struct Carrier {
    autoscaling: Lazy<aws_sdk_autoscaling::Client>,
    alarms: Alarms,
}

impl Carrier {
    /// A carrier in the account that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { autoscaling: Lazy::new(config), alarms: Alarms::new(config) }
    }

    /// What a base carries, and what of it a fleet of this name will not get, as far as that can be known before, each in a
    /// sentence.
    pub async fn baggage(&self, base: &str, fleet: &str) -> Result<(Baggage, Vec<String>)> {
        let group = self.group(base).await?;
        let hooks = hooks(&self.autoscaling, base).await?;
        let policies = self.policies(base).await?;
        let schedules = self.schedules(base).await?;
        let own: Made = policies.iter().filter_map(|it| it.policy_arn.clone().zip(it.policy_arn.clone())).collect();
        let triggering = wanted(&policies, &own);
        let mut notes = left_out(triggering.iter(), base, fleet);
        let crowded = self.alarms.crowded(triggering, "the base").await?;
        if !crowded.is_empty() {
            return Err(Kind::PreflightFailed.because(crowded.join(" ")));
        }
        notes.extend(hooks.iter().filter_map(|hook| of_codedeploy(base, hook)));
        let baggage = Baggage {
            from: base.to_owned(),
            hook_times: times(&hooks),
            policies: policies.into_iter().filter_map(|policy| policy.policy_name).collect(),
            schedules: schedules.into_iter().filter_map(|action| action.scheduled_action_name).collect(),
            limits: false,
            reserve: configured(&group).map(|_| "warm pool".to_owned()),
            hooks: hooks.into_iter().filter_map(|hook| hook.lifecycle_hook_name).collect(),
        };
        Ok((baggage, notes))
    }

    /// The alarms by which it scales what it carries.
    pub(super) fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// How long the hooks of a fleet may hold its instances.
    pub async fn hook_times(&self, fleet: &str) -> Result<HookTimes> {
        Ok(times(&hooks(&self.autoscaling, fleet).await?))
    }

    /// The sizes that a group's scheduled actions give it.
    pub async fn sizes(&self, group: &str) -> Result<Vec<Schedule>> {
        let number = |size: Option<i32>| size.and_then(|size| u32::try_from(size).ok());
        let schedule = |action: ScheduledUpdateGroupAction| Schedule {
            min: number(action.min_size),
            desired: number(action.desired_capacity),
            max: number(action.max_size),
            due_millis: action.start_time.and_then(|at| at.to_millis().ok()).and_then(|at| u64::try_from(at).ok()),
            name: action.scheduled_action_name.unwrap_or_default(),
        };
        Ok(self.schedules(group).await?.into_iter().map(schedule).collect())
    }

    /// Gives a new fleet what must be there before its first instance: notifications, metrics collection, and the processes
    /// that are suspended on the base. Twice does no more than once. Answers a line for each thing that was left out, and why.
    pub async fn settle_in(&self, base: &str, fleet: &str) -> Result<Vec<String>> {
        let group = self.group(base).await?;
        let processes = suspended(&group);
        suspend(&self.autoscaling, fleet, processes.iter().map(String::as_str)).await?;
        let left_out = self.notify(base, fleet).await?;
        self.measure(&group, fleet).await?;
        Ok(left_out)
    }

    /// Gives a fleet that serves what changes its size: scaling policies with their alarms, scheduled actions and the warm
    /// pool; then lets scheduled actions run (P22). What the fleet has by the same name stays, except that it follows the
    /// fleet to another target group. Answers a line for each thing that was carried or left out, and why.
    pub async fn carry(
        &self,
        base: &str,
        fleet: &str,
        counterparts: &[Counterpart],
        now_millis: u64,
    ) -> Result<Vec<String>> {
        let (from, to) = (self.group(base).await?, self.group(fleet).await?);
        let mut lines = Vec::new();
        let policies = self.policies(base).await?;
        if !policies.is_empty() {
            let names = Names::read(self.alarms.balancing(), (GROUP_NAME, base, fleet), counterparts).await?;
            let made = self.carry_policies(&policies, &names, &mut lines).await?;
            let owner = Owner::of(&as_fleet(to.clone()));
            self.alarms.carry(&wanted(&policies, &made), &made, &names, &owner, &mut lines).await?;
        }
        let scheduled = self.carry_schedules(base, fleet, now_millis, &mut lines).await?;
        self.carry_warm_pool(&from, &to, fleet, &mut lines).await?;
        let suspends = |group: &AutoScalingGroup| suspended(group).iter().any(|process| process == SCHEDULED_ACTIONS);
        // A base keeps them suspended as a template only.
        if suspends(&to) && (scheduled || !suspends(&from)) {
            resume(&self.autoscaling, fleet, &[SCHEDULED_ACTIONS]).await?;
            lines.push(format!("Resumed scheduled actions on {fleet}"));
        }
        Ok(lines)
    }

    /// Lets what a fleet has of its own follow it to other target groups: the labels of its policies, the dimensions of their
    /// alarms. Answers a line for each thing that changed.
    pub async fn follow(&self, fleet: &str, counterparts: &[Counterpart]) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let policies = self.policies(fleet).await?;
        if !policies.is_empty() {
            let names = Names::read(self.alarms.balancing(), (GROUP_NAME, fleet, fleet), counterparts).await?;
            for policy in &policies {
                self.adapt_policy(policy, &names, &mut lines).await?;
            }
            let own: Made = policies.iter().filter_map(|it| it.policy_arn.clone().zip(it.policy_arn.clone())).collect();
            self.alarms.adapt(wanted(&policies, &own), &names, &mut lines).await?;
        }
        Ok(lines)
    }

    /// Deletes the alarms that were made for a fleet. Deleting the fleet would leave those that also notify somebody (P72).
    pub async fn unload(&self, fleet: &Fleet) -> Result<()> {
        self.alarms.unload(fleet).await
    }

    async fn group(&self, name: &str) -> Result<AutoScalingGroup> {
        describe(&self.autoscaling, name).await?.ok_or_else(|| {
            Kind::Drifted
                .because(format!("The Auto Scaling group {name} does not exist any more; somebody deleted it."))
        })
    }

    /// AWS sends a test message to each topic, and refuses one that is gone. The copy serves without.
    async fn notify(&self, base: &str, fleet: &str) -> Result<Vec<String>> {
        let call = self.autoscaling.describe_notification_configurations().auto_scaling_group_names(base);
        let mut pages = call.into_paginator().items().send();
        let mut topics: BTreeMap<String, Vec<String>> = BTreeMap::new();
        while let Some(notification) = pages.next().await {
            let notification =
                notification.map_err(|e| refusal("autoscaling:DescribeNotificationConfigurations", base, e))?;
            if let (Some(topic), Some(event)) = (notification.topic_arn, notification.notification_type) {
                topics.entry(topic).or_default().push(event);
            }
        }
        let mut left_out = Vec::new();
        for (topic, events) in topics {
            let call = self.autoscaling.put_notification_configuration().auto_scaling_group_name(fleet);
            let put = call.topic_arn(&topic).set_notification_types(Some(events)).send().await;
            let put = put.map_err(|e| refusal("autoscaling:PutNotificationConfiguration", fleet, e)).map(drop);
            if let Some(refused) = unless_refused(put)? {
                left_out.push(format!("Left the notifications of {base} to {topic} out: {refused}"));
            }
        }
        Ok(left_out)
    }

    async fn measure(&self, base: &AutoScalingGroup, fleet: &str) -> Result<()> {
        let mut metrics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for enabled in base.enabled_metrics.iter().flatten() {
            // The only granularity that there is (Auto Scaling API reference).
            let granularity = enabled.granularity.as_deref().unwrap_or("1Minute");
            metrics.entry(granularity).or_default().extend(enabled.metric.clone());
        }
        for (granularity, metrics) in metrics {
            let call = self.autoscaling.enable_metrics_collection().auto_scaling_group_name(fleet);
            let enabled = call.granularity(granularity).set_metrics(Some(metrics)).send().await;
            enabled.map_err(|e| refusal("autoscaling:EnableMetricsCollection", fleet, e))?;
        }
        Ok(())
    }

    async fn carry_warm_pool(
        &self,
        from: &AutoScalingGroup,
        to: &AutoScalingGroup,
        fleet: &str,
        lines: &mut Vec<String>,
    ) -> Result<()> {
        let Some(pool) = configured(from).filter(|_| configured(to).is_none()) else { return Ok(()) };
        let put = put(&self.autoscaling, fleet, &pool).await.map_err(|e| refusal("autoscaling:PutWarmPool", fleet, e));
        // Not every kind of group may have one (P31), for example.
        lines.push(match unless_refused(put)? {
            Some(refused) => format!("Left the warm pool out: {refused}"),
            None => format!("Carried the warm pool ({})", pool.state),
        });
        Ok(())
    }
}

/// How the hooks begin that CodeDeploy makes (CodeDeploy user guide, integration with Auto Scaling).
const CODEDEPLOY: &str = "CodeDeploy-managed-";

/// The names of the alarms that trigger policies which the fleet has now.
fn wanted(policies: &[ScalingPolicy], made: &Made) -> BTreeSet<String> {
    let carried = policies.iter().filter(|policy| policy.policy_arn.as_ref().is_some_and(|arn| made.contains_key(arn)));
    let by_alarm =
        carried.filter(|it| !matches!(it.policy_type.as_deref(), Some("TargetTrackingScaling" | "PredictiveScaling")));
    let names = by_alarm.flat_map(|policy| policy.alarms.iter().flatten()).filter_map(|alarm| alarm.alarm_name.clone());
    names.filter(|name| !name.starts_with("TargetTracking-")).collect()
}

/// What the hook that CodeDeploy puts on the groups of its deployment groups does on a copy, of which it does not know.
fn of_codedeploy(base: &str, hook: &LifecycleHook) -> Option<String> {
    let name = hook.lifecycle_hook_name.as_deref().filter(|name| name.starts_with(CODEDEPLOY))?;
    Some(format!(
        "The base {base} has CodeDeploy's own hook {name}. Its copies get it, too, and CodeDeploy does not know them: each new instance is \
         held for {} s. Take the base out of CodeDeploy's deployment group, or delete the hook",
        heartbeat(hook)
    ))
}

/// However AWS orders the hooks of one transition, they hold no longer than one after the other.
fn times(hooks: &[LifecycleHook]) -> HookTimes {
    let holding = |transition: &str| {
        let of_transition = hooks.iter().filter(|hook| hook.lifecycle_transition.as_deref() == Some(transition));
        of_transition.map(heartbeat).fold(0, u32::saturating_add)
    };
    HookTimes {
        launching_seconds: holding("autoscaling:EC2_INSTANCE_LAUNCHING"),
        terminating_seconds: holding("autoscaling:EC2_INSTANCE_TERMINATING"),
    }
}

/// For how long a hook holds an instance whose program says nothing.
fn heartbeat(hook: &LifecycleHook) -> u32 {
    hook.heartbeat_timeout.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(HEARTBEAT_SECONDS)
}
