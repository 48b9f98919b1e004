//! Paths: the reference-path subset of JSONPath (`$`, `$.a.b`, `$.a[0]`, `$['a']`), and `$$` for the context object.
//!
//! Anything that could match more than one node (`..`, `*`, filters, slices) is refused: on AWS it turns the result
//! into a list, and a definition that relies on it is better written in a function.

use std::fmt;

use serde_json::{Map, Value};

/// A parsed path.
#[derive(Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    context: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
}

impl Step {
    fn field(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            Self::Index(_) => None,
        }
    }
}

/// Why a text is not a path of the subset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathError(String);

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({})", self.text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Path {
    /// `$`.
    pub fn root() -> Self {
        Self { text: "$".into(), context: false, steps: Vec::new() }
    }

    /// Parses a path; everything outside the subset is an error that says which part.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let error = |why: &str| Err(PathError(format!("{text:?} is not a path of the supported subset: {why}")));
        let Some(rest) = text.strip_prefix('$') else { return error("it does not begin with $") };
        let (context, mut rest) = match rest.strip_prefix('$') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("['") {
                let Some((name, after)) = after.split_once("']") else { return error("[' is not closed by ']") };
                if name.is_empty() || name.contains(['\'', '\\']) {
                    return error("a quoted name may be neither empty nor hold quotes or backslashes");
                }
                steps.push(Step::Field(name.to_owned()));
                rest = after;
            } else if let Some(after) = rest.strip_prefix('[') {
                let Some((index, after)) = after.split_once(']') else { return error("[ is not closed by ]") };
                let digits = !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
                let Some(index) = index.parse().ok().filter(|_| digits) else {
                    return error("only a plain index such as [0] may stand in brackets");
                };
                steps.push(Step::Index(index));
                rest = after;
            } else if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at(end);
                if name.is_empty() {
                    return error("a name is missing after a dot (.. is not supported)");
                }
                let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == ':';
                if !name.chars().all(plain) {
                    return error("a name after a dot may only hold letters, digits, _, - and :");
                }
                steps.push(Step::Field(name.to_owned()));
                rest = after;
            } else {
                return error("a step begins with . or [");
            }
        }
        Ok(Self { text: text.to_owned(), context, steps })
    }

    /// Whether it looks into the context object (`$$`).
    pub fn is_context(&self) -> bool {
        self.context
    }

    /// Whether it is the whole document.
    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// The names it leads through, or nothing when there is an index among them.
    pub(crate) fn fields(&self) -> Option<Vec<&str>> {
        self.steps.iter().map(Step::field).collect()
    }

    /// The node it leads to.
    pub fn get<'v>(&self, input: &'v Value, context: &'v Value) -> Option<&'v Value> {
        let mut node = if self.context { context } else { input };
        for step in &self.steps {
            node = match step {
                Step::Field(name) => node.as_object()?.get(name)?,
                Step::Index(index) => node.as_array()?.get(*index)?,
            };
        }
        Some(node)
    }

    /// Puts `value` where the path leads (a ResultPath): missing objects are made, an existing node is replaced.
    ///
    /// Fails when the path leads through something that is no object, or past the end of an array.
    pub fn put(&self, document: &mut Value, value: Value) -> Result<(), PathError> {
        let error = || PathError(format!("the reference path {} cannot be applied to the state's input", self.text));
        let mut node = document;
        for (nth, step) in self.steps.iter().enumerate() {
            node = match step {
                Step::Field(name) => {
                    // Only a node made on the way may turn into an object: the input's own null is not one.
                    let object = node.as_object_mut().ok_or_else(error)?;
                    if !object.contains_key(name) {
                        let leads_on = self.steps.get(nth + 1);
                        if matches!(leads_on, Some(Step::Index(_))) {
                            return Err(error());
                        }
                        object.insert(name.clone(), Value::Object(Map::new()));
                    }
                    object.get_mut(name).ok_or_else(error)?
                }
                Step::Index(index) => node.as_array_mut().and_then(|items| items.get_mut(*index)).ok_or_else(error)?,
            };
        }
        *node = value;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn get(path: &str, input: Value) -> Option<Value> {
        Path::parse(path).expect(path).get(&input, &json!({"Execution": {"Id": "x"}})).cloned()
    }

    #[test]
    fn reads_the_supported_forms() {
        let input = json!({"a": {"b": [10, {"c": 1}]}, "odd name.x": 2});
        assert_eq!(get("$", input.clone()), Some(input.clone()));
        assert_eq!(get("$.a.b[0]", input.clone()), Some(json!(10)));
        assert_eq!(get("$.a['b'][1].c", input.clone()), Some(json!(1)));
        assert_eq!(get("$['odd name.x']", input.clone()), Some(json!(2)));
        assert_eq!(get("$.a.b[2]", input.clone()), None);
        assert_eq!(get("$.a.b.c", input.clone()), None);
        assert_eq!(get("$$.Execution.Id", input), Some(json!("x")));
    }

    #[test]
    fn refuses_everything_else() {
        let bad = [
            "",
            "a",
            "$a",
            "$..a",
            "$.a.",
            "$.*",
            "$.a[*]",
            "$.a[-1]",
            "$.a[0:2]",
            "$.a[?(@.b)]",
            "$[",
            "$['a",
            "$['']",
        ];
        for path in bad {
            assert!(Path::parse(path).is_err(), "{path} was accepted");
        }
    }

    #[test]
    fn puts_results() {
        let put = |path: &str, mut document: Value| {
            Path::parse(path).expect(path).put(&mut document, json!(7)).map(|()| document)
        };
        assert_eq!(put("$", json!({"a": 1})), Ok(json!(7)));
        assert_eq!(put("$.b.c", json!({"a": 1})), Ok(json!({"a": 1, "b": {"c": 7}})));
        assert_eq!(put("$.a[1]", json!({"a": [1, 2]})), Ok(json!({"a": [1, 7]})));
        assert!(put("$.a[2]", json!({"a": [1, 2]})).is_err());
        assert!(put("$.a.b", json!({"a": 1})).is_err());
        assert!(put("$.a", json!(null)).is_err());
        assert!(put("$.new[0]", json!({})).is_err());
    }
}
