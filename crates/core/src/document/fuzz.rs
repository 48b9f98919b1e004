//! Documents as nobody would write them. Whatever they are, they are read or refused: without a panic, in bounded work, with a bounded
//! number of problems of bounded length, each of which names its place and does nothing to a terminal.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::read::{MOST, Problem};
use super::references::{Answers, Draft};
use super::{parse, read_text};
use crate::text::printable;

/// Documents that are right, to begin with.
const EXAMPLES: [&str; 6] = [
    include_str!("../../../../examples/basic.yaml"),
    include_str!("../../../../examples/canary.yaml"),
    include_str!("../../../../examples/blue-green-shift.yaml"),
    include_str!("../../../../examples/listener-swap.yaml"),
    include_str!("../../../../examples/stages.yaml"),
    include_str!("../../../../examples/variables-and-references.yaml"),
];

fn examples() -> Vec<Value> {
    static EXAMPLES_READ: LazyLock<Vec<Value>> =
        LazyLock::new(|| EXAMPLES.iter().map(|text| read_text(text).expect("an example")).collect());
    EXAMPLES_READ.clone()
}

/// Names that mean something somewhere, and some that mean nothing anywhere.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "service",
        "environment",
        "artifact",
        "ami",
        "revision",
        "compute",
        "autoScalingGroup",
        "base",
        "capacity",
        "fixed",
        "min",
        "desired",
        "max",
        "routing",
        "weighted",
        "listeners",
        "targetGroups",
        "production",
        "test",
        "strategy",
        "basic",
        "canary",
        "phases",
        "percent",
        "count",
        "blueGreenShift",
        "percents",
        "approveAfterPercents",
        "blueGreenSwap",
        "stages",
        "upscale",
        "downsize",
        "shift",
        "swap",
        "pause",
        "seconds",
        "approve",
        "verify",
        "minutes",
        "verification",
        "checks",
        "pager",
        "alarm",
        "atStart",
        "insufficientData",
        "metric",
        "errorRate",
        "cloudWatch",
        "ratio",
        "atMost",
        "breaches",
        "compare",
        "worseBy",
        "period",
        "watch",
        "onInconclusive",
        "verifyAfterPercents",
        "verifyAfterPhases",
        "timeouts",
        "rollback",
        "approval",
        "phaseByPhase",
        "notifications",
        "topicArn",
        "variables",
        "fromParameter",
        "fromCloudFormation",
        "fromTerraform",
        "fromCloudformation",
        "output",
        "minimumHealthyPercent",
        "keepRevisions",
        "timeoutMinutes",
        "message",
        "onTimeout",
        "resizeOrder",
    ];
    let odd = ["", " ", ".", "a.b", "[0]", "\u{1b}[31m", "\u{202e}", "~", "a/b", "\"", "\n", "ключ", "${x}"];
    prop_oneof![
        6 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn single() -> impl Strategy<Value = Value> {
    let numbers =
        [0, 1, 4, 50, 99, 100, 101, 5000, 43_200, i64::from(u32::MAX), i64::from(u32::MAX) + 1, i64::MAX, -1, i64::MIN];
    let texts = [
        "",
        "approve",
        "reject",
        "sameAsRunning",
        "none",
        "newFirst",
        "oldFirst",
        "ami-0a11ce00000000007",
        "shop",
        "${x}",
        "${",
        "$${",
        "${first}",
        "\u{1b}]0;title\u{7}",
        "10",
        "true",
    ];
    prop_oneof![
        proptest::sample::select(numbers.to_vec()).prop_map(Value::from),
        proptest::sample::select(texts.to_vec()).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!(1.5)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        any::<String>().prop_map(Value::from),
        (200usize..5000).prop_map(|length| Value::from("x".repeat(length))),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    single().prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name(), inner.clone()), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            (inner, 50usize..400).prop_map(|(each, count)| Value::from(vec![each; count])),
        ]
    })
}

/// One change somewhere in a document: where is told by numbers that choose a way down.
fn change(document: &mut Value, way: &[usize], name: String, value: Value) {
    let mut at = document;
    for step in way {
        let inside = match at {
            Value::Object(fields) if !fields.is_empty() => step % fields.len(),
            Value::Array(items) if !items.is_empty() => step % items.len(),
            _ => break,
        };
        at = match at {
            Value::Object(fields) => fields.values_mut().nth(inside).expect("it is one of them"),
            Value::Array(items) => &mut items[inside],
            _ => unreachable!("it has something inside"),
        };
    }
    match at {
        // A field more, if the way ends in an object and says so.
        Value::Object(fields) if way.last().is_some_and(|step| step % 2 == 0) => {
            fields.insert(name, value);
        }
        Value::Array(items) if way.last().is_some_and(|step| step % 2 == 0) => items.push(value),
        other => *other = value,
    }
}

/// What may be said of a document.
fn check(document: &Value, problems: &[Problem]) -> Result<(), TestCaseError> {
    prop_assert!(!problems.is_empty() && problems.len() <= MOST + 1, "{} problems", problems.len());
    for problem in problems {
        let text = problem.to_string();
        prop_assert!(printable(&text) == text, "it acts on a terminal: {:?}", text);
        prop_assert!(text.len() < 8_000, "{} bytes: {:.300}", text.len(), text);
        prop_assert!(!text.contains('\n'), "more than a line: {}", text);
        let whole = !document.is_object() || problem.problem.contains("bytes") || problem.fix == "Mend these first.";
        prop_assert!(whole || !problem.path.is_empty(), "it names no place: {}", text);
    }
    Ok(())
}

fn read(document: &Value) -> Result<(), TestCaseError> {
    if let Err(problems) = parse(document) {
        check(document, &problems)?;
    }
    match Draft::read(document) {
        Err(problems) => check(document, &problems)?,
        Ok(draft) if draft.fields().is_empty() => {
            let (whole, _) = draft.resolve(&Answers::new()).expect("nothing is unknown");
            prop_assert_eq!(parse(&json!(whole)), Ok(whole), "what was read is read the same again");
        }
        Ok(draft) => {
            let said = draft.resolve(&Answers::new()).expect_err("nothing was fetched").message;
            prop_assert!(printable(&said) == said, "it acts on a terminal: {:?}", said);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn documents_with_something_else_in_some_places_are_read_or_refused(
        example in 0usize..EXAMPLES.len(),
        changes in proptest::collection::vec((proptest::collection::vec(0usize..40, 0..6), name(), value()), 1..4),
    ) {
        let mut document = examples().swap_remove(example);
        for (way, name, value) in changes {
            change(&mut document, &way, name, value);
        }
        read(&document)?;
    }

    #[test]
    fn any_value_is_read_or_refused(document in value()) {
        read(&document)?;
    }

    #[test]
    fn any_text_is_read_or_refused(
        example in 0usize..EXAMPLES.len(),
        cuts in proptest::collection::vec((0usize..2000, 0usize..8, "\\PC{0,6}|[\\[\\]{}:,&*!|>'\"?\\-\n\t #]{0,6}"), 0..5),
        as_json in any::<bool>(),
    ) {
        let mut text = EXAMPLES[example].to_owned();
        if as_json {
            text = examples().swap_remove(example).to_string();
        }
        for (at, length, instead) in cuts {
            let letters: Vec<char> = text.chars().collect();
            let at = at.min(letters.len());
            let end = (at + length).min(letters.len());
            text = letters[..at].iter().chain(instead.chars().collect::<Vec<_>>().iter()).chain(&letters[end..]).collect();
        }
        match read_text(&text) {
            Ok(document) => read(&document)?,
            Err(problems) => {
                prop_assert_eq!(problems.len(), 1);
                let said = problems[0].to_string();
                prop_assert!(printable(&said) == said, "it acts on a terminal: {:?}", said);
            }
        }
    }
}

#[test]
fn thousands_of_problems_are_told_as_a_few() {
    let mut document = examples().swap_remove(2);
    for i in 0..20_000 {
        document[format!("no{i}")] = json!(1);
    }
    let problems = parse(&document).expect_err("none of them is a field");
    assert_eq!(problems.len(), MOST + 1);
    assert_eq!(problems[MOST].to_string(), "the document: it has more problems than these 50. Mend these first.");
    assert!(crate::Failure::from(problems).message.len() < 40_000);
    let uses: Vec<String> = (0..20_000).map(|i| format!("${{v{i}}}")).collect();
    document = examples().swap_remove(2);
    document["artifact"] = json!(uses);
    assert_eq!(Draft::read(&document).expect_err("there are no variables").len(), MOST + 1);
    let fields: Vec<Value> = (0..4_000).map(|_| json!({"fromNothing": 1, "fromParameters": 2})).collect();
    document["artifact"] = json!(fields);
    assert_eq!(Draft::read(&document).expect_err("they refer to nothing").len(), MOST + 1);
}

#[test]
fn numbers_of_any_size_are_added_up() {
    let most = json!({"percent": u32::MAX});
    for strategy in [
        json!({"stages": [{"upscale": most}, {"downsize": most}, {"downsize": {"percent": 1}}]}),
        json!({"canary": {"phases": [most, {"count": u32::MAX}]}}),
        json!({"stages": [{"upscale": {"count": u32::MAX}}, {"shift": most}, {"swap": {}}, {"downsize": most}]}),
    ] {
        for routing in [json!("none"), json!({"weighted": ["x"]})] {
            let mut document = examples().swap_remove(2);
            document["strategy"] = strategy.clone();
            document["routing"] = routing;
            document["compute"]["autoScalingGroup"]["capacity"] =
                json!({"fixed": {"min": 0, "desired": u32::MAX, "max": u32::MAX}});
            document["compute"]["autoScalingGroup"]["minimumHealthyPercent"] = json!(u32::MAX);
            assert!(parse(&document).is_err(), "{strategy}");
        }
    }
}

#[test]
fn variables_multiply_no_document() {
    let mut document = examples().swap_remove(2);
    document["variables"] = json!({"long": "x".repeat(100_000), "many": vec!["y"; 10_000]});
    document["strategy"] = json!({"stages": vec![json!({"approve": {"message": "${long}${long}"}}); 2_000]});
    document["rollback"] = json!(vec!["${many}"; 3_000]);
    let problems = Draft::read(&document).expect_err("it is too long");
    assert!(
        problems.iter().any(|problem| problem.problem.contains("becomes longer than 261120 bytes")),
        "{problems:?}"
    );
    assert!(problems.len() <= MOST + 1);
}

#[test]
fn every_problem_names_its_place() {
    for (field, value, path) in [
        ("", json!(1), "[\"\"]"),
        ("\u{1b}[2J", json!({}), "[\"\\u001b[2J\"]"),
        ("fromParameter", json!("/x"), "fromParameter"),
        ("compute", json!({"fromParameter": "/x"}), "compute"),
        ("a.b", json!(null), "[\"a.b\"]"),
    ] {
        let mut document = examples().swap_remove(2);
        document[field] = value;
        let problems = Draft::read(&document).expect_err("it is wrong");
        assert!(problems.iter().any(|problem| problem.path == path), "{field:?}: {problems:?}");
        assert!(problems.iter().all(|problem| !problem.path.is_empty()), "{field:?}: {problems:?}");
    }
}
