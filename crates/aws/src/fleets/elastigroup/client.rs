//! Calls to Spot: with the account's token, within its rate limits, and with its words for what went wrong.
//!
//! What it owns: what happens when Spot refuses the token, or asks to slow down. Answers stay as the API spells them.
//!
//! What it must never do: show the token, or make a call again that makes a group.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_types::SdkConfig;
use crossfade_core::{Failure, Kind, text};
use serde_json::Value;

use super::tokens::Tokens;
use crate::call::{self, Answer, Ask, CallError, Protocol, Service};
use crate::clients::Lazy;
use crate::ec2::Ec2;
use crate::fleets::asg::LaunchSources;
use crate::pools::Pools;

const SPOT: Service = Service { id: "Spot", name: "api.spotinst.io", protocol: Protocol::Bearer };

/// The longest that a call waits until Spot answers again: a function has 60 seconds.
const PATIENCE: Duration = Duration::from_secs(45);

/// What calls are made with.
#[derive(Clone)]
pub(crate) struct Client {
    spot: call::Client,
    tokens: Tokens,
    /// The routes of which Spot answers no more calls, each until when.
    full: Arc<Mutex<BTreeMap<&'static str, SystemTime>>>,
    region: String,
    sleep: Option<SharedAsyncSleep>,
    time: Option<SharedTimeSource>,
    pub(super) ec2: Ec2,
    pub(super) pools: Pools,
    pub(super) images: LaunchSources,
    pub(super) balancing: Lazy<aws_sdk_elasticloadbalancingv2::Client>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("spot", &self.spot).finish_non_exhaustive()
    }
}

/// One call.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: &'static str,
    /// What follows `/aws/ec2/group`.
    pub(super) path: String,
    /// What follows the account in the query.
    pub(super) query: String,
    pub(super) body: Option<&'a Value>,
}

impl Client {
    /// Clients with this configuration.
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self {
            spot: call::Client::new(&SPOT, config),
            tokens: Tokens::new(config),
            full: Arc::default(),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            sleep: config.sleep_impl(),
            time: config.time_source(),
            ec2: Ec2::new(config),
            pools: Pools::new(config),
            images: LaunchSources::new(config),
            balancing: Lazy::new(config),
        }
    }

    /// The region in which fleets are: Spot lists those of all of them.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    fn now(&self) -> SystemTime {
        self.time.as_ref().map_or_else(SystemTime::now, TimeSource::now)
    }

    pub(super) fn now_millis(&self) -> u64 {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// One call for an account. Its items.
    pub(super) async fn call(&self, account: &str, call: &Call<'_>) -> std::result::Result<Vec<Value>, Refused> {
        let mut again = false;
        loop {
            self.make_room(call.operation).await;
            let token = self.tokens.token(account, self.now(), again).await.map_err(Refused::Secret)?;
            let path = format!("/aws/ec2/group{}?accountId={account}{}", call.path, call.query);
            let ask = Ask::rest(call.operation, call.method, path, call.body);
            let ask = if call.operation == "CreateGroup" { ask.once() } else { ask };
            let answer = self.spot.call_bearing(ask, &token).await;
            if let Some(left) = answer.as_ref().ok().and_then(Answer::left).filter(|left| left.calls == 0) {
                self.note_full(call.operation, left.reset_seconds);
            }
            let error = match answer.and_then(|answer| answer.json()) {
                Ok(mut answer) => {
                    let items = answer.pointer_mut("/response/items").map(Value::take);
                    return Ok(items.and_then(|items| items.as_array().cloned()).unwrap_or_default());
                }
                Err(error) => error,
            };
            match error.status() {
                // It may have been replaced since it was read.
                401 if !again => again = true,
                429 => {
                    // Whoever asks again before the time is over lets it begin anew. What is left of it the state machine waits.
                    self.note_full(call.operation, error.reset_seconds().unwrap_or(0));
                    self.make_room(call.operation).await;
                    return Err(Refused::Spot(error));
                }
                _ => return Err(Refused::Spot(error)),
            }
        }
    }

    fn note_full(&self, route: &'static str, seconds: u64) {
        let until = self.now() + Duration::from_secs(seconds);
        self.full.lock().unwrap_or_else(PoisonError::into_inner).insert(route, until);
    }

    /// Waits until Spot answers more calls of a route, as far as there is time for that.
    async fn make_room(&self, route: &'static str) {
        // Noted until it is over: whoever did not wait for all of it here does so the next time.
        let until = self.full.lock().unwrap_or_else(PoisonError::into_inner).get(route).copied();
        let span = until.and_then(|until| until.duration_since(self.now()).ok()).map(|span| span.min(PATIENCE));
        if let (Some(span), Some(sleep)) = (span, &self.sleep) {
            sleep.sleep(span).await;
        }
    }
}

/// Why there are no items.
pub(super) enum Refused {
    /// There is no token.
    Secret(Failure),
    /// Spot has not answered as it was to.
    Spot(CallError),
}

impl Refused {
    /// Whether what was asked for does not exist. Spot answers 400, not 404.
    pub(super) fn gone(&self) -> bool {
        matches!(self, Self::Spot(error) if error.code() == Some("GROUP_DOESNT_EXIST") || error.status() == 404)
    }

    /// Whether nobody knows if the call took effect.
    pub(super) fn unknown(&self) -> bool {
        match self {
            Self::Secret(_) => false,
            Self::Spot(error) => {
                error.status() == 0 || error.status() >= 500 || error.code() == Some("CANT_CREATE_GROUP")
            }
        }
    }

    /// What it means.
    pub(super) fn failure(self, operation: &str, on: &str) -> Failure {
        let error = match self {
            Self::Secret(failure) => return failure,
            Self::Spot(error) => error,
        };
        let said = text::one_line(error.message(), text::COMMENT);
        let code = text::one_line(error.code().unwrap_or("no code"), text::WHO);
        let (kind, advice) = match (error.status(), error.code()) {
            (401, _) => (Kind::AccessDenied, " Its token was refused: store a valid one in its secret or parameter."),
            (403, _) => (Kind::AccessDenied, " The token's user needs the right to it, for this account."),
            (429, _) => (Kind::Throttled, ""),
            (0, _) => (Kind::ServiceUnavailable, ""),
            (status, _) if status >= 500 => (Kind::ServiceUnavailable, ""),
            // AWS, behind it, was asked too often.
            (_, Some("RequestLimitExceeded" | "Throttling" | "CANT_CREATE_GROUP")) => (Kind::Throttled, ""),
            (_, Some("GENERAL_ERROR")) => (Kind::ServiceUnavailable, ""),
            // An image or a profile that was just made is not seen everywhere yet.
            (_, Some("CANT_VALIDATE_IMAGE")) => (Kind::ServiceUnavailable, ""),
            _ if said.contains("nvalid iam instance profile") => (Kind::ServiceUnavailable, ""),
            _ => (Kind::RequestRefused, ""),
        };
        kind.because(format!("Spot's {operation} on {on} failed with {code}: {said}.{advice}").replace("..", "."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spot_refuses_has_its_kind() {
        let kind = |status: u16, code: &str, message: &str| {
            Refused::Spot(CallError::refused(status, code, message.into(), None)).failure("UpdateGroup", "sig-1").kind
        };
        assert_eq!(kind(400, "ValidationError", "no"), Kind::RequestRefused);
        assert_eq!(kind(400, "RequestLimitExceeded", "no"), Kind::Throttled);
        assert_eq!(kind(400, "GENERAL_ERROR", "unknown error"), Kind::ServiceUnavailable);
        assert_eq!(kind(400, "x", "Invalid iam instance profile"), Kind::ServiceUnavailable);
        assert_eq!(kind(401, "x", "no"), Kind::AccessDenied);
        assert_eq!(kind(403, "x", "no"), Kind::AccessDenied);
        assert_eq!(kind(503, "x", "no"), Kind::ServiceUnavailable);
        assert!(Refused::Spot(CallError::refused(400, "GROUP_DOESNT_EXIST", String::new(), None)).gone());
    }
}
