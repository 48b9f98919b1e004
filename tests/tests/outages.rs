//! What is only slow, or out for a while, costs no clean end: Lambda, Step Functions, the table, the load balancers, the groups. A
//! rollback keeps trying for a day, says that it is stuck and what is left, and what AWS has refused for longer is resumed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossfade_aws::keys;
use crossfade_core::plan::Direction;
use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_rehearse::drive::sweep_regularly;
use crossfade_sim::api::stepfunctions::ExecutionOutcome;
use crossfade_sim::lambda::{Functions, Invocation};
use crossfade_sim::world::sample::ShopOptions;
use crossfade_sim::{Clock, Fault, Faults, Request, Service};
use crossfade_tests::machinery::{deploy, executions, meta, rollbacks};
use crossfade_tests::strategies::STRATEGIES;
use crossfade_tests::{APPROVE, REJECT, Scene};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// A service that is out until then; Lambda when it is none.
struct Out {
    service: Option<Service>,
    /// Only this operation, which is denied.
    denied: Option<&'static str>,
    until: AtomicU64,
    clock: Clock,
    functions: Arc<dyn Functions>,
}

impl Out {
    fn install(scene: &Scene, service: Option<Service>, denied: Option<&'static str>) -> Arc<Self> {
        let (clock, functions) = (scene.sim.clock.clone(), scene.sim.functions());
        let out = Arc::new(Self { service, denied, until: AtomicU64::new(0), clock, functions });
        scene.sim.set_faults(Some(out.clone()));
        scene.sim.set_functions(out.clone());
        out
    }

    fn begin(&self, span: Duration) {
        self.until.store(self.clock.now_millis() + span.as_millis() as u64, Ordering::Relaxed);
    }

    fn lasts(&self) -> bool {
        self.clock.now_millis() < self.until.load(Ordering::Relaxed)
    }
}

impl Faults for Out {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let ours = request.caller.is_some() && self.service == Some(request.service) && self.lasts();
        let meant = ours && self.denied.is_none_or(|operation| request.operation == operation);
        let (status, code) = if self.denied.is_some() { (403, "AccessDenied") } else { (503, "ServiceUnavailable") };
        meant.then(|| Fault::Refuse { status, code: code.into(), message: "a fault of the test".into() })
    }
}

impl Functions for Out {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        if self.service.is_none() && self.lasts() {
            let (error, cause) = ("Lambda.TooManyRequestsException".into(), "Rate Exceeded.".into());
            return Box::pin(async move { Invocation::Platform { error, cause } });
        }
        self.functions.invoke(function, payload)
    }
}

fn quiet(options: ShopOptions) -> Scene {
    Scene::new(ShopOptions { requests_per_second: 2.0, ..options })
}

/// Begins the outage with the first stage of the rollback.
fn with_the_rollback(out: &Arc<Out>, span: Duration) -> impl FnMut(&Happening) + Send + 'static {
    let out = out.clone();
    move |happening| {
        if matches!(&happening.what, What::StageStarted { direction: Direction::Rollback, index: 0, .. }) {
            out.begin(span);
        }
    }
}

/// The messages that say that a rollback is stuck: when, in seconds after that, and what.
fn stuck(scene: &Scene) -> Vec<String> {
    let topics = scene.sim.topics();
    let stuck =
        topics.published().iter().filter(|it| it.subject.as_deref().is_some_and(|it| it.ends_with("ROLLBACK STUCK")));
    stuck.map(|it| it.message.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_waits_out_two_minutes_without_lambda_at_any_time() {
    for strategy in STRATEGIES {
        for after in [0, 5, 60, 100] {
            let scene = quiet(strategy.options());
            let out = Out::install(&scene, None, None);
            let late = out.clone();
            tokio::spawn(async move {
                late.clock.sleep(Duration::from_secs(after)).await;
                late.begin(Duration::from_secs(120));
            });
            let ended = scene.play("slow", &strategy.document(&scene), APPROVE).await;
            let what = format!("{} after {after} s", strategy.name);
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}: {}", ended.cause());
            ended.lost_nothing();
            assert_eq!(rollbacks(&scene).len(), 0, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_waits_out_five_hours_without_any_service() {
    let services = [
        None,
        Some(Service::StepFunctions),
        Some(Service::DynamoDb),
        Some(Service::ElasticLoadBalancing),
        Some(Service::AutoScaling),
    ];
    for service in services {
        let what = format!("without {service:?}");
        let scene = quiet(ShopOptions::default());
        let out = Out::install(&scene, service, None);
        let sweeping = sweep_regularly(&scene.installation, || true);
        let see = with_the_rollback(&out, Duration::from_secs(5 * 3600));
        let ended = scene.watched("slow", &scene.document(), Box::new(|_| REJECT), see).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
        assert_eq!(rollbacks(&scene).len(), 1, "{what}: it went on by itself");
        sweeping.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_is_stuck_is_told_once_with_what_is_left() {
    let scene = quiet(ShopOptions::default());
    let out = Out::install(&scene, Some(Service::ElasticLoadBalancing), None);
    let sweeping = sweep_regularly(&scene.installation, || true);
    let see = with_the_rollback(&out, Duration::from_secs(3600));
    let began = scene.sim.clock.now_millis();
    let ended = scene.watched("slow", &scene.document(), Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    sweeping.abort();
    let [text] = stuck(&scene).try_into().expect("once");
    for said in ["ShiftWeight fails since", "ServiceUnavailable", "Left: ", "shop__7", "crossfade status slow"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(ended.log.iter().any(|line| line.starts_with("The rollback is stuck")), "{:#?}", ended.log);
    assert!(scene.sim.clock.now_millis() - began < 3 * 3600 * 1000, "it goes on soon after");
    // Nobody is told of what passes within a quarter of an hour, nor of a rollback that waits for somebody.
    let scene = quiet(ShopOptions::default());
    let out = Out::install(&scene, Some(Service::ElasticLoadBalancing), None);
    let sweeping = sweep_regularly(&scene.installation, || true);
    let see = with_the_rollback(&out, Duration::from_secs(300));
    let ended = scene.watched("slow", &scene.document(), Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert_eq!(stuck(&scene), Vec::<String>::new());
    sweeping.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_for_days_ends_dirty_and_is_resumed_once_it_is_allowed() {
    let scene = quiet(ShopOptions::default());
    let out = Out::install(&scene, Some(Service::AutoScaling), Some("UpdateAutoScalingGroup"));
    let sweeping = sweep_regularly(&scene.installation, || true);
    let see = with_the_rollback(&out, Duration::from_secs(60 * 3600));
    let began = scene.sim.clock.now_millis();
    let ended = scene.watched("denied", &scene.document(), Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedDirty, "{}", ended.cause());
    let hours = (scene.sim.clock.now_millis() - began) / 3_600_000;
    assert!((16..32).contains(&hours), "it has tried for {hours} hours");
    assert!(ended.cause().contains("shop__7"), "what is left is named: {}", ended.cause());
    assert_eq!(scene.held_locks().len(), 1, "nothing is built on what is left");
    for _ in 0..72 {
        scene.sim.clock.sleep(Duration::from_secs(3600)).await;
        if meta(&scene, "denied")["status"] == "failedClean" {
            break;
        }
    }
    assert_eq!(meta(&scene, "denied")["status"], "failedClean", "{:#?}", scene.installation.log("denied"));
    scene.is_as_before();
    assert!(rollbacks(&scene).len() > 1);
    sweeping.abort();
}

#[tokio::test(start_paused = true)]
async fn what_somebodys_hand_forbids_is_not_resumed_until_somebody_asks() {
    let scene = quiet(ShopOptions::default());
    let (sim, route) = (scene.sim.clone(), scene.shop.route().to_owned());
    let (a, b) = (scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { direction: Direction::Rollback, index: 0, .. }) {
            sim.world().set_weights(&route, &[(&a, 70), (&b, 30)]);
        }
    };
    let began = scene.sim.clock.now_millis();
    let ended = scene.watched("forbidden", &scene.document(), Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedDirty, "{}", ended.cause());
    assert!(scene.sim.clock.now_millis() - began < 1_800_000, "people are told soon");
    let sweeping = sweep_regularly(&scene.installation, || true);
    scene.sim.clock.sleep(Duration::from_secs(3 * 24 * 3600)).await;
    assert_eq!(rollbacks(&scene).len(), 1);
    assert_eq!(executions(&scene.sim, &scene.installation.deploy_arn).len(), 1);
    assert_eq!(meta(&scene, "forbidden")["status"], json!("failedDirty"));
    sweeping.abort();
}

/// Nobody would find a rollback of which there is no record, should it die.
#[tokio::test(start_paused = true)]
async fn of_what_nothing_could_be_written_down_nothing_is_rolled_back() {
    for service in [None, Some(Service::DynamoDb)] {
        let scene = quiet(ShopOptions::default());
        let out = Out::install(&scene, service, None);
        out.begin(Duration::from_secs(2 * 3600));
        let execution = deploy(&scene, "unheard", &scene.document());
        let ended = scene.sim.step_functions().wait_for(&execution).await;
        let Some(ExecutionOutcome::Failed { error, cause }) = ended else { panic!("{service:?}: {ended:?}") };
        assert_eq!(error.as_deref(), Some("FailedClean"), "{service:?}: {cause:?}");
        assert!(rollbacks(&scene).is_empty(), "{service:?}");
        assert_eq!(scene.installation.record(&keys::deployment("unheard"), "rollback"), None);
        scene.is_as_before();
    }
}
