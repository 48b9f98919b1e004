use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::expression::{Part, parts};
use super::*;
use crate::Kind;
use crate::document::{json_schema, parse, schema};

fn good() -> Value {
    json!({
        "service": "shop",
        "environment": "production",
        "artifact": {"ami": "ami-0a11ce00000000007"},
        "compute": {"autoScalingGroup": {"base": "shop-base", "name": "shop"}},
        "routing": routing(json!(RULE)),
        "strategy": {"blueGreenShift": {"percents": [10, 50, 100], "approveAfterPercents": [10]}}
    })
}

const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = good();
    change(&mut document);
    document
}

fn stack(output: &str) -> Value {
    json!({"fromCloudFormation": {"stack": "shop-base", "output": output}})
}

fn terraform(output: &str) -> Value {
    json!({"fromTerraform": {"output": output, "object": "s3://state/shop/production.tfstate"}})
}

/// What is said about a document that has to be refused.
#[track_caller]
fn refused(document: &Value) -> String {
    let problems = Draft::read(document).expect_err("it should be refused");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in:\n{text}");
    }
}

/// Everything that these tests refer to.
fn answers() -> Answers {
    let outputs = [("RuleArn", RULE), ("Base", "shop-base-2"), ("Count", "4"), ("Percents", "20, 100"), ("Odd", "4.0")];
    let outputs = outputs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let state = json!({
        "version": 4, "terraform_version": "1.9.0",
        "outputs": {
            "desired": {"value": 4, "type": "number"},
            "percents": {"value": [25, "100"], "type": ["tuple", ["number", "string"]]},
            "password": {"value": "hunter2", "type": "string", "sensitive": true},
            "settings": {"value": {"a": 1}, "type": ["object", {}]},
            "nothing": {"value": null, "type": "string"},
        },
        "resources": [],
    });
    Answers::from([
        (Source::Stack("shop-base".into()), Ok(Found::Outputs(outputs.into()))),
        (Source::Parameter("/shop/ami".into()), Ok(Found::text("ami-0a11ce00000000009"))),
        (
            Source::Object { bucket: "state".into(), key: "shop/production.tfstate".into() },
            Ok(Found::text(state.to_string())),
        ),
        (Source::Stack("gone".into()), Err(Missing::new("the stack does not exist", "Create it."))),
    ])
}

#[test]
fn a_document_without_any_is_what_it_was() {
    let draft = Draft::read(&good()).unwrap();
    assert!(draft.fields().is_empty() && draft.variables().is_empty());
    assert_eq!(draft.resolve(&Answers::new()).unwrap(), (parse(&good()).unwrap(), vec![]));
}

#[test]
fn expressions_have_one_syntax() {
    let text = |text: &str| Part::Text(text.into());
    let variable = |name: &str| Part::Variable(name.into());
    assert_eq!(parts("${a}").unwrap(), [variable("a")]);
    assert_eq!(parts("x-${a_1}${B}.$y$").unwrap(), [text("x-"), variable("a_1"), variable("B"), text(".$y$")]);
    assert_eq!(parts("$${a} ${a} $$${b}").unwrap(), [text("${a} "), variable("a"), text(" $${b}")]);
    assert_eq!(parts("").unwrap(), [text("")]);
    for (wrong, says) in [
        ("${a", "not closed"),
        ("a ${b} ${", "not closed"),
        ("${}", "no expression"),
        ("${ a }", "no expression"),
        ("${a.b}", "no expression"),
        ("${1a}", "no expression"),
        ("${a${b}}", "`${a${b}` is no expression"),
    ] {
        assert!(parts(wrong).unwrap_err().0.contains(says), "{wrong}");
    }
}

#[test]
fn variables_are_filled_in_with_their_types() {
    let document = with(|d| {
        d["variables"] = json!({"ami": "ami-0a11ce00000000009", "count": 4, "most": "8", "old": "true", "env": "eu", "to": [5, 100], "n": 7});
        d["environment"] = json!("${env}");
        d["artifact"]["ami"] = json!("${ami}");
        d["compute"]["autoScalingGroup"]["name"] = json!("shop-${env}-${n}");
        d["compute"]["autoScalingGroup"]["capacity"] =
            json!({"fixed": {"min": "${count}", "desired": "${count}", "max": "${most}"}});
        d["strategy"]["blueGreenShift"] = json!({
            "percents": "${to}", "downsizeOld": "${old}", "approveAfterPercents": ["${count}${n}", "${n}"],
            "approval": {"message": "$${literally} ${count} of ${to}? $5"},
        });
    });
    says(&refused(&document), &["strategy.blueGreenShift.approval.message", "the variable `to` is a list"]);
    let document = {
        let mut document = document;
        document["strategy"]["blueGreenShift"]["approveAfterPercents"] = json!([]);
        document["strategy"]["blueGreenShift"]["approval"]["message"] = json!("$${literally} ${count}? $5");
        document
    };
    let draft = Draft::read(&document).unwrap();
    says(&draft.variables().join("\n"), &["Variable ami = ami-0a11ce00000000009", "Variable count = 4"]);
    let (filled, notes) = draft.resolve(&Answers::new()).unwrap();
    let spelt_out = with(|d| {
        d["environment"] = json!("eu");
        d["artifact"]["ami"] = json!("ami-0a11ce00000000009");
        d["compute"]["autoScalingGroup"]["name"] = json!("shop-eu-7");
        d["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": {"min": 4, "desired": 4, "max": 8}});
        d["strategy"]["blueGreenShift"] = json!({
            "percents": [5, 100], "downsizeOld": true, "approveAfterPercents": [],
            "approval": {"message": "${literally} 4? $5"},
        });
    });
    assert_eq!(filled, parse(&spelt_out).unwrap());
    assert_eq!(notes.len(), 7, "{notes:?}");
}

#[test]
fn a_text_is_a_number_only_when_it_is_exactly_one() {
    for (count, fits) in
        [("4", true), ("-4", false), ("04", false), ("4.0", false), (" 4", false), ("+4", false), ("four", false)]
    {
        let document = with(|d| {
            d["variables"] = json!({ "count": count });
            d["timeouts"] = json!({"steadyStateMinutes": "${count}"});
        });
        assert_eq!(Draft::read(&document).is_ok(), fits, "{count:?}");
    }
    // What is written out has to be right as it stands.
    says(
        &refused(&with(|d| d["timeouts"] = json!({"steadyStateMinutes": "4"}))),
        &["it is text, expected a whole number"],
    );
}

#[test]
fn every_mistake_with_variables_is_told_at_once() {
    let text = refused(&with(|d| {
        d["variables"] =
            json!({"ami": null, "bad name": 1, "nested": "${ami}", "ref": {"fromParameter": "/a"}, "env": "eu"});
        d["environment"] = json!("${evn}");
        d["artifact"]["ami"] = json!("${ami}");
        d["compute"]["autoScalingGroup"]["base"] = json!("${nested}-${ref}");
        d["compute"]["autoScalingGroup"]["name"] = json!("${env");
        d["timeouts"] = json!({"drainMinutes": 0});
    }));
    says(
        &text,
        &[
            "variables.ami: it has no value. Give it when you start: `--set ami=VALUE`, or `variables.ami` in the",
            "variables[\"bad name\"] = 1: it is no name for a variable",
            "variables.nested = \"${ami}\": variables cannot refer to each other",
            "variables.ref = {\"fromParameter\":\"/a\"}: it is no value",
            "environment = \"${evn}\": there is no variable `evn`. Declare it under `variables`; did you mean `env`?",
            "compute.autoScalingGroup.name = \"${env\": an expression is not closed",
            "timeouts.drainMinutes = 0: it is out of range",
        ],
    );
    assert_eq!(text.lines().count(), 7, "each once, and nothing about what follows from them:\n{text}");
    says(&refused(&with(|d| d["variables"] = json!(["a"]))), &["variables = [\"a\"]: it is no list of names"]);
}

#[test]
fn whoever_starts_gives_values() {
    let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let mut document = with(|d| {
        d["variables"] = json!({"ami": null, "count": 2, "spare": 1});
        d["artifact"]["ami"] = json!("${ami}");
        d["compute"]["autoScalingGroup"]["keepRevisions"] = json!("${count}");
    });
    set(&mut document, &given(&[("ami", "ami-0a11ce00000000009"), ("count", "5")])).unwrap();
    let (filled, notes) = Draft::read(&document).unwrap().resolve(&Answers::new()).unwrap();
    assert_eq!(filled.compute.series().keep_revisions, 5);
    assert!(notes.contains(&"Variable count = 5".to_owned()), "{notes:?}");

    let problems =
        set(&mut document, &given(&[("amy", "x"), ("spare", "2"), ("count", "1"), ("count", "2")])).unwrap_err();
    let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    says(
        &text,
        &[
            "variables.amy = \"x\": the document has no such variable. Declare it under `variables`, or leave it out; did you mean `ami`?",
            "variables.spare = \"2\": the variable is used nowhere",
            "variables.count = \"2\": it is given twice",
        ],
    );
    assert_eq!(problems.len(), 3);
    assert_eq!(set(&mut json!("no document"), &given(&[("a", "1")])).unwrap_err().len(), 1);
}

#[test]
fn references_are_filled_in_and_told() {
    let document = with(|d| {
        d["variables"] = json!({"service": "shop", "key": "Base"});
        d["artifact"]["ami"] = json!({"fromParameter": "/${service}/ami"});
        d["compute"]["autoScalingGroup"]["base"] =
            json!({"fromCloudFormation": {"stack": "${service}-base", "output": "${key}"}});
        d["compute"]["autoScalingGroup"]["capacity"] =
            json!({"fixed": {"min": 1, "desired": terraform("desired"), "max": stack("Count")}});
        d["routing"] = routing(stack("RuleArn"));
        d["strategy"]["blueGreenShift"] = json!({"percents": terraform("percents")});
    });
    let draft = Draft::read(&document).unwrap();
    assert_eq!(draft.fields().len(), 6);
    assert_eq!(draft.sources().len(), 3, "each source is fetched once");
    assert_eq!(draft.shown("/artifact/ami"), "(parameter /shop/ami)");
    assert_eq!(draft.shown("/environment"), "production");
    let (filled, notes) = draft.resolve(&answers()).unwrap();
    let spelt_out = with(|d| {
        d["artifact"]["ami"] = json!("ami-0a11ce00000000009");
        d["compute"]["autoScalingGroup"]["base"] = json!("shop-base-2");
        d["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": {"min": 1, "desired": 4, "max": 4}});
        d["strategy"]["blueGreenShift"] = json!({"percents": [25, 100]});
    });
    assert_eq!(filled, parse(&spelt_out).unwrap());
    let notes = notes.join("\n");
    says(
        &notes,
        &[
            "Variable key = Base",
            "artifact.ami = ami-0a11ce00000000009, from parameter /shop/ami",
            "compute.autoScalingGroup.base = shop-base-2, from CloudFormation output Base of shop-base",
            "compute.autoScalingGroup.capacity.fixed.desired = 4, from Terraform output desired in s3://state/shop/production.tfstate",
            "strategy.blueGreenShift.percents = [25,100], from Terraform output percents",
            &format!("= {RULE}, from CloudFormation output RuleArn of shop-base"),
        ],
    );
}

#[test]
fn texts_become_lists_and_numbers_where_those_are_wanted() {
    let document = with(|d| d["strategy"]["blueGreenShift"] = json!({"percents": stack("Percents")}));
    let (filled, _) = Draft::read(&document).unwrap().resolve(&answers()).unwrap();
    let spelt_out = with(|d| d["strategy"]["blueGreenShift"] = json!({"percents": [20, 100]}));
    assert_eq!(filled, parse(&spelt_out).unwrap());

    let document = with(|d| {
        d["variables"] = json!({"number": 7});
        d["compute"]["autoScalingGroup"]["name"] = json!("${number}");
    });
    let (filled, _) = Draft::read(&document).unwrap().resolve(&Answers::new()).unwrap();
    assert_eq!(filled.compute.series().name, "7", "and numbers become texts");

    let document = with(|d| d["timeouts"] = json!({"drainMinutes": stack("Odd")}));
    let failure = Draft::read(&document).unwrap().resolve(&answers()).unwrap_err();
    assert_eq!(failure.kind, Kind::InvalidDocument);
    says(
        &failure.message,
        &[
            "timeouts.drainMinutes = \"4.0\": it is text, expected a whole number",
            "It comes from CloudFormation output Odd of shop-base.",
        ],
    );
}

#[test]
fn what_is_fetched_is_no_expression() {
    let mut answers = answers();
    answers.insert(Source::Parameter("/m".into()), Ok(Found::text("${service}")));
    let document = with(|d| {
        d["variables"] = json!({"service": "x"});
        d["service"] = json!("${service}");
        d["strategy"]["blueGreenShift"] = json!({"approval": {"message": {"fromParameter": "/m"}}});
    });
    let (filled, _) = Draft::read(&document).unwrap().resolve(&answers).unwrap();
    let message = serde_json::to_value(&filled).unwrap()["strategy"]["blueGreenShift"]["approval"]["message"].clone();
    assert_eq!(message, "${service}");
}

#[test]
fn all_that_cannot_be_had_is_told_at_once_with_field_source_and_fix() {
    let document = with(|d| {
        d["artifact"]["ami"] = stack("Count");
        d["compute"]["autoScalingGroup"]["base"] = stack("Bass");
        d["compute"]["autoScalingGroup"]["name"] = json!({"fromCloudFormation": {"stack": "gone", "output": "Name"}});
        d["timeouts"] = json!({
            "steadyStateMinutes": terraform("password"),
            "drainMinutes": terraform("settings"),
        });
        d["strategy"]["blueGreenShift"] =
            json!({"percents": terraform("nothing"), "pauseSeconds": terraform("desird")});
    });
    let failure = Draft::read(&document).unwrap().resolve(&answers()).unwrap_err();
    assert_eq!(failure.kind, Kind::PreflightFailed);
    says(
        &failure.message,
        &[
            "nothing was touched",
            "compute.autoScalingGroup.base = CloudFormation output Bass of shop-base: there is no output Bass. Use one of its outputs: Base, Count, Odd, Percents, RuleArn; did you mean `Base`?",
            "compute.autoScalingGroup.name = CloudFormation output Name of gone: the stack does not exist. Create it.",
            "the output password is sensitive",
            "the output settings is an object",
            "the output nothing has no value",
            "there is no output desird",
            "artifact.ami = \"4\": it has the wrong form",
            "It comes from CloudFormation output Count of shop-base.",
        ],
    );
    assert!(!failure.message.contains("hunter2"), "{failure}");
    assert_eq!(failure.message.lines().count(), 8, "{failure}");
}

#[test]
fn references_have_to_be_right_before_anything_is_fetched() {
    let text = refused(&with(|d| {
        d["service"] = json!({"fromParameter": "/shop/service"});
        d["artifact"]["ami"] = json!({"fromParameters": "/shop/ami"});
        d["compute"]["autoScalingGroup"]["base"] = json!({"fromCloudFormation": {"stack": "shop base", "key": "Base"}});
        d["compute"]["autoScalingGroup"]["name"] = json!({"fromTerraform": {"output": "name"}});
        d["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": stack("Size")});
        d["compute"]["autoScalingGroup"]["keepRevisions"] = json!({"fromParameter": "/a", "fromTerraform": {}});
        d["notifications"] =
            json!({"topicArn": {"fromTerraform": {"output": "t", "parameter": "/a", "object": "bucket/key"}}});
        d["timeouts"] = json!({"drainMinutes": {"fromParameter": ""}});
    }));
    says(
        &text,
        &[
            "service = {\"fromParameter\":\"/shop/service\"}: it says what is deployed",
            "artifact.ami.fromParameters = \"/shop/ami\": `fromParameters` is none of the choices here. Use `fromCloudFormation: …` or `fromParameter: …` or `fromObject: …` or `fromImage: …` or `fromListener: …` or `fromTerraform: …`; did you mean `fromParameter`?",
            "compute.autoScalingGroup.base.fromCloudFormation.output: it is missing",
            "compute.autoScalingGroup.base.fromCloudFormation.stack = \"shop base\": it has the wrong form",
            "compute.autoScalingGroup.base.fromCloudFormation.key = \"Base\": there is no such field",
            "compute.autoScalingGroup.name = {\"fromTerraform\":{\"output\":\"name\"}}: it does not say in one way where",
            "compute.autoScalingGroup.capacity.fixed = ",
            "a reference stands for one value, not for an object",
            "compute.autoScalingGroup.keepRevisions: fromParameter and fromTerraform both stand here where one is expected",
            "notifications.topicArn.fromTerraform.object = \"bucket/key\": it has the wrong form",
            "timeouts.drainMinutes.fromParameter = \"\": it has the wrong form",
        ],
    );
}

#[test]
fn what_is_known_is_checked_around_what_is_not() {
    let text = refused(&with(|d| {
        d["compute"]["autoScalingGroup"] =
            json!({"base": stack("Base"), "capacity": {"fixed": {"min": 4, "desired": 2, "max": 8}}});
        d["strategy"]["blueGreenShift"]["percents"] = json!([50, 20]);
        d["routing"] = routing(stack("RuleArn"));
        d["artifact"]["ami"] = json!("latest");
    }));
    says(
        &text,
        &["desired is not between min and max", "percents = [50,20]: each has to be more", "artifact.ami = \"latest\""],
    );
}

#[test]
fn terraform_speaks_in_two_forms() {
    let text = |value: Value| value.to_string();
    let printed = text(
        json!({"a": {"sensitive": false, "type": "string", "value": "x"}, "outputs": {"sensitive": false, "value": "y"}}),
    );
    assert_eq!(terraform::output(&printed, "a").unwrap(), "x");
    assert_eq!(terraform::output(&printed, "outputs").unwrap(), "y");
    let state = text(json!({"outputs": {"value": {"value": 1}, "sensitive": {"value": 2}}}));
    assert_eq!(terraform::output(&state, "value").unwrap(), 1);
    assert_eq!(terraform::output(&state, "sensitive").unwrap(), 2);
    for (held, problem) in
        [("", "no JSON"), ("{\"secret\": x}", "no JSON (line 1"), ("[1]", "no object"), ("{}", "no output a")]
    {
        let missing = terraform::output(held, "a").unwrap_err();
        assert!(missing.problem.contains(problem) && !missing.problem.contains("secret"), "{missing:?}");
    }
    // Whatever it says about being sensitive other than no, is yes.
    let odd = text(json!({"a": {"value": "x", "sensitive": "yes"}}));
    assert!(terraform::output(&odd, "a").unwrap_err().problem.contains("sensitive"));
}

/// A reference is recognised by its field, so no field of a document may be called like one.
#[test]
fn no_field_of_a_document_looks_like_a_reference() {
    fn fields(schema: &Value, names: &mut BTreeSet<String>) {
        match schema {
            Value::Object(members) => {
                if let Some(Value::Object(properties)) = members.get("properties") {
                    names.extend(properties.keys().cloned());
                }
                members.values().for_each(|member| fields(member, names));
            }
            Value::Array(items) => items.iter().for_each(|item| fields(item, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    fields(schema::strict(), &mut names);
    assert!(names.contains("steadyStateMinutes"));
    assert!(names.iter().all(|name| !name.to_lowercase().starts_with("from") && name != "variables"), "{names:?}");
}

#[test]
fn editors_let_every_single_value_come_from_elsewhere() {
    let schema = json_schema();
    let alternatives = |pointer: &str| -> Vec<String> {
        let options = schema.pointer(pointer).and_then(|property| property["anyOf"].as_array());
        let options = options.into_iter().flatten().filter_map(|option| option["$ref"].as_str());
        options.map(|name| name.replace("#/$defs/", "")).collect()
    };
    assert_eq!(alternatives("/$defs/Timeouts/properties/drainMinutes"), ["Expression", "Reference"]);
    assert_eq!(alternatives("/$defs/BlueGreenShift/properties/percents"), ["Expression", "Reference"]);
    assert_eq!(alternatives("/$defs/BlueGreenShift/properties/percents/anyOf/0/items"), ["Expression", "Reference"]);
    assert_eq!(alternatives("/$defs/Approval/properties/onTimeout"), ["Decision", "Expression", "Reference"]);
    assert_eq!(alternatives("/properties/service"), ["Expression"]);
    assert_eq!(alternatives("/$defs/AutoScalingGroup/properties/capacity"), Vec::<String>::new());
    assert_eq!(alternatives("/$defs/StackOutput/properties/stack"), ["Expression"], "a reference refers to no other");
    assert_eq!(alternatives("/$defs/Reference/oneOf/1/properties/fromParameter"), ["Expression"]);
    for known in ["Reference", "Expression", "StackOutput", "TerraformOutput"] {
        assert!(schema["$defs"][known]["description"].is_string(), "{known}");
    }
    assert!(schema["properties"]["variables"].is_object());
    assert!(schema::strict()["properties"]["variables"].is_null(), "the check knows no variables");
    assert!(schema["$defs"]["Reference"]["$schema"].is_null());
}

/// Any JSON text that could stand in a message.
fn texts() -> impl Strategy<Value = String> {
    proptest::string::string_regex("([ -~äß]|\\$|\\{|\\}){0,40}").expect("it is a pattern")
}

proptest! {
    /// A text in which no expression begins is itself.
    #[test]
    fn texts_without_expressions_stay_as_they_are(text in texts().prop_filter("", |text| !text.contains("${"))) {
        let document = with(|d| d["strategy"]["blueGreenShift"]["approval"] = json!({ "message": text }));
        let (filled, notes) = Draft::read(&document).unwrap().resolve(&BTreeMap::new()).unwrap();
        prop_assert_eq!(filled, parse(&document).unwrap());
        prop_assert!(notes.is_empty());
    }

    /// Any text can be written, and any value comes through a variable as it is.
    #[test]
    fn any_text_can_be_said(text in texts()) {
        let escaped = with(|d| d["strategy"]["blueGreenShift"]["approval"] = json!({ "message": text.replace("${", "$${") }));
        let expected = with(|d| d["strategy"]["blueGreenShift"]["approval"] = json!({ "message": text }));
        let (filled, _) = Draft::read(&escaped).unwrap().resolve(&BTreeMap::new()).unwrap();
        prop_assert_eq!(filled, parse(&expected).unwrap());
    }

    /// Nothing that can be written makes the reading panic, and what is refused is refused with a path.
    #[test]
    fn any_text_is_read_or_refused(text in "[$\\{\\}a-c ]{0,12}") {
        let document = with(|d| {
            d["variables"] = json!({"a": 1, "b": "x"});
            d["strategy"]["blueGreenShift"]["approval"] = json!({ "message": text });
        });
        if let Err(problems) = Draft::read(&document) {
            prop_assert!(problems.iter().all(|problem| problem.path.ends_with("message")), "{problems:?}");
        }
    }
}

/// The routing of a document with this rule.
fn routing(rule: Value) -> Value {
    json!({ "weighted": [rule] })
}

#[test]
fn b13_a_list_of_phases_comes_from_a_variable_in_every_form_that_a_list_has() {
    let percent = |percent: u32| json!({ "percent": percent });
    for (value, phases) in [
        (json!("25%, 50 %,100%"), vec![percent(25), percent(50), percent(100)]),
        (json!("1,2,100%"), vec![json!({"count": 1}), json!({"count": 2}), percent(100)]),
        (json!(["25%", 2, "100%"]), vec![percent(25), json!({"count": 2}), percent(100)]),
        (json!(r#"["25%", {"count": 2}, {"percent": 100}]"#), vec![percent(25), json!({"count": 2}), percent(100)]),
        (json!("100%"), vec![percent(100)]),
    ] {
        let document = with(|d| {
            d["variables"] = json!({ "phases": value });
            d["routing"] = json!("none");
            d["strategy"] = json!({ "canary": { "phases": "${phases}" } });
        });
        let (read, _) =
            Draft::read(&document).expect("it is right").resolve(&Answers::new()).expect("nothing is asked");
        assert_eq!(json!(read)["strategy"]["canary"]["phases"], json!(phases), "{value}");
    }
    // Whoever starts has texts only.
    let mut document = with(|d| {
        d["variables"] = json!({ "first": null });
        d["routing"] = json!("none");
        let all = json!({ "percent": 100 });
        d["strategy"] = json!({ "stages": [{"upscale": "${first}"}, {"upscale": all}, {"downsize": all}] });
    });
    set(&mut document, &[("first".into(), "3".into())]).expect("there is such a variable");
    let (read, _) = Draft::read(&document).expect("it is right").resolve(&Answers::new()).expect("nothing is asked");
    assert_eq!(json!(read)["strategy"]["stages"][0], json!({"upscale": {"count": 3}}));
}

#[test]
fn b13_phases_that_are_none_are_refused_one_by_one() {
    let document = with(|d| {
        d["variables"] = json!({ "phases": "25%, half, 10.5%" });
        d["routing"] = json!("none");
        d["strategy"] = json!({ "canary": { "phases": "${phases}" } });
    });
    let said = refused(&document);
    says(&said, &["strategy.canary.phases[1] = \"half\"", "strategy.canary.phases[2] = \"10.5%\"", "`percent: …`"]);
}

#[test]
fn e4_a_listener_is_named_by_load_balancer_and_port() {
    let at = |load_balancer: &str, port: Value| json!({"fromListener": {"loadBalancer": load_balancer, "port": port}});
    let document = with(|d| {
        d["variables"] = json!({ "port": "8443" });
        d["strategy"] = json!({ "blueGreenSwap": {} });
        d["routing"] =
            json!({"listeners": [{"production": at("shop", json!(443)), "test": at("shop", json!("${port}"))}]});
    });
    let draft = Draft::read(&document).expect("it is right");
    let wanted = |port| Source::Listener(ListenerAt { load_balancer: "shop".into(), port });
    assert_eq!(draft.sources(), BTreeSet::from([wanted(443), wanted(8443)]));
    let arn = |id: u32| format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc/{id}");
    let found = |port, id| (wanted(port), Ok(Found::Text { text: arn(id), version: Some("HTTPS".into()) }));
    let (read, notes) = draft.resolve(&Answers::from([found(443, 1), found(8443, 2)])).expect("both are there");
    assert_eq!(json!(read)["routing"]["listeners"][0], json!({"production": arn(1), "test": arn(2)}));
    let note = "from the listener at port 443 of the load balancer shop (HTTPS)";
    assert!(notes.iter().any(|line| line.ends_with(note)), "{notes:?}");
    for (wrong, words) in [
        (at("shop", json!(0)), "port = 0"),
        (at("shop_1", json!(443)), "the name or the ARN of an Application or Network Load Balancer"),
        (json!({"fromListener": {"loadBalancer": "shop"}}), "port: it is missing"),
    ] {
        let said = refused(&with(|d| d["routing"] = json!({"weighted": [wrong]})));
        says(&said, &[words]);
    }
}
