//! The JSON Schemas of what commands print with `--output json`, generated from the types that they print.

use std::process::ExitCode;

use crossfade_core::document;
use crossfade_core::news::News;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::args::{Schema, SchemaOf};
use crate::problem::Told;
use crate::say::{Problem, verbatim};
use crate::watch::events::Event;
use crate::{
    abort, decide, deploy, documents, done, import, list, plan, rehearse, revisions, rollback, status, trigger, verify,
};

pub(crate) fn schema(options: &Schema) -> Result<ExitCode, Problem> {
    let schema = match options.of {
        SchemaOf::Document => document::json_schema(),
        SchemaOf::Status => of::<status::Answer>(),
        SchemaOf::List => of::<list::Answer>(),
        SchemaOf::Watch => of::<Event>(),
        SchemaOf::Plan => of::<plan::Answer>(),
        SchemaOf::Rehearse => of::<rehearse::Told>(),
        SchemaOf::Validate => of::<documents::Answer>(),
        SchemaOf::Verify => of::<verify::Answer>(),
        SchemaOf::Deploy => of::<deploy::Answer>(),
        SchemaOf::Approve => of::<decide::Answer>(),
        SchemaOf::Abort => of::<abort::Answer>(),
        SchemaOf::Rollback => of::<rollback::Answer>(),
        SchemaOf::Revisions => of::<revisions::Answer>(),
        SchemaOf::TriggerTest => of::<trigger::Answer>(),
        SchemaOf::Import => of::<import::Answer>(),
        SchemaOf::Done => of::<done::Answer>(),
        SchemaOf::Error => of::<Told>(),
        SchemaOf::Events => of::<News>(),
    };
    verbatim(&format!("{schema:#}"));
    Ok(ExitCode::SUCCESS)
}

/// What is printed is complete: nothing in it is left out but what a reader has to expect to be `null`.
fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}
