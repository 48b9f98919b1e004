//! Whose switches and pools are: the records, and what deployments and people write there.
//!
//! An infrastructure definition steers what it has a record of, and nobody else does. So its own lock guards all of that, through
//! every crash, take-over and dirty end, and there are no other locks to keep in step with it.

use crossfade_aws::{Holder, Item, Locked, Table, keys};
use crossfade_core::claims::{self, Claim, Steered};
use crossfade_core::{Kind, Result};
use serde_json::json;

use crate::context::Context;
use crate::records::{find, item, read};
use crate::run::lease_until;

/// The sort key of the record of a switch or a pool.
const OWNER: &str = "owner";
/// The record of a deployment with the switches and pools that nobody had steered before.
const CLAIMS: &str = "claims";

/// The records of switches and pools.
pub(crate) async fn of(context: &Context, arns: Vec<String>) -> Result<Vec<Steered>> {
    let mut steered = Vec::new();
    for arn in arns {
        let found = context.table.get(&keys::steered(&arn), OWNER).await?;
        let (claim, version) = match found {
            Some((value, version)) => (Some(read::<Claim>("owner", value)?), version),
            None => (None, 0),
        };
        steered.push(Steered { arn, claim, version });
    }
    Ok(steered)
}

fn record(thing: &Steered, claim: &Claim) -> Item {
    Item::new(keys::steered(&thing.arn), OWNER, json!(claim)).replacing(thing.version)
}

/// Writes down that these switches and pools, which are nobody's, belong to the infrastructure definition from now on.
///
/// # Errors
/// `StaleRevision` when somebody else was faster: then they have to be looked at again.
pub(crate) async fn claim(context: &Context, holder: &Holder, unclaimed: &[Steered], now: u64) -> Result<()> {
    if unclaimed.is_empty() {
        return Ok(());
    }
    let claim = Claim {
        infrastructure: Some(holder.infrastructure.clone()),
        deployment: holder.deployment.clone(),
        since_millis: now,
        by: None,
        comment: None,
    };
    let arns: Vec<&str> = unclaimed.iter().map(|thing| thing.arn.as_str()).collect();
    // With the first of them, so that whatever was claimed can be given back.
    let mut items = vec![item(&holder.deployment, CLAIMS, &arns)];
    for chunk in unclaimed.chunks(Table::AT_ONCE) {
        items.extend(chunk.iter().map(|thing| record(thing, &claim)));
        context.table.write(holder, lease_until(now, now), &items).await?;
        items.clear();
    }
    Ok(())
}

/// Gives back what a deployment that came to nothing was the first to steer, so that a wrong ARN keeps nothing for ever.
pub(crate) async fn give_back(context: &Context, holder: &Holder, now: u64) -> Result<()> {
    let claimed: Option<Vec<String>> = find(&context.table, &keys::deployment(&holder.deployment), CLAIMS).await?;
    let Some(claimed) = claimed else { return Ok(()) };
    let mut items = Vec::new();
    for thing in of(context, claimed).await? {
        let Some(claim) = thing.claim.clone() else { continue };
        if claim.deployment == holder.deployment && claim.infrastructure.as_ref() == Some(&holder.infrastructure) {
            items.push(record(&thing, &Claim { infrastructure: None, ..claim }));
        }
    }
    for chunk in items.chunks(Table::AT_ONCE) {
        context.table.write(holder, lease_until(now, now), chunk).await?;
    }
    Ok(())
}

/// Who hands something over or adopts it, and why, as far as they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub by: Option<String>,
    /// Why.
    pub comment: Option<String>,
}

/// Hands switches and pools over from one infrastructure definition to another, while nobody deploys the first. Those that are
/// nobody's are given, too.
///
/// # Errors
/// `PreflightFailed` when one of them belongs to somebody else, `LockHeld` when a deployment of the first one runs or is stuck.
pub async fn hand_over(context: &Context, arns: &[String], from: &str, to: &str, said: Said) -> Result<()> {
    let most = Table::AT_ONCE;
    if arns.len() > most {
        return Err(Kind::PreflightFailed.because(format!("At most {most} are handed over at once.")));
    }
    let now = context.now_millis();
    let holder = hold(context, from, "handover", now).await?;
    let handed = async {
        let steered = of(context, arns.to_vec()).await?;
        let strange: Vec<String> = steered
            .iter()
            .filter_map(|thing| Some((thing, thing.owner().filter(|owner| *owner != from)?)))
            .map(|(thing, owner)| format!("{} belongs to {owner}", claims::name(&thing.arn)))
            .collect();
        if !strange.is_empty() {
            let strange = strange.join(", ");
            return Err(Kind::PreflightFailed.because(format!("{strange}, not to {from}. Nothing was handed over.")));
        }
        let Said { by, comment } = said;
        let deployment = holder.deployment.clone();
        let claim = Claim { infrastructure: Some(to.to_owned()), deployment, since_millis: now, by, comment };
        let items: Vec<Item> = steered.iter().map(|thing| record(thing, &claim)).collect();
        context.table.release(&holder, &items).await
    };
    match handed.await {
        Ok(()) => Ok(()),
        Err(failure) => {
            context.table.release(&holder, &[]).await?;
            Err(failure)
        }
    }
}

/// Takes the lock of an infrastructure definition for a moment, for a change of its records.
pub(crate) async fn hold(context: &Context, infrastructure: &str, what: &str, now: u64) -> Result<Holder> {
    let id = format!("{what}-{now}");
    // What dies meanwhile is no deployment, and so in nobody's way once its lease has run out.
    match context.table.take_lock(infrastructure, &id, None, now + 60_000).await? {
        Locked::Taken(holder) => Ok(holder),
        Locked::Held(lock) => {
            let other = lock.holder.unwrap_or_default();
            Err(Kind::LockHeld.because(format!(
                "{infrastructure} is being deployed by {other}. Wait for its end (`crossfade status {other}`), then try again. \
                 Nothing was touched."
            )))
        }
    }
}
