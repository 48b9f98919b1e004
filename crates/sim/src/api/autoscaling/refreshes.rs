//! Instance refreshes.

use super::page_size;
use crate::api::query::{Xml, only, page, required};
use crate::world::{Refusal, Tree, World, timestamp, unknown_group};

pub(super) fn start(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "Strategy", "Preferences"])?;
    if form.str("Strategy").is_some_and(|strategy| strategy != "Rolling") {
        return Err(Refusal::not_implemented("instance refreshes other than rolling ones"));
    }
    let preferences = form.get("Preferences").cloned().unwrap_or_default();
    only(&preferences, &["MinHealthyPercentage", "InstanceWarmup"])?;
    let id = world.start_refresh(required(form, "AutoScalingGroupName")?, &preferences)?;
    let mut xml = Xml::new();
    xml.leaf("InstanceRefreshId", id);
    Ok(xml)
}

pub(super) fn cancel(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName"])?;
    let id = world.cancel_refresh(required(form, "AutoScalingGroupName")?)?;
    let mut xml = Xml::new();
    xml.leaf("InstanceRefreshId", id);
    Ok(xml)
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "InstanceRefreshIds", "MaxRecords", "NextToken"])?;
    let name = required(form, "AutoScalingGroupName")?;
    let group = world.group(name).ok_or_else(|| unknown_group(name))?;
    let ids = form.strings("InstanceRefreshIds");
    // Newest first.
    let found: Vec<_> =
        group.carried.refreshes.iter().rev().filter(|it| ids.is_empty() || ids.contains(&it.id)).collect();
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 50, 100)?)?;
    let mut xml = Xml::new();
    xml.members("InstanceRefreshes", found, |xml, refresh| {
        xml.leaf("InstanceRefreshId", &refresh.id)
            .leaf("AutoScalingGroupName", name)
            .leaf("Status", refresh.status)
            .leaf("StartTime", timestamp(refresh.started_at))
            .maybe("EndTime", refresh.ended_at.map(timestamp))
            .leaf("PercentageComplete", refresh.percentage())
            .leaf("InstancesToUpdate", refresh.remaining.len())
            .tree("Preferences", &refresh.preferences);
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}
