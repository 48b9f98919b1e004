//! Hooks (G5): something of the user's own that is asked before, between and after the stages, and told around a rollback and at the
//! end. Only its yes goes on; where it is only told, it holds nothing up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_local::{Answer, Outcome};
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::callables::{Answer as HttpAnswer, Heard};
use crossfade_sim::lambda::{Functions, Invocation};
use crossfade_sim::world::sample::ShopOptions;
use crossfade_sim::{Fault, Faults, Request, Service};
use crossfade_tests::machinery::meta;
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

const SMOKE: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop-smoke:live";
const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/hooks-a1B2c3";

fn scene() -> Scene {
    Scene::new(ShopOptions::default())
}

fn yes() -> Invocation {
    Invocation::Returned(json!({ "verdict": "pass", "message": "41 of 41" }))
}

/// A function that says the same whenever it is called.
fn says(scene: &Scene, answer: Value) {
    let answer = Invocation::Returned(answer);
    scene.sim.callables().function("shop-smoke", move |_| (Duration::from_secs(2), answer.clone()));
}

/// The usual document, without an approval, with a hook.
fn document(scene: &Scene, hook: Value) -> Value {
    scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 100] } });
        document["hooks"] = json!({ "smoke": hook });
    })
}

fn lambda(at: &[&str]) -> Value {
    json!({ "lambda": SMOKE, "at": at, "input": { "suite": "full" } })
}

async fn played(scene: &Scene, document: &Value) -> Ended {
    scene.play("one", document, APPROVE).await
}

/// What came, each by where it stood and its stage.
fn stood(scene: &Scene) -> Vec<String> {
    let heard = scene.sim.callables().heard();
    heard.iter().map(|it| format!("{} {}", it.body["at"].as_str().unwrap_or("-"), it.body["trafficPercent"])).collect()
}

#[track_caller]
fn succeeded(ended: &Ended) {
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}\n{:#?}", ended.cause(), ended.log);
    ended.lost_nothing();
}

/// Asserts that it was taken back for this, and left no trace.
#[track_caller]
fn taken_back(scene: &Scene, ended: &Ended, why: &str) {
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}\n{:#?}", ended.cause(), ended.log);
    assert!(ended.cause().contains(why), "{why:?} is missing in: {}", ended.cause());
    assert_eq!(meta(scene, "one")["failure"]["error"], "HookFailed");
    ended.lost_nothing();
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn g5_a_hook_is_asked_at_every_point_and_its_yes_goes_on() {
    let scene = scene();
    scene.sim.callables().function("shop-smoke", |_| (Duration::from_secs(2), yes()));
    let points = [
        "beforeDeployment",
        "afterSetup",
        "afterUpscale",
        "beforeTraffic",
        "beforeShift",
        "afterShift",
        "beforeDownsize",
        "atEnd",
        "beforeRollback",
        "afterRollback",
    ];
    let ended = played(&scene, &document(&scene, lambda(&points))).await;
    succeeded(&ended);
    assert_eq!(
        stood(&scene),
        [
            "beforeDeployment null",
            "afterSetup null",
            "afterUpscale 0",
            "beforeTraffic 0",
            "beforeShift 0",
            "afterShift 10",
            "beforeShift 10",
            "afterShift 100",
            "beforeDownsize 100",
            "atEnd null",
        ]
    );
    assert!(ended.log.iter().any(|line| line == "smoke says yes: 41 of 41"), "{:#?}", ended.log);
    let heard = scene.sim.callables().heard();
    let body = &heard[5].body;
    assert_eq!((&body["hook"], &body["input"]["suite"]), (&json!("smoke"), &json!("full")));
    assert_eq!(body["infrastructure"], "shop/production/shop-base");
    assert_eq!((&body["candidate"]["name"], &body["candidate"]["desired"]), (&json!("shop__7"), &json!(4)));
    assert_eq!(body["stable"][0]["name"], "shop__6");
    let ids: BTreeMap<&str, usize> =
        heard.iter().map(|it| it.body["callId"].as_str().unwrap()).fold(BTreeMap::new(), |mut ids, id| {
            *ids.entry(id).or_default() += 1;
            ids
        });
    assert_eq!(ids.len(), heard.len(), "each call has an id of its own: {ids:?}");
}

#[tokio::test(start_paused = true)]
async fn g5_a_no_takes_the_deployment_back_wherever_it_is_said() {
    for point in [
        "beforeDeployment",
        "afterSetup",
        "afterUpscale",
        "beforeTraffic",
        "beforeShift",
        "afterShift",
        "beforeDownsize",
    ] {
        let scene = scene();
        says(&scene, json!({ "verdict": "fail", "message": "checkout is broken" }));
        let ended = played(&scene, &document(&scene, lambda(&[point]))).await;
        taken_back(&scene, &ended, "smoke says no: checkout is broken");
    }
}

#[tokio::test(start_paused = true)]
async fn g5_hooks_stand_between_stages_that_are_written_out_and_in_every_strategy() {
    let strategies = [
        (
            json!({ "stages": [{ "upscale": { "percent": 100 } }, { "hook": "smoke" }, { "shift": { "percent": 100 } },
            { "downsize": { "percent": 100 } }] }),
            vec![],
            vec!["- 0"],
        ),
        (json!({ "blueGreenShift": { "percents": [100] } }), vec!["beforeTraffic"], vec!["beforeTraffic 0"]),
    ];
    for (strategy, at, expected) in strategies {
        let scene = scene();
        says(&scene, json!({ "hookStatus": "SUCCEEDED" }));
        let mut document = document(&scene, lambda(&at));
        document["strategy"] = strategy;
        succeeded(&played(&scene, &document).await);
        assert_eq!(stood(&scene), expected);
    }
    for strategy in &crossfade_tests::strategies::STRATEGIES {
        let scene = Scene::new(strategy.options());
        says(&scene, json!({ "verdict": "pass" }));
        let mut document = strategy.document(&scene);
        document["hooks"] = json!({ "smoke": lambda(&["afterUpscale", "beforeDownsize"]) });
        let ended = scene.play("one", &document, APPROVE).await;
        succeeded(&ended);
        assert!(stood(&scene).len() >= 2, "{}: {:?}", strategy.name, stood(&scene));
    }
}

#[tokio::test(start_paused = true)]
async fn g5_a_hook_that_waits_is_asked_again_under_the_same_id_with_what_it_wants_to_be_told() {
    let scene = scene();
    scene.sim.callables().function("shop-smoke", |payload| {
        let run = payload["state"]["run"].as_u64().unwrap_or(0);
        let wait = json!({ "verdict": "wait", "message": format!("run {run}"), "retryAfterSeconds": 20, "state": { "run": run + 1 } });
        (Duration::from_secs(1), if run < 3 { Invocation::Returned(wait) } else { yes() })
    });
    let ended = played(&scene, &document(&scene, lambda(&["beforeTraffic"]))).await;
    succeeded(&ended);
    let heard = scene.sim.callables().heard();
    assert_eq!(heard.len(), 4);
    assert!(heard.iter().all(|it| it.body["callId"] == heard[0].body["callId"]), "{heard:?}");
    let attempts: Vec<u64> = heard.iter().map(|it| it.body["attempt"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    let gaps: Vec<u64> = heard.windows(2).map(|two| (two[1].at_millis - two[0].at_millis) / 1000).collect();
    assert!(gaps.iter().all(|gap| (20..26).contains(gap)), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn g5_silence_is_a_no_when_its_time_is_over_unless_the_document_says_otherwise() {
    for (on_timeout, succeeds) in [("reject", false), ("approve", true)] {
        let scene = scene();
        says(&scene, json!({ "verdict": "wait", "message": "still loading" }));
        let hook = json!({ "lambda": SMOKE, "at": ["afterShift"], "timeoutMinutes": 3, "onTimeout": on_timeout });
        let ended = played(&scene, &document(&scene, hook)).await;
        match succeeds {
            true => {
                succeeded(&ended);
                assert!(
                    ended.log.iter().any(|line| line.contains("within 3 min (still loading), which counts as yes"))
                );
            }
            false => taken_back(&scene, &ended, "it did not say yes within 3 min: still loading"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g5_a_function_that_fails_three_times_in_a_row_has_answered() {
    let raised = |times: usize| {
        let mut left = times;
        move |_: &Value| {
            left = left.saturating_sub(1);
            let (error_type, error_message) = ("TypeError".to_owned(), "x is undefined".to_owned());
            (Duration::from_secs(1), if left > 0 { Invocation::Raised { error_type, error_message } } else { yes() })
        }
    };
    let scene = scene();
    scene.sim.callables().function("shop-smoke", raised(3));
    succeeded(&played(&scene, &document(&scene, lambda(&["beforeTraffic"]))).await);
    assert_eq!(scene.sim.callables().heard().len(), 3);

    let scene = self::scene();
    scene.sim.callables().function("shop-smoke", raised(99));
    let ended = played(&scene, &document(&scene, lambda(&["beforeTraffic"]))).await;
    taken_back(&scene, &ended, "it failed: TypeError: x is undefined, 3 times in a row");
}

#[tokio::test(start_paused = true)]
async fn g5_a_function_that_answers_too_late_is_asked_again_under_the_same_id() {
    let scene = scene();
    let mut first = true;
    scene.sim.callables().function("shop-smoke", move |_| {
        let span = if std::mem::take(&mut first) { 300 } else { 1 };
        (Duration::from_secs(span), yes())
    });
    succeeded(&played(&scene, &document(&scene, lambda(&["beforeTraffic"]))).await);
    let heard = scene.sim.callables().heard();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].body["callId"], heard[1].body["callId"]);
}

#[tokio::test(start_paused = true)]
async fn g5_at_the_end_and_around_a_rollback_hooks_are_told_and_hold_nothing_up() {
    for answer in [json!({ "verdict": "fail" }), json!({ "verdict": "pass" })] {
        let scene = scene();
        says(&scene, answer);
        let ended = played(&scene, &document(&scene, lambda(&["atEnd"]))).await;
        succeeded(&ended);
        assert_eq!(stood(&scene), ["atEnd null"]);
    }
    let scene = scene();
    says(&scene, json!({ "verdict": "fail" }));
    let mut rejected = document(&scene, lambda(&["beforeRollback", "afterRollback", "atEnd"]));
    rejected["strategy"] = json!({ "blueGreenShift": { "approveAfterPercents": [10] } });
    let ended = scene.play("one", &rejected, REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    ended.lost_nothing();
    scene.is_as_before();
    assert_eq!(stood(&scene), ["beforeRollback null", "afterRollback null"]);
    let heard = scene.sim.callables().heard();
    assert_eq!(heard[0].body["direction"], "rollback");
    assert_eq!(heard[0].body["failure"]["error"], "ApprovalRejected");
}

#[tokio::test(start_paused = true)]
async fn g5_a_function_that_hangs_does_not_keep_a_rollback_from_the_traffic() {
    let mut took = Vec::new();
    for at in [&[][..], &["beforeRollback"][..]] {
        let scene = scene();
        scene.sim.callables().function("shop-smoke", |_| (Duration::from_secs(3600), yes()));
        let mut document = document(&scene, lambda(at));
        document["strategy"] = json!({ "blueGreenShift": { "approveAfterPercents": [10] } });
        if at.is_empty() {
            document.as_object_mut().unwrap().remove("hooks");
        }
        let ended = scene.play("one", &document, REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean);
        took.push(ended.summary.virtual_seconds);
    }
    assert!(took[1] - took[0] < 5.0, "{took:?}");
}

/// Does not let one function be invoked at all.
struct Without(Arc<dyn Functions>, &'static str);

impl Functions for Without {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        if function.ends_with(&format!(":{}", self.1)) {
            let (error, cause) = ("Lambda.ResourceNotFoundException".to_owned(), "it was deleted".to_owned());
            return Box::pin(async { Invocation::Platform { error, cause } });
        }
        self.0.invoke(function, payload)
    }
}

#[tokio::test(start_paused = true)]
async fn g5_not_even_the_lack_of_the_function_that_tells_hooks_holds_a_rollback_or_an_end_up() {
    let scene = scene();
    says(&scene, json!({ "verdict": "pass" }));
    scene.sim.set_functions(Arc::new(Without(scene.sim.functions(), "hook")));
    let ended = played(&scene, &document(&scene, lambda(&["atEnd"]))).await;
    succeeded(&ended);
    assert!(
        ended.log.iter().any(|line| line.starts_with("smoke could not be told: Lambda.ResourceNotFound")),
        "{:#?}",
        ended.log
    );
    let mut rejected = document(&scene, lambda(&["beforeRollback", "afterRollback"]));
    rejected["strategy"] = json!({ "blueGreenShift": { "approveAfterPercents": [10] } });
    let ended = scene.play("two", &rejected, REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    ended.lost_nothing();
    let ended = scene.play("three", &document(&scene, lambda(&["beforeTraffic"])), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "nobody was asked, which is no yes");
}

/// The hook's document with a callback.
fn callback(scene: &Scene, on_timeout: &str) -> Value {
    document(
        scene,
        json!({ "callback": SMOKE, "at": ["beforeTraffic"], "timeoutMinutes": 30, "onTimeout": on_timeout }),
    )
}

#[tokio::test(start_paused = true)]
async fn g5_whoever_has_the_token_calls_back_or_silence_decides() {
    for (said, outcome, why) in [
        (Some(true), Outcome::Succeeded, ""),
        (Some(false), Outcome::FailedClean, "says no: load test failed"),
        (None, Outcome::FailedClean, "nobody called back within 30 min"),
    ] {
        let scene = scene();
        let sim = scene.sim.clone();
        scene.sim.callables().function("shop-smoke", move |payload| {
            let token = payload["taskToken"].as_str().expect("it is given a token").to_owned();
            let sim = sim.clone();
            if let Some(said) = said {
                tokio::spawn(async move {
                    sim.clock.sleep(Duration::from_secs(600)).await;
                    let (operation, body) = match said {
                        true => ("SendTaskSuccess", json!({ "taskToken": token, "output": "{\"by\": \"loadtest\"}" })),
                        false => (
                            "SendTaskFailure",
                            json!({ "taskToken": token, "error": "No", "cause": "load test failed" }),
                        ),
                    };
                    StepFunctions::handle(&sim, &Request::json(Service::StepFunctions, operation, body));
                });
            }
            (Duration::from_secs(1), Invocation::Returned(Value::Null))
        });
        let ended = scene.play("one", &callback(&scene, "reject"), Answer::Nothing).await;
        assert_eq!(ended.summary.outcome, outcome, "{}\n{:#?}", ended.cause(), ended.log);
        assert!(ended.cause().contains(why), "{}", ended.cause());
        ended.lost_nothing();
        if outcome == Outcome::FailedClean {
            taken_back(&scene, &ended, why);
        }
    }
    let scene = scene();
    says(&scene, Value::Null);
    succeeded(&scene.play("one", &callback(&scene, "approve"), Answer::Nothing).await);

    let scene = self::scene();
    says(&scene, json!({ "verdict": "fail", "message": "no such suite" }));
    let ended = scene.play("one", &callback(&scene, "approve"), Answer::Nothing).await;
    taken_back(&scene, &ended, "smoke was to call back: no such suite");
}

fn http(also: Value) -> Value {
    let mut http = json!({ "url": "https://tests.example.com/runs?suite=full" });
    for (key, value) in also.as_object().into_iter().flatten() {
        http[key] = value.clone();
    }
    json!({ "http": http, "at": ["beforeTraffic"] })
}

/// An endpoint that gives these answers, and then the last one again.
fn endpoint(scene: &Scene, answers: Vec<Option<HttpAnswer>>) {
    let mut answers = answers.into_iter();
    let mut last = None;
    scene.sim.callables().endpoint("tests.example.com", move |_: &Heard| {
        if let Some(answer) = answers.next() {
            last = Some(answer);
        }
        last.clone().flatten()
    });
}

fn answer(status: u16, body: &str) -> Option<HttpAnswer> {
    Some(HttpAnswer { status, retry_after: None, body: body.into() })
}

#[tokio::test(start_paused = true)]
async fn g5_an_endpoint_is_posted_to_signed_and_judged() {
    let scene = scene();
    scene.sim.secrets().define("shop/hooks", r#"{"key": "canary-key", "token": "Bearer canary-token"}"#);
    endpoint(&scene, vec![None, answer(500, ""), answer(429, ""), answer(202, ""), answer(200, r#"{"ok": true}"#)]);
    let secret = |key: &str| json!({ "secret": SECRET, "key": key });
    let also =
        json!({ "authorization": secret("token"), "sign": secret("key"), "expect": { "json": "/ok", "equals": true } });
    let ended = played(&scene, &document(&scene, http(also))).await;
    succeeded(&ended);
    let heard = scene.sim.callables().heard();
    assert_eq!(heard.len(), 5, "a connection that breaks, and 5xx, are no answers");
    let first = &heard[0];
    assert_eq!(first.to, "https://tests.example.com/runs?suite=full");
    assert_eq!(first.headers["authorization"], "Bearer canary-token");
    assert!(first.headers["webhook-signature"].starts_with("v1,"), "{:?}", first.headers);
    assert_eq!(first.headers["webhook-id"], first.body["callId"].as_str().unwrap());
    assert!(heard.iter().all(|it| it.headers["idempotency-key"] == first.headers["webhook-id"]));
    assert!(ended.log.iter().any(|line| line == "smoke says yes: /ok = true"), "{:#?}", ended.log);
    // What is secret stands nowhere.
    let everything = format!("{:?}{:?}", ended.log, scene.sim.tables().items(crossfade_local::TABLE));
    assert!(!everything.contains("canary"), "a secret shows");
}

#[tokio::test(start_paused = true)]
async fn g5_an_endpoint_that_says_no_or_nothing_that_counts_takes_the_deployment_back() {
    for (answers, why) in [
        (vec![answer(404, "no such run")], "HTTP 404: no such run"),
        (vec![answer(302, "")], "nobody follows"),
        (vec![answer(200, r#"{"ok": true}"#)], "Say with `http.expect` what is a yes"),
        (vec![answer(200, r#"{"verdict": "fail", "message": "p99 is 2 s"}"#)], "p99 is 2 s"),
        (vec![None], "it did not say yes within 10 min"),
    ] {
        let scene = scene();
        endpoint(&scene, answers);
        let ended = played(&scene, &document(&scene, http(json!({})))).await;
        taken_back(&scene, &ended, why);
    }
}

#[tokio::test(start_paused = true)]
async fn g5_what_cannot_be_called_is_refused_before_anything_is_touched() {
    let scene = scene();
    let mut document = document(&scene, lambda(&["beforeTraffic"]));
    document["hooks"]["smoke"]["lambda"] = json!("arn:aws:lambda:eu-west-1:123456789012:function:shop-gone");
    document["hooks"]["load"] = http(json!({ "url": "https://elsewhere.example.org/" }));
    let ended = played(&scene, &document).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    for words in
        ["The hook smoke calls arn:aws:lambda", "there is no such function", "HookHosts does not name", "*.example.com"]
    {
        assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
    }
    assert_eq!(meta(&scene, "one")["failure"]["error"], "PreflightFailed");
    scene.is_as_before();
}

/// Strikes calls of Lambda's API as long as there is something left.
struct Strikes(Mutex<Vec<Fault>>);

impl Faults for Strikes {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let meant = request.service == Service::Lambda && request.operation == "Invoke";
        if meant { self.0.lock().unwrap().pop() } else { None }
    }
}

#[tokio::test(start_paused = true)]
async fn g5_a_lost_reply_a_throttle_and_a_silence_are_no_answers() {
    let throttle =
        || Fault::Refuse { status: 429, code: "TooManyRequestsException".into(), message: "Rate exceeded".into() };
    for faults in [
        vec![Fault::LoseReply],
        vec![Fault::LoseRequest],
        vec![Fault::Silence { arrives: true }],
        vec![throttle(), throttle(), throttle(), throttle()],
    ] {
        let scene = scene();
        says(&scene, json!({ "verdict": "pass" }));
        scene.sim.set_faults(Some(Arc::new(Strikes(Mutex::new(faults)))));
        succeeded(&played(&scene, &document(&scene, lambda(&["beforeTraffic"]))).await);
    }
}

#[tokio::test(start_paused = true)]
async fn g5_in_an_emergency_no_hook_is_asked() {
    let scene = scene();
    says(&scene, json!({ "verdict": "fail" }));
    let document = document(&scene, lambda(&["beforeTraffic", "afterShift", "atEnd"]));
    let parsed = crossfade_core::document::parse(&document).expect("it is good").at_once();
    let ended = played(&scene, &serde_json::to_value(parsed).expect("it can be written")).await;
    succeeded(&ended);
    assert_eq!(stood(&scene), ["atEnd null"]);
}

#[tokio::test(start_paused = true)]
async fn g5_what_is_watched_ends_a_deployment_while_a_hook_is_waited_for() {
    use crossfade_sim::world::State;
    use crossfade_sim::world::sample::PAGER;
    let scene = Scene::new(ShopOptions { pager: true, ..ShopOptions::default() });
    scene.world().turn_alarm(PAGER, State::Ok);
    says(&scene, json!({ "verdict": "wait" }));
    let hook = json!({ "lambda": SMOKE, "at": ["afterShift"], "timeoutMinutes": 600 });
    let mut document = document(&scene, hook);
    document["verification"] = json!({ "checks": { "pager": { "alarm": PAGER } } });
    let sim = scene.sim.clone();
    let see = move |happening: &crossfade_local::watch::Happening| {
        if let crossfade_local::watch::What::StageStarted { name, .. } = &happening.what
            && name.starts_with("Hook")
        {
            sim.world().turn_alarm(PAGER, State::Alarm);
        }
    };
    let ended = scene.watched("one", &document, Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert_eq!(meta(&scene, "one")["failure"]["error"], "VerificationFailed", "{}", ended.cause());
    ended.lost_nothing();
    scene.is_as_before();
}
