//! `wait-steady`: looks whether a stage's condition holds. It only reads, apart from the deployment's own records.

use crossfade_core::condition::{self, Verdict};
use crossfade_core::observed::{Health, healthy};
use crossfade_core::pace::GAP_MILLIS;
use crossfade_core::plan::{Action, Direction, Downsize, Drain, Upscale};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;
use crate::{setup, shift_weight};

/// How often launches are looked at while instances are missing: failures should be known early, but not at every look.
const LAUNCHES_MILLIS: u64 = 25_000;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    match run.action()? {
        Action::Setup(setup) => setup::visible(run, &setup.fleet).await,
        Action::Upscale(upscale) => upscaled(run, &upscale).await,
        Action::ShiftWeight(shift) => shift_weight::verify(run, &shift).await,
        Action::Pause(pause) => {
            let over_millis = run.progress.stage.started_millis + u64::from(pause.seconds) * 1000;
            timed(run, over_millis, "the pause is over").await
        }
        Action::Drain(drain) => drained(run, &drain).await,
        Action::Downsize(downsize) => downsized(run, &downsize).await,
        Action::Approve(_) | Action::Remove(_) | Action::Prune(_) => Err(run.wrong_stage("wait-steady")),
    }
}

/// One read while instances boot; the second one only when it may be the last.
async fn upscaled(run: Run<'_>, upscale: &Upscale) -> Result<Value> {
    let wanted = upscale.size.desired;
    let targets = match &upscale.target_group {
        Some(target_group) => run.context.router.targets(target_group).await?,
        None => Vec::new(),
    };
    let registered = targets.iter().filter(|target| target.health != Health::Draining).count();
    let mut verdict = match &upscale.target_group {
        Some(target_group) => condition::targets_healthy(target_group, &targets, wanted),
        None => Verdict::Holds,
    };
    let launching = registered < wanted as usize;
    if wanted == 0 || matches!(verdict, Verdict::Holds) || (launching && now_and_then(&run)) {
        let fleet = run.existing_fleet(&upscale.fleet).await?;
        if fleet.size.desired < wanted {
            return Err(Kind::Drifted.because(format!(
                "{} was resized to {} while it was being upscaled to {}. Somebody or something else scales it.",
                fleet.name, fleet.size, upscale.size
            )));
        }
        verdict = condition::steady(&fleet, &targets, upscale);
        if launching && upscale.target_group.is_some() {
            let failed = run.context.fleets.failed_launches(&fleet.name, run.progress.stage.started_millis).await?;
            condition::launches(&fleet, &failed, run.progress.stage.started_millis)?;
            if let (Verdict::NotYet(missing), Some(last)) = (&mut verdict, failed.first()) {
                *missing = format!("{missing}; {} launches failed: {}", failed.len(), last.reason);
            }
        }
    }
    match verdict {
        Verdict::Holds => {
            let line = format!("{} is steady: {} of {wanted} healthy", upscale.fleet, healthy(&targets));
            run.hold(line).await
        }
        Verdict::NotYet(missing) => {
            run.wait(Phase::Check, Again::Paced(upscale.expected_seconds), missing, Kind::SteadyStateTimeout).await
        }
        Verdict::Never(failure) => Err(failure),
    }
}

/// Whether a multiple of [`LAUNCHES_MILLIS`] has passed since the look before.
fn now_and_then(run: &Run<'_>) -> bool {
    let elapsed = run.context.now_millis().saturating_sub(run.progress.stage.started_millis);
    elapsed / LAUNCHES_MILLIS != elapsed.saturating_sub(5_000) / LAUNCHES_MILLIS
}

async fn drained(run: Run<'_>, drain: &Drain) -> Result<Value> {
    let over_millis = run.touched.shifted_millis + u64::from(drain.seconds) * 1000;
    timed(run, over_millis, "nothing sent before the last shift is under way any more").await
}

/// A condition that holds from a known moment on.
async fn timed(run: Run<'_>, over_millis: u64, line: &str) -> Result<Value> {
    let left = over_millis.saturating_sub(run.context.now_millis());
    if left == 0 {
        return run.hold(line).await;
    }
    let missing = format!("{} s left", left.div_ceil(1000));
    run.wait(Phase::Check, Again::In(left), missing, Kind::SteadyStateTimeout).await
}

async fn downsized(run: Run<'_>, downsize: &Downsize) -> Result<Value> {
    let fleet = match run.fleet(&downsize.fleet).await? {
        Some(fleet) if !fleet.instances.is_empty() => fleet,
        _ => return run.hold(format!("{} has no instances any more", downsize.fleet)).await,
    };
    if fleet.size.desired > 0 && run.progress.direction == Direction::Deploy {
        return Err(Kind::Drifted.because(format!(
            "{} was resized to {} while it was being downsized to 0. Somebody or something else scales it.",
            fleet.name, fleet.size
        )));
    }
    let missing = format!("{} of {} still there", fleet.instances.len(), fleet.name);
    run.wait(Phase::Check, Again::In(GAP_MILLIS), missing, Kind::SteadyStateTimeout).await
}
