//! What users have beside: Lambda functions of their own, and endpoints outside the account. Each is a script that whoever sets the
//! account up gives, and everything that comes to one is kept.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::lambda::Invocation;

/// What came to a function or an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
    /// The function, by name, or the endpoint's address.
    pub to: String,
    /// The headers of a request to an endpoint, in small letters.
    pub headers: BTreeMap<String, String>,
    /// The payload.
    pub body: Value,
}

/// An endpoint's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header Retry-After.
    pub retry_after: Option<u32>,
    /// The body.
    pub body: String,
}

type Function = Box<dyn FnMut(&Value) -> (Duration, Invocation) + Send>;
type Endpoint = Box<dyn FnMut(&Heard) -> Option<Answer> + Send>;

/// The functions and endpoints.
#[derive(Default)]
pub struct Callables {
    functions: BTreeMap<String, Function>,
    endpoints: BTreeMap<String, Endpoint>,
    heard: Vec<Heard>,
}

impl fmt::Debug for Callables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.functions.keys().chain(self.endpoints.keys());
        formatter.debug_list().entries(names).finish()
    }
}

impl Callables {
    /// Puts a function there, by its name. It answers with what the script says, after as long as that says.
    pub fn function(&mut self, name: &str, script: impl FnMut(&Value) -> (Duration, Invocation) + Send + 'static) {
        self.functions.insert(name.to_owned(), Box::new(script));
    }

    /// Puts a host outside, by its name. It answers with what the script says; when that is nothing, the connection breaks.
    pub fn endpoint(&mut self, host: &str, script: impl FnMut(&Heard) -> Option<Answer> + Send + 'static) {
        self.endpoints.insert(host.to_owned(), Box::new(script));
    }

    /// Everything that has come, in order.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.clone()
    }

    /// Whether there is such a function.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// Invokes a function, if it is there.
    pub(crate) fn invoke(&mut self, name: &str, payload: &Value, at_millis: u64) -> Option<(Duration, Invocation)> {
        let function = self.functions.get_mut(name)?;
        let (to, headers, body) = (name.to_owned(), BTreeMap::new(), payload.clone());
        self.heard.push(Heard { at_millis, to, headers, body });
        Some(function(payload))
    }

    /// Whether there is such a host.
    pub(crate) fn serves(&self, host: &str) -> bool {
        self.endpoints.contains_key(host)
    }

    /// Gives a host a request.
    pub(crate) fn receive(&mut self, host: &str, heard: Heard) -> Option<Answer> {
        self.heard.push(heard.clone());
        self.endpoints.get_mut(host).and_then(|endpoint| endpoint(&heard))
    }
}
