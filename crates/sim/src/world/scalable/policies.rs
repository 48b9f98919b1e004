//! Scaling policies of services: what they are, and the rules that AWS has for them.
//!
//! What it owns: creating, changing and deleting policies. The alarms of target tracking are made as those of groups are. What a
//! policy does is in `actions`.

use serde_json::{Map, Value};

use super::{NAMESPACE, requested, service_of, validation};
use crate::world::ecs::{ServiceKey, member};
use crate::world::policies::{
    TrackingAlarms, check_steps, customized_metric, requests_metric, single_metric, split_label,
};
use crate::world::{Refusal, Tree, World};

/// How many policies a target may have.
const MOST: usize = 50;

/// The types of policies, and where each has its settings.
const TYPES: [(&str, &str); 3] = [
    ("TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration"),
    ("StepScaling", "StepScalingPolicyConfiguration"),
    ("PredictiveScaling", "PredictiveScalingPolicyConfiguration"),
];

/// A scaling policy of a service.
#[derive(Clone, Debug)]
pub struct ScalingPolicy {
    /// Its ARN.
    pub arn: String,
    /// What it scales.
    pub resource: String,
    /// Its name.
    pub name: String,
    /// Its type and what that was given, as the API spells it.
    pub settings: Map<String, Value>,
    /// Until when it does not scale out, and in, again.
    pub(super) cools_until: (u64, u64),
    pub(crate) created_at: u64,
}

impl ScalingPolicy {
    pub(super) fn kind(&self) -> &str {
        member(&self.settings, "PolicyType").as_str().unwrap_or_default()
    }

    /// What its type was given.
    pub(super) fn configuration(&self) -> Tree {
        let of = TYPES.iter().find(|(kind, _)| *kind == self.kind()).map_or("", |(_, field)| field);
        Tree::from_json(member(&self.settings, of))
    }
}

impl World {
    /// A policy by its ARN.
    pub(in crate::world) fn scaling_policy_by_arn(&self, arn: &str) -> Option<&ScalingPolicy> {
        self.scalable.policies.values().find(|policy| policy.arn == arn)
    }

    /// Creates a policy, or gives one its new settings, with what AWS checks. Answers its ARN.
    pub(crate) fn put_scaling_policy(&mut self, request: &Value) -> Result<String, Refusal> {
        let resource = requested(request)?;
        self.registered(&resource)?;
        let name = request["PolicyName"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(validation("PolicyName must not be empty"));
        }
        let key = (resource.clone(), name.clone());
        let known = self.scalable.policies.get(&key).cloned();
        let before = known.as_ref().and_then(|it| member(&it.settings, "PolicyType").as_str());
        let kind = request["PolicyType"].as_str().or(before).unwrap_or("StepScaling").to_owned();
        let Some((_, field)) = TYPES.iter().find(|(known, _)| *known == kind) else {
            return Err(validation(&format!("{kind} is not a type of scaling policies of {NAMESPACE}")));
        };
        if !request[*field].is_object() {
            return Err(validation(&format!("A {kind} policy must have a {field}")));
        }
        if known.is_none() && self.scalable.policies.keys().filter(|(it, _)| *it == resource).count() >= MOST {
            let words = format!("A scalable target can have at most {MOST} scaling policies");
            return Err(Refusal::new(400, "LimitExceededException", &words));
        }
        let configuration = Tree::from_json(&request[*field]);
        let as_exception = |refusal: Refusal| validation(&refusal.message);
        match kind.as_str() {
            "StepScaling" => check_steps(configuration.list("StepAdjustments")).map_err(as_exception)?,
            "TargetTrackingScaling" => self.check_service_tracking(&resource, &configuration)?,
            _ => {}
        }
        let arn = match &known {
            Some(known) => known.arn.clone(),
            None => {
                let rest = format!(":resource/{NAMESPACE}/{resource}:policyName/{name}");
                self.arn("autoscaling", "scalingPolicy:", &rest)
            }
        };
        let settings = [("PolicyType".to_owned(), Value::from(kind)), ((*field).to_owned(), request[*field].clone())];
        let policy = ScalingPolicy {
            arn: arn.clone(),
            resource,
            name,
            settings: settings.into_iter().collect(),
            cools_until: (0, 0),
            created_at: known.map_or(self.now, |known| known.created_at),
        };
        self.remove_own_alarms(&arn);
        self.track_service(&policy);
        self.scalable.policies.insert(key, policy);
        Ok(arn)
    }

    /// Deletes a policy: its name is taken out of all alarms, which stay, save those that it made itself.
    pub(crate) fn delete_scaling_policy(&mut self, resource: &str, name: &str) -> Result<(), Refusal> {
        let words = format!("No scaling policy found for resource ID {resource} and name {name}");
        let unknown = || Refusal::new(400, "ObjectNotFoundException", &words);
        let key = (resource.to_owned(), name.to_owned());
        let policy = self.scalable.policies.remove(&key).ok_or_else(unknown)?;
        self.remove_own_alarms(&policy.arn);
        self.remove_action(&policy.arn);
        Ok(())
    }

    fn check_service_tracking(&self, resource: &str, tracked: &Tree) -> Result<(), Refusal> {
        if tracked.str("TargetValue").is_none_or(|value| value.parse::<f64>().is_err()) {
            return Err(validation("A target tracking policy must have a TargetValue that is a number"));
        }
        let predefined = tracked.get("PredefinedMetricSpecification");
        if predefined.is_some() == tracked.get("CustomizedMetricSpecification").is_some() {
            return Err(validation("Either a predefined or a customized metric must be given, and not both of them"));
        }
        let Some(predefined) = predefined else { return Ok(()) };
        let kind = predefined.str("PredefinedMetricType").unwrap_or_default();
        let label = predefined.str("ResourceLabel");
        match (kind, label) {
            ("ALBRequestCountPerTarget", label) => self.check_service_label(resource, label.unwrap_or_default()),
            (kind, None) if kind.starts_with("ECSServiceAverage") => Ok(()),
            _ => Err(validation(&format!("The predefined metric {kind} is not valid for {NAMESPACE}"))),
        }
    }

    /// A label must name a target group, with its load balancer, of the service.
    fn check_service_label(&self, resource: &str, label: &str) -> Result<(), Refusal> {
        let (_, target_group) =
            split_label(label).ok_or_else(|| validation(&format!("Resource label '{label}' is not valid")))?;
        let service = service_of(resource).and_then(|key| self.ecs.services.get(&key));
        let own =
            service.is_some_and(|it| it.target_groups().iter().any(|arn| arn.ends_with(&format!(":{target_group}"))));
        if own { Ok(()) } else { Err(validation("The target group of the resource label is not one of the service")) }
    }

    /// Makes the alarms of a target tracking policy.
    fn track_service(&mut self, policy: &ScalingPolicy) {
        let Some(key) = service_of(&policy.resource).filter(|_| policy.kind() == "TargetTrackingScaling") else {
            return;
        };
        let tracked = policy.configuration();
        let alarms = TrackingAlarms {
            of: &policy.resource,
            policy: &policy.arn,
            metric: service_metric(&key, &tracked),
            target: tracked.str("TargetValue").and_then(|value| value.parse().ok()).unwrap_or_default(),
            scales_in: !tracked.is_true("DisableScaleIn"),
        };
        self.add_tracking_alarms(&alarms);
    }
}

/// The metric that a policy tracks, as an alarm spells it.
fn service_metric((cluster, service): &ServiceKey, tracked: &Tree) -> Tree {
    if let Some(metric) = customized_metric(tracked) {
        return metric;
    }
    let label = tracked.str("PredefinedMetricSpecification.ResourceLabel").unwrap_or_default();
    let kind = tracked.str("PredefinedMetricSpecification.PredefinedMetricType").unwrap_or_default();
    if let Some(label) = split_label(label) {
        return requests_metric(label);
    }
    let name = kind.trim_start_matches("ECSServiceAverage").trim_end_matches("HighResolution");
    let dimensions = [("ClusterName", cluster.as_str()), ("ServiceName", service.as_str())];
    single_metric("AWS/ECS", name, "Average", &dimensions)
}
