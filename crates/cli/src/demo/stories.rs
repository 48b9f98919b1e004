//! The stories that the demo tells: for each strategy an example, the shop that it fits, and what is to be seen.

use crossfade_core::document::{
    self, Artifact, DnsName, Document, ListenerPair, Routing, RuleOrListener, TargetGroupArn, TargetGroups,
};
use crossfade_core::kinds::dns::{CloudMapService, LoadBalancer};
use crossfade_core::kinds::elb::is_network;
use crossfade_sim::world::sample::{Layout, Name, Shop};
use serde_json::json;

use crate::args::{self, Strategy};
use crate::say::Problem;

/// One story.
pub(crate) struct Story {
    /// The document that is deployed; in the repository it is also an example.
    document: &'static str,
    /// How the shop's traffic is laid out before.
    pub(crate) layout: Layout,
    /// What is to be seen, with `OLD` and `NEW` for the two fleets.
    tells: &'static str,
}

macro_rules! example {
    ($name:literal) => {
        include_str!(concat!("../../../../examples/", $name, ".yaml"))
    };
}

/// The name of this account: ids follow from the seed.
fn by_name(dns: DnsName, of: &Name, shop: &Shop) -> DnsName {
    let dns = DnsName { name: of.name.clone(), zone: of.zone.clone(), ..dns };
    let pools = [&shop.target_group_a, &shop.target_group_b];
    match &shop.other_stack {
        None => DnsName { services: pools.map(|arn| CloudMapService(arn.clone())).to_vec(), ..dns },
        Some(other) => {
            let stacks = [&shop.load_balancer, &other.balancer].into_iter().zip(pools);
            let stack = |(arn, pool): (&String, &String)| LoadBalancer {
                arn: arn.clone(),
                target_groups: vec![TargetGroupArn(pool.clone())],
            };
            DnsName { load_balancers: stacks.map(stack).collect(), ..dns }
        }
    }
}

impl Story {
    /// The story of a strategy; `verified`: of its example with checks.
    pub(crate) fn of(strategy: Strategy, compute: args::Compute, verified: bool) -> Self {
        let strategy = match (strategy, compute) {
            // A service cannot change its target groups while it serves.
            // Neither can an Elastigroup without its instances being moved one does not know how.
            (Strategy::Swap, args::Compute::Ecs | args::Compute::EcsOnEc2 | args::Compute::Elastigroup) => {
                Strategy::ListenerSwap
            }
            (strategy, _) => strategy,
        };
        let (document, layout, tells) = match strategy {
            Strategy::Basic => (
                example!("basic"),
                Layout::Attached,
                "Basic: NEW comes up beside OLD in its target group, then OLD goes",
            ),
            Strategy::Canary => {
                (example!("canary"), Layout::Attached, "Canary: NEW grows in phases, and OLD shrinks as much each time")
            }
            Strategy::Shift => (
                example!("blue-green-shift"),
                Layout::Weighted,
                "Shift of weights: NEW comes up without traffic and gets it step by step",
            ),
            Strategy::Swap => (
                example!("blue-green-swap"),
                Layout::Staged,
                "Swap by attachment: NEW moves from test to production, and OLD leaves",
            ),
            Strategy::ListenerSwap => (
                example!("listener-swap"),
                Layout::Staged,
                "Swap of listeners: NEW comes up on test, which then becomes production",
            ),
        };
        let document = match strategy {
            _ if !verified => document,
            Strategy::Basic => example!("verified-basic"),
            Strategy::Canary => example!("verified-canary"),
            Strategy::Shift => example!("verified-shift"),
            Strategy::Swap => example!("verified-swap"),
            Strategy::ListenerSwap => example!("verified-listener-swap"),
        };
        Self { document, layout, tells }
    }

    /// The story of a name in DNS.
    pub(crate) fn by_dns(compute: args::Compute, verified: bool) -> Self {
        let (document, layout, tells) = match compute {
            args::Compute::Ecs | args::Compute::EcsOnEc2 => (
                example!("ecs-dns"),
                Layout::Named,
                "Shift of weights in DNS: NEW registers beside OLD, and gets the name's look-ups step by step",
            ),
            args::Compute::Asg | args::Compute::Elastigroup => (
                example!("two-load-balancers-by-dns"),
                Layout::Stacks,
                "Shift of weights in DNS: NEW comes up behind the other load balancer, and gets the name's look-ups step by step",
            ),
        };
        Self { document: if verified { example!("verified-shift") } else { document }, layout, tells }
    }

    /// What is to be seen.
    pub(crate) fn tells(&self, old: &str, new: &str) -> String {
        self.tells.replace("OLD", old).replace("NEW", new)
    }

    /// The example, for the router of this account: its ARNs follow from the seed.
    pub(crate) fn document(&self, shop: &Shop) -> Result<Document, Problem> {
        let mut document = document::parse_text(self.document).map_err(crossfade_core::Failure::from)?;
        document.routing = match document.routing {
            Routing::Weighted(_) if shop.name.is_some() => {
                let of_name = match shop.other_stack {
                    None => example!("ecs-dns"),
                    Some(_) => example!("two-load-balancers-by-dns"),
                };
                document::parse_text(of_name).map_err(crossfade_core::Failure::from)?.routing
            }
            Routing::Weighted(_) => Routing::Weighted(vec![RuleOrListener(shop.route().to_owned())]),
            Routing::Listeners(_) => Routing::Listeners(vec![ListenerPair {
                production: RuleOrListener(shop.route().to_owned()),
                test: RuleOrListener(shop.test_listener.clone().unwrap_or_default()),
            }]),
            Routing::TargetGroups(groups) => Routing::TargetGroups(TargetGroups {
                production: vec![TargetGroupArn(shop.target_group_a.clone())],
                test: groups.test.iter().map(|_| TargetGroupArn(shop.target_group_b.clone())).collect(),
            }),
            Routing::Dns(names) => Routing::Dns(names),
            Routing::None => Routing::None,
        };
        if let (Routing::Dns(names), Some(of)) = (&mut document.routing, &shop.name) {
            names.iter_mut().for_each(|dns| *dns = by_name(dns.clone(), of, shop));
        }
        let by_name = shop.name.is_some();
        if (is_network(&shop.load_balancer) || by_name) && !document.verification.is_none() {
            // What shares out connections or look-ups knows nothing of requests, or sees them come in bursts: the applications know.
            let own = document::parse_text(example!("verified-basic")).map_err(crossfade_core::Failure::from)?;
            document.verification = own.verification;
            document.verification.checks.retain(|_, check| {
                check.metric.as_ref().is_none_or(|it| !(it.of_requests() || by_name && it.of_load_balancer()))
            });
        }
        if let Some(account) = &shop.spot_account {
            let of_spot = json!({ "elastigroup": { "account": account, "base": shop.base_group, "name": "shop" } });
            document.compute = serde_json::from_value(of_spot).map_err(|error| Problem::Here(error.to_string()))?;
        }
        if let Some(cluster) = &shop.cluster {
            document.artifact = Artifact::Image(shop.new_ami.clone());
            let mut of_services =
                json!({ "ecsService": { "cluster": cluster, "base": shop.base_group, "name": "shop" } });
            if by_name && shop.other_stack.is_none() {
                // No load balancer tells which of its containers serves.
                of_services["ecsService"]["container"] = json!("app");
            }
            document.compute = serde_json::from_value(of_services).map_err(|error| Problem::Here(error.to_string()))?;
        }
        Ok(document)
    }
}
