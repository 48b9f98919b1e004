//! The roles of `template.yaml`, under which every function is called in every scene: what a role does not allow is refused as AWS
//! would refuse it, and what is called is written down, so that what nothing ever calls can be named.
//!
//! Actions, resources and conditions count, as IAM would count them. `cargo xtask lint` compares the roles with what AWS says of its
//! actions; this compares them with what is called.

mod policy;
mod request;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::{env, fs, process};

use crossfade_sim::{Fault, Faults, Request, Service, Sim};

use policy::{Cover, Statements, people, template};
use request::{asked, tags_of};

/// The tag that says whose something is.
pub const TAG: &str = "crossfade:infrastructure";
/// The access key of whoever has the policy for looking, and AWS's `ReadOnlyAccess` for what is deployed to.
pub const LOOKER: &str = "who-looks";
/// The access key of whoever has the policy for deploying, too.
pub const DEPLOYER: &str = "who-deploys";
/// The access key of whoever has the policy for approving beside that for looking.
pub const APPROVER: &str = "who-approves";
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

/// The roles of one account.
pub struct Roles {
    sim: Weak<Sim>,
    statements: Statements,
    refused: Mutex<Vec<String>>,
}

impl Roles {
    /// From now on, functions call this account under the roles of the template, and people under its policies for them.
    pub fn guard(sim: &Arc<Sim>) -> Arc<Self> {
        Self::guard_without(sim, &[])
    }

    /// The same, with roles that lack these actions.
    pub fn guard_without(sim: &Arc<Sim>, lacking: &[(&str, &str)]) -> Arc<Self> {
        let mut statements = template().clone();
        statements.extend(people().clone());
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
        let world = sim.world();
        for asked in asked(request, &world) {
            if shown_by_read_only_access(function, request) {
                continue;
            }
            for resource in &asked.resources {
                let tags = tags_of(&world, resource);
                let known = tags.clone().unwrap_or_default();
                let covers: Vec<Cover> = statements.iter().map(|it| it.covers(&asked, resource, &known)).collect();
                if covers.contains(&Cover::Whole) {
                    continue;
                }
                let message = format!(
                    "{function} is not authorized to perform {} on {resource}: {:?} {}",
                    asked.action, request.form, request.json
                );
                // Asked again for what it has deleted, a role may lack nothing: what is gone has no tags.
                let gone = tags.is_none() && covers.contains(&Cover::ButForTags);
                if !gone {
                    self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
                }
                return Some(Fault::Refuse { status: 403, code: "AccessDenied".into(), message });
            }
            write_down(function, asked.action);
        }
        None
    }
}

/// Whether AWS's `ReadOnlyAccess` allows a person what they ask for. Of the stack itself they have to have the stack's policies for it.
fn shown_by_read_only_access(who: &str, request: &Request) -> bool {
    let reads = ["Describe", "Get", "List"].iter().any(|verb| request.operation.starts_with(verb));
    let of_the_stack = [Service::DynamoDb, Service::StepFunctions].contains(&request.service);
    [LOOKER, DEPLOYER, APPROVER].contains(&who) && reads && !of_the_stack
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
