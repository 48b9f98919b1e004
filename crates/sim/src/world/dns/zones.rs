//! Hosted zones: their records, what AWS accepts as a change, and how it spreads.

use std::collections::BTreeMap;

use super::full;
use crate::world::{Refusal, World};

/// One record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// Its name, in lower case and with its final dot.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// What tells it from others of the same name and type.
    pub identifier: Option<String>,
    /// Its weight.
    pub weight: Option<u32>,
    /// How long resolvers may keep it, in seconds.
    pub ttl_seconds: Option<u64>,
    /// Its values.
    pub values: Vec<String>,
    /// What it is an alias of.
    pub alias: Option<AliasTarget>,
    /// What else it has: the names of elements, and what stands in them.
    pub besides: BTreeMap<String, String>,
}

/// What an alias leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasTarget {
    /// The hosted zone of the resource.
    pub zone: String,
    /// The resource's name.
    pub name: String,
    /// Whether its health counts.
    pub evaluates: bool,
}

impl RecordSet {
    /// The name that it leads to, in lower case and with its final dot.
    pub(crate) fn leads_to(&self) -> Option<String> {
        self.alias.as_ref().map(|alias| &alias.name).or(self.values.first()).map(|name| bare(name))
    }

    /// Whether it shares out the look-ups of its name.
    pub(crate) fn shares(&self) -> bool {
        ["A", "AAAA", "CNAME"].contains(&self.kind.as_str())
    }
}

/// A name as zones have it, without what asks for all kinds of addresses of a load balancer.
fn bare(name: &str) -> String {
    let name = full(name);
    name.strip_prefix("dualstack.").map(str::to_owned).unwrap_or(name)
}

/// The records of a zone since a change of them.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Since when some name servers have them, and since when all of them do.
    pub(crate) since: (u64, u64),
    pub(crate) records: Vec<RecordSet>,
}

/// A hosted zone.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its id.
    pub id: String,
    /// Its name, in lower case and with its final dot.
    pub name: String,
    /// Who manages it, when nobody else may.
    pub managed: Option<String>,
    /// The VPCs that can see it; none when everybody can.
    pub vpcs: Option<Vec<String>>,
    /// How long resolvers remember that there is nothing of a name, in seconds.
    pub negative_seconds: u64,
    /// The last changes, the oldest first. The last of them is what is listed.
    pub(crate) versions: Vec<Version>,
}

/// How many changes back a name server may be.
const KEPT: usize = 6;

impl Zone {
    /// Its records, with changes that are still spreading.
    pub fn records(&self) -> &[RecordSet] {
        self.versions.last().map_or(&[], |version| &version.records)
    }
}

fn invalid(message: String) -> Refusal {
    Refusal::new(400, "InvalidChangeBatch", &format!("[{message}]"))
}

impl World {
    /// Adds a hosted zone. Answers its id.
    pub fn add_zone(&mut self, name: &str, vpcs: Option<&[&str]>) -> String {
        let id = format!("Z{}", self.hex(20).to_ascii_uppercase());
        let zone = Zone {
            id: id.clone(),
            name: full(name),
            managed: None,
            vpcs: vpcs.map(|vpcs| vpcs.iter().map(|&vpc| vpc.to_owned()).collect()),
            negative_seconds: 60,
            versions: Vec::new(),
        };
        self.dns.zones.insert(id.clone(), zone);
        id
    }

    /// A zone, to set up what nobody may change through the API.
    pub fn zone_mut(&mut self, id: &str) -> Option<&mut Zone> {
        self.dns.zones.get_mut(id)
    }

    /// The records of a name, as they are listed.
    pub fn records(&self, zone: &str, name: &str) -> Vec<RecordSet> {
        let of_zone = self.dns.zones.get(zone).map_or(&[][..], Zone::records);
        of_zone.iter().filter(|record| record.name == full(name)).cloned().collect()
    }

    /// Replaces the records of a name at once and everywhere, as a human with the console would, a while ago.
    pub fn set_records(&mut self, zone: &str, name: &str, records: &[RecordSet]) {
        let now = self.now;
        let Some(zone) = self.dns.zones.get_mut(zone) else { return };
        let mut all: Vec<RecordSet> = zone.records().iter().filter(|it| it.name != full(name)).cloned().collect();
        all.extend(records.iter().cloned());
        zone.versions = vec![Version { since: (now, now), records: all }];
        self.traffic.reroute();
        self.settle();
    }

    /// Whether Route 53 answers another request.
    pub(crate) fn admit_to_route_53(&mut self) -> Result<(), Refusal> {
        let since = (self.now + 1).saturating_sub(1000);
        while self.dns.requests.front().is_some_and(|at| *at < since) {
            self.dns.requests.pop_front();
        }
        if self.dns.requests.len() >= self.settings.dns.requests_per_second {
            return Err(Refusal::new(400, "Throttling", "Rate exceeded"));
        }
        self.dns.requests.push_back(self.now);
        Ok(())
    }

    /// A hosted zone.
    pub(crate) fn hosted_zone(&self, id: &str) -> Result<&Zone, Refusal> {
        let missing = || Refusal::new(404, "NoSuchHostedZone", &format!("No hosted zone found with ID: {id}"));
        self.dns.zones.get(id).ok_or_else(missing)
    }

    /// Makes all these changes, or none. Answers the change's id.
    pub(crate) fn change_records(&mut self, zone: &str, changes: &[(String, RecordSet)]) -> Result<String, Refusal> {
        let (now, busy) = (self.now, self.settings.dns.busy_millis);
        let of = self.hosted_zone(zone)?;
        if of.managed.is_some() {
            let message = format!("The resource hostedzone/{zone} can only be managed through AWS Cloud Map");
            return Err(Refusal::new(403, "AccessDenied", &message));
        }
        if of.versions.last().is_some_and(|version| now < version.since.0 + busy && version.since.1 > version.since.0) {
            let message = "The request was rejected because Route 53 was still processing a prior request.";
            return Err(Refusal::new(400, "PriorRequestNotComplete", message));
        }
        let (name, mut records) = (of.name.clone(), of.records().to_vec());
        for (action, record) in changes {
            if action != "DELETE" {
                self.lies_within(record)?;
            }
            change(&name, &mut records, action, record)?;
        }
        let all = now + self.between(self.settings.dns.spread_millis);
        let id = format!("C{}", self.hex(16).to_ascii_uppercase());
        if let Some(of) = self.dns.zones.get_mut(zone) {
            of.versions.push(Version { since: (now, all), records });
            let old = of.versions.len().saturating_sub(KEPT);
            of.versions.drain(..old);
        }
        self.dns.changes.insert(id.clone(), all);
        self.traffic.reroute();
        Ok(id)
    }

    /// Whether a change has reached every name server.
    pub(crate) fn has_spread(&self, change: &str) -> Result<bool, Refusal> {
        let missing = || Refusal::new(404, "NoSuchChange", &format!("Could not find resource with ID: {change}"));
        self.dns.changes.get(change).map(|at| *at <= self.now).ok_or_else(missing)
    }

    /// An alias leads to a resource that there is, in its own zone.
    fn lies_within(&self, record: &RecordSet) -> Result<(), Refusal> {
        let Some(alias) = &record.alias else { return Ok(()) };
        let found = self.balancers.values().find(|it| it.dns_name(&self.region) == bare(&alias.name));
        let why = match found {
            Some(balancer) if balancer.zone() == alias.zone => return Ok(()),
            Some(_) => "the alias target name does not lie within the target zone",
            None => "that target was not found",
        };
        Err(invalid(format!(
            "Tried to create an alias that targets {}, type {} in zone {}, but {why}",
            alias.name, record.kind, alias.zone
        )))
    }

    /// The weights of a name's records by what is behind them: a Cloud Map service, or what a load balancer forwards to.
    pub(crate) fn name_weights(&self, on: &str) -> Option<Vec<(String, u32)>> {
        let (zone, name) = on.strip_prefix("dns:")?.split_once('/')?;
        let mut weights: Vec<(String, u32)> = Vec::new();
        for record in self.records(zone, name).iter().filter(|record| record.shares()) {
            let Some(leads_to) = record.leads_to() else { continue };
            let pools = match (self.map_service_called(&leads_to), self.balancer_called(&leads_to)) {
                (Some(service), _) => vec![service.arn.clone()],
                (None, Some(balancer)) => self.forwarded_by(&balancer.arn),
                (None, None) => vec![leads_to],
            };
            for pool in pools {
                let weight = (pool, record.weight.unwrap_or(1));
                if !weights.contains(&weight) {
                    weights.push(weight);
                }
            }
        }
        Some(weights)
    }
}

/// Makes one change, with everything that AWS checks of it.
fn change(zone: &str, records: &mut Vec<RecordSet>, action: &str, record: &RecordSet) -> Result<(), Refusal> {
    let RecordSet { name, kind, identifier, .. } = record;
    if !(name == zone || name.ends_with(&format!(".{zone}"))) {
        return Err(invalid(format!("RRSet with DNS name {name} is not permitted in zone {zone}")));
    }
    if kind == "CNAME" && name == zone {
        return Err(invalid(format!(
            "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"
        )));
    }
    let named = |it: &RecordSet| it.name == *name && it.kind == *kind && it.identifier == *identifier;
    let said = match identifier {
        Some(identifier) => format!("name='{name}', type='{kind}', set-identifier='{identifier}'"),
        None => format!("name='{name}', type='{kind}'"),
    };
    let at = records.iter().position(named);
    match (action, at) {
        ("DELETE", None) => {
            return Err(invalid(format!("Tried to delete resource record set [{said}] but it was not found")));
        }
        ("DELETE", Some(at)) if records[at] != *record => {
            return Err(invalid(format!(
                "Tried to delete resource record set [{said}] but the values provided do not match the current values"
            )));
        }
        ("DELETE", Some(at)) => drop(records.remove(at)),
        ("CREATE", Some(_)) => {
            return Err(invalid(format!("Tried to create resource record set [{said}] but it already exists")));
        }
        ("CREATE" | "UPSERT", at) => {
            if let Some(at) = at {
                records.remove(at);
            }
            valid(zone, records, record)?;
            // A TTL that is given for one member of a group is every other's, too.
            let of_group = |it: &&mut RecordSet| it.name == *name && it.kind == *kind && it.alias.is_none();
            for other in records.iter_mut().filter(of_group).filter(|_| record.alias.is_none()) {
                other.ttl_seconds = record.ttl_seconds;
            }
            records.push(record.clone());
        }
        _ => return Err(Refusal::new(400, "InvalidInput", &format!("Invalid action {action}"))),
    }
    Ok(())
}

fn valid(zone: &str, others: &[RecordSet], record: &RecordSet) -> Result<(), Refusal> {
    let RecordSet { name, kind, identifier, weight, ttl_seconds, values, alias, besides } = record;
    let mut of_name = others.iter().filter(|it| it.name == *name);
    if of_name.clone().any(|it| (it.kind == "CNAME") != (kind == "CNAME")) {
        return Err(invalid(format!(
            "RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records with the same DNS name in \
             zone {zone}"
        )));
    }
    if of_name.any(|it| it.kind == *kind && it.identifier.is_some() != identifier.is_some()) {
        return Err(invalid(format!(
            "RRSet with DNS name {name}, type {kind}, SetIdentifier {} cannot be created as other RRSets exist with the same name and \
             type.",
            identifier.as_deref().unwrap_or("null")
        )));
    }
    if identifier.is_some() != (weight.is_some() || !besides.is_empty()) {
        return Err(Refusal::new(400, "InvalidInput", "Invalid request: a SetIdentifier needs a routing policy"));
    }
    if weight.is_some_and(|weight| weight > 255) {
        return Err(Refusal::new(
            400,
            "InvalidInput",
            "Value at 'weight' failed to satisfy constraint: Member must be less than 256",
        ));
    }
    let plain = (ttl_seconds.is_some() && !values.is_empty(), ttl_seconds.is_none() && values.is_empty());
    if plain != (alias.is_none(), alias.is_some()) {
        return Err(Refusal::new(
            400,
            "InvalidInput",
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and \
             ResourceRecords], or TrafficPolicyInstanceId]",
        ));
    }
    if kind == "CNAME" && values.len() > 1 {
        return Err(invalid(format!("RRSet of type CNAME with DNS name {name} may only contain a single value")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &str, weight: Option<u32>) -> RecordSet {
        RecordSet {
            name: "shop.example.com.".into(),
            kind: "CNAME".into(),
            identifier: weight.map(|_| value.to_owned()),
            weight,
            ttl_seconds: Some(60),
            values: vec![value.into()],
            alias: None,
            besides: BTreeMap::new(),
        }
    }

    fn world() -> (World, String) {
        let mut world = World::new(1, 1_000_000);
        let zone = world.add_zone("example.com", None);
        (world, zone)
    }

    fn with(action: &str, record: RecordSet) -> (String, RecordSet) {
        (action.into(), record)
    }

    #[test]
    fn p96_a_batch_that_deletes_what_is_not_there_changes_nothing() {
        let (mut world, zone) = world();
        world.change_records(&zone, &[with("CREATE", record("a", Some(100)))]).unwrap();
        world.advance(2_000_000);
        let stale = [with("DELETE", record("a", Some(90))), with("CREATE", record("b", Some(1)))];
        let refused = world.change_records(&zone, &stale).unwrap_err();
        assert_eq!(refused.code, "InvalidChangeBatch");
        assert!(refused.message.contains("do not match the current values"), "{}", refused.message);
        assert_eq!(world.records(&zone, "shop.example.com"), [record("a", Some(100))]);
        let right = [with("DELETE", record("a", Some(100))), with("CREATE", record("a", Some(0)))];
        let change = world.change_records(&zone, &right).unwrap();
        assert_eq!(world.records(&zone, "shop.example.com")[0].weight, Some(0), "a list shows what is pending");
        assert!(!world.has_spread(&change).unwrap());
        world.advance(2_060_001);
        assert!(world.has_spread(&change).unwrap());
    }

    #[test]
    fn an_alias_leads_to_a_load_balancer_in_its_own_zone_and_has_no_ttl() {
        let (mut world, zone) = world();
        let arn = world.add_load_balancer("shop");
        let (name, of) = (world.balancers[&arn].dns_name(&world.region), world.balancers[&arn].zone().to_owned());
        let alias = |name: &str, zone: &str| RecordSet {
            kind: "A".into(),
            ttl_seconds: None,
            values: Vec::new(),
            alias: Some(AliasTarget { zone: zone.into(), name: name.into(), evaluates: false }),
            ..record("shop", Some(100))
        };
        let mut make = |record| world.change_records(&zone, &[with("CREATE", record)]);
        let refused = |answer: Result<String, Refusal>| answer.unwrap_err().message;
        assert!(refused(make(alias(&name, "ZOTHER"))).contains("does not lie within the target zone"));
        assert!(refused(make(alias("gone.elb.amazonaws.com.", &of))).contains("not found"));
        let kept = RecordSet { ttl_seconds: Some(60), ..alias(&name, &of) };
        assert!(refused(make(kept)).contains("Expected exactly one of"));
        make(alias(&format!("dualstack.{name}"), &of)).unwrap();
    }

    #[test]
    fn p97_a_ttl_that_is_given_for_one_is_the_others_too() {
        let (mut world, zone) = world();
        let slow = RecordSet { ttl_seconds: Some(300), ..record("a", Some(100)) };
        world.change_records(&zone, &[with("CREATE", slow), with("CREATE", record("b", Some(0)))]).unwrap();
        let ttls: Vec<_> = world.records(&zone, "shop.example.com").iter().map(|it| it.ttl_seconds).collect();
        assert_eq!(ttls, [Some(60), Some(60)]);
    }

    #[test]
    fn p65_a_zone_that_is_busy_and_an_account_that_asks_too_often_are_refused() {
        let (mut world, zone) = world();
        world.change_records(&zone, &[with("CREATE", record("a", Some(1)))]).unwrap();
        let refused = world.change_records(&zone, &[with("CREATE", record("b", Some(1)))]).unwrap_err();
        assert_eq!(refused.code, "PriorRequestNotComplete");
        for _ in 0..5 {
            world.admit_to_route_53().unwrap();
        }
        assert_eq!(world.admit_to_route_53().unwrap_err().code, "Throttling");
        world.advance(1_001_001);
        world.admit_to_route_53().unwrap();
    }

    #[test]
    fn what_contradicts_is_refused() {
        let (mut world, zone) = world();
        world.change_records(&zone, &[with("CREATE", record("a", None))]).unwrap();
        world.advance(2_000_000);
        let mut refuse =
            |record: RecordSet| world.change_records(&zone, &[with("UPSERT", record)]).unwrap_err().message;
        assert!(refuse(record("a", Some(1))).contains("cannot be created as other RRSets exist"));
        let address = RecordSet { kind: "A".into(), ..record("10.0.0.1", None) };
        assert!(refuse(address).contains("is not permitted as it conflicts"));
        assert!(refuse(RecordSet { name: "example.com.".into(), ..record("a", None) }).contains("apex"));
        world.zone_mut(&zone).unwrap().managed = Some("Cloud Map".into());
        let refused = world.change_records(&zone, &[with("CREATE", record("b", None))]).unwrap_err();
        assert!(refused.message.contains("can only be managed through AWS Cloud Map"));
    }
}
