//! `crossfade trigger test`: says what an event would start, with what the account has now; nothing is started.

use std::process::ExitCode;

use crossfade_core::document::read_text;
use crossfade_steps::{Rehearsal, rehearse};
use serde_json::{Value, json};

use crate::args::{Output, Stack, TriggerTest};
use crate::documents::{again, text};
use crate::installed::on;
use crate::say::{Problem, line, verbatim};

pub(crate) fn test(stack: &Stack, options: &TriggerTest) -> Result<ExitCode, Problem> {
    let event = read_text(&text(&options.event)?).map_err(Problem::from)?;
    on(stack, async |installed| {
        let acts_in = installed.introduce(options.output).await;
        let seen = rehearse(&event, &installed.context).await?;
        let checked = checked(&seen);
        match options.output {
            Output::Json => {
                let starts: Vec<Value> = checked
                    .iter()
                    .zip(&seen.starts)
                    .map(|((id, result), (_, document))| {
                        json!({"deploymentId": id, "document": document, "problem": result.as_ref().err()})
                    })
                    .collect();
                let named = |of: &[(String, String)]| -> Vec<Value> {
                    of.iter().map(|(trigger, why)| json!({"trigger": trigger, "why": why})).collect()
                };
                let (passed, refused) = (named(&seen.passed), named(&seen.refused));
                verbatim(
                    &json!({"starts": starts, "passed": passed, "refused": refused, "actsIn": acts_in}).to_string(),
                );
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
