//! The `crossfade` command where something is missing: each time it says what, and what to do.

mod built;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use crossfade_aws::{Item, Table, keys};
use crossfade_local::TABLE;
use crossfade_sim::lambda::{Functions, Invocation};
use crossfade_sim::world::sample::{PENDING_AMI, ShopOptions};
use crossfade_sim::{Fault, Faults, Request, Server, Service, Settings, Sim};
use crossfade_tests::{APPROVE, Scene};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// An account on loopback.
struct Account {
    sim: Arc<Sim>,
    server: Server,
}

impl Account {
    /// One in which nothing is installed.
    fn empty() -> Self {
        Self::serving(Sim::new(Settings::default()))
    }

    fn serving(sim: Arc<Sim>) -> Self {
        let server = Server::start(sim.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        Self { sim, server }
    }

    /// The shop, with crossfade and a deployment that has ended.
    async fn installed() -> Self {
        let scene = Scene::new(ShopOptions::default());
        scene.play("shop-1", &scene.document_with(|d| d["artifact"]["ami"] = json!(PENDING_AMI)), APPROVE).await;
        Self::serving(scene.sim)
    }

    /// What the command says, with these variables set besides; it has to exit with this code.
    async fn says(&self, code: i32, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let command =
            crossfade(arguments, &[&[("AWS_ENDPOINT_URL", self.server.url().as_str())], environment].concat());
        let output = tokio::task::spawn_blocking(move || finished(command)).await.expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        // Whatever acts says first where, and as whom.
        let introduced =
            |first: &str| first.starts_with("account ") || first.contains("in an account that did not say which it is");
        let error = said.split_once('\n').filter(|(first, _)| introduced(first)).map(|(_, error)| error);
        let error = error.unwrap_or(&said).to_owned();
        assert!(error.starts_with("error: "), "{arguments:?}: {said}");
        error
    }

    async fn write_meta(&self, meta: serde_json::Value) {
        let table = Table::new(&self.sim.sdk_config_for("test"), TABLE);
        let item = Item::new(keys::deployment("shop-0"), "meta", meta);
        table.put(&item).await.expect("the table is there");
    }
}

/// Credentials and a region, as they stand in the environment.
const SIGNED_IN: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "ann"), ("AWS_SECRET_ACCESS_KEY", "simulated"), ("AWS_REGION", "eu-west-1")];

/// The command, with nothing of the machine's own configuration but these variables.
fn crossfade(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(built::programs(&["crossfade"]).join("crossfade"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || text.starts_with("CROSSFADE_") || text.to_lowercase().ends_with("_proxy") {
            command.env_remove(&name);
        }
    }
    for nothing in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        command.env(nothing, "/dev/null");
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_MAX_ATTEMPTS", "1");
    command.args(arguments).envs(environment.iter().copied()).current_dir(built::root()).stdin(Stdio::null());
    command
}

fn finished(mut command: Command) -> Output {
    command.output().expect("the command runs")
}

#[track_caller]
fn contains(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is missing: {said}");
    }
}

const STATUS: &[&str] = &["status", "shop-1"];
const DEPLOY: &[&str] = &["deploy", "examples/blue-green-shift.yaml", "--name", "shop-2"];

#[tokio::test]
async fn where_crossfade_is_not_installed_it_says_where_it_has_looked() {
    let account = Account::empty();
    for arguments in [STATUS, DEPLOY] {
        let said = account.says(2, arguments, &SIGNED_IN).await;
        contains(
            &said,
            &["no table crossfade in the region eu-west-1", "sam deploy", "--stack", "--region", "--profile"],
        );
    }
    // Another name, of an account that has it under its own.
    let said = account.says(2, &["status", "shop-1", "--stack", "shop"], &SIGNED_IN).await;
    contains(&said, &["no table shop in the region eu-west-1", "not installed here as shop"]);
}

#[tokio::test]
async fn a_table_that_is_gone_is_told_apart_from_no_installation() {
    let account = Account::installed().await;
    let request = Request::json(Service::DynamoDb, "DeleteTable", json!({ "TableName": TABLE }));
    assert_eq!(account.sim.handle(request).await.expect("it answers").status, 200);
    for arguments in [STATUS, &["approve", "shop-1"], &["abort", "shop-1"], &["rollback", "shop-1"]] {
        let said = account.says(2, arguments, &SIGNED_IN).await;
        contains(
            &said,
            &["installed in eu-west-1 as crossfade, but its table crossfade is gone", "point-in-time recovery"],
        );
    }
}

#[tokio::test]
async fn without_a_region_or_credentials_it_asks_for_them() {
    let account = Account::installed().await;
    let said = account.says(2, STATUS, &SIGNED_IN[..2]).await;
    contains(&said, &["No region is set", "--region", "AWS_REGION"]);
    let said = account.says(4, STATUS, &SIGNED_IN[2..]).await;
    contains(&said, &["no AWS credentials", "aws sso login", "--profile"]);
    let said = account.says(2, &["status", "shop-1", "--profile", "nobody"], &SIGNED_IN[2..]).await;
    contains(&said, &["There is no profile nobody with AWS credentials", "aws configure list-profiles"]);
    assert!(account.sim.calls().iter().all(|call| call.caller.as_deref() != Some("ann")), "nothing was asked of AWS");
}

/// Refuses an operation of everybody.
struct Refuse(&'static str, u16, &'static str);

impl Faults for Refuse {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let message = format!("User: ann is not authorized to perform: {}", request.operation);
        (request.operation == self.0).then(|| Fault::Refuse { status: self.1, code: self.2.into(), message })
    }
}

#[tokio::test]
async fn a_permission_that_you_lack_is_named_and_it_is_you_who_lacks_it() {
    let account = Account::installed().await;
    for (operation, arguments, permission) in [
        ("GetItem", STATUS, "Allow dynamodb:GetItem on it"),
        ("ListStateMachines", DEPLOY, "Allow states:ListStateMachines on it"),
        ("StartExecution", DEPLOY, "Allow states:StartExecution on it"),
        ("Query", STATUS, "Allow dynamodb:Query on it"),
    ] {
        account.sim.set_faults(Some(Arc::new(Refuse(operation, 400, "AccessDeniedException"))));
        let said = account.says(4, arguments, &SIGNED_IN).await;
        contains(&said, &[permission, "the caller is you", "--profile"]);
    }
}

#[tokio::test]
async fn credentials_that_are_not_good_any_more_are_called_that() {
    let account = Account::installed().await;
    for code in ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"] {
        account.sim.set_faults(Some(Arc::new(Refuse("GetItem", 400, code))));
        let said = account.says(4, STATUS, &SIGNED_IN).await;
        contains(&said, &[code, "AWS does not take the credentials. Sign in again"]);
    }
    // Whoever follows a deployment is told that it goes on without them.
    account.sim.set_faults(Some(Arc::new(Refuse("Query", 400, "ExpiredTokenException"))));
    let said = account.says(4, &["watch", "shop-1"], &SIGNED_IN).await;
    contains(&said, &["ExpiredTokenException", "Sign in again", "goes on meanwhile", "`crossfade watch shop-1`"]);
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_asked_for() {
    let account = Account::installed().await;
    // A port at which nobody listens.
    let nowhere = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    let said = account.says(4, STATUS, &[&SIGNED_IN[..], &nowhere].concat()).await;
    contains(
        &said,
        &[
            "got no answer",
            "Does anything listen at AWS_ENDPOINT_URL = http://127.0.0.1:9? Start it, or unset that to reach AWS itself.",
        ],
    );
    assert!(!said.contains("Is there a region"), "{said}");
    // One for the table alone: the others are called where they were.
    let nowhere = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")];
    let said = account.says(4, STATUS, &[&SIGNED_IN[..], &nowhere].concat()).await;
    contains(
        &said,
        &["got no answer", "Does anything listen at ", " or at AWS_ENDPOINT_URL_DYNAMODB = http://127.0.0.1:9?"],
    );
}

#[tokio::test]
async fn records_of_another_release_are_not_misread() {
    let account = Account::installed().await;
    for (meta, age) in [
        (json!({ "deploymentId": "shop-0", "status": "succeeded" }), "an older release of crossfade, in schema 0"),
        (json!({ "schema": 99, "deploymentId": "shop-0" }), "a newer release of crossfade, in schema 99"),
    ] {
        account.write_meta(meta).await;
        for command in ["status", "rollback", "abort"] {
            let said = account.says(4, &[command, "shop-0"], &SIGNED_IN).await;
            contains(&said, &[age, "this one reads schema 3"]);
        }
    }
    // Nobody is kept from the others.
    let said = account.says(2, &["status", "shop-unknown"], &SIGNED_IN).await;
    contains(&said, &["There is no deployment shop-unknown"]);
}

/// A function that has been called, and of which nothing is heard.
struct Silent;

impl Functions for Silent {
    fn invoke(&self, _: &str, _: Value) -> BoxFuture<'static, Invocation> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_dead_deployment_in_the_way_is_told_from_one_that_runs() {
    const SHOP: &str = "shop/production/shop-base";
    let account = Account::installed().await;
    // Its functions are called, and nothing is heard of them; nor does the sweep come.
    account.sim.set_functions(Arc::new(Silent));
    let machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:crossfade-deploy";
    let execution = "arn:aws:states:eu-west-1:123456789012:execution:crossfade-deploy:shop-2";
    let call = async |operation: &str, body: Value| {
        let request = Request::json(Service::StepFunctions, operation, body);
        assert_eq!(account.sim.handle(request).await.expect("it answers").status, 200);
    };
    call("StartExecution", json!({ "stateMachineArn": machine, "name": "shop-2", "input": "{}" })).await;
    let table = Table::new(&account.sim.sdk_config_for("test"), TABLE);
    let (mut meta, _) = table.get(&keys::deployment("shop-1"), "meta").await.expect("it answers").expect("it is there");
    meta["status"] = json!("succeeded");
    table.put(&Item::new(keys::deployment("shop-1"), "meta", meta.clone())).await.expect("the table is there");
    for (key, value) in [("deploymentId", "shop-2"), ("executionArn", execution), ("status", "running")] {
        meta[key] = json!(value);
    }
    meta["endedMillis"] = Value::Null;
    table.put(&Item::new(keys::deployment("shop-2"), "meta", meta)).await.expect("the table is there");
    // Of the year 2100, by any clock.
    table.take_lock(SHOP, "shop-2", None, 4_102_444_800_000).await.expect("it answers");

    let held = format!("{SHOP} is being deployed by shop-2");
    let commands = [&["plan", "examples/blue-green-shift.yaml"][..], DEPLOY, &["rollback", "shop-1"]];
    for command in commands {
        let said = account.says(2, command, &SIGNED_IN).await;
        contains(&said, &[&held, "`crossfade watch shop-2`", "stop it (`crossfade abort shop-2`)"]);
    }
    call("StopExecution", json!({ "executionArn": execution, "error": "Stopped", "cause": "by hand" })).await;
    for command in commands {
        let said = account.says(2, command, &SIGNED_IN).await;
        let dead = "The execution of shop-2 has ended (Aborted): its rollback begins within a minute, or now with `crossfade rollback \
                    shop-2`.";
        contains(&said.replace("\n", " "), &[&held, dead]);
        assert!(!said.contains("crossfade abort"), "{command:?}: {said}");
    }
    // Whoever may not look at executions is told what the table says.
    account.sim.set_faults(Some(Arc::new(Refuse("DescribeExecution", 400, "AccessDeniedException"))));
    for command in commands {
        contains(&account.says(2, command, &SIGNED_IN).await, &[&held, "crossfade abort shop-2"]);
    }
}

#[tokio::test]
async fn what_has_just_started_is_seen_before_anything_of_it_is_recorded() {
    let account = Account::installed().await;
    account.sim.set_functions(Arc::new(Silent));
    let shown = async |code: i32, arguments: &[&str]| {
        let url = account.server.url();
        let command = crossfade(arguments, &[&SIGNED_IN[..], &[("AWS_ENDPOINT_URL", url.as_str())]].concat());
        let output = tokio::task::spawn_blocking(move || finished(command)).await.expect("it runs");
        let [told, said] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}{said}");
        (told, said)
    };
    shown(0, &["deploy", "examples/blue-green-shift.yaml", "--name", "shop-2", "--no-plan"]).await;
    let (told, said) = shown(0, &["status", "shop-2"]).await;
    contains(&told, &["shop-2  shop/production/shop-base  · preparing for ", "ami-0a11ce00000000007; started "]);
    contains(&said, &["shop-2: nothing is recorded of it yet"]);
    let (told, _) = shown(0, &["status", "shop-2", "--output", "json"]).await;
    let status: Value = serde_json::from_str(&told).expect("it is JSON");
    assert_eq!((&status["status"], &status["stages"]), (&json!("preparing"), &json!([])), "{status:#}");
    let (_, said) = shown(124, &["watch", "shop-2", "--timeout", "1s"]).await;
    contains(&said, &["shop-2 has started; nothing is recorded of it yet", "shop-2 goes on"]);
    // Nothing is made up of what never started, or is over.
    contains(&shown(2, &["status", "shop-3"]).await.1, &["There is no deployment shop-3"]);
    let execution = "arn:aws:states:eu-west-1:123456789012:execution:crossfade-deploy:shop-2";
    let stop = json!({ "executionArn": execution, "error": "Stopped", "cause": "it was the wrong one" });
    let request = Request::json(Service::StepFunctions, "StopExecution", stop);
    assert_eq!(account.sim.handle(request).await.expect("it answers").status, 200);
    for command in ["status", "watch"] {
        let (_, said) = shown(2, &[command, "shop-2"]).await;
        contains(&said, &["shop-2 has ended (Aborted) before anything of it was recorded: it was the wrong one"]);
    }
}
