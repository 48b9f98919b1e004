//! The deployment document: what a user writes, as one total type.
//!
//! The types here are the single source: the JSON Schema for editors is generated from them, the structural
//! check ([`parse`]) walks that same schema, and after parsing nothing is optional that has a default.

mod check;
mod read;
pub mod references;
mod schema;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capacity::{Amount, Size};
use crate::infrastructure::Infrastructure;

pub use read::{Problem, parse, parse_text, read_text};
pub use schema::json_schema;

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
    /// What is deployed.
    pub artifact: Artifact,
    /// Where its instances run.
    pub compute: Compute,
    /// What moves the traffic.
    pub routing: Routing,
    /// In which stages.
    pub strategy: Strategy,
    /// How long each kind of waiting may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How a rollback goes.
    #[serde(default)]
    pub rollback: RollbackSettings,
    /// Who is told.
    #[serde(default)]
    pub notifications: Notifications,
}

const NAME: &str = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";
const NAME_EXPECTED: &str = "1 to 63 letters, digits, dots, underscores or hyphens, starting with a letter or digit";

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Artifact {
    /// The id of the machine image.
    #[schemars(
        regex(pattern = r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$"),
        extend("x-expected" = "the id of an AMI, `ami-` and 8 or 17 hexadecimal digits"),
        example = &"ami-0a11ce00000000007"
    )]
    pub ami: String,
}

/// Where the instances run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compute {
    /// Auto Scaling groups, each made from a base group.
    AutoScalingGroup(AutoScalingGroup),
}

/// A series of Auto Scaling groups made from one base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoScalingGroup {
    /// The Auto Scaling group that serves as the template. It is read, never changed.
    #[schemars(
        regex(pattern = r"^[!-.0-9;-~]{1,255}$"),
        extend("x-expected" = "the name of an Auto Scaling group: up to 255 printable ASCII characters without blanks, colons and slashes"),
        example = &"shop-base"
    )]
    pub base: String,
    /// The name of the series: revision 7 of `shop` is the group `shop__7`.
    /// Default: the service and the environment, `shop__production`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^([!-.0-9;-~]{1,200})?$"),
        extend("x-expected" = "up to 200 printable ASCII characters without blanks, colons and slashes"),
        example = &"shop"
    )]
    pub name: String,
    /// How many instances the new group ends with.
    #[serde(default)]
    pub capacity: Capacity,
    /// How many old groups at size 0 are kept for a later rollback; older ones are deleted after a success.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 50))]
    pub keep_revisions: u32,
}

fn three() -> u32 {
    3
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
    /// The weights of a rule that forwards to two target groups.
    WeightedRule(
        #[schemars(
            regex(pattern = r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:listener-rule/app/[^/]+/[0-9a-f]+/[0-9a-f]+/[0-9a-f]+$"),
            extend("x-expected" = "the ARN of an Application Load Balancer's listener rule, `arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener-rule/app/NAME/ID/ID/ID`")
        )]
        String,
    ),
    /// The weights of a listener's default action that forwards to two target groups.
    WeightedListener(
        #[schemars(
            regex(pattern = r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:listener/app/[^/]+/[0-9a-f]+/[0-9a-f]+$"),
            extend("x-expected" = "the ARN of an Application Load Balancer's listener, `arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener/app/NAME/ID/ID`")
        )]
        String,
    ),
}

impl Routing {
    /// The ARN of the rule or listener.
    pub fn arn(&self) -> &str {
        match self {
            Routing::WeightedRule(arn) | Routing::WeightedListener(arn) => arn,
        }
    }

    /// `rule …` or `listener …`, for messages.
    pub fn describe(&self) -> String {
        match self {
            Routing::WeightedRule(arn) => format!("rule {arn}"),
            Routing::WeightedListener(arn) => format!("default action of listener {arn}"),
        }
    }
}

/// In which stages the candidate takes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// Blue/green: all instances up, then the traffic in steps of weight.
    BlueGreenShift(BlueGreenShift),
    /// The stages written out. The first one, setting up the new fleet, is always there.
    Stages(#[schemars(length(min = 1, max = 100))] Vec<StageSpec>),
}

/// The settings of the blue/green shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BlueGreenShift {
    /// The candidate's share of the traffic after each step, in percent; the last one is 100.
    #[schemars(length(min = 1, max = 50), inner(range(min = 1, max = 100)))]
    pub percents: Vec<u32>,
    /// After which of these steps an approval is asked for, in percent.
    #[schemars(length(max = 50), inner(range(min = 1, max = 100)))]
    pub approve_after_percents: Vec<u32>,
    /// The approvals that are asked for.
    pub approval: Approval,
    /// How long each step but the last is left alone before the next, in seconds.
    #[schemars(range(min = 0, max = 86400))]
    pub pause_seconds: u32,
    /// Whether the old fleet is downsized to 0 at the end.
    pub downsize_old: bool,
}

impl Default for BlueGreenShift {
    fn default() -> Self {
        Self {
            percents: vec![10, 50, 100],
            approve_after_percents: vec![],
            approval: Approval::default(),
            pause_seconds: 0,
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
    /// The candidate gets this share of the traffic.
    Shift(Shift),
    /// Somebody has to agree.
    Approve(Approval),
    /// Nothing happens for a while.
    Pause(Pause),
    /// The old fleet is downsized to 0; only after the candidate has all traffic.
    Downsize(Downsize),
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

/// Downsizing has no settings of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Downsize {}

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
}

impl Default for Approval {
    fn default() -> Self {
        Self { message: String::new(), timeout_minutes: 60, on_timeout: Decision::Reject }
    }
}

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
}

/// Who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Notifications {
    /// The SNS topic for this deployment. Default: the topic of the installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$"),
        extend("x-expected" = "the ARN of an SNS topic, `arn:aws:sns:REGION:ACCOUNT:NAME`")
    )]
    pub topic_arn: Option<String>,
}

impl Document {
    /// The Auto Scaling group settings.
    pub fn auto_scaling_group(&self) -> &AutoScalingGroup {
        match &self.compute {
            Compute::AutoScalingGroup(group) => group,
        }
    }

    /// The infrastructure definition.
    pub fn infrastructure(&self) -> Infrastructure {
        Infrastructure {
            service: self.service.clone(),
            environment: self.environment.clone(),
            base: self.auto_scaling_group().base.clone(),
        }
    }

    /// The stages of the strategy, written out.
    pub fn stages(&self) -> Vec<StageSpec> {
        self.strategy.stages()
    }
}

impl Strategy {
    /// The stages, written out.
    pub fn stages(&self) -> Vec<StageSpec> {
        match self {
            Strategy::Stages(stages) => stages.clone(),
            Strategy::BlueGreenShift(shift) => shift.stages(),
        }
    }
}

impl BlueGreenShift {
    fn stages(&self) -> Vec<StageSpec> {
        let mut stages = vec![StageSpec::Upscale(Amount::Percent(100))];
        for (i, &percent) in self.percents.iter().enumerate() {
            stages.push(StageSpec::Shift(Shift { percent }));
            if self.approve_after_percents.contains(&percent) {
                stages.push(StageSpec::Approve(self.approval.clone()));
            }
            if self.pause_seconds > 0 && i + 1 < self.percents.len() {
                stages.push(StageSpec::Pause(Pause { seconds: self.pause_seconds }));
            }
        }
        if self.downsize_old {
            stages.push(StageSpec::Downsize(Downsize {}));
        }
        stages
    }
}
