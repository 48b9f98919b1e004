//! Task scale-in protection.

use super::Task;
use crate::world::World;

impl World {
    /// Protects a running task from scale-in until an instant, or no longer. Answers whether it is one that runs.
    pub(crate) fn protect_task(&mut self, id: &str, until: Option<u64>) -> bool {
        let Some(task) = self.ecs.tasks.get_mut(id).filter(|task| Task::is_living(task)) else { return false };
        task.protected_until = until;
        let key = task.service.clone();
        self.expect_tick(&key);
        true
    }

    /// Protects all tasks of a service from scale-in, as its application would, for so many minutes.
    pub fn protect_tasks(&mut self, cluster: &str, service: &str, minutes: u64) {
        let until = self.now + minutes * 60_000;
        for id in self.tasks_of(cluster, service) {
            self.protect_task(&id, Some(until));
        }
    }
}
