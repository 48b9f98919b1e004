//! Accepting: what a deployment has left that is stuck stays as it is, because somebody says so, and the next one may begin.
//!
//! It changes nothing in the account. It writes down who said so, and gives the lock back, under the fence that the deployment has: a
//! rollback that takes over meanwhile is not stopped by it.

use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Kind, Result};

use crate::context::Context;
use crate::finish::what_is_left;
use crate::news;
use crate::owners::Said;
use crate::records::{Meta, Status, closed, item};
use crate::run::{Log, Records};

/// Ends a deployment that is stuck, and keeps what it has left. Answers what that is, each in words.
///
/// # Errors
/// `RecordMissing` when there is no such deployment, `PreflightFailed` when it is not stuck, `LockHeld` when another one has the lock,
/// `FenceLost` when its rollback has taken over meanwhile.
pub async fn accept(context: &Context, deployment: &str, said: Said) -> Result<Vec<String>> {
    let mut records = Records::load(deployment, context).await?;
    let mut meta: Meta = records.need("meta")?;
    if meta.status != Status::FailedDirty {
        return Err(Kind::PreflightFailed.because(format!(
            "Deployment {deployment} is {:?}: only what a deployment has left that is stuck (FailedDirty) can be kept. Nothing was changed.",
            meta.status
        )));
    }
    let lock = context.table.lock(&meta.infrastructure).await?;
    if let Some(other) = lock.holder.as_ref().filter(|holder| *holder != deployment) {
        return Err(Kind::LockHeld.because(format!(
            "{} is being deployed by {other} by now, which has taken over what {deployment} left. Nothing was changed.",
            meta.infrastructure
        )));
    }
    let snapshot: Option<Snapshot> = records.find("snapshot")?;
    let left = match &snapshot {
        Some(snapshot) => what_is_left(context, snapshot).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let by = said.by.unwrap_or_else(|| "somebody who did not say who".to_owned());
    let comment = said.comment.map_or_else(String::new, |comment| format!(": {comment}"));
    let mut log = Log::new(deployment);
    let now = context.now_millis();
    log.say(now, format!("Accepted by {by}{comment}"));
    left.iter().for_each(|left| log.say(now, format!("Kept: {left}")));
    meta.status = Status::Accepted;
    let items = [vec![item(deployment, "meta", &meta)], closed(&meta).to_vec()].concat();
    let holder = meta.holder(lock.fence);
    if lock.holder.is_some() {
        log.write(context, &holder, lock.expires_millis.max(now)).await?;
        context.table.release(&holder, &items).await?;
    } else {
        // Somebody has given the lock back by hand.
        context.table.put_together(&items).await?;
    }
    news::tell_of(context, &meta, lock.fence).await;
    Ok(left)
}
