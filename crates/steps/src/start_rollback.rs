//! `start-rollback`: hands a failed deployment over to the state machine that rolls back, and leaves it the token of the
//! execution that waits for the outcome.

use crossfade_aws::keys;
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use crate::context::Context;
use crate::finish::outcome;
use crate::records::{FailureRecord, Meta, RollbackRecord, item, read};

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
    context.table.put(&item(&id, "rollback", &record)).await?;
    // The rollback bears the deployment's name: however often it is asked for, there is one. One that ran before has left its
    // outcome in the table.
    context.executions.start(machine, &id, &json!({ "deploymentId": id })).await?;
    // It may have been over before the token was there to be answered.
    if let (Some(token), Some((value, _))) =
        (&record.task_token, context.table.get(&keys::deployment(&id), "meta").await?)
    {
        let meta: Meta = read("meta", value)?;
        if meta.status.ended() {
            context.executions.answer(token, &outcome(&meta)).await?;
        }
    }
    Ok(Value::Null)
}
