//! Whole deployments, from the document to the end state of every resource: O1, O3–O7, B1–B3, B5, B10, B11, G2, G6.

use std::sync::Arc;
use std::time::Duration;

use crossfade_core::document::Decision;
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_sim::Effect;
use crossfade_sim::world::sample::{NewImage, ShopOptions, Source};
use crossfade_steps::{Context, WallClock};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn o1_o3_o6_b1_b2_a_shift_ends_with_exactly_what_was_asked_and_nothing_lost() {
    let scene = Scene::new(ShopOptions::default());
    scene.succeed("first").await.lost_nothing();
    assert_eq!(scene.weights(), (0, 100));
    assert_eq!(scene.size("shop__7"), Some((4, 4, 8)), "same as running, read when the deployment started");
    assert_eq!(scene.size("shop__6"), Some((0, 0, 0)));
    let world = scene.world();
    assert_eq!(world.healthy_in(&scene.shop.target_group_b), 4);
    let group = world.group("shop__7").expect("it was made");
    let tag = |key: &str| group.tags.get(key).map(|tag| tag.value.as_str());
    assert_eq!(tag("crossfade:infrastructure"), Some("shop/production/shop-base"));
    assert_eq!(tag("crossfade:revision"), Some("7"));
    assert_eq!(tag("crossfade:deployment"), Some("first"));
    drop(world);
    scene.holds_no_lock();
}

#[tokio::test(start_paused = true)]
async fn o4_the_last_three_old_fleets_at_0_are_kept_with_their_launch_templates_and_the_rest_is_gone() {
    let scene = Scene::new(ShopOptions::default());
    scene.succeed("first").await;
    // Deleting a group takes AWS a while, and nobody waits for it.
    scene.sim.clock.sleep(Duration::from_secs(60)).await;
    let groups = scene.world().group_names();
    let kept: Vec<&str> = groups.iter().map(String::as_str).filter(|name| name.starts_with("shop__")).collect();
    assert_eq!(kept, ["shop__4", "shop__5", "shop__6", "shop__7"]);
    let inventory = scene.world().inventory();
    let text = inventory.to_string();
    for (deployment, there) in
        [("crossfade earlier-6", true), ("crossfade earlier-4", true), ("crossfade earlier-3", false)]
    {
        assert_eq!(text.contains(deployment), there, "{deployment}");
    }
}

#[tokio::test(start_paused = true)]
async fn o8_what_others_own_is_never_touched() {
    let scene = Scene::new(ShopOptions::default());
    let of = |inventory: &Value, name: &str| inventory.pointer(&format!("/autoScalingGroups/{name}")).cloned();
    let foreign = scene.shop.foreign_group.clone();
    let before = of(&scene.before, &foreign);
    assert!(before.is_some(), "{:#}", scene.before);
    scene.succeed("first").await;
    let after = scene.world().inventory();
    assert_eq!(of(&after, &foreign), before);
    assert_eq!(of(&after, &scene.shop.base_group), of(&scene.before, &scene.shop.base_group), "the base is only read");
}

#[tokio::test(start_paused = true)]
async fn deployments_follow_each_other_and_the_roles_change_sides() {
    let scene = Scene::new(ShopOptions::default());
    scene.succeed("first").await.lost_nothing();
    let second = scene.succeed("second").await;
    second.lost_nothing();
    assert_eq!(scene.weights(), (100, 0), "the weights say which side is production, not the document");
    assert_eq!(scene.size("shop__8"), Some((4, 4, 8)));
    assert_eq!(scene.size("shop__7"), Some((0, 0, 0)));
    scene.succeed("third").await.lost_nothing();
    assert_eq!(scene.weights(), (0, 100));
    assert_eq!(scene.size("shop__9"), Some((4, 4, 8)));
}

#[tokio::test(start_paused = true)]
async fn what_the_last_deployment_took_saves_reads_in_the_next() {
    let scene = Scene::new(ShopOptions::default());
    let first = scene.succeed("first").await.summary;
    let second = scene.succeed("second").await.summary;
    let of_second = second.read_calls - first.read_calls;
    assert!(of_second < first.read_calls, "{of_second} reads, the first took {}", first.read_calls);
    assert!(second.idle_seconds_p95 <= 5.0, "{}", second.idle_seconds_p95);
}

#[tokio::test(start_paused = true)]
async fn b3_a_rejection_puts_everything_back() {
    let scene = Scene::new(ShopOptions::default());
    let ended = scene.play("no", &scene.document(), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("rejected by operator"), "{}", ended.cause());
    ended.lost_nothing();
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn b3_silence_counts_as_the_document_says() {
    let approval = |on_timeout: &str| json!({"message": "Go on?", "timeoutMinutes": 5, "onTimeout": on_timeout});
    for (on_timeout, outcome) in [("reject", Outcome::FailedClean), ("approve", Outcome::Succeeded)] {
        let scene = Scene::new(ShopOptions::default());
        let document = scene.document_with(|d| d["strategy"]["blueGreenShift"]["approval"] = approval(on_timeout));
        let ended = scene.play("silent", &document, Answer::Nothing).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        assert!(ended.summary.virtual_seconds > 300.0);
        ended.lost_nothing();
        if outcome == Outcome::FailedClean {
            assert!(ended.cause().contains("nobody decided within 5 min"), "{}", ended.cause());
            scene.is_as_before();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g2_a_decision_is_recorded_with_who_and_why_and_asked_for_in_a_notification() {
    let scene = Scene::new(ShopOptions::default());
    scene.succeed("first").await;
    let approval = scene.installation.record("deployment#first", "approval#deploy#004").expect("it was asked");
    assert_eq!(approval["decision"], "approve");
    assert_eq!(approval["by"], "operator");
    assert_eq!(approval["comment"], "in the demo");
    assert_eq!(approval["taskToken"], "", "a decided token is not kept");
    let topics = scene.sim.topics();
    let subjects: Vec<&str> = topics.published().iter().filter_map(|message| message.subject.as_deref()).collect();
    assert_eq!(
        subjects,
        ["started", "approval wanted", "succeeded"].map(|what| format!("crossfade: shop/production/shop-base {what}"))
    );
}

#[tokio::test(start_paused = true)]
async fn every_way_in_which_the_new_image_can_be_bad_ends_clean() {
    let grace_seconds = ShopOptions::default().grace_seconds;
    for (new_image, grace_seconds, says) in [
        (NewImage::Unhealthy, grace_seconds, "because they failed their health checks"),
        (NewImage::Unhealthy, 7_200, "0 of 4 healthy in shop-b"),
        (NewImage::NoCapacity, grace_seconds, "do not have sufficient m6i.large capacity"),
        (NewImage::Slow, 7_200, "did not come about within 20 min"),
    ] {
        let image = format!("{new_image:?}, {grace_seconds} s of grace");
        let scene = Scene::new(ShopOptions { new_image, grace_seconds, ..ShopOptions::default() });
        let ended = scene.play("bad", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{image}");
        assert!(ended.cause().contains(says), "{image}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_falls_sick_with_some_traffic_gets_no_more_and_is_rolled_back() {
    let scene = Scene::new(ShopOptions::default());
    let (sim, ami) = (scene.sim.clone(), scene.shop.new_ami.clone());
    let see = move |happening: &Happening| {
        let asking = |name: &str| name.starts_with("Approve");
        if matches!(&happening.what, What::StageStarted { name, .. } if asking(name)) {
            let mut world = sim.world();
            world.image_mut(&ami).expect("it exists").behaviour.passes_health_checks = false;
            for instance in world.instances_of("shop__7") {
                world.sicken_instance(&instance);
            }
        }
    };
    let ended = scene.watched("sick", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("nothing of it is healthy any more in shop-b"), "{}", ended.cause());
    let share = |what: &What| match what {
        What::Frame(frame) => frame.weights.get("shop-b").copied(),
        _ => None,
    };
    assert_eq!(ended.happenings.iter().filter_map(|h| share(&h.what)).max(), Some(10), "nothing more was shifted");
    scene.world().image_mut(&scene.shop.new_ami.clone()).expect("it exists").behaviour.passes_health_checks = true;
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn b5_every_kind_of_base_is_cloned_and_put_back() {
    for base in [Source::Pinned, Source::Default, Source::Latest, Source::LaunchConfiguration] {
        let scene = Scene::new(ShopOptions { base, ..ShopOptions::default() });
        let ended = scene.play("no", &scene.document(), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{base:?}: {}", ended.cause());
        scene.is_as_before();

        scene.succeed("yes").await.lost_nothing();
        let source = scene.world().group_view("shop__8").and_then(|view| view.source).expect("it launches");
        match base {
            Source::LaunchConfiguration => assert_eq!(source, "shop__8", "a configuration of its own"),
            _ => {
                let (template, version) = source.split_once(':').expect("a template and a version");
                assert_eq!(template, scene.shop.template);
                assert!(version.parse::<u64>().is_ok_and(|version| version > 8), "pinned by number (P38): {version}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b1_a_listeners_default_action_is_shifted_like_a_rule() {
    let scene = Scene::new(ShopOptions { default_action: true, ..ShopOptions::default() });
    let ended = scene.play("no", &scene.document(), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    scene.is_as_before();
    scene.succeed("yes").await.lost_nothing();
    assert_eq!(scene.weights(), (0, 100));
}

#[tokio::test(start_paused = true)]
async fn p44_p45_logins_and_stickiness_stay_as_they_are_and_draining_waits_for_the_cookies() {
    let options = ShopOptions { login: true, sticky_seconds: Some(900), ..ShopOptions::default() };
    let scene = Scene::new(options);
    let actions = |scene: &Scene| format!("{:?}", scene.world().actions(scene.shop.route()));
    let without_weights = |text: String| text.replace("\"100\"", "N").replace("\"0\"", "N");
    let before = without_weights(actions(&scene));
    let ended = scene.succeed("sticky").await;
    ended.lost_nothing();
    assert_eq!(without_weights(actions(&scene)), before);
    let at = |wanted: &str| {
        let held = ended
            .happenings
            .iter()
            .find(|h| matches!(&h.what, What::StageHeld { name, .. } if name.starts_with(wanted)));
        held.expect("the stage held").at_seconds
    };
    let drained = at("Drain") - at("Shift 100 %");
    assert!((900.0..905.0).contains(&drained), "clients may stick to the old side for 900 s, it drained {drained} s");
}

#[tokio::test(start_paused = true)]
async fn b10_stages_written_out_bring_up_percents_and_counts() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|d| {
        d["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": {"min": 2, "desired": 4, "max": 6}});
        d["strategy"] = json!({"stages": [
            {"upscale": {"percent": 25}}, {"shift": {"percent": 25}}, {"pause": {"seconds": 120}},
            {"upscale": {"count": 2}}, {"shift": {"percent": 50}},
            {"upscale": {"percent": 100}}, {"shift": {"percent": 100}}
        ]});
    });
    let ended = scene.play("steps", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let frames = ended.happenings.iter().filter_map(|h| match &h.what {
        What::Frame(frame) => frame.candidate.as_ref().map(|fleet| fleet.desired),
        _ => None,
    });
    let mut sizes: Vec<u32> = frames.collect();
    sizes.dedup();
    assert_eq!(sizes, [0, 1, 2, 4], "25 % of 4 is 1");
    assert_eq!(scene.size("shop__7"), Some((2, 4, 6)), "exactly what was asked, at the end");
    assert_eq!(scene.size("shop__6"), Some((4, 4, 8)), "without a downsize stage the old fleet stays");
    scene.holds_no_lock();
}

#[tokio::test(start_paused = true)]
async fn b3_a_rollback_can_pause_for_an_inspection_with_the_traffic_already_back() {
    for answer in [APPROVE, REJECT, Answer::Nothing] {
        let scene = Scene::new(ShopOptions::default());
        let document = scene.document_with(|d| d["rollback"] = json!({"approval": {"timeoutMinutes": 30}}));
        let mut asked = 0;
        let operator = Box::new(move |_: &_| {
            asked += 1;
            if asked == 1 { Answer::Decide(Decision::Reject) } else { answer }
        });
        let ended = scene.play_with("look", &document, operator).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        assert!(ended.cause().contains("rejected by operator"), "the reason of the rollback stays: {}", ended.cause());
        let inspecting = |what: &What| matches!(what, What::StageStarted { name, .. } if name.starts_with("Inspect"));
        let from = ended.happenings.iter().position(|h| inspecting(&h.what)).expect("it paused");
        let frame = ended.happenings[from..].iter().find_map(|h| match &h.what {
            What::Frame(frame) => Some(frame.clone()),
            _ => None,
        });
        let frame = frame.expect("it was seen");
        assert_eq!(frame.weights["shop-a"], 100);
        assert_eq!(
            frame.candidate.map(|fleet| fleet.in_service),
            Some(4),
            "the candidate is still there to be looked at"
        );
        let topics = scene.sim.topics();
        let told: Vec<&str> = topics.published().iter().map(|message| message.message.as_str()).collect();
        let asked = told.iter().find(|told| told.contains("Inspect shop__7")).expect("it is told");
        for part in [
            "waits for an inspection at stage ",
            "in 30 minutes the inspection ends.",
            "End it: crossfade approve look --stage ",
        ] {
            assert!(asked.contains(part), "{part} is missing in\n{asked}");
        }
        assert!(!asked.contains("crossfade reject") && !asked.contains("counts as"), "{asked}");
        drop(topics);
        assert!(ended.log.iter().any(|line| line.starts_with("Inspection ended by ")), "{:#?}", ended.log);
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn g6_the_log_tells_the_facts() {
    let scene = Scene::new(ShopOptions::default());
    let log = scene.succeed("first").await.log.join("\n");
    for fact in [
        "Target group shop-a is production, shop-b takes the new fleet",
        "shop__6 serves now, with 4 (min 4, max 8)",
        "Created Auto Scaling group shop__7 from shop-base at size 0",
        "Resizing shop__7 from 0 (min 0, max 0) to 4 (min 4, max 8)",
        "shop__7 is steady: 4 of 4 healthy",
        "Setting weights shop-a 90 : shop-b 10",
        "Approved by operator: in the demo",
        "Resizing shop__6 from 4 (min 4, max 8) to 0 (min 0, max 0)",
        "shop__7: Launching a new EC2 instance: i-",
        "shop__6: Terminating EC2 instance: i-",
        "Deleted shop__2 beyond the 3 that served last",
        "Succeeded",
    ] {
        assert!(log.contains(fact), "{fact:?} is missing in:\n{log}");
    }
    assert!(!log.contains("taskToken"), "tokens stay out of the log");
}

#[tokio::test(start_paused = true)]
async fn p15_a_large_fleet_that_cannot_launch_is_given_up_as_early_as_a_small_one() {
    let scene = Scene::new(ShopOptions { new_image: NewImage::NoCapacity, instances: 40, ..ShopOptions::default() });
    let ended = scene.play("large", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("do not have sufficient m6i.large capacity"), "{}", ended.cause());
    assert!(ended.summary.virtual_seconds < 300.0, "{} s", ended.summary.virtual_seconds);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn as_many_stages_as_the_schema_allows_can_be_written_down() {
    let scene = Scene::new(ShopOptions { requests_per_second: 1.0, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        let mut stages = vec![json!({"upscale": {"percent": 100}})];
        stages.extend((0..97).map(|_| json!({"pause": {"seconds": 1}})));
        stages.extend([json!({"shift": {"percent": 100}}), json!({"downsize": {"percent": 100}})]);
        assert_eq!(stages.len(), 100);
        d["strategy"] = json!({ "stages": stages });
    });
    let ended = scene.play("many", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_preview_shows_what_the_deployment_then_does_and_only_reads() {
    let scene = Scene::new(ShopOptions::default());
    let config = scene.sim.sdk_config_for("preview");
    let context = Context::new(&config, Arc::new(WallClock), scene.installation.settings());
    let preview = crossfade_steps::preview(&scene.document(), &context).await.expect("nothing stands in the way");
    let calls = scene.sim.calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.effect == Effect::Read), "{calls:#?}");
    scene.is_as_before();

    let ended = scene.succeed("first").await;
    let planned = ended.happenings.iter().find_map(|h| match &h.what {
        What::Planned { stages, .. } => Some(stages.clone()),
        _ => None,
    });
    let shown: Vec<String> = preview.plan.stages.iter().map(|stage| stage.name.clone()).collect();
    assert_eq!(planned, Some(shown));
    assert_eq!(preview.snapshot.candidate, "shop__7");
}

#[tokio::test(start_paused = true)]
async fn p68_reads_that_lag_behind_writes_neither_fail_nor_mislead() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let scene = Scene::new(ShopOptions::default());
        scene.world().settings.read_staleness_millis = 9_000;
        let ended = scene.play("stale", &scene.document(), answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
        if outcome == Outcome::FailedClean {
            scene.is_as_before();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_of_the_candidate_that_dies_is_waited_for_before_more_traffic_comes() {
    let scene = Scene::new(ShopOptions::default());
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
            let mut world = sim.world();
            let victims = world.instances_of("shop__7");
            victims.iter().take(3).for_each(|victim| assert!(world.kill_instance(victim)));
        }
    };
    let ended = scene.watched("dies", &scene.document(), Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert!(ended.log.iter().any(|line| line.contains("1 of 2 healthy in shop-b")), "{:#?}", ended.log);
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn the_first_deployment_of_all_has_nothing_to_shift_away_from() {
    let scene = Scene::new(ShopOptions { instances: 0, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        d["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": {"min": 1, "desired": 2, "max": 4}});
    });
    let ended = scene.play("first", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(scene.weights(), (0, 100));
    assert_eq!(scene.size("shop__7"), Some((1, 2, 4)));
}

#[tokio::test(start_paused = true)]
async fn every_seed_ends_the_same_way() {
    for seed in 1..=20 {
        let scene = Scene::seeded(seed, ShopOptions::default());
        let answer = if seed % 2 == 0 { APPROVE } else { REJECT };
        let ended = scene.play("seeded", &scene.document(), answer).await;
        ended.lost_nothing();
        match answer {
            APPROVE => assert_eq!(ended.summary.outcome, Outcome::Succeeded, "seed {seed}: {}", ended.cause()),
            _ => scene.is_as_before(),
        }
    }
}
