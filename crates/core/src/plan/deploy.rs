//! The way forward: the plan of a deployment, from its document and the snapshot.

use super::{
    Action, Adopt, Attachment, Carry, Direction, Downsize, Hold, MARGIN_SECONDS, Need, Pause, Plan, Prune,
    SETTLE_SECONDS, Setup, Stage, Steer, Upscale, approve, downsize, drain,
};
use crate::capacity::{Amount, Size, share};
use crate::document::{Capacity, Document, Routing, StageSpec};
use crate::observed::Fleet;
use crate::snapshot::Snapshot;
use crate::split::names;
use crate::{Kind, Result};

/// The size that the candidate ends with.
pub fn asked_size(document: &Document, stable: Option<&Fleet>, base: &Fleet) -> Result<Size> {
    let size = match (document.auto_scaling_group().capacity, stable) {
        (Capacity::Fixed(size), _) => size,
        (Capacity::SameAsRunning, Some(stable)) => stable.size,
        (Capacity::SameAsRunning, None) => base.size,
    };
    if size.desired == 0 {
        return Err(Kind::PreflightFailed.because(format!(
            "compute.autoScalingGroup.capacity is sameAsRunning, but no earlier fleet runs and the base {} has 0 \
             instances. Give a fixed size, such as `capacity: {{fixed: {{min: 2, desired: 4, max: 8}}}}`.",
            base.name
        )));
    }
    Ok(size)
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
    way.set_up();
    way.hold();
    way.retire_older();
    let specs = document.stages();
    let serves_alone = serves_alone(&specs, snapshot.shared());
    for (i, spec) in specs.into_iter().enumerate() {
        way.go(spec)?;
        // Not earlier: policies see an idle fleet as one to be scaled in (P19).
        if Some(i) == serves_alone {
            way.carry();
        }
    }
    way.release();
    way.prune();
    let plan = Plan { direction: Direction::Deploy, stages: way.stages };
    plan.check_history()?;
    plan.check_size()?;
    Ok(plan)
}

/// After which stage the candidate carries all the traffic alone.
fn serves_alone(specs: &[StageSpec], shared: bool) -> Option<usize> {
    specs.iter().rposition(|spec| match spec {
        StageSpec::Upscale(_) | StageSpec::Downsize(_) => shared,
        StageSpec::Shift(_) | StageSpec::Swap(_) => !shared,
        _ => false,
    })
}

/// The plan in the making.
struct Way<'a> {
    document: &'a Document,
    snapshot: &'a Snapshot,
    expected_seconds: Option<u32>,
    stages: Vec<Stage>,
    /// How much of the candidate is up by then.
    up: u32,
    /// How much of the stable fleet is left by then.
    left: u32,
    /// The target groups that the candidate is in by then.
    place: Vec<String>,
    /// How much of the traffic the candidate has by then, in percent, where it shares no target group.
    traffic: u32,
}

impl<'a> Way<'a> {
    fn new(document: &'a Document, snapshot: &'a Snapshot, expected_seconds: Option<u32>) -> Self {
        let left = snapshot.stable_fleet().map_or(0, |stable| stable.size.desired);
        let (stages, place) = (Vec::new(), snapshot.stage());
        Self { document, snapshot, expected_seconds, stages, up: 0, left, place, traffic: 0 }
    }

    fn push(&mut self, name: String, timeout_seconds: u32, action: Action) {
        self.stages.push(Stage { name, action, timeout_seconds });
    }

    fn candidate(&self) -> String {
        self.snapshot.candidate.clone()
    }

    fn steady_seconds(&self) -> u32 {
        self.document.timeouts.steady_state_minutes * 60
    }

    /// So much of the candidate, where it is by then.
    fn of_candidate(&self, healthy: u32) -> Option<Need> {
        Some(Need { fleet: self.candidate(), target_groups: self.place.clone(), healthy }).filter(|_| healthy > 0)
    }

    fn set_up(&mut self) {
        let candidate = self.candidate();
        if self.snapshot.adopts() {
            let adopt = Adopt { fleet: candidate.clone(), target_groups: self.place.clone() };
            return self.push(format!("Bring {candidate} back"), SETTLE_SECONDS, Action::Adopt(adopt));
        }
        let setup = Setup {
            fleet: candidate.clone(),
            revision: self.snapshot.revision,
            base: self.snapshot.base.clone(),
            base_source: self.snapshot.base_source.clone(),
            ami: self.snapshot.ami.clone(),
            target_groups: self.place.clone(),
        };
        self.push(format!("Set up {candidate}"), SETTLE_SECONDS, Action::Setup(setup));
    }

    fn hold(&mut self) {
        let fleets: Vec<String> = self.snapshot.live().iter().map(|fleet| fleet.name.clone()).collect();
        if !fleets.is_empty() {
            self.push(format!("Hold {}", fleets.join(", ")), SETTLE_SECONDS, Action::Hold(Hold { fleets }));
        }
    }

    /// O4: of the earlier fleets only the one that serves stays; the oldest goes first (B12). What they leave must be able to
    /// carry the traffic alone.
    fn retire_older(&mut self) {
        let production = self.snapshot.production();
        let stable = self.snapshot.stable_fleet();
        for fleet in self.snapshot.live() {
            if Some(&fleet.name) == self.snapshot.stable.as_ref() {
                continue;
            }
            let serves = production.is_empty() || fleet.target_groups.iter().any(|arn| production.contains(arn));
            let need = stable.filter(|_| serves).map(|stable| Need {
                fleet: stable.name.clone(),
                target_groups: production.clone(),
                healthy: stable.size.desired,
            });
            // On the weightless side it may go alone, but not when somebody has given that side traffic since.
            let stage = self.snapshot.stage();
            let alone = |arn: &&String| stage.contains(arn) && !production.contains(arn);
            let idle = fleet.target_groups.iter().filter(alone).cloned().collect();
            self.shrink(fleet, Size::ZERO, idle, need);
        }
    }

    fn shrink(&mut self, fleet: &Fleet, size: Size, idle: Vec<String>, need: Option<Need>) {
        let drain_seconds = if fleet.target_groups.is_empty() { 0 } else { self.snapshot.deregistration_seconds };
        let action = Downsize { fleet: fleet.name.clone(), size, idle, need, drain_seconds };
        let hook_seconds = self.snapshot.hook_times(&fleet.name).terminating_seconds;
        self.stages.push(downsize(action, hook_seconds));
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
                let name = format!("Approve {} at {}", self.candidate(), self.holds());
                self.stages.push(approve(&approval, &name));
            }
            StageSpec::Pause(pause) => {
                let seconds = pause.seconds;
                self.push(format!("Pause {seconds} s"), seconds + MARGIN_SECONDS, Action::Pause(Pause { seconds }));
            }
            // No document with one gets past its check.
            StageSpec::Verify(_) => {}
        }
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
        let action = Upscale {
            fleet: self.candidate(),
            size,
            target_groups: self.place.clone(),
            exclusive: !self.snapshot.shared(),
            expected_seconds: self.expected_seconds,
        };
        let name = format!("Upscale {} to {}", self.candidate(), size.desired);
        self.push(name, self.steady_seconds(), Action::Upscale(action));
        Ok(())
    }

    fn shift(&mut self, percent: u32) {
        let need = self.of_candidate(share(percent, self.snapshot.asked.desired));
        let steer = Steer { weights: self.snapshot.shifted(percent), need };
        self.traffic = percent;
        let name = format!("Shift {percent} % to {}", self.candidate());
        self.push(name, SETTLE_SECONDS, Action::ShiftWeight(steer));
    }

    fn swap(&mut self) {
        self.traffic = 100;
        let full = self.snapshot.asked.desired;
        match &self.snapshot.routing {
            Routing::Weighted(_) => self.shift(100),
            Routing::Listeners(_) => {
                let steer = Steer { weights: self.snapshot.exchanged(), need: self.of_candidate(full) };
                let name = format!("Swap the listeners to {}", self.candidate());
                self.push(name, SETTLE_SECONDS, Action::Exchange(steer));
            }
            Routing::TargetGroups(_) | Routing::None => self.move_attachments(),
        }
    }

    /// B4: the candidate leaves stage and joins production; once it is healthy there, the stable fleet leaves.
    fn move_attachments(&mut self) {
        let (candidate, production) = (self.candidate(), self.snapshot.production());
        let stage = std::mem::replace(&mut self.place, production.clone());
        self.detach(&candidate, stage, None);
        let attach =
            Attachment { fleet: candidate.clone(), target_groups: production.clone(), need: None, drain_seconds: 0 };
        self.push(
            format!("Attach {candidate} to {}", names(&production)),
            self.steady_seconds(),
            Action::Attach(attach),
        );
        if let Some(stable) = self.snapshot.stable_fleet() {
            let attached: Vec<String> =
                production.into_iter().filter(|arn| stable.target_groups.contains(arn)).collect();
            let need = self.of_candidate(self.snapshot.asked.desired);
            self.detach(&stable.name, attached, need);
        }
    }

    fn detach(&mut self, fleet: &str, target_groups: Vec<String>, need: Option<Need>) {
        let drain_seconds = self.snapshot.deregistration_seconds;
        let name = format!("Detach {fleet} from {}", names(&target_groups));
        let detach = Attachment { fleet: fleet.into(), target_groups, need, drain_seconds };
        self.push(name, drain_seconds + 2 * MARGIN_SECONDS, Action::Detach(detach));
    }

    fn downsize(&mut self, amount: Amount) -> Result<()> {
        let Some(stable) = self.snapshot.stable_fleet() else { return Ok(()) };
        if self.snapshot.shared() {
            let left =
                left_of(stable.size.desired, amount.of(self.snapshot.asked.desired), self.snapshot.asked.desired);
            self.guard(stable, left)?;
            if left < self.left {
                self.left = left;
                self.shrink(stable, remaining(stable.size, left), Vec::new(), self.of_candidate(self.up));
            }
            return Ok(());
        }
        let need = self.of_candidate(self.snapshot.asked.desired);
        if self.snapshot.serving().is_empty() {
            // The swap has taken it out of production.
            let detached = Fleet { target_groups: Vec::new(), ..stable.clone() };
            self.shrink(&detached, Size::ZERO, Vec::new(), need);
        } else {
            let production = self.snapshot.production();
            self.stages.push(drain(production.clone(), self.snapshot.drain_seconds));
            self.shrink(stable, Size::ZERO, production, need);
        }
        self.left = 0;
        Ok(())
    }

    /// The healthy capacity must not fall below what the document allows.
    fn guard(&self, stable: &Fleet, left: u32) -> Result<()> {
        let group = self.document.auto_scaling_group();
        let (asked, old) = (u64::from(self.snapshot.asked.desired), u64::from(stable.size.desired.max(1)));
        let there = (u64::from(self.up) * old + u64::from(left) * asked) * 100 / (asked * old);
        if there >= u64::from(group.minimum_healthy_percent) {
            return Ok(());
        }
        Err(Kind::PreflightFailed.because(format!(
            "The old fleet would shrink to {left} of {} while the new one has {} of {} instances: {there} % of the capacity, \
             less than compute.autoScalingGroup.minimumHealthyPercent = {} allows. Let the new one grow first \
             (resizeOrder: newFirst), use smaller phases, or lower it.",
            stable.size.desired, self.up, self.snapshot.asked.desired, group.minimum_healthy_percent
        )))
    }

    fn carry(&mut self) {
        let (baggage, fleet) = (&self.snapshot.baggage, self.candidate());
        if self.snapshot.adopts() {
            let carry = Carry { base: None, fleet: fleet.clone(), size: Some(self.snapshot.asked) };
            return self.push(format!("Let {fleet} scale by itself"), 2 * SETTLE_SECONDS, Action::Carry(carry));
        }
        if baggage.policies.is_empty() && baggage.schedules.is_empty() && !baggage.warm_pool {
            return;
        }
        let base = self.snapshot.base.clone();
        let name = format!("Carry the scaling of {base} over");
        self.push(name, 2 * SETTLE_SECONDS, Action::Carry(Carry { base: Some(base), fleet, size: None }));
    }

    /// A fleet that stays as it was is not held for ever.
    fn release(&mut self) {
        let stays = self.snapshot.stable.clone().filter(|_| self.left > 0);
        if let Some(name) = stays {
            let hold = Hold { fleets: vec![name.clone()] };
            self.push(format!("Release {name}"), SETTLE_SECONDS, Action::Release(hold));
        }
    }

    fn prune(&mut self) {
        let keep = self.document.auto_scaling_group().keep_revisions;
        self.push(format!("Prune to the last {keep}"), SETTLE_SECONDS, Action::Prune(Prune { keep }));
    }
}

/// What is left of an old fleet of `old` once `new` instances of `asked` stand in for their share of it, rounded so that
/// capacity is never lost.
pub(crate) fn left_of(old: u32, new: u32, asked: u32) -> u32 {
    let gone = u64::from(old) * u64::from(new) / u64::from(asked.max(1));
    old.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX))
}

/// The size of a fleet that has shrunk so far: it may still scale out, but no further in.
pub(crate) fn remaining(size: Size, left: u32) -> Size {
    if left == 0 { Size::ZERO } else { Size { min: left, desired: left, max: size.max.max(left) } }
}
