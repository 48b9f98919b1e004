//! The outermost layer of the AWS protocols, which every service shares: which service a request is signed for, which
//! operation it asks for, and its parameters, before any service looks at them.
//!
//! It must never check a signature (of what is signed in its query, its service looks) and never know a service's own shapes.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use crate::connector::REGION;
use crate::{Protocol, Request, Service, api, cbor, presigned};

/// Why a request could not be given to any service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// There is no SigV4 `Authorization` header, so nobody can tell which service is meant.
    #[error("the request is not signed: the service is read from the SigV4 credential scope in Authorization")]
    Unsigned,
    /// Signed for a service that is not simulated.
    #[error(
        "service {0:?} is not simulated; there are autoscaling, ec2, elasticloadbalancing, monitoring, dynamodb, states, \
         sns, cloudformation, ssm, s3, sts, ecs, application-autoscaling, secretsmanager, events, lambda, route53 and servicediscovery"
    )]
    UnknownService(String),
    /// Signed for another region: there is nothing of this account, and its endpoint there is another one.
    #[error(
        "this account is simulated in {REGION} alone, and the request is for {0}. Use --region {REGION}, or AWS_REGION"
    )]
    AnotherRegion(String),
    /// Neither `X-Amz-Target` nor `Action` nor the path names an operation.
    #[error("the request names no operation ({0})")]
    NoOperation(&'static str),
    /// The body is not what the protocol says.
    #[error("the body cannot be read: {0}")]
    Body(String),
}

impl WireError {
    /// The AWS error code that comes nearest.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "MissingAuthenticationToken",
            Self::UnknownService(_) => "UnknownService",
            Self::AnotherRegion(_) => "InvalidRegion",
            Self::NoOperation(_) => "MissingAction",
            Self::Body(_) => "SerializationException",
        }
    }

    /// The HTTP status that goes with it.
    pub(crate) fn status(&self) -> u16 {
        if matches!(self, Self::Unsigned) { 403 } else { 400 }
    }
}

/// What the `Authorization` header tells about a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The key that signed it.
    pub access_key_id: String,
    /// The signing name of the service.
    pub service: String,
    /// The region whose endpoint is meant.
    pub region: String,
}

/// Reads `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`.
///
/// The key is taken apart from the right, because a key id may hold anything.
pub(crate) fn scope(authorization: Option<&str>) -> Result<Scope, WireError> {
    let credential = authorization
        .and_then(|header| header.strip_prefix("AWS4-"))
        .and_then(|header| header.split_once("Credential="))
        .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default())
        .ok_or(WireError::Unsigned)?;
    let mut parts = credential.rsplitn(5, '/');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("aws4_request"), Some(service), Some(region), Some(_date), Some(key)) => {
            Ok(Scope { access_key_id: key.to_owned(), service: service.to_owned(), region: region.to_owned() })
        }
        _ => Err(WireError::Unsigned),
    }
}

/// What is read of a request beside its body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head<'a> {
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `X-Amz-Target`, with which JSON protocols name the operation.
    pub target: Option<&'a str>,
    /// The path, with which RPC v2 names it: `/service/GraniteServiceVersion20100801/operation/DescribeAlarms`.
    pub path: &'a str,
    /// The method, with which REST names it.
    pub method: &'a str,
    /// The header `Host`, or the host of the URL.
    pub host: &'a str,
    /// What follows the path, without its question mark.
    pub query: &'a str,
    /// The header `Range`.
    pub range: Option<&'a str>,
    /// The header `X-Amz-Invocation-Type`.
    pub invocation_type: Option<&'a str>,
    /// All headers, which a signature in the query may be over.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Head<'a> {
    /// What a whole URL says.
    pub(crate) fn of_url(url: &'a str) -> Self {
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let rest = rest.split_once("://").map_or(rest, |(_, rest)| rest);
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self { host, path, query, ..Self::default() }
    }
}

/// Decodes one request. `caller` is whom to record when the connector knows better than the signature.
pub(crate) fn decode(head: Head<'_>, body: &Bytes, caller: Option<String>) -> Result<Request, WireError> {
    if let Some(token) = head.authorization.and_then(|header| header.strip_prefix("Bearer ")) {
        return api::spot::decode(head, token, body, caller);
    }
    if presigned::is(head) {
        return presigned::decode(head, caller);
    }
    let scope = scope(head.authorization)?;
    let service = Service::from_signing_name(&scope.service).ok_or(WireError::UnknownService(scope.service))?;
    // What is of the whole world is signed for one region, and of whom one is each knows.
    if scope.region != REGION && !matches!(service, Service::Route53 | Service::Sts | Service::S3) {
        return Err(WireError::AnotherRegion(scope.region));
    }
    // DynamoDB_20120810.GetItem, AWSStepFunctions.StartExecution
    let target = head.target.and_then(|target| target.rsplit_once('.'));
    let path = head.path.rsplit_once("/operation/");
    let protocol = match service {
        Service::DynamoDb
        | Service::StepFunctions
        | Service::Ssm
        | Service::Ecs
        | Service::SecretsManager
        | Service::EventBridge
        | Service::Logs
        | Service::CloudMap
        | Service::ApplicationAutoScaling => Protocol::Json,
        Service::Spot => return Err(WireError::UnknownService("spot with a signature".into())),
        Service::S3 | Service::Route53 => Protocol::Rest,
        Service::Lambda => return api::lambda::decode(head, body, caller),
        Service::CloudWatch if path.is_some() => Protocol::Cbor,
        Service::CloudWatch if target.is_some() => Protocol::Json,
        _ => Protocol::Query,
    };
    let (interface, operation, form, json) = match protocol {
        Protocol::Query => {
            let mut form = parse_form(body)?;
            let operation = form.remove("Action").ok_or(WireError::NoOperation("Action"))?;
            (form.remove("Version"), operation, form, Value::Null)
        }
        Protocol::Json => {
            let (interface, operation) = target.ok_or(WireError::NoOperation("X-Amz-Target"))?;
            let json = parse_object(body, serde_json::from_slice)?;
            (Some(interface.to_owned()), operation.to_owned(), BTreeMap::new(), json)
        }
        Protocol::Cbor => {
            let (interface, operation) = path.ok_or(WireError::NoOperation("the path"))?;
            let interface = interface.rsplit_once('/').map(|(_, interface)| interface.to_owned());
            (interface, operation.to_owned(), BTreeMap::new(), parse_object(body, cbor::decode)?)
        }
        Protocol::Rest if service == Service::Route53 => {
            let (operation, form, json) = api::route53::decode(head, body)?;
            (None, operation, form, json)
        }
        Protocol::Rest | Protocol::RestJson => {
            let (operation, form) = api::s3::decode(head)?;
            (None, operation, form, Value::Null)
        }
    };
    Ok(Request { service, protocol, interface, operation, form, json, caller })
}

/// A body that is a structure, or nothing at all when no member is given.
fn parse_object<'a, E: ToString>(
    body: &'a Bytes,
    parse: impl FnOnce(&'a [u8]) -> Result<Value, E>,
) -> Result<Value, WireError> {
    if body.is_empty() {
        return Ok(Value::Object(Default::default()));
    }
    match parse(body) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(WireError::Body("expected an object".to_owned())),
        Err(error) => Err(WireError::Body(error.to_string())),
    }
}

/// Reads `application/x-www-form-urlencoded`. A name given twice keeps its last value.
pub(crate) fn parse_form(body: &Bytes) -> Result<BTreeMap<String, String>, WireError> {
    let text = std::str::from_utf8(body).map_err(|error| WireError::Body(error.to_string()))?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((percent_decode(name)?, percent_decode(value)?))
        })
        .collect()
}

/// Decodes what is written as in a form.
pub(crate) fn percent_decode(text: &str) -> Result<String, WireError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(WireError::Body("a % without two hexadecimal digits".to_owned())),
                }
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|error| WireError::Body(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=a/b/20260105/eu-west-1/sns/aws4_request, \
                          SignedHeaders=host;x-amz-date, Signature=00";

    #[test]
    fn the_scope_names_service_and_key() {
        let expected =
            Scope { access_key_id: "a/b".to_owned(), service: "sns".to_owned(), region: "eu-west-1".to_owned() };
        assert_eq!(scope(Some(SIGNED)).unwrap(), expected);
        for unsigned in [None, Some("Bearer x"), Some("AWS4-HMAC-SHA256 Credential=a/sns/aws4_request")] {
            assert!(matches!(scope(unsigned), Err(WireError::Unsigned)), "{unsigned:?}");
        }
    }

    #[test]
    fn a_form_is_decoded() {
        let body = Bytes::from_static(b"Action=Publish&Version=2010-03-31&Message=a+b%26c%3D%C3%A9&Empty=&Bare");
        let head = Head { authorization: Some(SIGNED), ..Head::default() };
        let request = decode(head, &body, None).unwrap();
        assert_eq!((request.operation.as_str(), request.interface.as_deref()), ("Publish", Some("2010-03-31")));
        let form: Vec<_> = request.form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(form, [("Bare", ""), ("Empty", ""), ("Message", "a b&c=é")]);
    }

    #[test]
    fn one_service_may_speak_three_protocols() {
        let signed = SIGNED.replace("/sns/", "/monitoring/");
        let head = Head { authorization: Some(&signed), ..Head::default() };
        let cbor = Head { path: "/service/GraniteServiceVersion20100801/operation/DescribeAlarms", ..head };
        let json = Head { target: Some("GraniteServiceVersion20100801.DescribeAlarms"), path: "/", ..head };
        for (head, body, protocol) in [
            (cbor, &b"\xa1\x61A\x01"[..], Protocol::Cbor),
            (json, &b"{\"A\":1}"[..], Protocol::Json),
            (head, &b"Action=DescribeAlarms&A=1"[..], Protocol::Query),
        ] {
            let request = decode(head, &Bytes::from_static(body), None).unwrap();
            assert_eq!((request.protocol, request.operation.as_str()), (protocol, "DescribeAlarms"));
            let interface = (protocol != Protocol::Query).then_some("GraniteServiceVersion20100801");
            assert_eq!(request.interface.as_deref(), interface);
            let given =
                if protocol == Protocol::Query { request.form["A"].clone() } else { request.json["A"].to_string() };
            assert_eq!(given, "1", "{protocol:?}");
        }
        assert!(decode(cbor, &Bytes::from_static(b"{}"), None).is_err(), "no CBOR");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let head = Head { authorization: Some(SIGNED), ..Head::default() };
        let decode = |body: &'static str| decode(head, &Bytes::from_static(body.as_bytes()), None);
        assert!(matches!(decode("Version=1"), Err(WireError::NoOperation(_))));
        assert!(matches!(decode("Action=%4"), Err(WireError::Body(_))));
        assert!(matches!(decode("Action=%ff"), Err(WireError::Body(_))));
    }
}
