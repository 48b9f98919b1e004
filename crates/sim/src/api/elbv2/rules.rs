//! Changing rules and listeners.
//!
//! A change replaces the lists that it gives and keeps everything else, as on AWS.

use super::describe::{NEVER, write_listener, write_rule};
use crate::api::query::{Xml, number, only, required};
use crate::world::{Refusal, Stale, Tree, World, listener_not_found, rule_not_found};

pub(super) fn create(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["ListenerArn", "Conditions", "Priority", "Actions", "Transforms"])?;
    let listener = required(form, "ListenerArn")?;
    required(form, "Priority")?;
    let priority = number(form, "Priority")?.filter(|priority| (1..=50_000).contains(priority));
    let priority = priority.ok_or_else(|| Refusal::validation("Priority must be between 1 and 50000"))?;
    let mut settings = Tree::default();
    for name in ["Conditions", "Transforms"] {
        if let Some(value) = form.get(name) {
            settings.set(name, value.clone());
        }
    }
    let actions = form.get("Actions").cloned().unwrap_or_default();
    let arn = world.create_rule(listener, priority, settings, &actions)?;
    let mut xml = Xml::new();
    xml.members("Rules", world.rules.get(&arn), |xml, rule| write_rule(xml, rule, NEVER));
    Ok(xml)
}

pub(super) fn modify(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["RuleArn", "Conditions", "Actions", "Transforms", "ResetTransforms"])?;
    let arn = required(form, "RuleArn")?;
    if world.listeners.values().any(|listener| listener.default_rule == arn) {
        return Err(Refusal::new(400, "OperationNotPermitted", &format!("Default rule '{arn}' cannot be modified")));
    }
    let rule = world.rules.get(arn).ok_or_else(|| rule_not_found(arn))?;
    let balancer = world.listeners.get(&rule.listener).map(|it| it.balancer.clone()).unwrap_or_default();
    let actions = match form.get("Actions") {
        Some(actions) => world.checked_actions(&balancer, actions, Some(&rule.actions))?,
        None => rule.actions.clone(),
    };
    let until = world.now_millis() + world.settings.read_staleness_millis;
    if let Some(rule) = world.rules.get_mut(arn) {
        rule.stale = Some(Stale { until, actions: rule.actions.clone(), settings: rule.settings.clone() });
        for name in ["Conditions", "Transforms"] {
            if let Some(value) = form.get(name) {
                rule.settings.set(name, value.clone());
            }
        }
        if form.is_true("ResetTransforms") {
            rule.settings.take("Transforms");
        }
    }
    world.set_rule_actions(arn, actions);
    let mut xml = Xml::new();
    xml.members("Rules", world.rules.get(arn), |xml, rule| write_rule(xml, rule, NEVER));
    Ok(xml)
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["RuleArn"])?;
    let arn = required(form, "RuleArn")?;
    if world.listeners.values().any(|listener| listener.default_rule == arn) {
        return Err(Refusal::new(400, "OperationNotPermitted", &format!("Default rule '{arn}' cannot be deleted")));
    }
    world.rules.remove(arn).ok_or_else(|| rule_not_found(arn))?;
    world.actions_changed();
    Ok(Xml::new())
}

pub(super) fn delete_listener(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["ListenerArn"])?;
    let arn = required(form, "ListenerArn")?;
    world.listeners.remove(arn).ok_or_else(|| listener_not_found(arn))?;
    // Its rules go with it.
    world.rules.retain(|_, rule| rule.listener != arn);
    world.actions_changed();
    Ok(Xml::new())
}

const LISTENER_SETTINGS: [&str; 6] =
    ["Port", "Protocol", "SslPolicy", "Certificates", "AlpnPolicy", "MutualAuthentication"];

pub(super) fn modify_listener(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &[&LISTENER_SETTINGS[..], &["ListenerArn", "DefaultActions"]].concat())?;
    let arn = required(form, "ListenerArn")?;
    let listener = world.listeners.get(arn).ok_or_else(|| listener_not_found(arn))?;
    let actions = match form.get("DefaultActions") {
        Some(actions) => world.checked_actions(&listener.balancer, actions, Some(&listener.actions))?,
        None => listener.actions.clone(),
    };
    let until = world.now_millis() + world.settings.read_staleness_millis;
    if let Some(listener) = world.listeners.get_mut(arn) {
        let settings = listener.settings.clone();
        listener.stale = Some(Stale { until, actions: listener.actions.clone(), settings });
        for name in LISTENER_SETTINGS {
            if let Some(value) = form.get(name) {
                listener.settings.set(name, value.clone());
            }
        }
    }
    world.set_listener_actions(arn, actions);
    let mut xml = Xml::new();
    xml.members("Listeners", world.listeners.get(arn), |xml, it| write_listener(xml, it, NEVER));
    Ok(xml)
}
