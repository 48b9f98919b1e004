//! The service scheduler: it compares what a service has with what it wants, in ticks.
//!
//! What it owns: how many tasks are started and stopped, of which deployment, and in which order: new ones come first when the
//! service's maximum allows it, old ones go as its minimum allows it. It never stops a task that is protected.

use std::collections::BTreeMap;

use super::census::Seen;
use super::events::named;
use super::{EcsEvent, Rollout, ServiceKey, ServiceStatus, StopCode, TaskState, member};
use crate::world::World;

/// After how many ticks with failed starts in a row the scheduler says so.
const INCONSISTENT: u32 = 3;

impl World {
    /// The scheduler will look at a service at its next tick.
    pub(crate) fn expect_tick(&mut self, key: &ServiceKey) {
        let tick = self.settings.ecs.tick_millis;
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        let at = service.created_at + ((self.now - service.created_at) / tick + 1) * tick;
        if service.tick_at.is_none_or(|expected| at < expected) {
            service.tick_at = Some(at);
            self.schedule(at, crate::world::Event::Ecs(EcsEvent::Tick { service: key.clone() }));
        }
    }

    pub(super) fn tick(&mut self, key: &ServiceKey) {
        let now = self.now;
        let Some(service) = self.ecs.services.get_mut(key).filter(|service| service.tick_at == Some(now)) else {
            return;
        };
        service.tick_at = None;
        match service.status {
            ServiceStatus::Active if service.is_scheduled() => self.schedule_service(key),
            ServiceStatus::Draining => self.drain_service(key),
            _ => {}
        }
    }

    /// A service that was deleted loses its tasks, and is inactive without them.
    fn drain_service(&mut self, key: &ServiceKey) {
        let all: Vec<Seen> = self.census(key);
        self.stop_tasks(key, all.iter().map(|task| task.id.clone()).collect(), None);
        let Some(service) = self.ecs.services.get(key) else { return };
        let left = service.tasks.iter().filter_map(|id| self.ecs.tasks.get(id));
        if left.clone().all(|task| task.state == TaskState::Stopped)
            && let Some(service) = self.ecs.services.get_mut(key)
        {
            service.status = ServiceStatus::Inactive;
        }
    }

    fn schedule_service(&mut self, key: &ServiceKey) {
        self.back_off(key);
        self.find_ill(key);
        self.break_circuit(key);
        let Some(service) = self.ecs.services.get(key) else { return };
        let Some(primary) = service.primary() else { return };
        let (id, given_up) = (primary.id.clone(), primary.rollout == Rollout::Failed);
        let desired = service.desired as usize;
        let wanted = desired + service.rebalancing as usize;
        let may_start = !given_up && service.rests_until <= self.now;
        let percent = |name: &str, default: u64| {
            let given = member(&service.fields, "deploymentConfiguration")[name].as_u64();
            usize::try_from(given.unwrap_or(default)).unwrap_or(usize::MAX)
        };
        let most = desired * percent("maximumPercent", 200) / 100;
        let least = (desired * percent("minimumHealthyPercent", 100)).div_ceil(100);

        let seen = self.census(key);
        let good = |task: &&Seen| task.deployment == id && task.ill.is_none();
        let own = seen.iter().filter(good).count();
        let own_healthy = seen.iter().filter(good).filter(|task| task.healthy).count();
        let healthy = seen.iter().filter(|task| task.healthy && task.ill.is_none()).count();
        let replacing = seen.len() > own;
        let missing = wanted.saturating_sub(own);
        // Beside others that are to go, new ones come only as far as the maximum allows.
        let room = if replacing { most.max(service.rebalancing as usize).saturating_sub(seen.len()) } else { missing };
        let starts = missing.min(room);

        let ill: Vec<&Seen> = seen.iter().filter(|task| task.ill.is_some() && task.deployment == id).collect();
        let others: Vec<&Seen> = seen.iter().filter(|task| task.deployment != id).collect();
        let mut leaving: Vec<String> = Vec::new();
        // What is ill goes when others serve in its place, or when there is no room for them before.
        let ill_go = if own_healthy >= desired || given_up { ill.len() } else { missing.saturating_sub(starts) };
        leaving.extend(ill.iter().take(ill_go).map(|task| task.id.clone()));
        // What is of an earlier deployment goes as far as enough stays healthy.
        let mut spare = if desired == 0 { healthy } else { healthy.saturating_sub(least) };
        if !given_up {
            for task in &others {
                if task.healthy && task.ill.is_none() {
                    if spare == 0 {
                        continue;
                    }
                    spare -= 1;
                }
                leaving.push(task.id.clone());
            }
        }
        let mut surplus = own.saturating_sub(desired);
        // A surplus that AWS itself has started, to balance zones, stays until all of it is healthy.
        if service.rebalancing > 0 && own_healthy < wanted {
            surplus = 0;
        }
        let mut in_turn: Vec<&Seen> = seen.iter().filter(good).collect();
        let mut kept_by_protection = false;
        while surplus > 0 {
            let Some(place) = next_to_stop(&in_turn) else { break };
            let task = in_turn.remove(place);
            leaving.push(task.id.clone());
            surplus -= 1;
        }
        kept_by_protection |= surplus > 0;
        let protected = |id: &String| seen.iter().any(|task| task.id == *id && task.protected && task.ill.is_none());
        leaving.retain(|id| !protected(id));

        if kept_by_protection {
            let why = "was unable to scale in. Reason: The number of protected tasks are more than the desired count of \
                       tasks";
            self.tell_trouble(key, why);
        }
        if let Some(service) = self.ecs.services.get_mut(key) {
            service.replaces = ill.len();
            if service.rebalancing > 0 && own_healthy >= wanted {
                service.rebalancing = 0;
            }
        }
        if starts > 0 && may_start {
            self.start_tasks(key, &id, u32::try_from(starts).unwrap_or(u32::MAX), false);
        }
        let nothing_leaves = leaving.is_empty();
        let reasons: BTreeMap<String, String> =
            seen.iter().filter_map(|task| Some((task.id.clone(), task.ill.as_ref()?.reason.clone()))).collect();
        self.stop_tasks(key, leaving, Some(&reasons));
        let arrived = seen.len() == own && own == desired && own_healthy == desired && nothing_leaves && !given_up;
        self.note_steady(key, arrived);
    }

    /// Tells of a service that has come to what it wants; of one that has not, the scheduler looks again.
    fn note_steady(&mut self, key: &ServiceKey, arrived: bool) {
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        let before = std::mem::replace(&mut service.steady, arrived);
        if !arrived {
            return self.expect_tick(key);
        }
        self.complete_deployment(key);
        if !before {
            self.tell(key, "has reached a steady state.");
        }
    }

    /// Tasks that never came to run make the scheduler wait, longer each time. Those that ran and then died do not (P77).
    fn back_off(&mut self, key: &ServiceKey) {
        let (now, (first, longest)) = (self.now, self.settings.ecs.backoff_millis);
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        if std::mem::take(&mut service.failed_starts) == 0 {
            return;
        }
        let delay = first.saturating_mul(1 << service.start_failures.min(16)).min(longest);
        service.start_failures += 1;
        service.rests_until = now + delay;
        if service.start_failures >= INCONSISTENT {
            self.tell_trouble(
                key,
                "is unable to consistently start tasks successfully. For more information, see the Troubleshooting \
                 section of the Amazon ECS Developer Guide.",
            );
        }
    }

    /// Tells of tasks that have become ill since the last tick.
    fn find_ill(&mut self, key: &ServiceKey) {
        for seen in self.census(key) {
            let Some(illness) = seen.ill else { continue };
            let Some(task) = self.ecs.tasks.get_mut(&seen.id).filter(|task| task.ill.is_none()) else { continue };
            task.ill = Some(illness.reason);
            self.note_failure(&seen.id);
            self.tell(key, &illness.event);
        }
    }

    fn stop_tasks(&mut self, key: &ServiceKey, ids: Vec<String>, ill: Option<&BTreeMap<String, String>>) {
        if ids.is_empty() {
            return;
        }
        self.tell(key, &format!("has stopped {} running tasks: {}.", ids.len(), named(&ids)));
        for id in ids {
            let deployment = self.ecs.tasks.get(&id).map(|task| task.deployment.clone()).unwrap_or_default();
            let reason = ill
                .and_then(|ill| ill.get(&id).cloned())
                .unwrap_or_else(|| format!("Scaling activity initiated by (deployment {deployment})"));
            self.stop_task(&id, StopCode::ServiceSchedulerInitiated, &reason);
        }
    }
}

/// Which task scaling in stops next: one that does not run yet, else one of the zone with the most, the oldest first. Protected
/// ones never.
fn next_to_stop(tasks: &[&Seen]) -> Option<usize> {
    let crowd = |zone: &str| tasks.iter().filter(|task| task.zone == zone).count();
    let order = |task: &Seen| (task.state, usize::MAX - crowd(&task.zone), task.started_at);
    let free = tasks.iter().enumerate().filter(|(_, task)| !task.protected);
    free.min_by_key(|(place, task)| (order(task), *place)).map(|(place, _)| place)
}
