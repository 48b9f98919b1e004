//! How the account says no.

/// An API error: what AWS would answer, with its HTTP status, code and text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Error code.
    pub code: String,
    /// Error message.
    pub message: String,
}

impl Refusal {
    /// Any error.
    pub fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned() }
    }

    /// A `ValidationError`.
    pub fn validation(message: &str) -> Self {
        Self::new(400, "ValidationError", message)
    }

    /// What AWS can do and the model cannot. The status is one that no SDK retries.
    pub fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", &format!("The simulated account does not model {what}."))
    }
}
