//! The plan: the stages of a deployment, computed before anything changes and then never edited.
//!
//! A stage is an action and a condition that must hold before the next one. The strategies are only different
//! plans; rolling back ([`crate::rollback`]) is a plan too, made of the same actions.

use serde::{Deserialize, Serialize};

use crate::capacity::{Size, share};
use crate::document::{Decision, Document, Routing, StageSpec};
use crate::infrastructure::Infrastructure;
use crate::observed::{Fleet, LaunchSource};
use crate::pace;
use crate::split::{Roles, Route, in_words, short};
use crate::{Kind, Result};

/// Forward, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What a stage does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Makes the candidate at size 0. Holds when it exists.
    Setup(Setup),
    /// Sets the size of a fleet. Holds when its instances are in service, registered and healthy.
    Upscale(Upscale),
    /// Sets the weights of the router, once the capacity is there. Holds when they are read back.
    ShiftWeight(ShiftWeight),
    /// Asks a person. Holds when they agree.
    Approve(Approve),
    /// Does nothing. Holds when the time is over.
    Pause(Pause),
    /// Does nothing. Holds when nothing that was sent to a target group before the last shift can still be under way.
    Drain(Drain),
    /// Sets a fleet that serves nothing to size 0. Holds when its instances are gone.
    Downsize(Downsize),
    /// Deletes a fleet of size 0 and its launch source. Holds when they are gone.
    Remove(Remove),
    /// Deletes old fleets of size 0 beyond those that are kept. Never fails a deployment.
    Prune(Prune),
}

/// Which function a stage routes to; also its name in the state machines' graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StageKind {
    /// See [`Action::Setup`].
    Setup,
    /// See [`Action::Upscale`].
    Upscale,
    /// See [`Action::ShiftWeight`].
    ShiftWeight,
    /// See [`Action::Approve`].
    Approve,
    /// See [`Action::Pause`].
    Pause,
    /// See [`Action::Drain`].
    Drain,
    /// See [`Action::Downsize`].
    Downsize,
    /// See [`Action::Remove`].
    Remove,
    /// See [`Action::Prune`].
    Prune,
    /// No stage is left.
    Finish,
}

/// See [`Action::Setup`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Setup {
    /// The name of the new fleet.
    pub fleet: String,
    /// Its revision number.
    pub revision: u32,
    /// The fleet it is cloned from.
    pub base: String,
    /// Where the base's instances come from, versions resolved to numbers.
    pub base_source: LaunchSource,
    /// The image that replaces the base's.
    pub ami: String,
    /// The target group it registers in.
    pub target_group: String,
}

/// See [`Action::Upscale`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upscale {
    /// The fleet.
    pub fleet: String,
    /// The size to set.
    pub size: Size,
    /// Where its instances must be healthy; nothing for a fleet behind no load balancer.
    pub target_group: Option<String>,
    /// Whether nothing else may be registered there.
    pub exclusive: bool,
    /// How long it took the last time, in seconds, when that is known.
    pub expected_seconds: Option<u32>,
}

/// So many healthy targets of a fleet must be in a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The target group.
    pub target_group: String,
    /// How many healthy targets it needs.
    pub healthy: u32,
}

/// See [`Action::ShiftWeight`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShiftWeight {
    /// The weights to set.
    pub routes: Vec<Route>,
    /// The capacity that must be there first, on the side that gains traffic.
    pub need: Need,
}

/// See [`Action::Approve`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approve {
    /// What the approver is asked.
    pub message: String,
    /// What counts as the decision when nobody says anything.
    pub on_timeout: Decision,
}

/// See [`Action::Pause`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// How long, in seconds.
    pub seconds: u32,
}

/// See [`Action::Drain`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// The target group that has lost its traffic.
    pub target_group: String,
    /// How long what was sent there may still be under way after the last shift, in seconds.
    pub seconds: u32,
}

/// See [`Action::Downsize`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Downsize {
    /// The fleet.
    pub fleet: String,
    /// The target group that must have no weight first; nothing when others serve behind it, too.
    pub idle: Option<String>,
    /// The capacity that must be there without this fleet.
    pub need: Option<Need>,
    /// How long its instances drain, in seconds.
    pub drain_seconds: u32,
}

/// See [`Action::Remove`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remove {
    /// The fleet.
    pub fleet: String,
    /// Where the base's instances come from: the template or configuration next to which the fleet's own was made.
    pub base_source: LaunchSource,
    /// The image of the fleet.
    pub ami: String,
}

/// See [`Action::Prune`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prune {
    /// How many old fleets at size 0 are kept.
    pub keep: u32,
}

impl Action {
    /// Which function it routes to.
    pub fn kind(&self) -> StageKind {
        match self {
            Action::Setup(_) => StageKind::Setup,
            Action::Upscale(_) => StageKind::Upscale,
            Action::ShiftWeight(_) => StageKind::ShiftWeight,
            Action::Approve(_) => StageKind::Approve,
            Action::Pause(_) => StageKind::Pause,
            Action::Drain(_) => StageKind::Drain,
            Action::Downsize(_) => StageKind::Downsize,
            Action::Remove(_) => StageKind::Remove,
            Action::Prune(_) => StageKind::Prune,
        }
    }
}

/// The state of everything the plan may touch, written down before the first change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The infrastructure definition.
    pub infrastructure: Infrastructure,
    /// The router.
    pub routing: Routing,
    /// Which side was which.
    pub roles: Roles,
    /// The weights.
    pub routes: Vec<Route>,
    /// Every fleet of the infrastructure definition.
    pub fleets: Vec<Fleet>,
    /// The fleet that served, if any.
    pub stable: Option<String>,
    /// The name that the candidate gets.
    pub candidate: String,
    /// The revision that the candidate gets.
    pub revision: u32,
    /// Where the base's instances come from, versions resolved to numbers.
    pub base_source: LaunchSource,
    /// How long what was sent to either side may still be under way after a shift, in seconds.
    pub drain_seconds: u32,
    /// How long a deregistering target drains, in seconds.
    pub deregistration_seconds: u32,
}

impl Snapshot {
    /// The fleet that served, as it was.
    pub fn stable_fleet(&self) -> Option<&Fleet> {
        self.stable.as_ref().and_then(|name| self.fleets.iter().find(|fleet| fleet.name == *name))
    }
}

/// The margin that stages with a known duration get on top of it, in seconds.
pub const MARGIN_SECONDS: u32 = 300;
/// How long a change may take that AWS makes at once, in seconds: retries and eventual consistency.
pub const SETTLE_SECONDS: u32 = 300;

/// The newest earlier fleet with instances: the one that serves, if it was made here (O4).
pub fn stable_of(fleets: &[Fleet]) -> Option<&Fleet> {
    live(fleets).max_by_key(|fleet| fleet.revision)
}

fn live(fleets: &[Fleet]) -> impl Iterator<Item = &Fleet> {
    fleets.iter().filter(|fleet| !fleet.deleting && (fleet.size.desired > 0 || !fleet.instances.is_empty()))
}

/// The fleets of size 0 beyond the last `keep` (O4), oldest first. Never the candidate, and never one with instances.
pub fn prunable<'a>(fleets: &'a [Fleet], candidate: &str, keep: u32) -> Vec<&'a Fleet> {
    let empty = |fleet: &&Fleet| fleet.size.max == 0 && fleet.instances.is_empty() && !fleet.deleting;
    let mut old: Vec<&Fleet> =
        fleets.iter().filter(empty).filter(|fleet| fleet.name != candidate && fleet.revision.is_some()).collect();
    old.sort_by_key(|fleet| fleet.revision);
    old.truncate(old.len().saturating_sub(keep as usize));
    old
}

/// The size that the candidate ends with.
pub fn asked_size(document: &Document, stable: Option<&Fleet>, base: &Fleet) -> Result<Size> {
    use crate::document::Capacity;
    let size = match (document.auto_scaling_group().capacity, stable) {
        (Capacity::Fixed(size), _) => size,
        (Capacity::SameAsRunning, Some(stable)) => stable.size,
        (Capacity::SameAsRunning, None) => base.size,
    };
    if size.desired == 0 {
        return Err(Kind::PreflightFailed.because(format!(
            "compute.autoScalingGroup.capacity is sameAsRunning, but no earlier fleet runs and the base {} has 0 \
             instances. Give a fixed size, such as `capacity: {{fixed: {{min: 2, desired: 4, max: 8}}}}`.",
            base.name
        )));
    }
    Ok(size)
}

/// The plan of a deployment, from its document and what was observed.
///
/// `asked` is the size from [`asked_size`], `expected_seconds` how long the last fleet took to become steady.
pub fn deploy(document: &Document, snapshot: &Snapshot, asked: Size, expected_seconds: Option<u32>) -> Result<Plan> {
    let candidate = &snapshot.candidate;
    let roles = &snapshot.roles;
    let steady_seconds = document.timeouts.steady_state_minutes * 60;
    let mut stages = vec![Stage {
        name: format!("Set up {candidate}"),
        timeout_seconds: SETTLE_SECONDS,
        action: Action::Setup(Setup {
            fleet: candidate.clone(),
            revision: snapshot.revision,
            base: snapshot.infrastructure.base.clone(),
            base_source: snapshot.base_source.clone(),
            ami: document.artifact.ami.clone(),
            target_group: roles.stage.clone(),
        }),
    }];
    // O4: of the earlier fleets only the newest with instances stays; the oldest goes first (B12). What they leave must
    // be able to carry the traffic alone.
    let stable = snapshot.stable_fleet();
    let mut older: Vec<&Fleet> = live(&snapshot.fleets).filter(|f| Some(&f.name) != snapshot.stable.as_ref()).collect();
    older.sort_by_key(|fleet| fleet.revision);
    for fleet in older {
        let need = stable
            .filter(|_| fleet.target_groups.contains(&roles.production))
            .map(|stable| Need { target_group: roles.production.clone(), healthy: stable.size.desired });
        stages.push(downsize(fleet, None, need, snapshot.deregistration_seconds));
    }
    for spec in document.stages() {
        match spec {
            StageSpec::Upscale(amount) => {
                let size = amount.size_of(asked);
                stages.push(Stage {
                    name: format!("Upscale {candidate} to {}", size.desired),
                    timeout_seconds: steady_seconds,
                    action: Action::Upscale(Upscale {
                        fleet: candidate.clone(),
                        size,
                        target_group: Some(roles.stage.clone()),
                        exclusive: true,
                        expected_seconds,
                    }),
                });
            }
            StageSpec::Shift(shift) => {
                let routes = roles.weights(shift.percent);
                stages.push(Stage {
                    name: format!("Shift {} % to {candidate}", shift.percent),
                    timeout_seconds: SETTLE_SECONDS,
                    action: Action::ShiftWeight(ShiftWeight {
                        routes,
                        need: Need { target_group: roles.stage.clone(), healthy: share(shift.percent, asked.desired) },
                    }),
                });
            }
            StageSpec::Approve(approval) => stages.push(approve(&approval, &format!("Approve {candidate}"))),
            StageSpec::Pause(pause) => stages.push(Stage {
                name: format!("Pause {} s", pause.seconds),
                timeout_seconds: pause.seconds + MARGIN_SECONDS,
                action: Action::Pause(Pause { seconds: pause.seconds }),
            }),
            StageSpec::Downsize(_) => {
                if let Some(stable) = stable {
                    stages.push(drain(&roles.production, snapshot.drain_seconds));
                    let need = Need { target_group: roles.stage.clone(), healthy: asked.desired };
                    stages.push(downsize(
                        stable,
                        Some(roles.production.clone()),
                        Some(need),
                        snapshot.deregistration_seconds,
                    ));
                }
            }
        }
    }
    stages.push(Stage {
        name: format!("Prune to the last {}", document.auto_scaling_group().keep_revisions),
        timeout_seconds: SETTLE_SECONDS,
        action: Action::Prune(Prune { keep: document.auto_scaling_group().keep_revisions }),
    });
    let plan = Plan { direction: Direction::Deploy, stages };
    plan.check_history()?;
    Ok(plan)
}

/// A stage that asks a person.
pub(crate) fn approve(approval: &crate::document::Approval, name: &str) -> Stage {
    Stage {
        name: name.into(),
        timeout_seconds: approval.timeout_minutes * 60,
        action: Action::Approve(Approve { message: approval.message.clone(), on_timeout: approval.on_timeout }),
    }
}

/// A stage that waits until a side without traffic has nothing left to do.
pub(crate) fn drain(target_group: &str, seconds: u32) -> Stage {
    Stage {
        name: format!("Drain {}", short(target_group)),
        timeout_seconds: seconds + MARGIN_SECONDS,
        action: Action::Drain(Drain { target_group: target_group.into(), seconds }),
    }
}

/// A stage that downsizes a fleet to 0.
pub(crate) fn downsize(fleet: &Fleet, idle: Option<String>, need: Option<Need>, drain_seconds: u32) -> Stage {
    Stage {
        name: format!("Downsize {} to 0", fleet.name),
        // Terminating a drained instance takes minutes, with a life-cycle hook longer.
        timeout_seconds: drain_seconds + 4 * MARGIN_SECONDS,
        action: Action::Downsize(Downsize { fleet: fleet.name.clone(), idle, need, drain_seconds }),
    }
}

impl Plan {
    /// The most history events that an execution of this plan can need, if every stage takes all its time.
    pub fn events_max(&self) -> u64 {
        self.stages.iter().map(|stage| 40 + 11 * stage.looks_max()).sum()
    }

    /// Refuses a plan whose worst case could exceed the 25,000 events that a standard execution may have, with a
    /// fifth left over for retries.
    pub fn check_history(&self) -> Result<()> {
        let events = self.events_max();
        if events <= 20_000 {
            return Ok(());
        }
        Err(Kind::PreflightFailed.because(format!(
            "The plan of {} stages could need {events} history events if every stage takes all its time; a Step \
             Functions execution may have 25,000. Use fewer stages or a shorter timeouts.steadyStateMinutes.",
            self.stages.len()
        )))
    }
}

impl Stage {
    /// The most looks that it can take until its condition holds.
    fn looks_max(&self) -> u64 {
        let seconds = u64::from(self.timeout_seconds);
        match &self.action {
            // Known in advance, or told: one look, and a few more for a clock that runs behind.
            Action::Pause(_) | Action::Drain(_) | Action::Approve(_) | Action::Prune(_) => 3,
            Action::Upscale(upscale) => pace::looks_max(self.timeout_seconds, upscale.expected_seconds),
            Action::ShiftWeight(_) | Action::Downsize(_) => seconds / 4,
            Action::Setup(_) | Action::Remove(_) => seconds / 2,
        }
    }

    /// What it does, in one line.
    pub fn describe(&self) -> String {
        match &self.action {
            Action::Setup(setup) => {
                format!("clone {} with {} into {}", setup.base, setup.ami, short(&setup.target_group))
            }
            Action::Upscale(upscale) => format!("{} to {}, all healthy", upscale.fleet, upscale.size),
            Action::ShiftWeight(shift) => in_words(&shift.routes),
            Action::Approve(approve) => match approve.on_timeout {
                Decision::Approve => "ask; silence means yes".into(),
                Decision::Reject => "ask; silence means no".into(),
            },
            Action::Pause(pause) => format!("{} s", pause.seconds),
            Action::Drain(drain) => format!("{} s after the last shift", drain.seconds),
            Action::Downsize(downsize) => format!("{} to 0, instances gone", downsize.fleet),
            Action::Remove(remove) => format!("delete {}", remove.fleet),
            Action::Prune(prune) => format!("keep the last {} at size 0", prune.keep),
        }
    }
}
