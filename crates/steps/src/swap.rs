//! `swap`: moves fleets between target groups: the candidate to where users are, and the others away from there.
//!
//! Every move is a stage with a condition of its own: registered and healthy, deregistered and drained.

use crossfade_core::condition::{self, Verdict};
use crossfade_core::kinds::Ability;
use crossfade_core::pace::GAP_MILLIS;
use crossfade_core::plan::{Action, Attachment, Direction};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::split::names;
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;
use crate::unnamed;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    match run.action()? {
        Action::Attach(attach) => join(run, &attach).await,
        Action::Detach(detach) => leave(run, &detach).await,
        _ => Err(run.wrong_stage("swap")),
    }
}

async fn join(mut run: Run<'_>, attach: &Attachment) -> Result<Value> {
    let fleet = run.existing_fleet(&attach.fleet).await?;
    let missing = fleet.not_attached(&attach.target_groups);
    run.intend(|touched| _ = touched.attached.insert(fleet.name.clone())).await?;
    if !missing.is_empty() {
        run.say(format!("Attaching {} to {}", fleet.name, names(&missing)));
        run.fleets().attach(&fleet.name, &missing, &run.snapshot.blueprint).await?;
    }
    joined(run, attach).await
}

/// Whether all instances of a fleet are registered and healthy in target groups.
pub(crate) async fn joined(run: Run<'_>, attach: &Attachment) -> Result<Value> {
    let fleet = run.existing_fleet(&attach.fleet).await?;
    let registered = run.context.pools.registered(&attach.target_groups).await?;
    let verdict = match run.progress.direction {
        Direction::Deploy => condition::steady(&fleet, &registered, fleet.size.desired, false),
        Direction::Rollback => {
            let wanted = run.snapshot.there_was(&fleet.name, fleet.size.desired);
            condition::regained(&fleet, run.snapshot.fleet(&fleet.name), &registered, wanted, run.waited())
        }
    };
    match verdict {
        Verdict::Holds => {
            if let Some(again) = run.unsettled() {
                let missing = format!("{} may not show yet that it was detached", fleet.name);
                return run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await;
            }
            let ready =
                registered.iter().map(|registered| condition::ready(&fleet, registered)).min().unwrap_or_default();
            let all = if ready < fleet.size.desired { format!("{ready} of") } else { "All".into() };
            let (name, places) = (&fleet.name, names(&attach.target_groups));
            let line = format!("{all} {} of {name} are healthy in {places}", fleet.size.desired.min(fleet.capacity()));
            run.next_stage(line).await
        }
        Verdict::NotYet(missing) => {
            let missing = missing + &fleet.hindered(&[Ability::Registering]);
            let again = run.soon(0);
            // What looked attached already, by a stale read, still has to be.
            let attached = fleet.not_attached(&attach.target_groups).is_empty();
            let phase = if attached { Phase::Check } else { Phase::Act };
            run.wait(phase, again, missing, Kind::SteadyStateTimeout).await
        }
        // A target group that nothing forwards to would never check anybody.
        Verdict::Never(failure) => Err(failure),
    }
}

async fn leave(mut run: Run<'_>, detach: &Attachment) -> Result<Value> {
    let Some(fleet) = run.fleet(&detach.fleet).await? else {
        return run.next_stage(format!("{} does not exist any more", detach.fleet)).await;
    };
    if let Some(missing) = run.short_of(&detach.needs, &detach.target_groups, 0).await? {
        return run.wait(Phase::Act, Again::In(GAP_MILLIS), missing, Kind::CapacityGuard).await;
    }
    let attached = fleet.attached(&detach.target_groups);
    if attached.is_empty() {
        if let Some(again) = run.unsettled() {
            let missing = format!("{} may not show yet what it was attached to", fleet.name);
            return run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await;
        }
        return left(run, detach).await;
    }
    // Where the candidate leaves the test side, nobody stays.
    let found = unnamed::forwards(&run, &run.snapshot.alone(&attached)).await?;
    if !found.is_empty() {
        return Err(unnamed::drifted(&found, &format!("{} is left as it is.", fleet.name)));
    }
    run.intend(|touched| _ = touched.attached.insert(fleet.name.clone())).await?;
    run.say(format!("Detaching {} from {}", fleet.name, names(&attached)));
    run.fleets().detach(&fleet.name, &attached).await?;
    // Draining takes its full time even when nothing is under way (P36), but nothing drains without instances.
    let drain_seconds = if fleet.members.is_empty() { 2 } else { detach.drain_seconds };
    let missing = format!("waiting for {} to drain in {}", fleet.name, names(&attached));
    run.wait(Phase::Check, Again::In(u64::from(drain_seconds) * 1000), missing, Kind::SteadyStateTimeout).await
}

/// Whether none of a fleet's instances is left in target groups.
pub(crate) async fn left(run: Run<'_>, detach: &Attachment) -> Result<Value> {
    let Some(fleet) = run.fleet(&detach.fleet).await? else {
        return run.next_stage(format!("{} does not exist any more", detach.fleet)).await;
    };
    let registered = run.context.pools.registered(&detach.target_groups).await?;
    match condition::deregistered(&fleet, &registered) {
        Verdict::Holds => run.next_stage(format!("{} has left {}", fleet.name, names(&detach.target_groups))).await,
        Verdict::NotYet(missing) => {
            let again = run.soon(detach.drain_seconds);
            run.wait(Phase::Check, again, missing, Kind::SteadyStateTimeout).await
        }
        Verdict::Never(failure) => Err(failure),
    }
}
