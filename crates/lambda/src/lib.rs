//! The wrapper that makes a step a Lambda function: the only place that knows Lambda.
//!
//! It builds the clients once per environment, hands each event to the step, and turns a failure into an answer whose
//! `errorType` is the failure's fixed name, which is what the state machines match. It must never let an error of a
//! library type out, since no `Retry` could name it.

use std::env;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use crossfade_aws::{Web, guarded_https, https};
use crossfade_core::{Failure, Result as Outcome, payload};
pub use crossfade_steps::handlers;
use crossfade_steps::{Context, Settings, WallClock};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How long a connection may take, as the SDK's own chain has it.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// Serves one function, one of the [`handlers`], until Lambda ends the environment.
///
/// It is given as itself and not by its name, so that nothing of the others is linked: their calls of the SDKs are most of what a
/// program weighs.
pub fn run(handler: impl AsyncFn(Value, &Context) -> Outcome<Value>) -> Result<(), Error> {
    start(handler, |context, _| context)
}

/// The same for a function that calls endpoints outside, at public addresses alone.
pub fn run_reaching_out(handler: impl AsyncFn(Value, &Context) -> Outcome<Value>) -> Result<(), Error> {
    start(handler, |context, config| context.reaching(Web::new(config, Some(guarded_https()))))
}

fn start(
    handler: impl AsyncFn(Value, &Context) -> Outcome<Value>,
    equipped: impl FnOnce(Context, &SdkConfig) -> Context,
) -> Result<(), Error> {
    // One event at a time is all that an environment gets: a thread more would only cost memory.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(handler, equipped))
}

async fn serve(
    handler: impl AsyncFn(Value, &Context) -> Outcome<Value>,
    equipped: impl FnOnce(Context, &SdkConfig) -> Context,
) -> Result<(), Error> {
    // A level, or some by target. The filter that also knows spans would bring an engine of regular expressions along.
    let asked = env::var("CROSSFADE_LOG").ok().and_then(|levels| levels.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // Lambda adds the time itself; colours would be noise in CloudWatch.
    let lines = tracing_subscriber::fmt::layer().json().without_time().with_current_span(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
    let config = config(|name| env::var(name).ok());
    let context = equipped(Context::new(&config, Arc::new(WallClock), Settings::from_env()), &config);
    let context = context.measured_by(Arc::new(|metrics| {
        // CloudWatch reads metrics from a line that is nothing but them.
        let _ = writeln!(std::io::stdout(), "{metrics}");
    }));
    let (context, handler) = (&context, &handler);
    // As text: what the runtime cannot read would fail before anything of ours could say so.
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        let event = payload::decode(event.payload.get()).map_err(answer)?;
        handler(event, context).await.map_err(answer)
    }))
    .await
}

/// What Lambda says of where and as whom to call, and what an operator may add to a function's environment.
///
/// The usual chain of providers would look for profiles, web identities and metadata services as well, which a function never
/// has, and be a tenth of its archive.
fn config(environment: impl Fn(&str) -> Option<String>) -> SdkConfig {
    let of = |name: &str| environment(name).filter(|value| !value.is_empty());
    let on = |name: &str| of(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
    let mut config = SdkConfig::builder()
        .http_client(https())
        .behavior_version(BehaviorVersion::latest())
        .region(of("AWS_REGION").map(Region::new))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::standard())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .use_fips(on("AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(on("AWS_USE_DUALSTACK_ENDPOINT"));
    config.set_endpoint_url(of("AWS_ENDPOINT_URL"));
    config.build()
}

/// The failure as Lambda reports it.
fn answer(failure: Failure) -> Diagnostic {
    tracing::warn!(kind = failure.kind.name(), "{failure}");
    Diagnostic { error_type: failure.kind.name().into(), error_message: failure.message }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use crossfade_aws::Table;
    use crossfade_core::Kind;

    use super::*;

    fn with(set: &[(&str, &str)]) -> SdkConfig {
        config(|name| set.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_says_where_to_call() {
        let plain = with(&[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "")]);
        assert_eq!(plain.region().map(ToString::to_string).as_deref(), Some("eu-west-1"));
        assert_eq!((plain.endpoint_url(), plain.use_fips(), plain.use_dual_stack()), (None, Some(false), Some(false)));
        assert!(plain.http_client().is_some() && plain.credentials_provider().is_some());

        let endpoint = "http://127.0.0.1:4566";
        let switches = [("AWS_USE_FIPS_ENDPOINT", "TRUE"), ("AWS_USE_DUALSTACK_ENDPOINT", "true")];
        let special = with(&[&switches[..], &[("AWS_ENDPOINT_URL", endpoint)]].concat());
        let seen = (special.endpoint_url(), special.use_fips(), special.use_dual_stack());
        assert_eq!(seen, (Some(endpoint), Some(true), Some(true)));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_answer_is_asked_three_times_and_not_for_ever() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", silent.local_addr().expect("it is bound"));
        let set = [("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", endpoint.as_str())];
        let plain = with(&set).into_builder();
        let keys = Credentials::new("key", "secret", None, None, "test");
        let config = plain.credentials_provider(SharedCredentialsProvider::new(keys)).build();
        let began = tokio::time::Instant::now();
        let failure = Table::new(&config, "crossfade").lock("shop").await.expect_err("nobody answers");
        assert_eq!(failure.kind, Kind::ServiceUnavailable, "{failure}");
        let took = began.elapsed().as_secs();
        assert!((30..45).contains(&took), "{took} s");
    }
}
