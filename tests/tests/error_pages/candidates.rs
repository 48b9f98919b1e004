//! Candidates that do not come up, are not good, or die; and what people and hooks say of them.

use std::sync::Arc;
use std::time::Duration;

use crossfade_core::Kind;
use crossfade_local::Answer;
use crossfade_local::watch::{Happening, What};
use crossfade_rehearse::dies;
use crossfade_rehearse::drive::sweep_regularly;
use crossfade_sim::Sim;
use crossfade_sim::lambda::Invocation;
use crossfade_sim::world::sample::{NewImage, PAGER, ShopOptions};
use crossfade_sim::world::{HookAnswer, State, World};
use crossfade_tests::machinery::{asked, deploy, end, schedule, sweep};
use crossfade_tests::{APPROVE, SMOKE, Scene};
use serde_json::{Value, json};

use crate::{AT_ONCE, ONE, crossfade, interfered, shown, why};

/// A shop with a life-cycle hook that nobody answers.
fn held() -> Scene {
    let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
    scene.world().answer_hooks("shop__7", HookAnswer::Never);
    scene
}

fn with(new_image: NewImage, grace_seconds: u32) -> Scene {
    Scene::new(ShopOptions { new_image, grace_seconds, ..ShopOptions::default() })
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_a_fleet_that_cannot_be_launched() {
    for (scene, block) in [
        (with(NewImage::NoCapacity, 240), "LaunchFailed"),
        (with(NewImage::Unhealthy, 240), "LaunchFailed: replaced"),
        (held(), "LaunchFailed: given up"),
    ] {
        scene.play(ONE, &scene.document(), APPROVE).await.lost_nothing();
        shown(Kind::LaunchFailed, block, &why(&scene, ONE, Kind::LaunchFailed));
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_a_fleet_that_does_not_become_steady() {
    let mut said = Vec::new();
    for (scene, minutes) in [(held(), 5), (with(NewImage::Unhealthy, 7200), 20)] {
        let document = scene.document_with(|document| document["timeouts"] = json!({ "steadyStateMinutes": minutes }));
        scene.play(ONE, &document, APPROVE).await.lost_nothing();
        said.push(why(&scene, ONE, Kind::SteadyStateTimeout));
    }
    shown(Kind::SteadyStateTimeout, "SteadyStateTimeout", &said.join("\n"));
}

/// Lets so many instances of the candidate fall ill, and whatever is launched of its image from now on.
fn sickens(scene: &Scene, how_many: usize) -> impl FnOnce(&mut World) + Send + 'static {
    let image = scene.shop.new_ami.clone();
    move |world| {
        world.image_mut(&image).expect("it exists").behaviour.passes_health_checks = false;
        for instance in world.instances_of("shop__7").iter().take(how_many) {
            assert!(world.sicken_instance(instance), "it runs");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_where_capacity_is_missing() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document();
    interfered(&scene, &document, ("Approve", AT_ONCE), sickens(&scene, 3)).await.lost_nothing();
    let shift = why(&scene, ONE, Kind::CapacityGuard);

    let scene = Scene::new(ShopOptions::default());
    interfered(&scene, &document, ("Drain", AT_ONCE), sickens(&scene, 1)).await.lost_nothing();
    let downsize = why(&scene, ONE, Kind::CapacityGuard);
    shown(Kind::CapacityGuard, "CapacityGuard", &format!("{shift}\n{downsize}"));
}

/// The candidate as a whole dies, and whatever is made of its image from now on.
fn die(sim: &Arc<Sim>, image: &str) {
    dies(sim, "shop__7", None, &[image.to_owned()]);
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_a_candidate_that_dies() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100], "pauseSeconds": 600 } });
    });
    let (sim, image) = (scene.sim.clone(), scene.shop.new_ami.clone());
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Pause")) {
            die(&sim, &image);
        }
    };
    scene.watched(ONE, &document, Box::new(|_| APPROVE), see).await;
    shown(Kind::CandidateUnhealthy, "CandidateUnhealthy", &why(&scene, ONE, Kind::CandidateUnhealthy));

    let scene = Scene::new(ShopOptions::default());
    let sweeping = sweep_regularly(&scene.installation, || true);
    let execution = deploy(&scene, ONE, &scene.document());
    asked(&scene, ONE).await;
    die(&scene.sim, &scene.shop.new_ami);
    end(&scene, &execution).await;
    sweeping.abort();
    shown(Kind::CandidateUnhealthy, "CandidateUnhealthy: asked", &why(&scene, ONE, Kind::CandidateUnhealthy));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_when_nobody_decides() {
    let scene = Scene::new(ShopOptions::default());
    scene.play(ONE, &scene.document(), Answer::Nothing).await.lost_nothing();
    shown(Kind::ApprovalExpired, "ApprovalExpired", &why(&scene, ONE, Kind::ApprovalExpired));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_when_somebody_says_no() {
    let scene = Scene::new(ShopOptions::default());
    let execution = deploy(&scene, ONE, &scene.document());
    asked(&scene, ONE).await;
    crossfade(&scene, &["reject", ONE, "--by", "alice", "--comment", "error rate doubled"]).await;
    end(&scene, &execution).await;
    shown(Kind::ApprovalRejected, "ApprovalRejected", &why(&scene, ONE, Kind::ApprovalRejected));
}

/// Why a deployment fails whose hook `smoke` is this, and answers so.
async fn hooked(hook: Value, answers: Invocation) -> String {
    let scene = Scene::new(ShopOptions::default());
    scene.sim.callables().function("shop-smoke", move |_| (Duration::from_secs(1), answers.clone()));
    let document = scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100] } });
        document["hooks"] = json!({ "smoke": hook });
    });
    scene.play(ONE, &document, Answer::Nothing).await.lost_nothing();
    scene.is_as_before();
    why(&scene, ONE, Kind::HookFailed)
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_hooks_that_do_not_say_yes() {
    let raised = Invocation::Raised { error_type: "TypeError".into(), error_message: "x is undefined".into() };
    let no = Invocation::Returned(json!({ "verdict": "fail", "message": "checkout is broken" }));
    let wait = Invocation::Returned(json!({ "verdict": "wait", "message": "still loading" }));
    let before = |what: &str| json!({ what: SMOKE, "at": ["beforeTraffic"], "timeoutMinutes": 30 });
    let after = json!({ "lambda": SMOKE, "at": ["afterShift"], "timeoutMinutes": 3 });
    for (block, hook, answers) in [
        ("HookFailed", before("lambda"), no),
        ("HookFailed: its time is over", after, wait),
        ("HookFailed: it fails", before("lambda"), raised),
        ("HookFailed: callback", before("callback"), Invocation::Returned(Value::Null)),
    ] {
        shown(Kind::HookFailed, block, &hooked(hook, answers).await);
    }
}

/// A shop with an alarm that has this state, and a document with a verification of 15 minutes at 10 %.
fn watched(state: State) -> (Scene, Value) {
    let scene = Scene::new(ShopOptions { pager: true, ..ShopOptions::default() });
    scene.world().turn_alarm(PAGER, state);
    let document = scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100], "verify": { "minutes": 15 } } });
        document["verification"] = json!({ "checks": { "pager": { "alarm": PAGER } } });
    });
    (scene, document)
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_a_verification_by_an_alarm_says() {
    let (scene, document) = watched(State::Ok);
    interfered(&scene, &document, ("Verify", AT_ONCE), |world| world.turn_alarm(PAGER, State::Alarm)).await;
    shown(Kind::VerificationFailed, "VerificationFailed", &why(&scene, ONE, Kind::VerificationFailed));

    let (scene, mut document) = watched(State::Ok);
    document["strategy"] = scene.document()["strategy"].clone();
    let execution = deploy(&scene, ONE, &document);
    asked(&scene, ONE).await;
    scene.world().turn_alarm(PAGER, State::Alarm);
    sweep(&scene, schedule()).await;
    end(&scene, &execution).await;
    shown(Kind::VerificationFailed, "VerificationFailed: asked", &why(&scene, ONE, Kind::VerificationFailed));

    let (scene, document) = watched(State::InsufficientData);
    scene.play(ONE, &document, APPROVE).await.lost_nothing();
    shown(Kind::VerificationFailed, "VerificationFailed: nobody knows", &why(&scene, ONE, Kind::VerificationFailed));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_a_verification_by_a_metric_says() {
    let mut scene = Scene::new(ShopOptions { new_image: NewImage::Errors, ..ShopOptions::default() });
    scene.world().settings.background_errors_per_mille = 2;
    scene.remember();
    let document = scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100], "verify": { "minutes": 15 } } });
        let errors = json!({ "metric": "errorRate", "compare": { "worseBy": "0.5 %" } });
        document["verification"] = json!({ "checks": { "errors": errors } });
    });
    scene.sim.clock.sleep(Duration::from_secs(20 * 60)).await;
    scene.play(ONE, &document, APPROVE).await;
    shown(Kind::VerificationFailed, "VerificationFailed: metric", &why(&scene, ONE, Kind::VerificationFailed));
}
