//! `finish`: the end of a deployment, of a rollback, and of a rollback that cannot go on.
//!
//! Records the outcome, gives the lock back in the same write, answers whoever waits, and tells the topic. Telling never
//! fails a deployment.

use crossfade_aws::{Item, Table, keys};
use crossfade_core::plan::{Direction, Plan, StageKind};
use crossfade_core::progress::Progress;
use crossfade_core::rollback;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Kind, Result, text};
use serde_json::{Value, json};

use crate::context::Context;
pub(crate) use crate::notify::{notify, notify_of};
use crate::records::{
    FailureRecord, Meta, RevisionRecord, RollbackRecord, ServingRecord, StageRecord, Status, closed, find, item,
    revision_item, serving_item,
};
use crate::run::{Log, Records, lease_until, splits};
use crate::{metrics, news, owners};

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let failure = FailureRecord::from_catch(&event);
    let unpruned = FailureRecord::caught(&event, "unpruned");
    let id = event.get("deploymentId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let progress: Option<Progress> = serde_json::from_value(event).ok();
    let mut records = Records::load(&id, context).await?;
    let waiting: RollbackRecord = records.find("rollback")?.unwrap_or_default();
    let meta: Option<Meta> = records.find("meta")?;
    if let (Some(meta), Some(progress), Some(failure)) = (&meta, &progress, &failure)
        && superseded(context, meta, progress, failure).await?
    {
        return Ok(outcome(meta));
    }
    let waits = waiting.task_token.is_some();
    let (ended, over) = match (meta, &progress, failure) {
        // It died before it wrote anything down: nothing to record, nothing to give back.
        (None, ..) => (untouched(context, &id, &waiting.failure).await, None),
        // The answer to this very step was lost, and it runs again; or it is an execution of before the end, that somebody has
        // redriven since.
        (Some(meta), ..) if meta.status.ended() && meta.status != Status::FailedDirty => {
            news::tell_of(context, &meta, progress.as_ref().map_or(0, |progress| progress.fence)).await;
            (outcome(&meta), Some(meta))
        }
        (Some(meta), _, Some(failure)) => {
            (dirty(context, meta, &mut records, (failure, &waiting.failure), progress.as_ref()).await?, None)
        }
        (Some(meta), Some(progress), None) => {
            let meta = clean(context, meta, &mut records, progress, unpruned, waits).await?;
            (outcome(&meta), Some(meta))
        }
        (Some(_), None, None) => {
            return Err(Kind::RecordMissing.because("The state passed to finish is not a progress."));
        }
    };
    // Who waits may have changed meanwhile: whoever writes that down looks afterwards whether it is over, and this is read after the end.
    let waiting: Option<RollbackRecord> = find(&context.table, &keys::deployment(&id), "rollback").await?;
    if let Some(token) = waiting.and_then(|waiting| waiting.task_token) {
        context.executions.answer(&token, &ended).await?;
        // Only now: until then the sweep sees to it that whoever waits is answered.
        if let Some(meta) = over {
            context.table.put_together(&closed(&meta)).await?;
        }
    }
    Ok(ended)
}

/// What an execution ends with.
pub(crate) fn outcome(meta: &Meta) -> Value {
    let name = match meta.status {
        Status::Succeeded => "Succeeded",
        Status::FailedClean => "FailedClean",
        _ => "FailedDirty",
    };
    json!({"deploymentId": meta.deployment_id, "outcome": name, "failure": meta.failure})
}

/// The same of a deployment that died before it wrote anything down, and so before it touched anything. People are told.
pub(crate) async fn untouched(context: &Context, id: &str, failure: &FailureRecord) -> Value {
    let FailureRecord { error, cause } = failure;
    let text = format!("Deployment {id} failed before it had touched anything.\n\n{error}: {cause}\n");
    notify_of(context, id, "failed", &text).await;
    json!({"deploymentId": id, "outcome": "FailedClean"})
}

/// Whether another rollback of the deployment has taken over. It is going to say how it ends, and to answer whoever waits.
async fn superseded(context: &Context, meta: &Meta, progress: &Progress, failure: &FailureRecord) -> Result<bool> {
    if failure.error != Kind::FenceLost.name() {
        return Ok(false);
    }
    let lock = context.table.lock(&meta.infrastructure).await?;
    Ok(lock.holder.as_deref() == Some(&meta.deployment_id) && lock.fence > progress.fence)
}

/// The plan's last stage holds. Where nobody waits for that (`waits`), the deployment is over with it.
async fn clean(
    context: &Context,
    mut meta: Meta,
    records: &mut Records,
    progress: &Progress,
    unpruned: Option<FailureRecord>,
    waits: bool,
) -> Result<Meta> {
    let now = context.now_millis();
    let snapshot: Option<Snapshot> = records.find("snapshot")?;
    let mut log = Log::new(&meta.deployment_id);
    if progress.direction == Direction::Rollback && progress.fence > 0 {
        let (touched, _) = records.touched()?;
        owners::give_back(context, &meta.holder(progress.fence), &touched, &mut log, now).await?;
    }
    let (status, subject, line) = match progress.direction {
        Direction::Deploy => (Status::Succeeded, "succeeded", "Succeeded".to_owned()),
        Direction::Rollback => {
            // What differs now is somebody else's doing, and left alone on purpose. It has to be said all the same.
            let left = match &snapshot {
                Some(snapshot) if progress.fence > 0 => what_is_left(context, snapshot).await,
                _ => Some(Vec::new()),
            };
            let line = match left {
                None => "Rolled back; whether everything is as it was could not be read".to_owned(),
                Some(left) if left.is_empty() => "Rolled back: everything is as it was".to_owned(),
                Some(left) => {
                    let left = text::some(&left, "; ", text::CAUSE);
                    format!("Rolled back, and left as somebody else has set it: {left}")
                }
            };
            (Status::FailedClean, "rolled back", line)
        }
    };
    meta.status = status;
    meta.ended_millis = Some(now);
    if let Some(FailureRecord { error, cause }) = unpruned {
        log.say(now, format!("Pruning broke off; old revisions are left for the next deployment: {error}: {cause}"));
    }
    log.say(now, line.clone());
    let mut items = vec![item(&meta.deployment_id, "meta", &meta)];
    // The record of a revision that was brought back says who made it, and stays.
    if let Some(snapshot) = snapshot.as_ref().filter(|snapshot| !snapshot.adopts()) {
        items.push(revision_item(&meta.infrastructure, &revision(&meta, snapshot, records)?));
    }
    if let Some(snapshot) = snapshot.as_ref().filter(|_| status == Status::Succeeded) {
        let record = ServingRecord {
            deployment_id: meta.deployment_id.clone(),
            revision: snapshot.revision,
            fleet: snapshot.candidate.clone(),
            since_millis: now,
            before: snapshot.served_until_now(),
        };
        items.push(serving_item(&meta.infrastructure, &record));
    }
    items.append(&mut log.lines);
    if !waits {
        items.extend(closed(&meta));
    }
    if progress.fence == 0 {
        // It never had the lock, or had given it up: only its own record is written.
        put_all(&context.table, &items).await?;
    } else {
        context.table.release(&meta.holder(progress.fence), &items).await?;
    }
    metrics::tell(context, &meta, records);
    news::tell_of(context, &meta, progress.fence).await;
    let why =
        meta.failure.as_ref().map_or_else(String::new, |failure| format!("\n{}: {}\n", failure.error, failure.cause));
    let message = format!("Deployment {} of {}: {line}.\n{why}", meta.deployment_id, meta.infrastructure);
    notify(context, &meta, subject, &message).await;
    Ok(meta)
}

/// The rollback cannot go on. The lock stays with the deployment, so that nothing builds on what is left.
async fn dirty(
    context: &Context,
    mut meta: Meta,
    records: &mut Records,
    (failure, first): (FailureRecord, &FailureRecord),
    progress: Option<&Progress>,
) -> Result<Value> {
    let now = context.now_millis();
    let plan: Option<Plan> = records.find(&format!("plan#{}", Direction::Rollback.name()))?;
    let left = match records.find::<Snapshot>("snapshot")? {
        Some(snapshot) => what_is_left(context, &snapshot).await.ok_or(snapshot),
        None => Ok(Vec::new()),
    };
    let left = match left {
        Err(snapshot) => {
            let begun = rollback::begun(&snapshot, &records.find("touched")?.unwrap_or_default());
            let begun = text::some(&begun, ", ", text::CAUSE);
            format!(" What is left could not be read. It was begun to change: {begun}.")
        }
        Ok(left) if left.is_empty() => String::new(),
        Ok(left) => format!(" Left: {}.", text::some(&left, "; ", text::CAUSE)),
    };
    // Why the deployment failed in the first place.
    let first = match first.error.as_str() {
        "" => String::new(),
        error => format!(" The deployment had failed with {error}: {}", first.cause),
    };
    let cause = format!("{}{left}{first}", failure.cause);
    meta.status = Status::FailedDirty;
    meta.ended_millis = Some(now);
    // All of it is bounded by its parts.
    meta.failure = Some(FailureRecord { error: failure.error, cause: cause.clone() });
    let mut log = Log::new(&meta.deployment_id);
    log.say(now, format!("The rollback cannot go on: {cause}"));
    let mut items = vec![item(&meta.deployment_id, "meta", &meta)];
    items.append(&mut log.lines);
    metrics::tell(context, &meta, records);
    let kept = if write_as_owner(&context.table, &meta, now, &items).await? { "The lock is kept. " } else { "" };
    let at = progress.filter(|progress| progress.direction == Direction::Rollback).zip(plan.as_ref());
    let stage = at.zip(meta.failure.as_ref()).and_then(|((at, plan), why)| news::of_failed(&meta, plan, at, why, now));
    let fence = progress.map_or(0, |progress| progress.fence);
    news::tell(context, stage.into_iter().chain(news::of_deployment(&meta, fence, now)).collect()).await;
    let message = format!(
        "Deployment {} of {} could not be rolled back to the end.\n\n{cause}\n\n{kept}Repair what the message names, then run: \
         crossfade rollback {}\n",
        meta.deployment_id, meta.infrastructure, meta.deployment_id
    );
    notify(context, &meta, "FAILED DIRTY", &message).await;
    Ok(outcome(&meta))
}

/// Writes as whoever owns the lock under whatever fence, if that is still this deployment; otherwise without it. Answers
/// whether it is.
async fn write_as_owner(table: &Table, meta: &Meta, now: u64, items: &[Item]) -> Result<bool> {
    let lock = table.lock(&meta.infrastructure).await?;
    if lock.holder.as_deref() == Some(&meta.deployment_id) {
        table.write(&meta.holder(lock.fence), lease_until(now, now), items).await?;
        return Ok(true);
    }
    put_all(table, items).await?;
    Ok(false)
}

async fn put_all(table: &Table, items: &[Item]) -> Result<()> {
    for items in items.chunks(Table::AT_ONCE) {
        table.put_together(items).await?;
    }
    Ok(())
}

/// What differs from the snapshot; nothing when the account cannot be read, which is not to fail what has to be recorded.
pub(crate) async fn what_is_left(context: &Context, snapshot: &Snapshot) -> Option<Vec<String>> {
    let live = context.platforms.on(&snapshot.platform).of(&snapshot.infrastructure.to_string()).await.ok()?;
    let splits = splits(context, snapshot).await.ok()?;
    Some(rollback::differences(snapshot, &live, &splits))
}

/// The revision's entry in the history.
fn revision(meta: &Meta, snapshot: &Snapshot, records: &Records) -> Result<RevisionRecord> {
    let stages: Vec<StageRecord> = records.all(&format!("stage#{}#", Direction::Deploy.name()))?;
    let upscales = stages.iter().filter(|stage| stage.kind == StageKind::Upscale);
    let seconds = upscales.map(|stage| stage.held_millis.saturating_sub(stage.started_millis) / 1000);
    let steady_seconds = seconds.filter_map(|seconds| u32::try_from(seconds).ok()).max();
    Ok(RevisionRecord {
        revision: snapshot.revision,
        fleet: snapshot.candidate.clone(),
        deployment_id: meta.deployment_id.clone(),
        artifact: snapshot.artifact.clone(),
        status: meta.status,
        steady_seconds,
    })
}
