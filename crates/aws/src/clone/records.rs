//! The records of the state table that a deployment reads before it begins.

use std::collections::BTreeSet;

use crossfade_core::Result;
use serde_json::Value;

use super::{Cloning, State};
use crate::table::{Table, keys};

/// How many of the last revisions say how long the next one will take.
const REVISIONS: usize = 5;

impl Cloning<'_> {
    /// Lock, revisions and adopted fleets of the infrastructure definition, and the environments that are frozen.
    pub(super) async fn history(&mut self, table: &Table) -> Result<()> {
        for pk in [keys::infrastructure(&self.state.infrastructure), keys::FREEZES.to_owned()] {
            self.asking.count();
            let items = table.raw(&pk).await?;
            self.state.records.extend(items);
        }
        let revisions = self.state.bodies("revision#");
        let seconds = revisions.iter().rev().filter_map(|it| it["steadySeconds"].as_u64());
        let seconds = seconds.filter_map(|seconds| u32::try_from(seconds).ok()).take(REVISIONS);
        self.state.steady_seconds = seconds.collect();
        Ok(())
    }

    /// Whose the switches and pools are, and whether those who own them are deploying.
    pub(super) async fn claims(&mut self, table: &Table) -> Result<()> {
        let steered: BTreeSet<String> = self.named().into_iter().chain(self.own_pools()).collect();
        let mut owners = BTreeSet::new();
        for arn in steered {
            self.asking.count();
            let items = table.raw(&keys::steered(&arn)).await?;
            let owner = |item: &Value| body(item)["infrastructure"].as_str().map(str::to_owned);
            owners.extend(items.iter().filter_map(owner));
            self.state.records.extend(items);
        }
        owners.remove(&self.state.infrastructure);
        for owner in owners {
            self.asking.count();
            let items = table.raw(&keys::infrastructure(&owner)).await?;
            self.state.records.extend(items.into_iter().filter(|item| item["sk"]["S"] == "lock"));
        }
        Ok(())
    }

    /// The images that the revisions were made of, as far as they are written down.
    pub(super) fn recorded_images(&self) -> BTreeSet<String> {
        let artifacts = self.state.bodies("revision#").into_iter();
        artifacts.filter_map(|it| Some(it["artifact"].as_str()?.to_owned())).collect()
    }
}

impl State {
    /// The fleets of the revisions, as far as they are written down.
    pub(super) fn recorded(&self) -> impl Iterator<Item = String> {
        let made = self.bodies("revision#").into_iter().chain(self.bodies("adopted#"));
        made.filter_map(|it| Some(it["fleet"].as_str()?.to_owned()))
    }

    /// What the records of the infrastructure definition say whose sort key begins so, in order.
    fn bodies(&self, prefix: &str) -> Vec<Value> {
        let pk = keys::infrastructure(&self.infrastructure);
        let of = |item: &&Value| {
            item["pk"]["S"] == pk.as_str() && item["sk"]["S"].as_str().is_some_and(|sk| sk.starts_with(prefix))
        };
        self.records.iter().filter(of).map(body).collect()
    }
}

/// The document in a record.
fn body(item: &Value) -> Value {
    item["body"]["S"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
