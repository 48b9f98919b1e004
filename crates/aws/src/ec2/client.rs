//! One call to EC2: the Query protocol on the SDKs' own runtime.
//!
//! It owns everything between a list of parameters and the text of an answer, and knows no operation.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor};
use aws_runtime::user_agent::UserAgentInterceptor;
use aws_smithy_runtime::client::http::connection_poisoning::ConnectionPoisoningInterceptor;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::RetryPartition;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{FrozenLayer, Layer};
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::SigningRegion;
use aws_types::{SigningName, sdk_ua_metadata::FrameworkMetadata};

use crate::refusal::reasons;

use super::xml::{self, Element};
use super::{Ec2Error, endpoint};

/// The version of EC2's API (its service model).
const VERSION: &str = "2016-11-15";

/// The parameters of one call.
#[derive(Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Adds a parameter.
    pub(super) fn put(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a parameter that has a value.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl ToString>) -> &mut Self {
        if let Some(value) = value {
            self.put(name, value);
        }
        self
    }

    /// Adds a list: `Name.1`, `Name.2`, …
    pub(super) fn list(&mut self, name: &str, values: &[impl ToString]) -> &mut Self {
        for (n, value) in (1..).zip(values) {
            self.put(&format!("{name}.{n}"), value.to_string());
        }
        self
    }

    fn encode(&self, action: &str) -> String {
        let mut body = format!("Action={action}&Version={VERSION}");
        for (name, value) in &self.0 {
            body.push('&');
            percent_encode(name, &mut body);
            body.push('=');
            percent_encode(value, &mut body);
        }
        body
    }
}

impl fmt::Debug for Parameters {
    /// Names only: the runtime logs inputs, and user data often holds secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The text of a successful answer.
#[derive(Debug)]
pub(super) struct Answer(String);

impl Answer {
    /// Reads it.
    pub(super) fn read<T>(&self, reader: impl FnOnce(Element) -> Result<T, Ec2Error>) -> Result<T, Ec2Error> {
        xml::read(&self.0, reader).map_err(|error| error.with_status(200))
    }
}

/// What calls are made with.
#[derive(Clone)]
pub(super) struct Client {
    /// The configuration, or what is wrong with it.
    setup: Result<Arc<Setup>, String>,
}

struct Setup {
    config: SdkConfig,
    endpoint: String,
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
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { setup: Setup::new(config).map(Arc::new) }
    }

    /// Makes one call, with the configuration's retries.
    pub(super) async fn call(&self, action: &'static str, parameters: Parameters) -> Result<Answer, Ec2Error> {
        let setup = self.setup.as_ref().map_err(|problem| Ec2Error::no_answer(problem.clone()))?;
        match setup.operation(action).invoke(parameters).await {
            Ok(answer) => Ok(answer),
            Err(SdkError::ServiceError(error)) => Err(error.into_err()),
            Err(error) => Err(Ec2Error::no_answer(reasons(&error))),
        }
    }
}

impl Setup {
    fn new(config: &SdkConfig) -> Result<Self, String> {
        let endpoint = endpoint::url(config)?;
        let region = config.region().cloned().ok_or("EC2 needs a region: set one, such as eu-west-1")?;
        let credentials: SharedCredentialsProvider =
            config.credentials_provider().ok_or("EC2 needs credentials: the configuration has no provider of them")?;

        let mut layer = Layer::new("ec2");
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        // As in the SDKs: one quota of retries per service and region.
        layer.store_put(RetryPartition::new(format!("ec2-{region}")));
        layer.store_put(SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(region)),
            name: Some(SigningName::from_static("ec2")),
            ..Default::default()
        });
        layer.store_put(aws_runtime::user_agent::ApiMetadata::new("ec2", env!("CARGO_PKG_VERSION")));
        if let Some(name) = config.app_name() {
            layer.store_put(name.clone());
        }
        for framework in config.framework_metadata() {
            layer.store_append::<FrameworkMetadata>(framework.clone());
        }

        let mut components = RuntimeComponentsBuilder::new("ec2");
        let schemes = StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]);
        components.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(schemes)));
        components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
        components.set_identity_resolver(SCHEME_ID, credentials);
        // One for all calls: credentials are not to be fetched for each of them.
        let mut cache = IdentityCache::lazy();
        cache = config.time_source().into_iter().fold(cache, |cache, time| cache.time_source(time));
        cache = config.sleep_impl().into_iter().fold(cache, |cache, sleep| cache.sleep_impl(sleep));
        components.set_identity_cache(Some(config.identity_cache().unwrap_or_else(|| cache.build())));
        Ok(Self { config: config.clone(), endpoint, layer: layer.freeze(), components })
    }

    fn operation(&self, action: &'static str) -> Operation<Parameters, Answer, Ec2Error> {
        let config = &self.config;
        let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        let mut operation = Operation::builder()
            .service_name("EC2")
            .operation_name(action)
            .behavior_version(config.behavior_version().unwrap_or_else(BehaviorVersion::latest))
            .endpoint_url(&self.endpoint)
            .standard_retry(&retries)
            .retry_classifier(TransientErrorClassifier::<Ec2Error>::new())
            .retry_classifier(AwsErrorCodeClassifier::<Ec2Error>::new())
            .retry_classifier(ServiceClockSkewClassifier::<Ec2Error>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .interceptor(ConnectionPoisoningInterceptor::new())
            .interceptor(ServiceClockSkewInterceptor::new())
            .interceptor(aws_runtime::request_info::RequestInfoInterceptor::new())
            .interceptor(UserAgentInterceptor::new())
            .interceptor(aws_runtime::invocation_id::InvocationIdInterceptor::new())
            .interceptor(aws_runtime::recursion_detection::RecursionDetectionInterceptor::new());
        if let Some(http) = config.http_client() {
            operation = operation.http_client(http);
        }
        if let Some(timeouts) = config.timeout_config() {
            operation = operation.timeout_config(timeouts.clone());
        }
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
            .serializer(move |parameters: Parameters| request(action, &parameters))
            .deserializer(answer)
            .build()
    }
}

fn request(action: &str, parameters: &Parameters) -> Result<HttpRequest, BoxError> {
    let body = parameters.encode(action);
    let mut request = HttpRequest::new(SdkBody::from(body.as_str()));
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().try_insert("content-type", "application/x-www-form-urlencoded")?;
    request.headers_mut().try_insert("content-length", body.len().to_string())?;
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<Answer, OrchestratorError<Ec2Error>> {
    let status = response.status().as_u16();
    let body = response.body().bytes().unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    if response.status().is_success() {
        Ok(Answer(text.into_owned()))
    } else {
        Err(OrchestratorError::operation(xml::error(status, &text)))
    }
}

/// Everything but letters, digits and `-_.~` (RFC 3986), so that `+` and spaces cannot be mistaken for each other.
fn percent_encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}
