//! The plan: the stages of a deployment, computed before anything changes and then never edited.
//!
//! A stage is an action and a condition that must hold before the next one. The strategies are only different
//! plans; rolling back ([`crate::rollback`]) is a plan too, made of the same actions.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answerers::VOID_MAX;
use crate::document::{Decision, Reaction};
use crate::infrastructure::{VERSION_SERVED, VERSION_SERVES};
use crate::lane::Lane;
use crate::observed::Fleet;
use crate::pace;
use crate::snapshot::Snapshot;
use crate::split::{all_in_words, names};
use crate::{Kind, Result, text};

mod action;
mod changes;
mod deploy;
mod stages;
mod undone;

pub use action::{
    Action, Adopt, Approve, Attachment, Call, Carry, Downsize, Drain, Hold, Mark, Marked, Need, Pause, Prune, Remove,
    Setup, StageKind, Steer, Upscale, Verify,
};
pub use changes::{BACK_SECONDS, Back, Change, Changes, FleetChange, SwitchChange, Users, Weight};
pub use deploy::{asked_size, deploy};
pub(crate) use deploy::{left_of, remaining, spread};
pub(crate) use stages::Stages;

/// Forward, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// The deployment itself.
    Deploy,
    /// Its undoing.
    Rollback,
}

impl Direction {
    /// The word for it, as it stands in keys and messages.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Deploy => "deploy",
            Direction::Rollback => "rollback",
        }
    }
}

/// The ordered stages of a deployment or of its rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Forward, or back.
    pub direction: Direction,
    /// From when on reads show everything that was done before this plan, in milliseconds since 1970: of a rollback, which undoes it.
    #[serde(default)]
    pub settled_millis: u64,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// What a person calls it.
    pub name: String,
    /// What it does and what must hold afterwards.
    pub action: Action,
    /// How long it may take until that holds, in seconds.
    pub timeout_seconds: u32,
    /// Whether the checks that are watched are looked at meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watched: bool,
    /// Whether the candidate serves meanwhile, so that it is looked at whether it still can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serves: bool,
    /// What follows when it fails, before everything is rolled back.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reaction: Reaction,
}

fn is_default(reaction: &Reaction) -> bool {
    *reaction == Reaction::default()
}

/// How many times somebody is asked whether the same stage is tried again.
pub(crate) const ASKED: u32 = 3;

/// How long to wait between two looks whether what was pruned is gone, in seconds: nobody waits for that.
pub const PRUNING_SECONDS: u64 = 10;
/// The earlier fleets that serve, or would if they were awake: those behind these target groups; where there are none, all.
/// The oldest first (B12).
pub fn stable_of<'a>(fleets: &'a [Fleet], production: &[String]) -> Vec<&'a Fleet> {
    let serves = |fleet: &&Fleet| production.is_empty() || fleet.behind(production);
    let mut stable: Vec<&Fleet> = fleets.iter().filter(|fleet| fleet.live()).filter(serves).collect();
    stable.sort_by_key(|fleet| fleet.revision);
    stable
}

/// Of these fleets those of size 0 beyond the `keep` that have served last (O4), the one that did longest ago first; of what is not
/// known, the lowest revision. Never the candidate, one with instances, or one that served before this deployment: going back to
/// that has to remain possible.
pub fn prunable<'a>(fleets: &'a [Fleet], snapshot: &Snapshot, keep: u32) -> Vec<&'a Fleet> {
    let empty = |fleet: &&Fleet| fleet.size.max == 0 && fleet.members.is_empty() && !fleet.deleting;
    let ours = |fleet: &&Fleet| fleet.name != snapshot.candidate && fleet.revision.is_some();
    let stable = |fleet: &Fleet| snapshot.stable.contains(&fleet.name);
    let last = |fleet: &Fleet| snapshot.served.iter().position(|name| *name == fleet.name).unwrap_or(usize::MAX);
    let mut old: Vec<&Fleet> = fleets.iter().filter(empty).filter(ours).collect();
    old.sort_by_key(|fleet| (!stable(fleet), last(fleet), Reverse(fleet.revision)));
    let keep = old.iter().filter(|fleet| stable(fleet)).count().max(keep as usize).min(old.len());
    old.split_off(keep).into_iter().rev().collect()
}

impl Plan {
    /// The most history events that an execution of this plan can need, if every stage takes all its time: 9 for each look that has an
    /// invocation of its own, 11 where it acts again.
    pub fn events_max(&self) -> u64 {
        let times =
            |stage: &Stage| u64::from(1 + stage.reaction.retries + stage.reaction.ask.as_ref().map_or(0, |_| ASKED));
        self.stages.iter().map(|stage| times(stage) * (40 + 11 * stage.looks_max())).sum()
    }

    /// Refuses a plan whose worst case could exceed the 25,000 events that a standard execution may have, with a
    /// fifth left over for retries.
    pub fn check_history(&self) -> Result<()> {
        const MOST: u64 = 20_000;
        let events = self.events_max();
        if events <= MOST {
            return Ok(());
        }
        Err(Kind::PreflightFailed.because(format!(
            "The plan of {} stages could need {events} history events if every stage takes all its time. {MOST} are the most that \
             a plan may need: a Step Functions execution ends at 25,000, and what is tried again takes some, too. Use fewer stages \
             or a shorter timeouts.steadyStateMinutes.",
            self.stages.len()
        )))
    }
}

/// The most bytes that a plan may take, written down: an item of the table has 400 KB, and what was set is written down beside.
const PLAN_BYTES: usize = 300_000;

impl Plan {
    /// Refuses a plan that would not fit into the table: each shift names the weights of every rule.
    pub fn check_size(&self) -> Result<()> {
        let bytes = serde_json::to_vec(self).map_or(0, |text| text.len());
        if bytes <= PLAN_BYTES {
            return Ok(());
        }
        Err(Kind::PreflightFailed.because(format!(
            "The plan of {} stages takes {bytes} bytes, more than the {PLAN_BYTES} that fit into the state table: each shift \
             names the weights of every rule. Use fewer steps, or name fewer rules.",
            self.stages.len()
        )))
    }
}

impl Plan {
    /// The most seconds that the stages from this one on can take, each as often as it is tried again by itself.
    pub fn seconds_from(&self, index: usize) -> u64 {
        let times = |stage: &Stage| u64::from(1 + stage.reaction.retries);
        self.stages.iter().skip(index).map(|stage| times(stage) * u64::from(stage.timeout_seconds)).sum()
    }

    /// Whether by a stage none of the stable fleets has users any more.
    pub fn alone(&self, index: usize, snapshot: &Snapshot) -> bool {
        let before = &self.stages[..index.min(self.stages.len())];
        let steered = before.iter().rev().find_map(|stage| match &stage.action {
            Action::Steer(steer) => Some(&steer.weights),
            _ => None,
        });
        if let Some(weights) = steered {
            let left = |lane: &Lane| {
                let of = weights.iter().find(|weights| Some(weights.on.as_str()) == lane.serving());
                of.is_some_and(|of| of.routes.iter().any(|it| it.reaches(&lane.production) && it.weight > 0))
            };
            return !snapshot.lanes.iter().any(left);
        }
        let gone = |fleet: &&Fleet| {
            before.iter().any(|stage| match &stage.action {
                Action::Detach(detach) => detach.fleet == fleet.name,
                Action::Downsize(downsize) => downsize.fleet == fleet.name && downsize.size.desired == 0,
                _ => false,
            })
        };
        snapshot.stable_fleets().iter().all(gone)
    }
}

impl Stage {
    /// Whether anything is looked at meanwhile beside what it waits for.
    pub fn looks_on(&self) -> bool {
        self.watched || self.serves
    }

    /// The most looks that it can take until its condition holds.
    fn looks_max(&self) -> u64 {
        let seconds = u64::from(self.timeout_seconds);
        match &self.action {
            Action::Verify(_) => pace::watching_max(seconds),
            Action::Pause(_) | Action::Drain(_) if self.watched => pace::watching_max(seconds),
            Action::Pause(_) | Action::Drain(_) if self.serves => pace::serving_max(seconds),
            Action::Pause(pause) if pause.wanted => pace::pausing_max(u64::from(pause.seconds)),
            // An answer that does not count takes as many events as two looks.
            Action::Approve(approve) if approve.answerers.is_some() => 3 + 2 * u64::from(VOID_MAX),
            // Known in advance, or told: one look, and a few more for a clock that runs behind.
            Action::Pause(_) | Action::Drain(_) | Action::Approve(_) | Action::Carry(_) | Action::Mark(_) => 3,
            // Between two calls of it there are other looks.
            Action::Call(_) if self.looks_on() => 2 * pace::asking_max(seconds),
            Action::Call(_) => pace::asking_max(seconds),
            Action::Upscale(upscale) => pace::looks_max(self.timeout_seconds, upscale.expected_seconds),
            // Looked at often for the two minutes in which it usually happens.
            Action::Attach(_) | Action::Detach(_) | Action::Downsize(_) => {
                // Where it waits to act, other looks come between.
                let beside = if self.looks_on() { pace::watching_max(seconds) } else { 0 };
                25 + beside + pace::looks_max(self.timeout_seconds, None)
            }
            Action::Steer(_) => seconds / 4,
            Action::Setup(_) | Action::Adopt(_) | Action::Hold(_) | Action::Release(_) => pace::settling_max(seconds),
            Action::Remove(_) => seconds / 2,
            Action::Prune(_) => 1 + seconds / PRUNING_SECONDS,
        }
    }

    /// What it does, in one line, and what follows when that fails.
    pub fn describe(&self) -> String {
        let done = self.done();
        self.reaction.in_words().map_or_else(|| done.clone(), |follows| format!("{done}; {follows}"))
    }

    fn done(&self) -> String {
        let behind = |target_groups: &[String]| match target_groups {
            [] => String::new(),
            _ => format!(" in {}", names(target_groups)),
        };
        match &self.action {
            Action::Setup(setup) => {
                let from = match setup.base.as_str() {
                    "" => "make from its definition".to_owned(),
                    base => format!("clone {base}"),
                };
                format!("{from} with {}{}", setup.artifact, behind(&setup.target_groups))
            }
            Action::Adopt(adopt) => format!("{}{}, at size 0", adopt.fleet, behind(&adopt.target_groups)),
            Action::Hold(_) => "no scaling in, no scheduled actions".into(),
            Action::Release(_) => "their own limits and scheduled actions again".into(),
            Action::Upscale(upscale) => {
                format!("{} to {}, all healthy{}", upscale.fleet, upscale.size, behind(&upscale.target_groups))
            }
            Action::Steer(steer) => all_in_words(&steer.weights),
            Action::Attach(attach) => format!("all of {} healthy{}", attach.fleet, behind(&attach.target_groups)),
            Action::Detach(detach) => format!("none of {} left{}", detach.fleet, behind(&detach.target_groups)),
            Action::Carry(carry) => match &carry.base {
                Some(base) => format!("policies, alarms and schedules of {base} for {}", carry.fleet),
                None => format!("{} with its own policies and schedules", carry.fleet),
            },
            Action::Mark(mark) => {
                let each = mark.fleets.iter().map(|marked| match marked.version.as_deref() {
                    Some(VERSION_SERVES) => format!("{} serves", marked.fleet),
                    Some(VERSION_SERVED) => format!("{} served before", marked.fleet),
                    Some(other) => format!("{} {other}", marked.fleet),
                    None => format!("{} unmarked", marked.fleet),
                });
                each.collect::<Vec<_>>().join(", ")
            }
            Action::Call(call) if call.only_tells() => format!("tell {}", call.hook),
            Action::Call(call) => format!("ask {}; only yes goes on", call.hook),
            Action::Approve(approve) => {
                let asks = match approve.on_timeout {
                    _ if approve.inspects => "wait while somebody looks; any answer ends it, and so does silence",
                    _ if approve.in_doubt => "ask if verification cannot tell; silence means no",
                    Decision::Approve => "ask; silence means yes",
                    Decision::Reject => "ask; silence means no",
                };
                let whose = approve.answerers.as_ref().map(|it| format!("; a yes counts of {}", it.in_words()));
                format!("{asks}{}", whose.unwrap_or_default())
            }
            Action::Pause(pause) => format!("{} s", pause.seconds),
            Action::Verify(verify) => match &verify.checks {
                Some(checks) => format!("look at {}", text::few(checks)),
                None => "look at all checks".into(),
            },
            Action::Drain(drain) => format!("{} s after the last shift", drain.seconds),
            Action::Downsize(downsize) => {
                format!("{} to {}, what it loses is gone", downsize.fleet, downsize.size.desired)
            }
            Action::Remove(remove) => format!("delete {}", remove.fleet),
            Action::Prune(prune) => format!("keep the {} at size 0 that served last", prune.keep),
        }
    }
}
