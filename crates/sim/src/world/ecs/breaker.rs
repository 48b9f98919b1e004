//! ECS's circuit breaker: it gives up a deployment whose tasks keep failing.
//!
//! It looks at deployments that are under way alone. A scale-up is none, so that nothing is given up then (P77).

use serde_json::Value;

use super::{Rollout, ServiceKey, member};
use crate::world::World;

impl World {
    /// Gives up a service's primary deployment, if enough of its tasks have failed.
    pub(super) fn break_circuit(&mut self, key: &ServiceKey) {
        let now = self.now;
        let Some(service) = self.ecs.services.get_mut(key) else { return };
        let breaker = &member(&service.fields, "deploymentConfiguration")["deploymentCircuitBreaker"];
        let (enabled, back) = (breaker["enable"] == true, breaker["rollback"] == true);
        let enough = threshold(breaker, service.desired);
        let Some(primary) = service.deployments.first_mut() else { return };
        if !enabled || primary.rollout != Rollout::InProgress || primary.failed_tasks < enough {
            return;
        }
        primary.rollout = Rollout::Failed;
        primary.reason = "ECS deployment circuit breaker: tasks failed to start.".into();
        primary.updated_at = now;
        let failed = primary.id.clone();
        let before = service.deployments.iter().skip(1).position(|it| it.rollout == Rollout::Completed);
        let mut rolls_back = None;
        // The breaker of a first deployment has nothing to go back to: it stays, and starts nothing more (P78).
        if let (true, Some(place)) = (back, before) {
            let mut old = service.deployments.remove(place + 1);
            old.rollout = Rollout::InProgress;
            old.reason = format!("ECS deployment circuit breaker: rolling back to deploymentId {}.", old.id);
            old.updated_at = now;
            service.fields.extend(old.config.clone());
            rolls_back = Some(old.id.clone());
            service.deployments.insert(0, old);
        }
        self.tell(key, &format!("(deployment {failed}) deployment failed: tasks failed to start."));
        if let Some(old) = rolls_back {
            self.tell(key, &format!("rolling back to deployment {old}."));
        }
    }
}

/// How many failed tasks are enough: half of what is desired, between 3 and 200, unless the breaker says otherwise.
fn threshold(breaker: &Value, desired: u32) -> u32 {
    let given = &breaker["thresholdConfiguration"];
    let value = given["value"].as_u64().and_then(|value| u32::try_from(value).ok());
    match (given["type"].as_str(), value) {
        (Some("COUNT"), Some(count)) => count.max(1),
        (Some(_), Some(percent)) => (desired * percent).div_ceil(100).clamp(3, 200),
        _ => desired.div_ceil(2).clamp(3, 200),
    }
}
