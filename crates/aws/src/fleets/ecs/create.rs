//! Making a new service as a faithful copy of its base, attaching an empty one to other pools, and deleting one.

use crossfade_core::infrastructure::{TAG_DEPLOYMENT, TAG_INFRASTRUCTURE, TAG_REVISION, TAG_VERSION, series_of};
use crossfade_core::kinds::dns::is_registry;
use crossfade_core::kinds::ecs::TaskDefinition;
use crossfade_core::names::fingerprint;
use crossfade_core::observed::Fleet;
use crossfade_core::{Kind, Result};
use serde_json::{Map, Value, json};

use super::client::{count, ecs_failure, list, tag, text};
use super::read::primary;
use super::template::{COPIED, entries, filled};
use super::{Services, definition_of};
use crate::fleets::{Deletion, Order};

impl Services {
    /// Makes the task definition and the service. Twice makes one of each.
    pub(super) async fn make(&self, order: &Order<'_>) -> Result<Vec<String>> {
        let blueprint = definition_of(order.blueprint)?;
        let tags = tags(order);
        let family = series_of(order.name);
        let (base, written) = match &blueprint.written {
            Some(written) => {
                let (service, definition) = filled(written, &blueprint.container, order.artifact)?;
                (service, Some(definition))
            }
            None => (self.existing_base(order.base).await?, None),
        };
        let arn = self.register(blueprint, written, family, order, &tags).await?;
        let mut lines = vec![format!("Registered the task definition {} with {}", short(&arn), order.artifact)];
        let ask = copy(&base, order, blueprint, &self.cluster, &arn, tags)?;
        if let Err(error) = self.client.ecs("CreateService", &ask).await {
            let refused = match (error.code(), error.message()) {
                // The role by which ECS reaches load balancers, and what has just been made, are seen everywhere only after a while.
                (Some("InvalidParameterException"), message) if fresh(message) => {
                    Kind::ServiceUnavailable.because(format!("ecs:CreateService on {}: {message}", order.name))
                }
                _ => ecs_failure("CreateService", order.name, &error),
            };
            self.adopt(order, refused).await?;
        }
        let from = if order.base.is_empty() { "its definition" } else { order.base };
        lines.push(format!("Created ECS service {} from {from} at 0 tasks", order.name));
        Ok(lines)
    }

    async fn existing_base(&self, name: &str) -> Result<Value> {
        self.service(name).await?.ok_or_else(|| {
            Kind::Drifted.because(format!("The base ECS service {name} has been deleted since the deployment began."))
        })
    }

    /// A service that exists already is the one that an earlier attempt made, or somebody else's.
    async fn adopt(&self, order: &Order<'_>, refused: crossfade_core::Failure) -> Result<()> {
        let Some(existing) = self.service(order.name).await? else { return Err(refused) };
        if text(&existing, "status") == "DRAINING" {
            return Err(Kind::ServiceUnavailable
                .because(format!("An earlier ECS service {} is still being deleted.", order.name)));
        }
        match tag(&existing, TAG_DEPLOYMENT) {
            Some(deployment) if deployment == order.deployment => Ok(()),
            other => Err(Kind::Drifted.because(format!(
                "An ECS service named {} exists already and its tag {TAG_DEPLOYMENT} is {}, not {}. It is left alone. Delete it, or \
                 choose another compute.ecsService.name.",
                order.name,
                other.unwrap_or("missing"),
                order.deployment
            ))),
        }
    }

    /// Lets an empty service register its tasks in other pools. With tasks, ECS would replace them all.
    pub(super) async fn move_to(
        &self,
        name: &str,
        change: impl FnOnce(&[Value], &[Value]) -> Result<(Vec<Value>, Vec<Value>)>,
    ) -> Result<()> {
        let Some(service) = self.service(name).await? else { return Ok(()) };
        let (before, registered) = (list(&service, "loadBalancers"), list(&service, "serviceRegistries"));
        let (after, registries) = change(before, registered)?;
        if after == before && registries == registered {
            return Ok(());
        }
        if ["desiredCount", "runningCount", "pendingCount"].iter().any(|it| count(&service, it) > 0) {
            return Err(Kind::Drifted.because(format!(
                "{name} has tasks, which ECS would replace if it changed its target groups. Set its desired count to 0 and deploy \
                 again."
            )));
        }
        let mut ask = json!({ "cluster": self.cluster, "service": name });
        if after != before {
            ask["loadBalancers"] = json!(after);
        }
        if registries != registered {
            ask["serviceRegistries"] = json!(registries);
        }
        if after.is_empty() && !before.is_empty() {
            // Without a load balancer there is no grace for its checks, and ECS refuses one.
            ask["healthCheckGracePeriodSeconds"] = json!(0);
        }
        self.client.ecs("UpdateService", &ask).await.map(drop).map_err(|e| ecs_failure("UpdateService", name, &e))
    }

    pub(super) async fn join(&self, name: &str, pools: &[String], blueprint: &TaskDefinition) -> Result<()> {
        let change = |before: &[Value], registered: &[Value]| {
            // Of Cloud Map services a service has one alone: the new one takes the place of the other.
            let (pools, elsewhere): (Vec<String>, Vec<String>) = pools.iter().cloned().partition(|it| !is_registry(it));
            let registries = match elsewhere.is_empty() {
                true => registered.to_vec(),
                false => entries(blueprint, &elsewhere)?.1,
            };
            let there = |pool: &&String| before.iter().any(|it| text(it, "targetGroupArn") == pool.as_str());
            let missing: Vec<String> = pools.iter().filter(|pool| !there(pool)).cloned().collect();
            // A pool that routing does not name, to which it goes back: there it had the place that it has in the others.
            let known = |pool: &&String| blueprint.place(pool).is_some();
            let (known, strange): (Vec<String>, Vec<String>) = missing.iter().cloned().partition(|pool| known(&pool));
            let mut after = [before.to_vec(), entries(blueprint, &known)?.0].concat();
            for pool in strange {
                let mut entry = match after.first() {
                    Some(entry) => entry.clone(),
                    None => json!({}),
                };
                let place = blueprint.places.first();
                if let (true, Some(place)) = (entry.get("containerName").is_none(), place) {
                    entry = json!({ "containerName": place.container, "containerPort": place.port });
                }
                entry["targetGroupArn"] = json!(pool);
                after.push(entry);
            }
            Ok((after, registries))
        };
        self.move_to(name, change).await
    }

    pub(super) async fn leave(&self, name: &str, pools: &[String]) -> Result<()> {
        let stays = |it: &&Value| {
            !pools.iter().any(|pool| pool == text(it, "targetGroupArn") || pool == text(it, "registryArn"))
        };
        let without = |before: &[Value]| before.iter().filter(stays).cloned().collect();
        self.move_to(name, |before, registered| Ok((without(before), without(registered)))).await
    }

    /// Deletes a service. Without force ECS refuses as long as it is to have tasks.
    pub(super) async fn remove(&self, fleet: &Fleet, force: bool) -> Result<Deletion> {
        let name = fleet.name.as_str();
        let Some(service) = self.service(name).await? else { return Ok(Deletion::Gone) };
        if text(&service, "status") == "DRAINING" {
            return Ok(Deletion::UnderWay);
        }
        if !force && count(&service, "desiredCount") > 0 {
            return Ok(Deletion::NotYet);
        }
        let ask = json!({ "cluster": self.cluster, "service": name, "force": force });
        let Err(error) = self.client.ecs("DeleteService", &ask).await else { return Ok(Deletion::UnderWay) };
        match error.code() {
            Some("ServiceNotFoundException" | "ServiceNotActiveException") => Ok(Deletion::Gone),
            Some("InvalidParameterException") if error.message().contains("scaled above 0") => Ok(Deletion::NotYet),
            // A role that allows it by a tag does not allow it on what is gone.
            Some("AccessDeniedException") if self.service(name).await?.is_none() => Ok(Deletion::Gone),
            _ => Err(ecs_failure("DeleteService", name, &error)),
        }
    }
}

/// What ECS says while something that was just made, or its own role, is not seen everywhere yet (facts: P82, Terraform's retries).
fn fresh(message: &str) -> bool {
    [
        "does not have an associated load balancer",
        "service linked role",
        "role being passed has the proper permissions",
        "still Draining",
    ]
    .iter()
    .any(|it| message.contains(it))
}

fn short(arn: &str) -> &str {
    super::read::short(arn)
}

/// Whether a tag of a base says nothing about the base alone: a copy gets it.
pub(super) fn foreign(tag: &Value) -> bool {
    let key = text(tag, "key");
    !key.starts_with("aws:") && !key.starts_with("crossfade:") && key != TAG_VERSION
}

/// Whose a service is, as tags.
fn tags(order: &Order<'_>) -> Vec<Value> {
    let revision = order.revision.to_string();
    [(TAG_INFRASTRUCTURE, order.infrastructure), (TAG_REVISION, &revision), (TAG_DEPLOYMENT, order.deployment)]
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .to_vec()
}

/// A copy of a service at 0 tasks, with another task definition and in other pools.
fn copy(
    base: &Value,
    order: &Order<'_>,
    blueprint: &TaskDefinition,
    cluster: &str,
    definition: &str,
    ours: Vec<Value>,
) -> Result<Value> {
    let mut ask = Map::new();
    for name in COPIED {
        if let Some(value) = base.get(*name).filter(|value| !value.is_null()) {
            ask.insert((*name).to_owned(), value.clone());
        }
    }
    // Never set means DISABLED where a service was made, and ENABLED where one is made.
    ask.entry("availabilityZoneRebalancing").or_insert(json!("DISABLED"));
    // ECS shows the fields of placement strategies in upper case, and wants them in lower case.
    for it in ask.get_mut("placementStrategy").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(field) = it.get("field").and_then(Value::as_str).filter(|it| matches!(*it, "CPU" | "MEMORY")) {
            it["field"] = json!(field.to_lowercase());
        }
    }
    // What is configured for its tasks stands at its deployment; in a template that is written out, beside the rest.
    for name in ["volumeConfigurations", "serviceConnectConfiguration"] {
        let configured = primary(base).unwrap_or(base).get(name).filter(|it| !it.is_null());
        if let Some(configured) = configured.filter(|it| it.as_array().is_none_or(|it| !it.is_empty())) {
            ask.insert(name.to_owned(), configured.clone());
        }
    }
    let tags: Vec<Value> = list(base, "tags").iter().filter(|tag| foreign(tag)).cloned().chain(ours).collect();
    let (load_balancers, registries) = entries(blueprint, order.pools)?;
    if load_balancers.is_empty() {
        ask.remove("healthCheckGracePeriodSeconds");
    } else if let Some(role) = &blueprint.role {
        ask.insert("role".into(), json!(role));
    }
    let fields = [
        ("cluster", json!(cluster)),
        ("serviceName", json!(order.name)),
        ("taskDefinition", json!(definition)),
        ("desiredCount", json!(0)),
        ("loadBalancers", json!(load_balancers)),
        ("tags", json!(tags)),
        ("clientToken", json!(token(order))),
    ];
    ask.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    if !registries.is_empty() {
        ask.insert("serviceRegistries".into(), json!(registries));
    }
    Ok(Value::Object(ask))
}

/// The same deployment asks with the same token of at most 36 characters, so that however often it asks, one service is made.
fn token(order: &Order<'_>) -> String {
    format!("crossfade-{:016x}", fingerprint(&format!("{} {}", order.deployment, order.name)))
}

#[cfg(test)]
mod tests {
    use crossfade_core::kinds::ecs::Place;
    use crossfade_core::kinds::{Blueprint, Instances};

    use super::*;

    #[test]
    fn s3_a_copy_has_everything_but_what_says_whose_it_is_and_how_it_stands() {
        let base = json!({
            "serviceName": "shop-base", "serviceArn": "arn:x", "status": "ACTIVE", "desiredCount": 3, "events": [],
            "launchType": "FARGATE", "platformVersion": "LATEST", "healthCheckGracePeriodSeconds": 30,
            "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-1"] } },
            "deploymentConfiguration": { "maximumPercent": 200, "minimumHealthyPercent": 100 },
            "placementStrategy": [{ "type": "binpack", "field": "MEMORY" }, { "type": "spread", "field": "attribute:x" }],
            "tags": [{ "key": "team", "value": "shop" }, { "key": "aws:x", "value": "y" }, { "key": TAG_VERSION, "value": "BLUE" }, { "key": TAG_REVISION, "value": "3" }],
            "deployments": [{ "status": "PRIMARY", "volumeConfigurations": [{ "name": "data" }] }],
            "loadBalancers": [{ "targetGroupArn": "a", "containerName": "web", "containerPort": 8080 }],
        });
        let places = vec![Place { pools: vec!["a".into(), "b".into()], container: "web".into(), port: 8080 }];
        let definition = TaskDefinition { places, ..TaskDefinition::default() };
        let blueprint = Blueprint::EcsService(definition.clone());
        let pools = ["b".to_owned()];
        let order = Order {
            name: "shop__7",
            base: "shop-base",
            blueprint: &blueprint,
            artifact: "shop:7",
            pools: &pools,
            infrastructure: "shop/production/shop:shop-base",
            revision: 7,
            deployment: "rel-7",
            instances: Instances::NONE,
        };
        let copy = copy(&base, &order, &definition, "shop", "shop:7", tags(&order)).unwrap();
        let token = copy["clientToken"].as_str().unwrap().to_owned();
        assert!(token.len() <= 36, "{token}");
        assert_eq!(
            copy,
            json!({
                "cluster": "shop", "serviceName": "shop__7", "taskDefinition": "shop:7", "desiredCount": 0,
                "launchType": "FARGATE", "platformVersion": "LATEST", "healthCheckGracePeriodSeconds": 30,
                "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-1"] } },
                "deploymentConfiguration": { "maximumPercent": 200, "minimumHealthyPercent": 100 },
                "placementStrategy": [{ "type": "binpack", "field": "memory" }, { "type": "spread", "field": "attribute:x" }],
                "availabilityZoneRebalancing": "DISABLED",
                "volumeConfigurations": [{ "name": "data" }],
                "loadBalancers": [{ "targetGroupArn": "b", "containerName": "web", "containerPort": 8080 }],
                "tags": [
                    { "key": "team", "value": "shop" },
                    { "key": TAG_INFRASTRUCTURE, "value": "shop/production/shop:shop-base" },
                    { "key": TAG_REVISION, "value": "7" },
                    { "key": TAG_DEPLOYMENT, "value": "rel-7" },
                ],
                "clientToken": token,
            })
        );
    }
}
