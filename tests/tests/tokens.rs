//! What comes to the state machines from outside and may come twice, late, or to the wrong one: the answers to task tokens
//! (P54), and redriven executions (P58).

use std::time::Duration;

use crossfade_asl::Event;
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, ExecutionSummary};
use crossfade_sim::world::sample::ShopOptions;
use crossfade_tests::machinery::{
    approve, asked, call, change, deploy, end, executions, meta, open_token, redrive, reject, rollbacks, schedule,
    stop, sweep,
};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{Scene, assert_same};
use serde_json::{Value, json};

/// What Step Functions says of a token that has been answered, or whose time is over.
const CLOSED: &str = "TaskTimedOut";

fn scene(strategy: &Strategy) -> Scene {
    Scene::new(ShopOptions { requests_per_second: 5.0, ..strategy.options() })
}

async fn seconds(scene: &Scene, seconds: u64) {
    scene.sim.clock.sleep(Duration::from_secs(seconds)).await;
}

#[track_caller]
fn lost_nothing(scene: &Scene, what: &str) {
    let totals = scene.world().traffic().totals;
    assert!(totals.served > 0, "without traffic nothing is proved");
    assert_eq!(totals.lost, 0, "{what}");
}

/// Asserts that a deployment has come to its end, and that the account is as it was before.
#[track_caller]
fn is_clean(scene: &Scene, deployment: &str, what: &str) {
    let log = scene.installation.log(deployment);
    assert_eq!(meta(scene, deployment)["status"], "failedClean", "{what}: {log:#?}");
    assert_eq!(scene.world().inventory(), scene.before, "{what}: {log:#?}");
    scene.holds_no_lock();
    lost_nothing(scene, what);
}

/// Asserts that the candidate serves alone.
#[track_caller]
fn has_succeeded(scene: &Scene, deployment: &str, what: &str) {
    let log = scene.installation.log(deployment);
    assert_eq!(meta(scene, deployment)["status"], "succeeded", "{what}: {log:#?}");
    assert_eq!((scene.size("shop__7"), scene.size("shop__6")), (Some((4, 4, 8)), Some((0, 0, 0))), "{what}");
    scene.holds_no_lock();
    lost_nothing(scene, what);
}

fn error(outcome: &ExecutionOutcome) -> &str {
    match outcome {
        ExecutionOutcome::Failed { error, .. } => error.as_deref().unwrap_or_default(),
        other => other.status(),
    }
}

#[tokio::test(start_paused = true)]
async fn p54_of_several_decisions_the_first_one_counts() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        for yes in [true, false] {
            let scene = scene(&strategy);
            let execution = deploy(&scene, "twice", &strategy.document(&scene));
            let token = asked(&scene, "twice").await;
            // Two people at nearly the same time, both under way at once, and a third one later.
            let soon = || scene.sim.clock.sleep(Duration::from_millis(5));
            let (first, second) = if yes {
                let late = async || (soon().await, reject(&scene.sim, &token).await).1;
                tokio::join!(approve(&scene.sim, &token), late())
            } else {
                let late = async || (soon().await, approve(&scene.sim, &token).await).1;
                tokio::join!(reject(&scene.sim, &token), late())
            };
            assert_eq!((first, second), (Ok(()), Err(CLOSED.into())), "{name}");
            seconds(&scene, 30).await;
            assert_eq!(approve(&scene.sim, &token).await, Err(CLOSED.into()), "{name}");
            assert_eq!(reject(&scene.sim, &token).await, Err(CLOSED.into()), "{name}");
            let outcome = end(&scene, &execution).await;
            let record =
                scene.installation.records("deployment#twice").into_iter().find(|(sk, _)| sk.starts_with("approval#"));
            let (_, record) = record.expect("it was asked");
            if yes {
                assert_eq!(outcome.status(), "SUCCEEDED", "{name}");
                assert_eq!((&record["decision"], &record["by"]), (&json!("approve"), &json!("ann")), "{name}");
                has_succeeded(&scene, "twice", name);
            } else {
                assert_eq!(error(&outcome), "FailedClean", "{name}");
                assert_eq!((&record["decision"], &record["by"]), (&json!("reject"), &json!("bob")), "{name}");
                is_clean(&scene, "twice", name);
            }
            // And long after the end.
            let settled = scene.world().inventory();
            seconds(&scene, 3600).await;
            for answer in [approve(&scene.sim, &token).await, reject(&scene.sim, &token).await] {
                assert_eq!(answer, Err(CLOSED.into()), "{name}");
            }
            seconds(&scene, 600).await;
            assert_same(&scene.world().inventory(), &settled);
        }
    }
}

/// A document whose approval waits ten minutes and then counts as this.
fn silent(strategy: &Strategy, scene: &Scene, on_timeout: &str) -> Value {
    let mut document = strategy.document(scene);
    let approval = json!({ "timeoutMinutes": 10, "onTimeout": on_timeout });
    for strategy in document["strategy"].as_object_mut().expect("one strategy").values_mut() {
        strategy["approval"] = approval.clone();
    }
    document
}

#[tokio::test(start_paused = true)]
async fn p54_a_decision_after_the_deadline_is_none_and_heartbeats_do_not_put_it_off() {
    for strategy in STRATEGIES {
        for (on_timeout, outcome) in [("reject", "FailedClean"), ("approve", "SUCCEEDED")] {
            let name = strategy.name;
            let scene = scene(&strategy);
            let execution = deploy(&scene, "late", &silent(&strategy, &scene, on_timeout));
            let token = asked(&scene, "late").await;
            for minute in 0..9 {
                seconds(&scene, 60).await;
                let beat = call(&scene.sim, "SendTaskHeartbeat", json!({ "taskToken": token })).await;
                assert!(beat.is_ok(), "{name}: {beat:?} after {minute} min");
            }
            seconds(&scene, 62).await;
            let against = if on_timeout == "reject" {
                approve(&scene.sim, &token).await
            } else {
                reject(&scene.sim, &token).await
            };
            assert_eq!(against, Err(CLOSED.into()), "{name}");
            assert_eq!(error(&end(&scene, &execution).await), outcome, "{name}");
            let log = scene.installation.log("late").join("\n");
            match on_timeout {
                "reject" => is_clean(&scene, "late", name),
                _ => has_succeeded(&scene, "late", name),
            }
            assert!(
                log.contains(if on_timeout == "reject" { "nobody decided" } else { "Approved by the deadline" }),
                "{log}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p54_the_token_of_a_deployment_that_was_stopped_decides_nothing() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = scene(&strategy);
        let execution = deploy(&scene, "stopped", &strategy.document(&scene));
        let token = asked(&scene, "stopped").await;
        stop(&scene.sim, &execution, json!({})).await;
        assert_eq!(approve(&scene.sim, &token).await, Err(CLOSED.into()), "{name}");
        assert_eq!(sweep(&scene, schedule()).await, ["stopped-rollback-1"], "{name}");
        // The record still says that it waits: somebody answers while the rollback settles, and while it works.
        for _ in 0..8 {
            assert_eq!(approve(&scene.sim, &token).await, Err(CLOSED.into()), "{name}");
            seconds(&scene, 20).await;
        }
        end(&scene, &rollbacks(&scene)[0].arn).await;
        is_clean(&scene, "stopped", name);
    }
}

/// A second definition over the same base, with a router and a lock of its own.
fn other(scene: &mut Scene) -> Value {
    let rule = scene.add_route("staging", true);
    scene.document_with(|d| {
        d["environment"] = json!("staging");
        d["compute"]["autoScalingGroup"]["name"] = json!("staging");
        d["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": { "min": 1, "desired": 2, "max": 4 } });
        d["routing"] = json!({ "weighted": [rule] });
        d["strategy"] = json!({ "blueGreenShift": { "approveAfterPercents": [10] } });
    })
}

#[tokio::test(start_paused = true)]
async fn p54_the_token_of_one_deployment_decides_for_no_other() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let mut scene = scene(&strategy);
        let other = other(&mut scene);
        let first = deploy(&scene, "first", &strategy.document(&scene));
        let second = deploy(&scene, "second", &other);
        let (one, two) = (asked(&scene, "first").await, asked(&scene, "second").await);
        approve(&scene.sim, &two).await.expect("it waits");
        assert_eq!(end(&scene, &second).await.status(), "SUCCEEDED", "{name}");
        assert_eq!(open_token(&scene, "first").as_deref(), Some(one.as_str()), "{name}: nobody has answered it");
        for (token, says) in
            [("", "ValidationException"), ("nonsense", "InvalidToken"), (&one[..one.len() - 4], "TaskDoesNotExist")]
        {
            assert_eq!(reject(&scene.sim, token).await, Err(says.into()), "{name}: {token}");
        }
        assert_eq!(scene.sim.step_functions().outcome(&first), None, "{name}");
        approve(&scene.sim, &one).await.expect("it waits");
        assert_eq!(end(&scene, &first).await.status(), "SUCCEEDED", "{name}");
        has_succeeded(&scene, "first", name);
        assert_eq!(scene.size("staging__1"), Some((1, 2, 4)), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_no_approver_gives_are_taken_for_what_they_are() {
    // Whatever is sent as a yes is a yes; who said it is not made up.
    for output in ["null", "1", "[]", r#"{"by": 7}"#, r#""ann""#] {
        let strategy = &STRATEGIES[2];
        let scene = scene(strategy);
        let execution = deploy(&scene, "odd", &strategy.document(&scene));
        let token = asked(&scene, "odd").await;
        call(&scene.sim, "SendTaskSuccess", json!({ "taskToken": token, "output": output })).await.expect("it waits");
        assert_eq!(end(&scene, &execution).await.status(), "SUCCEEDED", "{output}");
        let log = scene.installation.log("odd").join("\n");
        assert!(log.contains("Approved by somebody who did not say who"), "{output}: {log}");
        has_succeeded(&scene, "odd", output);
    }
}

#[tokio::test(start_paused = true)]
async fn p56_a_yes_too_large_to_be_passed_on_is_a_yes() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = scene(&strategy);
        let execution = deploy(&scene, "large", &strategy.document(&scene));
        let token = asked(&scene, "large").await;
        let output = json!({ "comment": "x".repeat(262_000) }).to_string();
        call(&scene.sim, "SendTaskSuccess", json!({ "taskToken": token, "output": output }))
            .await
            .expect("it is taken");
        assert_eq!(end(&scene, &execution).await.status(), "SUCCEEDED", "{name}");
        let log = scene.installation.log("large").join("\n");
        assert!(
            log.contains("Approved by somebody who did not say who: what they said is too large to be passed on"),
            "{log}"
        );
        has_succeeded(&scene, "large", name);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_the_token_of_the_rollback_does_not_end_the_rollback() {
    for strategy in STRATEGIES {
        for output in [r#"{"outcome": "FailedClean"}"#, "{}"] {
            let what = format!("{}, {output}", strategy.name);
            let scene = scene(&strategy);
            let execution = deploy(&scene, "stray", &strategy.document(&scene));
            let token = asked(&scene, "stray").await;
            reject(&scene.sim, &token).await.expect("it waits");
            seconds(&scene, 5).await;
            let record = scene.installation.record("deployment#stray", "rollback").expect("it is being rolled back");
            let waits = record["taskToken"].as_str().expect("somebody waits for it");
            call(&scene.sim, "SendTaskSuccess", json!({ "taskToken": waits, "output": output }))
                .await
                .expect("it waits");
            end(&scene, &execution).await;
            // The deployment's execution believes it, the rollback goes on all the same, and so does the sweep's care.
            let dead = executions(&scene.sim, &scene.installation.deploy_arn).remove(0);
            assert_eq!(sweep(&scene, change(&dead)).await, ["stray-rollback-1"], "{what}");
            let [rollback] = rollbacks(&scene).try_into().expect("one rollback");
            assert_eq!(end(&scene, &rollback.arn).await.status(), "SUCCEEDED", "{what}");
            is_clean(&scene, "stray", &what);
        }
    }
}

/// Stops a deployment so long after this stage of its plan has begun; nothing when it has no such stage, or is over by then.
async fn stopped_at(scene: &Scene, document: &Value, stage: &str, after: u64) -> bool {
    let execution = deploy(scene, "redriven", document);
    let at = |scene: &Scene| {
        let history = scene.sim.step_functions().history(&execution);
        history.iter().any(|event| match &event.event {
            Event::StateEntered { input, .. } => {
                input["stage"]["name"].as_str().is_some_and(|name| name.starts_with(stage))
            }
            _ => false,
        })
    };
    while scene.sim.step_functions().outcome(&execution).is_none() {
        if at(scene) {
            scene.sim.clock.sleep(Duration::from_millis(after)).await;
            stop(&scene.sim, &execution, json!({})).await;
            return scene.sim.step_functions().outcome(&execution).is_some_and(|it| it.status() == "ABORTED");
        }
        if let Some(token) = open_token(scene, "redriven") {
            approve(&scene.sim, &token).await.expect("it waits");
        }
        seconds(scene, 1).await;
    }
    false
}

/// Says yes to whatever a deployment asks, until its execution has ended.
async fn to_the_end(scene: &Scene, execution: &str) -> ExecutionOutcome {
    loop {
        if let Some(outcome) = scene.sim.step_functions().outcome(execution) {
            return outcome;
        }
        if let Some(token) = open_token(scene, "redriven") {
            // One of before the redrive is closed.
            let _ = approve(&scene.sim, &token).await;
        }
        seconds(scene, 1).await;
    }
}

/// Where executions are stopped: early, in the middle, late; so many milliseconds after the stage has begun, while its first
/// function works or later.
const STOPS: [(&str, u64); 4] = [("Set up", 60), ("Upscale", 6_000), ("Approve", 6_000), ("Downsize shop__6", 60)];

/// Stops every strategy at each of these stages, and lets `then` happen; how many runs there were.
async fn stopped_everywhere(then: impl AsyncFn(&Scene, &ExecutionSummary, &str)) -> usize {
    let mut runs = 0;
    for strategy in STRATEGIES {
        for (stage, after) in STOPS {
            let what = format!("{}, stopped {after} ms after {stage:?}", strategy.name);
            let scene = scene(&strategy);
            let mut document = strategy.document(&scene);
            document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
            if stopped_at(&scene, &document, stage, after).await {
                let dead = executions(&scene.sim, &scene.installation.deploy_arn).remove(0);
                then(&scene, &dead, &what).await;
                runs += 1;
            }
        }
    }
    runs
}

#[tokio::test(start_paused = true)]
async fn p58_a_deployment_that_is_redriven_before_anybody_rolls_it_back_goes_on() {
    let runs = stopped_everywhere(async |scene, dead, what| {
        seconds(scene, 20).await;
        redrive(&scene.sim, &dead.arn).await.expect("it was stopped");
        // The event of its stop comes late, and says what is no longer true.
        assert_eq!(sweep(scene, change(dead)).await, Vec::<String>::new(), "{what}");
        assert_eq!(to_the_end(scene, &dead.arn).await.status(), "SUCCEEDED", "{what}");
        assert_eq!(sweep(scene, schedule()).await, Vec::<String>::new(), "{what}");
        has_succeeded(scene, "redriven", what);
    })
    .await;
    assert!(runs == 20, "only {runs} were stopped");
}

#[tokio::test(start_paused = true)]
async fn p58_a_deployment_that_is_redriven_while_it_is_rolled_back_gives_way() {
    // While the rollback lets the last function end, and after it has taken over.
    for later in [30, 101, 125] {
        let runs = stopped_everywhere(async |scene, dead, what| {
            let what = &format!("{what}, redriven {later} s later");
            assert_eq!(sweep(scene, change(dead)).await, ["redriven-rollback-1"], "{what}");
            seconds(scene, later).await;
            redrive(&scene.sim, &dead.arn).await.expect("it was stopped");
            let outcome = to_the_end(scene, &dead.arn).await;
            end(scene, &rollbacks(scene)[0].arn).await;
            assert_eq!(sweep(scene, schedule()).await, Vec::<String>::new(), "{what}");
            match outcome.status() {
                // It was over before the rollback took over.
                "SUCCEEDED" => has_succeeded(scene, "redriven", what),
                _ => {
                    assert_eq!(error(&outcome), "FailedClean", "{what}");
                    is_clean(scene, "redriven", what);
                }
            }
        })
        .await;
        assert!(runs == 20, "only {runs} were stopped");
    }
}

#[tokio::test(start_paused = true)]
async fn p58_a_deployment_that_is_redriven_after_it_was_rolled_back_ends_by_its_fence() {
    let runs = stopped_everywhere(async |scene, dead, what| {
        sweep(scene, change(dead)).await;
        end(scene, &rollbacks(scene)[0].arn).await;
        is_clean(scene, "redriven", what);
        let log = scene.installation.log("redriven");
        redrive(&scene.sim, &dead.arn).await.expect("it was stopped");
        assert_eq!(error(&to_the_end(scene, &dead.arn).await), "FailedClean", "{what}");
        is_clean(scene, "redriven", what);
        assert_eq!(scene.installation.log("redriven"), log, "{what}: it has written nothing");
        assert_eq!(rollbacks(scene).len(), 1, "{what}: nor started anything");
    })
    .await;
    assert!(runs == 20, "only {runs} were stopped");
}

#[tokio::test(start_paused = true)]
async fn p58_a_redriven_deployment_does_not_disturb_the_next_one() {
    let runs = stopped_everywhere(async |scene, dead, what| {
        sweep(scene, change(dead)).await;
        end(scene, &rollbacks(scene)[0].arn).await;
        let mut document: Value = serde_json::from_str(&dead.input).expect("it is a document");
        document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
        let next = deploy(scene, "next", &document);
        let token = asked(scene, "next").await;
        redrive(&scene.sim, &dead.arn).await.expect("it was stopped");
        assert_eq!(error(&to_the_end(scene, &dead.arn).await), "FailedClean", "{what}");
        approve(&scene.sim, &token).await.expect("it waits still");
        assert_eq!(end(scene, &next).await.status(), "SUCCEEDED", "{what}");
        assert_eq!(scene.size("shop__8"), Some((4, 4, 8)), "{what}: number 7 was used up");
        assert_eq!((scene.size("shop__7"), scene.size("shop__6")), (None, Some((0, 0, 0))), "{what}");
        scene.holds_no_lock();
        lost_nothing(scene, what);
    })
    .await;
    assert!(runs == 20, "only {runs} were stopped");
}

#[tokio::test(start_paused = true)]
async fn p58_what_has_failed_by_itself_fails_again_and_what_has_succeeded_cannot_be_redriven() {
    for strategy in STRATEGIES {
        for yes in [true, false] {
            let name = strategy.name;
            let scene = scene(&strategy);
            let execution = deploy(&scene, "ended", &strategy.document(&scene));
            let token = asked(&scene, "ended").await;
            if yes { approve(&scene.sim, &token).await } else { reject(&scene.sim, &token).await }.expect("it waits");
            let outcome = end(&scene, &execution).await;
            if let Some(rollback) = rollbacks(&scene).first() {
                // It answers its deployment, and ends a moment later.
                end(&scene, &rollback.arn).await;
            }
            let (inventory, calls) = (scene.world().inventory(), scene.sim.calls().len());
            if yes {
                assert_eq!(redrive(&scene.sim, &execution).await, Err("ExecutionNotRedrivable".into()), "{name}");
                continue;
            }
            redrive(&scene.sim, &execution).await.expect("it has failed");
            assert_eq!(end(&scene, &execution).await, outcome, "{name}");
            let calls: Vec<_> =
                scene.sim.calls().split_off(calls).into_iter().filter(|call| call.caller.is_some()).collect();
            assert!(calls.is_empty(), "{name}: no function was called, but {calls:?}");
            assert_same(&scene.world().inventory(), &inventory);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p58_an_execution_that_ran_out_of_time_is_redriven_like_one_that_was_stopped() {
    for rolled_back in [false, true] {
        let mut scene = scene(&STRATEGIES[2]);
        // As after a year, but sooner.
        let (name, text) = crossfade_local::Installation::definitions().expect("they are good").remove(0);
        let mut definition: Value = serde_json::from_str(&text).expect("it is JSON");
        definition["TimeoutSeconds"] = json!(60);
        scene.installation.deploy_arn =
            scene.sim.step_functions().create(name, &definition.to_string(), None).expect("it is good");
        let execution = deploy(&scene, "redriven", &scene.document());
        assert_eq!(end(&scene, &execution).await, ExecutionOutcome::TimedOut);
        if rolled_back {
            sweep(&scene, schedule()).await;
            end(&scene, &rollbacks(&scene)[0].arn).await;
        }
        let outcome = loop {
            redrive(&scene.sim, &execution).await.expect("it has not succeeded");
            let outcome = to_the_end(&scene, &execution).await;
            if outcome != ExecutionOutcome::TimedOut {
                break outcome;
            }
        };
        match rolled_back {
            true => {
                assert_eq!(error(&outcome), "FailedClean");
                is_clean(&scene, "redriven", "out of time");
            }
            false => {
                assert_eq!(outcome.status(), "SUCCEEDED");
                has_succeeded(&scene, "redriven", "out of time");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p58_a_rollback_that_is_redriven_beside_its_successor_or_after_it_changes_nothing() {
    for strategy in STRATEGIES {
        // Stopped when it has taken over, and while it works; redriven while its successor does the same, and after its end.
        let all = [3, 20, 50].into_iter().flat_map(|stopped| [1, 110, 3600].map(|later| (stopped, later)));
        let some = [(20, 110), (50, 3600)];
        for (stopped, later) in all.filter(|it| strategy.name == "shift" || some.contains(it)) {
            let what = format!("{}, stopped after {stopped} s, redriven {later} s after that", strategy.name);
            let scene = scene(&strategy);
            assert!(stopped_at(&scene, &strategy.document(&scene), "Approve", 6_000).await, "{what}");
            sweep(&scene, schedule()).await;
            seconds(&scene, stopped).await;
            let first = rollbacks(&scene).remove(0);
            assert_eq!(first.status(), "RUNNING", "{what}");
            stop(&scene.sim, &first.arn, json!({})).await;
            assert_eq!(sweep(&scene, schedule()).await, ["redriven-rollback-2"], "{what}");
            seconds(&scene, later).await;
            redrive(&scene.sim, &first.arn).await.expect("it was stopped");
            for rollback in rollbacks(&scene) {
                end(&scene, &rollback.arn).await;
            }
            sweep(&scene, schedule()).await;
            for rollback in rollbacks(&scene) {
                end(&scene, &rollback.arn).await;
            }
            is_clean(&scene, "redriven", &what);
            let topics = scene.sim.topics();
            let subjects: Vec<_> = topics.published().iter().filter_map(|message| message.subject.clone()).collect();
            assert!(!subjects.iter().any(|it| it.ends_with("FAILED DIRTY")), "{what}: {subjects:?}");
        }
    }
}
