//! Functions as handlers in this process, under the account's clock.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossfade_asl::BoxFuture;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use serde_json::Value;

use super::{Functions, Invocation, function_name};
use crate::Clock;

type Handler = Arc<dyn Fn(Value) -> BoxFuture<'static, Invocation> + Send + Sync>;

/// Functions that are handlers in this process, by name.
pub struct InProcess {
    clock: Clock,
    handlers: Mutex<BTreeMap<String, (Duration, Handler)>>,
    invocations: AtomicU64,
}

impl InProcess {
    /// No functions yet; their timeouts follow `clock`.
    pub fn new(clock: &Clock) -> Self {
        Self { clock: clock.clone(), handlers: Mutex::default(), invocations: AtomicU64::new(0) }
    }

    /// Registers a function, or replaces it. A handler that takes longer than `timeout` is dropped where it is, as
    /// Lambda stops a sandbox; one that panics raises what `lambda_runtime` would report.
    pub fn register<H, F>(&self, name: &str, timeout: Duration, handler: H)
    where
        H: Fn(Value) -> F + Send + Sync + 'static,
        F: Future<Output = Invocation> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |payload| Box::pin(handler(payload)));
        let mut handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        handlers.insert(name.to_owned(), (timeout, handler));
    }
}

impl Functions for InProcess {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let found = self.handlers.lock().unwrap_or_else(PoisonError::into_inner).get(function_name(function)).cloned();
        let Some((timeout, handler)) = found else {
            let not_found = Invocation::not_found(function);
            return Box::pin(async { not_found });
        };
        let nth = self.invocations.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("00000000-0000-4000-8000-{nth:012x}");
        let clock = self.clock.clone();
        Box::pin(async move {
            // Making the future is already the handler's code, so it may panic as well.
            let running = AssertUnwindSafe(async move { handler(payload).await }).catch_unwind();
            match select(Box::pin(running), Box::pin(clock.sleep(timeout))).await {
                Either::Left((Ok(invocation), _)) => invocation,
                Either::Left((Err(panic), _)) => panicked(&panic),
                Either::Right(_) => Invocation::timed_out(&request_id, timeout),
            }
        })
    }
}

/// What `lambda_runtime` 1.5 reports of a handler's panic: the type's name is that of the panic's box.
fn panicked(panic: &Box<dyn Any + Send>) -> Invocation {
    let message = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    Invocation::Raised {
        error_type: std::any::type_name_of_val(&panic).to_owned(),
        error_message: message.map_or("Lambda panicked".to_owned(), |message| format!("Lambda panicked: {message}")),
    }
}
