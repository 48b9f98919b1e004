//! The two state machines, from one table of states that explains its own short forms.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_norway::{Mapping, Value};

use super::json::{self, Layout, mapping};
use super::{Generated, kebab};
use crate::steps::Result;

/// Where the table is.
pub(super) const TABLE: &str = "statemachines/states.yaml";

/// Longer than a function may run (`Timeout` in template.yaml), so that it is Lambda that ends a hanging call.
const TIMEOUT_SECONDS: u32 = 120;
/// What follows when the stage's condition holds, and when it does not yet.
const AFTER_A_STAGE: &str = "Route";
/// Where a kind of stage leads that the definition does not know.
const UNKNOWN_STAGE: &str = "UnknownStage";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// By name.
    retriers: Mapping,
    /// By name.
    catchers: Mapping,
    /// States that both machines have.
    shared: Mapping,
    machines: Mapping,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    #[serde(rename = "Comment")]
    comment: String,
    #[serde(rename = "StartAt")]
    start_at: String,
    #[serde(rename = "TimeoutSeconds")]
    timeout_seconds: u32,
    /// What holds for its tasks that say nothing else.
    retry: Vec<String>,
    catch: Vec<String>,
    states: Mapping,
}

/// Both definitions.
pub(super) fn generate(table: &str) -> Result<Vec<Generated>> {
    let table: Table = serde_norway::from_str(table).map_err(|error| format!("{TABLE}: {error}"))?;
    let mut used = BTreeSet::new();
    let mut files = Vec::new();
    for (name, machine) in &table.machines {
        let name = name.as_str().ok_or_else(|| format!("{TABLE}: a machine's name is no text"))?;
        let definition = serde_norway::from_value(machine.clone())
            .map_err(|error| error.to_string())
            .and_then(|machine| definition(&table, &machine, &mut used))
            .map_err(|problem| format!("{TABLE}: {name}: {problem}"))?;
        let text = json::print(&definition, layout)?;
        files.push(Generated { path: format!("statemachines/{name}.asl.json"), text });
    }
    let known = [&table.retriers, &table.catchers, &table.shared].into_iter().flat_map(Mapping::keys);
    let unused: Vec<&str> = known.filter_map(Value::as_str).filter(|name| !used.contains(*name)).collect();
    if unused.is_empty() { Ok(files) } else { Err(format!("{TABLE}: nothing uses {}", unused.join(", "))) }
}

/// A state that calls a function.
pub(super) struct Called {
    pub(super) machine: String,
    pub(super) state: String,
    /// By its name, as in `wait-steady`.
    pub(super) function: String,
    /// How long the state waits for it. Not said of an approval, whose plan says it.
    pub(super) timeout_seconds: Option<u64>,
}

/// Every call of a function in these definitions.
pub(super) fn calls(files: &[Generated]) -> Result<Vec<Called>> {
    let mut calls = Vec::new();
    for file in files {
        let definition: serde_json::Value =
            serde_json::from_str(&file.text).map_err(|error| format!("{}: {error}", file.path))?;
        let machine = file.path.trim_start_matches("statemachines/").trim_end_matches(".asl.json");
        for (state, fields) in definition["States"].as_object().into_iter().flatten() {
            let Some(function) = fields["Parameters"]["FunctionName"].as_str() else { continue };
            calls.push(Called {
                machine: machine.into(),
                state: state.clone(),
                function: kebab(function.trim_start_matches("${").trim_end_matches('}'), "Function"),
                timeout_seconds: fields["TimeoutSeconds"].as_u64(),
            });
        }
    }
    Ok(calls)
}

/// Every state is a block, every retrier and catcher a line.
fn layout(path: &[String]) -> Layout {
    match path {
        [] | [_] | [_, _] => Layout::Block,
        [_, _, list] if list == "Retry" || list == "Catch" || list == "Choices" => Layout::Block,
        [_, _, list, _] if list == "Retry" || list == "Catch" => Layout::Line,
        _ => Layout::Fit,
    }
}

fn definition(table: &Table, machine: &Machine, used: &mut BTreeSet<String>) -> Result<Value> {
    let mut states = Mapping::new();
    for (name, described) in &machine.states {
        let name = name.as_str().ok_or("a state's name is no text")?;
        let state = described
            .as_mapping()
            .ok_or_else(|| "is no mapping".into())
            .and_then(|described| state(table, machine, name, described.clone(), used))
            .map_err(|problem: String| format!("{name}: {problem}"))?;
        states.insert(name.into(), state.into());
    }
    let fields = [
        ("Comment", machine.comment.as_str().into()),
        ("StartAt", machine.start_at.as_str().into()),
        ("TimeoutSeconds", machine.timeout_seconds.into()),
        ("States", states.into()),
    ];
    Ok(mapping(fields).into())
}

/// A state as the definition has it.
fn state(
    table: &Table,
    machine: &Machine,
    name: &str,
    mut described: Mapping,
    used: &mut BTreeSet<String>,
) -> Result<Mapping> {
    if described.shift_remove("shared").is_some() {
        let mut shared = named(&table.shared, name, used)?.as_mapping().ok_or("is no mapping under shared")?.clone();
        shared.extend(described);
        described = shared;
    }
    let mut state = mapping([("Comment", described.shift_remove("Comment").ok_or("has no Comment")?)]);
    if let Some(function) = described.shift_remove("function") {
        task(table, machine, text(&function)?, &mut described, &mut state, used)?;
    } else if let Some(stages) = described.shift_remove("stages") {
        let before = described.shift_remove("Choices");
        let mut choices = before.as_ref().map(list).transpose()?.unwrap_or_default().to_vec();
        if described.shift_remove("waits").is_some() {
            choices.extend(waits());
        }
        state.extend(route(machine, choices, list(&stages)?)?);
    }
    state.extend(plain(described)?);
    Ok(state)
}

/// A task that invokes a function.
fn task(
    table: &Table,
    machine: &Machine,
    function: &str,
    described: &mut Mapping,
    state: &mut Mapping,
    used: &mut BTreeSet<String>,
) -> Result {
    let token = match described.shift_remove("token") {
        None => "",
        Some(Value::Bool(true)) => ".waitForTaskToken",
        Some(_) => return Err("token can only be true".into()),
    };
    let (key, payload) = match described.shift_remove("payload") {
        Some(payload) => ("Payload", payload),
        None => ("Payload.$", "$".into()),
    };
    let retry = chosen(described.shift_remove("retry"), &machine.retry, &table.retriers, used)?;
    let catch = chosen(described.shift_remove("catch"), &machine.catch, &table.catchers, used)?;
    let next = described.shift_remove("Next").unwrap_or_else(|| AFTER_A_STAGE.into());
    let parameters = mapping([("FunctionName", format!("${{{function}Function}}").into()), (key, payload)]);
    state.extend(mapping([
        ("Type", "Task".into()),
        ("Resource", format!("arn:${{Partition}}:states:::lambda:invoke{token}").into()),
        ("Parameters", parameters.into()),
    ]));
    if !described.contains_key("ResultPath") {
        state.insert("OutputPath".into(), "$.Payload".into());
    }
    state.extend(plain(std::mem::take(described))?);
    if !state.contains_key("TimeoutSeconds") && !state.contains_key("TimeoutSecondsPath") {
        state.insert("TimeoutSeconds".into(), TIMEOUT_SECONDS.into());
    }
    state.extend(mapping([("Retry", retry), ("Catch", catch), ("Next", next)]));
    Ok(())
}

/// The choices of whether to wait, and for what: to look again, or to act again.
fn waits() -> Vec<Value> {
    let waits = || mapping([("Variable", "$.waitSeconds".into()), ("NumericGreaterThan", 0.into())]);
    let acts = mapping([("Variable", "$.phase".into()), ("StringEquals", "act".into())]);
    let mut looks = waits();
    looks.insert("Next".into(), "Wait".into());
    vec![
        mapping([("And", Value::Sequence(vec![waits().into(), acts.into()])), ("Next", "WaitToAct".into())]).into(),
        looks.into(),
    ]
}

/// The choice of a stage's state, after what is chosen before.
fn route(machine: &Machine, mut choices: Vec<Value>, stages: &[Value]) -> Result<Mapping> {
    for stage in stages {
        // A kind, whose state has its name, or a kind and its state.
        let (kind, next) = match stage {
            Value::Mapping(pair) => pair.iter().next().ok_or("one of the stages is empty")?,
            kind => (kind, kind),
        };
        if !machine.states.contains_key(next) {
            return Err(format!("stages lead to {}, which is no state", text(next)?));
        }
        let choice = [("Variable", "$.stage.kind".into()), ("StringEquals", kind.clone()), ("Next", next.clone())];
        choices.push(mapping(choice).into());
    }
    let fields = [("Type", "Choice".into()), ("Choices", Value::Sequence(choices)), ("Default", UNKNOWN_STAGE.into())];
    Ok(mapping(fields))
}

/// The retriers or catchers of a task: its own, or the machine's.
fn chosen(own: Option<Value>, usual: &[String], all: &Mapping, used: &mut BTreeSet<String>) -> Result<Value> {
    let names = match &own {
        Some(own) => list(own)?.iter().map(text).collect::<Result<Vec<_>>>()?,
        None => usual.iter().map(String::as_str).collect(),
    };
    names.into_iter().map(|name| named(all, name, used).cloned()).collect::<Result<Vec<_>>>().map(Value::Sequence)
}

fn named<'a>(all: &'a Mapping, name: &str, used: &mut BTreeSet<String>) -> Result<&'a Value> {
    used.insert(name.into());
    all.get(name).ok_or_else(|| format!("{name} is not in the table"))
}

/// What stands in the definition as it stands in the table: Amazon's fields, which begin with a capital.
fn plain(fields: Mapping) -> Result<Mapping> {
    let is_plain =
        |key: &Value| key.as_str().is_some_and(|key| key.starts_with(|first: char| first.is_ascii_uppercase()));
    match fields.keys().find(|key| !is_plain(key)) {
        Some(unknown) => Err(format!("{} means nothing here", text(unknown)?)),
        None => Ok(fields),
    }
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| format!("{value:?} has to be a text"))
}

fn list(value: &Value) -> Result<&[Value]> {
    value.as_sequence().map(Vec::as_slice).ok_or_else(|| format!("{value:?} has to be a list"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::generate;

    /// A table with the states that are given, each on a line.
    fn table(states: &[&str]) -> String {
        let states: String = states.iter().map(|state| format!("      {state}\n")).collect();
        format!(
            "retriers:
  soon: {{ErrorEquals: [Throttled], MaxAttempts: 8}}
  later: {{ErrorEquals: [States.ALL], MaxAttempts: 20}}
catchers:
  failed: {{ErrorEquals: [States.ALL], Next: Failed}}
shared:
  Failed: {{Comment: c, Type: Fail}}
machines:
  deploy:
    Comment: m
    StartAt: Act
    TimeoutSeconds: 9
    retry: [soon, later]
    catch: [failed]
    states:
      Failed: {{shared: true}}
{states}"
        )
    }

    fn definition(states: &[&str]) -> Value {
        let files = generate(&table(states)).unwrap();
        assert_eq!(files[0].path, "statemachines/deploy.asl.json");
        serde_json::from_str(&files[0].text).unwrap()
    }

    fn problem(states: &[&str]) -> String {
        generate(&table(states)).err().unwrap_or_default()
    }

    #[test]
    fn a_task_says_only_what_is_special_about_it() {
        let states = &definition(&["Act: {Comment: c, function: Upscale}"])["States"];
        let expected = json!({
            "Comment": "c", "Type": "Task", "Resource": "arn:${Partition}:states:::lambda:invoke",
            "Parameters": {"FunctionName": "${UpscaleFunction}", "Payload.$": "$"}, "OutputPath": "$.Payload",
            "TimeoutSeconds": 120,
            "Retry": [
                {"ErrorEquals": ["Throttled"], "MaxAttempts": 8}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 20},
            ],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}], "Next": "Route",
        });
        assert_eq!(states["Act"], expected);
        assert_eq!(states["Failed"], json!({"Comment": "c", "Type": "Fail"}));
    }

    #[test]
    fn what_is_special_about_a_task_replaces_what_is_usual() {
        let state = "Act: {Comment: c, function: Approve, token: true, payload: {a.$: $.b}, ResultPath: $.d, \
                     TimeoutSecondsPath: $.t, retry: [later], Next: Failed}";
        let act = &definition(&[state, "Usual: {Comment: c, function: Hold}"])["States"]["Act"];
        let expected = json!({
            "Comment": "c", "Type": "Task", "Resource": "arn:${Partition}:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {"FunctionName": "${ApproveFunction}", "Payload": {"a.$": "$.b"}}, "ResultPath": "$.d",
            "TimeoutSecondsPath": "$.t", "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 20}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}], "Next": "Failed",
        });
        assert_eq!(*act, expected);
    }

    #[test]
    fn each_kind_of_stage_leads_to_its_state() {
        let act = "Act: {Comment: c, function: Act}";
        let states = &definition(&[act, "Route: {Comment: c, stages: [Act, Pause: Act]}"])["States"];
        let expected = json!({
            "Comment": "c", "Type": "Choice", "Default": "UnknownStage",
            "Choices": [
                {"Variable": "$.stage.kind", "StringEquals": "Act", "Next": "Act"},
                {"Variable": "$.stage.kind", "StringEquals": "Pause", "Next": "Act"},
            ],
        });
        assert_eq!(states["Route"], expected);
    }

    #[test]
    fn mistakes_in_the_table_are_named() {
        let act = "Act: {Comment: c, function: Act}";
        for (states, expected) in [
            (vec!["Act: {Comment: c, function: Act, retry: [patience]}"], "Act: patience is not in the table"),
            (vec!["Act: {Comment: c, function: Act, catch: [nobody]}"], "Act: nobody is not in the table"),
            (vec!["Act: {Comment: c, function: Act, retries: [soon]}"], "retries means nothing"),
            (vec!["Act: {function: Act}"], "Act: has no Comment"),
            (vec!["Act: {shared: true}"], "Act: Act is not in the table"),
            (vec![act, "Route: {Comment: c, stages: [Juggle]}"], "Juggle, which is no state"),
            (vec!["Act: {Comment: c, function: Act, retry: [later]}"], "nothing uses soon"),
            (vec!["Act: {Comment: c, function: Act, token: false}"], "token can only be true"),
            (vec![act, act], "duplicate"),
        ] {
            let problem = problem(&states);
            assert!(problem.contains(expected), "{states:?}: {problem}");
        }
    }
}
