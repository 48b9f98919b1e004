//! `upscale`: sets the size of a fleet: the candidate's on the way forward, that of earlier fleets on the way back.

use crossfade_core::capacity::Size;
use crossfade_core::plan::{Action, Direction};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::rollback::own_max;
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::hold::{assert_floor, only_by_schedule, with_held};
use crate::run::Run;
use crate::unnamed;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Upscale(upscale) = run.action()? else { return Err(run.wrong_stage("upscale")) };
    let (fleet, held) = with_held(&run, &upscale.fleet).await?;
    for fleet in held.iter().map(|(fleet, _)| fleet).chain([&fleet]) {
        run.owned(fleet)?;
    }
    let size = match run.progress.direction {
        Direction::Deploy => upscale.size,
        Direction::Rollback => at_least(upscale.size, fleet.size),
    };
    if run.progress.direction == Direction::Deploy && fleet.size != size {
        unnamed::undisturbed(&run, &fleet, &upscale.target_groups).await?;
    }
    if fleet.size != size || run.unsettled().is_some() {
        run.resize(&fleet, size).await?;
    }
    for (fleet, floor) in held.iter().filter(|(fleet, floor)| fleet.size.desired < *floor) {
        // What a scheduled action took that fired after it was suspended is given back.
        only_by_schedule(&run, fleet, *floor).await?;
        let max = run.snapshot.fleet(&fleet.name).map_or(fleet.size.max, |before| before.size.max);
        assert_floor(&mut run, fleet, *floor, max).await?;
    }
    let missing = format!("waiting for {} of {} to be healthy", upscale.size.desired, upscale.fleet);
    run.wait(Phase::Check, Again::Paced(upscale.expected_seconds), missing, Kind::SteadyStateTimeout).await
}

/// What a fleet that gets its size back is set to. What it has scaled out to since the plan was made it keeps (P27), and so a
/// greatest size that somebody has set.
fn at_least(planned: Size, now: Size) -> Size {
    let desired = planned.desired.max(now.desired);
    Size { min: planned.min, desired, max: own_max(planned, now).max(desired) }
}
