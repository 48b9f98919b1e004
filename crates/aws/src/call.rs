//! One call to a service for which there is no SDK here: signed, retried and timed out by the SDKs' own runtime.
//!
//! What it owns: everything between a request's method, path, headers and body and the text of the answer; how the
//! protocols that are spoken write requests and say no. Configuration, credentials, signing, retries, timeouts and
//! transport are all taken from the [`SdkConfig`], so that it behaves as the SDKs do.
//!
//! What it must never do: know an operation, or grow into a second SDK.

mod bearer;
mod endpoint;
mod error;
mod json;
mod query;
mod xml;

use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor};
use aws_runtime::user_agent::UserAgentInterceptor;
use aws_smithy_runtime::client::http::connection_poisoning::ConnectionPoisoningInterceptor;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError, SensitiveOutput};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{FrozenLayer, Layer};
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::{SigningName, sdk_ua_metadata::FrameworkMetadata};

use crate::clients::{no_quota, timeouts};
use crate::patience::Patient;
use crate::refusal::reasons;

pub(crate) use bearer::{Token, bearing};
use endpoint::Endpoint;
pub(crate) use endpoint::host_of;
pub use error::{CallError, CallErrorKind};
pub(crate) use query::{Parameters, percent_encoded};
pub(crate) use xml::{Element, escaped};

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    /// As the SDKs call it, and with it the variable `AWS_ENDPOINT_URL_…`.
    pub(crate) id: &'static str,
    /// As its host and its signatures call it.
    pub(crate) name: &'static str,
    /// How it reads the requests, and says no.
    pub(crate) protocol: Protocol,
}

/// What is spoken with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Form fields in, XML out (AWS Query, EC2 Query).
    Query,
    /// AWS JSON 1.1.
    Json,
    /// REST and JSON: a path and JSON in, JSON out.
    Rest,
    /// S3's own: a path in, the object or XML out. It signs a path as it stands, and the body's hash with it.
    S3,
    /// Route 53's: a path in, and XML, XML out. There is one for all regions of a partition.
    Route53,
    /// Form fields in a query that somebody else has signed, XML out.
    Presigned,
    /// REST and JSON with a bearer token, of a service that is none of AWS's: its name is its host.
    Bearer,
}

/// One request.
pub(crate) struct Ask {
    operation: &'static str,
    method: &'static str,
    /// Percent-encoded.
    path: String,
    /// What stands before the host of the region's own endpoint.
    host_prefix: Option<String>,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// Whether it must not be made again when nobody knows whether it took effect.
    once: bool,
}

impl Ask {
    /// A request with a body.
    pub(crate) fn post(operation: &'static str, content_type: &str, body: String) -> Self {
        let headers = vec![("content-type", content_type.to_owned()), ("content-length", body.len().to_string())];
        Self { operation, method: "POST", path: "/".into(), host_prefix: None, headers, body, once: false }
    }

    /// A request without one, for this path, which is not encoded yet.
    pub(crate) fn get(operation: &'static str, path: &str) -> Self {
        let segments: Vec<String> = path.split('/').map(query::percent_encoded).collect();
        let path = segments.join("/");
        let (headers, body) = (Vec::new(), String::new());
        Self { operation, method: "GET", path, host_prefix: None, headers, body, once: false }
    }

    /// A request for a path with its query, both encoded already, with a body in JSON if there is one.
    pub(crate) fn rest(
        operation: &'static str,
        method: &'static str,
        path: String,
        body: Option<&serde_json::Value>,
    ) -> Self {
        let body = body.map_or_else(String::new, serde_json::Value::to_string);
        let headers = match body.is_empty() {
            true => Vec::new(),
            false => vec![("content-type", "application/json".to_owned()), ("content-length", body.len().to_string())],
        };
        Self { operation, method, path, host_prefix: None, headers, body, once: false }
    }

    /// A request for a path with a document in XML.
    pub(crate) fn xml(operation: &'static str, path: String, body: String) -> Self {
        Self { path, ..Self::post(operation, "text/xml", body) }
    }

    /// The same, made once, whatever becomes of it.
    pub(crate) fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// A request in AWS JSON 1.1. `target` is the service's name in it and the operation, such as `AmazonSSM.GetParameter`.
    pub(crate) fn json(operation: &'static str, target: &str, body: &serde_json::Value) -> Self {
        Self::post(operation, "application/x-amz-json-1.1", body.to_string()).with("x-amz-target", target)
    }

    /// The same with a header.
    pub(crate) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    /// The same to a host of its own, `PREFIX.HOST`, of the region's own endpoint.
    pub(crate) fn on_host(mut self, prefix: &str) -> Self {
        self.host_prefix = Some(prefix.to_owned());
        self
    }

    fn request(&self) -> Result<HttpRequest, BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(self.body.as_str()));
        request.set_method(self.method)?;
        request.set_uri(self.path.as_str())?;
        for (name, value) in &self.headers {
            request.headers_mut().try_insert(*name, value.clone())?;
        }
        Ok(request)
    }
}

impl fmt::Debug for Ask {
    /// The runtime logs inputs, and user data often holds secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ask").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// The text of a successful answer, and its headers.
pub(crate) struct Answer {
    text: String,
    headers: Headers,
}

/// How many more calls a service answers, and in how many seconds it answers more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) calls: u64,
    pub(crate) reset_seconds: u64,
}

impl Answer {
    /// How many more calls the service answers, where it says so.
    pub(crate) fn left(&self) -> Option<Left> {
        let number = |name: &str| self.header(name)?.parse().ok();
        let left = number("x-ratelimit-remaining").zip(number("x-ratelimit-reset"));
        left.map(|(calls, reset_seconds)| Left { calls, reset_seconds })
    }

    /// A header of it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// As it came.
    pub(crate) fn text(self) -> String {
        self.text
    }

    /// Which of the texts that stood in an object it is, in words.
    pub(crate) fn version(&self) -> Option<String> {
        let version = self.header("x-amz-version-id").map(|it| format!("version {it}"));
        version.or_else(|| self.header("etag").map(|it| format!("ETag {}", it.trim_matches('"'))))
    }

    /// Reads XML.
    pub(crate) fn read<T>(&self, reader: impl FnOnce(Element) -> Result<T, CallError>) -> Result<T, CallError> {
        xml::read(&self.text, reader).map_err(|error| error.with_status(200))
    }

    /// Reads JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value, CallError> {
        json::read(&self.text).map_err(|error| error.with_status(200))
    }
}

impl fmt::Debug for Answer {
    /// The runtime logs outputs, too, and a Terraform state holds every secret of what it describes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answer").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// What calls to one service are made with.
#[derive(Clone)]
pub(crate) struct Client {
    /// The configuration, or what is wrong with it.
    setup: Result<Arc<Setup>, String>,
}

struct Setup {
    service: &'static Service,
    config: SdkConfig,
    endpoint: Endpoint,
    layer: FrozenLayer,
    components: RuntimeComponentsBuilder,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.setup.as_ref().map(|setup| &setup.endpoint);
        formatter.debug_struct("Client").field("endpoint", &endpoint).finish_non_exhaustive()
    }
}

impl Client {
    /// A client with this configuration. What is missing in it (a region, credentials) shows with the first call.
    pub(crate) fn new(service: &'static Service, config: &SdkConfig) -> Self {
        Self { setup: Setup::new(service, config).map(Arc::new) }
    }

    /// Whether the service is somewhere else than where AWS has it, such as an emulator.
    pub(crate) fn is_redirected(&self) -> bool {
        self.setup.as_ref().is_ok_and(|setup| setup.endpoint.configured)
    }

    /// Makes one call, with the configuration's retries.
    pub(crate) async fn call(&self, ask: Ask) -> Result<Answer, CallError> {
        let setup = self.setup.as_ref().map_err(|problem| CallError::no_answer(problem.clone()))?;
        setup.make(ask, setup.config.http_client()).await
    }

    /// The same with a token, which only the connection sees.
    pub(crate) async fn call_bearing(&self, ask: Ask, token: &Token) -> Result<Answer, CallError> {
        let setup = self.setup.as_ref().map_err(|problem| CallError::no_answer(problem.clone()))?;
        setup
            .make(
                ask,
                setup.config.http_client().map(|inner| bearing(inner, vec![("authorization", token.authorization())])),
            )
            .await
    }
}

impl Setup {
    async fn make(&self, ask: Ask, http: Option<SharedHttpClient>) -> Result<Answer, CallError> {
        match self.operation(&ask, http).invoke(ask).await {
            Ok(answer) => Ok(answer),
            Err(SdkError::ServiceError(error)) => Err(error.into_err()),
            Err(error) => Err(CallError::no_answer(reasons(&error))),
        }
    }
}

impl Setup {
    fn new(service: &'static Service, config: &SdkConfig) -> Result<Self, String> {
        let Service { id, name, protocol } = *service;
        let endpoint = endpoint::of(service, config)?;
        if protocol == Protocol::Bearer || protocol == Protocol::Presigned {
            let mut layer = Layer::new(name);
            layer.store_put(no_quota());
            layer.store_put(SensitiveOutput);
            let components = RuntimeComponentsBuilder::new(name);
            return Ok(Self { service, config: config.clone(), endpoint, layer: layer.freeze(), components });
        }
        let region = config.region().cloned();
        let region = region.ok_or_else(|| format!("{id} needs a region: set one, such as eu-west-1"))?;
        let credentials: SharedCredentialsProvider = config
            .credentials_provider()
            .ok_or_else(|| format!("{id} needs credentials: the configuration has no provider of them"))?;

        let mut signing_options = SigningOptions::default();
        if protocol == Protocol::S3 {
            signing_options.double_uri_encode = false;
            signing_options.normalize_uri_path = false;
            signing_options.content_sha256_header = true;
        }
        let mut layer = Layer::new(name);
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        layer.store_put(no_quota());
        // Answers hold tokens, user data, and all that a Terraform state knows: the runtime must not write them to its log.
        layer.store_put(SensitiveOutput);
        layer.store_put(SigV4OperationSigningConfig {
            region: Some(endpoint::signing_region(service, region)),
            name: Some(SigningName::from_static(name)),
            signing_options,
            ..Default::default()
        });
        layer.store_put(aws_runtime::user_agent::ApiMetadata::new(name, env!("CARGO_PKG_VERSION")));
        if let Some(name) = config.app_name() {
            layer.store_put(name.clone());
        }
        for framework in config.framework_metadata() {
            layer.store_append::<FrameworkMetadata>(framework.clone());
        }

        let mut components = RuntimeComponentsBuilder::new(name);
        let schemes = StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]);
        components.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(schemes)));
        components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
        components.set_identity_resolver(SCHEME_ID, credentials);
        // One for all calls: credentials are not to be fetched for each of them.
        let mut cache = IdentityCache::lazy();
        cache = config.time_source().into_iter().fold(cache, |cache, time| cache.time_source(time));
        cache = config.sleep_impl().into_iter().fold(cache, |cache, sleep| cache.sleep_impl(sleep));
        components.set_identity_cache(Some(config.identity_cache().unwrap_or_else(|| cache.build())));
        Ok(Self { service, config: config.clone(), endpoint, layer: layer.freeze(), components })
    }

    fn operation(&self, ask: &Ask, http: Option<SharedHttpClient>) -> Operation<Ask, Answer, CallError> {
        let (config, protocol) = (&self.config, self.service.protocol);
        let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        let mut operation = Operation::builder()
            .service_name(self.service.id)
            .operation_name(ask.operation)
            .behavior_version(config.behavior_version().unwrap_or_else(BehaviorVersion::latest))
            .endpoint_url(&self.endpoint.url(ask.host_prefix.as_deref()))
            .standard_retry(&retries)
            .retry_classifier(TransientErrorClassifier::<CallError>::new())
            .retry_classifier(AwsErrorCodeClassifier::<CallError>::new())
            .retry_classifier(ServiceClockSkewClassifier::<CallError>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .interceptor(ConnectionPoisoningInterceptor::new());
        operation = match protocol {
            Protocol::Bearer | Protocol::Presigned => operation.no_auth(),
            Protocol::Query | Protocol::Json | Protocol::Rest | Protocol::S3 | Protocol::Route53 => operation
                .interceptor(ServiceClockSkewInterceptor::new())
                .interceptor(aws_runtime::request_info::RequestInfoInterceptor::new())
                .interceptor(UserAgentInterceptor::new())
                .interceptor(Patient)
                .interceptor(aws_runtime::invocation_id::InvocationIdInterceptor::new())
                .interceptor(aws_runtime::recursion_detection::RecursionDetectionInterceptor::new()),
        };
        if ask.once {
            operation = operation.no_retry();
        }
        if let Some(http) = http {
            operation = operation.http_client(http);
        }
        operation = operation.timeout_config(timeouts(config));
        if let Some(sleep) = config.sleep_impl() {
            operation = operation.sleep_impl(sleep);
        }
        if let Some(time) = config.time_source() {
            operation = operation.time_source(time);
        }
        if let Some(protection) = config.stalled_stream_protection() {
            operation = operation.stalled_stream_protection(protection);
        }
        let own =
            StaticRuntimePlugin::new().with_config(self.layer.clone()).with_runtime_components(self.components.clone());
        operation
            .runtime_plugin(own)
            .serializer(|ask: Ask| ask.request())
            .deserializer(move |response| answer(protocol, response))
            .build()
    }
}

fn answer(protocol: Protocol, response: &HttpResponse) -> Result<Answer, OrchestratorError<CallError>> {
    let status = response.status().as_u16();
    let body = response.body().bytes().unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    if response.status().is_success() {
        return Ok(Answer { text: text.into_owned(), headers: response.headers().clone() });
    }
    Err(OrchestratorError::operation(match protocol {
        Protocol::Json => json::error(status, &text),
        Protocol::Rest => json::rest_error(status, response.headers().get("x-amzn-errortype"), &text),
        Protocol::Query | Protocol::Presigned | Protocol::S3 | Protocol::Route53 => xml::error(status, &text),
        Protocol::Bearer => bearer::error(status, response, &text),
    }))
}
