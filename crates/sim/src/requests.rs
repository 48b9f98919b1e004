//! Writes down one request of each shape that the services are asked, if an environment variable says where: somebody who knows AWS's
//! own models can then check that no client asks what AWS would not understand.
//!
//! What it owns: which requests are alike, and the files. It must never judge a request or change its answer.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::{env, fs};

use serde_json::{Value, json};

use crate::sim::error_code;
use crate::{Request, Response, Service};

/// The directory that the requests go to, one file for each shape, of all processes together.
const DIRECTORY: &str = "CROSSFADE_REQUESTS";
/// Longer ones are no names of an enumeration.
const WORD: usize = 40;

/// Writes a request down, with the code of the error that it was answered with, unless one of its shape has been.
pub(crate) fn note(request: &Request, response: Option<&Response>) {
    static INTO: OnceLock<Option<PathBuf>> = OnceLock::new();
    static SEEN: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());
    // Which AWS has no model of.
    if request.service == Service::Spot {
        return;
    }
    let Some(directory) = INTO.get_or_init(|| env::var_os(DIRECTORY).map(PathBuf::from)) else { return };
    let error = response.and_then(error_code);
    let shape = shape(request, error.as_deref());
    if SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(shape) {
        write(directory, shape, request, error.as_deref());
    }
}

fn write(directory: &Path, shape: u64, request: &Request, error: Option<&str>) {
    let file = directory.join(format!("{shape:016x}.json"));
    if file.exists() {
        return;
    }
    let text = json!({
        "service": request.service.signing_name(),
        "protocol": format!("{:?}", request.protocol),
        "interface": request.interface,
        "operation": request.operation,
        "form": request.form,
        "json": request.json,
        "caller": request.caller,
        "error": error,
    });
    // Several processes may have come to the same shape; each file is whole whenever it is seen.
    let unfinished = directory.join(format!("{shape:016x}.{}", std::process::id()));
    let written = fs::write(&unfinished, text.to_string()).and_then(|()| fs::rename(&unfinished, &file));
    written.expect("requests can be written down");
}

/// Equal for requests that a model cannot tell apart: the same operation with the same members, each of the same kind.
fn shape(request: &Request, error: Option<&str>) -> u64 {
    let mut members = BTreeSet::new();
    let form = request.form.iter().map(|(key, value)| (without_numbers(key), kind(value)));
    members.extend(form.map(|(path, kind)| format!("{path} {kind}")));
    collect(&request.json, "", &mut members);
    let mut hasher = DefaultHasher::new();
    let protocol = format!("{:?}", request.protocol);
    (request.service.signing_name(), protocol, &request.interface, &request.operation, members).hash(&mut hasher);
    error.hash(&mut hasher);
    hasher.finish()
}

/// `Tags.member.2.Key` and `Tags.member.1.Key` are the same member.
fn without_numbers(key: &str) -> String {
    let part = |part: &str| if part.bytes().all(|byte| byte.is_ascii_digit()) { "#".into() } else { part.to_owned() };
    key.split('.').map(part).collect::<Vec<_>>().join(".")
}

fn collect(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, member)| collect(member, &format!("{path}.{name}"), into));
        }
        Value::Array(items) if !items.is_empty() => items.iter().for_each(|it| collect(it, &format!("{path}[]"), into)),
        Value::String(text) => _ = into.insert(format!("{path} {}", kind(text))),
        Value::Number(number) => _ = into.insert(format!("{path} #{}", sign(number.as_f64().unwrap_or_default()))),
        other => _ = into.insert(format!("{path} {other}")),
    }
}

/// What could be a name of an enumeration stays; of the rest, whether there is any, and of numbers the sign: models demand no more.
fn kind(text: &str) -> String {
    if let Ok(number) = text.parse() {
        return format!("text of {}", sign(number));
    }
    let word = text.len() <= WORD && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_.:".contains(&byte));
    if word { text.to_owned() } else { "text of some length".into() }
}

fn sign(number: f64) -> &'static str {
    match number {
        number if number < 0.0 => "-",
        number if number > 0.0 => "+",
        _ => "0",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_cannot_tell_apart_has_one_shape() {
        let json = |json: Value| shape(&Request::json(Service::Ecs, "CreateService", json), None);
        let one = json(json!({ "serviceName": "shop__7", "desiredCount": 1, "tags": [{ "key": "a-1" }] }));
        let other =
            json(json!({ "serviceName": "shop__8", "desiredCount": 2, "tags": [{ "key": "b-1" }, { "key": "c-1" }] }));
        assert_eq!(one, other);
        for different in [
            json!({ "serviceName": "shop__7", "desiredCount": 0, "tags": [{ "key": "a-1" }] }),
            json!({ "serviceName": "shop__7", "desiredCount": "1", "tags": [{ "key": "a-1" }] }),
            json!({ "serviceName": "", "desiredCount": 1, "tags": [{ "key": "a-1" }] }),
            json!({ "serviceName": "shop__7", "desiredCount": 1, "tags": [{ "value": "a-1" }] }),
            json!({ "serviceName": "shop__7", "desiredCount": 1, "tags": [] }),
        ] {
            assert_ne!(json(different.clone()), one, "{different}");
        }
        let form = |key, value| shape(&Request::query(Service::Sns, "Publish", [(key, value)]), None);
        assert_eq!(form("Tags.member.1.Key", "a 1"), form("Tags.member.12.Key", "b 2"));
        assert_ne!(form("Tags.member.1.Key", "FARGATE"), form("Tags.member.1.Key", "EC2"), "an enumeration's names");
        assert_ne!(form("Tags.member.1.Key", "a 1"), form("Tags.member.1.Value", "a 1"));
    }

    #[test]
    fn a_request_is_written_once_and_whole() {
        let directory = env::temp_dir().join(format!("crossfade-requests-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("there is room");
        let request = Request::json(Service::Ecs, "DeleteService", json!({ "service": "shop__7" }));
        write(&directory, 7, &request, Some("ServiceNotFoundException"));
        write(&directory, 7, &Request::json(Service::Ecs, "CreateService", json!({})), None);
        let files: Vec<_> =
            fs::read_dir(&directory).expect("it is there").map(|it| it.expect("a file").path()).collect();
        let written: Value = serde_json::from_slice(&fs::read(&files[0]).expect("it can be read")).expect("JSON");
        fs::remove_dir_all(&directory).expect("it is ours");
        assert_eq!(files.len(), 1);
        assert_eq!(written["operation"], "DeleteService");
        assert_eq!(written["json"], request.json);
        assert_eq!((&written["service"], &written["error"]), (&json!("ecs"), &json!("ServiceNotFoundException")));
    }
}
