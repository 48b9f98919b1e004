//! `approve`: asks a person and, once somebody or the deadline has decided, records the decision.
//!
//! The decision itself is made by `SendTaskSuccess` or `SendTaskFailure` on the task token, from any AWS client; Step Functions
//! lets each token decide once.

use crossfade_aws::{Item, keys};
use crossfade_core::document::Decision;
use crossfade_core::plan::{Action, Approve, Direction};
use crossfade_core::progress::Progress;
use crossfade_core::{Failure, Kind, Result, text};
use serde_json::Value;

use crate::answers::{self, Judged};
use crate::context::Context;
use crate::finish::notify;
use crate::hold::outlast;
use crate::hook::ask_back;
use crate::records::{ApprovalRecord, FailureRecord, item, opened, read, stage_key};
use crate::run::Run;
use crate::{pause, reconsider, watch};

/// What a yes becomes that says more than Step Functions passes on. Only a yes can: what a no says, it cuts.
pub(crate) const TOO_LARGE: &str = "States.DataLimitExceeded";

/// `{"progress": …, "taskToken": …}` asks, `{"progress": …}` decides: with `progress.failure` against it, otherwise for it.
/// `{"failed": …}` is about a stage that has failed, `{"paused": …}` about one before which somebody has paused the deployment.
pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let token = event.get("taskToken").and_then(Value::as_str);
    if let Some(failed) = event.get("failed") {
        return reconsider::handle(failed, token, context).await;
    }
    if let Some(paused) = event.get("paused") {
        return pause::handle(paused, token, context).await;
    }
    let run = Run::load(event.get("progress").unwrap_or(&Value::Null), context).await?;
    let Action::Approve(approve) = run.action()? else { return Err(run.wrong_stage("approve")) };
    match token {
        Some(token) => ask(run, &approve, token).await,
        None => decide(run, &approve, &event["progress"]).await,
    }
}

pub(crate) fn key(progress: &Progress) -> String {
    stage_key("approval", progress.direction, progress.stage.index)
}

/// A question, as it is written down.
pub(crate) fn asked(run: &Run<'_>, record: &ApprovalRecord) -> Vec<Item> {
    question(run, record, true)
}

/// A question in the deployment's records, and whether anything is asked in the list of those that are not over.
fn question(run: &Run<'_>, record: &ApprovalRecord, asks: bool) -> Vec<Item> {
    let question = item(&run.progress.deployment_id, key(&run.progress), record);
    // A rollback stops for nobody: nobody has to look on for it.
    let listed = (run.progress.direction == Direction::Deploy).then(|| opened(&run.meta, asks));
    [question].into_iter().chain(listed).collect()
}

async fn ask(mut run: Run<'_>, approve: &Approve, token: &str) -> Result<Value> {
    // On the way forward whoever holds fleets has counted on it.
    if run.progress.direction == Direction::Rollback {
        let seconds = u64::from(run.progress.stage.timeout_seconds);
        outlast(&mut run, seconds).await?;
    }
    let (stage, deadline_millis) = (&run.progress.stage.name, run.progress.deadline_millis());
    let record = ApprovalRecord {
        on_timeout: approve.on_timeout,
        answerers: approve.answerers.clone(),
        ..ApprovalRecord::open(&approve.message, stage, token, deadline_millis)
    };
    let minutes = run.progress.stage.timeout_seconds.div_ceil(60);
    let silence = match approve.on_timeout {
        _ if approve.inspects => "the inspection ends",
        Decision::Approve => "it counts as approved",
        Decision::Reject => "it counts as rejected",
    };
    run.say(format!("{}: waiting for a decision; without one in {minutes} min {silence}", record.stage));
    let id = run.progress.deployment_id.clone();
    run.write(asked(&run, &record), run.progress.deadline_millis()).await?;
    run.tell_of(&record).await;
    if let Some(call) = &approve.hook {
        return ask_back(&run, approve, call, token).await.map(|()| Value::Null);
    }
    let mut question = if approve.message.is_empty() { String::new() } else { format!("{}\n\n", approve.message) };
    if let Some(answerers) = &approve.answerers {
        question.push_str(&format!("A yes counts of {}.\n\n", answerers.in_words()));
    }
    // As `crossfade plan` and the log count them.
    let stage = run.progress.stage.index + 1;
    let asks = if approve.inspects { "waits for an inspection" } else { "asks for approval" };
    let answers = match approve.inspects {
        true => format!("End it: crossfade approve {id} --stage {stage}\n"),
        false => {
            format!("Approve: crossfade approve {id} --stage {stage}\nReject:  crossfade reject {id} --stage {stage}\n")
        }
    };
    let text = format!(
        "{question}Deployment {id} of {} {asks} at stage {stage}: {}.\nWithout a decision in {minutes} minutes {silence}.\n\n{answers}",
        run.meta.infrastructure, record.stage
    );
    notify(run.context, &run.meta, "approval wanted", &text).await;
    Ok(Value::Null)
}

async fn decide(mut run: Run<'_>, approve: &Approve, state: &Value) -> Result<Value> {
    let failure = FailureRecord::from_catch(state);
    let said = match &approve.answerers {
        None => said(state, "failure"),
        Some(answerers) => match answers::judge(&run, answerers, state, failure.as_ref()).await? {
            Judged::Counts(said) => said,
            Judged::Void(why, deadline_millis) => return answers::ask_again(run, why, deadline_millis).await,
            Judged::TooMany(why) => return Err(answers::too_many(&run, &why)),
        },
    };
    let too_large = failure.as_ref().is_some_and(|failure| failure.error == TOO_LARGE);
    // Nobody has said anything: what is watched has turned bad meanwhile.
    let turned = failure.as_ref().and_then(|failure| Some((watch::told(&failure.error)?, failure.cause.as_str())));
    let decision = match &failure {
        None => Decision::Approve,
        Some(_) if too_large => Decision::Approve,
        Some(failure) if failure.error == "States.Timeout" || failure.error == "States.HeartbeatTimeout" => {
            approve.on_timeout
        }
        Some(_) if turned.is_some() => Decision::Reject,
        // The asking itself failed: that is nobody's decision.
        Some(failure) if not_a_decision(failure) => {
            let failure = asking_failed(failure);
            give_up(&mut run, &failure).await?;
            return match run.progress.direction {
                Direction::Deploy => Err(failure),
                // A rollback stops for nobody who cannot be asked.
                Direction::Rollback => {
                    run.next_stage(format!("Nobody looks at what is left: {}", failure.message)).await
                }
            };
        }
        Some(_) => Decision::Reject,
    };
    let expired = !too_large && failure.as_ref().is_some_and(|failure| failure.error.starts_with("States."));
    let closed = said.close(&run, decision).await?;
    if !closed.is_empty() {
        run.write(closed, run.progress.deadline_millis()).await?;
    }
    let (who, why) = said.in_words();
    // A rollback never stops half-way: either decision ends the inspection.
    if let (Some((turned, why)), Direction::Deploy) = (turned, run.progress.direction) {
        let (stage, turns) = (&run.progress.stage.name, watch::in_words(turned));
        return Err(turned.because(format!("{stage}: while it was waited for a decision, {turns}: {why}.")));
    }
    match (decision, run.progress.direction) {
        (_, Direction::Rollback) => run.next_stage(format!("Inspection ended by {who}{why}")).await,
        (Decision::Approve, Direction::Deploy) => run.next_stage(format!("Approved by {who}{why}")).await,
        (Decision::Reject, Direction::Deploy) if approve.hook.is_some() => {
            Err(Kind::HookFailed.because(match expired {
                true => format!(
                    "{}: nobody called back within {} min.",
                    run.progress.stage.name,
                    run.progress.stage.allowed_seconds() / 60
                ),
                false => format!("{}: {who} says no{why}.", run.progress.stage.name),
            }))
        }
        (Decision::Reject, Direction::Deploy) if expired => Err(Kind::ApprovalExpired.because(format!(
            "{}: nobody decided within {} min, which counts as a rejection.",
            run.progress.stage.name,
            run.progress.stage.allowed_seconds() / 60
        ))),
        (Decision::Reject, Direction::Deploy) => {
            Err(Kind::ApprovalRejected.because(format!("{}: rejected by {who}{why}.", run.progress.stage.name)))
        }
    }
}

/// What somebody, or nobody, has said to a question.
pub(crate) struct Said {
    by: Option<String>,
    comment: Option<String>,
}

/// What was said: a yes under `decision`, or what a `Catch` has put at this place.
pub(crate) fn said(state: &Value, place: &str) -> Said {
    let cause = || state.pointer(&format!("/{place}/Cause")).and_then(Value::as_str).unwrap_or_default();
    let (by, comment) = match FailureRecord::caught(state, place) {
        None => who_and_why(state.get("decision").unwrap_or(&Value::Null)),
        Some(no) if no.error == TOO_LARGE => (None, Some("what they said is too large to be passed on".into())),
        Some(no) if no.error.starts_with("States.") => (Some("the deadline".into()), None),
        Some(no) if watch::told(&no.error).is_some() => (Some("what is watched".into()), Some(no.cause)),
        Some(_) => rejected_by(cause()),
    };
    Said { by, comment }
}

impl Said {
    /// The question that the run is at, decided, as it is written down; nothing when there is none.
    pub(crate) async fn close(&self, run: &Run<'_>, decision: Decision) -> Result<Vec<Item>> {
        let (id, key) = (&run.progress.deployment_id, key(&run.progress));
        let Some((value, _)) = run.context.table.get(&keys::deployment(id), &key).await? else { return Ok(Vec::new()) };
        let record: ApprovalRecord = read("approval", value)?;
        let (task_token, decision) = (String::new(), Some(decision));
        let (by, comment) = (self.by.clone(), self.comment.clone());
        Ok(question(run, &ApprovalRecord { task_token, decision, by, comment, ..record }, false))
    }

    /// What comes of a question to which nobody has said anything that counts.
    pub(crate) fn of_nobody(by: &str, why: &str) -> Self {
        Self { by: Some(by.to_owned()), comment: Some(why.to_owned()) }
    }

    /// What was said to a question that is recorded as decided.
    pub(crate) fn recorded(record: ApprovalRecord) -> Self {
        Self { by: record.by, comment: record.comment }
    }

    /// Who, as far as they said.
    pub(crate) fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// The same, of somebody whom AWS knows by this ARN. `by` is what they call themselves.
    pub(crate) fn proven(self, by: Option<String>, arn: &str) -> Self {
        Self { by: Some(by.map_or_else(|| format!("{arn}, proven"), |by| format!("{by} ({arn}, proven)"))), ..self }
    }

    /// Who, and why.
    pub(crate) fn in_words(self) -> (String, String) {
        let who = self.by.unwrap_or_else(|| "somebody who did not say who".into());
        (who, self.comment.map_or_else(String::new, |comment| format!(": {comment}")))
    }
}

/// Errors of the asking function and of the platform, as opposed to the free text of a `SendTaskFailure`.
pub(crate) fn not_a_decision(failure: &FailureRecord) -> bool {
    let ours = Kind::named(&failure.error).is_some_and(|kind| kind != Kind::ApprovalRejected);
    ours || failure.of_the_platform()
}

/// Closes a question that nobody can be asked, should it be recorded as open.
pub(crate) async fn give_up(run: &mut Run<'_>, failure: &Failure) -> Result<()> {
    let why = text::one_line(&failure.message, text::COMMENT);
    let closed = Said::of_nobody("nobody, who could not be asked", &why).close(run, Decision::Reject).await?;
    if closed.is_empty() { Ok(()) } else { run.write(closed, run.progress.deadline_millis()).await }
}

pub(crate) fn asking_failed(failure: &FailureRecord) -> Failure {
    let kind = Kind::named(&failure.error).unwrap_or(Kind::RequestRefused);
    if kind == Kind::HookFailed {
        return kind.because(failure.cause.clone());
    }
    kind.because(format!("The approval could not be asked for: {}", failure.cause))
}

/// `SendTaskFailure` has a cause but no output: the CLI puts a JSON text there, a person may write anything.
fn rejected_by(cause: &str) -> (Option<String>, Option<String>) {
    match serde_json::from_str::<Value>(cause) {
        Ok(said) if said.is_object() => who_and_why(&said),
        _ => (None, Some(text::one_line(cause, text::COMMENT)).filter(|cause| !cause.is_empty())),
    }
}

/// Who decided and why, as far as they said. It stands in the log beside our own lines, and in a record: neither may be forged or
/// flooded by it.
fn who_and_why(said: &Value) -> (Option<String>, Option<String>) {
    let of = |key: &str, most: usize| {
        let text = said.get(key).and_then(Value::as_str).map(|text| text::one_line(text, most));
        text.filter(|text| !text.is_empty())
    };
    let by = match (of("by", text::WHO), of("as", text::WHO)) {
        (Some(by), Some(arn)) => Some(format!("{by} ({arn})")),
        (by, arn) => by.or(arn),
    };
    (by, of("comment", text::COMMENT))
}
