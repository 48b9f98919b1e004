//! A group as AWS describes it, in the domain's words.

use aws_sdk_autoscaling::types::{AutoScalingGroup, Instance};
use crossfade_core::capacity::Size;
use crossfade_core::infrastructure::{TAG_DEPLOYMENT, TAG_INFRASTRUCTURE, TAG_REVISION, revision_of};
use crossfade_core::kinds::asg::{self, LaunchSource, TemplateVersion};
use crossfade_core::kinds::{Blueprint, Own};
use crossfade_core::observed::{Fleet, Member, MemberState};

use super::warm_pool;
use crate::fleets::asg::mixed;

pub(crate) fn fleet(group: AutoScalingGroup) -> Fleet {
    let tags = group.tags.as_deref().unwrap_or_default();
    let tag = |key: &str| tags.iter().find(|tag| tag.key.as_deref() == Some(key)).and_then(|tag| tag.value.clone());
    Fleet {
        infrastructure: tag(TAG_INFRASTRUCTURE),
        revision: tag(TAG_REVISION).as_deref().and_then(revision_of),
        deployment: tag(TAG_DEPLOYMENT),
        size: size(&group),
        blueprint: source(&group).map(Blueprint::AutoScalingGroup),
        deleting: group.status.is_some(),
        own: Own::AutoScalingGroup(asg::Own {
            suspended: suspended(&group),
            given_up: given_up(&group),
            heeds_balancer: heeds_balancer(&group),
            warm_pool: warm_pool::configured(&group),
        }),
        wakes: None,
        target_groups: target_groups(&group),
        sources: sources(&group),
        zones: group.availability_zones.clone().unwrap_or_default(),
        members: group.instances.unwrap_or_default().into_iter().map(member).collect(),
        name: group.auto_scaling_group_name.unwrap_or_default(),
    }
}

/// The size of a group; AWS never answers negative ones.
fn size(group: &AutoScalingGroup) -> Size {
    let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Size { min: number(group.min_size), desired: number(group.desired_capacity), max: number(group.max_size) }
}

fn member(instance: Instance) -> Member {
    let id = instance.instance_id.unwrap_or_default();
    let said = instance.lifecycle_state.map(|state| state.as_str().to_owned()).unwrap_or_default();
    Member {
        targets: vec![id.clone()],
        id,
        state: state(&said),
        said,
        weight: instance.weighted_capacity.and_then(|weight| weight.parse().ok()).unwrap_or(1),
        protected: instance.protected_from_scale_in.unwrap_or_default(),
    }
}

/// What a life-cycle state means (Auto Scaling user guide, instance lifecycle). A state that AWS adds one day is no capacity.
fn state(lifecycle: &str) -> MemberState {
    match lifecycle {
        "InService" => MemberState::Serving,
        "Standby" | "EnteringStandby" => MemberState::Aside,
        warmed if warmed.starts_with("Warmed") => MemberState::Reserve,
        leaving if leaving.starts_with("Terminat") || leaving.starts_with("Detach") => MemberState::Leaving,
        _ => MemberState::Starting,
    }
}

/// Where a group's instances come from, if every version is pinned by number. `$Latest` and `$Default` are resolved
/// elsewhere ([`super::super::LaunchSources`]), since that takes a call.
fn source(group: &AutoScalingGroup) -> Option<LaunchSource> {
    if let Some(name) = &group.launch_configuration_name {
        return Some(LaunchSource::Configuration { name: name.clone() });
    }
    if let Some(policy) = &group.mixed_instances_policy {
        let overrides = mixed::own_templates(policy).into_iter().map(mixed::pinned);
        let overrides = overrides.collect::<Option<Vec<TemplateVersion>>>()?;
        return Some(LaunchSource::Mixed { template: mixed::pinned(mixed::template(policy)?)?, overrides });
    }
    mixed::pinned(group.launch_template.as_ref()?).map(LaunchSource::Template)
}

/// The processes that somebody has suspended, in order. AWS suspends some itself after a day of failed launches; those are
/// nobody's setting and never copied (P22).
pub(crate) fn suspended(group: &AutoScalingGroup) -> Vec<String> {
    processes(group, true)
}

/// The processes that AWS has suspended itself, in order.
fn given_up(group: &AutoScalingGroup) -> Vec<String> {
    processes(group, false)
}

fn processes(group: &AutoScalingGroup, by_somebody: bool) -> Vec<String> {
    let by_user = |reason: &Option<String>| reason.as_deref().is_none_or(|it| it.is_empty() || it.starts_with("User"));
    let processes = group.suspended_processes.iter().flatten();
    let mut names: Vec<String> = processes
        .filter(|process| by_user(&process.suspension_reason) == by_somebody)
        .filter_map(|process| process.process_name.clone())
        .collect();
    names.sort();
    names
}

/// Whether the load balancer's checks are among those by which a group judges its instances.
fn heeds_balancer(group: &AutoScalingGroup) -> bool {
    group.health_check_type.iter().flat_map(|kinds| kinds.split(',')).any(|kind| kind.trim() == "ELB")
}

/// The target groups that a group is attached to, by whichever of the two ways, each once.
fn target_groups(group: &AutoScalingGroup) -> Vec<String> {
    let mut target_groups = group.target_group_arns.clone().unwrap_or_default();
    let sources = group.traffic_sources.iter().flatten().filter(|source| source.r#type.as_deref() == Some("elbv2"));
    for arn in sources.filter_map(|source| source.identifier.as_ref()) {
        if !target_groups.contains(arn) {
            target_groups.push(arn.clone());
        }
    }
    target_groups
}

/// What else sends a group's instances requests, in words: classic load balancers, by whichever way they were attached, and
/// target groups of VPC Lattice. A kind that is not known here is told as AWS names it.
fn sources(group: &AutoScalingGroup) -> Vec<String> {
    let classic = |name: &String| format!("the classic load balancer {name}");
    let mut sources: Vec<String> = group.load_balancer_names.iter().flatten().map(classic).collect();
    for source in group.traffic_sources.iter().flatten() {
        let Some(identifier) = &source.identifier else { continue };
        match source.r#type.as_deref() {
            Some("elbv2") => {}
            Some("elb") => sources.push(classic(identifier)),
            Some("vpc-lattice") => sources.push(format!("the VPC Lattice target group {identifier}")),
            other => sources.push(format!("{identifier} ({})", other.unwrap_or("of no known type"))),
        }
    }
    sources.sort_unstable();
    sources.dedup();
    sources
}

#[cfg(test)]
mod tests {
    use aws_sdk_autoscaling::types::LifecycleState;

    use super::*;

    #[test]
    fn every_life_cycle_state_has_its_meaning() {
        let names = |wanted: MemberState| {
            let of = |name: &&&str| state(name) == wanted;
            LifecycleState::values().iter().filter(of).copied().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(MemberState::Serving), "InService");
        assert_eq!(names(MemberState::Aside), "EnteringStandby Standby");
        let starting = "Pending Pending:Proceed Pending:Wait Quarantined ReplacingRootVolume ReplacingRootVolume:Proceed \
                        ReplacingRootVolume:Wait RootVolumeReplaced";
        assert_eq!(names(MemberState::Starting), starting);
        let leaving =
            "Detached Detaching Terminated Terminating Terminating:Proceed Terminating:Retained Terminating:Wait";
        assert_eq!(names(MemberState::Leaving), leaving);
        assert!(names(MemberState::Reserve).split(' ').all(|name| name.starts_with("Warmed:")));
        assert_eq!(state("SomethingNew"), MemberState::Starting);
    }
}
