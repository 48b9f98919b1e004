//! Whether machines are told every change that is written down, of the time in which EventBridge was out, too.

use std::collections::BTreeSet;
use std::time::Duration;

use crossfade_aws::keys;
use crossfade_local::rules::SWEEP;
use serde_json::Value;

use super::injector::Injector;
use super::kind::Outage;
use super::trial::{ID, RIVAL};
use crate::Scene;

/// The changes that are written down and that no event tells.
pub(super) async fn untold(scene: &Scene, injector: &Injector) -> Vec<String> {
    let kept = || scene.installation.records(keys::UNTOLD);
    while !kept().is_empty() && injector.is_out(Outage::EventBridge) {
        scene.sim.clock.sleep(Duration::from_secs(60)).await;
    }
    // Within two sweeps all of them are told.
    let until = scene.sim.clock.now_millis() + 2 * SWEEP.as_millis() as u64 + 60_000;
    while !kept().is_empty() && scene.sim.clock.now_millis() < until {
        scene.sim.clock.sleep(Duration::from_secs(20)).await;
    }
    let told: BTreeSet<String> = scene.sim.bus().events().iter().map(|event| change(&event.detail)).collect();
    let mut untold: Vec<String> = kept().into_keys().map(|key| format!("it is still kept: {key}")).collect();
    for id in [ID, RIVAL] {
        let missing = written(scene, id).into_iter().filter(|change| !told.contains(change));
        untold.extend(missing.map(|change| format!("no event tells it: {change}")));
    }
    untold
}

/// What an event tells, as far as it is written down.
fn change(detail: &Value) -> String {
    let id = &detail["deploymentId"];
    match detail["state"].as_str() {
        None => format!("{id} {} at {}", detail["status"], detail["endedMillis"]),
        Some("asking") => {
            format!(
                "{id} {} {} asks until {}",
                detail["direction"], detail["stage"], detail["question"]["deadlineMillis"]
            )
        }
        Some(state) => format!("{id} {} {} {state} at {}", detail["direction"], detail["stage"], detail["atMillis"]),
    }
}

/// What is written down of a deployment, in the same words.
fn written(scene: &Scene, id: &str) -> Vec<String> {
    let of = |id: &str, key: &str| -> Option<(String, usize)> {
        let mut parts = key.split('#').skip(1);
        Some((format!("\"{id}\" \"{}\"", parts.next()?), parts.next()?.parse::<usize>().ok()? + 1))
    };
    let change = |(key, record): (String, Value)| match key.split('#').next()? {
        "meta" if record["endedMillis"].is_u64() => {
            Some(format!("\"{id}\" {} at {}", record["status"], record["endedMillis"]))
        }
        "stage" => of(id, &key).map(|(stage, nth)| format!("{stage} {nth} held at {}", record["heldMillis"])),
        "approval" => of(id, &key).map(|(stage, nth)| format!("{stage} {nth} asks until {}", record["deadlineMillis"])),
        _ => None,
    };
    scene.installation.records(&keys::deployment(id)).into_iter().filter_map(change).collect()
}
