//! What lets a group scale: policies with their alarms, and its schedule.

use serde_json::{Map, Value, json};

use super::Way;
use super::fields::{Fields, capital};

/// Target tracking, and steps with an alarm each.
pub(super) fn policies(way: &mut Way, mut scaling: Fields) {
    for (way_there, sign) in [("up", 1), ("down", -1)] {
        for (n, policy) in (1..).zip(scaling.list(way_there)) {
            let policy = Fields::new(&format!("scaling.{way_there}[{}]", n - 1), policy);
            stepwise(way, policy, &format!("Scale{}{n}", capital(way_there)), sign);
        }
    }
    for (n, policy) in (1..).zip(scaling.list("target")) {
        let policy = Fields::new(&format!("scaling.target[{}]", n - 1), policy);
        tracking(way, policy, &format!("Track{n}"));
    }
    way.lose_rest(scaling);
}

/// The metric that a policy goes by, as alarms spell it.
struct Metric {
    name: String,
    namespace: String,
    statistic: String,
    unit: Option<String>,
    dimensions: Vec<Value>,
}

impl Metric {
    /// Nothing when it is none of CloudWatch's.
    fn read(way: &mut Way, policy: &mut Fields, path: &str) -> Option<Self> {
        let source = policy.text("source").unwrap_or_else(|| "cloudWatch".into());
        let statistic = policy.text("statistic").unwrap_or_else(|| "average".into());
        let of_aws = source.eq_ignore_ascii_case("cloudwatch") && !statistic.starts_with("percentile");
        let (name, namespace) = (policy.text("metricName"), policy.text("namespace"));
        let (unit, dimensions) = (policy.text("unit"), policy.list("dimensions"));
        let (Some(name), Some(namespace), true) = (name, namespace, of_aws) else {
            way.lose(path, "goes by a metric that no alarm can look at as it stands: write the policy anew");
            return None;
        };
        let said = |it: &Value, field: &str| it[field].as_str().unwrap_or_default().to_owned();
        let of_instances = |it: &Value| said(it, "name").eq_ignore_ascii_case("instanceid");
        let group = json!({ "Name": "AutoScalingGroupName", "Value": { "Ref": "Base" } });
        // Spot fills its own instances in.
        let dimensions = match dimensions.as_slice() {
            [] if namespace == "AWS/EC2" => vec![group],
            some if some.iter().any(of_instances) => vec![group],
            some => some.iter().map(|it| json!({ "Name": said(it, "name"), "Value": said(it, "value") })).collect(),
        };
        let unit = unit.map(|unit| capital(&unit));
        Some(Self { name, namespace, statistic: capital(&statistic), unit, dimensions })
    }
}

fn policy(way: &mut Way, name: &str, kind: &str, more: Map<String, Value>) {
    let mut properties = Map::from_iter([
        ("AutoScalingGroupName".to_owned(), json!({ "Ref": "Base" })),
        ("PolicyType".to_owned(), json!(kind)),
    ]);
    properties.extend(more);
    way.resources
        .insert(name.to_owned(), json!({ "Type": "AWS::AutoScaling::ScalingPolicy", "Properties": properties }));
}

/// Whether a policy is switched off. Then there is nothing to carry.
fn off(way: &mut Way, policy: &mut Fields, path: &str) -> bool {
    let off = policy.truth("isEnabled") == Some(false);
    if off {
        way.lose(path, "is switched off, and left out");
    }
    off
}

fn tracking(way: &mut Way, mut policy_fields: Fields, name: &str) {
    let path = policy_fields.path().to_owned();
    if off(way, &mut policy_fields, &path) {
        return;
    }
    let label = policy_fields.text("policyName");
    let target = policy_fields.take("target");
    let cooldown = policy_fields.number("cooldown");
    if policy_fields.object("predictive").text("mode").is_some() {
        way.lose(format!("{path}.predictive"), "a predictive policy of AWS's is another policy: add one");
    }
    if let Some(label) = label {
        way.lose(format!("{path}.policyName"), format!("CloudFormation names policies itself: {label} becomes {name}"));
    }
    let Some(metric) = Metric::read(way, &mut policy_fields, &path) else { return };
    let mut tracking = json!({ "TargetValue": target });
    let of_group = metric.dimensions.iter().all(|it| it["Name"] == "AutoScalingGroupName");
    if (metric.name.as_str(), metric.namespace.as_str(), of_group) == ("CPUUtilization", "AWS/EC2", true) {
        tracking["PredefinedMetricSpecification"] = json!({ "PredefinedMetricType": "ASGAverageCPUUtilization" });
    } else {
        let mut custom = json!({
            "MetricName": metric.name, "Namespace": metric.namespace, "Statistic": metric.statistic, "Dimensions": metric.dimensions,
        });
        if let Some(unit) = metric.unit {
            custom["Unit"] = json!(unit);
        }
        tracking["CustomizedMetricSpecification"] = custom;
    }
    way.lose_rest(policy_fields);
    let mut more = Map::from_iter([("TargetTrackingConfiguration".to_owned(), tracking)]);
    if let Some(cooldown) = cooldown {
        more.insert("EstimatedInstanceWarmup".into(), json!(cooldown));
    }
    policy(way, name, "TargetTrackingScaling", more);
}

/// A policy that adds or takes away when an alarm says so.
fn stepwise(way: &mut Way, mut fields: Fields, name: &str, sign: i64) {
    let path = fields.path().to_owned();
    if off(way, &mut fields, &path) {
        return;
    }
    if let Some(label) = fields.text("policyName") {
        way.lose(format!("{path}.policyName"), format!("CloudFormation names policies itself: {label} becomes {name}"));
    }
    let (threshold, cooldown) = (fields.take("threshold"), fields.number("cooldown"));
    let (period, periods) = (fields.number("period").unwrap_or(60), fields.number("evaluationPeriods").unwrap_or(1));
    let operator = fields.text("operator").unwrap_or_else(|| if sign > 0 { "gte" } else { "lte" }.into());
    let (action, plain) = (fields.take("action"), fields.take("adjustment"));
    let steps = fields.list("stepAdjustments");
    let Some(metric) = Metric::read(way, &mut fields, &path) else { return };
    let comparison = match operator.as_str() {
        "gt" => "GreaterThanThreshold",
        "lt" => "LessThanThreshold",
        "lte" => "LessThanOrEqualToThreshold",
        _ => "GreaterThanOrEqualToThreshold",
    };
    let rises = comparison.starts_with("Greater");
    let lost = "does what no policy of AWS's does (it sets limits, or computes): write it anew";
    let mut more = Map::new();
    let (kind, threshold) = match steps.is_empty() {
        true => {
            let action = if action.is_null() { json!({ "adjustment": plain }) } else { action };
            let Some((adjustment, by)) = adjustment(&action, sign) else { return way.lose(path, lost) };
            more.insert("AdjustmentType".into(), json!(adjustment));
            more.insert("ScalingAdjustment".into(), json!(by));
            if let Some(cooldown) = cooldown {
                more.insert("Cooldown".into(), json!(cooldown.to_string()));
            }
            ("SimpleScaling", threshold)
        }
        false => {
            let Some((adjustment, from, steps)) = step_adjustments(&steps, sign, rises) else {
                return way.lose(path, lost);
            };
            more.insert("AdjustmentType".into(), json!(adjustment));
            more.insert("StepAdjustments".into(), json!(steps));
            if let Some(cooldown) = cooldown {
                more.insert("EstimatedInstanceWarmup".into(), json!(cooldown));
            }
            ("StepScaling", json!(from))
        }
    };
    way.lose_rest(fields);
    policy(way, name, kind, more);
    let mut alarm = json!({
        "Namespace": metric.namespace, "MetricName": metric.name, "Statistic": metric.statistic, "Dimensions": metric.dimensions,
        "Threshold": threshold, "ComparisonOperator": comparison, "Period": period, "EvaluationPeriods": periods,
        "AlarmActions": [{ "Ref": name }],
    });
    if let Some(unit) = metric.unit {
        alarm["Unit"] = json!(unit);
    }
    way.resources.insert(format!("{name}Alarm"), json!({ "Type": "AWS::CloudWatch::Alarm", "Properties": alarm }));
}

/// How AWS says what an action does, and by how much.
fn adjustment(action: &Value, sign: i64) -> Option<(&'static str, i64)> {
    let kind = match action["type"].as_str().unwrap_or("adjustment") {
        "adjustment" => "ChangeInCapacity",
        "percentageAdjustment" => "PercentChangeInCapacity",
        _ => return None,
    };
    let by = match &action["adjustment"] {
        Value::String(text) => text.parse().ok()?,
        Value::Null => 1,
        number => number.as_i64()?,
    };
    Some((kind, sign * by))
}

/// Steps between the thresholds, each counted from the first one, which the alarm goes by.
fn step_adjustments(steps: &[Value], sign: i64, rises: bool) -> Option<(&'static str, f64, Vec<Value>)> {
    let mut read: Vec<(f64, &'static str, i64)> = Vec::new();
    for step in steps {
        let (kind, by) = adjustment(&step["action"], sign)?;
        read.push((step["threshold"].as_f64()?, kind, by));
    }
    read.sort_by(|one, other| one.0.total_cmp(&other.0));
    if !rises {
        read.reverse();
    }
    let (from, kind, _) = *read.first()?;
    if read.iter().any(|(_, other, _)| *other != kind) {
        return None;
    }
    let (near, far) = if rises {
        ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
    } else {
        ("MetricIntervalUpperBound", "MetricIntervalLowerBound")
    };
    let steps = read.iter().enumerate().map(|(i, (at, _, by))| {
        let mut step = json!({ "ScalingAdjustment": by });
        step[near] = json!(at - from);
        if let Some((next, ..)) = read.get(i + 1) {
            step[far] = json!(next - from);
        }
        step
    });
    Some((kind, from, steps.collect()))
}

/// Tasks that set sizes at set times become scheduled actions, which stand there when somebody says so. Answers whether there are any.
pub(super) fn schedule(way: &mut Way, mut scheduling: Fields) -> bool {
    let mut some = false;
    for (n, task) in (1..).zip(scheduling.list("tasks")) {
        let mut task = Fields::new(&format!("scheduling.tasks[{}]", n - 1), task);
        let path = task.path().to_owned();
        if off(way, &mut task, &path) {
            continue;
        }
        let kind = task.text("taskType").unwrap_or_default();
        let (Some(cron), "scale") = (task.text("cronExpression"), kind.as_str()) else {
            way.lose(
                path,
                format!("the task {kind} at such times has no counterpart: only scale by cronExpression has"),
            );
            continue;
        };
        let mut properties = Map::from_iter([
            ("AutoScalingGroupName".to_owned(), json!({ "Ref": "Base" })),
            ("Recurrence".to_owned(), json!(cron)),
            ("TimeZone".to_owned(), json!("Etc/UTC")),
        ]);
        for (theirs, aws) in [
            ("scaleMinCapacity", "MinSize"),
            ("scaleTargetCapacity", "DesiredCapacity"),
            ("scaleMaxCapacity", "MaxSize"),
        ] {
            if let Some(number) = task.number(theirs) {
                properties.insert(aws.into(), json!(number));
            }
        }
        if let Some(start) = task.text("startTime") {
            properties.insert("StartTime".into(), json!(start));
        }
        way.lose_rest(task);
        way.resources.insert(
            format!("Schedule{n}"),
            json!({ "Type": "AWS::AutoScaling::ScheduledAction", "Condition": "HasSchedule", "Properties": properties }),
        );
        some = true;
    }
    if some {
        way.lose(
            "scheduling.tasks",
            "would wake the base: the template has them only with the parameter Schedule=yes. Suspend the base's process ScheduledActions before; fleets made from it run them all the same",
        );
    }
    way.lose_rest(scheduling);
    some
}
