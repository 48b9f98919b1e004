//! Furnishing an account with Elastigroups that have been there for a while, and what befalls them.

use serde_json::{Value, json};

use super::{SpotEvent, SpotState};
use crate::world::{Refusal, World};

/// The Spot account of the simulation. There is no other one.
pub const SPOT_ACCOUNT: &str = "act-1a2b3c4d";
/// The token that its API takes. Whoever finds it anywhere but in the request's header and in the secret has found a leak.
pub const SPOT_TOKEN: &str = "canary5e1f0c0ffee5e1f0c0ffee5e1f0c0ffee5e1f0c0ffee5e1f0c0ffee0000";

impl World {
    /// Adds a group, given as `POST /aws/ec2/group` takes it. `already_running`: its instances have been up for a while. Answers its id.
    pub fn add_elastigroup(&mut self, group: &Value, already_running: bool) -> Result<String, Refusal> {
        let id = self.spot_create(group)?;
        if already_running {
            let long_ago = self.now.saturating_sub(30 * 24 * 3_600_000);
            if let Some(group) = self.spot.groups.get_mut(&id) {
                (group.created_at, group.updated_at) = (long_ago, long_ago);
            }
            self.spot_reconcile(&id);
            let requests = self.spot.groups.get(&id).map(|group| group.rows.clone()).unwrap_or_default();
            let now = self.now;
            for request in &requests {
                self.spot_fulfil(request);
                if let Some(row) = self.spot.instances.get_mut(request) {
                    row.server.ready_at = now;
                    (row.health, row.once_healthy) = ("HEALTHY", true);
                }
                self.spot_runs(request);
                let instance = self.spot.instances.get(request).and_then(|row| row.id.clone()).unwrap_or_default();
                for arn in self.spot.groups.get(&id).map(super::Elastigroup::target_groups).unwrap_or_default() {
                    self.assume_healthy(&arn, &instance);
                }
            }
        }
        self.settle();
        Ok(id)
    }

    /// Puts a process of a group to rest, as a human with the console would; for good without minutes.
    pub fn suspend_elastigroup(&mut self, id: &str, process: &str, minutes: Option<u64>) -> Result<(), Refusal> {
        let suspension = match minutes {
            Some(minutes) => json!({ "name": process, "ttlInMinutes": minutes }),
            None => json!({ "name": process }),
        };
        self.spot_suspend(id, &json!({ "suspensions": [suspension] }))
    }

    /// Locks an instance of a group, so that no smaller capacity takes it out. Answers whether there is one.
    pub fn lock_spot_instance(&mut self, instance: &str, minutes: u64) -> bool {
        let until = self.now + minutes * 60_000;
        let Some(row) = self.spot.of_instance_mut(instance) else { return false };
        row.locked_until = Some(until);
        let group = row.group.clone();
        self.spot_in(minutes * 60_000, SpotEvent::Reconcile { group });
        true
    }

    /// Adds a roll of a group in this status, in which it stays. Answers whether there is such a group.
    pub fn roll_elastigroup(&mut self, id: &str, status: &str) -> bool {
        let roll = super::Roll { id: format!("sbgd-{}", self.hex(8)), status: status.into(), created_at: self.now };
        self.spot.groups.get_mut(id).is_some_and(|group| {
            group.rolls.push(roll);
            true
        })
    }

    /// Changes a group, as a human with the console would.
    pub fn change_elastigroup(&mut self, id: &str, change: &Value) -> Result<(), Refusal> {
        self.spot_update(id, change)?;
        self.settle();
        Ok(())
    }

    /// Spot replaces an instance that nothing is wrong with, as it does when the market moves: another one comes first. Answers
    /// whether there is such an instance.
    pub fn replace_spot_instance(&mut self, instance: &str) -> bool {
        let Some(row) = self.spot.of_instance_mut(instance).filter(|row| row.state == SpotState::Running) else {
            return false;
        };
        row.to_replace = true;
        let group = row.group.clone();
        self.spot_react(&group);
        true
    }

    /// AWS interrupts an instance with so many seconds' notice: Spot takes it out at once, and another one comes. Answers whether there
    /// is such an instance.
    pub fn interrupt_spot_instance(&mut self, instance: &str, notice_seconds: u64) -> bool {
        let Some(row) = self.spot.of_instance(instance).filter(|row| row.state == SpotState::Running) else {
            return false;
        };
        let (request, group) = (row.request.clone(), row.group.clone());
        self.spot_take_out(&request, false);
        self.spot_in(notice_seconds * 1000, SpotEvent::Drained { request });
        self.spot_react(&group);
        self.settle();
        true
    }
}
