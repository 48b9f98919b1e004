//! The promises, measured under faults: builds the program with its own optimised profile, since thousands of deployments run in it,
//! and runs it.

use crate::steps::{Result, Steps};

/// Builds the program.
const BUILD: &[&str] = &["build", "--quiet", "--profile", "faults", "--package", "crossfade-tests", "--bin", "faults"];

/// Runs the matrix of faults, and what else the arguments ask for.
pub(crate) fn run(steps: &mut Steps, arguments: &[String]) -> Result {
    steps.cargo("faults: build", BUILD)?;
    let mut run = vec!["run"];
    run.extend_from_slice(&BUILD[1..]);
    run.push("--");
    run.extend(arguments.iter().map(String::as_str));
    steps.cargo("faults", &run)
}
