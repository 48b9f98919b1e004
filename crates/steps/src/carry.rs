//! `carry`: lets the candidate scale by itself once it serves alone: with the scaling policies, alarms, scheduled actions and the
//! warm pool of its base, with those that the document says, or, of a revision that is brought back, with its own.
//! Before that it lets tags tell that the candidate serves, where fleets bear such a tag.
//!
//! Not earlier: policies see an idle fleet as one to be scaled in (P19). What is there already stays as it is.

use crossfade_aws::Carrying;
use crossfade_core::plan::{Action, Carry, Direction, Mark};
use crossfade_core::{Class, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    match run.action()? {
        Action::Carry(carry) => equip(run, &carry).await,
        Action::Mark(mark) => tell(run, &mark).await,
        _ => Err(run.wrong_stage("carry")),
    }
}

/// Nothing depends on tags: where they cannot be set, that is said.
async fn tell(mut run: Run<'_>, mark: &Mark) -> Result<Value> {
    run.intend(|touched| touched.marked = true).await?;
    match run.fleets().mark(&mark.fleets).await {
        Ok(lines) => lines.into_iter().for_each(|line| run.say(line)),
        Err(failure) if failure.kind.class() == Class::Failed => {
            run.say(format!("Left tags as they are: {}", failure.message));
        }
        Err(failure) => return Err(failure),
    }
    let line = match run.progress.direction {
        Direction::Deploy => format!("Tags tell that {} serves", run.snapshot.candidate),
        Direction::Rollback => "Tags tell what they told before".to_owned(),
    };
    run.next_stage(line).await
}

async fn equip(mut run: Run<'_>, carry: &Carry) -> Result<Value> {
    let context = run.context;
    let fleet = run.existing_fleet(&carry.fleet).await?;
    run.intend(|touched| touched.carried = true).await?;
    let counterparts = match run.progress.direction {
        Direction::Deploy => run.snapshot.counterparts(),
        Direction::Rollback => run.snapshot.counterparts_before(),
    };
    let lines = match &carry.base {
        Some(from) => {
            let (fleet, size, now_millis) = (&carry.fleet, run.snapshot.asked, context.now_millis());
            let compute = &run.meta.document.compute;
            let carrying = Carrying { compute, from, fleet, size, counterparts: &counterparts, now_millis };
            run.fleets().carry(&carrying).await?
        }
        None => run.fleets().follow(&carry.fleet, &counterparts).await?,
    };
    lines.into_iter().for_each(|line| run.say(line));
    if let Some(size) = carry.size {
        // It was put to rest when it retired.
        run.fleets().wake(&fleet, &run.snapshot.base).await?.into_iter().for_each(|line| run.say(line));
        if !fleet.has_size(size) {
            run.resize(&fleet, size).await?;
        }
    }
    let line = match run.progress.direction {
        Direction::Deploy => format!("{} scales by itself from now on", carry.fleet),
        Direction::Rollback => format!("The scaling of {} is as it was", carry.fleet),
    };
    run.next_stage(line).await
}
