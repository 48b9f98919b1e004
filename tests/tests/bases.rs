//! What about a base stands in the way of a copy, or does not come along: refused or said before anything is touched, with names.

use crossfade_local::Outcome;
use crossfade_sim::Request;
use crossfade_sim::Service;
use crossfade_sim::api::autoscaling;
use crossfade_sim::world::World;
use crossfade_sim::world::sample::{Compute, ShopOptions};
use crossfade_tests::{APPROVE, Scene};
use serde_json::json;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:instances";

/// A call that somebody else makes.
fn group_call(world: &mut World, operation: &str, form: &[(&str, &str)]) {
    let request = Request::query(Service::AutoScaling, operation, form.iter().copied());
    let answer = autoscaling::handle(world, &request);
    assert_eq!(answer.status, 200, "{operation}: {}", String::from_utf8_lossy(&answer.body));
}

fn hook(scene: &Scene, name: &str, target: &str) {
    let mut form = vec![
        ("AutoScalingGroupName", "shop-base"),
        ("LifecycleHookName", name),
        ("LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING"),
        ("DefaultResult", "CONTINUE"),
        ("HeartbeatTimeout", "60"),
    ];
    if !target.is_empty() {
        let role = "arn:aws:iam::123456789012:role/hooks";
        form.extend([("NotificationTargetARN", target), ("RoleARN", role)]);
    }
    group_call(&mut scene.world(), "PutLifecycleHook", &form);
}

#[tokio::test(start_paused = true)]
async fn a_base_with_no_room_for_our_tags_is_refused_with_how_many_have_to_go() {
    let mut scene = Scene::new(ShopOptions::default());
    let there = scene.world().group("shop-base").expect("it is there").tags.len();
    for n in there..48 {
        let key = format!("team-{n}");
        let form = [
            ("Tags.member.1.ResourceId", "shop-base"),
            ("Tags.member.1.ResourceType", "auto-scaling-group"),
            ("Tags.member.1.Key", key.as_str()),
            ("Tags.member.1.Value", "x"),
            ("Tags.member.1.PropagateAtLaunch", "false"),
        ];
        group_call(&mut scene.world(), "CreateOrUpdateTags", &form);
    }
    scene.remember();
    let ended = scene.play("full", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    let says = "The base shop-base has 48 tags. A copy has 3 of crossfade's beside them, and a group may have 50. Take 1 off the base.";
    assert!(ended.cause().contains(says), "{}", ended.cause());
    scene.is_as_before();
    let more = scene.document_with(|d| d["compute"]["autoScalingGroup"]["instanceTags"] = json!({ "another": "1" }));
    let ended = scene.play("more", &more, APPROVE).await;
    assert!(ended.cause().contains("has 49 tags, with those of instanceTags"), "{}", ended.cause());
}

#[tokio::test(start_paused = true)]
async fn a_base_service_with_no_room_for_our_tags_is_refused() {
    let scene = Scene::new(ShopOptions { compute: Compute::Services, ..ShopOptions::default() });
    let tags: Vec<_> = (0..47).map(|n| json!({ "key": format!("team-{n}"), "value": "x" })).collect();
    let arn = "arn:aws:ecs:eu-west-1:123456789012:service/shop/shop-base";
    let request = Request::json(Service::Ecs, "TagResource", json!({ "resourceArn": arn, "tags": tags }));
    let answer = scene.sim.handle(request).await.expect("it answers");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let ended = scene.play("full", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("a service may have 50. Take"), "{}", ended.cause());
}

#[tokio::test(start_paused = true)]
async fn a_dead_topic_of_the_bases_notifications_is_left_out_and_said() {
    let mut scene = Scene::new(ShopOptions::default());
    let form = [
        ("AutoScalingGroupName", "shop-base"),
        ("TopicARN", TOPIC),
        ("NotificationTypes.member.1", "autoscaling:EC2_INSTANCE_LAUNCH"),
    ];
    group_call(&mut scene.world(), "PutNotificationConfiguration", &form);
    scene.world().remove_target(TOPIC);
    scene.remember();
    let ended = scene.succeed("without").await;
    ended.lost_nothing();
    let says = format!("Left the notifications of shop-base to {TOPIC} out: ");
    assert!(ended.log.iter().any(|line| line.starts_with(&says)), "{:#?}", ended.log);
    let copy = scene.world().group("shop__7").expect("it is there").carried.notifications.clone();
    assert!(copy.is_empty(), "{copy:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_target_of_a_hook_is_told_with_the_hook() {
    let mut scene = Scene::new(ShopOptions::default());
    let queue = "arn:aws:sqs:eu-west-1:123456789012:drained";
    hook(&scene, "drain", queue);
    scene.world().remove_target(queue);
    scene.remember();
    let ended = scene.play("dead", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    let says = format!("{queue} is where the life-cycle hook drain of shop-base sends to.");
    assert!(ended.cause().contains(&says), "{}", ended.cause());
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn codedeploys_own_hook_is_hinted_at() {
    let mut scene = Scene::new(ShopOptions::default());
    hook(&scene, "CodeDeploy-managed-automatic-launch-deployment-hook-shop", "");
    scene.remember();
    let ended = scene.play("hint", &scene.document(), APPROVE).await;
    let says = "The base shop-base has CodeDeploy's own hook CodeDeploy-managed-automatic-launch-deployment-hook-shop.";
    assert!(ended.log.iter().any(|line| line.starts_with(says)), "{}: {:#?}", ended.cause(), ended.log);
}
