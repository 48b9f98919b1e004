//! The tasks of a group's schedule, in UTC: those that set its capacity.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::SpotEvent;
use crate::world::cron::Cron;
use crate::world::{Event, World};

impl World {
    fn spot_next_task(&self, id: &str, after: u64) -> Option<u64> {
        let tasks = self.spot.groups.get(id)?.fields.get("scheduling")?["tasks"].as_array()?;
        let due = |task: &Value| {
            let enabled = task["isEnabled"].as_bool().unwrap_or(true);
            let cron: Cron = task["cronExpression"].as_str().filter(|_| enabled)?.parse().ok()?;
            cron.next_after(after, &TimeZone::UTC)
        };
        tasks.iter().filter_map(due).min()
    }

    /// Expects the next task of a group.
    pub(super) fn spot_plan_tasks(&mut self, id: &str) {
        let next = self.spot_next_task(id, self.now);
        let late = self.settings.spot.task_lateness_millis;
        let Some(group) = self.spot.groups.get_mut(id) else { return };
        if group.tasks_at != next {
            group.tasks_at = next;
            if let Some(at) = next {
                self.schedule(at + late, Event::Spot(SpotEvent::Tasks { group: id.to_owned() }));
            }
        }
    }

    pub(super) fn spot_tasks(&mut self, id: &str) {
        let (now, late) = (self.now, self.settings.spot.task_lateness_millis);
        let Some(group) = self.spot.groups.get_mut(id) else { return };
        let Some(due) = group.tasks_at.take_if(|at| *at + late <= now) else { return };
        let tasks = group.fields.get("scheduling").and_then(|it| it["tasks"].as_array()).cloned().unwrap_or_default();
        let rests = self.spot_suspended(id, "SCHEDULING");
        for task in tasks.iter().filter(|_| !rests) {
            let enabled = task["isEnabled"].as_bool().unwrap_or(true) && task["taskType"] == "scale";
            let cron: Option<Cron> = task["cronExpression"].as_str().filter(|_| enabled).and_then(|it| it.parse().ok());
            if cron.and_then(|cron| cron.next_after(due - 1, &TimeZone::UTC)) != Some(due) {
                continue;
            }
            if let Some(group) = self.spot.groups.get_mut(id) {
                let capacity = group.fields.entry("capacity").or_insert(serde_json::json!({}));
                for (of, name) in [
                    ("minimum", "scaleMinCapacity"),
                    ("target", "scaleTargetCapacity"),
                    ("maximum", "scaleMaxCapacity"),
                ] {
                    if task[name].is_u64() {
                        capacity[of] = task[name].clone();
                    }
                }
            }
            self.spot_tell(id, "INFO", "Scheduled task scale was executed: capacity was changed".into());
            self.spot_react(id);
        }
        self.spot_plan_tasks(id);
    }
}
