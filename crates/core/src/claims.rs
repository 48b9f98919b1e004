//! Who steers a switch or a pool: the infrastructure definition that first did, until it is handed over.
//!
//! A definition's own lock then guards all that it steers: nobody else may. Records decide. A tag says the same to people, to other
//! installations, and to IAM: the role that steers may set only what bears one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::document::Routing;
use crate::infrastructure::TAG_INFRASTRUCTURE;
use crate::kinds::dns::is_registry;
use crate::kinds::elb::{describe, short};
use crate::lane::Lane;
use crate::observed::Fleet;
use crate::{Kind, Result, text};

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
    /// What its tag of ownership says, once that was read.
    pub tag: Option<String>,
    /// Whether it has no room for another tag.
    pub full: bool,
}

/// The most tags that a rule, listener or target group can have, without AWS's own.
const TAGS: usize = 50;

impl Steered {
    /// The infrastructure definition that may steer it, if one may already.
    pub fn owner(&self) -> Option<&str> {
        self.claim.as_ref()?.infrastructure.as_deref()
    }

    /// The same with these tags.
    pub fn bearing(mut self, tags: &Tags) -> Self {
        self.tag = tags.get(TAG_INFRASTRUCTURE).cloned();
        self.full = tags.keys().filter(|key| !key.starts_with("aws:")).count() >= TAGS;
        self
    }

    /// Whose it is, if that is another infrastructure definition than this one, and why.
    fn of_other(&self, infrastructure: &str, others: &[Fleet]) -> Option<(String, String)> {
        let of_other = |fleet: &&Fleet| {
            fleet.infrastructure.as_deref().is_some_and(|it| it != infrastructure)
                && fleet.target_groups.contains(&self.arn)
        };
        let claim = self.claim.as_ref().filter(|_| self.owner().is_some_and(|owner| owner != infrastructure));
        if let Some(claim) = claim {
            return Some((claim.infrastructure.clone()?, format!("since {}", claim.deployment)));
        }
        if let Some(other) = self.tag.as_ref().filter(|tag| **tag != tag_value(infrastructure)) {
            return Some((other.clone(), format!("its tag {TAG_INFRASTRUCTURE} says so")));
        }
        let fleet = others.iter().find(of_other).filter(|_| self.owner().is_none())?;
        Some((fleet.infrastructure.clone()?, format!("its fleet {} is attached", fleet.name)))
    }
}

/// The tags of something, by their keys.
pub type Tags = BTreeMap<String, String>;

/// Which of these switches and pools have to be tagged as an infrastructure definition's before it changes anything.
///
/// # Errors
/// `Drifted` when one bears another's tag by now.
pub fn to_tag(infrastructure: &str, tags: &BTreeMap<String, Tags>) -> Result<Vec<String>> {
    let mut to_tag = Vec::new();
    for (arn, tags) in tags {
        match tags.get(TAG_INFRASTRUCTURE) {
            None => to_tag.push(arn.clone()),
            Some(tag) if *tag == tag_value(infrastructure) => {}
            Some(other) => {
                return Err(Kind::Drifted.because(format!(
                    "Since the deployment began somebody has tagged {} as belonging to {other} ({TAG_INFRASTRUCTURE}). It is left \
                     alone. If {infrastructure} is to go on steering it, take the tag off and deploy again.",
                    name(arn)
                )));
            }
        }
    }
    Ok(to_tag)
}

/// An infrastructure definition as the value of a tag of Elastic Load Balancing, which takes fewer characters than the name of a base
/// may have.
pub fn tag_value(infrastructure: &str) -> String {
    let allowed = |it: char| it.is_alphanumeric() || " _.:/=+-@".contains(it);
    infrastructure.chars().map(|it| if allowed(it) { it } else { '_' }).collect()
}

/// Whose the switches and pools of a deployment are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// Nobody's so far.
    pub unclaimed: Vec<Steered>,
    /// Those of ours and of nobody's, by ARN, that bear no tag of ownership yet.
    pub untagged: Vec<String>,
    /// Those of them that have no room for one.
    pub full: Vec<String>,
    /// By their owner those that belong to another infrastructure definition, each with why.
    pub foreign: BTreeMap<String, Vec<(String, String)>>,
}

/// The switches and pools that a deployment may steer, in a fixed order and each once: those that the document names, and the
/// sides that were read.
pub fn steered(routing: &Routing, lanes: &[Lane]) -> Vec<String> {
    let named: Vec<String> = match routing {
        Routing::Weighted(rules) => rules.iter().map(|rule| rule.0.clone()).collect(),
        Routing::Listeners(pairs) => {
            pairs.iter().flat_map(|pair| [&pair.production.0, &pair.test.0]).cloned().collect()
        }
        Routing::TargetGroups(groups) => {
            groups.production.iter().chain(&groups.test).map(|arn| arn.0.clone()).collect()
        }
        Routing::Dns(names) => names.iter().flat_map(|it| it.pools().chain([it.on()])).collect(),
        Routing::None => Vec::new(),
    };
    let sides = lanes.iter().flat_map(Lane::sides);
    named.into_iter().chain(sides.cloned()).collect::<BTreeSet<String>>().into_iter().collect()
}

/// Sorts switches and pools by who may steer them. One without a record is another definition's, too, if a fleet of that one is
/// attached to it: it was steered before there were records. So is one whose tag names another: that one's records may be in the
/// table of another installation, which has taken it over even if a record here still says that it is ours.
///
/// `others` are fleets with the tag of any infrastructure definition; they need to be known only when something has no owner.
pub fn owners(infrastructure: &str, steered: Vec<Steered>, others: &[Fleet]) -> Owners {
    let mut owners = Owners::default();
    for thing in steered {
        if let Some((owner, why)) = thing.of_other(infrastructure, others) {
            owners.foreign.entry(owner).or_default().push((thing.arn, why));
            continue;
        }
        if thing.tag.is_none() && bears_tags(&thing.arn) {
            owners.untagged.push(thing.arn.clone());
            owners.full.extend(thing.full.then(|| thing.arn.clone()));
        }
        if thing.owner().is_none() {
            owners.unclaimed.push(thing);
        }
    }
    owners
}

/// Whether something bears a tag of ownership by which IAM knows it. Of names in DNS the roles know the names themselves.
pub fn bears_tags(arn: &str) -> bool {
    arn.contains(":elasticloadbalancing:")
}

/// A switch or a pool as a person calls it.
pub fn name(arn: &str) -> String {
    if arn.contains(":targetgroup/") {
        format!("target group {}", short(arn))
    } else if is_registry(arn) {
        format!("Cloud Map service {}", short(arn))
    } else {
        describe(arn)
    }
}

/// Several of them.
pub fn names<'a>(arns: impl IntoIterator<Item = &'a String>) -> String {
    text::few(&arns.into_iter().map(|arn| name(arn)).collect::<Vec<_>>())
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
    let [belongs, them, they_are] = match things {
        [_] => ["belongs", "it", "it is"],
        _ => ["belong", "them", "they are"],
    };
    format!(
        "{} {belongs} to {owner}{busy}; {infrastructure} may not steer {them}. Is the ARN right? If {they_are} to be steered by \
         {infrastructure} from now on, hand {them} over once nobody deploys {owner}: `crossfade handover --from {owner} --to \
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
        let version = u64::from(owner.is_some());
        Steered { arn: arn.into(), claim: owner.map(claim), version, tag: None, full: false }
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
        let one = "(since first) belongs to shop/production/shop-base; evil/production/evil-base may not steer it.";
        assert!(said.contains(one), "{said}");
        assert!(said.contains(&format!(
            "`crossfade handover --from shop/production/shop-base --to evil/production/evil-base {RULE}`"
        )));
    }

    #[test]
    fn a_tag_that_names_another_definition_counts_beside_every_record_and_one_of_ours_is_set_once() {
        let bears = |value: &str| Tags::from([(TAG_INFRASTRUCTURE.to_owned(), value.to_owned())]);
        let ours = "shop/production/shop#base";
        for record in [None, Some(ours)] {
            let of = |tags: &Tags| owners(ours, vec![thing(RULE, record).bearing(tags)], &[]);
            let theirs = of(&bears("shop/production/other"));
            let why = "its tag crossfade:infrastructure says so".to_owned();
            assert_eq!(theirs.foreign["shop/production/other"], [(RULE.to_owned(), why)]);
            assert_eq!(of(&bears("shop/production/shop_base")).untagged, [""; 0], "as AWS takes it");
            assert_eq!((of(&Tags::new()).untagged, of(&Tags::new()).full), (vec![RULE.to_owned()], vec![]));
            let full = (0..50).map(|i| (format!("{i}"), String::new())).collect();
            assert_eq!(of(&full).full, [RULE]);
        }
    }

    #[test]
    fn what_was_given_back_is_nobodys() {
        let mut given_back = thing(RULE, Some("shop/production/shop-base"));
        given_back.claim.as_mut().expect("it has one").infrastructure = None;
        assert_eq!(owners("a/b/c", vec![given_back.clone()], &[]).unclaimed, [given_back]);
    }
}
