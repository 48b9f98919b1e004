//! Error names, and which of them a Retry or Catch answers.

/// The error names that Step Functions itself uses.
pub mod names {
    /// Wildcard: every error except [`DATA_LIMIT_EXCEEDED`] and [`RUNTIME`].
    pub const ALL: &str = "States.ALL";
    /// Wildcard for a Task: every error but [`TIMEOUT`] (and what [`ALL`] misses).
    pub const TASK_FAILED: &str = "States.TaskFailed";
    /// A Task ran longer than its TimeoutSeconds. As a pattern it also answers [`HEARTBEAT_TIMEOUT`].
    pub const TIMEOUT: &str = "States.Timeout";
    /// No heartbeat came for HeartbeatSeconds.
    pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
    /// A payload was larger than [`crate::PAYLOAD_LIMIT`].
    pub const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
    /// The definition met an input it cannot handle; ends the execution, whatever Catch says.
    pub const RUNTIME: &str = "States.Runtime";
    /// What a Lambda function that ran out of time or memory, or whose process died, reports.
    pub const LAMBDA_UNKNOWN: &str = "Lambda.Unknown";
}

/// The most characters of a cause that AWS keeps.
pub(crate) const CAUSE_LIMIT: usize = 32_768;

/// Why a Task failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    /// The error's name: what ErrorEquals is compared with.
    pub error: String,
    /// Details for a human; for a Lambda function's own error the JSON text of its error answer.
    pub cause: String,
}

impl TaskError {
    /// An error with its cause.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into() }
    }

    /// How a Lambda function's own error surfaces in Step Functions: its `errorType` is the error's name and the
    /// function's answer, as JSON text, the cause.
    pub fn function(error_type: &str, error_message: &str) -> Self {
        let cause = serde_json::json!({ "errorMessage": error_message, "errorType": error_type });
        Self::new(error_type, cause.to_string())
    }

    /// The cause cut to what AWS keeps.
    pub(crate) fn bounded(mut self) -> Self {
        if let Some((end, _)) = self.cause.char_indices().nth(CAUSE_LIMIT) {
            self.cause.truncate(end);
        }
        self
    }
}

/// Whether a list of ErrorEquals answers `error`.
pub(crate) fn answers(error_equals: &[String], error: &str) -> bool {
    error_equals.iter().any(|pattern| match (pattern.as_str(), error) {
        (_, names::RUNTIME) => false,
        (pattern, error) if pattern == error => true,
        (names::ALL, error) => error != names::DATA_LIMIT_EXCEEDED,
        (names::TASK_FAILED, error) => error != names::TIMEOUT && error != names::DATA_LIMIT_EXCEEDED,
        (names::TIMEOUT, error) => error == names::HEARTBEAT_TIMEOUT,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_answer_what_aws_says() {
        let answers = |pattern: &str, error: &str| answers(&[pattern.to_owned()], error);
        for (pattern, error, expected) in [
            ("Custom", "Custom", true),
            ("Custom", "Customs", false),
            (names::ALL, "Custom", true),
            (names::ALL, names::TIMEOUT, true),
            (names::ALL, names::RUNTIME, false),
            (names::RUNTIME, names::RUNTIME, false),
            (names::ALL, names::DATA_LIMIT_EXCEEDED, false),
            (names::DATA_LIMIT_EXCEEDED, names::DATA_LIMIT_EXCEEDED, true),
            (names::TASK_FAILED, "Custom", true),
            (names::TASK_FAILED, names::TIMEOUT, false),
            (names::TASK_FAILED, names::HEARTBEAT_TIMEOUT, true),
            (names::TASK_FAILED, names::DATA_LIMIT_EXCEEDED, false),
            (names::TIMEOUT, names::TIMEOUT, true),
            (names::TIMEOUT, names::HEARTBEAT_TIMEOUT, true),
            (names::TIMEOUT, "Custom", false),
        ] {
            assert_eq!(answers(pattern, error), expected, "{pattern} on {error}");
        }
    }

    #[test]
    fn a_cause_is_cut_at_a_character() {
        let long = TaskError::new("E", "é".repeat(CAUSE_LIMIT + 1)).bounded();
        assert_eq!(long.cause.chars().count(), CAUSE_LIMIT);
    }
}
