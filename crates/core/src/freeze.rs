//! Freezes: somebody has stopped the line, for one environment or for all, and nothing new is deployed there until it goes on.
//!
//! What brings a kept revision back is no new deployment: a freeze must not stand in the way of going back.

use serde::{Deserialize, Serialize};

use crate::document::{Artifact, Document};
use crate::{Failure, Kind, Result, text};

mod window;

pub use window::Window;

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
    /// The hours in which it holds; nothing for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

impl Freeze {
    /// Whether it holds then.
    pub fn holds(&self, now_millis: u64) -> bool {
        !self.is_over(now_millis) && self.window.as_ref().is_none_or(|window| window.is_open(now_millis))
    }

    /// Whether it never holds again.
    pub fn is_over(&self, now_millis: u64) -> bool {
        self.until_millis.is_some_and(|until| until <= now_millis)
    }

    /// When it ends by itself, if it does: of one with a window, for this time.
    pub fn ends(&self, now_millis: u64) -> Option<u64> {
        let closes = self.window.as_ref().and_then(|window| window.closes(now_millis));
        closes.into_iter().chain(self.until_millis).min()
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
        let when = self.window.as_ref().map_or_else(String::new, |window| format!(" in the hours {window}"));
        format!("{what} is frozen{when} by {by}{why}")
    }

    /// What ends it.
    pub fn ends_with(&self) -> String {
        let what = self.environment.as_deref().unwrap_or("--all");
        let window = self
            .window
            .as_ref()
            .map_or_else(String::new, |window| format!(" --window \"{}\" --zone {}", window.hours(), window.zone()));
        format!("crossfade unfreeze {what}{window}")
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
    let until = freeze.ends(now_millis).map_or_else(String::new, |until| {
        let minutes = until.saturating_sub(now_millis).div_ceil(60_000);
        format!(" It goes on by itself in {}.", text::minutes(minutes))
    });
    // The name of an environment stays as it is written.
    let words = match freeze.environment {
        Some(_) => format!("The environment {}", freeze.in_words()),
        None => freeze.in_words().replacen("every", "Every", 1),
    };
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
        let environment = environment.map(str::to_owned);
        Freeze { environment, by, comment, since_millis: 1_000, until_millis, window: None }
    }

    #[test]
    fn a_freeze_with_hours_holds_in_them_alone_and_says_which() {
        let window = Some(Window::new("22:00-06:00", "UTC").unwrap());
        let nights = Freeze { window, ..freeze(None, None) };
        let (noon, midnight) = (12 * 3_600_000, 24 * 3_600_000);
        assert_eq!(passes(&document(), std::slice::from_ref(&nights), noon), Ok(Vec::new()));
        let refused = passes(&document(), std::slice::from_ref(&nights), midnight).unwrap_err().message;
        let said = "Every environment is frozen in the hours 22:00-06:00 UTC by ann: incident 42. Nothing was touched. It goes on by itself \
                    in 6 h. `crossfade unfreeze --all --window \"22:00-06:00\" --zone UTC` lets it go on;";
        assert!(refused.starts_with(said), "{refused}");
        assert!(!Freeze { until_millis: Some(midnight), ..nights.clone() }.holds(midnight));
        let written = serde_json::to_value(&nights).unwrap();
        assert_eq!(written["window"], "22:00-06:00 UTC");
        assert_eq!(serde_json::from_value::<Freeze>(written).unwrap(), nights);
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
