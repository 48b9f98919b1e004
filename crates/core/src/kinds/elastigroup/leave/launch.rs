//! What instances are launched with: the launch template's data, and what instances have to have.

use serde_json::{Map, Value, json};

use super::Way;
use super::fields::Fields;

/// The launch template's data.
pub(super) fn template(way: &mut Way, launch: &mut Fields) -> Value {
    let mut data = Map::new();
    let at = |name: &str| format!("compute.launchSpecification.{name}");
    let images = launch.list("images");
    let image = launch.text("imageId").or_else(|| Some(images.first()?["id"].as_str()?.to_owned()));
    put(&mut data, "ImageId", image.map(Value::from));
    if images.len() > 1 {
        way.lose(at("images"), format!("there are {}, one for each architecture: the launch template has the first, which instance types of another architecture cannot run", images.len()));
    }
    put(&mut data, "KeyName", launch.text("keyPair").map(Value::from));
    let mut role = launch.object("iamRole");
    let (name, arn) = (role.text("name"), role.text("arn"));
    let profile = arn.map(|arn| json!({ "Arn": arn })).or_else(|| name.map(|name| json!({ "Name": name })));
    put(&mut data, "IamInstanceProfile", profile);
    put(&mut data, "UserData", launch.text("userData").map(Value::from));
    put(&mut data, "EbsOptimized", launch.truth("ebsOptimized").map(Value::from));
    put(&mut data, "Monitoring", launch.truth("monitoring").map(|it| json!({ "Enabled": it })));
    let tenancy = launch.text("tenancy").filter(|tenancy| tenancy != "default");
    put(&mut data, "Placement", tenancy.map(|tenancy| json!({ "Tenancy": tenancy })));
    let options = [
        ("httpTokens", "HttpTokens"),
        ("httpPutResponseHopLimit", "HttpPutResponseHopLimit"),
        ("instanceMetadataTags", "InstanceMetadataTags"),
    ];
    let metadata = renamed(way, launch.object("metadataOptions"), &options);
    put(&mut data, "MetadataOptions", metadata);
    let credits = renamed(way, launch.object("creditSpecification"), &[("cpuCredits", "CpuCredits")]);
    put(&mut data, "CreditSpecification", credits);
    let processors = [("threadsPerCore", "ThreadsPerCore"), ("coreCount", "CoreCount")];
    let processors = renamed(way, launch.object("cpuOptions"), &processors);
    put(&mut data, "CpuOptions", processors);
    let devices: Vec<Value> = launch.list("blockDeviceMappings").into_iter().map(|it| device(way, it)).collect();
    put(&mut data, "BlockDeviceMappings", Some(json!(devices)).filter(|_| !devices.is_empty()));
    let groups = launch.list("securityGroupIds");
    let interfaces = launch.list("networkInterfaces");
    if interfaces.is_empty() {
        put(&mut data, "SecurityGroupIds", Some(json!(groups)).filter(|_| !groups.is_empty()));
    } else {
        let interfaces: Vec<Value> = interfaces.into_iter().map(|it| interface(way, it, &groups)).collect();
        data.insert("NetworkInterfaces".into(), json!(interfaces));
    }
    if !launch.take("itf").is_null() {
        way.lose(at("itf"), "Spot rewrites weights of rules by it: crossfade's routing says where the traffic goes");
    }
    Value::Object(data)
}

fn put(data: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        data.insert(name.into(), value);
    }
}

/// An object with other names for the same; nothing when it is empty.
fn renamed(way: &mut Way, mut fields: Fields, names: &[(&str, &str)]) -> Option<Value> {
    let mut all = Map::new();
    for (theirs, aws) in names {
        let value = fields.take(theirs);
        put(&mut all, aws, Some(value).filter(|value| !value.is_null()));
    }
    way.lose_rest(fields);
    (!all.is_empty()).then_some(Value::Object(all))
}

fn device(way: &mut Way, device: Value) -> Value {
    let mut device = Fields::new("compute.launchSpecification.blockDeviceMappings[]", device);
    let mut mapping = Map::new();
    for (theirs, aws) in [("deviceName", "DeviceName"), ("virtualName", "VirtualName"), ("noDevice", "NoDevice")] {
        put(&mut mapping, aws, device.text(theirs).map(Value::from));
    }
    let names = [
        ("deleteOnTermination", "DeleteOnTermination"),
        ("encrypted", "Encrypted"),
        ("iops", "Iops"),
        ("throughput", "Throughput"),
        ("kmsKeyId", "KmsKeyId"),
        ("snapshotId", "SnapshotId"),
        ("volumeSize", "VolumeSize"),
        ("volumeType", "VolumeType"),
    ];
    let disk = renamed(way, device.object("ebs"), &names);
    put(&mut mapping, "Ebs", disk);
    way.lose_rest(device);
    Value::Object(mapping)
}

fn interface(way: &mut Way, interface: Value, groups: &[Value]) -> Value {
    let mut interface = Fields::new("compute.launchSpecification.networkInterfaces[]", interface);
    let mut all = Map::new();
    let own = interface.list("groups");
    // Beside interfaces a launch template has no security groups of its own.
    let groups = if own.is_empty() { groups.to_vec() } else { own };
    put(&mut all, "Groups", Some(json!(groups)).filter(|_| !groups.is_empty()));
    for (theirs, aws) in [
        ("deviceIndex", "DeviceIndex"),
        ("description", "Description"),
        ("associatePublicIpAddress", "AssociatePublicIpAddress"),
        ("deleteOnTermination", "DeleteOnTermination"),
        ("secondaryPrivateIpAddressCount", "SecondaryPrivateIpAddressCount"),
    ] {
        let value = interface.take(theirs);
        put(&mut all, aws, Some(value).filter(|value| !value.is_null()));
    }
    if interface.truth("associateIpv6Address") == Some(true) {
        all.insert("Ipv6AddressCount".into(), json!(1));
    }
    way.lose_rest(interface);
    Value::Object(all)
}

/// What instances have to have, where no types are named.
pub(super) fn requirements(way: &mut Way, asked: &mut Fields) -> Option<Value> {
    let range = |of: Value, times: f64| {
        let number = |name: &str| of[name].as_f64().map(|it| (it * times).round() as u64);
        let mut range = Map::new();
        put(&mut range, "Min", number("minimum").map(Value::from));
        put(&mut range, "Max", number("maximum").map(Value::from));
        (!range.is_empty()).then_some(Value::Object(range))
    };
    let processors = range(asked.take("requiredVCpus"), 1.0);
    let memory = range(asked.take("requiredMemory"), 1024.0);
    let accelerators = range(asked.take("requiredGpu"), 1.0);
    let (families, types) = (asked.list("excludedInstanceFamilies"), asked.list("excludedInstanceTypes"));
    let generations = asked.list("excludedInstanceGenerations");
    if processors.is_none() && memory.is_none() && accelerators.is_none() {
        return None;
    }
    if !generations.is_empty() {
        way.lose(
            "compute.resourceRequirements.excludedInstanceGenerations",
            "an Auto Scaling group knows current and previous generations alone: exclude families",
        );
    }
    // AWS wants both of them.
    let mut all = json!({
        "VCpuCount": processors.unwrap_or_else(|| json!({ "Min": 0 })),
        "MemoryMiB": memory.unwrap_or_else(|| json!({ "Min": 0 })),
    });
    if let Some(count) = accelerators {
        all["AcceleratorTypes"] = json!(["gpu"]);
        all["AcceleratorCount"] = count;
    }
    let families = families.iter().filter_map(Value::as_str).map(|family| json!(format!("{family}.*")));
    let excluded: Vec<Value> = families.chain(types).collect();
    if !excluded.is_empty() {
        all["ExcludedInstanceTypes"] = json!(excluded);
    }
    Some(all)
}
