//! Attaching target groups to a group, and detaching them.
//!
//! AWS has two ways to attach one, and a target group must be detached by the way in which it was attached (P35).

use aws_sdk_autoscaling::error::ProvideErrorMetadata;
use aws_sdk_autoscaling::types::{AutoScalingGroup, TrafficSourceIdentifier};
use crossfade_core::{Kind, Result};

use super::{AutoScalingGroups, describe, read};
use crate::refusal::refusal;

/// The most target groups in one call (Auto Scaling API reference).
const AT_ONCE: usize = 10;

impl AutoScalingGroups {
    /// Attaches target groups: AWS registers the group's instances in them. Those that are attached already stay so.
    pub async fn attach(&self, name: &str, target_groups: &[String]) -> Result<()> {
        let group = self.existing(name).await?;
        let (listed, sources) = attached(&group);
        let missing: Vec<String> =
            target_groups.iter().filter(|arn| !listed.contains(arn) && !sources.contains(arn)).cloned().collect();
        for arns in missing.chunks(AT_ONCE) {
            let call = self.client.attach_load_balancer_target_groups().auto_scaling_group_name(name);
            let attached = call.set_target_group_arns(Some(arns.to_vec())).send().await;
            attached.map_err(|e| refusal("autoscaling:AttachLoadBalancerTargetGroups", name, e))?;
        }
        Ok(())
    }

    /// Detaches target groups: AWS deregisters the group's instances, which drain and go on running. Those that are not
    /// attached are gone already.
    pub async fn detach(&self, name: &str, target_groups: &[String]) -> Result<()> {
        let group = self.existing(name).await?;
        let (listed, mut sources) = attached(&group);
        sources.retain(|arn| target_groups.contains(arn));
        let listed: Vec<String> = listed.into_iter().filter(|arn| target_groups.contains(arn)).collect();
        for arns in listed.chunks(AT_ONCE) {
            let call = self.client.detach_load_balancer_target_groups().auto_scaling_group_name(name);
            match call.set_target_group_arns(Some(arns.to_vec())).send().await {
                Ok(_) => sources.retain(|arn| !arns.contains(arn)),
                // Shown in both lists, attached as a traffic source.
                Err(e) if e.code() == Some("ValidationError") && arns.iter().all(|arn| sources.contains(arn)) => {}
                Err(e) => return Err(refusal("autoscaling:DetachLoadBalancerTargetGroups", name, e)),
            }
        }
        for arns in sources.chunks(AT_ONCE) {
            let source = |arn: &String| TrafficSourceIdentifier::builder().identifier(arn).r#type("elbv2").build();
            let call = self.client.detach_traffic_sources().auto_scaling_group_name(name);
            let detached = call.set_traffic_sources(Some(arns.iter().map(source).collect())).send().await;
            detached.map_err(|e| refusal("autoscaling:DetachTrafficSources", name, e))?;
        }
        Ok(())
    }

    async fn existing(&self, name: &str) -> Result<AutoScalingGroup> {
        describe(&self.client, name).await?.ok_or_else(|| {
            Kind::Drifted
                .because(format!("The Auto Scaling group {name} does not exist any more; somebody deleted it."))
        })
    }
}

/// What is attached as target groups, and what as traffic sources. AWS may show one in both lists.
fn attached(group: &AutoScalingGroup) -> (Vec<String>, Vec<String>) {
    let sources = read::traffic_sources(group).map(str::to_owned).collect();
    (group.target_group_arns.clone().unwrap_or_default(), sources)
}
