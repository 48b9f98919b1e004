//! What every minute was like: the metrics of load balancers, groups and services as CloudWatch tells them.
//!
//! What it owns: the counts of each minute, noted as time passes it, and how much of them can be seen when: the newest minutes come
//! late and incomplete, what was 0 is absent (except for requests and hosts), and nothing is said of whoever had no requests. A
//! little noise is added to what would be too even, and follows from the seed.
//!
//! It must never put anything into the queue of events: measuring changes nothing.

use std::collections::{BTreeMap, VecDeque};

use super::metrics::{MINUTE, MetricKey};
use super::spot::SpotState;
use super::{Health, Server, World};

/// How many minutes are kept: those of a day.
const KEPT: usize = 1_440;
/// How many kinds of luck requests have.
const LUCKS: usize = 32;
/// How long a request takes that is so lucky, in multiples of the usual: a log-normal spread around 1.
const SPREAD: [f64; LUCKS] = [
    0.53, 0.60, 0.65, 0.69, 0.72, 0.75, 0.78, 0.80, 0.83, 0.85, 0.88, 0.90, 0.92, 0.95, 0.97, 0.99, 1.01, 1.03, 1.06,
    1.08, 1.11, 1.14, 1.17, 1.21, 1.25, 1.29, 1.34, 1.39, 1.46, 1.55, 1.68, 1.96,
];
/// How much the minutes of one metric differ by themselves, as a share of the value.
const NOISE: f64 = 0.03;
/// The least part of a minute that has to be over before anything is seen of it.
const FIRST_SEEN_MILLIS: u64 = 20_000;
/// How much is seen of a minute that is not over, and of one that is but is not complete yet, in percent.
const SEEN_OPEN: u64 = 40;
const SEEN_LATE: u64 = 70;

/// The namespace in which the applications report their own metrics, by their group or service as dimension `Group`: `Requests`,
/// `Failed`, `Latency` in milliseconds.
const OWN_NAMESPACE: &str = "Shop";

/// The requests of a minute, by source, target group and server.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy {
    by_source: Vec<Shore>,
    by_group: Vec<Pool>,
    by_slot: Vec<Work>,
}

/// What was answered, and how long that took.
#[derive(Clone, Debug, Default)]
struct Work {
    requests: u64,
    errors: u64,
    /// How many took how long, by their luck.
    times: Vec<(u64, [u32; LUCKS])>,
}

impl Work {
    fn answered(&mut self, takes: u64, luck: u8, error: bool) {
        self.requests += 1;
        self.errors += u64::from(error);
        self.of(takes)[usize::from(luck) % LUCKS] += 1;
    }

    fn of(&mut self, takes: u64) -> &mut [u32; LUCKS] {
        let place = self.times.iter().position(|(of, _)| *of == takes).unwrap_or_else(|| {
            self.times.push((takes, [0; LUCKS]));
            self.times.len() - 1
        });
        &mut self.times[place].1
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        for (takes, lucks) in &other.times {
            self.of(*takes).iter_mut().zip(lucks).for_each(|(all, one)| *all += one);
        }
    }

    /// How long answers took, in seconds.
    fn spread(&self, noise: f64) -> Option<Sample> {
        let each = self.times.iter().flat_map(|(takes, lucks)| {
            let usual = *takes as f64 / 1000.0 * noise;
            SPREAD.iter().zip(lucks).map(move |(spread, count)| (usual * spread, u64::from(*count)))
        });
        Sample::of(each.filter(|(_, count)| *count > 0).collect())
    }
}

/// What a load balancer has seen in a minute.
#[derive(Clone, Copy, Debug, Default)]
struct Shore {
    requests: u64,
    /// Answered by the load balancer itself, for want of an answer.
    lost: u64,
}

/// What a target group has seen in a minute.
#[derive(Clone, Debug, Default)]
struct Pool {
    work: Work,
    unreached: u64,
    healthy: u64,
    unhealthy: u64,
}

/// What a group or service has done in a minute.
#[derive(Clone, Debug, Default)]
struct Fleet {
    /// How busy it was on average, in percent.
    busy: f64,
    work: Work,
}

fn at<T: Default + Clone>(list: &mut Vec<T>, index: usize) -> &mut T {
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    &mut list[index]
}

impl Busy {
    /// A request was answered.
    pub(super) fn answered(&mut self, source: usize, group: usize, slot: u32, (takes, luck, error): (u64, u8, bool)) {
        at(&mut self.by_source, source).requests += 1;
        at(&mut self.by_slot, slot as usize).answered(takes, luck, error);
        at(&mut self.by_group, group).work.answered(takes, luck, error);
    }

    /// A request was lost; `by_target`: it was the target that answered with an error.
    pub(super) fn lost(&mut self, source: usize, group: Option<usize>, by_target: bool) {
        let shore = at(&mut self.by_source, source);
        shore.requests += u64::from(group.is_some());
        shore.lost += u64::from(!by_target);
        if let Some(group) = group {
            let pool = at(&mut self.by_group, group);
            pool.work.requests += 1;
            *(if by_target { &mut pool.work.errors } else { &mut pool.unreached }) += 1;
        }
    }
}

/// What has been noted so far, each by the minute's beginning.
#[derive(Clone, Debug)]
pub(super) struct Minutes {
    seed: u64,
    /// By target group.
    pools: BTreeMap<String, VecDeque<(u64, Pool)>>,
    /// By load balancer, `app/NAME/ID`.
    shores: BTreeMap<String, VecDeque<(u64, Shore)>>,
    /// By group; and by the cluster and name of services.
    groups: BTreeMap<String, VecDeque<(u64, Fleet)>>,
    services: BTreeMap<(String, String), VecDeque<(u64, Fleet)>>,
    /// What applications report themselves, from when on.
    reported: BTreeMap<MetricKey, Vec<(u64, Option<f64>)>>,
}

/// What is known of a metric in some time.
#[derive(Clone, Debug, Default)]
struct Sample {
    count: f64,
    sum: f64,
    min: f64,
    max: f64,
    /// Values, and how many there were of each.
    spread: Vec<(f64, u64)>,
}

impl Sample {
    fn of(values: Vec<(f64, u64)>) -> Option<Self> {
        let count: u64 = values.iter().map(|(_, times)| times).sum();
        (count > 0).then(|| Self {
            count: count as f64,
            sum: values.iter().map(|(value, times)| value * *times as f64).sum(),
            min: values.iter().map(|(value, _)| *value).fold(f64::INFINITY, f64::min),
            max: values.iter().map(|(value, _)| *value).fold(f64::NEG_INFINITY, f64::max),
            spread: values,
        })
    }

    fn one(value: f64) -> Option<Self> {
        Self::of(vec![(value, 1)])
    }

    /// A count: each of what is counted is a sample of 1.
    fn counted(count: u64) -> Option<Self> {
        Self::of(vec![(1.0, count)])
    }

    fn and(mut self, other: Self) -> Self {
        self.spread.extend(other.spread);
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            spread: self.spread,
        }
    }

    fn statistic(mut self, name: &str) -> Option<f64> {
        Some(match name {
            "Sum" => self.sum,
            "Average" => self.sum / self.count,
            "Minimum" => self.min,
            "Maximum" => self.max,
            "SampleCount" => self.count,
            other => {
                let percent: f64 = other.strip_prefix('p')?.parse().ok()?;
                self.spread.sort_by(|one, another| one.0.total_cmp(&another.0));
                let wanted = (percent / 100.0 * self.count).ceil().max(1.0);
                let mut seen = 0.0;
                let reaches = |(_, times): &&(f64, u64)| {
                    seen += *times as f64;
                    seen >= wanted
                };
                self.spread.iter().find(reaches).or(self.spread.last())?.0
            }
        })
    }
}

impl Minutes {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            pools: BTreeMap::new(),
            shores: BTreeMap::new(),
            groups: BTreeMap::new(),
            services: BTreeMap::new(),
            reported: BTreeMap::new(),
        }
    }

    /// A factor around 1 that is the metric's own in this minute.
    fn noise(&self, of: &str, minute: u64) -> f64 {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash =
            of.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.seed, fold) ^ minute.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = fastrand::Rng::with_seed(hash);
        // The sum of four is normal enough.
        let normal: f64 = (0..4).map(|_| rng.f64() - 0.5).sum::<f64>() * 3.0_f64.sqrt();
        (NOISE * normal).exp()
    }
}

fn keep<T>(list: &mut VecDeque<(u64, T)>, minute: u64, value: T) {
    list.push_back((minute, value));
    if list.len() > KEPT {
        list.pop_front();
    }
}

fn found<T>(list: Option<&VecDeque<(u64, T)>>, minute: u64) -> Option<&T> {
    let list = list?;
    list.binary_search_by_key(&minute, |(at, _)| *at).ok().map(|place| &list[place].1)
}

/// `app/shop/50dc…` for the ARN of a listener or load balancer of that name.
fn balancer_label(arn: &str) -> Option<String> {
    let (_, rest) = arn.split_once(":listener/").or_else(|| arn.split_once(":loadbalancer/"))?;
    Some(rest.split('/').take(3).collect::<Vec<_>>().join("/"))
}

impl World {
    /// When the minute that is under way is over.
    pub(super) fn end_of_minute(&self) -> u64 {
        (self.now / MINUTE + 1) * MINUTE
    }

    /// Notes what the minute was like that is over now, if one is.
    pub(super) fn note_minute(&mut self) {
        if !self.now.is_multiple_of(MINUTE) || self.traffic.is_silent() {
            return;
        }
        let minute = self.now - MINUTE;
        let mut busy = self.traffic.end_minute();
        let names = self.traffic.names().to_vec();
        for (arn, group) in &self.target_groups {
            let known = names.iter().position(|name| name == arn).and_then(|place| busy.by_group.get_mut(place));
            let mut pool = known.map(std::mem::take).unwrap_or_default();
            let count =
                |wanted: fn(Health) -> bool| group.targets.values().filter(|it| wanted(it.health)).count() as u64;
            pool.healthy = count(|health| health == Health::Healthy);
            pool.unhealthy = count(|health| health == Health::Unhealthy);
            if !group.targets.is_empty() || pool.work.requests > 0 {
                keep(self.minutes.pools.entry(arn.clone()).or_default(), minute, pool);
            }
        }
        for (source, seen) in busy.by_source.iter().enumerate() {
            let Some(label) = balancer_label(self.traffic.listener(source)) else { continue };
            let list = self.minutes.shores.entry(label).or_default();
            match list.back_mut().filter(|(at, _)| *at == minute) {
                Some((_, shore)) => {
                    shore.requests += seen.requests;
                    shore.lost += seen.lost;
                }
                None => keep(list, minute, *seen),
            }
        }
        let groups: Vec<(String, Option<Fleet>)> = self
            .groups
            .iter()
            .map(|(name, group)| {
                let servers = self.warm(group, 0).into_iter().map(|instance| &instance.server);
                (name.clone(), self.worked(servers, &busy.by_slot))
            })
            .collect();
        let elastigroups = self.spot.groups.values().map(|group| {
            let rows =
                self.spot.instances.values().filter(|row| row.group == group.id && row.state == SpotState::Running);
            (group.called(), self.worked(rows.map(|row| &row.server), &busy.by_slot))
        });
        let elastigroups: Vec<(String, Option<Fleet>)> = elastigroups.collect();
        for (name, worked) in groups.into_iter().chain(elastigroups) {
            if let Some(worked) = worked {
                keep(self.minutes.groups.entry(name).or_default(), minute, worked);
            }
        }
        let services: Vec<((String, String), Option<Fleet>)> = self
            .ecs
            .services
            .keys()
            .map(|key| {
                let tasks = self.tasks_of(&key.0, &key.1);
                let tasks = tasks.iter().filter_map(|id| self.task(id)).filter(|task| task.is_running());
                (key.clone(), self.worked(tasks.map(|task| &task.server), &busy.by_slot))
            })
            .collect();
        for (key, worked) in services {
            if let Some(worked) = worked {
                keep(self.minutes.services.entry(key).or_default(), minute, worked);
            }
        }
    }

    /// What servers have done; nothing when there are none.
    fn worked<'a>(&self, servers: impl Iterator<Item = &'a Server>, by_slot: &[Work]) -> Option<Fleet> {
        let full = self.settings.instance_requests_per_second * 60.0;
        let (mut fleet, mut servers_there) = (Fleet::default(), 0.0);
        for server in servers {
            let work = by_slot.get(server.slot as usize);
            let requests = work.map_or(0, |work| work.requests);
            servers_there += 1.0;
            fleet.busy += (2.0 + 98.0 * requests as f64 / full).min(100.0);
            if let Some(work) = work {
                fleet.work.add(work);
            }
        }
        fleet.busy /= servers_there;
        (servers_there > 0.0).then_some(fleet)
    }

    /// From now on an application reports this every minute; `None`: it reports nothing any more.
    pub fn report_metric(&mut self, namespace: &str, name: &str, dimensions: &[(&str, &str)], value: Option<f64>) {
        let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let key = MetricKey { namespace: namespace.to_owned(), name: name.to_owned(), dimensions };
        let since = self.now;
        self.minutes.reported.entry(key).or_default().push((since, value));
    }

    /// What CloudWatch says of a metric now: of every period from one moment until another that has a value, its beginning and the
    /// value of the statistic.
    pub(crate) fn metric_data(
        &self,
        key: &MetricKey,
        stat: &str,
        period_millis: u64,
        from: u64,
        to: u64,
    ) -> Vec<(u64, f64)> {
        let period = period_millis.max(MINUTE);
        let first = from.div_ceil(period) * period;
        let starts = (first..to.min(self.now)).step_by(period as usize);
        let value = |start: u64| {
            let minutes = (start..start + period).step_by(MINUTE as usize);
            let samples = minutes.filter_map(|minute| self.sample(key, minute));
            samples.reduce(Sample::and)?.statistic(stat).map(|value| (start, value))
        };
        starts.filter_map(value).collect()
    }

    /// What is seen of a minute by now, in percent.
    fn seen(&self, minute: u64) -> u64 {
        if self.now < minute + FIRST_SEEN_MILLIS {
            0
        } else if self.now < minute + MINUTE {
            SEEN_OPEN
        } else if self.now < minute + MINUTE + self.settings.metrics_late_millis {
            SEEN_LATE
        } else {
            100
        }
    }

    fn sample(&self, key: &MetricKey, minute: u64) -> Option<Sample> {
        let seen = self.seen(minute);
        if seen == 0 {
            return None;
        }
        if let Some(value) = self.forced(key) {
            return Sample::one(value);
        }
        if let Some(steps) = self.minutes.reported.get(key) {
            return Sample::one(steps.iter().rev().find(|(since, _)| *since <= minute)?.1?);
        }
        let dimension = |name: &str| key.dimensions.get(name).map(String::as_str);
        match (key.namespace.as_str(), dimension("TargetGroup"), dimension("LoadBalancer")) {
            ("AWS/ApplicationELB", Some(group), Some(balancer)) if balancer.starts_with("app/") => {
                self.of_target_group(&key.name, group, balancer, minute, seen)
            }
            ("AWS/NetworkELB", Some(group), Some(balancer)) if balancer.starts_with("net/") => {
                let hosts = matches!(key.name.as_str(), "HealthyHostCount" | "UnHealthyHostCount");
                hosts.then(|| self.of_target_group(&key.name, group, balancer, minute, seen)).flatten()
            }
            ("AWS/ApplicationELB", None, Some(balancer)) => {
                let shore = found(self.minutes.shores.get(balancer), minute)?;
                match key.name.as_str() {
                    "RequestCount" => Sample::counted(shore.requests * seen / 100),
                    "HTTPCode_ELB_5XX_Count" => Sample::counted(shore.lost * seen / 100),
                    _ => None,
                }
            }
            ("AWS/EC2", None, None) if key.name == "CPUUtilization" => {
                let group = dimension("AutoScalingGroupName")?;
                let fleet = found(self.minutes.groups.get(group), minute)?;
                Sample::one(fleet.busy * self.minutes.noise(group, minute))
            }
            ("AWS/ECS", None, None) => {
                let service = (dimension("ClusterName")?.to_owned(), dimension("ServiceName")?.to_owned());
                let busy = found(self.minutes.services.get(&service), minute)?.busy;
                let noise = self.minutes.noise(&service.1, minute);
                match key.name.as_str() {
                    "CPUUtilization" => Sample::one(busy * noise),
                    "MemoryUtilization" => Sample::one((30.0 + busy / 5.0) * noise),
                    _ => None,
                }
            }
            (OWN_NAMESPACE, None, None) => {
                let name = dimension("Group")?;
                let service =
                    || self.minutes.services.iter().find(|((_, service), _)| service == name).map(|(_, it)| it);
                let fleet = found(self.minutes.groups.get(name).or_else(service), minute)?;
                match key.name.as_str() {
                    "Requests" => Sample::counted(fleet.work.requests * seen / 100),
                    "Failed" => Sample::counted(fleet.work.errors * seen / 100),
                    "Latency" => fleet.work.spread(1000.0 * self.minutes.noise(name, minute)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn of_target_group(&self, name: &str, label: &str, balancer: &str, minute: u64, seen: u64) -> Option<Sample> {
        let suffix = format!(":{label}");
        let arn = self.target_groups.keys().find(|arn| arn.ends_with(&suffix))?;
        let stands = self.balancers_of(arn).iter().any(|it| balancer_label(it).as_deref() == Some(balancer));
        if !stands {
            return None;
        }
        let open = minute + MINUTE > self.now;
        let under_way = || {
            let place = self.traffic.names().iter().position(|name| name == arn)?;
            self.traffic.busy().by_group.get(place)
        };
        let pool = if open { under_way()? } else { found(self.minutes.pools.get(arn), minute)? };
        match name {
            "RequestCount" => Sample::counted(pool.work.requests * seen / 100),
            "HTTPCode_Target_2XX_Count" => {
                Sample::counted((pool.work.requests - pool.work.errors - pool.unreached) * seen / 100)
            }
            "HTTPCode_Target_5XX_Count" => Sample::counted(pool.work.errors * seen / 100),
            "TargetConnectionErrorCount" => Sample::counted(pool.unreached * seen / 100),
            "HealthyHostCount" if !open => Sample::one(pool.healthy as f64),
            "UnHealthyHostCount" if !open => Sample::one(pool.unhealthy as f64),
            "TargetResponseTime" => pool.work.spread(self.minutes.noise(label, minute)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_statistics_of_its_values() {
        let sample = Sample::of(vec![(4.0, 1), (1.0, 8), (2.0, 1)]).expect("it has values");
        let of = |name| sample.clone().statistic(name);
        assert_eq!(of("Sum"), Some(14.0));
        assert_eq!(of("Average"), Some(1.4));
        assert_eq!((of("Minimum"), of("Maximum"), of("SampleCount")), (Some(1.0), Some(4.0), Some(10.0)));
        assert_eq!((of("p50"), of("p90"), of("p99")), (Some(1.0), Some(2.0), Some(4.0)));
        assert_eq!(of("TM(10%:90%)"), None, "what is not modelled has no value");
        assert!(Sample::counted(0).is_none(), "what was 0 is absent");
    }

    #[test]
    fn a_load_balancer_is_known_by_its_listeners() {
        let arn =
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/0467ef3c8400ae65";
        assert_eq!(balancer_label(arn).as_deref(), Some("app/shop/50dc6c495c0c9188"));
        assert_eq!(balancer_label("arn:aws:x:y:z:targetgroup/a/b"), None);
    }
}
