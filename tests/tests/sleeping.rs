//! Earlier fleets that have no instances now and may get some by themselves, such as those that a schedule puts to bed.

use std::sync::Arc;
use std::time::Duration;

use crossfade_local::{Answer, Outcome};
use crossfade_sim::Sim;
use crossfade_sim::world::TrafficSource;
use crossfade_sim::world::sample::ShopOptions;
use crossfade_tests::strategies::{NeverDownsized, STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::{Value, json};

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn scene(strategy: &Strategy, sleeping: &[(u64, u32)], sleeps_minutes: u64) -> Scene {
    let sleeping = sleeping.to_vec();
    Scene::new(ShopOptions { sleeping, sleeps_minutes, requests_per_second: 5.0, ..strategy.options() })
}

/// The strategy's document with a size.
fn sized(strategy: &Strategy, scene: &Scene, desired: u32) -> Value {
    let mut document = strategy.document(scene);
    let size = json!({ "min": desired, "desired": desired, "max": desired * 2 });
    document["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": size });
    document
}

/// The same, answered by nobody for half an hour, and then by this.
fn after_half_an_hour(mut document: Value, decision: &str) -> Value {
    let strategy = document["strategy"].as_object_mut().expect("one strategy").values_mut().next().expect("one");
    strategy["approval"] = json!({ "timeoutMinutes": 30, "onTimeout": decision });
    document
}

/// Users come.
fn open(sim: &Sim, listener: &str, rule: Option<&str>) {
    sim.world().add_traffic(TrafficSource {
        listener_arn: listener.to_owned(),
        rule_arn: rule.map(str::to_owned),
        requests_per_second: 1.0,
        request_millis: 50,
        clients: 10,
    });
}

/// Lets users come only after so long.
fn open_after(scene: &Scene, span: Duration) {
    scene.world().stop_traffic(scene.shop.traffic);
    let (sim, listener, rule) = (scene.sim.clone(), scene.shop.listener.clone(), scene.shop.rule.clone());
    tokio::spawn(async move {
        sim.clock.sleep(span).await;
        open(&sim, &listener, rule.as_deref());
    });
}

#[track_caller]
fn ended(ended: &Ended, outcome: Outcome, name: &str) {
    assert_eq!(ended.summary.outcome, outcome, "{name}: {}\n{:#?}", ended.cause(), ended.log);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_sleeps_goes_with_the_others_and_does_not_wake_beside_the_new_one() {
    for strategy in STRATEGIES {
        let (name, scene) = (strategy.name, scene(&strategy, &[(6, 4)], 240));
        open_after(&scene, minutes(120));
        let refused = scene.play("refused", &strategy.document(&scene), APPROVE).await;
        ended(&refused, Outcome::FailedClean, name);
        for words in [
            "compute.autoScalingGroup.capacity is sameAsRunning",
            "shop__6 sleeps with 0 (min 0, max 8), and has 4 (min 4, max 8) when its scheduled action opening wakes it",
            "`capacity: {fixed: {min: 4, desired: 4, max: 8}}`",
        ] {
            assert!(refused.cause().contains(words), "{name}: {words:?} is not in {}", refused.cause());
        }
        scene.is_as_before();

        let done = scene.play("night", &sized(&strategy, &scene, 4), APPROVE).await;
        ended(&done, Outcome::Succeeded, name);
        assert!(done.log.join("\n").contains("shop__6 sleeps with 0"), "{name}: {:#?}", done.log);
        for hour in 0..24 {
            scene.sim.clock.sleep(minutes(60)).await;
            let world = scene.world();
            assert_eq!(world.instances_of("shop__6"), Vec::<String>::new(), "{name}: {hour} hours later");
            assert_eq!(world.instances_of("shop__7").len(), 4, "{name}: {hour} hours later");
        }
        assert_eq!(scene.size("shop__6"), Some((0, 0, 0)), "{name}");
        let totals = scene.world().traffic().totals;
        assert!(totals.served > 0 && totals.lost == 0, "{name}: {totals:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_wakes_while_somebody_is_asked_serves_and_a_rejection_leaves_it_awake() {
    for strategy in STRATEGIES {
        let (name, scene) = (strategy.name, scene(&strategy, &[(6, 4)], 12));
        open_after(&scene, minutes(25));
        let document = after_half_an_hour(sized(&strategy, &scene, 4), "reject");
        let done = scene.play_with("dawn", &document, Box::new(|_| Answer::Nothing)).await;
        ended(&done, Outcome::FailedClean, name);
        done.lost_nothing();
        assert_eq!(scene.size("shop__6"), Some((4, 4, 8)), "{name}: it is day");
        let log = done.log.join("\n");
        assert!(log.contains("Rolled back: everything is as it was"), "{name}: {log}");
        scene.holds_no_lock();
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_had_woken_when_it_was_retired_gets_back_what_it_had_by_then() {
    for strategy in STRATEGIES {
        let (name, scene) = (strategy.name, scene(&strategy, &[(5, 2)], 12));
        scene.sim.set_faults(Some(Arc::new(NeverDownsized)));
        let document = after_half_an_hour(sized(&strategy, &scene, 6), "approve");
        let done = scene.play_with("dawn", &document, Box::new(|_| Answer::Nothing)).await;
        ended(&done, Outcome::FailedClean, name);
        done.lost_nothing();
        let log = done.log.join("\n");
        for line in ["Resizing shop__5 from 2 (min 2, max 4) to 0 (min 0, max 0)", "Restore shop__5 to 2"] {
            assert!(log.contains(line), "{name}: {line:?} is not in {log}");
        }
        assert_eq!((scene.size("shop__5"), scene.size("shop__6")), (Some((2, 2, 4)), Some((4, 4, 8))), "{name}");
        let world = scene.world();
        assert!(world.group("shop__5").expect("it is there").runs("ScheduledActions"), "{name}");
        let least = world.least_capacity().expect("there was traffic");
        assert!(least >= 4.0 - 1e-9, "{name}: {least}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_whose_schedule_makes_room_for_it_sleeps_even_at_a_maximum_of_0() {
    let strategy = STRATEGIES[0];
    let mut scene = scene(&strategy, &[(5, 2)], 240);
    scene.world().resize("shop__5", 0, 0, 0).expect("it sleeps");
    scene.remember();
    let refused = scene.play("refused", &strategy.document(&scene), APPROVE).await;
    ended(&refused, Outcome::FailedClean, "refused");
    for words in ["shop__5 sleeps with 0 (min 0, max 0)", "{min: 6, desired: 6, max: 12}"] {
        assert!(refused.cause().contains(words), "{words:?} is not in {}", refused.cause());
    }
    let document = sized(&strategy, &scene, 6);
    ended(&scene.play("no", &document, REJECT).await, Outcome::FailedClean, "no");
    scene.is_as_before();
    let done = scene.play("yes", &document, APPROVE).await;
    ended(&done, Outcome::Succeeded, "yes");
    scene.sim.clock.sleep(minutes(24 * 60)).await;
    assert_eq!(scene.world().instances_of("shop__5"), Vec::<String>::new());
    assert_eq!(scene.world().instances_of("shop__8").len(), 6);
    done.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_sleeps_is_not_brought_back_before_it_rests() {
    let strategy = STRATEGIES[0];
    let scene = scene(&strategy, &[(5, 2)], 240);
    let mut document = sized(&strategy, &scene, 4);
    document["artifact"] = json!({ "revision": 5 });
    let refused = scene.play("refused", &document, APPROVE).await;
    ended(&refused, Outcome::FailedClean, "refused");
    for words in
        ["is shop__5, which sleeps with 0 (min 0, max 4)", "suspend its scheduled actions", "Kept revisions: 2, 3, 4"]
    {
        assert!(refused.cause().contains(words), "{words:?} is not in {}", refused.cause());
    }
    scene.is_as_before();
}
