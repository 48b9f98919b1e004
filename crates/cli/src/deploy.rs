//! `crossfade deploy`: shows what it would change, asks at a terminal, and starts it.
//!
//! It must never wait for an answer where nobody can give one, and never refuse what only the look before could not see.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crossfade_core::Kind;
use serde_json::{Value, json};

use crate::args::{Deploy, Output, Source, Stack};
use crate::documents::{self, Given};
use crate::installed::{Installed, on};
use crate::plan::{Saved, Shown};
use crate::say::{Problem, aside, line, yes};
use crate::watch::Follow;

pub(crate) fn run(stack: &Stack, options: &Deploy) -> Result<ExitCode, Problem> {
    let saved = options.plan.as_deref().map(Saved::read).transpose()?;
    let given = match (&saved, &options.document) {
        (Some(saved), _) => documents::again(&saved.document)?,
        (None, Some(document)) => documents::read(&Source { document: document.clone(), set: options.set.clone() })?,
        (None, None) => return Err(Problem::Usage("Give a deployment document, or --plan.".into())),
    };
    let name = options.name.clone().unwrap_or_else(|| name(&given));
    on(stack, async |installed| {
        let acts_in = installed.introduce(options.output).await;
        let machine = installed.machine("deploy").await?;
        if !options.no_plan && !agreed(installed, &given.value, saved.as_ref(), options).await? {
            return Err(Problem::Usage("Nothing was started.".into()));
        }
        let arn = installed.executions.start(&machine, &name, &given.value).await?.ok_or_else(|| {
            Problem::Usage(format!("There was a deployment {name} before. Give this one another --name."))
        })?;
        match options.output {
            Output::Text => {
                line(&format!("Started deployment {name} ({arn})"));
                // Followed, its log tells what they came to.
                if !options.wait {
                    given.lines().iter().for_each(|filled_in| line(filled_in));
                }
            }
            Output::Json => {
                line(&json!({"deploymentId": name, "executionArn": arn, "actsIn": acts_in}).to_string());
            }
        }
        if options.wait {
            let (deployment, execution) = (name.as_str(), Some(arn.as_str()));
            Follow { deployment, execution, output: options.output, ..Follow::default() }.to_its_end(installed).await
        } else {
            Ok(ExitCode::SUCCESS)
        }
    })
}

/// The name of a deployment that was given none: service, environment and time.
fn name(given: &Given) -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    // An execution's name has at most 80 characters; the time is what makes it a new one.
    let what: String = given.names().chars().take(80 - now.len() - 1).collect();
    format!("{what}-{now}")
}

/// Looks at what it would do: whether that is what was saved, and, at a terminal, whether that is what is meant.
///
/// # Errors
/// What stands in the way.
async fn agreed(
    installed: &Installed,
    document: &Value,
    saved: Option<&Saved>,
    options: &Deploy,
) -> Result<bool, Problem> {
    let preview = match crossfade_steps::preview(document, &installed.context).await {
        Ok(preview) => preview,
        // Whoever may start it need not be allowed to look; the deployment looks by itself.
        Err(failure) if failure.kind == Kind::AccessDenied && saved.is_none() => {
            aside(&format!("What it changes cannot be shown before: {failure}"));
            return Ok(true);
        }
        Err(failure) => return Err(failure.into()),
    };
    if let Some(saved) = saved {
        saved.still(&preview.plan)?;
    }
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if options.yes || !asks || options.output == Output::Json {
        return Ok(true);
    }
    Shown::of(&preview, installed).await?.lines().iter().for_each(|text| aside(text));
    Ok(yes(|| {
        let _ = write!(std::io::stderr(), "\nStart it? [y/n] ");
    }))
}
