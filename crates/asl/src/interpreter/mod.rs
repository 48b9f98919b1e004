//! Runs a state machine: one execution from its input to its end.
//!
//! It owns the order of the history's events and the meaning of each state. It keeps no time itself and never holds a
//! lock while it waits.

mod journal;
mod states;
mod task;

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use serde_json::Value;

use crate::definition::{Filter, Kind, StateMachine, Transition};
use crate::errors::names;
use crate::history::{Event, HistoryEvent};
use crate::template::Scope;
use crate::{ExecutionContext, Host, PAYLOAD_LIMIT, TaskError};
use journal::Journal;

/// How an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With this output.
    Succeeded(Value),
    /// With an error: a Fail state's own (either part may be missing there), or one that nothing caught.
    Failed {
        /// The error's name.
        error: Option<String>,
        /// Its cause.
        cause: Option<String>,
    },
    /// It ran longer than the machine's TimeoutSeconds.
    TimedOut,
}

/// Runs one execution to its end and records its history.
///
/// Dropping the future stops the execution where it is, without Catch, as StopExecution does; writing
/// `ExecutionAborted` is then up to the host. It needs no particular runtime.
pub async fn run(machine: Arc<StateMachine>, execution: ExecutionContext, host: Arc<dyn Host>) -> Outcome {
    let journal = Journal::new(host.as_ref(), 0);
    let started = Event::ExecutionStarted { input: execution.input.clone(), role_arn: execution.role_arn.clone() };
    go(&machine, &execution, host.as_ref(), &journal, started, Entry::first(&machine, &execution)).await
}

/// Runs an execution that has ended without success again, from the state that it ended in and with the input that
/// this state had, as RedriveExecution does. `history` is what it has recorded; what follows is appended.
///
/// A Task is scheduled anew with all its retries and its whole time, and the machine's time begins anew; what
/// succeeded is not repeated. AWS does not say from when a Wait counts then: here from now on.
pub async fn redrive(
    machine: Arc<StateMachine>,
    execution: ExecutionContext,
    host: Arc<dyn Host>,
    history: Vec<HistoryEvent>,
) -> Outcome {
    let journal = Journal::new(host.as_ref(), history.len() as u64);
    let before = history.iter().filter(|event| matches!(event.event, Event::ExecutionRedriven { .. })).count();
    let redriven = Event::ExecutionRedriven { redrive_count: before as u64 + 1 };
    let entry = Entry::last(&machine, &history).unwrap_or_else(|| Entry::first(&machine, &execution));
    go(&machine, &execution, host.as_ref(), &journal, redriven, entry).await
}

/// Walks from a state to the end, within the machine's time.
async fn go(
    machine: &StateMachine,
    execution: &ExecutionContext,
    host: &dyn Host,
    journal: &Journal<'_>,
    begins: Event,
    entry: Entry<'_>,
) -> Outcome {
    let deadline = machine.timeout_seconds.map(|seconds| host.now_millis().saturating_add(seconds * 1000));
    let run = Run { machine, execution, host, journal };
    let walk = pin!(async {
        journal.begin(begins)?;
        run.walk(entry).await
    });
    let end = match deadline {
        None => walk.await,
        Some(deadline) => match select(walk, host.sleep_until(deadline)).await {
            Either::Left((end, _)) => end,
            Either::Right(_) => Err(End::TimedOut),
        },
    };
    journal.finish(end)
}

/// Where an execution begins, or goes on.
struct Entry<'a> {
    name: &'a str,
    input: Value,
    /// The event by which the state was entered before, and when: a Task that is redriven is not entered again.
    entered: Option<(u64, u64)>,
}

impl<'a> Entry<'a> {
    fn first(machine: &'a StateMachine, execution: &ExecutionContext) -> Self {
        Self { name: &machine.start_at, input: execution.input.clone(), entered: None }
    }

    /// The state that was entered last; none when the execution ended before its first.
    fn last(machine: &'a StateMachine, history: &[HistoryEvent]) -> Option<Self> {
        history.iter().rev().find_map(|event| {
            let Event::StateEntered { name, input, .. } = &event.event else { return None };
            let (name, state) = machine.states.get_key_value(name)?;
            let task = matches!(state.kind, Kind::Task(_));
            Some(Self { name, input: input.clone(), entered: task.then_some((event.id, event.at_millis)) })
        })
    }
}

/// Why an execution stops before its last state.
#[derive(Debug)]
pub(crate) enum End {
    /// A Fail state, or an error that nothing caught; it follows from the latest event.
    Failed { error: Option<String>, cause: Option<String> },
    /// An error of the definition itself, which nothing can catch.
    Runtime(String),
    /// The history is full.
    HistoryFull,
    /// The machine's time is over.
    TimedOut,
}

/// One execution.
struct Run<'a> {
    machine: &'a StateMachine,
    execution: &'a ExecutionContext,
    host: &'a dyn Host,
    journal: &'a Journal<'a>,
}

/// One visit of one state.
pub(crate) struct Visit<'a> {
    pub(crate) name: &'a str,
    pub(crate) entered_event: u64,
    pub(crate) entered_millis: u64,
    pub(crate) input: Value,
}

/// Where a state leads, and with what.
pub(crate) struct Exit<'a> {
    output: Value,
    next: Option<&'a str>,
}

impl<'a> Run<'a> {
    async fn walk(&self, entry: Entry<'a>) -> Result<Value, End> {
        let Entry { mut name, mut input, mut entered } = entry;
        loop {
            let Some(state) = self.machine.states.get(name) else {
                return Err(End::Runtime(format!("there is no state {name:?}")));
            };
            let state_type = state.state_type();
            let (entered_event, entered_millis) = match entered.take() {
                Some(before) => before,
                None => {
                    self.host.transition().await;
                    let entered = Event::StateEntered { state_type, name: name.to_owned(), input: input.clone() };
                    (self.journal.record(entered)?, self.host.now_millis())
                }
            };
            let visit = Visit { name, entered_event, entered_millis, input };
            let exit = match &state.kind {
                Kind::Task(task) => self.task(task, &visit).await,
                Kind::Choice(choice) => self.choice(choice, &visit),
                Kind::Wait(wait) => self.wait(wait, &visit).await,
                Kind::Pass(pass) => self.pass(pass, &visit),
                Kind::Succeed(filter) => self.succeed(filter, &visit),
                Kind::Fail(fail) => Err(self.fail(fail, &visit)),
            }?;
            let output = exit.output;
            self.journal.record(Event::StateExited { state_type, name: name.to_owned(), output: output.clone() })?;
            match exit.next {
                Some(next) => (name, input) = (next, output),
                None => return Ok(output),
            }
        }
    }

    fn exit(&self, output: Value, transition: &'a Transition) -> Exit<'a> {
        let next = match transition {
            Transition::Next(next) => Some(next.as_str()),
            Transition::End => None,
        };
        Exit { output, next }
    }

    /// The context object during a visit, outside of a Task's attempts.
    fn context(&self, visit: &Visit<'_>) -> Value {
        self.execution.object(visit.name, visit.entered_millis, 0, None)
    }

    /// What InputPath leaves of the input.
    fn effective_input(&self, filter: &Filter, visit: &Visit<'_>, context: &Value) -> Result<Value, End> {
        let Some(path) = &filter.input else { return Ok(Value::Object(Default::default())) };
        let scope = self.scope(&visit.input, context);
        scope.get(path, "InputPath").cloned().map_err(|cause| visit.runtime(&cause))
    }

    /// What OutputPath leaves of the output.
    fn effective_output(
        &self,
        filter: &Filter,
        visit: &Visit<'_>,
        context: &Value,
        output: Value,
    ) -> Result<Value, End> {
        match &filter.output {
            None => Ok(Value::Object(Default::default())),
            Some(path) if path.is_root() && !path.is_context() => Ok(output),
            Some(path) => {
                let scope = self.scope(&output, context);
                scope.get(path, "OutputPath").cloned().map_err(|cause| visit.runtime(&cause))
            }
        }
    }

    fn scope<'s>(&'s self, input: &'s Value, context: &'s Value) -> Scope<'s> {
        Scope { input, context, random: &|| 0.0 }
    }
}

impl Visit<'_> {
    /// An error of the definition, in AWS's words.
    pub(crate) fn runtime(&self, cause: &str) -> End {
        End::Runtime(format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {cause}",
            self.name, self.entered_event
        ))
    }

    /// An output that is too large, as the end of the execution.
    pub(crate) fn bounded(&self, output: Value) -> Result<Value, End> {
        match too_large(&output, self.name) {
            None => Ok(output),
            Some(TaskError { error, cause }) => Err(End::Failed { error: Some(error), cause: Some(cause) }),
        }
    }
}

/// The error for a payload above the limit.
pub(crate) fn too_large(payload: &Value, place: &str) -> Option<TaskError> {
    let size = payload.to_string().len();
    (size > PAYLOAD_LIMIT).then(|| {
        let cause = format!(
            "The state/task '{place}' returned a result with a size exceeding the maximum number of bytes service limit."
        );
        TaskError::new(names::DATA_LIMIT_EXCEEDED, cause)
    })
}
