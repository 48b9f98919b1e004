//! Traffic that is shifted by weighted records of a name in DNS, with resolvers that keep every answer to the last second, and clients
//! that keep addresses for longer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crossfade_local::watch::What;
use crossfade_local::{Answer, Outcome, play};
use crossfade_sim::world::dns::RecordSet;
use crossfade_sim::world::sample::{Compute, Layout, NewImage, Records, ShopOptions};
use crossfade_sim::{Fault, Faults, Request, Sim};
use crossfade_tests::names::{Edit, Hand, Nth, Strikes, both_ways, edit, is_refused, records_of};
use crossfade_tests::{APPROVE, REJECT, Scene};
use futures_util::future::join_all;
use serde_json::{Value, json};

fn named() -> ShopOptions {
    ShopOptions { compute: Compute::Services, layout: Layout::Named, ..ShopOptions::default() }
}

fn with(records: Records) -> ShopOptions {
    ShopOptions { records, ..named() }
}

#[tokio::test(start_paused = true)]
async fn s4_services_are_replaced_by_weights_of_records_and_no_request_is_lost() {
    both_ways(named, |_| {}, "A records").await;
    let srv =
        || ShopOptions { compute: Compute::ServicesOnInstances, ..with(Records { srv: true, ..Records::default() }) };
    both_ways(srv, |_| {}, "SRV records of tasks that share the addresses of their hosts").await;
    let own = || with(Records { srv: true, ..Records::default() });
    both_ways(own, |_| {}, "SRV records of tasks with addresses of their own").await;
}

#[tokio::test(start_paused = true)]
async fn s4_whoever_looks_on_sees_how_much_of_the_traffic_each_service_has() {
    let scene = Scene::new(named());
    let ended = scene.play("dns", &scene.document(), APPROVE).await;
    let shares = ended.happenings.iter().filter_map(|happening| match &happening.what {
        What::Frame(frame) => Some((frame.stable.as_ref()?.percent, frame.candidate.as_ref()?.percent)),
        _ => None,
    });
    let shares: Vec<(u32, u32)> = shares.collect();
    for expected in [(100, 0), (90, 10), (50, 50), (0, 100)] {
        assert!(shares.contains(&expected), "{expected:?} is missing: {shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s4_all_at_once_and_to_any_weights_that_end_there() {
    let swap = |document: &mut Value| document["strategy"] = json!({ "blueGreenSwap": { "approveBeforeSwap": true } });
    both_ways(named, swap, "100 : 0 at once").await;
    let steps = |document: &mut Value| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [1, 33, 66, 100], "approveAfterPercents": [66], "pauseSeconds": 30 } });
    };
    both_ways(named, steps, "steps with pauses").await;
}

#[tokio::test(start_paused = true)]
async fn p97_p63_a_foreign_ttl_and_a_simple_record_come_back_as_they_were() {
    both_ways(|| with(Records { ttl_seconds: 300, ..Records::default() }), |_| {}, "a TTL of 300 s").await;
    both_ways(|| with(Records { simple: true, ..Records::default() }), |_| {}, "a simple record").await;
    let scene = Scene::new(with(Records { ttl_seconds: 300, ..Records::default() }));
    scene.succeed("ttl").await;
    let records = records_of(&scene);
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.ttl_seconds == Some(60)), "the document's: {records:?}");
    assert!(
        records.iter().all(|it| it.identifier.as_ref().is_some_and(|it| it.starts_with("Harness-"))),
        "{records:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn p89_resolvers_that_remember_that_nobody_was_there_lose_nothing() {
    let slow = || with(Records { negative_seconds: 600, ..Records::default() });
    both_ways(slow, |_| {}, "negative answers are kept for ten minutes").await;
}

/// Denies once that the tasks of services are listed, when the old service has been emptied: the last thing that can go wrong.
#[derive(Default)]
struct Late {
    emptied: AtomicUsize,
    denied: AtomicUsize,
}

impl Faults for Late {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let of = |field: &str| request.json[field].as_str().unwrap_or_default();
        if request.operation == "UpdateService" && of("service") == "shop__6" && request.json["desiredCount"] == 0 {
            self.emptied.fetch_add(1, Ordering::Relaxed);
        }
        // By then its tasks are on their way out, and resolvers are told that nobody is there.
        let strikes = request.operation == "ListTasks" && self.emptied.load(Ordering::Relaxed) > 0;
        let fifth = strikes && self.denied.fetch_add(1, Ordering::Relaxed) == 4;
        fifth.then(|| Fault::Refuse { status: 400, code: "AccessDeniedException".into(), message: "no".into() })
    }
}

#[tokio::test(start_paused = true)]
async fn p89_a_service_that_had_been_emptied_gets_its_name_back_once_resolvers_have_forgotten_that_nobody_was_there() {
    let scene = Scene::new(with(Records { negative_seconds: 300, ..Records::default() }));
    let late = Arc::new(Late::default());
    scene.sim.set_faults(Some(late.clone()));
    let ended = scene.play("late", &scene.document(), APPROVE).await;
    assert!(late.denied.load(Ordering::Relaxed) > 4, "it went wrong after the old service was emptied");
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}\n{}", ended.cause(), ended.log.join("\n"));
    assert!(ended.log.iter().any(|line| line.contains("Settle 300 s")), "{:#?}", ended.log);
    ended.lost_nothing();
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn p87_clients_that_keep_addresses_for_longer_than_the_document_says_show_that_it_is_measured() {
    let stubborn = Records { client_cache_seconds: 1_800, ..Records::default() };
    let scene = Scene::new(with(stubborn));
    let ended = scene.succeed("told-too-little").await;
    assert!(ended.summary.requests_lost > 0, "half an hour is longer than the minute that the document allows for");
    let scene = Scene::new(with(stubborn));
    let document = scene.document_with(|d| d["routing"]["dns"][0]["clientCacheSeconds"] = json!(1_800));
    let ended = scene.play("told", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
}

#[tokio::test(start_paused = true)]
async fn ec26_the_first_deployment_creates_the_records_and_its_rollback_removes_them() {
    let first = || ShopOptions { instances: 0, ..named() };
    let document = |scene: &Scene| {
        scene.document_with(|d| {
            d["compute"]["ecsService"]["capacity"] = json!({ "fixed": { "min": 2, "desired": 2, "max": 2 } });
        })
    };
    let scene = Scene::new(first());
    let ended = scene.play("first", &document(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(ended.summary.requests_lost, 0, "{:#?}", ended.log);
    // The first service is the first one's.
    assert_eq!(scene.weights(), (100, 0));
    assert_eq!(records_of(&scene).len(), 2);
    let again = scene.play("second", &document(&scene), APPROVE).await;
    assert_eq!(again.summary.outcome, Outcome::Succeeded, "{}", again.cause());
    assert_eq!((again.summary.requests_lost, scene.weights()), (0, (0, 100)), "{:#?}", again.log);

    let scene = Scene::new(first());
    let ended = scene.play("first", &document(&scene), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert_eq!(ended.summary.requests_lost, 0, "{:#?}", ended.log);
    assert_eq!(records_of(&scene), []);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn s7_images_that_never_serve_leave_records_as_they_were() {
    for new_image in [NewImage::Unhealthy, NewImage::NoCapacity, NewImage::CrashLoop] {
        let scene = Scene::new(ShopOptions { new_image, ..named() });
        let ended = scene.play("ill", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{new_image:?}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn g7_a_kept_service_takes_over_again_on_either_side() {
    for (revision, answer, outcome) in [
        (5, APPROVE, Outcome::Succeeded),
        (5, REJECT, Outcome::FailedClean),
        (4, APPROVE, Outcome::Succeeded),
        (4, REJECT, Outcome::FailedClean),
    ] {
        let scene = Scene::new(named());
        let document = scene.document_with(|d| d["artifact"] = json!({ "revision": revision }));
        let ended = scene.play("again", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{revision}: {}\n{}", ended.cause(), ended.log.join("\n"));
        ended.lost_nothing();
        if answer == REJECT {
            scene.sim.clock.sleep(std::time::Duration::from_secs(120)).await;
            scene.is_as_before();
        } else {
            assert_eq!(scene.size(&format!("shop__{revision}")).map(|(_, desired, _)| desired), Some(4));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p96_what_a_human_changes_between_read_and_change_is_never_overwritten() {
    let edits: [(&str, Edit); 4] = [
        ("weights", |all| (all[0].weight, all[1].weight) = (Some(70), Some(30))),
        ("a TTL", |all| all.iter_mut().for_each(|record| record.ttl_seconds = Some(5))),
        ("a third member", |all| {
            let third = RecordSet { identifier: Some("third".into()), weight: Some(1), ..all[0].clone() };
            all.push(RecordSet { values: vec!["elsewhere.example.net".into()], ..third });
        }),
        ("one record deleted", |all| all.truncate(1)),
    ];
    for (what, edit) in edits {
        let scene = Scene::new(named());
        let hand = Hand::on(&scene, edit);
        let ended = scene.play("edited", &scene.document(), APPROVE).await;
        let (mut now, mut expected) = (records_of(&scene), hand.left());
        if what == "a third member" {
            // What is deleted was as it had been read, so that Route 53 takes the batch. What was added stays, but for its TTL: members
            // of a group have one.
            now.retain(|record| record.identifier.as_deref() == Some("third"));
            expected.retain(|record| record.identifier.as_deref() == Some("third"));
        }
        now.sort_by_key(|record| record.identifier.clone());
        expected.sort_by_key(|record| record.identifier.clone());
        assert_eq!(now, expected, "{what}: as the human left them");
        assert_eq!(ended.summary.requests_lost, 0, "{what}: {:#?}", ended.log);
        assert!(ended.cause().contains("Somebody changed them"), "{what}: {}", ended.cause());
        // Where their weights send users to the new tasks, these stay, and a person is told.
        let serves = matches!(what, "weights" | "a third member");
        let outcome = if serves { Outcome::FailedDirty } else { Outcome::FailedClean };
        assert_eq!(ended.summary.outcome, outcome, "{what}: {}\n{}", ended.cause(), ended.log.join("\n"));
        assert_eq!(scene.size("shop__7").is_some(), serves, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn p96_nor_in_any_later_step_nor_on_the_way_back() {
    // The second one is the rollback's where somebody says no after the first.
    for (answer, nth) in [(APPROVE, 1), (APPROVE, 2), (REJECT, 1)] {
        let what = format!("{answer:?}, change {nth}");
        let scene = Scene::new(named());
        let hand = Hand::at(&scene, nth, |all| (all[0].weight, all[1].weight) = (Some(70), Some(30)));
        let ended = scene.play("edited", &scene.document(), answer).await;
        assert_eq!(records_of(&scene), hand.left(), "{what}: as the human left them");
        assert_eq!(ended.summary.requests_lost, 0, "{what}: {:#?}", ended.log);
        assert!(ended.log.iter().any(|line| line.contains("Somebody changed them")), "{what}: {:#?}", ended.log);
        // Their weights send users to the new tasks, so these stay, and a person is told.
        assert_eq!(ended.summary.outcome, Outcome::FailedDirty, "{what}: {}\n{}", ended.cause(), ended.log.join("\n"));
        let size = |fleet: &str| scene.size(fleet).map(|(_, desired, _)| desired);
        assert_eq!((size("shop__6"), size("shop__7")), (Some(4), Some(4)), "{what}: {:#?}", ended.log);
    }
}

#[tokio::test(start_paused = true)]
async fn p65_p96_lost_replies_and_zones_that_are_busy_change_nothing() {
    let busy = |nth: usize| {
        let message = "The request was rejected because Route 53 was still processing a prior request.".into();
        (nth % 5 < 3).then(|| Fault::Refuse { status: 400, code: "PriorRequestNotComplete".into(), message })
    };
    let cases: [(&str, &'static str, Strikes); 4] = [
        ("a reply lost", "ChangeResourceRecordSets", |nth| (nth % 2 == 0).then_some(Fault::LoseReply)),
        ("busy", "ChangeResourceRecordSets", busy),
        ("a request lost", "GetChange", |nth| (nth < 6).then_some(Fault::LoseRequest)),
        ("no health", "GetInstancesHealthStatus", |nth| (nth % 3 == 0).then_some(Fault::LoseReply)),
    ];
    for (what, operation, fault) in cases {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let scene = Scene::new(named());
            Nth::on(&scene, operation, fault);
            let ended = scene.play("faults", &scene.document(), answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{what}: {}\n{}", ended.cause(), ended.log.join("\n"));
            ended.lost_nothing();
            if answer == REJECT {
                scene.is_as_before();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p65_ten_deployments_at_once_share_the_five_requests_that_an_account_has_each_second() {
    let scene = Scene::new(ShopOptions { instances: 0, ..named() });
    let zone = scene.shop.name.as_ref().expect("it has a name").zone.clone();
    let documents: Vec<Value> = (0..10)
        .map(|number| {
            let mut world = scene.world();
            let namespace = world.add_namespace(&format!("shop{number}.internal"), &["vpc-0123456789abcdef0"], 15);
            let services = ["blue", "green"].map(|name| world.add_map_service(&namespace, name, "A", 20));
            scene.document_with(|d| {
                d["service"] = json!(format!("shop{number}"));
                d["compute"]["ecsService"]["name"] = json!(format!("shop{number}"));
                d["compute"]["ecsService"]["capacity"] = json!({ "fixed": { "min": 1, "desired": 1, "max": 1 } });
                d["routing"]["dns"][0]["name"] = json!(format!("shop{number}.example.com"));
                d["routing"]["dns"][0]["services"] = json!(services);
                assert_eq!(d["routing"]["dns"][0]["zone"], json!(zone));
                d["strategy"] = json!({ "blueGreenShift": { "percents": [50, 100] } });
            })
        })
        .collect();
    let plays = documents.iter().enumerate().map(|(number, document)| {
        let (installation, name) = (&scene.installation, format!("at-once-{number}"));
        async move {
            let operator = Box::new(move |_: &_| APPROVE);
            play(installation, &name, document, "none", operator, Box::new(|_: &_| {})).await.expect("it starts")
        }
    });
    for summary in join_all(plays).await {
        assert_eq!(summary.outcome, Outcome::Succeeded, "{:?}", summary.cause);
    }
    let throttled = scene.sim.calls().iter().filter(|call| call.error.as_deref() == Some("Throttling")).count();
    assert!(throttled > 0, "they were in each other's way");
    for number in 0..10 {
        let records = scene.world().records(&zone, &format!("shop{number}.example.com"));
        let weights: Vec<_> = records.iter().map(|record| record.weight).collect();
        assert!(weights.contains(&Some(100)) && weights.contains(&Some(0)), "{number}: {records:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn k32_what_cannot_be_steered_is_refused_all_at_once_before_anything_is_touched() {
    let refused = async |change: fn(&Scene), words: &[&str]| {
        let mut scene = Scene::new(named());
        change(&scene);
        scene.remember();
        is_refused(&scene, &scene.document(), words).await;
    };
    // Two things at once.
    refused(
        |scene| {
            let zone = scene.shop.name.clone().expect("it has a name").zone;
            scene.world().zone_mut(&zone).expect("it is there").managed = Some("Created by AWS Cloud Map".into());
            scene.world().map_service_mut(&scene.shop.target_group_b).expect("it is there").told = false;
        },
        &["managed by Created by AWS Cloud Map", "HealthCheckCustomConfig"],
    )
    .await;
    refused(
        |scene| {
            let zone = scene.shop.name.clone().expect("it has a name").zone;
            scene.world().zone_mut(&zone).expect("it is there").vpcs = Some(vec!["vpc-other".into()]);
        },
        &["vpc-other can see the name", "associate-vpc-with-hosted-zone"],
    )
    .await;
    let scene = Scene::new(named());
    let apex = scene.document_with(|d| d["routing"]["dns"][0]["name"] = json!("example.com"));
    is_refused(&scene, &apex, &["example.com is the apex of its zone", "Use a name below it"]).await;
    let edits: [(Edit, &[&str]); 5] = [
        // K31: the records say one, the service that runs another.
        (
            |all| (all[0].weight, all[1].weight) = (Some(0), Some(100)),
            &["shop__6 is the newest revision with 4 tasks, but the traffic goes to", "to which it is not attached"],
        ),
        (
            |all| {
                let third = RecordSet { identifier: Some("third".into()), weight: Some(1), ..all[0].clone() };
                all.push(RecordSet { values: vec!["elsewhere.example.net".into()], ..third });
            },
            &["leads to neither of the two"],
        ),
        (
            |all| drop(all[1].besides.insert("HealthCheckId".into(), "abc".into())),
            &["HealthCheckId", "against the weights"],
        ),
        (|all| (all[0].weight, all[1].weight) = (Some(60), Some(40)), &["already splits traffic"]),
        (
            |all| {
                all.truncate(1);
                (all[0].kind, all[0].identifier, all[0].weight) = ("A".into(), None, None);
                all[0].values = vec!["10.0.0.1".into()];
            },
            &["beside which there can be no CNAME"],
        ),
    ];
    for (change, words) in edits {
        let mut scene = Scene::new(named());
        edit(&scene, change);
        scene.remember();
        is_refused(&scene, &scene.document(), words).await;
    }
}

/// The document with a second name, which leads to the same services.
fn also_www(scene: &Scene) -> Value {
    scene.document_with(|d| {
        let mut other = d["routing"]["dns"][0].clone();
        other["name"] = json!("www.example.com");
        d["routing"]["dns"].as_array_mut().expect("it is a list").push(other);
    })
}

/// The records of the second name.
fn records_of_www(scene: &Scene) -> Vec<RecordSet> {
    let zone = scene.shop.name.clone().expect("it has a name").zone;
    scene.world().records(&zone, "www.example.com")
}

#[tokio::test(start_paused = true)]
async fn several_names_of_one_service_are_shifted_together_and_come_back_together() {
    let lossy: Strikes = |nth| (nth % 2 == 1).then_some(Fault::LoseReply);
    let cases: [(Answer, Outcome, Strikes); 4] = [
        (APPROVE, Outcome::Succeeded, |_| None),
        (REJECT, Outcome::FailedClean, |_| None),
        (APPROVE, Outcome::Succeeded, lossy),
        (REJECT, Outcome::FailedClean, lossy),
    ];
    for (answer, outcome, strikes) in cases {
        let mut scene = Scene::new(named());
        let both = records_of(&scene).into_iter();
        let both: Vec<RecordSet> = both.map(|it| RecordSet { name: "www.example.com.".into(), ..it }).collect();
        let zone = scene.shop.name.clone().expect("it has a name").zone;
        scene.world().set_records(&zone, "www.example.com", &both);
        scene.remember();
        Nth::on(&scene, "ChangeResourceRecordSets", strikes);
        let ended = scene.play("both", &also_www(&scene), answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}\n{}", ended.cause(), ended.log.join("\n"));
        ended.lost_nothing();
        if outcome == Outcome::FailedClean {
            scene.is_as_before();
            continue;
        }
        assert_eq!(scene.weights(), (0, 100));
        let weights: Vec<_> = records_of_www(&scene).iter().map(|it| it.weight).collect();
        assert_eq!(weights, [Some(0), Some(100)]);
    }
    // And where there were no records, all of them go again.
    let scene = Scene::new(ShopOptions { instances: 0, ..named() });
    let mut document = also_www(&scene);
    document["compute"]["ecsService"]["capacity"] = json!({ "fixed": { "min": 2, "desired": 2, "max": 2 } });
    let ended = scene.play("first", &document, REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}\n{}", ended.cause(), ended.log.join("\n"));
    assert_eq!((records_of(&scene), records_of_www(&scene)), (Vec::new(), Vec::new()));
    scene.is_as_before();
    let ended = scene.play("again", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}\n{}", ended.cause(), ended.log.join("\n"));
    assert_eq!((records_of(&scene).len(), records_of_www(&scene).len()), (2, 2));
}

/// Registers somebody else's task where the candidate comes up, when something is asked of it.
struct Stranger {
    sim: Weak<Sim>,
    registry: String,
    operation: &'static str,
}

impl Faults for Stranger {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let named = |field: &str| request.json[field] == "shop__7";
        if request.operation == self.operation && (named("service") || named("serviceName")) {
            self.sim.upgrade().expect("it runs").world().map_register(&self.registry, "0123456789abcdef", true, false);
        }
        None
    }
}

#[tokio::test(start_paused = true)]
async fn p88_nothing_is_shifted_to_where_others_than_the_new_tasks_would_be_answered_with() {
    let mut scene = Scene::new(named());
    let green = scene.shop.target_group_b.clone();
    scene.world().map_register(&green, "0123456789abcdef", true, false);
    scene.remember();
    is_refused(&scene, &scene.document(), &["0123456789abcdef is registered in it already"]).await;

    // Before it grows, and while it does.
    for operation in ["CreateService", "UpdateService"] {
        let scene = Scene::new(named());
        let (sim, registry) = (Arc::downgrade(&scene.sim), scene.shop.target_group_b.clone());
        scene.sim.set_faults(Some(Arc::new(Stranger { sim, registry, operation })));
        let before = records_of(&scene);
        let ended = scene.play("meanwhile", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}\n{}", ended.cause(), ended.log.join("\n"));
        assert!(ended.cause().contains("0123456789abcdef"), "{}", ended.cause());
        assert!(!ended.log.iter().any(|line| line.contains("Setting weights")), "{:#?}", ended.log);
        ended.lost_nothing();
        assert_eq!(records_of(&scene), before);
    }
}

#[tokio::test(start_paused = true)]
async fn ec27_ec31_the_log_names_the_free_service_and_tags_follow_the_records() {
    let scene = Scene::new(named());
    let ended = scene.succeed("told").await;
    let at = |words: &str| {
        let found = ended.log.iter().position(|line| line.contains(words));
        found.unwrap_or_else(|| panic!("{words}: {:#?}", ended.log))
    };
    let order = [
        at(
            "shop.example.com leads to blue.shop.internal (blue.shop.internal 100 : green.shop.internal 0); green.shop.internal takes the \
            new fleet",
        ),
        at("Tagged shop__7 BG_VERSION = BLUE"),
        at("Tagged shop__6 BG_VERSION = GREEN"),
        at("Resizing shop__6 from 4"),
    ];
    assert!(order.is_sorted(), "{order:?}: {:#?}", ended.log);
}
