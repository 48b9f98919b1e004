//! How many a deployment brings up: by percent and by number, in every strategy and of every kind of fleet, and always what was asked
//! for at the end.

use crossfade_local::Outcome;
use crossfade_sim::world::sample::{Compute, Layout, ShopOptions};
use crossfade_tests::strategies::{STRATEGIES, canary};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::{Value, json};

const KINDS: [Compute; 3] = [Compute::Groups, Compute::Services, Compute::Elastigroups];

/// The settings of the only kind of fleet that a document names.
fn compute(document: &mut Value) -> &mut Value {
    let computes = document["compute"].as_object_mut().expect("there is one");
    computes.values_mut().next().expect("of one kind")
}

/// The settings of the only strategy that a document names.
fn strategy(document: &mut Value) -> &mut Value {
    let strategies = document["strategy"].as_object_mut().expect("there is one");
    strategies.values_mut().next().expect("it has one")
}

/// The desired sizes that the candidate was seen at, one after the other.
fn desired(log: &[String]) -> Vec<String> {
    let sized = log.iter().filter_map(|line| line.strip_prefix("Resizing shop__7 from "));
    sized.filter_map(|line| Some(line.split_once(" to ")?.1.to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn b10_every_strategy_comes_up_by_percent_and_by_number_and_ends_with_all() {
    for kind in KINDS {
        // An Elastigroup never changes its target groups while it serves.
        let possible = |name: &str| name != "canary" && (name != "swap" || kind == Compute::Groups);
        for of in STRATEGIES.iter().filter(|it| possible(it.name)) {
            let what = format!("{} {kind:?}", of.name);
            let scene = Scene::new(ShopOptions { compute: kind, ..of.options() });
            let mut document = of.document(&scene);
            strategy(&mut document)["upscale"] = json!([{ "percent": 25 }, { "count": 3 }]);
            compute(&mut document)["capacity"] = json!({ "fixed": { "desired": 4, "max": 8 } });
            let ended = scene.play("steps", &document, APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}: {}", ended.cause());
            ended.lost_nothing();
            let sizes = desired(&ended.log);
            let counts: Vec<&str> = sizes.iter().map(|size| size.split(' ').next().unwrap_or_default()).collect();
            assert_eq!(counts, ["1", "3", "4"], "{what}: {:#?}", ended.log);
            assert_eq!(scene.size("shop__7").map(|(_, desired, _)| desired), Some(4), "{what}");
            assert_eq!(scene.size("shop__6").map(|(_, desired, _)| desired), Some(0), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o1_the_least_size_may_be_left_out_and_is_0() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|d| compute(d)["capacity"] = json!({ "fixed": { "desired": 4, "max": 10 } }));
    let ended = scene.play("least", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(scene.size("shop__7"), Some((0, 4, 10)));
}

#[tokio::test(start_paused = true)]
async fn k12_a_number_above_desired_is_what_the_fleet_ends_with_and_one_above_max_is_refused() {
    for kind in KINDS {
        let layout = if kind == Compute::Groups { Layout::Attached } else { Layout::Weighted };
        let scene = Scene::new(ShopOptions { compute: kind, layout, ..ShopOptions::default() });
        let wants = |count: u32| {
            scene.document_with(|d| {
                compute(d)["capacity"] = json!({ "fixed": { "min": 2, "desired": 4, "max": 6 } });
                strategy(d)["upscale"] = json!([{ "count": count }]);
            })
        };
        let ended = scene.play("too-many", &wants(7), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean);
        assert!(ended.cause().contains("it asks for 7, more than compute."), "{kind:?}: {}", ended.cause());
        assert!(ended.cause().contains(".capacity.fixed.max = 6"), "{kind:?}: {}", ended.cause());
        scene.is_as_before();

        let ended = scene.play("no", &wants(6), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{kind:?}: {}", ended.cause());
        scene.is_as_before();
        let ended = scene.play("yes", &wants(6), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{kind:?}: {}", ended.cause());
        ended.lost_nothing();
        let serving = scene.world().inventory();
        let name = if scene.size("shop__8").is_some() { "shop__8" } else { "shop__7" };
        assert_eq!(scene.size(name).map(|(_, desired, _)| desired), Some(6), "{kind:?}: {serving}");
    }
}

#[tokio::test(start_paused = true)]
async fn k12_of_a_running_fleet_its_max_is_the_limit() {
    let scene = Scene::new(ShopOptions { layout: Layout::Attached, ..ShopOptions::default() });
    let ended = scene.play("nine", &canary(&scene, json!({ "phases": [{ "count": 9 }] })), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    let asks =
        "strategy.canary asks for 9 instances by number, and compute.autoScalingGroup.capacity allows for 8 at most";
    assert!(ended.cause().contains(asks), "{}", ended.cause());
    scene.is_as_before();
    let ended =
        scene.play("eight", &canary(&scene, json!({ "phases": [{ "count": 2 }, { "count": 8 }] })), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let name = if scene.size("shop__8").is_some() { "shop__8" } else { "shop__7" };
    assert_eq!(scene.size(name).map(|(_, desired, _)| desired), Some(8));
}

#[tokio::test(start_paused = true)]
async fn k12_no_more_stands_for_the_old_fleet_than_there_is() {
    let scene = Scene::new(ShopOptions { layout: Layout::Attached, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        d["strategy"] = json!({ "stages": [{ "upscale": { "percent": 100 } }, { "downsize": { "count": 5 } }] });
    });
    let ended = scene.play("five", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("takes what 5 of shop__7 stand for, which ends with 4"), "{}", ended.cause());
    scene.is_as_before();
}
