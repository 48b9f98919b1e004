//! The machine's own fields, and the order in which everything is read and checked.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::Fields;
use super::{StateMachine, graph, states};
use crate::problem::{Problems, child};
use crate::{Problem, json};

/// The most bytes of a definition that AWS accepts.
const DEFINITION_LIMIT: usize = 1_048_576;

/// The most characters of a state's name.
const NAME_LIMIT: usize = 80;

pub(super) fn parse(text: &str) -> Result<StateMachine, Vec<Problem>> {
    let mut problems = Problems::default();
    if text.len() > DEFINITION_LIMIT {
        problems.refuse("too-large", "", format!("a definition may hold at most {DEFINITION_LIMIT} bytes"));
    }
    let machine = match json::parse_strict(text) {
        Ok(value) => machine(&value, &mut problems),
        Err(error) => {
            problems.refuse("not-json", "", error.to_string());
            None
        }
    };
    match machine {
        Some(machine) if problems.0.is_empty() => Ok(machine),
        _ => Err(problems.0),
    }
}

fn machine(value: &Value, problems: &mut Problems) -> Option<StateMachine> {
    let mut fields = Fields::new(value, String::new(), problems)?;
    let comment = fields.string("Comment", problems);
    if fields.string("Version", problems).is_some_and(|version| version != "1.0") {
        problems.refuse("unsupported", "/Version", "the only version is 1.0");
    }
    // Saying JSONPath aloud changes nothing; anything else is another language.
    if let Some(language) = fields.raw("QueryLanguage")
        && language != "JSONPath"
    {
        problems.refuse("unsupported", "/QueryLanguage", format!("{language} is not supported, only JSONPath is"));
    }
    let timeout_seconds = fields.integer("TimeoutSeconds", 1, problems);
    fields.required("StartAt", problems);
    let start_at = fields.string("StartAt", problems);
    let mut states = BTreeMap::new();
    let mut all_read = true;
    match fields.required("States", problems) {
        Some(Value::Object(entries)) => {
            if entries.is_empty() {
                problems.refuse("missing-field", "/States", "there is no state");
            }
            for (name, value) in entries {
                let pointer = child("/States", name);
                if name.chars().count() > NAME_LIMIT {
                    let message = format!("a state's name may hold at most {NAME_LIMIT} characters");
                    problems.refuse("bad-name", &pointer, message);
                }
                match states::state(value, pointer, problems) {
                    Some(state) => drop(states.insert(name.clone(), state)),
                    None => all_read = false,
                }
            }
            // A state that could not be read has unknown targets, so what is reachable is then unknown too.
            let names = entries.keys().map(String::as_str).collect();
            graph::check(start_at.as_deref(), &names, &states, all_read, problems);
        }
        Some(_) => problems.refuse("wrong-type", "/States", "must be an object"),
        None => {}
    }
    fields.finish(problems);
    Some(StateMachine { comment, start_at: start_at?, timeout_seconds, states })
}
