//! What a group's copies take over, as AWS tells it, beside what a group that serves has.
//!
//! It reads answers as they are, not by the SDK's types: what launches instances has many fields, and a copy has all of them.

use std::collections::BTreeSet;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_types::SdkConfig;
use crossfade_core::infrastructure::{TAG_DEPLOYMENT, TAG_INFRASTRUCTURE, TAG_REVISION};
use crossfade_core::kinds::asg::{LaunchSource, SCHEDULED_ACTIONS, TemplateVersion};
use crossfade_core::kinds::{Blueprint, Instances};
use crossfade_core::observed::Schedule;
use crossfade_core::settings::{Setting, Settings, Spelling};
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use super::{Groups, source};
use crate::call::{self, Parameters, Protocol, Service};
use crate::fleets::inherit::{Heirs, Inherited, fingerprint_of, known, without_names};
use crate::fleets::user_data::decoded;
use crate::refusal::called;

const AUTO_SCALING: Service = Service { id: "Auto Scaling", name: "autoscaling", protocol: Protocol::Query };
/// The version of the API (its service model).
const VERSION: &str = "2011-01-01";
/// The most pages that are followed: a group has 50 hooks and policies and 125 scheduled actions (Auto Scaling quotas).
const PAGES: usize = 10;

/// The settings of a group that a copy takes over: those that `create` sets.
const TAKEN: [&str; 17] = [
    "DefaultCooldown",
    "VPCZoneIdentifier",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "PlacementGroup",
    "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn",
    "CapacityRebalance",
    "ServiceLinkedRoleARN",
    "MaxInstanceLifetime",
    "DesiredCapacityType",
    "DefaultInstanceWarmup",
    "InstanceMaintenancePolicy",
    "AvailabilityZoneDistribution",
    "AvailabilityZoneImpairmentPolicy",
    "CapacityReservationSpecification",
    "InstanceLifecyclePolicy",
];

/// Auto Scaling, read as it answers.
#[derive(Clone, Debug)]
pub(super) struct Described(call::Client);

impl Described {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self(call::Client::new(&AUTO_SCALING, config))
    }

    /// Every item of a list.
    async fn list(
        &self,
        (action, call): (&'static str, &str),
        items: &str,
        (parameter, values): (&str, &[&str]),
    ) -> Result<Vec<Value>> {
        let (mut all, mut next): (Vec<Value>, Option<String>) = (Vec::new(), None);
        for _ in 0..PAGES {
            let mut parameters = Parameters::default();
            match parameter.strip_suffix(".member") {
                Some(_) => parameters.list(parameter, values),
                None => parameters.put(parameter, values.join(",")),
            };
            parameters.maybe("NextToken", next.take());
            let answer = self.0.call(parameters.ask(action, VERSION)).await;
            let read = answer.and_then(|answer| {
                answer.read(|root| {
                    let result = root.required_child(&format!("{action}Result"))?;
                    let found = result.members(items).map(|item| item.json()).collect::<Vec<_>>();
                    Ok((found, result.text("NextToken")))
                })
            });
            let (found, token) = read.map_err(|error| called(call, &values.join(", "), &error))?;
            all.extend(found);
            next = token;
            if next.is_none() {
                break;
            }
        }
        Ok(all)
    }

    async fn of(&self, action: (&'static str, &str), items: &str, group: &str) -> Result<Vec<Value>> {
        self.list(action, items, ("AutoScalingGroupName", &[group])).await
    }

    async fn groups(&self, names: &[&str]) -> Result<Vec<Value>> {
        let call = ("DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingGroups");
        self.list(call, "AutoScalingGroups", ("AutoScalingGroupNames.member", names)).await
    }

    async fn configurations(&self, names: &[&str]) -> Result<Vec<Value>> {
        let call = ("DescribeLaunchConfigurations", "autoscaling:DescribeLaunchConfigurations");
        self.list(call, "LaunchConfigurations", ("LaunchConfigurationNames.member", names)).await
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl Groups {
    pub(super) async fn inherited_by(&self, heirs: &Heirs<'_>) -> Result<Inherited> {
        let base = heirs.compute.series().base;
        let serving = heirs.serving.map(|fleet| fleet.name.as_str());
        let names: Vec<&str> = std::iter::once(base).chain(serving).collect();
        let groups = self.described.groups(&names).await?;
        let group = |name: &str| groups.iter().find(|group| text(group, "AutoScalingGroupName") == name);
        let gone = || Kind::Drifted.because(format!("The Auto Scaling group {base} does not exist any more."));
        let mut inherited = Inherited { new: of_group(group(base).ok_or_else(gone)?), ..Inherited::default() };
        given(&mut inherited.new, heirs.compute.instances());
        inherited.serving = serving.and_then(group).map(of_group);

        self.launched(heirs, &mut inherited).await?;
        let mut alarms: Vec<(&str, BTreeSet<String>)> = Vec::new();
        for name in names.iter().copied() {
            let theirs = if name == base { Some(&mut inherited.new) } else { inherited.serving.as_mut() };
            let Some(theirs) = theirs else { continue };
            let around = self.around(name, &names, heirs.now_millis, theirs).await?;
            inherited.schedules.extend(around.schedules.into_iter().map(|schedule| (name.to_owned(), schedule)));
            alarms.push((name, around.alarms));
        }
        for (name, of) in self.carrier.alarms().told(&alarms).await? {
            let theirs = if name == base { Some(&mut inherited.new) } else { inherited.serving.as_mut() };
            let of = of.into_iter().map(|alarm| without_names_of(alarm, &names)).collect::<Vec<_>>();
            theirs.into_iter().for_each(|theirs| theirs.parts("alarm", &of, Spelling::Words));
        }
        let call = ("DescribeNotificationConfigurations", "autoscaling:DescribeNotificationConfigurations");
        let members = ("AutoScalingGroupNames.member", names.as_slice());
        for it in self.described.list(call, "NotificationConfigurations", members).await? {
            let of_base = text(&it, "AutoScalingGroupName") == base;
            let theirs = if of_base { Some(&mut inherited.new) } else { inherited.serving.as_mut() };
            let (topic, event) = (format!("notification {}", text(&it, "TopicARN")), text(&it, "NotificationType"));
            theirs.into_iter().for_each(|theirs| theirs.set(&topic, event, Setting::Shown("sent".into())));
        }
        inherited.images = known(&self.sources.ec2, heirs.images).await;
        Ok(inherited)
    }

    /// What instances are launched with, but for the image.
    async fn launched(&self, heirs: &Heirs<'_>, inherited: &mut Inherited) -> Result<()> {
        let base = source(heirs.blueprint)?;
        let serving = match heirs.serving.and_then(|fleet| fleet.blueprint.as_ref()) {
            Some(Blueprint::AutoScalingGroup(source)) => Some(source),
            _ => None,
        };
        let of = |source: &LaunchSource| match source {
            LaunchSource::Template(template) => vec![template.clone()],
            LaunchSource::Mixed { template, overrides } => [&[template.clone()][..], overrides].concat(),
            LaunchSource::Configuration { .. } => Vec::new(),
        };
        let same_form = serving.is_none_or(|serving| {
            let form = |it: &LaunchSource| (matches!(it, LaunchSource::Configuration { .. }), of(it).len());
            form(serving) == form(base)
        });
        if !same_form {
            inherited.notes.push(format!(
                "{} and {} launch from different things (launch configurations, launch templates, policies): what each launches \
                 instances with is not compared",
                heirs.compute.series().base,
                heirs.serving.map(|it| it.name.as_str()).unwrap_or_default()
            ));
        }
        let user_data = heirs.compute.instances().user_data;
        let mut new = self.launch_data(base, of(base)).await?;
        for data in &mut new {
            let theirs = data.get("userData").or(data.get("UserData")).and_then(Value::as_str);
            let text = decoded(theirs);
            let whole = user_data.and_then(|it| it.of(text.as_deref()).ok());
            if let (Some(whole), Some(fields)) = (whole, data.as_object_mut()) {
                fields.remove("UserData");
                fields.insert("userData".into(), json!(aws_smithy_types::base64::encode(whole)));
            }
        }
        add_launch(&mut inherited.new, new);
        if let (Some(serving), true, Some(settings)) = (serving, same_form, inherited.serving.as_mut()) {
            add_launch(settings, self.launch_data(serving, of(serving)).await?);
        } else if let (false, Some(settings)) = (same_form, inherited.serving.as_mut()) {
            // What is not compared must not differ.
            settings.take_parts(&inherited.new, LAUNCH);
        }
        Ok(())
    }

    async fn launch_data(&self, source: &LaunchSource, versions: Vec<TemplateVersion>) -> Result<Vec<Value>> {
        if let LaunchSource::Configuration { name } = source {
            return self.described.configurations(&[name]).await;
        }
        let mut data = Vec::new();
        for version in versions {
            let found = self.sources.ec2.launch_template_data(&version.id, &version.version.to_string()).await;
            data.push(found.map_err(|error| called("ec2:DescribeLaunchTemplateVersions", &version.id, &error))?);
        }
        Ok(data)
    }

    /// What a group has around it: hooks, policies, schedules.
    async fn around(&self, name: &str, fleets: &[&str], now_millis: u64, settings: &mut Settings) -> Result<Around> {
        let asked = &self.described;
        let call = ("DescribeLifecycleHooks", "autoscaling:DescribeLifecycleHooks");
        let hooks = asked.of(call, "LifecycleHooks", name).await?;
        let hooks: Vec<Value> = hooks.into_iter().map(|it| without(it, &["AutoScalingGroupName"])).collect();
        settings.parts("hook", &hooks, Spelling::Words);
        let policies = asked.of(("DescribePolicies", "autoscaling:DescribePolicies"), "ScalingPolicies", name).await?;
        let alarms = policies.iter().flat_map(by_alarms).collect();
        let policies: Vec<Value> = policies.into_iter().map(|it| policy(it, fleets)).collect();
        settings.parts("policy", &policies, Spelling::Words);
        let call = ("DescribeScheduledActions", "autoscaling:DescribeScheduledActions");
        let actions = asked.of(call, "ScheduledUpdateGroupActions", name).await?;
        let schedules = actions.iter().map(schedule).collect();
        let still = actions.into_iter().filter(|it| still_to_come(it, now_millis)).map(action);
        settings.parts("scheduled action", &still.collect::<Vec<_>>(), Spelling::Words);
        Ok(Around { schedules, alarms })
    }
}

/// What a group has around it beside settings.
struct Around {
    schedules: Vec<Schedule>,
    /// The names of the alarms that trigger its policies.
    alarms: BTreeSet<String>,
}

/// The alarms that trigger a policy. Those of target tracking are AWS's own (P25).
fn by_alarms(policy: &Value) -> Vec<String> {
    let own = ["TargetTrackingScaling", "PredictiveScaling"].contains(&text(policy, "PolicyType"));
    let alarms = list(policy, "Alarms").iter().filter(|_| !own).map(|alarm| text(alarm, "AlarmName").to_owned());
    alarms.filter(|name| !name.starts_with("TargetTracking-")).collect()
}

fn without_names_of(mut value: Value, fleets: &[&str]) -> Value {
    without_names(&mut value, fleets);
    value
}

/// The part that what launches instances is in.
const LAUNCH: &str = "instances";

fn add_launch(settings: &mut Settings, data: Vec<Value>) {
    for (nth, mut data) in data.into_iter().enumerate() {
        let part = if nth == 0 { LAUNCH.to_owned() } else { format!("{LAUNCH} of template {}", nth + 1) };
        let Some(fields) = data.as_object_mut() else { continue };
        for of_the_image in
            ["imageId", "ImageId", "LaunchConfigurationName", "LaunchConfigurationARN", "CreatedTime", "KernelId"]
        {
            fields.remove(of_the_image);
        }
        let user_data = ["userData", "UserData"].iter().find_map(|name| fields.remove(*name));
        if let Some(user_data) = user_data.as_ref().and_then(Value::as_str) {
            settings.set(&part, "user data", fingerprint_of(user_data));
        }
        without_snapshots(&mut data);
        let data = named_once(data);
        settings.add(&part, &data, Spelling::Words);
    }
}

/// EC2 calls a list of things a set of them.
fn named_once(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let bare = |name: String| name.strip_suffix("Set").map(str::to_owned).unwrap_or(name);
    Value::Object(fields.into_iter().map(|(name, field)| (bare(name), named_once(field))).collect())
}

/// A copy's volumes are made from those of its own image.
fn without_snapshots(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_snapshots),
        Value::Object(fields) => {
            fields.retain(|name, _| !name.eq_ignore_ascii_case("snapshotId"));
            fields.values_mut().for_each(without_snapshots);
        }
        _ => {}
    }
}

/// The settings of a group itself.
fn of_group(group: &Value) -> Settings {
    let mut settings = Settings::default();
    let mut taken: serde_json::Map<String, Value> =
        TAKEN.iter().filter_map(|name| Some(((*name).to_owned(), group.get(*name)?.clone()))).collect();
    // With subnets given, AWS derives the zones from them.
    if text(group, "VPCZoneIdentifier").is_empty() {
        taken.insert("AvailabilityZones".into(), group["AvailabilityZones"].clone());
    }
    settings.add("", &Value::Object(taken), Spelling::Words);
    let mut policy = group["MixedInstancesPolicy"].clone();
    without_templates(&mut policy);
    settings.add("", &json!({ "MixedInstancesPolicy": policy }), Spelling::Words);
    settings.add(
        "",
        &json!({ "WarmPool": without(group["WarmPoolConfiguration"].clone(), &["Status"]) }),
        Spelling::Words,
    );
    let ours = [TAG_INFRASTRUCTURE, TAG_REVISION, TAG_DEPLOYMENT];
    for tag in list(group, "Tags") {
        let (key, value) = (text(tag, "Key"), text(tag, "Value"));
        if key.starts_with("aws:") || ours.contains(&key) {
            continue;
        }
        let alone = if text(tag, "PropagateAtLaunch") == "true" { "" } else { " (not on instances)" };
        settings.set("", &format!("tag {key}"), Setting::Shown(format!("{value}{alone}")));
    }
    // Those that AWS has suspended itself are nobody's setting, and schedules rest wherever a fleet is held.
    let by_somebody =
        |it: &&Value| text(it, "SuspensionReason").is_empty() || text(it, "SuspensionReason").starts_with("User");
    let suspended = list(group, "SuspendedProcesses").iter().filter(by_somebody).map(|it| text(it, "ProcessName"));
    for process in suspended.filter(|process| *process != SCHEDULED_ACTIONS) {
        settings.set("", &format!("process {process}"), Setting::Shown("suspended".into()));
    }
    let metrics: BTreeSet<&str> = list(group, "EnabledMetrics").iter().map(|it| text(it, "Metric")).collect();
    if !metrics.is_empty() {
        let metrics = metrics.into_iter().collect::<Vec<_>>().join(", ");
        settings.set("", "group metrics", Setting::Shown(metrics));
    }
    settings
}

/// What the document gives to instances beside the base.
fn given(settings: &mut Settings, instances: Instances<'_>) {
    for (key, value) in instances.tags {
        settings.set("", &format!("tag {key}"), Setting::Shown(value.clone()));
    }
}

/// Which templates a policy names differs from fleet to fleet; what these hold is compared.
fn without_templates(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_templates),
        Value::Object(fields) => {
            fields.remove("LaunchTemplateSpecification");
            fields.values_mut().for_each(without_templates);
        }
        _ => {}
    }
}

fn without(mut value: Value, names: &[&str]) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !names.contains(&name.as_str()));
    }
    value
}

fn policy(policy: Value, fleets: &[&str]) -> Value {
    without_names_of(without(policy, &["PolicyARN", "AutoScalingGroupName", "Alarms"]), fleets)
}

/// A scheduled action without what goes on by itself: AWS shows when one that recurs is due next.
fn action(action: Value) -> Value {
    let recurs = !text(&action, "Recurrence").is_empty();
    let moving: &[&str] = if recurs { &["StartTime", "Time"] } else { &["Time"] };
    without(without(action, &["AutoScalingGroupName", "ScheduledActionARN"]), moving)
}

fn millis(value: &Value, name: &str) -> Option<u64> {
    let at = DateTime::from_str(text(value, name), Format::DateTime).ok()?;
    u64::try_from(at.to_millis().ok()?).ok()
}

/// What has happened for the last time is not carried.
fn still_to_come(action: &Value, now_millis: u64) -> bool {
    let past = |name: &str| millis(action, name).is_some_and(|at| at <= now_millis);
    !past("EndTime") && (!text(action, "Recurrence").is_empty() || !past("StartTime"))
}

fn schedule(action: &Value) -> Schedule {
    let number = |name: &str| text(action, name).parse().ok();
    Schedule {
        name: text(action, "ScheduledActionName").to_owned(),
        min: number("MinSize"),
        desired: number("DesiredCapacity"),
        max: number("MaxSize"),
        due_millis: millis(action, "StartTime"),
    }
}
