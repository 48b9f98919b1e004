//! `plan`: looks at the account, and writes down the snapshot and the plan.
//!
//! Changed by then: nothing but our own records. Every problem that can be known now is reported now, all at once.

use std::collections::BTreeMap;

use crossfade_aws::Holder;
use crossfade_core::capacity::Size;
use crossfade_core::document::Document;
use crossfade_core::freeze::{self, Freeze};
use crossfade_core::observed::Fleet;
use crossfade_core::plan::{self, Changes, Plan};
use crossfade_core::progress::Progress;
use crossfade_core::rollback::Touched;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::verification::cost;
use crossfade_core::{Failure, Kind, Result, text};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::finish::notify;
use crate::freeze::freezes;
use crate::news;
use crate::owners;
use crate::preflight::{Found, history, look};
use crate::prepare::{locked, that_can_be_kept};
use crate::records::{Meta, RevisionRecord, Status, closed, item, opened, refused_before, revision_item};
use crate::run::{Log, Records, lease_until};

/// What `prepare` answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    deployment_id: String,
    fence: u64,
}

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let Event { deployment_id: id, fence } = serde_json::from_value(event).map_err(|error| {
        Kind::RecordMissing.because(format!("The state machine did not pass what `plan` needs: {error}."))
    })?;
    let mut records = Records::load(&id, context).await?;
    let meta: Meta = records.need("meta")?;
    // A retry after a lost answer finds what it has written, and goes on from that.
    if meta.status.ended() {
        news::tell_of(context, &meta, fence).await;
        return Err(refused_before(&meta));
    }
    if let Some(plan) = records.find::<Plan>("plan#deploy")? {
        let progress = Progress::start(&id, fence, &plan, context.now_millis());
        news::tell_of_beginning(context, &meta, &plan, &progress).await;
        return Ok(json!(progress));
    }
    let holder = meta.holder(fence);
    match look(context, &meta.document).await {
        Ok(found) => begin(context, &holder, meta, found).await,
        Err(failure) if matches!(failure.kind, Kind::PreflightFailed | Kind::LockHeld) => {
            Err(refuse(context, &holder, meta, failure).await?)
        }
        Err(failure) => Err(failure),
    }
}

/// What a deployment would do now, and what was found in the account.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The stages.
    pub plan: Plan,
    /// The account as it is.
    pub snapshot: Snapshot,
    /// What the plan changes in it.
    pub changes: Changes,
    /// The image of each fleet that serves, as far as it is written down.
    pub images: BTreeMap<String, String>,
    /// What is worth knowing, each in a sentence.
    pub notes: Vec<String>,
    /// The document, with its variables, references and defaults filled in.
    pub document: Document,
    /// The deployment that made the last revision, if there is one.
    pub(crate) latest: Option<String>,
    /// Every freeze that there is.
    pub(crate) freezes: Vec<Freeze>,
}

impl Preview {
    /// The fleet that serves the same image already, if nothing else serves.
    pub fn serves_already(&self) -> Option<&str> {
        match self.snapshot.stable.as_slice() {
            [only] if self.images.get(only) == Some(&self.snapshot.artifact) => Some(only),
            _ => None,
        }
    }
}

/// Computes the plan of a deployment that would start now, with all the checks. Only reads, and takes no lock.
///
/// # Errors
/// `InvalidDocument` with everything that is wrong with the document, `LockHeld` while another deployment has the lock,
/// `PreflightFailed` with everything that stands in the way.
pub async fn preview(document: &Value, context: &Context) -> Result<Preview> {
    let (document, mut notes) = context.outputs.resolve(document).await.and_then(that_can_be_kept)?;
    let infrastructure = document.infrastructure().to_string();
    let freezes = freezes(context).await?;
    notes.extend(freeze::passes(&document, &freezes, context.now_millis())?);
    if let Some(failure) = locked(context, &infrastructure).await? {
        return Err(failure);
    }
    let Found { snapshot, expected_seconds, notes: found, .. } = look(context, &document).await?;
    if !document.description.is_empty() {
        notes.insert(0, text::one_line(&document.description, text::COMMENT));
    }
    let plan = plan::deploy(&document, &snapshot, expected_seconds)?;
    notes.extend(found.into_iter().chain(facts(&snapshot)).chain(cost(&document, &plan, &snapshot)));
    let serves = |record: &RevisionRecord| snapshot.stable.contains(&record.fleet);
    let history = history(context, &infrastructure).await?;
    let latest = history.last().map(|record| record.deployment_id.clone());
    let images = history.into_iter().filter(serves).map(|record| (record.fleet, record.artifact)).collect();
    let changes = Changes::of(&plan, &snapshot);
    Ok(Preview { plan, changes, images, snapshot, notes, document, latest, freezes })
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
            facts.push(format!("{} fleets serve now, with {together} together: {}", each.len(), text::few(&each)));
        }
    }
    for fleet in asleep {
        let until = fleet.wakes.as_ref().map_or_else(String::new, |wake| {
            format!(" until its scheduled action {} gives it {}", wake.schedule, wake.size)
        });
        facts.push(format!("{} sleeps with {}{until}; it is retired with those that serve", fleet.name, fleet.size));
    }
    facts.push(format!("{} will have {}", snapshot.candidate, snapshot.asked));
    if !snapshot.adopts() {
        facts.push(snapshot.baggage.found());
    }
    facts
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
    if !meta.document.description.is_empty() {
        log.say(now, text::one_line(&meta.document.description, text::COMMENT));
    }
    let costs = cost(&meta.document, &plan, &snapshot);
    for note in meta.filled_in.iter().cloned().chain(notes).chain(facts(&snapshot)).chain(costs) {
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
        opened(&meta, false),
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
    news::tell_of_beginning(context, &meta, &plan, &progress).await;
    let text = format!(
        "Deployment {id} of {} has started: {} as {}.\n",
        meta.infrastructure, revision.artifact, revision.fleet
    );
    notify(context, &meta, "started", &text).await;
    Ok(json!(progress))
}

/// Ends a deployment that was refused: nothing was changed, and the lock is free again.
async fn refuse(context: &Context, holder: &Holder, mut meta: Meta, failure: Failure) -> Result<Failure> {
    meta.refuse(&failure, context.now_millis());
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
    news::tell_of(context, &meta, holder.fence).await;
    notify(context, &meta, "refused", &format!("{failure}\n")).await;
    Ok(failure)
}
