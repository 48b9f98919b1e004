//! Application Auto Scaling's API (AWS JSON 1.1).
//!
//! What it owns: reading requests and writing answers. What is scaled, and when, the world knows.

mod describe;
mod tags;

use serde_json::{Value, json};

use super::json::answer;
use crate::world::scalable::requested;
use crate::world::{Reach, Refusal, World};
use crate::{Request, Response};

/// Answers one request.
pub fn handle(world: &mut World, request: &Request) -> Response {
    let outcome = dispatch(world, &request.operation, &request.json);
    world.settle_after(request, Reach::All);
    answer(request, outcome)
}

fn dispatch(world: &mut World, operation: &str, request: &Value) -> Result<Value, Refusal> {
    match operation {
        "RegisterScalableTarget" => Ok(json!({ "ScalableTargetARN": world.register_scalable(request)? })),
        "DeregisterScalableTarget" => {
            let resource = requested(request)?;
            world.deregister_scalable(&resource).map(|()| json!({}))
        }
        "DescribeScalableTargets" => describe::targets(world, request),
        "PutScalingPolicy" => {
            let arn = world.put_scaling_policy(request)?;
            Ok(json!({ "PolicyARN": arn, "Alarms": describe::alarms(world, &arn) }))
        }
        "DeleteScalingPolicy" => {
            let (resource, name) = (requested(request)?, request["PolicyName"].as_str().unwrap_or_default());
            world.delete_scaling_policy(&resource, name).map(|()| json!({}))
        }
        "DescribeScalingPolicies" => describe::policies(world, request),
        "PutScheduledAction" => world.put_scheduled_scaling(request).map(|()| json!({})),
        "DeleteScheduledAction" => world.delete_scheduled_scaling(request).map(|()| json!({})),
        "DescribeScheduledActions" => describe::schedules(world, request),
        "DescribeScalingActivities" => describe::activities(world, request),
        "TagResource" => tags::tag(world, request),
        "UntagResource" => tags::untag(world, request),
        "ListTagsForResource" => tags::list(world, request),
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    }
}
