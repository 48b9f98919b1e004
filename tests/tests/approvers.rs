//! Whose answers to approvals count, where the document says so (G2): AWS says who answers, and a yes that nobody stands behind changes
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use crossfade_aws::{Proofs, execution_arn, of_answer};
use crossfade_core::document::parse;
use crossfade_local::Outcome;
use crossfade_sim::Fault;
use crossfade_sim::lambda::Invocation;
use crossfade_sim::world::sample::{ShopOptions, publish};
use crossfade_tests::machinery::{approve, asked, call, deploy, end, meta, open_token, reject};
use crossfade_tests::names::Nth;
use crossfade_tests::{APPROVE, Scene, Twice};
use serde_json::{Value, json};

const APPROVERS: &str = "arn:aws:sts::123456789012:assumed-role/Release*/*";
const ALICE: &str = "ReleaseManagers/alice";
const MALLORY: &str = "Developers/mallory";

fn arn(who: &str) -> String {
    format!("arn:aws:sts::123456789012:assumed-role/{who}")
}

fn proofs(scene: &Scene, who: &str) -> Proofs {
    Proofs::new(&scene.sim.sdk_config_for(who))
}

fn execution(scene: &Scene) -> String {
    execution_arn(&scene.installation.deploy_arn, "one")
}

/// A proof of who somebody is, for this asking, made so many seconds ago.
async fn proof(scene: &Scene, who: &str, token: &str, ago_seconds: u64) -> String {
    let made = scene.sim.clock.now_millis() - ago_seconds * 1000;
    proofs(scene, who).make(&of_answer(&execution(scene), token), made).await.expect("they have credentials")
}

async fn says_yes(scene: &Scene, token: &str, said: Value) {
    let arguments = json!({ "taskToken": token, "output": said.to_string() });
    call(&scene.sim, "SendTaskSuccess", arguments).await.expect("it is open");
}

/// Says yes, as somebody who proves it.
async fn yes_of(scene: &Scene, who: &str, token: &str) {
    let proof = proof(scene, who, token, 0).await;
    says_yes(scene, token, json!({ "by": "somebody", "comment": "fine", "proof": proof })).await;
}

/// The token under which it is asked again.
async fn asked_again(scene: &Scene, before: &str) -> String {
    for _ in 0..60 {
        match open_token(scene, "one") {
            Some(token) if token != before => return token,
            _ => scene.sim.clock.sleep(Duration::from_secs(1)).await,
        }
    }
    panic!("it is not asked again: {:#?}", scene.installation.log("one"));
}

fn bound(scene: &Scene, approvals: Value) -> Value {
    scene.document_with(|document| document["approvals"] = approvals)
}

/// A shop in which the deployment `one` asks at 10 %.
async fn asking(approvals: Value, approval: Value) -> (Scene, String, String) {
    let scene = Scene::new(ShopOptions::default());
    let mut document = bound(&scene, approvals);
    document["strategy"]["blueGreenShift"]["approval"] = approval;
    let execution = deploy(&scene, "one", &document);
    let token = asked(&scene, "one").await;
    assert_eq!(scene.weights(), (90, 10));
    (scene, execution, token)
}

#[track_caller]
fn says(scene: &Scene, line: &str) {
    let log = scene.installation.log("one");
    assert!(log.iter().any(|it| it.contains(line)), "{line}: {log:#?}");
}

/// How many answers did not count, by the log and by what people were told.
fn void(scene: &Scene) -> (usize, usize) {
    let log = scene.installation.log("one");
    let told = scene.sim.topics().published().to_vec();
    (
        log.iter().filter(|line| line.contains("an answer does not count")).count(),
        told.iter().filter(|it| it.message.contains("does not count")).count(),
    )
}

async fn succeeds(scene: &Scene, execution: &str) {
    end(scene, execution).await;
    assert_eq!(meta(scene, "one")["status"], "succeeded", "{:#?}", scene.installation.log("one"));
    assert_eq!(scene.weights(), (0, 100));
    assert_eq!(scene.roles.refused(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn g2_whoever_is_listed_approves_and_aws_says_who_that_is() {
    let (scene, execution, token) = asking(json!({ "approvers": [APPROVERS] }), json!({})).await;
    let proof = proof(&scene, ALICE, &token, 0).await;
    // What else they say of themselves is no proof.
    says_yes(&scene, &token, json!({ "by": "alice", "as": arn("Release/eve"), "comment": "fine", "proof": proof }))
        .await;
    succeeds(&scene, &execution).await;
    says(&scene, &format!("Approved by alice ({}, proven): fine", arn(ALICE)));
    let records = scene.installation.records("deployment#one").into_iter();
    let decided = records.filter(|(sk, _)| sk.starts_with("approval#")).map(|(_, record)| record).next().expect("one");
    assert_eq!(decided["by"], format!("alice ({}, proven)", arn(ALICE)));
    assert_eq!((&decided["decision"], &decided["taskToken"]), (&json!("approve"), &json!("")));
    assert_eq!(void(&scene), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn g2_a_yes_that_nobody_stands_behind_changes_nothing_and_it_is_asked_again() {
    let (scene, execution, first) = asking(json!({ "approvers": [APPROVERS] }), json!({})).await;
    let deadline = |scene: &Scene| {
        let records = scene.installation.records("deployment#one").into_iter();
        let open = records.filter(|(sk, _)| sk.starts_with("approval#")).map(|(_, record)| record).next();
        open.expect("it asks")["deadlineMillis"].clone()
    };
    let until = deadline(&scene);
    let used = proof(&scene, ALICE, &first, 0).await;
    // From the console.
    approve(&scene.sim, &first).await.expect("it is open");
    let mut token = asked_again(&scene, &first).await;
    says(&scene, "somebody who says to be ann gives no proof of that, as `crossfade approve` does");
    let mut tried = 1;
    let mut of_mallory = json!({ "by": "alice", "as": arn(ALICE) });
    for (what, by, ago_seconds, why) in [
        ("not listed, whatever they call themselves", Some(MALLORY), 0, "Developers/mallory: only answers of"),
        ("expired", Some(ALICE), 400, "was good until"),
        ("for the question before", None, 0, "SignatureDoesNotMatch"),
    ] {
        of_mallory["proof"] = match by {
            Some(who) => json!(proof(&scene, who, &token, ago_seconds).await),
            None => json!(used),
        };
        says_yes(&scene, &token, of_mallory.clone()).await;
        token = asked_again(&scene, &token).await;
        tried += 1;
        says(&scene, why);
        assert_eq!(scene.weights(), (90, 10), "{what}");
        assert_eq!(void(&scene), (tried, tried), "{what}");
        assert_eq!(deadline(&scene), until, "{what}: nobody gains time by it");
    }
    for (given, why) in
        [(json!("https://evil.example/?Action=GetCallerIdentity"), "is no request to"), (json!(7), "gives no proof")]
    {
        says_yes(&scene, &token, json!({ "proof": given })).await;
        token = asked_again(&scene, &token).await;
        says(&scene, why);
        assert_eq!(scene.weights(), (90, 10), "{given}");
    }
    yes_of(&scene, ALICE, &token).await;
    succeeds(&scene, &execution).await;
    // Each asking was one question of one stage.
    let stages = scene.installation.records("deployment#one").into_iter();
    assert_eq!(stages.filter(|(sk, record)| sk.starts_with("stage#") && record["kind"] == "Approve").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn g2_a_no_counts_whoever_says_it() {
    let (scene, execution, token) = asking(json!({ "approvers": [APPROVERS] }), json!({})).await;
    reject(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["status"], "failedClean");
    says(&scene, "rejected by bob");
    scene.is_as_before();
}

/// A deployment whose question has had as many answers that do not count as it may have.
async fn asked_in_vain() -> (Scene, String, String) {
    let (scene, execution, mut token) = asking(json!({ "approvers": [APPROVERS] }), json!({})).await;
    for _ in 0..20 {
        approve(&scene.sim, &token).await.expect("it is open");
        token = asked_again(&scene, &token).await;
    }
    (scene, execution, token)
}

#[tokio::test(start_paused = true)]
async fn g2_whoever_asks_for_too_much_is_rejected() {
    let (scene, execution, token) = asked_in_vain().await;
    approve(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["failure"]["error"], "ApprovalRejected");
    let cause = meta(&scene, "one")["failure"]["cause"].to_string();
    assert!(cause.contains("20 answers did not count"), "{cause}");
    decided_against(&scene, "nobody whose answer counts", "20 answers did not count, the last one: somebody who says");
    scene.is_as_before();
}

/// The question is recorded as decided, by whom and why.
#[track_caller]
fn decided_against(scene: &Scene, by: &str, why: &str) {
    let records = scene.installation.records("deployment#one").into_iter();
    let decided = records.filter(|(sk, _)| sk.starts_with("approval#")).map(|(_, record)| record).next().expect("one");
    assert_eq!((&decided["decision"], &decided["taskToken"]), (&json!("reject"), &json!("")), "{decided:#}");
    assert_eq!(decided["by"], by, "{decided:#}");
    assert!(decided["comment"].as_str().is_some_and(|comment| comment.contains(why)), "{decided:#}");
}

#[tokio::test(start_paused = true)]
async fn g2_what_too_many_have_answered_stays_rejected_when_the_answer_of_the_function_is_lost() {
    let (scene, execution, token) = asked_in_vain().await;
    scene.sim.set_functions(Arc::new(Twice(scene.sim.functions())));
    approve(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    assert_eq!(meta(&scene, "one")["failure"]["error"], "ApprovalRejected");
    decided_against(&scene, "nobody whose answer counts", "20 answers did not count");
    scene.is_as_before();
}

#[tokio::test(start_paused = true)]
async fn g2_silence_counts_when_the_time_is_over_and_not_when_somebody_says_so() {
    for (on_timeout, status) in [("approve", "succeeded"), ("reject", "failedClean")] {
        let approval = json!({ "timeoutMinutes": 30, "onTimeout": on_timeout });
        let (scene, execution, token) = asking(json!({ "approvers": [APPROVERS] }), approval).await;
        let began = scene.sim.clock.now_millis();
        scene.sim.clock.sleep(Duration::from_secs(600)).await;
        if on_timeout == "approve" {
            // A yes of nobody.
            let said = json!({ "taskToken": token, "error": "States.Timeout", "cause": "" });
            call(&scene.sim, "SendTaskFailure", said).await.expect("it is open");
            asked_again(&scene, &token).await;
            says(&scene, "says that the time is over, and it is not");
        } else {
            approve(&scene.sim, &token).await.expect("it is open");
            asked_again(&scene, &token).await;
        }
        assert_eq!(scene.weights(), (90, 10));
        while open_token(&scene, "one").is_some() {
            scene.sim.clock.sleep(Duration::from_secs(1)).await;
        }
        let took = (scene.sim.clock.now_millis() - began) / 1000;
        assert!((1_795..1_810).contains(&took), "{on_timeout}: it was asked for {took} s");
        end(&scene, &execution).await;
        assert_eq!(meta(&scene, "one")["status"], status, "{:#?}", scene.installation.log("one"));
        if status == "failedClean" {
            assert_eq!(meta(&scene, "one")["failure"]["error"], "ApprovalExpired");
            assert!(meta(&scene, "one")["failure"]["cause"].to_string().contains("within 30 min"));
            scene.is_as_before();
        }
    }
}

/// The document as somebody starts it.
async fn started_by(scene: &Scene, who: &str, document: &Value) -> Value {
    let now = scene.sim.clock.now_millis();
    proofs(scene, who).started(&execution(scene), document, now).await.expect("they have credentials")
}

#[tokio::test(start_paused = true)]
async fn g2_whoever_starts_a_deployment_does_not_approve_it() {
    let scene = Scene::new(ShopOptions::default());
    let document = bound(&scene, json!({ "approvers": [APPROVERS], "notByStarter": true }));
    let document = started_by(&scene, "Deployers/Alice", &document).await;
    let execution = deploy(&scene, "one", &document);
    let token = asked(&scene, "one").await;
    assert_eq!(meta(&scene, "one")["starter"], arn("Deployers/Alice"));
    assert_eq!(meta(&scene, "one")["document"]["approvals"]["startProof"], Value::Null, "it is of no use any more");
    says(&scene, &format!("Started by {}", arn("Deployers/Alice")));
    // The same person, in the role of those who approve.
    yes_of(&scene, ALICE, &token).await;
    let token = asked_again(&scene, &token).await;
    says(&scene, "ReleaseManagers/alice: whoever starts a deployment does not approve it");
    assert_eq!(scene.weights(), (90, 10));
    yes_of(&scene, "ReleaseManagers/bob", &token).await;
    succeeds(&scene, &execution).await;
}

#[tokio::test(start_paused = true)]
async fn g2_a_deployment_that_nobody_has_started_is_refused_where_that_matters() {
    let approvals = json!({ "notByStarter": true });
    let scene = Scene::new(ShopOptions::default());
    let document = bound(&scene, approvals);
    let now = scene.sim.clock.now_millis();
    let started = async |name: &str, made_millis: u64| {
        let arn = execution_arn(&scene.installation.deploy_arn, name);
        proofs(&scene, ALICE).started(&arn, &document, made_millis).await.expect("they have credentials")
    };
    for (name, given, why) in [
        ("nobody", document.clone(), "its input has no proof"),
        ("another", started("two", now).await, "SignatureDoesNotMatch"),
        ("stale", started("stale", now - 600_000).await, "was good until"),
    ] {
        let ended = scene.play(name, &given, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{name}");
        for words in ["approvals.notByStarter", why, "crossfade deploy", "Nothing was touched"] {
            assert!(ended.cause().contains(words), "{words}: {}", ended.cause());
        }
        scene.is_as_before();
    }
}

#[tokio::test(start_paused = true)]
async fn g2_a_deployment_that_an_event_starts_has_no_person_as_its_starter() {
    let scene = Scene::new(ShopOptions::default());
    publish(&scene.sim, &scene.shop);
    let document = bound(&scene, json!({ "approvers": [APPROVERS], "notByStarter": true }));
    let trigger = json!({ "when": { "schedule": true }, "document": document }).to_string();
    scene.sim.parameters().define("/crossfade/triggers/nightly", "String", &trigger);
    let event = json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-21T09:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/nightly"],
        "detail": {},
    });
    let started = match scene.sim.functions().invoke("start", event).await {
        Invocation::Returned(answer) => answer,
        other => panic!("it starts nothing: {other:?}"),
    };
    let name = started["started"][0].as_str().unwrap_or_else(|| panic!("it is started: {started}")).to_owned();
    let token = asked(&scene, &name).await;
    assert_eq!(meta(&scene, &name)["starter"], "arn:aws:iam::123456789012:user/start");
    let arn = execution_arn(&scene.installation.deploy_arn, &name);
    let proof = proofs(&scene, ALICE).make(&of_answer(&arn, &token), scene.sim.clock.now_millis()).await;
    says_yes(&scene, &token, json!({ "proof": proof.expect("it is made") })).await;
    end(&scene, &arn).await;
    assert_eq!(meta(&scene, &name)["status"], "succeeded", "{:#?}", scene.installation.log(&name));
}

#[tokio::test(start_paused = true)]
async fn g2_an_answer_counts_once_although_sts_is_out_and_replies_are_lost() {
    let (scene, execution, token) = asking(json!({ "approvers": [APPROVERS] }), json!({})).await;
    Nth::on(&scene, "GetCallerIdentity", |nth| match nth {
        0..4 => Some(Fault::Refuse { status: 503, code: "ServiceUnavailable".into(), message: "later".into() }),
        4 => Some(Fault::LoseReply),
        _ => None,
    });
    yes_of(&scene, ALICE, &token).await;
    succeeds(&scene, &execution).await;
    assert_eq!(void(&scene), (0, 0));
    // The function has recorded the answer, and fails before it goes on: it neither asks again nor forgets who it was.
    let (scene, execution, token) = asking(json!({ "approvers": [APPROVERS] }), json!({})).await;
    Nth::on(&scene, "TransactWriteItems", |nth| {
        let message = "later".into();
        (1..10).contains(&nth).then(|| Fault::Refuse { status: 500, code: "InternalServerError".into(), message })
    });
    yes_of(&scene, ALICE, &token).await;
    succeeds(&scene, &execution).await;
    assert_eq!(void(&scene), (0, 0));
    says(&scene, &format!("Approved by somebody ({}, proven): fine", arn(ALICE)));
}

#[test]
fn g2_approvers_that_nobody_can_be_are_refused_all_at_once() {
    let scene = Scene::new(ShopOptions::default());
    let wrong = ["arn:aws:iam::123456789012:role/Release", "alice", "*", "arn:aws:sts::*:assumed-role/Release/*"];
    let mut document = bound(&scene, json!({ "approvers": wrong, "notByStarters": true }));
    document["strategy"]["blueGreenShift"]["approval"] = json!({ "approvers": ["bob"] });
    let problems = parse(&document).expect_err("it is wrong in six places");
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    for path in [
        "approvals.approvers[0]",
        "approvals.approvers[1]",
        "approvals.approvers[2]",
        "approvals.approvers[3]",
        "approvals.notByStarters",
        "strategy.blueGreenShift.approval.approvers[0]",
    ] {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
    let role = problems.iter().find(|problem| problem.path == "approvals.approvers[0]").expect("it is there");
    assert!(role.to_string().contains("assumed-role/ROLE/SESSION"), "{role}");
    let inspected = scene.document_with(|document| {
        document["rollback"] = json!({ "approval": { "approvers": ["arn:aws:iam::123456789012:user/carol"] } });
    });
    let problems = parse(&inspected).expect_err("it is wrong");
    assert_eq!(problems[0].path, "rollback.approval.approvers");
}

#[tokio::test(start_paused = true)]
async fn g2_a_stage_may_have_approvers_of_its_own() {
    let approval = json!({ "approvers": ["arn:aws:iam::123456789012:user/carol"] });
    let (scene, execution, token) = asking(json!({ "approvers": [APPROVERS] }), approval).await;
    yes_of(&scene, ALICE, &token).await;
    let token = asked_again(&scene, &token).await;
    yes_of(&scene, "carol", &token).await;
    succeeds(&scene, &execution).await;
    says(&scene, "Approved by somebody (arn:aws:iam::123456789012:user/carol, proven)");
}
