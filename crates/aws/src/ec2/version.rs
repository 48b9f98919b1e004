//! Versions of launch templates.

use super::Ec2Error;
use super::template::{LaunchTemplateData, warning};
use crate::call::Element;

/// One version of a launch template. Versions never change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchTemplateVersion {
    /// The template's id, `lt-…`.
    pub id: String,
    /// The template's name.
    pub name: String,
    /// The version's number.
    pub number: u64,
    /// Whether it is what `$Default` means now.
    pub is_default: bool,
    /// What its maker wrote about it.
    pub description: Option<String>,
    /// Its image, as in `data`.
    pub image_id: Option<String>,
    /// Its instance type, as in `data`.
    pub instance_type: Option<String>,
    /// What it launches instances with, as far as crossfade knows it.
    pub data: LaunchTemplateData,
}

impl LaunchTemplateVersion {
    /// The names of the devices that it maps, such as `/dev/xvda`.
    pub fn devices(&self) -> Vec<String> {
        self.data.block_devices.iter().map(|device| device.device_name.clone()).collect()
    }

    fn read(version: Element) -> Result<Self, Ec2Error> {
        let data = version.child("launchTemplateData").map(LaunchTemplateData::read).unwrap_or_default();
        Ok(Self {
            id: version.required("launchTemplateId")?,
            name: version.text("launchTemplateName").unwrap_or_default(),
            number: version.required_number("versionNumber")?,
            is_default: version.parse("defaultVersion").unwrap_or_default(),
            description: version.text("versionDescription"),
            image_id: data.image_id.clone(),
            instance_type: data.instance_type.clone(),
            data,
        })
    }
}

/// Reads a page of `DescribeLaunchTemplateVersions`: versions, and the token of the next page.
pub(super) fn described(root: Element) -> Result<(Vec<LaunchTemplateVersion>, Option<String>), Ec2Error> {
    let versions = root.items("launchTemplateVersionSet").map(LaunchTemplateVersion::read);
    Ok((versions.collect::<Result<_, _>>()?, root.text("nextToken")))
}

/// Reads all that the only version in a page of `DescribeLaunchTemplateVersions` launches instances with.
pub(super) fn data(root: Element) -> Result<serde_json::Value, Ec2Error> {
    let version = root.items("launchTemplateVersionSet").next();
    Ok(version.and_then(|version| version.child("launchTemplateData")).map(Element::json).unwrap_or_default())
}

/// Reads the answer of `CreateLaunchTemplateVersion`: the version, and EC2's doubts about it.
pub(super) fn created(root: Element) -> Result<(LaunchTemplateVersion, Option<String>), Ec2Error> {
    let version = LaunchTemplateVersion::read(root.required_child("launchTemplateVersion")?)?;
    Ok((version, warning(root)))
}

/// A version that EC2 did not delete.
pub(super) struct Kept {
    number: String,
    code: String,
    message: String,
}

/// Reads the answer of `DeleteLaunchTemplateVersions`: what is left, without what was gone before.
pub(super) fn kept(root: Element) -> Result<Vec<Kept>, Ec2Error> {
    let read = |item: Element| {
        let error = item.child("responseError");
        let text = |name: &str| error.and_then(|error| error.text(name)).unwrap_or_default();
        let number = item.text("versionNumber").unwrap_or_default();
        Kept { number, code: text("code"), message: text("message") }
    };
    let gone = ["launchTemplateVersionDoesNotExist", "launchTemplateIdDoesNotExist"];
    let kept = root.items("unsuccessfullyDeletedLaunchTemplateVersionSet").map(read);
    Ok(kept.filter(|kept| !gone.contains(&kept.code.as_str())).collect())
}

/// The error that names what is left, if anything is.
pub(super) fn why_kept(id: &str, kept: &[Kept]) -> Option<Ec2Error> {
    let first = kept.first()?;
    let each: Vec<_> = kept.iter().map(|kept| format!("version {}: {}", kept.number, kept.message)).collect();
    let message = format!("launch template {id} keeps {}", each.join("; "));
    Some(Ec2Error::refused(200, &first.code, message, None))
}
