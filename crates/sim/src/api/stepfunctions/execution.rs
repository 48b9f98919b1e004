//! One execution: its history and its end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crossfade_asl::{Event, HistoryEvent};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::{Machine, lock};

/// How an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub enum ExecutionOutcome {
    /// With this output.
    Succeeded(Value),
    /// With an error.
    Failed {
        /// The error's name.
        error: Option<String>,
        /// Its cause.
        cause: Option<String>,
    },
    /// Somebody stopped it.
    Aborted {
        /// What the stopper gave.
        error: Option<String>,
        /// What the stopper gave.
        cause: Option<String>,
    },
    /// The machine's TimeoutSeconds passed.
    TimedOut,
}

impl ExecutionOutcome {
    /// AWS's name of the status.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "SUCCEEDED",
            Self::Failed { .. } => "FAILED",
            Self::Aborted { .. } => "ABORTED",
            Self::TimedOut => "TIMED_OUT",
        }
    }
}

/// An execution as it is at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionSummary {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its machine's ARN.
    pub state_machine_arn: String,
    /// Its machine's name.
    pub state_machine_name: String,
    /// Its input, as it was given.
    pub input: String,
    /// When it was started, in milliseconds since 1970.
    pub start_millis: u64,
    /// When it ended.
    pub stop_millis: Option<u64>,
    /// How it ended; nothing while it runs.
    pub outcome: Option<ExecutionOutcome>,
    /// How often it was redriven.
    pub redrive_count: u64,
    /// When it was redriven last.
    pub redrive_millis: Option<u64>,
}

impl ExecutionSummary {
    /// AWS's name of the status.
    pub fn status(&self) -> &'static str {
        self.outcome.as_ref().map_or("RUNNING", ExecutionOutcome::status)
    }
}

/// One execution.
pub(super) struct Execution {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) machine: Arc<Machine>,
    pub(super) input: String,
    pub(super) start_millis: u64,
    pub(super) progress: Mutex<Progress>,
    pub(super) ended: watch::Sender<bool>,
}

#[derive(Default)]
pub(super) struct Progress {
    pub(super) history: Vec<HistoryEvent>,
    pub(super) stop_millis: Option<u64>,
    pub(super) outcome: Option<ExecutionOutcome>,
    pub(super) task: Option<AbortHandle>,
    pub(super) redrive_count: u64,
    pub(super) redrive_millis: Option<u64>,
    /// The latest requests that have redriven it: their tokens, and when.
    pub(super) redrives: VecDeque<(String, u64)>,
}

impl Execution {
    pub(super) fn new(arn: String, name: String, machine: Arc<Machine>, input: String, start_millis: u64) -> Self {
        let progress = Mutex::default();
        Self { arn, name, machine, input, start_millis, progress, ended: watch::Sender::new(false) }
    }

    /// The task that runs it, to be stopped with it.
    pub(super) fn runs_as(&self, task: AbortHandle) {
        lock(&self.progress).task = Some(task);
    }

    /// Keeps an event; false when the execution had already ended, and so nothing can follow.
    pub(super) fn record(&self, event: &HistoryEvent) -> bool {
        let mut progress = lock(&self.progress);
        if progress.outcome.is_some() {
            return false;
        }
        progress.history.push(event.clone());
        let (error, cause) = match &event.event {
            Event::ExecutionFailed { error, cause } | Event::ExecutionAborted { error, cause } => {
                (error.clone(), cause.clone())
            }
            _ => (None, None),
        };
        progress.outcome = match &event.event {
            Event::ExecutionSucceeded { output } => Some(ExecutionOutcome::Succeeded(output.clone())),
            Event::ExecutionFailed { .. } => Some(ExecutionOutcome::Failed { error, cause }),
            Event::ExecutionAborted { .. } => Some(ExecutionOutcome::Aborted { error, cause }),
            Event::ExecutionTimedOut => Some(ExecutionOutcome::TimedOut),
            _ => None,
        };
        if progress.outcome.is_some() {
            progress.stop_millis = Some(event.at_millis);
        }
        true
    }

    /// Tells everyone who waits that it has ended, after the subscribers have heard of it.
    pub(super) fn announce_end(&self) {
        self.ended.send_replace(true);
    }

    /// Stops it where it is; the event to publish, or nothing when it had already ended.
    pub(super) fn abort(&self, at_millis: u64, error: Option<String>, cause: Option<String>) -> Option<HistoryEvent> {
        let (id, task) = {
            let mut progress = lock(&self.progress);
            (progress.history.len() as u64 + 1, progress.task.take())
        };
        let event = Event::ExecutionAborted { error, cause };
        let event = HistoryEvent { id, previous_event_id: 0, at_millis, event };
        let recorded = self.record(&event);
        if recorded && let Some(task) = task {
            task.abort();
        }
        recorded.then_some(event)
    }

    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    pub(super) fn history(&self) -> Vec<HistoryEvent> {
        lock(&self.progress).history.clone()
    }

    pub(super) fn summary(&self) -> ExecutionSummary {
        let progress = lock(&self.progress);
        ExecutionSummary {
            arn: self.arn.clone(),
            name: self.name.clone(),
            state_machine_arn: self.machine.arn.clone(),
            state_machine_name: self.machine.name.clone(),
            input: self.input.clone(),
            start_millis: self.start_millis,
            stop_millis: progress.stop_millis,
            outcome: progress.outcome.clone(),
            redrive_count: progress.redrive_count,
            redrive_millis: progress.redrive_millis,
        }
    }
}
