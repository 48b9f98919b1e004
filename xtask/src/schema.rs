//! The JSON Schemas of deployment documents and of what commands print, and the reference of the command line, as the command prints
//! them: files in the repository, for editors, scripts and readers.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::steps::{Result, Steps};

/// What there are schemas of, and where editors and scripts find them.
const FILES: [(&str, &str); 18] = [
    ("document", "docs/deployment-document.schema.json"),
    ("status", "docs/outputs/status.schema.json"),
    ("list", "docs/outputs/list.schema.json"),
    ("watch", "docs/outputs/watch.schema.json"),
    ("plan", "docs/outputs/plan.schema.json"),
    ("validate", "docs/outputs/validate.schema.json"),
    ("verify", "docs/outputs/verify.schema.json"),
    ("deploy", "docs/outputs/deploy.schema.json"),
    ("approve", "docs/outputs/approve.schema.json"),
    ("abort", "docs/outputs/abort.schema.json"),
    ("rollback", "docs/outputs/rollback.schema.json"),
    ("revisions", "docs/outputs/revisions.schema.json"),
    ("trigger-test", "docs/outputs/trigger-test.schema.json"),
    ("import", "docs/outputs/import.schema.json"),
    ("done", "docs/outputs/done.schema.json"),
    ("rehearse", "docs/outputs/rehearse.schema.json"),
    ("error", "docs/outputs/error.schema.json"),
    ("events", "docs/outputs/events.schema.json"),
];

/// Writes the schemas, or compares them. The workspace has to be built.
pub(crate) fn run(steps: &mut Steps, check: bool) -> Result {
    let name = if check { "schemas are up to date" } else { "schemas" };
    steps.step(name, |steps| {
        FILES.iter().try_for_each(|(of, file)| one(steps, schema(steps, of)?, file, check))?;
        one(steps, print(steps, &["reference"])?, "docs/commands.md", check)
    })
}

fn one(steps: &Steps, printed: String, file: &str, check: bool) -> Result {
    let path = steps.root().join(file);
    if !check {
        return fs::write(&path, printed).map_err(|error| format!("{file} cannot be written: {error}"));
    }
    let written = fs::read_to_string(&path).map_err(|error| format!("{file} cannot be read: {error}"))?;
    if written == printed {
        return Ok(());
    }
    let same = written.lines().zip(printed.lines()).take_while(|(ours, new)| ours == new).count();
    Err(format!(
        "{file} differs from what the command prints, from line {} on. Write it again: cargo xtask docs",
        same + 1
    ))
}

/// What the command prints.
fn print(steps: &Steps, arguments: &[&str]) -> Result<String> {
    let output = steps.command(target_directory(steps)?.join("debug/crossfade"), arguments).output();
    let output = output.map_err(|error| format!("the command crossfade cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("crossfade {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What `crossfade schema` prints.
fn schema(steps: &Steps, of: &str) -> Result<String> {
    let text = print(steps, &["schema", of])?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(_)) => Ok(format!("{}\n", text.trim_end())),
        Ok(_) => Err("crossfade schema printed JSON that is no schema".into()),
        Err(error) => Err(format!("crossfade schema printed something other than JSON: {error}")),
    }
}

/// Where cargo builds to, which users may have moved.
pub(crate) fn target_directory(steps: &Steps) -> Result<PathBuf> {
    let output = steps.command("cargo", &["metadata", "--no-deps", "--format-version", "1"]).output();
    let output = output.map_err(|error| format!("cargo metadata cannot be run: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(|| "cargo metadata names no target directory".into())
}
