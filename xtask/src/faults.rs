//! The promises, measured under faults.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::schema;
use crate::steps::{Result, Steps};

/// For how many minutes the matrix is played among everything else: on a fast machine that is all of it.
const MINUTES: u64 = 20;
/// How many of them it gets on the slowest machine.
const MINUTES_MIN: u64 = 5;
/// In how many minutes everything up to its end is to be done, so that a check of an hour and a half has room for the rest.
const WHOLE_MINUTES: u64 = 70;

/// Runs the matrix for as long as it may take beside everything else, each day in another order: what a slow machine leaves out today, it
/// plays another day.
pub(crate) fn for_a_while(steps: &mut Steps) -> Result {
    let left = WHOLE_MINUTES.saturating_sub(steps.elapsed().as_secs() / 60);
    let minutes = left.clamp(MINUTES_MIN, MINUTES);
    let days = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    run(steps, &["--at-most", &minutes.to_string(), "--seed", &days.to_string()].map(str::to_owned))
}

/// Runs the matrix of faults, and what else the arguments ask for. The program has to be built.
pub(crate) fn run(steps: &mut Steps, arguments: &[String]) -> Result {
    let mut command = steps.command(schema::target_directory(steps)?.join("debug/faults"), &[]);
    command.args(arguments);
    steps.run("faults", command)
}
