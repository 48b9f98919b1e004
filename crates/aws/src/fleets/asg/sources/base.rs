//! What a base launches from, pinned, and what that starts.

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, LaunchConfiguration, LaunchTemplateSpecification, MixedInstancesPolicy,
};
use crossfade_core::document::suggestion;
use crossfade_core::kinds::asg::{LaunchSource, TemplateVersion};
use crossfade_core::{Failure, Kind, Result};

use super::{LaunchSources, ec2};
use crate::ec2::LaunchTemplateVersion;
use crate::fleets::asg::groups::describe;
use crate::fleets::asg::mixed;

/// What a launch source starts, as far as the checks before a deployment need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Every instance type that it may start and names, each once. Requirements that only describe types name none.
    pub instance_types: Vec<String>,
    /// The devices that its block devices name, each once (P71).
    pub devices: Vec<String>,
}

impl LaunchSources {
    /// Where a base group's instances come from: `$Latest` and `$Default` resolved to the numbers that they mean now (P38).
    ///
    /// # Errors
    /// `PreflightFailed` for a group that launches from nothing that can be copied, that sits behind classic load balancers,
    /// or that an AWS service operates.
    pub async fn of_base(&self, base: &str) -> Result<(LaunchSource, Machine)> {
        let Some(group) = describe(&self.autoscaling, base).await? else {
            // Some of them are enough to find what was mistyped.
            let page = self.autoscaling.describe_auto_scaling_groups().max_records(100).send().await;
            let there = page.map(|page| page.auto_scaling_groups.unwrap_or_default()).unwrap_or_default();
            let there: Vec<&str> = there.iter().filter_map(|group| group.auto_scaling_group_name.as_deref()).collect();
            return Err(Kind::PreflightFailed.because(format!(
                "compute.autoScalingGroup.base = {base} does not exist in this region. Correct the name: `aws autoscaling \
                 describe-auto-scaling-groups --query 'AutoScalingGroups[].AutoScalingGroupName'` lists those that do{}",
                suggestion(base, &there)
            )));
        };
        cloneable(base, &group)?;
        if let Some(name) = group.launch_configuration_name {
            let configuration = self.configuration(&name).await?.ok_or_else(|| {
                Kind::PreflightFailed
                    .because(format!("The launch configuration {name} of the base {base} does not exist."))
            })?;
            return Ok((LaunchSource::Configuration { name }, of_configuration(&configuration)));
        }
        if let Some(policy) = &group.mixed_instances_policy {
            return self.of_policy(base, policy).await;
        }
        let Some(reference) = &group.launch_template else {
            return Err(without_source(base));
        };
        let version = self.resolved(base, reference).await?;
        let mut machine = Machine::default();
        machine.add(version.instance_type.clone(), version.devices());
        Ok((LaunchSource::Template(pin(&version)), machine))
    }

    async fn of_policy(&self, base: &str, policy: &MixedInstancesPolicy) -> Result<(LaunchSource, Machine)> {
        let reference = mixed::template(policy).ok_or_else(|| without_source(base))?;
        let template = self.resolved(base, reference).await?;
        let own_templates = mixed::own_templates(policy);
        let mut own = Vec::new();
        for reference in &own_templates {
            own.push(self.resolved(base, reference).await?);
        }
        let mut machine = Machine::default();
        machine.add(None, template.devices());
        for version in &own {
            machine.add(None, version.devices());
        }
        for it in mixed::overrides(policy) {
            let reference = it.launch_template_specification.as_ref();
            let at = reference.and_then(|reference| own_templates.iter().position(|own| *own == reference));
            let by_template = at.and_then(|at| own.get(at)).unwrap_or(&template).instance_type.clone();
            let named = it.instance_type.clone();
            machine.add(if it.instance_requirements.is_some() { None } else { named.or(by_template) }, vec![]);
        }
        if mixed::overrides(policy).is_empty() {
            machine.add(template.instance_type.clone(), vec![]);
        }
        Ok((LaunchSource::Mixed { template: pin(&template), overrides: own.iter().map(pin).collect() }, machine))
    }

    /// The version that a reference means now.
    async fn resolved(&self, base: &str, reference: &LaunchTemplateSpecification) -> Result<LaunchTemplateVersion> {
        let id = reference.launch_template_id.as_deref().ok_or_else(|| without_source(base))?;
        let asked = reference.version.as_deref().unwrap_or("$Default");
        self.ec2.launch_template_version(id, asked).await.map_err(|error| match error.code() {
            Some(code) if code.contains("NotFound") => Kind::PreflightFailed.because(format!(
                "The base {base} uses version {asked} of launch template {id}, which does not exist."
            )),
            _ => ec2("ec2:DescribeLaunchTemplateVersions", id, error),
        })
    }
}

impl Machine {
    fn add(&mut self, instance_type: Option<String>, devices: Vec<String>) {
        for name in instance_type.into_iter().filter(|name| !name.is_empty()) {
            if !self.instance_types.contains(&name) {
                self.instance_types.push(name);
            }
        }
        for device in devices {
            if !self.devices.contains(&device) {
                self.devices.push(device);
            }
        }
    }
}

fn pin(version: &LaunchTemplateVersion) -> TemplateVersion {
    TemplateVersion { id: version.id.clone(), version: version.number }
}

fn of_configuration(configuration: &LaunchConfiguration) -> Machine {
    let devices = configuration.block_device_mappings.iter().flatten();
    let mut machine = Machine::default();
    machine.add(configuration.instance_type.clone(), devices.filter_map(|it| it.device_name.clone()).collect());
    machine
}

/// Refuses a base whose copies could not be worked with.
fn cloneable(base: &str, group: &AutoScalingGroup) -> Result<()> {
    let sources = group.traffic_sources.iter().flatten().filter(|source| source.r#type.as_deref() == Some("elb"));
    let mut classic: Vec<&str> = group.load_balancer_names.iter().flatten().map(String::as_str).collect();
    classic.extend(sources.filter_map(|source| source.identifier.as_deref()));
    classic.sort_unstable();
    classic.dedup();
    if !classic.is_empty() {
        return Err(Kind::PreflightFailed.because(format!(
            "The base {base} is attached to {} {}, which would send requests to the new fleet as soon as its instances \
             start, before anything is shifted. Detach the base, or use another base behind target groups only.",
            if classic.len() == 1 { "the classic load balancer" } else { "the classic load balancers" },
            classic.join(", ")
        )));
    }
    // Nobody else may change such a group or make one (P34).
    if let Some(operator) = group.operator.as_ref().and_then(|operator| operator.principal.as_deref()) {
        return Err(Kind::PreflightFailed.because(format!(
            "The base {base} is operated by {operator}, and only that service may make groups like it. Use a base of your \
             own."
        )));
    }
    Ok(())
}

fn without_source(base: &str) -> Failure {
    Kind::PreflightFailed.because(format!(
        "The base {base} has no launch template, which crossfade needs. Use a base with a launch template, a mixed-instances \
         policy around one, or a launch configuration."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_autoscaling::types::{Operator, TrafficSourceIdentifier};

    fn refused(group: AutoScalingGroup) -> String {
        let failure = cloneable("shop-base", &group).unwrap_err();
        assert_eq!(failure.kind, Kind::PreflightFailed);
        failure.message
    }

    #[test]
    fn p34_a_base_that_a_service_operates_is_refused() {
        let operator = Operator::builder().principal("eks.amazonaws.com").build();
        assert!(refused(AutoScalingGroup::builder().operator(operator).build()).contains("eks.amazonaws.com"));
        assert!(cloneable("shop-base", &AutoScalingGroup::builder().build()).is_ok());
    }

    #[test]
    fn classic_load_balancers_are_refused_however_they_are_attached() {
        let source = |kind: &str| TrafficSourceIdentifier::builder().identifier("old").r#type(kind).build();
        let both = AutoScalingGroup::builder().load_balancer_names("old").traffic_sources(source("elb")).build();
        assert!(refused(both).contains("the classic load balancer old,"));
        assert!(refused(AutoScalingGroup::builder().traffic_sources(source("elb")).build()).contains("old"));
        assert!(cloneable("shop-base", &AutoScalingGroup::builder().traffic_sources(source("elbv2")).build()).is_ok());
    }
}
