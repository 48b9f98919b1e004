//! What the buttons do, said before they do it: computed from the view, for people who have to be sure at 3 a.m. Pure.
//!
//! A button is never absent: what cannot be done now says why.

use crossfade_core::document::Decision;
use crossfade_core::plan::{Direction, StageKind};
use crossfade_steps::Status;
use serde::{Deserialize, Serialize};

use crate::args::Pause;
use crate::view::text::{self, span};
use crate::view::{Stage, StageState, View};

/// What can be asked for about a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Deed {
    Approve,
    Reject,
    Pause,
    Resume,
    Promote,
    PromoteAll,
    Abort,
    Rollback,
    ResetWeights,
    Retry,
    Accept,
}

impl Deed {
    /// All of them, in the order in which they stand on the page.
    const ALL: [Self; 11] = [
        Self::Approve,
        Self::Reject,
        Self::Pause,
        Self::Resume,
        Self::Promote,
        Self::PromoteAll,
        Self::Abort,
        Self::Rollback,
        Self::ResetWeights,
        Self::Retry,
        Self::Accept,
    ];
}

/// A button, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Offer {
    pub(crate) deed: Deed,
    /// What stands on the button.
    pub(crate) label: String,
    /// Why it cannot be done now.
    pub(crate) void: Option<String>,
    /// What will happen, a sentence each.
    pub(crate) will: Vec<String>,
    /// The stage that it is about.
    pub(crate) stage: Option<usize>,
    /// What has to be typed first, where it moves what has come to rest.
    pub(crate) typed: Option<String>,
    /// The revisions that can be chosen.
    pub(crate) revisions: Vec<u32>,
    /// The same as a command.
    pub(crate) command: String,
}

/// All of them, for a deployment as it stands; `kept` are the revisions to go back to.
pub(crate) fn offers(view: &View, kept: &[u32]) -> Vec<Offer> {
    Deed::ALL.into_iter().map(|deed| offer(deed, view, kept)).collect()
}

fn offer(deed: Deed, view: &View, kept: &[u32]) -> Offer {
    let id = &view.deployment_id;
    let stage = view.question.as_ref().map(|question| question.stage);
    let asked = stage.map_or_else(String::new, |stage| format!(" --stage {stage}"));
    let (label, command) = match deed {
        Deed::Approve => ("Approve", format!("crossfade approve {id}{asked}")),
        Deed::Reject => ("Reject", format!("crossfade reject {id}{asked}")),
        Deed::Pause => ("Pause", format!("crossfade pause {id}")),
        Deed::Resume => ("Resume", format!("crossfade resume {id}")),
        Deed::Promote => ("End the pause", format!("crossfade promote {id}")),
        Deed::PromoteAll => ("End all pauses", format!("crossfade promote {id} --full")),
        Deed::Retry => ("Retry", format!("crossfade retry {id}")),
        Deed::Abort => ("Abort", format!("crossfade abort {id}")),
        Deed::Rollback => ("Roll back", format!("crossfade rollback {id}")),
        Deed::ResetWeights => ("Set the weights back, roll back", format!("crossfade rollback {id} --reset-weights")),
        Deed::Accept => ("Accept", format!("crossfade accept {id}")),
    };
    let of_stage = stage.filter(|_| matches!(deed, Deed::Approve | Deed::Reject));
    let service = view.infrastructure.split('/').next().unwrap_or_default();
    let moves_what_rests = matches!(
        (deed, view.status),
        (Deed::Rollback, Status::Succeeded)
            | (Deed::Rollback | Deed::ResetWeights | Deed::Accept, Status::FailedDirty)
            | (Deed::Retry, _)
    );
    let goes_back = deed == Deed::Rollback && view.status == Status::Succeeded;
    Offer {
        deed,
        label: of_stage.map_or_else(|| label.into(), |stage| format!("{label} stage {stage}")),
        void: void(deed, view),
        will: will(deed, view),
        stage: of_stage,
        typed: moves_what_rests.then(|| service.to_owned()),
        revisions: if goes_back { kept.to_vec() } else { Vec::new() },
        command,
    }
}

/// Why it cannot be done.
fn void(deed: Deed, view: &View) -> Option<String> {
    let status = view.status;
    let stands = match status {
        Status::Preparing => "it is being prepared",
        Status::Running => "it runs",
        Status::RollingBack => "it is being rolled back",
        Status::Succeeded => "it has succeeded",
        Status::FailedClean => "it has failed, and everything is as it was",
        Status::FailedDirty => "it is stuck (FAILED DIRTY)",
        Status::Accepted => "what it left is kept",
    };
    let no = |why: &str| Some(format!("{why}: {stands}"));
    match deed {
        Deed::Approve | Deed::Reject if view.question.is_none() => match decided(view) {
            Some(said) if !status.ended() => Some(said),
            _ => no("Nothing is asked"),
        },
        Deed::Approve if asks(view, true) => Some("It is paused: resume, and it goes on".into()),
        Deed::Approve | Deed::Reject => None,
        Deed::Pause | Deed::Resume | Deed::Promote | Deed::PromoteAll if view.died.is_some() => {
            no("Its execution is over")
        }
        Deed::Pause | Deed::Resume | Deed::Promote | Deed::PromoteAll
            if !matches!(status, Status::Preparing | Status::Running) =>
        {
            no(if deed == Deed::Pause { "There is nothing to pause" } else { "It is not paused" })
        }
        Deed::Pause if asks(view, true) => Some("It is paused already".into()),
        Deed::Pause => view.stopping.as_ref().map(|who| format!("It stops already before its next stage: {who}")),
        Deed::Resume if asks(view, true) || view.stopping.is_some() => None,
        Deed::Resume => no("It is not paused"),
        Deed::Promote => match pauses(view).next() {
            Some(stage) if stage.state == StageState::Running => None,
            Some(stage) => Some(format!("It pauses later, at stage {}: {}", stage.number, stage.name)),
            None => Some("No pause of its document comes any more".into()),
        },
        Deed::PromoteAll if pauses(view).next().is_some() => None,
        Deed::PromoteAll => Some("No pause of its document comes any more".into()),
        Deed::Retry => match status {
            Status::Succeeded | Status::FailedClean | Status::Accepted => None,
            Status::FailedDirty => no("Roll it back or accept it first"),
            _ => no("It has not ended"),
        },
        Deed::Abort => match status {
            Status::Preparing | Status::Running => None,
            Status::RollingBack => no("There is nothing to stop"),
            _ => no("There is nothing to abort"),
        },
        Deed::Rollback => match status {
            Status::Running if view.question.is_some() && view.died.is_none() => {
                Some("It asks: reject, and it goes back".into())
            }
            Status::Running | Status::Succeeded | Status::FailedDirty => None,
            _ => no("There is nothing to roll back"),
        },
        Deed::ResetWeights if status != Status::FailedDirty => no("There are no weights to set back"),
        Deed::ResetWeights => match &view.now {
            Some(now) if text::any_drifted(now) => None,
            Some(now) => Some(now.problem.as_ref().map_or_else(
                || "Nobody else has set weights: roll back".into(),
                |why| format!("Nobody can see whether somebody else has set weights: {why}"),
            )),
            None => Some("Nobody has looked at the weights yet".into()),
        },
        Deed::Accept if status == Status::FailedDirty => None,
        Deed::Accept => no("Nothing was left that could be kept"),
    }
}

/// Whether it asks something; because it is paused, or not.
fn asks(view: &View, pauses: bool) -> bool {
    view.question.as_ref().is_some_and(|question| question.pauses == pauses)
}

/// The pauses of the document that somebody may end sooner: the one that it is in, and those that are to come.
fn pauses(view: &View) -> impl Iterator<Item = &Stage> {
    let left = |stage: &&Stage| matches!(stage.state, StageState::Running | StageState::ToCome);
    view.stages.iter().filter(|stage| stage.ends_sooner).filter(left)
}

/// Who has decided last, and when nothing is asked any more.
fn decided(view: &View) -> Option<String> {
    let last = view.approvals.iter().rev().find(|approval| approval.decision.is_some())?;
    let word = match last.decision? {
        Decision::Approve => "Approved",
        Decision::Reject => "Rejected",
    };
    let by = last.by.as_deref().unwrap_or("somebody who did not say who");
    Some(format!("Nothing is asked now. {word} by {by}: {}", last.question.name))
}

/// What will happen.
fn will(deed: Deed, view: &View) -> Vec<String> {
    match deed {
        Deed::Approve => approve(view),
        Deed::Pause => pause(view),
        Deed::Resume => resume(view),
        Deed::Promote | Deed::PromoteAll => promote(deed, view),
        Deed::Retry => retry(view),
        Deed::Reject if view.question.as_ref().is_some_and(|question| question.direction == Direction::Rollback) => {
            vec!["The inspection ends, and the rollback goes on.".into()]
        }
        Deed::Reject => back(view),
        Deed::Abort => [vec!["Its execution is stopped.".into()], back(view)].concat(),
        Deed::Rollback if view.status == Status::Succeeded => again(view),
        Deed::Rollback => back(view),
        Deed::ResetWeights => reset(view),
        Deed::Accept => {
            let mut will = vec![
                "Nothing in the account is changed.".to_owned(),
                format!("The lock is given back: {} can be deployed again.", view.infrastructure),
                "The next deployment takes what is there for what serves.".into(),
                format!("Nobody rolls {} back any more.", view.deployment_id),
            ];
            will.extend(text::why(view));
            will
        }
    }
}

/// The stages that come after the one that asks, until it asks again.
fn approve(view: &View) -> Vec<String> {
    let Some(question) = &view.question else { return Vec::new() };
    let way = match question.direction {
        Direction::Deploy => &view.stages,
        Direction::Rollback => &view.rollback,
    };
    let mut will = after(view, way, question.stage);
    will.extend(question.answerers.as_ref().map(|whose| format!("A yes counts of {whose}.")));
    will
}

/// It stops where it can.
fn pause(view: &View) -> Vec<String> {
    let now = view.stages.iter().find(|stage| matches!(stage.state, StageState::Running | StageState::Asking));
    let next = now.and_then(|now| view.stages.get(now.number));
    let mut will = Vec::new();
    will.extend(now.map(|now| format!("Stage {} comes to its end: {}.", now.number, now.name)));
    will.push(match next {
        Some(next) => format!("Then it stops, before stage {}: {}.", next.number, next.name),
        None => "It stops before its next stage; at its end it does not.".into(),
    });
    will.push(format!(
        "It waits there for {} at most. Without a word by then everything is rolled back.",
        span(Pause::usual().as_secs() * 1000)
    ));
    will.push("What is watched is looked at meanwhile.".into());
    will
}

/// It goes on from where it stands, or does not come to stand there.
fn resume(view: &View) -> Vec<String> {
    match view.question.as_ref().filter(|question| question.pauses) {
        Some(question) => after(view, &view.stages, question.stage.saturating_sub(1)),
        None => vec!["It does not stop before its next stage.".into()],
    }
}

/// Pauses end before their time.
fn promote(deed: Deed, view: &View) -> Vec<String> {
    let (now, later): (Vec<&Stage>, Vec<&Stage>) = pauses(view).partition(|stage| stage.state == StageState::Running);
    let mut will: Vec<String> = now
        .iter()
        .map(|stage| {
            let left = stage.planned_millis.unwrap_or_default().saturating_sub(stage.millis.unwrap_or_default());
            format!("{} ends within two minutes. {} of it are left.", stage.name, span(left))
        })
        .collect();
    if deed == Deed::PromoteAll {
        will.extend(later.iter().map(|stage| format!("Stage {} ends as it begins: {}.", stage.number, stage.name)));
    }
    will.push("Questions, verification, hooks and what waits for traffic to follow stay.".into());
    if let (Deed::Promote, Some(stage)) = (deed, now.first()) {
        will.extend(after(view, &view.stages, stage.number));
    }
    will
}

/// The same deployment once more.
fn retry(view: &View) -> Vec<String> {
    let mut will = vec![
        format!("A new deployment starts, with the document of {}: {}.", view.deployment_id, view.artifact),
        "What the document refers to is looked up again.".to_owned(),
    ];
    if view.status == Status::Succeeded {
        will.push("It has succeeded: the same image takes over again, in a new revision.".into());
    }
    if !view.stages.is_empty() {
        will.push(format!("It has {} stages.", view.stages.len()));
    }
    will
}

/// The stages after so many, until it asks.
fn after(view: &View, way: &[Stage], stages: usize) -> Vec<String> {
    let told = |stage: &Stage| format!("{}. {}: {}", stage.number, stage.name, stage.does);
    let next = way.iter().skip(stages);
    let mut will: Vec<String> = next.clone().take_while(|stage| stage.kind != StageKind::Approve).map(told).collect();
    if will.is_empty() {
        will.push("No stage follows.".into());
    }
    will.push(match next.clone().find(|stage| stage.kind == StageKind::Approve) {
        Some(stage) => format!("Then it asks again, at stage {}: {}.", stage.number, stage.name),
        None => "It asks nothing more.".into(),
    });
    if let Some(left) = view.remaining_millis.filter(|left| *left > 0) {
        will.push(format!("About {} from here.", span(left)));
    }
    will
}

/// What goes back, from what stands now.
fn back(view: &View) -> Vec<String> {
    let mut will = Vec::new();
    if let Some(now) = &view.now {
        for switch in &now.switches {
            let of = |part: fn(&crate::view::now::Weight) -> u32| {
                let each = switch.weights.iter().map(|it| format!("{} {}", it.target_group, part(it)));
                each.collect::<Vec<_>>().join(" : ")
            };
            if switch.weights.iter().any(|it| it.now != it.before) {
                will.push(format!("The traffic goes back at once: {}, now {}.", of(|it| it.before), of(|it| it.now)));
            } else {
                will.push(format!("The traffic stays where it is: {}.", of(|it| it.now)));
            }
        }
    }
    let begun = view.stages.iter().any(|stage| stage.state != StageState::ToCome && stage.kind == StageKind::Setup);
    if let (Some(candidate), true) = (&view.candidate, begun) {
        will.push(format!("{} drains, goes to 0, and is removed.", candidate.fleet));
    }
    let from: Vec<&str> = view.from.iter().map(|it| it.fleet.as_str()).collect();
    if !from.is_empty() {
        will.push(format!("{} has what it had before, and everything else is as it was.", from.join(", ")));
    }
    will
}

/// What somebody else has set goes back, too.
fn reset(view: &View) -> Vec<String> {
    let switches = view.now.iter().flat_map(|now| &now.switches).filter(|switch| text::drifted(switch));
    let set = switches.map(|switch| {
        let each = switch.weights.iter().map(|it| format!("{} {}", it.target_group, it.now));
        let weights = each.collect::<Vec<_>>().join(" : ");
        format!("What somebody else has set on {} is set back: {weights}.", text::shortened(&switch.on))
    });
    let mut will: Vec<String> = set.collect();
    will.push("That waits until what served before can take the traffic.".into());
    will.extend(back(view));
    will
}

/// The way back from what has succeeded.
fn again(view: &View) -> Vec<String> {
    let before = view.from.last().and_then(|it| it.revision);
    let revision = before.map_or_else(|| "A revision that is kept".into(), |revision| format!("Revision {revision}"));
    let took =
        view.stages.iter().filter(|stage| stage.kind != StageKind::Approve).filter_map(|stage| stage.millis).sum();
    vec![
        format!("A new deployment starts. {revision} takes over again by the same {} stages.", view.stages.len()),
        format!("They took {} the last time, questions aside.", span(took)),
        "With “at once”: no question, no pause, and all traffic in one shift as soon as all is healthy.".into(),
    ]
}
