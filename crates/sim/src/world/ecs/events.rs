//! A service's events: what its scheduler has done, in AWS's words.
//!
//! What it owns: the texts, how many are kept, and that one that was told lately is not told again.

use super::{ServiceKey, Task};
use crate::world::World;

/// How many events a service keeps.
const KEPT: usize = 100;

/// For how long the same trouble is not told again.
const MUTED_MILLIS: u64 = 6 * 3_600_000;

/// One event.
#[derive(Clone, Debug)]
pub struct ServiceEvent {
    /// Its id.
    pub id: String,
    /// When it happened.
    pub at: u64,
    /// What happened.
    pub message: String,
}

/// `(task 0123…)`, as often as there are tasks.
pub(super) fn named(ids: &[String]) -> String {
    ids.iter().map(|id| format!("(task {id})")).collect::<Vec<_>>().join(" ")
}

impl World {
    /// Tells an event, which begins with the service's name.
    pub(super) fn tell(&mut self, key: &ServiceKey, what: &str) {
        self.tell_plain(key, &format!("(service {}) {what}", key.1));
    }

    /// Tells of trouble, unless the same was told lately.
    pub(super) fn tell_trouble(&mut self, key: &ServiceKey, what: &str) {
        let message = format!("(service {}) {what}", key.1);
        let told = |event: &ServiceEvent| event.message == message && self.now < event.at + MUTED_MILLIS;
        if !self.ecs.services.get(key).is_some_and(|service| service.events.iter().any(told)) {
            self.tell_plain(key, &message);
        }
    }

    pub(super) fn tell_plain(&mut self, key: &ServiceKey, message: &str) {
        let event = ServiceEvent { id: self.uuid(), at: self.now, message: message.to_owned() };
        if let Some(service) = self.ecs.services.get_mut(key) {
            // Newest first, as Describe shows them.
            service.events.push_front(event);
            service.events.truncate(KEPT);
        }
    }

    /// Tells that a task is registered with its target groups, or was deregistered.
    pub(super) fn tell_targets(&mut self, task: &Task, verb: &str) {
        for (target_group, _) in &task.targets {
            self.tell(&task.service.clone(), &format!("{verb} 1 targets in (target-group {target_group})"));
        }
    }
}
