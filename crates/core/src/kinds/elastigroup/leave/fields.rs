//! The fields of an object, taken out one by one: what is left in the end nobody has looked at.

use serde_json::{Map, Value};

/// The fields of the object at a path.
pub(super) struct Fields {
    path: String,
    left: Map<String, Value>,
}

impl Fields {
    pub(super) fn new(path: &str, value: Value) -> Self {
        let left = match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Self { path: path.to_owned(), left }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn take(&mut self, name: &str) -> Value {
        self.left.remove(name).unwrap_or_default()
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    pub(super) fn number(&mut self, name: &str) -> Option<u64> {
        let value = self.take(name);
        value.as_u64().or_else(|| Some(value.as_f64().filter(|it| it.fract() == 0.0 && *it >= 0.0)? as u64))
    }

    pub(super) fn truth(&mut self, name: &str) -> Option<bool> {
        self.take(name).as_bool()
    }

    pub(super) fn list(&mut self, name: &str) -> Vec<Value> {
        match self.take(name) {
            Value::Array(items) => items,
            _ => Vec::new(),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Self {
        let path = self.within(name);
        Self::new(&path, self.take(name))
    }

    fn within(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// What nobody has taken, and says something.
    pub(super) fn rest(self) -> Vec<String> {
        let says = |value: &Value| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            _ => true,
        };
        self.left.iter().filter(|(_, value)| says(value)).map(|(name, _)| self.within(name)).collect()
    }

    pub(super) fn all(self) -> Map<String, Value> {
        self.left
    }
}

/// `average` as CloudWatch spells it, `count/second`, too.
pub(super) fn capital(word: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    word.split('/').map(part).collect::<Vec<_>>().join("/")
}
