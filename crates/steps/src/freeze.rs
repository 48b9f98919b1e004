//! Freezes: written down, taken away, and read by whoever is about to begin.

use crossfade_aws::{Item, keys};
use crossfade_core::Result;
use crossfade_core::freeze::Freeze;
use serde_json::json;

use crate::context::Context;
use crate::records::read;

/// The key of what is frozen: an environment's name, or all.
fn key(environment: Option<&str>) -> String {
    environment.map_or_else(|| "all".into(), |environment| format!("environment#{environment}"))
}

/// Stops the line.
///
/// # Errors
/// Those of the table.
pub async fn freeze(context: &Context, freeze: &Freeze) -> Result<()> {
    let sk = key(freeze.environment.as_deref());
    context.table.put(&Item::new(keys::FREEZES.into(), sk, json!(freeze))).await
}

/// Lets the line go on. Answers what held until then.
///
/// # Errors
/// Those of the table.
pub async fn unfreeze(context: &Context, environment: Option<&str>) -> Result<Option<Freeze>> {
    let sk = key(environment);
    let before = freezes(context).await?.into_iter().find(|freeze| freeze.environment.as_deref() == environment);
    context.table.put_together(&[Item::gone(keys::FREEZES, sk)]).await?;
    Ok(before)
}

/// Everything that is frozen, or was until some moment.
///
/// # Errors
/// Those of the table.
pub async fn freezes(context: &Context) -> Result<Vec<Freeze>> {
    let rows = context.table.list(keys::FREEZES, "").await?;
    rows.into_iter().map(|(sk, value, _)| read(&sk, value)).collect()
}
