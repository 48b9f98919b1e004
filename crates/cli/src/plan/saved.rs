//! A plan in a file: the document with its values, and the stages that it came to.

use std::path::Path;

use crossfade_core::plan::Plan;
use crossfade_core::settings::Settings;
use crossfade_steps::Beside;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::say::Problem;

/// A plan that somebody has looked at.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Saved {
    /// The release that wrote it: another one may plan otherwise.
    crossfade: String,
    /// The document, with the values of its variables.
    pub(crate) document: Value,
    plan: Plan,
    /// What the new fleet takes from its base, with fingerprints of what may be secrets.
    takes: Option<Settings>,
}

impl Saved {
    pub(crate) fn of(document: &Value, plan: &Plan, takes: Option<Settings>) -> Self {
        let (document, plan) = (document.clone(), plan.clone());
        Self { crossfade: env!("CARGO_PKG_VERSION").into(), document, plan, takes }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Problem> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        let cannot = |why: std::io::Error| Problem::Here(format!("{} cannot be written: {why}", path.display()));
        std::fs::write(path, text + "\n").map_err(cannot)
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let wrong = |why: String| {
            Problem::Usage(format!(
                "{} is no plan of this release: {why}. Make one with `crossfade plan DOCUMENT --save {}`.",
                path.display(),
                path.display()
            ))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let saved: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        match saved.crossfade.as_str() {
            env!("CARGO_PKG_VERSION") => Ok(saved),
            other => Err(wrong(format!("crossfade {other} has written it"))),
        }
    }

    /// Refuses what would not be done as it was shown.
    pub(crate) fn still(&self, now: &Plan, beside: &Beside) -> Result<(), Problem> {
        let base = self.base_still(beside)?;
        if self.plan == *now && base.is_empty() {
            return Ok(());
        }
        let stage = |plan: &Plan, index: usize| {
            plan.stages.get(index).map_or_else(|| "nothing".to_owned(), |it| format!("{} ({})", it.name, it.describe()))
        };
        let longest = self.plan.stages.len().max(now.stages.len());
        let differs = |index: &usize| self.plan.stages.get(*index) != now.stages.get(*index);
        let told = (0..longest).filter(differs).map(|index| {
            let (was, is) = (stage(&self.plan, index), stage(now, index));
            match was == is {
                true => format!("stage {}: {is}, made otherwise", index + 1),
                false => format!("stage {}: {is} instead of {was}", index + 1),
            }
        });
        let told: Vec<String> = told.chain(base).collect();
        Err(Problem::Refused(format!(
            "The account has changed since the plan was saved, and nothing was started. It would now be:\n- {}\nLook at it with \
             `crossfade plan`, and save it again.",
            told.join("\n- ")
        )))
    }

    /// What the new fleet would take otherwise from its base.
    fn base_still(&self, beside: &Beside) -> Result<Vec<String>, Problem> {
        let Some(saved) = &self.takes else { return Ok(Vec::new()) };
        let Some(now) = &beside.takes else {
            return Err(Problem::Refused(format!(
                "Whether the account has changed since the plan was saved is not known, and nothing was started. {}",
                beside.notes.join(" ")
            )));
        };
        Ok(saved.differences(now).iter().map(|it| format!("taken from the base: {it}")).collect())
    }
}
