//! Images and instance types.

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

/// Reads the answer of `DescribeImages` for one image.
pub(super) fn described(root: Element) -> Result<Option<Image>, Ec2Error> {
    root.items("imagesSet").next().map(image).transpose()
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
        block_devices: image.items("blockDeviceMapping").filter_map(device).collect(),
    })
}

/// Reads the answer of `DescribeInstanceTypes` for one type.
pub(super) fn architectures(root: Element) -> Result<Option<Vec<String>>, Ec2Error> {
    let Some(found) = root.items("instanceTypeSet").next() else { return Ok(None) };
    Ok(Some(found.required_child("processorInfo")?.texts("supportedArchitectures")))
}
