//! What a schema cannot say: how the fields of a document have to fit together.

use super::{Capacity, Compute, Document, Problem, StageSpec, Strategy};
use crate::capacity::{Amount, Size};

/// Every contradiction in the parts of a document that can be read.
pub(super) fn check(compute: Option<&Compute>, strategy: Option<&Strategy>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let asked = compute.map(|Compute::AutoScalingGroup(group)| group.capacity);
    if let Some(Capacity::Fixed(size)) = asked {
        capacity(size, &mut problems);
    }
    if let Some(strategy) = strategy {
        stages(strategy, asked, &mut problems);
    }
    problems
}

/// Fills in the defaults that depend on other fields.
pub(super) fn fill_in(document: &mut Document) {
    let Compute::AutoScalingGroup(group) = &mut document.compute;
    if group.name.is_empty() {
        group.name = format!("{}__{}", document.service, document.environment);
    }
}

fn capacity(size: Size, problems: &mut Vec<Problem>) {
    let path = "compute.autoScalingGroup.capacity.fixed";
    if !(size.min..=size.max).contains(&size.desired) {
        problems.push(Problem {
            path: path.into(),
            value: Some(format!("min {}, desired {}, max {}", size.min, size.desired, size.max)),
            problem: "desired is not between min and max".into(),
            fix: "Choose min ≤ desired ≤ max.".into(),
        });
    }
    if size.desired == 0 {
        problems.push(Problem {
            path: format!("{path}.desired"),
            value: Some("0".into()),
            problem: "a fleet without instances cannot take traffic".into(),
            fix: "Ask for at least 1 instance.".into(),
        });
    }
}

/// The stages in order: capacity before traffic, traffic only upwards, all of it at the end, downsizing last.
fn stages(strategy: &Strategy, asked: Option<Capacity>, problems: &mut Vec<Problem>) {
    let desired = match asked {
        Some(Capacity::Fixed(size)) => Some(size.desired),
        Some(Capacity::SameAsRunning) | None => None,
    };
    let written_out = matches!(strategy, Strategy::Stages(_));
    let mut report = |i: usize, problem: String, fix: &str| {
        let path = if written_out { format!("strategy.stages[{i}]") } else { "strategy.blueGreenShift".into() };
        problems.push(Problem { path, value: None, problem, fix: fix.into() });
    };
    let (mut up_percent, mut traffic_percent, mut downsized) = (0, 0, false);
    let stages = strategy.stages();
    for (i, stage) in stages.iter().enumerate() {
        if downsized {
            report(i, "a stage stands after the old fleet was downsized".into(), "Make `downsize` the last stage.");
        }
        match stage {
            StageSpec::Upscale(amount) => {
                let percent = match (amount, desired) {
                    (Amount::Percent(percent), _) => *percent,
                    (amount, Some(desired)) if desired > 0 => amount.of(desired) * 100 / desired,
                    // Unknown until the running fleet is read; the capacity guard decides then.
                    _ => 100,
                };
                if percent < up_percent {
                    let problem = format!("it shrinks the candidate from {up_percent} % to {percent} %");
                    report(i, problem, "Let every `upscale` ask for at least as much as the one before.");
                }
                up_percent = percent;
            }
            StageSpec::Shift(shift) => {
                if shift.percent <= traffic_percent {
                    let problem = format!("it shifts to {} % after {traffic_percent} %", shift.percent);
                    report(i, problem, "Let every shift ask for more than the one before.");
                }
                if shift.percent > up_percent {
                    let problem =
                        format!("it shifts {} % of the traffic to {up_percent} % of the capacity", shift.percent);
                    report(i, problem, "Put an `upscale` of at least that much before it.");
                }
                traffic_percent = shift.percent;
            }
            StageSpec::Downsize(_) => {
                if traffic_percent < 100 {
                    let problem =
                        format!("the old fleet is downsized while it has {} % of the traffic", 100 - traffic_percent);
                    report(i, problem, "Put `shift: {percent: 100}` before it.");
                }
                downsized = true;
            }
            StageSpec::Approve(_) | StageSpec::Pause(_) => {}
        }
    }
    let last = stages.len().saturating_sub(1);
    if traffic_percent < 100 {
        let problem = format!("the candidate ends with {traffic_percent} % of the traffic");
        report(last, problem, "End with 100 %, otherwise no deployment could follow this one.");
    }
    if up_percent < 100 {
        let problem = format!("the candidate ends with {up_percent} % of the capacity that was asked for");
        report(last, problem, "Add `upscale: {percent: 100}`.");
    }
    if let Strategy::BlueGreenShift(shift) = strategy {
        for percent in shift.approve_after_percents.iter().filter(|p| !shift.percents.contains(p)) {
            let problem =
                format!("approveAfterPercents names {percent}, which is none of the percents {:?}", shift.percents);
            report(0, problem, "Name one of the percents.");
        }
    }
}
