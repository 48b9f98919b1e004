//! The page of figures in the documentation.

use std::fs;

use crate::schema;
use crate::steps::{Result, Steps};

/// Where it is.
const PAGE: &str = "docs/figures.md";

/// Measures the figures and writes the page, even when one of them does not hold: then it fails. The program has to be built.
pub(crate) fn run(steps: &mut Steps) -> Result {
    steps.step("figures", |steps| {
        let program = steps.command(schema::target_directory(steps)?.join("debug/figures"), &[]).output();
        let program = program.map_err(|error| format!("the program cannot be run: {error}"))?;
        fs::write(steps.root().join(PAGE), &program.stdout)
            .map_err(|error| format!("{PAGE} cannot be written: {error}"))?;
        eprint!("{}", String::from_utf8_lossy(&program.stdout));
        if program.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&program.stderr).into_owned()) }
    })
}
