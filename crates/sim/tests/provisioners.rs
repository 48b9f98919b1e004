//! CloudFormation, Parameter Store and S3, as far as the account knows them.

use std::sync::Arc;

use crossfade_sim::{Protocol, Request, Response, Service, Settings, Sim};
use serde_json::{Value, json};

async fn ask(sim: &Arc<Sim>, request: Request) -> (u16, String) {
    let Response { status, body, .. } = sim.handle(request).await.expect("nothing is lost");
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn ssm(sim: &Arc<Sim>, operation: &str, body: Value) -> (u16, Value) {
    let (status, text) = ask(sim, Request::json(Service::Ssm, operation, body)).await;
    (status, serde_json::from_str(&text).expect("it speaks JSON"))
}

fn get_object(bucket: &str, key: &str, range: Option<&str>) -> Request {
    let form = [("Bucket", bucket), ("Key", key)].into_iter().chain(range.map(|range| ("Range", range)));
    Request { protocol: Protocol::Rest, ..Request::query(Service::S3, "GetObject", form) }
}

#[tokio::test(start_paused = true)]
async fn stacks_are_found_by_name_and_by_arn_and_not_once_they_are_deleted() {
    let sim = Sim::new(Settings::default());
    let arn = sim.stacks().define("shop-base", &[("RuleArn", "arn:aws:a&b"), ("Base", "shop-base")]);
    let describe = |name: &str| Request::query(Service::CloudFormation, "DescribeStacks", [("StackName", name)]);
    for name in ["shop-base", arn.as_str()] {
        let (status, text) = ask(&sim, describe(name)).await;
        assert_eq!(status, 200);
        let output = "<member><OutputKey>RuleArn</OutputKey><OutputValue>arn:aws:a&amp;b</OutputValue></member>";
        assert!(text.contains(output) && text.contains("<StackStatus>CREATE_COMPLETE</StackStatus>"), "{text}");
    }
    let (status, text) = ask(&sim, describe("shop-bass")).await;
    assert_eq!(status, 400);
    assert!(text.contains("<Code>ValidationError</Code><Message>Stack with id shop-bass does not exist</Message>"));
    sim.stacks().set_status("shop-base", "DELETE_COMPLETE");
    assert_eq!(ask(&sim, describe("shop-base")).await.0, 400);
    assert!(ask(&sim, describe(&arn)).await.1.contains("DELETE_COMPLETE"));
    let (_, all) = ask(&sim, Request::query(Service::CloudFormation, "DescribeStacks", [])).await;
    assert!(all.contains("<Stacks></Stacks>"), "{all}");
    assert_eq!(ask(&sim, Request::query(Service::CloudFormation, "CreateStack", [])).await.0, 501);
}

#[tokio::test(start_paused = true)]
async fn parameters_have_versions_and_keep_their_secrets() {
    let sim = Sim::new(Settings::default());
    let put = |value: &str, more: Value| {
        let mut request = json!({"Name": "/shop/ami", "Value": value});
        request.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        ssm(&sim, "PutParameter", request)
    };
    assert_eq!(put("ami-1", json!({})).await.1["__type"], "ValidationException", "a new one needs a type");
    assert_eq!(put("ami-1", json!({"Type": "String"})).await, (200, json!({"Version": 1, "Tier": "Standard"})));
    assert_eq!(put("ami-2", json!({"Type": "String"})).await.1["__type"], "ParameterAlreadyExists");
    assert_eq!(put("ami-2", json!({"Overwrite": true})).await.1["Version"], 2);
    assert_eq!(put(&"x".repeat(4097), json!({"Overwrite": true})).await.0, 400);

    let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/ami";
    for (name, value) in [("/shop/ami", "ami-2"), ("/shop/ami:1", "ami-1"), (arn, "ami-2")] {
        let (_, answer) = ssm(&sim, "GetParameter", json!({ "Name": name })).await;
        assert_eq!(answer["Parameter"]["Value"], value, "{name}");
        assert_eq!((&answer["Parameter"]["Name"], &answer["Parameter"]["ARN"]), (&json!("/shop/ami"), &json!(arn)));
    }
    for (name, code) in
        [("/shop/no", "ParameterNotFound"), ("/shop/ami:3", "ParameterVersionNotFound"), ("", "ValidationException")]
    {
        assert_eq!(ssm(&sim, "GetParameter", json!({ "Name": name })).await.1["__type"], code, "{name}");
    }

    sim.parameters().define("/shop/token", "SecureString", "hunter2");
    let (_, answer) = ssm(&sim, "GetParameter", json!({"Name": "/shop/token"})).await;
    assert!(answer["Parameter"]["Type"] == "SecureString" && !answer.to_string().contains("hunter2"), "{answer}");
    let (_, answer) = ssm(&sim, "GetParameter", json!({"Name": "/shop/token", "WithDecryption": true})).await;
    assert_eq!(answer["Parameter"]["Value"], "hunter2");
}

#[tokio::test(start_paused = true)]
async fn objects_are_read_whole_or_from_the_beginning() {
    let sim = Sim::new(Settings::default());
    sim.objects().put("state", "shop/a b.tfstate", "0123456789");
    sim.objects().put("state", "empty", "");
    sim.objects().put("theirs", "key", "x");
    sim.objects().forbid("theirs");
    let key = "shop/a b.tfstate";
    assert_eq!(ask(&sim, get_object("state", key, None)).await, (200, "0123456789".into()));
    assert_eq!(ask(&sim, get_object("state", key, Some("bytes=0-3"))).await, (206, "0123".into()));
    assert_eq!(ask(&sim, get_object("state", key, Some("bytes=0-99"))).await, (206, "0123456789".into()));
    for (bucket, key, code) in [
        ("state", "no", "<Error><Code>NoSuchKey</Code>"),
        ("other", "no", "NoSuchBucket"),
        ("theirs", "key", "AccessDenied"),
        ("state", "empty", "InvalidRange"),
    ] {
        let (status, text) = ask(&sim, get_object(bucket, key, Some("bytes=0-9"))).await;
        assert!(status >= 400 && text.contains(code), "{text}");
    }
}
