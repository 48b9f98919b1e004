//! Cloud Map services as what a name leads to.

use super::examine::Facts;
use super::records::Side;
use super::{DnsName, full};
use crate::kinds::elb::short;
use crate::text;

/// A Cloud Map service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Its ARN.
    pub pool: String,
    /// Its name with its namespace's, in lower case and with its final dot; none where the namespace has no DNS.
    pub name: Option<String>,
    /// The types of its records with their TTLs, in seconds.
    pub records: Vec<(String, u32)>,
    /// How long resolvers may remember that it had no instance, in seconds.
    pub negative_seconds: u32,
    /// Whether whoever registers an instance tells how it is.
    pub told: bool,
    /// The VPCs that can see its namespace's zone; none when everybody can.
    pub vpcs: Option<Vec<String>>,
}

/// The Cloud Map services that the document names, as the name's records call them.
pub(super) fn sides(dns: &DnsName, facts: &Facts, problems: &mut Vec<String>) -> Vec<Side> {
    let mut sides = Vec::new();
    for arn in &dns.services {
        match facts.registries.iter().find(|it| it.pool == arn.0) {
            None => problems.push(format!(
                "routing.dns: the Cloud Map service {} does not exist in this account and region. Look its ARN up with `aws \
                 servicediscovery list-services`.",
                arn.0
            )),
            Some(registry) => sides.extend(side(registry, facts, problems)),
        }
    }
    if let [a, b] = facts.registries.as_slice()
        && types(a) != types(b)
    {
        problems.push(format!(
            "The Cloud Map services {} and {} have records of different types ({} and {}), so that whoever asks would get something else \
             after a shift. Make them alike.",
            short(&a.pool),
            short(&b.pool),
            types(a).join(", "),
            types(b).join(", ")
        ));
    }
    sides
}

fn types(registry: &Registry) -> Vec<&str> {
    registry.records.iter().map(|(kind, _)| kind.as_str()).collect()
}

/// What a person should know of them.
pub(super) fn note(dns: &DnsName, facts: &Facts) -> Option<String> {
    facts.registries.iter().any(|it| types(it).iter().all(|kind| *kind == "SRV")).then(|| {
        format!(
            "{} leads to SRV records: only clients that ask for these reach the tasks, a plain look-up of an address finds nothing",
            dns.name
        )
    })
}

/// A Cloud Map service as the name's records call it.
fn side(registry: &Registry, facts: &Facts, problems: &mut Vec<String>) -> Option<Side> {
    let called = short(&registry.pool);
    let Some(target) = &registry.name else {
        problems.push(format!(
            "The Cloud Map service {called} is in a namespace without DNS, so that no record can lead to it. Use one of a DNS namespace."
        ));
        return None;
    };
    let kinds: Vec<&str> = registry.records.iter().map(|(kind, _)| kind.as_str()).collect();
    if kinds.is_empty() || !kinds.iter().all(|kind| matches!(*kind, "A" | "AAAA" | "SRV")) {
        problems.push(format!(
            "The Cloud Map service {target} has records of the types [{}]: ECS registers tasks in A or SRV ones. Make one of these.",
            kinds.join(", ")
        ));
    }
    if !registry.told {
        problems.push(format!(
            "The Cloud Map service {target} has no HealthCheckCustomConfig, so that nothing would prove that a task serves. It cannot be \
             added later: make a new one with it."
        ));
    }
    let missing = |vpcs: &[String]| match facts.zone.as_ref().and_then(|zone| zone.vpcs.as_ref()) {
        Some(of_name) => of_name.iter().filter(|vpc| !vpcs.contains(vpc)).cloned().collect(),
        None => Vec::new(),
    };
    if let Some(missing) = registry.vpcs.as_deref().map(missing).filter(|missing| !missing.is_empty()) {
        problems.push(format!(
            "{} can see the name, and not what it leads to: the zone of the namespace of {target} is not associated with them. Associate \
             it with `aws route53 associate-vpc-with-hosted-zone`.",
            text::few(&missing)
        ));
    }
    let longest = registry.records.iter().map(|(_, ttl)| *ttl).max().unwrap_or(0);
    // An SRV record leads to a name with an A record of its own.
    let steps = if kinds.contains(&"SRV") { 2 } else { 1 };
    Some(Side {
        pools: vec![registry.pool.clone()],
        balancer: None,
        target: full(target),
        alias: None,
        identifier: called.to_owned(),
        chain_seconds: steps * longest,
        negative_seconds: registry.negative_seconds,
    })
}
