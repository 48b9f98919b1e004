//! `wait-steady`: looks whether a stage's condition holds. It only reads, apart from the deployment's own records.

use std::collections::BTreeSet;

use crossfade_core::condition::{self, Verdict};
use crossfade_core::observed::{Fleet, Health, Incident, LaunchSource, Registered};
use crossfade_core::plan::{Action, Drain, Upscale};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;
use crate::{downsize, hold, setup, steer, swap};

/// How often launches are looked at while instances are missing: failures should be known early, but not at every look.
const LAUNCHES_MILLIS: u64 = 25_000;
/// When a scheduled action can no longer fire that was suspended before the stage (P20): then held fleets are looked at.
const LATE_MILLIS: u64 = 125_000;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    match run.action()? {
        Action::Setup(setup) => setup::visible(run, &setup.fleet).await,
        Action::Adopt(adopt) => setup::attached(run, &adopt).await,
        Action::Upscale(upscale) => upscaled(run, &upscale).await,
        Action::ShiftWeight(steer) | Action::Exchange(steer) => steer::verify(run, &steer).await,
        Action::Attach(attach) => swap::joined(run, &attach).await,
        Action::Detach(detach) => swap::left(run, &detach).await,
        Action::Hold(hold) => hold::held(run, &hold).await,
        Action::Release(hold) => hold::released(run, &hold).await,
        Action::Pause(pause) => {
            let over_millis = run.progress.stage.started_millis + u64::from(pause.seconds) * 1000;
            timed(run, over_millis, "the pause is over").await
        }
        Action::Drain(drain) => drained(run, &drain).await,
        Action::Downsize(downsize) => downsize::downsized(run, &downsize).await,
        Action::Carry(_) | Action::Approve(_) | Action::Remove(_) | Action::Prune(_) => {
            Err(run.wrong_stage("wait-steady"))
        }
    }
}

/// One read of each target group while instances boot; those of the fleet and its incidents only when they may be the last, or
/// now and then.
async fn upscaled(mut run: Run<'_>, upscale: &Upscale) -> Result<Value> {
    let wanted = upscale.size.desired;
    let again = Again::Paced(upscale.expected_seconds);
    if late(&run) {
        // Once, and instead of another look: reads are few.
        return match look(&run, upscale).await?.1 {
            Some(loose) => hold_again(run, loose).await,
            None => {
                let note = run.progress.note.clone();
                run.wait(Phase::Check, again, note, Kind::SteadyStateTimeout).await
            }
        };
    }
    let registered = run.context.router.registered(&upscale.target_groups).await?;
    let mut verdict = Verdict::NotYet(format!("waiting for {wanted} of {}", upscale.fleet));
    if promising(&run, upscale, &registered) || launching(&run, upscale, &registered) || overdue(&run) {
        let (fleet, loose) = look(&run, upscale).await?;
        if let Some(loose) = loose {
            return hold_again(run, loose).await;
        }
        verdict = condition::steady(&fleet, &registered, upscale);
        if fleet.capacity() < wanted {
            let incidents = run.context.fleets.incidents(&fleet.name, run.progress.stage.started_millis).await?;
            condition::launches(&fleet, &incidents, run.progress.stage.started_millis)?;
            condition::churn(&fleet, &incidents, wanted)?;
            if let Verdict::NotYet(missing) = &mut verdict {
                missing.push_str(&failures(&incidents));
            }
        }
    } else if let Some(first) = registered.first() {
        verdict = condition::targets_healthy(&strangers(&run, upscale, first), wanted);
    }
    match verdict {
        Verdict::Holds => {
            run.say_incidents(&upscale.fleet).await?;
            run.hold(format!("{} is steady: {wanted} of {wanted} healthy", upscale.fleet)).await
        }
        Verdict::NotYet(missing) => run.wait(Phase::Check, again, missing, Kind::SteadyStateTimeout).await,
        Verdict::Never(failure) => Err(failure),
    }
}

/// Whether this may be the last look, by the targets alone.
fn promising(run: &Run<'_>, upscale: &Upscale, registered: &[Registered]) -> bool {
    // An instance of a mixed-instances policy may stand for more than one.
    let weighs_one = !matches!(run.snapshot.base_source, LaunchSource::Mixed { .. });
    let targets = if weighs_one { upscale.size.desired as usize } else { upscale.size.desired.min(1) as usize };
    registered.iter().all(|it| strangers(run, upscale, it).healthy() >= targets)
}

/// What is registered without the instances that other fleets had before: in production, theirs are healthy all along.
fn strangers(run: &Run<'_>, upscale: &Upscale, registered: &Registered) -> Registered {
    let others = run.snapshot.fleets.iter().filter(|fleet| fleet.name != upscale.fleet);
    let known = others.flat_map(|fleet| fleet.members.iter().flat_map(|member| &member.targets));
    let known: BTreeSet<&str> = known.map(String::as_str).collect();
    let targets = registered.targets.iter().filter(|target| !known.contains(target.id.as_str())).cloned().collect();
    Registered { target_group: registered.target_group.clone(), targets }
}

/// The fleet and, by the same read, the first held one that has fallen below what it is held at.
async fn look(run: &Run<'_>, upscale: &Upscale) -> Result<(Fleet, Option<(Fleet, u32)>)> {
    let (fleet, held) = hold::with_held(run, &upscale.fleet).await?;
    run.owned(&fleet)?;
    if fleet.size.desired < upscale.size.desired {
        return Err(Kind::Drifted.because(format!(
            "{} was resized to {} while it was being upscaled to {}. Somebody or something else scales it.",
            fleet.name, fleet.size, upscale.size
        )));
    }
    let loose = held.into_iter().find(|(fleet, floor)| fleet.size.desired < *floor);
    Ok((fleet, loose))
}

/// A held fleet was made smaller: it is set back, unless somebody did it.
async fn hold_again(run: Run<'_>, (fleet, floor): (Fleet, u32)) -> Result<Value> {
    hold::only_by_schedule(&run, &fleet, floor).await?;
    let missing = format!("a scheduled action has resized {} to {}; setting it back", fleet.name, fleet.size);
    run.wait(Phase::Act, Again::In(1_000), missing, Kind::SteadyStateTimeout).await
}

fn failures(incidents: &[Incident]) -> String {
    let failed: Vec<&Incident> = incidents.iter().filter(|incident| incident.failed).collect();
    match failed.first() {
        None => String::new(),
        Some(last) => {
            format!("; {} launches failed: {}", failed.len(), last.reason.as_deref().unwrap_or("no reason given"))
        }
    }
}

/// Whether instances are still to come and a multiple of [`LAUNCHES_MILLIS`] has passed since the look before.
fn launching(run: &Run<'_>, upscale: &Upscale, registered: &[Registered]) -> bool {
    let there = |it: &Registered| {
        strangers(run, upscale, it).targets.iter().filter(|target| target.health != Health::Draining).count()
    };
    let missing = registered.iter().any(|it| there(it) < upscale.size.desired as usize) || registered.is_empty();
    missing && passed(run, |elapsed| elapsed / LAUNCHES_MILLIS)
}

/// Whether this is the last look: what it says has to say why.
fn overdue(run: &Run<'_>) -> bool {
    run.context.now_millis() >= run.progress.deadline_millis()
}

/// Whether [`LATE_MILLIS`] have passed since the look before.
fn late(run: &Run<'_>) -> bool {
    !run.touched.held.is_empty() && passed(run, |elapsed| u64::from(elapsed >= LATE_MILLIS))
}

/// Whether a number that grows with the stage has grown since the look before.
fn passed(run: &Run<'_>, number: impl Fn(u64) -> u64) -> bool {
    let elapsed = run.elapsed_millis();
    number(elapsed) != number(elapsed.saturating_sub(5_000))
}

async fn drained(run: Run<'_>, drain: &Drain) -> Result<Value> {
    let over_millis = run.touched.shifted_millis + u64::from(drain.seconds) * 1000;
    timed(run, over_millis, "nothing sent before the last shift is under way any more").await
}

/// A condition that holds from a known moment on.
async fn timed(run: Run<'_>, over_millis: u64, line: &str) -> Result<Value> {
    let left = over_millis.saturating_sub(run.context.now_millis());
    if left == 0 {
        return run.hold(line).await;
    }
    let missing = format!("{} s left", left.div_ceil(1000));
    run.wait(Phase::Check, Again::In(left), missing, Kind::SteadyStateTimeout).await
}
