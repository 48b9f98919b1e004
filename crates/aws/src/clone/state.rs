//! What was read, as it is written down.

use std::collections::BTreeMap;

use crossfade_core::{Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SCHEMA;

/// What concerns one document in an account: names and settings, never secrets.
///
/// Every [`Value`] is an element of what the AWS CLI's `describe-…` prints, without timestamps. Numbers and flags of Auto Scaling, EC2,
/// Elastic Load Balancing and CloudWatch are texts, as the wire has them. User data is replaced by a comment: see
/// [`State::left_out`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// The form of what follows.
    pub schema: u32,
    /// When it was read, in milliseconds since 1970.
    pub taken_millis: u64,
    /// Where it was read.
    pub home: Home,
    /// The infrastructure definition, as it stands in tags.
    pub infrastructure: String,
    /// The rules and listeners, by ARN, at which the users' requests arrive. Without any the members fetch their work.
    pub entrances: Vec<String>,
    /// How long the last revisions took until all their members were healthy, in seconds, the newest first, as far as it is recorded.
    pub steady_seconds: Vec<u32>,
    /// The Auto Scaling groups.
    pub groups: Vec<Group>,
    /// The services of ECS.
    pub services: Vec<Service>,
    /// Their tasks, without those that are being stopped.
    pub tasks: Vec<Value>,
    /// The task definitions that concern them, without the values of environment variables: see [`State::left_out`].
    pub task_definitions: Vec<TaskDefinition>,
    /// The cluster in which they are.
    pub clusters: Vec<Value>,
    /// The EC2 instances of the cluster, where tasks run on some.
    pub container_instances: Vec<Value>,
    /// Image and subnet of the instances of the groups.
    pub instances: Vec<Value>,
    /// What they are started from.
    pub launch_templates: Vec<LaunchTemplate>,
    /// The same, of former days.
    pub launch_configurations: Vec<Value>,
    /// The images that concern them, and the one that is to be deployed.
    pub images: Vec<Value>,
    /// The images that parameters stand for in launch templates (`resolve:ssm:NAME`), by the parameter's name.
    pub image_parameters: BTreeMap<String, String>,
    /// The instance types that concern them.
    pub instance_types: Vec<Value>,
    /// The load balancers that forward to the document's target groups.
    pub load_balancers: Vec<Value>,
    /// All their listeners.
    pub listeners: Vec<Value>,
    /// All rules of these, the default ones included.
    pub rules: Vec<Value>,
    /// The document's target groups, and whatever else these load balancers forward to.
    pub target_groups: Vec<TargetGroup>,
    /// The tags of load balancers, listeners, rules and target groups, by ARN; not of those that have none.
    pub balancing_tags: BTreeMap<String, BTreeMap<String, String>>,
    /// The alarms that policies or the document name.
    pub alarms: Vec<Alarm>,
    /// The ARNs of the Lambda functions that hooks of the document call.
    pub functions: Vec<String>,
    /// The addresses that hooks of the document call.
    pub endpoints: Vec<String>,
    /// The topics that the document names, by ARN.
    pub topics: Vec<String>,
    /// The records of the state table that a deployment reads before it begins, as DynamoDB's JSON.
    pub records: Vec<Value>,
    /// Everything that was seen, or could not be seen, and that the simulation does not play: each in a few words that follow "Not
    /// modelled:".
    pub not_modelled: Vec<String>,
    /// What was left out because it may hold secrets, in words.
    pub left_out: Vec<String>,
    /// How many calls it took.
    pub reads: usize,
}

/// An account in a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Home {
    /// `aws`, or that of another part of the world, such as `aws-cn`.
    pub partition: String,
    /// The region.
    pub region: String,
    /// The account's number.
    pub account: String,
}

/// An Auto Scaling group with what hangs on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// The group, with its instances.
    pub group: Value,
    /// Whether what follows was looked at: not of those that only share a load balancer with the document.
    pub whole: bool,
    /// Of the target groups that it is attached to, those that were attached as target groups, rather than as traffic sources (P35).
    pub as_target_groups: Vec<String>,
    /// Its scaling policies.
    pub policies: Vec<Value>,
    /// Its scheduled actions.
    pub scheduled_actions: Vec<Value>,
    /// Its life-cycle hooks.
    pub hooks: Vec<Value>,
    /// Whom it notifies of what.
    pub notifications: Vec<Value>,
    /// The instances of its warm pool.
    pub warm: Vec<Value>,
}

/// A service of ECS with what scales it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// The service.
    pub service: Value,
    /// Whether what follows was looked at: not of those that only share a load balancer with the document.
    pub whole: bool,
    /// Its scalable target, if it has one.
    pub target: Option<Value>,
    /// The tags of that.
    pub tags: BTreeMap<String, String>,
    /// Its scaling policies.
    pub policies: Vec<Value>,
    /// Its scheduled actions.
    pub scheduled_actions: Vec<Value>,
}

/// A task definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskDefinition {
    /// Itself.
    pub definition: Value,
    /// Its tags.
    pub tags: Vec<Value>,
}

/// A launch template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LaunchTemplate {
    /// Itself.
    pub template: Value,
    /// Its versions, the oldest first.
    pub versions: Vec<Value>,
}

/// A target group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetGroup {
    /// Itself.
    pub group: Value,
    /// Its attributes, as key and value.
    pub attributes: Vec<Value>,
    /// Its targets with their health.
    pub targets: Vec<Value>,
}

/// An alarm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alarm {
    /// Itself.
    pub alarm: Value,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl State {
    /// As it is saved.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// What was saved.
    ///
    /// # Errors
    /// `InvalidDocument` when it is none, or one of another release.
    pub fn from_json(text: &str) -> Result<Self> {
        let wrong = |why: String| Kind::InvalidDocument.because(format!("This is no state of an account: {why}."));
        let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        match value["schema"].as_u64() {
            Some(schema) if schema == u64::from(SCHEMA) => {
                serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
            }
            Some(other) => Err(Kind::InvalidDocument.because(format!(
                "This state of an account has the form {other}, and this release reads the form {SCHEMA}. Take it again."
            ))),
            None => Err(wrong("it has no `schema`".into())),
        }
    }

    /// How many resources it has.
    pub fn resources(&self) -> usize {
        let scaling = |group: &Group| group.policies.len() + group.scheduled_actions.len() + group.hooks.len() + 1;
        let of_service = |it: &Service| it.policies.len() + it.scheduled_actions.len() + 1;
        self.groups.iter().map(scaling).sum::<usize>()
            + self.services.iter().map(of_service).sum::<usize>()
            + self.task_definitions.len()
            + self.launch_templates.len()
            + self.launch_configurations.len()
            + self.images.len()
            + self.load_balancers.len()
            + self.listeners.len()
            + self.rules.len()
            + self.target_groups.len()
            + self.alarms.len()
    }

    /// Where it was read, by the ARNs in it.
    pub(super) fn found_home(&self, region: &str) -> Home {
        let groups = self.groups.iter().map(|group| &group.group["AutoScalingGroupARN"]);
        let pools = self.target_groups.iter().map(|group| &group.group["TargetGroupArn"]);
        let services = self.services.iter().map(|service| &service.service["serviceArn"]);
        let arn = pools.chain(groups).chain(services).find_map(Value::as_str).unwrap_or_default();
        let part = |n: usize| arn.split(':').nth(n).filter(|part| !part.is_empty());
        Home {
            partition: part(1).unwrap_or("aws").to_owned(),
            region: part(3).unwrap_or(region).to_owned(),
            account: part(4).unwrap_or_default().to_owned(),
        }
    }
}
