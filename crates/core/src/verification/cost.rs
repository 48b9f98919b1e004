//! What looking costs, for whoever decides on it: dollars of CloudWatch and events of the execution's history.

use super::{Query, Sides, queries};
use crate::document::Document;
use crate::pace::WATCH_MILLIS;
use crate::plan::{Action, Plan};
use crate::snapshot::Snapshot;

/// What CloudWatch takes for each metric that a call of GetMetricData asks for, in dollars. The free tier is not for these calls.
const DOLLARS_A_METRIC: f64 = 0.01 / 1000.0;
/// How long somebody who is asked usually takes, in seconds.
const ASKED_SECONDS: u64 = 600;

/// What the looking of a plan costs, in a sentence; nothing where nothing is looked at.
pub fn cost(document: &Document, plan: &Plan, snapshot: &Snapshot) -> Option<String> {
    let verification = &document.verification;
    let sides = Sides::of(snapshot);
    let asked = |checks: Option<&[String]>| queries(&verification.chosen(checks), &sides).len() as u64;
    let watched = asked(verification.watch.checks.as_deref());
    let (mut looks, mut metrics, mut events) = (0, 0, 0);
    for stage in &plan.stages {
        let (seconds, own) = match &stage.action {
            Action::Verify(verify) => (u64::from(verify.seconds), asked(verify.checks.as_deref())),
            Action::Pause(pause) => (u64::from(pause.seconds), 0),
            Action::Drain(drain) => (u64::from(drain.seconds), 0),
            Action::Approve(_) => (ASKED_SECONDS, 0),
            _ => continue,
        };
        let verifies = matches!(stage.action, Action::Verify(_));
        if !(stage.watched || verifies) {
            continue;
        }
        let now = (seconds * 1000).div_ceil(WATCH_MILLIS);
        looks += now;
        metrics += now * (own + if stage.watched { watched } else { 0 });
        // While somebody is asked, the execution rests.
        events += if matches!(stage.action, Action::Approve(_)) { 0 } else { 11 * now };
    }
    if looks == 0 || (verification.checks.is_empty()) {
        return None;
    }
    let dollars = metrics as f64 * DOLLARS_A_METRIC;
    let dollars = match metrics {
        0 => "no metrics of CloudWatch".to_owned(),
        _ => format!("{metrics} metrics of CloudWatch, ${dollars:.3}"),
    };
    Some(format!(
        "Verification takes some {looks} looks: {dollars}, and {events} of the 25,000 events of its execution's history"
    ))
}

/// The metrics that a document spells out, of the side that serves and of no side: what should have had values lately.
pub fn expected(document: &Document, snapshot: &Snapshot) -> Vec<(String, Query)> {
    let sides = Sides::of(snapshot);
    let Some(stable) = &sides.stable else { return Vec::new() };
    let mut expected = Vec::new();
    for (name, check) in &document.verification.checks {
        let Some(metric) = check.metric.as_ref().filter(|metric| !metric.spelt_out().is_empty()) else { continue };
        let wanted = stable.wanted(metric);
        // What is counted may never have happened.
        let always = if metric.is_ratio() { wanted.to } else { wanted.of };
        expected.extend(always.into_iter().map(|query| (name.clone(), query)));
    }
    expected
}
