//! Application Auto Scaling of a service, written out in the document: its limits, policies with their alarms, scheduled actions.
//!
//! What it owns: how that is said. What of it contradicts itself or the routing, [`contradictions`] says. Fields are called as AWS calls them, words that AWS
//! has are spelt as AWS spells them; what a policy looks at is called by nothing that a new service would be called differently by.
//!
//! What it must never do: say how it is carried out. Whoever carries the scaling of a service that runs carries this.

mod contradictions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::capacity::Size;
use crate::document::TargetGroupArn;
use crate::kinds::dns::{Records, uncounted};
use crate::kinds::elb::{is_network, short};
use crate::lane::Lane;
use crate::observed::Baggage;

/// Where it stands in the document.
const PATH: &str = "compute.ecsService.scaling.written";

/// The scaling of a service, written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WrittenScaling")]
pub struct Written {
    /// The least number of tasks that it scales to.
    #[schemars(range(min = 0, max = 100_000))]
    pub min: u32,
    /// The greatest number of tasks that it scales to.
    #[schemars(range(min = 1, max = 100_000))]
    pub max: u32,
    /// What scales it by metrics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub policies: Vec<Policy>,
    /// What gives it other limits at set times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub scheduled_actions: Vec<ScheduledAction>,
}

/// What scales a service by metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScalingPolicy")]
pub enum Policy {
    /// A metric is kept at a value.
    TargetTracking(TargetTracking),
    /// Alarms scale by how far a metric is beyond their threshold.
    Step(Step),
    /// What the metric was at the same time on other days is forecast. A new service's forecast begins anew.
    Predictive(Predictive),
}

/// A policy that keeps a metric at a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetTracking {
    /// What it is called.
    #[schemars(regex(pattern = NAME), extend("x-expected" = NAME_EXPECTED), example = &"requests")]
    pub name: String,
    /// The metric.
    pub metric: Tracked,
    /// The value at which it is kept, more than 0.
    pub target_value: Decimal,
    /// The target group whose requests are counted, of those that `routing` leads to; either one of two stands for both. Only with
    /// `ALBRequestCountPerTarget`, and only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group: Option<TargetGroupArn>,
    /// How long after it has scaled out it waits for the effect, in seconds. AWS's default: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub scale_out_cooldown: Option<u32>,
    /// The same after it has scaled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub scale_in_cooldown: Option<u32>,
    /// Whether it only scales out.
    #[serde(default)]
    pub disable_scale_in: bool,
}

/// The metric that a policy tracks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrackedMetric")]
pub enum Tracked {
    /// One that AWS has a name for.
    Predefined(Predefined),
    /// One of CloudWatch.
    Customized(Metric),
}

/// Metrics of services that AWS has names for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PredefinedMetric")]
pub enum Predefined {
    /// The average share of their CPUs that tasks use, in percent.
    ECSServiceAverageCPUUtilization,
    /// The average share of their memory that tasks use, in percent.
    ECSServiceAverageMemoryUtilization,
    /// The requests of a minute by target, in the target group that the new service serves in.
    ALBRequestCountPerTarget,
}

/// A metric of CloudWatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "CloudWatchMetric")]
pub struct Metric {
    /// Its namespace.
    #[schemars(regex(pattern = r"^[^:\s]([^:]{0,254}[^:\s])?$"), extend("x-expected" = "the namespace of a metric, up to 256 characters"), example = &"AWS/ECS")]
    pub namespace: String,
    /// Its name.
    #[schemars(regex(pattern = r"^.{1,255}$"), extend("x-expected" = "the name of a metric, up to 255 characters"), example = &"CPUUtilization")]
    pub metric_name: String,
    /// How its values are summed up; for an alarm also a percentile such as `p99`.
    #[schemars(
        regex(pattern = r"^(Average|Minimum|Maximum|SampleCount|Sum|p(100|[0-9]{1,2}(\.[0-9]{1,10})?))$"),
        extend("x-expected" = "Average, Minimum, Maximum, SampleCount or Sum; for an alarm also a percentile such as p99"),
        example = &"Average"
    )]
    pub statistic: String,
    /// Its dimensions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 30))]
    pub dimensions: Vec<Dimension>,
    /// Its unit, as CloudWatch spells it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(regex(pattern = r"^[A-Za-z/]{0,30}$"), extend("x-expected" = "a unit of CloudWatch, such as Percent"))]
    pub unit: String,
}

/// A dimension of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "MetricDimension")]
pub struct Dimension {
    /// Its name.
    #[schemars(regex(pattern = r"^[!-~]([ -~]{0,253}[!-~])?$"), extend("x-expected" = "the name of a dimension, up to 255 characters"), example = &"ServiceName")]
    pub name: String,
    /// Its value. Left out for `ServiceName`, `ClusterName`, `TargetGroup` and `LoadBalancer`, it is the new service's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// The dimensions whose values follow from the service.
const OWN: [&str; 4] = ["ServiceName", "ClusterName", "TargetGroup", "LoadBalancer"];
/// Those of them that only a service behind a load balancer has.
const BALANCED: [&str; 2] = ["TargetGroup", "LoadBalancer"];

/// A policy that scales by how far a metric is beyond a threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// What it is called.
    #[schemars(regex(pattern = NAME), extend("x-expected" = NAME_EXPECTED), example = &"busy")]
    pub name: String,
    /// What the adjustments are.
    pub adjustment_type: AdjustmentType,
    /// What happens how far beyond the threshold. They neither overlap nor leave a gap.
    #[schemars(length(min = 1, max = 20))]
    pub step_adjustments: Vec<StepAdjustment>,
    /// The least number of tasks by which a percentage changes the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub min_adjustment_magnitude: Option<u32>,
    /// How long after it has scaled it waits for the effect, in seconds. AWS's default: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub cooldown: Option<u32>,
    /// How the values of a minute are summed up. AWS's default: `Average`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_aggregation_type: Option<Aggregation>,
    /// The alarms that trigger it.
    #[schemars(length(min = 1, max = 5))]
    pub alarms: Vec<Alarm>,
}

/// What the adjustments of a step policy are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdjustmentType {
    /// So many tasks more or fewer.
    ChangeInCapacity,
    /// So many tasks.
    ExactCapacity,
    /// So many percent more or fewer.
    PercentChangeInCapacity,
}

/// How the values of a minute are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Aggregation {
    /// Their average.
    Average,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
}

/// A step of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepAdjustment {
    /// From so far beyond the threshold. Left out: however far below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_interval_lower_bound: Option<Decimal>,
    /// Up to so far beyond the threshold. Left out: however far above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_interval_upper_bound: Option<Decimal>,
    /// The adjustment.
    #[schemars(range(min = -100_000, max = 100_000))]
    pub scaling_adjustment: i32,
}

/// An alarm that triggers a step policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ScalingAlarm")]
pub struct Alarm {
    /// What it is called. The service's name stands before it: `cpu` of `shop__7` is the alarm `shop__7-cpu`.
    #[schemars(regex(pattern = NAME), extend("x-expected" = NAME_EXPECTED), example = &"cpu")]
    pub name: String,
    /// The metric.
    pub metric: Metric,
    /// How the metric is compared to the threshold.
    pub comparison_operator: Comparison,
    /// The threshold.
    pub threshold: Decimal,
    /// Over how many seconds values are summed up: 10, 20, 30, or whole minutes.
    #[serde(default = "minute")]
    #[schemars(range(min = 10, max = 86400))]
    pub period: u32,
    /// Over how many periods it looks.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1440))]
    pub evaluation_periods: u32,
    /// In how many of them the threshold must be crossed. Default: in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1440))]
    pub datapoints_to_alarm: Option<u32>,
    /// What a period without values counts as.
    #[serde(default)]
    pub treat_missing_data: MissingData,
}

/// How a metric is compared to a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Comparison {
    /// `>=`
    GreaterThanOrEqualToThreshold,
    /// `>`
    GreaterThanThreshold,
    /// `<`
    LessThanThreshold,
    /// `<=`
    LessThanOrEqualToThreshold,
}

/// What a period without values counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// As beyond the threshold.
    Breaching,
    /// As on this side of it.
    NotBreaching,
    /// As whatever it was before.
    Ignore,
    /// As nothing.
    #[default]
    Missing,
}

/// A policy that scales by a forecast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predictive {
    /// What it is called.
    #[schemars(regex(pattern = NAME), extend("x-expected" = NAME_EXPECTED), example = &"forecast")]
    pub name: String,
    /// The pair of metrics: what is forecast, and what one task stands for.
    pub metric_pair: MetricPair,
    /// The value that the second one is kept at, more than 0.
    pub target_value: Decimal,
    /// The target group whose requests are counted, as with `targetTracking`. Only with `ALBRequestCount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group: Option<TargetGroupArn>,
    /// Whether it scales by its forecast, or only makes one.
    #[serde(default)]
    pub mode: Mode,
    /// How long before the time of the forecast it scales, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3599))]
    pub scheduling_buffer_time: Option<u32>,
    /// How far above the forecast the greatest number of tasks may be raised, in percent of it. Left out: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_capacity_buffer: Option<u32>,
}

/// Pairs of metrics that AWS has names for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MetricPair {
    /// The CPUs' use, in all and on average.
    ECSServiceCPUUtilization,
    /// The memory's use, in all and on average.
    ECSServiceMemoryUtilization,
    /// The requests, in all and by target.
    ALBRequestCount,
}

/// What a predictive policy does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PredictiveMode")]
pub enum Mode {
    /// It makes a forecast.
    #[default]
    ForecastOnly,
    /// It scales by it.
    ForecastAndScale,
}

/// Other limits at set times, for good. At least one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduledAction {
    /// What it is called.
    #[schemars(regex(pattern = NAME), extend("x-expected" = NAME_EXPECTED), example = &"night")]
    pub name: String,
    /// When: `cron(MINUTES HOURS DAYS MONTHS WEEKDAYS YEARS)`, `rate(NUMBER UNIT)` or `at(YYYY-MM-DDThh:mm:ss)`.
    #[schemars(
        regex(pattern = r"^(cron\([^ ()]+( [^ ()]+){5}\)|rate\([1-9][0-9]* (minute|hour|day)s?\)|at\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\))$"),
        extend("x-expected" = "cron(MINUTES HOURS DAYS MONTHS WEEKDAYS YEARS), rate(NUMBER UNIT) or at(YYYY-MM-DDThh:mm:ss)"),
        example = &"cron(0 20 ? * MON-FRI *)"
    )]
    pub schedule: String,
    /// In which time zone. AWS's default: UTC.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9_+/-]{0,64}$"),
        extend("x-expected" = "the name of a time zone"),
        example = &"Europe/Berlin"
    )]
    pub timezone: String,
    /// The least number of tasks from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub min: Option<u32>,
    /// The greatest number of tasks from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max: Option<u32>,
    /// Not before this time, in UTC.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(regex(pattern = TIME), extend("x-expected" = TIME_EXPECTED), example = &"2026-12-01T00:00:00Z")]
    pub start_time: String,
    /// Not after this time, in UTC.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(regex(pattern = TIME), extend("x-expected" = TIME_EXPECTED), example = &"2027-01-01T00:00:00Z")]
    pub end_time: String,
}

const NAME: &str = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";
const NAME_EXPECTED: &str = "1 to 64 letters, digits, dots, underscores or hyphens, starting with a letter or digit";
const TIME: &str = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$";
const TIME_EXPECTED: &str = "a time in UTC, YYYY-MM-DDThh:mm:ssZ";

fn minute() -> u32 {
    60
}

fn one() -> u32 {
    1
}

/// A number that need not be whole, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decimal(pub serde_json::Number);

impl Decimal {
    /// Its value.
    pub fn value(&self) -> f64 {
        self.0.as_f64().unwrap_or(f64::NAN)
    }
}

impl JsonSchema for Decimal {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

impl Policy {
    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Self::TargetTracking(policy) => &policy.name,
            Self::Step(policy) => &policy.name,
            Self::Predictive(policy) => &policy.name,
        }
    }

    fn field(&self) -> &'static str {
        match self {
            Self::TargetTracking(_) => "targetTracking",
            Self::Step(_) => "step",
            Self::Predictive(_) => "predictive",
        }
    }

    /// The target group that it names, if it counts requests of one.
    fn counts(&self) -> Option<Option<&TargetGroupArn>> {
        match self {
            Self::TargetTracking(policy) => {
                let counts = policy.metric == Tracked::Predefined(Predefined::ALBRequestCountPerTarget);
                counts.then_some(policy.target_group.as_ref())
            }
            Self::Predictive(policy) => {
                (policy.metric_pair == MetricPair::ALBRequestCount).then_some(policy.target_group.as_ref())
            }
            Self::Step(_) => None,
        }
    }
}

impl Written {
    /// What a fleet that has it carries.
    pub fn baggage(&self) -> Baggage {
        Baggage {
            from: "the document".into(),
            policies: self.policies.iter().map(|policy| policy.name().to_owned()).collect(),
            schedules: self.scheduled_actions.iter().map(|action| action.name.clone()).collect(),
            limits: true,
            ..Baggage::default()
        }
    }

    /// A size between its limits.
    ///
    /// # Errors
    /// What is wrong with a size that is not.
    pub fn limited(&self, size: Size) -> Result<Size, String> {
        if !(self.min..=self.max).contains(&size.desired) {
            return Err(format!(
                "{PATH} = min {}, max {}: the new service is to have {} tasks. Choose limits around that, or give another \
                 compute.ecsService.capacity.",
                self.min, self.max, size.desired
            ));
        }
        Ok(Size { min: self.min, desired: size.desired, max: self.max })
    }

    /// What of it these lanes cannot have, each in a sentence or two.
    pub fn misfits(&self, lanes: &[Lane], records: &BTreeMap<String, Records>) -> Vec<String> {
        let named = |arn: &TargetGroupArn| lanes.iter().find(|lane| lane.sides().contains(&&arn.0));
        let several = || lanes.iter().map(|lane| short(lane.destination())).collect::<Vec<_>>().join(", ");
        let of = |(i, policy): (usize, &Policy)| {
            let target_group = policy.counts()?;
            let path = format!("{PATH}.policies[{i}].{}", policy.field());
            let lane = match (target_group, lanes) {
                (Some(arn), _) => match named(arn) {
                    Some(lane) => lane,
                    None => {
                        return Some(format!(
                            "{path}.targetGroup = {}: routing does not lead there. Name one of {}, or the one beside it.",
                            arn.0,
                            several()
                        ));
                    }
                },
                (None, [lane]) => lane,
                // That there is none, the document says already.
                (None, []) => return None,
                (None, _) => {
                    return Some(format!(
                        "{path}.targetGroup is missing: routing leads to {}, and nobody can tell whose requests are to be counted. Name \
                         one of them.",
                        several()
                    ));
                }
            };
            let behind = lane.switches().into_iter().any(is_network);
            let behind = behind.then_some("behind a Network Load Balancer, which counts no requests");
            let why = behind.or_else(|| uncounted(lane, records))?;
            Some(format!("{path}: {} is {why}. Use another metric.", short(lane.destination())))
        };
        self.policies.iter().enumerate().filter_map(of).collect()
    }
}
