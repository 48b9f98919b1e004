//! Fleets that are not well: launches that hooks hold, instances that are only replaced, old versions with ill instances,
//! processes that somebody has suspended, hooks that hold what leaves for long.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::api::autoscaling;
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, StepFunctions};
use crossfade_sim::world::sample::{Layout, NewImage, ShopOptions};
use crossfade_sim::world::{HookAnswer, Lifecycle, World};
use crossfade_sim::{Fault, Faults, Request, Service};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, REJECT, Scene, differences};
use serde_json::{Value, json};

/// A shop with little traffic.
fn quiet() -> ShopOptions {
    ShopOptions { requests_per_second: 5.0, ..ShopOptions::default() }
}

/// A call that somebody else makes.
fn call(world: &mut World, operation: &str, form: &[(&str, &str)]) {
    let request = Request::query(Service::AutoScaling, operation, form.iter().copied());
    let answer = autoscaling::handle(world, &request);
    assert_eq!(answer.status, 200, "{operation}: {}", String::from_utf8_lossy(&answer.body));
}

/// Whether a stage begins whose name begins so.
fn begins(happening: &Happening, stage: &str) -> bool {
    matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with(stage))
}

#[tokio::test(start_paused = true)]
async fn p16_a_launch_that_fails_while_a_hook_holds_the_others_is_waited_for() {
    let scene = Scene::new(ShopOptions { equipped: true, ..quiet() });
    let ami = scene.shop.new_ami.clone();
    scene.world().answer_hooks("shop__7", HookAnswer::After(200));
    scene.world().image_mut(&ami).expect("it exists").behaviour.room = Some(3);
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if begins(happening, "Upscale") {
            let (sim, ami) = (sim.clone(), ami.clone());
            tokio::spawn(async move {
                // Longer than failing launches are borne with where there are no others.
                sim.clock.sleep(Duration::from_secs(150)).await;
                sim.world().image_mut(&ami).expect("it exists").behaviour.room = None;
            });
        }
    };
    let ended = scene.watched("held", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert!(ended.log.join("\n").contains("launches failed"), "one did: {:#?}", ended.log);
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn p14_a_fleet_that_only_replaces_its_instances_is_given_up_whenever_they_die() {
    for seed in 1..=8 {
        let scene = Scene::seeded(seed, ShopOptions { new_image: NewImage::Unhealthy, ..quiet() });
        let ended = scene.play("churn", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        assert!(ended.cause().contains("because they failed their health checks"), "seed {seed}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn p20_a_scheduled_action_that_fires_late_is_set_back_although_the_last_revision_took_five_minutes() {
    let scene = Scene::new(ShopOptions { equipped: true, grace_seconds: 7200, ..quiet() });
    scene.world().image_mut(&scene.shop.new_ami.clone()).expect("it exists").behaviour.boot_seconds = (280, 281);
    scene.succeed("seven").await;
    let sim = scene.sim.clone();
    let size: Arc<Mutex<Vec<u32>>> = Arc::default();
    let told = size.clone();
    let see = move |happening: &Happening| {
        if begins(happening, "Upscale") {
            let mut world = sim.world();
            // After the look that tells how far the upscale is, which sees it, too.
            let at = i64::try_from(world.now_millis() / 1000 + 60).expect("it is soon");
            let at = jiff::Timestamp::from_second(at).expect("it is soon").to_string();
            let group = ("AutoScalingGroupName", "shop__7");
            let late = [
                group,
                ("ScheduledActionName", "late"),
                ("StartTime", at.as_str()),
                ("MinSize", "3"),
                ("MaxSize", "8"),
                ("DesiredCapacity", "3"),
            ];
            call(&mut world, "PutScheduledUpdateGroupAction", &late);
            call(&mut world, "ResumeProcesses", &[group, ("ScalingProcesses.member.1", "ScheduledActions")]);
            let (sim, told) = (sim.clone(), told.clone());
            tokio::spawn(async move {
                for seconds in [120, 60] {
                    sim.clock.sleep(Duration::from_secs(seconds)).await;
                    let desired = sim.world().group_view("shop__7").map_or(0, |view| view.desired);
                    told.lock().expect("nobody panicked").push(desired);
                }
            });
        }
    };
    let ended = scene.watched("eight", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(*size.lock().expect("nobody panicked"), [3, 4], "two minutes, and three, after the upscale began");
    assert!(json!(ended.log).to_string().contains("setting it back"), "{:#?}", ended.log);
}

/// The account as it was, whatever has become of the health of targets.
#[track_caller]
fn is_back(scene: &Scene, name: &str) {
    let mut left = differences(&scene.world().inventory(), &scene.before);
    left.retain(|difference| !difference.contains("/targets/"));
    assert_eq!(left, Vec::<String>::new(), "{name}");
    scene.holds_no_lock();
}

/// A document of a strategy that asks when some traffic has moved already.
fn asking(strategy: &Strategy, scene: &Scene) -> Value {
    let mut document = strategy.document(scene);
    if strategy.layout == Layout::Staged {
        let all = json!({ "percent": 100 });
        let stages = json!([{ "upscale": all }, { "swap": {} }, { "approve": {} }, { "downsize": all }]);
        document["strategy"] = json!({ "stages": stages });
    }
    document
}

/// Denies that any group is deleted.
struct NoPruning;

impl Faults for NoPruning {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let strikes = request.operation == "DeleteAutoScalingGroup";
        strikes.then(|| Fault::Refuse { status: 403, code: "AccessDenied".into(), message: "not allowed".into() })
    }
}

/// Plays an approved deployment that somebody stops when the old fleet is down already, and rolls it back from there. `down` is told
/// when it is. Answers the log.
async fn taken_back_at_its_end(scene: &Scene, document: &Value, down: impl Fn(&mut World) + Send + 'static) -> String {
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if begins(happening, "Prune") {
            let executions = sim.step_functions().executions();
            let running = executions.iter().find(|it| it.outcome.is_none()).expect("it runs").arn.clone();
            let sim = sim.clone();
            // The function that runs by then goes on, but deletes nothing any more.
            sim.set_faults(Some(Arc::new(NoPruning)));
            down(&mut sim.world());
            tokio::spawn(async move {
                let arguments = json!({ "executionArn": running });
                sim.handle(Request::json(Service::StepFunctions, "StopExecution", arguments)).await.expect("no fault");
            });
        }
    };
    let ended = scene.watched("stopped", document, Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Aborted, "{}", ended.cause());
    scene.sim.clock.sleep(Duration::from_secs(30)).await;
    scene.sim.set_faults(None);
    let input = json!({ "deploymentId": "stopped" });
    let back = StepFunctions::start(&scene.sim, &scene.installation.rollback_arn, Some("stopped"), &input);
    let back = scene.sim.step_functions().wait_for(&back.expect("it starts")).await;
    let log = scene.installation.log("stopped").join("\n");
    assert!(matches!(back, Some(ExecutionOutcome::Succeeded { .. })), "{back:?}: {log}");
    assert_eq!(scene.world().traffic().totals.lost, 0, "{log}");
    log
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_clean_although_an_old_instance_was_ill_all_along() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = Scene::new(ShopOptions { ill: 1, ec2_checks: true, layout: strategy.layout, ..quiet() });
        let ended = scene.play("no", &asking(&strategy, &scene), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        assert!(ended.cause().contains("rejected by operator"), "{name}: {}", ended.cause());
        let log = ended.log.join("\n");
        assert!(log.contains("shop__6 is not well: 3 of 4 healthy in shop-a: i-0"), "{name}: {log}");
        assert!(ended.summary.virtual_seconds < 1_200.0, "{name}: {} s", ended.summary.virtual_seconds);
        ended.lost_nothing();
        is_back(&scene, name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_clean_although_an_old_instance_falls_ill_while_somebody_is_asked() {
    for strategy in STRATEGIES {
        for ec2_checks in [true, false] {
            let name = format!("{}, EC2's checks: {ec2_checks}", strategy.name);
            let scene = Scene::new(ShopOptions { ec2_checks, layout: strategy.layout, ..quiet() });
            let sim = scene.sim.clone();
            let see = move |happening: &Happening| {
                if begins(happening, "Approve") {
                    let mut world = sim.world();
                    let first = world.instances_of("shop__6").first().cloned().unwrap_or_default();
                    world.sicken_instance(&first);
                }
            };
            let ended = scene.watched("no", &asking(&strategy, &scene), Box::new(|_| REJECT), see).await;
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
            assert!(ended.summary.virtual_seconds < 1_200.0, "{name}: {} s", ended.summary.virtual_seconds);
            ended.lost_nothing();
            // What is ill is replaced where somebody looks after it.
            scene.sim.clock.sleep(Duration::from_secs(900)).await;
            is_back(&scene, &name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn old_instances_that_aws_has_no_room_for_any_more_do_not_keep_users_on_the_new_version() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = Scene::new(ShopOptions { layout: strategy.layout, ..quiet() });
        let document = strategy.document(&scene);
        let log = taken_back_at_its_end(&scene, &document, |world| {
            world.image_mut("ami-0a11ce00000000006").expect("it exists").behaviour.room = Some(3);
        });
        let log = log.await;
        assert_eq!(scene.size("shop__6"), Some((4, 4, 8)), "{name}: and AWS goes on trying: {log}");
        assert!(scene.world().group("shop__7").is_none(), "{name}: {log}");
        assert_eq!(scene.world().healthy_of("shop__6", &scene.shop.target_group_a), 3, "{name}: {log}");
        scene.holds_no_lock();
    }
}

#[tokio::test(start_paused = true)]
async fn processes_that_a_fleets_part_needs_are_asked_for_before_anything_changes() {
    let document = |scene: &Scene| scene.document();
    for (process, why) in [("Launch", "could not bring its instances back"), ("Terminate", "could not be downsized")] {
        let scene = Scene::new(ShopOptions { suspended_on_running: vec![process.into()], ..quiet() });
        let ended = scene.play("refused", &document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        let told = format!("shop__6 has the process {process} suspended");
        assert!(ended.cause().contains(&told) && ended.cause().contains(why), "{}", ended.cause());
        scene.is_as_before();
        // Left up, it neither shrinks nor has to come back.
        let up = scene.document_with(|d| d["strategy"] = json!({ "blueGreenShift": { "downsizeOld": false } }));
        let ended = scene.play("left", &up, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
        assert_eq!(scene.size("shop__6"), Some((4, 4, 8)));
    }
    for by_aws in [false, true] {
        let mut scene = Scene::new(quiet());
        scene.succeed("seven").await;
        if by_aws {
            scene.world().suspend_administratively("shop__6", &["Launch"]);
        } else {
            let launch = [("AutoScalingGroupName", "shop__6"), ("ScalingProcesses.member.1", "Launch")];
            call(&mut scene.world(), "SuspendProcesses", &launch);
        }
        scene.remember();
        let back = scene.document_with(|d| d["artifact"] = json!({ "revision": 6 }));
        let ended = scene.play("back", &back, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        let told = if by_aws { "Launch suspended by AWS" } else { "Launch suspended: it could not take over" };
        assert!(ended.cause().contains(told), "{}", ended.cause());
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn other_suspended_processes_stand_in_nobodys_way_and_stay_as_they_are() {
    let others = ["HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "InstanceRefresh"];
    for process in others {
        for answer in [APPROVE, REJECT] {
            let suspended = vec![process.to_owned()];
            let scene = Scene::new(ShopOptions {
                equipped: true,
                suspended_on_running: suspended.clone(),
                suspended_on_base: suspended,
                ..quiet()
            });
            let ended = scene.play("quiet", &scene.document(), answer).await;
            ended.lost_nothing();
            if answer == REJECT {
                assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{process}: {}", ended.cause());
                scene.is_as_before();
            } else {
                assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{process}: {}", ended.cause());
                let suspends = |group: &str| !scene.world().group(group).expect("it exists").runs(process);
                assert!(suspends("shop__6") && suspends("shop__7"), "{process}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_suspended_process_is_told_which() {
    for (stage, group, process, approved) in [
        ("Upscale", "shop__7", "Launch", false),
        ("Drain", "shop__6", "Terminate", true),
        ("Downsize shop__7", "shop__7", "Terminate", false),
    ] {
        let scene = Scene::new(quiet());
        let sim = scene.sim.clone();
        let see = move |happening: &Happening| {
            if begins(happening, stage) {
                let form = [("AutoScalingGroupName", group), ("ScalingProcesses.member.1", process)];
                call(&mut sim.world(), "SuspendProcesses", &form);
                let sim = sim.clone();
                tokio::spawn(async move {
                    sim.clock.sleep(Duration::from_secs(240)).await;
                    call(&mut sim.world(), "ResumeProcesses", &form);
                });
            }
        };
        let answer = if approved || stage == "Upscale" { APPROVE } else { REJECT };
        let ended = scene.watched("told", &scene.document(), Box::new(move |_| answer), see).await;
        let outcome = if answer == APPROVE { Outcome::Succeeded } else { Outcome::FailedClean };
        assert_eq!(ended.summary.outcome, outcome, "{stage}: {}", ended.cause());
        let told = format!("{group} has the process {process} suspended: resume it");
        assert!(ended.log.join("\n").contains(&told), "{stage}: {:#?}", ended.log);
        ended.lost_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn p16_an_old_fleets_own_hooks_have_their_time() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        // The base has no such hook: by its own, a downsize would be over after 1,230 s.
        let options = ShopOptions { held_seconds: Some(1_800), layout: strategy.layout, ..quiet() };
        let scene = Scene::new(options.clone());
        let ended = scene.play("long", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
        assert_eq!(scene.world().instances_of("shop__6"), Vec::<String>::new(), "{name}");
        ended.lost_nothing();
        if name != "canary" {
            continue;
        }
        // By then some of the old fleet has left.
        let scene = Scene::new(options);
        let ended = scene.play("no", &strategy.document(&scene), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn p16_what_a_hook_holds_on_its_way_out_beyond_its_time_undoes_nothing() {
    let scene = Scene::new(ShopOptions { held_seconds: Some(86_400), ..quiet() });
    // Its program asks for more time again and again.
    let sim = scene.sim.clone();
    let heartbeats = tokio::spawn(async move {
        loop {
            sim.clock.sleep(Duration::from_secs(600)).await;
            let mut world = sim.world();
            for id in world.instances_of("shop__6") {
                if world.instance(&id).is_some_and(|it| it.lifecycle == Lifecycle::TerminatingWait) {
                    let form = [
                        ("AutoScalingGroupName", "shop__6"),
                        ("LifecycleHookName", "finish-jobs"),
                        ("InstanceId", id.as_str()),
                    ];
                    call(&mut world, "RecordLifecycleActionHeartbeat", &form);
                }
            }
        }
    });
    let ended = scene.play("held", &scene.document(), APPROVE).await;
    heartbeats.abort();
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let log = ended.log.join("\n");
    assert!(log.contains("shop__6 serves nothing any more; still on its way out: i-0"), "{log}");
    ended.lost_nothing();
    let view = scene.world().group_view("shop__6").expect("it is kept");
    assert_eq!((view.terminating, view.in_service, view.desired), (4, 0, 0));
}

/// What hooks and notifications of the sample shop tell.
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:shop-operations";

#[tokio::test(start_paused = true)]
async fn a_copy_whose_hooks_lead_nowhere_is_given_up_at_once() {
    for (gone, told) in [
        (TOPIC, "Unable to publish test message to notification target"),
        ("arn:aws:iam::123456789012:role/shop-hooks", "Please check your target and role configuration"),
    ] {
        let mut scene = Scene::new(ShopOptions { equipped: true, ..quiet() });
        scene.world().remove_target(gone);
        scene.remember();
        let ended = scene.play("nowhere", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        assert!(ended.cause().contains(told), "{}", ended.cause());
        // The rollback waits for a minute, until it can believe what it reads; trying again would go on for twenty.
        assert!(ended.summary.virtual_seconds < 120.0, "nobody tries again: {} s", ended.summary.virtual_seconds);
        scene.sim.clock.sleep(Duration::from_secs(30)).await;
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_version_whose_image_is_gone_is_told_of_and_serves_on_after_a_rejection() {
    let mut scene = Scene::new(quiet());
    scene.succeed("seven").await;
    scene.world().image_mut(&scene.shop.new_ami.clone()).expect("it exists").state = "deregistered".into();
    scene.remember();
    let document = scene.document_with(|d| d["artifact"] = json!({ "ami": scene.shop.running_ami }));
    for answer in [REJECT, APPROVE] {
        let name = if answer == REJECT { "eight" } else { "nine" };
        let ended = scene.play(name, &document, answer).await;
        let told = format!("The image {} of shop__7 cannot be launched any more", scene.shop.new_ami);
        assert!(ended.log.join("\n").contains(&told), "{:#?}", ended.log);
        ended.lost_nothing();
        if answer == REJECT {
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
            scene.is_as_before();
        } else {
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
        }
    }
}
