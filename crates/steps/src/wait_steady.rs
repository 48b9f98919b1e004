//! `wait-steady`: looks whether a stage's condition holds. It only reads, apart from the deployment's own records.

use std::collections::BTreeSet;

use crossfade_core::condition::{self, Verdict, Waited};
use crossfade_core::observed::{ADD_TO_LOAD_BALANCER, Fleet, Health, Incident, LaunchSource, Registered};
use crossfade_core::pace::STALE_MILLIS;
use crossfade_core::plan::{Action, Direction, Drain, Upscale};
use crossfade_core::processes::{LAUNCH, suspended};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;
use crate::{downsize, hold, setup, steer, swap};

/// How often launches are looked at while instances are missing: failures should be known early, but not at every look.
const LAUNCHES_MILLIS: u64 = 25_000;
/// How often it is asked whether instances are only replaced, when none is missing: more seldom, since replacing takes minutes and
/// five minutes of booting are to take no more reads for it.
const REPLACED_MILLIS: u64 = 320_000;
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
    // Rolling back, no more is asked for than there was.
    let back = run.progress.direction == Direction::Rollback;
    let wanted = if back { run.snapshot.there_was(&upscale.fleet, upscale.size.desired) } else { upscale.size.desired };
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
    let now_and_then = if back { passed(&run, LAUNCHES_MILLIS) } else { launching(&run, upscale, &registered) };
    // The last look has to say why.
    let last = run.overdue();
    // Whether it was asked already what AWS has done to the fleet.
    let mut judged = false;
    if promising(&run, wanted, upscale, &registered) || now_and_then || last {
        let (fleet, loose) = look(&run, upscale).await?;
        if let Some(loose) = loose {
            return hold_again(run, loose).await;
        }
        verdict = match back {
            true => condition::regained(&fleet, &registered, wanted, run.waited()),
            false => condition::steady(&fleet, &registered, upscale),
        };
        if fleet.capacity() < wanted && verdict != Verdict::Holds {
            let incidents = incidents(&run, &fleet.name).await?;
            judged = true;
            let hopeless = condition::launches(&fleet, &incidents, run.progress.stage.started_millis)
                .and_then(|()| condition::churn(&fleet.name, &incidents, wanted));
            if let Err(failure) = hopeless {
                // Users are not kept on what is to go for instances that do not come, if there are others.
                let waited = Waited { over: true, ..run.waited() };
                if !back || condition::regained(&fleet, &registered, wanted, waited) != Verdict::Holds {
                    return Err(failure);
                }
                run.say(failure.message);
                verdict = Verdict::Holds;
            }
            if let Verdict::NotYet(missing) = &mut verdict {
                missing.push_str(&failures(&incidents));
            }
        }
        if let Verdict::NotYet(missing) = &mut verdict {
            missing.push_str(&suspended(&fleet, &[LAUNCH, ADD_TO_LOAD_BALANCER]));
        }
    } else if let Some(first) = registered.first() {
        verdict = condition::targets_healthy(&strangers(&run, upscale, first), wanted);
    }
    let asks = !back && !judged && (last || passed(&run, REPLACED_MILLIS));
    if asks && matches!(verdict, Verdict::NotYet(_)) {
        // Whatever is registered: an instance that is replaced has a successor before long.
        condition::churn(&upscale.fleet, &incidents(&run, &upscale.fleet).await?, wanted)?;
    }
    match verdict {
        Verdict::Holds => {
            if let Some(again) = run.unsettled() {
                let missing = format!("{} may not show yet that it was made smaller", upscale.fleet);
                return run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await;
            }
            run.say_incidents(&upscale.fleet).await?;
            let line = match back {
                true => format!("{} is back: {}", upscale.fleet, there(&run, upscale, &registered)),
                false => format!("{} is steady: {wanted} of {wanted} healthy", upscale.fleet),
            };
            run.hold(line).await
        }
        Verdict::NotYet(missing) => run.wait(Phase::Check, again, missing, Kind::SteadyStateTimeout).await,
        Verdict::Never(failure) => Err(failure),
    }
}

/// Whether this may be the last look, by the targets alone.
fn promising(run: &Run<'_>, wanted: u32, upscale: &Upscale, registered: &[Registered]) -> bool {
    // An instance of a mixed-instances policy may stand for more than one.
    let weighs_one = !matches!(run.snapshot.base_source, LaunchSource::Mixed { .. });
    let targets = if weighs_one { wanted as usize } else { wanted.min(1) as usize };
    registered.iter().all(|it| strangers(run, upscale, it).healthy() >= targets)
}

/// How many of a fleet's targets are healthy, in words.
fn there(run: &Run<'_>, upscale: &Upscale, registered: &[Registered]) -> String {
    let healthy = registered.iter().map(|it| strangers(run, upscale, it).healthy()).min();
    match healthy {
        Some(healthy) => format!("{healthy} healthy, {} wanted", upscale.size.desired),
        None => format!("{} in service", upscale.size.desired),
    }
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
    // At first a read may be from before it was set (P68); then its instances are missing, too.
    if fleet.size.desired < upscale.size.desired && run.elapsed_millis() >= STALE_MILLIS {
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

/// What AWS has done to a fleet since the stage began.
async fn incidents(run: &Run<'_>, fleet: &str) -> Result<Vec<Incident>> {
    run.context.fleets.incidents(fleet, run.progress.stage.started_millis).await
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

/// Whether instances are still to come, and it is time to look at their launches.
fn launching(run: &Run<'_>, upscale: &Upscale, registered: &[Registered]) -> bool {
    let there = |it: &Registered| {
        strangers(run, upscale, it).targets.iter().filter(|target| target.health != Health::Draining).count()
    };
    let missing = registered.iter().any(|it| there(it) < upscale.size.desired as usize) || registered.is_empty();
    missing && passed(run, LAUNCHES_MILLIS)
}

/// Whether [`LATE_MILLIS`] have passed since the look before.
fn late(run: &Run<'_>) -> bool {
    !run.touched.held.is_empty() && run.progress.has_come(LATE_MILLIS, run.context.now_millis())
}

/// Whether the end of such a period has passed since the look before.
fn passed(run: &Run<'_>, every_millis: u64) -> bool {
    run.progress.has_come_again(every_millis, run.context.now_millis())
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
