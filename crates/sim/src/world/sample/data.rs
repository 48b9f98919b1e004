//! The sample's settings of groups, launch templates and launch configurations.

use serde_json::{Value, json};

const SERVICE_LINKED_ROLE: &str = "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/\
    AWSServiceRoleForAutoScaling";

/// Those of the sample's subnets that are in the first two zones.
pub(super) const SERVED_SUBNETS: &str = "subnet-0aaa1111bbbb2222c,subnet-0ddd3333eeee4444f";

/// Group settings, most of them unlike their defaults, so that a clone that forgets one is found out.
pub(super) fn settings() -> Value {
    json!({
        "VPCZoneIdentifier": "subnet-0aaa1111bbbb2222c,subnet-0ddd3333eeee4444f,subnet-0fff5555aaaa6666b",
        "HealthCheckType": "ELB",
        "HealthCheckGracePeriod": 240,
        "DefaultCooldown": 120,
        "DefaultInstanceWarmup": 60,
        "TerminationPolicies": ["OldestLaunchTemplate", "OldestInstance"],
        "MaxInstanceLifetime": 2_592_000,
        "CapacityRebalance": true,
        "ServiceLinkedRoleARN": SERVICE_LINKED_ROLE,
        "InstanceMaintenancePolicy": { "MinHealthyPercentage": 90, "MaxHealthyPercentage": 120 },
        "AvailabilityZoneDistribution": { "CapacityDistributionStrategy": "balanced-best-effort" },
    })
}

pub(super) fn template_data(image: &str) -> Value {
    json!({
        "ImageId": image,
        "InstanceType": "m6i.large",
        "KeyName": "shop",
        "UserData": "IyEvYmluL3NoCmV4ZWMgL29wdC9zaG9wL3N0YXJ0Cg==",
        "EbsOptimized": true,
        "SecurityGroupIds": ["sg-0123456789abcdef0"],
        "IamInstanceProfile": { "Arn": "arn:aws:iam::123456789012:instance-profile/shop" },
        "Monitoring": { "Enabled": true },
        "MetadataOptions": { "HttpTokens": "required", "HttpPutResponseHopLimit": 2 },
        "BlockDeviceMappings": [
            { "DeviceName": "/dev/xvda", "Ebs": { "VolumeSize": 30, "VolumeType": "gp3", "Encrypted": true } },
        ],
        "TagSpecifications": [
            { "ResourceType": "instance", "Tags": [{ "Key": "service", "Value": "shop" }] },
        ],
    })
}

pub(super) fn configuration_data() -> Value {
    json!({
        "ImageId": "ami-0a11ce00000000002",
        "InstanceType": "m6i.large",
        "KeyName": "shop",
        "UserData": "IyEvYmluL3NoCmV4ZWMgL29wdC9zaG9wL3N0YXJ0Cg==",
        "SecurityGroups": ["sg-0123456789abcdef0"],
        "IamInstanceProfile": "shop",
        "EbsOptimized": true,
        "InstanceMonitoring": { "Enabled": true },
        "AssociatePublicIpAddress": false,
        "MetadataOptions": { "HttpTokens": "required", "HttpPutResponseHopLimit": 2 },
        "BlockDeviceMappings": [
            { "DeviceName": "/dev/xvda", "Ebs": { "VolumeSize": 30, "VolumeType": "gp3", "Encrypted": true } },
        ],
    })
}
