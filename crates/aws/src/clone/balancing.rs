//! Load balancers, listeners, rules and target groups.

use std::collections::BTreeSet;

use crossfade_core::document::Routing;
use crossfade_core::kinds::elb::{is_rule, listener_of};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use super::asking::{Of, borrowed, numbered};
use super::spelling::{list, tags, text, texts};
use super::{Cloning, TargetGroup};

/// The most resources whose tags one call tells, and the most target groups that one call describes (Elastic Load Balancing API
/// reference).
const AT_ONCE: usize = 20;

impl Cloning<'_> {
    /// Everything that hangs on the load balancers of the document, and of these target groups.
    pub(super) async fn balancers(&mut self, behind: BTreeSet<String>) -> Result<()> {
        let (pools, switches): (Vec<String>, Vec<String>) = self.named().into_iter().partition(|arn| is_pool(arn));
        let mut balancers: BTreeSet<String> = switches.iter().filter_map(|arn| balancer_of(arn)).collect();
        let pools: BTreeSet<String> = behind.into_iter().chain(pools).collect();
        let mut groups = self.target_groups(&pools.into_iter().collect::<Vec<_>>()).await?;
        balancers.extend(groups.iter().flat_map(|group| texts(group, "LoadBalancerArns")).map(str::to_owned));
        for balancer in &balancers {
            self.balancer(balancer).await?;
        }
        let rules = self.state.rules.iter().flat_map(|rule| list(rule, "Actions"));
        let actions = self.state.listeners.iter().flat_map(|listener| list(listener, "DefaultActions")).chain(rules);
        let forwarded: BTreeSet<String> = actions.flat_map(forwards).map(str::to_owned).collect();
        let known: BTreeSet<&str> = groups.iter().map(|group| text(group, "TargetGroupArn")).collect();
        let missing: Vec<String> = forwarded.into_iter().filter(|arn| !known.contains(arn.as_str())).collect();
        groups.extend(self.target_groups(&missing).await?);
        groups.sort_by(|one, other| text(one, "TargetGroupArn").cmp(text(other, "TargetGroupArn")));
        for group in groups {
            let arn = text(&group, "TargetGroupArn").to_owned();
            let of = [("TargetGroupArn", arn.as_str())];
            let asking = &self.asking;
            let action = "DescribeTargetGroupAttributes";
            let attributes = asking.list(Of::Balancing, action, &arn, "Attributes", &of).await?;
            let action = "DescribeTargetHealth";
            let targets = asking.list(Of::Balancing, action, &arn, "TargetHealthDescriptions", &of).await?;
            self.state.target_groups.push(TargetGroup { group, attributes, targets });
        }
        self.tags_of_balancing().await?;
        self.entrances();
        Ok(())
    }

    async fn target_groups(&self, arns: &[String]) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        for arns in arns.chunks(AT_ONCE) {
            let asked = numbered("TargetGroupArns.member", arns);
            let on = arns.join(", ");
            let asked = borrowed(&asked);
            found.extend(self.asking.list(Of::Balancing, "DescribeTargetGroups", &on, "TargetGroups", &asked).await?);
        }
        Ok(found)
    }

    /// One load balancer with its listeners and their rules.
    async fn balancer(&mut self, arn: &str) -> Result<()> {
        let asking = &self.asking;
        let of = [("LoadBalancerArns.member.1", arn)];
        let found = asking.list(Of::Balancing, "DescribeLoadBalancers", arn, "LoadBalancers", &of).await?;
        let of = [("LoadBalancerArn", arn)];
        let listeners = asking.list(Of::Balancing, "DescribeListeners", arn, "Listeners", &of).await?;
        for listener in &listeners {
            let listener = text(listener, "ListenerArn");
            let of = [("ListenerArn", listener)];
            let rules = asking.list(Of::Balancing, "DescribeRules", listener, "Rules", &of).await?;
            self.state.rules.extend(rules);
        }
        if found.iter().any(|balancer| text(balancer, "Type") == "gateway") {
            return Err(Kind::InvalidDocument.because("`crossfade rehearse` cannot clone Gateway Load Balancers yet."));
        }
        self.state.load_balancers.extend(found);
        self.state.listeners.extend(listeners);
        Ok(())
    }

    async fn tags_of_balancing(&mut self) -> Result<()> {
        let state = &self.state;
        let of = |values: &[Value], name: &str| values.iter().map(|it| text(it, name).to_owned()).collect::<Vec<_>>();
        let default = |rule: &&Value| text(rule, "IsDefault") != "true";
        let mut arns = of(&state.load_balancers, "LoadBalancerArn");
        arns.extend(of(&state.listeners, "ListenerArn"));
        arns.extend(state.rules.iter().filter(default).map(|rule| text(rule, "RuleArn").to_owned()));
        arns.extend(state.target_groups.iter().map(|it| text(&it.group, "TargetGroupArn").to_owned()));
        for arns in arns.chunks(AT_ONCE) {
            let asked = numbered("ResourceArns.member", arns);
            let on = arns.join(", ");
            let answer =
                self.asking.list(Of::Balancing, "DescribeTags", &on, "TagDescriptions", &borrowed(&asked)).await;
            for found in self.or_say(answer, "tags of load balancers, listeners, rules and target groups")? {
                let tags = tags(list(&found, "Tags"));
                if !tags.is_empty() {
                    self.state.balancing_tags.insert(text(&found, "ResourceArn").to_owned(), tags);
                }
            }
        }
        Ok(())
    }

    /// Where the users' requests arrive: what the document steers; or whatever forwards to what it calls production.
    fn entrances(&mut self) {
        self.state.entrances = match &self.document.routing {
            Routing::Weighted(rules) => rules.iter().map(|rule| rule.0.clone()).collect(),
            Routing::Listeners(pairs) => pairs.iter().map(|pair| pair.production.0.clone()).collect(),
            Routing::TargetGroups(groups) => {
                let production: Vec<&str> = groups.production.iter().map(|arn| arn.0.as_str()).collect();
                let leads = |actions: &[Value]| actions.iter().flat_map(forwards).any(|arn| production.contains(&arn));
                let state = &self.state;
                let listeners = state.listeners.iter().filter(|it| leads(list(it, "DefaultActions")));
                let rules = state.rules.iter().filter(|it| text(it, "IsDefault") != "true");
                let rules = rules.filter(|it| leads(list(it, "Actions")));
                let listeners = listeners.map(|it| text(it, "ListenerArn"));
                listeners.chain(rules.map(|it| text(it, "RuleArn"))).map(str::to_owned).collect()
            }
            Routing::Dns(_) | Routing::None => Vec::new(),
        };
    }
}

fn is_pool(arn: &str) -> bool {
    arn.contains(":targetgroup/")
}

/// The load balancer that a rule or listener belongs to: its ARN is that of the listener without the last part.
fn balancer_of(switch: &str) -> Option<String> {
    let listener = if is_rule(switch) { listener_of(switch)? } else { switch.to_owned() };
    let (balancer, _) = listener.rsplit_once('/')?;
    Some(balancer.replacen(":listener/", ":loadbalancer/", 1))
}

/// The target groups that an action forwards to.
pub(super) fn forwards(action: &Value) -> impl Iterator<Item = &str> {
    let several = list(&action["ForwardConfig"], "TargetGroups").iter().map(|group| text(group, "TargetGroupArn"));
    action["TargetGroupArn"].as_str().into_iter().chain(several)
}
