//! `crossfade verify`: what the checks of a document would have said of a time that is over.

use std::process::ExitCode;

use crossfade_core::verification::Verdict;
use crossfade_steps::{Past, judge_past};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::args::{Output, Stack, VerifyPast};
use crate::documents;
use crate::installed::on;
use crate::say::{Problem, line, verbatim};

/// What `verify` prints: what each check would have said, each in a sentence with its figures.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade verify --output json`")]
pub(crate) struct Answer {
    /// Of those that are bad.
    bad: Vec<String>,
    /// Of those of which nobody knows.
    unsure: Vec<String>,
    /// Of those that are good.
    good: Vec<String>,
    /// Of those that do not count.
    not_counted: Vec<String>,
}

pub(crate) fn run(stack: &Stack, options: &VerifyPast) -> Result<ExitCode, Problem> {
    let given = documents::read(&options.source)?;
    let past = Past {
        candidate: options.candidate.clone(),
        stable: options.stable.clone(),
        from_millis: options.from,
        to_millis: options.to,
    };
    if past.from_millis >= past.to_millis {
        return Err(Problem::Usage("--from has to be before --to.".into()));
    }
    on(stack, async |installed| {
        installed.introduce(options.output).await;
        let verdict = judge_past(&given.value, &past, &installed.context).await?;
        let good = verdict.bad.is_empty() && verdict.unsure.is_empty();
        match options.output {
            Output::Json => verbatim(&told(verdict).to_string()),
            Output::Text => print(&verdict),
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn print(verdict: &Verdict) {
    for (mark, lines) in [("✗", &verdict.bad), ("?", &verdict.unsure), ("✓", &verdict.good), ("·", &verdict.dry)] {
        lines.iter().for_each(|said| line(&format!("{mark} {said}")));
    }
}

fn told(verdict: Verdict) -> serde_json::Value {
    let Verdict { bad, unsure, good, dry: not_counted } = verdict;
    json!(Answer { bad, unsure, good, not_counted })
}
