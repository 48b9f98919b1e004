//! Series of revisions: numbers, what is kept, and going back to a kept one: O3, O4, B8, G7.

use std::time::Duration;

use crossfade_core::Kind;
use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::world::GroupSpec;
use crossfade_sim::world::sample::{Compute, Layout, ShopOptions, Source};
use crossfade_sim::{Request, Service};
use crossfade_steps::preview;
use crossfade_tests::strategies::STRATEGIES;
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use serde_json::{Value, json};

fn back_to(document: &Value, revision: u32) -> Value {
    let mut document = document.clone();
    document["artifact"] = json!({ "revision": revision });
    document
}

#[track_caller]
fn succeeded(ended: &Ended) {
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn g7_a_deployment_that_has_succeeded_is_taken_back_by_the_same_stages_and_the_series_goes_on() {
    for strategy in STRATEGIES {
        let name = strategy.name;
        let scene = Scene::new(ShopOptions { equipped: true, ..strategy.options() });
        let document = strategy.document(&scene);
        succeeded(&scene.play("seven", &document, APPROVE).await);
        let ended = scene.play("back", &back_to(&document, 6), APPROVE).await;
        succeeded(&ended);
        assert_eq!((scene.size("shop__6"), scene.size("shop__7")), (Some((4, 4, 8)), Some((0, 0, 0))), "{name}");
        assert!(ended.log.join("\n").contains("shop__6 scales by itself"), "{name}");
        {
            let world = scene.world();
            let runs = |group: &str| world.group(group).expect("it is kept").runs("ScheduledActions");
            assert_eq!((runs("shop__6"), runs("shop__7")), (true, false), "{name}");
            let here = world.group_view("shop__6").expect("it serves").target_groups[0].clone();
            let label = here.split_once(":targetgroup/").expect("an ARN").1.to_owned();
            let policy = world.inventory()["autoScalingGroups"]["shop__6"]["scalingPolicies"]["requests"].to_string();
            assert!(policy.contains(&label), "{name}: its policies are where it is: {policy}");
        }
        succeeded(&scene.play("eight", &document, APPROVE).await);
        assert_eq!((scene.size("shop__8"), scene.size("shop__6")), (Some((4, 4, 8)), Some((0, 0, 0))), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn g7_going_back_that_is_rejected_leaves_the_account_as_it_was() {
    for strategy in STRATEGIES {
        let mut scene = Scene::new(ShopOptions { equipped: true, ..strategy.options() });
        let document = strategy.document(&scene);
        succeeded(&scene.play("seven", &document, APPROVE).await);
        scene.sim.clock.sleep(Duration::from_secs(120)).await;
        for revision in [6, 5] {
            scene.remember();
            let ended = scene.play(&format!("back-{revision}"), &back_to(&document, revision), REJECT).await;
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            scene.is_as_before();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g7_going_back_that_fails_after_the_old_revision_scales_by_itself_puts_its_scaling_back() {
    let mut scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        let approve = json!({ "approve": {} });
        d["strategy"] = json!({ "stages": [
            { "upscale": { "percent": 100 } }, { "shift": { "percent": 100 } }, approve, { "downsize": { "percent": 100 } },
        ] });
    });
    succeeded(&scene.play("seven", &document, APPROVE).await);
    succeeded(&scene.play("eight", &document, APPROVE).await);
    scene.sim.clock.sleep(Duration::from_secs(120)).await;
    scene.remember();
    // Revision 7 was on the other side: its policies have to follow it there and back.
    let ended = scene.play("back", &back_to(&document, 7), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.log.join("\n").contains("shop__7 scales by itself"), "{:#?}", ended.log);
    ended.lost_nothing();
    scene.is_as_before();
    // And revision 6, whose side is the one of production now.
    let ended = scene.play("far-back", &back_to(&document, 6), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.log.join("\n").contains("Adapted target-tracking policy requests"), "{:#?}", ended.log);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn g7_p19_a_kept_revision_is_not_scaled_in_by_its_own_policies_while_it_idles() {
    let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
    let document = scene.document_with(|d| {
        d["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": { "min": 1, "desired": 4, "max": 8 } });
        d["strategy"]["blueGreenShift"] = json!({ "percents": [1, 100], "pauseSeconds": 3600 });
    });
    succeeded(&scene.play("seven", &document, APPROVE).await);
    succeeded(&scene.play("back", &back_to(&document, 6), APPROVE).await);
    let (min, _, max) = scene.size("shop__6").expect("it serves");
    assert_eq!((min, max), (1, 8));
}

#[tokio::test(start_paused = true)]
async fn g7_a_revision_that_is_not_kept_or_serves_already_is_refused_with_those_that_are() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document();
    for (revision, says) in
        [(1, "has no fleet any more"), (6, "is shop__6, which serves already"), (99, "has no fleet")]
    {
        let ended = scene.play(&format!("back-{revision}"), &back_to(&document, revision), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean);
        assert!(ended.cause().contains(says), "{}", ended.cause());
        assert!(ended.cause().contains("Kept revisions: 2, 3, 4, 5"), "{}", ended.cause());
    }
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn g7_somebody_who_uses_the_kept_revision_meanwhile_is_not_disturbed() {
    let scene = Scene::new(ShopOptions::default());
    succeeded(&scene.play("seven", &scene.document(), APPROVE).await);
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Bring")) {
            sim.world().resize("shop__6", 1, 1, 1).expect("it is kept");
        }
    };
    let document = back_to(&scene.document(), 6);
    let ended = scene.watched("back", &document, Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("somebody uses it"), "{}", ended.cause());
    assert_eq!(scene.size("shop__6"), Some((1, 1, 1)), "it is left alone");
}

/// Another base, with the running image.
fn add_base(scene: &Scene, name: &str) {
    let mut settings = scene.world().inventory()["autoScalingGroups"]["shop-base"]["settings"].clone();
    settings["LaunchTemplate"].as_object_mut().expect("a template").remove("LaunchTemplateName");
    let spec = GroupSpec { name: name.into(), settings, ..GroupSpec::default() };
    scene.world().add_group(spec).expect("the account takes it");
}

fn from_base(scene: &Scene, base: &str, name: &str, reset: bool) -> Value {
    scene.document_with(|d| {
        d["compute"]["autoScalingGroup"] = json!({
            "base": base,
            "name": name,
            "resetRevisionsForNewBase": reset,
            "capacity": { "fixed": { "min": 2, "desired": 2, "max": 4 } },
        });
        d["strategy"] = json!({ "blueGreenShift": {} });
    })
}

#[tokio::test(start_paused = true)]
async fn b8_a_new_base_starts_a_series_of_its_own_and_leaves_the_other_alone() {
    let mut scene = Scene::new(ShopOptions::default());
    add_base(&scene, "brand-base");
    let rule = scene.add_route("brand", true);
    let before = scene.size("shop__6");
    let mut document = from_base(&scene, "brand-base", "brand", true);
    document["routing"] = json!({ "weighted": [rule] });
    succeeded(&scene.play("brand-1", &document, APPROVE).await);
    succeeded(&scene.play("brand-2", &document, APPROVE).await);
    assert_eq!(scene.size("brand__2"), Some((2, 2, 4)), "numbers begin at 1");
    assert_eq!(scene.size("brand__1"), Some((0, 0, 0)));
    assert_eq!(scene.size("shop__6"), before);
    succeeded(&scene.play("shop", &scene.document(), APPROVE).await);
    assert_eq!(scene.size("shop__7"), Some((4, 4, 8)), "and the first series goes on where it was");
    assert_eq!(scene.size("brand__2"), Some((2, 2, 4)));
}

#[tokio::test(start_paused = true)]
async fn names_are_as_long_as_a_tag_can_have_them_and_longer_ones_are_refused_before_anything_is_touched() {
    let mut scene = Scene::new(ShopOptions::default());
    let rule = scene.add_route("brand", true);
    let (service, environment) = ("s".repeat(63), "e".repeat(63));
    // With what some tags and names do not take.
    let longest = format!("base#{}", "b".repeat(256 - 63 - 63 - 2 - 5));
    for base in [longest.clone(), format!("{longest}b")] {
        add_base(&scene, &base);
    }
    scene.remember();
    let document = |base: &str| {
        let mut document = from_base(&scene, base, &"n".repeat(200), true);
        document["service"] = json!(service);
        document["environment"] = json!(environment);
        document["routing"] = json!({ "weighted": [rule] });
        document["strategy"] = json!({ "blueGreenShift": { "approveAfterPercents": [10] } });
        document
    };
    let context = scene.installation.context("operator", Duration::ZERO);
    let name = "x".repeat(80);
    let ended = scene.play(&name, &document(&format!("{longest}b")), APPROVE).await;
    assert_eq!((ended.summary.outcome, ended.summary.mutating_calls), (Outcome::FailedClean, 0));
    let says = format!(
        "service, environment and compute.autoScalingGroup.base make {service}/{environment}/{longest}b, the tag by which fleets are \
         known, and 256 characters are the most that a tag can have. Give them shorter names."
    );
    assert!(ended.cause().contains(&says), "{}", ended.cause());
    scene.is_as_before();
    let refused = preview(&document(&format!("{longest}b")), &context).await.expect_err("plan refuses it, too");
    assert_eq!((refused.kind, refused.message.contains(&says)), (Kind::InvalidDocument, true), "{refused}");

    preview(&document(&longest), &context).await.expect("one less has room");
    let ended = scene.play("no", &document(&longest), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    for nth in 1..=2 {
        succeeded(&scene.play(&format!("{}{nth}", "x".repeat(79)), &document(&longest), APPROVE).await);
    }
    assert_eq!(scene.size(&format!("{}__3", "n".repeat(200))), Some((2, 2, 4)));
}

#[tokio::test(start_paused = true)]
async fn whatever_the_base_of_a_kind_is_called_it_is_refused_where_the_tag_has_no_room_for_it() {
    let long = |n: usize| "x".repeat(n);
    let definition = json!({ "group": {} }).to_string();
    let services = json!({ "ecsService": { "cluster": long(255), "base": "shop-base", "name": "shop" } });
    let group = json!({ "elastigroup": { "account": "act-1a2b3c4d", "definition": definition, "name": long(200) } });
    for (compute, of, path) in
        [(Compute::Services, services, "compute.ecsService"), (Compute::Elastigroups, group, "compute.elastigroup")]
    {
        let scene = Scene::new(ShopOptions { compute, ..ShopOptions::default() });
        let document = scene.document_with(|d| {
            d["service"] = json!(long(63));
            d["environment"] = json!(long(63));
            d["compute"] = of;
        });
        let ended = scene.play("long", &document, APPROVE).await;
        assert_eq!(
            (ended.summary.outcome, ended.summary.mutating_calls),
            (Outcome::FailedClean, 0),
            "{}",
            ended.cause()
        );
        assert!(ended.cause().contains(&format!("service, environment and {path}")), "{}", ended.cause());
        assert!(ended.cause().contains("256 characters are the most that a tag can have"), "{}", ended.cause());
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn b8_switched_off_the_fleets_of_every_base_are_one_series() {
    let mut scene = Scene::new(ShopOptions::default());
    add_base(&scene, "newer-base");
    let rule = scene.add_route("web", true);
    let document = |base: &str| {
        let mut document = from_base(&scene, base, "web", false);
        document["routing"] = json!({ "weighted": [rule] });
        document
    };
    succeeded(&scene.play("one", &document("shop-base"), APPROVE).await);
    succeeded(&scene.play("two", &document("newer-base"), APPROVE).await);
    assert_eq!(scene.size("web__2"), Some((2, 2, 4)));
    assert_eq!(scene.size("web__1"), Some((0, 0, 0)), "the fleet of the other base was the one before");
    let world = scene.world();
    let tag = world.group("web__2").and_then(|group| group.tags.get("crossfade:infrastructure").cloned());
    assert_eq!(tag.expect("it is tagged").value, "shop/production");
}

#[tokio::test(start_paused = true)]
async fn o4_fleets_of_every_kind_of_base_are_pruned_with_what_they_were_made_from_and_nothing_else() {
    for base in [Source::Pinned, Source::LaunchConfiguration, Source::Mixed, Source::MixedOverrides] {
        let scene = Scene::new(ShopOptions { base, layout: Layout::Weighted, ..ShopOptions::default() });
        let mut document = scene.document_with(|d| d["strategy"] = json!({ "blueGreenShift": {} }));
        document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(1);
        for deployment in ["seven", "eight", "nine"] {
            succeeded(&scene.play(deployment, &document, APPROVE).await);
            scene.sim.clock.sleep(Duration::from_secs(60)).await;
        }
        let world = scene.world();
        let groups: Vec<String> = world.group_names().into_iter().filter(|name| name.starts_with("shop__")).collect();
        assert_eq!(groups, ["shop__8", "shop__9"], "{base:?}");
        let inventory = world.inventory();
        let text = [&inventory["launchTemplates"], &inventory["launchConfigurations"]].map(Value::to_string).concat();
        if base == Source::LaunchConfiguration {
            assert!(
                !text.contains("shop__7") && text.contains("shop__8") && text.contains("shop__9"),
                "{:#?} {text}",
                scene.installation.log("nine")
            );
        } else {
            let versions = |deployment: &str| text.matches(&format!("crossfade {deployment} ")).count();
            let each = if base == Source::MixedOverrides { 2 } else { 1 };
            assert_eq!([versions("seven"), versions("eight"), versions("nine")], [0, each, each], "{base:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o4_what_served_before_is_never_pruned_and_what_served_last_is_kept_whatever_its_number() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|d| d["strategy"] = json!({ "blueGreenShift": {} }));
    let groups = || -> Vec<String> {
        scene.world().group_names().into_iter().filter(|name| name.starts_with("shop__")).collect()
    };
    for deployment in ["seven", "eight", "nine"] {
        succeeded(&scene.play(deployment, &document, APPROVE).await);
    }
    succeeded(&scene.play("back", &back_to(&document, 6), APPROVE).await);
    let ten = scene.play("ten", &document, APPROVE).await;
    succeeded(&ten);
    scene.sim.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(groups(), ["shop__10", "shop__6", "shop__8", "shop__9"], "{:#?}", ten.log);
    succeeded(&scene.play("back-again", &back_to(&document, 6), APPROVE).await);
    // However few are to be kept.
    let mut few = document.clone();
    few["compute"]["autoScalingGroup"]["keepRevisions"] = json!(0);
    succeeded(&scene.play("eleven", &few, APPROVE).await);
    scene.sim.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(groups(), ["shop__11", "shop__6"], "one can always go back");
}

#[tokio::test(start_paused = true)]
async fn p40_a_deployment_makes_room_in_a_full_template() {
    let scene = Scene::new(ShopOptions::default());
    let template = scene.shop.template.clone();
    let versions = |scene: &Scene| {
        let templates = scene.world().inventory()["launchTemplates"][&template].clone();
        templates["versions"].as_object().expect("versions by number").clone()
    };
    let left_behind = "crossfade lost shop/production/shop-base";
    let form = [
        ("LaunchTemplateId", template.as_str()),
        ("SourceVersion", "1"),
        ("VersionDescription", left_behind),
        ("LaunchTemplateData.ImageId", scene.shop.new_ami.as_str()),
    ];
    let made = Request::query(Service::Ec2, "CreateLaunchTemplateVersion", form);
    scene.sim.handle(made).await.expect("it is answered");
    let full = versions(&scene).len();
    scene.world().settings.max_template_versions = full;
    succeeded(&scene.play("seven", &scene.document(), APPROVE).await);
    let text = json!(versions(&scene)).to_string();
    assert!(!text.contains(left_behind) && text.contains("crossfade seven "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn p40_a_version_that_somebody_else_launches_from_is_never_deleted() {
    let scene = Scene::new(ShopOptions::default());
    let mut settings = scene.world().inventory()["autoScalingGroups"]["shop__2"]["settings"].clone();
    settings["LaunchTemplate"].as_object_mut().expect("a template").remove("LaunchTemplateName");
    let spec = GroupSpec { name: "debugging".into(), settings, ..GroupSpec::default() };
    scene.world().add_group(spec).expect("the account takes it");
    succeeded(&scene.play("seven", &scene.document(), APPROVE).await);
    scene.sim.clock.sleep(Duration::from_secs(60)).await;
    let text = scene.world().inventory()["launchTemplates"].to_string();
    assert!(scene.world().group("shop__2").is_none(), "the fleet is pruned");
    assert!(text.contains("crossfade earlier-2 "), "its version is in use");
    assert!(!text.contains("crossfade earlier-3 "), "the other one is not: {:#?}", scene.installation.log("seven"));
}
