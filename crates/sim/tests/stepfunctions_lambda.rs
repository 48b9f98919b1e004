//! The hosts of Lambda functions: handlers in this process, and real processes with the real `lambda_runtime`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use crossfade_sim::lambda::{Bootstrap, Functions, InProcess, Invocation, LogSink, RuntimeApiHost, invoke_api};
use crossfade_sim::{Clock, Settings, Sim};
use serde_json::{Value, json};

const EPOCH: u64 = 1_767_603_600_000;

fn raised(error_type: &str, error_message: &str) -> Invocation {
    Invocation::Raised { error_type: error_type.into(), error_message: error_message.into() }
}

fn platform_error(invocation: &Invocation) -> (&str, &str) {
    match invocation {
        Invocation::Platform { error, cause } => (error, cause),
        other => panic!("{other:?}"),
    }
}

/// What `lambda_runtime` names a panic; the test with real processes checks that it does.
const PANIC: &str = "&alloc::boxed::Box<dyn core::any::Any + core::marker::Send>";

fn in_process(clock: &Clock) -> InProcess {
    let functions = InProcess::new(clock);
    let limit = Duration::from_secs(3);
    functions.register("echo", limit, |payload| async { Invocation::Returned(payload) });
    functions.register("panics", limit, |_| async { panic!("oh no") });
    functions.register("panics-early", limit, |payload: Value| {
        assert!(!payload.is_null(), "oh no");
        async { Invocation::Returned(Value::Null) }
    });
    functions.register("raises", limit, |_| async { raised("LockHeld", "by another") });
    let clock = clock.clone();
    functions.register("slow", limit, move |_| {
        let clock = clock.clone();
        async move {
            clock.sleep(Duration::from_secs(60)).await;
            Invocation::Returned(Value::Null)
        }
    });
    functions
}

#[tokio::test(start_paused = true)]
async fn handlers_answer_raise_panic_and_run_out_of_time() {
    let clock = Clock::new(EPOCH, 1.0);
    let functions = in_process(&clock);
    let echoed = functions.invoke("arn:aws:lambda:eu-west-1:123456789012:function:echo:live", json!(1)).await;
    assert_eq!(echoed, Invocation::Returned(json!(1)));
    assert_eq!(functions.invoke("panics", json!(1)).await, raised(PANIC, "Lambda panicked: oh no"));
    assert_eq!(functions.invoke("panics-early", Value::Null).await, raised(PANIC, "Lambda panicked: oh no"));
    let missing = functions.invoke("missing", json!(1)).await;
    assert_eq!(platform_error(&missing).0, "Lambda.ResourceNotFoundException");
    let timed_out = functions.invoke("slow", json!(1)).await;
    let (error, cause) = platform_error(&timed_out);
    assert_eq!(error, "Lambda.Unknown");
    assert!(cause.ends_with("Task timed out after 3.00 seconds"), "{cause}");
    assert_eq!(clock.now_millis(), EPOCH + 3_000);
}

#[tokio::test(start_paused = true)]
async fn the_invoke_api_tells_function_errors_from_service_errors() {
    let functions = in_process(&Clock::new(EPOCH, 1.0));
    for (function, kind, body, status, function_error, error_type, answer) in [
        ("echo", None, "[1]", 200, None, None, "[1]"),
        ("echo", Some("Event"), "1", 202, None, None, ""),
        ("echo", Some("DryRun"), "1", 204, None, None, ""),
        ("echo", Some("Other"), "1", 400, None, Some("InvalidParameterValueException"), "no invocation type"),
        ("echo", None, "{", 400, None, Some("InvalidRequestContentException"), "Could not parse"),
        ("raises", None, "", 200, Some("Unhandled"), None, r#"{"errorMessage":"by another","errorType":"LockHeld"}"#),
        ("slow", None, "", 200, Some("Unhandled"), None, "Task timed out"),
        ("missing", None, "", 404, None, Some("ResourceNotFoundException"), "Function not found"),
    ] {
        let response = invoke_api(&functions, function, kind, Bytes::from(body)).await;
        let header = |name: &str| {
            let mut headers = response.headers.iter();
            headers.find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
        };
        assert_eq!(response.status, status, "{function} {kind:?}");
        assert_eq!(header("x-amz-function-error"), function_error, "{function}");
        assert_eq!(header("x-amzn-errortype"), error_type, "{function}");
        assert!(String::from_utf8_lossy(&response.body).contains(answer), "{response:?}");
    }
}

/// Not a test of its own: the program of the functions below, a bootstrap like any other. It does what its payload
/// says.
#[test]
#[ignore = "the bootstrap of the other tests' functions"]
fn bootstrap() {
    use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};

    if std::env::var("FAIL_INIT").is_ok() {
        std::process::exit(7);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let handler = |event: LambdaEvent<Value>| async move {
        match event.payload["do"].as_str() {
            Some("panic") => panic!("oh no"),
            Some("exit") => std::process::exit(3),
            Some("raise") => Err(Diagnostic { error_type: "LockHeld".into(), error_message: "by another".into() }),
            Some("sleep") => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(Value::Null)
            }
            _ => {
                eprintln!("working on {}", event.payload);
                Ok(json!({
                    "pid": std::process::id(),
                    "greeting": std::env::var("GREETING").ok(),
                    "inherited": std::env::var("CARGO_MANIFEST_DIR").ok(),
                    "arn": event.context.invoked_function_arn,
                    "request": event.context.request_id,
                }))
            }
        }
    };
    runtime.block_on(lambda_runtime::run(service_fn(handler))).expect("the runtime API answers");
}

fn runtime_host(logs: LogSink) -> RuntimeApiHost {
    let host = RuntimeApiHost::new(&Clock::new(EPOCH, 1.0), logs);
    let mut bootstrap = Bootstrap {
        program: std::env::current_exe().expect("this test"),
        arguments: ["--exact", "bootstrap", "--ignored", "--nocapture"].map(str::to_owned).to_vec(),
        environment: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
        timeout: Duration::from_secs(2),
        memory_mb: 128,
    };
    host.register("work", bootstrap.clone());
    bootstrap.environment.insert("FAIL_INIT".to_owned(), "1".to_owned());
    host.register("unborn", bootstrap.clone());
    bootstrap.program = "/no/such/program".into();
    host.register("absent", bootstrap);
    host
}

#[tokio::test]
async fn real_bootstraps_answer_raise_panic_exit_and_run_out_of_time() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let host = runtime_host(Arc::new(move |function, line| {
        sink.lock().expect("lines").push(format!("{function}: {line}"));
    }));
    let invoke = |what: &str| host.invoke("work", json!({ "do": what }));

    let Invocation::Returned(first) = invoke("answer").await else { panic!("no answer") };
    assert_eq!((&first["greeting"], &first["inherited"]), (&json!("hello"), &Value::Null));
    assert_eq!(first["arn"], "arn:aws:lambda:eu-west-1:123456789012:function:work");
    assert_eq!(invoke("raise").await, raised("LockHeld", "by another"));
    assert_eq!(invoke("panic").await, raised(PANIC, "Lambda panicked: oh no"));
    // Still the same process.
    let Invocation::Returned(warm) = invoke("answer").await else { panic!("no answer") };
    assert_eq!((&warm["pid"], warm["request"] == first["request"]), (&first["pid"], false));

    let exited = invoke("exit").await;
    let (error, cause) = platform_error(&exited);
    assert_eq!(error, "Lambda.Unknown");
    assert!(cause.starts_with("RequestId: ") && cause.ends_with("Runtime exited with error: exit status 3"), "{cause}");
    // Two at once need two processes.
    let (left, right) = tokio::join!(invoke("answer"), invoke("answer"));
    let (Invocation::Returned(left), Invocation::Returned(right)) = (left, right) else { panic!("no answer") };
    assert_ne!(left["pid"], right["pid"]);
    assert!(left["pid"] != first["pid"] && right["pid"] != first["pid"]);

    let timed_out = invoke("sleep").await;
    assert!(platform_error(&timed_out).1.ends_with("Task timed out after 2.00 seconds"), "{timed_out:?}");
    let unborn = host.invoke("unborn", Value::Null).await;
    assert!(platform_error(&unborn).1.ends_with("exit status 7"), "{unborn:?}");
    assert_eq!(platform_error(&host.invoke("absent", Value::Null).await).0, "Lambda.Unknown");
    assert!(lines.lock().expect("lines").iter().any(|line| line.starts_with("work: ") && line.contains("working on")));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn dropping_the_host_ends_its_processes() {
    let host = runtime_host(Arc::new(|_, _| {}));
    let (left, right) = tokio::join!(host.invoke("work", json!({})), host.invoke("work", json!({})));
    let (Invocation::Returned(left), Invocation::Returned(right)) = (left, right) else { panic!("no answer") };
    // A killed child stays in the table until the runtime reaps it, so a zombie counts as gone.
    let lives = |answer: &Value| {
        std::fs::read_to_string(format!("/proc/{}/stat", answer["pid"])).is_ok_and(|stat| !stat.contains(") Z "))
    };
    let alive = || lives(&left) && lives(&right);
    assert!(alive());
    // One of the two is at work; the idle one must not wait for it.
    let _at_work = tokio::spawn(host.invoke("work", json!({ "do": "sleep" })));
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(host);
    for _ in 0..100 {
        if !alive() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the process goes on");
}

#[tokio::test]
async fn a_state_machine_runs_a_real_bootstrap() {
    let sim = Sim::new(Settings { speed: 10.0, ..Settings::default() });
    sim.set_functions(Arc::new(runtime_host(Arc::new(|_, _| {}))));
    let task = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": { "FunctionName": "work", "Payload": {} }, "OutputPath": "$.Payload.greeting", "End": true
    });
    let definition = json!({ "StartAt": "Work", "States": { "Work": task } }).to_string();
    let machine = sim.step_functions().create("works", &definition, None).expect("valid");
    let start = crossfade_sim::api::stepfunctions::StepFunctions::start;
    let execution = start(&sim, &machine, Some("one"), &json!({})).expect("started");
    let outcome = sim.step_functions().wait_for(&execution).await.expect("an execution");
    assert_eq!(outcome, crossfade_sim::api::stepfunctions::ExecutionOutcome::Succeeded(json!("hello")));
}
