//! `crossfade trigger test`: says what an event would start, with what the account has now; nothing is started.

use std::process::ExitCode;

use crossfade_core::document::read_text;
use crossfade_steps::{Rehearsal, rehearse};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Output, Stack, TriggerTest};
use crate::documents::{again, text};
use crate::installed::{ActsIn, on};
use crate::say::{Problem, line, verbatim};

/// What `trigger test` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade trigger test --output json`")]
pub(crate) struct Answer<'a> {
    /// What the event would start.
    starts: Vec<Start<'a>>,
    /// The triggers that would start nothing.
    passed: Vec<Silent<'a>>,
    /// The triggers that cannot start anything.
    refused: Vec<Silent<'a>>,
    /// The account, the region, and whoever asks.
    acts_in: ActsIn,
}

/// A deployment that would start.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    /// Its id.
    deployment_id: &'a str,
    /// Its document.
    document: &'a Value,
    /// What is wrong with that, if anything is.
    problem: Option<&'a String>,
}

/// A trigger that starts nothing.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Silent<'a> {
    /// Its name.
    trigger: &'a str,
    /// Why.
    why: &'a str,
}

impl<'a> Silent<'a> {
    fn all(of: &'a [(String, String)]) -> Vec<Self> {
        of.iter().map(|(trigger, why)| Self { trigger, why }).collect()
    }
}

pub(crate) fn test(stack: &Stack, options: &TriggerTest) -> Result<ExitCode, Problem> {
    let event = read_text(&text(&options.event)?).map_err(Problem::from)?;
    on(stack, async |installed| {
        let acts_in = installed.introduce(options.output).await;
        let seen = rehearse(&event, &installed.context).await?;
        let checked = checked(&seen);
        match options.output {
            Output::Json => {
                let starts = checked.iter().zip(&seen.starts).map(|((id, result), (_, document))| Start {
                    deployment_id: id,
                    document,
                    problem: result.as_ref().err(),
                });
                let (passed, refused) = (Silent::all(&seen.passed), Silent::all(&seen.refused));
                verbatim(&json!(Answer { starts: starts.collect(), passed, refused, acts_in }).to_string());
            }
            Output::Text => {
                for (id, result) in &checked {
                    match result {
                        Ok(what) => line(&format!("would start {id}: {what}")),
                        Err(why) => line(&format!("would start {id}, which would be refused: {why}")),
                    }
                }
                seen.passed.iter().for_each(|(trigger, why)| line(&format!("{trigger} starts nothing: {why}")));
                seen.refused.iter().for_each(|(trigger, why)| line(&format!("{trigger} cannot start anything: {why}")));
                if seen == Rehearsal::default() {
                    line(&format!("No trigger below /{}/triggers waits for this event.", installed.name));
                }
            }
        }
        let wrong = !seen.refused.is_empty() || checked.iter().any(|(_, result)| result.is_err());
        Ok(ExitCode::from(if wrong { 2 } else { 0 }))
    })
}

/// The deployments that would start: what each deploys, or what is wrong with its document.
fn checked(seen: &Rehearsal) -> Vec<(&str, Result<String, String>)> {
    let read = |document: &Value| again(document).map(|given| given.summary()).map_err(|problem| problem.to_string());
    seen.starts.iter().map(|(id, document)| (id.as_str(), read(document))).collect()
}
