//! `crossfade rollback`: the undoing of a deployment that did not end well, and the way back from one that did.
//!
//! A deployment that has succeeded is over, and what it changed is the state that others build on. The way back from it is a
//! new deployment, with its document, in which a kept revision takes over again.

use std::process::ExitCode;

use crossfade_aws::{Attempt, State, keys, name_with, without_start_proof};
use crossfade_core::document::references::as_written;
use crossfade_core::haste::Haste;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Kind, text};
use crossfade_steps::{Begun, FailureRecord, Meta, ServingRecord, Status, roll_back};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::abort::cause;
use crate::args::{Output, Rollback, Said, Stack};
use crate::belongings::said as written;
use crate::installed::{ActsIn, Installed, on, record};
use crate::revisions;
use crate::say::{Problem, line, verbatim};
use crate::watch::{Again, Follow};

/// What `rollback` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The first line of `crossfade rollback --output json`")]
pub(crate) struct Answer {
    #[serde(flatten)]
    told: Told,
    /// The account, the region, and whoever asks.
    acts_in: ActsIn,
}

/// What is told of a way back.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Told {
    /// The deployment that goes back: the one that is undone, or a new one in which a kept revision takes over again.
    deployment_id: String,
    /// The execution that does it; empty when none was started.
    execution_arn: String,
    /// Of one that is undone: what happens, for a person.
    message: Option<String>,
    /// Of a new one: the revision that takes over again.
    revision: Option<u32>,
    /// The weights that were set back before, each in words, where that was asked for.
    reset_weights: Option<Vec<String>>,
}

pub(crate) fn run(stack: &Stack, options: &Rollback) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(options.output).await;
        let options = &Rollback { said: options.said.seen_as(acts_in.caller()), ..options.clone() };
        let way = way_back(installed, options).await?;
        match options.output {
            Output::Text => way.lines.iter().for_each(|told| line(told)),
            Output::Json => {
                verbatim(&json!(Answer { told: way.told, acts_in }).to_string());
            }
        }
        let id = &way.deployment;
        if options.follow.wait {
            let again = way.again.map(|ended_millis| Again { ended_millis, rollback: &way.rollback });
            let (deployment, execution) = (id.as_str(), Some(way.execution.as_str()));
            let (output, limits, stopped) = (options.output, options.follow.limits, way.stopped);
            let follow = Follow { deployment, execution, output, limits, stopped, again, ..Follow::default() };
            return follow.to_its_end(installed).await;
        }
        if options.output == Output::Text {
            line(&format!("  follow: crossfade watch {id}"));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// A way back that has begun.
pub(crate) struct WayBack {
    /// What is told people.
    pub(crate) lines: Vec<String>,
    /// What is told scripts.
    told: Told,
    /// The deployment to follow, and its execution.
    pub(crate) deployment: String,
    execution: String,
    /// Whether that was stopped on purpose.
    stopped: bool,
    /// The execution of the rollback, and when the deployment had ended before, if it had.
    rollback: String,
    again: Option<Option<u64>>,
}

/// Undoes a deployment that has not ended well, or begins one that goes back from one that has.
pub(crate) async fn way_back(installed: &Installed, options: &Rollback) -> Result<WayBack, Problem> {
    let meta = installed.meta(&options.deployment).await?;
    let id = &meta.deployment_id;
    if options.reset_weights {
        let reset = crossfade_steps::reset_weights(&installed.context, id, written(&options.said)).await?;
        let mut way = undo(installed, &options.said, &meta).await?;
        way.lines.extend(reset.iter().map(|reset| format!("  {reset}")));
        way.told.reset_weights = Some(reset);
        return Ok(way);
    }
    match meta.status {
        Status::Succeeded => go_back(installed, options, &meta).await,
        Status::FailedClean => Err(Problem::Refused(format!(
            "Deployment {id} has ended (FailedClean) and everything is as it was: there is nothing to roll back."
        ))),
        Status::Accepted => Err(Problem::Refused(format!(
            "Somebody has accepted what {id} left (`crossfade status {id} --log` says who): it is not rolled back any more."
        ))),
        _ if options.to.is_some() || options.name.is_some() => Err(Problem::Usage(format!(
            "Deployment {id} has not succeeded ({:?}), and is undone as a whole: leave out --to and --name.",
            meta.status
        ))),
        _ => undo(installed, &options.said, &meta).await,
    }
}

/// Undoes a deployment whose execution died or whose rollback could not go on.
async fn undo(installed: &Installed, said: &Said, meta: &Meta) -> Result<WayBack, Problem> {
    let machine = installed.machine("rollback").await?;
    let id = &meta.deployment_id;
    let dead = dead(installed, meta).await?;
    // Of one that has failed by itself the reason is known, and counts.
    let runs = matches!(meta.status, Status::Preparing | Status::Running) && dead.is_none();
    let halt = || FailureRecord::new(Kind::HaltRequested.name(), &cause("Taken back", said));
    let begun = roll_back(id, &machine, runs.then(halt), dead, Haste::Now, &installed.context).await?;
    let rollback = match &begun.attempt {
        Attempt::Started { arn, .. } | Attempt::Runs { arn, .. } => arn.clone(),
        Attempt::Waits | Attempt::Spent => String::new(),
    };
    let text = asked(id, &machine, begun)?;
    Ok(WayBack {
        told: Told {
            deployment_id: id.clone(),
            execution_arn: rollback.clone(),
            message: Some(text.clone()),
            revision: None,
            reset_weights: None,
        },
        lines: vec![text],
        deployment: id.clone(),
        execution: meta.execution_arn.clone(),
        stopped: true,
        rollback,
        again: meta.status.ended().then_some(meta.ended_millis),
    })
}

/// The deployment's execution, if it is over: what runs is taken over, and can write nothing from then on.
async fn dead<'a>(installed: &Installed, meta: &'a Meta) -> Result<Option<&'a str>, Problem> {
    let execution = installed.executions.describe(&meta.execution_arn).await?;
    let runs = execution.is_none_or(|execution| execution.state == State::Running);
    Ok((!runs).then_some(meta.execution_arn.as_str()))
}

/// What to tell whoever asked for a rollback.
pub(crate) fn asked(id: &str, machine: &str, begun: Begun) -> Result<String, Problem> {
    match begun.attempt {
        Attempt::Started { arn, .. } => Ok(match begun.settles {
            Some(seconds) => format!(
                "Rolling {id} back ({arn}), in {seconds} seconds: until then a function of the stopped execution may run"
            ),
            None => format!("Rolling {id} back ({arn})"),
        }),
        Attempt::Runs { arn, .. } => Ok(format!("{id} is being rolled back already ({arn})")),
        Attempt::Waits | Attempt::Spent => Err(Problem::Refused(format!(
            "The rollback of {id} was tried as often as it may be. Look at the executions of {machine}."
        ))),
    }
}

/// Lets a kept revision take over from what a deployment that has succeeded has made (G7).
async fn go_back(installed: &Installed, options: &Rollback, meta: &Meta) -> Result<WayBack, Problem> {
    nobody_deploys(installed, &meta.infrastructure).await?;
    still_serves(installed, options.to, meta).await?;
    let revision = revision(installed, options.to, meta).await?;
    let machine = installed.machine("deploy").await?;
    let mut document = meta.document.back_to(revision, options.now);
    let why = cause(&format!("Back to revision {revision} from {}", meta.deployment_id), &options.said);
    document["description"] = as_written(json!(text::cut(&why, DESCRIPTION)));
    let started = match &options.name {
        Some(name) => installed.start(&machine, name, &document).await?.map(|arn| (name.clone(), arn)),
        None => {
            let name = |nth| back_name(&meta.deployment_id, revision, nth);
            // Somebody else's deployment may be called so.
            let ours = |input: &Value| undescribed(input) == undescribed(&document);
            let now = installed.time.now_millis();
            let input = async |arn: &str, _: Option<&str>| installed.proofs.started(arn, &document, now).await;
            match installed.executions.start_next(&machine, name, ours, input, Haste::Now).await? {
                Attempt::Started { name, arn } => Some((name, arn)),
                Attempt::Runs { .. } | Attempt::Waits | Attempt::Spent => None,
            }
        }
    };
    let (name, arn) = started.ok_or_else(|| {
        Problem::Usage("There was a deployment of that name before. Give this one another --name.".into())
    })?;
    let how = if options.now { "at once: no approvals, no pauses, one shift" } else { "by the stages" };
    let of = if options.now { String::new() } else { format!(" of {}", meta.deployment_id) };
    Ok(WayBack {
        lines: vec![
            format!("{}: back to revision {revision}, {how}{of}", meta.infrastructure),
            format!("Started deployment {name} ({arn})"),
        ],
        told: Told {
            deployment_id: name.clone(),
            execution_arn: arn.clone(),
            message: None,
            revision: Some(revision),
            reset_weights: None,
        },
        deployment: name,
        execution: arn,
        stopped: false,
        rollback: String::new(),
        again: None,
    })
}

/// The most bytes of what a document says that it is for. What it becomes escaped is read back.
const DESCRIPTION: usize = 500;

/// A document without who wanted it, and why.
fn undescribed(document: &Value) -> serde_json::Map<String, Value> {
    let mut fields = without_start_proof(document.clone()).as_object().cloned().unwrap_or_default();
    fields.remove("description");
    fields
}

/// The revision to go back to: the one asked for, or the one that served before. It must be kept.
async fn revision(installed: &Installed, asked: Option<u32>, meta: &Meta) -> Result<u32, Problem> {
    let id = &meta.deployment_id;
    let revisions = revisions::all(installed, &meta.infrastructure).await?;
    let kept = revisions::kept(&revisions);
    let choose = format!("Kept at size 0: {kept}. Choose one of them with --to, or deploy an image again.");
    let wanted = match asked {
        Some(number) => Some(number),
        None => before(installed, id).await?,
    };
    let Some(number) = wanted else {
        return Err(Problem::Refused(format!("Nothing served before {id}. {choose} Nothing was started.")));
    };
    match revisions.get(&number) {
        Some(revision) if !revision.rivals.is_empty() => Err(Problem::Refused(format!(
            "Revision {number} of {} is borne as a tag by {}, and no record says which of them it is. Take the tags off those \
             that it is not. Nothing was started.",
            meta.infrastructure,
            revision.rivals.join(" and ")
        ))),
        Some(revision) if revision.kept() => Ok(number),
        other => {
            let unknown = || "it was deleted, or there never was one".into();
            let fate = other.map_or_else(unknown, revisions::Revision::fate);
            Err(Problem::Refused(format!(
                "Revision {number} of {} cannot take over: {fate}. {choose} Nothing was started.\nHow many are kept is \
                 compute.autoScalingGroup.keepRevisions, {} in the document of {id}; `crossfade revisions {}` lists them all.",
                meta.infrastructure,
                meta.document.compute.series().keep_revisions,
                meta.infrastructure
            )))
        }
    }
}

/// The revision that served before a deployment.
async fn before(installed: &Installed, id: &str) -> Result<Option<u32>, Problem> {
    Ok(snapshot(installed, id).await?.and_then(|snapshot| snapshot.stable_fleet().and_then(|fleet| fleet.revision)))
}

async fn snapshot(installed: &Installed, id: &str) -> Result<Option<Snapshot>, Problem> {
    let found = installed.table.get(&keys::deployment(id), "snapshot").await?;
    found.map(|(value, _)| record(value)).transpose()
}

/// Refuses to go back from a deployment whose revision serves no more: an old id must not move what others have deployed since.
async fn still_serves(installed: &Installed, to: Option<u32>, meta: &Meta) -> Result<(), Problem> {
    let id = &meta.deployment_id;
    let Some(snapshot) = snapshot(installed, id).await? else { return Ok(()) };
    let found = installed.table.get(&keys::infrastructure(&meta.infrastructure), keys::SERVING).await?;
    let serving: Option<ServingRecord> = found.map(|(value, _)| record(value)).transpose()?;
    let fleet = &snapshot.candidate;
    let who = match serving {
        Some(serving) if serving.fleet == *fleet => return Ok(()),
        Some(ServingRecord { deployment_id: other, fleet, .. }) => {
            let number = to.or_else(|| snapshot.stable_fleet().and_then(|fleet| fleet.revision));
            let there = number.map_or_else(String::new, |number| {
                format!(", or `crossfade rollback {other} --to {number}` if you mean that revision")
            });
            format!("{other} ({fleet}) does: `crossfade rollback {other}`{there}")
        }
        // Nothing has succeeded since that was written down: whether its fleet has instances has to do.
        None => {
            let now = installed.fleets(&meta.infrastructure).get(fleet).await?;
            if now.is_some_and(|fleet| fleet.live()) {
                return Ok(());
            }
            format!("see `crossfade revisions {}` for what does", meta.infrastructure)
        }
    };
    Err(Problem::Refused(format!("{id} ({fleet}) does not serve any more; {who}. Nothing was started.")))
}

/// A deployment that runs, or has left something, would only be told so by the new one's failure.
async fn nobody_deploys(installed: &Installed, infrastructure: &str) -> Result<(), Problem> {
    let Some(holder) = installed.table.lock(infrastructure).await?.holder else { return Ok(()) };
    let Ok(meta) = installed.meta(&holder).await else { return Ok(()) };
    // Whoever may not look at executions is told what the table says.
    if let Ok(Some(how)) = installed.died(&meta).await {
        return Err(Problem::Refused(format!(
            "{infrastructure} is being deployed by {holder}. {how} Nothing was started."
        )));
    }
    match meta.status {
        status @ (Status::Running | Status::RollingBack | Status::FailedDirty) => Err(Problem::Refused(format!(
            "{infrastructure} is being deployed by {holder} ({status:?}). See `crossfade status {holder}`, and wait for its \
             end (`crossfade watch {holder}`){}. Nothing was started.",
            match status {
                Status::Running => format!(", or stop it (`crossfade abort {holder}`)"),
                Status::FailedDirty => format!(
                    ", or, once what it names is mended, `crossfade rollback {holder}`, or keep that with `crossfade accept {holder}`"
                ),
                _ => String::new(),
            }
        ))),
        // The new deployment looks at the lease, and takes the lock over if nothing was begun under it.
        _ => Ok(()),
    }
}

fn back_name(id: &str, revision: u32, nth: u32) -> String {
    let again = if nth == 1 { String::new() } else { format!("-{nth}") };
    name_with(id, &format!("-back-to-{revision}{again}"))
}

#[cfg(test)]
mod tests {
    use crossfade_core::document::references::{Answers, Draft};
    use crossfade_core::document::{Artifact, Strategy, parse_text};

    use super::*;

    #[test]
    fn the_way_back_is_the_same_document_with_a_revision() {
        let mut document = parse_text(include_str!("../../../examples/blue-green-shift.yaml")).expect("an example");
        let Strategy::BlueGreenShift(shift) = &mut document.strategy else { panic!("it shifts") };
        // As `$${first}` in the document that was deployed.
        shift.approval.message = "Was ${first} % fine, for $${5}?".into();
        let back = |now: bool| {
            let back = Draft::read(&document.back_to(6, now)).expect("it is valid");
            back.resolve(&Answers::new()).expect("nothing is fetched").0
        };
        let (by_its_stages, at_once) = (back(false), back(true));
        document.artifact = Artifact::Revision(6);
        assert_eq!(by_its_stages, document);
        assert_eq!(at_once, document.at_once());
    }

    #[test]
    fn names_stay_as_short_as_executions_need_them() {
        assert_eq!(back_name("shop-42", 6, 1), "shop-42-back-to-6");
        assert_eq!(back_name("shop-42", 6, 2), "shop-42-back-to-6-2");
        let long = back_name(&"x".repeat(80), 1234, 1);
        assert!(long.len() == 80 && long.ends_with("x-back-to-1234"), "{long}");
    }
}
