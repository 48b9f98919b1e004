//! The wrapper that makes a step a Lambda function: the only place that knows Lambda.
//!
//! It builds the clients once per environment, hands each event to the step, and turns a failure into an answer whose
//! `errorType` is the failure's fixed name, which is what the state machines match. It must never let an error of a
//! library type out, since no `Retry` could name it.

use std::sync::Arc;

use crossfade_core::Failure;
use crossfade_steps::{Context, Settings, WallClock};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// Serves one function, by its name in [`crossfade_steps::FUNCTIONS`], until Lambda ends the environment.
pub fn run(function: &'static str) -> Result<(), Error> {
    // One event at a time is all that an environment gets: a thread more would only cost memory.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(function))
}

async fn serve(function: &'static str) -> Result<(), Error> {
    let filter = EnvFilter::try_from_env("CROSSFADE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Lambda adds the time itself; colours would be noise in CloudWatch.
    tracing_subscriber::fmt().json().with_env_filter(filter).without_time().with_current_span(false).init();
    let config = aws_config::load_from_env().await;
    let context = Context::new(&config, Arc::new(WallClock), Settings::from_env());
    let context = &context;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        crossfade_steps::handle(function, event.payload, context).await.map_err(answer)
    }))
    .await
}

/// The failure as Lambda reports it.
fn answer(failure: Failure) -> Diagnostic {
    tracing::warn!(kind = failure.kind.name(), "{failure}");
    Diagnostic { error_type: failure.kind.name().into(), error_message: failure.message }
}
