//! Payload templates (`Parameters`, `ResultSelector`): literal JSON whose `.$` keys are computed.

use serde_json::{Map, Value};

use crate::intrinsics::Intrinsic;
use crate::paths::Path;
use crate::problem::{Problems, child};

/// What expressions are evaluated against.
pub(crate) struct Scope<'a> {
    /// `$`.
    pub(crate) input: &'a Value,
    /// `$$`.
    pub(crate) context: &'a Value,
    /// Uniform in [0, 1).
    pub(crate) random: &'a dyn Fn() -> f64,
}

impl<'a> Scope<'a> {
    /// The node at `path`; the error is the cause that AWS gives for `field`.
    pub(crate) fn get(&self, path: &Path, field: &str) -> Result<&'a Value, String> {
        path.get(self.input, self.context).ok_or_else(|| {
            let document = if path.is_context() { self.context } else { self.input };
            format!(
                "The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{document}'"
            )
        })
    }
}

/// A path or an intrinsic function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Path(Path),
    Intrinsic(Intrinsic),
}

impl Expression {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("States.") {
            Intrinsic::parse(text).map(Self::Intrinsic)
        } else {
            Path::parse(text).map(Self::Path).map_err(|error| error.to_string())
        }
    }

    pub(crate) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Path(path) => vec![path],
            Self::Intrinsic(call) => call.paths(),
        }
    }

    pub(crate) fn evaluate(&self, field: &str, scope: &Scope<'_>) -> Result<Value, String> {
        match self {
            Self::Path(path) => scope.get(path, field).cloned(),
            Self::Intrinsic(call) => call.evaluate(scope),
        }
    }
}

/// A payload template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Template {
    Literal(Value),
    Object(Vec<(String, Template)>),
    Array(Vec<Template>),
    Computed(Expression),
}

impl Template {
    /// Parses a template and reports what is wrong with it; a bad part stands as null.
    pub(crate) fn parse(value: &Value, pointer: &str, problems: &mut Problems) -> Self {
        match value {
            Value::Array(items) => {
                let item = |(nth, item)| Self::parse(item, &child(pointer, &usize::to_string(&nth)), problems);
                Self::Array(items.iter().enumerate().map(item).collect())
            }
            Value::Object(entries) => Self::Object(
                entries.iter().map(|(key, value)| Self::entry(entries, key, value, pointer, problems)).collect(),
            ),
            scalar => Self::Literal(scalar.clone()),
        }
    }

    fn entry(
        siblings: &Map<String, Value>,
        key: &str,
        value: &Value,
        pointer: &str,
        problems: &mut Problems,
    ) -> (String, Self) {
        let pointer = child(pointer, key);
        let Some(plain) = key.strip_suffix(".$") else {
            return (key.to_owned(), Self::parse(value, &pointer, problems));
        };
        if siblings.contains_key(plain) {
            problems.refuse("duplicate-key", &pointer, format!("{plain:?} is given both plainly and computed"));
        }
        let expression = match value {
            Value::String(text) => Expression::parse(text),
            _ => Err("a key that ends in .$ needs a path or an intrinsic function".to_owned()),
        };
        match expression {
            Ok(expression) => (plain.to_owned(), Self::Computed(expression)),
            Err(message) => {
                problems.refuse("bad-path", &pointer, message);
                (plain.to_owned(), Self::Literal(Value::Null))
            }
        }
    }

    /// All paths in the template.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Literal(_) => vec![],
            Self::Computed(expression) => expression.paths(),
            Self::Array(items) => items.iter().flat_map(Self::paths).collect(),
            Self::Object(entries) => entries.iter().flat_map(|(_, entry)| entry.paths()).collect(),
        }
    }

    /// The JSON it stands for; the error is a cause for `States.Runtime` (AWS's `States.ParameterPathFailure`).
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, String> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Computed(expression) => expression.evaluate("$", scope)?,
            Self::Array(items) => {
                Value::Array(items.iter().map(|item| item.evaluate(scope)).collect::<Result<_, _>>()?)
            }
            Self::Object(entries) => {
                let mut object = Map::new();
                for (key, entry) in entries {
                    let value = match entry {
                        Self::Computed(expression) => expression.evaluate(&format!("{key}.$"), scope)?,
                        other => other.evaluate(scope)?,
                    };
                    object.insert(key.clone(), value);
                }
                Value::Object(object)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn computes_nested_keys_and_leaves_literals_alone() {
        let text =
            json!({"a.$": "$.x", "b": {"c.$": "States.Format('{}!', $.x)", "d": "$.x"}, "e": [{"f.$": "$$.y"}, 1]});
        let mut problems = Problems::default();
        let template = Template::parse(&text, "", &mut problems);
        assert_eq!(problems.0, []);
        let (input, context) = (json!({"x": "v"}), json!({"y": 2}));
        let scope = Scope { input: &input, context: &context, random: &|| 0.0 };
        let value = template.evaluate(&scope);
        assert_eq!(value, Ok(json!({"a": "v", "b": {"c": "v!", "d": "$.x"}, "e": [{"f": 2}, 1]})));
        assert_eq!(template.paths().len(), 3);
    }

    #[test]
    fn names_the_field_whose_path_is_missing() {
        let template = Template::parse(&json!({"a.$": "$.x"}), "", &mut Problems::default());
        let scope = Scope { input: &json!({}), context: &json!({}), random: &|| 0.0 };
        let cause = "The JSONPath '$.x' specified for the field 'a.$' could not be found in the input '{}'";
        assert_eq!(template.evaluate(&scope), Err(cause.to_owned()));
    }

    #[test]
    fn reports_every_bad_key() {
        let mut problems = Problems::default();
        Template::parse(&json!({"a.$": 1, "b": [{"c.$": "x"}], "d": 1, "d.$": "$"}), "/P", &mut problems);
        let found = problems.0.iter().map(|p| (p.rule, p.pointer.as_str())).collect::<Vec<_>>();
        assert_eq!(found, [("bad-path", "/P/a.$"), ("bad-path", "/P/b/0/c.$"), ("duplicate-key", "/P/d.$")]);
    }
}
