//! `crossfade pause`, `resume` and `promote`: a deployment stops before its next stage, goes on, or leaves a pause of its document sooner.

use std::process::ExitCode;

use crossfade_core::document::Decision;
use crossfade_core::plan::{Action, Direction, Plan};
use crossfade_steps::{Meta, PauseRecord, PromotionRecord, Status};

use crate::args::{self, Output, Said, Stack};
use crate::decide::answer;
use crate::done::tell;
use crate::installed::{Asked, Installed, on};
use crate::say::Problem;
use crate::view::build;

pub(crate) fn pause(stack: &Stack, options: &args::Pause, output: Output) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(output).await;
        let options = args::Pause { said: options.said.seen_as(acts_in.caller()), ..options.clone() };
        Ok(tell(&stop(installed, &options).await?, output, acts_in))
    })
}

pub(crate) fn resume(stack: &Stack, options: &args::Resume, output: Output) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(output).await;
        Ok(tell(&let_go_on(installed, options, acts_in.caller()).await?, output, acts_in))
    })
}

pub(crate) fn promote(stack: &Stack, options: &args::Promote, output: Output) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(output).await;
        Ok(tell(&end_sooner(installed, options, acts_in.caller()).await?, output, acts_in))
    })
}

/// Asks a deployment to stop before its next stage, and tells what follows.
pub(crate) async fn stop(installed: &Installed, options: &args::Pause) -> Result<Vec<String>, Problem> {
    let (meta, asked) = running(installed, &options.deployment).await?;
    let id = &meta.deployment_id;
    if let Some(asked) = asked.filter(|asked| asked.record.pauses) {
        return Err(Problem::Refused(format!(
            "Deployment {id} stands already before stage {} ({}): {}. Nothing was changed.",
            asked.stage, asked.record.stage, asked.record.message
        )));
    }
    let [by, comment] = options.said.written();
    let minutes = u32::try_from(options.lasts.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
    let since_millis = installed.time.now_millis();
    let pause = PauseRecord { by, comment, since_millis, timeout_minutes: minutes };
    crossfade_steps::pause(&installed.context, id, &pause).await?;
    Ok(vec![
        format!("{id} stops before its next stage, and waits there for {} at most", in_words(minutes)),
        format!("  then all is rolled back; to let it go on: crossfade resume {id}"),
    ])
}

/// Lets a deployment go on that is paused, or is to be, for whom AWS takes for this ARN.
pub(crate) async fn let_go_on(
    installed: &Installed,
    options: &args::Resume,
    arn: Option<&str>,
) -> Result<Vec<String>, Problem> {
    let (meta, asked) = running(installed, &options.deployment).await?;
    let id = &meta.deployment_id;
    let who = (&options.said, arn);
    if let Some(asked) = asked.filter(|asked| asked.record.pauses) {
        return Ok(vec![go_on(installed, &asked, who).await?]);
    }
    let before = crossfade_steps::unpause(&installed.context, id).await?;
    // It may have come to a stop in that moment.
    match (installed.asked(&meta).await?.filter(|asked| asked.record.pauses), before) {
        (Some(asked), _) => Ok(vec![go_on(installed, &asked, who).await?]),
        (None, Some(_)) => Ok(vec![format!("{id} does not stop before its next stage any more")]),
        (None, None) => Err(Problem::Refused(format!(
            "Deployment {id} is not paused. A pause of its document ends with `crossfade promote {id}`."
        ))),
    }
}

/// Ends pauses of a deployment's document sooner, for whom AWS takes for this ARN.
pub(crate) async fn end_sooner(
    installed: &Installed,
    options: &args::Promote,
    arn: Option<&str>,
) -> Result<Vec<String>, Problem> {
    let (meta, asked) = running(installed, &options.deployment).await?;
    let id = &meta.deployment_id;
    let plan = installed.plan(id, Direction::Deploy).await?;
    let at = build::view(&installed.known(id).await?, installed.time.now_millis()).stage().map(|it| it.number);
    let pauses = at.filter(|at| ends_sooner(&plan, at - 1));
    let paused = asked.filter(|asked| asked.record.pauses);
    if pauses.is_none() && paused.is_none() && !options.full {
        return Err(Problem::Refused(nothing_to_end(&meta, &plan, at)));
    }
    let [by, comment] = options.said.seen_as(arn).written();
    let stage = pauses.map(|at| at - 1).filter(|_| !options.full);
    if pauses.is_some() || options.full {
        let promotion = PromotionRecord { by, comment, stage };
        crossfade_steps::promote(&installed.context, id, &promotion).await?;
    }
    let mut lines = Vec::new();
    lines
        .extend(pauses.and_then(|at| plan.stages.get(at - 1)).map(|it| format!("{} ends within two minutes", it.name)));
    if options.full {
        let later = (at.unwrap_or(0)..plan.stages.len()).filter(|index| ends_sooner(&plan, *index));
        let later: Vec<String> = later.map(|index| format!("{} ({})", index + 1, plan.stages[index].name)).collect();
        lines.push(match later.as_slice() {
            [] => format!("No pause of {id} is to come any more"),
            some => format!("Those that are to come end as they begin: stage {}", some.join(", ")),
        });
    }
    if let Some(asked) = paused {
        lines.push(go_on(installed, &asked, (&options.said, arn)).await?);
    }
    Ok(lines)
}

/// A deployment that runs, and what it asks.
async fn running(installed: &Installed, deployment: &str) -> Result<(Meta, Option<Asked>), Problem> {
    let meta = installed.meta(deployment).await?;
    let id = &meta.deployment_id;
    match meta.status {
        Status::Preparing | Status::Running => {}
        Status::RollingBack => {
            return Err(Problem::Refused(format!(
                "Deployment {id} is being rolled back, and a rollback does not pause. Nothing was changed."
            )));
        }
        ended => {
            return Err(Problem::Refused(format!("Deployment {id} has ended ({ended:?}). Nothing was changed.")));
        }
    }
    if let Some(how) = installed.died(&meta).await? {
        return Err(Problem::Refused(format!("{how} Nothing was changed.")));
    }
    let asked = installed.asked(&meta).await?;
    Ok((meta, asked))
}

async fn go_on(installed: &Installed, asked: &Asked, (who, arn): (&Said, Option<&str>)) -> Result<String, Problem> {
    answer(installed, asked, (who, arn, None), Decision::Approve).await?;
    Ok(format!("Resumed: {} (stage {})", asked.record.stage, asked.stage))
}

/// Whether somebody may end this stage before its time.
fn ends_sooner(plan: &Plan, index: usize) -> bool {
    plan.stages.get(index).is_some_and(|stage| matches!(&stage.action, Action::Pause(pause) if pause.wanted))
}

/// Why there is nothing to end, and what there is instead.
fn nothing_to_end(meta: &Meta, plan: &Plan, at: Option<usize>) -> String {
    let id = &meta.deployment_id;
    let stage = at.and_then(|at| plan.stages.get(at - 1).map(|stage| format!("at stage {at} ({})", stage.name)));
    let later: Vec<String> = (at.unwrap_or(0)..plan.stages.len())
        .filter(|index| ends_sooner(plan, *index))
        .map(|index| format!("{} ({})", index + 1, plan.stages[index].name))
        .collect();
    let later = match later.as_slice() {
        [] => "No pause of its document comes any more".to_owned(),
        some => format!(
            "It pauses later, at stage {}: `crossfade promote {id} --full` ends that as it begins",
            some.join(", ")
        ),
    };
    format!(
        "Deployment {id} does not pause now, it is {}. {later}. Only pauses end sooner; what is asked is answered by `crossfade approve`.",
        stage.unwrap_or_else(|| format!("{:?}", meta.status))
    )
}

/// 90 → `90 min`, 1440 → `24 h`.
fn in_words(minutes: u32) -> String {
    if minutes.is_multiple_of(60) { format!("{} h", minutes / 60) } else { format!("{minutes} min") }
}
