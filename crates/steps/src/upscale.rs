//! `upscale`: sets the size of a fleet: the candidate's on the way forward, that of earlier fleets on the way back.

use crossfade_core::plan::Action;
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Upscale(upscale) = run.action()? else { return Err(run.wrong_stage("upscale")) };
    let fleet = run.existing_fleet(&upscale.fleet).await?;
    if fleet.size != upscale.size {
        run.say(format!("Resizing {} from {} to {}", fleet.name, fleet.size, upscale.size));
        run.resize(&fleet, upscale.size).await?;
    }
    let missing = format!("waiting for {} of {} to be healthy", upscale.size.desired, fleet.name);
    run.wait(Phase::Check, Again::Paced(upscale.expected_seconds), missing, Kind::SteadyStateTimeout).await
}
