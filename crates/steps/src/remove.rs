//! `remove`: deletes fleets of size 0 and what their members were made from: the candidate in a rollback, and after
//! a success the old fleets beyond those that are kept.

use std::collections::BTreeSet;

use crossfade_aws::{Deletion, Made};
use crossfade_core::observed::{Fleet, Member};
use crossfade_core::plan::{Action, PRUNING_SECONDS, Remove, prunable};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Class, Failure, Kind, Result, text};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

/// Deleting an empty group takes AWS a few seconds.
const DELETION_MILLIS: u64 = 3_000;
/// For how long that is tried again whose deletion AWS has refused.
const REFUSED_MILLIS: u64 = 30_000;

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
    let fleet = run.fleets().get(&action.fleet).await?;
    if let Some(stranger) = fleet.as_ref().filter(|fleet| run.owned(fleet).is_err()) {
        // Set-up found a stranger of that name and refused: there is nothing of ours to remove.
        let line = format!("{} is not of this deployment and left alone", stranger.name);
        return run.next_stage(line).await;
    }
    run.confirm().await?;
    let missing = match &fleet {
        None => None,
        Some(fleet) => match delete(&mut run, fleet).await? {
            Deletion::Gone => None,
            Deletion::UnderWay => Some(format!("{} is being deleted", fleet.name)),
            Deletion::NotYet => Some(format!("{} still has members or activities", fleet.name)),
        },
    };
    if let Some(missing) = missing {
        return run.wait(Phase::Act, Again::In(DELETION_MILLIS), missing, Kind::SteadyStateTimeout).await;
    }
    let deployment = run.progress.deployment_id.clone();
    let made = Made {
        blueprint: &action.blueprint,
        fleet: &action.fleet,
        artifact: &action.artifact,
        deployment: &deployment,
    };
    run.fleets().forget(&made).await?;
    run.next_stage(format!("{} is removed", action.fleet)).await
}

/// An instance that somebody has put in standby never goes by itself. The candidate is ours, and nothing is sent to it any
/// more: then it is deleted with what is in it.
async fn delete(run: &mut Run<'_>, fleet: &Fleet) -> Result<Deletion> {
    if fleet.deleting {
        return Ok(Deletion::UnderWay);
    }
    let stuck = !fleet.members.is_empty() && fleet.members.iter().all(Member::aside);
    if stuck {
        run.say(format!("Deleting {} with what somebody has put aside in it", fleet.name));
    }
    run.fleets().delete(fleet, stuck).await
}

/// Deletes what it can, and waits for what may be possible in a while. What is left in the end is named in the log, and its fleets
/// are left for the next deployment: the candidate serves, and nothing about tidying up may change that.
async fn prune(mut run: Run<'_>, keep: u32) -> Result<Value> {
    run.confirm().await?;
    let infrastructure = run.snapshot.infrastructure.to_string();
    let mut left = Left::default();
    let mut fleets = run.fleets().of(&infrastructure).await?;
    let there: BTreeSet<String> = fleets.iter().map(|fleet| fleet.name.clone()).collect();
    // Only what was found to be ours when the deployment began; tags may have been copied since, too.
    fleets.retain(|fleet| run.snapshot.fleet(&fleet.name).is_some() && run.owned(fleet).is_ok());
    for fleet in prunable(&fleets, &run.snapshot, keep) {
        match run.fleets().delete(fleet, false).await {
            // What has just been deleted may not show it yet (P68).
            Ok(Deletion::Gone | Deletion::UnderWay) => {
                run.say(format!("Deleted {} beyond the {keep} that served last", fleet.name));
                left.meanwhile.push(format!("{} is being deleted", fleet.name));
            }
            // A reserve somebody gave it takes minutes to be emptied: nobody waits for that.
            Ok(Deletion::NotYet) => {
                left.for_good.push(format!("could not delete {}: it still has members or activities", fleet.name));
            }
            Err(failure) => left.of(&fleet.name, &failure),
        }
    }
    // One that is gone by the next look is not among them then.
    let deleting = fleets.iter().filter(|it| it.deleting);
    left.meanwhile.extend(deleting.map(|it| format!("{} is being deleted", it.name)));
    // AWS may not let go of what fleets were made from before all of these are gone.
    if left.meanwhile.is_empty() || run.overdue() {
        let gone = |it: &&Fleet| !there.contains(&it.name) && it.name != run.snapshot.candidate;
        let gone: Vec<&Fleet> = run.snapshot.fleets.iter().filter(gone).collect();
        for (fleet, failure) in run.fleets().forget_own(&gone).await? {
            left.of(&format!("what {fleet} was made from"), &failure);
        }
    }
    // A refusal may have been one of a moment, and what is gone already the next deployment does not find.
    if run.elapsed_millis() < REFUSED_MILLIS {
        left.meanwhile.append(&mut left.refused);
    }
    if !left.meanwhile.is_empty() && !run.overdue() {
        let missing = text::few(&left.meanwhile);
        return run.wait(Phase::Act, Again::In(PRUNING_SECONDS * 1000), missing, Kind::SteadyStateTimeout).await;
    }
    for what in left.meanwhile.into_iter().chain(left.refused).chain(left.for_good) {
        run.say(format!("Left as it is: {what}"));
    }
    run.next_stage("Old revisions are pruned").await
}

/// What could not be deleted.
#[derive(Default)]
struct Left {
    /// And may be in a while.
    meanwhile: Vec<String>,
    /// And was refused for a reason that a repetition hardly changes.
    refused: Vec<String>,
    /// And will not be by this deployment.
    for_good: Vec<String>,
}

impl Left {
    fn of(&mut self, what: &str, failure: &Failure) {
        let passes = failure.kind.class() == Class::Transient;
        let list = if passes { &mut self.meanwhile } else { &mut self.refused };
        list.push(format!("could not delete {what}: {failure}"));
    }
}
