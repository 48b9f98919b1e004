//! What the candidate's instances are made from, where the base's own kind of source cannot be had or must not be copied:
//! P42, P71, P1, and a base behind classic load balancers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossfade_core::document::Decision;
use crossfade_local::watch::{Happening, What};
use crossfade_local::{Answer, Outcome};
use crossfade_sim::world::sample::{NewImage, ShopOptions, Source};
use crossfade_sim::{Fault, Faults, Request};
use crossfade_tests::machinery::meta;
use crossfade_tests::{APPROVE, REJECT, Scene, Twice};
use serde_json::{Value, json};

/// An account made since October 2024, whose base still has a launch configuration.
fn new_account(options: ShopOptions) -> Scene {
    let scene = Scene::new(ShopOptions { base: Source::LaunchConfiguration, ..options });
    scene.world().settings.can_create_launch_configurations = false;
    scene
}

/// The launch template of that name, with its id.
fn template(scene: &Scene, name: &str) -> Option<(String, Value)> {
    let inventory = scene.world().inventory();
    let templates = inventory["launchTemplates"].as_object().expect("there are some").clone();
    templates.into_iter().find(|(_, template)| template["name"] == name)
}

fn source(scene: &Scene, fleet: &str) -> Option<String> {
    scene.world().group_view(fleet).and_then(|view| view.source)
}

/// The base's launch configuration in a launch template's words.
fn as_template_data(scene: &Scene, ami: &str) -> Value {
    let name = scene.shop.launch_configuration.as_deref().expect("the base has one");
    let base = scene.world().inventory()["launchConfigurations"][name].clone();
    assert_eq!(base["AssociatePublicIpAddress"], "false", "{base:#}");
    let mut devices = base["BlockDeviceMappings"].clone();
    for device in devices.as_array_mut().expect("it has some") {
        // What a launch configuration means when it does not say.
        device["Ebs"]["DeleteOnTermination"] = json!("true");
    }
    json!({
        "ImageId": ami,
        "InstanceType": base["InstanceType"],
        "KeyName": base["KeyName"],
        "UserData": base["UserData"],
        "IamInstanceProfile": {"Name": base["IamInstanceProfile"]},
        "EbsOptimized": base["EbsOptimized"],
        "Monitoring": base["InstanceMonitoring"],
        "MetadataOptions": base["MetadataOptions"],
        "BlockDeviceMappings": devices,
        // Only an interface can refuse a public address, and then the security groups are the interface's.
        "NetworkInterfaces": [{
            "DeviceIndex": "0",
            "AssociatePublicIpAddress": base["AssociatePublicIpAddress"],
            "DeleteOnTermination": "true",
            "Groups": base["SecurityGroups"],
        }],
    })
}

/// Asserts that a fleet launches from version 1 of a template of its own, which says what the base's configuration says.
#[track_caller]
fn launches_from_its_own_template(scene: &Scene, fleet: &str, deployment: &str) {
    let (id, template) = template(scene, fleet).expect("a template named like the fleet");
    assert_eq!(source(scene, fleet), Some(format!("{id}:1")));
    assert_eq!(template["versions"]["1"]["data"], as_template_data(scene, &scene.shop.new_ami));
    assert_eq!(template["versions"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(template["tags"], json!([{"Key": "crossfade:deployment", "Value": deployment}]));
}

#[tokio::test(start_paused = true)]
async fn p42_where_no_launch_configuration_can_be_made_the_fleet_gets_a_launch_template_that_says_the_same() {
    let scene = new_account(ShopOptions::default());
    scene.succeed("first").await.lost_nothing();
    launches_from_its_own_template(&scene, "shop__7", "first");
    assert_eq!(scene.size("shop__7"), Some((4, 4, 8)));
    assert_eq!(scene.weights(), (0, 100));
    let configurations = scene.world().inventory()["launchConfigurations"].clone();
    assert_eq!(configurations, scene.before["launchConfigurations"], "the base keeps its own, and there is no other");
    scene.holds_no_lock();
}

#[tokio::test(start_paused = true)]
async fn p42_an_account_that_can_make_launch_configurations_gets_one_as_before() {
    let scene = Scene::new(ShopOptions { base: Source::LaunchConfiguration, ..ShopOptions::default() });
    scene.succeed("first").await;
    assert_eq!(source(&scene, "shop__7").as_deref(), Some("shop__7"));
    assert_eq!(template(&scene, "shop__7"), None);
}

#[tokio::test(start_paused = true)]
async fn p42_a_rollback_takes_the_template_away_again() {
    for new_image in [NewImage::Good, NewImage::Unhealthy, NewImage::NoCapacity] {
        let scene = new_account(ShopOptions { new_image, ..ShopOptions::default() });
        let ended = scene.play("no", &scene.document(), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{new_image:?}: {}", ended.cause());
        ended.lost_nothing();
        scene.is_as_before();
        // Its name is free again, and its token does not bring it back.
        let ended = scene.play("again", &scene.document(), REJECT).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{new_image:?}: {}", ended.cause());
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn p42_a_fleet_is_pruned_with_its_template() {
    let scene = new_account(ShopOptions::default());
    scene.succeed("first").await;
    assert!(template(&scene, "shop__7").is_some());
    let document = scene.document_with(|d| d["compute"]["autoScalingGroup"]["keepRevisions"] = json!(0));
    scene.succeed("second").await;
    let ended = scene.play("third", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    scene.sim.clock.sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(source(&scene, "shop__7"), None);
    assert_eq!(template(&scene, "shop__7"), None, "{:#?}", ended.log);
    launches_from_its_own_template(&scene, "shop__9", "third");
    for name in [scene.shop.template_name.as_str(), "other-team"] {
        assert!(template(&scene, name).is_some(), "{name} is somebody's own");
    }
}

#[tokio::test(start_paused = true)]
async fn p42_a_fleet_that_no_template_can_be_called_like_gets_one_with_another_name() {
    // As long as a series may be called, and with what no launch template has in its name.
    for series in ["s".repeat(200), "shop#1".to_owned()] {
        let mut scene = new_account(ShopOptions::default());
        let rule = scene.add_route("brand", true);
        let document = scene.document_with(|d| {
            d["service"] = json!("brand");
            d["routing"] = json!({ "weighted": [rule] });
            let group = &mut d["compute"]["autoScalingGroup"];
            group["name"] = json!(series);
            group["keepRevisions"] = json!(0);
            group["capacity"] = json!({ "fixed": { "desired": 2, "max": 4 } });
        });
        let ended = scene.play("no", &document, REJECT).await;
        assert_eq!(meta(&scene, "no")["failure"]["error"], "ApprovalRejected", "{series}: {}", ended.cause());
        scene.is_as_before();
        let templates =
            |scene: &Scene| scene.world().inventory()["launchTemplates"].as_object().map(serde_json::Map::len);
        let before = templates(&scene);
        for deployment in ["first", "second", "third"] {
            let ended = scene.play(deployment, &document, APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{series}: {}", ended.cause());
            scene.sim.clock.sleep(std::time::Duration::from_secs(60)).await;
        }
        assert_eq!(scene.size(&format!("{series}__4")), Some((0, 2, 4)));
        assert_eq!(
            templates(&scene),
            before.map(|it| it + 2),
            "of {series} those of what serves and what served before"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn p42_p1_a_template_of_that_name_that_is_not_ours_is_left_alone() {
    let mut scene = new_account(ShopOptions::default());
    let theirs = json!({"ImageId": scene.shop.running_ami, "InstanceType": "t3.micro"});
    scene.world().add_launch_template("shop__7", &[theirs], 1);
    scene.remember();
    let ended = scene.play("no", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    let says =
        ["launch template named shop__7 exists already", "its tag crossfade:deployment is missing", "left alone"];
    for words in says {
        assert!(ended.cause().contains(words), "{words:?} is missing in: {}", ended.cause());
    }
    ended.lost_nothing();
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn p42_a_template_of_a_pruned_fleets_name_that_somebody_else_made_is_left_alone() {
    let scene = new_account(ShopOptions::default());
    let theirs = json!({"ImageId": scene.shop.running_ami, "InstanceType": "t3.micro"});
    scene.world().add_launch_template("shop__5", &[theirs], 1);
    let before = template(&scene, "shop__5");
    let document = scene.document_with(|d| d["compute"]["autoScalingGroup"]["keepRevisions"] = json!(0));
    let ended = scene.play("first", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    scene.sim.clock.sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(source(&scene, "shop__5"), None, "its fleet is pruned");
    assert_eq!(template(&scene, "shop__5"), before);
}

#[tokio::test(start_paused = true)]
async fn p42_every_step_twice_makes_one_template_and_removes_it() {
    for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
        let scene = new_account(ShopOptions::default());
        scene.sim.set_functions(Arc::new(Twice(scene.sim.functions())));
        let document = scene.document_with(|d| d["compute"]["autoScalingGroup"]["keepRevisions"] = json!(0));
        let ended = scene.play("twice", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}\n{:#?}", ended.cause(), ended.log);
        ended.lost_nothing();
        if outcome == Outcome::FailedClean {
            scene.is_as_before();
            continue;
        }
        launches_from_its_own_template(&scene, "shop__7", "twice");
        scene.play("twice-more", &document, answer).await;
        let ended = scene.play("thrice", &document, answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}\n{:#?}", ended.cause(), ended.log);
        scene.sim.clock.sleep(std::time::Duration::from_secs(60)).await;
        assert_eq!(template(&scene, "shop__7"), None, "{:#?}", ended.log);
        launches_from_its_own_template(&scene, "shop__9", "thrice");
    }
}

#[tokio::test(start_paused = true)]
async fn p42_a_set_up_that_finds_the_template_of_its_own_deployment_takes_it() {
    // As after a reply that was lost for longer than AWS remembers tokens: the template is there, the token is not.
    let scene = new_account(ShopOptions::default());
    let data = as_template_data(&scene, &scene.shop.new_ami);
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Set")) {
            let mut world = sim.world();
            let id = world.add_launch_template("shop__7", std::slice::from_ref(&data), 1);
            world.tag_launch_template(&id, "crossfade:deployment", "adopted");
        }
    };
    let operator = Box::new(|_: &_| Answer::Decide(Decision::Approve));
    let ended = scene.watched("adopted", &scene.document(), operator, see).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    launches_from_its_own_template(&scene, "shop__7", "adopted");
}

#[tokio::test(start_paused = true)]
async fn p71_the_snapshots_of_the_old_image_are_not_taken_over_from_a_launch_configuration() {
    for can_create in [true, false] {
        let mut scene = new_account(ShopOptions::default());
        scene.world().settings.can_create_launch_configurations = can_create;
        let name = scene.shop.launch_configuration.clone().expect("the base has one");
        let devices = json!([
            {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-of-the-old-image", "VolumeSize": 30}},
            {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-of-the-catalogue"}},
        ]);
        {
            let mut world = scene.world();
            let mut settings = world.inventory()["launchConfigurations"][&name].clone();
            settings["BlockDeviceMappings"] = devices;
            world.add_launch_configuration(&name, &settings);
        }
        scene.remember();
        scene.succeed("first").await;
        let inventory = scene.world().inventory();
        let made = match template(&scene, "shop__7") {
            Some((_, template)) => template["versions"]["1"]["data"].clone(),
            None => inventory["launchConfigurations"]["shop__7"].clone(),
        };
        let snapshot = |n: usize| made["BlockDeviceMappings"][n]["Ebs"]["SnapshotId"].as_str();
        assert_eq!(snapshot(0), None, "the image brings its own: {made:#}");
        assert_eq!(snapshot(1), Some("snap-of-the-catalogue"), "no image brings this one: {made:#}");
        assert_eq!(made["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"], "30");
    }
}

#[tokio::test(start_paused = true)]
async fn a_base_behind_classic_load_balancers_is_refused_before_anything_changes() {
    for base in [Source::Pinned, Source::LaunchConfiguration] {
        let names = vec!["shop-classic".to_owned()];
        let scene = Scene::new(ShopOptions { base, classic_load_balancers: names, ..ShopOptions::default() });
        let ended = scene.play("refused", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
        let says = "The base shop-base is attached to the classic load balancer shop-classic";
        assert!(ended.cause().contains(says), "{}", ended.cause());
        assert_eq!(ended.summary.mutating_calls, 0, "nothing may be touched");
        scene.is_as_before();
    }
}

/// One fault at the nth of the calls that make, look for or remove launch sources.
struct Once {
    nth: usize,
    fault: Fault,
    count: AtomicUsize,
    struck: Arc<AtomicBool>,
}

impl Faults for Once {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let about_sources = request.operation.contains("Launch") && request.caller.as_deref() != Some("operator");
        if !about_sources || self.count.fetch_add(1, Ordering::Relaxed) != self.nth {
            return None;
        }
        self.struck.store(true, Ordering::Relaxed);
        Some(self.fault.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn p42_a_fault_at_any_call_about_launch_sources_leaves_no_template_behind() {
    let denied = Fault::Refuse { status: 403, code: "UnauthorizedOperation".into(), message: "a fault".into() };
    for fault in [Fault::LoseReply, Fault::LoseRequest, denied] {
        for answer in [APPROVE, REJECT] {
            for nth in 0.. {
                let scene = new_account(ShopOptions { requests_per_second: 5.0, ..ShopOptions::default() });
                let struck = Arc::new(AtomicBool::default());
                let faults = Once { nth, fault: fault.clone(), count: AtomicUsize::default(), struck: struck.clone() };
                scene.sim.set_faults(Some(Arc::new(faults)));
                let ended = scene.play("faulty", &scene.document(), answer).await;
                let what = format!("{fault:?} at call {nth}, {answer:?}: {}\n{:#?}", ended.cause(), ended.log);
                assert_eq!(ended.summary.requests_lost, 0, "{what}");
                match ended.summary.outcome {
                    Outcome::Succeeded => launches_from_its_own_template(&scene, "shop__7", "faulty"),
                    Outcome::FailedClean => assert!(scene.world().inventory() == scene.before, "{what}"),
                    other => panic!("{other:?}: {what}"),
                }
                scene.holds_no_lock();
                if !struck.load(Ordering::Relaxed) {
                    assert!(nth >= 6, "a deployment makes more such calls than {nth}: the faults did not strike");
                    break;
                }
            }
        }
    }
}
