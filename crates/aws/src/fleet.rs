//! Fleets that are Auto Scaling groups.

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::error::ProvideErrorMetadata;
use aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter, LaunchTemplateSpecification, Tag, TagDescription};
use aws_types::SdkConfig;
use crossfade_core::capacity::Size;
use crossfade_core::infrastructure::{TAG_DEPLOYMENT, TAG_INFRASTRUCTURE, TAG_REVISION};
use crossfade_core::observed::{FailedActivity, Fleet, Instance, LaunchSource};
use crossfade_core::{Kind, Result};

use crate::refusal::refusal;

/// The Auto Scaling groups of the account.
#[derive(Clone, Debug)]
pub struct AutoScalingGroups {
    client: Client,
}

/// A new group to be made from a base.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// The base's name.
    pub base: &'a str,
    /// Where its instances come from.
    pub source: &'a LaunchSource,
    /// The target group it registers in.
    pub target_group: &'a str,
    /// The infrastructure definition, for its tag.
    pub infrastructure: &'a str,
    /// The revision, for its tag.
    pub revision: u32,
    /// The deployment, for its tag.
    pub deployment: &'a str,
}

/// How far a deletion has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The group is gone.
    Gone,
    /// AWS is at it.
    UnderWay,
    /// Instances or activities are still in the way.
    NotYet,
}

impl AutoScalingGroups {
    /// The groups that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    /// The fleet of this name, if it exists.
    pub async fn get(&self, name: &str) -> Result<Option<Fleet>> {
        Ok(self.describe(name).await?.map(fleet))
    }

    /// Every fleet that this infrastructure definition made (O3), in no particular order.
    pub async fn of(&self, infrastructure: &str) -> Result<Vec<Fleet>> {
        let filter = Filter::builder().name(format!("tag:{TAG_INFRASTRUCTURE}")).values(infrastructure).build();
        let mut pages = self.client.describe_auto_scaling_groups().filters(filter).into_paginator().send();
        let mut fleets = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| refusal("autoscaling:DescribeAutoScalingGroups", infrastructure, e))?;
            fleets.extend(page.auto_scaling_groups.unwrap_or_default().into_iter().map(fleet));
        }
        Ok(fleets)
    }

    async fn describe(&self, name: &str) -> Result<Option<AutoScalingGroup>> {
        let answer = self.client.describe_auto_scaling_groups().auto_scaling_group_names(name).send().await;
        let answer = answer.map_err(|e| refusal("autoscaling:DescribeAutoScalingGroups", name, e))?;
        Ok(answer.auto_scaling_groups.unwrap_or_default().into_iter().next())
    }

    /// Makes a new group of size 0 as a faithful copy of its base. Existing already, because an earlier reply was lost (P1,
    /// P3), it is adopted when its tag says that this deployment made it.
    pub async fn create(&self, candidate: &Candidate<'_>) -> Result<()> {
        let base = self.describe(candidate.base).await?.ok_or_else(|| {
            Kind::Drifted.because(format!(
                "The base Auto Scaling group {} has been deleted since the deployment began.",
                candidate.base
            ))
        })?;
        let Err(error) = copy(self.client.create_auto_scaling_group(), &base, candidate).send().await else {
            return Ok(());
        };
        let refused = refusal("autoscaling:CreateAutoScalingGroup", candidate.name, error);
        match self.get(candidate.name).await? {
            Some(existing) if existing.deleting => Err(Kind::ServiceUnavailable
                .because(format!("An earlier Auto Scaling group {} is still being deleted.", candidate.name))),
            Some(existing) if existing.deployment.as_deref() == Some(candidate.deployment) => Ok(()),
            Some(existing) => Err(Kind::Drifted.because(format!(
                "An Auto Scaling group named {} exists already and its tag {TAG_DEPLOYMENT} is {}, not {}. It is left \
                 alone. Rename or delete it, or choose another compute.autoScalingGroup.name.",
                candidate.name,
                existing.deployment.as_deref().unwrap_or("missing"),
                candidate.deployment
            ))),
            None => Err(refused),
        }
    }

    /// Sets all three sizes in one call, so that none moves another one (P17, P18).
    pub async fn resize(&self, name: &str, size: Size) -> Result<()> {
        let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let call = self.client.update_auto_scaling_group().auto_scaling_group_name(name);
        let call = call.min_size(number(size.min)).desired_capacity(number(size.desired)).max_size(number(size.max));
        call.send().await.map_err(|e| refusal("autoscaling:UpdateAutoScalingGroup", name, e))?;
        Ok(())
    }

    /// Deletes a group without force: AWS refuses as long as it has instances (P33).
    pub async fn delete(&self, name: &str) -> Result<Deletion> {
        let Err(error) = self.client.delete_auto_scaling_group().auto_scaling_group_name(name).send().await else {
            return Ok(Deletion::UnderWay);
        };
        match error.code() {
            Some("ResourceInUse" | "ScalingActivityInProgress") => Ok(Deletion::NotYet),
            // "not found", or "pending delete": look which.
            Some("ValidationError") => Ok(match self.get(name).await? {
                None => Deletion::Gone,
                Some(fleet) if fleet.deleting => Deletion::UnderWay,
                Some(_) => return Err(refusal("autoscaling:DeleteAutoScalingGroup", name, error)),
            }),
            _ => Err(refusal("autoscaling:DeleteAutoScalingGroup", name, error)),
        }
    }

    /// The launches that failed since `since_millis`, newest first. Older ones stay listed for six weeks and say nothing (P15).
    pub async fn failed_launches(&self, name: &str, since_millis: u64) -> Result<Vec<FailedActivity>> {
        let call = self.client.describe_scaling_activities().auto_scaling_group_name(name).max_records(100);
        let answer = call.send().await.map_err(|e| refusal("autoscaling:DescribeScalingActivities", name, e))?;
        let since = i64::try_from(since_millis / 1000).unwrap_or(i64::MAX);
        let failed = answer.activities.unwrap_or_default().into_iter().filter(|activity| {
            let status = activity.status_code.as_ref().map(|code| code.as_str());
            let started = activity.start_time.is_some_and(|start| start.secs() >= since);
            started && matches!(status, Some("Failed" | "Cancelled"))
        });
        Ok(failed
            .map(|activity| FailedActivity {
                description: activity.description.unwrap_or_default(),
                reason: activity.status_message.unwrap_or_else(|| "no reason given".into()),
                started_millis: activity
                    .start_time
                    .and_then(|at| u64::try_from(at.to_millis().ok()?).ok())
                    .unwrap_or(0),
            })
            .collect())
    }
}

/// The size of a group in the domain's terms; AWS never answers negative ones.
fn size(group: &AutoScalingGroup) -> Size {
    let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Size { min: number(group.min_size), desired: number(group.desired_capacity), max: number(group.max_size) }
}

fn fleet(group: AutoScalingGroup) -> Fleet {
    let tags = group.tags.as_deref().unwrap_or_default();
    let tag = |key: &str| tags.iter().find(|tag| tag.key.as_deref() == Some(key)).and_then(|tag| tag.value.clone());
    Fleet {
        infrastructure: tag(TAG_INFRASTRUCTURE),
        revision: tag(TAG_REVISION).and_then(|text| text.parse().ok()),
        deployment: tag(TAG_DEPLOYMENT),
        size: size(&group),
        source: source(&group),
        deleting: group.status.is_some(),
        target_groups: group.target_group_arns.unwrap_or_default(),
        instances: group
            .instances
            .unwrap_or_default()
            .into_iter()
            .map(|instance| Instance {
                id: instance.instance_id.unwrap_or_default(),
                lifecycle: instance.lifecycle_state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            })
            .collect(),
        name: group.auto_scaling_group_name.unwrap_or_default(),
    }
}

/// Where a group's instances come from, if its version is pinned by number. `$Latest` and `$Default` are resolved
/// elsewhere ([`crate::LaunchSources`]), since that takes a call.
fn source(group: &AutoScalingGroup) -> Option<LaunchSource> {
    if let Some(name) = &group.launch_configuration_name {
        return Some(LaunchSource::Configuration { name: name.clone() });
    }
    let template = group.launch_template.as_ref()?;
    let version = template.version.as_deref()?.parse().ok()?;
    Some(LaunchSource::Template { id: template.launch_template_id.clone()?, version })
}

/// Every setting of the base that a copy takes over, and none that it must not: traffic sources and target groups (the
/// candidate has its own), classic load balancers (they would send it traffic before any shift), deletion protection (it
/// would block the clean-up), the reserved context, and what AWS computes.
fn copy(
    call: CreateAutoScalingGroupFluentBuilder,
    base: &AutoScalingGroup,
    candidate: &Candidate<'_>,
) -> CreateAutoScalingGroupFluentBuilder {
    let base = base.clone();
    let call = match candidate.source {
        LaunchSource::Configuration { name } => call.launch_configuration_name(name),
        LaunchSource::Template { id, version } => call.launch_template(
            LaunchTemplateSpecification::builder().launch_template_id(id).version(version.to_string()).build(),
        ),
    };
    // With subnets given, AWS derives the zones from them.
    let zones =
        if base.vpc_zone_identifier.as_deref().unwrap_or_default().is_empty() { base.availability_zones } else { None };
    let non_empty = |list: Option<Vec<String>>| list.filter(|list| !list.is_empty());
    call.auto_scaling_group_name(candidate.name)
        .min_size(0)
        .desired_capacity(0)
        .max_size(0)
        .target_group_arns(candidate.target_group)
        .set_tags(Some(tags(base.tags.unwrap_or_default(), candidate)))
        .set_default_cooldown(base.default_cooldown)
        .set_availability_zones(non_empty(zones))
        .set_vpc_zone_identifier(base.vpc_zone_identifier.filter(|subnets| !subnets.is_empty()))
        .set_health_check_type(base.health_check_type)
        .set_health_check_grace_period(base.health_check_grace_period)
        .set_placement_group(base.placement_group)
        .set_termination_policies(non_empty(base.termination_policies))
        .set_new_instances_protected_from_scale_in(base.new_instances_protected_from_scale_in)
        .set_capacity_rebalance(base.capacity_rebalance)
        .set_service_linked_role_arn(base.service_linked_role_arn)
        .set_max_instance_lifetime(base.max_instance_lifetime)
        .set_desired_capacity_type(base.desired_capacity_type)
        .set_default_instance_warmup(base.default_instance_warmup)
        .set_instance_maintenance_policy(base.instance_maintenance_policy)
        .set_availability_zone_distribution(base.availability_zone_distribution)
        .set_availability_zone_impairment_policy(base.availability_zone_impairment_policy)
        .set_capacity_reservation_specification(base.capacity_reservation_specification)
        .set_instance_lifecycle_policy(base.instance_lifecycle_policy)
}

/// The base's tags without AWS's own and without ours, then ours.
fn tags(base: Vec<TagDescription>, candidate: &Candidate<'_>) -> Vec<Tag> {
    let ours = [
        (TAG_INFRASTRUCTURE, candidate.infrastructure.to_owned()),
        (TAG_REVISION, candidate.revision.to_string()),
        (TAG_DEPLOYMENT, candidate.deployment.to_owned()),
    ];
    let is_ours = |key: &str| ours.iter().any(|(name, _)| *name == key);
    let kept = base
        .into_iter()
        .filter(|tag| tag.key.as_deref().is_some_and(|key| !key.starts_with("aws:") && !is_ours(key)))
        .map(|tag| {
            let new = Tag::builder().set_key(tag.key).set_value(tag.value);
            new.set_propagate_at_launch(tag.propagate_at_launch).build()
        });
    let owned = ours.iter().map(|(key, value)| Tag::builder().key(*key).value(value).propagate_at_launch(true).build());
    kept.chain(owned).collect()
}
