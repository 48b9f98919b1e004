//! What machines are told of a deployment, on EventBridge: how it stands and how its stages stand, each time that changes.
//!
//! It is told once it is written down, and by every invocation that writes it down or finds it so: what dies in between is repeated, and tells
//! it again under the same id.
//!
//! What it must never do: fail a deployment, or hold one up. What is not taken is kept (`outbox`).

use crossfade_core::news::{About, Asked, DeploymentNews, Letter, News, Stage, StageNews, Stands, Why};
use crossfade_core::plan::{Direction, Plan, StageKind};
use crossfade_core::progress::Progress;
use crossfade_core::text;

use crate::context::Context;
use crate::outbox;
use crate::records::{ApprovalRecord, FailureRecord, Meta, StageRecord, Status};
use crate::run::Records;

/// Tells whoever has rules for it.
pub(crate) async fn tell(context: &Context, news: Vec<News>) {
    outbox::send(context, news.iter().map(Letter::from).collect()).await;
}

/// Tells how a deployment stands by now, under this fencing number.
pub(crate) async fn tell_of(context: &Context, meta: &Meta, fence: u64) {
    tell(context, of_deployment(meta, fence, meta.ended_millis.unwrap_or(context.now_millis())).into_iter().collect())
        .await;
}

/// Tells that a deployment has its plan, and where it begins.
pub(crate) async fn tell_of_beginning(context: &Context, meta: &Meta, plan: &Plan, progress: &Progress) {
    let now = progress.stage.started_millis;
    let stage = of_stage(meta, plan, progress, Stage::Started, now);
    tell(context, of_deployment(meta, progress.fence, now).into_iter().chain(stage).collect()).await;
}

fn about(meta: &Meta, at_millis: u64) -> About {
    About {
        execution_arn: meta.execution_arn.clone(),
        infrastructure: meta.infrastructure.clone(),
        service: meta.document.service.clone(),
        environment: meta.document.environment.clone(),
        ..About::new(&meta.deployment_id, at_millis)
    }
}

fn why(failure: &FailureRecord) -> Why {
    Why { error: failure.error.clone(), cause: text::cut(&failure.cause, text::CAUSE) }
}

/// How a deployment stands by now, under this fencing number; nothing before it has a plan.
pub(crate) fn of_deployment(meta: &Meta, fence: u64, at_millis: u64) -> Option<News> {
    let status = match meta.status {
        Status::Preparing => return None,
        Status::Running => Stands::Running,
        Status::RollingBack => Stands::RollingBack,
        Status::Succeeded => Stands::Succeeded,
        Status::FailedClean => Stands::FailedClean,
        Status::FailedDirty => Stands::FailedDirty,
        Status::Accepted => Stands::Accepted,
    };
    let news = News::Deployment(DeploymentNews {
        about: about(meta, at_millis),
        status,
        artifact: meta.document.artifact.to_string(),
        description: text::one_line(&meta.document.description, text::COMMENT),
        started_by: meta.starter.clone(),
        started_millis: meta.started_millis,
        ended_millis: meta.ended_millis,
        failure: meta.failure.as_ref().map(why),
    });
    Some(news.under(fence, 0))
}

/// How the stage stands that a run is at; nothing at the end of the plan, which is no stage, and before one that is paused.
pub(crate) fn of_stage(meta: &Meta, plan: &Plan, progress: &Progress, state: Stage, at_millis: u64) -> Option<News> {
    Some(told(at_stage(meta, plan, progress, state, at_millis)?, progress))
}

/// The same of a stage that asks this.
pub(crate) fn of_question(
    meta: &Meta,
    plan: &Plan,
    progress: &Progress,
    record: &ApprovalRecord,
    now: u64,
) -> Option<News> {
    let stage = at_stage(meta, plan, progress, Stage::Asking, now)?;
    let ApprovalRecord { message, deadline_millis, on_timeout, .. } = record.clone();
    let question = Some(Asked { message, deadline_millis, on_timeout });
    Some(told(StageNews { question, ..stage }, progress))
}

/// The same of a stage that has failed so.
pub(crate) fn of_failed(
    meta: &Meta,
    plan: &Plan,
    progress: &Progress,
    failure: &FailureRecord,
    now: u64,
) -> Option<News> {
    let stage = at_stage(meta, plan, progress, Stage::Failed, now)?;
    Some(told(StageNews { failure: Some(why(failure)), ..stage }, progress))
}

fn at_stage(meta: &Meta, plan: &Plan, progress: &Progress, state: Stage, at_millis: u64) -> Option<StageNews> {
    let stage = &progress.stage;
    if stage.kind == StageKind::Finish || state == Stage::Started && progress.paused_seconds > 0 {
        return None;
    }
    Some(StageNews {
        about: about(meta, at_millis),
        direction: progress.direction,
        stage: stage.index + 1,
        of: plan.stages.len(),
        kind: stage.kind,
        name: stage.name.clone(),
        state,
        started_millis: stage.started_millis,
        limit_millis: u64::from(stage.timeout_seconds) * 1000,
        question: None,
        failure: None,
    })
}

fn told(stage: StageNews, progress: &Progress) -> News {
    News::Stage(stage).under(progress.fence, progress.stage.attempt)
}

/// The stage at which a deployment has failed that is about to be rolled back: the first that no record says held. Its attempts are not
/// known here.
pub(crate) fn of_broken_off(meta: &Meta, records: &mut Records, fence: u64, now: u64) -> Option<News> {
    let failure = meta.failure.as_ref()?;
    let held = records.all::<StageRecord>(&format!("stage#{}#", Direction::Deploy.name())).ok()?;
    let plan: Plan = records.find("plan#deploy").ok()??;
    let since = held.last().map_or(meta.started_millis, |stage| stage.held_millis);
    let mut progress = Progress::start(&meta.deployment_id, fence, &plan, meta.started_millis);
    for _ in &held {
        progress = progress.next(&plan, since);
    }
    of_failed(meta, &plan, &progress, failure, now)
}
