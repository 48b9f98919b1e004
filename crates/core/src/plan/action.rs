//! What stages do: each action with what it needs to know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answerers::Answerers;
use crate::capacity::Size;
use crate::document::{Decision, Point};
use crate::kinds::Blueprint;
use crate::split::Weights;

/// What a stage does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Makes the candidate at size 0. Holds when it exists.
    Setup(Setup),
    /// Makes a kept revision the candidate. Holds when it is attached to where candidates come up.
    Adopt(Adopt),
    /// Keeps earlier fleets from shrinking by themselves while they serve or may be needed. Holds when it is read back.
    Hold(Hold),
    /// Gives held fleets their own limits back. Holds when it is read back.
    Release(Hold),
    /// Sets the size of a fleet. Holds when its instances are in service, registered and healthy.
    Upscale(Upscale),
    /// Sets the weights of switches, or lets them exchange their pools, once the capacity is there. Holds when that is read back.
    Steer(Steer),
    /// Attaches a fleet to target groups. Holds when all its instances are registered and healthy there.
    Attach(Attachment),
    /// Detaches a fleet from target groups, once the capacity is there without it. Holds when its instances are deregistered
    /// and have drained.
    Detach(Attachment),
    /// Lets the candidate scale by itself, with what its base carries or it has itself. Holds when it does.
    Carry(Carry),
    /// Tells by a tag which fleets serve. Nothing depends on it.
    Mark(Mark),
    /// Asks a person, or whoever answers a callback. Holds when they agree.
    Approve(Approve),
    /// Calls a hook. Holds when it has said yes, or, where it is only told, when it was told.
    Call(Call),
    /// Does nothing. Holds when the time is over.
    Pause(Pause),
    /// Looks at checks for a while. Holds when the time is over, none was bad, and of all of them it is known.
    Verify(Verify),
    /// Does nothing. Holds when nothing that was sent to a side before the last shift can still be under way.
    Drain(Drain),
    /// Makes a fleet smaller, once the capacity is there without what it loses. Holds when those instances are gone.
    Downsize(Downsize),
    /// Deletes a fleet of size 0 and what its members were made from. Holds when they are gone.
    Remove(Remove),
    /// Deletes old fleets of size 0 beyond those that are kept. Never fails a deployment.
    Prune(Prune),
}

/// Which function a stage routes to; also its name in the state machines' graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StageKind {
    /// See [`Action::Setup`] and [`Action::Adopt`].
    Setup,
    /// See [`Action::Hold`] and [`Action::Release`].
    Hold,
    /// See [`Action::Upscale`].
    Upscale,
    /// See [`Action::Steer`].
    ShiftWeight,
    /// See [`Action::Attach`] and [`Action::Detach`].
    Swap,
    /// See [`Action::Carry`] and [`Action::Mark`].
    Carry,
    /// See [`Action::Approve`].
    Approve,
    /// See [`Action::Call`].
    Hook,
    /// See [`Action::Call`], of a hook that is only told.
    Tell,
    /// See [`Action::Pause`].
    Pause,
    /// See [`Action::Verify`].
    Verify,
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
    /// What the base's members are made from, pinned.
    pub blueprint: Blueprint,
    /// The image that replaces the base's.
    pub artifact: String,
    /// The target groups it registers in.
    pub target_groups: Vec<String>,
}

/// See [`Action::Adopt`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adopt {
    /// The fleet, at size 0.
    pub fleet: String,
    /// The target groups it registers in from now on.
    pub target_groups: Vec<String>,
}

/// See [`Action::Hold`] and [`Action::Release`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The fleets.
    pub fleets: Vec<String>,
}

/// See [`Action::Upscale`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upscale {
    /// The fleet.
    pub fleet: String,
    /// The size to set.
    pub size: Size,
    /// Where its instances must be healthy; none for a fleet behind no load balancer.
    pub target_groups: Vec<String>,
    /// Whether nothing else may be registered there.
    pub exclusive: bool,
    /// How long it took the last time, in seconds, when that is known.
    pub expected_seconds: Option<u32>,
}

/// So much of a fleet must be healthy, in each of these target groups; in service, where there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The fleet.
    pub fleet: String,
    /// The target groups.
    pub target_groups: Vec<String>,
    /// How much of it, in units of its size.
    pub healthy: u32,
}

/// See [`Action::Steer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Steer {
    /// The weights to set, in this order.
    pub weights: Vec<Weights>,
    /// The capacity that must be there first, on the side that gains traffic; nothing when that is nobody's concern.
    pub needs: Vec<Need>,
}

/// See [`Action::Attach`] and [`Action::Detach`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The fleet.
    pub fleet: String,
    /// The target groups.
    pub target_groups: Vec<String>,
    /// The capacity that must be there before the fleet is detached.
    pub needs: Vec<Need>,
    /// How long its instances drain, in seconds.
    pub drain_seconds: u32,
}

/// See [`Action::Carry`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Carry {
    /// The fleet it is taken from; nothing for a fleet that has its own, which follow it to other target groups.
    pub base: Option<String>,
    /// The fleet that gets it.
    pub fleet: String,
    /// The size that it has from then on.
    pub size: Option<Size>,
}

/// See [`Action::Mark`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// What each fleet is to bear.
    pub fleets: Vec<Marked>,
}

/// What a fleet's tag is to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marked {
    /// The fleet.
    pub fleet: String,
    /// The tag's value; none, where it is to bear none.
    pub version: Option<String>,
}

/// See [`Action::Approve`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approve {
    /// What the approver is asked.
    pub message: String,
    /// What counts as the decision when nobody says anything.
    pub on_timeout: Decision,
    /// Whether it is only asked when the verification before could not tell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// Whether it is a rollback's inspection, which ends whatever the decision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inspects: bool,
    /// The hook that is given the token, in place of people who are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Call>,
    /// Whose answers count; everybody's, where it is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answerers: Option<Answerers>,
}

/// See [`Action::Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The hook of the document, by name.
    pub hook: String,
    /// The point at which it is called; nothing where it is a stage of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Point>,
    /// How much of the traffic the candidate has by then, in percent, where it gets any by stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<u32>,
}

impl Call {
    /// Whether what it says can change nothing.
    pub fn only_tells(&self) -> bool {
        self.at.is_some_and(Point::only_tells)
    }
}

/// See [`Action::Pause`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// How long, in seconds.
    pub seconds: u32,
    /// Whether only the document wants it: then somebody may end it sooner. Otherwise what is safe does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wanted: bool,
}

/// See [`Action::Verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    /// For how long, in seconds.
    pub seconds: u32,
    /// For how much longer while nobody knows, in seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extend_seconds: u32,
    /// The checks of the document, by name; all of them when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<String>>,
}

fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

/// See [`Action::Drain`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// The target groups that have lost their traffic.
    pub target_groups: Vec<String>,
    /// How long what was sent there may still be under way after the last shift, in seconds.
    pub seconds: u32,
}

/// See [`Action::Downsize`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Downsize {
    /// The fleet.
    pub fleet: String,
    /// The size to set.
    pub size: Size,
    /// The target groups that no request of a user may be sent to any more; none when others serve in the same.
    pub idle: Vec<String>,
    /// The capacity that must be there without what this fleet loses.
    pub needs: Vec<Need>,
    /// How long its instances drain, in seconds.
    pub drain_seconds: u32,
}

/// See [`Action::Remove`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remove {
    /// The fleet.
    pub fleet: String,
    /// What the base's members are made from: that next to which the fleet's own was made.
    pub blueprint: Blueprint,
    /// The image of the fleet.
    pub artifact: String,
}

/// See [`Action::Prune`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prune {
    /// How many old fleets at size 0 are kept: those that served last.
    pub keep: u32,
}

impl Action {
    /// Which function it routes to.
    pub fn kind(&self) -> StageKind {
        match self {
            Action::Setup(_) | Action::Adopt(_) => StageKind::Setup,
            Action::Hold(_) | Action::Release(_) => StageKind::Hold,
            Action::Upscale(_) => StageKind::Upscale,
            Action::Steer(_) => StageKind::ShiftWeight,
            Action::Attach(_) | Action::Detach(_) => StageKind::Swap,
            Action::Carry(_) | Action::Mark(_) => StageKind::Carry,
            Action::Approve(_) => StageKind::Approve,
            Action::Call(call) if call.only_tells() => StageKind::Tell,
            Action::Call(_) => StageKind::Hook,
            Action::Pause(_) => StageKind::Pause,
            Action::Verify(_) => StageKind::Verify,
            Action::Drain(_) => StageKind::Drain,
            Action::Downsize(_) => StageKind::Downsize,
            Action::Remove(_) => StageKind::Remove,
            Action::Prune(_) => StageKind::Prune,
        }
    }
}
