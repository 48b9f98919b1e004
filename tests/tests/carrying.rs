//! Everything that an Auto Scaling group carries, through whole deployments: O2, B6, B7, and the pitfalls around capacity,
//! hooks, policies, alarms and schedules.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_sim::api::autoscaling;
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, StepFunctions};
use crossfade_sim::world::sample::{Layout, NewImage, ShopOptions, Source};
use crossfade_sim::world::{HookAnswer, Tree, World};
use crossfade_sim::{Fault, Faults, Request, Service};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, REJECT, Scene, assert_same};
use serde_json::{Value, json};

fn equipped(strategy: &Strategy) -> Scene {
    Scene::new(ShopOptions { equipped: true, ..strategy.options() })
}

/// A call that somebody else makes.
fn call(world: &mut World, operation: &str, form: &[(&str, &str)]) {
    let request = Request::query(Service::AutoScaling, operation, form.iter().copied());
    let answer = autoscaling::handle(world, &request);
    assert_eq!(answer.status, 200, "{operation}: {}", String::from_utf8_lossy(&answer.body));
}

/// A group in the inventory, under the name of its base and with what differs on purpose taken out.
fn carried(scene: &Scene, group: &str) -> Value {
    let inventory = scene.world().inventory();
    let text = inventory["autoScalingGroups"][group].to_string().replace(group, "NAME");
    let text = text.replace(&label(&scene.shop.target_group_b), &label(&scene.shop.target_group_a));
    let mut group: Value = serde_json::from_str(&text).expect("it was JSON before");
    let processes = group["suspendedProcesses"].as_array_mut().expect("a list");
    processes.retain(|process| process != "ScheduledActions");
    for action in group["scheduledActions"].as_object_mut().expect("actions by name").values_mut() {
        // The next time that it is due, or, of one made years ago, the first.
        action.as_object_mut().expect("an action").remove("StartTime");
    }
    let parts = ["hooks", "metrics", "notifications", "scalingPolicies", "scheduledActions", "suspendedProcesses"];
    parts.into_iter().map(|part| (part.to_owned(), group[part].take())).collect()
}

/// `targetgroup/shop-a/73e2…`, as it stands in labels and dimensions.
fn label(target_group: &str) -> String {
    target_group.split_once(":targetgroup/").map(|(_, rest)| format!("targetgroup/{rest}")).expect("it is an ARN")
}

/// The alarms of a group, under its base's name.
fn alarms(scene: &Scene, group: &str, prefix: &str) -> Value {
    let inventory = scene.world().inventory();
    let of_group = |name: &str| name.starts_with(prefix) && !name.contains(" of policy ");
    let alarms = inventory["alarms"].as_object().expect("alarms by name").iter().filter(|(name, _)| of_group(name));
    let alarms: Vec<(String, Value)> = alarms
        .map(|(name, alarm)| {
            let text = alarm.to_string().replace(group, "NAME");
            (name.trim_start_matches(prefix).to_owned(), serde_json::from_str(&text).expect("it was JSON before"))
        })
        .collect();
    alarms.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn o2_b6_b7_p22_p24_p25_the_candidate_ends_with_everything_that_its_base_carries() {
    for strategy in STRATEGIES {
        let scene = equipped(&strategy);
        let name = strategy.name;
        let ended = scene.play("first", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
        ended.lost_nothing();
        let base = carried(&scene, "shop-base");
        assert_eq!(
            base["scalingPolicies"].as_object().map(serde_json::Map::len),
            Some(5),
            "there is something to carry"
        );
        assert_same(&carried(&scene, "shop__7"), &base);
        // Every field of every alarm; its tags are the base's and ours.
        let (mut new, old) =
            (alarms(&scene, "shop__7", "shop__7-shop-base-"), alarms(&scene, "shop-base", "shop-base-"));
        assert_eq!(old.as_object().map(serde_json::Map::len), Some(3), "{old:#}");
        for alarm in new.as_object_mut().expect("alarms by name").values_mut() {
            alarm["tags"].as_object_mut().expect("tags").retain(|key, _| !key.starts_with("crossfade:"));
        }
        assert_same(&new, &old);
        // The template is suspended, the fleet that serves is not (B7), and the retired one must not wake up.
        let world = scene.world();
        let runs = |group: &str| world.group(group).expect("it exists").runs("ScheduledActions");
        assert_eq!((runs("shop-base"), runs("shop__7"), runs("shop__6")), (false, true, false), "{name}");
        drop(world);
        // The label of requests per target is that of where the candidate is (P24).
        let inventory = scene.world().inventory();
        let group = &inventory["autoScalingGroups"]["shop__7"];
        let there = group["targetGroups"].as_object().and_then(|groups| groups.keys().next()).expect("it is attached");
        let policy = &group["scalingPolicies"]["requests"].to_string();
        assert!(policy.contains(&label(there)), "{name}: {policy}");
    }
}

/// Denies that any group is deleted.
struct NoPruning;

impl Faults for NoPruning {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let strikes = request.operation == "DeleteAutoScalingGroup";
        strikes.then(|| Fault::Refuse { status: 403, code: "AccessDenied".into(), message: "not allowed".into() })
    }
}

#[tokio::test(start_paused = true)]
async fn with_everything_on_board_a_rejection_leaves_the_account_as_it_was() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let options = ShopOptions { equipped: true, protected: true, warm_pool: true, ..strategy.options() };
        let scene = Scene::new(options);
        let ended = scene.play("no", &strategy.document(&scene), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
    }
}

/// Plays a deployment that somebody stops at its very end.
async fn stopped_at_its_end(scene: &Scene, document: &Value, answer: Answer) {
    let (sim, arn) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Prune")) {
            let executions = sim.step_functions().executions();
            let running = executions.iter().find(|it| it.name == "stopped" && it.arn.contains(&machine(&arn)));
            let running = running.expect("it runs").arn.clone();
            let sim = sim.clone();
            // The function that runs by then goes on, but deletes nothing any more.
            sim.set_faults(Some(Arc::new(NoPruning)));
            tokio::spawn(async move {
                let arguments = json!({ "executionArn": running });
                sim.handle(Request::json(Service::StepFunctions, "StopExecution", arguments)).await.expect("no fault");
            });
        }
    };
    let ended = scene.watched("stopped", document, Box::new(move |_| answer), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Aborted, "{}", ended.cause());
    scene.sim.clock.sleep(Duration::from_secs(30)).await;
    scene.sim.set_faults(None);
}

/// Rolls it back from there, which has to end clean.
async fn rolled_back(scene: &Scene) {
    let rollback = &scene.installation.rollback_arn;
    let back = StepFunctions::start(&scene.sim, rollback, Some("stopped"), &json!({"deploymentId": "stopped"}));
    let back = scene.sim.step_functions().wait_for(&back.expect("it starts")).await;
    assert!(matches!(back, Some(ExecutionOutcome::Succeeded { .. })), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn with_everything_on_board_a_fleet_that_was_down_already_comes_back_with_all_of_it() {
    let scene = Scene::new(ShopOptions { equipped: true, warm_pool: true, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        let stages = json!([
            { "upscale": { "percent": 100 } },
            { "shift": { "percent": 100 } },
            { "downsize": { "percent": 100 } },
        ]);
        d["strategy"] = json!({ "stages": stages });
    });
    stopped_at_its_end(&scene, &document, APPROVE).await;
    assert_eq!(scene.size("shop__6"), Some((0, 0, 0)));
    rolled_back(&scene).await;
    // The warm pool takes a while to fill again.
    scene.sim.clock.sleep(Duration::from_secs(600)).await;
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn a_kept_revision_that_was_given_a_warm_pool_goes_down_without_it_again() {
    let mut scene = Scene::new(ShopOptions { warm_pool: true, ..ShopOptions::default() });
    scene.succeed("seven").await;
    scene.sim.clock.sleep(Duration::from_secs(600)).await;
    scene.remember();
    let pool = |scene: &Scene| scene.world().group("shop__6").expect("it is kept").carried.warm_pool.is_some();
    assert!(!pool(&scene), "one that is down has none");
    let document = scene.document_with(|d| d["artifact"] = json!({ "revision": 6 }));
    stopped_at_its_end(&scene, &document, APPROVE).await;
    assert!(pool(&scene), "one that serves has its base's");
    rolled_back(&scene).await;
    scene.sim.clock.sleep(Duration::from_secs(600)).await;
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn a_warm_pool_that_somebody_gives_to_the_fleet_that_serves_is_left_to_it() {
    let scene = Scene::new(ShopOptions::default());
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
            let pool = Tree::from_json(&json!({ "MinSize": 1 }));
            sim.world().put_warm_pool("shop__6", &pool).expect("it can have one");
        }
    };
    let ended = scene.watched("no", &scene.document(), Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    let last = ended.log.last().expect("a log");
    assert_eq!(last, "Rolled back, and left as somebody else has set it: shop__6 has another warm pool than it had");
    assert!(scene.world().group("shop__6").is_some_and(|group| group.carried.warm_pool.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_warm_pool_that_somebody_gave_to_an_old_fleet_goes_with_it() {
    let scene = Scene::new(ShopOptions::default());
    let pool = Tree::from_json(&json!({ "MinSize": 2, "MaxGroupPreparedCapacity": 2 }));
    scene.world().put_warm_pool("shop__2", &pool).expect("it can have one");
    scene.sim.clock.sleep(Duration::from_secs(600)).await;
    let warm =
        scene.world().group("shop__2").expect("it is kept").carried.warm_pool.as_ref().map(|it| it.members.len());
    assert_eq!(warm, Some(2));
    // Nobody waits for that: it is emptied, and goes with the next deployment.
    let ended = scene.succeed("seven").await;
    assert!(ended.log.join("\n").contains("Left as it is: could not delete shop__2: "));
    scene.succeed("eight").await;
    scene.sim.clock.sleep(Duration::from_secs(60)).await;
    assert!(scene.world().group("shop__2").is_none());
}

/// The end of a state machine's ARN, as it stands in those of its executions.
fn machine(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn pruning_never_fails_a_deployment() {
    let scene = Scene::new(ShopOptions::default());
    scene.sim.set_faults(Some(Arc::new(NoPruning)));
    let ended = scene.play("unpruned", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert!(ended.log.join("\n").contains("Left as it is: could not delete shop__2: "));
}

#[tokio::test(start_paused = true)]
async fn b6_p19_the_candidate_has_no_policies_while_it_idles_and_is_not_scaled_in() {
    let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        d["strategy"]["blueGreenShift"] = json!({ "percents": [1, 100], "pauseSeconds": 3600 });
    });
    let seen: Arc<Mutex<Vec<(String, bool, u32)>>> = Arc::default();
    let (sim, told) = (scene.sim.clone(), seen.clone());
    let see = move |happening: &Happening| {
        if let What::StageStarted { name, .. } = &happening.what {
            let world = sim.world();
            let desired = world.group_view("shop__7").map_or(0, |view| view.desired);
            let policies = world.policy("shop__7", "cpu").is_some();
            told.lock().expect("nobody panicked").push((name.clone(), policies, desired));
        }
    };
    let ended = scene.watched("slow", &document, Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let seen = seen.lock().expect("nobody panicked");
    let at = |stage: &str| seen.iter().find(|(name, ..)| name.starts_with(stage)).cloned().expect("it was seen");
    assert_eq!(at("Shift 100 %"), ("Shift 100 % to shop__7".into(), false, 4), "an hour with next to no load");
    assert!(at("Drain").1, "it has them as soon as it serves alone");
}

#[tokio::test(start_paused = true)]
async fn p27_the_stable_fleet_may_scale_out_but_not_in_and_a_rollback_keeps_what_it_has_scaled_out_to() {
    for (cpu, expected) in [(95.0, 8), (1.0, 4)] {
        let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
        let document = scene.document_with(|d| {
            d["strategy"]["blueGreenShift"] =
                json!({ "percents": [10, 50, 100], "pauseSeconds": 3600, "approveAfterPercents": [50] });
        });
        let sim = scene.sim.clone();
        let see = move |happening: &Happening| {
            if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Pause")) {
                sim.world().force_metric("shop__6", "CPUUtilization", Some(cpu));
            }
        };
        let ended = scene.watched("no", &document, Box::new(|_| REJECT), see).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        ended.lost_nothing();
        assert_eq!(scene.size("shop__6"), Some((4, expected, 8)), "its own limits again");
        assert!(scene.world().group("shop__6").expect("it exists").runs("ScheduledActions"));
        scene.holds_no_lock();
    }
}

#[tokio::test(start_paused = true)]
async fn p20_a_scheduled_action_that_fires_late_is_set_back() {
    let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Upscale")) {
            let mut world = sim.world();
            shrink_in(&mut world, 1);
            let group = ("AutoScalingGroupName", "shop__6");
            call(&mut world, "ResumeProcesses", &[group, ("ScalingProcesses.member.1", "ScheduledActions")]);
        }
    };
    let ended = scene.watched("late", &scene.document(), Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    let log = ended.log.join("\n");
    assert!(log.contains("a scheduled action has resized shop__6 to 1 (min 1, max 2); setting it back"), "{log}");
    assert!(ended.cause().contains("rejected by operator"), "it went on: {}", ended.cause());
    assert_eq!(scene.size("shop__6"), Some((4, 4, 8)));
}

/// A scheduled action that sizes the running fleet to 1 in so many seconds.
fn shrink_in(world: &mut World, seconds: u64) {
    let at = i64::try_from(world.now_millis() / 1000 + seconds).expect("it is soon");
    let at = jiff::Timestamp::from_second(at).expect("it is soon").to_string();
    let form = [
        ("AutoScalingGroupName", "shop__6"),
        ("ScheduledActionName", "late"),
        ("StartTime", at.as_str()),
        ("MinSize", "1"),
        ("MaxSize", "2"),
        ("DesiredCapacity", "1"),
    ];
    call(world, "PutScheduledUpdateGroupAction", &form);
}

#[tokio::test(start_paused = true)]
async fn p20_somebody_who_shrinks_the_fleet_that_serves_is_noticed_and_the_deployment_undone() {
    let scene = Scene::new(ShopOptions::default());
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Upscale")) {
            sim.world().resize("shop__6", 1, 8, 2).expect("it exists");
        }
    };
    let ended = scene.watched("shrunk", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("was resized to 2 (min 1, max 8) while it serves"), "{}", ended.cause());
    assert_eq!(scene.size("shop__6"), Some((4, 4, 8)), "what it had before the deployment");
}

#[tokio::test(start_paused = true)]
async fn p16_hooks_that_nobody_answers_are_told_and_end_the_deployment_clean() {
    for (answer, says) in [(HookAnswer::Never, "Pending:Wait"), (HookAnswer::Abandon(5), "launches failed")] {
        let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
        scene.world().answer_hooks("shop__7", answer);
        let ended = scene.play("held", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        assert!(ended.cause().contains(says) || ended.log.join("\n").contains(says), "{answer:?}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn p28_protected_instances_go_when_their_fleet_does_and_are_protected_again_after_a_rollback() {
    for strategy in STRATEGIES {
        for answer in [APPROVE, REJECT] {
            let scene = Scene::new(ShopOptions { protected: true, ..strategy.options() });
            let name = strategy.name;
            let ended = scene.play("protected", &strategy.document(&scene), answer).await;
            ended.lost_nothing();
            if answer == REJECT {
                assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
                scene.is_as_before();
            } else {
                assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
                assert_eq!(scene.size("shop__6"), Some((0, 0, 0)), "{name}");
                assert_eq!(scene.world().instances_of("shop__6"), Vec::<String>::new(), "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mixed_instances_policies_are_copied_with_every_template_in_them() {
    for base in [Source::Mixed, Source::MixedOverrides, Source::Weighted] {
        for strategy in STRATEGIES {
            let name = format!("{} {base:?}", strategy.name);
            let scene = Scene::new(ShopOptions { base, ..strategy.options() });
            let ended = scene.play("no", &strategy.document(&scene), REJECT).await;
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
            ended.lost_nothing();
            scene.is_as_before();

            let ended = scene.play("yes", &strategy.document(&scene), APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
            ended.lost_nothing();
            let inventory = scene.world().inventory();
            let groups = &inventory["autoScalingGroups"];
            let running =
                groups["shop__8"]["inService"].as_object().expect("it runs").keys().cloned().collect::<Vec<_>>();
            assert!(running.iter().all(|source| source.ends_with(&scene.shop.new_ami)), "{name}: {running:?}");
            let policy = &groups["shop__8"]["settings"]["MixedInstancesPolicy"];
            let of_base = &groups["shop-base"]["settings"]["MixedInstancesPolicy"];
            assert_eq!(policy["InstancesDistribution"], of_base["InstancesDistribution"], "{name}");
            let overrides = |policy: &Value| policy["LaunchTemplate"]["Overrides"].as_array().map(Vec::len);
            assert_eq!(overrides(policy), overrides(of_base), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p29_an_instance_that_somebody_put_in_standby_neither_counts_nor_blocks() {
    let standby = |group: &'static str, stage: &'static str, scene: &Scene| {
        let sim = scene.sim.clone();
        move |happening: &Happening| {
            if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with(stage)) {
                let mut world = sim.world();
                let first = world.instances_of(group)[0].clone();
                let form = [
                    ("AutoScalingGroupName", group),
                    ("InstanceIds.member.1", first.as_str()),
                    ("ShouldDecrementDesiredCapacity", "false"),
                ];
                call(&mut world, "EnterStandby", &form);
            }
        }
    };
    // In the fleet that retires: it stays where somebody has put it.
    let scene = Scene::new(ShopOptions::default());
    let see = standby("shop__6", "Drain", &scene);
    let ended = scene.watched("old", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert!(ended.log.join("\n").contains("in standby, where somebody has put them"));
    assert_eq!(scene.world().group_view("shop__6").map(|view| (view.standby, view.in_service)), Some((1, 0)));

    // In the candidate of a rollback: it goes with it.
    let scene = Scene::new(ShopOptions::default());
    let see = standby("shop__7", "Approve", &scene);
    let ended = scene.watched("new", &scene.document(), Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    scene.sim.clock.sleep(Duration::from_secs(120)).await;
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn p30_zones_that_are_rebalanced_meanwhile_do_no_harm() {
    let scene = Scene::new(ShopOptions::default());
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
            let mut world = sim.world();
            world.rebalance_zones("shop__6");
            world.rebalance_zones("shop__7");
        }
    };
    let ended = scene.watched("rebalanced", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    assert_eq!(scene.size("shop__7"), Some((4, 4, 8)));
}

#[tokio::test(start_paused = true)]
async fn p32_a_fleet_that_is_being_refreshed_is_left_alone() {
    let mut scene = Scene::new(ShopOptions::default());
    scene.world().start_refresh("shop__6", &Tree::from_json(&json!({}))).expect("it can be refreshed");
    scene.remember();
    let ended = scene.play("refused", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("shop__6 is being refreshed"), "{}", ended.cause());
    assert!(scene.world().group("shop__7").is_none());
}

/// Attaches a group to its target group in the newer way instead.
async fn attach_as_source(scene: &Scene, group: &str, arn: &str) {
    let group = ("AutoScalingGroupName", group);
    call(&mut scene.world(), "DetachLoadBalancerTargetGroups", &[group, ("TargetGroupARNs.member.1", arn)]);
    scene.sim.clock.sleep(Duration::from_secs(120)).await;
    let source = [group, ("TrafficSources.member.1.Identifier", arn), ("TrafficSources.member.1.Type", "elbv2")];
    call(&mut scene.world(), "AttachTrafficSources", &source);
    scene.sim.clock.sleep(Duration::from_secs(120)).await;
}

#[tokio::test(start_paused = true)]
async fn p35_a_fleet_attached_as_a_traffic_source_is_detached_as_one() {
    let strategy = STRATEGIES.into_iter().find(|it| it.name == "swap").expect("there is a swap");
    for answer in [APPROVE, REJECT] {
        let mut scene = strategy.scene();
        attach_as_source(&scene, "shop__6", &scene.shop.target_group_a).await;
        scene.remember();
        let before = scene.world().traffic().totals.lost;
        let ended = scene.play("swap", &scene.document(), answer).await;
        assert_eq!(scene.world().traffic().totals.lost, before, "nothing but the test itself has lost any");
        if answer == REJECT {
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
            scene.is_as_before();
        } else {
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
            let view = scene.world().group_view("shop__6").expect("it is kept");
            assert_eq!(view.target_groups, Vec::<String>::new());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p35_a_kept_revision_attached_as_a_traffic_source_moves_to_where_it_is_wanted() {
    let scene = Scene::new(ShopOptions::default());
    scene.succeed("seven").await;
    scene.succeed("eight").await;
    assert_eq!(scene.weights(), (100, 0), "the traffic is where revision 6 is attached");
    attach_as_source(&scene, "shop__6", &scene.shop.target_group_a).await;
    let document = scene.document_with(|d| d["artifact"] = json!({ "revision": 6 }));
    let ended = scene.play("back", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let view = scene.world().group_view("shop__6").expect("it serves");
    assert_eq!(view.target_groups, std::slice::from_ref(&scene.shop.target_group_b));
}

#[tokio::test(start_paused = true)]
async fn p23_a_process_without_which_nothing_registers_is_found_before_anything_changes() {
    let suspended = vec!["AddToLoadBalancer".to_owned()];
    for layout in [Layout::Weighted, Layout::Attached, Layout::Staged] {
        let scene = Scene::new(ShopOptions { suspended_on_base: suspended.clone(), layout, ..ShopOptions::default() });
        let ended = scene.play("refused", &scene.document(), Answer::Nothing).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean);
        assert!(ended.cause().contains("has the process AddToLoadBalancer suspended"), "{}", ended.cause());
        scene.is_as_before();
    }
}

/// Refuses the first look at the health of targets for good.
#[derive(Default)]
struct FirstLook(AtomicBool);

impl Faults for FirstLook {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let look = request.caller.as_deref() == Some("wait-steady") && request.operation == "DescribeTargetHealth";
        let first = look && !self.0.swap(true, Ordering::Relaxed);
        first.then(|| Fault::Refuse { status: 400, code: "LimitExceeded".into(), message: "too many".into() })
    }
}

#[tokio::test(start_paused = true)]
async fn p28_instances_that_are_protected_only_once_they_serve_leave_all_the_same() {
    let scene = Scene::new(ShopOptions { protected: true, ..ShopOptions::default() });
    let ami = scene.shop.new_ami.clone();
    scene.world().image_mut(&ami).expect("it is there").behaviour.launch_seconds = (60, 60);
    scene.sim.set_faults(Some(Arc::new(FirstLook::default())));
    let ended = scene.play("early", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.log.join("\n").contains("shop__7 no longer protects"), "{:#?}", ended.log);
    scene.is_as_before();
}

/// Refuses a call by its operation, so many times.
struct Refuse(&'static str, Mutex<u32>);

impl Faults for Refuse {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let mut left = self.1.lock().expect("nobody panicked");
        if request.operation != self.0 || *left == 0 {
            return None;
        }
        *left -= 1;
        Some(Fault::Refuse { status: 400, code: "Throttling".into(), message: "Rate exceeded".into() })
    }
}

#[tokio::test(start_paused = true)]
async fn p28_a_fleet_that_was_sized_but_not_unprotected_is_unprotected_by_the_next_attempt() {
    let scene = Scene::new(ShopOptions { protected: true, ..ShopOptions::default() });
    scene.sim.set_faults(Some(Arc::new(Refuse("SetInstanceProtection", Mutex::new(4)))));
    let ended = scene.play("half", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(scene.world().instances_of("shop__6"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn p27_limits_that_somebody_raises_for_a_peak_survive_the_rollback() {
    let scene = Scene::new(ShopOptions::default());
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
            sim.world().resize("shop__6", 4, 20, 15).expect("it exists");
        }
    };
    let ended = scene.watched("peak", &scene.document(), Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert_eq!(scene.size("shop__6"), Some((4, 15, 20)), "they need them");
    let last = ended.log.last().map(String::as_str).unwrap_or_default();
    assert!(last.contains("left as somebody else has set it: shop__6 has 15 (min 4, max 20)"), "{last}");
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn p27_a_canary_takes_from_a_fleet_that_has_scaled_out_only_what_the_candidate_stands_in_for() {
    let scene = Scene::new(ShopOptions { equipped: true, layout: Layout::Attached, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        d["strategy"] = json!({ "canary": { "phases": [{ "percent": 25 }, { "percent": 50 }], "pauseSeconds": 1800 } });
    });
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Pause")) {
            sim.world().force_metric("shop__6", "CPUUtilization", Some(95.0));
        }
    };
    let ended = scene.watched("busy", &document, Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let log = ended.log.join("\n");
    assert!(log.contains("Resizing shop__6 from 8 (min 3, max 8) to 7 (min 2, max 8)"), "it had scaled out: {log}");
}

#[tokio::test(start_paused = true)]
async fn c3_phase_by_phase_the_candidate_shrinks_by_phases_whatever_its_least_size_is() {
    let scene = Scene::new(ShopOptions { layout: Layout::Attached, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        d["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": { "min": 1, "desired": 4, "max": 8 } });
        d["strategy"] = json!({ "canary": { "approveAfterPhases": [3] } });
        d["rollback"] = json!({ "phaseByPhase": true });
    });
    let ended = scene.play("phases", &document, REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    ended.lost_nothing();
    let of = |happening: &Happening| match &happening.what {
        What::Frame(frame) => Some((frame.stable.as_ref()?.desired, frame.candidate.as_ref()?.desired)),
        _ => None,
    };
    let mut sizes: Vec<(u32, u32)> = ended.happenings.iter().filter_map(of).collect();
    sizes.dedup();
    assert_eq!(sizes[sizes.len() - 7..], [(0, 4), (2, 4), (2, 2), (3, 2), (3, 1), (4, 1), (4, 0)]);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn p20_scheduled_actions_of_a_candidate_do_not_wake_it_while_it_is_taken_back() {
    let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        d["strategy"] = json!({ "stages": [
            { "upscale": { "percent": 100 } }, { "shift": { "percent": 100 } }, { "approve": {} }, { "downsize": { "percent": 100 } },
        ] });
    });
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        // It fires as often as it can.
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
            let group = ("AutoScalingGroupName", "shop__7");
            let often = [
                group,
                ("ScheduledActionName", "often"),
                ("Recurrence", "* * * * *"),
                ("MinSize", "2"),
                ("MaxSize", "8"),
                ("DesiredCapacity", "3"),
            ];
            call(&mut sim.world(), "PutScheduledUpdateGroupAction", &often);
        }
    };
    let ended = scene.watched("often", &document, Box::new(|_| REJECT), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    ended.lost_nothing();
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn p14_a_fleet_that_only_replaces_its_instances_is_given_up_and_told_why() {
    let scene = Scene::new(ShopOptions { grace_seconds: 0, new_image: NewImage::Slow, ..ShopOptions::default() });
    let ended = scene.play("churn", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("longer health check grace period"), "{}", ended.cause());
    assert!(ended.summary.virtual_seconds < 900.0, "{} s", ended.summary.virtual_seconds);
    ended.lost_nothing();
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn p20_a_scheduled_action_that_wakes_a_retiring_fleet_late_is_undone_too() {
    let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Downsize shop__6")) {
            // Before it is sized to 0 the action is not yet due, after it there is nothing that would stop it.
            shrink_in(&mut sim.world(), 5);
            let sim = sim.clone();
            tokio::spawn(async move {
                sim.clock.sleep(Duration::from_secs(2)).await;
                let form = [("AutoScalingGroupName", "shop__6"), ("ScalingProcesses.member.1", "ScheduledActions")];
                call(&mut sim.world(), "ResumeProcesses", &form);
            });
        }
    };
    let ended = scene.watched("woken", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let log = ended.log.join("\n");
    assert!(log.contains("shop__6 was resized to 1 (min 1, max 2) again"), "{log}");
    assert_eq!(scene.size("shop__6"), Some((0, 0, 0)));
}
