//! S3 (REST): `GetObject`, whole or from the beginning on. Objects are put there by whoever sets the account up.
//!
//! A bucket is named by the path (`/BUCKET/KEY`) or by the host (`BUCKET.s3.REGION.amazonaws.com`).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use crate::wire::{Head, WireError, percent_decode};
use crate::world::Refusal;
use crate::{Request, Response};

/// The objects of the account.
#[derive(Debug, Default)]
pub struct Objects {
    buckets: BTreeMap<String, BTreeMap<String, Bytes>>,
    forbidden: BTreeSet<String>,
}

/// What S3's requests ask for, in the form in which those of the other services come: the operation and its parameters.
pub(crate) fn decode(head: Head<'_>) -> Result<(String, BTreeMap<String, String>), WireError> {
    let path = head.path.strip_prefix('/').unwrap_or(head.path);
    let (bucket, key) = match head.host.split_once(".s3.") {
        Some((bucket, _)) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    let mut form = BTreeMap::new();
    for (name, value) in [("Bucket", bucket), ("Key", key)] {
        // A plus is no blank in a path.
        form.insert(name.to_owned(), percent_decode(&value.replace('+', "%2B"))?);
    }
    form.extend(head.range.map(|range| ("Range".to_owned(), range.to_owned())));
    for pair in head.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("x-id=")) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        form.insert(percent_decode(name)?, percent_decode(value)?);
    }
    let operation = if head.method == "GET" && !key.is_empty() { "GetObject".into() } else { head.method.to_owned() };
    Ok((operation, form))
}

impl Objects {
    /// Puts an object, and makes its bucket.
    pub fn put(&mut self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        self.buckets.entry(bucket.to_owned()).or_default().insert(key.to_owned(), body.into());
    }

    /// From now on, nothing in this bucket may be read by anybody.
    pub fn forbid(&mut self, bucket: &str) {
        self.forbidden.insert(bucket.to_owned());
    }

    /// Answers one request.
    pub fn handle(&self, request: &Request) -> Response {
        let outcome = match request.operation.as_str() {
            "GetObject" => self.get(&request.form),
            other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
        };
        match outcome {
            Ok((status, body, tag)) => {
                Response { status, content_type: "binary/octet-stream", headers: vec![("etag", tag)], body }
            }
            Err(refusal) => Response::refuse(request, refusal.status, &refusal.code, &refusal.message),
        }
    }

    fn get(&self, form: &BTreeMap<String, String>) -> Result<(u16, Bytes, String), Refusal> {
        let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if let Some(name) = form.keys().find(|name| !["Bucket", "Key", "Range"].contains(&name.as_str())) {
            return Err(Refusal::not_implemented(&format!("the parameter {name}")));
        }
        if self.forbidden.contains(of("Bucket")) {
            return Err(Refusal::new(403, "AccessDenied", "Access Denied"));
        }
        let bucket = self.buckets.get(of("Bucket"));
        let bucket = bucket.ok_or_else(|| Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist"))?;
        let body = bucket.get(of("Key"));
        let body = body.ok_or_else(|| Refusal::new(404, "NoSuchKey", "The specified key does not exist."))?;
        let Some(range) = form.get("Range") else {
            return Ok((200, body.clone(), entity_tag(body)));
        };
        let last = range.strip_prefix("bytes=0-").and_then(|last| last.parse::<usize>().ok());
        let last = last.ok_or_else(|| Refusal::not_implemented(&format!("the range {range}")))?;
        if body.is_empty() {
            return Err(Refusal::new(416, "InvalidRange", "The requested range is not satisfiable"));
        }
        Ok((206, body.slice(..body.len().min(last.saturating_add(1))), entity_tag(body)))
    }
}

/// The entity tag of a text: another one for another text. S3 has the MD5 of most.
fn entity_tag(body: &Bytes) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_by_path_or_by_host() {
        let read = |method: &str, url: &str| {
            let (operation, form) = decode(Head { method, ..Head::of_url(url) }).expect("it can be read");
            (operation, form["Bucket"].clone(), form["Key"].clone())
        };
        let get = |bucket: &str, key: &str| ("GetObject".to_owned(), bucket.to_owned(), key.to_owned());
        let url = "https://state.s3.eu-west-1.amazonaws.com/a%20b/c+%2B?x-id=GetObject";
        assert_eq!(read("GET", url), get("state", "a b/c++"));
        assert_eq!(read("GET", "http://127.0.0.1:4580/my.state/a/b"), get("my.state", "a/b"));
        assert_eq!(read("GET", "http://127.0.0.1:4580/state").0, "GET", "a listing is no object");
        assert_eq!(read("PUT", "http://127.0.0.1:4580/state/key").0, "PUT");
        let versioned = decode(Head { method: "GET", ..Head::of_url("http://localhost/state/key?versionId=1") });
        assert_eq!(versioned.expect("it can be read").1["versionId"], "1", "to be refused, not ignored");
    }
}
