//! Whom groups notify of what, and the metrics that they collect about themselves.

use super::page_size;
use crate::api::query::{Xml, only, page, required};
use crate::world::{METRICS, NOTIFICATION_TYPES, Refusal, Tree, World, unknown_group};

pub(super) fn put(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "TopicARN", "NotificationTypes"])?;
    let types = form.strings("NotificationTypes");
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    world.put_notifications(required(form, "AutoScalingGroupName")?, required(form, "TopicARN")?, &types)?;
    Ok(Xml::new())
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "TopicARN"])?;
    world.delete_notifications(required(form, "AutoScalingGroupName")?, required(form, "TopicARN")?)?;
    Ok(Xml::new())
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupNames", "MaxRecords", "NextToken"])?;
    let names = form.strings("AutoScalingGroupNames");
    if let Some(unknown) = names.iter().find(|name| world.group(name).is_none()) {
        return Err(unknown_group(unknown));
    }
    let wanted = world.groups.values().filter(|group| names.is_empty() || names.contains(&group.name));
    let found: Vec<_> =
        wanted.flat_map(|group| group.carried.notifications.iter().map(|it| (&group.name, it))).collect();
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 50, 100)?)?;
    let mut xml = Xml::new();
    xml.members("NotificationConfigurations", found, |xml, (group, (topic, kind))| {
        xml.leaf("AutoScalingGroupName", group).leaf("TopicARN", topic).leaf("NotificationType", kind);
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}

pub(super) fn types() -> Xml {
    let mut xml = Xml::new();
    xml.members("AutoScalingNotificationTypes", NOTIFICATION_TYPES, |xml, kind| xml.text(kind));
    xml
}

pub(super) fn enable_metrics(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "Metrics", "Granularity"])?;
    if required(form, "Granularity")? != GRANULARITY {
        return Err(Refusal::validation("The only valid value for Granularity is 1Minute."));
    }
    let metrics = form.strings("Metrics");
    let metrics: Vec<&str> = metrics.iter().map(String::as_str).collect();
    world.enable_metrics(required(form, "AutoScalingGroupName")?, &metrics)?;
    Ok(Xml::new())
}

pub(super) fn disable_metrics(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "Metrics"])?;
    let metrics = form.strings("Metrics");
    let metrics: Vec<&str> = metrics.iter().map(String::as_str).collect();
    world.disable_metrics(required(form, "AutoScalingGroupName")?, &metrics)?;
    Ok(Xml::new())
}

pub(super) fn metric_types() -> Xml {
    let mut xml = Xml::new();
    xml.members("Metrics", METRICS, |xml, metric| {
        xml.leaf("Metric", metric);
    });
    xml.members("Granularities", [GRANULARITY], |xml, granularity| {
        xml.leaf("Granularity", granularity);
    });
    xml
}

/// The only one that there is.
pub(super) const GRANULARITY: &str = "1Minute";
