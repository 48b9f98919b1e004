//! Scheduled actions.

use super::page_size;
use crate::api::query::{Xml, only, page, required};
use crate::world::{Refusal, ScheduledAction, Tree, World, unknown_group};

/// What a scheduled action is given, apart from its name. `Time` is what `StartTime` was called once.
const SETTINGS: [&str; 7] = ["StartTime", "EndTime", "Recurrence", "TimeZone", "MinSize", "MaxSize", "DesiredCapacity"];

fn settings(action: &Tree) -> Tree {
    let mut settings = Tree::default();
    for (name, value) in action.members().filter(|(name, _)| SETTINGS.contains(&name.as_str())) {
        settings.set(name, value.clone());
    }
    if let Some(time) = action.get("Time").filter(|_| action.get("StartTime").is_none()) {
        settings.set("StartTime", time.clone());
    }
    settings
}

pub(super) fn put(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &[SETTINGS.as_slice(), &["AutoScalingGroupName", "ScheduledActionName", "Time"]].concat())?;
    let (group, name) = (required(form, "AutoScalingGroupName")?, required(form, "ScheduledActionName")?);
    world.put_scheduled_action(group, name, settings(form))?;
    Ok(Xml::new())
}

/// Each action for itself: those that are refused are listed, and the others made.
pub(super) fn put_batch(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "ScheduledUpdateGroupActions"])?;
    let group = required(form, "AutoScalingGroupName")?;
    world.group_mut(group)?;
    let actions = form.list("ScheduledUpdateGroupActions");
    check_batch(actions.len())?;
    let mut failed = Vec::new();
    for action in actions {
        only(action, &[SETTINGS.as_slice(), &["ScheduledActionName"]].concat())?;
        let name = required(action, "ScheduledActionName")?;
        if let Err(refusal) = world.put_scheduled_action(group, name, settings(action)) {
            failed.push((name.to_owned(), refusal));
        }
    }
    Ok(failures("FailedScheduledUpdateGroupActions", failed))
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "ScheduledActionName"])?;
    let (group, name) = (required(form, "AutoScalingGroupName")?, required(form, "ScheduledActionName")?);
    world.delete_scheduled_action(group, name)?;
    Ok(Xml::new())
}

pub(super) fn delete_batch(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "ScheduledActionNames"])?;
    let group = required(form, "AutoScalingGroupName")?;
    world.group_mut(group)?;
    let names = form.strings("ScheduledActionNames");
    check_batch(names.len())?;
    let mut failed = Vec::new();
    for name in names {
        if let Err(refusal) = world.delete_scheduled_action(group, &name) {
            failed.push((name, refusal));
        }
    }
    Ok(failures("FailedScheduledActions", failed))
}

fn check_batch(count: usize) -> Result<(), Refusal> {
    match count {
        1..=50 => Ok(()),
        _ => Err(Refusal::validation("Between 1 and 50 scheduled actions must be given")),
    }
}

fn failures(list: &str, failed: Vec<(String, Refusal)>) -> Xml {
    let mut xml = Xml::new();
    xml.members(list, failed, |xml, (name, refusal)| {
        xml.leaf("ScheduledActionName", name).leaf("ErrorCode", refusal.code).leaf("ErrorMessage", refusal.message);
    });
    xml
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    let known = ["AutoScalingGroupName", "ScheduledActionNames", "StartTime", "EndTime", "IncludeManagedResources"];
    only(form, &[known.as_slice(), &["MaxRecords", "NextToken"]].concat())?;
    let groups: Vec<String> = match form.str("AutoScalingGroupName") {
        Some(name) if world.group(name).is_none() => return Err(unknown_group(name)),
        Some(name) => vec![name.to_owned()],
        None => world.group_names(),
    };
    let names = form.strings("ScheduledActionNames");
    let (from, until) = (instant(form, "StartTime")?, instant(form, "EndTime")?);
    // Names count, and times only without them.
    let wanted = |(name, action): (&String, &ScheduledAction)| match names.is_empty() {
        false => names.contains(name) || names.contains(&action.arn),
        true => from.is_none_or(|from| action.due >= from) && until.is_none_or(|until| action.due <= until),
    };
    let mut found = Vec::new();
    for group in &groups {
        found.extend(world.scheduled_actions(group).filter(|it| wanted(*it)).map(|(name, it)| (group, name, it)));
    }
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 50, 100)?)?;
    let mut xml = Xml::new();
    xml.members("ScheduledUpdateGroupActions", found, |xml, (group, name, action)| {
        let shown = action.shown();
        xml.leaf("AutoScalingGroupName", group)
            .leaf("ScheduledActionName", name)
            .leaf("ScheduledActionARN", &action.arn)
            .maybe("Time", shown.str("StartTime"))
            .inside(&shown);
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}

fn instant(form: &Tree, field: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = form.str(field) else { return Ok(None) };
    let millis = text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
    millis.map(Some).ok_or_else(|| Refusal::validation(&format!("{field} '{text}' is not a time")))
}
