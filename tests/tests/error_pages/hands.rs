//! What people, or other programs, do while a deployment runs.

use std::time::Duration;

use crossfade_aws::{Holder, Item, Table, keys};
use crossfade_core::Kind;
use crossfade_local::{Outcome, TABLE};
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, StepFunctions};
use crossfade_sim::api::{autoscaling, elbv2};
use crossfade_sim::world::World;
use crossfade_sim::world::sample::{LATTICE, ShopOptions};
use crossfade_sim::{Request, Service};
use crossfade_tests::machinery::{approve, asked, deploy, end, meta, rollbacks, schedule, stop, sweep};
use crossfade_tests::roles::TAG;
use crossfade_tests::{APPROVE, Scene};
use serde_json::{Value, json};

use crate::{AT_ONCE, ONE, crossfade, interfered, shown, why};

const SHOP: &str = "shop/production/shop-base";

/// A call that somebody else makes.
fn call(world: &mut World, service: Service, operation: &str, form: &[(&str, &str)]) {
    let request = Request::query(service, operation, form.iter().copied());
    let answer = match service {
        Service::AutoScaling => autoscaling::handle(world, &request),
        _ => elbv2::handle(world, &request),
    };
    assert_eq!(answer.status, 200, "{operation}: {}", String::from_utf8_lossy(&answer.body));
}

/// Sets the weights of the shop's rule.
fn weights(scene: &Scene, a: u32, b: u32) -> impl FnOnce(&mut World) + Send + 'static {
    let shop = &scene.shop;
    let (on, to_a, to_b) = (shop.route().to_owned(), shop.target_group_a.clone(), shop.target_group_b.clone());
    move |world| assert!(world.set_weights(&on, &[(&to_a, a), (&to_b, b)]))
}

/// Why the usual deployment ends as drifted when somebody does this, so long after a stage began.
async fn drifted(
    stage: &'static str,
    after: Duration,
    hand: impl FnOnce(&mut World) + Send + 'static,
    scene: Scene,
) -> String {
    interfered(&scene, &scene.document(), (stage, after), hand).await.lost_nothing();
    why(&scene, ONE, Kind::Drifted)
}

fn shop() -> Scene {
    Scene::new(ShopOptions::default())
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_weights_that_somebody_sets() {
    let scene = shop();
    let before_a_shift = drifted("Approve", AT_ONCE, weights(&scene, 1, 0), scene).await;
    let scene = shop();
    let before_it_shrinks = drifted("Downsize", AT_ONCE, weights(&scene, 1, 0), scene).await;
    shown(Kind::Drifted, "Drifted", &format!("{before_a_shift}\n{before_it_shrinks}"));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_rules_that_somebody_changes() {
    let scene = shop();
    let rule = scene.shop.route().to_owned();
    let delete =
        move |world: &mut World| call(world, Service::ElasticLoadBalancing, "DeleteRule", &[("RuleArn", &rule)]);
    interfered(&scene, &scene.document(), ("Approve", AT_ONCE), delete).await;
    let gone = why(&scene, ONE, Kind::Drifted);

    let scene = shop();
    let (listener, ours) = (scene.shop.listener.clone(), scene.shop.target_group_a.clone());
    let opens = move |world: &mut World| {
        let groups = json!({ "TargetGroups": [{ "TargetGroupArn": ours, "Weight": 1 }] });
        let to = json!([{ "Type": "forward", "ForwardConfig": groups }]);
        let path = json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/admin/*"] } }]);
        world.add_rule(&listener, 7, &path, &to).expect("the listener takes it");
    };
    let reached = drifted("Drain", AT_ONCE, opens, scene).await;

    let behind =
        |world: &mut World| world.add_source("shop__6", "vpc-lattice", LATTICE).expect("there is such a group");
    let behind = drifted("Approve", AT_ONCE, behind, shop()).await;
    shown(Kind::Drifted, "Drifted: requests", &[gone, reached, behind].join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_instances_that_somebody_registers() {
    let mut said = Vec::new();
    for after in [AT_ONCE, Duration::from_secs(30)] {
        let scene = shop();
        let stranger = scene.world().instances_of(&scene.shop.foreign_group)[0].clone();
        let stage = scene.shop.target_group_b.clone();
        said.push(drifted("Upscale", after, move |world| world.register_by_hand(&stage, &stranger), scene).await);
    }
    shown(Kind::Drifted, "Drifted: instances", &said.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_fleets_that_somebody_changes() {
    let shrink = |world: &mut World| world.resize("shop__7", 2, 8, 2).expect("it exists");
    let shrunk = drifted("Upscale", Duration::from_secs(60), shrink, shop()).await;
    let shrink = |world: &mut World| world.resize("shop__6", 1, 8, 2).expect("it exists");
    let serving = drifted("Upscale", AT_ONCE, shrink, shop()).await;

    let scene = shop();
    let back = scene.document_with(|document| document["artifact"] = json!({ "revision": 5 }));
    let wake = |world: &mut World| world.resize("shop__5", 2, 4, 2).expect("it is kept");
    interfered(&scene, &back, ("Bring", AT_ONCE), wake).await.lost_nothing();
    let used = why(&scene, ONE, Kind::Drifted);

    let scene = shop();
    let paused = scene.document_with(|document| {
        let all = json!({ "percent": 100 });
        let (half, pause) = (json!({ "percent": 50 }), json!({ "seconds": 600 }));
        let stages = json!([{ "upscale": half }, { "pause": pause }, { "upscale": all }, { "shift": all }]);
        document["strategy"] = json!({ "stages": stages });
    });
    let delete = |world: &mut World| {
        let form = [("AutoScalingGroupName", "shop__7"), ("ForceDelete", "true")];
        call(world, Service::AutoScaling, "DeleteAutoScalingGroup", &form);
    };
    interfered(&scene, &paused, ("Pause", AT_ONCE), delete).await.lost_nothing();
    let deleted = why(&scene, ONE, Kind::Drifted);
    shown(Kind::Drifted, "Drifted: fleets", &[deleted, shrunk, serving, used].join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_tags_that_somebody_sets() {
    let scene = shop();
    let rule = scene.shop.route().to_owned();
    let tag = move |world: &mut World| {
        let tags = world.balancing_tags_mut(&rule).expect("it is there");
        tags.insert(TAG.to_owned(), "other/production/base".to_owned());
    };
    shown(Kind::Drifted, "Drifted: tags", &drifted("Set up", AT_ONCE, tag, scene).await);
}

fn table(scene: &Scene) -> Table {
    Table::new(&scene.sim.sdk_config_for("somebody"), TABLE)
}

/// A shop with a deployment that asks: its execution, and the token.
async fn asking() -> (Scene, String, String) {
    let scene = shop();
    let execution = deploy(&scene, ONE, &scene.document());
    let token = asked(&scene, ONE).await;
    (scene, execution, token)
}

/// Says yes, and waits for the end.
async fn goes_on(scene: &Scene, execution: &str, token: &str) -> ExecutionOutcome {
    approve(&scene.sim, token).await.expect("it is open");
    end(scene, execution).await
}

/// The holder of the shop's lock.
async fn holder(scene: &Scene) -> Holder {
    let lock = table(scene).lock(SHOP).await.expect("the table answers");
    Holder { infrastructure: SHOP.into(), deployment: lock.holder.expect("it is held"), fence: lock.fence }
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_when_somebody_gives_the_lock_away() {
    let (scene, execution, token) = asking().await;
    table(&scene).release(&holder(&scene).await, &[]).await.expect("it was held");
    goes_on(&scene, &execution, &token).await;
    scene.is_as_before();
    shown(Kind::FenceLost, "FenceLost", &why(&scene, ONE, Kind::FenceLost));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_when_two_writes_collide() {
    let (scene, ..) = asking().await;
    let (table, holder) = (table(&scene), holder(&scene).await);
    let of = keys::deployment(ONE);
    let (touched, version) = table.get(&of, "touched").await.expect("it answers").expect("it is there");
    let write = Item::new(of, "touched", touched).replacing(version);
    table.write(&holder, u64::MAX / 2, std::slice::from_ref(&write)).await.expect("nobody else has");
    let failure = table.write(&holder, u64::MAX / 2, &[write]).await.expect_err("it was written meanwhile");
    assert_eq!(failure.kind, Kind::StaleRevision);
    shown(Kind::StaleRevision, "StaleRevision", &failure.message);
}

async fn dynamo(scene: &Scene, operation: &str, body: Value) {
    let request = Request::json(Service::DynamoDb, operation, body);
    assert_eq!(scene.sim.handle(request).await.expect("it answers").status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_records_that_are_not_there() {
    let (scene, execution, token) = asking().await;
    let of = keys::deployment(ONE);
    let (snapshot, _) = table(&scene).get(&of, "snapshot").await.expect("it answers").expect("it is there");
    let key = json!({ "pk": { "S": of }, "sk": { "S": "snapshot" } });
    dynamo(&scene, "DeleteItem", json!({ "TableName": TABLE, "Key": key })).await;
    goes_on(&scene, &execution, &token).await;
    let deleted = why(&scene, ONE, Kind::RecordMissing);
    // As the page says: nothing is given up, and with the record all goes back.
    assert_eq!((scene.weights(), scene.size("shop__7")), ((90, 10), Some((4, 4, 8))));
    assert_eq!((meta(&scene, ONE)["status"].clone(), scene.held_locks().len()), (json!("failedDirty"), 1));
    table(&scene).put(&Item::new(of, "snapshot", snapshot)).await.expect("it answers");
    let input = json!({ "deploymentId": ONE });
    let again = StepFunctions::start(&scene.sim, &scene.installation.rollback_arn, Some("again"), &input);
    end(&scene, &again.expect("it starts")).await;
    scene.is_as_before();

    let (scene, execution, token) = asking().await;
    let mut old = meta(&scene, ONE);
    old["schema"] = json!(1);
    table(&scene).put(&Item::new(keys::deployment(ONE), "meta", old)).await.expect("it answers");
    let of_release = goes_on(&scene, &execution, &token).await;
    assert_eq!((meta(&scene, ONE)["status"].clone(), rollbacks(&scene).len()), (json!("running"), 0));

    let scene = shop();
    dynamo(&scene, "DeleteTable", json!({ "TableName": TABLE })).await;
    let ended = scene.play(ONE, &scene.document(), APPROVE).await;
    shown(
        Kind::RecordMissing,
        "RecordMissing",
        &[deleted, Outcome::of(&of_release).1.unwrap_or_default(), ended.cause().to_owned()].join("\n"),
    );
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_when_a_rollback_cannot_go_on() {
    let scene = shop();
    interfered(&scene, &scene.document(), ("Approve", AT_ONCE), weights(&scene, 70, 30)).await.lost_nothing();
    let split = why(&scene, ONE, Kind::RollbackFailed);

    // Somebody gives the lock to another deployment.
    let (scene, execution, token) = asking().await;
    let table = table(&scene);
    table.release(&holder(&scene).await, &[]).await.expect("it was held");
    table.take_lock(SHOP, "shop-8", None, u64::MAX / 2).await.expect("the table answers");
    goes_on(&scene, &execution, &token).await;
    let held = why(&scene, ONE, Kind::RollbackFailed);
    shown(Kind::RollbackFailed, "RollbackFailed", &format!("{split}\n{held}"));
}

/// Lets the rollbacks that were started come to their end.
async fn is_rolled_back(scene: &Scene) {
    for rollback in rollbacks(scene) {
        end(scene, &rollback.arn).await;
    }
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_when_somebody_aborts_it() {
    let (scene, ..) = asking().await;
    crossfade(&scene, &["abort", ONE, "--by", "alice", "--comment", "latency doubled"]).await;
    is_rolled_back(&scene).await;
    shown(Kind::HaltRequested, "HaltRequested", &why(&scene, ONE, Kind::HaltRequested));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_when_somebody_stops_the_execution() {
    let (scene, execution, _) = asking().await;
    stop(&scene.sim, &execution, json!({ "error": "Oops", "cause": "by mistake" })).await;
    sweep(&scene, schedule()).await;
    is_rolled_back(&scene).await;
    shown(Kind::HaltRequested, "HaltRequested: stopped", &why(&scene, ONE, Kind::HaltRequested));
}
