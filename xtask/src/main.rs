//! The repository's own chores: build, lint and test, in one command.
//!
//! `cargo xtask test` is what a newcomer, a reviewer and the continuous integration run. It needs Rust, Python 3 with `venv`,
//! Node and Chromium; everything else it installs into the checkout.

mod browser;
mod docs;
mod emulators;
mod faults;
mod figures;
mod generate;
mod lint;
mod release;
mod scale;
mod schema;
mod steps;
mod tools;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread;

use clap::{Parser, Subcommand};

use crate::steps::{Result, Steps};

/// Builds, lints and tests crossfade.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run everything: build, format check, clippy, lint, tests, documentation tests, faults, dashboard, emulators
    Test,
    /// Check the template, the state machines and the roles
    Lint,
    /// Write what the documentation shows of crossfade: the JSON Schemas, the reference of the command line, and every block below a
    /// mark `shown`
    Docs {
        /// Only compare, and fail if something is shown otherwise than it is printed
        #[arg(long)]
        check: bool,
    },
    /// Write what is generated: the state machines, the functions in template.yaml, the Terraform module's data
    Generate {
        /// Only compare, and fail if a file is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Deploy with what `sam deploy` installs, on emulators that nobody here wrote (ministack, moto)
    Emulators(emulators::Options),
    /// Look at the dashboard in a real browser, with deployments of every ending
    Browser(browser::Options),
    /// Break deployments everywhere they can be broken, and count what comes of it
    #[command(disable_help_flag = true)]
    Faults {
        /// Options of the program, such as --minutes 10; see --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Deploy a hundred times at once in one account with AWS's limits, and print what came of it
    #[command(disable_help_flag = true)]
    Scale {
        /// Options of the program, such as --deployments 10; see --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure the ratios that are to hold, and write them into docs/figures.md
    Figures,
    /// Build the functions as they are released, one archive each, and print their sizes
    Release(release::Release),
    /// Measure how long a released function takes to start, beside the same in Python
    ColdStart(release::ColdStart),
    /// Install the linters into .venv and tests/lint/node_modules; the other tasks do so themselves
    Tools,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // `cargo run` says where the package is now; the build only where it was.
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = package.parent().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let mut steps = Steps::new(root);
    let outcome = match arguments.task {
        Task::Test => test(&mut steps),
        Task::Lint => lint::run(&mut steps),
        Task::Docs { check } => steps.cargo("build", BUILD).and_then(|()| docs::run(&mut steps, check)),
        Task::Generate { check } => generate::run(&mut steps, check),
        Task::Emulators(options) => steps.cargo("build", BUILD).and_then(|()| emulators::run(&mut steps, &options)),
        Task::Browser(options) => steps.cargo("build", BUILD).and_then(|()| browser::run(&mut steps, &options)),
        Task::Faults { arguments } => steps.cargo("build", BUILD).and_then(|()| faults::run(&mut steps, &arguments)),
        Task::Scale { arguments } => steps.cargo("build", BUILD).and_then(|()| scale::run(&mut steps, &arguments)),
        Task::Figures => steps.cargo("build", BUILD).and_then(|()| figures::run(&mut steps)),
        Task::Release(options) => release::run(&mut steps, &options),
        Task::ColdStart(options) => release::cold_start(&mut steps, &options),
        Task::Tools => tools::install(&mut steps),
    };
    steps.finish(outcome)
}

/// Builds all that is run here: in the profile of the tests, so that nothing is built a second time for them, and always the same
/// packages, since others would have the SDKs built again with other features.
const BUILD: &[&str] = &["build", "--profile", "test", "--workspace"];

/// Everything.
fn test(steps: &mut Steps) -> Result {
    tools::install(steps)?;
    steps.cargo("build", BUILD)?;
    // From here on one failure does not hide the next.
    let stories = emulators::beside(steps);
    let outcomes = [
        steps.cargo("format", &["fmt", "--all", "--", "--check"]),
        steps.cargo("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        lint::run(steps),
        schema::run(steps, true),
        tests(steps),
        steps.cargo("documentation tests", &["test", "--workspace", "--doc"]),
        faults::for_a_while(steps),
        browser::run(steps, &browser::Options::default()),
        stories.and_then(|stories| steps.join(stories)),
    ];
    outcomes.into_iter().collect()
}

/// The tests; whether the functions' roles allow more than all of them have called; and whether AWS would understand what they asked
/// the simulation.
fn tests(steps: &mut Steps) -> Result {
    let [called, asked] = [empty(steps, "called")?, empty(steps, "asked")?];
    let mut command = tests_named(steps, None);
    command.env("CROSSFADE_CALLED", &called).env("CROSSFADE_REQUESTS", &asked);
    steps.heard("tests", command)?;
    let mut roles = steps.command(schema::target_directory(steps)?.join("debug/unused-permissions"), &[]);
    roles.arg(&called);
    let mut requests = steps.command(tools::python(steps, "python"), &["tests/lint/models.py"]);
    requests.arg(&asked);
    let outcomes = [
        steps.run("roles: nothing is allowed that no test calls", roles),
        steps.run("requests: AWS's own models know every one", requests),
    ];
    outcomes.into_iter().collect()
}

/// What runs all the tests, or those whose names contain this.
pub(crate) fn tests_named(steps: &Steps, name: Option<&str>) -> Command {
    let mut command = if steps.has("cargo", &["nextest", "--version"]) {
        // As many as .config/nextest.toml says of the profile.
        let places = 3 * thread::available_parallelism().map_or(1, usize::from);
        let mut command = steps.command("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"]);
        command.args(["--profile", "all", "--test-threads", &places.to_string()]);
        command
    } else {
        steps.command("cargo", &["test", "--workspace", "--all-targets", "--no-fail-fast"])
    };
    command.args(name);
    command
}

/// A directory for what one run writes down: what an earlier one has written proves nothing.
fn empty(steps: &Steps, name: &str) -> Result<PathBuf> {
    let directory = schema::target_directory(steps)?.join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).map_err(|error| format!("{} cannot be made: {error}", directory.display()))?;
    Ok(directory)
}
