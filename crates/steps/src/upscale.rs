//! `upscale`: sets the size of a fleet: the candidate's on the way forward, that of earlier fleets on the way back.

use crossfade_core::plan::{Action, Direction};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::hold::{assert_floor, by_schedule};
use crate::run::Run;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Upscale(upscale) = run.action()? else { return Err(run.wrong_stage("upscale")) };
    let fleet = run.existing_fleet(&upscale.fleet).await?;
    if fleet.size != upscale.size {
        run.resize(&fleet, upscale.size).await?;
    }
    if run.progress.direction == Direction::Deploy {
        hold_again(&mut run).await?;
    }
    let missing = format!("waiting for {} of {} to be healthy", upscale.size.desired, fleet.name);
    run.wait(Phase::Check, Again::Paced(upscale.expected_seconds), missing, Kind::SteadyStateTimeout).await
}

/// What a scheduled action took that fired after it was suspended is given back.
async fn hold_again(run: &mut Run<'_>) -> Result<()> {
    let held = run.touched.held.clone();
    let names: Vec<&str> = held.keys().map(String::as_str).collect();
    for fleet in run.context.fleets.named(&names).await? {
        run.owned(&fleet)?;
        let floor = held.get(&fleet.name).copied().unwrap_or(0);
        if fleet.size.desired < floor {
            by_schedule(run, &fleet, floor).await?;
            assert_floor(run, &fleet, floor).await?;
        }
    }
    Ok(())
}
