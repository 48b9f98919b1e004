//! The conditions of stages and the guards before actions, judged from what was observed.

use std::collections::BTreeSet;

use crate::observed::{FailedActivity, Fleet, Health, Target, healthy};
use crate::plan::{Need, Upscale};
use crate::split::{Route, Split, in_words, short};
use crate::{Failure, Kind, Result};

/// Whether a condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not hold yet; in words, what is missing.
    NotYet(String),
    /// It cannot come to hold.
    Never(Failure),
}

/// Judges a target group by its targets alone: whether so many are healthy, and whether that can still come.
///
/// Unused targets mean that the target group is in no rule (P7), unavailable ones that nobody checks them (P12): neither
/// turns healthy by waiting. An empty list is not "all healthy" (P6).
pub fn targets_healthy(target_group: &str, targets: &[Target], wanted: u32) -> Verdict {
    let of = |health| targets.iter().filter(move |t| t.health == health);
    let name = short(target_group);
    if let Some(target) = of(Health::Unavailable).next() {
        return Verdict::Never(Kind::SteadyStateTimeout.because(format!(
            "Target {} in {name} is unavailable ({}): its health is not checked, so nothing proves that it serves. \
             Enable health checks on the target group.",
            target.id,
            target.reason.as_deref().unwrap_or("no reason given")
        )));
    }
    if let Some(target) = of(Health::Unused).find(|t| t.reason.as_deref() == Some("Target.NotInUse")) {
        return Verdict::Never(Kind::SteadyStateTimeout.because(format!(
            "Target {} in {name} is not in use: no listener rule names the target group or the zone is not enabled, so it \
             is never checked. Keep {name} in the rule, with weight 0.",
            target.id
        )));
    }
    let ready = healthy(targets);
    if ready >= wanted && wanted > 0 {
        return Verdict::Holds;
    }
    Verdict::NotYet(format!("{ready} of {wanted} healthy in {name}{}", stragglers(targets)))
}

/// The targets that are not healthy, with their reasons (B11, P9).
fn stragglers(targets: &[Target]) -> String {
    let list: Vec<String> = targets
        .iter()
        .filter(|target| target.health != Health::Healthy)
        .map(|target| {
            let reason = target.reason.as_deref().map_or_else(String::new, |reason| format!(" ({reason})"));
            format!("{} {}{reason}", target.id, format!("{:?}", target.health).to_lowercase())
        })
        .collect();
    match list.len() {
        0 => String::new(),
        1..=8 => format!(": {}", list.join(", ")),
        more => format!(": {} and {} more", list[..8].join(", "), more - 8),
    }
}

/// Whether a fleet is steady: the exact set of in-service instances is registered and healthy, and it is enough.
///
/// The group's word for it is not: a target group is attached "in service" at once (P5), an instance is in
/// service before its application answers (P4), and standby, terminating and warmed instances do not count (P29). An
/// instance more than asked, as while zones are rebalanced (P30), does no harm.
pub fn steady(fleet: &Fleet, targets: &[Target], upscale: &Upscale) -> Verdict {
    let wanted = upscale.size.desired;
    let Some(target_group) = &upscale.target_group else {
        let ready = fleet.in_service().len();
        return if ready >= wanted as usize {
            Verdict::Holds
        } else {
            Verdict::NotYet(format!("{ready} of {wanted} in service in {}", fleet.name))
        };
    };
    let in_service = fleet.in_service();
    let healthy_ids: BTreeSet<&str> =
        targets.iter().filter(|t| t.health == Health::Healthy).map(|t| t.id.as_str()).collect();
    let own: Vec<Target> = targets.iter().filter(|t| in_service.contains(t.id.as_str())).cloned().collect();
    match targets_healthy(target_group, &own, wanted) {
        Verdict::Holds => {}
        Verdict::NotYet(missing) => {
            let launching =
                fleet.instances.iter().filter(|i| !i.in_service()).map(|i| format!("{} {}", i.id, i.lifecycle));
            let launching: Vec<String> = launching.collect();
            let note = if launching.is_empty() { String::new() } else { format!("; {}", launching.join(", ")) };
            return Verdict::NotYet(format!("{missing}{note}"));
        }
        never => return never,
    }
    if let Some(missing) = in_service.iter().find(|id| !healthy_ids.contains(*id)) {
        return Verdict::NotYet(format!(
            "{missing} is in service in {} but not healthy in {}",
            fleet.name,
            short(target_group)
        ));
    }
    let stranger = |t: &&Target| t.health != Health::Draining && !fleet.instances.iter().any(|i| i.id == t.id);
    if upscale.exclusive
        && let Some(stranger) = targets.iter().find(stranger)
    {
        return Verdict::Never(Kind::Drifted.because(format!(
            "{} is registered in {} but does not belong to {}. Somebody registered it; traffic for the candidate would \
             reach it. Deregister it and deploy again.",
            stranger.id,
            short(target_group),
            fleet.name
        )));
    }
    Verdict::Holds
}

/// For how long launches have to keep failing before waiting is pointless: AWS tries again on its own, in other zones, too.
const FAILING_MILLIS: u64 = 60_000;

/// Whether the failed launches since the stage began, newest first, say that the fleet cannot come up (P15).
pub fn launches(fleet: &Fleet, failed: &[FailedActivity], stage_started_millis: u64) -> Result<()> {
    let Some(last) = failed.first() else { return Ok(()) };
    let failing_millis = last.started_millis.saturating_sub(stage_started_millis);
    if failing_millis < FAILING_MILLIS || !fleet.in_service().is_empty() {
        return Ok(());
    }
    Err(Kind::LaunchFailed.because(format!(
        "{} could not launch a single instance: {} failed attempts, the last one after {} s. AWS says: {}",
        fleet.name,
        failed.len(),
        failing_millis / 1000,
        last.reason
    )))
}

/// Whether the capacity is there that traffic is about to need (P10, P11: a target group without targets answers 503, and
/// one with only unhealthy targets fails open, so neither may get any).
///
/// A need of 0 is always met: before the first deployment nothing serves, and nothing has to.
pub fn covered(need: &Need, targets: &[Target]) -> Verdict {
    if need.healthy == 0 {
        return Verdict::Holds;
    }
    targets_healthy(&need.target_group, targets, need.healthy)
}

/// The same when rolling back: waiting for every last instance of the stable fleet must not keep traffic on a candidate
/// that is worse. Enough is what the traffic needs, or at least one and no less than the candidate has.
pub fn covered_for_rollback(need: &Need, gaining: &[Target], losing: &[Target]) -> Verdict {
    match covered(need, gaining) {
        Verdict::NotYet(_) if healthy(gaining) >= healthy(losing).max(1) => Verdict::Holds,
        verdict => verdict,
    }
}

/// Whether the weights are what this deployment last made of them: the ones from before it or any that it wrote.
///
/// Anything else is somebody's hand (P46): never overwritten blindly.
pub fn undrifted(router: &str, live: &Split, recorded: &[Route], written: &[Vec<Route>]) -> Result<()> {
    if live.has(recorded) || written.iter().any(|routes| live.has(routes)) {
        return Ok(());
    }
    let last = written.last().map_or(recorded, Vec::as_slice);
    Err(Kind::Drifted.because(format!(
        "{router} has weights {}, but this deployment last set {}. Somebody changed them meanwhile, and they are left as \
         they are.",
        in_words(&live.routes),
        in_words(last)
    )))
}

#[cfg(test)]
mod tests;
