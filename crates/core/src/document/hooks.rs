//! What a document says about hooks: what is called, when, and what its silence means.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Decision, NamedStage, StageSpec};

/// Something of the user's own that is called while a deployment runs, and may say no: a function, an endpoint, or whatever answers
/// a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Hook {
    /// The Lambda function that is invoked, by its ARN, with a version or an alias if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<FunctionArn>,
    /// The endpoint that is posted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// The Lambda function that is given a task token. Whoever has the token answers with it, at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<FunctionArn>,
    /// When it is called. A stage `hook: NAME` of `strategy.stages` calls it, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub at: Vec<Point>,
    /// What is passed on to it, as it stands here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub input: Map<String, Value>,
    /// How long it may take until it has said yes, in minutes, however often it is called.
    #[schemars(range(min = 1, max = 1440))]
    pub timeout_minutes: u32,
    /// What counts as its answer when it has not said yes by then.
    pub on_timeout: Decision,
}

impl Default for Hook {
    fn default() -> Self {
        Self {
            lambda: None,
            http: None,
            callback: None,
            at: Vec::new(),
            input: Map::new(),
            timeout_minutes: 10,
            on_timeout: Decision::Reject,
        }
    }
}

/// The ARN of a Lambda function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FunctionArn(
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9$_-]{1,128})?$"),
        extend("x-expected" = "the ARN of a Lambda function, `arn:aws:lambda:REGION:ACCOUNT:function:NAME`, with `:ALIAS` if need be"),
        example = &"arn:aws:lambda:eu-west-1:123456789012:function:shop-smoke:live"
    )]
    pub String,
);

/// The ARN of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secret {
    /// Its ARN in Secrets Manager.
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}$"),
        extend("x-expected" = "the ARN of a secret, `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME`"),
        example = &"arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/hooks-AbCdEf"
    )]
    pub secret: String,
    /// The key in it, if it holds an object in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub key: Option<String>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// Its address. The stack's parameter HookHosts has to name the host.
    #[schemars(
        regex(pattern = r"^https://[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?(/[!-~]*)?$"),
        length(max = 2048),
        extend("x-expected" = "an address that begins with https:// and a host's name"),
        example = &"https://tests.example.com/runs"
    )]
    pub url: String,
    /// The header Authorization, from a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Secret>,
    /// The key with which each request is signed, as Standard Webhooks has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<Secret>,
    /// What the answer has to have, for endpoints that do not speak the contract of hooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// Whether 403 means that it is asked again later, rather than no: as Flagger's gates answer.
    #[serde(default)]
    pub gate: bool,
}

/// What an answer has to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// Where in the answer's JSON, as a JSON pointer; empty for all of it.
    #[schemars(
        regex(pattern = r"^(/[^/]*)*$"),
        length(max = 255),
        extend("x-expected" = "a JSON pointer, such as `/result/ok`"),
        example = &"/ok"
    )]
    pub json: String,
    /// What has to stand there.
    pub equals: Value,
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Point {
    /// First of all, before the candidate is made.
    BeforeDeployment,
    /// Once the candidate exists, at size 0.
    AfterSetup,
    /// After each time that the candidate has grown and is healthy.
    AfterUpscale,
    /// Once, before the candidate gets the first traffic. Only where traffic is moved to it.
    BeforeTraffic,
    /// Before each time that traffic is moved to the candidate.
    BeforeShift,
    /// After each time that traffic was moved to the candidate.
    AfterShift,
    /// Before each time that old fleets shrink.
    BeforeDownsize,
    /// Last of all, when the candidate serves. It is only told: whatever it says changes nothing.
    AtEnd,
    /// When a rollback begins. It is only told, and nobody waits for its answer.
    BeforeRollback,
    /// When a rollback is done. It is only told.
    AfterRollback,
}

impl Point {
    /// Whether what a hook says there can change nothing.
    pub fn only_tells(self) -> bool {
        matches!(self, Point::AtEnd | Point::BeforeRollback | Point::AfterRollback)
    }

    /// Whether it has to do with traffic that is moved.
    pub fn moves_traffic(self) -> bool {
        matches!(self, Point::BeforeTraffic | Point::BeforeShift | Point::AfterShift)
    }

    /// As a document spells it.
    pub fn name(self) -> &'static str {
        match self {
            Point::BeforeDeployment => "beforeDeployment",
            Point::AfterSetup => "afterSetup",
            Point::AfterUpscale => "afterUpscale",
            Point::BeforeTraffic => "beforeTraffic",
            Point::BeforeShift => "beforeShift",
            Point::AfterShift => "afterShift",
            Point::BeforeDownsize => "beforeDownsize",
            Point::AtEnd => "atEnd",
            Point::BeforeRollback => "beforeRollback",
            Point::AfterRollback => "afterRollback",
        }
    }

    /// In words, as a stage's name ends.
    pub fn in_words(self) -> &'static str {
        match self {
            Point::BeforeDeployment => "before the deployment",
            Point::AfterSetup => "after set-up",
            Point::AfterUpscale => "after growing",
            Point::BeforeTraffic => "before traffic",
            Point::BeforeShift => "before the shift",
            Point::AfterShift => "after the shift",
            Point::BeforeDownsize => "before downsizing",
            Point::AtEnd => "at the end",
            Point::BeforeRollback => "before the rollback",
            Point::AfterRollback => "after the rollback",
        }
    }
}

/// The name of a hook.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct HookName(
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"),
        extend("x-expected" = "1 to 63 letters, digits, underscores or hyphens, starting with a letter or digit"),
        example = &"smoke"
    )]
    pub String,
);

/// The hooks of a document, by names of their own.
pub type Hooks = BTreeMap<String, Hook>;

/// The hooks that are called at a point, by name.
pub fn at(hooks: &Hooks, point: Point) -> impl Iterator<Item = (&str, &Hook)> {
    hooks.iter().filter(move |(_, hook)| hook.at.contains(&point)).map(|(name, hook)| (name.as_str(), hook))
}

/// One step of a deployment, with the name that somebody has given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name; empty for none.
    pub name: String,
    /// What it is.
    pub what: What,
}

/// A stage of a strategy, or a hook that stands between two of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A stage.
    Stage(StageSpec),
    /// A hook, by name, at a point, or as a stage of its own.
    Call(String, Option<Point>),
}

/// The stages of a strategy with the hooks between them.
pub(super) fn woven(stages: Vec<NamedStage>, hooks: &Hooks) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut moved = false;
    for NamedStage { name, stage } in stages {
        let (before, after): (&[Point], &[Point]) = match &stage {
            StageSpec::Upscale(_) => (&[], &[Point::AfterUpscale]),
            StageSpec::Shift(_) | StageSpec::Swap(_) if moved => (&[Point::BeforeShift], &[Point::AfterShift]),
            StageSpec::Shift(_) | StageSpec::Swap(_) => {
                moved = true;
                (&[Point::BeforeTraffic, Point::BeforeShift], &[Point::AfterShift])
            }
            StageSpec::Downsize(_) => (&[Point::BeforeDownsize], &[]),
            StageSpec::Verify(_) | StageSpec::Approve(_) | StageSpec::Pause(_) | StageSpec::Hook(_) => (&[], &[]),
        };
        let calls = |points: &[Point]| -> Vec<Step> {
            let called = points.iter().flat_map(|point| at(hooks, *point).map(|(name, _)| (name, *point)));
            let call = |(hook, point): (&str, Point)| What::Call(hook.into(), Some(point));
            called.map(|it| Step { name: String::new(), what: call(it) }).collect()
        };
        steps.extend(calls(before));
        let what = match stage {
            StageSpec::Hook(hook) => What::Call(hook.0, None),
            stage => What::Stage(stage),
        };
        steps.push(Step { name, what });
        steps.extend(calls(after));
    }
    steps
}
