//! Rules, listeners and target groups of Elastic Load Balancing: how they are named, and how soon their nodes follow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ARN of a rule, or of a listener for its default action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RuleOrListener(
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:(listener-rule/app/[^/]+/[0-9a-f]+/[0-9a-f]+/[0-9a-f]+|listener/(app|net)/[^/]+/[0-9a-f]+/[0-9a-f]+)$"),
        extend("x-expected" = "the ARN of an Application Load Balancer's rule, `arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener-rule/app/NAME/ID/ID/ID`, or, for its default action, of a listener, `arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener/app/NAME/ID/ID`, of a Network Load Balancer `listener/net/NAME/ID/ID`")
    )]
    pub String,
);

/// The ARN of a target group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TargetGroupArn(
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[^/]+/[0-9a-f]+$"),
        extend("x-expected" = "the ARN of a target group, `arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID`")
    )]
    pub String,
);

/// `rule …`, `default action of listener …` or `records of …`, for messages.
pub fn describe(rule_or_listener: &str) -> String {
    if let Some(name) = super::dns::name_of(rule_or_listener) {
        format!("records of {name}")
    } else if is_rule(rule_or_listener) {
        format!("rule {rule_or_listener}")
    } else {
        format!("default action of listener {rule_or_listener}")
    }
}

/// Whether an ARN names a rule rather than a listener.
pub fn is_rule(arn: &str) -> bool {
    arn.contains(":listener-rule/")
}

/// The listener that a rule belongs to: its ARN is that of the rule without the last part.
pub fn listener_of(rule: &str) -> Option<String> {
    let (listener, _) = rule.rsplit_once('/')?;
    is_rule(rule).then(|| listener.replace(":listener-rule/", ":listener/"))
}

/// How long a Network Load Balancer may take until new connections follow new weights, in seconds: it sets them at once, and its nodes
/// follow when they do. ECS waits for so long, too (P74; Amazon ECS Developer Guide, NLB resources for blue/green deployments).
const NETWORK_SECONDS: u32 = 600;

/// How long after a change of weights the nodes of a rule's or listener's load balancer may still follow the ones before, in seconds.
/// Those of an Application Load Balancer follow within 3 to 15 s; nothing says for sure when all of them have.
pub fn settle_seconds(rule_or_listener: &str) -> u32 {
    if is_network(rule_or_listener) { NETWORK_SECONDS } else { 60 }
}

/// Whether a listener or load balancer shares out connections, which stay where they were opened whatever weights become (P102),
/// rather than requests.
pub fn is_network(arn: &str) -> bool {
    [":listener/net/", ":loadbalancer/net/"].iter().any(|part| arn.contains(part))
}

/// `load balancer shop` for `arn:aws:elasticloadbalancing:…:loadbalancer/app/shop/50dc…`.
pub fn balancer(arn: &str) -> String {
    format!("load balancer {}", arn.split('/').nth(2).unwrap_or(arn))
}

/// `shop-a` for `arn:aws:elasticloadbalancing:…:targetgroup/shop-a/73e2…`, `srv-1` for `arn:aws:servicediscovery:…:service/srv-1`: what a
/// person calls a pool.
pub fn short(target_group: &str) -> &str {
    target_group.split('/').nth(1).unwrap_or(target_group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p43_a_rule_says_whose_it_is() {
        let rule = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/listener-rule/50dc/f2f7/9683";
        let listener = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/listener-rule/50dc/f2f7";
        assert_eq!(listener_of(rule).as_deref(), Some(listener));
        assert_eq!(listener_of(listener), None);
    }
}
