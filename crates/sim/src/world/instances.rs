//! One instance's life: it starts, its application boots, it shuts down or dies.
//!
//! What it owns: an instance's places in its group, and what befalls it. What it must never do: decide that an instance
//! should start or leave; its group does.

use std::collections::BTreeMap;

use super::hooks::LifecycleAction;
use super::traffic::Cause;
use super::{Event, Server, Stop, World};

/// Where an instance stands in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Starting.
    Pending,
    /// Started, and held by hooks.
    PendingWait,
    /// Let go by hooks.
    PendingProceed,
    /// Part of the group's capacity.
    InService,
    /// Being taken out of its target groups, for standby.
    EnteringStandby,
    /// Set aside: it runs, gets no traffic, and does not count.
    Standby,
    /// Resting in the warm pool.
    Parked(Parked),
    /// Leaving: draining, or shutting down when nothing holds it.
    Terminating,
    /// Drained, and held by hooks.
    TerminatingWait,
    /// Let go by hooks: shutting down.
    TerminatingProceed,
    /// Gone. Only EC2 still knows it.
    Terminated,
}

/// How an instance of a warm pool waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// Stopped: its application starts anew when it is needed.
    Stopped,
    /// Running and ready.
    Running,
    /// Its memory is on disk.
    Hibernated,
}

impl Lifecycle {
    /// As the API spells it, but for the `Warmed:` of the warm pool's instances; see [`Instance::state`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::PendingWait => "Pending:Wait",
            Self::PendingProceed => "Pending:Proceed",
            Self::InService => "InService",
            Self::EnteringStandby => "EnteringStandby",
            Self::Standby => "Standby",
            Self::Parked(Parked::Stopped) => "Stopped",
            Self::Parked(Parked::Running) => "Running",
            Self::Parked(Parked::Hibernated) => "Hibernated",
            Self::Terminating => "Terminating",
            Self::TerminatingWait => "Terminating:Wait",
            Self::TerminatingProceed => "Terminating:Proceed",
            Self::Terminated => "Terminated",
        }
    }

    /// Whether it is on its way in.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Pending | Self::PendingWait | Self::PendingProceed)
    }

    /// Whether it is on its way out.
    pub fn is_leaving(self) -> bool {
        matches!(self, Self::Terminating | Self::TerminatingWait | Self::TerminatingProceed)
    }

    /// Whether it counts towards the desired capacity.
    pub fn counts(self) -> bool {
        self.is_pending() || self == Self::InService
    }

    /// Whether its group looks after its health.
    pub(super) fn is_watched(self) -> bool {
        matches!(self, Self::InService | Self::Parked(_))
    }
}

/// One EC2 instance. It belongs to a group; the model has no others.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its group.
    pub group: String,
    /// The image that it runs.
    pub image: String,
    /// Its type.
    pub instance_type: String,
    /// How many units of capacity it counts for, when its group says so.
    pub weight: Option<u32>,
    /// Its zone.
    pub zone: String,
    /// Its subnet.
    pub subnet: Option<String>,
    /// The launch template that it was started from: id, name, version.
    pub template: Option<(String, String, u64)>,
    /// The launch configuration that it was started from.
    pub configuration: Option<String>,
    /// Where it stands in its group.
    pub lifecycle: Lifecycle,
    /// Whether it belongs to the group's warm pool.
    pub warmed: bool,
    /// Whether its group thinks that it is healthy.
    pub healthy: bool,
    /// Whether it is protected from scale-in.
    pub protected: bool,
    /// When its launch began.
    pub launched_at: u64,
    /// When it came into service.
    pub in_service_at: Option<u64>,
    /// Its application.
    pub server: Server,
    /// The activity of its group that it is the subject of at present.
    pub(super) activity: Option<String>,
    /// The lifecycle actions that hold it at present, by the names of their hooks.
    pub(super) actions: BTreeMap<String, LifecycleAction>,
}

impl Instance {
    /// Where it stands in its group or in the group's warm pool, as the API spells it.
    pub fn state(&self) -> String {
        let prefix = if self.warmed { "Warmed:" } else { "" };
        format!("{prefix}{}", self.lifecycle.as_str())
    }

    /// How many units of capacity it counts for.
    pub fn units(&self) -> u32 {
        self.weight.unwrap_or(1)
    }

    /// Whether a request that arrives at `at` is answered properly.
    pub fn answers(&self, at: u64) -> bool {
        self.server.answers(at)
    }
}

impl World {
    /// An instance, also one that is gone.
    pub fn instance(&self, id: &str) -> Option<&Instance> {
        self.instances.get(id)
    }

    /// The ids of a group's instances, oldest first.
    pub fn instances_of(&self, group: &str) -> Vec<String> {
        self.groups.get(group).map(|group| group.members.clone()).unwrap_or_default()
    }

    /// AWS takes an instance away without asking anybody. Answers whether there was one to take.
    ///
    /// Requests in flight are lost, and so are those that the load balancer still sends to it until its checks
    /// notice; both count as lost by AWS. Its group notices after EC2's own check.
    pub fn kill_instance(&mut self, id: &str) -> bool {
        let running = self
            .instances
            .get(id)
            .is_some_and(|instance| instance.server.stopped.is_none() && instance.lifecycle != Lifecycle::Terminated);
        if !running && !self.instances.contains_key(id) {
            return self.spot_kill(id);
        }
        if running {
            self.stop(id, Stop::Killed);
            self.schedule_in(self.settings.instance_check_millis, Event::Examine { instance: id.to_owned() });
            self.settle();
        }
        running
    }

    /// From now on an instance's application answers every request with an error, as after a bad change of its
    /// configuration. Answers whether there is such an instance.
    pub fn sicken_instance(&mut self, id: &str) -> bool {
        let now = self.now;
        let Some(instance) = self.instances.get_mut(id) else { return false };
        instance.server.fails_at = instance.server.fails_at.min(now);
        let slot = instance.server.slot;
        self.cut(slot, Cause::Failed);
        true
    }

    /// An instance runs no more: what it was about to answer is lost.
    pub(super) fn stop(&mut self, id: &str, why: Stop) {
        let now = self.now;
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.server.stopped.is_some() {
            return;
        }
        instance.server.stopped = Some((now, why));
        let slot = instance.server.slot;
        self.cut(slot, why.cuts());
    }
}
