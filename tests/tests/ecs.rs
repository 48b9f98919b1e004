//! Fleets that are services of Amazon ECS, by every strategy that they can have, forward and back.

use std::sync::Arc;

use crossfade_local::Outcome;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::world::sample::{Compute, NewImage, ShopOptions};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::json;

/// The strategies that services can have: they cannot change their target groups while they serve.
fn strategies() -> impl Iterator<Item = &'static Strategy> {
    STRATEGIES.iter().filter(|it| it.name != "swap")
}

fn services(strategy: &Strategy) -> ShopOptions {
    ShopOptions { compute: Compute::Services, ..strategy.options() }
}

#[tokio::test(start_paused = true)]
async fn s1_s8_s9_every_strategy_replaces_services_and_loses_no_request() {
    for strategy in strategies() {
        for compute in [Compute::Services, Compute::ServicesOnInstances] {
            for (seed, answer, outcome) in [(1, APPROVE, Outcome::Succeeded), (2, REJECT, Outcome::FailedClean)] {
                let what = format!("{} {compute:?} {seed}", strategy.name);
                let scene = Scene::seeded(seed, ShopOptions { compute, ..strategy.options() });
                let ended = scene.play("services", &strategy.document(&scene), answer).await;
                assert_eq!(ended.summary.outcome, outcome, "{what}: {}", ended.cause());
                ended.lost_nothing();
                scene.never_had_less_than(4.0, &what);
                match answer {
                    APPROVE => {
                        assert_eq!(scene.size("shop__6").map(|(_, desired, _)| desired), Some(0), "{what}");
                        assert_eq!(scene.size("shop__7").map(|(_, desired, _)| desired), Some(4), "{what}");
                    }
                    _ => scene.is_as_before(),
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s7_images_that_never_serve_leave_everything_as_it_was() {
    for strategy in strategies() {
        for new_image in [NewImage::Unhealthy, NewImage::NoCapacity, NewImage::Slow, NewImage::CrashLoop] {
            let scene = Scene::new(ShopOptions { new_image, ..services(strategy) });
            let ended = scene.play("ill", &strategy.document(&scene), APPROVE).await;
            let what = format!("{} {new_image:?}", strategy.name);
            assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{what}: {}", ended.cause());
            ended.lost_nothing();
            scene.is_as_before();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p77_tasks_that_run_and_die_are_given_up_early_with_why() {
    let shift = &STRATEGIES[2];
    let scene = Scene::new(ShopOptions { new_image: NewImage::CrashLoop, ..services(shift) });
    let ended = scene.play("crash", &shift.document(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    assert!(ended.cause().contains("Essential container in task exited (app ended with 1)"), "{}", ended.cause());
    assert!(ended.summary.virtual_seconds < 900.0, "after {} s", ended.summary.virtual_seconds);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn s3_the_task_definition_is_the_base_s_with_one_image_replaced() {
    let scene = Scene::new(services(&STRATEGIES[2]));
    scene.succeed("definition").await;
    let world = scene.world();
    let cluster = scene.shop.cluster.as_deref().expect("the shop has services");
    let of = |service: &str| {
        let arn = world.service_view(cluster, service).expect("it is there").definition;
        world.task_definition(&arn).expect("it is registered").clone()
    };
    let (base, mut made) = (of("shop-base"), of("shop__7"));
    assert_eq!((made.family.as_str(), made.active), ("shop", true));
    assert_eq!(made.tags["crossfade:deployment"], "definition");
    let containers = made.fields["containerDefinitions"].as_array_mut().expect("it has some");
    let changed: Vec<_> = containers.iter_mut().filter(|it| it["image"] == json!(scene.shop.new_ami)).collect();
    assert_eq!(changed.len(), 1, "one image is replaced");
    for container in changed {
        container["image"] = base.fields["containerDefinitions"][0]["image"].clone();
    }
    made.fields.insert("family".into(), base.fields["family"].clone());
    assert_eq!(made.fields, base.fields, "everything else is the base's");
}

#[tokio::test(start_paused = true)]
async fn g7_s7_a_kept_service_takes_over_again_and_a_rollback_puts_it_back() {
    for strategy in strategies() {
        // One of them stands on either side.
        for (revision, answer, outcome) in [
            (5, APPROVE, Outcome::Succeeded),
            (5, REJECT, Outcome::FailedClean),
            (4, APPROVE, Outcome::Succeeded),
            (4, REJECT, Outcome::FailedClean),
        ] {
            let scene = Scene::new(services(strategy));
            let mut document = strategy.document(&scene);
            document["artifact"] = json!({ "revision": revision });
            let ended = scene.play("again", &document, answer).await;
            let what = format!("{} {revision}", strategy.name);
            assert_eq!(ended.summary.outcome, outcome, "{what}: {}", ended.cause());
            ended.lost_nothing();
            match answer {
                APPROVE => {
                    let size = scene.size(&format!("shop__{revision}"));
                    assert_eq!(size.map(|(_, desired, _)| desired), Some(4), "{what}");
                }
                _ => {
                    // ECS takes a few ticks to call it a day with a service that was moved there and back.
                    scene.sim.clock.sleep(std::time::Duration::from_secs(120)).await;
                    scene.is_as_before();
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s2_services_beyond_those_that_are_kept_are_deleted_with_their_task_definitions() {
    let scene = Scene::new(services(&STRATEGIES[2]));
    let document = scene.document_with(|d| d["compute"]["ecsService"]["keepRevisions"] = json!(1));
    let ended = scene.play("prunes", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    for gone in ["shop__2", "shop__3", "shop__4", "shop__5"] {
        assert_eq!(scene.size(gone), None, "{gone}");
    }
    assert!(scene.size("shop__6").is_some());
}

#[tokio::test(start_paused = true)]
async fn s5_scaling_is_carried_when_the_new_service_serves_alone_and_rests_on_the_old_one() {
    for strategy in strategies() {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let scene = Scene::new(ShopOptions { equipped: true, ..services(strategy) });
            let ended = scene.play("scaled", &strategy.document(&scene), answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            match answer {
                APPROVE => {
                    assert_eq!(scene.size("shop__7"), Some((2, 4, 8)), "{}", strategy.name);
                    assert_eq!(scene.size("shop__6"), Some((0, 0, 0)), "{}", strategy.name);
                }
                _ => scene.is_as_before(),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p94_what_ecs_cannot_do_is_refused_with_the_document_and_all_at_once() {
    let swap = &STRATEGIES[3];
    let scene = Scene::new(services(swap));
    let mut document = swap.document(&scene);
    document["artifact"] = json!({ "ami": "ami-0a11ce00000000007" });
    document["rollback"] = json!({ "approval": {} });
    let ended = scene.play("swap", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    for words in ["artifact: this is not what an ECS service runs", "routing.targetGroups.test", "rollback.approval"] {
        assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
    }
    scene.is_as_before();
}

/// The sample's base and its task definition as a template of workers, to which nothing sends requests, in JSON.
fn template(scene: &Scene) -> (String, String) {
    let world = scene.world();
    let cluster = scene.shop.cluster.as_deref().expect("the shop has services");
    let mut base = json!(world.service(cluster, "shop-base").expect("it is there").fields);
    let arn = world.service_view(cluster, "shop-base").expect("it is there").definition;
    let mut definition = json!(world.task_definition(&arn).expect("it is registered").fields);
    for balanced in ["loadBalancers", "healthCheckGracePeriodSeconds"] {
        base.as_object_mut().expect("it is one").remove(balanced);
    }
    definition.as_object_mut().expect("it is one").remove("family");
    definition["containerDefinitions"][0]["name"] = json!("${CONTAINER_NAME}");
    definition["containerDefinitions"][0]["image"] = json!("${DOCKER_IMAGE_NAME}");
    (base.to_string(), definition.to_string())
}

/// A document that deploys workers from a template.
fn workers(scene: &Scene, service: serde_json::Value, definition: serde_json::Value) -> serde_json::Value {
    scene.document_with(|d| {
        d["service"] = json!("workers");
        d["routing"] = json!("none");
        d["compute"] = json!({ "ecsService": {
            "cluster": scene.shop.cluster, "name": "made", "container": "app",
            "definition": { "service": service, "taskDefinition": definition },
            "capacity": { "fixed": { "min": 2, "desired": 3, "max": 6 } },
        } });
    })
}

#[tokio::test(start_paused = true)]
async fn s3_s6_a_template_that_is_written_out_makes_the_first_service_and_the_next() {
    let scene = Scene::new(services(&STRATEGIES[0]));
    let (service, definition) = template(&scene);
    // A document writes a literal ${ twice as long.
    let text = |text: String| json!(text.replace("${", "$${"));
    let document = workers(&scene, text(service), text(definition));
    for (name, service) in [("first", "made__1"), ("second", "made__2")] {
        let ended = scene.play(name, &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{name}: {}", ended.cause());
        assert_eq!(scene.size(service).map(|(_, desired, _)| desired), Some(3), "{name}");
        // Behind no load balancer ECS takes tasks for steady 40 s after they run; till then its own deployment is under way (P101).
        scene.sim.clock.sleep(std::time::Duration::from_secs(120)).await;
    }
    assert_eq!(scene.size("made__1").map(|(_, desired, _)| desired), Some(0));
    assert_eq!(
        scene.world().service_tags("made__2").expect("it is there")["crossfade:infrastructure"],
        "workers/production/shop:=made"
    );
}

#[tokio::test(start_paused = true)]
async fn s3_a_template_is_named_or_written_out_and_not_both() {
    let scene = Scene::new(services(&STRATEGIES[2]));
    for (change, said) in [
        (json!({ "base": "" }), "it has no template"),
        (json!({ "definition": { "service": "{}", "taskDefinition": "{}" } }), "it has two templates"),
        (json!({ "port": 80 }), "a port needs a container"),
    ] {
        let document = scene.document_with(|d| {
            for (name, value) in change.as_object().expect("it is one") {
                d["compute"]["ecsService"][name] = value.clone();
            }
        });
        let ended = scene.play(&said.replace(' ', "-"), &document, APPROVE).await;
        assert!(ended.cause().contains(said), "{said}: {}", ended.cause());
    }
}

#[tokio::test(start_paused = true)]
async fn s5_a_service_that_scales_retires_takes_over_again_and_is_pruned_with_its_target() {
    let scene = Scene::new(ShopOptions { equipped: true, ..services(&STRATEGIES[2]) });
    let document = |change: &dyn Fn(&mut serde_json::Value)| scene.document_with(|d| change(d));
    scene.succeed("seventh").await;
    assert_eq!(scene.size("shop__6"), Some((0, 0, 0)));
    let back = document(&|d| d["artifact"] = json!({ "revision": 6 }));
    let ended = scene.play("back", &back, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!((scene.size("shop__6"), scene.size("shop__7")), (Some((2, 4, 8)), Some((0, 0, 0))));
    // What served before is kept, and nothing else.
    let pruning = document(&|d| d["compute"]["ecsService"]["keepRevisions"] = json!(0));
    for name in ["eighth", "ninth"] {
        let ended = scene.play(name, &pruning, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
        ended.lost_nothing();
    }
    assert_eq!((scene.size("shop__6"), scene.size("shop__7")), (None, None));
    assert_eq!(scene.size("shop__9"), Some((2, 4, 8)));
}

#[tokio::test(start_paused = true)]
async fn p99_protected_tasks_lose_their_protection_when_their_service_goes() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let scene = Scene::new(ShopOptions { protected: true, ..services(&STRATEGIES[2]) });
        let ended = scene.play("protected", &scene.document(), answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
        if answer == APPROVE {
            assert_eq!(scene.size("shop__6").map(|(_, desired, _)| desired), Some(0));
            assert!(ended.log.iter().any(|line| line.contains("shop__6 no longer protects")), "{:#?}", ended.log);
        }
    }
}

/// Scaling that is written out, by requests, by an alarm and by the clock.
fn written() -> serde_json::Value {
    let requests = json!({ "targetTracking": {
        "name": "requests", "metric": { "predefined": "ALBRequestCountPerTarget" }, "targetValue": 1500, "disableScaleIn": true,
    } });
    let queue = json!({ "targetTracking": { "name": "queue", "targetValue": 0.5, "disableScaleIn": true, "metric": { "customized": {
        "namespace": "Shop", "metricName": "Waiting", "statistic": "Average",
        "dimensions": [{ "name": "ServiceName" }, { "name": "TargetGroup" }, { "name": "LoadBalancer" }, { "name": "Stage", "value": "x" }],
    } } } });
    let forecast = json!({ "predictive": {
        "name": "forecast", "metricPair": "ALBRequestCount", "targetValue": 900.5, "maxCapacityBuffer": 10,
    } });
    let busy = json!({ "step": {
        "name": "busy", "adjustmentType": "ChangeInCapacity", "cooldown": 120,
        "stepAdjustments": [{ "metricIntervalLowerBound": 0, "scalingAdjustment": 2 }],
        "alarms": [{
            "name": "cpu", "comparisonOperator": "GreaterThanThreshold", "threshold": 90, "period": 30, "datapointsToAlarm": 1,
            "metric": { "namespace": "AWS/ECS", "metricName": "CPUUtilization", "statistic": "p99",
                "dimensions": [{ "name": "ClusterName" }, { "name": "ServiceName" }] },
        }],
    } });
    let night = json!({
        "name": "night", "schedule": "cron(0 22 ? * * *)", "timezone": "Europe/Berlin", "min": 1, "endTime": "2030-01-01T00:00:00Z",
    });
    json!({ "written": {
        "min": 3, "max": 9, "policies": [requests, queue, forecast, busy], "scheduledActions": [night],
    } })
}

#[tokio::test(start_paused = true)]
async fn s5_scaling_that_is_written_out_is_what_the_new_service_has() {
    for strategy in strategies() {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let scene = Scene::new(ShopOptions { equipped: true, ..services(strategy) });
            let mut document = strategy.document(&scene);
            document["compute"]["ecsService"]["scaling"] = written();
            let ended = scene.play("written", &document, answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            if answer == REJECT {
                scene.is_as_before();
                continue;
            }
            let now = scene.world().inventory();
            let has = &now["scalableTargets"]["service/shop/shop__7"];
            assert_eq!((&has["min"], &has["max"]), (&json!(3), &json!(9)), "{}", strategy.name);
            assert!(has["suspended"].as_object().is_some_and(|it| it.values().all(|it| it == false)), "{has}");
            let pool = now["services"]["shop/shop__7"]["settings"]["loadBalancers"][0]["targetGroupArn"].clone();
            let pool =
                pool.as_str().and_then(|arn| arn.rsplit(':').next()).expect("it stands in a target group").to_owned();
            let policies = &has["policies"];
            let names: Vec<&String> = policies.as_object().expect("it has some").keys().collect();
            assert_eq!(names, ["busy", "forecast", "queue", "requests"], "{}", strategy.name);
            let label = &policies["requests"]["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]
                ["ResourceLabel"];
            let balancer =
                label.as_str().and_then(|label| label.strip_suffix(&format!("/{pool}"))).expect("it is its own");
            let pair = &policies["forecast"]["PredictiveScalingPolicyConfiguration"]["MetricSpecifications"][0]["PredefinedMetricPairSpecification"];
            assert_eq!(&pair["ResourceLabel"], label, "{}", strategy.name);
            let customized =
                &policies["queue"]["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"];
            assert_eq!(
                customized["Dimensions"],
                json!([
                    { "Name": "ServiceName", "Value": "shop__7" }, { "Name": "TargetGroup", "Value": pool },
                    { "Name": "LoadBalancer", "Value": balancer }, { "Name": "Stage", "Value": "x" },
                ]),
                "{}",
                strategy.name
            );
            let alarm = &now["alarms"]["shop__7-cpu"];
            assert_eq!(alarm["settings"]["AlarmActions"], json!(["policy busy of service/shop/shop__7"]), "{alarm}");
            assert_eq!(alarm["settings"]["ExtendedStatistic"], "p99", "{alarm}");
            assert_eq!(
                alarm["settings"]["Dimensions"],
                json!([{ "Name": "ClusterName", "Value": "shop" }, { "Name": "ServiceName", "Value": "shop__7" }])
            );
            assert_eq!(alarm["tags"]["crossfade:deployment"], "written", "{alarm}");
            let actions: Vec<&String> = has["scheduledActions"].as_object().expect("it has one").keys().collect();
            assert_eq!(actions, ["night"], "{}", strategy.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s5_scaling_that_does_not_fit_is_refused_before_anything_changes() {
    let scene = Scene::new(ShopOptions { second_balancer: true, ..services(&STRATEGIES[2]) });
    let document = scene.document_with(|d| {
        d["compute"]["ecsService"]["scaling"] = written();
        d["compute"]["ecsService"]["scaling"]["written"]["max"] = json!(3);
    });
    let ended = scene.play("beyond", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    for words in [
        "scaling.written = min 3, max 3: the new service is to have 4 tasks",
        "scaling.written.policies[0].targetTracking.targetGroup is missing",
        "scaling.written.policies[2].predictive.targetGroup is missing",
    ] {
        assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
    }
    scene.is_as_before();
}

/// What the tags of services tell.
fn told(scene: &Scene, services: [&str; 3]) -> [Option<String>; 3] {
    let world = scene.world();
    services.map(|name| world.service_tags(name).and_then(|tags| tags.get("BG_VERSION").cloned()))
}

fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[tokio::test(start_paused = true)]
async fn s1_tags_tell_which_service_serves_once_it_does_and_again_after_a_rollback() {
    for strategy in strategies() {
        let scene = Scene::new(services(strategy));
        let ended = scene.play("told", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}: {}", strategy.name, ended.cause());
        assert_eq!(
            told(&scene, ["shop__7", "shop__6", "shop__5"]),
            [some("BLUE"), some("GREEN"), None],
            "{}",
            strategy.name
        );
    }
    // The tags are told before the question, while the old service still runs.
    let scene = Scene::new(services(&STRATEGIES[2]));
    let document = scene.document_with(|d| {
        d["strategy"] = json!({ "blueGreenShift": { "percents": [50, 100], "approveAfterPercents": [100] } });
    });
    let ended = scene.play("taken-back", &document, REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    ended.lost_nothing();
    let at = |words: &str| ended.log.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}"));
    let order = [
        at("Setting weights shop-a 0 : shop-b 100"),
        at("Tagged shop__7 BG_VERSION = BLUE"),
        at("Tagged shop__6 BG_VERSION = GREEN"),
        at("Took BG_VERSION off shop__6"),
    ];
    assert!(order.is_sorted(), "{order:?}: {:#?}", ended.log);
    scene.is_as_before();
    // A revision that takes over again is told of, too, and so is what served before it.
    scene.succeed("eighth").await;
    let back = scene.document_with(|d| d["artifact"] = json!({ "revision": 6 }));
    let ended = scene.play("back", &back, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(told(&scene, ["shop__8", "shop__6", "shop__5"]), [some("GREEN"), some("BLUE"), None]);
}

#[tokio::test(start_paused = true)]
async fn p49_wrong_tags_mislead_nobody_and_are_put_back_as_they_were() {
    for strategy in strategies() {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let mut scene = Scene::new(services(strategy));
            let cluster = scene.shop.cluster.clone().expect("the shop has services");
            for (name, version) in
                [("shop__6", "GREEN"), ("shop__5", "BLUE"), ("shop-base", "BLUE"), ("other-team", "GREEN")]
            {
                assert!(scene.world().set_service_tag(&cluster, name, "BG_VERSION", Some(version)), "{name}");
            }
            scene.remember();
            let ended = scene.play("misled", &strategy.document(&scene), answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            match answer {
                APPROVE => {
                    assert_eq!(scene.size("shop__6").map(|(_, desired, _)| desired), Some(0), "{}", strategy.name);
                    assert_eq!(
                        told(&scene, ["shop__7", "shop__6", "shop__5"]),
                        [some("BLUE"), some("GREEN"), some("BLUE")],
                        "{}",
                        strategy.name
                    );
                }
                _ => scene.is_as_before(),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s3_a_template_comes_from_s3_and_from_a_parameter_once() {
    let scene = Scene::new(services(&STRATEGIES[0]));
    let (service, definition) = template(&scene);
    scene.sim.parameters().define("/workers/service", "String", &service);
    scene.sim.objects().put("templates", "workers/task definition.json", definition.clone());
    let document = workers(
        &scene,
        json!({ "fromParameter": "/workers/service" }),
        json!({ "fromObject": "s3://templates/workers/task definition.json" }),
    );
    // By the time at which the service is made, other texts stand there.
    let sim = Arc::downgrade(&scene.sim);
    let see = move |happening: &Happening| {
        let Some(sim) = sim.upgrade().filter(|_| matches!(happening.what, What::Planned { .. })) else { return };
        sim.parameters().define("/workers/service", "String", "changed");
        sim.objects().put("templates", "workers/task definition.json", "changed");
    };
    let ended = scene.watched("once", &document, Box::new(|_| APPROVE), see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(scene.size("made__1").map(|(_, desired, _)| desired), Some(3));
    let line = |words: &str| {
        ended.log.iter().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {:#?}", ended.log))
    };
    assert!(line("definition.service = ").ends_with("from parameter /workers/service (version 1)"));
    let told = line("definition.taskDefinition = ");
    assert!(told.contains("from object s3://templates/workers/task definition.json (ETag "), "{told}");
}

#[tokio::test(start_paused = true)]
async fn s3_what_is_wrong_with_a_template_is_told_with_where_it_comes_from() {
    let scene = Scene::new(services(&STRATEGIES[0]));
    let objects = [
        ("twice", "family: a\nfamily: b\n".to_owned(), "family: it stands there twice (line 2)"),
        ("text", "no template".to_owned(), "it is no object"),
        ("open", "{\"containerDefinitions\": [".to_owned(), "has a `[` that is never closed"),
        ("long", format!("x: {}", "x".repeat(65_536)), "it is too long"),
    ];
    for (key, text, said) in objects {
        scene.sim.objects().put("templates", key, text);
        let place = format!("s3://templates/{key}");
        let document = workers(&scene, json!("launchType: FARGATE"), json!({ "fromObject": place }));
        let ended = scene.play(key, &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{key}: {}", ended.cause());
        for words in ["compute.ecsService.definition.taskDefinition", said, &format!("It comes from object {place}.")] {
            assert!(ended.cause().contains(words), "{key}: {words}: {}", ended.cause());
        }
    }
    let document = workers(&scene, json!("launchType: FARGATE"), json!({ "fromObject": "s3://templates/gone" }));
    let ended = scene.play("gone", &document, APPROVE).await;
    assert!(ended.cause().contains("there is no object s3://templates/gone"), "{}", ended.cause());
    let document = workers(&scene, json!("[]"), json!("a: 1\na: 2"));
    let ended = scene.play("here", &document, APPROVE).await;
    for words in ["definition.service: it is no object", "definition.taskDefinition: a: it stands there twice (line 2)"]
    {
        assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
    }
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn s9_a_role_for_the_load_balancer_is_handed_on_where_ecs_takes_one() {
    let shift = &STRATEGIES[2];
    let on = |compute, second_balancer| Scene::new(ShopOptions { compute, second_balancer, ..shift.options() });
    let with_role =
        |scene: &Scene| scene.document_with(|d| d["compute"]["ecsService"]["role"] = json!("ecsServiceRole"));
    let scene = on(Compute::ServicesOnInstances, false);
    let ended = scene.play("role", &with_role(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let now = scene.world().inventory();
    assert_eq!(now["services"]["shop/shop__7"]["settings"]["roleArn"], "ecsServiceRole");
    for (compute, several, why) in
        [(Compute::Services, false, "awsvpc"), (Compute::ServicesOnInstances, true, "several target groups")]
    {
        let scene = on(compute, several);
        let ended = scene.play("refused", &with_role(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        for words in ["compute.ecsService.role = ecsServiceRole", why, "Leave it out."] {
            assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
        }
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn p95_a_surplus_while_zones_are_balanced_is_no_reason_to_wait_or_to_fail() {
    for strategy in strategies() {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let scene = Scene::new(services(strategy));
            let (sim, cluster) =
                (Arc::downgrade(&scene.sim), scene.shop.cluster.clone().expect("the shop has services"));
            // Whenever a stage begins, either service has a task too many for a while.
            let see = move |happening: &Happening| {
                let begins = matches!(happening.what, What::StageStarted { .. });
                let Some(sim) = sim.upgrade().filter(|_| begins) else { return };
                for service in ["shop__6", "shop__7"] {
                    let mut world = sim.world();
                    if world.fleet_view(service).is_some_and(|view| view.desired > 0) {
                        world.rebalance_service(&cluster, service, 1);
                    }
                }
            };
            let ended = scene.watched("balanced", &strategy.document(&scene), Box::new(move |_| answer), see).await;
            assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            scene.never_had_less_than(4.0, strategy.name);
            if answer == REJECT {
                // What was balanced last is still being balanced.
                scene.sim.clock.sleep(std::time::Duration::from_secs(300)).await;
                scene.is_as_before();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p98_what_is_left_on_the_test_side_is_gone_before_the_swap_and_back_after_a_rollback() {
    for strategy in STRATEGIES.iter().filter(|it| matches!(it.name, "shift" | "listener swap")) {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let mut scene = Scene::new(services(strategy));
            let cluster = scene.shop.cluster.clone().expect("the shop has services");
            scene.world().resize_service(&cluster, "shop__5", 2).expect("it is there");
            scene.sim.clock.sleep(std::time::Duration::from_secs(300)).await;
            let aside = scene.shop.target_group_b.clone();
            assert_eq!(scene.world().healthy_in(&aside), 2, "{}", strategy.name);
            scene.remember();
            let (sim, pool) = (Arc::downgrade(&scene.sim), aside.clone());
            let see = move |happening: &Happening| {
                let held =
                    matches!(&happening.what, What::StageHeld { name, .. } if name.starts_with("Upscale shop__7"));
                let Some(sim) = sim.upgrade().filter(|_| held) else { return };
                let world = sim.world();
                let of = |service: &str| world.healthy_of(service, &pool);
                assert_eq!((of("shop__7"), of("shop__5"), world.healthy_in(&pool)), (4, 0, 4), "exactly the candidate");
            };
            let ended = scene.watched("left", &strategy.document(&scene), Box::new(move |_| answer), see).await;
            assert_eq!(ended.summary.outcome, outcome, "{}: {}", strategy.name, ended.cause());
            ended.lost_nothing();
            match answer {
                APPROVE => {
                    assert_eq!(scene.size("shop__5").map(|(_, desired, _)| desired), Some(0), "{}", strategy.name)
                }
                _ => scene.is_as_before(),
            }
        }
        // Of somebody else it is not ours to empty.
        let mut scene = Scene::new(services(strategy));
        let cluster = scene.shop.cluster.clone().expect("the shop has services");
        let theirs = {
            let world = scene.world();
            let mut fields = json!(world.service(&cluster, "other-team").expect("it is there").fields);
            for (name, value) in
                [("cluster", json!(cluster)), ("serviceName", json!("theirs")), ("desiredCount", json!(1))]
            {
                fields[name] = value;
            }
            fields["loadBalancers"][0]["targetGroupArn"] = json!(scene.shop.target_group_b);
            fields.as_object_mut().expect("it is one").remove("roleArn");
            fields
        };
        scene.world().add_service(&theirs, true).expect("ECS takes it");
        scene.sim.clock.sleep(std::time::Duration::from_secs(300)).await;
        scene.remember();
        let ended = scene.play("theirs", &strategy.document(&scene), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", strategy.name);
        assert!(ended.cause().contains("shop-b takes the new fleet, but"), "{}", ended.cause());
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn s5_scaling_comes_from_what_serves_and_from_what_sleeps_only_where_nothing_is_awake() {
    // One serves and scales by nothing; another one sleeps, and a schedule sends it to sleep again each day.
    let options = ShopOptions { sleeping: vec![(5, 2)], sleeps_minutes: 30, ..services(&STRATEGIES[2]) };
    let scene = Scene::new(options);
    let document = scene.document_with(|d| {
        d["compute"]["ecsService"]["capacity"] = json!({ "fixed": { "min": 4, "desired": 4, "max": 8 } });
    });
    let ended = scene.play("awake", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    let cluster = scene.shop.cluster.clone().expect("the shop has services");
    let resource = |service: &str| format!("service/{cluster}/{service}");
    assert!(scene.world().scalable_target(&resource("shop__7")).is_none(), "what serves scales by nothing");
    // Where nothing else is there, the schedule of what sleeps is what users have.
    let options = ShopOptions { sleeping: vec![(6, 2)], sleeps_minutes: 600, ..services(&STRATEGIES[0]) };
    let scene = Scene::new(options);
    let mut document = STRATEGIES[0].document(&scene);
    document["compute"]["ecsService"]["capacity"] = json!({ "fixed": { "min": 2, "desired": 2, "max": 4 } });
    let ended = scene.play("asleep", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    let now = scene.world().inventory();
    let actions = now["scalableTargets"][resource("shop__7")]["scheduledActions"].as_object().map(|it| it.len());
    assert_eq!(actions, Some(2), "opening and closing");
}
