//! What the buttons do, said before they do it: computed from the view, for people who have to be sure at 3 a.m. Pure.
//!
//! A button is never absent: what cannot be done now says why.

use crossfade_core::document::Decision;
use crossfade_core::plan::{Direction, StageKind};
use crossfade_steps::Status;
use serde::{Deserialize, Serialize};

use crate::view::text::{self, span};
use crate::view::{Stage, StageState, View};

/// What can be asked for about a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Deed {
    Approve,
    Reject,
    Abort,
    Rollback,
    Accept,
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
    let all = [Deed::Approve, Deed::Reject, Deed::Abort, Deed::Rollback, Deed::Accept];
    all.into_iter().map(|deed| offer(deed, view, kept)).collect()
}

fn offer(deed: Deed, view: &View, kept: &[u32]) -> Offer {
    let id = &view.deployment_id;
    let stage = view.question.as_ref().map(|question| question.stage);
    let asked = stage.map_or_else(String::new, |stage| format!(" --stage {stage}"));
    let (label, command) = match deed {
        Deed::Approve => ("Approve", format!("crossfade approve {id}{asked}")),
        Deed::Reject => ("Reject", format!("crossfade reject {id}{asked}")),
        Deed::Abort => ("Abort", format!("crossfade abort {id}")),
        Deed::Rollback => ("Roll back", format!("crossfade rollback {id}")),
        Deed::Accept => ("Accept", format!("crossfade accept {id}")),
    };
    let of_stage = stage.filter(|_| matches!(deed, Deed::Approve | Deed::Reject));
    let service = view.infrastructure.split('/').next().unwrap_or_default();
    let moves_what_rests = matches!(
        (deed, view.status),
        (Deed::Rollback, Status::Succeeded) | (Deed::Rollback | Deed::Accept, Status::FailedDirty)
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
        Deed::Approve | Deed::Reject => None,
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
        Deed::Accept if status == Status::FailedDirty => None,
        Deed::Accept => no("Nothing was left that could be kept"),
    }
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
        Deed::Reject if view.question.as_ref().is_some_and(|question| question.direction == Direction::Rollback) => {
            vec!["The inspection ends, and the rollback goes on.".into()]
        }
        Deed::Reject => back(view),
        Deed::Abort => [vec!["Its execution is stopped.".into()], back(view)].concat(),
        Deed::Rollback if view.status == Status::Succeeded => again(view),
        Deed::Rollback => back(view),
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

/// The stages that come until it asks again.
fn approve(view: &View) -> Vec<String> {
    let Some(question) = &view.question else { return Vec::new() };
    let way = match question.direction {
        Direction::Deploy => &view.stages,
        Direction::Rollback => &view.rollback,
    };
    let told = |stage: &Stage| format!("{}. {}: {}", stage.number, stage.name, stage.does);
    let next = way.iter().skip(question.stage);
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
