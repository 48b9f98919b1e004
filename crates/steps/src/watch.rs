//! What is looked at while a deployment waits for something else: whether a candidate that serves still can, and the checks that are
//! watched. Of a stage that waits by itself `wait-steady` looks, of one that waits for somebody's word the sweep.
//!
//! It only reads. What nobody knows ends nothing here, and neither does an AWS that is slow: only what is bad does.

use crossfade_core::pace::WATCH_MILLIS;
use crossfade_core::plan::Direction;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Class, Failure, Kind, Result, condition};

use crate::context::Context;
use crate::run::Run;
use crate::verify::{self, Case};

/// Looks on, if it is time to.
///
/// # Errors
/// `CandidateUnhealthy`, `VerificationFailed`: what has turned bad.
pub(crate) async fn look(run: &Run<'_>) -> Result<()> {
    let (now, looked) = (run.context.now_millis(), run.progress.looked_millis);
    if now / WATCH_MILLIS <= looked / WATCH_MILLIS || run.progress.direction != Direction::Deploy {
        return Ok(());
    }
    match turned(verify::case(run), run.context).await {
        Ok(None) => Ok(()),
        Ok(Some(bad)) => Err(bad.kind.because(format!("{}: {}.", run.progress.stage.name, bad.message))),
        // Nothing that moves has to wait for whoever looks on.
        Err(failure) if failure.kind.class() == Class::Transient => {
            tracing::warn!(deployment = %run.progress.deployment_id, "Nobody could look on: {failure}");
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

/// What has turned bad of what is looked at while a stage waits, if anything.
pub(crate) async fn turned(case: Case<'_>, context: &Context) -> Result<Option<Failure>> {
    let Some(stage) = case.plan.stages.get(case.index) else { return Ok(None) };
    if stage.serves
        && let Some(why) = outlived(case.snapshot, context).await?
    {
        return Ok(Some(Kind::CandidateUnhealthy.because(why)));
    }
    if !stage.watched {
        return Ok(None);
    }
    Ok(verify::watched(case, context).await?.map(|why| Kind::VerificationFailed.because(why)))
}

/// Whether nothing of a candidate that serves is healthy any more, while others could take all; in words.
async fn outlived(snapshot: &Snapshot, context: &Context) -> Result<Option<String>> {
    let stable = snapshot.stable_fleets();
    if stable.iter().all(|fleet| fleet.asleep()) {
        return Ok(None);
    }
    let place = snapshot.destination();
    let mut pools = context.pools.registered(&place).await?;
    // One read each tells enough, where nobody else is.
    if !snapshot.shared() && pools.iter().all(|pool| pool.healthy() > 0) {
        return Ok(None);
    }
    let others: Vec<String> = snapshot.production().into_iter().filter(|pool| !place.contains(pool)).collect();
    pools.extend(context.pools.registered(&others).await?);
    let names: Vec<&str> =
        stable.iter().map(|fleet| fleet.name.as_str()).chain([snapshot.candidate.as_str()]).collect();
    let fleets = context.platforms.on(&snapshot.platform).named(&names).await?;
    Ok(condition::outlived(snapshot, &fleets, &pools))
}

/// What has turned bad, where an error says so that has ended the waiting for somebody's word.
pub(crate) fn told(error: &str) -> Option<Kind> {
    Kind::named(error).filter(|kind| matches!(kind, Kind::CandidateUnhealthy | Kind::VerificationFailed))
}

/// What has happened then, in words.
pub(crate) fn in_words(turned: Kind) -> &'static str {
    if turned == Kind::CandidateUnhealthy { "the candidate turned ill" } else { "the verification turned bad" }
}
