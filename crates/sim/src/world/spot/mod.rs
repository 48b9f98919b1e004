//! Spot by Flexera: Elastigroups, which start and end EC2 instances of the account from outside of AWS.
//!
//! What it owns: all state behind Spot's API for Elastigroups, and what happens to it by itself: requests that the market fulfils or
//! not, replacements, schedules, suspensions that run out. Groups are kept as the API spells them, unknown fields included.
//!
//! What it must never do: decide what a target's health is, or where requests go. It registers and deregisters instances, and reads
//! their health. What Spot leaves undocumented is a setting.

mod group;
mod health;
mod instance;
mod leaving;
mod market;
mod rates;
mod schedules;
mod settings;
mod setup;
mod suspensions;
mod view;

use std::collections::BTreeMap;

pub use group::{Elastigroup, LogLine, Roll};
pub use instance::{SpotInstance, SpotState};
pub(crate) use rates::Left;
pub use settings::{Quirk, SpotSettings};
pub use setup::{SPOT_ACCOUNT, SPOT_TOKEN};

use super::World;

/// The Elastigroups of one Spot account, in all regions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spot {
    /// By their ids.
    pub(crate) groups: BTreeMap<String, Elastigroup>,
    /// What was asked for, by the ids of the requests, until its instance has terminated.
    pub(crate) instances: BTreeMap<String, SpotInstance>,
    /// The requests by the ids of their instances.
    by_instance: BTreeMap<String, String>,
    rates: rates::Rates,
}

impl Spot {
    /// What was asked for and has become this instance.
    pub(crate) fn of_instance(&self, id: &str) -> Option<&SpotInstance> {
        self.instances.get(self.by_instance.get(id)?)
    }

    fn of_instance_mut(&mut self, id: &str) -> Option<&mut SpotInstance> {
        self.instances.get_mut(self.by_instance.get(id)?)
    }
}

/// What is going to happen.
#[derive(Clone, Debug)]
pub(super) enum SpotEvent {
    /// A group compares what it has with what it wants.
    Reconcile { group: String },
    /// The market answers a request.
    Fulfil { request: String },
    /// An instance runs.
    Runs { request: String },
    /// Spot looks at the health of a group's instances.
    Look { group: String },
    /// An instance that was taken out has had the time that it is given.
    Drained { request: String },
    /// An instance has terminated.
    Terminated { request: String },
    /// Tasks of a group's schedule are due.
    Tasks { group: String },
}

impl World {
    pub(super) fn spot_happens(&mut self, event: SpotEvent) {
        match event {
            SpotEvent::Reconcile { group } => self.spot_reconcile(&group),
            SpotEvent::Fulfil { request } => self.spot_fulfil(&request),
            SpotEvent::Runs { request } => self.spot_runs(&request),
            SpotEvent::Look { group } => self.spot_look(&group),
            SpotEvent::Drained { request } => self.spot_drained(&request),
            SpotEvent::Terminated { request } => self.spot_terminated(&request),
            SpotEvent::Tasks { group } => self.spot_tasks(&group),
        }
    }

    fn spot_in(&mut self, millis: u64, event: SpotEvent) {
        self.schedule_in(millis, super::Event::Spot(event));
    }
}
