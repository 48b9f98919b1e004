//! The sample's load balancers, listeners, rules and target groups, laid out for one strategy or another.

use serde_json::{Value, json};

use super::{AlsoForwards, Layout, SecondBalancer, ShopOptions};
use crate::world::{Refusal, TargetGroupSpec, TrafficSource, World};

/// One load balancer with all that hangs on it.
pub(super) struct Front {
    pub(super) load_balancer: String,
    pub(super) listener: String,
    pub(super) rule: Option<String>,
    pub(super) test_listener: Option<String>,
    /// The target group that has all traffic, and the one that has none.
    pub(super) target_groups: [String; 2],
}

impl Front {
    /// The first load balancer. `other` is the other team's target group, which gets a rule of its own.
    pub(super) fn first(world: &mut World, options: &ShopOptions) -> Result<(Self, String), Refusal> {
        let load_balancer = world.add_load_balancer("shop");
        let a = world.add_target_group(target_group("shop-a", options));
        let b = world.add_target_group(target_group("shop-b", options));
        let other = world.add_target_group(TargetGroupSpec::new("other-team"));
        let front = Self::of(world, load_balancer, [a, b], Some(&other), options)?;
        Ok((front, other))
    }

    /// The second load balancer, for those who serve the public and the office from one fleet.
    pub(super) fn second(world: &mut World, options: &ShopOptions) -> Result<Self, Refusal> {
        let load_balancer = world.add_load_balancer("shop-internal");
        let c = world.add_target_group(target_group("shop-c", options));
        let d = world.add_target_group(target_group("shop-d", options));
        Self::of(world, load_balancer, [c, d], None, options)
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
        let default_actions = if options.default_action { &actions } else { &not_found };
        let listener = world.add_listener(&load_balancer, 443, "HTTPS", default_actions)?;
        if let Some(other) = other {
            let elsewhere = json!([{ "Field": "host-header",
                "HostHeaderConfig": { "Values": ["other.example.com"] } }]);
            world.add_rule(&listener, 5, &elsewhere, &json!([{ "Type": "forward", "TargetGroupArn": other }]))?;
        }
        let all = json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/*"] } }]);
        let rule = match options.default_action {
            true => None,
            false => Some(world.add_rule(&listener, 10, &all, &actions)?),
        };
        let test_listener = match options.layout {
            Layout::Staged => {
                let stage = json!([{ "Type": "forward", "TargetGroupArn": second }]);
                Some(world.add_listener(&load_balancer, 8443, "HTTPS", &stage)?)
            }
            Layout::Weighted | Layout::Attached => None,
        };
        Ok(Self { load_balancer, listener, rule, test_listener, target_groups })
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
        let to = |arn: &str| json!([{ "Type": "forward", "TargetGroupArn": arn }]);
        Ok(match also {
            AlsoForwards::Rule => self.side_door(world, "admin", 7, a, options)?,
            AlsoForwards::Listener => {
                let listener = world.add_listener(&self.load_balancer, 80, "HTTP", &to(a))?;
                world.add_traffic(requests(&listener, None, options));
                listener
            }
            AlsoForwards::RuleToStage => world.add_rule(&self.listener, 7, &path("preview"), &to(b))?,
        })
    }

    /// Lets requests arrive for a path of their own, and answers the rule.
    pub(super) fn side_door(
        &self,
        world: &mut World,
        name: &str,
        priority: u32,
        target_group: &str,
        options: &ShopOptions,
    ) -> Result<String, Refusal> {
        let to = json!([{ "Type": "forward", "TargetGroupArn": target_group }]);
        let rule = world.add_rule(&self.listener, priority, &path(name), &to)?;
        world.add_traffic(requests(&self.listener, Some(&rule), options));
        Ok(rule)
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

fn target_group(name: &str, options: &ShopOptions) -> TargetGroupSpec {
    TargetGroupSpec { deregistration_delay_seconds: options.deregistration_seconds, ..TargetGroupSpec::new(name) }
}

fn path(name: &str) -> Value {
    json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": [format!("/{name}/*")] } }])
}

fn requests(listener: &str, rule: Option<&str>, options: &ShopOptions) -> TrafficSource {
    TrafficSource {
        listener_arn: listener.to_owned(),
        rule_arn: rule.map(str::to_owned),
        requests_per_second: options.requests_per_second,
        request_millis: 300,
        clients: 200,
    }
}

fn production_actions(production: &str, second: &str, options: &ShopOptions) -> Value {
    let sticky = match options.sticky_seconds {
        Some(seconds) => json!({ "Enabled": true, "DurationSeconds": seconds }),
        None => json!({ "Enabled": false }),
    };
    let groups = match options.layout {
        Layout::Weighted => json!([
            { "TargetGroupArn": production, "Weight": 100 },
            { "TargetGroupArn": second, "Weight": 0 },
        ]),
        Layout::Attached | Layout::Staged => json!([{ "TargetGroupArn": production }]),
    };
    let mut forward = json!({
        "Type": "forward",
        "ForwardConfig": { "TargetGroups": groups, "TargetGroupStickinessConfig": sticky },
    });
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
