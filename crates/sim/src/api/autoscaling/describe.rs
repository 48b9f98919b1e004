//! Showing groups, their instances and their target groups.

use std::collections::BTreeSet;

use super::notifications::GRANULARITY;
use super::tags::write_tag;
use super::{page_size, traffic_sources, warm_pools};
use crate::api::query::{Xml, only, page, required};
use crate::world::{Group, Instance, Lifecycle, Refusal, Tree, Via, World, timestamp, unknown_group};

pub(super) fn groups(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupNames", "Filters", "IncludeInstances", "MaxRecords", "NextToken"])?;
    let names = form.strings("AutoScalingGroupNames");
    let filters = form.list("Filters").iter().map(Filter::read).collect::<Result<Vec<_>, _>>()?;
    // An account may have thousands of groups, and is asked for one of them most of the time.
    let named: Vec<&Group> = match names.is_empty() {
        true => world.groups.values().collect(),
        false => names.iter().collect::<BTreeSet<_>>().into_iter().filter_map(|name| world.groups.get(name)).collect(),
    };
    let found: Vec<&Group> =
        named.into_iter().filter(|group| filters.iter().all(|filter| filter.passes(group))).collect();
    let with_instances = form.str("IncludeInstances") != Some("false");
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 50, 100)?)?;
    let mut xml = Xml::new();
    xml.members("AutoScalingGroups", found, |xml, group| write_group(world, xml, group, with_instances));
    xml.maybe("NextToken", next);
    Ok(xml)
}

/// A filter: what it looks at, and what it lets pass.
struct Filter<'a> {
    of: Of<'a>,
    values: BTreeSet<String>,
}

enum Of<'a> {
    Key,
    Value,
    Tag(&'a str),
}

impl<'a> Filter<'a> {
    fn read(filter: &'a Tree) -> Result<Self, Refusal> {
        let name = filter.str("Name").unwrap_or_default();
        let of = match (name, name.strip_prefix("tag:")) {
            ("tag-key", _) => Of::Key,
            ("tag-value", _) => Of::Value,
            (_, Some(key)) => Of::Tag(key),
            _ => return Err(Refusal::validation(&format!("'{name}' is not a valid filter"))),
        };
        Ok(Self { of, values: filter.strings("Values").into_iter().collect() })
    }

    fn passes(&self, group: &Group) -> bool {
        match self.of {
            Of::Key => group.tags.keys().any(|key| self.values.contains(key)),
            Of::Value => group.tags.values().any(|tag| self.values.contains(&tag.value)),
            Of::Tag(key) => group.tags.get(key).is_some_and(|tag| self.values.contains(&tag.value)),
        }
    }
}

fn write_group(world: &World, xml: &mut Xml, group: &Group, with_instances: bool) {
    xml.leaf("AutoScalingGroupName", &group.name)
        .leaf("AutoScalingGroupARN", &group.arn)
        .leaf("MinSize", group.min)
        .leaf("MaxSize", group.max)
        .leaf("DesiredCapacity", group.desired)
        .leaf("CreatedTime", timestamp(group.created_at));
    for (name, value) in group.settings.members() {
        // Zones follow from the subnets, below.
        if name != "AvailabilityZones" {
            xml.tree(name, value);
        }
    }
    xml.members("AvailabilityZones", world.zone_names(group), |xml, zone| xml.text(&zone));
    // Either way of attaching shows in both lists.
    let attached = group.attachments.iter().filter(|(_, attachment)| !attachment.removing).map(|(arn, _)| arn);
    xml.members("TargetGroupARNs", attached, |xml, arn| xml.text(arn));
    traffic_sources::write_all(xml, group);
    xml.members("EnabledMetrics", &group.carried.metrics, |xml, metric| {
        xml.leaf("Metric", metric).leaf("Granularity", GRANULARITY);
    });
    if let Some(pool) = &group.carried.warm_pool {
        xml.tag("WarmPoolConfiguration", |xml| warm_pools::write_configuration(xml, pool));
        xml.leaf("WarmPoolSize", pool.members.len());
    }
    xml.members("SuspendedProcesses", &group.suspended, |xml, (process, reason)| {
        xml.leaf("ProcessName", process).leaf("SuspensionReason", reason);
    });
    xml.members("Tags", &group.tags, |xml, (key, tag)| write_tag(xml, &group.name, key, tag));
    let members = if with_instances { group.members.as_slice() } else { &[] };
    let instances = members.iter().filter_map(|id| world.instance(id));
    xml.members("Instances", instances, write_instance);
    if group.deleting {
        xml.leaf("Status", "Delete in progress");
    }
}

pub(super) fn write_instance(xml: &mut Xml, instance: &Instance) {
    xml.leaf("InstanceId", &instance.id)
        .leaf("InstanceType", &instance.instance_type)
        .leaf("AvailabilityZone", &instance.zone)
        .leaf("LifecycleState", instance.state())
        .leaf("HealthStatus", if instance.healthy { "Healthy" } else { "Unhealthy" })
        .leaf("ProtectedFromScaleIn", instance.protected)
        .maybe("WeightedCapacity", instance.weight)
        .maybe("LaunchConfigurationName", instance.configuration.as_ref());
    if let Some((id, name, version)) = &instance.template {
        xml.tag("LaunchTemplate", |xml| {
            xml.leaf("LaunchTemplateId", id).leaf("LaunchTemplateName", name).leaf("Version", version);
        });
    }
}

pub(super) fn instances(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["InstanceIds", "MaxRecords", "NextToken"])?;
    let ids = form.strings("InstanceIds");
    let lives = |it: &&Instance| it.lifecycle != Lifecycle::Terminated && (ids.is_empty() || ids.contains(&it.id));
    let found: Vec<&Instance> = world.instances.values().filter(lives).collect();
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 50, 50)?)?;
    let mut xml = Xml::new();
    xml.members("AutoScalingInstances", found, |xml, instance| {
        write_instance(xml, instance);
        xml.leaf("AutoScalingGroupName", &instance.group);
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}

pub(super) fn target_groups(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "MaxRecords", "NextToken"])?;
    let name = required(form, "AutoScalingGroupName")?;
    let group = world.group(name).ok_or_else(|| unknown_group(name))?;
    // Those that were attached as traffic sources are not shown here (P35).
    let own = group.attachments.iter().filter(|(_, attachment)| attachment.via == Via::TargetGroups);
    let (arns, next) = page(own.map(|(arn, _)| arn).collect(), form.str("NextToken"), page_size(form, 100, 100)?)?;
    let mut xml = Xml::new();
    xml.members("LoadBalancerTargetGroups", arns, |xml, arn| {
        xml.leaf("LoadBalancerTargetGroupARN", arn).leaf("State", world.attachment_state(name, arn));
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}

pub(super) fn limits(world: &World) -> Xml {
    let mut xml = Xml::new();
    xml.leaf("MaxNumberOfAutoScalingGroups", world.settings.max_groups)
        .leaf("MaxNumberOfLaunchConfigurations", world.settings.max_launch_configurations)
        .leaf("NumberOfAutoScalingGroups", world.groups.len())
        .leaf("NumberOfLaunchConfigurations", world.configurations.len());
    xml
}
