//! Auto Scaling groups, with what hangs on them.

use std::collections::BTreeSet;

use crossfade_core::infrastructure::{TAG_INFRASTRUCTURE, series_of};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use super::asking::{Asking, Of};
use super::spelling::{list, text, texts};
use super::{Cloning, Group};

impl Cloning<'_> {
    /// All groups of the region: which of them concern the document shows by their tags, and by what they stand behind.
    pub(super) async fn every_group(&self) -> Result<Vec<Value>> {
        let (action, on) = ("DescribeAutoScalingGroups", "this account");
        self.asking.list(Of::AutoScaling, action, on, "AutoScalingGroups", &[("MaxRecords", "100")]).await
    }

    /// The target groups behind which the base and the revisions stand.
    pub(super) fn behind(&self, all: &[Value]) -> BTreeSet<String> {
        let ours = all.iter().filter(|group| self.is_ours(group));
        ours.flat_map(attached).map(str::to_owned).collect()
    }

    /// The groups that concern the document: its base, its revisions, and whatever else stands on the same load balancers.
    pub(super) async fn fleets(&mut self, all: Vec<Value>) -> Result<()> {
        let pools: BTreeSet<String> =
            self.state.target_groups.iter().map(|it| text(&it.group, "TargetGroupArn").to_owned()).collect();
        let own = self.own_pools();
        for mut group in all {
            let behind: BTreeSet<String> = attached(&group).map(str::to_owned).collect();
            let ours = self.is_ours(&group);
            if !ours && behind.is_disjoint(&pools) {
                continue;
            }
            forget_foreign_pools(&mut group, &pools, &mut self.state.not_modelled);
            let whole = ours || !behind.is_disjoint(&own);
            if !whole {
                self.cannot_play(format!("what scales the group {}", text(&group, "AutoScalingGroupName")));
            }
            self.seen_of(&group);
            let group = match whole {
                true => self.whole(group).await?,
                false => {
                    let as_target_groups = texts(&group, "TargetGroupARNs").map(str::to_owned).collect();
                    Group { group, as_target_groups, ..Group::default() }
                }
            };
            self.state.groups.push(group);
        }
        let base = self.document.compute.series().base;
        if !self.state.groups.iter().any(|it| text(&it.group, "AutoScalingGroupName") == base) {
            let path = self.document.compute.path();
            return Err(Kind::PreflightFailed.because(format!("{path}.base = {base} does not exist in this region.")));
        }
        Ok(())
    }

    /// Whether a group is the base, a revision, or has the name of one.
    fn is_ours(&self, group: &Value) -> bool {
        let series = self.document.compute.series();
        let name = text(group, "AutoScalingGroupName");
        let tagged =
            |tag: &Value| text(tag, "Key") == TAG_INFRASTRUCTURE && text(tag, "Value") == self.state.infrastructure;
        name == series.base
            || self.state.recorded().any(|fleet| fleet == name)
            || (name != series_of(name) && series_of(name) == series.name)
            || list(group, "Tags").iter().any(tagged)
    }

    /// The target groups between which the document moves traffic.
    pub(super) fn own_pools(&self) -> BTreeSet<String> {
        let named = self.named();
        let switched = |arn: &Value| arn.as_str().is_some_and(|arn| named.iter().any(|it| it == arn));
        let rules = self.state.rules.iter().filter(|it| switched(&it["RuleArn"])).map(|it| list(it, "Actions"));
        let listeners = self.state.listeners.iter().filter(|it| switched(&it["ListenerArn"]));
        let actions = rules.chain(listeners.map(|it| list(it, "DefaultActions"))).flatten();
        let forwarded = actions.flat_map(super::balancing::forwards).map(str::to_owned);
        forwarded.chain(named.iter().filter(|arn| arn.contains(":targetgroup/")).cloned()).collect()
    }

    /// A group with everything that hangs on it.
    async fn whole(&mut self, group: Value) -> Result<Group> {
        let name = text(&group, "AutoScalingGroupName").to_owned();
        let mut whole = Group { whole: true, ..Group::default() };
        let policies = self.of_group("DescribePolicies", &name, "ScalingPolicies").await?;
        whole.policies = policies.into_iter().map(without_group).collect();
        for policy in &whole.policies {
            if text(policy, "PolicyType") == "PredictiveScaling" {
                self.cannot_play(format!("the predictive policy {} of {name}", text(policy, "PolicyName")));
            }
        }
        let actions = self.of_group("DescribeScheduledActions", &name, "ScheduledUpdateGroupActions").await?;
        whole.scheduled_actions = actions.into_iter().map(without_group).collect();
        let hooks = self.of_group("DescribeLifecycleHooks", &name, "LifecycleHooks").await?;
        whole.hooks = hooks.into_iter().map(without_group).collect();
        let attached = self.of_group("DescribeLoadBalancerTargetGroups", &name, "LoadBalancerTargetGroups").await?;
        let arns = attached.iter().map(|it| text(it, "LoadBalancerTargetGroupARN").to_owned());
        whole.as_target_groups = arns.collect();
        if group["WarmPoolConfiguration"].is_object() {
            whole.warm = self.of_group("DescribeWarmPool", &name, "Instances").await?;
        }
        let asked = [("AutoScalingGroupNames.member.1", name.as_str())];
        let answer = self.asking.list(
            Of::AutoScaling,
            "DescribeNotificationConfigurations",
            &name,
            "NotificationConfigurations",
            &asked,
        );
        let answer = answer.await;
        let notifications = self.or_say(answer, &format!("the notifications of {name}"))?;
        whole.notifications = notifications.into_iter().map(without_group).collect();
        whole.group = group;
        Ok(whole)
    }

    async fn of_group(&mut self, action: &'static str, name: &str, wanted: &str) -> Result<Vec<Value>> {
        let asking: &Asking = &self.asking;
        let answer = asking.list(Of::AutoScaling, action, name, wanted, &[("AutoScalingGroupName", name)]).await;
        let what = match action {
            "DescribePolicies" => "scaling policies",
            "DescribeScheduledActions" => "scheduled actions",
            "DescribeLifecycleHooks" => "life-cycle hooks",
            "DescribeWarmPool" => "warm pool",
            _ => "way in which target groups are attached",
        };
        self.or_say(answer, &format!("the {what} of {name}"))
    }

    /// What the caller may not see is said, and left out.
    pub(super) fn or_say(&mut self, answer: Result<Vec<Value>>, what: &str) -> Result<Vec<Value>> {
        match answer {
            Err(failure) if failure.kind == Kind::AccessDenied => {
                let action = failure.message.split(' ').next().unwrap_or_default().to_owned();
                self.cannot_play(format!("{what} (nobody has allowed {action})"));
                Ok(Vec::new())
            }
            answer => answer,
        }
    }

    /// Names what the simulation does not play of a group.
    fn seen_of(&mut self, group: &Value) {
        let name = text(group, "AutoScalingGroupName").to_owned();
        for classic in texts(group, "LoadBalancerNames") {
            self.cannot_play(format!("the classic load balancer {classic} of {name}"));
        }
        for source in list(group, "TrafficSources") {
            let identifier = text(source, "Identifier");
            match text(source, "Type") {
                "elbv2" => {}
                "elb" => self.cannot_play(format!("the classic load balancer {identifier} of {name}")),
                "vpc-lattice" => self.cannot_play(format!("the VPC Lattice target group {identifier} of {name}")),
                kind => self.cannot_play(format!("the traffic source {identifier} ({kind}) of {name}")),
            }
        }
        let distribution = &group["MixedInstancesPolicy"]["InstancesDistribution"];
        if distribution.is_object() {
            self.cannot_play(format!("prices and interruptions of Spot Instances in {name}"));
        }
    }
}

/// The target groups that a group is attached to, by whichever way.
fn attached(group: &Value) -> impl Iterator<Item = &str> {
    let sources = list(group, "TrafficSources").iter().filter(|source| text(source, "Type") == "elbv2");
    texts(group, "TargetGroupARNs").chain(sources.map(|source| text(source, "Identifier")))
}

/// A group may stand behind other load balancers, too, which are nobody's concern here.
fn forget_foreign_pools(group: &mut Value, pools: &BTreeSet<String>, not_modelled: &mut Vec<String>) {
    let name = text(group, "AutoScalingGroupName").to_owned();
    let known = |arn: &str| pools.contains(arn);
    let foreign: BTreeSet<String> = attached(group).filter(|arn| !known(arn)).map(str::to_owned).collect();
    if let Some(all) = group["TargetGroupARNs"].as_array_mut() {
        all.retain(|arn| arn.as_str().is_some_and(known));
    }
    if let Some(all) = group["TrafficSources"].as_array_mut() {
        all.retain(|source| text(source, "Type") != "elbv2" || known(text(source, "Identifier")));
    }
    not_modelled.extend(foreign.into_iter().map(|arn| format!("the target group {arn} of {name}")));
}

/// What hangs on a group without the group's name, which stands above it.
fn without_group(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.remove("AutoScalingGroupName");
    }
    value
}
