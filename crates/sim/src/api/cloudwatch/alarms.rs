//! Creating, showing, changing and deleting alarms.

use super::{only, tags};
use crate::api::query::{page, required};
use crate::world::{Alarm, Refusal, Tree, World, timestamp};

/// The settings of alarms, apart from name and tags.
const SETTINGS: [&str; 25] = [
    "AlarmDescription",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
    "ThresholdMetricId",
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
];

pub(super) fn put(world: &mut World, parameters: &Tree) -> Result<Tree, Refusal> {
    only(parameters, &[SETTINGS.as_slice(), &["AlarmName", "Tags"]].concat())?;
    let mut settings = Tree::default();
    for (name, value) in parameters.members().filter(|(name, _)| SETTINGS.contains(&name.as_str())) {
        // An empty list comes as an empty string in Query, and an empty string is nothing otherwise.
        if value.leaf() != Some("") {
            settings.set(name, value.clone());
        }
    }
    let given = tags::read(parameters.list("Tags"))?;
    world.put_alarm(required(parameters, "AlarmName")?, settings, given)?;
    Ok(Tree::default())
}

pub(super) fn describe(world: &World, parameters: &Tree) -> Result<Tree, Refusal> {
    only(
        parameters,
        &["AlarmNames", "AlarmNamePrefix", "AlarmTypes", "StateValue", "ActionPrefix", "MaxRecords", "NextToken"],
    )?;
    let names = parameters.strings("AlarmNames");
    let (prefix, action) = (parameters.str("AlarmNamePrefix"), parameters.str("ActionPrefix"));
    if !names.is_empty() && prefix.is_some() {
        return Err(Refusal::validation("AlarmNamePrefix and AlarmNames must not both be given"));
    }
    if names.len() > 100 {
        return Err(Refusal::validation("At most 100 alarms can be named"));
    }
    let types = parameters.strings("AlarmTypes");
    // Without types it tells of alarms for metrics alone.
    let of_type = |alarm: &Alarm| {
        let kind = if is_composite(alarm) { "CompositeAlarm" } else { "MetricAlarm" };
        types.iter().any(|wanted| wanted == kind) || (types.is_empty() && !is_composite(alarm))
    };
    let acts = |alarm: &Alarm, prefix: &str| {
        let lists = ["OKActions", "AlarmActions", "InsufficientDataActions"];
        lists.iter().any(|list| alarm.settings.strings(list).iter().any(|action| action.starts_with(prefix)))
    };
    let wanted = |alarm: &&Alarm| {
        of_type(alarm)
            && (names.is_empty() || names.contains(&alarm.name))
            && prefix.is_none_or(|prefix| alarm.name.starts_with(prefix))
            && parameters.str("StateValue").is_none_or(|state| state == alarm.state.as_str())
            && action.is_none_or(|prefix| acts(alarm, prefix))
    };
    let found: Vec<&Alarm> = world.alarms.values().filter(wanted).collect();
    let size = match parameters.str("MaxRecords").map(str::parse::<usize>) {
        None => 50,
        Some(Ok(size)) if (1..=100).contains(&size) => size,
        Some(_) => return Err(Refusal::validation("MaxRecords must be between 1 and 100")),
    };
    let (found, next) = page(found, parameters.str("NextToken"), size)?;
    let (composite, of_metrics): (Vec<&Alarm>, Vec<&Alarm>) = found.into_iter().partition(|alarm| is_composite(alarm));
    let mut result = Tree::map([
        ("MetricAlarms", Tree::List(of_metrics.into_iter().map(shown).collect())),
        ("CompositeAlarms", Tree::List(composite.into_iter().map(shown).collect())),
    ]);
    if let Some(next) = next {
        result.set("NextToken", Tree::Leaf(next));
    }
    Ok(result)
}

/// Whether it looks at other alarms.
fn is_composite(alarm: &Alarm) -> bool {
    alarm.settings.get("AlarmRule").is_some()
}

fn shown(alarm: &Alarm) -> Tree {
    let mut shown = alarm.settings.clone();
    for (field, value) in [
        ("AlarmName", &alarm.name),
        ("AlarmArn", &alarm.arn),
        ("AlarmConfigurationUpdatedTimestamp", &timestamp(alarm.configured_at)),
        ("StateValue", &alarm.state.as_str().to_owned()),
        ("StateReason", &alarm.reason),
        ("StateUpdatedTimestamp", &timestamp(alarm.state_at)),
        ("StateTransitionedTimestamp", &timestamp(alarm.state_at)),
    ] {
        shown.set(field, Tree::text(value));
    }
    if let Some(data) = &alarm.reason_data {
        shown.set("StateReasonData", Tree::text(data));
    }
    shown
}

pub(super) fn delete(world: &mut World, parameters: &Tree) -> Result<Tree, Refusal> {
    only(parameters, &["AlarmNames"])?;
    world.delete_alarms(&names(parameters)?);
    Ok(Tree::default())
}

pub(super) fn set_state(world: &mut World, parameters: &Tree) -> Result<Tree, Refusal> {
    only(parameters, &["AlarmName", "StateValue", "StateReason", "StateReasonData"])?;
    let state = required(parameters, "StateValue")?.parse()?;
    let data = parameters.str("StateReasonData").map(str::to_owned);
    world.set_alarm_state(required(parameters, "AlarmName")?, state, required(parameters, "StateReason")?, data)?;
    Ok(Tree::default())
}

pub(super) fn enable(world: &mut World, parameters: &Tree, enabled: bool) -> Result<Tree, Refusal> {
    only(parameters, &["AlarmNames"])?;
    for name in names(parameters)? {
        if let Some(alarm) = world.alarms.get_mut(&name) {
            alarm.settings.set("ActionsEnabled", Tree::text(enabled));
        }
    }
    Ok(Tree::default())
}

fn names(parameters: &Tree) -> Result<Vec<String>, Refusal> {
    let names = parameters.strings("AlarmNames");
    match names.len() {
        1..=100 => Ok(names),
        _ => Err(Refusal::validation("Between 1 and 100 alarms must be named")),
    }
}
