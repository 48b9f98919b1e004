//! Whose switches, pools and fleets are: two definitions never steer the same, tags alone make nothing ours, and a base is never a
//! fleet: G3, O8.

use std::collections::BTreeMap;
use std::time::Duration;

use crossfade_core::Kind;
use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, StepFunctions};
use crossfade_sim::world::World;
use crossfade_sim::world::sample::ShopOptions;
use crossfade_steps::{Context, Said, adopt, hand_over, preview};
use crossfade_tests::roles::{Roles, TAG};
use crossfade_tests::strategies::STRATEGIES;
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::{Value, json};

const SHOP: &str = "shop/production/shop-base";
const EVIL: &str = "evil/production/shop-base";

/// The same document for another service, with fleets of its own.
fn of_service(document: &Value, service: &str) -> Value {
    let mut document = document.clone();
    document["service"] = json!(service);
    document["compute"]["autoScalingGroup"]["name"] = json!(service);
    document["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": { "min": 1, "desired": 2, "max": 4 } });
    document
}

fn ann(scene: &Scene) -> Context {
    scene.installation.context("ann", Duration::ZERO)
}

fn said() -> Said {
    Said { by: Some("ann".into()), comment: Some("the base has a new name".into()) }
}

async fn ends(scene: &Scene, name: &str) -> ExecutionOutcome {
    let executions = scene.sim.step_functions().executions();
    let arn = executions.iter().find(|it| it.name == name).expect("it was started").arn.clone();
    scene.sim.step_functions().wait_for(&arn).await.expect("it ends")
}

#[track_caller]
fn refused(ended: &Ended, says: &[&str]) {
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    for words in says {
        assert!(ended.cause().contains(words), "{words:?} is missing in: {}", ended.cause());
    }
}

#[track_caller]
fn succeeded(ended: &Ended) {
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn g3_a_second_definition_on_the_same_switches_or_pools_is_refused_and_told_who_holds_which() {
    for strategy in STRATEGIES {
        let scene = strategy.scene();
        let document = strategy.document(&scene);
        let rival = document.clone();
        let (sim, machine) = (scene.sim.clone(), scene.installation.deploy_arn.clone());
        let mut started = 0;
        let see = move |happening: &Happening| {
            if matches!(&happening.what, What::StageStarted { .. }) {
                started += 1;
                let name = format!("rival-{started}");
                StepFunctions::start(&sim, &machine, Some(&name), &of_service(&rival, &name)).expect("it starts");
            }
        };
        succeeded(&scene.watched("first", &document, Box::new(|_| APPROVE), see).await);
        let executions = scene.sim.step_functions().executions();
        let rivals: Vec<String> =
            executions.into_iter().map(|it| it.name).filter(|name| name.starts_with("rival-")).collect();
        assert!(rivals.len() >= 6, "{}: {rivals:?}", strategy.name);
        for (i, rival) in rivals.iter().enumerate() {
            let ExecutionOutcome::Failed { error, cause } = ends(&scene, rival).await else {
                panic!("{}: {rival} is refused", strategy.name)
            };
            let cause = cause.unwrap_or_default();
            assert_eq!(error.as_deref(), Some("FailedClean"), "{}: {cause}", strategy.name);
            for words in ["(since first)", SHOP, "may not steer "] {
                assert!(cause.contains(words), "{}: {rival}: {words:?} is missing in {cause}", strategy.name);
            }
            // The last one may come when the first has just ended.
            let held = cause.contains("LockHeld") && cause.contains("which is being deployed by first");
            assert!(held || i + 2 > rivals.len(), "{}: {rival}: {cause}", strategy.name);
        }
        let made = scene.world().group_names().into_iter().find(|name| name.starts_with("rival"));
        assert_eq!(made, None, "{}", strategy.name);
        scene.holds_no_lock();
    }
}

#[tokio::test(start_paused = true)]
async fn g3_of_two_definitions_that_start_at_the_same_moment_one_gets_the_switch() {
    let mut scene = Scene::new(ShopOptions::default());
    let rule = scene.add_route("fresh", true);
    let document = scene.document_with(|d| {
        d["routing"] = json!({ "weighted": [rule] });
        d["strategy"] = json!({ "blueGreenShift": {} });
    });
    for service in ["one", "two"] {
        let input = of_service(&document, service);
        StepFunctions::start(&scene.sim, &scene.installation.deploy_arn, Some(service), &input).expect("it starts");
    }
    let ended = [ends(&scene, "one").await, ends(&scene, "two").await];
    let winners = ended.iter().filter(|it| matches!(it, ExecutionOutcome::Succeeded(_))).count();
    assert_eq!(winners, 1, "{ended:?}");
    let told = format!("{ended:?}");
    assert!(told.contains("may not steer "), "{told}");
    let made = scene.world().group_names().into_iter().filter(|it| it.ends_with("__1")).count();
    assert_eq!(made, 1, "only one has a fleet");
    scene.holds_no_lock();
}

#[tokio::test(start_paused = true)]
async fn another_definition_never_takes_the_traffic_over_whether_or_not_there_are_records_yet() {
    for strategy in STRATEGIES {
        let mut scene = strategy.scene();
        let evil = of_service(&strategy.document(&scene), "evil");
        // As after an upgrade: the shop was deployed before owners were recorded, and its fleets say so.
        let ended = scene.play("evil-1", &evil, APPROVE).await;
        refused(&ended, &["target group shop-a (its fleet shop__6 is attached)", &format!(" to {SHOP}"), EVIL]);
        scene.is_as_before();

        let document = strategy.document(&scene);
        let ended = scene.play("seven", &document, APPROVE).await;
        succeeded(&ended);
        assert!(ended.log.join("\n").contains("Nobody has steered"), "the first use is told: {:#?}", ended.log);
        scene.remember();
        let ended = scene.play("evil-2", &evil, APPROVE).await;
        refused(&ended, &["(since seven)", &format!("crossfade handover --from {SHOP} --to {EVIL} arn:")]);
        scene.is_as_before();
        let ended = scene.play("eight", &document, APPROVE).await;
        succeeded(&ended);
        assert!(!ended.log.join("\n").contains("Nobody has steered"), "it is told once: {:#?}", ended.log);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_is_steered_by_the_other_definition_alone_and_that_is_recorded() {
    let mut scene = Scene::new(ShopOptions::default());
    let rule = scene.add_route("fresh", true);
    let document = scene.document_with(|d| {
        d["routing"] = json!({ "weighted": [rule] });
        d["strategy"] = json!({ "blueGreenShift": {} });
    });
    let (old, new) = (of_service(&document, "old"), of_service(&document, "new"));
    succeeded(&scene.play("old-1", &old, APPROVE).await);
    // As the refused deployment prints it.
    let cause = scene.play("new-1", &new, APPROVE).await.cause().to_owned();
    let (_, command) = cause.split_once("`crossfade handover ").expect("the command is there");
    let words: Vec<&str> = command.split_once('`').expect("it ends").0.split(' ').collect();
    let ["--from", from, "--to", to, arns @ ..] = words.as_slice() else { panic!("{words:?}") };
    let arns: Vec<String> = arns.iter().map(|&arn| arn.to_owned()).collect();
    assert_eq!((*from, *to, arns.len()), ("old/production/shop-base", "new/production/shop-base", 3));

    let ann = ann(&scene);
    let failure = hand_over(&ann, &arns, "other/production/x", to, said()).await.expect_err("not the owner");
    assert!(failure.message.contains(&format!("belongs to {from}")), "{failure}");
    hand_over(&ann, &arns, from, to, said()).await.expect("nobody deploys");
    scene.holds_no_lock();
    let record = scene.installation.record(&format!("steered#{rule}"), "owner").expect("it is recorded");
    assert_eq!((&record["infrastructure"], &record["by"]), (&json!(to), &json!("ann")));

    refused(&scene.play("old-2", &old, APPROVE).await, &[&format!(" to {to}")]);
    succeeded(&scene.play("new-2", &new, APPROVE).await);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_handed_over_while_its_owner_deploys_or_is_stuck() {
    let scene = Scene::new(ShopOptions::default());
    let rule = scene.shop.route().to_owned();
    StepFunctions::start(&scene.sim, &scene.installation.deploy_arn, Some("first"), &scene.document())
        .expect("it starts");
    scene.sim.clock.sleep(Duration::from_secs(30)).await;
    let failure = hand_over(&ann(&scene), &[rule], SHOP, EVIL, said()).await.expect_err("it is being deployed");
    assert_eq!(failure.kind, Kind::LockHeld, "{failure}");
    assert!(failure.message.contains("is being deployed by first"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_came_to_nothing_keeps_no_switch() {
    let mut scene = Scene::new(ShopOptions::default());
    let rule = scene.add_route("fresh", true);
    let document = scene.document_with(|d| d["routing"] = json!({ "weighted": [rule] }));
    let ended = scene.play("wrong-arn", &of_service(&document, "one"), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    let record = scene.installation.record(&format!("steered#{rule}"), "owner").expect("it was recorded");
    assert_eq!(record["infrastructure"], Value::Null);
    succeeded(&scene.play("right", &of_service(&document, "two"), APPROVE).await);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_ended_dirty_keeps_what_it_steers() {
    let mut scene = Scene::new(ShopOptions::default());
    let rule = scene.add_route("fresh", true);
    let mut document = scene.document_with(|d| d["routing"] = json!({ "weighted": [rule] }));
    document["strategy"]["blueGreenShift"] = json!({ "percents": [10, 100], "approveAfterPercents": [10] });
    let sim = scene.sim.clone();
    let on = rule.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
            let mut world = sim.world();
            let sides: Vec<String> = world.weights(&on).into_iter().map(|(arn, _)| arn).collect();
            world.set_weights(&on, &[(&sides[0], 60), (&sides[1], 40)]);
        }
    };
    let ended = scene.watched("dirty", &of_service(&document, "one"), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedDirty, "{}", ended.cause());
    let cause = scene.play("other", &of_service(&document, "two"), APPROVE).await.cause().to_owned();
    assert!(cause.contains("(since dirty)") && cause.contains("which is being deployed by dirty"), "{cause}");
}

/// What the rules, listeners and target groups are tagged with that a scene's document steers: by ARN.
fn tags(scene: &Scene, document: &Value) -> BTreeMap<String, Option<String>> {
    let world = scene.world();
    let named = document["routing"].to_string();
    let mut steered: Vec<String> = named.split('"').filter(|it| it.starts_with("arn:")).map(str::to_owned).collect();
    let sides = steered.iter().flat_map(|arn| world.weights(arn)).map(|(arn, _)| arn).collect::<Vec<_>>();
    steered.extend(sides);
    let tag = |arn: &String| world.balancing_tags(arn).and_then(|tags| tags.get(TAG).cloned());
    steered.iter().map(|arn| (arn.clone(), tag(arn))).collect()
}

/// Tags something of a load balancer as whose it is, as a person would; without a value, takes the tag off.
fn set_tag(scene: &Scene, arn: &str, owner: Option<&str>) {
    let mut world = scene.world();
    let tags = world.balancing_tags_mut(arn).expect("it is there");
    match owner {
        Some(owner) => tags.insert(TAG.to_owned(), owner.to_owned()),
        None => tags.remove(TAG),
    };
}

#[tokio::test(start_paused = true)]
async fn what_a_deployment_is_the_first_to_steer_is_tagged_and_that_is_told_once() {
    for strategy in STRATEGIES {
        let mut scene = strategy.scene();
        let document = strategy.document(&scene);
        let bare = tags(&scene, &document);
        assert!(
            bare.len() >= 2 || strategy.name == "basic" || strategy.name == "canary",
            "{}: {bare:?}",
            strategy.name
        );
        assert!(bare.values().all(Option::is_none));
        let preview = preview(&document, &ann(&scene)).await.expect("it can be planned");
        assert!(
            preview.notes.join("\n").contains("will bear the tag crossfade:infrastructure"),
            "{:#?}",
            preview.notes
        );

        let ended = scene.play("no", &document, REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
        let log = ended.log.join("\n");
        for told in ["will bear the tag", "as belonging to shop/production/shop-base", "Taking the tag off"] {
            assert!(log.contains(told), "{}: {told:?} is missing in {log}", strategy.name);
        }
        scene.is_as_before();

        succeeded(&scene.play("seven", &document, APPROVE).await);
        assert!(tags(&scene, &document).values().all(|tag| tag.as_deref() == Some(SHOP)), "{}", strategy.name);
        let of_others = [scene.shop.target_group_other.clone()];
        assert!(of_others.iter().all(|arn| scene.world().balancing_tags(arn).is_some_and(BTreeMap::is_empty)));

        // What was tagged before stays so, and one that somebody has taken off meanwhile is set again.
        scene.remember();
        let ended = scene.play("no-again", &document, REJECT).await;
        assert!(!ended.log.join("\n").contains("the tag"), "{}: it is told once: {:#?}", strategy.name, ended.log);
        scene.is_as_before();
        let arn = tags(&scene, &document).into_keys().next_back().expect("something is steered");
        set_tag(&scene, &arn, None);
        succeeded(&scene.play("eight", &document, APPROVE).await);
        assert!(tags(&scene, &document).values().all(|tag| tag.as_deref() == Some(SHOP)), "{}", strategy.name);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_record_says_is_ours_and_bears_no_tag_yet_is_tagged_by_the_next_deployment() {
    let mut scene = Scene::new(ShopOptions::default());
    let document = scene.document();
    succeeded(&scene.play("seven", &document, APPROVE).await);
    // As after an upgrade: records there are, tags there are not.
    for arn in tags(&scene, &document).keys() {
        set_tag(&scene, arn, None);
    }
    scene.remember();
    let ended = scene.play("no", &document, REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    scene.is_as_before();
    let ended = scene.play("eight", &document, APPROVE).await;
    succeeded(&ended);
    let log = ended.log.join("\n");
    assert!(log.contains("will bear the tag") && !log.contains("Nobody has steered"), "{log}");
    assert!(tags(&scene, &document).values().all(|tag| tag.as_deref() == Some(SHOP)));
}

#[tokio::test(start_paused = true)]
async fn what_bears_another_definitions_tag_is_refused_by_name_until_it_is_handed_over() {
    // Another installation's, which has a table of its own: there is no record here, or one that says that it is still ours.
    for deployed in [false, true] {
        let mut scene = Scene::new(ShopOptions::default());
        let document = scene.document();
        if deployed {
            succeeded(&scene.play("seven", &document, APPROVE).await);
        }
        let rule = scene.shop.route().to_owned();
        set_tag(&scene, &rule, Some(EVIL));
        scene.remember();
        let cause = scene.play("refused", &document, APPROVE).await;
        let command = format!("crossfade handover --from {EVIL} --to {SHOP} {rule}");
        refused(&cause, &["its tag crossfade:infrastructure says so", &format!(" to {EVIL}"), &command]);
        scene.is_as_before();

        let arns = [rule.clone()];
        let failure = hand_over(&ann(&scene), &arns, "other/production/x", "x/y/z", said()).await.expect_err("not its");
        assert_eq!(failure.kind, Kind::PreflightFailed, "{failure}");
        // Twice is once.
        for _ in 0..2 {
            hand_over(&ann(&scene), &arns, EVIL, SHOP, said()).await.expect("nobody deploys");
            assert_eq!(tags(&scene, &document)[&rule].as_deref(), Some(SHOP));
        }
        succeeded(&scene.play("eight", &document, APPROVE).await);
    }
}

#[tokio::test(start_paused = true)]
async fn handing_over_tags_what_it_hands_over() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document();
    succeeded(&scene.play("seven", &document, APPROVE).await);
    let arns: Vec<String> = tags(&scene, &document).into_keys().collect();
    hand_over(&ann(&scene), &arns, SHOP, EVIL, said()).await.expect("nobody deploys");
    assert!(tags(&scene, &document).values().all(|tag| tag.as_deref() == Some(EVIL)));
    refused(&scene.play("eight", &document, APPROVE).await, &[&format!(" to {EVIL}"), "(since handover-"]);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_room_for_a_tag_is_refused_by_name() {
    let mut scene = Scene::new(ShopOptions::default());
    let rule = scene.shop.route().to_owned();
    let many = (0..50).map(|i| (format!("team-{i}"), String::new()));
    scene.world().balancing_tags_mut(&rule).expect("it is there").extend(many);
    scene.remember();
    refused(
        &scene.play("seven", &scene.document(), APPROVE).await,
        &["have as many tags as AWS allows", "Take one off"],
    );
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_somebody_takes_off_meanwhile_keeps_the_role_from_steering_on_and_not_from_steering_back() {
    for strategy in STRATEGIES.into_iter().filter(|it| matches!(it.name, "shift" | "listener swap")) {
        for (first, answer) in [(true, APPROVE), (false, APPROVE), (false, REJECT)] {
            let mut scene = strategy.scene();
            let mut document = strategy.document(&scene);
            if !first {
                succeeded(&scene.play("seven", &document, APPROVE).await);
            }
            // One that asks while it still has something to steer, or to steer back.
            if strategy.name == "listener swap" {
                let all = json!({ "percent": 100 });
                let stages = json!([{ "upscale": all }, { "swap": {} }, { "approve": {} }, { "downsize": all }]);
                document["strategy"] = json!({ "stages": stages });
                if answer == APPROVE {
                    continue;
                }
            }
            scene.remember();
            // What is refused here is meant to be.
            let roles = Roles::guard(&scene.sim);
            let (sim, rule) = (scene.sim.clone(), scene.shop.route().to_owned());
            let on = rule.clone();
            let see = move |happening: &Happening| {
                if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
                    let mut world = sim.world();
                    world.balancing_tags_mut(&on).expect("it is there").remove(TAG);
                }
            };
            let ended = scene.watched("bare", &document, Box::new(move |_| answer), see).await;
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
            ended.lost_nothing();
            if answer == APPROVE {
                assert!(
                    ended.cause().contains("Does it still bear the tag crossfade:infrastructure?"),
                    "{}",
                    ended.cause()
                );
                assert!(!roles.refused().is_empty(), "the role held");
            } else {
                assert_eq!(roles.refused(), Vec::<String>::new());
            }
            assert!(ended.log.join("\n").contains("it is set again until the weights are back"), "{:#?}", ended.log);
            // It is left as somebody has set it.
            assert_eq!(tags(&scene, &document)[&rule], None);
            if !first {
                set_tag(&scene, &rule, Some(SHOP));
            }
            scene.is_as_before();
        }
    }
}

/// Tags a group as a revision of the shop.
fn tag(world: &mut World, group: &str, revision: &str) {
    world.set_tag(group, "crossfade:infrastructure", Some(SHOP)).expect("a tag can be set");
    world.set_tag(group, "crossfade:revision", Some(revision)).expect("a tag can be set");
}

#[tokio::test(start_paused = true)]
async fn o8_two_copied_tags_on_another_teams_group_are_refused_not_obeyed() {
    for (revision, says) in [("5", "So does shop__5."), ("99", "neither its name nor a record bears that out")] {
        let mut scene = Scene::new(ShopOptions::default());
        tag(&mut scene.world(), "other-team", revision);
        scene.remember();
        let ended = scene.play("seven", &scene.document(), APPROVE).await;
        refused(
            &ended,
            &["other-team bears the tags of revision", says, &format!("crossfade adopt {SHOP} other-team")],
        );
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn g7_where_a_record_says_which_fleet_a_revision_is_a_copy_of_its_tags_is_left_alone() {
    let scene = Scene::new(ShopOptions::default());
    succeeded(&scene.play("seven", &scene.document(), APPROVE).await);
    tag(&mut scene.world(), "other-team", "7");
    let before = scene.size("other-team");
    let ended = scene.play("eight", &scene.document(), APPROVE).await;
    succeeded(&ended);
    assert!(ended.log.join("\n").contains("that is shop__7: other-team is left alone"), "{:#?}", ended.log);
    let back = scene.document_with(|d| d["artifact"] = json!({ "revision": 7 }));
    succeeded(&scene.play("back", &back, APPROVE).await);
    assert_eq!(scene.size("shop__7"), Some((4, 4, 8)), "the one that the record names");
    assert_eq!(scene.size("other-team"), before);
}

#[tokio::test(start_paused = true)]
async fn a_group_tagged_by_hand_becomes_an_earlier_fleet_once_somebody_has_adopted_it() {
    let scene = Scene::new(ShopOptions::default());
    // A series of another name: that of the fleets proves nothing.
    let document = scene.document_with(|d| d["compute"]["autoScalingGroup"]["name"] = json!("web"));
    let ended = scene.play("web-1", &document, APPROVE).await;
    refused(&ended, &[&format!("crossfade adopt {SHOP} shop__6")]);
    scene.is_as_before();

    let ann = ann(&scene);
    let failure = adopt(&ann, SHOP, "other-team", said()).await.expect_err("it has no tags");
    assert!(failure.message.contains("has to bear the tags"), "{failure}");
    let failure = adopt(&ann, SHOP, "shop-base", said()).await.expect_err("it is the base");
    assert!(failure.message.contains("never a fleet"), "{failure}");
    for revision in 2..=6 {
        assert_eq!(adopt(&ann, SHOP, &format!("shop__{revision}"), said()).await, Ok(revision));
    }
    tag(&mut scene.world(), "other-team", "6");
    let failure = adopt(&ann, SHOP, "other-team", said()).await.expect_err("the number is taken");
    assert!(failure.message.contains("is shop__6 by the records"), "{failure}");
    scene.world().set_tag("other-team", "crossfade:infrastructure", None).expect("a tag can be removed");
    scene.holds_no_lock();

    succeeded(&scene.play("web-2", &document, APPROVE).await);
    assert_eq!((scene.size("web__7"), scene.size("shop__6")), (Some((4, 4, 8)), Some((0, 0, 0))));
}

#[tokio::test(start_paused = true)]
async fn a_revision_number_out_of_reach_stops_nothing() {
    let scene = Scene::new(ShopOptions::default());
    let before = scene.size("other-team");
    tag(&mut scene.world(), "other-team", "4294967295");
    let ended = scene.play("seven", &scene.document(), APPROVE).await;
    succeeded(&ended);
    assert!(ended.log.join("\n").contains("other-team bears the tag"), "{:#?}", ended.log);
    assert_eq!((scene.size("shop__7"), scene.size("other-team")), (Some((4, 4, 8)), before));
}

#[tokio::test(start_paused = true)]
async fn a_base_that_is_tagged_as_a_revision_is_refused() {
    for strategy in STRATEGIES {
        let mut scene = strategy.scene();
        scene.world().resize("shop-base", 1, 2, 1).expect("a person may");
        tag(&mut scene.world(), "shop-base", "1");
        scene.sim.clock.sleep(Duration::from_secs(300)).await;
        scene.remember();
        let ended = scene.play("seven", &strategy.document(&scene), APPROVE).await;
        refused(&ended, &["The base shop-base bears the tags of a fleet", "adopt shop-base as a revision of that one"]);
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn a_base_or_a_stranger_that_is_tagged_while_a_deployment_runs_is_not_pruned() {
    for strategy in STRATEGIES {
        let scene = strategy.scene();
        let sim = scene.sim.clone();
        let see = move |happening: &Happening| {
            if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
                let mut world = sim.world();
                world.resize("other-team", 0, 0, 0).expect("its own team does that");
                tag(&mut world, "shop-base", "0");
                tag(&mut world, "other-team", "1");
            }
        };
        let ended = scene.watched("seven", &strategy.document(&scene), Box::new(|_| APPROVE), see).await;
        succeeded(&ended);
        for group in ["shop-base", "other-team"] {
            assert!(scene.world().group(group).is_some(), "{}: {group} is there", strategy.name);
        }
        assert!(scene.world().group("shop__2").is_none(), "{}: what is ours is pruned", strategy.name);
    }
}
