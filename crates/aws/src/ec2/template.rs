//! Launch template data: as much as a launch configuration can say.

use std::collections::BTreeMap;
use std::fmt;

use super::Ec2Error;
use crate::call::{Element, Parameters};

/// What instances are launched with. Everything is optional, as in EC2; what crossfade does not know of is missing here
/// when it reads a version, and is kept by EC2 when a version is made from another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchTemplateData {
    /// An image, or `resolve:ssm:…`, which is resolved at launch.
    pub image_id: Option<String>,
    /// An instance type.
    pub instance_type: Option<String>,
    /// The name of a key pair.
    pub key_name: Option<String>,
    /// Ids (`sg-…`) or names of security groups.
    pub security_groups: Vec<String>,
    /// User data in base64.
    pub user_data: Option<UserData>,
    /// The name or the ARN of an instance profile.
    pub iam_instance_profile: Option<String>,
    /// Volumes.
    pub block_devices: Vec<BlockDevice>,
    /// Whether detailed monitoring is on.
    pub monitoring: Option<bool>,
    /// Whether the instance has its own bandwidth for volumes.
    pub ebs_optimized: Option<bool>,
    /// The highest price for a Spot Instance, in dollars per hour; none for On-Demand.
    pub spot_price: Option<String>,
    /// How the instance metadata service behaves.
    pub metadata_options: Option<MetadataOptions>,
    /// Whether instances get a public address, whatever their subnet says.
    pub associate_public_ip_address: Option<bool>,
    /// `default`, `dedicated` or `host`.
    pub placement_tenancy: Option<String>,
    /// A kernel, for images that bring none.
    pub kernel_id: Option<String>,
    /// A RAM disk, for images that bring none.
    pub ramdisk_id: Option<String>,
}

/// User data in base64, which often holds secrets and is therefore never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserData(pub String);

impl fmt::Debug for UserData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "UserData({} characters)", self.0.len())
    }
}

/// A volume, or a device of the image that is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockDevice {
    /// Such as `/dev/xvda`.
    pub device_name: String,
    /// An instance store volume, such as `ephemeral0`.
    pub virtual_name: Option<String>,
    /// Whether the image's device of that name is left out.
    pub no_device: bool,
    /// The snapshot that the volume is made from.
    pub snapshot_id: Option<String>,
    /// Its size, in GiB.
    pub volume_size: Option<u64>,
    /// Its type, such as `gp3`.
    pub volume_type: Option<String>,
    /// Whether it goes with its instance.
    pub delete_on_termination: Option<bool>,
    /// Whether it is encrypted.
    pub encrypted: Option<bool>,
    /// The key that it is encrypted with.
    pub kms_key_id: Option<String>,
    /// Its I/O operations per second.
    pub iops: Option<u64>,
    /// Its throughput, in MiB per second.
    pub throughput: Option<u64>,
}

/// How the instance metadata service behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataOptions {
    /// `required` (version 2 only) or `optional`.
    pub http_tokens: Option<String>,
    /// How many network hops an answer may travel.
    pub http_put_response_hop_limit: Option<u64>,
    /// `enabled` or `disabled`.
    pub http_endpoint: Option<String>,
}

/// A launch template, without its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchTemplate {
    /// Its id, `lt-…`.
    pub id: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A launch template that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTemplate {
    /// Its id, `lt-…`.
    pub id: String,
    /// The number of its only version.
    pub version: u64,
    /// EC2's doubts: the template exists, and launching from it would fail.
    pub warning: Option<String>,
}

impl LaunchTemplateData {
    /// Adds the parameters under `prefix`.
    pub(super) fn write(&self, prefix: &str, parameters: &mut Parameters) {
        let at = |name: &str| format!("{prefix}.{name}");
        let profile = self.iam_instance_profile.as_ref();
        let profile_kind = if profile.is_some_and(|profile| profile.starts_with("arn:")) { "Arn" } else { "Name" };
        parameters
            .maybe(&at("ImageId"), self.image_id.as_ref())
            .maybe(&at("InstanceType"), self.instance_type.as_ref())
            .maybe(&at("KeyName"), self.key_name.as_ref())
            .maybe(&at("UserData"), self.user_data.as_ref().map(|data| &data.0))
            .maybe(&at(&format!("IamInstanceProfile.{profile_kind}")), profile)
            .maybe(&at("Monitoring.Enabled"), self.monitoring)
            .maybe(&at("EbsOptimized"), self.ebs_optimized)
            .maybe(&at("Placement.Tenancy"), self.placement_tenancy.as_ref())
            .maybe(&at("KernelId"), self.kernel_id.as_ref())
            .maybe(&at("RamDiskId"), self.ramdisk_id.as_ref());
        if let Some(price) = &self.spot_price {
            parameters.put(&at("InstanceMarketOptions.MarketType"), "spot");
            parameters.put(&at("InstanceMarketOptions.SpotOptions.MaxPrice"), price);
        }
        if let Some(options) = &self.metadata_options {
            parameters
                .maybe(&at("MetadataOptions.HttpTokens"), options.http_tokens.as_ref())
                .maybe(&at("MetadataOptions.HttpPutResponseHopLimit"), options.http_put_response_hop_limit)
                .maybe(&at("MetadataOptions.HttpEndpoint"), options.http_endpoint.as_ref());
        }
        for (n, device) in (1..).zip(&self.block_devices) {
            device.write(&at(&format!("BlockDeviceMapping.{n}")), parameters);
        }
        let (ids, names): (Vec<&String>, Vec<&String>) =
            self.security_groups.iter().partition(|group| group.starts_with("sg-"));
        match self.associate_public_ip_address {
            None => {
                parameters.list(&at("SecurityGroupId"), &ids).list(&at("SecurityGroup"), &names);
            }
            // Only an interface can have it, and then the security groups are the interface's (EC2 API reference).
            Some(public) => {
                let interface = at("NetworkInterface.1");
                parameters
                    .put(&format!("{interface}.DeviceIndex"), 0)
                    .put(&format!("{interface}.AssociatePublicIpAddress"), public)
                    .put(&format!("{interface}.DeleteOnTermination"), true)
                    .list(&format!("{interface}.SecurityGroupId"), &self.security_groups);
            }
        }
    }

    /// Reads `launchTemplateData`.
    pub(super) fn read(data: Element) -> Self {
        let within = |parent: &str, name: &str| data.child(parent).and_then(|parent| parent.text(name));
        let interface = data.items("networkInterfaceSet").next();
        let mut security_groups = data.texts("securityGroupIdSet");
        security_groups.extend(data.texts("securityGroupSet"));
        if let Some(groups) = interface.and_then(|interface| interface.child("groupSet")) {
            security_groups.extend(groups.each().filter_map(Element::own_text));
        }
        let options = data.child("metadataOptions");
        let spot = data.child("instanceMarketOptions").and_then(|market| market.child("spotOptions"));
        Self {
            image_id: data.text("imageId"),
            instance_type: data.text("instanceType"),
            key_name: data.text("keyName"),
            security_groups,
            user_data: data.text("userData").map(UserData),
            iam_instance_profile: within("iamInstanceProfile", "arn").or(within("iamInstanceProfile", "name")),
            block_devices: data.items("blockDeviceMappingSet").filter_map(BlockDevice::read).collect(),
            monitoring: data.child("monitoring").and_then(|monitoring| monitoring.parse("enabled")),
            ebs_optimized: data.parse("ebsOptimized"),
            spot_price: spot.and_then(|spot| spot.text("maxPrice")),
            metadata_options: options.map(|options| MetadataOptions {
                http_tokens: options.text("httpTokens"),
                http_put_response_hop_limit: options.parse("httpPutResponseHopLimit"),
                http_endpoint: options.text("httpEndpoint"),
            }),
            associate_public_ip_address: interface.and_then(|interface| interface.parse("associatePublicIpAddress")),
            placement_tenancy: within("placement", "tenancy"),
            kernel_id: data.text("kernelId"),
            ramdisk_id: data.text("ramDiskId"),
        }
    }
}

impl BlockDevice {
    fn write(&self, prefix: &str, parameters: &mut Parameters) {
        let at = |name: &str| format!("{prefix}.{name}");
        parameters
            .put(&at("DeviceName"), &self.device_name)
            .maybe(&at("VirtualName"), self.virtual_name.as_ref())
            // An empty text means yes (EC2 API reference).
            .maybe(&at("NoDevice"), self.no_device.then_some(""))
            .maybe(&at("Ebs.SnapshotId"), self.snapshot_id.as_ref())
            .maybe(&at("Ebs.VolumeSize"), self.volume_size)
            .maybe(&at("Ebs.VolumeType"), self.volume_type.as_ref())
            .maybe(&at("Ebs.DeleteOnTermination"), self.delete_on_termination)
            .maybe(&at("Ebs.Encrypted"), self.encrypted)
            .maybe(&at("Ebs.KmsKeyId"), self.kms_key_id.as_ref())
            .maybe(&at("Ebs.Iops"), self.iops)
            .maybe(&at("Ebs.Throughput"), self.throughput);
    }

    fn read(device: Element) -> Option<Self> {
        let ebs = device.child("ebs");
        let text = |name: &str| ebs.and_then(|ebs| ebs.text(name));
        Some(Self {
            device_name: device.text("deviceName")?,
            virtual_name: device.text("virtualName"),
            no_device: device.child("noDevice").is_some(),
            snapshot_id: text("snapshotId"),
            volume_size: ebs.and_then(|ebs| ebs.parse("volumeSize")),
            volume_type: text("volumeType"),
            delete_on_termination: ebs.and_then(|ebs| ebs.parse("deleteOnTermination")),
            encrypted: ebs.and_then(|ebs| ebs.parse("encrypted")),
            kms_key_id: text("kmsKeyId"),
            iops: ebs.and_then(|ebs| ebs.parse("iops")),
            throughput: ebs.and_then(|ebs| ebs.parse("throughput")),
        })
    }
}

/// Reads the answer of `DescribeLaunchTemplates` for one template.
pub(super) fn described(root: Element) -> Result<Option<LaunchTemplate>, Ec2Error> {
    let template = |template: Element| {
        let tag = |tag: Element| Some((tag.text("key")?, tag.text("value").unwrap_or_default()));
        Ok(LaunchTemplate {
            id: template.required("launchTemplateId")?,
            tags: template.items("tagSet").filter_map(tag).collect(),
        })
    };
    root.items("launchTemplates").next().map(template).transpose()
}

/// Reads the answer of `CreateLaunchTemplate`.
pub(super) fn created(root: Element) -> Result<CreatedTemplate, Ec2Error> {
    let template = root.required_child("launchTemplate")?;
    Ok(CreatedTemplate {
        id: template.required("launchTemplateId")?,
        version: template.required_number("latestVersionNumber")?,
        warning: warning(root),
    })
}

/// The messages of `warning`, if there is one.
pub(super) fn warning(root: Element) -> Option<String> {
    let warning = root.child("warning")?;
    let error = |error: Element| {
        let parts = [error.text("code"), error.text("message")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    };
    let messages: Vec<_> = warning.items("errorSet").map(error).collect();
    Some(if messages.is_empty() { "a warning without a message".to_owned() } else { messages.join("; ") })
}
