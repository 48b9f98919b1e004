//! Scaling that the document says, as the APIs would show it of a service that has it: from there on it is carried like any other.
//!
//! What is open in it, since it is called differently for each service, stays open: names are filled in where those of a service that
//! runs are replaced.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, StandardUnit, Statistic};
use aws_smithy_types::date_time::{DateTime, Format};
use crossfade_core::kinds::ecs::written::{
    self, Alarm, Metric, Policy, Predictive, ScheduledAction, Step, StepAdjustment, TargetTracking, Tracked, Written,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::services::DIMENSION;
use crate::fleets::scaling::OPEN;

/// What stands in the place of a policy's ARN: the policy that is made has one.
fn arn(name: &str) -> String {
    format!("document:scalingPolicy:{name}")
}

/// The scalable target.
pub(super) fn target(written: &Written) -> Value {
    json!({ "MinCapacity": written.min, "MaxCapacity": written.max })
}

/// The policies.
pub(super) fn policies(written: &Written, cluster: &str) -> Vec<Value> {
    let shown = |policy: &Policy| {
        let (kind, field, configuration) = match policy {
            Policy::TargetTracking(it) => {
                ("TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration", tracking(it, cluster))
            }
            Policy::Step(it) => ("StepScaling", "StepScalingPolicyConfiguration", step(it)),
            Policy::Predictive(it) => ("PredictiveScaling", "PredictiveScalingPolicyConfiguration", predictive(it)),
        };
        let mut shown = about();
        shown["PolicyName"] = json!(policy.name());
        shown["PolicyARN"] = json!(arn(policy.name()));
        shown["PolicyType"] = json!(kind);
        shown[field] = present(configuration);
        shown
    };
    written.policies.iter().map(shown).collect()
}

/// The alarms of those step policies that were made.
pub(super) fn alarms(written: &Written, cluster: &str, made: &BTreeMap<String, String>) -> Vec<MetricAlarm> {
    let steps = written.policies.iter().filter_map(|policy| match policy {
        Policy::Step(step) => Some(step),
        Policy::TargetTracking(_) | Policy::Predictive(_) => None,
    });
    let there = steps.filter(|step| made.contains_key(&arn(&step.name)));
    there.flat_map(|step| step.alarms.iter().map(|it| alarm(it, &step.name, cluster))).collect()
}

/// The scheduled actions.
pub(super) fn schedules(written: &Written) -> Vec<Value> {
    let seconds = |text: &str| DateTime::from_str(text, Format::DateTime).ok().map(|at| at.secs());
    let shown = |action: &ScheduledAction| {
        let mut shown = about();
        shown["ScheduledActionName"] = json!(action.name);
        shown["Schedule"] = json!(action.schedule);
        shown["Timezone"] = filled(&action.timezone);
        shown["StartTime"] = json!(seconds(&action.start_time));
        shown["EndTime"] = json!(seconds(&action.end_time));
        shown["ScalableTargetAction"] = present(json!({ "MinCapacity": action.min, "MaxCapacity": action.max }));
        shown
    };
    written.scheduled_actions.iter().map(shown).collect()
}

fn about() -> Value {
    json!({ "ServiceNamespace": "ecs", "ScalableDimension": DIMENSION })
}

fn tracking(tracking: &TargetTracking, cluster: &str) -> Value {
    let mut shown = json!({
        "TargetValue": tracking.target_value.0,
        "ScaleOutCooldown": tracking.scale_out_cooldown,
        "ScaleInCooldown": tracking.scale_in_cooldown,
        "DisableScaleIn": tracking.disable_scale_in,
    });
    match &tracking.metric {
        Tracked::Predefined(predefined) => {
            let label =
                label(json!(predefined) == "ALBRequestCountPerTarget", tracking.target_group.as_ref().map(|it| &it.0));
            shown["PredefinedMetricSpecification"] =
                present(json!({ "PredefinedMetricType": predefined, "ResourceLabel": label }));
        }
        Tracked::Customized(metric) => {
            let dimensions = metric.dimensions.iter().map(|it| json!({ "Name": it.name, "Value": value(it, cluster) }));
            shown["CustomizedMetricSpecification"] = present(json!({
                "Namespace": metric.namespace,
                "MetricName": metric.metric_name,
                "Statistic": metric.statistic,
                "Unit": filled(&metric.unit),
                "Dimensions": dimensions.collect::<Vec<Value>>(),
            }));
        }
    }
    shown
}

/// The label of a metric that counts requests: the target group that is named, or else the place is left open.
fn label(counts: bool, target_group: Option<&String>) -> Option<String> {
    let last = |arn: &String| arn.rsplit(':').next().map(str::to_owned);
    counts.then(|| target_group.and_then(last).unwrap_or_else(|| OPEN.to_owned()))
}

fn step(step: &Step) -> Value {
    let adjustment = |it: &StepAdjustment| {
        present(json!({
            "MetricIntervalLowerBound": it.metric_interval_lower_bound,
            "MetricIntervalUpperBound": it.metric_interval_upper_bound,
            "ScalingAdjustment": it.scaling_adjustment,
        }))
    };
    json!({
        "AdjustmentType": step.adjustment_type,
        "StepAdjustments": step.step_adjustments.iter().map(adjustment).collect::<Vec<Value>>(),
        "MinAdjustmentMagnitude": step.min_adjustment_magnitude,
        "Cooldown": step.cooldown,
        "MetricAggregationType": step.metric_aggregation_type,
    })
}

fn predictive(policy: &Predictive) -> Value {
    let label = label(json!(policy.metric_pair) == "ALBRequestCount", policy.target_group.as_ref().map(|it| &it.0));
    json!({
        "MetricSpecifications": [{
            "TargetValue": policy.target_value.0,
            "PredefinedMetricPairSpecification":
                present(json!({ "PredefinedMetricType": policy.metric_pair, "ResourceLabel": label })),
        }],
        "Mode": policy.mode,
        "SchedulingBufferTime": policy.scheduling_buffer_time,
        "MaxCapacityBreachBehavior": policy.max_capacity_buffer.map(|_| "IncreaseMaxCapacity"),
        "MaxCapacityBuffer": policy.max_capacity_buffer,
    })
}

fn alarm(alarm: &Alarm, policy: &str, cluster: &str) -> MetricAlarm {
    let Metric { namespace, metric_name, statistic, dimensions, unit } = &alarm.metric;
    let percentile = statistic.starts_with('p');
    let dimension = |it: &written::Dimension| Dimension::builder().name(&it.name).value(value(it, cluster)).build();
    let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    MetricAlarm::builder()
        .alarm_name(&alarm.name)
        .actions_enabled(true)
        .alarm_actions(arn(policy))
        .namespace(namespace)
        .metric_name(metric_name)
        .set_statistic((!percentile).then(|| Statistic::from(statistic.as_str())))
        .set_extended_statistic(percentile.then(|| statistic.clone()))
        .set_dimensions(Some(dimensions.iter().map(dimension).collect()))
        .set_unit((!unit.is_empty()).then(|| StandardUnit::from(unit.as_str())))
        .period(count(alarm.period))
        .evaluation_periods(count(alarm.evaluation_periods))
        .set_datapoints_to_alarm(alarm.datapoints_to_alarm.map(count))
        .threshold(alarm.threshold.value())
        .comparison_operator(ComparisonOperator::from(word(&alarm.comparison_operator).as_str()))
        .treat_missing_data(word(&alarm.treat_missing_data))
        .build()
}

/// A word as the document, and AWS, spell it.
fn word(value: &impl Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

/// The value of a dimension. The cluster is known here.
fn value(dimension: &written::Dimension, cluster: &str) -> String {
    match (dimension.name.as_str(), dimension.value.as_str()) {
        ("ClusterName", "") => cluster.to_owned(),
        ("TargetGroup", "") => OPEN.to_owned(),
        (_, value) => value.to_owned(),
    }
}

/// A text, or nothing.
fn filled(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

/// What there is of an object.
fn present(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(_, it)| !it.is_null()).collect::<Map<_, _>>().into(),
        value => value,
    }
}
