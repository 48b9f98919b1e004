//! The linters, installed into the checkout: Python's into `.venv`, Node's into `tests/lint/node_modules`.

use std::fs;
use std::path::PathBuf;

use crate::steps::{Result, Steps};

/// What says which versions to install; the tools are installed again when any of it changes.
const PINS: &[&str] = &[
    "tests/lint/requirements.txt",
    "tests/lint/constraints.txt",
    "tests/lint/package.json",
    "tests/lint/package-lock.json",
];
/// Holds the pins that the installed tools belong to.
const STAMP: &str = ".venv/installed-for";

/// A program of the Python environment.
pub(crate) fn python(steps: &Steps, program: &str) -> PathBuf {
    steps.root().join(".venv/bin").join(program)
}

/// Installs the tools, unless they are there already.
pub(crate) fn install(steps: &mut Steps) -> Result {
    let mut pins = String::new();
    for file in PINS {
        let path = steps.root().join(file);
        pins += &fs::read_to_string(path).map_err(|error| format!("{file} cannot be read: {error}"))?;
    }
    let stamp = steps.root().join(STAMP);
    let modules = steps.root().join("tests/lint/node_modules");
    if modules.is_dir() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(());
    }
    let venv = steps.command("python3", &["-m", "venv", ".venv"]);
    steps.run("tools: Python environment (on Debian: apt-get install python3-venv)", venv)?;
    let arguments =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "tests/lint/requirements.txt"];
    let pip = steps.command(python(steps, "python"), &arguments);
    steps.run("tools: Python packages", pip)?;
    let npm = steps.command("npm", &["ci", "--silent", "--prefix", "tests/lint"]);
    steps.run("tools: Node packages", npm)?;
    fs::write(&stamp, pins).map_err(|error| format!("{STAMP} cannot be written: {error}"))
}
