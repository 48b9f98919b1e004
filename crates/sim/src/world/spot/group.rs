//! Groups: making, changing, sizing and deleting them, with what Spot refuses.
//!
//! What it owns: the JSON of each group, and its history. What follows from another size happens elsewhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::SpotEvent;
use crate::world::{Refusal, World, timestamp};

/// An Elastigroup.
#[derive(Clone, Debug)]
pub struct Elastigroup {
    /// Its id, `sig-…`.
    pub id: String,
    /// What it is, as the API spells it, without id and times.
    pub fields: Map<String, Value>,
    /// When it was made.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
    /// How many instances it heeds to have.
    pub(super) heeded: u32,
    /// The requests of the instances that belong to it, oldest first.
    pub(super) rows: Vec<String>,
    /// What rests, each until when; without a time, for good.
    pub(super) suspended: BTreeMap<String, Option<u64>>,
    /// What Spot tells of it, oldest first.
    pub logs: Vec<LogLine>,
    /// Its rolls.
    pub rolls: Vec<Roll>,
    /// When Spot looks at its health next.
    pub(super) looks_at: Option<u64>,
    /// When tasks of its schedule are due next.
    pub(super) tasks_at: Option<u64>,
}

/// A line of the log that Spot keeps of a group.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// When.
    pub at_millis: u64,
    /// `INFO`, `WARN`, `ERROR` or `DEBUG`.
    pub severity: &'static str,
    /// What.
    pub message: String,
}

/// A roll: the replacement of all instances of a group, batch by batch.
#[derive(Clone, Debug)]
pub struct Roll {
    /// Its id, `sbgd-…`.
    pub id: String,
    /// `starting`, `in_progress`, `finished`, `failed` or `stopped`. One that has failed is in the way until somebody stops it.
    pub status: String,
    /// When it began.
    pub created_at: u64,
}

/// The fields that nobody sets.
const READ_ONLY: [&str; 3] = ["id", "createdAt", "updatedAt"];

impl Elastigroup {
    fn number(&self, path: &str) -> Option<u64> {
        self.value(path)?.as_u64()
    }

    fn value(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let mut value = self.fields.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        Some(value)
    }

    /// Minimum, target and maximum.
    pub fn capacity(&self) -> (u32, u32, u32) {
        let of = |name| u32::try_from(self.number(&format!("capacity.{name}")).unwrap_or(0)).unwrap_or(u32::MAX);
        (of("minimum"), of("target"), of("maximum"))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.fields.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// What people call it: what a tag `…:fleet` says, else its name.
    pub fn called(&self) -> String {
        let fleet = self.tags().into_iter().find(|(key, _)| key.ends_with(":fleet")).map(|(_, value)| value);
        fleet.unwrap_or_else(|| self.name().to_owned())
    }

    /// The value of one of its tags.
    pub fn tag(&self, key: &str) -> Option<&str> {
        let tags = self.value("compute.launchSpecification.tags")?.as_array()?;
        tags.iter().find(|tag| tag["tagKey"] == key)?["tagValue"].as_str()
    }

    /// All of its tags.
    pub fn tags(&self) -> Vec<(String, String)> {
        let tags = self.value("compute.launchSpecification.tags").and_then(Value::as_array);
        let text = |tag: &Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
        tags.into_iter().flatten().map(|tag| (text(tag, "tagKey"), text(tag, "tagValue"))).collect()
    }

    /// The ARNs of its target groups.
    pub fn target_groups(&self) -> Vec<String> {
        let balancers = self.value("compute.launchSpecification.loadBalancersConfig.loadBalancers");
        let balancers = balancers.and_then(Value::as_array).into_iter().flatten();
        balancers.filter_map(|it| it["arn"].as_str().map(str::to_owned)).collect()
    }

    pub(super) fn image(&self) -> String {
        let image = self.value("compute.launchSpecification.imageId").and_then(Value::as_str);
        image.unwrap_or_default().to_owned()
    }

    /// How long an instance that is taken out has, in milliseconds: 120 seconds unless it says otherwise.
    pub(super) fn draining_millis(&self) -> u64 {
        self.number("strategy.drainingTimeout").unwrap_or(120) * 1000
    }

    pub(super) fn checks_targets(&self) -> bool {
        let kind = self.value("compute.launchSpecification.healthCheckType").and_then(Value::as_str);
        matches!(kind, Some("TARGET_GROUP" | "ELB"))
    }

    pub(super) fn grace_millis(&self) -> u64 {
        self.number("compute.launchSpecification.healthCheckGracePeriod").unwrap_or(300) * 1000
    }

    pub(super) fn unhealthy_millis(&self) -> u64 {
        let path = "compute.launchSpecification.healthCheckUnhealthyDurationBeforeReplacement";
        self.number(path).unwrap_or(120) * 1000
    }

    pub(super) fn falls_back(&self) -> bool {
        self.value("strategy.fallbackToOd").and_then(Value::as_bool).unwrap_or(true)
    }

    pub(super) fn zones(&self) -> Vec<String> {
        let zones = self.value("compute.availabilityZones").and_then(Value::as_array);
        let named = zones.into_iter().flatten().filter_map(|zone| zone["name"].as_str().map(str::to_owned));
        named.collect()
    }

    pub(super) fn instance_type(&self) -> String {
        let types = self.value("compute.instanceTypes.spot").and_then(Value::as_array);
        let first = types.and_then(|types| types.first()).and_then(Value::as_str);
        first.unwrap_or("m6i.large").to_owned()
    }

    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = self.fields.clone();
        shown.insert("id".into(), json!(self.id));
        shown.insert("createdAt".into(), json!(timestamp(self.created_at)));
        shown.insert("updatedAt".into(), json!(timestamp(self.updated_at)));
        Value::Object(shown)
    }
}

impl World {
    /// The group of this id.
    pub fn elastigroup(&self, id: &str) -> Option<&Elastigroup> {
        self.spot.groups.get(id)
    }

    /// The groups that are there, by their ids.
    pub fn elastigroups(&self) -> impl Iterator<Item = &Elastigroup> {
        self.spot.groups.values()
    }

    /// Makes a group. Names may be given twice.
    pub(crate) fn spot_create(&mut self, group: &Value) -> Result<String, Refusal> {
        let Some(fields) = group.as_object() else { return Err(missing("group")) };
        let mut fields = fields.clone();
        if let Some(name) = READ_ONLY.iter().find(|name| fields.contains_key(**name)) {
            return Err(Refusal::new(400, "ValidationError", &format!("body:group.{name}: \"{name}\" is not allowed")));
        }
        if fields.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(missing("group.name"));
        }
        for path in [&["compute", "product"][..], &["compute", "launchSpecification"], &["compute", "instanceTypes"]] {
            let found =
                path.iter().try_fold(&Value::Object(fields.clone()), |value, part| value.get(*part).ok_or(())).is_ok();
            if !found {
                return Err(missing(&format!("group.{}", path.join("."))));
            }
        }
        contradictions(&fields)?;
        let capacity = fields.entry("capacity").or_insert(json!({}));
        for name in ["minimum", "target", "maximum"] {
            if capacity[name].is_null() {
                capacity[name] = json!(0);
            }
        }
        if capacity["unit"].is_null() {
            capacity["unit"] = json!("instance");
        }
        valid_capacity(capacity)?;
        fields.entry("region").or_insert(json!(self.region));
        let id = format!("sig-{}", self.hex(8));
        let group = Elastigroup {
            id: id.clone(),
            fields,
            created_at: self.now,
            updated_at: self.now,
            heeded: 0,
            rows: Vec::new(),
            suspended: BTreeMap::new(),
            logs: Vec::new(),
            rolls: Vec::new(),
            looks_at: None,
            tasks_at: None,
        };
        self.spot.groups.insert(id.clone(), group);
        self.spot_tell(&id, "INFO", "Group was created".into());
        self.spot_react(&id);
        self.spot_plan_tasks(&id);
        Ok(id)
    }

    /// Changes a group: what is left out stays, and null takes away.
    pub(crate) fn spot_update(&mut self, id: &str, change: &Value) -> Result<Value, Refusal> {
        let now = self.now;
        let Some(change) = change.as_object() else { return Err(missing("group")) };
        let group = self.spot.groups.get_mut(id).ok_or_else(|| unknown(id))?;
        if let Some(name) = READ_ONLY.iter().find(|name| change.contains_key(**name)) {
            return Err(Refusal::new(400, "ValidationError", &format!("body:group.{name}: \"{name}\" is not allowed")));
        }
        if change.get("compute").is_some_and(|compute| compute.get("product").is_some()) {
            return Err(Refusal::new(400, "ValidationError", "body:group.compute.product: \"product\" is not allowed"));
        }
        let mut fields = Value::Object(group.fields.clone());
        merge(&mut fields, &Value::Object(change.clone()));
        let Value::Object(fields) = fields else { return Err(missing("group")) };
        contradictions(&fields)?;
        valid_capacity(fields.get("capacity").unwrap_or(&Value::Null))?;
        let before = group.target_groups();
        group.fields = fields;
        group.updated_at = now;
        let (after, shown) = (group.target_groups(), group.shown());
        self.spot_moves(id, &before, &after);
        self.spot_react(id);
        self.spot_plan_tasks(id);
        Ok(shown)
    }

    /// Sets a group's capacity. Always all three.
    pub(crate) fn spot_resize(&mut self, id: &str, capacity: &Value) -> Result<Value, Refusal> {
        let now = self.now;
        let group = self.spot.groups.get_mut(id).ok_or_else(|| unknown(id))?;
        for name in ["minimum", "target", "maximum"] {
            if capacity[name].as_u64().is_none() {
                return Err(missing(&format!("capacity.{name}")));
            }
        }
        valid_capacity(capacity)?;
        if group.rolls.last().is_some_and(|roll| matches!(roll.status.as_str(), "starting" | "in_progress" | "failed"))
        {
            return Err(Refusal::new(400, "GENERAL_ERROR", "Can't update capacity while a roll is in progress"));
        }
        let kept = group.fields.entry("capacity").or_insert(json!({ "unit": "instance" }));
        for name in ["minimum", "target", "maximum"] {
            kept[name] = capacity[name].clone();
        }
        group.updated_at = now;
        let answer = json!({
            "minimum": kept["minimum"], "target": kept["target"], "maximum": kept["maximum"],
        });
        self.spot_react(id);
        Ok(answer)
    }

    /// A line for a group's log.
    pub(super) fn spot_tell(&mut self, id: &str, severity: &'static str, message: String) {
        let at_millis = self.now;
        if let Some(group) = self.spot.groups.get_mut(id) {
            group.logs.push(LogLine { at_millis, severity, message });
        }
    }

    /// A group will soon compare what it has with what it wants.
    pub(super) fn spot_react(&mut self, id: &str) {
        let soon = self.settings.spot.reaction_millis;
        self.spot_in(soon, SpotEvent::Reconcile { group: id.to_owned() });
    }
}

/// Puts a change into a value: objects member by member, everything else whole.
fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                match (into.get_mut(name), value) {
                    (_, Value::Null) => _ = into.remove(name),
                    (Some(there), value) => merge(there, value),
                    (None, value) => _ = into.insert(name.clone(), value.clone()),
                }
            }
        }
        (into, change) => *into = change.clone(),
    }
}

/// What excludes each other, as Spot says it: also where one of them is null.
fn contradictions(fields: &Map<String, Value>) -> Result<(), Refusal> {
    let specification = fields.get("compute").map(|compute| &compute["launchSpecification"]);
    let has = |name: &str| specification.is_some_and(|it| it.get(name).is_some());
    if has("imageId") && has("images") {
        let message =
            "body:group.compute.launchSpecification: contains a conflict between exclusive peers [imageId, images]";
        return Err(Refusal::new(400, "ValidationError", message));
    }
    let types = fields.get("compute").map(|compute| &compute["instanceTypes"]);
    let has = |name: &str| types.is_some_and(|it| it.get(name).is_some());
    if has("ondemand") && has("onDemandTypes") {
        return Err(Refusal::new(400, "ValidationError", "Cannot set both 'ondemand' and 'onDemandTypes'"));
    }
    Ok(())
}

fn valid_capacity(capacity: &Value) -> Result<(), Refusal> {
    let of = |name: &str| capacity[name].as_i64().unwrap_or(0);
    let (minimum, target, maximum) = (of("minimum"), of("target"), of("maximum"));
    let refuse = |field: &str, most: i64| {
        let message = format!("body:group.capacity.{field}: \"{field}\" must be less than or equal to {most}");
        Err(Refusal::new(400, "ValidationError", &message))
    };
    if minimum > target {
        return refuse("minimum", target);
    }
    if target > maximum {
        return refuse("target", maximum);
    }
    Ok(())
}

fn missing(field: &str) -> Refusal {
    let name = field.rsplit('.').next().unwrap_or(field);
    Refusal::new(400, "ValidationError", &format!("body:{field}: \"{name}\" is required"))
}

/// Spot's words for a group that is not there: 400, and not 404.
pub(crate) fn unknown(id: &str) -> Refusal {
    Refusal::new(400, "GROUP_DOESNT_EXIST", &format!("Group {id} doesn't exist"))
}
