//! `downsize`: makes a fleet smaller that serves nothing, or that others stand in for.
//!
//! Only after no request of a user is sent to where it alone is, the capacity without it is healthy, and it has drained (a stage
//! of its own before).

use crossfade_core::capacity::Size;
use crossfade_core::condition::{self, Remainder};
use crossfade_core::kinds::Ability;
use crossfade_core::kinds::elb::{describe, short};
use crossfade_core::observed::Fleet;
use crossfade_core::pace::{GAP_MILLIS, STALE_MILLIS};
use crossfade_core::plan::{Action, Direction, Downsize};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::split::in_words;
use crossfade_core::{Kind, Result, resize, text};
use serde_json::Value;

use crate::context::Context;
use crate::hold::by_schedule;
use crate::run::{INCIDENTS_MILLIS, Run, deleted};
use crate::unnamed;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Downsize(downsize) = run.action()? else { return Err(run.wrong_stage("downsize")) };
    let Some(fleet) = run.fleet(&downsize.fleet).await? else { return gone(run, &downsize).await };
    if fleet.deleting {
        return run.next_stage(format!("{} is being deleted", fleet.name)).await;
    }
    if let Some(missing) = idle(&run, &downsize).await? {
        return run.wait(Phase::Act, Again::In(GAP_MILLIS), missing, Kind::NotEffective).await;
    }
    if let Some(missing) = unnamed::in_the_way(&run, &fleet, &downsize.idle).await? {
        let again = run.soon(0);
        return run.wait(Phase::Act, again, missing, Kind::Drifted).await;
    }
    if let Some(missing) = run.short_of(&downsize.needs, &fleet.target_groups, 0).await? {
        return run.wait(Phase::Act, Again::In(GAP_MILLIS), missing, Kind::CapacityGuard).await;
    }
    shrink(&mut run, &fleet, &downsize).await?;
    // Draining takes its full time even when nothing is under way (P36), but nothing drains without instances.
    let drain_seconds = if fleet.members.is_empty() { 2 } else { downsize.drain_seconds.max(2) };
    let drain_millis = u64::from(drain_seconds) * 1000;
    let missing = format!("waiting for the {} of {} to drain and terminate", run.members(), fleet.name);
    run.wait(Phase::Check, Again::In(drain_millis), missing, Kind::SteadyStateTimeout).await
}

/// A fleet that is not to be seen is gone, unless it was made so lately that it may not be seen yet.
async fn gone(run: Run<'_>, downsize: &Downsize) -> Result<Value> {
    match run.unsettled() {
        Some(again) => {
            let missing = format!("{} is not to be seen, and may be in a while", downsize.fleet);
            run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await
        }
        None => run.next_stage(format!("{} does not exist any more", downsize.fleet)).await,
    }
}

/// Refuses when requests of users are still sent to where the fleet is. A read may be from before the last shift; then it answers
/// what it shows.
async fn idle(run: &Run<'_>, downsize: &Downsize) -> Result<Option<String>> {
    if downsize.idle.is_empty() {
        return Ok(None);
    }
    let serving = run.snapshot.serving();
    for (on, live) in serving.iter().zip(run.splits(&serving).await?) {
        if let Some(arn) = downsize.idle.iter().find(|arn| live.weight(arn) > 0) {
            let ours = run.touched.written(on).iter().any(|routes| live.has(routes));
            if ours && run.context.now_millis() < run.touched.shifted_millis + STALE_MILLIS {
                return Ok(Some(format!("weights of {} still read {}", describe(on), in_words(&live.routes))));
            }
            return Err(Kind::Drifted.because(format!(
                "{} has weights {}, but {} may have none before {} is downsized. Somebody changed them; they are left as \
                 they are, and so is {}.",
                describe(on),
                in_words(&live.routes),
                short(arn),
                downsize.fleet,
                downsize.fleet
            )));
        }
    }
    Ok(None)
}

/// Everything that keeps a fleet from shrinking is seen to each time: whatever an earlier attempt got to.
async fn shrink(run: &mut Run<'_>, fleet: &Fleet, downsize: &Downsize) -> Result<()> {
    // The candidate is held at nothing: it gets what the plan says.
    let earlier = fleet.name != run.snapshot.candidate;
    let size = if earlier { resize::shrunk(fleet.size, downsize.size) } else { downsize.size };
    let fleets = run.fleets();
    if size == Size::ZERO && !fleet.schedules_rest() {
        run.take(fleet).await?;
        fleets.rest(&fleet.name, true).await?;
    }
    if !fleet.has_size(size) || run.unsettled().is_some() {
        if run.touched.held.contains_key(&fleet.name) {
            // From now on it is held at less, or not at all.
            run.touched.held.insert(fleet.name.clone(), size.min);
        }
        run.resize(fleet, size).await?;
    }
    // A scale-in leaves protected instances where they are, whatever the size says (P28).
    let protected = resize::in_the_way(fleet, size);
    if !protected.is_empty() {
        run.confirm().await?;
        fleets.let_go(&fleet.name, &protected).await?;
        run.say(format!("{} no longer protects {} from scale-in", fleet.name, text::few(&protected)));
    }
    if let (Size::ZERO, Some(reserve)) = (size, fleet.own.reserve()) {
        run.confirm().await?;
        fleets.empty_reserve(&fleet.name).await?;
        run.say(format!("Emptying the {reserve} of {}", fleet.name));
    }
    Ok(())
}

/// Whether a fleet has shrunk. An instance in standby somebody has put aside: it neither serves nor goes by itself (P29).
pub(crate) async fn downsized(mut run: Run<'_>, downsize: &Downsize) -> Result<Value> {
    let wanted = downsize.size.desired;
    let forward = run.progress.direction == Direction::Deploy;
    // What has taken over is still there, or the old fleet comes back.
    let heir = (wanted == 0 && forward && run.touched.candidate).then(|| run.snapshot.candidate.clone());
    let names: Vec<&str> = heir.iter().map(String::as_str).chain([downsize.fleet.as_str()]).collect();
    let fleets = run.fleets().named(&names).await?;
    for fleet in &fleets {
        run.owned(fleet)?;
    }
    let find = |name: &str| fleets.iter().find(|fleet| fleet.name == name).cloned();
    let Some(fleet) = find(&downsize.fleet) else { return gone(run, downsize).await };
    if wanted == 0 && fleet.size.desired > 0 {
        if forward && run.elapsed_millis() < STALE_MILLIS {
            // The read may be from before (P68).
            let missing = format!("{} still has {}", fleet.name, fleet.size);
            return run.wait(Phase::Check, Again::In(GAP_MILLIS), missing, Kind::SteadyStateTimeout).await;
        }
        if forward && !by_schedule(&run, &fleet).await? {
            return Err(Kind::Drifted.because(format!(
                "{} was resized to {} while it was being downsized to 0. Somebody or something else scales it.",
                fleet.name, fleet.size
            )));
        }
        let missing = format!("{} was resized to {} again", fleet.name, fleet.size);
        return run.wait(Phase::Act, Again::In(GAP_MILLIS), missing, Kind::SteadyStateTimeout).await;
    }
    if let Some(name) = heir.filter(|name| find(name).is_none_or(|candidate| candidate.deleting)) {
        return Err(deleted(&name));
    }
    let aside: Vec<&str> = fleet.members.iter().filter(|it| it.aside()).map(|it| it.id.as_str()).collect();
    let there: u32 = fleet.members.iter().filter(|it| !it.aside()).map(|it| it.weight).sum();
    // What has scaled out again by itself is not waited for.
    let most = wanted.max(fleet.size.desired);
    let remainder = condition::remainder(&fleet, most);
    if let (Remainder::Leaving(held), true) = (&remainder, run.waited().over && forward) {
        // What serves nothing is no reason to undo what serves. A rollback has to wait for it: it deletes the fleet.
        let held = text::few(held);
        return run.next_stage(format!("{} serves nothing any more; still on its way out: {held}", fleet.name)).await;
    }
    if remainder != Remainder::Gone {
        if run.passed(INCIDENTS_MILLIS) {
            run.incidents(&fleet.name).await?;
        }
        let held = match &remainder {
            Remainder::Leaving(held) => format!(": {}", text::few(held)),
            _ => fleet.hindered(&[Ability::Ending]),
        };
        let missing = format!("{there} of {} still there, {most} wanted{held}", fleet.name);
        // Those that were still being launched when the fleet was to shrink are protected only now.
        let held = !resize::in_the_way(&fleet, Size { desired: most, ..downsize.size }).is_empty();
        let (phase, again) =
            if held { (Phase::Act, Again::In(GAP_MILLIS)) } else { (Phase::Check, run.soon(downsize.drain_seconds)) };
        return run.wait(phase, again, missing, Kind::SteadyStateTimeout).await;
    }
    if let (0, Some(reserve)) = (wanted, fleet.own.reserve()) {
        // It can only be deleted once it is empty.
        let missing = format!("{} still has its {reserve}", fleet.name);
        return run.wait(Phase::Act, Again::In(GAP_MILLIS), missing, Kind::SteadyStateTimeout).await;
    }
    if let Some(again) = run.unsettled() {
        let missing = format!("{} may not show yet what it has", fleet.name);
        return run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await;
    }
    if !aside.is_empty() {
        let ids = text::few(&aside);
        run.say(format!("{} keeps {ids} in standby, where somebody has put them", fleet.name));
    }
    run.incidents(&fleet.name).await?;
    let line = match wanted {
        0 => format!("{} has no {} any more", fleet.name, run.members()),
        _ => format!("{} has {there} {} left", fleet.name, run.members()),
    };
    run.next_stage(line).await
}
