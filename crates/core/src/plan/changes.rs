//! What a plan changes in the account, from beginning to end: the same plan, seen by fleet and by switch instead of by stage.
//!
//! What it owns: following the plan from the snapshot on. It must never decide anything: what the stages say is what changes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Action, Plan, prunable};
use crate::capacity::Size;
use crate::lane::Lane;
use crate::observed::Fleet;
use crate::snapshot::Snapshot;
use crate::split::Route;

/// What a plan changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// What becomes of each fleet; the candidate first, then the others, the newest first.
    pub fleets: Vec<FleetChange>,
    /// What becomes of each rule or listener that is steered.
    pub switches: Vec<SwitchChange>,
    /// How much serves before, in units of the fleets' sizes.
    pub before: u32,
    /// The most that there is at once, in the same units.
    pub most: u32,
    /// How much there is once each stage holds, in the same units, in the order of the stages.
    pub running: Vec<u32>,
    /// How users come off the candidate again, from the first stage to the last.
    pub back: Vec<Back>,
}

/// The longest time from the word to go back until the weights are those from before, in seconds, while what served before is whole. It is
/// measured (tests/tests/going_back.rs).
pub const BACK_SECONDS: u64 = 3;

/// How users come off the candidate again while some stages are under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Back {
    /// The number of the first of these stages, from 1.
    pub first: usize,
    /// The number of the last.
    pub last: usize,
    /// What it takes.
    pub users: Users,
}

/// What it takes that all users are where they were before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Users {
    /// Nothing: none of them is on the candidate.
    Untouched,
    /// The weights are set back at once.
    Steered,
    /// The candidate's members leave at once.
    Left,
    /// What served before has to be whole again first.
    Regained,
}

/// What becomes of one fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetChange {
    /// Its name.
    pub fleet: String,
    /// What happens to it.
    pub change: Change,
    /// Its size before; nothing when it is not there.
    pub before: Option<Size>,
    /// Its size in the end; nothing when it is gone by then.
    pub after: Option<Size>,
    /// The target groups that it is behind in the end, by ARN.
    pub target_groups: Vec<String>,
}

/// What happens to a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It is made.
    Created,
    /// It was kept at size 0 and serves again.
    Returned,
    /// It gets another size.
    Resized,
    /// It is deleted, and what it was made from; nothing brings it back.
    Deleted,
    /// It stays as it is, at size 0, to go back to.
    Kept,
}

/// What becomes of one rule or listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchChange {
    /// Its ARN.
    pub on: String,
    /// The weights that it has before, and then one after the other.
    pub weights: Vec<Vec<Weight>>,
}

/// What one target group gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Weight {
    /// The target group, by ARN.
    pub target_group: String,
    /// Its weight; the share is the weight over the sum of weights.
    pub weight: u32,
}

impl Changes {
    /// What a plan changes in the account that the snapshot shows.
    pub fn of(plan: &Plan, snapshot: &Snapshot) -> Self {
        let mut account = Account::of(snapshot);
        let (mut running, mut back) = (Vec::new(), Vec::<Back>::new());
        for (index, stage) in plan.stages.iter().enumerate() {
            account.after(&stage.action, snapshot);
            running.push(account.sum());
            let (number, users) = (index + 1, account.users(snapshot));
            match back.last_mut().filter(|it| it.users == users) {
                Some(same) => same.last = number,
                None => back.push(Back { first: number, last: number, users }),
            }
        }
        Self {
            running,
            back,
            fleets: account.fleets(snapshot),
            switches: account.switches(snapshot),
            before: snapshot.fleets.iter().map(|fleet| fleet.size.desired).sum(),
            most: account.most,
        }
    }

    /// The fleets to which this happens.
    pub fn which(&self, change: Change) -> impl Iterator<Item = &FleetChange> {
        self.fleets.iter().filter(move |it| it.change == change)
    }
}

/// The account while the plan is followed.
pub(super) struct Account {
    fleets: BTreeMap<String, At>,
    weights: BTreeMap<String, Vec<Vec<Route>>>,
    deleted: BTreeSet<String>,
    most: u32,
}

/// Where a fleet stands.
#[derive(Clone, Debug)]
struct At {
    revision: Option<u32>,
    size: Size,
    behind: Vec<String>,
}

impl Account {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let at = |fleet: &Fleet| At { revision: fleet.revision, size: fleet.size, behind: fleet.target_groups.clone() };
        let fleets = snapshot.fleets.iter().map(|fleet| (fleet.name.clone(), at(fleet))).collect();
        let weights = snapshot.weights.iter().map(|it| (it.on.clone(), vec![it.routes.clone()])).collect();
        let mut account = Self { fleets, weights, deleted: BTreeSet::new(), most: 0 };
        account.count();
        account
    }

    /// Each fleet that is there, with its size and what it is behind.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (&str, Size, &[String])> {
        self.fleets.iter().map(|(name, at)| (name.as_str(), at.size, at.behind.as_slice()))
    }

    /// The weights of a switch.
    pub(super) fn routes(&self, on: &str) -> &[Route] {
        self.weights.get(on).and_then(|all| all.last()).map_or(&[], Vec::as_slice)
    }

    fn count(&mut self) {
        self.most = self.most.max(self.sum());
    }

    fn sum(&self) -> u32 {
        self.fleets.values().map(|fleet| fleet.size.desired).sum()
    }

    /// What it takes from here that all users are where they were before.
    fn users(&self, snapshot: &Snapshot) -> Users {
        let candidate = self.fleets.get(&snapshot.candidate).filter(|it| it.size.desired > 0);
        let Some(candidate) = candidate else { return Users::Untouched };
        let reaches = |lane: &Lane| {
            let routes = lane.serving().and_then(|on| self.weights.get(on)).and_then(|all| all.last());
            let reached = |pool: &String| match routes {
                Some(routes) => routes.iter().any(|route| route.weight > 0 && route.reaches(pool)),
                None => *pool == lane.production,
            };
            candidate.behind.iter().any(reached)
        };
        if !snapshot.lanes.is_empty() && !snapshot.lanes.iter().any(reaches) {
            return Users::Untouched;
        }
        let whole = |fleet: &&Fleet| {
            let now = self.fleets.get(&fleet.name);
            now.is_some_and(|now| {
                let stands = fleet.target_groups.iter().all(|pool| now.behind.contains(pool));
                now.size.desired >= fleet.size.desired && stands
            })
        };
        let steered = snapshot.lanes.iter().any(|lane| lane.serving().is_some());
        match snapshot.stable_fleets().iter().all(whole) {
            true if steered => Users::Steered,
            true => Users::Left,
            false => Users::Regained,
        }
    }

    pub(super) fn after(&mut self, action: &Action, snapshot: &Snapshot) {
        match action {
            Action::Setup(setup) => {
                let (size, behind) = (Size::ZERO, setup.target_groups.clone());
                self.fleets.insert(setup.fleet.clone(), At { revision: Some(setup.revision), size, behind });
            }
            Action::Adopt(adopt) => self.at(&adopt.fleet, |it| it.behind.clone_from(&adopt.target_groups)),
            Action::Attach(attach) => self.at(&attach.fleet, |it| it.behind.extend(attach.target_groups.clone())),
            Action::Detach(detach) => {
                self.at(&detach.fleet, |it| it.behind.retain(|arn| !detach.target_groups.contains(arn)));
            }
            Action::Upscale(upscale) => self.at(&upscale.fleet, |it| it.size = upscale.size),
            Action::Downsize(downsize) => self.at(&downsize.fleet, |it| it.size = downsize.size),
            Action::Carry(carry) => self.at(&carry.fleet, |it| it.size = carry.size.unwrap_or(it.size)),
            Action::Steer(steer) => {
                for weights in &steer.weights {
                    self.weights.entry(weights.on.clone()).or_default().push(weights.routes.clone());
                }
            }
            Action::Remove(remove) => self.delete(remove.fleet.clone()),
            Action::Prune(prune) => {
                let left: Vec<Fleet> = snapshot.fleets.iter().filter_map(|fleet| self.left(fleet)).collect();
                prunable(&left, snapshot, prune.keep).into_iter().for_each(|fleet| self.delete(fleet.name.clone()));
            }
            Action::Hold(_)
            | Action::Release(_)
            | Action::Mark(_)
            | Action::Approve(_)
            | Action::Call(_)
            | Action::Pause(_)
            | Action::Verify(_)
            | Action::Drain(_) => {}
        }
        self.count();
    }

    fn at(&mut self, name: &str, change: impl FnOnce(&mut At)) {
        if let Some(fleet) = self.fleets.get_mut(name) {
            change(fleet);
        }
    }

    fn delete(&mut self, name: String) {
        self.fleets.remove(&name);
        self.deleted.insert(name);
    }

    /// A fleet as it will be, if it is there.
    fn left(&self, fleet: &Fleet) -> Option<Fleet> {
        let size = self.fleets.get(&fleet.name)?.size;
        let members = if size.desired == 0 { Vec::new() } else { fleet.members.clone() };
        Some(Fleet { size, members, ..fleet.clone() })
    }

    fn fleets(&self, snapshot: &Snapshot) -> Vec<FleetChange> {
        let names: BTreeSet<&String> = self.fleets.keys().chain(&self.deleted).collect();
        let change = |name: &String| {
            let (before, after) = (snapshot.fleet(name).map(|fleet| fleet.size), self.fleets.get(name));
            let change = match (before, after) {
                (_, None) => Change::Deleted,
                (None, Some(_)) => Change::Created,
                (Some(_), Some(_)) if *name == snapshot.candidate => Change::Returned,
                (Some(before), Some(after)) if before != after.size => Change::Resized,
                (Some(_), Some(_)) => Change::Kept,
            };
            FleetChange {
                fleet: name.clone(),
                change,
                before,
                after: after.map(|at| at.size),
                target_groups: after.map_or_else(Vec::new, |at| at.behind.clone()),
            }
        };
        let mut changes: Vec<FleetChange> = names.into_iter().map(change).collect();
        let of_snapshot = |name: &str| snapshot.fleet(name).and_then(|fleet| fleet.revision);
        let revision = |name: &str| self.fleets.get(name).map_or_else(|| of_snapshot(name), |at| at.revision);
        changes.sort_by_key(|it| (it.fleet != snapshot.candidate, Reverse(revision(&it.fleet))));
        changes
    }

    fn switches(&self, snapshot: &Snapshot) -> Vec<SwitchChange> {
        let weight = |it: &Route| Weight { target_group: it.target_group.clone(), weight: it.weight };
        let change = |on: &String| {
            let weights = self.weights.get(on).into_iter().flatten();
            let told = weights.map(|routes| routes.iter().map(weight).collect());
            SwitchChange { on: on.clone(), weights: told.collect() }
        };
        let all = snapshot.weights.iter().map(|it| change(&it.on));
        all.filter(|change| change.weights.len() > 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::lane::Movement;
    use crate::plan::{self, StageKind};
    use crate::rollback::tests::{document, fleet, snapshot};

    fn changes(document: &Document, snapshot: &Snapshot) -> Changes {
        Changes::of(&plan::deploy(document, snapshot, None).expect("it can be planned"), snapshot)
    }

    fn in_words(changes: &Changes) -> Vec<String> {
        let size = |size: Option<Size>| size.map_or_else(|| "–".to_owned(), |size| size.desired.to_string());
        let told = changes
            .fleets
            .iter()
            .map(|it| format!("{} {:?} {} → {}", it.fleet, it.change, size(it.before), size(it.after)));
        told.collect()
    }

    #[test]
    fn what_is_made_resized_kept_and_deleted_for_ever_is_known_before() {
        let kept = [fleet(1, 0), fleet(2, 0), fleet(3, 0), fleet(4, 0)];
        let mut snapshot = snapshot([&kept[..], &[fleet(6, 4)]].concat());
        snapshot.served = vec!["shop__6".into(), "shop__4".into(), "shop__1".into(), "shop__3".into()];
        let changes = changes(&document(), &snapshot);
        assert_eq!(
            in_words(&changes),
            [
                "shop__7 Created – → 4",
                "shop__6 Resized 4 → 0",
                "shop__4 Kept 0 → 0",
                "shop__3 Deleted 0 → –",
                "shop__2 Deleted 0 → –",
                "shop__1 Kept 0 → 0",
            ],
            "the three that served last are kept, whatever their numbers"
        );
        assert_eq!((changes.before, changes.most), (4, 8), "both fleets are there at once");
    }

    #[test]
    fn weights_are_followed_from_those_before_to_the_last() {
        let changes = changes(&document(), &snapshot(vec![fleet(6, 4)]));
        let [switch] = changes.switches.as_slice() else { panic!("{changes:?}") };
        let shares = |weights: &Vec<Weight>| weights.iter().map(|it| it.weight).collect::<Vec<_>>();
        let shares: Vec<Vec<u32>> = switch.weights.iter().map(shares).collect();
        assert_eq!((shares.first(), shares.last()), (Some(&vec![100, 0]), Some(&vec![0, 100])), "{shares:?}");
        assert!(shares.iter().all(|it| it.iter().sum::<u32>() == 100), "{shares:?}");
    }

    #[test]
    fn how_users_come_off_the_candidate_again_is_known_of_each_stage() {
        let snapshot = snapshot(vec![fleet(6, 4)]);
        let plan = plan::deploy(&document(), &snapshot, None).expect("it can be planned");
        let changes = Changes::of(&plan, &snapshot);
        let kind = |number: usize| plan.stages[number - 1].action.kind();
        let users: Vec<Users> = changes.back.iter().map(|back| back.users).collect();
        assert_eq!(users, [Users::Untouched, Users::Steered, Users::Regained], "{:?}", changes.back);
        assert_eq!(kind(changes.back[1].first), StageKind::ShiftWeight, "the first shift brings users to it");
        assert_eq!(kind(changes.back[2].first), StageKind::Downsize, "until then what served is up");
        assert!(changes.back.windows(2).all(|two| two[0].last + 1 == two[1].first), "{:?}", changes.back);
        assert_eq!((changes.back[0].first, changes.back[2].last), (1, plan.stages.len()));
        assert_eq!(changes.running.len(), plan.stages.len());
        assert_eq!((changes.running.iter().max(), changes.running.last()), (Some(&8), Some(&4)), "{changes:?}");

        // Where fleets share production's pools the candidate serves as soon as it is up, and leaves by itself.
        let shared =
            Document { strategy: serde_json::from_value(serde_json::json!({ "basic": {} })).unwrap(), ..document() };
        let mut snapshot = snapshot.clone();
        snapshot.lanes.iter_mut().for_each(|lane| {
            lane.test = lane.production.clone();
            lane.by = Movement::Attachment;
        });
        snapshot.weights.clear();
        let plan = plan::deploy(&shared, &snapshot, None).expect("it can be planned");
        let users: Vec<Users> = Changes::of(&plan, &snapshot).back.iter().map(|back| back.users).collect();
        assert_eq!(users, [Users::Untouched, Users::Left, Users::Regained]);
    }

    #[test]
    fn the_first_deployment_takes_nobodys_place() {
        let snapshot = Snapshot { asked: Size::pinned(2), ..snapshot(Vec::new()) };
        let changes = changes(&document(), &snapshot);
        assert_eq!(in_words(&changes), ["shop__7 Created – → 2"]);
        assert_eq!((changes.before, changes.most), (0, 2));
    }
}
