//! Updates: what SET, REMOVE, ADD and DELETE make of an item.

use super::super::value::{Item, Value};
use super::Path;

/// A value that SET computes from the item as it was before the update.
#[derive(Clone, Debug)]
pub(super) enum Computed {
    Path(Path),
    Literal(Value),
    IfNotExists(Path, Box<Computed>),
    ListAppend(Box<Computed>, Box<Computed>),
    Sum(Box<Computed>, Box<Computed>),
    Difference(Box<Computed>, Box<Computed>),
}

/// One action.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Set(Path, Computed),
    Remove(Path),
    Add(Path, Value),
    Delete(Path, Value),
}

/// All actions of an update expression.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Update {
    pub(super) actions: Vec<Action>,
}

/// What DynamoDB says to `SET n = s + :one` when `s` is a string.
const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";

impl Computed {
    fn value(&self, item: &Item) -> Result<Value, String> {
        match self {
            Self::Path(path) => path.get(item).cloned().ok_or_else(|| {
                "The provided expression refers to an attribute that does not exist in the item".to_owned()
            }),
            Self::Literal(value) => Ok(value.clone()),
            Self::IfNotExists(path, otherwise) => path.get(item).cloned().map_or_else(|| otherwise.value(item), Ok),
            Self::ListAppend(first, second) => match (first.value(item)?, second.value(item)?) {
                (Value::L(mut first), Value::L(second)) => {
                    first.extend(second);
                    Ok(Value::L(first))
                }
                _ => Err(WRONG_TYPE.to_owned()),
            },
            Self::Sum(a, b) => match (a.value(item)?, b.value(item)?) {
                (Value::N(a), Value::N(b)) => a.add(b).map(Value::N),
                _ => Err(WRONG_TYPE.to_owned()),
            },
            Self::Difference(a, b) => match (a.value(item)?, b.value(item)?) {
                (Value::N(a), Value::N(b)) => a.add(b.negated()).map(Value::N),
                _ => Err(WRONG_TYPE.to_owned()),
            },
        }
    }
}

impl Update {
    /// The item after the update. Every right-hand side sees the item as it was before; an error is DynamoDB's
    /// message, and then nothing has changed.
    pub(in super::super) fn apply(&self, before: &Item) -> Result<Item, String> {
        let mut after = before.clone();
        let mut removals = vec![];
        for action in &self.actions {
            match action {
                Action::Set(path, computed) => path.set(&mut after, computed.value(before)?)?,
                Action::Remove(path) => removals.push(path),
                Action::Add(path, value) => add(path, value, before, &mut after)?,
                Action::Delete(path, value) => delete(path, value, before, &mut after)?,
            }
        }
        // Indexes count in the list as it was, so the last one goes first.
        removals.sort_by_key(|path| std::cmp::Reverse(path.indexes()));
        for path in removals {
            path.remove(&mut after)?;
        }
        Ok(after)
    }

    /// Every path that the update changes.
    pub(in super::super) fn paths(&self) -> Vec<Path> {
        let path = |action: &Action| match action {
            Action::Set(path, _) | Action::Remove(path) | Action::Add(path, _) | Action::Delete(path, _) => {
                path.clone()
            }
        };
        self.actions.iter().map(path).collect()
    }
}

fn add(path: &Path, value: &Value, before: &Item, after: &mut Item) -> Result<(), String> {
    let sum = match (path.get(before).cloned(), value.clone()) {
        (None, value) => value,
        (Some(Value::N(old)), Value::N(new)) => Value::N(old.add(new)?),
        (Some(Value::Ss(old)), Value::Ss(new)) => Value::Ss(&old | &new),
        (Some(Value::Ns(old)), Value::Ns(new)) => Value::Ns(&old | &new),
        (Some(Value::Bs(old)), Value::Bs(new)) => Value::Bs(&old | &new),
        _ => return Err(WRONG_TYPE.to_owned()),
    };
    path.set(after, sum)
}

fn delete(path: &Path, value: &Value, before: &Item, after: &mut Item) -> Result<(), String> {
    let (rest, empty) = match (path.get(before), value) {
        (None, _) => return Ok(()),
        (Some(Value::Ss(old)), Value::Ss(gone)) => (Value::Ss(old - gone), old.is_subset(gone)),
        (Some(Value::Ns(old)), Value::Ns(gone)) => (Value::Ns(old - gone), old.is_subset(gone)),
        (Some(Value::Bs(old)), Value::Bs(gone)) => (Value::Bs(old - gone), old.is_subset(gone)),
        _ => return Err(WRONG_TYPE.to_owned()),
    };
    // There are no empty sets.
    if empty { path.remove(after) } else { path.set(after, rest) }
}
