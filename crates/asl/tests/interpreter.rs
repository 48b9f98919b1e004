//! What the interpreter does with each feature, by the history it writes.

mod common;

use common::{START, TestHost, TestHostHandle, no_functions};
use crossfade_asl::{Event, Outcome, TaskError, TokenSignal, transitions};
use serde_json::{Value, json};
use std::sync::Arc;

/// A machine of these states, starting with `S`.
fn machine(states: Value) -> Value {
    json!({ "StartAt": "S", "States": states })
}

fn task(extra: Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": { "FunctionName": "f", "Payload.$": "$" }, "End": true
    });
    let fields = extra.as_object().expect("fields");
    if fields.contains_key("Next") {
        state.as_object_mut().expect("a state").remove("End");
    }
    for (key, value) in fields {
        state[key] = value.clone();
    }
    state
}

fn token_task(extra: Value) -> Value {
    let mut state = task(extra);
    state["Resource"] = json!("arn:aws:states:::lambda:invoke.waitForTaskToken");
    state["Parameters"] = json!({ "FunctionName": "ask", "Payload": { "token.$": "$$.Task.Token" } });
    state
}

fn answers(value: Value) -> Arc<TestHostHandle> {
    TestHost::scripted(Box::new(move |_, _| (10, Ok(value.clone()))))
}

fn fails(error: &'static str) -> Arc<TestHostHandle> {
    TestHost::scripted(Box::new(move |_, _| (10, Err(TaskError::function(error, "sorry")))))
}

fn failed(error: &str, cause: &str) -> Outcome {
    Outcome::Failed { error: Some(error.into()), cause: Some(cause.into()) }
}

fn error_of(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { error: Some(error), .. } => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_writes_the_history_that_aws_writes() {
    let host = answers(json!({ "ok": true }));
    let definition = machine(json!({
        "S": task(json!({ "ResultSelector": { "ok.$": "$.Payload.ok" }, "ResultPath": "$.result", "TimeoutSeconds": 9,
            "Next": "E" })),
        "E": { "Type": "Succeed" }
    }));
    let outcome = host.run(&definition, json!({ "in": 1 })).await;
    assert_eq!(outcome, Outcome::Succeeded(json!({ "in": 1, "result": { "ok": true } })));
    assert_eq!(
        host.events(),
        [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskSucceeded",
            "TaskStateExited",
            "SucceedStateEntered",
            "SucceedStateExited",
            "ExecutionSucceeded"
        ]
    );
    let history = host.0.history.lock().expect("history").clone();
    let links = history.iter().map(|event| (event.id, event.previous_event_id)).collect::<Vec<_>>();
    assert_eq!(links, [(1, 0), (2, 0), (3, 2), (4, 3), (5, 4), (6, 5), (7, 6), (8, 7), (9, 8)]);
    assert_eq!(
        history[2].event,
        Event::TaskScheduled {
            resource: "invoke",
            region: "us-east-1".into(),
            parameters: json!({ "FunctionName": "f", "Payload": { "in": 1 } }),
            timeout_seconds: Some(9),
            heartbeat_seconds: None,
        }
    );
    let wrapped = json!({ "ExecutedVersion": "$LATEST", "Payload": { "ok": true }, "StatusCode": 200 });
    assert_eq!(history[4].event, Event::TaskSucceeded { resource: "invoke", output: wrapped });
    assert_eq!(history[4].at_millis, START + 10);
    assert_eq!(transitions(&history), 2);
}

#[tokio::test(start_paused = true)]
async fn a_function_error_keeps_its_type_and_message() {
    let host = fails("LockHeld");
    let cause = r#"{"errorMessage":"sorry","errorType":"LockHeld"}"#;
    assert_eq!(host.run(&machine(json!({ "S": task(json!({})) })), json!({})).await, failed("LockHeld", cause));
    let end = ["TaskFailed", "ExecutionFailed"].map(str::to_owned);
    assert!(host.events().ends_with(&end));
}

#[tokio::test(start_paused = true)]
async fn catch_takes_the_first_match_and_keeps_the_raw_input() {
    let host = fails("Custom");
    let catch = json!([
        { "ErrorEquals": ["Other"], "Next": "Wrong" },
        { "ErrorEquals": ["States.TaskFailed"], "Next": "E", "ResultPath": "$.error" },
        { "ErrorEquals": ["States.ALL"], "Next": "Wrong" }
    ]);
    let definition = machine(json!({
        "S": task(json!({ "InputPath": "$.inner", "Catch": catch })),
        "E": { "Type": "Succeed", "OutputPath": "$" }, "Wrong": { "Type": "Fail" }
    }));
    let outcome = host.run(&definition, json!({ "inner": { "a": 1 } })).await;
    let error = json!({ "Error": "Custom", "Cause": r#"{"errorMessage":"sorry","errorType":"Custom"}"# });
    assert_eq!(outcome, Outcome::Succeeded(json!({ "inner": { "a": 1 }, "error": error })));
    assert!(host.events().contains(&"TaskStateExited".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn retriers_count_on_their_own_and_back_off() {
    let host = TestHost::scripted(Box::new(|_, nth| {
        let error = ["A", "B", "A", "A", "Unused"][nth.min(4)];
        (0, Err(TaskError::new(error, "")))
    }));
    let retry = json!([
        { "ErrorEquals": ["A"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 3.0 },
        { "ErrorEquals": ["B"], "IntervalSeconds": 100, "MaxAttempts": 1 },
        { "ErrorEquals": ["States.ALL"], "MaxAttempts": 9 }
    ]);
    let outcome = host.run(&machine(json!({ "S": task(json!({ "Retry": retry })) })), json!({})).await;
    // The third A exhausts its retrier; the one for States.ALL is not asked.
    assert_eq!(outcome, failed("A", ""));
    assert_eq!(host.times("TaskScheduled"), [0, 2_000, 102_000, 108_000]);
    let requests = host.0.requests.lock().expect("requests");
    assert_eq!(requests.iter().map(|request| request.retries).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(transitions(&*host.0.history.lock().expect("history")), 4);
}

#[tokio::test(start_paused = true)]
async fn full_jitter_draws_within_the_capped_delay() {
    let host = fails("A");
    *host.0.randoms.lock().expect("randoms") = vec![0.0, 0.5, 0.999];
    let retry = json!([{ "ErrorEquals": ["A"], "IntervalSeconds": 4, "MaxAttempts": 3, "MaxDelaySeconds": 6,
        "JitterStrategy": "FULL" }]);
    host.run(&machine(json!({ "S": task(json!({ "Retry": retry })) })), json!({})).await;
    assert_eq!(host.times("TaskScheduled"), [0, 10, 3_020, 9_024]);
}

#[tokio::test(start_paused = true)]
async fn a_new_visit_starts_new_counters() {
    let host = TestHost::scripted(Box::new(|_, nth| {
        (0, if nth % 2 == 0 { Err(TaskError::new("A", "")) } else { Ok(json!({ "go": nth < 3 })) })
    }));
    let retry = json!([{ "ErrorEquals": ["A"], "MaxAttempts": 1 }]);
    let definition = machine(json!({
        "S": task(json!({ "Retry": retry, "OutputPath": "$.Payload", "Next": "C" })),
        "C": { "Type": "Choice", "Choices": [{ "Variable": "$.go", "BooleanEquals": true, "Next": "S" }], "Default": "E" },
        "E": { "Type": "Succeed" }
    }));
    assert_eq!(host.run(&definition, json!({})).await, Outcome::Succeeded(json!({ "go": false })));
    assert_eq!(host.0.requests.lock().expect("requests").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_leaves_the_function_running() {
    let host = TestHost::scripted(Box::new(|_, _| (60_000, Ok(json!({})))));
    let catch = json!([{ "ErrorEquals": ["States.TaskFailed"], "Next": "Wrong" },
        { "ErrorEquals": ["States.Timeout"], "Next": "E" }]);
    let definition = machine(json!({
        "S": task(json!({ "TimeoutSecondsPath": "$.limit", "Catch": catch })),
        "E": { "Type": "Succeed" }, "Wrong": { "Type": "Fail" }
    }));
    let outcome = host.run(&definition, json!({ "limit": 5 })).await;
    assert_eq!(outcome, Outcome::Succeeded(json!({ "Error": "States.Timeout", "Cause": "" })));
    assert_eq!(host.times("TaskTimedOut"), [5_000]);
    assert_eq!(*host.0.finished.lock().expect("finished"), Vec::<String>::new());
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(*host.0.finished.lock().expect("finished"), ["f"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_catches_errors_of_the_definition() {
    let catch = json!([{ "ErrorEquals": ["States.ALL"], "Next": "E" }, ]);
    let end = json!({ "Type": "Succeed" });
    let table = [
        json!({ "S": task(json!({ "InputPath": "$.missing", "Catch": catch })), "E": end }),
        json!({ "S": task(json!({ "Parameters": { "FunctionName": "f", "Payload": { "a.$": "$.missing" } },
            "Catch": catch })), "E": end }),
        json!({ "S": task(json!({ "ResultSelector": { "a.$": "$.missing" }, "Catch": catch })), "E": end }),
        json!({ "S": task(json!({ "OutputPath": "$.missing", "Catch": catch })), "E": end }),
        json!({ "S": task(json!({ "ResultPath": "$.n.x", "Catch": catch })), "E": end }),
        json!({ "S": task(json!({ "TimeoutSecondsPath": "$.s", "Catch": catch })), "E": end }),
        json!({ "S": { "Type": "Choice", "Choices": [{ "Variable": "$.n", "NumericEquals": 2, "Next": "E" }] }, "E": end }),
        json!({ "S": { "Type": "Choice", "Choices": [{ "Variable": "$.x", "NumericEquals": 2, "Next": "E" }],
            "Default": "E" }, "E": end }),
        json!({ "S": { "Type": "Wait", "SecondsPath": "$.s", "End": true } }),
        json!({ "S": { "Type": "Wait", "TimestampPath": "$.s", "End": true } }),
        json!({ "S": { "Type": "Pass", "Parameters": { "a.$": "States.MathAdd($.s, 1)" }, "End": true } }),
        json!({ "S": { "Type": "Fail", "ErrorPath": "$.n" } }),
    ];
    for states in table {
        let host = answers(json!({}));
        let outcome = host.run(&machine(states.clone()), json!({ "n": 1, "s": "text" })).await;
        assert_eq!(error_of(&outcome), "States.Runtime", "{states}");
        let last = host.0.history.lock().expect("history").last().cloned().expect("events");
        assert_eq!((last.event.type_name().as_str(), last.previous_event_id), ("ExecutionFailed", 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_cause_of_a_missing_path_reads_as_on_aws() {
    let state = task(json!({ "Parameters": { "FunctionName": "f", "Payload": { "a.$": "$.x" } } }));
    let outcome = no_functions().run(&machine(json!({ "S": state })), json!({})).await;
    let cause = "An error occurred while executing the state 'S' (entered at the event id #2). The JSONPath '$.x' \
                 specified for the field 'a.$' could not be found in the input '{}'";
    assert_eq!(outcome, failed("States.Runtime", cause));
}

#[tokio::test(start_paused = true)]
async fn payloads_above_the_limit_escape_catch_all() {
    let big = "x".repeat(262_144);
    let catch =
        json!([{ "ErrorEquals": ["States.TaskFailed"], "Next": "E" }, { "ErrorEquals": ["States.ALL"], "Next": "E" }]);
    let end = json!({ "Type": "Succeed" });
    let result = big.clone();
    let host = answers(json!(result));
    let outcome = host.run(&machine(json!({ "S": task(json!({ "Catch": catch })), "E": end })), json!({})).await;
    assert_eq!(error_of(&outcome), "States.DataLimitExceeded");
    assert!(host.events().ends_with(&["TaskFailed", "ExecutionFailed"].map(str::to_owned)), "{:?}", host.events());

    // Two halves fit each, but not together.
    let half = "x".repeat(140_000);
    let result = half.clone();
    let host = answers(json!(result));
    let state = task(json!({ "Parameters": { "FunctionName": "f" }, "ResultPath": "$.r", "Catch": catch }));
    let outcome = host.run(&machine(json!({ "S": state, "E": end })), json!({ "h": half })).await;
    assert_eq!(error_of(&outcome), "States.DataLimitExceeded");

    let pass = json!({ "Type": "Pass", "Parameters": { "a.$": "$", "b.$": "$" }, "End": true });
    let outcome = no_functions().run(&machine(json!({ "S": pass })), json!(half)).await;
    assert_eq!(error_of(&outcome), "States.DataLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn the_machine_timeout_runs_no_catch() {
    let host = TestHost::scripted(Box::new(|_, _| (60_000, Ok(json!({})))));
    let catch = json!([{ "ErrorEquals": ["States.ALL"], "Next": "E" }]);
    let mut definition = machine(json!({ "S": task(json!({ "Catch": catch })), "E": { "Type": "Succeed" } }));
    definition["TimeoutSeconds"] = json!(30);
    assert_eq!(host.run(&definition, json!({})).await, Outcome::TimedOut);
    assert_eq!(host.times("ExecutionTimedOut"), [30_000]);
    let events = host.events();
    assert_eq!(events[events.len() - 2..], ["TaskStarted", "ExecutionTimedOut"]);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_schedules_the_task_that_failed_again_and_nothing_before_it() {
    // As many attempts fail as one visit makes.
    let host = TestHost::scripted(Box::new(|_, nth| match nth {
        0..=1 => (10, Err(TaskError::function("Broken", "sorry"))),
        _ => (10, Ok(json!({ "ok": true }))),
    }));
    let retry = json!([{ "ErrorEquals": ["Broken"], "MaxAttempts": 1, "IntervalSeconds": 1 }]);
    let mut definition = machine(json!({
        "S": { "Type": "Pass", "Result": { "made": 1 }, "Next": "T" },
        "T": task(json!({ "OutputPath": "$.Payload", "Retry": retry })),
    }));
    definition["TimeoutSeconds"] = json!(30);
    assert_eq!(error_of(&host.run(&definition, json!({})).await), "Broken");
    // The machine's time, too, begins anew.
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    let ended = host.events().len();
    assert_eq!(host.redrive(&definition, json!({})).await, Outcome::Succeeded(json!({ "ok": true })));
    let events = host.events();
    assert_eq!(
        events[ended..],
        ["ExecutionRedriven", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"]
    );
    assert_eq!(host.0.requests.lock().expect("requests")[2].payload, json!({ "made": 1 }));
    let history = host.0.history.lock().expect("history");
    assert!(history.iter().zip(1..).all(|(event, id)| event.id == id), "the ids go on");
    assert_eq!(transitions(history.iter()), 4, "two states, a retry and the redrive");
}

#[tokio::test(start_paused = true)]
async fn a_redrive_fails_again_where_a_fail_state_ended_it() {
    let definition = machine(json!({ "S": { "Type": "Fail", "Error": "No" } }));
    let host = no_functions();
    for count in 0..3 {
        let outcome = match count {
            0 => host.run(&definition, json!({})).await,
            _ => host.redrive(&definition, json!({})).await,
        };
        assert_eq!(error_of(&outcome), "No");
    }
    let again = ["ExecutionRedriven", "FailStateEntered", "ExecutionFailed"];
    assert_eq!(host.events()[3..], [again, again].concat());
    let history = host.0.history.lock().expect("history");
    assert_eq!(history[6].event, Event::ExecutionRedriven { redrive_count: 2 });
}

#[tokio::test(start_paused = true)]
async fn a_full_history_fails_the_execution() {
    let definition = machine(json!({
        "S": { "Type": "Choice", "Choices": [{ "Variable": "$", "IsNull": true, "Next": "E" }], "Default": "S2" },
        "S2": { "Type": "Pass", "Next": "S" }, "E": { "Type": "Succeed" }
    }));
    let host = no_functions();
    let outcome = host.run(&definition, json!({})).await;
    assert_eq!(error_of(&outcome), "States.Runtime");
    let history = host.0.history.lock().expect("history");
    assert_eq!(history.len(), 25_000);
    assert_eq!(history[24_999].event.type_name(), "ExecutionFailed");
}

#[tokio::test(start_paused = true)]
async fn a_token_decides_even_after_the_function_answered() {
    let host = answers(json!({ "asked": true }));
    let definition = machine(json!({ "S": token_task(json!({ "TimeoutSeconds": 600, "ResultPath": "$.answer" })) }));
    let execution = host.start(&definition, json!({}));
    tokio::time::sleep(std::time::Duration::from_secs(100)).await;
    let sender = host.0.tokens.lock().expect("tokens")["token-0"].clone();
    sender.send(TokenSignal::Success(json!({ "approved": true }))).expect("open");
    let outcome = execution.await.expect("no panic");
    assert_eq!(outcome, Outcome::Succeeded(json!({ "answer": { "approved": true } })));
    assert!(sender.is_closed());
    let expected = ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"];
    assert_eq!(host.events()[2..6], expected);
    assert_eq!(host.times("TaskSucceeded"), [100_000]);
    assert_eq!(host.0.requests.lock().expect("requests")[0].payload, json!({ "token": "token-0" }));
}

#[tokio::test(start_paused = true)]
async fn the_functions_own_failure_ends_a_token_task() {
    let host = fails("CannotAsk");
    let outcome = host.run(&machine(json!({ "S": token_task(json!({})) })), json!({})).await;
    assert_eq!(error_of(&outcome), "CannotAsk");
}

#[tokio::test(start_paused = true)]
async fn a_token_may_fail_its_task_before_the_function_answers() {
    let host = TestHost::scripted(Box::new(|_, _| (60_000, Ok(json!({})))));
    let definition = machine(json!({ "S": token_task(json!({})) }));
    let execution = host.start(&definition, json!({}));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let sender = host.0.tokens.lock().expect("tokens")["token-0"].clone();
    sender.send(TokenSignal::Failure(TaskError::new("Rejected", "by me"))).expect("open");
    assert_eq!(execution.await.expect("no panic"), failed("Rejected", "by me"));
    assert_eq!(host.times("TaskFailed"), [1_000]);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_put_off_their_own_deadline_but_not_the_timeout() {
    let host = answers(json!({}));
    let state = token_task(json!({ "TimeoutSeconds": 100, "HeartbeatSeconds": 30 }));
    let execution = host.start(&machine(json!({ "S": state })), json!({}));
    for _ in 0..4 {
        tokio::time::sleep(std::time::Duration::from_secs(25)).await;
        if let Some(sender) = host.0.tokens.lock().expect("tokens").get("token-0") {
            let _ = sender.send(TokenSignal::Heartbeat);
        }
    }
    assert_eq!(execution.await.expect("no panic"), failed("States.Timeout", ""));
    assert_eq!(host.times("TaskTimedOut"), [100_000]);

    let host = answers(json!({}));
    let state = token_task(json!({ "TimeoutSeconds": 100, "HeartbeatSecondsPath": "$.beat" }));
    let outcome = host.run(&machine(json!({ "S": state })), json!({ "beat": 30 })).await;
    assert_eq!(outcome, failed("States.HeartbeatTimeout", ""));
    assert_eq!(host.times("TaskTimedOut"), [30_000]);
}

#[tokio::test(start_paused = true)]
async fn each_retry_of_a_token_task_gets_a_new_token() {
    let host = answers(json!({}));
    let retry = json!([{ "ErrorEquals": ["States.Timeout"], "MaxAttempts": 1 }]);
    let state = token_task(json!({ "TimeoutSeconds": 10, "Retry": retry }));
    host.run(&machine(json!({ "S": state })), json!({})).await;
    let tokens = host.0.tokens.lock().expect("tokens");
    assert_eq!(tokens.len(), 2);
    assert!(tokens.values().all(|sender| sender.is_closed()));
}

#[tokio::test(start_paused = true)]
async fn waits_of_every_kind() {
    let until = "2026-01-05T09:01:00Z";
    for (field, value, expected) in [
        ("Seconds", json!(7), 7_000),
        ("SecondsPath", json!("$.seconds"), 8_000),
        ("Timestamp", json!(until), 60_000),
        ("TimestampPath", json!("$.until"), 60_000),
        ("Timestamp", json!("2020-01-01T00:00:00Z"), 0),
    ] {
        let host = no_functions();
        let definition = machine(json!({ "S": { "Type": "Wait", field: value, "End": true } }));
        let input = json!({ "seconds": 8, "until": until });
        assert_eq!(host.run(&definition, input.clone()).await, Outcome::Succeeded(input));
        assert_eq!(host.times("WaitStateExited"), [expected], "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn pass_shapes_its_data() {
    let input = json!({ "a": { "b": 1 }, "c": 2 });
    for (fields, expected) in [
        (json!({}), input.clone()),
        (json!({ "InputPath": "$.a" }), json!({ "b": 1 })),
        (json!({ "InputPath": null }), json!({})),
        (json!({ "OutputPath": null }), json!({})),
        (json!({ "OutputPath": "$.c" }), json!(2)),
        (
            json!({ "Result": { "$": "$.a" }, "ResultPath": "$.r" }),
            json!({ "a": { "b": 1 }, "c": 2, "r": { "$": "$.a" } }),
        ),
        (json!({ "Result": 5, "ResultPath": null }), input.clone()),
        (json!({ "InputPath": "$.a", "Parameters": { "x.$": "$.b" }, "ResultPath": "$.c" }), {
            json!({ "a": { "b": 1 }, "c": { "x": 1 } })
        }),
        (
            json!({ "Parameters": { "n.$": "$$.State.Name", "e.$": "$$.Execution.Name", "i.$": "$$.Execution.Input.c" } }),
            { json!({ "n": "S", "e": "e", "i": 2 }) },
        ),
    ] {
        let mut state = json!({ "Type": "Pass", "End": true });
        for (key, value) in fields.as_object().expect("fields") {
            state[key] = value.clone();
        }
        let outcome = no_functions().run(&machine(json!({ "S": state })), input.clone()).await;
        assert_eq!(outcome, Outcome::Succeeded(expected), "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn fail_states_compute_their_error() {
    let state = json!({ "Type": "Fail", "ErrorPath": "$.Error", "CausePath": "States.Format('because {}', $.Cause)" });
    let host = no_functions();
    let outcome = host.run(&machine(json!({ "S": state })), json!({ "Error": "E", "Cause": "c" })).await;
    assert_eq!(outcome, failed("E", "because c"));
    assert_eq!(host.events(), ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]);
    let bare = machine(json!({ "S": { "Type": "Fail" } }));
    assert_eq!(no_functions().run(&bare, json!({})).await, Outcome::Failed { error: None, cause: None });
}

#[tokio::test(start_paused = true)]
async fn every_comparison_operator() {
    let input = json!({
        "s": "beta", "s2": "beta", "n": 5, "n2": 5.5, "t": true, "null": null,
        "early": "2026-01-01T00:00:00Z", "late": "2026-01-01T02:00:00+01:00"
    });
    for (variable, operator, operand, expected) in [
        ("$.s", "StringEquals", json!("beta"), true),
        ("$.s", "StringEqualsPath", json!("$.s2"), true),
        ("$.s", "StringEquals", json!("Beta"), false),
        ("$.s", "StringLessThan", json!("gamma"), true),
        ("$.s", "StringLessThanEquals", json!("beta"), true),
        ("$.s", "StringGreaterThan", json!("beta"), false),
        ("$.s", "StringGreaterThanEqualsPath", json!("$.s2"), true),
        ("$.s", "StringMatches", json!("b*a"), true),
        ("$.s", "StringMatches", json!("*t"), false),
        ("$.s", "StringMatches", json!("*e*t*"), true),
        ("$.s", "StringMatches", json!("b\\*a"), false),
        ("$.n", "StringEquals", json!("5"), false),
        ("$.n", "NumericEquals", json!(5.0), true),
        ("$.n", "NumericLessThanPath", json!("$.n2"), true),
        ("$.n", "NumericLessThanEquals", json!(4), false),
        ("$.n2", "NumericGreaterThan", json!(5), true),
        ("$.n", "NumericGreaterThanEqualsPath", json!("$.n2"), false),
        ("$.s", "NumericGreaterThan", json!(0), false),
        ("$.t", "BooleanEquals", json!(true), true),
        ("$.t", "BooleanEqualsPath", json!("$.t"), true),
        ("$.early", "TimestampLessThan", json!("2026-01-01T00:00:01Z"), true),
        ("$.early", "TimestampLessThanPath", json!("$.late"), true),
        ("$.late", "TimestampEquals", json!("2026-01-01T01:00:00Z"), true),
        ("$.s", "TimestampEquals", json!("2026-01-01T01:00:00Z"), false),
        ("$.null", "IsNull", json!(true), true),
        ("$.s", "IsNull", json!(false), true),
        ("$.s", "IsString", json!(true), true),
        ("$.n", "IsString", json!(false), true),
        ("$.n", "IsNumeric", json!(true), true),
        ("$.t", "IsBoolean", json!(true), true),
        ("$.early", "IsTimestamp", json!(true), true),
        ("$.s", "IsTimestamp", json!(true), false),
        ("$.s", "IsPresent", json!(true), true),
        ("$.s", "IsPresent", json!(false), false),
        ("$.missing", "IsPresent", json!(false), true),
        ("$.missing", "IsPresent", json!(true), false),
        ("$$.State.Name", "StringEquals", json!("S"), true),
    ] {
        let rule = json!({ "Variable": variable, operator: operand });
        assert_eq!(holds(rule.clone(), &input).await, expected, "{rule}");
    }
}

#[tokio::test(start_paused = true)]
async fn and_or_not_stop_where_it_is_decided() {
    let present = json!({ "Variable": "$.x", "IsPresent": true });
    let equals = json!({ "Variable": "$.x", "NumericEquals": 1 });
    let (without, with) = (json!({}), json!({ "x": 1 }));
    assert!(!holds(json!({ "And": [present, equals] }), &without).await);
    assert!(holds(json!({ "And": [present, equals] }), &with).await);
    assert!(holds(json!({ "Or": [{ "Not": present }, equals] }), &without).await);
    assert!(!holds(json!({ "Not": { "Or": [{ "Not": present }, equals] } }), &with).await);
}

#[tokio::test(start_paused = true)]
async fn the_first_rule_that_holds_decides() {
    let rule = |next: &str| json!({ "Variable": "$.x", "IsPresent": true, "Next": next });
    let definition = machine(json!({
        "S": { "Type": "Choice", "Choices": [rule("First"), rule("Second")] },
        "First": { "Type": "Pass", "Result": 1, "End": true }, "Second": { "Type": "Pass", "Result": 2, "End": true }
    }));
    assert_eq!(no_functions().run(&definition, json!({ "x": 0 })).await, Outcome::Succeeded(json!(1)));
}

#[tokio::test(start_paused = true)]
async fn parameters_are_computed_anew_for_each_attempt() {
    let host = fails("A");
    let parameters = json!({ "FunctionName.$": "$.f", "Payload": { "n.$": "$$.State.RetryCount" } });
    let state = task(json!({ "Parameters": parameters, "Retry": [{ "ErrorEquals": ["A"], "MaxAttempts": 2 }] }));
    host.run(&machine(json!({ "S": state })), json!({ "f": "computed" })).await;
    let requests = host.0.requests.lock().expect("requests");
    let seen = requests.iter().map(|request| (request.function.as_str(), request.payload["n"].clone()));
    assert_eq!(seen.collect::<Vec<_>>(), [0, 1, 2].map(|n| ("computed", json!(n))));
}

async fn holds(mut rule: Value, input: &Value) -> bool {
    rule["Next"] = json!("Yes");
    let definition = machine(json!({
        "S": { "Type": "Choice", "Choices": [rule], "Default": "No" },
        "Yes": { "Type": "Pass", "Result": true, "End": true }, "No": { "Type": "Pass", "Result": false, "End": true }
    }));
    match no_functions().run(&definition, input.clone()).await {
        Outcome::Succeeded(Value::Bool(holds)) => holds,
        other => panic!("{other:?}"),
    }
}
