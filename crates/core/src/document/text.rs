//! From a text to a value: YAML or JSON, within limits, and every key once.
//!
//! What it owns: the limits on a document's size and depth, wherever the document comes from. Aliases of YAML multiply what stands in
//! a file, so that what is counted is what they come to.
//!
//! What it must never do: let the last of two equal keys win.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::read::{Problem, join};
use super::syntax::{Language, Wrong};

/// The longest document, in bytes as JSON: an execution's input may have 262,144 (Step Functions quotas), of which its first states need
/// a little for what they wrap around it.
pub const LONGEST: usize = 261_120;
/// How deep lists and objects may stand in each other. No document needs a third of it.
const DEEPEST: usize = 32;
/// How many brackets may be open at once, wherever they stand.
const MOST_BRACKETS: usize = 1000;
/// The longest name of a field, in bytes.
const LONGEST_NAME: usize = 256;

/// Reads YAML or JSON.
///
/// # Errors
/// The first thing that makes it unreadable: the syntax, a key that is there twice, or a limit.
pub fn read_text(text: &str) -> Result<Value, Vec<Problem>> {
    if text.len() > LONGEST {
        return Err(vec![too_long(format!("it has {} bytes", text.len()))]);
    }
    // What begins like JSON is read as JSON first: YAML has other escapes.
    let looks_like_json = text.trim_start().starts_with(['{', '[', '"']);
    let as_json = looks_like_json.then(|| json(text));
    let read = match as_json {
        Some(Ok(value)) => Ok(value),
        Some(Err(Unreadable::Wrong(problem))) => Err(problem),
        Some(Err(Unreadable::Syntax(of_json))) => {
            yaml(text).map_err(|unreadable| unreadable.problem(text, Some(of_json)))
        }
        None => yaml(text).map_err(|unreadable| unreadable.problem(text, None)),
    };
    let value = read.map_err(|problem| vec![*problem])?;
    within_limits(&value).map_err(|problem| vec![problem])?;
    Ok(value)
}

/// Whether a value is within the limits, whoever has read it.
pub(super) fn within_limits(value: &Value) -> Result<(), Problem> {
    shallow(value, &Path::Whole, 1)?;
    let bytes = value.to_string().len();
    if bytes > LONGEST { Err(too_long(format!("it has {bytes} bytes as JSON"))) } else { Ok(()) }
}

fn shallow(value: &Value, path: &Path<'_>, depth: usize) -> Result<(), Problem> {
    if depth > DEEPEST && (value.is_array() || value.is_object()) {
        return Err(path.too_deep());
    }
    match value {
        Value::Array(items) => {
            (0..).zip(items).try_for_each(|(index, item)| shallow(item, &Path::Item(path, index), depth + 1))
        }
        Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
            let path = Path::Field(path, name);
            if name.len() > LONGEST_NAME { Err(path.too_long()) } else { shallow(field, &path, depth + 1) }
        }),
        _ => Ok(()),
    }
}

/// Why a text could not be read.
enum Unreadable {
    /// It is no text of that language, for this reason.
    Syntax(Wrong),
    /// It is one, and this is wrong with it.
    Wrong(Box<Problem>),
}

impl Unreadable {
    /// What is wrong with a text that is no YAML, and neither JSON, for this reason, if it looks like that.
    fn problem(self, text: &str, of_json: Option<Wrong>) -> Box<Problem> {
        match self {
            Self::Wrong(problem) => problem,
            Self::Syntax(of_yaml) => {
                let wrong = of_json.filter(|wrong| wrong.means_json(text)).unwrap_or(of_yaml);
                Box::new(wrong.problem(text))
            }
        }
    }
}

fn json(text: &str) -> Result<Value, Unreadable> {
    let reading = Reading::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = reading.whole().deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| {
        let at = Some((error.line(), error.column())).filter(|(line, _)| *line > 0);
        reading.unreadable(Language::Json, at, error.to_string())
    })
}

fn yaml(text: &str) -> Result<Value, Unreadable> {
    if opens_too_many(text) {
        let problem = format!("more than {MOST_BRACKETS} brackets are open at once");
        return Err(Unreadable::Wrong(Box::new(Path::Whole.problem(problem, "Close them."))));
    }
    let reading = Reading::default();
    let read = reading.whole().deserialize(serde_norway::Deserializer::from_str(text));
    read.map_err(|error| {
        let at = error.location().map(|at| (at.line(), at.column()));
        reading.unreadable(Language::Yaml, at, error.to_string())
    })
}

/// Whether so many brackets are open somewhere that the reader of YAML, which goes through them all at every word, would take minutes.
fn opens_too_many(text: &str) -> bool {
    let mut open = 0_usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > MOST_BRACKETS
    })
}

/// The reading of one text.
#[derive(Default)]
struct Reading {
    /// How many bytes the values so far take at least, as JSON.
    bytes: Cell<usize>,
    /// Why the reading was given up, where its language is no reason.
    problem: RefCell<Option<Box<Problem>>>,
}

impl Reading {
    fn whole(&self) -> Node<'_> {
        Node { reading: self, path: &Path::Whole, depth: 1 }
    }

    fn count<E: Error>(&self, bytes: usize) -> Result<(), E> {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        if self.bytes.get() <= LONGEST {
            return Ok(());
        }
        Err(self.give_up(too_long("written out as JSON it is longer than it looks".into())))
    }

    /// Gives up: what the language's reader makes of it only says where.
    fn give_up<E: Error>(&self, problem: Problem) -> E {
        *self.problem.borrow_mut() = Some(Box::new(problem));
        E::custom("given up")
    }

    fn unreadable(&self, language: Language, at: Option<(usize, usize)>, said: String) -> Unreadable {
        match self.problem.borrow_mut().take() {
            None => Unreadable::Syntax(Wrong { language, at, said }),
            Some(mut problem) => {
                if let Some((line, _)) = at {
                    problem.problem.push_str(&format!(" (line {line})"));
                }
                Unreadable::Wrong(problem)
            }
        }
    }
}

/// A place in a text, as the reading goes down to it.
enum Path<'a> {
    Whole,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn shown(&self) -> String {
        match self {
            Path::Whole => String::new(),
            Path::Field(parent, name) => join(&parent.shown(), name),
            Path::Item(parent, index) => format!("{}[{index}]", parent.shown()),
        }
    }

    fn problem(&self, problem: String, fix: &str) -> Problem {
        Problem { path: self.shown(), value: None, problem, fix: fix.into() }
    }

    fn too_deep(&self) -> Problem {
        self.problem(
            format!("it stands deeper than {DEEPEST} levels"),
            "Write a deployment document: none is that deep.",
        )
    }

    fn too_long(&self) -> Problem {
        self.problem(format!("its name has more than {LONGEST_NAME} bytes"), "Remove it: no field is called that.")
    }
}

fn too_long(what: String) -> Problem {
    let problem = format!("{what}, and a deployment document may have {LONGEST}");
    Problem { path: String::new(), value: None, problem, fix: "Write a shorter document.".into() }
}

/// A value that is to be read.
#[derive(Clone, Copy)]
struct Node<'a> {
    reading: &'a Reading,
    path: &'a Path<'a>,
    depth: usize,
}

impl<'a> Node<'a> {
    fn inside<'b>(&self, path: &'b Path<'b>) -> Node<'b>
    where
        'a: 'b,
    {
        Node { reading: self.reading, path, depth: self.depth + 1 }
    }

    fn opens<E: Error>(&self) -> Result<(), E> {
        self.reading.count(2)?;
        if self.depth > DEEPEST { Err(self.reading.give_up(self.path.too_deep())) } else { Ok(()) }
    }

    fn single<E: Error>(&self, value: Value) -> Result<Value, E> {
        self.reading.count(2)?;
        Ok(value)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text, a number, true, false, a list or an object")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.single(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.single(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.single(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| {
            let problem = self.path.problem(format!("{value} is no number that JSON has"), "Write a number.");
            self.reading.give_up(problem)
        })?;
        self.single(Value::Number(number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.reading.count(value.len())?;
        self.single(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.single(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.opens()?;
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(self.inside(&Path::Item(self.path, read.len())))? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        self.opens()?;
        let (mut read, mut seen) = (Map::new(), BTreeSet::new());
        while let Some(name) = fields.next_key_seed(Name { node: self, seen: &mut seen })? {
            let field = fields.next_value_seed(self.inside(&Path::Field(self.path, &name)))?;
            read.insert(name, field);
        }
        Ok(Value::Object(read))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        let problem = self.path.problem("it has a tag of YAML".into(), "Write the value without `!…` before it.");
        Err(self.reading.give_up(problem))
    }
}

/// The name of a field that is to be read.
struct Name<'a, 's> {
    node: Node<'a>,
    /// The names that stand before it.
    seen: &'s mut BTreeSet<String>,
}

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_, '_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<String, E> {
        let Node { reading, path, .. } = self.node;
        reading.count(name.len() + 2)?;
        let path = Path::Field(path, name);
        if name.len() > LONGEST_NAME {
            return Err(reading.give_up(path.too_long()));
        }
        if !self.seen.insert(name.to_owned()) {
            let fix = "Keep one of the two: nobody can say which is meant.";
            return Err(reading.give_up(path.problem("it stands there twice".into(), fix)));
        }
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests;
