//! The way in for everybody else: the account on a loopback port, for the AWS CLI, boto3 and whatever else signs
//! requests. All services share the port; the credential scope of the signature tells them apart.
//!
//! It must never listen on anything but loopback: it checks no signature, and answers whoever asks.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, RANGE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::wire::{self, WireError};
use crate::{Lost, Response, Sim};

/// The largest request body: more than any simulated service accepts (DynamoDB: 16 MB).
const BODY_BYTES: usize = 16 * 1024 * 1024;
/// How many connections are served at once; more of them wait.
const CONNECTIONS: usize = 256;
/// How long a client may take over its request's headers, in real time.
const HEADERS: Duration = Duration::from_secs(10);
/// How long a client may take over its request's body, in real time.
const BODY: Duration = Duration::from_secs(30);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address can be reached from other machines.
    #[error("{0} is not a loopback address; the simulated account checks no signatures and stays on this machine")]
    NotLoopback(SocketAddr),
    /// The port cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The account on a loopback port. Dropping it stops the server: it accepts nothing more, and connections end after the
/// answer that they are waiting for.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Everything stops when this is dropped.
    running: watch::Sender<()>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves the account on `address` (port 0 takes any free one). Call it inside a tokio runtime with I/O and time, one
    /// that is not paused: clients are in real time, and the account runs [`Settings::speed`](crate::Settings::speed)
    /// times as fast.
    pub fn start(sim: Arc<Sim>, address: SocketAddr) -> Result<Self, ServerError> {
        if !address.ip().is_loopback() {
            return Err(ServerError::NotLoopback(address));
        }
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let bound = listener.local_addr()?;
            Ok((tokio::net::TcpListener::from_std(listener)?, bound))
        };
        let (listener, address) = listen().map_err(|source| ServerError::Listen { address, source })?;
        let (running, stopped) = watch::channel(());
        let accepting = tokio::spawn(accept(sim, listener, stopped));
        Ok(Self { address, running, accepting })
    }

    /// What to give to `--endpoint-url` or `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops as dropping does, and returns when every connection has ended.
    pub async fn shutdown(self) {
        drop(self.running);
        let _ = self.accepting.await;
    }
}

async fn accept(sim: Arc<Sim>, listener: tokio::net::TcpListener, mut stopped: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            _ = stopped.changed() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (sim, stopped) = (sim.clone(), stopped.clone());
                connections.spawn(async move {
                    serve(sim, stream, stopped).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others have to end first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(sim: Arc<Sim>, stream: tokio::net::TcpStream, mut stopped: watch::Receiver<()>) {
    let service = service_fn(move |request| answer(sim.clone(), request));
    let mut builder = http1::Builder::new();
    let builder = builder.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        outcome = connection.as_mut() => return log_end(outcome),
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    log_end(connection.await);
}

fn log_end(outcome: Result<(), hyper::Error>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

impl Sim {
    /// One HTTP request as it comes from a network, and its answer: decoded, given to its service, or refused.
    pub async fn receive(self: &Arc<Self>, head: &Parts, body: &Bytes) -> Result<Response, Lost> {
        let header = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = header(AUTHORIZATION);
        let target = header(HeaderName::from_static("x-amz-target"));
        let headers = head.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let headers: Vec<(&str, &str)> = headers.collect();
        let known = wire::Head {
            headers: &headers,
            authorization,
            target,
            method: head.method.as_str(),
            host: header(HOST).unwrap_or_default(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            range: header(RANGE),
            invocation_type: header(HeaderName::from_static("x-amz-invocation-type")),
        };
        let caller = wire::scope(authorization).ok().map(|scope| scope.access_key_id);
        match wire::decode(known, body, caller) {
            Ok(request) => self.handle(request).await,
            Err(error) => Ok(refuse(&error, head)),
        }
    }
}

/// One request and its answer. A lost one closes the connection, which is what the client of a broken network sees.
async fn answer(sim: Arc<Sim>, request: hyper::Request<Incoming>) -> Result<hyper::Response<Full<Bytes>>, Gone> {
    let (head, body) = request.into_parts();
    let whole = tokio::time::timeout(BODY, Limited::new(body, BODY_BYTES).collect()).await;
    let response = match whole {
        Ok(Ok(body)) => sim.receive(&head, &body.to_bytes()).await.map_err(|_: Lost| Gone)?,
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            refuse(&WireError::Body(format!("it is longer than {BODY_BYTES} bytes")), &head)
        }
        Ok(Err(error)) => refuse(&WireError::Body(error.to_string()), &head),
        Err(_) => return Err(Gone),
    };
    Ok(encode(response, sim.clock.now_millis()))
}

fn refuse(error: &WireError, head: &Parts) -> Response {
    // Any service will do: only the protocol's error shape is taken from it.
    let service =
        if head.headers.contains_key("x-amz-target") { crate::Service::DynamoDb } else { crate::Service::Sns };
    Response::error(service, error.status(), error.code(), &error.to_string())
}

fn encode(response: Response, now_millis: u64) -> hyper::Response<Full<Bytes>> {
    let mut answer = hyper::Response::new(Full::new(response.body));
    for (name, value) in response.headers {
        // None of ours has a character that a header cannot have.
        answer
            .headers_mut()
            .extend(HeaderValue::from_str(&value).ok().map(|value| (HeaderName::from_static(name), value)));
    }
    *answer.status_mut() =
        hyper::StatusCode::from_u16(response.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(response.content_type));
    answer.headers_mut().insert("x-amzn-requestid", HeaderValue::from_static("sim"));
    // The account's time, which is not the wall's.
    let now = DateTime::from_secs(i64::try_from(now_millis / 1000).unwrap_or(i64::MAX)).fmt(Format::HttpDate);
    if let Some(now) = now.ok().and_then(|now| HeaderValue::from_str(&now).ok()) {
        answer.headers_mut().insert(DATE, now);
    }
    answer
}

/// No answer: the connection is to be closed.
#[derive(Debug, thiserror::Error)]
#[error("the request or its reply was lost (simulated)")]
struct Gone;
