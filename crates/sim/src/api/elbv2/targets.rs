//! Targets: their registration and their health; and target groups' attributes.

use std::net::IpAddr;

use super::describe::write_attributes;
use crate::api::query::{Xml, only, required};
use crate::world::{Lifecycle, Refusal, Target, TargetKey, Tree, World, target_group_not_found};

/// The targets that a request names: id and, perhaps, port.
fn targets(form: &Tree) -> Vec<(String, Option<u16>)> {
    let read = |target: &Tree| {
        let port = target.num("Port").and_then(|port| u16::try_from(port).ok());
        Some((target.str("Id")?.to_owned(), port))
    };
    form.list("Targets").iter().filter_map(read).collect()
}

fn is_of_addresses(world: &World, arn: &str) -> bool {
    world.target_group(arn).is_some_and(|group| group.settings.str("TargetType") == Some("ip"))
}

pub(super) fn register(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["TargetGroupArn", "Targets"])?;
    let arn = required(form, "TargetGroupArn")?;
    world.target_group(arn).ok_or_else(|| target_group_not_found(arn))?;
    let targets = targets(form);
    let runs = |id: &str| world.instance(id).is_some_and(|it| it.lifecycle != Lifecycle::Terminated);
    let addresses = is_of_addresses(world, arn);
    if addresses && let Some((id, _)) = targets.iter().find(|(id, _)| id.parse::<IpAddr>().is_err()) {
        return Err(Refusal::validation(&format!("The IP address '{id}' is not a valid IPv4 address")));
    }
    if !addresses && let Some((id, _)) = targets.iter().find(|(id, _)| !runs(id)) {
        let message = format!("The following targets are not in a running state and cannot be registered: '{id}'");
        return Err(Refusal::new(400, "InvalidTarget", &message));
    }
    for (id, port) in &targets {
        world.register(arn, id, *port);
    }
    Ok(Xml::new())
}

pub(super) fn deregister(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["TargetGroupArn", "Targets"])?;
    let arn = required(form, "TargetGroupArn")?;
    world.target_group(arn).ok_or_else(|| target_group_not_found(arn))?;
    for (id, port) in targets(form) {
        world.deregister(arn, &id, port);
    }
    Ok(Xml::new())
}

pub(super) fn health(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["TargetGroupArn", "Targets", "Include"])?;
    let arn = required(form, "TargetGroupArn")?;
    let group = world.target_group(arn).ok_or_else(|| target_group_not_found(arn))?;
    let mut xml = Xml::new();
    if form.list("Targets").is_empty() {
        // An empty group answers with an empty list, which is not the same as 'all healthy' (P6).
        xml.members("TargetHealthDescriptions", &group.targets, |xml, (key, target)| write(xml, key, Some(target)));
        return Ok(xml);
    }
    let mut found = Vec::new();
    for (id, port) in targets(form) {
        let registered = group.targets.keys().any(|key| key.id == id);
        if world.instance(&id).is_none() && !registered && !is_of_addresses(world, arn) {
            let message = format!("The following targets do not exist: '{id}'");
            return Err(Refusal::new(400, "InvalidTarget", &message));
        }
        found.push(TargetKey { id, port: port.unwrap_or(group.port) });
    }
    xml.members("TargetHealthDescriptions", &found, |xml, key| write(xml, key, group.targets.get(key)));
    Ok(xml)
}

fn write(xml: &mut Xml, key: &TargetKey, target: Option<&Target>) {
    xml.tag("Target", |xml| {
        xml.leaf("Id", &key.id).leaf("Port", key.port);
    });
    xml.leaf("HealthCheckPort", key.port);
    xml.tag("TargetHealth", |xml| match target {
        None => {
            xml.leaf("State", "unused")
                .leaf("Reason", "Target.NotRegistered")
                .leaf("Description", "Target is not registered to the target group");
        }
        Some(target) => {
            xml.leaf("State", target.health.as_str());
            if !target.reason.is_empty() {
                xml.leaf("Reason", target.reason).leaf("Description", &target.description);
            }
        }
    });
}

pub(super) fn modify_attributes(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["TargetGroupArn", "Attributes"])?;
    let arn = required(form, "TargetGroupArn")?;
    let group = world.target_groups.get_mut(arn).ok_or_else(|| target_group_not_found(arn))?;
    for attribute in form.list("Attributes") {
        let key = attribute.str("Key").unwrap_or_default();
        let value = attribute.str("Value").unwrap_or_default();
        let delay = key == "deregistration_delay.timeout_seconds";
        if delay && !value.parse::<u32>().is_ok_and(|seconds| seconds <= 3600) {
            return Err(Refusal::validation(&format!("'{key}' must be between 0 and 3600")));
        }
        if !group.attributes.contains_key(key) {
            return Err(Refusal::not_implemented(&format!("the target group attribute '{key}'")));
        }
    }
    for attribute in form.list("Attributes") {
        if let (Some(key), Some(value)) = (attribute.str("Key"), attribute.str("Value")) {
            group.attributes.insert(key.to_owned(), value.to_owned());
        }
    }
    let mut xml = Xml::new();
    write_attributes(&mut xml, group);
    Ok(xml)
}
