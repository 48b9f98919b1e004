//! Verification: the stage that looks at checks for a while, and the watch over what has its own condition to wait for.

use std::collections::BTreeMap;

use crossfade_core::document::{Check, OnInconclusive, Verification};
use crossfade_core::pace::WATCH_MILLIS;
use crossfade_core::plan::{Direction, Verify};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::verification::{Alarm, Verdict, judge, obstacles};
use crossfade_core::{Class, Failure, Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::records::Meta;
use crate::run::Run;

/// The alarms that these checks look at.
async fn alarms(checks: &BTreeMap<&str, &Check>, context: &Context) -> Result<Vec<Alarm>> {
    let names: Vec<String> = checks.values().map(|check| check.alarm.clone()).collect();
    context.signals.alarms(&names).await
}

/// What these checks say now.
async fn look(checks: &BTreeMap<&str, &Check>, started_millis: u64, context: &Context) -> Result<Verdict> {
    Ok(judge(checks, &alarms(checks, context).await?, started_millis))
}

fn failed(stage: &str, why: &str) -> Failure {
    Kind::VerificationFailed.because(format!("{stage}: {why}."))
}

/// Whether a verification is over, and all is well.
pub(crate) async fn verified(run: Run<'_>, verify: &Verify) -> Result<Value> {
    let verification = run.meta.document.verification.clone();
    let checks = verification.chosen(verify.checks.as_deref());
    let verdict = look(&checks, run.meta.started_millis, run.context).await?;
    let stage = run.progress.stage.name.clone();
    if !verdict.bad.is_empty() {
        return Err(failed(&stage, &verdict.bad.join("; ")));
    }
    let names = checks.keys().copied().collect::<Vec<_>>().join(", ");
    let unsure = verdict.unsure.join("; ");
    let left = (u64::from(verify.seconds) * 1000).saturating_sub(run.elapsed_millis());
    if left > 0 {
        let also = if unsure.is_empty() { String::new() } else { format!("; not known yet: {unsure}") };
        let missing = format!("{} s left{also}", left.div_ceil(1000));
        return run.wait(Phase::Check, Again::In(left.min(WATCH_MILLIS)), missing, Kind::VerificationFailed).await;
    }
    match (unsure.as_str(), verification.on_inconclusive) {
        ("", _) => run.next_stage(format!("Good for {} min: {names}", verify.seconds / 60)).await,
        (unsure, OnInconclusive::Pass) => run.next_stage(format!("Going on, although nobody knows: {unsure}")).await,
        (unsure, OnInconclusive::Rollback) => Err(failed(
            &stage,
            &format!(
                "after {} min nobody knows whether the candidate is good: {unsure}. Absence of data is no health. Give the alarm data, \
                 or say what its absence means: `TreatMissingData` of the alarm, `insufficientData: good` of the check, or \
                 verification.onInconclusive",
                verify.seconds / 60
            ),
        )),
    }
}

/// Looks at what is watched, if it is time to. Whatever nobody knows is no reason to end anything here.
///
/// # Errors
/// `VerificationFailed` when a check is bad.
pub(crate) async fn watch(run: &Run<'_>) -> Result<()> {
    let now = run.context.now_millis();
    let again = now / WATCH_MILLIS > run.progress.looked_millis / WATCH_MILLIS;
    if !again || run.progress.direction != Direction::Deploy || !run.stage()?.watched {
        return Ok(());
    }
    match watched(&run.meta, run.context).await {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(failed(&run.progress.stage.name, &why)),
        // Nothing that moves has to wait for whoever looks on.
        Err(failure) if failure.kind.class() == Class::Transient => {
            tracing::warn!(deployment = %run.progress.deployment_id, "The checks could not be looked at: {failure}");
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

/// What is bad of what is watched, in words.
pub(crate) async fn watched(meta: &Meta, context: &Context) -> Result<Option<String>> {
    let checks = meta.document.verification.watched();
    if checks.is_empty() {
        return Ok(None);
    }
    let verdict = look(&checks, meta.started_millis, context).await?;
    Ok(Some(verdict.bad.join("; ")).filter(|bad| !bad.is_empty()))
}

/// What of the checks stands in the way of a deployment that has not begun.
pub(crate) async fn in_the_way(verification: &Verification, context: &Context) -> Result<Vec<String>> {
    let checks = verification.chosen(None);
    Ok(obstacles(&checks, &alarms(&checks, context).await?))
}
