//! Amazon ECS: clusters, task definitions, services and their tasks.
//!
//! What it owns: all state behind the ECS API, and what happens to it by itself: a scheduler that acts in ticks, tasks that
//! start and stop step by step, deployments. Settings are kept as the API spells them, unknown ones included.
//!
//! What it must never do: decide what a target's health is, or where requests go; it registers and deregisters targets as the
//! service scheduler does, and reads their health.

mod breaker;
mod census;
mod cluster;
mod defaults;
mod definition;
mod deployment;
mod events;
mod image;
mod leaving;
mod placement;
mod protection;
mod restore;
mod scheduler;
mod service;
mod settings;
mod setup;
mod starting;
mod tags;
mod task;
mod validity;
mod view;

use std::collections::BTreeMap;

pub use cluster::{Cluster, ContainerInstance};
pub use definition::Definition;
pub use deployment::{Deployment, Rollout};
pub use events::ServiceEvent;
pub use image::{ContainerBehaviour, ContainerImage};
pub use service::{Service, ServiceStatus};
pub use settings::EcsSettings;
pub use task::{StopCode, Task, TaskState};
pub use view::ServiceView;

pub(crate) use definition::last_part;
pub(crate) use tags::{check_tags, tags_of};
pub(crate) use task::{container_state, has_port};

use serde_json::{Map, Value};

use super::{Event, TargetKey, World};

/// A member of a structure; null when there is none.
pub(crate) fn member<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a Value {
    fields.get(name).unwrap_or(&Value::Null)
}

/// Cluster and name of a service.
pub(crate) type ServiceKey = (String, String);

/// Everything of one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ecs {
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) services: BTreeMap<ServiceKey, Service>,
    /// By their ids, also those that have stopped lately.
    pub(crate) tasks: BTreeMap<String, Task>,
    /// The revisions of each family, the first first.
    pub(crate) definitions: BTreeMap<String, Vec<Definition>>,
    images: BTreeMap<String, ContainerImage>,
    /// How all others behave, where they are there.
    other_images: Option<ContainerBehaviour>,
    /// Where tasks listen.
    addresses: BTreeMap<TargetKey, String>,
    /// How many addresses tasks have been given so far.
    given: u32,
}

impl Ecs {
    /// The task that listens at a target.
    pub(super) fn task_at(&self, target: &TargetKey) -> Option<&Task> {
        self.tasks.get(self.addresses.get(target)?)
    }
}

/// What is going to happen.
#[derive(Clone, Debug)]
pub(super) enum EcsEvent {
    /// The scheduler looks at a service.
    Tick { service: ServiceKey },
    /// A task that starts goes a step further.
    Starts { task: String },
    /// A task that runs is registered with its target groups.
    Registers { task: String },
    /// A task's essential container ends by itself.
    Exits { task: String },
    /// The load balancers are told that a task has gone.
    Deregisters { task: String },
    /// A task that stops goes a step further.
    Leaves { task: String },
    /// A stopped task is not listed any more.
    Forgotten { task: String },
}

impl World {
    pub(super) fn ecs_happens(&mut self, event: EcsEvent) {
        match event {
            EcsEvent::Tick { service } => self.tick(&service),
            EcsEvent::Starts { task } => self.task_starts(&task),
            EcsEvent::Registers { task } => self.task_registers(&task),
            EcsEvent::Exits { task } => self.task_exits(&task),
            EcsEvent::Deregisters { task } => drop(self.task_deregisters(&task)),
            EcsEvent::Leaves { task } => self.task_leaves(&task),
            EcsEvent::Forgotten { task } => self.task_forgotten(&task),
        }
    }

    fn ecs_in(&mut self, millis: u64, event: EcsEvent) {
        self.schedule_in(millis, Event::Ecs(event));
    }

    /// The load balancer has changed its mind about a target.
    pub(super) fn note_target(&mut self, target: &TargetKey) {
        let service = self.ecs.task_at(target).map(|task| task.service.clone());
        if let Some(service) = service {
            self.expect_tick(&service);
        }
    }
}
