//! Launch configurations.

use super::page_size;
use crate::api::query::{Xml, only, page, required};
use crate::world::{LaunchConfiguration, Refusal, Tree, World, timestamp};

const SETTINGS: &[&str] = &[
    "ImageId",
    "KeyName",
    "SecurityGroups",
    "UserData",
    "InstanceType",
    "KernelId",
    "RamdiskId",
    "BlockDeviceMappings",
    "InstanceMonitoring",
    "SpotPrice",
    "IamInstanceProfile",
    "EbsOptimized",
    "AssociatePublicIpAddress",
    "PlacementTenancy",
    "MetadataOptions",
];

pub(super) fn create(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &[SETTINGS, &["LaunchConfigurationName"]].concat())?;
    let name = required(form, "LaunchConfigurationName")?;
    required(form, "ImageId")?;
    required(form, "InstanceType")?;
    if world.configurations.contains_key(name) {
        let message = format!(
            "Launch Configuration by this name already exists - A launch configuration already exists with the name \
             {name}"
        );
        return Err(Refusal::new(400, "AlreadyExists", &message));
    }
    if !world.settings.can_create_launch_configurations {
        // AWS documents the words and not the code, so nobody may depend on this one.
        return Err(Refusal::new(
            400,
            "UnsupportedOperation",
            "The Launch Configuration creation operation is not available in your account. Use launch templates to \
             create configuration templates for your Auto Scaling groups.",
        ));
    }
    if world.configurations.len() >= world.settings.max_launch_configurations {
        return Err(Refusal::new(400, "LimitExceeded", "You've reached the limit of launch configurations"));
    }
    let mut settings = form.clone();
    settings.take("LaunchConfigurationName");
    let arn = world.launch_configuration_arn(name);
    let configuration = LaunchConfiguration { name: name.to_owned(), arn, created_at: world.now_millis(), settings };
    world.configurations.insert(name.to_owned(), configuration);
    Ok(Xml::new())
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["LaunchConfigurationName"])?;
    let name = required(form, "LaunchConfigurationName")?;
    if !world.configurations.contains_key(name) {
        return Err(Refusal::validation(&format!(
            "Launch configuration name not found - Launch configuration {name} not found"
        )));
    }
    if world.configuration_in_use(name) {
        let message = format!("Cannot delete launch configuration {name} because it is attached to AutoScalingGroup");
        return Err(Refusal::new(400, "ResourceInUse", &message));
    }
    world.configurations.remove(name);
    Ok(Xml::new())
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["LaunchConfigurationNames", "MaxRecords", "NextToken"])?;
    let names = form.strings("LaunchConfigurationNames");
    let found: Vec<_> =
        world.configurations.values().filter(|it| names.is_empty() || names.contains(&it.name)).collect();
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 50, 100)?)?;
    let mut xml = Xml::new();
    xml.members("LaunchConfigurations", found, |xml, configuration| {
        xml.leaf("LaunchConfigurationName", &configuration.name)
            .leaf("LaunchConfigurationARN", &configuration.arn)
            .leaf("CreatedTime", timestamp(configuration.created_at));
        xml.inside(&configuration.settings);
    });
    xml.maybe("NextToken", next);
    Ok(xml)
}
