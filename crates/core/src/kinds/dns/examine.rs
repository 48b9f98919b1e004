//! Which names may be steered: what of zones, records and what they lead to stands in the way, all of it at once, and which side
//! serves.

use std::collections::BTreeMap;

use super::records::{ALIAS_SECONDS, Form, Kind, Record, Records, Side};
use super::{AsRecords, Balancer, DnsName, Registry, balancers, registries};
use crate::lane::{Lane, Movement};
use crate::split::Split;
use crate::{Failure, Kind as FailureKind, Result};

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

/// What was read of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its zone; none when there is none of that id.
    pub zone: Option<Zone>,
    /// All records of the name.
    pub records: Vec<Record>,
    /// Each of the document's Cloud Map services that there is.
    pub registries: Vec<Registry>,
    /// Each of the document's load balancers that there is.
    pub balancers: Vec<Balancer>,
}

/// The records of a name as a deployment needs them, and what a person should know.
///
/// # Errors
/// Everything that stands in the way, each in a sentence or two.
pub fn examine(dns: &DnsName, facts: &Facts) -> std::result::Result<(Records, Vec<String>), Vec<String>> {
    let (name, mut problems, mut notes) = (dns.full(), Vec::new(), Vec::new());
    let form = form(dns, facts);
    zone(dns, facts, &form, &mut problems);
    let mut sides = registries::sides(dns, facts, &mut problems);
    sides.extend(balancers::sides(dns, facts, &form, &mut problems));
    let of_registries = dns.load_balancers.is_empty();
    let mut records = Records {
        zone: dns.zone.clone(),
        name: name.clone(),
        sides: Vec::new(),
        ttl_seconds: 0,
        client_cache_seconds: dns.client_cache_seconds,
        before: Vec::new(),
        form,
    };
    records.before = records.concerned(&facts.records);
    if let (Form::Alias(_), Some(seconds)) = (&records.form, dns.ttl_seconds) {
        problems.push(format!(
            "routing.dns: {} is an alias, whose TTL AWS decides on, and ttlSeconds = {seconds}. Leave it out, or use `records: cname`.",
            dns.name
        ));
    }
    problems.extend(unlike(
        &name,
        &records,
        &sides,
        if of_registries { "Cloud Map services" } else { "load balancers" },
    ));
    problems.extend(uneven(dns, &records.before));
    if !problems.is_empty() {
        return Err(problems);
    }
    for side in &mut sides {
        let of_side = |record: &&Record| record.target().as_deref() == Some(side.target.as_str());
        if let Some(identifier) = records.before.iter().find(of_side).and_then(|it| it.identifier.clone()) {
            side.identifier = identifier;
        }
    }
    let found = records.before.iter().find_map(|record| record.ttl_seconds);
    records.ttl_seconds = match records.form {
        Form::Cname => dns.ttl_seconds.or(found).unwrap_or(60),
        Form::Alias(_) => ALIAS_SECONDS,
    };
    records.sides = sides;
    notes.extend(registries::note(dns, facts));
    notes.extend(balancers::notes(dns, facts));
    notes.push(format!(
        "After a shift of {} clients may follow the records before for {} s: TTLs {} s, clientCacheSeconds {} s. Connections that \
         are open for longer are cut off when the old {} goes, and weights share out look-ups, not requests: with few resolvers \
         the split is coarse",
        dns.name,
        records.settle_seconds(),
        records.settle_seconds().saturating_sub(records.client_cache_seconds),
        records.client_cache_seconds,
        if of_registries { "service" } else { "fleet" }
    ));
    Ok((records, notes))
}

/// What the records are made: what the document says, or what they are.
fn form(dns: &DnsName, facts: &Facts) -> Form {
    if dns.load_balancers.is_empty() {
        return Form::Cname;
    }
    let of = |kind: Kind| facts.records.iter().filter(move |record| record.kind == kind);
    let wanted =
        dns.records.unwrap_or(if of(Kind::Cname).next().is_some() { AsRecords::Cname } else { AsRecords::Alias });
    if wanted == AsRecords::Cname {
        return Form::Cname;
    }
    let mut types: Vec<String> = of(Kind::Alias).map(|record| record.said.clone()).collect();
    types.sort();
    types.dedup();
    match types.as_slice() {
        [] if !facts.balancers.is_empty() && facts.balancers.iter().all(|it| it.dual_stack) => {
            Form::Alias(vec!["A".into(), "AAAA".into()])
        }
        [] => Form::Alias(vec!["A".into()]),
        _ => Form::Alias(types),
    }
}

fn zone(dns: &DnsName, facts: &Facts, form: &Form, problems: &mut Vec<String>) {
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
        if *form == Form::Cname {
            let or = if dns.load_balancers.is_empty() { "" } else { ", or `records: alias`" };
            problems.push(format!(
                "{} is the apex of its zone, which can have no CNAME. Use a name below it, such as www.{}{or}.",
                dns.name, dns.name
            ));
        }
    } else if !name.ends_with(&format!(".{}", zone.name)) {
        problems.push(format!(
            "{} is not in the hosted zone {}, which is {}. Correct routing.dns.name or routing.dns.zone.",
            dns.name, dns.zone, zone.name
        ));
    }
}

/// Records that are none of ours and not to be made so.
fn unlike(name: &str, of: &Records, sides: &[Side], what: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let name = name.trim_end_matches('.');
    let ours = |record: &Record| {
        record.target().is_some_and(|target| sides.len() < 2 || sides.iter().any(|side| side.target == target))
    };
    for record in &of.before {
        let says = record.says();
        if record.kind == Kind::Other && of.form == Form::Cname {
            problems.push(format!(
                "{name} has a record {says}beside which there can be no CNAME. Delete it, or choose another name.",
                says = if record.values.is_empty() { format!("{} ", record.said) } else { format!("{says}, ") }
            ));
        } else if !record.overrides().is_empty() {
            problems.push(format!(
                "The record {says} of {name} has {}, by which Route 53 may answer against the weights. Take it off.",
                record.overrides().join(", ")
            ));
        } else if !ours(record) {
            problems.push(format!(
                "The record {says} of {name} leads to neither of the two {what} that the document names. Delete it, or \
                 correct routing.dns.",
            ));
        }
    }
    let targets: Vec<(&String, Option<String>)> = of.before.iter().map(|it| (&it.said, it.target())).collect();
    if problems.is_empty() && (1..targets.len()).any(|i| targets[..i].contains(&targets[i])) {
        problems.push(format!("{name} has several records that lead to the same of two {what}. Leave one of them."));
    }
    problems
}

/// Records of several types that share out the look-ups in different ways: who asks for one of them would be sent elsewhere.
fn uneven(dns: &DnsName, records: &[Record]) -> Option<String> {
    let mut types: BTreeMap<&str, BTreeMap<Option<String>, Option<u32>>> = BTreeMap::new();
    for record in records {
        types.entry(&record.said).or_default().insert(record.target(), record.weight);
    }
    let first = types.values().next()?;
    types.values().any(|other| other != first).then(|| {
        let each = records.iter().map(|it| format!("{} {}", it.says(), it.weight.map_or("simple".into(), |it| it.to_string())));
        format!(
            "The records of {} of different types share out the look-ups in different ways: {}. Give those of each type the same weights.",
            dns.name,
            each.collect::<Vec<_>>().join(", ")
        )
    })
}

/// The lanes of a name, one for each pool of a side: the side with the traffic is production. Without records it is where a fleet of ours
/// runs (`occupied`), or, where none does, the second one, so that the first deployment takes the first (K31).
///
/// # Errors
/// `PreflightFailed` when both sides have traffic, or neither has.
pub fn lanes(on: &str, records: &Records, split: &Split, occupied: &[String]) -> Result<Vec<Lane>> {
    let [first, second] = records.sides.as_slice() else {
        return Err(refuse(format!("{} has {} sides, expected two.", records.name, records.sides.len())));
    };
    let of = |production: &Side, test: &Side| {
        let lane = |(production, test): (&String, &String)| {
            let by = Movement::Weights { on: on.into() };
            Lane { production: production.clone(), test: test.clone(), by }
        };
        production.pools.iter().zip(&test.pools).map(lane).collect()
    };
    let weight = |side: &Side| side.pools.first().map_or(0, |pool| split.weight(pool));
    let here = |side: &Side| side.pools.iter().any(|pool| occupied.contains(pool));
    Ok(match (weight(first), weight(second)) {
        _ if split.routes.is_empty() && here(first) => of(first, second),
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
                records.in_words(&split.routes)
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
    use crate::kinds::elb::short;

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
        Facts {
            zone,
            records,
            registries: vec![registry(BLUE, "blue"), registry(GREEN, "green")],
            balancers: Vec::new(),
        }
    }

    fn dns() -> DnsName {
        DnsName {
            name: "shop.example.com".into(),
            zone: "Z1".into(),
            services: vec![CloudMapService(BLUE.into()), CloudMapService(GREEN.into())],
            load_balancers: Vec::new(),
            records: None,
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
        assert!(notes.concat().contains("with few resolvers the split is coarse"), "{notes:?}");
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
            lanes("dns:Z1/shop.example.com", &records, &split, occupied).map(|all| short(&all[0].production).to_owned())
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
