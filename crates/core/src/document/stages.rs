//! What a strategy means, stage by stage. Every strategy is nothing but a list of stages.

use super::{
    Approval, Basic, BlueGreenShift, BlueGreenSwap, Canary, Pause, ResizeOrder, Shift, StageSpec, Strategy, Swap,
    Verify,
};
use crate::capacity::Amount;

impl Strategy {
    /// The stages, written out.
    pub fn stages(&self) -> Vec<StageSpec> {
        match self {
            Strategy::Basic(basic) => basic.stages(),
            Strategy::Canary(canary) => canary.stages(),
            Strategy::BlueGreenShift(shift) => shift.stages(),
            Strategy::BlueGreenSwap(swap) => swap.stages(),
            Strategy::Stages(stages) => stages.clone(),
        }
    }

    /// The field that chooses it, as in `strategy.canary`.
    pub fn field(&self) -> &'static str {
        match self {
            Strategy::Basic(_) => "basic",
            Strategy::Canary(_) => "canary",
            Strategy::BlueGreenShift(_) => "blueGreenShift",
            Strategy::BlueGreenSwap(_) => "blueGreenSwap",
            Strategy::Stages(_) => "stages",
        }
    }
}

const ALL_UP: StageSpec = StageSpec::Upscale(Amount::Percent(100));
const OLD_GONE: StageSpec = StageSpec::Downsize(Amount::Percent(100));

fn approval(wanted: bool, approval: &Approval) -> Option<StageSpec> {
    wanted.then(|| StageSpec::Approve(approval.clone()))
}

/// A verification that stands after all steps, or after these.
fn verify(verify: Option<&Verify>, after: Option<&[u32]>, step: u32) -> Option<StageSpec> {
    let stands = after.is_none_or(|after| after.contains(&step));
    verify.filter(|_| stands).map(|verify| StageSpec::Verify(verify.clone()))
}

fn pause(seconds: u32) -> Option<StageSpec> {
    (seconds > 0).then_some(StageSpec::Pause(Pause { seconds }))
}

impl Basic {
    fn stages(&self) -> Vec<StageSpec> {
        let mut stages = vec![ALL_UP];
        stages.extend(verify(self.verify.as_ref(), None, 1));
        stages.extend(approval(self.approve_before_downsize, &self.approval));
        stages.push(OLD_GONE);
        stages
    }
}

impl Canary {
    /// The phases, the last of which is always 100 %.
    pub fn all_phases(&self) -> Vec<Amount> {
        let mut phases = self.phases.clone();
        if phases.last() != Some(&Amount::Percent(100)) {
            phases.push(Amount::Percent(100));
        }
        phases
    }

    fn stages(&self) -> Vec<StageSpec> {
        let phases = self.all_phases();
        let mut stages = Vec::new();
        for (i, phase) in (1..).zip(&phases) {
            let both = [StageSpec::Upscale(*phase), StageSpec::Downsize(*phase)];
            match self.resize_order {
                ResizeOrder::NewFirst => stages.extend(both),
                ResizeOrder::OldFirst => stages.extend(both.into_iter().rev()),
            }
            stages.extend(verify(self.verify.as_ref(), self.verify_after_phases.as_deref(), i));
            stages.extend(approval(self.approve_after_phases.contains(&i), &self.approval));
            if (i as usize) < phases.len() {
                stages.extend(pause(self.pause_seconds));
            }
        }
        stages
    }
}

impl BlueGreenShift {
    fn stages(&self) -> Vec<StageSpec> {
        let mut stages = vec![ALL_UP];
        for (i, &percent) in self.percents.iter().enumerate() {
            stages.push(StageSpec::Shift(Shift { percent }));
            stages.extend(verify(self.verify.as_ref(), self.verify_after_percents.as_deref(), percent));
            stages.extend(approval(self.approve_after_percents.contains(&percent), &self.approval));
            if i + 1 < self.percents.len() {
                stages.extend(pause(self.pause_seconds));
            }
        }
        stages.extend(self.downsize_old.then_some(OLD_GONE));
        stages
    }
}

impl BlueGreenSwap {
    fn stages(&self) -> Vec<StageSpec> {
        let mut stages = vec![ALL_UP];
        stages.extend(approval(self.approve_before_swap, &self.approval));
        stages.push(StageSpec::Swap(Swap {}));
        stages.extend(verify(self.verify.as_ref(), None, 1));
        stages.extend(pause(self.pause_seconds));
        stages.extend(self.downsize_old.then_some(OLD_GONE));
        stages
    }
}
