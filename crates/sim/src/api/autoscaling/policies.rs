//! Scaling policies.

use super::page_size;
use crate::api::query::{Xml, only, page, required};
use crate::world::{Alarm, POLICY_SETTINGS, Policy, Refusal, Tree, World, unknown_group};

pub(super) fn put(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &[POLICY_SETTINGS, &["AutoScalingGroupName", "PolicyName"]].concat())?;
    let mut settings = Tree::default();
    for (name, value) in form.members().filter(|(name, _)| POLICY_SETTINGS.contains(&name.as_str())) {
        // An empty list comes as an empty string.
        if value.leaf() != Some("") {
            settings.set(name, value.clone());
        }
    }
    let (group, name) = (required(form, "AutoScalingGroupName")?, required(form, "PolicyName")?);
    let arn = world.put_policy(group, name, settings)?;
    let policy = world.policy(group, name);
    let own = |alarm: &&Alarm| alarm.managed_by.is_some();
    let alarms = policy.map(|policy| world.alarms_of(policy)).unwrap_or_default();
    let mut xml = Xml::new();
    xml.leaf("PolicyARN", arn).members("Alarms", alarms.into_iter().filter(own), write_alarm);
    Ok(xml)
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    let known = ["AutoScalingGroupName", "PolicyNames", "PolicyTypes", "IncludeManagedResources"];
    only(form, &[known.as_slice(), &["MaxRecords", "NextToken"]].concat())?;
    let groups: Vec<String> = match form.str("AutoScalingGroupName") {
        Some(name) if world.group(name).is_none() => return Err(unknown_group(name)),
        Some(name) => vec![name.to_owned()],
        None => world.group_names(),
    };
    let (names, types) = (form.strings("PolicyNames"), form.strings("PolicyTypes"));
    let wanted = |policy: &&Policy| {
        (names.is_empty() || names.contains(&policy.name) || names.contains(&policy.arn))
            && (types.is_empty() || types.iter().any(|kind| kind == policy.kind()))
    };
    let found: Vec<&Policy> = groups.iter().flat_map(|group| world.policies_of(group)).filter(wanted).collect();
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 50, 100)?)?;
    let mut xml = Xml::new();
    xml.members("ScalingPolicies", found, |xml, policy| {
        xml.leaf("AutoScalingGroupName", &policy.group)
            .leaf("PolicyName", &policy.name)
            .leaf("PolicyARN", &policy.arn)
            .members("Alarms", world.alarms_of(policy), write_alarm)
            .inside(&policy.settings);
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}

fn write_alarm(xml: &mut Xml, alarm: &Alarm) {
    xml.leaf("AlarmName", &alarm.name).leaf("AlarmARN", &alarm.arn);
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "PolicyName"])?;
    let (group, policy) = owner(world, form)?;
    world.delete_policy(&group, &policy)?;
    Ok(Xml::new())
}

pub(super) fn execute(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "PolicyName", "HonorCooldown", "MetricValue", "BreachThreshold"])?;
    let number = |field: &str| match form.str(field).map(str::parse::<f64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(Refusal::validation(&format!("{field} must be a number"))),
    };
    let excess = match (number("MetricValue")?, number("BreachThreshold")?) {
        (Some(value), Some(threshold)) => Some(value - threshold),
        (None, None) => None,
        _ => return Err(Refusal::validation("MetricValue and BreachThreshold must be given together")),
    };
    let (group, policy) = owner(world, form)?;
    world.execute_policy(&group, &policy, form.is_true("HonorCooldown"), excess)?;
    Ok(Xml::new())
}

/// Group and name of the policy that a request is about. The group may be left out when the policy's ARN is given.
fn owner(world: &World, form: &Tree) -> Result<(String, String), Refusal> {
    let policy = required(form, "PolicyName")?;
    let group = match form.str("AutoScalingGroupName") {
        Some(group) => group,
        None => policy.split(":autoScalingGroupName/").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or(""),
    };
    if world.group(group).is_none() {
        return Err(unknown_group(group));
    }
    Ok((group.to_owned(), policy.to_owned()))
}
