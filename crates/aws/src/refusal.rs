//! What AWS's errors mean here: from an SDK error to a kind and a message that a person can act on.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use crossfade_core::{Failure, Kind, text};

use crate::call::CallError;

/// The failure that an unsuccessful call means. `call` is the action by its IAM name, such as
/// `autoscaling:UpdateAutoScalingGroup`, `on` the resource.
pub(crate) fn refusal<E>(call: &str, on: &str, error: SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
    match (error.code(), error.message()) {
        (Some(code), message) => from_code(call, on, code, message.unwrap_or("no message"), status),
        (None, _) => no_answer(call, on, &reasons(&error)),
    }
}

/// The same for a call that no SDK makes.
pub(crate) fn called(call: &str, on: &str, error: &CallError) -> Failure {
    match error.code() {
        Some(code) => from_code(call, on, code, error.message(), error.status()),
        None => no_answer(call, on, error.message()),
    }
}

/// The failure that this error code means.
pub(crate) fn from_code(call: &str, on: &str, code: &str, message: &str, status: u16) -> Failure {
    let kind = match code {
        // Of the state table, which nothing here would ever make again.
        "ResourceNotFoundException" if call.starts_with("dynamodb:") => Kind::RecordMissing,
        _ => kind_of(code, message, status),
    };
    let advice = match kind {
        Kind::AccessDenied => format!(" Allow {call} on it in the caller's role."),
        Kind::RecordMissing => {
            format!(" There is no table {on} in this account and region: it was deleted, or is another one.")
        }
        Kind::QuotaExceeded => " Raise the quota or delete what is no longer needed.".into(),
        _ => String::new(),
    };
    // What AWS says may repeat what somebody wrote, at any length.
    let (code, message) = (text::one_line(code, text::WHO), text::one_line(message, text::COMMENT));
    let on = text::cut(on, text::COMMENT);
    kind.because(format!("{call} on {on} was refused with {code}: {message}.{advice}").replace("..", "."))
}

/// The failure that the lack of any answer means. Whether the call took effect is unknown.
pub(crate) fn no_answer(call: &str, on: &str, reasons: &str) -> Failure {
    Kind::ServiceUnavailable.because(format!("{call} on {on} got no answer: {reasons}."))
}

/// Codes that ask to slow down. They differ between the services (and between a service's protocols).
const THROTTLES: &[&str] = &[
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "RequestThrottled",
    "RequestThrottledException",
    "PriorRequestNotComplete",
    "SlowDown",
    "BandwidthLimitExceeded",
];

/// Whether a code asks to slow down.
pub(crate) fn is_throttle(code: &str) -> bool {
    code.starts_with("Throttl") || THROTTLES.contains(&code)
}

fn kind_of(code: &str, message: &str, status: u16) -> Kind {
    let is = |codes: &[&str]| codes.contains(&code);
    if is_throttle(code) {
        Kind::Throttled
    } else if code.starts_with("AccessDenied") || is(&["UnauthorizedOperation", "AuthorizationError", "NotAuthorized"])
    {
        Kind::AccessDenied
    } else if status >= 500 || is(&["ResourceContention", "InternalFailure", "ServiceUnavailable", "HealthUnavailable"])
    {
        Kind::ServiceUnavailable
    } else if is(&["LimitExceeded", "LimitExceededException"])
        || code.contains("LimitExceeded")
        || code.starts_with("TooMany")
    {
        Kind::QuotaExceeded
    } else if code == "ValidationError" && fresh_dependency(message) {
        Kind::ServiceUnavailable
    } else {
        Kind::RequestRefused
    }
}

/// P69: something just created is not yet visible to Auto Scaling: the launch template or its version, or an instance profile. The
/// state machine's bounded retry gets past it; if the dependency really is wrong, the last attempt's message still says so. What
/// else is wrong with a launch template, such as its image, or a hook's topic, does not come by trying again.
fn fresh_dependency(message: &str) -> bool {
    let template = message.split_once("fully-formed launch template").map_or("", |(_, why)| why);
    let fresh = ["launch template", "iamInstanceProfile"].iter().any(|it| template.contains(it));
    fresh || message.contains("Invalid IAM Instance Profile")
}

/// An error and all its sources, in one line.
pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str, message: &str, status: u16) -> Kind {
        from_code("autoscaling:UpdateAutoScalingGroup", "shop__7", code, message, status).kind
    }

    #[test]
    fn codes_of_every_service_have_their_kind() {
        assert_eq!(kind("Throttling", "Rate exceeded", 400), Kind::Throttled);
        assert_eq!(kind("ThrottlingException", "Rate exceeded", 400), Kind::Throttled);
        assert_eq!(kind("RequestLimitExceeded", "Request limit exceeded.", 503), Kind::Throttled);
        assert_eq!(kind("ResourceContention", "pending update", 500), Kind::ServiceUnavailable);
        assert_eq!(kind("HealthUnavailable", "", 500), Kind::ServiceUnavailable);
        assert_eq!(kind("AccessDenied", "", 403), Kind::AccessDenied);
        assert_eq!(kind("UnauthorizedOperation", "", 403), Kind::AccessDenied);
        assert_eq!(kind("LimitExceeded", "", 400), Kind::QuotaExceeded);
        assert_eq!(kind("VersionLimitExceeded", "", 400), Kind::QuotaExceeded);
        assert_eq!(kind("ValidationError", "AutoScalingGroup name not found", 400), Kind::RequestRefused);
    }

    #[test]
    fn p69_a_dependency_that_is_not_visible_yet_is_transient() {
        let message = "You must use a valid fully-formed launch template. Value (x) for parameter iamInstanceProfile";
        assert_eq!(kind("ValidationError", message, 400), Kind::ServiceUnavailable);
    }

    #[test]
    fn p69_what_does_not_come_by_trying_again_is_refused_at_once() {
        let template = |why: &str| format!("You must use a valid fully-formed launch template. {why}");
        let fresh = "Could not find launch template version 7 for the launch template lt-1.";
        assert_eq!(kind("ValidationError", &template(fresh), 400), Kind::ServiceUnavailable);
        for message in [
            template("The image id '[ami-0a11ce00000000007]' does not exist"),
            template("The request must contain the parameter ImageId"),
            "Unable to publish test message to notification target arn:aws:sns:x using IAM role arn:aws:iam::x.".into(),
        ] {
            assert_eq!(kind("ValidationError", &message, 400), Kind::RequestRefused, "{message}");
        }
    }

    #[test]
    fn a_table_that_is_gone_does_not_come_back_by_trying_again() {
        let gone = |call: &str| from_code(call, "crossfade", "ResourceNotFoundException", "Not found", 400);
        assert_eq!(gone("dynamodb:GetItem").kind, Kind::RecordMissing);
        assert!(gone("dynamodb:GetItem").message.contains("There is no table crossfade"));
        assert_eq!(gone("lambda:InvokeFunction").kind, Kind::RequestRefused);
    }

    #[test]
    fn a_missing_permission_is_named() {
        let failure = from_code("autoscaling:UpdateAutoScalingGroup", "shop__7", "AccessDenied", "no", 403);
        assert!(failure.message.contains("Allow autoscaling:UpdateAutoScalingGroup"), "{failure}");
    }
}
