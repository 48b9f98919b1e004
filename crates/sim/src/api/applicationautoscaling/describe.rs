//! Scalable targets, policies and scheduled actions, as they are shown.

use serde_json::{Map, Value, json};

use crate::api::json::{paged, strings, time};
use crate::world::scalable::{DIMENSION, NAMESPACE, validation};
use crate::world::{Refusal, World};

/// How many of each one answer holds.
const PAGE: usize = 50;

/// What every one of them says of its resource.
fn of(resource: &str, more: Value, settings: &Map<String, Value>) -> Value {
    let mut shown = settings.clone();
    shown.extend(more.as_object().cloned().unwrap_or_default());
    shown.insert("ServiceNamespace".into(), json!(NAMESPACE));
    shown.insert("ResourceId".into(), json!(resource));
    shown.insert("ScalableDimension".into(), json!(DIMENSION));
    Value::Object(shown)
}

fn check(request: &Value) -> Result<(), Refusal> {
    match request["ServiceNamespace"].as_str() {
        Some(NAMESPACE) => Ok(()),
        other => Err(validation(&format!("The service namespace {} is not valid", other.unwrap_or("null")))),
    }
}

/// Whether a request asks for something of this resource and name.
fn asked(request: &Value, names: &str, resource: &str, name: &str) -> bool {
    let names = strings(&request[names]);
    request["ResourceId"].as_str().is_none_or(|it| it == resource)
        && (names.is_empty() || names.iter().any(|it| it == name))
}

pub(super) fn targets(world: &World, request: &Value) -> Result<Value, Refusal> {
    check(request)?;
    let resources = strings(&request["ResourceIds"]);
    let targets = world.scalable.targets.iter().filter(|(it, _)| resources.is_empty() || resources.contains(it));
    let shown = |(resource, target): (&String, &crate::world::scalable::ScalableTarget)| {
        let more = json!({
            "ScalableTargetARN": target.arn,
            "MinCapacity": target.min,
            "MaxCapacity": target.max,
            "RoleARN": target.role,
            "CreationTime": time(target.created_at),
            "SuspendedState": target.suspended,
        });
        of(resource, more, &Map::new())
    };
    paged(request, "ScalableTargets", targets.map(shown).collect(), PAGE)
}

pub(super) fn alarms(world: &World, policy: &str) -> Vec<Value> {
    let with = world.alarms.values().filter(|alarm| alarm.has_action(policy));
    with.map(|alarm| json!({ "AlarmName": alarm.name, "AlarmARN": alarm.arn })).collect()
}

pub(super) fn policies(world: &World, request: &Value) -> Result<Value, Refusal> {
    check(request)?;
    let policies = world.scalable.policies.values();
    let policies = policies.filter(|it| asked(request, "PolicyNames", &it.resource, &it.name)).map(|policy| {
        let more = json!({
            "PolicyARN": policy.arn,
            "PolicyName": policy.name,
            "CreationTime": time(policy.created_at),
            "Alarms": alarms(world, &policy.arn),
        });
        of(&policy.resource, more, &policy.settings)
    });
    paged(request, "ScalingPolicies", policies.collect(), PAGE)
}

pub(super) fn schedules(world: &World, request: &Value) -> Result<Value, Refusal> {
    check(request)?;
    let schedules = world.scalable.schedules.iter();
    let schedules = schedules
        .filter(|((resource, name), _)| asked(request, "ScheduledActionNames", resource, name))
        .map(|((resource, name), action)| {
            let more = json!({
                "ScheduledActionARN": action.arn,
                "ScheduledActionName": name,
                "CreationTime": time(action.created_at),
            });
            of(resource, more, &action.settings)
        });
    paged(request, "ScheduledActions", schedules.collect(), PAGE)
}

/// What was done, newest first.
pub(super) fn activities(world: &World, request: &Value) -> Result<Value, Refusal> {
    check(request)?;
    let of_resource = |it: &&crate::world::scalable::ScalingActivity| {
        request["ResourceId"].as_str().is_none_or(|resource| resource == it.resource)
    };
    let shown = world.scalable.activities.iter().rev().filter(of_resource).map(|it| {
        let more = json!({
            "ActivityId": it.id,
            "Description": it.description,
            "Cause": it.cause,
            "StartTime": time(it.at),
            "EndTime": time(it.at),
            "StatusCode": "Successful",
            "StatusMessage": "Successfully set capacity.",
        });
        of(&it.resource, more, &Map::new())
    });
    paged(request, "ScalingActivities", shown.collect(), PAGE)
}
