//! A definition that is right in every way, for tests to break, and a host to run definitions on.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_asl::{
    BoxFuture, ExecutionContext, HistoryEvent, Host, InvokeRequest, Outcome, StateMachine, TaskError, TaskToken,
    TokenSignal, redrive, run,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep_until};

/// A definition without any problem.
pub fn good() -> Value {
    let retry = json!([{
        "ErrorEquals": [
            "Lambda.ClientExecutionTimeoutException", "Lambda.ServiceException", "Lambda.AWSLambdaException",
            "Lambda.SdkClientException", "Lambda.TooManyRequestsException"
        ],
        "IntervalSeconds": 2, "MaxAttempts": 6, "BackoffRate": 2.0, "MaxDelaySeconds": 60, "JitterStrategy": "FULL"
    }]);
    json!({
        "Comment": "A machine that does nothing, carefully.",
        "StartAt": "Work",
        "TimeoutSeconds": 3600,
        "States": {
            "Work": {
                "Type": "Task",
                "Comment": "Does the work; nothing has changed yet.",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": { "FunctionName": "work", "Payload": { "id.$": "$$.Execution.Name" } },
                "TimeoutSeconds": 60,
                "Retry": retry,
                "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed" }],
                "Next": "Approve"
            },
            "Approve": {
                "Type": "Task",
                "Comment": "Waits for a human; the work is done.",
                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Parameters": { "FunctionName": "ask", "Payload": { "token.$": "$$.Task.Token" } },
                "TimeoutSeconds": 600,
                "HeartbeatSeconds": 60,
                "Retry": retry,
                "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed" }],
                "Next": "Decide"
            },
            "Decide": {
                "Type": "Choice",
                "Comment": "Goes on when the human said yes.",
                "Choices": [{ "Variable": "$.approved", "BooleanEquals": true, "Next": "Done" }],
                "Default": "Failed"
            },
            "Done": { "Type": "Succeed", "Comment": "Everything is as it was wanted." },
            "Failed": { "Type": "Fail", "Comment": "Nothing more can be done here.", "Error": "Failed" }
        }
    })
}

/// What a function does: after a delay in milliseconds it answers.
pub type Script = Box<dyn Fn(&InvokeRequest, usize) -> (u64, Result<Value, TaskError>) + Send + Sync>;

/// A host on tokio's (paused) clock.
pub struct TestHost {
    start: Instant,
    script: Script,
    pub requests: Mutex<Vec<InvokeRequest>>,
    pub finished: Mutex<Vec<String>>,
    pub history: Mutex<Vec<HistoryEvent>>,
    pub tokens: Mutex<BTreeMap<String, UnboundedSender<TokenSignal>>>,
    /// Given out in turn, then 0.5.
    pub randoms: Mutex<Vec<f64>>,
}

/// When the test's clock starts.
pub const START: u64 = 1_767_603_600_000;

impl TestHost {
    pub fn scripted(script: Script) -> Arc<TestHostHandle> {
        Arc::new(TestHostHandle(Arc::new(Self {
            start: Instant::now(),
            script,
            requests: Mutex::default(),
            finished: Mutex::default(),
            history: Mutex::default(),
            tokens: Mutex::default(),
            randoms: Mutex::default(),
        })))
    }
}

/// Shares the host with the invocations that outlive their task.
pub struct TestHostHandle(pub Arc<TestHost>);

impl Host for TestHostHandle {
    fn now_millis(&self) -> u64 {
        START + self.0.start.elapsed().as_millis() as u64
    }

    fn sleep_until(&self, millis: u64) -> BoxFuture<'static, ()> {
        Box::pin(sleep_until(self.0.start + Duration::from_millis(millis.saturating_sub(START))))
    }

    fn random(&self) -> f64 {
        let mut randoms = self.0.randoms.lock().expect("randoms");
        if randoms.is_empty() { 0.5 } else { randoms.remove(0) }
    }

    fn region(&self) -> String {
        "us-east-1".into()
    }

    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'static, Result<Value, TaskError>> {
        let host = self.0.clone();
        let nth = {
            let mut requests = host.requests.lock().expect("requests");
            requests.push(request.clone());
            requests.len() - 1
        };
        let task = tokio::spawn(async move {
            let (delay, result) = (host.script)(&request, nth);
            tokio::time::sleep(Duration::from_millis(delay)).await;
            host.finished.lock().expect("finished").push(request.function);
            result
        });
        Box::pin(async move { task.await.expect("the script does not panic") })
    }

    fn register_token(&self) -> TaskToken {
        let (sender, signals) = tokio::sync::mpsc::unbounded_channel();
        let mut tokens = self.0.tokens.lock().expect("tokens");
        let token = format!("token-{}", tokens.len());
        tokens.insert(token.clone(), sender);
        TaskToken { token, signals }
    }

    fn record(&self, event: HistoryEvent) {
        self.0.history.lock().expect("history").push(event);
    }
}

impl TestHostHandle {
    /// The names of the events so far, with the state's name where there is one.
    pub fn events(&self) -> Vec<String> {
        self.0.history.lock().expect("history").iter().map(|event| event.event.type_name()).collect()
    }

    /// Milliseconds after the start of each event of this type.
    pub fn times(&self, type_name: &str) -> Vec<u64> {
        let history = self.0.history.lock().expect("history");
        let of_type = history.iter().filter(|event| event.event.type_name() == type_name);
        of_type.map(|event| event.at_millis - START).collect()
    }

    fn execution(&self, input: Value) -> ExecutionContext {
        ExecutionContext {
            arn: "arn:aws:states:us-east-1:123456789012:execution:m:e".into(),
            name: "e".into(),
            state_machine_arn: "arn:aws:states:us-east-1:123456789012:stateMachine:m".into(),
            state_machine_name: "m".into(),
            role_arn: "arn:aws:iam::123456789012:role/r".into(),
            input,
            start_millis: self.now_millis(),
        }
    }

    /// Starts a machine on this host.
    pub fn start(self: &Arc<Self>, definition: &Value, input: Value) -> tokio::task::JoinHandle<Outcome> {
        let machine = StateMachine::parse(&definition.to_string()).expect("a valid definition");
        tokio::spawn(run(Arc::new(machine), self.execution(input), self.clone()))
    }

    /// Redrives what has run on this host.
    pub async fn redrive(self: &Arc<Self>, definition: &Value, input: Value) -> Outcome {
        let machine = StateMachine::parse(&definition.to_string()).expect("a valid definition");
        let history = self.0.history.lock().expect("history").clone();
        redrive(Arc::new(machine), self.execution(input), self.clone(), history).await
    }

    /// Runs a machine to its end.
    pub async fn run(self: &Arc<Self>, definition: &Value, input: Value) -> Outcome {
        self.start(definition, input).await.expect("the interpreter does not panic")
    }
}

/// A host without functions.
pub fn no_functions() -> Arc<TestHostHandle> {
    TestHost::scripted(Box::new(|request, _| panic!("{} was invoked", request.function)))
}
