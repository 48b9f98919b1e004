//! Tags of scalable targets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::json::strings;
use crate::world::{Refusal, World};

fn of<'a>(world: &'a mut World, request: &Value) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    let arn = request["ResourceARN"].as_str().unwrap_or_default();
    let target = world.scalable.targets.values_mut().find(|target| target.arn == arn);
    target
        .map(|target| &mut target.tags)
        .ok_or_else(|| Refusal::new(400, "ResourceNotFoundException", &format!("No scalable target has the ARN {arn}")))
}

pub(super) fn tag(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let given = request["Tags"].as_object().cloned().unwrap_or_default();
    let tags = of(world, request)?;
    tags.extend(given.into_iter().map(|(key, value)| (key, value.as_str().unwrap_or_default().to_owned())));
    Ok(json!({}))
}

pub(super) fn untag(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let keys = strings(&request["TagKeys"]);
    of(world, request)?.retain(|key, _| !keys.contains(key));
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    Ok(json!({ "Tags": of(world, request)? }))
}
