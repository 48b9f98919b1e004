//! `carry`: lets the candidate scale by itself once it serves alone: with the scaling policies, alarms, scheduled actions and the
//! warm pool of its base, or, of a revision that is brought back, with its own.
//!
//! Not earlier: policies see an idle fleet as one to be scaled in (P19). What is there already stays as it is.

use crossfade_core::observed::{Fleet, SCHEDULED_ACTIONS};
use crossfade_core::plan::{Action, Direction};
use crossfade_core::{Result, unless_refused};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Carry(carry) = run.action()? else { return Err(run.wrong_stage("carry")) };
    let fleet = run.existing_fleet(&carry.fleet).await?;
    run.intend(|touched| touched.carried = true).await?;
    let counterparts = match run.progress.direction {
        Direction::Deploy => run.snapshot.counterparts(),
        Direction::Rollback => run.snapshot.counterparts_before(),
    };
    let lines = match &carry.base {
        Some(base) => context.carrier.carry(base, &carry.fleet, &counterparts, context.now_millis()).await?,
        None => context.carrier.follow(&carry.fleet, &counterparts).await?,
    };
    lines.into_iter().for_each(|line| run.say(line));
    if let Some(size) = carry.size {
        wake(&mut run, &fleet).await?;
        if fleet.size != size {
            run.resize(&fleet, size).await?;
        }
    }
    let line = match run.progress.direction {
        Direction::Deploy => format!("{} scales by itself from now on", carry.fleet),
        Direction::Rollback => format!("The scaling of {} is as it was", carry.fleet),
    };
    run.next_stage(line).await
}

/// A revision that is brought back was put to rest when it retired.
async fn wake(run: &mut Run<'_>, fleet: &Fleet) -> Result<()> {
    let fleets = &run.context.fleets;
    if fleet.suspends(SCHEDULED_ACTIONS) {
        fleets.resume(&fleet.name, &[SCHEDULED_ACTIONS]).await?;
        run.say(format!("Resumed the scheduled actions of {}", fleet.name));
    }
    let base = run.context.fleets.get(&run.snapshot.base).await?;
    if let (Some(pool), None) = (base.and_then(|base| base.warm_pool), &fleet.warm_pool) {
        // It serves without.
        run.say(match unless_refused(fleets.set_warm_pool(&fleet.name, &pool).await)? {
            None => format!("Gave {} the warm pool of its base", fleet.name),
            Some(refused) => format!("Left the warm pool out: {refused}"),
        });
    }
    Ok(())
}
