//! `shift-weight`: sets the weights of switches, or lets them exchange their pools, once the capacity is there, and reads them back.
//!
//! Nothing moves on hope: the side that gains traffic must have the healthy capacity for its share. What is going to be set is
//! written down for all rules and listeners before the first call, so that whatever comes between two calls, each is either as
//! before or as it is to be, and doing it again sets the rest (P48). Somebody else's weights are never overwritten.

use std::collections::BTreeSet;

use crossfade_aws::Set;
use crossfade_core::condition;
use crossfade_core::kinds::elb::describe;
use crossfade_core::pace::{GAP_MILLIS, STALE_MILLIS};
use crossfade_core::plan::{Action, Direction, Steer};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::split::{Split, Weights, all_in_words, in_words, percent_to, split_in_words};
use crossfade_core::{Class, Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

/// How long a read may take to show what was written.
const CONSISTENCY_MILLIS: u64 = 4_000;
/// How often to ask whether a change has spread that AWS takes a while to spread.
const SPREAD_MILLIS: u64 = 5_000;
/// How long such a change is given of which nobody knows anything: usually it takes less than a minute (Route 53 API reference,
/// GetChange).
const UNTOLD_MILLIS: u64 = 120_000;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    let Action::Steer(steer) = run.action()? else { return Err(run.wrong_stage("shift-weight")) };
    act(run, &steer).await
}

async fn act(mut run: Run<'_>, steer: &Steer) -> Result<Value> {
    let gaining: BTreeSet<&String> = steer.needs.iter().flat_map(|need| &need.target_groups).collect();
    let serving = run.snapshot.serving();
    let mut carries = 100;
    let live = undrifted(&run, &steer.weights).await?;
    for (live, weights) in live.iter().zip(&steer.weights) {
        if !gaining.is_empty() && serving.contains(&weights.on.as_str()) {
            carries = carries.min(percent_to(&live.routes, gaining.iter().copied()));
        }
    }
    let losing = run.snapshot.test();
    if let Some(missing) = run.short_of(&steer.needs, &losing, carries).await? {
        return run.wait(Phase::Act, Again::In(GAP_MILLIS), missing, Kind::CapacityGuard).await;
    }
    run.intend(|touched| {
        for weights in &steer.weights {
            let written = touched.routes.entry(weights.on.clone()).or_default();
            if written.last() != Some(&weights.routes) {
                written.push(weights.routes.clone());
            }
            touched.spreading.remove(&weights.on);
        }
    })
    .await?;
    // Each is read once more when it is set: what has changed since is not overwritten.
    let mut all: Vec<(&Split, &Weights)> = live.iter().zip(&steer.weights).collect();
    // If one differs, all are set: by one stale read (P68) only one of two listeners would change. Those that differ come first: of
    // many rules, whoever is throttled half way gets on the next time. Listeners that exchange keep their order, production first: by
    // a stale read the old target group would be left in use by neither (P7). Rolling back, they are set in any case: what reads as
    // it was may have been read before it was changed. Only what AWS has answered to be set already is not: whoever was throttled half
    // way gets on.
    let differ = all.iter().any(|(live, weights)| !live.has(&weights.routes));
    // What spreads is set once more when the answer was lost: it alone tells what to wait for.
    let back = run.progress.direction == Direction::Rollback;
    let spreads = steer.weights.iter().any(|weights| run.snapshot.records.contains_key(&weights.on));
    if differ || back || spreads {
        if run.snapshot.exchanged().is_empty() {
            all.sort_by_key(|(live, weights)| live.has(&weights.routes));
        }
        all.retain(|(live, weights)| {
            let answered = run.touched.answered.get(&weights.on) == Some(&weights.routes);
            !(answered && live.has(&weights.routes)) || run.snapshot.records.contains_key(&weights.on)
        });
        for (live, weights) in all {
            match set(&mut run, weights, live).await {
                // Where nobody may set them, nothing was changed, if that is what reads say once they can be believed.
                Err(failure) if !differ && back && failure.kind.class() == Class::Failed => match run.unsettled() {
                    Some(again) => return run.wait(Phase::Act, again, failure.message, Kind::NotEffective).await,
                    None => break,
                },
                Err(failure) if failure.kind.class() == Class::Transient => {
                    run.keep().await?;
                    return Err(failure);
                }
                outcome => outcome?,
            }
        }
    }
    verify(run, steer).await
}

/// The weights of these rules and listeners as they are now, if this deployment or nobody has set them.
pub(crate) async fn undrifted(run: &Run<'_>, all: &[Weights]) -> Result<Vec<Split>> {
    let ons: Vec<&str> = all.iter().map(|weights| weights.on.as_str()).collect();
    let live = run.splits(&ons).await?;
    for (on, live) in ons.iter().zip(&live) {
        let before = run.snapshot.weights.iter().find(|before| before.on == *on);
        let before = before.map_or(&[][..], |before| &before.routes);
        condition::undrifted(on, live, before, run.touched.written(on))?;
    }
    Ok(live)
}

async fn set(run: &mut Run<'_>, weights: &Weights, live: &Split) -> Result<()> {
    let (on, wanted) = (describe(&weights.on), in_words(&weights.routes));
    run.say(format!("Setting weights {wanted} on {on}"));
    let switches = run.context.switches.knowing(&run.snapshot.records);
    let Set { split, change } = switches.set(&weights.on, live, &weights.routes).await?;
    run.touched.spreading.extend(change.map(|change| (weights.on.clone(), change)));
    if split.has(&weights.routes) {
        run.touched.answered.insert(weights.on.clone(), weights.routes.clone());
        return Ok(());
    }
    let has = split_in_words(&split);
    Err(Kind::NotEffective.because(format!("{on} was set to {wanted}, but AWS answers that it has {has}.")))
}

/// When to ask again about a change of a switch that has not spread yet.
async fn unspread(run: &Run<'_>, on: &str) -> Result<Option<u64>> {
    if !run.snapshot.records.contains_key(on) {
        return Ok(None);
    }
    match run.touched.spreading.get(on) {
        Some(change) => Ok((!run.context.switches.in_sync(change).await?).then_some(SPREAD_MILLIS)),
        // Nothing was left to change, or nobody may: what was set before spreads all the same.
        None => Ok(Some(UNTOLD_MILLIS.saturating_sub(run.elapsed_millis())).filter(|left| *left > 0)),
    }
}

/// Reads the weights back. A stale read may still show earlier ones of ours (P68), anything else is somebody's hand. If they do not
/// come, the stale read may have been the one before they were to be set: then they are set again.
pub(crate) async fn verify(mut run: Run<'_>, steer: &Steer) -> Result<Value> {
    for (live, weights) in undrifted(&run, &steer.weights).await?.iter().zip(&steer.weights) {
        if !live.has(&weights.routes) {
            let missing = format!("weights still read {}", split_in_words(live));
            let phase = if run.elapsed_millis() < STALE_MILLIS { Phase::Check } else { Phase::Act };
            return run.wait(phase, Again::In(CONSISTENCY_MILLIS), missing, Kind::NotEffective).await;
        }
    }
    for weights in &steer.weights {
        if let Some(again) = unspread(&run, &weights.on).await? {
            let missing = format!("{} are set, and not everybody who answers has them yet", describe(&weights.on));
            return run.wait(Phase::Check, Again::In(again), missing, Kind::NotEffective).await;
        }
    }
    run.touched.shifted_millis = run.context.now_millis();
    run.next_stage(format!("Weights are {}", all_in_words(&steer.weights))).await
}
