//! The candidate is a faithful copy of its base, and the examples are deployments that work: B5, O1, the clone list of P34.

use crossfade_sim::world::sample::{ShopOptions, Source};
use crossfade_tests::Scene;
use serde_json::{Value, json};

/// A group's settings in the inventory.
fn group(scene: &Scene, name: &str) -> Value {
    let inventory = scene.world().inventory();
    inventory.pointer(&format!("/autoScalingGroups/{name}")).cloned().unwrap_or_else(|| panic!("{name} is missing"))
}

/// What may differ between a base and its copy: sizes, its own launch source, its own target group and tags.
const OWN: &[&str] =
    &["min", "max", "desired", "instances", "targetGroups", "attachments", "tags", "deleting", "inService", "settings"];

#[tokio::test(start_paused = true)]
async fn every_setting_of_the_base_is_carried() {
    for base in [Source::Pinned, Source::LaunchConfiguration] {
        let scene = Scene::new(ShopOptions { base, ..ShopOptions::default() });
        scene.succeed("first").await;
        let (base, copy) = (group(&scene, "shop-base"), group(&scene, "shop__7"));
        let settings = |group: &Value| {
            let mut settings = group["settings"].as_object().expect("it has settings").clone();
            for own in ["LaunchTemplate", "LaunchConfigurationName"] {
                settings.remove(own);
            }
            settings
        };
        let of_base = settings(&base);
        assert!(of_base.len() >= 10, "a base without settings proves nothing: {of_base:#?}");
        assert_eq!(settings(&copy), of_base);
        let unexpected: Vec<&String> = base
            .as_object()
            .expect("it is an object")
            .keys()
            .filter(|key| !OWN.contains(&key.as_str()) && base[key.as_str()] != copy[key.as_str()])
            .collect();
        assert_eq!(unexpected, Vec::<&String>::new(), "\nbase {base:#}\ncopy {copy:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_bases_tags_are_carried_and_ours_added() {
    let scene = Scene::new(ShopOptions::default());
    scene.succeed("first").await;
    let world = scene.world();
    let (base, copy) = (world.group("shop-base").expect("it is there"), world.group("shop__7").expect("it is there"));
    for (key, tag) in &base.tags {
        assert_eq!(copy.tags.get(key), Some(tag), "{key}");
    }
    assert_eq!(copy.tags.len(), base.tags.len() + 3);
}

#[tokio::test(start_paused = true)]
async fn p71_the_launch_source_differs_from_the_bases_in_its_image_alone() {
    let scene = Scene::new(ShopOptions::default());
    scene.succeed("first").await;
    let inventory = scene.world().inventory();
    let text = inventory["launchTemplates"].to_string();
    assert!(text.contains("crossfade first"), "{text}");
    let versions = find(&inventory["launchTemplates"], "versions").expect("the template has versions");
    let of = |number: &str| versions[number]["data"].clone();
    let (mut base, mut made) = (of("2"), of("9"));
    assert_eq!(made["ImageId"], json!(scene.shop.new_ami));
    base["ImageId"] = Value::Null;
    made["ImageId"] = Value::Null;
    assert!(base.as_object().is_some_and(|data| data.len() > 4), "{base:#}");
    assert_eq!(made, base);
}

fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields
            .get(key)
            .filter(|found| found.get("9").is_some())
            .or_else(|| fields.values().find_map(|v| find(v, key))),
        Value::Array(items) => items.iter().find_map(|item| find(item, key)),
        _ => None,
    }
}

#[test]
fn the_yaml_and_the_json_example_are_the_same() {
    let read = |name: &str| {
        let path = format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"));
        crossfade_core::document::parse_text(&std::fs::read_to_string(path).expect("it can be read"))
            .expect("it is valid")
    };
    assert_eq!(read("blue-green-shift.yaml"), read("blue-green-shift.json"));
}
