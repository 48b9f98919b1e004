//! The kinds of fleets, and the only place of core that lists them.
//!
//! What it owns: what the document says of each kind, what of a fleet only its kind knows, and what each can and cannot do, as
//! data with a few methods. Whoever adds a kind adds a file here; the compiler then names the rest.
//!
//! What it must never do: decide what happens to a fleet. Plans, conditions and sizes ask [`Own`] and [`Blueprint`] in words that
//! every kind has an answer to.

pub mod asg;
pub mod dns;
pub mod ecs;
pub mod elastigroup;
pub mod elb;
mod instances;
pub mod metrics;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capacity::Size;
use crate::document::{Artifact, Capacity, Problem, Routing};
use crate::lane::Lane;
use crate::observed::{Baggage, Fleet, TargetType};

pub use asg::AutoScalingGroup;
pub use ecs::EcsService;
pub use elastigroup::Elastigroup;
pub use instances::{Instances, UserData};

/// Where the members run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compute {
    /// Auto Scaling groups, each made from a base group.
    AutoScalingGroup(AutoScalingGroup),
    /// Services of Amazon ECS, each made from a base service.
    EcsService(EcsService),
    /// Elastigroups of Spot, each made from a live one or from JSON.
    Elastigroup(Elastigroup),
}

/// What the document says of fleets of every kind.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// The fleet that serves as the template; empty when the template is written out.
    pub base: &'a str,
    /// The name of the series: revision 7 of `shop` is `shop__7`.
    pub name: &'a str,
    /// How many members the new fleet ends with.
    pub capacity: Capacity,
    /// How many old fleets at size 0 are kept.
    pub keep_revisions: u32,
    /// Whether another base starts a series of its own.
    pub resets: bool,
    /// How far the healthy capacity may fall while an old fleet shrinks before the new one has grown, in percent.
    pub minimum_healthy_percent: u32,
}

impl Compute {
    /// Where it stands in the document.
    pub fn path(&self) -> &'static str {
        match self {
            Self::AutoScalingGroup(_) => "compute.autoScalingGroup",
            Self::EcsService(_) => "compute.ecsService",
            Self::Elastigroup(_) => "compute.elastigroup",
        }
    }

    /// What it says of fleets of every kind.
    pub fn series(&self) -> Series<'_> {
        macro_rules! series {
            ($of:expr) => {
                Series {
                    base: &$of.base,
                    name: &$of.name,
                    capacity: $of.capacity,
                    keep_revisions: $of.keep_revisions,
                    resets: $of.reset_revisions_for_new_base,
                    minimum_healthy_percent: $of.minimum_healthy_percent,
                }
            };
        }
        match self {
            Self::AutoScalingGroup(group) => series!(group),
            Self::EcsService(service) => series!(service),
            Self::Elastigroup(group) => series!(group),
        }
    }

    /// What it says of new instances.
    pub fn instances(&self) -> Instances<'_> {
        match self {
            Self::AutoScalingGroup(group) => {
                Instances { user_data: group.user_data.as_ref(), tags: &group.instance_tags }
            }
            Self::EcsService(_) => Instances::NONE,
            Self::Elastigroup(group) => Instances { user_data: group.user_data.as_ref(), tags: &group.instance_tags },
        }
    }

    /// The name of the series, to be filled in.
    pub(crate) fn name_mut(&mut self) -> &mut String {
        match self {
            Self::AutoScalingGroup(group) => &mut group.name,
            Self::EcsService(service) => &mut service.name,
            Self::Elastigroup(group) => &mut group.name,
        }
    }

    /// How many members the new fleet ends with.
    pub(crate) fn capacity_mut(&mut self) -> &mut Capacity {
        match self {
            Self::AutoScalingGroup(group) => &mut group.capacity,
            Self::EcsService(service) => &mut service.capacity,
            Self::Elastigroup(group) => &mut group.capacity,
        }
    }

    /// The base as it stands in the infrastructure definition: no two bases of any kind are called the same, and it says where
    /// fleets are. Where those of every base are one series, what is left of it.
    pub fn base_of_definition(&self) -> Option<String> {
        let resets = self.series().resets;
        match self {
            Self::AutoScalingGroup(group) => resets.then(|| group.base.clone()),
            Self::EcsService(EcsService { cluster, base, name, .. }) => Some(match (resets, base.as_str()) {
                (false, _) => format!("{cluster}:"),
                // No service is called so.
                (true, "") => format!("{cluster}:={name}"),
                (true, base) => format!("{cluster}:{base}"),
            }),
            Self::Elastigroup(group) => Some(group.base_of_definition()),
        }
    }

    /// What contradicts itself, each with what to do.
    pub(crate) fn contradictions(&self, routing: Option<&Routing>) -> Vec<Problem> {
        let service = match self {
            Self::AutoScalingGroup(_) => return self.instances().contradictions(self.path()),
            Self::EcsService(service) => service,
            Self::Elastigroup(group) => {
                return [group.contradictions(), self.instances().contradictions(self.path())].concat();
            }
        };
        let mut found = Vec::new();
        match (service.base.is_empty(), &service.definition) {
            (true, None) => {
                found.push(("it has no template", "Name a service with `base`, or write one out with `definition`."))
            }
            (false, Some(_)) => found.push(("it has two templates", "Leave out `base` or `definition`.")),
            _ => {}
        }
        if service.base.is_empty() && service.scaling == ecs::Scaling::SameAsBase {
            found.push(("scaling is sameAsBase, and there is no base", "Use sameAsRunning, written or none."));
        }
        if service.port.is_some() && service.container.is_empty() {
            found.push(("a port needs a container", "Give `container`, too."));
        }
        let whole = |(problem, fix): (&str, &str)| Problem {
            path: self.path().into(),
            value: None,
            problem: problem.into(),
            fix: fix.into(),
        };
        let mut found: Vec<Problem> = found.into_iter().map(whole).collect();
        if let Some(definition) = &service.definition {
            found.extend(definition.read(&service.container, "image:tag").err().unwrap_or_default());
        }
        if let ecs::Scaling::Written(written) = &service.scaling {
            found.extend(written.contradictions(&service.name, service.capacity, routing));
        }
        found
    }

    /// What is wrong with a series that is given no name, where no fleet of this kind can be called by the one that it would get.
    pub(crate) fn nameless(&self, default: &str) -> Option<Problem> {
        match self {
            Self::EcsService(service) if service.name.is_empty() && default.contains('.') => Some(Problem {
                path: format!("{}.name", self.path()),
                value: None,
                problem: format!("it would be {default}, and no service of ECS has a dot in its name"),
                fix: "Give it a name.".into(),
            }),
            Self::EcsService(_) | Self::AutoScalingGroup(_) | Self::Elastigroup(_) => None,
        }
    }

    /// The scaling of a new fleet, where the document says it rather than a fleet that has it.
    fn written_scaling(&self) -> Option<&ecs::written::Written> {
        match self {
            Self::EcsService(EcsService { scaling: ecs::Scaling::Written(written), .. }) => Some(written),
            Self::EcsService(_) | Self::AutoScalingGroup(_) | Self::Elastigroup(_) => None,
        }
    }

    /// What a new fleet carries by the document alone.
    pub fn baggage(&self) -> Option<Baggage> {
        match self {
            Self::Elastigroup(group) => group.baggage(),
            _ => self.written_scaling().map(ecs::written::Written::baggage),
        }
    }

    /// A size within the limits that the document says.
    ///
    /// # Errors
    /// What is wrong with a size that is not.
    pub fn limited(&self, size: Size) -> Result<Size, String> {
        self.written_scaling().map_or(Ok(size), |written| written.limited(size))
    }

    /// What of the document these lanes cannot have, each in a sentence or two.
    pub fn misfits(&self, lanes: &[Lane], records: &BTreeMap<String, dns::Records>) -> Vec<String> {
        self.written_scaling().map_or_else(Vec::new, |written| written.misfits(lanes, records))
    }

    /// The template as a fleet, where it is written out: nothing runs of it, and nothing has to be asked.
    pub fn written(&self) -> Option<Fleet> {
        let own = match self {
            Self::EcsService(EcsService { definition: Some(_), .. }) => Own::EcsService(ecs::Own::default()),
            Self::Elastigroup(Elastigroup { base, .. }) if base.is_empty() => {
                // Nothing is worth a remark of what has no members.
                let own = elastigroup::Own { falls_back: true, heeds_balancer: true, ..elastigroup::Own::default() };
                Own::Elastigroup(own)
            }
            _ => return None,
        };
        Some(Fleet {
            name: "the definition".into(),
            infrastructure: None,
            revision: None,
            deployment: None,
            size: Size::ZERO,
            target_groups: Vec::new(),
            sources: Vec::new(),
            zones: Vec::new(),
            members: Vec::new(),
            blueprint: None,
            deleting: false,
            own,
            wakes: None,
        })
    }

    /// Where its fleets are.
    pub fn platform(&self) -> Platform {
        match self {
            Self::AutoScalingGroup(_) => Platform::AutoScalingGroups,
            Self::EcsService(service) => Platform::EcsServices { cluster: service.cluster.clone() },
            Self::Elastigroup(group) => Platform::Elastigroups { account: group.account.clone() },
        }
    }

    /// The field of the document that this artifact belongs into, if it is not one of this kind's.
    pub(crate) fn other_artifact(&self, artifact: &Artifact) -> Option<&'static str> {
        match (self, artifact) {
            (Self::AutoScalingGroup(_) | Self::Elastigroup(_), Artifact::Image(_)) => Some("ami"),
            (Self::EcsService(_), Artifact::Ami(_)) => Some("image"),
            _ => None,
        }
    }
}

/// Where the fleets of a deployment are: of which kind, and what has to be known to find them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Platform {
    /// Auto Scaling groups of the region.
    AutoScalingGroups,
    /// Services of an ECS cluster.
    EcsServices {
        /// The cluster's name.
        cluster: String,
    },
    /// Elastigroups of a Spot account, in the region.
    Elastigroups {
        /// The account's id.
        account: String,
    },
}

impl Platform {
    /// Where the fleets of an infrastructure definition are, by its base.
    pub fn of_base(base: Option<&str>) -> Self {
        let mut parts = base.into_iter().flat_map(|base| base.split(':'));
        match (parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(account), Some(_)) => Self::Elastigroups { account: account.to_owned() },
            (Some(cluster), Some(_), None) => Self::EcsServices { cluster: cluster.to_owned() },
            _ => Self::AutoScalingGroups,
        }
    }

    /// What a fleet is called here.
    pub fn fleet(&self) -> &'static str {
        match self {
            Self::AutoScalingGroups => "Auto Scaling group",
            Self::EcsServices { .. } => "ECS service",
            Self::Elastigroups { .. } => "Elastigroup",
        }
    }

    /// The same with its article.
    pub fn a_fleet(&self) -> &'static str {
        match self {
            Self::AutoScalingGroups => "an Auto Scaling group",
            Self::EcsServices { .. } => "an ECS service",
            Self::Elastigroups { .. } => "an Elastigroup",
        }
    }

    /// What its members are called.
    pub fn members(&self) -> &'static str {
        match self {
            Self::AutoScalingGroups | Self::Elastigroups { .. } => "instances",
            Self::EcsServices { .. } => "tasks",
        }
    }

    /// Whether tags or names tell which of its fleets serve; `shared`, where all of them serve together.
    pub fn marks(&self, shared: bool) -> bool {
        match self {
            Self::AutoScalingGroups => false,
            Self::EcsServices { .. } => true,
            Self::Elastigroups { .. } => !shared,
        }
    }

    /// Whether its members can be registered where DNS finds them.
    pub fn registers_in_dns(&self) -> bool {
        matches!(self, Self::EcsServices { .. })
    }

    /// How long what is put to rest of a fleet rests, in seconds, unless somebody renews it; nothing where it rests for good.
    pub fn rests_seconds(&self) -> Option<u64> {
        match self {
            Self::AutoScalingGroups | Self::EcsServices { .. } => None,
            Self::Elastigroups { .. } => Some(elastigroup::RESTS_SECONDS),
        }
    }

    /// Whether a fleet goes on serving while it changes its pools. An ECS service replaces its tasks for that, and in which order Spot
    /// moves the instances of an Elastigroup nobody says.
    pub fn moves_with_members(&self) -> bool {
        matches!(self, Self::AutoScalingGroups)
    }
}

/// What the members of a fleet are made from, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Blueprint {
    /// A launch template version or configuration.
    AutoScalingGroup(asg::LaunchSource),
    /// A task definition.
    EcsService(ecs::TaskDefinition),
    /// A live Elastigroup, or JSON.
    Elastigroup(elastigroup::Source),
}

impl Blueprint {
    /// Whether a member may stand for more than one of a fleet's size.
    pub fn weighed(&self) -> bool {
        matches!(self, Self::AutoScalingGroup(asg::LaunchSource::Mixed { .. }))
    }

    /// Whether its members can be registered as such targets, or what has to be used instead.
    pub fn registers_as(&self, targets: TargetType) -> Result<(), &'static str> {
        let wanted = match self {
            Self::AutoScalingGroup(_) | Self::Elastigroup(_) => TargetType::Instance,
            Self::EcsService(definition) => definition.targets(),
        };
        match wanted {
            wanted if wanted == targets => Ok(()),
            TargetType::Ip => Err("ip"),
            TargetType::Instance | TargetType::Other => Err("instance"),
        }
    }
}

/// Something that a fleet does by itself, unless somebody has put it to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// It launches members.
    Launching,
    /// It ends members.
    Ending,
    /// It registers new members with its pools.
    Registering,
    /// It is resized at set times.
    Schedules,
}

/// The part that a fleet plays in a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The base: a copy of it, with what somebody has put to rest, grows, and shrinks again in a rollback.
    Base,
    /// A kept revision that takes over: it grows, and shrinks again in a rollback.
    Kept,
    /// An earlier fleet that shrinks, and grows back in a rollback.
    Shrinks,
    /// An earlier fleet that stays up.
    Stays,
}

/// What of a fleet only its kind knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Own {
    /// Of an Auto Scaling group.
    AutoScalingGroup(asg::Own),
    /// Of an ECS service.
    EcsService(ecs::Own),
    /// Of an Elastigroup.
    Elastigroup(elastigroup::Own),
}

impl Own {
    /// Whether the fleet has limits of its own.
    pub fn bounded(&self) -> bool {
        match self {
            Self::AutoScalingGroup(_) | Self::Elastigroup(_) => true,
            Self::EcsService(own) => own.scaling.is_some(),
        }
    }

    /// What a tag of the fleet told of who serves. It may be wrong.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::AutoScalingGroup(_) => None,
            Self::EcsService(own) => own.version.as_deref(),
            Self::Elastigroup(own) => own.version.as_deref(),
        }
    }

    /// Whether an ability rests.
    pub fn rests(&self, ability: Ability) -> bool {
        match self {
            Self::AutoScalingGroup(own) => own.lacks(ability),
            Self::EcsService(own) => own.lacks(ability),
            Self::Elastigroup(own) => own.lacks(ability),
        }
    }

    /// Whether something moves the fleet by itself that rests while it is held.
    pub fn moves(&self) -> bool {
        match self {
            Self::AutoScalingGroup(_) | Self::EcsService(_) => !self.rests(Ability::Schedules),
            Self::Elastigroup(own) => own.moves(),
        }
    }

    /// Whether somebody has put something to rest that goes on by itself.
    pub fn stirs(&self) -> bool {
        match self {
            Self::AutoScalingGroup(_) | Self::EcsService(_) => false,
            Self::Elastigroup(own) => own.stirs(),
        }
    }

    /// Whether the fleet replaces members that its pools find unhealthy.
    pub fn replaces_ill(&self) -> bool {
        match self {
            Self::AutoScalingGroup(own) => own.replaces_ill(),
            Self::EcsService(_) => true,
            Self::Elastigroup(own) => own.replaces_ill(),
        }
    }

    /// What the fleet keeps in reserve, by its name.
    pub fn reserve(&self) -> Option<&'static str> {
        match self {
            Self::AutoScalingGroup(own) => own.warm_pool.as_ref().map(|_| "warm pool"),
            Self::EcsService(_) | Self::Elastigroup(_) => None,
        }
    }

    /// Which of these abilities rest, in words to append.
    pub fn hindered(&self, fleet: &Fleet, abilities: &[Ability]) -> String {
        match self {
            Self::AutoScalingGroup(own) => own.hindered(&fleet.name, abilities),
            Self::EcsService(_) => String::new(),
            Self::Elastigroup(own) => own.hindered(fleet, abilities),
        }
    }

    /// Whether `now` lacks what this had because a deployment took it, other than sizes and schedules. Anything else is somebody's hand.
    pub fn taken(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::AutoScalingGroup(own), Self::AutoScalingGroup(now)) => own.taken(now),
            _ => false,
        }
    }

    /// Whether anything but sizes is still to be given back until `now` is as this.
    pub fn owes(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::Elastigroup(own), Self::Elastigroup(now)) => own.owes(now),
            _ => self.taken(now) || self.rests(Ability::Schedules) != now.rests(Ability::Schedules),
        }
    }

    /// What `now` has otherwise, each in words.
    pub fn differences(&self, now: &Self, fleet: &str) -> Vec<String> {
        match (self, now) {
            (Self::AutoScalingGroup(own), Self::AutoScalingGroup(now)) => own.differences(now, fleet),
            (Self::EcsService(own), Self::EcsService(now)) => own.differences(now, fleet),
            (Self::Elastigroup(own), Self::Elastigroup(now)) => own.differences(now, fleet),
            _ => vec![format!("{fleet} is of another kind than it was")],
        }
    }
}

/// What stands in the way of a fleet's part, each in a sentence or two. `behind` a load balancer members have to be registered.
pub fn obstacles(part: Part, fleet: &Fleet, behind: bool) -> Vec<String> {
    match &fleet.own {
        Own::AutoScalingGroup(own) => asg::obstacles(part, own, &fleet.name, behind),
        Own::EcsService(own) => ecs::obstacles(part, own, fleet),
        Own::Elastigroup(own) => elastigroup::obstacles(part, own, fleet),
    }
}

/// What is worth knowing about what rests of a fleet and stands in nobody's way.
pub fn remarks(part: Part, fleet: &Fleet) -> Vec<String> {
    match &fleet.own {
        Own::AutoScalingGroup(own) => asg::remarks(part, own, &fleet.name),
        Own::EcsService(own) => ecs::remarks(part, own, fleet),
        Own::Elastigroup(own) => elastigroup::remarks(part, own, fleet),
    }
}

/// The fleet whose scaling a new one gets: the base's, or that of the fleet that serves, where it is kept there. None, where the
/// document says it, or that there is none.
pub fn scaling_from<'a>(compute: &'a Compute, stable: &[&'a Fleet]) -> Option<&'a str> {
    let base = compute.series().base;
    match compute {
        Compute::AutoScalingGroup(_) => Some(base),
        Compute::Elastigroup(_) => Some(base).filter(|base| !base.is_empty()),
        Compute::EcsService(service) => match &service.scaling {
            ecs::Scaling::None | ecs::Scaling::Written(_) => None,
            ecs::Scaling::SameAsBase => Some(base),
            ecs::Scaling::SameAsRunning => {
                // One that sleeps serves nobody: its schedule would send production to sleep with it.
                let awake = stable.iter().any(|fleet| !fleet.asleep());
                let serves = |fleet: &&&Fleet| !awake || !fleet.asleep();
                let newest =
                    stable.iter().filter(serves).filter(|fleet| fleet.bounded()).max_by_key(|fleet| fleet.revision);
                newest.map(|fleet| fleet.name.as_str()).or(Some(base).filter(|base| !base.is_empty()))
            }
        },
    }
}

/// The limits between which a fleet scales that is to have `size`, made from one that has `theirs`: its own where it has any, and
/// never so that they would move it.
pub fn scaling_limits(size: Size, theirs: Size) -> Size {
    // A fleet without limits has 0 and what it has.
    let own = size.min > 0 || size.desired < size.max;
    let limits = if own { size } else { theirs };
    Size { min: limits.min.min(size.desired), desired: size.desired, max: limits.max.max(size.desired) }
}

/// Whether the text at this path of a document was written for another tool: with placeholders of that one, and texts of its own that
/// only look like ours.
pub(crate) fn pasted(path: &str) -> bool {
    path == elastigroup::DEFINITION
}

pub(crate) fn three() -> u32 {
    3
}

pub(crate) fn yes() -> bool {
    true
}

pub(crate) fn hundred() -> u32 {
    100
}
