//! Furnishing an account with services that have been there for a while.

use serde_json::Value;

use super::{Rollout, ServiceKey};
use crate::world::{Refusal, World};

impl World {
    /// Adds a service, given as the CLI's `create-service --cli-input-json`. `already_running`: its tasks have been up for a
    /// while: running, answering and healthy from the start.
    pub fn add_service(&mut self, request: &Value, already_running: bool) -> Result<(), Refusal> {
        let key = self.create_service(request)?;
        if already_running {
            self.assume_deployed(&key);
        }
        self.settle();
        Ok(())
    }

    fn assume_deployed(&mut self, key: &ServiceKey) {
        let now = self.now;
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        let desired = service.desired;
        service.steady = true;
        let Some(primary) = service.deployments.first_mut() else { return };
        primary.rollout = Rollout::Completed;
        primary.reason = format!("ECS deployment {} completed.", primary.id);
        primary.updated_at = now;
        let id = primary.id.clone();
        self.start_tasks(key, &id, desired, true);
        self.tell(key, "has reached a steady state.");
    }

    /// Sets a service's desired count, as a human with the console would.
    pub fn resize_service(&mut self, cluster: &str, name: &str, desired: u32) -> Result<(), Refusal> {
        let request = serde_json::json!({ "cluster": cluster, "service": name, "desiredCount": desired });
        self.update_service(&request)?;
        self.settle();
        Ok(())
    }

    /// Sets a service's tag, or removes it, as a human with the console would. Answers whether there is such a service.
    pub fn set_service_tag(&mut self, cluster: &str, name: &str, key: &str, value: Option<&str>) -> bool {
        let Some(service) = self.ecs.services.get_mut(&(cluster.to_owned(), name.to_owned())) else { return false };
        match value {
            None => drop(service.tags.remove(key)),
            Some(value) => drop(service.tags.insert(key.to_owned(), value.to_owned())),
        }
        true
    }

    /// AWS balances a service's tasks over zones: it starts so many more, and stops as many when they are healthy (P95).
    pub fn rebalance_service(&mut self, cluster: &str, name: &str, tasks: u32) {
        let key = (cluster.to_owned(), name.to_owned());
        if let Some(service) = self.ecs.services.get_mut(&key) {
            service.rebalancing = tasks;
            service.steady = false;
        }
        self.expect_tick(&key);
    }
}
