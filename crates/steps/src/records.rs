//! What is written down about a deployment. See `docs/architecture.md` for the table's access patterns.

use crossfade_aws::{Holder, Item, Table, keys, message};
use crossfade_core::answerers::Answerers;
use crossfade_core::document::{Decision, Document};
use crossfade_core::plan::{Direction, StageKind};
use crossfade_core::{Failure, Kind, Result, text};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// How a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It reads and plans; nothing was changed.
    Preparing,
    /// Its stages run.
    Running,
    /// It is being undone.
    RollingBack,
    /// The candidate serves.
    Succeeded,
    /// Everything is as it was.
    FailedClean,
    /// Something is left; the failure says what.
    FailedDirty,
    /// Something was left, and somebody has decided to keep it.
    Accepted,
}

impl Status {
    /// Whether nothing more will happen.
    pub fn ended(self) -> bool {
        matches!(self, Status::Succeeded | Status::FailedClean | Status::FailedDirty | Status::Accepted)
    }
}

/// The form in which deployments are written down. It rises when a release cannot read what the one before has written.
const SCHEMA: u32 = 3;

/// The form of a deployment's records. Only the one that this release writes can be read: half-understood records would be
/// rolled back half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Schema(u32);

impl Default for Schema {
    fn default() -> Self {
        Self(SCHEMA)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        // There was a time before it was written down.
        let found = Option::<u32>::deserialize(deserializer)?.unwrap_or(0);
        let (age, advice) = match found.cmp(&SCHEMA) {
            std::cmp::Ordering::Equal => return Ok(Self(found)),
            std::cmp::Ordering::Less => ("an older", "Read it with that release, or start a new deployment"),
            std::cmp::Ordering::Greater => ("a newer", "Upgrade what reads it: the stack, or the command"),
        };
        Err(D::Error::custom(format!(
            "it was written by {age} release of crossfade, in schema {found}, and this one reads schema {SCHEMA}. {advice}"
        )))
    }
}

/// The record `meta` of a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The form of this record and of all others of the deployment.
    pub schema: Schema,
    /// The deployment's id: the name of its execution.
    pub deployment_id: String,
    /// Its execution.
    pub execution_arn: String,
    /// How it stands.
    pub status: Status,
    /// The infrastructure definition, as it stands in tags.
    pub infrastructure: String,
    /// The document, with its variables, references and defaults filled in.
    pub document: Document,
    /// Who has started it, by ARN, where they have proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starter: Option<String>,
    /// What was filled in for variables and references, each in a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filled_in: Vec<String>,
    /// When it started, in milliseconds since 1970.
    pub started_millis: u64,
    /// When it ended.
    pub ended_millis: Option<u64>,
    /// Why it failed, if it did: the error's name and the message.
    pub failure: Option<FailureRecord>,
}

impl Meta {
    /// The deployment as the holder of its lock, under this fence.
    pub(crate) fn holder(&self, fence: u64) -> Holder {
        Holder { infrastructure: self.infrastructure.clone(), deployment: self.deployment_id.clone(), fence }
    }

    /// Ends it: refused, and nothing was touched.
    pub(crate) fn refuse(&mut self, failure: &Failure, now_millis: u64) {
        self.status = Status::FailedClean;
        self.ended_millis = Some(now_millis);
        self.failure = Some(FailureRecord::new(failure.kind.name(), &failure.message));
    }
}

/// What a step says that was refused, and whose answer was lost: the same once more.
pub(crate) fn refused_before(meta: &Meta) -> Failure {
    let why = meta.failure.as_ref().and_then(|why| Some((Kind::named(&why.error)?, why.cause.clone())));
    why.map_or_else(
        || {
            Kind::PreflightFailed
                .because(format!("Deployment {} ended already ({:?}).", meta.deployment_id, meta.status))
        },
        |(kind, cause)| kind.because(cause),
    )
}

/// A deployment in the lists of them: under `open` until it is over, then under its month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedRecord {
    /// The deployment's id.
    pub deployment_id: String,
    /// Its execution.
    pub execution_arn: String,
    /// The infrastructure definition, as it stands in tags.
    pub infrastructure: String,
    /// When it started, in milliseconds since 1970.
    pub started_millis: u64,
    /// How it ended; nothing while it is not over, and then `meta` says how it stands.
    pub status: Option<Status>,
    /// When it ended.
    pub ended_millis: Option<u64>,
    /// What it watches, so that whoever hears of an alarm reads no more of those that do not watch it. Nothing in records of earlier
    /// releases, and of what is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watches: Option<Watches>,
    /// Whether somebody is asked something, so that whoever looks at all of them reads no more of those that go on by themselves. Nothing
    /// in records of earlier releases, and of what is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<bool>,
}

/// What a deployment watches while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watches {
    /// The alarms among it, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
}

impl Watches {
    fn of(meta: &Meta) -> Self {
        let watched = meta.document.verification.watched();
        Self { alarms: watched.values().filter_map(|check| check.alarm.clone()).collect() }
    }
}

impl ListedRecord {
    fn of(meta: &Meta) -> Self {
        Self {
            deployment_id: meta.deployment_id.clone(),
            execution_arn: meta.execution_arn.clone(),
            infrastructure: meta.infrastructure.clone(),
            started_millis: meta.started_millis,
            status: Some(meta.status).filter(|status| status.ended()),
            ended_millis: meta.ended_millis,
            watches: None,
            asks: None,
        }
    }
}

/// The deployment in the list of those that are not over; it may be one that asks somebody something.
pub(crate) fn opened(meta: &Meta, asks: bool) -> Item {
    let (watches, asks) = (Some(Watches::of(meta)), Some(asks));
    let listed = ListedRecord { status: None, ended_millis: None, watches, asks, ..ListedRecord::of(meta) };
    Item::new(keys::OPEN.into(), keys::start(meta.started_millis, &meta.deployment_id), json(&listed))
}

/// The deployment in the list of those of its month that are over, and no longer in the other.
pub(crate) fn closed(meta: &Meta) -> [Item; 2] {
    let sk = keys::start(meta.started_millis, &meta.deployment_id);
    let over = Item::new(keys::month(meta.started_millis), sk.clone(), json(&ListedRecord::of(meta)));
    [over, Item::gone(keys::OPEN, sk)]
}

/// What lambda_runtime calls a panic: the type of what was thrown (`Diagnostic`, version 1).
const PANIC: &str = "&alloc::boxed::Box<dyn core::any::Any + core::marker::Send>";
/// What it is called here.
const PANICKED: &str = "Panicked";
/// How the errors begin that Lambda and Step Functions have for a function that did not answer.
const OF_PLATFORM: [&str; 6] = ["Lambda.", "Sandbox.", "Runtime.", "Extension.", "Function.", "States."];

/// An error as it came to a `Catch`, or as it ended a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureRecord {
    /// The error's name.
    pub error: String,
    /// What happened, for a person.
    pub cause: String,
}

impl FailureRecord {
    /// Reads what a `Catch` puts under `failure`: `{"Error": …, "Cause": …}`, where the cause of a Lambda function's error
    /// is a JSON text with an `errorMessage`.
    pub fn from_catch(state: &Value) -> Option<Self> {
        Self::caught(state, "failure")
    }

    /// The same under another name.
    pub(crate) fn caught(state: &Value, name: &str) -> Option<Self> {
        let failure = state.get(name)?;
        let text = |key: &str| failure.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Self::new(text("Error"), &message(text("Cause"))))
    }

    /// An error as it is kept: what came from outside may be of any length.
    pub fn new(error: &str, cause: &str) -> Self {
        let error = if error == PANIC { PANICKED } else { error };
        Self { error: text::one_line(error, text::WHO), cause: text::cut(cause, text::CAUSE) }
    }

    /// Whether a function broke off or never began, as opposed to what one has said, or somebody.
    pub(crate) fn of_the_platform(&self) -> bool {
        self.error == PANICKED || OF_PLATFORM.iter().any(|prefix| self.error.starts_with(prefix))
    }
}

/// The record `stage#DIRECTION#INDEX` of a deployment: a stage whose condition came to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageRecord {
    /// What it did.
    pub kind: StageKind,
    /// What a person calls it.
    pub name: String,
    /// When it started, in milliseconds since 1970.
    pub started_millis: u64,
    /// When its condition was seen to hold.
    pub held_millis: u64,
    /// The members of the candidate that it has made, by their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<String>,
}

/// The record `approval#DIRECTION#INDEX` of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRecord {
    /// What the approver is asked.
    pub message: String,
    /// The stage's name.
    pub stage: String,
    /// The token that decides; empty once decided.
    pub task_token: String,
    /// Until when, in milliseconds since 1970.
    pub deadline_millis: u64,
    /// What counts as the decision when nobody says anything.
    pub on_timeout: Decision,
    /// The decision, once there is one.
    pub decision: Option<Decision>,
    /// Who decided, as far as they said.
    pub by: Option<String>,
    /// What they said.
    pub comment: Option<String>,
    /// Whether it is asked because somebody has paused the deployment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pauses: bool,
    /// Whose yes counts; everybody's, where it is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answerers: Option<Answerers>,
}

impl ApprovalRecord {
    /// A question that nobody has answered; silence means no.
    pub(crate) fn open(message: &str, stage: &str, task_token: &str, deadline_millis: u64) -> Self {
        Self {
            message: message.into(),
            stage: stage.into(),
            task_token: task_token.into(),
            deadline_millis,
            on_timeout: Decision::Reject,
            decision: None,
            by: None,
            comment: None,
            pauses: false,
            answerers: None,
        }
    }
}

/// The record `revision#N` of an infrastructure definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRecord {
    /// The revision.
    pub revision: u32,
    /// Its fleet.
    pub fleet: String,
    /// The deployment that made it.
    pub deployment_id: String,
    /// Its image.
    #[serde(alias = "ami")]
    pub artifact: String,
    /// How the deployment stands.
    pub status: Status,
    /// How long the fleet took until all its instances were healthy, in seconds.
    pub steady_seconds: Option<u32>,
}

/// The record `serving` of an infrastructure definition: the deployment that succeeded last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServingRecord {
    /// The deployment.
    pub deployment_id: String,
    /// The revision that serves since.
    pub revision: u32,
    /// Its fleet.
    pub fleet: String,
    /// Since when, in milliseconds since 1970.
    pub since_millis: u64,
    /// The fleets that had served until then, the one that did last first.
    #[serde(default)]
    pub before: Vec<String>,
}

/// The record `stuck` of a deployment: that people were told that its rollback does not get on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StuckRecord {
    /// The execution that does not get on.
    pub execution_arn: String,
    /// Since when, in milliseconds since 1970.
    pub since_millis: u64,
}

/// The record `rollback` of a deployment: why it is rolled back, and who waits for that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RollbackRecord {
    /// Why.
    pub failure: FailureRecord,
    /// The token of the execution that waits for the outcome.
    pub task_token: Option<String>,
}

/// A document of one of these types, from the table.
pub(crate) fn read<T: DeserializeOwned>(what: &str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| unreadable(what, &error))
}

/// The same from its text.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(what, &error))
}

fn unreadable(what: &str, error: &serde_json::Error) -> Failure {
    let error = error.to_string();
    // Where in the text of the record it stands helps nobody.
    let error = error.rsplit_once(" at line ").map_or(error.as_str(), |(said, _)| said);
    Kind::RecordMissing.because(format!("The record {what} in the state table is not readable: {error}."))
}

/// A record of the table, if it is there.
pub(crate) async fn find<T: DeserializeOwned>(table: &Table, pk: &str, sk: &str) -> Result<Option<T>> {
    table.get(pk, sk).await?.map(|(value, _)| read(sk, value)).transpose()
}

/// A record of a deployment.
pub(crate) fn item(deployment: &str, sk: impl Into<String>, value: &impl Serialize) -> Item {
    Item::new(keys::deployment(deployment), sk, json(value))
}

/// A record in the history of an infrastructure definition.
pub(crate) fn revision_item(infrastructure: &str, record: &RevisionRecord) -> Item {
    Item::new(keys::infrastructure(infrastructure), keys::revision(record.revision), json(record))
}

/// The record of who serves.
pub(crate) fn serving_item(infrastructure: &str, record: &ServingRecord) -> Item {
    Item::new(keys::infrastructure(infrastructure), keys::SERVING, json(record))
}

/// Serialising our own records cannot fail: their maps have text keys.
fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// The sort key of something that belongs to a stage.
pub(crate) fn stage_key(what: &str, direction: Direction, index: usize) -> String {
    format!("{what}#{}#{index:03}", direction.name())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Record {
        schema: Schema,
    }

    #[test]
    fn a_panic_is_told_by_a_word_and_not_by_the_type_of_what_was_thrown() {
        let cause = r#"{"errorType": "…", "errorMessage": "Lambda panicked: index out of bounds"}"#;
        let state = json!({ "failure": { "Error": PANIC, "Cause": cause } });
        let told = FailureRecord::from_catch(&state).expect("there is one");
        assert_eq!((told.error.as_str(), told.cause.as_str()), ("Panicked", "Lambda panicked: index out of bounds"));
    }

    #[test]
    fn what_ends_a_function_is_no_answer_of_anybody() {
        let of_platform = |error: &str| FailureRecord::new(error, "").of_the_platform();
        for error in
            ["Lambda.Unknown", "Sandbox.Failure", "Runtime.ExitError", "Extension.Crash", "States.Timeout", PANIC]
        {
            assert!(of_platform(error), "{error}");
        }
        for error in ["Rejected", "no", "ApprovalRejected", "Runtime is bad", "RuntimeError"] {
            assert!(!of_platform(error), "{error}");
        }
    }

    #[test]
    fn records_of_another_release_are_refused_with_what_to_do() {
        let read = |value: Value| read::<Record>("meta", value).map(|record| record.schema);
        assert_eq!(read(json!({ "schema": SCHEMA })), Ok(Schema::default()));
        let problem = |value: Value| read(value).expect_err("it is of another release").message;
        assert!(problem(json!({})).contains("an older release of crossfade, in schema 0, and this one reads schema 3"));
        assert!(problem(json!({ "schema": 4 })).contains("a newer release of crossfade, in schema 4"));
        assert!(problem(json!({ "schema": 4 })).contains("Upgrade"));
        assert!(problem(json!({ "schema": "1" })).contains("not readable"));
    }
}
