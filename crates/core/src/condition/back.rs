//! What a rollback asks of the fleets that it brings users back to.
//!
//! Never more than there was. Waiting for an instance that nobody makes better must not keep users on a version that is to go;
//! neither may they come to what cannot carry them.

use super::{Verdict, counted, covered, covers, fleet_healthy, in_service, ready};
use crate::kinds::Ability;
use crate::observed::{Fleet, Health, Member, MemberState, Registered};
use crate::plan::Need;

/// How long instances are waited for that are ill and that nobody replaces: some get well by themselves. Those that were launched since
/// may only be starting.
const ILL_MILLIS: u64 = 60_000;

/// How long a stage has waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// For so long.
    pub millis: u64,
    /// Whether its time is over.
    pub over: bool,
}

/// What the traffic comes back from.
#[derive(Clone, Copy, Debug)]
pub struct Back<'a> {
    /// The side of the candidate.
    pub losing: &'a [Registered],
    /// How many percent of the traffic the side that gains has already, as far as weights say.
    pub carries: u32,
    /// How long it has been waited for.
    pub waited: Waited,
    /// The fleets as they were when the deployment began.
    pub before: &'a [Fleet],
}

/// The same as [`covered`] when rolling back. Enough is what the traffic needs, or
///
/// - at least one instance and no less than the candidate's side has: waiting for every last instance must not keep traffic on
///   something worse;
/// - when waiting is in vain, what there is, as long as no instance gets more than twice the load that it has now or was to have;
/// - when waiting is in vain and the candidate's side has nothing either, nothing: there is nobody to lose.
///
/// Where several fleets are needed, what they have together counts.
pub fn covered_for_rollback(needs: &[Need], fleets: &[Fleet], gaining: &[Registered], back: Back<'_>) -> Verdict {
    let verdict = covered(needs, fleets, gaining);
    if !matches!(verdict, Verdict::NotYet(_)) || fleets.is_empty() {
        return verdict;
    }
    let others = |registered: &Registered| {
        let healthy = registered.targets.iter().filter(|target| target.health == Health::Healthy);
        healthy.filter(|target| !fleets.iter().any(|fleet| fleet.has(target))).count()
    };
    let left = back.losing.iter().map(others).max().unwrap_or(0);
    let together = |registered: &Registered| fleets.iter().map(|fleet| ready(fleet, registered)).sum::<u32>();
    let there = gaining.iter().map(together).min().unwrap_or_else(|| fleets.iter().map(Fleet::capacity).sum());
    let wanted: u64 = needs.iter().map(|need| u64::from(need.healthy)).sum();
    let better = !gaining.is_empty() && there >= 1 && there as usize >= left;
    let bearable = there >= 1 && (2 * u64::from(there) >= wanted || back.carries >= 50);
    let nobody = there == 0 && left == 0 && !back.losing.is_empty();
    let mut missing = needs.iter().filter(|need| covers(need, fleets, gaining) != Verdict::Holds);
    let in_vain = missing.all(|need| {
        let its = gaining.iter().filter(|registered| need.target_groups.contains(&registered.target_group));
        let its: Vec<Registered> = its.cloned().collect();
        let before = back.before.iter().find(|fleet| fleet.name == need.fleet);
        let fleet = fleets.iter().find(|fleet| fleet.name == need.fleet);
        fleet.is_none_or(|fleet| in_vain(fleet, before, &its, back.waited))
    });
    if better || ((bearable || nobody) && in_vain) { Verdict::Holds } else { verdict }
}

/// Whether a fleet that gets its instances or its target groups back has so much of it healthy; when waiting is in vain, something.
///
/// `before` is the fleet as it was when the deployment began.
pub fn regained(
    fleet: &Fleet,
    before: Option<&Fleet>,
    registered: &[Registered],
    wanted: u32,
    waited: Waited,
) -> Verdict {
    let verdict = match registered {
        _ if wanted == 0 => Verdict::Holds,
        [] => in_service(fleet, wanted),
        _ => Verdict::all(registered.iter().map(|registered| fleet_healthy(fleet, registered, wanted))),
    };
    match verdict {
        Verdict::NotYet(_) if there(fleet, registered) >= 1 && in_vain(fleet, before, registered, waited) => {
            Verdict::Holds
        }
        Verdict::NotYet(missing) => Verdict::NotYet(format!("{missing}; {}", counted(fleet))),
        other => other,
    }
}

/// How much of a fleet is ready everywhere.
pub fn there(fleet: &Fleet, registered: &[Registered]) -> u32 {
    registered.iter().map(|registered| ready(fleet, registered)).min().unwrap_or_else(|| fleet.capacity())
}

/// Whether waiting any longer does not make more of a fleet healthy: the time is over, or nobody is about to.
pub fn in_vain(fleet: &Fleet, before: Option<&Fleet>, registered: &[Registered], waited: Waited) -> bool {
    waited.over || (waited.millis >= ILL_MILLIS && !mends(fleet, before, registered))
}

/// Whether more of a fleet is about to be healthy: instances come, are about to be registered, are still checked for the first time,
/// start, or are replaced. A group that judges its instances by other checks has them in service while they start, and they read as unhealthy till then (P4).
fn mends(fleet: &Fleet, before: Option<&Fleet>, registered: &[Registered]) -> bool {
    let of = |health: Health| {
        let targets = registered.iter().flat_map(|registered| &registered.targets);
        targets.filter(move |it| it.health == health && fleet.serving().any(|member| member.is(it)))
    };
    let own = |health: Health| of(health).count();
    let starts = of(Health::Unhealthy).any(|target| before.is_none_or(|before| !before.has(target)));
    // Who has just come into service is registered a moment later.
    let new = |id: &str| before.is_none_or(|before| before.members.iter().all(|member| member.id != id));
    let missing = |member: &&Member| registered.iter().any(|it| !it.targets.iter().any(|target| member.is(target)));
    let joins =
        !fleet.own.rests(Ability::Registering) && fleet.serving().any(|member| new(&member.id) && missing(&member));
    let comes = fleet.members.iter().any(|member| member.state == MemberState::Starting)
        || (fleet.capacity() < fleet.size.desired && !fleet.own.rests(Ability::Launching));
    comes || joins || starts || own(Health::Initial) > 0 || (own(Health::Unhealthy) > 0 && fleet.replaces_ill())
}
