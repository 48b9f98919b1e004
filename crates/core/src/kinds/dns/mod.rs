//! Names in DNS whose weighted records are a switch: what the document says of one, and how it and its pools are called.
//!
//! What it owns: [`Records`] with every decision about the records of a name (what they are, what is written in which batch, how
//! long resolvers and clients may keep to the ones before), and [`examine`], what is refused.
//!
//! What it must never do: ask anybody. Zones, records and Cloud Map services come as they were read.

mod examine;
mod records;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use examine::{Facts, Registry, Zone, examine, lane};
pub use records::{Batch, Kind, PROPAGATION_SECONDS, Record, Records, Side};

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
    /// The id of the hosted zone in which the records of the name are. It is one of your own: nobody but Cloud Map changes the zone of a
    /// namespace.
    #[schemars(
        regex(pattern = r"^Z[A-Z0-9]{1,31}$"),
        extend("x-expected" = "the id of a hosted zone: `Z` and letters and digits, as `aws route53 list-hosted-zones` shows it"),
        example = &"Z0123456789EXAMPLE"
    )]
    pub zone: String,
    /// The two Cloud Map services that are used in turn, by ARN. The first deployment takes the first.
    #[schemars(length(min = 2, max = 2))]
    pub services: Vec<CloudMapService>,
    /// How long resolvers may keep the records, in seconds. Default: what the records have; 60 where there are none.
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

/// How the id of a switch begins that is a name.
const PREFIX: &str = "dns:";

impl DnsName {
    /// The name as zones have it: in lower case, with the final dot.
    pub fn full(&self) -> String {
        full(&self.name)
    }

    /// Its pools, by ARN.
    pub fn pools(&self) -> impl Iterator<Item = String> {
        self.services.iter().map(|service| service.0.clone())
    }

    /// The switch: whoever names the same records has the same.
    pub fn on(&self) -> String {
        format!("{PREFIX}{}/{}", self.zone, self.full().trim_end_matches('.'))
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

/// Whether a pool is a Cloud Map service.
pub fn is_registry(pool: &str) -> bool {
    pool.contains(":servicediscovery:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_the_same_records_has_the_same_switch() {
        let named = |name: &str| DnsName {
            name: name.into(),
            zone: "Z1".into(),
            services: Vec::new(),
            ttl_seconds: None,
            client_cache_seconds: 0,
        };
        assert_eq!(named("Shop.Example.com.").on(), named("shop.example.com").on());
        assert_eq!(name_of(&named("Shop.Example.com.").on()), Some("shop.example.com"));
        assert_eq!(name_of("arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/a/b/c"), None);
        assert_eq!(named("shop.example.com").full(), "shop.example.com.");
    }
}
