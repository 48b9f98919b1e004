//! Reading one JSON object field by field: what was not asked for is unknown, and therefore refused.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Filter, Span, Transition};
use crate::paths::Path;
use crate::problem::{Problems, child};
use crate::template::Template;

/// The largest number of seconds that AWS accepts for timeouts and waits.
const SECONDS_MAX: u64 = 99_999_999;

pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    pub(super) pointer: String,
    known: BTreeSet<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(value: &'a Value, pointer: String, problems: &mut Problems) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self { map, pointer, known: BTreeSet::new() }),
            _ => {
                problems.refuse("wrong-type", &pointer, "must be an object");
                None
            }
        }
    }

    pub(super) fn at(&self, name: &str) -> String {
        child(&self.pointer, name)
    }

    pub(super) fn raw(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.insert(name);
        self.map.get(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(super) fn required(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'a Value> {
        let value = self.raw(name);
        if value.is_none() {
            problems.refuse("missing-field", &self.pointer, format!("{name} is missing"));
        }
        value
    }

    pub(super) fn string(&mut self, name: &'static str, problems: &mut Problems) -> Option<String> {
        match self.raw(name)? {
            Value::String(text) => Some(text.clone()),
            _ => {
                problems.refuse("wrong-type", &self.at(name), "must be a string");
                None
            }
        }
    }

    pub(super) fn array(&mut self, name: &'static str, problems: &mut Problems) -> &'a [Value] {
        match self.raw(name) {
            None => &[],
            Some(Value::Array(items)) => items,
            Some(_) => {
                problems.refuse("wrong-type", &self.at(name), "must be a list");
                &[]
            }
        }
    }

    pub(super) fn integer(&mut self, name: &'static str, least: u64, problems: &mut Problems) -> Option<u64> {
        let value = self.raw(name)?;
        let number = value.as_u64().filter(|number| (least..=SECONDS_MAX).contains(number));
        if number.is_none() {
            let message = format!("must be an integer from {least} to {SECONDS_MAX}, not {value}");
            problems.refuse("out-of-range", &self.at(name), message);
        }
        number
    }

    /// A path that must be given as a string.
    pub(super) fn path(&mut self, name: &'static str, problems: &mut Problems) -> Option<Path> {
        let text = self.string(name, problems)?;
        Path::parse(&text).map_err(|error| problems.refuse("bad-path", &self.at(name), error.to_string())).ok()
    }

    /// A path with a default of `$`; JSON null is `None`.
    fn nullable_path(&mut self, name: &'static str, problems: &mut Problems) -> Option<Path> {
        match self.raw(name) {
            Some(Value::Null) => None,
            None => Some(Path::root()),
            Some(_) => self.path(name, problems),
        }
    }

    pub(super) fn filter(&mut self, problems: &mut Problems) -> Filter {
        Filter { input: self.nullable_path("InputPath", problems), output: self.nullable_path("OutputPath", problems) }
    }

    /// ResultPath: a reference path into the input, never into the context object.
    pub(super) fn result_path(&mut self, problems: &mut Problems) -> Option<Path> {
        let path = self.nullable_path("ResultPath", problems)?;
        if path.is_context() {
            problems.refuse("bad-path", &self.at("ResultPath"), "a result cannot be put into the context object");
        }
        Some(path)
    }

    pub(super) fn template(&mut self, name: &'static str, problems: &mut Problems) -> Option<Template> {
        let value = self.raw(name)?;
        Some(Template::parse(value, &self.at(name), problems))
    }

    /// `name` in seconds or `namePath`; not both.
    pub(super) fn span(
        &mut self,
        name: &'static str,
        path_name: &'static str,
        least: u64,
        problems: &mut Problems,
    ) -> Option<Span> {
        let seconds = self.integer(name, least, problems);
        let path = self.path(path_name, problems);
        if self.has(name) && self.has(path_name) {
            problems.refuse("conflicting-fields", &self.at(path_name), format!("{name} is given as well"));
        }
        seconds.map(Span::Seconds).or(path.map(Span::Path))
    }

    /// Exactly one of `Next` and `End: true`.
    pub(super) fn transition(&mut self, problems: &mut Problems) -> Transition {
        let next = self.string("Next", problems);
        let end = self.raw("End");
        match (next, end) {
            (Some(next), None) => Transition::Next(next),
            (None, Some(Value::Bool(true))) => Transition::End,
            (None, Some(_)) if !self.has("Next") => {
                problems.refuse("wrong-type", &self.at("End"), "End can only be true");
                Transition::End
            }
            _ => {
                if !self.has("Next") || end.is_some() {
                    problems.refuse("missing-field", &self.pointer, "exactly one of Next and End is needed");
                }
                Transition::End
            }
        }
    }

    /// Reports every field that nobody asked for.
    pub(super) fn finish(self, problems: &mut Problems) {
        for name in self.map.keys().filter(|name| !self.known.contains(name.as_str())) {
            let message = match name.as_str() {
                "QueryLanguage" | "Arguments" | "Output" | "Assign" => {
                    format!("{name} is not supported: only JSONPath mode without variables is")
                }
                _ => format!("{name} is not known here; known are {}", self.known_names()),
            };
            problems.refuse("unknown-field", &child(&self.pointer, name), message);
        }
    }

    fn known_names(&self) -> String {
        self.known.iter().copied().collect::<Vec<_>>().join(", ")
    }
}
