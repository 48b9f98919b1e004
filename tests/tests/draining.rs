//! Draining is as long as the load balancer's nodes take to follow, however short a deregistration delay is; and where fleets share
//! target groups, so that only AWS's delay is there, one that cuts requests off is refused or told.

use crossfade_local::Outcome;
use crossfade_sim::world::sample::ShopOptions;
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, REJECT, Scene};

/// The shop of a strategy with a short deregistration delay, and nodes that follow changes 3 to 15 s later.
fn hasty(strategy: &Strategy, seed: u64, deregistration_seconds: u64) -> Scene {
    let options = ShopOptions { deregistration_seconds, slow_nodes: true, ..strategy.options() };
    Scene::seeded(seed, options)
}

fn moves(strategy: &Strategy) -> bool {
    matches!(strategy.name, "shift" | "listener swap")
}

#[tokio::test(start_paused = true)]
async fn nodes_that_follow_late_lose_nothing_however_short_the_delay() {
    for strategy in STRATEGIES.iter().filter(|it| moves(it)) {
        for (seed, delay) in [(1, 0), (2, 1), (3, 5), (4, 10)] {
            for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
                let scene = hasty(strategy, seed, delay);
                let ended = scene.play("hasty", &strategy.document(&scene), answer).await;
                assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
                ended.lost_nothing();
                if answer == APPROVE {
                    let drained = "60 s after the last shift";
                    assert!(ended.log.iter().any(|line| line.contains(drained)), "{:#?}", ended.log);
                } else {
                    scene.is_as_before();
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_of_nothing_is_refused_where_fleets_share_target_groups() {
    for strategy in STRATEGIES.iter().filter(|it| !moves(it)) {
        let scene = hasty(strategy, 1, 0);
        let ended = scene.play("refused", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
        for words in ["shop-a has a deregistration delay of 0 s", "Set deregistration_delay.timeout_seconds to 30"] {
            assert!(ended.cause().contains(words), "{words:?} is missing in: {}", ended.cause());
        }
        assert_eq!(ended.summary.mutating_calls, 0, "nothing may be touched");
        scene.is_as_before();
        assert_eq!(scene.world().traffic().totals.lost, 0);
    }
}

/// With weights all versions that serve leave together, after their side has drained.
#[tokio::test(start_paused = true)]
async fn with_weights_a_delay_of_nothing_cuts_nobody_off_however_many_versions_serve() {
    let also_running = vec![(5, 2)];
    let scene = Scene::new(ShopOptions { deregistration_seconds: 0, also_running, ..ShopOptions::default() });
    let ended = scene.play("together", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    for fleet in ["shop__5", "shop__6"] {
        assert_eq!(
            scene.world().group_view(fleet).map(|view| (view.desired, view.in_service)),
            Some((0, 0)),
            "{fleet}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_delay_is_told_there() {
    for strategy in STRATEGIES {
        let scene = hasty(&strategy, 1, 5);
        let ended = scene.play("short", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}: {}", strategy.name, ended.cause());
        ended.lost_nothing();
        let told = ended.log.iter().any(|line| line.contains("shop-a has a deregistration delay of less than 15 s"));
        assert_eq!(told, !moves(&strategy), "{}: {:#?}", strategy.name, ended.log);
    }
}
