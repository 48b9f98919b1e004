//! One owner, and hands off what is not ours: G3, P1, P46, P50, P51, P58.

use std::sync::Arc;
use std::time::Duration;

use crossfade_aws::{Holder, Item, Locked, Table};
use crossfade_core::Kind;
use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, StepFunctions};
use crossfade_sim::world::World;
use crossfade_sim::world::sample::ShopOptions;
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::json;

const INFRASTRUCTURE: &str = "shop/production/shop-base";

fn table(scene: &Scene) -> Table {
    Table::new(&scene.sim.sdk_config_for("test"), crossfade_local::TABLE)
}

async fn taken(table: &Table, deployment: &str) -> Holder {
    match table.take_lock(INFRASTRUCTURE, deployment, None, u64::MAX / 2).await.expect("the table answers") {
        Locked::Taken(holder) => holder,
        Locked::Held(lock) => panic!("it is held: {lock:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn g3_a_second_deployment_of_the_same_infrastructure_is_refused_and_told_who_holds_it() {
    let scene = Scene::new(ShopOptions::default());
    let (sim, machine, document) = (scene.sim.clone(), scene.installation.deploy_arn.clone(), scene.document());
    let second = document.clone();
    let started = Arc::new(std::sync::Mutex::new(None));
    let told = started.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
            let arn = StepFunctions::start(&sim, &machine, Some("second"), &second).expect("it starts");
            *told.lock().expect("nobody panicked") = Some(arn);
        }
    };
    let ended = scene.watched("first", &document, Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "the first goes on undisturbed");
    let arn = started.lock().expect("nobody panicked").clone().expect("the second was started");
    let Some(ExecutionOutcome::Failed { error, cause }) = scene.sim.step_functions().wait_for(&arn).await else {
        panic!("the second should fail");
    };
    assert_eq!(error.as_deref(), Some("FailedClean"));
    let cause = cause.unwrap_or_default();
    assert!(cause.contains("is being deployed by first"), "{cause}");
    assert_eq!(scene.world().group_view("shop__8"), None);
}

#[tokio::test(start_paused = true)]
async fn g3_another_infrastructure_definition_is_deployed_at_the_same_time() {
    // Two definitions over the same base: another environment is another series, with a lock and a router of its own.
    let mut scene = Scene::new(ShopOptions::default());
    let rule = scene.add_route("staging", true);
    let (sim, machine) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
    let other = scene.document_with(|d| {
        d["environment"] = json!("staging");
        d["compute"]["autoScalingGroup"]["name"] = json!("staging");
        d["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": {"min": 1, "desired": 2, "max": 4}});
        d["routing"] = json!({ "weighted": [rule] });
        d["strategy"] = json!({ "blueGreenShift": {} });
    });
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Upscale")) {
            StepFunctions::start(&sim, &machine, Some("other"), &other).expect("it starts");
        }
    };
    let ended = scene.watched("first", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let executions = scene.sim.step_functions().executions();
    let [first, other] =
        ["first", "other"].map(|name| executions.iter().find(|e| e.name == name).expect("it was started"));
    let outcome = scene.sim.step_functions().wait_for(&other.arn).await;
    assert!(matches!(outcome, Some(ExecutionOutcome::Succeeded(_))), "{outcome:?}");
    assert!(other.start_millis < first.stop_millis.expect("it ended"), "they ran at the same time");
    assert_eq!(scene.size("staging__1"), Some((1, 2, 4)), "a series of its own");
    assert_eq!(scene.size("shop__7"), Some((4, 4, 8)));
    scene.holds_no_lock();
}

#[tokio::test(start_paused = true)]
async fn p50_fences_only_rise_and_a_stale_owner_can_write_nothing() {
    let scene = Scene::new(ShopOptions::default());
    let table = table(&scene);
    let old = taken(&table, "old").await;
    let lock = table.lock(INFRASTRUCTURE).await.expect("the table answers");
    let Locked::Taken(new) = table.take_lock(INFRASTRUCTURE, "new", Some(&lock), 1).await.expect("it answers") else {
        panic!("the lock was as it was seen");
    };
    assert!(new.fence > old.fence);
    let item = Item::new("deployment#old".into(), "meta", json!({"stale": true}));
    let failure = table.write(&old, 1, std::slice::from_ref(&item)).await.expect_err("the fence refuses it");
    assert_eq!(failure.kind, Kind::FenceLost);
    assert!(failure.message.contains("held by new"), "{failure}");
    assert_eq!(table.get("deployment#old", "meta").await.expect("it answers"), None, "nothing of it was written");

    table.release(&new, &[]).await.expect("its owner may");
    let again = taken(&table, "third").await;
    assert!(again.fence > new.fence, "a fence is never given out twice");
    assert_eq!(table.release(&new, &[]).await.expect_err("twice is too late").kind, Kind::FenceLost);
}

#[tokio::test(start_paused = true)]
async fn a_lock_taken_twice_by_the_same_deployment_is_one_lock() {
    let scene = Scene::new(ShopOptions::default());
    let table = table(&scene);
    assert_eq!(taken(&table, "me").await, taken(&table, "me").await);
}

#[tokio::test(start_paused = true)]
async fn p50_p51_an_expired_lease_is_taken_over_only_from_who_changed_nothing() {
    // Somebody died while preparing: nothing was changed, so the next one takes over.
    let scene = Scene::new(ShopOptions::default());
    let table = table(&scene);
    table.take_lock(INFRASTRUCTURE, "dead", None, 1).await.expect("the table answers");
    let before = table.lock(INFRASTRUCTURE).await.expect("it answers").fence;
    scene.succeed("next").await.lost_nothing();
    assert!(table.lock(INFRASTRUCTURE).await.expect("it answers").fence > before);

    // Somebody died half-way: that has to be rolled back first.
    let scene = Scene::new(ShopOptions::default());
    let (sim, arn) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
    let execution = StepFunctions::start(&sim, &arn, Some("dead"), &scene.document()).expect("it starts");
    scene.sim.clock.sleep(Duration::from_secs(90)).await;
    stop(&scene, &execution).await;
    scene.sim.clock.sleep(Duration::from_secs(3 * 3600)).await;
    let ended = scene.play("next", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("crossfade rollback dead"), "{}", ended.cause());

    let rollback =
        StepFunctions::start(&sim, &scene.installation.rollback_arn, Some("dead"), &json!({"deploymentId": "dead"}));
    let ended = sim.step_functions().wait_for(&rollback.expect("it starts")).await;
    assert!(matches!(ended, Some(ExecutionOutcome::Succeeded(_))), "{ended:?}");
    scene.is_as_before();
    scene.succeed("after").await.lost_nothing();
}

async fn stop(scene: &Scene, execution: &str) {
    let arguments = json!({ "executionArn": execution });
    let request = crossfade_sim::Request::json(crossfade_sim::Service::StepFunctions, "StopExecution", arguments);
    let answer = scene.sim.handle(request).await.expect("it answers");
    assert_eq!(answer.status, 200);
}

/// Plays the usual deployment while somebody interferes at a stage.
async fn interfered(scene: &Scene, at: &'static str, mut hand: impl FnMut(&mut World) + Send + 'static) -> Ended {
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with(at)) {
            hand(&mut sim.world());
        }
    };
    scene.watched("interfered", &scene.document(), Box::new(|_| APPROVE), see).await
}

#[tokio::test(start_paused = true)]
async fn p46_weights_that_somebody_set_away_from_the_candidate_stay_and_the_candidate_goes() {
    let scene = Scene::new(ShopOptions::default());
    let (route, a, b) =
        (scene.shop.route().to_owned(), scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    let ended = interfered(&scene, "Approve", move |world| {
        world.set_weights(&route, &[(&a, 7), (&b, 0)]);
    })
    .await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("Somebody changed them"), "{}", ended.cause());
    assert_eq!(scene.weights(), (7, 0), "never overwritten");
    let last = ended.log.last().map(String::as_str).unwrap_or_default();
    assert!(last.contains("are shop-a 7 : shop-b 0, they were"), "{last}");
    assert_eq!(scene.world().group_view("shop__7"), None);
    assert_eq!(scene.size("shop__6"), Some((4, 4, 8)));
    ended.lost_nothing();
    scene.holds_no_lock();
}

#[tokio::test(start_paused = true)]
async fn p46_weights_that_somebody_set_towards_the_candidate_stay_and_so_does_the_candidate() {
    let scene = Scene::new(ShopOptions::default());
    let (route, a, b) =
        (scene.shop.route().to_owned(), scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    let ended = interfered(&scene, "Approve", move |world| {
        world.set_weights(&route, &[(&a, 60), (&b, 40)]);
    })
    .await;
    assert_eq!(ended.summary.outcome, Outcome::FailedDirty);
    assert_eq!(scene.weights(), (60, 40), "never overwritten");
    assert_eq!(scene.size("shop__7").map(|(_, desired, _)| desired), Some(4), "it has traffic");
    ended.lost_nothing();
    let meta = scene.installation.record("deployment#interfered", "meta").expect("it is recorded");
    let cause = meta["failure"]["cause"].as_str().unwrap_or_default();
    for left in [
        "shop__7 exists, with 4",
        "are shop-a 60 : shop-b 40, they were shop-a 100 : shop-b 0",
        "The deployment had failed with Drifted",
    ] {
        assert!(cause.contains(left), "{left:?} is missing in {cause}");
    }
    let told = |scene: &Scene| {
        let topics = scene.sim.topics();
        topics.published().iter().any(|m| m.subject.as_deref().is_some_and(|s| s.ends_with("FAILED DIRTY")))
    };
    assert!(told(&scene));

    // Repaired and asked again, it goes on to the end.
    let (a, b) = (scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    scene.world().set_weights(scene.shop.route(), &[(&a, 100), (&b, 0)]);
    let input = json!({"deploymentId": "interfered"});
    let again = StepFunctions::start(&scene.sim, &scene.installation.rollback_arn, Some("interfered-2"), &input);
    let ended = scene.sim.step_functions().wait_for(&again.expect("it starts")).await;
    assert!(matches!(ended, Some(ExecutionOutcome::Succeeded(_))), "{ended:?}");
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn p46_traffic_that_somebody_sends_to_the_candidate_before_any_shift_keeps_it() {
    let scene = Scene::new(ShopOptions::default());
    let (route, a, b) =
        (scene.shop.route().to_owned(), scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        // The candidate is up and healthy, but the plan has not shifted anything yet.
        if matches!(&happening.what, What::StageHeld { name, .. } if name.starts_with("Upscale")) {
            sim.world().set_weights(&route, &[(&a, 70), (&b, 30)]);
        }
    };
    let ended = scene.watched("early", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedDirty, "{}", ended.cause());
    assert_eq!(scene.weights(), (70, 30), "never overwritten");
    assert_eq!(scene.size("shop__7").map(|(_, desired, _)| desired), Some(4), "it has traffic");
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_rollback_without_the_lock_takes_it_or_says_who_has_it_but_never_claims_to_be_done() {
    let scene = Scene::new(ShopOptions::default());
    let (sim, arn) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
    let execution = StepFunctions::start(&sim, &arn, Some("dead"), &scene.document()).expect("it starts");
    scene.sim.clock.sleep(Duration::from_secs(90)).await;
    stop(&scene, &execution).await;
    // Somebody cleared the lock by hand.
    let table = table(&scene);
    let lock = table.lock(INFRASTRUCTURE).await.expect("it answers");
    let holder = Holder { infrastructure: INFRASTRUCTURE.into(), deployment: "dead".into(), fence: lock.fence };
    table.release(&holder, &[]).await.expect("it was held");
    let other = taken(&table, "other").await;

    let roll_back = async |name: &str| {
        let input = json!({"deploymentId": "dead"});
        let arn = StepFunctions::start(&sim, &scene.installation.rollback_arn, Some(name), &input).expect("it starts");
        sim.step_functions().wait_for(&arn).await.expect("it ends")
    };
    let held = roll_back("dead").await;
    assert!(
        matches!(&held, ExecutionOutcome::Failed { cause: Some(cause), .. } if cause.contains("held by deployment other")),
        "{held:?}"
    );
    assert!(scene.world().group_view("shop__7").is_some(), "nothing was undone, and nothing else was claimed");

    table.release(&other, &[]).await.expect("it was held");
    assert!(matches!(roll_back("dead-2").await, ExecutionOutcome::Succeeded(_)));
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_somebody_deletes_ends_clean() {
    let scene = Scene::new(ShopOptions::default());
    let ended = interfered(&scene, "Upscale", |world| {
        world.set_tag("shop__7", "crossfade:deployment", Some("somebody")).expect("a tag can be set");
    })
    .await;
    assert_ne!(ended.summary.outcome, Outcome::Succeeded);
    assert!(ended.cause().contains("is not tagged as belonging"), "{}", ended.cause());
    ended.lost_nothing();
    assert!(scene.world().group_view("shop__7").is_some(), "what is not ours any more is not deleted");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_somebody_resizes_while_it_comes_up_is_noticed() {
    let scene = Scene::new(ShopOptions::default());
    let ended = interfered(&scene, "Approve", |world| {
        world.resize("shop__7", 1, 8, 1).expect("a person may");
    })
    .await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("healthy in shop-b"), "the guard stops the next shift: {}", ended.cause());
    ended.lost_nothing();
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn p58_an_execution_that_wakes_up_after_the_rollback_is_refused_by_its_fence() {
    let scene = Scene::new(ShopOptions::default());
    let ended = scene.play("first", &scene.document(), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    scene.is_as_before();
    // What a redrive or a late Lambda would do: run a step again with the state that it had then.
    let executions = scene.sim.step_functions().executions();
    let history = scene.sim.step_functions().history(&executions[0].arn);
    let input = history
        .iter()
        .find_map(|event| match &event.event {
            crossfade_asl::Event::StateEntered { name, input, .. } if name == "Upscale" => Some(input.clone()),
            _ => None,
        })
        .expect("it was upscaled");
    let functions = scene.sim.functions();
    let answer = functions.invoke("upscale", input).await;
    let text = format!("{answer:?}");
    assert!(text.contains("Drifted") || text.contains("FenceLost"), "{text}");
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn two_accounts_of_the_same_seed_tell_the_same_story() {
    let tell = async |seed| {
        let scene = Scene::seeded(seed, ShopOptions::default());
        let ended = scene.succeed("same").await;
        (ended.happenings, ended.summary)
    };
    let one = tell(1).await;
    assert_eq!(one, tell(1).await);
    assert_ne!(one, tell(2).await, "the seed decides something");
}
