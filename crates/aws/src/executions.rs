//! Executions of state machines: starting the rollback, answering the deployment that waits for it, and looking whether it gets on.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent, HistoryEventType};
use aws_types::SdkConfig;
use crossfade_core::flight;
use crossfade_core::haste::Haste;
use crossfade_core::trouble::{self, Sign, Trouble};
use crossfade_core::{Kind, Result, names};
use serde_json::Value;

use crate::clients::Lazy;
use crate::refusal::refusal;

/// The message in the cause of a Lambda function's error, which is a JSON text; otherwise the cause itself.
pub fn message(cause: &str) -> String {
    let parsed = serde_json::from_str::<Value>(cause).ok();
    let message = parsed.as_ref().and_then(|cause| cause.get("errorMessage")?.as_str());
    message.unwrap_or(cause).to_owned()
}

/// How many executions of one purpose are started.
const ATTEMPTS: u32 = 20;
/// How many events of a history AWS gives at once, more than a day of repetitions makes; and how many executions.
const EVENTS: i32 = 1000;

/// How an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs, or waits to be run again.
    Running,
    /// It has come to its end.
    Succeeded,
    /// It has ended with an error.
    Failed,
    /// It ran out of time.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

/// An execution, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// How it stands.
    pub state: State,
    /// What it was started with.
    pub input: Value,
    /// The error that it ended with; empty when it gave none.
    pub error: String,
    /// The cause that it ended with; empty when it gave none.
    pub cause: String,
    /// When it began, in milliseconds since 1970.
    pub started_millis: u64,
    /// When it ended.
    pub stopped_millis: Option<u64>,
}

/// What came of starting an execution for something that may have had some before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was started, or was so a moment ago with the same input: to AWS the same start is one.
    Started {
        /// The name that was free.
        name: String,
        /// Its ARN.
        arn: String,
    },
    /// An earlier one runs still, so none was started.
    Runs {
        /// Its name.
        name: String,
        /// Its ARN.
        arn: String,
    },
    /// The last one has died too lately for the next one to start by itself.
    Waits,
    /// There were as many as are allowed.
    Spent,
}

/// The ARN of the execution of this name.
pub fn execution_arn(state_machine: &str, name: &str) -> String {
    format!("{}:{name}", state_machine.replacen(":stateMachine:", ":execution:", 1))
}

/// The ARN of the state machine that an execution is of.
pub fn machine_of(execution: &str) -> Option<String> {
    let (machine, _) = execution.rsplit_once(':')?;
    Some(machine.replacen(":execution:", ":stateMachine:", 1))
}

/// As much of an execution's name as leaves room for its end, and that.
pub fn name_with(name: &str, end: &str) -> String {
    name.chars().take(names::EXECUTION.saturating_sub(end.len())).chain(end.chars()).collect()
}

fn at_millis(event: &HistoryEvent) -> u64 {
    event.timestamp.to_millis().ok().and_then(|at| u64::try_from(at).ok()).unwrap_or_default()
}

/// What an event says about whether an execution gets on.
fn sign(event: &HistoryEvent) -> Sign {
    let failed = |error: Option<&str>, cause: Option<&str>| Sign::Failed {
        error: error.unwrap_or_default().to_owned(),
        cause: cause.map(message).unwrap_or_default(),
    };
    if let Some(entered) = event.state_entered_event_details() {
        return Sign::Entered(entered.name().to_owned());
    }
    match (event.task_failed_event_details(), event.task_timed_out_event_details()) {
        (Some(details), _) => failed(details.error(), details.cause()),
        (_, Some(details)) => failed(details.error(), details.cause()),
        _ if [HistoryEventType::TaskSucceeded, HistoryEventType::TaskSubmitted].contains(&event.r#type) => Sign::GotOn,
        _ => Sign::Nothing,
    }
}

/// What an event says about what was called.
fn called(event: &HistoryEvent) -> flight::Sign<'_> {
    use HistoryEventType as Type;
    if let Some(entered) = event.state_entered_event_details() {
        return flight::Sign::Entered(entered.name());
    }
    let error = event.task_failed_event_details().and_then(|details| details.error()).unwrap_or_default();
    match event.r#type {
        Type::ExecutionAborted | Type::ExecutionFailed | Type::ExecutionTimedOut | Type::ExecutionSucceeded => {
            flight::Sign::Over
        }
        Type::TaskScheduled | Type::TaskStarted => flight::Sign::Called,
        // Somebody waits for an answer, and the function that was to ask is done.
        Type::TaskSubmitted | Type::TaskSucceeded => flight::Sign::Answered,
        Type::TaskTimedOut => flight::Sign::GivenUp,
        // Step Functions or Lambda has lost sight of it; with any other error it has ended, or never begun.
        Type::TaskFailed if LOST.contains(&error) => flight::Sign::GivenUp,
        Type::TaskFailed => flight::Sign::Answered,
        _ => flight::Sign::Nothing,
    }
}

/// Errors with which a function may still run.
const LOST: [&str; 4] = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "States.Timeout",
];

/// The state machines of the account.
#[derive(Clone, Debug)]
pub struct Executions {
    client: Lazy<Client>,
}

impl Executions {
    /// The state machines that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Lazy::new(config) }
    }

    /// The ARN of the state machine of this name, if there is one in this account and region.
    pub async fn find(&self, name: &str) -> Result<Option<String>> {
        let mut pages = self.client.list_state_machines().into_paginator().items().send();
        while let Some(machine) = pages.next().await {
            let machine = machine.map_err(|e| refusal("states:ListStateMachines", name, e))?;
            if machine.name() == name {
                return Ok(Some(machine.state_machine_arn().to_owned()));
            }
        }
        Ok(None)
    }

    /// An execution, as AWS remembers it; nothing when there is none. Changes of the last moment may not show yet.
    pub async fn describe(&self, execution: &str) -> Result<Option<Execution>> {
        let answer = match self.client.describe_execution().execution_arn(execution).send().await {
            Ok(answer) => answer,
            Err(e) if e.as_service_error().is_some_and(|e| e.is_execution_does_not_exist()) => return Ok(None),
            Err(e) => return Err(refusal("states:DescribeExecution", execution, e)),
        };
        let state = match answer.status() {
            ExecutionStatus::Succeeded => State::Succeeded,
            ExecutionStatus::Failed => State::Failed,
            ExecutionStatus::TimedOut => State::TimedOut,
            ExecutionStatus::Aborted => State::Aborted,
            _ => State::Running,
        };
        let input = answer.input().and_then(|input| serde_json::from_str(input).ok());
        Ok(Some(Execution {
            state,
            input: input.unwrap_or_default(),
            error: answer.error().unwrap_or_default().to_owned(),
            cause: answer.cause().map(message).unwrap_or_default(),
            started_millis: u64::try_from(answer.start_date().to_millis().unwrap_or_default()).unwrap_or_default(),
            stopped_millis: answer.stop_date().and_then(|at| u64::try_from(at.to_millis().ok()?).ok()),
        }))
    }

    /// The ARNs of a state machine's executions that run. Those that began or ended a moment ago may be missing or there still.
    pub async fn running(&self, state_machine: &str) -> Result<Vec<String>> {
        let call = self.client.list_executions().state_machine_arn(state_machine).max_results(EVENTS);
        let mut pages = call.status_filter(ExecutionStatus::Running).into_paginator().items().send();
        let mut running = Vec::new();
        while let Some(execution) = pages.next().await {
            let execution = execution.map_err(|e| refusal("states:ListExecutions", state_machine, e))?;
            running.push(execution.execution_arn);
        }
        Ok(running)
    }

    /// What an execution that runs is in trouble with, if a step of it fails again and again.
    pub async fn trouble(&self, execution: &str) -> Result<Option<Trouble>> {
        let events = self.newest_events(execution).await?;
        Ok(trouble::of(events.iter().map(|event| (at_millis(event), sign(event)))))
    }

    /// Whether a function may still run that an execution has called which is over, where none has more time than so many milliseconds.
    pub async fn may_run(&self, execution: &str, now_millis: u64, longest_millis: u64) -> Result<bool> {
        let events = self.newest_events(execution).await?;
        Ok(flight::may_run(now_millis, longest_millis, events.iter().map(|event| (at_millis(event), called(event)))))
    }

    async fn newest_events(&self, execution: &str) -> Result<Vec<HistoryEvent>> {
        let call = self.client.get_execution_history().execution_arn(execution).reverse_order(true).max_results(EVENTS);
        let answer = call.include_execution_data(false).send().await;
        Ok(answer.map_err(|e| refusal("states:GetExecutionHistory", execution, e))?.events)
    }

    /// Stops an execution. That it has ended already is not an error.
    pub async fn stop(&self, execution: &str, error: &str, cause: &str) -> Result<()> {
        let call = self.client.stop_execution().execution_arn(execution).error(error).cause(cause);
        call.send().await.map(|_| ()).map_err(|e| refusal("states:StopExecution", execution, e))
    }

    /// Starts the next of a series, since a name can be used once: the first that there has not been, none while one runs.
    ///
    /// `ours` says of an execution's input whether it belongs to the series. One that bears such a name and does not is passed
    /// over, as if there were no such name. `input` is asked for what it starts with, and told its ARN and the last one before it.
    pub async fn start_next(
        &self,
        state_machine: &str,
        name: impl Fn(u32) -> String,
        ours: impl Fn(&Value) -> bool,
        input: impl AsyncFnOnce(&str, Option<&str>) -> Result<Value>,
        haste: Haste,
    ) -> Result<Attempt> {
        let (mut may, mut last) = (true, None);
        for nth in 1..=ATTEMPTS {
            let name = name(nth);
            let arn = execution_arn(state_machine, &name);
            match self.describe(&arn).await? {
                Some(other) if !ours(&other.input) => {}
                Some(earlier) if earlier.state == State::Running => return Ok(Attempt::Runs { name, arn }),
                Some(earlier) => {
                    may = haste.allows(nth, earlier.stopped_millis);
                    last = Some(arn);
                }
                None if !may => return Ok(Attempt::Waits),
                None => {
                    let input = input(&arn, last.as_deref()).await?;
                    return Ok(match self.start(state_machine, &name, &input).await? {
                        Some(arn) => Attempt::Started { name, arn },
                        // Somebody else was faster.
                        None => Attempt::Runs { name, arn },
                    });
                }
            }
        }
        Ok(Attempt::Spent)
    }

    /// Starts an execution, and answers its ARN; nothing when one of this name has run before with another input, or is over.
    /// The same name and input while it runs is the same execution.
    pub async fn start(&self, state_machine: &str, name: &str, input: &Value) -> Result<Option<String>> {
        let call = self.client.start_execution().state_machine_arn(state_machine).name(name).input(input.to_string());
        match call.send().await {
            Ok(answer) => Ok(Some(answer.execution_arn)),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_execution_already_exists()) => Ok(None),
            Err(e) => Err(refusal("states:StartExecution", name, e)),
        }
    }

    /// Answers a waiting task. Nobody waiting any more is not an error: the execution was stopped or ran out of time.
    pub async fn answer(&self, token: &str, output: &Value) -> Result<()> {
        self.succeed(token, output).await.map(|_| ())
    }

    /// Decides a waiting approval: with `rejection` (error and cause) against it, without it for it.
    ///
    /// # Errors
    /// `RequestRefused` when it is decided or over already (P54).
    pub async fn decide(&self, token: &str, output: &Value, rejection: Option<(&str, &str)>) -> Result<()> {
        let waited = match rejection {
            None => self.succeed(token, output).await?,
            Some((error, cause)) => self.fail(token, error, cause).await?,
        };
        if waited {
            return Ok(());
        }
        Err(Kind::RequestRefused.because(
            "This approval is closed: somebody has decided it, its time ran out, or the deployment was stopped.",
        ))
    }

    /// Whether anybody waited for this success.
    async fn succeed(&self, token: &str, output: &Value) -> Result<bool> {
        match self.client.send_task_success().task_token(token).output(output.to_string()).send().await {
            Ok(_) => Ok(true),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_task_timed_out() || e.is_task_does_not_exist()) => {
                Ok(false)
            }
            Err(e) => Err(refusal("states:SendTaskSuccess", "the task token", e)),
        }
    }

    /// Whether anybody waited for this failure.
    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<bool> {
        match self.client.send_task_failure().task_token(token).error(error).cause(cause).send().await {
            Ok(_) => Ok(true),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_task_timed_out() || e.is_task_does_not_exist()) => {
                Ok(false)
            }
            Err(e) => Err(refusal("states:SendTaskFailure", "the task token", e)),
        }
    }
}
