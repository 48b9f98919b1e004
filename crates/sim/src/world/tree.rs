//! Settings as the API spells them: a tree of structures, lists and strings.
//!
//! Why not one Rust struct per API shape: a group alone has some forty settings, and what matters to a deployer is
//! that every one of them comes back as it was given. A tree cannot forget a field that it has never heard of.
//!
//! It must never interpret what it holds; the modules that use it do.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value of an API shape. Numbers and booleans are kept as the strings that the wire carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A string, number, boolean or timestamp.
    Leaf(String),
    /// A structure.
    Map(BTreeMap<String, Tree>),
    /// A list.
    List(Vec<Tree>),
    /// A map from strings to strings, which Query protocols encode in their own way (`entry.N.key`).
    Dict(BTreeMap<String, String>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Map(BTreeMap::new())
    }
}

impl Tree {
    /// A leaf.
    pub fn text(value: impl ToString) -> Self {
        Self::Leaf(value.to_string())
    }

    /// A structure of the given members.
    pub fn map<const N: usize>(members: [(&str, Tree); N]) -> Self {
        Self::Map(members.into_iter().map(|(name, tree)| (name.to_owned(), tree)).collect())
    }

    /// A member of a structure, by a dotted path.
    pub fn get(&self, path: &str) -> Option<&Tree> {
        let mut tree = self;
        for name in path.split('.') {
            let Self::Map(members) = tree else { return None };
            tree = members.get(name)?;
        }
        Some(tree)
    }

    /// A member that is a string, by a dotted path.
    pub fn str(&self, path: &str) -> Option<&str> {
        match self.get(path)? {
            Self::Leaf(text) => Some(text),
            _ => None,
        }
    }

    /// A member that is a number, by a dotted path; `None` also when it is no number.
    pub fn num(&self, path: &str) -> Option<i64> {
        self.str(path)?.parse().ok()
    }

    /// Whether a member is `true`, by a dotted path.
    pub fn is_true(&self, path: &str) -> bool {
        self.str(path) == Some("true")
    }

    /// The elements of a list, by a dotted path. What is absent is empty.
    pub fn list(&self, path: &str) -> &[Tree] {
        match self.get(path) {
            Some(Self::List(items)) => items,
            _ => &[],
        }
    }

    /// The strings of a list of strings, by a dotted path.
    pub fn strings(&self, path: &str) -> Vec<String> {
        self.list(path).iter().filter_map(Self::leaf).map(str::to_owned).collect()
    }

    /// The string that this is.
    pub fn leaf(&self) -> Option<&str> {
        match self {
            Self::Leaf(text) => Some(text),
            _ => None,
        }
    }

    /// The members of the structure that this is.
    pub fn members(&self) -> impl Iterator<Item = (&String, &Tree)> {
        match self {
            Self::Map(members) => Some(members),
            _ => None,
        }
        .into_iter()
        .flatten()
    }

    /// Sets a direct member. What is no structure becomes one.
    pub fn set(&mut self, name: &str, value: Tree) {
        if !matches!(self, Self::Map(_)) {
            *self = Self::default();
        }
        if let Self::Map(members) = self {
            members.insert(name.to_owned(), value);
        }
    }

    /// Removes and returns a direct member.
    pub fn take(&mut self, name: &str) -> Option<Tree> {
        match self {
            Self::Map(members) => members.remove(name),
            _ => None,
        }
    }

    /// The tree of a JSON value, as the AWS CLI writes API shapes. `null` members are left out.
    pub fn from_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Leaf(String::new()),
            Value::Bool(flag) => Self::text(flag),
            Value::Number(number) => Self::text(number),
            Value::String(text) => Self::text(text),
            Value::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Value::Object(members) => Self::Map(
                members
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| (name.clone(), Self::member_from_json(name, value)))
                    .collect(),
            ),
        }
    }

    /// JSON does not tell a structure from a map of strings. One API member that occurs here is such a map.
    fn member_from_json(name: &str, value: &Value) -> Self {
        match value {
            Value::Object(entries) if name == "AuthenticationRequestExtraParams" => {
                let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
                Self::Dict(entries.iter().filter_map(pair).collect())
            }
            _ => Self::from_json(value),
        }
    }

    /// The tree as JSON, for inventories. Every leaf is a string.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Leaf(text) => Value::String(text.clone()),
            Self::Map(members) => members.iter().map(|(name, tree)| (name.clone(), tree.to_json())).collect(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Dict(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect()
            }
        }
    }
}
