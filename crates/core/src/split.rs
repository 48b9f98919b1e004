//! How rules and listeners split traffic between target groups.

use serde::{Deserialize, Serialize};

use crate::kinds::elb::short;
use crate::{Kind, Result};

/// One side of the split.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The target group, by ARN.
    pub target_group: String,
    /// Its weight, 0 to 999; the share is the weight over the sum of weights.
    pub weight: u32,
    /// The target groups that its requests reach, too: a load balancer behind a name may forward to several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
}

impl Route {
    /// A side of one target group.
    pub fn to(target_group: impl Into<String>, weight: u32) -> Self {
        Self { target_group: target_group.into(), weight, beside: Vec::new() }
    }

    /// Whether its requests reach a target group.
    pub fn reaches(&self, target_group: &str) -> bool {
        self.target_group == target_group || self.beside.iter().any(|beside| beside == target_group)
    }
}

/// The weights of one rule or listener: as they were, or as they are to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Weights {
    /// The rule or listener, by ARN.
    pub on: String,
    /// The sides.
    pub routes: Vec<Route>,
}

/// The split of one rule or listener as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// The sides, in the order of the rule.
    pub routes: Vec<Route>,
    /// How long a client sticks to the side it was sent to, in seconds, when stickiness is on.
    pub sticky_seconds: Option<u32>,
    /// What the switch is, in words, where it is neither as it was nor as a deployment makes it, whatever its weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altered: Option<String>,
}

impl Split {
    /// The one target group that everything goes to: what each of two listeners that are to be exchanged must have.
    pub fn only(&self, router: &str) -> Result<&Route> {
        let with_weight: Vec<&Route> = self.routes.iter().filter(|route| route.weight > 0).collect();
        match (self.routes.as_slice(), with_weight.as_slice()) {
            ([one], [_]) => Ok(one),
            _ => Err(Kind::PreflightFailed.because(format!(
                "{router} forwards to [{}], expected exactly one target group. Make it forward to the one that serves \
                 there, or use routing.weighted.",
                in_words(&self.routes)
            ))),
        }
    }

    /// The weight of a target group; 0 when it is not in the rule.
    pub fn weight(&self, target_group: &str) -> u32 {
        self.routes.iter().find(|r| r.reaches(target_group)).map_or(0, |r| r.weight)
    }

    /// Whether these are the weights, whatever their order, of a switch that nobody else has changed.
    pub fn has(&self, routes: &[Route]) -> bool {
        let sorted = |routes: &[Route]| {
            let mut routes = routes.to_vec();
            routes.sort();
            routes
        };
        self.altered.is_none() && sorted(&self.routes) == sorted(routes)
    }
}

/// A split in words, with what somebody has made of it.
pub fn split_in_words(split: &Split) -> String {
    match &split.altered {
        None => in_words(&split.routes),
        Some(altered) if altered.is_empty() => "no records".into(),
        Some(altered) => altered.clone(),
    }
}

/// The share of the traffic that a target group gets under these weights, in percent, rounded up.
pub fn percent_of(routes: &[Route], target_group: &str) -> u32 {
    let sum: u32 = routes.iter().map(|r| r.weight).sum();
    let weight = routes.iter().find(|r| r.reaches(target_group)).map_or(0, |r| r.weight);
    if sum == 0 { 0 } else { (weight * 100).div_ceil(sum) }
}

/// The share of the traffic that reaches any of these target groups under these weights, in percent, rounded up.
pub fn percent_to<'a>(routes: &[Route], target_groups: impl IntoIterator<Item = &'a String> + Clone) -> u32 {
    let reaches = |route: &&Route| target_groups.clone().into_iter().any(|arn| route.reaches(arn));
    let sum: u32 = routes.iter().map(|route| route.weight).sum();
    let weight: u32 = routes.iter().filter(reaches).map(|route| route.weight).sum();
    if sum == 0 { 0 } else { (weight * 100).div_ceil(sum) }
}

/// The weights in words: `shop-a 90 : 10 shop-b`.
pub fn in_words(routes: &[Route]) -> String {
    routes.iter().map(|r| format!("{} {}", short(&r.target_group), r.weight)).collect::<Vec<_>>().join(" : ")
}

/// These weights in the order in which people read all of one switch: what served before the deployment comes first. The order in a
/// rule says nothing, and whoever compares two texts compares the left with the left.
pub fn old_first(routes: &[Route], before: &[Route]) -> Vec<Route> {
    let mut order: Vec<&Route> = before.iter().collect();
    order.sort_by_key(|route| std::cmp::Reverse(route.weight));
    let place = |route: &Route| order.iter().position(|it| it.target_group == route.target_group);
    let mut routes = routes.to_vec();
    routes.sort_by_key(|route| place(route).unwrap_or(order.len()));
    routes
}

/// The weights of several rules and listeners in words.
pub fn all_in_words(weights: &[Weights]) -> String {
    weights.iter().map(|weights| in_words(&weights.routes)).collect::<Vec<_>>().join(", ")
}

/// Target groups as a person calls them: `shop-a, shop-c`.
pub fn names(target_groups: &[String]) -> String {
    target_groups.iter().map(|arn| short(arn)).collect::<Vec<_>>().join(", ")
}
