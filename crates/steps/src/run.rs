//! One invocation of a function within a run: the records it reads, the log it writes, and the ways it can end.

use std::collections::BTreeSet;
use std::time::Duration;

use crossfade_aws::{Fleets, Holder, Item, keys};
use crossfade_core::capacity::Size;
use crossfade_core::condition::{self, Back, Verdict, Waited};
use crossfade_core::moment::Moment;
use crossfade_core::news::Stage as Stands;
use crossfade_core::observed::{Fleet, Incident};
use crossfade_core::pace::{self, GAP_EXPECTED_MILLIS, GAP_MILLIS, WATCH_MILLIS};
use crossfade_core::plan::{Action, Direction, Need, Plan, Stage};
use crossfade_core::progress::{Again, Phase, Progress, TOLD};
use crossfade_core::rollback::{Splits, Touched};
use crossfade_core::snapshot::{Snapshot, each_once};
use crossfade_core::split::Split;
use crossfade_core::{Class, Failure, Kind, Result, text};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::context::Context;
use crate::news;
use crate::pause::Wishes;
use crate::records::{ApprovalRecord, Meta, StageRecord, item, parse, stage_key};

/// How much longer than the stage's deadline the lease lasts: retries of the state machine need time, too.
const LEASE_MARGIN_MILLIS: u64 = 15 * 60 * 1000;
/// State machines wait whole seconds; what is left of one is slept through here, and no more.
const RESIDUE_MILLIS_MAX: u64 = 1_500;
/// How often it is looked at what a fleet's platform does while that is waited for: failures should be known early, but not at every
/// look.
pub(crate) const INCIDENTS_MILLIS: u64 = 25_000;
/// How long instances that come or go without booting usually take.
const SOON_MILLIS: u64 = 120_000;
/// How long they mostly take.
const AT_ONCE_MILLIS: u64 = 20_000;
/// How long a rollback waits at a guard for capacity that is on its way, before it goes on with what there is; less than any stage may
/// take.
const PATIENCE_MILLIS: u64 = 240_000;
/// How many lines of the log one transaction has at most: it may have 100 actions and 4 MB, and some of both are the records'.
const LINES_MAX: usize = 80;

/// One invocation within a run.
pub(crate) struct Run<'a> {
    pub(crate) context: &'a Context,
    pub(crate) progress: Progress,
    pub(crate) meta: Meta,
    pub(crate) snapshot: Snapshot,
    pub(crate) plan: Plan,
    pub(crate) touched: Touched,
    touched_version: u64,
    log: Log,
    /// The members of the candidate that earlier stages have made, by their ids.
    made_before: BTreeSet<String>,
    /// The same of this one, once it is over.
    made: Vec<String>,
    /// What somebody wants of it while it runs.
    pub(crate) wishes: Wishes,
}

impl<'a> Run<'a> {
    /// Reads the run that an event belongs to, at the moment at which it is due.
    pub(crate) async fn load(event: &Value, context: &'a Context) -> Result<Run<'a>> {
        let mut progress: Progress = serde_json::from_value(event.clone()).map_err(|error| {
            Kind::RecordMissing.because(format!("The state passed to this function is not a progress: {error}."))
        })?;
        progress.comes_at(context.now_millis());
        let early = progress.due_millis.saturating_sub(context.now_millis());
        if early > 0 && early <= RESIDUE_MILLIS_MAX {
            context.clock.sleep(Duration::from_millis(early)).await;
        }
        let id = progress.deployment_id.clone();
        let mut records = Records::load(&id, context).await?;
        let meta = records.need("meta")?;
        let snapshot = records.need("snapshot")?;
        let plan = records.need(&format!("plan#{}", progress.direction.name()))?;
        let (touched, touched_version) = records.touched()?;
        let wishes = Wishes::of(&mut records)?;
        let stages: Vec<StageRecord> = records.all(&format!("stage#{}#", Direction::Deploy.name()))?;
        let made_before = stages.into_iter().flat_map(|stage| stage.made).collect();
        Ok(Self {
            log: Log::new(&id),
            made_before,
            made: Vec::new(),
            context,
            progress,
            meta,
            snapshot,
            plan,
            touched,
            touched_version,
            wishes,
        })
    }

    /// The fleets of the deployment's platform.
    pub(crate) fn fleets(&self) -> Fleets {
        self.context.platforms.on(&self.snapshot.platform)
    }

    /// What their members are called.
    pub(crate) fn members(&self) -> &'static str {
        self.snapshot.platform.members()
    }

    /// How long the stage has been running, in milliseconds.
    pub(crate) fn elapsed_millis(&self) -> u64 {
        self.context.now_millis().saturating_sub(self.progress.stage.started_millis)
    }

    /// Whether the stage's time is over.
    pub(crate) fn overdue(&self) -> bool {
        self.context.now_millis() >= self.progress.deadline_millis()
    }

    /// How long it has been waited for the stage's condition.
    pub(crate) fn waited(&self) -> Waited {
        Waited { millis: self.elapsed_millis(), over: self.overdue() }
    }

    /// Whether the end of such a period of the stage has passed since the look before.
    pub(crate) fn passed(&self, every_millis: u64) -> bool {
        self.progress.has_come_again(every_millis, self.context.now_millis())
    }

    /// When to look again at instances that come or go without booting, from so many seconds after the start on: very often at first,
    /// often for a while, then ever more seldom.
    pub(crate) fn soon(&self, after_seconds: u32) -> Again {
        match self.elapsed_millis().checked_sub(u64::from(after_seconds) * 1000) {
            Some(..AT_ONCE_MILLIS) => Again::In(GAP_EXPECTED_MILLIS),
            None | Some(..SOON_MILLIS) => Again::In(GAP_MILLIS),
            Some(_) => Again::Paced(None),
        }
    }

    /// When to look again at what AWS makes at once.
    pub(crate) fn settling(&self) -> Again {
        Again::In(pace::settling_millis(self.elapsed_millis()))
    }

    /// The stage that the run is at.
    pub(crate) fn stage(&self) -> Result<&Stage> {
        self.plan.stages.get(self.progress.stage.index).ok_or_else(|| {
            Kind::RecordMissing.because(format!(
                "The plan of {} has no stage {}.",
                self.progress.deployment_id, self.progress.stage.index
            ))
        })
    }

    /// The stage's action, when it is the kind that this function does.
    pub(crate) fn wrong_stage(&self, function: &str) -> Failure {
        Kind::RecordMissing.because(format!(
            "Stage {} of {} ({}) is not one that {function} carries out.",
            self.progress.stage.index, self.progress.deployment_id, self.progress.stage.name
        ))
    }

    pub(crate) fn action(&self) -> Result<Action> {
        Ok(self.stage()?.action.clone())
    }

    pub(crate) fn holder(&self) -> Holder {
        self.meta.holder(self.progress.fence)
    }

    /// A line for the deployment's log; written with the next record, or before it.
    pub(crate) fn say(&mut self, line: impl Into<String>) {
        self.log.say(self.context.now_millis(), line);
    }

    /// For how long reads may still show what was before the deployment's last change, while it is undone: till then one that shows
    /// nothing of it proves nothing (P68).
    pub(crate) fn unsettled(&self) -> Option<Again> {
        let left = self.plan.settled_millis.saturating_sub(self.context.now_millis());
        (self.progress.direction == Direction::Rollback && left > 0).then_some(Again::In(left))
    }

    /// Does something once more that seems to be done, for as long as reads may be too old to tell. Refused for good, it could not
    /// be done the first time either, and what is read later decides.
    pub(crate) async fn once_more(&self, call: impl Future<Output = Result<()>>) -> Result<()> {
        match call.await {
            Err(failure) if failure.kind.class() == Class::Failed => {
                tracing::warn!(deployment = %self.progress.deployment_id, "It is looked at again: {failure}");
                Ok(())
            }
            answer => answer,
        }
    }

    /// Writes down what is about to be done, under the fence: only who still owns the infrastructure definition gets past this.
    pub(crate) async fn intend(&mut self, change: impl FnOnce(&mut Touched)) -> Result<()> {
        change(&mut self.touched);
        if self.progress.direction == Direction::Deploy {
            self.touched.begun_millis = self.context.now_millis();
        }
        self.keep().await
    }

    /// Makes sure, before a change that needs no note of its own, that this run still owns the infrastructure definition.
    pub(crate) async fn confirm(&mut self) -> Result<()> {
        self.intend(|_| {}).await
    }

    /// Writes a record of the deployment, and what the log has so far.
    pub(crate) async fn record(&mut self, record: Item) -> Result<()> {
        self.write(vec![record], self.progress.deadline_millis()).await
    }

    /// Writes records of the deployment all at once, with what is noted as begun, and keeps the lock at least until then; lines of the
    /// log that there is no room for go before.
    pub(crate) async fn write(&mut self, records: Vec<Item>, deadline_millis: u64) -> Result<()> {
        let lease = lease_until(deadline_millis, self.context.now_millis());
        let holder = self.holder();
        let mut items = self.log.overflow(self.context, &holder, lease).await?;
        items.push(item(&self.progress.deployment_id, "touched", &self.touched).replacing(self.touched_version));
        items.extend(records);
        self.context.table.write(&holder, lease, &items).await?;
        self.touched_version += 1;
        Ok(())
    }

    /// Refuses a fleet that this infrastructure definition does not own; a new candidate must be this deployment's own.
    pub(crate) fn owned(&self, fleet: &Fleet) -> Result<()> {
        if fleet.name == self.snapshot.base {
            return Err(Kind::Drifted.because(format!(
                "{} is the base: a template, which is never resized, held or deleted. It is left alone. Take the tags of a fleet \
                 off it.",
                fleet.name
            )));
        }
        let infrastructure = self.snapshot.infrastructure.to_string();
        let earlier = fleet.name != self.snapshot.candidate || self.snapshot.adopts();
        let ours = fleet.infrastructure.as_deref() == Some(&infrastructure)
            && (earlier || fleet.deployment.as_deref() == Some(&self.progress.deployment_id));
        if ours {
            return Ok(());
        }
        Err(Kind::Drifted.because(format!(
            "The {} {} is not tagged as belonging to {infrastructure} and this deployment any more \
             (found infrastructure {}, deployment {}). It is left alone. Restore its tags, or remove it by hand.",
            self.snapshot.platform.fleet(),
            fleet.name,
            fleet.infrastructure.as_deref().unwrap_or("none"),
            fleet.deployment.as_deref().unwrap_or("none")
        )))
    }

    /// The fleet of this name, if it exists and is ours.
    pub(crate) async fn fleet(&self, name: &str) -> Result<Option<Fleet>> {
        let fleet = self.fleets().get(name).await?;
        if let Some(fleet) = &fleet {
            self.owned(fleet)?;
        }
        Ok(fleet)
    }

    /// The same where its absence means that somebody deleted it.
    pub(crate) async fn existing_fleet(&self, name: &str) -> Result<Fleet> {
        self.fleet(name).await?.ok_or_else(|| deleted(name))
    }

    /// The weights of rules and listeners as they are now.
    pub(crate) async fn splits(&self, ons: &[&str]) -> Result<Vec<Split>> {
        read_splits(self.context, &self.snapshot, ons).await
    }

    /// What is missing of the capacity that must be there, in words; nothing when it is there.
    ///
    /// Rolling back, waiting for instances that nobody makes better must not keep traffic on `losing`, the side of the candidate.
    /// The side that gains `carries` so many percent of it already, as far as weights say.
    ///
    /// # Errors
    /// `CapacityGuard` when it cannot come to be there.
    pub(crate) async fn short_of(&mut self, needs: &[Need], losing: &[String], carries: u32) -> Result<Option<String>> {
        let mut needs: Vec<Need> = needs.iter().filter(|need| need.healthy > 0).cloned().collect();
        if needs.is_empty() {
            return Ok(None);
        }
        let pools = &self.context.pools;
        let target_groups = each_once(needs.iter().flat_map(|need| &need.target_groups));
        let gaining = pools.registered(&target_groups).await?;
        let names: Vec<&str> = needs.iter().map(|need| need.fleet.as_str()).collect();
        let fleets = self.fleets().named(&names).await?;
        for fleet in &fleets {
            self.owned(fleet)?;
        }
        // Once it scales by itself, what it wants is enough, if all of that is healthy.
        let scales = |need: &&mut Need| self.touched.carried && need.fleet == self.snapshot.candidate;
        for need in needs.iter_mut().filter(scales) {
            let wants = fleets.iter().find(|fleet| fleet.name == need.fleet).map_or(need.healthy, |it| it.size.desired);
            need.healthy = need.healthy.min(wants).max(1);
        }
        let asked = condition::covered(&needs, &fleets, &gaining);
        let verdict = match (self.progress.direction, &asked) {
            (Direction::Rollback, Verdict::NotYet(missing)) => {
                let losing = pools.registered(losing).await?;
                // What comes after the guard needs time, too.
                let over = self.elapsed_millis() >= PATIENCE_MILLIS;
                let waited = Waited { over, ..self.waited() };
                let back = Back { losing: &losing, carries, waited, before: &self.snapshot.fleets };
                let verdict = condition::covered_for_rollback(&needs, &fleets, &gaining, back);
                if verdict == Verdict::Holds {
                    self.say(format!("Going back with what there is: {missing}"));
                }
                verdict
            }
            _ => asked,
        };
        match verdict {
            Verdict::Holds => Ok(None),
            Verdict::NotYet(missing) => Ok(Some(missing)),
            Verdict::Never(failure) => Err(Kind::CapacityGuard.because(failure.message)),
        }
    }

    /// Sets the size of a fleet, written down before.
    pub(crate) async fn resize(&mut self, fleet: &Fleet, size: Size) -> Result<()> {
        // The candidate's is noted, too: a rollback sizes it to 0 whatever a read shows of it.
        self.touched.grown |= fleet.name == self.snapshot.candidate && size.max > 0;
        self.take(fleet).await?;
        if fleet.size == size {
            return self.once_more(self.fleets().resize(&fleet.name, size)).await;
        }
        self.say(format!("Resizing {} from {} to {size}", fleet.name, fleet.size));
        self.fleets().resize(&fleet.name, size).await
    }

    /// Writes down that a fleet is about to be changed, and of one that has woken since the deployment began, what it has by now.
    pub(crate) async fn take(&mut self, fleet: &Fleet) -> Result<()> {
        let earlier = (fleet.name != self.snapshot.candidate).then(|| fleet.name.clone());
        let slept = self.snapshot.fleet(&fleet.name).is_some_and(Fleet::asleep);
        let forward = self.progress.direction == Direction::Deploy;
        self.intend(|touched| {
            let Some(name) = earlier else { return };
            let known = touched.woken.get(&name).map_or(0, |size| size.desired);
            if slept && forward && fleet.size.desired > known {
                touched.woken.insert(name.clone(), fleet.size);
            }
            touched.fleets.insert(name);
        })
        .await
    }

    /// The size that a fleet had before the deployment took it.
    pub(crate) fn size_before(&self, name: &str) -> Option<Size> {
        self.snapshot.fleet(name).map(|before| self.touched.size_before(before))
    }

    /// What the platform did to a fleet since the stage began, newest first. What is new of it is said, oldest first (C4).
    pub(crate) async fn incidents(&mut self, fleet: &str) -> Result<Vec<Incident>> {
        let incidents = self.fleets().incidents(fleet, self.progress.stage.started_millis).await?;
        for incident in incidents.iter().rev() {
            if self.progress.stage.is_news(incident) {
                self.say(format!("{fleet}: {}", incident.said));
                if self.progress.stage.told.len() == TOLD {
                    self.say(format!("{fleet}: of the other activities of this stage only those that fail are told"));
                }
            }
        }
        Ok(incidents)
    }

    /// Notes which members of the candidate serve now, as those that the stage has made, and names them unless they are too many to be
    /// read.
    pub(crate) fn has_made(&mut self, serving: Vec<String>) {
        let made: Vec<String> = serving.into_iter().filter(|id| !self.made_before.contains(id)).collect();
        let (count, what) = (made.len(), self.members());
        match count {
            0 => {}
            1..=text::NAMED => self.say(format!("Made {count} {what}: {}", made.join(", "))),
            _ => self.say(format!("Made {count} {what}")),
        }
        self.made = made;
    }

    /// The stage's action again, at once.
    pub(crate) fn act_now(&self) -> Value {
        let now = self.context.now_millis();
        json!(Progress { phase: Phase::Act, wait_seconds: 0, due_millis: now, ..self.progress.clone() })
    }

    /// The stage's condition holds: on to the next one.
    pub(crate) async fn next_stage(self, line: impl Into<String>) -> Result<Value> {
        self.go_on(line.into(), false).await
    }

    /// The same without doubt: who would only have been asked in doubt is not.
    pub(crate) async fn next_stage_without_doubt(self, line: impl Into<String>) -> Result<Value> {
        self.go_on(line.into(), true).await
    }

    async fn go_on(mut self, line: String, sure: bool) -> Result<Value> {
        self.say(line);
        let now = self.context.now_millis();
        let mut records = vec![self.held(&self.progress, now)];
        let news = |progress: &Progress, state| news::of_stage(&self.meta, &self.plan, progress, state, now);
        let mut told = vec![news(&self.progress, Stands::Held)];
        let mut progress = self.progress.next(&self.plan, now);
        let in_doubt = |stage: &Stage| matches!(&stage.action, Action::Approve(approve) if approve.in_doubt);
        if sure && self.plan.stages.get(progress.stage.index).is_some_and(in_doubt) {
            told.push(news(&progress, Stands::Held));
            records.push(self.held(&progress, now));
            self.log.say(now, format!("{}: nobody has to be asked", progress.stage.name));
            progress = progress.next(&self.plan, now);
        }
        let paused = self.wishes.stop(&mut progress);
        told.push(news(&progress, Stands::Started));
        match paused {
            Some(line) => self.say(line),
            None => progress = self.begins_to_wait(progress, now),
        }
        self.write(records, progress.deadline_millis()).await?;
        news::tell(self.context, told.into_iter().flatten().collect()).await;
        Ok(json!(progress))
    }

    /// A run that comes to a stage which does nothing but wait for a moment: it waits at once, unless somebody, or what is watched, may
    /// have ended that already.
    fn begins_to_wait(&mut self, progress: Progress, now_millis: u64) -> Progress {
        let Some(stage) = self.plan.stages.get(progress.stage.index).filter(|stage| !stage.watched) else {
            return progress;
        };
        let ended =
            matches!(&stage.action, Action::Pause(pause) if self.wishes.ends(progress.stage.index, pause).is_some());
        let moment = Moment::of(stage, &progress, &self.touched).filter(|_| !ended);
        let Some((again, missing)) = moment.and_then(|moment| moment.ahead(now_millis)) else { return progress };
        self.log.say(now_millis, format!("{}: {missing}", progress.stage.name));
        progress.wait(Phase::Check, again, &missing, now_millis)
    }

    /// Tells machines that the stage asks this.
    pub(crate) async fn tell_of(&self, question: &ApprovalRecord) {
        let now = self.context.now_millis();
        let news = news::of_question(&self.meta, &self.plan, &self.progress, question, now);
        news::tell(self.context, news.into_iter().collect()).await;
    }

    /// Tells machines that a stage begins, at this progress.
    pub(crate) async fn tell_of_start(&self, progress: &Progress) {
        let news = news::of_stage(&self.meta, &self.plan, progress, Stands::Started, progress.stage.started_millis);
        news::tell(self.context, news.into_iter().collect()).await;
    }

    /// The record of a stage whose condition holds now.
    fn held(&self, progress: &Progress, now_millis: u64) -> Item {
        let stage = &progress.stage;
        let record = StageRecord {
            kind: stage.kind,
            name: stage.name.clone(),
            started_millis: stage.started_millis,
            held_millis: now_millis,
            made: self.made.clone(),
        };
        item(&progress.deployment_id, stage_key("stage", progress.direction, stage.index), &record)
    }

    /// Writes what has been said, before a failure would lose it.
    pub(crate) async fn keep_log(&mut self) -> Result<()> {
        if self.log.lines.is_empty() { Ok(()) } else { self.keep().await }
    }

    /// Writes what has been done and said so far.
    pub(crate) async fn keep(&mut self) -> Result<()> {
        self.write(Vec::new(), self.progress.deadline_millis()).await
    }

    /// The stage's condition does not hold yet: wait, then act or check again. Whoever acts again leaves looking on to the function that
    /// only reads.
    ///
    /// # Errors
    /// `SteadyStateTimeout`, or the kind given, once the stage's deadline has passed; it says what is missing (B11).
    pub(crate) async fn wait(mut self, phase: Phase, again: Again, missing: String, late: Kind) -> Result<Value> {
        let now = self.context.now_millis();
        if now >= self.progress.deadline_millis() {
            self.keep_log().await?;
            return Err(late.because(format!(
                "{} did not come about within {}: {missing}.",
                self.progress.stage.name,
                in_words(self.progress.stage.timeout_seconds)
            )));
        }
        let mut progress = self.progress.wait(phase, again, &missing, now);
        let other_look = progress.due_millis / WATCH_MILLIS > now / WATCH_MILLIS;
        if phase == Phase::Act && other_look && self.stage()?.looks_on() {
            progress.phase = Phase::Watch;
        }
        if let Some(news) = self.progress.news(&missing) {
            self.say(format!("{}: {news}", self.progress.stage.name));
        }
        if !self.log.lines.is_empty() {
            self.keep().await?;
        }
        Ok(json!(progress))
    }
}

/// A fleet that should be there is not.
pub(crate) fn deleted(name: &str) -> Failure {
    Kind::Drifted.because(format!("The fleet {name} does not exist any more; somebody deleted it."))
}

/// The weights of rules and listeners as they are now. That one is not what it was when the deployment began is somebody's hand.
async fn read_splits(context: &Context, snapshot: &Snapshot, ons: &[&str]) -> Result<Vec<Split>> {
    context.switches.knowing(&snapshot.records).read_all(ons).await.map_err(|failure| match failure.kind {
        Kind::PreflightFailed => Kind::Drifted.because(format!("Since the deployment began: {failure}")),
        _ => failure,
    })
}

/// The weights of everything that the router consists of.
pub(crate) async fn splits(context: &Context, snapshot: &Snapshot) -> Result<Splits> {
    let ons: Vec<&str> = snapshot.weights.iter().map(|weights| weights.on.as_str()).collect();
    let splits = read_splits(context, snapshot, &ons).await?;
    Ok(ons.into_iter().map(str::to_owned).zip(splits).collect())
}

/// Until when the lease has to last for a stage with this deadline.
pub(crate) fn lease_until(deadline_millis: u64, now_millis: u64) -> u64 {
    deadline_millis.max(now_millis) + LEASE_MARGIN_MILLIS
}

/// 90 → `90 s`, 1200 → `20 min`.
fn in_words(seconds: u32) -> String {
    if seconds >= 120 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

/// Every record of a deployment.
pub(crate) struct Records {
    id: String,
    /// As their texts: most are not asked for.
    records: Vec<(String, String, u64)>,
}

impl Records {
    pub(crate) async fn load(id: &str, context: &Context) -> Result<Self> {
        Ok(Self { id: id.into(), records: context.table.texts(&keys::deployment(id)).await? })
    }

    /// Takes a record out, with its version.
    fn take(&mut self, sk: &str) -> Option<(String, u64)> {
        let i = self.records.iter().position(|(key, ..)| key == sk)?;
        let (_, text, version) = self.records.swap_remove(i);
        Some((text, version))
    }

    /// Whether there is such a record that nobody has taken out yet.
    pub(crate) fn has(&self, sk: &str) -> bool {
        self.records.iter().any(|(key, ..)| key == sk)
    }

    /// A record that may not be there.
    pub(crate) fn find<T: DeserializeOwned>(&mut self, sk: &str) -> Result<Option<T>> {
        self.take(sk).map(|(text, _)| parse(sk, &text)).transpose()
    }

    /// Every record whose key begins so.
    pub(crate) fn all<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>> {
        let found = self.records.iter().filter(|(key, ..)| key.starts_with(prefix));
        found.map(|(key, text, _)| parse(key, text)).collect()
    }

    /// A record that has to be there.
    pub(crate) fn need<T: DeserializeOwned>(&mut self, sk: &str) -> Result<T> {
        self.find(sk)?.ok_or_else(|| {
            Kind::RecordMissing.because(format!(
                "The state table has no record `{sk}` of deployment {}. Was it deleted, or is this another table?",
                self.id
            ))
        })
    }

    pub(crate) fn touched(&mut self) -> Result<(Touched, u64)> {
        match self.take("touched") {
            Some((text, version)) => Ok((parse("touched", &text)?, version)),
            None => Ok((Touched::default(), 0)),
        }
    }
}

/// The log lines of one invocation.
pub(crate) struct Log {
    id: String,
    pub(crate) lines: Vec<Item>,
    said: usize,
}

impl Log {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.into(), lines: Vec::new(), said: 0 }
    }

    /// Writes what it has, in as many transactions as that takes.
    pub(crate) async fn write(&mut self, context: &Context, holder: &Holder, lease: u64) -> Result<()> {
        let rest = self.overflow(context, holder, lease).await?;
        if rest.is_empty() { Ok(()) } else { context.table.write(holder, lease, &rest).await }
    }

    /// Writes what there is no room for in a transaction that also has records, and takes the rest out, for that one.
    pub(crate) async fn overflow(&mut self, context: &Context, holder: &Holder, lease: u64) -> Result<Vec<Item>> {
        while self.lines.len() > LINES_MAX {
            context.table.write(holder, lease, &self.lines[..LINES_MAX]).await?;
            self.lines.drain(..LINES_MAX);
        }
        Ok(std::mem::take(&mut self.lines))
    }

    pub(crate) fn say(&mut self, now_millis: u64, line: impl Into<String>) {
        let line = text::cut(&line.into(), text::LINE);
        tracing::info!(deployment = %self.id, "{line}");
        let key = format!("{now_millis:014}#{:05}", self.said);
        self.lines.push(Item::new(keys::log(&self.id), key, json!({"atMillis": now_millis, "line": line})));
        self.said += 1;
    }
}
