//! The answer of commands that do something, and have nothing to tell but that it is done.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::args::Output;
use crate::installed::ActsIn;
use crate::say::{line, verbatim};

/// What such a command prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer with `--output json` of a command that has nothing to tell but that it is done")]
pub(crate) struct Answer<'a> {
    /// What was done, and what follows, for a person: a sentence each.
    done: Vec<&'a str>,
    /// The account, the region, and whoever did it.
    acts_in: ActsIn,
}

/// Prints what was done, and what follows.
pub(crate) fn tell(lines: &[String], output: Output, acts_in: ActsIn) -> ExitCode {
    match output {
        Output::Text => lines.iter().for_each(|told| line(told)),
        Output::Json => {
            let done = lines.iter().map(|told| told.trim()).collect();
            verbatim(&json!(Answer { done, acts_in }).to_string());
        }
    }
    ExitCode::SUCCESS
}
