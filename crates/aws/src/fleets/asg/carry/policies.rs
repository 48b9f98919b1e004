//! Scaling policies.

use aws_sdk_autoscaling::types::{
    MetricDataQuery, MetricDimension, PredictiveScalingMetricSpecification, ScalingPolicy, TargetTrackingConfiguration,
};
use crossfade_core::{Result, unless_refused};

use super::Carrier;
use crate::fleets::scaling::{Made, Names};
use crate::refusal::refusal;

impl Carrier {
    /// The scaling policies of a group.
    pub(super) async fn policies(&self, group: &str) -> Result<Vec<ScalingPolicy>> {
        let call = self.autoscaling.describe_policies().auto_scaling_group_name(group);
        let mut pages = call.into_paginator().items().send();
        let mut policies = Vec::new();
        while let Some(policy) = pages.next().await {
            policies.push(policy.map_err(|e| refusal("autoscaling:DescribePolicies", group, e))?);
        }
        Ok(policies)
    }

    /// Gives the fleet the base's policies. Its own stay, and follow it to another target group.
    pub(super) async fn carry_policies(
        &self,
        policies: &[ScalingPolicy],
        names: &Names<'_>,
        lines: &mut Vec<String>,
    ) -> Result<Made> {
        let existing = self.policies(names.fleet).await?;
        let mut made = Made::new();
        for policy in policies {
            let own = existing.iter().find(|own| own.policy_name == policy.policy_name);
            let arn = match own {
                Some(own) => self.adapt_policy(own, names, lines).await?,
                None => self.add_policy(policy, &existing, names, lines).await?,
            };
            made.extend(policy.policy_arn.clone().zip(arn));
        }
        Ok(made)
    }

    /// Lets a policy follow its fleet to another target group.
    pub(super) async fn adapt_policy(
        &self,
        own: &ScalingPolicy,
        names: &Names<'_>,
        lines: &mut Vec<String>,
    ) -> Result<Option<String>> {
        let mut fitting = own.clone();
        if let Ok(doubt) = fit(&mut fitting, names)
            && fitting != *own
        {
            self.put_policy(names.fleet, fitting).await?;
            lines.push(format!("Adapted {}{doubt}", title(own)));
        }
        Ok(own.policy_arn.clone())
    }

    async fn add_policy(
        &self,
        policy: &ScalingPolicy,
        existing: &[ScalingPolicy],
        names: &Names<'_>,
        lines: &mut Vec<String>,
    ) -> Result<Option<String>> {
        let mut fitting = policy.clone();
        let doubt = match fit(&mut fitting, names) {
            Ok(doubt) => doubt,
            Err(reason) => {
                lines.push(format!("Left {} out: {reason}", title(policy)));
                return Ok(None);
            }
        };
        if let Some(rival) = existing.iter().find(|rival| tracks_the_same(rival, &fitting)) {
            let rival = rival.policy_name.as_deref().unwrap_or_default();
            lines.push(format!("Left {} out: {rival} tracks the same metric already", title(policy)));
            return Ok(None);
        }
        let mut arn = None;
        let put = self.put_policy(names.fleet, fitting).await.map(|made| arn = made);
        lines.push(match unless_refused(put)? {
            Some(refused) => format!("Left {} out: {refused}", title(policy)),
            None => format!("Carried {}{doubt}", title(policy)),
        });
        Ok(arn)
    }

    /// Makes or changes a policy, with what its type knows and nothing else.
    async fn put_policy(&self, fleet: &str, policy: ScalingPolicy) -> Result<Option<String>> {
        let on = format!("{} of {fleet}", policy.policy_name.as_deref().unwrap_or_default());
        let call = self
            .autoscaling
            .put_scaling_policy()
            .auto_scaling_group_name(fleet)
            .set_policy_name(policy.policy_name)
            .set_enabled(policy.enabled);
        // What AWS once called a step, it now calls a magnitude.
        let magnitude = policy.min_adjustment_magnitude.or(policy.min_adjustment_step);
        let call = match policy.policy_type.as_deref() {
            Some("TargetTrackingScaling") => call
                .set_target_tracking_configuration(policy.target_tracking_configuration)
                .set_estimated_instance_warmup(policy.estimated_instance_warmup),
            Some("PredictiveScaling") => {
                call.set_predictive_scaling_configuration(policy.predictive_scaling_configuration)
            }
            Some("StepScaling") => call
                .set_adjustment_type(policy.adjustment_type)
                .set_min_adjustment_magnitude(magnitude)
                .set_metric_aggregation_type(policy.metric_aggregation_type)
                .set_step_adjustments(policy.step_adjustments)
                .set_estimated_instance_warmup(policy.estimated_instance_warmup),
            _ => call
                .set_adjustment_type(policy.adjustment_type)
                .set_min_adjustment_magnitude(magnitude)
                .set_scaling_adjustment(policy.scaling_adjustment)
                .set_cooldown(policy.cooldown),
        };
        let made = call.set_policy_type(policy.policy_type).send().await;
        Ok(made.map_err(|e| refusal("autoscaling:PutScalingPolicy", &on, e))?.policy_arn)
    }
}

/// Whether two policies keep the same metric at a target, of which AWS allows a group one.
fn tracks_the_same(one: &ScalingPolicy, other: &ScalingPolicy) -> bool {
    let metric = |policy: &ScalingPolicy| {
        let tracking = policy.target_tracking_configuration.as_ref()?;
        let (predefined, customized) =
            (&tracking.predefined_metric_specification, &tracking.customized_metric_specification);
        Some((predefined.clone(), customized.clone()))
    };
    metric(one).is_some_and(|metric_of_one| metric(other) == Some(metric_of_one))
}

/// What a policy is called in the log.
fn title(policy: &ScalingPolicy) -> String {
    format!("{} policy {}", kind(policy), policy.policy_name.as_deref().unwrap_or_default())
}

/// The type of a policy, in words.
fn kind(policy: &ScalingPolicy) -> &str {
    match policy.policy_type.as_deref() {
        Some("TargetTrackingScaling") => "target-tracking",
        Some("StepScaling") => "step",
        Some("SimpleScaling") | None => "simple",
        Some("PredictiveScaling") => "predictive",
        Some(other) => other,
    }
}

/// Makes a policy one of the fleet's, and answers what is doubtful about it.
///
/// # Errors
/// Why the fleet cannot have it, in words.
fn fit(policy: &mut ScalingPolicy, names: &Names<'_>) -> std::result::Result<&'static str, String> {
    let known = ["target-tracking", "step", "simple", "predictive"];
    let kind = kind(policy);
    if !known.contains(&kind) {
        return Err(format!("crossfade does not know policies of type {kind}"));
    }
    if let Some(tracking) = &mut policy.target_tracking_configuration {
        return fit_tracking(tracking, names);
    }
    let predictive = policy.predictive_scaling_configuration.as_mut();
    let mut doubt = "";
    for specification in predictive.and_then(|it| it.metric_specifications.as_mut()).into_iter().flatten() {
        let found = fit_predictive(specification, names)?;
        doubt = if found.is_empty() { doubt } else { found };
    }
    Ok(doubt)
}

fn fit_tracking(
    tracking: &mut TargetTrackingConfiguration,
    names: &Names<'_>,
) -> std::result::Result<&'static str, String> {
    if let Some(predefined) = &mut tracking.predefined_metric_specification {
        names.label(&mut predefined.resource_label)?;
    }
    let Some(customized) = &mut tracking.customized_metric_specification else { return Ok("") };
    dimensions(&mut customized.dimensions, names);
    for query in customized.metrics.iter_mut().flatten() {
        if let Some(metric) = query.metric_stat.as_mut().and_then(|stat| stat.metric.as_mut()) {
            dimensions(&mut metric.dimensions, names);
        }
    }
    Ok(names.doubt(customized.metrics.iter().flatten().map(|query| query.expression.clone())))
}

fn fit_predictive(
    specification: &mut PredictiveScalingMetricSpecification,
    names: &Names<'_>,
) -> std::result::Result<&'static str, String> {
    let labels = [
        specification.predefined_metric_pair_specification.as_mut().map(|it| &mut it.resource_label),
        specification.predefined_scaling_metric_specification.as_mut().map(|it| &mut it.resource_label),
        specification.predefined_load_metric_specification.as_mut().map(|it| &mut it.resource_label),
    ];
    for label in labels.into_iter().flatten() {
        names.label(label)?;
    }
    let customized = [
        specification.customized_scaling_metric_specification.as_mut().map(|it| &mut it.metric_data_queries),
        specification.customized_load_metric_specification.as_mut().map(|it| &mut it.metric_data_queries),
        specification.customized_capacity_metric_specification.as_mut().map(|it| &mut it.metric_data_queries),
    ];
    let queries: Vec<&mut MetricDataQuery> = customized.into_iter().flatten().flatten().flatten().collect();
    let doubt = names.doubt(queries.iter().map(|query| query.expression.clone()));
    for query in queries {
        if let Some(metric) = query.metric_stat.as_mut().and_then(|stat| stat.metric.as_mut()) {
            dimensions(&mut metric.dimensions, names);
        }
    }
    Ok(doubt)
}

fn dimensions(dimensions: &mut Option<Vec<MetricDimension>>, names: &Names<'_>) {
    let each = dimensions.iter_mut().flatten();
    names.dimensions(each.map(|MetricDimension { name, value, .. }| (&*name, value)));
}
