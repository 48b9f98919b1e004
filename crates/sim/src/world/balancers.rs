//! Load balancers, listeners, rules and target groups.
//!
//! What it owns: what a listener or rule may do (AWS's checks of actions), and how actions are kept so that they come
//! back as AWS shows them. It must never drop a part of an action that it does not understand.

use std::collections::{BTreeMap, BTreeSet};

use super::dns::full;
use super::{Event, Reach, Refusal, Target, TargetKey, Tree, World, listener_not_found};

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// `application` or `network`.
    pub kind: String,
    /// When it was created.
    pub created_at: u64,
    /// The letters of the zones that it serves.
    pub zones: Vec<char>,
    /// Whether it has addresses of IPv6, too.
    pub dual_stack: bool,
    /// Whether only its network reaches it.
    pub internal: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl LoadBalancer {
    /// Its name in DNS, in lower case and with its final dot.
    pub fn dns_name(&self, region: &str) -> String {
        full(&format!("{}-1234567890.{region}.elb.amazonaws.com", self.name))
    }

    /// The hosted zone that aliases of it name, in eu-west-1 as on AWS.
    pub fn zone(&self) -> &'static str {
        if self.kind == "network" { "Z2IFOLAFXWLO4F" } else { "Z32O12XQLNTSW2" }
    }
}

/// A listener with its default action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its ARN.
    pub arn: String,
    /// Its load balancer's ARN.
    pub balancer: String,
    /// The ARN of its default rule.
    pub default_rule: String,
    /// Its default actions.
    pub actions: Tree,
    /// Port, protocol, certificates and so on, as the API spells them.
    pub settings: Tree,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    pub(crate) stale: Option<Stale>,
    pub(crate) before: Before,
}

/// A rule of a listener. The default rule is part of its [`Listener`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its ARN.
    pub arn: String,
    /// Its listener's ARN.
    pub listener: String,
    /// Its priority.
    pub priority: u32,
    /// Its actions.
    pub actions: Tree,
    /// Conditions and transforms, as the API spells them.
    pub settings: Tree,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    pub(crate) stale: Option<Stale>,
    pub(crate) before: Before,
}

/// What Describe still shows for a while after a change (P68).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    pub(crate) until: u64,
    pub(crate) actions: Tree,
    pub(crate) settings: Tree,
}

/// What the nodes of the load balancer still do, each until an instant, the oldest first: a change takes a while to reach them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before(Vec<(u64, Tree)>);

impl Before {
    /// These actions were changed just now, which the nodes know from `until` on.
    fn keep(&mut self, actions: &Tree, now: u64, until: u64) {
        self.0.retain(|(until, _)| now < *until);
        if now < until {
            self.0.push((until, actions.clone()));
        }
    }
}

impl Listener {
    /// What its load balancer's nodes do by default at an instant.
    pub(super) fn routes(&self, now: u64) -> &Tree {
        routes(&self.before, &self.actions, now)
    }
}

impl Rule {
    /// What its load balancer's nodes do at an instant with requests that match.
    pub(super) fn routes(&self, now: u64) -> &Tree {
        routes(&self.before, &self.actions, now)
    }
}

fn routes<'a>(before: &'a Before, actions: &'a Tree, now: u64) -> &'a Tree {
    before.0.iter().find(|(until, _)| now < *until).map_or(actions, |(_, actions)| actions)
}

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its targets' port.
    pub port: u16,
    /// Protocol, health check and so on, as the API spells them.
    pub settings: Tree,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its targets, also those that drain.
    pub targets: BTreeMap<TargetKey, Target>,
    /// Whether a listener or rule forwards to it.
    pub in_use: bool,
}

impl TargetGroup {
    /// How long a deregistered target drains, in seconds.
    pub fn deregistration_delay(&self) -> u64 {
        self.attributes.get("deregistration_delay.timeout_seconds").and_then(|text| text.parse().ok()).unwrap_or(300)
    }

    /// Whether it checks its targets at all.
    pub fn checks(&self) -> bool {
        self.settings.str("HealthCheckEnabled") != Some("false")
    }

    pub(super) fn interval(&self) -> u64 {
        self.setting("HealthCheckIntervalSeconds", 30)
    }

    pub(super) fn healthy_threshold(&self) -> u32 {
        u32::try_from(self.setting("HealthyThresholdCount", 5)).unwrap_or(5)
    }

    pub(super) fn unhealthy_threshold(&self) -> u32 {
        u32::try_from(self.setting("UnhealthyThresholdCount", 2)).unwrap_or(2)
    }

    fn setting(&self, name: &str, default: u64) -> u64 {
        self.settings.num(name).and_then(|number| u64::try_from(number).ok()).unwrap_or(default).max(1)
    }
}

/// The target groups that actions forward to, with their weights.
pub(crate) fn forwards(actions: &Tree) -> Vec<(String, u32)> {
    let Tree::List(actions) = actions else { return Vec::new() };
    let Some(forward) = actions.iter().find(|action| action.str("Type") == Some("forward")) else { return Vec::new() };
    let weight = |group: &Tree| group.num("Weight").and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1);
    forward
        .list("ForwardConfig.TargetGroups")
        .iter()
        .filter_map(|group| Some((group.str("TargetGroupArn")?.to_owned(), weight(group))))
        .collect()
}

/// How long a client stays with the target group that it was first sent to, in seconds, when it does.
pub(crate) fn stickiness(actions: &Tree) -> Option<u64> {
    let Tree::List(actions) = actions else { return None };
    let forward = actions.iter().find(|action| action.str("Type") == Some("forward"))?;
    let config = forward.get("ForwardConfig.TargetGroupStickinessConfig")?;
    config.is_true("Enabled").then(|| config.num("DurationSeconds").and_then(|it| u64::try_from(it).ok()).unwrap_or(1))
}

impl World {
    /// A target group.
    pub fn target_group(&self, arn: &str) -> Option<&TargetGroup> {
        self.target_groups.get(arn)
    }

    /// The actions of a listener, a rule, or a listener's default rule.
    pub fn actions(&self, arn: &str) -> Option<&Tree> {
        self.rules
            .get(arn)
            .map(|rule| &rule.actions)
            .or_else(|| self.listeners.get(arn).map(|listener| &listener.actions))
            .or_else(|| self.listeners.values().find(|it| it.default_rule == arn).map(|listener| &listener.actions))
    }

    /// The target groups that a listener's default action or a rule forwards to, with their weights.
    pub fn weights(&self, listener_or_rule_arn: &str) -> Vec<(String, u32)> {
        if let Some(weights) = self.name_weights(listener_or_rule_arn) {
            return weights;
        }
        self.actions(listener_or_rule_arn).map(forwards).unwrap_or_default()
    }

    /// Sets weights directly, as a human with the console would. Answers whether the listener or rule exists and
    /// forwards. Target groups that are not named keep theirs.
    pub fn set_weights(&mut self, listener_or_rule_arn: &str, weights: &[(&str, u32)]) -> bool {
        let Some(mut actions) = self.actions(listener_or_rule_arn).cloned() else { return false };
        if forwards(&actions).is_empty() {
            return false;
        }
        if let Tree::List(actions) = &mut actions {
            for action in actions.iter_mut().filter(|action| action.str("Type") == Some("forward")) {
                let mut config = action.take("ForwardConfig").unwrap_or_default();
                let mut groups = config.list("TargetGroups").to_vec();
                for group in &mut groups {
                    let named = weights.iter().find(|(arn, _)| group.str("TargetGroupArn") == Some(arn));
                    if let Some((_, weight)) = named {
                        group.set("Weight", Tree::text(weight));
                    }
                }
                config.set("TargetGroups", Tree::List(groups));
                action.set("ForwardConfig", config);
            }
        }
        if self.rules.contains_key(listener_or_rule_arn) {
            self.set_rule_actions(listener_or_rule_arn, actions);
        } else {
            let of = |it: &&Listener| it.arn == listener_or_rule_arn || it.default_rule == listener_or_rule_arn;
            let arn = self.listeners.values().find(of).map(|listener| listener.arn.clone());
            self.set_listener_actions(&arn.unwrap_or_default(), actions);
        }
        self.settle();
        true
    }

    /// Changes what a rule does. The nodes follow after [`routing_lag_millis`](super::WorldSettings::routing_lag_millis).
    pub(crate) fn set_rule_actions(&mut self, arn: &str, actions: Tree) {
        let until = self.now + self.routing_lag();
        if let Some(rule) = self.rules.get_mut(arn) {
            rule.before.keep(&rule.actions, self.now, until);
            rule.actions = actions;
        }
        self.reaches_nodes(arn, until);
    }

    /// Changes what a listener does by default. The nodes follow as with rules.
    pub(crate) fn set_listener_actions(&mut self, arn: &str, actions: Tree) {
        let until = self.now + self.routing_lag();
        if let Some(listener) = self.listeners.get_mut(arn) {
            listener.before.keep(&listener.actions, self.now, until);
            listener.actions = actions;
        }
        self.reaches_nodes(arn, until);
    }

    /// How long the nodes take to follow the next change.
    fn routing_lag(&mut self) -> u64 {
        match self.settings.routing_lag_millis {
            // Accounts whose nodes follow at once draw no randomness for it.
            (_, 0) => 0,
            range => self.between(range),
        }
    }

    fn reaches_nodes(&mut self, on: &str, until: u64) {
        if self.now < until {
            self.schedule(until, Event::Routed { on: on.to_owned() });
        }
        self.routed(on);
    }

    /// The nodes of load balancers have learned of a change of a listener or rule.
    pub(super) fn routed(&mut self, on: &str) {
        self.note_uses();
        self.traffic.reroute_on(on);
    }

    /// A load balancer, to set up what nobody may change through the API.
    pub fn balancer_mut(&mut self, arn: &str) -> Option<&mut LoadBalancer> {
        self.balancers.get_mut(arn)
    }

    /// The load balancer of this name in DNS.
    pub(crate) fn balancer_called(&self, name: &str) -> Option<&LoadBalancer> {
        self.balancers.values().find(|balancer| balancer.dns_name(&self.region) == name)
    }

    /// The target groups that a load balancer forwards to.
    pub(crate) fn forwarded_by(&self, balancer: &str) -> Vec<String> {
        let listeners = self.listeners.values().filter(|listener| listener.balancer == balancer);
        let of = |listener: &Listener| {
            let rules = self.rules.values().filter(|rule| rule.listener == listener.arn).map(|rule| &rule.actions);
            std::iter::once(&listener.actions).chain(rules).flat_map(forwards).collect::<Vec<_>>()
        };
        let reached = listeners.flat_map(of).filter(|(_, weight)| *weight > 0).map(|(arn, _)| arn);
        reached.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The load balancers that forward to a target group.
    pub(crate) fn balancers_of(&self, target_group: &str) -> BTreeSet<String> {
        let uses = |actions: &Tree| forwards(actions).iter().any(|(arn, _)| arn == target_group);
        let listeners = self.listeners.values().filter(|listener| uses(&listener.actions));
        let rules = self.rules.values().filter(|rule| uses(&rule.actions));
        let through_rules = rules.filter_map(|rule| self.listeners.get(&rule.listener));
        listeners.chain(through_rules).map(|listener| listener.balancer.clone()).collect()
    }

    /// To be called after actions have changed, or nodes have learned of it: finds out which target groups are in use now. Nodes that
    /// still route to one still check it.
    pub(crate) fn actions_changed(&mut self) {
        self.note_uses();
        self.traffic.reroute();
    }

    /// Brings up to the present which target groups are in use.
    fn note_uses(&mut self) {
        let now = self.now;
        let used: BTreeSet<String> = self
            .listeners
            .values()
            .flat_map(|listener| [&listener.actions, listener.routes(now)])
            .chain(self.rules.values().flat_map(|rule| [&rule.actions, rule.routes(now)]))
            .flat_map(forwards)
            .map(|(arn, _)| arn)
            .collect();
        let changed: Vec<String> = self
            .target_groups
            .values_mut()
            .filter(|group| group.in_use != used.contains(&group.arn))
            .map(|group| {
                group.in_use = !group.in_use;
                group.arn.clone()
            })
            .collect();
        for arn in changed {
            self.restart_checks(&arn);
            self.observe_after(Reach::TargetGroup(arn));
        }
    }

    /// The tags of a load balancer, listener, rule or target group.
    pub fn balancing_tags(&self, arn: &str) -> Option<&BTreeMap<String, String>> {
        let rule = self.rules.get(arn).map(|it| &it.tags);
        let listener = || self.listeners.get(arn).map(|it| &it.tags);
        let group = || self.target_groups.get(arn).map(|it| &it.tags);
        rule.or_else(listener).or_else(group).or_else(|| self.balancers.get(arn).map(|it| &it.tags))
    }

    /// The same, to change them.
    pub fn balancing_tags_mut(&mut self, arn: &str) -> Option<&mut BTreeMap<String, String>> {
        if let Some(rule) = self.rules.get_mut(arn) {
            return Some(&mut rule.tags);
        }
        if let Some(listener) = self.listeners.get_mut(arn) {
            return Some(&mut listener.tags);
        }
        if let Some(group) = self.target_groups.get_mut(arn) {
            return Some(&mut group.tags);
        }
        self.balancers.get_mut(arn).map(|balancer| &mut balancer.tags)
    }

    fn is_network(&self, balancer: &str) -> bool {
        self.balancers.get(balancer).is_some_and(|it| it.kind == "network")
    }

    /// Checks actions as AWS does, and completes them to what AWS shows afterwards.
    ///
    /// `before` are the actions that they replace, from which a kept client secret comes.
    pub(crate) fn checked_actions(
        &self,
        balancer: &str,
        actions: &Tree,
        before: Option<&Tree>,
    ) -> Result<Tree, Refusal> {
        let Tree::List(given) = actions else {
            return Err(Refusal::validation("At least one action must be specified"));
        };
        let mut actions = given.clone();
        let finals = ["forward", "redirect", "fixed-response"];
        let others = ["authenticate-oidc", "authenticate-cognito", "jwt-validation"];
        let kind = |action: &Tree| action.str("Type").unwrap_or_default().to_owned();
        if let Some(action) = actions.iter().find(|it| {
            let kind = kind(it);
            !finals.contains(&kind.as_str()) && !others.contains(&kind.as_str())
        }) {
            return Err(Refusal::validation(&format!("Action type '{}' is not valid", kind(action))));
        }
        if self.is_network(balancer)
            && let Some(action) = actions.iter().find(|action| kind(action) != "forward")
        {
            let words = format!("Action type '{}' is not valid for load balancers of type 'network'", kind(action));
            return Err(Refusal::new(400, "InvalidLoadBalancerAction", &words));
        }
        if actions.len() > 1 {
            if actions.iter().any(|action| action.num("Order").is_none()) {
                return Err(Refusal::validation("You must specify an order for each action"));
            }
            actions.sort_by_key(|action| action.num("Order"));
        }
        let count = actions.iter().filter(|action| finals.contains(&kind(action).as_str())).count();
        if count != 1 || !actions.last().is_some_and(|action| finals.contains(&kind(action).as_str())) {
            return Err(Refusal::new(
                400,
                "InvalidLoadBalancerAction",
                "Exactly one forward, redirect or fixed-response action is required, and it must be the last action",
            ));
        }
        for action in &mut actions {
            match kind(action).as_str() {
                "forward" => self.complete_forward(balancer, action)?,
                "authenticate-oidc" => complete_oidc(action, before)?,
                _ => {}
            }
        }
        Ok(Tree::List(actions))
    }

    fn complete_forward(&self, balancer: &str, action: &mut Tree) -> Result<(), Refusal> {
        let single = action.str("TargetGroupArn").map(str::to_owned);
        let mut config = action.take("ForwardConfig").unwrap_or_default();
        let mut groups = config.list("TargetGroups").to_vec();
        match &single {
            Some(arn) if groups.is_empty() => groups.push(Tree::map([("TargetGroupArn", Tree::text(arn))])),
            Some(arn) if groups.len() > 1 || groups[0].str("TargetGroupArn") != Some(arn) => {
                return Err(Refusal::validation(
                    "You can specify both TargetGroupArn and ForwardConfig only if ForwardConfig has one target group \
                     and it is the same",
                ));
            }
            None if groups.is_empty() => {
                return Err(Refusal::validation("A target group ARN must be specified for a forward action"));
            }
            _ => {}
        }
        if groups.len() > 5 {
            return Err(Refusal::new(400, "TooManyTargetGroups", "A forward action can have at most 5 target groups"));
        }
        let mut names = BTreeSet::new();
        for group in &mut groups {
            let arn = group.str("TargetGroupArn").unwrap_or_default().to_owned();
            if !self.target_groups.contains_key(&arn) {
                return Err(target_group_not_found(&arn));
            }
            let protocol = self.target_groups[&arn].settings.str("Protocol").unwrap_or_default();
            if matches!(protocol, "HTTP" | "HTTPS") == self.is_network(balancer) {
                let kind = if self.is_network(balancer) { "network" } else { "application" };
                return Err(Refusal::new(
                    400,
                    "IncompatibleProtocols",
                    &format!(
                        "A listener of a load balancer of type '{kind}' cannot forward to a target group with protocol {protocol}"
                    ),
                ));
            }
            let elsewhere = self.balancers_of(&arn).into_iter().any(|other| other != balancer);
            if elsewhere {
                return Err(Refusal::new(
                    400,
                    "TargetGroupAssociationLimit",
                    &format!(
                        "The following target groups cannot be associated with more than one load balancer: {arn}"
                    ),
                ));
            }
            match group.str("Weight").map(str::parse::<u32>) {
                None => group.set("Weight", Tree::text(1)),
                Some(Ok(0..=999)) => {}
                Some(_) => {
                    return Err(Refusal::validation("The weight of a target group must be between 0 and 999"));
                }
            }
            if !names.insert(arn) {
                return Err(Refusal::validation("A target group can be specified only once in a forward action"));
            }
        }
        let mut sticky = config.take("TargetGroupStickinessConfig").unwrap_or_default();
        if sticky.str("Enabled").is_none() {
            sticky.set("Enabled", Tree::text(false));
        }
        if sticky.is_true("Enabled") && !sticky.num("DurationSeconds").is_some_and(|it| (1..=604_800).contains(&it)) {
            return Err(Refusal::validation("Stickiness duration must be between 1 and 604800 seconds"));
        }
        let sticky_target = |group: &Tree| {
            let group = group.str("TargetGroupArn").and_then(|arn| self.target_groups.get(arn));
            group.is_some_and(|it| it.attributes.get("stickiness.enabled").is_some_and(|value| value == "true"))
        };
        if groups.len() > 1 && !sticky.is_true("Enabled") && groups.iter().any(sticky_target) {
            return Err(Refusal::new(
                400,
                "InvalidConfigurationRequest",
                "You must enable group stickiness on a rule if you enabled target stickiness on one of its target \
                 groups",
            ));
        }
        if let [group] = groups.as_slice() {
            let arn = group.str("TargetGroupArn").unwrap_or_default().to_owned();
            action.set("TargetGroupArn", Tree::text(arn));
        }
        config.set("TargetGroups", Tree::List(groups));
        // Connections stay with a source address by an attribute of their target group, never by their listener.
        if !self.is_network(balancer) {
            config.set("TargetGroupStickinessConfig", sticky);
        } else if sticky.is_true("Enabled") {
            return Err(Refusal::new(
                400,
                "InvalidConfigurationRequest",
                "Stickiness of target groups is not valid for load balancers of type 'network'",
            ));
        }
        action.set("ForwardConfig", config);
        Ok(())
    }
}

/// Keeps a digest of the client secret, so that a lost one shows in the inventory, and never the secret itself.
fn complete_oidc(action: &mut Tree, before: Option<&Tree>) -> Result<(), Refusal> {
    let mut config = action.take("AuthenticateOidcConfig").unwrap_or_default();
    let kept = config.take("UseExistingClientSecret").is_some_and(|flag| flag.leaf() == Some("true"));
    let known = before.and_then(|before| {
        let Tree::List(actions) = before else { return None };
        actions.iter().find_map(|action| action.str("AuthenticateOidcConfig.ClientSecretDigest"))
    });
    let digest = match (config.take("ClientSecret"), kept, known) {
        (Some(secret), false, _) => digest(secret.leaf().unwrap_or_default()),
        (None, true, Some(known)) => known.to_owned(),
        (Some(_), true, _) => {
            return Err(Refusal::validation("A client secret and UseExistingClientSecret cannot be given together"));
        }
        (None, true, None) => {
            return Err(Refusal::validation("UseExistingClientSecret requires a rule that has a client secret"));
        }
        (None, false, _) => return Err(Refusal::validation("A client secret must be specified")),
    };
    config.set("ClientSecretDigest", Tree::text(digest));
    action.set("AuthenticateOidcConfig", config);
    Ok(())
}

/// FNV-1a: enough to tell two secrets of a simulation apart.
fn digest(text: &str) -> String {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// The actions as Describe shows them: without what stands for secrets.
pub(crate) fn shown(actions: &Tree) -> Tree {
    let mut actions = actions.clone();
    if let Tree::List(actions) = &mut actions {
        for action in actions {
            if let Some(mut config) = action.take("AuthenticateOidcConfig") {
                config.take("ClientSecretDigest");
                action.set("AuthenticateOidcConfig", config);
            }
        }
    }
    actions
}

/// A resource that a request names by an ARN of which there is none.
pub(crate) fn not_found(arn: &str) -> Refusal {
    match arn {
        _ if arn.contains(":targetgroup/") => target_group_not_found(arn),
        _ if arn.contains(":listener-rule/") => rule_not_found(arn),
        _ if arn.contains(":listener/") => listener_not_found(arn),
        _ => Refusal::new(400, "LoadBalancerNotFound", &format!("Load balancers '[{arn}]' not found")),
    }
}

pub(crate) fn rule_not_found(arn: &str) -> Refusal {
    Refusal::new(400, "RuleNotFound", &format!("One or more rules not found: '{arn}'"))
}

pub(crate) fn target_group_not_found(arn: &str) -> Refusal {
    Refusal::new(400, "TargetGroupNotFound", &format!("Target groups '{arn}' not found"))
}
