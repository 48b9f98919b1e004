//! The page on loopback: who is let in ([`Gate`]), what they get, and what they ask for.
//!
//! It must never listen on anything but loopback, and never put anything into the page that was not made for it: the page is a fixed
//! text, and all that it shows comes to it as JSON.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::act::Act;
use super::feed::{Told, Viewer, Viewers};
use super::gate::{Gate, Let};

/// The longest request, in bytes.
const BODY_BYTES: usize = 16 * 1024;
/// How many connections are served at once; more of them wait.
const CONNECTIONS: usize = 64;
/// How long a client may take over a request, in real time.
const REQUEST: Duration = Duration::from_secs(10);
/// How often a page is told that it is still told, where nothing changes.
const ALIVE: Duration = Duration::from_secs(5);

/// Nothing but what this program serves, no code that is not a file, nobody's frame, and no way to make markup from text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The files of the page: path, type, content.
pub(crate) const FILES: [(&str, &str, &str); 7] = [
    ("/", "text/html; charset=utf-8", include_str!("assets/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("assets/style.css")),
    ("/app.js", "text/javascript; charset=utf-8", include_str!("assets/app.js")),
    ("/dom.js", "text/javascript; charset=utf-8", include_str!("assets/dom.js")),
    ("/charts.js", "text/javascript; charset=utf-8", include_str!("assets/charts.js")),
    ("/words.js", "text/javascript; charset=utf-8", include_str!("assets/words.js")),
    ("/icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// What a page asks for.
pub(crate) enum Wish {
    /// That something is done.
    Act(Act),
    /// What a member of a deployment has printed, in JSON.
    Console { deployment: String, member: String },
}

/// The same, and where the answer goes.
pub(crate) struct Asked {
    pub(crate) wish: Wish,
    pub(crate) answer: oneshot::Sender<Result<String, String>>,
}

/// What all connections share.
pub(crate) struct Site {
    pub(crate) gate: Gate,
    pub(crate) viewers: Arc<Viewers>,
    pub(crate) told: watch::Receiver<Told>,
    pub(crate) asked: mpsc::Sender<Asked>,
    /// Told each time that the link was used.
    pub(crate) signed_in: Box<dyn Fn(&Gate) + Send + Sync>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves until it is dropped.
pub(crate) async fn serve(site: Arc<Site>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let site = site.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(site.clone(), request));
                    let mut builder = http1::Builder::new();
                    let builder = builder.timer(TokioTimer::new()).header_read_timeout(REQUEST);
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    drop(place);
                });
            }
            // Out of file descriptors, most likely: others have to end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(site: Arc<Site>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = match site.gate.admit(&head) {
        Err(refused) => plain(refused.status, refused.why),
        Ok(Let::SignIn(cookie)) => {
            (site.signed_in)(&site.gate);
            let mut response = plain(StatusCode::SEE_OTHER, "");
            set(&mut response, LOCATION, "/");
            set(&mut response, SET_COOKIE, &cookie);
            response
        }
        Ok(Let::See) => match (FILES.iter().find(|(path, ..)| *path == head.uri.path()), head.uri.path()) {
            (Some((_, content_type, text)), _) => {
                full(StatusCode::OK, content_type, Bytes::from_static(text.as_bytes()))
            }
            (None, "/events") => events(&site, parameter(head.uri.query().unwrap_or_default(), "deployment")),
            (None, "/console") => console(&site, head.uri.query().unwrap_or_default()).await,
            (None, _) => plain(StatusCode::NOT_FOUND, "There is nothing here."),
        },
        Ok(Let::Act) if head.method == Method::POST && head.uri.path() == "/act" => {
            let read = tokio::time::timeout(REQUEST, Limited::new(body, BODY_BYTES).collect()).await;
            match read {
                Ok(Ok(body)) => act(&site, &body.to_bytes()).await,
                _ => plain(StatusCode::BAD_REQUEST, "The request is too long, or does not end."),
            }
        }
        Ok(Let::Act) => plain(StatusCode::NOT_FOUND, "There is nothing here."),
    };
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        set(&mut response, name, value);
    }
    Ok(response)
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    // None of ours has a character that a header cannot have.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn full(status: StatusCode, content_type: &str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(bytes).boxed_unsync());
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, content_type);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    full(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

/// A parameter of a query, as browsers write it; empty where there is none.
fn parameter(query: &str, name: &str) -> String {
    let named = |pair: &'_ str| pair.split_once('=').filter(|(of, _)| *of == name).map(|(_, value)| value.to_owned());
    let value = query.split('&').find_map(named).unwrap_or_default();
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lets somebody's wish be done, and answers what came of it.
async fn act(site: &Site, body: &[u8]) -> Response<Body> {
    let told = |status, ok: bool, message: &str| {
        full(status, "application/json", json!({ "ok": ok, "message": message }).to_string().into())
    };
    let act: Act = match serde_json::from_slice(body) {
        Ok(act) => act,
        Err(error) => return told(StatusCode::BAD_REQUEST, false, &format!("This is no wish of the page: {error}.")),
    };
    let done = ask(site, Wish::Act(act)).await;
    // All pages see what came of it at once.
    site.viewers.bell.notify_one();
    match done {
        Some(Ok(message)) => told(StatusCode::OK, true, &message),
        Some(Err(message)) => told(StatusCode::CONFLICT, false, &message),
        None => told(StatusCode::SERVICE_UNAVAILABLE, false, ENDS),
    }
}

/// Why nothing is answered any more.
const ENDS: &str = "The dashboard ends.";

/// What comes of a wish; nothing when nobody is there any more who would do it.
async fn ask(site: &Site, wish: Wish) -> Option<Result<String, String>> {
    let (answer, done) = oneshot::channel();
    site.asked.send(Asked { wish, answer }).await.ok()?;
    done.await.ok()
}

/// What a member has printed. Nobody keeps it: it may hold secrets.
async fn console(site: &Site, query: &str) -> Response<Body> {
    let (deployment, member) = (parameter(query, "deployment"), parameter(query, "member"));
    let problem = |problem: &str| json!({ "problem": problem }).to_string();
    let told = |status, json: String| full(status, "application/json", json.into());
    match ask(site, Wish::Console { deployment, member }).await {
        Some(Ok(console)) => told(StatusCode::OK, console),
        Some(Err(why)) => told(StatusCode::CONFLICT, problem(&why)),
        None => told(StatusCode::SERVICE_UNAVAILABLE, problem(ENDS)),
    }
}

/// What one page was told so far.
struct Telling {
    told: watch::Receiver<Told>,
    deployment: String,
    /// What is to be said first.
    hello: Option<String>,
    overview: Option<Arc<str>>,
    detail: String,
    log: usize,
    trouble: Option<Arc<str>>,
    /// Somebody looks, until the page is gone.
    _viewer: Viewer,
}

/// Server-sent events: what a page is to show, whenever that changes.
fn events(site: &Site, deployment: String) -> Response<Body> {
    let hello = json!({ "token": site.gate.page_token(), "actions": site.gate.actions() });
    let mut told = site.told.clone();
    told.mark_changed();
    let telling = Telling {
        told,
        hello: Some(event("hello", &hello.to_string())),
        overview: None,
        detail: String::new(),
        log: 0,
        trouble: None,
        _viewer: site.viewers.come(&deployment),
        deployment,
    };
    let stream = unfold(telling, |mut telling| async move {
        let text = telling.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(text))), telling))
    });
    let mut response = Response::new(StreamBody::new(stream).boxed_unsync());
    set(&mut response, CONTENT_TYPE, "text/event-stream");
    response
}

/// One event; JSON has no line ends.
fn event(name: &str, json: &str) -> String {
    format!("event: {name}\ndata: {json}\n\n")
}

impl Telling {
    /// The next events; nothing when there is nobody to tell them any more.
    async fn next(&mut self) -> Option<String> {
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        if let Ok(changed) = tokio::time::timeout(ALIVE, self.told.changed()).await {
            changed.ok()?;
        }
        let told = self.told.borrow_and_update().clone();
        let mut text = String::new();
        if self.overview != told.overview {
            text.extend(told.overview.iter().map(|json| event("overview", json)));
            self.overview = told.overview;
        }
        if let Some(detail) = told.deployments.get(&self.deployment) {
            if self.detail != detail.json {
                text.push_str(&event("deployment", &detail.json));
                self.detail = detail.json.clone();
            }
            if detail.log.len() > self.log {
                let lines: Value = json!({ "from": self.log, "lines": detail.log[self.log..] });
                text.push_str(&event("log", &lines.to_string()));
                self.log = detail.log.len();
            }
        }
        if self.trouble != told.trouble {
            text.push_str(&event("trouble", &json!({ "message": told.trouble.as_deref() }).to_string()));
            self.trouble = told.trouble;
        }
        text.push_str(&event("alive", "{}"));
        Some(text)
    }
}
