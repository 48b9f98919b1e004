//! The start of the rollback of a deployment that cannot start it itself: its execution was stopped, ran out of time or died.
//!
//! The sweep and the command do this alike. However often it is asked for, one rollback of a deployment runs at a time.

use crossfade_aws::{Attempt, Execution, State, keys};
use crossfade_core::haste::Haste;
use crossfade_core::{Kind, Result, names, text};
use serde_json::{Value, json};

use crate::context::Context;
use crate::records::{FailureRecord, Meta, RollbackRecord, Status, item};

/// How long the rollback of an execution that was stopped waits before it looks at anything: stopping an execution does not stop
/// the function that it has called, and the slowest of them (`prepare` and `plan`) have 90 s, after it has been started.
pub const SETTLE_SECONDS: u64 = 100;

/// Whether a function may still run that an execution of a deployment or of its rollback has called which was stopped or has died. Where
/// nobody can tell, one may.
pub async fn may_run(meta: &Meta, rollback_machine: &str, context: &Context) -> bool {
    let id = &meta.deployment_id;
    let ours = |input: &Value| input["deploymentId"] == **id;
    let rollback = context.executions.last_of(rollback_machine, |nth| names::rollback(id, nth), ours).await;
    let Ok(rollback) = rollback else { return true };
    // The rollback has let the deployment's own functions come to their end before it has taken over.
    let taken_over = matches!(meta.status, Status::RollingBack | Status::FailedDirty);
    let deployment = Some(meta.execution_arn.clone()).filter(|_| !taken_over);
    for execution in deployment.into_iter().chain(rollback) {
        if context.executions.may_run(&execution, context.now_millis()).await.unwrap_or(true) {
            return true;
        }
    }
    false
}

/// Starts the rollback of a deployment, unless one runs already. A rollback that was itself stopped or has died is followed by
/// another one, under another name.
///
/// `why` is written down unless a reason is there already: the first one counts. `settle` lets functions that may still run
/// come to their end first ([`may_run`]); `haste` says how soon it may follow rollbacks that died.
///
/// # Errors
/// Those of the table and of Step Functions.
pub async fn roll_back(
    id: &str,
    rollback_machine: &str,
    why: Option<FailureRecord>,
    settle: bool,
    haste: Haste,
    context: &Context,
) -> Result<Attempt> {
    if let Some(failure) = why
        && context.table.get(&keys::deployment(id), "rollback").await?.is_none()
    {
        context.table.put(&item(id, "rollback", &RollbackRecord { failure, task_token: None })).await?;
    }
    let mut input = json!({ "deploymentId": id });
    if settle {
        input["waitSeconds"] = json!(SETTLE_SECONDS);
    }
    start(id, rollback_machine, &input, haste, context).await
}

/// Starts the next rollback of a deployment with this input, unless one runs.
pub(crate) async fn start(
    id: &str,
    rollback_machine: &str,
    input: &Value,
    haste: Haste,
    context: &Context,
) -> Result<Attempt> {
    let ours = |input: &Value| input["deploymentId"] == id;
    context.executions.start_next(rollback_machine, |nth| names::rollback(id, nth), ours, input, haste).await
}

/// Why a deployment failed whose execution ended like this.
pub(crate) fn why(execution: &Execution) -> Option<FailureRecord> {
    let halt = Kind::HaltRequested.name();
    // Whoever stopped it may have written anything.
    let (error, cause) =
        (text::one_line(&execution.error, text::WHO), text::one_line(&execution.cause, text::CAUSE / 2));
    let said = [&error, &cause].into_iter().filter(|text| !text.is_empty());
    let said = said.cloned().collect::<Vec<_>>().join(": ");
    let (error, cause) = match execution.state {
        State::Running | State::Succeeded => return None,
        State::Aborted if error == halt => (halt, cause),
        State::Aborted if said.is_empty() => (halt, "Somebody stopped the execution, and gave no reason".into()),
        State::Aborted => (halt, format!("Somebody stopped the execution ({said})")),
        State::TimedOut => ("States.Timeout", "The execution ran out of time".into()),
        State::Failed => (error.as_str(), text::cut(&execution.cause, text::CAUSE)),
    };
    Some(FailureRecord::new(error, &cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_stops_an_execution_is_quoted() {
        let why = |state: State, error: &str, cause: &str| {
            let (error, cause) = (error.to_owned(), cause.to_owned());
            let ended = Execution { state, input: Value::Null, error, cause, started_millis: 0, stopped_millis: None };
            why(&ended).map(|failure| format!("{}: {}", failure.error, failure.cause))
        };
        let aborted = |error, cause| why(State::Aborted, error, cause).expect("it was stopped");
        assert_eq!(aborted("HaltRequested", "Aborted by ann"), "HaltRequested: Aborted by ann");
        assert_eq!(aborted("", ""), "HaltRequested: Somebody stopped the execution, and gave no reason");
        assert_eq!(aborted("Oops", "too slow"), "HaltRequested: Somebody stopped the execution (Oops: too slow)");
        assert_eq!(aborted("", "too slow"), "HaltRequested: Somebody stopped the execution (too slow)");
        let failed = why(State::Failed, "States.Runtime", "no such path");
        assert_eq!(failed.as_deref(), Some("States.Runtime: no such path"));
        assert!(why(State::TimedOut, "", "").is_some_and(|text| text.starts_with("States.Timeout: ")));
        assert_eq!((why(State::Running, "", ""), why(State::Succeeded, "", "")), (None, None));
    }
}
