//! `shift-weight`: sets the weights of the router, once the capacity is there, and reads them back.
//!
//! Nothing shifts on hope: the side that gains traffic must have the healthy capacity for its share. Somebody else's
//! weights are never overwritten.

use crossfade_core::condition::{self, Verdict};
use crossfade_core::pace::GAP_MILLIS;
use crossfade_core::plan::{Action, Direction, ShiftWeight};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::split::{in_words, short};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

/// How long a read may take to show what was written.
const CONSISTENCY_MILLIS: u64 = 4_000;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::ShiftWeight(shift) = run.action()? else { return Err(run.wrong_stage("shift-weight")) };
    let routing = run.snapshot.routing.clone();
    let live = run.split().await?;
    condition::undrifted(&routing.describe(), &live, &run.snapshot.routes, &run.touched.routes)?;
    match capacity(&run, &shift).await? {
        Verdict::Holds => {}
        Verdict::NotYet(missing) => {
            return run.wait(Phase::Act, Again::In(GAP_MILLIS), missing, Kind::CapacityGuard).await;
        }
        Verdict::Never(failure) => return Err(Kind::CapacityGuard.because(failure.message)),
    }
    run.say(format!("Setting weights {} on {}", in_words(&shift.routes), routing.describe()));
    run.intend(|touched| {
        if touched.routes.last() != Some(&shift.routes) {
            touched.routes.push(shift.routes.clone());
        }
    })
    .await?;
    let answered = context.router.set(&routing, &shift.routes).await?;
    if !answered.has(&shift.routes) {
        return Err(Kind::VerificationFailed.because(format!(
            "{} was set to {}, but AWS answers that it has {}.",
            routing.describe(),
            in_words(&shift.routes),
            in_words(&answered.routes)
        )));
    }
    verify(run, &shift).await
}

/// Reads the weights back. A stale read may still show earlier ones of ours (P68), anything else is somebody's hand.
pub(crate) async fn verify(mut run: Run<'_>, shift: &ShiftWeight) -> Result<Value> {
    let routing = run.snapshot.routing.clone();
    let live = run.split().await?;
    if live.has(&shift.routes) {
        run.touched.shifted_millis = run.context.now_millis();
        return run.hold(format!("Weights are {}", in_words(&shift.routes))).await;
    }
    condition::undrifted(&routing.describe(), &live, &run.snapshot.routes, &run.touched.routes)?;
    let missing = format!("weights still read {}", in_words(&live.routes));
    run.wait(Phase::Check, Again::In(CONSISTENCY_MILLIS), missing, Kind::VerificationFailed).await
}

/// Whether the side that gains traffic can carry it.
async fn capacity(run: &Run<'_>, shift: &ShiftWeight) -> Result<Verdict> {
    let gaining = run.context.router.targets(&shift.need.target_group).await?;
    if run.progress.direction == Direction::Deploy {
        return Ok(condition::covered(&shift.need, &gaining));
    }
    let losing = shift.routes.iter().find(|route| route.target_group != shift.need.target_group);
    let losing = match losing {
        Some(route) => run.context.router.targets(&route.target_group).await?,
        None => {
            let problem = format!("The weights to restore name nothing but {}.", short(&shift.need.target_group));
            return Err(Kind::RecordMissing.because(problem));
        }
    };
    Ok(condition::covered_for_rollback(&shift.need, &gaining, &losing))
}
