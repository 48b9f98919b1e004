//! The promises, measured under faults.

use crate::schema;
use crate::steps::{Result, Steps};

/// Runs the matrix of faults, and what else the arguments ask for. The program has to be built.
pub(crate) fn run(steps: &mut Steps, arguments: &[String]) -> Result {
    let mut command = steps.command(schema::target_directory(steps)?.join("debug/faults"), &[]);
    command.args(arguments);
    steps.run("faults", command)
}
