//! The snapshot: the state of everything that a plan may touch, written down before the first change.
//!
//! It answers which pools are which, and what the weights are to become; it never changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::capacity::Size;
use crate::infrastructure::Infrastructure;
use crate::kinds::dns::Records;
use crate::kinds::elb::settle_seconds;
use crate::kinds::{Blueprint, Platform};
use crate::lane::{Counterpart, Lane, Movement, shifted};
use crate::observed::{Baggage, Fleet, HookTimes};
use crate::split::{Route, Weights};
use crate::{Kind, Result};

/// The state of everything that the plan may touch, written down before the first change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The infrastructure definition.
    pub infrastructure: Infrastructure,
    /// The base that new fleets are made from.
    pub base: String,
    /// Where its fleets are.
    pub platform: Platform,
    /// What the base's members are made from, pinned.
    pub blueprint: Blueprint,
    /// What the base carries.
    pub baggage: Baggage,
    /// How the users' requests come to the fleets, and how they are to come to the candidate; none behind no load balancer.
    pub lanes: Vec<Lane>,
    /// The weights of every switch that is steered.
    pub weights: Vec<Weights>,
    /// The names among them with their records, by switch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub records: BTreeMap<String, Records>,
    /// Every fleet of the infrastructure definition.
    pub fleets: Vec<Fleet>,
    /// How long the hooks of those that run, or are to, may hold their instances. A new candidate has its base's.
    #[serde(default)]
    pub hook_times: BTreeMap<String, HookTimes>,
    /// How much of those that ran was healthy where it was registered; in service, where that was nowhere.
    #[serde(default)]
    pub healthy: BTreeMap<String, u32>,
    /// The fleets that served, or would have if they had been awake; the oldest first.
    pub stable: Vec<String>,
    /// The fleets that have served before, the one that did last first, as far as that is written down.
    #[serde(default)]
    pub served: Vec<String>,
    /// The name that the candidate has or gets.
    pub candidate: String,
    /// The revision that the candidate has or gets.
    pub revision: u32,
    /// The image of the candidate.
    pub artifact: String,
    /// The size that the candidate ends with.
    pub asked: Size,
    /// The load balancers that forward to the router's target groups, by ARN.
    #[serde(default)]
    pub load_balancers: Vec<String>,
    /// How long what was sent to either side may still be under way after a shift, in seconds.
    pub drain_seconds: u32,
    /// How long a deregistering target drains, in seconds.
    pub deregistration_seconds: u32,
}

/// How many bytes the snapshot may take: it is written in one transaction with the plan, which may have 4 MB.
const BYTES_MAX: usize = 3_000_000;

impl Snapshot {
    /// Whether all of it can be written down. Half of it could not be put back.
    ///
    /// # Errors
    /// `PreflightFailed` when there are too many members.
    pub fn fits(&self) -> Result<()> {
        let bytes = serde_json::json!(self).to_string().len();
        if bytes <= BYTES_MAX {
            return Ok(());
        }
        let (members, all) = (self.platform.members(), self.fleets.iter().map(|it| it.members.len()).sum::<usize>());
        Err(Kind::PreflightFailed.because(format!(
            "The fleets of {} have {all} {members} together. What is written down of them takes {bytes} bytes, and the state table \
             takes {BYTES_MAX} at once: some 45,000 {members}. Split them up among several infrastructure definitions.",
            self.infrastructure
        )))
    }

    /// The fleets that served, or would have if they had been awake, as they were; the oldest first (B12).
    pub fn stable_fleets(&self) -> Vec<&Fleet> {
        self.stable.iter().filter_map(|name| self.fleet(name)).collect()
    }

    /// The newest fleet that served; if all of them slept, the newest of those.
    pub fn stable_fleet(&self) -> Option<&Fleet> {
        self.stable_fleets().into_iter().max_by_key(|fleet| !fleet.asleep())
    }

    /// The fleets that have served until the candidate does, the one that did last first. Of those that are gone nothing is said.
    pub fn served_until_now(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let known = self.served.iter().filter(|name| self.fleet(name).is_some() && **name != self.candidate);
        for name in self.stable.iter().rev().chain(known) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// A fleet as it was.
    pub fn fleet(&self, name: &str) -> Option<&Fleet> {
        self.fleets.iter().find(|fleet| fleet.name == name)
    }

    /// Whether a fleet slept, and is by now awake as its schedule would have it.
    pub fn woke(&self, now: &Fleet) -> bool {
        let slept = self.fleet(&now.name).filter(|before| before.asleep());
        slept.and_then(|before| before.wakes.as_ref()).is_some_and(|wake| wake.size == now.size)
    }

    /// How long the hooks of a fleet may hold its instances.
    pub fn hook_times(&self, fleet: &str) -> HookTimes {
        self.hook_times.get(fleet).copied().unwrap_or(self.baggage.hook_times)
    }

    /// How much of an earlier fleet a rollback asks for where it would want so much: no more than there was. A fleet of which nothing
    /// was healthy still has to have something before it gets anybody's requests.
    pub fn there_was(&self, fleet: &str, wanted: u32) -> u32 {
        self.healthy.get(fleet).map_or(wanted, |healthy| wanted.min((*healthy).max(1)))
    }

    /// Whether the candidate is a kept revision that takes over again, and so was there before.
    pub fn adopts(&self) -> bool {
        self.fleet(&self.candidate).is_some()
    }

    /// The earlier fleets that have instances or may get some, the oldest first (B12). Not the candidate.
    pub fn live(&self) -> Vec<&Fleet> {
        let mut live: Vec<&Fleet> =
            self.fleets.iter().filter(|fleet| fleet.live() && fleet.name != self.candidate).collect();
        live.sort_by_key(|fleet| fleet.revision);
        live
    }

    /// Those of them that no request of a user reaches, awake or not.
    pub fn idle(&self) -> Vec<&Fleet> {
        self.live().into_iter().filter(|fleet| !self.stable.contains(&fleet.name)).collect()
    }

    /// Those of them that may not change by themselves. One that serves and sleeps may still wake: it is what its users have when
    /// their day begins.
    pub fn held(&self) -> Vec<&Fleet> {
        let wakes = |fleet: &Fleet| fleet.asleep() && self.stable.contains(&fleet.name);
        self.live().into_iter().filter(|fleet| !wakes(fleet)).collect()
    }

    /// The pools that served, each once: several switches may lead to the same.
    pub fn production(&self) -> Vec<String> {
        each_once(self.lanes.iter().map(|lane| &lane.production))
    }

    /// The pools in which the candidate comes up, each once.
    pub fn test(&self) -> Vec<String> {
        each_once(self.lanes.iter().map(|lane| &lane.test))
    }

    /// The pools in which the candidate ends, each once.
    pub fn destination(&self) -> Vec<String> {
        each_once(self.lanes.iter().map(Lane::destination))
    }

    /// All pools of the lanes, each once.
    pub fn sides(&self) -> Vec<String> {
        each_once(self.lanes.iter().flat_map(Lane::sides))
    }

    /// Of these target groups those in which the candidate stands alone.
    pub fn alone(&self, target_groups: &[String]) -> Vec<String> {
        let (test, production) = (self.test(), self.production());
        let alone = |arn: &&String| test.contains(arn) && !production.contains(arn);
        target_groups.iter().filter(alone).cloned().collect()
    }

    /// Of a fleet's target groups those of the lanes.
    pub fn known<'a>(&self, fleet: &'a Fleet) -> impl Iterator<Item = &'a String> {
        let sides = self.sides();
        fleet.target_groups.iter().filter(move |arn| sides.contains(arn))
    }

    /// Whether the candidate comes up in production: its instances serve as soon as they are healthy.
    pub fn shared(&self) -> bool {
        self.lanes.iter().all(Lane::shared)
    }

    /// The pools in whose place those stand in which the candidate ends.
    pub fn counterparts(&self) -> Vec<Counterpart> {
        self.lanes.iter().map(|lane| lane.replaced_by(lane.destination())).collect()
    }

    /// The same for those that a kept revision was in before.
    pub fn counterparts_before(&self) -> Vec<Counterpart> {
        let was_in = |pool: &&String| self.fleet(&self.candidate).is_some_and(|it| it.target_groups.contains(pool));
        let of = |lane: &Lane| Some(lane.replaced_by(lane.sides().into_iter().find(was_in)?));
        self.lanes.iter().filter_map(of).collect()
    }

    /// The weights that give the candidate `percent` of the traffic.
    pub fn shifted(&self, percent: u32) -> Vec<Weights> {
        shifted(&self.lanes, |on| if self.is_new(on) { 100 } else { percent })
    }

    /// Whether nobody has come by any of the switches so far: names that have no records yet.
    pub fn unused(&self) -> bool {
        !self.lanes.is_empty() && self.lanes.iter().all(|lane| lane.serving().is_some_and(|on| self.is_new(on)))
    }

    /// A name without records has no users to be shifted step by step, and the other side nobody to serve them.
    fn is_new(&self, on: &str) -> bool {
        self.records.get(on).is_some_and(|records| records.before.is_empty())
    }

    /// What switches lead to once they have exchanged their pools: first all of production, so that the traffic moves before
    /// anything else. Nothing when none are to.
    pub fn exchanged(&self) -> Vec<Weights> {
        let to = |on: &String, pool: &String| Weights {
            on: on.clone(),
            routes: vec![Route::to(pool, self.weight_before(on))],
        };
        let pairs = self.lanes.iter().filter_map(|lane| match &lane.by {
            Movement::Exchange { production, test } => Some((to(production, &lane.test), to(test, &lane.production))),
            Movement::Weights { .. } | Movement::Attachment => None,
        });
        let (production, test): (Vec<Weights>, Vec<Weights>) = pairs.unzip();
        [production, test].concat()
    }

    fn weight_before(&self, on: &str) -> u32 {
        let before = self.weights.iter().find(|weights| weights.on == on);
        before.and_then(|weights| weights.routes.first()).map_or(1, |route| route.weight)
    }

    /// How long after a change of weights requests may still follow the ones before, in seconds.
    pub fn settle_seconds(&self) -> u32 {
        let seconds = |on: &str| self.records.get(on).map_or_else(|| settle_seconds(on), Records::settle_seconds);
        self.lanes.iter().flat_map(Lane::switches).map(seconds).max().unwrap_or(0)
    }

    /// How long somebody may still find nothing in a pool that has been empty, in seconds (P89).
    pub fn negative_seconds(&self) -> u32 {
        self.records.values().map(Records::negative_seconds).max().unwrap_or(0)
    }

    /// The steered switches that the users' requests pass, as opposed to those of the candidate alone.
    pub fn serving(&self) -> Vec<&str> {
        let mut serving: Vec<&str> = self.lanes.iter().filter_map(Lane::serving).collect();
        serving.dedup();
        serving
    }
}

/// Each of these once, in the order in which they come first.
pub fn each_once<'a>(arns: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for arn in arns {
        if !once.contains(arn) {
            once.push(arn.clone());
        }
    }
    once
}
