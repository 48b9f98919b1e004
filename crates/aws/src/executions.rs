//! Executions of state machines: starting the rollback, and answering the deployment that waits for it.

use aws_sdk_sfn::Client;
use aws_types::SdkConfig;
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::refusal::refusal;

/// The message in the cause of a Lambda function's error, which is a JSON text; otherwise the cause itself.
pub fn message(cause: &str) -> String {
    let parsed = serde_json::from_str::<Value>(cause).ok();
    let message = parsed.as_ref().and_then(|cause| cause.get("errorMessage")?.as_str());
    message.unwrap_or(cause).to_owned()
}

/// The state machines of the account.
#[derive(Clone, Debug)]
pub struct Executions {
    client: Client,
}

impl Executions {
    /// The state machines that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
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

    /// Why an execution ended, when it has ended badly: the cause that it gives, or its status.
    pub async fn failure(&self, execution: &str) -> Result<Option<String>> {
        let answer = self.client.describe_execution().execution_arn(execution).send().await;
        let answer = answer.map_err(|e| refusal("states:DescribeExecution", execution, e))?;
        Ok(match answer.status().as_str() {
            "RUNNING" | "SUCCEEDED" => None,
            status => Some(answer.cause().map_or_else(|| status.to_owned(), message)),
        })
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
