//! Furnishing an account with what was described of another one: every resource with its name, id and ARN, unchecked, as
//! `describe-…` of the AWS CLI shows it.
//!
//! What it owns: what a description says of a resource, and what the model has to assume beside. Whoever furnishes puts in first what
//! others refer to: images and launch templates, load balancers, target groups, listeners, rules, groups, what hangs on these,
//! targets, alarms.
//!
//! What it must never do: refuse. What a description leaves out is left out.

mod balancing;
mod groups;
mod launching;
mod members;
mod scaling;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Tree, World};

impl World {
    /// To be called when all is there.
    pub fn restored(&mut self) {
        self.settle();
    }
}

/// A text of a description; empty where there is none.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A number of a description, which may be a text.
fn number(value: &Value, name: &str) -> Option<u64> {
    value[name].as_u64().or_else(|| value[name].as_str()?.parse().ok())
}

/// The same of a size.
fn size(value: &Value, name: &str) -> u32 {
    number(value, name).and_then(|size| u32::try_from(size).ok()).unwrap_or(0)
}

/// Whether a flag of a description is set, which may be a text.
fn flag(value: &Value, name: &str) -> bool {
    value[name].as_bool().unwrap_or_else(|| text(value, name) == "true")
}

/// A list of a description; empty where there is none.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list of texts.
fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Tags, each with a key and a value.
fn tags(value: &Value, name: &str) -> BTreeMap<String, String> {
    list(value, name).iter().map(|tag| (text(tag, "Key").to_owned(), text(tag, "Value").to_owned())).collect()
}

/// A description without some of its members.
fn without(value: &Value, names: &[&str]) -> Tree {
    let mut tree = Tree::from_json(value);
    names.iter().for_each(|name| drop(tree.take(name)));
    tree
}

/// Only some members of a description, without empty lists, which AWS shows for what there is not.
fn only(value: &Value, names: &[&str]) -> Tree {
    let mut tree = Tree::default();
    for (name, value) in value.as_object().into_iter().flatten() {
        if names.contains(&name.as_str()) && value.as_array().is_none_or(|items| !items.is_empty()) && !value.is_null()
        {
            tree.set(name, Tree::from_json(value));
        }
    }
    tree
}
