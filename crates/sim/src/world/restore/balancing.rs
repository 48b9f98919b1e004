//! Load balancers, listeners, rules, target groups and their targets.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{flag, list, number, text, without};
use crate::world::balancers::Before;
use crate::world::{Listener, LoadBalancer, Rule, TargetGroup, TargetKey, Tree, World};

/// What stands for a client secret that nobody shows.
const SECRET: &str = "unknown";

impl World {
    /// A load balancer, as `describe-load-balancers` shows it.
    pub fn restore_load_balancer(&mut self, described: &Value, tags: BTreeMap<String, String>) {
        let arn = text(described, "LoadBalancerArn").to_owned();
        let zones = list(described, "AvailabilityZones").iter();
        let balancer = LoadBalancer {
            arn: arn.clone(),
            name: text(described, "LoadBalancerName").to_owned(),
            kind: text(described, "Type").to_owned(),
            created_at: self.now,
            zones: zones.filter_map(|zone| text(zone, "ZoneName").chars().last()).collect(),
            dual_stack: text(described, "IpAddressType").starts_with("dualstack"),
            internal: text(described, "Scheme") == "internal",
            tags,
        };
        self.balancers.insert(arn, balancer);
    }

    /// A target group, as `describe-target-groups` and `describe-target-group-attributes` show it.
    pub fn restore_target_group(&mut self, described: &Value, attributes: &[Value], tags: BTreeMap<String, String>) {
        let arn = text(described, "TargetGroupArn").to_owned();
        let pair = |it: &Value| (text(it, "Key").to_owned(), text(it, "Value").to_owned());
        let group = TargetGroup {
            arn: arn.clone(),
            name: text(described, "TargetGroupName").to_owned(),
            port: number(described, "Port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
            settings: without(described, &["TargetGroupArn", "TargetGroupName", "Port", "LoadBalancerArns"]),
            attributes: attributes.iter().map(pair).collect(),
            tags,
            targets: BTreeMap::new(),
            in_use: false,
        };
        self.target_groups.insert(arn, group);
    }

    /// A listener, as `describe-listeners` shows it, with the ARN of its default rule.
    pub fn restore_listener(&mut self, described: &Value, default_rule: &str, tags: BTreeMap<String, String>) {
        let arn = text(described, "ListenerArn").to_owned();
        let listener = Listener {
            arn: arn.clone(),
            balancer: text(described, "LoadBalancerArn").to_owned(),
            default_rule: default_rule.to_owned(),
            actions: actions(&described["DefaultActions"]),
            settings: without(described, &["ListenerArn", "LoadBalancerArn", "DefaultActions"]),
            tags,
            stale: None,
            before: Before::default(),
        };
        self.listeners.insert(arn, listener);
        self.actions_changed();
    }

    /// A rule, as `describe-rules` shows it. A default one is its listener's, and passed over.
    pub fn restore_rule(&mut self, described: &Value, tags: BTreeMap<String, String>) {
        let arn = text(described, "RuleArn").to_owned();
        if flag(described, "IsDefault") {
            return;
        }
        let Some((listener, _)) = arn.rsplit_once('/') else { return };
        let rule = Rule {
            arn: arn.clone(),
            listener: listener.replacen(":listener-rule/", ":listener/", 1),
            priority: number(described, "Priority").and_then(|it| u32::try_from(it).ok()).unwrap_or(0),
            actions: actions(&described["Actions"]),
            settings: without(described, &["RuleArn", "Priority", "Actions", "IsDefault"]),
            tags,
            stale: None,
            before: Before::default(),
        };
        self.rules.insert(arn, rule);
        self.actions_changed();
    }

    /// A target of a target group, as `describe-target-health` shows it. One that is neither an instance of a group nor known
    /// otherwise is something that answers as its health says.
    pub fn restore_target(&mut self, target_group: &str, described: &Value) {
        let Some(group) = self.target_groups.get(target_group) else { return };
        let target = &described["Target"];
        let port = number(target, "Port").and_then(|port| u16::try_from(port).ok()).unwrap_or(group.port);
        let key = TargetKey { id: text(target, "Id").to_owned(), port };
        let health = &described["TargetHealth"];
        let state = text(health, "State");
        if self.server(&key).is_none() {
            self.restore_stranger(&key.id, text(target, "AvailabilityZone"));
        }
        if state == "unhealthy" {
            match self.ecs.task_at(&key).map(|task| task.id.clone()) {
                Some(task) => drop(self.sicken_task(&task)),
                None => drop(self.sicken_instance(&key.id)),
            }
        }
        self.place_target(target_group, key, state, text(health, "Reason"), text(health, "Description"));
    }
}

/// Actions with everything that a description does not show.
fn actions(described: &Value) -> Tree {
    let mut actions = match described {
        Value::Array(_) => Tree::from_json(described),
        _ => Tree::List(Vec::new()),
    };
    if let Tree::List(actions) = &mut actions {
        for action in actions {
            if let Some(mut config) = action.take("AuthenticateOidcConfig") {
                config.set("ClientSecretDigest", Tree::text(SECRET));
                action.set("AuthenticateOidcConfig", config);
            }
        }
    }
    actions
}
