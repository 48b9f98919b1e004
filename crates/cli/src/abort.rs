//! `crossfade abort`: stops a deployment's execution, which runs no `Catch`, and starts its rollback at once.

use std::process::ExitCode;

use crossfade_aws::{Attempt, State, execution_arn};
use crossfade_core::Kind;
use crossfade_core::haste::Haste;
use crossfade_steps::{FailureRecord, Status, roll_back};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::args::{Abort, Output, Said, Stack};
use crate::installed::{ActsIn, Installed, on};
use crate::rollback::asked;
use crate::say::{Problem, line, verbatim};
use crate::watch::Follow;

/// What `abort` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade abort --output json`")]
pub(crate) struct Answer<'a> {
    /// The deployment's id.
    deployment_id: &'a str,
    /// What came of it.
    abort: Outcome,
    /// The same for a person.
    message: String,
    /// The account, the region, and whoever asks.
    acts_in: ActsIn,
}

/// What came of an abort.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    /// Its execution was stopped, and it is rolled back.
    Stopped,
    /// It was being rolled back already.
    RollingBack,
    /// It had ended: nothing was done.
    Ended,
    /// It is stuck half-way: nothing was done.
    Stuck,
}

pub(crate) fn run(stack: &Stack, options: &Abort) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(options.output).await;
        let id = &options.deployment;
        let Aborted { outcome, message, execution } =
            abort(installed, id, &options.said.seen_as(acts_in.caller())).await?;
        match options.output {
            Output::Text => line(&message),
            Output::Json => {
                verbatim(&json!(Answer { deployment_id: id, abort: outcome, message, acts_in }).to_string());
            }
        }
        match outcome {
            Outcome::Stuck => return Ok(ExitCode::from(3)),
            Outcome::Ended => return Ok(ExitCode::SUCCESS),
            Outcome::Stopped | Outcome::RollingBack => {}
        }
        if options.follow.wait {
            let (deployment, execution) = (id.as_str(), Some(execution.as_str()));
            let (output, limits) = (options.output, options.follow.limits);
            let follow = Follow { deployment, execution, output, limits, stopped: true, ..Follow::default() };
            return follow.to_its_end(installed).await;
        }
        if options.output == Output::Text {
            line(&format!("  follow: crossfade watch {id}"));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What came of it.
pub(crate) struct Aborted {
    /// For scripts.
    outcome: Outcome,
    /// For people.
    pub(crate) message: String,
    /// The deployment's execution.
    execution: String,
}

/// Stops a deployment, and lets everything go back.
pub(crate) async fn abort(installed: &Installed, id: &str, said: &Said) -> Result<Aborted, Problem> {
    let known = installed.recorded(id).await?;
    let execution = match &known {
        Some(meta) => meta.execution_arn.clone(),
        None => execution_arn(&installed.machine("deploy").await?, id),
    };
    let runs = match (installed.executions.describe(&execution).await?, &known) {
        (None, None) => {
            return Err(installed.unknown(id).await);
        }
        (found, _) => found.is_some_and(|found| found.state == State::Running),
    };
    // Nothing was written down, so nothing was begun.
    let ended = known.as_ref().map_or(!runs, |meta| meta.status.ended());
    let (outcome, message) = if known.as_ref().is_some_and(|meta| meta.status == Status::FailedDirty) {
        let text = format!(
            "Deployment {id} has ended (FailedDirty) and is stuck half-way: aborting it changes nothing. `crossfade status {id}` says \
             what is left; mend that, then run `crossfade rollback {id}`, or keep it with `crossfade accept {id}`."
        );
        (Outcome::Stuck, text)
    } else if ended {
        let how = known.as_ref().map_or_else(|| "refused".into(), |meta| format!("{:?}", meta.status));
        let back = known.as_ref().filter(|meta| meta.status == Status::Succeeded);
        let back =
            back.map_or_else(String::new, |_| format!(" `crossfade rollback {id} --now` goes back from it, fast."));
        (Outcome::Ended, format!("Deployment {id} has ended ({how}): there is nothing to abort.{back}"))
    } else if runs && known.is_some_and(|meta| meta.status == Status::RollingBack) {
        (Outcome::RollingBack, format!("Deployment {id} is being rolled back already; nothing was stopped."))
    } else {
        stop(installed, id, said, &execution).await?
    };
    Ok(Aborted { outcome, message, execution })
}

/// Stops the execution and starts the rollback. Should this not come to its end, the sweep does the rest.
async fn stop(installed: &Installed, id: &str, said: &Said, execution: &str) -> Result<(Outcome, String), Problem> {
    let machine = installed.machine("rollback").await?;
    let error = Kind::HaltRequested.name().to_owned();
    let cause = cause("Aborted", said);
    installed.executions.stop(execution, &error, &cause).await?;
    let why = FailureRecord::new(&error, &cause);
    let begun = roll_back(id, &machine, Some(why), Some(execution), Haste::Now, &installed.context).await?;
    let started = matches!(begun.attempt, Attempt::Started { .. });
    let outcome = if started { Outcome::Stopped } else { Outcome::RollingBack };
    Ok((outcome, asked(id, &machine, begun)?))
}

/// That somebody does this, and why.
pub(crate) fn cause(what: &str, said: &Said) -> String {
    let [by, comment] = said.written();
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    let comment = comment.map_or_else(String::new, |comment| format!(": {comment}"));
    format!("{what}{by}{comment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_and_why_are_said_as_far_as_they_are_known() {
        let cause = |by: &str, comment: &str| cause("Aborted", &Said { by: by.into(), comment: comment.into() });
        assert_eq!(cause("ann", "too slow"), "Aborted by ann: too slow");
        assert_eq!(cause("ann", ""), "Aborted by ann");
        assert_eq!(cause("", "too slow"), "Aborted: too slow");
        assert_eq!(cause("", ""), "Aborted");
    }
}
