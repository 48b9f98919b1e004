//! Freezes: written down, taken away, and read by whoever is about to begin.

use crossfade_aws::{Item, keys};
use crossfade_core::Result;
use crossfade_core::freeze::{Freeze, Window};
use serde_json::json;

use crate::context::Context;
use crate::records::read;

/// The key of what is frozen: an environment's name, or all; and in which hours.
fn key(environment: Option<&str>, window: Option<&Window>) -> String {
    let what = environment.map_or_else(|| "all".into(), |environment| format!("environment#{environment}"));
    window.map_or_else(|| what.clone(), |window| format!("{what}#window#{window}"))
}

/// Stops the line.
///
/// # Errors
/// Those of the table.
pub async fn freeze(context: &Context, freeze: &Freeze) -> Result<()> {
    let sk = key(freeze.environment.as_deref(), freeze.window.as_ref());
    context.table.put(&Item::new(keys::FREEZES.into(), sk, json!(freeze))).await
}

/// Lets the line go on, always or in these hours. Answers what held until then.
///
/// # Errors
/// Those of the table.
pub async fn unfreeze(context: &Context, environment: Option<&str>, window: Option<&Window>) -> Result<Option<Freeze>> {
    let sk = key(environment, window);
    let is = |freeze: &Freeze| (freeze.environment.as_deref(), freeze.window.as_ref()) == (environment, window);
    let before = freezes(context).await?.into_iter().find(is);
    context.table.put_together(&[Item::gone(keys::FREEZES, sk)]).await?;
    Ok(before)
}

/// Everything that is frozen, will be in some hours, or was until some moment.
///
/// # Errors
/// Those of the table.
pub async fn freezes(context: &Context) -> Result<Vec<Freeze>> {
    let rows = context.table.list(keys::FREEZES, "").await?;
    rows.into_iter().map(|(sk, value, _)| read(&sk, value)).collect()
}
