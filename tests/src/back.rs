//! How long it takes from a command until no user gets the new version any more, on the ordinary shop. docs/operating.md shows it.

use std::fmt::Write as _;
use std::time::Duration;

use crossfade_core::haste::Haste;
use crossfade_rehearse::dies;
use crossfade_rehearse::drive::sweep_regularly;
use crossfade_sim::world::State;
use crossfade_sim::world::sample::{PAGER, ShopOptions};
use crossfade_steps::{FailureRecord, Meta, roll_back};
use serde_json::{Value, json};

use crate::machinery::{approve, asked, deploy, end, meta, reject, schedule, stop, sweep};
use crate::{APPROVE, Scene};

/// A shop in which a deployment serves so many percent and asks.
async fn asking() -> (Scene, String, String) {
    let scene = Scene::new(ShopOptions { pager: true, ..ShopOptions::default() });
    scene.world().turn_alarm(PAGER, State::Ok);
    let document = scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [50, 100], "approveAfterPercents": [50] } });
        document["verification"] = json!({ "checks": { "pager": { "alarm": PAGER } } });
    });
    let execution = deploy(&scene, "one", &document);
    let token = asked(&scene, "one").await;
    (scene, execution, token)
}

/// The seconds until all traffic is where it was.
async fn until_back(scene: &Scene, began_millis: u64, back: (u32, u32)) -> u64 {
    while scene.weights() != back {
        scene.sim.clock.sleep(Duration::from_secs(1)).await;
        assert!(scene.sim.clock.now_millis() < began_millis + 3_600_000, "{:#?}", scene.installation.log("one"));
    }
    (scene.sim.clock.now_millis() - began_millis).div_ceil(1000)
}

/// As `crossfade abort` does it.
async fn abort(scene: &Scene, execution: &str) {
    stop(&scene.sim, execution, json!({ "error": "HaltRequested", "cause": "ann" })).await;
    take_over(scene, Some(execution)).await;
}

/// As `crossfade rollback` does it of a deployment that runs.
async fn take_over(scene: &Scene, dead: Option<&str>) {
    let (context, why) =
        (scene.installation.context("operator", Duration::ZERO), FailureRecord::new("HaltRequested", "ann"));
    let machine = &scene.installation.rollback_arn;
    roll_back("one", machine, Some(why), dead, Haste::Now, &context).await.expect("it starts");
}

/// A deployment that has succeeded, and the way back from it, by a document like this.
async fn afterwards(document: impl FnOnce(&Meta) -> Value) -> u64 {
    let scene = Scene::new(ShopOptions::default());
    let first = scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 50, 100], "pauseSeconds": 300 } });
    });
    scene.play("one", &first, APPROVE).await.lost_nothing();
    assert_eq!(scene.weights(), (0, 100));
    let began = scene.sim.clock.now_millis();
    let meta: Meta = serde_json::from_value(meta(&scene, "one")).expect("it is one");
    let execution = deploy(&scene, "one-back-to-6", &document(&meta));
    let seconds = until_back(&scene, began, (100, 0)).await;
    end(&scene, &execution).await;
    seconds
}

/// A way back: while what, by what, and the seconds until all users are on the old version.
pub type Way = (&'static str, &'static str, u64);

/// The ways back as a table of Markdown.
pub fn table(ways: &[Way]) -> String {
    let mut table =
        String::from("| while | what is done | all users on the old version after |\n| --- | --- | --- |\n");
    for (state, command, seconds) in ways {
        let _ = writeln!(table, "| {state} | {command} | {seconds} s |");
    }
    table
}

/// Measures each of them.
///
/// # Panics
/// When one leads nowhere.
pub async fn ways() -> Vec<Way> {
    let mut rows = Vec::new();
    let (scene, execution, token) = asking().await;
    let began = scene.sim.clock.now_millis();
    reject(&scene.sim, &token).await.expect("it is open");
    rows.push(("it asks, or is paused", "`crossfade reject ID`", until_back(&scene, began, (100, 0)).await));
    end(&scene, &execution).await;

    let (scene, execution, _) = asking().await;
    let began = scene.sim.clock.now_millis();
    scene.world().turn_alarm(PAGER, State::Alarm);
    sweep(&scene, schedule()).await;
    rows.push(("it asks, or is paused", "none: a watched alarm goes off", until_back(&scene, began, (100, 0)).await));
    end(&scene, &execution).await;

    let (scene, execution, _) = asking().await;
    let began = scene.sim.clock.now_millis();
    let sweeping = sweep_regularly(&scene.installation, || true);
    dies(&scene.sim, "shop__7", None, std::slice::from_ref(&scene.shop.new_ami));
    let dead = "none: nothing of the new version is healthy any more";
    rows.push(("it serves, whatever it waits for", dead, until_back(&scene, began, (100, 0)).await));
    end(&scene, &execution).await;
    sweeping.abort();

    let (scene, execution, _) = asking().await;
    let began = scene.sim.clock.now_millis();
    abort(&scene, &execution).await;
    rows.push(("it asks, pauses, bakes or drains", "`crossfade abort ID`", until_back(&scene, began, (100, 0)).await));

    let (scene, _, _) = asking().await;
    let began = scene.sim.clock.now_millis();
    take_over(&scene, None).await;
    rows.push(("it runs, in any stage", "`crossfade rollback ID`", until_back(&scene, began, (100, 0)).await));

    // Nobody knows whether a function is still at work: the account does not tell the history.
    let (scene, execution, token) = asking().await;
    approve(&scene.sim, &token).await.expect("it is open");
    while scene.weights() != (0, 100) {
        scene.sim.clock.sleep(Duration::from_millis(20)).await;
    }
    let began = scene.sim.clock.now_millis();
    abort(&scene, &execution).await;
    rows.push(("a function of it is just at work", "`crossfade abort ID`", until_back(&scene, began, (100, 0)).await));

    let back = |meta: &Meta, now: bool| {
        let mut document = json!(meta.document);
        document["artifact"] = json!({ "revision": 6 });
        if now {
            document["strategy"] = json!(meta.document.strategy.at_once());
        }
        document
    };
    let usual = afterwards(|meta| back(meta, false)).await;
    let now = afterwards(|meta| back(meta, true)).await;
    rows.push(("it has succeeded", "`crossfade rollback ID --now`", now));
    rows.push(("it has succeeded", "`crossfade rollback ID`", usual));
    rows
}
