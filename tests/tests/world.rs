//! The world, while a deployment runs or is rolled back: AWS takes instances and has no more of them, people change weights, sizes,
//! rules and fleets, other deployments come along, clocks differ.
//!
//! Each case happens to every strategy at every moment that it fits, and always the same is asserted: no request lost through our
//! doing; one of the three outcomes; after FailedClean the account as it was, but for what the case says that somebody's hand or
//! AWS has left; nothing foreign touched; no lock but after FailedDirty; and that only where the case allows for it, naming what is
//! left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_core::plan::Direction;
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, StepFunctions};
use crossfade_sim::api::{autoscaling, elbv2};
use crossfade_sim::lambda::{Functions, Invocation, function_name};
use crossfade_sim::world::sample::{Layout, NO_CAPACITY, Shop, ShopOptions};
use crossfade_sim::world::{Lifecycle, World};
use crossfade_sim::{Clock, Request, Service};
use crossfade_steps::FUNCTIONS;
use crossfade_tests::machinery::{end, executions, meta, rollbacks, schedule, stop, sweep};
use crossfade_tests::strategies::{NeverDownsized, STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The candidate comes up.
    Early,
    /// It is up, and somebody is asked.
    Middle,
    /// It has the traffic, and the old fleet goes.
    Late,
    /// Somebody has said no, and the rollback begins.
    Rollback,
    /// The very last change was refused, and the rollback begins with everything to be taken back.
    LateRollback,
    /// The candidate is about to be deleted by the rollback.
    End,
}

const MOMENTS: [Moment; 6] =
    [Moment::Early, Moment::Middle, Moment::Late, Moment::Rollback, Moment::LateRollback, Moment::End];

impl Moment {
    fn is_now(self, what: &What) -> bool {
        let What::StageStarted { direction, index, name, .. } = what else { return false };
        match (self, direction) {
            (Self::Early, Direction::Deploy) => name.starts_with("Upscale"),
            (Self::Middle, Direction::Deploy) => name.starts_with("Approve"),
            (Self::Late, Direction::Deploy) => name == "Downsize shop__6 to 0",
            (Self::Rollback | Self::LateRollback, Direction::Rollback) => *index == 0,
            (Self::End, Direction::Rollback) => name.starts_with("Remove"),
            _ => false,
        }
    }

    fn answer(self) -> Answer {
        if matches!(self, Self::Rollback | Self::End) { REJECT } else { APPROVE }
    }
}

/// Something that happens.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// What happens; whether there was anything for it to happen to.
    act: fn(&mut World, &Shop) -> bool,
    /// What that leaves of the account as it was before, in which nothing else may differ in the end.
    leaves: fn(&mut Value, &Shop),
    /// What a message of FailedDirty has to say, where that may come of it.
    dirty: Option<&'static str>,
    /// Where it loses requests by itself, because nothing else serves there.
    loses: fn(&Strategy, Moment) -> bool,
}

impl Case {
    /// Something that leaves no trace by itself.
    const fn of(name: &'static str, act: fn(&mut World, &Shop) -> bool) -> Self {
        Self { name, act, leaves: |_, _| {}, dirty: None, loses: |_, _| false }
    }
}

/// What became of a case.
struct Told {
    scene: Scene,
    ended: Ended,
    what: String,
    /// Whether the case itself has lost requests.
    loses: bool,
}

/// Plays a case; nothing when the moment did not come, or there was nothing for the case to happen to.
async fn play(case: &Case, strategy: &Strategy, moment: Moment, options: ShopOptions) -> Option<Told> {
    let scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..options });
    let mut document = strategy.document(&scene);
    // What is pruned, nobody can bring back; that has a test of its own.
    document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
    if moment == Moment::LateRollback {
        scene.sim.set_faults(Some(Arc::new(NeverDownsized)));
    }
    let happened = Arc::new(AtomicBool::default());
    let (sim, shop, act, done) = (scene.sim.clone(), scene.shop.clone(), case.act, happened.clone());
    let mut waits = true;
    let see = move |happening: &Happening| {
        if !(waits && moment.is_now(&happening.what)) {
            return;
        }
        waits = false;
        let (sim, shop, done) = (sim.clone(), shop.clone(), done.clone());
        tokio::spawn(async move {
            sim.clock.sleep(Duration::from_millis(2_500)).await;
            done.store(act(&mut sim.world(), &shop), Ordering::Relaxed);
        });
    };
    let answer = moment.answer();
    let ended = scene.watched("struck", &document, Box::new(move |_| answer), see).await;
    let what = format!("{}, {}, {moment:?}: {}\n{:#?}", strategy.name, case.name, ended.cause(), ended.log);
    let loses = (case.loses)(strategy, moment);
    happened.load(Ordering::Relaxed).then_some(Told { scene, ended, what, loses })
}

/// Requests that were lost through our doing. What AWS or the application took while nothing else was there is theirs.
fn lost(scene: &Scene) -> u64 {
    let theirs = ["AWS had taken the instance away", "the application had failed"];
    let losses = scene.world().traffic().losses;
    losses.iter().filter(|loss| !loss.excused && !theirs.contains(&loss.cause)).map(|loss| loss.count).sum()
}

/// Everything that belongs to somebody else.
fn foreign(inventory: &Value, shop: &Shop) -> Value {
    let groups = &inventory["autoScalingGroups"];
    json!([
        groups[&shop.base_group],
        groups[&shop.foreign_group],
        inventory["targetGroups"][&shop.target_group_other],
        inventory["loadBalancers"],
    ])
}

/// Asserts what holds of every run, and answers how it ended.
async fn judge(case: &Case, told: &Told) -> Outcome {
    let Told { scene, ended, what, loses } = told;
    let totals = scene.world().traffic().totals;
    assert!(totals.served > 0, "without traffic nothing is proved: {what}");
    if !loses {
        assert_eq!(lost(scene), 0, "{:?}: {what}", scene.world().traffic().losses);
    }
    let outcome = ended.summary.outcome;
    let status = meta(scene, "struck")["status"].clone();
    let mut expected = scene.before.clone();
    (case.leaves)(&mut expected, &scene.shop);
    match outcome {
        Outcome::Succeeded => {
            assert_eq!(status, "succeeded", "{what}");
            let there = scene.world().group_view("shop__7").is_some_and(|view| !view.deleting && view.desired > 0);
            assert!(there, "what succeeded is gone: {what}");
            scene.holds_no_lock();
        }
        Outcome::FailedClean => {
            assert_eq!(status, "failedClean", "{what}");
            // AWS replaces what it has taken, and people's changes take their time.
            for _ in 0..40 {
                if scene.world().inventory() == expected {
                    break;
                }
                scene.sim.clock.sleep(Duration::from_secs(30)).await;
            }
            let left = crossfade_tests::differences(&scene.world().inventory(), &expected);
            assert!(left.is_empty(), "not as it was: {left:#?}\n{what}");
            scene.holds_no_lock();
        }
        Outcome::FailedDirty => {
            let says = case.dirty.unwrap_or_else(|| panic!("nothing forbids to undo it: {what}"));
            assert_eq!(status, "failedDirty", "{what}");
            let cause = meta(scene, "struck")["failure"]["cause"].as_str().unwrap_or_default().to_owned();
            assert!(cause.contains(says), "{says:?} is missing in {cause}: {what}");
            let now = scene.world().inventory();
            for (name, before) in expected["autoScalingGroups"].as_object().expect("groups by name") {
                let same =
                    ["min", "max", "desired"].iter().all(|key| now["autoScalingGroups"][name][key] == before[key]);
                assert!(same || cause.contains(name.as_str()), "{name} is left and not named: {what}");
            }
            let candidate = now["autoScalingGroups"]["shop__7"].is_object();
            assert!(!candidate || cause.contains("shop__7"), "shop__7 is left and not named: {what}");
        }
        other => panic!("{other:?}: {what}"),
    }
    let now = scene.world().inventory();
    assert_eq!(foreign(&now, &scene.shop), foreign(&expected, &scene.shop), "{what}");
    outcome
}

/// Whether a combination is played: like the black squares of a chequerboard, every other one, so that every strategy meets every
/// case and every moment, and all of them with `CROSSFADE_WORLD=all` in the environment.
fn plays(indices: &[usize]) -> bool {
    std::env::var("CROSSFADE_WORLD").is_ok_and(|which| which == "all") || indices.iter().sum::<usize>() % 2 == 0
}

/// Plays each case with every strategy at these moments: how often each outcome came about.
async fn everywhere(cases: &[Case], moments: &[Moment]) -> Counts {
    let mut counts = Counts::default();
    for (c, case) in cases.iter().enumerate() {
        for (s, strategy) in STRATEGIES.iter().enumerate() {
            for (_, moment) in moments.iter().enumerate().filter(|(m, _)| plays(&[c, s, *m])) {
                let Some(told) = play(case, strategy, *moment, strategy.options()).await else { continue };
                match judge(case, &told).await {
                    Outcome::Succeeded => counts.succeeded += 1,
                    Outcome::FailedClean => counts.clean += 1,
                    _ => counts.dirty += 1,
                }
            }
        }
    }
    eprintln!("{counts:?}");
    counts
}

/// How often each outcome came about.
#[derive(Debug, Default)]
struct Counts {
    succeeded: usize,
    clean: usize,
    dirty: usize,
}

impl Counts {
    fn all(&self) -> usize {
        self.succeeded + self.clean + self.dirty
    }
}

fn serving(world: &World, group: &str) -> Vec<String> {
    let serves = |id: &String| {
        world.instance(id).is_some_and(|it| it.lifecycle == Lifecycle::InService && it.server.stopped.is_none())
    };
    world.instances_of(group).into_iter().filter(serves).collect()
}

fn kill(world: &mut World, group: &str, most: usize) -> bool {
    let victims = serving(world, group);
    victims.iter().take(most).filter(|id| world.kill_instance(id)).count() > 0
}

/// A call that somebody else makes: whether AWS does it.
fn call(world: &mut World, operation: &str, form: &[(&str, &str)]) -> bool {
    autoscaling::handle(world, &Request::query(Service::AutoScaling, operation, form.iter().copied())).status == 200
}

/// The same, of load balancers.
fn balance(world: &mut World, operation: &str, form: &[(&str, &str)]) -> bool {
    elbv2::handle(world, &Request::query(Service::ElasticLoadBalancing, operation, form.iter().copied())).status == 200
}

#[tokio::test(start_paused = true)]
async fn instances_that_aws_takes_cost_no_request_of_ours() {
    let cases = [
        Case::of("an instance of the candidate dies", |world, _| kill(world, "shop__7", 1)),
        Case::of("an instance of the stable fleet dies", |world, _| kill(world, "shop__6", 1)),
        Case {
            // Where it has traffic to itself, nothing is left to answer it.
            loses: |strategy, moment| match moment {
                Moment::Late | Moment::LateRollback => true,
                Moment::Middle | Moment::Rollback => strategy.layout == Layout::Weighted,
                Moment::Early | Moment::End => false,
            },
            ..Case::of("all instances of the candidate die at once", |world, _| kill(world, "shop__7", usize::MAX))
        },
    ];
    let counts = everywhere(&cases, &MOMENTS).await;
    assert!(counts.all() >= 28 && counts.dirty == 0, "{counts:?}");
}

/// What AWS says when it launches nothing.
const REASONS: [&str; 5] = [
    NO_CAPACITY,
    "You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket that the \
     specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to \
     this limit.",
    "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: \
     Client.InternalError: Client error on launch",
    "Could not launch Spot Instances. SpotMaxPriceTooLow - Your Spot request price of 0.01 is lower than the minimum required \
     Spot request fulfillment price of 0.0464.",
    "The security group 'sg-0123456789abcdef0' does not exist",
];

#[tokio::test(start_paused = true)]
async fn launches_that_fail_end_clean_in_awss_own_words() {
    for (s, strategy) in STRATEGIES.into_iter().enumerate() {
        for (_, reason) in REASONS.into_iter().enumerate().filter(|(r, _)| plays(&[s, *r])) {
            let scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..strategy.options() });
            let ami = scene.shop.new_ami.clone();
            let failure = Some(reason.to_owned());
            scene.world().image_mut(&ami).expect("it exists").behaviour.launch_failure = failure;
            let ended = scene.play("failing", &strategy.document(&scene), APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
            assert!(ended.cause().contains(reason), "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            scene.is_as_before();
        }
    }
}

/// From now on AWS has no more instances of an image.
fn runs_out(world: &mut World, image: &str) -> bool {
    world.image_mut(image).is_some_and(|image| image.behaviour.launch_failure.replace(NO_CAPACITY.into()).is_none())
}

#[tokio::test(start_paused = true)]
async fn capacity_that_runs_out_midway_costs_the_deployment_at_most() {
    let cases = [
        Case::of("no more instances of the new image", |world, shop| runs_out(world, &shop.new_ami)),
        Case::of("no more instances of the running image", |world, shop| runs_out(world, &shop.running_ami)),
    ];
    let counts = everywhere(&cases, &MOMENTS).await;
    assert!(counts.all() >= 28 && counts.dirty == 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_old_fleet_that_aws_has_no_instances_for_is_told_and_the_traffic_stays_where_it_is() {
    for (_, strategy) in STRATEGIES.iter().enumerate().filter(|(s, _)| plays(&[*s])) {
        // A day of them.
        let scene = Scene::new(ShopOptions { requests_per_second: 0.5, ..strategy.options() });
        let mut document = strategy.document(&scene);
        document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
        let (sim, machine, image) =
            (scene.sim.clone(), scene.installation.deploy_arn.clone(), scene.shop.running_ami.clone());
        let see = move |happening: &Happening| {
            if Moment::Late.is_now(&happening.what) {
                let running = executions(&sim, &machine).pop().expect("it runs");
                let (sim, image) = (sim.clone(), image.clone());
                tokio::spawn(async move {
                    sim.clock.sleep(Duration::from_secs(4)).await;
                    assert!(runs_out(&mut sim.world(), &image));
                    stop(&sim, &running.arn, json!({})).await;
                });
            }
        };
        scene.watched("struck", &document, Box::new(|_| APPROVE), see).await;
        let name = strategy.name;
        assert_eq!(sweep(&scene, schedule()).await, ["struck-rollback-1"], "{name}");
        assert_eq!(end(&scene, &rollbacks(&scene)[0].arn).await.status(), "FAILED", "{name}");
        let told = meta(&scene, "struck");
        assert_eq!(told["status"], "failedDirty", "{name}");
        let cause = told["failure"]["cause"].as_str().unwrap_or_default();
        for says in ["do not have sufficient m6i.large capacity", "shop__7 exists, with 4", "shop__6 has"] {
            let log = scene.installation.log("struck");
            assert!(cause.contains(says), "{name}: {says:?} is missing in {cause}\n{log:#?}");
        }
        assert_eq!(lost(&scene), 0, "{name}: the candidate still serves");
        // A rollback tries for a day, and by then AWS has suspended the launching itself (P22). Once there are instances again and
        // somebody has resumed it, as they were told, the way back is open.
        scene.world().image_mut(&scene.shop.running_ami.clone()).expect("it exists").behaviour.launch_failure = None;
        let launching = [("AutoScalingGroupName", "shop__6"), ("ScalingProcesses.member.1", "Launch")];
        assert!(call(&mut scene.world(), "ResumeProcesses", &launching), "{name}");
        let input = json!({ "deploymentId": "struck" });
        let again = StepFunctions::start(&scene.sim, &scene.installation.rollback_arn, Some("struck-again"), &input);
        let again = end(&scene, &again.expect("it starts")).await;
        let log = scene.installation.log("struck");
        assert_eq!(again.status(), "SUCCEEDED", "{name}: {log:#?}");
        assert_eq!(lost(&scene), 0, "{name}");
        scene.is_as_before();
    }
}

/// Sets the size of a group in an inventory.
fn sized(inventory: &mut Value, group: &str, (min, desired, max): (u32, u32, u32)) {
    let group = &mut inventory["autoScalingGroups"][group];
    (group["min"], group["desired"], group["max"]) = (json!(min), json!(desired), json!(max));
    for count in group["inService"].as_object_mut().expect("instances by their source").values_mut() {
        *count = json!(desired);
    }
}

/// Somebody, or a policy, answers a peak.
const SCALED_OUT: Case = Case {
    // It keeps them, and its target group has them.
    leaves: |before, shop| {
        sized(before, "shop__6", (4, 6, 10));
        before["targetGroups"][&shop.target_group_a]["targets"]["healthy"] = json!(6);
    },
    ..Case::of("the stable fleet is scaled out", |world, _| {
        let size = world.group_view("shop__6").map(|view| view.min);
        size.is_some_and(|min| min > 0) && world.resize("shop__6", 4, 10, 6).is_ok()
    })
};

#[tokio::test(start_paused = true)]
async fn sizes_that_people_set_are_noticed_or_kept() {
    let cases = [
        SCALED_OUT,
        Case::of("the candidate is scaled in", |world, _| {
            world.group_view("shop__7").is_some_and(|view| view.desired > 1) && world.resize("shop__7", 1, 8, 1).is_ok()
        }),
        Case::of("the candidate is scaled out", |world, _| {
            world.group_view("shop__7").is_some_and(|view| view.desired > 0) && world.resize("shop__7", 4, 9, 7).is_ok()
        }),
        Case::of("launches of the candidate are suspended", |world, _| {
            call(
                world,
                "SuspendProcesses",
                &[("AutoScalingGroupName", "shop__7"), ("ScalingProcesses.member.1", "Launch")],
            )
        }),
    ];
    let counts = everywhere(&cases, &MOMENTS).await;
    assert!(counts.all() >= 40 && counts.dirty == 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn p27_a_fleet_that_is_scaled_out_while_a_rollback_restores_it_keeps_that() {
    for strategy in &STRATEGIES {
        let told = play(&SCALED_OUT, strategy, Moment::LateRollback, strategy.options()).await;
        let told = told.unwrap_or_else(|| panic!("{}: the moment did not come", strategy.name));
        assert_eq!(judge(&SCALED_OUT, &told).await, Outcome::FailedClean, "{}", told.what);
        assert_eq!(told.scene.size("shop__6"), Some((4, 6, 10)), "{}", told.what);
    }
}

#[tokio::test(start_paused = true)]
async fn fleets_that_people_delete_are_not_missed_and_others_not_made_of_them() {
    let cases = [Case {
        loses: |_, _| true,
        ..Case::of("the candidate is deleted", |world, _| {
            call(world, "DeleteAutoScalingGroup", &[("AutoScalingGroupName", "shop__7"), ("ForceDelete", "true")])
        })
    }];
    let counts = everywhere(&cases, &MOMENTS).await;
    assert!(counts.all() >= 14 && counts.dirty == 0, "{counts:?}");
}

/// Points the users' route to these target groups with these weights, as somebody with the console does.
fn point(world: &mut World, shop: &Shop, weights: &[(&str, &str)]) -> bool {
    let mut form = match &shop.rule {
        Some(rule) => vec![("RuleArn".to_owned(), rule.clone())],
        None => vec![("ListenerArn".to_owned(), shop.listener.clone())],
    };
    let (operation, actions) =
        if shop.rule.is_some() { ("ModifyRule", "Actions") } else { ("ModifyListener", "DefaultActions") };
    form.push((format!("{actions}.member.1.Type"), "forward".into()));
    for (nth, (arn, weight)) in weights.iter().enumerate() {
        let group = format!("{actions}.member.1.ForwardConfig.TargetGroups.member.{}", nth + 1);
        form.push((format!("{group}.TargetGroupArn"), (*arn).to_owned()));
        form.push((format!("{group}.Weight"), (*weight).to_owned()));
    }
    let form: Vec<(&str, &str)> = form.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    balance(world, operation, &form)
}

#[tokio::test(start_paused = true)]
async fn weights_that_people_set_are_never_overwritten() {
    let shift = STRATEGIES.iter().find(|it| it.name == "shift").expect("there is a shift");
    let mut counts = Counts::default();
    for (a, b) in [("7", "0"), ("60", "40"), ("0", "7")] {
        for moment in MOMENTS {
            // Each pair is another function, since a case is a table's row.
            let act: fn(&mut World, &Shop) -> bool = match a {
                "7" => |world, shop| point(world, shop, &[(&shop.target_group_a, "7"), (&shop.target_group_b, "0")]),
                "60" => |world, shop| point(world, shop, &[(&shop.target_group_a, "60"), (&shop.target_group_b, "40")]),
                _ => |world, shop| point(world, shop, &[(&shop.target_group_a, "0"), (&shop.target_group_b, "7")]),
            };
            let case = Case {
                leaves: |_, _| {},
                dirty: Some("Somebody changed them"),
                // Traffic for a fleet that is not there yet, or not any more, is whoever sent it there's.
                loses: |_, _| true,
                ..Case::of("weights are changed", act)
            };
            let Some(told) = play(&case, shift, moment, shift.options()).await else { continue };
            let (scene, what) = (&told.scene, format!("{a}:{b}, {}", told.what));
            let weights = scene.weights();
            assert_eq!(
                weights,
                (a.parse().expect("a number"), b.parse().expect("a number")),
                "never overwritten: {what}"
            );
            match told.ended.summary.outcome {
                Outcome::FailedDirty => {
                    judge(&case, &told).await;
                    counts.dirty += 1;
                    // Where they send nothing to the candidate, the plan was older than they are, and the next one goes through.
                    let input = json!({ "deploymentId": "struck" });
                    let machine = &scene.installation.rollback_arn;
                    let again =
                        StepFunctions::start(&scene.sim, machine, Some("struck-again"), &input).expect("it starts");
                    let ended = end(scene, &again).await.status();
                    assert_eq!(ended, if b == "0" { "SUCCEEDED" } else { "FAILED" }, "{what}");
                    assert_eq!(scene.weights(), weights, "{what}");
                }
                outcome => {
                    if outcome == Outcome::FailedClean {
                        counts.clean += 1;
                        assert_eq!((scene.size("shop__6"), scene.size("shop__7")), (Some((4, 4, 8)), None), "{what}");
                    } else {
                        counts.succeeded += 1;
                        assert_eq!(scene.size("shop__7"), Some((4, 4, 8)), "{what}");
                    }
                    scene.holds_no_lock();
                }
            }
        }
    }
    eprintln!("{counts:?}");
    assert!(counts.all() >= 15, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn rules_and_listeners_that_people_delete_are_told_by_name() {
    let rule = Case {
        dirty: Some("shop__7"),
        loses: |_, _| true,
        leaves: |before, shop| {
            let rule = shop.rule.as_deref().unwrap_or_default();
            before["rules"].as_object_mut().expect("rules by ARN").remove(rule);
            let targets = &mut before["targetGroups"][&shop.target_group_a]["targets"];
            *targets = json!({ "unused": targets["healthy"] });
        },
        ..Case::of("the rule is deleted", |world, shop| {
            shop.rule.as_deref().is_some_and(|rule| balance(world, "DeleteRule", &[("RuleArn", rule)]))
        })
    };
    let counts = everywhere(&[rule], &[Moment::Early, Moment::Middle, Moment::Late, Moment::Rollback]).await;
    assert!(counts.all() >= 8, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_deployment_is_refused_at_every_moment_and_touches_nothing() {
    for (s, strategy) in STRATEGIES.into_iter().enumerate() {
        for (_, moment) in MOMENTS.into_iter().enumerate().filter(|(m, _)| plays(&[s, *m])) {
            let scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..strategy.options() });
            let mut document = strategy.document(&scene);
            document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
            if moment == Moment::LateRollback {
                scene.sim.set_faults(Some(Arc::new(NeverDownsized)));
            }
            let started: Arc<Mutex<Option<String>>> = Arc::default();
            let (sim, machine, second, told) =
                (scene.sim.clone(), scene.installation.deploy_arn.clone(), document.clone(), started.clone());
            let see = move |happening: &Happening| {
                let mut told = told.lock().expect("nobody panicked");
                if moment.is_now(&happening.what) && told.is_none() {
                    *told = StepFunctions::start(&sim, &machine, Some("second"), &second).ok();
                }
            };
            let answer = moment.answer();
            let ended = scene.watched("first", &document, Box::new(move |_| answer), see).await;
            let what = format!("{}, {moment:?}: {}", strategy.name, ended.cause());
            let Some(second) = started.lock().expect("nobody panicked").clone() else {
                panic!("the moment did not come: {what}")
            };
            let refused = end(&scene, &second).await;
            let ExecutionOutcome::Failed { error, cause } = refused else { panic!("{refused:?}: {what}") };
            assert_eq!(error.as_deref(), Some("FailedClean"), "{what}");
            assert!(cause.unwrap_or_default().contains("is being deployed by first"), "{what}");
            ended.lost_nothing();
            if answer == APPROVE && moment != Moment::LateRollback {
                assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}");
                assert_eq!(scene.size("shop__7"), Some((4, 4, 8)), "{what}");
                scene.holds_no_lock();
            } else {
                assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}");
                scene.is_as_before();
            }
            assert_eq!(scene.size("shop__8"), None, "{what}");
        }
    }
}

/// Lambda has lost sight of one function's invocations: nobody learns what becomes of them, and they begin hours late.
struct Stalled {
    functions: Arc<dyn Functions>,
    clock: Clock,
    function: &'static str,
    late: Arc<Mutex<Vec<Invocation>>>,
}

/// Longer than any lease.
const STALL: Duration = Duration::from_secs(6 * 3600);

impl Functions for Stalled {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let invocation = self.functions.invoke(function, payload.clone());
        // The rollback's own are not: they come later, and by then Lambda is well again.
        let stalls = function_name(function) == self.function && payload["direction"] == "deploy";
        if !stalls {
            return invocation;
        }
        let (clock, late) = (self.clock.clone(), self.late.clone());
        tokio::spawn(async move {
            clock.sleep(STALL).await;
            let answer = invocation.await;
            late.lock().expect("nobody panicked").push(answer);
        });
        Box::pin(async { Invocation::Platform { error: "Lambda.Unknown".into(), cause: "a fault of the test".into() } })
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_wakes_up_after_its_lease_is_refused_by_its_fence() {
    let mut refused = 0;
    for (s, strategy) in STRATEGIES.into_iter().enumerate() {
        let moves = if strategy.layout == Layout::Weighted { "shift-weight" } else { "swap" };
        let functions = ["setup", "hold", "upscale", moves, "downsize"];
        for (_, function) in functions.into_iter().enumerate().filter(|(f, _)| plays(&[s, *f])) {
            let scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..strategy.options() });
            let late: Arc<Mutex<Vec<Invocation>>> = Arc::default();
            let stalled = Stalled {
                functions: scene.sim.functions(),
                clock: scene.sim.clock.clone(),
                function,
                late: late.clone(),
            };
            scene.sim.set_functions(Arc::new(stalled));
            let ended = scene.play("stalled", &strategy.document(&scene), APPROVE).await;
            let what = format!("{}, {function}: {}", strategy.name, ended.cause());
            if ended.summary.outcome == Outcome::Succeeded {
                // It has no such stage.
                continue;
            }
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}");
            ended.lost_nothing();
            scene.is_as_before();
            scene.sim.clock.sleep(STALL + Duration::from_secs(120)).await;
            let answers = late.lock().expect("nobody panicked");
            assert!(!answers.is_empty(), "{what}: nothing woke up");
            for answer in answers.iter() {
                // By its fence, or before it got so far as to look at that.
                assert!(matches!(answer, Invocation::Raised { .. }), "{what}: {answer:?}");
            }
            refused += answers.len();
            drop(answers);
            scene.is_as_before();
            assert_eq!(lost(&scene), 0, "{what}");
        }
    }
    assert!(refused >= 20, "only {refused} woke up");
}

#[tokio::test(start_paused = true)]
async fn functions_whose_clocks_differ_deploy_and_roll_back_alike() {
    for (s, strategy) in STRATEGIES.into_iter().enumerate() {
        let skews = [(3, APPROVE), (3, REJECT), (30, APPROVE), (30, REJECT)];
        for (_, (seconds, answer)) in skews.into_iter().enumerate().filter(|(k, _)| plays(&[s, k / 2, *k])) {
            let options = ShopOptions { requests_per_second: 5.0, ..strategy.options() };
            // Each function's clock is late by another part of that.
            let late = |function: &str| {
                let nth = FUNCTIONS.iter().position(|it| *it == function).unwrap_or_default() as u64;
                Duration::from_millis(seconds * 1000 * (nth * 7 % FUNCTIONS.len() as u64) / FUNCTIONS.len() as u64)
            };
            let scene = Scene::with_clocks(1, options, late);
            let ended = scene.play("skewed", &strategy.document(&scene), answer).await;
            let what = format!("{}, {seconds} s: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            ends_as_asked(&scene, &ended, answer, &what);
        }
    }
}

/// Asserts that a deployment with which nothing went wrong has done what its operator said.
#[track_caller]
fn ends_as_asked(scene: &Scene, ended: &Ended, answer: Answer, what: &str) {
    if answer == APPROVE {
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}");
        assert_eq!((scene.size("shop__7"), scene.size("shop__6")), (Some((4, 4, 8)), Some((0, 0, 0))), "{what}");
        scene.holds_no_lock();
    } else {
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}");
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn slow_and_sticky_worlds_change_nothing_but_the_time_it_takes() {
    let attribute = |scene: &Scene, key: &'static str, value: &'static str| {
        for arn in [&scene.shop.target_group_a, &scene.shop.target_group_b] {
            let form = [
                ("TargetGroupArn", arn.as_str()),
                ("Attributes.member.1.Key", key),
                ("Attributes.member.1.Value", value),
            ];
            assert!(balance(&mut scene.world(), "ModifyTargetGroupAttributes", &form));
        }
    };
    for (s, strategy) in STRATEGIES.into_iter().enumerate() {
        for (c, case) in ["sticky clients", "slow start", "AWS takes its time", "long draining"].into_iter().enumerate()
        {
            for (_, answer) in [APPROVE, REJECT].into_iter().enumerate().filter(|(a, _)| plays(&[s, c, *a])) {
                let sticky_seconds = (case == "sticky clients").then_some(300);
                let options = ShopOptions { requests_per_second: 5.0, sticky_seconds, ..strategy.options() };
                let mut scene = Scene::new(options);
                match case {
                    "slow start" => attribute(&scene, "slow_start.duration_seconds", "120"),
                    "long draining" => attribute(&scene, "deregistration_delay.timeout_seconds", "300"),
                    "AWS takes its time" => {
                        let settings = &mut scene.world().settings;
                        settings.reaction_millis = 45_000;
                        settings.terminate_millis = (60_000, 180_000);
                        settings.registration_millis = 20_000;
                        settings.delete_millis = 90_000;
                    }
                    _ => {}
                }
                scene.remember();
                let ended = scene.play("slow", &strategy.document(&scene), answer).await;
                let what = format!("{}, {case}: {}", strategy.name, ended.cause());
                ended.lost_nothing();
                ends_as_asked(&scene, &ended, answer, &what);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_whose_application_fails_for_good_does_not_take_over() {
    let fails = Case {
        // Where it has traffic to itself, nothing is left to answer it.
        loses: |strategy, moment| match moment {
            Moment::Late | Moment::LateRollback => true,
            Moment::Middle | Moment::Rollback => strategy.layout == Layout::Weighted,
            Moment::Early | Moment::End => false,
        },
        ..Case::of("the application fails for good", |world, shop| {
            world.image_mut(&shop.new_ami).expect("it exists").behaviour.passes_health_checks = false;
            let instances = world.instances_of("shop__7");
            instances.iter().filter(|id| world.sicken_instance(id)).count() > 0
        })
    };
    let counts = everywhere(&[fails], &[Moment::Early, Moment::Middle]).await;
    assert!(counts.all() >= 5 && counts.clean == counts.all(), "{counts:?}");
    // Once it has taken over there is nothing to be noticed any more, and once it is taken back nobody cares.
    let counts = everywhere(&[fails], &[Moment::Rollback, Moment::LateRollback, Moment::End]).await;
    assert!(counts.all() >= 5 && counts.clean == counts.all(), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn p12_target_groups_whose_checks_are_switched_off_prove_nothing() {
    for strategy in STRATEGIES {
        // From the start: refused, and nothing is touched.
        let mut scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..strategy.options() });
        for arn in [scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone()] {
            scene.world().set_checks(&arn, false);
        }
        scene.remember();
        let ended = scene.play("refused", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
    }
    // And midway, by somebody's hand.
    let off = Case {
        leaves: |before, shop| {
            for arn in [&shop.target_group_a, &shop.target_group_b] {
                before["targetGroups"][arn]["settings"]["HealthCheckEnabled"] = json!("false");
            }
            let targets = &mut before["targetGroups"][&shop.target_group_a]["targets"];
            *targets = json!({ "unavailable": targets["healthy"] });
        },
        dirty: Some("health is not checked"),
        // Without checks, requests go to instances that have not started yet.
        loses: |_, _| true,
        ..Case::of("health checks are switched off", |world, shop| {
            world.set_checks(&shop.target_group_a, false);
            world.set_checks(&shop.target_group_b, false);
            true
        })
    };
    let counts = everywhere(&[off], &[Moment::Early, Moment::Middle, Moment::Late, Moment::Rollback]).await;
    assert!(counts.all() >= 8, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_acts_every_minute_does_not_disturb_a_deployment() {
    for (s, strategy) in STRATEGIES.into_iter().enumerate() {
        let moments = [Moment::Middle, Moment::Rollback, Moment::LateRollback];
        for (_, moment) in moments.into_iter().enumerate().filter(|(m, _)| plays(&[s, *m])) {
            let mut scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..strategy.options() });
            let often = [
                ("AutoScalingGroupName", "shop__6"),
                ("ScheduledActionName", "often"),
                ("Recurrence", "* * * * *"),
                ("MinSize", "4"),
                ("MaxSize", "8"),
                ("DesiredCapacity", "4"),
            ];
            assert!(call(&mut scene.world(), "PutScheduledUpdateGroupAction", &often));
            scene.remember();
            if moment == Moment::LateRollback {
                scene.sim.set_faults(Some(Arc::new(NeverDownsized)));
            }
            let mut document = strategy.document(&scene);
            document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
            let ended = scene.play("often", &document, moment.answer()).await;
            let what = format!("{}, {moment:?}: {}\n{:#?}", strategy.name, ended.cause(), ended.log);
            assert_eq!(lost(&scene), 0, "{what}");
            if moment == Moment::Middle {
                assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}");
                scene.sim.clock.sleep(Duration::from_secs(600)).await;
                assert_eq!(
                    (scene.size("shop__7"), scene.size("shop__6")),
                    (Some((4, 4, 8)), Some((0, 0, 0))),
                    "{what}"
                );
            } else {
                assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}");
                scene.is_as_before();
            }
            scene.holds_no_lock();
        }
    }
}
