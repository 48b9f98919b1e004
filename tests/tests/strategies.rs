//! Every strategy on every router that it can have, to each of its three endings: O5–O7, B4, B12, B14, C1, C3, C4.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_core::plan::{Direction, StageKind};
use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::world::Via;
use crossfade_sim::world::sample::{Layout, NewImage, ShopOptions};
use crossfade_tests::strategies::{NeverDownsized, STRATEGIES, Strategy, canary, listener_swap};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::json;

fn laid_out(layout: Layout) -> ShopOptions {
    ShopOptions { layout, ..ShopOptions::default() }
}

/// The desired sizes of both fleets whenever they changed.
fn sizes(ended: &Ended) -> Vec<(u32, u32)> {
    let of = |happening: &Happening| match &happening.what {
        What::Frame(frame) => Some((frame.stable.as_ref()?.desired, frame.candidate.as_ref()?.desired)),
        _ => None,
    };
    let mut sizes: Vec<(u32, u32)> = ended.happenings.iter().filter_map(of).collect();
    sizes.dedup();
    sizes
}

fn stages(ended: &Ended) -> Vec<&str> {
    let name = |happening: &'_ Happening| matches!(happening.what, What::StageHeld { .. });
    let held = ended.happenings.iter().filter(|happening| name(happening));
    held.filter_map(|happening| match &happening.what {
        What::StageHeld { name, .. } => Some(name.as_str()),
        _ => None,
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn every_strategy_ends_with_exactly_what_was_asked_and_nothing_lost() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = strategy.scene();
        let ended = scene.play("first", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
        ended.lost_nothing();
        assert_eq!(scene.size("shop__7"), Some((4, 4, 8)), "{name}");
        assert_eq!(scene.size("shop__6"), Some((0, 0, 0)), "{name}");
        scene.holds_no_lock();
        // And once more, from the state that the first one has left.
        let ended = scene.play("second", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
        ended.lost_nothing();
        assert_eq!((scene.size("shop__8"), scene.size("shop__7")), (Some((4, 4, 8)), Some((0, 0, 0))), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_strategy_can_be_rejected_and_leaves_the_account_as_it_was() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = strategy.scene();
        let ended = scene.play("no", &strategy.document(&scene), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        assert!(ended.cause().contains("rejected by operator"), "{name}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn every_strategy_that_fails_at_its_last_change_leaves_the_account_as_it_was() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = strategy.scene();
        scene.sim.set_faults(Some(Arc::new(NeverDownsized)));
        let ended = scene.play("late", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        assert!(ended.cause().contains("Allow autoscaling:UpdateAutoScalingGroup"), "{name}: {}", ended.cause());
        let log = ended.log.join("\n");
        assert!(log.contains("Rollback stage 1"), "{name}: there was something to take back: {log}");
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_falls_sick_before_it_takes_over_never_does() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = strategy.scene();
        let (sim, ami) = (scene.sim.clone(), scene.shop.new_ami.clone());
        let see = move |happening: &Happening| {
            if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
                let mut world = sim.world();
                world.image_mut(&ami).expect("it exists").behaviour.passes_health_checks = false;
                for instance in world.instances_of("shop__7") {
                    world.sicken_instance(&instance);
                }
            }
        };
        let ended = scene.watched("sick", &strategy.document(&scene), Box::new(|_| APPROVE), see).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        scene.world().image_mut(&scene.shop.new_ami.clone()).expect("it exists").behaviour.passes_health_checks = true;
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn every_way_in_which_the_new_image_can_be_bad_ends_clean_with_every_strategy() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        for image in [NewImage::Unhealthy, NewImage::NoCapacity, NewImage::Slow] {
            let scene = Scene::new(ShopOptions { new_image: image, ..strategy.options() });
            let ended = scene.play("bad", &strategy.document(&scene), APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name} {image:?}: {}", ended.cause());
            ended.lost_nothing();
            scene.is_as_before();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c1_o5_25_percent_of_4_is_1_and_50_percent_is_2_and_the_old_fleet_shrinks_in_inverse_proportion() {
    let scene = Scene::new(laid_out(Layout::Attached));
    let instances: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let (sim, seen) = (scene.sim.clone(), instances.clone());
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageHeld { name, .. } if name.starts_with("Upscale")) {
            seen.lock().expect("nobody panicked").push(sim.world().instances_of("shop__7"));
        }
    };
    let ended = scene.watched("canary", &canary(&scene, json!({})), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    assert_eq!(sizes(&ended), [(4, 0), (4, 1), (3, 1), (3, 2), (2, 2), (2, 4), (0, 4)]);
    let instances = instances.lock().expect("nobody panicked");
    assert_eq!(instances.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 4]);
    assert!(instances[2].starts_with(&instances[1]) && instances[1].starts_with(&instances[0]), "they are kept");
    let log = ended.log.join("\n");
    for fact in
        ["shop__7 is steady: 1 of 1 healthy", "shop__6 has 3 instances left", "Launching a new EC2 instance: i-"]
    {
        assert!(log.contains(fact), "{fact:?} is missing in:\n{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn c1_phases_by_number_and_the_last_one_that_nobody_wrote_down() {
    let scene = Scene::new(laid_out(Layout::Attached));
    let ended =
        scene.play("canary", &canary(&scene, json!({ "phases": [{ "count": 1 }, { "count": 3 }] })), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(sizes(&ended), [(4, 0), (4, 1), (3, 1), (3, 3), (1, 3), (1, 4), (0, 4)]);
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn o1_the_old_fleet_first_when_the_document_allows_for_it() {
    let scene = Scene::new(laid_out(Layout::Attached));
    let document = canary(&scene, json!({ "resizeOrder": "oldFirst" }));
    let ended = scene.play("refused", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("minimumHealthyPercent = 100"), "{}", ended.cause());
    scene.is_as_before();

    let mut document = document;
    document["compute"]["autoScalingGroup"]["minimumHealthyPercent"] = json!(50);
    let ended = scene.play("allowed", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(sizes(&ended), [(4, 0), (3, 0), (3, 1), (2, 1), (2, 2), (0, 2), (0, 4)]);
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn c3_the_phases_are_taken_back_all_at_once_or_one_by_one() {
    for (by_phase, expected) in [
        (false, vec![(4, 0), (4, 1), (3, 1), (3, 2), (2, 2), (4, 2), (4, 0)]),
        (true, vec![(4, 0), (4, 1), (3, 1), (3, 2), (2, 2), (3, 2), (3, 1), (4, 1), (4, 0)]),
    ] {
        let scene = Scene::new(laid_out(Layout::Attached));
        let mut document = canary(&scene, json!({ "approveAfterPhases": [2] }));
        document["rollback"] = json!({ "phaseByPhase": by_phase });
        let ended = scene.play("no", &document, REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        assert_eq!(sizes(&ended), expected);
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn b4_the_swap_moves_one_attachment_after_the_other_each_with_its_own_condition() {
    let scene = Scene::new(laid_out(Layout::Staged));
    /// Healthy by then: of the candidate on stage, of it in production, of the old fleet in production.
    type Healthy = (usize, usize, usize);
    let at: Arc<Mutex<BTreeMap<String, Healthy>>> = Arc::default();
    let (sim, seen) = (scene.sim.clone(), at.clone());
    let (prod, stage) = (scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    let see = move |happening: &Happening| {
        if let What::StageHeld { name, .. } = &happening.what {
            let world = sim.world();
            let there = (
                world.healthy_of("shop__7", &stage),
                world.healthy_of("shop__7", &prod),
                world.healthy_of("shop__6", &prod),
            );
            seen.lock().expect("nobody panicked").insert(name.clone(), there);
        }
    };
    let ended = scene.watched("swap", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    assert_eq!(
        stages(&ended),
        [
            "Set up shop__7",
            "Hold shop__6",
            "Upscale shop__7 to 4",
            "Approve shop__7 at 0 %",
            "Detach shop__7 from shop-b",
            "Attach shop__7 to shop-a",
            "Detach shop__6 from shop-a",
            "Downsize shop__6 to 0",
            "Prune to the last 3",
        ]
    );
    let at = at.lock().expect("nobody panicked");
    assert_eq!(at["Upscale shop__7 to 4"], (4, 0, 4));
    assert_eq!(at["Detach shop__7 from shop-b"], (0, 0, 4), "deregistered from stage");
    assert_eq!(at["Attach shop__7 to shop-a"], (0, 4, 4), "registered and healthy in production");
    assert_eq!(at["Detach shop__6 from shop-a"], (0, 4, 0), "the old one deregistered");
    let view = |name: &str| scene.world().group_view(name).expect("it exists").target_groups;
    assert_eq!(view("shop__7"), std::slice::from_ref(&scene.shop.target_group_a));
    assert_eq!(view("shop__6"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn b4_two_listeners_exchange_their_target_groups_and_exchange_them_again() {
    let scene = Scene::new(laid_out(Layout::Staged));
    let stage = scene.shop.test_listener.clone().expect("it is staged");
    let forwards = || {
        let world = scene.world();
        let of = |route: &str| world.weights(route).into_iter().map(|(arn, _)| arn).collect::<Vec<_>>();
        (of(scene.shop.route()), of(&stage))
    };
    let (a, b) = (vec![scene.shop.target_group_a.clone()], vec![scene.shop.target_group_b.clone()]);
    assert_eq!(forwards(), (a.clone(), b.clone()));
    let ended = scene.play("first", &listener_swap(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    assert_eq!(forwards(), (b.clone(), a.clone()));
    let ended = scene.play("second", &listener_swap(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    assert_eq!(forwards(), (a, b), "which is which is read from the listeners, never from tags (P49)");
}

#[tokio::test(start_paused = true)]
async fn p48_an_exchange_of_many_listeners_gets_on_where_the_account_lets_few_changes_through() {
    let strategy = &STRATEGIES[4];
    let scene = Scene::new(ShopOptions { second_balancer: true, ..strategy.options() });
    let sim = scene.sim.clone();
    // A change each eleven seconds: four take longer than a function waits for its turn.
    let see = move |happening: &Happening| {
        if matches!(
            happening.what,
            What::StageStarted { direction: Direction::Deploy, kind: StageKind::ShiftWeight, .. }
        ) {
            sim.limit_rates_to(0.03);
        }
    };
    let ended = scene.watched("few", &strategy.document(&scene), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn b14_two_load_balancers_are_deployed_to_as_one() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        for answer in [APPROVE, REJECT] {
            let scene = Scene::new(ShopOptions { second_balancer: true, ..strategy.options() });
            let ended = scene.play("both", &strategy.document(&scene), answer).await;
            ended.lost_nothing();
            if answer == REJECT {
                assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
                scene.is_as_before();
                continue;
            }
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
            let second = scene.shop.second.as_ref().expect("there are two");
            let world = scene.world();
            for route in [scene.shop.route(), second.route()] {
                let weights = world.weights(route);
                let serving: Vec<&String> =
                    weights.iter().filter(|(_, weight)| *weight > 0).map(|(arn, _)| arn).collect();
                assert_eq!(serving.len(), 1, "{name}");
                assert_eq!(world.healthy_of("shop__7", serving[0]), 4, "{name}: {route}");
            }
        }
    }
}

/// Several live versions: three that serve, and one that no request reaches.
async fn several_live(strategy: &Strategy) -> Scene {
    let options = ShopOptions { requests_per_second: 5.0, ..strategy.options() };
    let mut scene = Scene::new(ShopOptions { also_running: vec![(4, 2), (5, 3)], ..options });
    scene.world().resize("shop__3", 1, 2, 1).expect("it is there");
    scene.sim.clock.sleep(Duration::from_secs(600)).await;
    scene.remember();
    scene
}

#[track_caller]
fn never_had_less_than_they_had_together(scene: &Scene, ended: &Ended, name: &str) {
    ended.lost_nothing();
    let least = scene.world().least_capacity().expect("there was traffic");
    assert!(least >= 9.0 - 1e-9, "{name}: {least} of 9\n{:#?}", ended.log);
}

#[tokio::test(start_paused = true)]
async fn b12_what_serves_together_gives_way_to_a_healthy_candidate_the_oldest_first_and_what_does_not_serve_at_once() {
    for strategy in STRATEGIES {
        let (name, scene) = (strategy.name, several_live(&strategy).await);
        let mut document = strategy.document(&scene);
        document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
        let ended = scene.play("yes", &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
        never_had_less_than_they_had_together(&scene, &ended, name);
        assert_eq!(scene.size("shop__7"), Some((9, 9, 18)), "{name}: same as running is what they have together");
        for fleet in ["shop__3", "shop__4", "shop__5", "shop__6"] {
            assert_eq!(scene.size(fleet), Some((0, 0, 0)), "{name}: {fleet}");
        }
        let stages = stages(&ended);
        let at = |stage: &str| stages.iter().position(|name| name.starts_with(stage)).expect(stage);
        let order = ["Downsize shop__3", "Upscale", "Downsize shop__4", "Downsize shop__5", "Downsize shop__6"];
        assert!(order.map(at).is_sorted(), "{name}: {stages:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b12_all_that_had_instances_get_them_back_however_late_it_fails() {
    for strategy in STRATEGIES {
        let (name, scene) = (strategy.name, several_live(&strategy).await);
        let rejected = scene.play("no", &strategy.document(&scene), REJECT).await;
        assert_eq!(rejected.summary.outcome, Outcome::FailedClean, "{name}: {}", rejected.cause());
        never_had_less_than_they_had_together(&scene, &rejected, name);
        scene.is_as_before();

        scene.sim.set_faults(Some(Arc::new(NeverDownsized)));
        let mut document = strategy.document(&scene);
        document["rollback"] = json!({ "phaseByPhase": name == "canary" });
        let late = scene.play("late", &document, APPROVE).await;
        assert_eq!(late.summary.outcome, Outcome::FailedClean, "{name}: {}", late.cause());
        let log = late.log.join("\n");
        assert!(log.contains("shop__5 has no instances any more"), "{name}: {log}");
        never_had_less_than_they_had_together(&scene, &late, name);
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn b12_a_kept_revision_takes_over_from_all_that_serve() {
    for strategy in STRATEGIES {
        let (name, scene) = (strategy.name, several_live(&strategy).await);
        let mut document = strategy.document(&scene);
        document["artifact"] = json!({ "revision": 2 });
        let no = scene.play("no", &document, REJECT).await;
        assert_eq!(no.summary.outcome, Outcome::FailedClean, "{name}: {}", no.cause());
        scene.is_as_before();
        let yes = scene.play("yes", &document, APPROVE).await;
        assert_eq!(yes.summary.outcome, Outcome::Succeeded, "{name}: {}", yes.cause());
        never_had_less_than_they_had_together(&scene, &yes, name);
        assert_eq!((scene.size("shop__2"), scene.size("shop__6")), (Some((9, 9, 18)), Some((0, 0, 0))), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_with_an_inspection_takes_the_candidate_out_of_production_first() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = strategy.scene();
        let mut document = strategy.document(&scene);
        document["rollback"] = json!({ "approval": { "timeoutMinutes": 30 } });
        let inspected: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
        let (sim, seen) = (scene.sim.clone(), inspected.clone());
        let targets = [scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone()];
        let route = scene.shop.route().to_owned();
        let see = move |happening: &Happening| {
            if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Inspect")) {
                let world = sim.world();
                let served: usize = world
                    .weights(&route)
                    .iter()
                    .filter(|(_, weight)| *weight > 0)
                    .map(|(arn, _)| world.healthy_of("shop__7", arn))
                    .sum();
                let there = targets.iter().map(|arn| world.healthy_of("shop__6", arn)).sum();
                seen.lock().expect("nobody panicked").push((served, there));
            }
        };
        let ended = scene.watched("no", &document, Box::new(|_| REJECT), see).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        assert_eq!(*inspected.lock().expect("nobody panicked"), [(0, 4)], "{name}");
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn workers_behind_no_load_balancer_are_replaced_by_their_life_cycle_alone() {
    let scene = Scene::new(laid_out(Layout::Attached));
    let production = std::slice::from_ref(&scene.shop.target_group_a);
    scene.world().detach("shop__6", production, Via::TargetGroups).expect("it is attached");
    scene.sim.clock.sleep(Duration::from_secs(60)).await;
    let document = scene.document_with(|d| d["routing"] = json!("none"));
    let ended = scene.play("workers", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(scene.size("shop__7"), Some((4, 4, 8)));
    assert_eq!(scene.world().group_view("shop__7").expect("it exists").target_groups, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn c2_a_verification_of_nothing_is_refused_with_a_clear_message() {
    let scene = Scene::new(laid_out(Layout::Attached));
    let stages = json!([
        { "upscale": { "percent": 100 } },
        { "verify": { "minutes": 15 } },
        { "downsize": { "percent": 100 } },
    ]);
    let ended =
        scene.play("verify", &scene.document_with(|d| d["strategy"] = json!({ "stages": stages })), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    for part in ["strategy.stages[1].verify: there is nothing to look at", "verification.checks"] {
        assert!(ended.cause().contains(part), "{}", ended.cause());
    }
    scene.is_as_before();
}
