//! One table: its key schema, its indexes and its items in key order.

use std::collections::BTreeMap;

use super::decimal::Decimal;
use super::refusal::{Refusal, invalid};
use super::value::{Item, Value, item_size};

/// The largest item, in bytes (DynamoDB developer guide, service quotas).
pub(super) const ITEM_BYTES: usize = 400 * 1024;
/// The largest partition and sort key values, in bytes (same source).
const KEY_BYTES: (usize, usize) = (2048, 1024);

/// One part of a key, in the order in which DynamoDB sorts keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyPart {
    S(String),
    N(Decimal),
    B(Vec<u8>),
}

impl KeyPart {
    /// What sorts before all others, or like them.
    pub(super) const FIRST: Self = Self::S(String::new());

    /// Of a value that can be one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::S(text) => Some(Self::S(text.clone())),
            Value::N(number) => Some(Self::N(*number)),
            Value::B(bytes) => Some(Self::B(bytes.clone())),
            _ => None,
        }
    }
}

/// A primary key: partition key and sort key.
pub(super) type Key = (KeyPart, Option<KeyPart>);

/// A key attribute and its type: `S`, `N` or `B`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyAttribute {
    pub name: String,
    pub kind: String,
}

/// Which attributes make the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schema {
    pub partition: KeyAttribute,
    pub sort: Option<KeyAttribute>,
}

/// What an index shows of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Projection {
    All,
    /// The keys of index and table, and these.
    Only(Vec<String>),
}

/// A global secondary index. Unlike the real ones it is never behind its table.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub schema: Schema,
    pub projection: Projection,
}

/// One table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub name: String,
    pub created_at_millis: u64,
    pub schema: Schema,
    pub indexes: BTreeMap<String, Index>,
    pub items: BTreeMap<Key, Item>,
    /// The attribute that holds the expiry, when time to live is on. Nothing ever expires here: the real service takes up
    /// to days, and whoever relies on it is wrong.
    pub time_to_live: Option<String>,
    pub deletion_protection: bool,
}

impl Schema {
    /// Both key attributes, partition key first.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

    /// Whether the attribute is part of the key.
    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// The key of an item that is to be put.
    pub(super) fn key_of_item(&self, item: &Item) -> Result<Key, Refusal> {
        let part = |attribute: &KeyAttribute, limit| {
            let value = item.get(&attribute.name).ok_or_else(|| {
                let name = &attribute.name;
                invalid(&format!("One or more parameter values were invalid: Missing the key {name} in the item"))
            })?;
            if value.kind() != attribute.kind {
                return Err(invalid(&format!(
                    "One or more parameter values were invalid: Type mismatch for key {} expected: {} actual: {}",
                    attribute.name,
                    attribute.kind,
                    value.kind()
                )));
            }
            key_part(&attribute.name, value, limit)
        };
        let sort = self.sort.as_ref().map(|attribute| part(attribute, KEY_BYTES.1)).transpose()?;
        Ok((part(&self.partition, KEY_BYTES.0)?, sort))
    }

    /// The key that a `Key` parameter gives, which must have nothing else.
    pub(super) fn key_of_parameter(&self, key: &Item) -> Result<Key, Refusal> {
        let fits = key.len() == self.attributes().count()
            && self.attributes().all(|a| key.get(&a.name).is_some_and(|value| value.kind() == a.kind));
        if !fits {
            return Err(invalid("The provided key element does not match the schema"));
        }
        self.key_of_item(key)
    }

    /// The key of an item in an index; items without those attributes are not in it.
    pub(super) fn key_in_index(&self, item: &Item) -> Option<Key> {
        self.key_of_item(item).ok()
    }

    /// The key attributes of an item.
    pub(super) fn key_attributes(&self, item: &Item) -> Item {
        let attribute = |a: &KeyAttribute| Some((a.name.clone(), item.get(&a.name)?.clone()));
        self.attributes().filter_map(attribute).collect()
    }
}

impl Table {
    /// Refuses an item that the table cannot hold, and gives its key otherwise.
    pub(super) fn check(&self, item: &Item, too_large: &str) -> Result<Key, Refusal> {
        let key = self.schema.key_of_item(item)?;
        for index in self.indexes.values() {
            for attribute in index.schema.attributes() {
                let mistyped = item.get(&attribute.name).filter(|value| value.kind() != attribute.kind);
                if let Some(value) = mistyped {
                    return Err(invalid(&format!(
                        "One or more parameter values were invalid: Type mismatch for Index Key {} Expected: {} Actual: {}",
                        attribute.name,
                        attribute.kind,
                        value.kind()
                    )));
                }
            }
        }
        if item_size(item) > ITEM_BYTES {
            return Err(invalid(too_large));
        }
        Ok(key)
    }
}

fn key_part(name: &str, value: &Value, limit: usize) -> Result<KeyPart, Refusal> {
    let empty = |kind: &str| {
        invalid(&format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {kind} value. Key: {name}"
        ))
    };
    if value.size() > limit {
        return Err(invalid(&format!(
            "One or more parameter values were invalid: Size of key {name} has exceeded the maximum size limit of {limit} bytes"
        )));
    }
    match value {
        Value::S(text) if text.is_empty() => Err(empty("string")),
        Value::B(bytes) if bytes.is_empty() => Err(empty("binary")),
        value => KeyPart::of(value).ok_or_else(|| invalid("Key attributes are strings, numbers or binaries")),
    }
}
