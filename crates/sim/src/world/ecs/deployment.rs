//! ECS's own deployments of a service: which settings its tasks are to have, and how far that has come.

use serde_json::{Map, Value};

use super::{Service, ServiceKey};
use crate::world::World;

/// The settings of a service whose change is a deployment.
pub(crate) const DEPLOYED: [&str; 11] = [
    "taskDefinition",
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "platformFamily",
    "networkConfiguration",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// How far a deployment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Under way.
    InProgress,
    /// Done.
    Completed,
    /// Given up by the circuit breaker.
    Failed,
}

impl Rollout {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// One deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its id: `ecs-svc/…`.
    pub id: String,
    /// The ARN of its task definition.
    pub definition: String,
    /// How far it has come.
    pub rollout: Rollout,
    /// Why, in words.
    pub reason: String,
    /// How many of its tasks have failed while it was under way.
    pub failed_tasks: u32,
    /// What its tasks are started with, as the API spells it.
    pub(crate) config: Map<String, Value>,
    /// The ARN of the service revision that it deploys.
    pub(crate) revision: String,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
}

impl Service {
    /// The deployment that the service is to come to.
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.first()
    }
}

impl World {
    /// Begins a deployment of what a service's settings are now.
    pub(super) fn deploy(&mut self, key: &ServiceKey, definition: &str) {
        let digits: String = (0..19).map(|nth| self.rng.u32(u32::from(nth == 0)..10).to_string()).collect();
        let Some(service) = self.ecs.services.get(key) else { return };
        let mut config = service.fields.clone();
        config.retain(|name, _| DEPLOYED.contains(&name.as_str()));
        let path = format!("service-revision/{}/{}", key.0, key.1);
        let deployment = Deployment {
            id: format!("ecs-svc/{digits}"),
            definition: definition.to_owned(),
            rollout: Rollout::InProgress,
            reason: format!("ECS deployment ecs-svc/{digits} in progress."),
            failed_tasks: 0,
            config,
            revision: format!("arn:aws:ecs:{}:{}:{path}/{digits}", self.region, self.account),
            created_at: self.now,
            updated_at: self.now,
        };
        if let Some(service) = self.ecs.services.get_mut(key) {
            service.deployments.insert(0, deployment);
            service.steady = false;
            service.rests_until = 0;
            service.start_failures = 0;
        }
        self.expect_tick(key);
    }

    /// A service has come to what its primary deployment wants.
    pub(super) fn complete_deployment(&mut self, key: &ServiceKey) {
        let now = self.now;
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        service.deployments.truncate(1);
        let Some(primary) = service.deployments.first_mut() else { return };
        if primary.rollout == Rollout::InProgress {
            primary.rollout = Rollout::Completed;
            primary.reason = format!("ECS deployment {} completed.", primary.id);
            primary.updated_at = now;
            let id = primary.id.clone();
            self.tell(key, &format!("(deployment {id}) deployment completed."));
        }
    }

    /// A task of a deployment has failed.
    pub(super) fn note_failure(&mut self, task: &str) {
        let Some(task) = self.ecs.tasks.get(task) else { return };
        let (key, id) = (task.service.clone(), task.deployment.clone());
        let deployments = self.ecs.services.get_mut(&key).map(|service| &mut service.deployments);
        let of = deployments.into_iter().flatten().find(|it| it.id == id && it.rollout == Rollout::InProgress);
        if let Some(deployment) = of {
            deployment.failed_tasks += 1;
        }
    }
}
