//! `crossfade local`, and what talks to it: the command, the AWS CLI and boto3, each in a process of its own.

// Not every program of tests uses all of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::built;

/// Only what hangs takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(900);
/// Thirty times as fast: three minutes of a deployment pass in six seconds, and a function's minute is two.
const SPEED: &str = "30";

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a command in the background prints.
pub(crate) struct Terminal(pub(crate) PathBuf);

impl Terminal {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let name = arguments.concat().replace(|character: char| !character.is_alphanumeric(), "-");
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    pub(crate) fn read(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap_or_default()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// `crossfade local`, and what it prints.
pub(crate) struct Local {
    _running: Running,
    environment: Vec<(String, String)>,
    /// The command with which, it says, the AWS CLI starts a deployment.
    pub(crate) start: Vec<String>,
    /// What it has printed until it was ready.
    pub(crate) said: Vec<String>,
}

impl Local {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut command = crossfade();
        command
            .args(["local", "--port", "0", "--speed", SPEED])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut running = Running(command.spawn().expect("crossfade runs"));
        let output = BufReader::new(running.0.stdout.take().expect("it is piped"));
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| tell.send(line).is_ok()));
        let mut local = Self { _running: running, environment: Vec::new(), start: Vec::new(), said: Vec::new() };
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = told.recv_timeout(left).expect("it says what to do, and where it listens");
            local.said.push(line.clone());
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            match words.first().map(String::as_str) {
                Some("export") => {
                    let pairs = words[1..].iter().filter_map(|pair| pair.split_once('='));
                    local.environment.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
                }
                Some("aws") => local.start = words[1..].to_vec(),
                _ if line.contains("Ctrl-C") => break,
                _ => {}
            }
        }
        assert!(local.environment.iter().any(|(name, _)| name == "AWS_ENDPOINT_URL"));
        local
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        let url = self.environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").map(|(_, url)| url.as_str());
        url.and_then(|url| url.strip_prefix("http://")).expect("it says so")
    }

    /// Lets a command reach this account, and no other: nothing of the machine's own configuration is left.
    pub(crate) fn reached_by(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("AWS_") || name_text.to_lowercase().ends_with("_proxy") {
                command.env_remove(&name);
            }
        }
        for nothing in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            command.env(nothing, "/dev/null");
        }
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_PAGER", "").env_remove("USER");
        command.envs(self.environment.iter().cloned()).current_dir(built::root()).stdin(Stdio::null());
        command
    }

    /// What the AWS CLI prints.
    #[track_caller]
    pub(crate) fn aws(&self, arguments: &[&str]) -> Value {
        let output = self.try_aws(arguments);
        assert!(output.status.success(), "aws {arguments:?}: {}", text(&output.stderr));
        if output.stdout.is_empty() { Value::Null } else { json_of(&output.stdout) }
    }

    pub(crate) fn try_aws(&self, arguments: &[&str]) -> Output {
        let mut command = self.reached_by(aws_cli());
        finished(command.args(arguments).args(["--output", "json"]))
    }

    /// What `tests/python/client.py` prints.
    #[track_caller]
    pub(crate) fn boto3(&self, arguments: &[&str]) -> Value {
        let mut command = self.reached_by(python());
        let output = finished(command.arg("tests/python/client.py").args(arguments));
        assert!(output.status.success(), "client.py {arguments:?}: {}", text(&output.stderr));
        json_of(&output.stdout)
    }

    /// The `crossfade` command.
    pub(crate) fn crossfade(&self, arguments: &[&str]) -> Output {
        finished(self.reached_by(crossfade()).args(arguments))
    }

    /// The same, of somebody else: in this account the secret of a key is its id.
    pub(crate) fn crossfade_as(&self, key: &str, arguments: &[&str]) -> Output {
        let mut command = self.reached_by(crossfade());
        finished(command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", key).args(arguments))
    }

    /// What a `crossfade` command prints that does what it is told.
    #[track_caller]
    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        let output = self.crossfade(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What a `crossfade` command says that is a mistake: all of this.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str], why: &[&str]) -> String {
        let output = self.crossfade(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stdout));
        let said = text(&output.stderr);
        why.iter().for_each(|why| assert!(said.contains(why), "{arguments:?}: {why} is missing in\n{said}"));
        said
    }

    /// A `crossfade` command that is left running, in another terminal so to speak: a file, which is removed at the end.
    pub(crate) fn crossfade_in_background(&self, arguments: &[&str]) -> (Running, Terminal) {
        let terminal = Terminal::new(arguments);
        let mut command = self.reached_by(crossfade());
        let file = std::fs::File::create(&terminal.0).expect("cargo gives tests a directory");
        command.args(arguments).stdout(file).stderr(Stdio::piped());
        (Running(command.spawn().expect("crossfade runs")), terminal)
    }

    /// The deployment's status, once it is as wanted.
    #[track_caller]
    pub(crate) fn status(&self, deployment: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        patiently(|| {
            let output = self.crossfade(&["status", deployment, "--output", "json"]);
            let status = (!output.stdout.is_empty()).then(|| json_of(&output.stdout));
            status.filter(&wanted)
        })
    }
}

/// The command.
pub(crate) fn crossfade() -> Command {
    Command::new(built::programs(&["crossfade"]).join("crossfade"))
}

/// Python with boto3: that of the checkout, or the machine's.
pub(crate) fn python() -> Command {
    let ours = built::root().join(".venv/bin/python");
    let python = if ours.exists() { ours } else { "python3".into() };
    let probe = Command::new(&python).args(["-c", "import boto3, yaml"]).output();
    let works = probe.as_ref().is_ok_and(|output| output.status.success());
    let said = probe.map_or_else(|error| error.to_string(), |output| text(&output.stderr));
    assert!(
        works,
        "{} has no boto3 and PyYAML, which this test talks to `crossfade local` with. Run `cargo xtask tools`, which \
         installs them and the AWS CLI into .venv (`cargo xtask test` does so, too).\n{said}",
        python.display()
    );
    Command::new(python)
}

/// The AWS CLI: that of the checkout, or the machine's.
pub(crate) fn aws_cli() -> Command {
    let ours = built::root().join(".venv/bin/python");
    let module = |python: &str| (python.to_owned(), vec!["-m", "awscli"]);
    let candidates = [module(&ours.display().to_string()), ("aws".to_owned(), vec![]), module("python3")];
    for (program, arguments) in candidates {
        let version = Command::new(&program).args(&arguments).arg("--version").output();
        if version.is_ok_and(|version| version.status.success()) {
            let mut command = Command::new(program);
            command.args(arguments);
            return command;
        }
    }
    panic!(
        "There is no AWS CLI. Run `cargo xtask tools`, which installs it into .venv (`cargo xtask test` does so, too)."
    )
}

/// Runs a command to its end, or kills it.
#[track_caller]
pub(crate) fn finished(command: &mut Command) -> Output {
    let running = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts"));
    output_of(running)
}

/// Waits for the end of a process, and kills it when that does not come.
#[track_caller]
pub(crate) fn output_of(mut running: Running) -> Output {
    let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut bytes);
            }
            bytes
        })
    };
    let stdout = read(running.0.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read(running.0.stderr.take().map(|pipe| Box::new(pipe) as _));
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = running.0.try_wait().expect("it is ours") {
            break status;
        }
        if Instant::now() >= until {
            drop(running);
            let (out, err) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
            panic!("it did not end within {PATIENCE:?}:\n{}\n{}", text(&out), text(&err));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    Output { status, stdout: stdout.join().unwrap_or_default(), stderr: stderr.join().unwrap_or_default() }
}

/// The first answer, before patience ends.
#[track_caller]
pub(crate) fn patiently<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "nothing came within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
pub(crate) fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error} in {}", text(bytes)))
}
