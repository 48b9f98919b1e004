//! The records of one deployment, as the table has them.

use std::collections::BTreeMap;

use crossfade_aws::keys;
use crossfade_core::plan::{Direction, Plan};
use crossfade_core::rollback::Touched;
use crossfade_core::snapshot::Snapshot;
use crossfade_local::Installation;
use crossfade_steps::{ApprovalRecord, Meta, PauseRecord, StageRecord};
use serde_json::Value;

use super::Entry;
use crate::installed::{Installed, record};
use crate::say::Problem;

/// What belongs to a stage, by its direction and its place in the plan.
pub(crate) type OfStages<T> = Vec<(Direction, usize, T)>;

/// Everything that is written down about one deployment.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    pub(crate) meta: Meta,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) touched: Touched,
    pub(crate) deploy: Option<Plan>,
    pub(crate) rollback: Option<Plan>,
    pub(crate) stages: OfStages<StageRecord>,
    pub(crate) approvals: OfStages<ApprovalRecord>,
    /// That somebody wants it to stop before its next stage.
    pub(crate) pause: Option<PauseRecord>,
    /// The log, or the end of it.
    pub(crate) log: Vec<Entry>,
    /// The stages of the deployment that made the fleet which served before.
    pub(crate) last_time: Vec<StageRecord>,
    /// That its execution has died, and what follows.
    pub(crate) died: Option<String>,
}

impl Records {
    /// Those among these records of the table; nothing when there is no deployment.
    pub(crate) fn of(rows: Vec<(String, Value, u64)>) -> Result<Option<Self>, Problem> {
        let mut single: BTreeMap<String, Value> = BTreeMap::new();
        let (mut stages, mut approvals) = (Vec::new(), Vec::new());
        for (key, value, _) in rows {
            match place(&key) {
                Some(("stage", direction, index)) => stages.push((direction, index, record(value)?)),
                Some(("approval", direction, index)) => approvals.push((direction, index, record(value)?)),
                _ => drop(single.insert(key, value)),
            }
        }
        let mut take = |key: &str| single.remove(key);
        let Some(meta) = take("meta") else { return Ok(None) };
        Ok(Some(Self {
            // First, since it says which release has written all of this.
            meta: record(meta)?,
            snapshot: take("snapshot").map(record).transpose()?,
            touched: take("touched").map(record).transpose()?.unwrap_or_default(),
            deploy: take("plan#deploy").map(record).transpose()?,
            rollback: take("plan#rollback").map(record).transpose()?,
            stages,
            approvals,
            pause: take("pause").map(record).transpose()?.flatten(),
            log: Vec::new(),
            last_time: Vec::new(),
            died: None,
        }))
    }
}

impl Records {
    /// Those of a deployment in a simulated account, with its log, as the table has them.
    pub(crate) fn simulated(installation: &Installation, id: &str) -> Option<Self> {
        let rows = |pk: String| installation.records(&pk).into_iter().map(|(sk, value)| (sk, value, 0));
        let mut records = Self::of(rows(keys::deployment(id)).collect()).ok()??;
        records.log = rows(keys::log(id)).map(|(_, value, _)| entry(&value)).collect();
        Some(records)
    }
}

/// `stage#deploy#003` → `("stage", Deploy, 3)`.
fn place(key: &str) -> Option<(&str, Direction, usize)> {
    let mut parts = key.split('#');
    let (what, direction, index) = (parts.next()?, parts.next()?, parts.next()?);
    let direction = [Direction::Deploy, Direction::Rollback].into_iter().find(|it| it.name() == direction)?;
    Some((what, direction, index.parse().ok()?))
}

/// A line of the log, from its record.
pub(crate) fn entry(value: &Value) -> Entry {
    let at_millis = value.get("atMillis").and_then(Value::as_u64).unwrap_or_default();
    let line = value.get("line").and_then(Value::as_str).unwrap_or_default().to_owned();
    Entry { at_millis, line }
}

impl Installed {
    /// The records of a deployment, without its log; nothing when there is none.
    pub(crate) async fn records(&self, deployment: &str) -> Result<Option<Records>, Problem> {
        let rows = self.table.list(&keys::deployment(deployment), "").await?;
        let Some(mut records) = Records::of(rows)? else { return Ok(None) };
        records.died = self.died(&records.meta).await?;
        Ok(Some(records))
    }

    /// How long the stages took the last time: those of the deployment that made the fleet which served before.
    pub(crate) async fn last_time(&self, records: &Records) -> Result<Vec<StageRecord>, Problem> {
        match &records.snapshot {
            Some(snapshot) => self.last_time_before(snapshot).await,
            None => Ok(Vec::new()),
        }
    }

    /// The same of a deployment that this is the account before.
    pub(crate) async fn last_time_before(&self, snapshot: &Snapshot) -> Result<Vec<StageRecord>, Problem> {
        let before = snapshot.stable_fleet().and_then(|fleet| fleet.deployment.clone());
        let Some(before) = before else { return Ok(Vec::new()) };
        let rows = self.table.list(&keys::deployment(&before), "stage#deploy#").await?;
        // Another release may have written something else: then nothing is known.
        Ok(rows.into_iter().filter_map(|(_, value, _)| record(value).ok()).collect())
    }

    /// The records that have to be there.
    pub(crate) async fn known(&self, deployment: &str) -> Result<Records, Problem> {
        match self.records(deployment).await? {
            Some(records) => Ok(records),
            None => Err(self.unknown(deployment).await),
        }
    }

    /// The last lines of the log, at most so many; all of them where no number is given.
    pub(crate) async fn log(&self, deployment: &str, most: Option<usize>) -> Result<Vec<Entry>, Problem> {
        let pk = keys::log(deployment);
        let Some(most) = most else {
            return Ok(self.table.list(&pk, "").await?.iter().map(|(_, value, _)| entry(value)).collect());
        };
        let last = self.table.last(&pk, None, most).await?;
        Ok(last.iter().rev().map(|(_, value, _)| entry(value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_stage_is_found_by_its_key() {
        assert_eq!(place("stage#deploy#003"), Some(("stage", Direction::Deploy, 3)));
        assert_eq!(place("approval#rollback#012"), Some(("approval", Direction::Rollback, 12)));
        for other in ["meta", "plan#deploy", "stage#sideways#001", "stage#deploy#x"] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
