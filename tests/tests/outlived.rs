//! A candidate that dies after it has got traffic: users are taken off it as soon as nothing of it is healthy any more, whatever the
//! deployment waits for, if what it replaces can have them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_core::plan::Direction;
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_rehearse::dies;
use crossfade_rehearse::drive::sweep_regularly;
use crossfade_sim::world::sample::{Compute, Layout, ShopOptions};
use crossfade_sim::{Fault, Faults, Request};
use crossfade_tests::machinery::{asked, deploy, end, meta, rollbacks, schedule, sweep};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, Ended, SMOKE, Scene};
use serde_json::{Value, json};

/// What an alarm that watches the load balancer needs, a minute between two looks, and the way back: for so long users may stay.
const SOON_SECONDS: u64 = 240;

/// When it died, once it has.
type Died = Arc<Mutex<Option<u64>>>;

/// Kills everything of a fleet when a stage of the deployment begins whose name begins so, a little later.
fn dies_at(
    scene: &Scene,
    stage: &'static str,
    fleets: &'static [&'static str],
) -> (Died, impl FnMut(&Happening) + Send + 'static) {
    let died = Died::default();
    let (sim, cluster, told) = (scene.sim.clone(), scene.shop.cluster.clone(), died.clone());
    let images = [scene.shop.new_ami.clone()];
    let see = move |happening: &Happening| {
        if let What::StageStarted { name, direction: Direction::Deploy, .. } = &happening.what
            && name.starts_with(stage)
            && told.lock().expect("nobody panicked").is_none()
        {
            for fleet in fleets {
                dies(&sim, fleet, cluster.as_deref(), &images);
            }
            *told.lock().expect("nobody panicked") = Some(sim.clock.now_millis());
        }
    };
    (died, see)
}

/// Plays a deployment whose candidate dies when that stage begins, with somebody who answers nothing after that.
async fn played(scene: &Scene, document: &Value, stage: &'static str, fleets: &'static [&'static str]) -> (Ended, u64) {
    let (died, see) = dies_at(scene, stage, fleets);
    let sweeping = sweep_regularly(&scene.installation, || true);
    let gone = died.clone();
    let operator = move |_: &_| match *gone.lock().expect("nobody panicked") {
        Some(_) => Answer::Nothing,
        None => APPROVE,
    };
    let ended = scene.watched("one", document, Box::new(operator), see).await;
    sweeping.abort();
    let died = died.lock().expect("nobody panicked").expect("the stage has begun");
    (ended, died)
}

/// Asserts that it was rolled back for this, soon, and left no trace.
#[track_caller]
fn taken_back(scene: &Scene, ended: &Ended, died: u64, what: &str) {
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}: {:#?}", ended.log);
    let meta = meta(scene, "one");
    assert_eq!(meta["failure"]["error"], "CandidateUnhealthy", "{what}: {}", ended.cause());
    let back = ended.happenings.iter().find_map(|happening| match &happening.what {
        What::StageStarted { direction: Direction::Rollback, .. } => Some(happening.at_millis),
        _ => None,
    });
    let seconds = back.map(|back| back.saturating_sub(died) / 1000);
    assert!(seconds.is_some_and(|seconds| seconds <= SOON_SECONDS), "{what}: back after {seconds:?} s");
    scene.is_as_before();
}

fn shift() -> &'static Strategy {
    STRATEGIES.iter().find(|strategy| strategy.name == "shift").expect("it is one of them")
}

/// Two shifts, and what is between and after them.
fn stages(scene: &Scene, between: Value, after: Value) -> Value {
    scene.document_with(|document| {
        document["strategy"] = json!({ "stages": [
            { "upscale": { "percent": 100 } }, { "shift": { "percent": 10 } }, between, { "shift": { "percent": 100 } }, after,
            { "downsize": { "percent": 100 } }
        ] });
    })
}

const CANDIDATE: &[&str] = &["shop__7"];

#[tokio::test(start_paused = true)]
async fn whatever_the_deployment_waits_for_a_candidate_that_dies_loses_its_users() {
    let waits: BTreeMap<&str, Value> = BTreeMap::from([
        ("Approve", json!({ "approve": { "timeoutMinutes": 600 } })),
        ("Pause", json!({ "pause": { "seconds": 36_000 } })),
        ("Hook", json!({ "hook": "smoke" })),
    ]);
    for (stage, wait) in &waits {
        for (between, after) in
            [(wait, &json!({ "pause": { "seconds": 1 } })), (&json!({ "pause": { "seconds": 1 } }), wait)]
        {
            let scene = shift().scene();
            let mut document = stages(&scene, between.clone(), after.clone());
            let at_100 = *after == *wait;
            if *stage == "Hook" {
                document["hooks"] = json!({ "smoke": { "lambda": SMOKE, "timeoutMinutes": 600 } });
                scene.sim.callables().function("shop-smoke", |_| {
                    (Duration::from_secs(1), crossfade_sim::lambda::Invocation::Returned(json!({ "verdict": "wait" })))
                });
            }
            let begins: &'static str = match *stage {
                "Approve" => "Approve",
                "Pause" => "Pause 36000",
                _ => "Hook",
            };
            let (ended, died) = played(&scene, &document, begins, CANDIDATE).await;
            taken_back(&scene, &ended, died, &format!("{stage}, at 100 %: {at_100}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_shift_is_no_way_of_no_return() {
    for stage in ["Shift 100", "Drain", "Downsize shop__6"] {
        let scene = shift().scene();
        let document = stages(&scene, json!({ "pause": { "seconds": 1 } }), json!({ "pause": { "seconds": 1 } }));
        let (ended, died) = played(&scene, &document, stage, CANDIDATE).await;
        taken_back(&scene, &ended, died, stage);
    }
}

#[tokio::test(start_paused = true)]
async fn so_with_every_kind_of_fleet_behind_load_balancers_and_names() {
    let all = STRATEGIES.iter().flat_map(|strategy| {
        [Compute::Groups, Compute::Services, Compute::ServicesOnInstances, Compute::Elastigroups]
            .map(|compute| (strategy.name, ShopOptions { compute, ..strategy.options() }, strategy))
    });
    let named = ShopOptions { compute: Compute::Services, layout: Layout::Named, ..ShopOptions::default() };
    let all = all.filter(|(name, options, _)| options.compute == Compute::Groups || *name != "swap").chain([(
        "name in DNS",
        named,
        shift(),
    )]);
    for (name, options, strategy) in all {
        let what = format!("{name} of {:?}", options.compute);
        let scene = Scene::new(options);
        let document = strategy.document(&scene);
        // Of a swap the question comes before the candidate serves.
        let stage = if name.contains("swap") { "Downsize shop__6" } else { "Approve" };
        let (ended, died) = played(&scene, &document, stage, CANDIDATE).await;
        // Resolvers may take a minute more.
        taken_back(&scene, &ended, died, &what);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_somebody_ends_as_well() {
    let scene = Scene::new(ShopOptions::default());
    let execution = deploy(&scene, "one", &scene.document());
    asked(&scene, "one").await;
    let images = [scene.shop.new_ami.clone()];
    sweep(&scene, schedule()).await;
    dies(&scene.sim, "shop__7", None, &images);
    scene.sim.clock.sleep(Duration::from_secs(90)).await;
    sweep(&scene, schedule()).await;
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["failure"]["error"], "CandidateUnhealthy");
    let log = scene.installation.log("one").join("\n");
    assert!(log.contains("nothing of it is healthy any more in shop-b"), "{log}");
    assert!(log.contains("What it replaces could take all, and is healthy: 4 of shop__6"), "{log}");
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn where_what_it_replaces_is_ill_too_nobody_is_sent_there() {
    let scene = shift().scene();
    let document = stages(&scene, json!({ "approve": { "timeoutMinutes": 30 } }), json!({ "pause": { "seconds": 1 } }));
    let (ended, _) = played(&scene, &document, "Approve", &["shop__7", "shop__6"]).await;
    assert_eq!(meta(&scene, "one")["failure"]["error"], "ApprovalExpired", "{}", ended.cause());
}

#[tokio::test(start_paused = true)]
async fn where_there_is_nobody_else_it_goes_on_as_its_stages_say() {
    let scene = Scene::new(ShopOptions { instances: 0, ..ShopOptions::default() });
    let document = scene.document_with(|document| {
        document["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": { "desired": 2, "max": 4 } });
    });
    let (ended, _) = played(&scene, &document, "Approve", CANDIDATE).await;
    assert_ne!(meta(&scene, "one")["failure"]["error"], "CandidateUnhealthy", "{}", ended.cause());
}

/// Refuses whoever looks on what is registered, once the candidate serves.
struct Blind;

impl Faults for Blind {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let strikes = request.operation == "DescribeTargetHealth" && request.caller.as_deref() == Some("sweep");
        strikes.then(|| Fault::Refuse { status: 400, code: "Throttling".into(), message: "Rate exceeded".into() })
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_look_ends_nothing() {
    let scene = shift().scene();
    scene.sim.set_faults(Some(Arc::new(Blind)));
    let execution = deploy(&scene, "one", &scene.document());
    let token = asked(&scene, "one").await;
    scene.sim.functions().invoke("sweep", schedule()).await;
    crossfade_tests::machinery::approve(&scene.sim, &token).await.expect("it is still open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["status"], "succeeded");
    assert!(rollbacks(&scene).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_may_be_tried_again_is_not_when_the_candidate_is_dead() {
    let scene = shift().scene();
    let mut document = stages(&scene, json!({ "hook": "smoke" }), json!({ "pause": { "seconds": 1 } }));
    document["hooks"] = json!({ "smoke": { "lambda": SMOKE, "timeoutMinutes": 600 } });
    document["onFailure"] = json!({ "hook": { "retries": 3, "ask": {} } });
    scene.sim.callables().function("shop-smoke", |_| {
        (Duration::from_secs(1), crossfade_sim::lambda::Invocation::Returned(json!({ "verdict": "wait" })))
    });
    let (ended, died) = played(&scene, &document, "Hook", CANDIDATE).await;
    taken_back(&scene, &ended, died, "tried again");
}
