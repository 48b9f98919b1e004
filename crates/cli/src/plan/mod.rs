//! `crossfade plan`: what a deployment would change now, and what it would delete.
//!
//! What it owns: what is shown of a plan, and plans in files. It must never start anything.

mod meanwhile;
mod saved;
mod text;

use std::process::ExitCode;

use crossfade_aws::Known;
use crossfade_core::plan::{Changes, StageKind};
use crossfade_core::settings::Difference;
use crossfade_steps::{Beside, Meta, Preview, Status};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Output, Plan, PlanOutput, Stack};
use crate::documents;
use crate::fold::columns;
use crate::installed::{ActsIn, Installed, on};
use crate::say::{Problem, line, verbatim};
use crate::view::build::usually;
use crate::view::statuses;
use meanwhile::{Event, SideBySide};

pub(crate) use saved::Saved;

/// What `plan --detailed-exitcode` exits with when there is something to do.
const SOMETHING: u8 = 5;

/// What `plan --output json` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade plan --output json`")]
pub(crate) struct Answer {
    /// Where it looked, and as whom.
    acts_in: ActsIn,
    /// What it shows.
    #[serde(flatten)]
    shown: Shown,
}

/// What is shown of a plan.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    /// The infrastructure definition, as SERVICE/ENVIRONMENT/BASE.
    infrastructure: String,
    /// The image that is deployed.
    artifact: String,
    /// The fleet that gets it.
    candidate: String,
    /// The fleets that serve now, each with its image as far as that is known; the oldest first.
    serving: Vec<Serving>,
    /// The fleet that serves this image already, if nothing else serves.
    serves_already: Option<String>,
    /// What is known of the images, before and after, as far as AWS tells.
    images: Vec<Image>,
    /// The fleet that serves, with which the new one is compared; nothing where none serves, or the two cannot be compared.
    compared_with: Option<String>,
    /// In what the new fleet differs from that, beside its image.
    differences: Vec<Difference>,
    /// What changes in the account.
    changes: Changes,
    /// The stages, in order.
    stages: Vec<Stage>,
    /// How long there is more than before; nothing where there never is.
    side_by_side: Option<SideBySide>,
    /// What the members are called in which sizes are counted.
    #[serde(skip)]
    members: &'static str,
    /// What is due while the deployment may run, in order.
    events: Vec<Event>,
    /// The last deployment here, if there was one.
    last_deployment: Option<Last>,
    /// What is worth knowing, each in a sentence.
    notes: Vec<String>,
    /// How many answers of AWS all this took.
    reads: u64,
    /// The plan as it would be written down.
    plan: Value,
}

/// A fleet that serves.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Serving {
    /// Its name.
    fleet: String,
    /// Its image, where that is written down.
    artifact: Option<String>,
}

/// A stage of the plan.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Stage {
    /// Its number, from 1.
    number: usize,
    /// What a person calls it.
    name: String,
    /// What kind of stage it is.
    kind: StageKind,
    /// What it does.
    does: String,
    /// How long it usually takes, in milliseconds, where that is known.
    usually_millis: Option<u64>,
    /// How long it may take, in milliseconds.
    limit_millis: u64,
    /// How much runs once it holds, in units of the fleets' sizes.
    running: u32,
    /// What follows when it fails, by the names of the rollback's stages; nothing where it never fails a deployment.
    undone: Vec<String>,
}

/// An image.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Image {
    /// Its id.
    image: String,
    /// What it is called, if it is.
    called: Option<String>,
    /// How old it is, in milliseconds, as far as that is known.
    age_millis: Option<u64>,
}

/// The deployment that there was last.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Last {
    /// Its id.
    deployment_id: String,
    /// How it stands.
    #[schemars(schema_with = "statuses")]
    status: Status,
    /// How long it took, in milliseconds, if it is over.
    took_millis: Option<u64>,
    /// How long ago it ended, in milliseconds, if it is over.
    ago_millis: Option<u64>,
}

impl Last {
    fn of(meta: &Meta, now_millis: u64) -> Self {
        let ended = meta.ended_millis;
        Self {
            deployment_id: meta.deployment_id.clone(),
            status: meta.status,
            took_millis: ended.map(|ended| ended.saturating_sub(meta.started_millis)),
            ago_millis: ended.map(|ended| now_millis.saturating_sub(ended)),
        }
    }
}

impl Shown {
    /// What there is to show of a plan, and of what is worth knowing beside.
    pub(crate) async fn of(preview: &Preview, beside: Beside, installed: &Installed) -> Result<Self, Problem> {
        let Preview { plan, snapshot, changes, images, notes, .. } = preview;
        let last = installed.last_time_before(snapshot).await?;
        let now = installed.time.now_millis();
        let stages = plan.stages.iter().zip(usually(plan, &last)).enumerate();
        let stage = |(index, (stage, usually_millis)): (usize, (&crossfade_core::plan::Stage, Option<u64>))| Stage {
            number: index + 1,
            name: stage.name.clone(),
            kind: stage.action.kind(),
            does: stage.describe(),
            usually_millis,
            limit_millis: u64::from(stage.timeout_seconds) * 1000,
            running: changes.running.get(index).copied().unwrap_or_default(),
            undone: beside.undone.get(index).cloned().unwrap_or_default(),
        };
        let stages: Vec<Stage> = stages.map(stage).collect();
        let image = |known: Known| {
            let age_millis = known.made_millis.map(|made| now.saturating_sub(made));
            Image { image: known.image, called: known.called, age_millis }
        };
        let due = (beside.schedules.as_slice(), beside.freezes.as_slice());
        let events = meanwhile::events((plan, &stages), snapshot, due, now);
        let serving = snapshot.stable.iter();
        let serving = serving.map(|fleet| Serving { fleet: fleet.clone(), artifact: images.get(fleet).cloned() });
        Ok(Self {
            infrastructure: snapshot.infrastructure.to_string(),
            artifact: snapshot.artifact.clone(),
            candidate: snapshot.candidate.clone(),
            serving: serving.collect(),
            serves_already: preview.serves_already().map(str::to_owned),
            images: beside.images.into_iter().map(image).collect(),
            compared_with: beside.compared_with,
            differences: beside.differences,
            changes: changes.clone(),
            side_by_side: SideBySide::of(&stages, changes.before),
            members: snapshot.platform.members(),
            stages,
            events,
            last_deployment: beside.last.map(|meta| Last::of(&meta, now)),
            notes: beside.notes.into_iter().chain(notes.iter().cloned()).collect(),
            reads: installed.time.answers(),
            plan: json!(plan),
        })
    }

    /// Whether the same image with the same settings serves already.
    fn same(&self) -> bool {
        self.serves_already.is_some() && self.differences.is_empty()
    }

    /// The lines for a person.
    pub(crate) fn lines(&self, columns: Option<usize>) -> Vec<String> {
        text::lines(self, columns)
    }
}

/// What is worth knowing beside a plan.
pub(crate) async fn look_beside(preview: &Preview, installed: &Installed) -> Result<Beside, Problem> {
    Ok(crossfade_steps::beside(preview, &installed.context, installed.time.now_millis()).await?)
}

pub(crate) fn run(stack: &Stack, options: &Plan) -> Result<ExitCode, Problem> {
    let given = documents::read(&options.source)?;
    on(stack, async |installed| {
        let told = if options.output == PlanOutput::Text { Output::Text } else { Output::Json };
        let acts_in = installed.introduce(told).await;
        let preview = crossfade_steps::preview(&given.value, &installed.context).await?;
        let beside = look_beside(&preview, installed).await?;
        let takes = beside.takes.clone();
        let shown = Shown::of(&preview, beside, installed).await?;
        let something = options.detailed_exitcode && !shown.same();
        match options.output {
            PlanOutput::Text => shown.lines(columns()).iter().for_each(|text| line(text)),
            PlanOutput::Markdown => text::markdown(&shown).iter().for_each(|text| verbatim(text)),
            PlanOutput::Json => verbatim(&json!(Answer { acts_in, shown }).to_string()),
        }
        if let Some(path) = &options.save {
            Saved::of(&given.value, &preview.plan, takes).write(path)?;
            if options.output == PlanOutput::Text {
                let path = path.display();
                line("");
                line(&format!(
                    "Saved to {path}: `crossfade deploy --plan {path}` deploys exactly this, or nothing if the account has changed."
                ));
            }
        }
        Ok(if something { ExitCode::from(SOMETHING) } else { ExitCode::SUCCESS })
    })
}
