//! Many deployments in one busy account, and AWS that asks to slow down: all is slower then, and ends as it would have.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossfade_core::plan::Direction;
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_sim::lambda::{Functions, Invocation};
use crossfade_sim::world::sample::ShopOptions;
use crossfade_sim::{Clock, Fault, Faults, Request, Service};
use crossfade_steps::FUNCTIONS;
use crossfade_tests::scale::Scale;
use crossfade_tests::{APPROVE, REJECT, Scene};
use futures_util::future::BoxFuture;
use serde_json::Value;

const QUARTER: Duration = Duration::from_secs(15 * 60);

fn quiet() -> ShopOptions {
    ShopOptions { requests_per_second: 2.0, ..ShopOptions::default() }
}

#[test]
fn thirty_deployments_at_once_all_succeed_and_are_hardly_slower_than_one() {
    let scale = Scale { deployments: 30, requests_per_second: 2.0, ..Scale::default() };
    let alone = Scale { deployments: 1, ..scale }.run();
    let together = scale.run();
    assert_eq!(together.outcomes.get("Succeeded"), Some(&30), "{:?}", together.causes);
    assert_eq!(together.requests.1, 0, "requests were lost");
    assert!(together.calls["elasticloadbalancing"].throttled > 100, "without throttles nothing is proved");
    assert!(together.seconds[2] <= alone.seconds[2] * 1.2, "{:?}, {:?} alone", together.seconds, alone.seconds);
}

#[test]
fn a_new_account_that_runs_few_functions_at_once_is_enough() {
    let together = Scale { deployments: 20, concurrency: 2, requests_per_second: 2.0, ..Scale::default() }.run();
    assert_eq!(together.outcomes.get("Succeeded"), Some(&20), "{:?}", together.causes);
    assert_eq!(together.requests.1, 0, "requests were lost");
    assert!(together.invocations.1 > 50, "without refusals nothing is proved: {:?}", together.invocations);
}

/// Of AWS's rates others leave a tenth: what a stage reads takes longer than a function waits for its turn, so that all who ask at once keep
/// each other from getting on, unless they make way for each other.
#[test]
fn in_an_account_that_leaves_a_tenth_of_the_rates_all_succeed_later() {
    let scale = Scale { deployments: 60, requests_per_second: 1.0, rates_percent: 10.0, ..Scale::default() };
    let together = scale.run();
    assert_eq!(together.outcomes.get("Succeeded"), Some(&60), "{:?}", together.causes);
    assert_eq!(together.requests.1, 0, "requests were lost");
    let balancing = together.calls["elasticloadbalancing"];
    // Without making way it was fifteen for each that was answered.
    let answered = balancing.reads + balancing.changes - balancing.throttled;
    assert!(balancing.throttled < 12 * answered, "{balancing:?}");
}

/// What an invocation is for: the function, and the stage and phase that it is at.
fn purpose(function: &str, payload: &Value) -> String {
    let progress = payload.get("progress").unwrap_or(payload);
    format!("{function} {} {} {}", progress["direction"], progress["stage"]["index"], progress["phase"])
}

/// Lambda that throttles from one invocation on for a quarter of an hour.
struct Throttling {
    /// Which invocation, counted from 0.
    from: usize,
    nth: AtomicUsize,
    until: AtomicU64,
    purposes: Mutex<Vec<String>>,
    clock: Clock,
    functions: Arc<dyn Functions>,
}

impl Throttling {
    fn install(scene: &Scene, from: usize) -> Arc<Self> {
        let (clock, functions) = (scene.sim.clock.clone(), scene.sim.functions());
        let (nth, until, purposes) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::default());
        let throttling = Arc::new(Self { from, nth, until, purposes, clock, functions });
        scene.sim.set_functions(throttling.clone());
        throttling
    }

    fn purposes(&self) -> Vec<String> {
        self.purposes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Functions for Throttling {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let (nth, now) = (self.nth.fetch_add(1, Ordering::Relaxed), self.clock.now_millis());
        self.purposes.lock().unwrap_or_else(PoisonError::into_inner).push(purpose(function, &payload));
        if nth == self.from {
            self.until.store(now + QUARTER.as_millis() as u64, Ordering::Relaxed);
        }
        if now < self.until.load(Ordering::Relaxed) {
            return Box::pin(async { Invocation::too_many() });
        }
        self.functions.invoke(function, payload)
    }
}

async fn wherever_lambda_throttles(answer: Answer, outcome: Outcome) {
    let clean = quiet_run(usize::MAX, answer).await;
    assert_eq!(clean.0, outcome);
    let mut seen = BTreeSet::new();
    let first = clean.1.iter().enumerate().filter(|(_, purpose)| seen.insert((*purpose).clone()));
    for (nth, purpose) in first {
        let (ended, _) = quiet_run(nth, answer).await;
        assert_eq!(ended, outcome, "throttled at {purpose}");
    }
    assert!(seen.len() > 12, "{seen:?}");
}

/// The usual deployment while Lambda throttles from so many invocations on: how it ends, and what its invocations are for.
async fn quiet_run(from: usize, answer: Answer) -> (Outcome, Vec<String>) {
    let scene = Scene::new(quiet());
    let throttling = Throttling::install(&scene, from);
    let ended = scene.play("slow", &scene.document(), answer).await;
    ended.lost_nothing();
    if ended.summary.outcome != Outcome::Succeeded {
        scene.is_as_before();
    }
    (ended.summary.outcome, throttling.purposes())
}

#[tokio::test(start_paused = true)]
async fn lambda_that_throttles_for_a_quarter_of_an_hour_at_any_state_costs_no_success() {
    wherever_lambda_throttles(APPROVE, Outcome::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn lambda_that_throttles_for_a_quarter_of_an_hour_at_any_state_costs_no_clean_end() {
    wherever_lambda_throttles(REJECT, Outcome::FailedClean).await;
}

/// A service that throttles every call of the functions until then.
struct Busy {
    service: Service,
    until: AtomicU64,
    clock: Clock,
}

impl Faults for Busy {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let ours =
            request.service == self.service && request.caller.as_deref().is_some_and(|it| FUNCTIONS.contains(&it));
        let lasts = self.clock.now_millis() < self.until.load(Ordering::Relaxed);
        let (code, message) = ("ThrottlingException".into(), "Rate exceeded".into());
        (ours && lasts).then_some(Fault::Refuse { status: 400, code, message })
    }
}

/// Plays the usual deployment while a service throttles for so long from the beginning of a stage on.
async fn while_busy(service: Service, at: (Direction, usize), span: Duration, answer: Answer) -> Option<Outcome> {
    let scene = Scene::new(quiet());
    let busy = Arc::new(Busy { service, until: AtomicU64::new(0), clock: scene.sim.clock.clone() });
    scene.sim.set_faults(Some(busy.clone()));
    let begun = Arc::new(AtomicUsize::new(0));
    let seen = begun.clone();
    let see = move |happening: &Happening| {
        if let What::StageStarted { direction, index, .. } = &happening.what
            && (*direction, *index) == at
        {
            seen.fetch_add(1, Ordering::Relaxed);
            busy.until.store(busy.clock.now_millis() + span.as_millis() as u64, Ordering::Relaxed);
        }
    };
    let ended = scene.watched("busy", &scene.document(), Box::new(move |_| answer), see).await;
    ended.lost_nothing();
    if ended.summary.outcome == Outcome::FailedClean {
        scene.is_as_before();
    }
    (begun.load(Ordering::Relaxed) > 0).then_some(ended.summary.outcome)
}

#[tokio::test(start_paused = true)]
async fn what_is_throttled_for_less_than_a_stage_may_take_is_late_and_not_failed() {
    // Of twenty minutes that an upscale has, nearly all; instances need two.
    for seconds in [200, 1_190] {
        for service in [Service::AutoScaling, Service::ElasticLoadBalancing, Service::DynamoDb] {
            let (mut stages, span) = (0, Duration::from_secs(seconds));
            while let Some(outcome) = while_busy(service, (Direction::Deploy, stages), span, APPROVE).await {
                assert_eq!(outcome, Outcome::Succeeded, "{service:?} for {seconds} s at stage {stages}");
                stages += 1;
            }
            assert!(stages >= 8, "{service:?}: {stages}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_waits_out_what_throttles_it() {
    for service in [Service::AutoScaling, Service::ElasticLoadBalancing, Service::DynamoDb] {
        let mut stages = 0;
        while let Some(outcome) =
            while_busy(service, (Direction::Rollback, stages), Duration::from_secs(1_200), REJECT).await
        {
            assert_eq!(outcome, Outcome::FailedClean, "{service:?} at stage {stages}");
            stages += 1;
        }
        assert!(stages >= 3, "{service:?}: {stages}");
    }
}

#[tokio::test(start_paused = true)]
async fn functions_whose_clocks_are_twenty_minutes_off_never_end_dirty() {
    let off = Duration::from_secs(20 * 60);
    for &late in FUNCTIONS {
        for answer in [APPROVE, REJECT] {
            for others in [false, true] {
                let scene =
                    Scene::with_clocks(
                        1,
                        quiet(),
                        |function| {
                            if (function == late) != others { off } else { Duration::ZERO }
                        },
                    );
                let ended = scene.play("off", &scene.document(), answer).await;
                let what = format!("{late}, others {others}, {answer:?}: {}", ended.cause());
                assert_ne!(ended.summary.outcome, Outcome::FailedDirty, "{what}");
                ended.lost_nothing();
                if ended.summary.outcome == Outcome::FailedClean {
                    scene.is_as_before();
                }
            }
        }
    }
}
