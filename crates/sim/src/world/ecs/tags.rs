//! Tags, and what AWS checks of them.

use std::collections::BTreeMap;

use super::service::invalid;
use crate::world::Refusal;

/// Tags as they come in and go out, by key.
pub(crate) fn tags_of(list: &serde_json::Value) -> BTreeMap<String, String> {
    let text = |tag: &serde_json::Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(|tag| (text(tag, "key"), text(tag, "value"))).collect()
}

/// At most 50 tags, none of AWS's, each of as many characters as it may have and of none that it may not (ECS API reference, Tag).
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if tags.len() > 50 {
        return Err(invalid("The maximum number of tags is 50."));
    }
    let allowed = |text: &str| text.chars().all(|it| it.is_alphanumeric() || it == ' ' || "_.:/=+-@".contains(it));
    let fits = |key: &str, value: &str| (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
    if let Some((key, value)) = tags.iter().find(|(k, v)| !fits(k, v) || !allowed(k) || !allowed(v)) {
        return Err(invalid(&format!("The tag {key} = {value} is not valid.")));
    }
    match tags.keys().find(|key| key.to_lowercase().starts_with("aws:")) {
        Some(key) => Err(invalid(&format!("Tag keys cannot start with aws:, as {key} does."))),
        None => Ok(()),
    }
}
