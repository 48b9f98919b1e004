//! What a person wants to know of a plan beside what it does: in what the new fleet differs from the one that serves, what is due
//! meanwhile, what follows when a stage fails, and the last deployment.
//!
//! It reads what no deployment reads, so it is asked for plans that somebody looks at, and never by a function. It must never be in
//! a plan's way: what cannot be read is said, and nothing else.

use crossfade_aws::{Heirs, Known, keys};
use crossfade_core::Result;
use crossfade_core::document::Artifact;
use crossfade_core::freeze::Freeze;
use crossfade_core::infrastructure::Infrastructure;
use crossfade_core::kinds::{Compute, scaling_from};
use crossfade_core::observed::{Fleet, Schedule};
use crossfade_core::settings::{Difference, Settings};

use crate::context::Context;
use crate::plan::Preview;
use crate::records::{Meta, ServingRecord, find};

/// What is worth knowing beside a plan.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// The fleet that serves, with which the new one is compared; nothing where none serves, or the two cannot be compared.
    pub compared_with: Option<String>,
    /// In what the new fleet differs from that, beside its image.
    pub differences: Vec<Difference>,
    /// What the new fleet takes from its base; nothing where that cannot be read, or it takes nothing.
    pub takes: Option<Settings>,
    /// What resizes fleets at set times, each with the name of the fleet.
    pub schedules: Vec<(String, Schedule)>,
    /// What is known of the images.
    pub images: Vec<Known>,
    /// The freezes of this environment.
    pub freezes: Vec<Freeze>,
    /// For each stage what follows when it fails, by the names of the rollback's stages.
    pub undone: Vec<Vec<String>>,
    /// The deployment that there was last here.
    pub last: Option<Meta>,
    /// What could not be compared, each in a sentence.
    pub notes: Vec<String>,
}

/// Looks at what is worth knowing beside a plan.
///
/// # Errors
/// Those of the table.
pub async fn beside(preview: &Preview, context: &Context, now_millis: u64) -> Result<Beside> {
    let Preview { document, plan, snapshot, .. } = preview;
    let concerns = |freeze: &&Freeze| freeze.concerns(&document.environment) && !freeze.is_over(now_millis);
    let mut beside = Beside {
        undone: plan.undone(document, snapshot),
        last: last(context, &snapshot.infrastructure, preview.latest.as_deref()).await?,
        freezes: preview.freezes.iter().filter(concerns).cloned().collect(),
        ..Beside::default()
    };
    if snapshot.adopts() || matches!(document.artifact, Artifact::Revision(_)) {
        return Ok(beside);
    }
    let stable = snapshot.stable_fleets();
    let serving = snapshot.stable_fleet();
    let earlier = match serving {
        Some(serving) if document.compute.written().is_some() => made_from(context, serving).await?,
        _ => None,
    };
    let fleets = context.platforms.on(&snapshot.platform);
    let before = match serving {
        Some(serving) => match preview.images.get(&serving.name) {
            Some(image) => Some(image.clone()),
            None => fleets.image(serving).await.ok().flatten(),
        },
        None => None,
    };
    let images: Vec<&str> = before.iter().chain([&snapshot.artifact]).map(String::as_str).collect();
    let heirs = Heirs {
        compute: &document.compute,
        blueprint: &snapshot.blueprint,
        serving,
        earlier: earlier.as_ref(),
        scaling_from: scaling_from(&document.compute, &stable),
        images: &images,
        now_millis,
    };
    match fleets.inherited(&heirs).await {
        Ok(inherited) => {
            if let (Some(fleet), Some(settings)) = (serving, &inherited.serving) {
                beside.compared_with = Some(fleet.name.clone());
                beside.differences = settings.differences(&inherited.new);
            }
            beside.takes = Some(inherited.new);
            beside.schedules = inherited.schedules;
            beside.images = inherited.images;
            beside.notes = inherited.notes;
        }
        Err(failure) => {
            let template = if snapshot.base.is_empty() { "its template" } else { &snapshot.base };
            beside.notes.push(format!(
                "In what {} will differ from what serves could not be seen, because {template} could not be read: {}",
                snapshot.candidate, failure.message
            ));
        }
    }
    Ok(beside)
}

/// What the document said by which a fleet was made.
async fn made_from(context: &Context, fleet: &Fleet) -> Result<Option<Compute>> {
    let Some(deployment) = &fleet.deployment else { return Ok(None) };
    // Another release may have written something else: then nothing is known.
    let meta = find::<Meta>(&context.table, &keys::deployment(deployment), "meta").await.ok().flatten();
    Ok(meta.map(|meta| meta.document.compute))
}

/// The last deployment: the one that made the last revision, or brought one back since.
async fn last(context: &Context, infrastructure: &Infrastructure, latest: Option<&str>) -> Result<Option<Meta>> {
    let pk = keys::infrastructure(&infrastructure.to_string());
    let serving: Option<ServingRecord> = find(&context.table, &pk, keys::SERVING).await?;
    let mut ids: Vec<&str> = latest.into_iter().chain(serving.iter().map(|it| it.deployment_id.as_str())).collect();
    ids.dedup();
    let mut last: Option<Meta> = None;
    for id in ids {
        let meta = find::<Meta>(&context.table, &keys::deployment(id), "meta").await.ok().flatten();
        last = last.into_iter().chain(meta).max_by_key(|meta| meta.started_millis);
    }
    Ok(last)
}
