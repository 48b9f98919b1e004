//! `crossfade approve` and `crossfade reject`: a decision about one stage, and about no other.
//!
//! A plan may ask several times. Whoever decides has looked at something, and what they say must not be taken for what is asked after
//! that: so the stage is named, or shown and confirmed, unless the plan has only one question.

use std::io::Write;
use std::process::ExitCode;

use crossfade_aws::{keys, of_answer};
use crossfade_core::Kind;
use crossfade_core::answerers::Answerers;
use crossfade_core::document::Decision;
use crossfade_core::plan::{Direction, Plan, Stage, StageKind};
use crossfade_core::text::printable;
use crossfade_steps::{ApprovalRecord, Meta, Status};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::args::{Decide, Output, Said, Stack};
use crate::explain::credentials;
use crate::installed::{ActsIn, Asked, Installed, on, record};
use crate::say::{Problem, agreed, interruptible, line, terminal, verbatim};

/// What `approve` and `reject` print.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade approve --output json` and `crossfade reject --output json`")]
pub(crate) struct Answer<'a> {
    /// The deployment's id.
    deployment_id: &'a str,
    /// What was said.
    decision: Decision,
    /// The number of the stage that asked.
    stage: usize,
    /// Its name.
    name: String,
    /// What that means, for a person.
    message: String,
    /// The account, the region, and whoever decided.
    acts_in: ActsIn,
}

pub(crate) fn run(stack: &Stack, options: &Decide, decision: Decision) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(options.output).await;
        let id = &options.deployment;
        let unsure = format!("Interrupted: `crossfade status {id}` says whether something was decided.");
        let decided = interruptible(decide(installed, options, acts_in.caller(), decision), &unsure).await?;
        match options.output {
            Output::Text => line(&decided.message),
            Output::Json => {
                let Decided { message, stage, name } = decided;
                verbatim(&json!(Answer { deployment_id: id, decision, stage, name, message, acts_in }).to_string());
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What was decided.
pub(crate) struct Decided {
    /// For people.
    pub(crate) message: String,
    /// The number of the stage that asked, and its name.
    stage: usize,
    name: String,
}

/// Answers what is asked, for whom AWS takes for this ARN, and tells what was decided.
pub(crate) async fn decide(
    installed: &Installed,
    options: &Decide,
    arn: Option<&str>,
    decision: Decision,
) -> Result<Decided, Problem> {
    let meta = installed.meta(&options.deployment).await?;
    let Some(asked) = installed.asked(&meta).await? else {
        return Err(nothing_asked(&meta, answered(installed, &meta).await));
    };
    if let Some(how) = installed.died(&meta).await? {
        return Err(Problem::Refused(format!("{how} Nothing was decided.")));
    }
    let plan = installed.plan(&meta.deployment_id, asked.direction).await?;
    match chosen(options, &meta.deployment_id, &asked, &plan, decision)? {
        Choice::Made => {}
        Choice::Open if can_be_asked(options) => {
            let question = question(&meta, &asked, &plan);
            let _ = write!(std::io::stderr(), "{}", printable(&question));
            let what = match asked.direction {
                Direction::Deploy => verb(decision),
                Direction::Rollback => "End the inspection at",
            };
            agreed(&format!("{what} stage {}?", asked.stage), "Nothing was decided.").await?;
        }
        Choice::Open => {}
    }
    let proof = match (&asked.record.answerers, decision) {
        (Some(answerers), Decision::Approve) => Some(prove(installed, &meta, &asked, answerers, arn).await?),
        _ => None,
    };
    answer(installed, &asked, (&options.said, arn, proof), decision).await?;
    let word = match (asked.direction, decision) {
        (Direction::Rollback, _) => "The inspection ends",
        (Direction::Deploy, Decision::Approve) => "Approved",
        (Direction::Deploy, Decision::Reject) => "Rejected",
    };
    let (stage, name) = (asked.stage, asked.record.stage);
    Ok(Decided { message: format!("{word}: {name} (stage {stage})"), stage, name })
}

/// A proof of who says yes to a question to which not everybody's counts, unless it is known that theirs does not.
async fn prove(
    installed: &Installed,
    meta: &Meta,
    asked: &Asked,
    answerers: &Answerers,
    arn: Option<&str>,
) -> Result<String, Problem> {
    let arn = match arn {
        Some(arn) => Some(arn.to_owned()),
        None => installed.caller().await.ok().map(|caller| caller.arn),
    };
    let refused = arn.and_then(|arn| answerers.refuse(&arn, meta.starter.as_deref()).map(|why| (arn, why)));
    if let Some((arn, why)) = refused {
        return Err(Problem::Refused(format!(
            "AWS knows you as {arn}, and your yes does not count here: {why}. Nothing was decided."
        )));
    }
    let question = of_answer(&meta.execution_arn, &asked.record.task_token);
    Ok(installed.proofs.make(&question, installed.time.now_millis()).await?)
}

/// Answers a question, for whoever says so, and whom AWS takes for this ARN; with a proof of that, where it has to be proved.
pub(crate) async fn answer(
    installed: &Installed,
    asked: &Asked,
    (who, arn, proof): (&Said, Option<&str>, Option<String>),
    decision: Decision,
) -> Result<(), Problem> {
    let [by, comment] = who.written();
    let mut said = json!({});
    for (key, value) in [("by", by), ("comment", comment), ("as", arn.map(str::to_owned)), ("proof", proof)] {
        if let Some(value) = value {
            said[key] = json!(value);
        }
    }
    let cause = said.to_string();
    let rejection = (decision == Decision::Reject).then_some(("Rejected", cause.as_str()));
    let decided = installed.executions.decide(&asked.record.task_token, &said, rejection).await;
    decided.map_err(|failure| match failure.kind {
        // Somebody was faster.
        Kind::RequestRefused if !credentials(&failure) => Problem::Refused(failure.message),
        _ => failure.into(),
    })
}

/// Whether somebody can be shown what is asked, and be asked themselves.
fn can_be_asked(options: &Decide) -> bool {
    options.output == Output::Text && terminal()
}

fn verb(decision: Decision) -> &'static str {
    if decision == Decision::Approve { "Approve" } else { "Reject" }
}

/// How what a deployment asked last was answered, and by whom.
async fn answered(installed: &Installed, meta: &Meta) -> Option<String> {
    let prefix = format!("approval#{}#", Direction::Deploy.name());
    let found = installed.table.list(&keys::deployment(&meta.deployment_id), &prefix).await.ok()?;
    let last = found.into_iter().filter_map(|(_, value, _)| record::<ApprovalRecord>(value).ok()).next_back()?;
    let decided = if last.decision? == Decision::Approve { "approved" } else { "rejected" };
    let by = last.by.map_or_else(String::new, |by| format!(" by {by}"));
    Some(format!("What it asked last ({}) was {decided}{by}.", last.stage))
}

/// Why there is nothing to decide.
fn nothing_asked(meta: &Meta, answered: Option<String>) -> Problem {
    let id = &meta.deployment_id;
    Problem::Refused(match meta.status {
        Status::RollingBack => format!(
            "Deployment {id} is being rolled back and asks for no decision: what it asked before is over. Nothing was decided."
        ),
        status if status.ended() => {
            format!("Deployment {id} has ended ({status:?}) and asks for no decision. Nothing was decided.")
        }
        status => {
            let answered = answered.map_or_else(String::new, |answered| format!(" {answered}"));
            format!("Deployment {id} asks for no decision; it is {status:?}.{answered} Nothing was decided.")
        }
    })
}

/// Whether it is clear which question is answered.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// It was named.
    Made,
    /// It was not, and there is only one, or somebody can be asked.
    Open,
}

fn chosen(options: &Decide, id: &str, asked: &Asked, plan: &Plan, decision: Decision) -> Result<Choice, Problem> {
    let Asked { stage, record, .. } = asked;
    let asks = |stage: &&Stage| stage.action.kind() == StageKind::Approve || stage.reaction.ask.is_some();
    let questions = plan.stages.iter().filter(asks).count();
    match options.stage {
        Some(named) if named == *stage => Ok(Choice::Made),
        Some(named) => Err(Problem::Refused(format!(
            "Deployment {id} does not ask at stage {named}: it asks at stage {stage} ({}). Nothing was decided.",
            record.stage
        ))),
        None if questions > 1 && !can_be_asked(options) => Err(Problem::Usage(format!(
            "The plan of {id} asks {questions} times, now at stage {stage} ({}). Say which you mean: crossfade {} {id} --stage {stage}. \
             Nothing was decided.",
            record.stage,
            verb(decision).to_lowercase()
        ))),
        None => Ok(Choice::Open),
    }
}

/// What is asked, how things stand, and what comes next.
fn question(meta: &Meta, asked: &Asked, plan: &Plan) -> String {
    let Asked { stage, record, .. } = asked;
    let moves = [StageKind::ShiftWeight, StageKind::Swap, StageKind::Upscale, StageKind::Downsize];
    let done = plan.stages.iter().take(stage.saturating_sub(1));
    let done: Vec<String> = done
        .filter(|stage| moves.contains(&stage.action.kind()))
        .map(|stage| format!("    {}: {}\n", stage.name, stage.describe()))
        .collect();
    let mut text = format!(
        "{} of {} asks at stage {stage} of {}: {}\n",
        meta.deployment_id,
        meta.infrastructure,
        plan.stages.len(),
        record.stage
    );
    if !record.message.is_empty() {
        text.push_str(&format!("  question  {}\n", record.message));
    }
    if let Some(answerers) = &record.answerers {
        text.push_str(&format!("  a yes counts of {}\n", answerers.in_words()));
    }
    text.push_str(&format!("  done\n{}  next\n", done.concat()));
    let mut next = plan.stages.iter().enumerate().skip(*stage).peekable();
    if next.peek().is_none() {
        text.push_str("    nothing: it is the last stage\n");
    }
    for (i, stage) in next {
        text.push_str(&format!("    {}. {}: {}\n", i + 1, stage.name, stage.describe()));
        if stage.action.kind() == StageKind::Approve {
            break;
        }
    }
    text
}
