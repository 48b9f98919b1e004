//! Fleets at a glance, for tests and demonstrations: groups, services and Elastigroups alike, by their names.

use super::World;

/// A fleet's size at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetView {
    /// Its least size; 0 where it has no limits.
    pub min: u32,
    /// The size that it wants to have.
    pub desired: u32,
    /// Its greatest size; what it wants to have where it has no limits.
    pub max: u32,
    /// How many members serve.
    pub in_service: u32,
    /// How many members are starting.
    pub pending: u32,
    /// How many members are leaving.
    pub leaving: u32,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its target groups.
    pub target_groups: Vec<String>,
}

impl World {
    /// The group of this name, or the service, in whichever cluster, or the Elastigroup.
    pub fn fleet_view(&self, name: &str) -> Option<FleetView> {
        if let Some(view) = self.group_view(name) {
            return Some(FleetView {
                min: view.min,
                desired: view.desired,
                max: view.max,
                in_service: view.in_service,
                pending: view.pending,
                leaving: view.terminating,
                deleting: view.deleting,
                target_groups: view.target_groups,
            });
        }
        let service = self.ecs.services.keys().find(|(_, service)| service == name);
        let Some((cluster, _)) = service else { return self.elastigroup_view(name) };
        let view = self.service_view(cluster, name)?;
        let target = self.scalable_target(&format!("service/{cluster}/{name}"));
        Some(FleetView {
            min: target.map_or(0, |target| target.min),
            desired: view.desired,
            max: target.map_or(view.desired, |target| target.max),
            in_service: view.running,
            pending: view.pending,
            leaving: view.stopping,
            deleting: view.deleting,
            target_groups: view.target_groups,
        })
    }

    /// The tags of the service of this name, in whichever cluster.
    pub fn service_tags(&self, name: &str) -> Option<std::collections::BTreeMap<String, String>> {
        let service = self.ecs.services.iter().find(|((_, service), _)| service == name)?.1;
        Some(service.tags.clone())
    }
}
