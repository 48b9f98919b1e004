//! Waiting is adaptive: at most 5 s (p95) between a condition holding and the next stage, at most 60 reads for five minutes
//! of booting, and far fewer over an hour.

use crossfade_local::watch::What;
use crossfade_local::{Outcome, percentile};
use crossfade_sim::world::sample::ShopOptions;
use crossfade_tests::{APPROVE, Ended, Scene};
use serde_json::json;

/// Deploys an image that boots for so long, and answers how the upscale went: reads, idle seconds, seconds.
async fn boot(seed: u64, seconds: u64, minutes: u32) -> (usize, f64, f64) {
    let scene =
        Scene::seeded(seed, ShopOptions { requests_per_second: 2.0, grace_seconds: 7200, ..ShopOptions::default() });
    {
        let mut world = scene.world();
        let ami = scene.shop.new_ami.clone();
        let behaviour = &mut world.image_mut(&ami).expect("it exists").behaviour;
        behaviour.boot_seconds = (seconds, seconds + 1);
    }
    let document = scene.document_with(|d| d["timeouts"] = json!({ "steadyStateMinutes": minutes }));
    let ended = scene.play("boot", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let (from, to, idle) = upscale(&ended);
    let reads = scene.sim.calls().into_iter().filter(|call| {
        let at = (call.at_millis as f64 - 1_767_603_600_000.0) / 1000.0;
        let of_resources =
            !matches!(call.service, crossfade_sim::Service::DynamoDb | crossfade_sim::Service::StepFunctions);
        // What is looked at once, before the first instance, is not waiting.
        let waits = call.caller.as_deref() == Some("wait-steady");
        of_resources && waits && call.effect == crossfade_sim::Effect::Read && (from..=to).contains(&at)
    });
    (reads.count(), idle, to - from)
}

fn upscale(ended: &Ended) -> (f64, f64, f64) {
    let started = ended
        .happenings
        .iter()
        .find(|h| matches!(&h.what, What::StageStarted { name, .. } if name.starts_with("Upscale")));
    let held = ended.happenings.iter().find_map(|h| match &h.what {
        What::StageHeld { name, idle_seconds, .. } if name.starts_with("Upscale") => {
            Some((h.at_seconds, *idle_seconds))
        }
        _ => None,
    });
    let (to, idle) = held.expect("it held");
    (started.expect("it started").at_seconds, to, idle.expect("the account knows since when"))
}

#[tokio::test(start_paused = true)]
async fn five_minutes_of_booting_take_at_most_60_reads() {
    for seed in 1..=5 {
        let (reads, _, seconds) = boot(seed, 280, 20).await;
        assert!((285.0..320.0).contains(&seconds), "{seconds}");
        eprintln!("seed {seed}: {reads} reads in {seconds} s");
        assert!(reads <= 60, "seed {seed}: {reads} reads in {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_booting_takes_far_fewer_reads_than_twelve_times_that() {
    let (reads, _, seconds) = boot(1, 3560, 90).await;
    assert!(seconds > 3500.0);
    eprintln!("{reads} reads in {seconds} s");
    assert!(reads <= 240, "{reads} reads in {seconds} s; a look every 5 s would be 720");
}

#[tokio::test(start_paused = true)]
async fn the_next_stage_starts_within_5_seconds_p95() {
    let mut idle = Vec::new();
    for seed in 1..=40 {
        idle.push(boot(seed, 20 + 13 * seed / 2, 20).await.1);
    }
    let p95 = percentile(idle.clone(), 95);
    eprintln!("p95 {p95} s");
    assert!(p95 <= 5.0, "{p95} s; {idle:?}");
    assert!(
        idle.iter().any(|seconds| *seconds > 1.0),
        "conditions that hold exactly when looked at prove nothing: {idle:?}"
    );
}
