//! `downsize`: sets a fleet that serves nothing to size 0.
//!
//! Only after the weights are read back, the other side's targets are healthy, and this side has drained (a stage of its
//! own before).

use crossfade_core::capacity::Size;
use crossfade_core::condition::{self, Verdict};
use crossfade_core::pace::GAP_MILLIS;
use crossfade_core::plan::Action;
use crossfade_core::progress::{Again, Phase};
use crossfade_core::split::{in_words, short};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Downsize(downsize) = run.action()? else { return Err(run.wrong_stage("downsize")) };
    let Some(fleet) = run.fleet(&downsize.fleet).await? else {
        return run.hold(format!("{} does not exist any more", downsize.fleet)).await;
    };
    if fleet.deleting {
        return run.hold(format!("{} is being deleted", fleet.name)).await;
    }
    if let Some(target_group) = &downsize.idle {
        let live = run.split().await?;
        if live.weight(target_group) > 0 {
            return Err(Kind::Drifted.because(format!(
                "{} has weights {}, but {} may have none before {} is downsized. Somebody changed them; they are left as \
                 they are, and so is {}.",
                run.snapshot.routing.describe(),
                in_words(&live.routes),
                short(target_group),
                fleet.name,
                fleet.name
            )));
        }
    }
    if let Some(need) = &downsize.need {
        let targets = context.router.targets(&need.target_group).await?;
        match condition::covered(need, &targets) {
            Verdict::Holds => {}
            Verdict::NotYet(missing) => {
                return run.wait(Phase::Act, Again::In(GAP_MILLIS), missing, Kind::CapacityGuard).await;
            }
            Verdict::Never(failure) => return Err(Kind::CapacityGuard.because(failure.message)),
        }
    }
    if fleet.size != Size::ZERO {
        run.say(format!("Downsizing {} from {} to 0", fleet.name, fleet.size));
        run.resize(&fleet, Size::ZERO).await?;
    }
    // Draining takes its full time even when nothing is under way (P36), but nothing drains without instances.
    let drain_seconds = if fleet.instances.is_empty() { 2 } else { downsize.drain_seconds };
    let drain_millis = u64::from(drain_seconds) * 1000;
    let missing = format!("waiting for the instances of {} to drain and terminate", fleet.name);
    run.wait(Phase::Check, Again::In(drain_millis), missing, Kind::SteadyStateTimeout).await
}
