//! Images and instance types.

use std::collections::BTreeMap;

use super::Ec2Error;
use crate::call::Element;

/// An Amazon Machine Image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its id, `ami-…`.
    pub id: String,
    /// `available` when it can be launched; else `pending`, `invalid`, `deregistered`, `transient`, `failed`, `error` or
    /// `disabled` (EC2 API reference).
    pub state: String,
    /// `i386`, `x86_64`, `arm64`, `x86_64_mac` or `arm64_mac`.
    pub architecture: String,
    /// The device name of its root volume, such as `/dev/xvda`.
    pub root_device_name: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The account that owns it.
    pub owner: String,
    /// When it was made, as `2026-01-02T08:00:00.000Z`.
    pub created: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its volumes.
    pub block_devices: Vec<ImageDevice>,
}

/// A volume of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageDevice {
    /// Such as `/dev/xvda`.
    pub device_name: String,
    /// The snapshot that it is made from.
    pub snapshot_id: Option<String>,
    /// Its size, in GiB.
    pub volume_size: Option<u64>,
    /// Its type, such as `gp3`.
    pub volume_type: Option<String>,
}

/// Reads the answer of `DescribeImages`.
pub(super) fn described(root: Element) -> Result<Vec<Image>, Ec2Error> {
    root.items("imagesSet").map(image).collect()
}

fn image(image: Element) -> Result<Image, Ec2Error> {
    let device = |device: Element| {
        let ebs = device.child("ebs");
        Some(ImageDevice {
            device_name: device.text("deviceName")?,
            snapshot_id: ebs.and_then(|ebs| ebs.text("snapshotId")),
            volume_size: ebs.and_then(|ebs| ebs.parse("volumeSize")),
            volume_type: ebs.and_then(|ebs| ebs.text("volumeType")),
        })
    };
    Ok(Image {
        id: image.required("imageId")?,
        state: image.required("imageState")?,
        architecture: image.required("architecture")?,
        root_device_name: image.text("rootDeviceName"),
        name: image.text("name"),
        owner: image.text("imageOwnerId").unwrap_or_default(),
        created: image.text("creationDate").unwrap_or_default(),
        tags: image
            .items("tagSet")
            .filter_map(|tag| Some((tag.text("key")?, tag.text("value").unwrap_or_default())))
            .collect(),
        block_devices: image.items("blockDeviceMapping").filter_map(device).collect(),
    })
}

/// Reads the answer of `DescribeInstances`: the instances with the value of a tag, and where the next page begins.
pub(super) fn tagged(root: Element, key: &str) -> (Vec<(String, String)>, Option<String>) {
    let instances = root.items("reservationSet").flat_map(|reservation| reservation.items("instancesSet"));
    let found = instances.filter_map(|instance| {
        let mut tags = instance.items("tagSet");
        let value = tags.find_map(|tag| (tag.text("key")? == key).then(|| tag.text("value").unwrap_or_default()))?;
        Some((instance.text("instanceId")?, value))
    });
    (found.collect(), root.text("nextToken"))
}

/// Reads the answer of `DescribeInstances`: the image of each instance.
pub(super) fn launched(root: Element) -> Vec<String> {
    let instances = root.items("reservationSet").flat_map(|reservation| reservation.items("instancesSet"));
    instances.filter_map(|instance| instance.text("imageId")).collect()
}

/// Reads the answer of `DescribeInstanceTypes` for one type.
pub(super) fn architectures(root: Element) -> Result<Option<Vec<String>>, Ec2Error> {
    let Some(found) = root.items("instanceTypeSet").next() else { return Ok(None) };
    Ok(Some(found.required_child("processorInfo")?.texts("supportedArchitectures")))
}
