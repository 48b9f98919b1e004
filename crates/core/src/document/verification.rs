//! What a document says about verification: what is looked at, when, and what follows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is looked at while the candidate serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Verification {
    /// The checks, by names of your own.
    pub checks: BTreeMap<String, Check>,
    /// What is looked at all along.
    pub watch: Watch,
    /// What follows when a `verify` is over and a check is neither good nor bad.
    pub on_inconclusive: OnInconclusive,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// The name of an alarm of CloudWatch in this account and region, for metrics or composite. In ALARM it is bad.
    #[schemars(length(min = 1, max = 255))]
    pub alarm: String,
    /// What follows when it is in ALARM before the deployment begins.
    #[serde(default)]
    pub at_start: AtStart,
    /// What INSUFFICIENT_DATA means.
    #[serde(default)]
    pub insufficient_data: Unknown,
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
}
