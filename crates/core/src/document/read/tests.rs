use serde_json::json;

use super::*;
use crate::capacity::{Amount, Size};
use crate::document::{Capacity, StageSpec};

fn good() -> Value {
    json!({
        "service": "shop",
        "environment": "production",
        "artifact": {"ami": "ami-0a11ce00000000007"},
        "compute": {"autoScalingGroup": {"base": "shop-base"}},
        "routing": {"weighted": ["arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"]},
        "strategy": {"blueGreenShift": {"percents": [10, 50, 100], "approveAfterPercents": [10]}}
    })
}

fn problems(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut document = good();
    change(&mut document);
    parse(&document).expect_err("it should be refused").iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_filled_in_and_parsing_the_result_again_changes_nothing() {
    let document = parse(&good()).unwrap();
    let group = document.compute.series();
    assert_eq!((group.name, group.keep_revisions), ("shop__production", 3));
    assert_eq!(document.timeouts.steady_state_minutes, 20);
    let again = parse(&serde_json::to_value(&document).unwrap()).unwrap();
    assert_eq!(again, document);
}

#[test]
fn a_series_of_services_needs_a_name_where_the_usual_one_has_a_dot() {
    let of_services = |document: &mut Value, name: Option<&str>| {
        document["service"] = json!("shop.v2");
        document["artifact"] = json!({"image": "shop:7"});
        document["compute"] = json!({"ecsService": {"cluster": "shop", "base": "shop-base"}});
        if let Some(name) = name {
            document["compute"]["ecsService"]["name"] = json!(name);
        }
    };
    assert_eq!(
        problems(|d| of_services(d, None)),
        [
            "compute.ecsService.name: it would be shop.v2__production, and no service of ECS has a dot in its name. Give it a name."
        ]
    );
    let mut named = good();
    of_services(&mut named, Some("shop-v2"));
    assert!(parse(&named).is_ok());
    // Groups may be called so.
    let mut group = good();
    group["service"] = json!("shop.v2");
    assert_eq!(parse(&group).unwrap().compute.series().name, "shop.v2__production");
}

#[test]
fn yaml_and_json_are_the_same_document() {
    let yaml = serde_norway::to_string(&good()).unwrap();
    assert_eq!(parse_text(&yaml).unwrap(), parse_text(&good().to_string()).unwrap());
}

#[test]
fn the_preset_is_the_stages_it_stands_for() {
    let stages = parse(&good()).unwrap().stages();
    let kinds: Vec<&str> = stages
        .iter()
        .map(|stage| match stage {
            StageSpec::Upscale(_) => "upscale",
            StageSpec::Shift(_) => "shift",
            StageSpec::Approve(_) => "approve",
            StageSpec::Pause(_) => "pause",
            StageSpec::Downsize(_) => "downsize",
            StageSpec::Swap(_) => "swap",
            StageSpec::Verify(_) => "verify",
            StageSpec::Hook(_) => "hook",
        })
        .collect();
    assert_eq!(kinds, ["upscale", "shift", "approve", "shift", "shift", "downsize"]);
}

#[test]
fn every_problem_is_reported_at_once_with_path_value_and_fix() {
    let problems = problems(|d| {
        d["service"] = json!("my shop");
        d.as_object_mut().unwrap().remove("environment");
        d["artifact"]["ami"] = json!(42);
        d["compute"]["autoScalingGroup"]["capcity"] = json!("sameAsRunning");
        d["routing"] = json!({"weighted": ["arn:aws:s3:::bucket"]});
        d["timeouts"] = json!({"steadyStateMinutes": 0});
    });
    insta::assert_snapshot!(problems.join("\n"));
}

#[test]
fn unknown_choices_name_the_known_ones() {
    let p = problems(|d| d["strategy"] = json!("canary"));
    assert!(p[0].contains("`basic: …` or `canary: …` or `blueGreenShift: …`"), "{p:?}");
    let p = problems(|d| d["strategy"] = json!({"blueGrenShift": {}}));
    assert!(p[0].contains("did you mean `blueGreenShift`?"), "{p:?}");
    let p = problems(|d| d["compute"]["autoScalingGroup"]["capacity"] = json!("same"));
    assert!(p[0].contains("`sameAsRunning` or `fixed: …`"), "{p:?}");
    let p = problems(|d| d["strategy"] = json!({"stages": [{"shift": {"percent": 10}, "pause": {"seconds": 1}}]}));
    assert!(p[0].contains("both stand here where one is expected"), "{p:?}");
    let p = problems(|d| d["env"] = json!("x"));
    assert!(p[0].contains("did you mean `environment`?"), "{p:?}");
}

#[test]
fn stages_have_to_make_sense_in_their_order() {
    let stages = |stages: Value| problems(|d| d["strategy"] = json!({ "stages": stages })).join("\n");
    let shift = |percent: u32| json!({"shift": {"percent": percent}});
    let up = |percent: u32| json!({"upscale": {"percent": percent}});
    assert!(stages(json!([shift(100)])).contains("100 % of the traffic to 0 % of the capacity"));
    assert!(stages(json!([up(100), shift(50), shift(20), shift(100)])).contains("20 % after 50 %"));
    assert!(stages(json!([up(100), shift(50)])).contains("ends with 50 % of the traffic"));
    assert!(stages(json!([up(50), shift(50), up(100), up(20), shift(100)])).contains("shrinks the candidate"));
    assert!(
        stages(json!([up(100), shift(50), {"downsize": {"percent": 100}}, shift(100)]))
            .contains("downsized while it has 50 %")
    );
    assert!(stages(json!([])).contains("0 entries"));
    assert!(stages(json!([up(100), {"verify": {"minutes": 5}}, shift(100)])).contains("there is nothing to look at"));
    assert!(
        stages(json!([up(100), {"swap": {}}, {"downsize": {"percent": 50}}])).contains("leaves a part of an old fleet")
    );
}

const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/";
const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-a/50dc6c495c0c918";

fn with(routing: Value, strategy: Value) -> String {
    let change = |d: &mut Value| {
        d["routing"] = routing;
        d["strategy"] = strategy;
    };
    let mut document = good();
    change(&mut document);
    parse(&document)
        .err()
        .map_or_else(String::new, |problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn strategies_and_routers_have_to_fit_together() {
    let one = json!({"targetGroups": {"production": [format!("{GROUP}1")]}});
    let pair = json!({"targetGroups": {"production": [format!("{GROUP}1")], "test": [format!("{GROUP}2")]}});
    let listeners = json!({"listeners": [{"production": format!("{LISTENER}a1"), "test": format!("{LISTENER}a2")}]});
    let weighted = json!({"weighted": [format!("{LISTENER}a1")]});
    for (routing, strategy) in [
        (&one, "basic"),
        (&one, "canary"),
        (&json!("none"), "basic"),
        (&json!("none"), "canary"),
        (&weighted, "blueGreenShift"),
        (&weighted, "blueGreenSwap"),
        (&listeners, "blueGreenSwap"),
        (&pair, "blueGreenSwap"),
    ] {
        assert_eq!(with(routing.clone(), json!({ strategy: {} })), "", "{strategy} with {routing}");
    }
    for (routing, strategy, says) in [
        (&one, "blueGreenShift", "only weights can shift a part of the traffic"),
        (&one, "blueGreenSwap", "0 target groups for the 1 of production"),
        (&pair, "basic", "nothing would ever come up there"),
        (&listeners, "blueGreenShift", "only weights can shift"),
        (&weighted, "basic", "downsized while it has 100 % of the traffic"),
        (&json!("none"), "blueGreenSwap", "there is nothing to swap"),
    ] {
        let problems = with(routing.clone(), json!({ strategy: {} }));
        assert!(problems.contains(says), "{strategy} with {routing}: {problems}");
    }
    let twice = json!({"weighted": [format!("{LISTENER}a1"), format!("{LISTENER}a1")]});
    assert!(with(twice, json!({"blueGreenShift": {}})).contains("routing.weighted[1]"));
}

#[test]
fn in_production_together_capacity_falls_no_further_than_the_document_allows() {
    let one = json!({"targetGroups": {"production": [format!("{GROUP}1")]}});
    let of = |settings: Value| with(one.clone(), json!({ "canary": settings }));
    assert!(of(json!({"resizeOrder": "oldFirst"})).contains("75 % of the capacity"));
    assert_eq!(of(json!({"phases": [{"percent": 10}, {"percent": 100}]})), "");
    assert!(of(json!({"phases": [{"percent": 60}, {"percent": 20}]})).contains("shrinks the candidate"));
    assert!(of(json!({"approveAfterPhases": [4]})).contains("phase 4 of 3"));
    let stages = |stages: Value| with(one.clone(), json!({ "stages": stages }));
    let (up, down) = (json!({"upscale": {"percent": 100}}), json!({"downsize": {"percent": 50}}));
    assert!(stages(json!([up, down])).contains("50 % of the old fleet still serve at the end"));
}

#[test]
fn inspecting_and_taking_back_phase_by_phase_exclude_each_other() {
    let p = problems(|d| d["rollback"] = json!({"phaseByPhase": true, "approval": {}}));
    assert!(p[0].starts_with("rollback.approval"), "{p:?}");
}

#[test]
fn contradictions_are_reported_together_with_wrong_fields() {
    let problems = problems(|d| {
        d["service"] = json!("my shop");
        d["strategy"]["blueGreenShift"]["percents"] = json!([50, 20]);
    });
    assert!(problems.iter().any(|p| p.starts_with("service = ")), "{problems:?}");
    assert!(problems.iter().any(|p| p.contains("percents = [50,20]: each has to be more")), "{problems:?}");
}

#[test]
fn a_capacity_that_contradicts_itself_is_refused() {
    let capacity = |fixed: Value| {
        problems(|d| d["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": fixed })).join("\n")
    };
    assert!(capacity(json!({"min": 4, "desired": 2, "max": 8})).contains("not between min and max"));
    assert!(capacity(json!({"min": 0, "desired": 0, "max": 8})).contains("without members"));
    assert!(capacity(json!({"min": -1, "desired": 2, "max": 8})).contains("from 0 to 5000"));
    assert!(capacity(json!({"min": 1.5, "desired": 2, "max": 8})).contains("expected a whole number"));
    assert!(capacity(json!({"desired": 2})).contains("fixed.max: it is missing"));
}

#[test]
fn nothing_at_all_is_one_clear_error_each() {
    for value in [json!(null), json!([]), json!("x")] {
        assert_eq!(parse(&value).unwrap_err().len(), 1);
    }
    assert_eq!(parse(&json!({})).unwrap_err().len(), 6, "one for each of the six fields that are needed");
}

proptest::proptest! {
    /// The walk over the schema accepts only what the type can be read from: no structural error comes from serde.
    #[test]
    fn the_schema_and_the_type_agree(path in 0usize..6, junk in 0usize..8) {
        let junk = [json!(null), json!(true), json!(0), json!(-3), json!(1.5), json!("x"), json!([1]), json!({"x": 1})][junk].clone();
        let mut document = good();
        match path {
            0 => document["service"] = junk,
            1 => document["compute"]["autoScalingGroup"]["keepRevisions"] = junk,
            2 => document["strategy"]["blueGreenShift"]["percents"] = junk,
            3 => document["timeouts"] = junk,
            4 => document["rollback"] = json!({"approval": junk}),
            _ => document["notifications"] = json!({"topicArn": junk}),
        }
        if let Err(problems) = parse(&document) {
            proptest::prop_assert!(problems.iter().all(|p| !p.path.is_empty()), "{problems:?}");
        }
    }
}

#[test]
fn in_an_emergency_what_steps_ask_for_by_number_is_what_the_candidate_ends_with() {
    let mut value = good();
    value["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": { "desired": 4, "max": 8 } });
    value["strategy"] = json!({ "blueGreenShift": { "upscale": [{ "count": 2 }, { "count": 6 }] } });
    let document = parse(&value).unwrap();
    let at_once = document.at_once();
    let capacity = at_once.compute.series().capacity;
    assert_eq!(capacity, Capacity::Fixed(Size { min: 0, desired: 6, max: 8 }));
    assert_eq!(at_once.stages()[0], StageSpec::Upscale(Amount::Percent(100)));
    assert_eq!(at_once.stages().len(), 3);
}

#[test]
fn percents_that_do_not_rise_to_100_are_told_with_those_that_do() {
    let with = |percents: Value| {
        problems(|d| d["strategy"] = json!({ "blueGreenShift": { "percents": percents } })).join("\n")
    };
    assert_eq!(
        with(json!([50, 10, 100])),
        "strategy.blueGreenShift.percents = [50,10,100]: each has to be more than the one before, up to 100. Write [10, 50, 100]."
    );
    assert_eq!(
        with(json!([10, 50])),
        "strategy.blueGreenShift.percents = [10,50]: the last one has to be 100. Write [10, 50, 100]."
    );
    let beyond = with(json!([10, 150]));
    assert_eq!(
        beyond,
        "strategy.blueGreenShift.percents[1] = 150: it is out of range. Use a whole number from 1 to 100."
    );
}

#[test]
fn two_where_one_is_expected_are_both_named_and_a_number_in_quotes_is_shown_without() {
    let two = problems(|d| d["strategy"] = json!({ "canary": {}, "blueGreenShift": {} })).join("\n");
    assert!(two.contains("blueGreenShift and canary both stand here where one is expected"), "{two}");
    let quoted = problems(|d| d["strategy"]["blueGreenShift"]["percents"] = json!(["10", "100 %"])).join("\n");
    assert!(
        quoted.contains("percents[0] = \"10\": it is text, expected a whole number. Write 10, without quotes"),
        "{quoted}"
    );
    assert!(quoted.contains("Write 100, without quotes and without a unit."), "{quoted}");
}

#[test]
fn a_document_that_is_no_object_is_told_what_one_is_made_of() {
    let fix = "Write fields such as `service: shop`: examples/ has a document for each strategy, and `crossfade schema` says what may \
               stand in it.";
    for (text, what) in [
        ("- service: shop\n", "it is a list, and a deployment document is made of fields with names"),
        ("service shop\n", "it is text alone, and a deployment document is made of fields with names"),
        ("42\n", "it is a number alone, and a deployment document is made of fields with names"),
        ("# nothing yet\n", "it is empty"),
        ("", "it is empty"),
    ] {
        let problems = parse_text(text).expect_err("it is no object");
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [format!("the document: {what}. {fix}")]
        );
    }
}

#[test]
fn a_list_without_brackets_is_shown_with_them() {
    let percents = |percents: Value| problems(|d| d["strategy"]["blueGreenShift"]["percents"] = percents);
    let path = "strategy.blueGreenShift.percents";
    assert_eq!(
        percents(json!("10, 50, 100")),
        [format!("{path} = \"10, 50, 100\": it is text, expected a list. Write [10, 50, 100].")]
    );
    assert_eq!(
        percents(json!("10 %, 100 %")),
        [format!("{path} = \"10 %, 100 %\": it is text, expected a list. Write [10, 100].")]
    );
    assert_eq!(percents(json!(100)), [format!("{path} = 100: it is a number, expected a list. Write [100].")]);
    assert_eq!(percents(json!("all")), [format!("{path} = \"all\": it is text, expected a list. Write a list here.")]);
    let rule = good()["routing"]["weighted"][0].clone();
    let one = problems(|d| d["routing"]["weighted"] = rule.clone());
    assert!(one[0].ends_with(&format!("it is text, expected a list. Write [{rule}].")), "{one:?}");
}
