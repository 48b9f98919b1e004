//! What a deployment tells while it runs and when it fails: each thing once, with names and numbers that somebody can use.

use std::collections::BTreeMap;

use crossfade_local::Outcome;
use crossfade_sim::world::sample::{Compute, Layout, NewImage, ShopOptions};
use crossfade_tests::{APPROVE, Ended, Scene};
use serde_json::json;

const KINDS: [Compute; 3] = [Compute::Groups, Compute::Services, Compute::Elastigroups];

/// The lines of the log that have this in them.
fn with<'a>(log: &'a [String], part: &str) -> Vec<&'a String> {
    log.iter().filter(|line| line.contains(part)).collect()
}

/// Lines of activities that stand in the log more than once.
fn repeated(ended: &Ended) -> Vec<&String> {
    let mut seen: BTreeMap<&String, usize> = BTreeMap::new();
    let activities = ended.log.iter().filter(|line| line.starts_with("shop__7: ") || line.starts_with("shop__6: "));
    activities.for_each(|line| *seen.entry(line).or_default() += 1);
    seen.into_iter().filter(|(_, times)| *times > 1).map(|(line, _)| line).collect()
}

/// When a line was first written that has this in it, in milliseconds since 1970.
fn told_at(scene: &Scene, deployment: &str, part: &str) -> u64 {
    let log = scene.installation.records(&format!("log#{deployment}"));
    let line = log.values().find(|line| line["line"].as_str().is_some_and(|text| text.contains(part)));
    line.and_then(|line| line["atMillis"].as_u64()).unwrap_or_else(|| panic!("nobody said {part}"))
}

#[tokio::test(start_paused = true)]
async fn c4_activities_are_told_while_it_is_waited_and_once_each() {
    let scene = Scene::new(ShopOptions::default());
    let ended = scene.succeed("waits").await;
    assert_eq!(with(&ended.log, "shop__7: Launching a new EC2 instance: i-").len(), 4, "{:#?}", ended.log);
    let (launched, steady) = (told_at(&scene, "waits", "shop__7: Launching"), told_at(&scene, "waits", "is steady"));
    assert!(launched + 20_000 < steady, "{launched} {steady}: {:#?}", ended.log);
    let (ends, gone) = (told_at(&scene, "waits", "shop__6: Terminating"), told_at(&scene, "waits", "shop__6 has no"));
    assert!(ends < gone, "{ends} {gone}: {:#?}", ended.log);
    assert_eq!(repeated(&ended), Vec::<&String>::new());
}

#[tokio::test(start_paused = true)]
async fn c4_what_a_failed_upscale_did_is_told_before_it_is_undone() {
    for kind in KINDS {
        let launches = if kind == Compute::Services { "has started 4 tasks" } else { "launch" };
        let no_room = if kind == Compute::Services { "unable to" } else { "capacity" };
        for (new_image, did) in [(NewImage::Unhealthy, launches), (NewImage::NoCapacity, no_room)] {
            let scene = Scene::new(ShopOptions { compute: kind, new_image, ..ShopOptions::default() });
            let ended = scene.play("ill", &scene.document(), APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
            let back = ended.log.iter().position(|line| line.contains("Rolling back")).expect("it is rolled back");
            let before = with(&ended.log[..back], "shop__7: ");
            let told = before.iter().any(|line| line.to_lowercase().contains(did) && line.starts_with("shop__7: "));
            assert!(told, "{kind:?} {new_image:?}: {:#?}", ended.log);
            assert_eq!(repeated(&ended), Vec::<&String>::new(), "{kind:?} {new_image:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c4_running_and_pending_are_counted() {
    let scene = Scene::new(ShopOptions { layout: Layout::Attached, ..ShopOptions::default() });
    let ended = scene.play("slow", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert!(!with(&ended.log, "running 4, pending 0").is_empty(), "{:#?}", ended.log);
}

#[tokio::test(start_paused = true)]
async fn g6_what_scales_is_told_as_found_or_none() {
    for (equipped, found) in [
        (false, "shop-base has no scaling policies and no scheduled actions"),
        (true, "shop-base has 5 scaling policies (cpu, "),
        (true, ") and 4 scheduled actions (friday-peak, "),
    ] {
        let scene = Scene::new(ShopOptions { equipped, ..ShopOptions::default() });
        let ended = scene.play("found", &scene.document(), APPROVE).await;
        let line = ended.log.iter().find(|line| line.starts_with("shop-base has "));
        assert!(line.is_some_and(|line| line.contains(found)), "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g6_the_members_that_a_deployment_made_are_listed_in_log_and_record() {
    for kind in KINDS {
        let scene = Scene::new(ShopOptions { compute: kind, ..ShopOptions::default() });
        let ended = scene.succeed("made").await;
        let lines = with(&ended.log, "Made 4 ");
        assert_eq!(lines.len(), 1, "{kind:?}: {:#?}", ended.log);
        let (_, list) = lines[0].split_once(": ").expect("it names them");
        let records = scene.installation.records("deployment#made");
        let made = records
            .iter()
            .find_map(|(key, record)| key.starts_with("stage#deploy#").then(|| record["made"].as_array()).flatten());
        let made: Vec<&str> = made.expect("it is written down").iter().filter_map(|id| id.as_str()).collect();
        assert_eq!(made, list.split(", ").collect::<Vec<_>>(), "{kind:?}");
        assert_eq!(made.len(), 4, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g6_what_is_waited_for_is_said_when_it_changes_and_then_only_what_changes() {
    let scene = Scene::new(ShopOptions::default());
    let ended = scene.succeed("changes").await;
    let mut waits = with(&ended.log, " healthy in shop-b");
    waits.retain(|line| line.starts_with("Upscale"));
    let twice: Vec<_> = waits.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:#?}");
    let named = waits.iter().skip(1).filter(|line| line.matches("i-").count() == 4).count();
    assert_eq!(named, 0, "not all of them again: {waits:#?}");
}

#[tokio::test(start_paused = true)]
async fn lines_of_the_log_are_sentences_and_a_normal_boot_does_not_read_as_a_failure() {
    for kind in KINDS {
        let scene = Scene::new(ShopOptions { compute: kind, ..ShopOptions::default() });
        let mut document = scene.document();
        for keep in ["autoScalingGroup", "ecsService", "elastigroup"] {
            if document["compute"][keep].is_object() {
                document["compute"][keep]["keepRevisions"] = json!(1);
            }
        }
        let ended = scene.play("words", &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{kind:?}: {}", ended.cause());
        for line in &ended.log {
            let begins = line.starts_with(char::is_uppercase) || ["shop", "sig-"].iter().any(|it| line.starts_with(it));
            assert!(begins, "{kind:?}: a line begins like a sentence, or with a name: {line}");
            assert!(!line.contains("{\"") && !line.contains("\":"), "{kind:?}: nobody reads JSON: {line}");
            let failing = line.matches(" unhealthy").count();
            assert_eq!(
                failing,
                line.matches(" unhealthy so far").count(),
                "{kind:?}: whoever boots is not ill: {line}"
            );
            let deleted = line.split_once(" is being deleted").map_or("", |(names, _)| names);
            assert!(!deleted.contains(", "), "{kind:?}: one is, several are: {line}");
        }
        for part in ["Nothing sent before the last shift is under way any more", "Deleted shop__"] {
            assert!(!with(&ended.log, part).is_empty(), "{kind:?}: {part} is missing in {:#?}", ended.log);
        }
        let waits: Vec<&String> = ended.log.iter().filter(|line| line.starts_with("Upscale")).collect();
        // Of each member once, and once more where what is said beside it begins anew.
        for line in &waits {
            for member in line.split(" unhealthy so far").filter_map(|before| before.rsplit(' ').next()) {
                let said = format!("{member} unhealthy so far");
                let times = waits.iter().filter(|line| line.contains(&said)).count();
                assert!(times <= 2, "{kind:?}: the same of {member} is not said again and again: {waits:#?}");
            }
        }
    }
}
