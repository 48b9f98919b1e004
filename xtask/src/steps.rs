//! Named steps: each prints what it is, how long it took, and, when it fails, the command to try it alone.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// What went wrong, for a person.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// The steps of one run.
pub(crate) struct Steps {
    root: PathBuf,
    started: Instant,
    done: Vec<(String, Duration, bool)>,
}

impl Steps {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, started: Instant::now(), done: Vec::new() }
    }

    /// The root of the repository, where every command runs.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A program in the root of the repository.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root);
        // `cargo run` describes this package here; build scripts that look at it would run again and again.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Whether this command works, quietly.
    pub(crate) fn has(&self, program: &str, arguments: &[&str]) -> bool {
        let mut command = self.command(program, arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// A step that is one `cargo` command.
    pub(crate) fn cargo(&mut self, name: &str, arguments: &[&str]) -> Result {
        let command = self.command("cargo", arguments);
        self.run(name, command)
    }

    /// A step that is one command.
    pub(crate) fn run(&mut self, name: &str, mut command: Command) -> Result {
        self.step(name, |steps| {
            let status =
                command.status().map_err(|error| format!("{} cannot be run: {error}", steps.shown(&command)))?;
            if status.success() { Ok(()) } else { Err(format!("{status} of {}", steps.shown(&command))) }
        })
    }

    /// A step.
    pub(crate) fn step<T>(&mut self, name: &str, act: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        eprintln!("── {name}");
        let started = Instant::now();
        let outcome = act(self);
        let took = started.elapsed();
        match &outcome {
            Ok(_) => eprintln!("   {name}: ok, {:.1} s", took.as_secs_f64()),
            Err(problem) => eprintln!("   {name}: FAILED after {:.1} s: {problem}", took.as_secs_f64()),
        }
        self.done.push((name.into(), took, outcome.is_ok()));
        outcome
    }

    /// Sums up.
    pub(crate) fn finish(&self, outcome: Result) -> ExitCode {
        eprintln!("──");
        for (name, took, passed) in &self.done {
            eprintln!("{:>8.1} s  {name}{}", took.as_secs_f64(), if *passed { "" } else { "  FAILED" });
        }
        let total = self.started.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => {
                eprintln!("{total:>8.1} s  all {} steps passed", self.done.len());
                ExitCode::SUCCESS
            }
            Err(problem) => {
                eprintln!("{total:>8.1} s  FAILED: {problem}");
                ExitCode::FAILURE
            }
        }
    }

    /// A command as one would type it in the root of the repository.
    fn shown(&self, command: &Command) -> String {
        let set = command.get_envs().filter_map(|(key, value)| Some(format!("{}={}", key.display(), value?.display())));
        let program = Path::new(command.get_program());
        let program = program.strip_prefix(&self.root).unwrap_or(program).as_os_str();
        let words = std::iter::once(program).chain(command.get_args()).map(|word| word.display().to_string());
        set.chain(words).collect::<Vec<_>>().join(" ")
    }
}
