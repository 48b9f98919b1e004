//! Where two states of an account differ.

use serde_json::Value;

/// Where two inventories differ.
pub fn differences(now: &Value, before: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    if now != before {
        compare("", now, before, &mut differences);
    }
    differences
}

fn compare(path: &str, now: &Value, before: &Value, differences: &mut Vec<String>) {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => {
            for key in now.keys().chain(before.keys().filter(|key| !now.contains_key(*key))) {
                let (now, before) = (now.get(key), before.get(key));
                compare(
                    &format!("{path}/{key}"),
                    now.unwrap_or(&Value::Null),
                    before.unwrap_or(&Value::Null),
                    differences,
                );
            }
        }
        (Value::Array(now), Value::Array(before)) if now.len() == before.len() => {
            for (i, (now, before)) in now.iter().zip(before).enumerate() {
                compare(&format!("{path}[{i}]"), now, before, differences);
            }
        }
        _ if now == before => {}
        _ => differences.push(format!("{path}: {now}, was {before}")),
    }
}
