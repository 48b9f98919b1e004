//! The conditions of stages and the guards before actions, judged from what was observed.

use crate::kinds::elb::{describe, short};
use crate::observed::{Because, Fleet, Happened, Health, Incident, Member, MemberState, Registered, Target};
use crate::plan::Need;
use crate::split::{Route, Split, in_words, old_first, split_in_words};
use crate::{Failure, Kind, Result, text};

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

impl Verdict {
    /// The first of these that does not hold, or that all do.
    fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts.into_iter().find(|verdict| *verdict != Verdict::Holds).unwrap_or(Verdict::Holds)
    }
}

/// Whether waiting can help these targets. Unused targets mean that the target group is in no rule (P7), unavailable ones that
/// nobody checks them (P12): neither turns healthy by waiting.
fn hopeless(target_group: &str, targets: &[&Target]) -> Option<Failure> {
    let of = |health| targets.iter().filter(move |t| t.health == health);
    let name = short(target_group);
    if let Some(target) = of(Health::Unavailable).next() {
        return Some(Kind::SteadyStateTimeout.because(format!(
            "Target {} in {name} is unavailable ({}): its health is not checked, so nothing proves that it serves. \
             Enable health checks on the target group.",
            target.id,
            target.reason.as_deref().unwrap_or("no reason given")
        )));
    }
    let unused = of(Health::Unused).find(|t| t.reason.as_deref() == Some("Target.NotInUse"))?;
    Some(Kind::SteadyStateTimeout.because(format!(
        "Target {} in {name} is not in use: no listener rule names the target group or the zone is not enabled, so it \
         is never checked. Keep {name} in a rule, with weight 0 if need be.",
        unused.id
    )))
}

/// Judges a target group by its targets alone: whether so many are healthy, and whether that can still come.
pub fn targets_healthy(registered: &Registered, wanted: u32) -> Verdict {
    let targets: Vec<&Target> = registered.targets.iter().collect();
    if let Some(failure) = hopeless(&registered.target_group, &targets) {
        return Verdict::Never(failure);
    }
    let ready = registered.healthy();
    if ready >= wanted as usize && wanted > 0 {
        return Verdict::Holds;
    }
    let name = short(&registered.target_group);
    Verdict::NotYet(format!("{ready} of {wanted} healthy in {name}{}", stragglers(&targets)))
}

/// How much of a fleet is in service, registered and healthy in a target group. Instances that are in standby, terminating or
/// warmed do not count (P29).
pub fn ready(fleet: &Fleet, registered: &Registered) -> u32 {
    fleet.serving().filter(|member| healthy(member, registered)).map(|member| member.weight).sum()
}

/// Whether a member is healthy in a target group.
fn healthy(member: &Member, registered: &Registered) -> bool {
    registered.targets.iter().any(|target| target.health == Health::Healthy && member.is(target))
}

/// Whether so much of a fleet is ready in a target group. An empty list is not "all healthy" (P6).
fn fleet_healthy(fleet: &Fleet, registered: &Registered, wanted: u32) -> Verdict {
    let own = registered.targets.iter().filter(|target| fleet.serving().any(|member| member.is(target)));
    let own: Vec<&Target> = own.collect();
    if let Some(failure) = hopeless(&registered.target_group, &own) {
        return Verdict::Never(failure);
    }
    let ready = ready(fleet, registered);
    if ready >= wanted && wanted > 0 {
        return Verdict::Holds;
    }
    let name = short(&registered.target_group);
    Verdict::NotYet(format!("{ready} of {wanted} healthy in {name}{}", stragglers(&own)))
}

/// What ails a fleet where it is registered, in words; nothing when all that it is to have is healthy.
pub fn ailing(fleet: &Fleet, registered: &Registered) -> Option<String> {
    match fleet_healthy(fleet, registered, fleet.size.desired) {
        Verdict::NotYet(missing) if fleet.size.desired > 0 => Some(missing),
        Verdict::Never(failure) => Some(failure.message),
        _ => None,
    }
}

/// The targets that are not healthy, with their reasons (B11, P9).
fn stragglers(targets: &[&Target]) -> String {
    let list: Vec<(&str, String)> = targets
        .iter()
        .filter(|target| target.health != Health::Healthy)
        .map(|target| {
            let reason = target.reason.as_deref().map_or_else(String::new, |reason| format!(" ({reason})"));
            // Whoever boots fails its checks until it answers: that is no news of failure.
            let so_far = if target.health == Health::Unhealthy { " so far" } else { "" };
            (target.id.as_str(), format!("{}{so_far}{reason}", format!("{:?}", target.health).to_lowercase()))
        })
        .collect();
    if list.is_empty() { String::new() } else { format!(": {}", text::each_or_counted(&list)) }
}

/// Whether a fleet is steady: the exact set of in-service instances is registered and healthy, and it is enough.
///
/// The group's word for it is not: a target group is attached "in service" at once (P5), and an instance is in
/// service before its application answers (P4). An instance more than asked, as while zones are rebalanced (P30), does no
/// harm.
///
/// Where it is `exclusive`, nothing else may be registered.
pub fn steady(fleet: &Fleet, registered: &[Registered], wanted: u32, exclusive: bool) -> Verdict {
    if wanted == 0 {
        return Verdict::Holds;
    }
    let enough = match registered {
        [] => in_service(fleet, wanted),
        _ => Verdict::all(registered.iter().map(|registered| fleet_healthy(fleet, registered, wanted))),
    };
    match enough {
        Verdict::Holds => {}
        Verdict::NotYet(missing) => return Verdict::NotYet(format!("{missing}; {}", counted(fleet))),
        never => return never,
    }
    Verdict::all(registered.iter().map(|registered| exact(fleet, registered, exclusive)))
}

/// Whether so much of a fleet is in service.
fn in_service(fleet: &Fleet, wanted: u32) -> Verdict {
    let ready = fleet.capacity();
    if ready >= wanted {
        Verdict::Holds
    } else {
        Verdict::NotYet(format!("{ready} of {wanted} in service in {}", fleet.name))
    }
}

/// How many members serve and how many are still to come, with their states: one that a life-cycle hook holds is `Pending:Wait`
/// (P16).
pub fn counted(fleet: &Fleet) -> String {
    let named = |state: MemberState| -> Vec<(&str, String)> {
        let of_state = fleet.members.iter().filter(|member| member.state == state);
        of_state.map(|member| (member.id.as_str(), member.said.clone())).collect()
    };
    let (pending, aside) = (named(MemberState::Starting), named(MemberState::Aside));
    let leaving = named(MemberState::Leaving).len();
    let mut text = format!("running {}, pending {}", fleet.serving().count(), pending.len());
    for list in [&pending, &aside].into_iter().filter(|list| !list.is_empty()) {
        text.push_str(&format!(" ({})", text::each_or_counted(list)));
    }
    if leaving > 0 {
        text.push_str(&format!(", leaving {leaving}"));
    }
    text
}

/// Whether every instance in service is healthy in a target group, and, where it has to be, nothing else is registered there.
fn exact(fleet: &Fleet, registered: &Registered, exclusive: bool) -> Verdict {
    let targets = &registered.targets;
    let name = short(&registered.target_group);
    if let Some(missing) = fleet.serving().find(|member| !healthy(member, registered)) {
        let (id, fleet) = (&missing.id, &fleet.name);
        return Verdict::NotYet(format!("{id} is in service in {fleet} but not healthy in {name}"));
    }
    let stranger = |target: &&Target| target.health != Health::Draining && !fleet.has(target);
    match targets.iter().find(stranger).filter(|_| exclusive) {
        None => Verdict::Holds,
        Some(stranger) => Verdict::Never(Kind::Drifted.because(format!(
            "{} is registered in {name} but does not belong to {}. Somebody registered it; traffic for the candidate would \
             reach it. Deregister it and deploy again.",
            stranger.id, fleet.name
        ))),
    }
}

/// Whether none of a fleet's instances is in a target group any more. What drains still finishes its requests, for the full
/// delay even when there are none (P36).
pub fn deregistered(fleet: &Fleet, registered: &[Registered]) -> Verdict {
    let left = |registered: &Registered| {
        let own = registered.targets.iter().filter(|target| fleet.has(target));
        // A target that was asked for by name reads as unused once it is gone.
        let own = own.filter(|t| t.health != Health::Unused).count();
        let name = short(&registered.target_group);
        if own == 0 { Verdict::Holds } else { Verdict::NotYet(format!("{own} of {} still in {name}", fleet.name)) }
    };
    Verdict::all(registered.iter().map(left))
}

/// What is left of a fleet that has been made smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remainder {
    /// No more than there is to be.
    Gone,
    /// The rest is on its way out and serves nothing any more, but something holds it: hooks may do so for hours (P16).
    Leaving(Vec<String>),
    /// So much that still serves or may, in units of its size.
    There(u32),
}

/// What is left of a fleet of which so much is to stay. An instance in standby somebody has put aside: it neither serves nor goes by
/// itself (P29).
pub fn remainder(fleet: &Fleet, most: u32) -> Remainder {
    // What is in a reserve, or on its way to one, serves nothing either.
    let (leaving, staying): (Vec<&Member>, Vec<&Member>) = fleet
        .members
        .iter()
        .filter(|member| !member.aside())
        .partition(|member| matches!(member.state, MemberState::Leaving | MemberState::Reserve));
    let there: u32 = staying.iter().map(|member| member.weight).sum();
    if there > most {
        return Remainder::There(there);
    }
    match leaving.as_slice() {
        [] => Remainder::Gone,
        some => Remainder::Leaving(some.iter().map(|it| format!("{} {}", it.id, it.said)).collect()),
    }
}

/// For how long launches have to keep failing before waiting is pointless: AWS tries again on its own, in other zones, too.
const FAILING_MILLIS: u64 = 60_000;

/// Whether the incidents since the stage began, newest first, say that the fleet cannot come up (P15). An instance that is on its
/// way, or that a hook holds (P16), is a launch that worked.
pub fn launches(fleet: &Fleet, incidents: &[Incident], stage_started_millis: u64) -> Result<()> {
    let failed: Vec<&Incident> = incidents.iter().filter(|incident| incident.failed).collect();
    let Some(last) = failed.first() else { return Ok(()) };
    let failing_millis = last.at_millis.saturating_sub(stage_started_millis);
    let launched = |member: &Member| matches!(member.state, MemberState::Starting | MemberState::Serving);
    if failing_millis < FAILING_MILLIS || fleet.members.iter().any(launched) {
        return Ok(());
    }
    Err(Kind::LaunchFailed.because(format!(
        "{} could not launch a single one: {} failed attempts, the last one after {} s. AWS says: {}",
        fleet.name,
        failed.len(),
        failing_millis / 1000,
        last.reason.as_deref().unwrap_or("no reason given")
    )))
}

/// The launches that failed, in words to append; nothing when none did.
pub fn failed_launches(incidents: &[Incident]) -> String {
    let mut failed = incidents.iter().filter(|incident| incident.failed);
    let Some(last) = failed.next() else { return String::new() };
    format!("; {} launches failed: {}", 1 + failed.count(), last.reason.as_deref().unwrap_or("no reason given"))
}

/// Whether a fleet does nothing but replace its instances: their group finds them unhealthy before they have started (P14), or a
/// hook lets none of them through (P16).
pub fn churn(fleet: &str, incidents: &[Incident], wanted: u32) -> Result<()> {
    let of =
        |what: Happened, because: Because| incidents.iter().filter(move |it| (it.what, it.because) == (what, because));
    let replaced = of(Happened::End, Because::Health).count();
    let given_up = of(Happened::Launch, Because::Hook).count();
    let last = of(Happened::Launch, Because::Hook).next().and_then(|it| it.reason.as_deref()).unwrap_or_default();
    if replaced + given_up < 2 * wanted.max(2) as usize {
        return Ok(());
    }
    Err(Kind::LaunchFailed.because(if given_up > replaced {
        format!(
            "{fleet} has given up {given_up} instances because a life-cycle hook did not let them through, and wants {wanted}. \
             AWS says: {last}"
        )
    } else {
        format!(
            "{fleet} has replaced {replaced} instances because they failed their health checks, and wants {wanted}: none lives \
             long enough to start. If the image is good, give the base a longer health check grace period."
        )
    }))
}

/// Whether the capacity is there that traffic is about to need (P10, P11: a target group without targets answers 503, and
/// one with only unhealthy targets fails open, so neither may get any).
///
/// Without a need, as before the first deployment when nothing serves, nothing has to be there. `fleets` are those that are
/// needed, `registered` what is in the target groups in which they are.
pub fn covered(needs: &[Need], fleets: &[Fleet], registered: &[Registered]) -> Verdict {
    Verdict::all(needs.iter().map(|need| covers(need, fleets, registered)))
}

fn covers(need: &Need, fleets: &[Fleet], registered: &[Registered]) -> Verdict {
    let Some(fleet) = fleets.iter().find(|fleet| fleet.name == need.fleet) else {
        return Verdict::NotYet(format!("{} does not exist, {} of it are needed", need.fleet, need.healthy));
    };
    if need.healthy == 0 {
        return Verdict::Holds;
    }
    if need.target_groups.is_empty() {
        return in_service(fleet, need.healthy);
    }
    let there = registered.iter().filter(|registered| need.target_groups.contains(&registered.target_group));
    Verdict::all(there.map(|registered| fleet_healthy(fleet, registered, need.healthy)))
}

/// Whether the weights are what this deployment last made of them: the ones from before it or any that it wrote.
///
/// Anything else is somebody's hand (P46): never overwritten blindly.
pub fn undrifted(on: &str, live: &Split, recorded: &[Route], written: &[Vec<Route>]) -> Result<()> {
    if live.has(recorded) || written.iter().any(|routes| live.has(routes)) {
        return Ok(());
    }
    let last = written.last().map_or(recorded, Vec::as_slice);
    Err(Kind::Drifted.because(format!(
        "{} has weights {}, but this deployment last set {}. Somebody changed them meanwhile, and they are left as \
         they are.",
        describe(on),
        split_in_words(&Split { routes: old_first(&live.routes, recorded), ..live.clone() }),
        in_words(&old_first(last, recorded))
    )))
}

mod back;
mod growing;
mod outlived;

pub use back::{Back, Waited, covered_for_rollback, in_vain, regained, there};
pub use growing::Growing;
pub use outlived::outlived;

#[cfg(test)]
pub(crate) mod tests;
