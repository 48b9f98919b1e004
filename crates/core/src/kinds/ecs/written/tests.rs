//! What is written out is read as it is, and what contradicts itself is said all at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::document::parse;
use crate::kinds::dns::{Form, Side};
use crate::lane::Movement;

fn document(scaling: Value) -> Value {
    json!({
        "service": "shop", "environment": "production",
        "artifact": { "image": "shop:7" },
        "compute": { "ecsService": { "cluster": "shop", "base": "shop-base", "scaling": { "written": scaling } } },
        "routing": { "targetGroups": { "production": [arn("a")] } },
        "strategy": { "basic": {} },
    })
}

fn arn(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{name}/0123456789abcdef")
}

fn problems(document: &Value) -> String {
    let problems = parse(document).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn alarm(name: &str, change: Value) -> Value {
    let mut alarm = json!({
        "name": name, "threshold": 60, "comparisonOperator": "GreaterThanThreshold",
        "metric": { "namespace": "AWS/ECS", "metricName": "CPUUtilization", "statistic": "p99",
            "dimensions": [{ "name": "ServiceName" }, { "name": "ClusterName" }] },
    });
    alarm.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    alarm
}

fn step(steps: Value, alarms: Value) -> Value {
    json!({ "step": { "name": "busy", "adjustmentType": "ChangeInCapacity", "stepAdjustments": steps, "alarms": alarms } })
}

fn requests(change: Value) -> Value {
    let mut policy =
        json!({ "name": "requests", "metric": { "predefined": "ALBRequestCountPerTarget" }, "targetValue": 12.5 });
    policy.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({ "targetTracking": policy })
}

#[test]
fn s5_an_alarm_whose_name_has_no_room_behind_its_services_is_refused() {
    let named = |series: usize, name: usize| {
        let alarm = alarm(&"a".repeat(name), json!({}));
        let steps = json!([{ "metricIntervalLowerBound": 0, "scalingAdjustment": 1 }]);
        let mut document = document(json!({ "min": 2, "max": 8, "policies": [step(steps, json!([alarm]))] }));
        document["compute"]["ecsService"]["name"] = json!("s".repeat(series));
        problems(&document)
    };
    assert_eq!(named(182, 64), "");
    let refused = named(183, 64);
    assert!(refused.starts_with("compute.ecsService.scaling.written.policies[0].step.alarms[0].name = "), "{refused}");
    assert!(refused.contains("it may have 256 characters, and 255 are the most"), "{refused}");
}

#[test]
fn s5_what_is_written_out_is_read_and_written_again_as_it_is() {
    let good = json!({
        "min": 2, "max": 8,
        "policies": [
            requests(json!({ "scaleInCooldown": 120, "disableScaleIn": true })),
            step(
                json!([
                    { "metricIntervalLowerBound": 0, "metricIntervalUpperBound": 20.5, "scalingAdjustment": 1 },
                    { "metricIntervalLowerBound": 20.5, "scalingAdjustment": 3 },
                ]),
                json!([alarm("cpu", json!({ "period": 30 }))]),
            ),
            { "predictive": { "name": "forecast", "metricPair": "ECSServiceCPUUtilization", "targetValue": 40 } },
        ],
        "scheduledActions": [
            { "name": "night", "schedule": "cron(0 20 ? * MON-FRI *)", "timezone": "Europe/Berlin", "min": 0, "max": 2 },
            { "name": "sale", "schedule": "at(2026-11-27T00:00:00)", "min": 6, "endTime": "2026-12-01T00:00:00Z" },
        ],
    });
    let document = parse(&document(good)).unwrap();
    let again = parse(&serde_json::to_value(&document).unwrap()).unwrap();
    assert_eq!(again, document);
}

#[test]
fn s5_every_contradiction_is_named_with_field_value_and_fix() {
    let mut bad = document(json!({
        "min": 5, "max": 3,
        "policies": [
            requests(json!({ "targetValue": 0 })),
            requests(json!({ "metric": { "predefined": "ECSServiceAverageCPUUtilization" }, "targetGroup": arn("a") })),
            { "targetTracking": { "name": "queue", "targetValue": 1, "metric": { "customized": {
                "namespace": "Shop", "metricName": "Depth", "statistic": "p90",
                "dimensions": [{ "name": "QueueName" }, { "name": "ServiceName" }, { "name": "ServiceName" }] } } } },
            step(
                json!([
                    { "metricIntervalLowerBound": 0, "metricIntervalUpperBound": 10, "scalingAdjustment": 1 },
                    { "metricIntervalLowerBound": 20, "scalingAdjustment": 2 },
                    { "metricIntervalLowerBound": 5, "metricIntervalUpperBound": 5, "scalingAdjustment": 2 },
                ]),
                json!([
                    alarm("cpu", json!({ "period": 45, "datapointsToAlarm": 2 })),
                    alarm("cpu", json!({ "period": 60, "evaluationPeriods": 1441 })),
                ]),
            ),
            { "step": { "name": "all", "adjustmentType": "ExactCapacity", "minAdjustmentMagnitude": 2,
                "stepAdjustments": [{ "scalingAdjustment": -1 }], "alarms": [alarm("memory", json!({}))] } },
        ],
        "scheduledActions": [
            { "name": "night", "schedule": "cron(0 20 * * *)" },
            { "name": "night", "schedule": "rate(1 day)", "min": 4, "max": 2,
                "startTime": "2026-12-01T00:00:00Z", "endTime": "2026-11-01T00:00:00Z" },
        ],
    }));
    insta::assert_snapshot!("contradictions", problems(&bad));
    bad["compute"]["ecsService"]["scaling"]["written"] =
        json!({ "min": 2, "max": 3, "policies": [requests(json!({}))] });
    bad["compute"]["ecsService"]["capacity"] = json!({ "fixed": { "min": 1, "desired": 4, "max": 6 } });
    bad["routing"] = json!("none");
    insta::assert_snapshot!("against_the_rest", problems(&bad));
}

#[test]
fn p24_whose_requests_are_counted_is_known_or_asked_for() {
    let lane = |name: &str, by: Movement| Lane { production: arn(name), test: arn(&format!("{name}2")), by };
    let written = |change: Value| -> Written {
        serde_json::from_value(json!({ "min": 1, "max": 2, "policies": [requests(change)] })).unwrap()
    };
    let (one, other) = (lane("a", Movement::Attachment), lane("c", Movement::Attachment));
    let (none, unnamed) = (Vec::<String>::new(), BTreeMap::new());
    assert_eq!(written(json!({})).misfits(std::slice::from_ref(&one), &unnamed), none);
    let lanes = [one, other];
    let asked = written(json!({})).misfits(&lanes, &unnamed).concat();
    assert!(asked.contains("policies[0].targetTracking.targetGroup is missing") && asked.contains("a, c"), "{asked}");
    assert_eq!(written(json!({ "targetGroup": arn("c2") })).misfits(&lanes, &unnamed), none);
    let strange = written(json!({ "targetGroup": arn("x") })).misfits(&lanes, &unnamed).concat();
    assert!(strange.contains("routing does not lead there"), "{strange}");
    let on = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/net/shop/1/2".to_owned();
    let network = written(json!({})).misfits(&[lane("a", Movement::Weights { on })], &unnamed).concat();
    assert!(network.contains("counts no requests"), "{network}");
    // Behind a name the load balancer is what its records lead to, and a Cloud Map service is none.
    let by_name = |production: &str, test: &str, balancer: Option<&str>| {
        let on = "dns:Z1/shop.example.com".to_owned();
        let side = |pool: &str| Side {
            pools: vec![pool.into()],
            balancer: balancer.map(str::to_owned),
            target: format!("{pool}."),
            alias: None,
            identifier: pool.into(),
            chain_seconds: 0,
            negative_seconds: 0,
        };
        let records = Records {
            zone: "Z1".into(),
            name: "shop.example.com.".into(),
            sides: [production, test].map(side).to_vec(),
            form: Form::Cname,
            ttl_seconds: 60,
            client_cache_seconds: 60,
            before: Vec::new(),
        };
        let lane = Lane { production: production.into(), test: test.into(), by: Movement::Weights { on: on.clone() } };
        written(json!({})).misfits(&[lane], &BTreeMap::from([(on, records)])).concat()
    };
    let of = |kind: &str| format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/{kind}/shop/1");
    assert_eq!(by_name(&arn("a"), &arn("b"), Some(&of("app"))), "");
    let network = by_name(&arn("a"), &arn("b"), Some(&of("net")));
    assert!(network.contains("b is behind a Network Load Balancer"), "{network}");
    let service = |name: &str| format!("arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-{name}");
    let registry = by_name(&service("a"), &service("b"), None);
    assert!(registry.contains("is a Cloud Map service, which counts no requests"), "{registry}");
}
