//! The traffic and the health of a deployment's fleets now, read from the account while somebody looks.
//!
//! It asks for a bounded number of things and waits a bounded time; what cannot be read is said and is no failure: whoever looks
//! may see the table and not the load balancers.

use std::collections::BTreeMap;
use std::time::Duration;

use crossfade_aws::{Fleets, Pools, Switches};
use crossfade_core::Failure;
use crossfade_core::kinds::elb::short;
use crossfade_core::lane::{Lane, Movement};
use crossfade_core::observed::{Fleet, Health, Member, MemberState, Registered};
use crossfade_core::snapshot::Snapshot;
use crossfade_core::split::{Route, Split};
use schemars::JsonSchema;
use serde::Serialize;

use super::records::Records;
use crate::installed::Installed;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most fleets, target groups, and rules and listeners that are asked for.
const FLEETS: usize = 6;
const POOLS: usize = 12;
const SWITCHES: usize = 20;
/// The most members of a fleet that are named.
const MEMBERS: usize = 200;

/// How the traffic and the fleets stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Now {
    /// The fleets, old before new.
    pub(crate) fleets: Vec<FleetNow>,
    /// Their members: of each fleet those that are not well first, and no more than a person can look through.
    pub(crate) members: Vec<MemberNow>,
    /// The rules and listeners, with their weights.
    pub(crate) switches: Vec<SwitchNow>,
    /// Why not everything could be read.
    pub(crate) problem: Option<String>,
}

/// On which side a fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Side {
    /// It served before.
    Old,
    /// It takes over.
    New,
}

/// One fleet.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FleetNow {
    /// On which side.
    pub(crate) side: Side,
    /// Its name.
    pub(crate) fleet: String,
    /// Its share of the users' requests, in percent; nothing where no load balancer shares them out.
    pub(crate) percent: Option<u32>,
    /// How many of its members are healthy in each of its target groups; without any, how many are in service.
    pub(crate) healthy: usize,
    /// How many it is to have.
    pub(crate) desired: u32,
    /// How many start.
    pub(crate) starting: usize,
    /// How many leave.
    pub(crate) leaving: usize,
    /// Why members are not healthy, in the load balancer's words, and how many for each reason.
    pub(crate) reasons: BTreeMap<String, usize>,
}

/// One member of a fleet: an instance, or a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberNow {
    /// Its fleet.
    pub(crate) fleet: String,
    /// Its id.
    pub(crate) id: String,
    /// What it is doing, in its platform's word.
    pub(crate) state: String,
    /// Its health, the worst of all its target groups.
    pub(crate) health: HealthNow,
    /// Why it is not healthy, in the load balancer's words.
    pub(crate) reason: Option<String>,
}

/// How well a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum HealthNow {
    /// It fails its checks, or nobody can tell.
    Unhealthy,
    /// It starts, or its first checks are under way.
    Starting,
    /// It leaves, and finishes what it has.
    Leaving,
    /// It passes its checks; where there are none, it is in service.
    Healthy,
    /// No load balancer sends it anything.
    Idle,
}

/// One rule or listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SwitchNow {
    /// Its ARN.
    pub(crate) on: String,
    /// Its weights, old before new.
    pub(crate) weights: Vec<Weight>,
}

/// The weight of one target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Weight {
    /// The target group, as people call it.
    pub(crate) target_group: String,
    /// Before the deployment.
    pub(crate) before: u32,
    /// What the deployment has set last, if it has.
    pub(crate) set: Option<u32>,
    /// Now.
    pub(crate) now: u32,
}

/// What was read.
#[derive(Default)]
struct Seen {
    fleets: Vec<(Side, Fleet)>,
    registered: Vec<Registered>,
    splits: BTreeMap<String, Split>,
}

impl Installed {
    /// How the traffic and the fleets of a deployment stand; nothing before there is a plan.
    pub(crate) async fn now(&self, records: &Records) -> Option<Now> {
        let snapshot = records.snapshot.as_ref()?;
        let fleets = self.fleets(&snapshot.infrastructure.to_string());
        Some(look(records, snapshot, &fleets, &self.pools, &self.switches).await)
    }
}

/// Looks at everything in turn, so that what was seen before a refusal is shown.
pub(crate) async fn look(
    records: &Records,
    snapshot: &Snapshot,
    fleets: &Fleets,
    pools: &Pools,
    switches: &Switches,
) -> Now {
    let mut seen = Seen::default();
    let looking = async {
        let ons: Vec<&str> = snapshot.lanes.iter().flat_map(Lane::switches).take(SWITCHES).collect();
        let splits = switches.knowing(&snapshot.records).read_all(&ons).await;
        let old = snapshot.stable.iter().take(FLEETS - 1).map(|name| (Side::Old, name));
        for (side, name) in old.chain([(Side::New, &snapshot.candidate)]) {
            seen.fleets.extend(fleets.get(name).await?.map(|fleet| (side, fleet)));
        }
        let sides: Vec<String> = snapshot.sides().into_iter().take(POOLS).collect();
        seen.registered = pools.registered(&sides).await?;
        seen.splits = ons.into_iter().map(str::to_owned).zip(splits?).collect();
        Ok::<(), Failure>(())
    };
    let problem = match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure.message),
        Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    now(records, snapshot, &seen, problem)
}

/// How it stands, from what was seen.
fn now(records: &Records, snapshot: &Snapshot, seen: &Seen, problem: Option<String>) -> Now {
    let fleets = seen.fleets.iter().map(|(side, fleet)| fleet_now(*side, fleet, snapshot, seen)).collect();
    let of_lane = |lane: &Lane| -> Vec<SwitchNow> {
        lane.switches().into_iter().filter_map(|on| switch_now(records, snapshot, lane, on, seen)).collect()
    };
    let members = seen.fleets.iter().flat_map(|(_, fleet)| members(fleet, seen)).collect();
    // Several target groups behind two load balancers of one name move as one.
    let mut switches: Vec<SwitchNow> = snapshot.lanes.iter().flat_map(of_lane).collect();
    switches.dedup_by(|one, before| one.on == before.on);
    Now { fleets, members, switches, problem }
}

fn fleet_now(side: Side, fleet: &Fleet, snapshot: &Snapshot, seen: &Seen) -> FleetNow {
    let own: Vec<&Registered> =
        seen.registered.iter().filter(|it| fleet.target_groups.contains(&it.target_group)).collect();
    let healthy = own.iter().map(|pool| healthy_of(fleet, pool)).min();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for pool in &own {
        for target in pool.targets.iter().filter(|target| fleet.has(target)) {
            if let (Health::Initial | Health::Unhealthy | Health::Unavailable, Some(reason)) =
                (target.health, &target.reason)
            {
                *reasons.entry(reason.clone()).or_default() += 1;
            }
        }
    }
    let shares: Vec<f64> = snapshot.lanes.iter().filter_map(|lane| share(fleet, lane, seen)).collect();
    let percent = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64 * 100.0);
    let count = |state: MemberState| fleet.members.iter().filter(|member| member.state == state).count();
    FleetNow {
        side,
        fleet: fleet.name.clone(),
        percent: percent.map(|percent| percent.round() as u32),
        healthy: healthy.unwrap_or_else(|| fleet.serving().count()),
        desired: fleet.size.desired,
        starting: count(MemberState::Starting),
        leaving: count(MemberState::Leaving),
        reasons,
    }
}

/// The members of a fleet, those that are not well first.
fn members(fleet: &Fleet, seen: &Seen) -> Vec<MemberNow> {
    let behind: Vec<&Registered> =
        seen.registered.iter().filter(|it| fleet.target_groups.contains(&it.target_group)).collect();
    let mut members: Vec<MemberNow> = fleet.members.iter().map(|member| member_now(fleet, member, &behind)).collect();
    members.sort_by(|a, b| (a.health, &a.id).cmp(&(b.health, &b.id)));
    members.truncate(MEMBERS);
    members
}

fn member_now(fleet: &Fleet, member: &Member, behind: &[&Registered]) -> MemberNow {
    let own = behind.iter().flat_map(|pool| &pool.targets).filter(|target| member.is(target));
    let seen = own.map(|target| (health_now(target.health), target.reason.clone()));
    let worst = seen.min_by_key(|(health, _)| *health);
    let (health, reason) = match (member.state, worst) {
        (MemberState::Leaving, _) => (HealthNow::Leaving, None),
        (MemberState::Starting, None) => (HealthNow::Starting, None),
        (MemberState::Starting, Some((_, reason))) => (HealthNow::Starting, reason),
        (_, Some(seen)) => seen,
        (MemberState::Serving, None) if fleet.target_groups.is_empty() => (HealthNow::Healthy, None),
        (_, None) => (HealthNow::Idle, None),
    };
    let (fleet, id, state) = (fleet.name.clone(), member.id.clone(), member.said.clone());
    MemberNow { fleet, id, state, health, reason }
}

fn health_now(health: Health) -> HealthNow {
    match health {
        Health::Initial => HealthNow::Starting,
        Health::Healthy => HealthNow::Healthy,
        Health::Unhealthy | Health::Unavailable => HealthNow::Unhealthy,
        Health::Unused => HealthNow::Idle,
        Health::Draining => HealthNow::Leaving,
    }
}

fn healthy_of(fleet: &Fleet, pool: &Registered) -> usize {
    pool.targets.iter().filter(|target| target.health == Health::Healthy && fleet.has(target)).count()
}

/// A fleet's share of what comes by a lane: that of its target groups by the weights, and of each of those by what is healthy there.
/// Nothing where that was not seen.
fn share(fleet: &Fleet, lane: &Lane, seen: &Seen) -> Option<f64> {
    let routes = match lane.serving() {
        Some(on) => seen.splits.get(on)?.routes.clone(),
        None => vec![Route::to(&lane.production, 1)],
    };
    let sum: u32 = routes.iter().map(|route| route.weight).sum();
    let mut share = 0.0;
    for route in routes.iter().filter(|route| route.weight > 0) {
        let pool = seen.registered.iter().find(|pool| pool.target_group == route.target_group);
        let Some(pool) = pool else { continue };
        let (own, all) = (healthy_of(fleet, pool), pool.healthy());
        if all > 0 {
            share += f64::from(route.weight) / f64::from(sum) * own as f64 / all as f64;
        }
    }
    (!seen.registered.is_empty()).then_some(share)
}

/// A rule or listener, its weights in the order old, new, whatever its own.
fn switch_now(records: &Records, snapshot: &Snapshot, lane: &Lane, on: &str, seen: &Seen) -> Option<SwitchNow> {
    let split = seen.splits.get(on)?;
    let before = snapshot.weights.iter().find(|weights| weights.on == on);
    let set = records.touched.written(on).last();
    let weight_in =
        |routes: &[Route], pool: &str| routes.iter().find(|route| route.reaches(pool)).map_or(0, |route| route.weight);
    let known = lane.sides();
    let others = split.routes.iter().map(|route| &route.target_group).filter(|pool| !known.contains(pool));
    let weights = known.into_iter().chain(others).map(|pool| Weight {
        target_group: short(pool).to_owned(),
        before: before.map_or(0, |before| weight_in(&before.routes, pool)),
        set: set.map(|set| weight_in(set, pool)),
        now: split.weight(pool),
    });
    let weights: Vec<Weight> = weights.collect();
    // Of two that exchange their pools the test side says nothing that people look for.
    let tests = matches!(&lane.by, Movement::Exchange { test, .. } if test == on);
    (!tests).then(|| SwitchNow { on: on.to_owned(), weights })
}
