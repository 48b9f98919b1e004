//! Scaling policies: what they are, and the rules that AWS has for them.
//!
//! What it owns: creating, changing and deleting policies, and the alarms that target tracking makes for itself.
//! Settings are kept as they were given. What a policy does to its group is in `policy_actions`.

use std::collections::BTreeMap;

use super::alarms::canonical;
use super::{Alarm, Refusal, Tree, World};

/// The settings of policies, apart from their group and name.
pub(crate) const POLICY_SETTINGS: &[&str] = &[
    "PolicyType",
    "AdjustmentType",
    "MinAdjustmentStep",
    "MinAdjustmentMagnitude",
    "ScalingAdjustment",
    "Cooldown",
    "MetricAggregationType",
    "StepAdjustments",
    "EstimatedInstanceWarmup",
    "TargetTrackingConfiguration",
    "Enabled",
    "PredictiveScalingConfiguration",
];

/// Which settings a type needs, and which of the others it refuses.
const BY_TYPE: [(&str, &[&str], &[&str]); 4] = [
    (
        "SimpleScaling",
        &["AdjustmentType", "ScalingAdjustment"],
        &[
            "StepAdjustments",
            "MetricAggregationType",
            "EstimatedInstanceWarmup",
            "TargetTrackingConfiguration",
            "PredictiveScalingConfiguration",
        ],
    ),
    (
        "StepScaling",
        &["AdjustmentType", "StepAdjustments"],
        &["ScalingAdjustment", "Cooldown", "TargetTrackingConfiguration", "PredictiveScalingConfiguration"],
    ),
    (
        "TargetTrackingScaling",
        &["TargetTrackingConfiguration"],
        &[
            "AdjustmentType",
            "ScalingAdjustment",
            "StepAdjustments",
            "Cooldown",
            "MetricAggregationType",
            "MinAdjustmentMagnitude",
            "PredictiveScalingConfiguration",
        ],
    ),
    (
        "PredictiveScaling",
        &["PredictiveScalingConfiguration"],
        &[
            "AdjustmentType",
            "ScalingAdjustment",
            "StepAdjustments",
            "Cooldown",
            "MetricAggregationType",
            "MinAdjustmentMagnitude",
            "EstimatedInstanceWarmup",
            "TargetTrackingConfiguration",
        ],
    ),
];

/// Numbers with a fraction in the settings of policies.
pub(super) const FRACTIONS: [&str; 3] = ["TargetValue", "MetricIntervalLowerBound", "MetricIntervalUpperBound"];

/// How many policies a group may have.
const MOST: usize = 50;

/// What the alarms of a target tracking policy are made of.
pub(super) struct TrackingAlarms<'a> {
    /// What is scaled, as their names call it.
    pub(super) of: &'a str,
    /// The ARN of the policy.
    pub(super) policy: &'a str,
    pub(super) metric: Tree,
    pub(super) target: f64,
    pub(super) scales_in: bool,
}

/// A scaling policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its ARN.
    pub arn: String,
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// What it was given, as the API spells it.
    pub settings: Tree,
    /// Until when it does nothing again, if it is a simple one.
    pub(super) cools_until: u64,
}

impl Policy {
    /// Its type.
    pub(crate) fn kind(&self) -> &str {
        self.settings.str("PolicyType").unwrap_or_default()
    }

    pub(super) fn enabled(&self) -> bool {
        self.settings.str("Enabled") != Some("false")
    }

    fn tracked(&self) -> Option<&Tree> {
        self.settings.get("TargetTrackingConfiguration")
    }

    pub(super) fn scales_in(&self) -> bool {
        self.tracked().is_none_or(|tracked| !tracked.is_true("DisableScaleIn"))
    }
}

impl World {
    /// A policy of a group.
    pub fn policy(&self, group: &str, name: &str) -> Option<&Policy> {
        self.policies.get(&(group.to_owned(), name.to_owned()))
    }

    /// The policies of a group.
    pub(crate) fn policies_of(&self, group: &str) -> impl Iterator<Item = &Policy> {
        self.policies.values().filter(move |policy| policy.group == group)
    }

    /// A policy by its ARN.
    pub(super) fn policy_by_arn(&self, arn: &str) -> Option<&Policy> {
        self.policies.values().find(|policy| policy.arn == arn)
    }

    /// The alarms that trigger a policy, whoever made them.
    pub(crate) fn alarms_of(&self, policy: &Policy) -> Vec<&Alarm> {
        self.alarms.values().filter(|alarm| alarm.has_action(&policy.arn)).collect()
    }

    /// Creates a policy, or gives one its new settings, with everything that AWS checks. Answers its ARN.
    pub(crate) fn put_policy(&mut self, group: &str, name: &str, mut settings: Tree) -> Result<String, Refusal> {
        self.group_mut(group)?;
        if settings.get("PolicyType").is_none() {
            settings.set("PolicyType", Tree::text("SimpleScaling"));
        }
        if settings.get("Enabled").is_none() {
            settings.set("Enabled", Tree::text(true));
        }
        if settings.str("PolicyType") == Some("StepScaling") && settings.get("MetricAggregationType").is_none() {
            settings.set("MetricAggregationType", Tree::text("Average"));
        }
        canonical(&mut settings, &FRACTIONS);
        check(&settings)?;
        if let Some(tracked) = settings.get("TargetTrackingConfiguration") {
            self.check_tracking(group, name, tracked)?;
        }
        let key = (group.to_owned(), name.to_owned());
        let known = self.policies.get(&key).map(|policy| policy.arn.clone());
        if known.is_none() && self.policies_of(group).count() >= MOST {
            let message = format!("A group can have at most {MOST} scaling policies");
            return Err(Refusal::new(400, "LimitExceeded", &message));
        }
        let rest = format!(":autoScalingGroupName/{group}:policyName/{name}");
        let arn = known.unwrap_or_else(|| self.arn("autoscaling", "scalingPolicy:", &rest));
        let (group, name) = (group.to_owned(), name.to_owned());
        let policy = Policy { arn: arn.clone(), group, name, settings, cools_until: 0 };
        self.remove_own_alarms(&arn);
        self.add_own_alarms(&policy);
        self.policies.insert(key, policy);
        Ok(arn)
    }

    /// Deletes a policy: its name is taken out of all alarms, which stay, save those that it made itself (P25).
    pub(crate) fn delete_policy(&mut self, group: &str, name: &str) -> Result<(), Refusal> {
        self.group_mut(group)?;
        let key = self.policy_key(group, name)?;
        if let Some(policy) = self.policies.remove(&key) {
            self.remove_own_alarms(&policy.arn);
            self.remove_action(&policy.arn);
        }
        Ok(())
    }

    /// The name of a policy that a request may also call by its ARN.
    pub(super) fn policy_key(&self, group: &str, name: &str) -> Result<(String, String), Refusal> {
        let called = |(key, policy): (&(String, String), &Policy)| {
            (policy.group == group && (policy.name == name || policy.arn == name)).then(|| key.clone())
        };
        let unknown = || Refusal::validation(&format!("PolicyName not found for AutoScalingGroup: {group}"));
        self.policies.iter().find_map(called).ok_or_else(unknown)
    }

    /// What goes with a group: its policies, scheduled actions, and the alarms that have nothing to do any more (P72).
    pub(super) fn forget_scaling(&mut self, group: &str) {
        let policies: Vec<Policy> = self.policies_of(group).cloned().collect();
        for policy in policies {
            let bare = self.remove_action(&policy.arn);
            self.delete_alarms(&bare);
            self.policies.remove(&(policy.group, policy.name));
        }
        self.schedules.retain(|(of, _), _| of != group);
    }

    fn check_tracking(&self, group: &str, name: &str, tracked: &Tree) -> Result<(), Refusal> {
        if tracked.str("TargetValue").is_none_or(|value| value.parse::<f64>().is_err()) {
            return Err(Refusal::validation("A target tracking policy must have a TargetValue that is a number"));
        }
        let predefined = tracked.get("PredefinedMetricSpecification");
        if predefined.is_some() == tracked.get("CustomizedMetricSpecification").is_some() {
            return Err(Refusal::validation(
                "Either a predefined or a customized metric must be given, and not both of them",
            ));
        }
        let same = |other: &Policy| {
            let metrics = ["PredefinedMetricSpecification", "CustomizedMetricSpecification"];
            other.name != name
                && other.tracked().is_some_and(|it| metrics.iter().all(|metric| it.get(metric) == tracked.get(metric)))
        };
        if self.policies_of(group).any(same) {
            return Err(Refusal::validation(
                "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
            ));
        }
        let Some(predefined) = predefined else { return Ok(()) };
        let label = predefined.str("ResourceLabel");
        match predefined.str("PredefinedMetricType") {
            Some("ALBRequestCountPerTarget") => self.check_label(group, label.unwrap_or_default()),
            Some("ASGAverageCPUUtilization" | "ASGAverageNetworkIn" | "ASGAverageNetworkOut") if label.is_none() => {
                Ok(())
            }
            Some(_) if label.is_some() => {
                Err(Refusal::validation("A resource label goes with ALBRequestCountPerTarget only"))
            }
            _ => Err(Refusal::validation("The type of the predefined metric is not valid")),
        }
    }

    /// A label must name a target group, with its load balancer, that the group is attached to (P24).
    fn check_label(&self, group: &str, label: &str) -> Result<(), Refusal> {
        let Some((balancer, target_group)) = split_label(label) else {
            return Err(Refusal::validation(&format!(
                "Resource label '{label}' is not app/LOAD-BALANCER/ID/targetgroup/TARGET-GROUP/ID"
            )));
        };
        let attached = self.groups.get(group).is_some_and(|group| {
            let attached = group.attachments.iter().filter(|(_, attachment)| !attachment.removing);
            attached.into_iter().any(|(arn, _)| arn.ends_with(&format!(":{target_group}")))
        });
        if !attached {
            return Err(Refusal::validation("Target group not attached to the Auto Scaling group"));
        }
        if !self.balancers.keys().any(|arn| arn.ends_with(&format!(":loadbalancer/{balancer}"))) {
            return Err(Refusal::validation(&format!(
                "The load balancer of the resource label '{label}' is not found"
            )));
        }
        Ok(())
    }

    fn add_own_alarms(&mut self, policy: &Policy) {
        let Some(tracked) = policy.tracked() else { return };
        let alarms = TrackingAlarms {
            of: &policy.group,
            policy: &policy.arn,
            metric: tracked_metric(&policy.group, tracked),
            target: tracked.str("TargetValue").and_then(|value| value.parse().ok()).unwrap_or_default(),
            scales_in: policy.scales_in(),
        };
        self.add_tracking_alarms(&alarms);
    }

    /// The two alarms of a target tracking policy; without scale-in only the one for scaling out.
    pub(super) fn add_tracking_alarms(&mut self, alarms: &TrackingAlarms<'_>) {
        // AWS scales out after three minutes above the target, and in after fifteen below nine tenths of it.
        let high = ("AlarmHigh", "GreaterThanThreshold", alarms.target, 3);
        let low = ("AlarmLow", "LessThanThreshold", alarms.target * 0.9, 15);
        for (side, comparison, threshold, periods) in [high, low] {
            if side == "AlarmLow" && !alarms.scales_in {
                continue;
            }
            let name = format!("TargetTracking-{}-{side}-{}", alarms.of, self.uuid());
            let mut settings = alarms.metric.clone();
            let description = format!("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {}.", alarms.policy);
            let actions = Tree::List(vec![Tree::text(alarms.policy)]);
            for (field, value) in [
                ("AlarmDescription", Tree::Leaf(description)),
                ("ActionsEnabled", Tree::text(true)),
                ("OKActions", Tree::List(Vec::new())),
                ("AlarmActions", actions),
                ("InsufficientDataActions", Tree::List(Vec::new())),
                ("EvaluationPeriods", Tree::text(periods)),
                ("Threshold", Tree::text(threshold)),
                ("ComparisonOperator", Tree::text(comparison)),
            ] {
                settings.set(field, value);
            }
            self.set_alarm(&name, settings, BTreeMap::new(), Some(alarms.policy.to_owned()));
        }
    }

    pub(super) fn remove_own_alarms(&mut self, arn: &str) {
        self.alarms.retain(|_, alarm| alarm.managed_by.as_deref() != Some(arn));
    }
}

/// Load balancer and target group of a resource label, each as the end of its ARN.
pub(super) fn split_label(label: &str) -> Option<(&str, &str)> {
    let middle = label.find("/targetgroup/")?;
    let (balancer, target_group) = (&label[..middle], &label[middle + 1..]);
    let three = |text: &str, kind: &str| {
        let parts: Vec<&str> = text.split('/').collect();
        parts.len() == 3 && parts[0] == kind && parts.iter().all(|part| !part.is_empty())
    };
    (three(balancer, "app") && three(target_group, "targetgroup")).then_some((balancer, target_group))
}

/// The metric of a target tracking policy, in the words of alarms.
fn tracked_metric(group: &str, tracked: &Tree) -> Tree {
    if let Some(metric) = customized_metric(tracked) {
        return metric;
    }
    let label = tracked.str("PredefinedMetricSpecification.ResourceLabel").unwrap_or_default();
    let of_group = |name: &str| single_metric("AWS/EC2", name, "Average", &[("AutoScalingGroupName", group)]);
    match (tracked.str("PredefinedMetricSpecification.PredefinedMetricType"), split_label(label)) {
        (Some("ALBRequestCountPerTarget"), Some(label)) => requests_metric(label),
        (Some("ASGAverageNetworkIn"), _) => of_group("NetworkIn"),
        (Some("ASGAverageNetworkOut"), _) => of_group("NetworkOut"),
        _ => of_group("CPUUtilization"),
    }
}

/// A metric that a policy describes itself, by the minute unless it says otherwise.
pub(super) fn customized_metric(tracked: &Tree) -> Option<Tree> {
    let mut metric = tracked.get("CustomizedMetricSpecification")?.clone();
    if metric.get("Metrics").is_none() && metric.get("Period").is_none() {
        metric.set("Period", Tree::text(60));
    }
    Some(metric)
}

/// How many requests each target of a target group receives, by the parts of its label.
pub(super) fn requests_metric((balancer, target_group): (&str, &str)) -> Tree {
    let dimensions = [("TargetGroup", target_group), ("LoadBalancer", balancer)];
    single_metric("AWS/ApplicationELB", "RequestCountPerTarget", "Sum", &dimensions)
}

/// One metric by the minute, in the words of alarms.
pub(super) fn single_metric(namespace: &str, name: &str, statistic: &str, dimensions: &[(&str, &str)]) -> Tree {
    let dimension =
        |(name, value): &(&str, &str)| Tree::map([("Name", Tree::text(name)), ("Value", Tree::text(value))]);
    Tree::map([
        ("Namespace", Tree::text(namespace)),
        ("MetricName", Tree::text(name)),
        ("Statistic", Tree::text(statistic)),
        ("Dimensions", Tree::List(dimensions.iter().map(dimension).collect())),
        ("Period", Tree::text(60)),
    ])
}

fn check(settings: &Tree) -> Result<(), Refusal> {
    let kind = settings.str("PolicyType").unwrap_or_default();
    let Some((_, needed, refused)) = BY_TYPE.iter().find(|(known, _, _)| *known == kind) else {
        return Err(Refusal::validation(&format!("'{kind}' is no type of scaling policies")));
    };
    if let Some(field) = needed.iter().find(|field| settings.get(field).is_none()) {
        return Err(Refusal::validation(&format!("A {kind} policy must have {field}")));
    }
    if let Some(field) = refused.iter().find(|field| settings.get(field).is_some()) {
        return Err(Refusal::validation(&format!("{field} is not valid for a {kind} policy")));
    }
    if let Some(adjustment) = settings.str("AdjustmentType") {
        if !["ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity"].contains(&adjustment) {
            return Err(Refusal::validation(&format!("'{adjustment}' is no adjustment type")));
        }
        if adjustment != "PercentChangeInCapacity" && settings.get("MinAdjustmentMagnitude").is_some() {
            return Err(Refusal::validation("MinAdjustmentMagnitude goes with PercentChangeInCapacity only"));
        }
    }
    if kind == "PredictiveScaling" && settings.list("PredictiveScalingConfiguration.MetricSpecifications").is_empty() {
        return Err(Refusal::validation("A predictive policy must have a metric specification"));
    }
    check_steps(settings.list("StepAdjustments"))
}

/// Steps must neither overlap nor leave a gap.
pub(super) fn check_steps(steps: &[Tree]) -> Result<(), Refusal> {
    let bound = |step: &Tree, field: &str, open: f64| match step.str(field) {
        None => Ok(open),
        Some(text) => text.parse::<f64>().map_err(|_| Refusal::validation(&format!("{field} must be a number"))),
    };
    let mut intervals = Vec::new();
    for step in steps {
        if step.num("ScalingAdjustment").is_none() {
            return Err(Refusal::validation("A step adjustment must have a ScalingAdjustment"));
        }
        let lower = bound(step, "MetricIntervalLowerBound", f64::NEG_INFINITY)?;
        let upper = bound(step, "MetricIntervalUpperBound", f64::INFINITY)?;
        if lower >= upper {
            return Err(Refusal::validation("The lower bound of a step must be less than its upper bound"));
        }
        intervals.push((lower, upper));
    }
    intervals.sort_by(|one, other| one.0.total_cmp(&other.0));
    match intervals.windows(2).all(|pair| pair[0].1 == pair[1].0) {
        true => Ok(()),
        false => Err(Refusal::validation("Step adjustments must neither overlap nor leave a gap")),
    }
}
