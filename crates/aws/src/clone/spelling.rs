//! Answers in XML as the AWS CLI writes them in JSON, but that every leaf is a text.
//!
//! What it must never do: know an operation. What is a list shows by how its elements are called.

use serde_json::{Map, Value};

use crate::call::Element;

/// What says nothing about settings: when something was made or changed, by whom, and in which words.
const HISTORY: &[&str] = &[
    "AlarmConfigurationUpdatedTimestamp",
    "CreateTime",
    "CreatedBy",
    "CreatedTime",
    "LaunchTime",
    "StateReason",
    "StateReasonData",
    "StateTransitionedTimestamp",
    "StateUpdatedTimestamp",
    "Time",
];

/// What EC2's answers call by other names of images than the CLI does: `imageState` is `State`.
const OF_IMAGES: &[&str] = &["State", "OwnerId"];

/// An element of the Query services.
pub(super) fn plain(element: Element<'_>) -> Value {
    let children: Vec<Element<'_>> = element.each().collect();
    if children.is_empty() {
        return Value::String(element.own_text().unwrap_or_default());
    }
    if children.iter().all(|child| child.name() == "member") {
        return children.into_iter().map(plain).collect();
    }
    if children.iter().all(|child| child.name() == "entry") {
        let pair = |entry: Element<'_>| Some((entry.text("key")?, Value::String(entry.text("value")?)));
        return Value::Object(children.into_iter().filter_map(pair).collect());
    }
    structure(children.into_iter().map(|child| (child.name(), plain(child))))
}

/// An element of EC2, which begins names with a small letter, and calls lists by other names than the CLI does.
pub(super) fn of_ec2(element: Element<'_>) -> Value {
    let children: Vec<Element<'_>> = element.each().collect();
    if children.is_empty() {
        return Value::String(element.own_text().unwrap_or_default());
    }
    if children.iter().all(|child| child.name() == "item") {
        return children.into_iter().map(of_ec2).collect();
    }
    // Security groups of network interfaces, which are ids here and structures of instances.
    if element.name() == "groupSet" {
        return children.into_iter().map(of_ec2).collect();
    }
    structure(children.into_iter().map(|child| {
        let value = of_ec2(child);
        (of_cli(&child.name(), value.is_array()), value)
    }))
}

/// Without what is empty, which AWS takes for absent, and without history.
fn structure(members: impl Iterator<Item = (String, Value)>) -> Value {
    let says = |(name, value): &(String, Value)| !HISTORY.contains(&name.as_str()) && value.as_str() != Some("");
    Value::Object(members.filter(says).collect::<Map<_, _>>())
}

/// `blockDeviceMappingSet` is `BlockDeviceMappings` in the CLI (EC2's service model).
fn of_cli(name: &str, list: bool) -> String {
    let stem = name.strip_suffix("Set").unwrap_or(name);
    let plural = match stem {
        _ if !list => {
            return upper_first(name.strip_prefix("image").filter(|it| OF_IMAGES.contains(it)).unwrap_or(name));
        }
        "license" => return "LicenseSpecifications".into(),
        "groupSet" | "group" => return "Groups".into(),
        _ if stem.ends_with('s') => stem.to_owned(),
        _ if stem.ends_with('x') => format!("{stem}es"),
        _ => format!("{stem}s"),
    };
    upper_first(&plural)
}

fn upper_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// A text in a description; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A list in a description; empty where there is none.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list of texts.
pub(super) fn texts<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    list(value, name).iter().filter_map(Value::as_str)
}

/// Only these members.
pub(super) fn only(value: &Value, names: &[&str]) -> Value {
    let members = value.as_object().into_iter().flatten();
    members.filter(|(name, _)| names.contains(&name.as_str())).map(|(name, it)| (name.clone(), it.clone())).collect()
}

/// Tags, each with a key and a value.
pub(super) fn tags(list: &[Value]) -> std::collections::BTreeMap<String, String> {
    list.iter().map(|tag| (text(tag, "Key").to_owned(), text(tag, "Value").to_owned())).collect()
}
