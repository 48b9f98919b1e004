//! Two load balancers behind one name: the whole stack is of one colour, and weighted records share out the look-ups. With resolvers
//! that keep every answer to the last second, and clients that keep addresses for longer.

use crossfade_local::Outcome;
use crossfade_sim::Fault;
use crossfade_sim::world::dns::RecordSet;
use crossfade_sim::world::sample::{Balancer, Compute, Layout, NewImage, Records, ShopOptions};
use crossfade_sim::world::{TargetGroupSpec, Via};
use crossfade_tests::names::{Edit, Hand, Nth, both_ways, edit, is_refused, records_of};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::{Value, json};

fn stacks() -> ShopOptions {
    ShopOptions { layout: Layout::Stacks, ..ShopOptions::default() }
}

fn with(records: Records) -> ShopOptions {
    ShopOptions { records, ..stacks() }
}

#[tokio::test(start_paused = true)]
async fn s4_fleets_of_every_kind_are_replaced_behind_two_load_balancers_and_no_request_is_lost() {
    for compute in [Compute::Groups, Compute::Services, Compute::ServicesOnInstances, Compute::Elastigroups] {
        both_ways(|| ShopOptions { compute, ..stacks() }, |_| {}, &format!("{compute:?}")).await;
    }
    both_ways(|| ShopOptions { balancer: Balancer::Network, ..stacks() }, |_| {}, "network load balancers").await;
}

#[tokio::test(start_paused = true)]
async fn s4_all_at_once_and_to_any_weights_that_end_there() {
    let swap = |document: &mut Value| document["strategy"] = json!({ "blueGreenSwap": { "approveBeforeSwap": true } });
    both_ways(stacks, swap, "100 : 0 at once").await;
    let steps = |document: &mut Value| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [1, 33, 66, 100], "approveAfterPercents": [66], "pauseSeconds": 30 } });
    };
    both_ways(stacks, steps, "steps with pauses").await;
}

#[tokio::test(start_paused = true)]
async fn p97_p63_records_of_every_form_come_back_as_they_were() {
    let forms = [
        ("other names with a TTL of 300 s", Records { cname: true, ttl_seconds: 300, ..Records::default() }),
        ("a simple name", Records { cname: true, simple: true, ..Records::default() }),
        ("a simple alias", Records { simple: true, ..Records::default() }),
        ("aliases of both types", Records { dual_stack: true, ..Records::default() }),
        ("simple aliases of both types", Records { dual_stack: true, simple: true, ..Records::default() }),
    ];
    for (what, records) in forms {
        both_ways(|| with(records), |_| {}, what).await;
    }
    // And what they become is what the document says.
    for (cname, form) in [(true, "alias"), (false, "cname")] {
        let change = |document: &mut Value| document["routing"]["dns"][0]["records"] = json!(form);
        both_ways(|| with(Records { cname, ..Records::default() }), change, form).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_deployment_creates_aliases_and_its_rollback_removes_them() {
    let first = || ShopOptions { instances: 0, ..stacks() };
    let document = |scene: &Scene| {
        scene.document_with(|d| {
            d["compute"]["autoScalingGroup"]["capacity"] = json!({ "fixed": { "min": 2, "desired": 2, "max": 2 } });
        })
    };
    let scene = Scene::new(first());
    // It was made by nobody's deployment: what stands there has no traffic.
    let ended = scene.play("first", &document(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}\n{}", ended.cause(), ended.log.join("\n"));
    assert_eq!(ended.summary.requests_lost, 0, "{:#?}", ended.log);
    let records = records_of(&scene);
    assert_eq!(records.iter().map(|it| (it.kind.as_str(), it.weight)).collect::<Vec<_>>().len(), 2, "{records:?}");
    assert!(records.iter().all(|it| it.alias.as_ref().is_some_and(|it| !it.evaluates)), "{records:?}");
    let before = scene.weights();
    let again = scene.play("second", &document(&scene), APPROVE).await;
    assert_eq!(again.summary.outcome, Outcome::Succeeded, "{}", again.cause());
    assert_eq!((again.summary.requests_lost, scene.weights()), (0, (before.1, before.0)), "{:#?}", again.log);

    let scene = Scene::new(first());
    let ended = scene.play("first", &document(&scene), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert_eq!(records_of(&scene), []);
    scene.is_as_before();
}

/// Gives both load balancers a path with a target group of its own, and lets requests arrive there by the name.
fn with_admin(scene: &mut Scene) -> [String; 2] {
    let shop = scene.shop.clone();
    let mut world = scene.sim.world();
    let listeners = [shop.listener.clone(), shop.other_stack.expect("there are two").listener];
    let groups = ["admin-a", "admin-b"].map(|name| world.add_target_group(TargetGroupSpec::new(name)));
    for (listener, group) in listeners.iter().zip(&groups) {
        let path = json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/admin/*"] } }]);
        let to = json!([{ "Type": "forward", "TargetGroupArn": group }]);
        world.add_rule(listener, 3, &path, &to).expect("the listener takes it");
    }
    world.attach("shop__6", &groups[..1], Via::TargetGroups).expect("the group takes it");
    let later = world.now_millis() + 120_000;
    world.advance(later);
    drop(world);
    scene.remember();
    groups
}

#[tokio::test(start_paused = true)]
async fn several_target_groups_behind_each_load_balancer_move_together() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let mut scene = Scene::new(stacks());
        let groups = with_admin(&mut scene);
        let document = scene.document_with(|d| {
            for (stack, group) in [0, 1].into_iter().zip(&groups) {
                let named = &mut d["routing"]["dns"][0]["loadBalancers"][stack]["targetGroups"];
                named.as_array_mut().expect("it is a list").push(json!(group));
            }
        });
        let ended = scene.play("both", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}\n{}", ended.cause(), ended.log.join("\n"));
        ended.lost_nothing();
        if answer == REJECT {
            scene.is_as_before();
            continue;
        }
        let behind = scene.world().fleet_view("shop__7").expect("it serves").target_groups;
        assert!(behind.contains(&groups[1]) && behind.contains(&scene.shop.target_group_b), "{behind:?}");
    }
    // One that the document forgets would be left without anybody.
    let mut scene = Scene::new(stacks());
    with_admin(&mut scene);
    let ended = scene.play("forgotten", &scene.document(), APPROVE).await;
    assert!(ended.cause().contains("stands behind"), "{}", ended.cause());
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn several_names_of_two_load_balancers_are_shifted_together() {
    let scene = Scene::new(stacks());
    let zone = scene.shop.name.clone().expect("it has a name").zone;
    let document = scene.document_with(|d| {
        let mut other = d["routing"]["dns"][0].clone();
        other["name"] = json!("example.com");
        d["routing"]["dns"].as_array_mut().expect("it is a list").push(other);
    });
    // The apex has more than that, which nobody touches.
    let mut apex: Vec<RecordSet> =
        records_of(&scene).into_iter().map(|it| RecordSet { name: "example.com.".into(), ..it }).collect();
    let mx = RecordSet {
        kind: "MX".into(),
        identifier: None,
        weight: None,
        ttl_seconds: Some(300),
        alias: None,
        ..apex[0].clone()
    };
    apex.push(RecordSet { values: vec!["10 mail.example.com".into()], ..mx.clone() });
    scene.world().set_records(&zone, "example.com", &apex);
    let ended = scene.play("both", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}\n{}", ended.cause(), ended.log.join("\n"));
    ended.lost_nothing();
    assert_eq!(scene.weights(), (0, 100));
    let weights = scene.world().weights(&format!("dns:{zone}/example.com"));
    assert!(weights.contains(&(scene.shop.target_group_b.clone(), 100)), "{weights:?}");
    assert!(scene.world().records(&zone, "example.com").iter().any(|it| it.kind == "MX"));
}

#[tokio::test(start_paused = true)]
async fn p87_clients_that_keep_a_load_balancer_for_longer_than_the_document_says_show_that_it_is_measured() {
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
async fn images_that_never_serve_leave_both_stacks_as_they_were() {
    for new_image in [NewImage::Unhealthy, NewImage::NoCapacity] {
        let scene = Scene::new(ShopOptions { new_image, ..stacks() });
        let ended = scene.play("ill", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{new_image:?}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn g7_a_kept_revision_takes_over_again_behind_the_other_load_balancer() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let scene = Scene::new(stacks());
        let document = scene.document_with(|d| d["artifact"] = json!({ "revision": 5 }));
        let ended = scene.play("again", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}\n{}", ended.cause(), ended.log.join("\n"));
        ended.lost_nothing();
        if answer == REJECT {
            scene.is_as_before();
        } else {
            assert_eq!(scene.weights(), (0, 100));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p96_what_a_human_makes_of_aliases_between_read_and_change_is_never_overwritten() {
    let edits: [(&str, Edit, bool); 5] = [
        ("weights", |all| (all[0].weight, all[1].weight) = (Some(70), Some(30)), true),
        (
            "a third record",
            |all| {
                let third = RecordSet { identifier: Some("third".into()), weight: Some(1), ..all[0].clone() };
                let mut alias = third.alias.clone().expect("it is one");
                alias.name = "theirs-1.eu-west-1.elb.amazonaws.com.".into();
                all.push(RecordSet { alias: Some(alias), ..third });
            },
            true,
        ),
        ("health", |all| all.iter_mut().for_each(|it| it.alias.as_mut().expect("it is one").evaluates = true), false),
        ("one record deleted", |all| all.truncate(1), false),
        // Of two types one alone.
        (
            "one type",
            |all| {
                let newer = all.iter_mut().filter(|it| it.kind == "AAAA");
                newer.for_each(|it| it.weight = it.weight.map(|weight| 100 - weight));
            },
            true,
        ),
    ];
    for (what, edit, serves) in edits {
        let scene = Scene::new(with(Records { dual_stack: what == "one type", ..Records::default() }));
        let hand = Hand::on(&scene, edit);
        let ended = scene.play("edited", &scene.document(), APPROVE).await;
        let (mut now, mut left) = (records_of(&scene), hand.left());
        if what == "a third record" {
            // What is deleted was as it had been read, so that Route 53 takes the batch. What was added stays.
            now.retain(|record| record.identifier.as_deref() == Some("third"));
            left.retain(|record| record.identifier.as_deref() == Some("third"));
            assert_eq!(now.len(), 1, "{what}");
        }
        assert_eq!(now, left, "{what}: as the human left them");
        assert_eq!(ended.summary.requests_lost, 0, "{what}: {:#?}", ended.log);
        assert!(ended.cause().contains("Somebody changed them"), "{what}: {}", ended.cause());
        // Where their weights send users to the new instances, these stay, and a person is told.
        let outcome = if serves { Outcome::FailedDirty } else { Outcome::FailedClean };
        assert_eq!(ended.summary.outcome, outcome, "{what}: {}\n{}", ended.cause(), ended.log.join("\n"));
        assert_eq!(scene.size("shop__7").is_some(), serves, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn p96_lost_replies_about_aliases_change_nothing() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let scene = Scene::new(stacks());
        Nth::on(&scene, "ChangeResourceRecordSets", |nth| nth.is_multiple_of(2).then_some(Fault::LoseReply));
        let ended = scene.play("lossy", &scene.document(), answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}\n{}", ended.cause(), ended.log.join("\n"));
        ended.lost_nothing();
        if answer == REJECT {
            scene.is_as_before();
        }
    }
}

/// What somebody has made of the account, and the words in which it is refused.
type Refused = (fn(&Scene), &'static [&'static str]);

#[tokio::test(start_paused = true)]
async fn what_cannot_be_steered_safely_is_refused_all_at_once_before_anything_is_touched() {
    fn other(scene: &Scene) -> String {
        scene.shop.other_stack.clone().expect("there are two").balancer
    }
    let cases: [Refused; 5] = [
        // Three things at once.
        (
            |scene| {
                edit(scene, |all| {
                    all[0].alias.as_mut().expect("it is one").evaluates = true;
                    all[1].besides.insert("HealthCheckId".into(), "abc".into());
                });
                scene.world().balancer_mut(&other(scene)).expect("it is there").internal = true;
            },
            &["EvaluateTargetHealth", "HealthCheckId", "shop-green is internal"],
        ),
        (
            |scene| {
                edit(scene, |all| {
                    let third = RecordSet { identifier: Some("third".into()), weight: Some(0), ..all[0].clone() };
                    let mut alias = third.alias.clone().expect("it is one");
                    alias.name = "theirs-1.eu-west-1.elb.amazonaws.com.".into();
                    all.push(RecordSet { alias: Some(alias), ..third });
                });
            },
            &["theirs-1.eu-west-1.elb.amazonaws.com", "neither of the two load balancers"],
        ),
        (|scene| edit(scene, |all| (all[0].weight, all[1].weight) = (Some(60), Some(40))), &["already splits traffic"]),
        (
            |scene| {
                let listener = json!([{ "Type": "forward", "TargetGroupArn": scene.shop.target_group_a }]);
                let balancer = scene.shop.load_balancer.clone();
                scene.world().add_listener(&balancer, 80, "HTTP", &listener).expect("it takes it");
            },
            &["shop-green does not listen at 80/HTTP"],
        ),
        (
            |scene| {
                let zone = scene.shop.name.clone().expect("it has a name").zone;
                scene.world().zone_mut(&zone).expect("it is there").managed = Some("Created by AWS Cloud Map".into());
            },
            &["managed by Created by AWS Cloud Map"],
        ),
    ];
    for (change, words) in cases {
        let mut scene = Scene::new(stacks());
        change(&scene);
        scene.remember();
        is_refused(&scene, &scene.document(), words).await;
    }
    // The target groups of both sides behind one of them.
    let scene = Scene::new(stacks());
    let document = scene.document_with(|d| {
        let named = &mut d["routing"]["dns"][0]["loadBalancers"];
        let (a, b) = (named[0]["targetGroups"].clone(), named[1]["targetGroups"].clone());
        (named[0]["targetGroups"], named[1]["targetGroups"]) = (b, a);
    });
    is_refused(&scene, &document, &["and not behind the load balancer shop alone"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_zone_may_be_named_by_its_name_where_no_other_one_has_it() {
    let by_name = |d: &mut Value| d["routing"]["dns"][0]["zone"] = json!("Example.com.");
    both_ways(stacks, by_name, "a zone by its name").await;
    let mut scene = Scene::new(stacks());
    scene.world().add_zone("example.com", Some(&["vpc-0123456789abcdef0"]));
    scene.remember();
    let ended = scene.play("ambiguous", &scene.document_with(by_name), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("there are 2 hosted zones example.com"), "{}", ended.cause());
    assert!(ended.cause().contains("(private)") && ended.cause().contains("(public)"), "{}", ended.cause());
    scene.is_as_before();
    let none = scene.document_with(|d| d["routing"]["dns"][0]["zone"] = json!("example.org"));
    let ended = scene.play("none", &none, APPROVE).await;
    assert!(ended.cause().contains("there is no hosted zone example.org"), "{}", ended.cause());
    // The same name once by its zone's name, and once by its id.
    let scene = Scene::new(stacks());
    let twice = scene.document_with(|d| {
        let mut again = d["routing"]["dns"][0].clone();
        again["zone"] = json!("example.com");
        d["routing"]["dns"].as_array_mut().expect("it is a list").push(again);
    });
    let ended = scene.play("twice", &twice, APPROVE).await;
    assert!(ended.cause().contains("is named twice"), "{}", ended.cause());
}

/// Gives another name of the zone these of the shop's records.
fn called_too(scene: &Scene, name: &str, records: impl Fn(&RecordSet) -> bool) {
    let zone = scene.shop.name.clone().expect("it has a name").zone;
    let full = format!("{name}.");
    let own = records_of(scene).into_iter().filter(|record| records(record));
    let own: Vec<RecordSet> = own.map(|record| RecordSet { name: full.clone(), ..record }).collect();
    scene.world().set_records(&zone, name, &own);
}

#[tokio::test(start_paused = true)]
async fn other_names_that_lead_to_the_same_load_balancers_are_refused_or_told() {
    let mut scene = Scene::new(stacks());
    called_too(&scene, "old.example.com", |_| true);
    called_too(&scene, "look.example.com", |record| record.weight == Some(0));
    scene.remember();
    let ended = scene.play("others", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    assert!(ended.cause().contains("old.example.com leads to"), "{}", ended.cause());
    assert!(!ended.cause().contains("look.example.com"), "{}", ended.cause());
    scene.is_as_before();
    // One that only looks at one of them stays, and whoever deploys knows of it.
    let scene = Scene::new(stacks());
    called_too(&scene, "look.example.com", |record| record.weight == Some(0));
    let ended = scene.succeed("told").await;
    ended.lost_nothing();
    let told = "look.example.com leads to";
    assert!(ended.log.iter().any(|line| line.contains(told)), "{:#?}", ended.log);
}
