//! Whose answers to an approval count, where the document says so. It is a part of the function `approve`.
//!
//! Whoever may answer a task token may write any name beside the answer. So a yes comes with a proof of who gives it, and AWS is asked
//! whose that is. A no needs none: it leads back to where all was before, and nobody is kept from that.
//!
//! What it must never do: let a yes count that nobody stands behind, or lose a deployment over one: the question is asked again, for as
//! long as there is time left.

use crossfade_aws::{Proven, keys, of_answer};
use crossfade_core::answerers::{Answerers, VOID_MAX};
use crossfade_core::document::Decision;
use crossfade_core::{Failure, Kind, Result, text};
use serde_json::{Value, json};

use crate::approve::{Said, TOO_LARGE, key, said};
use crate::finish::notify;
use crate::records::{ApprovalRecord, FailureRecord, find};
use crate::run::Run;

/// Who has rejected what too many have answered.
const NOBODY: &str = "nobody whose answer counts";

/// What an answer comes to.
pub(crate) enum Judged {
    /// It counts.
    Counts(Said),
    /// It does not, and why; and until when the question is asked, in milliseconds since 1970.
    Void(String, u64),
    /// It was one too many that did not, and why.
    TooMany(String),
}

/// Judges what was said to the question that a run is at, where only some answers count.
pub(crate) async fn judge(
    run: &Run<'_>,
    answerers: &Answerers,
    state: &Value,
    no: Option<&FailureRecord>,
) -> Result<Judged> {
    let said = said(state, "failure");
    let (id, key) = (&run.progress.deployment_id, key(&run.progress));
    let record: Option<ApprovalRecord> = find(&run.context.table, &keys::deployment(id), &key).await?;
    let record = match record {
        // This function has judged it before, and its answer was lost.
        Some(record) if record.decision == Some(Decision::Reject) && !says_no(no, &record) => {
            return Ok(Judged::TooMany(record.comment.unwrap_or_default()));
        }
        Some(record) if record.decision.is_some() => return Ok(Judged::Counts(Said::recorded(record))),
        Some(record) => record,
        None if no.is_some() => return Ok(Judged::Counts(said)),
        None => return Ok(Judged::Void("nothing is recorded that was asked".into(), run.progress.deadline_millis())),
    };
    let void = |why: String| Ok(Judged::Void(why, record.deadline_millis));
    let who = said.by().map_or_else(|| "somebody".into(), |by| format!("somebody who says to be {by}"));
    match no {
        None => {}
        Some(no) if no.error == TOO_LARGE => return void(format!("{who} says more than can be passed on")),
        Some(no) if silent(no) && record.on_timeout == Decision::Approve && early(run, &record) => {
            return void(format!("{who} says that the time is over, and it is not"));
        }
        Some(_) => return Ok(Judged::Counts(said)),
    }
    let Some(proof) = state.pointer("/decision/proof").and_then(Value::as_str) else {
        return void(format!("{who} gives no proof of that, as `crossfade approve` does"));
    };
    let question = of_answer(&run.meta.execution_arn, &record.task_token);
    match run.context.proofs.whose(proof, &question, run.context.now_millis()).await? {
        Proven::Nothing(why) => void(format!("{who}: {why}")),
        Proven::As(arn) => match answerers.refuse(&arn, run.meta.starter.as_deref()) {
            Some(why) => void(format!("{arn}: {why}")),
            None => Ok(Judged::Counts(said.proven(calls_themselves(state), &arn))),
        },
    }
}

/// What whoever says yes calls themselves.
fn calls_themselves(state: &Value) -> Option<String> {
    let by = state.pointer("/decision/by").and_then(Value::as_str)?;
    Some(text::one_line(by, text::WHO)).filter(|by| !by.is_empty())
}

/// Whether what was said is a no, or comes to one.
fn says_no(no: Option<&FailureRecord>, record: &ApprovalRecord) -> bool {
    no.is_some_and(|no| no.error != TOO_LARGE && !(silent(no) && record.on_timeout == Decision::Approve))
}

/// Whether nobody has said anything.
fn silent(no: &FailureRecord) -> bool {
    no.error == "States.Timeout" || no.error == "States.HeartbeatTimeout"
}

/// Whether the time is not over yet. Clocks differ a little.
fn early(run: &Run<'_>, record: &ApprovalRecord) -> bool {
    run.context.now_millis() + 2_000 < record.deadline_millis
}

/// Notes that an answer does not count, tells people, and lets the question be asked again.
///
/// # Errors
/// `ApprovalRejected` when too many did not count.
pub(crate) async fn ask_again(mut run: Run<'_>, why: String, deadline_millis: u64) -> Result<Value> {
    let (why, stage) = (text::one_line(&why, text::COMMENT), run.progress.stage.name.clone());
    let again = run.progress.asked_again(deadline_millis, run.context.now_millis());
    run.say(format!("{stage}: an answer does not count: {why}"));
    if again.stage.void_answers > VOID_MAX {
        let why = text::one_line(&format!("{VOID_MAX} answers did not count, the last one: {why}"), text::COMMENT);
        let closed = Said::of_nobody(NOBODY, &why).close(&run, Decision::Reject).await?;
        run.write(closed, deadline_millis).await?;
        return Err(too_many(&run, &why));
    }
    run.write(Vec::new(), deadline_millis).await?;
    let (id, nth) = (&again.deployment_id, again.stage.index + 1);
    let text = format!(
        "An answer to stage {nth} of deployment {id} of {} does not count: {stage}.\n\n{why}.\n\nNothing has changed, and it is asked again.\n",
        run.meta.infrastructure
    );
    notify(run.context, &run.meta, "approval wanted", &text).await;
    Ok(json!(again))
}

/// The end of a question to which too many answers did not count.
pub(crate) fn too_many(run: &Run<'_>, why: &str) -> Failure {
    Kind::ApprovalRejected.because(format!("{}: {why}.", run.progress.stage.name))
}
