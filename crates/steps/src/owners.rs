//! Whose switches and pools are: the records, and what deployments and people write there.
//!
//! An infrastructure definition steers what it has a record of, and nobody else does. So its own lock guards all of that, through
//! every crash, take-over and dirty end, and there are no other locks to keep in step with it.

use crossfade_aws::{Holder, Item, Locked, Table, keys};
use crossfade_core::claims::{self, Claim, Steered, Tags, tag_value};
use crossfade_core::infrastructure::TAG_INFRASTRUCTURE;
use crossfade_core::rollback::{Touched, settled_millis};
use crossfade_core::{Class, Kind, Result, text};
use serde_json::json;

use crate::context::Context;
use crate::records::{find, item, read};
use crate::run::{Log, Run, lease_until};

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
        steered.push(Steered { arn, claim, version, tag: None, full: false });
    }
    Ok(steered)
}

/// The same with their tags.
pub(crate) async fn with_tags(context: &Context, steered: Vec<Steered>) -> Result<Vec<Steered>> {
    let arns: Vec<String> = steered.iter().map(|thing| thing.arn.clone()).collect();
    let (tags, none) = (context.switches.tags(&arns).await?, Tags::new());
    let bearing = |thing: Steered| {
        let tags = tags.get(&thing.arn).unwrap_or(&none);
        thing.bearing(tags)
    };
    Ok(steered.into_iter().map(bearing).collect())
}

/// Tags what a deployment steers and bears no tag yet, before anything else is changed. With it begins the candidate, so that
/// whoever rolls back waits for what is still being done here.
pub(crate) async fn tag(run: &mut Run<'_>) -> Result<()> {
    let infrastructure = run.snapshot.infrastructure.to_string();
    let steered = claims::steered(&run.meta.document.routing, &run.snapshot.lanes);
    let untagged = claims::to_tag(&infrastructure, &run.context.switches.tags(&steered).await?)?;
    run.intend(|touched| {
        touched.candidate = true;
        touched.tagged.extend(untagged.iter().cloned());
    })
    .await?;
    if !untagged.is_empty() {
        run.say(format!("Tagging {} as belonging to {infrastructure}", claims::names(&untagged)));
    }
    for arn in &untagged {
        run.context.switches.tag(arn, &infrastructure).await?;
    }
    Ok(())
}

/// The switches of a deployment that has steered which bear no tag any more: somebody has taken it off, and until they have one
/// again, nobody may steer them back.
pub(crate) async fn bare(context: &Context, touched: &Touched) -> Result<Vec<String>> {
    let switches: Vec<String> = touched.routes.keys().cloned().collect();
    let tags = harmless(context.switches.tags(&switches).await)?;
    Ok(tags.into_iter().filter(|(_, tags)| !tags.contains_key(TAG_INFRASTRUCTURE)).map(|(arn, _)| arn).collect())
}

/// Tags these, as far as AWS lets: whether a rollback can do without, it sees when it steers.
pub(crate) async fn tag_again(context: &Context, infrastructure: &str, arns: &[String]) -> Result<()> {
    for arn in arns {
        harmless(context.switches.tag(arn, infrastructure).await)?;
    }
    Ok(())
}

/// What AWS refuses here is no reason to leave the traffic where it is.
fn harmless<T: Default>(outcome: Result<T>) -> Result<T> {
    match outcome {
        Err(failure) if failure.kind.class() == Class::Failed => {
            tracing::warn!("Tags are left as they are: {failure}");
            Ok(T::default())
        }
        outcome => outcome,
    }
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

/// Gives back what a deployment that came to nothing was the first to steer, so that a wrong ARN keeps nothing for ever, and takes the
/// tags off that it was the first to set.
pub(crate) async fn give_back(
    context: &Context,
    holder: &Holder,
    touched: &Touched,
    log: &mut Log,
    now: u64,
) -> Result<()> {
    untag(context, holder, touched, log, now).await?;
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

/// While the records still say whose they are, so that nobody else tags them meanwhile.
async fn untag(context: &Context, holder: &Holder, touched: &Touched, log: &mut Log, now: u64) -> Result<()> {
    let tagged: Vec<String> = touched.tagged.iter().cloned().collect();
    if tagged.is_empty() {
        return Ok(());
    }
    let tags = context.switches.tags(&tagged).await?;
    let ours = tag_value(&holder.infrastructure);
    let tag_of = |arn: &String| tags.get(arn).and_then(|tags| tags.get(TAG_INFRASTRUCTURE));
    // A read that shows none may be late (P68). Once none can be, what bears none is done: in an account that is so busy that one
    // invocation gets through with a few of these calls, the next one goes on behind them.
    let believed = now >= settled_millis(touched, u64::MAX);
    let tagged = tagged.iter().filter(|arn| !believed || tag_of(arn).is_some());
    let (kept, off): (Vec<&String>, Vec<&String>) = tagged.partition(|arn| tag_of(arn).is_some_and(|tag| *tag != ours));
    for arn in kept {
        log.say(now, format!("The tag of {} is left as somebody else has set it", claims::name(arn)));
    }
    if !off.is_empty() {
        log.say(now, format!("Taking the tag off {}", claims::names(off.iter().copied())));
    }
    // Under the fence: whoever has taken over since still needs the tags.
    log.write(context, holder, lease_until(now, now)).await?;
    for arn in off {
        context.switches.untag(arn).await?;
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
        let steered = with_tags(context, of(context, arns.to_vec()).await?).await?;
        let known = [from.to_owned(), to.to_owned(), tag_value(from), tag_value(to)];
        let strange: Vec<String> = steered
            .iter()
            .filter_map(|thing| Some((thing, thing.owner().or(thing.tag.as_deref())?)))
            .filter(|(_, owner)| !known.iter().any(|it| it == owner))
            .map(|(thing, owner)| format!("{} belongs to {owner}", claims::name(&thing.arn)))
            .collect();
        if !strange.is_empty() {
            let strange = text::few(&strange);
            return Err(Kind::PreflightFailed.because(format!("{strange}, not to {from}. Nothing was handed over.")));
        }
        // Before the records: who is refused here has handed nothing over, and the other way round `to` would be refused by the tags.
        for thing in steered.iter().filter(|thing| thing.tag.as_ref() != Some(&tag_value(to))) {
            context.switches.tag(&thing.arn, to).await?;
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
