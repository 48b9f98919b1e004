//! Built bootstrap binaries as functions: each sandbox is a child process with a Lambda Runtime API server of its own.
//!
//! It owns the processes: started at the first invocation that finds none idle, kept for the next, killed when they
//! run out of time and when the host is dropped. Children live in real time, so this host is for a clock that follows
//! the wall clock (scaled or not), never for a paused runtime.

mod logs;
mod sandbox;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfade_asl::BoxFuture;
use serde_json::Value;

use super::{Functions, Invocation, function_name};
use crate::Clock;
pub use logs::{LogSink, log_to_file};
use sandbox::{Reply, Sandbox};

/// A built function and how it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments; none on Lambda.
    pub arguments: Vec<String>,
    /// Its environment, besides what Lambda itself sets. Nothing else is inherited but `PATH`.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take, in the account's time.
    pub timeout: Duration,
    /// What it is told it has, in MB; not enforced.
    pub memory_mb: u32,
}

/// Runs bootstrap binaries.
pub struct RuntimeApiHost {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    logs: LogSink,
    functions: Mutex<BTreeMap<String, Function>>,
    invocations: AtomicU64,
}

struct Function {
    bootstrap: Bootstrap,
    idle: Vec<Sandbox>,
}

impl RuntimeApiHost {
    /// No functions yet. Timeouts follow `clock`; every line that a child writes goes to `logs`.
    pub fn new(clock: &Clock, logs: LogSink) -> Self {
        let (clock, functions, invocations) = (clock.clone(), Mutex::default(), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { clock, logs, functions, invocations }) }
    }

    /// Registers a function, or replaces it; idle sandboxes of the old one are killed.
    pub fn register(&self, name: &str, bootstrap: Bootstrap) {
        self.shared.functions().insert(name.to_owned(), Function { bootstrap, idle: Vec::new() });
    }
}

impl Drop for RuntimeApiHost {
    fn drop(&mut self) {
        // Invocations under way keep the rest alive until they end; the idle processes go now.
        self.shared.functions().clear();
    }
}

impl Functions for RuntimeApiHost {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let (shared, function) = (self.shared.clone(), function.to_owned());
        Box::pin(async move { shared.invoke(&function, payload).await })
    }
}

impl Shared {
    fn functions(&self) -> MutexGuard<'_, BTreeMap<String, Function>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn invoke(&self, function: &str, payload: Value) -> Invocation {
        let name = function_name(function);
        let (bootstrap, idle) = match self.functions().get_mut(name) {
            Some(function) => {
                // One that has died since its last answer is nobody's error: Lambda replaces it silently, too.
                function.idle.retain_mut(Sandbox::is_alive);
                (function.bootstrap.clone(), function.idle.pop())
            }
            None => return Invocation::not_found(function),
        };
        let nth = self.invocations.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("00000000-0000-4000-8000-{nth:012x}");
        let unknown = |why: String| Invocation::Platform {
            error: "Lambda.Unknown".into(),
            cause: format!("RequestId: {request_id} Error: {why}"),
        };
        let started = match idle {
            Some(sandbox) => Ok(sandbox),
            None => Sandbox::start(name, &bootstrap, &self.logs).await,
        };
        let mut sandbox = match started {
            Ok(sandbox) => sandbox,
            Err(error) => return unknown(format!("{} cannot be started: {error}", bootstrap.program.display())),
        };
        // In the account's time, as the function's timeout is.
        let reply = tokio::select! {
            biased;
            reply = sandbox.invoke(&request_id, payload, bootstrap.timeout) => reply,
            () = self.clock.sleep(bootstrap.timeout) => {
                // Dropping the sandbox kills its process, as Lambda does.
                drop(sandbox);
                return Invocation::timed_out(&request_id, bootstrap.timeout);
            }
        };
        match reply {
            Reply::Exited(why) => return unknown(why),
            Reply::InitFailed { error_type, error_message } => return Invocation::Raised { error_type, error_message },
            Reply::Returned(_) | Reply::Raised { .. } => {}
        }
        // The next invocation finds it warm, unless the function has been replaced or the host dropped meanwhile.
        if let Some(function) = self.functions().get_mut(name)
            && function.bootstrap == bootstrap
        {
            function.idle.push(sandbox);
        }
        match reply {
            Reply::Returned(value) => Invocation::Returned(value),
            Reply::Raised { error_type, error_message } => Invocation::Raised { error_type, error_message },
            Reply::InitFailed { .. } | Reply::Exited(_) => unknown("Runtime exited".to_owned()),
        }
    }
}
