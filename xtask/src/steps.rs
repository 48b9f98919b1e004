//! Named steps: each prints what it is, how long it took, and, when it fails, the command to try it alone.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
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
    /// What those that failed said last, for the end of what is printed: steps that follow print much more.
    last_words: Vec<String>,
}

/// How many lines of a failed step the end repeats.
const LAST_WORDS: usize = 60;

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
        Self { root, started: Instant::now(), done: Vec::new(), last_words: Vec::new() }
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

    /// A step that is one command which says on standard error what failed: if it fails, the end repeats its last lines.
    pub(crate) fn heard(&mut self, name: &str, mut command: Command) -> Result {
        let mut said = Vec::new();
        let outcome = self.step(name, |steps| {
            let shown = steps.shown(&command);
            let unable = |error| format!("{shown} cannot be run: {error}");
            let mut child = command.stderr(Stdio::piped()).spawn().map_err(unable)?;
            if let Some(errors) = child.stderr.take() {
                said = last_lines(errors);
            }
            let status = child.wait().map_err(unable)?;
            steps.passed(&command, status)
        });
        if outcome.is_err() {
            self.last_words.push(format!("── {name}: its last lines\n{}", said.join("\n")));
        }
        outcome
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
        for words in &self.last_words {
            eprintln!("{words}");
        }
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

/// Prints what comes in, line by line, and gives back the last lines.
fn last_lines(from: impl Read) -> Vec<String> {
    let mut last = VecDeque::new();
    let (mut lines, mut line) = (BufReader::new(from), Vec::new());
    while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // Whoever listened may be gone; the step goes on.
        let _ = std::io::stderr().write_all(&line);
        if last.len() == LAST_WORDS {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    last.into()
}
