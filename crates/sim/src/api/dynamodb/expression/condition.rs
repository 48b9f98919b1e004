//! Conditions and filters: whether they hold for an item.

use std::cmp::Ordering;

use super::super::decimal::Decimal;
use super::super::value::{Item, Value};
use super::Path;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Something with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Operand {
    Path(Path),
    Literal(Value),
    Size(Path),
}

/// A condition on an item.
#[derive(Clone, Debug)]
pub(in super::super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Operand, Comparison, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    Missing(Path),
    IsType(Path, String),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

impl Comparison {
    /// Whether the comparison holds. A value that is not there equals nothing and has no order, so only `<>` holds.
    pub(in super::super) fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let order = || left?.order(right?);
        match self {
            Self::Equal => left.is_some() && left == right,
            Self::NotEqual => left != right,
            Self::Less => order() == Some(Ordering::Less),
            Self::LessOrEqual => order().is_some_and(Ordering::is_le),
            Self::Greater => order() == Some(Ordering::Greater),
            Self::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        }
    }

    /// As it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Operand {
    /// The value for an item.
    pub(super) fn value(&self, item: &Item) -> Option<Value> {
        match self {
            Self::Path(path) => path.get(item).cloned(),
            Self::Literal(value) => Some(value.clone()),
            Self::Size(path) => {
                let size = match path.get(item)? {
                    Value::S(text) => text.chars().count(),
                    Value::B(bytes) => bytes.len(),
                    Value::M(members) => members.len(),
                    Value::L(elements) => elements.len(),
                    Value::Ss(set) => set.len(),
                    Value::Ns(set) => set.len(),
                    Value::Bs(set) => set.len(),
                    Value::N(_) | Value::Bool(_) | Value::Null => return None,
                };
                Some(Value::N(Decimal::from(size)))
            }
        }
    }
}

impl Condition {
    /// Whether the condition holds; an item that does not exist is one without attributes.
    pub(in super::super) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(item)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(item)),
            Self::Not(condition) => !condition.holds(item),
            Self::Compare(left, comparison, right) => {
                comparison.holds(left.value(item).as_ref(), right.value(item).as_ref())
            }
            Self::Between(operand, low, high) => {
                let value = operand.value(item);
                Comparison::GreaterOrEqual.holds(value.as_ref(), low.value(item).as_ref())
                    && Comparison::LessOrEqual.holds(value.as_ref(), high.value(item).as_ref())
            }
            Self::In(operand, choices) => {
                let value = operand.value(item);
                value.is_some() && choices.iter().any(|choice| choice.value(item) == value)
            }
            Self::Exists(path) => path.get(item).is_some(),
            Self::Missing(path) => path.get(item).is_none(),
            Self::IsType(path, kind) => path.get(item).is_some_and(|value| value.kind() == kind),
            Self::BeginsWith(operand, start) => begins_with(operand.value(item).as_ref(), start.value(item).as_ref()),
            Self::Contains(operand, part) => contains(operand.value(item).as_ref(), part.value(item).as_ref()),
        }
    }

    /// Calls `see` with each path in the condition.
    pub(in super::super) fn paths<'a>(&'a self, see: &mut dyn FnMut(&'a Path)) {
        let mut operands: Vec<&Operand> = vec![];
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().for_each(|condition| condition.paths(see));
            }
            Self::Not(condition) => condition.paths(see),
            Self::Compare(a, _, b) | Self::BeginsWith(a, b) | Self::Contains(a, b) => operands.extend([a, b]),
            Self::Between(a, b, c) => operands.extend([a, b, c]),
            Self::In(operand, choices) => {
                operands.push(operand);
                operands.extend(choices);
            }
            Self::Exists(path) | Self::Missing(path) | Self::IsType(path, _) => see(path),
        }
        for operand in operands {
            if let Operand::Path(path) | Operand::Size(path) = operand {
                see(path);
            }
        }
    }
}

/// Whether a string or binary begins with another one.
pub(in super::super) fn begins_with(value: Option<&Value>, start: Option<&Value>) -> bool {
    match (value, start) {
        (Some(Value::S(value)), Some(Value::S(start))) => value.starts_with(start.as_str()),
        (Some(Value::B(value)), Some(Value::B(start))) => value.starts_with(start),
        _ => false,
    }
}

fn contains(value: Option<&Value>, part: Option<&Value>) -> bool {
    match (value, part) {
        (Some(Value::S(value)), Some(Value::S(part))) => value.contains(part.as_str()),
        (Some(Value::B(value)), Some(Value::B(part))) => {
            part.is_empty() || value.windows(part.len()).any(|window| window == part)
        }
        (Some(Value::Ss(set)), Some(Value::S(part))) => set.contains(part),
        (Some(Value::Ns(set)), Some(Value::N(part))) => set.contains(part),
        (Some(Value::Bs(set)), Some(Value::B(part))) => set.contains(part),
        (Some(Value::L(elements)), Some(part)) => elements.contains(part),
        _ => false,
    }
}
