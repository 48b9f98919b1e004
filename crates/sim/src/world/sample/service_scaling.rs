//! What scales the sample's services by itself, when they are equipped, and what wakes those that sleep.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::services::CLUSTER;
use crate::world::scalable::{DIMENSION, NAMESPACE};
use crate::world::{Refusal, Tree, World};

/// A request about what scales a service.
fn about(service: &str, more: Value) -> Value {
    let mut request = json!({
        "ServiceNamespace": NAMESPACE,
        "ResourceId": format!("service/{CLUSTER}/{service}"),
        "ScalableDimension": DIMENSION,
    });
    if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
        request.extend(more);
    }
    request
}

/// Gives a service a scalable target, policies with an alarm, and scheduled actions. With the sample's ordinary traffic none of
/// the policies asks for another size. Of the base all of it is
/// suspended: it is a template, and must stay empty (P91).
pub(super) fn scale_by_itself(world: &mut World, service: &str, target_group: &str) -> Result<(), Refusal> {
    let template = service == "shop-base";
    let bounds = json!({
        "MinCapacity": 2,
        "MaxCapacity": 8,
        "SuspendedState": {
            "DynamicScalingInSuspended": template,
            "DynamicScalingOutSuspended": template,
            "ScheduledScalingSuspended": template,
        },
        "Tags": { "team": "storefront" },
    });
    world.register_scalable(&about(service, bounds))?;
    if template {
        world.resize_service(CLUSTER, service, 0)?;
    }
    let cpu = json!({
        "PolicyName": "cpu",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 60.0,
            "PredefinedMetricSpecification": { "PredefinedMetricType": "ECSServiceAverageCPUUtilization" },
            "ScaleOutCooldown": 90,
            "ScaleInCooldown": 240,
            "DisableScaleIn": true,
        },
    });
    world.put_scaling_policy(&about(service, cpu))?;
    if let Some(label) = world.requests_label(target_group) {
        let requests = json!({
            "PolicyName": "requests",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 1500.0,
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ALBRequestCountPerTarget",
                    "ResourceLabel": label,
                },
                "DisableScaleIn": true,
            },
        });
        world.put_scaling_policy(&about(service, requests))?;
    }
    let load = json!({
        "PolicyName": "load",
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "PercentChangeInCapacity",
            "MinAdjustmentMagnitude": 2,
            "Cooldown": 120,
            "MetricAggregationType": "Maximum",
            "StepAdjustments": [
                { "MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 12.5, "ScalingAdjustment": 25 },
                { "MetricIntervalLowerBound": 12.5, "ScalingAdjustment": 50 },
            ],
        },
    });
    let policy = world.put_scaling_policy(&about(service, load))?;
    let high = json!({
        "AlarmDescription": "The shop's tasks are <very> busy",
        "ActionsEnabled": true,
        "AlarmActions": [policy],
        "Namespace": "AWS/ECS",
        "MetricName": "CPUUtilization",
        "Dimensions": [
            { "Name": "ClusterName", "Value": CLUSTER },
            { "Name": "ServiceName", "Value": service },
        ],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 80.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    });
    let tags = BTreeMap::from([("team".to_owned(), "storefront".to_owned())]);
    world.put_alarm(&format!("{service}-cpu-high"), Tree::from_json(&high), tags)?;
    for (name, schedule, bounds) in [
        ("night", "cron(0 22 ? * * *)", json!({ "MinCapacity": 1, "MaxCapacity": 4 })),
        ("morning", "cron(0 7 ? * MON-FRI *)", json!({ "MinCapacity": 4, "MaxCapacity": 8 })),
    ] {
        let action = json!({
            "ScheduledActionName": name,
            "Schedule": schedule,
            "Timezone": "Europe/Berlin",
            "ScalableTargetAction": bounds,
        });
        world.put_scheduled_scaling(&about(service, action))?;
    }
    Ok(())
}

/// Gives a service without tasks some from so many minutes on, for eleven hours of each day.
pub(super) fn sleep_and_wake(world: &mut World, service: &str, count: u32, minutes: u64) -> Result<(), Refusal> {
    world.register_scalable(&about(service, json!({ "MinCapacity": 0, "MaxCapacity": count * 2 })))?;
    let daily = |minutes: u64| format!("cron({} {} * * ? *)", minutes % 60, minutes / 60 % 24);
    let opening = world.now / 60_000 + minutes;
    for (name, at, bounds) in [
        ("opening", opening, json!({ "MinCapacity": count, "MaxCapacity": count * 2 })),
        ("closing", opening + 11 * 60, json!({ "MinCapacity": 0, "MaxCapacity": 0 })),
    ] {
        let action = json!({ "ScheduledActionName": name, "Schedule": daily(at), "ScalableTargetAction": bounds });
        world.put_scheduled_scaling(&about(service, action))?;
    }
    Ok(())
}
