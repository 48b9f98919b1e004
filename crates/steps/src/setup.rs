//! `setup`: brings the candidate about at size 0: as a copy of its base with the image swapped in, or as a kept revision that is
//! attached to where candidates come up.
//!
//! Changed by then: the tags of what the deployment steers, where they were missing; an empty fleet and what its members are to be
//! made from, both of this deployment alone; or the attachments of an empty fleet. Production is not touched.

use crossfade_aws::Order;
use crossfade_core::plan::{Action, Adopt, Direction, Setup};
use crossfade_core::progress::Phase;
use crossfade_core::split::names;
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::owners;
use crate::run::Run;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    match run.action()? {
        Action::Setup(setup) => create(run, &setup).await,
        Action::Adopt(adopt) => attach(run, &adopt).await,
        _ => Err(run.wrong_stage("setup")),
    }
}

async fn create(mut run: Run<'_>, setup: &Setup) -> Result<Value> {
    let deployment = run.progress.deployment_id.clone();
    owners::tag(&mut run).await?;
    let infrastructure = run.snapshot.infrastructure.to_string();
    let compute = run.meta.document.compute.clone();
    let order = Order {
        name: &setup.fleet,
        base: &setup.base,
        blueprint: &setup.blueprint,
        artifact: &setup.artifact,
        pools: &setup.target_groups,
        infrastructure: &infrastructure,
        revision: setup.revision,
        deployment: &deployment,
        instances: compute.instances(),
    };
    run.fleets().create(&order).await?.into_iter().for_each(|line| run.say(line));
    visible(run, &setup.fleet).await
}

/// Whether the candidate can be seen: what was just created may not show at once.
pub(crate) async fn visible(run: Run<'_>, fleet: &str) -> Result<Value> {
    match run.fleet(fleet).await? {
        Some(_) => run.next_stage(format!("{fleet} is set up")).await,
        None => {
            let missing = format!("{fleet} is not visible yet");
            let again = run.settling();
            run.wait(Phase::Check, again, missing, Kind::SteadyStateTimeout).await
        }
    }
}

async fn attach(mut run: Run<'_>, adopt: &Adopt) -> Result<Value> {
    // Where it was attached a moment ago may not show yet, and would stay so.
    if let Some(again) = run.unsettled() {
        let missing = format!("{} may not show yet what it is attached to", adopt.fleet);
        return run.wait(Phase::Act, again, missing, Kind::SteadyStateTimeout).await;
    }
    let fleet = run.existing_fleet(&adopt.fleet).await?;
    if fleet.live() && run.progress.direction == Direction::Deploy {
        return Err(Kind::Drifted.because(format!(
            "{} has {} and {} {}, expected none: somebody uses it. Size it to 0 and deploy again.",
            fleet.name,
            fleet.size,
            fleet.members.len(),
            run.members()
        )));
    }
    if run.progress.direction == Direction::Deploy {
        owners::tag(&mut run).await?;
    }
    let (surplus, missing) = (fleet.attached_beside(&adopt.target_groups), fleet.not_attached(&adopt.target_groups));
    if !(surplus.is_empty() && missing.is_empty()) {
        run.intend(|touched| {
            touched.candidate = true;
            touched.attached.insert(fleet.name.clone());
        })
        .await?;
        // First there, then away: not every kind of fleet may be nowhere in between.
        if !missing.is_empty() {
            run.say(format!("Attaching {} to {}", fleet.name, names(&missing)));
            run.fleets().attach(&fleet.name, &missing, &run.snapshot.blueprint).await?;
        }
        if !surplus.is_empty() {
            run.say(format!("Detaching {} from {}", fleet.name, names(&surplus)));
            run.fleets().detach(&fleet.name, &surplus).await?;
        }
    } else {
        run.intend(|touched| touched.candidate = true).await?;
    }
    attached(run, adopt).await
}

/// Whether a fleet is attached to exactly what it is to be.
pub(crate) async fn attached(run: Run<'_>, adopt: &Adopt) -> Result<Value> {
    let fleet = run.existing_fleet(&adopt.fleet).await?;
    let there = fleet.not_attached(&adopt.target_groups).is_empty();
    if there && fleet.attached_beside(&adopt.target_groups).is_empty() {
        return run.next_stage(format!("{} is where it is to be, at size 0", fleet.name)).await;
    }
    let missing = format!("{} is still attached to {}", fleet.name, names(&fleet.target_groups));
    let again = run.settling();
    run.wait(Phase::Check, again, missing, Kind::SteadyStateTimeout).await
}
