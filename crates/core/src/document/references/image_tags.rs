//! Variables whose values are tags of the image that is deployed: `variables: {version: {fromImageTag: version}}`.
//!
//! Until the image is known they have no value, and what they stand in is not judged.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Missing;
use crate::document::read::{Problem, join, names, suggestion};

const FIELD: &str = "fromImageTag";

/// The tag that a declaration names, if it is of this kind.
pub(super) fn key(declared: &Value) -> Option<&str> {
    let fields = declared.as_object().filter(|fields| fields.len() == 1)?;
    fields.get(FIELD)?.as_str().filter(|key| !key.is_empty())
}

/// Whether a document needs the tags of its image.
pub fn wants_image_tags(document: &Value) -> bool {
    let declared = document.get("variables").and_then(Value::as_object);
    declared.is_some_and(|declared| declared.values().any(|value| key(value).is_some()))
}

/// Gives those variables their values, of the image with this id and these tags, or of one that is not to be had.
///
/// # Errors
/// Every tag that there is not.
pub fn give_image_tags(
    document: &mut Value,
    image: &str,
    tags: &Result<BTreeMap<String, String>, Missing>,
) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    let declared = document.get_mut("variables").and_then(Value::as_object_mut);
    for (variable, value) in declared.into_iter().flatten() {
        let Some(wanted) = key(value).map(str::to_owned) else { continue };
        let found = match tags {
            Ok(tags) => tags.get(&wanted).cloned().ok_or_else(|| {
                let there: Vec<&str> = tags.keys().map(String::as_str).collect();
                let fix = match there.as_slice() {
                    [] => "It has no tags at all: add this one.".to_owned(),
                    there => format!("It has {}{}", names(there), suggestion(&wanted, there)),
                };
                Missing::new(format!("the image {image} has no tag {wanted}"), fix)
            }),
            Err(missing) => Err(missing.clone()),
        };
        match found {
            Ok(found) => *value = Value::String(found),
            Err(Missing { problem, fix }) => problems.push(Problem {
                path: join("variables", variable),
                value: Some(format!("tag {wanted}")),
                problem,
                fix,
            }),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
