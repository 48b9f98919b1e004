//! The judge of the fault matrix is judged: what it must notice, it notices; and each kind of fault once, quickly. The whole matrix
//! is `cargo xtask faults`.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crossfade_asl::Event;
use crossfade_sim::{Request, Service, Sim};
use crossfade_tests::Scene;
use crossfade_tests::faults::case::Case;
use crossfade_tests::faults::explore::{Exploration, case_of};
use crossfade_tests::faults::injector::Injection;
use crossfade_tests::faults::judge::{Ending, Verdict};
use crossfade_tests::faults::kind::{Kind, Place};
use crossfade_tests::faults::matrix::{Cell, Matrix};
use crossfade_tests::faults::trial::{Baseline, Trial, baseline, run, run_with, undisturbed as undisturbed_run};
use serde_json::{Value, json};

fn shift() -> Case {
    Case::all().into_iter().find(|case| case.name() == "shift").expect("there is a shift")
}

fn undisturbed() -> Trial {
    Trial { seed: 1, injections: Vec::new() }
}

/// Does something to the account when an execution enters this state.
fn when(scene: &Scene, state: &'static str, act: impl Fn(&Arc<Sim>) + Send + Sync + 'static) {
    upon(scene, move |event| matches!(event, Event::StateEntered { name, .. } if name == state), act);
}

/// Does something to the account upon an event of an execution.
fn upon(
    scene: &Scene,
    wanted: impl Fn(&Event) -> bool + Send + Sync + 'static,
    act: impl Fn(&Arc<Sim>) + Send + Sync + 'static,
) {
    let sim = Arc::downgrade(&scene.sim);
    scene.sim.step_functions().subscribe(Box::new(move |event| {
        if let Some(sim) = sim.upgrade().filter(|_| wanted(&event.event.event)) {
            act(&sim);
        }
    }));
}

/// A rejected shift into which something meddles, and the problems that the judge sees.
fn meddled(prepare: impl FnOnce(&Scene)) -> Verdict {
    let case = shift().rejected();
    run_with(&case, &undisturbed(), &baseline(&case), prepare)
}

#[track_caller]
fn sees(verdict: &Verdict, what: &str) {
    assert!(verdict.problems.iter().any(|problem| problem.contains(what)), "{what}: {:#?}", verdict.problems);
}

/// Writes another snapshot, as a broken version of us might have done.
fn rewrite_snapshot(sim: &Arc<Sim>, change: impl FnOnce(&mut Value)) {
    let items = sim.tables().items("crossfade");
    let item = items.iter().find(|item| item["sk"] == "snapshot").expect("there is a snapshot");
    let mut snapshot: Value = serde_json::from_str(item["body"].as_str().expect("a text")).expect("JSON");
    change(&mut snapshot);
    let request = Request::json(
        Service::DynamoDb,
        "UpdateItem",
        json!({
            "TableName": "crossfade",
            "Key": { "pk": { "S": item["pk"] }, "sk": { "S": "snapshot" } },
            "UpdateExpression": "SET body = :body",
            "ExpressionAttributeValues": { ":body": { "S": snapshot.to_string() } },
        }),
    );
    let answer = sim.tables().handle(&request, sim.clock.now_millis());
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn an_undo_that_is_broken_is_seen() {
    let untouched = meddled(|_| {});
    assert_eq!((untouched.ending, untouched.problems), (Ending::FailedClean, Vec::new()));
    let broken = meddled(|scene| {
        when(scene, "PlanRollback", |sim| {
            rewrite_snapshot(sim, |snapshot| {
                let fleets = snapshot["fleets"].as_array_mut().expect("fleets");
                let stable = fleets.iter_mut().find(|fleet| fleet["name"] == "shop__6").expect("the stable fleet");
                stable["size"]["min"] = json!(3);
            });
        });
    });
    assert_eq!(broken.ending, Ending::FailedClean, "it does not know better");
    sees(&broken, "not as it was: /autoScalingGroups/shop__6/min: 3, was 4");
}

#[test]
fn whatever_is_left_is_seen() {
    let (group, tagged) = ("shop__6", "other-team");
    let verdict = meddled(move |scene| {
        when(scene, "PlanRollback", move |sim| {
            let mut world = sim.world();
            world.set_tag(tagged, "crossfade:deployment", Some("faulty")).expect("it is there");
            world.suspend_administratively(group, &["AlarmNotification"]);
        });
    });
    sees(&verdict, "not as it was: /autoScalingGroups/other-team/tags/crossfade:deployment");
    sees(&verdict, "not as it was: /autoScalingGroups/shop__6/suspendedProcesses");
}

#[test]
fn lost_requests_and_lost_capacity_are_seen() {
    let verdict = meddled(|scene| {
        let (route, stage) = (scene.shop.route().to_owned(), scene.shop.target_group_b.clone());
        // Traffic onto a target group without a target.
        when(scene, "Setup", move |sim| {
            sim.world().set_weights(&route, &[(&stage, 100)]);
        });
    });
    sees(&verdict, "requests were lost");
    sees(&verdict, "healthy capacity fell to 0, below the guard of 4");
    assert!(verdict.lost > 0 && verdict.capacity_percent == 0.0);
}

/// Somebody else's group is deleted in the name of a function.
fn delete_another_teams(scene: &Scene) {
    let sim = scene.sim.clone();
    when(scene, "Setup", move |_| {
        let sim = sim.clone();
        tokio::spawn(async move {
            let form = [("AutoScalingGroupName", "other-team")];
            let mut request = Request::query(Service::AutoScaling, "DeleteAutoScalingGroup", form);
            request.caller = Some("remove".into());
            let _ = sim.handle(request).await;
        });
    });
}

#[test]
fn what_a_role_does_not_allow_is_seen() {
    let verdict = meddled(delete_another_teams);
    sees(&verdict, "remove is not authorized to perform autoscaling:DeleteAutoScalingGroup");
}

#[test]
fn a_hand_on_what_is_not_ours_is_seen() {
    let verdict = meddled(|scene| {
        // As if the role allowed it.
        scene.sim.set_guard(None);
        delete_another_teams(scene);
    });
    sees(&verdict, "remove called DeleteAutoScalingGroup on other-team");
}

#[test]
fn a_lock_that_is_kept_is_seen() {
    let verdict = meddled(|scene| {
        // After the end somebody takes it again, and forgets it.
        let over = |event: &Event| matches!(event, Event::ExecutionFailed { .. });
        upon(scene, over, |sim| {
            let request = Request::json(
                Service::DynamoDb,
                "UpdateItem",
                json!({
                    "TableName": "crossfade",
                    "Key": { "pk": { "S": "infrastructure#shop/production/shop-base" }, "sk": { "S": "lock" } },
                    "UpdateExpression": "SET holder = :holder",
                    "ExpressionAttributeValues": { ":holder": { "S": "nobody" } },
                }),
            );
            sim.tables().handle(&request, sim.clock.now_millis());
        });
    });
    sees(&verdict, "the lock is held");
}

#[test]
fn each_kind_of_fault_strikes_and_breaks_nothing() {
    let mut missing: Vec<Kind> = Kind::ALL.to_vec();
    // Of services and Elastigroups only what groups do not call.
    let of = |name: &str| Case::all().into_iter().find(|case| case.name() == name).expect("there is such a case");
    let (services, elastigroups) = (of("shift, ecs, rejected"), of("shift, elastigroup, rejected"));
    for case in [shift(), shift().rejected(), services, elastigroups] {
        let baseline: Baseline = baseline(&case);
        for kind in missing.clone() {
            let points = baseline.points.of(kind);
            // In the middle, where most has been touched; before that, where what it strikes is gone by then.
            let places = [points.len() / 2, points.len() / 3];
            let Some(places) = places.map(|place| points.get(place)).into_iter().collect::<Option<Vec<_>>>() else {
                continue;
            };
            // Once approved and once rejected.
            missing.retain(|it| *it != kind || !case.rejected);
            let struck = places.into_iter().any(|&at| {
                let trial = Trial { seed: 1, injections: vec![Injection { kind, at }] };
                let verdict = run(&case, &trial, &baseline);
                let what = format!("{}: {} at {}", case.name(), kind.name(), baseline.points.describe(kind, at));
                assert!(verdict.problems.is_empty(), "{what}: {:#?}\n{:#?}", verdict.problems, verdict.log);
                verdict.struck
            });
            assert!(struck, "{}: {} strikes nowhere", case.name(), kind.name());
        }
    }
    assert_eq!(missing, Vec::new(), "these have no point");
}

#[test]
fn p48_every_fault_at_every_exchange_of_a_listener() {
    let mut runs = 0;
    for case in Case::all().into_iter().filter(|case| case.strategy.name == "listener swap") {
        let baseline = baseline(&case);
        // One side is a rule, the other a listener.
        let exchanges = |at: &usize| ["ModifyListener", "ModifyRule"].contains(&&*baseline.points.calls[*at].operation);
        for &kind in Kind::ALL.iter().filter(|kind| kind.place() == Place::Call) {
            for at in baseline.points.of(kind).into_iter().filter(exchanges) {
                let trial = Trial { seed: 1, injections: vec![Injection { kind, at }] };
                let verdict = run(&case, &trial, &baseline);
                let what = format!("{}: {} at {}", case.name(), kind.name(), baseline.points.describe(kind, at));
                assert!(verdict.problems.is_empty(), "{what}: {:#?}\n{:#?}", verdict.problems, verdict.log);
                runs += 1;
            }
        }
    }
    assert!(runs >= 60, "there are more than {runs} exchanges to break");
}

#[test]
fn p68_whatever_dies_while_reads_are_late_is_undone_whole() {
    let mut runs = 0;
    for name in ["canary", "shift", "swap, rejected", "listener swap"] {
        let case = Case::all().into_iter().find(|case| case.name() == name).expect("there is such a case");
        let baseline = baseline(&case);
        for (nth, at) in baseline.points.of(Kind::DiesReads3000).into_iter().enumerate() {
            // One after the other, so that each is struck by each somewhere.
            let kinds = [Kind::DiesReads500, Kind::DiesReads1500, Kind::DiesReads3000, Kind::DiesReads10000];
            let kind = kinds[nth % kinds.len()];
            let trial = Trial { seed: 1, injections: vec![Injection { kind, at }] };
            let verdict = run(&case, &trial, &baseline);
            let what = format!("{name}: {} at {}", kind.name(), baseline.points.describe(kind, at));
            assert!(verdict.problems.is_empty(), "{what}: {:#?}\n{:#?}", verdict.problems, verdict.log);
            runs += 1;
        }
    }
    assert!(runs >= 30, "there are more than {runs} changes to die after");
}

/// The matrix plays what comes before a fault once for many faults.
#[test]
fn what_branches_off_a_run_comes_to_the_same_as_a_run_of_its_own() {
    let mut matrix = Matrix::new(|case, _| case.name() == "basic, rejected", false);
    let all = std::mem::take(&mut matrix.cells);
    let branches = |cell: &Cell| cell.injection.kind.begins_where_it_strikes();
    // With what is played from the beginning among them.
    let whole = all.iter().find(|cell| !branches(cell)).cloned();
    matrix.cells = all.iter().filter(|cell| branches(cell)).step_by(31).cloned().chain(whole).collect();
    assert!(matrix.cells.len() > 20, "{} runs", matrix.cells.len());
    let came = Mutex::new(Vec::new());
    let left_out = matrix.run(None, |cell, verdict| came.lock().unwrap().push((cell.clone(), verdict.clone())));
    let came = came.into_inner().unwrap();
    assert_eq!((left_out, came.len()), (0, matrix.cells.len()));
    for (cell, verdict) in came {
        let trial = Trial { seed: 1, injections: vec![cell.injection] };
        let alone = run(&matrix.cases[cell.case], &trial, &matrix.baselines[cell.case]);
        assert_eq!(format!("{verdict:?}"), format!("{alone:?}"), "{}", matrix.describe(&cell));
    }
}

#[test]
fn when_the_time_is_over_what_is_left_is_left_out() {
    let mut matrix = Matrix::new(|case, kind| case.name() == "basic" && kind == Kind::Stopped, false);
    matrix.cells.truncate(10);
    assert_eq!(matrix.run(Some(Instant::now()), |_, _| panic!("the time was over")), 10);
}

#[test]
fn a_seed_replays_the_same_run() {
    for seed in [3, 4] {
        let (first, second) = (Exploration::of(seed), Exploration::of(seed));
        assert_eq!(first.describe(), second.describe());
        assert_eq!(format!("{:?}", first.verdict), format!("{:?}", second.verdict));
    }
    assert_ne!(Exploration::of(3).describe(), Exploration::of(4).describe());
}

/// Random runs draw accounts with traffic that the document does not name, fleets behind more than it names, and short delays with
/// nodes that follow late; each is refused for what it is, or loses nothing.
#[test]
fn random_accounts_have_traffic_that_nobody_named_and_short_delays() {
    let mut wanted = vec![Some("stands behind"), Some("routing does not name it"), Some("delay of 0 s"), None];
    for seed in 0..2_000 {
        let case = case_of(seed);
        let hasty = case.options.slow_nodes && case.options.deregistration_seconds < 5;
        let of = |words: &Option<&str>| match (words, case.refusal()) {
            (Some(words), Some(refusal)) => refusal.contains(words),
            (None, None) => hasty,
            _ => false,
        };
        let Some(at) = wanted.iter().position(of) else { continue };
        wanted.remove(at);
        let verdict = undisturbed_run(&case, seed).0;
        assert_eq!(verdict.problems, Vec::<String>::new(), "seed {seed}: {}", case.name());
        assert_eq!(verdict.lost, 0, "seed {seed}: {}", case.name());
    }
    assert_eq!(wanted, Vec::<Option<&str>>::new(), "never drawn");
}
