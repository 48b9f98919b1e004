//! The shipped definitions: AWS would take them, they can be operated, and they and the code speak of the same things.

use std::collections::BTreeSet;

use crossfade_asl::{StateMachine, lint};
use crossfade_core::{Class, Kind};
use crossfade_local::Installation;
use crossfade_steps::FUNCTIONS;
use crossfade_tests::faults::kind::DEATHS;
use serde_json::Value;

fn definitions() -> Vec<(&'static str, String)> {
    Installation::definitions().expect("every placeholder is known")
}

fn strings<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == key {
                    let many = value.as_array().into_iter().flatten();
                    found.extend(many.chain(Some(value)).filter_map(Value::as_str));
                }
                strings(value, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, key, found)),
        _ => {}
    }
}

#[test]
fn the_definitions_keep_every_rule() {
    for (name, text) in definitions() {
        let machine = StateMachine::parse(&text).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let problems: Vec<String> = lint(&machine).iter().map(ToString::to_string).collect();
        assert_eq!(problems, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_error_that_is_matched_exists_and_every_class_is_matched() {
    for (name, text) in definitions() {
        let definition: Value = serde_json::from_str(&text).expect("it is JSON");
        let mut matched = Vec::new();
        strings(&definition, "ErrorEquals", &mut matched);
        let ours: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        for error in &matched {
            let of_aws = ["States.", "Lambda.", "Sandbox.", "Runtime.", "Extension.", "Function."]
                .iter()
                .any(|prefix| error.starts_with(prefix));
            assert!(of_aws || ours.contains(error), "{name} matches {error}, which nothing raises");
        }
        for kind in Kind::ALL.iter().filter(|kind| kind.class() == Class::Transient) {
            assert!(
                matched.contains(&kind.name()) || matched.contains(&"States.ALL"),
                "{name} does not retry {kind:?}"
            );
        }
    }
    let (_, deploy) = &definitions()[0];
    for kind in Kind::ALL.iter().filter(|kind| kind.class() == Class::Refused) {
        assert!(deploy.contains(kind.name()), "{kind:?} has to end as FailedClean at once");
    }
}

/// The retriers of the tasks of a machine, in order: (state, retriers).
fn retriers(definition: &str) -> Vec<(String, Vec<Value>)> {
    let definition: Value = serde_json::from_str(definition).expect("it is JSON");
    let states = definition["States"].as_object().expect("it has states");
    let tasks = states.iter().filter(|(_, state)| state["Type"] == "Task");
    tasks.map(|(name, state)| (name.clone(), state["Retry"].as_array().cloned().unwrap_or_default())).collect()
}

#[test]
fn whatever_lambda_calls_the_death_of_a_function_the_step_is_tried_again() {
    for (machine, text) in definitions() {
        for (state, retry) in retriers(&text).into_iter().filter(|(state, _)| state != "Tell") {
            for death in DEATHS {
                let again = retry.iter().find(|retrier| {
                    let errors = retrier["ErrorEquals"].as_array().expect("a list");
                    errors.iter().any(|it| it == death || it == "States.ALL")
                });
                let again = again.unwrap_or_else(|| panic!("{machine}: {state} does not know {death}"));
                assert!(again["MaxAttempts"].as_u64() >= Some(1), "{machine}: {state} gives up at {death}");
            }
        }
    }
}

/// How long a retrier goes on at most, in seconds; with full jitter half of that, give or take little.
fn longest(retrier: &Value) -> f64 {
    let number = |key: &str| retrier[key].as_f64().expect("a number");
    let delay = |nth: u64| number("IntervalSeconds") * number("BackoffRate").powi(i32::try_from(nth).expect("few"));
    (0..number("MaxAttempts") as u64).map(|nth| delay(nth).min(number("MaxDelaySeconds"))).sum()
}

#[test]
fn what_must_not_give_up_tries_everything_that_may_pass_for_a_day() {
    let [(_, deploy), (_, rollback)] = definitions().try_into().expect("two machines");
    let patient = retriers(&rollback).into_iter().filter(|(name, _)| !["Approve", "Tell"].contains(&name.as_str()));
    let served = retriers(&deploy).into_iter().filter(|(name, _)| ["Finish", "Rollback"].contains(&name.as_str()));
    for (name, retry) in patient.chain(served) {
        // The first one that matches is the one that counts.
        for error in Kind::ALL.iter().filter(|kind| kind.may_pass()).map(|kind| kind.name()).chain(["Lambda.Unknown"]) {
            let matches = |retrier: &&Value| {
                let errors = retrier["ErrorEquals"].as_array().expect("a list");
                errors.iter().any(|it| it == error || it == "States.ALL")
            };
            let first = retry.iter().find(matches).unwrap_or_else(|| panic!("{name} does not retry {error}"));
            let hours = longest(first) / 2.0 / 3600.0;
            assert!((22.0..26.0).contains(&hours), "{name}: {error} for {hours} hours");
        }
    }
    // What time does not heal is told soon.
    for (name, retry) in
        retriers(&rollback).into_iter().filter(|(name, _)| !["Approve", "Tell", "FailedDirty"].contains(&name.as_str()))
    {
        let [hopeless, _] = retry.as_slice() else { panic!("{name}: {retry:?}") };
        let errors: BTreeSet<&str> =
            hopeless["ErrorEquals"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        let hands = Kind::ALL.iter().filter(|kind| !kind.may_pass()).map(|kind| kind.name()).collect();
        assert_eq!(errors, hands, "{name}");
        assert!(longest(hopeless) < 300.0, "{name}");
    }
}

#[test]
fn every_function_is_used_and_every_used_one_exists() {
    let mut used = BTreeSet::new();
    for (_, text) in definitions() {
        let definition: Value = serde_json::from_str(&text).expect("it is JSON");
        let mut names = Vec::new();
        strings(&definition, "FunctionName", &mut names);
        used.extend(names.iter().filter_map(|arn| arn.rsplit(':').next()).map(str::to_owned));
    }
    // Called by events: for executions that have ended, and for those that are to be started; and by the function that calls hooks.
    used.extend(["sweep".to_owned(), "start".to_owned(), "hook-http".to_owned()]);
    assert_eq!(used, FUNCTIONS.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn every_failure_of_a_deploying_state_leads_into_the_rollback() {
    let (_, deploy) = &definitions()[0];
    let definition: Value = serde_json::from_str(deploy).expect("it is JSON");
    // A deployment that is done, or that is being rolled back, must not be rolled back (again).
    let after_the_end = ["Prune", "Finish", "Rollback"];
    for (name, state) in definition["States"].as_object().expect("it has states") {
        if state["Type"] != "Task" || after_the_end.contains(&name.as_str()) {
            continue;
        }
        let last = state["Catch"].as_array().and_then(|list| list.last()).expect("it catches");
        assert_eq!(last["ErrorEquals"][0], "States.ALL", "{name}");
        let next = match name.as_str() {
            "Approve" => "Decide",
            // Whoever is only told holds nothing up.
            "Tell" => "Untold",
            "Reconsider" => "Reconsidered",
            "Paused" => "Resumed",
            // What nobody wants any more is not tried again.
            "Reconsidered" | "Resumed" => "Rollback",
            _ => "Failing",
        };
        assert_eq!(last["Next"], next, "{name}");
    }
    // Unless the document wants it otherwise.
    assert_eq!(definition["States"]["Failing"]["Default"], "Rollback");
}

#[test]
fn every_error_has_a_page_and_every_page_an_error() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
    let pages: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the pages are there")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".md")?.to_owned()))
        .filter(|name| name != "README")
        .collect();
    assert_eq!(pages, Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect());
}
