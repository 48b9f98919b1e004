//! `remove`: deletes fleets of size 0 and what their instances were made from: the candidate in a rollback, and after
//! a success the old fleets beyond those that are kept.

use crossfade_aws::Deletion;
use crossfade_core::observed::{Fleet, Member};
use crossfade_core::plan::{Action, PRUNING_SECONDS, Remove, prunable};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

/// Deleting an empty group takes AWS a few seconds.
const DELETION_MILLIS: u64 = 3_000;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    match run.action()? {
        Action::Remove(action) => remove(run, &action).await,
        Action::Prune(action) => prune(run, action.keep).await,
        _ => Err(run.wrong_stage("remove")),
    }
}

async fn remove(mut run: Run<'_>, action: &Remove) -> Result<Value> {
    // What was made a moment ago may not be seen yet, and would be left for ever.
    if let Some(again) = run.unsettled() {
        let missing = format!("whatever was made of {} may not be seen yet", action.fleet);
        return run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await;
    }
    let fleet = run.context.fleets.get(&action.fleet).await?;
    if let Some(stranger) = fleet.as_ref().filter(|fleet| run.owned(fleet).is_err()) {
        // Set-up found a stranger of that name and refused: there is nothing of ours to remove.
        let line = format!("{} is not of this deployment and left alone", stranger.name);
        return run.hold(line).await;
    }
    run.confirm().await?;
    let missing = match &fleet {
        None => None,
        Some(fleet) => match delete(&mut run, fleet).await? {
            Deletion::Gone => None,
            Deletion::UnderWay => Some(format!("{} is being deleted", fleet.name)),
            Deletion::NotYet => Some(format!("{} still has instances or activities", fleet.name)),
        },
    };
    if let Some(missing) = missing {
        return run.wait(Phase::Act, Again::In(DELETION_MILLIS), missing, Kind::SteadyStateTimeout).await;
    }
    let deployment = run.progress.deployment_id.clone();
    run.context.sources.remove_derived(&action.base_source, &action.fleet, &action.ami, &deployment).await?;
    run.hold(format!("{} is removed", action.fleet)).await
}

/// An instance that somebody has put in standby never goes by itself. The candidate is ours, and nothing is sent to it any
/// more: then it is deleted with what is in it.
async fn delete(run: &mut Run<'_>, fleet: &Fleet) -> Result<Deletion> {
    if fleet.deleting {
        return Ok(Deletion::UnderWay);
    }
    run.context.carrier.unload(fleet).await?;
    let stuck = !fleet.members.is_empty() && fleet.members.iter().all(Member::aside);
    if stuck {
        run.say(format!("Deleting {} with the instances in it that are in standby", fleet.name));
    }
    run.context.fleets.delete(&fleet.name, stuck).await
}

/// Deletes what it can. What it cannot is named in the log and left for the next deployment: the candidate serves, and
/// nothing about tidying up may change that.
async fn prune(mut run: Run<'_>, keep: u32) -> Result<Value> {
    run.confirm().await?;
    let infrastructure = run.snapshot.infrastructure.to_string();
    let mut begun: Vec<String> = Vec::new();
    // Looking again, there is only to wait for what AWS has begun to delete.
    if run.progress.note.is_empty() {
        let mut fleets = run.context.fleets.of(&infrastructure).await?;
        // Only what was found to be ours when the deployment began; tags may have been copied since, too.
        fleets.retain(|fleet| run.snapshot.fleet(&fleet.name).is_some() && run.owned(fleet).is_ok());
        for fleet in prunable(&fleets, &run.snapshot, keep) {
            let outcome = discard(&run, fleet).await;
            begun.extend(outcome.is_ok().then(|| fleet.name.clone()));
            run.say(match outcome {
                Ok(()) => format!("Deleted {} beyond the {keep} that served last", fleet.name),
                Err(failure) => {
                    format!("Could not delete {} and leave it for the next deployment: {failure}", fleet.name)
                }
            });
        }
    }
    let live = run.context.fleets.of(&infrastructure).await?;
    let ours = |fleet: &&Fleet| run.snapshot.fleet(&fleet.name).is_some();
    // What has just been deleted may not show it yet (P68).
    let deleting = live.iter().filter(ours).filter(|it| it.deleting || begun.contains(&it.name));
    let deleting: Vec<&str> = deleting.map(|it| it.name.as_str()).collect();
    if !deleting.is_empty() && run.context.now_millis() < run.progress.deadline_millis() {
        let missing = format!("{} is being deleted", deleting.join(", "));
        return run.wait(Phase::Act, Again::In(PRUNING_SECONDS * 1000), missing, Kind::SteadyStateTimeout).await;
    }
    sources(&mut run, &live).await;
    run.hold("Old revisions are pruned").await
}

async fn discard(run: &Run<'_>, fleet: &Fleet) -> Result<()> {
    run.context.carrier.unload(fleet).await?;
    match run.context.fleets.delete(&fleet.name, false).await? {
        Deletion::NotYet => Err(Kind::RequestRefused.because("it still has instances or activities")),
        Deletion::Gone | Deletion::UnderWay => Ok(()),
    }
}

/// Deletes what the fleets were made from that are gone. AWS does not let go of a launch configuration before that.
async fn sources(run: &mut Run<'_>, live: &[Fleet]) {
    let gone = |fleet: &&Fleet| !live.iter().any(|now| now.name == fleet.name) && fleet.name != run.snapshot.candidate;
    let gone: Vec<Fleet> = run.snapshot.fleets.iter().filter(gone).cloned().collect();
    for fleet in gone {
        if let Err(failure) = run.context.sources.remove_own(&fleet).await {
            run.say(format!("Could not delete what {} was made from: {failure}", fleet.name));
        }
    }
}
