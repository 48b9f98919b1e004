//! What of a scaling that is written out contradicts itself, the count or the routing: every problem, with its field, value and fix.

use std::collections::BTreeSet;

use super::{
    AdjustmentType, Alarm, BALANCED, Decimal, Metric, OWN, PATH, Policy, ScheduledAction, Step, Tracked, Written,
};
use crate::capacity::Size;
use crate::document::{Capacity, Problem, Routing, TargetGroupArn};
use crate::infrastructure::{REVISION_MAX, fleet_name};

/// The longest name that an alarm may have (CloudWatch API reference, PutMetricAlarm).
const ALARM_NAME: usize = 255;

impl Written {
    /// What contradicts itself, the name of the series, the count or the routing, each with what to do.
    pub(in crate::kinds) fn contradictions(
        &self,
        series: &str,
        capacity: Capacity,
        routing: Option<&Routing>,
    ) -> Vec<Problem> {
        let before = fleet_name(series, REVISION_MAX).len() + "-".len();
        let mut found = Found { problems: Vec::new(), balanced: routing.is_none_or(Routing::balances), before };
        found.limits(PATH, (Some(self.min), Some(self.max)));
        if let Capacity::Fixed(size) = capacity {
            found.fixed(self, size);
        }
        let names = self
            .policies
            .iter()
            .enumerate()
            .map(|(i, policy)| (format!("{PATH}.policies[{i}].{}.name", policy.field()), policy.name()));
        found.once(names);
        let alarms = self.policies.iter().enumerate().flat_map(|(i, policy)| {
            let alarms = if let Policy::Step(step) = policy { step.alarms.as_slice() } else { &[] };
            let path = move |j: usize| format!("{PATH}.policies[{i}].step.alarms[{j}].name");
            alarms.iter().enumerate().map(move |(j, alarm)| (path(j), alarm.name.as_str()))
        });
        found.once(alarms);
        let actions = self.scheduled_actions.iter().enumerate();
        found.once(actions.clone().map(|(i, it)| (format!("{PATH}.scheduledActions[{i}].name"), it.name.as_str())));
        for (i, policy) in self.policies.iter().enumerate() {
            found.policy(&format!("{PATH}.policies[{i}].{}", policy.field()), policy);
        }
        for (i, action) in actions {
            found.action(&format!("{PATH}.scheduledActions[{i}]"), action);
        }
        found.problems
    }
}

/// What was found so far.
struct Found {
    problems: Vec<Problem>,
    /// Whether there is a load balancer, as far as the document says.
    balanced: bool,
    /// How much stands before the document's name of an alarm: that of its service.
    before: usize,
}

impl Found {
    fn report(&mut self, path: String, value: Option<String>, problem: &str, fix: &str) {
        self.problems.push(Problem { path, value, problem: problem.into(), fix: fix.into() });
    }

    fn once<'a>(&mut self, names: impl Iterator<Item = (String, &'a str)>) {
        let mut seen = BTreeSet::new();
        for (path, name) in names {
            if !seen.insert(name) {
                self.report(path, Some(name.into()), "it is called so twice", "Give each one a name of its own.");
            }
        }
    }

    fn limits(&mut self, path: &str, limits: (Option<u32>, Option<u32>)) {
        match limits {
            (Some(min), Some(max)) if min > max => {
                self.report(
                    path.into(),
                    Some(format!("min {min}, max {max}")),
                    "min is above max",
                    "Choose min ≤ max.",
                );
            }
            (None, None) => {
                self.report(path.into(), None, "it changes nothing", "Give `min`, `max` or both.");
            }
            _ => {}
        }
    }

    fn fixed(&mut self, written: &Written, size: Size) {
        let (min, max) = (written.min, written.max);
        let path = "compute.ecsService.capacity.fixed";
        if !(min..=max).contains(&size.desired) {
            let (value, fix) = (size.desired.to_string(), "Choose limits of the scaling around it.");
            let problem = format!("it is not between the limits of the scaling that is written out, {min} and {max}");
            self.report(format!("{path}.desired"), Some(value), &problem, fix);
        }
        // A size without limits of its own has 0 and what it has.
        let own = size.min > 0 || size.desired < size.max;
        if own && (size.min, size.max) != (min, max) {
            let value = format!("min {}, max {}", size.min, size.max);
            let problem = format!("the scaling that is written out has other limits, min {min} and max {max}");
            self.report(path.into(), Some(value), &problem, "Give the same limits in both places.");
        }
    }

    fn policy(&mut self, path: &str, policy: &Policy) {
        match policy {
            Policy::TargetTracking(tracking) => {
                self.positive(path, &tracking.target_value);
                self.target_group(path, policy, tracking.target_group.as_ref());
                if let Tracked::Customized(metric) = &tracking.metric {
                    let path = format!("{path}.metric.customized");
                    if metric.statistic.starts_with('p') {
                        let (value, fix) =
                            (metric.statistic.clone(), "Use Average, Minimum, Maximum, SampleCount or Sum.");
                        self.report(
                            format!("{path}.statistic"),
                            Some(value),
                            "only an alarm can have a percentile",
                            fix,
                        );
                    }
                    self.metric(&path, metric);
                }
            }
            Policy::Step(step) => self.step(path, step),
            Policy::Predictive(predictive) => {
                self.positive(path, &predictive.target_value);
                self.target_group(path, policy, predictive.target_group.as_ref());
            }
        }
    }

    fn positive(&mut self, path: &str, target: &Decimal) {
        if target.value().is_nan() || target.value() <= 0.0 {
            let value = Some(target.0.to_string());
            self.report(format!("{path}.targetValue"), value, "nothing can be kept there", "Use a number above 0.");
        }
    }

    fn target_group(&mut self, path: &str, policy: &Policy, named: Option<&TargetGroupArn>) {
        match (policy.counts(), named) {
            (None, Some(arn)) => {
                let fix = "Leave it out, or use the metric that counts requests.";
                self.report(format!("{path}.targetGroup"), Some(arn.0.clone()), "its metric counts no requests", fix);
            }
            (Some(_), _) if !self.balanced => {
                let problem = "it counts requests, and behind no load balancer there are none";
                self.report(path.into(), None, problem, "Use another metric, or a `routing` with target groups.");
            }
            _ => {}
        }
    }

    fn metric(&mut self, path: &str, metric: &Metric) {
        let mut names = BTreeSet::new();
        for (i, dimension) in metric.dimensions.iter().enumerate() {
            let (name, path) = (dimension.name.as_str(), format!("{path}.dimensions[{i}]"));
            if !names.insert(name) {
                self.report(format!("{path}.name"), Some(name.into()), "it stands there twice", "Keep one of the two.");
            }
            if !dimension.value.is_empty() {
                continue;
            }
            if !OWN.contains(&name) {
                let problem = format!("it is missing, and only {} follow from the service", OWN.join(", "));
                self.report(format!("{path}.value"), None, &problem, "Give the value.");
            } else if BALANCED.contains(&name) && !self.balanced {
                let problem = "it is missing, and behind no load balancer it follows from nothing";
                self.report(
                    format!("{path}.value"),
                    None,
                    problem,
                    "Give the value, or a `routing` with target groups.",
                );
            }
        }
    }

    fn step(&mut self, path: &str, step: &Step) {
        if step.min_adjustment_magnitude.is_some() && step.adjustment_type != AdjustmentType::PercentChangeInCapacity {
            let fix = "Leave it out, or adjust by PercentChangeInCapacity.";
            self.report(format!("{path}.minAdjustmentMagnitude"), None, "only percentages are rounded", fix);
        }
        let mut intervals = Vec::new();
        for (i, adjustment) in step.step_adjustments.iter().enumerate() {
            let path = format!("{path}.stepAdjustments[{i}]");
            let bound = |of: &Option<Decimal>, open: f64| of.as_ref().map_or(open, Decimal::value);
            let lower = bound(&adjustment.metric_interval_lower_bound, f64::NEG_INFINITY);
            let upper = bound(&adjustment.metric_interval_upper_bound, f64::INFINITY);
            if lower >= upper {
                let (value, fix) = (format!("{lower} to {upper}"), "Choose a lower bound below the upper one.");
                self.report(path.clone(), Some(value), "its lower bound is not below its upper one", fix);
            }
            if step.adjustment_type == AdjustmentType::ExactCapacity && adjustment.scaling_adjustment < 0 {
                let value = Some(adjustment.scaling_adjustment.to_string());
                let (path, fix) = (format!("{path}.scalingAdjustment"), "Use 0 or more, or ChangeInCapacity.");
                self.report(path, value, "it is a number of tasks, and cannot be below 0", fix);
            }
            intervals.push((lower, upper));
        }
        intervals.sort_by(|one, other| one.0.total_cmp(&other.0));
        let apart = intervals.windows(2).find_map(|pair| match pair {
            [(_, end), (start, _)] if (end - start).abs() > f64::EPSILON => Some((*end, *start)),
            _ => None,
        });
        if let Some((end, start)) = apart {
            let value = Some(format!("… to {end}, {start} to …"));
            let fix = "Let each step begin where the one before ends.";
            self.report(format!("{path}.stepAdjustments"), value, "they overlap or leave a gap", fix);
        }
        for (i, alarm) in step.alarms.iter().enumerate() {
            self.alarm(&format!("{path}.alarms[{i}]"), alarm);
        }
    }

    fn alarm(&mut self, path: &str, alarm: &Alarm) {
        let whole = self.before + alarm.name.len();
        if whole > ALARM_NAME {
            let problem =
                format!("with its service's before it, it may have {whole} characters, and {ALARM_NAME} are the most");
            let fix = "Give it, or the series, a shorter name.";
            self.report(format!("{path}.name"), Some(alarm.name.clone()), &problem, fix);
        }
        self.metric(&format!("{path}.metric"), &alarm.metric);
        if !matches!(alarm.period, 10 | 20 | 30) && !alarm.period.is_multiple_of(60) {
            let (value, fix) = (alarm.period.to_string(), "Use 10, 20, 30 or a multiple of 60.");
            self.report(format!("{path}.period"), Some(value), "CloudWatch has no such period", fix);
        }
        if alarm.datapoints_to_alarm.is_some_and(|count| count > alarm.evaluation_periods) {
            let value = alarm.datapoints_to_alarm.map(|count| count.to_string());
            let problem = format!("it looks over {} periods only", alarm.evaluation_periods);
            self.report(format!("{path}.datapointsToAlarm"), value, &problem, "Use at most as many.");
        }
        // CloudWatch looks back over a day at most (CloudWatch API reference, PutMetricAlarm).
        let seconds = u64::from(alarm.period) * u64::from(alarm.evaluation_periods);
        if seconds > 86_400 && alarm.period < 3600 || seconds > 604_800 {
            let most = if alarm.period < 3600 { "a day" } else { "a week" };
            let problem = format!("with this period it looks over {seconds} s, and {most} is the most");
            let value = Some(alarm.evaluation_periods.to_string());
            self.report(format!("{path}.evaluationPeriods"), value, &problem, "Use fewer, or a shorter period.");
        }
    }

    fn action(&mut self, path: &str, action: &ScheduledAction) {
        self.limits(path, (action.min, action.max));
        if !action.start_time.is_empty() && !action.end_time.is_empty() && action.start_time >= action.end_time {
            let value = format!("{} to {}", action.start_time, action.end_time);
            self.report(path.into(), Some(value), "it ends before it starts", "Choose startTime before endTime.");
        }
    }
}
