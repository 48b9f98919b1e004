//! `wait-steady`: looks whether a stage's condition holds. It only reads, apart from the deployment's own records.

use crossfade_core::pace::{PAUSING_MILLIS, WATCH_MILLIS};
use crossfade_core::plan::{Action, Drain, Pause};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result, text};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;
use crate::{downsize, hold, hook, setup, shift_weight, swap, upscale, verify};

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    verify::watch(&run).await?;
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
        Action::Drain(drain) => drained(run, &drain).await,
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
    let over_millis = run.progress.stage.started_millis + u64::from(pause.seconds) * 1000;
    let most = if pause.wanted { PAUSING_MILLIS } else { u64::MAX };
    timed(run, over_millis, most, "The pause is over").await
}

async fn drained(run: Run<'_>, drain: &Drain) -> Result<Value> {
    let over_millis = run.touched.shifted_millis + u64::from(drain.seconds) * 1000;
    timed(run, over_millis, u64::MAX, "Nothing sent before the last shift is under way any more").await
}

/// A condition that holds from a known moment on, looked at after so many milliseconds at most.
async fn timed(run: Run<'_>, over_millis: u64, most: u64, line: &str) -> Result<Value> {
    let left = over_millis.saturating_sub(run.context.now_millis());
    if left == 0 {
        return run.next_stage(line).await;
    }
    let most = if run.stage()?.watched { most.min(WATCH_MILLIS) } else { most };
    let missing = format!("over at {}", text::clock(over_millis));
    run.wait(Phase::Check, Again::In(left.min(most)), missing, Kind::SteadyStateTimeout).await
}
