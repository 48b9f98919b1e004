//! Who steers a switch or a pool: the infrastructure definition that first did, until it is handed over.
//!
//! A definition's own lock then guards all that it steers: nobody else may.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::document::Routing;
use crate::kinds::elb::{describe, short};
use crate::lane::Lane;
use crate::observed::Fleet;

/// The record of a switch or a pool: whose it is, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The infrastructure definition that may steer it; nobody once it was given back.
    pub infrastructure: Option<String>,
    /// The deployment that first steered it for that definition, or the handover that gave it.
    pub deployment: String,
    /// Since when, in milliseconds since 1970.
    pub since_millis: u64,
    /// Who handed it over, as far as they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, as far as they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A switch or a pool, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steered {
    /// Its ARN.
    pub arn: String,
    /// Its record, if it has one.
    pub claim: Option<Claim>,
    /// The version of that record; 0 without one.
    pub version: u64,
}

impl Steered {
    /// The infrastructure definition that may steer it, if one may already.
    pub fn owner(&self) -> Option<&str> {
        self.claim.as_ref()?.infrastructure.as_deref()
    }
}

/// Whose the switches and pools of a deployment are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// Nobody's so far.
    pub unclaimed: Vec<Steered>,
    /// By their owner those that belong to another infrastructure definition, each with why.
    pub foreign: BTreeMap<String, Vec<(String, String)>>,
}

/// The switches and pools that a deployment may steer, in a fixed order and each once: those that the document names, and the
/// sides that were read.
pub fn steered(routing: &Routing, lanes: &[Lane]) -> Vec<String> {
    let named: Vec<&String> = match routing {
        Routing::Weighted(rules) => rules.iter().map(|rule| &rule.0).collect(),
        Routing::Listeners(pairs) => pairs.iter().flat_map(|pair| [&pair.production.0, &pair.test.0]).collect(),
        Routing::TargetGroups(groups) => groups.production.iter().chain(&groups.test).map(|arn| &arn.0).collect(),
        Routing::None => Vec::new(),
    };
    let sides = lanes.iter().flat_map(Lane::sides);
    named.into_iter().chain(sides).cloned().collect::<BTreeSet<String>>().into_iter().collect()
}

/// Sorts switches and pools by who may steer them. One without a record is another definition's, too, if a fleet of that one is
/// attached to it: it was steered before there were records.
///
/// `others` are fleets with the tag of any infrastructure definition; they need to be known only when something has no owner.
pub fn owners(infrastructure: &str, steered: Vec<Steered>, others: &[Fleet]) -> Owners {
    let mut owners = Owners::default();
    for thing in steered {
        if let Some(owner) = thing.owner() {
            if owner != infrastructure {
                let since = thing.claim.as_ref().map_or("", |claim| claim.deployment.as_str());
                let why = format!("since {since}");
                owners.foreign.entry(owner.to_owned()).or_default().push((thing.arn, why));
            }
            continue;
        }
        let of_other = |fleet: &&Fleet| {
            fleet.infrastructure.as_deref().is_some_and(|it| it != infrastructure)
                && fleet.target_groups.contains(&thing.arn)
        };
        match others.iter().find(of_other) {
            Some(fleet) => {
                let owner = fleet.infrastructure.clone().unwrap_or_default();
                let why = format!("its fleet {} is attached", fleet.name);
                owners.foreign.entry(owner).or_default().push((thing.arn, why));
            }
            None => owners.unclaimed.push(thing),
        }
    }
    owners
}

/// A switch or a pool as a person calls it.
pub fn name(arn: &str) -> String {
    if arn.contains(":targetgroup/") { format!("target group {}", short(arn)) } else { describe(arn) }
}

/// Several of them.
pub fn names<'a>(arns: impl IntoIterator<Item = &'a String>) -> String {
    arns.into_iter().map(|arn| name(arn)).collect::<Vec<_>>().join(", ")
}

/// Why an infrastructure definition may not steer what belongs to another one, and what to do. `deploying` is the deployment
/// that holds the owner's lock, if one does.
pub fn refusal(infrastructure: &str, owner: &str, things: &[(String, String)], deploying: Option<&str>) -> String {
    let listed: Vec<String> = things.iter().map(|(arn, why)| format!("{} ({why})", name(arn))).collect();
    let arns: Vec<&str> = things.iter().map(|(arn, _)| arn.as_str()).collect();
    let busy = match deploying {
        Some(id) => format!(", which is being deployed by {id} (`crossfade status {id}`)"),
        None => String::new(),
    };
    format!(
        "{} belong to {owner}{busy}; {infrastructure} may not steer them. Is the ARN right? If they are to be steered by \
         {infrastructure} from now on, hand them over once nobody deploys {owner}: `crossfade handover --from {owner} --to \
         {infrastructure} {}`.",
        listed.join(", "),
        arns.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/1/2/3";
    const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-a/1";

    fn thing(arn: &str, owner: Option<&str>) -> Steered {
        let claim = |owner: &str| Claim {
            infrastructure: Some(owner.into()),
            deployment: "first".into(),
            since_millis: 1,
            by: None,
            comment: None,
        };
        Steered { arn: arn.into(), claim: owner.map(claim), version: u64::from(owner.is_some()) }
    }

    #[test]
    fn what_belongs_to_another_definition_is_told_apart_from_ours_and_from_nobodys() {
        let things = vec![thing(RULE, Some("shop/production/shop-base")), thing(GROUP, None)];
        let of = |infrastructure: &str| owners(infrastructure, things.clone(), &[]);
        let ours = of("shop/production/shop-base");
        assert_eq!(ours.unclaimed, vec![thing(GROUP, None)]);
        assert!(ours.foreign.is_empty());
        let theirs = of("evil/production/evil-base");
        assert_eq!(theirs.foreign["shop/production/shop-base"], [(RULE.to_owned(), "since first".to_owned())]);
        let said = refusal(
            "evil/production/evil-base",
            "shop/production/shop-base",
            &theirs.foreign["shop/production/shop-base"],
            None,
        );
        assert!(said.contains(&format!(
            "`crossfade handover --from shop/production/shop-base --to evil/production/evil-base {RULE}`"
        )));
    }

    #[test]
    fn what_was_given_back_is_nobodys() {
        let mut given_back = thing(RULE, Some("shop/production/shop-base"));
        given_back.claim.as_mut().expect("it has one").infrastructure = None;
        assert_eq!(owners("a/b/c", vec![given_back.clone()], &[]).unclaimed, [given_back]);
    }
}
