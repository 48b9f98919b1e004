//! What follows when a stage has failed and the document does not want all to be rolled back at once (G11): the stage again, by itself or
//! when somebody says so. It is a part of the function `approve`.
//!
//! What it must never do: pass a stage over that has failed, or lose why it has. Whatever goes wrong here, the rollback follows.

use crossfade_core::document::{Ask, Decision};
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use crate::approve::{asked, said};
use crate::context::Context;
use crate::finish::notify;
use crate::hold::outlast;
use crate::records::{ApprovalRecord, FailureRecord};
use crate::run::Run;

/// Asks whether a stage that has failed is tried again, when there is a token; otherwise tries it again, or says why not.
pub(crate) async fn handle(state: &Value, token: Option<&str>, context: &Context) -> Result<Value> {
    let run = Run::load(state, context).await?;
    let failure = FailureRecord::from_catch(state).unwrap_or_default();
    match token {
        Some(token) => ask(run, &failure, token).await,
        None => decide(run, state, &failure).await,
    }
}

async fn ask(mut run: Run<'_>, failure: &FailureRecord, token: &str) -> Result<Value> {
    let stage = run.stage()?.clone();
    let Ask { message, timeout_minutes } = stage.reaction.ask.unwrap_or_default();
    let deadline_millis = run.context.now_millis() + u64::from(timeout_minutes) * 60_000;
    let question = if message.is_empty() { String::new() } else { format!("{message} ") };
    let message = format!("{question}Try it again? It failed with {}: {}", failure.error, failure.cause);
    let record = ApprovalRecord::open(&message, &format!("{} has failed", stage.name), token, deadline_millis);
    outlast(&mut run, u64::from(timeout_minutes) * 60).await?;
    run.say(format!(
        "{} failed with {}: {}. Waiting for somebody to say whether it is tried again; without a word in {timeout_minutes} min all is \
         rolled back",
        stage.name, failure.error, failure.cause
    ));
    let id = run.progress.deployment_id.clone();
    run.write(asked(&run, &record), deadline_millis).await?;
    run.tell_of(&record).await;
    let nth = run.progress.stage.index + 1;
    let text = format!(
        "Stage {nth} of deployment {id} of {} has failed: {}.\n\n{}: {}\n\n{question}Without a decision in {timeout_minutes} minutes all is \
         rolled back.\n\nTry it again: crossfade approve {id} --stage {nth}\nRoll back:    crossfade reject {id} --stage {nth}\n",
        run.meta.infrastructure, stage.name, failure.error, failure.cause
    );
    notify(run.context, &run.meta, "decision wanted", &text).await;
    Ok(Value::Null)
}

async fn decide(mut run: Run<'_>, state: &Value, failure: &FailureRecord) -> Result<Value> {
    let stage = run.stage()?.clone();
    let refused = state.get("refusal").is_some();
    let by_itself = !refused && state.get("decision").is_none();
    let said = said(state, "refusal");
    let decision = if refused { Decision::Reject } else { Decision::Approve };
    let closed = if by_itself { Vec::new() } else { said.close(&run, decision).await? };
    let (who, why) = said.in_words();
    if refused {
        let line = format!("{} is not tried again, says {who}{why}", stage.name);
        run.say(line.as_str());
        run.write(closed, run.progress.deadline_millis()).await?;
        return Err(Kind::ApprovalRejected.because(format!("{line}.")));
    }
    let again = run.progress.again(&run.plan, run.context.now_millis());
    match by_itself {
        true => run.say(format!(
            "{} failed with {}: {}. It is tried again, {} of {}",
            stage.name, failure.error, failure.cause, again.stage.attempt, stage.reaction.retries
        )),
        false => run.say(format!("{} is tried again, says {who}{why}", stage.name)),
    }
    run.write(closed, again.deadline_millis()).await?;
    run.tell_of_start(&again).await;
    Ok(json!(again))
}
