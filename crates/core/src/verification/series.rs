//! What CloudWatch is asked: for each side of a deployment the series that a check needs.
//!
//! Raw series are asked for and nothing is calculated in CloudWatch: its arithmetic takes what is missing for 0.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{CloudWatch, Metric};
use crate::kinds::Platform;
use crate::kinds::metrics::{self, Asked, of_fleet, of_load_balancer};
use crate::lane::{Lane, Movement};
use crate::observed::{Fleet, TargetGroup};
use crate::snapshot::Snapshot;

/// One metric with one statistic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// The statistic.
    pub stat: String,
}

/// Values by the beginning of their periods, in milliseconds since 1970. A period without a value is not there.
pub type Series = BTreeMap<u64, f64>;

/// What CloudWatch has answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The series that were told whole.
    pub series: BTreeMap<Query, Series>,
    /// What CloudWatch could not tell, or only in part: that is not the same as nothing.
    pub untold: BTreeSet<Query>,
}

/// One pool with the load balancers that may forward to it, as dimensions name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    target_group: String,
    balancers: Vec<String>,
}

/// One side of a deployment, as metrics see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// What people call it.
    pub name: String,
    fleet: String,
    revision: Option<u32>,
    platform: Platform,
    pools: Vec<Pool>,
}

/// Both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// The fleet that is deployed.
    pub candidate: Side,
    /// The one that served before, if any did.
    pub stable: Option<Side>,
    /// Whether both stand in the same pools by the time that the candidate serves, whose metrics are those of both.
    pub together: bool,
}

impl Sides {
    /// The sides of the deployment that this snapshot is of.
    pub fn of(snapshot: &Snapshot) -> Self {
        let together = snapshot.lanes.iter().all(|lane| lane.by == Movement::Attachment);
        let pools = |of: fn(&Lane) -> &String| -> Vec<Pool> {
            let mut pools: Vec<Pool> = Vec::new();
            for lane in &snapshot.lanes {
                let target_group = metrics::target_group(of(lane)).to_owned();
                let by_name = |on: &str| snapshot.records.get(on)?.balancer(of(lane));
                let of_switch = |on| metrics::load_balancer(by_name(on).unwrap_or(on));
                let switches: Vec<String> = lane.switches().into_iter().filter_map(of_switch).collect();
                let all = || snapshot.load_balancers.iter().filter_map(|arn| metrics::load_balancer(arn)).collect();
                let balancers = if switches.is_empty() { all() } else { switches };
                match pools.iter_mut().find(|pool| pool.target_group == target_group) {
                    Some(pool) => pool.balancers.extend(balancers),
                    None => pools.push(Pool { target_group, balancers }),
                }
            }
            for pool in &mut pools {
                pool.balancers.sort();
                pool.balancers.dedup();
            }
            pools
        };
        let candidate = Side {
            name: snapshot.candidate.clone(),
            fleet: snapshot.candidate.clone(),
            revision: Some(snapshot.revision),
            platform: snapshot.platform.clone(),
            pools: pools(Lane::destination),
        };
        let stable = snapshot.stable_fleet().map(|fleet| Side {
            name: fleet.name.clone(),
            fleet: fleet.name.clone(),
            revision: fleet.revision,
            platform: snapshot.platform.clone(),
            pools: pools(|lane| &lane.production),
        });
        Self { candidate, stable, together }
    }
}

#[cfg(test)]
impl Sides {
    /// The shop's, for tests: each in a target group of its own.
    pub(super) fn of_shop(stable: &str, candidate: &str) -> Self {
        let side = |name: &str, target_group: &str| Side {
            name: name.into(),
            fleet: name.into(),
            revision: None,
            platform: Platform::of_base(None),
            pools: vec![Pool { target_group: target_group.into(), balancers: vec!["app/shop/1".into()] }],
        };
        Self { candidate: side("shop__7", candidate), stable: Some(side("shop__6", stable)), together: false }
    }
}

impl Sides {
    /// Two fleets as they are registered now, in these target groups.
    pub fn of_fleets(platform: &Platform, candidate: &Fleet, stable: Option<&Fleet>, groups: &[TargetGroup]) -> Self {
        let side = |fleet: &Fleet| {
            let own = groups.iter().filter(|group| fleet.target_groups.contains(&group.arn));
            let pool = |group: &TargetGroup| Pool {
                target_group: metrics::target_group(&group.arn).to_owned(),
                balancers: group.load_balancers.iter().filter_map(|arn| metrics::load_balancer(arn)).collect(),
            };
            Side {
                name: fleet.name.clone(),
                fleet: fleet.name.clone(),
                revision: fleet.revision,
                platform: platform.clone(),
                pools: own.map(pool).collect(),
            }
        };
        let shares = |stable: &Fleet| stable.behind(&candidate.target_groups);
        Self { candidate: side(candidate), stable: stable.map(side), together: stable.is_some_and(shares) }
    }
}

/// The series of one metric of one side: what is added up, of what; or the values, of which the greatest counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The values, or what is counted.
    pub of: Vec<Query>,
    /// Of how many, for ratios.
    pub to: Vec<Query>,
    /// The requests of the side, where they are counted.
    pub requests: Vec<Query>,
    /// Whether what is counted is also among those that it is counted of.
    pub beside: bool,
}

impl Wanted {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Query> {
        self.of.iter().chain(&self.to).chain(&self.requests)
    }
}

impl Side {
    /// The series of a metric.
    pub fn wanted(&self, metric: &Metric) -> Wanted {
        let time = |stat: &str| Wanted { of: self.of_pools(Asked::Time(stat)), ..self.requests() };
        match metric {
            Metric::ErrorRate => Wanted {
                of: [self.of_pools(Asked::Errors), self.of_pools(Asked::Unreached)].concat(),
                to: self.of_pools(Asked::Requests),
                ..self.requests()
            },
            Metric::LatencyP50 => time("p50"),
            Metric::LatencyP90 => time("p90"),
            Metric::LatencyP99 => time("p99"),
            Metric::LatencyAverage => time("Average"),
            Metric::UnhealthyHosts => Wanted { of: self.of_pools(Asked::Unhealthy), ..Wanted::default() },
            Metric::Cpu | Metric::Memory => {
                let query = of_fleet(&self.platform, &self.fleet, *metric == Metric::Memory);
                Wanted { of: query.into_iter().collect(), ..Wanted::default() }
            }
            Metric::LoadBalancer5xx => {
                let of = |asked| self.balancers().into_iter().map(|it| of_load_balancer(it, None, asked)).collect();
                let requests: Vec<Query> = of(Asked::Requests);
                Wanted { of: of(Asked::Unanswered), to: requests.clone(), requests, beside: true }
            }
            Metric::CloudWatch(metric) => Wanted { of: self.filled(metric), ..self.requests() },
            Metric::Ratio(ratio) => {
                Wanted { of: self.filled(&ratio.of), to: self.filled(&ratio.to), ..Wanted::default() }
            }
        }
    }

    fn requests(&self) -> Wanted {
        Wanted { requests: self.of_pools(Asked::Requests), ..Wanted::default() }
    }

    fn balancers(&self) -> BTreeSet<&str> {
        self.pools.iter().flat_map(|pool| &pool.balancers).map(String::as_str).collect()
    }

    /// What is asked of each pool. Of requests Network Load Balancers know nothing.
    fn of_pools(&self, asked: Asked<'_>) -> Vec<Query> {
        let each = self.pools.iter().flat_map(|pool| pool.balancers.iter().map(move |balancer| (pool, balancer)));
        let can = |balancer: &str| asked == Asked::Unhealthy || metrics::counts_requests(balancer);
        let known = each.filter(|(_, balancer)| can(balancer));
        known.map(|(pool, balancer)| of_load_balancer(balancer, Some(&pool.target_group), asked)).collect()
    }

    /// The user's metric with the placeholders of this side: several where it stands in several pools.
    fn filled(&self, metric: &CloudWatch) -> Vec<Query> {
        let placeholders = metric.placeholders();
        let by_pool = placeholders.contains(&"targetGroup");
        let by_balancer = placeholders.contains(&"loadBalancer");
        let mut queries: BTreeSet<Query> = BTreeSet::new();
        let pairs = self
            .pools
            .iter()
            .flat_map(|pool| pool.balancers.iter().map(move |it| (pool.target_group.as_str(), it.as_str())));
        let pairs: Vec<(&str, &str)> = if by_pool || by_balancer { pairs.collect() } else { vec![("", "")] };
        for (target_group, balancer) in pairs {
            let revision = self.revision.map(|it| it.to_string()).unwrap_or_default();
            let fill = |text: &str| {
                let pairs = [
                    ("{group}", self.fleet.as_str()),
                    ("{service}", self.fleet.as_str()),
                    ("{cluster}", metrics::cluster(&self.platform).unwrap_or_default()),
                    ("{targetGroup}", target_group),
                    ("{loadBalancer}", balancer),
                    ("{revision}", &revision),
                ];
                pairs.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
            };
            queries.insert(Query {
                namespace: fill(&metric.namespace),
                name: fill(&metric.name),
                dimensions: metric.dimensions.iter().map(|(name, value)| (name.clone(), fill(value))).collect(),
                stat: metric.stat.clone(),
            });
        }
        queries.into_iter().collect()
    }
}
