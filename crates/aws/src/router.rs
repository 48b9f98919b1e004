//! The weighted router: one rule, or one listener's default action, that forwards to two target groups.
//!
//! Shifting rewrites two numbers. Everything else on the rule (authentication, stickiness, conditions,
//! transforms) goes back as it came: actions are sent again whole, conditions and transforms are not sent and so stay.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{Action, TargetTypeEnum};
use aws_types::SdkConfig;
use crossfade_core::document::Routing;
use crossfade_core::observed::{Health, Target, TargetGroup};
use crossfade_core::split::{Route, Split};
use crossfade_core::{Kind, Result};

use crate::refusal::refusal;

/// The load balancers of the account.
#[derive(Clone, Debug)]
pub struct WeightedRouter {
    client: Client,
}

impl WeightedRouter {
    /// The router that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    /// Reads the split.
    ///
    /// # Errors
    /// `PreflightFailed` when the ARN names nothing, or a default rule by its own ARN (P43), or actions that forward
    /// nowhere.
    pub async fn read(&self, routing: &Routing) -> Result<Split> {
        split(routing, &self.actions(routing).await?)
    }

    /// Sets the weights and answers the split that AWS says it now has: that answer is the truth, since a read right after
    /// may still show the old one (P68).
    pub async fn set(&self, routing: &Routing, routes: &[Route]) -> Result<Split> {
        let actions = with_weights(routing, self.actions(routing).await?, routes)?;
        let answered = match routing {
            Routing::WeightedRule(arn) => {
                let answer = self.client.modify_rule().rule_arn(arn).set_actions(Some(actions)).send().await;
                let answer = answer.map_err(|e| refusal("elasticloadbalancing:ModifyRule", arn, e))?;
                answer.rules.unwrap_or_default().into_iter().next().and_then(|rule| rule.actions)
            }
            Routing::WeightedListener(arn) => {
                let call = self.client.modify_listener().listener_arn(arn).set_default_actions(Some(actions));
                let answer = call.send().await.map_err(|e| refusal("elasticloadbalancing:ModifyListener", arn, e))?;
                answer.listeners.unwrap_or_default().into_iter().next().and_then(|listener| listener.default_actions)
            }
        };
        split(routing, &answered.unwrap_or_default())
    }

    async fn actions(&self, routing: &Routing) -> Result<Vec<Action>> {
        match routing {
            Routing::WeightedRule(arn) => {
                let answer = self.client.describe_rules().rule_arns(arn).send().await;
                let answer = answer.map_err(|e| match e.as_service_error() {
                    Some(service) if service.is_rule_not_found_exception() => missing(routing),
                    _ => refusal("elasticloadbalancing:DescribeRules", arn, e),
                })?;
                let rule = answer.rules.unwrap_or_default().into_iter().next().ok_or_else(|| missing(routing))?;
                if rule.is_default == Some(true) {
                    return Err(Kind::PreflightFailed.because(format!(
                        "routing.weightedRule {arn} is the default rule of its listener, which AWS does not let anybody \
                         modify. Give the listener's ARN as routing.weightedListener instead."
                    )));
                }
                Ok(rule.actions.unwrap_or_default())
            }
            Routing::WeightedListener(arn) => {
                let answer = self.client.describe_listeners().listener_arns(arn).send().await;
                let answer = answer.map_err(|e| match e.as_service_error() {
                    Some(service) if service.is_listener_not_found_exception() => missing(routing),
                    _ => refusal("elasticloadbalancing:DescribeListeners", arn, e),
                })?;
                let listener = answer.listeners.unwrap_or_default().into_iter().next();
                Ok(listener.ok_or_else(|| missing(routing))?.default_actions.unwrap_or_default())
            }
        }
    }

    /// The targets of a target group, in whatever state.
    pub async fn targets(&self, target_group: &str) -> Result<Vec<Target>> {
        let answer = self.client.describe_target_health().target_group_arn(target_group).send().await;
        let answer = answer.map_err(|e| refusal("elasticloadbalancing:DescribeTargetHealth", target_group, e))?;
        let targets = answer.target_health_descriptions.unwrap_or_default().into_iter().map(|description| {
            let health = description
                .target_health
                .unwrap_or_else(|| aws_sdk_elasticloadbalancingv2::types::TargetHealth::builder().build());
            Target {
                id: description.target.and_then(|target| target.id).unwrap_or_default(),
                health: match health.state.as_ref().map(|state| state.as_str()) {
                    Some("healthy") => Health::Healthy,
                    Some("initial") => Health::Initial,
                    Some("unused") => Health::Unused,
                    Some("draining" | "unhealthy.draining") => Health::Draining,
                    Some("unhealthy") => Health::Unhealthy,
                    // A state that this version does not know proves nothing.
                    _ => Health::Unavailable,
                },
                reason: health.reason.map(|reason| reason.as_str().to_owned()),
            }
        });
        Ok(targets.collect())
    }

    /// What these target groups are like.
    pub async fn target_groups(&self, arns: &[String]) -> Result<Vec<TargetGroup>> {
        let answer = self.client.describe_target_groups().set_target_group_arns(Some(arns.to_vec())).send().await;
        let answer = answer.map_err(|e| refusal("elasticloadbalancing:DescribeTargetGroups", &arns.join(", "), e))?;
        let mut target_groups = Vec::new();
        for group in answer.target_groups.unwrap_or_default() {
            let arn = group.target_group_arn.unwrap_or_default();
            let attributes = self.client.describe_target_group_attributes().target_group_arn(&arn).send().await;
            let attributes =
                attributes.map_err(|e| refusal("elasticloadbalancing:DescribeTargetGroupAttributes", &arn, e))?;
            let delay = attributes.attributes.unwrap_or_default().into_iter().find_map(|attribute| {
                let of_delay = attribute.key.as_deref() == Some("deregistration_delay.timeout_seconds");
                attribute.value.filter(|_| of_delay)?.parse().ok()
            });
            target_groups.push(TargetGroup {
                // AWS's default.
                drain_seconds: delay.unwrap_or(300),
                instances: group.target_type == Some(TargetTypeEnum::Instance),
                health_checks: group.health_check_enabled != Some(false),
                arn,
            });
        }
        Ok(target_groups)
    }
}

fn missing(routing: &Routing) -> crossfade_core::Failure {
    let field = match routing {
        Routing::WeightedRule(_) => "weightedRule",
        Routing::WeightedListener(_) => "weightedListener",
    };
    Kind::PreflightFailed.because(format!(
        "routing.{field} = {} names nothing in this account and region. Look the ARN up with `aws elbv2 \
         describe-listeners` or `aws elbv2 describe-rules`.",
        routing.arn()
    ))
}

/// The split that these actions make.
fn split(routing: &Routing, actions: &[Action]) -> Result<Split> {
    let Some(forward) = actions.iter().find(|action| action.r#type.as_ref().is_some_and(|t| t.as_str() == "forward"))
    else {
        let types: Vec<&str> = actions.iter().filter_map(|action| action.r#type.as_ref().map(|t| t.as_str())).collect();
        return Err(Kind::PreflightFailed.because(format!(
            "{} does not forward to target groups; its actions are [{}].",
            routing.describe(),
            types.join(", ")
        )));
    };
    let config = forward.forward_config.as_ref();
    let groups = config.and_then(|config| config.target_groups.as_deref()).unwrap_or_default();
    let mut routes: Vec<Route> = groups
        .iter()
        .map(|group| Route {
            target_group: group.target_group_arn.clone().unwrap_or_default(),
            // A weight that is not given counts as 1.
            weight: group.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1),
        })
        .collect();
    if let (true, Some(target_group)) = (routes.is_empty(), &forward.target_group_arn) {
        routes.push(Route { target_group: target_group.clone(), weight: 1 });
    }
    let stickiness = config.and_then(|config| config.target_group_stickiness_config.as_ref());
    let sticky = stickiness.filter(|stickiness| stickiness.enabled == Some(true));
    Ok(Split {
        routes,
        sticky_seconds: sticky
            .map(|sticky| sticky.duration_seconds.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(604_800)),
    })
}

/// The same actions with other weights, ready to be sent again.
fn with_weights(routing: &Routing, mut actions: Vec<Action>, routes: &[Route]) -> Result<Vec<Action>> {
    for action in &mut actions {
        // AWS never tells the secret; without this it would ask for it again (P44).
        if let Some(oidc) = &mut action.authenticate_oidc_config {
            oidc.use_existing_client_secret = Some(true);
            oidc.client_secret = None;
        }
        let Some(config) = &mut action.forward_config else { continue };
        // With two target groups, only the forward configuration may be given.
        action.target_group_arn = None;
        let groups = config.target_groups.as_deref_mut().unwrap_or_default();
        let known = |arn: &Option<String>| routes.iter().find(|route| Some(&route.target_group) == arn.as_ref());
        if groups.len() != routes.len() || groups.iter().any(|group| known(&group.target_group_arn).is_none()) {
            let names: Vec<_> = groups.iter().filter_map(|group| group.target_group_arn.as_deref()).collect();
            return Err(Kind::Drifted.because(format!(
                "{} no longer forwards to the two target groups of this deployment but to [{}]. Somebody changed it, and \
                 it is left as it is.",
                routing.describe(),
                names.join(", ")
            )));
        }
        for group in groups {
            group.weight = known(&group.target_group_arn).and_then(|route| i32::try_from(route.weight).ok());
        }
    }
    Ok(actions)
}
