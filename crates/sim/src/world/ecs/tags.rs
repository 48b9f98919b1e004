//! Tags, and what AWS checks of them.

use std::collections::BTreeMap;

use super::service::invalid;
use crate::world::Refusal;

/// Tags as they come in and go out, by key.
pub(crate) fn tags_of(list: &serde_json::Value) -> BTreeMap<String, String> {
    let text = |tag: &serde_json::Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(|tag| (text(tag, "key"), text(tag, "value"))).collect()
}

/// At most 50 tags, none of AWS's.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if tags.len() > 50 {
        return Err(invalid("The maximum number of tags is 50."));
    }
    match tags.keys().find(|key| key.to_lowercase().starts_with("aws:")) {
        Some(key) => Err(invalid(&format!("Tag keys cannot start with aws:, as {key} does."))),
        None => Ok(()),
    }
}
