//! What the checks of a deployment said over time, as its log tells it. Pure.

use crossfade_core::plan::StageKind;
use schemars::JsonSchema;
use serde::Serialize;

use super::records::Records;
use super::{Failure, Stage, StageState};

/// How many answers of a check are told, the last ones.
const ANSWERS: usize = 120;
/// How the line begins that lists what is not known, within a line of the log.
const UNKNOWN: &str = "; not known yet: ";

/// How a failure begins to tell what is not known, and how the advice after that begins.
const NOBODY_KNOWS: &str = "nobody knows whether the candidate is good:";
const ADVICE: &str = ". Absence of data is no health.";

/// One check, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckSeen {
    /// Its name in the document.
    pub(crate) name: String,
    /// What it said last, in words.
    pub(crate) said: String,
    /// What it said, the oldest first.
    pub(crate) answers: Vec<Answered>,
}

/// One answer of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answered {
    /// When, in milliseconds since 1970.
    pub(crate) at_millis: u64,
    /// What.
    pub(crate) verdict: Verdict,
}

impl CheckSeen {
    /// What it said last, if it has said anything.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.answers.last().map(|answer| answer.verdict)
    }
}

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    /// All is well.
    Good,
    /// Not bad so far, and its time is not over.
    SoFar,
    /// Nobody knows.
    Unknown,
    /// It is bad.
    Bad,
}

/// The checks of a deployment that is verified, by its stages and by why it failed, if it did.
pub(super) fn checks(records: &Records, stages: &[Stage], failure: Option<&Failure>) -> Vec<CheckSeen> {
    let names: Vec<&String> = records.meta.document.verification.checks.keys().collect();
    let mut seen: Vec<CheckSeen> = names
        .iter()
        .map(|name| CheckSeen { name: (*name).clone(), said: String::new(), answers: Vec::new() })
        .collect();
    let verifying: Vec<&Stage> = stages.iter().filter(|stage| stage.kind == StageKind::Verify).collect();
    for entry in &records.log {
        let waits = verifying.iter().find_map(|stage| entry.line.strip_prefix(stage.name.as_str())?.strip_prefix(": "));
        for check in &mut seen {
            // Of what it says of several limits, each begins with its name.
            let judged = |line: &str| {
                let said = line.strip_prefix(check.name.as_str())?.strip_prefix(": ")?;
                Some(said.replace(&format!("; {}: ", check.name), "; "))
            };
            let good = ["Good: ", "Not counted, "].iter().find_map(|word| judged(entry.line.strip_prefix(word)?));
            let answer = match (good, waits) {
                (Some(said), _) => Some((Verdict::Good, said)),
                (None, Some(waits)) if waits.contains(" s left") => {
                    let unknown = waits.split_once(UNKNOWN).map(|(_, unknown)| unknown).unwrap_or_default();
                    match unknown.split("; ").find_map(judged) {
                        Some(said) => Some((Verdict::Unknown, said)),
                        None => Some((Verdict::SoFar, "nothing bad so far".into())),
                    }
                }
                _ => None,
            };
            if let Some((verdict, said)) = answer {
                check.said = said;
                check.answers.push(Answered { at_millis: entry.at_millis, verdict });
            }
        }
    }
    let verified =
        |failure: &&Failure| failure.cause.contains("VerificationFailed") || failure.error == "VerificationFailed";
    if let Some(failure) = failure.filter(verified) {
        let failed = stages.iter().find(|stage| stage.state == StageState::Failed);
        let at_millis = failed.and_then(|stage| Some(stage.started_millis? + stage.millis?)).unwrap_or_default();
        // Of one that was given up since nobody knew, what follows is advice.
        let (verdict, told) = match failure.cause.split_once(NOBODY_KNOWS) {
            Some((_, unsure)) => (Verdict::Unknown, unsure.split(ADVICE).next().unwrap_or(unsure)),
            None => (Verdict::Bad, failure.cause.as_str()),
        };
        for check in &mut seen {
            let named = format!(" {}: ", check.name);
            if let Some((_, said)) = told.split_once(&named) {
                check.said = said.split("; ").next().unwrap_or(said).to_owned();
                check.answers.push(Answered { at_millis, verdict });
            }
        }
    }
    for check in &mut seen {
        let surplus = check.answers.len().saturating_sub(ANSWERS);
        check.answers.drain(..surplus);
    }
    seen
}
