//! What becomes of a step that AWS throttles: it is slow, and not failed.
//!
//! Within an invocation its calls are patient. When that was not enough, a step of a stage answers what it was given, to be done again
//! later: whatever it does, it may be done twice or half. So it goes until the stage's deadline. What was looked at and came out makes
//! the next look later, as long as AWS throttles. What belongs to no stage is tried again by the state machine.

use crossfade_aws::patience::{Haste, during};
use crossfade_core::names::fingerprint;
use crossfade_core::plan::{Direction, StageKind};
use crossfade_core::progress::Progress;
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use crate::context::Context;

/// The function that looks at everything before anything begins.
const PLANS: &str = "plan";
/// The function that only looks, and those that act. Each answers a progress.
pub(crate) const LOOKS: &str = "wait_steady";
const ACTS: &[&str] = &["setup", "hold", "upscale", "shift_weight", "swap", "carry", "downsize", "remove"];

/// Runs a step on an event. Answers how many of its calls were throttled, too.
pub(crate) async fn patiently<F: Future<Output = Result<Value>>>(
    function: &str,
    event: Value,
    context: &Context,
    step: impl Fn(Value) -> F,
) -> (Result<Value>, u32) {
    let staged = function == LOOKS || ACTS.contains(&function);
    let given = staged.then(|| serde_json::from_value::<Progress>(event.clone()).ok()).flatten();
    let Some(mut given) = given else {
        let haste = if function == PLANS { Haste::Planning } else { Haste::Changing };
        return during(haste, step(event)).await;
    };
    given.comes_at(context.now_millis());
    // Whatever gets a deployment back is not to wait behind those that look whether they get on, or tidy up.
    let haste = match given.direction {
        Direction::Deploy if function == LOOKS || given.stage.kind == StageKind::Prune => Haste::Looking,
        _ => Haste::Changing,
    };
    let (answer, throttled) = during(haste, step(event)).await;
    let now = context.now_millis();
    let answer = match answer {
        Err(failure) if failure.kind == Kind::Throttled => {
            tracing::info!(deployment = %given.deployment_id, "AWS asks to slow down: {failure}");
            let later = given.throttled(&failure.message, chance(&given, now), now);
            later.map(|later| json!(later)).ok_or(failure)
        }
        Ok(answer) if throttled > 0 && haste == Haste::Looking => {
            match serde_json::from_value::<Progress>(answer.clone()) {
                Ok(next) => {
                    let chance = chance(&next, now);
                    Ok(json!(next.at_ease(throttled, chance, now)))
                }
                Err(_) => Ok(answer),
            }
        }
        answer => answer,
    };
    (answer, throttled)
}

/// A number from 0 to 1 that is another one for each deployment and moment.
fn chance(progress: &Progress, now_millis: u64) -> f64 {
    let of = fingerprint(&format!("{} {now_millis}", progress.deployment_id));
    (of >> 11) as f64 / (1_u64 << 53) as f64
}
