//! Choice rules: the comparison operators of JSONPath mode.

use std::cmp::Ordering;

use serde_json::Value;

use crate::paths::Path;
use crate::template::Scope;

/// A rule of a Choice state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    And(Vec<Rule>),
    Or(Vec<Rule>),
    Not(Box<Rule>),
    Compare { variable: Path, comparison: Comparison, operand: Operand },
}

/// What a variable is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Literal(Value),
    Path(Path),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Numeric,
    Boolean,
    Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equals,
    LessThan,
    GreaterThan,
    LessThanEquals,
    GreaterThanEquals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Order(Kind, Relation),
    StringMatches,
    IsNull,
    IsPresent,
    Is(Kind),
}

impl Comparison {
    /// Every operator with its name and, where there is one, the name of its `…Path` variant.
    #[rustfmt::skip]
    pub(crate) const ALL: &'static [(Self, &'static str, Option<&'static str>)] = {
        use {Kind::*, Relation::*};
        &[
            (Self::Order(String, Equals), "StringEquals", Some("StringEqualsPath")),
            (Self::Order(String, LessThan), "StringLessThan", Some("StringLessThanPath")),
            (Self::Order(String, GreaterThan), "StringGreaterThan", Some("StringGreaterThanPath")),
            (Self::Order(String, LessThanEquals), "StringLessThanEquals", Some("StringLessThanEqualsPath")),
            (Self::Order(String, GreaterThanEquals), "StringGreaterThanEquals", Some("StringGreaterThanEqualsPath")),
            (Self::Order(Numeric, Equals), "NumericEquals", Some("NumericEqualsPath")),
            (Self::Order(Numeric, LessThan), "NumericLessThan", Some("NumericLessThanPath")),
            (Self::Order(Numeric, GreaterThan), "NumericGreaterThan", Some("NumericGreaterThanPath")),
            (Self::Order(Numeric, LessThanEquals), "NumericLessThanEquals", Some("NumericLessThanEqualsPath")),
            (Self::Order(Numeric, GreaterThanEquals), "NumericGreaterThanEquals", Some("NumericGreaterThanEqualsPath")),
            (Self::Order(Boolean, Equals), "BooleanEquals", Some("BooleanEqualsPath")),
            (Self::Order(Timestamp, Equals), "TimestampEquals", Some("TimestampEqualsPath")),
            (Self::Order(Timestamp, LessThan), "TimestampLessThan", Some("TimestampLessThanPath")),
            (Self::Order(Timestamp, GreaterThan), "TimestampGreaterThan", Some("TimestampGreaterThanPath")),
            (Self::Order(Timestamp, LessThanEquals), "TimestampLessThanEquals", Some("TimestampLessThanEqualsPath")),
            (Self::Order(Timestamp, GreaterThanEquals), "TimestampGreaterThanEquals", Some("TimestampGreaterThanEqualsPath")),
            (Self::StringMatches, "StringMatches", None),
            (Self::IsNull, "IsNull", None),
            (Self::IsPresent, "IsPresent", None),
            (Self::Is(String), "IsString", None),
            (Self::Is(Numeric), "IsNumeric", None),
            (Self::Is(Boolean), "IsBoolean", None),
            (Self::Is(Timestamp), "IsTimestamp", None),
        ]
    };

    /// The literal that this operator takes, or what it should have been.
    pub(crate) fn literal(self, value: &Value) -> Result<Value, String> {
        let (fits, wanted) = match self {
            Self::Order(Kind::String, _) | Self::StringMatches => (value.is_string(), "a string"),
            Self::Order(Kind::Numeric, _) => (value.is_number(), "a number"),
            Self::Order(Kind::Boolean, _) | Self::IsNull | Self::IsPresent | Self::Is(_) => {
                (value.is_boolean(), "true or false")
            }
            Self::Order(Kind::Timestamp, _) => (is(Kind::Timestamp, value), "a timestamp like 2026-01-31T09:00:00Z"),
        };
        if fits { Ok(value.clone()) } else { Err(format!("must be {wanted}, not {value}")) }
    }

    fn holds(self, value: &Value, operand: &Value) -> bool {
        let wanted = operand == &Value::Bool(true);
        match self {
            Self::IsPresent => wanted,
            Self::IsNull => value.is_null() == wanted,
            Self::Is(kind) => is(kind, value) == wanted,
            Self::StringMatches => match (value.as_str(), operand.as_str()) {
                (Some(text), Some(pattern)) => matches(&pattern_of(pattern), &text.chars().collect::<Vec<_>>()),
                _ => false,
            },
            // Values of the wrong type do not match; they are no error.
            Self::Order(kind, relation) => compare(kind, value, operand).is_some_and(|order| match relation {
                Relation::Equals => order == Ordering::Equal,
                Relation::LessThan => order == Ordering::Less,
                Relation::GreaterThan => order == Ordering::Greater,
                Relation::LessThanEquals => order != Ordering::Greater,
                Relation::GreaterThanEquals => order != Ordering::Less,
            }),
        }
    }
}

impl Rule {
    /// Whether it holds; the error is a cause for `States.Runtime`. And and Or stop at the first that decides, so that
    /// `IsPresent` can guard what follows it.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> Result<bool, String> {
        match self {
            Self::And(rules) => {
                for rule in rules {
                    if !rule.holds(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(rules) => {
                for rule in rules {
                    if rule.holds(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(rule) => rule.holds(scope).map(|holds| !holds),
            Self::Compare { variable, comparison, operand } => {
                let found = variable.get(scope.input, scope.context);
                if *comparison == Comparison::IsPresent && found.is_none() {
                    return Ok(*operand == Operand::Literal(Value::Bool(false)));
                }
                let invalid = |path: &Path| {
                    format!("Invalid path '{path}': The choice state's condition path references an invalid value.")
                };
                let value = found.ok_or_else(|| invalid(variable))?;
                match operand {
                    Operand::Literal(literal) => Ok(comparison.holds(value, literal)),
                    Operand::Path(path) => {
                        let other = path.get(scope.input, scope.context).ok_or_else(|| invalid(path))?;
                        Ok(comparison.holds(value, other))
                    }
                }
            }
        }
    }
}

/// Milliseconds since 1970 of a timestamp as Step Functions takes it: RFC 3339 with a capital T and, when there is no
/// numeric offset, a capital Z.
pub(crate) fn timestamp_millis(text: &str) -> Option<i64> {
    let (_, time) = text.split_once('T')?;
    if !(time.ends_with('Z') || time.contains(['+', '-'])) || text.contains([' ', 't', 'z', '[']) {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

fn is(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::String => value.is_string(),
        Kind::Numeric => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::Timestamp => value.as_str().is_some_and(|text| timestamp_millis(text).is_some()),
    }
}

fn compare(kind: Kind, left: &Value, right: &Value) -> Option<Ordering> {
    match kind {
        Kind::String => Some(left.as_str()?.cmp(right.as_str()?)),
        Kind::Boolean => Some(left.as_bool()?.cmp(&right.as_bool()?)),
        Kind::Numeric => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        Kind::Timestamp => {
            let instant = |value: &Value| value.as_str().and_then(timestamp_millis);
            Some(instant(left)?.cmp(&instant(right)?))
        }
    }
}

/// A StringMatches pattern: `None` is `*`, a character stands for itself; `\*` and `\\` are escapes.
fn pattern_of(pattern: &str) -> Vec<Option<char>> {
    let mut parts = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '*' => None,
            '\\' => characters.next().or(Some('\\')),
            other => Some(other),
        });
    }
    parts
}

/// Whether the pattern matches the whole text: greedy with one point of return, so linear in practice.
fn matches(pattern: &[Option<char>], text: &[char]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(None) => {
                star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(Some(character)) if *character == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((star_pattern, star_text)) = star else { return false };
                star = Some((star_pattern, star_text + 1));
                at_pattern = star_pattern + 1;
                at_text = star_text + 1;
            }
        }
    }
    pattern[at_pattern..].iter().all(Option::is_none)
}
