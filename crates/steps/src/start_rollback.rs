//! `start-rollback`: hands a failed deployment over to the state machine that rolls back, and leaves it the token of the
//! execution that waits for the outcome.

use crossfade_aws::{Attempt, keys};
use crossfade_core::haste::Haste;
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use crate::context::Context;
use crate::finish::{outcome, untouched};
use crate::halted;
use crate::records::{FailureRecord, Meta, RollbackRecord, find, item};

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let text = |key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = text("deploymentId").ok_or_else(|| Kind::RecordMissing.because("The event names no deploymentId."))?;
    let machine = context.settings.rollback_state_machine_arn.as_ref().ok_or_else(|| {
        Kind::RecordMissing.because("The environment of start-rollback lacks ROLLBACK_STATE_MACHINE_ARN.")
    })?;
    let record = RollbackRecord {
        failure: FailureRecord::from_catch(&event["state"]).unwrap_or_default(),
        task_token: text("taskToken"),
    };
    if find::<Meta>(&context.table, &keys::deployment(&id), "meta").await?.is_none() {
        // It died before it wrote anything down, and so before it touched anything. What a function that is still at it writes down, the
        // sweep finds; a rollback of which there is no record, nobody would find again if it died.
        let outcome = untouched(context, &id, &record.failure).await;
        if let Some(token) = &record.task_token {
            context.executions.answer(token, &outcome).await?;
        }
        return Ok(Value::Null);
    }
    context.table.put(&item(&id, "rollback", &record)).await?;
    if answered(&id, &record, context).await? {
        return Ok(Value::Null);
    }
    // However often it is asked for, one runs. One that somebody stopped before it had begun is followed by another.
    let started =
        halted::start(&id, machine, async |_: Option<&str>| json!({ "deploymentId": id }), Haste::Now, context).await?;
    if started == Attempt::Spent {
        return Err(Kind::RollbackFailed.because(format!("The rollback of {id} has died as often as it may be tried.")));
    }
    // It may have been over before the token was there to be answered.
    answered(&id, &record, context).await?;
    Ok(Value::Null)
}

/// Answers whoever waits, if the deployment has ended.
async fn answered(id: &str, record: &RollbackRecord, context: &Context) -> Result<bool> {
    let Some(meta) = find::<Meta>(&context.table, &keys::deployment(id), "meta").await? else { return Ok(false) };
    if let Some(token) = record.task_token.as_ref().filter(|_| meta.status.ended()) {
        context.executions.answer(token, &outcome(&meta)).await?;
    }
    Ok(meta.status.ended())
}
