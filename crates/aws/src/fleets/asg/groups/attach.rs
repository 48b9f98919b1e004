//! Attaching target groups to a group, and detaching them.
//!
//! AWS has two ways to attach one, and a target group must be detached by the way in which it was attached (P35).

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::TrafficSourceIdentifier;
use crossfade_core::Result;

use super::AutoScalingGroups;
use crate::refusal::refusal;

/// The most target groups in one call (Auto Scaling API reference).
const AT_ONCE: usize = 10;

/// What is attached to a group, without what is being detached.
#[derive(Debug, Default)]
struct Attached {
    /// The target groups that were attached as such.
    target_groups: BTreeSet<String>,
    /// All of them, with those that were attached as traffic sources.
    sources: BTreeSet<String>,
}

impl AutoScalingGroups {
    /// Attaches target groups: AWS registers the group's instances in them. Those that are attached already stay so.
    pub async fn attach(&self, name: &str, target_groups: &[String]) -> Result<()> {
        let attached = self.attached(name).await?;
        let there = |arn: &&String| attached.target_groups.contains(*arn) || attached.sources.contains(*arn);
        let missing: Vec<String> = target_groups.iter().filter(|arn| !there(arn)).cloned().collect();
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
        let attached = self.attached(name).await?;
        let (own, others): (Vec<String>, Vec<String>) =
            target_groups.iter().cloned().partition(|arn| attached.target_groups.contains(arn));
        for arns in own.chunks(AT_ONCE) {
            let call = self.client.detach_load_balancer_target_groups().auto_scaling_group_name(name);
            let detached = call.set_target_group_arns(Some(arns.to_vec())).send().await;
            detached.map_err(|e| refusal("autoscaling:DetachLoadBalancerTargetGroups", name, e))?;
        }
        let sources: Vec<String> = others.into_iter().filter(|arn| attached.sources.contains(arn)).collect();
        for arns in sources.chunks(AT_ONCE) {
            let source = |arn: &String| TrafficSourceIdentifier::builder().identifier(arn).r#type("elbv2").build();
            let call = self.client.detach_traffic_sources().auto_scaling_group_name(name);
            let detached = call.set_traffic_sources(Some(arns.iter().map(source).collect())).send().await;
            detached.map_err(|e| refusal("autoscaling:DetachTrafficSources", name, e))?;
        }
        Ok(())
    }

    async fn attached(&self, name: &str) -> Result<Attached> {
        let mut attached = Attached::default();
        let call = self.client.describe_load_balancer_target_groups().auto_scaling_group_name(name);
        let mut pages = call.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| refusal("autoscaling:DescribeLoadBalancerTargetGroups", name, e))?;
            for group in page.load_balancer_target_groups.unwrap_or_default() {
                if stays(group.state.as_deref()) {
                    attached.target_groups.extend(group.load_balancer_target_group_arn);
                }
            }
        }
        let call = self.client.describe_traffic_sources().auto_scaling_group_name(name).traffic_source_type("elbv2");
        let mut pages = call.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| refusal("autoscaling:DescribeTrafficSources", name, e))?;
            for source in page.traffic_sources.unwrap_or_default() {
                if stays(source.state.as_deref()) {
                    attached.sources.extend(source.identifier);
                }
            }
        }
        Ok(attached)
    }
}

/// Whether an attachment in this state is there to stay.
fn stays(state: Option<&str>) -> bool {
    !matches!(state, Some("Removing" | "Removed"))
}
