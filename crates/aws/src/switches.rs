//! Switches: rules, listeners' default actions and names in DNS, where they lead to, and by which weights.
//!
//! Steering rewrites target groups and their weights. Everything else (authentication, stickiness, conditions,
//! transforms) goes back as it came: actions are sent again whole, conditions and transforms are not sent and so stay.

pub(crate) mod dns;
mod tags;

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ForwardActionConfig, Listener, LoadBalancerSchemeEnum, LoadBalancerStateEnum, TargetGroupTuple,
};
use aws_types::SdkConfig;
use crossfade_core::infrastructure::TAG_INFRASTRUCTURE;
use crossfade_core::kinds::dns::{Balancer, DnsName, Facts, Listens, Record, Records, full};
use crossfade_core::kinds::elb::{describe, is_rule};
use crossfade_core::split::{Route, Split, Weights, in_words};
use crossfade_core::{Failure, Kind, Result};

use crate::clients::Lazy;
use crate::here::Here;
use crate::refusal::refusal;

/// The most rules that one call names.
const AT_ONCE: usize = 20;

/// The rules, listeners and names of the account.
#[derive(Clone, Debug)]
pub struct Switches {
    client: Lazy<Client>,
    here: Here,
    names: dns::Names,
    records: BTreeMap<String, Records>,
}

/// What AWS answers when a switch is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The split that it has now.
    pub split: Split,
    /// The change, where it takes a while to spread.
    pub change: Option<String>,
}

impl Switches {
    /// Those that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Lazy::new(config),
            here: Here::new(config),
            names: dns::Names::new(config),
            records: BTreeMap::new(),
        }
    }

    /// The same with what is known of names: without it they cannot be read.
    #[must_use]
    pub fn knowing(&self, records: &BTreeMap<String, Records>) -> Self {
        Self { records: records.clone(), ..self.clone() }
    }

    /// Everything that decides whether a name may be steered.
    pub async fn facts(&self, dns: &DnsName) -> Result<Facts> {
        let mut facts = self.names.facts(dns).await?;
        for named in &dns.load_balancers {
            facts.balancers.extend(self.balancer(&named.arn).await?);
        }
        let balancers = dns.load_balancers.iter().map(|it| &it.arn);
        let balancers = balancers.filter(|arn| facts.balancers.iter().all(|it| it.arn != **arn));
        let registries = dns.services.iter().map(|it| &it.0);
        let registries = registries.filter(|arn| facts.registries.iter().all(|it| it.pool != **arn));
        let missing: [(_, Vec<String>); 2] =
            [("load balancer", balancers.cloned().collect()), ("Cloud Map service", registries.cloned().collect())];
        for (what, arns) in missing.iter().filter(|(_, arns)| !arns.is_empty()) {
            if let Some(elsewhere) = self.here.elsewhere(what, arns).await {
                return Err(elsewhere);
            }
        }
        Ok(facts)
    }

    /// The records of a hosted zone with their names, and whether these are all: a large zone is not read to its end.
    pub async fn names_of(&self, zone: &str) -> Result<(Vec<(String, Record)>, bool)> {
        self.names.all(zone).await
    }

    /// A load balancer with the ports at which it listens, if there is one.
    async fn balancer(&self, arn: &str) -> Result<Option<Balancer>> {
        let answer = match self.client.describe_load_balancers().load_balancer_arns(arn).send().await {
            Err(error) if error.as_service_error().is_some_and(|it| it.is_load_balancer_not_found_exception()) => {
                return Ok(None);
            }
            answer => answer.map_err(|e| refusal("elasticloadbalancing:DescribeLoadBalancers", arn, e))?,
        };
        let Some(found) = answer.load_balancers.unwrap_or_default().into_iter().next() else { return Ok(None) };
        let mut listeners = Vec::new();
        for listener in self.listeners_of(arn).await? {
            let protocol = listener.protocol.as_ref().map_or("", |protocol| protocol.as_str());
            let at = format!("{}/{protocol}", listener.port.unwrap_or_default());
            let forwards = self.forwards_of(listener).await?.into_iter().flat_map(|it| it.routes);
            listeners.push(Listens { at, forwards_to: forwards.map(|route| route.target_group).collect() });
        }
        let is = |code: &LoadBalancerStateEnum| {
            [LoadBalancerStateEnum::Active, LoadBalancerStateEnum::ActiveImpaired].contains(code)
        };
        Ok(Some(Balancer {
            arn: arn.to_owned(),
            name: full(&found.dns_name.unwrap_or_default()),
            zone: found.canonical_hosted_zone_id.unwrap_or_default(),
            dual_stack: found.ip_address_type.is_some_and(|kind| kind.as_str().starts_with("dualstack")),
            internal: found.scheme == Some(LoadBalancerSchemeEnum::Internal),
            active: found.state.and_then(|state| state.code).as_ref().is_some_and(is),
            listeners,
        }))
    }

    async fn listeners_of(&self, load_balancer: &str) -> Result<Vec<Listener>> {
        let mut listeners = Vec::new();
        let mut pages = self.client.describe_listeners().load_balancer_arn(load_balancer).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| refusal("elasticloadbalancing:DescribeListeners", load_balancer, e))?;
            listeners.extend(page.listeners.unwrap_or_default());
        }
        Ok(listeners)
    }

    /// Whether a change has spread to everybody who answers.
    pub async fn in_sync(&self, change: &str) -> Result<bool> {
        self.names.in_sync(change).await
    }

    /// Reads the split of a rule or listener.
    ///
    /// # Errors
    /// `PreflightFailed` when the ARN names nothing, or a default rule by its own ARN (P43), or actions that forward
    /// nowhere.
    pub async fn read(&self, on: &str) -> Result<Split> {
        if let Some(records) = self.records.get(on) {
            return self.names.read(records).await;
        }
        split(on, &self.actions(on).await?)
    }

    /// Reads the splits of several rules and listeners, in their order and with few calls.
    ///
    /// # Errors
    /// As [`Switches::read`], for the first of them that cannot be read.
    pub async fn read_all(&self, ons: &[&str]) -> Result<Vec<Split>> {
        let rules: Vec<&str> = ons.iter().copied().filter(|on| is_rule(on)).collect();
        let mut known: BTreeMap<String, Vec<Action>> = BTreeMap::new();
        for arns in rules.chunks(AT_ONCE).filter(|arns| arns.len() > 1) {
            let arns = arns.iter().map(|&on| on.to_owned()).collect();
            // If one of them is missing, AWS does not say which: then each is asked for by itself.
            let Ok(answer) = self.client.describe_rules().set_rule_arns(Some(arns)).send().await else { continue };
            let readable = answer.rules.unwrap_or_default().into_iter().filter(|rule| rule.is_default != Some(true));
            known.extend(readable.filter_map(|rule| Some((rule.rule_arn?, rule.actions.unwrap_or_default()))));
        }
        let mut splits = Vec::new();
        for &on in ons {
            splits.push(match known.get(on) {
                Some(actions) => split(on, actions)?,
                None => self.read(on).await?,
            });
        }
        Ok(splits)
    }

    /// The availability zones that each of these load balancers serves.
    pub async fn zones(&self, load_balancers: &[String]) -> Result<Vec<(String, Vec<String>)>> {
        let mut zones = Vec::new();
        for arns in load_balancers.chunks(AT_ONCE) {
            let answer = self.client.describe_load_balancers().set_load_balancer_arns(Some(arns.to_vec())).send().await;
            let answer =
                answer.map_err(|e| refusal("elasticloadbalancing:DescribeLoadBalancers", &arns.join(", "), e))?;
            zones.extend(answer.load_balancers.unwrap_or_default().into_iter().map(|balancer| {
                let of_it =
                    balancer.availability_zones.unwrap_or_default().into_iter().filter_map(|zone| zone.zone_name);
                (balancer.load_balancer_arn.unwrap_or_default(), of_it.collect())
            }));
        }
        Ok(zones)
    }

    /// Everything that these load balancers forward: each rule and each listener's default action, with its weights.
    pub async fn forwards(&self, load_balancers: &[String]) -> Result<Vec<Weights>> {
        let mut found = Vec::new();
        for load_balancer in load_balancers {
            for listener in self.listeners_of(load_balancer).await? {
                found.extend(self.forwards_of(listener).await?);
            }
        }
        Ok(found)
    }

    /// The same of one listener.
    async fn forwards_of(&self, listener: Listener) -> Result<Vec<Weights>> {
        let arn = listener.listener_arn.unwrap_or_default();
        let mut found: Vec<Weights> =
            forwarded(&arn, &listener.default_actions.unwrap_or_default()).into_iter().collect();
        // Only application load balancers have rules beside their listeners' default actions.
        if arn.contains(":listener/app/") {
            found.extend(self.rules_of(&arn).await?);
        }
        Ok(found)
    }

    async fn rules_of(&self, listener: &str) -> Result<Vec<Weights>> {
        let (mut found, mut marker) = (Vec::new(), None);
        loop {
            let call = self.client.describe_rules().listener_arn(listener).set_marker(marker);
            let page = call.send().await.map_err(|e| refusal("elasticloadbalancing:DescribeRules", listener, e))?;
            for rule in page.rules.unwrap_or_default().into_iter().filter(|rule| rule.is_default != Some(true)) {
                found.extend(forwarded(&rule.rule_arn.unwrap_or_default(), &rule.actions.unwrap_or_default()));
            }
            match page.next_marker.filter(|marker| !marker.is_empty()) {
                Some(next) => marker = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Sets the weights and answers the split that AWS says it now has: that answer is the truth, since a read right after
    /// may still show the old one (P68).
    ///
    /// # Errors
    /// `StaleRevision` when it does not have the split any more that was `seen` when this was decided: look again.
    pub async fn set(&self, on: &str, seen: &Split, routes: &[Route]) -> Result<Set> {
        if let Some(records) = self.records.get(on) {
            let (split, change) = self.names.set(records, seen, routes).await?;
            return Ok(Set { split, change });
        }
        let actions = self.actions(on).await?;
        let now = split(on, &actions)?;
        if now != *seen {
            return Err(Kind::StaleRevision.because(format!(
                "{} changed from {} to {} while it was about to be set.",
                describe(on),
                in_words(&seen.routes),
                in_words(&now.routes)
            )));
        }
        let actions = with_routes(actions, routes);
        let answered = if is_rule(on) {
            let answer = self.client.modify_rule().rule_arn(on).set_actions(Some(actions)).send().await;
            let answer = answer.map_err(|e| untagged(refusal("elasticloadbalancing:ModifyRule", on, e)))?;
            answer.rules.unwrap_or_default().into_iter().next().and_then(|rule| rule.actions)
        } else {
            let call = self.client.modify_listener().listener_arn(on).set_default_actions(Some(actions));
            let answer = call.send().await;
            let answer = answer.map_err(|e| untagged(refusal("elasticloadbalancing:ModifyListener", on, e)))?;
            answer.listeners.unwrap_or_default().into_iter().next().and_then(|listener| listener.default_actions)
        };
        Ok(Set { split: split(on, &answered.unwrap_or_default())?, change: None })
    }

    async fn actions(&self, on: &str) -> Result<Vec<Action>> {
        if is_rule(on) {
            let answer = self.client.describe_rules().rule_arns(on).send().await;
            let answer = match answer {
                Err(e) if e.as_service_error().is_some_and(|it| it.is_rule_not_found_exception()) => {
                    return Err(self.missing(on).await);
                }
                answer => answer.map_err(|e| refusal("elasticloadbalancing:DescribeRules", on, e))?,
            };
            let Some(rule) = answer.rules.unwrap_or_default().into_iter().next() else {
                return Err(self.missing(on).await);
            };
            if rule.is_default == Some(true) {
                return Err(Kind::PreflightFailed.because(format!(
                    "The rule {on} in routing is the default rule of its listener, which AWS does not let anybody modify. \
                     Give the listener's ARN instead."
                )));
            }
            return Ok(rule.actions.unwrap_or_default());
        }
        let answer = self.client.describe_listeners().listener_arns(on).send().await;
        let answer = match answer {
            Err(e) if e.as_service_error().is_some_and(|it| it.is_listener_not_found_exception()) => {
                return Err(self.missing(on).await);
            }
            answer => answer.map_err(|e| refusal("elasticloadbalancing:DescribeListeners", on, e))?,
        };
        match answer.listeners.unwrap_or_default().into_iter().next() {
            Some(listener) => Ok(listener.default_actions.unwrap_or_default()),
            None => Err(self.missing(on).await),
        }
    }

    /// What to say of a rule or listener that is not there.
    async fn missing(&self, on: &str) -> Failure {
        let what = if is_rule(on) { "rule" } else { "listener" };
        self.here.elsewhere(what, &[on.to_owned()]).await.unwrap_or_else(|| {
            Kind::PreflightFailed.because(format!(
                "The {} in routing does not exist in this account and region. Look the ARN up with `aws elbv2 describe-listeners` or \
                 `aws elbv2 describe-rules`.",
                describe(on)
            ))
        })
    }
}

/// Beside what the caller's role lacks, what the rule or listener may.
fn untagged(failure: Failure) -> Failure {
    match failure.kind {
        Kind::AccessDenied => failure.kind.because(format!(
            "{} Does it still bear the tag {TAG_INFRASTRUCTURE}? What does not, that role may not set.",
            failure.message
        )),
        _ => failure,
    }
}

/// What a rule or listener forwards to, if it does.
fn forwarded(on: &str, actions: &[Action]) -> Option<Weights> {
    let routes = split(on, actions).ok()?.routes;
    (!routes.is_empty()).then(|| Weights { on: on.to_owned(), routes })
}

/// The split that these actions make.
fn split(on: &str, actions: &[Action]) -> Result<Split> {
    let Some(forward) = actions.iter().find(|action| action.r#type.as_ref().is_some_and(|t| t.as_str() == "forward"))
    else {
        let types: Vec<&str> = actions.iter().filter_map(|action| action.r#type.as_ref().map(|t| t.as_str())).collect();
        return Err(Kind::PreflightFailed.because(format!(
            "{} does not forward to target groups; its actions are [{}].",
            describe(on),
            types.join(", ")
        )));
    };
    let config = forward.forward_config.as_ref();
    let groups = config.and_then(|config| config.target_groups.as_deref()).unwrap_or_default();
    let mut routes: Vec<Route> = groups
        .iter()
        .map(|group| {
            // A weight that is not given counts as 1.
            let weight = group.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1);
            Route::to(group.target_group_arn.clone().unwrap_or_default(), weight)
        })
        .collect();
    if let (true, Some(target_group)) = (routes.is_empty(), &forward.target_group_arn) {
        routes.push(Route::to(target_group, 1));
    }
    let stickiness = config.and_then(|config| config.target_group_stickiness_config.as_ref());
    let sticky = stickiness.filter(|stickiness| stickiness.enabled == Some(true));
    Ok(Split {
        routes,
        sticky_seconds: sticky
            .map(|sticky| sticky.duration_seconds.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(604_800)),
        altered: None,
    })
}

/// The same actions with other target groups and weights, ready to be sent again.
fn with_routes(mut actions: Vec<Action>, routes: &[Route]) -> Vec<Action> {
    for action in &mut actions {
        // AWS never tells the secret; without this it would ask for it again (P44).
        if let Some(oidc) = &mut action.authenticate_oidc_config {
            oidc.use_existing_client_secret = Some(true);
            oidc.client_secret = None;
        }
        if action.r#type.as_ref().is_none_or(|kind| kind.as_str() != "forward") {
            continue;
        }
        let before = action.forward_config.take();
        let stickiness = before.and_then(|config| config.target_group_stickiness_config);
        let weighted = |route: &Route| {
            let weight = i32::try_from(route.weight).unwrap_or(i32::MAX);
            TargetGroupTuple::builder().target_group_arn(&route.target_group).weight(weight).build()
        };
        let config = ForwardActionConfig::builder().set_target_groups(Some(routes.iter().map(weighted).collect()));
        // The forward configuration says everything; beside it, this may only repeat a single target group.
        action.target_group_arn = None;
        action.forward_config = Some(config.set_target_group_stickiness_config(stickiness).build());
    }
    actions
}
