//! One child process with its Runtime API server; it serves one invocation at a time.

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::server::{self, Work};
use super::{Bootstrap, LogSink, logs};
use crate::connector::REGION;

/// How an invocation in a sandbox ended.
pub(super) enum Reply {
    Returned(Value),
    Raised {
        error_type: String,
        error_message: String,
    },
    /// The runtime reported that it could not start. The sandbox is of no more use.
    InitFailed {
        error_type: String,
        error_message: String,
    },
    /// The process ended. The sandbox is of no more use.
    Exited(String),
}

pub(super) struct Sandbox {
    /// Killed on drop.
    child: Child,
    server: JoinHandle<()>,
    work: mpsc::Sender<Work>,
    init_errors: mpsc::Receiver<(String, String)>,
    function_arn: String,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Sandbox {
    pub(super) async fn start(name: &str, bootstrap: &Bootstrap, sink: &LogSink) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (work, queue) = mpsc::channel(1);
        let (init_error, init_errors) = mpsc::channel(1);
        let server = tokio::spawn(server::serve(listener, queue, init_error));
        let mut command = Command::new(&bootstrap.program);
        command
            .args(&bootstrap.arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("TZ", ":UTC")
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", bootstrap.memory_mb.to_string())
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "simulated")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .envs(&bootstrap.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let spawned = command.spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                server.abort();
                return Err(error);
            }
        };
        if let Some(output) = child.stdout.take() {
            logs::forward(name, output, sink);
        }
        if let Some(output) = child.stderr.take() {
            logs::forward(name, output, sink);
        }
        let function_arn = format!("arn:aws:lambda:{REGION}:123456789012:function:{name}");
        Ok(Self { child, server, work, init_errors, function_arn })
    }

    /// Whether the process still runs, as far as one can tell without asking it.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Runs one invocation to its end, or to the process's.
    pub(super) async fn invoke(&mut self, request_id: &str, payload: Value, timeout: Duration) -> Reply {
        let (reply, replied) = oneshot::channel();
        // The child lives in real time, so its deadline is on the wall clock.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let work = Work {
            request_id: request_id.to_owned(),
            deadline_millis: u64::try_from((now + timeout).as_millis()).unwrap_or(u64::MAX),
            function_arn: self.function_arn.clone(),
            payload: payload.to_string(),
            reply,
        };
        let work_queue = self.work.clone();
        let answered = async {
            if work_queue.send(work).await.is_err() {
                return None;
            }
            replied.await.ok()
        };
        tokio::select! {
            biased;
            Some(reply) = answered => reply,
            Some((error_type, error_message)) = self.init_errors.recv() => Reply::InitFailed { error_type, error_message },
            status = self.child.wait() => Reply::Exited(exit_text(status)),
        }
    }
}

/// In the words of Lambda's own logs.
fn exit_text(status: std::io::Result<ExitStatus>) -> String {
    match status.map(|status| status.code()) {
        Ok(Some(0)) => "Runtime exited without providing a reason".to_owned(),
        Ok(Some(code)) => format!("Runtime exited with error: exit status {code}"),
        Ok(None) => "Runtime exited with error: signal: killed".to_owned(),
        Err(error) => format!("Runtime exited with error: {error}"),
    }
}
