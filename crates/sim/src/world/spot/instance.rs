//! What a group has asked the market for, and the instance that it has become.

use crate::world::{Server, Stop};

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpotState {
    /// Nobody has answered it.
    Open,
    /// Its instance starts.
    Pending,
    /// Its instance runs.
    Running,
    /// Its instance was taken out of its group, and finishes what it has.
    Leaving,
    /// Its instance shuts down.
    ShuttingDown,
}

/// A request and its instance.
#[derive(Clone, Debug)]
pub struct SpotInstance {
    /// The id of the request, `sir-…`.
    pub request: String,
    /// The id of the instance, once there is one.
    pub id: Option<String>,
    /// The id of the group.
    pub group: String,
    /// The image.
    pub image: String,
    /// The type.
    pub instance_type: String,
    /// The zone.
    pub zone: String,
    /// Whether it is billed on demand.
    pub on_demand: bool,
    /// How far it has come.
    pub state: SpotState,
    /// When it was asked for.
    pub created_at: u64,
    /// Since when its instance runs.
    pub running_at: Option<u64>,
    /// What Spot thinks of its health.
    pub health: &'static str,
    /// Whether it has ever been found healthy.
    pub once_healthy: bool,
    /// Since when it has been found ill.
    pub ill_since: Option<u64>,
    /// Whether another one is to take its place.
    pub to_replace: bool,
    /// Until when it is not taken out by a smaller capacity.
    pub locked_until: Option<u64>,
    /// The tags of its instance.
    pub tags: Vec<(String, String)>,
    /// Its application.
    pub server: Server,
}

impl SpotInstance {
    /// Whether it belongs to its group.
    pub fn belongs(&self) -> bool {
        matches!(self.state, SpotState::Open | SpotState::Pending | SpotState::Running)
    }

    /// Whether its instance is gone without anybody having asked for that.
    pub(super) fn dead(&self) -> bool {
        self.server.stopped.is_some_and(|(_, why)| why == Stop::Killed)
    }

    /// As EC2 calls its state.
    pub fn ec2_state(&self) -> (u32, &'static str) {
        match self.state {
            SpotState::Open | SpotState::Pending => (0, "pending"),
            _ if self.dead() => (48, "terminated"),
            SpotState::Running | SpotState::Leaving => (16, "running"),
            SpotState::ShuttingDown => (32, "shutting-down"),
        }
    }
}
