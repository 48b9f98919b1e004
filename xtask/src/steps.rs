//! Named steps: each prints what it is, how long it took, and, when it fails, the command to try it alone.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What went wrong, for a person.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// The steps of one run.
pub(crate) struct Steps {
    root: PathBuf,
    started: Instant,
    done: Vec<(String, Duration, bool)>,
}

/// A command that runs beside the steps that follow, and prints nothing meanwhile.
pub(crate) struct Beside {
    name: String,
    command: Command,
    child: Child,
    printed: PathBuf,
    started: Instant,
}

impl Steps {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, started: Instant::now(), done: Vec::new() }
    }

    /// How long it has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
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
            steps.passed(&command, status)
        })
    }

    /// Begins a step that mostly waits, beside those that compute. `join` ends it; what it prints goes to a file until then.
    pub(crate) fn beside(&self, name: &str, mut command: Command, printed: PathBuf) -> Result<Beside> {
        eprintln!("── {name}: runs beside what follows, and prints to {}", printed.display());
        let file = fs::File::create(&printed).and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = file.map_err(|error| format!("{} cannot be written: {error}", printed.display()))?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.map_err(|error| format!("{} cannot be run: {error}", self.shown(&command)))?;
        Ok(Beside { name: name.into(), command, child, printed, started: Instant::now() })
    }

    /// Waits for what runs beside, and prints what it printed.
    pub(crate) fn join(&mut self, beside: Beside) -> Result {
        let Beside { name, command, mut child, printed, started } = beside;
        eprintln!("── {name}");
        let status = child.wait().map_err(|error| format!("{} cannot be waited for: {error}", self.shown(&command)));
        eprint!("{}", fs::read_to_string(&printed).unwrap_or_default());
        self.ended(&name, started, status.and_then(|status| self.passed(&command, status)))
    }

    /// A step.
    pub(crate) fn step<T>(&mut self, name: &str, act: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        eprintln!("── {name}");
        let started = Instant::now();
        let outcome = act(self);
        self.ended(name, started, outcome)
    }

    /// Notes and tells how a step ended.
    fn ended<T>(&mut self, name: &str, started: Instant, outcome: Result<T>) -> Result<T> {
        let took = started.elapsed();
        match &outcome {
            Ok(_) => eprintln!("   {name}: ok, {:.1} s", took.as_secs_f64()),
            Err(problem) => eprintln!("   {name}: FAILED after {:.1} s: {problem}", took.as_secs_f64()),
        }
        self.done.push((name.into(), took, outcome.is_ok()));
        outcome
    }

    fn passed(&self, command: &Command, status: ExitStatus) -> Result {
        if status.success() { Ok(()) } else { Err(format!("{status} of {}", self.shown(command))) }
    }

    /// Sums up.
    pub(crate) fn finish(&self, outcome: Result) -> ExitCode {
        eprintln!("──");
        for (name, took, passed) in &self.done {
            eprintln!("{:>8.1} s  {name}{}", took.as_secs_f64(), if *passed { "" } else { "  FAILED" });
        }
        let total = self.elapsed().as_secs_f64();
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
