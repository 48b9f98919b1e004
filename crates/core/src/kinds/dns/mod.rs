//! Names in DNS whose weighted records are a switch: what the document says of one, and how it and its pools are called.
//!
//! What it owns: [`Records`] with every decision about the records of a name (what they are, what is written in which batch, how
//! long resolvers and clients may keep to the ones before), and [`examine`], what is refused.
//!
//! What it must never do: ask anybody. Zones, records, Cloud Map services and load balancers come as they were read.

mod balancers;
mod examine;
mod others;
mod records;
mod registries;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::elb::{TargetGroupArn, is_network, short};
use crate::lane::Lane;

pub use balancers::{Balancer, Listens, behind};
pub use examine::{Facts, Zone, examine, lanes};
pub use others::others;
pub use records::{Alias, Batch, Form, Kind, PROPAGATION_SECONDS, Record, Records, Side};
pub use registries::Registry;

/// A name whose weighted records share out the requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DnsName {
    /// The whole name that the users ask for, with its zone.
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?$"),
        length(max = 254),
        extend("x-expected" = "a whole name with its zone, `shop.example.com`"),
        example = &"shop.example.com"
    )]
    pub name: String,
    /// The hosted zone in which the records of the name are, by its id, or by its name where no other one has it. It is one of your own:
    /// nobody but Cloud Map changes the zone of a namespace.
    #[schemars(
        regex(pattern = r"^(Z[A-Z0-9]{1,31}|([A-Za-z0-9_-]{1,63}\.)+([A-Za-z0-9-]{1,63}\.?)?)$"),
        length(max = 254),
        extend("x-expected" = "the id of a hosted zone, `Z` and letters and digits, as `aws route53 list-hosted-zones` shows it, or its name, `example.com`"),
        example = &"Z0123456789EXAMPLE"
    )]
    pub zone: String,
    /// The two Cloud Map services that are used in turn, by ARN. The first deployment takes the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 2, max = 2))]
    pub services: Vec<CloudMapService>,
    /// The two load balancers that are used in turn. The first deployment takes the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 2, max = 2))]
    pub load_balancers: Vec<LoadBalancer>,
    /// What the records of load balancers are made. Default: what they are; aliases where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<AsRecords>,
    /// How long resolvers may keep the records, in seconds. Default: what the records have; 60 where there are none. Those of aliases
    /// AWS decides on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub ttl_seconds: Option<u32>,
    /// For how much longer than DNS allows clients keep to an address, in seconds: a JVM's cache, connections that are kept open.
    #[serde(default = "client_cache")]
    #[schemars(range(min = 0, max = 86400))]
    pub client_cache_seconds: u32,
}

fn client_cache() -> u32 {
    60
}

/// The ARN of a Cloud Map service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CloudMapService(
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:servicediscovery:[a-z0-9-]+:[0-9]{12}:service/srv-[a-z0-9]{1,64}$"),
        extend("x-expected" = "the ARN of a Cloud Map service, `arn:aws:servicediscovery:REGION:ACCOUNT:service/srv-ID`")
    )]
    pub String,
);

/// What the records of a name are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AsRecords {
    /// Aliases, which stand for the addresses of a load balancer: at the apex of a zone, too.
    Alias,
    /// Other names, which are looked up in turn.
    Cname,
}

/// A load balancer, and the target groups behind it in which fleets stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancer {
    /// Its ARN.
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:loadbalancer/(app|net)/[^/]+/[0-9a-f]+$"),
        extend("x-expected" = "the ARN of an Application or Network Load Balancer, `arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID`")
    )]
    pub arn: String,
    /// The target groups that its rules or listeners forward to. Those of the other load balancer take their places one by one, in this
    /// order.
    #[schemars(length(min = 1, max = 20))]
    pub target_groups: Vec<TargetGroupArn>,
}

/// How the id of a switch begins that is a name.
const PREFIX: &str = "dns:";

impl DnsName {
    /// The name as zones have it: in lower case, with the final dot.
    pub fn full(&self) -> String {
        full(&self.name)
    }

    /// Its pools, by ARN.
    pub fn pools(&self) -> impl Iterator<Item = String> {
        let behind = self.load_balancers.iter().flat_map(|balancer| &balancer.target_groups).map(|arn| arn.0.clone());
        self.services.iter().map(|service| service.0.clone()).chain(behind)
    }

    /// What contradicts itself: the field, what is wrong, and what to do.
    pub(crate) fn contradictions(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut found = Vec::new();
        let mut report = |field, what: &str, fix| found.push((field, what.to_owned(), fix));
        match (self.services.is_empty(), self.load_balancers.as_slice()) {
            (true, []) => report("", "it leads nowhere", "Name two of `loadBalancers`, or of Cloud Map's `services`."),
            (false, [_, ..]) => report("", "it leads to services and to load balancers", "Leave out one of both."),
            _ => {}
        }
        if let [first, .., last] = self.services.as_slice()
            && first == last
        {
            report(".services", "it names one service twice", "Name two, which are used in turn.");
        }
        if let [first, second] = self.load_balancers.as_slice() {
            if first.arn == second.arn {
                report(".loadBalancers", "it names one load balancer twice", "Name two, which are used in turn.");
            }
            if first.target_groups.len() != second.target_groups.len() {
                let what = format!(
                    "{} target groups behind one and {} behind the other",
                    first.target_groups.len(),
                    second.target_groups.len()
                );
                report(".loadBalancers", &what, "Name one of the other for each, in the same order.");
            }
            if let Some(twice) = self.pools().find(|pool| self.pools().filter(|it| it == pool).count() > 1) {
                let what = format!("it names the target group {} twice", short(&twice));
                report(".loadBalancers", &what, "Give each load balancer target groups of its own.");
            }
        }
        if self.load_balancers.is_empty() && self.records.is_some() {
            report(".records", "records of Cloud Map services are always CNAMEs", "Leave it out.");
        }
        if self.records == Some(AsRecords::Alias) && self.ttl_seconds.is_some() {
            report(".ttlSeconds", "AWS decides on the TTL of an alias", "Leave it out, or use `records: cname`.");
        }
        found
    }

    /// The name of its zone, where that is not named by its id.
    pub fn zone_name(&self) -> Option<String> {
        self.zone.contains('.').then(|| full(&self.zone))
    }

    /// The switch: whoever names the same records has the same.
    pub fn on(&self) -> String {
        format!("{PREFIX}{}/{}", self.zone, self.full().trim_end_matches('.'))
    }
}

/// A hosted zone of a name: its id, and whether only VPCs see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// Whether it is private.
    pub private: bool,
}

/// The one zone of those of a name.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn the_zone(name: &str, zones: &[Known]) -> Result<String, String> {
    let name = name.trim_end_matches('.');
    match zones {
        [one] => Ok(one.id.clone()),
        [] => Err(format!(
            "there is no hosted zone {name} in this account. Look zones up with `aws route53 list-hosted-zones`, or give its id."
        )),
        several => {
            let each =
                several.iter().map(|it| format!("{} ({})", it.id, if it.private { "private" } else { "public" }));
            Err(format!(
                "there are {} hosted zones {name}: {}. Give the id of one of them.",
                several.len(),
                each.collect::<Vec<_>>().join(", ")
            ))
        }
    }
}

/// A name as zones have it.
pub fn full(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}

/// The name that a switch is, if it is one.
pub fn name_of(on: &str) -> Option<&str> {
    on.strip_prefix(PREFIX)?.split_once('/').map(|(_, name)| name)
}

/// Whether a switch is a name.
pub fn is_name(on: &str) -> bool {
    on.starts_with(PREFIX)
}

/// Why nobody counts the requests that come to a lane by its name; nothing where they are counted, or where it stands behind no name.
pub fn uncounted(lane: &Lane, records: &BTreeMap<String, Records>) -> Option<&'static str> {
    if is_registry(lane.destination()) {
        return Some("a Cloud Map service, which counts no requests");
    }
    let by = lane.switches().into_iter().find_map(|on| records.get(on)?.balancer(lane.destination()));
    by.filter(|balancer| is_network(balancer)).map(|_| "behind a Network Load Balancer, which counts no requests")
}

/// Whether a pool is a Cloud Map service.
pub fn is_registry(pool: &str) -> bool {
    pool.contains(":servicediscovery:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_named_by_its_name_where_no_other_one_has_it() {
        let zone = |id: &str, private| Known { id: id.into(), private };
        assert_eq!(the_zone("example.com.", &[zone("Z1", false)]).unwrap(), "Z1");
        assert!(the_zone("example.com.", &[]).unwrap_err().contains("no hosted zone example.com in this account"));
        let both = the_zone("example.com.", &[zone("Z1", false), zone("Z2", true)]).unwrap_err();
        assert!(both.contains("Z1 (public), Z2 (private)"), "{both}");
    }

    #[test]
    fn whoever_names_the_same_records_has_the_same_switch() {
        let named = |name: &str| DnsName {
            name: name.into(),
            zone: "Z1".into(),
            services: Vec::new(),
            load_balancers: Vec::new(),
            records: None,
            ttl_seconds: None,
            client_cache_seconds: 0,
        };
        assert_eq!(named("Shop.Example.com.").on(), named("shop.example.com").on());
        assert_eq!(name_of(&named("Shop.Example.com.").on()), Some("shop.example.com"));
        assert_eq!(name_of("arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/a/b/c"), None);
        assert_eq!(named("shop.example.com").full(), "shop.example.com.");
    }
}
