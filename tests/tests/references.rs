//! B9, B13: documents whose values come from CloudFormation, Parameter Store, Terraform and variables, deployed whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossfade_aws::keys;
use crossfade_local::Outcome;
use crossfade_sim::lambda::{Functions, Invocation};
use crossfade_sim::world::sample::{PENDING_AMI, ShopOptions, publish};
use crossfade_sim::{Fault, Faults, Request, Service, Sim};
use crossfade_tests::shown::hold;
use crossfade_tests::{APPROVE, Ended, REJECT, Scene};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// A shop whose provisioners have published what a deployment needs.
fn scene() -> Scene {
    let scene = Scene::new(ShopOptions::default());
    publish(&scene.sim, &scene.shop);
    scene
}

fn stack(output: &str) -> Value {
    json!({"fromCloudFormation": {"stack": "shop-${environment}", "output": output}})
}

fn state(output: &str) -> Value {
    json!({"fromTerraform": {"output": output, "object": "s3://shop-terraform/${environment}.tfstate"}})
}

/// The usual document with almost nothing spelt out.
fn document(scene: &Scene) -> Value {
    scene.document_with(|d| {
        d["variables"] = json!({"environment": "production", "ami": null, "keep": 1});
        d["environment"] = json!("${environment}");
        d["artifact"]["ami"] = json!("${ami}");
        d["compute"]["autoScalingGroup"] = json!({
            "base": {"fromParameter": "/shop/${environment}/base"},
            "name": "shop",
            "capacity": {"fixed": {
                "min": state("capacity_min"), "desired": state("capacity_desired"), "max": state("capacity_max"),
            }},
            "keepRevisions": "${keep}",
        });
        d["routing"] = json!({"weighted": [stack("RuleArn")]});
        d["strategy"] = json!({"blueGreenShift": {
            "percents": state("percents"), "approveAfterPercents": [20], "approval": {"message": "${ami} on $${PORT}?"},
        }});
    })
}

/// The same, with the variable given that has no default.
fn given(scene: &Scene) -> Value {
    let mut document = document(scene);
    document["variables"]["ami"] = json!(scene.shop.new_ami);
    document
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for words in words {
        assert!(text.contains(words), "{words:?} is missing in:\n{text}");
    }
}

/// The record `meta` of a deployment.
fn meta(scene: &Scene, deployment: &str) -> Value {
    scene.installation.record(&keys::deployment(deployment), "meta").expect("it was recorded")
}

#[tokio::test(start_paused = true)]
async fn b9_b13_a_deployment_gets_its_values_from_provisioners_and_variables() {
    let scene = scene();
    let ended = scene.play("filled-in", &given(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    ended.lost_nothing();
    assert_eq!((scene.weights(), scene.size("shop__6")), ((0, 100), Some((0, 0, 0))));
    assert_eq!(scene.size("shop__7"), Some((2, 3, 6)), "the capacity that Terraform knows");
    scene.holds_no_lock();

    let log = ended.log.join("\n");
    let ami = format!("Variable ami = {}", scene.shop.new_ami);
    let rule =
        format!("routing.weighted[0] = {}, from CloudFormation output RuleArn of shop-production", scene.shop.route());
    says(
        &log,
        &[
            &ami,
            &rule,
            "Variable keep = 1",
            "compute.autoScalingGroup.base = shop-base, from parameter /shop/production/base",
            "compute.autoScalingGroup.capacity.fixed.desired = 3, from Terraform output capacity_desired in \
             s3://shop-terraform/production.tfstate",
            "strategy.blueGreenShift.percents = [20,100], from Terraform output percents",
        ],
    );
    // What is stored is the document that was deployed, and nothing else of what was fetched.
    let record = meta(&scene, "filled-in");
    assert_eq!(record["document"]["compute"]["autoScalingGroup"]["base"], json!("shop-base"));
    assert_eq!(record["document"]["strategy"]["blueGreenShift"]["percents"], json!([20, 100]));
    let message = format!("{} on ${{PORT}}?", scene.shop.new_ami);
    assert_eq!(record["document"]["strategy"]["blueGreenShift"]["approval"]["message"], json!(message));
    let everything = json!(scene.sim.tables().items(crossfade_local::TABLE)).to_string();
    assert!(!everything.contains("correct horse"), "a secret of the state reached the table");
    // Each source is read once, by the function that may.
    let reads = |service: Service| {
        let calls = scene.sim.calls();
        calls.iter().filter(|call| call.service == service && call.caller.as_deref() == Some("prepare")).count()
    };
    assert_eq!((reads(Service::CloudFormation), reads(Service::Ssm), reads(Service::S3)), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn b9_a_rejected_deployment_leaves_everything_as_it_was() {
    let scene = scene();
    let ended = scene.play("rejected", &given(&scene), REJECT).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    ended.lost_nothing();
    scene.is_as_before();
}

/// A deployment that was refused: nothing touched, no lock left, and the message says all this.
#[track_caller]
fn refused(scene: &Scene, ended: &Ended, words: &[&str]) {
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    says(ended.cause(), words);
    says(ended.cause(), &["nothing was touched"]);
    assert_eq!(ended.summary.mutating_calls, 0);
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn b13_a_variable_without_a_value_is_refused_before_anything_is_read() {
    let scene = scene();
    let ended = scene.play("undefined", &document(&scene), APPROVE).await;
    refused(&scene, &ended, &["variables.ami: it has no value", "--set ami=VALUE"]);
    let asked = [Service::CloudFormation, Service::Ssm, Service::S3];
    assert!(scene.sim.calls().iter().all(|call| !asked.contains(&call.service)));
}

#[tokio::test(start_paused = true)]
async fn b9_everything_that_cannot_be_had_is_refused_at_once() {
    let scene = scene();
    scene.sim.stacks().set_status("shop-production", "UPDATE_IN_PROGRESS");
    let mut document = given(&scene);
    document["compute"]["autoScalingGroup"]["base"] = json!({"fromParameter": "/shop/production/token"});
    document["compute"]["autoScalingGroup"]["capacity"]["fixed"]["max"] = state("database_password");
    document["notifications"] = json!({"topicArn": {"fromParameter": "/shop/production/topic"}});
    let ended = scene.play("missing", &document, APPROVE).await;
    let words = [
        "routing.weighted[0] = CloudFormation output RuleArn of shop-production: the stack shop-production is in \
         UPDATE_IN_PROGRESS",
        "the parameter /shop/production/token is a SecureString",
        "the output database_password is sensitive",
        "there is no parameter /shop/production/topic",
    ];
    refused(&scene, &ended, &words);
    assert!(!ended.cause().contains("correct horse"));
}

#[tokio::test(start_paused = true)]
async fn the_reference_shows_what_cannot_be_had() {
    let scene = scene();
    let mut document = given(&scene);
    document["routing"]["weighted"][0] = stack("RuleArm");
    document["compute"]["autoScalingGroup"]["base"] = json!({ "fromParameter": "/shop/production/bass" });
    let ended = scene.play("missing", &document, APPROVE).await;
    hold("docs/deployment-document.md", "references", ended.cause());
}

#[tokio::test(start_paused = true)]
async fn b9_a_value_that_its_field_does_not_take_is_refused_with_where_it_comes_from() {
    let scene = scene();
    let mut document = given(&scene);
    document["routing"]["weighted"][0] = stack("BaseName");
    let ended = scene.play("wrong", &document, APPROVE).await;
    let words = [
        "routing.weighted[0] = \"shop-base\": it has the wrong form",
        "It comes from CloudFormation output BaseName of shop-production.",
    ];
    refused(&scene, &ended, &words);
}

#[tokio::test(start_paused = true)]
async fn b9_what_was_filled_in_is_told_of_a_deployment_that_is_refused_later() {
    let scene = scene();
    let mut document = given(&scene);
    document["variables"]["ami"] = json!(PENDING_AMI);
    let ended = scene.play("pending", &document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{}", ended.cause());
    says(&ended.log.join("\n"), &[&format!("Variable ami = {PENDING_AMI}"), "from parameter /shop/production/base"]);
    scene.is_as_before();
}

/// Loses the first answer of `prepare`, and changes what the provisioners say before it is asked again.
struct ChangedMeanwhile {
    functions: Arc<dyn Functions>,
    sim: std::sync::Weak<Sim>,
    prepared: AtomicUsize,
}

impl Functions for ChangedMeanwhile {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let invocation = self.functions.invoke(function, payload);
        if !function.ends_with("prepare") || self.prepared.fetch_add(1, Ordering::SeqCst) > 0 {
            return invocation;
        }
        let sim = self.sim.upgrade().expect("the account is there");
        Box::pin(async move {
            invocation.await;
            sim.parameters().define("/shop/production/base", "String", "another-base");
            sim.stacks().set_status("shop-production", "UPDATE_IN_PROGRESS");
            Invocation::Platform { error: "Lambda.Unknown".into(), cause: "a fault of the test".into() }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn b9_a_retry_goes_on_from_what_was_read_first() {
    let scene = scene();
    let changed = Arc::new(ChangedMeanwhile {
        functions: scene.sim.functions(),
        sim: Arc::downgrade(&scene.sim),
        prepared: AtomicUsize::new(0),
    });
    scene.sim.set_functions(changed.clone());
    let ended = scene.play("retried", &given(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    assert_eq!(changed.prepared.load(Ordering::SeqCst), 2);
    assert_eq!(meta(&scene, "retried")["document"]["compute"]["autoScalingGroup"]["base"], json!("shop-base"));
    let told = ended.log.iter().filter(|line| line.contains("from parameter /shop/production/base")).count();
    assert_eq!(told, 1, "{:#?}", ended.log);
}

/// Refuses the first calls to a service.
struct Busy(Service, AtomicUsize);

impl Faults for Busy {
    fn strike(&self, _nth: usize, request: &Request) -> Option<Fault> {
        let refuse =
            || Fault::Refuse { status: 400, code: "ThrottlingException".into(), message: "Rate exceeded".into() };
        (request.service == self.0 && self.1.fetch_add(1, Ordering::SeqCst) < 5).then(refuse)
    }
}

#[tokio::test(start_paused = true)]
async fn b9_a_throttle_is_waited_out() {
    let scene = scene();
    scene.sim.set_faults(Some(Arc::new(Busy(Service::Ssm, AtomicUsize::new(0)))));
    let ended = scene.play("throttled", &given(&scene), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    scene.sim.clock.sleep(Duration::from_secs(1)).await;
    scene.holds_no_lock();
}
