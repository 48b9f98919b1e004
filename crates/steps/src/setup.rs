//! `setup`: makes the candidate as a copy of its base, at size 0, with the image swapped in.
//!
//! Changed by then: a launch template version (or launch configuration) and an empty Auto Scaling group, both of this
//! deployment alone. Production is not touched.

use crossfade_aws::Candidate;
use crossfade_core::observed::LaunchSource;
use crossfade_core::plan::Action;
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::run::Run;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let mut run = Run::load(&event, context).await?;
    let Action::Setup(setup) = run.action()? else { return Err(run.wrong_stage("setup")) };
    let deployment = run.progress.deployment_id.clone();

    run.intend(|touched| touched.candidate = true).await?;
    let source = context.sources.derive(&setup.base_source, &setup.fleet, &setup.ami, &deployment).await?;
    run.say(match &source {
        LaunchSource::Template { id, version } => {
            format!("Created version {version} of launch template {id} with {}", setup.ami)
        }
        LaunchSource::Configuration { name } => format!("Created launch configuration {name} with {}", setup.ami),
    });
    let candidate = Candidate {
        name: &setup.fleet,
        base: &setup.base,
        source: &source,
        target_group: &setup.target_group,
        infrastructure: &run.snapshot.infrastructure.to_string(),
        revision: setup.revision,
        deployment: &deployment,
    };
    context.fleets.create(&candidate).await?;
    run.say(format!("Created Auto Scaling group {} from {} at size 0", setup.fleet, setup.base));
    visible(run, &setup.fleet).await
}

/// Whether the candidate can be seen: what was just created may not show at once.
pub(crate) async fn visible(run: Run<'_>, fleet: &str) -> Result<Value> {
    match run.fleet(fleet).await? {
        Some(_) => run.hold(format!("{fleet} is set up")).await,
        None => {
            let missing = format!("{fleet} is not visible yet");
            run.wait(Phase::Check, Again::In(2_000), missing, Kind::SteadyStateTimeout).await
        }
    }
}
