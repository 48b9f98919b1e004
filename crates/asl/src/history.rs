//! The events of an execution's history, by AWS's names.

use std::fmt;

use serde_json::Value;

/// A state's type, as event names begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateType {
    /// Task.
    Task,
    /// Choice.
    Choice,
    /// Wait.
    Wait,
    /// Pass.
    Pass,
    /// Succeed.
    Succeed,
    /// Fail.
    Fail,
}

impl fmt::Display for StateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One event of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    /// Counts from 1.
    pub id: u64,
    /// The event it follows from; 0 for the first state and for the ends that come from outside the states.
    pub previous_event_id: u64,
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
    /// What happened.
    pub event: Event,
}

/// What happened. Inputs and outputs are JSON values here and JSON text on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The execution began.
    ExecutionStarted {
        /// Its input.
        input: Value,
        /// The machine's role.
        role_arn: String,
    },
    /// It had ended without success, and somebody has redriven it.
    ExecutionRedriven {
        /// How often by now.
        redrive_count: u64,
    },
    /// `TaskStateEntered`, `ChoiceStateEntered`, ….
    StateEntered {
        /// The state's type.
        state_type: StateType,
        /// The state's name.
        name: String,
        /// Its raw input.
        input: Value,
    },
    /// `TaskStateExited`, …; a Fail state has none.
    StateExited {
        /// The state's type.
        state_type: StateType,
        /// The state's name.
        name: String,
        /// What the next state gets.
        output: Value,
    },
    /// An attempt at a task.
    TaskScheduled {
        /// `invoke` or `invoke.waitForTaskToken`.
        resource: &'static str,
        /// The region.
        region: String,
        /// The evaluated Parameters.
        parameters: Value,
        /// TimeoutSeconds, if there is one.
        timeout_seconds: Option<u64>,
        /// HeartbeatSeconds, if there is one.
        heartbeat_seconds: Option<u64>,
    },
    /// The attempt runs.
    TaskStarted {
        /// As in [`Event::TaskScheduled`].
        resource: &'static str,
    },
    /// The function of a `.waitForTaskToken` task has answered; the token has not.
    TaskSubmitted {
        /// As in [`Event::TaskScheduled`].
        resource: &'static str,
        /// The function's answer.
        output: Value,
    },
    /// The attempt succeeded.
    TaskSucceeded {
        /// As in [`Event::TaskScheduled`].
        resource: &'static str,
        /// The task's result.
        output: Value,
    },
    /// The attempt failed.
    TaskFailed {
        /// As in [`Event::TaskScheduled`].
        resource: &'static str,
        /// The error's name.
        error: String,
        /// Its cause.
        cause: String,
    },
    /// The attempt ran out of time.
    TaskTimedOut {
        /// As in [`Event::TaskScheduled`].
        resource: &'static str,
        /// `States.Timeout` or `States.HeartbeatTimeout`.
        error: String,
    },
    /// The execution succeeded.
    ExecutionSucceeded {
        /// Its output.
        output: Value,
    },
    /// The execution failed.
    ExecutionFailed {
        /// The error's name.
        error: Option<String>,
        /// Its cause.
        cause: Option<String>,
    },
    /// Somebody stopped it. The interpreter never writes this: whoever stops it does.
    ExecutionAborted {
        /// What the stopper gave.
        error: Option<String>,
        /// What the stopper gave.
        cause: Option<String>,
    },
    /// It ran longer than the machine's TimeoutSeconds.
    ExecutionTimedOut,
}

impl Event {
    /// AWS's name of the event, such as `TaskStateEntered`.
    pub fn type_name(&self) -> String {
        match self {
            Self::StateEntered { state_type, .. } => format!("{state_type}StateEntered"),
            Self::StateExited { state_type, .. } => format!("{state_type}StateExited"),
            Self::ExecutionStarted { .. } => "ExecutionStarted".into(),
            Self::ExecutionRedriven { .. } => "ExecutionRedriven".into(),
            Self::TaskScheduled { .. } => "TaskScheduled".into(),
            Self::TaskStarted { .. } => "TaskStarted".into(),
            Self::TaskSubmitted { .. } => "TaskSubmitted".into(),
            Self::TaskSucceeded { .. } => "TaskSucceeded".into(),
            Self::TaskFailed { .. } => "TaskFailed".into(),
            Self::TaskTimedOut { .. } => "TaskTimedOut".into(),
            Self::ExecutionSucceeded { .. } => "ExecutionSucceeded".into(),
            Self::ExecutionFailed { .. } => "ExecutionFailed".into(),
            Self::ExecutionAborted { .. } => "ExecutionAborted".into(),
            Self::ExecutionTimedOut => "ExecutionTimedOut".into(),
        }
    }

    /// Whether nothing can follow it but a redrive.
    pub fn ends_execution(&self) -> bool {
        matches!(
            self,
            Self::ExecutionSucceeded { .. }
                | Self::ExecutionFailed { .. }
                | Self::ExecutionAborted { .. }
                | Self::ExecutionTimedOut
        )
    }
}

/// The state transitions that AWS bills: every state entered, every retry, and every redrive.
pub fn transitions<'a>(history: impl IntoIterator<Item = &'a HistoryEvent>) -> u64 {
    let mut count = 0;
    let mut failed_attempt = false;
    for HistoryEvent { event, .. } in history {
        match event {
            Event::StateEntered { .. } | Event::ExecutionRedriven { .. } => count += 1,
            Event::TaskScheduled { .. } if failed_attempt => count += 1,
            _ => {}
        }
        failed_attempt = matches!(event, Event::TaskFailed { .. } | Event::TaskTimedOut { .. });
    }
    count
}
