//! Making a new group as a faithful copy of its base.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleHook, LifecycleHookSpecification, Tag, TagDescription};
use crossfade_core::infrastructure::{TAG_DEPLOYMENT, TAG_INFRASTRUCTURE, TAG_REVISION};
use crossfade_core::kinds::asg::LaunchSource;
use crossfade_core::{Kind, Result};

use super::{AutoScalingGroups, describe, hooks};
use crate::fleets::asg::mixed;
use crate::refusal::refusal;

/// A new group to be made from a base.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// The base's name.
    pub base: &'a str,
    /// Where the base's instances come from.
    pub base_source: &'a LaunchSource,
    /// Where its own instances come from, made from that.
    pub source: &'a LaunchSource,
    /// The target groups it registers in.
    pub target_groups: &'a [String],
    /// The infrastructure definition, for its tag.
    pub infrastructure: &'a str,
    /// The revision, for its tag.
    pub revision: u32,
    /// The deployment, for its tag.
    pub deployment: &'a str,
    /// Tags of its instances, beside those of the base.
    pub instance_tags: &'a BTreeMap<String, String>,
}

impl AutoScalingGroups {
    /// Makes a new group of size 0 as a faithful copy of its base. Existing already, because an earlier reply was lost (P1,
    /// P3), it is adopted when its tag says that this deployment made it.
    pub async fn create(&self, candidate: &Candidate<'_>) -> Result<()> {
        let base = describe(&self.client, candidate.base).await?.ok_or_else(|| {
            Kind::Drifted.because(format!(
                "The base Auto Scaling group {} has been deleted since the deployment began.",
                candidate.base
            ))
        })?;
        let hooks = hooks(&self.client, candidate.base).await?;
        let targets: Vec<(String, String)> = hooks
            .iter()
            .filter_map(|hook| hook.lifecycle_hook_name.clone().zip(hook.notification_target_arn.clone()))
            .filter(|(_, target)| !target.is_empty())
            .collect();
        let call = copy(self.client.create_auto_scaling_group(), base, candidate)?;
        let Err(error) = call.set_lifecycle_hook_specification_list(specifications(hooks)).send().await else {
            return Ok(());
        };
        let exists = error.as_service_error().is_some_and(|error| error.is_already_exists_fault());
        let mut refused = refusal("autoscaling:CreateAutoScalingGroup", candidate.name, error);
        // AWS sends a test message to each target, and names it rather than the hook.
        if let Some((hook, target)) = targets.iter().find(|(_, target)| refused.message.contains(target)) {
            refused.message.push_str(&format!(
                " {target} is where the life-cycle hook {hook} of {} sends to. Make it again, allow the hook's role to send there, or take \
                 the hook off the base.",
                candidate.base
            ));
        }
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
            // Made a moment ago, and not to be seen yet (P68): whose it is shows in a while.
            None if exists => Err(Kind::ServiceUnavailable.because(refused.message)),
            None => Err(refused),
        }
    }
}

/// The most tags that a group may have (Auto Scaling API reference).
const TAGS: usize = 50;
/// How many of them are ours.
const OURS: [&str; 3] = [TAG_INFRASTRUCTURE, TAG_REVISION, TAG_DEPLOYMENT];

impl AutoScalingGroups {
    /// Why a copy of a base has no room for our tags beside the base's own; nothing when it has, or there is no such base.
    pub async fn no_room_for_tags(&self, base: &str, more: &BTreeMap<String, String>) -> Result<Option<String>> {
        let group = describe(&self.client, base).await?;
        let tags = group.and_then(|group| group.tags).unwrap_or_default();
        let own = tags.iter().filter(|tag| foreign(tag)).filter_map(|tag| tag.key.as_deref());
        let all: BTreeSet<&str> = own.chain(more.keys().map(String::as_str)).collect();
        let (there, most) = (all.len(), TAGS - OURS.len());
        Ok((there > most).then(|| {
            let with = if more.is_empty() { "" } else { ", with those of instanceTags," };
            format!(
                "The base {base} has {there} tags{with}. A copy has {} of crossfade's beside them, and a group may have {TAGS}. Take {} off the \
                 base.",
                OURS.len(),
                there - most
            )
        }))
    }
}

/// Whether a tag of a base is neither AWS's own nor ours.
fn foreign(tag: &TagDescription) -> bool {
    tag.key.as_deref().is_some_and(|key| !key.starts_with("aws:") && !OURS.contains(&key))
}

/// Every setting of the base that a copy takes over, and none that it must not: traffic sources and target groups (the
/// candidate has its own), classic load balancers (they would send it traffic before any shift), deletion protection (it
/// would block the clean-up, P34), the reserved context, and what AWS computes.
fn copy(
    call: CreateAutoScalingGroupFluentBuilder,
    base: AutoScalingGroup,
    candidate: &Candidate<'_>,
) -> Result<CreateAutoScalingGroupFluentBuilder> {
    let call = match candidate.source {
        LaunchSource::Configuration { name } => call.launch_configuration_name(name),
        LaunchSource::Template(version) => call.launch_template(mixed::reference(version)),
        LaunchSource::Mixed { .. } => {
            let policy = base.mixed_instances_policy.as_ref();
            call.mixed_instances_policy(mixed::rewritten(
                policy,
                candidate.base,
                candidate.base_source,
                candidate.source,
            )?)
        }
    };
    // With subnets given, AWS derives the zones from them.
    let zones =
        if base.vpc_zone_identifier.as_deref().unwrap_or_default().is_empty() { base.availability_zones } else { None };
    let non_empty = |list: Option<Vec<String>>| list.filter(|list| !list.is_empty());
    Ok(call
        .auto_scaling_group_name(candidate.name)
        .min_size(0)
        .desired_capacity(0)
        .max_size(0)
        .set_target_group_arns(non_empty(Some(candidate.target_groups.to_vec())))
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
        .set_instance_lifecycle_policy(base.instance_lifecycle_policy))
}

/// The base's hooks, to be made with the group: an instance that starts before its hooks exist would not be held.
fn specifications(hooks: Vec<LifecycleHook>) -> Option<Vec<LifecycleHookSpecification>> {
    let specification = |hook: LifecycleHook| {
        LifecycleHookSpecification::builder()
            .set_lifecycle_hook_name(hook.lifecycle_hook_name)
            .set_lifecycle_transition(hook.lifecycle_transition)
            .set_notification_metadata(hook.notification_metadata)
            .set_heartbeat_timeout(hook.heartbeat_timeout)
            .set_default_result(hook.default_result)
            .set_notification_target_arn(hook.notification_target_arn.filter(|arn| !arn.is_empty()))
            .set_role_arn(hook.role_arn.filter(|arn| !arn.is_empty()))
            .build()
    };
    Some(hooks.into_iter().map(specification).collect::<Vec<_>>()).filter(|hooks| !hooks.is_empty())
}

/// The base's tags without AWS's own and without ours, then ours.
fn tags(base: Vec<TagDescription>, candidate: &Candidate<'_>) -> Vec<Tag> {
    let ours = [
        (TAG_INFRASTRUCTURE, candidate.infrastructure.to_owned()),
        (TAG_REVISION, candidate.revision.to_string()),
        (TAG_DEPLOYMENT, candidate.deployment.to_owned()),
    ];
    let kept = base
        .into_iter()
        .filter(foreign)
        .filter(|tag| tag.key.as_ref().is_some_and(|key| !candidate.instance_tags.contains_key(key)))
        .map(|tag| {
            let new = Tag::builder().set_key(tag.key).set_value(tag.value);
            new.set_propagate_at_launch(tag.propagate_at_launch).build()
        });
    let owned = ours.iter().map(|(key, value)| Tag::builder().key(*key).value(value).propagate_at_launch(true).build());
    let added = candidate.instance_tags.iter();
    let added = added.map(|(key, value)| Tag::builder().key(key).value(value).propagate_at_launch(true).build());
    kept.chain(added).chain(owned).collect()
}
