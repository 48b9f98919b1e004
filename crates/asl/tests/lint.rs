//! Each lint rule, seen to fire on a definition that breaks it and nothing else.

mod common;

use common::good;
use crossfade_asl::{RULES, StateMachine, lint};
use serde_json::{Value, json};

fn rules_broken(definition: &Value) -> Vec<(&'static str, String)> {
    let machine = StateMachine::parse(&definition.to_string()).expect("still valid ASL");
    lint(&machine).into_iter().map(|problem| (problem.rule, problem.pointer)).collect()
}

/// The good definition with the value at `pointer` replaced, or removed when it becomes null.
fn broken(pointer: &str, value: Value) -> Value {
    let mut definition = good();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = definition.pointer_mut(parent).expect("the parent exists");
    match (parent, value) {
        (Value::Object(object), Value::Null) => drop(object.remove(key).expect("the field exists")),
        (Value::Object(object), value) => drop(object.insert(key.to_owned(), value)),
        (Value::Array(items), value) => match key.parse::<usize>() {
            Ok(index) => items[index] = value,
            Err(_) => items.push(value),
        },
        _ => unreachable!("pointers lead into objects and lists"),
    }
    definition
}

#[test]
fn the_good_definition_breaks_no_rule() {
    assert_eq!(rules_broken(&good()), []);
}

#[test]
fn each_rule_fires_alone_and_where_it_is_broken() {
    let catch_all = json!({ "ErrorEquals": ["States.ALL"], "Next": "Failed" });
    let catch_one = json!({ "ErrorEquals": ["One"], "Next": "Failed" });
    let retrier = good()["States"]["Work"]["Retry"][0].clone();
    let with = |key: &str, value: Value, mut retrier: Value| {
        retrier[key] = value;
        retrier
    };
    let for_all = with("ErrorEquals", json!(["States.ALL"]), retrier.clone());
    let slow = with("IntervalSeconds", json!(80_000), with("MaxDelaySeconds", json!(80_000), retrier.clone()));
    let table = [
        ("machine-timeout", "", "/TimeoutSeconds", Value::Null),
        ("machine-comment", "", "/Comment", json!("short")),
        ("state-comment", "/States/Done", "/States/Done/Comment", Value::Null),
        ("state-comment", "/States/Done", "/States/Done/Comment", json!("      x                   ")),
        ("task-timeout", "/States/Work", "/States/Work/TimeoutSeconds", Value::Null),
        ("token-timeout", "/States/Approve", "/States/Approve/TimeoutSeconds", Value::Null),
        (
            "token-unused",
            "/States/Approve/Parameters",
            "/States/Approve/Parameters/Payload",
            json!({"t": "$$.Task.Token"}),
        ),
        ("heartbeat-below-timeout", "/States/Approve/HeartbeatSeconds", "/States/Approve/HeartbeatSeconds", json!(600)),
        ("all-alone", "/States/Work/Catch/0", "/States/Work/Catch/0/ErrorEquals", json!(["One", "States.ALL"])),
        ("all-last", "/States/Work/Catch/0", "/States/Work/Catch", json!([catch_all, catch_one])),
        ("platform-retrier", "/States/Work", "/States/Work/Retry", Value::Null),
        ("platform-retrier", "/States/Work", "/States/Work/Retry/0/MaxAttempts", json!(0)),
        ("platform-retrier", "/States/Work", "/States/Work/Retry/0/ErrorEquals", json!(["Other"])),
        ("retry-jitter", "/States/Work/Retry/0", "/States/Work/Retry/0/JitterStrategy", json!("NONE")),
        ("retry-max-delay", "/States/Work/Retry/0", "/States/Work/Retry/0/MaxDelaySeconds", Value::Null),
        ("retry-bounded", "/States/Work/Retry/0", "/States/Work/Retry/0/MaxAttempts", json!(121)),
        ("retry-bounded", "/States/Work/Retry/0", "/States/Work/Retry/0", slow),
        ("retry-shadowed", "/States/Work/Retry/0", "/States/Work/Retry", json!([retrier, for_all])),
        ("catch-all", "/States/Work", "/States/Work/Catch", json!([catch_one])),
        ("uncatchable-error", "/States/Work/Catch/0", "/States/Work/Catch", {
            json!([{ "ErrorEquals": ["States.Runtime"], "Next": "Failed" }, catch_all])
        }),
        ("choice-default", "/States/Decide", "/States/Decide/Default", Value::Null),
    ];
    for (rule, pointer, place, value) in &table {
        let definition = broken(place, value.clone());
        assert_eq!(rules_broken(&definition), [(*rule, (*pointer).to_owned())], "{rule} at {place}");
    }
    for rule in RULES {
        assert!(table.iter().any(|(name, ..)| *name == rule.name), "no test breaks {}", rule.name);
    }
}

#[test]
fn a_retrier_that_says_do_not_retry_needs_no_backoff() {
    let mut definition = good();
    let never = json!({ "ErrorEquals": ["Refused"], "MaxAttempts": 0 });
    definition["States"]["Work"]["Retry"].as_array_mut().expect("retriers").insert(0, never);
    assert_eq!(rules_broken(&definition), []);
}
