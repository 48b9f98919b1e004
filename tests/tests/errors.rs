//! What a command prints with `--output json` when it cannot do what it is asked: one object, whatever the command.

mod built;
mod local;

use std::fs;
use std::path::Path;
use std::process::Output;

use local::{Local, crossfade, finished, json_of, text};
use serde_json::{Value, json};

const SHIFT: &str = "examples/blue-green-shift.yaml";

/// The last object on standard output, which is the error; people are told the same on standard error.
#[track_caller]
fn told(output: &Output, error: &str, code: i32) -> Value {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    let last = out.lines().last().unwrap_or_else(|| panic!("nothing on standard output: {err}"));
    let told = json_of(last.as_bytes());
    let keys: Vec<&str> = told.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["actsIn", "deployments", "error", "exitCode", "message", "problems"], "{told:#}");
    assert_eq!((&told["error"], &told["exitCode"]), (&json!(error), &json!(code)), "{told:#}");
    let first = told["message"].as_str().and_then(|message| message.lines().next()).unwrap_or_default();
    assert!(!first.is_empty() && err.contains(first), "people are told it, too: {first}\n{err}");
    let problems = told["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!problems.is_empty() && problems.iter().all(|it| it["problem"].is_string()), "{told:#}");
    told
}

#[test]
fn an_error_is_one_object_where_no_account_is_reached() {
    let does = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = crossfade();
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(environment.iter().copied());
        for nothing in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            command.env(nothing, "/dev/null");
        }
        finished(command.args(arguments).current_dir(built::root()).stdin(std::process::Stdio::null()))
    };
    // Arguments that cannot be read: of each command that prints JSON, however that is asked for.
    for arguments in [
        &["status", "--nosuch", "--output", "json"][..],
        &["list", "--limit", "0", "-o", "json"],
        &["watch", "--timeout", "soon", "--output=json"],
        &["deploy", "-ojson"],
        &["approve", "--output", "json"],
    ] {
        let told = told(&does(arguments, &[]), "Usage", 2);
        let message = told["message"].as_str().unwrap_or_default();
        assert!(!message.contains("Usage:") && !message.contains("--help"), "{message}");
    }
    let missing = told(&does(&["plan", "nosuch.yaml", "-o", "json"], &[]), "Usage", 2);
    assert!(missing["message"].as_str().is_some_and(|it| it.contains("nosuch.yaml cannot be read")), "{missing}");
    assert!(does(&["list", "--limit", "0"], &[]).stdout.is_empty(), "people who asked for no JSON get none");

    // A document, with each field: the same of each command that reads one.
    let example = fs::read_to_string(built::root().join(SHIFT)).expect("an example");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("told.yaml");
    fs::write(&file, example.replace("[10, 50, 100]", "[10, 500]").replace("service:", "servce:")).expect("written");
    let file = file.display().to_string();
    for command in ["validate", "plan", "deploy"] {
        let told = told(&does(&[command, &file, "--output", "json"], &[]), "InvalidDocument", 2);
        let fields: Vec<&str> =
            told["problems"].as_array().into_iter().flatten().filter_map(|it| it["path"].as_str()).collect();
        assert!(fields.contains(&"service") && fields.contains(&"servce"), "{command}: {told:#}");
        let percent = told["problems"].as_array().into_iter().flatten().find(|it| it["value"] == "500");
        assert!(percent.is_some_and(|it| it["fix"].is_string()), "{command}: {told:#}");
    }

    let region = ("AWS_REGION", "eu-west-1");
    told(&does(&["list", "--output", "json"], &[]), "Usage", 2);
    told(&does(&["list", "--output", "json"], &[region]), "NotSignedIn", 4);
    told(&does(&["list", "--output", "json", "--profile", "nosuch"], &[region]), "NotFound", 2);
    // Nobody listens there.
    let keys = [
        region,
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ];
    let down = told(&does(&["status", "shop-42", "--output", "json"], &keys), "ServiceUnavailable", 4);
    assert_eq!(down["actsIn"], json!({ "account": null, "region": "eu-west-1", "caller": null }), "{down:#}");
}

#[test]
fn what_an_account_refuses_is_one_object_with_its_kind_and_where_it_was() {
    let local = Local::start();
    let told = |arguments: &[&str], error: &str, code: i32| {
        let told = told(&local.crossfade(&[arguments, &["--output", "json"]].concat()), error, code);
        // `revisions` does not say where it looks.
        assert!(arguments[0] == "revisions" || told["actsIn"]["account"] == "123456789012", "{told:#}");
        told
    };
    for command in ["status", "watch", "abort", "rollback", "retry", "approve", "reject"] {
        told(&[command, "nosuch"], "NotFound", 2);
    }
    told(&["revisions", "nosuch/production"], "NotFound", 2);
    told(&["status", "nosuch", "--stack", "other"], "NotInstalled", 2);

    local.does(&["deploy", SHIFT, "--name", "shop-42"]);
    local.status("shop-42", |status| status["question"]["stage"] == 5);
    let held = told(&["deploy", SHIFT], "LockHeld", 2);
    assert!(held["message"].as_str().is_some_and(|it| it.contains("shop-42")), "{held:#}");
    told(&["approve", "shop-42", "--stage", "4"], "Refused", 2);
    told(&["retry", "shop-42"], "Refused", 2);
    // Several may be meant: they are in the object.
    local.does(&["deploy", "examples/workers.yaml", "--name", "work-1"]);
    local.status("work-1", |status| status["status"] == "running");
    let both = told(&["status"], "Ambiguous", 2);
    let ids: Vec<&str> =
        both["deployments"].as_array().into_iter().flatten().filter_map(|it| it["deploymentId"].as_str()).collect();
    assert_eq!(ids, ["shop-42", "work-1"], "{both:#}");

    // What is decided is an object, too.
    let approved = json_of(local.does(&["approve", "shop-42", "--stage", "5", "--output", "json"]).as_bytes());
    let asked = ["deploymentId", "decision", "stage", "name"].map(|key| &approved[key]);
    assert_eq!(asked, [&json!("shop-42"), &json!("approve"), &json!(5), &json!("Approve shop__7 at 10 %")]);
    told(&["approve", "shop-42", "--stage", "5"], "Refused", 2);
    local.does(&["freeze", "production", "--comment", "incident 42"]);
    let frozen = told(&["deploy", SHIFT, "--yes", "--name", "frozen"], "Frozen", 2);
    assert!(frozen["message"].as_str().is_some_and(|it| it.contains("incident 42")), "{frozen:#}");

    // A stream ends with it.
    let wait = local.crossfade(&["deploy", SHIFT, "--no-plan", "--name", "held", "--wait", "--output", "json"]);
    let lines = text(&wait.stdout);
    assert!(lines.lines().count() >= 2 && lines.lines().all(|line| line.starts_with('{')), "{lines}");
    assert_eq!(wait.status.code(), Some(1), "{lines}");
}
