//! The sample's fleets as Elastigroups of Spot, in one account.

use serde_json::{Value, json};

use super::{Layout, RUNNING_AMI, ShopOptions, Source};
use crate::world::{Refusal, World};

/// The target groups of production, those beside them, and the other team's.
pub(super) struct Pools<'a> {
    pub(super) production: &'a [String],
    pub(super) second: &'a [String],
    pub(super) search: Option<&'a String>,
    pub(super) other: &'a str,
}

/// Adds the groups. Answers the id of the base.
pub(super) fn add(world: &mut World, options: &ShopOptions, pools: &Pools<'_>) -> Result<String, Refusal> {
    refuse_what_they_have_not(options)?;
    let mut base = group(options, "shop-base", "ami-0a11ce00000000002", pools.production, 0, &[]);
    if options.equipped {
        scale_by_itself(&mut base, pools.production);
    }
    let base = world.add_elastigroup(&base, true)?;
    if options.equipped {
        // It is a template only.
        world.suspend_elastigroup(&base, "SCHEDULING", None)?;
    }
    for revision in 2..=6 {
        add_revision(world, options, revision, pools, &base)?;
    }
    let theirs = group(options, "other-team", RUNNING_AMI, &[pools.other.to_owned()], 2, &[("team", "other")]);
    world.add_elastigroup(&theirs, true)?;
    for instance in world.spot_instances_of("shop__6").into_iter().take(options.ill as usize) {
        world.assume_ill(&instance);
    }
    if let Some(quirk) = options.quirk {
        world.settings.spot = quirk.of(world.settings.spot.clone());
    }
    Ok(base)
}

fn add_revision(
    world: &mut World,
    options: &ShopOptions,
    revision: u64,
    pools: &Pools<'_>,
    base: &str,
) -> Result<(), Refusal> {
    let instances = match revision {
        6 => options.instances,
        _ => options.also_running.iter().find(|(also, _)| *also == revision).map_or(0, |(_, count)| *count),
    };
    // Those that sleep stand where they served last: every other revision on the other side, where there are two.
    let asleep = options.sleeping.iter().find(|(it, _)| *it == revision).map(|(_, count)| *count);
    let instances = if asleep.is_some() { 0 } else { instances };
    let aside = instances == 0 && asleep.is_none() && revision % 2 == 1 && options.layout != Layout::Attached;
    let mut behind = if aside { pools.second.to_vec() } else { pools.production.to_vec() };
    behind.extend(pools.search.filter(|_| revision == 6).cloned());
    let (number, name) = (revision.to_string(), format!("shop__{revision}"));
    let deployment = format!("earlier-{revision}");
    let infrastructure = format!("shop/production/spot:{}:{base}", crate::world::spot::SPOT_ACCOUNT);
    let tags = [
        ("crossfade:infrastructure", infrastructure.as_str()),
        ("crossfade:revision", &number),
        ("crossfade:deployment", &deployment),
        ("crossfade:fleet", &name),
    ];
    let image = format!("ami-0a11ce0000000000{revision}");
    let mut settings = group(options, &name, &image, &behind, instances, &tags);
    // What serves has the series' own name, but where all serve together.
    if revision == 6 && options.layout != Layout::Attached {
        settings["name"] = json!("shop");
    }
    if options.unserved_zone
        && let Some(zones) = settings["compute"]["availabilityZones"].as_array_mut()
    {
        zones.truncate(2);
    }
    if revision == 6 && options.equipped {
        scale_by_itself(&mut settings, pools.production);
    }
    if let Some(count) = asleep {
        settings["capacity"]["maximum"] = json!(count * 2);
        settings["scheduling"] = opening(world, count, options.sleeps_minutes);
    }
    let id = world.add_elastigroup(&settings, true)?;
    if instances == 0 && asleep.is_none() {
        // As whoever retired it has left it.
        for process in ["SCHEDULING", "OUT_OF_STRATEGY", "REVERT_PREFERRED"] {
            world.suspend_elastigroup(&id, process, None)?;
        }
    }
    if revision == 6 && options.equipped {
        world.suspend_elastigroup(&id, "REVERT_PREFERRED", None)?;
    }
    for process in ["AUTO_SCALE", "SCHEDULING"] {
        if let Some(minutes) = options.rests_minutes.filter(|_| revision == 6) {
            world.suspend_elastigroup(&id, process, Some(minutes))?;
        }
    }
    Ok(())
}

/// A group, most of whose settings are unlike their defaults, so that a copy that forgets one is found out.
fn group(
    options: &ShopOptions,
    name: &str,
    image: &str,
    target_groups: &[String],
    instances: u32,
    tags: &[(&str, &str)],
) -> Value {
    let balancer = |arn: &String| json!({ "name": arn.split('/').nth(1), "arn": arn, "type": "TARGET_GROUP" });
    let zone = |name: &str, subnet: &str| json!({ "name": name, "subnetIds": [subnet] });
    let own = [("team", "storefront"), ("cost-centre", "4711")];
    let tags = own.iter().chain(tags).map(|(key, value)| json!({ "tagKey": key, "tagValue": value }));
    json!({
        "name": name,
        "description": "the shop",
        "region": "eu-west-1",
        "capacity": { "unit": "instance", "minimum": instances, "target": instances, "maximum": instances * 2 },
        "strategy": {
            "risk": 80,
            "availabilityVsCost": "balanced",
            "fallbackToOd": true,
            "utilizeReservedInstances": false,
            "drainingTimeout": options.deregistration_seconds + 30,
        },
        "compute": {
            "product": "Linux/UNIX",
            "availabilityZones": [
                zone("eu-west-1a", "subnet-0aaa1111bbbb2222c"),
                zone("eu-west-1b", "subnet-0ddd3333eeee4444f"),
                zone("eu-west-1c", "subnet-0fff5555aaaa6666b"),
            ],
            "instanceTypes": { "ondemand": "m6i.large", "spot": ["m6i.large", "m5.large"] },
            "launchSpecification": {
                "imageId": image,
                "keyPair": "shop",
                "userData": "IyEvYmluL3NoCmV4ZWMgL29wdC9zaG9wL3N0YXJ0Cg==",
                "securityGroupIds": ["sg-0123456789abcdef0"],
                "iamRole": { "arn": "arn:aws:iam::123456789012:instance-profile/shop" },
                "ebsOptimized": true,
                "monitoring": true,
                "healthCheckType": if options.ec2_checks { "EC2" } else { "TARGET_GROUP" },
                "healthCheckGracePeriod": options.grace_seconds,
                "healthCheckUnhealthyDurationBeforeReplacement": 90,
                "tags": tags.collect::<Vec<_>>(),
                "loadBalancersConfig": { "loadBalancers": target_groups.iter().map(balancer).collect::<Vec<_>>() },
            },
        },
    })
}

/// A policy by the requests of a target group, one by the processor, and a schedule that asks for four by day and two by night.
fn scale_by_itself(group: &mut Value, target_groups: &[String]) {
    let target_group = target_groups.first().and_then(|arn| arn.rsplit(':').next());
    group["scaling"] = json!({
        "target": [{
            "policyName": "requests", "metricName": "RequestCountPerTarget", "namespace": "AWS/ApplicationELB",
            "statistic": "sum", "target": 5000, "cooldown": 300,
            "dimensions": [{ "name": "TargetGroup", "value": target_group }],
        }],
        "up": [{
            "policyName": "busy", "metricName": "CPUUtilization", "namespace": "AWS/EC2", "statistic": "average",
            "threshold": 90, "operator": "gte", "adjustment": 1, "cooldown": 300, "evaluationPeriods": 2, "period": 60,
        }],
    });
    group["scheduling"] = json!({ "tasks": [
        { "taskType": "scale", "cronExpression": "0 6 * * *", "isEnabled": true, "scaleMinCapacity": 4, "scaleTargetCapacity": 4 },
        { "taskType": "scale", "cronExpression": "0 22 * * *", "isEnabled": true, "scaleMinCapacity": 2, "scaleTargetCapacity": 2 },
    ] });
}

/// A schedule that gives a group some instances from so many minutes on, for eleven hours of each day.
fn opening(world: &World, count: u32, minutes: u64) -> Value {
    let daily = |minutes: u64| format!("{} {} * * *", minutes % 60, minutes / 60 % 24);
    let opening = world.now / 60_000 + minutes;
    json!({ "tasks": [
        {
            "taskType": "scale", "cronExpression": daily(opening), "isEnabled": true,
            "scaleMinCapacity": count, "scaleTargetCapacity": count, "scaleMaxCapacity": count * 2,
        },
        {
            "taskType": "scale", "cronExpression": daily(opening + 11 * 60), "isEnabled": true,
            "scaleMinCapacity": 0, "scaleTargetCapacity": 0,
        },
    ] })
}

/// Options that are about Auto Scaling groups alone.
fn refuse_what_they_have_not(options: &ShopOptions) -> Result<(), Refusal> {
    let plain = ShopOptions::default();
    let of_groups = options.base != Source::Pinned
        || options.warm_pool
        || options.protected
        || options.held_seconds.is_some()
        || options.suspended_on_running != plain.suspended_on_running
        || options.suspended_on_base != plain.suspended_on_base
        || options.classic_load_balancers != plain.classic_load_balancers
        || matches!(options.also_behind, Some(super::AlsoBehind::Lattice | super::AlsoBehind::Classic));
    if of_groups { Err(Refusal::not_implemented("Elastigroups with what groups alone have")) } else { Ok(()) }
}
