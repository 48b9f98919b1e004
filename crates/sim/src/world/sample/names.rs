//! The sample's name in DNS, and what it leads to: Cloud Map services, or the load balancers of two stacks.

use std::collections::BTreeMap;

use super::routes::{Front, requests};
use super::{Name, Records, ShopOptions};
use crate::world::World;
use crate::world::dns::{AliasTarget, Door, RecordSet};

/// The VPC of the shop.
const VPC: &str = "vpc-0123456789abcdef0";
/// The shop's name.
const SHOP: &str = "shop.example.com";

/// A name with what it leads to.
pub(super) struct Named {
    pub(super) name: Name,
    /// The Cloud Map service or target group that has all traffic, and the one that has none.
    pub(super) pools: [String; 2],
    doors: Vec<Door>,
}

/// Adds the zones, the Cloud Map services and, when there is a running revision, the records.
pub(super) fn add(world: &mut World, options: &ShopOptions) -> Named {
    let how = options.records;
    let zone = world.add_zone("example.com", Some(&[VPC]));
    let namespace = world.add_namespace("shop.internal", &[VPC], how.negative_seconds);
    let kind = if how.srv { "SRV" } else { "A" };
    let services = ["blue", "green"].map(|name| world.add_map_service(&namespace, name, kind, 20));
    let managed = world.dns.namespaces.get(&namespace).map(|it| it.zone.clone()).unwrap_or_default();
    let leads_to = ["Blue", "Green"].map(|name| RecordSet {
        identifier: Some(format!("Harness-{name}")),
        values: vec![format!("{}.shop.internal", name.to_lowercase())],
        ..cname(how)
    });
    record(world, &zone, options, vec![leads_to]);
    Named { name: name(zone, managed), pools: services, doors: Vec::new() }
}

/// The same for two stacks, in a zone that everybody sees.
pub(super) fn of_stacks(world: &mut World, options: &ShopOptions, stacks: [&Front; 2]) -> Named {
    let how = options.records;
    let zone = world.add_zone("example.com", None);
    let leads_to = |world: &mut World, kind: &str| {
        stacks.map(|stack| {
            let balancer = world.balancers.get_mut(&stack.load_balancer);
            let (at, of) = balancer.map_or_else(Default::default, |balancer| {
                balancer.dual_stack = how.dual_stack;
                (balancer.name.clone(), balancer.zone())
            });
            let target =
                world.balancers.get(&stack.load_balancer).map(|it| it.dns_name(&world.region)).unwrap_or_default();
            let plain = RecordSet { identifier: Some(at), values: vec![target.clone()], ..cname(how) };
            match how.cname {
                true => plain,
                false => RecordSet {
                    kind: kind.to_owned(),
                    ttl_seconds: None,
                    values: Vec::new(),
                    // As the console writes it.
                    alias: Some(AliasTarget {
                        zone: of.to_owned(),
                        name: format!("dualstack.{target}"),
                        evaluates: false,
                    }),
                    ..plain
                },
            }
        })
    };
    let mut groups = vec![leads_to(world, "A")];
    if how.dual_stack && !how.cname {
        groups.push(leads_to(world, "AAAA"));
    }
    record(world, &zone, options, groups);
    let pools = stacks.map(|stack| stack.production().to_owned());
    Named { name: name(zone, String::new()), pools, doors: stacks.map(Front::entrance).to_vec() }
}

fn name(zone: String, managed: String) -> Name {
    let on = format!("dns:{zone}/{SHOP}");
    Name { name: SHOP.into(), zone, on, managed }
}

fn cname(how: Records) -> RecordSet {
    RecordSet {
        name: format!("{SHOP}."),
        kind: "CNAME".into(),
        identifier: None,
        weight: None,
        ttl_seconds: Some(how.ttl_seconds),
        values: Vec::new(),
        alias: None,
        besides: BTreeMap::new(),
    }
}

/// When there is a running revision, the first of each two gets everything.
fn record(world: &mut World, zone: &str, options: &ShopOptions, groups: Vec<[RecordSet; 2]>) {
    if options.instances == 0 {
        return;
    }
    let weighted = |[first, second]: [RecordSet; 2]| match options.records.simple {
        true => vec![RecordSet { identifier: None, ..first }],
        false => vec![RecordSet { weight: Some(100), ..first }, RecordSet { weight: Some(0), ..second }],
    };
    let records: Vec<RecordSet> = groups.into_iter().flat_map(weighted).collect();
    world.set_records(zone, SHOP, &records);
}

impl Named {
    /// Lets requests arrive. Answers the number of their source.
    pub(super) fn open(&self, world: &mut World, options: &ShopOptions) -> usize {
        let source = requests(&self.name.on, None, options);
        let keeps = options.records.client_cache_seconds * 1000;
        world.add_name_traffic(&self.name.on, source, keeps, options.instances > 0, self.doors.clone())
    }
}
