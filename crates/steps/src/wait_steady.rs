//! `wait-steady`: looks whether a stage's condition holds, and looks on meanwhile. It only reads, apart from the deployment's own
//! records.

use crossfade_core::moment::Moment;
use crossfade_core::plan::{Action, Pause};
use crossfade_core::progress::Phase;
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;
use crate::{downsize, hold, hook, setup, shift_weight, swap, upscale, verify, watch};

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    watch::look(&run).await?;
    if run.progress.phase == Phase::Watch {
        return Ok(run.act_now());
    }
    match run.action()? {
        Action::Setup(setup) => setup::visible(run, &setup.fleet).await,
        Action::Adopt(adopt) => setup::attached(run, &adopt).await,
        Action::Upscale(upscale) => upscale::upscaled(run, &upscale).await,
        Action::Steer(steer) => shift_weight::verify(run, &steer).await,
        Action::Attach(attach) => swap::joined(run, &attach).await,
        Action::Detach(detach) => swap::left(run, &detach).await,
        Action::Hold(hold) => hold::held(run, &hold).await,
        Action::Release(hold) => hold::released(run, &hold).await,
        Action::Pause(pause) => paused(run, &pause).await,
        Action::Verify(verify) => verify::verified(run, &verify).await,
        Action::Drain(_) => timed(run, "Nothing sent before the last shift is under way any more").await,
        Action::Downsize(downsize) => downsize::downsized(run, &downsize).await,
        Action::Call(call) => hook::untold(run, &call, &event).await,
        Action::Carry(_) | Action::Mark(_) | Action::Approve(_) | Action::Remove(_) | Action::Prune(_) => {
            Err(run.wrong_stage("wait-steady"))
        }
    }
}

async fn paused(run: Run<'_>, pause: &Pause) -> Result<Value> {
    if let Some(who) = run.wishes.ends(run.progress.stage.index, pause) {
        return run.next_stage(format!("The pause is over before its time, says {who}")).await;
    }
    timed(run, "The pause is over").await
}

/// A condition that holds from a known moment on.
async fn timed(run: Run<'_>, line: &str) -> Result<Value> {
    match Moment::of(run.stage()?, &run.progress, &run.touched)
        .and_then(|moment| moment.ahead(run.context.now_millis()))
    {
        Some((again, missing)) => run.wait(Phase::Check, again, missing, Kind::SteadyStateTimeout).await,
        None => run.next_stage(line).await,
    }
}
