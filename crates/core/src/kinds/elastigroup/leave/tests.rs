use serde_json::{Value, json};

use super::{Left, leave, name_of};

/// An Elastigroup as Spot's console shows it, with nulls and what is read-only.
fn group() -> Value {
    json!({
        "id": "sig-0ff1ce00", "createdAt": "2018-06-25T11:49:00.000Z", "name": "shop web", "description": "the shop",
        "region": "eu-west-1",
        "capacity": { "unit": "instance", "minimum": 1, "target": 2, "maximum": 4 },
        "strategy": {
            "risk": 80, "onDemandCount": null, "availabilityVsCost": "balanced", "fallbackToOd": true, "drainingTimeout": 300,
            "revertToSpot": { "performAt": "always" }, "utilizeReservedInstances": true,
            "signals": [{ "name": "INSTANCE_READY", "timeout": 600 }],
        },
        "compute": {
            "product": "Linux/UNIX",
            "availabilityZones": [
                { "name": "eu-west-1a", "subnetIds": ["subnet-a"] },
                { "name": "eu-west-1b", "subnetIds": ["subnet-b", "subnet-a"] },
            ],
            "instanceTypes": { "ondemand": "m6i.large", "spot": ["m5.large", "m6i.large", "m5a.large"] },
            "launchSpecification": {
                "imageId": "ami-0a11ce00000000006", "images": null, "keyPair": "shop", "userData": "IyE=",
                "securityGroupIds": ["sg-1"], "iamRole": { "arn": "arn:aws:iam::123456789012:instance-profile/shop" },
                "ebsOptimized": true, "monitoring": false, "tenancy": "default",
                "blockDeviceMappings": [{ "deviceName": "/dev/xvda", "ebs": { "volumeSize": 20, "volumeType": "gp3", "encrypted": true } }],
                "metadataOptions": { "httpTokens": "required", "httpPutResponseHopLimit": 2 },
                "healthCheckType": "TARGET_GROUP", "healthCheckGracePeriod": 240,
                "loadBalancersConfig": { "loadBalancers": [{ "name": "shop-a", "arn": "arn:shop-a", "type": "TARGET_GROUP" }] },
                "tags": [{ "tagKey": "team", "tagValue": "shop" }, { "tagKey": "spotinst:x", "tagValue": "y" }],
            },
        },
        "scaling": {
            "target": [{
                "policyName": "cpu", "metricName": "CPUUtilization", "namespace": "AWS/EC2", "statistic": "average", "unit": "percent",
                "target": 60, "cooldown": 300,
            }],
            "up": [{
                "policyName": "busy", "metricName": "CPUUtilization", "namespace": "AWS/EC2", "statistic": "average", "unit": "percent",
                "threshold": 90, "operator": "gte", "adjustment": 2, "cooldown": 120, "evaluationPeriods": 3, "period": 60,
            }],
        },
        "scheduling": { "tasks": [
            { "taskType": "scale", "cronExpression": "0 6 * * *", "isEnabled": true, "scaleMinCapacity": 4, "scaleTargetCapacity": 4 },
            { "taskType": "roll", "cronExpression": "0 3 * * 0", "isEnabled": true },
        ] },
        "thirdPartiesIntegration": null,
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Left {
    let mut group = group();
    change(&mut group);
    leave(group, "shop-base")
}

fn properties<'a>(left: &'a Left, resource: &str) -> &'a Value {
    &left.template["Resources"][resource]["Properties"]
}

fn lost(left: &Left, field: &str) -> String {
    left.lost.iter().filter(|(of, _)| of == field).map(|(_, what)| what.as_str()).collect::<Vec<_>>().join("; ")
}

#[test]
fn e9_a_base_is_made_at_size_0_from_what_an_elastigroup_says() {
    let left = with(|_| ());
    let base = properties(&left, "Base");
    assert_eq!((&base["MinSize"], &base["DesiredCapacity"], &base["MaxSize"]), (&json!("0"), &json!("0"), &json!("0")));
    assert_eq!(
        left.compute,
        json!({ "autoScalingGroup": { "base": "shop-base", "capacity": { "fixed": { "min": 1, "desired": 2, "max": 4 } } } })
    );
    assert_eq!(base["VPCZoneIdentifier"], json!(["subnet-a", "subnet-b"]));
    assert_eq!(base["TargetGroupARNs"], json!(["arn:shop-a"]));
    assert_eq!((&base["HealthCheckType"], &base["HealthCheckGracePeriod"]), (&json!("ELB"), &json!(240)));
    assert_eq!(base["CapacityRebalance"], true);
    assert_eq!(base["Tags"], json!([{ "Key": "team", "Value": "shop", "PropagateAtLaunch": true }]));
    let mixed = &base["MixedInstancesPolicy"];
    assert_eq!(
        mixed["InstancesDistribution"],
        json!({
            "OnDemandAllocationStrategy": "prioritized", "OnDemandPercentageAboveBaseCapacity": 20,
            "SpotAllocationStrategy": "price-capacity-optimized",
        })
    );
    // What runs on demand is of the first type.
    let types = ["m6i.large", "m5.large", "m5a.large"].map(|it| json!({ "InstanceType": it }));
    assert_eq!(mixed["LaunchTemplate"]["Overrides"], json!(types));
    assert_eq!(
        mixed["LaunchTemplate"]["LaunchTemplateSpecification"]["LaunchTemplateId"],
        json!({ "Ref": "LaunchTemplate" })
    );
    assert_eq!(
        properties(&left, "LaunchTemplate"),
        &json!({ "LaunchTemplateName": "shop-base", "LaunchTemplateData": {
            "ImageId": "ami-0a11ce00000000006", "KeyName": "shop", "UserData": "IyE=", "SecurityGroupIds": ["sg-1"],
            "IamInstanceProfile": { "Arn": "arn:aws:iam::123456789012:instance-profile/shop" }, "EbsOptimized": true,
            "Monitoring": { "Enabled": false },
            "BlockDeviceMappings": [{ "DeviceName": "/dev/xvda", "Ebs": { "VolumeSize": 20, "VolumeType": "gp3", "Encrypted": true } }],
            "MetadataOptions": { "HttpTokens": "required", "HttpPutResponseHopLimit": 2 },
        } })
    );
    assert_eq!(
        base["LifecycleHookSpecificationList"],
        json!([{
            "LifecycleHookName": "ready", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING", "HeartbeatTimeout": 600,
            "DefaultResult": "ABANDON",
        }])
    );
}

#[test]
fn e9_what_lets_it_scale_becomes_policies_alarms_and_a_schedule_that_waits() {
    let left = with(|_| ());
    assert_eq!(
        properties(&left, "Track1")["TargetTrackingConfiguration"],
        json!({ "TargetValue": 60, "PredefinedMetricSpecification": { "PredefinedMetricType": "ASGAverageCPUUtilization" } })
    );
    let policy = properties(&left, "ScaleUp1");
    assert_eq!((&policy["AdjustmentType"], &policy["ScalingAdjustment"]), (&json!("ChangeInCapacity"), &json!(2)));
    let alarm = properties(&left, "ScaleUp1Alarm");
    assert_eq!(
        (&alarm["Threshold"], &alarm["EvaluationPeriods"], &alarm["Unit"]),
        (&json!(90), &json!(3), &json!("Percent"))
    );
    assert_eq!(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold");
    assert_eq!(alarm["Dimensions"], json!([{ "Name": "AutoScalingGroupName", "Value": { "Ref": "Base" } }]));
    assert_eq!(alarm["AlarmActions"], json!([{ "Ref": "ScaleUp1" }]));
    assert_eq!(left.template["Resources"]["Schedule1"]["Condition"], "HasSchedule");
    assert_eq!(properties(&left, "Schedule1")["Recurrence"], "0 6 * * *");
    assert_eq!(left.template["Parameters"]["Schedule"]["Default"], "no");
    assert!(lost(&left, "scheduling.tasks[1]").contains("roll"));
    let steps = with(|group| {
        group["scaling"]["down"] = json!([{
            "metricName": "queue", "namespace": "shop", "statistic": "maximum", "operator": "lt",
            "dimensions": [{ "name": "Queue", "value": "orders" }],
            "stepAdjustments": [
                { "threshold": 10, "action": { "type": "adjustment", "adjustment": 1 } },
                { "threshold": 2, "action": { "type": "adjustment", "adjustment": "3" } },
            ],
        }]);
    });
    assert_eq!(
        properties(&steps, "ScaleDown1")["StepAdjustments"],
        json!([
            { "MetricIntervalUpperBound": 0.0, "MetricIntervalLowerBound": -8.0, "ScalingAdjustment": -1 },
            { "MetricIntervalUpperBound": -8.0, "ScalingAdjustment": -3 },
        ])
    );
    assert_eq!(properties(&steps, "ScaleDown1Alarm")["Threshold"], 10.0);
}

#[test]
fn e9_what_has_no_counterpart_is_told_and_nothing_is_left_out_in_silence() {
    let left = with(|group| {
        group["strategy"]["soonToCome"] = json!(true);
        group["strategy"]["persistence"] = json!({ "shouldPersistRootDevice": true });
        group["compute"]["elasticIps"] = json!(["eipalloc-1"]);
        group["compute"]["launchSpecification"]["itf"] = json!({ "loadBalancers": [] });
        group["compute"]["launchSpecification"]["healthCheckUnhealthyDurationBeforeReplacement"] = json!(90);
        group["thirdPartiesIntegration"] = json!({ "codeDeploy": { "terminateInstanceOnFailure": true } });
        group["scaling"]["up"][0]["action"] = json!({ "type": "setMinTarget", "minTargetCapacity": "3" });
    });
    for field in [
        "strategy.fallbackToOd",
        "strategy.revertToSpot",
        "strategy.utilizeReservedInstances",
        "strategy.drainingTimeout",
        "strategy.persistence",
        "strategy.soonToCome",
        "strategy.signals",
        "compute.elasticIps",
        "compute.launchSpecification.itf",
        "compute.launchSpecification.healthCheckUnhealthyDurationBeforeReplacement",
        "thirdPartiesIntegration.codeDeploy",
        "scaling.up[0]",
        "scheduling.tasks",
    ] {
        assert!(!lost(&left, field).is_empty(), "{field}: {:?}", left.lost);
    }
    assert!(lost(&left, "strategy.drainingTimeout").contains("300 s"));
    assert!(left.template["Resources"].get("ScaleUp1").is_none());
}

#[test]
fn e9_strategies_and_requirements_have_their_counterparts() {
    let distribution = |change: fn(&mut Value)| {
        let left = with(change);
        properties(&left, "Base")["MixedInstancesPolicy"]["InstancesDistribution"].clone()
    };
    let of_count = distribution(|group| {
        group["strategy"]["risk"] = Value::Null;
        group["strategy"]["onDemandCount"] = json!(2);
    });
    assert_eq!(
        (&of_count["OnDemandBaseCapacity"], &of_count["OnDemandPercentageAboveBaseCapacity"]),
        (&json!(2), &json!(0))
    );
    let available = |group: &mut Value| group["strategy"]["availabilityVsCost"] = json!("availabilityOriented");
    assert_eq!(distribution(available)["SpotAllocationStrategy"], "capacity-optimized");
    let prefers = with(|group| {
        group["strategy"]["availabilityVsCost"] = json!("availabilityOriented");
        group["compute"]["instanceTypes"]["preferredSpot"] = json!(["m5a.large"]);
    });
    let mixed = &properties(&prefers, "Base")["MixedInstancesPolicy"];
    assert_eq!(mixed["InstancesDistribution"]["SpotAllocationStrategy"], "capacity-optimized-prioritized");
    assert_eq!(mixed["LaunchTemplate"]["Overrides"][0]["InstanceType"], "m5a.large");
    let required = with(|group| {
        group["compute"]["instanceTypes"] = Value::Null;
        group["compute"]["resourceRequirements"] = json!({
            "requiredVCpus": { "minimum": 2, "maximum": 8 }, "requiredMemory": { "minimum": 4 }, "excludedInstanceFamilies": ["t2"],
        });
    });
    assert_eq!(
        properties(&required, "Base")["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"],
        json!([{ "InstanceRequirements": {
            "VCpuCount": { "Min": 2, "Max": 8 }, "MemoryMiB": { "Min": 4096 }, "ExcludedInstanceTypes": ["t2.*"],
        } }])
    );
    let equal = with(|group| group["strategy"]["availabilityVsCost"] = json!("equalAzDistribution"));
    assert_eq!(
        properties(&equal, "Base")["AvailabilityZoneDistribution"]["CapacityDistributionStrategy"],
        "balanced-only"
    );
}

#[test]
fn e9_a_base_gets_a_name_that_a_document_may_say() {
    assert_eq!(name_of(&group()), "shop-web-base");
    assert_eq!(name_of(&json!({})), "elastigroup-base");
}
