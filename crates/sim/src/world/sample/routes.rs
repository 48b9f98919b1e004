//! The sample's load balancers, listeners, rules and target groups, laid out for one strategy or another.

use serde_json::{Value, json};

use super::{AlsoForwards, Balancer, CONNECTION_MILLIS, Compute, Layout, SecondBalancer, ShopOptions};
use crate::world::dns::Door;
use crate::world::{Refusal, TargetGroupSpec, TrafficSource, World};

/// One load balancer with all that hangs on it.
pub(super) struct Front {
    pub(super) load_balancer: String,
    pub(super) listener: String,
    pub(super) rule: Option<String>,
    pub(super) test_listener: Option<String>,
    /// The target group that has all traffic, and the one that has none.
    pub(super) target_groups: [String; 2],
    /// Whether there are no rules.
    network: bool,
}

impl Front {
    /// The first load balancer. `other` is the other team's target group, which gets a rule of its own.
    pub(super) fn first(world: &mut World, options: &ShopOptions) -> Result<(Self, String), Refusal> {
        let load_balancer = load_balancer(world, &options.name, options);
        let a = world.add_target_group(target_group(&options.part("a"), options));
        let b = world.add_target_group(target_group(&options.part("b"), options));
        let other = world.add_target_group(target_group("other-team", options));
        let front = Self::of(world, load_balancer, [a, b], Some(&other), options)?;
        Ok((front, other))
    }

    /// The second load balancer, for those who serve the public and the office from one fleet.
    pub(super) fn second(world: &mut World, options: &ShopOptions) -> Result<Self, Refusal> {
        let load_balancer = load_balancer(world, &options.part("internal"), options);
        let c = world.add_target_group(target_group(&options.part("c"), options));
        let d = world.add_target_group(target_group(&options.part("d"), options));
        Self::of(world, load_balancer, [c, d], None, options)
    }

    /// The other stack: a load balancer of its own before the second target group of this one.
    pub(super) fn other_stack(&self, world: &mut World, options: &ShopOptions) -> Result<Self, Refusal> {
        let load_balancer = load_balancer(world, &options.part("green"), options);
        let [a, b] = self.target_groups.clone();
        Self::of(world, load_balancer, [b, a], None, options)
    }

    /// Where requests arrive.
    pub(super) fn entrance(&self) -> Door {
        Door { balancer: self.load_balancer.clone(), listener: self.listener.clone(), rule: self.rule.clone() }
    }

    fn of(
        world: &mut World,
        load_balancer: String,
        target_groups: [String; 2],
        other: Option<&str>,
        options: &ShopOptions,
    ) -> Result<Self, Refusal> {
        let [production, second] = &target_groups;
        let actions = production_actions(production, second, options);
        let not_found = json!([{ "Type": "fixed-response", "FixedResponseConfig": {
            "StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no such page" } }]);
        let network = options.balancer == Balancer::Network;
        let by_default = options.default_action || network;
        let default_actions = if by_default { &actions } else { &not_found };
        let protocol = if network { "TCP" } else { "HTTPS" };
        let listener = world.add_listener(&load_balancer, 443, protocol, default_actions)?;
        let mut front = Self { load_balancer, listener, rule: None, test_listener: None, target_groups, network };
        if let Some(other) = other {
            let elsewhere = json!([{ "Field": "host-header",
                "HostHeaderConfig": { "Values": ["other.example.com"] } }]);
            front.door(world, 5, &elsewhere, other)?;
        }
        if !by_default {
            let all = json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/*"] } }]);
            front.rule = Some(world.add_rule(&front.listener, 10, &all, &actions)?);
        }
        if options.layout == Layout::Staged {
            let test = forward_to(&front.target_groups[1]);
            front.test_listener = Some(world.add_listener(&front.load_balancer, 8443, protocol, &test)?);
        }
        Ok(front)
    }

    /// Another way in: a rule of its listener, or, where there are no rules, a listener.
    fn door(
        &self,
        world: &mut World,
        priority: u16,
        conditions: &Value,
        target_group: &str,
    ) -> Result<String, Refusal> {
        let to = forward_to(target_group);
        match self.network {
            true => world.add_listener(&self.load_balancer, 9_000 + priority, "TCP", &to),
            false => world.add_rule(&self.listener, u32::from(priority), conditions, &to),
        }
    }

    /// The target group that has all traffic.
    pub(super) fn production(&self) -> &str {
        &self.target_groups[0]
    }

    /// Lets requests arrive. Answers the number of their source.
    pub(super) fn open(&self, world: &mut World, options: &ShopOptions) -> usize {
        world.add_traffic(requests(&self.listener, self.rule.as_deref(), options))
    }

    /// Adds what else forwards to its target groups, and answers its ARN.
    pub(super) fn also_forward(
        &self,
        world: &mut World,
        also: AlsoForwards,
        options: &ShopOptions,
    ) -> Result<String, Refusal> {
        let [a, b] = &self.target_groups;
        Ok(match also {
            AlsoForwards::Rule => self.side_door(world, "admin", 7, a, options)?,
            AlsoForwards::Listener => {
                let protocol = if self.network { "TCP" } else { "HTTP" };
                let listener = world.add_listener(&self.load_balancer, 80, protocol, &forward_to(a))?;
                world.add_traffic(requests(&listener, None, options));
                listener
            }
            AlsoForwards::RuleToStage => self.door(world, 7, &path("preview"), b)?,
        })
    }

    /// Lets requests arrive for a path of their own, and answers the rule or listener.
    pub(super) fn side_door(
        &self,
        world: &mut World,
        name: &str,
        priority: u16,
        target_group: &str,
        options: &ShopOptions,
    ) -> Result<String, Refusal> {
        let door = self.door(world, priority, &path(name), target_group)?;
        let source = match self.network {
            true => requests(&door, None, options),
            false => requests(&self.listener, Some(&door), options),
        };
        world.add_traffic(source);
        Ok(door)
    }

    /// As the shop shows it, with the number of its source of traffic.
    pub(super) fn shown(self, traffic: usize) -> SecondBalancer {
        let [target_group_c, target_group_d] = self.target_groups;
        SecondBalancer {
            load_balancer: self.load_balancer,
            listener: self.listener,
            rule: self.rule,
            test_listener: self.test_listener,
            target_group_c,
            target_group_d,
            traffic,
        }
    }
}

fn load_balancer(world: &mut World, name: &str, options: &ShopOptions) -> String {
    match options.balancer {
        Balancer::Application => world.add_load_balancer(name),
        Balancer::Network => world.add_network_load_balancer(name),
    }
}

/// A target group for the shop's load balancers.
pub(super) fn target_group(name: &str, options: &ShopOptions) -> TargetGroupSpec {
    let spec = TargetGroupSpec {
        network: options.balancer == Balancer::Network,
        ip: options.compute == Compute::Services,
        ..TargetGroupSpec::new(name)
    };
    match name.starts_with(&options.part("")) {
        true => TargetGroupSpec { deregistration_delay_seconds: options.deregistration_seconds, ..spec },
        false => spec,
    }
}

fn forward_to(target_group: &str) -> Value {
    json!([{ "Type": "forward", "TargetGroupArn": target_group }])
}

fn path(name: &str) -> Value {
    json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": [format!("/{name}/*")] } }])
}

pub(super) fn requests(listener: &str, rule: Option<&str>, options: &ShopOptions) -> TrafficSource {
    TrafficSource {
        listener_arn: listener.to_owned(),
        rule_arn: rule.map(str::to_owned),
        requests_per_second: options.requests_per_second,
        request_millis: match options.balancer {
            Balancer::Application => 300,
            Balancer::Network => CONNECTION_MILLIS,
        },
        clients: 200,
    }
}

fn production_actions(production: &str, second: &str, options: &ShopOptions) -> Value {
    let sticky = match options.sticky_seconds {
        Some(seconds) => json!({ "Enabled": true, "DurationSeconds": seconds }),
        None => json!({ "Enabled": false }),
    };
    let groups = match options.layout {
        Layout::Weighted | Layout::Named => json!([
            { "TargetGroupArn": production, "Weight": 100 },
            { "TargetGroupArn": second, "Weight": 0 },
        ]),
        Layout::Attached | Layout::Staged | Layout::Stacks => json!([{ "TargetGroupArn": production }]),
    };
    let mut forward = json!({ "Type": "forward", "ForwardConfig": { "TargetGroups": groups } });
    if options.balancer == Balancer::Network {
        return json!([forward]);
    }
    forward["ForwardConfig"]["TargetGroupStickinessConfig"] = sticky;
    if !options.login {
        return json!([forward]);
    }
    let login = json!({
        "Type": "authenticate-oidc",
        "Order": 1,
        "AuthenticateOidcConfig": {
            "Issuer": "https://login.example.com",
            "AuthorizationEndpoint": "https://login.example.com/authorize",
            "TokenEndpoint": "https://login.example.com/token",
            "UserInfoEndpoint": "https://login.example.com/userinfo",
            "ClientId": "shop",
            "ClientSecret": "kept-by-the-load-balancer",
            "SessionCookieName": "AWSELBAuthSessionCookie",
            "Scope": "openid",
            "SessionTimeout": 604_800,
            "OnUnauthenticatedRequest": "authenticate",
        },
    });
    forward["Order"] = json!(2);
    json!([login, forward])
}
