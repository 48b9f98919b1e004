//! Task definitions: families of revisions that never change.
//!
//! What it owns: registering, finding and deregistering them. A definition is kept as it was given, completed as AWS completes
//! it, so that what was described can be registered again and is the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::tags::tags_of;
use crate::world::{Refusal, World};

/// What Describe adds, and Register does not take.
pub(super) const OUTPUT: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// How long a definition may be, in bytes.
const LONGEST: usize = 64 * 1024;

/// One revision of a family.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its ARN.
    pub arn: String,
    /// Its family.
    pub family: String,
    /// Its number.
    pub revision: u64,
    /// Whether new services may use it.
    pub active: bool,
    /// What it was given, as the API spells it, completed.
    pub fields: Map<String, Value>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    pub(crate) registered_at: u64,
    pub(crate) deregistered_at: Option<u64>,
}

impl Definition {
    /// `awsvpc`, `bridge`, `host` or `none`.
    pub fn network_mode(&self) -> &str {
        self.fields.get("networkMode").and_then(Value::as_str).unwrap_or("bridge")
    }

    /// Its containers.
    pub(crate) fn containers(&self) -> &[Value] {
        self.fields.get("containerDefinitions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn container(&self, name: &str) -> Option<&Value> {
        self.containers().iter().find(|container| container["name"] == name)
    }

    /// The greatest `stopTimeout` of its containers, in milliseconds.
    pub(super) fn stop_timeout_millis(&self) -> u64 {
        let longest = self.containers().iter().filter_map(|container| container["stopTimeout"].as_u64()).max();
        longest.unwrap_or(30) * 1000
    }

    /// Whether any of its containers tells about its own health.
    pub(super) fn has_health_check(&self) -> bool {
        self.containers().iter().any(|container| container["healthCheck"].is_object())
    }

    /// CPU units and MiB of memory of one task.
    pub(super) fn needs(&self) -> (u64, u64) {
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let of_task = |name: &str| self.fields.get(name).and_then(number);
        let sum = |name: &str| self.containers().iter().filter_map(|container| number(&container[name])).sum();
        (of_task("cpu").unwrap_or_else(|| sum("cpu")), of_task("memory").unwrap_or_else(|| sum("memory")))
    }
}

/// What follows the last slash of an ARN; a name that has none is itself.
pub(crate) fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn client(message: &str) -> Refusal {
    Refusal::new(400, "ClientException", message)
}

impl World {
    /// Registers a revision, with what AWS checks. Answers its ARN.
    pub fn register_task_definition(&mut self, request: &Value) -> Result<String, Refusal> {
        let mut fields = request.as_object().cloned().unwrap_or_default();
        let tags = tags_of(&fields.remove("tags").unwrap_or_default());
        if let Some(name) = OUTPUT.iter().find(|name| fields.contains_key(**name)) {
            return Err(client(&format!("The field {name} is not valid for RegisterTaskDefinition.")));
        }
        let length = Value::Object(fields.clone()).to_string().len();
        if length > LONGEST {
            return Err(client(&format!("Actual length: '{length}'. Max allowed length is '{LONGEST}' bytes.")));
        }
        let family = fields.get("family").and_then(Value::as_str).unwrap_or_default().to_owned();
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if family.is_empty() || family.len() > 255 || !family.chars().all(allowed) {
            return Err(client("Family should not be empty, and can have letters, numbers, hyphens and underscores."));
        }
        complete(&mut fields)?;
        let revisions = self.ecs.definitions.entry(family.clone()).or_default();
        let revision = revisions.last().map_or(0, |last| last.revision) + 1;
        let arn = format!("arn:aws:ecs:{}:{}:task-definition/{family}:{revision}", self.region, self.account);
        revisions.push(Definition {
            arn: arn.clone(),
            family,
            revision,
            active: true,
            fields,
            tags,
            registered_at: self.now,
            deregistered_at: None,
        });
        Ok(arn)
    }

    /// A revision by its ARN, `FAMILY:REVISION`, or a family alone, which is its latest active one.
    pub fn task_definition(&self, name: &str) -> Option<&Definition> {
        let name = last_part(name);
        let (family, revision) = match name.split_once(':') {
            Some((family, revision)) => (family, Some(revision.parse::<u64>().ok()?)),
            None => (name, None),
        };
        let revisions = self.ecs.definitions.get(family)?;
        match revision {
            Some(revision) => revisions.iter().find(|it| it.revision == revision),
            None => revisions.iter().rev().find(|it| it.active),
        }
    }

    pub(crate) fn task_definition_mut(&mut self, arn: &str) -> Option<&mut Definition> {
        let arn = self.task_definition(arn)?.arn.clone();
        let (family, _) = last_part(&arn).split_once(':')?;
        self.ecs.definitions.get_mut(family)?.iter_mut().find(|it| it.arn == arn)
    }

    /// A revision that a service is to use.
    pub(super) fn usable_definition(&self, name: &str) -> Result<&Definition, Refusal> {
        let definition = self.task_definition(name).ok_or_else(|| client("TaskDefinition not found."))?;
        if definition.active { Ok(definition) } else { Err(client("TaskDefinition is inactive")) }
    }

    /// Makes a revision inactive: what runs goes on and can be scaled; nothing new may use it.
    pub fn deregister_task_definition(&mut self, name: &str) -> Result<String, Refusal> {
        let now = self.now;
        if !last_part(name).contains(':') {
            return Err(Refusal::new(400, "InvalidParameterException", "Revision is missing."));
        }
        let unknown = || client("The specified task definition does not exist.");
        let definition = self.task_definition_mut(name).ok_or_else(unknown)?;
        if definition.active {
            definition.active = false;
            definition.deregistered_at = Some(now);
        }
        Ok(definition.arn.clone())
    }
}

/// Adds what AWS adds.
fn complete(fields: &mut Map<String, Value>) -> Result<(), Refusal> {
    let default = |fields: &mut Map<String, Value>, name: &str, value: Value| {
        fields.entry(name.to_owned()).or_insert(value);
    };
    default(fields, "networkMode", json!("bridge"));
    default(fields, "volumes", json!([]));
    default(fields, "placementConstraints", json!([]));
    let mode = fields.get("networkMode").and_then(Value::as_str).unwrap_or_default().to_owned();
    let fargate = fields
        .get("requiresCompatibilities")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|it| it == "FARGATE"));
    if fargate && mode != "awsvpc" {
        return Err(client("Fargate only supports network mode 'awsvpc'."));
    }
    if fargate && !(fields.contains_key("cpu") && fields.contains_key("memory")) {
        return Err(client("Fargate requires that 'cpu' and 'memory' be defined at the task level."));
    }
    let Some(containers) = fields.get_mut("containerDefinitions").and_then(Value::as_array_mut) else {
        return Err(client("Container list cannot be empty."));
    };
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    for container in containers {
        let Some(container) = container.as_object_mut() else {
            return Err(client("Container definitions must be structures."));
        };
        for name in ["name", "image"] {
            if container.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(client(&format!("Container.{name} should not be null or empty.")));
            }
        }
        default(container, "cpu", json!(0));
        default(container, "essential", json!(true));
        for list in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"] {
            default(container, list, json!([]));
        }
        for mapping in container.get_mut("portMappings").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(mapping) = mapping.as_object_mut() else { continue };
            default(mapping, "protocol", json!("tcp"));
            let port = mapping.get("containerPort").cloned().unwrap_or_default();
            let host = if mode == "bridge" { json!(0) } else { port };
            default(mapping, "hostPort", host);
        }
    }
    Ok(())
}
