//! What happens to a deployment, as events: told once each, from one view after the other. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crossfade_core::document::Decision;
use crossfade_core::plan::{Direction, StageKind};
use crossfade_steps::Status;
use schemars::JsonSchema;
use serde::Serialize;

use crate::installed::ActsIn;
use crate::view::checks::{Answered, Verdict};
use crate::view::now::{FleetNow, SwitchNow};
use crate::view::text::{self, span, time};
use crate::view::{Entry, Failure, Question, Stage, StageState, View, statuses};

/// How long it is waited in silence, in the account's time.
const SILENCE_MILLIS: u64 = 300_000;

/// Something that happened. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[schemars(title = "A line of `crossfade watch --output json`")]
pub(crate) enum Event {
    /// A deployment is followed: the first event.
    Following {
        /// The deployment's id.
        deployment_id: String,
        /// The account, the region, and whoever follows.
        acts_in: ActsIn,
    },
    /// A stage began.
    StageStarted {
        /// When.
        at_millis: u64,
        /// Which.
        #[serde(flatten)]
        stage: Which,
        /// How long it may take.
        limit_millis: u64,
        /// How long the same stage took the last time.
        last_time_millis: Option<u64>,
    },
    /// A stage's condition was seen to hold.
    StageHeld {
        /// When.
        at_millis: u64,
        /// Which.
        #[serde(flatten)]
        stage: Which,
        /// How long it took.
        millis: u64,
    },
    /// A stage still waits: told every five minutes.
    Waiting {
        /// When.
        at_millis: u64,
        /// Which.
        #[serde(flatten)]
        stage: Which,
        /// For how long so far.
        millis: u64,
        /// How long it may take.
        limit_millis: u64,
        /// What is still missing.
        missing: Option<String>,
    },
    /// Somebody is asked.
    ApprovalWanted {
        /// When.
        at_millis: u64,
        /// Which stage asks.
        #[serde(flatten)]
        stage: Which,
        /// What.
        question: String,
        /// Until when.
        deadline_millis: u64,
        /// What counts as the decision when nobody says anything.
        on_timeout: Decision,
    },
    /// Somebody has decided, or the deadline has.
    Decided {
        /// When.
        at_millis: u64,
        /// Which stage asked.
        #[serde(flatten)]
        stage: Which,
        /// What.
        decision: Decision,
        /// Who, as far as they said.
        by: Option<String>,
        /// What they said.
        comment: Option<String>,
    },
    /// Other weights than before were seen.
    Weights {
        /// When.
        at_millis: u64,
        /// The rules and listeners, each old before new.
        switches: Vec<SwitchNow>,
        /// The fleets, old before new.
        fleets: Vec<FleetNow>,
    },
    /// A check says something else than before.
    Checked {
        /// When.
        at_millis: u64,
        /// The check's name in the document.
        name: String,
        /// What it says.
        verdict: Verdict,
        /// The same in words, with its figures.
        said: String,
    },
    /// The rollback began, or begins again.
    RollingBack {
        /// When.
        at_millis: u64,
        /// Why.
        failure: Option<Failure>,
        /// How many stages it has.
        of: usize,
    },
    /// The execution has died, and the rollback has not begun.
    Died {
        /// When.
        at_millis: u64,
        /// How, and what follows.
        message: String,
    },
    /// A line of the log; only when it is asked for.
    Log(Entry),
    /// It is over: the last event.
    Ended {
        /// The deployment's id.
        deployment_id: String,
        /// How it ended.
        #[schemars(schema_with = "statuses")]
        status: Status,
        /// The infrastructure definition.
        infrastructure: String,
        /// Its execution.
        execution_arn: String,
        /// When it started.
        started_millis: u64,
        /// When it ended.
        ended_millis: Option<u64>,
        /// Why it failed, if it did.
        failure: Option<Failure>,
    },
    /// Nobody follows any more, and the deployment goes on: the last event then.
    Left {
        /// The deployment's id.
        deployment_id: String,
        /// What ended the following.
        because: Because,
    },
}

/// What ends the following of a deployment that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Because {
    /// The time of `--timeout` is over.
    Timeout,
    /// Somebody has interrupted the command.
    Interrupted,
}

/// Which stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Which {
    /// On the way forward, or back.
    pub(crate) direction: Direction,
    /// Its number.
    pub(crate) stage: usize,
    /// Of so many.
    pub(crate) of: usize,
    /// What it does.
    pub(crate) kind: StageKind,
    /// What a person calls it.
    pub(crate) name: String,
}

impl Which {
    /// `3/10`, `R1/5`.
    fn place(&self) -> String {
        let back = if self.direction == Direction::Rollback { "R" } else { "" };
        format!("{back}{}/{}", self.stage, self.of)
    }
}

impl Event {
    fn at_millis(&self) -> Option<u64> {
        match self {
            Event::StageStarted { at_millis, .. }
            | Event::StageHeld { at_millis, .. }
            | Event::Waiting { at_millis, .. }
            | Event::ApprovalWanted { at_millis, .. }
            | Event::Decided { at_millis, .. }
            | Event::Weights { at_millis, .. }
            | Event::Checked { at_millis, .. }
            | Event::RollingBack { at_millis, .. }
            | Event::Died { at_millis, .. } => Some(*at_millis),
            Event::Log(entry) => Some(entry.at_millis),
            Event::Following { .. } | Event::Ended { .. } | Event::Left { .. } => None,
        }
    }

    fn started(&self) -> Option<&Which> {
        if let Event::StageStarted { stage, .. } = self { Some(stage) } else { None }
    }

    /// The stage of which this says more than that it has begun.
    fn says_more(&self) -> Option<&Which> {
        match self {
            Event::StageHeld { stage, .. } | Event::ApprovalWanted { stage, .. } => Some(stage),
            _ => None,
        }
    }
}

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// Whether the lines of the log are told, too.
    log: bool,
    /// Whether it is expected that the execution has died.
    stopped: bool,
    told: BTreeSet<(&'static str, bool, usize, u64)>,
    lines: usize,
    /// The weights that were told last.
    weights: Option<Vec<SwitchNow>>,
    /// What each check said that was told last.
    verdicts: BTreeMap<String, Verdict>,
    /// Which stage was last heard of, and when.
    heard: Option<(bool, usize, u64)>,
}

impl Teller {
    pub(crate) fn new(log: bool, stopped: bool) -> Self {
        Self { log, stopped, ..Self::default() }
    }

    /// What has happened since the view before, in the order in which it happened.
    pub(crate) fn tell(&mut self, view: &View) -> Vec<Event> {
        let mut events = Vec::new();
        // Of what happened at the same time, what led to the rest comes first.
        self.decisions(view, &mut events);
        if let Some(began) = view.rollback_millis
            && self.told.insert(("back", true, 0, began))
        {
            let failure = view.failure.clone();
            events.push(Event::RollingBack { at_millis: began, failure, of: view.rollback.len() });
        }
        for (direction, way) in [(Direction::Deploy, &view.stages), (Direction::Rollback, &view.rollback)] {
            self.stages(view, direction, way, &mut events);
        }
        self.checks(view, &mut events);
        if let Some(message) = view.died.clone().filter(|_| !self.stopped)
            && self.told.insert(("died", false, 0, 0))
        {
            events.push(Event::Died { at_millis: view.as_of_millis, message });
        }
        if self.log {
            events.extend(view.log.iter().skip(self.lines).cloned().map(Event::Log));
            self.lines = view.log.len();
        }
        events.sort_by_key(|event| event.at_millis());
        self.waiting(view, &mut events);
        events
    }

    fn stages(&mut self, view: &View, direction: Direction, way: &[Stage], events: &mut Vec<Event>) {
        let back = direction == Direction::Rollback;
        for stage in way {
            let which = || which(direction, stage, way.len());
            let Some(started) = stage.started_millis else { continue };
            let attempt = view.rollback_millis.filter(|_| back).unwrap_or_default();
            if self.told.insert(("started", back, stage.number, attempt)) {
                self.heard = Some((back, stage.number, started));
                events.push(Event::StageStarted {
                    at_millis: started,
                    stage: which(),
                    limit_millis: stage.limit_millis,
                    last_time_millis: stage.last_time_millis,
                });
            }
            if stage.state == StageState::Asking
                && let Some(question) = view.question.as_ref().filter(|it| of_stage(it, direction, stage))
                && self.told.insert(("asked", back, stage.number, question.deadline_millis))
            {
                events.push(Event::ApprovalWanted {
                    at_millis: started,
                    stage: which(),
                    question: question.message.clone(),
                    deadline_millis: question.deadline_millis,
                    on_timeout: question.on_timeout,
                });
            }
            if let Some(held) = stage.held_millis
                && self.told.insert(("held", back, stage.number, held))
            {
                events.push(Event::StageHeld { at_millis: held, stage: which(), millis: held.saturating_sub(started) });
            }
        }
    }

    /// When a decision was made is not written down: it is when its stage came to hold, or the way back began.
    fn decisions(&mut self, view: &View, events: &mut Vec<Event>) {
        for approval in &view.approvals {
            let Some(decision) = approval.decision else { continue };
            let Question { direction, stage, deadline_millis, .. } = approval.question;
            let back = direction == Direction::Rollback;
            let way = if back { &view.rollback } else { &view.stages };
            // One of a rollback that was tried before.
            let Some(asked) = way.get(stage - 1).filter(|it| it.started_millis.is_some()) else { continue };
            if self.told.insert(("decided", back, stage, deadline_millis)) {
                let at_millis = asked.held_millis.or(view.rollback_millis).unwrap_or(view.as_of_millis);
                let stage = which(direction, asked, way.len());
                let (by, comment) = (approval.by.clone(), approval.comment.clone());
                events.push(Event::Decided { at_millis, stage, decision, by, comment });
            }
        }
    }

    fn checks(&mut self, view: &View, events: &mut Vec<Event>) {
        for check in &view.checks {
            let Some(Answered { at_millis, verdict }) = check.answers.last().copied() else { continue };
            if self.verdicts.insert(check.name.clone(), verdict) != Some(verdict) {
                let (name, said) = (check.name.clone(), check.said.clone());
                events.push(Event::Checked { at_millis, name, verdict, said });
            }
        }
    }

    /// What has been waiting in silence for long.
    fn waiting(&mut self, view: &View, events: &mut Vec<Event>) {
        let Some(stage) = view.stage().filter(|stage| stage.state != StageState::Failed) else { return };
        let back = !view.rollback.is_empty();
        let direction = if back { Direction::Rollback } else { Direction::Deploy };
        let of = if back { view.rollback.len() } else { view.stages.len() };
        let Some(started) = stage.started_millis else { return };
        let heard = self.heard.filter(|(way, number, _)| (*way, *number) == (back, stage.number));
        let since = heard.map_or(started, |(.., at)| at);
        if view.as_of_millis.saturating_sub(since) < SILENCE_MILLIS {
            return;
        }
        self.heard = Some((back, stage.number, view.as_of_millis));
        events.push(Event::Waiting {
            at_millis: view.as_of_millis,
            stage: which(direction, stage, of),
            millis: view.as_of_millis.saturating_sub(started),
            limit_millis: stage.limit_millis,
            missing: stage.missing.clone(),
        });
    }

    /// That the weights are others than before, if they were seen and are.
    pub(crate) fn weights(&mut self, view: &View) -> Option<Event> {
        let now = view.now.as_ref().filter(|now| !now.switches.is_empty())?;
        let untouched = |switch: &SwitchNow| switch.weights.iter().all(|weight| weight.now == weight.before);
        let silent = match &self.weights {
            Some(told) => split(told) == split(&now.switches),
            None => now.switches.iter().all(untouched),
        };
        self.weights = Some(now.switches.clone());
        let (switches, fleets) = (now.switches.clone(), now.fleets.clone());
        (!silent).then_some(Event::Weights { at_millis: view.as_of_millis, switches, fleets })
    }
}

/// Where the traffic goes, whatever was set.
fn split(switches: &[SwitchNow]) -> Vec<(&str, Vec<u32>)> {
    let weights = |switch: &SwitchNow| switch.weights.iter().map(|weight| weight.now).collect();
    switches.iter().map(|switch| (switch.on.as_str(), weights(switch))).collect()
}

/// That a deployment is over.
pub(crate) fn ended(view: &View) -> Event {
    Event::Ended {
        deployment_id: view.deployment_id.clone(),
        status: view.status,
        infrastructure: view.infrastructure.clone(),
        execution_arn: view.execution_arn.clone(),
        started_millis: view.started_millis,
        ended_millis: view.ended_millis,
        failure: view.failure.clone(),
    }
}

fn which(direction: Direction, stage: &Stage, of: usize) -> Which {
    Which { direction, stage: stage.number, of, kind: stage.kind, name: stage.name.clone() }
}

fn of_stage(question: &Question, direction: Direction, stage: &Stage) -> bool {
    (question.direction, question.stage) == (direction, stage.number)
}

/// The events in words, each with its time. The last of them says how traffic and health are, if that was seen.
pub(crate) fn lines(events: &[Event], view: &View) -> Vec<String> {
    let more: Vec<&Which> = events.iter().filter_map(Event::says_more).collect();
    let told = |event: &&Event| !event.started().is_some_and(|which| more.contains(&which));
    let events: Vec<&Event> = events.iter().filter(told).collect();
    let of_stage = |event: &&&Event| {
        matches!(
            event,
            Event::StageStarted { .. } | Event::StageHeld { .. } | Event::Waiting { .. } | Event::ApprovalWanted { .. }
        )
    };
    let last = events.iter().rposition(|event| of_stage(&event));
    let mut lines = Vec::new();
    for (i, event) in events.into_iter().enumerate() {
        let mut told = words(event, view);
        if let (true, Some(now), Some(first)) = (Some(i) == last, &view.now, told.first_mut()) {
            first.push_str(&format!("  {}", text::in_short(now)));
        }
        lines.extend(told);
    }
    lines
}

fn words(event: &Event, view: &View) -> Vec<String> {
    let dated = |at: u64, place: &str, what: String| vec![format!("{} {place:>5} {what}", time(at))];
    match event {
        Event::StageStarted { at_millis, stage, limit_millis, last_time_millis } => {
            let last_time = last_time_millis.map_or_else(String::new, |it| format!("last time {}, ", span(it)));
            dated(*at_millis, &stage.place(), format!("▶ {} ({last_time}limit {})", stage.name, span(*limit_millis)))
        }
        Event::StageHeld { at_millis, stage, millis } => {
            dated(*at_millis, &stage.place(), format!("✓ {} ({})", stage.name, span(*millis)))
        }
        Event::Waiting { at_millis, stage, millis, limit_millis, missing } => {
            let missing = missing.as_ref().map_or_else(String::new, |missing| format!(": {missing}"));
            let how_long = format!("for {}, limit {}", span(*millis), span(*limit_millis));
            dated(*at_millis, &stage.place(), format!("… {} ({how_long}){missing}", stage.name))
        }
        Event::ApprovalWanted { at_millis, stage, question, .. } => {
            let asked = view.question.as_ref().filter(|it| it.stage == stage.stage);
            let left = asked.map_or_else(String::new, |it| format!(" ({})", text::left(it, view.as_of_millis)));
            let mut lines = dated(*at_millis, &stage.place(), format!("? {}: {question}{left}", stage.name));
            let which = format!("{} --stage {}", view.deployment_id, stage.stage);
            match stage.direction {
                Direction::Deploy => {
                    lines.push(format!("  approve: crossfade approve {which}"));
                    lines.push(format!("  reject:  crossfade reject {which}"));
                }
                Direction::Rollback => lines.push(format!("  end the inspection: crossfade approve {which}")),
            }
            lines
        }
        Event::Decided { at_millis, stage, decision, by, comment } => {
            let (mark, word) = match (stage.direction, decision) {
                (Direction::Rollback, _) => ("✓", "Inspection ended"),
                (Direction::Deploy, Decision::Approve) => ("✓", "Approved"),
                (Direction::Deploy, Decision::Reject) => ("✗", "Rejected"),
            };
            let by = by.as_deref().unwrap_or("somebody who did not say who");
            let comment = comment.as_ref().map_or_else(String::new, |comment| format!(": {comment}"));
            dated(*at_millis, &stage.place(), format!("{mark} {word} by {by}{comment}"))
        }
        Event::Weights { at_millis, switches, .. } => {
            let all: BTreeSet<String> = switches.iter().map(text::weights).collect();
            dated(*at_millis, "", format!("weights are {}", all.into_iter().collect::<Vec<_>>().join(", ")))
        }
        Event::Checked { at_millis, name, verdict, said } => dated(*at_millis, "", text::check(*verdict, name, said)),
        Event::RollingBack { at_millis, failure, .. } => {
            let why = failure.as_ref().map_or_else(String::new, |it| format!(" because of {}: {}", it.error, it.cause));
            dated(*at_millis, "", format!("↩ rolling back{why}"))
        }
        Event::Following { .. } | Event::Left { .. } => Vec::new(),
        Event::Died { at_millis, message } => dated(*at_millis, "", format!("✗ {message}")),
        Event::Log(Entry { at_millis, line }) => dated(*at_millis, "", line.clone()),
        Event::Ended { status, started_millis, ended_millis, failure, .. } => {
            let at = ended_millis.unwrap_or(view.as_of_millis);
            let took = span(at.saturating_sub(*started_millis));
            let why = failure.as_ref().map_or_else(String::new, |it| format!(": {}: {}", it.error, it.cause));
            vec![match status {
                Status::Succeeded => format!("{} Succeeded in {took}", time(at)),
                status => format!("{} {status:?} after {took}{why}", time(at)),
            }]
        }
    }
}
