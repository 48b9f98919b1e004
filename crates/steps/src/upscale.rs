//! `upscale`: sets the size of a fleet: the candidate's on the way forward, that of earlier fleets on the way back.

use crossfade_core::plan::Action;
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::hold::{assert_floor, only_by_schedule, with_held};
use crate::run::Run;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Upscale(upscale) = run.action()? else { return Err(run.wrong_stage("upscale")) };
    let (fleet, held) = with_held(&run, &upscale.fleet).await?;
    for fleet in held.iter().map(|(fleet, _)| fleet).chain([&fleet]) {
        run.owned(fleet)?;
    }
    if fleet.size != upscale.size {
        run.resize(&fleet, upscale.size).await?;
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
