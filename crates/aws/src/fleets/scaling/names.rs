//! What is called differently for a fleet than for its base: the fleet, its target groups, their load balancers.

use aws_sdk_elasticloadbalancingv2::Client;
use crossfade_core::Result;

use crate::refusal::refusal;
use crossfade_core::lane::Counterpart;

/// A target group that is left open, in a label or a dimension: the fleet's first.
pub(crate) const OPEN: &str = "targetgroup/";

/// The names of base and fleet.
pub(crate) struct Names<'a> {
    pub(super) base: &'a str,
    pub(crate) fleet: &'a str,
    /// The dimension by which metrics name a fleet.
    dimension: &'static str,
    pairs: Vec<Pair>,
}

struct Pair {
    of: Vec<Place>,
    to: Place,
}

/// A target group and its load balancer, as labels and dimensions call them: by the last part of their ARNs.
struct Place {
    target_group: String,
    load_balancer: Option<String>,
}

impl<'a> Names<'a> {
    /// Reads which load balancers the target groups belong to.
    pub(crate) async fn read(
        client: &Client,
        (dimension, base, fleet): (&'static str, &'a str, &'a str),
        counterparts: &[Counterpart],
    ) -> Result<Self> {
        let mut pairs = Vec::new();
        for counterpart in counterparts {
            let mut of = Vec::new();
            for arn in &counterpart.of {
                of.push(place(client, arn).await?);
            }
            pairs.push(Pair { of, to: place(client, &counterpart.to).await? });
        }
        Ok(Self { base, fleet, dimension, pairs })
    }

    /// Renames the target group in `app/NAME/ID/targetgroup/NAME/ID` (P24).
    ///
    /// # Errors
    /// Why it cannot be renamed, in words. AWS would refuse any other label.
    pub(crate) fn label(&self, label: &mut Option<String>) -> std::result::Result<(), String> {
        let Some(text) = label.as_deref().filter(|text| !text.is_empty()) else { return Ok(()) };
        let target_group = text.find("/targetgroup/").and_then(|at| text.get(at + 1..)).unwrap_or(text);
        let pair = self.pair(target_group).ok_or_else(|| {
            format!("it counts requests to {target_group}, and {} is not attached to anything in its place", self.fleet)
        })?;
        let to = &pair.to;
        let load_balancer =
            to.load_balancer.as_ref().ok_or_else(|| format!("{} belongs to no load balancer", to.target_group))?;
        *label = Some(format!("{load_balancer}/{}", to.target_group));
        Ok(())
    }

    /// Renames the values of a metric's dimensions; one that is left open becomes the fleet's own. Those of others stay.
    pub(crate) fn dimensions<'d>(
        &self,
        dimensions: impl Iterator<Item = (&'d Option<String>, &'d mut Option<String>)>,
    ) {
        let mut dimensions: Vec<_> = dimensions.collect();
        let target_group = dimensions.iter().find(|(name, _)| name.as_deref() == Some("TargetGroup"));
        let target_group = target_group.and_then(|(_, value)| (*value).clone());
        for (name, value) in &mut dimensions {
            let Some(old) = value.as_deref() else { continue };
            let open = old.is_empty();
            let new = match name.as_deref() {
                Some(name) if name == self.dimension && (open || old == self.base) => Some(self.fleet.to_owned()),
                Some("TargetGroup") => self.pair(old).map(|pair| pair.to.target_group.clone()),
                Some("LoadBalancer") => match &target_group {
                    Some(target_group) => self.pair(target_group),
                    None if open => self.pairs.first(),
                    None => self.pairs.iter().find(|pair| pair.of.iter().any(|of| of.is_behind(old))),
                }
                .and_then(|pair| pair.to.load_balancer.clone()),
                _ => None,
            };
            if let Some(new) = new {
                **value = Some(new);
            }
        }
    }

    /// What has to be said about an expression that names the base: nobody can tell what else would have to change.
    pub(crate) fn doubt(&self, mut expressions: impl Iterator<Item = Option<String>>) -> &'static str {
        let names_base = expressions.any(|it| it.is_some_and(|expression| expression.contains(self.base)));
        if names_base { "; it has an expression that still names the base: see whether that is meant" } else { "" }
    }

    fn pair(&self, target_group: &str) -> Option<&Pair> {
        if target_group == OPEN {
            return self.pairs.first();
        }
        let is = |place: &Place| place.target_group == target_group;
        self.pairs.iter().find(|pair| is(&pair.to) || pair.of.iter().any(is))
    }
}

impl Place {
    fn is_behind(&self, load_balancer: &str) -> bool {
        self.load_balancer.as_deref() == Some(load_balancer)
    }
}

/// A target group's place. One that is gone belongs to no load balancer.
async fn place(client: &Client, arn: &str) -> Result<Place> {
    let target_group = arn.rsplit(':').next().unwrap_or(arn).to_owned();
    let found = match client.describe_target_groups().target_group_arns(arn).send().await {
        Err(e) if e.as_service_error().is_some_and(|e| e.is_target_group_not_found_exception()) => None,
        answer => answer.map_err(|e| refusal("elasticloadbalancing:DescribeTargetGroups", arn, e))?.target_groups,
    };
    let load_balancer =
        found.unwrap_or_default().into_iter().flat_map(|group| group.load_balancer_arns).flatten().next();
    let last = |arn: String| arn.split_once(":loadbalancer/").map(|(_, last)| last.to_owned());
    Ok(Place { target_group, load_balancer: load_balancer.and_then(last) })
}
