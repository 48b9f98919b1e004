//! Many deployments at once, or large ones.

use crate::schema;
use crate::steps::{Result, Steps};

/// Runs them as the arguments say. The program has to be built.
pub(crate) fn run(steps: &mut Steps, arguments: &[String]) -> Result {
    let mut command = steps.command(schema::target_directory(steps)?.join("debug/scale"), &[]);
    command.args(arguments);
    steps.run("scale", command)
}
