//! G9: what goes with the image: the newest one of a name and tags, its tags as variables, user data, tags of instances, values by
//! environment. Deployed whole, and seen on what instances are made from.

use crossfade_local::Outcome;
use crossfade_sim::world::Image;
use crossfade_sim::world::sample::{Compute, Layout, NewImage, ShopOptions, Source};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::{Value, json};

const NEWER: &str = "ami-0a11ce000000000b2";
const OLDER: &str = "ami-0a11ce000000000b1";
/// As long as an image and of the same name, without the tag.
const UNTESTED: &str = "ami-0a11ce000000000b3";
/// What the sample's bases start with.
const BASE: &str = "#!/bin/sh\nexec /opt/shop/start\n";

fn scene(options: ShopOptions) -> Scene {
    let mut scene = Scene::new(options);
    {
        let mut world = scene.world();
        for (id, name, made) in [
            (OLDER, "shop-41", "2026-01-02T08:00:00.000Z"),
            (NEWER, "shop-42", "2026-01-03T08:00:00.000Z"),
            (UNTESTED, "shop-43", "2026-01-04T08:00:00.000Z"),
        ] {
            let image = Image::new(id).name(name).tag("version", name);
            world.add_image(if id == UNTESTED { image } else { image.tag("stage", "tested") });
            world.date_image(id, made);
        }
    }
    scene.remember();
    scene
}

/// The settings of the only kind of fleet that a document names.
fn compute(document: &mut Value) -> &mut Value {
    let computes = document["compute"].as_object_mut().expect("there is one");
    computes.values_mut().next().expect("of one kind")
}

/// Every user data that stands somewhere in the account, as a text.
fn user_data(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value.as_str() {
            Some(base64) if name.eq_ignore_ascii_case("userData") => {
                let bytes = aws_smithy_types::base64::decode(base64).expect("it is base64");
                found.push(String::from_utf8(bytes).expect("it is a text"));
            }
            _ => user_data(value, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| user_data(item, found)),
        _ => {}
    }
}

/// How often this user data stands in the account.
fn times(scene: &Scene, text: &str) -> usize {
    let mut found = Vec::new();
    user_data(&scene.world().inventory(), &mut found);
    found.iter().filter(|it| *it == text).count()
}

#[tokio::test(start_paused = true)]
async fn g9_the_newest_image_of_a_name_and_tags_is_chosen_once_and_recorded() {
    for kind in [Compute::Groups, Compute::Elastigroups] {
        let scene = scene(ShopOptions { compute: kind, ..ShopOptions::default() });
        let document = scene.document_with(|d| {
            d["artifact"] = json!({ "ami": { "fromImage": { "name": "shop-*", "tags": { "stage": "tested" } } } });
        });
        let ended = scene.play("newest", &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{kind:?}: {}", ended.cause());
        let told = format!(
            "artifact.ami = {NEWER}, from the newest image with name shop-*, tag stage = tested (shop-42, of 2026-01-03T08:00:00.000Z)"
        );
        assert!(ended.log.contains(&told), "{kind:?}: {:#?}", ended.log);
        let meta = scene.installation.record("deployment#newest", "meta").expect("it is recorded");
        assert_eq!(meta["document"]["artifact"]["ami"], NEWER, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g9_an_image_that_there_is_not_and_one_that_nobody_named_are_refused() {
    let scene = scene(ShopOptions::default());
    for (wanted, says) in [
        (json!({ "name": "blog-*" }), "there is no available image with name blog-*"),
        (json!({ "owner": "123456789012" }), "Say which by `name` or `tags`"),
        (json!({ "name": "shop-*", "owner": "amazon" }), "the number of an account, 12 digits"),
    ] {
        let document = scene.document_with(|d| d["artifact"] = json!({ "ami": { "fromImage": wanted } }));
        let ended = scene.play(&format!("refused-{}", says.len()), &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean);
        assert!(ended.cause().contains(says), "{}", ended.cause());
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn g9_tags_of_the_image_fill_user_data_that_replaces_the_bases_or_follows_it() {
    for (kind, base) in [
        (Compute::Groups, Source::Pinned),
        (Compute::Groups, Source::LaunchConfiguration),
        (Compute::Elastigroups, Source::Pinned),
    ] {
        for (how, text) in [("replace", "#!/bin/sh\nrun shop-42\n"), ("append", "run shop-42\n")] {
            let what = format!("{kind:?} {base:?} {how}");
            let scene = scene(ShopOptions { compute: kind, base, ..ShopOptions::default() });
            let document = scene.document_with(|d| {
                d["variables"] = json!({ "version": { "fromImageTag": "version" } });
                d["artifact"] = json!({ "ami": NEWER });
                compute(d)["userData"] = json!({ how: text.replace("shop-42", "${version}") });
                compute(d)["instanceTags"] = json!({ "version": "${version}", "team": "shop" });
            });
            let wanted = if how == "replace" { text.to_owned() } else { format!("{BASE}{text}") };
            let ended = scene.play("no", &document, REJECT).await;
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}: {}", ended.cause());
            assert_eq!(times(&scene, &wanted), 0, "{what}: it goes with the candidate");
            scene.is_as_before();

            let ended = scene.play("yes", &document, APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{what}: {}", ended.cause());
            ended.lost_nothing();
            assert!(times(&scene, &wanted) >= 1, "{what}: {:#}", scene.world().inventory());
            let does = if how == "replace" { "replaces" } else { "is appended to" };
            let told = format!("The user data of the document {does} that of");
            assert!(ended.log.iter().any(|line| line.starts_with(&told)), "{what}: {:#?}", ended.log);
            assert!(ended.log.contains(&"Variable version = shop-42".to_owned()), "{what}: {:#?}", ended.log);
            let inventory = scene.world().inventory().to_string();
            assert!(inventory.contains("\"team\""), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g9_what_cannot_be_filled_in_or_appended_is_refused_before_anything_is_touched() {
    let scene = scene(ShopOptions { new_image: NewImage::Good, layout: Layout::Weighted, ..ShopOptions::default() });
    let untagged = scene.document_with(|d| {
        d["variables"] = json!({ "release": { "fromImageTag": "verison" } });
        d["artifact"] = json!({ "ami": NEWER });
        compute(d)["userData"] = json!({ "append": "run ${release}" });
    });
    let ended = scene.play("untagged", &untagged, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    let says = format!("the image {NEWER} has no tag verison. It has stage, version; did you mean `version`?");
    assert!(ended.cause().contains(&says), "{}", ended.cause());
    scene.is_as_before();

    let long = scene.document_with(|d| compute(d)["userData"] = json!({ "append": "x".repeat(16_384) }));
    let ended = scene.play("long", &long, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("compute.autoScalingGroup.userData: the user data has"), "{}", ended.cause());
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn g9_one_document_deploys_to_each_environment_with_its_own_values() {
    let scene = scene(ShopOptions::default());
    let document = |environment: &str| {
        scene.document_with(|d| {
            d["variables"] = json!({ "count": 2 });
            d["environments"] = json!({ "staging": {}, "production": { "count": 6 } });
            d["environment"] = json!(environment);
            compute(d)["capacity"] = json!({ "fixed": { "desired": "${count}", "max": 8 } });
        })
    };
    let ended = scene.play("misspelt", &document("prodution"), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("did you mean `production`?"), "{}", ended.cause());
    let ended = scene.play("six", &document("production"), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(scene.size("shop__7"), Some((0, 6, 8)));
}

#[tokio::test(start_paused = true)]
async fn g10_a_description_is_told_in_plan_log_and_notifications() {
    let scene = scene(ShopOptions::default());
    let document = scene.document_with(|d| d["description"] = json!("Release 42: the new checkout"));
    let context = scene.installation.context("operator", std::time::Duration::ZERO);
    let preview = crossfade_steps::preview(&document, &context).await.expect("nothing stands in the way");
    assert_eq!(preview.notes[0], "Release 42: the new checkout");
    let ended = scene.play("told", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert!(ended.log.contains(&"Release 42: the new checkout".to_owned()), "{:#?}", ended.log);
    let messages: Vec<String> = scene.sim.topics().published().iter().map(|it| it.message.clone()).collect();
    assert!(
        !messages.is_empty() && messages.iter().all(|it| it.starts_with("Release 42: the new checkout\n")),
        "{messages:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn g10_names_of_stages_are_told_in_plan_log_status_and_the_execution() {
    let scene = scene(ShopOptions::default());
    let document = scene.document_with(|d| {
        d["strategy"] = json!({ "stages": [
            { "upscale": { "percent": 100 } },
            { "name": "A tenth of the users", "shift": { "percent": 10 } },
            { "name": "Marketing has a look", "approve": { "message": "Good?" } },
            { "shift": { "percent": 100 } },
            { "name": "Goodbye", "downsize": { "percent": 100 } },
        ] });
    });
    let ended = scene.play("named", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let named = [
        "A tenth of the users: Shift 10 % to shop__7",
        "Marketing has a look: Approve shop__7 at 10 %",
        "Goodbye: Downsize shop__6 to 0",
    ];
    let items = scene.sim.tables().items(crossfade_local::TABLE);
    let plan = items.iter().find(|item| item["sk"] == "plan#deploy").expect("it was planned").to_string();
    let executions = scene.sim.step_functions().executions();
    let history = format!("{:?}", scene.sim.step_functions().history(&executions[0].arn));
    let log = ended.log.join("\n");
    for name in named {
        assert!(plan.contains(name), "{name} is missing in the plan");
        assert!(log.contains(name), "{name} is missing in the log: {log}");
        assert!(history.contains(name), "{name} is missing in what the states pass on");
    }
    let asked = scene.sim.topics().published().to_vec();
    assert!(asked.iter().any(|it| it.message.contains(named[1])), "{asked:?}");
    // Nobody else's stages are called so.
    assert!(
        plan.contains(r#""name":"Shift 100 % to shop__7""#) || plan.contains(r#"\"name\":\"Shift 100 % to shop__7\""#)
    );
}
