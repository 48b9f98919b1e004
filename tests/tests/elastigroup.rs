//! Fleets that are Elastigroups of Spot, by every strategy that they can have, forward and back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::world::sample::{Compute, NewImage, ShopOptions};
use crossfade_sim::world::spot::{SPOT_ACCOUNT, SPOT_TOKEN};
use crossfade_sim::{Fault, Faults, Request};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::{Value, json};

/// The strategies that Elastigroups can have: they never change their target groups while they serve.
fn strategies() -> impl Iterator<Item = &'static Strategy> {
    STRATEGIES.iter().filter(|it| it.name != "swap")
}

fn groups(strategy: &Strategy) -> ShopOptions {
    ShopOptions { compute: Compute::Elastigroups, ..strategy.options() }
}

/// The names of groups at Spot, by what they are called.
type Labels = Vec<(String, String)>;

/// Those of the old group and the new one.
fn labels(scene: &Scene) -> Labels {
    let world = scene.world();
    let mut labels: Labels = world.elastigroups().map(|group| (group.called(), group.name().to_owned())).collect();
    labels.sort();
    labels.retain(|(called, _)| ["shop__6", "shop__7"].contains(&called.as_str()));
    labels
}

#[tokio::test(start_paused = true)]
async fn e2_e3_e4_e5_every_strategy_replaces_elastigroups_and_loses_no_request() {
    for strategy in strategies() {
        for (seed, answer, outcome) in [(1, APPROVE, Outcome::Succeeded), (2, REJECT, Outcome::FailedClean)] {
            let what = format!("{} {seed}", strategy.name);
            let scene = Scene::seeded(seed, groups(strategy));
            let ended = scene.play("elastigroups", &strategy.document(&scene), answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{what}: {}", ended.cause());
            ended.lost_nothing();
            scene.never_had_less_than(4.0, &what);
            match answer {
                APPROVE => {
                    assert_eq!(scene.size("shop__6"), Some((0, 0, 0)), "{what}");
                    assert_eq!(scene.size("shop__7"), Some((4, 4, 8)), "{what}");
                }
                _ => scene.is_as_before(),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e3_p67_names_change_last_and_say_who_serves_where_one_does_alone() {
    let named =
        |six: &str, seven: &str| vec![("shop__6".to_owned(), six.to_owned()), ("shop__7".to_owned(), seven.to_owned())];
    for strategy in strategies() {
        let scene = Scene::new(groups(strategy));
        let moments: Arc<Mutex<Vec<Labels>>> = Arc::default();
        let (sim, seen) = (Arc::downgrade(&scene.sim), moments.clone());
        let see = move |happening: &Happening| {
            let (What::StageStarted { .. }, Some(sim)) = (&happening.what, sim.upgrade()) else { return };
            let world = sim.world();
            let mut names: Vec<(String, String)> =
                world.elastigroups().map(|group| (group.called(), group.name().to_owned())).collect();
            names.sort();
            seen.lock().expect("nobody panicked").push(names);
        };
        let document = strategy.document(&scene);
        let ended = scene.watched("names", &document, Box::new(|_| APPROVE), see).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}: {}", strategy.name, ended.cause());
        let together = matches!(strategy.name, "basic" | "canary");
        assert_eq!(labels(&scene), if together { named("shop__6", "shop__7") } else { named("shop__6", "shop") });
        for names in moments.lock().expect("nobody panicked").iter() {
            let mut labels: Vec<&String> = names.iter().map(|(_, name)| name).collect();
            labels.sort();
            labels.dedup();
            assert_eq!(labels.len(), names.len(), "{}: two have one name: {names:?}", strategy.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p67_whoever_renames_groups_meanwhile_changes_nothing_but_names() {
    let shift = &STRATEGIES[2];
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let scene = Scene::new(groups(shift));
        let sim = Arc::downgrade(&scene.sim);
        let see = move |happening: &Happening| {
            let (What::StageStarted { name, .. }, Some(sim)) = (&happening.what, sim.upgrade()) else { return };
            if name.starts_with("Shift 10") {
                let mut world = sim.world();
                let ids: Vec<(String, String)> = world.elastigroups().map(|it| (it.called(), it.id.clone())).collect();
                for (_, id) in ids.iter().filter(|(called, _)| ["shop__6", "shop__7"].contains(&called.as_str())) {
                    world
                        .change_elastigroup(id, &json!({ "name": "shop__STAGE__Harness" }))
                        .expect("it may be called so");
                }
            }
        };
        let ended = scene.watched("renamed", &shift.document(&scene), Box::new(move |_| answer), see).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
        let serves = if answer == APPROVE { "shop__7" } else { "shop__6" };
        assert_eq!(scene.size(serves), Some((4, 4, 8)));
        assert_eq!(scene.size("shop__7").is_some(), answer == APPROVE);
    }
}

#[tokio::test(start_paused = true)]
async fn e2_images_that_never_serve_leave_everything_as_it_was() {
    for strategy in strategies() {
        for new_image in [NewImage::Unhealthy, NewImage::NoCapacity, NewImage::Slow] {
            let scene = Scene::new(ShopOptions { new_image, ..groups(strategy) });
            let ended = scene.play("ill", &strategy.document(&scene), APPROVE).await;
            let what = format!("{} {new_image:?}", strategy.name);
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}: {}", ended.cause());
            ended.lost_nothing();
            scene.is_as_before();
            if new_image == NewImage::NoCapacity {
                assert!(ended.cause().contains("Can't Spin"), "{what}: {}", ended.cause());
                assert!(ended.summary.virtual_seconds < 900.0, "{what}: after {} s", ended.summary.virtual_seconds);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e8_g7_a_kept_elastigroup_takes_over_again_and_a_rollback_puts_it_back() {
    for strategy in strategies() {
        // One of them stands on either side.
        for revision in [5, 4] {
            for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
                let scene = Scene::new(groups(strategy));
                let mut document = strategy.document(&scene);
                document["artifact"] = json!({ "revision": revision });
                let ended = scene.play("again", &document, answer).await;
                let what = format!("{} {revision}", strategy.name);
                assert_eq!(ended.summary.outcome, outcome, "{what}: {}", ended.cause());
                ended.lost_nothing();
                match answer {
                    APPROVE => {
                        let fleet = format!("shop__{revision}");
                        assert_eq!(scene.size(&fleet), Some((4, 4, 8)), "{what}");
                        let world = scene.world();
                        let inventory = world.inventory();
                        let name = world.elastigroup_called(&fleet).expect("it is there").name().to_owned();
                        assert_eq!(inventory["elastigroups"][name]["suspended"], json!({}), "{what}");
                    }
                    _ => scene.is_as_before(),
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e8_elastigroups_beyond_those_that_are_kept_are_deleted() {
    let scene = Scene::new(groups(&STRATEGIES[2]));
    let document = scene.document_with(|d| d["compute"]["elastigroup"]["keepRevisions"] = json!(1));
    let ended = scene.play("prunes", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    for gone in ["shop__2", "shop__3", "shop__4", "shop__5"] {
        assert_eq!(scene.size(gone), None, "{gone}");
    }
    assert!(scene.size("shop__6").is_some() && scene.size("other-team").is_some());
}

#[tokio::test(start_paused = true)]
async fn e8_what_moves_a_group_by_itself_rests_meanwhile_and_is_given_back_exactly() {
    for strategy in strategies() {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let scene = Scene::new(ShopOptions { equipped: true, ..groups(strategy) });
            let document = strategy.document(&scene);
            let ended = scene.play("equipped", &document, answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            if answer == REJECT {
                scene.is_as_before();
                continue;
            }
            let world = scene.world().inventory();
            let new = if matches!(strategy.name, "basic" | "canary") { "shop__7" } else { "shop" };
            let groups = &world["elastigroups"];
            assert_eq!(
                groups[new]["fields"]["scheduling"]["tasks"].as_array().map(Vec::len),
                Some(2),
                "{}",
                strategy.name
            );
            let dimension = &groups[new]["fields"]["scaling"]["target"][0]["dimensions"][0]["value"];
            let behind = &groups[new]["fields"]["compute"]["launchSpecification"]["loadBalancersConfig"]["loadBalancers"]
                [0]["arn"];
            let (dimension, behind) = (dimension.as_str().expect("text"), behind.as_str().expect("text"));
            assert!(behind.ends_with(dimension), "{}: {dimension} for {behind}", strategy.name);
            assert_eq!(groups[new]["suspended"], json!({}), "{}", strategy.name);
            // Kept at 0, nothing wakes it, and nothing that it sleeps by runs out.
            let for_good = json!({ "OUT_OF_STRATEGY": null, "REVERT_PREFERRED": null, "SCHEDULING": null });
            assert_eq!(groups["shop__6"]["suspended"], for_good, "{}", strategy.name);
            scene.sim.clock.sleep(std::time::Duration::from_secs(9 * 24 * 3600)).await;
            assert_eq!(scene.size("shop__6"), Some((0, 0, 0)), "{}", strategy.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e8_should_nobody_be_left_to_give_it_back_what_rests_goes_on_by_itself() {
    let scene = Scene::new(ShopOptions { equipped: true, ..groups(&STRATEGIES[2]) });
    let seen: Arc<Mutex<Value>> = Arc::default();
    let (sim, told) = (Arc::downgrade(&scene.sim), seen.clone());
    let see = move |happening: &Happening| {
        let (What::StageStarted { name, .. }, Some(sim)) = (&happening.what, sim.upgrade()) else { return };
        if name.starts_with("Shift 10") {
            let suspended = sim.world().inventory()["elastigroups"]["shop"]["suspended"].clone();
            let limited = suspended.as_object().expect("it is one").iter().map(|(name, until)| (name, until.is_u64()));
            *told.lock().expect("nobody panicked") = json!(limited.collect::<std::collections::BTreeMap<_, _>>());
        }
    };
    scene.watched("held", &scene.document(), Box::new(|_| APPROVE), see).await;
    // What somebody has put to rest for good stays so.
    let held = json!({ "AUTO_SCALE": true, "OUT_OF_STRATEGY": true, "REVERT_PREFERRED": false, "SCHEDULING": true });
    assert_eq!(*seen.lock().expect("nobody panicked"), held);
}

/// A group of workers, as Spot's console shows it: with what is read-only, and with nulls.
fn workers(scene: &Scene, base: &str) -> Value {
    let mut group = scene.world().elastigroup(base).expect("it is there").fields.clone();
    group.insert("id".into(), json!("sig-00000000"));
    group.insert("createdAt".into(), json!("2018-06-25T11:49:00.000Z"));
    let specification = &mut group["compute"]["launchSpecification"];
    specification["loadBalancersConfig"] = json!({ "loadBalancers": null });
    specification["images"] = Value::Null;
    specification["healthCheckType"] = json!("EC2");
    json!({ "group": group })
}

#[tokio::test(start_paused = true)]
async fn e1_k47_a_group_that_is_written_out_makes_the_first_one_and_the_next() {
    let scene = Scene::new(groups(&STRATEGIES[0]));
    let document = scene.document_with(|d| {
        d["service"] = json!("workers");
        d["routing"] = json!("none");
        d["compute"] = json!({ "elastigroup": {
            "account": SPOT_ACCOUNT, "name": "made", "definition": workers(&scene, &scene.shop.base_group).to_string(),
            "capacity": { "fixed": { "min": 1, "desired": 2, "max": 4 } },
        } });
        d["strategy"] = json!({ "basic": {} });
    });
    for (name, group) in [("first", "made__1"), ("second", "made__2")] {
        let ended = scene.play(name, &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
        // Not pinned: it is the last phase (SG9).
        assert_eq!(scene.size(group), Some((1, 2, 4)), "{name}");
    }
    assert_eq!(scene.size("made__1"), Some((0, 0, 0)));
    let world = scene.world();
    let made = world.elastigroup_called("made__2").expect("it is there");
    assert_eq!(made.tag("crossfade:infrastructure"), Some("workers/production/spot:act-1a2b3c4d:=made"));
    assert_eq!(made.fields["compute"]["launchSpecification"]["imageId"], json!(scene.shop.new_ami));
    assert_eq!(
        made.fields["compute"]["launchSpecification"]["userData"],
        "IyEvYmluL3NoCmV4ZWMgL29wdC9zaG9wL3N0YXJ0Cg=="
    );
}

#[tokio::test(start_paused = true)]
async fn e1_k43_placeholders_of_another_tool_are_filled_in_and_everything_else_is_left_alone() {
    let scene = Scene::new(groups(&STRATEGIES[0]));
    let mut template = workers(&scene, &scene.shop.base_group);
    template["group"]["description"] =
        json!("${serviceVariable.TEAM} on ${workflow.variables.stage}, ${HOME}, $${x}, ${team}");
    let document = |variables: Value, definition: Value| {
        scene.document_with(|d| {
            d["variables"] = variables;
            d["service"] = json!("workers");
            d["routing"] = json!("none");
            d["compute"] = json!({ "elastigroup": {
                "account": SPOT_ACCOUNT, "name": "made", "definition": definition,
                "capacity": { "fixed": { "min": 1, "desired": 1, "max": 2 } },
            } });
            d["strategy"] = json!({ "basic": {} });
        })
    };
    scene.sim.parameters().define("/shop/template", "String", &template.to_string());
    let written = json!(template.to_string());
    let ended = scene.play("undefined", &document(json!({ "TEAM": "shop" }), written.clone()), APPROVE).await;
    assert!(ended.cause().contains("there is no variable `stage`"), "{}", ended.cause());
    let both = json!({ "TEAM": "shop", "stage": "blue" });
    for (name, definition, made) in
        [("written", written, "made__1"), ("referred", json!({ "fromParameter": "/shop/template" }), "made__2")]
    {
        let ended = scene.play(name, &document(both.clone(), definition), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
        let world = scene.world();
        let made = world.elastigroup_called(made).expect("it is there");
        assert_eq!(made.fields["description"], "shop on blue, ${HOME}, $${x}, ${team}", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn e1_e7_documents_that_cannot_be_are_refused_with_what_to_do() {
    let scene = Scene::new(groups(&STRATEGIES[3]));
    let behind = json!({ "group": { "compute": { "launchSpecification": { "itf": {}, "images": [1, 2] } } } });
    for (change, said) in [
        (json!({ "base": "" }), vec!["it has no template"]),
        (json!({ "definition": "{\"group\": {}}" }), vec!["it has two templates"]),
        (json!({ "base": "", "definition": "{}" }), vec!["it has no `group`"]),
        (json!({ "base": "", "definition": behind.to_string() }), vec!["itf", "2 images"]),
        (json!({ "account": "" }), vec!["act-"]),
        (json!({ "account": null }), vec!["account"]),
        (json!({}), vec!["routing.targetGroups.test", "cannot change its target groups while it serves"]),
    ] {
        let document = scene.document_with(|d| {
            for (name, value) in change.as_object().expect("it is one") {
                match value {
                    Value::Null => _ = d["compute"]["elastigroup"].as_object_mut().expect("it is one").remove(name),
                    value => d["compute"]["elastigroup"][name] = value.clone(),
                }
            }
        });
        let ended = scene
            .play(
                &format!("{}-{}", said[0].len(), said[0].replace(|c: char| !c.is_alphanumeric(), "-")),
                &document,
                APPROVE,
            )
            .await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean);
        for words in said {
            assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
        }
    }
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn e2_what_cannot_be_handled_is_refused_before_anything_changes_and_all_at_once() {
    let mut scene = Scene::new(groups(&STRATEGIES[2]));
    {
        let mut world = scene.sim.world();
        let id = world.elastigroup_called("shop__6").expect("it serves").id.clone();
        let first = world.spot_instances_of("shop__6")[0].clone();
        assert!(world.roll_elastigroup(&id, "in_progress") && world.lock_spot_instance(&first, 60));
        world.suspend_elastigroup(&id, "LB_REGISTRATION", None).expect("it can");
        world.change_elastigroup(&id, &json!({ "compute": { "launchSpecification": { "itf": {} } } })).expect("it can");
        let base = scene.shop.base_group.clone();
        world
            .change_elastigroup(&base, &json!({ "strategy": { "persistence": { "shouldPersistRootDevice": true } } }))
            .expect("it can");
    }
    scene.remember();
    let ended = scene.play("in-the-way", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    for words in [
        "is in the roll sbgd-",
        "LB_REGISTRATION suspended",
        "instances that are locked",
        "itf",
        "keeps the state of its instances",
    ] {
        assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
    }
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn e1_a_base_that_is_elsewhere_is_refused_and_what_is_only_worth_a_word_is_told() {
    let mut scene = Scene::new(ShopOptions { ec2_checks: true, ..groups(&STRATEGIES[2]) });
    let base = scene.shop.base_group.clone();
    scene.world().change_elastigroup(&base, &json!({ "strategy": { "fallbackToOd": false } })).expect("it can");
    let ended = scene.play("told", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    for words in ["does not have the health check type TARGET_GROUP", "does not fall back to on-demand instances"] {
        assert!(ended.log.iter().any(|line| line.contains(words)), "{words}: {:#?}", ended.log);
    }
    scene.world().change_elastigroup(&base, &json!({ "region": "us-east-1" })).expect("it can");
    scene.remember();
    let ended = scene.play("elsewhere", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    let words = format!("There is no Elastigroup {base} in the Spot account {SPOT_ACCOUNT} in this region");
    assert!(ended.cause().contains(&words), "{}", ended.cause());
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn e2_a_group_behind_other_target_groups_than_the_rule_says_is_refused() {
    let mut scene = Scene::new(groups(&STRATEGIES[2]));
    let id = scene.world().elastigroup_called("shop__6").expect("it serves").id.clone();
    let both = [&scene.shop.target_group_a, &scene.shop.target_group_b];
    let both = both.map(|arn| json!({ "name": arn.split('/').nth(1), "arn": arn, "type": "TARGET_GROUP" }));
    let change = json!({ "compute": { "launchSpecification": { "loadBalancersConfig": { "loadBalancers": both } } } });
    scene.world().change_elastigroup(&id, &change).expect("it can");
    scene.sim.clock.sleep(std::time::Duration::from_secs(300)).await;
    scene.remember();
    let ended = scene.play("behind-both", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("shop__6") && ended.cause().contains("shop-b"), "{}", ended.cause());
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn e2_k47_what_spot_refuses_to_make_is_told_before_anything_else_changes() {
    let scene = Scene::new(groups(&STRATEGIES[2]));
    scene.sim.set_faults(Some(First::of("CreateGroup", 1, || refused(400, "ValidationError"))));
    let ended = scene.play("refused", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("a fault of the test"), "{}", ended.cause());
    let changes = ["UpdateCapacity", "UpdateGroup", "SuspendProcesses", "ResumeProcesses", "DeleteGroup", "ModifyRule"];
    let calls = scene.sim.calls();
    let changed: Vec<&str> = calls.iter().map(|it| it.operation.as_str()).filter(|it| changes.contains(it)).collect();
    assert_eq!(changed, Vec::<&str>::new(), "neither forward nor back");
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn e2_a_roll_that_has_failed_is_named_until_somebody_stops_it() {
    for (statuses, refused) in
        [(&["failed"][..], true), (&["failed", "finished"], false), (&["failed", "stopped"], false)]
    {
        let mut scene = Scene::new(groups(&STRATEGIES[2]));
        let id = scene.world().elastigroup_called("shop__6").expect("it serves").id.clone();
        for status in statuses {
            assert!(scene.world().roll_elastigroup(&id, status));
            scene.sim.clock.sleep(std::time::Duration::from_secs(60)).await;
        }
        scene.remember();
        let ended = scene.play("rolled", &scene.document(), APPROVE).await;
        if refused {
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{statuses:?}");
            assert!(ended.cause().contains("has the roll sbgd-"), "{}", ended.cause());
            scene.is_as_before();
        } else {
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{statuses:?}: {}", ended.cause());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e2_what_drains_for_longer_than_spot_waits_is_refused_or_raised() {
    let mut scene = Scene::new(ShopOptions { deregistration_seconds: 300, ..groups(&STRATEGIES[2]) });
    let (id, base) = {
        let world = scene.sim.world();
        (world.elastigroup_called("shop__6").expect("it serves").id.clone(), scene.shop.base_group.clone())
    };
    for id in [&id, &base] {
        scene.sim.world().change_elastigroup(id, &json!({ "strategy": { "drainingTimeout": 60 } })).expect("it can");
    }
    scene.remember();
    let ended = scene.play("cut-off", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("Set its strategy.drainingTimeout to 300 or more"), "{}", ended.cause());
    scene.is_as_before();
    scene.sim.world().change_elastigroup(&id, &json!({ "strategy": { "drainingTimeout": 300 } })).expect("it can");
    let ended = scene.play("drains", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let made = scene.world().elastigroup_called("shop__7").expect("it is there").fields.clone();
    assert_eq!(made["strategy"]["drainingTimeout"], 300, "the base's 60 are too few");
}

/// Writes down what is changed: operations, and what they are given.
#[derive(Default)]
struct Changes(Mutex<Vec<(String, String, Value)>>);

impl Faults for Changes {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let of = request.form.get("groupId").cloned().unwrap_or_default();
        let change = (request.operation.clone(), of, request.json.clone());
        self.0.lock().expect("nobody panicked").push(change);
        None
    }
}

#[tokio::test(start_paused = true)]
async fn e1_e3_groups_are_changed_in_single_fields_and_their_target_groups_only_while_they_are_empty() {
    for strategy in strategies() {
        for (revision, answer) in [(None, APPROVE), (None, REJECT), (Some(5), APPROVE), (Some(4), REJECT)] {
            let scene = Scene::new(ShopOptions { equipped: true, ..groups(strategy) });
            let changes = Arc::new(Changes::default());
            scene.sim.set_faults(Some(changes.clone()));
            let mut document = strategy.document(&scene);
            if let Some(revision) = revision {
                document["artifact"] = json!({ "revision": revision });
            }
            let kept = revision.map(|revision| {
                scene.world().elastigroup_called(&format!("shop__{revision}")).expect("it is kept").id.clone()
            });
            let ended = scene.play("fields", &document, answer).await;
            let what = format!("{} {revision:?}: {}", strategy.name, ended.cause());
            let changes = changes.0.lock().expect("nobody panicked");
            let updates = changes.iter().filter(|(operation, ..)| operation == "UpdateGroup");
            let mut seen = 0;
            for (_, id, body) in updates {
                seen += 1;
                let group = body["group"].as_object().expect("it changes a group");
                let moved = &group.get("compute").unwrap_or(&Value::Null)["launchSpecification"]["loadBalancersConfig"];
                let known = ["name", "scaling", "scheduling", "compute"];
                assert!(group.keys().all(|it| known.contains(&it.as_str())), "{what} {body}");
                if !moved.is_null() || group.contains_key("compute") {
                    assert_eq!(Some(id), kept.as_ref(), "{what}: only what is kept at 0 stands elsewhere: {body}");
                    assert_eq!(group.len(), 1, "{what} {body}");
                }
            }
            assert!(seen > 0 || answer == REJECT || kept.is_some(), "{what}: nothing was changed");
            // Spot registers the instances of its groups, and nobody else does.
            let registers = |operation: &str| ["RegisterTargets", "DeregisterTargets"].contains(&operation);
            assert!(!changes.iter().any(|(operation, ..)| registers(operation)), "{what}");
        }
    }
}

/// Strikes the first calls of an operation, or the first of any.
struct First {
    operation: &'static str,
    left: AtomicUsize,
    fault: fn() -> Fault,
}

impl First {
    fn of(operation: &'static str, times: usize, fault: fn() -> Fault) -> Arc<Self> {
        Arc::new(Self { operation, left: AtomicUsize::new(times), fault })
    }
}

impl Faults for First {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let meant = request.operation == self.operation;
        let strikes =
            meant && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        strikes.then(self.fault)
    }
}

fn refused(status: u16, code: &str) -> Fault {
    Fault::Refuse { status, code: code.into(), message: "a fault of the test".into() }
}

#[tokio::test(start_paused = true)]
async fn p66_a_group_whose_making_got_no_answer_is_made_once() {
    let faults: [fn() -> Fault; 4] = [
        || Fault::LoseReply,
        || Fault::LoseRequest,
        || Fault::Silence { arrives: true },
        // Spot says that it could not, and has.
        || refused(400, "CANT_CREATE_GROUP"),
    ];
    for (nth, fault) in faults.into_iter().enumerate() {
        let scene = Scene::new(groups(&STRATEGIES[2]));
        scene.sim.set_faults(Some(First::of("CreateGroup", 1, fault)));
        let ended = scene.play("lost", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{nth}: {}", ended.cause());
        ended.lost_nothing();
        let made = scene.world().elastigroups().filter(|group| group.called() == "shop__7").count();
        assert_eq!(made, 1, "{nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn p66_twins_that_late_reads_have_made_are_found_and_one_is_left() {
    let scene = Scene::new(groups(&STRATEGIES[2]));
    // The first call takes effect, and for a while nobody sees it.
    scene.sim.set_read_lag(std::time::Duration::from_secs(20));
    scene.sim.set_faults(Some(First::of("CreateGroup", 1, || Fault::LoseReply)));
    let ended = scene.play("twins", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let made = scene.world().elastigroups().filter(|group| group.called() == "shop__7").count();
    assert_eq!(made, 1);
}

#[tokio::test(start_paused = true)]
async fn e7_a_token_that_was_replaced_is_read_again_once_and_one_that_is_wrong_is_told() {
    let scene = Scene::new(groups(&STRATEGIES[2]));
    scene.sim.set_faults(Some(First::of("ListGroups", 1, || refused(401, "UNAUTHORIZED"))));
    let ended = scene.play("rotated", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());

    let scene = Scene::new(groups(&STRATEGIES[2]));
    scene.sim.secrets().define(&format!("crossfade/spot/{SPOT_ACCOUNT}"), "another-token");
    let ended = scene.play("wrong", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("token was refused"), "{}", ended.cause());
    assert!(!ended.cause().contains("another-token"), "{}", ended.cause());

    let document = scene.document_with(|d| d["compute"]["elastigroup"]["account"] = json!("act-00000000"));
    let ended = scene.play("missing", &document, APPROVE).await;
    let words = "There is no secret crossfade/spot/act-00000000 in Secrets Manager";
    assert!(ended.cause().contains(words), "{}", ended.cause());
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn e7_the_token_is_in_no_record_no_state_no_line_and_no_message() {
    for (answer, fault) in [(APPROVE, "none"), (REJECT, "none"), (APPROVE, "refused")] {
        let scene = Scene::new(groups(&STRATEGIES[2]));
        if fault == "refused" {
            scene.sim.set_faults(Some(First::of("UpdateCapacity", 1, || refused(400, "ValidationError"))));
        }
        let ended = scene.play("canary", &scene.document(), answer).await;
        let mut told = format!("{:?} {:?} {:?}", ended.log, ended.happenings, ended.summary);
        told.push_str(&format!("{:?}", scene.sim.tables().items(crossfade_local::TABLE)));
        told.push_str(&format!("{:?}", scene.sim.topics().published()));
        told.push_str(&format!("{:?}", scene.sim.calls()));
        for execution in scene.sim.step_functions().executions() {
            told.push_str(&format!("{:?}", scene.sim.step_functions().history(&execution.arn)));
        }
        assert!(told.contains("shop__7") && told.len() > 50_000, "it was looked at: {}", told.len());
        assert!(!told.contains(&SPOT_TOKEN[..16]), "the token is told");
    }
}

#[tokio::test(start_paused = true)]
async fn p66_rate_limits_make_a_deployment_slower_and_nothing_else() {
    for strategy in [&STRATEGIES[1], &STRATEGIES[2]] {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let scene = Scene::new(groups(strategy));
            scene.sim.world().settings.spot.calls_per_minute = Some(12);
            let ended = scene.play("slow", &strategy.document(&scene), answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            let limited = scene.sim.calls().iter().filter(|call| call.status == 429).count();
            assert!(limited > 0, "{}: the limit was never met", strategy.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e2_instances_that_spot_replaces_meanwhile_lose_no_request_and_stop_nothing() {
    for strategy in strategies() {
        for fleet in ["shop__6", "shop__7"] {
            let scene = Scene::new(groups(strategy));
            let sim = Arc::downgrade(&scene.sim);
            let replaced = Arc::new(AtomicUsize::new(0));
            let count = replaced.clone();
            let see = move |happening: &Happening| {
                let (What::Frame(_), Some(sim)) = (&happening.what, sim.upgrade()) else { return };
                let mut world = sim.world();
                if count.load(Ordering::Relaxed) < 1
                    && world.fleet_view("shop__7").is_some_and(|view| view.in_service > 0)
                    && let Some(first) = world.spot_instances_of(fleet).first().cloned()
                    && world.replace_spot_instance(&first)
                {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            };
            let ended = scene.watched("replaced", &strategy.document(&scene), Box::new(|_| APPROVE), see).await;
            let what = format!("{} {fleet}", strategy.name);
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}: {}", ended.cause());
            assert_eq!(replaced.load(Ordering::Relaxed), 1, "{what}");
            ended.lost_nothing();
            scene.never_had_less_than(4.0, &what);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e5_sizes_are_those_of_the_seeds_pinned_until_the_last_phase_and_back() {
    let canary = &STRATEGIES[1];
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let mut scene = Scene::new(ShopOptions { instances: 2, ..groups(canary) });
        let id = scene.world().elastigroup_called("shop__6").expect("it serves").id.clone();
        let capacity = json!({ "minimum": 1, "target": 2, "maximum": 4 });
        scene.sim.world().change_elastigroup(&id, &json!({ "capacity": capacity })).expect("it can");
        scene.remember();
        let document = scene.document_with(|d| {
            d["strategy"] = json!({ "canary": { "phases": [{ "percent": 25 }, { "percent": 50 }, { "percent": 100 }], "approveAfterPhases": [2] } });
            d["compute"]["elastigroup"]["capacity"] = json!({ "fixed": { "min": 0, "desired": 4, "max": 10 } });
        });
        let sizes: Arc<Mutex<Vec<(u32, u32, u32)>>> = Arc::default();
        let (sim, seen) = (Arc::downgrade(&scene.sim), sizes.clone());
        let see = move |happening: &Happening| {
            let (What::StageHeld { name, .. }, Some(sim)) = (&happening.what, sim.upgrade()) else { return };
            if name.starts_with("Upscale shop__7") {
                let view = sim.world().fleet_view("shop__7").expect("it is there");
                seen.lock().expect("nobody panicked").push((view.min, view.desired, view.max));
            }
        };
        let ended = scene.watched("seeds", &document, Box::new(move |_| answer), see).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
        let sizes = sizes.lock().expect("nobody panicked").clone();
        match answer {
            APPROVE => assert_eq!(sizes, [(1, 1, 1), (2, 2, 2), (0, 4, 10)]),
            _ => {
                assert_eq!(sizes, [(1, 1, 1), (2, 2, 2)]);
                assert_eq!(scene.size("shop__6"), Some((1, 2, 4)));
                scene.is_as_before();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e2_k11_basic_with_a_count_of_2_is_not_pinned_and_goes_back_to_the_old_triple() {
    let basic = &STRATEGIES[0];
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let mut scene = Scene::new(ShopOptions { instances: 2, ..groups(basic) });
        let id = scene.world().elastigroup_called("shop__6").expect("it serves").id.clone();
        let capacity = json!({ "minimum": 1, "target": 2, "maximum": 4 });
        scene.sim.world().change_elastigroup(&id, &json!({ "capacity": capacity })).expect("it can");
        scene.remember();
        let document = scene.document_with(|d| {
            d["strategy"] = json!({ "basic": { "upscale": [{ "count": 2 }], "approveBeforeDownsize": true } });
            d["compute"]["elastigroup"]["capacity"] = json!({ "fixed": { "min": 1, "desired": 1, "max": 4 } });
        });
        let ended = scene.play("two", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
        match answer {
            APPROVE => assert_eq!((scene.size("shop__7"), scene.size("shop__6")), (Some((1, 2, 4)), Some((0, 0, 0)))),
            _ => {
                assert_eq!((scene.size("shop__7"), scene.size("shop__6")), (None, Some((1, 2, 4))));
                scene.is_as_before();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e2_groups_of_other_regions_and_strangers_of_one_name_are_left_alone() {
    let mut scene = Scene::new(groups(&STRATEGIES[2]));
    {
        let mut world = scene.sim.world();
        let mut elsewhere = Value::Object(world.elastigroup_called("shop__6").expect("it serves").fields.clone());
        elsewhere["region"] = json!("us-east-1");
        elsewhere["compute"]["launchSpecification"]["loadBalancersConfig"] = json!({});
        world.add_elastigroup(&elsewhere, true).expect("it can be");
        let mut stranger = elsewhere.clone();
        stranger["region"] = json!("eu-west-1");
        stranger["compute"]["launchSpecification"]["tags"] = json!([]);
        world.add_elastigroup(&stranger, true).expect("it can be");
    }
    scene.remember();
    let theirs = |scene: &Scene| {
        let inventory = scene.world().inventory();
        let groups = inventory["elastigroups"].as_object().cloned().unwrap_or_default();
        let mut found: Vec<Value> = groups.into_iter().map(|(_, group)| group).collect();
        found.retain(|group| {
            group["fields"]["region"] == "us-east-1"
                || group["fields"]["compute"]["launchSpecification"]["tags"] == json!([])
        });
        found
    };
    let before = theirs(&scene);
    assert_eq!(before.len(), 2);
    let ended = scene.play("strangers", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(theirs(&scene), before);
}
