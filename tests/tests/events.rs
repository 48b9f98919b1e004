//! What machines are told on EventBridge: every change of a deployment and of its stages, in a form that is written down; and nothing of
//! it harms a deployment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossfade_aws::{Item, Table, keys};
use crossfade_local::Outcome;
use crossfade_local::watch::What;
use crossfade_sim::api::events::Event;
use crossfade_sim::world::sample::{PENDING_AMI, ShopOptions};
use crossfade_sim::{Fault, Faults, Request, Service};
use crossfade_steps::{Said, accept};
use crossfade_tests::machinery::{schedule, sweep};
use crossfade_tests::roles::Roles;
use crossfade_tests::{APPROVE, REJECT, Scene, Twice};
use serde_json::{Value, json};

/// What was told, in a few words: `running`, `5 asking`, `R1 held`.
fn told(scene: &Scene) -> Vec<String> {
    scene.sim.bus().events().iter().map(in_short).collect()
}

fn in_short(event: &Event) -> String {
    let text = |name: &str| event.detail[name].as_str().unwrap_or_default().to_owned();
    match event.detail_type.as_str() {
        "Deployment State Change" => text("status"),
        "Stage State Change" => {
            let back = if text("direction") == "rollback" { "R" } else { "" };
            format!("{back}{} {}", event.detail["stage"], text("state"))
        }
        other => panic!("{other} is no event of crossfade"),
    }
}

/// The stages from one to another one, each begun and held.
fn stages(back: &str, from: usize, to: usize) -> Vec<String> {
    (from..=to).flat_map(|nth| [format!("{back}{nth} started"), format!("{back}{nth} held")]).collect()
}

fn all(parts: &[&[String]]) -> Vec<String> {
    parts.concat()
}

fn one(word: &str) -> Vec<String> {
    vec![word.to_owned()]
}

/// What the document's schema says of an event of this kind: the fields that there are, and those that there have to be.
fn documented(detail_type: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/outputs/events.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).expect("it is written")).expect("it is JSON");
    let kinds = schema["oneOf"].as_array().expect("there are two kinds");
    let kind = kinds.iter().find(|kind| kind["properties"]["detail-type"]["const"] == detail_type);
    let detail = &kind.expect("it is documented")["properties"]["detail"];
    let detail = match detail["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).expect("it refers to something"),
        None => detail,
    };
    let fields = detail["properties"].as_object().expect("it has fields").keys().cloned().collect();
    let required = detail["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    (fields, required.map(str::to_owned).collect())
}

#[tokio::test(start_paused = true)]
async fn every_change_of_a_deployment_and_its_stages_is_told_as_it_is_documented() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|d| d["description"] = json!("Release 1.42"));
    let ended = scene.play("it", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let asks = [one("5 started"), one("5 asking"), one("5 held")].concat();
    let wanted = all(&[&one("running"), &stages("", 1, 4), &asks, &stages("", 6, 10), &one("succeeded")]);
    assert_eq!(told(&scene), wanted);
    let events = scene.sim.bus().events().to_vec();
    let ids: BTreeSet<&str> = events.iter().filter_map(|event| event.detail["id"].as_str()).collect();
    assert_eq!(ids.len(), events.len(), "each has an id of its own");
    let mut at = 0;
    for event in &events {
        let execution = "arn:aws:states:eu-west-1:123456789012:execution:crossfade-deploy:it";
        assert_eq!((event.source.as_str(), event.resources.as_slice()), ("crossfade", &[execution.to_owned()][..]));
        let (fields, required) = documented(&event.detail_type);
        let has: BTreeSet<String> = event.detail.as_object().expect("an object").keys().cloned().collect();
        assert!(has.is_subset(&fields) && required.is_subset(&has), "{:?} {:?}", has, event.detail);
        for (field, value) in [
            ("deploymentId", "it"),
            ("infrastructure", "shop/production/shop-base"),
            ("service", "shop"),
            ("environment", "production"),
        ] {
            assert_eq!(event.detail[field], value, "{:#}", event.detail);
        }
        let then = event.detail["atMillis"].as_u64().expect("it has a time");
        assert!(then >= at && then <= event.at_millis, "in the order in which it happened: {:#}", event.detail);
        at = then;
        assert!(!event.detail.to_string().contains("eyJ"), "no token: {:#}", event.detail);
    }
    let first = &events[0].detail;
    assert_eq!((&first["description"], &first["startedBy"]), (&json!("Release 1.42"), &json!(null)), "{first:#}");
    assert_eq!(first["artifact"], "ami-0a11ce00000000007");
    let asks = events.iter().find(|event| event.detail["state"] == "asking").expect("it asks").detail.clone();
    assert_eq!(
        (&asks["kind"], &asks["of"], &asks["name"]),
        (&json!("Approve"), &json!(10), &json!("Approve shop__7 at 10 %"))
    );
    assert!(asks["question"]["message"].is_string(), "{asks:#}");
    assert_eq!(asks["question"]["onTimeout"], "reject");
    assert!(asks["question"]["deadlineMillis"].as_u64() > asks["atMillis"].as_u64(), "{asks:#}");
}

#[tokio::test(start_paused = true)]
async fn a_way_back_is_told_with_where_and_why_it_began() {
    let scene = Scene::new(ShopOptions::default());
    let ended = scene.play("it", &scene.document(), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    let told = told(&scene);
    let back = told.iter().position(|it| it == "rollingBack").expect("it goes back");
    assert_eq!(told[back - 1], "5 failed");
    assert_eq!(told.last().map(String::as_str), Some("failedClean"));
    let stages_back = scene.installation.record("deployment#it", "plan#rollback").expect("a plan")["stages"].clone();
    let count = stages_back.as_array().map_or(0, Vec::len);
    assert_eq!(told[back + 1..told.len() - 1], stages("R", 1, count));
    for event in
        scene.sim.bus().events().iter().filter(|it| ["5 failed", "rollingBack"].contains(&in_short(it).as_str()))
    {
        let cause = event.detail["failure"]["cause"].as_str().unwrap_or_default();
        assert_eq!(event.detail["failure"]["error"], "ApprovalRejected", "{:#}", event.detail);
        assert!(cause.starts_with("Approve shop__7 at 10 %: rejected by operator"), "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_and_what_gets_stuck_is_told() {
    let scene = Scene::new(ShopOptions::default());
    let unfit = scene.document_with(|d| d["artifact"]["ami"] = json!(PENDING_AMI));
    scene.play("it", &unfit, APPROVE).await;
    assert_eq!(told(&scene), ["failedClean"]);
    assert_eq!(scene.sim.bus().events()[0].detail["failure"]["error"], "PreflightFailed");

    let (scene, outcome) = stuck().await;
    assert_eq!(outcome, Outcome::FailedDirty);
    let told = told(&scene);
    assert_eq!(told.last().map(String::as_str), Some("failedDirty"), "{told:?}");
    let last = scene.sim.bus().events().last().expect("it was told").detail.clone();
    assert!(last["failure"]["cause"].as_str().is_some_and(|cause| cause.contains("Left: ")), "{last:#}");
}

/// A deployment whose rollback is stuck: somebody sends traffic to the candidate, which can neither be removed then nor be overruled.
async fn stuck() -> (Scene, Outcome) {
    let scene = Scene::new(ShopOptions::default());
    let (sim, shop) = (scene.sim.clone(), scene.shop.clone());
    let see = move |happening: &crossfade_local::watch::Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
            let weights = [(shop.target_group_a.as_str(), 60), (shop.target_group_b.as_str(), 40)];
            sim.world().set_weights(shop.route(), &weights);
        }
    };
    let outcome = scene.watched("it", &scene.document(), Box::new(|_| APPROVE), see).await.summary.outcome;
    (scene, outcome)
}

#[tokio::test(start_paused = true)]
async fn what_is_told_twice_has_the_same_id() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let once = Scene::new(ShopOptions::default());
        once.play("it", &once.document(), answer).await;
        let twice = Scene::new(ShopOptions::default());
        twice.sim.set_functions(Arc::new(Twice(twice.sim.functions())));
        let ended = twice.play("it", &twice.document(), answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        assert!(told(&twice).len() > told(&once).len(), "it is told by whoever does it again");
        // A rollback that takes over twice is another one under another number.
        let each = |scene: &Scene| -> BTreeMap<String, BTreeSet<String>> {
            let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for event in scene.sim.bus().events() {
                if event.detail["direction"] == "deploy" && event.detail["state"] != "failed" {
                    let id = event.detail["id"].as_str().unwrap_or_default().to_owned();
                    ids.entry(in_short(event)).or_default().insert(id);
                }
            }
            ids
        };
        let (once, twice) = (each(&once), each(&twice));
        assert!(twice.values().all(|ids| ids.len() == 1), "{twice:#?}");
        assert_eq!(twice.keys().collect::<Vec<_>>(), once.keys().collect::<Vec<_>>());
    }
}

/// Lets nothing through to EventBridge, in one way or another.
struct Broken(&'static str);

impl Faults for Broken {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let refuse = |status: u16, code: &str| {
            Some(Fault::Refuse { status, code: code.into(), message: "It is a fault.".into() })
        };
        match (request.service, self.0) {
            (Service::EventBridge, "gone") => Some(Fault::LoseRequest),
            (Service::EventBridge, "down") => refuse(500, "InternalException"),
            (Service::EventBridge, "busy") => refuse(400, "ThrottlingException"),
            (Service::EventBridge, code) => refuse(400, code),
            _ => None,
        }
    }
}

/// The ids of what was told, without the moment until which somebody is asked.
fn ids(scene: &Scene) -> BTreeSet<String> {
    let id =
        |event: &Event| event.detail["id"].as_str().map(|id| id.split_inclusive("asking").next().map(str::to_owned));
    scene.sim.bus().events().iter().filter_map(id).flatten().collect()
}

/// How many events are kept.
fn kept(scene: &Scene) -> usize {
    scene.installation.records(keys::UNTOLD).len()
}

/// EventBridge works again, and a minute has passed: each event is told once, under its id, and none is kept.
async fn all_are_told(scene: &Scene, usual: &Scene, what: &str) {
    scene.sim.set_faults(None);
    assert_eq!(sweep(scene, schedule()).await, Vec::<String>::new(), "{what}");
    assert_eq!((ids(scene), kept(scene)), (ids(usual), 0), "{what}");
    assert_eq!(scene.sim.bus().events().len(), ids(usual).len(), "{what}: once each");
    sweep(scene, schedule()).await;
    assert_eq!(scene.sim.bus().events().len(), ids(usual).len(), "{what}: and no more");
}

#[tokio::test(start_paused = true)]
async fn events_that_cannot_be_sent_change_no_end_and_are_told_by_the_sweep() {
    let usual = Scene::new(ShopOptions::default());
    let unused = Arc::new(Outbox::default());
    usual.sim.set_faults(Some(unused.clone()));
    let took = usual.play("it", &usual.document(), REJECT).await.summary.virtual_seconds;
    assert_eq!(unused.writes(), 0, "what is taken at once costs no write");
    for broken in ["gone", "down", "busy", "AccessDeniedException"] {
        let scene = Scene::new(ShopOptions::default());
        scene.sim.set_faults(Some(Arc::new(Broken(broken))));
        let ended = scene.play("it", &scene.document(), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{broken}: {}", ended.cause());
        assert_eq!(told(&scene), Vec::<String>::new(), "{broken}: the fault struck");
        ended.lost_nothing();
        scene.is_as_before();
        // Some fifteen times two seconds at most, if nothing answers at all.
        assert!(ended.summary.virtual_seconds < took + 60.0, "{broken}: {} s", ended.summary.virtual_seconds);
        let waiting = kept(&scene);
        sweep(&scene, schedule()).await;
        assert_eq!((kept(&scene), told(&scene).len()), (waiting, 0), "{broken}: it is still out");
        all_are_told(&scene, &usual, broken).await;
        let at = |event: &Event| event.detail["atMillis"].as_u64();
        assert!(scene.sim.bus().events().iter().map(at).is_sorted(), "{broken}: the oldest first");
    }
    // A role that may not, as where somebody has taken it away.
    let usual = Scene::new(ShopOptions::default());
    usual.play("it", &usual.document(), APPROVE).await;
    let scene = Scene::new(ShopOptions::default());
    let _roles = Roles::guard_without(&scene.sim, &[("setup", "events:PutEvents")]);
    let ended = scene.play("it", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let told = told(&scene);
    assert!(!told.contains(&"1 held".to_owned()) && told.contains(&"2 held".to_owned()), "{told:?}");
    sweep(&scene, schedule()).await;
    assert_eq!((ids(&scene), kept(&scene)), (ids(&usual), 0));
}

/// Counts what is written into the outbox, and may keep silent about it.
#[derive(Default)]
struct Outbox {
    writes: AtomicUsize,
    silent: bool,
}

impl Outbox {
    fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }
}

impl Faults for Outbox {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let about = request.operation == "TransactWriteItems" && request.json.to_string().contains(r#"{"S":"untold"}"#);
        self.writes.fetch_add(usize::from(about), Ordering::Relaxed);
        let silent = self.silent && (about || request.service == Service::EventBridge);
        silent.then_some(Fault::Silence { arrives: false })
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_be_neither_sent_nor_kept_holds_nothing_up() {
    let usual = Scene::new(ShopOptions::default());
    let took = usual.play("it", &usual.document(), APPROVE).await.summary.virtual_seconds;
    let scene = Scene::new(ShopOptions::default());
    let outbox = Arc::new(Outbox { silent: true, ..Outbox::default() });
    scene.sim.set_faults(Some(outbox.clone()));
    let ended = scene.play("it", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert!(ended.summary.virtual_seconds < took + 60.0, "{} s", ended.summary.virtual_seconds);
    assert!(outbox.writes() > 0, "it was tried");
    assert_eq!((told(&scene).len(), kept(&scene)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_a_day_old_is_told_no_more() {
    let scene = Scene::new(ShopOptions::default());
    scene.sim.set_faults(Some(Arc::new(Broken("down"))));
    scene.play("it", &scene.document(), APPROVE).await;
    let all = kept(&scene);
    assert!(all > 20, "{all}");
    scene.sim.clock.sleep(Duration::from_secs(24 * 3600 - 60)).await;
    // Those of the deployment's beginning are too old by then, and its end is not.
    scene.sim.set_faults(None);
    sweep(&scene, schedule()).await;
    let told = told(&scene);
    assert_eq!(kept(&scene), 0);
    assert!(!told.contains(&"running".to_owned()) && told.last().is_some_and(|it| it == "succeeded"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_read_any_more_keeps_no_other_event_waiting() {
    let scene = Scene::new(ShopOptions::default());
    scene.sim.set_faults(Some(Arc::new(Broken("down"))));
    scene.play("it", &scene.document(), APPROVE).await;
    scene.sim.set_faults(None);
    let all = kept(&scene);
    let table = Table::new(&scene.sim.sdk_config_for("operator"), scene.installation.settings().table_name);
    table.put(&Item::new(keys::UNTOLD.into(), "0", json!({ "of": "another release" }))).await.expect("it is written");
    sweep(&scene, schedule()).await;
    assert_eq!((told(&scene).len(), kept(&scene)), (all, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_without_the_right_to_tell_is_told_by_the_sweep() {
    let (scene, _) = stuck().await;
    scene.sim.set_faults(Some(Arc::new(Broken("AccessDeniedException"))));
    let context = scene.installation.context("operator", Duration::ZERO);
    accept(&context, "it", Said { by: Some("alice".into()), comment: None }).await.expect("it is stuck");
    assert_ne!(told(&scene).last().map(String::as_str), Some("accepted"));
    scene.sim.set_faults(None);
    sweep(&scene, schedule()).await;
    assert_eq!(told(&scene).last().map(String::as_str), Some("accepted"));
    assert_eq!(kept(&scene), 0);
}

#[tokio::test(start_paused = true)]
async fn entries_that_eventbridge_does_not_take_are_sent_again() {
    let usual = Scene::new(ShopOptions::default());
    usual.play("it", &usual.document(), APPROVE).await;
    for (refused, lost) in [(3, 0), (1000, 1)] {
        let scene = Scene::new(ShopOptions::default());
        scene.sim.bus().refuse_entries(refused);
        let ended = scene.play("it", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
        let told = told(&scene);
        match lost {
            // What is sent again may come later than what was taken at once.
            0 => assert_eq!(told[..4], ["1 started", "running", "1 held", "2 started"], "{told:?}"),
            _ => assert_eq!(told, Vec::<String>::new()),
        }
        // Of those that are kept, the sweep has ten sent at once, and one of them is refused each time that it tries.
        if lost > 0 {
            scene.sim.bus().refuse_entries(1);
            all_are_told(&scene, &usual, "refused one by one").await;
        }
    }
}
