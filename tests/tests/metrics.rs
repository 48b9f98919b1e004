//! Verification by metrics and by comparison of both fleets (C2): what health checks find good and users would not is taken back, what
//! is as good as before goes on, and what nobody can know is not called good.

use std::sync::Arc;
use std::time::Duration;

use crossfade_core::plan::Direction;
use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::api::stepfunctions::ExecutionOutcome;
use crossfade_sim::world::sample::{Compute, NewImage, ShopOptions};
use crossfade_steps::{Context, Past, WallClock, judge_past};
use crossfade_tests::machinery::{asked, deploy, end, meta, schedule, sweep};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::{Value, json};

fn of(name: &str) -> &'static Strategy {
    STRATEGIES.iter().find(|strategy| strategy.name == name).expect("it is one of them")
}

/// The strategies by which services can be deployed.
const OF_SERVICES: [&str; 3] = ["canary", "shift", "listener swap"];

/// A shop whose applications have their ordinary mishaps: two of a thousand requests.
fn scene(seed: u64, strategy: &Strategy, compute: Compute, new_image: NewImage) -> Scene {
    let mut scene = Scene::seeded(seed, ShopOptions { compute, new_image, ..strategy.options() });
    scene.world().settings.background_errors_per_mille = 2;
    scene.remember();
    scene
}

/// Where target groups are a fleet's own, what the load balancer says of them; elsewhere what the applications report of themselves.
fn checks(strategy: &Strategy) -> Value {
    let by_pool = ["shift", "listener swap"].contains(&strategy.name);
    let own = |name: &str, stat: &str, missing: &str| json!({ "namespace": "Shop", "name": name, "stat": stat, "dimensions": { "Group": "{group}" }, "missing": missing });
    let (errors, slow) = match by_pool {
        true => (json!("errorRate"), json!("latency.p90")),
        false => (
            json!({ "ratio": { "of": own("Failed", "Sum", "zero"), "to": own("Requests", "Sum", "skip") } }),
            json!({ "cloudWatch": own("Latency", "p90", "skip") }),
        ),
    };
    json!({
        "errors": { "metric": errors, "compare": { "worseBy": "0.5 %" }, "atMost": "20 %" },
        "slow": { "metric": slow, "compare": { "worseBy": "15 %" } },
        "busy": { "metric": "cpu", "atMost": "95 %" },
        "balancer": { "metric": "loadBalancer5xx", "atMost": "1 %" },
        "hosts": { "metric": "unhealthyHosts", "atMost": 2, "breaches": { "atLeast": 3, "of": 3 } },
    })
}

/// The strategy's document with these checks, and a verification of so many minutes wherever it can have one.
fn verified(strategy: &Strategy, scene: &Scene, checks: &Value, minutes: Option<u32>) -> Value {
    let mut document = strategy.document(scene);
    document["verification"] = json!({ "checks": checks });
    if let Some(minutes) = minutes {
        let settings = document["strategy"].as_object_mut().and_then(|strategy| strategy.values_mut().next());
        settings.expect("there is one")["verify"] = json!({ "minutes": minutes });
    }
    document
}

async fn played(scene: &Scene, document: &Value) -> Ended {
    // A shop that has been open for a while: a swap leaves nothing else to compare with.
    scene.sim.clock.sleep(Duration::from_secs(20 * 60)).await;
    scene.play("one", document, APPROVE).await
}

#[track_caller]
fn taken_back(scene: &Scene, ended: &Ended, why: &[&str]) {
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{:#?}", ended.log);
    for why in why {
        assert!(ended.cause().contains(why), "{why:?} is missing in: {}", ended.cause());
    }
    assert_eq!(meta(scene, "one")["failure"]["error"], "VerificationFailed", "{}", ended.cause());
    ended.lost_nothing();
    scene.is_as_before();
}

#[track_caller]
fn succeeded(what: &str, ended: &Ended) {
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}: {}", ended.cause());
    ended.lost_nothing();
}

fn every_strategy() -> impl Iterator<Item = (&'static Strategy, Compute)> {
    let groups = STRATEGIES.iter().map(|strategy| (strategy, Compute::Groups));
    groups.chain(OF_SERVICES.iter().map(|name| (of(name), Compute::Services)))
}

#[tokio::test(start_paused = true)]
async fn c2_a_candidate_that_is_as_good_goes_on_with_every_strategy() {
    for (strategy, compute) in every_strategy() {
        let scene = scene(1, strategy, compute, NewImage::Good);
        let ended = played(&scene, &verified(strategy, &scene, &checks(strategy), Some(15))).await;
        let what = format!("{} of {compute:?}", strategy.name);
        succeeded(&what, &ended);
        let told = |words: &str| {
            assert!(ended.log.iter().any(|line| line.contains(words)), "{what}: {words}: {:#?}", ended.log)
        };
        told("Good: errors: ");
        told("Good: slow: ");
        told("Good: busy: cpu of shop__7 ");
    }
}

#[tokio::test(start_paused = true)]
async fn c2_errors_that_no_health_check_sees_take_every_strategy_back() {
    for (strategy, compute) in every_strategy() {
        let scene = scene(1, strategy, compute, NewImage::Errors);
        let ended = played(&scene, &verified(strategy, &scene, &checks(strategy), Some(15))).await;
        taken_back(
            &scene,
            &ended,
            &["errors: ", "of shop__7 is ", "points worse than that of shop__6", "0.5 points allowed"],
        );
        assert!(scene.world().traffic().totals.errors > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn c2_answers_that_take_longer_take_every_strategy_back() {
    for (strategy, compute) in every_strategy() {
        let scene = scene(1, strategy, compute, NewImage::Sluggish);
        let ended = played(&scene, &verified(strategy, &scene, &checks(strategy), Some(15))).await;
        taken_back(&scene, &ended, &["slow: ", "worse than that of shop__6", "(15 %) allowed"]);
    }
}

#[tokio::test(start_paused = true)]
async fn c2_no_false_alarm_over_many_seeds() {
    for seed in 0..25 {
        for name in ["shift", "canary"] {
            let strategy = of(name);
            let scene = scene(seed, strategy, Compute::Groups, NewImage::Good);
            let ended = played(&scene, &verified(strategy, &scene, &checks(strategy), Some(10))).await;
            succeeded(&format!("{name}, seed {seed}"), &ended);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c2_errors_that_begin_while_somebody_is_asked_are_taken_back_within_two_minutes_of_the_data() {
    // flagger#1801: 18 failed checks while waiting, and no rollback.
    let shift = of("shift");
    let scene = Scene::new(ShopOptions { new_image: NewImage::ErrorsLater, ..shift.options() });
    let document = verified(
        shift,
        &scene,
        &json!({ "errors": { "metric": "errorRate", "compare": { "worseBy": "0.5 %" } } }),
        None,
    );
    let execution = deploy(&scene, "one", &document);
    asked(&scene, "one").await;
    // The application answers properly for 20 minutes.
    let (mut began, errors) = (None, |scene: &Scene| {
        let traffic = scene.world().traffic();
        traffic.target_groups.get(&scene.shop.target_group_b).map_or(0, |it| it.errors)
    });
    for _ in 0..120 {
        scene.sim.clock.sleep(Duration::from_secs(60)).await;
        if began.is_none() && errors(&scene) > 0 {
            began = Some(scene.sim.clock.now_millis());
        }
        sweep(&scene, schedule()).await;
        if scene.weights() == (100, 0) {
            break;
        }
    }
    let began = began.expect("errors have begun");
    // Two minutes of errors, which are told two minutes later; and the sweep comes once a minute.
    let took = (scene.sim.clock.now_millis() - began) / 1000;
    assert!(took <= 360, "{took} s after the first errors");
    assert_eq!(scene.weights(), (100, 0));
    let ended = end(&scene, &execution).await;
    assert!(
        matches!(&ended, ExecutionOutcome::Failed { error: Some(error), .. } if error == "FailedClean"),
        "{ended:?}"
    );
    let meta = meta(&scene, "one");
    assert_eq!(meta["failure"]["error"], "VerificationFailed", "{meta}");
    let cause = meta["failure"]["cause"].as_str().unwrap_or_default();
    assert!(
        cause.contains("while it was waited for a decision") && cause.contains("errors: errorRate of shop__7"),
        "{cause}"
    );
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn c2_what_is_watched_by_metrics_ends_a_pause() {
    let shift = of("shift");
    let scene = scene(1, shift, Compute::Groups, NewImage::Errors);
    let mut document = verified(shift, &scene, &checks(shift), None);
    document["strategy"]["blueGreenShift"] = json!({ "percents": [10, 100], "pauseSeconds": 3600 });
    let ended = played(&scene, &document).await;
    taken_back(&scene, &ended, &["Pause", "errors: errorRate of shop__7"]);
}

/// The log and the end of a shift whose traffic is what it is.
async fn with(checks: Value, requests_per_second: f64, change: impl FnOnce(&mut Value)) -> (Scene, Ended) {
    let shift = of("shift");
    let scene = Scene::new(ShopOptions { requests_per_second, ..shift.options() });
    let mut document = verified(shift, &scene, &checks, Some(10));
    change(&mut document);
    let ended = played(&scene, &document).await;
    (scene, ended)
}

#[tokio::test(start_paused = true)]
async fn c2_no_traffic_proves_nothing() {
    // flagger#1011: traffic stops, and the analysis goes on. flagger#1035, #1689: too little of it rolls back without a word.
    let errors = || json!({ "errors": { "metric": "errorRate", "atMost": "5 %" } });
    let (scene, ended) = with(errors(), 0.5, |_| {}).await;
    taken_back(
        &scene,
        &ended,
        &["nobody knows whether the candidate is good", "shop__7 had ", "it takes 100 (verification.traffic.atLeast)"],
    );
    // argo-rollouts#1905: wait for it, and go on when it comes; here it does not.
    let (_, ended) = with(errors(), 0.5, |document| document["verification"]["extendMinutes"] = json!(20)).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.log.iter().any(|line| line.contains("s left longer, since nobody knows")), "{:#?}", ended.log);
    let (_, ended) =
        with(errors(), 0.5, |document| document["verification"]["traffic"] = json!({ "atLeast": 20 })).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "a share of a few requests says nothing: {:#?}", ended.log);
    let (_, ended) = with(errors(), 0.5, |document| document["verification"]["onInconclusive"] = json!("pass")).await;
    succeeded("it may pass", &ended);
}

#[tokio::test(start_paused = true)]
async fn c2_people_are_asked_when_nobody_knows_and_only_then() {
    // argo-rollouts#3015, #2866: paused for ever, or aborted, where somebody could have said. #3850: promoted without a word.
    let ask = |document: &mut Value| {
        document["verification"]["onInconclusive"] = json!("approve");
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100], "verify": { "minutes": 10 } } });
    };
    let errors = || json!({ "errors": { "metric": "errorRate", "atMost": "5 %" } });
    let (_, ended) = with(errors(), 0.5, ask).await;
    succeeded("somebody has said yes", &ended);
    let asked =
        |ended: &Ended| ended.log.iter().filter(|line| line.contains("in doubt: waiting for a decision")).count();
    // At 100 % there are enough.
    assert_eq!(asked(&ended), 1, "{:#?}", ended.log);
    assert!(
        ended.log.iter().any(|line| line.starts_with("Asking, since nobody knows: errors: shop__7 had ")),
        "{:#?}",
        ended.log
    );
    let (_, ended) = with(errors(), 50.0, ask).await;
    succeeded("nobody was asked", &ended);
    assert_eq!(asked(&ended), 0, "{:#?}", ended.log);

    let scene = Scene::new(ShopOptions { requests_per_second: 0.5, ..of("shift").options() });
    let mut document = verified(of("shift"), &scene, &errors(), Some(10));
    ask(&mut document);
    let ended = scene.play("one", &document, REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("Approve shop__7 at 10 % in doubt: rejected by operator"), "{}", ended.cause());
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn c2_no_errors_are_good_although_nothing_is_reported_of_them() {
    // argo-rollouts#3503: rolled back for being perfect.
    let (_, ended) = with(
        json!({ "errors": { "metric": "errorRate", "atMost": "1 %", "compare": { "worseBy": "0.5 %" } } }),
        50.0,
        |_| {},
    )
    .await;
    succeeded("perfect", &ended);
    assert!(ended.log.iter().any(|line| line.contains("errors: errorRate of shop__7 0 % ")), "{:#?}", ended.log);
}

#[tokio::test(start_paused = true)]
async fn c2_a_metric_that_is_not_there_is_never_good() {
    // flagger#1581: an unknown name always passed. argo-rollouts#4479, #1329: successful though nothing was measured.
    let of = |missing: &str| {
        json!({ "orders": { "metric": { "cloudWatch": { "namespace": "Shop", "name": "Ordres", "stat": "Sum",
            "dimensions": { "Group": "{group}" }, "missing": missing } }, "atMost": 5 } })
    };
    let (scene, ended) = with(of("skip"), 50.0, |_| {}).await;
    taken_back(&scene, &ended, &["orders: of shop__7 0 of 8 minutes are known"]);
    let noted =
        "verification.checks.orders: Shop Ordres of [Group=shop__6] had no value in the last 3 hours. Is that its name";
    assert!(ended.log.iter().any(|line| line.starts_with(noted)), "{:#?}", ended.log);
    let (scene, ended) = with(of("bad"), 50.0, |_| {}).await;
    taken_back(&scene, &ended, &["orders: Ordres of shop__7 was above 5 (atMost) in 2 of 2 minutes"]);
    // Where there were requests, a sum of nothing may be called 0.
    let (_, ended) = with(of("zero"), 50.0, |_| {}).await;
    succeeded("nothing to report", &ended);
}

#[tokio::test(start_paused = true)]
async fn c2_what_an_application_reports_is_judged_and_a_dry_run_decides_nothing() {
    let queue = |dry: bool| {
        json!({ "queue": { "metric": { "cloudWatch": { "namespace": "Work", "name": "Age", "stat": "Maximum", "missing": "bad" } },
            "atMost": 30, "dryRun": dry } })
    };
    let play = async |dry: bool| {
        let shift = of("shift");
        let scene = shift.scene();
        scene.world().report_metric("Work", "Age", &[], Some(12.0));
        let sim = scene.sim.clone();
        let see = move |happening: &Happening| {
            let verifies = matches!(&happening.what, What::StageStarted { name, direction: Direction::Deploy, .. } if name.starts_with("Verify"));
            if verifies {
                sim.world().report_metric("Work", "Age", &[], Some(45.0));
            }
        };
        let ended =
            scene.watched("one", &verified(shift, &scene, &queue(dry), Some(10)), Box::new(|_| APPROVE), see).await;
        (scene, ended)
    };
    let (scene, ended) = play(false).await;
    taken_back(&scene, &ended, &["queue: Age of shop__7 was above 30 (atMost) in", "at worst 45"]);
    let (_, ended) = play(true).await;
    succeeded("a dry run", &ended);
    assert!(
        ended
            .log
            .iter()
            .any(|line| line.starts_with("Verification takes some ") && line.contains("metrics of CloudWatch, $0.00")),
        "{:#?}",
        ended.log
    );
    assert!(ended.log.iter().any(|line| line.contains("Not counted, would be bad: queue: Age")), "{:#?}", ended.log);
}

#[tokio::test(start_paused = true)]
async fn c2_a_single_bad_minute_is_not_enough() {
    let scene = of("shift").scene();
    let errors = json!({ "age": { "metric": { "cloudWatch": { "namespace": "Work", "name": "Age", "stat": "Maximum" } }, "atMost": 30 } });
    scene.world().report_metric("Work", "Age", &[], Some(12.0));
    let sim = scene.sim.clone();
    let mut verifying = 0.0;
    let see = move |happening: &Happening| match &happening.what {
        What::StageStarted { name, .. } if name.starts_with("Verify") => verifying = happening.at_seconds,
        _ if verifying > 0.0 && happening.at_seconds > verifying + 240.0 => {
            sim.world().report_metric("Work", "Age", &[], Some(99.0));
            verifying = 0.0;
            let sim = sim.clone();
            tokio::spawn(async move {
                sim.clock.sleep(Duration::from_secs(60)).await;
                sim.world().report_metric("Work", "Age", &[], Some(12.0));
            });
        }
        _ => {}
    };
    let ended =
        scene.watched("one", &verified(of("shift"), &scene, &errors, Some(12)), Box::new(|_| APPROVE), see).await;
    succeeded("one minute", &ended);
}

#[tokio::test(start_paused = true)]
async fn c2_the_past_is_judged_by_the_same_code() {
    let shift = of("shift");
    let scene = scene(1, shift, Compute::Groups, NewImage::Errors);
    // Nothing is verified meanwhile.
    deploy(&scene, "one", &shift.document(&scene));
    asked(&scene, "one").await;
    let from_millis = scene.sim.clock.now_millis() + 60_000;
    scene.sim.clock.sleep(Duration::from_secs(15 * 60)).await;
    let to_millis = scene.sim.clock.now_millis() - 180_000;
    let context =
        Context::new(&scene.sim.sdk_config_for("operator"), Arc::new(WallClock), scene.installation.settings());
    let document = verified(shift, &scene, &checks(shift), None);
    let past = |candidate: &str, stable: Option<&str>| Past {
        candidate: candidate.into(),
        stable: stable.map(str::to_owned),
        from_millis,
        to_millis,
    };
    let verdict = judge_past(&document, &past("shop__7", Some("shop__6")), &context).await.expect("both are there");
    assert!(verdict.bad.iter().any(|line| line.starts_with("errors: errorRate of shop__7 is ")), "{verdict:#?}");
    assert!(verdict.good.iter().any(|line| line.starts_with("slow: latency.p90 of shop__7 is ")), "{verdict:#?}");
    // The other way round it is good.
    let verdict = judge_past(&document, &past("shop__6", Some("shop__7")), &context).await.expect("both are there");
    assert!(verdict.bad.is_empty() && verdict.unsure.is_empty(), "{verdict:#?}");
    let alone = judge_past(&document, &past("shop__7", None), &context).await.expect("it is there");
    assert!(
        alone.unsure.iter().any(|line| line.contains("there is no stable fleet to compare shop__7 with")),
        "{alone:#?}"
    );
    let gone = judge_past(&document, &past("shop__9", None), &context).await.expect_err("it is not there");
    assert!(gone.message.contains("There is no Auto Scaling group shop__9 any more"), "{gone}");
    let nothing = judge_past(&shift.document(&scene), &past("shop__7", None), &context).await.expect_err("no checks");
    assert!(nothing.message.contains("there is nothing to judge"), "{nothing}");
}
