//! Looks once more, right before something relies on it, for requests that the document does not name: sent to a side that is going
//! to be emptied or takes the candidate, or to a fleet from elsewhere.

use crossfade_core::kinds::elb::short;
use crossfade_core::observed::{Fleet, Health};
use crossfade_core::plan::Direction;
use crossfade_core::{Failure, Kind, Result, text, unnamed};

use crate::run::Run;
use crate::shift_weight;

/// Every rule and listener that sends requests to one of these sides and is not named, in words.
pub(crate) async fn forwards(run: &Run<'_>, sides: &[String]) -> Result<Vec<String>> {
    if sides.is_empty() {
        return Ok(Vec::new());
    }
    let all = run.context.switches.forwards(&run.snapshot.load_balancers).await?;
    Ok(unnamed::forwards(&run.snapshot.lanes, &all, sides))
}

/// That somebody has begun to send requests where none were.
pub(crate) fn drifted(found: &[String], what: &str) -> Failure {
    Kind::Drifted.because(format!("Since the deployment began: {} {what}", found.join(" ")))
}

/// Before the candidate grows: the weights are as they were or as this deployment set them, nothing that is not named sends requests
/// to either side, and nobody else's instances are in the target groups that it comes up in.
pub(crate) async fn undisturbed(run: &Run<'_>, candidate: &Fleet, target_groups: &[String]) -> Result<()> {
    shift_weight::undrifted(run, &run.snapshot.weights).await?;
    let found = forwards(run, &run.snapshot.sides()).await?;
    if !found.is_empty() {
        return Err(drifted(&found, &format!("{} gets no {}.", candidate.name, run.members())));
    }
    for test in run.snapshot.alone(target_groups) {
        let targets = run.context.pools.targets(&test).await?;
        let mut others = unnamed::strangers(&targets, std::slice::from_ref(candidate));
        if !others.is_empty() {
            // Those of earlier fleets go with their fleets.
            let fleets = run.fleets().of(&run.snapshot.infrastructure.to_string()).await?;
            others.retain(|id| unnamed::strangers(&targets, &fleets).contains(id));
        }
        if !others.is_empty() {
            return Err(Kind::Drifted.because(format!(
                "Since the deployment began, {} was registered in {}, which takes {}: traffic for the new fleet would reach it. \
                 {} gets no {}. Deregister it and deploy again.",
                text::few(&others),
                short(&test),
                candidate.name,
                candidate.name,
                run.members()
            )));
        }
    }
    Ok(())
}

/// What would lose requests if a fleet shrank, beside what the document names: nothing, or something that is waited for. On the way
/// forward it ends the deployment, since everything can still be as it was. On the way back there is nothing else to do than to wait
/// for whoever did it, and that only as long as the fleet could answer.
///
/// # Errors
/// `Drifted`, on the way forward.
pub(crate) async fn in_the_way(run: &Run<'_>, fleet: &Fleet, idle: &[String]) -> Result<Option<String>> {
    if fleet.members.is_empty() {
        return Ok(None);
    }
    let forward = run.progress.direction == Direction::Deploy;
    let mut found = forwards(run, idle).await?;
    if !forward && !found.is_empty() && !answers(run, fleet, idle).await? {
        found.clear();
    }
    if let Some(others) = elsewhere(run, fleet, forward).await? {
        found.push(format!(
            "{} stands behind {others}, too, which routing does not name: nobody would serve there. Detach it from there.",
            fleet.name
        ));
    }
    match found.as_slice() {
        [] => Ok(None),
        found if forward => Err(drifted(found, &format!("{} is left as it is.", fleet.name))),
        found => {
            let (name, members, found) = (&fleet.name, run.members(), found.join(" "));
            Ok(Some(format!("{name} would lose requests without its {members}: {found}")))
        }
    }
}

/// What a fleet stands behind beside the router; on the way back only where no others stand in for it.
async fn elsewhere(run: &Run<'_>, fleet: &Fleet, forward: bool) -> Result<Option<String>> {
    let sides = run.snapshot.sides();
    let mut known = sides.clone();
    if !forward {
        for arn in fleet.target_groups.iter().filter(|arn| !sides.contains(arn)) {
            if !answers(run, fleet, std::slice::from_ref(arn)).await? {
                known.push(arn.clone());
            }
        }
    }
    Ok(unnamed::elsewhere(fleet, &known))
}

/// Whether requests to one of these target groups are answered by this fleet alone.
async fn answers(run: &Run<'_>, fleet: &Fleet, target_groups: &[String]) -> Result<bool> {
    for registered in run.context.pools.registered(target_groups).await? {
        let healthy = registered.targets.iter().filter(|target| target.health == Health::Healthy);
        let (ours, others): (Vec<_>, Vec<_>) = healthy.partition(|target| fleet.has(target));
        if !ours.is_empty() && others.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
