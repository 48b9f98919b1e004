//! How a call fails.

use std::fmt;

use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What a failure comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallErrorKind {
    /// What was asked for does not exist (or not yet: EC2, for one, is eventually consistent).
    NotFound,
    /// Too many calls, even after the retries.
    Throttled,
    /// The service could not answer (HTTP 5xx), even after the retries.
    Unavailable,
    /// The service refused the request.
    Refused,
    /// No answer came, so nobody knows whether the call took effect; or the configuration did not let it be made.
    NoAnswer,
    /// The service answered something that cannot be read.
    Unreadable,
}

/// A failed call.
#[derive(Clone, Debug)]
pub struct CallError {
    kind: CallErrorKind,
    status: u16,
    /// Code, message and request id; boxed, because errors travel through every result.
    meta: Box<ErrorMetadata>,
}

/// Codes that mean that something does not exist, apart from those that end in `NotFound` (EC2 and S3 error codes).
const NOT_FOUND: &[&str] = &[
    "InvalidAMIID.Malformed",
    "InvalidAMIID.Unavailable",
    "InvalidInstanceType",
    "InvalidLaunchTemplateId.Malformed",
    "InvalidLaunchTemplateId.VersionNotFound",
    "InvalidLaunchTemplateName.NotFoundException",
    "NoSuchBucket",
    "NoSuchKey",
];

impl CallError {
    /// What the failure comes to.
    pub fn kind(&self) -> CallErrorKind {
        self.kind
    }

    /// The service's error code, such as `InvalidAMIID.NotFound`; none when no readable answer came.
    pub fn code(&self) -> Option<&str> {
        self.meta.code()
    }

    /// What the service, or the transport, says about it.
    pub fn message(&self) -> &str {
        self.meta.message().unwrap_or_default()
    }

    /// The HTTP status of the answer, 0 without one.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The request's id, for AWS support.
    pub fn request_id(&self) -> Option<&str> {
        self.meta.extra("request_id")
    }

    /// After how many seconds the service wants to be asked again, as far as it has said.
    pub(crate) fn reset_seconds(&self) -> Option<u64> {
        self.meta.extra("reset_seconds")?.parse().ok()
    }

    /// An error answer that says so.
    pub(super) fn too_many(status: u16, message: String, reset_seconds: Option<&str>) -> Self {
        let mut meta = ErrorMetadata::builder().code("TooManyRequests").message(message);
        if let Some(seconds) = reset_seconds {
            meta = meta.custom("reset_seconds", seconds.to_owned());
        }
        Self { kind: CallErrorKind::Throttled, status, meta: Box::new(meta.build()) }
    }

    /// Whether what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == CallErrorKind::NotFound
    }

    /// An error answer.
    pub(crate) fn refused(status: u16, code: &str, message: String, request_id: Option<&str>) -> Self {
        let kind = if code.ends_with("NotFound") || NOT_FOUND.contains(&code) {
            CallErrorKind::NotFound
        } else if aws_runtime::retries::classifiers::THROTTLING_ERRORS.contains(&code) {
            CallErrorKind::Throttled
        } else if status >= 500 {
            CallErrorKind::Unavailable
        } else {
            CallErrorKind::Refused
        };
        let mut meta = ErrorMetadata::builder().code(code).message(message);
        if let Some(id) = request_id {
            meta = meta.custom("request_id", id.to_owned());
        }
        Self { kind, status, meta: Box::new(meta.build()) }
    }

    /// The service answered well, and without what was asked for.
    pub(crate) fn not_found(code: &str, message: String) -> Self {
        Self { kind: CallErrorKind::NotFound, ..Self::refused(200, code, message, None) }
    }

    /// No answer came.
    pub(super) fn no_answer(message: String) -> Self {
        let meta = ErrorMetadata::builder().message(message).build();
        Self { kind: CallErrorKind::NoAnswer, status: 0, meta: Box::new(meta) }
    }

    /// The answer makes no sense.
    pub(crate) fn unreadable(message: String) -> Self {
        Self { kind: CallErrorKind::Unreadable, ..Self::no_answer(message) }
    }

    /// An error answer in which nobody finds the error: a proxy's page, most likely.
    pub(super) fn without_code(status: u16) -> Self {
        Self::unreadable(format!("HTTP status {status}, and no error in it that can be read")).with_status(status)
    }

    /// The same with the status of the answer.
    pub(super) fn with_status(self, status: u16) -> Self {
        let kind = if status >= 500 { CallErrorKind::Unavailable } else { self.kind };
        Self { status, kind, ..self }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code() {
            Some(code) => write!(formatter, "{code}: {}", self.message()),
            None => formatter.write_str(self.message()),
        }
    }
}

impl std::error::Error for CallError {}

impl ProvideErrorMetadata for CallError {
    fn meta(&self) -> &ErrorMetadata {
        &self.meta
    }
}
