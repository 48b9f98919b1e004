//! `plan-rollback`: takes the infrastructure definition over under a higher fence, and computes the way back from the snapshot,
//! from what was begun since, and from the live state.

use crossfade_aws::{Holder, Locked};
use crossfade_core::plan::{Direction, Plan, Snapshot};
use crossfade_core::progress::Progress;
use crossfade_core::{Kind, Result, rollback};
use serde_json::{Value, json};

use crate::context::Context;
use crate::records::{Meta, RollbackRecord, Status, item, read};
use crate::run::{Log, Records, lease_until};

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let id = event.get("deploymentId").and_then(Value::as_str);
    let id = id.ok_or_else(|| Kind::RecordMissing.because("The event names no deploymentId."))?;
    let now = context.now_millis();
    let nothing = Plan { direction: Direction::Rollback, stages: Vec::new() };
    let mut records = Records::load(id, context).await?;
    let Some((value, _)) = records.find("meta") else {
        // It died before it wrote anything down, and so before it touched anything.
        return Ok(json!(Progress::start(id, 0, &nothing, now)));
    };
    let mut meta: Meta = read("meta", value)?;
    if meta.status.ended() && meta.status != Status::FailedDirty {
        return Ok(json!(Progress::start(id, 0, &nothing, now)));
    }
    let Some(holder) = take_over(context, &meta, now).await? else {
        return Ok(json!(Progress::start(id, 0, &nothing, now)));
    };

    let snapshot: Option<Snapshot> = records.find("snapshot").map(|(value, _)| read("snapshot", value)).transpose()?;
    let (touched, _) = records.touched()?;
    let why: RollbackRecord = match records.find("rollback") {
        Some((value, _)) => read("rollback", value)?,
        None => RollbackRecord::default(),
    };
    let plan = match &snapshot {
        // No snapshot, no change.
        None => nothing,
        Some(snapshot) => {
            let live = context.fleets.of(&meta.infrastructure).await?;
            let split = context.router.read(&snapshot.routing).await?;
            rollback::plan(&meta.document, snapshot, &touched, &live, &split)?
        }
    };
    let mut log = Log::new(id);
    let because = if why.failure.error.is_empty() { "it was asked for".into() } else { why.failure.error.clone() };
    log.say(now, format!("Rolling back because of {because}: {}", why.failure.cause));
    for (i, stage) in plan.stages.iter().enumerate() {
        log.say(now, format!("Rollback stage {}: {} ({})", i + 1, stage.name, stage.describe()));
    }
    meta.status = Status::RollingBack;
    meta.failure = Some(why.failure).filter(|failure| !failure.error.is_empty());
    let progress = Progress::start(id, holder.fence, &plan, now);
    let mut items = vec![item(id, "meta", &meta), item(id, "plan#rollback", &plan)];
    items.append(&mut log.lines);
    context.table.write(&holder, lease_until(progress.deadline_millis(), now), &items).await?;
    Ok(json!(progress))
}

/// Takes the lock over from the deployment's own execution: whatever of it is still running can no longer write.
///
/// Nothing when the lock is not the deployment's: it never had it, or has given it up, and so has changed nothing since.
async fn take_over(context: &Context, meta: &Meta, now: u64) -> Result<Option<Holder>> {
    let lock = context.table.lock(&meta.infrastructure).await?;
    if lock.holder.as_deref() != Some(&meta.deployment_id) {
        return Ok(None);
    }
    let lease = lease_until(now, now);
    match context.table.take_lock(&meta.infrastructure, &meta.deployment_id, Some(&lock), lease).await? {
        Locked::Taken(holder) => Ok(Some(holder)),
        Locked::Held(_) => Err(Kind::StaleRevision.because("The lock changed while it was taken over.")),
    }
}
