//! Lifecycle hooks and the actions that they wait for.

use crate::api::query::{Xml, only, required};
use crate::world::{ActionName, HookResult, Refusal, Tree, World, unknown_group};

const SETTINGS: [&str; 6] = [
    "LifecycleTransition",
    "NotificationTargetARN",
    "RoleARN",
    "NotificationMetadata",
    "HeartbeatTimeout",
    "DefaultResult",
];

/// The settings of a hook among a request's parameters.
fn settings(form: &Tree) -> Tree {
    let mut settings = Tree::default();
    for (name, value) in form.members().filter(|(name, _)| SETTINGS.contains(&name.as_str())) {
        settings.set(name, value.clone());
    }
    settings
}

/// The hooks that come with the creation of a group: their names and settings.
pub(super) fn read(form: &Tree) -> Result<Vec<(String, Tree)>, Refusal> {
    let mut hooks = Vec::new();
    for hook in form.list("LifecycleHookSpecificationList") {
        only(hook, &[&SETTINGS[..], &["LifecycleHookName"]].concat())?;
        hooks.push((required(hook, "LifecycleHookName")?.to_owned(), settings(hook)));
    }
    Ok(hooks)
}

pub(super) fn put(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &[&SETTINGS[..], &["LifecycleHookName", "AutoScalingGroupName"]].concat())?;
    let name = required(form, "LifecycleHookName")?;
    world.put_hook(required(form, "AutoScalingGroupName")?, name, &settings(form))?;
    Ok(Xml::new())
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["LifecycleHookName", "AutoScalingGroupName"])?;
    world.delete_hook(required(form, "AutoScalingGroupName")?, required(form, "LifecycleHookName")?)?;
    Ok(Xml::new())
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "LifecycleHookNames"])?;
    let name = required(form, "AutoScalingGroupName")?;
    let group = world.group(name).ok_or_else(|| unknown_group(name))?;
    let names = form.strings("LifecycleHookNames");
    let found = group.carried.hooks.iter().filter(|(hook, _)| names.is_empty() || names.contains(hook));
    let mut xml = Xml::new();
    xml.members("LifecycleHooks", found, |xml, (hook, settings)| {
        xml.leaf("LifecycleHookName", hook).leaf("AutoScalingGroupName", name).inside(settings);
    });
    Ok(xml)
}

/// The action that a request means. AWS takes the token when both are given.
fn action(form: &Tree) -> Result<ActionName<'_>, Refusal> {
    match (form.str("LifecycleActionToken"), form.str("InstanceId")) {
        (Some(token), _) => Ok(ActionName::Token(token)),
        (None, Some(id)) => Ok(ActionName::Instance(id)),
        (None, None) => Err(Refusal::validation("Either LifecycleActionToken or InstanceId must be given")),
    }
}

pub(super) fn complete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let known = ["LifecycleHookName", "AutoScalingGroupName", "LifecycleActionToken", "InstanceId"];
    only(form, &[&known[..], &["LifecycleActionResult"]].concat())?;
    let result = HookResult::parse(required(form, "LifecycleActionResult")?)?;
    let (group, hook) = (required(form, "AutoScalingGroupName")?, required(form, "LifecycleHookName")?);
    world.complete_action(group, hook, action(form)?, result)?;
    Ok(Xml::new())
}

pub(super) fn heartbeat(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["LifecycleHookName", "AutoScalingGroupName", "LifecycleActionToken", "InstanceId"])?;
    let (group, hook) = (required(form, "AutoScalingGroupName")?, required(form, "LifecycleHookName")?);
    world.record_heartbeat(group, hook, action(form)?)?;
    Ok(Xml::new())
}
