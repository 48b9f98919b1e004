//! Attribute values: how they come and go on the wire, how large they are and how they compare.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};

use super::decimal::Decimal;
use super::refusal::{Refusal, invalid};

/// An item: its attributes by name.
pub(super) type Item = BTreeMap<String, Value>;

/// How deep documents may be nested (DynamoDB developer guide, service quotas).
const DEPTH: usize = 32;

/// One attribute value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    S(String),
    N(Decimal),
    B(Vec<u8>),
    Bool(bool),
    Null,
    M(Item),
    L(Vec<Value>),
    Ss(BTreeSet<String>),
    Ns(BTreeSet<Decimal>),
    Bs(BTreeSet<Vec<u8>>),
}

impl Value {
    /// Reads `{"S": "…"}` and its kin.
    pub(super) fn from_json(json: &Json) -> Result<Self, Refusal> {
        Self::read(json, DEPTH)
    }

    fn read(json: &Json, depth: usize) -> Result<Self, Refusal> {
        let unsupported =
            || invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
        if depth == 0 {
            return Err(invalid("Nesting Levels have exceeded supported limits"));
        }
        let mut members = json.as_object().ok_or_else(unsupported)?.iter();
        let (Some((kind, content)), None) = (members.next(), members.next()) else {
            return Err(unsupported());
        };
        let text = |json: &Json| json.as_str().map(str::to_owned).ok_or_else(|| mistyped(kind));
        let number = |json: &Json| Decimal::parse(&text(json)?).map_err(|message| invalid(&message));
        let binary = |json: &Json| BASE64.decode(text(json)?).map_err(|_| mistyped(kind));
        Ok(match kind.as_str() {
            "S" => Self::S(text(content)?),
            "N" => Self::N(number(content)?),
            "B" => Self::B(binary(content)?),
            "BOOL" => Self::Bool(content.as_bool().ok_or_else(|| mistyped(kind))?),
            "NULL" if content == &Json::Bool(true) => Self::Null,
            "NULL" => {
                return Err(invalid(
                    "One or more parameter values were invalid: Null attribute value types must have the value of true",
                ));
            }
            "M" => {
                let members = content.as_object().ok_or_else(|| mistyped(kind))?;
                let member = |(name, value): (&String, &Json)| Ok((name.clone(), Self::read(value, depth - 1)?));
                Self::M(members.iter().map(member).collect::<Result<_, Refusal>>()?)
            }
            "L" => {
                let elements = content.as_array().ok_or_else(|| mistyped(kind))?;
                Self::L(elements.iter().map(|value| Self::read(value, depth - 1)).collect::<Result<_, _>>()?)
            }
            "SS" => Self::Ss(set(content, "string", text)?),
            "NS" => Self::Ns(set(content, "number", number)?),
            "BS" => Self::Bs(set(content, "binary", binary)?),
            _ => return Err(unsupported()),
        })
    }

    /// Writes `{"S": "…"}` and its kin.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::S(text) => json!({ "S": text }),
            Self::N(number) => json!({ "N": number.to_string() }),
            Self::B(bytes) => json!({ "B": BASE64.encode(bytes) }),
            Self::Bool(truth) => json!({ "BOOL": truth }),
            Self::Null => json!({ "NULL": true }),
            Self::M(members) => json!({ "M": item_to_json(members) }),
            Self::L(elements) => json!({ "L": elements.iter().map(Self::to_json).collect::<Vec<_>>() }),
            Self::Ss(set) => json!({ "SS": set }),
            Self::Ns(set) => json!({ "NS": set.iter().map(Decimal::to_string).collect::<Vec<_>>() }),
            Self::Bs(set) => json!({ "BS": set.iter().map(|bytes| BASE64.encode(bytes)).collect::<Vec<_>>() }),
        }
    }

    /// Plain JSON for assertions: numbers as numbers (as text when JSON cannot hold them), sets as arrays.
    pub(super) fn to_plain(&self) -> Json {
        let number = |number: &Decimal| {
            let text = number.to_string();
            match text.parse::<i64>() {
                Ok(integer) => json!(integer),
                Err(_) => match text.parse::<f64>() {
                    Ok(float) if float.to_string() == text => json!(float),
                    _ => json!(text),
                },
            }
        };
        match self {
            Self::S(text) => json!(text),
            Self::N(decimal) => number(decimal),
            Self::B(bytes) => json!(BASE64.encode(bytes)),
            Self::Bool(truth) => json!(truth),
            Self::Null => Json::Null,
            Self::M(members) => item_to_plain(members),
            Self::L(elements) => elements.iter().map(Self::to_plain).collect(),
            Self::Ss(set) => json!(set),
            Self::Ns(set) => set.iter().map(number).collect(),
            Self::Bs(set) => set.iter().map(|bytes| BASE64.encode(bytes)).collect(),
        }
    }

    /// The type's name on the wire.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::M(_) => "M",
            Self::L(_) => "L",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
        }
    }

    /// The order of two strings, numbers or binaries; nothing else has one.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::S(a), Self::S(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::N(a), Self::N(b)) => Some(a.cmp(b)),
            (Self::B(a), Self::B(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// What the value takes in the table, in bytes (developer guide, item sizes and formats).
    pub(super) fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::M(members) => 3 + members.len() + item_size(members),
            Self::L(elements) => 3 + elements.iter().map(|element| 1 + element.size()).sum::<usize>(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(|number| number.size()).sum(),
            Self::Bs(set) => set.iter().map(Vec::len).sum(),
        }
    }
}

/// What an item takes in the table, in bytes: names and values.
pub(super) fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

/// Reads an item or a key.
pub(super) fn item_from_json(json: &Json) -> Result<Item, Refusal> {
    let members = json.as_object().ok_or_else(|| mistyped("map"))?;
    members.iter().map(|(name, value)| Ok((name.clone(), Value::from_json(value)?))).collect()
}

/// Writes an item or a key.
pub(super) fn item_to_json(item: &Item) -> Json {
    Json::Object(item.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
}

/// An item as plain JSON, for assertions.
pub(super) fn item_to_plain(item: &Item) -> Json {
    Json::Object(item.iter().map(|(name, value)| (name.clone(), value.to_plain())).collect())
}

fn set<T: Ord>(json: &Json, kind: &str, read: impl Fn(&Json) -> Result<T, Refusal>) -> Result<BTreeSet<T>, Refusal> {
    let members = json.as_array().ok_or_else(|| mistyped(kind))?;
    if members.is_empty() {
        return Err(invalid(&format!("One or more parameter values were invalid: An {kind} set  may not be empty")));
    }
    let set = members.iter().map(read).collect::<Result<BTreeSet<_>, _>>()?;
    if set.len() < members.len() {
        let members: Vec<_> = members.iter().map(|json| json.as_str().unwrap_or_default()).collect();
        return Err(invalid(&format!(
            "One or more parameter values were invalid: Input collection [{}] contains duplicates.",
            members.join(", ")
        )));
    }
    Ok(set)
}

fn mistyped(kind: &str) -> Refusal {
    Refusal::new("SerializationException", &format!("Unexpected value type in payload, where {kind} is expected"))
}
