//! Parsing a document: all problems at once, each with its path, its value and the fix.
//!
//! The structural check walks the generated schema, so that the schema, the editor and the parser cannot disagree. It knows
//! just the keywords that the generator emits for the document's types, and refuses to guess at others.

use std::collections::BTreeSet;
use std::fmt;

use regex_lite::Regex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::text::{read_text, within_limits};
use super::{Document, Hooks, Verification, check, schema};
use crate::text::{beginning, printable};
use crate::{Failure, Kind};

/// The most problems of one document that are told. Whoever has more mends these first.
pub(super) const MOST: usize = 50;

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where, as in `routing.weighted[0]` or `strategy.stages[2].shift.percent`; empty for the whole document.
    pub path: String,
    /// What is there, shortened; nothing when the field is missing.
    pub value: Option<String>,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the document" } else { &self.path };
        write!(f, "{path}")?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}. {}", self.problem, self.fix)
    }
}

/// Reads a document without variables and references from YAML or JSON text.
pub fn parse_text(text: &str) -> Result<Document, Vec<Problem>> {
    parse(&read_text(text)?)
}

/// Reads a document in which everything is spelt out: no variables, no references. On failure every problem: of each object
/// what is missing first, then field by field.
pub fn parse(value: &Value) -> Result<Document, Vec<Problem>> {
    within_limits(value).map_err(|problem| vec![problem])?;
    let mut problems = structure(schema::strict(), value, "", &BTreeSet::new());
    // What only shows in the whole is looked for even then, in the parts that can be read.
    problems.extend(contradictions(value));
    if !problems.is_empty() {
        return Err(some(problems));
    }
    let mut document: Document = serde_json::from_value(value.clone()).map_err(|error| {
        vec![Problem {
            path: String::new(),
            value: None,
            problem: printable(&error.to_string()).into_owned(),
            fix: "Correct that field.".into(),
        }]
    })?;
    check::fill_in(&mut document);
    Ok(document)
}

/// As many problems as are told, and that there are more.
pub(super) fn some(mut problems: Vec<Problem>) -> Vec<Problem> {
    if problems.len() > MOST {
        problems.truncate(MOST);
        problems.push(Problem {
            path: String::new(),
            value: None,
            problem: format!("it has more problems than these {MOST}"),
            fix: "Mend these first.".into(),
        });
    }
    problems
}

/// What is wrong with a value at this path by this schema, apart from values that are not known yet.
pub(super) fn structure(schema: &Value, value: &Value, path: &str, unknown: &BTreeSet<String>) -> Vec<Problem> {
    let mut walk = Walk { root: schema, unknown, problems: Vec::new() };
    walk.check(schema, value, path);
    walk.problems
}

/// What is contradictory in the parts of a document that can be read.
pub(super) fn contradictions(value: &Value) -> Vec<Problem> {
    check::check(&check::Parts {
        service: part(value, "service"),
        environment: part(value, "environment"),
        artifact: part(value, "artifact"),
        compute: part(value, "compute"),
        routing: part(value, "routing"),
        strategy: part(value, "strategy"),
        rollback: part(value, "rollback"),
        // One that is left out says that there is nothing to look at.
        verification: match value.get("verification") {
            Some(_) => part(value, "verification"),
            None => Some(Verification::default()),
        },
        on_failure: part(value, "onFailure"),
        hooks: match value.get("hooks") {
            Some(_) => part(value, "hooks"),
            None => Some(Hooks::new()),
        },
    })
}

/// A part of a document, if it can be read, and is no longer than the schema has it.
fn part<T: DeserializeOwned>(value: &Value, name: &str) -> Option<T> {
    value.get(name).filter(|part| modest(part)).and_then(|part| serde_json::from_value(part.clone()).ok())
}

/// Whether no list is longer than the longest that the schema allows.
fn modest(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.len() <= 100 && items.iter().all(modest),
        Value::Object(fields) => fields.values().all(modest),
        _ => true,
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        let count = problems.len();
        let list: Vec<_> = problems.iter().map(|p| format!("- {p}")).collect();
        let s = if count == 1 { "" } else { "s" };
        Kind::InvalidDocument.because(format!(
            "The deployment document has {count} problem{s}; nothing was touched.\n{}",
            list.join("\n")
        ))
    }
}

/// Fields that people try, and what they are called here.
const ALIASES: &[(&str, &str)] =
    &[("env", "environment"), ("imageId", "ami"), ("asg", "autoScalingGroup"), ("baseAsg", "base")];

struct Walk<'a> {
    root: &'a Value,
    /// The paths of values that are not known yet.
    unknown: &'a BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn report(&mut self, path: &str, value: Option<&Value>, problem: String, fix: String) {
        if self.problems.len() > MOST {
            return;
        }
        self.problems.push(Problem { path: path.into(), value: value.map(shown), problem, fix });
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
            Some(pointer) => self.root.pointer(pointer).unwrap_or(schema),
            None => schema,
        }
    }

    fn check(&mut self, schema: &Value, value: &Value, path: &str) {
        if self.unknown.contains(path) || self.problems.len() > MOST {
            return;
        }
        let schema = self.resolve(schema).clone();
        if let Some(options) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            return self.check_choice(options, value, path);
        }
        if !self.check_type(&schema, value, path) {
            return;
        }
        match value {
            Value::Object(fields) => self.check_object(&schema, fields, path),
            Value::Array(items) => self.check_array(&schema, items, path),
            Value::Number(_) => self.check_number(&schema, value, path),
            Value::String(text) => self.check_string(&schema, text, path),
            _ => {}
        }
    }

    /// An enum of the document's type: a word, or an object with one field that says which.
    fn check_choice(&mut self, options: &[Value], value: &Value, path: &str) {
        let options: Vec<Value> = options.iter().map(|option| self.resolve(option).clone()).collect();
        let of_null = |option: &Value| option.get("type").and_then(Value::as_str) == Some("null");
        if options.len() == 2 && options.iter().any(of_null) {
            // An optional field: null, or the other alternative.
            if let (false, Some(option)) = (value.is_null(), options.iter().find(|option| !of_null(option))) {
                self.check(option, value, path);
            }
            return;
        }
        let words: Vec<&str> = options.iter().flat_map(words).collect();
        let keys: Vec<&str> = options.iter().filter_map(key).collect();
        let expected = words.iter().map(|w| format!("`{w}`")).chain(keys.iter().map(|k| format!("`{k}: …`")));
        let expected = expected.collect::<Vec<_>>().join(" or ");
        // What may stand beside the field that says which.
        let beside = options.first().and_then(|option| Some((key(option)?, option.get("properties")?.as_object()?)));
        let (beside, value) = match (beside, value) {
            (Some((key, known)), Value::Object(fields)) => {
                let is_beside = |name: &str| name != key && known.contains_key(name);
                let (beside, fields): (Map<String, Value>, Map<String, Value>) =
                    fields.clone().into_iter().partition(|(name, _)| is_beside(name));
                for (name, inner) in &beside {
                    self.check(&known[name].clone(), inner, &join(path, name));
                }
                (!beside.is_empty(), &Value::Object(fields))
            }
            _ => (false, value),
        };
        match value {
            Value::String(word) if words.contains(&word.as_str()) => {}
            Value::Object(fields) if fields.is_empty() && beside => {
                self.report(path, None, "it does not say what it is".into(), format!("Add {expected}."));
            }
            Value::Object(fields) if fields.len() == 1 => {
                let (name, inner) = fields.iter().next().unwrap_or_else(|| unreachable!("it has one field"));
                match options.iter().find(|option| key(option) == Some(name)) {
                    Some(option) => {
                        let inner_schema = option["properties"][name].clone();
                        self.check(&inner_schema, inner, &join(path, name));
                    }
                    None => self.report(
                        &join(path, name),
                        Some(inner),
                        format!("`{}` is none of the choices here", named(name)),
                        format!("Use {expected}{}", suggestion(name, &keys)),
                    ),
                }
            }
            Value::Object(fields) => self.report(
                path,
                // Their values would hide the names.
                None,
                match fields.keys().collect::<Vec<_>>().as_slice() {
                    [one, other] => {
                        format!("{} and {} both stand here where one is expected", named(one), named(other))
                    }
                    several => format!("{} fields stand here where exactly one is expected", several.len()),
                },
                format!("Use {expected}."),
            ),
            _ => self.report(path, Some(value), "it is none of the choices here".into(), format!("Use {expected}.")),
        }
    }

    fn check_type(&mut self, schema: &Value, value: &Value, path: &str) -> bool {
        let allowed: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => return true,
        };
        let fits = allowed.iter().any(|name| match *name {
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "null" => value.is_null(),
            other => other == type_name(value),
        });
        if !fits && path.is_empty() {
            let what = match value {
                Value::Null => "it is empty".to_owned(),
                Value::Array(_) => "it is a list, and a deployment document is made of fields with names".to_owned(),
                one => {
                    format!("it is {} alone, and a deployment document is made of fields with names", a(type_name(one)))
                }
            };
            let fix = "Write fields such as `service: shop`: examples/ has a document for each strategy, and `crossfade schema` says what \
                       may stand in it.";
            self.report(path, None, what, fix.into());
        } else if !fits {
            let expected = allowed.iter().find(|name| **name != "null").copied().unwrap_or("null");
            let problem = format!("it is {}, expected {}", a(type_name(value)), a(expected));
            let plain = number_in(value).filter(|_| expected == "integer" || expected == "number");
            let fix = match (plain, self.bracketed(schema, value).filter(|_| expected == "array")) {
                (Some(number), _) => format!("Write {number}, without quotes and without a unit."),
                (None, Some(list)) => format!("Write {list}."),
                (None, None) => fix_of(schema, &format!("Write {} here.", a(expected))),
            };
            self.report(path, Some(value), problem, fix);
        }
        fits
    }

    /// The list that somebody may have meant who has left out the brackets.
    fn bracketed(&self, schema: &Value, value: &Value) -> Option<String> {
        let of = self.resolve(schema.get("items")?).get("type")?.as_str()?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| match of {
            "integer" => number_in(&item.into()).map(|number| number.to_string()),
            "string" => Some(Value::from(item).to_string()),
            _ => None,
        });
        let items: Option<Vec<String>> = items.collect();
        let list = format!("[{}]", items.filter(|items| !items.is_empty())?.join(", "));
        Some(printable(&list).into_owned()).filter(|list| list.len() <= 400)
    }

    fn check_object(&mut self, schema: &Value, fields: &Map<String, Value>, path: &str) {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| !fields.contains_key(*name)) {
            let field = properties.get(name).unwrap_or(&Value::Null);
            let says = self.resolve(field).get("description").or_else(|| field.get("description"));
            let says = says.and_then(Value::as_str).unwrap_or("It is needed.").lines().next().unwrap_or_default();
            let says = says.trim_end_matches('.');
            self.report(&join(path, name), None, "it is missing".into(), format!("Add it: {says}{}", example(field)));
        }
        let known: Vec<&str> = properties.keys().map(String::as_str).collect();
        // Where names are the user's own, or everything is.
        let others = schema.get("additionalProperties").filter(|others| **others != Value::Bool(false));
        for (name, value) in fields {
            if self.problems.len() > MOST {
                return;
            }
            match properties.get(name).or(others) {
                Some(property) => self.check(property, value, &join(path, name)),
                None if known.is_empty() => {
                    self.report(&join(path, name), Some(value), "there is no such field".into(), "Remove it.".into());
                }
                None => self.report(
                    &join(path, name),
                    Some(value),
                    "there is no such field".into(),
                    format!("Remove it or use one of: {}{}", known.join(", "), suggestion(name, &known)),
                ),
            }
        }
    }

    fn check_array(&mut self, schema: &Value, items: &[Value], path: &str) {
        let limit = |name| schema.get(name).and_then(Value::as_u64);
        let (min, max) = (limit("minItems").unwrap_or(0), limit("maxItems").unwrap_or(u64::MAX));
        if !(min..=max).contains(&(items.len() as u64)) {
            let problem = format!("it has {} entries", items.len());
            self.report(path, None, problem, format!("Give between {min} and {max}."));
        }
        if let Some(schema) = schema.get("items") {
            // What is too much is not looked at one by one.
            let looked_at = usize::try_from(max).unwrap_or(usize::MAX);
            for (i, item) in items.iter().take(looked_at).enumerate() {
                self.check(schema, item, &format!("{path}[{i}]"));
            }
        }
    }

    fn check_number(&mut self, schema: &Value, value: &Value, path: &str) {
        // One that need not be whole has no limits in the schema.
        if schema
            .get("type")
            .is_some_and(|it| it == "number" || it.as_array().is_some_and(|it| it.contains(&"number".into())))
        {
            return;
        }
        let limit = |name| schema.get(name).and_then(Value::as_i64);
        let (min, max) = (limit("minimum").unwrap_or(i64::MIN), limit("maximum").unwrap_or(i64::MAX));
        if !value.as_i64().is_some_and(|number| (min..=max).contains(&number)) {
            let problem = "it is out of range".to_owned();
            self.report(path, Some(value), problem, format!("Use a whole number from {min} to {max}."));
        }
    }

    fn check_string(&mut self, schema: &Value, text: &str, path: &str) {
        let value = Value::String(text.into());
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && !Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
        {
            let expected = schema.get("x-expected").and_then(Value::as_str).unwrap_or(pattern);
            self.report(
                path,
                Some(&value),
                "it has the wrong form".into(),
                format!("Expected {expected}{}", example(schema)),
            );
        }
        if let Some(max) = schema.get("maxLength").and_then(Value::as_u64)
            && text.chars().count() as u64 > max
        {
            self.report(path, Some(&value), "it is too long".into(), format!("Use at most {max} characters."));
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(&value)
        {
            let words = allowed.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
            self.report(path, Some(&value), "it is none of the choices here".into(), format!("Use one of: {words}."));
        }
    }
}

/// The words that an alternative of an enum allows.
fn words(option: &Value) -> Vec<&str> {
    let many = option.get("enum").and_then(Value::as_array).into_iter().flatten();
    many.chain(option.get("const")).filter_map(Value::as_str).collect()
}

/// The field that marks an alternative of an enum.
fn key(option: &Value) -> Option<&str> {
    option.get("required")?.as_array()?.first()?.as_str()
}

pub(super) fn join(path: &str, name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if name.is_empty() || name.len() > 60 || !name.chars().all(plain) {
        return format!("{path}[\"{}\"]", named(name));
    }
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// A name as it is repeated in a message, whatever somebody has written there.
pub(super) fn named(name: &str) -> String {
    let short = beginning(name, 60);
    let quoted = Value::String(short.into_owned()).to_string();
    printable(quoted.get(1..quoted.len() - 1).unwrap_or_default()).into_owned()
}

/// The whole number in a text such as `10%` or `10`.
fn number_in(value: &Value) -> Option<u32> {
    value.as_str()?.trim().trim_end_matches('%').trim_end().parse().ok()
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The name of a JSON type, as YAML's readers call it.
fn a(type_name: &str) -> &str {
    match type_name {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        "object" => "an object",
        _ => "empty",
    }
}

fn fix_of(schema: &Value, otherwise: &str) -> String {
    match schema.get("x-expected").and_then(Value::as_str) {
        Some(expected) => format!("Expected {expected}{}", example(schema)),
        None => otherwise.into(),
    }
}

fn example(schema: &Value) -> String {
    let first = schema.get("examples").and_then(Value::as_array).and_then(|examples| examples.first());
    first.map_or_else(|| ".".into(), |example| format!("; for example {example}."))
}

/// A value as it is repeated in a message: long ones shortened.
pub(super) fn shown(value: &Value) -> String {
    printable(&beginning(&value.to_string(), 120)).into_owned()
}

/// Names, as many of them as a person will read.
pub(super) fn names(all: &[&str]) -> String {
    const MOST: usize = 20;
    let more = if all.len() > MOST { format!(" and {} more", all.len() - MOST) } else { String::new() };
    format!("{}{more}", all.iter().copied().take(MOST).collect::<Vec<_>>().join(", "))
}

/// What somebody may have meant who has written this name, of those that are known, as the end of a sentence: `; did you mean `service`?`
pub fn suggestion(name: &str, known: &[&str]) -> String {
    // Nobody mistypes a name of that length, and there are never so many to mistype.
    const LONGEST: usize = 60;
    let name = if name.len() > LONGEST { "" } else { name };
    let known = &known[..known.len().min(100)];
    let alias = ALIASES.iter().find(|(tried, _)| *tried == name).map(|(_, meant)| *meant);
    let alias = alias.filter(|meant| known.contains(meant));
    let near = known
        .iter()
        .copied()
        .filter(|k| k.len() <= LONGEST && !name.is_empty())
        .map(|k| (distance(name, k), k))
        .filter(|(d, _)| *d <= 3)
        .min();
    match alias.or(near.map(|(_, k)| k)) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => ".".into(),
    }
}

/// The edit distance between two names, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
