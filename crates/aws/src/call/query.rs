//! The parameters of the Query protocols.

use std::fmt;

use super::Ask;

/// The parameters of one call.
#[derive(Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Adds a parameter.
    pub(crate) fn put(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a parameter that has a value.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl ToString>) -> &mut Self {
        if let Some(value) = value {
            self.put(name, value);
        }
        self
    }

    /// Adds a list: `Name.1`, `Name.2`, …
    pub(crate) fn list(&mut self, name: &str, values: &[impl ToString]) -> &mut Self {
        for (n, value) in (1..).zip(values) {
            self.put(&format!("{name}.{n}"), value.to_string());
        }
        self
    }

    /// The request for this action of this version of an API.
    pub(crate) fn ask(&self, action: &'static str, version: &str) -> Ask {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in &self.0 {
            body.push_str(&format!("&{}={}", percent_encoded(name), percent_encoded(value)));
        }
        Ask::post(action, "application/x-www-form-urlencoded", body)
    }
}

impl fmt::Debug for Parameters {
    /// Names only: user data often holds secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Everything but letters, digits and `-_.~` (RFC 3986), so that `+` and spaces cannot be mistaken for each other.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
