//! Every document in `examples/` does what it says, on the shop that it fits.
//!
//! A document that no test here knows fails: it would be an example that nobody has ever run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossfade_core::document;
use crossfade_local::Outcome;
use crossfade_sim::world::sample::{Balancer, Compute, Layout, ShopOptions, publish_for_examples};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::Value;

/// What is played of an example.
struct Example {
    /// The shop that it fits.
    shop: ShopOptions,
    /// The group that serves in the end, and its size.
    serves: (&'static str, (u32, u32, u32)),
    /// The group that served before, and its size in the end.
    served: (&'static str, (u32, u32, u32)),
}

const SAME: (u32, u32, u32) = (4, 4, 8);
const NONE: (u32, u32, u32) = (0, 0, 0);
/// Services of the sample have no limits.
const FOUR_TASKS: (u32, u32, u32) = (0, 4, 4);

/// The example of this name.
fn example(name: &str) -> Option<Example> {
    let shop = |layout| ShopOptions { layout, ..ShopOptions::default() };
    let (weighted, attached, staged) = (shop(Layout::Weighted), shop(Layout::Attached), shop(Layout::Staged));
    let services = |compute, shop| Example {
        shop: ShopOptions { compute, ..shop },
        serves: ("shop__7", FOUR_TASKS),
        served: ("shop__6", NONE),
    };
    let elastigroups = |shop| Example {
        shop: ShopOptions { compute: Compute::Elastigroups, ..shop },
        serves: ("shop__7", SAME),
        served: ("shop__6", NONE),
    };
    let replaced = |shop| Example { shop, serves: ("shop__7", SAME), served: ("shop__6", NONE) };
    Some(match name {
        "basic.yaml" | "canary.yaml" | "verified-basic.yaml" | "verified-canary.yaml" => replaced(attached),
        "blue-green-shift.yaml"
        | "blue-green-shift.json"
        | "environments.yaml"
        | "hooked.yaml"
        | "image-by-name.yaml"
        | "variables-and-references.yaml"
        | "verified-shift.yaml" => replaced(weighted),
        "blue-green-swap.yaml" | "listener-swap.yaml" | "verified-swap.yaml" | "verified-listener-swap.yaml" => {
            replaced(staged)
        }
        "network-load-balancer.yaml" => replaced(ShopOptions { balancer: Balancer::Network, ..weighted }),
        "several-load-balancers.yaml" => replaced(ShopOptions { second_balancer: true, ..weighted }),
        "ecs-shift.yaml" => services(Compute::Services, weighted),
        "ecs-canary.yaml" => services(Compute::ServicesOnInstances, attached),
        "ecs-swap.yaml" => services(Compute::Services, staged),
        "ecs-several-load-balancers.yaml" => {
            services(Compute::Services, ShopOptions { second_balancer: true, ..weighted })
        }
        "ecs-network-load-balancer.yaml" => {
            services(Compute::Services, ShopOptions { balancer: Balancer::Network, ..weighted })
        }
        "ecs-dns.yaml" => services(Compute::Services, ShopOptions { layout: Layout::Named, ..ShopOptions::default() }),
        "two-load-balancers-by-dns.yaml" => replaced(ShopOptions { layout: Layout::Stacks, ..ShopOptions::default() }),
        "elastigroup-shift.yaml" => elastigroups(weighted),
        "elastigroup-canary.yaml" => elastigroups(attached),
        "elastigroup-swap.yaml" => elastigroups(staged),
        "ecs-scaling.yaml" => {
            let shop = ShopOptions { equipped: true, ..weighted };
            Example { serves: ("shop__7", (2, 4, 12)), ..services(Compute::Services, shop) }
        }
        "rollback-to-revision.yaml" => Example { serves: ("shop__5", SAME), ..replaced(weighted) },
        "stages.yaml" => Example {
            shop: ShopOptions { default_action: true, ..weighted },
            serves: ("shop__7", (2, 4, 12)),
            served: ("shop__6", SAME),
        },
        // The workers are another service: the shop beside them is left alone.
        "workers.yaml" => Example { serves: ("thumbnails__1", (1, 3, 6)), served: ("shop__6", SAME), shop: weighted },
        _ => return None,
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own").join("examples")
}

/// Every example, by name.
fn documents() -> BTreeMap<String, Value> {
    let entries = fs::read_dir(folder()).expect("there are examples");
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let document = document::read_text(&text).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        (name, document)
    };
    let files = entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file());
    files.map(read).collect()
}

/// The shop of an example, with what its references look up.
fn scene(example: &Example) -> Scene {
    let mut scene = Scene::new(example.shop.clone());
    publish_for_examples(&scene.sim, &scene.shop);
    scene.remember();
    scene
}

#[tokio::test(start_paused = true)]
async fn every_example_succeeds_on_the_shop_that_it_fits() {
    let documents = documents();
    assert!(documents.len() >= 12, "{:?}", documents.keys());
    for (name, document) in documents {
        let example = example(&name).unwrap_or_else(|| panic!("examples/{name} is played by no test: add it above"));
        let scene = scene(&example);
        // What is verified has a past to be compared with.
        scene.sim.clock.sleep(Duration::from_secs(20 * 60)).await;
        let ended = scene.play("example", &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
        ended.lost_nothing();
        for (group, size) in [example.serves, example.served] {
            assert_eq!(scene.size(group), Some(size), "{name}: {group}");
        }
        scene.holds_no_lock();
    }
}

#[tokio::test(start_paused = true)]
async fn every_example_that_asks_can_be_rejected_without_a_trace() {
    let mut asked = Vec::new();
    for (name, document) in documents() {
        let example = example(&name).unwrap_or_else(|| panic!("examples/{name} is played by no test: add it above"));
        let scene = scene(&example);
        scene.sim.clock.sleep(Duration::from_secs(20 * 60)).await;
        let ended = scene.play("example", &document, REJECT).await;
        if ended.summary.outcome == Outcome::Succeeded {
            continue;
        }
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}: {}", ended.cause());
        assert!(ended.cause().contains("rejected by operator"), "{name}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
        asked.push(name);
    }
    let expected =
        ["basic.yaml", "blue-green-shift.json", "blue-green-shift.yaml", "blue-green-swap.yaml", "canary.yaml"];
    let expected: Vec<&str> = expected
        .into_iter()
        .chain([
            "ecs-canary.yaml",
            "ecs-dns.yaml",
            "ecs-network-load-balancer.yaml",
            "ecs-scaling.yaml",
            "ecs-shift.yaml",
            "ecs-swap.yaml",
            "elastigroup-canary.yaml",
            "elastigroup-shift.yaml",
            "elastigroup-swap.yaml",
            "image-by-name.yaml",
            "listener-swap.yaml",
            "network-load-balancer.yaml",
            "stages.yaml",
            "two-load-balancers-by-dns.yaml",
        ])
        .collect();
    assert_eq!(asked, expected);
}

#[tokio::test(start_paused = true)]
async fn workers_are_replaced_by_the_next_workers() {
    let document = documents().remove("workers.yaml").expect("it is there");
    let scene = scene(&example("workers.yaml").expect("it is known"));
    for (deployment, serves, served) in
        [("first", "thumbnails__1", None), ("second", "thumbnails__2", Some("thumbnails__1"))]
    {
        let ended = scene.play(deployment, &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{deployment}: {}", ended.cause());
        assert_eq!(scene.size(serves), Some((1, 3, 6)), "{deployment}");
        if let Some(served) = served {
            assert_eq!(scene.size(served), Some(NONE), "{deployment}");
            let log = ended.log.join("\n");
            assert!(log.contains("from 3 (min 3, max 6) to 2 (min 2, max 6)"), "one of three first:\n{log}");
        }
    }
    assert_eq!(scene.size("shop__6"), Some(SAME), "the shop is another service");
}

#[tokio::test(start_paused = true)]
async fn the_same_document_in_yaml_and_json_is_the_same() {
    let documents = documents();
    assert_eq!(documents["blue-green-shift.yaml"], documents["blue-green-shift.json"]);
}
