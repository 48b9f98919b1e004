use serde_json::json;

use super::*;

const SHIFT: &str = include_str!("../../../../../examples/blue-green-shift.yaml");

/// What is said of a text that cannot be read: one problem.
#[track_caller]
fn refused(text: &str) -> String {
    match read_text(text) {
        Ok(value) => panic!("it is read: {}", value.to_string().chars().take(200).collect::<String>()),
        Err(problems) => {
            assert_eq!(problems.len(), 1, "{problems:?}");
            problems[0].to_string()
        }
    }
}

#[test]
fn a_key_that_stands_there_twice_is_refused_with_its_path_and_line() {
    let merged = SHIFT.replace("    percents: [10, 50, 100]\n", "    percents: [10, 50, 100]\n    percents: [100]\n");
    assert_ne!(merged, SHIFT, "the example has changed");
    let line = 1 + merged.lines().position(|line| line.contains("percents: [100]")).expect("it stands there");
    let said = refused(&merged);
    assert!(said.starts_with("strategy.blueGreenShift.percents: it stands there twice"), "{said}");
    assert!(said.contains(&format!("(line {line})")), "{said}");
    for (text, path) in [
        ("service: a\nservice: b\n", "service"),
        ("{\"a\": [{\"b\": 1,\n \"b\": 1}]}", "a[0].b"),
        ("{\"a\": 1, \"\\u0061\": 2}", "a"),
        ("{a: 1, 'a': 2}", "a"),
        ("a: 1\n\"a\": 2", "a"),
        ("1: x\n1: y", "1"),
        ("'': 1\n'': 2", "[\"\"]"),
        ("when: {schedule: true, schedule: false}\ndocument: {}", "when.schedule"),
    ] {
        let said = refused(text);
        assert!(said.starts_with(&format!("{path}: it stands there twice")), "{text}: {said}");
        assert!(said.contains("(line "), "{text}: {said}");
    }
    // The same name in another object is another key.
    assert!(read_text("a: {x: 1}\nb: {x: 1}").is_ok());
}

#[test]
fn json_is_read_as_json_and_what_only_looks_like_it_as_yaml() {
    assert_eq!(read_text(r#"{"message": "\ud83d\ude00 \/ \u00e4"}"#), Ok(json!({"message": "😀 / ä"})));
    assert_eq!(read_text("{a: 1, b: [x, \"y\",],}"), Ok(json!({"a": 1, "b": ["x", "y"]})));
    assert_eq!(read_text("[1, 2.5, -3, null, true]"), Ok(json!([1, 2.5, -3, null, true])));
    assert_eq!(read_text("a: 010\nb: '1'\nc: ~\nd: 0x10"), Ok(json!({"a": "010", "b": "1", "c": null, "d": 16})));
    assert_eq!(read_text(""), Ok(Value::Null));
    assert!(refused("{\"a\": \"\\ud800\"}").contains("is no escape of JSON"));
}

#[test]
fn what_yaml_has_and_json_has_not_is_refused_by_name() {
    assert_eq!(
        refused("a:\n  b: !secret x"),
        "a.b: it has a tag of YAML (line 2). Write the value without `!…` before it."
    );
    assert!(refused("a: [1, .inf]").starts_with("a[1]: inf is no number that JSON has"));
    assert!(refused("a: .nan").starts_with("a: NaN is no number"));
    // Such a number is one, if not one that anything here takes.
    assert_eq!(read_text("a: 340282366920938463463374607431768211455").map(|value| value["a"].is_f64()), Ok(true));
}

#[test]
fn documents_end_where_an_executions_input_ends() {
    assert!(refused(&"#".repeat(LONGEST + 1)).contains("it has 261121 bytes"));
    assert!(read_text(&format!("a: {}", "x".repeat(LONGEST - 50))).is_ok());
    // A list of letters is longer in JSON.
    assert!(refused(&format!("[{}]", "a,".repeat(LONGEST / 2 - 2))).contains("longer than it looks"));
    let of_control = format!("a: \"{}\"", "\\x01".repeat(LONGEST / 4 - 10));
    assert!(refused(&of_control).contains("bytes as JSON"), "escapes are longer in JSON");
}

#[test]
fn aliases_multiply_no_document() {
    let list = |of: &str| format!("[{}]", [of; 9].join(", "));
    let mut laughs = format!("a0: &a0 {}\n", list("lol"));
    for i in 1..12 {
        laughs.push_str(&format!("a{i}: &a{i} {}\n", list(&format!("*a{}", i - 1))));
    }
    assert!(refused(&laughs).contains("longer than it looks"));
    // One long text, and a long list of it: quadratic.
    let quadratic = format!("a: &a {}\nb: [{}]", "x".repeat(100_000), vec!["*a"; 40_000].join(","));
    assert!(refused(&quadratic).contains("longer than it looks"));
    let empty = format!("a: &a []\nb: &b [{}]\nc: [{}]", vec!["*a"; 20_000].join(","), vec!["*b"; 20_000].join(","));
    assert!(refused(&empty).contains("longer than it looks"));
    assert!(refused("a: &a [*a]").contains("deeper than 32 levels"), "one that contains itself");
    assert_eq!(read_text("a: &a {x: 1}\nb: *a"), Ok(json!({"a": {"x": 1}, "b": {"x": 1}})));
}

#[test]
fn deep_documents_are_refused_by_the_place_where_they_get_too_deep() {
    let nested = |depth: usize| format!("{}1{}", "{\"a\": ".repeat(depth), "}".repeat(depth));
    assert!(read_text(&nested(DEEPEST)).is_ok());
    for depth in [DEEPEST + 1, 127, 129, 500] {
        let said = refused(&nested(depth));
        assert!(said.starts_with("a.a.a") && said.contains("deeper than 32 levels"), "{depth}: {said}");
    }
    for bracket in ["[", "{\"a\":", "- ", "? ", "{", "[{", "!a [", "&a ["] {
        refused(&bracket.repeat((LONGEST - 10) / bracket.len()));
    }
    assert!(refused(&"{".repeat(5000)).contains("1000 brackets"), "the reader of YAML takes quadratic time");
    assert!(read_text(&format!("a: '{}'", "[]".repeat(5000))).is_ok());
    // The same when something else has read them.
    let value = serde_json::from_str(&nested(100)).expect("it is JSON");
    assert!(within_limits(&value).expect_err("it is deep").to_string().contains("deeper than 32 levels"));
}

#[test]
fn names_of_any_length_and_kind_are_shown_short_and_harmless() {
    let long = format!("{}: 1", "x".repeat(300));
    assert!(refused(&long).contains("more than 256 bytes"));
    let value = json!({ "x".repeat(300): 1 });
    let said = within_limits(&value).expect_err("it is long").to_string();
    assert!(said.starts_with("[\"xxx") && said.len() < 250, "{said}");
    assert_eq!(refused("\"\\e[2J\\x9b\": 1\n\"\\e[2J\\x9b\": 2"), {
        "[\"\\u001b[2J\\u009b\"]: it stands there twice (line 2). Keep one of the two: nobody can say which is meant."
    });
}
