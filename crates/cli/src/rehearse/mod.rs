//! `crossfade rehearse`: a deployment played in a simulated copy of the account.
//!
//! What it owns: what is read of the account and kept, and how what was found is told. It must never start or change anything in the
//! account.

mod account;
mod bar;
mod text;

use std::process::ExitCode;
use std::time::Instant;

use crossfade_rehearse::{Rehearsal, Replayed, Severity, Wish, rehearse, replay};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Output, Rehearse, Stack};
use crate::documents;
use crate::fold::columns;
use crate::say::{Problem, line, verbatim};
use account::Copied;

/// What `rehearse --output json` prints.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Rehearse")]
pub(crate) enum Told {
    /// What the rehearsal came to.
    Rehearsed(Box<Answer<Rehearsal>>),
    /// What one run of it came to, with `--replay`.
    Replayed(Box<Answer<Replayed>>),
}

/// What was played, and in what.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<T> {
    /// The account that was copied.
    copied: Basis,
    /// What came of it.
    #[serde(flatten)]
    came: T,
}

/// What is known of the copy.
#[derive(Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Basis {
    /// The number of the account.
    account: String,
    /// The region.
    region: String,
    /// How many resources it has.
    resources: usize,
    /// How many calls it took to read them. Nothing was written.
    reads: usize,
    /// The file that they come from, when no account was read.
    from: Option<String>,
    /// What is there, and is not played.
    not_modelled: Vec<String>,
    /// What was assumed, each in a sentence.
    assumed: Vec<String>,
}

pub(crate) fn run(stack: &Stack, options: &Rehearse) -> Result<ExitCode, Problem> {
    let given = documents::read(&options.source)?;
    let copied = account::of(stack, options, given)?;
    let wish = Wish { document: copied.document.clone(), seed: options.seed, approve_after: options.approve_after };
    let copy = copied.told(options);
    if options.output == Output::Text {
        text::head(&copy).iter().for_each(|told| line(told));
    }
    let furnish = |seed: u64| copied.furnished(seed, options.requests_per_second);
    let hurts = match &options.replay {
        None => {
            let began = Instant::now();
            let bar = bar::Bar::new();
            let came = rehearse(&furnish, &wish, options.faults, &|done, all| bar.tell(done, all));
            bar.clear();
            let came = came?;
            let hurts = came.hurts() > 0;
            match options.output {
                Output::Text => {
                    let told = text::lines(&came, began.elapsed().as_secs_f64(), options, columns());
                    told.iter().for_each(|told| line(&copied.names.text(told)));
                }
                Output::Json => print(&copied, Told::Rehearsed(Box::new(Answer { copied: copy, came }))),
            }
            hurts
        }
        Some(token) => {
            let came = replay(&furnish, &wish, token)?;
            let hurts = came.findings.iter().any(|it| it.severity == Severity::Finding);
            match options.output {
                Output::Text => text::replayed(&came).iter().for_each(|told| line(&copied.names.text(told))),
                Output::Json => print(&copied, Told::Replayed(Box::new(Answer { copied: copy, came }))),
            }
            hurts
        }
    };
    Ok(if hurts { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Prints it with the account's own names.
fn print(copied: &Copied, told: Told) {
    let mut value: Value = json!(told);
    let copy = value["copied"].take();
    let mut value = copied.names.value(&value);
    value["copied"] = copy;
    verbatim(&value.to_string());
}
