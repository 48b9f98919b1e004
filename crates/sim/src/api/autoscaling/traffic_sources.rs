//! Traffic sources: the newer way to attach target groups (P35), and the only one for what is none of a load balancer's.

use super::page_size;
use crate::api::query::{Xml, only, page, required};
use crate::world::{Group, Refusal, Tree, Via, World, unknown_group};

/// Target groups of load balancers, and what else a group is behind, each with its type.
type Parted = (Vec<String>, Vec<(String, String)>);

/// Target groups of load balancers.
const TARGET_GROUP: &str = "elbv2";

/// The traffic sources that a request names, each with its type.
pub(super) fn read(form: &Tree) -> Result<Vec<(String, String)>, Refusal> {
    let mut sources = Vec::new();
    for source in form.list("TrafficSources") {
        only(source, &["Identifier", "Type"])?;
        let identifier = required(source, "Identifier")?;
        // AWS finds out the type from an identifier that is an ARN.
        let kind = match source.str("Type") {
            Some(kind @ (TARGET_GROUP | "elb" | "vpc-lattice")) => kind,
            Some(other) => return Err(Refusal::validation(&format!("The traffic source type {other} is not valid"))),
            None if identifier.contains(":vpc-lattice:") => "vpc-lattice",
            None if identifier.contains(":targetgroup/") => TARGET_GROUP,
            None => "elb",
        };
        sources.push((identifier.to_owned(), kind.to_owned()));
    }
    Ok(sources)
}

/// Those of load balancers' target groups, and the others.
pub(super) fn parted(sources: Vec<(String, String)>) -> Parted {
    let (target_groups, others): (Vec<_>, Vec<_>) = sources.into_iter().partition(|(_, kind)| kind == TARGET_GROUP);
    (target_groups.into_iter().map(|(arn, _)| arn).collect(), others)
}

fn sources(form: &Tree) -> Result<Parted, Refusal> {
    only(form, &["AutoScalingGroupName", "TrafficSources"])?;
    let sources = read(form)?;
    if sources.is_empty() || sources.len() > 10 {
        return Err(Refusal::validation("Between 1 and 10 traffic sources must be specified"));
    }
    Ok(parted(sources))
}

pub(super) fn attach(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let (arns, others) = sources(form)?;
    let name = required(form, "AutoScalingGroupName")?;
    world.attach(name, &arns, Via::TrafficSources)?;
    for (identifier, kind) in others {
        world.add_source(name, &kind, &identifier)?;
    }
    Ok(Xml::new())
}

pub(super) fn detach(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let (arns, others) = sources(form)?;
    let name = required(form, "AutoScalingGroupName")?;
    world.detach(name, &arns, Via::TrafficSources)?;
    for (identifier, _) in others {
        world.remove_source(name, &identifier)?;
    }
    Ok(Xml::new())
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "TrafficSourceType", "MaxRecords", "NextToken"])?;
    let name = required(form, "AutoScalingGroupName")?;
    let group = world.group(name).ok_or_else(|| unknown_group(name))?;
    let wanted = |kind: &str| form.str("TrafficSourceType").is_none_or(|asked| asked == kind);
    let target_groups = group.attachments.keys().map(|arn| (arn, TARGET_GROUP));
    let others = group.carried.sources.iter().map(|(identifier, kind)| (identifier, kind.as_str()));
    let found = target_groups.chain(others).filter(|(_, kind)| wanted(kind)).collect();
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 50, 50)?)?;
    let mut xml = Xml::new();
    xml.members("TrafficSources", found, |xml, (identifier, kind)| {
        let state = if kind == TARGET_GROUP { world.attachment_state(name, identifier) } else { "InService" };
        xml.leaf("Identifier", identifier).leaf("Type", kind).leaf("State", state);
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}

/// What a group stands behind, without what is being detached.
pub(super) fn write_all(xml: &mut Xml, group: &Group) {
    let attached = group.attachments.iter().filter(|(_, attachment)| !attachment.removing);
    let target_groups = attached.map(|(arn, _)| (arn, TARGET_GROUP));
    let others = group.carried.sources.iter().map(|(identifier, kind)| (identifier, kind.as_str()));
    xml.members("TrafficSources", target_groups.chain(others), |xml, (identifier, kind)| {
        xml.leaf("Identifier", identifier).leaf("Type", kind);
    });
}
