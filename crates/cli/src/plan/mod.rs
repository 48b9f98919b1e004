//! `crossfade plan`: what a deployment would change now, and what it would delete.
//!
//! What it owns: what is shown of a plan, and plans in files. It must never start anything.

mod saved;
mod text;

use std::process::ExitCode;

use crossfade_core::plan::{Changes, StageKind};
use crossfade_steps::Preview;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Output, Plan, PlanOutput, Stack};
use crate::documents;
use crate::fold::columns;
use crate::installed::{ActsIn, Installed, on};
use crate::say::{Problem, line, verbatim};
use crate::view::build::usually;

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
    /// What changes in the account.
    changes: Changes,
    /// The stages, in order.
    stages: Vec<Stage>,
    /// What is worth knowing, each in a sentence.
    notes: Vec<String>,
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
}

impl Shown {
    /// What there is to show of a plan.
    pub(crate) async fn of(preview: &Preview, installed: &Installed) -> Result<Self, Problem> {
        let Preview { plan, snapshot, changes, images, notes } = preview;
        let last = installed.last_time_before(snapshot).await?;
        let stages = plan.stages.iter().zip(usually(plan, &last)).enumerate();
        let stage = |(index, (stage, usually_millis)): (usize, (&crossfade_core::plan::Stage, Option<u64>))| Stage {
            number: index + 1,
            name: stage.name.clone(),
            kind: stage.action.kind(),
            does: stage.describe(),
            usually_millis,
            limit_millis: u64::from(stage.timeout_seconds) * 1000,
            running: changes.running.get(index).copied().unwrap_or_default(),
        };
        let serving = snapshot.stable.iter();
        let serving = serving.map(|fleet| Serving { fleet: fleet.clone(), artifact: images.get(fleet).cloned() });
        Ok(Self {
            infrastructure: snapshot.infrastructure.to_string(),
            artifact: snapshot.artifact.clone(),
            candidate: snapshot.candidate.clone(),
            serving: serving.collect(),
            serves_already: preview.serves_already().map(str::to_owned),
            changes: changes.clone(),
            stages: stages.map(stage).collect(),
            notes: notes.clone(),
            plan: json!(plan),
        })
    }

    /// The lines for a person.
    pub(crate) fn lines(&self, columns: Option<usize>) -> Vec<String> {
        text::lines(self, columns)
    }
}

pub(crate) fn run(stack: &Stack, options: &Plan) -> Result<ExitCode, Problem> {
    let given = documents::read(&options.source)?;
    on(stack, async |installed| {
        let told = if options.output == PlanOutput::Text { Output::Text } else { Output::Json };
        let acts_in = installed.introduce(told).await;
        let preview = crossfade_steps::preview(&given.value, &installed.context).await?;
        let shown = Shown::of(&preview, installed).await?;
        let something = options.detailed_exitcode && shown.serves_already.is_none();
        match options.output {
            PlanOutput::Text => shown.lines(columns()).iter().for_each(|text| line(text)),
            PlanOutput::Markdown => text::markdown(&shown).iter().for_each(|text| verbatim(text)),
            PlanOutput::Json => verbatim(&json!(Answer { acts_in, shown }).to_string()),
        }
        if let Some(path) = &options.save {
            Saved::of(&given.value, &preview.plan).write(path)?;
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
