//! The way off Spot: a base Auto Scaling group with a launch template, in CloudFormation, from an Elastigroup's JSON, and what of it has
//! no counterpart there.
//!
//! What it owns: which field becomes which. What nobody here knows is told as lost, never left out in silence.
//!
//! What it must never do: make a base that runs instances. The base has size 0, and how many there are to be the document says.

mod fields;
mod launch;
mod scaling;

use serde_json::{Map, Value, json};

use super::plain;
use fields::Fields;

/// The most instance types that a group names (Amazon EC2 Auto Scaling quotas).
const TYPES: usize = 40;

/// What an Elastigroup becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// The CloudFormation template of base and launch template.
    pub template: Value,
    /// What a deployment document says of fleets made from that base, for `compute`.
    pub compute: Value,
    /// What becomes of what has no counterpart, or another meaning: each with its field.
    pub lost: Vec<(String, String)>,
}

/// What is said of everything, and what is lost.
struct Way {
    lost: Vec<(String, String)>,
    resources: Map<String, Value>,
}

impl Way {
    fn lose(&mut self, field: impl Into<String>, what: impl Into<String>) {
        self.lost.push((field.into(), what.into()));
    }

    /// What nobody has asked for.
    fn lose_rest(&mut self, fields: Fields) {
        for name in fields.rest() {
            self.lose(name, "has no counterpart that is known here");
        }
    }
}

/// A template for this Elastigroup, whose base and launch template bear this name.
pub fn leave(group: Value, name: &str) -> Left {
    let mut way = Way { lost: Vec::new(), resources: Map::new() };
    let mut group = Fields::new("", plain(group));
    let title = group.text("name").unwrap_or_else(|| name.to_owned());
    for known in ["description", "region"] {
        group.take(known);
    }
    let mut compute = group.object("compute");
    // The image says it.
    compute.take("product");
    let mut launch = compute.object("launchSpecification");

    let mut base = Map::from_iter([
        ("AutoScalingGroupName".to_owned(), json!(name)),
        ("MinSize".to_owned(), json!("0")),
        ("DesiredCapacity".to_owned(), json!("0")),
        ("MaxSize".to_owned(), json!("0")),
        // Spot looks for another instance before it loses one.
        ("CapacityRebalance".to_owned(), json!(true)),
    ]);
    let size = capacity(&mut way, group.object("capacity"));
    places(&mut way, &mut compute, &mut base);
    let mut distribution = strategy(&mut way, group.object("strategy"), &mut base, &mut launch);
    let overrides = types(&mut way, &mut compute, &mut distribution);
    membership(&mut way, &mut launch, &mut base);
    let data = launch::template(&mut way, &mut launch);
    way.lose_rest(launch);
    way.lose_rest(compute);

    let mut template = json!({
        "LaunchTemplateSpecification": {
            "LaunchTemplateId": { "Ref": "LaunchTemplate" },
            "Version": { "Fn::GetAtt": ["LaunchTemplate", "LatestVersionNumber"] },
        },
    });
    if !overrides.is_empty() {
        template["Overrides"] = json!(overrides);
    }
    base.insert(
        "MixedInstancesPolicy".into(),
        json!({ "LaunchTemplate": template, "InstancesDistribution": distribution }),
    );
    way.resources.insert(
        "LaunchTemplate".into(),
        json!({
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": { "LaunchTemplateName": name, "LaunchTemplateData": data },
        }),
    );
    way.resources.insert("Base".into(), json!({ "Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": base }));
    scaling::policies(&mut way, group.object("scaling"));
    let scheduled = scaling::schedule(&mut way, group.object("scheduling"));
    for (integration, _) in group.object("thirdPartiesIntegration").all() {
        way.lose(format!("thirdPartiesIntegration.{integration}"), "is an integration of Spot's");
    }
    way.lose_rest(group);

    let mut template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("The base of deployments that take the place of the Elastigroup {title}: a template at size 0"),
        "Resources": way.resources,
        "Outputs": {
            "BaseName": { "Value": { "Ref": "Base" } },
            "LaunchTemplateId": { "Value": { "Ref": "LaunchTemplate" } },
        },
    });
    if scheduled {
        template["Parameters"] = json!({ "Schedule": {
            "Type": "String", "Default": "no", "AllowedValues": ["no", "yes"],
            "Description": "Whether the base has its schedule. Suspend the process ScheduledActions of the base before, or it wakes it.",
        } });
        template["Conditions"] = json!({ "HasSchedule": { "Fn::Equals": [{ "Ref": "Schedule" }, "yes"] } });
    }
    let compute = json!({ "autoScalingGroup": { "base": name, "capacity": { "fixed": size } } });
    Left { template, compute, lost: way.lost }
}

/// How many instances there are to be.
fn capacity(way: &mut Way, mut capacity: Fields) -> Value {
    let (min, target, max) = (capacity.number("minimum"), capacity.number("target"), capacity.number("maximum"));
    if capacity.text("unit").as_deref() == Some("weight") {
        way.lose(
            "capacity.unit",
            "is weight: the sizes count weights, as WeightedCapacity of the base's instance types does",
        );
    }
    way.lose_rest(capacity);
    let target = target.unwrap_or(0);
    json!({ "min": min.unwrap_or(0), "desired": target, "max": max.unwrap_or(target) })
}

/// Subnets, or zones where none is named.
fn places(way: &mut Way, compute: &mut Fields, base: &mut Map<String, Value>) {
    let zones = compute.list("availabilityZones");
    let mut subnets: Vec<Value> = compute.list("subnetIds");
    for zone in &zones {
        let of_zone = zone["subnetIds"].as_array().cloned().unwrap_or_default();
        let one = zone.get("subnetId").filter(|it| it.is_string()).cloned();
        subnets.extend(of_zone.into_iter().chain(one));
        if !zone["placementGroupName"].is_null() {
            way.lose(
                "compute.availabilityZones[].placementGroupName",
                "is no setting of a zone: add Placement to the launch template",
            );
        }
    }
    let mut once: Vec<Value> = Vec::new();
    for subnet in subnets {
        if !once.contains(&subnet) {
            once.push(subnet);
        }
    }
    let names: Vec<Value> = zones.iter().filter_map(|zone| zone.get("name").cloned()).collect();
    match once.is_empty() {
        false => _ = base.insert("VPCZoneIdentifier".into(), json!(once)),
        true => _ = base.insert("AvailabilityZones".into(), json!(names)),
    }
    if !compute.list("elasticIps").is_empty() {
        way.lose("compute.elasticIps", "an Auto Scaling group assigns no elastic addresses");
    }
    if !compute.list("preferredAvailabilityZones").is_empty() {
        way.lose("compute.preferredAvailabilityZones", "an Auto Scaling group prefers no zone: it balances them");
    }
}

/// Spot or on demand, and which first. What else the strategy says concerns the group or its instances.
fn strategy(way: &mut Way, mut strategy: Fields, base: &mut Map<String, Value>, launch: &mut Fields) -> Value {
    let mut distribution = json!({ "OnDemandAllocationStrategy": "prioritized" });
    let risk = strategy.number("risk");
    match (strategy.number("onDemandCount"), risk) {
        (Some(count), _) => {
            distribution["OnDemandBaseCapacity"] = json!(count);
            distribution["OnDemandPercentageAboveBaseCapacity"] = json!(0);
        }
        // Left out it would be 100.
        (None, risk) => distribution["OnDemandPercentageAboveBaseCapacity"] = json!(100 - risk.unwrap_or(100).min(100)),
    }
    let orientation = strategy.text("availabilityVsCost").unwrap_or_else(|| "balanced".into());
    let allocation = match orientation.as_str() {
        "availabilityOriented" => "capacity-optimized",
        "costOriented" | "cheapest" => {
            way.lose(
                "strategy.availabilityVsCost",
                format!("is {orientation}: price-capacity-optimized takes its place; lowest-price is interrupted far more often"),
            );
            "price-capacity-optimized"
        }
        "equalAzDistribution" => {
            base.insert(
                "AvailabilityZoneDistribution".into(),
                json!({ "CapacityDistributionStrategy": "balanced-only" }),
            );
            "price-capacity-optimized"
        }
        "balanced" => "price-capacity-optimized",
        other => {
            way.lose(
                "strategy.availabilityVsCost",
                format!("is {other}, which is not known here: price-capacity-optimized takes its place"),
            );
            "price-capacity-optimized"
        }
    };
    distribution["SpotAllocationStrategy"] = json!(allocation);
    if strategy.truth("fallbackToOd").unwrap_or(true) {
        way.lose(
            "strategy.fallbackToOd",
            "an Auto Scaling group does not fall back to on-demand instances when the market has none: raise OnDemandBaseCapacity for what must always be there",
        );
    }
    if !strategy.take("revertToSpot").is_null() {
        way.lose("strategy.revertToSpot", "what runs on demand is not moved back to the market");
    }
    for (name, usual) in [("utilizeReservedInstances", true), ("utilizeCommitments", false)] {
        if strategy.truth(name).unwrap_or(usual) {
            way.lose(
                format!("strategy.{name}"),
                "AWS applies reservations and savings plans to the bill, and launches nothing for them",
            );
        }
    }
    let draining = strategy.number("drainingTimeout").unwrap_or(u64::from(super::DRAINING_SECONDS));
    way.lose(
        "strategy.drainingTimeout",
        format!("instances had {draining} s to drain: with an Auto Scaling group the deregistration delay of each target group decides"),
    );
    if let Some(persistence) = strategy.take("persistence").as_object()
        && persistence.values().any(|value| *value == Value::Bool(true))
    {
        way.lose("strategy.persistence", "instances of an Auto Scaling group keep nothing of those that they replace");
    }
    let hooks = hooks(way, strategy.list("signals"), launch);
    if !hooks.is_empty() {
        base.insert("LifecycleHookSpecificationList".into(), json!(hooks));
    }
    let mut scale = strategy.object("scalingStrategy");
    if scale.text("terminationPolicy").as_deref() == Some("newestInstance") {
        base.insert("TerminationPolicies".into(), json!(["NewestInstance"]));
    }
    way.lose_rest(scale);
    way.lose_rest(strategy);
    distribution
}

/// Signals become life-cycle hooks: somebody has to complete them as Spot's were sent.
fn hooks(way: &mut Way, signals: Vec<Value>, launch: &mut Fields) -> Vec<Value> {
    let mut hooks = Vec::new();
    let mut hook = |name: &str, transition: &str, seconds: u64, result: &str| {
        hooks.push(json!({
            "LifecycleHookName": name, "LifecycleTransition": format!("autoscaling:EC2_INSTANCE_{transition}"),
            "HeartbeatTimeout": seconds.clamp(30, 7200), "DefaultResult": result,
        }));
    };
    let mut shuts_down = false;
    for signal in &signals {
        let seconds = signal["timeout"].as_u64();
        match signal["name"].as_str().unwrap_or_default() {
            "INSTANCE_READY" => {
                hook("ready", "LAUNCHING", seconds.unwrap_or(1800), "ABANDON");
                way.lose("strategy.signals", "INSTANCE_READY is the hook ready now: the instance says `aws autoscaling complete-lifecycle-action` instead of Spot's signal");
            }
            "INSTANCE_READY_TO_SHUTDOWN" => {
                hook("shutdown", "TERMINATING", seconds.unwrap_or(1800), "CONTINUE");
                shuts_down = true;
                way.lose("strategy.signals", "INSTANCE_READY_TO_SHUTDOWN is the hook shutdown now: the instance says `aws autoscaling complete-lifecycle-action` instead of Spot's signal");
            }
            other => way.lose("strategy.signals", format!("{other} has no counterpart that is known here")),
        }
    }
    if launch.text("shutdownScript").is_some() {
        if !shuts_down {
            hook("shutdown", "TERMINATING", 300, "CONTINUE");
        }
        way.lose(
            "compute.launchSpecification.shutdownScript",
            "nobody runs it: the hook shutdown holds an instance until something on it has done the same and said so",
        );
    }
    hooks
}

/// The instance types, with the one for on-demand instances first unless the market goes by the order, too.
fn types(way: &mut Way, compute: &mut Fields, distribution: &mut Value) -> Vec<Value> {
    let mut types = compute.object("instanceTypes");
    let (preferred, spot) = (types.list("preferredSpot"), types.list("spot"));
    let on_demand: Vec<Value> = Some(types.take("ondemand")).filter(Value::is_string).into_iter().collect();
    let on_demand = [on_demand, types.list("onDemandTypes")].concat();
    let weights = types.list("weights");
    way.lose_rest(types);
    let mut requirements = compute.object("resourceRequirements");
    let required = launch::requirements(way, &mut requirements);
    way.lose_rest(requirements);
    if let Some(required) = required {
        return vec![json!({ "InstanceRequirements": required })];
    }
    let by_order = distribution["SpotAllocationStrategy"] == "capacity-optimized" && !preferred.is_empty();
    if by_order {
        distribution["SpotAllocationStrategy"] = json!("capacity-optimized-prioritized");
    }
    if !preferred.is_empty() && !by_order {
        way.lose(
            "compute.instanceTypes.preferredSpot",
            "only capacity-optimized-prioritized prefers instance types, and this is another strategy",
        );
    }
    let all = match by_order {
        true => [preferred, spot, on_demand].concat(),
        false => [on_demand, preferred, spot].concat(),
    };
    let mut overrides: Vec<Value> = Vec::new();
    for one in all {
        if overrides.iter().any(|there| there["InstanceType"] == one) {
            continue;
        }
        let weight = weights.iter().find(|weight| weight["instanceType"] == one);
        let weight = weight.and_then(|it| it["weightedCapacity"].as_u64());
        let mut item = json!({ "InstanceType": one });
        if let Some(weight) = weight {
            item["WeightedCapacity"] = json!(weight.to_string());
        }
        overrides.push(item);
    }
    if overrides.len() > TYPES {
        let more = overrides.len() - TYPES;
        way.lose(
            "compute.instanceTypes",
            format!("{TYPES} instance types are the most that a group names: the last {more} are left out"),
        );
        overrides.truncate(TYPES);
    }
    overrides
}

/// Target groups, health and tags.
fn membership(way: &mut Way, launch: &mut Fields, base: &mut Map<String, Value>) {
    let balancers = launch.object("loadBalancersConfig").list("loadBalancers");
    let of = |kind: &str, field: &str| -> Vec<Value> {
        let those = balancers.iter().filter(|it| it["type"] == kind);
        those.filter_map(|it| it.get(field).cloned()).collect()
    };
    let (arns, classic) = (of("TARGET_GROUP", "arn"), of("CLASSIC", "name"));
    for other in balancers.iter().filter(|it| it["type"] != "TARGET_GROUP" && it["type"] != "CLASSIC") {
        way.lose(
            "compute.launchSpecification.loadBalancersConfig",
            format!("{other} is neither a target group nor a classic load balancer"),
        );
    }
    if !arns.is_empty() {
        base.insert("TargetGroupARNs".into(), json!(arns));
    }
    if !classic.is_empty() {
        base.insert("LoadBalancerNames".into(), json!(classic));
        way.lose(
            "compute.launchSpecification.loadBalancersConfig",
            "crossfade deploys to no classic load balancer: use target groups",
        );
    }
    let kind = launch.text("healthCheckType");
    match kind.as_deref() {
        Some("TARGET_GROUP" | "ELB") => _ = base.insert("HealthCheckType".into(), json!("ELB")),
        Some("EC2") | None => _ = base.insert("HealthCheckType".into(), json!("EC2")),
        Some(other) => {
            base.insert("HealthCheckType".into(), json!("EC2"));
            way.lose(
                "compute.launchSpecification.healthCheckType",
                format!("{other} is Spot's own: EC2 takes its place"),
            );
        }
    }
    let grace = launch.number("healthCheckGracePeriod").unwrap_or(300);
    base.insert("HealthCheckGracePeriod".into(), json!(grace));
    if launch.number("healthCheckUnhealthyDurationBeforeReplacement").is_some() {
        way.lose(
            "compute.launchSpecification.healthCheckUnhealthyDurationBeforeReplacement",
            "an Auto Scaling group replaces what is unhealthy at once: the health check's thresholds decide how soon",
        );
    }
    if launch.truth("autoHealing") == Some(false) {
        way.lose(
            "compute.launchSpecification.autoHealing",
            "is false: suspend the process ReplaceUnhealthy of the base",
        );
    }
    let tags = launch.list("tags").into_iter().filter_map(|tag| {
        let (key, value) =
            (tag["tagKey"].as_str()?.to_owned(), tag["tagValue"].as_str().unwrap_or_default().to_owned());
        let theirs = ["spotinst", "aws:", "crossfade:"].iter().any(|prefix| key.starts_with(prefix));
        (!theirs).then(|| json!({ "Key": key, "Value": value, "PropagateAtLaunch": true }))
    });
    let tags: Vec<Value> = tags.collect();
    if !tags.is_empty() {
        base.insert("Tags".into(), json!(tags));
    }
}

/// A name that a base can have, from that of an Elastigroup.
pub fn name_of(group: &Value) -> String {
    let name = group["name"].as_str().filter(|name| !name.is_empty()).unwrap_or("elastigroup");
    let fits = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().take(120).map(fits).collect();
    format!("{name}-base")
}

#[cfg(test)]
mod tests;
