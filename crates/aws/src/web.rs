//! Endpoints of the user's own: one request, signed as they wish, and the beginning of the answer.
//!
//! What it must never do: show a secret, follow anybody elsewhere, or call where its client does not reach. Which hosts may be called is
//! said by whoever calls it; which addresses, by its client ([`guarded_https`](crate::guarded_https)).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossfade_core::document::Secret;
use crossfade_core::hook::Reply;
use crossfade_core::{Failure, Kind, Result, text};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use crate::call::{Token, bearing};
use crate::https::NotPublic;
use crate::refusal::{called, reasons};
use crate::secrets::Secrets;

/// How long an endpoint may take, all in all. The function that calls it has 60 seconds, and whoever waits for that one 50.
const ANSWER: Duration = Duration::from_secs(40);
const CONNECT: Duration = Duration::from_secs(5);
/// How much of an answer is read, in bytes.
const BODY_BYTES: usize = 64 * 1024;

/// What is posted to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// The address, `https://…`.
    pub url: String,
    /// The same in every repetition.
    pub id: String,
    /// Where the header Authorization is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Secret>,
    /// Where the key is that the request is signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<Secret>,
    /// The body.
    pub body: Value,
}

/// The world outside.
#[derive(Clone)]
pub struct Web {
    http: Option<SharedHttpClient>,
    secrets: Secrets,
    sleep: Option<SharedAsyncSleep>,
    time: Option<SharedTimeSource>,
}

impl fmt::Debug for Web {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Web").field("reaches", &self.http.is_some()).finish_non_exhaustive()
    }
}

impl Web {
    /// What this client reaches; nothing without one.
    pub fn new(config: &SdkConfig, http: Option<SharedHttpClient>) -> Self {
        Self { http, secrets: Secrets::new(config), sleep: config.sleep_impl(), time: config.time_source() }
    }

    /// Posts a letter, once, and waits for the answer.
    ///
    /// # Errors
    /// When a secret cannot be read.
    pub async fn post(&self, letter: &Letter) -> Result<Reply> {
        let Some(http) = self.http.clone() else {
            return Ok(Reply::Forbidden("this function calls nobody outside".into()));
        };
        let body = letter.body.to_string();
        let mut hidden = Vec::new();
        if let Some(secret) = &letter.authorization {
            hidden.push(("authorization", Token::new(&self.secret(secret).await?)));
        }
        let now = self.time.as_ref().map_or_else(SystemTime::now, TimeSource::now);
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if let Some(secret) = &letter.sign {
            let signed = signature(&self.secret(secret).await?, &letter.id, seconds, &body)?;
            hidden.push(("webhook-signature", Token::new(&signed)));
        }
        let ask = Ask { url: letter.url.clone(), id: letter.id.clone(), seconds, body };
        let client = SharedHttpClient::new(Outside(bearing(http, hidden)));
        match self.operation(&letter.url, client).invoke(ask).await {
            Ok(answer) => {
                Ok(Reply::Answered { status: answer.status, retry_after: answer.retry_after, body: answer.body })
            }
            Err(error) => {
                let why = text::one_line(&reasons(&error), text::COMMENT);
                // Nobody is there by waiting.
                Ok(if inside(&error) { Reply::Forbidden(why) } else { Reply::Silent(why) })
            }
        }
    }

    async fn secret(&self, secret: &Secret) -> Result<String> {
        let Secret { secret: arn, key } = secret;
        let text = self.secrets.read(arn).await.map_err(|error| match error.code() {
            Some("ResourceNotFoundException") => {
                Kind::HookFailed.because(format!("There is no secret {arn}. Store it, or name another in the hook."))
            }
            _ => unreadable(called("secretsmanager:GetSecretValue", arn, &error)),
        })?;
        let value = match (text, key) {
            (Some(text), None) => Some(text),
            (Some(text), Some(key)) => serde_json::from_str::<Value>(&text)
                .ok()
                .and_then(|inside| inside.get(key).and_then(Value::as_str).map(str::to_owned)),
            (None, _) => None,
        };
        let value = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        value.ok_or_else(|| {
            let what = key.as_ref().map_or_else(|| "no text".to_owned(), |key| format!("no text under the key {key}"));
            Kind::HookFailed.because(format!("The secret {arn} holds {what}."))
        })
    }

    fn operation(&self, url: &str, http: SharedHttpClient) -> Operation<Ask, Heard, Never> {
        let (host, _) = parts(url);
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(ANSWER).read_timeout(ANSWER);
        let mut operation = Operation::builder()
            .service_name("hook")
            .operation_name("Post")
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(host)
            .no_auth()
            .no_retry()
            .http_client(http)
            .timeout_config(timeouts.build());
        if let Some(sleep) = self.sleep.clone() {
            operation = operation.sleep_impl(sleep);
        }
        if let Some(time) = self.time.clone() {
            operation = operation.time_source(time);
        }
        operation.serializer(|ask: Ask| ask.request()).deserializer(heard).build()
    }
}

/// A missing permission is the installation's, and so is what was asked of the secret.
fn unreadable(failure: Failure) -> Failure {
    match failure.kind {
        Kind::AccessDenied => Kind::AccessDenied
            .because(format!("{} Name the secret in the stack's parameter HookSecretArns.", failure.message)),
        _ => failure,
    }
}

/// `https://host:port` and what follows.
fn parts(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    url.split_at(end)
}

/// As Standard Webhooks has it: `v1,` and the HMAC of `ID.TIMESTAMP.BODY` in Base64. A key may be written as `whsec_…` in Base64.
fn signature(key: &str, id: &str, seconds: u64, body: &str) -> Result<String> {
    let key = match key.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| {
            Kind::HookFailed.because("The key that requests are to be signed with is no Base64 after whsec_.")
        })?,
        None => key.as_bytes().to_vec(),
    };
    // A key of any length will do.
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)
        .map_err(|_| Kind::HookFailed.because("The key that requests are to be signed with cannot be used."))?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// Whether the name has led to where nobody outside is.
fn inside(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(error) = source {
        if error.is::<NotPublic>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// A request, without what is secret.
struct Ask {
    url: String,
    id: String,
    seconds: u64,
    body: String,
}

impl fmt::Debug for Ask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ask").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Ask {
    fn request(&self) -> std::result::Result<HttpRequest, BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(self.body.as_str()));
        request.set_method("POST")?;
        let (_, path) = parts(&self.url);
        request.set_uri(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })?;
        for (name, value) in [
            ("content-type", "application/json".to_owned()),
            ("content-length", self.body.len().to_string()),
            ("user-agent", format!("crossfade/{}", env!("CARGO_PKG_VERSION"))),
            ("idempotency-key", self.id.clone()),
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", self.seconds.to_string()),
        ] {
            request.headers_mut().try_insert(name, value)?;
        }
        Ok(request)
    }
}

/// The beginning of an answer.
#[derive(Debug)]
struct Heard {
    status: u16,
    retry_after: Option<u32>,
    body: String,
}

/// Every status is an answer.
#[derive(Debug, thiserror::Error)]
#[error("never")]
struct Never;

fn heard(response: &HttpResponse) -> std::result::Result<Heard, OrchestratorError<Never>> {
    let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
    let retry_after = response.headers().get("retry-after").and_then(|seconds| seconds.trim().parse().ok());
    Ok(Heard { status: response.status().as_u16(), retry_after, body })
}

/// A client that reads no more of an answer than its beginning.
#[derive(Clone, Debug)]
struct Outside(SharedHttpClient);

impl HttpClient for Outside {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connection(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct Connection(SharedHttpConnector);

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let mut stream = ByteStream::new(answer.take_body());
            let mut body = Vec::new();
            while let Some(part) = stream.next().await {
                body.extend_from_slice(&part.map_err(|error| ConnectorError::io(error.into()))?);
                if body.len() >= BODY_BYTES {
                    body.truncate(BODY_BYTES);
                    break;
                }
            }
            *answer.body_mut() = SdkBody::from(body);
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g5_an_address_is_taken_apart() {
        let both = |url| parts(url);
        assert_eq!(both("https://a.example:8443/x?y=z"), ("https://a.example:8443", "/x?y=z"));
        assert_eq!(both("https://a.example?y"), ("https://a.example", "?y"));
        assert_eq!(both("https://a.example"), ("https://a.example", ""));
    }

    #[test]
    fn g5_requests_are_signed_as_standard_webhooks_has_it() {
        // The vector of the specification's own libraries.
        let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(signature("whsec_%", "a", 0, "").is_err());
        assert!(signature("plain", "a", 0, "").unwrap().starts_with("v1,"));
    }

    #[test]
    fn g5_what_is_secret_shows_nowhere() {
        let web = Web::new(&SdkConfig::builder().build(), None);
        let outside = Outside(bearing(crate::https(), vec![("authorization", Token::new("canary"))]));
        let shown = format!("{web:?} {outside:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    /// Serves one connection on loopback with this answer, and tells what came.
    async fn served(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/runs?suite=full", listener.local_addr().expect("it is bound"));
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody calls");
            let (mut heard, mut part) = (Vec::new(), [0; 4096]);
            while !String::from_utf8_lossy(&heard).contains("\"deployment\"") {
                match stream.read(&mut part).await.expect("it is sent") {
                    0 => break,
                    read => heard.extend_from_slice(&part[..read]),
                }
            }
            // Whoever has heard enough hangs up.
            let _ = stream.write_all(&answer).await;
            drop(stream);
            String::from_utf8_lossy(&heard).into_owned()
        });
        (url, served)
    }

    async fn posted(answer: Vec<u8>) -> (Reply, String) {
        use aws_smithy_async::rt::sleep::TokioSleep;
        use aws_smithy_async::time::SystemTimeSource;
        let (url, served) = served(answer).await;
        let config = SdkConfig::builder()
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(SystemTimeSource::new()))
            .build();
        // Without TLS and without the guard, for loopback; documents and stacks take neither.
        let web = Web::new(&config, Some(aws_smithy_http_client::Builder::new().build_http()));
        let body = serde_json::json!({ "deployment": "one" });
        let letter = Letter { url, id: "one/deploy/003/load".into(), authorization: None, sign: None, body };
        let reply = web.post(&letter).await.expect("there is no secret to be read");
        (reply, served.await.expect("it was served"))
    }

    #[tokio::test]
    async fn g5_a_real_server_gets_the_letter_and_is_heard() {
        let answer = "HTTP/1.1 429 Too Many\r\nretry-after: 7\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";
        let (reply, heard) = posted(answer.into()).await;
        assert_eq!(reply, Reply::Answered { status: 429, retry_after: Some(7), body: "busy".into() });
        for words in [
            "POST /runs?suite=full HTTP/1.1",
            "idempotency-key: one/deploy/003/load",
            "webhook-id: one/deploy/003/load",
            "webhook-timestamp: ",
            "content-type: application/json",
            r#"{"deployment":"one"}"#,
        ] {
            assert!(heard.contains(words), "{words}: {heard}");
        }
    }

    #[tokio::test]
    async fn g5_of_a_long_answer_the_beginning_is_read_and_nobody_is_followed() {
        let mut long = b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\nconnection: close\r\n\r\n".to_vec();
        long.extend(std::iter::repeat_n(b'x', 9_000_000));
        let (reply, _) = posted(long).await;
        let Reply::Answered { status: 200, body, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(body.len(), BODY_BYTES);
        // The address that it names does not exist, and would be no answer.
        let moved =
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let (reply, _) = posted(moved.into()).await;
        assert!(matches!(reply, Reply::Answered { status: 302, .. }), "{reply:?}");
    }

    #[tokio::test]
    async fn g5_whoever_hangs_up_has_said_nothing() {
        let (reply, _) = posted(Vec::new()).await;
        assert!(matches!(reply, Reply::Silent(_)), "{reply:?}");
    }
}
