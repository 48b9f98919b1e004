//! Services: creating, changing and deleting them.
//!
//! What it owns: a service's settings, its desired count, its status. Which settings are valid is in `validity`; what its
//! scheduler does about them in `scheduler`.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

use super::cluster::cluster_not_found;
use super::definition::{Definition, last_part};
use super::deployment::DEPLOYED;
use super::tags::tags_of;
use super::{Deployment, ServiceEvent, ServiceKey, member};
use crate::world::{Refusal, World};

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceStatus {
    /// In use.
    Active,
    /// Deleted; its tasks leave.
    Draining,
    /// Gone. Describe still shows it.
    Inactive,
}

impl ServiceStatus {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its ARN.
    pub arn: String,
    /// Its cluster's name.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub status: ServiceStatus,
    /// How many tasks it is to have.
    pub desired: u32,
    /// Its settings, as the API spells them, completed.
    pub fields: Map<String, Value>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The primary one first.
    pub deployments: Vec<Deployment>,
    /// The newest first.
    pub events: VecDeque<ServiceEvent>,
    /// The ids of its tasks, oldest first, also of those that have stopped lately.
    pub tasks: Vec<String>,
    pub(crate) created_at: u64,
    /// The token that it was created with, and the request.
    created_by: (Option<String>, Value),
    /// When the scheduler looks at it next.
    pub(super) tick_at: Option<u64>,
    /// Until when the scheduler starts nothing.
    pub(super) rests_until: u64,
    /// How many tasks have not come to run since the last tick, and for how many ticks that goes on.
    pub(super) failed_starts: u32,
    pub(super) start_failures: u32,
    /// How many tasks of those to be started replace ill ones.
    pub(super) replaces: usize,
    /// How many tasks AWS starts in addition, to balance zones.
    pub(super) rebalancing: u32,
    /// Whether it had what it wants at the last tick.
    pub(super) steady: bool,
}

/// Parameters of requests that are no settings.
const NO_SETTINGS: [&str; 8] =
    ["cluster", "serviceName", "service", "clientToken", "desiredCount", "tags", "forceNewDeployment", "role"];

pub(super) fn invalid(message: &str) -> Refusal {
    Refusal::new(400, "InvalidParameterException", message)
}

fn count(request: &Value) -> Result<Option<u32>, Refusal> {
    match &request["desiredCount"] {
        Value::Null => Ok(None),
        number => number
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .map(Some)
            .ok_or_else(|| invalid("desiredCount must be a number that is not negative")),
    }
}

impl Service {
    /// One without tags, deployments or tasks, which nobody's request has made.
    pub(super) fn new(arn: String, key: &ServiceKey, desired: u32, fields: Map<String, Value>, now: u64) -> Self {
        Self {
            arn,
            cluster: key.0.clone(),
            name: key.1.clone(),
            status: ServiceStatus::Active,
            desired,
            fields,
            tags: BTreeMap::new(),
            deployments: Vec::new(),
            events: VecDeque::new(),
            tasks: Vec::new(),
            created_at: now,
            created_by: (None, Value::Null),
            tick_at: None,
            rests_until: 0,
            failed_starts: 0,
            start_failures: 0,
            replaces: 0,
            rebalancing: 0,
            steady: false,
        }
    }

    /// Whether ECS itself starts and stops its tasks. Of daemons and of what others control the model runs none.
    pub(super) fn is_scheduled(&self) -> bool {
        self.is_controlled_by_ecs() && *member(&self.fields, "schedulingStrategy") != "DAEMON"
    }

    fn is_controlled_by_ecs(&self) -> bool {
        member(&self.fields, "deploymentController")["type"].as_str().unwrap_or("ECS") == "ECS"
    }

    /// The load balancers' target groups of its primary deployment.
    pub(crate) fn target_groups(&self) -> Vec<String> {
        let balancers = self.fields.get("loadBalancers").and_then(Value::as_array).into_iter().flatten();
        balancers.filter_map(|it| it["targetGroupArn"].as_str()).map(str::to_owned).collect()
    }

    /// The tags of its tasks.
    pub(super) fn task_tags(&self, definition: &Definition) -> BTreeMap<String, String> {
        match member(&self.fields, "propagateTags").as_str() {
            Some("SERVICE") => self.tags.clone(),
            Some("TASK_DEFINITION") => definition.tags.clone(),
            _ => BTreeMap::new(),
        }
    }
}

impl World {
    /// A service by cluster and name, or nothing when there is none, or none any more.
    pub fn service(&self, cluster: &str, name: &str) -> Option<&Service> {
        self.ecs.services.get(&(cluster.to_owned(), name.to_owned()))
    }

    /// The cluster that a request names: by its name or ARN, or `default`.
    pub(crate) fn requested_cluster(&self, request: &Value) -> Result<String, Refusal> {
        let name = last_part(request["cluster"].as_str().unwrap_or("default"));
        self.ecs.clusters.get(name).map(|cluster| cluster.name.clone()).ok_or_else(cluster_not_found)
    }

    /// The service that a request names, in a cluster.
    fn requested_service(&self, request: &Value) -> Result<ServiceKey, Refusal> {
        let key = (self.requested_cluster(request)?, last_part(request["service"].as_str().unwrap_or_default()).into());
        let known = self.ecs.services.contains_key(&key);
        known.then_some(key).ok_or_else(|| Refusal::new(400, "ServiceNotFoundException", "Service not found."))
    }

    /// Creates a service, with everything that AWS checks.
    pub(crate) fn create_service(&mut self, request: &Value) -> Result<ServiceKey, Refusal> {
        let cluster = self.requested_cluster(request)?;
        let name = request["serviceName"].as_str().unwrap_or_default().to_owned();
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 255 || !name.chars().all(allowed) {
            return Err(invalid(
                "Invalid service name. It can have up to 255 letters, numbers, underscores, and hyphens.",
            ));
        }
        let key = (cluster, name);
        let token = request["clientToken"].as_str().map(str::to_owned);
        if token.as_ref().is_some_and(|token| token.len() > 36) {
            return Err(invalid("The client token can have at most 36 characters."));
        }
        match self.ecs.services.get(&key) {
            Some(service) if service.status == super::ServiceStatus::Active => {
                let (by, with) = &service.created_by;
                let same = by.is_some() && *by == token && with == request;
                return if same { Ok(key) } else { Err(invalid("Creation of service was not idempotent.")) };
            }
            Some(service) if service.status == ServiceStatus::Draining => {
                return Err(invalid("Unable to Start a service that is still Draining."));
            }
            _ => {}
        }
        let mut fields = request.as_object().cloned().unwrap_or_default();
        fields.retain(|name, value| !NO_SETTINGS.contains(&name.as_str()) && !value.is_null());
        let role = request["role"].as_str();
        self.complete_service(&key.0, &mut fields, role);
        let definition = self.check_service(&fields, role)?;
        fields.insert("taskDefinition".into(), json!(definition));
        let tags = tags_of(&request["tags"]);
        super::tags::check_tags(&tags)?;
        let arn = format!("arn:aws:ecs:{}:{}:service/{}/{}", self.region, self.account, key.0, key.1);
        let service = Service {
            tags,
            created_by: (token, request.clone()),
            ..Service::new(arn, &key, count(request)?.unwrap_or(0), fields, self.now)
        };
        let controlled = service.is_controlled_by_ecs();
        self.ecs.services.insert(key.clone(), service);
        // Whoever else controls a service brings task sets, which the model has not.
        if controlled {
            self.deploy(&key, &definition);
        }
        Ok(key)
    }

    /// Changes a service. What its tasks are started with is deployed, when it is given and another than before.
    pub(crate) fn update_service(&mut self, request: &Value) -> Result<ServiceKey, Refusal> {
        let key = self.requested_service(request)?;
        let Some(service) = self.ecs.services.get(&key) else { return Ok(key) };
        if service.status != ServiceStatus::Active {
            return Err(Refusal::new(400, "ServiceNotActiveException", "Service was not ACTIVE."));
        }
        let before = service.fields.clone();
        let mut fields = before.clone();
        for (name, value) in request.as_object().into_iter().flatten() {
            if NO_SETTINGS.contains(&name.as_str()) || value.is_null() {
                continue;
            }
            match (fields.get_mut(name), value) {
                // Of a deployment configuration what is not given stays.
                (Some(Value::Object(old)), Value::Object(new)) if name == "deploymentConfiguration" => {
                    old.extend(new.clone());
                }
                _ => drop(fields.insert(name.clone(), value.clone())),
            }
        }
        if request["capacityProviderStrategy"].as_array().is_some_and(|it| !it.is_empty()) {
            fields.remove("launchType");
        }
        let desired = count(request)?;
        let force = request["forceNewDeployment"] == true;
        let named = member(&fields, "taskDefinition").as_str().unwrap_or_default().to_owned();
        let resolved = self.task_definition(&named).map(|definition| definition.arn.clone());
        fields.insert("taskDefinition".into(), json!(resolved.as_deref().unwrap_or(&named)));
        let without_strategy = |name: &&&str| !["capacityProviderStrategy", "launchType"].contains(*name);
        let changes = DEPLOYED.iter().filter(without_strategy).any(|name| before.get(*name) != fields.get(*name));
        // What runs can be scaled, also when its task definition is inactive by now (P84).
        let definition = match resolved {
            Some(arn) if !changes && !force => arn,
            _ => self.check_service(&fields, None)?,
        };
        if let Some(service) = self.ecs.services.get_mut(&key) {
            // Where the next tasks run follows at once, without a deployment.
            let strategy = ["capacityProviderStrategy", "launchType"];
            if let Some(primary) = service.deployments.first_mut() {
                for name in strategy {
                    match fields.get(name) {
                        Some(value) => drop(primary.config.insert(name.to_owned(), value.clone())),
                        None => drop(primary.config.remove(name)),
                    }
                }
            }
            service.fields = fields;
            if let Some(desired) = desired {
                service.desired = desired;
            }
            service.steady = false;
        }
        if changes || force {
            self.deploy(&key, &definition);
        }
        self.expect_tick(&key);
        Ok(key)
    }

    /// Deletes a service: it drains until its tasks have left.
    pub(crate) fn delete_service(&mut self, request: &Value) -> Result<ServiceKey, Refusal> {
        let key = self.requested_service(request)?;
        let Some(service) = self.ecs.services.get_mut(&key) else { return Ok(key) };
        if service.status == ServiceStatus::Inactive {
            return Err(Refusal::new(400, "ServiceNotFoundException", "Service not found."));
        }
        if service.desired > 0 && request["force"] != true {
            return Err(invalid("The service cannot be stopped while it is scaled above 0."));
        }
        service.desired = 0;
        service.status = ServiceStatus::Draining;
        self.expect_tick(&key);
        Ok(key)
    }
}
