//! `#names` and `:values`: each one used must be given, and each one given must be used.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::super::refusal::{Refusal, invalid};
use super::super::value::{Item, Value, item_from_json};

/// The placeholders of one request (or of one action of a transaction).
#[derive(Debug, Default)]
pub(in super::super) struct Placeholders {
    names: BTreeMap<String, String>,
    values: Item,
    used: BTreeSet<String>,
}

impl Placeholders {
    /// Reads `ExpressionAttributeNames` and `ExpressionAttributeValues`.
    pub(in super::super) fn of(request: &Json) -> Result<Self, Refusal> {
        let mut placeholders = Self::default();
        if let Some(names) = request.get("ExpressionAttributeNames") {
            let names = names.as_object().filter(|names| !names.is_empty());
            for (placeholder, name) in names.ok_or_else(|| invalid("ExpressionAttributeNames must not be empty"))? {
                check("ExpressionAttributeNames", placeholder, '#')?;
                let name = name.as_str().unwrap_or_default().to_owned();
                placeholders.names.insert(placeholder.clone(), name);
            }
        }
        if let Some(values) = request.get("ExpressionAttributeValues") {
            placeholders.values = item_from_json(values)?;
            if placeholders.values.is_empty() {
                return Err(invalid("ExpressionAttributeValues must not be empty"));
            }
            for placeholder in placeholders.values.keys() {
                check("ExpressionAttributeValues", placeholder, ':')?;
            }
        }
        Ok(placeholders)
    }

    /// The attribute that `#name` stands for.
    pub(super) fn name(&mut self, placeholder: &str) -> Result<String, String> {
        self.used.insert(placeholder.to_owned());
        self.names.get(placeholder).cloned().ok_or_else(|| {
            format!(
                "An expression attribute name used in the document path is not defined; attribute name: {placeholder}"
            )
        })
    }

    /// What `:value` stands for.
    pub(super) fn value(&mut self, placeholder: &str) -> Result<Value, String> {
        self.used.insert(placeholder.to_owned());
        self.values.get(placeholder).cloned().ok_or_else(|| {
            format!("An expression attribute value used in expression is not defined; attribute value: {placeholder}")
        })
    }

    /// Refuses what no expression has used. Call it after the last expression.
    pub(in super::super) fn all_used(&self) -> Result<(), Refusal> {
        let unused = |what: &str, mut keys: Vec<&String>| {
            keys.retain(|key| !self.used.contains(*key));
            if keys.is_empty() {
                return Ok(());
            }
            let keys: Vec<_> = keys.into_iter().map(String::as_str).collect();
            let message = format!("Value provided in {what} unused in expressions: keys: {{{}}}", keys.join(", "));
            Err(invalid(&message))
        };
        unused("ExpressionAttributeNames", self.names.keys().collect())?;
        unused("ExpressionAttributeValues", self.values.keys().collect())
    }
}

fn check(what: &str, placeholder: &str, sign: char) -> Result<(), Refusal> {
    let named = placeholder.strip_prefix(sign).filter(|name| !name.is_empty());
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if named.is_some_and(plain) {
        return Ok(());
    }
    Err(invalid(&format!("{what} contains invalid key: Syntax error; key: \"{placeholder}\"")))
}
