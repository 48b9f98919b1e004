//! G1: deployments that events start. The events are as EventBridge passes them on; the triggers are those of `infra/triggers`, in
//! the function's own process, and deployed to the end by the shipped state machines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossfade_aws::Executions;
use crossfade_core::document;
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, ExecutionSummary};
use crossfade_sim::lambda::Invocation;
use crossfade_sim::world::Image;
use crossfade_sim::world::ecs::ContainerImage;
use crossfade_sim::world::sample::{Compute, ShopOptions, publish};
use crossfade_sim::{Fault, Faults, Request, Service};
use crossfade_steps::{ApprovalRecord, rehearse};
use crossfade_tests::Scene;
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";
const AMI: &str = "ami-0a11ce000000000a1";
const BUILD: &str = "arn:aws:imagebuilder:eu-west-1:123456789012:image/shop/1.0.0/7";

/// A trigger of `infra/triggers`, as it is written there.
fn shipped(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own");
    fs::read_to_string(root.join("infra/triggers").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The shop, with an image of its own that nothing runs yet.
fn scene() -> Scene {
    let scene = Scene::new(ShopOptions::default());
    publish(&scene.sim, &scene.shop);
    scene.world().add_image(Image::new(AMI).name("shop-42").tag("stage", "tested").tag("Ec2ImageBuilderArn", BUILD));
    scene
}

fn store(scene: &Scene, name: &str, text: &str) {
    scene.sim.parameters().define(&format!("/crossfade/triggers/{name}"), "String", text);
}

/// The shop, with this trigger of `infra/triggers` stored as `shop`.
fn with(trigger: &str) -> Scene {
    let scene = scene();
    store(&scene, "shop", &shipped(trigger));
    scene
}

/// The event that EC2 sends (EC2 user guide).
fn new_image(ami: &str) -> Value {
    json!({
        "version": "0",
        "id": "01234567-9f07-51db-246b-d8b8441bcdf0",
        "detail-type": "EC2 AMI State Change",
        "source": "aws.ec2",
        "account": ACCOUNT,
        "time": "2026-11-21T09:00:00Z",
        "region": "eu-west-1",
        "resources": [format!("arn:aws:ec2:eu-west-1::image/{ami}")],
        "detail": {
            "RequestId": "01234567-9dcc-40a6-aa77-7ce457d5442b",
            "ImageId": ami,
            "State": "available",
            "ErrorMessage": "",
        },
    })
}

/// The event that Image Builder sends (its user guide): it names the build, not the image.
fn built_image() -> Value {
    json!({
        "version": "0",
        "id": "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111",
        "detail-type": "EC2 Image Builder Image State Change",
        "source": "aws.imagebuilder",
        "account": ACCOUNT,
        "time": "2026-11-21T09:00:00Z",
        "region": "eu-west-1",
        "resources": [BUILD],
        "detail": {"previous-state": {"status": "TESTING"}, "state": {"status": "AVAILABLE"}},
    })
}

/// The event that Parameter Store sends (Systems Manager user guide): it names no version.
fn parameter(name: &str) -> Value {
    json!({
        "version": "0",
        "id": "22a7b4f2-f1d2-4f2b-b6a0-0f5a9b6a3a11",
        "detail-type": "Parameter Store Change",
        "source": "aws.ssm",
        "account": ACCOUNT,
        "time": "2026-11-21T09:00:00Z",
        "region": "eu-west-1",
        "resources": [format!("arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter{name}")],
        "detail": {"operation": "Update", "name": name, "type": "String"},
    })
}

/// The event of a schedule.
fn scheduled(time: &str) -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": time,
        "region": "eu-west-1",
        "resources": [format!("arn:aws:events:eu-west-1:{ACCOUNT}:rule/crossfade-ScheduleRule")],
        "detail": {},
    })
}

/// What `start` answers.
async fn start(scene: &Scene, event: Value) -> Value {
    match scene.sim.functions().invoke("start", event).await {
        Invocation::Returned(answer) => answer,
        other => panic!("start failed: {other:?}"),
    }
}

/// How `start` fails.
async fn fails(scene: &Scene, event: Value) -> (String, String) {
    match scene.sim.functions().invoke("start", event).await {
        Invocation::Raised { error_type, error_message } => (error_type, error_message),
        other => panic!("start did not fail: {other:?}"),
    }
}

fn executions(scene: &Scene) -> Vec<ExecutionSummary> {
    scene.sim.step_functions().executions()
}

/// The names of the executions that there have been.
fn names(scene: &Scene) -> Vec<String> {
    executions(scene).into_iter().map(|execution| execution.name).collect()
}

fn started(names: &[&str]) -> Value {
    json!({ "started": names, "refused": {} })
}

/// Subjects and texts of what was published.
fn told(scene: &Scene) -> Vec<(String, String)> {
    let published = scene.sim.topics().published().to_vec();
    published.into_iter().map(|it| (it.subject.unwrap_or_default(), it.message)).collect()
}

/// Says yes to whatever the deployment asks, and answers how it ended.
async fn to_the_end(scene: &Scene, name: &str) -> ExecutionOutcome {
    let sim = &scene.sim;
    let arn = executions(scene).into_iter().find(|execution| execution.name == name).expect("it was started").arn;
    let operator = Executions::new(&sim.sdk_config_for("operator"));
    for _ in 0..1200 {
        if let Some(outcome) = sim.step_functions().outcome(&arn) {
            return outcome;
        }
        let records = scene.installation.records(&crossfade_aws::keys::deployment(name));
        for (_, record) in records.into_iter().filter(|(sk, _)| sk.starts_with("approval#")) {
            let record: ApprovalRecord = serde_json::from_value(record).expect("the record of an approval");
            if record.decision.is_none() {
                // A look later it may have been decided already.
                operator.decide(&record.task_token, &json!({"by": "ann"}), None).await.ok();
            }
        }
        sim.clock.sleep(std::time::Duration::from_secs(3)).await;
    }
    panic!("{name} does not end: {:#?}", scene.installation.log(name));
}

/// The event that ECR sends (its user guide).
fn pushed_image(repository: &str, tag: &str, digest: &str) -> Value {
    json!({
        "version": "0",
        "id": "13cde686-328b-6117-af20-0e5566167482",
        "detail-type": "ECR Image Action",
        "source": "aws.ecr",
        "account": ACCOUNT,
        "time": "2026-11-21T09:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": {
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": digest,
            "action-type": "PUSH",
            "image-tag": tag,
        },
    })
}

#[tokio::test(start_paused = true)]
async fn g1_a_container_image_that_is_pushed_is_deployed_once_by_its_digest() {
    let scene = Scene::new(ShopOptions { compute: Compute::Services, ..ShopOptions::default() });
    publish(&scene.sim, &scene.shop);
    store(&scene, "shop", &shipped("pushed-image.yaml"));
    let digest = format!("sha256:{}", "ab".repeat(32));
    let image = format!("{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/shop@{digest}");
    scene.world().add_container_image(ContainerImage::new(&image));
    // Another repository, a tag that is no version.
    assert_eq!(start(&scene, pushed_image("blog", "1.4.2", &digest)).await, started(&[]));
    assert_eq!(start(&scene, pushed_image("shop", "latest", &digest)).await, started(&[]));
    let name = format!("shop-{}", "ab".repeat(12));
    assert_eq!(start(&scene, pushed_image("shop", "1.4.2", &digest)).await, started(&[&name]));
    let ended = to_the_end(&scene, &name).await;
    assert!(matches!(ended, ExecutionOutcome::Succeeded(_)), "{ended:?}");
    assert_eq!(start(&scene, pushed_image("shop", "1.4.3", &digest)).await, started(&[&name]));
    assert_eq!(names(&scene), [name.as_str()]);
    let meta = scene.installation.record(&format!("deployment#{name}"), "meta").expect("it is recorded");
    assert_eq!(meta["document"]["artifact"]["image"], json!(image));
    assert_eq!(scene.size("shop__7").map(|(_, desired, _)| desired), Some(4));
    assert_eq!(scene.world().traffic().totals.lost, 0);
}

#[tokio::test(start_paused = true)]
async fn however_many_triggers_there_are_each_starts_what_it_waits_for() {
    let scene = with("new-image.yaml");
    for n in 0..250 {
        store(&scene, &format!("a-{n:03}"), &shipped("parameter.yaml"));
    }
    store(&scene, "wrong", "when: {}");
    let answer = start(&scene, new_image(AMI)).await;
    assert_eq!(answer["started"], json!([format!("shop-{AMI}")]));
    assert_eq!(answer["refused"].as_object().map(serde_json::Map::len), Some(1), "{answer}");
    // More than are read: those that are start what they start, and somebody is told of the others.
    for n in 0..1_000 {
        store(&scene, &format!("z-{n:04}"), &shipped("parameter.yaml"));
    }
    let answer = start(&scene, new_image(AMI)).await;
    assert_eq!(answer["started"], json!([format!("shop-{AMI}")]));
    assert!(
        answer["refused"]["the others"].as_str().is_some_and(|why| why.contains("more triggers below")),
        "{answer}"
    );
    let told = told(&scene);
    assert!(told.last().is_some_and(|(subject, text)| subject.ends_with("refused") && text.contains("the others")));
}

#[tokio::test(start_paused = true)]
async fn g1_a_new_image_is_deployed_once_however_often_the_event_comes() {
    let scene = with("new-image.yaml");
    let name = format!("shop-{AMI}");
    assert_eq!(start(&scene, new_image(AMI)).await, started(&[&name]));
    // Duplicates: at the same time, while it runs, after it has ended.
    tokio::join!(start(&scene, new_image(AMI)), start(&scene, new_image(AMI)));
    let ended = to_the_end(&scene, &name).await;
    assert!(matches!(ended, ExecutionOutcome::Succeeded(_)), "{ended:?}");
    assert_eq!(start(&scene, new_image(AMI)).await, started(&[&name]));
    assert_eq!(names(&scene), [name.as_str()]);
    let fleet = scene.world().inventory()["autoScalingGroups"]["shop__7"].to_string();
    assert!(!fleet.is_empty() && scene.size("shop__7") == Some((4, 4, 8)) && scene.size("shop__6") == Some((0, 0, 0)));
    let meta = scene.installation.record(&format!("deployment#{name}"), "meta").expect("it is recorded");
    assert_eq!(meta["document"]["artifact"]["ami"], AMI);
    assert_eq!(scene.world().traffic().totals.lost, 0);
    scene.holds_no_lock();
}

#[tokio::test(start_paused = true)]
async fn g1_the_same_event_twice_at_once_starts_one() {
    let scene = with("new-image.yaml");
    let (one, two) = tokio::join!(start(&scene, new_image(AMI)), start(&scene, new_image(AMI)));
    assert_eq!((&one, names(&scene).len()), (&two, 1));
    // Somebody has changed the trigger meanwhile: the image was deployed all the same, and is not once more.
    store(&scene, "shop", &shipped("new-image.yaml").replace("[10, 50, 100]", "[10, 100]"));
    assert_eq!(start(&scene, new_image(AMI)).await, one);
    assert_eq!(names(&scene).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn g1_image_builder_names_its_build_and_the_image_is_found() {
    let scene = scene();
    store(&scene, "shop", &shipped("new-image.yaml").replace("newImage:", "builtImage:"));
    // Not EC2's event, which comes before the image is tested.
    assert_eq!(start(&scene, new_image(AMI)).await, started(&[]));
    assert_eq!(start(&scene, built_image()).await, started(&[&format!("shop-{AMI}")]));
    // A container image, or one for other regions: there is no image here.
    let mut other = built_image();
    other["resources"][0] = json!(BUILD.replace("/7", "/8"));
    assert_eq!(start(&scene, other).await, started(&[]));
    assert_eq!(names(&scene), [format!("shop-{AMI}")]);
}

#[tokio::test(start_paused = true)]
async fn g1_images_that_are_not_meant_start_nothing() {
    let scene = with("new-image.yaml");
    let others = [
        Image::new("ami-0b10900000000001").name("blog-42").tag("stage", "tested"),
        Image::new("ami-0b10900000000002").name("shop-43"),
        Image::new("ami-0b10900000000003").name("shop-44").tag("stage", "broken"),
        Image::new("ami-0b10900000000004").name("shop-45").tag("stage", "tested").owner("210987654321"),
    ];
    for image in others {
        let id = image.id.clone();
        scene.world().add_image(image);
        assert_eq!(start(&scene, new_image(&id)).await, started(&[]), "{id}");
    }
    let mut failed = new_image(AMI);
    failed["detail"]["State"] = json!("failed");
    for nothing in [failed, scheduled("2026-11-21T03:00:00Z"), parameter("/shop/production/ami"), json!({})] {
        assert_eq!(start(&scene, nothing.clone()).await, started(&[]), "{nothing}");
    }
    assert_eq!((names(&scene), told(&scene)), (vec![], vec![]), "nothing was started, and nobody need know");
}

#[tokio::test(start_paused = true)]
async fn g1_a_parameter_is_deployed_once_for_each_of_its_versions() {
    let scene = with("parameter.yaml");
    let document = scene.document_with(|d| {
        d["variables"] = json!({ "ami": null });
        d["artifact"]["ami"] = json!("${ami}");
    });
    scene.sim.objects().put("shop-deployments", "production.yaml", document.to_string());
    let put = async |value: &str| {
        let body = json!({"Name": "/shop/production/ami", "Value": value, "Overwrite": true});
        let request = Request::json(Service::Ssm, "PutParameter", body);
        assert_eq!(scene.sim.handle(request).await.expect("it answers").status, 200);
    };
    put(AMI).await;
    let event = || parameter("/shop/production/ami");
    let first = start(&scene, event()).await;
    assert_eq!(start(&scene, event()).await, first, "the same version");
    let name = names(&scene).pop().expect("it was started");
    assert!(name.starts_with("shop-2-1"), "version and time: {name}");
    // By the time its event came, the parameter had another value: its own event starts the same.
    put(&scene.shop.new_ami).await;
    let second = start(&scene, event()).await;
    assert_ne!(second, first);
    assert_eq!(start(&scene, event()).await, second);
    assert_eq!(names(&scene).len(), 2);
    let input = |nth: usize| {
        let input: Value = serde_json::from_str(&executions(&scene)[nth].input).expect("it is JSON");
        input["variables"]["ami"].clone()
    };
    assert_eq!((input(0), input(1)), (json!(AMI), json!(scene.shop.new_ami)));
    assert_eq!(start(&scene, parameter("/shop/production/base")).await, started(&[]), "it is not that one");
    // A parameter that somebody has deleted since.
    store(&scene, "shop", &shipped("parameter.yaml").replace("/shop/production/ami", "/gone"));
    assert_eq!(start(&scene, parameter("/gone")).await, started(&[]));
}

#[tokio::test(start_paused = true)]
async fn g1_a_schedule_replaces_all_instances_every_time() {
    let scene = with("schedule.yaml");
    let tonight = || scheduled("2026-11-21T03:00:00Z");
    assert_eq!(start(&scene, tonight()).await, started(&["shop-20261121T030000Z"]));
    assert_eq!(start(&scene, tonight()).await, started(&["shop-20261121T030000Z"]));
    let ended = to_the_end(&scene, "shop-20261121T030000Z").await;
    assert!(matches!(ended, ExecutionOutcome::Succeeded(_)), "{ended:?}");
    assert_eq!(start(&scene, scheduled("2026-11-22T03:00:00Z")).await, started(&["shop-20261122T030000Z"]));
    let ended = to_the_end(&scene, "shop-20261122T030000Z").await;
    assert!(matches!(ended, ExecutionOutcome::Succeeded(_)), "{ended:?}");
    assert_eq!((scene.size("shop__8"), names(&scene).len()), (Some((4, 4, 8)), 2));
}

#[tokio::test(start_paused = true)]
async fn g1_what_is_wrong_with_a_trigger_is_told_once_and_keeps_no_other_waiting() {
    let scene = scene();
    let good = shipped("new-image.yaml");
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let object = |url: &str| format!("when: {{newImage: {{name: shop-*}}}}\ndocument: {url}\n");
    let sim = &scene.sim;
    sim.objects().put("shop-deployments", "broken.yaml", "service: [");
    let mut large = scene.document_with(|d| {
        d["variables"] = json!({ "ami": null, "text": "x".repeat(262_144) });
        d["artifact"]["ami"] = json!("${ami}");
    });
    large["service"] = json!("shop");
    sim.objects().put("shop-deployments", "large.json", large.to_string());
    sim.objects().put("forbidden", "shop.yaml", "");
    sim.objects().forbid("forbidden");
    let wrong: BTreeMap<&str, (String, &str)> = [
        ("another-image", (changed("ami: ${ami}", "ami: ami-0a11ce00000000007"), "the variable is used nowhere")),
        ("broken", (object("s3://shop-deployments/broken.yaml"), "has a `[` that is never closed")),
        (
            "every-image",
            (
                changed("    name: shop-*\n    tags:\n      stage: tested\n", "    owner: \"1\"\n"),
                "every image of the account",
            ),
        ),
        ("forbidden", (object("s3://forbidden/shop.yaml"), "ReadableObjectArns")),
        ("invalid", (changed("service: shop", "service: Shop!"), "service")),
        ("large", (object("s3://shop-deployments/large.json"), "a deployment document may have 261120")),
        ("lost", (object("s3://shop-deployments/lost.yaml"), "there is no object")),
        ("text", ("deploy it, please".into(), "is wrong, and starts nothing")),
        ("undeclared", (changed("    ami: null\n", "    image: null\n"), "no such variable")),
    ]
    .into();
    for (name, (text, _)) in &wrong {
        store(&scene, name, text);
    }
    store(&scene, "shop", &good);

    let answer = start(&scene, new_image(AMI)).await;
    assert_eq!(answer["started"], json!([format!("shop-{AMI}")]), "the good one starts: {answer}");
    let refused = answer["refused"].as_object().expect("by name");
    assert_eq!(refused.keys().map(String::as_str).collect::<Vec<_>>(), wrong.keys().copied().collect::<Vec<_>>());
    let told = told(&scene);
    assert_eq!(told.iter().filter(|(subject, _)| subject.contains("trigger")).count(), 1, "{told:?}");
    for (name, (_, why)) in &wrong {
        let said = refused[*name].as_str().unwrap_or_default();
        assert!(said.contains(why), "{name}: {said}");
        assert!(told[0].1.contains(said), "{name} was not told of: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g1_a_document_that_waits_for_a_value_is_refused_before_it_starts() {
    let scene = scene();
    // Nothing gives a schedule's document an image.
    let trigger = format!(
        "when: {{schedule: true}}\ndocument:{}",
        shipped("new-image.yaml").split_once("\ndocument:").expect("it has one").1
    );
    store(&scene, "nightly", &trigger);
    let answer = start(&scene, scheduled("2026-11-21T03:00:00Z")).await;
    assert!(answer["refused"]["nightly"].as_str().is_some_and(|why| why.contains("variables.ami")), "{answer}");
    assert_eq!(names(&scene), Vec::<String>::new());
}

/// Strikes the first so many calls of an operation, and counts all of them.
struct First {
    operation: &'static str,
    times: usize,
    fault: Fault,
    seen: AtomicUsize,
    callers: Mutex<Vec<String>>,
}

impl First {
    fn new(operation: &'static str, times: usize, fault: Fault) -> Arc<Self> {
        Arc::new(Self { operation, times, fault, seen: AtomicUsize::new(0), callers: Mutex::default() })
    }
}

impl Faults for First {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        if request.operation != self.operation {
            return None;
        }
        let caller = request.caller.clone().unwrap_or_default();
        self.callers.lock().unwrap_or_else(PoisonError::into_inner).push(caller);
        (self.seen.fetch_add(1, Ordering::Relaxed) < self.times).then(|| self.fault.clone())
    }
}

fn refuse(status: u16, code: &str) -> Fault {
    Fault::Refuse { status, code: code.into(), message: "It is a fault.".into() }
}

#[tokio::test(start_paused = true)]
async fn g1_a_lost_reply_starts_one_and_what_passes_is_left_to_lambda() {
    // The SDK itself asks again.
    let scene = with("new-image.yaml");
    let lost = First::new("StartExecution", 1, Fault::LoseReply);
    scene.sim.set_faults(Some(lost.clone()));
    assert_eq!(start(&scene, new_image(AMI)).await, started(&[&format!("shop-{AMI}")]));
    assert_eq!((lost.seen.load(Ordering::Relaxed), names(&scene).len()), (2, 1));

    // No reply at all comes: it runs nonetheless, and Lambda's next attempt finds that.
    let scene = with("new-image.yaml");
    scene.sim.set_faults(Some(First::new("StartExecution", 3, Fault::LoseReply)));
    assert_eq!(fails(&scene, new_image(AMI)).await.0, "ServiceUnavailable");
    assert_eq!(names(&scene).len(), 1);
    assert_eq!(start(&scene, new_image(AMI)).await, started(&[&format!("shop-{AMI}")]));
    assert_eq!((names(&scene).len(), told(&scene).iter().filter(|it| it.0.contains("trigger")).count()), (1, 0));

    // What passes at each of its calls; and an event that is faster than EC2 is consistent.
    for (operation, fault, kind) in [
        ("GetParametersByPath", refuse(400, "ThrottlingException"), "Throttled"),
        ("DescribeImages", refuse(503, "RequestLimitExceeded"), "Throttled"),
        ("DescribeImages", refuse(400, "InvalidAMIID.NotFound"), "ServiceUnavailable"),
        ("StartExecution", refuse(500, "InternalFailure"), "ServiceUnavailable"),
        ("StartExecution", refuse(400, "AccessDeniedException"), "AccessDenied"),
    ] {
        let scene = with("new-image.yaml");
        // Whoever is throttled waits for its turn, as long as there is time.
        let times = match (operation, kind) {
            (_, "Throttled") => 1_000,
            (_, "AccessDenied") | ("DescribeImages", _) => 1,
            _ => 3,
        };
        scene.sim.set_faults(Some(First::new(operation, times, fault)));
        assert_eq!(fails(&scene, new_image(AMI)).await.0, kind, "{operation}");
        assert_eq!((names(&scene), told(&scene)), (vec![], vec![]), "{operation}");
        scene.sim.set_faults(None);
        assert_eq!(start(&scene, new_image(AMI)).await, started(&[&format!("shop-{AMI}")]), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn g1_a_parameter_that_may_not_be_read_is_told_with_the_setting_that_allows_it() {
    let scene = with("parameter.yaml");
    scene.sim.set_faults(Some(First::new("GetParameter", 1, refuse(400, "AccessDeniedException"))));
    let answer = start(&scene, parameter("/shop/production/ami")).await;
    let why = answer["refused"]["shop"].as_str().unwrap_or_default();
    assert!(why.contains("ReadableParameterArns"), "{answer}");
    assert_eq!((names(&scene).len(), told(&scene).len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn g1_somebody_hears_of_a_refusal_even_when_the_topic_fails_at_first() {
    let scene = scene();
    store(&scene, "shop", "nonsense");
    let silent = First::new("Publish", 3, refuse(500, "InternalError"));
    scene.sim.set_faults(Some(silent.clone()));
    assert_eq!(fails(&scene, new_image(AMI)).await.0, "ServiceUnavailable");
    assert_eq!(silent.callers.lock().unwrap_or_else(PoisonError::into_inner)[0], "start");
    start(&scene, new_image(AMI)).await;
    assert_eq!(told(&scene).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn g1_many_triggers_are_read_page_by_page() {
    let scene = scene();
    for nth in 1..=23 {
        let text = shipped("schedule.yaml").replace("service: shop", &format!("service: shop-{nth}"));
        store(&scene, &format!("shop-{nth:02}"), &text);
    }
    // Those of another stack, and what lies deeper, are not ours.
    for name in ["/other/triggers/shop", "/crossfade/triggers/old/shop"] {
        scene.sim.parameters().define(name, "String", &shipped("schedule.yaml"));
    }
    let answer = start(&scene, scheduled("2026-11-21T03:00:00Z")).await;
    assert_eq!(answer["started"].as_array().map(Vec::len), Some(23), "{answer}");
    assert_eq!(names(&scene).len(), 23);
}

#[test]
fn the_shipped_triggers_are_all_known_here_and_their_documents_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own");
    let mut found: Vec<String> = fs::read_dir(root.join("infra/triggers"))
        .expect("there are some")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, ["new-image.yaml", "parameter.yaml", "pushed-image.yaml", "schedule.yaml"]);
    for name in found {
        let text = shipped(&name);
        assert!(text.len() <= 4096, "{name} fits into a parameter of the standard tier");
        crossfade_core::trigger::Trigger::read("shop", &text).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let value = document::read_text(&text).expect("it is YAML");
        assert!(value["when"].is_object());
    }
}

#[tokio::test(start_paused = true)]
async fn g1_a_trigger_gives_event_fields_and_tags_of_the_image_to_any_variable() {
    let scene = scene();
    let given = |give: Value| {
        let mut trigger: Value = serde_norway::from_str(&shipped("new-image.yaml")).expect("it is YAML");
        trigger["give"] = give;
        trigger["document"]["variables"] = json!({ "ami": null, "stage": null, "region": null });
        trigger["document"]["description"] = json!("${stage} in ${region}");
        trigger.to_string()
    };
    store(&scene, "shop", &given(json!({ "stage": { "tag": "stage" }, "region": { "field": "region" } })));
    let name = format!("shop-{AMI}");
    assert_eq!(start(&scene, new_image(AMI)).await, started(&[&name]));
    to_the_end(&scene, &name).await;
    let meta = scene.installation.record(&format!("deployment#{name}"), "meta").expect("it is recorded");
    assert_eq!(meta["document"]["description"], "tested in eu-west-1");

    store(&scene, "shop", &given(json!({ "stage": { "tag": "stagge" }, "region": { "field": "detail.nowhere" } })));
    let answer = start(&scene, new_image(AMI)).await;
    let why = answer["refused"]["shop"].as_str().unwrap_or_default();
    assert!(why.contains("give.region: the event has no field detail.nowhere"), "{answer}");
    assert!(why.contains(&format!("give.stage: the image {AMI} has no tag stagge")), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn g1_what_an_event_would_start_is_said_and_nothing_is_started() {
    let scene = with("new-image.yaml");
    store(&scene, "broken", "when: {}");
    let context = scene.installation.context("operator", std::time::Duration::ZERO);
    let seen = rehearse(&new_image(AMI), &context).await.expect("it is an event of theirs");
    let [(id, document)] = seen.starts.as_slice() else { panic!("one: {seen:?}") };
    assert_eq!((id.as_str(), &document["variables"]["ami"]), ("shop-ami-0a11ce000000000a1", &json!(AMI)));
    assert!(seen.refused.iter().any(|(name, _)| name == "broken"), "{seen:?}");

    scene.world().add_image(Image::new("ami-0a11ce000000000b2").name("mail-1"));
    let seen = rehearse(&new_image("ami-0a11ce000000000b2"), &context).await.expect("it is an event of theirs");
    assert!(seen.starts.is_empty());
    assert!(seen.passed[0].1.starts_with("ami-0a11ce000000000b2 is not deployed: "), "{seen:?}");
    let unknown = rehearse(&json!({ "source": "aws.s3" }), &context).await.expect_err("nobody waits for that");
    assert!(unknown.message.contains("No trigger waits for such an event"), "{unknown}");
    assert!(scene.sim.step_functions().executions().is_empty(), "nothing is started");
    assert!(scene.sim.topics().published().is_empty(), "nobody is told");
}
