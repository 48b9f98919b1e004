//! `plan-rollback`: takes the infrastructure definition over under a higher fence, and computes the way back from the snapshot,
//! from what was begun since, and from the live state.

use crossfade_aws::{Holder, Locked};
use crossfade_core::claims;
use crossfade_core::news::Stage;
use crossfade_core::plan::{Direction, Plan};
use crossfade_core::progress::Progress;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Failure, Kind, Result, rollback};
use serde_json::{Value, json};

use crate::context::Context;
use crate::finish::notify;
use crate::news;
use crate::owners;
use crate::records::{Meta, RollbackRecord, Status, item, opened};
use crate::run::{Log, Records, lease_until, splits};

/// How the log's line begins with which a rollback does: whoever reads the log knows by it when the last attempt began.
pub const ROLLING_BACK: &str = "Rolling back";

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let id = event.get("deploymentId").and_then(Value::as_str);
    let id = id.ok_or_else(|| Kind::RecordMissing.because("The event names no deploymentId."))?;
    let now = context.now_millis();
    let nothing = Plan { direction: Direction::Rollback, settled_millis: 0, stages: Vec::new() };
    let nothing_to_do = json!(Progress::start(id, 0, &nothing, now));
    let mut records = Records::load(id, context).await?;
    // Without a record it died before it wrote anything down, and so before it touched anything.
    let Some(mut meta) = records.find::<Meta>("meta")? else { return Ok(nothing_to_do) };
    if meta.status.ended() && meta.status != Status::FailedDirty {
        return Ok(nothing_to_do);
    }
    let lacking = lacking(&records);
    let snapshot: Option<Snapshot> = records.find("snapshot")?;
    let (mut touched, version) = records.touched()?;
    let noted = touched.clone();
    let begun_nothing = touched.nothing() && lacking.is_empty();
    let Some(holder) = take_over(context, &meta, begun_nothing, now).await? else { return Ok(nothing_to_do) };
    if !lacking.is_empty() {
        return Err(nobody_knows(id, &lacking));
    }
    let why: RollbackRecord = records.find("rollback")?.unwrap_or_default();
    let overslept = snapshot.as_ref().map(|it| rollback::overslept(it, &touched, meta.started_millis, now));
    let overslept = overslept.unwrap_or_default();
    touched.woken.extend(overslept.clone());
    let plan = match &snapshot {
        // Nothing was planned, and so nothing was changed.
        None => nothing,
        Some(_) if touched.nothing() => nothing,
        Some(snapshot) => {
            let fleets = context.platforms.on(&snapshot.platform);
            let mut live = fleets.of(&meta.infrastructure).await?;
            // A list by tags may not show yet what was just made; by its name it is found.
            if touched.candidate && !live.iter().any(|fleet| fleet.name == snapshot.candidate) {
                let candidate = fleets.get(&snapshot.candidate).await?;
                live.extend(candidate.filter(|fleet| fleet.deployment.as_deref() == Some(id)));
            }
            let splits = splits(context, snapshot).await?;
            let plan = match rollback::plan(&meta.document, snapshot, &touched, &live, &splits) {
                // What somebody may do about it depends on who could take the traffic.
                Err(failure) if failure.kind == Kind::RollbackFailed => {
                    let production = context.pools.registered(&snapshot.production()).await.unwrap_or_default();
                    let advice = rollback::advice(snapshot, &production);
                    return Err(failure.kind.because(format!("{} {advice}", failure.message)));
                }
                plan => plan?,
            };
            Plan { settled_millis: rollback::settled_millis(&touched, now), ..plan }
        }
    };
    let bare = owners::bare(context, &touched).await?;
    touched.tagged.extend(bare.iter().cloned());
    let mut log = Log::new(id);
    log.say(
        now,
        match why.failure.error.as_str() {
            "" => format!("{ROLLING_BACK}, as somebody asked"),
            error => format!("{ROLLING_BACK} because of {error}: {}", why.failure.cause),
        },
    );
    for (name, size) in &overslept {
        log.say(now, format!("{name} would be awake by now: it gets back {size}"));
    }
    if !bare.is_empty() {
        let names = claims::names(&bare);
        log.say(
            now,
            format!("By now {names} bear no tag of ours any more; it is set again until the weights are back"),
        );
    }
    for (i, stage) in plan.stages.iter().enumerate() {
        log.say(now, format!("Rollback stage {}: {} ({})", i + 1, stage.name, stage.describe()));
    }
    let begins = meta.status != Status::RollingBack;
    meta.status = Status::RollingBack;
    meta.ended_millis = None;
    meta.failure = Some(why.failure).filter(|failure| !failure.error.is_empty());
    let progress = Progress::start(id, holder.fence, &plan, now);
    let lease = lease_until(progress.deadline_millis(), now);
    log.write(context, &holder, lease).await?;
    let mut items = vec![item(id, "meta", &meta), item(id, "plan#rollback", &plan), opened(&meta, false)];
    if touched != noted {
        items.push(item(id, "touched", &touched).replacing(version));
    }
    context.table.write(&holder, lease, &items).await?;
    owners::tag_again(context, &meta.infrastructure, &bare).await?;
    let broken_off = if begins { news::of_broken_off(&meta, &mut records, holder.fence, now) } else { None };
    let news = broken_off.into_iter().chain(news::of_deployment(&meta, holder.fence, now));
    news::tell(context, news.chain(news::of_stage(&meta, &plan, &progress, Stage::Started, now)).collect()).await;
    if begins {
        let why = meta.failure.as_ref().map(|failure| format!("{}: {}", failure.error, failure.cause));
        let why = why.unwrap_or_else(|| "Somebody asked for it.".into());
        let text = format!("Deployment {id} of {} is being rolled back.\n\n{why}\n", meta.infrastructure);
        notify(context, &meta, "is being rolled back", &text).await;
    }
    Ok(json!(progress))
}

/// What a deployment writes down in one transaction before it changes anything: what was there, what it will do, what it has begun.
const WRITTEN_TOGETHER: [&str; 3] = ["snapshot", "plan#deploy", "touched"];

/// Those of them that somebody has deleted.
fn lacking(records: &Records) -> Vec<&'static str> {
    let lacking: Vec<&str> = WRITTEN_TOGETHER.into_iter().filter(|record| !records.has(record)).collect();
    if lacking.len() == WRITTEN_TOGETHER.len() { Vec::new() } else { lacking }
}

fn nobody_knows(id: &str, lacking: &[&str]) -> Failure {
    let records = lacking.iter().map(|record| format!("`{record}`")).collect::<Vec<_>>().join(" and ");
    Kind::RecordMissing.because(format!(
        "The state table has no record {records} of deployment {id} any more, so that nobody knows what to put back. It was deleted: \
         copy it back from the table's point-in-time recovery and run `crossfade rollback {id}`; or put everything right by hand, and \
         keep it so with `crossfade accept {id}`."
    ))
}

/// Takes the lock over from the deployment's own execution: whatever of it is still running can no longer write.
///
/// Nothing when another deployment has it, or nobody, and this one has begun nothing.
async fn take_over(context: &Context, meta: &Meta, begun_nothing: bool, now: u64) -> Result<Option<Holder>> {
    let lock = context.table.lock(&meta.infrastructure).await?;
    let from = match &lock.holder {
        Some(holder) if *holder == meta.deployment_id => Some(&lock),
        _ if begun_nothing => return Ok(None),
        None => None,
        Some(other) => {
            return Err(Kind::RollbackFailed.because(format!(
                "{} is held by deployment {other}, so what {} has left cannot be undone now. Wait until {other} has ended, \
                 then run `crossfade rollback {}`.",
                meta.infrastructure, meta.deployment_id, meta.deployment_id
            )));
        }
    };
    match context.table.take_lock(&meta.infrastructure, &meta.deployment_id, from, lease_until(now, now)).await? {
        Locked::Taken(holder) => Ok(Some(holder)),
        Locked::Held(_) => Err(Kind::StaleRevision.because("The lock changed while it was taken over.")),
    }
}
