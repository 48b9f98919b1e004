//! Launch configurations: copying the base's, and the launch template that takes its place where an account may not create
//! any (P42).

use std::borrow::Cow;

use aws_sdk_autoscaling::error::ProvideErrorMetadata;
use aws_sdk_autoscaling::types::{BlockDeviceMapping, LaunchConfiguration};
use crossfade_core::infrastructure::TAG_DEPLOYMENT;
use crossfade_core::kinds::UserData;
use crossfade_core::kinds::asg::{LaunchSource, TemplateVersion};
use crossfade_core::{Kind, Result, names};

use super::used::Others;
use super::{LaunchSources, ec2, from_configuration, without_doubts};
use crate::ec2::{Ec2ErrorKind, LaunchTemplate, LaunchTemplateData};
use crate::fleets::user_data::encoded;
use crate::refusal::refusal;

/// The longest name of a launch template (EC2 API reference, CreateLaunchTemplate).
const TEMPLATE_NAME: usize = 128;

impl LaunchSources {
    pub(super) async fn configuration(&self, name: &str) -> Result<Option<LaunchConfiguration>> {
        let answer = self.autoscaling.describe_launch_configurations().launch_configuration_names(name).send().await;
        let answer = answer.map_err(|e| refusal("autoscaling:DescribeLaunchConfigurations", name, e))?;
        Ok(answer.launch_configurations.unwrap_or_default().into_iter().next())
    }

    pub(super) async fn copy_configuration(
        &self,
        base: &str,
        fleet: &str,
        ami: &str,
        deployment: &str,
        user_data: Option<&UserData>,
    ) -> Result<LaunchSource> {
        let mut from = self.configuration(base).await?.ok_or_else(|| {
            Kind::Drifted
                .because(format!("The launch configuration {base} has been deleted since the deployment began."))
        })?;
        if let Some(user_data) = user_data {
            from.user_data = Some(encoded(user_data, from.user_data.as_deref())?);
        }
        from.block_device_mappings = self.for_image(from.block_device_mappings, ami).await?;
        let template = from_configuration::template_data(&from, ami);
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let list = |list: Option<Vec<String>>| list.filter(|list| !list.is_empty());
        let call = self
            .autoscaling
            .create_launch_configuration()
            .launch_configuration_name(fleet)
            .image_id(ami)
            .set_key_name(text(from.key_name))
            .set_security_groups(list(from.security_groups))
            .set_classic_link_vpc_id(text(from.classic_link_vpc_id))
            .set_classic_link_vpc_security_groups(list(from.classic_link_vpc_security_groups))
            .set_user_data(text(from.user_data))
            .set_instance_type(from.instance_type)
            .set_kernel_id(text(from.kernel_id))
            .set_ramdisk_id(text(from.ramdisk_id))
            .set_block_device_mappings(from.block_device_mappings.filter(|devices| !devices.is_empty()))
            .set_instance_monitoring(from.instance_monitoring)
            .set_spot_price(text(from.spot_price))
            .set_iam_instance_profile(text(from.iam_instance_profile))
            .set_ebs_optimized(from.ebs_optimized)
            .set_associate_public_ip_address(from.associate_public_ip_address)
            .set_placement_tenancy(text(from.placement_tenancy))
            .set_metadata_options(from.metadata_options);
        let made = LaunchSource::Configuration { name: fleet.into() };
        let Err(error) = call.send().await else { return Ok(made) };
        // A launch configuration has no tags; its name and image say whether an earlier attempt made it (P1).
        match self.configuration(fleet).await? {
            Some(existing) if existing.image_id.as_deref() == Some(ami) => Ok(made),
            Some(existing) => Err(Kind::Drifted.because(format!(
                "A launch configuration named {fleet} exists already, with image {}. It is left alone. Delete it, or choose \
                 another compute.autoScalingGroup.name.",
                existing.image_id.unwrap_or_default()
            ))),
            None if not_in_this_account(error.message()) => self.make_template(fleet, &template, deployment).await,
            None => Err(refusal("autoscaling:CreateLaunchConfiguration", fleet, error)),
        }
    }

    /// Block devices without the snapshots of those that the image brings itself: they are of the old image, and AWS
    /// refuses another snapshot for a root device (P71).
    async fn for_image(
        &self,
        devices: Option<Vec<BlockDeviceMapping>>,
        ami: &str,
    ) -> Result<Option<Vec<BlockDeviceMapping>>> {
        let mut devices = devices.unwrap_or_default();
        let snapshot = |device: &BlockDeviceMapping| device.ebs.as_ref().is_some_and(|ebs| ebs.snapshot_id.is_some());
        if devices.iter().any(snapshot) {
            let image = self.ec2.image(ami).await.map_err(|e| ec2("ec2:DescribeImages", ami, e))?;
            for device in &mut devices {
                let brought = image.block_devices.iter().any(|it| Some(&it.device_name) == device.device_name.as_ref());
                if let (true, Some(ebs)) = (brought, &mut device.ebs) {
                    ebs.snapshot_id = None;
                }
            }
        }
        Ok(Some(devices).filter(|devices| !devices.is_empty()))
    }

    /// Makes a launch template for one fleet (P42), called like it and with a tag that says which deployment made it.
    async fn make_template(&self, fleet: &str, data: &LaunchTemplateData, deployment: &str) -> Result<LaunchSource> {
        let name = &*template_name(fleet);
        let tags = [(TAG_DEPLOYMENT, deployment)];
        let error = match self.ec2.create_launch_template(name, data, &tags, &token(deployment)).await {
            Ok(made) => {
                return without_doubts(&made.id, made.version, made.warning).map(LaunchSource::Template);
            }
            Err(error) if error.kind() != Ec2ErrorKind::Refused => {
                return Err(ec2("ec2:CreateLaunchTemplate", name, error));
            }
            Err(error) => error,
        };
        // The token answers the retry of a lost reply. Should it be forgotten, the tag says whose the template is (P1).
        match self.template(name).await? {
            Some(existing) if is_of(&existing, deployment) => {
                Ok(LaunchSource::Template(TemplateVersion { id: existing.id, version: 1 }))
            }
            Some(existing) => Err(Kind::Drifted.because(format!(
                "A launch template named {name} exists already ({}) and its tag {TAG_DEPLOYMENT} is {}, not {deployment}. \
                 It is left alone. Delete it, or choose another compute.autoScalingGroup.name.",
                existing.id,
                existing.tags.get(TAG_DEPLOYMENT).map_or("missing", String::as_str),
            ))),
            None => Err(ec2("ec2:CreateLaunchTemplate", name, error)),
        }
    }

    /// Deletes a launch configuration, unless another group launches from it.
    pub(super) async fn delete_configuration(&self, name: &str, others: &Others<'_>) -> Result<()> {
        if others.used().await?.configuration(name) {
            return Ok(());
        }
        let Err(error) = self.autoscaling.delete_launch_configuration().launch_configuration_name(name).send().await
        else {
            return Ok(());
        };
        // "Launch configuration name not found"
        if error.code() == Some("ValidationError") && self.configuration(name).await?.is_none() {
            return Ok(());
        }
        Err(refusal("autoscaling:DeleteLaunchConfiguration", name, error))
    }

    /// The launch template that was made for a fleet alone: it is called like the fleet, and its tag names the deployment.
    pub(super) async fn own_template(&self, fleet: &str, deployment: &str) -> Result<Option<LaunchTemplate>> {
        Ok(self.template(&template_name(fleet)).await?.filter(|template| is_of(template, deployment)))
    }

    async fn template(&self, name: &str) -> Result<Option<LaunchTemplate>> {
        let found = self.ec2.launch_template_named(name).await;
        found.map_err(|e| ec2("ec2:DescribeLaunchTemplates", name, e))
    }

    /// Deletes a launch template, unless another group launches from it.
    pub(super) async fn delete_template(&self, id: &str, others: &Others<'_>) -> Result<()> {
        if others.used().await?.template(id) {
            return Ok(());
        }
        let Err(error) = self.ec2.delete_launch_template(id).await else { return Ok(()) };
        // A role that allows it by a tag does not allow it on what is gone.
        if self.ec2.launch_template_versions(id).await.is_err_and(|error| error.is_not_found()) {
            return Ok(());
        }
        Err(ec2("ec2:DeleteLaunchTemplate", id, error))
    }
}

/// What the launch template of a fleet alone is called: like the fleet, unless no template can be called so. Then a number computed from
/// all of the fleet's name follows as much of it as a template's may have.
fn template_name(fleet: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "().-/_".contains(c);
    if fleet.len() <= TEMPLATE_NAME && fleet.chars().all(allowed) {
        return fleet.into();
    }
    let number = format!("-{:016x}", names::fingerprint(fleet));
    let beginning = fleet.chars().map(|c| if allowed(c) { c } else { '_' }).take(TEMPLATE_NAME - number.len());
    beginning.chain(number.chars()).collect()
}

/// The same deployment asks with the same token, so that however often it asks, one template is made.
fn token(deployment: &str) -> String {
    format!("crossfade-{deployment}")
}

fn is_of(template: &LaunchTemplate, deployment: &str) -> bool {
    template.tags.get(TAG_DEPLOYMENT).map(String::as_str) == Some(deployment)
}

/// Whether AWS refuses because accounts made since October 2024 cannot create launch configurations at all (P42). AWS
/// documents the words and not the code.
fn not_in_this_account(message: Option<&str>) -> bool {
    let message = message.unwrap_or_default().to_lowercase();
    message.contains("launch configuration creation operation is not available")
}
