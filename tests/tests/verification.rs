//! Verification by alarms: between stages, all along, and while people think (C2). What is bad takes the deployment back; what nobody
//! knows is not good.

use std::time::Duration;

use crossfade_core::plan::Direction;
use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::api::stepfunctions::ExecutionOutcome;
use crossfade_sim::world::State;
use crossfade_sim::world::sample::{PAGER, ShopOptions};
use crossfade_sim::{Fault, Faults, Request};
use crossfade_tests::machinery::{asked, deploy, end, meta, schedule, sweep};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, Ended, Scene};
use serde_json::{Value, json};

/// A shop with an alarm of its own.
fn scene(strategy: &Strategy, state: State) -> Scene {
    let scene = Scene::new(ShopOptions { pager: true, ..strategy.options() });
    scene.world().turn_alarm(PAGER, state);
    scene
}

fn shift() -> &'static Strategy {
    STRATEGIES.iter().find(|strategy| strategy.name == "shift").expect("it is one of them")
}

/// The strategy's document with a check of that alarm, which is `also` this.
fn checked(strategy: &Strategy, scene: &Scene, also: &Value) -> Value {
    let mut document = strategy.document(scene);
    let mut pager = json!({ "alarm": PAGER });
    for (key, value) in also.as_object().into_iter().flatten() {
        pager[key] = value.clone();
    }
    document["verification"] = json!({ "checks": { "pager": pager } });
    document
}

/// The same with a verification of 15 minutes wherever the strategy can have one.
fn verified(strategy: &Strategy, scene: &Scene, also: &Value) -> Value {
    let mut document = checked(strategy, scene, also);
    let settings = document["strategy"].as_object_mut().and_then(|strategy| strategy.values_mut().next());
    settings.expect("there is one")["verify"] = json!({ "minutes": 15 });
    document
}

/// Turns the alarm when a stage of the deployment begins whose name begins so.
fn turned_at(scene: &Scene, stage: &'static str, state: State) -> impl FnMut(&Happening) + Send + 'static {
    let sim = scene.sim.clone();
    move |happening| {
        if let What::StageStarted { name, direction: Direction::Deploy, .. } = &happening.what
            && name.starts_with(stage)
        {
            sim.world().turn_alarm(PAGER, state);
        }
    }
}

async fn played(scene: &Scene, document: &Value, see: impl FnMut(&Happening) + Send + 'static) -> Ended {
    scene.watched("one", document, Box::new(|_| APPROVE), see).await
}

/// Asserts that it was taken back for this, and left no trace.
#[track_caller]
fn taken_back(scene: &Scene, ended: &Ended, why: &str) {
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{:#?}", ended.log);
    assert!(ended.cause().contains(why), "{why:?} is missing in: {}", ended.cause());
    assert_eq!(meta(scene, "one")["failure"]["error"], "VerificationFailed");
    ended.lost_nothing();
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn c2_a_verification_that_stays_good_lets_every_strategy_go_on() {
    for strategy in &STRATEGIES {
        let scene = scene(strategy, State::Ok);
        let ended = played(&scene, &verified(strategy, &scene, &json!({})), |_| {}).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}: {}", strategy.name, ended.cause());
        ended.lost_nothing();
        assert!(ended.log.iter().any(|line| line == "Good for 15 min: pager"), "{}: {:#?}", strategy.name, ended.log);
    }
}

#[tokio::test(start_paused = true)]
async fn c2_an_alarm_that_goes_off_while_it_is_verified_takes_every_strategy_back() {
    for strategy in &STRATEGIES {
        let scene = scene(strategy, State::Ok);
        let see = turned_at(&scene, "Verify", State::Alarm);
        let ended = played(&scene, &verified(strategy, &scene, &json!({})), see).await;
        taken_back(&scene, &ended, "pager: alarm shop-pager is in ALARM: Threshold Crossed");
    }
}

#[tokio::test(start_paused = true)]
async fn c2_what_is_watched_ends_the_deployment_wherever_it_is() {
    let shift = shift();
    for stage in ["Shift 10", "Pause", "Shift 100", "Drain", "Downsize shop__6"] {
        let scene = scene(shift, State::Ok);
        let mut document = checked(shift, &scene, &json!({}));
        document["strategy"]["blueGreenShift"] = json!({ "percents": [10, 100], "pauseSeconds": 600 });
        let ended = played(&scene, &document, turned_at(&scene, stage, State::Alarm)).await;
        taken_back(&scene, &ended, "pager: alarm shop-pager is in ALARM");
    }
    // Before the candidate has any traffic, and once the old fleet is gone, nothing is watched.
    for stage in ["Upscale", "Carry", "Prune"] {
        let scene = scene(shift, State::Ok);
        let document = checked(shift, &scene, &json!({}));
        let off = turned_at(&scene, "Shift 10", State::Ok);
        let (mut on, mut off) = (turned_at(&scene, stage, State::Alarm), off);
        let ended = played(&scene, &document, move |happening| {
            on(happening);
            off(happening);
        });
        let ended = ended.await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{stage}: {}", ended.cause());
    }
}

#[tokio::test(start_paused = true)]
async fn c2_absence_of_data_is_not_good_unless_the_document_says_so() {
    let shift = shift();
    let play = async |change: fn(&mut Value), also: Value| {
        let scene = scene(shift, State::InsufficientData);
        let mut document = verified(shift, &scene, &also);
        change(&mut document);
        let ended = played(&scene, &document, |_| {}).await;
        (scene, ended)
    };
    let (silent, ended) = play(|_| {}, json!({})).await;
    taken_back(
        &silent,
        &ended,
        "nobody knows whether the candidate is good: pager: alarm shop-pager has INSUFFICIENT_DATA",
    );
    let (_, ended) = play(|_| {}, json!({ "insufficientData": "good" })).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let (_, ended) = play(|document| document["verification"]["onInconclusive"] = json!("pass"), json!({})).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert!(
        ended.log.iter().any(|line| line.starts_with("Going on, although nobody knows: pager")),
        "{:#?}",
        ended.log
    );
    // To be watched it is no reason to end anything.
    let scene = scene(shift, State::InsufficientData);
    let ended = played(&scene, &checked(shift, &scene, &json!({})), |_| {}).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
}

#[tokio::test(start_paused = true)]
async fn c2_an_alarm_from_before_is_refused_and_does_not_keep_its_repair_out() {
    let shift = shift();
    let burning = scene(shift, State::Alarm);
    let ended = played(&burning, &verified(shift, &burning, &json!({})), |_| {}).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(
        ended.cause().contains("is in ALARM already") && ended.cause().contains("`atStart: accept`"),
        "{}",
        ended.cause()
    );
    assert_eq!(ended.summary.mutating_calls, 0, "nothing may be touched");
    burning.is_as_before();

    let accepted = json!({ "atStart": "accept" });
    let repaired = scene(shift, State::Alarm);
    repaired.sim.clock.sleep(Duration::from_secs(1)).await;
    let ended = played(&repaired, &verified(shift, &repaired, &accepted), |_| {}).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    // Once it has been quiet, it counts again.
    let again = scene(shift, State::Alarm);
    again.sim.clock.sleep(Duration::from_secs(1)).await;
    let (mut quiet, mut loud) = (turned_at(&again, "Shift 10", State::Ok), turned_at(&again, "Shift 50", State::Alarm));
    let document = verified(shift, &again, &accepted);
    let ended = played(&again, &document, move |happening| {
        quiet(happening);
        loud(happening);
    });
    let ended = ended.await;
    taken_back(&again, &ended, "pager: alarm shop-pager is in ALARM");
}

#[tokio::test(start_paused = true)]
async fn c2_a_composite_alarm_counts_like_any_and_one_that_is_not_there_is_refused() {
    let shift = shift();
    let mut composite = shift.scene();
    composite.world().add_alarm(PAGER, true, State::Ok);
    composite.remember();
    let see = turned_at(&composite, "Verify", State::Alarm);
    let ended = played(&composite, &verified(shift, &composite, &json!({})), see).await;
    taken_back(&composite, &ended, "pager: alarm shop-pager is in ALARM");

    let without = shift.scene();
    let mut document = checked(shift, &without, &json!({}));
    document["artifact"]["ami"] = json!("ami-00000000000000009");
    let ended = played(&without, &document, |_| {}).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    // With everything else that stands in the way.
    for words in ["2 things stand in the way", "verification.checks.pager.alarm = shop-pager: there is no such alarm"] {
        assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
    }
}

/// What EventBridge says of an alarm that has gone off.
fn went_off(alarm: &str) -> Value {
    json!({
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": { "alarmName": alarm, "state": { "value": "ALARM" }, "previousState": { "value": "OK" } },
    })
}

#[tokio::test(start_paused = true)]
async fn c2_what_is_watched_ends_a_deployment_that_waits_for_somebody() {
    let shift = shift();
    // Told by the alarm's event, or found by the schedule when that is lost.
    for event in [went_off(PAGER), schedule()] {
        let mut scene = scene(shift, State::Ok);
        scene.world().add_alarm("others", false, State::Ok);
        scene.remember();
        let execution = deploy(&scene, "one", &checked(shift, &scene, &json!({})));
        asked(&scene, "one").await;
        // What is good, and what others watch, ends nothing.
        scene.world().turn_alarm("others", State::Alarm);
        scene.world().turn_alarm(PAGER, State::InsufficientData);
        for told in [schedule(), went_off("others"), went_off(PAGER)] {
            sweep(&scene, told).await;
        }
        scene.sim.clock.sleep(Duration::from_secs(30)).await;
        asked(&scene, "one").await;
        assert_eq!(scene.weights(), (90, 10));

        scene.world().turn_alarm(PAGER, State::Alarm);
        let at = scene.sim.clock.now_millis();
        sweep(&scene, event.clone()).await;
        // Told twice it is no different.
        sweep(&scene, event).await;
        while scene.weights() != (100, 0) {
            assert!(scene.sim.clock.now_millis() < at + 60_000, "traffic goes back within a minute");
            scene.sim.clock.sleep(Duration::from_secs(1)).await;
        }
        let ended = end(&scene, &execution).await;
        assert!(
            matches!(&ended, ExecutionOutcome::Failed { error: Some(error), .. } if error == "FailedClean"),
            "{ended:?}"
        );
        let meta = meta(&scene, "one");
        assert_eq!(meta["failure"]["error"], "VerificationFailed", "{meta}");
        let cause = meta["failure"]["cause"].as_str().unwrap_or_default();
        assert!(
            cause.contains("while it was waited for a decision") && cause.contains("shop-pager is in ALARM"),
            "{cause}"
        );
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_before_the_candidate_has_traffic_is_left_to_people() {
    let swap = STRATEGIES.iter().find(|strategy| strategy.name == "swap").expect("it is one of them");
    let scene = scene(swap, State::Ok);
    deploy(&scene, "one", &checked(swap, &scene, &json!({})));
    asked(&scene, "one").await;
    scene.world().turn_alarm(PAGER, State::Alarm);
    sweep(&scene, went_off(PAGER)).await;
    scene.sim.clock.sleep(Duration::from_secs(60)).await;
    asked(&scene, "one").await;
}

/// CloudWatch asks everybody to slow down.
struct Throttled;

impl Faults for Throttled {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let strikes = request.operation == "DescribeAlarms" && request.caller.as_deref() == Some("wait-steady");
        strikes.then(|| Fault::Refuse {
            status: 400,
            code: "ThrottlingException".into(),
            message: "Rate exceeded".into(),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_for_a_while_keeps_nothing_that_moves_waiting() {
    let shift = shift();
    let scene = scene(shift, State::Ok);
    scene.sim.set_faults(Some(std::sync::Arc::new(Throttled)));
    let ended = played(&scene, &checked(shift, &scene, &json!({})), |_| {}).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_verification_is_said_all_at_once() {
    let scene = Scene::new(ShopOptions::default());
    let refused = async |name: &str, change: fn(&mut Value), says: &[&str]| {
        let ended = scene.play(name, &scene.document_with(change), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean);
        says.iter().for_each(|words| assert!(ended.cause().contains(words), "{words}: {}", ended.cause()));
    };
    let wrong = |document: &mut Value| {
        document["verification"] = json!({
            "checks": { "pager": { "alarm": "", "atstart": "refuse" } },
            "watch": { "checks": ["pagr"] },
            "onInconclusive": "ask",
        });
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100], "verifyAfterPercents": [20] } });
    };
    let says = [
        "verification.checks.pager.atstart",
        "did you mean `atStart`?",
        "verification.onInconclusive",
        "verifyAfterPercents names 20",
        "strategy.blueGreenShift.verifyAfterPercents: there is no `verify` that could stand there",
    ];
    refused("wrong", wrong, &says).await;
    let unnamed = |document: &mut Value| {
        document["verification"] = json!({ "checks": { "pager": { "alarm": "a" } }, "watch": { "checks": ["pagr"] } });
        document["strategy"] = json!({ "blueGreenShift": { "verify": { "minutes": 5, "checks": ["errors"] } } });
    };
    let says = [
        "verification.watch.checks = \"pagr\": there is no such check. Use one of: pager",
        "strategy.blueGreenShift.verify.checks = \"errors\": there is no such check",
    ];
    refused("unnamed", unnamed, &says).await;
    let nothing = |document: &mut Value| document["strategy"]["blueGreenShift"]["verify"] = json!({ "minutes": 5 });
    refused(
        "nothing",
        nothing,
        &["strategy.blueGreenShift.verify: there is nothing to look at", "`pager: {alarm: shop-pager}`"],
    )
    .await;
}
