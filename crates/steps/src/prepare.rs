//! `prepare`: fills in what the document refers to, writes down what is going to be deployed, and takes the lock.
//!
//! Changed by then: nothing but our own records. What the account has to say about it, `plan` asks.

use crossfade_aws::{Holder, Lock, Locked, Proven, keys};
use crossfade_core::document::Document;
use crossfade_core::freeze;
use crossfade_core::{Class, Failure, Kind, Result, names, text};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::died::died;
use crate::finish::{notify, notify_of};
use crate::freeze::freezes;
use crate::news;
use crate::records::{Meta, Schema, Status, closed, find, item, opened, refused_before};
use crate::run::lease_until;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    deployment_id: String,
    execution_arn: String,
    document: Value,
}

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let event: Event = serde_json::from_value(event).map_err(|error| {
        Kind::InvalidDocument.because(format!("The state machine did not pass what `prepare` needs: {error}."))
    })?;
    let id = &event.deployment_id;

    // A retry after a lost answer finds its own records and goes on from them.
    let earlier: Option<Meta> = find(&context.table, &keys::deployment(id), "meta").await?;
    if let Some(earlier) = earlier.as_ref().filter(|earlier| earlier.status.ended()) {
        news::tell_of(context, earlier, 0).await;
        return Err(refused_before(earlier));
    }
    // What references came to the first time stays so: an output may have changed since.
    let (mut document, mut filled_in) = match &earlier {
        Some(earlier) => (earlier.document.clone(), earlier.filled_in.clone()),
        None => match begun(context, id, &event.document).await {
            Ok(resolved) => resolved,
            Err(failure) => {
                // Nothing is written down, and whoever started it may not be looking.
                if failure.kind.class() == Class::Refused {
                    notify_of(context, id, "refused", &format!("{failure}\n")).await;
                }
                return Err(failure);
            }
        },
    };
    let infrastructure = document.infrastructure().to_string();
    let now = context.now_millis();
    // Of no use any more, once it is known whose it is.
    let proof = document.approvals.start_proof.take();
    let mut starter = earlier.as_ref().and_then(|earlier| earlier.starter.clone());
    // Whoever has begun goes on.
    let passes = match &earlier {
        Some(_) => Ok(()),
        None => {
            let passes = freeze::passes(&document, &freezes(context).await?, now).map(|lines| filled_in.extend(lines));
            let started = started_by(context, &document, &event.execution_arn, proof.as_deref()).await?;
            passes.and(started.map(|who| starter = who))
        }
    };
    if let Some(arn) = starter.as_ref().filter(|_| earlier.is_none()) {
        filled_in.push(format!("Started by {arn}, as AWS says"));
    }
    let mut meta = Meta {
        schema: Schema::default(),
        deployment_id: id.clone(),
        execution_arn: event.execution_arn,
        status: Status::Preparing,
        infrastructure: infrastructure.clone(),
        document,
        starter,
        filled_in,
        started_millis: earlier.as_ref().map_or(now, |earlier| earlier.started_millis),
        ended_millis: None,
        failure: None,
    };
    // Before the lock is taken, so that whoever cleans up after a crash finds it, and knows which lock to look at.
    if earlier.is_none() {
        context.table.put_together(&[item(id, "meta", &meta), opened(&meta, false)]).await?;
    }
    let taken = match passes {
        Ok(()) => take_lock(context, &infrastructure, id, now).await,
        Err(frozen) => Err(frozen),
    };
    let holder = match taken {
        Ok(holder) => holder,
        Err(failure) if failure.kind.class() == Class::Refused => {
            meta.refuse(&failure, now);
            let [over, gone] = closed(&meta);
            context.table.put_together(&[item(id, "meta", &meta), over, gone]).await?;
            news::tell_of(context, &meta, 0).await;
            notify(context, &meta, "refused", &format!("{failure}\n")).await;
            return Err(failure);
        }
        Err(failure) => return Err(failure),
    };
    Ok(json!({ "deploymentId": id, "fence": holder.fence }))
}

/// A document with everything filled in that it refers to, and what is told of that, for a deployment that can be called so.
async fn begun(context: &Context, id: &str, document: &Value) -> Result<(Document, Vec<String>)> {
    names::check(id).map_err(|why| {
        Kind::PreflightFailed.because(format!(
            "The execution is called {id}, and {why}. Start it under another name. Nothing was touched."
        ))
    })?;
    context.outputs.resolve(document).await.and_then(that_can_be_kept)
}

/// Who has started an execution, as far as that is proved.
///
/// # Errors
/// When AWS cannot say so now. Within: when nobody has proved it, and the document wants to know.
async fn started_by(
    context: &Context,
    document: &Document,
    execution: &str,
    proof: Option<&str>,
) -> Result<Result<Option<String>>> {
    let matters = document.approvals.not_by_starter;
    let proven = match proof {
        Some(proof) => match context.proofs.starter(execution, proof, context.now_millis()).await {
            // STS being out keeps nobody from deploying.
            Err(failure) if !matters => Proven::Nothing(failure.message),
            proven => proven?,
        },
        None => Proven::Nothing("its input has no proof of it".into()),
    };
    Ok(match proven {
        Proven::As(arn) => Ok(Some(arn)),
        Proven::Nothing(_) if !matters => Ok(None),
        Proven::Nothing(why) => Err(Kind::PreflightFailed.because(format!(
            "approvals.notByStarter keeps whoever starts this deployment from approving it, and nobody knows who that is: {why}. Start \
             it with `crossfade deploy` or by a trigger: they prove it. Nothing was touched."
        ))),
    })
}

/// The most bytes of a document with everything filled in, as of the input of an execution (Step Functions quotas): a record of the
/// table may have 400 KB, and others beside it.
const DOCUMENT: usize = 262_144;
/// The most bytes of what is told of that.
const TOLD: usize = 50_000;

/// The longest value of a tag, in characters (the API references of what is tagged).
const TAG: usize = 256;

/// Refuses a document that has become too large for its record, or whose names are for a tag, and cuts what is told of it.
pub(crate) fn that_can_be_kept((document, filled_in): (Document, Vec<String>)) -> Result<(Document, Vec<String>)> {
    let infrastructure = document.infrastructure().to_string();
    if infrastructure.chars().count() > TAG {
        return Err(Kind::InvalidDocument.because(format!(
            "service, environment and {}.base make {infrastructure}, the tag by which fleets are known, and {TAG} characters are \
             the most that a tag can have. Give them shorter names.",
            document.compute.path()
        )));
    }
    let bytes = json!(document).to_string().len();
    if bytes > DOCUMENT {
        return Err(Kind::InvalidDocument.because(format!(
            "With everything filled in, the document has {bytes} bytes, and {DOCUMENT} are the most that can be kept. Make it, or \
             what its references stand for, shorter."
        )));
    }
    let (all, mut room) = (filled_in.len(), TOLD);
    let lines = filled_in.iter().map(|line| text::cut(line, text::COMMENT)).take_while(|line| {
        let fits = line.len() <= room;
        room = room.saturating_sub(line.len());
        fits
    });
    let mut lines: Vec<String> = lines.collect();
    if lines.len() < all {
        lines.push(format!("{} more values were filled in", all - lines.len()));
    }
    Ok((document, lines))
}

/// Takes the lock, or says who has it and what to do.
///
/// A lease that has run out is taken over only from a deployment that had not begun to change anything, or is over: any other
/// one has to be rolled back first, or its half-done work would become the new deployment's "before".
async fn take_lock(context: &Context, infrastructure: &str, id: &str, now: u64) -> Result<Holder> {
    let lease = lease_until(now, now);
    let lock = match context.table.take_lock(infrastructure, id, None, lease).await? {
        Locked::Taken(holder) => return Ok(holder),
        Locked::Held(lock) => lock,
    };
    if let Some(failure) = in_the_way(context, infrastructure, &lock, now).await? {
        return Err(failure);
    }
    match context.table.take_lock(infrastructure, id, Some(&lock), lease).await? {
        Locked::Taken(holder) => Ok(holder),
        Locked::Held(lock) => {
            let winner = lock.holder.clone().unwrap_or_default();
            Err(held(infrastructure, &winner, &advice(&winner, None, &lock, now)))
        }
    }
}

/// Who has the lock of an infrastructure definition so that no deployment could take it now, and what to do.
pub(crate) async fn locked(context: &Context, infrastructure: &str) -> Result<Option<Failure>> {
    let (lock, now) = (context.table.lock(infrastructure).await?, context.now_millis());
    let Some(meta) = holder(context, &lock).await? else {
        return in_the_way(context, infrastructure, &lock, now).await;
    };
    // Whoever may not look at executions is told what the table says.
    Ok(match died(&context.executions, &meta).await {
        Ok(Some(how)) => Some(held(infrastructure, &meta.deployment_id, &how)),
        _ => in_the_way(context, infrastructure, &lock, now).await?,
    })
}

/// The deployment that has a lock, where it is recorded.
async fn holder(context: &Context, lock: &Lock) -> Result<Option<Meta>> {
    match &lock.holder {
        Some(id) => find(&context.table, &keys::deployment(id), "meta").await,
        None => Ok(None),
    }
}

/// Who has this lock so that no deployment could take it now, and what to do.
async fn in_the_way(context: &Context, infrastructure: &str, lock: &Lock, now: u64) -> Result<Option<Failure>> {
    let Some(other) = &lock.holder else { return Ok(None) };
    let status = holder(context, lock).await?.map(|meta| meta.status);
    let harmless = status.is_none_or(|status| status == Status::Preparing || status == Status::Succeeded);
    let is_held = lock.expires_millis > now || !harmless;
    Ok(is_held.then(|| held(infrastructure, other, &advice(other, status, lock, now))))
}

fn held(infrastructure: &str, other: &str, advice: &str) -> Failure {
    Kind::LockHeld.because(format!("{infrastructure} is being deployed by {other}. {advice} Nothing was touched."))
}

/// What to do about the deployment that has a lock.
fn advice(other: &str, status: Option<Status>, lock: &Lock, now: u64) -> String {
    match status {
        Some(Status::FailedDirty) => format!(
            "It could not be rolled back to the end. See `crossfade status {other}` for what is left; mend that, then `crossfade \
             rollback {other}`, or keep it with `crossfade accept {other}`."
        ),
        _ if lock.expires_millis <= now => {
            format!("Its execution seems dead: its lease has run out. Roll it back with `crossfade rollback {other}`.")
        }
        Some(Status::RollingBack) => format!("It is being rolled back: wait for it (`crossfade watch {other}`)."),
        _ => format!("Wait for it (`crossfade watch {other}`), or stop it (`crossfade abort {other}`)."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_finds_the_lock_held_is_told_what_to_do_about_its_holder() {
        let told = |status: Option<Status>, expires_millis: u64| {
            let lock = Lock { holder: Some("first".into()), fence: 1, expires_millis };
            held("shop/production/shop-base", "first", &advice("first", status, &lock, 1_000)).message
        };
        let said = |advice: &str| {
            format!("shop/production/shop-base is being deployed by first. {advice} Nothing was touched.")
        };
        let wait = said("Wait for it (`crossfade watch first`), or stop it (`crossfade abort first`).");
        for status in [None, Some(Status::Preparing), Some(Status::Running)] {
            assert_eq!(told(status, 2_000), wait, "{status:?}");
        }
        assert_eq!(
            told(Some(Status::RollingBack), 2_000),
            said("It is being rolled back: wait for it (`crossfade watch first`).")
        );
        let dead =
            said("Its execution seems dead: its lease has run out. Roll it back with `crossfade rollback first`.");
        for status in [Status::Running, Status::RollingBack] {
            assert_eq!(told(Some(status), 1_000), dead, "{status:?}");
        }
        let dirty = said(
            "It could not be rolled back to the end. See `crossfade status first` for what is left; mend that, then `crossfade rollback \
             first`, or keep it with `crossfade accept first`.",
        );
        for expires in [1_000, 2_000] {
            assert_eq!(told(Some(Status::FailedDirty), expires), dirty);
        }
    }
}
