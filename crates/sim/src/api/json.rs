//! What the services with AWS JSON 1.1 share: answers, times, lists, pages and tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::query::page;
use crate::world::Refusal;
use crate::{Request, Response};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// An answer, or a refusal.
pub(crate) fn answer(request: &Request, outcome: Result<Value, Refusal>) -> Response {
    let response = match outcome {
        Ok(answer) => Response::json(200, &answer),
        Err(refusal) => Response::refuse(request, refusal.status, &refusal.code, &refusal.message),
    };
    Response { content_type: CONTENT_TYPE, ..response }
}

/// An instant: seconds since 1970 with a fraction.
pub(crate) fn time(millis: u64) -> Value {
    json!(millis as f64 / 1000.0)
}

/// The strings of a list.
pub(crate) fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// One page of a list, under its name, as `maxResults` and `nextToken` (or the same in capitals) ask for it.
pub(crate) fn paged(request: &Value, name: &str, items: Vec<Value>, most: usize) -> Result<Value, Refusal> {
    let (size, token) = match request.get("MaxResults").or(request.get("NextToken")) {
        Some(_) => (&request["MaxResults"], &request["NextToken"]),
        None => (&request["maxResults"], &request["nextToken"]),
    };
    let size = size.as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(most).min(100);
    let (items, next) = page(items, token.as_str(), size)?;
    let mut answer = json!({ name: items });
    if let Some(next) = next {
        let key = if name.starts_with(char::is_uppercase) { "NextToken" } else { "nextToken" };
        answer[key] = json!(next);
    }
    Ok(answer)
}

/// Tags as ECS writes them.
pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

/// Drops what is null: members that are not there.
pub(crate) fn compact(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, it)| (name, compact(it))).collect()
        }
        Value::Array(items) => items.into_iter().map(compact).collect(),
        other => other,
    }
}
