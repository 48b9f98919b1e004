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
    /// Where it leads to, by turns.
    pub sides: Vec<Side>,
    /// What its records are made.
    pub form: Form,
    /// The TTL of what is written, in seconds.
    pub ttl_seconds: u32,
    /// For how much longer than DNS allows clients keep to an address, in seconds.
    pub client_cache_seconds: u32,
    /// The records as they were.
    pub before: Vec<Record>,
}

/// What the records of a name are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// Each says another name, which whoever asks looks up in turn. A name that has one has nothing else.
    Cname,
    /// Each stands for the addresses of what it leads to, of these types. Whatever else the name has is none of a deployment's business.
    Alias(Vec<String>),
}

impl Form {
    /// Whether a record is one of those that share out the look-ups.
    fn concerns(&self, record: &Record) -> bool {
        match self {
            Self::Cname => true,
            Self::Alias(_) => ["A", "AAAA", "CNAME"].contains(&record.said.as_str()),
        }
    }
}

/// How long resolvers keep what an alias of a load balancer stands for, and the addresses of a load balancer's own name, in seconds
/// (Route 53 Developer Guide, choosing between alias and non-alias records).
pub(super) const ALIAS_SECONDS: u32 = 60;

/// One of the two ends of a name, as its records call it: a Cloud Map service, or a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The pools that are reached by it, by ARN.
    pub pools: Vec<String>,
    /// The load balancer, by ARN, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balancer: Option<String>,
    /// Its own name, in lower case and with its final dot: what a record says.
    pub target: String,
    /// What an alias says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
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
    /// The addresses of a resource of AWS's, whatever they are at the moment.
    Alias,
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
    /// What it is an alias of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
    /// What else it has, by the names that Route 53 gives that: a health check, a region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub besides: Vec<String>,
}

/// What an alias leads to, as Route 53 lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alias {
    /// The hosted zone of the resource.
    pub zone: String,
    /// The resource's name, as it is spelt.
    pub name: String,
    /// Whether Route 53 answers with others when the resource has nothing healthy.
    pub evaluates: bool,
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
        match (self.kind, self.values.as_slice(), &self.alias) {
            (Kind::Cname, [one], _) => Some(bare(one)),
            (Kind::Alias, _, Some(alias)) => Some(bare(&alias.name)),
            _ => None,
        }
    }

    /// What may answer against its weight, by the names that Route 53 gives that.
    pub(super) fn overrides(&self) -> Vec<String> {
        let evaluates = self.alias.as_ref().is_some_and(|alias| alias.evaluates);
        self.besides.iter().cloned().chain(evaluates.then(|| "EvaluateTargetHealth".to_owned())).collect()
    }

    /// What it says, in short.
    pub(super) fn says(&self) -> String {
        match &self.alias {
            Some(alias) => format!("{} alias of {}", self.said, alias.name),
            None => format!("{} {}", self.said, self.values.join(" ")),
        }
    }

    fn in_words(&self) -> String {
        let of =
            |name: &str, value: Option<String>| value.map_or_else(String::new, |value| format!(", {name} {value}"));
        format!(
            "{}{}{}{}{}",
            self.says(),
            of("weight", self.weight.map(|it| it.to_string())),
            of("TTL", self.ttl_seconds.map(|it| it.to_string())),
            of("set identifier", self.identifier.clone()),
            if self.overrides().is_empty() { String::new() } else { format!(", with {}", self.overrides().join(", ")) }
        )
    }
}

impl Records {
    /// The split that these records are. A record that leads elsewhere stands under its own words.
    pub fn split(&self, live: &[Record]) -> Split {
        let live = self.concerned(live);
        let mut routes: Vec<Route> = Vec::new();
        for record in &live {
            let side = record.target().and_then(|target| self.sides.iter().find(|side| side.target == target));
            // A simple record gets everything.
            let weight = record.weight.unwrap_or(1);
            let route = side.map_or_else(|| Route::to(record.in_words(), weight), |side| side.route(weight));
            match routes.iter_mut().find(|known| known.target_group == route.target_group) {
                // Of several types they say the same, or somebody has altered one of them: then what reaches anybody counts.
                Some(known) => known.weight = known.weight.max(weight),
                None => routes.push(route),
            }
        }
        let place = |route: &Route| self.sides.iter().position(|side| side.pools.first() == Some(&route.target_group));
        routes.sort_by_key(|route| place(route).unwrap_or(usize::MAX));
        let known = same(&live, &self.before) || same(&live, &self.made(&routes));
        let altered = (!known).then(|| live.iter().map(Record::in_words).collect::<Vec<_>>().join("; "));
        Split { routes, sticky_seconds: None, altered }
    }

    /// Of all records of the name those that share out its look-ups.
    pub(super) fn concerned(&self, live: &[Record]) -> Vec<Record> {
        live.iter().filter(|record| self.form.concerns(record)).cloned().collect()
    }

    /// The records as this deployment makes them.
    fn made(&self, routes: &[Route]) -> Vec<Record> {
        let types = match &self.form {
            Form::Cname => vec!["CNAME".to_owned()],
            Form::Alias(types) => types.clone(),
        };
        let record = |said: &String, route: &Route| {
            let side = self.sides.iter().find(|side| side.pools.first() == Some(&route.target_group))?;
            let is_alias = self.form != Form::Cname;
            Some(Record {
                kind: if is_alias { Kind::Alias } else { Kind::Cname },
                said: said.clone(),
                identifier: Some(side.identifier.clone()),
                weight: Some(route.weight),
                ttl_seconds: (!is_alias).then_some(self.ttl_seconds),
                values: if is_alias { Vec::new() } else { vec![side.target.clone()] },
                alias: if is_alias { Some(side.alias.clone()?) } else { None },
                besides: Vec::new(),
            })
        };
        types.iter().flat_map(|said| routes.iter().filter_map(move |route| record(said, route))).collect()
    }

    /// What leads from these records to that split. The one from before the deployment is the records from before, with their TTL and
    /// their identifiers. All of them are written each time: a TTL that is set for one is another's, too (P97).
    ///
    /// # Errors
    /// What stands in the way: records that no deployment may delete.
    pub fn batch(&self, live: &[Record], routes: &[Route]) -> Result<Batch, String> {
        let live = self.concerned(live);
        let foreign = live.iter().find(|record| record.kind == Kind::Other || !record.overrides().is_empty());
        if let Some(foreign) = foreign {
            return Err(format!("{} has {}, which is not deleted", self.name, foreign.in_words()));
        }
        let before = self.split(&self.before);
        let create = if before.has(routes) { self.before.clone() } else { self.made(routes) };
        Ok(Batch { delete: live, create })
    }

    /// How long after all name servers have a change clients may still follow the records before, in seconds: what they had kept of
    /// the name a moment ago, then what stands behind it, then what they keep by themselves (P64, P87).
    pub fn settle_seconds(&self) -> u32 {
        let ttls =
            self.before.iter().map(|record| record.ttl_seconds.unwrap_or(ALIAS_SECONDS)).chain([self.ttl_seconds]);
        let chain = self.sides.iter().map(|side| side.chain_seconds).max().unwrap_or(0);
        ttls.max().unwrap_or(0) + chain + self.client_cache_seconds + MARGIN_SECONDS
    }

    /// How long resolvers may remember that a pool had no member, in seconds (P89).
    pub fn negative_seconds(&self) -> u32 {
        self.sides.iter().map(|side| side.negative_seconds).max().unwrap_or(0)
    }

    /// The name of a pool.
    pub fn called<'a>(&'a self, pool: &'a str) -> &'a str {
        self.side_of(pool).map_or(pool, |side| side.target.trim_end_matches('.'))
    }

    /// The load balancer by which a pool is reached, by ARN.
    pub fn balancer(&self, pool: &str) -> Option<&str> {
        self.side_of(pool)?.balancer.as_deref()
    }

    /// What it leads to, in order.
    pub(super) fn ends(&self) -> Vec<&str> {
        self.sides.iter().map(|side| side.target.as_str()).collect()
    }

    fn side_of(&self, pool: &str) -> Option<&Side> {
        self.sides.iter().find(|side| side.pools.iter().any(|it| it == pool))
    }

    /// The weights in words, by the names of the pools.
    pub fn in_words(&self, routes: &[Route]) -> String {
        let named = |route: &Route| Route::to(self.called(&route.target_group), route.weight);
        in_words(&routes.iter().map(named).collect::<Vec<_>>())
    }
}

impl Side {
    /// Everything that its record gets.
    fn route(&self, weight: u32) -> Route {
        let (first, beside) =
            self.pools.split_first().map_or(("", Vec::new()), |(first, rest)| (first.as_str(), rest.to_vec()));
        Route { beside, ..Route::to(first, weight) }
    }
}

/// A name as zones have it. That of a load balancer may stand with a prefix that asks for all kinds of addresses, or without.
fn bare(name: &str) -> String {
    let name = super::full(name);
    match name.strip_prefix("dualstack.").filter(|rest| rest.contains(".elb.")) {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

/// Whether these are the same records, whatever their order. Names are the same in any case, with their final dot and without.
fn same(live: &[Record], known: &[Record]) -> bool {
    let plain = |records: &[Record]| {
        let one = |record: &Record| {
            let values: Vec<String> = record.values.iter().map(|value| super::full(value)).collect();
            let alias = record.alias.clone().map(|alias| Alias { name: super::full(&alias.name), ..alias });
            format!("{:?}", Record { values, alias, ..record.clone() })
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
            pools: vec![pool.into()],
            balancer: None,
            target: target.into(),
            alias: None,
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
            alias: None,
            besides: Vec::new(),
        }
    }

    fn records(before: Vec<Record>) -> Records {
        Records {
            zone: "Z1".into(),
            name: "shop.example.com.".into(),
            sides: vec![side("a", "blue.shop.internal."), side("b", "green.shop.internal.")],
            form: Form::Cname,
            ttl_seconds: 60,
            client_cache_seconds: 60,
            before,
        }
    }

    fn routes(a: u32, b: u32) -> Vec<Route> {
        vec![Route::to("a", a), Route::to("b", b)]
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
