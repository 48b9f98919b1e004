//! The account on a loopback port: raw requests, and real boto3 in a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossfade_sim::world::ecs::ServiceStatus;
use crossfade_sim::{Fault, Faults, Request, Server, ServerError, Settings, Sim, world::sample};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=somebody/20260105/eu-west-1/dynamodb/aws4_request, \
                      SignedHeaders=host, Signature=00";

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn start() -> (Arc<Sim>, Server) {
    let sim = Sim::new(Settings { speed: 100.0, ..Settings::default() });
    let server = Server::start(sim.clone(), any_port()).unwrap();
    (sim, server)
}

/// Sends one request and reads until the server closes the connection.
async fn exchange(server: &Server, headers: &str, body: &str) -> String {
    exchange_with(&server.url().replace("http://", ""), headers, body).await
}

async fn exchange_with(address: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn only_loopback_is_served() {
    for address in
        [SocketAddr::from(([0, 0, 0, 0], 0)), SocketAddr::from(([192, 0, 2, 1], 0)), "[::]:0".parse().unwrap()]
    {
        let error = Server::start(Sim::new(Settings::default()), address).unwrap_err();
        assert!(matches!(error, ServerError::NotLoopback(refused) if refused == address));
    }
    let (sim, server) = start();
    let taken = server.url().replace("http://", "").parse().unwrap();
    assert!(matches!(Server::start(sim, taken), Err(ServerError::Listen { .. })));
}

#[tokio::test]
async fn a_signed_request_is_answered_and_its_key_recorded() {
    let (sim, server) = start();
    let headers = format!("authorization: {SIGNED}\r\nx-amz-target: DynamoDB_20120810.ListTables\r\n");
    let answer = exchange(&server, &headers, "{}").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("{\"TableNames\":[]}"), "{answer}");
    assert_eq!(sim.calls()[0].caller.as_deref(), Some("somebody"));
}

#[tokio::test]
async fn what_cannot_be_served_is_told_why() {
    let (sim, server) = start();
    let target = "x-amz-target: DynamoDB_20120810.ListTables\r\n";
    let unsigned = exchange(&server, target, "{}").await;
    assert!(unsigned.starts_with("HTTP/1.1 403 ") && unsigned.contains("\"MissingAuthenticationToken\""), "{unsigned}");
    let unknown = SIGNED.replace("/dynamodb/", "/sqs/");
    let unknown = exchange(&server, &format!("authorization: {unknown}\r\n"), "").await;
    assert!(unknown.starts_with("HTTP/1.1 400 ") && unknown.contains("<Code>UnknownService</Code>"), "{unknown}");
    let broken = exchange(&server, &format!("authorization: {SIGNED}\r\n{target}"), "{").await;
    assert!(broken.starts_with("HTTP/1.1 400 ") && broken.contains("SerializationException"), "{broken}");
    let large =
        exchange(&server, &format!("authorization: {SIGNED}\r\n{target}"), &" ".repeat(16 * 1024 * 1024 + 1)).await;
    assert!(large.contains("longer than 16777216 bytes"), "{:.300}", large);
    assert!(sim.calls().is_empty(), "none of them reached the account");
}

/// Loses every request.
struct LoseAll;

impl Faults for LoseAll {
    fn strike(&self, _nth: usize, _request: &Request) -> Option<Fault> {
        Some(Fault::LoseRequest)
    }
}

#[tokio::test]
async fn a_lost_request_closes_the_connection() {
    let (sim, server) = start();
    sim.set_faults(Some(Arc::new(LoseAll)));
    let headers = format!("authorization: {SIGNED}\r\nx-amz-target: DynamoDB_20120810.ListTables\r\n");
    assert_eq!(exchange(&server, &headers, "{}").await, "");
    assert_eq!(sim.calls().len(), 1);
}

#[tokio::test]
async fn a_dropped_server_finishes_its_answers_and_takes_no_more() {
    // One call takes half a second of real time here.
    let sim = Sim::new(Settings { call_latency: Duration::from_millis(500), ..Settings::default() });
    let server = Server::start(sim, any_port()).unwrap();
    let address = server.url().replace("http://", "");
    let headers = format!("authorization: {SIGNED}\r\nx-amz-target: DynamoDB_20120810.ListTables\r\n");
    let under_way = exchange_with(&address, &headers, "{}");
    let stop = async {
        let idle = TcpStream::connect(&address).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::time::timeout(Duration::from_secs(5), server.shutdown()).await.expect("an idle connection holds it up");
        drop(idle);
    };
    let (answer, ()) = tokio::join!(under_way, stop);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(TcpStream::connect(&address).await.is_err());

    let server = Server::start(Sim::new(Settings::default()), any_port()).unwrap();
    let address = server.url().replace("http://", "");
    drop(server);
    let refused = async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused).await.expect("a dropped server still accepts");
}

/// The Python that has boto3: the project's own, or the system's. `CROSSFADE_REQUIRE_BOTO3` makes its absence a failure.
fn python() -> Option<String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python");
    let python = if own.exists() { own.display().to_string() } else { "python3".to_owned() };
    let probe = std::process::Command::new(&python).args(["-c", "import boto3"]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CROSSFADE_REQUIRE_BOTO3").is_none(), "{python} cannot import boto3");
    None
}

const SCRIPT: &str = r#"
import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

# Tables, by client and by resource.
client = boto3.client("dynamodb")
client.create_table(
    TableName="state", BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}],
    KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
)
client.get_waiter("table_exists").wait(TableName="state")
table = boto3.resource("dynamodb").Table("state")
for n in range(5):
    table.put_item(Item={"pk": "a", "sk": n, "blob": b"\x00\xff", "tags": {"x", "y"}, "nested": {"list": [n, None, True]}})
found = table.query(KeyConditionExpression=Key("pk").eq("a") & Key("sk").between(1, 3), FilterExpression=Attr("nested.list[0]").ne(2))
assert [int(item["sk"]) for item in found["Items"]] == [1, 3], found
assert found["Items"][0]["blob"].value == b"\x00\xff" and found["Items"][0]["tags"] == {"x", "y"}, found
try:
    table.put_item(Item={"pk": "a", "sk": 1}, ConditionExpression=Attr("pk").not_exists())
    raise SystemExit("the condition should have failed")
except client.exceptions.ConditionalCheckFailedException:
    pass
try:
    client.transact_write_items(TransactItems=[
        {"Delete": {"TableName": "state", "Key": {"pk": {"S": "a"}, "sk": {"N": "0"}}}},
        {"Put": {"TableName": "state", "Item": {"pk": {"S": "a"}, "sk": {"N": "1"}}, "ConditionExpression": "attribute_not_exists(pk)"}},
    ])
    raise SystemExit("the transaction should have been cancelled")
except client.exceptions.TransactionCanceledException as error:
    codes = [reason["Code"] for reason in error.response["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed"], codes

# Topics.
sns = boto3.client("sns")
arn = sns.create_topic(Name="alarms")["TopicArn"]
sns.publish(TopicArn=arn, Subject="Hello", Message="Ünïcode & <more>", MessageAttributes={"kind": {"DataType": "String", "StringValue": "x"}})
assert [topic["TopicArn"] for topic in sns.list_topics()["Topics"]] == [arn]
try:
    sns.publish(TopicArn=arn + "-not", Message="x")
    raise SystemExit("there is no such topic")
except sns.exceptions.NotFoundException:
    pass

# Query services.
groups = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
print(",".join(group["AutoScalingGroupName"] for group in groups))
try:
    boto3.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    raise SystemExit("nothing makes networks here")
except ClientError as error:
    assert "CreateVpc" in str(error), error
"#;

#[tokio::test]
async fn boto3_works_with_an_endpoint_url() {
    let Some(python) = python() else { return };
    let (sim, server) = start();
    sample::shop(&mut sim.world(), sample::ShopOptions::default());
    let mut child = client(&server, &python);
    let child = child.args(["-c", SCRIPT]).output();
    let output = tokio::time::timeout(Duration::from_secs(120), child).await.expect("boto3 hangs").unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");

    let groups = sim.world().group_names();
    assert!(!groups.is_empty());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), groups.join(","));
    let calls = sim.calls();
    assert!(calls.iter().all(|call| call.caller.as_deref() == Some("boto3")));
    let topics = sim.topics();
    assert_eq!(topics.published()[0].message, "Ünïcode & <more>");
    assert_eq!(topics.published()[0].attributes["kind"], "x");
    assert_eq!(sim.tables().items("state").len(), 5);
}

/// Every answer of ECS and Application Auto Scaling is walked through with the model that boto3 has of it: it names nothing that the
/// model does not know, in no other type, and leaves out nothing that must be there.
const SERVICES: &str = r#"
import json
import time
import boto3

def walk(shape, value, path):
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), (path, value)
        unknown = set(value) - set(shape.members)
        assert not unknown, (path, unknown)
        assert set(shape.required_members) <= set(value), (path, shape.required_members)
        for name, member in value.items():
            walk(shape.members[name], member, path + "." + name)
    elif kind == "list":
        for item in value:
            walk(shape.member, item, path + "[]")
    elif kind == "map":
        for item in value.values():
            walk(shape.value, item, path + "{}")
    else:
        types = {"string": str, "integer": int, "long": int, "boolean": bool, "timestamp": (int, float), "double": (int, float)}
        assert isinstance(value, types[kind]), (path, kind, value)

def look(http_response, model, **_):
    if http_response.status_code == 200:
        walk(model.output_shape, json.loads(http_response.content), model.name)

ecs, scaling = boto3.client("ecs"), boto3.client("application-autoscaling")
for client in (ecs, scaling):
    client.meta.events.register("after-call", look)

arns = [arn for page in ecs.get_paginator("list_services").paginate(cluster="shop") for arn in page["serviceArns"]]
described = ecs.describe_services(cluster="shop", services=arns, include=["TAGS"])["services"]
base = next(service for service in described if service["serviceName"] == "shop-base")
definition = ecs.describe_task_definition(taskDefinition=base["taskDefinition"], include=["TAGS"])
for output in ("taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy"):
    del definition["taskDefinition"][output]
registered = ecs.register_task_definition(tags=definition["tags"], **definition["taskDefinition"])["taskDefinition"]
copied = ("launchType", "platformVersion", "networkConfiguration", "deploymentConfiguration", "loadBalancers",
          "healthCheckGracePeriodSeconds", "propagateTags", "enableECSManagedTags", "availabilityZoneRebalancing")
created = ecs.create_service(cluster="shop", serviceName="shop__7", taskDefinition=registered["taskDefinitionArn"], desiredCount=1,
                             clientToken="once", tags=base["tags"], **{name: base[name] for name in copied})
assert created["service"]["status"] == "ACTIVE", created
ecs.get_waiter("services_stable").wait(cluster="shop", services=["shop__7"], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
tasks = ecs.list_tasks(cluster="shop", serviceName="shop__7")["taskArns"]
ecs.update_task_protection(cluster="shop", tasks=tasks, protectionEnabled=True)
ecs.get_task_protection(cluster="shop", tasks=tasks)
ecs.stop_task(cluster="shop", task=tasks[0])
time.sleep(0.3)
ecs.describe_tasks(cluster="shop", tasks=tasks, include=["TAGS"])
ecs.describe_clusters(clusters=["shop"], include=["TAGS"])
revision = created["service"]["currentServiceRevisions"][0]["arn"]
ecs.describe_service_revisions(serviceRevisionArns=[revision])
ecs.tag_resource(resourceArn=registered["taskDefinitionArn"], tags=[{"key": "a", "value": "b"}])
ecs.list_tags_for_resource(resourceArn=registered["taskDefinitionArn"])
try:
    ecs.delete_service(cluster="shop", service="shop__7")
    raise SystemExit("it has a task")
except ecs.exceptions.InvalidParameterException:
    pass
ecs.update_service(cluster="shop", service="shop__7", desiredCount=0)
ecs.delete_service(cluster="shop", service="shop__7")
ecs.deregister_task_definition(taskDefinition=registered["taskDefinitionArn"])
assert registered["taskDefinitionArn"] in ecs.list_task_definitions(status="INACTIVE")["taskDefinitionArns"]

target = dict(ServiceNamespace="ecs", ResourceId="service/shop/shop__6", ScalableDimension="ecs:service:DesiredCount")
shown = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
scaling.list_tags_for_resource(ResourceARN=shown[0]["ScalableTargetARN"])
policies = scaling.describe_scaling_policies(**target)["ScalingPolicies"]
actions = scaling.describe_scheduled_actions(**target)["ScheduledActions"]
scaling.deregister_scalable_target(**target)
scaling.register_scalable_target(MinCapacity=2, MaxCapacity=8, SuspendedState={"ScheduledScalingSuspended": True}, **target)
for policy in policies:
    scaling.put_scaling_policy(**{name: policy[name] for name in policy if name not in ("PolicyARN", "Alarms", "CreationTime")})
for action in actions:
    scaling.put_scheduled_action(**{name: action[name] for name in action if name not in ("ScheduledActionARN", "CreationTime")})
print(len(policies), len(actions), len(arns))
"#;

#[tokio::test]
async fn boto3_understands_every_answer_about_services() {
    let Some(python) = python() else { return };
    let (sim, server) = start();
    let compute = sample::Compute::Services;
    sample::shop(&mut sim.world(), sample::ShopOptions { compute, equipped: true, ..Default::default() });
    let mut child = client(&server, &python);
    let child = child.args(["-c", SERVICES]).output();
    let output = tokio::time::timeout(Duration::from_secs(120), child).await.expect("boto3 hangs").unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "3 2 7");
    assert_ne!(sim.world().service("shop", "shop__7").unwrap().status, ServiceStatus::Active, "it was deleted");
}

#[tokio::test]
async fn the_aws_cli_works_with_an_endpoint_url() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/aws");
    let aws = if own.exists() { own.display().to_string() } else { "aws".to_owned() };
    if std::process::Command::new(&aws).arg("--version").output().is_err() {
        return;
    }
    let (sim, server) = start();
    sample::shop(&mut sim.world(), sample::ShopOptions { compute: sample::Compute::Services, ..Default::default() });
    sim.tables().define("state", "pk", None);
    let item = r#"{"pk": {"S": "a"}, "n": {"N": "1"}}"#;
    for arguments in [
        vec!["dynamodb", "put-item", "--table-name", "state", "--item", item],
        vec!["sns", "create-topic", "--name", "alarms"],
        vec!["ec2", "describe-launch-templates"],
        vec!["ecs", "describe-services", "--cluster", "shop", "--services", "shop__6"],
        vec!["application-autoscaling", "describe-scalable-targets", "--service-namespace", "ecs"],
    ] {
        let child = client(&server, &aws).args(&arguments).args(["--output", "json"]).output();
        let output = tokio::time::timeout(Duration::from_secs(120), child).await.expect("the CLI hangs");
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(sim.tables().items("state"), [serde_json::json!({ "pk": "a", "n": 1 })]);
    let operations: Vec<_> = sim.calls().into_iter().map(|call| call.operation).collect();
    let expected = ["PutItem", "CreateTopic", "DescribeLaunchTemplates", "DescribeServices", "DescribeScalableTargets"];
    assert_eq!(operations, expected);
}

/// A client in a process of its own, with nothing of this machine's AWS configuration.
fn client(server: &Server, program: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    command
        .env("AWS_ENDPOINT_URL", server.url())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_DEFAULT_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "boto3")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_PAGER", "")
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true);
    command
}
