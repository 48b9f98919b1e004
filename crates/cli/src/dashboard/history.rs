//! How the traffic and the sizes of a deployment's fleets came to be what they are: from its records, for the time before anybody
//! looked, and from what was seen since. Pure.

use std::collections::BTreeMap;

use crossfade_core::lane::Movement;
use crossfade_core::plan::{Action, Direction};
use crossfade_core::snapshot::Snapshot;
use crossfade_core::split::percent_of;
use schemars::JsonSchema;
use serde::Serialize;

use crate::view::now::Now;
use crate::view::records::Records;

/// How many points are kept of what was seen; from there on every other one goes.
const SEEN: usize = 600;

/// How the fleets stood at a time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Point {
    /// When, in milliseconds since 1970.
    pub(crate) at_millis: u64,
    /// The new fleet's share of the users' requests, in percent.
    pub(crate) new_percent: Option<u32>,
    /// How many of the old fleets are wanted, and how many are healthy, as far as that was seen.
    pub(crate) old: Count,
    /// The same of the new fleet.
    pub(crate) new: Count,
}

/// How many members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Count {
    /// Are wanted.
    pub(crate) desired: u32,
    /// Are healthy.
    pub(crate) healthy: Option<usize>,
}

/// What the records tell: a point for every stage that changed the traffic or a size, when that was seen to hold.
pub(crate) fn recorded(records: &Records) -> Vec<Point> {
    let Some(snapshot) = &records.snapshot else { return Vec::new() };
    let mut sizes: BTreeMap<&str, u32> =
        snapshot.fleets.iter().map(|fleet| (fleet.name.as_str(), fleet.size.desired)).collect();
    let before = snapshot.lanes.iter().find_map(|lane| {
        let weights = snapshot.weights.iter().find(|weights| Some(weights.on.as_str()) == lane.serving())?;
        Some(percent_of(&weights.routes, lane.destination()))
    });
    let mut percent = before.or_else(|| by_size(snapshot, &sizes));
    let mut stages: Vec<_> = records.stages.iter().collect();
    stages.sort_by_key(|(.., record)| record.held_millis);
    let mut points = vec![point(records.meta.started_millis, percent, snapshot, &sizes)];
    for (direction, index, record) in stages {
        let plan = match direction {
            Direction::Deploy => records.deploy.as_ref(),
            Direction::Rollback => records.rollback.as_ref(),
        };
        let Some(stage) = plan.and_then(|plan| plan.stages.get(*index)) else { continue };
        let resized = match &stage.action {
            Action::Upscale(upscale) => Some((upscale.fleet.as_str(), upscale.size.desired)),
            Action::Downsize(downsize) => Some((downsize.fleet.as_str(), downsize.size.desired)),
            Action::Remove(remove) => Some((remove.fleet.as_str(), 0)),
            _ => None,
        };
        let steered = match &stage.action {
            Action::Steer(steer) => snapshot.lanes.iter().find_map(|lane| {
                let weights = steer.weights.iter().find(|weights| Some(weights.on.as_str()) == lane.serving())?;
                Some(percent_of(&weights.routes, lane.destination()))
            }),
            _ => None,
        };
        if let Some((fleet, desired)) = resized {
            // What is asked for is there when the stage began, and is had when it held.
            points.push(point(record.started_millis, percent, snapshot, &sizes));
            sizes.insert(fleet, desired);
        }
        percent = steered.or_else(|| by_size(snapshot, &sizes)).or(percent);
        if resized.is_some() || steered.is_some() {
            points.push(point(record.held_millis, percent, snapshot, &sizes));
        }
    }
    if let Some(ended) = records.meta.ended_millis {
        points.push(point(ended, percent, snapshot, &sizes));
    }
    points
}

/// The share of the new fleet where all serve together and no switch shares out: that of its size.
fn by_size(snapshot: &Snapshot, sizes: &BTreeMap<&str, u32>) -> Option<u32> {
    let attached = |lane: &crossfade_core::lane::Lane| lane.by == Movement::Attachment && lane.shared();
    if !snapshot.lanes.iter().any(attached) {
        return None;
    }
    let new = sizes.get(snapshot.candidate.as_str()).copied().unwrap_or_default();
    let old: u32 = snapshot.stable.iter().filter_map(|name| sizes.get(name.as_str())).sum();
    (new * 100).checked_div(new + old)
}

fn point(at_millis: u64, new_percent: Option<u32>, snapshot: &Snapshot, sizes: &BTreeMap<&str, u32>) -> Point {
    let of = |name: &str| sizes.get(name).copied().unwrap_or_default();
    let old = snapshot.stable.iter().map(|name| of(name)).sum();
    let count = |desired| Count { desired, healthy: None };
    Point { at_millis, new_percent, old: count(old), new: count(of(&snapshot.candidate)) }
}

/// What is seen while somebody looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Vec<Point>);

impl Seen {
    /// Keeps how it stands now.
    pub(crate) fn keep(&mut self, at_millis: u64, now: &Now) {
        use crate::view::now::Side;
        if now.problem.is_some() {
            return;
        }
        let count = |side: Side| {
            let of = now.fleets.iter().filter(|fleet| fleet.side == side);
            of.fold(Count { desired: 0, healthy: Some(0) }, |sum, fleet| Count {
                desired: sum.desired + fleet.desired,
                healthy: sum.healthy.map(|healthy| healthy + fleet.healthy),
            })
        };
        let new_percent = now.fleets.iter().filter(|fleet| fleet.side == Side::New).filter_map(|it| it.percent).max();
        self.0.push(Point { at_millis, new_percent, old: count(Side::Old), new: count(Side::New) });
        if self.0.len() > SEEN {
            let mut nth = 0;
            self.0.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Both, in the order of time.
    pub(crate) fn with(&self, mut recorded: Vec<Point>) -> Vec<Point> {
        recorded.extend(self.0.iter().cloned());
        recorded.sort_by_key(|point| point.at_millis);
        recorded
    }
}
