//! Deployments whose execution died (G8): stopped by hand, out of time, or by an error that nothing catches. An event says so,
//! or the scheduled sweep finds it; either way everything ends as it was, and nothing is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_aws::{Item, Table, keys};
use crossfade_core::names;
use crossfade_core::plan::{Direction, StageKind};
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Outcome, TABLE};
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, ExecutionSummary, StepFunctions};
use crossfade_sim::lambda::{Functions, Invocation, function_name};
use crossfade_sim::world::sample::ShopOptions;
use crossfade_sim::{Fault, Faults, Request, Sim};
use crossfade_steps::{PLANNING_SETTLE_SECONDS, SETTLE_SECONDS};
use crossfade_tests::machinery::{
    asked, change, deploy, end, executions, meta, reject, rollbacks, schedule, stop, sweep,
};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// The name of the first rollback.
fn first() -> String {
    names::rollback("halted", 1)
}

/// What makes somebody look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    /// Step Functions' event.
    Event,
    /// The event is lost; a scheduled one comes, as every five minutes.
    Schedule,
}

async fn notice(scene: &Scene, notice: Notice, execution: &ExecutionSummary) -> Vec<String> {
    match notice {
        Notice::Event => sweep(scene, change(execution)).await,
        Notice::Schedule => {
            scene.sim.clock.sleep(Duration::from_secs(300)).await;
            sweep(scene, schedule()).await
        }
    }
}

/// Plays a deployment that somebody stops so long after this stage of its plan has begun.
async fn stopped(scene: &Scene, document: &Value, stage: usize, after: Duration) -> Ended {
    let (sim, machine) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
    let see = move |happening: &Happening| {
        let What::StageStarted { direction: Direction::Deploy, index, .. } = &happening.what else { return };
        if *index == stage {
            let sim = sim.clone();
            let execution = executions(&sim, &machine).last().expect("it runs").arn.clone();
            tokio::spawn(async move {
                sim.clock.sleep(after).await;
                stop(&sim, &execution, json!({ "cause": "by mistake" })).await;
            });
        }
    };
    scene.watched("halted", document, Box::new(|_| APPROVE), see).await
}

/// Asserts that the last rollback comes to its end and leaves everything as it was, and that no request was lost on the way.
async fn ends_clean(scene: &Scene, what: &str) {
    let last = rollbacks(scene).pop().unwrap_or_else(|| panic!("{what}: nothing was started"));
    let outcome = scene.sim.step_functions().wait_for(&last.arn).await;
    let log = scene.installation.log("halted");
    assert!(matches!(outcome, Some(ExecutionOutcome::Succeeded(_))), "{what}: {outcome:?}\n{log:#?}");
    assert_eq!(meta(scene, "halted")["status"], "failedClean", "{what}");
    assert_eq!(scene.world().inventory(), scene.before, "{what}: {log:#?}");
    scene.holds_no_lock();
    let traffic = scene.world().traffic();
    assert!(traffic.totals.served > 0, "without traffic nothing is proved");
    assert_eq!(traffic.totals.lost, 0, "{what}: {log:#?}");
}

fn strategy(name: &str) -> &'static Strategy {
    STRATEGIES.iter().find(|strategy| strategy.name == name).expect("there is such a strategy")
}

/// Stops a deployment at every stage of its plan: how many there were.
async fn at_every_stage(strategy: &Strategy, noticed: Notice, after: Duration) -> usize {
    for stage in 0.. {
        let scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..strategy.options() });
        // What is pruned, nobody can bring back; that has a test of its own.
        let mut document = strategy.document(&scene);
        document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
        let ended = stopped(&scene, &document, stage, after).await;
        let died = executions(&scene.sim, &scene.installation.deploy_arn).remove(0);
        let what = format!("{}, stage {stage}, {after:?} later, {noticed:?}", strategy.name);
        if died.status() == "SUCCEEDED" {
            // The plan has no such stage, or the last ones are over in a moment.
            assert_eq!(notice(&scene, noticed, &died).await, Vec::<String>::new(), "{what}");
            let planned = ended.happenings.iter().find_map(|happening| match &happening.what {
                What::Planned { stages, .. } => Some(stages.len()),
                _ => None,
            });
            if planned == Some(stage) {
                return stage;
            }
            continue;
        }
        assert_eq!(died.status(), "ABORTED", "{what}");
        assert_eq!(notice(&scene, noticed, &died).await, [first()], "{what}");
        ends_clean(&scene, &what).await;
        let failure = &meta(&scene, "halted")["failure"];
        assert_eq!(failure["error"], "HaltRequested", "{what}");
        assert_eq!(failure["cause"], "Somebody stopped the execution (by mistake)", "{what}");
        // What is over is left alone.
        assert_eq!(sweep(&scene, schedule()).await, Vec::<String>::new(), "{what}");
        assert_eq!(rollbacks(&scene).len(), 1, "{what}");
    }
    unreachable!("every plan ends")
}

macro_rules! everywhere {
    ($($name:ident: $strategy:literal, $notice:ident, $millis:expr;)+) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            for millis in $millis {
                let stages = at_every_stage(strategy($strategy), Notice::$notice, Duration::from_millis(millis)).await;
                assert!(stages >= 6, "a plan has more than {stages} stages: nothing was stopped");
            }
        })+
    };
}

everywhere! {
    g8_a_basic_deployment_that_is_stopped_anywhere_is_undone_at_once: "basic", Event, [0, 7_000];
    g8_a_canary_that_is_stopped_anywhere_is_undone_at_once: "canary", Event, [0, 7_000];
    g8_a_shift_that_is_stopped_anywhere_is_undone_at_once: "shift", Event, [0, 7_000];
    g8_a_swap_that_is_stopped_anywhere_is_undone_at_once: "swap", Event, [0, 7_000];
    g8_a_listener_swap_that_is_stopped_anywhere_is_undone_at_once: "listener swap", Event, [0, 7_000];
    g8_a_canary_that_is_stopped_anywhere_is_undone_when_the_event_is_lost: "canary", Schedule, [0];
    g8_a_shift_that_is_stopped_anywhere_is_undone_when_the_event_is_lost: "shift", Schedule, [0];
    g8_a_swap_that_is_stopped_anywhere_is_undone_when_the_event_is_lost: "swap", Schedule, [0];
}

#[tokio::test(start_paused = true)]
async fn g8_a_deployment_that_is_stopped_while_it_prunes_is_undone_but_for_what_was_pruned() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document();
    let stages = Arc::new(Mutex::new(0));
    let prunes = stages.clone();
    let sim = scene.sim.clone();
    let machine = scene.installation.deploy_arn.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Prune")) {
            *prunes.lock().expect("nobody panicked") += 1;
            let (sim, execution) = (sim.clone(), executions(&sim, &machine).remove(0).arn);
            tokio::spawn(async move { stop(&sim, &execution, json!({})).await });
        }
    };
    scene.watched("halted", &document, Box::new(|_| APPROVE), see).await;
    assert_eq!(*stages.lock().expect("nobody panicked"), 1);
    assert_eq!(sweep(&scene, schedule()).await, [first()]);
    scene.sim.step_functions().wait_for(&rollbacks(&scene)[0].arn).await;
    assert_eq!(meta(&scene, "halted")["status"], "failedClean");
    assert_eq!((scene.weights(), scene.size("shop__6"), scene.size("shop__7")), ((100, 0), Some((4, 4, 8)), None));
    assert_eq!((scene.size("shop__3"), scene.size("shop__5")), (None, Some((0, 0, 0))), "kept are the newest");
    let log = scene.installation.log("halted");
    assert!(log.last().is_some_and(|line| line.contains("shop__3 is gone")), "and it says so: {log:#?}");
    assert_eq!(scene.world().traffic().totals.lost, 0);
    scene.holds_no_lock();
}

/// Stops the execution while it waits for a function of this name, which goes on.
struct StopsAt {
    inner: Arc<dyn Functions>,
    name: &'static str,
    sim: Arc<Sim>,
    execution: Mutex<Option<String>>,
}

impl Functions for StopsAt {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let called = self.inner.invoke(function, payload);
        if function_name(function) == self.name
            && let Some(execution) = self.execution.lock().expect("nobody panicked").take()
        {
            let sim = self.sim.clone();
            return Box::pin(async move {
                stop(&sim, &execution, json!({})).await;
                called.await
            });
        }
        called
    }
}

/// The usual deployment, stopped while a function of it is at work.
async fn died(scene: &Scene, function: &'static str) -> ExecutionSummary {
    let machine = &scene.installation.deploy_arn;
    let execution = StepFunctions::start(&scene.sim, machine, Some("halted"), &scene.document()).expect("it starts");
    let (inner, sim) = (scene.sim.functions(), scene.sim.clone());
    let at = StopsAt { inner: inner.clone(), name: function, sim, execution: Mutex::new(Some(execution.clone())) };
    scene.sim.set_functions(Arc::new(at));
    scene.sim.step_functions().wait_for(&execution).await;
    scene.sim.set_functions(inner);
    executions(&scene.sim, machine).remove(0)
}

#[tokio::test(start_paused = true)]
async fn g8_late_and_repeated_events_start_one_rollback() {
    let scene = Scene::new(ShopOptions::default());
    let dead = died(&scene, "shift-weight").await;
    tokio::join!(sweep(&scene, change(&dead)), sweep(&scene, change(&dead)));
    for _ in 0..4 {
        scene.sim.clock.sleep(Duration::from_secs(40)).await;
        assert_eq!(sweep(&scene, change(&dead)).await, [first()]);
        assert_eq!(sweep(&scene, schedule()).await, [first()]);
    }
    ends_clean(&scene, "told five times").await;
    assert_eq!(sweep(&scene, change(&dead)).await, Vec::<String>::new());
    assert_eq!(rollbacks(&scene).len(), 1);
    scene.succeed("after").await.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn g8_a_rollback_lets_the_last_function_of_a_stopped_execution_end() {
    let scene = Scene::new(ShopOptions::default());
    let dead = died(&scene, "shift-weight").await;
    sweep(&scene, change(&dead)).await;
    let status = || meta(&scene, "halted")["status"].clone();
    scene.sim.clock.sleep(Duration::from_secs(SETTLE_SECONDS - 1)).await;
    assert_eq!(status(), "running", "nothing is looked at yet");
    scene.sim.clock.sleep(Duration::from_secs(2)).await;
    assert_eq!(status(), "rollingBack");
    ends_clean(&scene, "settled").await;

    // Where nobody is at work, there is nothing to wait for.
    let scene = Scene::new(ShopOptions::default());
    let execution = deploy(&scene, "halted", &scene.document());
    asked(&scene, "halted").await;
    scene.sim.clock.sleep(Duration::from_secs(200)).await;
    stop(&scene.sim, &execution, json!({})).await;
    sweep(&scene, schedule()).await;
    scene.sim.clock.sleep(Duration::from_secs(2)).await;
    assert_eq!(meta(&scene, "halted")["status"], "rollingBack");
    ends_clean(&scene, "at once").await;

    // Nor for who only looks, which is most of the time.
    let scene = Scene::new(ShopOptions::default());
    let dead = died(&scene, "wait-steady").await;
    sweep(&scene, change(&dead)).await;
    scene.sim.clock.sleep(Duration::from_secs(2)).await;
    assert_eq!(meta(&scene, "halted")["status"], "rollingBack");
    ends_clean(&scene, "while it looks").await;

    // No function may run for longer, its start included.
    let template = include_str!("../../template.yaml");
    let timeouts = template.lines().filter_map(|line| line.trim().strip_prefix("Timeout: ")?.parse::<u64>().ok());
    let mut timeouts: Vec<u64> = timeouts.collect();
    timeouts.sort_unstable();
    assert!(
        timeouts.len() > 2 && timeouts.pop() <= Some(PLANNING_SETTLE_SECONDS - 10),
        "that of plan; init has ten seconds"
    );
    assert!(timeouts.pop() <= Some(SETTLE_SECONDS - 10), "{timeouts:?}");
}

#[tokio::test(start_paused = true)]
async fn g8_what_runs_and_what_has_ended_is_left_alone() {
    let scene = Scene::new(ShopOptions::default());
    let sim = scene.sim.clone();
    let machine = scene.installation.deploy_arn.clone();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { .. }) {
            let (sim, telling) = (sim.clone(), telling.clone());
            // An event of an execution that runs again, since somebody has redriven it, says what is no longer true.
            let event = change(executions(&sim, &machine).last().expect("it runs"));
            tokio::spawn(async move {
                for event in [event, schedule()] {
                    let answer = sim.functions().invoke("sweep", event).await;
                    telling.lock().expect("nobody panicked").push(format!("{answer:?}"));
                }
            });
        }
    };
    let ended = scene.watched("halted", &scene.document(), Box::new(|_| APPROVE), see).await;
    ended.lost_nothing();
    assert_eq!(scene.weights(), (0, 100));
    let told = told.lock().expect("nobody panicked").clone();
    let nothing = format!("{:?}", Invocation::Returned(json!({ "rollbacks": [] })));
    assert!(told.len() > 10 && told.iter().all(|answer| *answer == nothing), "{told:?}");
    assert_eq!(rollbacks(&scene).len(), 0);

    // Rejected, and undone by itself.
    let scene = Scene::new(ShopOptions::default());
    scene.play("halted", &scene.document(), REJECT).await;
    assert_eq!(sweep(&scene, schedule()).await, Vec::<String>::new());
    assert_eq!(rollbacks(&scene).len(), 1);
    // Refused, without and with a record.
    for document in [json!({ "service": "shop" }), scene.document_with(|d| d["artifact"]["ami"] = json!("ami-0000"))] {
        let scene = Scene::new(ShopOptions::default());
        scene.play("halted", &document, APPROVE).await;
        assert_eq!(sweep(&scene, schedule()).await, Vec::<String>::new());
        assert_eq!(rollbacks(&scene).len(), 0);
    }
}

/// Lets the end of a rollback wait for the table, from its first write on, and notes whom it answers.
struct SlowEnd {
    sim: Arc<Sim>,
    since_millis: Mutex<Option<u64>>,
    answered: Mutex<Vec<String>>,
}

impl Faults for SlowEnd {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        if request.caller.as_deref() != Some("finish") {
            return None;
        }
        if request.operation == "SendTaskSuccess" {
            let token = request.json["taskToken"].as_str().expect("it has one").to_owned();
            self.answered.lock().expect("nobody panicked").push(token);
        }
        let now = self.sim.clock.now_millis();
        let writes = request.operation == "TransactWriteItems";
        let since = writes.then(|| *self.since_millis.lock().expect("nobody panicked").get_or_insert(now))?;
        (now < since + 20_000).then(|| Fault::Refuse {
            status: 400,
            code: "ThrottlingException".into(),
            message: "a fault of the test".into(),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn g8_who_begins_to_wait_while_a_rollback_ends_is_answered() {
    let scene = Scene::new(ShopOptions::default());
    let slow = Arc::new(SlowEnd { sim: scene.sim.clone(), since_millis: Mutex::default(), answered: Mutex::default() });
    scene.sim.set_faults(Some(slow.clone()));
    deploy(&scene, "halted", &scene.document());
    let question = asked(&scene, "halted").await;
    reject(&scene.sim, &question).await.expect("it is asked");
    while slow.since_millis.lock().expect("nobody panicked").is_none() {
        scene.sim.clock.sleep(Duration::from_secs(1)).await;
    }
    // The step was tried again, under another token, since its first answer was lost.
    let again = json!({ "deploymentId": "halted", "taskToken": question, "state": {} });
    let _ = scene.sim.functions().invoke("start-rollback", again).await;
    ends_clean(&scene, "slow").await;
    assert_eq!(slow.answered.lock().expect("nobody panicked").last(), Some(&question));
}

#[tokio::test(start_paused = true)]
async fn p48_a_rollback_of_many_listeners_gets_on_where_the_account_lets_few_changes_through() {
    let strategy = strategy("listener swap");
    let scene = Scene::new(ShopOptions { second_balancer: true, requests_per_second: 5.0, ..strategy.options() });
    let (sim, machine) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
    let see = move |happening: &Happening| {
        if matches!(happening.what, What::StageStarted { direction: Direction::Deploy, kind: StageKind::Drain, .. }) {
            let (sim, execution) = (sim.clone(), executions(&sim, &machine).remove(0).arn);
            tokio::spawn(async move { stop(&sim, &execution, json!({})).await });
        }
    };
    scene.watched("halted", &strategy.document(&scene), Box::new(|_| APPROVE), see).await;
    // A change each eleven seconds: four take longer than a function waits for its turn.
    scene.sim.limit_rates_to(0.03);
    let died = executions(&scene.sim, &scene.installation.deploy_arn).remove(0);
    assert_eq!(sweep(&scene, change(&died)).await, [first()]);
    ends_clean(&scene, "throttled").await;
}

#[tokio::test(start_paused = true)]
async fn g8_an_execution_that_runs_out_of_time_is_undone() {
    let mut scene = Scene::new(ShopOptions::default());
    // As after a year, but sooner.
    let (name, text) = crossfade_local::Installation::definitions().expect("they are good").remove(0);
    let mut definition: Value = serde_json::from_str(&text).expect("it is JSON");
    definition["TimeoutSeconds"] = json!(150);
    let arn = scene.sim.step_functions().create(name, &definition.to_string(), None).expect("it is good");
    scene.remember();
    let execution = StepFunctions::start(&scene.sim, &arn, Some("halted"), &scene.document()).expect("it starts");
    let outcome = scene.sim.step_functions().wait_for(&execution).await;
    assert_eq!(outcome, Some(ExecutionOutcome::TimedOut));
    assert_eq!(sweep(&scene, schedule()).await, [first()]);
    ends_clean(&scene, "out of time").await;
    assert_eq!(meta(&scene, "halted")["failure"]["error"], "States.Timeout");
}

#[tokio::test(start_paused = true)]
async fn g8_a_rollback_that_is_stopped_itself_is_continued() {
    for noticed in [Notice::Event, Notice::Schedule] {
        let scene = Scene::new(ShopOptions::default());
        let dead = died(&scene, "shift-weight").await;
        let mut names = vec![sweep(&scene, change(&dead)).await];
        // Before it has taken over, while it works, and later.
        for seconds in [50, SETTLE_SECONDS + 3, 30] {
            scene.sim.clock.sleep(Duration::from_secs(seconds)).await;
            let last = rollbacks(&scene).pop().expect("it was started");
            assert_eq!(last.status(), "RUNNING", "after {seconds} s");
            stop(&scene.sim, &last.arn, json!({})).await;
            let last = rollbacks(&scene).pop().expect("it was started");
            names.push(notice(&scene, noticed, &last).await);
        }
        assert_eq!(names.concat(), [1, 2, 3, 4].map(|nth| names::rollback("halted", nth)));
        ends_clean(&scene, "stopped three times").await;
    }
}

#[tokio::test(start_paused = true)]
async fn g8_a_deployment_whose_rollback_is_stopped_waits_for_the_next_one_and_ends_by_itself() {
    let scene = Scene::new(ShopOptions::default());
    let (sim, machine) = (scene.sim.clone(), scene.installation.rollback_arn.clone());
    let functions = scene.sim.functions();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { direction: Direction::Rollback, index: 2, .. }) {
            let (sim, machine, functions) = (sim.clone(), machine.clone(), functions.clone());
            tokio::spawn(async move {
                let running = executions(&sim, &machine);
                if let [only] = running.as_slice() {
                    stop(&sim, &only.arn, json!({})).await;
                    sim.clock.sleep(Duration::from_secs(300)).await;
                    functions.invoke("sweep", schedule()).await;
                }
            });
        }
    };
    let ended = scene.watched("halted", &scene.document(), Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("rejected by"), "why it failed in the first place stays: {}", ended.cause());
    assert_eq!(rollbacks(&scene).len(), 2);
    ends_clean(&scene, "continued").await;
}

#[tokio::test(start_paused = true)]
async fn g8_a_rollback_that_somebody_asked_for_and_stopped_before_it_began_does_not_end_a_deployment_that_runs() {
    for (answer, outcome, names) in
        [(APPROVE, Outcome::Succeeded, &[1][..]), (REJECT, Outcome::FailedClean, &[1, 2][..])]
    {
        let scene = Scene::new(ShopOptions::default());
        let (sim, machine) = (scene.sim.clone(), scene.installation.rollback_arn.clone());
        let see = move |happening: &Happening| {
            if matches!(&happening.what, What::StageStarted { direction: Direction::Deploy, index: 1, .. }) {
                let (sim, machine) = (sim.clone(), machine.clone());
                tokio::spawn(async move {
                    let input = json!({ "deploymentId": "halted", "waitSeconds": 60 });
                    let rollback = StepFunctions::start(&sim, &machine, Some(&first()), &input).expect("it starts");
                    sim.clock.sleep(Duration::from_secs(5)).await;
                    stop(&sim, &rollback, json!({})).await;
                    let stopped = executions(&sim, &machine).remove(0);
                    sim.functions().invoke("sweep", change(&stopped)).await;
                });
            }
        };
        let ended = scene.watched("halted", &scene.document(), Box::new(move |_| answer), see).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        // Should it fail later, its own rollback finds another name.
        let names: Vec<String> = names.iter().map(|nth| names::rollback("halted", *nth)).collect();
        assert_eq!(rollbacks(&scene).into_iter().map(|it| it.name).collect::<Vec<_>>(), names);
        ended.lost_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn g8_ten_thousand_executions_that_ended_badly_keep_nobody_waiting() {
    let scene = Scene::new(ShopOptions::default());
    died(&scene, "shift-weight").await;
    // Refused, every one of them, and listed before the one that is in trouble.
    let machine = &scene.installation.deploy_arn;
    let (name, text) = crossfade_local::Installation::definitions().expect("they are good").remove(0);
    // As those end that are refused, in less time.
    let refusing =
        json!({ "StartAt": "FailedClean", "States": { "FailedClean": { "Type": "Fail", "Error": "FailedClean" } } });
    scene.sim.step_functions().create(name, &refusing.to_string(), None).expect("it is good");
    for nth in 0..10_000 {
        let refused = StepFunctions::start(&scene.sim, machine, Some(&format!("refused-{nth}")), &json!({}));
        scene.sim.step_functions().wait_for(&refused.expect("it starts")).await;
    }
    scene.sim.step_functions().create(name, &text, None).expect("it is good");
    let ended_badly = executions(&scene.sim, machine).iter().filter(|it| it.status() == "FAILED").count();
    assert_eq!(ended_badly, 10_000);
    let before = scene.sim.calls().len();
    assert_eq!(sweep(&scene, schedule()).await, [first()]);
    // The function whose execution was stopped may still be at work.
    let calls = scene.sim.calls().split_off(before);
    let calls = calls.iter().filter(|call| call.caller.as_deref() == Some("sweep")).count();
    assert!(calls < 13, "{calls} calls for one deployment that is not over");
    ends_clean(&scene, "beside ten thousand").await;
    let before = scene.sim.calls().len();
    assert_eq!(sweep(&scene, schedule()).await, Vec::<String>::new());
    // What is not over, and what could not be told.
    assert_eq!(scene.sim.calls().len() - before, 2, "what is over is not looked at");
}

/// The deployments of a list of them, in its order.
fn listed(scene: &Scene, list: &str) -> Vec<String> {
    let records = scene.installation.records(list).into_values();
    records.map(|it| it["deploymentId"].as_str().expect("it is named").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_not_over_is_listed_oldest_first_and_then_under_its_month() {
    let mut scene = Scene::new(ShopOptions::default());
    let month = keys::month(scene.sim.clock.now_millis());
    let rule = scene.add_route("staging", true);
    let other = scene.document_with(|d| {
        d["environment"] = json!("staging");
        d["compute"]["autoScalingGroup"]["name"] = json!("staging");
        d["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": { "min": 1, "desired": 2, "max": 4 } });
        d["routing"] = json!({ "weighted": [rule] });
    });
    // By name they would stand the other way round.
    deploy(&scene, "second", &scene.document());
    scene.sim.clock.sleep(Duration::from_secs(5)).await;
    deploy(&scene, "first", &other);
    scene.sim.clock.sleep(Duration::from_secs(5)).await;
    let refused = deploy(&scene, "refused", &scene.document());
    end(&scene, &refused).await;
    assert_eq!(listed(&scene, keys::OPEN), ["second", "first"]);
    assert_eq!(listed(&scene, &month), ["refused"]);
    for id in ["second", "first"] {
        let token = asked(&scene, id).await;
        reject(&scene.sim, &token).await.expect("it waits");
    }
    scene.sim.clock.sleep(Duration::from_secs(900)).await;
    assert_eq!(listed(&scene, keys::OPEN), Vec::<String>::new());
    assert_eq!(listed(&scene, &month), ["second", "first", "refused"], "in the order of their starts");
    let records = scene.installation.records(&month);
    assert!(records.values().all(|it| it["status"] == "failedClean" && it["endedMillis"].is_u64()), "{records:#?}");
    scene.is_as_before();
}

/// Stops the rollback of a rejected deployment so long after it has begun, every time until there were so many, while the sweep
/// comes every five minutes, and answers how the deployment ends.
async fn rollbacks_die(after: Duration, times: usize) -> (Scene, ExecutionOutcome) {
    let scene = Scene::new(ShopOptions::default());
    let execution = deploy(&scene, "halted", &scene.document());
    let token = asked(&scene, "halted").await;
    let (sim, machine) = (scene.sim.clone(), scene.installation.rollback_arn.clone());
    let killer = tokio::spawn(async move {
        for nth in 0..times {
            while executions(&sim, &machine).len() <= nth {
                sim.clock.sleep(Duration::from_millis(10)).await;
            }
            sim.clock.sleep(after).await;
            stop(&sim, &executions(&sim, &machine)[nth].arn, json!({})).await;
        }
    });
    let sim = scene.sim.clone();
    let sweeper = tokio::spawn(async move {
        loop {
            sim.clock.sleep(Duration::from_secs(300)).await;
            sim.functions().invoke("sweep", schedule()).await;
        }
    });
    reject(&scene.sim, &token).await.expect("it waits");
    let ended = end(&scene, &execution).await;
    sweeper.abort();
    killer.abort();
    (scene, ended)
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_dies_whenever_is_followed_by_another_within_five_minutes() {
    // From before it has been planned to after the end has been written.
    for millis in (0..400).step_by(50).chain((400..60_000).step_by(7_000)) {
        for times in if millis < 400 { 1..=2 } else { 3..=3 } {
            let (scene, ended) = rollbacks_die(Duration::from_millis(millis), times).await;
            let what = format!("{times} times, {millis} ms after each start");
            assert_eq!(ended.status(), "FAILED", "{what}");
            let ExecutionOutcome::Failed { error, .. } = &ended else { panic!("{what}: {ended:?}") };
            assert_eq!(error.as_deref(), Some("FailedClean"), "{what}");
            let rollbacks = rollbacks(&scene);
            for pair in rollbacks.windows(2) {
                let waited = pair[1].start_millis - pair[0].stop_millis.expect("it was stopped");
                assert!(waited <= 360_000, "{what}: the next one after {waited} ms");
            }
            assert!(rollbacks.len() > 1 || millis > 10_000, "{what}: none was stopped");
            scene.is_as_before();
            // Whoever waits is answered first, and then it is over.
            scene.sim.clock.sleep(Duration::from_secs(5)).await;
            assert_eq!(listed(&scene, keys::OPEN), Vec::<String>::new(), "{what}");
        }
    }
}

/// The table does not answer for one deployment.
struct Unreadable;

impl Faults for Unreadable {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let of_it = request.json.to_string().contains("\"deployment#broken\"");
        (of_it && request.caller.as_deref() == Some("sweep")).then(|| Fault::Refuse {
            status: 400,
            code: "AccessDeniedException".into(),
            message: "a fault of the test".into(),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn g8_what_cannot_be_swept_does_not_keep_the_others_waiting_and_is_told() {
    let scene = Scene::new(ShopOptions::default());
    let account = Table::new(&scene.sim.sdk_config_for("test"), TABLE);
    let broken = json!({ "deploymentId": "broken", "executionArn": "", "infrastructure": "", "startedMillis": 0 });
    account.put(&Item::new(keys::OPEN.into(), keys::start(0, "broken"), broken)).await.expect("it is written");
    died(&scene, "shift-weight").await;
    scene.sim.set_faults(Some(Arc::new(Unreadable)));
    let answer = scene.sim.functions().invoke("sweep", schedule()).await;
    let Invocation::Raised { error_type, error_message } = &answer else { panic!("it said nothing: {answer:?}") };
    assert_eq!(error_type, "AccessDenied", "{error_message}");
    assert_eq!(rollbacks(&scene).len(), 1);
    ends_clean(&scene, "beside a broken one").await;
}
