//! `sweep`: finds deployments whose execution died, or the execution of their rollback, and starts their rollback.
//!
//! It is told by Step Functions' own events, which may get lost, come late or twice, and looks for itself every few minutes.
//! Either way what counts is what the table and Step Functions say now. It changes nothing in the account and takes no lock:
//! that is the rollback's.

use std::collections::BTreeSet;

use crossfade_aws::{Attempt, Dead, Haste, State, keys};
use crossfade_core::{Failure, Kind, Result};
use serde_json::{Value, json};

use crate::context::Context;
use crate::halted::{roll_back, why};
use crate::records::{Meta, Status, read};

/// The detail type of the events that say that an execution has ended.
const CHANGE: &str = "Step Functions Execution Status Change";
/// How far back it looks: long enough for a permission or a whole region to come back.
const LOOK_BACK_MILLIS: u64 = 14 * 24 * 3600 * 1000;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let missing = |name: &str| Kind::RecordMissing.because(format!("The environment of sweep lacks {name}."));
    let settings = &context.settings;
    let deploy = settings.deploy_state_machine_arn.as_deref().ok_or_else(|| missing("DEPLOY_STATE_MACHINE_ARN"))?;
    let rollback = settings.rollback_state_machine_arn.as_deref();
    let rollback = rollback.ok_or_else(|| missing("ROLLBACK_STATE_MACHINE_ARN"))?;
    let mut sweep = Sweep { context, deploy, rollback, deployments: BTreeSet::new(), failures: Vec::new() };
    match event.get("detail-type").and_then(Value::as_str) {
        Some(CHANGE) => sweep.told(&event["detail"]).await,
        _ => sweep.search().await,
    }
    sweep.roll_back().await
}

/// One invocation.
struct Sweep<'a> {
    context: &'a Context,
    deploy: &'a str,
    rollback: &'a str,
    /// The deployments to look at, by their ids.
    deployments: BTreeSet<String>,
    /// What went wrong with some of them, which must not keep the others waiting.
    failures: Vec<Failure>,
}

impl Sweep<'_> {
    /// The deployment of the execution that an event tells of.
    async fn told(&mut self, detail: &Value) {
        let text = |key: &str| detail.get(key).and_then(Value::as_str).unwrap_or_default();
        let dead = Dead { arn: text("executionArn").to_owned(), name: text("name").to_owned() };
        let machine = text("stateMachineArn").to_owned();
        self.belongs(&machine, dead).await;
    }

    /// The deployments of every execution that ended badly of late.
    async fn search(&mut self) {
        let since = self.context.now_millis().saturating_sub(LOOK_BACK_MILLIS);
        for machine in [self.deploy, self.rollback] {
            match self.context.executions.dead(machine, since).await {
                Ok(dead) => {
                    for dead in dead {
                        self.belongs(machine, dead).await;
                    }
                }
                Err(failure) => self.failures.push(failure),
            }
        }
    }

    /// Notes the deployment that an execution belongs to. A rollback's name may have a number at its end; its input names it.
    async fn belongs(&mut self, machine: &str, dead: Dead) {
        if machine == self.deploy {
            self.deployments.insert(dead.name);
        } else if machine == self.rollback {
            match self.context.executions.describe(&dead.arn).await {
                Ok(execution) => {
                    let id = execution.as_ref().and_then(|it| it.input.get("deploymentId")?.as_str());
                    self.deployments.extend(id.map(str::to_owned));
                }
                Err(failure) => self.failures.push(failure),
            }
        }
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
        let Some(first) = self.failures.first() else { return Ok(json!({ "rollbacks": rollbacks })) };
        let messages: Vec<&str> = self.failures.iter().map(|failure| failure.message.as_str()).collect();
        Err(first.kind.because(messages.join(" ")))
    }

    /// Sees to it that a deployment which is dead is rolled back: the name of the execution that does so.
    async fn deployment(&self, id: &str) -> Result<Option<String>> {
        // Without a record it died before it wrote anything down, and so before it touched anything.
        let Some((value, _)) = self.context.table.get(&keys::deployment(id), "meta").await? else { return Ok(None) };
        let meta: Meta = read("meta", value)?;
        if meta.status.ended() {
            return Ok(None);
        }
        let execution = self.context.executions.describe(&meta.execution_arn).await?;
        let runs = execution.as_ref().is_some_and(|execution| execution.state == State::Running);
        // It goes on by itself, unless it waits for a rollback that has died.
        if runs && meta.status != Status::RollingBack {
            return Ok(None);
        }
        let haste = Haste::Patient { now_millis: self.context.now_millis() };
        match roll_back(id, self.rollback, execution.as_ref().and_then(why), true, haste, self.context).await? {
            Attempt::Started { name, arn } | Attempt::Runs { name, arn } => {
                tracing::info!(deployment = %id, "Its execution died half-way; it is rolled back by {arn}");
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
}
