//! Deployments that are refused before anything is touched.

use std::time::Duration;

use crossfade_core::Kind;
use crossfade_core::freeze::Freeze;
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::world::sample::{ShopOptions, publish};
use crossfade_steps::{Context, freeze, preview};
use crossfade_tests::machinery::{asked, deploy, meta, reject, stop};
use crossfade_tests::{APPROVE, Scene};
use serde_json::{Value, json};

use crate::{AT_ONCE, ONE, interfered, shown, why};

/// The deployment that comes second.
const TWO: &str = "shop-8";

fn ann(scene: &Scene) -> Context {
    scene.installation.context("ann", Duration::ZERO)
}

/// What is said of a document that is refused.
async fn refused(scene: &Scene, document: &Value) -> String {
    let ended = scene.play(ONE, document, APPROVE).await;
    assert_eq!((ended.summary.outcome, ended.summary.mutating_calls), (Outcome::FailedClean, 0), "{}", ended.cause());
    scene.is_as_before();
    ended.cause().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_a_bad_document() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|document| {
        document.as_object_mut().map(|document| document.remove("environment"));
        document["timeouts"] = json!({ "steadyStateMinutes": 0 });
    });
    shown(Kind::InvalidDocument, "InvalidDocument", &refused(&scene, &document).await);
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_stands_in_the_way() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|document| {
        document["compute"]["autoScalingGroup"]["base"] = json!("shop-bass");
        document["artifact"]["ami"] = json!("ami-0a11ce000000deaad");
    });
    let said = refused(&scene, &document).await;
    assert_eq!(said, why(&scene, ONE, Kind::PreflightFailed));
    shown(Kind::PreflightFailed, "PreflightFailed", &said);

    let scene = Scene::new(ShopOptions::default());
    publish(&scene.sim, &scene.shop);
    scene.sim.stacks().set_status("shop-production", "UPDATE_IN_PROGRESS");
    let rule = json!({ "fromCloudFormation": { "stack": "shop-production", "output": "RuleArn" } });
    let document = scene.document_with(|document| document["routing"] = json!({ "weighted": [rule] }));
    shown(Kind::PreflightFailed, "PreflightFailed: references", &refused(&scene, &document).await);
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_while_the_line_is_stopped() {
    let scene = Scene::new(ShopOptions::default());
    let stopped = Freeze {
        environment: Some("production".into()),
        by: Some("ann".into()),
        comment: Some("incident 42".into()),
        since_millis: scene.sim.clock.now_millis(),
        until_millis: None,
        window: None,
    };
    freeze(&ann(&scene), &stopped).await.expect("it can be written down");
    let said = refused(&scene, &scene.document()).await;
    assert_eq!(said, why(&scene, ONE, Kind::Frozen));
    shown(Kind::Frozen, "Frozen", &said);
}

/// What is said to a second deployment of the same.
async fn second(scene: &Scene) -> String {
    scene.play(TWO, &scene.document(), Answer::Nothing).await;
    why(scene, TWO, Kind::LockHeld)
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_a_deployment_that_holds_the_lock() {
    // It runs; then it is being rolled back, and somebody looks at what is left of it.
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|document| document["rollback"] = json!({ "approval": {} }));
    deploy(&scene, ONE, &document);
    let token = asked(&scene, ONE).await;
    let runs = second(&scene).await;
    reject(&scene.sim, &token).await.expect("it is open");
    while meta(&scene, ONE)["status"] != "rollingBack" {
        scene.sim.clock.sleep(Duration::from_secs(1)).await;
    }
    scene.play("shop-9", &scene.document(), Answer::Nothing).await;
    let goes_back = why(&scene, "shop-9", Kind::LockHeld);

    let scene = Scene::new(ShopOptions::default());
    let (on, a, b) =
        (scene.shop.route().to_owned(), scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    let splits = move |world: &mut crossfade_sim::world::World| assert!(world.set_weights(&on, &[(&a, 70), (&b, 30)]));
    let ended = interfered(&scene, &scene.document(), ("Approve", AT_ONCE), splits).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedDirty, "{}", ended.cause());
    let stuck = second(&scene).await;

    // Its execution is stopped by hand: first nobody has noticed, then its lease has run out.
    let scene = Scene::new(ShopOptions::default());
    let execution = deploy(&scene, ONE, &scene.document());
    asked(&scene, ONE).await;
    stop(&scene.sim, &execution, json!({})).await;
    let stopped = preview(&scene.document(), &ann(&scene)).await.expect_err("it is in the way");
    assert_eq!(stopped.kind, Kind::LockHeld);
    scene.sim.clock.sleep(Duration::from_secs(2 * 24 * 3600)).await;
    let dead = second(&scene).await;
    let all = [runs, goes_back, stuck, dead, stopped.message];
    shown(Kind::LockHeld, "LockHeld", &all.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_switches_that_another_definition_steers() {
    let scene = Scene::new(ShopOptions::default());
    let evil = scene.document_with(|document| {
        document["service"] = json!("evil");
        document["compute"]["autoScalingGroup"]["name"] = json!("evil");
        document["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": { "desired": 2, "max": 4 } });
    });
    let (sim, machine) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Upscale")) {
            StepFunctions::start(&sim, &machine, Some(TWO), &evil).expect("it starts");
        }
    };
    scene.watched(ONE, &scene.document(), Box::new(|_| APPROVE), see).await.lost_nothing();
    shown(Kind::LockHeld, "LockHeld: another definition", &why(&scene, TWO, Kind::LockHeld));
}
