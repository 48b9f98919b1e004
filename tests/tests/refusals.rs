//! What is wrong is said before anything changes, all at once, in words that a stranger can act on: G3, P7, P12, P41, P43, P47, P73, P74.

use crossfade_core::Kind;
use crossfade_local::Outcome;
use crossfade_sim::world::TargetGroupSpec;
use crossfade_sim::world::sample::{Compute, Layout, PENDING_AMI, ShopOptions};
use crossfade_tests::machinery::meta;
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::{Value, json};

/// Plays a deployment that has to be refused: nothing changed, no lock left, no mutating call, and the message says all this.
async fn refused(scene: &Scene, document: Value, says: &[&str]) {
    let ended = scene.play("refused", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    for words in says {
        assert!(ended.cause().contains(words), "{words:?} is missing in: {}", ended.cause());
    }
    assert_eq!(ended.summary.mutating_calls, 0, "nothing may be touched");
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn a_bad_document_lists_every_problem_with_path_value_and_fix() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|d| {
        d["servce"] = json!("shop");
        d["artifact"]["ami"] = json!("ami-7");
        d["timeouts"] = json!({"steadyStateMinutes": "20"});
        d.as_object_mut().map(|d| d.remove("environment"));
    });
    let says = [
        "4 problems",
        "environment: it is missing",
        "did you mean `service`?",
        "artifact.ami = \"ami-7\"",
        "timeouts.steadyStateMinutes",
    ];
    refused(&scene, document, &says).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_or_strange_input_is_refused_too() {
    for input in [json!({}), json!([]), json!("deploy"), json!(null)] {
        let scene = Scene::new(ShopOptions::default());
        refused(&scene, input, &["nothing was touched"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_arns_are_refused_by_name() {
    let scene = Scene::new(ShopOptions::default());
    let strange = scene.shop.route().replace("listener-rule/app/shop/", "listener-rule/app/other/");
    let document = scene.document_with(|d| d["routing"] = json!({ "weighted": [strange] }));
    refused(&scene, document, &["listener-rule/app/other/", "in routing does not exist in this account and region"])
        .await;

    let scene = Scene::new(ShopOptions::default());
    let strange = scene.shop.listener.replace("/app/shop/", "/app/other/");
    let document = scene.document_with(|d| d["routing"] = json!({ "weighted": [strange] }));
    refused(&scene, document, &["listener/app/other/", "in routing does not exist in this account and region"]).await;

    let scene = Scene::new(ShopOptions::default());
    let bucket = json!({"weighted": ["arn:aws:s3:::shop"]});
    let document = scene.document_with(|d| d["routing"] = bucket);
    refused(&scene, document, &["routing.weighted[0] = \"arn:aws:s3:::shop\"", "listener-rule/app/"]).await;
}

/// What is said of an ARN of elsewhere: what differs, never what is right, and what to do.
#[tokio::test(start_paused = true)]
async fn an_arn_of_elsewhere_is_told_by_what_differs() {
    let (region, account) = ((":eu-west-1:", ":us-east-1:"), (":123456789012:", ":210987654321:"));
    let in_region = (
        "is in us-east-1, and this is eu-west-1. Name one of eu-west-1, or deploy with the crossfade of us-east-1 (`--region us-east-1`)",
        "account",
    );
    let in_account = (
        "belongs to account 210987654321, and this is account 123456789012. Name one of account 123456789012, or deploy with the \
         crossfade of account 210987654321 (`--profile` with credentials of it)",
        "eu-west-1",
    );
    let in_both = (
        "is in us-east-1 of account 210987654321, and this is eu-west-1 of account 123456789012. Name one of eu-west-1 of account \
         123456789012, or deploy with the crossfade of us-east-1 of account 210987654321 (`--profile` with credentials of it, \
         `--region us-east-1`)",
        "Look the ARN up",
    );
    for (changed, (says, never)) in
        [(&[region][..], in_region), (&[account], in_account), (&[region, account], in_both)]
    {
        let elsewhere = |arn: &str| changed.iter().fold(arn.to_owned(), |arn, (is, other)| arn.replace(is, other));
        let weighted = |arn: &Value| json!({ "weighted": [arn] });
        let mut documents = Vec::new();
        let mut named =
            |options: ShopOptions, here: &dyn Fn(&Scene) -> String, routing: &dyn Fn(&Scene, Value) -> Value| {
                let scene = Scene::new(options);
                let arn = elsewhere(&here(&scene));
                let document = scene.document_with(|d| d["routing"] = routing(&scene, json!(arn)));
                documents.push((scene, document, arn));
            };
        named(ShopOptions::default(), &|it| it.shop.route().to_owned(), &|_, arn| weighted(&arn));
        named(ShopOptions::default(), &|it| it.shop.listener.clone(), &|_, arn| weighted(&arn));
        let attached = ShopOptions { layout: Layout::Attached, ..ShopOptions::default() };
        named(
            attached,
            &|it| it.shop.target_group_a.clone(),
            &|_, arn| json!({ "targetGroups": { "production": [arn] } }),
        );
        let services = ShopOptions { compute: Compute::Services, layout: Layout::Named, ..ShopOptions::default() };
        named(services, &|it| it.shop.target_group_a.clone(), &|it, arn| {
            let mut routing = it.document()["routing"].clone();
            routing["dns"][0]["services"][0] = arn;
            routing
        });
        let stacks = ShopOptions { layout: Layout::Stacks, ..ShopOptions::default() };
        named(stacks, &|it| it.shop.load_balancer.clone(), &|it, arn| {
            let mut routing = it.document()["routing"].clone();
            routing["dns"][0]["loadBalancers"][0]["arn"] = arn;
            routing
        });
        for (scene, document, arn) in documents {
            let ended = scene.play("elsewhere", &document, APPROVE).await;
            let cause = ended.cause();
            assert!(cause.contains(&arn) && cause.contains(says), "{says}\n{cause}");
            let said = cause.replace(&arn, "").replace(&arn.to_lowercase(), "");
            assert!(!said.contains(never), "{never} is right:\n{said}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p43_the_default_rule_by_its_own_arn_stands_for_its_listener() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let scene = Scene::new(ShopOptions { default_action: true, ..ShopOptions::default() });
        let document = scene.document_with(|d| d["routing"] = json!({ "weighted": [scene.shop.default_rule] }));
        let ended = scene.play("default-rule", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
        ended.lost_nothing();
        let said = "is the default rule of its listener, and stands for";
        assert!(ended.log.iter().any(|line| line.contains(said)), "{:#?}", ended.log);
        assert_eq!(meta(&scene, "default-rule")["document"]["routing"]["weighted"], json!([scene.shop.listener]));
        if answer == REJECT {
            scene.is_as_before();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p43_a_default_rule_and_its_listener_are_one_and_the_same() {
    let scene = Scene::new(ShopOptions { default_action: true, ..ShopOptions::default() });
    let both = [scene.shop.default_rule.clone(), scene.shop.listener.clone()];
    let document = scene.document_with(|d| d["routing"] = json!({ "weighted": both }));
    refused(&scene, document, &["routing.weighted[1]", "it is named twice"]).await;
}

#[tokio::test(start_paused = true)]
async fn p47_a_rule_with_one_or_three_target_groups_is_refused() {
    for (count, names) in [(1, "shop-a"), (3, "shop-a, shop-b, other-team")] {
        let mut scene = Scene::new(ShopOptions::default());
        let shop = &scene.shop;
        let all = [&shop.target_group_a, &shop.target_group_b, &shop.target_group_other];
        let groups: Vec<Value> = all[..count]
            .iter()
            .enumerate()
            .map(|(i, arn)| json!({"TargetGroupArn": arn, "Weight": if i == 0 { 100 } else { 0 }}))
            .collect();
        let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]);
        let conditions = json!([{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/more/*"]}}]);
        let rule = scene.world().add_rule(&shop.listener, 20, &conditions, &actions).expect("AWS takes it");
        scene.remember();
        let document = scene.document_with(|d| d["routing"] = json!({ "weighted": [rule] }));
        let count = format!("{count} target group(s) [{names}]");
        refused(&scene, document, &[&count, "exactly two"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p12_target_groups_that_nobody_checks_are_refused() {
    let mut scene = Scene::new(ShopOptions::default());
    let rule = scene.add_route("blind", false);
    let document = scene.document_with(|d| {
        d["environment"] = json!("blind");
        d["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": {"min": 1, "desired": 2, "max": 4}});
        d["routing"] = json!({ "weighted": [rule] });
    });
    refused(&scene, document, &["blind-a has its health checks switched off", "blind-b has"]).await;
}

#[tokio::test(start_paused = true)]
async fn p62_a_split_under_way_or_at_0_to_0_is_refused() {
    for (weights, says) in [((90, 10), "already splits traffic 90 : 10"), ((0, 0), "splits the traffic equally")] {
        let mut scene = Scene::new(ShopOptions::default());
        let (a, b) = (scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
        scene.world().set_weights(scene.shop.route(), &[(&a, weights.0), (&b, weights.1)]);
        scene.remember();
        let document = scene.document();
        refused(&scene, document, &[says]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p41_images_that_cannot_run_are_refused() {
    let scene = Scene::new(ShopOptions::default());
    let with = |ami: &str| scene.document_with(|d| d["artifact"]["ami"] = json!(ami));
    let arm = scene.shop.arm_ami.clone();
    for (ami, says) in [
        (arm.as_str(), &["is built for arm64", "m6i.large", "x86_64"][..]),
        (PENDING_AMI, &["is pending"]),
        ("ami-0badbadbadbadbad0", &["does not exist in this region"]),
    ] {
        let scene = Scene::new(ShopOptions::default());
        refused(&scene, with(ami), says).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_base_that_does_not_exist_or_cannot_be_cloned_is_refused() {
    let scene = Scene::new(ShopOptions::default());
    let document = scene.document_with(|d| d["compute"]["autoScalingGroup"]["base"] = json!("shop-bse"));
    refused(
        &scene,
        document,
        &["compute.autoScalingGroup.base = shop-bse does not exist", "did you mean `shop-base`?"],
    )
    .await;

    let scene = Scene::new(ShopOptions { classic_load_balancers: vec!["old".into()], ..ShopOptions::default() });
    let document = scene.document();
    refused(&scene, document, &["the classic load balancer old"]).await;
}

#[tokio::test(start_paused = true)]
async fn everything_that_stands_in_the_way_is_said_at_once() {
    let scene = Scene::new(ShopOptions::default());
    let strange = scene.shop.route().replace("listener-rule/app/shop/", "listener-rule/app/other/");
    let document = scene.document_with(|d| {
        d["artifact"]["ami"] = json!(PENDING_AMI);
        d["compute"]["autoScalingGroup"]["base"] = json!("nothing");
        d["routing"] = json!({ "weighted": [strange] });
    });
    refused(
        &scene,
        document,
        &["3 things stand in the way", "is pending", "= nothing does not exist", "in routing does not exist"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stickiness_longer_than_draining_may_take_is_refused() {
    let scene = Scene::new(ShopOptions { sticky_seconds: Some(86_400), ..ShopOptions::default() });
    let document = scene.document();
    refused(&scene, document, &["86400 s", "timeouts.drainMinutes = 60"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_of_somebody_elses_with_the_candidates_name_is_refused() {
    let mut scene = Scene::new(ShopOptions::default());
    scene.world().set_tag("shop__6", "crossfade:infrastructure", None).expect("a tag can be removed");
    scene.world().set_tag("shop__5", "crossfade:revision", Some("5")).expect("a tag can be set");
    scene.remember();
    let document = scene.document_with(|d| {
        d["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": {"min": 1, "desired": 2, "max": 4}});
    });
    refused(&scene, document, &["There is an Auto Scaling group named shop__6 already"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_stable_fleet_that_the_traffic_does_not_reach_is_refused() {
    let mut scene = Scene::new(ShopOptions::default());
    let (a, b) = (scene.shop.target_group_a.clone(), scene.shop.target_group_b.clone());
    scene.world().set_weights(scene.shop.route(), &[(&a, 0), (&b, 100)]);
    scene.remember();
    let document = scene.document();
    refused(&scene, document, &["shop__6 is the newest revision", "the traffic goes to shop-b"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_error_names_in_the_history_are_the_fixed_ones() {
    let scene = Scene::new(ShopOptions::default());
    let ended = scene.play("refused", &json!({}), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean);
    let executions = scene.sim.step_functions().executions();
    let history = format!("{:?}", scene.sim.step_functions().history(&executions[0].arn));
    assert!(history.contains(Kind::InvalidDocument.name()));
    assert_eq!(executions.len(), 1, "there is nothing to roll back");
}

#[tokio::test(start_paused = true)]
async fn p7_p73_a_target_group_in_no_rule_is_refused() {
    let mut scene = Scene::new(ShopOptions { layout: Layout::Staged, ..ShopOptions::default() });
    let lonely = scene.world().add_target_group(TargetGroupSpec::new("lonely"));
    scene.remember();
    let document = scene.document_with(|d| d["routing"]["targetGroups"]["test"] = json!([lonely]));
    refused(&scene, document, &["No rule or listener forwards to lonely", "never checked"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_of_a_network_load_balancer_is_refused_since_there_are_none() {
    let scene = Scene::new(ShopOptions::default());
    let network = scene.shop.route().replace("/app/", "/net/");
    let document = scene.document_with(|d| d["routing"] = json!({ "weighted": [network] }));
    refused(&scene, document, &["has the wrong form", "of a Network Load Balancer `listener/net/NAME/ID/ID`"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_would_come_up_in_a_zone_that_a_load_balancer_does_not_serve_is_refused() {
    let options = || ShopOptions { unserved_zone: true, ..ShopOptions::default() };
    let scene = Scene::new(options());
    let says = [
        "shop-base launches instances in eu-west-1c, and load balancer shop serves eu-west-1a, eu-west-1b alone",
        "Enable the zone with `aws elbv2 set-subnets`, or take its subnets out of shop-base",
    ];
    refused(&scene, scene.document(), &says).await;
    // A kept revision has its own subnets.
    let scene = Scene::new(options());
    let back = scene.document_with(|document| {
        document["artifact"] = json!({ "revision": 5 });
        document["compute"]["autoScalingGroup"]["capacity"] = json!("sameAsRunning");
    });
    let ended = scene.play("back", &back, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
}
