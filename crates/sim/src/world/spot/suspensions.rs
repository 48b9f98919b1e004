//! What of a group rests, and until when.

use serde_json::{Value, json};

use super::group::unknown;
use crate::world::{Refusal, World};

/// What can rest. The last one is undocumented.
const PROCESSES: [&str; 7] = [
    "AUTO_SCALE",
    "AUTO_HEALING",
    "OUT_OF_STRATEGY",
    "PREVENTIVE_REPLACEMENT",
    "REVERT_PREFERRED",
    "SCHEDULING",
    "LB_REGISTRATION",
];

impl World {
    /// Whether something of a group rests now.
    pub(super) fn spot_suspended(&self, id: &str, process: &str) -> bool {
        let Some(group) = self.spot.groups.get(id) else { return false };
        let until = group.suspended.get(process);
        until.is_some_and(|until| until.is_none_or(|until| self.now < until))
    }

    /// The names of what rests of a group.
    pub(crate) fn spot_suspensions(&self, id: &str) -> Result<Vec<String>, Refusal> {
        let group = self.spot.groups.get(id).ok_or_else(|| unknown(id))?;
        let names = group.suspended.keys().filter(|name| self.spot_suspended(id, name));
        Ok(names.cloned().collect())
    }

    /// Puts processes of a group to rest.
    pub(crate) fn spot_suspend(&mut self, id: &str, body: &Value) -> Result<(), Refusal> {
        let (now, most) = (self.now, self.settings.spot.suspensions_last_millis.unwrap_or(u64::MAX));
        let keep = self.settings.spot.suspensions_keep_their_end;
        let group = self.spot.groups.get_mut(id).ok_or_else(|| unknown(id))?;
        let plain = body["processes"].as_array().into_iter().flatten().map(|name| json!({ "name": name }));
        let all: Vec<Value> = body["suspensions"].as_array().into_iter().flatten().cloned().chain(plain).collect();
        for suspension in all {
            let name = known(&suspension["name"])?;
            let until = suspension["ttlInMinutes"].as_u64().map(|ttl| now + (ttl * 60_000).min(most));
            let there = group.suspended.get(&name).is_some_and(|until| until.is_none_or(|until| now < until));
            if !(keep && there) {
                group.suspended.insert(name, until);
            }
        }
        Ok(())
    }

    /// Lets processes of a group go on.
    pub(crate) fn spot_resume(&mut self, id: &str, body: &Value) -> Result<(), Refusal> {
        let group = self.spot.groups.get_mut(id).ok_or_else(|| unknown(id))?;
        for name in body["processes"].as_array().into_iter().flatten() {
            group.suspended.remove(&known(name)?);
        }
        self.spot_react(id);
        Ok(())
    }
}

fn known(name: &Value) -> Result<String, Refusal> {
    let name = name.as_str().unwrap_or_default();
    if PROCESSES.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(Refusal::new(400, "ValidationError", &format!("body:suspensions.name: \"name\" must be one of {PROCESSES:?}")))
}
