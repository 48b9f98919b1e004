//! The functions as they are released: built and packed by cargo-lambda for each processor, and what one of them costs to start.
//!
//! cargo-lambda and zig, which links for Amazon Linux from anywhere, are installed into `.venv` like the linters, but only when they
//! are wanted: they are a hundred megabytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::steps::{Result, Steps};
use crate::tools;

/// What builds; pinned like the linters.
const TOOLS: [&str; 2] = ["cargo-lambda==1.9.2", "ziglang==0.17.1"];
/// Where archives go, below the architecture: `NAME/bootstrap.zip`. Cargo's own directory, so that nobody commits them.
const DIRECTORY: &str = "target/lambda";
/// The function that is measured: it has one of the fewest calls to make, so that its start weighs most.
const MEASURED: &str = "sweep";

/// A processor architecture, in Lambda's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Architecture {
    Arm64,
    #[value(name = "x86_64")]
    X86,
}

impl Architecture {
    fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86 => "x86_64",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Arm64 => "--arm64",
            Self::X86 => "--x86-64",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86 => "x86_64-unknown-linux-gnu",
        }
    }

    /// That of this machine, whose programs can be started here.
    fn here() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86 }
    }
}

/// What to release.
#[derive(Args, Debug)]
pub(crate) struct Release {
    /// The processor architecture [default: both]
    #[arg(long, value_enum)]
    arch: Option<Architecture>,
    /// Only this function, as often as wanted [default: all]; each takes half a minute of linking
    #[arg(long, value_name = "NAME")]
    function: Vec<String>,
}

/// How to measure.
#[derive(Args, Debug)]
pub(crate) struct ColdStart {
    /// How many environments of each kind are started
    #[arg(long, default_value_t = 15)]
    rounds: u32,
}

/// Builds the archives, and says how large they are.
pub(crate) fn run(steps: &mut Steps, options: &Release) -> Result {
    install(steps)?;
    let all = functions(steps.root())?;
    if let Some(unknown) = options.function.iter().find(|name| !all.contains(name)) {
        return Err(format!("there is no function {unknown}; there are {}", all.join(", ")));
    }
    let wanted = if options.function.is_empty() { &all } else { &options.function };
    for architecture in options.arch.map_or_else(|| vec![Architecture::Arm64, Architecture::X86], |one| vec![one]) {
        build(steps, architecture, wanted)?;
        eprintln!("   {:<16}{:>12}{:>12}", architecture.name(), "bytes", "zipped");
        for name in wanted {
            let zipped = size(&archive(steps, architecture, name))?;
            let program = steps.root().join("target").join(architecture.target()).join("release").join(name);
            eprintln!("   {name:<16}{:>12}{zipped:>12}", size(&program)?);
        }
    }
    Ok(())
}

/// Measures one function beside the same in Python.
pub(crate) fn cold_start(steps: &mut Steps, options: &ColdStart) -> Result {
    install(steps)?;
    let here = Architecture::here();
    build(steps, here, &[MEASURED.to_owned()])?;
    let program = steps.root().join("target").join(here.target()).join("release").join(MEASURED);
    let mut command = steps.command(tools::python(steps, "python"), &["tests/python/cold_start.py"]);
    command.arg(program).arg(archive(steps, here, MEASURED)).args(["--rounds", &options.rounds.to_string()]);
    steps.run("cold start", command)
}

fn install(steps: &mut Steps) -> Result {
    tools::install(steps)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let command = steps.command(tools::python(steps, "python"), &[&pip[..], &TOOLS].concat());
    steps.run("tools: cargo-lambda and zig", command)
}

fn build(steps: &mut Steps, architecture: Architecture, functions: &[String]) -> Result {
    let directory = format!("{DIRECTORY}/{}", architecture.name());
    let arguments =
        ["lambda", "build", "--release", "--output-format", "zip", architecture.flag(), "--lambda-dir", &directory];
    let mut command = steps.command("cargo", &arguments);
    for name in functions {
        command.args(["--package", name]);
    }
    found(steps, &mut command)?;
    steps.run(&format!("release: {} for {}", functions.join(", "), architecture.name()), command)
}

/// Lets cargo find cargo-lambda, and cargo-lambda zig, before anything else that bears their names.
fn found(steps: &Steps, command: &mut Command) -> Result {
    let own = tools::python(steps, "");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(own).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(all).map_err(|error| format!("PATH cannot be extended: {error}"))?;
    command.env("PATH", path);
    Ok(())
}

fn archive(steps: &Steps, architecture: Architecture, function: &str) -> PathBuf {
    steps.root().join(DIRECTORY).join(architecture.name()).join(function).join("bootstrap.zip")
}

fn size(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).map_err(|error| format!("{} was not made: {error}", path.display()))?.len())
}

/// The functions, by their folders.
fn functions(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("functions");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.join("Cargo.toml").is_file()))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}
