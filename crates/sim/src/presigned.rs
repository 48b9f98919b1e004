//! Requests that are signed in their query, by one, and sent by another: the one kind whose signature the account looks at, since who
//! has signed is all that they are about. The secret of every key is the key's id.

use std::collections::BTreeMap;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::wire::{Head, WireError, parse_form, percent_decode};
use crate::world::Refusal;
use crate::{Protocol, Request, Service};

/// For how long AWS takes a signature, in seconds, whatever the request says (STS).
const GOOD_SECONDS: i64 = 900;

/// Whether a request is signed in its query.
pub(crate) fn is(head: Head<'_>) -> bool {
    head.authorization.is_none() && head.query.split('&').any(|pair| pair.starts_with("X-Amz-Signature="))
}

/// Decodes one. What its signature is over stands under `json`.
pub(crate) fn decode(head: Head<'_>, caller: Option<String>) -> Result<Request, WireError> {
    let mut form = parse_form(&Bytes::copy_from_slice(head.query.as_bytes()))?;
    let service = form.get("X-Amz-Credential").and_then(|it| it.rsplit('/').nth(1)).unwrap_or_default();
    if service != Service::Sts.signing_name() {
        return Err(WireError::UnknownService(format!("{service}, signed in the query")));
    }
    let operation = form.remove("Action").ok_or(WireError::NoOperation("Action"))?;
    let interface = form.remove("Version");
    let mut headers: BTreeMap<String, Value> = BTreeMap::new();
    headers.insert("host".into(), json!(head.host));
    headers.extend(head.headers.iter().map(|(name, value)| (name.to_lowercase(), json!(value))));
    let json = json!({ "method": head.method, "path": head.path, "query": head.query, "headers": headers });
    Ok(Request { service: Service::Sts, protocol: Protocol::Query, interface, operation, form, json, caller })
}

/// The id of the key that has signed a request in its query; nothing when it is signed in the usual way, which nobody looks at.
pub(crate) fn signer(request: &Request, now_millis: u64) -> Result<Option<String>, Refusal> {
    let of = |name: &str| request.form.get(name).map(String::as_str).unwrap_or_default();
    if !request.form.contains_key("X-Amz-Signature") {
        return Ok(None);
    }
    let no = |why: &str| Refusal::new(403, "SignatureDoesNotMatch", why);
    let (key, scope) = of("X-Amz-Credential")
        .rsplitn(5, '/')
        .last()
        .and_then(|key| Some((key, of("X-Amz-Credential").strip_prefix(key)?.trim_start_matches('/'))))
        .ok_or_else(|| no("Credential must have at least 5 slash-delimited elements"))?;
    let date = of("X-Amz-Date");
    let made = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).map_err(|_| no("Date must be in ISO-8601"))?;
    let made = made.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| no("Date must be in ISO-8601"))?.timestamp();
    if (now_millis / 1000) as i64 - made.as_second() > GOOD_SECONDS {
        return Err(no(&format!("Signature expired: {date} is now earlier than 15 min. ago")));
    }
    let expected = signature(request, key, scope, date);
    if expected != of("X-Amz-Signature") {
        return Err(no("The request signature we calculated does not match the signature you provided."));
    }
    Ok(Some(key.to_owned()))
}

/// Signature Version 4 of a request without a body.
fn signature(request: &Request, key: &str, scope: &str, date: &str) -> String {
    let of = |name: &str| request.json[name].as_str().unwrap_or_default();
    let mut pairs: Vec<&str> = of("query").split('&').filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
    pairs.sort_unstable();
    let signed = request.form.get("X-Amz-SignedHeaders").map(String::as_str).unwrap_or_default();
    let headers: String = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", request.json["headers"][name].as_str().unwrap_or_default().trim()))
        .collect();
    let path = percent_decode(of("path")).unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path.as_str() };
    let canonical =
        format!("{}\n{path}\n{}\n{headers}\n{signed}\n{}", of("method"), pairs.join("&"), hex(&Sha256::digest(b"")));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut secret = format!("AWS4{key}").into_bytes();
    for part in scope.split('/').chain([to_sign.as_str()]) {
        secret = hmac(&secret, part.as_bytes());
    }
    hex(&secret)
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
