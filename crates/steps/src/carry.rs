//! `carry`: gives the candidate, once it serves alone, what its base carries for a fleet that serves: scaling policies with their
//! alarms, scheduled actions, the warm pool.
//!
//! Not earlier: policies see an idle fleet as one to be scaled in (P19). What is there already stays as it is.

use crossfade_aws::Counterpart;
use crossfade_core::plan::{Action, Direction};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Carry(carry) = run.action()? else { return Err(run.wrong_stage("carry")) };
    run.existing_fleet(&carry.fleet).await?;
    if run.progress.direction != Direction::Deploy {
        return Err(Kind::RecordMissing.because("A rollback carries nothing."));
    }
    run.confirm().await?;
    let ends = run.snapshot.destination();
    let counterparts: Vec<Counterpart> = run
        .snapshot
        .roles
        .iter()
        .zip(ends)
        .map(|(roles, to)| Counterpart { of: vec![roles.production.clone(), roles.stage.clone()], to })
        .collect();
    let now = context.now_millis();
    for line in context.carrier.carry(&carry.base, &carry.fleet, &counterparts, now).await? {
        run.say(line);
    }
    run.hold(format!("{} scales by itself from now on", carry.fleet)).await
}
