//! Services of Amazon ECS: what the document says of them, what new ones are made from, and what of one only its kind knows.

pub mod written;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ability, Part, hundred, three, yes};
use crate::document::{Capacity, Problem, read_text};
use crate::observed::{Fleet, TargetType};

/// A series of ECS services made from one base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EcsService {
    /// The cluster in which the services are.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9_-]{1,255}$"),
        extend("x-expected" = "the name of a cluster: up to 255 letters, digits, underscores and hyphens"),
        example = &"shop"
    )]
    pub cluster: String,
    /// The service that serves as the template. It is read, never changed. Either this or `definition`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9_-]{1,255})?$"),
        extend("x-expected" = "the name of a service: up to 255 letters, digits, underscores and hyphens"),
        example = &"shop-base"
    )]
    pub base: String,
    /// The template, written out. Either this or `base`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Definition>,
    /// The container whose image is replaced. Default: the one that the load balancer reaches, or the only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9_-]{1,255})?$"),
        extend("x-expected" = "the name of a container: up to 255 letters, digits, underscores and hyphens"),
        example = &"web"
    )]
    pub container: String,
    /// The port of that container that the load balancer reaches. Default: the one that the base registers, or the only one that
    /// the container maps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// The role by which ECS registers tasks in the target group, by name or ARN. Default: the base's, or the service-linked one of ECS.
    /// Only for tasks without addresses of their own, in one target group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9_+=,.@-]{1,64}|arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576})?$"),
        extend("x-expected" = "the name or the ARN of a role"),
        example = &"ecsServiceRole"
    )]
    pub role: String,
    /// The name of the series: revision 7 of `shop` is the service `shop__7`.
    /// Default: the service and the environment, `shop__production`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9_-]{1,200})?$"),
        extend("x-expected" = "up to 200 letters, digits, underscores and hyphens"),
        example = &"shop"
    )]
    pub name: String,
    /// How many tasks the new service ends with. Its least and greatest size count where it scales by itself.
    #[serde(default)]
    pub capacity: Capacity,
    /// Where Application Auto Scaling of the new service comes from.
    #[serde(default)]
    pub scaling: Scaling,
    /// How many old services at 0 tasks are kept for a later rollback; older ones are deleted after a success.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 50))]
    pub keep_revisions: u32,
    /// Whether another base starts a series of its own, with its own revision numbers, and leaves the services of this one
    /// alone. Switched off, the services of every base of this service and environment are one series.
    #[serde(default = "yes")]
    pub reset_revisions_for_new_base: bool,
    /// How far the healthy capacity may fall while the old service shrinks before the new one has grown, in percent of
    /// what was there.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 100))]
    pub minimum_healthy_percent: u32,
}

/// A service and its task definition, written out as the API of ECS spells them, each in JSON or YAML. `${CONTAINER_NAME}` in them is
/// the container whose image is replaced, `${DOCKER_IMAGE_NAME}` the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    /// What `CreateService` is given, but for names, counts and what it runs; its load balancers say which container and port stand
    /// in which target group.
    #[schemars(length(max = 65_536))]
    pub service: String,
    /// What `RegisterTaskDefinition` is given, but for the family.
    #[schemars(length(max = 65_536))]
    pub task_definition: String,
}

impl Definition {
    /// Reads both parts, the service and its task definition, with the container and the image in the places that are kept for them.
    ///
    /// # Errors
    /// Every problem of both.
    pub fn read(&self, container: &str, image: &str) -> Result<(Value, Value), Vec<Problem>> {
        let part = |name: &str, text: &str| {
            let filled = text.replace("${CONTAINER_NAME}", container).replace("${DOCKER_IMAGE_NAME}", image);
            let problem = |problem: String, fix: String| {
                let path = format!("compute.ecsService.definition.{name}");
                Problem { path, value: None, problem, fix }
            };
            let inside = |it: Problem| {
                let place = if it.path.is_empty() { String::new() } else { format!("{}: ", it.path) };
                problem(format!("{place}{}", it.problem), it.fix)
            };
            let value = read_text(&filled).map_err(|problems| problems.into_iter().map(inside).collect::<Vec<_>>())?;
            if value.is_object() {
                return Ok(value);
            }
            let fix = "Write what the API of ECS is given, in JSON or YAML.";
            Err(vec![problem("it is no object".into(), fix.into())])
        };
        match (part("service", &self.service), part("taskDefinition", &self.task_definition)) {
            (Ok(service), Ok(definition)) => Ok((service, definition)),
            (service, definition) => {
                Err([service.err().unwrap_or_default(), definition.err().unwrap_or_default()].concat())
            }
        }
    }
}

/// Where Application Auto Scaling of a new service comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Scaling {
    /// The service that serves has it; where it has none, or none serves, the base.
    #[default]
    SameAsRunning,
    /// The base has it.
    SameAsBase,
    /// The document has it.
    Written(written::Written),
    /// The new service has none.
    None,
}

/// What the tasks of a service are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskDefinition {
    /// Its ARN with its revision.
    pub arn: String,
    /// The container whose image is replaced.
    pub container: String,
    /// Whether each task has an address of its own; otherwise it has that of its host.
    pub own_address: bool,
    /// Which container and port stand in which pool, for whoever stands in a pool.
    pub places: Vec<Place>,
    /// The role by which ECS registers its tasks; none where that is ECS's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The template, where it is no service: it has no ARN then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Definition>,
}

/// A container and its port in pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Any of these pools, by ARN.
    pub pools: Vec<String>,
    /// The container; none where a pool has the tasks' addresses alone.
    pub container: String,
    /// Its port.
    pub port: u16,
}

impl TaskDefinition {
    /// As what its tasks are registered.
    pub fn targets(&self) -> TargetType {
        if self.own_address { TargetType::Ip } else { TargetType::Instance }
    }

    /// The place of a pool, if it is known.
    pub fn place(&self, pool: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.pools.iter().any(|it| it == pool))
    }
}

/// What of a service only its kind knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Own {
    /// Its scalable target, if it has one.
    pub scaling: Option<ScalableTarget>,
    /// What of it crossfade cannot handle, each in a sentence with what to do.
    pub problems: Vec<String>,
    /// What its tag `BG_VERSION` tells, to be told again after a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The scalable target of a service, apart from its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScalableTarget {
    /// Whether its policies may not scale it in.
    pub in_suspended: bool,
    /// Whether its policies may not scale it out.
    pub out_suspended: bool,
    /// Whether its scheduled actions rest.
    pub schedules_suspended: bool,
}

impl Own {
    pub(super) fn lacks(&self, ability: Ability) -> bool {
        match ability {
            Ability::Schedules => self.scaling.as_ref().is_none_or(|target| target.schedules_suspended),
            Ability::Launching | Ability::Ending | Ability::Registering => false,
        }
    }

    pub(super) fn differences(&self, now: &Self, fleet: &str) -> Vec<String> {
        let words = |own: &Self| match &own.scaling {
            None => "no scalable target".to_owned(),
            Some(target) => {
                let parts = [
                    (target.in_suspended, "scaling in"),
                    (target.out_suspended, "scaling out"),
                    (target.schedules_suspended, "scheduled scaling"),
                ];
                let names: Vec<&str> = parts.iter().filter(|(suspended, _)| *suspended).map(|(_, it)| *it).collect();
                if names.is_empty() { "nothing suspended".into() } else { format!("{} suspended", names.join(", ")) }
            }
        };
        if self.scaling == now.scaling {
            return Vec::new();
        }
        vec![format!("{fleet} has {}, it had {}", words(now), words(self))]
    }
}

/// A registration moves a service into its limits, however little it was to change (P91).
pub(super) fn obstacles(part: Part, own: &Own, fleet: &Fleet) -> Vec<String> {
    let mut obstacles = own.problems.clone();
    if part != Part::Base && own.scaling.is_some() && fleet.size.desired < fleet.size.min {
        obstacles.push(format!(
            "{} is to have {} tasks, fewer than the {} of its scalable target: whatever touches that target starts the others. Set \
             its least capacity to {} or less.",
            fleet.name, fleet.size.desired, fleet.size.min, fleet.size.desired
        ));
    }
    obstacles
}

pub(super) fn remarks(part: Part, own: &Own, fleet: &Fleet) -> Vec<String> {
    let suspended = own.scaling.as_ref().is_some_and(|target| target.out_suspended);
    if suspended && matches!(part, Part::Base | Part::Kept) {
        return vec![format!("{} has scaling out suspended: the new fleet will not scale by its policies", fleet.name)];
    }
    Vec::new()
}
