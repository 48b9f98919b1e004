//! What a strategy means, stage by stage. Every strategy is nothing but a list of stages.

use super::{
    Approval, Basic, BlueGreenShift, BlueGreenSwap, Canary, NamedStage, Pause, ResizeOrder, Shift, StageSpec, Strategy,
    Swap, Verify, all_at_once,
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
            Strategy::Stages(stages) => stages.iter().map(|it| it.stage.clone()).collect(),
        }
    }

    /// The same with their names, if they have any.
    pub(super) fn named(&self) -> Vec<NamedStage> {
        match self {
            Strategy::Stages(stages) => stages.clone(),
            short => short.stages().into_iter().map(NamedStage::from).collect(),
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

    /// The most that an `upscale` asks for by number.
    pub fn most(&self) -> Option<u32> {
        let counts = self.stages().into_iter().filter_map(|stage| match stage {
            StageSpec::Upscale(amount) => amount.count(),
            _ => None,
        });
        counts.max()
    }

    /// The same way in an emergency: nobody is asked, nothing is paused or verified, and all traffic moves in one step, as soon as all
    /// of the candidate is healthy.
    #[must_use]
    pub fn at_once(&self) -> Self {
        match self {
            Strategy::Basic(basic) => {
                let upscale = all_at_once();
                Strategy::Basic(Basic { upscale, approve_before_downsize: false, verify: None, ..basic.clone() })
            }
            Strategy::Canary(canary) => Strategy::Canary(Canary {
                phases: all_at_once(),
                // All at once, the old fleet first, would leave nobody to serve.
                resize_order: ResizeOrder::NewFirst,
                approve_after_phases: Vec::new(),
                verify: None,
                verify_after_phases: None,
                pause_seconds: 0,
                ..canary.clone()
            }),
            Strategy::BlueGreenShift(shift) => Strategy::BlueGreenShift(BlueGreenShift {
                upscale: all_at_once(),
                percents: vec![100],
                approve_after_percents: Vec::new(),
                verify: None,
                verify_after_percents: None,
                pause_seconds: 0,
                bake_minutes: 0,
                ..shift.clone()
            }),
            Strategy::BlueGreenSwap(swap) => {
                let swap = swap.clone();
                Strategy::BlueGreenSwap(BlueGreenSwap {
                    upscale: all_at_once(),
                    approve_before_swap: false,
                    verify: None,
                    pause_seconds: 0,
                    ..swap
                })
            }
            Strategy::Stages(stages) => {
                let moves = stages.iter().rev().find_map(|it| match it.stage {
                    StageSpec::Shift(_) => Some(StageSpec::Shift(Shift { percent: 100 })),
                    StageSpec::Swap(_) => Some(StageSpec::Swap(Swap {})),
                    _ => None,
                });
                let retires = stages.iter().any(|it| matches!(it.stage, StageSpec::Downsize(_)));
                let left = [Some(ALL_UP), moves, retires.then_some(OLD_GONE)].into_iter().flatten();
                Strategy::Stages(left.map(NamedStage::from).collect())
            }
        }
    }
}

/// Steps up to all of the candidate.
fn to_all(steps: &[Amount]) -> Vec<Amount> {
    let mut steps = steps.to_vec();
    if steps.last() != Some(&Amount::Percent(100)) {
        steps.push(Amount::Percent(100));
    }
    steps
}

fn upscale(steps: &[Amount]) -> Vec<StageSpec> {
    to_all(steps).into_iter().map(StageSpec::Upscale).collect()
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
        let mut stages = upscale(&self.upscale);
        stages.extend(verify(self.verify.as_ref(), None, 1));
        stages.extend(approval(self.approve_before_downsize, &self.approval));
        stages.push(OLD_GONE);
        stages
    }
}

impl Canary {
    /// The phases, the last of which is always 100 %.
    pub fn all_phases(&self) -> Vec<Amount> {
        to_all(&self.phases)
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
        let mut stages = upscale(&self.upscale);
        for (i, &percent) in self.percents.iter().enumerate() {
            stages.push(StageSpec::Shift(Shift { percent }));
            stages.extend(verify(self.verify.as_ref(), self.verify_after_percents.as_deref(), percent));
            stages.extend(approval(self.approve_after_percents.contains(&percent), &self.approval));
            if i + 1 < self.percents.len() {
                stages.extend(pause(self.pause_seconds));
            }
        }
        stages.extend(pause(self.bake_minutes * 60));
        stages.extend(self.downsize_old.then_some(OLD_GONE));
        stages
    }
}

impl BlueGreenSwap {
    fn stages(&self) -> Vec<StageSpec> {
        let mut stages = upscale(&self.upscale);
        stages.extend(approval(self.approve_before_swap, &self.approval));
        stages.push(StageSpec::Swap(Swap {}));
        stages.extend(verify(self.verify.as_ref(), None, 1));
        stages.extend(pause(self.pause_seconds));
        stages.extend(self.downsize_old.then_some(OLD_GONE));
        stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_an_emergency_nobody_is_asked_nothing_pauses_and_all_traffic_moves_in_one_step() {
        let (percent, pause) = (Amount::Percent, StageSpec::Pause(Pause { seconds: 60 }));
        let shift = |percent| StageSpec::Shift(Shift { percent });
        let ask = StageSpec::Approve(Approval::default());
        let verify = Some(Verify { minutes: 5, checks: None });
        let written = vec![
            StageSpec::Upscale(percent(50)),
            shift(10),
            ask,
            pause,
            StageSpec::Upscale(percent(100)),
            shift(100),
            StageSpec::Downsize(percent(100)),
        ];
        let swap = StageSpec::Swap(Swap {});
        let written_out = |stages: Vec<StageSpec>| Strategy::Stages(stages.into_iter().map(NamedStage::from).collect());
        for (strategy, stages) in [
            (
                Strategy::Basic(Basic { approve_before_downsize: true, verify: verify.clone(), ..Basic::default() }),
                vec![ALL_UP, OLD_GONE],
            ),
            (
                Strategy::Canary(Canary {
                    resize_order: ResizeOrder::OldFirst,
                    approve_after_phases: vec![1],
                    verify: verify.clone(),
                    verify_after_phases: Some(vec![2]),
                    pause_seconds: 60,
                    ..Canary::default()
                }),
                vec![ALL_UP, OLD_GONE],
            ),
            (
                Strategy::BlueGreenShift(BlueGreenShift {
                    approve_after_percents: vec![10],
                    verify: verify.clone(),
                    verify_after_percents: Some(vec![50]),
                    pause_seconds: 60,
                    bake_minutes: 30,
                    ..BlueGreenShift::default()
                }),
                vec![ALL_UP, shift(100), OLD_GONE],
            ),
            (
                Strategy::BlueGreenShift(BlueGreenShift { downsize_old: false, ..BlueGreenShift::default() }),
                vec![ALL_UP, shift(100)],
            ),
            (
                Strategy::BlueGreenSwap(BlueGreenSwap {
                    approve_before_swap: true,
                    verify,
                    pause_seconds: 60,
                    ..BlueGreenSwap::default()
                }),
                vec![ALL_UP, swap.clone(), OLD_GONE],
            ),
            (written_out(written), vec![ALL_UP, shift(100), OLD_GONE]),
            (written_out(vec![ALL_UP, swap.clone()]), vec![ALL_UP, swap]),
            (written_out(vec![StageSpec::Upscale(percent(10))]), vec![ALL_UP]),
        ] {
            let at_once = strategy.at_once();
            assert_eq!(at_once.stages(), stages, "{strategy:?}");
            assert_eq!(at_once.field(), strategy.field());
            assert_eq!(at_once.at_once(), at_once);
        }
    }
}
