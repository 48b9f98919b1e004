//! Traffic that the document does not name: other rules and listeners that reach a side which is emptied or takes the candidate, and
//! what a fleet stands behind beside its router. It is refused by name, looked for again before anything relies on it, and where
//! fleets share target groups it is served all along.

use std::time::Duration;

use crossfade_core::plan::Direction;
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_sim::world::sample::{AlsoBehind, AlsoForwards, CLASSIC, LATTICE, Layout, ShopOptions};
use crossfade_sim::world::{TrafficSource, World};
use crossfade_tests::machinery::{end, executions, rollbacks, schedule, stop, sweep};
use crossfade_tests::strategies::{STRATEGIES, Strategy, listener_swap};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene, assert_same};
use serde_json::{Value, json};

/// Asserts that a deployment is refused, names all this, and touches nothing.
async fn refused(scene: &Scene, document: &Value, says: &[&str]) -> Ended {
    let ended = scene.play("refused", document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    for words in says {
        assert!(ended.cause().contains(words), "{words:?} is missing in: {}", ended.cause());
    }
    assert_eq!(ended.summary.mutating_calls, 0, "nothing may be touched");
    scene.is_as_before();
    ended
}

/// Those whose traffic moves from one side to the other, so that one is emptied.
fn moving() -> impl Iterator<Item = &'static Strategy> {
    STRATEGIES.iter().filter(|it| matches!(it.name, "shift" | "listener swap"))
}

/// Those whose fleets change their attachments, or share target groups.
fn attached() -> impl Iterator<Item = &'static Strategy> {
    STRATEGIES.iter().filter(|it| !matches!(it.name, "shift" | "listener swap"))
}

/// A rule of its own for `/admin/*` with two target groups: the other team's at 100, and this one at 0.
fn side_door(scene: &mut Scene, side: impl Fn(&Scene) -> String) -> SideDoor {
    let (ours, other) = (side(scene), scene.shop.target_group_other.clone());
    let groups = json!([{ "TargetGroupArn": other, "Weight": 100 }, { "TargetGroupArn": ours, "Weight": 0 }]);
    let actions = json!([{ "Type": "forward", "ForwardConfig": { "TargetGroups": groups } }]);
    let path = json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/admin/*"] } }]);
    let mut world = scene.world();
    let rule = world.add_rule(&scene.shop.listener, 7, &path, &actions).expect("the listener takes it");
    world.add_traffic(TrafficSource {
        listener_arn: scene.shop.listener.clone(),
        rule_arn: Some(rule.clone()),
        requests_per_second: 5.0,
        request_millis: 300,
        clients: 20,
    });
    drop(world);
    scene.remember();
    SideDoor { rule, ours, other }
}

#[derive(Clone)]
struct SideDoor {
    rule: String,
    ours: String,
    other: String,
}

impl SideDoor {
    /// Sends its requests to our target group.
    fn open(&self, world: &mut World) {
        assert!(world.set_weights(&self.rule, &[(&self.other, 0), (&self.ours, 100)]));
    }

    /// Sends them to the other team's again.
    fn close(&self, world: &mut World) {
        assert!(world.set_weights(&self.rule, &[(&self.other, 100), (&self.ours, 0)]));
    }
}

/// Does something to the world when a stage of the deployment begins whose name begins so.
fn at(
    scene: &Scene,
    stage: &'static str,
    act: impl Fn(&mut World) + Send + 'static,
) -> impl FnMut(&Happening) + Send + 'static {
    let sim = scene.sim.clone();
    move |happening| {
        if let What::StageStarted { name, direction: Direction::Deploy, .. } = &happening.what
            && name.starts_with(stage)
        {
            act(&mut sim.world());
        }
    }
}

fn lost(scene: &Scene) -> u64 {
    scene.world().traffic().totals.lost
}

#[tokio::test(start_paused = true)]
async fn a_rule_or_listener_that_reaches_a_side_and_is_not_named_is_refused_by_name() {
    for strategy in moving() {
        for also in [AlsoForwards::Rule, AlsoForwards::Listener, AlsoForwards::RuleToStage] {
            let scene = Scene::new(ShopOptions { also_forwards: Some(also), ..strategy.options() });
            let arn = scene.shop.also_forwards.clone().expect("there is one");
            let side = if also == AlsoForwards::RuleToStage { "shop-b" } else { "shop-a" };
            let says = [arn.as_str(), "but routing does not name it", side, "Name it in routing."];
            refused(&scene, &strategy.document(&scene), &says).await;
            assert_eq!(lost(&scene), 0, "{}: {also:?}", strategy.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_unnamed_rule_is_told_at_once_together_with_whatever_else_is_wrong() {
    let scene = Scene::new(ShopOptions {
        also_forwards: Some(AlsoForwards::Listener),
        also_behind: Some(AlsoBehind::TargetGroup),
        ..ShopOptions::default()
    });
    let listener = scene.shop.also_forwards.clone().expect("there is one");
    let says = ["2 things stand in the way", &listener, "shop__6 stands behind the target group search, too"];
    refused(&scene, &scene.document(), &says).await;
}

#[tokio::test(start_paused = true)]
async fn target_groups_that_fleets_share_serve_any_number_of_rules() {
    for strategy in attached() {
        for also in [AlsoForwards::Rule, AlsoForwards::Listener] {
            for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
                let scene = Scene::new(ShopOptions { also_forwards: Some(also), ..strategy.options() });
                let ended = scene.play("shared", &strategy.document(&scene), answer).await;
                assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
                ended.lost_nothing();
                assert_eq!(lost(&scene), 0, "{}: {also:?}", strategy.name);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_stage_is_what_a_swap_by_attachments_needs_but_not_users_who_reach_it_by_weight() {
    let mut scene = Scene::new(ShopOptions { layout: Layout::Staged, ..ShopOptions::default() });
    let (a, b) = (scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    let both = json!([{ "Type": "forward", "ForwardConfig": { "TargetGroups": [
        { "TargetGroupArn": a, "Weight": 90 }, { "TargetGroupArn": b, "Weight": 10 } ] } }]);
    let path = json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/canary/*"] } }]);
    let rule = scene.world().add_rule(&scene.shop.listener, 7, &path, &both).expect("the listener takes it");
    scene.remember();
    let says = [rule.as_str(), "sends a part of the users' requests to the test side (shop-a 90 : shop-b 10)"];
    refused(&scene, &scene.document(), &says).await;
}

#[tokio::test(start_paused = true)]
async fn thirty_rules_that_are_named_are_shifted_together() {
    let mut scene = Scene::new(ShopOptions { requests_per_second: 5.0, ..ShopOptions::default() });
    let mut named = vec![scene.shop.route().to_owned()];
    for n in 0..29_u32 {
        let groups = json!([
            { "TargetGroupArn": scene.shop.target_group_a, "Weight": 100 },
            { "TargetGroupArn": scene.shop.target_group_b, "Weight": 0 },
        ]);
        let actions = json!([{ "Type": "forward", "ForwardConfig": { "TargetGroups": groups } }]);
        let host = json!([{ "Field": "host-header", "HostHeaderConfig": { "Values": [format!("{n}.example.com")] } }]);
        let rule = scene.world().add_rule(&scene.shop.listener, 100 + n, &host, &actions);
        named.push(rule.expect("the listener takes it"));
    }
    scene.remember();
    let with = |named: &[String]| scene.document_with(|d| d["routing"] = json!({ "weighted": named }));
    refused(&scene, &with(&named[..29]), &[&named[29], "does not name it"]).await;
    let rejected = scene.play("rejected", &with(&named), REJECT).await;
    assert_eq!(rejected.summary.outcome, Outcome::FailedClean, "{}", rejected.cause());
    rejected.lost_nothing();
    scene.is_as_before();
    let ended = scene.play("thirty", &with(&named), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    for rule in &named {
        let weights = scene.world().weights(rule);
        assert!(weights.contains(&(scene.shop.target_group_b.clone(), 100)), "{rule}: {weights:?}");
    }
}

/// Somebody sends another rule's requests to the old side while the new one takes over.
#[tokio::test(start_paused = true)]
async fn a_rule_that_somebody_points_at_the_old_fleet_meanwhile_keeps_it_and_everything_goes_back() {
    for strategy in moving() {
        let mut scene = strategy.scene();
        let door = side_door(&mut scene, |scene| scene.shop.target_group_a.clone());
        let opens = door.clone();
        let see = at(&scene, "Drain", move |world| opens.open(world));
        let ended = scene.watched("late", &strategy.document(&scene), Box::new(|_| APPROVE), see).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
        for words in ["Since the deployment began", &door.rule, "shop__6 is left as it is"] {
            assert!(ended.cause().contains(words), "{words:?} is missing in: {}", ended.cause());
        }
        assert_eq!(lost(&scene), 0, "{}: {:?}", strategy.name, scene.world().traffic().losses);
        door.close(&mut scene.world());
        scene.is_as_before();
    }
}

/// 21.4: what has come between the checks and the first instance is noticed before there is one.
#[tokio::test(start_paused = true)]
async fn weights_rules_and_strangers_are_looked_at_again_before_the_candidate_grows() {
    for strategy in moving() {
        let mut scene = strategy.scene();
        let door = side_door(&mut scene, |scene| scene.shop.target_group_a.clone());
        let opens = door.clone();
        let see = at(&scene, "Upscale", move |world| opens.open(world));
        let ended = scene.watched("rule", &strategy.document(&scene), Box::new(|_| APPROVE), see).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        assert!(ended.cause().contains("shop__7 gets no instances"), "{}", ended.cause());
        assert!(!ended.log.iter().any(|line| line.contains("Resizing shop__7")), "{:#?}", ended.log);
        door.close(&mut scene.world());
        scene.is_as_before();
    }

    let scene = Scene::new(ShopOptions::default());
    let (route, a, b) =
        (scene.shop.route().to_owned(), scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    let (on, heavy, light) = (route.clone(), a.clone(), b.clone());
    let see = at(&scene, "Upscale", move |world| assert!(world.set_weights(&on, &[(&heavy, 9), (&light, 0)])));
    let ended = scene.watched("weights", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(!ended.log.iter().any(|line| line.contains("Resizing shop__7")), "{:#?}", ended.log);
    scene.world().set_weights(&route, &[(&a, 100), (&b, 0)]);
    assert_same(&scene.world().inventory(), &scene.before);

    let scene = Scene::new(ShopOptions::default());
    let stage = scene.shop.target_group_b.clone();
    let stranger = scene.world().instances_of(&scene.shop.foreign_group)[0].clone();
    let (to, id) = (stage.clone(), stranger.clone());
    let see = at(&scene, "Upscale", move |world| world.register_by_hand(&to, &id));
    let ended = scene.watched("stranger", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    for words in [stranger.as_str(), "was registered in shop-b", "shop__7 gets no instances"] {
        assert!(ended.cause().contains(words), "{words:?} is missing in: {}", ended.cause());
    }
    assert_eq!(scene.world().group_view("shop__7"), None);
    ended.lost_nothing();
}

/// While somebody is asked, another rule is pointed at the candidate, to look at it. It is rejected.
async fn previewed(strategy: &Strategy, close_after: Option<Duration>) -> (Scene, SideDoor, Ended) {
    let mut scene = strategy.scene();
    let door = side_door(&mut scene, |scene| scene.shop.target_group_b.clone());
    let (sim, opens) = (scene.sim.clone(), door.clone());
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageHeld { name, .. } if name.starts_with("Upscale")) {
            opens.open(&mut sim.world());
        }
        if let What::StageStarted { name, direction: Direction::Rollback, .. } = &happening.what
            && name.starts_with("Downsize shop__7")
            && let Some(after) = close_after
        {
            let (sim, opens) = (sim.clone(), opens.clone());
            tokio::spawn(async move {
                sim.clock.sleep(after).await;
                opens.close(&mut sim.world());
            });
        }
    };
    let ended = scene.watched("preview", &strategy.document(&scene), Box::new(|_| REJECT), see).await;
    (scene, door, ended)
}

#[tokio::test(start_paused = true)]
async fn a_rollback_waits_for_who_looks_at_the_candidate_through_a_rule_of_their_own() {
    for strategy in moving() {
        let (scene, door, ended) = previewed(strategy, Some(Duration::from_secs(240))).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
        let waits =
            |line: &String| line.contains("would lose requests without its instances") && line.contains(&door.rule);
        assert!(ended.log.iter().any(waits), "{:#?}", ended.log);
        assert_eq!(lost(&scene), 0, "{}: {:?}", strategy.name, scene.world().traffic().losses);
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_nobody_lets_finish_names_the_rule_and_loses_nothing() {
    let strategy = moving().next().expect("there is one");
    let (scene, door, ended) = previewed(strategy, None).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedDirty, "{}", ended.cause());
    assert_eq!(scene.size("shop__7").map(|(_, desired, _)| desired), Some(4), "it answers that rule");
    let meta = scene.installation.record("deployment#preview", "meta").expect("it is recorded");
    let cause = meta["failure"]["cause"].as_str().unwrap_or_default();
    assert!(cause.contains(&door.rule), "{cause}");
    assert_eq!(lost(&scene), 0, "{:?}", scene.world().traffic().losses);
    // Once that is taken back, it comes to its end.
    door.close(&mut scene.world());
    let input = json!({ "deploymentId": "preview" });
    let start = crossfade_sim::api::stepfunctions::StepFunctions::start;
    let again = start(&scene.sim, &scene.installation.rollback_arn, Some("preview-2"), &input).expect("it starts");
    assert_eq!(end(&scene, &again).await.status(), "SUCCEEDED");
    assert_eq!(lost(&scene), 0, "{:?}", scene.world().traffic().losses);
    scene.is_as_before();
}

/// A rule that points to the candidate's side before there is anything loses nothing when the candidate goes.
#[tokio::test(start_paused = true)]
async fn a_candidate_that_never_answered_goes_whatever_points_to_it() {
    use crossfade_sim::world::sample::NewImage;
    let options = ShopOptions { new_image: NewImage::Unhealthy, ..ShopOptions::default() };
    let mut scene = Scene::new(options);
    let door = side_door(&mut scene, |scene| scene.shop.target_group_b.clone());
    let opens = door.clone();
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { direction: Direction::Rollback, .. }) {
            opens.open(&mut sim.world());
        }
    };
    let document = scene.document_with(|d| d["timeouts"] = json!({ "steadyStateMinutes": 5 }));
    let ended = scene.watched("ill", &document, Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    door.close(&mut scene.world());
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_stands_behind_more_than_the_document_names_is_refused() {
    for strategy in STRATEGIES {
        for (also, words) in [
            (AlsoBehind::TargetGroup, "the target group search"),
            (AlsoBehind::Lattice, LATTICE),
            (AlsoBehind::Classic, CLASSIC),
        ] {
            let scene = Scene::new(ShopOptions { also_behind: Some(also), ..strategy.options() });
            let says = ["shop__6 stands behind", words, "detach shop__6 from it"];
            refused(&scene, &strategy.document(&scene), &says).await;
            assert_eq!(lost(&scene), 0, "{}: {also:?}", strategy.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn so_is_an_older_fleet_that_serves_and_one_whose_document_names_no_router() {
    let mut scene = Scene::new(ShopOptions { also_running: vec![(5, 2)], ..ShopOptions::default() });
    scene.world().add_source("shop__5", "vpc-lattice", LATTICE).expect("there is such a group");
    scene.remember();
    refused(&scene, &scene.document(), &["shop__5 stands behind the VPC Lattice target group"]).await;

    let scene = Scene::new(ShopOptions { layout: Layout::Attached, ..ShopOptions::default() });
    let document = scene.document_with(|d| d["routing"] = json!("none"));
    refused(&scene, &document, &["shop__6 stands behind the target group shop-a"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kept_revision_that_something_else_sends_requests_to_is_not_brought_back() {
    let mut scene = Scene::new(ShopOptions::default());
    scene.world().add_source("shop__5", "elb", CLASSIC).expect("there is such a group");
    scene.remember();
    let document = scene.document_with(|d| d["artifact"] = json!({ "revision": 5 }));
    refused(&scene, &document, &["shop__5 stands behind the classic load balancer shop-classic"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_somebody_puts_behind_more_meanwhile_stays_and_everything_goes_back() {
    for strategy in STRATEGIES {
        let scene = strategy.scene();
        let see = at(&scene, "Approve", |world| {
            world.add_source("shop__6", "vpc-lattice", LATTICE).expect("there is such a group");
        });
        let ended = scene.watched("meanwhile", &strategy.document(&scene), Box::new(|_| APPROVE), see).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
        for words in ["Since the deployment began", LATTICE, "shop__6 is left as it is"] {
            assert!(ended.cause().contains(words), "{words:?} is missing in: {}", ended.cause());
        }
        ended.lost_nothing();
        scene.world().remove_source("shop__6", LATTICE).expect("it was added");
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_base_stands_behind_beside_the_router_is_told() {
    let scene = Scene::new(ShopOptions::default());
    scene.world().add_source("shop-base", "vpc-lattice", LATTICE).expect("there is such a group");
    let ended = scene.succeed("base").await;
    let told =
        format!("The base shop-base stands behind the VPC Lattice target group {LATTICE}, which its copies do not");
    assert!(ended.log.iter().any(|line| line.contains(&told)), "{:#?}", ended.log);
}

/// 21.4: the old fleet is gone, and somebody has split the traffic. Nobody is told to send it all to where nothing is.
#[tokio::test(start_paused = true)]
async fn nobody_is_advised_to_send_traffic_to_where_nothing_is_healthy() {
    for gone in [true, false] {
        let scene = Scene::new(ShopOptions::default());
        // While its instances leave, or while somebody is asked.
        let (stage, after, says) = if gone { ("Downsize", 20, APPROVE) } else { ("Approve", 1, Answer::Nothing) };
        let (sim, machine) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
        let (on, a, b) =
            (scene.shop.route().to_owned(), scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
        let see = move |happening: &Happening| {
            if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with(stage)) {
                let running = executions(&sim, &machine).pop().expect("it runs");
                let (sim, on, a, b) = (sim.clone(), on.clone(), a.clone(), b.clone());
                tokio::spawn(async move {
                    sim.clock.sleep(Duration::from_secs(after)).await;
                    assert!(sim.world().set_weights(&on, &[(&a, 1), (&b, 99)]));
                    stop(&sim, &running.arn, json!({})).await;
                });
            }
        };
        let ended = scene.watched("stopped", &scene.document(), Box::new(move |_| says), see).await;
        assert_eq!(ended.summary.outcome, Outcome::Aborted, "{}", ended.cause());
        assert_eq!(sweep(&scene, schedule()).await.len(), 1);
        assert_eq!(end(&scene, &rollbacks(&scene)[0].arn).await.status(), "FAILED");
        let meta = scene.installation.record("deployment#stopped", "meta").expect("it is recorded");
        let cause = meta["failure"]["cause"].as_str().unwrap_or_default();
        let advice = match gone {
            true => "Nothing is known to be healthy in shop-a, so give it no traffic yet. Size shop__6 to 4 first",
            false => "Set them to shop-a 100 : shop-b 0 and run",
        };
        assert!(cause.contains(advice), "{advice:?} is missing in: {cause}");
    }
}

/// The swap of two listeners has no rule to shift; the two are named together, and nothing else is in the way.
#[tokio::test(start_paused = true)]
async fn both_listeners_of_a_pair_are_named() {
    let scene = Scene::new(ShopOptions { layout: Layout::Staged, ..ShopOptions::default() });
    let ended = scene.play("pair", &listener_swap(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
}
