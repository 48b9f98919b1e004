//! What of `template.yaml` is generated: the lines between `# generated: NAME` and `# end`.

use std::collections::BTreeSet;

use serde_norway::Value;

use super::functions::{self, Functions};
use super::machines::Called;
use super::marks::{HASHES, fill};
use super::people::{self, People};
use crate::steps::Result;

pub(super) const FILE: &str = "template.yaml";

/// The template with what is generated in it.
pub(super) fn generate(template: &str, functions: &Functions, people: &People, called: &[Called]) -> Result<String> {
    let fill = |text: &str, name: &str, lines: &[String]| fill(FILE, text, HASHES, name, lines);
    let template = fill(template, "policies for people", &people::blocks(people)?)?;
    let mut template = fill(&template, "functions", &functions::blocks(functions)?)?;
    let machines: BTreeSet<&str> = called.iter().map(|call| call.machine.as_str()).collect();
    for machine in machines {
        let called = called.iter().filter(|call| call.machine == machine);
        let names: BTreeSet<String> = called.map(|call| functions::logical(&call.function) + "Function").collect();
        let invoked: Vec<String> = names.iter().map(|name| format!("- !GetAtt {name}.Arn")).collect();
        let substituted: Vec<String> = names.iter().map(|name| format!("{name}: !GetAtt {name}.Arn")).collect();
        template = fill(&template, &format!("what {machine} invokes"), &invoked)?;
        template = fill(&template, &format!("what {machine} calls its functions"), &substituted)?;
    }
    Ok(template)
}

/// The time-out of the functions that have none of their own.
pub(super) fn usual_timeout(template: &str) -> Result<u64> {
    let template: Value = serde_norway::from_str(template).map_err(|error| format!("{FILE}: {error}"))?;
    template["Globals"]["Function"]["Timeout"].as_u64().ok_or_else(|| format!("{FILE} has no usual time-out"))
}
