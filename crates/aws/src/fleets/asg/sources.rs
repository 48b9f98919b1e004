//! Launch sources: what a fleet's instances are made from, and how the candidate's own is derived from the base's.
//!
//! A base with a launch template gives a new version of that template; one with a mixed-instances policy a new version of
//! each template that the policy names; a base with a launch configuration gives a new configuration, or, where the account
//! may not create any, a launch template of the fleet's own (decision 11).

mod base;
mod configuration;
mod from_configuration;
mod used;
mod version;

use std::collections::BTreeMap;

use aws_sdk_autoscaling::Client;
use aws_types::SdkConfig;
use crossfade_core::kinds::asg::{LaunchSource, TemplateVersion};
use crossfade_core::kinds::{Blueprint, UserData};
use crossfade_core::observed::Fleet;
use crossfade_core::{Failure, Kind, Result};

pub use base::Machine;
use used::Others;

use crate::clients::Lazy;
use crate::ec2::{Ec2, Ec2Error};
use crate::fleets::Runs;
use crate::fleets::user_data::decoded;
use crate::refusal::called;

/// The launch templates and launch configurations of the account.
#[derive(Clone, Debug)]
pub struct LaunchSources {
    autoscaling: Lazy<Client>,
    pub(in crate::fleets) ec2: Ec2,
}

impl LaunchSources {
    /// The launch sources that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { autoscaling: Lazy::new(config), ec2: Ec2::new(config) }
    }

    /// Makes the candidate's own source from the base's, with the image swapped in. Twice makes one.
    pub async fn derive(
        &self,
        base: &LaunchSource,
        fleet: &str,
        ami: &str,
        deployment: &str,
        infrastructure: &str,
        user_data: Option<&UserData>,
    ) -> Result<LaunchSource> {
        let order = version::Order { ami, deployment, infrastructure, user_data };
        match base {
            LaunchSource::Template(version) => Ok(LaunchSource::Template(self.make_version(version, &order).await?)),
            LaunchSource::Mixed { template, overrides } => {
                let template = self.make_version(template, &order).await?;
                let mut made = Vec::new();
                for version in overrides {
                    made.push(self.make_version(version, &order).await?);
                }
                Ok(LaunchSource::Mixed { template, overrides: made })
            }
            LaunchSource::Configuration { name } => {
                self.copy_configuration(name, fleet, ami, deployment, user_data).await
            }
        }
    }

    /// Why this user data cannot be that of what is made from a base.
    pub async fn unfit(&self, base: &LaunchSource, user_data: &UserData) -> Result<Option<String>> {
        let versions: Vec<&TemplateVersion> = match base {
            LaunchSource::Template(version) => vec![version],
            LaunchSource::Mixed { template, overrides } => std::iter::once(template).chain(overrides).collect(),
            LaunchSource::Configuration { name } => {
                let configuration = self.configuration(name).await?;
                let text = decoded(configuration.and_then(|it| it.user_data).as_deref());
                return Ok(user_data.of(text.as_deref()).err());
            }
        };
        for version in versions {
            if let Err(why) = user_data.of(decoded(self.user_data_of(version).await?.as_deref()).as_deref()) {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// The image that a source starts instances from; of a policy that of its own template.
    pub async fn image_of(&self, source: &LaunchSource) -> Result<Option<String>> {
        let version = match source {
            LaunchSource::Template(version) | LaunchSource::Mixed { template: version, .. } => version,
            LaunchSource::Configuration { name } => {
                return Ok(self.configuration(name).await?.and_then(|it| it.image_id));
            }
        };
        let found = self.ec2.launch_template_version(&version.id, &version.version.to_string()).await;
        Ok(found.map_err(|e| ec2("ec2:DescribeLaunchTemplateVersions", &version.id, e))?.image_id)
    }

    /// The image that a source means now: where it names a parameter, what that holds.
    pub async fn image_meant(&self, source: &LaunchSource) -> Result<Option<String>> {
        let image = self.image_of(source).await?;
        let version = match source {
            LaunchSource::Template(version) | LaunchSource::Mixed { template: version, .. } => version,
            LaunchSource::Configuration { .. } => return Ok(image),
        };
        if !image.as_ref().is_some_and(|image| image.starts_with("resolve:")) {
            return Ok(image);
        }
        let meant = self.ec2.launch_template_image(&version.id, &version.version.to_string()).await;
        meant.map_err(|e| ec2("ec2:DescribeLaunchTemplateVersions", &version.id, e))
    }

    /// What these instances run; where there are none, what they would.
    pub async fn run(
        &self,
        members: &[&str],
        otherwise: impl AsyncFnOnce() -> Result<Option<String>>,
    ) -> Result<Vec<Runs>> {
        let running = self.ec2.images_of(members).await;
        let mut images = running.map_err(|e| ec2("ec2:DescribeInstances", &members.join(", "), e))?;
        if images.is_empty() {
            images.extend(otherwise().await?.map(|image| (image, 0)));
        }
        let mut runs = Vec::new();
        for (image, members) in images {
            // What it is called is no more than a help: it may be gone by now.
            let called = self.ec2.image(&image).await.ok().and_then(|image| image.name);
            runs.push(Runs { image, called, members, container: None });
        }
        Ok(runs)
    }

    /// The user data of a launch template's version, in base64.
    async fn user_data_of(&self, version: &TemplateVersion) -> Result<Option<String>> {
        let found = self.ec2.launch_template_version(&version.id, &version.version.to_string()).await;
        let found = found.map_err(|e| ec2("ec2:DescribeLaunchTemplateVersions", &version.id, e))?;
        Ok(found.data.user_data.map(|data| data.0))
    }

    /// Deletes what [`LaunchSources::derive`] made for a deployment, however far it came, unless another group than `fleet`
    /// launches from it by now. Gone already is fine.
    pub async fn remove_derived(&self, base: &LaunchSource, fleet: &str, ami: &str, deployment: &str) -> Result<()> {
        let others = self.others(vec![fleet]);
        let LaunchSource::Configuration { .. } = base else {
            return self.delete_versions(templates(base), &others, deployment).await;
        };
        // Where the account could not create configurations it is a template. Which of the two was made is nowhere written
        // down when the attempt's reply was lost.
        if let Some(template) = self.own_template(fleet, deployment).await? {
            self.delete_template(&template.id, &others).await?;
        }
        match self.configuration(fleet).await? {
            // A configuration of that name with another image stood there before us.
            Some(found) if found.image_id.as_deref() == Some(ami) => self.delete_configuration(fleet, &others).await,
            _ => Ok(()),
        }
    }

    /// Deletes the sources of fleets that are gone: what crossfade made for each of them and no other group launches from. Answers
    /// what it could not, by the name of the fleet.
    pub async fn remove_own(&self, fleets: &[&Fleet]) -> BTreeMap<String, Failure> {
        let others = self.others(fleets.iter().map(|fleet| fleet.name.as_str()).collect());
        let mut failed = BTreeMap::new();
        for fleet in fleets {
            if let Err(failure) = self.remove_own_of(fleet, &others).await {
                failed.insert(fleet.name.clone(), failure);
            }
        }
        failed
    }

    async fn remove_own_of(&self, fleet: &Fleet, others: &Others<'_>) -> Result<()> {
        let Some(Blueprint::AutoScalingGroup(source)) = &fleet.blueprint else { return Ok(()) };
        match (source, &fleet.deployment) {
            (LaunchSource::Configuration { name }, _) if *name == fleet.name => {
                self.delete_configuration(name, others).await
            }
            (LaunchSource::Template(TemplateVersion { id, .. }), Some(deployment)) => {
                match self.own_template(&fleet.name, deployment).await? {
                    Some(own) if own.id == *id => self.delete_template(id, others).await,
                    _ => self.delete_versions(templates(source), others, deployment).await,
                }
            }
            (LaunchSource::Mixed { .. }, Some(deployment)) => {
                self.delete_versions(templates(source), others, deployment).await
            }
            _ => Ok(()),
        }
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
}

/// The ids of the launch templates that a source names, each once.
fn templates(source: &LaunchSource) -> Vec<&str> {
    let mut ids = Vec::new();
    let versions: Vec<&TemplateVersion> = match source {
        LaunchSource::Template(version) => vec![version],
        LaunchSource::Mixed { template, overrides } => std::iter::once(template).chain(overrides).collect(),
        LaunchSource::Configuration { .. } => vec![],
    };
    for version in versions {
        if !ids.contains(&version.id.as_str()) {
            ids.push(version.id.as_str());
        }
    }
    ids
}

/// The version that was made, unless AWS warns about it (P39).
fn without_doubts(id: &str, version: u64, warning: Option<String>) -> Result<TemplateVersion> {
    match warning {
        None => Ok(TemplateVersion { id: id.into(), version }),
        Some(warning) => Err(Kind::RequestRefused.because(format!(
            "AWS made version {version} of launch template {id} but warns: {warning}. It would fail at the first launch."
        ))),
    }
}

fn ec2(call: &str, on: &str, error: Ec2Error) -> Failure {
    called(call, on, &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p39_a_version_with_a_warning_fails() {
        assert_eq!(without_doubts("lt-1", 4, None), Ok(TemplateVersion { id: "lt-1".into(), version: 4 }));
        let failure = without_doubts("lt-1", 4, Some("The AMI is for arm64.".into())).unwrap_err();
        assert_eq!(failure.kind, Kind::RequestRefused);
        assert!(failure.message.contains("version 4 of launch template lt-1"), "{failure}");
    }
}
