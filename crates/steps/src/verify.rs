//! Verification: the stage that looks at checks for a while, and what the checks say that are watched all along.

use std::collections::BTreeMap;

use crossfade_core::document::{self, Check, Document, OnInconclusive, Verification};
use crossfade_core::pace::WATCH_MILLIS;
use crossfade_core::plan::{Plan, Verify};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::rollback::Touched;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::verification::{
    Alarm, COMPARED, Found, Look, Moment, Query, Sides, Span, Times, Verdict, expected, judge, obstacles, queries,
};
use crossfade_core::{Failure, Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::records::Meta;
use crate::run::Run;

/// What a deployment is judged by: its records, and the stage that it is at.
pub(crate) struct Case<'a> {
    pub(crate) meta: &'a Meta,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) plan: &'a Plan,
    pub(crate) touched: &'a Touched,
    pub(crate) index: usize,
    /// When its stage began, in milliseconds since 1970, if only what is since then counts.
    pub(crate) since_millis: u64,
    /// How many of the last periods count, if not all.
    pub(crate) recent: Option<u64>,
    /// Whether it is the last look.
    pub(crate) last: bool,
}

/// How many of the last periods are watched: as many as it takes to compare, or as a check's limits look at.
fn recent(checks: &BTreeMap<&str, &Check>) -> Option<u64> {
    let of = checks.values().map(|check| u64::from(check.breaches.of));
    of.chain([COMPARED as u64]).max()
}

/// The alarms that these checks look at.
async fn alarms(checks: &BTreeMap<&str, &Check>, context: &Context) -> Result<Vec<Alarm>> {
    let names: Vec<String> = checks.values().filter_map(|check| check.alarm.clone()).collect();
    if names.is_empty() { Ok(Vec::new()) } else { context.signals.alarms(&names).await }
}

/// What these checks say now.
async fn look(checks: &BTreeMap<&str, &Check>, case: Case<'_>, context: &Context) -> Result<Verdict> {
    let verification = &case.meta.document.verification;
    let alarms = alarms(checks, context).await?;
    let started_millis = case.meta.started_millis;
    let sides = Sides::of(case.snapshot);
    let queries = queries(checks, &sides);
    // Where weights move the traffic, there is nothing to see before.
    let moved_millis = if sides.together { case.touched.begun_millis } else { case.touched.shifted_millis };
    if queries.is_empty() || moved_millis == 0 {
        return Ok(judge(checks, &alarms, started_millis, None));
    }
    let moment = Moment {
        now_millis: context.now_millis(),
        moved_millis,
        since_millis: case.since_millis,
        alone: case.plan.alone(case.index, case.snapshot),
        last: case.recent,
    };
    let times = Times::at(verification, moment);
    let found = match times.asked() {
        Some(span) => context.signals.metrics(&queries, span, verification.period).await?,
        None => Found::default(),
    };
    let look = Look { verification, sides: &sides, times, found: &found, last: case.last };
    Ok(judge(checks, &alarms, started_millis, Some(look)))
}

fn failed(stage: &str, why: &str) -> Failure {
    Kind::VerificationFailed.because(format!("{stage}: {why}."))
}

/// Whether a verification is over, and all is well.
pub(crate) async fn verified(mut run: Run<'_>, verify: &Verify) -> Result<Value> {
    let verification = run.meta.document.verification.clone();
    let checks = verification.chosen(verify.checks.as_deref());
    let (elapsed, span) = (run.elapsed_millis(), u64::from(verify.seconds) * 1000);
    let left = span.saturating_sub(elapsed);
    let extended = (span + u64::from(verify.extend_seconds) * 1000).saturating_sub(elapsed);
    let case = Case { since_millis: run.progress.stage.started_millis, last: left == 0, ..case(&run) };
    let verdict = look(&checks, case, run.context).await?;
    let stage = run.progress.stage.name.clone();
    if !verdict.bad.is_empty() {
        verdict.good.into_iter().chain(verdict.unsure).for_each(|line| run.say(format!("{stage}: {line}")));
        let failure = failed(&stage, &verdict.bad.join("; "));
        run.keep_log().await?;
        return Err(failure);
    }
    let names = checks.keys().copied().collect::<Vec<_>>().join(", ");
    let unsure = verdict.unsure.join("; ");
    let later = verification.seconds(&document::Verify { minutes: 0, checks: verify.checks.clone() });
    let minutes = verify.seconds.saturating_sub(later) / 60;
    let wait = if left > 0 { left } else { extended };
    if left > 0 || (extended > 0 && !unsure.is_empty()) {
        let also = if unsure.is_empty() { String::new() } else { format!("; not known yet: {unsure}") };
        let longer = if left > 0 { "" } else { " longer, since nobody knows" };
        let missing = format!("{} s left{longer}{also}", wait.div_ceil(1000));
        return run.wait(Phase::Check, Again::In(wait.min(WATCH_MILLIS)), missing, Kind::VerificationFailed).await;
    }
    for line in verdict.good {
        run.say(format!("Good: {line}"));
    }
    for line in verdict.dry {
        run.say(format!("Not counted, {line}"));
    }
    match (unsure.as_str(), verification.on_inconclusive) {
        ("", _) => run.next_stage_without_doubt(format!("Good for {minutes} min: {names}")).await,
        (unsure, OnInconclusive::Approve) => run.next_stage(format!("Asking, since nobody knows: {unsure}")).await,
        (unsure, OnInconclusive::Pass) => run.next_stage(format!("Going on, although nobody knows: {unsure}")).await,
        (unsure, OnInconclusive::Rollback) => {
            let failure = failed(
                &stage,
                &format!(
                    "after {} min nobody knows whether the candidate is good: {unsure}. Absence of data is no health. Give the check \
                     data, or say what its absence means: `TreatMissingData` of an alarm and `insufficientData: good` of its check, \
                     `missing` of a metric, verification.extendMinutes, or verification.onInconclusive",
                    elapsed / 60_000
                ),
            );
            run.keep_log().await?;
            Err(failure)
        }
    }
}

/// What a run is judged by, from everything that there is since something moved.
pub(crate) fn case<'a>(run: &'a Run<'_>) -> Case<'a> {
    Case {
        meta: &run.meta,
        snapshot: &run.snapshot,
        plan: &run.plan,
        touched: &run.touched,
        index: run.progress.stage.index,
        since_millis: 0,
        recent: None,
        last: false,
    }
}

/// What is bad of the checks that are watched, in words. Whatever nobody knows is no reason to end anything here.
pub(crate) async fn watched(case: Case<'_>, context: &Context) -> Result<Option<String>> {
    let verification = case.meta.document.verification.clone();
    let checks = verification.watched();
    if checks.is_empty() {
        return Ok(None);
    }
    let verdict = look(&checks, Case { recent: recent(&checks), ..case }, context).await?;
    Ok(Some(verdict.bad.join("; ")).filter(|bad| !bad.is_empty()))
}

/// What of the checks stands in the way of a deployment that has not begun.
pub(crate) async fn in_the_way(verification: &Verification, context: &Context) -> Result<Vec<String>> {
    let checks = verification.chosen(None);
    Ok(obstacles(&checks, &alarms(&checks, context).await?))
}

/// For how long before a metric is looked for, in milliseconds.
const LATELY_MILLIS: u64 = 3 * 3_600_000;

/// The metrics of the document of which there has been no value of the fleet that serves, each in a sentence: a name may be wrong. Nothing
/// is said where CloudWatch cannot be asked.
pub(crate) async fn never_seen(document: &Document, snapshot: &Snapshot, context: &Context) -> Result<Vec<String>> {
    let expected = expected(document, snapshot);
    if expected.is_empty() {
        return Ok(Vec::new());
    }
    let queries = expected.iter().map(|(_, query)| query.clone()).collect();
    let to_millis = context.now_millis() / 60_000 * 60_000;
    let span = Span { from_millis: to_millis.saturating_sub(LATELY_MILLIS), to_millis };
    let found = context.signals.metrics(&queries, span, document.verification.period).await?;
    let nothing = |(_, query): &&(String, Query)| {
        found.series.get(query).is_none_or(BTreeMap::is_empty) && !found.untold.contains(query)
    };
    let told = |(name, query): &(String, Query)| {
        let dimensions: Vec<String> = query.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "verification.checks.{name}: {} {} of [{}] had no value in the last 3 hours. Is that its name, and are these all of its \
             dimensions? Without values the check is unsure",
            query.namespace,
            query.name,
            dimensions.join(", ")
        )
    };
    Ok(expected.iter().filter(nothing).map(told).collect())
}
