//! Step Functions: standard state machines, their executions and task tokens.
//!
//! It owns the machines and executions of the account and the JSON 1.0 protocol in front of them. What a definition
//! means is the ASL interpreter's affair; what a function does, [`crate::lambda`]'s. It must never wait while it holds
//! a lock: executions are tasks of the runtime, and everything they wait for is the account's clock.

mod execution;
mod history;
mod host;
mod operations;
mod redrive;
mod refusal;
mod tokens;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossfade_asl::{HistoryEvent, Problem, StateMachine, transitions};
use serde_json::Value;

use crate::connector::REGION;
use crate::{Clock, Request, Response, Sim};
use execution::Execution;
pub use execution::{ExecutionOutcome, ExecutionSummary};
use refusal::Refusal;
use tokens::Tokens;

/// The account's number.
const ACCOUNT: &str = "123456789012";

/// The role of machines that are set up without one.
const DEFAULT_ROLE: &str = "arn:aws:iam::123456789012:role/states";

/// One event of one execution, as subscribers see it.
#[derive(Clone, Copy, Debug)]
pub struct ExecutionEvent<'a> {
    /// The execution's ARN.
    pub execution_arn: &'a str,
    /// The execution's name.
    pub execution_name: &'a str,
    /// The machine's ARN.
    pub state_machine_arn: &'a str,
    /// The machine's name.
    pub state_machine_name: &'a str,
    /// The event.
    pub event: &'a HistoryEvent,
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
}

/// Called at each event of each execution, while no lock is held.
pub type Subscriber = Box<dyn Fn(&ExecutionEvent<'_>) + Send + Sync>;

/// The state machines and executions of the account.
pub struct StepFunctions {
    clock: Clock,
    state: Mutex<State>,
    subscribers: Mutex<Vec<Arc<Subscriber>>>,
    tokens: Tokens,
}

#[derive(Default)]
struct State {
    /// By ARN.
    machines: BTreeMap<String, Arc<Machine>>,
    /// By ARN.
    executions: BTreeMap<String, Arc<Execution>>,
    /// The ARNs of the executions as they were started.
    started: Vec<String>,
    /// How many names the account has made up.
    generated: u64,
}

/// A machine, never changed once it is made.
struct Machine {
    arn: String,
    name: String,
    role_arn: String,
    /// The text as it was given.
    definition: String,
    parsed: Arc<StateMachine>,
    created_millis: u64,
}

impl StepFunctions {
    /// No machines yet; their times are `clock`'s.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default(), subscribers: Mutex::default(), tokens: Tokens::default() }
    }

    /// Answers one request.
    pub fn handle(sim: &Arc<Sim>, request: &Request) -> Response {
        operations::handle(sim, request)
    }

    /// Makes a state machine of a definition (after substitution), or replaces the one of that name; its ARN.
    ///
    /// Executions that run already keep the definition they began with. Without a role a made-up one is used. Fails
    /// with everything that is wrong with the definition.
    pub fn create(&self, name: &str, definition: &str, role_arn: Option<&str>) -> Result<String, Vec<Problem>> {
        let parsed = Arc::new(StateMachine::parse(definition)?);
        let arn = machine_arn(name);
        let machine = Machine {
            arn: arn.clone(),
            name: name.to_owned(),
            role_arn: role_arn.unwrap_or(DEFAULT_ROLE).to_owned(),
            definition: definition.to_owned(),
            parsed,
            created_millis: self.clock.now_millis(),
        };
        self.state().machines.insert(arn.clone(), Arc::new(machine));
        Ok(arn)
    }

    /// Starts an execution; its ARN. Fails, with AWS's error code and message, as StartExecution does.
    pub fn start(sim: &Arc<Sim>, machine_arn: &str, name: Option<&str>, input: &Value) -> Result<String, String> {
        let started = operations::start(sim, machine_arn, name, &input.to_string());
        started.map(|execution| execution.arn.clone()).map_err(|refusal| refusal.to_string())
    }

    /// Every execution, in the order they were started.
    pub fn executions(&self) -> Vec<ExecutionSummary> {
        let state = self.state();
        state.started.iter().filter_map(|arn| state.executions.get(arn)).map(|execution| execution.summary()).collect()
    }

    /// How an execution ended; nothing while it runs or when there is none of that ARN.
    pub fn outcome(&self, execution_arn: &str) -> Option<ExecutionOutcome> {
        self.execution(execution_arn)?.summary().outcome
    }

    /// Waits, in the account's time, until an execution has ended. Nothing when there is none of that ARN.
    pub async fn wait_for(&self, execution_arn: &str) -> Option<ExecutionOutcome> {
        let execution = self.execution(execution_arn)?;
        execution.ended().await;
        execution.summary().outcome
    }

    /// An execution's history so far; empty when there is none of that ARN.
    pub fn history(&self, execution_arn: &str) -> Vec<HistoryEvent> {
        self.execution(execution_arn).map(|execution| execution.history()).unwrap_or_default()
    }

    /// The state transitions of an execution that AWS would bill: states entered, and retries.
    pub fn transitions(&self, execution_arn: &str) -> u64 {
        transitions(&self.history(execution_arn))
    }

    /// From now on `subscriber` is called at each event of each execution, in order, as it happens.
    pub fn subscribe(&self, subscriber: Subscriber) {
        lock(&self.subscribers).push(Arc::new(subscriber));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn execution(&self, arn: &str) -> Option<Arc<Execution>> {
        self.state().executions.get(arn).cloned()
    }

    fn publish(&self, execution: &Execution, event: &HistoryEvent) {
        let subscribers = lock(&self.subscribers).clone();
        for subscriber in subscribers {
            subscriber(&ExecutionEvent {
                execution_arn: &execution.arn,
                execution_name: &execution.name,
                state_machine_arn: &execution.machine.arn,
                state_machine_name: &execution.machine.name,
                event,
                at_millis: event.at_millis,
            });
        }
    }
}

fn machine_arn(name: &str) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}")
}

/// A lock that a panicking subscriber has poisoned still guards consistent state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A generator whose numbers follow from the account's seed and a text, however executions interleave.
fn generator(seed: u64, text: &str) -> fastrand::Rng {
    // FNV-1a: any stable hash does, the standard library's is not.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    fastrand::Rng::with_seed(seed ^ hash)
}
