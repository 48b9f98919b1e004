//! Freezes: somebody stops the line. Nothing new begins, what runs goes on, going back stays possible, and an emergency says why.

use std::time::Duration;

use crossfade_core::freeze::{Freeze, Window};
use crossfade_local::Outcome;
use crossfade_sim::world::sample::ShopOptions;
use crossfade_steps::{Context, freeze, freezes, preview, unfreeze};
use crossfade_tests::machinery::{approve, asked, deploy, end, meta};
use crossfade_tests::{APPROVE, Scene};
use serde_json::json;

fn context(scene: &Scene) -> Context {
    scene.installation.context("operator", Duration::ZERO)
}

async fn frozen(scene: &Scene, environment: Option<&str>, lasts: Option<u64>) {
    let since_millis = scene.sim.clock.now_millis();
    let (by, comment) = (Some("ann".into()), Some("incident 42".into()));
    let until_millis = lasts.map(|lasts| since_millis + lasts);
    let environment = environment.map(str::to_owned);
    let stopped = Freeze { environment, by, comment, since_millis, until_millis, window: None };
    freeze(&context(scene), &stopped).await.expect("it can be written down");
}

#[tokio::test(start_paused = true)]
async fn g3_a_frozen_environment_takes_no_deployment_and_says_who_and_why() {
    let scene = Scene::new(ShopOptions::default());
    for environment in [Some("production"), None] {
        frozen(&scene, environment, None).await;
        let name = if environment.is_some() { "one" } else { "two" };
        let ended = scene.play(name, &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean);
        assert!(ended.cause().contains("is frozen by ann: incident 42. Nothing was touched."), "{}", ended.cause());
        assert_eq!(meta(&scene, name)["failure"]["error"], "Frozen");
        scene.is_as_before();
        let refused = preview(&scene.document(), &context(&scene)).await.expect_err("it would be refused");
        assert_eq!(refused.kind.name(), "Frozen");
        assert!(unfreeze(&context(&scene), environment, None).await.expect("it can be taken away").is_some());
    }
    assert_eq!(freezes(&context(&scene)).await, Ok(Vec::new()));
    frozen(&scene, Some("staging"), None).await;
    scene.succeed("three").await.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_runs_goes_on_and_a_freeze_ends_by_itself() {
    let scene = Scene::new(ShopOptions::default());
    let execution = deploy(&scene, "one", &scene.document());
    let token = asked(&scene, "one").await;
    frozen(&scene, None, Some(3_600_000)).await;
    approve(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["status"], "succeeded");
    let ended = scene.play("two", &scene.document(), APPROVE).await;
    assert!(ended.cause().contains("It goes on by itself in"), "{}", ended.cause());
    scene.sim.clock.sleep(Duration::from_secs(3600)).await;
    scene.succeed("three").await.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn g7_going_back_is_always_possible_and_an_emergency_gets_through_and_is_told() {
    let scene = Scene::new(ShopOptions::default());
    frozen(&scene, Some("production"), None).await;
    let urgent = scene.document_with(|document| document["duringFreeze"] = json!("the repair of incident 42"));
    let ended = scene.play("one", &urgent, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let told = "Deployed although production is frozen by ann: incident 42. Because: the repair of incident 42";
    assert!(ended.log.iter().any(|line| line == told), "{:#?}", ended.log);
    let back = scene.document_with(|document| document["artifact"] = json!({ "revision": 6 }));
    let ended = scene.play("two", &back, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn g3_hours_that_come_again_are_frozen_beside_what_somebody_has_stopped() {
    let scene = Scene::new(ShopOptions::default());
    let now = scene.sim.clock.now_millis();
    let clock = |millis: u64| format!("{:02}:{:02}", millis / 3_600_000 % 24, millis / 60_000 % 60);
    let hours = |from: u64, to: u64| Window::new(&format!("{}-{}", clock(from), clock(to)), "UTC").expect("it is one");
    let (open, closed) = (hours(now - 3_600_000, now + 3_600_000), hours(now + 3 * 3_600_000, now + 5 * 3_600_000));
    for window in [&open, &closed] {
        let (environment, by, window) = (Some("production".into()), Some("ann".into()), Some(window.clone()));
        let stopped = Freeze { environment, by, comment: None, since_millis: now, until_millis: None, window };
        freeze(&context(&scene), &stopped).await.expect("it can be written down");
    }
    let ended = scene.play("one", &scene.document(), APPROVE).await;
    let said = format!("production is frozen in the hours {open} by ann. Nothing was touched. It goes on by itself in");
    assert!(ended.cause().to_lowercase().contains(&said.to_lowercase()), "{}", ended.cause());
    scene.is_as_before();
    assert_eq!(
        unfreeze(&context(&scene), Some("production"), None).await,
        Ok(None),
        "nobody has stopped it as a whole"
    );
    assert!(unfreeze(&context(&scene), Some("production"), Some(&open)).await.expect("it can be taken away").is_some());
    assert_eq!(freezes(&context(&scene)).await.expect("they are there").len(), 1);
    scene.succeed("two").await.lost_nothing();
}
