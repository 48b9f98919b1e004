//! `sweep`: finds deployments whose execution died, or the execution of their rollback, and starts their rollback.
//!
//! It is told by Step Functions' own events, which may get lost, come late or twice, and looks for itself every few minutes, at
//! every deployment that is not over. Either way what counts is what the table and Step Functions say now. It changes nothing in
//! the account and takes no lock: that is the rollback's.
//!
//! However many there are, each has its turn: several are looked at at once, those whose executions run need one read, and what an
//! invocation has no time for, the next one begins with.
//!
//! While a deployment waits for somebody's decision, nothing of its own runs. The sweep looks on instead, at every alarm that goes off
//! and whenever it looks for itself.

use std::collections::BTreeSet;

use crossfade_aws::{Attempt, Item, State, keys, machine_of};
use crossfade_core::haste::Haste;
use crossfade_core::plan::{Direction, Plan, Stage};
use crossfade_core::rollback::Touched;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Failure, Kind, Result, text};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::context::Context;
use crate::halted::{roll_back, why};
use crate::records::{ApprovalRecord, ListedRecord, Meta, RollbackRecord, Status, closed, find, read};
use crate::{outbox, stuck, verify, watch};

/// The detail type of the events that say that an execution has ended.
const CHANGE: &str = "Step Functions Execution Status Change";
/// The detail type of the events that say that an alarm has another state.
const ALARM: &str = "CloudWatch Alarm State Change";
/// How many rollbacks that died are followed at once by another one. The next ones wait, ever longer, so that there is one left when
/// whatever killed them has been repaired.
const PROMPT: u32 = 4;
/// How long whoever records an end may take to answer who waits for it, in milliseconds.
const ANSWERED_MILLIS: u64 = 60_000;
/// How many deployments are looked at at once: what is waited for is mostly AWS's answers.
const AT_ONCE: usize = 16;
/// For how long an invocation begins to look at one more, in milliseconds. What the last ones need, it has left of its 60 seconds.
const LOOKING_MILLIS: u64 = 35_000;
/// Where the next look at all begins, when the one before had no time for some: the key of the last one that it has looked at.
const TURN: &str = "turn";

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let missing = |name: &str| Kind::RecordMissing.because(format!("The environment of sweep lacks {name}."));
    let settings = &context.settings;
    let rollback = settings.rollback_state_machine_arn.as_deref();
    let rollback = rollback.ok_or_else(|| missing("ROLLBACK_STATE_MACHINE_ARN"))?;
    let until_millis = context.now_millis() + LOOKING_MILLIS;
    let mut sweep = Sweep { context, rollback, until_millis, running: BTreeSet::new(), failures: Vec::new() };
    match event.get("detail-type").and_then(Value::as_str) {
        Some(CHANGE) => {
            let told = sweep.told(&event["detail"]).await;
            let rollbacks = sweep.look_at(&told).await.0;
            sweep.done(rollbacks, 0)
        }
        Some(ALARM) => sweep.alarmed(event["detail"]["alarmName"].as_str().unwrap_or_default()).await,
        _ => {
            let looked = sweep.all().await;
            // Events come after deployments, and harm none.
            if let Err(failure) = outbox::send_again(context).await {
                tracing::warn!("What is kept of events cannot be sent: {failure}");
            }
            looked
        }
    }
}

/// One invocation.
struct Sweep<'a> {
    context: &'a Context,
    rollback: &'a str,
    /// Until when it begins to look at one more.
    until_millis: u64,
    /// The executions that run, as far as that was asked of all at once.
    running: BTreeSet<String>,
    /// What went wrong with some of them, which must not keep the others waiting.
    failures: Vec<Failure>,
}

/// A deployment to look at.
struct Suspect {
    id: String,
    /// Its entry in the list of those that are not over, if it is looked at because of that: its key, and what stands there.
    listed: Option<(String, ListedRecord)>,
}

impl Sweep<'_> {
    /// The deployment of the execution that an event tells of. Whose rollback an execution is, its input says.
    async fn told(&mut self, detail: &Value) -> Vec<Suspect> {
        let text = |key: &str| detail.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut id = Some(text("name").to_owned());
        if text("stateMachineArn") == self.rollback {
            id = match self.context.executions.describe(text("executionArn")).await {
                Ok(execution) => execution.and_then(|it| Some(it.input.get("deploymentId")?.as_str()?.to_owned())),
                Err(failure) => {
                    self.failures.push(failure);
                    None
                }
            };
        }
        id.into_iter().map(|id| Suspect { id, listed: None }).collect()
    }

    /// Every deployment that is not over, the oldest first.
    async fn search(&mut self) -> Vec<Suspect> {
        let mut open = Vec::new();
        match self.context.table.list(keys::OPEN, "").await {
            Ok(rows) => {
                for (sk, value, _) in rows {
                    match read::<ListedRecord>(&sk, value) {
                        Ok(listed) => {
                            open.push(Suspect { id: listed.deployment_id.clone(), listed: Some((sk, listed)) });
                        }
                        Err(failure) => self.failures.push(failure),
                    }
                }
            }
            Err(failure) => self.failures.push(failure),
        }
        open
    }

    /// Looks at all that are not over, from where the last look at all has come to.
    async fn all(mut self) -> Result<Value> {
        let mut open = self.search().await;
        if open.is_empty() {
            return self.done(Vec::new(), 0);
        }
        let turn = self.turn().await;
        let first = open.iter().position(|it| it.listed.as_ref().is_some_and(|(sk, _)| *sk > turn)).unwrap_or(0);
        open.rotate_left(first);
        self.running = self.running_of(&open).await;
        let (rollbacks, looked) = self.look_at(&open).await;
        let left = open.len() - looked;
        let last = match open.get(looked.saturating_sub(1)) {
            Some(Suspect { listed: Some((sk, _)), .. }) if left > 0 => sk.as_str(),
            _ => "",
        };
        if left > 0 {
            tracing::warn!(
                left,
                "There was no time for {left} of {} deployments; the next sweep begins with them",
                open.len()
            );
        }
        if last != turn {
            let turn = Item::new(keys::SWEEP.into(), TURN, json!({ "after": last }));
            if let Err(failure) = self.context.table.put(&turn).await {
                self.failures.push(failure);
            }
        }
        self.done(rollbacks, left)
    }

    /// After which entry of the list it goes on; empty from the beginning.
    async fn turn(&mut self) -> String {
        match self.context.table.get(keys::SWEEP, TURN).await {
            Ok(record) => {
                let after = record.and_then(|(value, _)| Some(value.get("after")?.as_str()?.to_owned()));
                after.unwrap_or_default()
            }
            Err(failure) => {
                self.failures.push(failure);
                String::new()
            }
        }
    }

    /// The executions that run of these deployments, by few calls. Whoever is not among them is asked for by itself: what began a moment
    /// ago does not show yet.
    async fn running_of(&mut self, open: &[Suspect]) -> BTreeSet<String> {
        let arns = open.iter().filter_map(|it| Some(it.listed.as_ref()?.1.execution_arn.as_str()));
        let machines: BTreeSet<String> = arns.filter_map(machine_of).collect();
        let mut running = BTreeSet::new();
        for machine in machines {
            match self.context.executions.running(&machine).await {
                Ok(more) => running.extend(more),
                Err(failure) => self.failures.push(failure),
            }
        }
        running
    }

    /// Looks at the deployments that watch an alarm, and at no others: in a bad hour many go off.
    async fn alarmed(mut self, alarm: &str) -> Result<Value> {
        let mut open = self.search().await;
        // Of those that an earlier release has listed, their documents say it.
        open.retain(|it| {
            let watches = it.listed.as_ref().and_then(|(_, listed)| listed.watches.as_ref());
            watches.is_none_or(|watches| watches.alarms.iter().any(|it| it == alarm))
        });
        let looks: Vec<_> = open.iter().map(|suspect| self.one_that_watches(&suspect.id, alarm)).collect();
        let looked: Vec<Result<()>> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        self.failures.extend(looked.into_iter().filter_map(Result::err));
        self.done(Vec::new(), 0)
    }

    async fn one_that_watches(&self, id: &str, alarm: &str) -> Result<()> {
        let Some(meta) = find::<Meta>(&self.context.table, &keys::deployment(id), "meta").await? else { return Ok(()) };
        let watches = meta.document.verification.watched().values().any(|check| check.alarm.as_deref() == Some(alarm));
        if watches && meta.status == Status::Running { self.watch(&meta).await } else { Ok(()) }
    }

    /// Ends a question that waits for an answer when what is looked at meanwhile has turned bad. Stages that look for themselves need no
    /// help.
    async fn watch(&self, meta: &Meta) -> Result<()> {
        let (table, pk) = (&self.context.table, keys::deployment(&meta.deployment_id));
        let direction = Direction::Deploy.name();
        let mut open = Vec::new();
        for (sk, value, _) in table.list(&pk, &format!("approval#{direction}#")).await? {
            let approval: ApprovalRecord = read(&sk, value)?;
            let index = sk.rsplit('#').next().and_then(|index| index.parse::<usize>().ok());
            open.extend(index.filter(|_| approval.decision.is_none()).map(|index| (index, approval.task_token)));
        }
        if open.is_empty() {
            return Ok(());
        }
        let Some(plan) = find::<Plan>(table, &pk, &format!("plan#{direction}")).await? else { return Ok(()) };
        open.retain(|(index, _)| plan.stages.get(*index).is_some_and(Stage::looks_on));
        for (index, task_token) in open {
            let (snapshot, touched) =
                (find::<Snapshot>(table, &pk, "snapshot").await?, find::<Touched>(table, &pk, "touched").await?);
            let (Some(snapshot), Some(touched)) = (snapshot, touched) else { continue };
            let (plan, snapshot, touched) = (&plan, &snapshot, &touched);
            let case =
                verify::Case { meta, snapshot, plan, touched, index, since_millis: 0, recent: None, last: false };
            if let Some(bad) = watch::turned(case, self.context).await? {
                let why = text::cut(&bad.message, text::CAUSE);
                let against = Some((bad.kind.name(), why.as_str()));
                match self.context.executions.decide(&task_token, &Value::Null, against).await {
                    // Somebody has decided it meanwhile.
                    Err(failure) if failure.kind == Kind::RequestRefused => {}
                    decided => decided?,
                }
            }
        }
        Ok(())
    }

    /// Starts the rollbacks that are needed: the executions that roll back now, and how many of these there was time for.
    async fn look_at(&mut self, suspects: &[Suspect]) -> (Vec<String>, usize) {
        let looks: Vec<_> = suspects.iter().map(|suspect| self.in_time(suspect)).collect();
        let looked: Vec<Result<Option<String>>> =
            stream::iter(looks).buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
        let (mut rollbacks, count) = (Vec::new(), looked.len());
        for one in looked {
            match one {
                Ok(name) => rollbacks.extend(name),
                Err(failure) => self.failures.push(failure),
            }
        }
        (rollbacks, count)
    }

    /// Looks at a deployment, if there is still time to begin.
    async fn in_time(&self, suspect: &Suspect) -> Option<Result<Option<String>>> {
        if self.context.now_millis() < self.until_millis { Some(self.deployment(suspect).await) } else { None }
    }

    /// What was started, and how many there was no time for; or everything that went wrong, in one failure.
    fn done(self, rollbacks: Vec<String>, left: usize) -> Result<Value> {
        let Some(first) = self.failures.first() else {
            let mut answer = json!({ "rollbacks": rollbacks });
            if left > 0 {
                answer["left"] = json!(left);
            }
            return Ok(answer);
        };
        let messages: Vec<&str> = self.failures.iter().map(|failure| failure.message.as_str()).collect();
        Err(first.kind.because(text::cut(&messages.join(" "), text::CAUSE)))
    }

    /// Sees to it that a deployment which is dead is rolled back: the name of the execution that does so.
    async fn deployment(&self, suspect: &Suspect) -> Result<Option<String>> {
        let (table, id) = (&self.context.table, suspect.id.as_str());
        let listed = suspect.listed.as_ref().map(|(_, listed)| listed);
        let known = listed.is_some_and(|listed| self.running.contains(&listed.execution_arn));
        let waits = if known { Some(self.waits(id).await?) } else { None };
        // It goes on by itself, and looks on by itself.
        if waits == Some(false) && listed.is_some_and(|listed| listed.asks == Some(false)) {
            return Ok(None);
        }
        // Without a record it died before it wrote anything down, and so before it touched anything.
        let Some(meta) = find::<Meta>(table, &keys::deployment(id), "meta").await? else { return Ok(None) };
        let execution = match known {
            true => None,
            false => self.context.executions.describe(&meta.execution_arn).await?,
        };
        let runs = known || execution.as_ref().is_some_and(|execution| execution.state == State::Running);
        let waits = match waits {
            Some(waits) => waits,
            None => runs && self.waits(id).await?,
        };
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
