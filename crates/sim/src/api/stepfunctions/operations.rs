//! The operations: decode a request, act, encode the answer.

use std::sync::Arc;

use crossfade_asl::{ExecutionContext, PAYLOAD_LIMIT, StateMachine, TaskError, TokenSignal, redrive, run};
use serde_json::{Value, json};

use super::execution::{Execution, ExecutionOutcome};
use super::history::{event, seconds};
use super::host::ExecutionHost;
use super::redrive::Redrive;
use super::{ACCOUNT, Machine, REGION, Refusal, generator, machine_arn};
use crate::{Request, Response, Sim};

/// The most characters of an error's name, and of a cause.
const ERROR_LIMIT: usize = 256;
const CAUSE_LIMIT: usize = 32_768;

pub(super) fn handle(sim: &Arc<Sim>, request: &Request) -> Response {
    let input = Input(&request.json);
    let answer = match request.operation.as_str() {
        "CreateStateMachine" => create_state_machine(sim, input),
        "DescribeStateMachine" => describe_state_machine(sim, input),
        "ListStateMachines" => list_state_machines(sim, input),
        "StartExecution" => start_execution(sim, input),
        "DescribeExecution" => describe_execution(sim, input),
        "DescribeStateMachineForExecution" => describe_machine_for_execution(sim, input),
        "ListExecutions" => list_executions(sim, input),
        "GetExecutionHistory" => execution_history(sim, input),
        "StopExecution" => stop_execution(sim, input),
        "RedriveExecution" => redrive_execution(sim, input),
        "SendTaskSuccess" => send_task_success(sim, input),
        "SendTaskFailure" => send_task_failure(sim, input),
        "SendTaskHeartbeat" => send(sim, input, TokenSignal::Heartbeat),
        other => Err(Refusal::new("NotImplemented", format!("{other} is not simulated"))),
    };
    match answer {
        Ok(body) => Response::json(200, &body),
        Err(refusal) => refusal.response(),
    }
}

/// A request's body.
#[derive(Clone, Copy)]
struct Input<'a>(&'a Value);

impl<'a> Input<'a> {
    fn text(self, name: &str) -> Result<Option<&'a str>, Refusal> {
        match &self.0[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(Refusal::new("SerializationException", format!("{name} must be a string"))),
        }
    }

    fn required(self, name: &str) -> Result<&'a str, Refusal> {
        self.text(name)?.ok_or_else(|| Refusal::validation(format!("Value null at '{name}': Member must not be null")))
    }

    fn arn(self, name: &str) -> Result<&'a str, Refusal> {
        let arn = self.required(name)?;
        if arn.starts_with("arn:") { Ok(arn) } else { Err(Refusal::new("InvalidArn", format!("Invalid Arn: '{arn}'"))) }
    }

    fn flag(self, name: &str, default: bool) -> bool {
        self.0[name].as_bool().unwrap_or(default)
    }

    /// An optional text of at most `limit` characters.
    fn bounded(self, name: &str, limit: usize) -> Result<Option<String>, Refusal> {
        let text = self.text(name)?;
        // Payloads are counted in bytes, and so is everything else as long as it is plain.
        if text.is_some_and(|text| if limit == PAYLOAD_LIMIT { text.len() } else { text.chars().count() } > limit) {
            let message = format!("Value at '{name}': Member must have length less than or equal to {limit}");
            return Err(Refusal::validation(message));
        }
        Ok(text.map(str::to_owned))
    }

    /// The page of `items` that was asked for, and the token of the next one.
    fn page<T>(self, items: Vec<T>) -> Result<(Vec<T>, Option<String>), Refusal> {
        let size = match self.0["maxResults"].as_u64() {
            None | Some(0) => 100,
            Some(size @ 1..=1000) => size as usize,
            Some(_) => return Err(Refusal::validation("maxResults: Member must be less than or equal to 1000")),
        };
        let invalid = || Refusal::new("InvalidToken", "Invalid Token: 'Invalid token'");
        let start = match self.text("nextToken")? {
            None => 0,
            Some(token) => token.strip_prefix("page-").and_then(|at| at.parse().ok()).ok_or_else(invalid)?,
        };
        let next = (start + size < items.len()).then(|| format!("page-{}", start + size));
        Ok((items.into_iter().skip(start).take(size).collect(), next))
    }
}

fn listed(key: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut body = json!({ key: items });
    if let Some(next) = next {
        body["nextToken"] = next.into();
    }
    body
}

fn create_state_machine(sim: &Arc<Sim>, input: Input<'_>) -> Result<Value, Refusal> {
    let (name, definition) = (input.required("name")?, input.required("definition")?);
    let role_arn = input.arn("roleArn")?;
    check_name(name)?;
    if input.text("type")?.is_some_and(|kind| kind != "STANDARD") {
        return Err(Refusal::new("StateMachineTypeNotSupported", "only STANDARD state machines are simulated"));
    }
    StateMachine::parse(definition).map_err(|problems| {
        let problems = problems.iter().map(|problem| format!("'{problem}'")).collect::<Vec<_>>().join(", ");
        Refusal::new("InvalidDefinition", format!("Invalid State Machine Definition: {problems}"))
    })?;
    let arn = machine_arn(name);
    let existing = sim.step_functions().state().machines.get(&arn).cloned();
    let created_millis = match existing {
        // Asking again for the same thing is no error.
        Some(machine) if machine.definition == definition && machine.role_arn == role_arn => machine.created_millis,
        Some(_) => {
            let message = format!("State Machine Already Exists: '{arn}'");
            return Err(Refusal::new("StateMachineAlreadyExists", message));
        }
        None => {
            let created = sim.step_functions().create(name, definition, Some(role_arn));
            created.map_err(|_| Refusal::new("InvalidDefinition", "Invalid State Machine Definition"))?;
            sim.clock.now_millis()
        }
    };
    Ok(json!({ "stateMachineArn": arn, "creationDate": seconds(created_millis) }))
}

fn machine(sim: &Sim, arn: &str) -> Result<Arc<Machine>, Refusal> {
    let found = sim.step_functions().state().machines.get(arn).cloned();
    found.ok_or_else(|| Refusal::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'")))
}

fn execution(sim: &Sim, arn: &str) -> Result<Arc<Execution>, Refusal> {
    let found = sim.step_functions().execution(arn);
    found.ok_or_else(|| Refusal::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'")))
}

fn describe_state_machine(sim: &Sim, input: Input<'_>) -> Result<Value, Refusal> {
    let machine = machine(sim, input.arn("stateMachineArn")?)?;
    Ok(json!({
        "stateMachineArn": machine.arn, "name": machine.name, "status": "ACTIVE", "type": "STANDARD",
        "definition": machine.definition, "roleArn": machine.role_arn,
        "creationDate": seconds(machine.created_millis),
        "loggingConfiguration": { "level": "OFF", "includeExecutionData": false },
        "tracingConfiguration": { "enabled": false },
    }))
}

fn list_state_machines(sim: &Sim, input: Input<'_>) -> Result<Value, Refusal> {
    let machines = sim.step_functions().state().machines.values().cloned().collect::<Vec<_>>();
    let (machines, next) = input.page(machines)?;
    let item = |machine: &Arc<Machine>| {
        json!({
            "stateMachineArn": machine.arn, "name": machine.name, "type": "STANDARD",
            "creationDate": seconds(machine.created_millis),
        })
    };
    Ok(listed("stateMachines", machines.iter().map(item).collect(), next))
}

fn start_execution(sim: &Arc<Sim>, input: Input<'_>) -> Result<Value, Refusal> {
    let text = input.bounded("input", PAYLOAD_LIMIT)?.unwrap_or_else(|| "{}".to_owned());
    let execution = start(sim, input.arn("stateMachineArn")?, input.text("name")?, &text)?;
    Ok(json!({ "executionArn": execution.arn, "startDate": seconds(execution.start_millis) }))
}

/// Starts an execution, or finds the running one that the same request has started before.
pub(super) fn start(
    sim: &Arc<Sim>,
    machine_arn: &str,
    name: Option<&str>,
    input: &str,
) -> Result<Arc<Execution>, Refusal> {
    let machine = machine(sim, machine_arn)?;
    if let Some(name) = name {
        check_name(name)?;
    }
    let value = serde_json::from_str::<Value>(input).map_err(|error| {
        Refusal::new("InvalidExecutionInput", format!("Invalid State Machine Execution Input: '{error}'"))
    })?;
    let now = sim.clock.now_millis();
    let execution = {
        let mut state = sim.step_functions().state();
        let name = name.map(str::to_owned).unwrap_or_else(|| {
            state.generated += 1;
            made_up_name(&mut generator(sim.settings.seed, &format!("{machine_arn} {}", state.generated)))
        });
        let arn = format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:{}:{name}", machine.name);
        if let Some(existing) = state.executions.get(&arn) {
            if existing.summary().outcome.is_none() && existing.input == input {
                return Ok(existing.clone());
            }
            let message = format!("Execution Already Exists: '{arn}'");
            return Err(Refusal::new("ExecutionAlreadyExists", message));
        }
        let execution = Arc::new(Execution::new(arn.clone(), name, machine.clone(), input.to_owned(), now));
        state.started.push(arn.clone());
        state.executions.insert(arn, execution.clone());
        execution
    };
    let host = Arc::new(ExecutionHost::new(sim, &execution));
    let task = tokio::spawn(run(machine.parsed.clone(), context(&execution, value), host));
    execution.runs_as(task.abort_handle());
    Ok(execution)
}

fn context(execution: &Execution, input: Value) -> ExecutionContext {
    let machine = &execution.machine;
    ExecutionContext {
        arn: execution.arn.clone(),
        name: execution.name.clone(),
        state_machine_arn: machine.arn.clone(),
        state_machine_name: machine.name.clone(),
        role_arn: machine.role_arn.clone(),
        input,
        start_millis: execution.start_millis,
    }
}

fn redrive_execution(sim: &Arc<Sim>, input: Input<'_>) -> Result<Value, Refusal> {
    let execution = execution(sim, input.arn("executionArn")?)?;
    let now = sim.clock.now_millis();
    match execution.redrive(now, input.text("clientToken")?) {
        Redrive::Refused(reason) => {
            let message = format!("The execution {} can not be redriven: {reason}", execution.arn);
            Err(Refusal::new("ExecutionNotRedrivable", message))
        }
        Redrive::Before(at) => Ok(json!({ "redriveDate": seconds(at) })),
        Redrive::Begun(history) => {
            // It was started with this text, so it is JSON.
            let value = serde_json::from_str(&execution.input).unwrap_or_default();
            let host = Arc::new(ExecutionHost::new(sim, &execution));
            let again = redrive(execution.machine.parsed.clone(), context(&execution, value), host, history);
            execution.runs_as(tokio::spawn(again).abort_handle());
            Ok(json!({ "redriveDate": seconds(now) }))
        }
    }
}

/// A name as the service makes one up: two UUIDs.
fn made_up_name(random: &mut fastrand::Rng) -> String {
    let mut uuid = || {
        let (a, b) = (random.u64(..), random.u64(..));
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 48 & 0xfff,
            b & 0xffff_ffff_ffff
        )
    };
    format!("{}_{}", uuid(), uuid())
}

fn describe_execution(sim: &Sim, input: Input<'_>) -> Result<Value, Refusal> {
    let execution = execution(sim, input.arn("executionArn")?)?;
    let summary = execution.summary();
    let mut body = json!({
        "executionArn": summary.arn, "stateMachineArn": summary.state_machine_arn, "name": summary.name,
        "status": summary.status(), "startDate": seconds(summary.start_millis),
        "input": summary.input, "inputDetails": { "included": true },
        "redriveCount": summary.redrive_count, "redriveStatus": "REDRIVABLE",
    });
    if let Some(reason) = execution.not_redrivable(sim.clock.now_millis()) {
        body["redriveStatus"] = "NOT_REDRIVABLE".into();
        body["redriveStatusReason"] = reason.into();
    }
    if let Some(redrive_millis) = summary.redrive_millis {
        body["redriveDate"] = seconds(redrive_millis).into();
    }
    if let Some(stop_millis) = summary.stop_millis {
        body["stopDate"] = seconds(stop_millis).into();
    }
    match summary.outcome {
        None | Some(ExecutionOutcome::TimedOut) => {}
        Some(ExecutionOutcome::Succeeded(output)) => {
            body["output"] = output.to_string().into();
            body["outputDetails"] = json!({ "included": true });
        }
        Some(ExecutionOutcome::Failed { error, cause } | ExecutionOutcome::Aborted { error, cause }) => {
            for (key, text) in [("error", error), ("cause", cause)] {
                if let Some(text) = text {
                    body[key] = text.into();
                }
            }
        }
    }
    Ok(body)
}

fn describe_machine_for_execution(sim: &Sim, input: Input<'_>) -> Result<Value, Refusal> {
    let execution = execution(sim, input.arn("executionArn")?)?;
    let machine = &execution.machine;
    Ok(json!({
        "stateMachineArn": machine.arn, "name": machine.name, "definition": machine.definition,
        "roleArn": machine.role_arn, "updateDate": seconds(machine.created_millis),
    }))
}

fn list_executions(sim: &Sim, input: Input<'_>) -> Result<Value, Refusal> {
    let machine = machine(sim, input.arn("stateMachineArn")?)?;
    let status = input.text("statusFilter")?;
    let mut executions = sim.step_functions().executions();
    executions.retain(|execution| {
        execution.state_machine_arn == machine.arn && status.is_none_or(|status| status == execution.status())
    });
    // The newest first.
    executions.reverse();
    let (executions, next) = input.page(executions)?;
    let items = executions.into_iter().map(|execution| {
        let status = execution.status();
        let mut item = json!({
            "executionArn": execution.arn, "stateMachineArn": execution.state_machine_arn, "name": execution.name,
            "status": status, "startDate": seconds(execution.start_millis), "redriveCount": execution.redrive_count,
        });
        if let Some(redrive_millis) = execution.redrive_millis {
            item["redriveDate"] = seconds(redrive_millis).into();
        }
        if let Some(stop_millis) = execution.stop_millis {
            item["stopDate"] = seconds(stop_millis).into();
        }
        item
    });
    Ok(listed("executions", items.collect(), next))
}

fn execution_history(sim: &Sim, input: Input<'_>) -> Result<Value, Refusal> {
    let mut history = execution(sim, input.arn("executionArn")?)?.history();
    if input.flag("reverseOrder", false) {
        history.reverse();
    }
    let data = input.flag("includeExecutionData", true);
    let (history, next) = input.page(history)?;
    Ok(listed("events", history.iter().map(|entry| event(entry, data)).collect(), next))
}

fn stop_execution(sim: &Sim, input: Input<'_>) -> Result<Value, Refusal> {
    let execution = execution(sim, input.arn("executionArn")?)?;
    let (error, cause) = (input.bounded("error", ERROR_LIMIT)?, input.bounded("cause", CAUSE_LIMIT)?);
    let now = sim.clock.now_millis();
    if let Some(event) = execution.abort(now, error, cause) {
        sim.step_functions().publish(&execution, &event);
        execution.announce_end();
    }
    // Stopping what has ended already changes nothing and is no error.
    Ok(json!({ "stopDate": seconds(execution.summary().stop_millis.unwrap_or(now)) }))
}

fn send_task_success(sim: &Sim, input: Input<'_>) -> Result<Value, Refusal> {
    input.required("output")?;
    let output = input.bounded("output", PAYLOAD_LIMIT)?.unwrap_or_default();
    let output = serde_json::from_str(&output)
        .map_err(|error| Refusal::new("InvalidOutput", format!("Invalid Output: '{error}'")))?;
    send(sim, input, TokenSignal::Success(output))
}

fn send_task_failure(sim: &Sim, input: Input<'_>) -> Result<Value, Refusal> {
    let error = input.bounded("error", ERROR_LIMIT)?.unwrap_or_default();
    let cause = input.bounded("cause", CAUSE_LIMIT)?.unwrap_or_default();
    send(sim, input, TokenSignal::Failure(TaskError::new(error, cause)))
}

fn send(sim: &Sim, input: Input<'_>, signal: TokenSignal) -> Result<Value, Refusal> {
    sim.step_functions().tokens.send(input.required("taskToken")?, signal).map(|()| json!({}))
}

/// Names of machines and executions: 1 to 80 characters, none of those that AWS forbids.
fn check_name(name: &str) -> Result<(), Refusal> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if (1..=80).contains(&name.chars().count()) && !name.contains(forbidden) {
        Ok(())
    } else {
        Err(Refusal::new("InvalidName", format!("Invalid Name: '{name}'")))
    }
}
