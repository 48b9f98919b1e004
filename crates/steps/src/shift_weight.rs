//! `shift-weight`: sets the weights of the router's rules and listeners, once the capacity is there, and reads them back.

use crossfade_core::Result;
use crossfade_core::plan::Action;
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;
use crate::steer;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    let Action::ShiftWeight(shift) = run.action()? else { return Err(run.wrong_stage("shift-weight")) };
    steer::act(run, &shift).await
}
