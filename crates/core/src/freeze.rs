//! Freezes: somebody has stopped the line, for one environment or for all, and nothing new is deployed there until it goes on.
//!
//! What brings a kept revision back is no new deployment: a freeze must not stand in the way of going back.

use serde::{Deserialize, Serialize};

use crate::document::{Artifact, Document};
use crate::{Failure, Kind, Result};

/// That the line is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Freeze {
    /// The environment; nothing for all of them.
    pub environment: Option<String>,
    /// Who has stopped it, as far as they said.
    pub by: Option<String>,
    /// Why, as far as they said.
    pub comment: Option<String>,
    /// When, in milliseconds since 1970.
    pub since_millis: u64,
    /// Until when, if it goes on by itself.
    pub until_millis: Option<u64>,
}

impl Freeze {
    /// Whether it still holds.
    pub fn holds(&self, now_millis: u64) -> bool {
        self.until_millis.is_none_or(|until| now_millis < until)
    }

    /// Whether it is about this environment.
    pub fn concerns(&self, environment: &str) -> bool {
        self.environment.as_deref().is_none_or(|frozen| frozen == environment)
    }

    /// What is frozen, by whom and why.
    pub fn in_words(&self) -> String {
        let what = self.environment.as_deref().unwrap_or("every environment");
        let by = self.by.as_deref().unwrap_or("somebody who did not say who");
        let why = self.comment.as_deref().map_or_else(String::new, |comment| format!(": {comment}"));
        format!("{what} is frozen by {by}{why}")
    }

    /// What ends it.
    pub fn ends_with(&self) -> String {
        match &self.environment {
            Some(environment) => format!("crossfade unfreeze {environment}"),
            None => "crossfade unfreeze --all".into(),
        }
    }
}

/// Whether a deployment may begin although these freezes hold: the lines that are told of it.
///
/// # Errors
/// `Frozen`, with who has stopped the line and why, unless the document says why it is deployed all the same.
pub fn passes(document: &Document, freezes: &[Freeze], now_millis: u64) -> Result<Vec<String>> {
    let concern = |freeze: &&Freeze| freeze.holds(now_millis) && freeze.concerns(&document.environment);
    let hold: Vec<&Freeze> = freezes.iter().filter(concern).collect();
    let goes_back = matches!(document.artifact, Artifact::Revision(_));
    match (hold.first(), &document.during_freeze) {
        (None, _) => Ok(Vec::new()),
        (Some(_), _) if goes_back => Ok(Vec::new()),
        (Some(_), Some(why)) => {
            Ok(hold.iter().map(|freeze| format!("Deployed although {}. Because: {why}", freeze.in_words())).collect())
        }
        (Some(first), None) => Err(frozen(first, now_millis)),
    }
}

fn frozen(freeze: &Freeze, now_millis: u64) -> Failure {
    let until = freeze.until_millis.map_or_else(String::new, |until| {
        format!(" It goes on by itself in {} min.", until.saturating_sub(now_millis).div_ceil(60_000))
    });
    let words = freeze.in_words();
    let words = words
        .chars()
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(words.chars().skip(1)).collect());
    Kind::Frozen.because(format!(
        "{words}. Nothing was touched.{until} `{}` lets it go on; `crossfade deploy FILE --during-freeze WHY` deploys all the same, and \
         says so.",
        freeze.ends_with()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::tests::document;

    fn freeze(environment: Option<&str>, until_millis: Option<u64>) -> Freeze {
        let (by, comment) = (Some("ann".into()), Some("incident 42".into()));
        Freeze { environment: environment.map(str::to_owned), by, comment, since_millis: 1_000, until_millis }
    }

    #[test]
    fn what_is_frozen_is_refused_with_who_and_why() {
        let document = document();
        for (freeze, refused) in [
            (freeze(Some(&document.environment), None), true),
            (freeze(None, None), true),
            (freeze(Some("elsewhere"), None), false),
            (freeze(None, Some(5_000)), true),
            (freeze(None, Some(4_000)), false),
        ] {
            let passed = passes(&document, std::slice::from_ref(&freeze), 4_000);
            assert_eq!(passed.is_err(), refused, "{freeze:?}");
            let why = passed.err().map(|failure| failure.message).unwrap_or_default();
            assert!(
                !refused || (why.contains("is frozen by ann: incident 42") && why.contains("crossfade unfreeze")),
                "{why}"
            );
        }
    }

    #[test]
    fn going_back_and_an_emergency_are_not_stopped() {
        let frozen = [freeze(None, None)];
        let back = Document { artifact: Artifact::Revision(5), ..document() };
        assert_eq!(passes(&back, &frozen, 4_000), Ok(Vec::new()));
        let urgent = Document { during_freeze: Some("the repair".into()), ..document() };
        let told = "Deployed although every environment is frozen by ann: incident 42. Because: the repair";
        assert_eq!(passes(&urgent, &frozen, 4_000), Ok(vec![told.into()]));
    }
}
