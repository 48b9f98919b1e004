//! What commands print with `--output json`, held against the schemas that are published of it.

mod built;
mod local;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use local::{Local, json_of, python, text};

const SHIFT: &str = "examples/blue-green-shift.yaml";

/// Whether this fits the schema in this file, and names nothing that is not in it.
#[track_caller]
fn fits(schema: &str, printed: &str) {
    let mut command = python();
    let file = format!("docs/outputs/{schema}.schema.json");
    command.args(["tests/python/fits.py", &file]).current_dir(built::root());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().expect("python runs");
    running.stdin.take().expect("it is piped").write_all(printed.as_bytes()).expect("it reads");
    let output = running.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{schema}: {}\n{printed}", text(&output.stderr));
}

/// What a command prints as JSON fits this schema, and it exits with this code.
#[track_caller]
fn prints(local: &Local, schema: &str, code: i32, arguments: &[&str]) -> Value {
    let output: Output = local.crossfade(&[arguments, &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    fits(schema, &text(&output.stdout));
    json_of(&output.stdout)
}

/// A file of this test.
fn file(name: &str, content: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).expect("cargo gives tests a directory");
    path.display().to_string()
}

#[test]
fn what_is_printed_without_an_account_fits_its_schema() {
    let local = Local::start();
    let valid = prints(&local, "validate", 0, &["validate", SHIFT]);
    assert_eq!((&valid["valid"], &valid["trigger"]), (&json!(true), &Value::Null));
    let referring = prints(&local, "validate", 0, &["validate", "examples/variables-and-references.yaml"]);
    assert!(referring["references"].as_array().is_some_and(|all| !all.is_empty()), "{referring}");
    let trigger = prints(&local, "validate", 0, &["validate", "infra/triggers/new-image.yaml"]);
    assert!(trigger["trigger"].is_string() && trigger["document"].is_null(), "{trigger}");
    prints(&local, "error", 2, &["validate", "examples"]);
    let group = json!({ "group": {
        "name": "shop", "capacity": { "minimum": 1, "target": 2, "maximum": 4, "unit": "instance" },
        "compute": {
            "product": "Linux/UNIX", "subnetIds": ["subnet-1"], "instanceTypes": { "ondemand": "m6i.large" },
            "launchSpecification": { "imageId": "ami-0a11ce00000000006", "healthCheckType": "EC2" },
        },
    } });
    prints(&local, "import", 0, &["import", "elastigroup", &file("fits-group.json", &group.to_string())]);
}

#[test]
fn what_is_printed_of_an_account_fits_its_schema() {
    let local = Local::start();
    let prints = |schema: &str, arguments: &[&str]| prints(&local, schema, 0, arguments);
    let asks = |name: &str| drop(local.status(name, |status| status["question"]["stage"] == 5));
    let trigger = [
        "--name",
        "/crossfade/triggers/new-image",
        "--value",
        "file://infra/triggers/new-image.yaml",
        "--type",
        "String",
    ];
    local.aws(&[&["ssm", "put-parameter"][..], &trigger].concat());
    let detail = json!({ "ImageId": "ami-0a11ce00000000006", "State": "available" });
    let event = json!({ "source": "aws.ec2", "detail-type": "EC2 AMI State Change", "detail": detail }).to_string();
    let tested = prints("trigger-test", &["trigger", "test", &file("fits-event.json", &event)]);
    let told = ["starts", "passed"].map(|key| tested[key].as_array().map_or(0, Vec::len));
    assert_eq!(told.iter().sum::<usize>(), 1, "{tested}");
    let done = |arguments: &[&str]| prints("done", arguments)["done"][0].as_str().unwrap_or_default().to_owned();
    assert!(done(&["freeze", "staging", "--comment", "incident 42"]).contains("staging is frozen by "));
    assert!(done(&["unfreeze", "staging"]).starts_with("No longer: staging is frozen by "));
    prints("plan", &["plan", SHIFT]);
    prints("deploy", &["deploy", SHIFT, "--name", "first"]);
    asks("first");
    prints("status", &["status", "first"]);
    prints("list", &["list"]);
    assert!(done(&["pause", "first", "--for", "2h"]).starts_with("first stops before its next stage"));
    assert!(done(&["resume", "first"]).starts_with("first does not stop before its next stage"));
    assert_eq!(prints("approve", &["approve", "first", "--stage", "5"])["decision"], "approve");
    local.status("first", |status| status["status"] == "succeeded");
    prints("status", &["status", "first"]);
    let followed = local.does(&["watch", "first", "--output", "json"]);
    fits("watch", &followed);
    let revisions = prints("revisions", &["revisions"]);
    assert!(revisions["revisions"].as_array().is_some_and(|all| all.len() > 1), "{revisions}");
    assert_eq!(prints("abort", &["abort", "first"])["abort"], "ended");

    let back = prints("rollback", &["rollback", "first"]);
    assert_eq!((&back["revision"], &back["message"]), (&json!(6), &Value::Null), "{back}");
    let back = back["deploymentId"].as_str().expect("it has an id").to_owned();
    asks(&back);
    assert_eq!(prints("approve", &["reject", &back, "--stage", "5"])["decision"], "reject");
    local.status(&back, |status| status["status"] == "failedClean");
    prints("deploy", &["retry", &back, "--name", "again"]);
    asks("again");
    let undone = prints("rollback", &["rollback", "again"]);
    assert!(undone["message"].is_string() && undone["revision"].is_null(), "{undone}");
    local.status("again", |status| status["status"] == "failedClean");
    prints("deploy", &["deploy", SHIFT, "--name", "stopped"]);
    asks("stopped");
    assert_eq!(prints("abort", &["abort", "stopped"])["abort"], "stopped");
}

#[test]
fn what_is_printed_of_checks_fits_its_schema() {
    let local = Local::with(&["--fail", "errors"]);
    let document = "examples/verified-shift.yaml";
    let output = local.crossfade(&["deploy", document, "--name", "bad", "--wait", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let (started, followed) = printed.split_once('\n').expect("more than one line");
    fits("deploy", started);
    fits("watch", followed);
    assert!(followed.contains("\"event\":\"checked\"") && followed.contains("\"verdict\":\"bad\""), "{followed}");
    let status = prints(&local, "status", 1, &["status", "bad"]);
    let errors = status["checks"].as_array().into_iter().flatten().find(|check| check["name"] == "errors");
    let last = errors.and_then(|errors| errors["answers"].as_array()?.last().cloned()).unwrap_or_default();
    assert_eq!(last["verdict"], "bad", "{status:#}");
    let shown = text(&local.crossfade(&["status", "bad"]).stdout);
    assert!(shown.contains("\n  ✗ errors: bad, errorRate "), "{shown}");
    let began = status["startedMillis"].as_u64().expect("it has started");
    let (from, to) = (at(began - 1_800_000), at(began));
    let past = ["verify", document, "--candidate", "shop__6", "--from", &from, "--to", &to];
    let judged = local.crossfade(&[&past[..], &["--output", "json"]].concat());
    assert!(matches!(judged.status.code(), Some(0 | 1)), "{}{}", text(&judged.stdout), text(&judged.stderr));
    fits("verify", &text(&judged.stdout));
}

/// A time as the command takes it.
fn at(millis: u64) -> String {
    let millis = i64::try_from(millis).expect("it is of these years");
    jiff::Timestamp::from_millisecond(millis).expect("it is of these years").to_string()
}
