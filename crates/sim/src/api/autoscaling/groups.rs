//! Creating, changing and deleting groups.

use std::collections::BTreeMap;

use super::{hooks, tags, traffic_sources};
use crate::api::query::{Xml, number, only, required};
use crate::world::{PROCESSES, SETTINGS};
use crate::world::{Refusal, Sizes, Tree, Via, World};

const SIZES: [&str; 3] = ["MinSize", "MaxSize", "DesiredCapacity"];

fn sizes(form: &Tree) -> Result<Sizes, Refusal> {
    Ok(Sizes {
        min: number(form, "MinSize")?,
        max: number(form, "MaxSize")?,
        desired: number(form, "DesiredCapacity")?,
    })
}

/// The settings among a request's parameters. An empty list comes as an empty string and stays an empty list.
fn settings(form: &Tree) -> Tree {
    let mut settings = Tree::default();
    for (name, value) in form.members().filter(|(name, _)| SETTINGS.contains(&name.as_str())) {
        let lists = ["AvailabilityZones", "LoadBalancerNames", "TerminationPolicies"];
        let empty = value.leaf() == Some("") && lists.contains(&name.as_str());
        settings.set(name, if empty { Tree::List(Vec::new()) } else { value.clone() });
    }
    settings
}

pub(super) fn create(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let lists = ["Tags", "TargetGroupARNs", "TrafficSources", "LifecycleHookSpecificationList"];
    only(form, &[SETTINGS, &SIZES, &lists, &["AutoScalingGroupName"]].concat())?;
    required(form, "MinSize")?;
    required(form, "MaxSize")?;
    let name = required(form, "AutoScalingGroupName")?;
    let mut given = BTreeMap::new();
    for tag in form.list("Tags") {
        let (key, tag) = tags::read(tag)?;
        given.insert(key, tag);
    }
    let hooks = hooks::read(form)?;
    world.check_hooks(&hooks)?;
    let (sources, others) = traffic_sources::parted(traffic_sources::read(form)?);
    let target_groups = [form.strings("TargetGroupARNs"), sources.clone()].concat();
    world.create_group(name, sizes(form)?, settings(form), given, &target_groups)?;
    world.mark_traffic_sources(name, &sources);
    for (identifier, kind) in others {
        world.add_source(name, &kind, &identifier)?;
    }
    for (hook, settings) in hooks {
        world.put_hook(name, &hook, &settings)?;
    }
    Ok(Xml::new())
}

pub(super) fn update(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &[SETTINGS, &SIZES, &["AutoScalingGroupName"]].concat())?;
    world.update_group(required(form, "AutoScalingGroupName")?, sizes(form)?, settings(form))?;
    Ok(Xml::new())
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "ForceDelete"])?;
    world.delete_group(required(form, "AutoScalingGroupName")?, form.is_true("ForceDelete"))?;
    Ok(Xml::new())
}

pub(super) fn set_desired(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "DesiredCapacity", "HonorCooldown"])?;
    if form.is_true("HonorCooldown") {
        return Err(Refusal::not_implemented("cooldowns (HonorCooldown)"));
    }
    let name = required(form, "AutoScalingGroupName")?;
    required(form, "DesiredCapacity")?;
    world.set_desired(name, number(form, "DesiredCapacity")?.unwrap_or_default())?;
    Ok(Xml::new())
}

/// The processes that a request names; all of them when it names none.
fn processes(form: &Tree) -> Result<Vec<String>, Refusal> {
    only(form, &["AutoScalingGroupName", "ScalingProcesses"])?;
    let named = form.strings("ScalingProcesses");
    if let Some(unknown) = named.iter().find(|name| !PROCESSES.contains(&name.as_str())) {
        return Err(Refusal::validation(&format!("Invalid process type: {unknown}")));
    }
    Ok(if named.is_empty() { PROCESSES.iter().map(|&name| name.to_owned()).collect() } else { named })
}

pub(super) fn suspend(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let processes = processes(form)?;
    world.suspend(required(form, "AutoScalingGroupName")?, processes)?;
    Ok(Xml::new())
}

pub(super) fn resume(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let processes = processes(form)?;
    world.resume(required(form, "AutoScalingGroupName")?, &processes)?;
    Ok(Xml::new())
}

fn target_groups(form: &Tree) -> Result<Vec<String>, Refusal> {
    only(form, &["AutoScalingGroupName", "TargetGroupARNs"])?;
    let arns = form.strings("TargetGroupARNs");
    if arns.is_empty() || arns.len() > 10 {
        return Err(Refusal::validation("Between 1 and 10 target groups must be specified"));
    }
    Ok(arns)
}

pub(super) fn attach(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let arns = target_groups(form)?;
    world.attach(required(form, "AutoScalingGroupName")?, &arns, Via::TargetGroups)?;
    Ok(Xml::new())
}

pub(super) fn detach(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let arns = target_groups(form)?;
    world.detach(required(form, "AutoScalingGroupName")?, &arns, Via::TargetGroups)?;
    Ok(Xml::new())
}
