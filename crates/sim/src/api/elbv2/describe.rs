//! Showing load balancers, listeners, rules and target groups.

use crate::api::query::{Xml, only, page, required};
use crate::world::{
    Listener, Refusal, Rule, TargetGroup, Tree, World, listener_not_found, rule_not_found, shown,
    target_group_not_found, timestamp,
};

/// The page that a request asks for, with the marker of the next one.
fn paged<T>(items: Vec<T>, form: &Tree) -> Result<(Vec<T>, Option<String>), Refusal> {
    let size = form.num("PageSize").and_then(|size| usize::try_from(size).ok()).unwrap_or(400);
    if !(1..=400).contains(&size) {
        return Err(Refusal::validation("PageSize must be between 1 and 400"));
    }
    page(items, form.str("Marker"), size)
}

/// The resources that a request names, all of which must exist.
fn named<'a, T>(
    arns: &[String],
    find: impl Fn(&String) -> Option<&'a T>,
    missing: impl Fn(&String) -> Refusal,
) -> Result<Vec<&'a T>, Refusal> {
    arns.iter().map(|arn| find(arn).ok_or_else(|| missing(arn))).collect()
}

pub(super) fn load_balancers(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["LoadBalancerArns", "Names", "Marker", "PageSize"])?;
    let (arns, names) = (form.strings("LoadBalancerArns"), form.strings("Names"));
    let missing =
        |it: &String| Refusal::new(400, "LoadBalancerNotFound", &format!("Load balancers '[{it}]' not found"));
    let found = if !arns.is_empty() {
        named(&arns, |arn| world.balancers.get(arn), missing)?
    } else if !names.is_empty() {
        named(&names, |name| world.balancers.values().find(|it| it.name == *name), missing)?
    } else {
        world.balancers.values().collect()
    };
    let (found, next) = paged(found, form)?;
    let mut xml = Xml::new();
    xml.members("LoadBalancers", found, |xml, balancer| {
        xml.leaf("LoadBalancerArn", &balancer.arn)
            .leaf("LoadBalancerName", &balancer.name)
            .leaf("DNSName", balancer.dns_name(&world.region).trim_end_matches('.'))
            .leaf("CanonicalHostedZoneId", balancer.zone())
            .leaf("CreatedTime", timestamp(balancer.created_at))
            .leaf("Scheme", if balancer.internal { "internal" } else { "internet-facing" })
            .leaf("VpcId", "vpc-0a1b2c3d4e5f60718")
            .tag("State", |xml| {
                xml.leaf("Code", "active");
            })
            .leaf("Type", &balancer.kind)
            .members("AvailabilityZones", &balancer.zones, |xml, letter| {
                xml.leaf("ZoneName", format!("{}{letter}", world.region));
            })
            .leaf("IpAddressType", if balancer.dual_stack { "dualstack" } else { "ipv4" });
    });
    xml.maybe("NextMarker", next);
    Ok(xml)
}

pub(super) fn listeners(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["LoadBalancerArn", "ListenerArns", "Marker", "PageSize"])?;
    let arns = form.strings("ListenerArns");
    let found = match form.str("LoadBalancerArn") {
        Some(balancer) if !world.balancers.contains_key(balancer) => {
            return Err(Refusal::new(400, "LoadBalancerNotFound", &format!("Load balancers '[{balancer}]' not found")));
        }
        Some(balancer) => world.listeners.values().filter(|it| it.balancer == balancer).collect(),
        None if arns.is_empty() => {
            return Err(Refusal::validation("You must specify either listener ARNs or a load balancer ARN"));
        }
        None => named(&arns, |arn| world.listeners.get(arn), |arn| listener_not_found(arn))?,
    };
    let (found, next) = paged(found, form)?;
    let mut xml = Xml::new();
    xml.members("Listeners", found, |xml, listener| write_listener(xml, listener, world.now_millis()));
    xml.maybe("NextMarker", next);
    Ok(xml)
}

/// A listener as Describe shows it at `now`, which may be as it was a moment ago (P68). Answers to changes show it as
/// it is: they pass 'never'.
pub(super) fn write_listener(xml: &mut Xml, listener: &Listener, now: u64) {
    let stale = listener.stale.as_ref().filter(|stale| now < stale.until);
    let (actions, settings) =
        stale.map_or((&listener.actions, &listener.settings), |stale| (&stale.actions, &stale.settings));
    xml.leaf("ListenerArn", &listener.arn).leaf("LoadBalancerArn", &listener.balancer);
    xml.inside(settings);
    xml.tree("DefaultActions", &shown(actions));
}

/// Later than any staleness lasts.
pub(super) const NEVER: u64 = u64::MAX;

pub(super) fn rules(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["ListenerArn", "RuleArns", "Marker", "PageSize"])?;
    let arns = form.strings("RuleArns");
    let mut found: Vec<Shown<'_>> = Vec::new();
    match form.str("ListenerArn") {
        Some(arn) => {
            let listener = world.listeners.get(arn).ok_or_else(|| listener_not_found(arn))?;
            let mut own: Vec<&Rule> = world.rules.values().filter(|rule| rule.listener == *arn).collect();
            own.sort_by_key(|rule| rule.priority);
            found.extend(own.into_iter().map(Shown::Rule));
            found.push(Shown::Default(listener));
        }
        None if arns.is_empty() => {
            return Err(Refusal::validation("You must specify either listener ARN or rule ARNs"));
        }
        None => {
            for arn in &arns {
                let default = world.listeners.values().find(|listener| listener.default_rule == *arn);
                let rule = world.rules.get(arn).map(Shown::Rule).or(default.map(Shown::Default));
                found.push(rule.ok_or_else(|| rule_not_found(arn))?);
            }
        }
    }
    let (found, next) = paged(found, form)?;
    let mut xml = Xml::new();
    xml.members("Rules", found, |xml, rule| match rule {
        Shown::Rule(rule) => write_rule(xml, rule, world.now_millis()),
        Shown::Default(listener) => write_default_rule(xml, listener, world.now_millis()),
    });
    xml.maybe("NextMarker", next);
    Ok(xml)
}

enum Shown<'a> {
    Rule(&'a Rule),
    Default(&'a Listener),
}

pub(super) fn write_rule(xml: &mut Xml, rule: &Rule, now: u64) {
    let stale = rule.stale.as_ref().filter(|stale| now < stale.until);
    let (actions, settings) = stale.map_or((&rule.actions, &rule.settings), |it| (&it.actions, &it.settings));
    xml.leaf("RuleArn", &rule.arn).leaf("Priority", rule.priority);
    xml.inside(settings);
    xml.tree("Actions", &shown(actions)).leaf("IsDefault", false);
}

fn write_default_rule(xml: &mut Xml, listener: &Listener, now: u64) {
    let stale = listener.stale.as_ref().filter(|stale| now < stale.until);
    let actions = stale.map_or(&listener.actions, |stale| &stale.actions);
    xml.leaf("RuleArn", &listener.default_rule).leaf("Priority", "default");
    xml.members("Conditions", [(); 0], |_, ()| {});
    xml.tree("Actions", &shown(actions)).leaf("IsDefault", true);
}

pub(super) fn target_groups(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["LoadBalancerArn", "TargetGroupArns", "Names", "Marker", "PageSize"])?;
    let (arns, names) = (form.strings("TargetGroupArns"), form.strings("Names"));
    let mut found: Vec<&TargetGroup> = if !arns.is_empty() {
        named(&arns, |arn| world.target_groups.get(arn), |arn| target_group_not_found(arn))?
    } else if !names.is_empty() {
        let by_name = |name: &String| world.target_groups.values().find(|it| it.name == *name);
        named(&names, by_name, |name| target_group_not_found(name))?
    } else {
        world.target_groups.values().collect()
    };
    if let Some(balancer) = form.str("LoadBalancerArn") {
        if !world.balancers.contains_key(balancer) {
            return Err(Refusal::new(400, "LoadBalancerNotFound", &format!("Load balancers '[{balancer}]' not found")));
        }
        found.retain(|group| world.balancers_of(&group.arn).contains(balancer));
    }
    let (found, next) = paged(found, form)?;
    let mut xml = Xml::new();
    xml.members("TargetGroups", found, |xml, group| {
        xml.leaf("TargetGroupArn", &group.arn).leaf("TargetGroupName", &group.name).leaf("Port", group.port);
        xml.inside(&group.settings);
        xml.members("LoadBalancerArns", world.balancers_of(&group.arn), |xml, arn| xml.text(&arn));
    });
    xml.maybe("NextMarker", next);
    Ok(xml)
}

pub(super) fn attributes(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["TargetGroupArn"])?;
    let arn = required(form, "TargetGroupArn")?;
    let group = world.target_group(arn).ok_or_else(|| target_group_not_found(arn))?;
    let mut xml = Xml::new();
    write_attributes(&mut xml, group);
    Ok(xml)
}

pub(super) fn write_attributes(xml: &mut Xml, group: &TargetGroup) {
    xml.members("Attributes", &group.attributes, |xml, (key, value)| {
        xml.leaf("Key", key).leaf("Value", value);
    });
}
