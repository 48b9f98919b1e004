//! The account's instances, groups, services, load balancers and traffic, and the passing of time in them.
//!
//! What it owns: all state behind the Auto Scaling, EC2, ECS and Elastic Load Balancing APIs, and the queue of what is
//! going to happen to it. [`World::advance`] lets everything happen in order until a given instant, and sends the
//! traffic of the time between two events through the load balancers as they stand then.
//!
//! What it must never do: look at a wall clock, draw unseeded randomness, iterate over a hash map, or know anything of
//! crossfade. Two worlds with one seed and one history of calls are equal.

mod alarm_states;
mod alarms;
mod attachments;
mod balancers;
mod cron;
pub mod dns;
pub mod ecs;
mod equip;
mod fleets;
mod group_settings;
mod groups;
mod hooks;
mod instances;
mod inventory;
mod launch;
mod launching;
mod leaving;
mod metrics;
mod minutes;
mod notices;
mod oracles;
mod policies;
mod policy_actions;
pub(crate) mod printed;
mod refresh;
mod refusal;
mod restore;
pub mod sample;
pub mod scalable;
mod scaling;
mod schedules;
mod servers;
mod setup;
pub mod spot;
mod standby;
mod targets;
mod traffic;
mod tree;
mod warm_pool;

use std::collections::{BTreeMap, BTreeSet};

pub use alarm_states::State;
pub use alarms::Alarm;
pub use attachments::{Attachment, Via};
pub use balancers::{Listener, LoadBalancer, Rule, TargetGroup};
pub(crate) use balancers::{Stale, not_found, rule_not_found, shown, target_group_not_found};
pub use fleets::FleetView;
pub(crate) use group_settings::SETTINGS;
pub use groups::{Activity, Carried, Group, GroupTag};
pub(crate) use groups::{PROCESSES, Sizes, unknown_group};
pub use hooks::HookAnswer;
pub(crate) use hooks::{ActionName, HookResult};
pub use instances::{Instance, Lifecycle, Parked};
pub use launch::{Image, ImageBehaviour, LaunchConfiguration, LaunchTemplate, LaunchTemplateVersion};
pub(crate) use metrics::MetricKey;
pub(crate) use notices::{METRICS, NOTIFICATION_TYPES};
pub use oracles::GroupView;
pub(crate) use policies::POLICY_SETTINGS;
pub use policies::Policy;
pub use refresh::Refresh;
pub use refusal::Refusal;
pub use schedules::ScheduledAction;
pub use servers::{Flaws, Server, Stop};
pub(crate) use setup::listener_not_found;
pub use setup::{GroupSpec, TargetGroupSpec};
pub use targets::{Health, Target, TargetKey};
pub use traffic::{Loss, TrafficReport, TrafficSource, TrafficTotals};
pub use tree::Tree;
pub use warm_pool::WarmPool;

use crate::{Effect, Request, effect};

/// How the account behaves where AWS leaves it open. The defaults are what one sees on AWS on an ordinary day.
#[derive(Clone, Debug)]
pub struct WorldSettings {
    /// How long after a change of its size a group begins to act on it.
    pub reaction_millis: u64,
    /// How long a group waits after a failed launch before it tries again.
    pub launch_retry_millis: u64,
    /// After how long of failed launches AWS suspends a group's launches by itself (P22).
    pub administrative_suspension_millis: u64,
    /// How the application answers lifecycle hooks, in groups of which [`World::answer_hooks`] says nothing else.
    pub hook_answer: HookAnswer,
    /// How long an instance takes to shut down after it has left its target groups: shortest, longest.
    pub terminate_millis: (u64, u64),
    /// How long a group that is being deleted, and has no instances any more, is still shown.
    pub delete_millis: u64,
    /// How long the load balancer takes to register a target before it checks it for the first time.
    pub registration_millis: u64,
    /// How often a group looks at what the load balancer thinks of its instances.
    pub health_poll_millis: u64,
    /// How long EC2 takes to notice that an instance has died.
    pub instance_check_millis: u64,
    /// How long after a change Describe still shows the rule or listener as it was (P68).
    pub read_staleness_millis: u64,
    /// How long after a change of a rule or listener the load balancer's nodes still route as before, whatever Describe shows:
    /// shortest, longest. Each change takes its own time; [`SLOW_NODES`] is what one sees on AWS.
    pub routing_lag_millis: (u64, u64),
    /// How many requests per second keep one instance busy to the full.
    pub instance_requests_per_second: f64,
    /// How late scheduled actions run: shortest, longest (P20).
    pub schedule_lateness_millis: (u64, u64),
    /// How many groups the account may have.
    pub max_groups: usize,
    /// How many launch configurations the account may have.
    pub max_launch_configurations: usize,
    /// Whether the account can create launch configurations; those made since October 2024 cannot (P42).
    pub can_create_launch_configurations: bool,
    /// How many versions a launch template may have (P40).
    pub max_template_versions: usize,
    /// How ECS behaves.
    pub ecs: ecs::EcsSettings,
    /// How long after the end of a minute its metrics are still incomplete.
    pub metrics_late_millis: u64,
    /// How many of a thousand requests every application answers with an error, however good.
    pub background_errors_per_mille: u32,
    /// How Spot behaves.
    pub spot: spot::SpotSettings,
    /// How DNS behaves.
    pub dns: dns::DnsSettings,
}

/// How long nodes of load balancers on AWS take to follow a change, in milliseconds: shortest, longest.
pub const SLOW_NODES: (u64, u64) = (3_000, 15_000);
/// The same of network load balancers: minutes, as far as one hears of it. ECS waits for ten.
pub const SLOW_NETWORK: (u64, u64) = (20_000, 240_000);

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            reaction_millis: 1_500,
            launch_retry_millis: 30_000,
            administrative_suspension_millis: 24 * 3_600_000,
            hook_answer: HookAnswer::After(20),
            terminate_millis: (5_000, 15_000),
            delete_millis: 10_000,
            registration_millis: 2_000,
            health_poll_millis: 10_000,
            instance_check_millis: 60_000,
            read_staleness_millis: 0,
            routing_lag_millis: (0, 0),
            instance_requests_per_second: 100.0,
            schedule_lateness_millis: (0, 120_000),
            max_groups: 500,
            max_launch_configurations: 200,
            can_create_launch_configurations: true,
            max_template_versions: 10_000,
            ecs: ecs::EcsSettings::default(),
            metrics_late_millis: 90_000,
            background_errors_per_mille: 0,
            spot: spot::SpotSettings::default(),
            dns: dns::DnsSettings::default(),
        }
    }
}

/// What is going to happen.
#[derive(Clone, Debug)]
enum Event {
    /// A group compares what it has with what it wants.
    Reconcile { group: String },
    /// An instance has started, or cannot.
    Launched { instance: String },
    /// A group's launch has failed.
    LaunchFailed { group: String, activity: String, message: String },
    /// The application answers a hook that holds an instance.
    HookAnswered { instance: String, hook: String, token: String, result: HookResult },
    /// A hook that holds an instance runs out of time.
    HookTimedOut { instance: String, hook: String, token: String },
    /// Hooks have let go of an instance; it goes on.
    Proceeded { instance: String },
    /// An instance has left its target groups, for standby.
    StandbyEntered { instance: String },
    /// An instance is back from standby.
    StandbyLeft { instance: String },
    /// An instance refresh looks at its group.
    RefreshStep { group: String },
    /// An instance that leaves has left its target groups.
    HasDrained { instance: String },
    /// An instance has shut down.
    Terminated { instance: String },
    /// A group looks at the health of one of its instances.
    Examine { instance: String },
    /// The load balancer checks a target. The stamp tells whether it is still the same registration.
    Check { target_group: String, target: TargetKey, stamp: u64 },
    /// A target has drained.
    Drained { target_group: String, target: TargetKey, stamp: u64 },
    /// A target group that was detached from a group is gone from it.
    Detached { group: String, target_group: String },
    /// A change of a rule or listener has reached the load balancer's nodes.
    Routed { on: String },
    /// A minute is over: alarms look at its metrics.
    Minute,
    /// A group's scheduled actions that are due run.
    ScheduledActions { group: String },
    /// A deleted group disappears.
    GroupGone { group: String },
    /// Scheduled actions of a scalable target that are due run.
    ScheduledScaling { resource: String },
    /// Something of ECS.
    Ecs(ecs::EcsEvent),
    /// Something of Spot.
    Spot(spot::SpotEvent),
}

/// Whose state an event or a call can change, as far as is observed: of a thousand groups, hardly ever more than one.
pub(crate) enum Reach {
    /// That of a group, and of those that share target groups with it.
    Group(String),
    /// That of the groups that are attached to a target group.
    TargetGroup(String),
    /// Anybody's.
    All,
    /// Nobody's, or what is different by it has been observed already.
    Nobody,
}

/// Instances, groups, load balancers and traffic of one account in one region.
#[derive(Clone, Debug)]
pub struct World {
    /// How the account behaves where AWS leaves it open.
    pub settings: WorldSettings,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) images: BTreeMap<String, Image>,
    pub(crate) image_aliases: BTreeMap<String, String>,
    /// When images were made, by their ids, where somebody says it.
    pub(crate) images_made: BTreeMap<String, String>,
    pub(crate) instance_types: BTreeMap<String, Vec<String>>,
    pub(crate) templates: BTreeMap<String, LaunchTemplate>,
    pub(crate) configurations: BTreeMap<String, LaunchConfiguration>,
    pub(crate) balancers: BTreeMap<String, LoadBalancer>,
    pub(crate) listeners: BTreeMap<String, Listener>,
    pub(crate) rules: BTreeMap<String, Rule>,
    pub(crate) target_groups: BTreeMap<String, TargetGroup>,
    pub(crate) alarms: BTreeMap<String, Alarm>,
    /// In which zones subnets are, as far as that is known; those of all others take turns.
    subnets: BTreeMap<String, String>,
    /// By group and name.
    policies: BTreeMap<(String, String), Policy>,
    /// By group and name.
    schedules: BTreeMap<(String, String), ScheduledAction>,
    pub(crate) ecs: ecs::Ecs,
    pub(crate) spot: spot::Spot,
    pub(crate) dns: dns::Dns,
    pub(crate) scalable: scalable::Scalable,
    /// How many servers there have been so far.
    servers: u32,
    metrics: metrics::Metrics,
    minutes: minutes::Minutes,
    hook_answers: BTreeMap<String, HookAnswer>,
    /// The topics, queues and roles that are gone. The account has all others that requests name.
    gone: BTreeSet<String>,
    traffic: traffic::Traffic,
    oracles: oracles::Oracles,
    rng: fastrand::Rng,
    now: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Event>,
}

impl World {
    /// An empty account in eu-west-1.
    pub fn new(seed: u64, now_millis: u64) -> Self {
        Self {
            settings: WorldSettings::default(),
            region: "eu-west-1".into(),
            account: "123456789012".into(),
            groups: BTreeMap::new(),
            instances: BTreeMap::new(),
            images: BTreeMap::new(),
            image_aliases: BTreeMap::new(),
            images_made: BTreeMap::new(),
            instance_types: BTreeMap::new(),
            templates: BTreeMap::new(),
            configurations: BTreeMap::new(),
            balancers: BTreeMap::new(),
            listeners: BTreeMap::new(),
            rules: BTreeMap::new(),
            target_groups: BTreeMap::new(),
            alarms: BTreeMap::new(),
            subnets: BTreeMap::new(),
            policies: BTreeMap::new(),
            schedules: BTreeMap::new(),
            ecs: ecs::Ecs::default(),
            spot: spot::Spot::default(),
            dns: dns::Dns::default(),
            scalable: scalable::Scalable::default(),
            servers: 0,
            metrics: metrics::Metrics::default(),
            minutes: minutes::Minutes::new(seed),
            hook_answers: BTreeMap::new(),
            gone: BTreeSet::new(),
            traffic: traffic::Traffic::default(),
            oracles: oracles::Oracles::new(now_millis),
            rng: fastrand::Rng::with_seed(seed),
            now: now_millis,
            sequence: 0,
            queue: BTreeMap::new(),
        }
    }

    /// The account's time, in milliseconds since 1970.
    pub fn now_millis(&self) -> u64 {
        self.now
    }

    /// When the next thing happens by itself, if anything does. Traffic does not count.
    pub fn next_event_millis(&self) -> Option<u64> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Lets everything happen that is due until `now_millis`. Time never runs backwards: an earlier instant is
    /// ignored.
    pub fn advance(&mut self, now_millis: u64) {
        while let Some(entry) = self.queue.first_entry() {
            let at = entry.key().0;
            if at > now_millis {
                break;
            }
            let event = entry.remove();
            self.flow(at);
            let reach = self.reach(&event);
            if self.happen(event) {
                self.observe_after(reach);
            }
        }
        self.flow(now_millis);
    }

    /// Sends the traffic between now and `until` through the load balancers, and makes that the present.
    fn flow(&mut self, until: u64) {
        while until > self.now {
            // What is measured is measured by the minute; between two events nothing else changes.
            let next = until.min(self.end_of_minute());
            self.route_traffic(next);
            self.now = next;
            self.note_minute();
        }
    }

    fn reach(&self, event: &Event) -> Reach {
        match event {
            Event::Reconcile { group }
            | Event::LaunchFailed { group, .. }
            | Event::Detached { group, .. }
            | Event::GroupGone { group } => Reach::Group(group.clone()),
            Event::Launched { instance }
            | Event::HookAnswered { instance, .. }
            | Event::HookTimedOut { instance, .. }
            | Event::Proceeded { instance }
            | Event::HasDrained { instance }
            | Event::Terminated { instance }
            | Event::Examine { instance } => {
                self.instances.get(instance).map_or(Reach::All, |it| Reach::Group(it.group.clone()))
            }
            Event::Check { target_group, .. } | Event::Drained { target_group, .. } => {
                Reach::TargetGroup(target_group.clone())
            }
            Event::StandbyEntered { .. }
            | Event::StandbyLeft { .. }
            | Event::RefreshStep { .. }
            | Event::Minute
            | Event::ScheduledActions { .. }
            | Event::ScheduledScaling { .. }
            | Event::Ecs(_)
            | Event::Spot(_) => Reach::All,
            Event::Routed { .. } => Reach::Nobody,
        }
    }

    fn observe_after(&mut self, reach: Reach) {
        match reach {
            Reach::Nobody => {}
            _ if self.others_than_groups() => self.observe(),
            Reach::Group(name) => self.observe_group(&name),
            Reach::TargetGroup(arn) => self.observe_in(&arn),
            Reach::All => self.observe(),
        }
    }

    /// Lets something happen. Answers whether what is observed can be different now: of the checks of a thousand targets, hardly one
    /// finds anything new.
    fn happen(&mut self, event: Event) -> bool {
        match event {
            Event::Reconcile { group } => self.reconcile(&group),
            Event::Launched { instance } => self.launched(&instance),
            Event::LaunchFailed { group, activity, message } => self.launch_failed(&group, &activity, &message),
            Event::HookAnswered { instance, hook, token, result } => {
                self.hook_answered(&instance, &hook, &token, result);
            }
            Event::HookTimedOut { instance, hook, token } => self.hook_timed_out(&instance, &hook, &token),
            Event::Proceeded { instance } => self.proceeded(&instance),
            Event::StandbyEntered { instance } => self.standby_entered(&instance),
            Event::StandbyLeft { instance } => self.standby_left(&instance),
            Event::RefreshStep { group } => self.refresh_step(&group),
            Event::HasDrained { instance } => self.has_drained(&instance),
            Event::Terminated { instance } => self.terminated(&instance),
            Event::Examine { instance } => return self.examine(&instance),
            Event::Check { target_group, target, stamp } => return self.check_target(&target_group, &target, stamp),
            Event::Drained { target_group, target, stamp } => self.drained(&target_group, &target, stamp),
            Event::Detached { group, target_group } => self.detached(&group, &target_group),
            Event::Routed { on } => self.routed(&on),
            Event::Minute => self.minute(),
            Event::ScheduledActions { group } => self.run_scheduled_actions(&group),
            Event::GroupGone { group } => self.group_gone(&group),
            Event::ScheduledScaling { resource } => self.run_scheduled_scaling(&resource),
            Event::Ecs(event) => self.ecs_happens(event),
            Event::Spot(event) => self.spot_happens(event),
        }
        true
    }

    /// To be called after every change from outside, so that what is observed follows it.
    pub(crate) fn settle(&mut self) {
        self.observe();
    }

    /// The same after a request that can change so much, unless it has only read.
    pub(crate) fn settle_after(&mut self, request: &Request, reach: Reach) {
        if effect(&request.operation) == Effect::Mutate {
            self.observe_after(reach);
        }
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), event);
    }

    fn schedule_in(&mut self, millis: u64, event: Event) {
        self.schedule(self.now + millis, event);
    }

    fn between(&mut self, (shortest, longest): (u64, u64)) -> u64 {
        self.rng.u64(shortest..=longest.max(shortest))
    }

    pub(crate) fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(self.rng.u32(0..16), 16).unwrap_or('0')).collect()
    }

    fn stamp(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// A new ARN with a UUID between `kind` and `rest`.
    fn arn(&mut self, service: &str, kind: &str, rest: &str) -> String {
        let uuid = self.uuid();
        format!("arn:aws:{service}:{}:{}:{kind}{uuid}{rest}", self.region, self.account)
    }

    fn uuid(&mut self) -> String {
        let parts: Vec<String> = [8, 4, 4, 4, 12].into_iter().map(|digits| self.hex(digits)).collect();
        parts.join("-")
    }
}

/// An instant as APIs write it: `2026-01-05T09:00:00.000Z`.
pub(crate) fn timestamp(millis: u64) -> String {
    let seconds = timestamp_seconds(millis);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), millis % 1000)
}

/// An instant as activities write it: `2026-01-05T09:00:00Z`.
pub(crate) fn timestamp_seconds(millis: u64) -> String {
    let second = i64::try_from(millis / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(second).map(|instant| instant.to_string()).unwrap_or_default()
}
