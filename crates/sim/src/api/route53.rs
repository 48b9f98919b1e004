//! Route 53's API (REST and XML), as far as it concerns the records of zones and how changes of them spread.
//!
//! What it owns: reading requests and writing answers. What zones are, the world knows.

use std::collections::BTreeMap;

use bytes::Bytes;
use roxmltree::{Document, Node};
use serde_json::{Map, Value, json};

use crate::wire::{Head, WireError, percent_decode};
use crate::world::dns::{AliasTarget, RecordSet, Zone, full};
use crate::world::{Refusal, World};
use crate::{Request, Response};

/// The version of the API, which every path begins with.
const VERSION: &str = "/2013-04-01/";
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
/// The most record sets of one page, unless fewer are asked for.
const PAGE: usize = 300;

/// What a request asks for: the operation, its parameters, and what its document says.
pub(crate) fn decode(head: Head<'_>, body: &Bytes) -> Result<(String, BTreeMap<String, String>, Value), WireError> {
    let path = head.path.strip_prefix(VERSION).ok_or(WireError::NoOperation("the path"))?;
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let (operation, id) = match (head.method, parts.as_slice()) {
        ("GET", ["hostedzonesbyname"]) => ("ListHostedZonesByName", None),
        ("GET", ["hostedzone", id]) => ("GetHostedZone", Some(id)),
        ("GET", ["hostedzone", id, "rrset"]) => ("ListResourceRecordSets", Some(id)),
        ("POST", ["hostedzone", id, "rrset"]) => ("ChangeResourceRecordSets", Some(id)),
        ("GET", ["change", id]) => ("GetChange", Some(id)),
        _ => return Err(WireError::NoOperation("the path")),
    };
    let mut form = BTreeMap::new();
    if let Some(id) = id {
        form.insert("Id".to_owned(), percent_decode(&id.replace('+', "%2B"))?);
    }
    for pair in head.query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        form.insert(percent_decode(name)?, percent_decode(value)?);
    }
    let json = if body.is_empty() { Value::Null } else { document(body)? };
    Ok((operation.to_owned(), form, json))
}

fn document(body: &Bytes) -> Result<Value, WireError> {
    let text = std::str::from_utf8(body).map_err(|error| WireError::Body(error.to_string()))?;
    let document = Document::parse(text).map_err(|error| WireError::Body(error.to_string()))?;
    Ok(value(document.root_element()))
}

/// Lists are elements whose members have the names of one of their items.
const LISTS: [&str; 2] = ["Changes", "ResourceRecords"];

fn value(element: Node<'_, '_>) -> Value {
    let children: Vec<Node<'_, '_>> = element.children().filter(Node::is_element).collect();
    if LISTS.contains(&element.tag_name().name()) {
        return children.into_iter().map(value).collect();
    }
    if children.is_empty() {
        return json!(element.text().unwrap_or_default());
    }
    let members = children.into_iter().map(|child| (child.tag_name().name().to_owned(), value(child)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Answers one request.
pub fn handle(world: &mut World, request: &Request) -> Response {
    let outcome = world.admit_to_route_53().and_then(|()| dispatch(world, request));
    world.settle();
    match outcome {
        Ok(body) => Response::xml(200, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}")),
        Err(refusal) => Response::refuse(request, refusal.status, &refusal.code, &refusal.message),
    }
}

fn dispatch(world: &mut World, request: &Request) -> Result<String, Refusal> {
    let of = |name: &str| request.form.get(name).map(String::as_str).unwrap_or_default();
    let id = of("Id").to_owned();
    match request.operation.as_str() {
        "GetHostedZone" => zone(world, &id),
        "ListHostedZonesByName" => Ok(zones_by_name(world, of("dnsname"))),
        "ListResourceRecordSets" => list(world, &id, of("name"), (of("type"), of("identifier"))),
        "ChangeResourceRecordSets" => {
            let changes = changes(&request.json)?;
            let change = world.change_records(&id, &changes)?;
            Ok(told("ChangeResourceRecordSetsResponse", &change, "PENDING"))
        }
        "GetChange" => {
            let status = if world.has_spread(&id)? { "INSYNC" } else { "PENDING" };
            Ok(told("GetChangeResponse", &id, status))
        }
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    }
}

fn told(root: &str, change: &str, status: &str) -> String {
    format!(
        "<{root} xmlns=\"{NAMESPACE}\"><ChangeInfo><Id>/change/{change}</Id><Status>{status}</Status>\
         <SubmittedAt>2026-01-05T09:00:00Z</SubmittedAt></ChangeInfo></{root}>"
    )
}

fn zone(world: &World, id: &str) -> Result<String, Refusal> {
    let zone = world.hosted_zone(id)?;
    let linked = zone.managed.as_ref().map_or_else(String::new, |by| {
        let by = escaped(by);
        format!("<LinkedService><ServicePrincipal>servicediscovery.amazonaws.com</ServicePrincipal><Description>{by}</Description></LinkedService>")
    });
    let vpcs: String = zone
        .vpcs
        .iter()
        .flatten()
        .map(|vpc| format!("<VPC><VPCRegion>eu-west-1</VPCRegion><VPCId>{vpc}</VPCId></VPC>"))
        .collect();
    let vpcs = if zone.vpcs.is_some() { format!("<VPCs>{vpcs}</VPCs>") } else { String::new() };
    Ok(format!(
        "<GetHostedZoneResponse xmlns=\"{NAMESPACE}\"><HostedZone><Id>/hostedzone/{id}</Id><Name>{}</Name>\
         <CallerReference>sim</CallerReference><Config><PrivateZone>{}</PrivateZone></Config>{linked}\
         <ResourceRecordSetCount>{}</ResourceRecordSetCount></HostedZone>{vpcs}</GetHostedZoneResponse>",
        zone.name,
        zone.vpcs.is_some(),
        zone.records().len() + 2
    ))
}

/// The zones from a name on, in the order of their names.
fn zones_by_name(world: &World, from: &str) -> String {
    let from = full(from);
    let mut zones: Vec<&Zone> = world.dns.zones.values().filter(|zone| order(&zone.name) >= order(&from)).collect();
    zones.sort_by(|a, b| order(&a.name).cmp(&order(&b.name)).then_with(|| a.id.cmp(&b.id)));
    let one = |zone: &&Zone| {
        format!(
            "<HostedZone><Id>/hostedzone/{}</Id><Name>{}</Name><CallerReference>sim</CallerReference><Config><PrivateZone>{}\
             </PrivateZone></Config><ResourceRecordSetCount>{}</ResourceRecordSetCount></HostedZone>",
            zone.id,
            zone.name,
            zone.vpcs.is_some(),
            zone.records().len() + 2
        )
    };
    let zones: String = zones.iter().take(100).map(one).collect();
    format!(
        "<ListHostedZonesByNameResponse xmlns=\"{NAMESPACE}\"><HostedZones>{zones}</HostedZones><DNSName>{from}</DNSName>\
         <IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesByNameResponse>"
    )
}

/// The labels of a name, the last first: the order in which Route 53 lists.
fn order(name: &str) -> Vec<&str> {
    name.split('.').rev().collect()
}

fn list(world: &World, id: &str, name: &str, (kind, identifier): (&str, &str)) -> Result<String, Refusal> {
    let zone = world.hosted_zone(id)?;
    let start = full(name);
    let mut records: Vec<&RecordSet> = zone.records().iter().collect();
    let key = |it: &RecordSet| (it.kind.clone(), it.identifier.clone().unwrap_or_default());
    records.sort_by(|a, b| order(&a.name).cmp(&order(&b.name)).then_with(|| key(a).cmp(&key(b))));
    let from = (kind.to_owned(), identifier.to_owned());
    records.retain(|it| name.is_empty() || order(&it.name) > order(&start) || (it.name == start && key(it) >= from));
    let next = records.get(PAGE).map_or_else(String::new, |next| {
        let identifier = next
            .identifier
            .as_deref()
            .map_or_else(String::new, |it| format!("<NextRecordIdentifier>{}</NextRecordIdentifier>", escaped(it)));
        format!(
            "<NextRecordName>{}</NextRecordName><NextRecordType>{}</NextRecordType>{identifier}",
            written(&next.name),
            next.kind
        )
    });
    let sets: String = records.iter().take(PAGE).map(|it| record(it)).collect();
    Ok(format!(
        "<ListResourceRecordSetsResponse xmlns=\"{NAMESPACE}\"><ResourceRecordSets>{sets}</ResourceRecordSets>\
         <IsTruncated>{}</IsTruncated>{next}<MaxItems>{PAGE}</MaxItems></ListResourceRecordSetsResponse>",
        records.len() > PAGE
    ))
}

/// A name as Route 53 writes it, with what is special escaped.
fn written(name: &str) -> String {
    escaped(&name.replace('*', "\\052"))
}

fn record(record: &RecordSet) -> String {
    let maybe = |name: &str, value: Option<String>| {
        value.map_or_else(String::new, |value| format!("<{name}>{}</{name}>", escaped(&value)))
    };
    let besides: String = record.besides.iter().map(|(name, inner)| format!("<{name}>{inner}</{name}>")).collect();
    let values: String = record
        .values
        .iter()
        .map(|value| format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", escaped(value)))
        .collect();
    let values = if values.is_empty() { values } else { format!("<ResourceRecords>{values}</ResourceRecords>") };
    let alias = record.alias.as_ref().map_or_else(String::new, |alias| {
        format!(
            "<AliasTarget><HostedZoneId>{}</HostedZoneId><DNSName>{}</DNSName><EvaluateTargetHealth>{}</EvaluateTargetHealth></AliasTarget>",
            alias.zone,
            escaped(&full(&alias.name)),
            alias.evaluates
        )
    });
    format!(
        "<ResourceRecordSet><Name>{}</Name><Type>{}</Type>{}{}{besides}{}{values}{alias}</ResourceRecordSet>",
        written(&record.name),
        record.kind,
        maybe("SetIdentifier", record.identifier.clone()),
        maybe("Weight", record.weight.map(|it| it.to_string())),
        maybe("TTL", record.ttl_seconds.map(|it| it.to_string())),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn changes(request: &Value) -> Result<Vec<(String, RecordSet)>, Refusal> {
    let invalid = |message: &str| Refusal::new(400, "InvalidInput", message);
    let changes = request["ChangeBatch"]["Changes"].as_array().filter(|all| !all.is_empty());
    let changes = changes.ok_or_else(|| invalid("Invalid request: Expected one or more changes"))?;
    let one = |change: &Value| {
        let set = &change["ResourceRecordSet"];
        let text = |name: &str| set[name].as_str().map(str::to_owned);
        let known = ["Name", "Type", "SetIdentifier", "Weight", "TTL", "ResourceRecords", "AliasTarget"];
        let besides = set.as_object().into_iter().flatten().filter(|(name, _)| !known.contains(&name.as_str()));
        let values = set["ResourceRecords"].as_array().into_iter().flatten();
        let record = RecordSet {
            name: full(&text("Name").ok_or_else(|| invalid("Invalid XML ; a Name is missing"))?),
            kind: text("Type").ok_or_else(|| invalid("Invalid XML ; a Type is missing"))?,
            identifier: text("SetIdentifier"),
            weight: number(&set["Weight"]),
            ttl_seconds: number(&set["TTL"]),
            values: values.filter_map(|it| it["Value"].as_str()).map(str::to_owned).collect(),
            alias: match &set["AliasTarget"] {
                Value::Null => None,
                target => Some(AliasTarget {
                    zone: target["HostedZoneId"].as_str().unwrap_or_default().to_owned(),
                    name: full(target["DNSName"].as_str().unwrap_or_default()),
                    evaluates: target["EvaluateTargetHealth"] == "true",
                }),
            },
            besides: besides
                .map(|(name, inner)| (name.clone(), inner.as_str().unwrap_or_default().to_owned()))
                .collect(),
        };
        Ok((change["Action"].as_str().unwrap_or_default().to_owned(), record))
    };
    changes.iter().map(one).collect()
}

fn number<T: std::str::FromStr>(value: &Value) -> Option<T> {
    value.as_str()?.parse().ok()
}
