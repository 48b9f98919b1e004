//! How far a fleet is that is made larger, by what is registered alone: one read of each pool, while the fleet's own members take
//! more.

use std::collections::BTreeSet;

use super::{Verdict, targets_healthy};
use crate::observed::{Health, Registered, Target};
use crate::plan::Upscale;
use crate::snapshot::Snapshot;

/// A fleet that grows, as its pools show it.
#[derive(Clone, Debug)]
pub struct Growing {
    /// What is registered without the members that other fleets had before: in production, theirs are healthy all along.
    pools: Vec<Registered>,
    /// Whether an instance may stand for more than one of what is wanted: then a single target may be all of it.
    weighed: bool,
}

impl Growing {
    /// What `registered` shows of the fleet of an upscale.
    pub fn new(snapshot: &Snapshot, upscale: &Upscale, registered: &[Registered]) -> Self {
        let others = snapshot.fleets.iter().filter(|fleet| fleet.name != upscale.fleet);
        let known = others.flat_map(|fleet| fleet.members.iter().flat_map(|member| &member.targets));
        let known: BTreeSet<&str> = known.map(String::as_str).collect();
        let theirs = |target: &Target| known.contains(target.id.as_str()) || known.contains(target.address().as_str());
        let strangers = |pool: &Registered| Registered {
            target_group: pool.target_group.clone(),
            targets: pool.targets.iter().filter(|target| !theirs(target)).cloned().collect(),
        };
        Self { pools: registered.iter().map(strangers).collect(), weighed: snapshot.blueprint.weighed() }
    }

    /// Whether it may be all there: then its members are worth a look.
    pub fn promising(&self, wanted: u32) -> bool {
        let targets = if self.weighed { wanted.min(1) } else { wanted };
        self.pools.iter().all(|pool| pool.healthy() >= targets as usize)
    }

    /// Whether some of it is still to come. Without a pool nothing tells.
    pub fn incomplete(&self, wanted: u32) -> bool {
        let there = |pool: &Registered| pool.targets.iter().filter(|it| it.health != Health::Draining).count();
        self.pools.is_empty() || self.pools.iter().any(|pool| there(pool) < wanted as usize)
    }

    /// What is missing in the first pool in which something is, as far as that is known without its members. That nothing is missing
    /// they alone can say.
    pub fn missing(&self, wanted: u32) -> Option<Verdict> {
        self.pools.iter().map(|pool| targets_healthy(pool, wanted)).find(|verdict| *verdict != Verdict::Holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Size;
    use crate::kinds::Blueprint;
    use crate::kinds::asg::{LaunchSource, TemplateVersion};
    use crate::rollback::tests::{fleet, snapshot};

    fn pool(targets: &[(&str, Health)]) -> Registered {
        let targets =
            targets.iter().map(|(id, health)| Target { id: (*id).into(), port: None, health: *health, reason: None });
        Registered { target_group: "prod".into(), targets: targets.collect() }
    }

    fn of(snapshot: &Snapshot, registered: &[Registered]) -> Growing {
        let upscale = Upscale {
            fleet: "shop__7".into(),
            size: Size::pinned(2),
            target_groups: vec!["prod".into()],
            exclusive: false,
            expected_seconds: None,
        };
        Growing::new(snapshot, &upscale, registered)
    }

    #[test]
    fn what_others_had_before_is_not_the_fleets() {
        let snapshot = snapshot(vec![fleet(6, 2)]);
        let old = [("i-60", Health::Healthy), ("i-61", Health::Healthy)];
        let growing = of(&snapshot, &[pool(&old)]);
        assert_eq!((growing.promising(2), growing.incomplete(2)), (false, true));
        let both = [&old[..], &[("i-70", Health::Healthy), ("i-71", Health::Healthy)]].concat();
        let growing = of(&snapshot, &[pool(&both)]);
        assert_eq!((growing.promising(2), growing.incomplete(2)), (true, false));
        assert_eq!(growing.missing(2), None);
    }

    #[test]
    fn a_pool_that_is_ready_does_not_answer_for_another_one() {
        let full = pool(&[("i-70", Health::Healthy), ("i-71", Health::Healthy)]);
        let half = pool(&[("i-70", Health::Healthy), ("i-71", Health::Draining)]);
        let growing = of(&snapshot(vec![fleet(6, 2)]), &[full, half]);
        assert_eq!((growing.promising(2), growing.incomplete(2)), (false, true));
        assert!(matches!(growing.missing(2), Some(Verdict::NotYet(missing)) if missing.starts_with("1 of 2 healthy")));
    }

    #[test]
    fn an_instance_with_a_weight_may_be_all_that_there_is_to_come() {
        let version = TemplateVersion { id: "lt-1".into(), version: 1 };
        let mixed = LaunchSource::Mixed { template: version, overrides: Vec::new() };
        let snapshot = Snapshot { blueprint: Blueprint::AutoScalingGroup(mixed), ..snapshot(vec![fleet(6, 2)]) };
        assert!(of(&snapshot, &[pool(&[("i-70", Health::Healthy)])]).promising(8));
        assert!(!of(&snapshot, &[pool(&[("i-70", Health::Initial)])]).promising(8));
    }

    #[test]
    fn without_a_pool_only_its_members_tell() {
        let growing = of(&snapshot(vec![fleet(6, 2)]), &[]);
        assert_eq!(growing.missing(2), None);
        assert!(growing.promising(2) && growing.incomplete(2));
    }
}
