//! Reads the parameters of a request, and refuses those that the simulation does not know: an ignored parameter would
//! be a wrong answer that looks right.

use serde_json::Value as Json;

use super::refusal::{Refusal, invalid};

/// The parameters of one request, or of one action in it.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a>(pub &'a Json);

impl<'a> Parameters<'a> {
    /// Refuses parameters other than these. `ReturnConsumedCapacity` and `ReturnItemCollectionMetrics` may be `NONE`.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Refusal> {
        let members = self.0.as_object().ok_or_else(|| invalid("the parameters are not an object"))?;
        for (name, value) in members {
            let harmless = ["ReturnConsumedCapacity", "ReturnItemCollectionMetrics"].contains(&name.as_str());
            if !(known.contains(&name.as_str()) || harmless && value == "NONE") {
                return Err(invalid(&format!("the simulated DynamoDB does not know the parameter {name} here")));
            }
        }
        Ok(self)
    }

    /// A parameter of any type.
    pub(super) fn get(self, name: &str) -> Option<&'a Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A parameter that must be there.
    pub(super) fn required(self, name: &str) -> Result<&'a Json, Refusal> {
        self.get(name).ok_or_else(|| {
            let member = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
            invalid(&format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
                 Member must not be null"
            ))
        })
    }

    /// A text.
    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| mistyped(name, "a string"))).transpose()
    }

    /// A text that must be there.
    pub(super) fn required_text(self, name: &str) -> Result<&'a str, Refusal> {
        self.required(name)?.as_str().ok_or_else(|| mistyped(name, "a string"))
    }

    /// A truth, false when it is missing.
    pub(super) fn flag(self, name: &str) -> Result<bool, Refusal> {
        self.get(name).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| mistyped(name, "a boolean")))
    }

    /// A number of at least one.
    pub(super) fn count(self, name: &str) -> Result<Option<usize>, Refusal> {
        let count = |value: &Json| value.as_u64().filter(|count| *count >= 1).map(|count| count as usize);
        self.get(name).map(|value| count(value).ok_or_else(|| mistyped(name, "a number of at least 1"))).transpose()
    }

    /// A list that must be there.
    pub(super) fn list(self, name: &str) -> Result<&'a Vec<Json>, Refusal> {
        self.required(name)?.as_array().ok_or_else(|| mistyped(name, "a list"))
    }

    /// One of a few words; the first one when it is missing.
    pub(super) fn choice(self, name: &str, choices: &[&'static str]) -> Result<&'static str, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(choices.first().copied().unwrap_or_default()) };
        choices.iter().find(|choice| **choice == text).copied().ok_or_else(|| {
            let member = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
            invalid(&format!(
                "1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: \
                 Member must satisfy enum value set: [{}]",
                choices.join(", ")
            ))
        })
    }
}

fn mistyped(name: &str, expected: &str) -> Refusal {
    Refusal::new("SerializationException", &format!("{name} must be {expected}"))
}
