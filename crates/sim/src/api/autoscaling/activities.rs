//! Showing what groups did, and asking for single instances to leave.

use super::page_size;
use crate::api::query::{Xml, only, page, required};
use crate::world::{Activity, Refusal, Tree, World, timestamp, unknown_group};

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["ActivityIds", "AutoScalingGroupName", "IncludeDeletedGroups", "MaxRecords", "NextToken"])?;
    let ids = form.strings("ActivityIds");
    let groups: Vec<_> = match form.str("AutoScalingGroupName") {
        Some(name) => vec![world.group(name).ok_or_else(|| unknown_group(name))?],
        None => world.groups.values().collect(),
    };
    let all = groups.iter().flat_map(|group| group.activities.iter().map(|activity| (*group, activity)));
    let mut found: Vec<_> = all.filter(|(_, activity)| ids.is_empty() || ids.contains(&activity.id)).collect();
    // Newest first; those that began at once stay in the reverse of the order in which they did.
    found.reverse();
    found.sort_by_key(|(_, activity)| std::cmp::Reverse(activity.started_at));
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 100, 100)?)?;
    let mut xml = Xml::new();
    xml.members("Activities", found, |xml, (group, activity)| {
        write(xml, &group.name, activity);
        xml.leaf("AutoScalingGroupARN", &group.arn);
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}

pub(super) fn write(xml: &mut Xml, group: &str, activity: &Activity) {
    xml.leaf("ActivityId", &activity.id)
        .leaf("AutoScalingGroupName", group)
        .leaf("Description", &activity.description)
        .leaf("Cause", &activity.cause)
        .leaf("StartTime", timestamp(activity.started_at))
        .maybe("EndTime", activity.ended_at.map(timestamp))
        .leaf("StatusCode", activity.status)
        .maybe("StatusMessage", activity.message.as_ref())
        .leaf("Progress", activity.progress)
        .leaf("Details", &activity.details);
}

pub(super) fn terminate(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["InstanceId", "ShouldDecrementDesiredCapacity"])?;
    let id = required(form, "InstanceId")?;
    let shrink = required(form, "ShouldDecrementDesiredCapacity")? == "true";
    let group = world.instance(id).map(|instance| instance.group.clone()).unwrap_or_default();
    let activity = world.terminate_instance(id, shrink)?;
    let mut xml = Xml::new();
    xml.tag("Activity", |xml| write(xml, &group, &activity));
    Ok(xml)
}

pub(super) fn protect(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["InstanceIds", "AutoScalingGroupName", "ProtectedFromScaleIn"])?;
    let protected = required(form, "ProtectedFromScaleIn")? == "true";
    world.protect(required(form, "AutoScalingGroupName")?, &form.strings("InstanceIds"), protected)?;
    Ok(Xml::new())
}
