//! Versions of launch templates: made for a candidate, and deleted again.
//!
//! Versions cannot be tagged. Whose one is stands in its description.

use crossfade_core::kinds::UserData;
use crossfade_core::kinds::asg::TemplateVersion;
use crossfade_core::{Kind, Result};

use super::used::Others;
use super::{LaunchSources, ec2, without_doubts};
use crate::ec2::{Ec2Error, LaunchTemplateVersion, VersionChanges};
use crate::fleets::user_data::encoded;

/// The longest description that a version may have (EC2 API reference).
const DESCRIPTION: usize = 255;

/// What versions are made for.
pub(super) struct Order<'a> {
    /// The new image.
    pub(super) ami: &'a str,
    /// The deployment.
    pub(super) deployment: &'a str,
    /// The infrastructure definition.
    pub(super) infrastructure: &'a str,
    /// The user data, unless it is the base's.
    pub(super) user_data: Option<&'a UserData>,
}

impl LaunchSources {
    /// Makes a version like `from` with the new image. With the template full, unused versions of the same infrastructure
    /// definition make room (P40).
    pub(super) async fn make_version(&self, from: &TemplateVersion, order: &Order<'_>) -> Result<TemplateVersion> {
        let user_data = match order.user_data {
            Some(user_data) => Some(encoded(user_data, self.user_data_of(from).await?.as_deref())?),
            None => None,
        };
        let user_data = user_data.as_deref();
        let made = match self.create_version(from, order, user_data).await {
            Err(error) if full(&error) && self.make_room(from, order).await? => {
                self.create_version(from, order, user_data).await
            }
            made => made,
        };
        let (made, warning) = made.map_err(|e| ec2("ec2:CreateLaunchTemplateVersion", &from.id, e))?;
        without_doubts(&from.id, made.number, warning)
    }

    async fn create_version(
        &self,
        from: &TemplateVersion,
        order: &Order<'_>,
        user_data: Option<&str>,
    ) -> std::result::Result<(LaunchTemplateVersion, Option<String>), Ec2Error> {
        let description = description(order.deployment, order.infrastructure);
        // The token makes the retry of a lost reply answer the version made before (P39).
        let token = format!("crossfade-{}-{}-{}", order.deployment, from.id, from.version);
        let changes = VersionChanges { image_id: order.ami, user_data };
        self.ec2.create_launch_template_version(&from.id, from.version, changes, &description, &token).await
    }

    /// Deletes the versions that earlier deployments of this infrastructure definition have left behind. Its lock keeps a
    /// second deployment from making one that no group uses yet.
    async fn make_room(&self, from: &TemplateVersion, order: &Order<'_>) -> Result<bool> {
        let left_behind = |version: &LaunchTemplateVersion| {
            let of_definition = |deployment: &str| {
                version.description.as_deref() == Some(&description(deployment, order.infrastructure))
            };
            version.number != from.version
                && made_for(version).is_some_and(|it| it != order.deployment && of_definition(it))
        };
        Ok(self.delete_unused(&from.id, &self.others(vec![]), left_behind).await? > 0)
    }

    /// Deletes the versions of these templates that were made for a deployment.
    pub(super) async fn delete_versions(
        &self,
        templates: Vec<&str>,
        others: &Others<'_>,
        deployment: &str,
    ) -> Result<()> {
        for template in templates {
            self.delete_unused(template, others, |version| made_for(version) == Some(deployment)).await?;
        }
        Ok(())
    }

    /// Deletes the versions that are chosen, but neither the default one, which AWS would refuse, nor one that any of the
    /// other groups launches from. Answers how many.
    async fn delete_unused(
        &self,
        template: &str,
        others: &Others<'_>,
        chosen: impl Fn(&LaunchTemplateVersion) -> bool,
    ) -> Result<usize> {
        let versions = match self.ec2.launch_template_versions(template).await {
            Err(error) if error.is_not_found() => return Ok(0),
            versions => versions.map_err(|e| ec2("ec2:DescribeLaunchTemplateVersions", template, e))?,
        };
        let chosen: Vec<u64> =
            versions.iter().filter(|version| !version.is_default && chosen(version)).map(|it| it.number).collect();
        if chosen.is_empty() {
            return Ok(0);
        }
        let used = others.used().await?;
        let unused = |number: &u64| !used.version(template, *number);
        let unused: Vec<u64> = chosen.into_iter().filter(unused).collect();
        if unused.is_empty() {
            return Ok(0);
        }
        let deleted = self.ec2.delete_launch_template_versions(template, &unused).await;
        deleted.map_err(|e| ec2("ec2:DeleteLaunchTemplateVersions", template, e))?;
        Ok(unused.len())
    }
}

/// The deployment that a version was made for, if crossfade made it. Ids of deployments have no spaces.
fn made_for(version: &LaunchTemplateVersion) -> Option<&str> {
    version.description.as_deref()?.strip_prefix("crossfade ")?.split(' ').next()
}

/// What a version that crossfade made says about itself.
fn description(deployment: &str, infrastructure: &str) -> String {
    format!("crossfade {deployment} {infrastructure}").chars().take(DESCRIPTION).collect()
}

/// Whether a template cannot have more versions.
fn full(error: &Ec2Error) -> bool {
    let failure = ec2("ec2:CreateLaunchTemplateVersion", "", error.clone());
    failure.kind == Kind::QuotaExceeded
}
