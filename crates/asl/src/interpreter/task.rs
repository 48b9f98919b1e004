//! Task: attempts, retries and catches.

use futures_util::future::{Either, select};
use serde_json::{Value, json};

use super::{End, Exit, Run, Visit, too_large};
use crate::definition::Task;
use crate::errors::{answers, names};
use crate::history::Event;
use crate::host::{InvokeRequest, TaskToken, TokenSignal};
use crate::retry::backoff_millis;
use crate::{BoxFuture, TaskError};

/// An invocation under way.
type Reply = BoxFuture<'static, Result<Value, TaskError>>;

/// When an attempt has taken too long, in milliseconds since 1970.
struct Deadlines {
    timeout: u64,
    heartbeat_span: Option<u64>,
    heartbeat: u64,
}

impl Deadlines {
    /// The earlier deadline and the error it means.
    fn next(&self) -> (u64, &'static str) {
        if self.heartbeat < self.timeout {
            (self.heartbeat, names::HEARTBEAT_TIMEOUT)
        } else {
            (self.timeout, names::TIMEOUT)
        }
    }

    fn beat(&mut self, now: u64) {
        self.heartbeat = self.heartbeat_span.map_or(u64::MAX, |span| now.saturating_add(span));
    }
}

impl<'a> Run<'a> {
    pub(super) async fn task(&self, task: &'a Task, visit: &Visit<'_>) -> Result<Exit<'a>, End> {
        // One counter per retrier and visit.
        let mut retries = vec![0; task.retry.len()];
        let error = loop {
            let attempts: u64 = retries.iter().sum();
            let error = match self.attempt(task, visit, attempts).await? {
                Ok(output) => return Ok(self.exit(output, &task.transition)),
                Err(error) => error,
            };
            // The first retrier that answers decides, even when it is exhausted.
            let answering = task.retry.iter().position(|retrier| answers(&retrier.error_equals, &error.error));
            let Some(nth) = answering.filter(|nth| retries[*nth] < task.retry[*nth].max_attempts) else {
                break error;
            };
            let retrier = &task.retry[nth];
            let random = if retrier.full_jitter { self.host.random() } else { 0.0 };
            let delay = backoff_millis(
                retrier.interval_seconds,
                retrier.backoff_rate,
                retrier.max_delay_seconds,
                retrier.full_jitter,
                retries[nth],
                random,
            );
            retries[nth] += 1;
            self.host.sleep_until(self.host.now_millis().saturating_add(delay)).await;
        };
        let Some(catcher) = task.catch.iter().find(|catcher| answers(&catcher.error_equals, &error.error)) else {
            return Err(End::Failed { error: Some(error.error), cause: Some(error.cause) });
        };
        let details = json!({ "Error": error.error, "Cause": error.cause });
        let output = self.place(catcher.result_path.as_ref(), visit, details)?;
        Ok(Exit { output: visit.bounded(output)?, next: Some(&catcher.next) })
    }

    /// One attempt, from the parameters to the state's output. The outer error ends the execution, the inner one may
    /// be retried or caught.
    async fn attempt(&self, task: &Task, visit: &Visit<'_>, retries: u64) -> Result<Result<Value, TaskError>, End> {
        let token = task.waits_for_token.then(|| self.host.register_token());
        let token_text = token.as_ref().map(|token| token.token.as_str());
        let context = self.execution.object(visit.name, visit.entered_millis, retries, token_text);
        let input = self.effective_input(&task.filter, visit, &context)?;
        let function = match self.evaluate(&task.function, &input, &context, visit)? {
            Value::String(function) => function,
            other => return Err(visit.runtime(&format!("FunctionName is {other}, no string."))),
        };
        let payload = match &task.payload {
            Some(payload) => self.evaluate(payload, &input, &context, visit)?,
            None => json!({}),
        };
        let span = |span: &Option<_>, field| {
            let seconds = |span| self.seconds(span, field, 1, &input, &context, visit);
            span.as_ref().map(seconds).transpose()
        };
        let timeout_seconds = span(&task.timeout, "TimeoutSecondsPath")?;
        let heartbeat_seconds = span(&task.heartbeat, "HeartbeatSecondsPath")?;

        let resource = task.resource;
        self.journal.record(Event::TaskScheduled {
            resource,
            region: self.host.region(),
            parameters: json!({ "FunctionName": function, "Payload": payload }),
            timeout_seconds,
            heartbeat_seconds,
        })?;
        if let Some(error) = too_large(&payload, visit.name) {
            return self.failed(resource, error).map(Err);
        }
        self.journal.record(Event::TaskStarted { resource })?;

        let now = self.host.now_millis();
        let later = |seconds: Option<u64>| seconds.map(|seconds| seconds.saturating_mul(1000));
        let mut deadlines = Deadlines {
            timeout: later(timeout_seconds).map_or(u64::MAX, |span| now.saturating_add(span)),
            heartbeat_span: later(heartbeat_seconds),
            heartbeat: u64::MAX,
        };
        deadlines.beat(now);
        let request = InvokeRequest { function, payload, state: visit.name.to_owned(), retries };
        let reply = self.host.invoke(request);
        let result = match token {
            None => self.reply(resource, reply, deadlines.timeout).await?,
            Some(token) => self.token(resource, reply, token, deadlines).await?,
        };
        let result = match result {
            Ok(result) => result,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(error) = too_large(&result, visit.name) {
            return self.failed(resource, error).map(Err);
        }
        self.journal.record(Event::TaskSucceeded { resource, output: result.clone() })?;

        let result = match &task.result_selector {
            Some(selector) => {
                // The token is spent; the result is what the selector sees.
                let context = self.execution.object(visit.name, visit.entered_millis, retries, None);
                self.evaluate(selector, &result, &context, visit)?
            }
            None => result,
        };
        let output = self.place(task.result_path.as_ref(), visit, result)?;
        let output = self.effective_output(&task.filter, visit, &context, output)?;
        Ok(match too_large(&output, visit.name) {
            Some(error) => Err(error),
            None => Ok(output),
        })
    }

    /// Waits for the function's answer.
    async fn reply(&self, resource: &'static str, reply: Reply, timeout: u64) -> Result<Result<Value, TaskError>, End> {
        match select(reply, self.until(timeout)).await {
            Either::Left((Ok(payload), _)) => Ok(Ok(answer(payload))),
            Either::Left((Err(error), _)) => self.failed(resource, error).map(Err),
            Either::Right(_) => self.timed_out(resource, names::TIMEOUT).map(Err),
        }
    }

    /// Waits for the token, which decides; the function's own failure does too.
    async fn token(
        &self,
        resource: &'static str,
        reply: Reply,
        token: TaskToken,
        mut deadlines: Deadlines,
    ) -> Result<Result<Value, TaskError>, End> {
        let mut signals = token.signals;
        let mut reply = Some(reply);
        let mut open = true;
        loop {
            let (due, timeout_error) = deadlines.next();
            let submitted = async {
                match reply.as_mut() {
                    Some(reply) => reply.await,
                    None => std::future::pending().await,
                }
            };
            // In this order, so that the same run is the same run again.
            tokio::select! {
                biased;
                signal = signals.recv(), if open => match signal {
                    Some(TokenSignal::Heartbeat) => deadlines.beat(self.host.now_millis()),
                    Some(TokenSignal::Success(output)) => return Ok(Ok(output)),
                    Some(TokenSignal::Failure(error)) => return self.failed(resource, error).map(Err),
                    None => open = false,
                },
                result = submitted => {
                    reply = None;
                    match result {
                        Ok(payload) => {
                            self.journal.record(Event::TaskSubmitted { resource, output: answer(payload) })?;
                        }
                        Err(error) => return self.failed(resource, error).map(Err),
                    }
                }
                () = self.until(due) => return self.timed_out(resource, timeout_error).map(Err),
            }
        }
    }

    /// Waits until an instant, or for ever when it is never.
    fn until(&self, millis: u64) -> BoxFuture<'static, ()> {
        if millis == u64::MAX { Box::pin(std::future::pending()) } else { self.host.sleep_until(millis) }
    }

    fn failed(&self, resource: &'static str, error: TaskError) -> Result<TaskError, End> {
        let error = error.bounded();
        let TaskError { error: name, cause } = error.clone();
        self.journal.record(Event::TaskFailed { resource, error: name, cause })?;
        Ok(error)
    }

    fn timed_out(&self, resource: &'static str, error: &'static str) -> Result<TaskError, End> {
        self.journal.record(Event::TaskTimedOut { resource, error: error.to_owned() })?;
        Ok(TaskError::new(error, ""))
    }
}

/// What `lambda:invoke` makes of a function's answer.
fn answer(payload: Value) -> Value {
    json!({ "ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200 })
}
