//! What has gone wrong, in public, with other systems that do this job, and must not happen here. Each test is named after the
//! thread that tells of it, and holds for every strategy that it makes sense for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossfade_core::plan::Direction;
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_sim::world::sample::{Layout, NEW_AMI, NewImage, ShopOptions, Source};
use crossfade_sim::world::{Image, World};
use crossfade_sim::{Fault, Faults, Request, Sim};
use crossfade_tests::machinery::{end, executions, meta, rollbacks, schedule, stop, sweep};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::{Value, json};

fn options(strategy: &Strategy) -> ShopOptions {
    ShopOptions { requests_per_second: 5.0, ..strategy.options() }
}

/// The strategy's document; nothing is pruned, which nobody could bring back.
fn document(strategy: &Strategy, scene: &Scene) -> Value {
    let mut document = strategy.document(scene);
    document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
    document
}

/// The same with an approval that nobody answers, for so long.
fn silent(strategy: &Strategy, scene: &Scene, minutes: u32, on_timeout: &str) -> Value {
    let mut document = document(strategy, scene);
    for strategy in document["strategy"].as_object_mut().expect("one strategy").values_mut() {
        strategy["approval"] = json!({ "timeoutMinutes": minutes, "onTimeout": on_timeout });
    }
    document
}

#[track_caller]
fn succeeded(scene: &Scene, ended: &Ended, what: &str) {
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}: {}\n{:#?}", ended.cause(), ended.log);
    ended.lost_nothing();
    assert_eq!((scene.size("shop__7"), scene.size("shop__6")), (Some((4, 4, 8)), Some((0, 0, 0))), "{what}");
    scene.holds_no_lock();
}

#[track_caller]
fn clean(scene: &Scene, ended: &Ended, what: &str) {
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}: {}\n{:#?}", ended.cause(), ended.log);
    ended.lost_nothing();
    scene.is_as_before();
}

/// Plays a deployment that somebody stops when all instances of its old fleet are on their way out, and the rollback that the sweep
/// starts. `then` may change the world in between.
async fn stopped_late(scene: &Scene, document: &Value, old: &str, then: impl FnOnce(&mut World)) {
    let (sim, machine) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
    let last = format!("Downsize {old} to 0");
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if *name == last) {
            let running = executions(&sim, &machine).pop().expect("it runs");
            let sim = sim.clone();
            tokio::spawn(async move {
                sim.clock.sleep(Duration::from_secs(4)).await;
                stop(&sim, &running.arn, json!({})).await;
            });
        }
    };
    let ended = scene.watched("stopped", document, Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Aborted, "{}\n{:#?}", ended.cause(), ended.log);
    then(&mut scene.world());
    assert_eq!(sweep(scene, schedule()).await, ["stopped-rollback-1"]);
    assert_eq!(end(scene, &rollbacks(scene)[0].arn).await.status(), "SUCCEEDED");
    assert_eq!(meta(scene, "stopped")["status"], "failedClean");
}

/// Throttles every change of a route or an attachment for so long from the first one on.
struct SlowToChange {
    sim: std::sync::Weak<Sim>,
    until: AtomicU64,
    millis: u64,
    struck: AtomicU64,
}

impl SlowToChange {
    fn install(scene: &Scene, millis: u64) -> Arc<Self> {
        let (sim, until, struck) = (Arc::downgrade(&scene.sim), AtomicU64::new(u64::MAX), AtomicU64::new(0));
        let slow = Arc::new(Self { sim, until, millis, struck });
        scene.sim.set_faults(Some(slow.clone()));
        slow
    }
}

impl Faults for SlowToChange {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let moves =
            ["ModifyRule", "ModifyListener", "AttachLoadBalancerTargetGroups", "DetachLoadBalancerTargetGroups"];
        if !moves.contains(&request.operation.as_str()) {
            return None;
        }
        let now = self.sim.upgrade()?.clock.now_millis();
        let until = self.until.fetch_min(now + self.millis, Ordering::Relaxed).min(now + self.millis);
        (now < until).then(|| {
            self.struck.fetch_add(1, Ordering::Relaxed);
            Fault::Refuse { status: 400, code: "Throttling".into(), message: "Rate exceeded".into() }
        })
    }
}

/// Argo Rollouts #3333: under throttling by the load balancer's API a rollout was completed, and the old pods were taken away,
/// while all traffic still went to them.
///
/// Here the old fleet stays until the move has been made and read back. What is throttled for less than the stage may take is waited for; what is
/// throttled for hours is given up, with everything where it was.
#[tokio::test(start_paused = true)]
async fn argo_rollouts_3333_a_move_that_is_throttled_is_waited_for_or_given_up() {
    for strategy in STRATEGIES.iter().filter(|it| it.layout != Layout::Attached) {
        for seconds in [45, 4 * 3600] {
            let scene = Scene::new(options(strategy));
            let slow = SlowToChange::install(&scene, seconds * 1000);
            let ended = scene.play("throttled", &document(strategy, &scene), APPROVE).await;
            let struck = slow.struck.load(Ordering::Relaxed);
            assert!(struck > 3, "{}: {struck} calls were throttled", strategy.name);
            match seconds {
                45 => succeeded(&scene, &ended, strategy.name),
                _ => clean(&scene, &ended, strategy.name),
            }
        }
    }
}

/// Argo Rollouts #3926: the stable pods were scaled down by the weights that had been asked for, before they had been verified.
///
/// Here, too, reads may show the old weights for a while, and as long as they do the nodes may go by them: for longer than the old
/// side takes to drain. What counts is what reads back, and nothing begins to drain before that.
#[tokio::test(start_paused = true)]
async fn argo_rollouts_3926_nothing_is_scaled_down_before_the_weights_read_back() {
    for strategy in STRATEGIES {
        for answer in [APPROVE, REJECT] {
            let scene = Scene::new(options(&strategy));
            {
                let settings = &mut scene.world().settings;
                settings.read_staleness_millis = 45_000;
                settings.routing_lag_millis = (45_000, 45_000);
            }
            let shrunk_early = Arc::new(AtomicBool::default());
            let (sim, route, early) = (scene.sim.clone(), scene.shop.route().to_owned(), shrunk_early.clone());
            let production = scene.shop.target_group_a.clone();
            let see = move |happening: &Happening| {
                let What::StageStarted { name, direction: Direction::Deploy, .. } = &happening.what else { return };
                let world = sim.world();
                let weights = world.weights(&route);
                let to_production = weights.iter().any(|(arn, weight)| *arn == production && *weight > 0);
                // Behind weights or listeners, the old fleet is alone where it was.
                if name == "Downsize shop__6 to 0" && to_production && world.healthy_of("shop__7", &production) == 0 {
                    early.store(true, Ordering::Relaxed);
                }
            };
            let ended = scene.watched("stale", &document(&strategy, &scene), Box::new(move |_| answer), see).await;
            assert!(!shrunk_early.load(Ordering::Relaxed), "{}", strategy.name);
            match answer == APPROVE {
                true => succeeded(&scene, &ended, strategy.name),
                false => clean(&scene, &ended, strategy.name),
            }
        }
    }
}

/// How long changes of weights take to reach the nodes of the load balancer here. Less than targets take to drain: what is still
/// sent to the old side by then is what draining is there for.
const LAG_MILLIS: u64 = 25_000;

/// Argo Rollouts #4595: the new weights had been set, read back and verified, but had not reached all nodes of the load balancer
/// when the old pods went: 503.
///
/// Here the side at 0 drains for as long as its targets would, before anything of it goes.
#[tokio::test(start_paused = true)]
async fn argo_rollouts_4595_weights_that_have_not_reached_the_nodes_yet_lose_nothing() {
    for strategy in STRATEGIES {
        let scene = Scene::new(options(&strategy));
        scene.world().settings.routing_lag_millis = (LAG_MILLIS, LAG_MILLIS);
        let ended = scene.play("lagging", &document(&strategy, &scene), APPROVE).await;
        succeeded(&scene, &ended, strategy.name);
    }
}

/// Argo Rollouts #4867: after an abort the canary's pods were removed on a fixed delay, whether or not the load balancer had
/// stopped sending requests to them.
///
/// Here the candidate goes once the restored weights read back and its side has drained: after a rejection, and when everything is
/// taken back at the end, with reads that lag and nodes that lag.
#[tokio::test(start_paused = true)]
async fn argo_rollouts_4867_a_candidate_is_not_removed_while_it_is_still_routed_to() {
    for strategy in STRATEGIES {
        for (read_staleness_millis, routing_lag_millis) in [(0, LAG_MILLIS), (20_000, 0)] {
            let scene = || {
                let scene = Scene::new(options(&strategy));
                let mut world = scene.world();
                world.settings.read_staleness_millis = read_staleness_millis;
                world.settings.routing_lag_millis = (routing_lag_millis, routing_lag_millis);
                drop(world);
                scene
            };
            let rejected = scene();
            let ended = rejected.play("rejected", &document(&strategy, &rejected), REJECT).await;
            clean(&rejected, &ended, strategy.name);
            let late = scene();
            stopped_late(&late, &document(&strategy, &late), "shop__6", |_| {}).await;
            assert_eq!(late.world().traffic().totals.lost, 0, "{}: {:?}", strategy.name, late.world().traffic().losses);
            late.is_as_before();
        }
    }
}

/// Flagger #869: while the canary had the traffic, the primary was scaled in by its autoscaler; the rollback then sent everything
/// back to it at once.
///
/// Here the stable fleet may not scale in while it may be needed, though it idles for hours; and one that was downsized has its
/// instances back, healthy, before it has any traffic.
#[tokio::test(start_paused = true)]
async fn flagger_869_a_rollback_never_meets_a_stable_fleet_that_has_scaled_in() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = Scene::new(ShopOptions { equipped: true, ..options(&strategy) });
        let mut document = silent(&strategy, &scene, 180, "reject");
        if name == "shift" {
            document["strategy"]["blueGreenShift"]["percents"] = json!([99, 100]);
            document["strategy"]["blueGreenShift"]["approveAfterPercents"] = json!([99]);
        }
        let least = Arc::new(AtomicU64::new(u64::MAX));
        let (sim, seen) = (scene.sim.clone(), least.clone());
        let see = move |happening: &Happening| {
            let asked = matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve"));
            if asked {
                // Nothing to do: every policy would scale it in.
                let mut world = sim.world();
                world.force_metric("shop__6", "CPUUtilization", Some(1.0));
            }
            if let What::Frame(frame) = &happening.what
                && let (Some(stable), Some(candidate)) = (&frame.stable, &frame.candidate)
            {
                seen.fetch_min(u64::from(stable.desired + candidate.desired), Ordering::Relaxed);
            }
        };
        let ended = scene.watched("idle", &document, Box::new(|_| Answer::Nothing), see).await;
        scene.world().force_metric("shop__6", "CPUUtilization", None);
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        assert!(ended.cause().contains("nobody decided within 180 min"), "{name}: {}", ended.cause());
        ended.lost_nothing();
        assert!(least.load(Ordering::Relaxed) >= 4, "{name}");
        let least = scene.world().least_capacity().expect("there was traffic");
        assert!(least >= 4.0, "{name}: requests met {least} instances' worth of capacity");

        // And one that is gone already.
        let scene = Scene::new(options(&strategy));
        stopped_late(&scene, &self::document(&strategy, &scene), "shop__6", |_| {}).await;
        assert_eq!(scene.world().traffic().totals.lost, 0, "{name}");
        let least = scene.world().least_capacity().expect("there was traffic");
        assert!(least >= 4.0, "{name}: requests met {least} instances' worth of capacity");
        scene.is_as_before();
    }
}

/// Makes one instance of the candidate fail every so often, so that it is never whole.
fn one_always_fails(sim: &Arc<Sim>) {
    let sim = sim.clone();
    tokio::spawn(async move {
        loop {
            sim.clock.sleep(Duration::from_secs(20)).await;
            let mut world = sim.world();
            if let Some(newest) = world.instances_of("shop__7").pop() {
                world.sicken_instance(&newest);
            }
        }
    });
}

/// Spinnaker #6973 (and #5149, keel #1506): red/black disabled the previous server group although the new one failed its health
/// checks.
///
/// Here one instance that is never healthy is enough for the old fleet to stay as it is, with all its traffic.
#[tokio::test(start_paused = true)]
async fn spinnaker_6973_the_old_fleet_stays_while_the_new_one_is_not_healthy() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = Scene::new(options(&strategy));
        one_always_fails(&scene.sim);
        let least = Arc::new(AtomicU64::new(u64::MAX));
        let seen = least.clone();
        let see = move |happening: &Happening| {
            if let What::Frame(frame) = &happening.what
                && let Some(stable) = &frame.stable
            {
                seen.fetch_min(stable.healthy as u64, Ordering::Relaxed);
            }
        };
        let ended = scene.watched("sick", &document(&strategy, &scene), Box::new(|_| APPROVE), see).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        // Whichever is noticed first: that it is missing, or that nothing comes of replacing it.
        let causes = ["of 4 healthy", "of 1 healthy", "because they failed their health checks"];
        assert!(causes.iter().any(|cause| ended.cause().contains(cause)), "{name}: {}", ended.cause());
        ended.lost_nothing();
        assert_eq!(least.load(Ordering::Relaxed), 4, "{name}: the old fleet was touched");
        scene.is_as_before();
    }
}

/// Spinnaker #5867: an application that always failed its health checks was replaced again and again, and while its instances
/// drained they counted as up: the deployment was a success.
///
/// Here only `healthy` is healthy.
#[tokio::test(start_paused = true)]
async fn spinnaker_5867_instances_that_drain_are_not_up() {
    for strategy in STRATEGIES {
        let scene = Scene::new(ShopOptions { new_image: NewImage::Unhealthy, grace_seconds: 0, ..options(&strategy) });
        let drained = Arc::new(AtomicBool::default());
        let (sim, seen) = (scene.sim.clone(), drained.clone());
        let see = move |happening: &Happening| {
            if matches!(happening.what, What::Frame(_)) {
                let leaving =
                    sim.world().group_view("shop__7").is_some_and(|view| view.terminating > 0 && view.desired > 0);
                seen.fetch_or(leaving, Ordering::Relaxed);
            }
        };
        let ended = scene.watched("thrashing", &document(&strategy, &scene), Box::new(|_| APPROVE), see).await;
        assert!(drained.load(Ordering::Relaxed), "{}: nothing was replaced", strategy.name);
        clean(&scene, &ended, strategy.name);
    }
}

/// Every way in which a deployment can end.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Succeeded,
    Kept,
    Rejected,
    Unhealthy,
    StoppedLate,
}

/// A scene whose running fleet has limits that are all different, played to this ending; nothing where it cannot be had.
async fn ending(strategy: &Strategy, ending: Ending, equipped: bool) -> Option<Scene> {
    let new_image = if matches!(ending, Ending::Unhealthy) { NewImage::Unhealthy } else { NewImage::Good };
    let mut scene = Scene::new(ShopOptions { new_image, equipped, ..options(strategy) });
    scene.world().resize("shop__6", 2, 9, 4).expect("it exists");
    scene.remember();
    let mut document = document(strategy, &scene);
    if let Ending::Kept = ending {
        let settings = document["strategy"].as_object_mut()?.values_mut().next()?;
        if strategy.layout == Layout::Attached {
            return None;
        }
        settings["downsizeOld"] = json!(false);
    }
    let answer = if matches!(ending, Ending::Rejected) { REJECT } else { APPROVE };
    if let Ending::StoppedLate = ending {
        stopped_late(&scene, &document, "shop__6", |_| {}).await;
    } else {
        let ended = scene.play("ends", &document, answer).await;
        let expected = match ending {
            Ending::Succeeded | Ending::Kept => Outcome::Succeeded,
            _ => Outcome::FailedClean,
        };
        assert_eq!(ended.summary.outcome, expected, "{}, {ending:?}: {}", strategy.name, ended.cause());
    }
    Some(scene)
}

const ENDINGS: [Ending; 5] =
    [Ending::Succeeded, Ending::Kept, Ending::Rejected, Ending::Unhealthy, Ending::StoppedLate];

/// orca #1877: the minimum of the old server group had been pinned to what it had, and was never given back after some endings, so
/// that it could not scale in any more.
///
/// Here least, wanted and greatest size of every fleet are its own after every ending: as before, at 0, or those that were asked for.
#[tokio::test(start_paused = true)]
async fn orca_1877_no_fleet_stays_pinned_however_a_deployment_ends() {
    for strategy in STRATEGIES {
        for how in ENDINGS {
            let Some(scene) = ending(&strategy, how, false).await else { continue };
            let what = format!("{}, {how:?}", strategy.name);
            match how {
                Ending::Succeeded => {
                    assert_eq!(
                        (scene.size("shop__7"), scene.size("shop__6")),
                        (Some((2, 4, 9)), Some((0, 0, 0))),
                        "{what}"
                    );
                }
                Ending::Kept => {
                    assert_eq!(
                        (scene.size("shop__7"), scene.size("shop__6")),
                        (Some((2, 4, 9)), Some((2, 4, 9))),
                        "{what}"
                    );
                }
                _ => scene.is_as_before(),
            }
            scene.holds_no_lock();
        }
    }
}

/// riff-raff #1342: scaling alarms were suspended at the start of a deployment and resumed only at the end of a successful one. An
/// application could not scale out meanwhile, and after a failure not at all.
///
/// Here nothing that lets a serving fleet scale out is ever suspended, and what rests, its scheduled actions, goes on after every
/// ending.
#[tokio::test(start_paused = true)]
async fn riff_raff_1342_a_serving_fleet_can_always_scale_out_and_nothing_stays_suspended() {
    for (s, strategy) in STRATEGIES.into_iter().enumerate() {
        // Every ending with some strategies, every strategy with some endings: `orca_1877` plays them all.
        for (_, how) in ENDINGS.into_iter().enumerate().filter(|(e, _)| (s + e) % 2 == 0) {
            let Some(scene) = ending(&strategy, how, true).await else { continue };
            let what = format!("{}, {how:?}", strategy.name);
            let serves = if matches!(how, Ending::Succeeded | Ending::Kept) { "shop__7" } else { "shop__6" };
            let suspended = |group: &str| {
                scene
                    .world()
                    .group(group)
                    .map(|group| group.suspended.keys().cloned().collect::<Vec<_>>())
                    .expect("it is there")
            };
            let before = scene.before["autoScalingGroups"]["shop__6"]["suspendedProcesses"].clone();
            assert_eq!(json!(suspended(serves)), before, "{what}");
            if let Ending::Kept = how {
                assert_eq!(json!(suspended("shop__6")), before, "{what}");
            }
            // It does scale out.
            let (_, desired, _) = scene.size(serves).expect("it serves");
            scene.world().force_metric(serves, "CPUUtilization", Some(95.0));
            scene.sim.clock.sleep(Duration::from_secs(1800)).await;
            assert!(scene.size(serves).is_some_and(|(_, now, _)| now > desired), "{what}: it stays at {desired}");
        }
        // And a peak while somebody thinks about an approval is answered.
        let scene = Scene::new(ShopOptions { equipped: true, ..options(&strategy) });
        let sim = scene.sim.clone();
        let see = move |happening: &Happening| {
            if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
                sim.world().force_metric("shop__6", "CPUUtilization", Some(95.0));
            }
        };
        let document = silent(&strategy, &scene, 30, "reject");
        let ended = scene.watched("peak", &document, Box::new(|_| Answer::Nothing), see).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
        assert!(
            scene.size("shop__6").is_some_and(|(_, desired, _)| desired > 4),
            "{}: it kept what it grew to",
            strategy.name
        );
        ended.lost_nothing();
    }
}

/// aws-codedeploy-samples #80: between “ready” and “reroute” the replacement group's own policies scaled it: in, so that traffic
/// was sent to instances that were gone, or out, to instances that nothing had been deployed to.
///
/// Here the candidate keeps exactly its size until it serves, whatever its policies would say, though hours pass; a kept revision,
/// which has policies of its own, cannot shrink.
#[tokio::test(start_paused = true)]
async fn aws_codedeploy_samples_80_no_policy_fires_between_ready_and_reroute() {
    for strategy in STRATEGIES {
        let loads = if strategy.name == "shift" { &[1.0, 95.0][..] } else { &[1.0] };
        for &load in loads {
            let scene = Scene::new(ShopOptions { equipped: true, ..options(&strategy) });
            let document = silent(&strategy, &scene, 120, "approve");
            let sizes = Arc::new(std::sync::Mutex::new(Vec::new()));
            let (sim, seen) = (scene.sim.clone(), sizes.clone());
            let see = move |happening: &Happening| match &happening.what {
                What::StageStarted { name, .. } if name.starts_with("Approve") => {
                    sim.world().force_metric("shop__7", "CPUUtilization", Some(load));
                }
                What::StageHeld { name, .. } if name.starts_with("Approve") => {
                    sim.world().force_metric("shop__7", "CPUUtilization", None);
                    seen.lock().expect("nobody panicked").push(sim.world().instances_of("shop__7").len());
                }
                _ => {}
            };
            let ended = scene.watched("ready", &document, Box::new(|_| Answer::Nothing), see).await;
            let expected = if strategy.name == "canary" { 2 } else { 4 };
            assert_eq!(*sizes.lock().expect("nobody panicked"), [expected], "{}, {load} %", strategy.name);
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();

            // The revision that served before, which scales by its own policies.
            let mut back = document.clone();
            back["artifact"] = json!({ "revision": 6 });
            let (sim, least) = (scene.sim.clone(), Arc::new(AtomicU64::new(u64::MAX)));
            let seen = least.clone();
            let see = move |happening: &Happening| match &happening.what {
                What::StageStarted { name, .. } if name.starts_with("Approve") => {
                    sim.world().force_metric("shop__6", "CPUUtilization", Some(1.0));
                }
                What::StageHeld { name, .. } if name.starts_with("Approve") => {
                    sim.world().force_metric("shop__6", "CPUUtilization", None);
                    seen.fetch_min(sim.world().instances_of("shop__6").len() as u64, Ordering::Relaxed);
                }
                _ => {}
            };
            let ended = scene.watched("back", &back, Box::new(|_| Answer::Nothing), see).await;
            assert_eq!(least.load(Ordering::Relaxed), expected as u64, "{}: it has shrunk", strategy.name);
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
        }
    }
}

/// terraform-provider-aws #34189: the group's launch template had already been set to the new version when the refresh began, so
/// that its automatic rollback “returned” to the bad one, for ever.
///
/// Here every fleet launches from its own version by number, and the old one comes back with the image that it had, whatever the
/// base launches from, and although all of its instances have to be launched anew.
#[tokio::test(start_paused = true)]
async fn terraform_34189_a_rollback_launches_the_old_version_and_not_the_bad_one() {
    const BAD: &str = "ami-0a11ce00000000bad";
    for strategy in STRATEGIES {
        for base in [Source::Latest, Source::Default, Source::LaunchConfiguration] {
            let what = format!("{}, {base:?}", strategy.name);
            let mut scene = Scene::new(ShopOptions { base, ..options(&strategy) });
            scene.world().add_image(Image::new(BAD));
            let mut document = document(&strategy, &scene);
            let ended = scene.play("good", &document, APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}: {}", ended.cause());
            scene.sim.clock.sleep(Duration::from_secs(60)).await;
            scene.remember();
            let before = scene.world().instances_of("shop__7");
            document["artifact"] = json!({ "ami": BAD });
            stopped_late(&scene, &document, "shop__7", |world| {
                // By now it is known to be bad.
                world.image_mut(BAD).expect("it exists").behaviour.passes_health_checks = false;
            })
            .await;
            let world = scene.world();
            let now = world.instances_of("shop__7");
            assert!(now.len() == 4 && now.iter().all(|id| !before.contains(id)), "{what}: they are new");
            let images: Vec<_> = now.iter().filter_map(|id| world.instance(id).map(|it| it.image.clone())).collect();
            assert_eq!(images, [NEW_AMI; 4], "{what}");
            assert_eq!(world.traffic().totals.lost, 0, "{what}");
            drop(world);
            scene.is_as_before();
        }
    }
}
