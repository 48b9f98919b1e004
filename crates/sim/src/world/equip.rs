//! Everything that scales a group by itself, for the sample account and for tests.
//!
//! What it owns: one policy of every type with the alarms that go with it, and scheduled actions of every kind, with
//! settings unlike their defaults, so that a clone that forgets one is found out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Refusal, Tree, World};

impl World {
    /// Gives a group five policies, three alarms and four scheduled actions. It must be attached to the target group.
    ///
    /// With the sample's ordinary traffic none of them asks for more instances than there are.
    pub fn add_scaling(&mut self, group: &str, target_group_arn: &str) -> Result<(), Refusal> {
        self.track_targets(group, target_group_arn)?;
        self.step_by_alarms(group)?;
        self.follow_the_queue(group)?;
        self.foresee(group)?;
        self.keep_hours(group)?;
        self.settle();
        Ok(())
    }

    fn add_policy(&mut self, group: &str, name: &str, settings: &Value) -> Result<String, Refusal> {
        self.put_policy(group, name, Tree::from_json(settings))
    }

    fn track_targets(&mut self, group: &str, target_group_arn: &str) -> Result<(), Refusal> {
        let cpu = json!({
            "PolicyType": "TargetTrackingScaling",
            "EstimatedInstanceWarmup": 90,
            "TargetTrackingConfiguration": {
                "PredefinedMetricSpecification": { "PredefinedMetricType": "ASGAverageCPUUtilization" },
                "TargetValue": 60.0,
                "DisableScaleIn": false,
            },
        });
        self.add_policy(group, "cpu", &cpu)?;
        let requests = json!({
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingConfiguration": {
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ALBRequestCountPerTarget",
                    "ResourceLabel": self.resource_label(target_group_arn),
                },
                "TargetValue": 1500.0,
                "DisableScaleIn": true,
            },
        });
        self.add_policy(group, "requests", &requests).map(drop)
    }

    /// The label of the metric that counts a target group's requests; none behind a network load balancer, which counts none.
    pub(super) fn requests_label(&self, target_group_arn: &str) -> Option<String> {
        Some(self.resource_label(target_group_arn)).filter(|label| label.starts_with("app/"))
    }

    /// `app/NAME/ID/targetgroup/NAME/ID`, with the load balancer that the target group is behind.
    fn resource_label(&self, target_group_arn: &str) -> String {
        let behind = self.balancers_of(target_group_arn).first().cloned().unwrap_or_default();
        let end = |arn: &str, kind: &str| arn.split_once(kind).map(|(_, end)| end.to_owned()).unwrap_or_default();
        let (balancer, target_group) = (end(&behind, ":loadbalancer/"), end(target_group_arn, ":targetgroup/"));
        format!("{balancer}/targetgroup/{target_group}")
    }

    fn step_by_alarms(&mut self, group: &str) -> Result<(), Refusal> {
        let load = json!({
            "PolicyType": "StepScaling",
            "AdjustmentType": "PercentChangeInCapacity",
            "MinAdjustmentMagnitude": 2,
            "MetricAggregationType": "Maximum",
            "EstimatedInstanceWarmup": 75,
            "StepAdjustments": [
                { "MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -10 },
                { "MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 12.5, "ScalingAdjustment": 25 },
                { "MetricIntervalLowerBound": 12.5, "ScalingAdjustment": 50 },
            ],
        });
        let policy = self.add_policy(group, "load", &load)?;
        let topic = format!("arn:aws:sns:{}:{}:shop-alarms", self.region, self.account);
        let high = json!({
            "AlarmDescription": "The shop's instances are <very> busy",
            "ActionsEnabled": true,
            "OKActions": [topic],
            "AlarmActions": [policy, topic],
            "InsufficientDataActions": [topic],
            "Namespace": "AWS/EC2",
            "MetricName": "CPUUtilization",
            "Dimensions": [{ "Name": "AutoScalingGroupName", "Value": group }],
            "ExtendedStatistic": "p90",
            "Period": 60,
            "Unit": "Percent",
            "EvaluationPeriods": 3,
            "DatapointsToAlarm": 2,
            "Threshold": 80.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "ignore",
        });
        let tags =
            [("team", "storefront"), ("severity", "page")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.put_alarm(&format!("{group}-cpu-high"), Tree::from_json(&high), tags.into())?;
        let low = json!({
            "AlarmActions": [policy],
            "Namespace": "AWS/EC2",
            "MetricName": "CPUUtilization",
            "Dimensions": [{ "Name": "AutoScalingGroupName", "Value": group }],
            "Statistic": "Average",
            "Period": 300,
            "EvaluationPeriods": 2,
            "Threshold": 2.5,
            "ComparisonOperator": "LessThanThreshold",
        });
        self.put_alarm(&format!("{group}-cpu-low"), Tree::from_json(&low), BTreeMap::new())
    }

    /// A simple policy, with an alarm on metric math.
    fn follow_the_queue(&mut self, group: &str) -> Result<(), Refusal> {
        let queue = json!({ "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1, "Cooldown": 180 });
        let policy = self.add_policy(group, "queue", &queue)?;
        let alarm = json!({
            "AlarmActions": [policy],
            "Metrics": [
                { "Id": "each", "Expression": "waiting / 2", "Label": "waiting for each", "ReturnData": true },
                { "Id": "waiting", "ReturnData": false, "MetricStat": {
                    "Metric": {
                        "Namespace": "Shop",
                        "MetricName": "QueueDepth",
                        "Dimensions": [{ "Name": "AutoScalingGroupName", "Value": group }],
                    },
                    "Period": 60,
                    "Stat": "Sum",
                } },
            ],
            "EvaluationPeriods": 2,
            "Threshold": 100,
            "ComparisonOperator": "GreaterThanThreshold",
        });
        self.put_alarm(&format!("{group}-queue"), Tree::from_json(&alarm), BTreeMap::new())
    }

    fn foresee(&mut self, group: &str) -> Result<(), Refusal> {
        let forecast = json!({
            "PolicyType": "PredictiveScaling",
            "PredictiveScalingConfiguration": {
                "MetricSpecifications": [{
                    "TargetValue": 60.0,
                    "PredefinedMetricPairSpecification": { "PredefinedMetricType": "ASGCPUUtilization" },
                }],
                "Mode": "ForecastOnly",
                "SchedulingBufferTime": 300,
                "MaxCapacityBreachBehavior": "HonorMaxCapacity",
            },
        });
        self.add_policy(group, "forecast", &forecast).map(drop)
    }

    fn keep_hours(&mut self, group: &str) -> Result<(), Refusal> {
        let actions = [
            (
                "night",
                json!({ "Recurrence": "0 22 * * *", "TimeZone": "Europe/Berlin",
                        "MinSize": 1, "MaxSize": 4, "DesiredCapacity": 1 }),
            ),
            (
                "morning",
                json!({ "Recurrence": "0 7 * * MON-FRI", "TimeZone": "Europe/Berlin",
                        "MinSize": 4, "MaxSize": 8, "DesiredCapacity": 4 }),
            ),
            ("friday-peak", json!({ "Recurrence": "30 16 * * 5", "MinSize": 6, "MaxSize": 8 })),
            (
                // Made years ago, when its start time was still to come (P21).
                "quarter",
                json!({ "StartTime": "2024-04-01T03:15:00Z", "Recurrence": "15 3 1 */3 *", "DesiredCapacity": 4 }),
            ),
        ];
        for (name, settings) in actions {
            self.add_scheduled_action(group, name, Tree::from_json(&settings))?;
        }
        Ok(())
    }
}
