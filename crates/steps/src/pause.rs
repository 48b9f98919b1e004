//! Pauses that somebody asks for while a deployment runs, and their ends. It is a part of the function `approve`.
//!
//! Somebody writes down that the deployment is to stop before its next stage; whoever ends the stage before passes that on, and the machine
//! asks whether it goes on. Pauses of the document somebody may end sooner: the function that waits for their end reads that.
//!
//! What it must never do: hold a rollback up, or a stage in its midst; go on without a word from somebody, since silence means no.

use crossfade_aws::{Item, keys};
use crossfade_core::document::Decision;
use crossfade_core::plan::{Direction, Pause, StageKind};
use crossfade_core::progress::Progress;
use crossfade_core::{Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::approve::{TOO_LARGE, asked, asking_failed, give_up, not_a_decision, said};
use crate::context::Context;
use crate::finish::notify;
use crate::hold::outlast;
use crate::records::{ApprovalRecord, FailureRecord, find, item};
use crate::run::{Records, Run};
use crate::watch;

/// The sort keys of the records.
const PAUSE: &str = "pause";
const PROMOTION: &str = "promotion";

/// The record `pause` of a deployment: somebody wants it to stop before its next stage. It is null once that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseRecord {
    /// Who, as far as they said.
    pub by: Option<String>,
    /// Why, as far as they said.
    pub comment: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub since_millis: u64,
    /// How long it may stand before everything is rolled back, in minutes.
    pub timeout_minutes: u32,
}

impl PauseRecord {
    /// Who pauses the deployment, and why: as the log, questions, notifications and commands say it.
    pub fn in_words(&self) -> String {
        signed(self.by.as_deref(), self.comment.as_deref())
    }
}

/// The record `promotion` of a deployment: somebody ends a pause of the document sooner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionRecord {
    /// Who, as far as they said.
    pub by: Option<String>,
    /// Why, as far as they said.
    pub comment: Option<String>,
    /// The stage that pauses, by its place in the plan; nothing for all that pause from now on.
    pub stage: Option<usize>,
}

impl PromotionRecord {
    /// Whether it is about this stage.
    fn ends(&self, index: usize, pause: &Pause) -> bool {
        pause.wanted && self.stage.is_none_or(|stage| stage == index)
    }
}

/// Asks a deployment to stop before its next stage.
///
/// # Errors
/// Those of the table.
pub async fn pause(context: &Context, deployment: &str, pause: &PauseRecord) -> Result<()> {
    context.table.put(&item(deployment, PAUSE, pause)).await
}

/// Takes back that a deployment is to stop. Answers what was asked until then.
///
/// # Errors
/// Those of the table.
pub async fn unpause(context: &Context, deployment: &str) -> Result<Option<PauseRecord>> {
    let before: Option<Option<PauseRecord>> = find(&context.table, &keys::deployment(deployment), PAUSE).await?;
    context.table.put(&over(deployment)).await?;
    Ok(before.flatten())
}

/// Ends pauses of a deployment's document sooner.
///
/// # Errors
/// Those of the table.
pub async fn promote(context: &Context, deployment: &str, promotion: &PromotionRecord) -> Result<()> {
    context.table.put(&item(deployment, PROMOTION, promotion)).await
}

/// That nobody wants it to stop any more. Nothing is deleted: the functions may not.
fn over(deployment: &str) -> Item {
    item(deployment, PAUSE, &None::<PauseRecord>)
}

/// What somebody wants of a deployment while it runs.
#[derive(Debug)]
pub(crate) struct Wishes {
    pause: Option<PauseRecord>,
    promotion: Option<PromotionRecord>,
}

impl Wishes {
    /// Takes them out of the records of a deployment.
    pub(crate) fn of(records: &mut Records) -> Result<Self> {
        Ok(Self { pause: records.find::<Option<PauseRecord>>(PAUSE)?.flatten(), promotion: records.find(PROMOTION)? })
    }

    /// Who ends such a pause of the document sooner, and why.
    pub(crate) fn ends(&self, index: usize, pause: &Pause) -> Option<String> {
        let promotion = self.promotion.as_ref().filter(|promotion| promotion.ends(index, pause))?;
        Some(signed(promotion.by.as_deref(), promotion.comment.as_deref()))
    }

    /// A run that comes to a stage: it stops before that, if somebody wants so. In the end, and on the way back, nothing does. Answers
    /// what the log says of it.
    pub(crate) fn stop(&self, progress: &mut Progress) -> Option<String> {
        let pause = self.pause.as_ref()?;
        if progress.direction == Direction::Rollback || progress.stage.kind == StageKind::Finish {
            return None;
        }
        progress.paused_seconds = pause.timeout_minutes * 60;
        Some(format!("Paused before {} by {}", progress.stage.name, pause.in_words()))
    }
}

/// Who says something, and why.
fn signed(by: Option<&str>, comment: Option<&str>) -> String {
    let who = by.unwrap_or("somebody who did not say who");
    comment.map_or_else(|| who.to_owned(), |comment| format!("{who}: {comment}"))
}

/// Asks whether a deployment that is paused goes on, when there is a token; otherwise lets it, or says why not.
pub(crate) async fn handle(state: &Value, token: Option<&str>, context: &Context) -> Result<Value> {
    let run = Run::load(state, context).await?;
    match token {
        Some(token) => ask(run, token).await,
        None => decide(run, state).await,
    }
}

async fn ask(mut run: Run<'_>, token: &str) -> Result<Value> {
    let (id, nth, name) =
        (run.progress.deployment_id.clone(), run.progress.stage.index + 1, run.progress.stage.name.clone());
    let minutes = run.progress.paused_seconds / 60;
    let deadline_millis = run.context.now_millis() + u64::from(minutes) * 60_000;
    // Taken back in the same moment, it stands all the same: somebody says once more that it goes on.
    let who = run.wishes.pause.as_ref().map_or_else(|| signed(None, None), PauseRecord::in_words);
    let message = format!("Paused by {who}");
    let record = ApprovalRecord { pauses: true, ..ApprovalRecord::open(&message, &name, token, deadline_millis) };
    outlast(&mut run, u64::from(minutes) * 60).await?;
    run.say(format!("Waiting for a word to go on with {name}; without one in {minutes} min all is rolled back"));
    run.write(asked(&run, &record), deadline_millis).await?;
    run.tell_of(&record).await;
    let text = format!(
        "Deployment {id} of {} stands before stage {nth}: {name}. It was paused by {who}.\nWithout a word in {minutes} minutes all is \
         rolled back.\n\nGo on:     crossfade resume {id}\nRoll back: crossfade reject {id} --stage {nth}\n",
        run.meta.infrastructure
    );
    notify(run.context, &run.meta, "paused", &text).await;
    Ok(Value::Null)
}

async fn decide(mut run: Run<'_>, state: &Value) -> Result<Value> {
    let no = FailureRecord::caught(state, "refusal").filter(|no| no.error != TOO_LARGE);
    if let Some(no) = no.as_ref().filter(|no| not_a_decision(no) && watch::told(&no.error).is_none() && !expired(no)) {
        let failure = asking_failed(no);
        give_up(&mut run, &failure).await?;
        return Err(failure);
    }
    let said = said(state, "refusal");
    let decision = if no.is_some() { Decision::Reject } else { Decision::Approve };
    let closed = said.close(&run, decision).await?;
    let (who, why) = said.in_words();
    let name = run.progress.stage.name.clone();
    let id = run.progress.deployment_id.clone();
    let Some(no) = no else {
        let begun = run.progress.begun(&run.plan, run.context.now_millis());
        run.say(format!("Resumed by {who}{why}"));
        let records = closed.into_iter().chain([over(&id)]).collect();
        run.write(records, begun.deadline_millis()).await?;
        run.tell_of_start(&begun).await;
        return Ok(json!(begun));
    };
    run.write(closed, run.progress.deadline_millis()).await?;
    Err(if let Some(turned) = watch::told(&no.error) {
        let turns = watch::in_words(turned);
        turned.because(format!("While it was paused before {name}, {turns}: {}.", no.cause))
    } else if expired(&no) {
        Kind::ApprovalExpired.because(format!(
            "It was paused before {name}, and nobody let it go on within {} min, which counts as a rejection.",
            run.progress.paused_seconds / 60
        ))
    } else {
        Kind::ApprovalRejected.because(format!("Paused before {name}: rejected by {who}{why}."))
    })
}

fn expired(no: &FailureRecord) -> bool {
    no.error == "States.Timeout"
}
