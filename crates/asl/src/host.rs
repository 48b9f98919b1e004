//! What an execution needs from the world around it.

use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{HistoryEvent, TaskError};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;

/// One invocation of a Lambda function.
#[derive(Clone, Debug, PartialEq)]
pub struct InvokeRequest {
    /// The function's name or ARN, as the definition gives it.
    pub function: String,
    /// The payload.
    pub payload: Value,
    /// The state that invokes it.
    pub state: String,
    /// How often the state has retried before this attempt.
    pub retries: u64,
}

/// What somebody sends with a task token.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenSignal {
    /// The task goes on; its heartbeat deadline starts anew.
    Heartbeat,
    /// The task is done, with this output.
    Success(Value),
    /// The task failed.
    Failure(TaskError),
}

/// A fresh task token and what is sent with it. Once the receiver is dropped the token is closed.
#[derive(Debug)]
pub struct TaskToken {
    /// The token.
    pub token: String,
    /// What is sent with it, in order.
    pub signals: UnboundedReceiver<TokenSignal>,
}

/// The world around executions: time, chance, functions, tokens, and the history's keeper.
pub trait Host: Send + Sync {
    /// Milliseconds since 1970.
    fn now_millis(&self) -> u64;

    /// Waits until [`Host::now_millis`] reads at least `millis`.
    fn sleep_until(&self, millis: u64) -> BoxFuture<'static, ()>;

    /// Waits until the account lets one more state be entered.
    fn transition(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    /// A number uniform in [0, 1).
    fn random(&self) -> f64;

    /// The region, for history events.
    fn region(&self) -> String;

    /// Starts an invocation. It must have its whole effect even if the returned future is dropped: a Task that times
    /// out leaves the function running.
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'static, Result<Value, TaskError>>;

    /// Makes a task token, unique and hard to guess.
    fn register_token(&self) -> TaskToken;

    /// Keeps one event of the execution's history. Called in the order of the events' ids.
    fn record(&self, event: HistoryEvent);
}
