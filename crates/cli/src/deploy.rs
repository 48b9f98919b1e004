//! `crossfade deploy` and `crossfade retry`: show what a deployment would change, ask at a terminal, and start it.
//!
//! It must never wait for an answer where nobody can give one, and never refuse what only the look before could not see.

use std::process::ExitCode;

use crossfade_aws::{execution_arn, name_with, without_start_proof};
use crossfade_core::Kind;
use crossfade_steps::Status;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Deploy, Output, Retry, Source, Stack, Start};
use crate::documents::{self, Given};
use crate::fold::columns_aside;
use crate::installed::{ActsIn, Installed, on};
use crate::plan::{Saved, Shown, look_beside};
use crate::say::{self, Problem, aside, line, terminal, verbatim};
use crate::watch::Follow;

/// What `deploy` and `retry` print once it has started.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The first line of `crossfade deploy --output json` and `crossfade retry --output json`")]
pub(crate) struct Answer<'a> {
    /// The deployment's id.
    deployment_id: &'a str,
    /// Its execution in Step Functions.
    execution_arn: &'a str,
    /// The account, the region, and whoever started it.
    acts_in: &'a ActsIn,
}

pub(crate) fn run(stack: &Stack, options: &Deploy) -> Result<ExitCode, Problem> {
    let saved = options.plan.as_deref().map(Saved::read).transpose()?;
    let mut given = match (&saved, &options.document) {
        (Some(saved), _) => documents::again(&saved.document)?,
        (None, Some(document)) => documents::read(&Source { document: document.clone(), set: options.set.clone() })?,
        (None, None) => return Err(Problem::Usage("Give a deployment document, or --plan.".into())),
    };
    if let Some(why) = &options.during_freeze {
        given.value["duringFreeze"] = why.as_str().into();
    }
    on(stack, async |installed| {
        let acts_in = installed.introduce(options.start.output).await;
        // By then the account has said what time it is there.
        let name = options.name.clone().unwrap_or_else(|| name(&given, installed.time.now_millis()));
        start(installed, &given, &name, saved.as_ref(), &options.start, &acts_in).await
    })
}

/// How often a deployment is retried under names that follow from its own.
const RETRIES: u32 = 100;

/// Starts a deployment that has ended once more, with the document that it was started with.
pub(crate) fn retry(stack: &Stack, options: &Retry) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(options.start.output).await;
        let (given, name) = again(installed, options).await?;
        start(installed, &given, &name, None, &options.start, &acts_in).await
    })
}

/// The same without a look before, and what is told of it.
pub(crate) async fn start_again(installed: &Installed, options: &Retry) -> Result<String, Problem> {
    let (given, name) = again(installed, options).await?;
    let arn = begin(installed, &given, &name).await?;
    Ok(format!("Started deployment {name} ({arn})"))
}

/// The document that a deployment which has ended was started with, and the name of the next one.
async fn again(installed: &Installed, options: &Retry) -> Result<(Given, String), Problem> {
    let meta = installed.meta(&options.deployment).await?;
    let id = &meta.deployment_id;
    match meta.status {
        Status::Succeeded | Status::FailedClean | Status::Accepted => {}
        Status::FailedDirty => {
            return Err(Problem::Refused(format!(
                "Deployment {id} is stuck (FailedDirty): mend what it left and run `crossfade rollback {id}`, or keep that with \
                 `crossfade accept {id}`, before it is started again."
            )));
        }
        status => {
            return Err(Problem::Refused(format!(
                "Deployment {id} has not ended: it is {status:?}. Wait for its end (`crossfade watch {id}`), or stop it (`crossfade \
                 abort {id}`)."
            )));
        }
    }
    let execution = installed.executions.describe(&meta.execution_arn).await?.ok_or_else(|| {
        Problem::NotFound(format!(
            "AWS does not remember the execution of {id} any more, and with it the document. Deploy the document itself."
        ))
    })?;
    let given = documents::again(&without_start_proof(execution.input))?;
    let machine = installed.machine("deploy").await?;
    let mut name = options.name.clone();
    for nth in 1..=RETRIES {
        if name.is_some() {
            break;
        }
        let next = name_with(id, &format!("-retry-{nth}"));
        let taken = installed.executions.describe(&execution_arn(&machine, &next)).await?.is_some();
        name = Some(next).filter(|_| !taken);
    }
    let name = name
        .ok_or_else(|| Problem::Usage(format!("{id} was retried {RETRIES} times. Give this deployment a --name.")))?;
    Ok((given, name))
}

/// Starts a deployment, and answers the ARN of its execution.
async fn begin(installed: &Installed, given: &Given, name: &str) -> Result<String, Problem> {
    let machine = installed.machine("deploy").await?;
    installed
        .start(&machine, name, &given.value)
        .await?
        .ok_or_else(|| Problem::Usage(format!("There was a deployment {name} before. Give this one another --name.")))
}

/// Shows what it would do, where somebody can look at it, and starts it.
async fn start(
    installed: &Installed,
    given: &Given,
    name: &str,
    saved: Option<&Saved>,
    options: &Start,
    acts_in: &ActsIn,
) -> Result<ExitCode, Problem> {
    if !options.no_plan {
        agreed(installed, &given.value, saved, options).await?;
    }
    let unsure = format!("Interrupted: `crossfade status {name}` says whether it was started.");
    let arn = say::interruptible(begin(installed, given, name), &unsure).await?;
    match options.output {
        Output::Text => {
            line(&format!("Started deployment {name} ({arn})"));
            // Followed, its log tells what they came to.
            if !options.follow.wait {
                given.lines().iter().for_each(|filled_in| line(filled_in));
            }
        }
        Output::Json => {
            verbatim(&json!(Answer { deployment_id: name, execution_arn: &arn, acts_in }).to_string());
        }
    }
    if options.follow.wait {
        let (deployment, execution) = (name, Some(arn.as_str()));
        let (output, limits) = (options.output, options.follow.limits);
        Follow { deployment, execution, output, limits, ..Follow::default() }.to_its_end(installed).await
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// The name of a deployment that was given none: service, environment and the account's time.
fn name(given: &Given, now_millis: u64) -> String {
    let now = i64::try_from(now_millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    let now = now.unwrap_or_default().strftime("%Y%m%d-%H%M%S").to_string();
    // An execution's name has at most 80 characters; the time is what makes it a new one.
    let what: String = given.names().chars().take(80 - now.len() - 1).collect();
    format!("{what}-{now}")
}

/// Looks at what it would do: whether that is what was saved, and, at a terminal, whether that is what is meant.
///
/// # Errors
/// What stands in the way, and that they do not want it.
async fn agreed(
    installed: &Installed,
    document: &Value,
    saved: Option<&Saved>,
    options: &Start,
) -> Result<(), Problem> {
    let preview = match crossfade_steps::preview(document, &installed.context).await {
        Ok(preview) => preview,
        // Whoever may start it need not be allowed to look; the deployment looks by itself.
        Err(failure) if failure.kind == Kind::AccessDenied && saved.is_none() => {
            aside(&format!("What it changes cannot be shown before: {failure}"));
            return Ok(());
        }
        Err(failure) => return Err(failure.into()),
    };
    let shown = !(options.yes || !terminal() || options.output == Output::Json);
    if !shown && saved.is_none() {
        return Ok(());
    }
    let beside = look_beside(&preview, installed).await?;
    if let Some(saved) = saved {
        saved.still(&preview.plan, &beside)?;
    }
    if !shown {
        return Ok(());
    }
    Shown::of(&preview, beside, installed).await?.lines(columns_aside()).iter().for_each(|text| aside(text));
    aside("");
    say::agreed("Start it?", "Nothing was started.").await
}
