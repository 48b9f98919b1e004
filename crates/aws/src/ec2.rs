//! A small EC2 client: launch templates, images and instance types, and nothing else.
//!
//! It exists because the generated `aws-sdk-ec2` takes minutes and gigabytes to build for a handful of calls. It stands on
//! the same runtime as the SDKs: configuration, credentials, signing, retries, timeouts and transport are all taken from
//! the [`SdkConfig`], so that it behaves as they do.
//!
//! It must never grow into a second SDK: no call that crossfade does not make, no field that it does not read.
//!
//! EC2 is eventually consistent: something just created may not be found for a while (EC2 API reference).

mod client;
mod console;
mod image;
mod template;
mod version;

use std::collections::BTreeMap;

use aws_types::SdkConfig;

use crate::call::Parameters;
pub use crate::call::{CallError as Ec2Error, CallErrorKind as Ec2ErrorKind};
use client::Client;
pub use console::ConsoleOutput;
pub use image::{Image, ImageDevice};
pub use template::{BlockDevice, CreatedTemplate, LaunchTemplate, LaunchTemplateData, MetadataOptions, UserData};
pub use version::LaunchTemplateVersion;

/// The most versions in one answer of `DescribeLaunchTemplateVersions` (EC2 API reference: 1 to 200).
const PAGE: usize = 200;
/// The most versions in one `DeleteLaunchTemplateVersions` (EC2 API reference).
const DELETIONS: usize = 200;
/// The most values of a filter (EC2 API reference).
const FILTER_VALUES: usize = 200;
/// The states of an instance that is not gone (EC2 API reference).
const LIVING: [&str; 5] = ["pending", "running", "shutting-down", "stopping", "stopped"];
/// The most pages that are followed: a template has at most 10,000 versions (EC2 service quotas).
const PAGES: usize = 10_000 / PAGE + 1;

/// The EC2 client. Cheap to clone.
///
/// Every call fails with [`Ec2Error`] when EC2 refuses it, when no answer comes, or when the answer cannot be read; the
/// runtime's retries have happened by then.
#[derive(Clone, Debug)]
pub struct Ec2 {
    client: Client,
}

/// What a new version of a launch template has otherwise than its source.
#[derive(Clone, Copy, Debug)]
pub struct VersionChanges<'a> {
    /// Its image.
    pub image_id: &'a str,
    /// Its user data, in base64; the source's when nothing is given.
    pub user_data: Option<&'a str>,
}

impl<'a> VersionChanges<'a> {
    /// Another image alone.
    pub fn image(image_id: &'a str) -> Self {
        Self { image_id, user_data: None }
    }
}

impl Ec2 {
    /// A client with this configuration. What is missing in it (a region, credentials) shows with the first call.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    /// One version of a launch template: a number, `$Latest` or `$Default`.
    ///
    /// # Errors
    /// [`Ec2ErrorKind::NotFound`] when the template or the version does not exist.
    pub async fn launch_template_version(&self, id: &str, version: &str) -> Result<LaunchTemplateVersion, Ec2Error> {
        let mut parameters = Parameters::default();
        parameters.put("LaunchTemplateId", id).put("LaunchTemplateVersion.1", version);
        let answer = self.client.call("DescribeLaunchTemplateVersions", parameters).await?;
        let found = answer.read(version::described)?.0.into_iter().next();
        found.ok_or_else(|| {
            let message = format!("EC2 answered without version {version} of launch template {id}.");
            Ec2Error::not_found("InvalidLaunchTemplateId.VersionNotFound", message)
        })
    }

    /// All that a version of a launch template launches instances with, as EC2 spells it, whatever this release knows of it.
    ///
    /// # Errors
    /// [`Ec2ErrorKind::NotFound`] when the template or the version does not exist.
    pub async fn launch_template_data(&self, id: &str, version: &str) -> Result<serde_json::Value, Ec2Error> {
        let mut parameters = Parameters::default();
        parameters.put("LaunchTemplateId", id).put("LaunchTemplateVersion.1", version);
        let answer = self.client.call("DescribeLaunchTemplateVersions", parameters).await?;
        answer.read(version::data)
    }

    /// The id of the image that a version of a launch template means now, also where it names a parameter (`resolve:ssm:…`).
    ///
    /// # Errors
    /// As above; and that the caller may not read the parameter.
    pub async fn launch_template_image(&self, id: &str, version: &str) -> Result<Option<String>, Ec2Error> {
        let mut parameters = Parameters::default();
        parameters.put("LaunchTemplateId", id).put("LaunchTemplateVersion.1", version).put("ResolveAlias", true);
        let answer = self.client.call("DescribeLaunchTemplateVersions", parameters).await?;
        Ok(answer.read(version::described)?.0.into_iter().next().and_then(|version| version.image_id))
    }

    /// All versions of a launch template, the newest first.
    ///
    /// # Errors
    /// [`Ec2ErrorKind::NotFound`] when the template does not exist.
    pub async fn launch_template_versions(&self, id: &str) -> Result<Vec<LaunchTemplateVersion>, Ec2Error> {
        let mut versions = vec![];
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            let mut parameters = Parameters::default();
            parameters.put("LaunchTemplateId", id).put("MaxResults", PAGE).maybe("NextToken", next.take());
            let answer = self.client.call("DescribeLaunchTemplateVersions", parameters).await?;
            let (page, token) = answer.read(version::described)?;
            versions.extend(page);
            match token {
                None => return Ok(versions),
                token => next = token,
            }
        }
        Err(Ec2Error::unreadable(format!("the versions of launch template {id} do not end after {PAGES} pages")))
    }

    /// Makes a version like `source_version` with another image, and other user data where that is given. The warning is EC2's: the version exists, and
    /// launching from it would fail.
    ///
    /// The same `client_token` (at most 128 characters) gives the same version, however often it is asked for. Block
    /// devices are inherited without their snapshots (EC2 API reference).
    ///
    /// # Errors
    /// [`Ec2ErrorKind::NotFound`] when the template or the source version does not exist.
    pub async fn create_launch_template_version(
        &self,
        id: &str,
        source_version: u64,
        changes: VersionChanges<'_>,
        description: &str,
        client_token: &str,
    ) -> Result<(LaunchTemplateVersion, Option<String>), Ec2Error> {
        let mut parameters = Parameters::default();
        parameters
            .put("LaunchTemplateId", id)
            .put("SourceVersion", source_version)
            .put("LaunchTemplateData.ImageId", changes.image_id)
            .maybe("LaunchTemplateData.UserData", changes.user_data)
            .put("VersionDescription", description)
            .put("ClientToken", client_token);
        let answer = self.client.call("CreateLaunchTemplateVersion", parameters).await?;
        answer.read(version::created)
    }

    /// Deletes versions; those that are gone already (or whose template is) count as deleted.
    ///
    /// # Errors
    /// Those that EC2 keeps, such as the default version, are named in the message; the others are deleted nonetheless.
    pub async fn delete_launch_template_versions(&self, id: &str, versions: &[u64]) -> Result<(), Ec2Error> {
        let mut kept = vec![];
        for versions in versions.chunks(DELETIONS) {
            let mut parameters = Parameters::default();
            parameters.put("LaunchTemplateId", id).list("LaunchTemplateVersion", versions);
            match self.client.call("DeleteLaunchTemplateVersions", parameters).await {
                Ok(answer) => kept.extend(answer.read(version::kept)?),
                Err(error) if error.kind() == Ec2ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match version::why_kept(id, &kept) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Makes a launch template with one version, which is number 1.
    ///
    /// The same `client_token` (at most 128 characters) with the same contents gives the same template.
    ///
    /// # Errors
    /// Code `InvalidLaunchTemplateName.AlreadyExistsException` when the name is taken.
    pub async fn create_launch_template(
        &self,
        name: &str,
        data: &LaunchTemplateData,
        tags: &[(&str, &str)],
        client_token: &str,
    ) -> Result<CreatedTemplate, Ec2Error> {
        let mut parameters = Parameters::default();
        parameters.put("LaunchTemplateName", name).put("ClientToken", client_token);
        if !tags.is_empty() {
            parameters.put("TagSpecification.1.ResourceType", "launch-template");
        }
        for (n, (key, value)) in (1..).zip(tags) {
            parameters.put(&format!("TagSpecification.1.Tag.{n}.Key"), key);
            parameters.put(&format!("TagSpecification.1.Tag.{n}.Value"), value);
        }
        data.write("LaunchTemplateData", &mut parameters);
        let answer = self.client.call("CreateLaunchTemplate", parameters).await?;
        answer.read(template::created)
    }

    /// The launch template of that name, if there is one.
    pub async fn launch_template_named(&self, name: &str) -> Result<Option<LaunchTemplate>, Ec2Error> {
        let mut parameters = Parameters::default();
        parameters.put("LaunchTemplateName.1", name);
        match self.client.call("DescribeLaunchTemplates", parameters).await {
            Ok(answer) => answer.read(template::described),
            Err(error) if error.kind() == Ec2ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a launch template with all its versions. One that is gone already counts as deleted.
    pub async fn delete_launch_template(&self, id: &str) -> Result<(), Ec2Error> {
        let mut parameters = Parameters::default();
        parameters.put("LaunchTemplateId", id);
        match self.client.call("DeleteLaunchTemplate", parameters).await {
            Err(error) if error.kind() != Ec2ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// One image, whatever its state.
    ///
    /// # Errors
    /// [`Ec2ErrorKind::NotFound`] (code `InvalidAMIID.…`) when there is none, or none that this account may see.
    pub async fn image(&self, id: &str) -> Result<Image, Ec2Error> {
        let mut parameters = Parameters::default();
        // Without this, the deprecated images of others are hidden although they can be launched.
        parameters.put("ImageId.1", id).put("IncludeDeprecated", true);
        let answer = self.client.call("DescribeImages", parameters).await?;
        let image = answer.read(image::described)?.into_iter().next();
        image.ok_or_else(|| {
            Ec2Error::not_found("InvalidAMIID.NotFound", format!("EC2 answered without the image {id}."))
        })
    }

    /// The instances that bear this tag with one of these values, each with that value, unless they have terminated.
    pub async fn instances_tagged(&self, key: &str, values: &[String]) -> Result<Vec<(String, String)>, Ec2Error> {
        let mut found = Vec::new();
        for values in values.chunks(FILTER_VALUES) {
            let mut next: Option<String> = None;
            for _ in 0..PAGES {
                let mut parameters = Parameters::default();
                parameters.put("Filter.1.Name", format!("tag:{key}")).list("Filter.1.Value", values);
                parameters.put("Filter.2.Name", "instance-state-name").list("Filter.2.Value", &LIVING);
                parameters.put("MaxResults", 1000).maybe("NextToken", next.take());
                let answer = self.client.call("DescribeInstances", parameters).await?;
                let (page, token) = answer.read(|root| Ok(image::tagged(root, key)))?;
                found.extend(page);
                next = token;
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The images that instances of these ids were launched from, each with how many of them were, the most first. What is gone has none.
    pub async fn images_of(&self, instances: &[&str]) -> Result<Vec<(String, usize)>, Ec2Error> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for ids in instances.chunks(FILTER_VALUES) {
            let mut parameters = Parameters::default();
            // Asked for by their ids, one that is gone would refuse them all.
            parameters.put("Filter.1.Name", "instance-id").list("Filter.1.Value", ids).put("MaxResults", 1000);
            let answer = self.client.call("DescribeInstances", parameters).await?;
            for image in answer.read(|root| Ok(image::launched(root)))? {
                *counts.entry(image).or_default() += 1;
            }
        }
        let mut images: Vec<(String, usize)> = counts.into_iter().collect();
        images.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(images)
    }

    /// What an instance has printed on its console: the latest of it where its type lets that be read (Nitro), otherwise what EC2 has
    /// kept.
    ///
    /// # Errors
    /// [`Ec2ErrorKind::NotFound`] (code `InvalidInstanceID.…`) when there is none.
    pub async fn console(&self, instance: &str) -> Result<ConsoleOutput, Ec2Error> {
        let ask = |latest: bool| {
            let mut parameters = Parameters::default();
            parameters.put("InstanceId", instance).maybe("Latest", latest.then_some(true));
            parameters
        };
        let older = |code: &str| code.starts_with("Unsupported") || code.starts_with("InvalidParameter");
        let (answer, latest) = match self.client.call("GetConsoleOutput", ask(true)).await {
            Err(error) if error.code().is_some_and(older) => {
                (self.client.call("GetConsoleOutput", ask(false)).await?, false)
            }
            answer => (answer?, true),
        };
        Ok(ConsoleOutput { latest, ..answer.read(console::read)? })
    }

    /// The images of this account with this tag.
    pub async fn images_tagged(&self, key: &str, value: &str) -> Result<Vec<Image>, Ec2Error> {
        let mut parameters = Parameters::default();
        parameters.put("Owner.1", "self").put("Filter.1.Name", format!("tag:{key}")).put("Filter.1.Value.1", value);
        self.client.call("DescribeImages", parameters).await?.read(image::described)
    }

    /// The available images of an account, or of this one, with a name like this pattern and these tags.
    pub async fn images_like(
        &self,
        owner: Option<&str>,
        name: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Vec<Image>, Ec2Error> {
        let tags = tags.iter().map(|(key, value)| (format!("tag:{key}"), value.clone()));
        let name = name.iter().map(|name| ("name".to_owned(), (*name).to_owned()));
        let filters = [("state".to_owned(), "available".to_owned())].into_iter().chain(name).chain(tags);
        let mut parameters = Parameters::default();
        parameters.put("Owner.1", owner.unwrap_or("self"));
        for (n, (name, value)) in (1..).zip(filters) {
            parameters.put(&format!("Filter.{n}.Name"), name).put(&format!("Filter.{n}.Value.1"), value);
        }
        self.client.call("DescribeImages", parameters).await?.read(image::described)
    }

    /// The processor architectures that an instance type supports, such as `x86_64`.
    ///
    /// # Errors
    /// [`Ec2ErrorKind::NotFound`] (code `InvalidInstanceType`) when there is no such type in the region.
    pub async fn instance_type_architectures(&self, instance_type: &str) -> Result<Vec<String>, Ec2Error> {
        let mut parameters = Parameters::default();
        parameters.put("InstanceType.1", instance_type);
        let answer = self.client.call("DescribeInstanceTypes", parameters).await?;
        let architectures = answer.read(image::architectures)?;
        architectures.ok_or_else(|| {
            let message = format!("EC2 answered without the instance type {instance_type}.");
            Ec2Error::not_found("InvalidInstanceType", message)
        })
    }
}
