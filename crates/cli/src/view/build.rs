//! The view of a deployment, from its records: a pure function.

use crossfade_aws::Execution;
use crossfade_core::answerers::Answerers;
use crossfade_core::observed::Fleet;
use crossfade_core::plan::{self, Action, Direction, Plan, StageKind};
use crossfade_core::text;
use crossfade_steps::{Meta, ROLLING_BACK, StageRecord, Status};

use super::checks::checks;
use super::records::{OfStages, Records};
use super::{Advice, Approval, Entry, Failure, Question, Revision, Stage, StageState, View};
use crate::documents;

/// The view of a deployment of which nothing is recorded yet: its execution is all there is.
pub(crate) fn just_started(id: &str, execution_arn: &str, execution: &Execution, now_millis: u64) -> View {
    let given = documents::again(&execution.input).ok();
    let shown = |pointer: &str| given.as_ref().map(|given| given.draft.shown(pointer)).unwrap_or_default();
    let follow = Advice { does: "follow it".into(), command: format!("crossfade watch {id}") };
    View {
        deployment_id: id.to_owned(),
        status: Status::Preparing,
        infrastructure: given.as_ref().map(documents::Given::place).unwrap_or_default(),
        execution_arn: execution_arn.to_owned(),
        description: text::one_line(&shown("/description"), text::COMMENT),
        started_millis: execution.started_millis,
        started_by: None,
        ended_millis: None,
        as_of_millis: now_millis,
        artifact: given.as_ref().map(documents::Given::artifact).unwrap_or_default(),
        candidate: None,
        from: Vec::new(),
        failure: None,
        died: None,
        question: None,
        stopping: None,
        stages: Vec::new(),
        rollback: Vec::new(),
        rollback_millis: None,
        remaining_millis: None,
        made: Vec::new(),
        approvals: Vec::new(),
        checks: Vec::new(),
        now: None,
        commands: vec![follow],
        log: Vec::new(),
    }
}

/// The view of a deployment at this time.
pub(crate) fn view(records: &Records, now_millis: u64) -> View {
    let Records { meta, snapshot, log, .. } = records;
    let named = |fleet: &Fleet| Revision { fleet: fleet.name.clone(), revision: fleet.revision };
    let stable = snapshot.iter().flat_map(|snapshot| snapshot.stable_fleets());
    let candidate = snapshot
        .as_ref()
        .map(|snapshot| Revision { fleet: snapshot.candidate.clone(), revision: Some(snapshot.revision) });
    let began = began(records);
    // The log begins with the plan, and so does its first stage.
    let planned = log.first().map_or(meta.started_millis, |entry| entry.at_millis);
    let stages = records.deploy.as_ref().map(|plan| way(records, plan, planned, now_millis));
    let rollback = records.rollback.as_ref().map(|plan| way(records, plan, began.unwrap_or_default(), now_millis));
    let mut approvals: Vec<Approval> = records.approvals.iter().map(approval).collect();
    approvals.sort_by_key(|approval| (approval.question.direction == Direction::Rollback, approval.question.stage));
    let question = question(meta.status, &approvals).filter(|_| records.died.is_none());
    let stages = stages.unwrap_or_default();
    let rollback = rollback.unwrap_or_default();
    let failure = meta.failure.as_ref().map(Failure::from);
    let remaining_millis = remaining(if rollback.is_empty() { &stages } else { &rollback });
    View {
        deployment_id: meta.deployment_id.clone(),
        status: meta.status,
        infrastructure: meta.infrastructure.clone(),
        execution_arn: meta.execution_arn.clone(),
        description: text::one_line(&meta.document.description, text::COMMENT),
        started_millis: meta.started_millis,
        started_by: meta.starter.clone(),
        ended_millis: meta.ended_millis,
        as_of_millis: now_millis,
        artifact: meta.document.artifact.to_string(),
        candidate,
        from: stable.map(named).collect(),
        checks: checks(records, &stages, failure.as_ref()),
        failure,
        died: records.died.clone(),
        commands: commands(meta, question.as_ref(), records.died.is_some()),
        stopping: stopping(records, question.as_ref()),
        question,
        stages,
        rollback,
        rollback_millis: began,
        remaining_millis: remaining_millis.filter(|_| !meta.status.ended()),
        made: made(&records.stages),
        approvals,
        now: None,
        log: log.clone(),
    }
}

/// When the rollback began that was tried last.
fn began(records: &Records) -> Option<u64> {
    records.rollback.as_ref()?;
    let said = records.log.iter().rev().find(|entry| entry.line.starts_with(ROLLING_BACK));
    said.map(|entry| entry.at_millis)
}

/// The stages of a plan that began then.
fn way(records: &Records, plan: &Plan, began_millis: u64, now_millis: u64) -> Vec<Stage> {
    let direction = plan.direction;
    let front = front(records, direction);
    // A rollback that was tried before has left its own.
    let since = if direction == Direction::Rollback { began_millis } else { 0 };
    // Each stage starts when the one before has come to hold.
    let mut started = began_millis;
    let mut gone = true;
    let mut kinds: Vec<StageKind> = Vec::new();
    let mut stages = Vec::new();
    for (index, stage) in plan.stages.iter().enumerate() {
        let kind = stage.action.kind();
        let nth = kinds.iter().filter(|it| **it == kind).count();
        kinds.push(kind);
        let held = of_stage(&records.stages, direction, index).filter(|held| gone && held.started_millis >= since);
        let asks = of_stage(&records.approvals, direction, index).is_some_and(|asked| asked.decision.is_none());
        let state = match (held, front) {
            (Some(_), _) => StageState::Done,
            (None, None) => StageState::Done,
            (None, Some(StageState::Running)) if gone && asks => StageState::Asking,
            (None, Some(front)) if gone => front,
            (None, Some(StageState::Running)) => StageState::ToCome,
            (None, Some(_)) => StageState::NotReached,
        };
        let (from, to) = match (held, state) {
            (Some(held), _) => (Some(held.started_millis), Some(held.held_millis)),
            (None, StageState::Running | StageState::Asking) => (Some(started), Some(now_millis)),
            (None, StageState::Failed) => (Some(started), stopped(records, direction)),
            (None, _) => (None, None),
        };
        let waits = matches!(state, StageState::Running | StageState::Asking | StageState::Failed);
        stages.push(Stage {
            number: index + 1,
            name: stage.name.clone(),
            kind,
            does: stage.describe(),
            state,
            started_millis: from,
            held_millis: held.map(|held| held.held_millis),
            millis: from.zip(to).map(|(from, to)| to.saturating_sub(from)),
            limit_millis: u64::from(stage.timeout_seconds) * 1000,
            planned_millis: planned(stage),
            last_time_millis: last_time(&records.last_time, stage, nth).filter(|_| direction == Direction::Deploy),
            missing: missing(&records.log, &stage.name, started).filter(|_| waits),
            ends_sooner: matches!(&stage.action, Action::Pause(pause) if pause.wanted),
        });
        match held {
            Some(held) => started = held.held_millis,
            None => gone = false,
        }
    }
    stages
}

/// When a way was left that was not gone to its end.
fn stopped(records: &Records, direction: Direction) -> Option<u64> {
    let back = began(records).filter(|_| direction == Direction::Deploy);
    back.or(records.meta.ended_millis)
}

/// How the first stage stands whose condition was not seen to hold; nothing when the way was gone to its end.
fn front(records: &Records, direction: Direction) -> Option<StageState> {
    let dead = records.died.is_some();
    match (records.meta.status, direction) {
        (Status::Succeeded, Direction::Deploy) | (Status::FailedClean, Direction::Rollback) => None,
        (Status::Preparing | Status::Running, Direction::Deploy) if !dead => Some(StageState::Running),
        (Status::RollingBack, Direction::Rollback) => Some(StageState::Running),
        _ => Some(StageState::Failed),
    }
}

/// What the stages of the deployment have made.
fn made(stages: &OfStages<StageRecord>) -> Vec<String> {
    let forward = stages.iter().filter(|(direction, ..)| *direction == Direction::Deploy);
    forward.flat_map(|(.., record)| record.made.iter().cloned()).collect()
}

fn of_stage<T>(records: &OfStages<T>, direction: Direction, index: usize) -> Option<&T> {
    records.iter().find(|(of, at, _)| (*of, *at) == (direction, index)).map(|(.., record)| record)
}

/// How long a stage takes by the plan, where the plan says it.
fn planned(stage: &plan::Stage) -> Option<u64> {
    let seconds = match &stage.action {
        Action::Pause(pause) => pause.seconds,
        Action::Drain(drain) => drain.seconds,
        Action::Verify(verify) => verify.seconds,
        _ => return None,
    };
    Some(u64::from(seconds) * 1000)
}

/// How long the same stage took the last time: that of its kind which came at the same place among those of its kind.
fn last_time(before: &[StageRecord], stage: &plan::Stage, nth: usize) -> Option<u64> {
    let kind = stage.action.kind();
    if matches!(kind, StageKind::Approve | StageKind::Pause | StageKind::Verify) {
        return None;
    }
    let same = before.iter().filter(|record| record.kind == kind).nth(nth);
    let took = same.map(|record| record.held_millis.saturating_sub(record.started_millis));
    let expected = match &stage.action {
        Action::Upscale(upscale) => upscale.expected_seconds.map(|seconds| u64::from(seconds) * 1000),
        _ => None,
    };
    took.or(expected)
}

/// How long each stage of a plan usually takes, in milliseconds, as far as the plan says it or the last time does.
pub(crate) fn usually(plan: &Plan, last: &[StageRecord]) -> Vec<Option<u64>> {
    let stages = plan.stages.iter().enumerate().map(|(index, stage)| {
        let kind = stage.action.kind();
        let nth = plan.stages.iter().take(index).filter(|it| it.action.kind() == kind).count();
        planned(stage).or(last_time(last, stage, nth))
    });
    stages.collect()
}

/// What a stage has last said that it waits for.
fn missing(log: &[Entry], stage: &str, since_millis: u64) -> Option<String> {
    let said = |entry: &Entry| entry.line.strip_prefix(stage)?.strip_prefix(": ").map(str::to_owned);
    log.iter().rev().take_while(|entry| entry.at_millis >= since_millis).find_map(said)
}

/// How long it takes from here, if that is known of every stage to come that takes its time; questions take as long as they take.
fn remaining(stages: &[Stage]) -> Option<u64> {
    let to_come = |stage: &&Stage| matches!(stage.state, StageState::ToCome | StageState::Running);
    let left = stages.iter().filter(to_come).map(|stage| {
        let takes = stage.planned_millis.or(stage.last_time_millis);
        let done = stage.millis.unwrap_or_default();
        match stage.kind {
            StageKind::Approve => Some(0),
            StageKind::Upscale | StageKind::Swap | StageKind::Downsize | StageKind::Remove => {
                Some(takes?.saturating_sub(done))
            }
            // What AWS does at once.
            _ => Some(takes.unwrap_or_default().saturating_sub(done)),
        }
    });
    left.sum()
}

fn approval((direction, index, record): &(Direction, usize, crossfade_steps::ApprovalRecord)) -> Approval {
    Approval {
        question: Question {
            direction: *direction,
            stage: index + 1,
            name: record.stage.clone(),
            message: record.message.clone(),
            deadline_millis: record.deadline_millis,
            on_timeout: record.on_timeout,
            pauses: record.pauses,
            answerers: record.answerers.as_ref().map(Answerers::in_words),
        },
        decision: record.decision,
        by: record.by.clone(),
        comment: record.comment.clone(),
    }
}

/// What is asked now: on the way forward while that is gone, on the way back while that is. What was asked before is over.
fn question(status: Status, approvals: &[Approval]) -> Option<Question> {
    let direction = match status {
        Status::Running => Direction::Deploy,
        Status::RollingBack => Direction::Rollback,
        _ => return None,
    };
    let open = approvals.iter().filter(|it| it.question.direction == direction && it.decision.is_none());
    // A rollback that was tried again may have asked before, at another stage.
    open.max_by_key(|it| it.question.deadline_millis).map(|it| it.question.clone())
}

/// Who wants it to stop before its next stage, and why: of one that has not yet.
fn stopping(records: &Records, question: Option<&Question>) -> Option<String> {
    let runs = matches!(records.meta.status, Status::Preparing | Status::Running) && records.died.is_none();
    let pause = records.pause.as_ref().filter(|_| runs && question.is_none_or(|question| !question.pauses))?;
    Some(pause.in_words())
}

/// What can be done about a deployment.
fn commands(meta: &Meta, question: Option<&Question>, died: bool) -> Vec<Advice> {
    let id = &meta.deployment_id;
    let advice = |does: &str, command: String| Advice { does: does.into(), command };
    let follow = || advice("follow it", format!("crossfade watch {id}"));
    let mut commands: Vec<Advice> = Vec::new();
    if let Some(Question { stage, direction, pauses, .. }) = question {
        let (yes, no) = match direction {
            Direction::Deploy => ("go on", "go back"),
            Direction::Rollback => ("end the inspection", "end the inspection"),
        };
        commands.push(advice(
            yes,
            match pauses {
                true => format!("crossfade resume {id}"),
                false => format!("crossfade approve {id} --stage {stage}"),
            },
        ));
        commands.push(advice(no, format!("crossfade reject {id} --stage {stage}")));
    }
    match meta.status {
        Status::Running | Status::Preparing if died => {
            commands.push(advice("roll it back now", format!("crossfade rollback {id} --wait")));
        }
        Status::Running => {
            commands.push(follow());
            if question.is_none() {
                commands.push(advice("go back", format!("crossfade rollback {id} --wait")));
            }
            commands.push(advice("stop it, and go back", format!("crossfade abort {id} --wait")));
        }
        Status::Preparing | Status::RollingBack => commands.push(follow()),
        Status::FailedDirty => {
            commands.push(advice("go back, once that is mended", format!("crossfade rollback {id} --wait")));
            commands.push(advice("or keep what is left", format!("crossfade accept {id}")));
        }
        Status::Succeeded => {
            commands.push(advice("go back to what served before", format!("crossfade rollback {id} --wait")));
        }
        Status::FailedClean => commands.push(advice("try it again", format!("crossfade retry {id} --wait"))),
        Status::Accepted => {}
    }
    commands
}
