//! What is wrong with a definition, and where.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Not ASL, or not of the subset: the definition cannot run.
    Refused,
    /// It would run, but breaks a rule of [`crate::lint`].
    Lint,
}

/// One thing that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The stable name of the rule, such as `unknown-field`.
    pub rule: &'static str,
    /// Where: a JSON pointer (RFC 6901) into the definition, empty for the whole.
    pub pointer: String,
    /// What is wrong and what would be right, for a human.
    pub message: String,
    /// Whether the definition is refused or only frowned upon.
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{place}: {} [{}]", self.message, self.rule)
    }
}

/// The problems found so far; parsing goes on after the first.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    pub(crate) fn refuse(&mut self, rule: &'static str, pointer: &str, message: impl Into<String>) {
        self.0.push(Problem {
            rule,
            pointer: pointer.to_owned(),
            message: message.into(),
            severity: Severity::Refused,
        });
    }
}

/// `pointer` extended by one key, escaped as RFC 6901 says.
pub(crate) fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}
