//! What is done to Step Functions from outside: looking at executions, stopping and redriving them, answering task tokens, and
//! the events of EventBridge.

use std::sync::Arc;
use std::time::Duration;

use crossfade_sim::api::stepfunctions::{ExecutionOutcome, ExecutionSummary, StepFunctions};
use crossfade_sim::lambda::Invocation;
use crossfade_sim::{Request, Service, Sim};
use serde_json::{Value, json};

use crate::Scene;

/// Calls Step Functions as somebody with the CLI would: the answer, or the code of the error.
///
/// # Errors
/// What Step Functions refuses, by its code.
pub async fn call(sim: &Arc<Sim>, operation: &str, arguments: Value) -> Result<Value, String> {
    let answer = sim.handle(Request::json(Service::StepFunctions, operation, arguments)).await.expect("it answers");
    let body: Value = serde_json::from_slice(&answer.body).expect("it is JSON");
    if answer.status == 200 {
        return Ok(body);
    }
    let code = body["__type"].as_str().expect("an error has a type");
    Err(code.rsplit('#').next().unwrap_or(code).to_owned())
}

/// The executions of one machine, in the order in which they were started.
pub fn executions(sim: &Sim, machine: &str) -> Vec<ExecutionSummary> {
    let mut all = sim.step_functions().executions();
    all.retain(|execution| execution.state_machine_arn == machine);
    all
}

/// The executions that roll back.
pub fn rollbacks(scene: &Scene) -> Vec<ExecutionSummary> {
    executions(&scene.sim, &scene.installation.rollback_arn)
}

/// Starts a deployment: the ARN of its execution.
pub fn deploy(scene: &Scene, name: &str, document: &Value) -> String {
    StepFunctions::start(&scene.sim, &scene.installation.deploy_arn, Some(name), document).expect("it starts")
}

/// Stops an execution.
pub async fn stop(sim: &Arc<Sim>, execution: &str, said: Value) {
    let mut arguments = said;
    arguments["executionArn"] = json!(execution);
    call(sim, "StopExecution", arguments).await.expect("it can be stopped");
}

/// Redrives an execution.
///
/// # Errors
/// What Step Functions refuses, by its code.
pub async fn redrive(sim: &Arc<Sim>, execution: &str) -> Result<(), String> {
    call(sim, "RedriveExecution", json!({ "executionArn": execution })).await.map(|_| ())
}

/// How an execution has ended, once it has.
pub async fn end(scene: &Scene, execution: &str) -> ExecutionOutcome {
    scene.sim.step_functions().wait_for(execution).await.expect("there is such an execution")
}

/// Says yes to a token.
///
/// # Errors
/// What Step Functions refuses, by its code.
pub async fn approve(sim: &Arc<Sim>, token: &str) -> Result<(), String> {
    call(sim, "SendTaskSuccess", json!({ "taskToken": token, "output": r#"{"by": "ann"}"# })).await.map(|_| ())
}

/// Says no to a token.
///
/// # Errors
/// What Step Functions refuses, by its code.
pub async fn reject(sim: &Arc<Sim>, token: &str) -> Result<(), String> {
    let said = json!({ "taskToken": token, "error": "Rejected", "cause": r#"{"by": "bob"}"# });
    call(sim, "SendTaskFailure", said).await.map(|_| ())
}

/// The token of the approval that a deployment waits for, if it does.
pub fn open_token(scene: &Scene, deployment: &str) -> Option<String> {
    let records = scene.installation.records(&format!("deployment#{deployment}"));
    let open =
        |record: &&Value| record["decision"].is_null() && record["taskToken"].as_str().is_some_and(|it| !it.is_empty());
    let mut approvals = records.iter().filter(|(sk, _)| sk.starts_with("approval#")).map(|(_, record)| record);
    approvals.find(open)?["taskToken"].as_str().map(str::to_owned)
}

/// The token of the approval that a deployment comes to wait for.
pub async fn asked(scene: &Scene, deployment: &str) -> String {
    for _ in 0..3600 {
        if let Some(token) = open_token(scene, deployment) {
            return token;
        }
        scene.sim.clock.sleep(Duration::from_secs(1)).await;
    }
    panic!("{deployment} asks for nothing: {:#?}", scene.installation.log(deployment));
}

/// What EventBridge passes on when an execution has changed.
pub fn change(execution: &ExecutionSummary) -> Value {
    json!({
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": execution.arn,
            "stateMachineArn": execution.state_machine_arn,
            "name": execution.name,
            "status": execution.status(),
        },
    })
}

/// What EventBridge passes on every minute.
pub fn schedule() -> Value {
    json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} })
}

/// Lets the sweep run: the rollbacks that are running by then.
pub async fn sweep(scene: &Scene, event: Value) -> Vec<String> {
    match scene.sim.functions().invoke("sweep", event).await {
        Invocation::Returned(answer) => {
            let running = answer["rollbacks"].as_array().expect("a list").iter();
            running.map(|name| name.as_str().expect("a name").to_owned()).collect()
        }
        other => panic!("the sweep failed: {other:?}"),
    }
}

/// The record of a deployment.
pub fn meta(scene: &Scene, deployment: &str) -> Value {
    scene.installation.record(&format!("deployment#{deployment}"), "meta").expect("it is recorded")
}
