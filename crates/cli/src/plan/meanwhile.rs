//! What happens while a deployment runs: how long both fleets stand side by side, what that is in members' time, and what is due
//! by then.
//!
//! What it owns: times from now on, by the stages' usual ones. It must never say a price: none of the APIs that are asked tells one.

use crossfade_core::freeze::Freeze;
use crossfade_core::observed::Schedule;
use crossfade_core::plan::{Action, Plan, StageKind};
use crossfade_core::snapshot::Snapshot;
use schemars::JsonSchema;
use serde::Serialize;

use super::Stage;

/// How long there is more than before and more than in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SideBySide {
    /// The number of the first stage in which there is more.
    pub(super) first: usize,
    /// The number of the last.
    pub(super) last: usize,
    /// How long these usually take together without questions, in milliseconds, where that is known of all of them.
    pub(super) usually_millis: Option<u64>,
    /// What is there beside what was before, in milliseconds of one unit of the fleets' sizes, by the usual times without questions.
    pub(super) extra_millis: Option<u64>,
    /// How much more there is while somebody is asked, in the same units, if somebody is.
    pub(super) extra_while_asked: Option<u32>,
}

impl SideBySide {
    /// How long there is more than before and more than in the end, by these stages. While a fleet grows, it has what it grows to; while
    /// one shrinks, what it had.
    pub(super) fn of(stages: &[Stage], serves: u32) -> Option<Self> {
        let before = serves.max(stages.last().map_or(0, |stage| stage.running));
        let earlier = std::iter::once(serves).chain(stages.iter().map(|stage| stage.running));
        let extra: Vec<u32> = stages
            .iter()
            .zip(earlier)
            .map(|(stage, earlier)| stage.running.max(earlier).saturating_sub(before))
            .collect();
        let first = extra.iter().position(|extra| *extra > 0)?;
        let last = extra.iter().rposition(|extra| *extra > 0)?;
        let both = || stages.iter().zip(&extra).take(last + 1).skip(first);
        let asks = |stage: &Stage| stage.kind == StageKind::Approve;
        let takes = |stage: &Stage| if asks(stage) { Some(0) } else { stage.usually_millis };
        Some(Self {
            first: first + 1,
            last: last + 1,
            usually_millis: both().map(|(stage, _)| takes(stage)).sum(),
            extra_millis: both().map(|(stage, extra)| Some(takes(stage)? * u64::from(*extra))).sum(),
            extra_while_asked: both().filter(|(stage, _)| asks(stage)).map(|(_, extra)| *extra).max(),
        })
    }
}

/// Something that is due while a deployment may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// When, in milliseconds since 1970.
    pub(super) at_millis: u64,
    /// What, in words.
    pub(super) what: String,
    /// What becomes of it, in a sentence.
    pub(super) then: String,
    /// Whether it falls into the usual time; otherwise only if some stage takes longer than usual, or nobody knows.
    pub(super) usually: bool,
}

/// What is due from now on until the last moment at which the deployment may still run.
pub(super) fn events(
    (plan, stages): (&Plan, &[Stage]),
    snapshot: &Snapshot,
    (schedules, freezes): (&[(String, Schedule)], &[Freeze]),
    now_millis: u64,
) -> Vec<Event> {
    let takes = |stage: &Stage| if stage.kind == StageKind::Approve { Some(0) } else { stage.usually_millis };
    let usual: Option<u64> = stages.iter().map(takes).sum();
    let last = now_millis + plan.seconds_from(0) * 1000;
    let within = |at: &u64| (now_millis..=last).contains(at);
    let usually = |at: u64| usual.is_some_and(|usual| at <= now_millis + usual);
    let place = Place::of(plan, snapshot);
    let mut events: Vec<Event> = Vec::new();
    for (fleet, schedule) in schedules {
        let Some(at_millis) = schedule.due_millis.filter(within) else { continue };
        let serves = snapshot.fleet(fleet).is_some();
        // What the base has by the same name is told with the fleet that has it already.
        let told = |(other, it): &(String, Schedule)| {
            other != fleet
                && snapshot.fleet(other).is_some()
                && it.name == schedule.name
                && it.due_millis == schedule.due_millis
        };
        if !serves && schedules.iter().any(told) {
            continue;
        }
        events.push(Event {
            at_millis,
            what: format!("scheduled action {} of {fleet}{}", schedule.name, sizes(schedule)),
            then: place.then(fleet, serves, snapshot),
            usually: usually(at_millis),
        });
    }
    for freeze in freezes.iter().filter(|freeze| !freeze.holds(now_millis)) {
        let opens = freeze.window.as_ref().and_then(|window| window.opens(now_millis));
        let Some(at_millis) = opens.filter(within).filter(|at| freeze.holds(*at)) else { continue };
        let then = "what runs by then goes on, and nothing new begins".to_owned();
        events.push(Event { at_millis, what: freeze.in_words(), then, usually: usually(at_millis) });
    }
    events.sort_by_key(|event| event.at_millis);
    events
}

fn sizes(schedule: &Schedule) -> String {
    let parts = [("min", schedule.min), ("desired", schedule.desired), ("max", schedule.max)];
    let parts: Vec<String> = parts.into_iter().filter_map(|(name, size)| Some(format!("{name} {}", size?))).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Where in a plan schedules rest, and where the new fleet gets them.
struct Place<'a> {
    plan: &'a Plan,
    carried: Option<usize>,
}

impl<'a> Place<'a> {
    fn of(plan: &'a Plan, snapshot: &Snapshot) -> Self {
        let carries = |action: &Action| matches!(action, Action::Carry(carry) if carry.fleet == snapshot.candidate);
        let carried = plan.stages.iter().position(|stage| carries(&stage.action)).map(|at| at + 1);
        Self { plan, carried }
    }

    fn then(&self, fleet: &str, serves: bool, snapshot: &Snapshot) -> String {
        let holds = |action: &Action| matches!(action, Action::Hold(hold) if hold.fleets.iter().any(|it| it == fleet));
        let held = self.plan.stages.iter().position(|stage| holds(&stage.action)).map(|at| at + 1);
        let rests = snapshot.fleet(fleet).is_some_and(crossfade_core::observed::Fleet::schedules_rest);
        let there = match (serves, held) {
            _ if rests => format!("it rests on {fleet} already"),
            (true, Some(stage)) => format!("it rests on {fleet} from stage {stage} on"),
            (true, None) => format!("it happens to {fleet}, which is not held"),
            (false, _) => format!("{fleet} is no more than the template"),
        };
        let candidate = &snapshot.candidate;
        let here = match self.carried {
            Some(stage) => format!("{candidate} has it from stage {stage} on, and misses it before"),
            None => format!("{candidate} does not get it"),
        };
        format!("{there}; {here}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(number: usize, kind: StageKind, usually_millis: Option<u64>, running: u32) -> Stage {
        let (name, does) = (String::new(), String::new());
        Stage { number, name, kind, does, usually_millis, limit_millis: 60_000, running, undone: Vec::new() }
    }

    #[test]
    fn both_fleets_count_from_the_first_launch_until_the_last_is_gone() {
        let stages = [
            stage(1, StageKind::Setup, Some(1_000), 4),
            stage(2, StageKind::Upscale, Some(60_000), 8),
            stage(3, StageKind::Approve, None, 8),
            stage(4, StageKind::Drain, Some(30_000), 8),
            stage(5, StageKind::Downsize, Some(45_000), 4),
            stage(6, StageKind::Prune, Some(10_000), 4),
        ];
        let both = SideBySide::of(&stages, 4).expect("there is more than before");
        assert_eq!((both.first, both.last), (2, 5));
        assert_eq!(both.usually_millis, Some(135_000));
        assert_eq!(both.extra_millis, Some(4 * 135_000));
        assert_eq!(both.extra_while_asked, Some(4));
        let unknown = [stage(1, StageKind::Upscale, None, 8)];
        assert_eq!(SideBySide::of(&unknown, 4).and_then(|both| both.usually_millis), None);
        assert_eq!(SideBySide::of(&[stage(1, StageKind::Downsize, None, 4)], 4), None, "nothing more than before");
    }
}
