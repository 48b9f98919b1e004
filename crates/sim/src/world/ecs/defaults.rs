//! What AWS adds to the settings of a new service.

use serde_json::{Map, Value, json};

use super::placement::is_fargate;
use crate::world::World;

impl World {
    /// Completes settings. `role` is the role that the request names.
    pub(super) fn complete_service(&self, cluster: &str, fields: &mut Map<String, Value>, role: Option<&str>) {
        let empty = |value: Option<&Value>| value.and_then(Value::as_array).is_none_or(Vec::is_empty);
        if fields.get("launchType").is_none() && empty(fields.get("capacityProviderStrategy")) {
            let default = self.ecs.clusters.get(cluster).map(|cluster| cluster.default_strategy.clone());
            match default.filter(|strategy| !empty(Some(strategy))) {
                Some(strategy) => fields.insert("capacityProviderStrategy".into(), strategy),
                None => fields.insert("launchType".into(), json!("EC2")),
            };
        }
        if empty(fields.get("capacityProviderStrategy")) {
            fields.remove("capacityProviderStrategy");
        }
        let mut default = |name: &str, value: Value| {
            fields.entry(name.to_owned()).or_insert(value);
        };
        for list in ["loadBalancers", "serviceRegistries", "placementConstraints", "placementStrategy"] {
            default(list, json!([]));
        }
        default("schedulingStrategy", json!("REPLICA"));
        default("deploymentController", json!({ "type": "ECS" }));
        default("enableECSManagedTags", json!(false));
        default("enableExecuteCommand", json!(false));
        default("propagateTags", json!("NONE"));
        // Of a new service; one that never had it has it not (`DISABLED`).
        default("availabilityZoneRebalancing", json!("ENABLED"));
        default("deploymentConfiguration", json!({}));
        let linked = "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
        let linked = format!("arn:aws:iam::{}:{linked}", self.account);
        default("roleArn", json!(role.unwrap_or(&linked)));
        if let Some(configuration) = fields.get_mut("deploymentConfiguration").and_then(Value::as_object_mut) {
            for (name, value) in [
                ("deploymentCircuitBreaker", json!({ "enable": false, "rollback": false })),
                ("maximumPercent", json!(200)),
                ("minimumHealthyPercent", json!(100)),
                ("strategy", json!("ROLLING")),
                ("bakeTimeInMinutes", json!(0)),
            ] {
                configuration.entry(name).or_insert(value);
            }
        }
        if is_fargate(fields) {
            fields.entry("platformVersion").or_insert(json!("LATEST"));
            fields.entry("platformFamily").or_insert(json!("Linux"));
        }
        if fields.get("loadBalancers").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            fields.entry("healthCheckGracePeriodSeconds").or_insert(json!(0));
        }
        // Describe spells these in capitals, however they were given.
        let strategies = fields.get_mut("placementStrategy").and_then(Value::as_array_mut);
        for strategy in strategies.into_iter().flatten() {
            if let Some(field @ ("cpu" | "memory")) = strategy["field"].as_str() {
                strategy["field"] = json!(field.to_uppercase());
            }
        }
    }
}
