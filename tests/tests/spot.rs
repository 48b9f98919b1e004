//! What Elastigroups need beside the strategies: a token from either place, listeners by their ports, everything that Spot leaves open,
//! locked instances, and crashes while names are behind what serves.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::world::sample::{Compute, NewImage, ShopOptions};
use crossfade_sim::world::spot::{Quirk, SPOT_ACCOUNT, SPOT_TOKEN};
use crossfade_sim::{Fault, Faults, Request, Service, Sim};
use crossfade_steps::{PauseRecord, pause};
use crossfade_tests::machinery::{approve, asked, deploy, end, meta, reject, rollbacks, schedule, sweep};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::{Value, json};

fn groups(strategy: &Strategy) -> ShopOptions {
    ShopOptions { compute: Compute::Elastigroups, ..strategy.options() }
}

fn strategy(name: &str) -> &'static Strategy {
    STRATEGIES.iter().find(|strategy| strategy.name == name).expect("there is such a strategy")
}

/// The strategies that Elastigroups can have: they never change their target groups while they serve.
fn strategies() -> impl Iterator<Item = &'static Strategy> {
    STRATEGIES.iter().filter(|it| it.name != "swap")
}

/// Everything that is kept, passed on or told of what was played.
fn told(scene: &Scene, ended: &Ended) -> String {
    let mut told = format!("{:?} {:?} {:?}", ended.log, ended.happenings, ended.summary);
    told.push_str(&format!("{:?}", scene.sim.tables().items(crossfade_local::TABLE)));
    told.push_str(&format!("{:?} {:?}", scene.sim.topics().published(), scene.sim.calls()));
    for execution in scene.sim.step_functions().executions() {
        told.push_str(&format!("{:?}", scene.sim.step_functions().history(&execution.arn)));
    }
    told
}

/// The account's token is nowhere but in this parameter.
fn in_parameter(scene: &Scene, kind: &str, token: &str) {
    scene.sim.secrets().forget(&format!("crossfade/spot/{SPOT_ACCOUNT}"));
    scene.sim.parameters().define(&format!("/crossfade/spot/{SPOT_ACCOUNT}"), kind, token);
}

#[tokio::test(start_paused = true)]
async fn e7_a_token_in_parameter_store_serves_as_well_and_shows_nowhere_either() {
    for (name, answer, outcome) in [
        ("shift", APPROVE, Outcome::Succeeded),
        ("shift", REJECT, Outcome::FailedClean),
        ("canary", APPROVE, Outcome::Succeeded),
    ] {
        let scene = Scene::new(ShopOptions { equipped: true, ..groups(strategy(name)) });
        in_parameter(&scene, "SecureString", &json!({ "token": SPOT_TOKEN }).to_string());
        let mut document = strategy(name).document(&scene);
        document["compute"]["elastigroup"]["keepRevisions"] = json!(1);
        let ended = scene.play("parameter", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{name}: {}", ended.cause());
        ended.lost_nothing();
        let told = told(&scene, &ended);
        assert!(told.contains("shop__7") && told.len() > 50_000, "it was looked at: {}", told.len());
        assert!(!told.contains(&SPOT_TOKEN[..16]), "the token is told");
    }
}

#[tokio::test(start_paused = true)]
async fn e7_whoever_looks_on_while_somebody_is_asked_takes_the_token_from_a_parameter_too() {
    let scene = Scene::new(groups(strategy("canary")));
    in_parameter(&scene, "SecureString", &json!({ "token": SPOT_TOKEN }).to_string());
    let execution = deploy(&scene, "one", &strategy("canary").document(&scene));
    let token = asked(&scene, "one").await;
    // Where all serve together, it takes the fleets to tell whose the healthy ones are.
    assert!(sweep(&scene, schedule()).await.is_empty());
    approve(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["status"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn e7_a_token_that_everybody_reads_is_refused_and_where_there_is_none_both_places_are_named() {
    let scene = Scene::new(groups(strategy("shift")));
    in_parameter(&scene, "String", SPOT_TOKEN);
    let ended = scene.play("plain", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("is no SecureString"), "{}", ended.cause());
    assert!(!told(&scene, &ended).contains(&SPOT_TOKEN[..16]), "the token is told");
    in_parameter(&scene, "SecureString", "no token");
    let ended = scene.play("words", &scene.document(), APPROVE).await;
    assert!(ended.cause().contains("parameter /crossfade/spot/act-1a2b3c4d holds no token"), "{}", ended.cause());
    let document = scene.document_with(|d| d["compute"]["elastigroup"]["account"] = json!("act-00000000"));
    let ended = scene.play("nowhere", &document, APPROVE).await;
    for words in [
        "no secret crossfade/spot/act-00000000 in Secrets Manager",
        "no parameter /crossfade/spot/act-00000000 in Parameter Store",
        "SpotSecretArns or SpotParameterArns",
    ] {
        assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
    }
    scene.is_as_before();
}

/// Reads every line that anything writes at any level, and keeps whether one had the token.
#[derive(Clone, Default)]
struct Reader {
    lines: Arc<AtomicUsize>,
    leaks: Arc<AtomicUsize>,
}

impl std::io::Write for Reader {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.lines.fetch_add(1, Ordering::Relaxed);
        let has = |text: &[u8]| line.windows(text.len()).any(|part| part == text);
        // Over a network there is nothing of its body yet to be written.
        let arrives = has(b"received response from service");
        let leak = !arrives && has(&SPOT_TOKEN.as_bytes()[..16]);
        self.leaks.fetch_add(leak.into(), Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn e7_the_token_is_in_no_line_that_any_library_writes_at_any_level() {
    for in_store in [false, true] {
        let reader = Reader::default();
        let lines = reader.clone();
        let writer = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || lines.clone());
        let _guard = tracing::subscriber::set_default(writer.finish());
        let scene = Scene::new(ShopOptions { requests_per_second: 1.0, ..groups(strategy("shift")) });
        if in_store {
            in_parameter(&scene, "SecureString", SPOT_TOKEN);
        }
        let ended = scene.play("traced", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
        assert!(reader.lines.load(Ordering::Relaxed) > 1_000, "it was read: {:?}", reader.lines);
        assert_eq!(reader.leaks.load(Ordering::Relaxed), 0, "of {:?} lines", reader.lines);
    }
}

#[tokio::test(start_paused = true)]
async fn p66_two_deployments_share_what_spot_answers_and_each_ends_as_it_would_alone() {
    let scene = Scene::new(groups(strategy("shift")));
    scene.world().settings.spot.calls_per_minute = Some(20);
    let base = scene.world().elastigroup(&scene.shop.base_group).expect("it is there").fields.clone();
    let shop = scene.document_with(|d| d["strategy"] = json!({ "blueGreenShift": { "percents": [50, 100] } }));
    let workers = scene.document_with(|d| {
        d["service"] = json!("workers");
        d["routing"] = json!("none");
        d["compute"] = json!({ "elastigroup": {
            "account": SPOT_ACCOUNT, "name": "made", "definition": json!({ "group": base }).to_string(),
            "capacity": { "fixed": { "min": 2, "desired": 2, "max": 4 } },
        } });
        d["strategy"] = json!({ "basic": {} });
    });
    let executions = [deploy(&scene, "shop", &shop), deploy(&scene, "workers", &workers)];
    for execution in &executions {
        end(&scene, execution).await;
    }
    for name in ["shop", "workers"] {
        assert_eq!(meta(&scene, name)["status"], "succeeded", "{name}: {}", meta(&scene, name)["failure"]);
    }
    let traffic = scene.world().traffic();
    assert!(traffic.totals.served > 0 && traffic.totals.lost == 0, "{:?}", traffic.losses);
    let calls = scene.sim.calls();
    let of_spot = calls.iter().filter(|call| call.service == Service::Spot);
    let (asked, refused) = of_spot.fold((0, 0), |(all, no), call| (all + 1, no + usize::from(call.status == 429)));
    assert!(refused > 0, "the limit was never met");
    // Whoever asks while it is refused makes everybody wait anew.
    assert!(refused * 10 < asked, "{refused} of {asked} calls were refused");
}

/// The listener at a port, as a document refers to it.
fn at(listener: &str, port: u16) -> Value {
    let balancer = listener.split('/').nth(2).expect("the ARN of a listener names its load balancer");
    json!({ "fromListener": { "loadBalancer": balancer, "port": port } })
}

#[tokio::test(start_paused = true)]
async fn e4_listeners_are_named_by_load_balancer_and_port_looked_up_once_and_recorded() {
    for two in [false, true] {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let swap = strategy("listener swap");
            let scene = Scene::new(ShopOptions { second_balancer: two, default_action: true, ..groups(swap) });
            let by_arn = scene.listeners();
            let mut document = swap.document(&scene);
            for (i, pair) in by_arn["listeners"].as_array().expect("there are some").iter().enumerate() {
                let of = |side: &str| pair[side].as_str().expect("an ARN").to_owned();
                document["routing"]["listeners"][i] =
                    json!({ "production": at(&of("production"), 443), "test": at(&of("test"), 8443) });
            }
            let ended = scene.play("ports", &document, answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
            ended.lost_nothing();
            // The record says which they are: neither a retry nor the rollback looks again.
            assert_eq!(meta(&scene, "ports")["document"]["routing"], by_arn);
            let line = "from the listener at port 443 of the load balancer";
            assert!(ended.log.iter().any(|it| it.contains(line)), "{:#?}", ended.log);
            if answer == REJECT {
                scene.is_as_before();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e4_a_load_balancer_or_a_port_that_there_is_not_is_refused_with_those_that_there_are() {
    let scene = Scene::new(groups(strategy("shift")));
    let nowhere = json!({ "fromListener": { "loadBalancer": "shopp", "port": 443 } });
    for (name, reference, words) in [
        ("nowhere", nowhere, "there is no Application or Network Load Balancer shopp"),
        ("silent", at(&scene.shop.listener, 444), "does not listen at port 444. It listens at 443 (HTTPS)"),
    ] {
        let document = scene.document_with(|d| d["routing"] = json!({ "weighted": [reference] }));
        let ended = scene.play(name, &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean);
        assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
    }
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn e3_stages_that_are_written_out_replace_elastigroups_as_well() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let scene = Scene::new(groups(strategy("shift")));
        let document = scene.document_with(|d| {
            d["strategy"] = json!({ "stages": [
                { "upscale": { "percent": 50 } },
                { "name": "A fifth of the users", "shift": { "percent": 20 } },
                { "approve": {} },
                { "upscale": { "percent": 100 } },
                { "shift": { "percent": 100 } },
                { "downsize": { "percent": 100 } },
            ] });
        });
        let ended = scene.play("written", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
        match answer {
            APPROVE => assert_eq!((scene.size("shop__7"), scene.size("shop__6")), (Some((4, 4, 8)), Some((0, 0, 0)))),
            _ => scene.is_as_before(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e2_whatever_spot_leaves_open_every_strategy_ends_as_it_does_otherwise() {
    for strategy in strategies() {
        for quirk in Quirk::ALL {
            for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
                let what = format!("{} {}", strategy.name, quirk.name());
                let scene = Scene::new(ShopOptions { equipped: true, quirk: Some(quirk), ..groups(strategy) });
                let ended = scene.play("undocumented", &strategy.document(&scene), answer).await;
                assert_eq!(ended.summary.outcome, outcome, "{what}: {}", ended.cause());
                ended.lost_nothing();
                scene.never_had_less_than(4.0, &what);
                if answer == REJECT {
                    scene.is_as_before();
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e8_a_kept_group_takes_over_although_a_suspension_would_keep_it_from_growing() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let mut scene = Scene::new(ShopOptions { quirk: Some(Quirk::SuspensionBlocks), ..groups(strategy("shift")) });
        let running = scene.world().elastigroup_called("shop__6").expect("it serves").id.clone();
        // Somebody has switched its policies off. They stay so where everything stays as it was.
        scene.world().suspend_elastigroup(&running, "AUTO_SCALE", None).expect("it can");
        scene.remember();
        let document = scene.document_with(|d| d["artifact"] = json!({ "revision": 5 }));
        let ended = scene.play("again", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
        match answer {
            APPROVE => assert_eq!((scene.size("shop__5"), scene.size("shop__6")), (Some((4, 4, 8)), Some((0, 0, 0)))),
            _ => scene.is_as_before(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e2_instances_that_aws_interrupts_meanwhile_lose_no_request_by_our_doing() {
    for (name, notice_seconds) in [("shift", 120), ("canary", 120), ("shift", 0)] {
        for fleet in ["shop__6", "shop__7"] {
            let strategy = strategy(name);
            let scene = Scene::new(groups(strategy));
            let sim = Arc::downgrade(&scene.sim);
            let interrupted = Arc::new(AtomicUsize::new(0));
            let count = interrupted.clone();
            let see = move |happening: &Happening| {
                let (What::Frame(_), Some(sim)) = (&happening.what, sim.upgrade()) else { return };
                let mut world = sim.world();
                if count.load(Ordering::Relaxed) < 1
                    && world.fleet_view("shop__7").is_some_and(|view| view.in_service > 0)
                    && let Some(first) = world.spot_instances_of(fleet).first().cloned()
                    && world.interrupt_spot_instance(&first, notice_seconds)
                {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            };
            let ended = scene.watched("interrupted", &strategy.document(&scene), Box::new(|_| APPROVE), see).await;
            let what = format!("{name} {notice_seconds} {fleet}");
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}: {}", ended.cause());
            assert_eq!(interrupted.load(Ordering::Relaxed), 1, "{what}");
            // What is cut off without notice, AWS has lost.
            if notice_seconds > 0 {
                ended.lost_nothing();
            }
        }
    }
}

/// Plays an approved shift in which somebody locks an instance of the old group, once the new one has some of the traffic.
async fn locked(minutes: u64) -> (Scene, Ended) {
    let shift = strategy("shift");
    let scene = Scene::new(groups(shift));
    let sim = Arc::downgrade(&scene.sim);
    let see = move |happening: &Happening| {
        let (What::StageStarted { name, .. }, Some(sim)) = (&happening.what, sim.upgrade()) else { return };
        if name.starts_with("Shift 10") {
            let mut world = sim.world();
            let first = world.spot_instances_of("shop__6")[0].clone();
            assert!(world.lock_spot_instance(&first, minutes));
        }
    };
    let ended = scene.watched("locked", &shift.document(&scene), Box::new(|_| APPROVE), see).await;
    ended.lost_nothing();
    (scene, ended)
}

#[tokio::test(start_paused = true)]
async fn e8_an_instance_that_somebody_locks_meanwhile_is_waited_for_and_named() {
    let (scene, ended) = locked(15).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(scene.size("shop__6"), Some((0, 0, 0)));
    let (scene, ended) = locked(24 * 60).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("locked"), "{}", ended.cause());
    assert_eq!(scene.size("shop__6"), Some((4, 4, 8)));
    assert_eq!(scene.size("shop__7"), None);
}

/// After the nth call that follows the first change of a listener, nothing that a function calls arrives any more, and the execution dies.
struct DiesAfter {
    sim: Weak<Sim>,
    nth: usize,
    /// Calls since the listeners have changed.
    since: AtomicUsize,
    changed: AtomicBool,
    dead: AtomicBool,
    /// Whether the names had changed by then.
    renamed: AtomicBool,
}

impl Faults for DiesAfter {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        request.caller.as_ref()?;
        if self.dead.load(Ordering::Relaxed) {
            return Some(Fault::LoseRequest);
        }
        if matches!(request.operation.as_str(), "ModifyListener" | "ModifyRule") {
            self.changed.store(true, Ordering::Relaxed);
        }
        if !self.changed.load(Ordering::Relaxed) {
            return None;
        }
        if request.operation == "UpdateGroup" && !request.json["group"]["name"].is_null() {
            self.renamed.store(true, Ordering::Relaxed);
        }
        if self.since.fetch_add(1, Ordering::Relaxed) == self.nth {
            self.dead.store(true, Ordering::Relaxed);
            let sim = self.sim.upgrade()?;
            for execution in sim.step_functions().executions() {
                let stop = json!({ "executionArn": execution.arn });
                StepFunctions::handle(&sim, &Request::json(Service::StepFunctions, "StopExecution", stop));
            }
        }
        None
    }
}

#[tokio::test(start_paused = true)]
async fn e4_e3_whenever_it_dies_between_listeners_and_names_the_next_deployment_touches_nothing_that_serves() {
    for strategy in [strategy("shift"), strategy("listener swap")] {
        let mut deaths = 0;
        for nth in 0.. {
            let scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..groups(strategy) });
            let mut document = strategy.document(&scene);
            if strategy.name == "shift" {
                document["strategy"] = json!({ "blueGreenShift": { "percents": [100] } });
            }
            document["compute"]["elastigroup"]["keepRevisions"] = json!(10);
            let faults = Arc::new(DiesAfter {
                sim: Arc::downgrade(&scene.sim),
                nth,
                since: AtomicUsize::new(0),
                changed: AtomicBool::new(false),
                dead: AtomicBool::new(false),
                renamed: AtomicBool::new(false),
            });
            scene.sim.set_faults(Some(faults.clone()));
            scene.play("dies", &document, APPROVE).await;
            // Nothing that it has begun goes on by then.
            scene.sim.clock.sleep(std::time::Duration::from_secs(200)).await;
            scene.sim.set_faults(None);
            if faults.renamed.load(Ordering::Relaxed) {
                break;
            }
            assert!(faults.dead.load(Ordering::Relaxed), "{} {nth}: it never renames", strategy.name);
            deaths += 1;
            let what = format!("{}, {nth} calls after the listeners", strategy.name);
            let before = scene.world().inventory()["elastigroups"].clone();
            // Nobody has noticed yet: the next one is refused, and changes nothing.
            let next = scene.play("next", &document, APPROVE).await;
            assert_eq!(next.summary.outcome, Outcome::FailedClean, "{what}");
            assert!(next.cause().contains("dies"), "{what}: it says who is in its way: {}", next.cause());
            assert_eq!(scene.world().inventory()["elastigroups"], before, "{what}");
            // Somebody has: everything goes back, and then one succeeds.
            assert_eq!(sweep(&scene, schedule()).await.len(), 1, "{what}");
            let rollback = rollbacks(&scene).pop().expect("it was started");
            end(&scene, &rollback.arn).await;
            assert_eq!(meta(&scene, "dies")["status"], "failedClean", "{what}");
            scene.is_as_before();
            let last = scene.play("last", &document, APPROVE).await;
            assert_eq!(last.summary.outcome, Outcome::Succeeded, "{what}: {}", last.cause());
            assert_eq!(scene.size("shop__8").or(scene.size("shop__7")), Some((4, 4, 8)), "{what}");
            let traffic = scene.world().traffic();
            assert!(traffic.totals.served > 0 && traffic.totals.lost == 0, "{what}: {:?}", traffic.losses);
            scene.never_had_less_than(4.0, &what);
        }
        assert!(deaths > 5, "{}: it died {deaths} times", strategy.name);
    }
}

/// A deployment while the running group has been put to rest by somebody for so many minutes, and would lose most of its instances by its
/// schedule soon after these.
async fn rested(name: &str, minutes: u64, quirk: Option<Quirk>, answer: Answer) -> (Scene, Ended) {
    let strategy = strategy(name);
    let options = ShopOptions { rests_minutes: Some(minutes), quirk, deregistration_seconds: 300, ..groups(strategy) };
    let mut scene = Scene::new(options);
    let id = scene.world().elastigroup_called("shop__6").expect("it serves").id.clone();
    let task = json!({
        "taskType": "scale", "cronExpression": format!("{} {} * * *", (minutes + 1) % 60, 9 + (minutes + 1) / 60),
        "isEnabled": true, "scaleMinCapacity": 1, "scaleTargetCapacity": 1,
    });
    scene.world().change_elastigroup(&id, &json!({ "scheduling": { "tasks": [task] } })).expect("it can");
    scene.remember();
    let ended = scene.play("rested", &strategy.document(&scene), answer).await;
    (scene, ended)
}

/// The ends of what rests of the group that ran, in minutes from the start of everything; none for what rests for good.
fn ends(scene: &Scene) -> Value {
    let inventory = scene.world().inventory();
    let group = &inventory["elastigroups"];
    let group = if group["shop"].is_null() { &group["shop__6"] } else { &group["shop"] };
    let ends = group["suspended"].as_object().expect("it is told").iter();
    let start = crossfade_sim::Settings::default().epoch_millis;
    ends.map(|(name, end)| (name.clone(), json!(end.as_u64().map(|end| (end - start) / 60_000)))).collect()
}

#[tokio::test(start_paused = true)]
async fn e8_what_somebody_has_put_to_rest_for_a_while_gets_the_rest_of_its_time_back_or_goes_on() {
    for name in ["shift", "listener swap", "canary"] {
        for quirk in [None, Some(Quirk::FirstEndCounts), Some(Quirk::SuspensionBlocks)] {
            for minutes in [4, 600] {
                let (scene, ended) = rested(name, minutes, quirk, REJECT).await;
                let what = format!("{name} {quirk:?} {minutes}");
                assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}: {}", ended.cause());
                assert!(ended.summary.virtual_seconds > 420.0, "{what}: it took {} s", ended.summary.virtual_seconds);
                ended.lost_nothing();
                // Its schedule would have left one of its instances once the four minutes were over.
                scene.never_had_less_than(4.0, &what);
                scene.is_as_before();
                let left = if minutes == 4 { json!({}) } else { json!({ "AUTO_SCALE": 600, "SCHEDULING": 600 }) };
                assert_eq!(ends(&scene), left, "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e5_k19_a_canary_goes_back_phase_by_phase_too() {
    let scene = Scene::new(groups(strategy("canary")));
    let mut document = strategy("canary").document(&scene);
    document["rollback"] = json!({ "phaseByPhase": true });
    let ended = scene.play("by-phase", &document, REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    ended.lost_nothing();
    scene.never_had_less_than(4.0, "phase by phase");
    let in_steps =
        |it: &Happening| matches!(&it.what, What::StageStarted { name, .. } if name == "Downsize shop__7 to 1");
    assert!(ended.happenings.iter().any(in_steps), "the new one goes in steps: {:#?}", ended.log);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn e8_a_group_that_stays_up_gets_the_rest_of_its_time_back_too() {
    let scene = Scene::new(ShopOptions { rests_minutes: Some(600), ..groups(strategy("shift")) });
    let document = scene.document_with(|d| d["strategy"]["blueGreenShift"]["downsizeOld"] = json!(false));
    let ended = scene.play("stays", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(scene.size("shop__6"), Some((4, 4, 8)));
    let inventory = scene.world().inventory();
    let suspended = inventory["elastigroups"]["shop__6"]["suspended"].as_object().expect("it is told").clone();
    assert_eq!(suspended.keys().collect::<Vec<_>>(), ["AUTO_SCALE", "SCHEDULING"]);
    let line = "AUTO_SCALE of shop__6 is suspended for the ";
    assert!(ended.log.iter().any(|it| it.contains(line)), "{:#?}", ended.log);
}

#[tokio::test(start_paused = true)]
async fn e8_where_spot_tells_no_end_what_was_taken_is_given_back_for_good_and_that_is_said() {
    let (scene, ended) = rested("shift", 600, Some(Quirk::EndsUntold), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    ended.lost_nothing();
    // The old group was never resized: nobody had to let its policies go on.
    assert_eq!(ends(&scene), json!({ "AUTO_SCALE": 600, "SCHEDULING": 600 }));
    let (scene, ended) = rested("canary", 600, Some(Quirk::EndsUntold), REJECT).await;
    assert_eq!(ends(&scene), json!({ "AUTO_SCALE": null, "SCHEDULING": 600 }));
    let line = "Suspended AUTO_SCALE of shop__6 again, for good: Spot tells of no time limit";
    assert!(ended.log.iter().any(|it| it.contains(line)), "{:#?}", ended.log);
}

#[tokio::test(start_paused = true)]
async fn e8_everything_that_moves_a_group_rests_whatever_of_it_somebody_has_put_to_rest_before() {
    let scene = Scene::new(groups(strategy("shift")));
    let id = scene.world().elastigroup_called("shop__6").expect("it serves").id.clone();
    scene.world().suspend_elastigroup(&id, "SCHEDULING", None).expect("it can");
    let sim = Arc::downgrade(&scene.sim);
    let (seen, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, all) = (seen.clone(), told.clone());
    let see = move |happening: &Happening| {
        let (What::StageStarted { name, .. }, Some(sim)) = (&happening.what, sim.upgrade()) else { return };
        if name.starts_with("Upscale") {
            count.fetch_add(1, Ordering::Relaxed);
            let suspended = sim.world().inventory()["elastigroups"]["shop"]["suspended"].clone();
            all.store(suspended.as_object().map_or(0, serde_json::Map::len), Ordering::Relaxed);
        }
    };
    let ended = scene.watched("rests", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!((seen.load(Ordering::Relaxed), told.load(Ordering::Relaxed)), (1, 4), "all four rest by then");
}

/// Longer than what is put to rest rests by itself. Each night the schedule of the old group would take half of it away.
const LONG_MINUTES: u32 = 8 * 24 * 60;

fn equipped(quirk: Option<Quirk>, new_image: NewImage) -> ShopOptions {
    ShopOptions { equipped: true, quirk, new_image, requests_per_second: 0.1, ..groups(strategy("shift")) }
}

/// A shift with this change of its document in which somebody is waited for for long, once for each of these: a yes, a no, or silence.
/// Nothing of the old group goes meanwhile. Answers how it ended.
async fn waited(new_image: NewImage, answers: &[Option<bool>], change: impl Fn(&mut Value)) -> Value {
    let scene = Scene::new(equipped(Some(Quirk::FirstEndCounts), new_image));
    let document = scene.document_with(change);
    let execution = deploy(&scene, "long", &document);
    for answer in answers {
        let token = asked(&scene, "long").await;
        scene.sim.clock.sleep(Duration::from_secs(60 * u64::from(LONG_MINUTES))).await;
        match answer {
            Some(true) => approve(&scene.sim, &token).await.expect("it is open"),
            Some(false) => reject(&scene.sim, &token).await.expect("it is open"),
            None => {}
        }
        // It is written down that it was answered.
        scene.sim.clock.sleep(Duration::from_secs(5)).await;
    }
    end(&scene, &execution).await;
    let meta = meta(&scene, "long");
    let what = format!("{answers:?} {}\n{}", document["strategy"], scene.installation.log("long").join("\n"));
    scene.never_had_less_than(4.0, &what);
    let traffic = scene.world().traffic();
    assert!(traffic.totals.served > 0 && traffic.totals.lost == 0, "{what}: {:?}", traffic.losses);
    assert_eq!(scene.roles.refused(), Vec::<String>::new(), "{what}");
    match meta["status"].as_str() {
        Some("succeeded") => assert_eq!(scene.size("shop__6"), Some((0, 0, 0)), "{what}"),
        _ => scene.is_as_before(),
    }
    meta
}

/// For a bit longer than anybody lets it wait.
const TIMEOUT_MINUTES: u32 = LONG_MINUTES + 60;

#[tokio::test(start_paused = true)]
async fn e8_what_rests_does_so_for_as_long_as_somebody_is_waited_for() {
    let approvals = |d: &mut Value| {
        let shift = &mut d["strategy"]["blueGreenShift"];
        shift["approveAfterPercents"] = json!([10, 50]);
        shift["approval"] = json!({ "timeoutMinutes": TIMEOUT_MINUTES });
    };
    let approved = waited(NewImage::Good, &[Some(true), Some(true)], approvals).await;
    assert_eq!(approved["status"], "succeeded", "{approved}");
    for no in [Some(false), None] {
        let rejected = waited(NewImage::Good, &[no], approvals).await;
        assert_eq!(rejected["status"], "failedClean", "{rejected}");
    }
    let inspected = |d: &mut Value| {
        approvals(d);
        d["rollback"] = json!({ "approval": { "timeoutMinutes": TIMEOUT_MINUTES } });
    };
    let rolled_back = waited(NewImage::Good, &[Some(false), Some(true)], inspected).await;
    assert_eq!(rolled_back["failure"]["error"], "ApprovalRejected", "{rolled_back}");
}

#[tokio::test(start_paused = true)]
async fn e8_what_rests_does_so_for_as_long_as_somebody_is_asked_about_a_stage_that_has_failed() {
    let asks = |d: &mut Value| d["onFailure"] = json!({ "upscale": { "ask": { "timeoutMinutes": TIMEOUT_MINUTES } } });
    let failed = waited(NewImage::Unhealthy, &[Some(true), Some(false)], asks).await;
    assert_eq!(failed["status"], "failedClean", "{failed}");
}

#[tokio::test(start_paused = true)]
async fn e8_what_rests_does_so_for_as_long_as_somebody_pauses_a_deployment() {
    let scene = Scene::new(equipped(Some(Quirk::FirstEndCounts), NewImage::Good));
    // Whoever asks puts to rest again with the token that is there.
    in_parameter(&scene, "SecureString", &json!({ "token": SPOT_TOKEN }).to_string());
    let execution = deploy(&scene, "paused", &scene.document());
    let token = asked(&scene, "paused").await;
    let since_millis = scene.sim.clock.now_millis();
    let wish = PauseRecord { by: None, comment: None, since_millis, timeout_minutes: LONG_MINUTES };
    let context = scene.installation.context("operator", Duration::ZERO);
    pause(&context, "paused", &wish).await.expect("it can be written down");
    approve(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "paused")["failure"]["error"], "ApprovalExpired");
    let waited_millis = scene.sim.clock.now_millis() - since_millis;
    assert!(waited_millis > u64::from(LONG_MINUTES) * 60_000, "it was waited for");
    scene.never_had_less_than(4.0, "paused");
    scene.is_as_before();
}
