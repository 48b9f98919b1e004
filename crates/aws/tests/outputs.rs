//! Documents that refer to provisioners, filled in from the simulated account; and the requests as they go out.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use crossfade_aws::Outputs;
use crossfade_core::{Failure, Kind};
use crossfade_sim::{Fault, Faults, Request, Service, Settings, Sim};
use serde_json::{Value, json};

/// A document in which everything is spelt out, with a change.
fn document(change: impl FnOnce(&mut Value)) -> Value {
    let rule =
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2";
    let mut document = json!({
        "service": "shop",
        "environment": "production",
        "artifact": {"ami": "ami-0a11ce00000000007"},
        "compute": {"autoScalingGroup": {"base": "shop-base", "name": "shop"}},
        "routing": {"weighted": [rule]},
        "strategy": {"blueGreenShift": {}},
    });
    change(&mut document);
    document
}

fn stack(output: &str) -> Value {
    json!({"fromCloudFormation": {"stack": "shop-base", "output": output}})
}

fn state(output: &str) -> Value {
    json!({"fromTerraform": {"output": output, "object": "s3://state/shop/a +b.tfstate"}})
}

/// An account in which a stack, two parameters and a state are published.
fn account() -> (Arc<Sim>, Outputs) {
    let sim = Sim::new(Settings::default());
    sim.stacks().define("shop-base", &[("Base", "shop-base-2"), ("Minutes", "30")]);
    sim.parameters().define("/shop/name", "String", "shop-${x}");
    sim.parameters().define("/shop/terraform", "String", r#"{"keep": {"sensitive": false, "value": 7}}"#);
    sim.parameters().define("/shop/token", "SecureString", "hunter2");
    let outputs = json!({"drain": {"value": 90, "type": "number"}, "secret": {"value": "hunter2", "sensitive": true}});
    sim.objects().put("state", "shop/a +b.tfstate", json!({"version": 4, "outputs": outputs}).to_string());
    let outputs = Outputs::new(&sim.sdk_config());
    (sim, outputs)
}

async fn fails(outputs: &Outputs, document: &Value) -> Failure {
    outputs.resolve(document).await.expect_err("something is wrong with it")
}

#[tokio::test(start_paused = true)]
async fn values_come_from_all_provisioners_and_each_source_is_read_once() {
    let (sim, outputs) = account();
    let (filled, notes) = outputs
        .resolve(&document(|d| {
            d["compute"]["autoScalingGroup"]["base"] = stack("Base");
            d["compute"]["autoScalingGroup"]["name"] = json!({"fromParameter": "/shop/name"});
            d["compute"]["autoScalingGroup"]["keepRevisions"] =
                json!({"fromTerraform": {"output": "keep", "parameter": "/shop/terraform"}});
            d["timeouts"] = json!({"steadyStateMinutes": stack("Minutes"), "drainMinutes": state("drain")});
            d["rollback"] = json!({"approval": {"timeoutMinutes": state("drain")}});
        }))
        .await
        .unwrap();
    let group = filled.compute.series();
    assert_eq!((group.base, group.name, group.keep_revisions), ("shop-base-2", "shop-${x}", 7));
    assert_eq!((filled.timeouts.steady_state_minutes, filled.timeouts.drain_minutes), (30, 90));
    assert_eq!(notes.len(), 6, "{notes:?}");
    let operations: Vec<String> = sim.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["DescribeStacks", "GetParameter", "GetParameter", "GetObject"]);
}

#[tokio::test(start_paused = true)]
async fn everything_that_is_missing_is_told_at_once() {
    let (sim, outputs) = account();
    sim.objects().put("theirs", "key", "{}");
    sim.objects().forbid("theirs");
    sim.objects().put("state", "empty", "");
    sim.objects().put("state", "long", "x".repeat(9 * 1024 * 1024));
    let object = |url: &str| json!({"fromTerraform": {"output": "a", "object": url}});
    let failure = fails(
        &outputs,
        &document(|d| {
            d["artifact"]["ami"] = json!({"fromParameter": "/shop/token"});
            d["compute"]["autoScalingGroup"]["base"] = json!({"fromCloudFormation": {"stack": "gone", "output": "Base"}});
            d["compute"]["autoScalingGroup"]["name"] = json!({"fromParameter": "/shop/gone"});
            d["compute"]["autoScalingGroup"]["keepRevisions"] = object("s3://state/gone");
            d["timeouts"] = json!({"steadyStateMinutes": object("s3://gone/key"), "drainMinutes": object("s3://theirs/key")});
            d["rollback"] = json!({"approval": {"timeoutMinutes": object("s3://state/empty"), "message": object("s3://state/long")}});
            d["notifications"] = json!({"topicArn": state("secret")});
        }),
    )
    .await;
    assert_eq!(failure.kind, Kind::PreflightFailed);
    for words in [
        "artifact.ami = parameter /shop/token: the parameter /shop/token is a SecureString",
        "compute.autoScalingGroup.base = CloudFormation output Base of gone: there is no stack gone in this account",
        "there is no parameter /shop/gone in this account and region. Correct the name",
        "there is no object s3://state/gone",
        "there is no object s3://gone/key",
        "s3:GetObject on s3://theirs/key was refused with AccessDenied: Access Denied. Allow s3:GetObject on it: name its \
         ARN in the parameter ReadableObjectArns",
        "what it holds is no JSON",
        "s3://state/long is longer than",
        "the output secret is sensitive",
    ] {
        assert!(failure.message.contains(words), "{words:?} is missing in:\n{failure}");
    }
    assert!(!failure.message.contains("hunter2"), "{failure}");
    assert_eq!(failure.message.lines().count(), 10, "{failure}");
}

#[tokio::test(start_paused = true)]
async fn only_a_stack_that_has_settled_is_believed() {
    let (sim, outputs) = account();
    let document = document(|d| d["compute"]["autoScalingGroup"]["base"] = stack("Base"));
    for (status, says) in [
        ("UPDATE_IN_PROGRESS", "is in UPDATE_IN_PROGRESS, and its outputs may change"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "its outputs may change"),
        ("UPDATE_ROLLBACK_FAILED", "is in UPDATE_ROLLBACK_FAILED, and its outputs may be wrong"),
        ("DELETE_COMPLETE", "there is no stack shop-base"),
    ] {
        sim.stacks().set_status("shop-base", status);
        let failure = fails(&outputs, &document).await;
        assert!(failure.kind == Kind::PreflightFailed && failure.message.contains(says), "{failure}");
    }
    // Its ARN still finds it.
    let arn = sim.stacks().define("shop-base", &[("Base", "shop-base-2")]);
    sim.stacks().set_status("shop-base", "DELETE_COMPLETE");
    let by_arn = self::document(|d| {
        d["compute"]["autoScalingGroup"]["base"] = json!({"fromCloudFormation": {"stack": arn, "output": "Base"}});
    });
    let failure = fails(&outputs, &by_arn).await;
    assert!(failure.message.contains("there is no stack arn:aws:cloudformation:"), "{failure}");
    for status in ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"] {
        sim.stacks().set_status("shop-base", status);
        outputs.resolve(&document).await.unwrap();
    }
}

/// The same fault for every call of a service.
struct Always(Service, Fault);

impl Faults for Always {
    fn strike(&self, _nth: usize, request: &Request) -> Option<Fault> {
        (request.service == self.0).then(|| self.1.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_no_problem_of_the_document() {
    let refuse = |status, code: &str| Fault::Refuse { status, code: code.into(), message: "Not now.".into() };
    for (service, fault, kind) in [
        (Service::Ssm, refuse(400, "ThrottlingException"), Kind::Throttled),
        (Service::CloudFormation, refuse(400, "Throttling"), Kind::Throttled),
        (Service::S3, refuse(503, "SlowDown"), Kind::Throttled),
        (Service::S3, Fault::LoseReply, Kind::ServiceUnavailable),
        (Service::Ssm, refuse(400, "AccessDeniedException"), Kind::PreflightFailed),
        (Service::CloudFormation, refuse(403, "AccessDenied"), Kind::PreflightFailed),
    ] {
        let (sim, outputs) = account();
        sim.set_faults(Some(Arc::new(Always(service, fault.clone()))));
        let failure = fails(
            &outputs,
            &document(|d| {
                d["compute"]["autoScalingGroup"]["base"] = stack("Base");
                d["compute"]["autoScalingGroup"]["name"] = json!({"fromParameter": "/shop/name"});
                d["timeouts"] = json!({"drainMinutes": state("drain")});
            }),
        )
        .await;
        assert_eq!(failure.kind, kind, "{fault:?}: {failure}");
        let tried = sim.calls().iter().filter(|call| call.service == service).count();
        match kind {
            Kind::PreflightFailed => assert_eq!(tried, 1, "{fault:?}"),
            Kind::Throttled => assert!((10..100).contains(&tried), "for a while: {tried}, {fault:?}"),
            _ => assert_eq!(tried, 3, "{fault:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_document_costs_no_call() {
    let (sim, outputs) = account();
    let failure = fails(
        &outputs,
        &document(|d| {
            d["artifact"]["ami"] = json!("${ami}");
            d["compute"]["autoScalingGroup"]["base"] = stack("Base");
        }),
    )
    .await;
    assert!(
        failure.kind == Kind::InvalidDocument && failure.message.contains("there is no variable `ami`"),
        "{failure}"
    );
    assert!(sim.calls().is_empty());
}

/// A request as it was sent: method, URL, headers, body.
type Sent = (String, String, Vec<(String, String)>, String);

/// An HTTP client that keeps what it is sent, and answers with one text.
#[derive(Clone, Debug)]
struct Canned {
    body: &'static str,
    seen: Arc<Mutex<Vec<Sent>>>,
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        self.seen.lock().unwrap().push((request.method().to_owned(), request.uri().to_owned(), headers, body));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(self.body))))
    }
}

/// What is sent for this reference, answered like that, with an endpoint of one's own or without.
async fn sent(reference: Value, body: &'static str, endpoint: Option<&str>) -> Sent {
    let canned = Canned { body, seen: Arc::default() };
    let sim = Sim::new(Settings::default());
    let mut config = sim.sdk_config().into_builder().http_client(canned.clone());
    config.set_endpoint_url(endpoint.map(str::to_owned));
    let document = document(|d| d["timeouts"] = json!({ "drainMinutes": reference }));
    let (filled, _) = Outputs::new(&config.build()).resolve(&document).await.unwrap();
    assert_eq!(filled.timeouts.drain_minutes, 90);
    let seen = canned.seen.lock().unwrap().clone();
    seen.into_iter().next().expect("one was sent")
}

fn header<'a>(sent: &'a Sent, name: &str) -> &'a str {
    sent.2.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn requests_are_what_each_service_understands() {
    let stack_answer = "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackStatus>UPDATE_COMPLETE</StackStatus>\
                        <Outputs><member><OutputKey>Minutes</OutputKey><OutputValue>90</OutputValue></member></Outputs></member>\
                        </Stacks></DescribeStacksResult></DescribeStacksResponse>";
    let request = sent(stack("Minutes"), stack_answer, None).await;
    assert_eq!((request.0.as_str(), request.1.as_str()), ("POST", "https://cloudformation.eu-west-1.amazonaws.com/"));
    assert_eq!(request.3, "Action=DescribeStacks&Version=2010-05-15&StackName=shop-base");
    assert!(header(&request, "authorization").contains("/eu-west-1/cloudformation/aws4_request"));

    let parameter_answer = r#"{"Parameter": {"Name": "/a", "Type": "String", "Value": "90"}}"#;
    let request = sent(json!({"fromParameter": "/a"}), parameter_answer, None).await;
    assert_eq!((request.0.as_str(), request.1.as_str()), ("POST", "https://ssm.eu-west-1.amazonaws.com/"));
    assert_eq!(serde_json::from_str::<Value>(&request.3).unwrap(), json!({"Name": "/a", "WithDecryption": false}));
    assert_eq!(header(&request, "x-amz-target"), "AmazonSSM.GetParameter");
    assert_eq!(header(&request, "content-type"), "application/x-amz-json-1.1");
    assert!(header(&request, "authorization").contains("/eu-west-1/ssm/aws4_request"));

    let object = |url: &str| json!({"fromTerraform": {"output": "a", "object": url}});
    let object_answer = r#"{"a": {"value": 90}}"#;
    for (url, endpoint, expected) in [
        ("s3://state/shop/a +ü.tfstate", None, "https://state.s3.eu-west-1.amazonaws.com/shop/a%20%2B%C3%BC.tfstate"),
        ("s3://my.state/key", None, "https://s3.eu-west-1.amazonaws.com/my.state/key"),
        ("s3://state/a//b/../c", None, "https://state.s3.eu-west-1.amazonaws.com/a//b/../c"),
        ("s3://state/key", Some("http://127.0.0.1:4566"), "http://127.0.0.1:4566/state/key"),
    ] {
        let request = sent(object(url), object_answer, endpoint).await;
        assert_eq!((request.0.as_str(), request.1.as_str()), ("GET", expected));
        assert_eq!(header(&request, "range"), "bytes=0-8388608");
        // The hash of nothing.
        assert!(header(&request, "x-amz-content-sha256").starts_with("e3b0c44298fc1c14"), "{request:?}");
        assert!(header(&request, "authorization").contains("/eu-west-1/s3/aws4_request"));
    }
}

#[tokio::test(start_paused = true)]
async fn e4_two_listeners_at_one_port_are_refused_by_name() {
    // Load balancers of some types may have one for each protocol.
    let member = |id: u32, protocol: &str| {
        let arn = format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/net/shop/50dc/{id}");
        format!("<member><ListenerArn>{arn}</ListenerArn><Port>443</Port><Protocol>{protocol}</Protocol></member>")
    };
    let listeners = [member(1, "TCP"), member(2, "QUIC")].concat();
    let body = format!(
        "<DescribeListenersResponse><DescribeListenersResult><Listeners>{listeners}</Listeners></DescribeListenersResult></DescribeListenersResponse>"
    );
    let canned = Canned { body: body.leak(), seen: Arc::default() };
    let sim = Sim::new(Settings::default());
    let config = sim.sdk_config().into_builder().http_client(canned).build();
    let balancer = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/shop/50dc";
    let document = document(|d| {
        d["routing"]["weighted"][0] = json!({"fromListener": {"loadBalancer": balancer, "port": 443}});
    });
    let failure = fails(&Outputs::new(&config), &document).await;
    assert_eq!(failure.kind, Kind::PreflightFailed);
    for words in ["has 2 listeners at port 443", "listener/net/shop/50dc/1 (TCP)", "listener/net/shop/50dc/2 (QUIC)"] {
        assert!(failure.message.contains(words), "{words}: {}", failure.message);
    }
}
