//! The rules of the stack, as `crossfade local` follows them: what dies is found, what waits is looked on, and events start what triggers say.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crossfade_core::document;
use crossfade_sim::world::State;
use crossfade_sim::world::sample::{PAGER, ShopOptions, publish};
use crossfade_sim::{Request, Service};
use crossfade_tests::Scene;
use crossfade_tests::machinery::{asked, deploy, end, executions, meta, rollbacks, stop};
use serde_json::json;
use tokio::task::JoinHandle;

/// A shop whose rules are followed; with a schedule for triggers, if one is given.
fn scene(options: ShopOptions, schedule: Option<Duration>) -> (Scene, JoinHandle<()>) {
    let scene = Scene::new(options);
    publish(&scene.sim, &scene.shop);
    let installation = scene.installation.clone();
    let following = tokio::spawn(async move { match installation.follow_rules(schedule).await {} });
    (scene, following)
}

/// Waits until it is so, for as long as is reasonable, and answers how many seconds that was.
async fn until(scene: &Scene, what: &str, is_so: impl Fn() -> bool) -> u64 {
    for seconds in 0..3600 {
        if is_so() {
            return seconds;
        }
        scene.sim.clock.sleep(Duration::from_secs(1)).await;
    }
    panic!("{what}: {:#?}", scene.installation.log("one"));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_stopped_by_hand_goes_back_by_itself() {
    let (scene, _following) = scene(ShopOptions::default(), None);
    let execution = deploy(&scene, "one", &scene.document());
    asked(&scene, "one").await;
    stop(&scene.sim, &execution, json!({})).await;
    let seconds = until(&scene, "it is never rolled back", || !rollbacks(&scene).is_empty()).await;
    assert!(seconds <= 60, "the rollback begins after {seconds} s");
    until(&scene, "it does not end", || meta(&scene, "one")["status"] == "failedClean").await;
    assert_eq!(meta(&scene, "one")["failure"]["error"], "HaltRequested");
    assert_eq!(rollbacks(&scene).len(), 1, "the event, and every sweep since, mean the same rollback");
    assert_eq!(scene.world().traffic().totals.lost, 0);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_waits_is_looked_on_by_an_alarm_and_every_minute() {
    // Told by the alarm at once; a candidate that dies tells nobody, and the next sweep sees it.
    for (what, error) in [("an alarm", "VerificationFailed"), ("a death", "CandidateUnhealthy")] {
        let (scene, _following) = scene(ShopOptions { pager: true, ..ShopOptions::default() }, None);
        let document = scene.document_with(|it| {
            it["verification"] = json!({ "checks": { "pager": { "alarm": PAGER } } });
        });
        let execution = deploy(&scene, "one", &document);
        asked(&scene, "one").await;
        match what {
            "an alarm" => scene.world().turn_alarm(PAGER, State::Alarm),
            _ => crossfade_rehearse::dies(&scene.sim, "shop__7", None, std::slice::from_ref(&scene.shop.new_ami)),
        }
        let seconds = until(&scene, what, || scene.weights() == (100, 0)).await;
        assert!(seconds <= 240, "{what}: users are back after {seconds} s");
        end(&scene, &execution).await;
        assert_eq!(meta(&scene, "one")["failure"]["error"], error, "{what}");
    }
}

/// A trigger of `infra/triggers`, with the document of this scene.
fn trigger(scene: &Scene, name: &str, artifact: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own");
    let text = fs::read_to_string(root.join("infra/triggers").join(name)).expect("it is shipped");
    let mut trigger = document::read_text(&text).expect("it can be read");
    let document = scene.document_with(|it| {
        it["artifact"]["ami"] = json!(artifact);
        if artifact == "${ami}" {
            it["variables"] = json!({ "ami": null });
        }
    });
    trigger["document"] = document;
    trigger.to_string()
}

#[tokio::test(start_paused = true)]
async fn g1_a_new_image_a_parameter_and_a_schedule_start_what_their_triggers_say() {
    let hour = Duration::from_secs(3600);
    for (name, artifact, schedule) in
        [("new-image.yaml", "${ami}", None), ("parameter.yaml", "${ami}", None), ("schedule.yaml", "", Some(hour))]
    {
        let (scene, _following) = scene(ShopOptions::default(), schedule);
        let artifact = if artifact.is_empty() { scene.shop.new_ami.as_str() } else { artifact };
        let text = trigger(&scene, name, artifact);
        let ask = async |service: Service, operation: &str, form: &[(&str, &str)]| {
            let request = match service {
                Service::Ssm => {
                    let body: serde_json::Map<_, _> = form.iter().map(|(key, it)| ((*key).into(), json!(it))).collect();
                    Request::json(service, operation, json!(body))
                }
                _ => Request::query(service, operation, form.iter().copied()),
            };
            let answer = scene.sim.handle(request).await.expect("it answers");
            assert_eq!(answer.status, 200, "{operation}: {}", String::from_utf8_lossy(&answer.body));
        };
        let stored = [("Name", "/crossfade/triggers/shop"), ("Type", "String"), ("Value", &text)];
        ask(Service::Ssm, "PutParameter", &stored).await;
        scene.sim.clock.sleep(Duration::from_secs(60)).await;
        let started = || executions(&scene.sim, &scene.installation.deploy_arn);
        assert!(started().is_empty(), "{name}: nothing has happened yet");
        match name {
            "new-image.yaml" => {
                let copy = [
                    ("SourceImageId", scene.shop.new_ami.as_str()),
                    ("SourceRegion", "eu-west-1"),
                    ("Name", "shop-42"),
                    ("TagSpecification.1.ResourceType", "image"),
                    ("TagSpecification.1.Tag.1.Key", "stage"),
                    ("TagSpecification.1.Tag.1.Value", "tested"),
                ];
                ask(Service::Ec2, "CopyImage", &copy).await;
            }
            "parameter.yaml" => {
                // Defined when the shop's provisioners were here.
                let body = json!({ "Name": "/shop/production/ami", "Value": scene.shop.new_ami, "Overwrite": true });
                let put = scene.sim.handle(Request::json(Service::Ssm, "PutParameter", body)).await;
                assert_eq!(put.expect("it answers").status, 200);
            }
            _ => {}
        }
        let seconds = until(&scene, name, || !started().is_empty()).await;
        assert!(seconds <= if schedule.is_some() { 3600 } else { 30 }, "{name}: {seconds} s");
        assert!(started()[0].name.starts_with("shop-"), "{name}: {:?}", started()[0].name);
        asked(&scene, &started()[0].name).await;
        assert_eq!(started().len(), 1, "{name}");
    }
}
