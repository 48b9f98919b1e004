//! The history as it is written: ids, links between events, and the limit.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::{End, Outcome};
use crate::errors::names;
use crate::history::{Event, HistoryEvent};
use crate::{HISTORY_LIMIT, Host};

/// Numbers the events of one execution and hands them to the host.
pub(crate) struct Journal<'a> {
    host: &'a dyn Host,
    last_id: Mutex<u64>,
}

impl<'a> Journal<'a> {
    /// `last_id` is the number of events that there are already.
    pub(crate) fn new(host: &'a dyn Host, last_id: u64) -> Self {
        Self { host, last_id: Mutex::new(last_id) }
    }

    /// Records the event that begins the execution, or begins it anew: it follows from none.
    pub(crate) fn begin(&self, event: Event) -> Result<(), End> {
        self.room()?;
        self.append(0, event);
        Ok(())
    }

    /// Records an event that follows from the latest one; its id.
    ///
    /// Fails when only the last place is left, which is kept for the event that says why the execution ended.
    pub(crate) fn record(&self, event: Event) -> Result<u64, End> {
        let last_id = self.room()?;
        // AWS links the first state to nothing, not to ExecutionStarted.
        Ok(self.append(if last_id == 1 { 0 } else { last_id }, event))
    }

    /// The latest event's id, when there is room for more than the end.
    fn room(&self) -> Result<u64, End> {
        let last_id = *self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
        if last_id + 1 >= HISTORY_LIMIT { Err(End::HistoryFull) } else { Ok(last_id) }
    }

    /// Records the end, and says how it ended.
    pub(crate) fn finish(&self, end: Result<Value, End>) -> Outcome {
        let last_id = *self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |previous, error: Option<String>, cause: Option<String>| {
            self.append(previous, Event::ExecutionFailed { error: error.clone(), cause: cause.clone() });
            Outcome::Failed { error, cause }
        };
        match end {
            // The end itself may be what fills the history.
            Ok(output) => {
                self.append(last_id, Event::ExecutionSucceeded { output: output.clone() });
                Outcome::Succeeded(output)
            }
            Err(End::Failed { error, cause }) => failed(last_id, error, cause),
            Err(End::Runtime(cause)) => failed(0, Some(names::RUNTIME.to_owned()), Some(cause)),
            Err(End::HistoryFull) => {
                let cause = format!("The execution reached the maximum number of history events ({HISTORY_LIMIT}).");
                failed(0, Some(names::RUNTIME.to_owned()), Some(cause))
            }
            Err(End::TimedOut) => {
                self.append(0, Event::ExecutionTimedOut);
                Outcome::TimedOut
            }
        }
    }

    fn append(&self, previous_event_id: u64, event: Event) -> u64 {
        let id = {
            let mut last_id = self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
            *last_id += 1;
            *last_id
        };
        self.host.record(HistoryEvent { id, previous_event_id, at_millis: self.host.now_millis(), event });
        id
    }
}
