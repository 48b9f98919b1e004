//! The promises, measured under faults.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::schema;
use crate::steps::{Result, Steps};

/// For how many minutes the matrix is played among everything else: on a fast machine that is all of it.
const MINUTES: &str = "20";

/// Runs the matrix for as long as it may take beside everything else, each day in another order: what a slow machine leaves out today, it
/// plays another day.
pub(crate) fn for_a_while(steps: &mut Steps) -> Result {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    run(steps, &["--at-most", MINUTES, "--seed", &days.to_string()].map(str::to_owned))
}

/// Runs the matrix of faults, and what else the arguments ask for. The program has to be built.
pub(crate) fn run(steps: &mut Steps, arguments: &[String]) -> Result {
    let mut command = steps.command(schema::target_directory(steps)?.join("debug/faults"), &[]);
    command.args(arguments);
    steps.run("faults", command)
}
