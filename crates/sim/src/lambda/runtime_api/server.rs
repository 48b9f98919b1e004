//! The Lambda Runtime API of one sandbox, on loopback.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio::task::JoinSet;

use super::sandbox::Reply;

/// Where every path of the API begins.
const PREFIX: &str = "/2018-06-01/runtime/";

/// One invocation to hand to the child.
pub(super) struct Work {
    pub(super) request_id: String,
    pub(super) deadline_millis: u64,
    pub(super) function_arn: String,
    pub(super) payload: String,
    pub(super) reply: oneshot::Sender<Reply>,
}

struct Api {
    queue: AsyncMutex<mpsc::Receiver<Work>>,
    /// Handed out and not yet answered, by request id.
    pending: Mutex<BTreeMap<String, oneshot::Sender<Reply>>>,
    init_error: mpsc::Sender<(String, String)>,
}

/// Serves until it is aborted; its connections end with it.
pub(super) async fn serve(
    listener: TcpListener,
    queue: mpsc::Receiver<Work>,
    init_error: mpsc::Sender<(String, String)>,
) {
    let api = Arc::new(Api { queue: AsyncMutex::new(queue), pending: Mutex::default(), init_error });
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let api = api.clone();
        let service = service_fn(move |request| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        connections.spawn(async move {
            // A child that hangs up mid-request is noticed by its exit.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

impl Api {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
        if parts.method == Method::GET && path == "invocation/next" {
            return self.next().await;
        }
        let Ok(body) = body.collect().await.map(|body| body.to_bytes()) else {
            return text(StatusCode::BAD_REQUEST, "the body was cut off");
        };
        if parts.method != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "POST is expected");
        }
        if path == "init/error" {
            let _ = self.init_error.try_send(error_of(&parts.headers, &body));
            return text(StatusCode::ACCEPTED, r#"{"status":"OK"}"#);
        }
        let reply = match path.strip_prefix("invocation/").and_then(|path| path.split_once('/')) {
            Some((request_id, "response")) => {
                let reply = match serde_json::from_slice::<Value>(&body) {
                    Ok(value) => Reply::Returned(value),
                    Err(error) => Reply::Raised {
                        error_type: "Runtime.MalformedResponse".to_owned(),
                        error_message: format!("the function's answer is not JSON: {error}"),
                    },
                };
                Some((request_id, reply))
            }
            Some((request_id, "error")) => {
                let (error_type, error_message) = error_of(&parts.headers, &body);
                Some((request_id, Reply::Raised { error_type, error_message }))
            }
            _ => None,
        };
        let Some((request_id, reply)) = reply else { return text(StatusCode::NOT_FOUND, "no such resource") };
        let waiting = self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(request_id);
        match waiting.map(|waiting| waiting.send(reply)) {
            Some(Ok(())) => text(StatusCode::ACCEPTED, r#"{"status":"OK"}"#),
            _ => text(StatusCode::BAD_REQUEST, r#"{"errorType":"InvalidRequestID","errorMessage":"unknown request"}"#),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let Some(work) = self.queue.lock().await.recv().await else {
            return text(StatusCode::GONE, "the sandbox is closing");
        };
        let response = Response::builder()
            .header("Content-Type", "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", &work.request_id)
            .header("Lambda-Runtime-Deadline-Ms", work.deadline_millis.to_string())
            .header("Lambda-Runtime-Invoked-Function-Arn", &work.function_arn)
            .header("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
            .body(Full::new(Bytes::from(work.payload)));
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(work.request_id, work.reply);
        response.unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, "the invocation has no valid headers"))
    }
}

/// The error that a runtime reports: in the body, or at least in a header.
fn error_of(headers: &http::HeaderMap, body: &[u8]) -> (String, String) {
    let body = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let header = headers.get("Lambda-Runtime-Function-Error-Type").and_then(|value| value.to_str().ok());
    let error_type = body["errorType"].as_str().or(header).unwrap_or("Runtime.Unknown");
    (error_type.to_owned(), body["errorMessage"].as_str().unwrap_or_default().to_owned())
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
}
