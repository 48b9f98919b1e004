//! Target groups as traffic sources: the newer way to attach them (P35).

use super::page_size;
use crate::api::query::{Xml, only, page, required};
use crate::world::{Refusal, Tree, Via, World, unknown_group};

/// The only kind of traffic source that the model has: target groups.
const TARGET_GROUP: &str = "elbv2";

/// The target groups that a request names as traffic sources.
pub(super) fn read(form: &Tree) -> Result<Vec<String>, Refusal> {
    let mut arns = Vec::new();
    for source in form.list("TrafficSources") {
        only(source, &["Identifier", "Type"])?;
        let arn = required(source, "Identifier")?;
        // AWS finds out the type from an identifier that is an ARN.
        if source.str("Type").is_some_and(|kind| kind != TARGET_GROUP) || !arn.contains(":targetgroup/") {
            return Err(Refusal::not_implemented("traffic sources that are not target groups"));
        }
        arns.push(arn.to_owned());
    }
    Ok(arns)
}

fn sources(form: &Tree) -> Result<Vec<String>, Refusal> {
    only(form, &["AutoScalingGroupName", "TrafficSources"])?;
    let arns = read(form)?;
    if arns.is_empty() || arns.len() > 10 {
        return Err(Refusal::validation("Between 1 and 10 traffic sources must be specified"));
    }
    Ok(arns)
}

pub(super) fn attach(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let arns = sources(form)?;
    world.attach(required(form, "AutoScalingGroupName")?, &arns, Via::TrafficSources)?;
    Ok(Xml::new())
}

pub(super) fn detach(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let arns = sources(form)?;
    world.detach(required(form, "AutoScalingGroupName")?, &arns, Via::TrafficSources)?;
    Ok(Xml::new())
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "TrafficSourceType", "MaxRecords", "NextToken"])?;
    let name = required(form, "AutoScalingGroupName")?;
    let group = world.group(name).ok_or_else(|| unknown_group(name))?;
    let wanted = form.str("TrafficSourceType").is_none_or(|kind| kind == TARGET_GROUP);
    let arns: Vec<&String> = group.attachments.keys().filter(|_| wanted).collect();
    let (arns, next) = page(arns, form.str("NextToken"), page_size(form, 50, 50)?)?;
    let mut xml = Xml::new();
    xml.members("TrafficSources", arns, |xml, arn| {
        write(xml, arn);
        xml.leaf("State", world.attachment_state(name, arn));
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}

pub(super) fn write(xml: &mut Xml, arn: &str) {
    xml.leaf("Identifier", arn).leaf("Type", TARGET_GROUP);
}
