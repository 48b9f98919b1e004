//! Adopting: a fleet that somebody else has made becomes an earlier fleet of an infrastructure definition.
//!
//! Its tags say what it is to be; that they were meant is written down. Tags alone get copied.

use std::collections::BTreeMap;

use crossfade_aws::{Item, keys};
use crossfade_core::infrastructure::{TAG_INFRASTRUCTURE, TAG_REVISION};
use crossfade_core::kinds::Platform;
use crossfade_core::{Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::context::Context;
use crate::owners::{Said, hold};
use crate::preflight::history;
use crate::records::{RevisionRecord, read};

/// The record `adopted#N` of an infrastructure definition: a fleet that no deployment has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adopted {
    /// The revision that it stands for.
    pub revision: u32,
    /// The fleet.
    pub fleet: String,
    /// When it was adopted, in milliseconds since 1970.
    pub at_millis: u64,
    /// By whom, as far as they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, as far as they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The fleet of every revision that a deployment has made or somebody has adopted.
pub async fn recorded(context: &Context, infrastructure: &str) -> Result<BTreeMap<u32, String>> {
    with_adopted(context, infrastructure, &history(context, infrastructure).await?).await
}

/// The same, where the revisions that deployments have made are known.
pub(crate) async fn with_adopted(
    context: &Context,
    infrastructure: &str,
    made: &[RevisionRecord],
) -> Result<BTreeMap<u32, String>> {
    let mut recorded: BTreeMap<u32, String> =
        made.iter().map(|record| (record.revision, record.fleet.clone())).collect();
    for (_, value, _) in context.table.list(&keys::infrastructure(infrastructure), "adopted#").await? {
        let Adopted { revision, fleet, .. } = read("adopted", value)?;
        recorded.insert(revision, fleet);
    }
    Ok(recorded)
}

/// Writes down that a group is an earlier fleet of an infrastructure definition, whose tags it has to bear. Answers its revision.
///
/// # Errors
/// `PreflightFailed` when it does not exist, is the base, or lacks the tags, or when its number is another fleet's; `LockHeld`
/// while a deployment runs.
pub async fn adopt(context: &Context, infrastructure: &str, group: &str, said: Said) -> Result<u32> {
    let base = infrastructure.split('/').nth(2);
    let platform = Platform::of_base(base);
    let refuse = |why: String| Err(Kind::PreflightFailed.because(format!("{why} Nothing was touched.")));
    let Some(fleet) = context.platforms.on(&platform).get(group).await? else {
        return refuse(format!("There is no {} {group} in this account and region.", platform.fleet()));
    };
    if base.is_some_and(|base| base.rsplit(':').next() == Some(group)) {
        return refuse(format!(
            "{group} is the base of {infrastructure}. A base is a template, never a fleet: make a copy of it at size 0 the base, \
             and adopt {group} as a revision of that one."
        ));
    }
    let (Some(revision), true) = (fleet.revision, fleet.infrastructure.as_deref() == Some(infrastructure)) else {
        return refuse(format!(
            "{group} has to bear the tags {TAG_INFRASTRUCTURE} = {infrastructure} and {TAG_REVISION} = a number lower than that \
             of every revision that is newer; it has {} and {}.",
            fleet.infrastructure.as_deref().unwrap_or("none"),
            fleet.revision.map_or_else(|| "none".into(), |revision| revision.to_string())
        ));
    };
    let now = context.now_millis();
    let holder = hold(context, infrastructure, "adoption", now).await?;
    match recorded(context, infrastructure).await {
        Ok(recorded) if recorded.get(&revision).is_none_or(|own| own == group) => {
            let Said { by, comment } = said;
            let record = Adopted { revision, fleet: group.to_owned(), at_millis: now, by, comment };
            let item = Item::new(keys::infrastructure(infrastructure), keys::adopted(revision), json!(record));
            context.table.release(&holder, &[item]).await?;
            Ok(revision)
        }
        other => {
            context.table.release(&holder, &[]).await?;
            let own = other?.remove(&revision).unwrap_or_default();
            refuse(format!(
                "Revision {revision} of {infrastructure} is {own} by the records. Give {group} another number."
            ))
        }
    }
}
