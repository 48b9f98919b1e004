//! The wrapper that makes a step a Lambda function: the only place that knows Lambda.
//!
//! It builds the clients once per environment, hands each event to the step, and turns a failure into an answer whose
//! `errorType` is the failure's fixed name, which is what the state machines match. It must never let an error of a
//! library type out, since no `Retry` could name it.

use std::sync::Arc;

use crossfade_core::{Failure, Result as Outcome};
pub use crossfade_steps::handlers;
use crossfade_steps::{Context, Settings, WallClock};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Serves one function, one of the [`handlers`], until Lambda ends the environment.
///
/// It is given as itself and not by its name, so that nothing of the others is linked: their calls of the SDKs are most of what a
/// program weighs.
pub fn run(handler: impl AsyncFn(Value, &Context) -> Outcome<Value>) -> Result<(), Error> {
    // One event at a time is all that an environment gets: a thread more would only cost memory.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(handler))
}

async fn serve(handler: impl AsyncFn(Value, &Context) -> Outcome<Value>) -> Result<(), Error> {
    // A level, or some by target. The filter that also knows spans would bring an engine of regular expressions along.
    let asked = std::env::var("CROSSFADE_LOG").ok().and_then(|levels| levels.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // Lambda adds the time itself; colours would be noise in CloudWatch.
    let lines = tracing_subscriber::fmt::layer().json().without_time().with_current_span(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
    let config = aws_config::load_from_env().await;
    let context = Context::new(&config, Arc::new(WallClock), Settings::from_env());
    let (context, handler) = (&context, &handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        handler(event.payload, context).await.map_err(answer)
    }))
    .await
}

/// The failure as Lambda reports it.
fn answer(failure: Failure) -> Diagnostic {
    tracing::warn!(kind = failure.kind.name(), "{failure}");
    Diagnostic { error_type: failure.kind.name().into(), error_message: failure.message }
}
