//! Ten thousand deployments that are not over: the sweep looks at all of them by few calls, and what it has no time for is told and comes
//! first the next time.

use std::time::Duration;

use crossfade_aws::{Item, Table, keys};
use crossfade_local::{DEPLOY_MACHINE, Installation, Outcome, TABLE};
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::lambda::Invocation;
use crossfade_sim::world::sample::ShopOptions;
use crossfade_tests::Scene;
use crossfade_tests::machinery::{asked, deploy, end, rollbacks, schedule, stop};
use serde_json::{Value, json};

const MANY: u64 = 10_000;

/// So many deployments of others that only wait, in the list as `listed` has them.
async fn others(scene: &Scene, listed: impl Fn(Value) -> Value) {
    let (sim, machine) = (&scene.sim, &scene.installation.deploy_arn);
    let define = |definition: &str| {
        sim.step_functions().create(DEPLOY_MACHINE, definition, None).expect("it is good");
    };
    let waits =
        json!({ "StartAt": "Wait", "States": { "Wait": { "Type": "Wait", "Seconds": 31_000_000, "End": true } } });
    define(&waits.to_string());
    let table = Table::new(&sim.sdk_config_for("somebody"), TABLE);
    let started = sim.clock.now_millis() - MANY * 10;
    for begin in (0..MANY).step_by(100) {
        let items = (begin..begin + 100).map(|nth| {
            let id = format!("other-{nth}");
            let arn = StepFunctions::start(sim, machine, Some(&id), &json!({})).expect("it starts");
            let entry = json!({
                "deploymentId": id, "executionArn": arn, "infrastructure": format!("other/production/{nth}"),
                "startedMillis": started + nth * 10, "status": null, "endedMillis": null,
            });
            Item::new(keys::OPEN.into(), keys::start(started + nth * 10, &id), listed(entry))
        });
        table.put_together(&items.collect::<Vec<_>>()).await.expect("they can be written");
    }
    let definitions = Installation::definitions().expect("the shipped definitions are good");
    let (_, deploys) = definitions.into_iter().find(|(name, _)| *name == DEPLOY_MACHINE).expect("it is there");
    define(&deploys);
}

/// What one sweep answers, how long it takes, and how often it calls each operation.
async fn swept(scene: &Scene) -> (Value, Duration, impl Fn(&str) -> usize) {
    let (begins, began) = (scene.sim.calls().len(), scene.sim.clock.now_millis());
    let Invocation::Returned(answer) = scene.sim.functions().invoke("sweep", schedule()).await else {
        panic!("the sweep failed");
    };
    let took = Duration::from_millis(scene.sim.clock.now_millis() - began);
    let mut calls = scene.sim.calls().split_off(begins);
    calls.retain(|call| call.caller.as_deref() == Some("sweep"));
    (answer, took, move |operation: &str| calls.iter().filter(|call| call.operation == operation).count())
}

/// A deployment that begins after all others, and is stopped while it asks.
async fn stopped(scene: &Scene) {
    let execution = deploy(scene, "last", &scene.document());
    asked(scene, "last").await;
    stop(&scene.sim, &execution, json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_deployments_that_run_cost_a_sweep_one_read_each_and_hide_none_that_died() {
    let scene = Scene::new(ShopOptions { requests_per_second: 2.0, ..ShopOptions::default() });
    others(&scene, |mut entry| {
        entry["asks"] = json!(false);
        entry
    })
    .await;
    stopped(&scene).await;
    let (answer, took, calls) = swept(&scene).await;
    assert_eq!((answer["rollbacks"].as_array().map(Vec::len), answer.get("left")), (Some(1), None));
    assert!(took < Duration::from_secs(55), "{took:?}");
    // One more is the one that died.
    assert!(calls("ListExecutions") <= 11, "{}", calls("ListExecutions"));
    assert!(calls("DescribeExecution") <= 5, "{}", calls("DescribeExecution"));
    assert!(calls("GetItem") <= MANY as usize + 10, "{}", calls("GetItem"));
    assert!(calls("Query") <= 12, "{}", calls("Query"));
    let rollback = rollbacks(&scene).pop().expect("it was started");
    assert_eq!(Outcome::of(&end(&scene, &rollback.arn).await).0, Outcome::Succeeded);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn what_a_sweep_has_no_time_for_is_counted_and_comes_first_the_next_time() {
    let scene = Scene::new(ShopOptions { requests_per_second: 2.0, ..ShopOptions::default() });
    // As an earlier release has listed them: of each more has to be read.
    others(&scene, |entry| entry).await;
    stopped(&scene).await;
    let mut left = Vec::new();
    while rollbacks(&scene).is_empty() {
        let (answer, took, _) = swept(&scene).await;
        assert!(took < Duration::from_secs(55), "{took:?}");
        left.push(answer["left"].as_u64().unwrap_or(0));
        assert!(left.len() < 4, "the last one is never looked at: {left:?}");
    }
    assert!(left.len() > 1, "without any that are left nothing is proved: {left:?}");
    let rollback = rollbacks(&scene).pop().expect("it was started");
    end(&scene, &rollback.arn).await;
    scene.is_as_before();
}
