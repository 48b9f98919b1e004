//! Who asks: resolvers that keep answers, and that there was none, to the last second, and clients that keep addresses for longer.
//!
//! Nothing here is random: clients take turns among resolvers, resolvers among answers, and which record a resolver is given follows
//! from how many it has been given.

use std::collections::BTreeMap;

use super::zones::Version;
use super::{RecordSet, full};
use crate::world::{Server, World};

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) zone: String,
    pub(crate) name: String,
    /// For how much longer than DNS allows clients keep an address.
    pub(crate) client_cache_millis: u64,
    /// Whether the name has to be there: before the first deployment it has no users.
    pub(crate) needed: bool,
}

/// Where requests arrive at a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// The load balancer's ARN.
    pub balancer: String,
    /// The listener's.
    pub listener: String,
    /// That of the rule that they match; the listener's default action without one.
    pub rule: Option<String>,
}

/// What name servers and Cloud Map know between two changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    versions: Vec<Version>,
    name: String,
    negative_millis: u64,
    /// What names lead to.
    services: BTreeMap<String, Service>,
    /// The load balancers, by their names in DNS.
    balancers: BTreeMap<String, String>,
    registry_millis: u64,
    health_millis: u64,
    resolvers: usize,
}

#[derive(Clone, Debug)]
struct Service {
    arn: String,
    ttl_millis: u64,
    negative_millis: u64,
    instances: Vec<(String, super::MapInstance, Server)>,
}

/// What a resolver or a client keeps, and until when.
#[derive(Clone, Debug)]
struct Kept<T> {
    what: T,
    until: u64,
}

/// A resolver: by name, what it was answered; nothing where there was nothing.
#[derive(Clone, Debug, Default)]
struct Resolver {
    /// The name that the asked one leads to.
    leads_to: Option<Kept<Option<String>>>,
    addresses: BTreeMap<String, Kept<Vec<String>>>,
    given: u64,
}

/// Whom a name was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A task, by the Cloud Map service and its id.
    Task { service: String, task: String },
    /// A load balancer, by its ARN. It keeps its addresses.
    Balancer(String),
}

/// Why nobody was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The name itself, as far as the resolver knows.
    Name,
    /// What it leads to.
    Behind,
}

/// Whoever asks for one name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookup {
    known: Known,
    resolvers: Vec<Resolver>,
    /// By client.
    clients: BTreeMap<usize, Kept<Address>>,
}

impl Lookup {
    /// From now on this is known.
    pub(crate) fn learn(&mut self, known: Known) {
        self.resolvers.resize_with(known.resolvers.max(1), Resolver::default);
        self.known = known;
    }

    /// Where a client's request of that moment goes: to whom it keeps, or to whom its resolver tells it of.
    pub(crate) fn address(&mut self, client: usize, at: u64, keeps_millis: u64) -> Result<Address, Missing> {
        if let Some(kept) = self.clients.get(&client).filter(|kept| at < kept.until) {
            return Ok(kept.what.clone());
        }
        let index = client % self.resolvers.len();
        let address = self.resolve(index, client, at)?;
        // One in eight keeps connections open and asks only when it has to.
        if client.is_multiple_of(8) && keeps_millis > 0 {
            self.clients.insert(client, Kept { what: address.clone(), until: at + keeps_millis });
        }
        Ok(address)
    }

    fn resolve(&mut self, index: usize, client: usize, at: u64) -> Result<Address, Missing> {
        let known = &self.known;
        let resolver = &mut self.resolvers[index];
        let leads_to = match &resolver.leads_to {
            Some(kept) if at < kept.until => kept.what.clone(),
            _ => {
                resolver.given += 1;
                let (what, millis) = known.leads_to(index, resolver.given, at);
                resolver.leads_to = Some(Kept { what: what.clone(), until: at + millis });
                resolver.pry(known, at);
                what
            }
        };
        let leads_to = leads_to.ok_or(Missing::Name)?;
        if let Some(balancer) = known.balancers.get(&leads_to) {
            return Ok(Address::Balancer(balancer.clone()));
        }
        let service = known.services.get(&leads_to).ok_or(Missing::Behind)?;
        let tasks = resolver.tasks(known, &leads_to, service, at);
        let task = tasks.get(client / self.resolvers.len() % tasks.len().max(1)).ok_or(Missing::Behind)?;
        Ok(Address::Task { service: service.arn.clone(), task: task.clone() })
    }

    /// The Cloud Map services, by ARN.
    pub(crate) fn services(&self) -> Vec<String> {
        self.known.services.values().map(|service| service.arn.clone()).collect()
    }

    /// What a task is, as far as it has ever been registered in this Cloud Map service.
    pub(crate) fn server(&self, service: &str, task: &str) -> Option<&Server> {
        let service = self.known.services.values().find(|it| it.arn == service)?;
        service.instances.iter().find(|(id, ..)| id == task).map(|(_, _, server)| server)
    }

    /// How many members' worth of requests the name can carry by the weights that are listed, of which a load balancer carries what
    /// `behind` says.
    pub(crate) fn carries(&self, now: u64, behind: impl Fn(&str) -> f64) -> Option<f64> {
        let records = self.known.versions.last().map_or(&[][..], |version| &version.records);
        let weights = records.iter().filter(|record| record.name == self.known.name && record.shares());
        let weights: Vec<(&RecordSet, u32)> = weights.map(|it| (it, it.weight.unwrap_or(1))).collect();
        let shares = weights.iter().filter(|(_, weight)| *weight > 0).map(|(record, weight)| {
            let of_type = weights.iter().filter(|(other, _)| other.kind == record.kind);
            let total: u32 = of_type.map(|(_, weight)| weight).sum();
            let leads_to = record.leads_to().unwrap_or_default();
            let fit = match (self.known.services.get(&leads_to), self.known.balancers.get(&leads_to)) {
                (Some(service), _) => {
                    let fit = |(_, it, server): &&(String, super::MapInstance, Server)| {
                        it.until.is_none() && server.answers(now)
                    };
                    service.instances.iter().filter(fit).count() as f64
                }
                (None, Some(balancer)) => behind(balancer),
                (None, None) => 0.0,
            };
            fit * f64::from(total) / f64::from(*weight)
        });
        shares.reduce(f64::min)
    }
}

impl Resolver {
    /// The tasks that a name stands for, as far as this resolver knows.
    fn tasks(&mut self, known: &Known, name: &str, service: &Service, at: u64) -> Vec<String> {
        if let Some(kept) = self.addresses.get(name).filter(|kept| at < kept.until) {
            return kept.what.clone();
        }
        let what = service.answered(known, at);
        let millis = if what.is_empty() { service.negative_millis } else { service.ttl_millis };
        self.addresses.insert(name.to_owned(), Kept { what: what.clone(), until: at + millis });
        what
    }

    /// Somebody who watches both sides asks for all of them, also for one that has nobody yet (P89).
    fn pry(&mut self, known: &Known, at: u64) {
        for (name, service) in &known.services {
            self.tasks(known, name, service, at);
        }
    }
}

impl Known {
    /// The records that the name servers have which a resolver asks: some have a change at once, the last one when it is in sync.
    fn records(&self, resolver: usize, at: u64) -> impl Iterator<Item = &RecordSet> {
        let arrives = |version: &Version| {
            let (first, last) = version.since;
            first + (last - first) * (resolver as u64) / (self.resolvers.max(2) as u64 - 1)
        };
        let version = self.versions.iter().rev().find(|version| arrives(version) <= at).or(self.versions.first());
        version.into_iter().flat_map(|version| &version.records).filter(|record| record.name == self.name)
    }

    /// What the name leads to, and for how long that is kept.
    fn leads_to(&self, resolver: usize, nth: u64, at: u64) -> (Option<String>, u64) {
        // Every second one is asked by those who want addresses of IPv6, where the name has some.
        let of_name: Vec<&RecordSet> = self.records(resolver, at).filter(|record| record.shares()).collect();
        let newer = !resolver.is_multiple_of(2) && of_name.iter().any(|record| record.kind == "AAAA");
        let records: Vec<&RecordSet> = of_name.into_iter().filter(|record| (record.kind == "AAAA") == newer).collect();
        let weight = |record: &RecordSet| u64::from(record.weight.unwrap_or(1));
        let total: u64 = records.iter().map(|record| weight(record)).sum();
        let equally = total == 0;
        let total = if equally { records.len() as u64 } else { total };
        if total == 0 {
            return (None, self.negative_millis);
        }
        // As good as any dice, and the same each time.
        let mut left = (nth.wrapping_mul(0x9e37_79b9) + resolver as u64 * 37) % total;
        for record in records {
            let share = if equally { 1 } else { weight(record) };
            if left < share {
                return (record.leads_to(), record.ttl_seconds.unwrap_or(60) * 1000);
            }
            left -= share;
        }
        (None, self.negative_millis)
    }
}

impl Service {
    /// The tasks that the name is answered with: the healthy ones, or all of them when none is (fail open).
    fn answered(&self, known: &Known, at: u64) -> Vec<String> {
        let late = known.registry_millis;
        let there = |it: &super::MapInstance| it.shown <= at && it.until.is_none_or(|until| at < until + late);
        let there: Vec<_> = self.instances.iter().filter(|(_, it, _)| there(it)).collect();
        let fit =
            |(_, it, server): &&&(String, super::MapInstance, Server)| it.healthy(server, known.health_millis, at);
        let healthy: Vec<_> = there.iter().filter(fit).collect();
        let chosen: Vec<&String> = match healthy.is_empty() {
            true => there.iter().map(|(id, ..)| id).collect(),
            false => healthy.into_iter().map(|(id, ..)| id).collect(),
        };
        // A multivalue answer has eight.
        chosen.into_iter().take(8).cloned().collect()
    }
}

impl World {
    /// What is known of a name now.
    pub(crate) fn known(&self, ask: &Ask) -> Known {
        let zone = self.dns.zones.get(&ask.zone);
        let mut services = BTreeMap::new();
        for service in self.dns.services.values() {
            let Some(name) = self.name_of(service) else { continue };
            let negative = self.dns.namespaces.get(&service.namespace).and_then(|it| self.dns.zones.get(&it.zone));
            let instances = service.instances.iter();
            let instances = instances.filter_map(|(id, it)| {
                self.ecs.tasks.get(id).map(|task| (id.clone(), it.clone(), task.server.clone()))
            });
            let known = Service {
                arn: service.arn.clone(),
                ttl_millis: service.records.iter().map(|(_, ttl)| ttl * 1000).max().unwrap_or(0),
                negative_millis: negative.map_or(0, |zone| zone.negative_seconds * 1000),
                instances: instances.collect(),
            };
            services.insert(name, known);
        }
        Known {
            versions: zone.map_or_else(Vec::new, |zone| zone.versions.clone()),
            name: full(&ask.name),
            negative_millis: zone.map_or(60_000, |zone| zone.negative_seconds * 1000),
            services,
            balancers: self.balancers.values().map(|it| (it.dns_name(&self.region), it.arn.clone())).collect(),
            registry_millis: self.settings.dns.registry_millis,
            health_millis: self.settings.dns.health_millis,
            resolvers: self.settings.dns.resolvers,
        }
    }
}
