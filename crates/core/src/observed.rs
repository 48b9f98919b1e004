//! What was seen of the account, in the domain's own words. Adapters make these; decisions read them.

use serde::{Deserialize, Serialize};

use crate::capacity::Size;

/// A launch template version, pinned by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateVersion {
    /// The template's id.
    pub id: String,
    /// The version number.
    pub version: u64,
}

/// Where a fleet's instances come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LaunchSource {
    /// A launch template version.
    Template(TemplateVersion),
    /// A mixed-instances policy: the version of its launch template, and those of the launch templates that its overrides
    /// name themselves, each once and in their order.
    Mixed {
        /// The policy's launch template.
        template: TemplateVersion,
        /// The launch templates of overrides.
        overrides: Vec<TemplateVersion>,
    },
    /// A launch configuration.
    Configuration {
        /// Its name.
        name: String,
    },
}

/// What a member of a fleet is doing. Each kind of fleet has more words for it; they are told people as they are ([`Member::said`])
/// and judged by none but these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MemberState {
    /// It has been launched, or will be, and does not serve yet.
    Starting,
    /// It is in service: the only state that counts as capacity (P29).
    Serving,
    /// Somebody has put it aside. Its fleet neither counts it nor ever ends it.
    Aside,
    /// It waits in a reserve.
    Reserve,
    /// It is on its way out.
    Leaving,
}

/// One member of a fleet: an instance, say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its id.
    pub id: String,
    /// What it is registered as in pools: its own id, or an address. It may be several.
    pub targets: Vec<String>,
    /// What it is doing.
    pub state: MemberState,
    /// The same in its platform's word, for people.
    pub said: String,
    /// How much of the fleet's size it stands for: 1, or the weight that a mixed-instances policy gives its type.
    #[serde(default = "one")]
    pub weight: u32,
    /// Whether it is protected from scale-in (P28).
    #[serde(default)]
    pub protected: bool,
}

fn one() -> u32 {
    1
}

impl Member {
    /// Whether it counts as capacity.
    pub fn serves(&self) -> bool {
        self.state == MemberState::Serving
    }

    /// Whether somebody has put it aside.
    pub fn aside(&self) -> bool {
        self.state == MemberState::Aside
    }

    /// Whether it is what stands in a pool under this name.
    pub fn is(&self, target: &Target) -> bool {
        self.targets.iter().any(|own| *own == target.id)
    }
}

/// A reserve of stopped or idle instances, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmPool {
    /// The fewest instances in it.
    pub min_size: u32,
    /// How many instances it and the fleet have together; without it, the fleet's maximum.
    pub max_prepared: Option<u32>,
    /// `Stopped`, `Running` or `Hibernated`.
    pub state: String,
    /// Whether instances return to it when the fleet shrinks.
    pub reuse: bool,
}

impl WarmPool {
    /// The same on its way to be deleted: AWS wants it without instances.
    pub fn emptied(&self) -> Self {
        Self { min_size: 0, max_prepared: Some(0), ..self.clone() }
    }

    /// Whether this is what a fleet had and `now` is what a deployment has made of it. Anything else is somebody's hand.
    pub fn was_taken(&self, now: Option<&Self>) -> bool {
        now != Some(self) && now.is_none_or(|now| *now == self.emptied())
    }
}

/// A fleet as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fleet {
    /// The fleet's name.
    pub name: String,
    /// The infrastructure definition that made it, from its tag.
    pub infrastructure: Option<String>,
    /// The revision, from its tag.
    pub revision: Option<u32>,
    /// The deployment that made it, from its tag.
    pub deployment: Option<String>,
    /// Its size.
    pub size: Size,
    /// The target groups it registers its instances in, by ARN.
    pub target_groups: Vec<String>,
    /// What else sends its instances requests, each in words: classic load balancers, VPC Lattice.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Its members, in whatever state.
    pub members: Vec<Member>,
    /// Where its instances come from; nothing when it is of a kind that crossfade does not clone yet.
    pub source: Option<LaunchSource>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// The processes that somebody has suspended, by their AWS names and in order; not those that AWS itself has (P22).
    #[serde(default)]
    pub suspended: Vec<String>,
    /// The processes that AWS itself has suspended, as it does after a day of launches that fail.
    #[serde(default)]
    pub given_up: Vec<String>,
    /// Whether it replaces instances that the load balancer finds unhealthy.
    #[serde(default)]
    pub heeds_balancer: bool,
    /// Its warm pool, if it has one.
    #[serde(default)]
    pub warm_pool: Option<WarmPool>,
}

/// The process that carries out scheduled actions.
pub const SCHEDULED_ACTIONS: &str = "ScheduledActions";
/// The process that registers new instances with target groups.
pub const ADD_TO_LOAD_BALANCER: &str = "AddToLoadBalancer";

impl Fleet {
    /// The members that count as capacity.
    pub fn serving(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.serves())
    }

    /// Whether a target is one of its members, in whatever state.
    pub fn has(&self, target: &Target) -> bool {
        self.members.iter().any(|member| member.is(target))
    }

    /// How much of its size is in service.
    pub fn capacity(&self) -> u32 {
        self.serving().map(|member| member.weight).sum()
    }

    /// Whether instances serve, or are to.
    pub fn live(&self) -> bool {
        !self.deleting && (self.size.desired > 0 || !self.members.is_empty())
    }

    /// Whether a process does not run, whoever has suspended it.
    pub fn rests(&self, process: &str) -> bool {
        self.suspends(process) || self.given_up.iter().any(|name| name == process)
    }

    /// Whether somebody has suspended a process.
    pub fn suspends(&self, process: &str) -> bool {
        self.suspended.iter().any(|name| name == process)
    }
}

/// The longest that a fleet's hooks may hold its instances, unless their program asks for more time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HookTimes {
    /// One that starts, in seconds.
    pub launching_seconds: u32,
    /// One that leaves, in seconds.
    pub terminating_seconds: u32,
}

/// What a base carries beside its settings, and each fleet made from it gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Baggage {
    /// The names of its scaling policies.
    pub policies: Vec<String>,
    /// The names of its scheduled actions.
    pub schedules: Vec<String>,
    /// The names of its life-cycle hooks.
    pub hooks: Vec<String>,
    /// Whether it has a warm pool.
    pub warm_pool: bool,
    /// The longest that its hooks may hold instances.
    pub hook_times: HookTimes,
}

/// The health of a target, by the states of the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    /// Registration or the first checks are under way.
    Initial,
    /// Passes its checks.
    Healthy,
    /// Fails its checks.
    Unhealthy,
    /// Not registered, or its target group is in no rule.
    Unused,
    /// Deregistering; finishes what it has.
    Draining,
    /// Health checks are switched off, or the load balancer cannot tell (P12): not proof of health.
    Unavailable,
}

/// One target of a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// What it is registered as: an instance's id, or an address.
    pub id: String,
    /// Its health.
    pub health: Health,
    /// The load balancer's reason code, such as `Target.FailedHealthChecks`.
    pub reason: Option<String>,
}

/// What is registered in a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The target group, by ARN.
    pub target_group: String,
    /// Its targets, in whatever state.
    pub targets: Vec<Target>,
}

impl Registered {
    /// How many of its targets are healthy.
    pub fn healthy(&self) -> usize {
        self.targets.iter().filter(|target| target.health == Health::Healthy).count()
    }
}

/// What happened to a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Happened {
    /// It was, or was to be, launched.
    Launch,
    /// It was, or was to be, ended.
    End,
    /// Something else.
    #[default]
    Other,
}

/// Why something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Because {
    /// A schedule said so (P20).
    Schedule,
    /// A member failed its health checks (P14).
    Health,
    /// A hook did not let a member through (P16).
    Hook,
    /// Something else.
    #[default]
    Other,
}

/// Something that the platform did, does or tried with a fleet. Adapters read it; nobody else looks at the platform's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// When it began, in milliseconds since 1970.
    pub at_millis: u64,
    /// What happened.
    pub what: Happened,
    /// What led to it.
    pub because: Because,
    /// Whether it did not succeed.
    pub failed: bool,
    /// Why it has come no further, in the platform's words.
    pub reason: Option<String>,
    /// All of it in the platform's words, in one line.
    pub said: String,
}

/// What a target group is like; what decides how long draining takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// How long a deregistered target may finish its requests, in seconds.
    pub drain_seconds: u32,
    /// Whether targets are instances (the only type an Auto Scaling group can register).
    pub instances: bool,
    /// Whether the load balancer checks the health of its targets.
    pub health_checks: bool,
    /// The load balancers that forward to it, by ARN; without any nothing reaches it (P73).
    #[serde(default)]
    pub load_balancers: Vec<String>,
}
