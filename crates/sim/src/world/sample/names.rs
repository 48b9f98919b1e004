//! The sample's name in DNS, and the Cloud Map services that it leads to.

use std::collections::BTreeMap;

use super::routes::requests;
use super::{Name, ShopOptions};
use crate::world::World;
use crate::world::dns::RecordSet;

/// The VPC of the shop.
const VPC: &str = "vpc-0123456789abcdef0";
/// The shop's name.
const SHOP: &str = "shop.example.com";

/// A name with what it leads to.
pub(super) struct Named {
    pub(super) name: Name,
    /// The Cloud Map service that has all traffic, and the one that has none.
    pub(super) services: [String; 2],
}

/// Adds the zones, the Cloud Map services and, when there is a running revision, the records.
pub(super) fn add(world: &mut World, options: &ShopOptions) -> Named {
    let how = options.records;
    let zone = world.add_zone("example.com", Some(&[VPC]));
    let namespace = world.add_namespace("shop.internal", &[VPC], how.negative_seconds);
    let kind = if how.srv { "SRV" } else { "A" };
    let services = ["blue", "green"].map(|name| world.add_map_service(&namespace, name, kind, 20));
    let managed = world.dns.namespaces.get(&namespace).map(|it| it.zone.clone()).unwrap_or_default();
    if options.instances > 0 {
        let record = |name: &str, weight: u32| RecordSet {
            name: format!("{SHOP}."),
            kind: "CNAME".into(),
            identifier: (!how.simple).then(|| format!("Harness-{name}")),
            weight: (!how.simple).then_some(weight),
            ttl_seconds: Some(how.ttl_seconds),
            values: vec![format!("{}.shop.internal", name.to_lowercase())],
            besides: BTreeMap::new(),
        };
        let records = [record("Blue", 100), record("Green", 0)];
        world.set_records(&zone, SHOP, &records[..if how.simple { 1 } else { 2 }]);
    }
    let on = format!("dns:{zone}/{SHOP}");
    Named { name: Name { name: SHOP.into(), zone, on, managed }, services }
}

impl Named {
    /// Lets requests arrive. Answers the number of their source.
    pub(super) fn open(&self, world: &mut World, options: &ShopOptions) -> usize {
        let source = requests(&self.name.on, None, options);
        let keeps = options.records.client_cache_seconds * 1000;
        world.add_name_traffic(&self.name.on, source, keeps, options.instances > 0)
    }
}
