//! A document on its way: variables filled in, everything known checked, references not yet looked up.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::environments;
use super::place::{Place, wanted};
use super::reference::{Answers, Found, Reference, Source};
use super::variables::{Variables, plain};
use crate::document::read::{self, Problem, shown, suggestion};
use crate::document::text::within_limits;
use crate::document::{Document, parse, schema};
use crate::kinds::pasted;
use crate::{Failure, Kind, Result};

/// A document of which all is known but the values of its references.
#[derive(Clone, Debug)]
pub struct Draft {
    value: Value,
    fields: Vec<Field>,
    variables: Vec<String>,
    /// The same to be filled into texts that are not here yet.
    given: Variables,
}

/// A field whose value comes from elsewhere.
#[derive(Clone, Debug)]
pub struct Field {
    place: Place,
    reference: Reference,
    source: Source,
}

impl Field {
    /// Which field, as in `routing.weighted[0]`.
    pub fn path(&self) -> &str {
        &self.place.path
    }

    /// Where its value comes from.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }
}

impl Draft {
    /// Reads a document: fills its variables in and checks everything but the values of references.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: &Value) -> std::result::Result<Self, Vec<Problem>> {
        within_limits(document).map_err(|problem| vec![problem])?;
        let mut value = document.clone();
        let mut problems = Vec::new();
        let mut take = |name: &str| value.as_object_mut().and_then(|fields| fields.remove(name));
        let (declared, by_environment) = (take("variables"), take(environments::FIELD));
        let declared = environments::overridden(declared, by_environment, value.get("environment"), &mut problems);
        let variables = Variables::read(declared, &mut problems);
        let schema = schema::strict();
        let mut open = Open { schema, variables: &variables, problems, unknown: BTreeSet::new() };
        open.expand(&mut value, &Place::default());
        let mut fields = Vec::new();
        open.collect(&value, &Place::default(), &mut fields);
        let Open { mut problems, unknown, .. } = open;
        problems.extend(check(schema, &value, &unknown));
        if !problems.is_empty() {
            return Err(read::some(problems));
        }
        Ok(Self { value, fields, variables: variables.notes(), given: variables })
    }

    /// The fields whose values come from elsewhere.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What has to be fetched.
    pub fn sources(&self) -> BTreeSet<Source> {
        self.fields.iter().map(|field| field.source.clone()).collect()
    }

    /// The machine image that is deployed, as far as these answers tell.
    pub fn image(&self, answers: &Answers) -> Option<String> {
        let field = self.fields.iter().find(|field| field.place.pointer == "/artifact/ami");
        let value = match field {
            Some(Field { reference, source, .. }) => reference.pick(answers.get(source)?.as_ref().ok()?).ok()?,
            None => self.value.pointer("/artifact/ami")?.clone(),
        };
        value.as_str().map(str::to_owned)
    }

    /// What each variable is, in a sentence.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// The document with its variables filled in and its references as they are.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What is known about the place at this JSON pointer: its value, where that will come from, or nothing.
    pub fn shown(&self, pointer: &str) -> String {
        let mut fields = self.fields.iter();
        match fields.find(|field| field.place.pointer == pointer) {
            Some(field) => format!("({})", field.reference),
            None => self.value.pointer(pointer).map(plain).unwrap_or_default(),
        }
    }

    /// Puts the values in their places: the document, and what was filled in with where it came from, line by line.
    ///
    /// # Errors
    /// `PreflightFailed` when a value cannot be had, `InvalidDocument` when one is not what its field takes; with all
    /// problems in either case.
    pub fn resolve(self, answers: &Answers) -> Result<(Document, Vec<String>)> {
        let Self { mut value, fields, variables: mut notes, given } = self;
        let schema = schema::strict();
        let (mut problems, mut unknown) = (Vec::new(), BTreeSet::new());
        for Field { place, reference, source } in &fields {
            let found = match answers.get(source) {
                Some(Ok(found)) => reference.pick(found),
                Some(Err(missing)) => Err(missing.clone()),
                None => Err(super::Missing::new("it was not fetched", "Report this as a bug.")),
            };
            match found {
                Ok(found) => {
                    let fitted = match fit(schema, place, found) {
                        Value::String(text) if pasted(&place.path) => {
                            let mut wrong = Vec::new();
                            let filled = given.expand_pasted(&text, &place.path, &mut wrong);
                            if !wrong.is_empty() {
                                unknown.insert(place.path.clone());
                                problems.extend(wrong);
                            }
                            filled.unwrap_or(Value::String(text))
                        }
                        other => other,
                    };
                    let which = answers.get(source).and_then(|answer| answer.as_ref().ok()).and_then(Found::version);
                    let which = which.map_or_else(String::new, |which| format!(" ({which})"));
                    notes.push(format!("{} = {}, from {reference}{which}", place.path, brief(&fitted)));
                    put(&mut value, place, fitted);
                }
                Err(missing) => {
                    unknown.insert(place.path.clone());
                    let (problem, fix) = (missing.problem, missing.fix);
                    problems.push(Problem {
                        path: place.path.clone(),
                        value: Some(reference.to_string()),
                        problem,
                        fix,
                    });
                }
            }
        }
        if problems.is_empty() {
            let document = parse(&value).map_err(|problems| Failure::from(with_origin(problems, &fields)))?;
            return Ok((document, notes));
        }
        problems.extend(with_origin(check(schema, &value, &unknown), &fields));
        let problems = read::some(problems);
        let list: Vec<String> = problems.iter().map(|problem| format!("- {problem}")).collect();
        Err(Kind::PreflightFailed.because(format!(
            "Not every value that the deployment document refers to can be had; nothing was touched.\n{}",
            list.join("\n")
        )))
    }
}

/// The reading of one document.
struct Open<'a> {
    schema: &'a Value,
    variables: &'a Variables,
    problems: Vec<Problem>,
    /// The paths of the values that are not known yet, or not right.
    unknown: BTreeSet<String>,
}

impl Open<'_> {
    /// Fills the variables in.
    fn expand(&mut self, value: &mut Value, place: &Place) {
        match value {
            Value::String(text) if text.contains("${") => {
                let expanded = match pasted(&place.path) {
                    true => self.variables.expand_pasted(text, &place.path, &mut self.problems),
                    false => self.variables.expand(text, &place.path, &mut self.problems),
                };
                match expanded {
                    Some(expanded) => *value = fit(self.schema, place, expanded),
                    None => {
                        self.unknown.insert(place.path.clone());
                    }
                }
            }
            Value::Array(items) => {
                items.iter_mut().enumerate().for_each(|(i, item)| self.expand(item, &place.item(i)));
            }
            Value::Object(fields) => {
                fields.iter_mut().for_each(|(name, field)| self.expand(field, &place.field(name)));
            }
            _ => {}
        }
    }

    /// Collects the references.
    fn collect(&mut self, value: &Value, place: &Place, fields: &mut Vec<Field>) {
        match value {
            // The whole document is none, whatever somebody has written into it.
            Value::Object(members) if !place.path.is_empty() && members.keys().any(|name| is_reference(name)) => {
                fields.extend(self.reference(value, place));
                self.unknown.insert(place.path.clone());
            }
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| self.collect(member, &place.field(name), fields));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, item)| self.collect(item, &place.item(i), fields));
            }
            _ => {}
        }
    }

    /// Reads one reference.
    fn reference(&mut self, value: &Value, place: &Place) -> Option<Field> {
        let path = &place.path;
        let object = place.schema(self.schema).is_some_and(|schema| wanted(self.schema, schema).is_none());
        let misplaced = if path == "service" || path == "environment" {
            Some(("it says what is deployed, and cannot come from elsewhere", "Write it out, or use a variable."))
        } else if object {
            Some(("a reference stands for one value, not for an object", "Refer in its fields, one by one."))
        } else {
            None
        };
        if let Some(problem) = misplaced {
            self.report(path, value, problem);
            return None;
        }
        let (schema, mut value) = (schema::of_references(), value.clone());
        fit_inside(schema, &mut value, &Place::default());
        let value = &value;
        let problems = read::structure(schema, value, path, &self.unknown);
        if !problems.is_empty() {
            self.problems.extend(problems);
            return None;
        }
        // Unreadable only when a variable without a value stands in it, which is a problem already.
        let reference: Reference = serde_json::from_value(value.clone()).ok()?;
        let source = reference.source();
        if source.is_none() {
            self.report(
                path,
                value,
                match &reference {
                    Reference::FromImage(_) => (
                        "it would be the newest image of the account, whatever that is",
                        "Say which by `name` or `tags`.",
                    ),
                    _ => (
                        "it does not say in one way where the output is",
                        "Name either the `parameter` or the `object` that holds Terraform's outputs.",
                    ),
                },
            );
        }
        Some(Field { place: place.clone(), reference, source: source? })
    }

    fn report(&mut self, path: &str, value: &Value, (problem, fix): (&str, &str)) {
        if self.problems.len() > read::MOST {
            return;
        }
        let value = Some(shown(value));
        self.problems.push(Problem { path: path.into(), value, problem: problem.into(), fix: fix.into() });
    }
}

/// Whether a field of this name makes its object a reference. Near misses count, so that they are pointed out as such.
fn is_reference(name: &str) -> bool {
    const NAMES: &[&str] =
        &["fromCloudFormation", "fromParameter", "fromObject", "fromImage", "fromListener", "fromTerraform"];
    NAMES.contains(&name) || (name.to_lowercase().starts_with("from") && suggestion(name, NAMES) != ".")
}

/// Every problem of what is known.
fn check(schema: &Value, value: &Value, unknown: &BTreeSet<String>) -> Vec<Problem> {
    let mut problems = read::structure(schema, value, "", unknown);
    // For what only shows in the whole, a text that is not known yet is some text; a number that is not known hides its
    // part, which is checked once it is.
    let mut whole = value.clone();
    stand_in(&mut whole, &Place::default(), unknown);
    problems.extend(read::contradictions(&whole));
    // What stands there yet is nobody's fault.
    problems.retain(|problem| !unknown.contains(&problem.path));
    problems
}

fn stand_in(value: &mut Value, place: &Place, unknown: &BTreeSet<String>) {
    if unknown.contains(&place.path) {
        *value = Value::String(format!("the value of {}", place.path));
        return;
    }
    match value {
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(i, item)| stand_in(item, &place.item(i), unknown));
        }
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, field)| stand_in(field, &place.field(name), unknown));
        }
        _ => {}
    }
}

fn fit(schema: &Value, place: &Place, value: Value) -> Value {
    match place.schema(schema).and_then(|found| wanted(schema, found)) {
        Some(wanted) => wanted.fit(value),
        None => value,
    }
}

/// The same for every value in a reference.
fn fit_inside(schema: &Value, value: &mut Value, place: &Place) {
    match value {
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, field)| fit_inside(schema, field, &place.field(name)));
        }
        other => *other = fit(schema, place, other.take()),
    }
}

fn put(document: &mut Value, place: &Place, value: Value) {
    if let Some(there) = document.pointer_mut(&place.pointer) {
        *there = value;
    }
}

/// The problems, each with where the value came from, if it did not stand in the document.
fn with_origin(mut problems: Vec<Problem>, fields: &[Field]) -> Vec<Problem> {
    let origins: BTreeMap<&str, &Reference> = fields.iter().map(|field| (field.path(), &field.reference)).collect();
    for problem in &mut problems {
        let field = problem.path.split('[').next().unwrap_or_default();
        if let Some(origin) = origins.get(problem.path.as_str()).or_else(|| origins.get(field)) {
            problem.fix.push_str(&format!(" It comes from {origin}."));
        }
    }
    problems
}

/// A value as the log repeats it. Of a text of several lines only how long it is.
fn brief(value: &Value) -> String {
    const LONGEST: usize = 400;
    let text = plain(value);
    if text.contains('\n') {
        return format!("{} lines, {} bytes", text.lines().count(), text.len());
    }
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST - 1).chain(['…']).collect() }
}
