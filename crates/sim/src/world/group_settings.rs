//! The settings of groups: which there are, which are valid, and what AWS makes of what is left out.

use super::{Refusal, Tree, World};

/// The settings that a group is created and updated with, apart from name, sizes, tags and attachments. Each is kept
/// as it was given.
pub(crate) const SETTINGS: &[&str] = &[
    "LaunchConfigurationName",
    "LaunchTemplate",
    "MixedInstancesPolicy",
    "DefaultCooldown",
    "AvailabilityZones",
    "LoadBalancerNames",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "PlacementGroup",
    "VPCZoneIdentifier",
    "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn",
    "CapacityRebalance",
    "DeletionProtection",
    "ServiceLinkedRoleARN",
    "MaxInstanceLifetime",
    "Context",
    "DesiredCapacityType",
    "DefaultInstanceWarmup",
    "InstanceMaintenancePolicy",
    "AvailabilityZoneDistribution",
    "AvailabilityZoneImpairmentPolicy",
    "CapacityReservationSpecification",
    "InstanceLifecyclePolicy",
];

/// Where a group's instances come from: of these settings it has exactly one.
pub(super) const SOURCES: [&str; 3] = ["LaunchConfigurationName", "LaunchTemplate", "MixedInstancesPolicy"];

impl World {
    /// Checks what AWS checks about settings as a whole; with `launches`, whether an instance can be started with them.
    pub(super) fn check_settings(&self, settings: &Tree, launches: bool) -> Result<(), Refusal> {
        if SOURCES.iter().filter(|source| settings.get(source).is_some()).count() != 1 {
            return Err(Refusal::validation(
                "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or \
                 MixedInstancesPolicy parameter.",
            ));
        }
        if launches && let Err(reason) = self.launch_plan(settings) {
            let template = settings.str("LaunchConfigurationName").is_none();
            let prefix = if template { "You must use a valid fully-formed launch template. " } else { "" };
            return Err(Refusal::validation(&format!("{prefix}{reason}")));
        }
        check_overrides(settings)?;
        if settings.str("VPCZoneIdentifier").is_none_or(str::is_empty)
            && settings.strings("AvailabilityZones").is_empty()
        {
            return Err(Refusal::validation("At least one Availability Zone or VPC Subnet is required."));
        }
        let kinds = settings.str("HealthCheckType").unwrap_or("EC2");
        if let Some(kind) = kinds.split(',').find(|kind| !["EC2", "EBS", "ELB", "VPC_LATTICE"].contains(&kind.trim())) {
            return Err(Refusal::validation(&format!("'{kind}' is not a valid health check type.")));
        }
        let lifetime = settings.num("MaxInstanceLifetime").unwrap_or(0);
        if lifetime != 0 && lifetime < 86_400 {
            return Err(Refusal::validation("MaxInstanceLifetime must be at least 86400 seconds, or 0."));
        }
        Ok(())
    }

    /// Settings with what AWS fills in: defaults, and id, name and version of the launch template.
    pub(super) fn completed(&self, settings: Tree) -> Tree {
        let mut settings = with_defaults(settings);
        if let Some(template) = settings.take("LaunchTemplate") {
            settings.set("LaunchTemplate", self.full_reference(template));
        }
        if let Some(mut policy) = settings.take("MixedInstancesPolicy") {
            let mut template = policy.take("LaunchTemplate").unwrap_or_default();
            if let Some(specification) = template.take("LaunchTemplateSpecification") {
                template.set("LaunchTemplateSpecification", self.full_reference(specification));
            }
            if let Some(Tree::List(mut overrides)) = template.take("Overrides") {
                for changes in &mut overrides {
                    if let Some(specification) = changes.take("LaunchTemplateSpecification") {
                        changes.set("LaunchTemplateSpecification", self.full_reference(specification));
                    }
                }
                template.set("Overrides", Tree::List(overrides));
            }
            policy.set("LaunchTemplate", template);
            settings.set("MixedInstancesPolicy", policy);
        }
        settings
    }

    fn full_reference(&self, mut reference: Tree) -> Tree {
        let name = reference.str("LaunchTemplateName").filter(|_| reference.str("LaunchTemplateId").is_none());
        if let Ok(template) = self.template(reference.str("LaunchTemplateId"), name) {
            let (id, name) = (Tree::text(&template.id), Tree::text(&template.name));
            reference.set("LaunchTemplateId", id);
            reference.set("LaunchTemplateName", name);
        }
        if reference.str("Version").is_none() {
            reference.set("Version", Tree::text("$Default"));
        }
        reference
    }
}

pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.len() > 255 {
        return Err(Refusal::validation(
            "1 validation error detected: Value at 'autoScalingGroupName' failed to satisfy constraint: Member must \
             have length between 1 and 255",
        ));
    }
    if name.contains(':') || !name.bytes().all(|byte| (33..=126).contains(&byte)) {
        return Err(Refusal::validation(&format!(
            "Group name '{name}' is not valid: it must consist of printable ASCII characters other than a colon"
        )));
    }
    Ok(())
}

pub(super) fn check_sizes(min: u32, max: u32, desired: u32) -> Result<(), Refusal> {
    if min > max {
        return Err(Refusal::validation(&format!(
            "Max bound, {max}, must be greater than or equal to min bound, {min}"
        )));
    }
    if desired < min || desired > max {
        return Err(Refusal::validation(&format!(
            "Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
        )));
    }
    Ok(())
}

/// AWS takes the id of a launch template or its name, and refuses both, even though it shows both.
pub(super) fn check_reference(settings: &Tree) -> Result<(), Refusal> {
    let references = ["LaunchTemplate", "MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification"];
    let overrides = settings.list("MixedInstancesPolicy.LaunchTemplate.Overrides").iter();
    let own = overrides.filter_map(|it| it.get("LaunchTemplateSpecification"));
    for reference in references.into_iter().filter_map(|path| settings.get(path)).chain(own) {
        let (id, name) = (reference.str("LaunchTemplateId"), reference.str("LaunchTemplateName"));
        if id.is_some() == name.is_some() {
            return Err(Refusal::validation(
                "Valid requests must contain either launchTemplateId or LaunchTemplateName",
            ));
        }
    }
    Ok(())
}

/// Checks what AWS checks about the overrides of a mixed instances policy.
fn check_overrides(settings: &Tree) -> Result<(), Refusal> {
    let overrides = settings.list("MixedInstancesPolicy.LaunchTemplate.Overrides");
    if overrides.iter().any(|it| it.get("InstanceRequirements").is_some()) {
        return Err(Refusal::not_implemented("the selection of instance types by attributes (InstanceRequirements)"));
    }
    let weights: Vec<Option<&str>> = overrides.iter().map(|it| it.str("WeightedCapacity")).collect();
    if let Some(weight) = weights.iter().flatten().find(|it| !it.parse::<u32>().is_ok_and(|it| (1..=999).contains(&it)))
    {
        return Err(Refusal::validation(&format!("WeightedCapacity must be between 1 and 999, and {weight} is not")));
    }
    // All or none; AWS's words for it are not known here.
    if weights.iter().any(Option::is_some) && weights.iter().any(Option::is_none) {
        return Err(Refusal::validation("If one override has a WeightedCapacity, all of them must have one"));
    }
    Ok(())
}

/// What AWS fills in when a group is created without it.
fn with_defaults(mut settings: Tree) -> Tree {
    let defaults = [
        ("DefaultCooldown", "300"),
        ("HealthCheckType", "EC2"),
        ("HealthCheckGracePeriod", "0"),
        ("NewInstancesProtectedFromScaleIn", "false"),
        ("CapacityRebalance", "false"),
    ];
    for (field, value) in defaults {
        if settings.get(field).is_none() {
            settings.set(field, Tree::text(value));
        }
    }
    if settings.list("TerminationPolicies").is_empty() {
        settings.set("TerminationPolicies", Tree::List(vec![Tree::text("Default")]));
    }
    settings
}
