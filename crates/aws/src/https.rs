//! The one HTTPS client.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// A client for all of AWS's services, to be given to the configuration: without one, no call is made.
///
/// Its cryptography is ring's and not that of AWS-LC, the SDK's default (decision 17).
pub fn https() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// A client for the world outside: it connects to public addresses alone, to those that it has looked at.
///
/// It follows nobody elsewhere, and knows no proxy.
pub fn guarded_https() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_with_resolver(guard::PublicOnly)
}

mod guard;
pub(crate) use guard::NotPublic;
