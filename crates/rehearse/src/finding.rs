//! What a rehearsal finds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::token::Token;

/// How much something that was found matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// It would hurt users, or leave something behind. Whoever asks by exit code is told of it.
    Finding,
    /// It is worth knowing.
    Warning,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in a sentence.
    pub what: String,
    /// What to do about it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// In how many runs it was found.
    pub runs: usize,
    /// With which `--replay` the first of them is played again, where it was not the run as it should go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Token>,
}

impl Finding {
    /// Something that would hurt.
    pub(crate) fn of(what: impl Into<String>) -> Self {
        Self { severity: Severity::Finding, what: what.into(), fix: None, runs: 1, replay: None }
    }

    /// Something worth knowing.
    pub(crate) fn warning(what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::of(what) }
    }

    /// The same with what to do about it.
    pub(crate) fn fixed_by(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The same with how to see it again.
    pub(crate) fn seen_by(self, replay: Token) -> Self {
        Self { replay: Some(replay), ..self }
    }
}

/// The same findings, each once, with in how many runs it was; those that matter most first.
pub(crate) fn together(all: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in all {
        match kept.iter_mut().find(|known| (known.severity, &known.what) == (finding.severity, &finding.what)) {
            Some(known) => known.runs += finding.runs,
            None => kept.push(finding),
        }
    }
    kept.sort_by_key(|finding| finding.severity);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_found_once_and_what_hurts_stands_first() {
        let found = together([
            Finding::warning("odd"),
            Finding::of("lost").seen_by(Token::of("first")),
            Finding::of("lost").seen_by(Token::of("second")),
        ]);
        let told: Vec<_> = found.iter().map(|it| (it.what.as_str(), it.runs)).collect();
        assert_eq!(told, [("lost", 2), ("odd", 1)]);
        assert_eq!(found[0].replay, Some(Token::of("first")));
    }
}
