//! What takes the place of something of another tool's.
//!
//! It must never make anything: whoever leaves another tool reads first what they get.

use std::process::ExitCode;

use crossfade_core::document;
use crossfade_core::kinds::elastigroup::leave::{Left, leave, name_of};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Import, ImportElastigroup, Imported, Output};
use crate::documents;
use crate::say::{Problem, aside, verbatim};

/// What `import elastigroup` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade import elastigroup --output json`")]
pub(crate) struct Answer<'a> {
    /// The CloudFormation template of base and launch template.
    template: &'a Value,
    /// What a deployment document says of fleets made from that base, for `compute`.
    compute: &'a Value,
    /// What becomes of what has no counterpart, or another meaning.
    lost: Vec<Lost<'a>>,
}

/// Something that is lost, or means something else.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Lost<'a> {
    /// The field of the Elastigroup.
    field: &'a str,
    /// What becomes of it.
    what: &'a str,
}

pub(crate) fn run(options: &Import) -> Result<ExitCode, Problem> {
    match &options.what {
        Imported::Elastigroup(options) => elastigroup(options),
    }
}

fn elastigroup(options: &ImportElastigroup) -> Result<ExitCode, Problem> {
    let file = options.file.display();
    let group = read(&documents::text(&options.file)?, &file.to_string())?;
    let name = options.name.clone().unwrap_or_else(|| name_of(&group));
    let fits = |c: char| c.is_ascii_graphic() && !":/".contains(c);
    // A launch template's name has 128 characters at most.
    if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
        return Err(Problem::Usage(format!(
            "--name {name}: it is no name for a group and its launch template. Use 1 to 128 printable characters without blank, colon \
             and slash."
        )));
    }
    let left = leave(group, &name);
    match options.output {
        Output::Json => verbatim(&in_json(&left).to_string()),
        Output::Text => {
            let template = serde_norway::to_string(&left.template).map_err(|error| Problem::Here(error.to_string()))?;
            verbatim(template.trim_end());
            aside("What is lost, or otherwise, without Spot:");
            for (field, what) in &left.lost {
                aside(&format!("- {field}: {what}"));
            }
            aside("");
            aside(
                "Save the template, read it, and deploy it: aws cloudformation deploy --template-file FILE --stack-name NAME",
            );
            aside("The base has size 0. A deployment document says how many instances there are to be:");
            let compute = json!({ "compute": left.compute });
            aside(serde_norway::to_string(&compute).map_err(|error| Problem::Here(error.to_string()))?.trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn in_json(left: &Left) -> Value {
    let lost = left.lost.iter().map(|(field, what)| Lost { field, what }).collect();
    json!(Answer { template: &left.template, compute: &left.compute, lost })
}

/// The group in a file: what stands in `group`, or all of it.
fn read(text: &str, file: &str) -> Result<Value, Problem> {
    let mut value = document::read_text(text).map_err(|problems| {
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Problem::Usage(format!("{file} cannot be read: {}", said.join(" ")))
    })?;
    let group = match value.get_mut("group") {
        Some(group) => group.take(),
        None => value,
    };
    if group.pointer("/compute/launchSpecification").is_none_or(|it| !it.is_object()) {
        return Err(Problem::Usage(format!(
            "{file} is no Elastigroup: it has no group.compute.launchSpecification. Save what Spot's console shows as JSON, or what \
             its API answers."
        )));
    }
    Ok(group)
}
