//! Places in a document, and what the schema wants to stand there.

use serde_json::{Value, json};

use crate::document::read::join;

/// A place in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// For people: `strategy.stages[2].shift.percent`.
    pub(super) path: String,
    /// The same as a JSON pointer.
    pub(super) pointer: String,
}

impl Place {
    /// A field of the object at this place.
    pub(super) fn field(&self, name: &str) -> Self {
        let token = name.replace('~', "~0").replace('/', "~1");
        Self { path: join(&self.path, name), pointer: format!("{}/{token}", self.pointer) }
    }

    /// An item of the list at this place.
    pub(super) fn item(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), pointer: format!("{}/{index}", self.pointer) }
    }

    /// What the schema says about this place; nothing when it knows no such place.
    pub(super) fn schema<'s>(&self, root: &'s Value) -> Option<&'s Value> {
        self.pointer.split('/').skip(1).try_fold(root, |schema, token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            let inside = |schema: &'s Value| match schema.get("items") {
                Some(items) => Some(items),
                None => {
                    let named = schema.get("properties").and_then(|properties| properties.get(&token));
                    // Where names are the user's own.
                    named.or_else(|| schema.get("additionalProperties").filter(|others| others.is_object()))
                }
            };
            let schema = resolved(root, schema);
            inside(schema).or_else(|| options(schema).find_map(|option| inside(resolved(root, option))))
        })
    }
}

/// A single value that a field can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::document) enum Wanted {
    /// Text, or one of some words.
    Text,
    /// A whole number.
    Number,
    /// Any number.
    Decimal,
    /// True or false.
    Truth,
    /// A percentage or a number of members.
    Amount,
    /// Any number of these.
    List(Box<Wanted>),
}

/// The single value that a schema wants; nothing when it wants an object.
pub(in crate::document) fn wanted(root: &Value, schema: &Value) -> Option<Wanted> {
    let schema = resolved(root, schema);
    if schema.get("x-amount").is_some() {
        return Some(Wanted::Amount);
    }
    let mut choices = options(schema).filter(|option| type_of(option) != Some("null")).peekable();
    if choices.peek().is_some() {
        let kinds: Option<Vec<Wanted>> = choices.map(|option| wanted(root, option)).collect();
        return kinds?.into_iter().reduce(|one, other| if one == other { one } else { Wanted::Text });
    }
    match type_of(schema)? {
        "string" => Some(Wanted::Text),
        "integer" => Some(Wanted::Number),
        "number" => Some(Wanted::Decimal),
        "boolean" => Some(Wanted::Truth),
        "array" => Some(Wanted::List(Box::new(wanted(root, schema.get("items")?)?))),
        _ => None,
    }
}

impl Wanted {
    /// A value as this field wants it, where that loses nothing: provisioners and command lines know only texts. What does
    /// not fit stays as it is, for the check to refuse.
    pub(super) fn fit(&self, value: Value) -> Value {
        match (self, value) {
            (Self::Text, value @ (Value::Number(_) | Value::Bool(_))) => Value::String(value.to_string()),
            (Self::Number, Value::String(text)) => match text.parse::<i64>() {
                Ok(number) if number.to_string() == text => number.into(),
                _ => Value::String(text),
            },
            (Self::Decimal, Value::String(text)) => match serde_json::from_str::<serde_json::Number>(&text) {
                Ok(number) if number.to_string() == text => number.into(),
                _ => Value::String(text),
            },
            (Self::Truth, Value::String(text)) => match text.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                _ => Value::String(text),
            },
            (Self::Amount, Value::String(text)) => amount(&text).unwrap_or(Value::String(text)),
            (Self::Amount, Value::Number(count)) => json!({ "count": count }),
            // As JSON, which whoever fills it in may have.
            (Self::List(each), Value::String(text)) if text.trim_start().starts_with('[') => {
                match serde_json::from_str(&text) {
                    Ok(Value::Array(items)) => Value::Array(items.into_iter().map(|item| each.fit(item)).collect()),
                    _ => Value::String(text),
                }
            }
            // As in a StringList of Parameter Store.
            (Self::List(_), Value::String(text)) if text.is_empty() => Value::Array(Vec::new()),
            (Self::List(each), Value::String(text)) => {
                text.split(',').map(|item| each.fit(Value::String(item.trim().to_owned()))).collect()
            }
            (Self::List(each), Value::Array(items)) => items.into_iter().map(|item| each.fit(item)).collect(),
            (_, value) => value,
        }
    }
}

/// `25%` or `25 %` is a percentage, `3` a number.
fn amount(text: &str) -> Option<Value> {
    let whole = |digits: &str| digits.trim().parse::<u32>().ok().filter(|it| it.to_string() == digits.trim());
    match text.strip_suffix('%') {
        Some(percent) => Some(json!({ "percent": whole(percent)? })),
        None => Some(json!({ "count": whole(text)? })),
    }
}

fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    reference.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// The alternatives of a schema that offers some.
fn options(schema: &Value) -> impl Iterator<Item = &Value> {
    schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array).into_iter().flatten()
}

/// The type that a schema wants, apart from null.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        one => one.as_str(),
    }
}
