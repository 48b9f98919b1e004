//! The deployment document: what a user writes, as one total type.
//!
//! The types here are the single source: the JSON Schema for editors is generated from them, the structural
//! check ([`parse`]) walks that same schema, and after parsing nothing is optional that has a default.

mod check;
mod checks;
mod hooks;
mod hooks_check;
mod metric;
mod named;
mod on_failure;
mod read;
pub mod references;
mod schema;
mod stages;
mod syntax;
mod text;
mod verification;

#[cfg(test)]
mod fuzz;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answerers::Answerers;
use crate::capacity::{Amount, Size};
use crate::infrastructure::Infrastructure;
pub use crate::kinds::Compute;
pub use crate::kinds::dns::DnsName;
pub use crate::kinds::elb::{RuleOrListener, TargetGroupArn};

pub use hooks::{Expect, FunctionArn, Hook, HookName, Hooks, Http, Point, Secret, Step, What, at as hooks_at};
pub use metric::{CloudWatch, Metric, Missing, PLACEHOLDERS, Quantity, Ratio, Unit};
pub use named::NamedStage;
pub use on_failure::{Ask, OnFailure, Reaction};
pub use read::{Problem, parse, parse_text, suggestion};
pub use schema::json_schema;
pub use text::{LONGEST, read_text};
pub use verification::{
    AtStart, Breaches, Check, Compare, OnInconclusive, Traffic, Unknown, Verification, Verify, Watch, Worse,
};

/// One deployment: which artifact goes to which fleet, behind which router, by which strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "crossfade deployment document")]
pub struct Document {
    /// The service that is deployed; part of the infrastructure definition.
    #[schemars(regex(pattern = NAME), extend("x-expected" = NAME_EXPECTED), example = &"shop")]
    pub service: String,
    /// The environment it is deployed to; part of the infrastructure definition.
    #[schemars(regex(pattern = NAME), extend("x-expected" = NAME_EXPECTED), example = &"production")]
    pub environment: String,
    /// What this deployment is for, in a sentence: for plan, log, status and notifications.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 500), example = &"Release 1.42: the new checkout")]
    pub description: String,
    /// What is deployed.
    pub artifact: Artifact,
    /// Where its instances run.
    pub compute: Compute,
    /// What moves the traffic.
    pub routing: Routing,
    /// In which stages.
    pub strategy: Strategy,
    /// What is looked at while the candidate serves, and ends the deployment when it is bad.
    #[serde(default, skip_serializing_if = "Verification::is_none")]
    pub verification: Verification,
    /// What of the user's own is called meanwhile, by names of your own.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    #[schemars(length(max = 20))]
    pub hooks: Hooks,
    /// What follows when a stage fails, before everything is rolled back.
    #[serde(default, skip_serializing_if = "OnFailure::is_none")]
    pub on_failure: OnFailure,
    /// Whose answers to its approvals count.
    #[serde(default, skip_serializing_if = "Approvals::is_open")]
    pub approvals: Approvals,
    /// How long each kind of waiting may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How a rollback goes.
    #[serde(default)]
    pub rollback: RollbackSettings,
    /// Who is told.
    #[serde(default)]
    pub notifications: Notifications,
    /// Why this is deployed although its environment is frozen, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub during_freeze: Option<String>,
}

const NAME: &str = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";
const NAME_EXPECTED: &str = "1 to 63 letters, digits, dots, underscores or hyphens, starting with a letter or digit";

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Artifact {
    /// The id of a machine image: a new fleet is made with it.
    Ami(
        #[schemars(
            regex(pattern = r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$"),
            extend("x-expected" = "the id of an AMI, `ami-` and 8 or 17 hexadecimal digits"),
            example = &"ami-0a11ce00000000007"
        )]
        String,
    ),
    /// A container image, by tag or digest: a new fleet is made with it.
    Image(
        #[schemars(
            regex(pattern = r"^[a-z0-9][A-Za-z0-9._:/-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$"),
            length(max = 512),
            extend("x-expected" = "a container image with its tag or digest, `REPOSITORY:TAG` or `REPOSITORY@sha256:…`"),
            example = &"123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:7"
        )]
        String,
    ),
    /// The number of a revision that is kept at size 0: its fleet takes over again, by the same stages.
    Revision(#[schemars(range(min = 1, max = 1_000_000))] u32),
}

impl std::fmt::Display for Artifact {
    /// In a word or two.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Artifact::Ami(image) | Artifact::Image(image) => f.write_str(image),
            Artifact::Revision(revision) => write!(f, "revision {revision}"),
        }
    }
}

/// How many instances the new fleet ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Capacity {
    /// The size of the fleet that serves now, read when the deployment starts; the base's when none does.
    #[default]
    SameAsRunning,
    /// This size.
    Fixed(Size),
}

/// What moves the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Routing {
    /// The weights of rules or listeners, each of which forwards to two target groups: one with all the traffic, one with
    /// none. Several are shifted together.
    Weighted(#[schemars(length(min = 1, max = 100))] Vec<RuleOrListener>),
    /// Pairs of rules or listeners that exchange their target groups: what production forwards to, and what the test side does.
    Listeners(#[schemars(length(min = 1, max = 50))] Vec<ListenerPair>),
    /// The weights of records of names in DNS, which lead to two load balancers, or to two Cloud Map services in which tasks of ECS are
    /// registered. Several are shifted together.
    Dns(#[schemars(length(min = 1, max = 10))] Vec<DnsName>),
    /// The attachment of fleets to target groups.
    TargetGroups(TargetGroups),
    /// Nothing: the instances fetch their work themselves.
    None,
}

impl Routing {
    /// Whether requests come by load balancers.
    pub fn balances(&self) -> bool {
        match self {
            Self::Weighted(_) | Self::Listeners(_) | Self::TargetGroups(_) => true,
            Self::Dns(names) => names.iter().all(|name| name.services.is_empty()),
            Self::None => false,
        }
    }

    /// The rules and listeners that are steered.
    pub fn rules_and_listeners(&mut self) -> Vec<&mut String> {
        match self {
            Self::Weighted(all) => all.iter_mut().map(|it| &mut it.0).collect(),
            Self::Listeners(pairs) => {
                pairs.iter_mut().flat_map(|pair| [&mut pair.production.0, &mut pair.test.0]).collect()
            }
            Self::Dns(_) | Self::TargetGroups(_) | Self::None => Vec::new(),
        }
    }
}

/// Two rules or listeners that exchange their target groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerPair {
    /// Where the users' requests arrive.
    pub production: RuleOrListener,
    /// Where a new fleet is looked at before it serves.
    pub test: RuleOrListener,
}

/// Target groups that fleets are attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetGroups {
    /// Those that the users' requests reach.
    #[schemars(length(min = 1, max = 50))]
    pub production: Vec<TargetGroupArn>,
    /// Those that a new fleet comes up in before it is swapped, one for each of production. Without any, the new fleet comes
    /// up in production.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub test: Vec<TargetGroupArn>,
}

/// In which stages the candidate takes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// All instances of the candidate up beside the old ones, then the old ones go.
    Basic(Basic),
    /// The candidate grows in phases, and the old fleet shrinks in inverse proportion.
    Canary(Canary),
    /// Blue/green: all instances up, then the traffic in steps of weight.
    BlueGreenShift(BlueGreenShift),
    /// Blue/green: all instances up on the test side, then all traffic at once.
    BlueGreenSwap(BlueGreenSwap),
    /// The stages written out. The first one, setting up the new fleet, is always there.
    Stages(#[schemars(length(min = 1, max = 100))] Vec<NamedStage>),
}

/// The settings of the basic strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Basic {
    /// How far the candidate has grown, step by step. It always ends at 100 %: that step is added when it is not there.
    #[schemars(length(min = 1, max = 20))]
    pub upscale: Vec<Amount>,
    /// The verification that stands before the old fleet goes, while both serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Whether an approval is asked for while both fleets serve, before the old one goes.
    pub approve_before_downsize: bool,
    /// The approval that is asked for.
    pub approval: Approval,
}

impl Default for Basic {
    fn default() -> Self {
        Self { upscale: all_at_once(), verify: None, approve_before_downsize: false, approval: Approval::default() }
    }
}

/// One step in which all of a candidate comes up.
fn all_at_once() -> Vec<Amount> {
    vec![Amount::Percent(100)]
}

/// The settings of the canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Canary {
    /// How far the candidate has grown after each phase. A canary always ends at 100 %: that phase is added when it is
    /// not there.
    #[schemars(length(min = 1, max = 20))]
    pub phases: Vec<Amount>,
    /// Which fleet is resized first in each phase.
    pub resize_order: ResizeOrder,
    /// The verification that stands after phases, before the approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// After which of these phases it stands; the first one is 1. Default: after all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), inner(range(min = 1, max = 20)))]
    pub verify_after_phases: Option<Vec<u32>>,
    /// After which of these phases an approval is asked for; the first one is 1.
    #[schemars(length(max = 20), inner(range(min = 1, max = 20)))]
    pub approve_after_phases: Vec<u32>,
    /// The approvals that are asked for.
    pub approval: Approval,
    /// How long each phase but the last is left alone before the next, in seconds.
    #[schemars(range(min = 0, max = 86400))]
    pub pause_seconds: u32,
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            phases: vec![Amount::Percent(25), Amount::Percent(50), Amount::Percent(100)],
            resize_order: ResizeOrder::NewFirst,
            verify: None,
            verify_after_phases: None,
            approve_after_phases: vec![],
            approval: Approval::default(),
            pause_seconds: 0,
        }
    }
}

/// Which fleet is resized first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ResizeOrder {
    /// The new fleet grows before the old one shrinks: capacity never falls.
    NewFirst,
    /// The old fleet shrinks before the new one grows: no instance more than now is ever paid for, and capacity falls for
    /// a while. See `minimumHealthyPercent`.
    OldFirst,
}

/// The settings of the blue/green swap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BlueGreenSwap {
    /// How far the candidate has grown, step by step. It always ends at 100 %: that step is added when it is not there.
    #[schemars(length(min = 1, max = 20))]
    pub upscale: Vec<Amount>,
    /// The verification that stands after the swap, while the old fleet is still up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Whether an approval is asked for while the candidate is on the test side.
    pub approve_before_swap: bool,
    /// The approval that is asked for.
    pub approval: Approval,
    /// How long the old fleet is left as it is after the swap, in seconds.
    #[schemars(range(min = 0, max = 86400))]
    pub pause_seconds: u32,
    /// Whether the old fleet is downsized to 0 at the end.
    pub downsize_old: bool,
}

impl Default for BlueGreenSwap {
    fn default() -> Self {
        Self {
            upscale: all_at_once(),
            verify: None,
            approve_before_swap: false,
            approval: Approval::default(),
            pause_seconds: 0,
            downsize_old: true,
        }
    }
}

/// The settings of the blue/green shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BlueGreenShift {
    /// How far the candidate has grown, step by step. It always ends at 100 %: that step is added when it is not there.
    #[schemars(length(min = 1, max = 20))]
    pub upscale: Vec<Amount>,
    /// The candidate's share of the traffic after each step, in percent; the last one is 100.
    #[schemars(length(min = 1, max = 50), inner(range(min = 1, max = 100)))]
    pub percents: Vec<u32>,
    /// The verification that stands after steps, before the approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// After which of these steps it stands, in percent. Default: after all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), inner(range(min = 1, max = 100)))]
    pub verify_after_percents: Option<Vec<u32>>,
    /// After which of these steps an approval is asked for, in percent.
    #[schemars(length(max = 50), inner(range(min = 1, max = 100)))]
    pub approve_after_percents: Vec<u32>,
    /// The approvals that are asked for.
    pub approval: Approval,
    /// How long each step but the last is left alone before the next, in seconds.
    #[schemars(range(min = 0, max = 86400))]
    pub pause_seconds: u32,
    /// How long the old fleet is left as it is after the last step, in minutes: until then going back takes one change of weights.
    #[schemars(range(min = 0, max = 1440))]
    pub bake_minutes: u32,
    /// Whether the old fleet is downsized to 0 at the end.
    pub downsize_old: bool,
}

impl Default for BlueGreenShift {
    fn default() -> Self {
        Self {
            upscale: all_at_once(),
            percents: vec![10, 50, 100],
            verify: None,
            verify_after_percents: None,
            approve_after_percents: vec![],
            approval: Approval::default(),
            pause_seconds: 0,
            bake_minutes: 0,
            downsize_old: true,
        }
    }
}

/// One stage, written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StageSpec {
    /// The candidate grows to this much of what was asked, and every instance is healthy.
    Upscale(Amount),
    /// The candidate gets this share of the traffic. Only with `routing.weighted` and `routing.dns`.
    Shift(Shift),
    /// The candidate gets all the traffic at once.
    Swap(Swap),
    /// The checks of `verification` are looked at for a while. All of them have to be good at its end.
    Verify(Verify),
    /// Somebody has to agree.
    Approve(Approval),
    /// Nothing happens for a while.
    Pause(Pause),
    /// This hook of `hooks` is called, and has to say yes.
    Hook(HookName),
    /// The old fleet shrinks in inverse proportion: by what this much of the candidate stands for. To 0, with
    /// `percent: 100`, only after the candidate has all traffic.
    Downsize(Amount),
}

/// A share of the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shift {
    /// The candidate's share, in percent.
    #[schemars(range(min = 1, max = 100))]
    pub percent: u32,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pause {
    /// How long, in seconds.
    #[schemars(range(min = 1, max = 86400))]
    pub seconds: u32,
}

/// A swap has no settings of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swap {}

/// An approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Approval {
    /// What the approver is asked.
    #[schemars(length(max = 1000))]
    pub message: String,
    /// How long they have, in minutes (at most 30 days).
    #[schemars(range(min = 1, max = 43200))]
    pub timeout_minutes: u32,
    /// What counts as their decision when they say nothing.
    pub on_timeout: Decision,
    /// Whose answers count, rather than those of `approvals.approvers`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub approvers: Vec<Approver>,
}

impl Default for Approval {
    fn default() -> Self {
        Self { message: String::new(), timeout_minutes: 60, on_timeout: Decision::Reject, approvers: Vec::new() }
    }
}

/// Whose answers to all approvals of a deployment count. Where nothing is said, everybody's do who may answer at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Approvals {
    /// Whose answers count, by the ARNs that AWS knows them by. They prove who they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub approvers: Vec<Approver>,
    /// Whether whoever has started the deployment may not approve it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_by_starter: bool,
    /// Who starts it: a proof that the command writes here, and that is good for minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub start_proof: Option<String>,
}

impl Approvals {
    /// Whether it says nothing.
    fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whose answers to an approval count; nothing where everybody's do.
    pub fn answerers(&self, approval: &Approval) -> Option<Answerers> {
        let approvers = if approval.approvers.is_empty() { &self.approvers } else { &approval.approvers };
        let approvers = approvers.iter().map(|approver| approver.0.clone()).collect();
        let answerers = Answerers { approvers, not_by_starter: self.not_by_starter };
        Some(answerers).filter(|it| *it != Answerers::default())
    }
}

/// Somebody by the ARN that AWS knows them by, in which `*` stands for any text and `?` for any character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Approver(
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:(iam::[0-9]{12}:(user/.+|root)|sts::[0-9]{12}:(assumed-role|federated-user)/.+)$"),
        length(max = 2048),
        extend("x-expected" = "the ARN of a user or of a role's sessions, `arn:aws:iam::ACCOUNT:user/NAME` or `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, in which * and ? may stand after the account"),
        example = &"arn:aws:sts::123456789012:assumed-role/ReleaseManagers/*"
    )]
    pub String,
);

/// A decision about an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// Go on.
    Approve,
    /// Roll back.
    Reject,
}

/// How long each kind of waiting may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// How long a fleet may take until all its instances are healthy, in minutes.
    #[schemars(range(min = 1, max = 1440))]
    pub steady_state_minutes: u32,
    /// The longest that draining may take, in minutes: the deregistration delay and the stickiness of the rule have
    /// to fit in it.
    #[schemars(range(min = 1, max = 10080))]
    pub drain_minutes: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { steady_state_minutes: 20, drain_minutes: 60 }
    }
}

/// How a rollback goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RollbackSettings {
    /// A pause for inspection: the traffic goes back at once, but the candidate is only removed when somebody has
    /// decided, either way, or the time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Whether the phases of a canary are taken back one by one, rather than all at once.
    pub phase_by_phase: bool,
}

/// Who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Notifications {
    /// The SNS topic for this deployment. Default: the topic of the installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TOPIC), extend("x-expected" = TOPIC_EXPECTED))]
    pub topic_arn: Option<String>,
    /// Others who are told, each of what it wants to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub receivers: Vec<Receiver>,
}

const TOPIC: &str = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$";
const TOPIC_EXPECTED: &str = "the ARN of an SNS topic, `arn:aws:sns:REGION:ACCOUNT:NAME`";

/// Somebody who is told of some events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receiver {
    /// The SNS topic.
    #[schemars(regex(pattern = TOPIC), extend("x-expected" = TOPIC_EXPECTED))]
    pub topic_arn: String,
    /// Of which events.
    #[schemars(length(min = 1, max = 7))]
    pub events: Vec<Told>,
}

/// What people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Told {
    /// It has started.
    Started,
    /// Somebody has to decide.
    Approval,
    /// It has succeeded.
    Succeeded,
    /// It was refused before anything was touched.
    Refused,
    /// It has failed, or was stopped, and is being rolled back.
    RollingBack,
    /// It is rolled back.
    RolledBack,
    /// Its rollback does not get on, or has come to nothing: somebody has to help.
    Stuck,
}

impl Notifications {
    /// The topics that are told of this: the one of the deployment, which is told everything, and those that want to know it. Each once.
    pub fn topics<'a>(&'a self, told: Told, installation: Option<&'a str>) -> Vec<&'a str> {
        let everything = self.topic_arn.as_deref().or(installation);
        let others = self.receivers.iter().filter(|receiver| receiver.events.contains(&told));
        let mut topics: Vec<&str> = everything.into_iter().collect();
        for receiver in others {
            if !topics.contains(&receiver.topic_arn.as_str()) {
                topics.push(&receiver.topic_arn);
            }
        }
        topics
    }
}

impl Document {
    /// The infrastructure definition.
    pub fn infrastructure(&self) -> Infrastructure {
        let base = self.compute.base_of_definition();
        Infrastructure { service: self.service.clone(), environment: self.environment.clone(), base }
    }

    /// The same deployment in an emergency: see [`Strategy::at_once`]. No alarm and no hook keeps it from going on either: those of
    /// production may be why somebody goes back. Hooks that are only told still are. Whatever fails leads back at once.
    #[must_use]
    pub fn at_once(&self) -> Self {
        let mut document =
            Self { strategy: self.strategy.at_once(), verification: Verification::default(), ..self.clone() };
        document.on_failure = OnFailure::default();
        document.hooks.values_mut().for_each(|hook| hook.at.retain(|point| point.only_tells()));
        // What its steps ask for by number is what it ends with.
        if let (Capacity::Fixed(size), Some(most)) = (document.compute.capacity_mut(), self.strategy.most()) {
            *size = size.wanting(most).unwrap_or(*size);
        }
        document
    }

    /// The same deployment as one that brings a kept revision back; `now`: in an emergency, without what it would wait for. It is as
    /// somebody would write it.
    pub fn back_to(&self, revision: u32, now: bool) -> Value {
        let mut value = if now { json!(self.at_once()) } else { json!(self) };
        value["artifact"] = json!({ "revision": revision });
        references::as_written(value)
    }

    /// The stages of the strategy, written out.
    pub fn stages(&self) -> Vec<StageSpec> {
        self.strategy.stages()
    }

    /// The same with the hooks that stand between them.
    pub fn steps(&self) -> Vec<Step> {
        hooks::woven(self.strategy.named(), &self.hooks)
    }
}
