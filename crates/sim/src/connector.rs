//! The way in for SDK clients of this process: an HTTP client that hands every request to the account, and a clock and a
//! sleep that follow the account's, so that the SDK's own retries, timeouts and signatures happen in its time.
//!
//! It must never open a socket, and never answer for the account: what it cannot decode fails the call.
//!
//! # Determinism
//!
//! Retry jitter and idempotency tokens come from the thread-local `fastrand` generator, which [`Sim::new`] seeds. One
//! thing is out of reach from here: the SDK keeps one retry quota per service and region *for the whole process* (500
//! tokens, refilled by successes), so a test that makes hundreds of calls fail in one process can run out of retries.
//! A client that must not share it sets its own `retry_partition`.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_runtime_api::http::{Response as HttpAnswer, StatusCode};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use bytes::Bytes;
use futures_util::future::{Either, select};

use crate::callables::Heard;
use crate::{Clock, Lost, Service, Sim, wire};

/// The region of the simulated account.
pub(crate) const REGION: &str = "eu-west-1";
/// Its number.
pub(crate) const ACCOUNT: &str = "123456789012";

impl Sim {
    /// The configuration with which an SDK client of this process reaches the account: region eu-west-1, fixed
    /// credentials, standard retries (three attempts), the account's time.
    ///
    /// The configuration does not keep the account alive, since functions that live inside the account hold clients,
    /// too: hold on to the `Arc`, or every call fails with an I/O error that says so.
    pub fn sdk_config(self: &Arc<Self>) -> SdkConfig {
        self.config(None)
    }

    /// The same for one named caller, such as a function: each of its calls bears that name in
    /// [`Call::caller`](crate::Call::caller).
    pub fn sdk_config_for(self: &Arc<Self>, caller: &str) -> SdkConfig {
        self.config(Some(caller.to_owned()))
    }

    fn config(self: &Arc<Self>, caller: Option<String>) -> SdkConfig {
        // The secret of every key is its id.
        let key = caller.as_deref().unwrap_or("AKIASIMULATED");
        let credentials = Credentials::new(key, key, None, None, "crossfade-sim");
        SdkConfig::builder()
            .behavior_version(aws_smithy_runtime_api::client::behavior_version::BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::standard())
            .time_source(AccountTime(self.clock.clone()))
            .sleep_impl(AccountTime(self.clock.clone()))
            .http_client(InProcess { sim: Arc::downgrade(self), caller })
            // Bodies are whole when they arrive; its timers would only make runs harder to follow.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }
}

impl Sim {
    /// What an endpoint outside answers, if the request goes to one; nothing when the connection breaks.
    fn outside(&self, request: &HttpRequest, body: &Bytes) -> Option<Option<HttpResponse>> {
        let head = wire::Head::of_url(request.uri());
        let host = head.host.split(':').next().unwrap_or_default();
        let mut callables = self.callables();
        if !callables.serves(host) {
            return None;
        }
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = serde_json::from_slice(body).unwrap_or_default();
        let heard = Heard { at_millis: self.clock.now_millis(), to: request.uri().to_owned(), headers, body };
        let answer = callables.receive(host, heard);
        Some(answer.and_then(|answer| {
            let mut response = HttpAnswer::new(StatusCode::try_from(answer.status).ok()?, SdkBody::from(answer.body));
            if let Some(seconds) = answer.retry_after {
                response.headers_mut().insert("retry-after", seconds.to_string());
            }
            Some(response)
        }))
    }
}

/// The account's clock, as the SDK wants to see it.
#[derive(Clone, Debug)]
struct AccountTime(Clock);

impl TimeSource for AccountTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.now_millis())
    }
}

impl AsyncSleep for AccountTime {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        Sleep::new(async move { clock.sleep(duration).await })
    }
}

/// The HTTP client that leads into the account.
#[derive(Clone)]
struct InProcess {
    sim: Weak<Sim>,
    caller: Option<String>,
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("InProcess").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { client: self.clone(), read_timeout: settings.read_timeout() })
    }
}

/// One connector, with the timeouts that the client asked for.
#[derive(Debug)]
struct Connector {
    client: InProcess,
    read_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, read_timeout) = (self.client.clone(), self.read_timeout);
        HttpConnectorFuture::new(exchange(client, read_timeout, request))
    }
}

/// One request and its answer.
///
/// A lost request or reply ends as it would on a network: as a connection that breaks, or, on one that stays open, after the read
/// timeout when there is one. The SDK retries both.
async fn exchange(
    client: InProcess,
    read_timeout: Option<Duration>,
    mut request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let body = ByteStream::new(request.take_body()).collect().await;
    let body = body.map_err(|error| ConnectorError::user(error.into()))?.into_bytes();
    if let Some(sim) = client.sim.upgrade()
        && let Some(answer) = sim.outside(&request, &body)
    {
        sim.clock.sleep(sim.settings.call_latency).await;
        return answer.ok_or_else(|| ConnectorError::io("connection reset by peer (simulated)".into()));
    }
    let header = |name| request.headers().get(name);
    let headers: Vec<(&str, &str)> = request.headers().iter().collect();
    let head = wire::Head {
        headers: &headers,
        authorization: header("authorization"),
        target: header("x-amz-target"),
        method: request.method(),
        range: header("range"),
        invocation_type: header("x-amz-invocation-type"),
        ..wire::Head::of_url(request.uri())
    };
    let request = wire::decode(head, &body, client.caller).map_err(|error| ConnectorError::user(error.into()))?;
    let Some(sim) = client.sim.upgrade() else {
        return Err(ConnectorError::io("the simulated account is gone: its Arc<Sim> was dropped".into()));
    };

    // A function may take its time.
    let answer = match read_timeout.filter(|_| request.service == Service::Lambda) {
        None => sim.handle(request).await,
        Some(timeout) => match select(Box::pin(sim.handle(request)), Box::pin(sim.clock.sleep(timeout))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                return Err(ConnectorError::timeout("no reply within the read timeout (simulated)".into()));
            }
        },
    };
    let response = match answer {
        Ok(response) => response,
        Err(Lost::Reset) => return Err(ConnectorError::io("connection reset by peer (simulated)".into())),
        Err(Lost::Silence) => match read_timeout {
            Some(timeout) => {
                sim.clock.sleep(timeout).await;
                return Err(ConnectorError::timeout("no reply within the read timeout (simulated)".into()));
            }
            None => std::future::pending().await,
        },
    };
    let status = StatusCode::try_from(response.status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut answer = HttpAnswer::new(status, SdkBody::from(response.body));
    answer.headers_mut().insert("content-type", response.content_type);
    for (name, value) in response.headers {
        answer.headers_mut().insert(name, value);
    }
    answer.headers_mut().insert("x-amzn-requestid", "sim");
    Ok(answer)
}
