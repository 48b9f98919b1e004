//! What a document says of stages that fail: whether they are tried again, and whether somebody is asked, before all is rolled back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::Action;

/// What follows when a stage fails, by what it does. Without any, and after all of it, the deployment is rolled back: nothing that
/// fails is ever passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OnFailure {
    /// When the candidate does not come up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upscale: Option<Reaction>,
    /// When traffic cannot be moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Reaction>,
    /// When a verification is bad, or unsure where that counts as bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Reaction>,
    /// When a hook says no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<Reaction>,
    /// When old fleets cannot shrink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downsize: Option<Reaction>,
}

/// What follows when a stage fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Reaction {
    /// How many times the stage is tried again by itself, each with its whole time.
    #[schemars(range(min = 0, max = 5))]
    pub retries: u32,
    /// Then somebody is asked whether it is tried once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<Ask>,
}

/// A question about a stage that has failed. Yes tries it again; no, and silence, roll the deployment back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ask {
    /// What they are told beside why the stage has failed.
    #[schemars(length(max = 1000))]
    pub message: String,
    /// How long they have, in minutes (at most 30 days).
    #[schemars(range(min = 1, max = 43200))]
    pub timeout_minutes: u32,
}

impl Default for Ask {
    fn default() -> Self {
        Self { message: String::new(), timeout_minutes: 60 }
    }
}

impl Reaction {
    /// What follows, in words; nothing where all is rolled back at once.
    pub fn in_words(&self) -> Option<String> {
        let again = match self.retries {
            0 => None,
            1 => Some("tried again once".to_owned()),
            times => Some(format!("tried again {times} times")),
        };
        let asked = self.ask.as_ref().map(|_| "somebody is asked".to_owned());
        let both: Vec<String> = again.into_iter().chain(asked).collect();
        if both.is_empty() { None } else { Some(format!("if it fails: {}", both.join(", then "))) }
    }
}

impl OnFailure {
    /// Whether everything is rolled back at once.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What is said, each with its field.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Reaction)> {
        let fields = [
            ("upscale", &self.upscale),
            ("traffic", &self.traffic),
            ("verify", &self.verify),
            ("hook", &self.hook),
            ("downsize", &self.downsize),
        ];
        fields.into_iter().filter_map(|(name, reaction)| Some((name, reaction.as_ref()?)))
    }

    /// What follows when a stage with this action fails on the way forward.
    pub fn of(&self, action: &Action) -> Option<&Reaction> {
        match action {
            Action::Upscale(_) => self.upscale.as_ref(),
            Action::Steer(_) | Action::Attach(_) | Action::Detach(_) => self.traffic.as_ref(),
            Action::Verify(_) => self.verify.as_ref(),
            Action::Call(call) if !call.only_tells() => self.hook.as_ref(),
            Action::Approve(approve) if approve.hook.is_some() => self.hook.as_ref(),
            Action::Downsize(_) => self.downsize.as_ref(),
            _ => None,
        }
    }
}
