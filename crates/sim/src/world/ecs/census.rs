//! What a service's scheduler sees of its tasks.
//!
//! What it owns: which of them are healthy, and which are ill and why. It changes nothing.

use super::{ServiceKey, Task, TaskState, member};
use crate::world::{Health, World};

/// Without a load balancer and without a check of its own, a task is healthy so long after it came to run.
const SETTLED_MILLIS: u64 = 40_000;

/// How long a container may fail its own health check, unless it says otherwise.
const CHECKED_MILLIS: u64 = 90_000;

/// A task that is meant to run.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) deployment: String,
    pub(super) state: TaskState,
    pub(super) zone: String,
    pub(super) started_at: u64,
    pub(super) healthy: bool,
    /// Why it is to be replaced.
    pub(super) ill: Option<Illness>,
    pub(super) protected: bool,
}

/// What is wrong with a task: the event that tells of it, and why it is stopped.
#[derive(Clone, Debug)]
pub(super) struct Illness {
    pub(super) event: String,
    pub(super) reason: String,
}

impl World {
    /// A service's tasks that are meant to run, oldest first.
    pub(super) fn census(&self, key: &ServiceKey) -> Vec<Seen> {
        let Some(service) = self.ecs.services.get(key) else { return Vec::new() };
        let grace = member(&service.fields, "healthCheckGracePeriodSeconds").as_u64().unwrap_or(0) * 1000;
        let tasks = service.tasks.iter().filter_map(|id| self.ecs.tasks.get(id)).filter(|task| task.is_living());
        tasks
            .map(|task| Seen {
                id: task.id.clone(),
                deployment: task.deployment.clone(),
                state: task.state,
                zone: task.zone.clone(),
                started_at: task.started_at.unwrap_or(u64::MAX),
                healthy: self.is_task_healthy(task),
                ill: self.illness(task, grace),
                protected: task.protected_until.is_some_and(|until| self.now < until),
            })
            .collect()
    }

    /// Whether a task runs, and every load balancer and its own check find it healthy.
    pub(super) fn is_task_healthy(&self, task: &Task) -> bool {
        let Some(started) = task.started_at.filter(|_| task.is_running()) else { return false };
        if task.has_health_check && !task.server.answers(self.now) {
            return false;
        }
        if task.targets.is_empty() {
            return task.has_health_check || started + SETTLED_MILLIS <= self.now;
        }
        task.targets.iter().all(|(arn, target)| {
            let health = self.target_groups.get(arn).and_then(|group| group.targets.get(target)).map(|it| it.health);
            matches!(health, Some(Health::Healthy | Health::Unavailable))
        })
    }

    fn illness(&self, task: &Task, grace: u64) -> Option<Illness> {
        let started = task.started_at.filter(|started| task.is_running() && started + grace <= self.now)?;
        let id = &task.id;
        for (arn, target) in &task.targets {
            let found = self.target_groups.get(arn).and_then(|group| group.targets.get(target));
            if let Some(found) = found.filter(|found| found.health == Health::Unhealthy) {
                return Some(Illness {
                    event: format!(
                        "(task {id}) (port {}) is unhealthy in (target-group {arn}) due to (reason {}).",
                        target.port, found.description
                    ),
                    reason: format!("Task failed ELB health checks in (target-group {arn})"),
                });
            }
        }
        let failing = task.has_health_check && !task.server.answers(self.now);
        // What has answered fails since it stopped to; what never has, since its start.
        let since = if task.server.fails_at <= self.now { task.server.fails_at.max(started) } else { started };
        (failing && since + CHECKED_MILLIS <= self.now).then(|| Illness {
            event: format!("(task {id}) failed container health checks."),
            reason: "Task failed container health checks".into(),
        })
    }
}
