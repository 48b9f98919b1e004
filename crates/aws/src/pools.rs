//! Pools: target groups and Cloud Map services, what is registered in them and how healthy that is.
//!
//! They are only read. Who is registered is the fleets' business.

mod registries;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::TargetTypeEnum;
use aws_types::SdkConfig;
use crossfade_core::kinds::dns::is_registry;
use crossfade_core::observed::{Health, Registered, Target, TargetGroup, TargetType};
use crossfade_core::{Kind, Result};

use crate::clients::Lazy;
use crate::here::Here;
use crate::refusal::refusal;

pub(crate) use registries::Registries;

/// The most target groups that one call names.
const AT_ONCE: usize = 20;

/// The target groups and Cloud Map services of the account.
#[derive(Clone, Debug)]
pub struct Pools {
    client: Lazy<Client>,
    here: Here,
    registries: Registries,
}

impl Pools {
    /// Those that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Lazy::new(config), here: Here::new(config), registries: Registries::new(config) }
    }

    /// What is registered in these target groups, in whatever state.
    pub async fn registered(&self, target_groups: &[String]) -> Result<Vec<Registered>> {
        let mut registered = Vec::new();
        for target_group in target_groups {
            let targets = self.targets(target_group).await?;
            registered.push(Registered { target_group: target_group.clone(), targets });
        }
        Ok(registered)
    }

    /// The targets of a target group, in whatever state.
    pub async fn targets(&self, target_group: &str) -> Result<Vec<Target>> {
        if is_registry(target_group) {
            return self.registries.targets(target_group).await;
        }
        let answer = self.client.describe_target_health().target_group_arn(target_group).send().await;
        let answer = answer.map_err(|e| refusal("elasticloadbalancing:DescribeTargetHealth", target_group, e))?;
        let targets = answer.target_health_descriptions.unwrap_or_default().into_iter().map(|description| {
            let health = description
                .target_health
                .unwrap_or_else(|| aws_sdk_elasticloadbalancingv2::types::TargetHealth::builder().build());
            let target = description.target;
            Target {
                id: target.as_ref().and_then(|target| target.id.clone()).unwrap_or_default(),
                port: target.and_then(|target| target.port).and_then(|port| u16::try_from(port).ok()),
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
    ///
    /// # Errors
    /// `PreflightFailed` when one of them does not exist.
    pub async fn target_groups(&self, arns: &[String]) -> Result<Vec<TargetGroup>> {
        let mut target_groups = Vec::new();
        for arns in arns.chunks(AT_ONCE) {
            target_groups.extend(self.some_target_groups(arns).await?);
        }
        Ok(target_groups)
    }

    /// The same of as many as one call names.
    async fn some_target_groups(&self, arns: &[String]) -> Result<Vec<TargetGroup>> {
        let answer = self.client.describe_target_groups().set_target_group_arns(Some(arns.to_vec())).send().await;
        let answer = match answer {
            Err(e) if e.as_service_error().is_some_and(|it| it.is_target_group_not_found_exception()) => {
                let missing = || {
                    Kind::PreflightFailed.because(format!(
                        "One of the target groups {} does not exist in this account and region. Look their ARNs up with `aws elbv2 \
                         describe-target-groups`.",
                        arns.join(", ")
                    ))
                };
                return Err(self.here.elsewhere("target group", arns).await.unwrap_or_else(missing));
            }
            answer => answer.map_err(|e| refusal("elasticloadbalancing:DescribeTargetGroups", &arns.join(", "), e))?,
        };
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
                targets: match group.target_type {
                    Some(TargetTypeEnum::Instance) => TargetType::Instance,
                    Some(TargetTypeEnum::Ip) => TargetType::Ip,
                    _ => TargetType::Other,
                },
                health_checks: group.health_check_enabled != Some(false),
                load_balancers: group.load_balancer_arns.unwrap_or_default(),
                arn,
            });
        }
        Ok(target_groups)
    }
}
