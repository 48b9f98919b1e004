//! What Spot thinks of the health of instances, and what it does about those that are ill.
//!
//! It looks now and then, so that what it says lags behind. A replacement comes first, and what it replaces goes when that is healthy.

use super::{SpotEvent, SpotInstance, SpotState};
use crate::world::{Event, Health, World};

impl World {
    /// Spot will look at a group's instances.
    pub(super) fn spot_look_soon(&mut self, id: &str) {
        let at = self.now + self.settings.spot.look_millis;
        let Some(group) = self.spot.groups.get_mut(id).filter(|group| !group.rows.is_empty()) else { return };
        if group.looks_at.is_none_or(|expected| expected < self.now) {
            group.looks_at = Some(at);
            self.schedule(at, Event::Spot(SpotEvent::Look { group: id.to_owned() }));
        }
    }

    pub(super) fn spot_look(&mut self, id: &str) {
        let now = self.now;
        let Some(group) = self.spot.groups.get_mut(id) else { return };
        if group.looks_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let (grace, patience) = (group.grace_millis(), group.unhealthy_millis());
        let rows = group.rows.clone();
        let heals = !self.spot_suspended(id, "AUTO_HEALING");
        let mut replacing = false;
        for request in &rows {
            let Some(row) = self.spot.instances.get(request).filter(|row| row.state == SpotState::Running) else {
                continue;
            };
            let health = self.spot_health(row);
            let Some(row) = self.spot.instances.get_mut(request) else { continue };
            row.health = health;
            match health {
                "HEALTHY" => (row.once_healthy, row.ill_since) = (true, None),
                _ => _ = row.ill_since.get_or_insert(now),
            }
            let running = row.running_at.unwrap_or(now);
            let never = !row.once_healthy && running + grace <= now;
            let ill = row.once_healthy && health == "UNHEALTHY" && row.ill_since.is_some_and(|at| at + patience <= now);
            let dead = row.dead();
            if heals && !row.to_replace && (never || ill || dead) {
                row.to_replace = true;
                replacing = true;
                let instance = row.id.clone().unwrap_or_default();
                let message = format!("Instance {instance} is unhealthy (health check), it will be replaced");
                self.spot_tell(id, "WARN", message);
            }
        }
        let target = self.spot.groups.get(id).map_or(0, |group| group.capacity().1 as usize);
        let of = |wanted: &dyn Fn(&SpotInstance) -> bool| {
            rows.iter().filter(|row| self.spot.instances.get(*row).is_some_and(wanted)).cloned().collect::<Vec<_>>()
        };
        let replaced = of(&|row| row.to_replace);
        let healthy = of(&|row| row.health == "HEALTHY" && !row.to_replace).len();
        let dead = of(&|row| row.to_replace && row.dead());
        let goes = if healthy >= target { replaced } else { dead };
        for request in &goes {
            self.spot_take_out(request, false);
        }
        if replacing || !goes.is_empty() {
            self.spot_react(id);
        }
        self.spot_look_soon(id);
    }

    /// What Spot finds now.
    fn spot_health(&self, row: &SpotInstance) -> &'static str {
        if row.server.stopped.is_some() {
            return "UNHEALTHY";
        }
        let Some(group) = self.spot.groups.get(&row.group) else { return "UNKNOWN" };
        let instance = row.id.as_deref().unwrap_or_default();
        let target_groups = group.target_groups();
        if !group.checks_targets() || target_groups.is_empty() {
            return "HEALTHY";
        }
        let mut found = "HEALTHY";
        for arn in &target_groups {
            let targets = self.target_groups.get(arn).map(|group| &group.targets);
            let target = targets.and_then(|targets| targets.iter().find(|(key, _)| key.id == instance));
            match target.map(|(_, target)| target.health) {
                Some(Health::Healthy) => {}
                Some(Health::Unhealthy) => return "UNHEALTHY",
                _ => found = "UNKNOWN",
            }
        }
        found
    }
}
