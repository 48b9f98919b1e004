//! `prepare`: reads the document and the live state, takes the lock, and writes down the snapshot and the plan.
//!
//! Changed by then: nothing but our own records. Every problem that can be known now is reported now, all at once.

use crossfade_aws::{Holder, Lock, Locked, keys};
use crossfade_core::capacity::Size;
use crossfade_core::document::Document;
use crossfade_core::observed::Fleet;
use crossfade_core::plan::{self, Plan};
use crossfade_core::progress::Progress;
use crossfade_core::rollback::Touched;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Class, Failure, Kind, Result, text};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::finish::{notify, notify_of};
use crate::owners;
use crate::preflight::{Found, look};
use crate::records::{FailureRecord, Meta, RevisionRecord, Schema, Status, closed, find, item, opened, revision_item};
use crate::run::{Log, Records, lease_until};

/// What the state machine passes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    deployment_id: String,
    execution_arn: String,
    document: Value,
}

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let event: Event = serde_json::from_value(event).map_err(|error| {
        Kind::InvalidDocument.because(format!("The state machine did not pass what `prepare` needs: {error}."))
    })?;
    let id = &event.deployment_id;

    // A retry after a lost answer finds its own records and goes on from them.
    let mut records = Records::load(id, context).await?;
    let earlier: Option<Meta> = records.find("meta")?;
    if let Some(earlier) = earlier.as_ref().filter(|earlier| earlier.status.ended()) {
        return Err(Kind::PreflightFailed.because(format!(
            "Deployment {id} ended already ({:?}). Start a new one under another name.",
            earlier.status
        )));
    }
    // What references came to the first time stays so: an output may have changed since.
    let (document, filled_in) = match &earlier {
        Some(earlier) => (earlier.document.clone(), earlier.filled_in.clone()),
        None => match context.outputs.resolve(&event.document).await.and_then(that_can_be_kept) {
            Ok(resolved) => resolved,
            Err(failure) => {
                // Nothing is written down, and whoever started it may not be looking.
                if failure.kind.class() == Class::Refused {
                    notify_of(context, id, "refused", &format!("{failure}\n")).await;
                }
                return Err(failure);
            }
        },
    };
    let infrastructure = document.infrastructure().to_string();
    let now = context.now_millis();
    let mut meta = Meta {
        schema: Schema::default(),
        deployment_id: id.clone(),
        execution_arn: event.execution_arn,
        status: Status::Preparing,
        infrastructure: infrastructure.clone(),
        document,
        filled_in,
        started_millis: earlier.as_ref().map_or(now, |earlier| earlier.started_millis),
        ended_millis: None,
        failure: None,
    };
    // Before the lock is taken, so that whoever cleans up after a crash finds it, and knows which lock to look at.
    if earlier.is_none() {
        context.table.put_together(&[item(id, "meta", &meta), opened(&meta)]).await?;
    }
    let holder = match take_lock(context, &infrastructure, id, now).await {
        Ok(holder) => holder,
        Err(failure) if failure.kind == Kind::LockHeld => {
            end_refused(&mut meta, &failure, now);
            let [over, gone] = closed(&meta);
            context.table.put_together(&[item(id, "meta", &meta), over, gone]).await?;
            notify(context, &meta, "refused", &format!("{failure}\n")).await;
            return Err(failure);
        }
        Err(failure) => return Err(failure),
    };
    if let Some(plan) = records.find::<Plan>("plan#deploy")? {
        return Ok(json!(Progress::start(id, holder.fence, &plan, now)));
    }

    match look(context, &meta.document).await {
        Ok(found) => begin(context, &holder, meta, found).await,
        Err(failure) if matches!(failure.kind, Kind::PreflightFailed | Kind::LockHeld) => {
            Err(refuse(context, &holder, meta, failure).await?)
        }
        Err(failure) => Err(failure),
    }
}

/// The most bytes of a document with everything filled in, as of the input of an execution (Step Functions quotas): a record of the
/// table may have 400 KB, and others beside it.
const DOCUMENT: usize = 262_144;
/// The most bytes of what is told of that.
const TOLD: usize = 50_000;

/// The longest value of a tag, in characters (the API references of what is tagged).
const TAG: usize = 256;

/// Refuses a document that has become too large for its record, or whose names are for a tag, and cuts what is told of it.
fn that_can_be_kept((document, filled_in): (Document, Vec<String>)) -> Result<(Document, Vec<String>)> {
    let infrastructure = document.infrastructure().to_string();
    if infrastructure.chars().count() > TAG {
        return Err(Kind::InvalidDocument.because(format!(
            "service, environment and {}.base make {infrastructure}, the tag by which fleets are known, and {TAG} characters are \
             the most that a tag can have. Give them shorter names.",
            document.compute.path()
        )));
    }
    let bytes = json!(document).to_string().len();
    if bytes > DOCUMENT {
        return Err(Kind::InvalidDocument.because(format!(
            "With everything filled in, the document has {bytes} bytes, and {DOCUMENT} are the most that can be kept. Make it, or \
             what its references stand for, shorter."
        )));
    }
    let (all, mut room) = (filled_in.len(), TOLD);
    let lines = filled_in.iter().map(|line| text::cut(line, text::COMMENT)).take_while(|line| {
        let fits = line.len() <= room;
        room = room.saturating_sub(line.len());
        fits
    });
    let mut lines: Vec<String> = lines.collect();
    if lines.len() < all {
        lines.push(format!("{} more values were filled in", all - lines.len()));
    }
    Ok((document, lines))
}

/// What a deployment would do now, and what was found in the account.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The stages.
    pub plan: Plan,
    /// The fleet that would be made.
    pub candidate: String,
    /// What is worth knowing, each in a sentence.
    pub notes: Vec<String>,
}

/// Computes the plan of a deployment that would start now, with all the checks. Only reads, and takes no lock.
///
/// # Errors
/// `InvalidDocument` with everything that is wrong with the document, `PreflightFailed` with everything that stands in the
/// way.
pub async fn preview(document: &Value, context: &Context) -> Result<Preview> {
    let (document, mut notes) = context.outputs.resolve(document).await.and_then(that_can_be_kept)?;
    let Found { snapshot, expected_seconds, notes: found, .. } = look(context, &document).await?;
    let plan = plan::deploy(&document, &snapshot, expected_seconds)?;
    notes.extend(found.into_iter().chain(facts(&snapshot)));
    Ok(Preview { plan, candidate: snapshot.candidate, notes })
}

/// What serves, and what will.
fn facts(snapshot: &Snapshot) -> Vec<String> {
    let (asleep, awake): (Vec<&Fleet>, Vec<&Fleet>) =
        snapshot.stable_fleets().into_iter().partition(|fleet| fleet.asleep());
    let mut facts: Vec<String> = Vec::new();
    match awake.as_slice() {
        [] if asleep.is_empty() => facts.push("No earlier fleet of this infrastructure definition serves".into()),
        [] => {}
        [stable] => facts.push(format!("{} serves now, with {}", stable.name, stable.size)),
        several => {
            let each = several.iter().map(|fleet| format!("{} with {}", fleet.name, fleet.size)).collect::<Vec<_>>();
            let together = Size::together(several.iter().map(|fleet| fleet.size));
            facts.push(format!("{} fleets serve now, with {together} together: {}", each.len(), each.join(", ")));
        }
    }
    for fleet in asleep {
        let until = fleet.wakes.as_ref().map_or_else(String::new, |wake| {
            format!(" until its scheduled action {} gives it {}", wake.schedule, wake.size)
        });
        facts.push(format!("{} sleeps with {}{until}; it is retired with those that serve", fleet.name, fleet.size));
    }
    facts.push(format!("{} will have {}", snapshot.candidate, snapshot.asked));
    facts
}

/// Takes the lock, or says who has it and what to do.
///
/// A lease that has run out is taken over only from a deployment that had not begun to change anything, or is over: any other
/// one has to be rolled back first, or its half-done work would become the new deployment's "before".
async fn take_lock(context: &Context, infrastructure: &str, id: &str, now: u64) -> Result<Holder> {
    let lease = lease_until(now, now);
    let lock = match context.table.take_lock(infrastructure, id, None, lease).await? {
        Locked::Taken(holder) => return Ok(holder),
        Locked::Held(lock) => lock,
    };
    let other = lock.holder.clone().unwrap_or_default();
    let status = find::<Meta>(&context.table, &keys::deployment(&other), "meta").await?.map(|meta| meta.status);
    let harmless = status.is_none_or(|status| status == Status::Preparing || status == Status::Succeeded);
    if lock.expires_millis > now || !harmless {
        return Err(held(infrastructure, &other, status, &lock, now));
    }
    match context.table.take_lock(infrastructure, id, Some(&lock), lease).await? {
        Locked::Taken(holder) => Ok(holder),
        Locked::Held(lock) => {
            let winner = lock.holder.clone().unwrap_or_default();
            Err(held(infrastructure, &winner, None, &lock, now))
        }
    }
}

fn held(infrastructure: &str, other: &str, status: Option<Status>, lock: &Lock, now: u64) -> Failure {
    let advice = match status {
        Some(Status::FailedDirty) => {
            format!("It could not be rolled back to the end. See `crossfade status {other}` for what is left.")
        }
        _ if lock.expires_millis <= now => {
            format!("Its execution seems dead: its lease has run out. Roll it back with `crossfade rollback {other}`.")
        }
        _ => format!("Wait for it (`crossfade status {other}`), or stop it."),
    };
    Kind::LockHeld.because(format!("{infrastructure} is being deployed by {other}. {advice} Nothing was touched."))
}

/// Writes the snapshot and the plan, all at once, and goes to the first stage.
async fn begin(context: &Context, holder: &Holder, mut meta: Meta, found: Found) -> Result<Value> {
    let Found { snapshot, expected_seconds, notes, unclaimed } = found;
    let plan = match plan::deploy(&meta.document, &snapshot, expected_seconds) {
        Ok(plan) => plan,
        Err(failure) => return Err(refuse(context, holder, meta, failure).await?),
    };
    let now = context.now_millis();
    let id = meta.deployment_id.clone();
    let mut log = Log::new(&id);
    let what = if snapshot.adopts() { "Bringing back" } else { "Deploying" };
    log.say(now, format!("{what} {} to {} as {}", snapshot.artifact, meta.infrastructure, snapshot.candidate));
    for note in meta.filled_in.iter().cloned().chain(notes).chain(facts(&snapshot)) {
        log.say(now, note);
    }
    for (i, stage) in plan.stages.iter().enumerate() {
        log.say(now, format!("Stage {}: {} ({})", i + 1, stage.name, stage.describe()));
    }
    meta.status = Status::Running;
    let revision = RevisionRecord {
        revision: snapshot.revision,
        fleet: snapshot.candidate.clone(),
        deployment_id: id.clone(),
        artifact: snapshot.artifact.clone(),
        status: Status::Running,
        steady_seconds: None,
    };
    let mut items = vec![
        item(&id, "meta", &meta),
        opened(&meta),
        item(&id, "snapshot", &snapshot),
        item(&id, "plan#deploy", &plan),
        item(&id, "touched", &Touched::default()).replacing(0),
    ];
    // The record of a revision that is brought back says who made it, and stays.
    if !snapshot.adopts() {
        items.push(revision_item(&meta.infrastructure, &revision));
    }
    let progress = Progress::start(&id, holder.fence, &plan, now);
    let lease = lease_until(progress.deadline_millis(), now);
    log.write(context, holder, lease).await?;
    owners::claim(context, holder, &unclaimed, now).await?;
    context.table.write(holder, lease, &items).await?;
    let text = format!(
        "Deployment {id} of {} has started: {} as {}.\n",
        meta.infrastructure, revision.artifact, revision.fleet
    );
    notify(context, &meta, "started", &text).await;
    Ok(json!(progress))
}

/// Ends a deployment that was refused: nothing was changed, and the lock is free again.
async fn refuse(context: &Context, holder: &Holder, mut meta: Meta, failure: Failure) -> Result<Failure> {
    end_refused(&mut meta, &failure, context.now_millis());
    let mut log = Log::new(&meta.deployment_id);
    let now = context.now_millis();
    for line in meta.filled_in.iter().cloned().chain([format!("Refused, nothing was touched: {failure}")]) {
        log.say(now, line);
    }
    log.write(context, holder, lease_until(now, now)).await?;
    // It has tagged nothing by then.
    owners::give_back(context, holder, &Touched::default(), &mut log, now).await?;
    let [over, gone] = closed(&meta);
    context.table.release(holder, &[item(&meta.deployment_id, "meta", &meta), over, gone]).await?;
    notify(context, &meta, "refused", &format!("{failure}\n")).await;
    Ok(failure)
}

fn end_refused(meta: &mut Meta, failure: &Failure, now: u64) {
    meta.status = Status::FailedClean;
    meta.ended_millis = Some(now);
    meta.failure = Some(FailureRecord::new(failure.kind.name(), &failure.message));
}
