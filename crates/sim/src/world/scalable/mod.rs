//! Application Auto Scaling: what scales ECS services by itself.
//!
//! What it owns: scalable targets with their policies and scheduled actions. Settings are kept as the API spells them.
//!
//! What it must never do: start or stop a task. It sets desired counts; the services' scheduler does the rest.

mod actions;
mod expression;
mod policies;
mod restore;
mod schedules;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub use policies::ScalingPolicy;
pub use schedules::ScheduledScaling;

use super::ecs::{ServiceKey, ServiceStatus, member};
use super::{Refusal, World};

/// What is scaled: the only kind of target here.
pub(crate) const NAMESPACE: &str = "ecs";
/// What of it.
pub(crate) const DIMENSION: &str = "ecs:service:DesiredCount";

/// Everything of one account, by the ids of resources: `service/CLUSTER/SERVICE`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scalable {
    pub(crate) targets: BTreeMap<String, ScalableTarget>,
    /// By resource and name.
    pub(crate) policies: BTreeMap<(String, String), ScalingPolicy>,
    /// By resource and name.
    pub(crate) schedules: BTreeMap<(String, String), ScheduledScaling>,
    /// What was done, oldest first.
    pub(crate) activities: Vec<ScalingActivity>,
}

/// What Application Auto Scaling did to a service.
#[derive(Clone, Debug)]
pub(crate) struct ScalingActivity {
    pub(crate) id: String,
    pub(crate) resource: String,
    /// When, in milliseconds since 1970.
    pub(crate) at: u64,
    /// What, in AWS's words.
    pub(crate) description: String,
    /// Why, in AWS's words.
    pub(crate) cause: String,
}

/// A service that scales by itself.
#[derive(Clone, Debug)]
pub struct ScalableTarget {
    /// Its ARN.
    pub arn: String,
    /// Its least number of tasks.
    pub min: u32,
    /// Its greatest number of tasks.
    pub max: u32,
    /// Its role.
    pub role: String,
    /// What does not scale it at present, as the API spells it.
    pub suspended: Map<String, Value>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    pub(crate) created_at: u64,
}

impl ScalableTarget {
    /// Whether something is suspended: `DynamicScalingInSuspended`, `DynamicScalingOutSuspended`, `ScheduledScalingSuspended`.
    pub fn is_suspended(&self, what: &str) -> bool {
        *member(&self.suspended, what) == true
    }
}

pub(crate) fn validation(message: &str) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}

/// The service that a resource is.
pub(super) fn service_of(resource: &str) -> Option<ServiceKey> {
    let (cluster, name) = resource.strip_prefix("service/")?.split_once('/')?;
    Some((cluster.to_owned(), name.to_owned()))
}

/// The resource that a request names.
pub(crate) fn requested(request: &Value) -> Result<String, Refusal> {
    let namespace = request["ServiceNamespace"].as_str().unwrap_or_default();
    let dimension = request["ScalableDimension"].as_str().unwrap_or_default();
    if namespace != NAMESPACE || dimension != DIMENSION {
        let words =
            format!("Unsupported service namespace, resource type or scalable dimension: {namespace} {dimension}");
        return Err(validation(&words));
    }
    let resource = request["ResourceId"].as_str().unwrap_or_default();
    service_of(resource).map(|_| resource.to_owned()).ok_or_else(|| {
        validation(&format!("Unsupported service namespace, resource type or scalable dimension: {resource}"))
    })
}

impl World {
    /// A scalable target, by its resource: `service/CLUSTER/SERVICE`.
    pub fn scalable_target(&self, resource: &str) -> Option<&ScalableTarget> {
        self.scalable.targets.get(resource)
    }

    /// A scalable target that must be there.
    pub(crate) fn registered(&self, resource: &str) -> Result<&ScalableTarget, Refusal> {
        self.scalable.targets.get(resource).ok_or_else(|| {
            Refusal::new(
                400,
                "ObjectNotFoundException",
                &format!(
                    "No scalable target registered for service namespace: {NAMESPACE}, resource ID: {resource}, scalable \
                     dimension: {DIMENSION}"
                ),
            )
        })
    }

    /// Creates a scalable target, or changes one: what is not given stays. However little is given, the service's desired count
    /// moves between its bounds (P91). Answers its ARN.
    pub(crate) fn register_scalable(&mut self, request: &Value) -> Result<String, Refusal> {
        let resource = requested(request)?;
        let known = self.scalable.targets.get(&resource);
        let bound = |name: &str, before: Option<u32>| match &request[name] {
            Value::Null => before.ok_or_else(|| {
                validation("MinCapacity and MaxCapacity are required when a new scalable target is registered")
            }),
            given => given
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(|| validation(&format!("{name} must be a number that is not negative"))),
        };
        let min = bound("MinCapacity", known.map(|it| it.min))?;
        let max = bound("MaxCapacity", known.map(|it| it.max))?;
        if min > max {
            return Err(validation(&format!("Maximum capacity cannot be less than minimum capacity ({max} < {min})")));
        }
        let there = service_of(&resource)
            .and_then(|key| self.ecs.services.get(&key))
            .is_some_and(|service| service.status == ServiceStatus::Active);
        if !there {
            return Err(validation(&format!("ECS service doesn't exist: {resource}")));
        }
        let mut target = match known {
            Some(known) => known.clone(),
            None => {
                let id = self.hex(35);
                ScalableTarget {
                    arn: format!(
                        "arn:aws:application-autoscaling:{}:{}:scalable-target/0{id}",
                        self.region, self.account
                    ),
                    min,
                    max,
                    role: format!(
                        "arn:aws:iam::{}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/\
                         AWSServiceRoleForApplicationAutoScaling_ECSService",
                        self.account
                    ),
                    suspended: ["DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"]
                        .map(|name| (name.to_owned(), json!(false)))
                        .into_iter()
                        .collect(),
                    tags: request["Tags"]
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
                        .collect(),
                    created_at: self.now,
                }
            }
        };
        (target.min, target.max) = (min, max);
        if let Some(role) = request["RoleARN"].as_str() {
            role.clone_into(&mut target.role);
        }
        target.suspended.extend(request["SuspendedState"].as_object().cloned().unwrap_or_default());
        let arn = target.arn.clone();
        self.scalable.targets.insert(resource.clone(), target);
        self.clamp(&resource, "minimum or maximum capacity was changed");
        Ok(arn)
    }

    /// Takes away what scales a service, with its policies and scheduled actions. The alarms of step policies stay.
    pub(crate) fn deregister_scalable(&mut self, resource: &str) -> Result<(), Refusal> {
        self.registered(resource)?;
        self.scalable.targets.remove(resource);
        let of = |(it, name): &(String, String)| (it == resource).then(|| name.clone());
        for name in self.scalable.policies.keys().filter_map(of).collect::<Vec<_>>() {
            self.delete_scaling_policy(resource, &name)?;
        }
        self.scalable.schedules.retain(|(it, _), _| it != resource);
        Ok(())
    }

    /// Moves a service's desired count between the bounds of its target.
    fn clamp(&mut self, resource: &str, cause: &str) {
        let Some(target) = self.scalable.targets.get(resource) else { return };
        let (min, max) = (target.min, target.max);
        self.scale_service(resource, cause, |desired| desired.clamp(min, max));
    }

    /// Notes what is done to a service (Application Auto Scaling user guide, scaling activities).
    fn note_activity(&mut self, resource: &str, description: String, cause: &str) {
        let id = self.hex(32);
        let activity =
            ScalingActivity { id, resource: resource.to_owned(), at: self.now, description, cause: cause.to_owned() };
        self.scalable.activities.push(activity);
    }

    fn scale_service(&mut self, resource: &str, cause: &str, wanted: impl FnOnce(u32) -> u32) {
        let Some(key) = service_of(resource) else { return };
        let Some(service) = self.ecs.services.get_mut(&key).filter(|it| it.status == ServiceStatus::Active) else {
            return;
        };
        let desired = wanted(service.desired);
        if desired != service.desired {
            service.desired = desired;
            self.expect_tick(&key);
            self.note_activity(resource, format!("Setting desired count to {desired}."), cause);
        }
    }
}
