//! The rollback plan: from the snapshot, what was done since, and the live state back to how it was.
//!
//! Capacity first, then traffic in one action, then the candidate goes, then what was held is released: at no instant does
//! traffic stand on capacity that is not there. With nothing done, the plan is empty (B15).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::capacity::{Size, share};
use crate::condition;
use crate::document::{Document, Point, StageSpec};
use crate::kinds::elb::describe;
use crate::lane::Movement;
use crate::observed::{Fleet, Registered};
use crate::pace::STALE_MILLIS;
use crate::plan::{Direction, Marked, Need, Plan, Stages, Upscale, left_of, remaining, spread};
use crate::snapshot::Snapshot;
use crate::split::{Route, Split, Weights, all_in_words, in_words, names, old_first, percent_of, split_in_words};
use crate::{Kind, Result, resize};

/// What a deployment has begun to change, written down before each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Touched {
    /// Whether the candidate or its launch source may exist.
    pub candidate: bool,
    /// Whether the candidate was given a size, and so may have instances.
    pub grown: bool,
    /// Earlier fleets that were kept from scaling in, each with the size below which it may not fall.
    pub held: BTreeMap<String, u32>,
    /// Earlier fleets whose size was set.
    pub fleets: BTreeSet<String>,
    /// Those of them that slept when the deployment began and had woken by the time they were retired, each with what it had then.
    pub woken: BTreeMap<String, Size>,
    /// Fleets that were attached to target groups or detached from them after they were made.
    pub attached: BTreeSet<String>,
    /// Switches and pools that bore no tag of ownership before.
    pub tagged: BTreeSet<String>,
    /// Whether tags tell that the candidate serves.
    pub marked: bool,
    /// Whether the candidate was let to scale by itself.
    pub carried: bool,
    /// The changes that AWS takes a while to spread, by switch: the last of each, by its id.
    pub spreading: BTreeMap<String, String>,
    /// Weights that were set, in order, of each rule and listener.
    pub routes: BTreeMap<String, Vec<Vec<Route>>>,
    /// The weights that AWS has answered to have been set, the last of each switch: a read that shows them is not older.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub answered: BTreeMap<String, Vec<Route>>,
    /// When the last weights were read back, in milliseconds since 1970: from then on the other side drains.
    pub shifted_millis: u64,
    /// When the deployment last began to change something, on its way forward, in milliseconds since 1970.
    pub begun_millis: u64,
}

impl Touched {
    /// Whether nothing was begun.
    pub fn nothing(&self) -> bool {
        Self { begun_millis: 0, ..self.clone() } == Self::default()
    }

    /// The size that a fleet gets back: the one that it had when the deployment began, or what it has woken to since.
    pub fn size_before(&self, fleet: &Fleet) -> Size {
        self.woken.get(&fleet.name).copied().unwrap_or(fleet.size)
    }

    /// The weights that were set on a rule or listener.
    pub fn written(&self, on: &str) -> &[Vec<Route>] {
        self.routes.get(on).map_or(&[], Vec::as_slice)
    }
}

/// The longest that a function may still be at what it has written down before, in milliseconds; none has more time.
const STEP_MILLIS: u64 = 120_000;

/// From when on reads show everything that a deployment has done, when its rollback begins at `now_millis`: by then the function that
/// did the last of it is over. Before, a read that shows nothing of it proves nothing (P68).
pub fn settled_millis(touched: &Touched, now_millis: u64) -> u64 {
    now_millis.min(touched.begun_millis + STEP_MILLIS) + STALE_MILLIS
}

/// The splits of the router's rules and listeners, by ARN.
pub type Splits = BTreeMap<String, Split>;

/// Stable fleets that slept, have been retired, and would have woken since the deployment began: AWS does not catch up with what
/// was due while they rested. Each with the size that it would have.
pub fn overslept(
    snapshot: &Snapshot,
    touched: &Touched,
    started_millis: u64,
    now_millis: u64,
) -> BTreeMap<String, Size> {
    let due = |due: &u64| (started_millis..=now_millis).contains(due);
    let retired = |fleet: &&Fleet| touched.fleets.contains(&fleet.name) && !touched.woken.contains_key(&fleet.name);
    let asleep = snapshot.stable_fleets().into_iter().filter(|fleet| fleet.asleep()).filter(retired);
    let wakes = asleep.filter_map(|fleet| fleet.wakes.as_ref().map(|wake| (fleet, wake)));
    let missed = wakes.filter(|(_, wake)| wake.due_millis.as_ref().is_some_and(due));
    missed.map(|(fleet, wake)| (fleet.name.clone(), wake.size)).collect()
}

/// The rollback plan.
///
/// `live` is every fleet of the infrastructure definition now, `splits` the weights now.
///
/// # Errors
/// `RollbackFailed` when somebody else's weights send traffic to the candidate: it can then neither be removed nor
/// the weights overwritten, and a person has to decide.
pub fn plan(
    document: &Document,
    snapshot: &Snapshot,
    touched: &Touched,
    live: &[Fleet],
    splits: &Splits,
) -> Result<Plan> {
    let mut back = Back { document, snapshot, touched, live, stages: Stages::new(document, snapshot) };
    back.stages.call_at(&document.hooks, Point::BeforeRollback);
    back.attachments();
    if !back.phases() {
        back.capacity();
        back.weights(splits)?;
    }
    back.mark();
    back.candidate();
    back.release();
    back.stages.call_at(&document.hooks, Point::AfterRollback);
    Ok(Plan { direction: Direction::Rollback, settled_millis: 0, stages: back.stages.done() })
}

/// The plan in the making.
struct Back<'a> {
    document: &'a Document,
    snapshot: &'a Snapshot,
    touched: &'a Touched,
    live: &'a [Fleet],
    stages: Stages<'a>,
}

impl<'a> Back<'a> {
    fn now(&self, name: &str) -> Option<&'a Fleet> {
        self.live.iter().find(|fleet| fleet.name == name)
    }

    /// Earlier fleets among these, as they were. Newest first: the stable fleet carries the traffic.
    fn earlier(&self, touched: &BTreeSet<String>) -> Vec<&'a Fleet> {
        let ours = |fleet: &&Fleet| touched.contains(&fleet.name) && fleet.name != self.snapshot.candidate;
        let mut fleets: Vec<&Fleet> = self.snapshot.fleets.iter().filter(ours).collect();
        fleets.sort_by_key(|fleet| std::cmp::Reverse(fleet.revision));
        fleets
    }

    /// What was detached is attached again. Its instances are healthy there before anything else happens.
    fn attachments(&mut self) {
        for fleet in self.earlier(&self.touched.attached) {
            self.stages.attach(&fleet.name, self.snapshot.known(fleet).cloned().collect());
        }
    }

    /// What was resized gets its instances back, and so does what was attached again.
    fn capacity(&mut self) {
        let resized: BTreeSet<String> = self.touched.fleets.union(&self.touched.attached).cloned().collect();
        for fleet in self.earlier(&resized) {
            self.restore(fleet, self.wanted(fleet));
        }
    }

    /// What a fleet had, or what it has scaled out to since (P27).
    fn wanted(&self, fleet: &Fleet) -> u32 {
        self.touched.size_before(fleet).desired.max(self.desired(fleet))
    }

    /// What a fleet is to have now.
    fn desired(&self, fleet: &Fleet) -> u32 {
        self.now(&fleet.name).map_or(0, |now| now.size.desired)
    }

    /// Until the traffic is back the fleet must not scale in. One that slept has nothing to wait for.
    fn restore(&mut self, fleet: &Fleet, desired: u32) {
        if desired == 0 {
            return;
        }
        let before = self.touched.size_before(fleet);
        let now = self.now(&fleet.name).map_or(before, |now| now.size);
        self.stages.restore(Upscale {
            fleet: fleet.name.clone(),
            size: resize::regrown(before, now, desired),
            target_groups: self.snapshot.known(fleet).cloned().collect(),
            exclusive: false,
            expected_seconds: None,
        });
    }

    /// The weights from before the deployment, in one action (B3). A person's weights stay, rule by rule: without traffic for
    /// the candidate, or without a candidate, they are in nobody's way.
    fn weights(&mut self, splits: &Splits) -> Result<()> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for (before, _, undrifted) in seen(self.snapshot, self.touched, splits) {
            match undrifted {
                Ok(()) => ours.push(before.clone()),
                Err(drift) => theirs.push((before.on.as_str(), drift)),
            }
        }
        if self.now(&self.snapshot.candidate).is_some()
            && let Some((_, drift)) = theirs.iter().find(|(on, _)| serves(self.snapshot, splits, on))
        {
            return Err(Kind::RollbackFailed.because(format!(
                "{drift} They send traffic to {}, so it cannot be removed.",
                self.snapshot.candidate
            )));
        }
        // A read may be stale: what was ever written is written back, whatever the weights seem to be.
        if !self.touched.routes.is_empty() && !ours.is_empty() {
            self.put_into_use(splits);
            self.found_again();
            self.restore_weights(ours);
        }
        Ok(())
    }

    /// Between the two calls of an exchange nothing forwards to the pool that served, so that nobody checks it (P7). The test side
    /// does first, and once its targets are healthy again, the traffic can go back to them.
    fn put_into_use(&mut self, splits: &Splits) {
        let forwards = |on: &str, arn: &str| splits.get(on).is_some_and(|split| split.weight(arn) > 0);
        let unused = self.snapshot.lanes.iter().filter_map(|lane| {
            let Movement::Exchange { production, test } = &lane.by else { return None };
            let begun = !self.touched.written(production).is_empty();
            (begun && !forwards(test, &lane.production))
                .then(|| Weights { on: test.clone(), routes: vec![Route::to(&lane.production, 1)] })
        });
        let weights: Vec<Weights> = unused.collect();
        if !weights.is_empty() {
            self.stages.steer(format!("Put {} into use", names(&self.snapshot.production())), weights, Vec::new());
        }
    }

    /// Somebody may still remember that nothing was found where a fleet has just come back (P89).
    fn found_again(&mut self) {
        let emptied = self.snapshot.stable.iter().any(|name| self.touched.fleets.contains(name));
        if emptied && self.snapshot.negative_seconds() > 0 {
            self.stages.settle(self.snapshot.negative_seconds());
        }
    }

    fn restore_weights(&mut self, weights: Vec<Weights>) {
        let percent = match (weights.first(), self.snapshot.lanes.first()) {
            (Some(before), Some(lane)) => percent_of(&before.routes, &lane.production),
            _ => 100,
        };
        let needs = self.of_stable(|full| share(percent, full));
        let name = match weights.iter().all(|weights| weights.routes.is_empty()) {
            true => format!("Remove the {}", weights.iter().map(|it| describe(&it.on)).collect::<Vec<_>>().join(", ")),
            false => format!("Restore weights {}", before_in_words(&weights)),
        };
        self.stages.steer(name, weights, needs);
    }

    /// So much of each stable fleet, where it served, but no more than was healthy there when the deployment began. Of one that
    /// slept, what it has woken to.
    fn of_stable(&self, share: impl Fn(u32) -> u32) -> Vec<Need> {
        let production = self.snapshot.production();
        let need = |fleet: &Fleet| Need {
            fleet: fleet.name.clone(),
            target_groups: fleet.attached(&production),
            healthy: share(if fleet.asleep() { self.wanted(fleet) } else { fleet.size.desired }),
        };
        self.there_was(self.snapshot.stable_fleets().into_iter().map(need).collect())
    }

    fn there_was(&self, mut needs: Vec<Need>) -> Vec<Need> {
        needs.retain(|need| need.healthy > 0);
        for need in &mut needs {
            need.healthy = self.snapshot.there_was(&need.fleet, need.healthy);
        }
        needs
    }

    /// Tags tell what they told before, whatever that was.
    fn mark(&mut self) {
        let snapshot = self.snapshot;
        if !self.touched.marked {
            return;
        }
        let told = |fleet: &&Fleet| snapshot.stable.contains(&fleet.name) || fleet.name == snapshot.candidate;
        let there = snapshot.fleets.iter().filter(told).filter(|fleet| self.now(&fleet.name).is_some());
        let as_before =
            |fleet: &Fleet| Marked { fleet: fleet.name.clone(), version: fleet.own.version().map(str::to_owned) };
        let fleets: Vec<Marked> = there.map(as_before).collect();
        if !fleets.is_empty() {
            self.stages.mark("Put the marks back".into(), fleets);
        }
    }

    /// The phases of a canary taken back one by one (C3): the old fleets grow, the newest first, by what the new one then loses.
    /// Answers whether that is what was asked for and possible.
    fn phases(&mut self) -> bool {
        let (asleep, stable): (Vec<&Fleet>, Vec<&Fleet>) =
            self.snapshot.stable_fleets().into_iter().partition(|fleet| fleet.asleep());
        let Some(candidate) = self.now(&self.snapshot.candidate).filter(|_| !stable.is_empty()) else { return false };
        if !(self.document.rollback.phase_by_phase && self.snapshot.shared()) || candidate.deleting {
            return false;
        }
        let (old, asked) = (Size::together(stable.iter().map(|it| it.size)).desired, self.snapshot.asked.desired);
        let mut counts: Vec<u32> = vec![0];
        counts.extend(self.document.stages().iter().filter_map(|spec| match spec {
            StageSpec::Upscale(amount) => Some(amount.of(asked)),
            _ => None,
        }));
        counts.retain(|count| *count == 0 || *count < candidate.size.desired);
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts.dedup();
        let resized = |fleet: &&&Fleet| self.touched.fleets.contains(&fleet.name);
        let (woken, shrunk): (Vec<&Fleet>, Vec<&Fleet>) =
            (asleep.iter().filter(resized).copied().collect(), stable.iter().filter(resized).copied().collect());
        for fleet in &woken {
            self.restore(fleet, self.wanted(fleet));
        }
        let mut restored: BTreeMap<&str, u32> = BTreeMap::new();
        for count in counts {
            let mut comes_back = false;
            let back = spread(&stable, left_of(old, count, asked));
            let back: BTreeMap<&str, u32> = stable.iter().map(|fleet| fleet.name.as_str()).zip(back).collect();
            for fleet in shrunk.iter().rev() {
                let desired = back[fleet.name.as_str()].max(self.desired(fleet));
                // What the phase before has given back is there.
                let known = restored.insert(&fleet.name, desired);
                if known != Some(desired) {
                    comes_back |= desired > known.unwrap_or(self.desired(fleet));
                    self.restore(fleet, desired);
                }
            }
            // The platform chooses whom it stops, and may choose those that are healthy while others are starting: the candidate
            // shrinks only for what has come back.
            if count > 0 && !comes_back {
                continue;
            }
            let mut needs = self.of_stable(|full| full);
            for need in &mut needs {
                need.healthy = back.get(need.fleet.as_str()).copied().unwrap_or(need.healthy);
            }
            let needs = self.there_was(needs);
            let size = remaining(candidate.size, count);
            let size = Size { max: size.desired, ..size };
            self.stages.downsize(&candidate.name, size, Vec::new(), needs, true);
        }
        // Fleets that were retired before the phases began.
        let mut idle = self.touched.fleets.clone();
        idle.retain(|name| !self.snapshot.stable.contains(name));
        for fleet in self.earlier(&idle) {
            self.restore(fleet, self.wanted(fleet));
        }
        true
    }

    /// While somebody inspects it, no request of a user may reach it.
    fn out_of_production(&mut self, candidate: &Fleet) {
        // Behind weights it is, once they are back.
        if !self.snapshot.serving().is_empty() {
            return;
        }
        let mut production = self.snapshot.production();
        // What it was attached to a moment ago may not show yet.
        let attached = self.touched.attached.contains(&candidate.name);
        production.retain(|arn| attached || candidate.target_groups.contains(arn));
        if production.is_empty() {
            return;
        }
        let needs = self.of_stable(|full| full);
        self.stages.detach(&candidate.name, production, needs);
    }

    /// The candidate goes; a revision that was brought back goes to where it was.
    fn candidate(&mut self) {
        if !self.touched.candidate {
            return;
        }
        let name = self.snapshot.candidate.clone();
        let candidate = self.now(&name);
        if let (Some(candidate), Some(approval)) = (candidate, &self.document.rollback.approval) {
            self.out_of_production(candidate);
            self.stages.inspect(approval);
        }
        // A read may show it as it was before it grew, or not at all (P68): then the stage waits until it must show.
        let has_instances = |candidate: &Fleet| candidate.size.max > 0 || !candidate.members.is_empty();
        let may_serve = self.touched.grown || candidate.is_some_and(has_instances);
        if candidate.is_some() || may_serve {
            let behind_weights = !self.snapshot.serving().is_empty();
            if behind_weights && !self.touched.routes.is_empty() {
                self.stages.drain(self.snapshot.test());
            }
            let deleting = candidate.is_some_and(|candidate| candidate.deleting);
            if may_serve && !deleting && !self.stages.empties(&name) {
                // Where it stands alone, nobody may be sent any more.
                let idle = self.snapshot.alone(&self.snapshot.test());
                let needs = if behind_weights { Vec::new() } else { self.of_stable(|full| full) };
                self.stages.downsize(&name, Size::ZERO, idle, needs, true);
            }
        }
        match self.snapshot.fleet(&name) {
            Some(before) => {
                self.stages.put_back(before.target_groups.clone());
                if self.touched.carried {
                    self.stages.carry(format!("Put the scaling of {name} back"), None, None);
                }
            }
            None => self.stages.remove(),
        }
    }

    /// Whatever was held, resized or brought back gets its own limits and scheduled actions back.
    fn release(&mut self) {
        let mut fleets = self.touched.fleets.clone();
        fleets.extend(self.touched.held.keys().cloned());
        if self.touched.candidate && self.snapshot.adopts() {
            fleets.insert(self.snapshot.candidate.clone());
        }
        if !fleets.is_empty() {
            self.stages.release(fleets.into_iter().collect());
        }
    }
}

/// What a person may do about weights of somebody else that send traffic to the candidate, by what is registered in the target
/// groups that served: nobody is advised to send traffic to where nothing is healthy.
pub fn advice(snapshot: &Snapshot, production: &[Registered]) -> String {
    let before = before_in_words(&snapshot.weights);
    let keep = format!("run `crossfade rollback` again, or keep {}", snapshot.candidate);
    let ill: Vec<String> = production.iter().filter(|it| it.healthy() == 0).map(|it| it.target_group.clone()).collect();
    if !production.is_empty() && ill.is_empty() {
        return format!("Set them to {before} and {keep}.");
    }
    let (size, there) = match snapshot.stable_fleet() {
        Some(stable) => (format!("Size {} to {} first", stable.name, stable.size.desired), names(&ill)),
        None => ("Let something serve there first".to_owned(), names(&ill)),
    };
    let there = if there.is_empty() { names(&snapshot.production()) } else { there };
    format!(
        "Nothing is known to be healthy in {there}, so give it no traffic yet. {size}, wait until its targets are healthy, then \
         set the weights to {before}, and {keep}."
    )
}

/// What weights were before, in words, what served first.
fn before_in_words(weights: &[Weights]) -> String {
    let ordered = weights.iter().map(|it| Weights { on: it.on.clone(), routes: old_first(&it.routes, &it.routes) });
    all_in_words(&ordered.collect::<Vec<_>>())
}

/// The weights that were before, beside what can be seen of them now, and whether nobody else has set them since the deployment did last.
fn seen<'a>(
    snapshot: &'a Snapshot,
    touched: &Touched,
    splits: &'a Splits,
) -> impl Iterator<Item = (&'a Weights, &'a Split, Result<()>)> {
    snapshot.weights.iter().filter_map(move |before| {
        let split = splits.get(&before.on)?;
        let undrifted = condition::undrifted(&before.on, split, &before.routes, touched.written(&before.on));
        Some((before, split, undrifted))
    })
}

/// The weights that somebody else has set since the deployment set them last: what they were before, and what they are.
pub fn foreign<'a>(snapshot: &'a Snapshot, touched: &Touched, splits: &'a Splits) -> Vec<(&'a Weights, &'a Split)> {
    let theirs = seen(snapshot, touched, splits).filter(|(.., undrifted)| undrifted.is_err());
    theirs.map(|(before, split, _)| (before, split)).collect()
}

/// Whether requests of users reach the side of the candidate by this rule or listener.
fn serves(snapshot: &Snapshot, splits: &Splits, on: &str) -> bool {
    let routes = splits.get(on).map_or(&[][..], |split| &split.routes);
    snapshot.serving().contains(&on) && snapshot.test().iter().any(|arn| percent_of(routes, arn) > 0)
}

/// What a deployment has begun to change, each in words: all of it may be left when nobody can see what is.
pub fn begun(snapshot: &Snapshot, touched: &Touched) -> Vec<String> {
    let candidate = touched.candidate.then(|| snapshot.candidate.clone());
    let earlier = touched.held.keys().chain(&touched.fleets).chain(&touched.attached).cloned();
    let fleets: BTreeSet<String> = candidate.into_iter().chain(earlier).collect();
    fleets.into_iter().chain(touched.routes.keys().map(|on| format!("the weights of {}", describe(on)))).collect()
}

/// What differs from the snapshot, each in words: what a rollback that cannot go on has left. A fleet that has scaled out by
/// itself since, within its own limits, does not differ.
pub fn differences(snapshot: &Snapshot, live: &[Fleet], splits: &Splits) -> Vec<String> {
    let mut left = Vec::new();
    let now = |name: &str| live.iter().find(|fleet| fleet.name == name);
    if let Some(candidate) = now(&snapshot.candidate).filter(|_| !snapshot.adopts()) {
        left.push(format!("{} exists, with {}", candidate.name, candidate.size));
    }
    for fleet in &snapshot.fleets {
        let Some(now) = now(&fleet.name) else {
            left.push(format!("{} is gone, it had {}", fleet.name, fleet.size));
            continue;
        };
        let limits = |size: Size| (size.min, size.max);
        let shrunk = limits(now.size) != limits(fleet.size) || now.size.desired < fleet.size.desired;
        // What slept may have woken.
        if shrunk && !(fleet.asleep() && now.size.desired > 0) {
            left.push(format!("{} has {}, it had {}", now.name, now.size, fleet.size));
        }
        let sorted = |fleet: &Fleet| fleet.target_groups.iter().cloned().collect::<BTreeSet<String>>();
        if sorted(now) != sorted(fleet) {
            let words = |fleet: &Fleet| match fleet.target_groups.as_slice() {
                [] => "nothing".to_owned(),
                some => names(some),
            };
            left.push(format!("{} is attached to {}, it was to {}", now.name, words(now), words(fleet)));
        }
        left.extend(fleet.own.differences(&now.own, &now.name));
    }
    for before in &snapshot.weights {
        if let Some(split) = splits.get(&before.on).filter(|split| !split.has(&before.routes)) {
            let split = Split { routes: old_first(&split.routes, &before.routes), ..split.clone() };
            let (on, now) = (describe(&before.on), split_in_words(&split));
            let were = in_words(&old_first(&before.routes, &before.routes));
            left.push(format!("weights of {on} are {now}, they were {were}"));
        }
    }
    left
}

#[cfg(test)]
pub(crate) mod tests;
