//! The roles of `template.yaml`, under which every function is called in every scene: what a role does not allow is refused as AWS
//! would refuse it, and what is called is written down, so that what nothing ever calls can be named.
//!
//! `cargo xtask lint` compares the roles with a table that somebody has written; this compares them with what is called.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::{env, fs, process};

use crossfade_sim::{Fault, Faults, Request, Service, Sim};
use crossfade_steps::FUNCTIONS;
use serde_json::Value;

/// The tag that says whose something is.
pub const TAG: &str = "crossfade:infrastructure";
/// The directory in which each process writes down what its functions call. `cargo xtask test` sets it, and looks at all of it after
/// the last test.
const CALLED: &str = "CROSSFADE_CALLED";

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

/// What a look at a service may take: which of these depends on what the service is at, so that whoever looks may need all of them.
const LOOKS_AT_SERVICES: [&str; 8] = [
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingActivities",
    "ecs:DescribeContainerInstances",
    "ecs:DescribeServices",
    "ecs:DescribeTasks",
    "ecs:GetTaskProtection",
    "ecs:ListServices",
    "ecs:ListTasks",
];

/// A function, and an action of IAM's.
pub type Permission = (String, String);

/// A statement of a role: what it allows, and on what.
#[derive(Clone)]
struct Statement {
    actions: BTreeSet<String>,
    /// Only on what is named like something of a fleet's.
    named: bool,
    /// Only on what bears this tag already.
    tagged: Option<String>,
    /// Only with our tag in the request.
    tagging: bool,
    /// Only with no other tag in the request than this one.
    alone: Option<String>,
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
            tagged: text.split_once(":ResourceTag/").and_then(|(_, key)| Some(key.split_once(": ")?.0.to_owned())),
            tagging: text.contains(&format!("aws:RequestTag/{TAG}:")),
            alone: text
                .split_once("aws:TagKeys:")
                .and_then(|(_, keys)| keys.split_whitespace().nth(1).map(str::to_owned)),
        }
    }

    fn allows(&self, action: &str, request: &Request, sim: &Sim) -> bool {
        let all = |holds: &dyn Fn(&str) -> bool| subjects(request).iter().all(|subject| holds(subject));
        self.actions.contains(action)
            && (!self.named || all(&|subject| subject.contains("__")))
            && (!self.tagging || brings_tag(request))
            && self.alone.as_ref().is_none_or(|key| brings_no_other(request, key))
            && self.tagged.as_ref().is_none_or(|key| all(&|subject| is_tagged(sim, subject, key)))
    }
}

/// What each function's role allows.
type Statements = BTreeMap<&'static str, Vec<Statement>>;

/// The roles of the template.
fn template() -> &'static Statements {
    static READ: OnceLock<Statements> = OnceLock::new();
    READ.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own");
        let template = fs::read_to_string(root.join("template.yaml")).expect("there is a template");
        let role = |function: &&'static str| {
            let name: String = function.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect();
            let (_, role) = template.split_once(&format!("\n  {name}Role:\n")).expect("every function has a role");
            let (role, _) = role.split_once("\n\n").expect("something follows");
            (*function, role.split("- Sid: ").skip(1).map(Statement::read).collect())
        };
        FUNCTIONS.iter().map(role).collect()
    })
}

/// The roles of one account.
pub struct Roles {
    sim: Weak<Sim>,
    statements: Statements,
    refused: Mutex<Vec<String>>,
}

impl Roles {
    /// From now on, functions call this account under the roles of the template.
    pub fn guard(sim: &Arc<Sim>) -> Arc<Self> {
        Self::guard_without(sim, &[])
    }

    /// The same, with roles that lack these actions.
    pub fn guard_without(sim: &Arc<Sim>, lacking: &[(&str, &str)]) -> Arc<Self> {
        let mut statements = template().clone();
        for (function, of_function) in &mut statements {
            for (_, action) in lacking.iter().filter(|(lacks, _)| lacks == function) {
                of_function.iter_mut().for_each(|statement| _ = statement.actions.remove(*action));
            }
        }
        let roles = Arc::new(Self { sim: Arc::downgrade(sim), statements, refused: Mutex::default() });
        sim.set_guard(Some(roles.clone()));
        roles
    }

    /// What was refused so far of what there is.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Faults for Roles {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let (function, statements) = self.statements.get_key_value(request.caller.as_deref()?)?;
        let sim = self.sim.upgrade()?;
        for action in actions(request) {
            if !statements.iter().any(|statement| statement.allows(&action, request, &sim)) {
                let message =
                    format!("{function} is not authorized to perform {action}: {:?} {}", request.form, request.json);
                // Asked again for what it has deleted, a role may lack nothing: what is gone has no tags.
                let lacking =
                    |it: &Statement| it.tagged.is_none() || subjects(request).iter().all(|it| exists(&sim, it));
                if statements.iter().filter(|it| it.actions.contains(&action)).all(lacking) {
                    self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
                }
                return Some(Fault::Refuse { status: 403, code: "AccessDenied".into(), message });
            }
            write_down(function, action);
        }
        None
    }
}

/// The groups, services, launch configurations, launch templates, rules, listeners, target groups and alarms that a request names.
fn subjects(request: &Request) -> Vec<String> {
    let in_form = ["AutoScalingGroupName", "LaunchConfigurationName", "LaunchTemplateId", "RuleArn", "ListenerArn"];
    let in_form = |key: &str| in_form.contains(&key) || key.starts_with("ResourceArns.");
    let mut subjects: Vec<String> =
        request.form.iter().filter(|(key, _)| in_form(key)).map(|(_, value)| value.clone()).collect();
    for key in ["AlarmName", "AlarmNames", "ResourceARN", "resourceArn", "service", "serviceName"] {
        let named = &request.json[key];
        let names = named.as_array().cloned().unwrap_or_else(|| vec![named.clone()]);
        subjects.extend(names.iter().filter_map(Value::as_str).map(|it| last(it).to_owned()));
    }
    subjects
}

/// `alarm:NAME` or `service/CLUSTER/NAME` of an ARN without what is before, or the name that it is.
fn last(name: &str) -> &str {
    let alarm = name.split_once(":alarm:").map(|(_, name)| name);
    let service = || name.split_once(":service/").and_then(|(_, name)| name.split('/').next_back());
    alarm.or_else(service).unwrap_or(name)
}

/// Whether a request gives our tag to something.
fn brings_tag(request: &Request) -> bool {
    has(&request.json["Tags"], TAG)
        || has(&request.json["tags"], TAG)
        || request.form.values().any(|value| value == TAG)
}

/// Whether a request to Elastic Load Balancing or ECS names the keys of no other tags than this one.
fn brings_no_other(request: &Request, alone: &str) -> bool {
    let names_key = |key: &str| key.starts_with("TagKeys.") || (key.starts_with("Tags.") && key.ends_with(".Key"));
    let list = |name: &str| request.json[name].as_array().cloned().unwrap_or_default();
    request.form.iter().filter(|(key, _)| names_key(key)).all(|(_, value)| value == alone)
        && list("tags").iter().all(|tag| tag["key"] == alone)
        && list("tagKeys").iter().all(|key| key == alone)
}

/// Whether there is a group, an alarm, a launch template or something of a load balancer of this name or id.
fn exists(sim: &Sim, subject: &str) -> bool {
    let world = sim.world();
    world.group(subject).is_some()
        || world.fleet_view(subject).is_some()
        || world.balancing_tags(subject).is_some()
        || world.alarm(subject).is_some()
        || world.template(Some(subject), None).is_ok()
}

/// Whether a list of tags has this key.
fn has(tags: &Value, key: &str) -> bool {
    let is = |tag: &Value| tag["Key"] == key || tag["key"] == key;
    tags.as_array().is_some_and(|tags| tags.iter().any(is))
}

fn is_tagged(sim: &Sim, subject: &str, key: &str) -> bool {
    let world = sim.world();
    let group = world.group(subject).is_some_and(|group| group.tags.contains_key(key));
    group
        || world.service_tags(subject).is_some_and(|tags| tags.contains_key(key))
        || world.balancing_tags(subject).is_some_and(|tags| tags.contains_key(key))
        || world.alarm(subject).is_some_and(|alarm| alarm.tags.contains_key(key))
        || world.template(Some(subject), None).is_ok_and(|template| has(&template.tags.to_json(), key))
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
        Service::Sts => "sts",
        Service::Ecs => "ecs",
        Service::ApplicationAutoScaling => "application-autoscaling",
    };
    match request.operation.as_str() {
        "TransactWriteItems" => {
            let items = request.json["TransactItems"].as_array().into_iter().flatten();
            let kinds: BTreeSet<&String> = items.filter_map(Value::as_object).flat_map(|item| item.keys()).collect();
            kinds.iter().map(|kind| format!("dynamodb:{kind}Item")).collect()
        }
        // With tags, it takes both.
        operation @ ("CreateService" | "RegisterTaskDefinition") if request.json["tags"].is_array() => {
            vec![format!("ecs:{operation}"), "ecs:TagResource".into()]
        }
        "PutMetricAlarm" if request.json["Tags"].is_array() => {
            vec!["cloudwatch:PutMetricAlarm".into(), "cloudwatch:TagResource".into()]
        }
        operation => vec![format!("{service}:{operation}")],
    }
}

/// Writes down what a function was allowed to call, once for each process, if somebody wants to know.
fn write_down(function: &str, action: String) {
    static SEEN: Mutex<BTreeSet<Permission>> = Mutex::new(BTreeSet::new());
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| Some(PathBuf::from(env::var_os(CALLED)?).join(process::id().to_string())));
    let Some(file) = file else { return };
    let line = format!("{function} {action}\n");
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.insert((function.to_owned(), action)) {
        let file = OpenOptions::new().create(true).append(true).open(file);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("what is called can be written down");
    }
}

/// What the roles allow though none of the processes that wrote into this directory has called it, and AWS does not demand it
/// beside a call.
///
/// # Errors
/// When the directory cannot be read.
pub fn unused(directory: &Path) -> std::io::Result<BTreeSet<Permission>> {
    let mut unused: BTreeSet<Permission> = BTreeSet::new();
    for (function, statements) in template() {
        let actions = statements.iter().flat_map(|statement| &statement.actions);
        let called = actions.filter(|action| !ONLY_DEMANDED.contains(&action.as_str()));
        unused.extend(called.map(|action| ((*function).to_owned(), action.clone())));
    }
    for file in fs::read_dir(directory)? {
        for line in fs::read_to_string(file?.path())?.lines() {
            if let Some((function, action)) = line.split_once(' ') {
                unused.remove(&(function.to_owned(), action.to_owned()));
                if LOOKS_AT_SERVICES.contains(&action) {
                    unused.retain(|(of, look)| of != function || !LOOKS_AT_SERVICES.contains(&look.as_str()));
                }
            }
        }
    }
    Ok(unused)
}
