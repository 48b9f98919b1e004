//! A launch configuration as launch template data.
//!
//! The two have different defaults. What a configuration leaves open is written out where a template would take it for
//! something else.

use aws_sdk_autoscaling::types::{BlockDeviceMapping, InstanceMetadataOptions, LaunchConfiguration};

use crate::ec2::{BlockDevice, LaunchTemplateData, MetadataOptions, UserData};

/// What the configuration says, with another image. ClassicLink is missing: no template can say it, and AWS has retired it.
pub(super) fn template_data(from: &LaunchConfiguration, ami: &str) -> LaunchTemplateData {
    LaunchTemplateData {
        image_id: Some(ami.into()),
        instance_type: text(&from.instance_type),
        key_name: text(&from.key_name),
        security_groups: from.security_groups.clone().unwrap_or_default(),
        user_data: text(&from.user_data).map(UserData),
        iam_instance_profile: text(&from.iam_instance_profile),
        block_devices: from.block_device_mappings.iter().flatten().map(block_device).collect(),
        // On unless switched off, unlike a template's (Auto Scaling API reference, InstanceMonitoring).
        monitoring: Some(from.instance_monitoring.as_ref().and_then(|it| it.enabled).unwrap_or(true)),
        ebs_optimized: from.ebs_optimized,
        spot_price: text(&from.spot_price),
        metadata_options: from.metadata_options.as_ref().map(metadata_options),
        associate_public_ip_address: from.associate_public_ip_address,
        placement_tenancy: text(&from.placement_tenancy),
        kernel_id: text(&from.kernel_id),
        ramdisk_id: text(&from.ramdisk_id),
    }
}

fn block_device(from: &BlockDeviceMapping) -> BlockDevice {
    let ebs = from.ebs.as_ref();
    let number = |number: Option<i32>| number.and_then(|number| u64::try_from(number).ok());
    BlockDevice {
        device_name: from.device_name.clone().unwrap_or_default(),
        virtual_name: text(&from.virtual_name),
        no_device: from.no_device.unwrap_or_default(),
        snapshot_id: ebs.and_then(|ebs| text(&ebs.snapshot_id)),
        volume_size: ebs.and_then(|ebs| number(ebs.volume_size)),
        volume_type: ebs.and_then(|ebs| text(&ebs.volume_type)),
        // True unless said otherwise (Auto Scaling API reference, Ebs); left open, a template's volumes could outlive
        // their instances.
        delete_on_termination: ebs.map(|ebs| ebs.delete_on_termination.unwrap_or(true)),
        encrypted: ebs.and_then(|ebs| ebs.encrypted),
        kms_key_id: None,
        iops: ebs.and_then(|ebs| number(ebs.iops)),
        throughput: ebs.and_then(|ebs| number(ebs.throughput)),
    }
}

fn metadata_options(from: &InstanceMetadataOptions) -> MetadataOptions {
    MetadataOptions {
        http_tokens: from.http_tokens.as_ref().map(|it| it.as_str().to_owned()),
        http_put_response_hop_limit: from.http_put_response_hop_limit.and_then(|limit| u64::try_from(limit).ok()),
        http_endpoint: from.http_endpoint.as_ref().map(|it| it.as_str().to_owned()),
    }
}

fn text(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}
