//! The roles of `template.yaml`: what every strategy needs of them, and what they keep their hands off.
//!
//! Every scene of every test plays under the roles (`crossfade_tests::roles`), and `cargo xtask test` names what they allow though no
//! test has called it.

use std::time::Duration;

use crossfade_local::{Answer, Outcome};
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::world::sample::{Compute, Layout, ShopOptions, Source, publish};
use crossfade_sim::{Faults, Request, Service};
use crossfade_steps::FUNCTIONS;
use crossfade_tests::roles::{Roles, TAG};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::{Value, json};

/// A shop whose provisioners have published what they made.
fn published(options: ShopOptions) -> Scene {
    let scene = Scene::new(options);
    publish(&scene.sim, &scene.shop);
    scene
}

/// Nothing was refused so far.
fn allowed(scene: &Scene, what: &str) {
    assert_eq!(scene.roles.refused(), Vec::<String>::new(), "{what}");
}

/// Plays deployments, each to this outcome.
async fn suffices(options: ShopOptions, plays: &[(&str, Document, Answer, Outcome)], strategy: &Strategy) {
    let scene = published(options);
    for (name, document, answer, outcome) in plays {
        let ended = scene.play(name, &document(&scene, strategy.document(&scene)), *answer).await;
        assert_eq!(ended.summary.outcome, *outcome, "{} {name}: {}", strategy.name, ended.cause());
    }
}

/// A strategy's document with a change.
type Document = fn(&Scene, Value) -> Value;

fn usual(_: &Scene, document: Value) -> Value {
    document
}

/// With only one revision kept, so that fleets are deleted.
fn keeping_one(_: &Scene, mut document: Value) -> Value {
    document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(1);
    document
}

/// Revision 8 once more.
fn back(_: &Scene, mut document: Value) -> Value {
    document["artifact"] = json!({ "revision": 8 });
    document
}

/// With values from everywhere.
fn referring(_: &Scene, mut document: Value) -> Value {
    let state =
        |output: &str| json!({"fromTerraform": {"output": output, "object": "s3://shop-terraform/production.tfstate"}});
    document["compute"]["autoScalingGroup"]["base"] = json!({"fromParameter": "/shop/production/base"});
    document["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": {
        "min": state("capacity_min"), "desired": state("capacity_desired"), "max": state("capacity_max"),
    }});
    document["routing"] =
        json!({"weighted": [{"fromCloudFormation": {"stack": "shop-production", "output": "RuleArn"}}]});
    document
}

#[tokio::test(start_paused = true)]
async fn the_roles_allow_what_deployments_need() {
    use Outcome::{FailedClean, Succeeded};
    for strategy in STRATEGIES {
        let options = ShopOptions { equipped: true, warm_pool: true, protected: true, ..strategy.options() };
        let plays: [(&str, Document, Answer, Outcome); 5] = [
            ("no", usual, REJECT, FailedClean),
            ("eight", usual, APPROVE, Succeeded),
            ("nine", usual, APPROVE, Succeeded),
            ("back", back, APPROVE, Succeeded),
            ("ten", keeping_one, APPROVE, Succeeded),
        ];
        suffices(options, &plays, &strategy).await;
    }
    let shift = STRATEGIES.iter().find(|strategy| strategy.name == "shift").expect("it is one of them");
    let plays: [(&str, Document, Answer, Outcome); 3] = [
        ("no", usual, REJECT, FailedClean),
        ("eight", usual, APPROVE, Succeeded),
        ("nine", keeping_one, APPROVE, Succeeded),
    ];
    let base = Source::LaunchConfiguration;
    let by_default = ShopOptions { base, default_action: true, ..shift.options() };
    suffices(by_default, &plays, shift).await;
    let mixed = ShopOptions { base: Source::MixedOverrides, ..shift.options() };
    suffices(mixed, &plays, shift).await;
    // By then revision 8 is attached where the traffic goes.
    let plays: [(&str, Document, Answer, Outcome); 5] = [
        ("seven", referring, APPROVE, Succeeded),
        ("eight", usual, APPROVE, Succeeded),
        ("nine", usual, APPROVE, Succeeded),
        ("ten", usual, APPROVE, Succeeded),
        ("back", back, APPROVE, Succeeded),
    ];
    suffices(shift.options(), &plays, shift).await;

    let scene = published(ShopOptions { base, ..shift.options() });
    scene.world().settings.can_create_launch_configurations = false;
    for (name, answer, outcome) in [("no", REJECT, FailedClean), ("yes", APPROVE, Succeeded)] {
        let ended = scene.play(name, &scene.document(), answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
    }
}

#[tokio::test(start_paused = true)]
async fn the_roles_allow_what_the_sweep_needs() {
    let scene = published(ShopOptions::default());
    let sim = &scene.sim;
    let execution = StepFunctions::start(sim, &scene.installation.deploy_arn, Some("stopped"), &scene.document());
    sim.clock.sleep(Duration::from_secs(90)).await;
    let stop = json!({ "executionArn": execution.expect("it starts") });
    sim.handle(Request::json(Service::StepFunctions, "StopExecution", stop)).await.expect("it answers");
    let swept = sim.functions().invoke("sweep", json!({})).await;
    allowed(&scene, &format!("{swept:?}"));
}

#[tokio::test(start_paused = true)]
async fn the_roles_allow_what_events_start() {
    // A new image by a document that is stored elsewhere, and a parameter; a trigger that is wrong is told of.
    let scene = published(ShopOptions::default());
    let stored = scene.document_with(|document| {
        document["variables"] = json!({ "ami": null });
        document["artifact"]["ami"] = json!("${ami}");
    });
    scene.sim.objects().put("shop-deployments", "production.json", stored.to_string());
    let when = json!({ "newImage": { "name": "image-*" }, "parameter": "/shop/production/ami" });
    let trigger = json!({ "when": when, "document": "s3://shop-deployments/production.json" }).to_string();
    for (name, text) in [("shop", trigger.as_str()), ("broken", "{}")] {
        scene.sim.parameters().define(&format!("/crossfade/triggers/{name}"), "String", text);
    }
    let image = json!({ "ImageId": scene.shop.new_ami, "State": "available" });
    let value = json!({ "name": "/shop/production/ami", "operation": "Update" });
    for (kind, detail) in [("EC2 AMI State Change", image), ("Parameter Store Change", value)] {
        let event = json!({ "detail-type": kind, "account": "123456789012", "detail": detail });
        let started = scene.sim.functions().invoke("start", event).await;
        allowed(&scene, &format!("{kind}: {started:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_roles_keep_their_hands_off_what_is_not_ours() {
    let scene = published(ShopOptions { equipped: true, ..ShopOptions::default() });
    let roles = Roles::guard(&scene.sim);
    let allows = |function: &str, service: Service, operation: &str, form: &[(&str, &str)]| {
        let request = Request::query(service, operation, form.iter().copied());
        roles.strike(0, &Request { caller: Some(function.into()), ..request }).is_none()
    };
    let on_group = [
        ("hold", "SuspendProcesses"),
        ("hold", "SetInstanceProtection"),
        ("upscale", "UpdateAutoScalingGroup"),
        ("swap", "DetachLoadBalancerTargetGroups"),
        ("carry", "PutScalingPolicy"),
        ("downsize", "DeleteWarmPool"),
        ("remove", "DeleteAutoScalingGroup"),
        ("setup", "EnableMetricsCollection"),
    ];
    for (function, operation) in on_group {
        let on = |group: &str| allows(function, Service::AutoScaling, operation, &[("AutoScalingGroupName", group)]);
        assert_eq!((on("shop__6"), on("shop-base")), (true, false), "{function} {operation}");
    }
    let new = |group: &str, tag: &str| {
        let form = [("AutoScalingGroupName", group), ("Tags.member.1.Key", tag)];
        allows("setup", Service::AutoScaling, "CreateAutoScalingGroup", &form)
    };
    let template = scene.shop.template.as_str();
    assert!(!allows("remove", Service::Ec2, "DeleteLaunchTemplate", &[("LaunchTemplateId", template)]), "the base's");
    assert_eq!((new("shop__7", TAG), new("shop__7", "team"), new("shop", TAG)), (true, false, false));

    let (listener, rule) = (scene.shop.listener.as_str(), scene.shop.route());
    let steers = |on: &str| {
        let (operation, key) = if on == rule { ("ModifyRule", "RuleArn") } else { ("ModifyListener", "ListenerArn") };
        allows("shift-weight", Service::ElasticLoadBalancing, operation, &[(key, on)])
    };
    assert_eq!((steers(rule), steers(listener)), (false, false), "nobody has steered them so far");
    let tags = |function: &str, operation: &str, keys: &[&str]| {
        let keys: Vec<(String, &str)> = keys
            .iter()
            .enumerate()
            .map(|(i, key)| {
                let name =
                    if operation == "AddTags" { format!("Tags.member.{i}.Key") } else { format!("TagKeys.member.{i}") };
                (name, *key)
            })
            .collect();
        let form = keys.iter().map(|(name, key)| (name.as_str(), *key)).chain([("ResourceArns.member.1", rule)]);
        allows(function, Service::ElasticLoadBalancing, operation, &form.collect::<Vec<_>>())
    };
    assert!(tags("setup", "AddTags", &[TAG]) && tags("plan-rollback", "AddTags", &[TAG]));
    assert!(
        !tags("setup", "AddTags", &["team"])
            && !tags("setup", "AddTags", &[TAG, "team"])
            && !tags("setup", "AddTags", &[])
    );
    assert!(tags("finish", "RemoveTags", &[TAG]) && !tags("finish", "RemoveTags", &[TAG, "team"]));
    assert!(!tags("shift-weight", "AddTags", &[TAG]), "who steers does not tag");

    let alarm = |function: &str, operation: &str, body: Value| {
        let request = Request::json(Service::CloudWatch, operation, body);
        roles.strike(0, &Request { caller: Some(function.into()), ..request }).is_none()
    };
    let tags = json!([{ "Key": TAG, "Value": "shop/production/shop-base" }]);
    assert!(alarm("carry", "PutMetricAlarm", json!({ "AlarmName": "shop__7-busy", "Tags": tags })));
    assert!(!alarm("carry", "PutMetricAlarm", json!({ "AlarmName": "busy", "Tags": tags })), "of no fleet");
    assert!(
        !alarm("carry", "PutMetricAlarm", json!({ "AlarmName": "shop__7-busy" })),
        "neither tagged nor ours already"
    );
    assert!(!alarm("remove", "DeleteAlarms", json!({ "AlarmNames": ["shop__7-busy"] })), "not ours");
    scene.succeed("first").await;
    assert_eq!((steers(rule), steers(listener)), (true, false), "the rule is ours by now");
    let inventory = scene.world().inventory();
    let alarms = inventory["alarms"].as_object().expect("alarms by name").keys();
    let ours: Vec<&String> = alarms.filter(|name| name.starts_with("shop__7-")).collect();
    assert!(!ours.is_empty(), "there is something to delete");
    assert!(alarm("remove", "DeleteAlarms", json!({ "AlarmNames": ours })));
    assert!(alarm("carry", "PutMetricAlarm", json!({ "AlarmName": ours[0] })), "to adapt it");
}

#[tokio::test(start_paused = true)]
async fn the_roles_set_no_records_but_those_of_the_stacks_names() {
    let scene = published(ShopOptions::default());
    let roles = Roles::guard(&scene.sim);
    let may = |function: &str, changes: &[(&str, &str, &str)]| {
        let change = |(action, name, kind): &(&str, &str, &str)| json!({ "Action": action, "ResourceRecordSet": { "Name": name, "Type": kind } });
        let batch = json!({ "Changes": changes.iter().map(change).collect::<Vec<_>>() });
        let request = Request::json(Service::Route53, "ChangeResourceRecordSets", json!({ "ChangeBatch": batch }));
        roles.strike(0, &Request { caller: Some(function.into()), ..request }).is_none()
    };
    let ours = [("DELETE", "Shop.Example.com.", "CNAME"), ("CREATE", "shop.example.com.", "CNAME")];
    assert!(may("shift-weight", &ours));
    for others in [
        ("CREATE", "shop.example.org.", "CNAME"),
        ("CREATE", "shop.example.com.evil.net.", "CNAME"),
        ("UPSERT", "shop.example.com.", "CNAME"),
        ("DELETE", "shop.example.com.", "MX"),
    ] {
        assert!(!may("shift-weight", &[others]), "{others:?}");
        assert!(!may("shift-weight", &[ours[0], ours[1], others]), "hidden in a batch of ours: {others:?}");
    }
    let others = FUNCTIONS.iter().filter(|function| **function != "shift-weight");
    assert!(others.clone().all(|function| !may(function, &ours)), "it alone sets records");
    assert!(others.count() > 15);

    // And a deployment to another name ends where it would be set.
    let mut scene =
        Scene::new(ShopOptions { compute: Compute::Services, layout: Layout::Named, ..ShopOptions::default() });
    let zone = scene.world().add_zone("example.org", Some(&["vpc-0123456789abcdef0"]));
    scene.remember();
    let document = scene.document_with(|document| {
        document["routing"]["dns"][0]["name"] = json!("shop.example.org");
        document["routing"]["dns"][0]["zone"] = json!(zone);
    });
    let guard = Roles::guard(&scene.sim);
    let ended = scene.play("elsewhere", &document, APPROVE).await;
    assert!(guard.refused().iter().all(|refusal| refusal.contains("shop.example.org")), "{:?}", guard.refused());
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("not authorized to perform route53:ChangeResourceRecordSets"), "{}", ended.cause());
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_a_role_lacks_is_named() {
    for (function, action) in [
        ("shift-weight", "elasticloadbalancing:ModifyRule"),
        ("shift-weight", "autoscaling:DescribeAutoScalingGroups"),
        ("hold", "autoscaling:SuspendProcesses"),
        ("carry", "cloudwatch:TagResource"),
    ] {
        let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
        let roles = Roles::guard_without(&scene.sim, &[(function, action)]);
        let ended = scene.play("lacking", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{function} {action}");
        assert!(ended.cause().contains(&format!("not authorized to perform {action}")), "{}", ended.cause());
        assert!(roles.refused().iter().all(|refusal| refusal.contains(action)), "{:?}", roles.refused());
        scene.is_as_before();
    }
}
