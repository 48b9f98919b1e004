//! What was seen of the account, in the domain's own words. Adapters make these; decisions read them.

use serde::{Deserialize, Serialize};

use crate::capacity::Size;
use crate::kinds::{Ability, Blueprint, Own};
use crate::text;

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
#[serde(from = "WrittenMember", into = "WrittenMember")]
pub struct Member {
    /// Its id.
    pub id: String,
    /// What it is registered as in pools: its own id, whatever the port, or an address with a port. It may be several.
    pub targets: Vec<String>,
    /// What it is doing.
    pub state: MemberState,
    /// The same in its platform's word, for people.
    pub said: String,
    /// How much of the fleet's size it stands for: 1, or the weight that a mixed-instances policy gives its type.
    pub weight: u32,
    /// Whether it is protected from scale-in (P28).
    pub protected: bool,
}

/// A member as it stands in records, without what nearly all have in common: of thousands of them, one record holds all.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMember {
    id: String,
    /// Unless it is the id alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    targets: Option<Vec<String>>,
    state: MemberState,
    said: String,
    /// Unless it is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    protected: bool,
}

impl From<Member> for WrittenMember {
    fn from(Member { id, targets, state, said, weight, protected }: Member) -> Self {
        let alone = matches!(targets.as_slice(), [only] if *only == id);
        let (targets, weight) = ((!alone).then_some(targets), (weight != 1).then_some(weight));
        Self { id, targets, state, said, weight, protected }
    }
}

impl From<WrittenMember> for Member {
    fn from(WrittenMember { id, targets, state, said, weight, protected }: WrittenMember) -> Self {
        let targets = targets.unwrap_or_else(|| vec![id.clone()]);
        Self { id, targets, state, said, weight: weight.unwrap_or(1), protected }
    }
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
        self.targets.contains(&target.id) || self.targets.contains(&target.address())
    }
}

/// A scheduled action: the sizes that a fleet is given at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The least size that it sets, if it sets one.
    pub min: Option<u32>,
    /// The size that it sets.
    pub desired: Option<u32>,
    /// The greatest size that it sets.
    pub max: Option<u32>,
    /// When it is due next, in milliseconds since 1970, as far as that is known.
    pub due_millis: Option<u64>,
}

/// What wakes a fleet that sleeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wake {
    /// The name of the scheduled action.
    pub schedule: String,
    /// The size that the fleet has when it is awake.
    pub size: Size,
    /// When that is due next, in milliseconds since 1970, as far as that is known.
    pub due_millis: Option<u64>,
}

impl Wake {
    /// What these schedules make of a fleet of this size that has no instances: the most of it, if anything. One of them may
    /// raise the greatest size for another one.
    pub fn of(size: Size, schedules: &[Schedule]) -> Option<Self> {
        let max = schedules.iter().filter_map(|schedule| schedule.max).fold(size.max, u32::max);
        let awake = schedules.iter().map(|schedule| {
            let min = schedule.min.unwrap_or(size.min).min(max);
            let desired = schedule.desired.unwrap_or(size.desired).max(min).min(max);
            let max = schedule.max.unwrap_or(max).max(desired);
            let size = Size { min, desired, max };
            Self { schedule: schedule.name.clone(), size, due_millis: schedule.due_millis }
        });
        awake.filter(|awake| awake.size.desired > 0).max_by_key(|awake| awake.size.desired)
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
    /// The availability zones in which it launches members, as far as they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Its members, in whatever state.
    pub members: Vec<Member>,
    /// What its members are made from; nothing when it is of a form that crossfade does not copy.
    pub blueprint: Option<Blueprint>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What only its kind knows.
    pub own: Own,
    /// What gives it instances by itself while it has none, as far as somebody has looked.
    #[serde(default)]
    pub wakes: Option<Wake>,
}

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

    /// Whether it serves or can: it has instances, or may get some by itself.
    pub fn live(&self) -> bool {
        !self.deleting && (!self.members.is_empty() || self.size.max > 0 || self.wakes.is_some())
    }

    /// Whether it is to have no instances now but may wake up by itself.
    pub fn asleep(&self) -> bool {
        self.live() && self.size.desired == 0
    }

    /// Of these target groups those in which it registers its instances.
    pub fn attached(&self, target_groups: &[String]) -> Vec<String> {
        target_groups.iter().filter(|arn| self.target_groups.contains(arn)).cloned().collect()
    }

    /// Of these target groups those in which it does not.
    pub fn not_attached(&self, target_groups: &[String]) -> Vec<String> {
        target_groups.iter().filter(|arn| !self.target_groups.contains(arn)).cloned().collect()
    }

    /// Those beside these in which it does.
    pub fn attached_beside(&self, target_groups: &[String]) -> Vec<String> {
        self.target_groups.iter().filter(|arn| !target_groups.contains(arn)).cloned().collect()
    }

    /// Whether it registers its instances in one of these target groups.
    pub fn behind(&self, target_groups: &[String]) -> bool {
        self.target_groups.iter().any(|arn| target_groups.contains(arn))
    }

    /// Whether it has limits of its own, between which it scales by itself; otherwise it has the size that it is given.
    pub fn bounded(&self) -> bool {
        self.own.bounded()
    }

    /// Whether it has this size, as far as it can have all of it.
    pub fn has_size(&self, size: Size) -> bool {
        if self.bounded() { self.size == size } else { self.size.desired == size.desired }
    }

    /// The size below which it does not fall by itself.
    pub fn floor(&self) -> u32 {
        if self.bounded() { self.size.min } else { self.size.desired }
    }

    /// Whether nothing resizes it at a set time.
    pub fn schedules_rest(&self) -> bool {
        self.own.rests(Ability::Schedules)
    }

    /// Whether it replaces members that its pools find unhealthy.
    pub fn replaces_ill(&self) -> bool {
        self.own.replaces_ill()
    }

    /// Which of these abilities rest, for whoever waits for what they do: `; …`, or nothing when all of them are there.
    pub fn hindered(&self, abilities: &[Ability]) -> String {
        self.own.hindered(self, abilities)
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

/// What a fleet carries beside its settings, and each fleet made for its place gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Baggage {
    /// The fleet that carries it: the base, as a rule.
    pub from: String,
    /// The names of its scaling policies.
    pub policies: Vec<String>,
    /// The names of its scheduled actions.
    pub schedules: Vec<String>,
    /// The names of its life-cycle hooks.
    pub hooks: Vec<String>,
    /// Whether it has limits of its own that a new fleet lacks until it gets them.
    pub limits: bool,
    /// What it keeps in reserve, by its name.
    pub reserve: Option<String>,
    /// The longest that its hooks may hold instances.
    pub hook_times: HookTimes,
}

impl Baggage {
    /// What was found that lets a fleet scale by itself, or that there is nothing.
    pub fn found(&self) -> String {
        let counted = |names: &[String], one: &str, many: &str| match names {
            [] => format!("no {many}"),
            [name] => format!("1 {one} ({name})"),
            names => format!("{} {many} ({})", names.len(), text::few(names)),
        };
        if self.from.is_empty() {
            return "Nothing is carried that would let the new fleet scale by itself".into();
        }
        let policies = counted(&self.policies, "scaling policy", "scaling policies");
        let schedules = counted(&self.schedules, "scheduled action", "scheduled actions");
        format!("{} has {policies} and {schedules}", self.from)
    }

    /// Whether there is anything that lets a fleet scale by itself.
    pub fn scales(&self) -> bool {
        self.limits || !self.policies.is_empty() || !self.schedules.is_empty() || self.reserve.is_some()
    }
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
    /// The port at which it is.
    #[serde(default)]
    pub port: Option<u16>,
    /// Its health.
    pub health: Health,
    /// The load balancer's reason code, such as `Target.FailedHealthChecks`.
    pub reason: Option<String>,
}

impl Target {
    /// Its id with its port: several may share an id.
    pub fn address(&self) -> String {
        self.port.map_or_else(|| self.id.clone(), |port| format!("{}:{port}", self.id))
    }
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
    /// What its platform knows it by.
    #[serde(default)]
    pub id: String,
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

/// What the targets of a target group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TargetType {
    /// Instances, by their ids.
    Instance,
    /// Addresses.
    Ip,
    /// Something that no fleet registers.
    Other,
}

/// What a target group is like; what decides how long draining takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// How long a deregistered target may finish its requests, in seconds.
    pub drain_seconds: u32,
    /// What its targets are.
    pub targets: TargetType,
    /// Whether the load balancer checks the health of its targets.
    pub health_checks: bool,
    /// The load balancers that forward to it, by ARN; without any nothing reaches it (P73).
    #[serde(default)]
    pub load_balancers: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: &str, sizes: [Option<u32>; 3]) -> Schedule {
        let [min, desired, max] = sizes;
        Schedule { name: name.into(), min, desired, max, due_millis: None }
    }

    #[test]
    fn a_schedule_wakes_a_fleet_when_it_gives_it_instances_and_room_for_them() {
        let evening = schedule("evening", [Some(0), Some(0), None]);
        let asleep = Size { min: 0, desired: 0, max: 8 };
        assert_eq!(Wake::of(asleep, std::slice::from_ref(&evening)), None);
        let morning = schedule("morning", [Some(2), Some(4), None]);
        let wake = Wake::of(asleep, &[evening.clone(), morning.clone()]).expect("it wakes");
        assert_eq!((wake.schedule.as_str(), wake.size), ("morning", Size { min: 2, desired: 4, max: 8 }));
        let least = Wake::of(asleep, &[schedule("least", [Some(3), None, None])]).expect("a minimum wakes it, too");
        assert_eq!(least.size, Size { min: 3, desired: 3, max: 8 });
        assert_eq!(Wake::of(Size::ZERO, std::slice::from_ref(&morning)), None, "AWS refuses it");
        let room = schedule("room", [None, None, Some(6)]);
        let wake = Wake::of(Size::ZERO, &[room, morning]).expect("one makes room for the other");
        assert_eq!(wake.size, Size { min: 2, desired: 4, max: 6 });
    }

    #[test]
    fn a_member_is_written_without_what_nearly_all_have_in_common() {
        let usual = Member {
            id: "i-0123456789abcdef0".into(),
            targets: vec!["i-0123456789abcdef0".into()],
            state: MemberState::Serving,
            said: "InService".into(),
            weight: 1,
            protected: false,
        };
        let written = serde_json::to_string(&usual).expect("it has no other keys than text");
        assert_eq!(written, r#"{"id":"i-0123456789abcdef0","state":"serving","said":"InService"}"#);
        let others = [
            Member { targets: Vec::new(), ..usual.clone() },
            Member { targets: vec!["10.0.0.1:80".into()], weight: 2, ..usual.clone() },
            Member { protected: true, ..usual.clone() },
        ];
        for member in others.into_iter().chain([usual]) {
            let read = serde_json::from_value::<Member>(serde_json::json!(member)).expect("it was written");
            assert_eq!(read, member);
        }
    }
}
