//! What a document says about verification: what is looked at, when, and what follows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Metric, Quantity};

/// What is looked at while the candidate serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Verification {
    /// The checks, by names of your own.
    pub checks: BTreeMap<String, Check>,
    /// What is looked at all along.
    pub watch: Watch,
    /// What follows when a `verify` is over and a check is neither good nor bad.
    pub on_inconclusive: OnInconclusive,
    /// For how many minutes longer a `verify` may last while a check is neither good nor bad.
    #[schemars(range(min = 0, max = 1440))]
    pub extend_minutes: u32,
    /// How long a value of a metric represents, in seconds: 60, or 300 where metrics come no more often.
    #[schemars(range(min = 60, max = 300))]
    pub period: u32,
    /// How long after its end a period is judged, in seconds: CloudWatch tells the newest ones late, and incomplete at first.
    #[schemars(range(min = 60, max = 900))]
    pub ingestion_delay_seconds: u32,
    /// How many minutes are not judged after traffic or sizes have changed: what has just started is slow.
    #[schemars(range(min = 0, max = 60))]
    pub warm_up_minutes: u32,
    /// How much traffic it takes to judge by metrics of load balancers.
    pub traffic: Traffic,
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            checks: BTreeMap::new(),
            watch: Watch::default(),
            on_inconclusive: OnInconclusive::default(),
            extend_minutes: 0,
            period: 60,
            ingestion_delay_seconds: 120,
            warm_up_minutes: 2,
            traffic: Traffic::default(),
        }
    }
}

/// How much traffic it takes to judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Traffic {
    /// The requests of each side, in all minutes that are judged together.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub at_least: u32,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { at_least: 100 }
    }
}

/// One check: of an alarm, or of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Check {
    /// The name of an alarm of CloudWatch in this account and region, for metrics or composite. In ALARM it is bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub alarm: Option<String>,
    /// What follows when the alarm is in ALARM before the deployment begins.
    pub at_start: AtStart,
    /// What INSUFFICIENT_DATA of the alarm means.
    pub insufficient_data: Unknown,
    /// The metric that is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// Minutes above this are bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Quantity>,
    /// Minutes below this are bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Quantity>,
    /// How many bad minutes make the check bad.
    pub breaches: Breaches,
    /// The candidate is compared with the stable fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    /// Whether the check is only told, and decides nothing: to get to know it.
    pub dry_run: bool,
}

/// How many bad minutes make a check bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Breaches {
    /// So many minutes …
    #[schemars(range(min = 1, max = 60))]
    pub at_least: u32,
    /// … of as many that follow each other.
    #[schemars(range(min = 1, max = 60))]
    pub of: u32,
}

impl Default for Breaches {
    fn default() -> Self {
        Self { at_least: 2, of: 3 }
    }
}

/// How the candidate is compared with the stable fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compare {
    /// By how much the candidate may be worse: percentage points of a ratio; of values a percentage of the stable fleet's, or so much.
    pub worse_by: Quantity,
    /// How sure it has to be that the candidate is worse, in percent. Before the end it is 99.
    #[serde(default = "usual_confidence")]
    #[schemars(range(min = 80, max = 99))]
    pub confidence: u32,
    /// Whether it has to be as sure that the candidate is not worse, for it to be good.
    #[serde(default)]
    pub strict: bool,
    /// Which values are worse.
    #[serde(default)]
    pub worse: Worse,
}

fn usual_confidence() -> u32 {
    95
}

/// Which values are worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Worse {
    /// Higher ones.
    #[default]
    Higher,
    /// Lower ones.
    Lower,
}

/// What follows when an alarm is in ALARM before the deployment begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AtStart {
    /// The deployment is refused.
    #[default]
    Refuse,
    /// The alarm does not count until it has been in another state: what is deployed may be the repair.
    Accept,
}

/// What it means when nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Unknown {
    /// The check is neither good nor bad.
    #[default]
    Unsure,
    /// The check is good.
    Good,
}

/// What is looked at all along, from the first traffic of the candidate until the old fleet is gone: through pauses, drains and
/// approvals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Watch {
    /// These checks. Default: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub checks: Option<Vec<String>>,
}

/// What follows when a check is neither good nor bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnInconclusive {
    /// The deployment is rolled back: what nobody knows is not good.
    #[default]
    Rollback,
    /// Somebody is asked, for an hour; silence means no.
    Approve,
    /// The deployment goes on.
    Pass,
}

/// A verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verify {
    /// For how long the checks are looked at, in minutes.
    #[schemars(range(min = 1, max = 1440))]
    pub minutes: u32,
    /// These checks. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub checks: Option<Vec<String>>,
}

impl Verification {
    /// Whether nothing is looked at.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The checks of these names, or all of them, by name.
    pub fn chosen<'a>(&'a self, names: Option<&'a [String]>) -> BTreeMap<&'a str, &'a Check> {
        let wanted = |name: &&String| names.is_none_or(|names| names.contains(name));
        let chosen = self.checks.iter().filter(|(name, _)| wanted(name));
        chosen.map(|(name, check)| (name.as_str(), check)).collect()
    }

    /// What is looked at all along.
    pub fn watched(&self) -> BTreeMap<&str, &Check> {
        self.chosen(self.watch.checks.as_deref())
    }

    /// How long a `verify` takes, in seconds: metrics of its last minutes come later.
    pub fn seconds(&self, verify: &Verify) -> u32 {
        let by_metric = self.chosen(verify.checks.as_deref()).values().any(|check| check.metric.is_some());
        verify.minutes * 60 + if by_metric { self.ingestion_delay_seconds + self.period } else { 0 }
    }
}
