//! Metrics, minute by minute: what alarms look at.
//!
//! What it owns: one value per minute of every metric that some alarm has asked for, and where it comes from: the
//! requests that instances really served, or what a test forces. Without an alarm nothing is measured, and nothing
//! happens every minute. What GetMetricData tells is noted in `minutes`.
//!
//! It must never decide anything; `alarm_states` does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Alarm, Event, Group, Health, Instance, Lifecycle, Server, Tree, World};

/// How long a value represents.
pub(super) const MINUTE: u64 = 60_000;
/// How many minutes are kept: a day, which is what one evaluation may look back on.
const KEPT: usize = 1_440;

/// Which metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MetricKey {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: BTreeMap<String, String>,
}

impl MetricKey {
    /// The metric that an alarm, or the metric of one of its queries, names.
    pub(crate) fn of(settings: &Tree) -> Option<Self> {
        let dimension =
            |entry: &Tree| Some((entry.str("Name")?.to_owned(), entry.str("Value").unwrap_or_default().to_owned()));
        Some(Self {
            namespace: settings.str("Namespace").unwrap_or_default().to_owned(),
            name: settings.str("MetricName")?.to_owned(),
            dimensions: settings.list("Dimensions").iter().filter_map(dimension).collect(),
        })
    }

    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// Whether it is a metric of this group, target group or whatever else a dimension may name; or of this
    /// namespace.
    fn is_about(&self, subject: &str) -> bool {
        self.namespace == subject || self.dimensions.values().any(|value| value == subject)
    }
}

/// What has been measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    /// Minute by minute, newest first; nothing where nothing was reported.
    series: BTreeMap<MetricKey, VecDeque<Option<f64>>>,
    /// What tests force, by subject and name.
    forced: BTreeMap<(String, String), f64>,
    /// Whether a next minute is in the queue.
    ticking: bool,
    /// The counts of requests at the beginning of this minute.
    served: Vec<u64>,
    sent: BTreeMap<String, u64>,
    since: u64,
}

impl Metrics {
    /// The last `count` minutes of a metric, newest first.
    pub(super) fn last(&self, key: &MetricKey, count: usize) -> Vec<Option<f64>> {
        let series = self.series.get(key);
        (0..count).map(|minute| series.and_then(|series| series.get(minute).copied()).flatten()).collect()
    }
}

impl World {
    /// From now on a metric reads `value`, whatever is measured; `None` lets it be measured again.
    ///
    /// `subject` is a group's name, `targetgroup/NAME/ID`, any other value of one of its dimensions, or the namespace
    /// of a metric without dimensions.
    pub fn force_metric(&mut self, subject: &str, name: &str, value: Option<f64>) {
        let key = (subject.to_owned(), name.to_owned());
        match value {
            Some(value) => drop(self.metrics.forced.insert(key, value)),
            None => drop(self.metrics.forced.remove(&key)),
        }
    }

    /// What a test forces a metric to be.
    pub(super) fn forced(&self, key: &MetricKey) -> Option<f64> {
        let mut forced = self.metrics.forced.iter();
        forced.find(|((subject, name), _)| *name == key.name && key.is_about(subject)).map(|(_, value)| *value)
    }

    /// Whether something happens every minute, because there are alarms.
    pub fn is_measuring(&self) -> bool {
        self.metrics.ticking
    }

    /// Begins to measure what an alarm looks at.
    pub(super) fn measure(&mut self, keys: impl IntoIterator<Item = MetricKey>) {
        for key in keys {
            self.metrics.series.entry(key).or_default();
        }
        if !self.metrics.ticking {
            self.metrics.ticking = true;
            self.begin_minute();
        }
    }

    fn begin_minute(&mut self) {
        let (served, sent) = self.traffic.counts();
        (self.metrics.served, self.metrics.sent, self.metrics.since) = (served, sent, self.now);
        self.schedule((self.now / MINUTE + 1) * MINUTE, Event::Minute);
    }

    /// A minute is over: its values are taken, and alarms look at them.
    pub(super) fn minute(&mut self) {
        if self.alarms.is_empty() {
            self.metrics.ticking = false;
            self.metrics.series.clear();
            return;
        }
        let (served, sent) = self.traffic.counts();
        let minute = Minute { served, sent, minutes: (self.now - self.metrics.since) as f64 / MINUTE as f64 };
        // A group's metrics go on when its alarms do not: an alarm that comes back finds them.
        let watched: BTreeSet<MetricKey> = self.alarms.values().flat_map(Alarm::metrics).collect();
        let of_a_group =
            |key: &&MetricKey| key.dimensions.get("AutoScalingGroupName").is_none_or(|it| self.groups.contains_key(it));
        let series = self.metrics.series.keys().filter(|key| watched.contains(key) || of_a_group(key));
        let keys: Vec<MetricKey> = series.cloned().collect();
        let values: Vec<Option<f64>> = keys.iter().map(|key| self.value(key, &minute)).collect();
        let mut series = std::mem::take(&mut self.metrics.series);
        for (key, value) in keys.into_iter().zip(values) {
            let mut values = series.remove(&key).unwrap_or_default();
            values.push_front(value);
            values.truncate(KEPT);
            self.metrics.series.insert(key, values);
        }
        self.begin_minute();
        self.look_at_alarms();
    }

    fn value(&self, key: &MetricKey, minute: &Minute) -> Option<f64> {
        if let Some(value) = self.forced(key) {
            return Some(value);
        }
        if key.is("AWS/EC2", "CPUUtilization") {
            return self.utilization(self.groups.get(key.dimensions.get("AutoScalingGroupName")?)?, minute);
        }
        if key.is("AWS/ECS", "CPUUtilization") {
            let (cluster, service) = (key.dimensions.get("ClusterName")?, key.dimensions.get("ServiceName")?);
            let tasks = self.tasks_of(cluster, service);
            let servers = tasks.iter().filter_map(|id| self.task(id)).filter(|task| task.is_running());
            return self.busy(servers.map(|task| &task.server), minute);
        }
        if key.is("AWS/ApplicationELB", "RequestCountPerTarget") {
            return self.requests_per_target(key.dimensions.get("TargetGroup")?, minute);
        }
        None
    }

    /// How busy the instances of a group are on average, in percent, those that are warming up not counted.
    fn utilization(&self, group: &Group, minute: &Minute) -> Option<f64> {
        let instances = self.warm(group, warmup_seconds(group));
        self.busy(instances.into_iter().map(|instance| &instance.server), minute)
    }

    /// How busy servers are on average, in percent.
    fn busy<'a>(&self, servers: impl Iterator<Item = &'a Server>, minute: &Minute) -> Option<f64> {
        let capacity = self.settings.instance_requests_per_second * 60.0 * minute.minutes;
        let busy = |server: &Server| {
            let count = |counts: &[u64]| counts.get(server.slot as usize).copied().unwrap_or(0);
            let served = count(&minute.served).saturating_sub(count(&self.metrics.served));
            (100.0 * served as f64 / capacity).min(100.0)
        };
        let each: Vec<f64> = servers.map(busy).collect();
        (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
    }

    /// How many requests a target group received in a minute, for each healthy target.
    fn requests_per_target(&self, label: &str, minute: &Minute) -> Option<f64> {
        let (arn, group) = self.target_groups.iter().find(|(arn, _)| arn.ends_with(&format!(":{label}")))?;
        let count = |wanted: fn(Health) -> bool| group.targets.values().filter(|it| wanted(it.health)).count();
        let healthy = count(|health| health == Health::Healthy);
        let targets = if healthy > 0 { healthy } else { count(|health| health != Health::Draining) };
        let sent = |counts: &BTreeMap<String, u64>| counts.get(arn).copied().unwrap_or(0);
        let requests = sent(&minute.sent).saturating_sub(sent(&self.metrics.sent));
        (targets > 0).then(|| requests as f64 / minute.minutes / targets as f64)
    }

    /// The instances of a group that have been in service for longer than they take to warm up.
    pub(super) fn warm(&self, group: &Group, warmup_seconds: u64) -> Vec<&Instance> {
        let warm = |instance: &&Instance| {
            instance.lifecycle == Lifecycle::InService
                && instance.server.stopped.is_none()
                && instance.in_service_at.is_some_and(|at| at + warmup_seconds * 1000 <= self.now)
        };
        group.members.iter().filter_map(|id| self.instances.get(id)).filter(warm).collect()
    }
}

/// How long instances of a group take to warm up, unless a policy says otherwise.
pub(super) fn warmup_seconds(group: &Group) -> u64 {
    group.settings.num("DefaultInstanceWarmup").and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0)
}

/// The counts of requests at the end of a minute, and how long it was: the first may be shorter.
struct Minute {
    served: Vec<u64>,
    sent: BTreeMap<String, u64>,
    minutes: f64,
}
