//! Large accounts: a thousand instances, twenty target groups, two hundred revisions. Their records, calls and messages fit into what
//! AWS takes (the simulation refuses whatever would not), and they end as small ones do.

use std::ops::Range;

use crossfade_local::Outcome;
use crossfade_sim::world::sample::{Layout, ShopOptions};
use crossfade_sim::world::{GroupSpec, Via, World};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::json;

/// A shop with a thousand instances, and few requests: what is asked is whether all is counted right.
fn thousand() -> ShopOptions {
    ShopOptions { instances: 1_000, requests_per_second: 5.0, ..ShopOptions::default() }
}

/// Asserts that what is many is counted, and not listed.
#[track_caller]
fn short_lines(ended: &Ended) {
    let longest = ended.log.iter().max_by_key(|line| line.len()).expect("there is a log");
    assert!(longest.len() < 1_500, "{} bytes: {longest}", longest.len());
}

/// The bytes of the largest item of the table.
fn largest_item(scene: &Scene) -> usize {
    let items = scene.sim.tables().items(crossfade_local::TABLE);
    items.iter().map(|item| serde_json::to_string(item).map_or(0, |text| text.len())).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_instances_take_over_from_a_thousand() {
    let scene = Scene::new(thousand());
    let ended = scene.succeed("many").await;
    ended.lost_nothing();
    assert_eq!(scene.size("shop__7"), Some((1_000, 1_000, 2_000)));
    assert_eq!(scene.size("shop__6"), Some((0, 0, 0)));
    short_lines(&ended);
    let largest = largest_item(&scene);
    assert!(largest < 300_000, "an item of {largest} bytes, of the 400 KB that DynamoDB takes");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_instances_that_are_rejected_leave_no_trace() {
    let scene = Scene::new(thousand());
    let ended = scene.play("rejected", &scene.document(), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    ended.lost_nothing();
    scene.is_as_before();
}

/// Nineteen more rules like the first, all of them served by the running fleet: they, and their target groups in production.
fn routes(scene: &mut Scene) -> (Vec<String>, Vec<String>) {
    let rules: Vec<String> = (1..20).map(|n| scene.add_route(&format!("route-{n:02}"), true)).collect();
    let mut world = scene.world();
    let production: Vec<String> = rules.iter().map(|rule| world.weights(rule)[0].0.clone()).collect();
    world.attach("shop__6", &production, Via::TargetGroups).expect("the group takes them");
    let later = world.now_millis() + 120_000;
    world.advance(later);
    drop(world);
    scene.remember();
    (rules, production)
}

#[tokio::test(start_paused = true)]
async fn twenty_rules_with_forty_target_groups_are_shifted_together() {
    let mut scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..ShopOptions::default() });
    let (mut rules, _) = routes(&mut scene);
    rules.insert(0, scene.shop.route().to_owned());
    let document = scene.document_with(|document| document["routing"] = json!({ "weighted": rules }));
    for (name, answer, outcome) in [("no", REJECT, Outcome::FailedClean), ("yes", APPROVE, Outcome::Succeeded)] {
        let ended = scene.play(name, &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
        if outcome == Outcome::FailedClean {
            scene.is_as_before();
        }
    }
    let world = scene.world();
    for rule in &rules {
        let weights: Vec<u32> = world.weights(rule).into_iter().map(|(_, weight)| weight).collect();
        assert_eq!(weights, [0, 100], "{rule}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_behind_twenty_target_groups_is_replaced() {
    let options = ShopOptions { layout: Layout::Attached, requests_per_second: 5.0, ..ShopOptions::default() };
    let mut scene = Scene::new(options);
    let (_, mut production) = routes(&mut scene);
    production.insert(0, scene.shop.target_group_a.clone());
    let document = scene.document_with(|d| d["routing"] = json!({ "targetGroups": { "production": production } }));
    for (name, answer, outcome) in [("no", REJECT, Outcome::FailedClean), ("yes", APPROVE, Outcome::Succeeded)] {
        let ended = scene.play(name, &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
    }
    // The candidate that was rejected was shop__7.
    let view = scene.world().group_view("shop__8").expect("it is there");
    assert_eq!(view.target_groups.len(), 20);
}

/// Kept revisions of the shop, each with a version of the launch template and a group of its own.
fn keep(world: &mut World, template: &str, ami: &str, revisions: Range<u64>) {
    for revision in revisions {
        let data = json!({ "ImageId": ami, "InstanceType": "m6i.large" });
        let version = world.add_launch_template_version(template, &data, "an earlier one").expect("it is there");
        let tag = |key: &str, value: String| (key.to_owned(), value, false);
        let group = GroupSpec {
            name: format!("shop__{revision}"),
            settings: json!({
                "LaunchTemplate": { "LaunchTemplateId": template, "Version": version.to_string() },
                "VPCZoneIdentifier": "subnet-1",
            }),
            tags: vec![
                tag("crossfade:infrastructure", "shop/production/shop-base".into()),
                tag("crossfade:revision", revision.to_string()),
                tag("crossfade:deployment", format!("earlier-{revision}")),
            ],
            suspended: vec!["ScheduledActions".to_owned()],
            ..GroupSpec::default()
        };
        world.add_group(group).expect("there is room");
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_kept_revisions_are_read_and_pruned() {
    let mut scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..ShopOptions::default() });
    let (template, ami) = (scene.shop.template.clone(), scene.shop.running_ami.clone());
    keep(&mut scene.world(), &template, &ami, 10..205);
    scene.remember();
    let rejected = scene.play("no", &scene.document(), REJECT).await;
    assert_eq!(rejected.summary.outcome, Outcome::FailedClean, "{}", rejected.cause());
    scene.is_as_before();
    let ended = scene.succeed("yes").await;
    ended.lost_nothing();
    let world = scene.world();
    let groups: Vec<String> = world.group_names().into_iter().filter(|name| name.starts_with("shop__")).collect();
    // The candidate that was rejected had the number 205.
    assert_eq!(groups, ["shop__203", "shop__204", "shop__206", "shop__6"]);
    short_lines(&ended);
}
