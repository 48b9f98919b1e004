//! Names that people choose never meet names that we make: whatever deployments are called, each one that dies is rolled back, and
//! nobody's rollback is taken for another's.

use std::sync::Arc;
use std::time::Duration;

use crossfade_aws::{Attempt, execution_arn};
use crossfade_core::haste::Haste;
use crossfade_core::names;
use crossfade_local::Outcome;
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, StepFunctions};
use crossfade_sim::world::sample::{Compute, ShopOptions};
use crossfade_steps::{Context, WallClock, roll_back};
use crossfade_tests::machinery::{change, deploy, executions, meta, rollbacks, schedule, stop, sweep};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::{Value, json};

/// Ids of which one is, or begins like, a name that is made for the other: each way round.
fn pairs() -> Vec<(String, String)> {
    let long = |end: &str| format!("{}{end}", "x".repeat(80 - end.len()));
    let mut pairs = vec![
        ("rel".to_owned(), "rel-2".to_owned()),
        ("rel".to_owned(), names::rollback("rel", 1)),
        ("rel".to_owned(), names::rollback("rel", 2)),
        (long("a"), long("b")),
        (long("-2"), long("")),
        (long(""), names::rollback(&long(""), 2)),
        (long("")[..60].to_owned(), long("")),
    ];
    pairs.extend(pairs.clone().into_iter().map(|(one, other)| (other, one)));
    pairs
}

/// Asks for the rollback of a deployment that nobody has ever heard of: it runs for as long as functions could, and undoes nothing.
async fn roll_back_nothing(scene: &Scene, id: &str) -> String {
    let context =
        Context::new(&scene.sim.sdk_config_for("operator"), Arc::new(WallClock), scene.installation.settings());
    let machine = &scene.installation.rollback_arn;
    // Of an execution that does not exist nobody can tell whether it has called a function.
    let dead = format!("{machine}:nobody");
    match roll_back(id, machine, None, Some(&dead), Haste::Now, &context).await.expect("it is asked for").attempt {
        Attempt::Started { arn, .. } => arn,
        other => panic!("{id}: {other:?}"),
    }
}

/// The fourth rollback of such a deployment, which runs, after three that were stopped.
async fn fourth_of(scene: &Scene, id: &str) -> String {
    for _ in 0..3 {
        let stopped = roll_back_nothing(scene, id).await;
        stop(&scene.sim, &stopped, json!({})).await;
    }
    roll_back_nothing(scene, id).await
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_dies_is_rolled_back_whatever_the_rollbacks_of_others_are_called() {
    for (other, id) in pairs() {
        // Early: the other's rollback runs. Late: it is over.
        for early in [true, false] {
            let what = format!("{other} and {id}, early {early}");
            let scene = Scene::new(ShopOptions::default());
            let of_other = fourth_of(&scene, &other).await;
            if !early {
                scene.sim.step_functions().wait_for(&of_other).await;
            }
            let execution = deploy(&scene, &id, &scene.document());
            scene.sim.clock.sleep(Duration::from_secs(if early { 60 } else { 90 })).await;
            assert_eq!(meta(&scene, &id)["status"], "running", "{what}");
            stop(&scene.sim, &execution, json!({})).await;
            let dead = executions(&scene.sim, &scene.installation.deploy_arn).pop().expect("it was started");
            let running = scene.sim.step_functions().outcome(&of_other).is_none();
            assert_eq!(running, early, "{what}");
            assert_eq!(sweep(&scene, change(&dead)).await, [names::rollback(&id, 1)], "{what}");
            let ours = rollbacks(&scene).pop().expect("it was started");
            let ended = scene.sim.step_functions().wait_for(&ours.arn).await;
            assert!(matches!(ended, Some(ExecutionOutcome::Succeeded(_))), "{what}: {ended:?}");
            assert_eq!(meta(&scene, &id)["status"], "failedClean", "{what}");
            scene.is_as_before();
            assert_eq!(sweep(&scene, schedule()).await, Vec::<String>::new(), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_rejected_is_rolled_back_whatever_the_rollbacks_of_others_are_called() {
    for (nth, (other, id)) in pairs().into_iter().enumerate() {
        // Each pair once so and once so, since the second half has them the other way round.
        let early = nth % 2 == 0;
        let what = format!("{other} and {id}, early {early}");
        let scene = Scene::new(ShopOptions::default());
        let of_other = fourth_of(&scene, &other).await;
        if !early {
            scene.sim.step_functions().wait_for(&of_other).await;
        }
        let ended = scene.play(&id, &scene.document(), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}: {}", ended.cause());
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_a_name_that_is_meant_for_a_rollback_keeps_nobody_from_it() {
    let scene = Scene::new(ShopOptions::default());
    // Somebody starts executions of the rollback machine by hand, for something else.
    for nth in 1..=3 {
        let input = json!({ "deploymentId": "another" });
        let machine = &scene.installation.rollback_arn;
        StepFunctions::start(&scene.sim, machine, Some(&names::rollback("rel", nth)), &input).expect("it starts");
    }
    let ended = scene.play("rel", &scene.document(), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    let own = execution_arn(&scene.installation.rollback_arn, &names::rollback("rel", 4));
    // It answers its deployment, and ends a moment later.
    scene.sim.step_functions().wait_for(&own).await;
    assert!(matches!(scene.sim.step_functions().outcome(&own), Some(ExecutionOutcome::Succeeded(_))));
    scene.is_as_before();
    let ended = scene.play("another", &scene.document(), APPROVE).await;
    assert_eq!((ended.summary.outcome, meta(&scene, "another")["failure"].clone()), (Outcome::Succeeded, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_is_called_what_no_tag_takes_is_refused_before_anything_is_touched() {
    // What Step Functions takes as a name, and a tag of ECS, a token of EC2 or a shell does not.
    for id in ["rel(1)", "rel!", "don't", "größer"] {
        for compute in [Compute::Groups, Compute::Services] {
            let scene = Scene::new(ShopOptions { compute, ..ShopOptions::default() });
            let ended = scene.play(id, &scene.document(), APPROVE).await;
            assert_eq!((ended.summary.outcome, ended.summary.mutating_calls), (Outcome::FailedClean, 0), "{id}");
            let says = format!(
                "The execution is called {id}, and a deployment's id has 1 to 80 characters: letters from a to z"
            );
            assert!(ended.cause().contains(&says), "{}", ended.cause());
            scene.is_as_before();
        }
    }
    for compute in [Compute::Groups, Compute::Services, Compute::Elastigroups] {
        let scene = Scene::new(ShopOptions { compute, ..ShopOptions::default() });
        let longest = "rel_1.2-3+build=7@main".repeat(4)[..80].to_owned();
        for (name, answer, outcome) in
            [("no@1.2+3=x", REJECT, Outcome::FailedClean), (longest.as_str(), APPROVE, Outcome::Succeeded)]
        {
            let ended = scene.play(name, &scene.document(), answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{name}: {}", ended.cause());
        }
    }
}
