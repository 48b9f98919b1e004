//! Groups at a glance, for tests and demonstrations: by a tag that names them so, or by their name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Elastigroup, SpotState};
use crate::world::{FleetView, Health, World};

/// How far the ends of what rests may be apart and still be the same, in milliseconds.
const ALIKE_MILLIS: u64 = 4 * 60_000;

impl World {
    /// The group that is called so; of several the oldest.
    pub fn elastigroup_called(&self, name: &str) -> Option<&Elastigroup> {
        let called = self.spot.groups.values().filter(|group| group.called() == name);
        called.min_by_key(|group| (group.created_at, group.id.clone()))
    }

    /// Whether an instance of a group runs.
    pub fn spot_instance_runs(&self, instance: &str) -> bool {
        let row = self.spot.of_instance(instance);
        row.is_some_and(|row| row.state == SpotState::Running && row.server.stopped.is_none())
    }

    /// The ids of the instances that belong to a group, oldest first.
    pub fn spot_instances_of(&self, name: &str) -> Vec<String> {
        let rows = self.elastigroup_called(name).map(|group| group.rows.clone()).unwrap_or_default();
        rows.iter().filter_map(|row| self.spot.instances.get(row)?.id.clone()).collect()
    }

    pub(in crate::world) fn elastigroup_view(&self, name: &str) -> Option<FleetView> {
        let group = self.elastigroup_called(name)?;
        let (min, desired, max) = group.capacity();
        let mut view = FleetView { min, desired, max, target_groups: group.target_groups(), ..FleetView::default() };
        for row in self.spot.instances.values().filter(|row| row.group == group.id) {
            match row.state {
                SpotState::Running => view.in_service += 1,
                SpotState::Open | SpotState::Pending => view.pending += 1,
                SpotState::Leaving | SpotState::ShuttingDown => view.leaving += 1,
            }
        }
        Some(view)
    }

    /// Whether an instance belongs to the group that is called so.
    pub(in crate::world) fn is_of_elastigroup(&self, instance: &str, name: &str) -> bool {
        let Some(row) = self.spot.of_instance(instance) else { return false };
        self.elastigroup_called(name).is_some_and(|group| group.id == row.group)
    }

    /// Whether a group has exactly what it wants, all of it healthy in a target group.
    pub(in crate::world) fn is_elastigroup_steady(&self, group: &Elastigroup, arn: &str) -> bool {
        let Some(target_group) = self.target_groups.get(arn) else { return false };
        let healthy = |row: &String| {
            let instance = self.spot.instances.get(row).and_then(|row| row.id.as_deref()).unwrap_or_default();
            target_group.targets.iter().any(|(key, target)| key.id == instance && target.health == Health::Healthy)
        };
        group.rows.len() == group.capacity().1 as usize && group.rows.iter().all(healthy)
    }

    /// The names of the groups that have instances, whether Spot still lists them or not.
    pub(in crate::world) fn occupied_elastigroups(&self) -> impl Iterator<Item = String> {
        let has = |group: &&Elastigroup| self.spot.instances.values().any(|row| row.group == group.id);
        self.spot.groups.values().filter(has).map(Elastigroup::called)
    }

    /// The groups as a value that can be compared: by name, without ids and times.
    pub(in crate::world) fn spot_inventory(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        let mut groups: Vec<&Elastigroup> = self.spot.groups.values().collect();
        groups.sort_by_key(|group| (group.name().to_owned(), group.created_at, group.id.clone()));
        for group in groups {
            let mut running: BTreeMap<String, u32> = BTreeMap::new();
            let mut others: BTreeMap<String, u32> = BTreeMap::new();
            for row in self.spot.instances.values().filter(|row| row.group == group.id) {
                match row.state {
                    SpotState::Running => *running.entry(row.image.clone()).or_default() += 1,
                    other => *others.entry(format!("{other:?}")).or_default() += 1,
                }
            }
            // Spot counts in minutes: what ends almost at the same time ends at the same time.
            let about = |until: u64| (until + ALIKE_MILLIS / 2) / ALIKE_MILLIS * ALIKE_MILLIS;
            let suspended: BTreeMap<&String, Option<u64>> = group
                .suspended
                .iter()
                .map(|(name, until)| (name, until.map(about)))
                .filter(|(_, until)| until.is_none_or(|until| self.now < until))
                .collect();
            let value = json!({
                "fields": group.fields,
                "suspended": suspended,
                "running": running,
                "otherInstances": others,
            });
            let (mut name, mut twin) = (group.name().to_owned(), 1);
            while all.contains_key(&name) {
                twin += 1;
                name = format!("{} ({twin})", group.name());
            }
            all.insert(name, value);
        }
        all
    }
}
