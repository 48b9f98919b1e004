//! The variables of a document: `variables: {name: value}` at its top level.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::expression::{self, Part};
use super::pasted;
use super::{environments, image_tags};
use crate::document::LONGEST;
use crate::document::read::{MOST, Problem, join, named, shown, suggestion};

/// What a variable may be called.
pub(in crate::document) const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// Whether a variable may be called this.
pub(super) fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Gives values to variables that the document declares, as whoever starts a deployment may. They are texts; where a
/// number is wanted, one that is a number will do.
///
/// # Errors
/// A value that would have no effect, each with what to do.
pub fn set(document: &mut Value, given: &[(String, String)]) -> Result<(), Vec<Problem>> {
    let mut names = BTreeSet::new();
    used(document, &mut names);
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, value) in given {
        let declared: Vec<&str> = match document.get("variables") {
            Some(Value::Object(variables)) => variables.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let (problem, fix) = if !declared.contains(&name.as_str()) {
            let fix = format!("Declare it under `variables`, or leave it out{}", suggestion(name, &declared));
            ("the document has no such variable", fix)
        } else if !seen.insert(name) {
            ("it is given twice", "Give it once.".to_owned())
        } else if !names.contains(name.as_str()) {
            ("the variable is used nowhere", format!("Write `${{{name}}}` where it is meant, or leave it out."))
        } else {
            environments::without(document, name);
            document["variables"][name] = Value::String(value.clone());
            continue;
        };
        problems.push(Problem {
            path: join("variables", name),
            value: Some(shown(&Value::String(value.clone()))),
            problem: problem.into(),
            fix,
        });
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The variables that a document uses.
fn used(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            names.extend(expression::parts(text).into_iter().flatten().filter_map(|part| match part {
                Part::Variable(name) => Some(name),
                Part::Text(_) => None,
            }));
            names.extend(pasted::parts(text).into_iter().filter_map(|part| match part {
                pasted::Part::Variable(name) => Some(name.to_owned()),
                pasted::Part::Text(_) => None,
            }));
        }
        Value::Array(items) => items.iter().for_each(|item| used(item, names)),
        Value::Object(fields) => fields.values().for_each(|field| used(field, names)),
        _ => {}
    }
}

/// The variables of a document; those that have no value yet are `None`, so that their use is no second problem.
#[derive(Clone, Debug)]
pub(super) struct Variables {
    values: BTreeMap<String, Option<Value>>,
    /// How many bytes they have made of the document so far, wherever they stand.
    bytes: Cell<usize>,
}

impl Variables {
    /// Reads the declarations.
    pub(super) fn read(declared: Option<Value>, problems: &mut Vec<Problem>) -> Self {
        let declared = match declared {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(declared)) => declared,
            Some(other) => {
                problems.push(Problem {
                    path: "variables".into(),
                    value: Some(shown(&other)),
                    problem: "it is no list of names with their values".into(),
                    fix: "Write `variables: {name: value}`.".into(),
                });
                Map::new()
            }
        };
        let read = declared.into_iter().map(|(name, value)| {
            if is_name(&name) && image_tags::key(&value).is_some() {
                return (name, None);
            }
            let wrong = wrong(&name, &value);
            let fits = wrong.is_none();
            problems.extend(wrong.map(|(problem, fix)| Problem {
                path: join("variables", &name),
                value: (!value.is_null()).then(|| shown(&value)),
                problem,
                fix,
            }));
            (name, fits.then_some(value))
        });
        Self { values: read.collect(), bytes: Cell::new(0) }
    }

    /// Whether there is still room in the document for this.
    fn fits(&self, value: &Value) -> bool {
        let bytes = match value {
            Value::String(text) => text.len(),
            other => other.to_string().len(),
        };
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        self.bytes.get() <= LONGEST
    }

    /// What a text comes to; `None` when that cannot be said, with the reason in `problems` once.
    ///
    /// A text that is one expression and nothing else has the type of the variable.
    pub(super) fn expand(&self, text: &str, path: &str, problems: &mut Vec<Problem>) -> Option<Value> {
        if problems.len() > MOST {
            return None;
        }
        let mut report = |problem: String, fix: String| {
            let value = Some(shown(&Value::String(text.into())));
            problems.push(Problem { path: path.into(), value, problem, fix });
        };
        let parts = match expression::parts(text) {
            Ok(parts) => parts,
            Err((problem, fix)) => {
                report(problem, fix);
                return None;
            }
        };
        let alone = parts.len() == 1;
        let (mut whole, mut complete) = (String::new(), true);
        for part in parts {
            let name = match part {
                Part::Text(text) => {
                    whole.push_str(&text);
                    continue;
                }
                Part::Variable(name) => name,
            };
            match self.values.get(&name) {
                Some(Some(value)) if !self.fits(value) => {
                    let problem = format!("with `{}` the document becomes longer than {LONGEST} bytes", named(&name));
                    report(problem, "Use shorter values, or use them less often.".into());
                    return None;
                }
                Some(Some(value)) if alone => return Some(value.clone()),
                Some(Some(Value::Array(_))) => {
                    let name = named(&name);
                    let fix = format!("Make `${{{name}}}` the whole value of the field.");
                    report(format!("the variable `{name}` is a list, which cannot be a part of a text"), fix);
                    complete = false;
                }
                Some(Some(value)) => whole.push_str(&plain(value)),
                Some(None) => complete = false,
                None => {
                    let known: Vec<&str> = self.values.keys().map(String::as_str).collect();
                    let fix = format!("Declare it under `variables`{}", suggestion(&name, &known));
                    report(format!("there is no variable `{}`", named(&name)), fix);
                    complete = false;
                }
            }
        }
        complete.then_some(Value::String(whole))
    }

    /// What a text comes to that was pasted; `None` when that cannot be said, with the reason in `problems`.
    pub(super) fn expand_pasted(&self, text: &str, path: &str, problems: &mut Vec<Problem>) -> Option<Value> {
        let (mut whole, mut complete) = (String::new(), true);
        for part in pasted::parts(text) {
            let name = match part {
                pasted::Part::Text(text) => {
                    whole.push_str(text);
                    continue;
                }
                pasted::Part::Variable(name) => name,
            };
            let (problem, fix) = match self.values.get(name) {
                Some(Some(value)) if !self.fits(value) => (
                    format!("with `{}` the document becomes longer than {LONGEST} bytes", named(name)),
                    "Use shorter values, or use them less often.".to_owned(),
                ),
                Some(Some(Value::Array(_))) => (
                    format!("the variable `{}` is a list, which cannot be a part of a text", named(name)),
                    "Use a text.".into(),
                ),
                Some(Some(value)) => {
                    whole.push_str(&plain(value));
                    continue;
                }
                Some(None) => {
                    complete = false;
                    continue;
                }
                None => {
                    let known: Vec<&str> = self.values.keys().map(String::as_str).collect();
                    let fix = format!("Declare it under `variables`{}", suggestion(name, &known));
                    (format!("there is no variable `{}`", named(name)), fix)
                }
            };
            complete = false;
            if problems.len() <= MOST {
                problems.push(Problem { path: path.into(), value: None, problem, fix });
            }
        }
        complete.then_some(Value::String(whole))
    }

    /// What each variable is, in a sentence.
    pub(super) fn notes(&self) -> Vec<String> {
        let known = self.values.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        known.map(|(name, value)| format!("Variable {name} = {}", plain(value))).collect()
    }
}

/// What is wrong with a declaration, and the fix.
fn wrong(name: &str, value: &Value) -> Option<(String, String)> {
    let nested = |value: &Value| value.as_str().is_some_and(|text| text.contains("${"));
    let (problem, fix) = if !is_name(name) {
        ("it is no name for a variable", "Use letters, digits and underscores, with no digit at the beginning.".into())
    } else if value.is_null() {
        let name = named(name);
        let fix =
            format!("Give it when you start: `--set {name}=VALUE`, or `variables.{name}` in the execution's input.");
        ("it has no value", fix)
    } else if value.is_object()
        || value.as_array().is_some_and(|items| items.iter().any(|i| i.is_object() || i.is_array() || i.is_null()))
    {
        let fix = "Use text, a number, true, false, or a list of these. References stand in fields, not in variables.";
        ("it is no value that a variable can have", fix.into())
    } else if nested(value) || value.as_array().is_some_and(|items| items.iter().any(nested)) {
        ("variables cannot refer to each other", "Write the value out.".into())
    } else {
        return None;
    };
    Some((problem.into(), fix))
}

/// A value as it stands inside a text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
