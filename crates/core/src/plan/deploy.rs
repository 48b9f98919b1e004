//! The way forward: the plan of a deployment, from its document and the snapshot.

use super::{Call, Direction, Marked, Need, Plan, Stages, Upscale, Verify};
use crate::capacity::{Amount, Size, share};
use crate::document::{Approval, Capacity, Document, HookName, OnInconclusive, Point, StageSpec, Step, What};
use crate::infrastructure::{VERSION_SERVED, VERSION_SERVES};
use crate::lane::Movement;
use crate::observed::Fleet;
use crate::snapshot::Snapshot;
use crate::split::Weights;
use crate::{Kind, Result};

/// The size that the candidate ends with.
///
/// # Errors
/// `PreflightFailed` when it is to be that of fleets of which one sleeps, when nothing runs at all, when a step asks for more than there
/// may be, or when it is beyond the limits that the document says.
pub fn asked_size(document: &Document, stable: &[&Fleet], base: &Fleet) -> Result<Size> {
    let size = size_of(document, stable, base)?;
    let most = document.strategy.most().unwrap_or(0);
    let size = size.wanting(most).ok_or_else(|| {
        Kind::PreflightFailed.because(format!(
            "strategy.{} asks for {most} {} by number, and {}.capacity allows for {} at most: {size}. Ask for no more than that, or \
             give a fixed size with a larger max.",
            document.strategy.field(),
            document.compute.platform().members(),
            document.compute.path(),
            size.max
        ))
    })?;
    document.compute.limited(size).map_err(|problem| Kind::PreflightFailed.because(problem))
}

fn size_of(document: &Document, stable: &[&Fleet], base: &Fleet) -> Result<Size> {
    let compute = &document.compute;
    if let Capacity::Fixed(size) = compute.series().capacity {
        return Ok(size);
    }
    let (asleep, awake): (Vec<&Fleet>, Vec<&Fleet>) = stable.iter().partition(|fleet| fleet.asleep());
    // Beside others, one that nothing is known to wake counts for what it is: nothing.
    let missing: Vec<&Fleet> = asleep.into_iter().filter(|fleet| awake.is_empty() || fleet.wakes.is_some()).collect();
    if !missing.is_empty() {
        return Err(Kind::PreflightFailed.because(asleep_in_words(compute.path(), &missing, &awake)));
    }
    let size = match awake.as_slice() {
        [] => base.size,
        awake => Size::together(awake.iter().map(|fleet| fleet.size)),
    };
    if size.desired == 0 {
        return Err(Kind::PreflightFailed.because(format!(
            "{}.capacity is sameAsRunning, but no earlier fleet runs and the base {} has 0 {}. Give a fixed size, such as \
             `capacity: {{fixed: {{min: 2, desired: 4, max: 8}}}}`.",
            compute.path(),
            base.name,
            compute.platform().members()
        )));
    }
    Ok(size)
}

/// What is missing to know how large the earlier fleets are.
fn asleep_in_words(compute: &str, asleep: &[&Fleet], awake: &[&Fleet]) -> String {
    let fleets = asleep.iter().map(|fleet| match &fleet.wakes {
        Some(wake) => format!(
            "{} sleeps with {}, and has {} when its scheduled action {} wakes it",
            fleet.name, fleet.size, wake.size, wake.schedule
        ),
        None => format!("{} sleeps with {}", fleet.name, fleet.size),
    });
    let known = asleep.iter().filter_map(|fleet| fleet.wakes.as_ref()).map(|wake| wake.size);
    let size = Size::together(known.chain(awake.iter().map(|fleet| fleet.size)));
    let size = if size.desired > 0 { size } else { Size { min: 2, desired: 4, max: 8 } };
    format!(
        "{compute}.capacity is sameAsRunning, but {}. Give the size that the new fleet is to have, such as \
         `capacity: {{fixed: {{min: {}, desired: {}, max: {}}}}}`.",
        fleets.collect::<Vec<_>>().join("; "),
        size.min,
        size.desired,
        size.max
    )
}

/// The plan of a deployment, from its document and what was observed.
///
/// `expected_seconds` is how long the last fleet took to become steady.
///
/// # Errors
/// `PreflightFailed` when the plan could outgrow an execution's history, or when its sizes, now that they are known, would
/// leave too little capacity.
pub fn deploy(document: &Document, snapshot: &Snapshot, expected_seconds: Option<u32>) -> Result<Plan> {
    let mut way = Way::new(document, snapshot, expected_seconds);
    way.stages.call_at(&document.hooks, Point::BeforeDeployment);
    way.set_up();
    way.stages.call_at(&document.hooks, Point::AfterSetup);
    way.hold();
    way.retire_idle();
    let steps = document.steps();
    let serves_alone = serves_alone(&steps, snapshot.shared());
    for (i, step) in steps.into_iter().enumerate() {
        way.stages.called(step.name);
        match step.what {
            What::Stage(spec) => way.go(spec)?,
            What::Call(hook, at) => way.call(hook, at)?,
        }
        way.stages.called(String::new());
        // Not earlier: policies see an idle fleet as one to be scaled in (P19).
        if Some(i) == serves_alone {
            way.mark();
            way.carry();
        }
    }
    way.stages.watch(!document.verification.watched().is_empty());
    way.release();
    way.stages.call_at(&document.hooks, Point::AtEnd);
    way.stages.prune(document.compute.series().keep_revisions);
    way.stages.react(&document.on_failure);
    let plan = Plan { direction: Direction::Deploy, settled_millis: 0, stages: way.stages.done() };
    plan.check_history()?;
    plan.check_size()?;
    Ok(plan)
}

/// After which stage the candidate carries all the traffic alone.
fn serves_alone(steps: &[Step], shared: bool) -> Option<usize> {
    steps.iter().rposition(|step| match step.what {
        What::Stage(StageSpec::Upscale(_) | StageSpec::Downsize(_)) => shared,
        What::Stage(StageSpec::Shift(_) | StageSpec::Swap(_)) => !shared,
        _ => false,
    })
}

/// The plan in the making.
struct Way<'a> {
    document: &'a Document,
    snapshot: &'a Snapshot,
    expected_seconds: Option<u32>,
    stages: Stages<'a>,
    /// How much of the candidate is up by then.
    up: u32,
    /// How much of each stable fleet is left by then, the oldest first.
    left: Vec<u32>,
    /// The target groups that the candidate is in by then.
    place: Vec<String>,
    /// How much of the traffic the candidate has by then, in percent, where it shares no target group.
    traffic: u32,
    /// How long it may still take until it has.
    unsettled_seconds: u32,
}

/// How long a change of weights may take that nobody has to wait for before judging it, in seconds.
const SOON_SECONDS: u32 = 60;

impl<'a> Way<'a> {
    fn new(document: &'a Document, snapshot: &'a Snapshot, expected_seconds: Option<u32>) -> Self {
        let left = snapshot.stable_fleets().iter().map(|stable| stable.size.desired).collect();
        let (stages, place) = (Stages::new(document, snapshot), snapshot.test());
        Self { document, snapshot, expected_seconds, stages, up: 0, left, place, traffic: 0, unsettled_seconds: 0 }
    }

    fn candidate(&self) -> String {
        self.snapshot.candidate.clone()
    }

    /// So much of the candidate, where it is by then.
    fn of_candidate(&self, healthy: u32) -> Vec<Need> {
        let need = Need { fleet: self.candidate(), target_groups: self.place.clone(), healthy };
        Some(need).filter(|_| healthy > 0).into_iter().collect()
    }

    fn set_up(&mut self) {
        let place = self.place.clone();
        if self.snapshot.adopts() { self.stages.bring_back(place) } else { self.stages.set_up(place) }
    }

    fn hold(&mut self) {
        let fleets: Vec<String> = self.snapshot.held().iter().map(|fleet| fleet.name.clone()).collect();
        if !fleets.is_empty() {
            self.stages.hold(fleets);
        }
    }

    /// O4: of the earlier fleets only those that serve stay; the oldest goes first (B12).
    fn retire_idle(&mut self) {
        for fleet in self.snapshot.idle() {
            // On the weightless side it may go, but not when somebody has given that side traffic since.
            let idle = self.snapshot.alone(&fleet.target_groups);
            self.shrink(fleet, Size::ZERO, idle, Vec::new());
        }
    }

    fn shrink(&mut self, fleet: &Fleet, size: Size, idle: Vec<String>, needs: Vec<Need>) {
        self.stages.downsize(&fleet.name, size, idle, needs, !fleet.target_groups.is_empty());
    }

    /// What holds by then, as whoever is asked names it: the candidate's part of the traffic, or of the capacity where everybody
    /// serves together.
    fn holds(&self) -> String {
        match self.snapshot.shared() {
            true => format!("{} of {}", self.up, self.snapshot.asked.desired),
            false => format!("{} %", self.traffic),
        }
    }

    fn go(&mut self, spec: StageSpec) -> Result<()> {
        match spec {
            StageSpec::Upscale(amount) => return self.upscale(amount),
            StageSpec::Shift(shift) => self.shift(shift.percent),
            StageSpec::Swap(_) => self.swap(),
            StageSpec::Downsize(amount) => return self.downsize(amount),
            StageSpec::Approve(approval) => {
                self.settle();
                let name = format!("Approve {} at {}", self.candidate(), self.holds());
                let answerers = self.document.approvals.answerers(&approval);
                self.stages.approve(name, &approval, answerers);
            }
            StageSpec::Hook(HookName(name)) => return self.call(name, None),
            StageSpec::Pause(pause) => {
                self.unsettled_seconds = self.unsettled_seconds.saturating_sub(pause.seconds);
                self.stages.pause(pause.seconds);
            }
            StageSpec::Verify(verify) => {
                self.settle();
                let name = format!("Verify {} at {} for {} min", self.candidate(), self.holds(), verify.minutes);
                let seconds = self.document.verification.seconds(&verify);
                let extend_seconds = self.document.verification.extend_minutes * 60;
                self.stages.verify(name, Verify { seconds, extend_seconds, checks: verify.checks });
                if self.document.verification.on_inconclusive == OnInconclusive::Approve {
                    let message = "Verification could not tell whether the new version is good; the log says why. Go on all the same?";
                    let name = format!("Approve {} at {} in doubt", self.candidate(), self.holds());
                    let approval = Approval { message: message.into(), ..Approval::default() };
                    let answerers = self.document.approvals.answerers(&approval);
                    self.stages.approve_in_doubt(name, &approval, answerers);
                }
            }
        }
        Ok(())
    }

    /// A hook is called between two stages, about traffic that has arrived.
    fn call(&mut self, name: String, at: Option<Point>) -> Result<()> {
        let hook = self.document.hooks.get(&name).ok_or_else(|| {
            Kind::InvalidDocument
                .because(format!("The strategy calls the hook {name}, and the document has no such hook."))
        })?;
        self.settle();
        let traffic = match self.snapshot.shared() {
            true => self.up * 100 / self.snapshot.asked.desired.max(1),
            false => self.traffic,
        };
        self.stages.call(hook, Call { hook: name, at, traffic: Some(traffic.min(100)) });
        Ok(())
    }

    fn upscale(&mut self, amount: Amount) -> Result<()> {
        let size = amount.size_of(self.snapshot.asked);
        if size.desired < self.up {
            return Err(Kind::PreflightFailed.because(format!(
                "The stages would shrink {} from {} to {} instances. Let every `upscale` ask for at least as much as the \
                 one before.",
                self.candidate(),
                self.up,
                size.desired
            )));
        }
        self.up = size.desired;
        // A revision that is brought back has its policies, which see an idle fleet as one to be scaled in (P19).
        let size = if self.snapshot.adopts() { Size { min: size.desired, ..size } } else { size };
        self.stages.upscale(Upscale {
            fleet: self.candidate(),
            size,
            target_groups: self.place.clone(),
            exclusive: !self.snapshot.shared(),
            expected_seconds: self.expected_seconds,
        });
        Ok(())
    }

    fn shift(&mut self, percent: u32) {
        if self.snapshot.unused() && self.traffic == 100 {
            return;
        }
        let needs = self.of_candidate(share(percent, self.snapshot.asked.desired));
        let percent = if self.snapshot.unused() { 100 } else { percent };
        // Its pool has been empty until now.
        if self.traffic == 0 && self.snapshot.negative_seconds() > 0 {
            self.stages.settle(self.snapshot.negative_seconds());
        }
        self.traffic = percent;
        let name = format!("Shift {percent} % to {}", self.candidate());
        self.steer(name, self.snapshot.shifted(percent), needs);
    }

    fn steer(&mut self, name: String, weights: Vec<Weights>, needs: Vec<Need>) {
        self.stages.steer(name, weights, needs);
        // Those that follow within a minute have by the time that somebody has read the question.
        let seconds = self.snapshot.settle_seconds();
        self.unsettled_seconds = if seconds > SOON_SECONDS { seconds } else { 0 };
    }

    /// Nobody is asked about traffic that has not arrived (P74).
    fn settle(&mut self) {
        match std::mem::take(&mut self.unsettled_seconds) {
            0 => {}
            seconds => self.stages.settle(seconds),
        }
    }

    fn swap(&mut self) {
        match self.snapshot.lanes.first().map(|lane| &lane.by) {
            Some(Movement::Weights { .. }) => self.shift(100),
            Some(Movement::Exchange { .. }) => {
                self.traffic = 100;
                let needs = self.of_candidate(self.snapshot.asked.desired);
                let name = format!("Swap the listeners to {}", self.candidate());
                self.steer(name, self.snapshot.exchanged(), needs);
            }
            Some(Movement::Attachment) | None => {
                self.traffic = 100;
                self.move_attachments();
            }
        }
    }

    /// B4: the candidate leaves the test side and joins production; once it is healthy there, the stable fleets leave, the oldest
    /// first.
    fn move_attachments(&mut self) {
        let (candidate, production) = (self.candidate(), self.snapshot.production());
        let test = std::mem::replace(&mut self.place, production.clone());
        self.stages.detach(&candidate, test, Vec::new());
        self.stages.attach(&candidate, production.clone());
        for stable in self.snapshot.stable_fleets() {
            let needs = self.of_candidate(self.snapshot.asked.desired);
            self.stages.detach(&stable.name, stable.attached(&production), needs);
        }
    }

    /// The oldest fleets first (B12). Those that sleep go when nothing is to be left of any: until then they may wake and serve.
    fn downsize(&mut self, amount: Amount) -> Result<()> {
        let (stable, asked) = (self.snapshot.stable_fleets(), self.snapshot.asked.desired);
        if let Some(count) = amount.count().filter(|count| *count > asked) {
            return Err(Kind::PreflightFailed.because(format!(
                "A `downsize` takes what {count} of {} stand for, which ends with {asked}. Ask for no more than that.",
                self.candidate()
            )));
        }
        if stable.is_empty() {
            return Ok(());
        }
        if self.snapshot.shared() {
            return self.give_way(&stable, amount.of(self.snapshot.asked.desired));
        }
        let needs = self.of_candidate(self.snapshot.asked.desired);
        let detached = self.snapshot.serving().is_empty();
        let production = self.snapshot.production();
        if !detached {
            self.stages.drain(production.clone());
        }
        for fleet in stable {
            if detached {
                // The swap has taken it out of production.
                let fleet = Fleet { target_groups: Vec::new(), ..fleet.clone() };
                self.shrink(&fleet, Size::ZERO, Vec::new(), needs.clone());
            } else {
                self.shrink(fleet, Size::ZERO, production.clone(), needs.clone());
            }
        }
        self.left.fill(0);
        Ok(())
    }

    /// Where all serve together, the stable fleets lose what `new` instances of the candidate stand for.
    fn give_way(&mut self, stable: &[&Fleet], new: u32) -> Result<()> {
        let asked = self.snapshot.asked.desired;
        let old = Size::together(stable.iter().map(|fleet| fleet.size)).desired;
        let left = left_of(old, new, asked);
        self.guard(old, left)?;
        let needs = self.of_candidate(self.up);
        let before = std::mem::replace(&mut self.left, spread(stable, left));
        for ((fleet, before), left) in stable.iter().zip(before).zip(self.left.clone()) {
            if left < before || (fleet.asleep() && new >= asked) {
                self.shrink(fleet, remaining(fleet.size, left), Vec::new(), needs.clone());
            }
        }
        Ok(())
    }

    /// The healthy capacity must not fall below what the document allows.
    fn guard(&self, old: u32, left: u32) -> Result<()> {
        let least = self.document.compute.series().minimum_healthy_percent;
        let (asked, all) = (u64::from(self.snapshot.asked.desired), u64::from(old.max(1)));
        let there = (u64::from(self.up) * all + u64::from(left) * asked) * 100 / (asked * all);
        // What sleeps has no capacity to lose.
        if old == 0 || there >= u64::from(least) {
            return Ok(());
        }
        Err(Kind::PreflightFailed.because(format!(
            "The old fleet would shrink to {left} of {old} while the new one has {} of {} instances: {there} % of the capacity, \
             less than {}.minimumHealthyPercent = {least} allows. Let the new one grow first \
             (resizeOrder: newFirst), use smaller phases, or lower it.",
            self.up,
            self.snapshot.asked.desired,
            self.document.compute.path()
        )))
    }

    /// Whoever looks at the fleets sees which of them serves.
    fn mark(&mut self) {
        if !self.snapshot.platform.marks(self.snapshot.shared()) {
            return;
        }
        let marked = |fleet: &str, version: &str| Marked { fleet: fleet.into(), version: Some(version.into()) };
        let serves = marked(&self.snapshot.candidate, VERSION_SERVES);
        let served = self.snapshot.stable_fleets().into_iter().map(|fleet| marked(&fleet.name, VERSION_SERVED));
        let fleets = std::iter::once(serves).chain(served).collect();
        self.stages.mark(format!("Mark {} as what serves", self.snapshot.candidate), fleets);
    }

    fn carry(&mut self) {
        let (baggage, from) = (&self.snapshot.baggage, self.snapshot.baggage.from.clone());
        if self.snapshot.adopts() {
            let name = format!("Let {} scale by itself", self.candidate());
            self.stages.carry(name, None, Some(self.snapshot.asked));
        } else if baggage.scales() {
            self.stages.carry(format!("Carry the scaling of {from} over"), Some(from), None);
        }
    }

    /// What stays up is not held for ever.
    fn release(&mut self) {
        let stable = self.snapshot.stable_fleets().into_iter().zip(&self.left);
        let fleets: Vec<String> = stable.filter(|(_, left)| **left > 0).map(|(fleet, _)| fleet.name.clone()).collect();
        if !fleets.is_empty() {
            self.stages.release(fleets);
        }
    }
}

/// What is left of an old fleet of `old` once `new` instances of `asked` stand in for their share of it, rounded so that
/// capacity is never lost.
pub(crate) fn left_of(old: u32, new: u32, asked: u32) -> u32 {
    let gone = u64::from(old) * u64::from(new) / u64::from(asked.max(1));
    old.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX))
}

/// How much each of these fleets keeps, the oldest first, when so much is left of all of them: the oldest goes first (B12).
pub(crate) fn spread(fleets: &[&Fleet], mut left: u32) -> Vec<u32> {
    let keep = |fleet: &&Fleet| {
        let kept = fleet.size.desired.min(left);
        left -= kept;
        kept
    };
    let mut kept: Vec<u32> = fleets.iter().rev().map(keep).collect();
    kept.reverse();
    kept
}

/// The size of a fleet that has shrunk so far: it may still scale out, but no further in.
pub(crate) fn remaining(size: Size, left: u32) -> Size {
    if left == 0 { Size::ZERO } else { Size { min: left, desired: left, max: size.max.max(left) } }
}
