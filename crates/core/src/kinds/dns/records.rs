//! The records of one name: which split they are, what a change of it deletes and creates, and how long it takes to arrive.

use serde::{Deserialize, Serialize};

use crate::split::{Route, Split, in_words};

/// How long a batch may take until all name servers of Route 53 have it, in seconds. Usually it is a minute; from here on nobody waits.
pub const PROPAGATION_SECONDS: u32 = 600;
/// What is added to what the caches say, in seconds: clocks, and what is under way.
const MARGIN_SECONDS: u32 = 15;

/// The records of a name as a deployment needs them: where they are, what its pools are called there, and how they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Records {
    /// The id of the hosted zone.
    pub zone: String,
    /// The name, in lower case and with its final dot.
    pub name: String,
    /// The two pools.
    pub sides: Vec<Side>,
    /// The TTL of what is written, in seconds.
    pub ttl_seconds: u32,
    /// For how much longer than DNS allows clients keep to an address, in seconds.
    pub client_cache_seconds: u32,
    /// The records as they were.
    pub before: Vec<Record>,
}

/// A pool as the records of a name call it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The pool, by ARN.
    pub pool: String,
    /// Its own name, in lower case and with its final dot: what the record says.
    pub target: String,
    /// What tells its record from the other.
    pub identifier: String,
    /// How long resolvers may keep what stands behind its name, in seconds, all steps together.
    pub chain_seconds: u32,
    /// How long resolvers may remember that there was nothing, in seconds.
    pub negative_seconds: u32,
}

/// What a record of a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Another name.
    Cname,
    /// Something that no deployment writes or deletes.
    Other,
}

/// One record as Route 53 lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Its type as Route 53 spells it.
    pub said: String,
    /// What tells it from others of the same name and type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Its weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Its TTL, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// Its values, as they are spelt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// What else it has, by the names that Route 53 gives that: a health check, an alias, a region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub besides: Vec<String>,
}

/// What one change deletes, exactly as it was read, and creates: all of it, or nothing where somebody was faster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records to delete.
    pub delete: Vec<Record>,
    /// The records to create.
    pub create: Vec<Record>,
}

impl Record {
    /// The one name that it leads to, as zones have names.
    pub(super) fn target(&self) -> Option<String> {
        match self.values.as_slice() {
            [one] if self.kind == Kind::Cname => Some(super::full(one)),
            _ => None,
        }
    }

    fn in_words(&self) -> String {
        let of =
            |name: &str, value: Option<String>| value.map_or_else(String::new, |value| format!(", {name} {value}"));
        format!(
            "{} {}{}{}{}{}",
            self.said,
            self.values.join(" "),
            of("weight", self.weight.map(|it| it.to_string())),
            of("TTL", self.ttl_seconds.map(|it| it.to_string())),
            of("set identifier", self.identifier.clone()),
            if self.besides.is_empty() { String::new() } else { format!(", with {}", self.besides.join(", ")) }
        )
    }
}

impl Records {
    /// The split that these records are. A record that leads elsewhere stands under its own words.
    pub fn split(&self, live: &[Record]) -> Split {
        let route = |record: &Record| {
            let side = record.target().and_then(|target| self.sides.iter().find(|side| side.target == target));
            // A simple record gets everything.
            let weight = record.weight.unwrap_or(1);
            Route { target_group: side.map_or_else(|| record.in_words(), |side| side.pool.clone()), weight }
        };
        let mut routes: Vec<Route> = live.iter().map(route).collect();
        let place = |route: &Route| self.sides.iter().position(|side| side.pool == route.target_group);
        routes.sort_by_key(|route| place(route).unwrap_or(usize::MAX));
        let known = same(live, &self.before) || same(live, &self.made(&routes));
        let altered = (!known).then(|| live.iter().map(Record::in_words).collect::<Vec<_>>().join("; "));
        Split { routes, sticky_seconds: None, altered }
    }

    /// The records as this deployment makes them.
    fn made(&self, routes: &[Route]) -> Vec<Record> {
        let record = |route: &Route| {
            let side = self.sides.iter().find(|side| side.pool == route.target_group)?;
            Some(Record {
                kind: Kind::Cname,
                said: "CNAME".into(),
                identifier: Some(side.identifier.clone()),
                weight: Some(route.weight),
                ttl_seconds: Some(self.ttl_seconds),
                values: vec![side.target.clone()],
                besides: Vec::new(),
            })
        };
        routes.iter().filter_map(record).collect()
    }

    /// What leads from these records to that split. The one from before the deployment is the records from before, with their TTL and
    /// their identifiers. All of them are written each time: a TTL that is set for one is another's, too (P97).
    ///
    /// # Errors
    /// What stands in the way: records that no deployment may delete.
    pub fn batch(&self, live: &[Record], routes: &[Route]) -> Result<Batch, String> {
        let foreign = live.iter().find(|record| record.kind == Kind::Other || !record.besides.is_empty());
        if let Some(foreign) = foreign {
            return Err(format!("{} has {}, which is not deleted", self.name, foreign.in_words()));
        }
        let before = self.split(&self.before);
        let create = if before.has(routes) { self.before.clone() } else { self.made(routes) };
        Ok(Batch { delete: live.to_vec(), create })
    }

    /// How long after all name servers have a change clients may still follow the records before, in seconds: what they had kept of
    /// the name a moment ago, then what stands behind it, then what they keep by themselves (P64, P87).
    pub fn settle_seconds(&self) -> u32 {
        let ttls = self.before.iter().filter_map(|record| record.ttl_seconds).chain([self.ttl_seconds]);
        let chain = self.sides.iter().map(|side| side.chain_seconds).max().unwrap_or(0);
        ttls.max().unwrap_or(0) + chain + self.client_cache_seconds + MARGIN_SECONDS
    }

    /// How long resolvers may remember that a pool had no member, in seconds (P89).
    pub fn negative_seconds(&self) -> u32 {
        self.sides.iter().map(|side| side.negative_seconds).max().unwrap_or(0)
    }

    /// The name of a pool.
    pub fn called<'a>(&'a self, pool: &'a str) -> &'a str {
        self.sides.iter().find(|side| side.pool == pool).map_or(pool, |side| side.target.trim_end_matches('.'))
    }

    /// The weights in words, by the names of the pools.
    pub fn in_words(&self, routes: &[Route]) -> String {
        let named = |route: &Route| Route { target_group: self.called(&route.target_group).to_owned(), ..*route };
        in_words(&routes.iter().map(named).collect::<Vec<_>>())
    }
}

/// Whether these are the same records, whatever their order. Names are the same in any case, with their final dot and without.
fn same(live: &[Record], known: &[Record]) -> bool {
    let plain = |records: &[Record]| {
        let one = |record: &Record| {
            let values: Vec<String> = record.values.iter().map(|value| super::full(value)).collect();
            format!("{:?}", Record { values, ..record.clone() })
        };
        let mut all: Vec<String> = records.iter().map(one).collect();
        all.sort();
        all
    };
    live.len() == known.len() && plain(live) == plain(known)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn side(pool: &str, target: &str) -> Side {
        Side {
            pool: pool.into(),
            target: target.into(),
            identifier: target.split('.').next().unwrap_or_default().into(),
            chain_seconds: 30,
            negative_seconds: 15,
        }
    }

    pub(in super::super) fn cname(value: &str, weight: Option<u32>, ttl: u32) -> Record {
        Record {
            kind: Kind::Cname,
            said: "CNAME".into(),
            identifier: weight.map(|_| value.split('.').next().unwrap_or_default().to_owned()),
            weight,
            ttl_seconds: Some(ttl),
            values: vec![value.into()],
            besides: Vec::new(),
        }
    }

    fn records(before: Vec<Record>) -> Records {
        Records {
            zone: "Z1".into(),
            name: "shop.example.com.".into(),
            sides: vec![side("a", "blue.shop.internal."), side("b", "green.shop.internal.")],
            ttl_seconds: 60,
            client_cache_seconds: 60,
            before,
        }
    }

    fn routes(a: u32, b: u32) -> Vec<Route> {
        vec![Route { target_group: "a".into(), weight: a }, Route { target_group: "b".into(), weight: b }]
    }

    fn weighted(a: u32, b: u32, ttl: u32) -> Vec<Record> {
        vec![cname("blue.shop.internal.", Some(a), ttl), cname("green.shop.internal.", Some(b), ttl)]
    }

    #[test]
    fn p96_a_change_deletes_what_was_read_and_creates_both() {
        let records = records(weighted(100, 0, 300));
        let live = weighted(90, 10, 60);
        let batch = records.batch(&live, &routes(50, 50)).unwrap();
        assert_eq!(batch, Batch { delete: live, create: weighted(50, 50, 60) });
    }

    #[test]
    fn p97_the_split_from_before_is_the_records_from_before() {
        let records = records(weighted(100, 0, 300));
        let batch = records.batch(&weighted(0, 100, 60), &routes(100, 0)).unwrap();
        assert_eq!(batch.create, weighted(100, 0, 300), "with their own TTL");
    }

    #[test]
    fn without_records_before_nothing_is_left_and_a_simple_one_comes_back_as_it_was() {
        let first = records(Vec::new());
        let batch = first.batch(&weighted(0, 100, 60), &[]).unwrap();
        assert_eq!((batch.delete.len(), batch.create), (2, Vec::new()));
        let simple = records(vec![cname("Blue.shop.internal", None, 300)]);
        let before = simple.split(&simple.before);
        assert_eq!((before.routes.len(), before.weight("a"), before.altered), (1, 1, None));
        let batch = simple.batch(&weighted(0, 100, 60), &before.routes).unwrap();
        assert_eq!(batch.create, simple.before);
    }

    #[test]
    fn what_neither_was_there_nor_is_ours_is_told_as_altered() {
        let records = records(weighted(100, 0, 300));
        assert_eq!(records.split(&weighted(100, 0, 300)).altered, None);
        assert_eq!(records.split(&weighted(10, 90, 60)).altered, None);
        // Somebody has set another TTL, another identifier, a health check, a third record.
        let ttl = records.split(&weighted(10, 90, 30));
        assert!(ttl.altered.as_ref().is_some_and(|it| it.contains("TTL 30")), "{ttl:?}");
        assert!(!ttl.has(&routes(10, 90)), "it is not what this deployment has set");
        let mut live = weighted(10, 90, 60);
        live[0].identifier = Some("theirs".into());
        assert!(records.split(&live).altered.is_some());
        let mut live = weighted(10, 90, 60);
        live.push(cname("third.example.com.", Some(1), 60));
        let third = records.split(&live);
        assert!(third.altered.is_some() && third.routes.len() == 3);
        let mut live = weighted(10, 90, 60);
        live[0].besides.push("HealthCheckId".into());
        assert!(records.split(&live).altered.is_some());
        assert!(records.batch(&live, &routes(0, 100)).is_err(), "and never deleted");
    }

    #[test]
    fn p64_p87_the_longest_of_all_caches_counts() {
        assert_eq!(records(weighted(100, 0, 300)).settle_seconds(), 300 + 30 + 60 + 15);
        assert_eq!(records(Vec::new()).settle_seconds(), 60 + 30 + 60 + 15);
        assert_eq!(records(Vec::new()).negative_seconds(), 15);
    }
}
