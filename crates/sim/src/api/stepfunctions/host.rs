//! The account as the interpreter's host: its clock, its functions, its tokens, and an execution's own chance.

use std::sync::{Arc, Mutex};

use crossfade_asl::{BoxFuture, HistoryEvent, Host, InvokeRequest, TaskError, TaskToken};
use serde_json::Value;

use super::execution::Execution;
use super::{REGION, generator, lock};
use crate::Sim;
use crate::lambda::Invocation;

/// The host of one execution.
pub(super) struct ExecutionHost {
    sim: Arc<Sim>,
    execution: Arc<Execution>,
    /// Of this execution alone, so that another one in between changes nothing.
    random: Mutex<fastrand::Rng>,
}

impl ExecutionHost {
    pub(super) fn new(sim: &Arc<Sim>, execution: &Arc<Execution>) -> Self {
        // A redrive must not give out the tokens of before again.
        let text = match execution.summary().redrive_count {
            0 => execution.arn.clone(),
            count => format!("{} {count}", execution.arn),
        };
        let random = Mutex::new(generator(sim.settings.seed, &text));
        Self { sim: sim.clone(), execution: execution.clone(), random }
    }
}

impl Host for ExecutionHost {
    fn now_millis(&self) -> u64 {
        self.sim.clock.now_millis()
    }

    fn sleep_until(&self, millis: u64) -> BoxFuture<'static, ()> {
        let clock = self.sim.clock.clone();
        Box::pin(async move {
            // A scaled clock may wake a rounding error early.
            while clock.now_millis() < millis {
                clock.sleep_until(millis).await;
            }
        })
    }

    fn transition(&self) -> BoxFuture<'static, ()> {
        match self.sim.transition_wait_millis() {
            0 => Box::pin(std::future::ready(())),
            wait => self.sleep_until(self.now_millis() + wait),
        }
    }

    fn random(&self) -> f64 {
        lock(&self.random).f64()
    }

    fn region(&self) -> String {
        REGION.to_owned()
    }

    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'static, Result<Value, TaskError>> {
        let invocation = self.sim.functions().invoke(&request.function, request.payload);
        // A task of its own: it goes on when the execution times out or is stopped.
        let running = tokio::spawn(invocation);
        Box::pin(async move {
            match running.await {
                Ok(Invocation::Returned(payload)) => Ok(payload),
                Ok(Invocation::Raised { error_type, error_message }) => {
                    Err(TaskError::function(&error_type, &error_message))
                }
                Ok(Invocation::Platform { error, cause }) => Err(TaskError::new(error, cause)),
                Err(_) => Err(TaskError::new("Lambda.Unknown", "The host of the function panicked.")),
            }
        })
    }

    fn register_token(&self) -> TaskToken {
        let text = super::tokens::generate(&mut lock(&self.random));
        self.sim.step_functions().tokens.register(text)
    }

    fn record(&self, event: HistoryEvent) {
        if self.execution.record(&event) {
            self.sim.step_functions().publish(&self.execution, &event);
            if event.event.ends_execution() {
                self.execution.announce_end();
            }
        }
    }
}
