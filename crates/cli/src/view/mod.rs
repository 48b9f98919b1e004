//! How a deployment stands, as people and scripts are shown it: `status`, `list` and `watch` build one view from the records of the
//! table and render it. The view is also what `--output json` prints.
//!
//! What it must never do: ask AWS for anything (that is [`records`]', [`reading`]'s and [`now`]'s), or decide anything.

pub(crate) mod build;
pub(crate) mod checks;
pub(crate) mod now;
pub(crate) mod reading;
pub(crate) mod records;
pub(crate) mod text;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod theatre;

use crossfade_core::document::Decision;
use crossfade_core::plan::{Direction, StageKind};
use crossfade_steps::{FailureRecord, Status};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use checks::CheckSeen;
use now::Now;

/// One deployment, as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    /// The deployment's id.
    pub(crate) deployment_id: String,
    /// How it stands.
    #[schemars(schema_with = "statuses")]
    pub(crate) status: Status,
    /// The infrastructure definition: SERVICE/ENVIRONMENT/BASE.
    pub(crate) infrastructure: String,
    /// Its execution in Step Functions.
    pub(crate) execution_arn: String,
    /// What it is for, as its document says; empty when that says nothing.
    pub(crate) description: String,
    /// When it started, in milliseconds since 1970.
    pub(crate) started_millis: u64,
    /// Who started it, by ARN, where they have proved it.
    pub(crate) started_by: Option<String>,
    /// When it ended.
    pub(crate) ended_millis: Option<u64>,
    /// When this was seen, in the account's time.
    pub(crate) as_of_millis: u64,
    /// What is deployed: an image, or a revision.
    pub(crate) artifact: String,
    /// The fleet that takes over; nothing until there is a plan.
    pub(crate) candidate: Option<Revision>,
    /// The fleets that served before, the oldest first.
    pub(crate) from: Vec<Revision>,
    /// Why it failed, if it did.
    pub(crate) failure: Option<Failure>,
    /// That its execution has died, and what follows.
    pub(crate) died: Option<String>,
    /// What it asks now.
    pub(crate) question: Option<Question>,
    /// Who wants it to stop before its next stage, and why; nothing once it has.
    pub(crate) stopping: Option<String>,
    /// The stages of the deployment.
    pub(crate) stages: Vec<Stage>,
    /// The stages of its rollback, once there is one.
    pub(crate) rollback: Vec<Stage>,
    /// When the rollback began, or was tried last.
    pub(crate) rollback_millis: Option<u64>,
    /// How long it takes from here without questions, as far as the last time tells.
    pub(crate) remaining_millis: Option<u64>,
    /// The members that the deployment has made, by their ids.
    pub(crate) made: Vec<String>,
    /// What was asked and decided.
    pub(crate) approvals: Vec<Approval>,
    /// The checks of the verification, and what each said.
    pub(crate) checks: Vec<CheckSeen>,
    /// The traffic and the health now, of a deployment that is not over.
    pub(crate) now: Option<Now>,
    /// What can be done about it.
    pub(crate) commands: Vec<Advice>,
    /// Its log, the oldest line first.
    pub(crate) log: Vec<Entry>,
}

/// A fleet with its revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Revision {
    /// Its name.
    pub(crate) fleet: String,
    /// Its number; nothing of a fleet that bears none.
    pub(crate) revision: Option<u32>,
}

/// Why a deployment failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    /// The error's name; docs/errors has a page for each.
    pub(crate) error: String,
    /// What happened, for a person.
    pub(crate) cause: String,
}

impl From<&FailureRecord> for Failure {
    fn from(record: &FailureRecord) -> Self {
        Self { error: record.error.clone(), cause: record.cause.clone() }
    }
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stage {
    /// Its number, from 1 on, as plans are printed.
    pub(crate) number: usize,
    /// What a person calls it.
    pub(crate) name: String,
    /// What it does.
    pub(crate) kind: StageKind,
    /// The same in words.
    pub(crate) does: String,
    /// How it stands.
    pub(crate) state: StageState,
    /// When it started.
    pub(crate) started_millis: Option<u64>,
    /// When its condition was seen to hold.
    pub(crate) held_millis: Option<u64>,
    /// How long it took, or has been running.
    pub(crate) millis: Option<u64>,
    /// How long it may take.
    pub(crate) limit_millis: u64,
    /// How long it takes by the plan: of pauses and draining.
    pub(crate) planned_millis: Option<u64>,
    /// How long the same stage took the last time.
    pub(crate) last_time_millis: Option<u64>,
    /// What is still missing.
    pub(crate) missing: Option<String>,
    /// Whether it is a pause that somebody may end sooner.
    pub(crate) ends_sooner: bool,
}

/// How a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StageState {
    /// Its condition held.
    Done,
    /// It runs.
    Running,
    /// It waits for somebody's decision.
    Asking,
    /// It failed, or was stopped.
    Failed,
    /// It comes later.
    ToCome,
    /// It did not come about.
    NotReached,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question {
    /// On the way forward, or back.
    pub(crate) direction: Direction,
    /// The number of the stage that asks.
    pub(crate) stage: usize,
    /// Its name.
    pub(crate) name: String,
    /// What the approver is asked.
    pub(crate) message: String,
    /// Until when, in milliseconds since 1970.
    pub(crate) deadline_millis: u64,
    /// What counts as the decision when nobody says anything.
    pub(crate) on_timeout: Decision,
    /// Whether it is asked because somebody has paused the deployment before this stage.
    pub(crate) pauses: bool,
    /// Whose yes counts, in words; nothing where everybody's does.
    pub(crate) answerers: Option<String>,
}

/// What was asked, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Approval {
    /// What was asked.
    #[serde(flatten)]
    pub(crate) question: Question,
    /// The decision, once there is one.
    pub(crate) decision: Option<Decision>,
    /// Who decided, as far as they said.
    pub(crate) by: Option<String>,
    /// What they said.
    pub(crate) comment: Option<String>,
}

/// A command, and what it is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Advice {
    /// What it does.
    pub(crate) does: String,
    /// The command, to be pasted.
    pub(crate) command: String,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// When, in milliseconds since 1970.
    pub(crate) at_millis: u64,
    /// What it says.
    pub(crate) line: String,
}

/// The words for a status.
pub(crate) fn statuses(_: &mut SchemaGenerator) -> Schema {
    let all = [
        Status::Preparing,
        Status::Running,
        Status::RollingBack,
        Status::Succeeded,
        Status::FailedClean,
        Status::FailedDirty,
        Status::Accepted,
    ];
    json_schema!({ "type": "string", "enum": all })
}

impl View {
    /// The same with what stands in the account, and with what can be done about that.
    pub(crate) fn seeing(mut self, now: Option<Now>) -> Self {
        if self.status == Status::FailedDirty && now.as_ref().is_some_and(text::any_drifted) {
            let command = format!("crossfade rollback {} --reset-weights --wait", self.deployment_id);
            self.commands.insert(0, Advice { does: "set the weights back, and go back".into(), command });
        }
        self.now = now;
        self
    }

    /// The stage at which it stands: that which runs, asks or failed, on the way that it is on.
    pub(crate) fn stage(&self) -> Option<&Stage> {
        let way = if self.rollback.is_empty() { &self.stages } else { &self.rollback };
        let stands =
            |stage: &&Stage| [StageState::Running, StageState::Asking, StageState::Failed].contains(&stage.state);
        way.iter().find(stands)
    }
}
