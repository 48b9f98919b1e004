//! Launch template data in its three spellings.
//!
//! EC2 names a list in one way in requests (`BlockDeviceMapping.1`), in another in answers (`blockDeviceMappingSet`)
//! and in a third in the CLI's JSON (`BlockDeviceMappings`), which is how it is kept here. Everything that is no list
//! differs only in its first letter's case.

use crate::api::query::Xml;
use crate::world::{Refusal, Tree};

/// Lists: as kept, in requests, in answers. From EC2's service model.
const LISTS: &[(&str, &str, &str)] = &[
    ("BlockDeviceMappings", "BlockDeviceMapping", "blockDeviceMappingSet"),
    ("NetworkInterfaces", "NetworkInterface", "networkInterfaceSet"),
    ("Ipv6Addresses", "Ipv6Addresses", "ipv6AddressesSet"),
    ("PrivateIpAddresses", "PrivateIpAddresses", "privateIpAddressesSet"),
    ("PrivateIpAddresses", "PrivateIpAddress", "privateIpAddressesSet"),
    ("Ipv4Prefixes", "Ipv4Prefix", "ipv4PrefixSet"),
    ("Ipv6Prefixes", "Ipv6Prefix", "ipv6PrefixSet"),
    ("MetricCategoryIds", "MetricCategoryId", "metricCategoryIdSet"),
    ("TagSpecifications", "TagSpecification", "tagSpecificationSet"),
    ("Tags", "Tag", "tagSet"),
    ("ElasticGpuSpecifications", "ElasticGpuSpecification", "elasticGpuSpecificationSet"),
    ("ElasticInferenceAccelerators", "ElasticInferenceAccelerator", "elasticInferenceAcceleratorSet"),
    ("SecurityGroupIds", "SecurityGroupId", "securityGroupIdSet"),
    ("SecurityGroups", "SecurityGroup", "securityGroupSet"),
    ("LicenseSpecifications", "LicenseSpecification", "licenseSet"),
    ("CpuManufacturers", "CpuManufacturer", "cpuManufacturerSet"),
    ("ExcludedInstanceTypes", "ExcludedInstanceType", "excludedInstanceTypeSet"),
    ("InstanceGenerations", "InstanceGeneration", "instanceGenerationSet"),
    ("LocalStorageTypes", "LocalStorageType", "localStorageTypeSet"),
    ("AcceleratorTypes", "AcceleratorType", "acceleratorTypeSet"),
    ("AcceleratorManufacturers", "AcceleratorManufacturer", "acceleratorManufacturerSet"),
    ("AcceleratorNames", "AcceleratorName", "acceleratorNameSet"),
    ("AllowedInstanceTypes", "AllowedInstanceType", "allowedInstanceTypeSet"),
    ("References", "Reference", "referenceSet"),
    ("SecondaryInterfaces", "SecondaryInterface", "secondaryInterfaceSet"),
];

/// What launch template data consists of, lists apart. From EC2's service model.
const SCALARS_AND_STRUCTURES: &[&str] = &[
    "KernelId",
    "EbsOptimized",
    "IamInstanceProfile",
    "ImageId",
    "InstanceType",
    "KeyName",
    "Monitoring",
    "Placement",
    "RamDiskId",
    "DisableApiTermination",
    "InstanceInitiatedShutdownBehavior",
    "UserData",
    "InstanceMarketOptions",
    "CreditSpecification",
    "CpuOptions",
    "CapacityReservationSpecification",
    "HibernationOptions",
    "MetadataOptions",
    "EnclaveOptions",
    "InstanceRequirements",
    "PrivateDnsNameOptions",
    "MaintenanceOptions",
    "DisableApiStop",
    "NetworkPerformanceOptions",
];

/// Launch template data as kept, from a request's parameter.
pub(super) fn from_form(data: &Tree) -> Result<Tree, Refusal> {
    for (name, value) in data.members() {
        let list = matches!(value, Tree::List(_)) && LISTS.iter().any(|(_, request, _)| request == name);
        if !list && !SCALARS_AND_STRUCTURES.contains(&name.as_str()) {
            let message = format!("The parameter LaunchTemplateData.{name} is not recognized");
            return Err(Refusal::new(400, "UnknownParameter", &message));
        }
    }
    Ok(kept(data, ""))
}

fn kept(tree: &Tree, inside: &str) -> Tree {
    match tree {
        Tree::Map(members) => Tree::Map(
            members
                .iter()
                .map(|(name, value)| {
                    let own = match value {
                        // A network interface calls its security groups by another name than an instance does.
                        Tree::List(_) if name == "SecurityGroupId" && inside == "NetworkInterface" => "Groups",
                        Tree::List(_) => LISTS.iter().find(|it| it.1 == name).map_or(name.as_str(), |it| it.0),
                        _ => name,
                    };
                    (own.to_owned(), kept(value, name))
                })
                .collect(),
        ),
        Tree::List(items) => Tree::List(items.iter().map(|item| kept(item, inside)).collect()),
        other => other.clone(),
    }
}

/// Launch template data as answers show it.
pub(super) fn write(xml: &mut Xml, name: &str, tree: &Tree) {
    match tree {
        Tree::List(items) if name == "Groups" => {
            xml.tag("groupSet", |xml| items.iter().for_each(|item| write(xml, "GroupId", item)));
        }
        Tree::List(items) => {
            let set = LISTS.iter().find(|it| it.0 == name).map_or_else(|| lower_first(name), |it| it.2.to_owned());
            xml.tag(&set, |xml| items.iter().for_each(|item| write(xml, "item", item)));
        }
        Tree::Map(members) => {
            xml.tag(&lower_first(name), |xml| members.iter().for_each(|(name, value)| write(xml, name, value)));
        }
        Tree::Leaf(text) => {
            xml.leaf(&lower_first(name), text);
        }
        Tree::Dict(_) => {}
    }
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase().to_string() + characters.as_str()).unwrap_or_default()
}
