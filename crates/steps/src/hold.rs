//! `hold`: keeps earlier fleets from shrinking by themselves while they serve or may be needed for a rollback, and gives them
//! their own limits back.
//!
//! Held, a fleet may still scale out: its minimum is what it has, and its scheduled actions rest. What was held is written down
//! before, and a rollback or the end of the deployment always releases it.

use std::collections::BTreeMap;

use crossfade_core::capacity::Size;
use crossfade_core::observed::{Because, Fleet};
use crossfade_core::plan::{Action, Direction, Hold};
use crossfade_core::progress::Phase;
use crossfade_core::{Kind, Result, resize, text};
use serde_json::Value;

use crate::context::Context;
use crate::run::{Run, deleted};

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    match run.action()? {
        Action::Hold(hold) => take(run, &hold).await,
        Action::Release(hold) => release(run, &hold).await,
        _ => Err(run.wrong_stage("hold")),
    }
}

async fn take(mut run: Run<'_>, hold: &Hold) -> Result<Value> {
    for name in &hold.fleets {
        let fleet = run.existing_fleet(name).await?;
        // What it had when the plan was made is what the plan counts on.
        let before = run.snapshot.fleet(name).map_or(0, |before| before.size.desired);
        let floor = *run.touched.held.get(name).unwrap_or(&fleet.size.desired.max(before));
        run.intend(|touched| _ = touched.held.insert(name.clone(), floor)).await?;
        if fleet.schedules_rest() && fleet.own.moves() {
            run.fleets().rest(name, true).await?;
            run.say(format!("Suspended what moves {name} by itself"));
        }
        assert_floor(&mut run, &fleet, floor, fleet.size.max).await?;
    }
    outlast(&mut run, 0).await?;
    held(run, hold).await
}

/// By how much longer something rests than the plan can take, in seconds: calls that are tried again, a rollback.
const RESERVE_SECONDS: u64 = 2 * 24 * 3600;

/// Sees to it that what was put to rest of held fleets rests until all that comes is over, where it would go on by itself before: the
/// stages that are left, and so many seconds for which somebody is waited for who is not in the plan. While somebody is waited for,
/// nothing runs that could see to it. So with what somebody else has put to rest for a while: it gets the rest of its time back.
pub(crate) async fn outlast(run: &mut Run<'_>, waits_seconds: u64) -> Result<()> {
    let Some(by_itself) = run.snapshot.platform.rests_seconds() else { return Ok(()) };
    let needed = waits_seconds + run.plan.seconds_from(run.progress.stage.index) + RESERVE_SECONDS;
    let long = waits_seconds > 0 || needed > by_itself;
    let held = run.touched.held.keys().filter_map(|name| run.snapshot.fleet(name));
    let short: Vec<Fleet> = held.filter(|before| long || before.own.stirs()).cloned().collect();
    if !short.is_empty() {
        run.confirm().await?;
    }
    for before in &short {
        run.fleets().rest_on(before, needed.max(by_itself)).await?;
    }
    Ok(())
}

/// A fleet and, by the same read, those that are held meanwhile, each with the size below which it may not fall. A rollback
/// holds none: it gives them back what they had.
pub(crate) async fn with_held(run: &Run<'_>, name: &str) -> Result<(Fleet, Vec<(Fleet, u32)>)> {
    let held = match run.progress.direction {
        Direction::Deploy => run.touched.held.clone(),
        Direction::Rollback => BTreeMap::new(),
    };
    let names: Vec<&str> = held.keys().map(String::as_str).chain([name]).collect();
    let fleets = run.fleets().named(&names).await?;
    let fleet = fleets.iter().find(|fleet| fleet.name == name).cloned().ok_or_else(|| deleted(name))?;
    let floor = |fleet: Fleet| held.get(&fleet.name).copied().map(|floor| (fleet, floor));
    Ok((fleet, fleets.into_iter().filter_map(floor).collect()))
}

/// Whether a scheduled action has resized a fleet since the deployment began: one may fire up to two minutes after they were
/// suspended (P20), and what it did may be set back. What somebody has set is left alone.
pub(crate) async fn by_schedule(run: &Run<'_>, fleet: &Fleet) -> Result<bool> {
    let incidents = run.fleets().incidents(&fleet.name, run.meta.started_millis).await?;
    Ok(incidents.iter().any(|incident| incident.because == Because::Schedule))
}

/// A held fleet that has fallen below its floor, unless a scheduled action did it.
pub(crate) async fn only_by_schedule(run: &Run<'_>, fleet: &Fleet, floor: u32) -> Result<()> {
    if by_schedule(run, fleet).await? {
        return Ok(());
    }
    Err(Kind::Drifted.because(format!(
        "{} was resized to {} while it serves and was held at {floor} or more. Somebody or something else scales it.",
        fleet.name, fleet.size
    )))
}

/// Sees to it that a fleet is held at `floor` or more, and may grow to `max`.
pub(crate) async fn assert_floor(run: &mut Run<'_>, fleet: &Fleet, floor: u32, max: u32) -> Result<()> {
    if !fleet.schedules_rest() {
        run.fleets().rest(&fleet.name, true).await?;
        run.say(format!("Suspended the scheduled actions of {}", fleet.name));
    }
    let size = resize::held(fleet.size, floor, max);
    if !fleet.has_size(size) {
        run.say(format!("Holding {} at {floor} or more: {size} instead of {}", fleet.name, fleet.size));
        run.fleets().resize(&fleet.name, size).await?;
    }
    Ok(())
}

/// Whether fleets are held.
pub(crate) async fn held(run: Run<'_>, hold: &Hold) -> Result<Value> {
    let fleets = named(&run, hold).await?;
    let loose = fleets.iter().find(|fleet| {
        let floor = run.touched.held.get(&fleet.name).copied().unwrap_or(0);
        fleet.floor() < floor || !fleet.schedules_rest()
    });
    match loose {
        None => run.next_stage(format!("{} may scale out, but not in", text::few(&hold.fleets))).await,
        Some(loose) => {
            let missing = format!("{} still has {}", loose.name, loose.size);
            let again = run.settling();
            run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await
        }
    }
}

async fn named(run: &Run<'_>, hold: &Hold) -> Result<Vec<Fleet>> {
    let names: Vec<&str> = hold.fleets.iter().map(String::as_str).collect();
    run.fleets().named(&names).await
}

async fn release(mut run: Run<'_>, hold: &Hold) -> Result<Value> {
    // What was held a moment ago may not show yet, and would stay so.
    if let Some(again) = run.unsettled() {
        let missing = format!("{} may not show yet that it is held", text::few(&hold.fleets));
        return run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await;
    }
    run.confirm().await?;
    for fleet in named(&run, hold).await? {
        // Not ours any more: it was said when it was noticed.
        if run.owned(&fleet).is_ok() {
            restore(&mut run, &fleet).await?;
        }
    }
    released(run, hold).await
}

/// The limits that a fleet had. One that slept and has woken since has those of its schedule.
fn own_size(run: &Run<'_>, fleet: &Fleet) -> Size {
    let before = run.size_before(&fleet.name).filter(|_| !run.snapshot.woke(fleet));
    before.map_or(fleet.size, |before| resize::released(before, fleet.size, run.progress.direction))
}

async fn restore(run: &mut Run<'_>, fleet: &Fleet) -> Result<()> {
    let Some(before) = run.snapshot.fleet(&fleet.name).cloned() else { return Ok(()) };
    let (name, fleets) = (fleet.name.as_str(), run.fleets());
    let size = own_size(run, fleet);
    if !fleet.has_size(size) {
        fleets.resize(name, size).await?;
        run.say(format!("Released {name}: {size} instead of {}", fleet.size));
    }
    fleets.give_back(fleet, &before).await?.into_iter().for_each(|line| run.say(line));
    Ok(())
}

/// Whether fleets have their own limits.
pub(crate) async fn released(mut run: Run<'_>, hold: &Hold) -> Result<Value> {
    for fleet in named(&run, hold).await? {
        let size = own_size(&run, &fleet);
        let before = run.snapshot.fleet(&fleet.name);
        // What somebody has set since is theirs.
        let settled = fleet.has_size(size) && before.is_none_or(|before| !before.own.owes(&fleet.own));
        if run.owned(&fleet).is_ok() && !settled {
            let missing = format!("{} still has {}, or not yet what it had otherwise", fleet.name, fleet.size);
            let again = run.settling();
            return run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await;
        }
    }
    if run.progress.direction == Direction::Deploy {
        run.intend(|touched| touched.held.retain(|name, _| !hold.fleets.contains(name))).await?;
    }
    run.next_stage(format!("{} has its own limits again", text::few(&hold.fleets))).await
}
