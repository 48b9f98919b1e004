//! A clone is the account: what was read through the real clients furnishes another account that cannot be told from the first by
//! anything that a deployment may touch, and in which a deployment goes the same way.

use crossfade_aws::Table;
use crossfade_aws::clone::{State, read};
use crossfade_core::Kind;
use crossfade_core::document::parse;
use crossfade_local::{Installation, Names, TABLE, furnish, play};
use crossfade_sim::world::sample::{AlsoBehind, AlsoForwards, Balancer, Compute, Layout, ShopOptions, Source};
use crossfade_sim::{Fault, Faults, Request, Sim};
use crossfade_tests::strategies::STRATEGIES;
use crossfade_tests::{APPROVE, REJECT, Scene, assert_same};
use serde_json::{Value, json};
use std::sync::Arc;

/// What concerns a document in an account.
async fn state_of(sim: &Arc<Sim>, document: &Value) -> State {
    let config = sim.sdk_config();
    let document = parse(document).expect("it is a document");
    let now = sim.clock.now_millis();
    read(&config, &document, &Table::new(&config, TABLE), now).await.expect("it can be read")
}

/// What deployments touch, without what nobody shows, what concerns no document (images that nobody runs, target groups that nothing
/// forwards to and nobody stands behind), and what is no setting.
fn seen(sim: &Sim, like: &Value) -> Value {
    let mut inventory = sim.world().inventory();
    let wanted = like["images"].as_object().cloned().unwrap_or_default();
    if let Some(images) = inventory["images"].as_object_mut() {
        images.retain(|id, _| wanted.is_empty() || wanted.contains_key(id));
    }
    let pools = inventory["targetGroups"].take();
    let others = inventory.to_string();
    let used = |arn: &String| others.contains(arn.as_str());
    inventory["targetGroups"] = pools
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(arn, _)| used(arn))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    hide(&mut inventory);
    inventory
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // Of a recurring action the time at which it begins may be no more than when it runs next.
            if members.contains_key("Recurrence") {
                members.remove("StartTime");
            }
            for (name, value) in members {
                match name.as_str() {
                    "UserData" | "ClientSecretDigest" | "environment" => *value = Value::Null,
                    _ => hide(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

/// The clone of a scene's account for its usual document.
async fn cloned(scene: &Scene, document: &Value) -> (State, Installation) {
    let state = state_of(&scene.sim, document).await;
    let installation = furnish(&state, 1, 50.0).expect("it can be furnished");
    (state, installation)
}

/// Asserts that the clone is the account, and that its clone is again; and that being saved changes nothing.
async fn is_the_same(what: &str, options: ShopOptions) -> (Scene, State, Installation) {
    let scene = Scene::new(options);
    let document = scene.document();
    let (state, clone) = cloned(&scene, &document).await;
    let there = clone.sim.world().inventory();
    let expected = seen(&scene.sim, &there);
    let found = seen(&clone.sim, &there);
    assert_same(&found, &expected);
    assert_eq!(State::from_json(&state.to_json()).expect("it was saved"), state, "{what}");
    let again = State { taken_millis: state.taken_millis, ..state_of(&clone.sim, &document).await };
    assert_same(&json!(again), &json!(state));
    (scene, state, clone)
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_the_account_in_every_layout() {
    for layout in [Layout::Weighted, Layout::Attached, Layout::Staged] {
        for balancer in [Balancer::Application, Balancer::Network] {
            let options = ShopOptions { layout, balancer, ..ShopOptions::default() };
            is_the_same(&format!("{layout:?} {balancer:?}"), options).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_the_account_from_every_source() {
    let sources = [
        Source::Default,
        Source::Latest,
        Source::LaunchConfiguration,
        Source::Mixed,
        Source::MixedOverrides,
        Source::Weighted,
    ];
    for base in sources {
        is_the_same(&format!("{base:?}"), ShopOptions { base, ..ShopOptions::default() }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clone_has_what_hangs_on_groups_and_listeners() {
    let plain = ShopOptions::default;
    let cases = [
        ("equipped", ShopOptions { equipped: true, ..plain() }),
        ("warm pool", ShopOptions { warm_pool: true, ..plain() }),
        ("protected", ShopOptions { protected: true, ..plain() }),
        ("two load balancers", ShopOptions { second_balancer: true, ..plain() }),
        ("default action", ShopOptions { default_action: true, ..plain() }),
        ("sticky", ShopOptions { sticky_seconds: Some(60), ..plain() }),
        ("login", ShopOptions { login: true, ..plain() }),
        ("draining", ShopOptions { deregistration_seconds: 120, ..plain() }),
        ("a rule beside", ShopOptions { also_forwards: Some(AlsoForwards::Rule), ..plain() }),
        ("a listener beside", ShopOptions { also_forwards: Some(AlsoForwards::Listener), ..plain() }),
        ("a target group beside", ShopOptions { also_behind: Some(AlsoBehind::TargetGroup), ..plain() }),
        ("earlier ones serve", ShopOptions { also_running: vec![(4, 2), (5, 3)], ..plain() }),
        ("earlier ones sleep", ShopOptions { sleeping: vec![(5, 3)], ..plain() }),
        ("ill", ShopOptions { ill: 1, ec2_checks: true, ..plain() }),
        ("suspended", ShopOptions { suspended_on_running: vec!["AZRebalance".into()], ..plain() }),
        ("held", ShopOptions { held_seconds: Some(300), ..plain() }),
        ("another zone", ShopOptions { unserved_zone: true, ..plain() }),
    ];
    for (what, options) in cases {
        is_the_same(what, options).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clone_has_the_services_and_their_tasks() {
    let plain = || ShopOptions { compute: Compute::Services, ..ShopOptions::default() };
    for (what, options) in [("plain", plain()), ("attached", ShopOptions { layout: Layout::Attached, ..plain() })] {
        let (_, state, _) = is_the_same(what, options).await;
        assert!(!state.to_json().contains(r#""value": "production""#), "the value of a variable is kept");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_of_services_in_the_clone_goes_as_in_the_account() {
    for compute in [Compute::Services, Compute::ServicesOnInstances] {
        for (equipped, answer) in [(false, APPROVE), (true, APPROVE), (true, REJECT)] {
            let scene = Scene::new(ShopOptions { compute, equipped, slow_nodes: true, ..ShopOptions::default() });
            let document = scene.document();
            let (state, clone) = cloned(&scene, &document).await;
            let there = clone.sim.world().inventory();
            let inside = goes(&clone, &state, &document, answer).await;
            let outside = goes(&scene.installation, &state, &document, answer).await;
            assert_eq!(inside, outside, "{compute:?} equipped: {equipped}");
            assert_same(&seen(&clone.sim, &there), &seen(&scene.sim, &there));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_simulation_cannot_play_is_named() {
    let options = ShopOptions { equipped: true, also_behind: Some(AlsoBehind::Classic), ..ShopOptions::default() };
    let (_, state, _) = is_the_same("classic", options).await;
    let said =
        |what: &str| assert!(state.not_modelled.iter().any(|it| it == what), "{what}: {:#?}", state.not_modelled);
    said("the predictive policy forecast of shop__6");
    said("the classic load balancer shop-classic of shop__6");
    said("what scales the group other-team");
    assert_eq!(
        state.left_out,
        ["the user data of the launch template other-team", "the user data of the launch template shop"]
    );
    assert!(!state.to_json().contains("ZXhlYyAvb3B0"), "user data is kept");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_in_the_clone_goes_as_in_the_account() {
    for strategy in STRATEGIES {
        for equipped in [false, true] {
            for answer in [APPROVE, REJECT] {
                let scene = Scene::new(ShopOptions { equipped, slow_nodes: true, ..strategy.options() });
                let document = strategy.document(&scene);
                let (state, clone) = cloned(&scene, &document).await;
                let there = clone.sim.world().inventory();
                let inside = goes(&clone, &state, &document, answer).await;
                let outside = goes(&scene.installation, &state, &document, answer).await;
                assert_eq!(inside, outside, "{} equipped: {equipped}", strategy.name);
                let expected = seen(&scene.sim, &there);
                assert_same(&seen(&clone.sim, &there), &expected);
            }
        }
    }
}

/// A second deployment on what the first has left: its records are cloned, too.
#[tokio::test(start_paused = true)]
async fn what_was_deployed_before_is_cloned_with_its_records() {
    let scene = Scene::new(ShopOptions { equipped: true, slow_nodes: true, ..ShopOptions::default() });
    scene.succeed("shop-7").await;
    let document = scene.document();
    let (state, clone) = cloned(&scene, &document).await;
    assert_eq!(state.steady_seconds.len(), 1, "{:?}", state.steady_seconds);
    let there = clone.sim.world().inventory();
    assert_same(&seen(&clone.sim, &there), &seen(&scene.sim, &there));
    let inside = goes(&clone, &state, &document, APPROVE).await;
    let outside = goes(&scene.installation, &state, &document, APPROVE).await;
    assert_eq!(inside, outside);
}

/// How a deployment ends, its stages, and how many requests it loses.
async fn goes(at: &Installation, state: &State, document: &Value, answer: crossfade_local::Answer) -> Value {
    let name = "shop-next";
    let entrance = state.entrances.first().expect("requests arrive");
    let played = play(at, name, document, entrance, Box::new(move |_| answer), Box::new(|_| {})).await;
    let summary = played.expect("it starts");
    let plan = at.record(&format!("deployment#{name}"), "plan#deploy").unwrap_or_default();
    let stages: Vec<Value> =
        plan["stages"].as_array().into_iter().flatten().map(|stage| stage["name"].clone()).collect();
    json!({ "outcome": summary.outcome, "cause": summary.cause, "stages": stages, "lost": summary.requests_lost })
}

/// Denies one operation to whoever reads.
struct Denied(&'static str);

impl Faults for Denied {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let denied = request.operation == self.0 && request.caller.is_none();
        denied.then(|| Fault::Refuse { status: 403, code: "AccessDenied".into(), message: "no".into() })
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_may_not_see_is_named_and_no_reason_to_fail() {
    for (operation, said) in [
        ("DescribePolicies", "the scaling policies of shop__6 (nobody has allowed autoscaling:DescribePolicies)"),
        (
            "DescribeScheduledActions",
            "the scheduled actions of shop__6 (nobody has allowed autoscaling:DescribeScheduledActions)",
        ),
        ("DescribeWarmPool", "the warm pool of shop__6 (nobody has allowed autoscaling:DescribeWarmPool)"),
        ("DescribeAlarms", "alarms (nobody has allowed cloudwatch:DescribeAlarms)"),
        ("DescribeInstances", "images and subnets of instances (nobody has allowed ec2:DescribeInstances)"),
    ] {
        let scene = Scene::new(ShopOptions { equipped: true, warm_pool: true, ..ShopOptions::default() });
        scene.sim.set_faults(Some(Arc::new(Denied(operation))));
        let (state, clone) = cloned(&scene, &scene.document()).await;
        assert!(state.not_modelled.iter().any(|it| it == said), "{operation}: {:#?}", state.not_modelled);
        assert_eq!(clone.sim.world().healthy_in(&scene.shop.target_group_a), 4, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_elsewhere_is_written_as_the_simulated_one_and_back() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document();
    let here = state_of(&scene.sim, &document).await;
    let home = crossfade_aws::clone::Home {
        partition: "aws".into(),
        region: "us-east-1".into(),
        account: "210987654321".into(),
    };
    let names = Names::of(&home);
    // As if it had been read there.
    let there: State = serde_json::from_value(names.value(&json!(here))).expect("it is a state");
    assert_eq!(there.home, home);
    let clone = furnish(&there, 1, 50.0).expect("it can be furnished");
    let inventory = clone.sim.world().inventory();
    assert_same(&seen(&clone.sim, &inventory), &seen(&scene.sim, &inventory));
    assert_eq!(names.value(&names.value(&document)), document);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_cloned_yet_is_named() {
    let scene = Scene::new(ShopOptions { layout: Layout::Stacks, ..ShopOptions::default() });
    let document = parse(&scene.document()).expect("it is a document");
    let config = scene.sim.sdk_config();
    let refused = read(&config, &document, &Table::new(&config, TABLE), 0).await.expect_err("it cannot");
    assert_eq!(refused.kind, Kind::InvalidDocument);
    assert!(refused.message.contains("cannot clone names in DNS yet"), "{refused}");
    assert!(State::from_json("{}").is_err() && State::from_json(r#"{"schema": 9}"#).is_err());
}
