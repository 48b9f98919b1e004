//! `upscale`: sets the size of a fleet: the candidate's on the way forward, that of earlier fleets on the way back.

use crossfade_core::condition::{self, Growing, Verdict, Waited};
use crossfade_core::kinds::Ability;
use crossfade_core::observed::Fleet;
use crossfade_core::pace::STALE_MILLIS;
use crossfade_core::plan::{Action, Direction, Upscale};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result, resize};
use serde_json::Value;

use crate::context::Context;
use crate::hold::{assert_floor, only_by_schedule, with_held};
use crate::run::{INCIDENTS_MILLIS, Run};
use crate::unnamed;

/// When it is told what the platform has done so far, and how many members there are: by then they have been launched.
const TOLD_MILLIS: u64 = 40_000;
/// How often it is asked whether instances are only replaced, when none is missing: more seldom, since replacing takes minutes and
/// five minutes of booting are to take no more reads for it.
const REPLACED_MILLIS: u64 = 320_000;
/// When a scheduled action can no longer fire that was suspended before the stage (P20): then held fleets are looked at.
const LATE_MILLIS: u64 = 125_000;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Upscale(upscale) = run.action()? else { return Err(run.wrong_stage("upscale")) };
    let (fleet, held) = with_held(&run, &upscale.fleet).await?;
    for fleet in held.iter().map(|(fleet, _)| fleet).chain([&fleet]) {
        run.owned(fleet)?;
    }
    let size = match run.progress.direction {
        Direction::Deploy => upscale.size,
        Direction::Rollback => resize::at_least(upscale.size, fleet.size),
    };
    if run.progress.direction == Direction::Deploy && !fleet.has_size(size) {
        unnamed::undisturbed(&run, &fleet, &upscale.target_groups).await?;
    }
    if !fleet.has_size(size) || run.unsettled().is_some() {
        run.resize(&fleet, size).await?;
    }
    for (fleet, floor) in held.iter().filter(|(fleet, floor)| fleet.size.desired < *floor) {
        // What a scheduled action took that fired after it was suspended is given back.
        only_by_schedule(&run, fleet, *floor).await?;
        let max = run.snapshot.fleet(&fleet.name).map_or(fleet.size.max, |before| before.size.max);
        assert_floor(&mut run, fleet, *floor, max).await?;
    }
    let missing = format!("waiting for {} of {} to be healthy", upscale.size.desired, upscale.fleet);
    run.wait(Phase::Check, Again::Paced(upscale.expected_seconds), missing, Kind::SteadyStateTimeout).await
}

/// One read of each target group while instances boot; those of the fleet and its incidents only when they may be the last, or
/// now and then.
pub(crate) async fn upscaled(mut run: Run<'_>, upscale: &Upscale) -> Result<Value> {
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
    if run.progress.has_come(TOLD_MILLIS, run.context.now_millis()) {
        return tell(run, upscale).await;
    }
    let registered = run.context.pools.registered(&upscale.target_groups).await?;
    let growing = Growing::new(&run.snapshot, upscale, &registered);
    let mut verdict = Verdict::NotYet(format!("waiting for {wanted} of {}", upscale.fleet));
    let now_and_then = (back || growing.incomplete(upscale.size.desired)) && run.passed(INCIDENTS_MILLIS);
    // The last look has to say why.
    let last = run.overdue();
    // Whether it was asked already what AWS has done to the fleet.
    let mut judged = false;
    let (mut there, mut serving) = (0, Vec::new());
    if growing.promising(wanted) || now_and_then || last {
        let (fleet, loose) = look(&run, upscale).await?;
        if let Some(loose) = loose {
            return hold_again(run, loose).await;
        }
        there = condition::there(&fleet, &registered);
        serving = fleet.serving().map(|member| member.id.clone()).collect();
        verdict = match back {
            true => condition::regained(&fleet, run.snapshot.fleet(&fleet.name), &registered, wanted, run.waited()),
            false => condition::steady(&fleet, &registered, wanted, upscale.exclusive),
        };
        if fleet.capacity() < wanted && verdict != Verdict::Holds {
            let incidents = run.incidents(&fleet.name).await?;
            judged = true;
            let hopeless = condition::launches(&fleet, &incidents, run.progress.stage.started_millis)
                .and_then(|()| condition::churn(&fleet.name, &incidents, wanted));
            if let Err(failure) = hopeless {
                // Users are not kept on what is to go for instances that do not come, if there are others.
                let waited = Waited { over: true, ..run.waited() };
                let before = run.snapshot.fleet(&fleet.name);
                if !back || condition::regained(&fleet, before, &registered, wanted, waited) != Verdict::Holds {
                    run.keep_log().await?;
                    return Err(failure);
                }
                run.say(failure.message);
                verdict = Verdict::Holds;
            }
            if let Verdict::NotYet(missing) = &mut verdict {
                missing.push_str(&condition::failed_launches(&incidents));
            }
        }
        if let Verdict::NotYet(missing) = &mut verdict {
            missing.push_str(&fleet.hindered(&[Ability::Launching, Ability::Registering]));
        }
    } else if let Some(missing) = growing.missing(wanted) {
        verdict = missing;
    }
    let asks = !back && !judged && (last || run.passed(REPLACED_MILLIS));
    if asks && matches!(verdict, Verdict::NotYet(_)) {
        let incidents = run.incidents(&upscale.fleet).await?;
        // Whatever is registered: an instance that is replaced has a successor before long.
        if let Err(failure) = condition::churn(&upscale.fleet, &incidents, wanted) {
            run.keep_log().await?;
            return Err(failure);
        }
    }
    match verdict {
        Verdict::Holds => {
            if let Some(again) = run.unsettled() {
                let missing = format!("{} may not show yet that it was made smaller", upscale.fleet);
                return run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await;
            }
            run.incidents(&upscale.fleet).await?;
            if !back {
                run.has_made(serving);
            }
            let line = match back {
                true => format!("{} is back: {there} of {} ready", upscale.fleet, upscale.size.desired),
                false => format!("{} is steady: {wanted} of {wanted} healthy", upscale.fleet),
            };
            run.next_stage(line).await
        }
        Verdict::NotYet(missing) => run.wait(Phase::Check, again, missing, Kind::SteadyStateTimeout).await,
        Verdict::Never(failure) => {
            run.keep_log().await?;
            Err(failure)
        }
    }
}

/// Tells once how far the platform is, instead of another look at the pools.
async fn tell(mut run: Run<'_>, upscale: &Upscale) -> Result<Value> {
    let (fleet, loose) = look(&run, upscale).await?;
    if let Some(loose) = loose {
        return hold_again(run, loose).await;
    }
    run.incidents(&fleet.name).await?;
    let missing = format!("waiting for {} of {}; {}", upscale.size.desired, fleet.name, condition::counted(&fleet));
    run.wait(Phase::Check, Again::Paced(upscale.expected_seconds), missing, Kind::SteadyStateTimeout).await
}

/// The fleet and, by the same read, the first held one that has fallen below what it is held at.
async fn look(run: &Run<'_>, upscale: &Upscale) -> Result<(Fleet, Option<(Fleet, u32)>)> {
    let (fleet, held) = with_held(run, &upscale.fleet).await?;
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
    only_by_schedule(&run, &fleet, floor).await?;
    let missing = format!("a scheduled action has resized {} to {}; setting it back", fleet.name, fleet.size);
    run.wait(Phase::Act, Again::In(1_000), missing, Kind::SteadyStateTimeout).await
}

/// Whether [`LATE_MILLIS`] have passed since the look before.
fn late(run: &Run<'_>) -> bool {
    !run.touched.held.is_empty() && run.progress.has_come(LATE_MILLIS, run.context.now_millis())
}
