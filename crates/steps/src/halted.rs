//! The start of the rollback of a deployment that cannot start it itself: its execution was stopped, ran out of time or died.
//!
//! The sweep and the command do this alike. However often it is asked for, one rollback of a deployment runs at a time.

use crossfade_aws::{Attempt, Execution, State, keys};
use crossfade_core::haste::Haste;
use crossfade_core::{Kind, Result, names, text};
use serde_json::{Value, json};

use crate::context::Context;
use crate::records::{FailureRecord, Meta, RollbackRecord, Status, find, item};

/// How long the rollback of an execution that was stopped waits before it looks at anything: stopping an execution does not stop
/// the function that it has called, and the slowest of them have 90 s, after it has been started.
pub const SETTLE_SECONDS: u64 = 100;
/// The same while it is not planned yet: `plan` has 300 s.
pub const PLANNING_SETTLE_SECONDS: u64 = 310;

/// What came of asking for a rollback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What was started, if anything was.
    pub attempt: Attempt,
    /// For how long it waits first, in seconds, since a function may still run.
    pub settles: Option<u64>,
}

/// Starts the rollback of a deployment, unless one runs already. A rollback that was itself stopped or has died is followed by
/// another one, under another name.
///
/// `why` is written down unless a reason is there already: the first one counts. Functions that may still run of an execution that has
/// ended come to their end first: of `dead`, if the deployment's own is, and of the rollback before. `haste` says how soon it may
/// follow rollbacks that died.
///
/// # Errors
/// Those of the table and of Step Functions.
pub async fn roll_back(
    id: &str,
    rollback_machine: &str,
    why: Option<FailureRecord>,
    dead: Option<&str>,
    haste: Haste,
    context: &Context,
) -> Result<Begun> {
    if let Some(failure) = why
        && context.table.get(&keys::deployment(id), "rollback").await?.is_none()
    {
        context.table.put(&item(id, "rollback", &RollbackRecord { failure, task_token: None })).await?;
    }
    let mut settles = None;
    // Asked for only by what is about to start: mostly one runs already.
    let input = async |last: Option<&str>| {
        let mut input = json!({ "deploymentId": id });
        let longest = longest_seconds(id, context).await;
        for execution in dead.into_iter().chain(last) {
            let now = context.now_millis();
            // Where nobody can tell, one may.
            if context.executions.may_run(execution, now, longest * 1000).await.unwrap_or(true) {
                settles = Some(longest);
                input["waitSeconds"] = json!(longest);
            }
        }
        input
    };
    let attempt = start(id, rollback_machine, input, haste, context).await?;
    Ok(Begun { attempt, settles })
}

/// How long a function of a deployment may run still, in seconds, as far as is known.
async fn longest_seconds(id: &str, context: &Context) -> u64 {
    match find::<Meta>(&context.table, &keys::deployment(id), "meta").await {
        Ok(Some(meta)) if meta.status != Status::Preparing => SETTLE_SECONDS,
        _ => PLANNING_SETTLE_SECONDS,
    }
}

/// Starts the next rollback of a deployment with this input, unless one runs.
pub(crate) async fn start(
    id: &str,
    rollback_machine: &str,
    input: impl AsyncFnOnce(Option<&str>) -> Value,
    haste: Haste,
    context: &Context,
) -> Result<Attempt> {
    let ours = |input: &Value| input["deploymentId"] == id;
    let input = async |_: &str, last: Option<&str>| Ok(input(last).await);
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
