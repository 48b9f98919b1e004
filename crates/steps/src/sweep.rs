//! `sweep`: finds deployments whose execution died, or the execution of their rollback, and starts their rollback.
//!
//! It is told by Step Functions' own events, which may get lost, come late or twice, and looks for itself every few minutes, at
//! every deployment that is not over. Either way what counts is what the table and Step Functions say now. It changes nothing in
//! the account and takes no lock: that is the rollback's.
//!
//! While a deployment waits for somebody's decision, nothing of its own runs. The sweep looks at what it watches instead, at every alarm
//! that goes off and whenever it looks for itself.

use crossfade_aws::{Attempt, State, keys};
use crossfade_core::haste::Haste;
use crossfade_core::plan::{Direction, Plan};
use crossfade_core::rollback::Touched;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Failure, Kind, Result, text};
use serde_json::{Value, json};

use crate::context::Context;
use crate::halted::{roll_back, why};
use crate::records::{ApprovalRecord, ListedRecord, Meta, RollbackRecord, Status, closed, find, read};
use crate::{stuck, verify};

/// The detail type of the events that say that an execution has ended.
const CHANGE: &str = "Step Functions Execution Status Change";
/// The detail type of the events that say that an alarm has another state.
const ALARM: &str = "CloudWatch Alarm State Change";
/// How many rollbacks that died are followed at once by another one. The next ones wait, ever longer, so that there is one left when
/// whatever killed them has been repaired.
const PROMPT: u32 = 4;
/// How long whoever records an end may take to answer who waits for it, in milliseconds.
const ANSWERED_MILLIS: u64 = 60_000;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let missing = |name: &str| Kind::RecordMissing.because(format!("The environment of sweep lacks {name}."));
    let settings = &context.settings;
    let rollback = settings.rollback_state_machine_arn.as_deref();
    let rollback = rollback.ok_or_else(|| missing("ROLLBACK_STATE_MACHINE_ARN"))?;
    let mut sweep = Sweep { context, rollback, deployments: Vec::new(), failures: Vec::new() };
    match event.get("detail-type").and_then(Value::as_str) {
        Some(CHANGE) => sweep.told(&event["detail"]).await,
        Some(ALARM) => return sweep.alarmed(event["detail"]["alarmName"].as_str().unwrap_or_default()).await,
        _ => sweep.search().await,
    }
    sweep.roll_back().await
}

/// One invocation.
struct Sweep<'a> {
    context: &'a Context,
    rollback: &'a str,
    /// The deployments to look at, by their ids, the oldest first.
    deployments: Vec<String>,
    /// What went wrong with some of them, which must not keep the others waiting.
    failures: Vec<Failure>,
}

impl Sweep<'_> {
    /// The deployment of the execution that an event tells of. Whose rollback an execution is, its input says.
    async fn told(&mut self, detail: &Value) {
        let text = |key: &str| detail.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("stateMachineArn") != self.rollback {
            self.deployments.push(text("name").to_owned());
        } else {
            match self.context.executions.describe(text("executionArn")).await {
                Ok(execution) => {
                    let id = execution.as_ref().and_then(|it| it.input.get("deploymentId")?.as_str());
                    self.deployments.extend(id.map(str::to_owned));
                }
                Err(failure) => self.failures.push(failure),
            }
        }
    }

    /// Every deployment that is not over.
    async fn search(&mut self) {
        match self.context.table.list(keys::OPEN, "").await {
            Ok(open) => {
                for (sk, value, _) in open {
                    match read::<ListedRecord>(&sk, value) {
                        Ok(listed) => self.deployments.push(listed.deployment_id),
                        Err(failure) => self.failures.push(failure),
                    }
                }
            }
            Err(failure) => self.failures.push(failure),
        }
    }

    /// Looks at the deployments that watch an alarm, and at no others: in a bad hour many go off.
    async fn alarmed(mut self, alarm: &str) -> Result<Value> {
        self.search().await;
        for id in std::mem::take(&mut self.deployments) {
            if let Err(failure) = self.one_that_watches(&id, alarm).await {
                self.failures.push(failure);
            }
        }
        self.done(Vec::new())
    }

    async fn one_that_watches(&self, id: &str, alarm: &str) -> Result<()> {
        let Some(meta) = find::<Meta>(&self.context.table, &keys::deployment(id), "meta").await? else { return Ok(()) };
        let watches = meta.document.verification.watched().values().any(|check| check.alarm.as_deref() == Some(alarm));
        if watches && meta.status == Status::Running { self.watch(&meta).await } else { Ok(()) }
    }

    /// Ends a question that waits for an answer when what is watched has turned bad. Stages that look for themselves need no help.
    async fn watch(&self, meta: &Meta) -> Result<()> {
        if meta.document.verification.watched().is_empty() {
            return Ok(());
        }
        let (table, pk) = (&self.context.table, keys::deployment(&meta.deployment_id));
        let direction = Direction::Deploy.name();
        let Some(plan) = find::<Plan>(table, &pk, &format!("plan#{direction}")).await? else { return Ok(()) };
        for (sk, value, _) in table.list(&pk, &format!("approval#{direction}#")).await? {
            let approval: ApprovalRecord = read(&sk, value)?;
            let index = sk.rsplit('#').next().and_then(|index| index.parse::<usize>().ok());
            let Some(index) = index.filter(|index| plan.stages.get(*index).is_some_and(|stage| stage.watched)) else {
                continue;
            };
            if approval.decision.is_some() {
                continue;
            }
            let (snapshot, touched) =
                (find::<Snapshot>(table, &pk, "snapshot").await?, find::<Touched>(table, &pk, "touched").await?);
            let (Some(snapshot), Some(touched)) = (snapshot, touched) else { continue };
            let (plan, snapshot, touched) = (&plan, &snapshot, &touched);
            let case =
                verify::Case { meta, snapshot, plan, touched, index, since_millis: 0, recent: None, last: false };
            if let Some(why) = verify::watched(case, self.context).await? {
                let why = text::cut(&why, text::CAUSE);
                let against = Some((Kind::VerificationFailed.name(), why.as_str()));
                match self.context.executions.decide(&approval.task_token, &Value::Null, against).await {
                    // Somebody has decided it meanwhile.
                    Err(failure) if failure.kind == Kind::RequestRefused => {}
                    decided => decided?,
                }
            }
        }
        Ok(())
    }

    /// Starts the rollbacks that are needed: the executions that roll back now. In the end, tells of everything that went wrong.
    async fn roll_back(mut self) -> Result<Value> {
        let mut rollbacks = Vec::new();
        for id in std::mem::take(&mut self.deployments) {
            match self.deployment(&id).await {
                Ok(name) => rollbacks.extend(name),
                Err(failure) => self.failures.push(failure),
            }
        }
        self.done(rollbacks)
    }

    /// What was started; or everything that went wrong, in one failure.
    fn done(self, rollbacks: Vec<String>) -> Result<Value> {
        let Some(first) = self.failures.first() else { return Ok(json!({ "rollbacks": rollbacks })) };
        let messages: Vec<&str> = self.failures.iter().map(|failure| failure.message.as_str()).collect();
        Err(first.kind.because(messages.join(" ")))
    }

    /// Sees to it that a deployment which is dead is rolled back: the name of the execution that does so.
    async fn deployment(&self, id: &str) -> Result<Option<String>> {
        let table = &self.context.table;
        // Without a record it died before it wrote anything down, and so before it touched anything.
        let Some(meta) = find::<Meta>(table, &keys::deployment(id), "meta").await? else { return Ok(None) };
        let execution = self.context.executions.describe(&meta.execution_arn).await?;
        let runs = execution.as_ref().is_some_and(|execution| execution.state == State::Running);
        let waits = runs && self.waits(id).await?;
        let now = self.context.now_millis();
        let mut prompt = PROMPT;
        match meta.status {
            // It goes on by itself, unless it waits for somebody.
            Status::Preparing | Status::Running if runs && !waits => {
                self.watch(&meta).await?;
                return Ok(None);
            }
            Status::Preparing | Status::Running | Status::RollingBack => {}
            _ if waits => {
                // Whoever has recorded the end is about to say so, or has died before; then another one says it.
                if now < meta.ended_millis.unwrap_or_default() + ANSWERED_MILLIS {
                    return Ok(None);
                }
            }
            Status::Succeeded | Status::FailedClean | Status::Accepted => return self.close(&meta).await,
            Status::FailedDirty => {
                let holder = table.lock(&meta.infrastructure).await?.holder;
                // Somebody has given the lock back, and keeps what is left.
                if holder.as_deref() != Some(id) {
                    return self.close(&meta).await;
                }
                let error = meta.failure.as_ref().map_or("", |failure| failure.error.as_str());
                if Kind::named(error).is_some_and(|kind| !kind.may_pass()) {
                    return Ok(None);
                }
                prompt = 0;
            }
        }
        let haste = Haste::Patient { now_millis: now, prompt };
        // One that waits for a rollback has nothing under way.
        let dead = (!waits).then_some(meta.execution_arn.as_str());
        match roll_back(id, self.rollback, execution.as_ref().and_then(why), dead, haste, self.context).await?.attempt {
            Attempt::Started { name, arn } => {
                tracing::info!(deployment = %id, "Its execution died half-way; it is rolled back by {arn}");
                Ok(Some(name))
            }
            Attempt::Runs { name, arn } => {
                stuck::look(&meta, &arn, self.context).await?;
                Ok(Some(name))
            }
            Attempt::Waits => Ok(None),
            Attempt::Spent => Err(Kind::RollbackFailed.because(format!(
                "The rollback of {id} has died as often as it may be tried. What is left, `crossfade status {id}` and the \
                 executions of {} say.",
                self.rollback
            ))),
        }
    }

    /// Whether the execution of a deployment has handed over to a rollback, and left its token.
    async fn waits(&self, id: &str) -> Result<bool> {
        let handed: Option<RollbackRecord> = find(&self.context.table, &keys::deployment(id), "rollback").await?;
        Ok(handed.is_some_and(|handed| handed.task_token.is_some()))
    }

    /// Takes a deployment that has ended out of the list of those that are not over, should it be there still.
    async fn close(&self, meta: &Meta) -> Result<Option<String>> {
        self.context.table.put_together(&closed(meta)).await?;
        Ok(None)
    }
}
