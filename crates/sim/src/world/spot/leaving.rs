//! How instances leave a group: who is chosen, how long they have, and when they are gone.
//!
//! What Spot gives them is the group's draining timeout, whatever their target groups' delay is: what is still under way then is cut
//! off.

use super::group::unknown;
use super::{SpotEvent, SpotInstance, SpotState};
use crate::world::{Refusal, Stop, World};

impl World {
    /// A group loses so many instances: those that are ill first, then what has not come yet, then the oldest. None that is locked.
    pub(super) fn spot_shrink(&mut self, id: &str, most: usize) {
        let now = self.now;
        let Some(group) = self.spot.groups.get(id) else { return };
        let rows = group.rows.iter().filter_map(|row| self.spot.instances.get(row));
        let mut victims: Vec<&SpotInstance> =
            rows.filter(|row| row.locked_until.is_none_or(|until| until <= now)).collect();
        victims.sort_by_key(|row| (!row.to_replace, row.state == SpotState::Running, row.created_at));
        let victims: Vec<String> = victims.into_iter().take(most).map(|row| row.request.clone()).collect();
        for request in victims {
            self.spot_take_out(&request, false);
        }
    }

    /// An instance leaves its group: Spot lists it no more, whatever it still has to do.
    pub(super) fn spot_take_out(&mut self, request: &str, at_once: bool) {
        let Some(row) = self.spot.instances.get_mut(request).filter(|row| row.belongs()) else { return };
        let (group, instance, ran) = (row.group.clone(), row.id.clone(), row.state == SpotState::Running);
        let dead = row.dead();
        row.state = SpotState::Leaving;
        row.tags.push(("spotinst:aws:ec2:state".into(), "detached".into()));
        let draining = match self.spot.groups.get_mut(&group) {
            Some(group) => {
                group.rows.retain(|it| it != request);
                group.draining_millis()
            }
            None => 0,
        };
        self.spot_react(&group);
        let Some(instance) = instance else {
            // Nothing has come of it.
            self.spot.instances.remove(request);
            return;
        };
        self.spot_tell(&group, "INFO", format!("Instance {instance} was detached"));
        let until = self.deregister_everywhere(&instance);
        let waits = if ran && !dead && !at_once && until.is_some() { draining } else { 0 };
        self.spot_in(waits, SpotEvent::Drained { request: request.to_owned() });
    }

    pub(super) fn spot_drained(&mut self, request: &str) {
        let now = self.now;
        let takes = self.between(self.settings.terminate_millis);
        let Some(row) = self.spot.instances.get_mut(request).filter(|row| row.state == SpotState::Leaving) else {
            return;
        };
        row.state = SpotState::ShuttingDown;
        let slot = row.server.slot;
        if row.server.stopped.is_none() {
            row.server.stopped = Some((now, Stop::Terminated));
            self.cut(slot, Stop::Terminated.cuts());
        }
        self.spot_in(takes, SpotEvent::Terminated { request: request.to_owned() });
    }

    pub(super) fn spot_terminated(&mut self, request: &str) {
        let Some(row) = self.spot.instances.remove(request) else { return };
        self.spot_tell(&row.group, "INFO", format!("Instance {} was terminated", row.id.unwrap_or_default()));
    }

    /// Deletes a group with its instances. Whether they drain first, Spot does not say.
    pub(crate) fn spot_delete(&mut self, id: &str) -> Result<(), Refusal> {
        let Some(group) = self.spot.groups.get(id) else { return Err(unknown(id)) };
        let at_once = !self.settings.spot.delete_drains;
        for request in group.rows.clone() {
            self.spot_take_out(&request, at_once);
        }
        self.spot.groups.remove(id);
        Ok(())
    }

    /// AWS takes an instance of a group away without asking. Answers whether there was one to take.
    pub(in crate::world) fn spot_kill(&mut self, instance: &str) -> bool {
        let now = self.now;
        let Some(row) = self.spot.of_instance_mut(instance) else { return false };
        if row.server.stopped.is_some() || row.state == SpotState::ShuttingDown {
            return false;
        }
        row.server.stopped = Some((now, Stop::Killed));
        let (slot, group) = (row.server.slot, row.group.clone());
        self.cut(slot, Stop::Killed.cuts());
        self.spot_look_soon(&group);
        self.settle();
        true
    }
}
