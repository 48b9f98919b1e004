//! The functions as Lambda runs them: the built binaries, one process each, that speak the Lambda Runtime API and reach the
//! account over HTTP with the configuration that Lambda's environment gives them.
//!
//! Their clock is the one on the wall, as on Lambda, so the account runs at that speed here, from now on. For that a
//! deployment does not take minutes, everything in this account that takes time takes little of it.

mod built;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossfade_aws::{Executions, Item, Table, execution_arn, keys};
use crossfade_local::{FUNCTION_TIMEOUT, Installation, TABLE};
use crossfade_sim::api::stepfunctions::ExecutionOutcome;
use crossfade_sim::lambda::{Bootstrap, Invocation, LogSink, RuntimeApiHost};
use crossfade_sim::world::sample::{Layout, ShopOptions, shop};
use crossfade_sim::world::{HookAnswer, ImageBehaviour, WorldSettings};
use crossfade_sim::{Effect, Fault, Faults, Request, Server, Service, Settings, Sim};
use crossfade_steps::{ApprovalRecord, FUNCTIONS, RevisionRecord, Status};
use crossfade_tests::roles::Roles;
use crossfade_tests::{SMOKE, Scene};
use serde_json::{Value, json};

/// Only what hangs takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(900);

/// The shop on loopback, with crossfade installed as processes.
struct Account {
    scene: Scene,
    logs: Arc<Mutex<Vec<String>>>,
    started: Instant,
    _server: Server,
}

impl Account {
    async fn new(options: ShopOptions) -> Self {
        // Building them, should that be necessary, takes longer than a deployment.
        built::programs(FUNCTIONS);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
        let epoch_millis = u64::try_from(now).expect("for a while yet");
        let latency = Duration::from_millis(2);
        let sim = Sim::new(Settings { epoch_millis, call_latency: latency, ..Settings::default() });
        let layout = options.layout;
        let shop = shop(&mut sim.world(), options);
        {
            let mut world = sim.world();
            world.settings = WorldSettings {
                reaction_millis: 200,
                hook_answer: HookAnswer::After(0),
                terminate_millis: (200, 500),
                delete_millis: 500,
                registration_millis: 200,
                ..WorldSettings::default()
            };
            let image = world.image_mut(&shop.new_ami).expect("the shop has a new image");
            image.behaviour =
                ImageBehaviour { launch_seconds: (1, 1), boot_seconds: (0, 1), ..ImageBehaviour::default() };
        }
        for target_group in [&shop.target_group_a, &shop.target_group_b] {
            drain_in_one_second(&sim, target_group).await;
        }
        let server = Server::start(sim.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let installation = Installation::without_functions(&sim).expect("the shipped definitions are good");
        let logs: Arc<Mutex<Vec<String>>> = Arc::default();
        sim.set_functions(Arc::new(host(&sim, &installation, &server, &logs)));

        // The deployment before was crossfade's, too: how long it took says when to look.
        let steady = RevisionRecord {
            revision: 6,
            fleet: shop.running_group.clone(),
            deployment_id: "earlier-6".into(),
            artifact: shop.running_ami.clone(),
            status: Status::Succeeded,
            steady_seconds: Some(6),
        };
        let history = keys::infrastructure("shop/production/shop-base");
        let record = Item::new(history, keys::revision(6), json!(steady));
        Table::new(&sim.sdk_config_for("test"), TABLE).put(&record).await.expect("the table is there");
        let before = sim.world().inventory();
        let roles = Roles::guard(&sim);
        let scene = Scene { sim, shop, layout, installation, before, roles };
        Self { scene, logs, started: Instant::now(), _server: server }
    }

    /// Starts a deployment. Answers its execution's ARN.
    async fn start(&self, name: &str, document: &Value) -> String {
        let machine = &self.scene.installation.deploy_arn;
        self.operator().start(machine, name, document).await.expect("it starts").expect("it is a new one")
    }

    /// Lets an event start the usual deployment, which then has this name. Answers its execution's ARN.
    async fn start_by_event(&self, name: &str) -> String {
        let scene = &self.scene;
        let document = scene.document_with(|document| {
            document["variables"] = json!({ "ami": null });
            document["artifact"]["ami"] = json!("${ami}");
        });
        let trigger = json!({ "when": { "newImage": { "name": "image-*" } }, "document": document });
        scene.sim.parameters().define("/crossfade/triggers/shop", "String", &trigger.to_string());
        let detail = json!({ "ImageId": scene.shop.new_ami, "State": "available" });
        let event = json!({ "detail-type": "EC2 AMI State Change", "account": "123456789012", "detail": detail });
        match scene.sim.functions().invoke("start", event).await {
            Invocation::Returned(answer) => assert_eq!(answer, json!({ "started": [name], "refused": {} })),
            other => panic!("{other:?}\n{}", self.told().join("\n")),
        }
        execution_arn(&scene.installation.deploy_arn, name)
    }

    /// An operator with an SDK client.
    fn operator(&self) -> Executions {
        Executions::new(&self.scene.sim.sdk_config_for("operator"))
    }

    /// The approval that a deployment waits for, once it does.
    async fn asked(&self, deployment: &str) -> ApprovalRecord {
        self.patiently("it asks", || {
            let records = self.scene.installation.records(&keys::deployment(deployment));
            let record = records.into_iter().find(|(sk, _)| sk.starts_with("approval#"))?.1;
            Some(serde_json::from_value(record).expect("the record of an approval"))
        })
        .await
    }

    /// How an execution ended, once it has.
    async fn ended(&self, execution: &str) -> ExecutionOutcome {
        self.patiently("it ends", || self.scene.sim.step_functions().outcome(execution)).await
    }

    async fn patiently<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}\n{}", self.told().join("\n"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the functions wrote to standard output and standard error.
    fn told(&self) -> Vec<String> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of the errors in the history of an execution, in order.
    fn errors(&self, execution: &str) -> Vec<String> {
        use crossfade_asl::Event;
        let history = self.scene.sim.step_functions().history(execution);
        let errors = history.into_iter().filter_map(|event| match event.event {
            Event::TaskFailed { error, .. } => Some(error),
            _ => None,
        });
        errors.collect()
    }

    /// Asserts that no request was lost, and that there were some.
    #[track_caller]
    fn lost_nothing(&self) {
        let traffic = self.scene.world().traffic();
        assert!(traffic.totals.served > 100, "without traffic nothing is proved");
        assert_eq!(traffic.totals.lost, 0, "requests were lost");
    }

    /// Asserts that these functions called AWS and no other did, and that only those changed something that are there for it.
    #[track_caller]
    fn only_called_by(&self, functions: &[&str]) {
        let calls = self.scene.sim.calls();
        let callers: BTreeSet<&str> = calls.iter().filter_map(|call| call.caller.as_deref()).collect();
        let ours: BTreeSet<&str> = callers.into_iter().filter(|caller| FUNCTIONS.contains(caller)).collect();
        assert_eq!(ours, functions.iter().copied().collect(), "other functions ran");
        let resources = [Service::AutoScaling, Service::CloudWatch, Service::Ec2, Service::ElasticLoadBalancing];
        for call in calls.iter().filter(|call| call.effect == Effect::Mutate && resources.contains(&call.service)) {
            let caller = call.caller.as_deref().unwrap_or_default();
            let reads_only = [
                "prepare",
                "plan",
                "wait-steady",
                "approve",
                "start-rollback",
                "plan-rollback",
                "finish",
                "sweep",
                "start",
            ];
            let takes_off = (caller, call.operation.as_str()) == ("finish", "RemoveTags");
            assert!(!reads_only.contains(&caller) || takes_off, "{caller} changed something: {call:?}");
        }
    }

    fn done(&self, what: &str) {
        eprintln!("{what} took {:.1} s", self.started.elapsed().as_secs_f64());
    }
}

/// Clients of this shop are served within a second.
async fn drain_in_one_second(sim: &Arc<Sim>, target_group: &str) {
    let form = [
        ("TargetGroupArn", target_group),
        ("Attributes.member.1.Key", "deregistration_delay.timeout_seconds"),
        ("Attributes.member.1.Value", "1"),
    ];
    call(sim, Service::ElasticLoadBalancing, "ModifyTargetGroupAttributes", &form).await;
}

/// Instances of this group go without a word, or waiting for them would take most of a test's time.
async fn terminate_at_once(sim: &Arc<Sim>, group: &str) {
    let form = [("AutoScalingGroupName", group), ("LifecycleHookName", "save-logs")];
    call(sim, Service::AutoScaling, "DeleteLifecycleHook", &form).await;
}

/// A call that somebody else makes.
async fn call(sim: &Arc<Sim>, service: Service, operation: &str, form: &[(&str, &str)]) {
    let request = Request::query(service, operation, form.iter().copied());
    let request = Request { caller: Some("test".into()), ..request };
    let response = sim.handle(request).await.expect("nothing is lost");
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
}

/// The functions' host: what `template.yaml` gives them, credentials as Lambda gives them, and the endpoint.
fn host(
    sim: &Arc<Sim>,
    installation: &Installation,
    server: &Server,
    logs: &Arc<Mutex<Vec<String>>>,
) -> RuntimeApiHost {
    let logs = logs.clone();
    let sink: LogSink = Arc::new(move |function, line| {
        logs.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{function}: {line}"));
    });
    let host = RuntimeApiHost::new(&sim.clock, sink);
    let directory = built::programs(FUNCTIONS);
    for function in FUNCTIONS {
        let variable = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let environment: BTreeMap<String, String> = [
            ("TABLE_NAME", TABLE),
            ("TOPIC_ARN", &installation.topic_arn),
            ("DEPLOY_STATE_MACHINE_ARN", &installation.deploy_arn),
            ("ROLLBACK_STATE_MACHINE_ARN", &installation.rollback_arn),
            ("AWS_ENDPOINT_URL", &server.url()),
            // Each has its own, as each has its own role.
            ("AWS_ACCESS_KEY_ID", function),
            ("AWS_SECRET_ACCESS_KEY", "simulated"),
            ("AWS_SESSION_TOKEN", "simulated"),
        ]
        .into_iter()
        .map(variable)
        .collect();
        let program = directory.join(function);
        let bootstrap =
            Bootstrap { program, arguments: vec![], environment, timeout: FUNCTION_TIMEOUT, memory_mb: 128 };
        host.register(function, bootstrap);
    }
    host
}

#[tokio::test]
async fn the_built_functions_deploy() {
    let account = Account::new(ShopOptions { equipped: true, ..ShopOptions::default() }).await;
    terminate_at_once(&account.scene.sim, "shop__6").await;
    let execution = account.start("one", &account.scene.document()).await;
    let approval = account.asked("one").await;
    assert_eq!(account.scene.weights(), (90, 10));
    account.operator().decide(&approval.task_token, &json!({"by": "ann"}), None).await.expect("it is still asking");
    match account.ended(&execution).await {
        ExecutionOutcome::Succeeded(output) => assert_eq!(output["outcome"], "Succeeded"),
        other => panic!("{other:?}\n{}", account.told().join("\n")),
    }
    account.done("a deployment");
    assert_eq!(account.scene.weights(), (0, 100));
    assert_eq!(account.scene.size("shop__7"), Some((4, 4, 8)));
    assert_eq!(account.scene.size("shop__6"), Some((0, 0, 0)));
    assert_eq!(account.scene.world().healthy_in(&account.scene.shop.target_group_b), 4);
    account.scene.holds_no_lock();
    account.lost_nothing();
    account.only_called_by(&[
        "prepare",
        "plan",
        "setup",
        "hold",
        "upscale",
        "wait-steady",
        "shift-weight",
        "carry",
        "approve",
        "downsize",
        "remove",
        "finish",
    ]);
    assert_eq!(account.errors(&execution), Vec::<String>::new());
    let log = account.scene.installation.log("one");
    assert!(log.iter().any(|line| line == "Approved by ann"));
    assert!(log.iter().any(|line| line.starts_with("Carried alarm shop-base-cpu-high as shop__7-")), "{log:#?}");
    // What CloudWatch would get is JSON, with the deployment in a field of its own, and no secret in it.
    let told = account.told();
    for line in &told {
        let (_, json) = line.split_once(": ").expect("the function's name comes first");
        let json: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {line}"));
        // Metrics stand alone in their line.
        let metrics = json["_aws"]["CloudWatchMetrics"].is_array();
        assert!(json["level"].is_string() != metrics, "{line}");
        assert!(!line.contains(&approval.task_token), "a task token is in the log: {line}");
    }
    assert!(told.iter().any(|line| line.starts_with("finish: ") && line.contains(r#""Succeeded":1"#)), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("shift-weight: ") && line.contains(r#""deployment":"one""#)));
}

#[tokio::test]
async fn the_built_functions_swap() {
    let account = Account::new(ShopOptions { layout: Layout::Staged, ..ShopOptions::default() }).await;
    let yes = || Invocation::Returned(json!({ "verdict": "pass" }));
    account.scene.sim.callables().function("shop-smoke", move |_| (Duration::from_millis(200), yes()));
    let hooks = json!({ "smoke": { "lambda": SMOKE, "at": ["beforeTraffic", "atEnd"] } });
    let document = account.scene.document_with(|document| document["hooks"] = hooks);
    let execution = account.start("five", &document).await;
    let approval = account.asked("five").await;
    let behind = |account: &Account| {
        let world = account.scene.world();
        world.group("shop__7").map(|group| group.attachments.keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(behind(&account), Some(vec![account.scene.shop.target_group_b.clone()]));
    account.operator().decide(&approval.task_token, &json!({"by": "ann"}), None).await.expect("it is still asking");
    let ended = account.ended(&execution).await;
    assert!(matches!(ended, ExecutionOutcome::Succeeded(_)), "{ended:?}\n{}", account.told().join("\n"));
    account.done("a swap");
    assert_eq!(behind(&account), Some(vec![account.scene.shop.target_group_a.clone()]));
    assert_eq!(account.scene.size("shop__7"), Some((4, 4, 8)));
    assert_eq!(account.scene.size("shop__6"), Some((0, 0, 0)));
    account.scene.holds_no_lock();
    account.lost_nothing();
    let used = [
        "prepare",
        "plan",
        "setup",
        "hold",
        "upscale",
        "wait-steady",
        "approve",
        "hook",
        "swap",
        "downsize",
        "remove",
        "finish",
    ];
    account.only_called_by(&used);
}

#[tokio::test]
async fn the_built_functions_undo_what_is_rejected() {
    let account = Account::new(ShopOptions::default()).await;
    let id = format!("shop-{}", account.scene.shop.new_ami);
    let execution = account.start_by_event(&id).await;
    let approval = account.asked(&id).await;
    let no = Some(("Rejected", r#"{"by": "bob", "comment": "not today"}"#));
    account.operator().decide(&approval.task_token, &json!({}), no).await.expect("it is still asking");
    match account.ended(&execution).await {
        ExecutionOutcome::Failed { error, cause } => {
            assert_eq!(error.as_deref(), Some("FailedClean"), "{cause:?}");
            let cause = cause.unwrap_or_default();
            assert!(cause.contains("Approve shop__7 at 10 %: rejected by bob: not today."), "{cause}");
        }
        other => panic!("{other:?}\n{}", account.told().join("\n")),
    }
    account.done("a rejected deployment");
    account.scene.is_as_before();
    account.lost_nothing();
    // What has ended the sweep leaves alone.
    let scheduled = json!({ "detail-type": "Scheduled Event" });
    match account.scene.sim.functions().invoke("sweep", scheduled).await {
        Invocation::Returned(swept) => assert_eq!(swept, json!({ "rollbacks": [] })),
        other => panic!("{other:?}\n{}", account.told().join("\n")),
    }
    // All but those that the tests above have run.
    // The one that calls endpoints would look their names up in the real world.
    let others = ["carry", "swap", "hook", "hook-http"];
    let used: Vec<&str> = FUNCTIONS.iter().copied().filter(|function| !others.contains(function)).collect();
    account.only_called_by(&used);
    // The rejection itself, by the name that the operator's client gave it; then the function's error, by its fixed name.
    assert_eq!(account.errors(&execution), ["Rejected", "ApprovalRejected"]);
}

#[tokio::test]
async fn the_built_functions_refuse_a_document_that_is_wrong() {
    let account = Account::new(ShopOptions::default()).await;
    let document = account.scene.document_with(|document| document["artifact"]["ami"] = json!("latest"));
    let execution = account.start("three", &document).await;
    match account.ended(&execution).await {
        ExecutionOutcome::Failed { error, cause } => {
            assert_eq!(error.as_deref(), Some("FailedClean"), "{cause:?}");
            assert!(cause.unwrap_or_default().contains("artifact.ami"));
        }
        other => panic!("{other:?}\n{}", account.told().join("\n")),
    }
    account.done("a refusal");
    assert_eq!(account.errors(&execution), ["InvalidDocument"]);
    account.scene.is_as_before();
    // It looks for records of an earlier attempt first.
    account.only_called_by(&["prepare"]);
}

/// A list in a list in a list.
fn nested(depth: usize) -> Value {
    (1..depth).fold(json!([]), |inner, _| json!([inner]))
}

#[tokio::test]
async fn the_built_functions_read_whatever_step_functions_takes() {
    let account = Account::new(ShopOptions::default()).await;
    // Its own reader takes 128 levels, and the payload wraps the document.
    for (name, document) in [("deep", nested(127)), ("deeper", json!({ "service": nested(126) }))] {
        let execution = account.start(name, &document).await;
        match account.ended(&execution).await {
            ExecutionOutcome::Failed { error, cause } => {
                assert_eq!(error.as_deref(), Some("FailedClean"), "{cause:?}");
                let cause = cause.unwrap_or_default();
                assert!(cause.contains("it stands deeper than 32 levels"), "{cause}");
            }
            other => panic!("{other:?}\n{}", account.told().join("\n")),
        }
        assert_eq!(account.errors(&execution), ["InvalidDocument"], "at once");
    }
    let published = account.scene.sim.topics().published().len();
    assert_eq!(published, 2, "whoever started them may not be looking");
    account.scene.is_as_before();

    // An answer that is as deep is an answer.
    let execution = account.start("answered", &account.scene.document()).await;
    let asked = account.asked("answered").await;
    let decision = json!({ "by": "ann", "more": nested(126) });
    account.operator().decide(&asked.task_token, &decision, None).await.expect("it is JSON");
    let outcome = account.ended(&execution).await;
    assert_eq!(outcome.status(), "SUCCEEDED", "{outcome:?}\n{}", account.told().join("\n"));
    assert!(account.scene.installation.log("answered").join("\n").contains("Approved by ann"));
    account.lost_nothing();
}

/// Loses the reply to the first call of each operation that changes something, wherever it comes from.
#[derive(Default)]
struct LoseFirstReplies(Mutex<BTreeSet<(Service, String)>>);

impl Faults for LoseFirstReplies {
    fn strike(&self, _nth: usize, request: &Request) -> Option<Fault> {
        let by_a_function = request.caller.as_deref().is_some_and(|caller| FUNCTIONS.contains(&caller));
        let reads = ["Describe", "Get", "List", "Query"].iter().any(|word| request.operation.starts_with(word));
        if !by_a_function || reads {
            return None;
        }
        let operation = (request.service, request.operation.clone());
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(operation);
        first.then_some(Fault::LoseReply)
    }
}

#[tokio::test]
async fn the_built_functions_deploy_when_connections_break_after_the_fact() {
    let account = Account::new(ShopOptions::default()).await;
    let faults = Arc::new(LoseFirstReplies::default());
    account.scene.sim.set_faults(Some(faults.clone()));
    let document = account.scene.document_with(|document| document["strategy"]["blueGreenShift"] = json!({}));
    let execution = account.start("four", &document).await;
    let ended = account.ended(&execution).await;
    assert!(matches!(ended, ExecutionOutcome::Succeeded(_)), "{ended:?}\n{}", account.told().join("\n"));
    account.done("a deployment with broken connections");
    let lost = faults.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let operations: BTreeSet<&str> = lost.iter().map(|(_, operation)| operation.as_str()).collect();
    for operation in
        ["CreateAutoScalingGroup", "CreateLaunchTemplateVersion", "ModifyRule", "Publish", "TransactWriteItems"]
    {
        assert!(operations.contains(operation), "{operation} never lost its reply: {operations:?}");
    }
    assert_eq!(account.scene.weights(), (0, 100));
    assert_eq!(account.scene.size("shop__7"), Some((4, 4, 8)));
    assert_eq!(account.scene.size("shop__6"), Some((0, 0, 0)));
    account.scene.holds_no_lock();
    account.lost_nothing();
}
