//! What follows when a stage fails, before everything is rolled back (G11): it is tried again, by itself or when somebody says so. Nothing
//! that fails is passed over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_core::document::Decision;
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Operator, Outcome};
use crossfade_sim::lambda::Invocation;
use crossfade_sim::world::State;
use crossfade_sim::world::sample::{PAGER, ShopOptions};
use crossfade_tests::machinery::{asked, deploy, end, meta, rollbacks, schedule, stop, sweep};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::{Value, json};

const SMOKE: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop-smoke";

/// A shop with a hook that says no so many times, and then yes.
fn scene(noes: usize) -> Scene {
    let scene = Scene::new(ShopOptions { pager: true, ..ShopOptions::default() });
    scene.world().turn_alarm(PAGER, State::Ok);
    let mut noes = noes;
    scene.sim.callables().function("shop-smoke", move |_| {
        let verdict = if noes > 0 { "fail" } else { "pass" };
        noes = noes.saturating_sub(1);
        (Duration::from_secs(1), Invocation::Returned(json!({ "verdict": verdict, "message": "checkout" })))
    });
    scene
}

fn document(scene: &Scene, on_failure: Value) -> Value {
    scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100] } });
        document["hooks"] = json!({ "smoke": { "lambda": SMOKE, "at": ["afterShift"] } });
        document["onFailure"] = on_failure;
    })
}

#[track_caller]
fn succeeded(ended: &Ended) {
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}\n{:#?}", ended.cause(), ended.log);
    ended.lost_nothing();
}

/// Asserts that it was taken back for what has failed, and left no trace.
#[track_caller]
fn taken_back(scene: &Scene, ended: &Ended, error: &str) {
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}\n{:#?}", ended.cause(), ended.log);
    assert_eq!(meta(scene, "one")["failure"]["error"], error, "{}", ended.cause());
    ended.lost_nothing();
    scene.is_as_before();
}

/// An operator who says these one after the other, and then nothing.
fn says(answers: &[Answer]) -> (Operator, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (told, mut answers) = (asked.clone(), VecDeque::from(answers.to_vec()));
    let operator = move |approval: &crossfade_steps::ApprovalRecord| {
        told.lock().unwrap().push(format!("{}: {}", approval.stage, approval.message));
        answers.pop_front().unwrap_or(Answer::Nothing)
    };
    (Box::new(operator), asked)
}

fn calls(scene: &Scene) -> usize {
    scene.sim.callables().heard().len()
}

#[tokio::test(start_paused = true)]
async fn g11_a_stage_is_tried_again_as_often_as_the_document_says_and_then_all_is_rolled_back() {
    let retries = json!({ "hook": { "retries": 2 } });
    let scene = scene(2);
    let ended = scene.play("one", &document(&scene, retries.clone()), APPROVE).await;
    succeeded(&ended);
    let heard = scene.sim.callables().heard();
    assert_eq!(heard.len(), 4, "three times after 10 %, and once after 100 %");
    let ids: Vec<&str> = heard.iter().map(|it| it.body["callId"].as_str().unwrap()).collect();
    assert!(ids[1] == format!("{}/1", ids[0]) && ids[2] == format!("{}/2", ids[0]), "{ids:?}");
    assert!(ended.log.iter().any(|line| line.contains("It is tried again, 2 of 2")), "{:#?}", ended.log);

    let scene = self::scene(99);
    let ended = scene.play("one", &document(&scene, retries), APPROVE).await;
    taken_back(&scene, &ended, "HookFailed");
    assert_eq!(calls(&scene), 3);
    let scene = self::scene(99);
    let ended = scene.play("one", &document(&scene, json!({ "verify": { "retries": 2 } })), APPROVE).await;
    taken_back(&scene, &ended, "HookFailed");
    assert_eq!(calls(&scene), 1, "another kind of stage was meant");
}

#[tokio::test(start_paused = true)]
async fn g11_somebody_decides_whether_it_is_tried_again_and_silence_rolls_back() {
    let ask = json!({ "hook": { "ask": { "message": "Call the shop's team.", "timeoutMinutes": 30 } } });
    for (answers, outcome) in
        [(vec![APPROVE], Outcome::Succeeded), (vec![REJECT], Outcome::FailedClean), (vec![], Outcome::FailedClean)]
    {
        let scene = scene(1);
        let (operator, asked) = says(&answers);
        let ended = scene.play_with("one", &document(&scene, ask.clone()), operator).await;
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked.len(), 1, "{asked:?}");
        let question = "Hook smoke after the shift has failed: Call the shop's team. Try it again? It failed with HookFailed: Hook smoke \
                        after the shift: smoke says no: checkout.";
        assert_eq!(asked[0], question);
        match outcome {
            Outcome::Succeeded => succeeded(&ended),
            _ => {
                taken_back(&scene, &ended, "HookFailed");
                assert!(ended.log.iter().any(|line| line.contains("is not tried again, says")), "{:#?}", ended.log);
            }
        }
        let record = scene
            .installation
            .record(&crossfade_aws::keys::deployment("one"), "approval#deploy#004")
            .expect("it was asked");
        assert_eq!(record["taskToken"], "");
        assert_eq!(record["decision"], if outcome == Outcome::Succeeded { "approve" } else { "reject" });
    }
}

#[tokio::test(start_paused = true)]
async fn g11_it_is_tried_by_itself_first_and_asked_about_three_times_at_most() {
    let scene = scene(99);
    let (operator, asked) = says(&[APPROVE; 9]);
    let both = json!({ "hook": { "retries": 1, "ask": {} } });
    let ended = scene.play_with("one", &document(&scene, both), operator).await;
    taken_back(&scene, &ended, "HookFailed");
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert_eq!(calls(&scene), 5);
}

#[tokio::test(start_paused = true)]
async fn g11_a_candidate_that_does_not_come_up_gets_another_time() {
    let scene = scene(0);
    let slow = |document: &mut Value| {
        // Too short for this image to boot.
        document["timeouts"] = json!({ "steadyStateMinutes": 1 });
        document["onFailure"] = json!({ "upscale": { "retries": 5 } });
    };
    let mut document = document(&scene, Value::Null);
    document.as_object_mut().unwrap().remove("onFailure");
    document["timeouts"] = json!({ "steadyStateMinutes": 1 });
    let ended = scene.play("one", &document, APPROVE).await;
    taken_back(&scene, &ended, "SteadyStateTimeout");
    let scene = self::scene(0);
    slow(&mut document);
    let ended = scene.play("one", &document, APPROVE).await;
    succeeded(&ended);
}

#[tokio::test(start_paused = true)]
async fn g11_what_is_watched_ends_the_question_and_a_verification_can_be_asked_about() {
    // The alarm goes off while somebody thinks about the hook: nobody is asked any more.
    let scene = scene(1);
    let mut watched = document(&scene, json!({ "hook": { "ask": { "timeoutMinutes": 600 } } }));
    watched["verification"] = json!({ "checks": { "pager": { "alarm": PAGER } } });
    let execution = deploy(&scene, "one", &watched);
    asked(&scene, "one").await;
    scene.world().turn_alarm(PAGER, State::Alarm);
    sweep(&scene, schedule()).await;
    end(&scene, &execution).await;
    let log = scene.installation.log("one");
    assert_eq!(meta(&scene, "one")["status"], "failedClean", "{log:#?}");
    assert!(log.iter().any(|line| line.contains("is not tried again, says what is watched")), "{log:#?}");
    scene.world().turn_alarm(PAGER, State::Ok);

    // A verification is bad; somebody sees why, mends it, and says go on.
    let scene = self::scene(0);
    let mut verified = document(&scene, json!({ "verify": { "ask": {} } }));
    verified["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100], "verify": { "minutes": 5 } } });
    verified["verification"] = json!({ "checks": { "pager": { "alarm": PAGER } }, "watch": { "checks": [] } });
    let sim = scene.sim.clone();
    let mut first = true;
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Verify"))
            && std::mem::take(&mut first)
        {
            sim.world().turn_alarm(PAGER, State::Alarm);
        }
    };
    let sim = scene.sim.clone();
    let mends = Box::new(move |_: &crossfade_steps::ApprovalRecord| {
        sim.world().turn_alarm(PAGER, State::Ok);
        Answer::Decide(Decision::Approve)
    });
    let ended = scene.watched("one", &verified, mends, see).await;
    succeeded(&ended);
}

#[tokio::test(start_paused = true)]
async fn g11_while_somebody_is_asked_nobody_else_deploys_and_a_stop_still_goes_back() {
    let scene = scene(1);
    let document = document(&scene, json!({ "hook": { "ask": { "timeoutMinutes": 43200 } } }));
    let execution = deploy(&scene, "one", &document);
    // Longer than any lease of a stage lasts.
    scene.sim.clock.sleep(Duration::from_secs(24 * 3600)).await;
    let rival = scene.play("two", &self::document(&scene, json!({})), APPROVE).await;
    assert!(rival.cause().contains("one"), "{}", rival.cause());
    assert_eq!(meta(&scene, "two")["failure"]["error"], "LockHeld");
    stop(&scene.sim, &execution, json!({ "error": "HaltRequested", "cause": "enough" })).await;
    sweep(&scene, schedule()).await;
    for rollback in rollbacks(&scene) {
        end(&scene, &rollback.arn).await;
    }
    assert_eq!(meta(&scene, "one")["status"], "failedClean");
    scene.is_as_before();
}

#[test]
fn g11_a_reaction_that_says_nothing_is_refused() {
    for (on_failure, expected) in [
        (
            json!({ "hook": {}, "upscale": { "retries": 9 } }),
            ["onFailure.hook: nothing follows", "onFailure.upscale.retries = 9"],
        ),
        (
            json!({ "shift": { "retries": 1 } }),
            ["onFailure.shift", "use one of: downsize, hook, traffic, upscale, verify"],
        ),
    ] {
        let problems =
            crossfade_core::document::parse(&json!({ "onFailure": on_failure })).expect_err("it is not good");
        let said: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
        for words in expected {
            assert!(said.contains(words), "{words}:\n{said}");
        }
    }
}
