//! Hosted zones by their names.

use std::collections::{BTreeMap, BTreeSet};

use crossfade_core::kinds::dns::{DnsName, Known, full, the_zone};
use crossfade_core::{Kind, Result};

use crate::call::{Ask, Client, Element, percent_encoded};
use crate::switches::dns::{VERSION, failure, plain};

/// Gives each name the id of the zone that the document names, and says what it is.
///
/// # Errors
/// `PreflightFailed` with every zone that there is not, or that there is more than once.
pub(super) async fn give(client: &Client, names: &mut [DnsName]) -> Result<Vec<String>> {
    let (mut known, mut lines, mut problems) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (i, dns) in names.iter_mut().enumerate() {
        let Some(zone) = dns.zone_name() else { continue };
        if !known.contains_key(&zone) {
            known.insert(zone.clone(), of(client, &zone).await?);
        }
        match the_zone(&zone, &known[&zone]) {
            Ok(id) => {
                lines.push(format!("routing.dns[{i}].zone is {id}, from the name {}", dns.zone));
                dns.zone = id;
            }
            Err(problem) => problems.push(format!("routing.dns[{i}].zone = {}: {problem}", dns.zone)),
        }
    }
    // One name in one zone may have been written in two ways.
    let mut seen = BTreeSet::new();
    let twice = names.iter().enumerate().filter(|(_, dns)| !seen.insert(dns.on()));
    problems
        .extend(twice.map(|(i, dns)| format!("routing.dns[{i}].name = {} is named twice. Name each once.", dns.name)));
    match problems.as_slice() {
        [] => Ok(lines),
        problems => Err(Kind::PreflightFailed.because(problems.join("\n"))),
    }
}

/// The zones of a name: one that everybody sees, and any number that VPCs do. They come in the order of their names, from this one on.
async fn of(client: &Client, name: &str) -> Result<Vec<Known>> {
    let path = format!("{VERSION}/hostedzonesbyname?dnsname={}&maxitems=100", percent_encoded(name));
    let answer = client.call(Ask::rest("ListHostedZonesByName", "GET", path, None)).await;
    let answer = answer.map_err(|error| failure("ListHostedZonesByName", name, &error))?;
    let zones = answer.read(|root| {
        let mut zones = Vec::new();
        for zone in root.required_child("HostedZones")?.each() {
            let id = zone.required("Id")?;
            let known = Known {
                id: id.rsplit('/').next().unwrap_or(&id).to_owned(),
                private: zone.child("Config").and_then(|config: Element| config.text("PrivateZone")).as_deref()
                    == Some("true"),
            };
            zones.push((full(&plain(&zone.required("Name")?)), known));
        }
        Ok(zones)
    });
    let zones = zones.map_err(|error| failure("ListHostedZonesByName", name, &error))?;
    Ok(zones.into_iter().filter(|(of, _)| of == name).map(|(_, zone)| zone).collect())
}
