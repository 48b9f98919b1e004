//! Values that a document does not spell out: variables, and fields that refer to what a provisioner has made.
//!
//! What it owns: the syntax of both, the check of everything that is known before anything is fetched, and putting the
//! values in their places, so that what comes out is an ordinary [`Document`].
//!
//! What it must never do: fetch a value (that is an adapter's), or look for expressions in what was fetched.

mod draft;
mod environments;
mod expression;
mod image_tags;
mod pasted;
mod place;
mod reference;
mod terraform;
mod variables;

use serde_json::Value;

pub use draft::{Draft, Field};
pub use image_tags::{give_image_tags, wants_image_tags};
pub use reference::{Answers, Found, ListenerAt, Missing, Reference, Source, StackOutput, TerraformOutput};
pub use variables::set;

pub(super) use place::wanted;
pub(super) use variables::NAME as VARIABLE;

/// The same with every text meaning itself: what is filled in already is not to be read as an expression again.
#[must_use]
pub fn as_written(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${", "$${")),
        Value::Array(items) => items.into_iter().map(as_written).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, as_written(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
