//! A deployment stops before its next stage because somebody says so, and goes on when they do (G2). Pauses of its document end sooner for
//! whoever does not want to wait. What keeps users safe is never cut short.

use std::time::Duration;

use crossfade_local::Outcome;
use crossfade_sim::world::State;
use crossfade_sim::world::sample::{Compute, Layout, PAGER, ShopOptions};
use crossfade_steps::{Context, PauseRecord, PromotionRecord, pause, promote, unpause};
use crossfade_tests::machinery::{approve, asked, call, deploy, end, meta, open_token, reject, schedule, sweep};
use crossfade_tests::{APPROVE, Scene};
use serde_json::{Value, json};

fn context(scene: &Scene) -> Context {
    scene.installation.context("operator", Duration::ZERO)
}

async fn paused(scene: &Scene, minutes: u32) {
    let since_millis = scene.sim.clock.now_millis();
    let (by, comment) = (Some("ann".into()), Some("latency looks odd".into()));
    let wish = PauseRecord { by, comment, since_millis, timeout_minutes: minutes };
    pause(&context(scene), "one", &wish).await.expect("it can be written down");
}

async fn promoted(scene: &Scene, stage: Option<usize>) {
    let promotion = PromotionRecord { by: Some("ann".into()), comment: Some("it is good".into()), stage };
    promote(&context(scene), "one", &promotion).await.expect("it can be written down");
}

fn question(scene: &Scene) -> Value {
    let records = scene.installation.records("deployment#one");
    let open = records.into_iter().find(|(sk, record)| sk.starts_with("approval#") && record["decision"].is_null());
    open.expect("it asks").1
}

/// A deployment that stands at 10 %, before all of the traffic moves, since somebody has paused it while they were asked.
async fn standing(scene: &Scene, document: &Value, minutes: u32) -> (String, String) {
    let execution = deploy(scene, "one", document);
    let token = asked(scene, "one").await;
    paused(scene, minutes).await;
    approve(&scene.sim, &token).await.expect("it is open");
    while open_token(scene, "one").is_none_or(|open| open == token) {
        scene.sim.clock.sleep(Duration::from_secs(1)).await;
    }
    let token = asked(scene, "one").await;
    assert_eq!(question(scene)["pauses"], true);
    assert_eq!(question(scene)["message"], "Paused by ann: latency looks odd");
    assert_eq!(scene.weights(), (90, 10));
    (execution, token)
}

fn says(scene: &Scene, line: &str) {
    let log = scene.installation.log("one");
    assert!(log.iter().any(|it| it.contains(line)), "{line}: {log:#?}");
}

#[track_caller]
fn taken_back(scene: &Scene, error: &str) {
    assert_eq!(meta(scene, "one")["status"], "failedClean");
    assert_eq!(meta(scene, "one")["failure"]["error"], error);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn g2_a_paused_deployment_stands_before_its_next_stage_until_somebody_says_so() {
    let scene = Scene::new(ShopOptions::default());
    let (execution, token) = standing(&scene, &scene.document(), 24 * 60).await;
    scene.sim.clock.sleep(Duration::from_secs(20 * 3600)).await;
    assert_eq!(scene.weights(), (90, 10), "nothing has moved");
    approve(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["status"], "succeeded", "{:#?}", scene.installation.log("one"));
    assert_eq!(scene.weights(), (0, 100));
    says(&scene, "Paused before Shift 50 %");
    says(&scene, "Resumed by ann");
    assert_eq!(scene.installation.record("deployment#one", "pause"), Some(Value::Null), "it does not stop again");
    let metrics = scene.installation.metrics.lock().unwrap().clone();
    let [line] = metrics.as_slice() else { panic!("one line: {metrics:#?}") };
    assert_eq!((&line["Succeeded"], &line["FailedClean"], &line["Stack"]), (&json!(1), &json!(0), &json!("crossfade")));
    let seconds = |name: &str| line[name].as_u64().expect("a number");
    assert!((20 * 3600..20 * 3600 + 600).contains(&seconds("Questions")), "paused for twenty hours: {line:#}");
    assert_eq!(seconds("Work") + seconds("Pauses") + seconds("Questions"), seconds("Duration"));
    let told = &line["_aws"]["CloudWatchMetrics"][0];
    let named =
        told["Metrics"].as_array().expect("a list").iter().map(|metric| metric["Name"].as_str().expect("a name"));
    assert!(named.clone().count() == 7 && named.clone().all(|name| line[name].is_u64()), "{told:#}");
    // The next one is not held up either.
    scene.succeed("two").await.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn g2_silence_and_a_no_take_it_back_whatever_the_stage_wants() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|document| document["onFailure"] = json!({ "traffic": { "retries": 3 } }));
    let (execution, _) = standing(&scene, &document, 30).await;
    end(&scene, &execution).await;
    taken_back(&scene, "ApprovalExpired");
    let scene = Scene::new(ShopOptions::default());
    let (execution, token) = standing(&scene, &document, 30).await;
    reject(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    taken_back(&scene, "ApprovalRejected");
    says(&scene, "rejected by bob");
}

#[tokio::test(start_paused = true)]
async fn g2_a_yes_that_is_too_large_to_be_passed_on_is_a_yes() {
    let scene = Scene::new(ShopOptions::default());
    let (execution, token) = standing(&scene, &scene.document(), 30).await;
    let output = json!({ "by": "ann", "comment": "x".repeat(255_000) }).to_string();
    call(&scene.sim, "SendTaskSuccess", json!({ "taskToken": token, "output": output })).await.expect("it is open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["status"], "succeeded", "{:#?}", scene.installation.log("one"));
}

#[tokio::test(start_paused = true)]
async fn g2_what_is_watched_takes_a_paused_deployment_back() {
    let scene = Scene::new(ShopOptions { pager: true, ..ShopOptions::default() });
    scene.world().turn_alarm(PAGER, State::Ok);
    let document = scene.document_with(|document| {
        document["verification"] = json!({ "checks": { "pager": { "alarm": PAGER } } });
    });
    let (execution, _) = standing(&scene, &document, 600).await;
    scene.sim.clock.sleep(Duration::from_secs(3600)).await;
    sweep(&scene, schedule()).await;
    assert!(open_token(&scene, "one").is_some(), "nothing is wrong");
    scene.world().turn_alarm(PAGER, State::Alarm);
    sweep(&scene, schedule()).await;
    end(&scene, &execution).await;
    taken_back_from_alarm(&scene);
}

fn taken_back_from_alarm(scene: &Scene) {
    assert_eq!(meta(scene, "one")["failure"]["error"], "VerificationFailed", "{:#?}", scene.installation.log("one"));
    assert_eq!(meta(scene, "one")["status"], "failedClean");
    assert_eq!(scene.weights(), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn g2_a_pause_that_is_taken_back_in_time_stops_nothing() {
    let scene = Scene::new(ShopOptions::default());
    let execution = deploy(&scene, "one", &scene.document());
    let token = asked(&scene, "one").await;
    paused(&scene, 60).await;
    assert!(unpause(&context(&scene), "one").await.expect("it can be taken away").is_some());
    assert_eq!(unpause(&context(&scene), "one").await, Ok(None));
    approve(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["status"], "succeeded");
    assert!(!scene.installation.log("one").iter().any(|line| line.contains("Paused before")));
}

#[tokio::test(start_paused = true)]
async fn g2_a_rollback_does_not_pause() {
    let scene = Scene::new(ShopOptions::default());
    let execution = deploy(&scene, "one", &scene.document());
    let token = asked(&scene, "one").await;
    paused(&scene, 60).await;
    reject(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    taken_back(&scene, "ApprovalRejected");
}

/// How many minutes a deployment with such a strategy takes, once the pauses in question have been ended.
async fn minutes(strategy: Value, promotion: Option<Option<usize>>) -> f64 {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|document| document["strategy"] = json!({ "blueGreenShift": strategy }));
    if let Some(stage) = promotion {
        promoted(&scene, stage).await;
    }
    let began = scene.sim.clock.now_millis();
    let ended = scene.play("one", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    if promotion.is_some() {
        says(&scene, "The pause is over before its time, says ann: it is good");
    }
    (scene.sim.clock.now_millis() - began) as f64 / 60_000.0
}

#[tokio::test(start_paused = true)]
async fn g2_whoever_does_not_want_to_wait_ends_a_pause_or_all_of_them() {
    let strategy = json!({ "percents": [10, 50, 100], "pauseSeconds": 36_000 });
    let whole = minutes(strategy.clone(), None).await;
    let pauses: Vec<usize> = {
        let scene = Scene::new(ShopOptions::default());
        let document = scene.document_with(|it| it["strategy"] = json!({ "blueGreenShift": strategy }));
        scene.play("one", &document, APPROVE).await;
        let records = scene.installation.records("deployment#one");
        let stages = records.iter().filter(|(sk, record)| sk.starts_with("stage#deploy#") && record["kind"] == "Pause");
        stages.map(|(sk, _)| sk.rsplit('#').next().expect("a number").parse().expect("a number")).collect()
    };
    assert_eq!(pauses.len(), 2);
    let one = minutes(strategy.clone(), Some(Some(pauses[0]))).await;
    let all = minutes(strategy, Some(None)).await;
    assert!((595.0..605.0).contains(&(whole - one)), "{whole} without the first one: {one}");
    assert!((595.0..605.0).contains(&(one - all)), "{one} without both: {all}");
}

#[tokio::test(start_paused = true)]
async fn g2_a_pause_under_way_ends_within_two_minutes() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100], "pauseSeconds": 80_000 } });
    });
    let execution = deploy(&scene, "one", &document);
    scene.sim.clock.sleep(Duration::from_secs(12 * 3600)).await;
    assert_eq!(scene.weights(), (90, 10));
    promoted(&scene, None).await;
    scene.sim.clock.sleep(Duration::from_secs(130)).await;
    assert_eq!(scene.weights(), (0, 100));
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["status"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn s5_what_waits_for_the_traffic_to_follow_nobody_cuts_short() {
    let scene = Scene::new(ShopOptions { compute: Compute::Services, layout: Layout::Named, ..ShopOptions::default() });
    promoted(&scene, None).await;
    let ended = scene.play("one", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    assert!(!ended.log.iter().any(|line| line.contains("before its time")), "{:#?}", ended.log);
}

#[tokio::test(start_paused = true)]
async fn g2_while_it_bakes_the_old_fleet_is_whole_and_going_back_takes_one_change() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [100], "bakeMinutes": 60 } });
    });
    let execution = deploy(&scene, "one", &document);
    scene.sim.clock.sleep(Duration::from_secs(1800)).await;
    assert_eq!(scene.weights(), (0, 100));
    assert_eq!(scene.size("shop__6").map(|(_, desired, _)| desired), Some(4), "as large as before");
    let began = scene.sim.clock.now_millis();
    crossfade_tests::machinery::stop(&scene.sim, &execution, json!({ "error": "HaltRequested", "cause": "bob" })).await;
    sweep(&scene, schedule()).await;
    while scene.weights() != (100, 0) {
        scene.sim.clock.sleep(Duration::from_secs(1)).await;
        assert!(scene.sim.clock.now_millis() - began < 120_000, "back at once");
    }
}
