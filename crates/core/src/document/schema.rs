//! The JSON Schemas of the deployment document, generated from its types: the strict one, by which a document is checked
//! once every value stands in it, and the one for editors, in which a value may also come from elsewhere.

use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Document;
use super::references::{Reference, VARIABLE, wanted};

/// The schema of a document in which everything is spelt out, draft 2020-12.
pub(super) fn strict() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(of::<Document>);
    &SCHEMA
}

/// The schema of what may stand in the place of a value.
pub(super) fn of_references() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(of::<Reference>);
    &SCHEMA
}

fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema for editors, as it is checked in: every single value may also be an expression, and all but the names of the
/// infrastructure definition a reference.
pub fn json_schema() -> Value {
    let strict = strict();
    let mut schema = strict.clone();
    loosen(strict, &mut schema, &|top, name| !(top && (name == "service" || name == "environment")), true);
    let of_references = of_references();
    let mut reference = of_references.clone();
    loosen(of_references, &mut reference, &|_, _| false, true);
    let defined = reference.get_mut("$defs").map(Value::take);
    let mut definitions = Map::from_iter([("Expression".to_owned(), expression())]);
    if let (Some(Value::Object(defined)), Value::Object(mut reference)) = (defined, reference) {
        reference.retain(|name, _| name != "$defs" && name != "$schema");
        definitions.extend(defined);
        definitions.insert("Reference".into(), reference.into());
    }
    if let Some(Value::Object(known)) = schema.get_mut("$defs") {
        known.append(&mut definitions);
    }
    schema["properties"]["variables"] = variables();
    schema["properties"]["environments"] = environments();
    schema
}

/// Lets every single value in this schema be an expression; and a reference, where `referable` says so of a field by whether
/// it is at the top and its name.
fn loosen(strict: &Value, schema: &mut Value, referable: &impl Fn(bool, &str) -> bool, top: bool) {
    let Value::Object(members) = schema else { return };
    let loosen_value = |value: &mut Value, name: &str| {
        let single = wanted(strict, value).is_some();
        loosen(strict, value, referable, false);
        if single {
            *value = or_elsewhere(value.take(), referable(top, name));
        }
    };
    for (name, member) in members {
        match (name.as_str(), member) {
            ("properties", Value::Object(properties)) => {
                properties.iter_mut().for_each(|(name, property)| loosen_value(property, name));
            }
            ("items", items) => loosen_value(items, "items"),
            ("additionalProperties", others @ Value::Object(_)) => loosen_value(others, "additionalProperties"),
            ("$defs", Value::Object(definitions)) => {
                definitions.values_mut().for_each(|definition| loosen(strict, definition, referable, false));
            }
            ("oneOf" | "anyOf", Value::Array(options)) => {
                options.iter_mut().for_each(|option| loosen(strict, option, referable, false));
            }
            _ => {}
        }
    }
}

/// A value as this schema says, or one from elsewhere. What the schema says to people stays at the top.
fn or_elsewhere(mut value: Value, referable: bool) -> Value {
    let mut outer = Map::new();
    if let Some(members) = value.as_object_mut() {
        for name in ["description", "default"] {
            outer.extend(members.remove(name).map(|member| (name.to_owned(), member)));
        }
    }
    let mut options = vec![value, json!({"$ref": "#/$defs/Expression"})];
    if referable {
        options.push(json!({"$ref": "#/$defs/Reference"}));
    }
    outer.insert("anyOf".into(), options.into());
    outer.into()
}

fn expression() -> Value {
    json!({
        "description": "A text with variables in it: `${name}`, as declared under `variables`. A literal `${` is written `$${`.",
        "type": "string",
        "pattern": r"\$\{",
        "examples": ["${ami}"],
    })
}

fn environments() -> Value {
    json!({
        "description": "Other values of variables, by environment: those of the document's own environment take the place of the defaults.",
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "propertyNames": {"pattern": VARIABLE},
            "additionalProperties": {
                "type": ["string", "number", "boolean", "array", "null"],
                "items": {"type": ["string", "number", "boolean"]},
            },
        },
        "examples": [{"staging": {"count": 2}, "production": {"count": 8}}],
    })
}

fn variables() -> Value {
    json!({
        "description": "The variables of this document and their values. One that is null has to be given by whoever starts a deployment.",
        "type": "object",
        "propertyNames": {"pattern": VARIABLE},
        "additionalProperties": {
            "type": ["string", "number", "boolean", "array", "object", "null"],
            "items": {"type": ["string", "number", "boolean"]},
            "properties": {"fromImageTag": {"description": "The tag of the image that is deployed.", "type": "string"}},
            "additionalProperties": false,
        },
        "examples": [{"ami": null, "count": 4, "version": {"fromImageTag": "version"}}],
    })
}
