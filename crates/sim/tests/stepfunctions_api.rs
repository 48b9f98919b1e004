//! Step Functions through the real SDK client, under virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::types::{ExecutionRedriveStatus, ExecutionStatus, HistoryEventType};
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, StepFunctions};
use crossfade_sim::lambda::{InProcess, Invocation};
use crossfade_sim::{Settings, Sim};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/states";

/// An account with a function `echo` (1 s), `slow` (1 min), `broken`, and `ask`, which keeps the tokens it is given.
fn account() -> (Arc<Sim>, Client, Arc<Mutex<Vec<String>>>) {
    let sim = Sim::new(Settings::default());
    let client = Client::new(&sim.sdk_config());
    let functions = InProcess::new(&sim.clock);
    let limit = Duration::from_secs(900);
    for (name, seconds) in [("echo", 1), ("slow", 60)] {
        let clock = sim.clock.clone();
        functions.register(name, limit, move |payload| {
            let clock = clock.clone();
            async move {
                clock.sleep(Duration::from_secs(seconds)).await;
                Invocation::Returned(payload)
            }
        });
    }
    functions.register("broken", limit, |_| async {
        Invocation::Raised { error_type: "Broken".into(), error_message: "on purpose".into() }
    });
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let asked = tokens.clone();
    functions.register("ask", limit, move |payload| {
        let token = payload["token"].as_str().expect("a token").to_owned();
        asked.lock().expect("tokens").push(token);
        async { Invocation::Returned(Value::Null) }
    });
    sim.set_functions(Arc::new(functions));
    (sim, client, tokens)
}

fn call(function: &str) -> String {
    let task = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": { "FunctionName": function, "Payload.$": "$" }, "OutputPath": "$.Payload", "End": true
    });
    json!({ "StartAt": "Call", "States": { "Call": task } }).to_string()
}

/// Asks for approval, for at most ten minutes and with heartbeats each minute.
fn approval() -> String {
    let task = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": { "FunctionName": "ask", "Payload": { "token.$": "$$.Task.Token" } },
        "TimeoutSeconds": 600, "HeartbeatSeconds": 60, "End": true
    });
    json!({ "StartAt": "Approve", "States": { "Approve": task } }).to_string()
}

async fn create(client: &Client, name: &str, definition: &str) -> String {
    let created = client.create_state_machine().name(name).definition(definition).role_arn(ROLE).send().await;
    created.expect("created").state_machine_arn
}

async fn start(client: &Client, machine: &str, name: &str, input: &str) -> String {
    let started = client.start_execution().state_machine_arn(machine).name(name).input(input).send().await;
    started.expect("started").execution_arn
}

fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(
    result: Result<T, SdkError<E, R>>,
) -> String {
    result.expect_err("refused").code().expect("an error code").to_owned()
}

#[tokio::test(start_paused = true)]
async fn runs_an_execution_and_shows_everything_about_it() {
    let (sim, client, _) = account();
    let machine = create(&client, "calls", &call("echo")).await;
    assert_eq!(machine, "arn:aws:states:eu-west-1:123456789012:stateMachine:calls");
    let execution = start(&client, &machine, "one", r#"{"a": 1}"#).await;
    assert_eq!(execution, "arn:aws:states:eu-west-1:123456789012:execution:calls:one");

    let running = client.describe_execution().execution_arn(&execution).send().await.expect("described");
    assert_eq!((running.status, running.stop_date), (ExecutionStatus::Running, None));
    let outcome = sim.step_functions().wait_for(&execution).await;
    assert_eq!(outcome, Some(ExecutionOutcome::Succeeded(json!({ "a": 1 }))));

    let done = client.describe_execution().execution_arn(&execution).send().await.expect("described");
    assert_eq!(done.status, ExecutionStatus::Succeeded);
    assert_eq!((done.input.as_deref(), done.output.as_deref()), (Some(r#"{"a": 1}"#), Some(r#"{"a":1}"#)));
    let took = done.stop_date.expect("stopped").as_secs_f64() - done.start_date.as_secs_f64();
    assert!((took - 1.0).abs() < 0.0015, "{took}");

    let history = client.get_execution_history().execution_arn(&execution).send().await.expect("history").events;
    let types = history.iter().map(|event| event.r#type.as_str()).collect::<Vec<_>>();
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(types, expected);
    let scheduled = history[2].task_scheduled_event_details().expect("details");
    assert_eq!((scheduled.resource_type.as_str(), scheduled.region.as_str()), ("lambda", "eu-west-1"));
    assert_eq!(scheduled.parameters, r#"{"FunctionName":"echo","Payload":{"a":1}}"#);
    let entered = history[1].state_entered_event_details().expect("details");
    assert_eq!((entered.name.as_str(), entered.input.as_deref()), ("Call", Some(r#"{"a":1}"#)));
    assert_eq!(sim.step_functions().transitions(&execution), 1);
}

#[tokio::test(start_paused = true)]
async fn pages_and_reverses_and_hides() {
    let (sim, client, _) = account();
    let machine = create(&client, "calls", &call("echo")).await;
    for name in ["one", "two", "three"] {
        let execution = start(&client, &machine, name, "{}").await;
        sim.step_functions().wait_for(&execution).await;
    }
    let pages = client.list_executions().state_machine_arn(&machine).max_results(2).into_paginator().items().send();
    let names = pages.collect::<Result<Vec<_>, _>>().await.expect("pages");
    assert_eq!(names.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["three", "two", "one"]);
    let running = client.list_executions().state_machine_arn(&machine).status_filter(ExecutionStatus::Running);
    assert_eq!(running.send().await.expect("listed").executions.len(), 0);

    let execution = names[0].execution_arn.clone();
    let history = client.get_execution_history().execution_arn(&execution).reverse_order(true);
    let history = history.include_execution_data(false).max_results(3).into_paginator().items().send();
    let history = history.collect::<Result<Vec<_>, _>>().await.expect("pages");
    assert_eq!(history.iter().map(|event| event.id).collect::<Vec<_>>(), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(history[0].r#type, HistoryEventType::ExecutionSucceeded);
    assert_eq!(history[5].state_entered_event_details().expect("details").input, None);
    let bad = client.get_execution_history().execution_arn(&execution).next_token("nonsense").send().await;
    assert_eq!(code(bad), "InvalidToken");
}

#[tokio::test(start_paused = true)]
async fn the_same_start_while_running_is_the_same_execution() {
    let (sim, client, _) = account();
    let machine = create(&client, "calls", &call("slow")).await;
    let again =
        |input: &'static str| client.start_execution().state_machine_arn(&machine).name("one").input(input).send();
    let first = again("{}").await.expect("started");
    let second = again("{}").await.expect("the same");
    assert_eq!((&first.execution_arn, first.start_date), (&second.execution_arn, second.start_date));
    assert_eq!(code(again(r#"{"other": 1}"#).await), "ExecutionAlreadyExists");
    sim.step_functions().wait_for(&first.execution_arn).await;
    assert_eq!(code(again("{}").await), "ExecutionAlreadyExists");
    assert_eq!(sim.step_functions().executions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn made_up_names_follow_from_the_seed() {
    async fn name(seed: u64) -> String {
        let sim = Sim::new(Settings { seed, ..Settings::default() });
        let client = Client::new(&sim.sdk_config());
        let wait = json!({ "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 5, "End": true } } });
        let machine = create(&client, "waits", &wait.to_string()).await;
        let start = || client.start_execution().state_machine_arn(&machine).send();
        let first = start().await.expect("started").execution_arn;
        assert_ne!(first, start().await.expect("started").execution_arn);
        first
    }
    assert_eq!(name(7).await, name(7).await);
    assert_ne!(name(7).await, name(8).await);
}

#[tokio::test(start_paused = true)]
async fn refuses_with_the_errors_that_aws_has() {
    let (_sim, client, _) = account();
    let machine = create(&client, "calls", &call("echo")).await;
    let start = || client.start_execution().state_machine_arn(&machine);
    assert_eq!(code(start().input("{").send().await), "InvalidExecutionInput");
    assert_eq!(code(start().name("a b").send().await), "InvalidName");
    assert_eq!(code(start().name("x".repeat(81)).send().await), "InvalidName");
    assert_eq!(code(start().input(format!("\"{}\"", "x".repeat(262_144))).send().await), "ValidationException");
    let other = client.start_execution().state_machine_arn(format!("{machine}2"));
    assert_eq!(code(other.send().await), "StateMachineDoesNotExist");
    assert_eq!(code(client.start_execution().state_machine_arn("calls").send().await), "InvalidArn");
    let execution = "arn:aws:states:eu-west-1:123456789012:execution:calls:none";
    assert_eq!(code(client.describe_execution().execution_arn(execution).send().await), "ExecutionDoesNotExist");
    assert_eq!(code(client.stop_execution().execution_arn(execution).send().await), "ExecutionDoesNotExist");
    assert_eq!(code(client.get_execution_history().execution_arn(execution).send().await), "ExecutionDoesNotExist");

    let make = |definition: &str| client.create_state_machine().name("calls").definition(definition).role_arn(ROLE);
    assert_eq!(make(&call("echo")).send().await.expect("the same").state_machine_arn, machine);
    assert_eq!(code(make(&call("slow")).send().await), "StateMachineAlreadyExists");
    assert_eq!(code(make("{}").send().await), "InvalidDefinition");
    assert_eq!(code(client.describe_map_run().map_run_arn(execution).send().await), "NotImplemented");
}

#[tokio::test(start_paused = true)]
async fn describes_and_lists_machines() {
    let (sim, client, _) = account();
    let machine = create(&client, "calls", &call("slow")).await;
    create(&client, "asks", &approval()).await;
    let described = client.describe_state_machine().state_machine_arn(&machine).send().await.expect("described");
    assert_eq!((described.name.as_str(), described.definition), ("calls", call("slow")));
    let listed = client.list_state_machines().send().await.expect("listed").state_machines;
    assert_eq!(listed.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["asks", "calls"]);

    // An execution keeps the definition it began with.
    let execution = start(&client, &machine, "one", "{}").await;
    sim.step_functions().create("calls", &call("echo"), None).expect("replaced");
    let its = client.describe_state_machine_for_execution().execution_arn(execution).send().await.expect("described");
    assert_eq!(its.definition, call("slow"));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_runs_no_catch_and_leaves_its_function_running() {
    let (sim, client, _) = account();
    let mut definition: Value = serde_json::from_str(&call("counts")).expect("JSON");
    definition["States"]["Call"]["Catch"] = json!([{ "ErrorEquals": ["States.ALL"], "Next": "Undo" }]);
    definition["States"]["Undo"] = json!({ "Type": "Pass", "End": true });
    let finished = Arc::new(Mutex::new(0));
    let functions = InProcess::new(&sim.clock);
    let (clock, count) = (sim.clock.clone(), finished.clone());
    functions.register("counts", Duration::from_secs(900), move |_| {
        let (clock, count) = (clock.clone(), count.clone());
        async move {
            clock.sleep(Duration::from_secs(60)).await;
            *count.lock().expect("count") += 1;
            Invocation::Returned(Value::Null)
        }
    });
    sim.set_functions(Arc::new(functions));

    let machine = create(&client, "calls", &definition.to_string()).await;
    let execution = start(&client, &machine, "one", "{}").await;
    sim.clock.sleep(Duration::from_secs(10)).await;
    let stop = || client.stop_execution().execution_arn(&execution).error("Stopped").cause("by hand").send();
    let stopped = stop().await.expect("stopped").stop_date;
    let aborted = ExecutionOutcome::Aborted { error: Some("Stopped".into()), cause: Some("by hand".into()) };
    assert_eq!(sim.step_functions().outcome(&execution), Some(aborted.clone()));
    assert_eq!(stop().await.expect("no error").stop_date, stopped);

    sim.clock.sleep(Duration::from_secs(100)).await;
    assert_eq!(*finished.lock().expect("count"), 1);
    assert_eq!(sim.step_functions().outcome(&execution), Some(aborted));
    let types = sim.step_functions().history(&execution);
    let types = types.iter().map(|event| event.event.type_name()).collect::<Vec<_>>();
    assert_eq!(types[types.len() - 2..], ["TaskStarted", "ExecutionAborted"]);
}

/// P54: a token twice or late.
#[tokio::test(start_paused = true)]
async fn two_approvals_at_once_and_every_way_to_be_late() {
    let (sim, client, tokens) = account();
    let machine = create(&client, "asks", &approval()).await;
    let first = start(&client, &machine, "first", "{}").await;
    let second = start(&client, &machine, "second", "{}").await;
    sim.clock.sleep(Duration::from_secs(30)).await;
    let given = tokens.lock().expect("tokens").clone();
    let [one, two] = given.as_slice() else { panic!("{given:?}") };
    assert_ne!(one, two);

    client.send_task_heartbeat().task_token(one).send().await.expect("beats");
    assert_eq!(code(client.send_task_success().task_token(one).output("{").send().await), "InvalidOutput");
    let long = format!("\"{}\"", "x".repeat(262_144));
    assert_eq!(code(client.send_task_success().task_token(one).output(long).send().await), "ValidationException");
    assert_eq!(code(client.send_task_success().task_token("nonsense").output("1").send().await), "InvalidToken");
    let foreign = format!("AQCgAAAAKgAAAAMAAAAA{}", "AAAA".repeat(80));
    assert_eq!(code(client.send_task_success().task_token(foreign).output("1").send().await), "TaskDoesNotExist");

    let approve = || client.send_task_success().task_token(one).output(r#"{"by": "me"}"#).send();
    approve().await.expect("approved");
    // Closed at once, before the execution has had a chance to go on.
    assert_eq!(code(approve().await), "TaskTimedOut");
    let outcome = sim.step_functions().wait_for(&first).await;
    assert_eq!(outcome, Some(ExecutionOutcome::Succeeded(json!({ "by": "me" }))));
    assert_eq!(code(approve().await), "TaskTimedOut");

    let outcome = sim.step_functions().wait_for(&second).await;
    let error = Some("States.HeartbeatTimeout".to_owned());
    assert_eq!(outcome, Some(ExecutionOutcome::Failed { error, cause: Some(String::new()) }));
    assert_eq!(code(client.send_task_heartbeat().task_token(two).send().await), "TaskTimedOut");

    let third = start(&client, &machine, "third", "{}").await;
    sim.clock.sleep(Duration::from_secs(5)).await;
    let three = tokens.lock().expect("tokens")[2].clone();
    client.send_task_failure().task_token(&three).error("Rejected").cause("no").send().await.expect("rejected");
    let outcome = sim.step_functions().wait_for(&third).await;
    let rejected = ExecutionOutcome::Failed { error: Some("Rejected".into()), cause: Some("no".into()) };
    assert_eq!(outcome, Some(rejected));

    let fourth = start(&client, &machine, "fourth", "{}").await;
    sim.clock.sleep(Duration::from_secs(5)).await;
    client.stop_execution().execution_arn(fourth).send().await.expect("stopped");
    let four = tokens.lock().expect("tokens")[3].clone();
    assert_eq!(code(client.send_task_heartbeat().task_token(four).send().await), "TaskTimedOut");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_is_redriven_from_the_state_that_it_was_stopped_in() {
    let (sim, client, tokens) = account();
    let machine = create(&client, "asks", &approval()).await;
    let execution = start(&client, &machine, "one", "{}").await;
    sim.clock.sleep(Duration::from_secs(5)).await;
    let described = async || client.describe_execution().execution_arn(&execution).send().await.expect("described");
    let status = async || described().await.redrive_status.expect("it has one");
    let redrive = |token: &str| client.redrive_execution().execution_arn(&execution).client_token(token).send();
    assert_eq!(code(redrive("first").await), "ExecutionNotRedrivable", "it runs");
    client.stop_execution().execution_arn(&execution).send().await.expect("stopped");
    assert_eq!(status().await, ExecutionRedriveStatus::Redrivable);
    assert_eq!(described().await.redrive_count, Some(0));

    let redriven = redrive("first").await.expect("redriven").redrive_date;
    // Told twice, once done.
    assert_eq!(redrive("first").await.expect("redriven").redrive_date, redriven);
    sim.clock.sleep(Duration::from_secs(5)).await;
    let again = described().await;
    assert_eq!(
        (again.status, again.redrive_count, again.redrive_date),
        (ExecutionStatus::Running, Some(1), Some(redriven))
    );
    assert_eq!(again.stop_date, None);
    let [old, new] = tokens.lock().expect("tokens").clone().try_into().expect("two tokens");
    assert_ne!(old, new);
    let answer = |token: &str| client.send_task_success().task_token(token).output("1").send();
    assert_eq!(code(answer(&old).await), "TaskTimedOut", "it went with the execution that was stopped");
    answer(&new).await.expect("answered");
    let outcome = sim.step_functions().wait_for(&execution).await;
    assert_eq!(outcome, Some(ExecutionOutcome::Succeeded(json!(1))));
    assert_eq!(status().await, ExecutionRedriveStatus::NotRedrivable);
    let reason = described().await.redrive_status_reason;
    assert_eq!(reason.as_deref(), Some("Execution is SUCCEEDED and cannot be redriven"));
    let history = client.get_execution_history().execution_arn(&execution).send().await.expect("history").events;
    let redrives = history.iter().filter_map(|event| event.execution_redriven_event_details());
    assert_eq!(redrives.map(|it| it.redrive_count).collect::<Vec<_>>(), [Some(1)]);
    let listed = client.list_executions().state_machine_arn(&machine).send().await.expect("listed").executions;
    assert_eq!((listed[0].redrive_count, listed[0].redrive_date), (Some(1), Some(redriven)));
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_redriven_for_fourteen_days() {
    let (sim, client, _) = account();
    let machine = create(&client, "calls", &call("broken")).await;
    let execution = start(&client, &machine, "one", "{}").await;
    let redrive = || client.redrive_execution().execution_arn(&execution).send();
    for _ in 0..3 {
        sim.step_functions().wait_for(&execution).await;
        sim.clock.sleep(Duration::from_secs(14 * 24 * 3600 - 60)).await;
        redrive().await.expect("redriven");
    }
    sim.step_functions().wait_for(&execution).await;
    sim.clock.sleep(Duration::from_secs(14 * 24 * 3600)).await;
    assert_eq!(code(redrive().await), "ExecutionNotRedrivable");
    let described = client.describe_execution().execution_arn(&execution).send().await.expect("described");
    assert_eq!(described.redrive_status_reason.as_deref(), Some("Execution redrivable period exceeded"));
    assert_eq!(described.redrive_count, Some(3));
}

#[tokio::test(start_paused = true)]
async fn executions_run_side_by_side_in_virtual_time() {
    let (sim, client, _) = account();
    let machine = create(&client, "calls", &call("slow")).await;
    let began = sim.clock.now_millis();
    let mut executions = Vec::new();
    for nth in 0..50 {
        let input = json!({ "nth": nth });
        executions.push(StepFunctions::start(&sim, &machine, None, &input).expect("started"));
    }
    for (nth, execution) in executions.iter().enumerate() {
        let outcome = sim.step_functions().wait_for(execution).await;
        assert_eq!(outcome, Some(ExecutionOutcome::Succeeded(json!({ "nth": nth }))));
    }
    let took = sim.clock.now_millis() - began;
    assert!((60_000..60_010).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn subscribers_hear_each_event_as_it_happens() {
    let (sim, client, _) = account();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    sim.step_functions().subscribe(Box::new(move |event| {
        let line = (event.execution_name.to_owned(), event.event.event.type_name(), event.at_millis);
        sink.lock().expect("heard").push(line);
    }));
    let machine = create(&client, "calls", &call("broken")).await;
    let execution = start(&client, &machine, "one", "{}").await;
    let outcome = sim.step_functions().wait_for(&execution).await;
    let cause = r#"{"errorMessage":"on purpose","errorType":"Broken"}"#.to_owned();
    assert_eq!(outcome, Some(ExecutionOutcome::Failed { error: Some("Broken".into()), cause: Some(cause) }));
    let history = sim.step_functions().history(&execution);
    let history = history.iter().map(|event| ("one".to_owned(), event.event.type_name(), event.at_millis));
    assert_eq!(*heard.lock().expect("heard"), history.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_histories() {
    async fn histories() -> String {
        let (sim, client, tokens) = account();
        let retry = json!([{ "ErrorEquals": ["Broken"], "MaxAttempts": 5, "JitterStrategy": "FULL" }]);
        let mut definition: Value = serde_json::from_str(&call("broken")).expect("JSON");
        definition["States"]["Call"]["Retry"] = retry;
        let broken = create(&client, "breaks", &definition.to_string()).await;
        let asks = create(&client, "asks", &approval()).await;
        let executions = [start(&client, &broken, "a", "{}").await, start(&client, &asks, "b", "{}").await];
        for execution in &executions {
            sim.step_functions().wait_for(execution).await;
        }
        let tokens = tokens.lock().expect("tokens").clone();
        format!("{tokens:?} {:?}", executions.map(|execution| sim.step_functions().history(&execution)))
    }
    assert_eq!(histories().await, histories().await);
}
