//! Which names may be steered: what of zones, records and Cloud Map services stands in the way, all of it at once, and which side serves.

use super::records::{Kind, Record, Records, Side};
use super::{DnsName, full};
use crate::kinds::elb::short;
use crate::lane::{Lane, Movement};
use crate::split::{Split, in_words};
use crate::{Failure, Kind as FailureKind, Result, text};

/// A hosted zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name, in lower case and with its final dot.
    pub name: String,
    /// The service that manages it, if one does, in its own words.
    pub managed: Option<String>,
    /// The VPCs that can see it; none when everybody can.
    pub vpcs: Option<Vec<String>>,
}

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

/// What was read of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its zone; none when there is none of that id.
    pub zone: Option<Zone>,
    /// All records of the name.
    pub records: Vec<Record>,
    /// Each of the document's Cloud Map services that there is.
    pub registries: Vec<Registry>,
}

/// The records of a name as a deployment needs them, and what a person should know.
///
/// # Errors
/// Everything that stands in the way, each in a sentence or two.
pub fn examine(dns: &DnsName, facts: &Facts) -> std::result::Result<(Records, Vec<String>), Vec<String>> {
    let (name, mut problems, mut notes) = (dns.full(), Vec::new(), Vec::new());
    zone(dns, facts, &mut problems);
    let mut sides = Vec::new();
    for arn in &dns.services {
        match facts.registries.iter().find(|it| it.pool == arn.0) {
            None => problems.push(format!(
                "routing.dns: the Cloud Map service {} does not exist in this account and region. Look its ARN up with `aws \
                 servicediscovery list-services`.",
                arn.0
            )),
            Some(registry) => sides.extend(side(registry, facts, &mut problems)),
        }
    }
    let types = |registry: &Registry| registry.records.iter().map(|(kind, _)| kind.clone()).collect::<Vec<_>>();
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
    problems.extend(unlike(&name, &facts.records, &sides));
    if !problems.is_empty() {
        return Err(problems);
    }
    let found = facts.records.iter().find_map(|record| record.ttl_seconds);
    for side in &mut sides {
        let of_side = |record: &&Record| record.target().as_deref() == Some(side.target.as_str());
        if let Some(identifier) = facts.records.iter().find(of_side).and_then(|it| it.identifier.clone()) {
            side.identifier = identifier;
        }
    }
    let records = Records {
        zone: dns.zone.clone(),
        name,
        sides,
        ttl_seconds: dns.ttl_seconds.or(found).unwrap_or(60),
        client_cache_seconds: dns.client_cache_seconds,
        before: facts.records.clone(),
    };
    if facts.registries.iter().any(|it| types(it).iter().all(|kind| kind == "SRV")) {
        notes.push(format!(
            "{} leads to SRV records: only clients that ask for these reach the tasks, a plain look-up of an address finds nothing",
            dns.name
        ));
    }
    notes.push(format!(
        "After a shift of {} clients may follow the records before for {} s: TTLs {} s, clientCacheSeconds {} s. Connections that \
         are open for longer are cut off when the old service goes, and weights share out look-ups, not requests: with few resolvers \
         the split is coarse",
        dns.name,
        records.settle_seconds(),
        records.settle_seconds().saturating_sub(records.client_cache_seconds),
        records.client_cache_seconds
    ));
    Ok((records, notes))
}

fn zone(dns: &DnsName, facts: &Facts, problems: &mut Vec<String>) {
    let Some(zone) = &facts.zone else {
        problems.push(format!(
            "routing.dns: the hosted zone {} of {} does not exist in this account. Look its id up with `aws route53 list-hosted-zones`.",
            dns.zone, dns.name
        ));
        return;
    };
    if let Some(by) = &zone.managed {
        problems.push(format!(
            "The hosted zone {} ({}) is managed by {by}, and nobody else may change it. Make a zone of your own for {}.",
            dns.zone, zone.name, dns.name
        ));
    }
    let name = dns.full();
    if name == zone.name {
        problems.push(format!(
            "{} is the apex of its zone, which can have no CNAME. Use a name below it, such as www.{}.",
            dns.name, dns.name
        ));
    } else if !name.ends_with(&format!(".{}", zone.name)) {
        problems.push(format!(
            "{} is not in the hosted zone {}, which is {}. Correct routing.dns.name or routing.dns.zone.",
            dns.name, dns.zone, zone.name
        ));
    }
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
        pool: registry.pool.clone(),
        target: full(target),
        identifier: called.to_owned(),
        chain_seconds: steps * longest,
        negative_seconds: registry.negative_seconds,
    })
}

/// Records that are none of ours and not to be made so.
fn unlike(name: &str, records: &[Record], sides: &[Side]) -> Vec<String> {
    let mut problems = Vec::new();
    let name = name.trim_end_matches('.');
    let ours = |record: &Record| {
        record.target().is_some_and(|target| sides.len() < 2 || sides.iter().any(|side| side.target == target))
    };
    for record in records {
        let says = format!("{} {}", record.said, record.values.join(" "));
        if record.kind == Kind::Other {
            problems.push(format!(
                "{name} has a record {says}beside which there can be no CNAME. Delete it, or choose another name.",
                says = if record.values.is_empty() { format!("{} ", record.said) } else { format!("{says}, ") }
            ));
        } else if !record.besides.is_empty() {
            problems.push(format!(
                "The record {says} of {name} has {}, by which Route 53 may answer against the weights. Take it off.",
                record.besides.join(", ")
            ));
        } else if !ours(record) {
            problems.push(format!(
                "The record {says} of {name} leads to neither of the two Cloud Map services that the document names. Delete it, or \
                 correct routing.dns.services."
            ));
        }
    }
    let targets: Vec<Option<String>> = records.iter().map(Record::target).collect();
    if problems.is_empty() && (1..targets.len()).any(|i| targets[..i].contains(&targets[i])) {
        problems
            .push(format!("{name} has several records that lead to the same Cloud Map service. Leave one of them."));
    }
    problems
}

/// The lane of a name: the side with the traffic is production. Without records it is where a fleet of ours runs (`occupied`), or, where none
/// does, the second one, so that the first deployment takes the first (K31).
///
/// # Errors
/// `PreflightFailed` when both sides have traffic, or neither has.
pub fn lane(on: &str, records: &Records, split: &Split, occupied: &[String]) -> Result<Lane> {
    let by = Movement::Weights { on: on.into() };
    let [first, second] = records.sides.as_slice() else {
        return Err(refuse(format!("{} has {} sides, expected two.", records.name, records.sides.len())));
    };
    let of = |production: &Side, test: &Side| Lane { production: production.pool.clone(), test: test.pool.clone(), by };
    let weights = (split.weight(&first.pool), split.weight(&second.pool));
    Ok(match weights {
        _ if split.routes.is_empty() && occupied.contains(&first.pool) => of(first, second),
        _ if split.routes.is_empty() => of(second, first),
        (0, 0) => {
            return Err(refuse(format!(
                "{} has weight 0 on all its records, which splits the traffic equally. Give the one that serves weight 100.",
                records.name
            )));
        }
        (_, 0) => of(first, second),
        (0, _) => of(second, first),
        _ => {
            return Err(refuse(format!(
                "{} already splits traffic {}. Finish or roll back whatever is shifting it; a deployment starts from 100 : 0.",
                records.name,
                in_words(&split.routes)
            )));
        }
    })
}

fn refuse(problem: String) -> Failure {
    Failure::new(FailureKind::PreflightFailed, problem)
}

#[cfg(test)]
mod tests {
    use super::super::CloudMapService;
    use super::super::records::tests::cname;
    use super::*;

    const BLUE: &str = "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-blue";
    const GREEN: &str = "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-green";

    fn registry(pool: &str, name: &str) -> Registry {
        Registry {
            pool: pool.into(),
            name: Some(format!("{name}.shop.internal.")),
            records: vec![("A".into(), 20)],
            negative_seconds: 15,
            told: true,
            vpcs: Some(vec!["vpc-1".into()]),
        }
    }

    fn facts(records: Vec<Record>) -> Facts {
        let vpcs = Some(vec!["vpc-1".to_owned()]);
        let zone = Some(Zone { name: "example.com.".into(), managed: None, vpcs });
        Facts { zone, records, registries: vec![registry(BLUE, "blue"), registry(GREEN, "green")] }
    }

    fn dns() -> DnsName {
        DnsName {
            name: "shop.example.com".into(),
            zone: "Z1".into(),
            services: vec![CloudMapService(BLUE.into()), CloudMapService(GREEN.into())],
            ttl_seconds: None,
            client_cache_seconds: 60,
        }
    }

    fn weighted(a: u32, b: u32) -> Vec<Record> {
        vec![cname("blue.shop.internal.", Some(a), 300), cname("green.shop.internal.", Some(b), 300)]
    }

    fn refused(change: impl FnOnce(&mut DnsName, &mut Facts)) -> String {
        let (mut dns, mut facts) = (dns(), facts(weighted(100, 0)));
        change(&mut dns, &mut facts);
        examine(&dns, &facts).expect_err("it stands in the way").join("\n")
    }

    #[test]
    fn k35_records_that_are_there_keep_their_identifiers_and_their_ttl() {
        let mut live = weighted(100, 0);
        live[0].identifier = Some("Harness-Blue".into());
        let (records, notes) = examine(&dns(), &facts(live)).unwrap();
        assert_eq!(records.ttl_seconds, 300);
        assert_eq!(records.sides[0].identifier, "Harness-Blue");
        assert!(notes.concat().contains("395 s"), "{notes:?}");
        let (fresh, _) = examine(&dns(), &facts(Vec::new())).unwrap();
        assert_eq!((fresh.ttl_seconds, fresh.sides[1].identifier.as_str()), (60, "srv-green"));
    }

    #[test]
    fn k32_zones_that_nobody_may_change_and_names_that_cannot_be_are_refused_all_at_once() {
        let both = refused(|dns, facts| {
            dns.name = "example.com".into();
            facts.zone.as_mut().unwrap().managed = Some("Cloud Map".into());
        });
        assert!(both.contains("managed by Cloud Map") && both.contains("apex"), "{both}");
        assert!(refused(|dns, _| dns.name = "shop.example.org".into()).contains("not in the hosted zone Z1"));
        assert!(refused(|_, facts| facts.zone = None).contains("does not exist"));
        assert!(refused(|_, facts| drop(facts.registries.pop())).contains("srv-green does not exist"));
        assert!(refused(|_, facts| facts.registries[0].name = None).contains("without DNS"));
        assert!(refused(|_, facts| facts.registries[0].told = false).contains("HealthCheckCustomConfig"));
        assert!(refused(|_, facts| facts.registries[0].records = vec![("SRV".into(), 20)]).contains("different types"));
        assert!(refused(|_, facts| facts.registries[0].vpcs = Some(Vec::new())).contains("not associated"));
    }

    #[test]
    fn other_records_aliases_health_checks_and_third_members_are_refused() {
        let live = |change: fn(&mut Vec<Record>)| refused(|_, facts| change(&mut facts.records));
        assert!(live(|all| all.push(cname("third.example.com.", Some(1), 300))).contains("neither of the two"));
        assert!(live(|all| all[0].besides.push("HealthCheckId".into())).contains("against the weights"));
        assert!(live(|all| all[0].kind = Kind::Other).contains("no CNAME"));
        assert!(live(|all| all[1] = cname("blue.shop.internal.", Some(0), 300)).contains("several records"));
    }

    #[test]
    fn k34_srv_records_are_taken_and_said() {
        let mut facts = facts(Vec::new());
        facts.registries.iter_mut().for_each(|it| it.records = vec![("SRV".into(), 20)]);
        let (records, notes) = examine(&dns(), &facts).unwrap();
        assert_eq!(records.sides[0].chain_seconds, 40, "the address behind it is kept, too");
        assert!(notes.concat().contains("SRV"));
    }

    #[test]
    fn k31_the_side_with_the_traffic_is_production() {
        let of = |live: Vec<Record>, occupied: &[String]| {
            let (records, _) = examine(&dns(), &facts(live)).unwrap();
            let split = records.split(&records.before);
            lane("dns:Z1/shop.example.com", &records, &split, occupied).map(|lane| short(&lane.production).to_owned())
        };
        assert_eq!(of(weighted(100, 0), &[]).unwrap(), "srv-blue");
        assert_eq!(of(weighted(0, 1), &[]).unwrap(), "srv-green");
        assert_eq!(of(vec![cname("blue.shop.internal.", None, 60)], &[]).unwrap(), "srv-blue");
        assert_eq!(of(Vec::new(), &[]).unwrap(), "srv-green", "the first deployment takes the first");
        assert_eq!(of(Vec::new(), &[BLUE.to_owned()]).unwrap(), "srv-blue");
        assert!(of(weighted(0, 0), &[]).unwrap_err().message.contains("equally"));
        assert!(of(weighted(90, 10), &[]).unwrap_err().message.contains("90"));
    }
}
