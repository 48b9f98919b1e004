//! The API tokens of Spot accounts: where each is, and for how long it is used.
//!
//! What it owns: the two places that follow from an account, a secret in Secrets Manager and a SecureString in Parameter Store, and what
//! is said when neither can be read.
//!
//! What it must never do: show a token.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_types::SdkConfig;
use crossfade_core::{Failure, Kind, Result};
use serde_json::{Value, json};

use crate::call::{self, Ask, CallError, Token};
use crate::outputs::SSM;
use crate::refusal::called;
use crate::secrets::Secrets;

/// How long a token is used before it is read again.
const KEPT: Duration = Duration::from_secs(300);

/// Where the token of an account may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Secret,
    Parameter,
}

/// A token that was read.
#[derive(Clone)]
struct Kept {
    token: Token,
    at: SystemTime,
    place: Place,
}

/// The tokens that a configuration reaches.
#[derive(Clone)]
pub(super) struct Tokens {
    secrets: Secrets,
    ssm: call::Client,
    kept: Arc<Mutex<BTreeMap<String, Kept>>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// Why a place has no token.
struct Nothing {
    failure: Failure,
    /// Whether the other place may have one.
    elsewhere: bool,
}

fn nothing(problem: String) -> Nothing {
    Nothing { failure: Kind::PreflightFailed.because(problem), elsewhere: true }
}

impl Tokens {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { secrets: Secrets::new(config), ssm: call::Client::new(&SSM, config), kept: Arc::default() }
    }

    /// The token of an account; `again`, when the one that is kept was refused.
    ///
    /// # Errors
    /// What is wrong with both places.
    pub(super) async fn token(&self, account: &str, now: SystemTime, again: bool) -> Result<Token> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(account).cloned();
        let fresh = |kept: &Kept| now.duration_since(kept.at).unwrap_or_default() < KEPT;
        if let Some(kept) = kept.as_ref().filter(|kept| !again && fresh(kept)) {
            return Ok(kept.token.clone());
        }
        // Where it was last: whoever stores it in one place need not let the other be read.
        let places = match kept.map(|kept| kept.place) {
            Some(Place::Parameter) => [Place::Parameter, Place::Secret],
            Some(Place::Secret) | None => [Place::Secret, Place::Parameter],
        };
        let mut missing: Vec<Failure> = Vec::new();
        for place in places {
            match self.read(account, place).await {
                Ok(token) => {
                    let kept = Kept { token: token.clone(), at: now, place };
                    self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(account.to_owned(), kept);
                    return Ok(token);
                }
                Err(Nothing { failure, elsewhere: true }) => missing.push(failure),
                Err(Nothing { failure, elsewhere: false }) => return Err(failure),
            }
        }
        let denied = missing.iter().any(|failure| failure.kind == Kind::AccessDenied);
        let kind = if denied { Kind::AccessDenied } else { Kind::PreflightFailed };
        let said = missing.iter().map(|failure| failure.message.as_str()).collect::<Vec<_>>().join(" ");
        Err(kind.because(format!(
            "{said} Store the API token of the Spot account in one of the two, and name its ARN in the parameter SpotSecretArns or \
             SpotParameterArns of crossfade's stack."
        )))
    }

    async fn read(&self, account: &str, place: Place) -> std::result::Result<Token, Nothing> {
        let (what, text) = match place {
            Place::Secret => self.secret(account).await?,
            Place::Parameter => self.parameter(account).await?,
        };
        text.as_deref().and_then(read_token).ok_or_else(|| Nothing {
            failure: Kind::PreflightFailed.because(format!(
                "The {what} holds no token. Store the API token of the Spot account as plain text, or as {{\"token\": …}}."
            )),
            elsewhere: false,
        })
    }

    async fn secret(&self, account: &str) -> std::result::Result<(String, Option<String>), Nothing> {
        let name = format!("crossfade/spot/{account}");
        match self.secrets.read(&name).await {
            Ok(text) => Ok((format!("secret {name}"), text)),
            Err(error) => Err(no_secret(&name, &error)),
        }
    }

    /// A SecureString: whoever may read parameters reads plain ones, too.
    async fn parameter(&self, account: &str) -> std::result::Result<(String, Option<String>), Nothing> {
        let name = format!("/crossfade/spot/{account}");
        let ask = json!({ "Name": name, "WithDecryption": true });
        let answer = self.ssm.call(Ask::json("GetParameter", "AmazonSSM.GetParameter", &ask)).await;
        let answer = answer.and_then(|answer| answer.json()).map_err(|error| no_parameter(&name, &error))?;
        let text = |field: &str| answer.pointer(&format!("/Parameter/{field}")).and_then(Value::as_str);
        if text("Type") != Some("SecureString") {
            return Err(Nothing {
                failure: Kind::PreflightFailed.because(format!(
                    "The parameter {name} is no SecureString, so that everybody who may read parameters sees it. Store the token as one, \
                     and have Spot give you another one."
                )),
                elsewhere: false,
            });
        }
        Ok((format!("parameter {name}"), text("Value").map(str::to_owned)))
    }
}

/// A token that is the whole text, or stands in it as `token`.
fn read_token(text: &str) -> Option<Token> {
    let inside = serde_json::from_str::<Value>(text).ok();
    let inside = inside.as_ref().and_then(|it| it.get("token")).and_then(Value::as_str);
    let token = inside.unwrap_or(text).trim();
    let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) && !token.starts_with('{');
    plain.then(|| Token::new(token))
}

fn no_secret(name: &str, error: &CallError) -> Nothing {
    match error.code() {
        Some("ResourceNotFoundException") => nothing(format!("There is no secret {name} in Secrets Manager.")),
        // It is to be deleted.
        Some("InvalidRequestException") => {
            nothing(format!("The secret {name} cannot be read: {}.", error.message().trim_end_matches('.')))
        }
        Some("DecryptionFailure" | "DecryptionFailureException") => undecrypted(&format!("secret {name}")),
        _ => other("secretsmanager:GetSecretValue", name, error),
    }
}

fn no_parameter(name: &str, error: &CallError) -> Nothing {
    match error.code() {
        Some("ParameterNotFound") => nothing(format!("There is no parameter {name} in Parameter Store.")),
        Some("InvalidKeyId") => undecrypted(&format!("parameter {name}")),
        _ => other("ssm:GetParameter", name, error),
    }
}

fn undecrypted(what: &str) -> Nothing {
    let failure = Kind::AccessDenied
        .because(format!("The {what} cannot be decrypted. Let the functions' roles use its key, in the key's policy."));
    Nothing { failure, elsewhere: false }
}

fn other(call: &str, on: &str, error: &CallError) -> Nothing {
    let failure = called(call, on, error);
    let elsewhere = failure.kind == Kind::AccessDenied;
    Nothing { failure, elsewhere }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e7_a_secret_is_the_token_or_holds_it_and_anything_else_is_none() {
        assert_eq!(read_token("abc\n"), Some(Token::new("abc")));
        assert_eq!(read_token(r#"{"token": "abc", "user": "x"}"#), Some(Token::new("abc")));
        for none in ["", " ", "a b", "{\"user\": \"x\"}", "ä"] {
            assert_eq!(read_token(none), None, "{none}");
        }
    }
}
