//! History events on the wire.

use crossfade_asl::{Event, HistoryEvent};
use serde_json::{Map, Value, json};

/// One event as GetExecutionHistory gives it; without `data` inputs and outputs are left out.
pub(super) fn event(event: &HistoryEvent, data: bool) -> Value {
    let mut wire = json!({
        "id": event.id,
        "previousEventId": event.previous_event_id,
        "timestamp": seconds(event.at_millis),
        "type": event.event.type_name(),
    });
    let (key, mut details) = details(&event.event);
    if !data {
        for hidden in ["input", "inputDetails", "output", "outputDetails", "parameters"] {
            details.remove(hidden);
        }
    }
    details.retain(|_, value| !value.is_null());
    wire[key] = Value::Object(details);
    wire
}

/// Epoch seconds, as JSON 1.0 has timestamps.
pub(super) fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

fn details(event: &Event) -> (&'static str, Map<String, Value>) {
    let whole = json!({ "truncated": false });
    let (key, value) = match event {
        Event::ExecutionStarted { input, role_arn } => (
            "executionStartedEventDetails",
            json!({ "input": input.to_string(), "inputDetails": whole, "roleArn": role_arn }),
        ),
        Event::ExecutionRedriven { redrive_count } => {
            ("executionRedrivenEventDetails", json!({ "redriveCount": redrive_count }))
        }
        Event::StateEntered { name, input, .. } => {
            ("stateEnteredEventDetails", json!({ "name": name, "input": input.to_string(), "inputDetails": whole }))
        }
        Event::StateExited { name, output, .. } => {
            ("stateExitedEventDetails", json!({ "name": name, "output": output.to_string(), "outputDetails": whole }))
        }
        Event::TaskScheduled { resource, region, parameters, timeout_seconds, heartbeat_seconds } => (
            "taskScheduledEventDetails",
            json!({
                "resourceType": "lambda", "resource": resource, "region": region, "parameters": parameters.to_string(),
                "timeoutInSeconds": timeout_seconds, "heartbeatInSeconds": heartbeat_seconds,
            }),
        ),
        Event::TaskStarted { resource } => {
            ("taskStartedEventDetails", json!({ "resourceType": "lambda", "resource": resource }))
        }
        Event::TaskSubmitted { resource, output } => ("taskSubmittedEventDetails", task_output(resource, output)),
        Event::TaskSucceeded { resource, output } => ("taskSucceededEventDetails", task_output(resource, output)),
        Event::TaskFailed { resource, error, cause } => (
            "taskFailedEventDetails",
            json!({ "resourceType": "lambda", "resource": resource, "error": error, "cause": cause }),
        ),
        Event::TaskTimedOut { resource, error } => {
            ("taskTimedOutEventDetails", json!({ "resourceType": "lambda", "resource": resource, "error": error }))
        }
        Event::ExecutionSucceeded { output } => {
            ("executionSucceededEventDetails", json!({ "output": output.to_string(), "outputDetails": whole }))
        }
        Event::ExecutionFailed { error, cause } => {
            ("executionFailedEventDetails", json!({ "error": error, "cause": cause }))
        }
        Event::ExecutionAborted { error, cause } => {
            ("executionAbortedEventDetails", json!({ "error": error, "cause": cause }))
        }
        Event::ExecutionTimedOut => ("executionTimedOutEventDetails", json!({})),
    };
    match value {
        Value::Object(details) => (key, details),
        _ => (key, Map::new()),
    }
}

fn task_output(resource: &str, output: &Value) -> Value {
    json!({
        "resourceType": "lambda", "resource": resource, "output": output.to_string(),
        "outputDetails": { "truncated": false },
    })
}
