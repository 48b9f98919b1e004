//! The rollback plan: from the snapshot, what was done since, and the live state back to how it was.
//!
//! Capacity first, then traffic in one action, then the candidate goes: at no instant does traffic stand on
//! capacity that is not there. With nothing done, the plan is empty (B15).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::capacity::share;
use crate::condition;
use crate::document::Document;
use crate::observed::Fleet;
use crate::plan::{
    Action, Direction, MARGIN_SECONDS, Need, Plan, Remove, SETTLE_SECONDS, ShiftWeight, Snapshot, Stage, Upscale,
    approve, downsize, drain,
};
use crate::split::{Route, Split, in_words, percent_of};
use crate::{Kind, Result};

/// What a deployment has begun to change, written down before each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Touched {
    /// Whether the candidate or its launch source may exist.
    pub candidate: bool,
    /// Earlier fleets whose size was set.
    pub fleets: BTreeSet<String>,
    /// Weights that were set, in order.
    pub routes: Vec<Vec<Route>>,
    /// When the last weights were read back, in milliseconds since 1970: from then on the other side drains.
    pub shifted_millis: u64,
}

impl Touched {
    /// Whether nothing was begun.
    pub fn nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The rollback plan.
///
/// `live` is every fleet of the infrastructure definition now, `split` the weights now.
///
/// # Errors
/// `RollbackFailed` when somebody else's weights send traffic to the candidate: it can then neither be removed nor
/// the weights overwritten, and a person has to decide.
pub fn plan(
    document: &Document,
    snapshot: &Snapshot,
    touched: &Touched,
    live: &[Fleet],
    split: &Split,
) -> Result<Plan> {
    let mut stages = Vec::new();
    let steady_seconds = document.timeouts.steady_state_minutes * 60;

    // What was resized gets its size back. Newest first: the stable fleet carries the traffic.
    let mut resized: Vec<&Fleet> = snapshot.fleets.iter().filter(|f| touched.fleets.contains(&f.name)).collect();
    resized.sort_by_key(|fleet| std::cmp::Reverse(fleet.revision));
    for fleet in resized {
        stages.push(Stage {
            name: format!("Restore {} to {}", fleet.name, fleet.size.desired),
            timeout_seconds: steady_seconds,
            action: Action::Upscale(Upscale {
                fleet: fleet.name.clone(),
                size: fleet.size,
                target_group: fleet.target_groups.first().cloned(),
                exclusive: false,
                expected_seconds: None,
            }),
        });
    }

    let candidate = live.iter().find(|fleet| fleet.name == snapshot.candidate);
    let router = snapshot.routing.describe();
    match condition::undrifted(&router, split, &snapshot.routes, &touched.routes) {
        // A read may be stale: what was ever written is written back, whatever the weights seem to be.
        Ok(()) if !touched.routes.is_empty() => stages.push(restore_weights(snapshot)),
        Ok(()) => {}
        // A person's weights stay. Without traffic for the candidate, or without a candidate, they are in nobody's way.
        Err(drift) if candidate.is_some() && percent_of(&split.routes, &snapshot.roles.stage) > 0 => {
            return Err(Kind::RollbackFailed.because(format!(
                "{drift} They send traffic to {}, so it cannot be removed. Set them to {} and run the rollback again, or \
                 keep the candidate.",
                snapshot.candidate,
                in_words(&snapshot.routes)
            )));
        }
        Err(_) => {}
    }

    if touched.candidate {
        if let (Some(approval), Some(_)) = (&document.rollback.approval, candidate) {
            stages.push(approve(approval, &format!("Inspect {} before it is removed", snapshot.candidate)));
        }
        if let Some(candidate) = candidate {
            if !touched.routes.is_empty() {
                stages.push(drain(&snapshot.roles.stage, snapshot.drain_seconds));
            }
            let has_instances = candidate.size.max > 0 || !candidate.instances.is_empty();
            if has_instances && !candidate.deleting {
                let idle = Some(snapshot.roles.stage.clone());
                stages.push(downsize(candidate, idle, None, snapshot.deregistration_seconds));
            }
        }
        stages.push(Stage {
            name: format!("Remove {}", snapshot.candidate),
            timeout_seconds: SETTLE_SECONDS + MARGIN_SECONDS,
            action: Action::Remove(Remove {
                fleet: snapshot.candidate.clone(),
                base_source: snapshot.base_source.clone(),
                ami: document.artifact.ami.clone(),
            }),
        });
    }
    Ok(Plan { direction: Direction::Rollback, stages })
}

/// What differs from the snapshot, each in words: what a rollback that cannot go on has left.
pub fn differences(snapshot: &Snapshot, live: &[Fleet], split: &Split) -> Vec<String> {
    let mut left = Vec::new();
    if let Some(candidate) = live.iter().find(|fleet| fleet.name == snapshot.candidate) {
        left.push(format!("{} exists, with {}", candidate.name, candidate.size));
    }
    for fleet in &snapshot.fleets {
        match live.iter().find(|now| now.name == fleet.name) {
            None => left.push(format!("{} is gone, it had {}", fleet.name, fleet.size)),
            Some(now) if now.size != fleet.size => {
                left.push(format!("{} has {}, it had {}", now.name, now.size, fleet.size));
            }
            Some(_) => {}
        }
    }
    if !split.has(&snapshot.routes) {
        left.push(format!("weights are {}, they were {}", in_words(&split.routes), in_words(&snapshot.routes)));
    }
    left
}

/// The weights from before the deployment, in one action (B3).
fn restore_weights(snapshot: &Snapshot) -> Stage {
    let full = snapshot.stable_fleet().map_or(0, |stable| stable.size.desired);
    let percent = percent_of(&snapshot.routes, &snapshot.roles.production);
    Stage {
        name: format!("Restore weights {}", in_words(&snapshot.routes)),
        timeout_seconds: SETTLE_SECONDS,
        action: Action::ShiftWeight(ShiftWeight {
            routes: snapshot.routes.clone(),
            need: Need { target_group: snapshot.roles.production.clone(), healthy: share(percent, full) },
        }),
    }
}

#[cfg(test)]
mod tests;
