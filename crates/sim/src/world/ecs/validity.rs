//! What AWS checks of a service's settings.

use serde_json::{Map, Value};

use super::placement::is_fargate;
use super::service::invalid;
use super::{Definition, has_port};
use crate::world::{Refusal, World};

/// How many target groups a service may have.
const MOST_TARGET_GROUPS: usize = 5;

impl World {
    /// Checks a service's settings as a whole. Answers the ARN of its task definition.
    pub(super) fn check_service(&self, fields: &Map<String, Value>, role: Option<&str>) -> Result<String, Refusal> {
        let named = fields.get("taskDefinition").and_then(Value::as_str);
        let controller = fields.get("deploymentController").and_then(|it| it["type"].as_str()).unwrap_or("ECS");
        let Some(named) = named else {
            // Task sets of others have task definitions of their own.
            return if controller == "EXTERNAL" {
                Ok(String::new())
            } else {
                Err(invalid("TaskDefinition can not be blank."))
            };
        };
        let definition = self.usable_definition(named)?;
        self.check_service_settings(fields, definition, role)?;
        Ok(definition.arn.clone())
    }

    fn check_service_settings(
        &self,
        fields: &Map<String, Value>,
        definition: &Definition,
        role: Option<&str>,
    ) -> Result<(), Refusal> {
        let list = |name: &str| fields.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if fields.contains_key("launchType") && !list("capacityProviderStrategy").is_empty() {
            return Err(invalid(
                "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try \
                 again.",
            ));
        }
        let awsvpc = definition.network_mode() == "awsvpc";
        let network = fields.get("networkConfiguration").is_some();
        if awsvpc && !network {
            return Err(invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified."));
        }
        if !awsvpc && network {
            return Err(invalid(
                "Network Configuration is not valid for the given networkMode of this task definition.",
            ));
        }
        if is_fargate(fields) && !awsvpc {
            return Err(invalid(
                "The provided launch type FARGATE is incompatible with the network mode of the task definition.",
            ));
        }
        if role.is_some() && (awsvpc || list("loadBalancers").len() > 1 || !list("serviceRegistries").is_empty()) {
            return Err(invalid("Cannot assign an IAM role for services that require a service linked role."));
        }
        if list("loadBalancers").is_empty()
            && fields.get("healthCheckGracePeriodSeconds").and_then(Value::as_u64).is_some_and(|grace| grace > 0)
        {
            return Err(invalid(
                "Health check grace period is only valid for services configured to use load balancers",
            ));
        }
        if list("loadBalancers").len() > MOST_TARGET_GROUPS {
            return Err(invalid(&format!("load balancers can have at most {MOST_TARGET_GROUPS} items.")));
        }
        list("serviceRegistries").iter().try_for_each(|registry| self.check_registry(registry, definition))?;
        if list("serviceRegistries").len() > 1 {
            return Err(invalid("Each service may be associated with one service registry."));
        }
        list("loadBalancers").iter().try_for_each(|balancer| self.check_balancer(balancer, definition))
    }

    /// SRV records name a container and its port, or, in network mode awsvpc, a port alone; A records neither.
    fn check_registry(&self, registry: &Value, definition: &Definition) -> Result<(), Refusal> {
        let arn = registry["registryArn"].as_str().unwrap_or_default();
        let Some(service) = self.map_service(arn) else {
            return Err(invalid(&format!("Service registry {arn} does not exist.")));
        };
        let srv = service.records.iter().any(|(kind, _)| kind == "SRV");
        let container = registry["containerName"].as_str();
        let named = container.is_some() && registry["containerPort"].is_u64();
        let awsvpc = definition.network_mode() == "awsvpc";
        match (srv, named) {
            (false, true) => {
                Err(invalid("When specifying 'containerName' and 'containerPort' the registry must have SRV records."))
            }
            (false, false) if !awsvpc => Err(invalid("Type A records are only supported with network mode awsvpc.")),
            (true, false) if !(awsvpc && registry["port"].is_u64()) => Err(invalid(
                "When specifying a service registry with SRV records, containerName and containerPort must be given.",
            )),
            (true, true) => {
                let port = registry["containerPort"].as_u64().unwrap_or(0);
                match definition.container(container.unwrap_or_default()).is_some_and(|of| has_port(of, port)) {
                    true => Ok(()),
                    false => Err(invalid(&format!("No container has the port {port}."))),
                }
            }
            _ => Ok(()),
        }
    }

    fn check_balancer(&self, balancer: &Value, definition: &Definition) -> Result<(), Refusal> {
        let Some(arn) = balancer["targetGroupArn"].as_str() else {
            // A classic load balancer.
            return Ok(());
        };
        let Some(group) = self.target_groups.get(arn) else {
            return Err(invalid(&format!("The target group {arn} does not exist.")));
        };
        let container = balancer["containerName"].as_str().unwrap_or_default();
        let Some(of) = definition.container(container) else {
            return Err(invalid(&format!("The container {container} does not exist in the task definition.")));
        };
        let port = balancer["containerPort"].as_u64().unwrap_or(0);
        if !has_port(of, port) {
            let words = format!("The container {container} did not have a container port {port} defined.");
            return Err(invalid(&words));
        }
        let kind = group.settings.str("TargetType").unwrap_or("instance");
        let mode = definition.network_mode();
        if (kind == "ip") != (mode == "awsvpc") {
            return Err(invalid(&format!(
                "The provided target group {arn} has target type {kind}, which is incompatible with the {mode} network \
                 mode specified in the task definition."
            )));
        }
        if !group.in_use {
            return Err(invalid(&format!(
                "The target group with targetGroupArn {arn} does not have an associated load balancer."
            )));
        }
        Ok(())
    }
}
