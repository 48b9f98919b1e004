//! Behind Network Load Balancers: listeners share out connections, which stay where they were opened, and nodes follow new weights only
//! after minutes.

use crossfade_local::Outcome;
use crossfade_local::watch::What;
use crossfade_sim::world::sample::{AlsoForwards, Balancer, NewImage, ShopOptions};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::json;

/// The strategies that steer listeners.
fn steering() -> impl Iterator<Item = &'static Strategy> {
    STRATEGIES.iter().filter(|it| matches!(it.name, "shift" | "listener swap"))
}

/// The shop of a strategy behind a network load balancer.
fn behind_network(strategy: &Strategy) -> ShopOptions {
    ShopOptions { balancer: Balancer::Network, ..strategy.options() }
}

/// When a stage began, in seconds.
fn begun(ended: &Ended, name: &str) -> Option<f64> {
    ended.happenings.iter().find_map(|it| match &it.what {
        What::StageStarted { name: began, .. } if began.starts_with(name) => Some(it.at_seconds),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn s1_p74_p102_traffic_behind_a_network_load_balancer_moves_and_loses_no_connection() {
    for strategy in steering() {
        for (seed, answer, outcome) in
            [(1, APPROVE, Outcome::Succeeded), (2, APPROVE, Outcome::Succeeded), (3, REJECT, Outcome::FailedClean)]
        {
            let scene = Scene::seeded(seed, behind_network(strategy));
            let ended = scene.play("network", &strategy.document(&scene), answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            scene.never_had_less_than(4.0, strategy.name);
            match answer {
                APPROVE => assert_eq!(scene.size("shop__6"), Some((0, 0, 0)), "{}", strategy.name),
                _ => scene.is_as_before(),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p102_the_old_fleet_keeps_its_instances_until_new_connections_have_followed() {
    for strategy in steering() {
        let scene = Scene::new(behind_network(strategy));
        let ended = scene.play("patient", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}: {}", strategy.name, ended.cause());
        let (drains, shrinks) =
            (begun(&ended, "Drain").expect("it drains"), begun(&ended, "Downsize").expect("it shrinks"));
        assert!(shrinks - drains >= 595.0, "{}: after {} s", strategy.name, shrinks - drains);
    }
}

#[tokio::test(start_paused = true)]
async fn p74_nobody_is_asked_about_traffic_that_has_not_arrived() {
    let shift = &STRATEGIES[2];
    let scene = Scene::new(behind_network(shift));
    let ended = scene.play("asked", &shift.document(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let (shifted, asked) =
        (begun(&ended, "Shift 10 %").expect("it shifts"), begun(&ended, "Approve").expect("it asks"));
    assert!(asked - shifted >= 600.0, "after {} s", asked - shifted);
    // Behind an application load balancer it is asked at once.
    let ended = shift.scene().play("asked", &shift.document(&shift.scene()), APPROVE).await;
    let (shifted, asked) =
        (begun(&ended, "Shift 10 %").expect("it shifts"), begun(&ended, "Approve").expect("it asks"));
    assert!(asked - shifted < 60.0, "after {} s", asked - shifted);
}

#[tokio::test(start_paused = true)]
async fn images_that_never_serve_behind_a_network_load_balancer_leave_everything_as_it_was() {
    for strategy in steering() {
        for new_image in [NewImage::Unhealthy, NewImage::NoCapacity, NewImage::Slow] {
            let scene = Scene::new(ShopOptions { new_image, ..behind_network(strategy) });
            let ended = scene.play("ill", &strategy.document(&scene), APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            scene.is_as_before();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_fleets_share_a_target_group_connections_end_with_the_delay_and_that_is_said() {
    for strategy in STRATEGIES.iter().filter(|it| matches!(it.name, "basic" | "canary" | "swap")) {
        let scene = Scene::new(ShopOptions { deregistration_seconds: 60, ..behind_network(strategy) });
        let ended = scene.play("shared", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}: {}", strategy.name, ended.cause());
        ended.lost_nothing();
        let said = "Those still open 60 s after what serves them was to leave are cut off";
        assert!(ended.log.iter().any(|line| line.contains(said)), "{:#?}", ended.log);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_outlive_the_drain_are_spoken_of_in_the_plan() {
    let scene = Scene::new(behind_network(&STRATEGIES[2]));
    let ended = scene.play("told", &scene.document(), APPROVE).await;
    let said = "Those still open 630 s after the last shift (600 s, and the deregistration delay) are cut off";
    assert!(ended.log.iter().any(|line| line.contains(said)), "{:#?}", ended.log);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_shorter_than_a_network_load_balancer_takes_is_refused() {
    let scene = Scene::new(behind_network(&STRATEGIES[2]));
    let document = scene.document_with(|d| d["timeouts"] = json!({ "drainMinutes": 9 }));
    let ended = scene.play("hasty", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    for words in ["Network Load Balancer 600 s", "timeouts.drainMinutes = 9"] {
        assert!(ended.cause().contains(words), "{words:?} is missing in: {}", ended.cause());
    }
    assert_eq!(ended.summary.mutating_calls, 0);
}

#[tokio::test(start_paused = true)]
async fn another_listener_of_a_network_load_balancer_that_reaches_a_side_is_refused() {
    for also in [AlsoForwards::Rule, AlsoForwards::Listener, AlsoForwards::RuleToStage] {
        let scene = Scene::new(ShopOptions { also_forwards: Some(also), ..behind_network(&STRATEGIES[2]) });
        let ended = scene.play("unnamed", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        assert!(ended.cause().contains("routing does not name it"), "{}", ended.cause());
        scene.is_as_before();
    }
}

/// A pause that the document asks for counts, so that nobody waits twice.
#[tokio::test(start_paused = true)]
async fn a_pause_that_is_long_enough_is_not_lengthened() {
    let scene = Scene::new(behind_network(&STRATEGIES[2]));
    let document = scene.document_with(|d| {
        let all = json!({ "percent": 100 });
        let stages = json!([
            { "upscale": all }, { "shift": { "percent": 50 } }, { "pause": { "seconds": 400 } }, { "approve": {} },
            { "shift": all }, { "pause": { "seconds": 900 } }, { "approve": {} }, { "downsize": all }
        ]);
        d["strategy"] = json!({ "stages": stages });
    });
    let ended = scene.play("paused", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let pauses = ended.happenings.iter().filter_map(|it| match &it.what {
        What::StageStarted { name, .. } if name.starts_with("Pause") || name.starts_with("Settle") => {
            Some(name.as_str())
        }
        _ => None,
    });
    assert_eq!(pauses.collect::<Vec<_>>(), ["Pause 400 s", "Settle 200 s", "Pause 900 s"]);
    ended.lost_nothing();
}
