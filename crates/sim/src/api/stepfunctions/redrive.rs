//! Redriving: an execution that ended without success goes on from the state that it ended in.
//!
//! It owns what AWS documents of RedriveExecution: which executions can be redriven, and that a repeated request redrives
//! once. What running on means is the interpreter's affair.

use crossfade_asl::HistoryEvent;

use super::execution::{Execution, ExecutionOutcome};
use super::lock;

/// For how long after its end an execution can be redriven, in milliseconds.
const REDRIVABLE_MILLIS: u64 = 14 * 24 * 3_600_000;
/// How long an execution may be open in all, in milliseconds.
const OPEN_MILLIS: u64 = 365 * 24 * 3_600_000;
/// So many events an execution must be short of to be redriven.
const REDRIVABLE_EVENTS: usize = 24_999;
/// How many tokens of redrives are remembered, and for how many milliseconds.
const CLIENT_TOKENS: usize = 10;
const CLIENT_TOKEN_MILLIS: u64 = 15 * 60_000;

/// What a request to redrive an execution came to.
pub(super) enum Redrive {
    /// It runs again; what it has recorded until now.
    Begun(Vec<HistoryEvent>),
    /// The same request has redriven it before, then.
    Before(u64),
    /// It cannot be redriven, for this reason of AWS's.
    Refused(&'static str),
}

impl Execution {
    /// Why it cannot be redriven at this moment, in the words of DescribeExecution.
    pub(super) fn not_redrivable(&self, now: u64) -> Option<&'static str> {
        let progress = lock(&self.progress);
        match (&progress.outcome, progress.stop_millis) {
            (None, _) | (_, None) => Some("Execution is RUNNING and cannot be redriven"),
            (Some(ExecutionOutcome::Succeeded(_)), _) => Some("Execution is SUCCEEDED and cannot be redriven"),
            (_, Some(stopped)) if now.saturating_sub(stopped) >= REDRIVABLE_MILLIS => {
                Some("Execution redrivable period exceeded")
            }
            _ if now.saturating_sub(self.start_millis) >= OPEN_MILLIS => {
                Some("Execution has exceeded the max execution time")
            }
            _ if progress.history.len() >= REDRIVABLE_EVENTS => Some("Execution history event limit exceeded"),
            _ => None,
        }
    }

    /// Opens it again, if AWS would.
    pub(super) fn redrive(&self, now: u64, token: Option<&str>) -> Redrive {
        if let Some(before) = token.and_then(|token| self.redriven_by(token, now)) {
            return Redrive::Before(before);
        }
        if let Some(reason) = self.not_redrivable(now) {
            return Redrive::Refused(reason);
        }
        let mut progress = lock(&self.progress);
        (progress.outcome, progress.stop_millis, progress.task) = (None, None, None);
        progress.redrive_count += 1;
        progress.redrive_millis = Some(now);
        if let Some(token) = token {
            progress.redrives.push_back((token.to_owned(), now));
        }
        while progress.redrives.len() > CLIENT_TOKENS {
            progress.redrives.pop_front();
        }
        self.ended.send_replace(false);
        Redrive::Begun(progress.history.clone())
    }

    /// When a request with this token has redriven it.
    fn redriven_by(&self, token: &str, now: u64) -> Option<u64> {
        let progress = lock(&self.progress);
        let known = progress.redrives.iter().find(|(known, at)| known == token && now - at < CLIENT_TOKEN_MILLIS);
        known.map(|(_, at)| *at)
    }
}
