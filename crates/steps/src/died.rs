//! Whether a deployment that is recorded as running has lost its execution: what nobody has told the table.

use crossfade_aws::{Executions, State};
use crossfade_core::Result;

use crate::records::{Meta, Status};

/// How the execution of a deployment that is recorded as running has died, and what follows; nothing while it lives.
///
/// # Errors
/// When AWS does not say.
pub async fn died(executions: &Executions, meta: &Meta) -> Result<Option<String>> {
    if meta.status != Status::Running {
        return Ok(None);
    }
    let found = executions.describe(&meta.execution_arn).await?;
    Ok(found.filter(|found| matches!(found.state, State::Failed | State::TimedOut | State::Aborted)).map(|found| {
        let id = &meta.deployment_id;
        format!(
            "The execution of {id} has ended ({:?}): its rollback begins within a minute, or now with `crossfade rollback {id}`.",
            found.state
        )
    }))
}
