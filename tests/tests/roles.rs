//! Every strategy under the roles of `template.yaml`: what a function's role does not allow is refused here as AWS would refuse
//! it, and what no deployment here ever needs is named.
//!
//! `cargo xtask lint` compares the roles with a table that somebody has written; this compares them with what is called.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crossfade_local::{Answer, Outcome};
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::world::sample::{ShopOptions, Source, publish};
use crossfade_sim::{Fault, Faults, Request, Service, Sim};
use crossfade_steps::FUNCTIONS;
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, REJECT, Scene};
use serde_json::{Value, json};

/// The tag that says whose something is.
const TAG: &str = "crossfade:infrastructure";

/// A statement of a role: what it allows, and on what.
struct Statement {
    actions: BTreeSet<String>,
    /// Only on what is named like something of a fleet's.
    named: bool,
    /// Only on what bears our tag already.
    tagged: bool,
    /// Only with our tag in the request.
    tagging: bool,
}

impl Statement {
    /// Reads a statement's lines as the template writes them.
    fn read(text: &str) -> Self {
        let action = |word: &&str| {
            let name = |name: &str| name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric);
            word.split_once(':').is_some_and(|(service, action)| !service.contains(char::is_uppercase) && name(action))
        };
        Self {
            actions: text.split_whitespace().filter(action).map(str::to_owned).collect(),
            named: text.contains("*__*"),
            tagged: text.contains(&format!(":ResourceTag/{TAG}:")),
            tagging: text.contains(&format!("aws:RequestTag/{TAG}:")),
        }
    }

    fn allows(&self, action: &str, request: &Request, sim: &Sim) -> bool {
        let all = |holds: &dyn Fn(&str) -> bool| subjects(request).iter().all(|subject| holds(subject));
        self.actions.contains(action)
            && (!self.named || all(&|subject| subject.contains("__")))
            && (!self.tagging || said(request).contains(&format!("\"{TAG}\"")))
            && (!self.tagged || all(&|subject| is_tagged(sim, subject)))
    }
}

/// The groups, launch configurations and alarms that a request names.
fn subjects(request: &Request) -> Vec<String> {
    let in_form = ["AutoScalingGroupName", "LaunchConfigurationName"];
    let mut subjects: Vec<String> = in_form.iter().filter_map(|key| request.form.get(*key).cloned()).collect();
    for key in ["AlarmName", "AlarmNames", "ResourceARN"] {
        let named = &request.json[key];
        let names = named.as_array().cloned().unwrap_or_else(|| vec![named.clone()]);
        subjects.extend(names.iter().filter_map(Value::as_str).map(|it| last(it).to_owned()));
    }
    subjects
}

/// What a request says, as one text.
fn said(request: &Request) -> String {
    json!([request.form, request.json]).to_string()
}

/// `alarm:NAME` of an ARN without what is before, or the name that it is.
fn last(name: &str) -> &str {
    name.split_once(":alarm:").map_or(name, |(_, name)| name)
}

fn is_tagged(sim: &Sim, subject: &str) -> bool {
    let inventory = sim.world().inventory();
    ["autoScalingGroups", "alarms"]
        .iter()
        .any(|kind| inventory[kind][subject].to_string().contains(&format!("\"{TAG}\"")))
}

/// Actions, each with the function that calls it.
type Calls = BTreeSet<(String, String)>;

/// The roles at work.
struct Roles {
    sim: Weak<Sim>,
    statements: BTreeMap<&'static str, Vec<Statement>>,
    used: Mutex<Calls>,
    refused: Mutex<Vec<String>>,
}

impl Roles {
    /// Reads those of the template.
    fn read(sim: &Arc<Sim>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own");
        let template = fs::read_to_string(root.join("template.yaml")).expect("there is a template");
        let role = |function: &&'static str| {
            let name: String = function.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect();
            let (_, role) = template.split_once(&format!("\n  {name}Role:\n")).expect("every function has a role");
            let (role, _) = role.split_once("\n\n").expect("something follows");
            (*function, role.split("- Sid: ").skip(1).map(Statement::read).collect())
        };
        let statements = FUNCTIONS.iter().map(role).collect();
        Self { sim: Arc::downgrade(sim), statements, used: Mutex::default(), refused: Mutex::default() }
    }

    /// Everything that the roles allow.
    fn allowed(&self) -> Calls {
        let of = |(function, statements): (&&str, &Vec<Statement>)| {
            let actions: BTreeSet<String> = statements.iter().flat_map(|it| it.actions.clone()).collect();
            actions.into_iter().map(|action| ((*function).to_owned(), action)).collect::<Vec<_>>()
        };
        self.statements.iter().flat_map(of).collect()
    }

    fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn used(&self) -> Calls {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Faults for Roles {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let function = request.caller.as_deref().filter(|caller| FUNCTIONS.contains(caller))?;
        let sim = self.sim.upgrade()?;
        let statements = self.statements.get(function)?;
        for action in actions(request) {
            if !statements.iter().any(|statement| statement.allows(&action, request, &sim)) {
                let message = format!("{function} is not authorized to perform {action}: {}", said(request));
                self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
                return Some(Fault::Refuse { status: 403, code: "AccessDenied".into(), message });
            }
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert((function.to_owned(), action));
        }
        None
    }
}

/// What IAM calls a request.
fn actions(request: &Request) -> Vec<String> {
    let service = match request.service {
        Service::AutoScaling => "autoscaling",
        Service::Ec2 => "ec2",
        Service::ElasticLoadBalancing => "elasticloadbalancing",
        Service::CloudWatch => "cloudwatch",
        Service::DynamoDb => "dynamodb",
        Service::StepFunctions => "states",
        Service::Sns => "sns",
        Service::CloudFormation => "cloudformation",
        Service::Ssm => "ssm",
        Service::S3 => "s3",
    };
    match request.operation.as_str() {
        "TransactWriteItems" => {
            let items = request.json["TransactItems"].as_array().cloned().unwrap_or_default();
            let kinds: BTreeSet<String> =
                items.iter().filter_map(Value::as_object).flat_map(|item| item.keys().cloned()).collect();
            kinds.iter().map(|kind| format!("dynamodb:{kind}Item")).collect()
        }
        // With tags, it takes both.
        "PutMetricAlarm" if request.json["Tags"].is_array() => {
            vec!["cloudwatch:PutMetricAlarm".into(), "cloudwatch:TagResource".into()]
        }
        operation => vec![format!("{service}:{operation}")],
    }
}

/// What AWS demands beside a call, though the code never calls it: `tests/lint/rules.py` says why.
const ONLY_DEMANDED: [&str; 16] = [
    "autoscaling:CreateOrUpdateTags",
    "cognito-idp:DescribeUserPoolClient",
    "ec2:CreateTags",
    "ec2:DescribeInstanceAttribute",
    "ec2:DescribeInstances",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotInstanceRequests",
    "ec2:DescribeVpcClassicLink",
    "ec2:RunInstances",
    "iam:CreateServiceLinkedRole",
    "iam:PassRole",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
];

/// What is called only when something is out of the ordinary, which other tests bring about.
const SELDOM: [(&str, &str, &str); 21] = [
    ("finish", "dynamodb:GetItem", "the rollback cannot go on: who has the lock?"),
    ("hold", "autoscaling:DeleteWarmPool", "somebody gave a fleet a warm pool meanwhile"),
    ("hold", "autoscaling:PutWarmPool", "a fleet's warm pool was taken away before the rollback began"),
    ("hold", "autoscaling:SetInstanceProtection", "instances lost their protection and are still there"),
    ("downsize", "autoscaling:SuspendProcesses", "a fleet that was not held is downsized"),
    ("downsize", "autoscaling:PutWarmPool", "a warm pool that still has instances is emptied first"),
    ("prepare", "dynamodb:GetItem", "somebody else has the lock"),
    ("remove", "autoscaling:DeleteWarmPool", "a fleet that is deleted has a warm pool"),
    ("remove", "autoscaling:PutWarmPool", "and one that still has instances"),
    ("setup", "autoscaling:DetachTrafficSources", "a kept revision was attached in the newer way"),
    ("setup", "ec2:DeleteLaunchTemplateVersions", "the launch template is full"),
    ("setup", "ec2:DescribeImages", "a launch configuration maps snapshots"),
    ("setup", "ec2:DescribeLaunchTemplateVersions", "the launch template is full"),
    ("setup", "ec2:DescribeLaunchTemplates", "a launch template of the fleet's name exists already"),
    ("start-rollback", "states:DescribeExecution", "a rollback was asked for before, and stopped"),
    ("start-rollback", "states:SendTaskSuccess", "the rollback was over before it was asked for"),
    ("swap", "autoscaling:DetachTrafficSources", "a fleet was attached in the newer way"),
    ("upscale", "autoscaling:DescribeScalingActivities", "a held fleet has become smaller"),
    ("upscale", "autoscaling:SuspendProcesses", "a scheduled action has fired late"),
    ("wait-steady", "elasticloadbalancing:DescribeListeners", "weights do not read back at once"),
    ("wait-steady", "elasticloadbalancing:DescribeRules", "weights do not read back at once"),
];

/// A shop under the roles, whose provisioners have published what they made.
fn under_roles(options: ShopOptions) -> (Scene, Arc<Roles>) {
    let scene = Scene::new(options);
    publish(&scene.sim, &scene.shop);
    let roles = Arc::new(Roles::read(&scene.sim));
    scene.sim.set_faults(Some(roles.clone()));
    (scene, roles)
}

/// Plays deployments, each to this outcome, and answers what was called.
async fn sufficed(options: ShopOptions, plays: &[(&str, Document, Answer, Outcome)], strategy: &Strategy) -> Calls {
    let (scene, roles) = under_roles(options);
    for (name, document, answer, outcome) in plays {
        let ended = scene.play(name, &document(&scene, strategy.document(&scene)), *answer).await;
        assert_eq!(roles.refused(), Vec::<String>::new(), "{} {name}", strategy.name);
        assert_eq!(ended.summary.outcome, *outcome, "{} {name}: {}", strategy.name, ended.cause());
    }
    roles.used()
}

/// A strategy's document with a change.
type Document = fn(&Scene, Value) -> Value;

fn usual(_: &Scene, document: Value) -> Value {
    document
}

/// With only one revision kept, so that fleets are deleted.
fn keeping_one(_: &Scene, mut document: Value) -> Value {
    document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(1);
    document
}

/// Revision 8 once more.
fn back(_: &Scene, mut document: Value) -> Value {
    document["artifact"] = json!({ "revision": 8 });
    document
}

/// With values from everywhere.
fn referring(_: &Scene, mut document: Value) -> Value {
    let state =
        |output: &str| json!({"fromTerraform": {"output": output, "object": "s3://shop-terraform/production.tfstate"}});
    document["compute"]["autoScalingGroup"]["base"] = json!({"fromParameter": "/shop/production/base"});
    document["compute"]["autoScalingGroup"]["capacity"] = json!({"fixed": {
        "min": state("capacity_min"), "desired": state("capacity_desired"), "max": state("capacity_max"),
    }});
    document["routing"] =
        json!({"weighted": [{"fromCloudFormation": {"stack": "shop-production", "output": "RuleArn"}}]});
    document
}

#[tokio::test(start_paused = true)]
async fn the_roles_allow_what_deployments_need_and_little_else() {
    use Outcome::{FailedClean, Succeeded};
    let mut used = Calls::new();
    for strategy in STRATEGIES {
        let options = ShopOptions { equipped: true, warm_pool: true, protected: true, ..strategy.options() };
        let plays: [(&str, Document, Answer, Outcome); 5] = [
            ("no", usual, REJECT, FailedClean),
            ("eight", usual, APPROVE, Succeeded),
            ("nine", usual, APPROVE, Succeeded),
            ("back", back, APPROVE, Succeeded),
            ("ten", keeping_one, APPROVE, Succeeded),
        ];
        used.append(&mut sufficed(options, &plays, &strategy).await);
    }
    let shift = STRATEGIES.iter().find(|strategy| strategy.name == "shift").expect("it is one of them");
    let plays: [(&str, Document, Answer, Outcome); 3] = [
        ("no", usual, REJECT, FailedClean),
        ("eight", usual, APPROVE, Succeeded),
        ("nine", keeping_one, APPROVE, Succeeded),
    ];
    let base = Source::LaunchConfiguration;
    let by_default = ShopOptions { base, default_action: true, ..shift.options() };
    used.append(&mut sufficed(by_default, &plays, shift).await);
    let mixed = ShopOptions { base: Source::MixedOverrides, ..shift.options() };
    used.append(&mut sufficed(mixed, &plays, shift).await);
    // By then revision 8 is attached where the traffic goes.
    let plays: [(&str, Document, Answer, Outcome); 5] = [
        ("seven", referring, APPROVE, Succeeded),
        ("eight", usual, APPROVE, Succeeded),
        ("nine", usual, APPROVE, Succeeded),
        ("ten", usual, APPROVE, Succeeded),
        ("back", back, APPROVE, Succeeded),
    ];
    used.append(&mut sufficed(shift.options(), &plays, shift).await);

    let (scene, roles) = under_roles(ShopOptions { base, ..shift.options() });
    scene.world().settings.can_create_launch_configurations = false;
    for (name, answer, outcome) in [("no", REJECT, FailedClean), ("yes", APPROVE, Succeeded)] {
        let ended = scene.play(name, &scene.document(), answer).await;
        assert_eq!(roles.refused(), Vec::<String>::new());
        assert_eq!(ended.summary.outcome, outcome, "{}", ended.cause());
    }
    used.append(&mut roles.used());

    // One that somebody stops half-way is found by the sweep.
    let (scene, roles) = under_roles(shift.options());
    let sim = &scene.sim;
    let execution = StepFunctions::start(sim, &scene.installation.deploy_arn, Some("stopped"), &scene.document());
    sim.clock.sleep(Duration::from_secs(90)).await;
    let stop = json!({ "executionArn": execution.expect("it starts") });
    sim.handle(Request::json(Service::StepFunctions, "StopExecution", stop)).await.expect("it answers");
    let swept = sim.functions().invoke("sweep", json!({})).await;
    assert_eq!(roles.refused(), Vec::<String>::new(), "{swept:?}");
    used.append(&mut roles.used());

    // What events start: a new image by a document that is stored elsewhere, and a parameter; a trigger that is wrong is told of.
    let (scene, roles) = under_roles(shift.options());
    let stored = scene.document_with(|document| {
        document["variables"] = json!({ "ami": null });
        document["artifact"]["ami"] = json!("${ami}");
    });
    scene.sim.objects().put("shop-deployments", "production.json", stored.to_string());
    let when = json!({ "newImage": { "name": "image-*" }, "parameter": "/shop/production/ami" });
    let trigger = json!({ "when": when, "document": "s3://shop-deployments/production.json" }).to_string();
    for (name, text) in [("shop", trigger.as_str()), ("broken", "{}")] {
        scene.sim.parameters().define(&format!("/crossfade/triggers/{name}"), "String", text);
    }
    let image = json!({ "ImageId": scene.shop.new_ami, "State": "available" });
    let value = json!({ "name": "/shop/production/ami", "operation": "Update" });
    for (kind, detail) in [("EC2 AMI State Change", image), ("Parameter Store Change", value)] {
        let event = json!({ "detail-type": kind, "account": "123456789012", "detail": detail });
        let started = scene.sim.functions().invoke("start", event).await;
        assert_eq!(roles.refused(), Vec::<String>::new(), "{started:?}");
    }
    used.append(&mut roles.used());

    let allowed = roles.allowed();
    for (function, action, _) in SELDOM {
        assert!(allowed.contains(&(function.into(), action.into())), "{function} may not call {action} at all");
    }
    let unused = allowed.difference(&used).filter(|(function, action)| {
        let seldom = SELDOM.iter().any(|(name, seldom, _)| name == function && seldom == action);
        !seldom && !ONLY_DEMANDED.contains(&action.as_str())
    });
    assert_eq!(unused.collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "nothing here needs this");
}

#[tokio::test(start_paused = true)]
async fn the_roles_keep_their_hands_off_what_is_not_ours() {
    let (scene, roles) = under_roles(ShopOptions { equipped: true, ..ShopOptions::default() });
    let allows = |function: &str, service: Service, operation: &str, form: &[(&str, &str)]| {
        let request = Request::query(service, operation, form.iter().copied());
        roles.strike(0, &Request { caller: Some(function.into()), ..request }).is_none()
    };
    let on_group = [
        ("hold", "SuspendProcesses"),
        ("hold", "SetInstanceProtection"),
        ("upscale", "UpdateAutoScalingGroup"),
        ("swap", "DetachLoadBalancerTargetGroups"),
        ("carry", "PutScalingPolicy"),
        ("downsize", "DeleteWarmPool"),
        ("remove", "DeleteAutoScalingGroup"),
        ("setup", "EnableMetricsCollection"),
    ];
    for (function, operation) in on_group {
        let on = |group: &str| allows(function, Service::AutoScaling, operation, &[("AutoScalingGroupName", group)]);
        assert_eq!((on("shop__6"), on("shop-base")), (true, false), "{function} {operation}");
    }
    let new = |group: &str, tag: &str| {
        let form = [("AutoScalingGroupName", group), ("Tags.member.1.Key", tag)];
        allows("setup", Service::AutoScaling, "CreateAutoScalingGroup", &form)
    };
    assert_eq!((new("shop__7", TAG), new("shop__7", "team"), new("shop", TAG)), (true, false, false));

    let alarm = |function: &str, operation: &str, body: Value| {
        let request = Request::json(Service::CloudWatch, operation, body);
        roles.strike(0, &Request { caller: Some(function.into()), ..request }).is_none()
    };
    let tags = json!([{ "Key": TAG, "Value": "shop/production/shop-base" }]);
    assert!(alarm("carry", "PutMetricAlarm", json!({ "AlarmName": "shop__7-busy", "Tags": tags })));
    assert!(!alarm("carry", "PutMetricAlarm", json!({ "AlarmName": "busy", "Tags": tags })), "of no fleet");
    assert!(
        !alarm("carry", "PutMetricAlarm", json!({ "AlarmName": "shop__7-busy" })),
        "neither tagged nor ours already"
    );
    assert!(!alarm("remove", "DeleteAlarms", json!({ "AlarmNames": ["shop__7-busy"] })), "not ours");
    scene.succeed("first").await;
    let inventory = scene.world().inventory();
    let alarms = inventory["alarms"].as_object().expect("alarms by name").keys();
    let ours: Vec<&String> = alarms.filter(|name| name.starts_with("shop__7-")).collect();
    assert!(!ours.is_empty(), "there is something to delete");
    assert!(alarm("remove", "DeleteAlarms", json!({ "AlarmNames": ours })));
    assert!(alarm("carry", "PutMetricAlarm", json!({ "AlarmName": ours[0] })), "to adapt it");
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_a_role_lacks_is_named() {
    for (function, action) in [
        ("shift-weight", "elasticloadbalancing:ModifyRule"),
        ("shift-weight", "autoscaling:DescribeAutoScalingGroups"),
        ("hold", "autoscaling:SuspendProcesses"),
        ("carry", "cloudwatch:TagResource"),
    ] {
        let scene = Scene::new(ShopOptions { equipped: true, ..ShopOptions::default() });
        let mut roles = Roles::read(&scene.sim);
        for statement in roles.statements.get_mut(function).expect("it has a role") {
            statement.actions.remove(action);
        }
        let roles = Arc::new(roles);
        scene.sim.set_faults(Some(roles.clone()));
        let ended = scene.play("lacking", &scene.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{function} {action}");
        assert!(ended.cause().contains(&format!("not authorized to perform {action}")), "{}", ended.cause());
        assert!(roles.refused().iter().all(|refusal| refusal.contains(action)), "{:?}", roles.refused());
        scene.is_as_before();
    }
}
