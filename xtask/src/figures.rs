//! What is measured and shown in the documentation: the page of figures, and the table of the ways back.

use std::fs;

use crate::generate::marks::{COMMENTS, fill};
use crate::schema;
use crate::steps::{Result, Steps};

/// Where the page is.
const PAGE: &str = "docs/figures.md";
/// Where the ways back are, and between which marks.
const GUIDE: (&str, &str) = ("docs/operating.md", "the ways back");

/// Measures the figures and writes them, even when one of them does not hold: then it fails. The program has to be built.
pub(crate) fn run(steps: &mut Steps) -> Result {
    steps.step("figures", |steps| {
        let (page, holds) = measured(steps, &[])?;
        write(steps, PAGE, &page)?;
        let (ways, _) = measured(steps, &["back"])?;
        let (guide, name) = GUIDE;
        let text = fs::read_to_string(steps.root().join(guide)).map_err(|error| format!("{guide}: {error}"))?;
        let lines: Vec<String> = ways.lines().map(str::to_owned).collect();
        write(steps, guide, &fill(guide, &text, COMMENTS, name, &lines)?)?;
        eprint!("{page}{ways}");
        holds
    })
}

/// What the program prints with these arguments, and whether all of it holds.
fn measured(steps: &Steps, arguments: &[&str]) -> Result<(String, Result)> {
    let program = steps.command(schema::target_directory(steps)?.join("debug/figures"), arguments).output();
    let program = program.map_err(|error| format!("the program cannot be run: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let holds = if program.status.success() { Ok(()) } else { Err(text(&program.stderr)) };
    Ok((text(&program.stdout), holds))
}

fn write(steps: &Steps, path: &str, text: &str) -> Result {
    fs::write(steps.root().join(path), text).map_err(|error| format!("{path} cannot be written: {error}"))
}
