//! Launch sources: what a fleet's instances are made from, and how the candidate's own is derived from the base's.
//!
//! A base with a launch template gives a new version of that template; a base with a launch configuration gives a new
//! configuration, or, where the account may not create any, a launch template of the fleet's own (decision 11).

mod from_configuration;

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::error::ProvideErrorMetadata;
use aws_sdk_autoscaling::types::{BlockDeviceMapping, LaunchConfiguration};
use aws_types::SdkConfig;
use crossfade_core::infrastructure::TAG_DEPLOYMENT;
use crossfade_core::observed::{Fleet, LaunchSource};
use crossfade_core::{Failure, Kind, Result};

use crate::ec2::{Ec2, Ec2Error, Ec2ErrorKind, LaunchTemplate, LaunchTemplateData, LaunchTemplateVersion};
use crate::refusal::{from_code, no_answer, refusal};

/// The launch templates and launch configurations of the account.
#[derive(Clone, Debug)]
pub struct LaunchSources {
    autoscaling: Client,
    ec2: Ec2,
}

/// What a launch source starts, as far as the checks before a deployment need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The instance type, when the source names one.
    pub instance_type: Option<String>,
    /// The root device that its block devices name, when they name any (P71).
    pub devices: Vec<String>,
}

impl LaunchSources {
    /// The launch sources that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { autoscaling: Client::new(config), ec2: Ec2::new(config) }
    }

    /// Where a base group's instances come from: `$Latest` and `$Default` resolved to the number that they mean now (P38).
    ///
    /// # Errors
    /// `PreflightFailed` for a group without any, with a mixed-instances policy, or with classic load balancers.
    pub async fn of_base(&self, base: &str) -> Result<(LaunchSource, Machine)> {
        let call = self.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(base);
        let answer = call.send().await.map_err(|e| refusal("autoscaling:DescribeAutoScalingGroups", base, e))?;
        let group = answer.auto_scaling_groups.unwrap_or_default().into_iter().next();
        let group = group.ok_or_else(|| {
            Kind::PreflightFailed
                .because(format!("compute.autoScalingGroup.base = {base} does not exist in this region."))
        })?;
        if let Some(names) = group.load_balancer_names.filter(|names| !names.is_empty()) {
            return Err(Kind::PreflightFailed.because(format!(
                "The base {base} is attached to {} {}, which would send requests to the new fleet as soon as its instances \
                 start, before anything is shifted. Detach the base, or use another base behind target groups only.",
                if names.len() == 1 { "the classic load balancer" } else { "the classic load balancers" },
                names.join(", ")
            )));
        }
        if let Some(name) = group.launch_configuration_name {
            let configuration = self.configuration(&name).await?.ok_or_else(|| {
                Kind::PreflightFailed
                    .because(format!("The launch configuration {name} of the base {base} does not exist."))
            })?;
            return Ok((LaunchSource::Configuration { name }, machine_of(&configuration)));
        }
        if let Some(id) = group.launch_template.as_ref().and_then(|template| template.launch_template_id.clone()) {
            let asked =
                group.launch_template.and_then(|template| template.version).unwrap_or_else(|| "$Default".into());
            let version = self.ec2.launch_template_version(&id, &asked).await.map_err(|error| match error.code() {
                Some(code) if code.contains("NotFound") => Kind::PreflightFailed.because(format!(
                    "The base {base} uses version {asked} of launch template {id}, which does not exist."
                )),
                _ => ec2("ec2:DescribeLaunchTemplateVersions", &id, error),
            })?;
            let machine = Machine { instance_type: version.instance_type.clone(), devices: version.devices() };
            return Ok((LaunchSource::Template { id, version: version.number }, machine));
        }
        Err(Kind::PreflightFailed.because(format!(
            "The base {base} has {}, which crossfade does not clone yet. Use a base with a launch template or a launch \
             configuration of its own.",
            if group.mixed_instances_policy.is_some() { "a mixed-instances policy" } else { "no launch template" }
        )))
    }

    /// Makes the candidate's own source from the base's, with the image swapped in. Twice makes one.
    pub async fn derive(&self, base: &LaunchSource, fleet: &str, ami: &str, deployment: &str) -> Result<LaunchSource> {
        match base {
            LaunchSource::Template { id, version } => {
                // The token makes the retry of a lost reply answer the version made before (P39).
                let made = self
                    .ec2
                    .create_launch_template_version(id, *version, ami, &description(deployment), &token(deployment))
                    .await;
                let (made, warning) = made.map_err(|e| ec2("ec2:CreateLaunchTemplateVersion", id, e))?;
                without_doubts(id, made.number, warning)
            }
            LaunchSource::Configuration { name } => self.copy_configuration(name, fleet, ami, deployment).await,
        }
    }

    /// Deletes what [`LaunchSources::derive`] made for a deployment, however far it came. Gone already is fine.
    pub async fn remove_derived(&self, base: &LaunchSource, fleet: &str, ami: &str, deployment: &str) -> Result<()> {
        match base {
            LaunchSource::Template { id, .. } => self.delete_versions(id, deployment).await,
            LaunchSource::Configuration { .. } => {
                // Where the account could not create configurations it is a template. Which of the two was made is
                // nowhere written down when the attempt's reply was lost.
                if let Some(template) = self.own_template(fleet, deployment).await? {
                    self.delete_template(&template.id).await?;
                }
                match self.configuration(fleet).await? {
                    // A configuration of that name with another image stood there before us.
                    Some(found) if found.image_id.as_deref() == Some(ami) => self.delete_configuration(fleet).await,
                    _ => Ok(()),
                }
            }
        }
    }

    /// Deletes the source of a fleet that is gone, if crossfade made it for that fleet.
    pub async fn remove_own(&self, fleet: &Fleet) -> Result<()> {
        match (&fleet.source, &fleet.deployment) {
            (Some(LaunchSource::Template { id, .. }), Some(deployment)) => {
                match self.own_template(&fleet.name, deployment).await? {
                    Some(own) if own.id == *id => self.delete_template(id).await,
                    _ => self.delete_versions(id, deployment).await,
                }
            }
            (Some(LaunchSource::Configuration { name }), _) if *name == fleet.name => {
                self.delete_configuration(name).await
            }
            _ => Ok(()),
        }
    }

    /// Deletes the versions of a template that were made for a deployment; never the default, which AWS would refuse.
    async fn delete_versions(&self, template: &str, deployment: &str) -> Result<()> {
        let versions = match self.ec2.launch_template_versions(template).await {
            Err(error) if error.is_not_found() => return Ok(()),
            versions => versions.map_err(|e| ec2("ec2:DescribeLaunchTemplateVersions", template, e))?,
        };
        let ours = description(deployment);
        let ours =
            |version: &&LaunchTemplateVersion| version.description.as_deref() == Some(&ours) && !version.is_default;
        let made: Vec<u64> = versions.iter().filter(ours).map(|version| version.number).collect();
        if made.is_empty() {
            return Ok(());
        }
        let deleted = self.ec2.delete_launch_template_versions(template, &made).await;
        deleted.map_err(|e| ec2("ec2:DeleteLaunchTemplateVersions", template, e))
    }

    /// The launch template that was made for a fleet alone: it has the fleet's name, and its tag names the deployment.
    async fn own_template(&self, fleet: &str, deployment: &str) -> Result<Option<LaunchTemplate>> {
        Ok(self.template(fleet).await?.filter(|template| is_of(template, deployment)))
    }

    async fn template(&self, name: &str) -> Result<Option<LaunchTemplate>> {
        let found = self.ec2.launch_template_named(name).await;
        found.map_err(|e| ec2("ec2:DescribeLaunchTemplates", name, e))
    }

    async fn delete_template(&self, id: &str) -> Result<()> {
        let deleted = self.ec2.delete_launch_template(id).await;
        deleted.map_err(|e| ec2("ec2:DeleteLaunchTemplate", id, e))
    }

    /// The image's architecture and root device, if it can be launched.
    ///
    /// # Errors
    /// `PreflightFailed` when there is no such image or it is not available (P41).
    pub async fn image(&self, ami: &str) -> Result<crate::ec2::Image> {
        let unusable = |problem: &str| {
            Kind::PreflightFailed.because(format!(
                "artifact.ami = {ami} {problem}. Give the id of an available image of this region that this account may launch."
            ))
        };
        let image = self.ec2.image(ami).await.map_err(|error| match error.code() {
            Some(code) if code.starts_with("InvalidAMIID") => unusable("does not exist in this region"),
            _ => ec2("ec2:DescribeImages", ami, error),
        })?;
        if image.state == "available" { Ok(image) } else { Err(unusable(&format!("is {}", image.state))) }
    }

    /// The architectures that an instance type can run.
    pub async fn architectures(&self, instance_type: &str) -> Result<Vec<String>> {
        let answer = self.ec2.instance_type_architectures(instance_type).await;
        answer.map_err(|e| ec2("ec2:DescribeInstanceTypes", instance_type, e))
    }

    async fn configuration(&self, name: &str) -> Result<Option<LaunchConfiguration>> {
        let answer = self.autoscaling.describe_launch_configurations().launch_configuration_names(name).send().await;
        let answer = answer.map_err(|e| refusal("autoscaling:DescribeLaunchConfigurations", name, e))?;
        Ok(answer.launch_configurations.unwrap_or_default().into_iter().next())
    }

    async fn copy_configuration(&self, base: &str, fleet: &str, ami: &str, deployment: &str) -> Result<LaunchSource> {
        let mut from = self.configuration(base).await?.ok_or_else(|| {
            Kind::Drifted
                .because(format!("The launch configuration {base} has been deleted since the deployment began."))
        })?;
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

    /// Makes a launch template for one fleet (P42), with its name and with a tag that says which deployment made it.
    async fn make_template(&self, fleet: &str, data: &LaunchTemplateData, deployment: &str) -> Result<LaunchSource> {
        let tags = [(TAG_DEPLOYMENT, deployment)];
        let error = match self.ec2.create_launch_template(fleet, data, &tags, &token(deployment)).await {
            Ok(made) => return without_doubts(&made.id, made.version, made.warning),
            Err(error) if error.kind() != Ec2ErrorKind::Refused => {
                return Err(ec2("ec2:CreateLaunchTemplate", fleet, error));
            }
            Err(error) => error,
        };
        // The token answers the retry of a lost reply. Should it be forgotten, the tag says whose the template is (P1).
        match self.template(fleet).await? {
            Some(existing) if is_of(&existing, deployment) => Ok(LaunchSource::Template { id: existing.id, version: 1 }),
            Some(existing) => Err(Kind::Drifted.because(format!(
                "A launch template named {fleet} exists already ({}) and its tag {TAG_DEPLOYMENT} is {}, not {deployment}. \
                 It is left alone. Delete it, or choose another compute.autoScalingGroup.name.",
                existing.id,
                existing.tags.get(TAG_DEPLOYMENT).map_or("missing", String::as_str),
            ))),
            None => Err(ec2("ec2:CreateLaunchTemplate", fleet, error)),
        }
    }

    async fn delete_configuration(&self, name: &str) -> Result<()> {
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
}

/// What a launch template version that crossfade made says about itself; versions cannot be tagged.
fn description(deployment: &str) -> String {
    format!("crossfade {deployment}")
}

/// The same deployment asks with the same token, so that however often it asks, one thing is made.
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

/// The version that was made, unless AWS warns about it.
fn without_doubts(id: &str, version: u64, warning: Option<String>) -> Result<LaunchSource> {
    match warning {
        None => Ok(LaunchSource::Template { id: id.into(), version }),
        Some(warning) => Err(Kind::RequestRefused.because(format!(
            "AWS made version {version} of launch template {id} but warns: {warning}. It would fail at the first launch."
        ))),
    }
}

fn machine_of(configuration: &LaunchConfiguration) -> Machine {
    let devices = configuration.block_device_mappings.iter().flatten();
    Machine {
        instance_type: configuration.instance_type.clone().filter(|name| !name.is_empty()),
        devices: devices.filter_map(|device| device.device_name.clone()).collect(),
    }
}

fn ec2(call: &str, on: &str, error: Ec2Error) -> Failure {
    match error.code() {
        Some(code) => from_code(call, on, code, error.message(), error.status()),
        None => no_answer(call, on, error.message()),
    }
}
