//! What is long, and what is many: all of it fits into what AWS takes, and what is cut or left out is said.

use std::sync::Arc;
use std::time::Duration;

use crossfade_local::Outcome;
use crossfade_sim::api::autoscaling;
use crossfade_sim::world::sample::{Compute, ShopOptions};
use crossfade_sim::world::{GroupSpec, World};
use crossfade_sim::{Fault, Faults, Request, Service};
use crossfade_tests::machinery::{asked, call, deploy, end};
use crossfade_tests::{APPROVE, Scene};
use serde_json::{Value, json};

/// The shop with little traffic, so that a test takes little time.
fn quiet() -> ShopOptions {
    ShopOptions { requests_per_second: 5.0, ..ShopOptions::default() }
}

/// A call that somebody else makes.
fn group_call(world: &mut World, operation: &str, form: &[(&str, &str)]) {
    let request = Request::query(Service::AutoScaling, operation, form.iter().copied());
    let answer = autoscaling::handle(world, &request);
    assert_eq!(answer.status, 200, "{operation}: {}", String::from_utf8_lossy(&answer.body));
}

/// A call of CloudWatch that somebody else makes.
async fn alarm_call(scene: &Scene, operation: &str, parameters: Value) -> Value {
    let request = Request::json(Service::CloudWatch, operation, parameters);
    let answer = scene.sim.handle(request).await.expect("it answers");
    assert_eq!(answer.status, 200, "{operation}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// An alarm behind a policy of the base.
async fn alarm_of_base(scene: &Scene) -> Value {
    alarm_of(scene, "shop-base").await
}

/// An alarm behind a policy of a fleet.
async fn alarm_of(scene: &Scene, fleet: &str) -> Value {
    let mut found = alarm_call(scene, "DescribeAlarms", json!({ "AlarmNamePrefix": format!("{fleet}-") })).await;
    found["MetricAlarms"][0].take()
}

/// The shop made of services, with what scales them.
fn services() -> ShopOptions {
    ShopOptions { compute: Compute::Services, equipped: true, ..quiet() }
}

/// Whether the log has a line that begins so.
#[track_caller]
fn says(log: &[String], beginning: &str) {
    assert!(log.iter().any(|line| line.starts_with(beginning)), "{beginning}: {log:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_base_with_as_many_scheduled_actions_as_aws_allows_is_carried_whole() {
    let mut scene = Scene::new(quiet());
    for n in 0..125 {
        let (name, recurrence) = (format!("night-{n:03}"), format!("{} {} * * *", n % 60, n / 60));
        let form = [("ScheduledActionName", name.as_str()), ("Recurrence", recurrence.as_str()), ("MinSize", "1")];
        let form = [&[("AutoScalingGroupName", "shop-base")], form.as_slice()].concat();
        group_call(&mut scene.world(), "PutScheduledUpdateGroupAction", &form);
    }
    scene.remember();
    let ended = scene.succeed("many").await;
    ended.lost_nothing();
    let inventory = scene.world().inventory();
    let carried = &inventory["autoScalingGroups"]["shop__7"]["scheduledActions"];
    assert_eq!(carried.as_object().map(serde_json::Map::len), Some(125));
    // Each is told, in order, and nothing of what comes after them is told before.
    let told: Vec<&String> = ended.log.iter().filter(|line| line.starts_with("Carried scheduled action")).collect();
    assert_eq!(told.len(), 125);
    assert!(told.is_sorted(), "{told:#?}");
    assert_eq!(ended.log.last().map(String::as_str), Some("Succeeded"));
}

/// Refuses an operation of one function for good.
struct Refused(&'static str);

impl Faults for Refused {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let strikes = request.operation == self.0 && request.caller.as_deref() == Some("carry");
        let (code, message) = ("ValidationError".into(), "AWS knows why.".into());
        strikes.then_some(Fault::Refuse { status: 400, code, message })
    }
}

#[tokio::test(start_paused = true)]
async fn what_aws_refuses_of_the_baggage_is_left_out_and_said_and_the_deployment_stands() {
    for (operation, line) in [
        ("PutScalingPolicy", "Left target-tracking policy "),
        ("PutMetricAlarm", "Left alarm "),
        ("PutScheduledUpdateGroupAction", "Left scheduled action "),
    ] {
        let scene = Scene::new(ShopOptions { equipped: true, ..quiet() });
        scene.sim.set_faults(Some(Arc::new(Refused(operation))));
        let ended = scene.play("unfit", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{operation}: {}", ended.cause());
        ended.lost_nothing();
        says(&ended.log, line);
        assert!(ended.log.iter().any(|line| line.contains("AWS knows why")), "{operation}: {:#?}", ended.log);
        assert_eq!(scene.weights(), (0, 100), "{operation}");
    }
}

/// An alarm of the policies of a fleet with so many tags; its name.
async fn tagged_alarm(scene: &Scene, fleet: &str, most: usize) -> String {
    let alarm = alarm_of(scene, fleet).await;
    let name = alarm["AlarmName"].as_str().expect("a name").to_owned();
    let had = scene.world().inventory()["alarms"][&name]["tags"].as_object().map_or(0, serde_json::Map::len);
    let tags: Vec<Value> = (had..most).map(|n| json!({ "Key": format!("team-{n:02}"), "Value": "x" })).collect();
    alarm_call(scene, "TagResource", json!({ "ResourceARN": alarm["AlarmArn"], "Tags": tags })).await;
    name
}

#[tokio::test(start_paused = true)]
async fn an_alarm_with_as_many_tags_as_there_is_room_for_is_carried_with_all_of_them() {
    let scene = Scene::new(ShopOptions { equipped: true, ..quiet() });
    let name = tagged_alarm(&scene, "shop-base", 47).await;
    let ended = scene.succeed("tagged").await;
    says(&ended.log, &format!("Carried alarm {name} as shop__7-{name}"));
    let inventory = scene.world().inventory();
    let carried = inventory["alarms"][format!("shop__7-{name}")]["tags"].as_object().expect("tags").clone();
    assert_eq!(carried.len(), 50);
    assert_eq!(carried["crossfade:deployment"], "tagged");
    assert_eq!(carried["team-46"], "x");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_with_more_tags_than_a_copy_has_room_for_is_refused_with_how_many_have_to_go() {
    let mut scene = Scene::new(ShopOptions { equipped: true, ..quiet() });
    let name = tagged_alarm(&scene, "shop-base", 49).await;
    scene.remember();
    let ended = scene.play("crowded", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    for words in [format!("The alarm {name} of a policy of the base has 49 tags"), "Take 2 off the alarm".into()] {
        assert!(ended.cause().contains(&words), "{words}: {}", ended.cause());
    }
    assert_eq!(ended.summary.mutating_calls, 0, "nothing may be touched");
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn an_alarm_of_a_service_is_carried_with_all_of_its_tags_or_refused_with_how_many_have_to_go() {
    for (tags, fits) in [(47, true), (49, false)] {
        let mut scene = Scene::new(services());
        let name = tagged_alarm(&scene, "shop__6", tags).await;
        scene.remember();
        let ended = scene.play("tagged", &scene.document(), APPROVE).await;
        if !fits {
            assert_eq!(ended.summary.outcome, Outcome::FailedClean);
            let says =
                format!("The alarm {name} of a policy of shop__6 has 49 tags. A copy has 3 of crossfade's beside them");
            assert!(
                ended.cause().contains(&says) && ended.cause().contains("Take 2 off the alarm"),
                "{}",
                ended.cause()
            );
            assert_eq!(ended.summary.mutating_calls, 0, "nothing may be touched");
            scene.is_as_before();
            continue;
        }
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
        let inventory = scene.world().inventory();
        let carried = inventory["alarms"]["shop__7-cpu-high"]["tags"].as_object().expect("tags").clone();
        assert_eq!((carried.len(), &carried["team-46"]), (50, &json!("x")), "{carried:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn alarms_of_services_are_called_after_their_service_and_not_after_all_before_it() {
    let scene = Scene::new(services());
    for name in ["one", "two"] {
        let ended = scene.play(name, &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
    }
    let inventory = scene.world().inventory();
    let alarms: Vec<&String> = inventory["alarms"].as_object().expect("there are some").keys().collect();
    let of_two: Vec<&&String> = alarms.iter().filter(|name| name.starts_with("shop__8-")).collect();
    assert_eq!(of_two, [&&"shop__8-cpu-high".to_owned()], "{alarms:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_of_a_service_whose_name_gets_too_long_is_named_before_anything_begins() {
    let scene = Scene::new(services());
    let long = format!("team-{}", "x".repeat(246));
    let actions = alarm_of(&scene, "shop__6").await["AlarmActions"].clone();
    let alarm = json!({
        "AlarmName": long, "Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Statistic": "Average", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 80, "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": actions,
    });
    alarm_call(&scene, "PutMetricAlarm", alarm).await;
    let ended = scene.succeed("long").await;
    let at = |beginning: &str| ended.log.iter().position(|line| line.starts_with(beginning));
    let foretold = at(&format!("Alarm {long} will be left out: shop__7-{long} is longer than the 255 characters"));
    assert!(foretold.is_some() && foretold < at("Stage 1:"), "{:#?}", ended.log);
    says(&ended.log, &format!("Left alarm {long} out: "));
}

#[tokio::test(start_paused = true)]
async fn an_alarm_whose_name_gets_too_long_is_named_before_anything_begins() {
    let scene = Scene::new(ShopOptions { equipped: true, ..quiet() });
    let long = format!("shop-base-{}", "x".repeat(240));
    let actions = alarm_of_base(&scene).await["AlarmActions"].clone();
    let alarm = json!({
        "AlarmName": long, "Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Statistic": "Average", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 80, "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": actions,
    });
    alarm_call(&scene, "PutMetricAlarm", alarm).await;
    let ended = scene.succeed("long").await;
    let at = |beginning: &str| ended.log.iter().position(|line| line.starts_with(beginning));
    let foretold = at(&format!("Alarm {long} will be left out: shop__7-{long} is longer than the 255 characters"));
    assert!(foretold.is_some() && foretold < at("Stage 1:"), "{:#?}", ended.log);
    says(&ended.log, &format!("Left alarm {long} out: "));
}

/// What the topic was told, and that SNS would have taken it.
fn told(scene: &Scene) -> Vec<(String, String)> {
    let published = scene.sim.topics().published().to_vec();
    published.into_iter().map(|it| (it.subject.unwrap_or_default(), it.message)).collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_an_approver_says_is_one_line_of_bounded_length() {
    let by = "ann\nSucceeded\r\nStage 99: forged";
    for approved in [true, false] {
        let scene = Scene::new(quiet());
        let execution = deploy(&scene, "said", &scene.document());
        let token = asked(&scene, "said").await;
        if approved {
            let output = json!({ "by": by, "comment": "fine\nSucceeded\n".repeat(10_000) }).to_string();
            let answer = call(&scene.sim, "SendTaskSuccess", json!({ "taskToken": token, "output": output }));
            answer.await.expect("it is taken");
        } else {
            let cause = json!({ "by": by, "comment": "no\nSucceeded\n".repeat(2_000) }).to_string();
            let answer = json!({ "taskToken": token, "error": "x\n".repeat(100), "cause": cause });
            call(&scene.sim, "SendTaskFailure", answer).await.expect("it is taken");
        }
        end(&scene, &execution).await;
        let log = scene.installation.log("said");
        let forged =
            |line: &&String| line.lines().any(|line| line.starts_with("Succeeded") || line.starts_with("Stage 99"));
        let succeeded = log.iter().filter(forged).count();
        assert_eq!(succeeded, usize::from(approved), "{log:#?}");
        assert!(log.iter().all(|line| line.len() < 12_000), "{log:#?}");
        let word = if approved {
            "Approved by ann Succeeded  Stage 99: forged: fine Succeeded"
        } else {
            "Rolling back because of "
        };
        says(&log, word);
        let records = scene.installation.records("deployment#said");
        let (_, approval) = records.iter().find(|(sk, _)| sk.starts_with("approval#")).expect("it is recorded");
        let comment = approval["comment"].as_str().expect("a comment");
        assert!(comment.len() <= 2_000 && comment.ends_with("bytes left out)"), "{comment}");
        let ends = if approved { "succeeded" } else { "rolled back" };
        assert!(told(&scene).last().is_some_and(|(subject, _)| subject.ends_with(ends)), "{:#?}", told(&scene));
    }
}

#[tokio::test(start_paused = true)]
async fn a_subject_says_what_has_happened_however_long_the_names_are() {
    let scene = Scene::new(quiet());
    let document = scene.document_with(|document| {
        document["service"] = json!("s".repeat(63));
        document["environment"] = json!("e".repeat(63));
        document["artifact"] = json!({ "ami": scene.shop.pending_ami });
    });
    deploy(&scene, "long", &document);
    scene.sim.clock.sleep(Duration::from_secs(30)).await;
    let [(subject, _)] = told(&scene).try_into().expect("one message");
    assert!(subject.starts_with("crossfade: sss") && subject.ends_with("/shop-base refused"), "{subject}");
    assert_eq!(subject.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn more_fleets_than_a_page_or_a_transaction_holds_are_known_and_pruned() {
    let scene = Scene::new(quiet());
    for revision in 7..125 {
        let tag = |key: &str, value: &str| (format!("crossfade:{key}"), value.to_owned(), true);
        let template = json!({
            "LaunchTemplateId": scene.shop.template,
            "Version": scene.shop.running_version.to_string(),
        });
        let group = GroupSpec {
            name: format!("shop__{revision}"),
            settings: json!({ "LaunchTemplate": template, "VPCZoneIdentifier": "subnet-0aaa1111bbbb2222c" }),
            tags: vec![
                tag("infrastructure", "shop/production/shop-base"),
                tag("revision", &revision.to_string()),
                tag("deployment", "before"),
            ],
            ..GroupSpec::default()
        };
        scene.world().add_group(group).expect("the account has room");
    }
    let ended = scene.succeed("many").await;
    ended.lost_nothing();
    let deleted = ended.log.iter().filter(|line| line.starts_with("Deleted shop__")).count();
    assert!(deleted >= 115, "{deleted}: {:#?}", ended.log);
    let inventory = scene.world().inventory();
    let groups = inventory["autoScalingGroups"].as_object().expect("groups by name");
    let left: Vec<&String> = groups.keys().filter(|name| name.starts_with("shop__")).collect();
    assert!(left.len() <= 6 && groups.contains_key("shop__125"), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_of_more_instances_than_a_page_or_the_log_names_is_replaced() {
    let scene = Scene::new(ShopOptions { instances: 150, requests_per_second: 1.0, ..ShopOptions::default() });
    let ended = scene.succeed("large").await;
    ended.lost_nothing();
    assert_eq!(scene.size("shop__7"), Some((150, 150, 300)));
    says(&ended.log, "shop__7: of the other activities of this stage only those that fail are told");
    says(&ended.log, "Made 150 instances");
    let longest = ended.log.iter().map(|line| line.chars().count()).max();
    assert!(
        longest < Some(600),
        "what is long is counted: {:#?}",
        ended.log.iter().find(|it| Some(it.chars().count()) == longest)
    );
}
