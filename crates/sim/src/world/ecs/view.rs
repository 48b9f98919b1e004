//! A service at a glance, for tests and demonstrations.

use super::{ServiceStatus, TaskState};
use crate::world::World;

/// A service's size at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceView {
    /// The number of tasks that it wants to have.
    pub desired: u32,
    /// How many tasks are starting.
    pub pending: u32,
    /// How many tasks run.
    pub running: u32,
    /// How many tasks are leaving.
    pub stopping: u32,
    /// How many tasks can really answer a request now.
    pub answering: u32,
    /// Whether the service was deleted.
    pub deleting: bool,
    /// The ARN of the task definition of its next task.
    pub definition: String,
    /// Its target groups.
    pub target_groups: Vec<String>,
}

impl World {
    /// The ids of a service's tasks that are meant to run, oldest first.
    pub fn tasks_of(&self, cluster: &str, service: &str) -> Vec<String> {
        let Some(service) = self.service(cluster, service) else { return Vec::new() };
        let living = |id: &&String| self.ecs.tasks.get(*id).is_some_and(super::Task::is_living);
        service.tasks.iter().filter(living).cloned().collect()
    }

    /// A service's size at a glance, unless it is gone.
    pub fn service_view(&self, cluster: &str, name: &str) -> Option<ServiceView> {
        let service = self.service(cluster, name).filter(|it| it.status != ServiceStatus::Inactive)?;
        let mut view = ServiceView {
            desired: service.desired,
            deleting: service.status == ServiceStatus::Draining,
            definition: service.primary().map(|it| it.definition.clone()).unwrap_or_default(),
            target_groups: service.target_groups(),
            ..ServiceView::default()
        };
        for task in service.tasks.iter().filter_map(|id| self.ecs.tasks.get(id)) {
            match task.state {
                TaskState::Stopped => continue,
                TaskState::Running if task.is_living() => view.running += 1,
                _ if task.is_living() => view.pending += 1,
                _ => view.stopping += 1,
            }
            view.answering += u32::from(task.server.answers(self.now));
        }
        Some(view)
    }
}
