//! Deployments on an AWS that nobody here wrote: sets up the emulators, builds the application as a user builds it, and runs the
//! stories of tests/emulators.
//!
//! What it must never do: know what a deployment is. The stories, and what has to be true after them, are in Python and share
//! no code with the project.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::steps::{Beside, Result, Steps};
use crate::{schema, tools};

/// Which versions to install; installed again when any of it changes.
const PINS: [&str; 2] = ["tests/emulators/requirements.txt", "tests/emulators/constraints.txt"];
/// The emulators' own Python environment: their pins and those of the SAM CLI exclude each other.
const ENVIRONMENT: &str = ".venv-emulators";
/// The step that runs them.
const STORIES: &str = "emulators: stories";

/// What to run.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only this story, after the installation; may be given several times
    #[arg(long)]
    story: Vec<String>,
    /// How the last line sums up
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
}

/// Sets up, builds and runs. The command has to be built: the stories use its `crossfade local`.
pub(crate) fn run(steps: &mut Steps, options: &Options) -> Result {
    let command = stories(steps, options)?;
    steps.run(STORIES, command)
}

/// Sets up and builds; then runs the stories beside the steps that follow, since they wait more than they compute.
pub(crate) fn beside(steps: &mut Steps) -> Result<Beside> {
    let command = stories(steps, &Options::default())?;
    let printed = schema::target_directory(steps)?.join("emulators/stories.txt");
    steps.beside(STORIES, command, printed)
}

/// Sets up and builds. Answers what runs the stories.
fn stories(steps: &mut Steps, options: &Options) -> Result<Command> {
    tools::install(steps)?;
    install(steps)?;
    let target = schema::target_directory(steps)?;
    let built = target.join("emulators/build");
    sam_build(steps, &built)?;

    let mut examples = steps.command(python(steps, "python"), &["-m", "doctest"]);
    examples.args(["sequences", "planes", "permissions", "tasks"].map(|name| format!("tests/emulators/{name}.py")));
    steps.run("emulators: what is compared, and how", examples)?;

    let mut command = steps.command(python(steps, "python"), &["tests/emulators/stories.py"]);
    command.arg(&built).arg(target.join("debug/crossfade"));
    command.arg("--architecture").arg(architecture()).arg("--logs").arg(target.join("emulators/logs"));
    for story in &options.story {
        command.arg("--story").arg(story);
    }
    command.arg("--output").arg(match options.output {
        Output::Text => "text",
        Output::Json => "json",
    });
    Ok(command)
}

/// `sam build` of the shipped template, all of it, in the profile that builds fastest: the release profile would spend half an
/// hour on making nineteen programs small. `cargo` compiles for this machine, on which the emulator runs them, so that no cross
/// compiler is needed.
fn sam_build(steps: &mut Steps, built: &std::path::Path) -> Result {
    let mut command = steps.command(tools::python(steps, "sam"), &["build", "--template-file", "template.yaml"]);
    command.arg("--build-dir").arg(built);
    command.arg("--parameter-overrides").arg(format!("Architecture={}", architecture()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let with_cargo_lambda = std::iter::once(python(steps, "")).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(with_cargo_lambda).map_err(|error| format!("PATH cannot be extended: {error}"))?;
    command.env("PATH", path).env("CARGO_LAMBDA_COMPILER", "cargo").env("SAM_BUILD_MODE", "debug");
    command.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "eu-west-1");
    steps.run("emulators: sam build", command)
}

/// What the template calls this machine's processor.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

/// A program of the emulators' environment; of its folder, when it has no name.
fn python(steps: &Steps, program: &str) -> PathBuf {
    steps.root().join(ENVIRONMENT).join("bin").join(program)
}

/// Installs the emulators, unless they are there already.
fn install(steps: &mut Steps) -> Result {
    let mut pins = String::new();
    for file in PINS {
        let text = fs::read_to_string(steps.root().join(file));
        pins += &text.map_err(|error| format!("{file} cannot be read: {error}"))?;
    }
    let stamp = steps.root().join(ENVIRONMENT).join("installed-for");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(());
    }
    let venv = steps.command("python3", &["-m", "venv", ENVIRONMENT]);
    steps.run("emulators: Python environment", venv)?;
    let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", PINS[0]];
    let pip = steps.command(python(steps, "python"), &arguments);
    steps.run("emulators: Python packages", pip)?;
    fs::write(&stamp, pins).map_err(|error| format!("{} cannot be written: {error}", stamp.display()))
}
