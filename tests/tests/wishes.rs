//! What somebody wants of deployments by command: a pause to end, a deployment in an emergency although the line is stopped, to know
//! what an event would start.

mod built;
mod local;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use local::{Local, text};

/// A document like the example, in a file of this name.
fn written(name: &str, change: impl FnOnce(&mut Value)) -> String {
    let example = fs::read_to_string(built::root().join("examples/blue-green-shift.json")).expect("an example");
    let mut document: Value = serde_json::from_str(&example).expect("it is JSON");
    change(&mut document);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, document.to_string()).expect("cargo gives tests a directory");
    file.display().to_string()
}

#[test]
fn pauses_of_a_document_end_by_command_one_or_all_that_are_to_come() {
    let local = Local::start();
    let document = written("paused.json", |document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 50, 100], "pauseSeconds": 36_000 } });
    });
    local.does(&["deploy", &document, "--name", "shop-1", "--yes"]);
    let paused = |nth: usize| {
        local.status("shop-1", |status| {
            let pauses = status["stages"].as_array().into_iter().flatten().filter(|it| it["name"] == "Pause 36000 s");
            let states: Vec<&Value> = pauses.map(|it| &it["state"]).collect();
            states.iter().filter(|state| **state == "done").count() == nth && states.contains(&&json!("running"))
        })
    };
    paused(0);
    let told = local.does(&["promote", "shop-1", "--comment", "nothing to see"]);
    assert!(told.contains("Pause 36000 s ends within two minutes"), "{told}");
    paused(1);
    local.does(&["promote", "shop-1", "--full", "--by", "ann"]);
    let ended = local.status("shop-1", |status| status["status"] == "succeeded");
    let log = local.does(&["status", "shop-1", "--log"]);
    assert!(log.contains("The pause is over before its time, says "), "{log}");
    assert!(log.contains("nothing to see"), "{log}");
    assert_eq!(ended["status"], "succeeded");
    local.refuses(&["promote", "shop-1"], &["shop-1"]);
}

#[test]
fn an_emergency_passes_a_freeze_and_says_why() {
    let local = Local::start();
    local.does(&["freeze", "production", "--comment", "incident 42"]);
    let document = written("frozen.json", |document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [100] } });
    });
    local.refuses(&["deploy", &document, "--name", "shop-1", "--yes"], &["is frozen by ", "incident 42"]);
    let mends = "mends incident 42";
    local.does(&["deploy", &document, "--name", "shop-2", "--yes", "--during-freeze", mends, "--wait"]);
    let log = local.does(&["status", "shop-2", "--log"]);
    assert!(log.contains("Deployed although The environment") || log.contains("Deployed although production"), "{log}");
    assert!(log.contains(&format!("Because: {mends}")), "{log}");
}

#[test]
fn an_event_is_tried_and_starts_nothing() {
    let local = Local::start();
    let example = fs::read_to_string(built::root().join("examples/blue-green-shift.json")).expect("an example");
    let document: Value = serde_json::from_str(&example).expect("it is JSON");
    let trigger = json!({ "when": { "schedule": true }, "document": document }).to_string();
    local.aws(&[
        "ssm",
        "put-parameter",
        "--name",
        "/crossfade/triggers/nightly",
        "--type",
        "String",
        "--value",
        &trigger,
    ]);
    let event = Path::new(env!("CARGO_TARGET_TMPDIR")).join("event.json");
    let scheduled = json!({ "source": "aws.events", "detail-type": "Scheduled Event", "account": "123456789012",
        "time": "2026-03-01T03:00:00Z", "detail": {} });
    fs::write(&event, scheduled.to_string()).expect("cargo gives tests a directory");
    let event = event.display().to_string();
    let told = local.does(&["trigger", "test", &event]);
    assert!(told.contains("would start nightly-2026"), "{told}");
    let answer: Value =
        serde_json::from_str(&local.does(&["trigger", "test", &event, "--output", "json"])).expect("JSON");
    assert_eq!(answer["starts"][0]["document"]["service"], "shop", "{answer:#}");
    assert_eq!(text(&local.crossfade(&["list", "--running"]).stdout), "No deployment runs, waits or is stuck.\n");

    let wrong = json!({ "when": { "schedule": true }, "document": { "service": "shop" } }).to_string();
    local.aws(&[
        "ssm",
        "put-parameter",
        "--overwrite",
        "--name",
        "/crossfade/triggers/nightly",
        "--type",
        "String",
        "--value",
        &wrong,
    ]);
    let output = local.crossfade(&["trigger", "test", &event]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("nightly cannot start anything"), "{}", text(&output.stdout));
}
