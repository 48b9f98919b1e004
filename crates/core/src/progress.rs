//! What the states of the machines pass on: ids and a few numbers. Everything else lives in the table.

use serde::{Deserialize, Serialize};

use crate::document::Reaction;
use crate::observed::Incident;
use crate::pace::{Situation, gap_millis};
use crate::plan::{ASKED, Direction, Plan, Stage, StageKind};
use crate::text;

/// The state of a run between two states of its machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The deployment.
    pub deployment_id: String,
    /// The fencing number under which this run may write.
    pub fence: u64,
    /// Which plan it runs.
    pub direction: Direction,
    /// The stage it is at.
    pub stage: StageRef,
    /// What to do with the stage next.
    pub phase: Phase,
    /// How long to wait before that, in whole seconds; 0 for not at all.
    pub wait_seconds: u32,
    /// When exactly to do it, in milliseconds since 1970: waiting is in whole seconds, the rest is the function's.
    pub due_millis: u64,
    /// When the stage was looked at before, in milliseconds since 1970; at first, when it started.
    #[serde(default)]
    pub looked_millis: u64,
    /// What is still missing, for whoever looks at the execution.
    #[serde(default)]
    pub note: String,
    /// How long somebody, who has paused the deployment before this stage, may take to let it go on, in seconds; 0 when nobody has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub paused_seconds: u32,
    /// Why the last look came to nothing, when AWS asked to slow down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub slowed: String,
    /// Since when each attempt has come to nothing for that reason, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowed_since_millis: Option<u64>,
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// As the pace of waiting says, knowing how long it took the last time, in seconds.
    Paced(Option<u32>),
    /// In so many milliseconds.
    In(u64),
}

/// The stage that a run is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageRef {
    /// Its place in the plan; the number of stages when none is left.
    pub index: usize,
    /// What the machine routes by.
    pub kind: StageKind,
    /// What a person calls it.
    pub name: String,
    /// Its deadline after its start, in seconds; of a question that is asked again, after that.
    pub timeout_seconds: u32,
    /// How much of its time had passed when its question was asked again, in seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub asked_seconds: u32,
    /// How many answers to its question did not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub void_answers: u32,
    /// When it started, in milliseconds since 1970.
    pub started_millis: u64,
    /// For how long it could not even look, in milliseconds: what does not count against its deadline.
    #[serde(default)]
    pub held_up_millis: u64,
    /// How many times it has failed and was tried again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// What follows when it fails; everything is rolled back where it is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Follows>,
    /// How long somebody has who is asked then, in seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ask_seconds: u32,
    /// Which incidents have been told since it started, each as a number made from what it is known by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<u32>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What follows when a stage fails, as the machine routes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Follows {
    /// It is tried again.
    Retry,
    /// Somebody is asked whether it is tried again.
    Ask,
}

impl Follows {
    /// What follows when a stage fails that was tried again so many times already.
    fn of(stage: &Stage, attempt: u32) -> Option<Self> {
        let Reaction { retries, ask } = &stage.reaction;
        match attempt {
            attempt if attempt < *retries => Some(Self::Retry),
            attempt if ask.is_some() && attempt < retries + ASKED => Some(Self::Ask),
            _ => None,
        }
    }
}

/// What to do with a stage next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Its action.
    Act,
    /// Look whether its condition holds.
    Check,
    /// Its action, once the function that only reads has looked at what is looked at meanwhile.
    Watch,
}

/// Later than this nothing comes by itself: it was tried again.
const LATE_MILLIS: u64 = 60_000;
/// How much of what held a stage of a deployment up does not count against its deadline, in milliseconds.
const HELD_UP_MAX_MILLIS: u64 = 30 * 60_000;
/// The same of what AWS asked to slow down. A rollback of the same would be as slow, so that a deployment waits for longer here; and a
/// rollback not for ever, since each attempt adds to its history.
const SLOWED_MAX_MILLIS: u64 = 2 * 3_600_000;
const SLOWED_BACK_MAX_MILLIS: u64 = 6 * 3_600_000;
/// When to ask again what was throttled: at first and at most. Whoever deploys makes way until everybody gets on; whoever goes back
/// waits for no longer than this, and neither does who has seen something.
const THROTTLED_MILLIS: u64 = 10_000;
const THROTTLED_MAX_MILLIS: u64 = 60_000;
const MAKING_WAY_MILLIS: u64 = 600_000;

/// The most characters of what is missing that the states pass on.
const NOTE: usize = 1_000;
/// The most incidents of one stage that are told; of those that fail, which somebody looks for, twice as many.
pub const TOLD: usize = 60;

/// What is missing, as the states pass it on.
fn noted(missing: &str) -> String {
    missing.chars().take(NOTE).collect()
}

impl StageRef {
    /// How long it may take, in seconds.
    pub fn allowed_seconds(&self) -> u32 {
        self.asked_seconds.saturating_add(self.timeout_seconds)
    }

    /// Whether an incident has not been told yet. One that was told while it was under way is told again when it has failed.
    pub fn is_news(&mut self, incident: &Incident) -> bool {
        let mark = mark(incident);
        let most = if incident.failed { 2 * TOLD } else { TOLD };
        let news = self.told.len() < most && !self.told.contains(&mark);
        if news {
            self.told.push(mark);
        }
        news
    }
}

/// A number for what an incident is known by (FNV-1a): two of a stage with the same one are told as one. Attempts fail in the same words
/// again and again.
fn mark(incident: &Incident) -> u32 {
    let known_by = if incident.failed { &incident.said } else { &incident.id };
    let bytes = known_by.bytes().chain([u8::from(incident.failed)]);
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Progress {
    /// What to say about what is missing: nothing when that was said at the look before.
    pub fn news(&self, missing: &str) -> Option<String> {
        text::adds(&self.note, &noted(missing)).then(|| text::changed(&self.note, missing))
    }

    /// A run at the first stage of a plan.
    pub fn start(deployment_id: &str, fence: u64, plan: &Plan, now_millis: u64) -> Self {
        Self::at(deployment_id, fence, plan, 0, now_millis)
    }

    fn at(deployment_id: &str, fence: u64, plan: &Plan, index: usize, now_millis: u64) -> Self {
        Self::nth(deployment_id, fence, plan, (index, 0), now_millis)
    }

    /// A stage that was tried again so many times already.
    fn nth(deployment_id: &str, fence: u64, plan: &Plan, (index, attempt): (usize, u32), now_millis: u64) -> Self {
        let stage = plan.stages.get(index);
        let ask = stage.and_then(|stage| stage.reaction.ask.as_ref());
        let kind = stage.map_or(StageKind::Finish, |stage| stage.action.kind());
        Self {
            deployment_id: deployment_id.into(),
            fence,
            direction: plan.direction,
            stage: StageRef {
                index,
                kind,
                name: stage.map_or_else(|| "Finish".into(), |stage| stage.name.clone()),
                timeout_seconds: stage.map_or(0, |stage| stage.timeout_seconds),
                asked_seconds: 0,
                void_answers: 0,
                started_millis: now_millis,
                held_up_millis: 0,
                attempt,
                on_failure: stage.and_then(|stage| Follows::of(stage, attempt)),
                ask_seconds: ask.map_or(0, |ask| ask.timeout_minutes * 60),
                told: Vec::new(),
            },
            // Some have nothing to do but to look.
            phase: match kind {
                StageKind::Pause | StageKind::Verify | StageKind::Drain => Phase::Check,
                _ => Phase::Act,
            },
            wait_seconds: 0,
            due_millis: now_millis,
            looked_millis: now_millis,
            note: String::new(),
            paused_seconds: 0,
            slowed: String::new(),
            slowed_since_millis: None,
        }
    }

    /// The same stage from its beginning: what it waited for before is over.
    #[must_use]
    pub fn begun(&self, plan: &Plan, now_millis: u64) -> Self {
        Self::at(&self.deployment_id, self.fence, plan, self.stage.index, now_millis)
    }

    /// The stage's condition holds: on to the next one.
    pub fn next(&self, plan: &Plan, now_millis: u64) -> Self {
        Self::at(&self.deployment_id, self.fence, plan, self.stage.index + 1, now_millis)
    }

    /// The stage has failed, and is tried again with its whole time.
    pub fn again(&self, plan: &Plan, now_millis: u64) -> Self {
        let nth = (self.stage.index, self.stage.attempt + 1);
        Self::nth(&self.deployment_id, self.fence, plan, nth, now_millis)
    }

    /// An answer to the stage's question does not count: it is asked again, until the same moment as before.
    #[must_use]
    pub fn asked_again(&self, deadline_millis: u64, now_millis: u64) -> Self {
        let seconds = |millis: u64| u32::try_from(millis / 1000).unwrap_or(u32::MAX);
        let whole = seconds(deadline_millis.saturating_sub(self.stage.started_millis)).max(1);
        let left = seconds(deadline_millis.saturating_sub(now_millis)).clamp(1, whole);
        let stage = StageRef {
            timeout_seconds: left,
            asked_seconds: whole - left,
            void_answers: self.stage.void_answers + 1,
            held_up_millis: 0,
            ..self.stage.clone()
        };
        Self {
            stage,
            phase: Phase::Act,
            wait_seconds: 0,
            due_millis: now_millis,
            looked_millis: now_millis,
            ..self.clone()
        }
    }

    /// The stage's condition does not hold yet: wait, then do `phase`.
    pub fn wait(&self, phase: Phase, again: Again, note: &str, now_millis: u64) -> Self {
        let elapsed_millis = now_millis.saturating_sub(self.stage.started_millis);
        // Looks at a pace follow each other from when they were due, so that what a look takes does not add up.
        let on_the_beat = now_millis.saturating_sub(self.due_millis) < 2_000;
        let (from, gap) = match again {
            Again::In(millis) => (now_millis, millis.max(1)),
            Again::Paced(expected_seconds) => {
                let gap = gap_millis(Situation { elapsed_millis, expected_seconds });
                (if on_the_beat { self.due_millis } else { now_millis }, gap)
            }
        };
        // Never past the deadline.
        let due_millis = (from + gap).min(self.deadline_millis().max(now_millis)).max(now_millis + 1);
        let seconds = due_millis.saturating_sub(now_millis) / 1000;
        Self {
            phase,
            wait_seconds: u32::try_from(seconds).unwrap_or(u32::MAX).max(1),
            due_millis,
            looked_millis: now_millis,
            note: if text::adds(&self.note, &noted(note)) { noted(note) } else { self.note.clone() },
            slowed: String::new(),
            slowed_since_millis: None,
            ..self.clone()
        }
    }

    /// AWS asked to slow down before anything could be known: later the same, and the further apart the longer that has been so. That time
    /// does not count against the deadline, up to a limit. Nothing once the deadline has passed. `chance`, from 0 to 1, keeps many
    /// deployments from asking at the same moment again.
    pub fn throttled(&self, why: &str, chance: f64, now_millis: u64) -> Option<Self> {
        let (hold_up_most, gap_most) = match self.direction {
            Direction::Deploy => (SLOWED_MAX_MILLIS, MAKING_WAY_MILLIS),
            Direction::Rollback => (SLOWED_BACK_MAX_MILLIS, THROTTLED_MAX_MILLIS),
        };
        let mut slowed = self.clone();
        slowed.hold_up(now_millis.saturating_sub(self.due_millis), hold_up_most);
        if now_millis >= slowed.deadline_millis() {
            return None;
        }
        let since = self.slowed_since_millis.unwrap_or(self.due_millis.min(now_millis));
        let before = now_millis.saturating_sub(since);
        // What is to be done is to be done soon.
        let gap = if self.phase == Phase::Act { before / 2 } else { 2 * before };
        let gap = (gap.clamp(THROTTLED_MILLIS, gap_most) as f64 * (0.5 + chance)) as u64;
        slowed.hold_up(gap, hold_up_most);
        let later = slowed.wait(self.phase, Again::In(gap), &self.note, now_millis);
        // It has seen nothing.
        let looked_millis = self.looked_millis;
        Some(Self { slowed: why.chars().take(300).collect(), slowed_since_millis: Some(since), looked_millis, ..later })
    }

    /// The same with more time until the next look, since this one was throttled so often. What is known to last longer stays.
    #[must_use]
    pub fn at_ease(self, throttled: u32, chance: f64, now_millis: u64) -> Self {
        let gap = self.due_millis.saturating_sub(now_millis);
        if throttled == 0 || self.wait_seconds == 0 || gap >= THROTTLED_MAX_MILLIS {
            return self;
        }
        let more = f64::from(throttled.min(3)) * (0.5 + chance);
        let gap = (gap as f64 * (1.0 + more)).min(THROTTLED_MAX_MILLIS as f64) as u64;
        let (phase, note, looked) = (self.phase, self.note.clone(), self.looked_millis);
        Self { looked_millis: looked, ..self.wait(phase, Again::In(gap), &note, now_millis) }
    }

    /// Whether a moment of the stage has come since the look before, however long ago that was.
    pub fn has_come(&self, after_millis: u64, now_millis: u64) -> bool {
        let moment = self.stage.started_millis + after_millis;
        self.looked_millis < moment && moment <= now_millis
    }

    /// Whether a moment of the stage that comes again every so many milliseconds has come since the look before.
    pub fn has_come_again(&self, every_millis: u64, now_millis: u64) -> bool {
        let times = |millis: u64| millis.saturating_sub(self.stage.started_millis) / every_millis.max(1);
        times(now_millis) > times(self.looked_millis)
    }

    /// The stage's deadline, in milliseconds since 1970.
    pub fn deadline_millis(&self) -> u64 {
        self.stage.started_millis + u64::from(self.stage.allowed_seconds()) * 1000 + self.stage.held_up_millis
    }

    /// Notes that what was due comes late. Whom a service kept waiting still has the time that its stage was given: a rollback however
    /// long that was, a deployment unless it was for very long, since a rollback is its way out.
    pub fn comes_at(&mut self, now_millis: u64) {
        let late = now_millis.saturating_sub(self.due_millis);
        if late <= LATE_MILLIS {
            return;
        }
        let most = match self.direction {
            Direction::Rollback => u64::MAX,
            Direction::Deploy => HELD_UP_MAX_MILLIS,
        };
        self.hold_up(late, most);
        // From now on it is on time: what counted does not count again.
        self.due_millis = now_millis;
    }

    /// Notes that the stage was held up for so long, as far as that is less than the most that does not count against its deadline.
    fn hold_up(&mut self, millis: u64, most: u64) {
        let held_up = &mut self.stage.held_up_millis;
        *held_up = held_up.saturating_add(millis).min(most.max(*held_up));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Pause, Prune};

    fn plan() -> Plan {
        let stage = |action| Stage {
            name: "s".into(),
            action,
            timeout_seconds: 600,
            watched: false,
            serves: false,
            reaction: Reaction::default(),
        };
        Plan {
            direction: Direction::Deploy,
            settled_millis: 0,
            stages: vec![
                stage(Action::Pause(Pause { seconds: 9, wanted: true })),
                stage(Action::Prune(Prune { keep: 3 })),
            ],
        }
    }

    #[test]
    fn stages_follow_each_other_and_then_comes_finish() {
        let first = Progress::start("d", 1, &plan(), 1_000);
        assert_eq!((first.stage.kind, first.phase), (StageKind::Pause, Phase::Check));
        let second = first.next(&plan(), 2_000);
        assert_eq!((second.stage.kind, second.phase), (StageKind::Prune, Phase::Act));
        assert_eq!(second.next(&plan(), 3_000).stage.kind, StageKind::Finish);
    }

    #[test]
    fn looks_stay_on_their_beat_whatever_a_look_takes() {
        let mut progress = Progress::start("d", 1, &plan(), 0);
        progress.due_millis = 40_000;
        let next = progress.wait(Phase::Check, Again::Paced(None), "", 40_400);
        assert_eq!(next.due_millis, 44_900);
        assert_eq!(next.wait_seconds, 4);
    }

    #[test]
    fn a_moment_comes_once_however_long_ago_the_look_before_was() {
        // The paces of a first deployment, and of one whose predecessor took five minutes: gaps of 4.9 s and of 15 s.
        for gap in [4_900, 15_000, 60_000] {
            let (mut progress, mut once, mut again) = (Progress::start("d", 1, &plan(), 1_000), 0, 0);
            for look in 1..=600_000 / gap {
                let now = 1_000 + look * gap;
                once += u32::from(progress.has_come(125_000, now));
                again += u32::from(progress.has_come_again(60_000, now));
                progress = progress.wait(Phase::Check, Again::In(gap), "", now);
                progress.stage.timeout_seconds = 3_600;
            }
            assert_eq!(once, 1, "every {gap} ms");
            assert!((9..=10).contains(&again), "every {gap} ms: {again} times in ten minutes");
        }
    }

    /// The gaps between the attempts of a stage of ten minutes all of which are throttled, in seconds, and when it gives up.
    fn throttled(direction: Direction, phase: Phase) -> (Vec<u64>, u64) {
        let first = Progress::start("d", 1, &Plan { direction, ..plan() }, 0);
        let (mut progress, mut now, mut gaps) = (Progress { phase, ..first }, 5_000, Vec::new());
        while let Some(later) = progress.throttled("Rate exceeded", 0.5, now) {
            gaps.push((later.due_millis - now) / 1000);
            assert_eq!((later.phase, later.slowed.as_str(), later.looked_millis), (phase, "Rate exceeded", 0));
            // The calls of an attempt wait for their turn for 20 seconds.
            (now, progress) = (later.due_millis + 20_000, later);
        }
        (gaps, now / 1000)
    }

    #[test]
    fn what_is_throttled_is_asked_again_ever_later_and_that_time_does_not_count() {
        let (gaps, gave_up) = throttled(Direction::Deploy, Phase::Check);
        assert_eq!(gaps[..6], [10, 70, 250, 600, 600, 600], "it makes way for others");
        assert!(
            (600 + 7_200..600 + 7_200 + 620).contains(&gave_up),
            "its ten minutes after two hours, not at {gave_up} s"
        );
        let (gaps, gave_up) = throttled(Direction::Rollback, Phase::Check);
        assert_eq!(gaps[..4], [10, 60, 60, 60], "whoever goes back does not make way");
        assert!((600 + 21_600..600 + 21_600 + 80).contains(&gave_up), "after six hours, not at {gave_up} s");
        let (gaps, _) = throttled(Direction::Deploy, Phase::Act);
        assert_eq!(gaps[..5], [10, 17, 36, 64, 106], "what is to be done is to be done soon");
    }

    #[test]
    fn what_was_held_up_for_less_than_its_time_out_still_has_its_time() {
        let mut progress = Progress::start("d", 1, &plan(), 0);
        let mut now = 20_000;
        while now < 580_000 {
            progress = progress.throttled("Rate exceeded", 0.5, now).expect("it goes on");
            now = progress.due_millis + 20_000;
        }
        let seen = progress.wait(Phase::Check, Again::In(5_000), "2 of 4", now);
        assert_eq!((seen.slowed_since_millis, seen.slowed.as_str()), (None, ""));
        assert!(seen.deadline_millis() - now > 550_000, "nearly all of its ten minutes");
    }

    #[test]
    fn a_moment_that_comes_while_looks_are_throttled_is_not_missed() {
        let seen = Progress::start("d", 1, &plan(), 0).wait(Phase::Check, Again::In(5_000), "", 120_000);
        let slowed = seen.throttled("Rate exceeded", 0.5, 130_000).expect("it goes on");
        assert!(slowed.has_come(125_000, slowed.due_millis));
    }

    #[test]
    fn a_look_that_was_throttled_makes_the_next_one_later() {
        let look = Progress::start("d", 1, &plan(), 0).wait(Phase::Check, Again::In(5_000), "2 of 4", 10_000);
        let gap = |throttled| look.clone().at_ease(throttled, 0.5, 10_000).due_millis - 10_000;
        assert_eq!([gap(0), gap(1), gap(2), gap(3), gap(9)], [5_000, 10_000, 15_000, 20_000, 20_000]);
        assert_eq!(look.clone().at_ease(1, 0.5, 10_000).note, "2 of 4");
        let known = look.wait(Phase::Check, Again::In(300_000), "left", 10_000);
        assert_eq!(known.clone().at_ease(3, 0.5, 10_000), known, "whose end is known");
    }

    #[test]
    fn g6_what_repeats_is_not_said_again_however_long_it_is_and_what_changes_is_said_alone() {
        let fleet = |first: &str| {
            let rest: Vec<String> =
                (2..=60).map(|n| format!("i-{n:017} initial (Elb.RegistrationInProgress)")).collect();
            format!("0 of 60 healthy in shop-b: i-1 {first}, {}", rest.join(", "))
        };
        let progress = Progress::start("d", 1, &plan(), 0).wait(Phase::Check, Again::In(9), &fleet("initial"), 0);
        assert_eq!(progress.news(&fleet("initial")), None);
        let whole = "0 of 2 healthy in shop-b: i-1 initial, i-2 initial; running 2, pending 0";
        let seen = progress.wait(Phase::Check, Again::In(9), whole, 9);
        let less = "0 of 2 healthy in shop-b: i-1 initial, i-2 initial";
        assert_eq!(seen.news(less), None, "a look that saw less says nothing new");
        assert_eq!(seen.wait(Phase::Check, Again::In(9), less, 18).news(whole), None);
        let short = "0 of 2 healthy in shop-b: i-1 initial, i-2 initial";
        let progress = progress.wait(Phase::Check, Again::In(9), short, 9);
        let changed = progress.news("0 of 2 healthy in shop-b: i-1 unhealthy (Target.Timeout), i-2 initial");
        assert_eq!(changed.as_deref(), Some("0 of 2 healthy in shop-b: i-1 unhealthy (Target.Timeout); 1 as before"));
    }

    #[test]
    fn c4_an_incident_is_told_once_and_once_more_when_it_has_failed() {
        let mut stage = Progress::start("d", 1, &plan(), 0).stage;
        let launch = Incident { id: "a".into(), ..Incident::default() };
        let failed = Incident { failed: true, said: "no capacity".into(), ..launch.clone() };
        let again = Incident { id: "c".into(), ..failed.clone() };
        let other = Incident { id: "b".into(), ..launch.clone() };
        let told = [&launch, &launch, &other, &failed, &again, &launch].map(|it| stage.is_news(it));
        assert_eq!(told, [true, false, true, true, false, false]);
    }

    #[test]
    fn what_holds_a_run_up_does_not_count_against_its_deadline() {
        let at = |direction, late_millis: u64| {
            let mut progress = Progress::start("d", 1, &Plan { direction, ..plan() }, 0);
            progress.due_millis = 100_000;
            progress.comes_at(100_000 + late_millis);
            progress.deadline_millis()
        };
        assert_eq!(at(Direction::Rollback, 5 * 3_600_000), 600_000 + 5 * 3_600_000);
        assert_eq!(at(Direction::Rollback, 4_000), 600_000, "clocks differ");
        assert_eq!(at(Direction::Deploy, 15 * 60_000), 600_000 + 15 * 60_000);
        assert_eq!(at(Direction::Deploy, 5 * 3_600_000), 600_000 + HELD_UP_MAX_MILLIS);
    }

    #[test]
    fn no_wait_goes_past_the_deadline() {
        let progress = Progress::start("d", 1, &plan(), 0);
        assert_eq!(progress.wait(Phase::Check, Again::In(9_000_000), "", 590_000).due_millis, 600_000);
    }
}
