//! Auto Scaling groups and what they carry.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{flag, list, only, size, text, texts, without};
use crate::world::{Attachment, Carried, Group, GroupTag, SETTINGS, Tree, Via, WarmPool, World};

impl World {
    /// A group, as `describe-auto-scaling-groups` shows it, without its instances. Of the target groups that it is attached to, these
    /// were attached as target groups, and the others as traffic sources.
    pub fn restore_group(&mut self, described: &Value, as_target_groups: &[String]) {
        let name = text(described, "AutoScalingGroupName").to_owned();
        let sources = list(described, "TrafficSources").iter();
        let (pools, others): (Vec<&Value>, Vec<&Value>) = sources.partition(|it| text(it, "Type") == "elbv2");
        let pools = pools.into_iter().map(|it| text(it, "Identifier").to_owned());
        let behind: BTreeSet<String> = texts(described, "TargetGroupARNs").into_iter().chain(pools).collect();
        let attachment = |arn: String| {
            let via = if as_target_groups.contains(&arn) { Via::TargetGroups } else { Via::TrafficSources };
            (arn, Attachment { attached_at: self.now, in_service: true, removing: false, via })
        };
        let other = |it: &Value| (text(it, "Identifier").to_owned(), text(it, "Type").to_owned());
        let tag = |it: &Value| {
            let tag = GroupTag { value: text(it, "Value").to_owned(), propagate: flag(it, "PropagateAtLaunch") };
            (text(it, "Key").to_owned(), tag)
        };
        let reason = |it: &Value| (text(it, "ProcessName").to_owned(), text(it, "SuspensionReason").to_owned());
        let mut settings = only(described, SETTINGS);
        if settings.str("VPCZoneIdentifier").is_some_and(|subnets| !subnets.is_empty()) {
            // Its zones follow from its subnets.
            settings.take("AvailabilityZones");
        }
        let group = Group {
            name: name.clone(),
            arn: text(described, "AutoScalingGroupARN").to_owned(),
            created_at: self.now,
            min: size(described, "MinSize"),
            max: size(described, "MaxSize"),
            desired: size(described, "DesiredCapacity"),
            settings,
            tags: list(described, "Tags").iter().map(tag).collect(),
            suspended: list(described, "SuspendedProcesses").iter().map(reason).collect(),
            attachments: behind.into_iter().map(attachment).collect(),
            members: Vec::new(),
            activities: Vec::new(),
            carried: Carried {
                metrics: list(described, "EnabledMetrics").iter().map(|it| text(it, "Metric").to_owned()).collect(),
                sources: others.into_iter().map(other).collect::<BTreeMap<_, _>>(),
                warm_pool: warm_pool(&described["WarmPoolConfiguration"]),
                ..Carried::default()
            },
            deleting: described["Status"].is_string(),
            rebalancing: 0,
            launches_fail_since: None,
            cause: String::new(),
            rests_until: 0,
        };
        self.learn_zones(described);
        self.groups.insert(name.clone(), group);
        self.reconcile_soon(&name);
    }

    /// Its subnets are in its zones. Which in which is told by its instances, as far as it has any.
    fn learn_zones(&mut self, described: &Value) {
        let zones = texts(described, "AvailabilityZones");
        let subnets: Vec<&str> = text(described, "VPCZoneIdentifier").split(',').map(str::trim).collect();
        let known: BTreeSet<&String> = subnets.iter().filter_map(|subnet| self.subnets.get(*subnet)).collect();
        let left: Vec<String> = zones.iter().filter(|zone| !known.contains(zone)).cloned().collect();
        let left = if left.is_empty() { zones } else { left };
        let unknown: Vec<String> = subnets
            .iter()
            .filter(|it| !it.is_empty() && !self.subnets.contains_key(**it))
            .map(|it| (*it).to_owned())
            .collect();
        self.subnets.extend(unknown.into_iter().zip(left.into_iter().cycle()));
    }

    /// In which zone a subnet is.
    pub fn restore_subnet(&mut self, subnet: &str, zone: &str) {
        self.subnets.insert(subnet.to_owned(), zone.to_owned());
    }

    /// A life-cycle hook of a group, as `describe-lifecycle-hooks` shows it.
    pub fn restore_hook(&mut self, group: &str, described: &Value) {
        let settings = without(described, &["LifecycleHookName", "AutoScalingGroupName"]);
        if let Some(group) = self.groups.get_mut(group) {
            group.carried.hooks.insert(text(described, "LifecycleHookName").to_owned(), settings);
        }
    }

    /// Whom a group notifies of something, as `describe-notification-configurations` shows it.
    pub fn restore_notification(&mut self, group: &str, described: &Value) {
        let told = (text(described, "TopicARN").to_owned(), text(described, "NotificationType").to_owned());
        if let Some(group) = self.groups.get_mut(group) {
            group.carried.notifications.insert(told);
        }
    }
}

fn warm_pool(described: &Value) -> Option<WarmPool> {
    described.as_object()?;
    let settings: Tree = without(described, &["Status"]);
    Some(WarmPool { settings, members: Vec::new(), deleting: described["Status"].is_string() })
}
