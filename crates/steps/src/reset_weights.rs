//! Resetting weights: what somebody has set by hand may be overwritten by the rollback of a deployment that is stuck, because somebody
//! says so.
//!
//! It sets nothing: the rollback does, as soon as what served before can take the traffic. It writes down the weights that stand
//! there as those of the deployment, and who said so; whatever is set after that is somebody's hand again.

use crossfade_core::kinds::elb::describe;
use crossfade_core::rollback::foreign;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::split::{Route, in_words, old_first};
use crossfade_core::{Kind, Result};
use serde_json::json;

use crate::context::Context;
use crate::owners::Said;
use crate::records::{Meta, Status, item};
use crate::run::{Log, Records, splits};

/// Lets the rollback of a deployment that is stuck set weights back that somebody else has set. Answers which, each in words.
///
/// # Errors
/// `RecordMissing` when there is no such deployment, `PreflightFailed` when it is not stuck or nobody has set its weights, `LockHeld`
/// when another one has the lock, `FenceLost` when its rollback has taken over meanwhile.
pub async fn reset_weights(context: &Context, deployment: &str, said: Said) -> Result<Vec<String>> {
    let refused = |why: String| Kind::PreflightFailed.because(format!("{why} Nothing was changed."));
    let mut records = Records::load(deployment, context).await?;
    let meta: Meta = records.need("meta")?;
    if meta.status != Status::FailedDirty {
        return Err(refused(format!(
            "Deployment {deployment} is {:?}: only of one that is stuck (FailedDirty) weights are reset that somebody else has set.",
            meta.status
        )));
    }
    let lock = context.table.lock(&meta.infrastructure).await?;
    if lock.holder.as_deref() != Some(deployment) {
        return Err(Kind::LockHeld.because(format!(
            "Deployment {deployment} has the lock of {} no more. Nothing was changed.",
            meta.infrastructure
        )));
    }
    let snapshot: Snapshot = records.need("snapshot")?;
    let (mut touched, version) = records.touched()?;
    let live = splits(context, &snapshot).await?;
    let theirs = foreign(&snapshot, &touched, &live);
    if theirs.is_empty() {
        return Err(refused(format!(
            "Nobody else has set weights that {deployment} steers: leave out --reset-weights."
        )));
    }
    if let Some((before, split)) = theirs.iter().find(|(_, split)| split.altered.is_some()) {
        let altered = split.altered.as_deref().unwrap_or_default();
        let on = describe(&before.on);
        return Err(refused(format!("{on} was changed beyond its weights ({altered}). Put that back by hand first.")));
    }
    let by = said.by.unwrap_or_else(|| "somebody who did not say who".to_owned());
    let comment = said.comment.map_or_else(String::new, |comment| format!(": {comment}"));
    let (mut log, now) = (Log::new(deployment), context.now_millis());
    log.say(now, format!("The rollback may set weights back that somebody else has set, says {by}{comment}"));
    let mut told = Vec::new();
    for (before, split) in theirs {
        let words = |routes: &[Route]| in_words(&old_first(routes, &before.routes));
        told.push(format!("{}: {} → {}", describe(&before.on), words(&split.routes), words(&before.routes)));
        touched.routes.entry(before.on.clone()).or_default().push(split.routes.clone());
        touched.answered.remove(&before.on);
    }
    told.iter().for_each(|told| log.say(now, told.clone()));
    let (holder, lease) = (meta.holder(lock.fence), lock.expires_millis.max(now));
    log.write(context, &holder, lease).await?;
    context.table.write(&holder, lease, &[item(deployment, "touched", &json!(touched)).replacing(version)]).await?;
    Ok(told)
}
