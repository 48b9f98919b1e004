//! The account that is copied: read now, or from a file.

use std::fs;

use crossfade_aws::clone::State;
use crossfade_core::document::Document;
use crossfade_core::document::references::{Answers, as_written};
use crossfade_local::{Installation, Names, furnish};
use serde_json::{Value, json};

use super::Basis;
use crate::args::{Rehearse, Stack};
use crate::documents::Given;
use crate::installed::on;
use crate::say::{Problem, clock};

/// What was copied, and the document as it stands in the copy.
pub(super) struct Copied {
    state: State,
    from: Option<String>,
    /// How names of the account are written in the copy, and back.
    pub(super) names: Names,
    /// The document, with everything filled in that it refers to.
    pub(super) document: Value,
}

/// Reads the account, or the file.
///
/// # Errors
/// What stands in the way of either.
pub(super) fn of(stack: &Stack, options: &Rehearse, given: Given) -> Result<Copied, Problem> {
    let (document, state) = match &options.from {
        None => on(stack, async |installed| {
            installed.introduce(options.output).await;
            installed.cloned(&given.value).await
        })?,
        Some(path) => {
            let cannot = |why: &dyn std::fmt::Display| {
                Problem::Usage(format!(
                    "{} cannot be read: {why}. `crossfade rehearse DOCUMENT --state FILE` writes such a file.",
                    path.display()
                ))
            };
            let text = fs::read_to_string(path).map_err(|error| cannot(&error))?;
            (known(given)?, State::from_json(&text).map_err(|failure| cannot(&failure.message.trim_end_matches('.')))?)
        }
    };
    if let Some(path) = &options.state {
        let cannot = |why: std::io::Error| Problem::Here(format!("{} cannot be written: {why}", path.display()));
        fs::write(path, state.to_json() + "\n").map_err(cannot)?;
    }
    let names = Names::of(&state.home);
    let document = names.value(&as_written(json!(document)));
    let from = options.from.as_ref().map(|path| path.display().to_string());
    Ok(Copied { state, from, names, document })
}

/// The document, where no account is there to fill anything in.
fn known(given: Given) -> Result<Document, Problem> {
    match given.draft.resolve(&Answers::new()) {
        Ok((document, _)) => Ok(document),
        Err(failure) => Err(Problem::Usage(format!(
            "With --from no account is read, and the document refers to one: write the values themselves. {failure}"
        ))),
    }
}

impl Copied {
    /// The simulated account, anew.
    pub(super) fn furnished(&self, seed: u64, requests_per_second: f64) -> Result<Installation, String> {
        furnish(&self.state, seed, requests_per_second).map_err(|failure| failure.message)
    }

    /// What is known of it.
    pub(super) fn told(&self, options: &Rehearse) -> Basis {
        let State { home, reads, not_modelled, steady_seconds, .. } = &self.state;
        let boots = match (steady_seconds.iter().min(), steady_seconds.iter().max()) {
            (Some(least), Some(most)) => {
                let of = steady_seconds.len();
                format!("a fleet is healthy after {least} to {most} s, as the last {of} were")
            }
            _ => "an instance boots in 25 to 50 s, since no deployment has been recorded yet".into(),
        };
        let requests = format!("{} requests arrive a second", options.requests_per_second);
        let approves = format!("whoever is asked approves after {}", clock(options.approve_after.as_secs_f64()));
        Basis {
            account: home.account.clone(),
            region: home.region.clone(),
            resources: self.state.resources(),
            reads: *reads,
            from: self.from.clone(),
            not_modelled: not_modelled.clone(),
            assumed: vec![boots, requests, approves],
        }
    }
}
