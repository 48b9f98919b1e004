//! Lambda functions: what runs when a state machine invokes one.
//!
//! It owns the invocation's contract ([`Functions`], [`Invocation`]) and two hosts: [`InProcess`] for handlers in this
//! process, on the account's virtual clock, and [`RuntimeApiHost`] for built bootstrap binaries. It must never know
//! what a function does.

mod function_name;
mod in_process;
mod invoke_api;
mod limited;
mod runtime_api;

pub use function_name::function_name;
pub use in_process::InProcess;
pub use invoke_api::invoke_api;
pub use limited::Limited;
pub use runtime_api::{Bootstrap, LogSink, RuntimeApiHost, log_to_file};

use crossfade_asl::BoxFuture;
use serde_json::Value;

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    /// The function answered.
    Returned(Value),
    /// The function reported an error of its own.
    Raised {
        /// What Retry and Catch match.
        error_type: String,
        /// For humans.
        error_message: String,
    },
    /// The service failed before, instead of or after the function.
    Platform {
        /// Such as `Lambda.TooManyRequestsException` or `Lambda.Unknown`.
        error: String,
        /// For humans.
        cause: String,
    },
}

impl Invocation {
    /// There is no such function.
    pub(crate) fn not_found(function: &str) -> Self {
        Self::Platform {
            error: "Lambda.ResourceNotFoundException".into(),
            cause: format!("Function not found: {function} (Service: Lambda, Status Code: 404)"),
        }
    }

    /// As many run as the account may run at once.
    pub fn too_many() -> Self {
        Self::Platform {
            error: "Lambda.TooManyRequestsException".into(),
            cause: "Rate Exceeded. (Service: Lambda, Status Code: 429)".into(),
        }
    }

    /// The function ran out of time. What it had done by then stays done.
    pub(crate) fn timed_out(request_id: &str, timeout: std::time::Duration) -> Self {
        let seconds = timeout.as_secs_f64();
        Self::Platform {
            error: "Lambda.Unknown".into(),
            cause: format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds"),
        }
    }
}

/// Where the account's functions run.
pub trait Functions: Send + Sync {
    /// Invokes a function by name or ARN, with or without a qualifier, and waits for its answer.
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation>;
}

/// An account without functions.
pub(crate) struct NoFunctions;

impl Functions for NoFunctions {
    fn invoke(&self, function: &str, _payload: Value) -> BoxFuture<'static, Invocation> {
        let not_found = Invocation::not_found(function);
        Box::pin(async { not_found })
    }
}
