//! Document paths such as `a.b[2].c`: reading, writing and projecting.

use std::collections::BTreeMap;
use std::fmt;

use super::super::value::{Item, Value};

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// A path: an attribute and the steps below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Path {
    pub(in super::super) attribute: String,
    pub(super) steps: Vec<Step>,
}

/// What DynamoDB says when the place to change does not exist.
const NOWHERE: &str = "The document path provided in the update expression is invalid for update";

impl Path {
    /// The path of a whole attribute.
    pub(in super::super) fn attribute(name: &str) -> Self {
        Self { attribute: name.to_owned(), steps: vec![] }
    }

    /// The value there.
    pub(super) fn get<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let first = item.get(&self.attribute)?;
        self.steps.iter().try_fold(first, |value, step| match (value, step) {
            (Value::M(members), Step::Name(name)) => members.get(name),
            (Value::L(elements), Step::Index(index)) => elements.get(*index),
            _ => None,
        })
    }

    /// Puts a value there. A list's index beyond its end appends.
    pub(super) fn set(&self, item: &mut Item, value: Value) -> Result<(), String> {
        let Some((last, parent)) = self.parent(item)? else {
            item.insert(self.attribute.clone(), value);
            return Ok(());
        };
        match (parent, last) {
            (Value::M(members), Step::Name(name)) => {
                members.insert(name.clone(), value);
            }
            (Value::L(elements), Step::Index(index)) if *index < elements.len() => elements[*index] = value,
            (Value::L(elements), Step::Index(_)) => elements.push(value),
            _ => return Err(NOWHERE.to_owned()),
        }
        Ok(())
    }

    /// Takes the value away, if there is one.
    pub(super) fn remove(&self, item: &mut Item) -> Result<(), String> {
        let Some((last, parent)) = self.parent(item)? else {
            item.remove(&self.attribute);
            return Ok(());
        };
        match (parent, last) {
            (Value::M(members), Step::Name(name)) => {
                members.remove(name);
            }
            (Value::L(elements), Step::Index(index)) if *index < elements.len() => {
                elements.remove(*index);
            }
            (Value::L(_), Step::Index(_)) => {}
            _ => return Err(NOWHERE.to_owned()),
        }
        Ok(())
    }

    /// Whether the two cannot be in one update: one is (part of) the other, or they disagree on what is there.
    pub(super) fn clash(&self, other: &Self) -> Option<&'static str> {
        if self.attribute != other.attribute {
            return None;
        }
        for (a, b) in self.steps.iter().zip(&other.steps) {
            match (a, b) {
                _ if a == b => {}
                (Step::Name(_), Step::Name(_)) | (Step::Index(_), Step::Index(_)) => return None,
                _ => return Some("conflict"),
            }
        }
        Some("overlap")
    }

    /// The list indexes on the way, so that removals can be ordered from the back of every list.
    pub(super) fn indexes(&self) -> Vec<usize> {
        let index = |step: &Step| if let Step::Index(index) = step { Some(*index) } else { None };
        self.steps.iter().filter_map(index).collect()
    }

    /// The last step and the value that holds it; nothing for a whole attribute.
    fn parent<'a>(&'a self, item: &'a mut Item) -> Result<Option<(&'a Step, &'a mut Value)>, String> {
        let Some((last, before)) = self.steps.split_last() else { return Ok(None) };
        let first = item.get_mut(&self.attribute).ok_or(NOWHERE)?;
        let parent = before.iter().try_fold(first, |value, step| match (value, step) {
            (Value::M(members), Step::Name(name)) => members.get_mut(name),
            (Value::L(elements), Step::Index(index)) => elements.get_mut(*index),
            _ => None,
        });
        Ok(Some((last, parent.ok_or(NOWHERE)?)))
    }
}

impl fmt::Display for Path {
    /// As DynamoDB writes paths in messages: `[a, b, [2]]`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}", self.attribute)?;
        for step in &self.steps {
            match step {
                Step::Name(name) => write!(formatter, ", {name}")?,
                Step::Index(index) => write!(formatter, ", [{index}]")?,
            }
        }
        write!(formatter, "]")
    }
}

/// What of a value is wanted.
#[derive(Default)]
struct Wanted {
    whole: bool,
    names: BTreeMap<String, Wanted>,
    indexes: BTreeMap<usize, Wanted>,
}

impl Wanted {
    fn part(&self, value: &Value) -> Option<Value> {
        if self.whole {
            return Some(value.clone());
        }
        match value {
            Value::M(members) => {
                let part = project_names(&self.names, members);
                (!part.is_empty()).then_some(Value::M(part))
            }
            Value::L(elements) => {
                let wanted = self.indexes.iter().filter_map(|(index, wanted)| wanted.part(elements.get(*index)?));
                let part: Vec<_> = wanted.collect();
                (!part.is_empty()).then_some(Value::L(part))
            }
            _ => None,
        }
    }
}

/// The parts of an item that the paths name. Elements of lists move together.
pub(in super::super) fn project(item: &Item, paths: &[Path]) -> Item {
    let mut root = BTreeMap::<String, Wanted>::new();
    for path in paths {
        let mut wanted = root.entry(path.attribute.clone()).or_default();
        for step in &path.steps {
            wanted = match step {
                Step::Name(name) => wanted.names.entry(name.clone()).or_default(),
                Step::Index(index) => wanted.indexes.entry(*index).or_default(),
            };
        }
        wanted.whole = true;
    }
    project_names(&root, item)
}

fn project_names(wanted: &BTreeMap<String, Wanted>, members: &Item) -> Item {
    wanted.iter().filter_map(|(name, wanted)| Some((name.clone(), wanted.part(members.get(name)?)?))).collect()
}
