//! What of a group rests, and until when.

use serde_json::{Value, json};

use super::group::unknown;
use crate::world::{Refusal, World, timestamp};

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

    /// What rests of a group, as Spot answers whoever changes it: names, and until when each.
    pub(crate) fn spot_suspensions(&self, id: &str) -> Result<Value, Refusal> {
        let group = self.spot.groups.get(id).ok_or_else(|| unknown(id))?;
        let rests = || group.suspended.iter().filter(|(name, _)| self.spot_suspended(id, name));
        let told = |until: u64| timestamp(until).replace('Z', "+0000");
        let one = |(name, until): (&String, &Option<u64>)| json!({ "name": name, "expiresAt": until.map(told) });
        Ok(json!({
            "groupId": id,
            "processes": rests().map(|(name, _)| name).collect::<Vec<_>>(),
            "suspensions": rests().map(one).collect::<Vec<_>>(),
        }))
    }

    /// The same for whoever asks: until when may be left out.
    pub(crate) fn spot_list_suspensions(&self, id: &str) -> Result<Value, Refusal> {
        let mut shown = self.spot_suspensions(id)?;
        if let Some(fields) = shown.as_object_mut().filter(|_| self.settings.spot.ends_untold) {
            fields.remove("suspensions");
        }
        Ok(shown)
    }

    /// An older inventory as it would be by now, had only time gone by: what had a time limit at Spot goes on by itself.
    pub fn lapsed(&self, mut inventory: Value) -> Value {
        for group in inventory["elastigroups"].as_object_mut().into_iter().flat_map(|groups| groups.values_mut()) {
            if let Some(suspended) = group["suspended"].as_object_mut() {
                suspended.retain(|_, until| until.as_u64().is_none_or(|until| self.now < until));
            }
        }
        inventory
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
