//! What answers requests: the application on an instance, or in a task.
//!
//! What it owns: when an application answers, which is all that the load balancer's checks and the traffic ever see of what
//! runs it. What it must never do: decide that something starts or leaves; groups and services do.

use super::traffic::Cause;
use super::{TargetKey, World};

/// An application.
#[derive(Clone, Debug)]
pub struct Server {
    /// From when it answers.
    pub ready_at: u64,
    /// From when it fails, however long what runs it lives on.
    pub fails_at: u64,
    /// Whether it answers every request with an error.
    pub sick: bool,
    /// Since when, and because of what, it does not run any more.
    pub stopped: Option<(u64, Stop)>,
    /// What is wrong with it that no health check sees.
    pub flaws: FlawsSince,
    /// How the traffic names it.
    pub(super) slot: u32,
}

/// What may be wrong with an application that passes its health checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// How many of a thousand requests it answers with an error.
    pub errors_per_mille: u32,
    /// After how long of answering it begins to.
    pub errors_after_seconds: u64,
    /// How much longer than others it takes, in percent.
    pub slower_percent: u32,
}

/// The same for an application that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlawsSince {
    errors_per_mille: u32,
    errors_from: u64,
    pub(super) slower_percent: u32,
}

impl Flaws {
    /// Those of an application that answers from then on.
    pub(super) fn of(self, ready_at: u64) -> FlawsSince {
        FlawsSince {
            errors_per_mille: self.errors_per_mille,
            errors_from: ready_at.saturating_add(self.errors_after_seconds * 1000),
            slower_percent: self.slower_percent,
        }
    }

    /// Those of a task, from two of its containers.
    pub(super) fn and(self, other: Self) -> Self {
        let worse = if self.errors_per_mille >= other.errors_per_mille { self } else { other };
        Self { slower_percent: self.slower_percent.max(other.slower_percent), ..worse }
    }
}

impl FlawsSince {
    /// How many of a thousand requests that arrive then are answered with an error.
    pub(super) fn errors_at(&self, at: u64) -> u32 {
        if at >= self.errors_from { self.errors_per_mille } else { 0 }
    }
}

/// Why an application does not run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody asked for its instance to be terminated.
    Terminated,
    /// AWS took what it ran on.
    Killed,
    /// Its task was stopped.
    Stopped,
    /// It ended by itself.
    Exited,
}

impl Server {
    /// Whether a request that arrives at `at` is answered properly.
    pub fn answers(&self, at: u64) -> bool {
        self.stopped.is_none() && !self.sick && self.ready_at <= at && at < self.fails_at
    }
}

impl Stop {
    /// Why what was in flight when it happened is lost.
    pub(super) fn cuts(self) -> Cause {
        match self {
            Self::Terminated => Cause::CutOff,
            Self::Killed => Cause::Killed,
            Self::Stopped => Cause::TaskCutOff,
            Self::Exited => Cause::Failed,
        }
    }
}

impl World {
    /// What answers at a target: a task that listens there, or else the instance of that id.
    pub(super) fn server(&self, at: &TargetKey) -> Option<&Server> {
        let of_task = self.ecs.task_at(at).map(|task| &task.server);
        let of_group = || self.instances.get(&at.id).map(|instance| &instance.server);
        of_task.or_else(of_group).or_else(|| self.spot.of_instance(&at.id).map(|instance| &instance.server))
    }

    /// The number of the next server.
    pub(super) fn next_slot(&mut self) -> u32 {
        self.servers += 1;
        self.servers - 1
    }

    /// What a server was about to answer is lost.
    pub(super) fn cut(&mut self, slot: u32, cause: Cause) {
        self.traffic.cut(slot, cause, self.now);
        self.traffic.reroute();
    }
}
