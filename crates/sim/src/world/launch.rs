//! What instances are started from: images, instance types, launch templates, launch configurations.
//!
//! What it owns: how a group's source of launches becomes an image and an instance type, and AWS's reasons when it
//! does not. Templates are kept as trees with the member names of the AWS CLI's JSON, whichever way they came in.

use std::collections::BTreeMap;

use super::{Flaws, Group, Refusal, Tree, World};

/// How what an image runs behaves, which is what tests and demonstrations vary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBehaviour {
    /// How long an instance takes from the start of its launch until it is in service: shortest, longest.
    pub launch_seconds: (u64, u64),
    /// How long its application then takes until it answers: shortest, longest.
    pub boot_seconds: (u64, u64),
    /// Whether the application answers properly at all. When not, it answers everything with an error.
    pub passes_health_checks: bool,
    /// After how long of answering it fails for good.
    pub fails_after_seconds: Option<u64>,
    /// Why no instance of this image can be launched, in AWS's words.
    pub launch_failure: Option<String>,
    /// How many instances of it a group can have at once, if AWS has no room for more.
    pub room: Option<usize>,
    /// What is wrong with the application that no health check sees.
    pub flaws: Flaws,
}

impl Default for ImageBehaviour {
    fn default() -> Self {
        Self {
            launch_seconds: (8, 14),
            boot_seconds: (25, 50),
            passes_health_checks: true,
            fails_after_seconds: None,
            launch_failure: None,
            room: None,
            flaws: Flaws::default(),
        }
    }
}

/// An AMI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// `available`, `pending`, `deregistered`, …
    pub state: String,
    /// The device that it boots from.
    pub root_device: String,
    /// The root device's snapshot.
    pub snapshot: String,
    /// The account that owns it, unless it is this one.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How what it runs behaves.
    pub behaviour: ImageBehaviour,
}

impl Image {
    /// An available x86_64 image of an application that works.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.replacen("ami-", "image-", 1),
            architecture: "x86_64".into(),
            state: "available".into(),
            root_device: "/dev/xvda".into(),
            snapshot: id.replacen("ami-", "snap-", 1),
            owner: None,
            tags: BTreeMap::new(),
            behaviour: ImageBehaviour::default(),
        }
    }

    /// The same image with another architecture.
    pub fn architecture(mut self, architecture: &str) -> Self {
        self.architecture = architecture.to_owned();
        self
    }

    /// The same image under another name.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// The same image, of another account.
    pub fn owner(mut self, account: &str) -> Self {
        self.owner = Some(account.to_owned());
        self
    }

    /// The same image with a tag.
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The same image in another state.
    pub fn state(mut self, state: &str) -> Self {
        self.state = state.to_owned();
        self
    }

    /// The same image running something else.
    pub fn behaviour(mut self, behaviour: ImageBehaviour) -> Self {
        self.behaviour = behaviour;
        self
    }
}

/// One version of a launch template. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchTemplateVersion {
    /// The launch template data.
    pub data: Tree,
    /// Its description.
    pub description: Option<String>,
    /// When it was created.
    pub created_at: u64,
}

/// A launch template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchTemplate {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: u64,
    /// The number of its default version.
    pub default_version: u64,
    /// The number that its next version gets. Numbers are never used again.
    pub next_version: u64,
    /// Its versions by number.
    pub versions: BTreeMap<u64, LaunchTemplateVersion>,
    /// Its tags, as a list of key and value.
    pub tags: Tree,
    /// What was asked for with each client token, and the version that it became (P39).
    pub(crate) tokens: BTreeMap<String, (Tree, u64)>,
}

impl LaunchTemplate {
    /// The number that a version's name stands for: a number, `$Latest`, `$Default` or nothing (the default).
    pub fn number(&self, version: Option<&str>) -> Option<u64> {
        match version.unwrap_or("$Default") {
            "$Default" | "" => Some(self.default_version),
            "$Latest" => self.versions.keys().next_back().copied(),
            number => number.parse().ok().filter(|number| self.versions.contains_key(number)),
        }
    }
}

/// A launch configuration. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchConfiguration {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was created.
    pub created_at: u64,
    /// Its settings, as the API spells them.
    pub settings: Tree,
}

/// What a group's next instance is started from.
#[derive(Clone, Debug)]
pub(crate) struct LaunchPlan {
    pub(crate) image: String,
    pub(crate) instance_type: String,
    pub(crate) template: Option<(String, String, u64)>,
    pub(crate) configuration: Option<String>,
    /// How many units of capacity it counts for, when the group says so.
    pub(crate) weight: Option<u32>,
}

const NO_SOURCE: &str = "The group has neither a launch template nor a launch configuration.";

impl World {
    /// A launch template by the id or name that a request gives.
    pub fn template(&self, id: Option<&str>, name: Option<&str>) -> Result<&LaunchTemplate, Refusal> {
        match (id, name) {
            (Some(id), None) => self.templates.get(id).ok_or_else(|| {
                let message = format!("The specified launch template, with template ID {id}, does not exist.");
                Refusal::new(400, "InvalidLaunchTemplateId.NotFound", &message)
            }),
            (None, Some(name)) => self.templates.values().find(|template| template.name == name).ok_or_else(|| {
                let message = format!("The specified launch template, with template name {name}, does not exist.");
                Refusal::new(400, "InvalidLaunchTemplateName.NotFoundException", &message)
            }),
            (None, None) => Err(Refusal::new(
                400,
                "MissingParameter",
                "Either a launch template ID or a launch template name must be specified in the request.",
            )),
            (Some(_), Some(_)) => Err(Refusal::new(
                400,
                "InvalidParameterCombination",
                "Launch template ID and launch template name cannot both be specified.",
            )),
        }
    }

    /// What an instance with these group settings is started from, or AWS's reason why none can be. With a mixed
    /// instances policy: the first of its possibilities.
    pub(crate) fn launch_plan(&self, settings: &Tree) -> Result<LaunchPlan, String> {
        self.launch_plans(settings)?.into_iter().next().ok_or_else(|| NO_SOURCE.to_owned())
    }

    /// Everything that an instance with these group settings can be started from: one plan, but for a mixed instances
    /// policy one for each of its overrides.
    pub(super) fn launch_plans(&self, settings: &Tree) -> Result<Vec<LaunchPlan>, String> {
        if let Some(name) = settings.str("LaunchConfigurationName") {
            let missing = || format!("Launch configuration name not found - Launch configuration {name} not found");
            let configuration = self.configurations.get(name).ok_or_else(missing)?;
            let plan = LaunchPlan {
                image: configuration.settings.str("ImageId").unwrap_or_default().to_owned(),
                instance_type: configuration.settings.str("InstanceType").unwrap_or_default().to_owned(),
                template: None,
                configuration: Some(name.to_owned()),
                weight: None,
            };
            return Ok(vec![self.verified(plan)?]);
        }
        let mixed = settings.get("MixedInstancesPolicy.LaunchTemplate");
        let specification = settings
            .get("LaunchTemplate")
            .or_else(|| mixed.and_then(|mixed| mixed.get("LaunchTemplateSpecification")))
            .ok_or(NO_SOURCE)?;
        let overrides = mixed.map_or(&[][..], |mixed| mixed.list("Overrides"));
        if overrides.is_empty() {
            return Ok(vec![self.template_plan(specification, &Tree::default())?]);
        }
        overrides
            .iter()
            .map(|it| self.template_plan(it.get("LaunchTemplateSpecification").unwrap_or(specification), it))
            .collect()
    }

    /// What is started from a launch template, with the instance type and the weight of an override.
    fn template_plan(&self, specification: &Tree, changes: &Tree) -> Result<LaunchPlan, String> {
        let name = specification.str("LaunchTemplateName").filter(|_| specification.str("LaunchTemplateId").is_none());
        let template = self.template(specification.str("LaunchTemplateId"), name).map_err(|refusal| refusal.message)?;
        let version = specification.str("Version");
        let number = template.number(version).ok_or_else(|| {
            format!(
                "Could not find launch template version {} for the launch template {}.",
                version.unwrap_or_default(),
                template.id
            )
        })?;
        let data = &template.versions[&number].data;
        let image = data.str("ImageId").ok_or("The request must contain the parameter ImageId")?;
        let plan = LaunchPlan {
            image: self.resolve_image(image)?,
            instance_type: changes.str("InstanceType").or(data.str("InstanceType")).unwrap_or("m1.small").to_owned(),
            template: Some((template.id.clone(), template.name.clone(), number)),
            configuration: None,
            weight: changes.num("WeightedCapacity").and_then(|weight| u32::try_from(weight).ok()),
        };
        self.verified(plan)
    }

    /// What a group's next instance is started from. Which of its possibilities AWS takes depends on prices and on
    /// what is free, which nobody can foretell; the model takes that of which the group has the fewest instances, of
    /// those that do not weigh more than what is missing, and the lightest when all of them do.
    pub(super) fn next_plan(&self, group: &Group) -> Result<LaunchPlan, String> {
        let of_type = |kind: &str| self.living(group).filter(|it| it.instance_type == kind).count();
        let missing = (group.desired + group.rebalancing).saturating_sub(self.capacity(group));
        let excess = |plan: &LaunchPlan| plan.weight.unwrap_or(1).saturating_sub(missing);
        let plans = self.launch_plans(&group.settings)?;
        plans
            .into_iter()
            .min_by_key(|plan| (excess(plan), of_type(&plan.instance_type)))
            .ok_or_else(|| NO_SOURCE.to_owned())
    }

    /// How many units of capacity a group's next instance counts for.
    pub(super) fn next_weight(&self, name: &str) -> u32 {
        let plan = self.groups.get(name).and_then(|group| self.next_plan(group).ok());
        plan.and_then(|plan| plan.weight).unwrap_or(1).max(1)
    }

    /// The id of the image that a template names: itself, or what a parameter holds (`resolve:ssm:/name`).
    pub(crate) fn resolve_image(&self, image: &str) -> Result<String, String> {
        let Some(parameter) = image.strip_prefix("resolve:ssm:") else { return Ok(image.to_owned()) };
        self.image_aliases
            .get(parameter)
            .cloned()
            .ok_or_else(|| format!("Failed to resolve the SSM parameter {parameter}: the parameter was not found."))
    }

    fn verified(&self, plan: LaunchPlan) -> Result<LaunchPlan, String> {
        let image = self
            .images
            .get(&plan.image)
            .filter(|image| image.state != "deregistered")
            .ok_or_else(|| format!("The image id '[{}]' does not exist", plan.image))?;
        if image.state != "available" {
            return Err(format!("AMI '{}' is {}, and cannot be run", image.id, image.state));
        }
        let architectures = self
            .instance_types
            .get(&plan.instance_type)
            .ok_or_else(|| format!("Invalid value '{}' for InstanceType.", plan.instance_type))?;
        if !architectures.contains(&image.architecture) {
            return Err(format!(
                "The architecture '{}' of the specified instance type does not match the architecture '{}' of the \
                 specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
                architectures.join(","),
                image.architecture
            ));
        }
        Ok(plan)
    }

    /// Whether any group would start instances from a launch configuration.
    pub(crate) fn configuration_in_use(&self, name: &str) -> bool {
        let uses = |group: &Group| group.settings.str("LaunchConfigurationName") == Some(name);
        self.groups.values().any(uses)
    }
}
