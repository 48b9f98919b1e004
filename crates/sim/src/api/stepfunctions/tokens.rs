//! Task tokens: what executions wait for, and what clients send with them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossfade_asl::{TaskToken, TokenSignal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Refusal, lock};

/// How every token of the service begins.
const PREFIX: &str = "AQCgAAAAKgAAAAMAAAAA";

/// The random bytes behind the prefix: about as many as AWS uses.
const BYTES: usize = 240;

/// The most characters of a token that AWS accepts.
const LENGTH_LIMIT: usize = 2048;

/// All tokens that were ever given out.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, Option<UnboundedSender<TokenSignal>>>>);

/// A token nobody has seen.
pub(super) fn generate(random: &mut fastrand::Rng) -> String {
    let bytes = std::iter::repeat_with(|| random.u8(..)).take(BYTES).collect::<Vec<_>>();
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

impl Tokens {
    pub(super) fn register(&self, token: String) -> TaskToken {
        let (sender, signals) = unbounded_channel();
        lock(&self.0).insert(token.clone(), Some(sender));
        TaskToken { token, signals }
    }

    /// Hands a signal to the task that waits. A success or failure closes the token.
    pub(super) fn send(&self, token: &str, signal: TokenSignal) -> Result<(), Refusal> {
        if token.is_empty() || token.len() > LENGTH_LIMIT {
            let message = format!("taskToken must have between 1 and {LENGTH_LIMIT} characters");
            return Err(Refusal::validation(message));
        }
        let mut tokens = lock(&self.0);
        let Some(entry) = tokens.get_mut(token) else {
            let ours = token.starts_with(PREFIX) && STANDARD.decode(token).is_ok();
            return Err(if ours {
                Refusal::new("TaskDoesNotExist", "Task does not exist")
            } else {
                Refusal::new("InvalidToken", "Invalid Token: 'Invalid token'")
            });
        };
        // Closed by an earlier answer, by its deadline, or with its execution.
        let timed_out = || Refusal::new("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'");
        let closes = signal != TokenSignal::Heartbeat;
        let sender = entry.as_ref().ok_or_else(timed_out)?;
        let sent = sender.send(signal).map_err(|_| timed_out());
        if closes || sent.is_err() {
            *entry = None;
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_closes_the_token_before_it_is_read() {
        let tokens = Tokens::default();
        let mut task = tokens.register("token".to_owned());
        tokens.send("token", TokenSignal::Heartbeat).expect("beats");
        tokens.send("token", TokenSignal::Success(json!(1))).expect("answered");
        let refusal = tokens.send("token", TokenSignal::Success(json!(2))).expect_err("closed");
        assert!(refusal.to_string().starts_with("TaskTimedOut"), "{refusal}");
        assert_eq!(task.signals.try_recv(), Ok(TokenSignal::Heartbeat));
        assert_eq!(task.signals.try_recv(), Ok(TokenSignal::Success(json!(1))));
        assert!(task.signals.try_recv().is_err());
    }
}
