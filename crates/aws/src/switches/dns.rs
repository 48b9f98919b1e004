//! Names in DNS as switches: zones and records of Route 53.
//!
//! A change is one batch that deletes each record exactly as it was read and creates all of them anew: where somebody was faster,
//! Route 53 refuses all of it (P96). It is pending until every name server has it.

use std::collections::BTreeMap;

use aws_types::SdkConfig;
use crossfade_core::kinds::dns::{self, Alias, Batch, DnsName, Facts, Kind as RecordKind, Record, Records, Zone};
use crossfade_core::split::{Route, Split, in_words};
use crossfade_core::{Failure, Kind, Result};

use crate::call::{Ask, CallError, Client, Element, Protocol, Service, escaped, percent_encoded};
use crate::pools::Registries;
use crate::refusal::called;

pub(crate) const ROUTE_53: Service = Service { id: "Route 53", name: "route53", protocol: Protocol::Route53 };
/// The version of the API, and what its documents are called by.
pub(crate) const VERSION: &str = "/2013-04-01";
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// The most pages of a zone that are read to see which other names there are: the account has five requests a second for everybody.
const PAGES: usize = 10;

/// Where a page of records begins.
#[derive(Clone, Debug, Default)]
struct From {
    name: String,
    kind: String,
    identifier: String,
}

/// The names of the account's zones.
#[derive(Clone, Debug)]
pub(super) struct Names {
    client: Client,
    registries: Registries,
}

impl Names {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(&ROUTE_53, config), registries: Registries::new(config) }
    }

    /// What of zones, records and Cloud Map decides whether a name may be steered.
    pub(super) async fn facts(&self, dns: &DnsName) -> Result<Facts> {
        let zone = self.zone(&dns.zone).await?;
        let records = match &zone {
            Some(_) => self.records(&dns.zone, &dns.full()).await?,
            None => Vec::new(),
        };
        let (mut registries, mut visible) = (Vec::new(), BTreeMap::new());
        for pool in dns.pools() {
            let Some(found) = self.registries.read(&pool).await? else { continue };
            let zone = found.zone.unwrap_or_default();
            // Of one namespace, as a rule.
            if !zone.is_empty() && !visible.contains_key(&zone) {
                let vpcs = self.zone(&zone).await?.and_then(|zone| zone.vpcs);
                visible.insert(zone.clone(), vpcs);
            }
            registries.push(dns::Registry { vpcs: visible.get(&zone).cloned().flatten(), ..found.registry });
        }
        Ok(Facts { zone, records, registries, balancers: Vec::new() })
    }

    /// A hosted zone, if there is one of this id.
    async fn zone(&self, id: &str) -> Result<Option<Zone>> {
        let ask = Ask::rest("GetHostedZone", "GET", format!("{VERSION}/hostedzone/{}", percent_encoded(id)), None);
        let answer = match self.client.call(ask).await {
            Err(error) if error.code() == Some("NoSuchHostedZone") => return Ok(None),
            answer => answer.map_err(|error| failure("GetHostedZone", id, &error))?,
        };
        let read = answer.read(|root| {
            let zone = root.required_child("HostedZone")?;
            let private = zone.child("Config").and_then(|config| config.text("PrivateZone")).as_deref() == Some("true");
            let vpcs = root.child("VPCs").into_iter().flat_map(Element::each).filter_map(|vpc| vpc.text("VPCId"));
            let managed = zone.child("LinkedService").map(|linked| {
                let said = linked.text("Description").or_else(|| linked.text("ServicePrincipal"));
                said.unwrap_or_else(|| "another service".into())
            });
            let name = dns::full(&plain(&zone.required("Name")?));
            Ok(Zone { name, managed, vpcs: private.then(|| vpcs.collect()) })
        });
        read.map(Some).map_err(|error| failure("GetHostedZone", id, &error))
    }

    /// All records of a name.
    async fn records(&self, zone: &str, name: &str) -> Result<Vec<Record>> {
        let (mut found, mut from) = (Vec::new(), From { name: name.to_owned(), ..From::default() });
        loop {
            let (records, next) = self.page(zone, &from).await?;
            // They come in the order of their names, from this one on.
            found.extend(records.into_iter().filter(|(of, _)| of == name).map(|(_, record)| record));
            match next.filter(|next| next.name == name) {
                Some(next) => from = next,
                None => return Ok(found),
            }
        }
    }

    /// The records of a zone with their names, page by page, and whether these are all.
    pub(super) async fn all(&self, zone: &str) -> Result<(Vec<(String, Record)>, bool)> {
        let (mut found, mut from) = (Vec::new(), From::default());
        for _ in 0..PAGES {
            let (records, next) = self.page(zone, &from).await?;
            found.extend(records);
            match next {
                Some(next) => from = next,
                None => return Ok((found, true)),
            }
        }
        Ok((found, false))
    }

    /// The records of a zone from here on, and where the next page begins, if there is one.
    async fn page(&self, zone: &str, from: &From) -> Result<(Vec<(String, Record)>, Option<From>)> {
        // What is empty is not asked for.
        let asked = [("name", &from.name), ("type", &from.kind), ("identifier", &from.identifier)];
        let asked = asked.iter().filter(|(_, value)| !value.is_empty());
        let asked: Vec<String> = asked.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
        let path = format!("{VERSION}/hostedzone/{}/rrset?{}", percent_encoded(zone), asked.join("&"));
        let on = if from.name.is_empty() { zone } else { &from.name };
        let answer = self.client.call(Ask::rest("ListResourceRecordSets", "GET", path, None)).await;
        let answer = answer.map_err(|error| failure("ListResourceRecordSets", on, &error))?;
        let page = answer.read(|root| {
            let mut records = Vec::new();
            for set in root.required_child("ResourceRecordSets")?.each() {
                records.push((dns::full(&plain(&set.required("Name")?)), record(set)?));
            }
            let more = root.text("IsTruncated").as_deref() == Some("true");
            let of = |element: &str| root.text(element).unwrap_or_default();
            let next = From {
                name: dns::full(&plain(&of("NextRecordName"))),
                kind: of("NextRecordType"),
                identifier: of("NextRecordIdentifier"),
            };
            Ok((records, more.then_some(next)))
        });
        page.map_err(|error| failure("ListResourceRecordSets", on, &error))
    }

    /// The split of a name as it is now; what is pending counts.
    pub(super) async fn read(&self, of: &Records) -> Result<Split> {
        Ok(of.split(&self.records(&of.zone, &of.name).await?))
    }

    /// Sets the split, and answers it with the change, which spreads.
    ///
    /// # Errors
    /// `StaleRevision` when the records are not what was `seen` any more: look again. `Drifted` when somebody has put something there
    /// that is not deleted.
    pub(super) async fn set(&self, of: &Records, seen: &Split, routes: &[Route]) -> Result<(Split, Option<String>)> {
        let live = self.records(&of.zone, &of.name).await?;
        let now = of.split(&live);
        if now != *seen {
            return Err(changed(of, &seen.routes, &now.routes));
        }
        let batch = of.batch(&live, routes).map_err(|problem| Kind::Drifted.because(format!("{problem}.")))?;
        if batch == Batch::default() {
            return Ok((now, None));
        }
        let after = of.split(&batch.create);
        let path = format!("{VERSION}/hostedzone/{}/rrset/", percent_encoded(&of.zone));
        let ask = Ask::xml("ChangeResourceRecordSets", path, document(&of.name, &batch));
        let answer = match self.client.call(ask).await {
            // Somebody was faster than this batch: what it deletes is not there any more, or what it creates is.
            Err(error) if error.code() == Some("InvalidChangeBatch") => {
                let now = of.split(&self.records(&of.zone, &of.name).await?);
                return Err(match now == *seen {
                    true => failure("ChangeResourceRecordSets", &of.name, &error),
                    false => changed(of, &seen.routes, &now.routes),
                });
            }
            answer => answer.map_err(|error| failure("ChangeResourceRecordSets", &of.name, &error))?,
        };
        let change = answer.read(|root| root.required_child("ChangeInfo")?.required("Id"));
        let change = change.map_err(|error| failure("ChangeResourceRecordSets", &of.name, &error))?;
        Ok((after, Some(change.rsplit('/').next().unwrap_or(&change).to_owned())))
    }

    /// Whether all name servers have a change.
    pub(super) async fn in_sync(&self, change: &str) -> Result<bool> {
        let path = format!("{VERSION}/change/{}", percent_encoded(change));
        let answer = self.client.call(Ask::rest("GetChange", "GET", path, None)).await;
        let answer = answer.map_err(|error| failure("GetChange", change, &error))?;
        let status = answer.read(|root| root.required_child("ChangeInfo")?.required("Status"));
        Ok(status.map_err(|error| failure("GetChange", change, &error))? == "INSYNC")
    }
}

fn changed(of: &Records, seen: &[Route], now: &[Route]) -> Failure {
    Kind::StaleRevision.because(format!(
        "The records of {} changed from {} to {} while they were about to be set.",
        of.name,
        in_words(seen),
        in_words(now)
    ))
}

/// One of Route 53's refusals. Its messages name records, and so what to look at.
pub(crate) fn failure(operation: &str, on: &str, error: &CallError) -> Failure {
    called(&format!("route53:{operation}"), on, error)
}

/// A record as Route 53 lists it.
fn record(set: Element) -> std::result::Result<Record, CallError> {
    const KNOWN: [&str; 7] = ["Name", "Type", "SetIdentifier", "Weight", "TTL", "ResourceRecords", "AliasTarget"];
    let said = set.required("Type")?;
    let values = set.child("ResourceRecords").into_iter().flat_map(Element::each).filter_map(|it| it.text("Value"));
    let besides: Vec<String> = set.each().map(Element::name).filter(|name| !KNOWN.contains(&name.as_str())).collect();
    let alias = match set.child("AliasTarget") {
        Some(target) => Some(Alias {
            zone: target.required("HostedZoneId")?,
            name: target.required("DNSName")?,
            evaluates: target.text("EvaluateTargetHealth").as_deref() == Some("true"),
        }),
        None => None,
    };
    Ok(Record {
        kind: match (said.as_str(), &alias) {
            ("CNAME", None) => RecordKind::Cname,
            ("A" | "AAAA", Some(_)) => RecordKind::Alias,
            _ => RecordKind::Other,
        },
        identifier: set.text("SetIdentifier"),
        weight: set.parse("Weight"),
        ttl_seconds: set.parse("TTL"),
        values: values.collect(),
        alias,
        besides,
        said,
    })
}

/// A name without Route 53's escapes (`\052` for `*`).
pub(crate) fn plain(name: &str) -> String {
    let (mut plain, mut rest) = (String::new(), name);
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain + rest
}

/// The document of a batch.
fn document(name: &str, batch: &Batch) -> String {
    let changes = batch.delete.iter().map(|record| ("DELETE", record));
    let changes = changes.chain(batch.create.iter().map(|record| ("CREATE", record)));
    let changes: String = changes
        .map(|(action, it)| format!("<Change><Action>{action}</Action>{}</Change>", record_set(name, it)))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ChangeResourceRecordSetsRequest xmlns=\"{NAMESPACE}\"><ChangeBatch><Comment>crossfade\
         </Comment><Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    )
}

/// Its elements stand in the order of the API's model.
fn record_set(name: &str, record: &Record) -> String {
    let element = |name: &str, value: Option<String>| {
        value.map_or_else(String::new, |value| format!("<{name}>{}</{name}>", escaped(&value)))
    };
    let value = |value: &String| format!("<ResourceRecord>{}</ResourceRecord>", element("Value", Some(value.clone())));
    let leads_to = match &record.alias {
        Some(alias) => format!(
            "<AliasTarget>{}{}{}</AliasTarget>",
            element("HostedZoneId", Some(alias.zone.clone())),
            element("DNSName", Some(alias.name.clone())),
            element("EvaluateTargetHealth", Some(alias.evaluates.to_string()))
        ),
        None => format!("<ResourceRecords>{}</ResourceRecords>", record.values.iter().map(value).collect::<String>()),
    };
    format!(
        "<ResourceRecordSet>{}{}{}{}{}{leads_to}</ResourceRecordSet>",
        element("Name", Some(name.to_owned())),
        element("Type", Some(record.said.clone())),
        element("SetIdentifier", record.identifier.clone()),
        element("Weight", record.weight.map(|it| it.to_string())),
        element("TTL", record.ttl_seconds.map(|it| it.to_string())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_without_their_escapes() {
        assert_eq!(plain(r"\052.example.com."), "*.example.com.");
        assert_eq!(plain(r"a\b.example.com."), r"a\b.example.com.");
    }

    #[test]
    fn a_batch_deletes_what_was_read_before_it_creates() {
        let record = |weight| Record {
            kind: RecordKind::Cname,
            said: "CNAME".into(),
            identifier: Some("a&b".into()),
            weight: Some(weight),
            ttl_seconds: Some(60),
            values: vec!["blue.shop.internal".into()],
            alias: None,
            besides: Vec::new(),
        };
        let batch = Batch { delete: vec![record(100)], create: vec![record(0)] };
        let text = document("shop.example.com.", &batch);
        let (delete, create) = (text.find("DELETE").unwrap(), text.find("CREATE").unwrap());
        assert!(delete < create, "{text}");
        assert!(text.contains("<SetIdentifier>a&amp;b</SetIdentifier><Weight>100</Weight><TTL>60</TTL>"), "{text}");
    }

    #[test]
    fn an_alias_has_neither_ttl_nor_values() {
        let record = Record {
            kind: RecordKind::Alias,
            said: "A".into(),
            identifier: Some("blue".into()),
            weight: Some(100),
            ttl_seconds: None,
            values: Vec::new(),
            alias: Some(Alias { zone: "ZELB".into(), name: "blue.elb.amazonaws.com.".into(), evaluates: false }),
            besides: Vec::new(),
        };
        let text = record_set("shop.example.com.", &record);
        let alias = "<Weight>100</Weight><AliasTarget><HostedZoneId>ZELB</HostedZoneId><DNSName>blue.elb.amazonaws.com.</DNSName>\
                     <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget></ResourceRecordSet>";
        assert!(text.ends_with(alias), "{text}");
    }
}
