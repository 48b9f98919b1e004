//! What the documentation shows of crossfade, written or compared: files that a command prints whole, and blocks that tests hold
//! (tests/src/shown.rs).

use crate::schema;
use crate::steps::{Result, Steps};
use crate::tests_named;

/// What tests that hold a block have in their names.
const SHOWS: &str = "shows";

/// Writes it all, or compares. The workspace has to be built.
pub(crate) fn run(steps: &mut Steps, check: bool) -> Result {
    let files = schema::run(steps, check);
    let mut command = tests_named(steps, Some(SHOWS));
    command.env("CROSSFADE_DOCS", if check { "check" } else { "write" });
    files.and(steps.heard("blocks of the documentation", command))
}
