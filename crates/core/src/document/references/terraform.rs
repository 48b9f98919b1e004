//! Terraform's outputs, as `terraform output -json` prints them or as a state file holds them.
//!
//! It must never repeat a value in an error: a state holds secrets of every resource.

use serde_json::{Map, Value};

use super::reference::{Missing, no_output};

/// The value of an output in this text.
pub(super) fn output(text: &str, name: &str) -> Result<Value, Missing> {
    let publish = "Store there what `terraform output -json` prints, or the state.";
    let root: Value = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        Missing::new(format!("what it holds is no JSON ({place})"), publish)
    })?;
    let outputs = outputs(&root).ok_or_else(|| Missing::new("what it holds is no object with outputs", publish))?;
    let found = outputs.get(name).ok_or_else(|| no_output(name, outputs.keys().map(String::as_str)))?;
    if found.get("sensitive").is_some_and(|sensitive| sensitive != &Value::Bool(false)) {
        let problem = format!("the output {name} is sensitive, and what a document says is not secret");
        return Err(Missing::new(problem, "Refer to an output that is not sensitive."));
    }
    match found.get("value") {
        Some(Value::Object(_)) => Err(Missing::new(
            format!("the output {name} is an object"),
            "Make an output of the one value that is meant.",
        )),
        Some(value) if !value.is_null() => Ok(value.clone()),
        _ => Err(Missing::new(format!("the output {name} has no value"), publish)),
    }
}

/// The outputs by name. A state has them under `outputs`; what is printed are the outputs themselves, of which one may be
/// called `outputs`, and says about itself whether it is sensitive.
fn outputs(root: &Value) -> Option<&Map<String, Value>> {
    let printed = root.as_object()?;
    match printed.get("outputs").and_then(Value::as_object) {
        Some(outputs) if !outputs.get("sensitive").is_some_and(Value::is_boolean) => Some(outputs),
        _ => Some(printed),
    }
}
