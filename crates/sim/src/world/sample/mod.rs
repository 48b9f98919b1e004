//! The account that every demonstration and test starts from: a shop behind a load balancer.
//!
//! What it owns: one believable account, with everything in it that a deployment must leave alone. Options change what
//! a test is about and nothing else.

mod build;
mod data;
mod elastigroups;
mod equipment;
mod images;
mod names;
mod published;
mod routes;
mod service_scaling;
mod services;

use super::World;
use super::dns::Door;
use super::spot::Quirk;

pub use published::{publish, publish_for_examples};

/// The image that the running revision was made of.
pub const RUNNING_AMI: &str = "ami-0a11ce00000000006";
/// The new image that works.
pub const NEW_AMI: &str = "ami-0a11ce00000000007";
/// An image for another architecture.
pub const ARM_AMI: &str = "ami-0a11ce000000000a4";
/// An image that is not available yet.
pub const PENDING_AMI: &str = "ami-0a11ce000000000fe";

/// What the base gives a new instance before its health checks count, unless a test says otherwise.
const GRACE_SECONDS: u32 = 240;

/// The image of the running revision, when the fleets are services.
pub const RUNNING_IMAGE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:6";
/// The new image that works, when the fleets are services.
pub const NEW_IMAGE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:7";
/// An image for another architecture.
pub const ARM_IMAGE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:7-arm64";
/// An image that is not there.
pub const ABSENT_IMAGE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:8";

/// What the shop's fleets are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compute {
    /// Auto Scaling groups.
    #[default]
    Groups,
    /// ECS services on Fargate, whose tasks have addresses of their own.
    Services,
    /// ECS services on EC2 instances, whose tasks share the addresses of these.
    ServicesOnInstances,
    /// Elastigroups of Spot.
    Elastigroups,
}

/// What is wrong with the new image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewImage {
    /// Nothing.
    #[default]
    Good,
    /// Its application answers every request with an error.
    Unhealthy,
    /// AWS has no capacity for it.
    NoCapacity,
    /// Its application takes three hours to start.
    Slow,
    /// Its application answers for five minutes, and then fails for good.
    FailsLater,
    /// It passes its health checks, and answers 6 % of all requests with errors.
    Errors,
    /// The same, from 20 minutes after its start on.
    ErrorsLater,
    /// It passes its health checks, and takes half as long again to answer.
    Sluggish,
    /// Its container ends a few seconds after its start. Of an AMI it is the same as `Unhealthy`.
    CrashLoop,
}

/// What the base group starts its instances from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The launch template's default version, by the number that it has now.
    #[default]
    Pinned,
    /// `$Default`.
    Default,
    /// `$Latest`.
    Latest,
    /// A launch configuration.
    LaunchConfiguration,
    /// A mixed instances policy around the launch template.
    Mixed,
    /// A mixed instances policy, one of whose instance types has a launch template of its own.
    MixedOverrides,
    /// A mixed instances policy whose instance types count differently: an `m6i.large` for two units of capacity, an
    /// `m5.large` for one.
    Weighted,
}

impl Source {
    /// Whether it is a mixed instances policy, of whichever kind.
    pub fn is_mixed(self) -> bool {
        matches!(self, Self::Mixed | Self::MixedOverrides | Self::Weighted)
    }
}

/// How traffic is laid out before a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// One rule with two target groups: `shop-a` at weight 100, `shop-b` at 0.
    #[default]
    Weighted,
    /// One rule with `shop-a` alone. Nothing forwards to `shop-b`.
    Attached,
    /// Two listeners: the production one forwards to `shop-a` alone, the stage one to `shop-b` alone.
    Staged,
    /// A name in DNS, which leads to two Cloud Map services in which services register their tasks: `blue` at weight 100, `green` at 0.
    /// Without a running revision it is not there yet. Nothing arrives at the load balancer.
    Named,
    /// A name in DNS, which leads to two load balancers: the first forwards to `shop-a` alone and has weight 100, the other one to `shop-b`
    /// alone and has 0. Requests arrive by the name. Without a running revision it is not there yet.
    Stacks,
}

/// How the records of the shop's name are, and of what they lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// Their TTL, in seconds.
    pub ttl_seconds: u64,
    /// Whether there is a single one, without a weight.
    pub simple: bool,
    /// Whether those of load balancers are other names, rather than aliases.
    pub cname: bool,
    /// Whether load balancers have addresses of IPv6, and the name records of these.
    pub dual_stack: bool,
    /// Whether the Cloud Map services have SRV records, rather than A.
    pub srv: bool,
    /// How long resolvers remember that a Cloud Map service had nobody, in seconds.
    pub negative_seconds: u64,
    /// For how much longer than DNS allows some clients keep an address, in seconds.
    pub client_cache_seconds: u64,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            ttl_seconds: 60,
            simple: false,
            cname: false,
            dual_stack: false,
            srv: false,
            negative_seconds: 15,
            client_cache_seconds: 60,
        }
    }
}

/// The kind of the shop's load balancers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancer {
    /// Rules and listeners share out requests.
    #[default]
    Application,
    /// Listeners share out connections, which stay where they were opened. They are open for [`CONNECTION_MILLIS`]. There are no
    /// rules: what has a rule elsewhere has a listener of its own.
    Network,
}

/// How long a connection to a network load balancer is open, in milliseconds.
pub const CONNECTION_MILLIS: u64 = 25_000;

/// Traffic that no layout knows of: a rule or listener that somebody has added for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlsoForwards {
    /// A rule of the same listener, `/admin/*`, to `shop-a`. Requests arrive there, too.
    Rule,
    /// The default action of another listener, on port 80, to `shop-a`. Requests arrive there, too.
    Listener,
    /// A rule of the same listener, `/preview/*`, to `shop-b`.
    RuleToStage,
}

/// What the running revision stands behind beside the shop's target groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlsoBehind {
    /// The target group `search`, with a rule of its own, `/search/*`. Requests arrive there, too.
    TargetGroup,
    /// A target group of VPC Lattice.
    Lattice,
    /// A classic load balancer.
    Classic,
}

/// The VPC Lattice target group of [`AlsoBehind::Lattice`].
pub const LATTICE: &str = "arn:aws:vpc-lattice:eu-west-1:123456789012:targetgroup/tg-0e2b4c6d8f0a1b3c5";
/// The classic load balancer of [`AlsoBehind::Classic`].
pub const CLASSIC: &str = "shop-classic";

/// What is different from the ordinary shop.
#[derive(Clone, Debug)]
pub struct ShopOptions {
    /// What it is called, and everything in it: its base `NAME-base`, its revisions `NAME__6`, its target groups `NAME-a` and so on. An
    /// account may have several shops of groups; of services and Elastigroups there is one, with the usual name.
    pub name: String,
    /// What its fleets are. Services have none of what groups alone have; where options speak of instances, they have tasks.
    pub compute: Compute,
    /// What is wrong with the new image.
    pub new_image: NewImage,
    /// What the base group starts its instances from. The revisions made from a mixed base are mixed, too.
    pub base: Source,
    /// The kind of its load balancers. The nodes of a network load balancer are always slow.
    pub balancer: Balancer,
    /// How traffic is laid out.
    pub layout: Layout,
    /// Whether there is a second load balancer, laid out like the first and with as much traffic of its own, whose
    /// production target group the running revision is attached to as well.
    pub second_balancer: bool,
    /// Whether the listener's default action routes, rather than a rule.
    pub default_action: bool,
    /// For how many seconds clients stay with a target group, when they do.
    pub sticky_seconds: Option<u32>,
    /// Whether users have to log in before they are forwarded.
    pub login: bool,
    /// For how many seconds the shop's target groups let deregistered targets drain.
    pub deregistration_seconds: u64,
    /// Whether the load balancer's nodes take a while to follow a change of rules and listeners, as on AWS.
    pub slow_nodes: bool,
    /// Where the layout is a name: how its records are.
    pub records: Records,
    /// What else forwards to the shop's target groups.
    pub also_forwards: Option<AlsoForwards>,
    /// What else the running revision stands behind.
    pub also_behind: Option<AlsoBehind>,
    /// How many instances the running revision has (units of capacity, from a weighted base).
    pub instances: u32,
    /// Earlier revisions (2 to 5) that serve beside the running one, and how many instances each of them has.
    pub also_running: Vec<(u64, u32)>,
    /// Revisions (2 to 6) that sleep behind production, and how many instances each of them has from its scheduled action
    /// `opening` on. Eleven hours later `closing` sends it to sleep again. Both recur every day.
    pub sleeping: Vec<(u64, u32)>,
    /// After how many minutes those that sleep wake up.
    pub sleeps_minutes: u64,
    /// Whether the base and the running revision carry lifecycle hooks, notifications, collected metrics, a suspended
    /// process, and what [`World::add_scaling`] gives them. The base's schedule is suspended, and the base is attached
    /// to the production target groups.
    pub equipped: bool,
    /// Whether the base and the running revision have a warm pool. A mixed base can have none.
    pub warm_pool: bool,
    /// Whether the base, and with it the running revision, protects its instances from scale-in.
    pub protected: bool,
    /// For how long a new instance may fail its health checks before it is replaced.
    pub grace_seconds: u32,
    /// In what Spot is otherwise, where the fleets are its.
    pub quirk: Option<Quirk>,
    /// For how many minutes somebody has put the policies and the schedule of the running Elastigroup to rest; a multiple of four.
    pub rests_minutes: Option<u64>,
    /// How many instances of the running revision are ill from the start: their application answers with errors.
    pub ill: u32,
    /// Whether groups judge their instances by EC2's checks alone, so that nobody replaces one that is ill.
    pub ec2_checks: bool,
    /// The processes that are suspended on the running revision.
    pub suspended_on_running: Vec<String>,
    /// For how long a hook of the running revision holds an instance that leaves. Its base has no such hook.
    pub held_seconds: Option<u32>,
    /// Whether there is an alarm [`PAGER`], which is well until somebody turns it.
    pub pager: bool,
    /// Whether the base has a subnet in a zone that no load balancer of its serves. Those that run do not have it yet.
    pub unserved_zone: bool,
    /// How many requests arrive per second.
    pub requests_per_second: f64,
    /// The processes that are suspended on the base group.
    pub suspended_on_base: Vec<String>,
    /// The classic load balancers that the base group is attached to.
    pub classic_load_balancers: Vec<String>,
}

impl Default for ShopOptions {
    fn default() -> Self {
        Self {
            name: "shop".into(),
            compute: Compute::Groups,
            new_image: NewImage::Good,
            base: Source::Pinned,
            balancer: Balancer::Application,
            layout: Layout::Weighted,
            second_balancer: false,
            default_action: false,
            sticky_seconds: None,
            login: false,
            deregistration_seconds: 30,
            slow_nodes: false,
            records: Records::default(),
            also_forwards: None,
            also_behind: None,
            instances: 4,
            also_running: Vec::new(),
            sleeping: Vec::new(),
            quirk: None,
            rests_minutes: None,
            sleeps_minutes: 60,
            equipped: false,
            warm_pool: false,
            protected: false,
            grace_seconds: GRACE_SECONDS,
            ill: 0,
            ec2_checks: false,
            suspended_on_running: Vec::new(),
            held_seconds: None,
            pager: false,
            unserved_zone: false,
            requests_per_second: 50.0,
            suspended_on_base: Vec::new(),
            classic_load_balancers: Vec::new(),
        }
    }
}

impl ShopOptions {
    /// The name of its base.
    fn base(&self) -> String {
        self.part("base")
    }

    /// The name of a revision.
    fn revision(&self, revision: u64) -> String {
        format!("{}__{revision}", self.name)
    }

    /// The name of something of its own.
    fn part(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    /// Its infrastructure definition, as it stands in tags.
    fn infrastructure(&self) -> String {
        format!("{}/production/{}", self.name, self.base())
    }
}

/// The name of the alarm that wakes somebody.
pub const PAGER: &str = "shop-pager";

/// The names, ids and ARNs of what was built.
#[derive(Clone, Debug)]
pub struct Shop {
    /// The region.
    pub region: String,
    /// The account number.
    pub account: String,
    /// The load balancer's ARN.
    pub load_balancer: String,
    /// The listener's ARN.
    pub listener: String,
    /// The ARN of the rule that routes; none when the listener's default action does.
    pub rule: Option<String>,
    /// The ARN of the listener's default rule.
    pub default_rule: String,
    /// The ARN of the listener that forwards to `shop-b`, in the staged layout.
    pub test_listener: Option<String>,
    /// The ARN of the rule or listener that also forwards to a target group of the shop, when there is one.
    pub also_forwards: Option<String>,
    /// The ARN of the target group `search` that the running revision also stands behind, when there is one.
    pub target_group_search: Option<String>,
    /// What hangs on the second load balancer, when there is one.
    pub second: Option<SecondBalancer>,
    /// The ARN of the target group `shop-a`, or of the Cloud Map service `blue`, which has all traffic.
    pub target_group_a: String,
    /// The ARN of the target group `shop-b`, or of the Cloud Map service `green`, which has none.
    pub target_group_b: String,
    /// The ARN of the other team's target group.
    pub target_group_other: String,
    /// The shop's name, where users ask for one.
    pub name: Option<Name>,
    /// Where requests arrive at the other stack, where there are two.
    pub other_stack: Option<Door>,
    /// The Spot account, when the fleets are Elastigroups.
    pub spot_account: Option<String>,
    /// The cluster, when the fleets are services.
    pub cluster: Option<String>,
    /// The ARN of the base's task definition, when the fleets are services.
    pub task_definition: Option<String>,
    /// The launch template's id; none of the launch templates is there when the fleets are services.
    pub template: String,
    /// The launch template's name.
    pub template_name: String,
    /// The id of the launch template that one instance type of the base has for itself, when it has.
    pub override_template: Option<String>,
    /// The launch template version of the running revision.
    pub running_version: u64,
    /// The name of the base launch configuration, when the base uses one.
    pub launch_configuration: Option<String>,
    /// The name of the base group or service; the id of the base, when it is an Elastigroup.
    pub base_group: String,
    /// The name of the running revision.
    pub running_group: String,
    /// The names of the earlier revisions, newest first.
    pub earlier_groups: Vec<String>,
    /// The name of the group or service that belongs to somebody else.
    pub foreign_group: String,
    /// The image of the running revision.
    pub running_ami: String,
    /// The new image.
    pub new_ami: String,
    /// An image for another architecture.
    pub arm_ami: String,
    /// An image that is not available yet, or not there.
    pub pending_ami: String,
    /// The number of the traffic source, for [`World::stop_traffic`].
    pub traffic: usize,
}

/// A name in DNS.
#[derive(Clone, Debug)]
pub struct Name {
    /// The name, without its final dot.
    pub name: String,
    /// The id of its zone.
    pub zone: String,
    /// The name as a switch, for [`World::weights`].
    pub on: String,
    /// The zone that Cloud Map manages, where the name leads to Cloud Map services.
    pub managed: String,
}

/// The names and ARNs of what hangs on the second load balancer.
#[derive(Clone, Debug)]
pub struct SecondBalancer {
    /// The load balancer's ARN.
    pub load_balancer: String,
    /// The production listener's ARN.
    pub listener: String,
    /// The ARN of the rule that routes; none when the listener's default action does.
    pub rule: Option<String>,
    /// The ARN of the listener that forwards to `shop-d`, in the staged layout.
    pub test_listener: Option<String>,
    /// The ARN of the target group `shop-c`, which has all traffic.
    pub target_group_c: String,
    /// The ARN of the target group `shop-d`, which has none.
    pub target_group_d: String,
    /// The number of the traffic source, for [`World::stop_traffic`].
    pub traffic: usize,
}

impl SecondBalancer {
    /// The rule or listener that routes, for [`World::weights`].
    pub fn route(&self) -> &str {
        self.rule.as_deref().unwrap_or(&self.listener)
    }
}

impl Shop {
    /// The rule, listener or name that routes, for [`World::weights`].
    pub fn route(&self) -> &str {
        if let Some(name) = &self.name {
            return &name.on;
        }
        self.rule.as_deref().unwrap_or(&self.listener)
    }
}

/// Builds the shop in an empty account.
///
/// # Panics
///
/// When the account refuses what is built, which only happens when it was not empty.
pub fn shop(world: &mut World, options: ShopOptions) -> Shop {
    build::build(world, options).expect("the shop fits into an empty account")
}

/// AWS's words when a zone has run out of an instance type.
pub const NO_CAPACITY: &str = "We currently do not have sufficient m6i.large capacity in the Availability Zone you \
    requested (eu-west-1a). Our system will be working on provisioning additional capacity. You can currently get \
    m6i.large capacity by not specifying an Availability Zone in your request or choosing eu-west-1b, eu-west-1c.";
