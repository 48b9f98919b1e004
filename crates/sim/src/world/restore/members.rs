//! Instances that have been there for a while.

use serde_json::Value;

use super::{flag, number, text};
use crate::world::servers::FlawsSince;
use crate::world::{Event, Instance, Lifecycle, Parked, Server, World};

/// For how long what is in service has been there, as far as anybody can tell: longer than any grace period or warm-up.
const A_WHILE_MILLIS: u64 = 24 * 3_600_000;

impl World {
    /// An instance of a group or of its warm pool, as `describe-auto-scaling-groups` or `describe-warm-pool` shows it, of this image and
    /// in this subnet. What is starting has just begun to.
    pub fn restore_instance(&mut self, group: &str, described: &Value, image: &str, subnet: Option<&str>) {
        let id = text(described, "InstanceId").to_owned();
        let state = text(described, "LifecycleState");
        let (warmed, state) = state.strip_prefix("Warmed:").map_or((false, state), |state| (true, state));
        let lifecycle = lifecycle(state);
        let there = !lifecycle.is_pending();
        let began = self.now.saturating_sub(if there { A_WHILE_MILLIS } else { 0 });
        let behaviour = self.images.get(image).map(|it| it.behaviour.clone()).unwrap_or_default();
        let thousand = |(shortest, longest): (u64, u64)| (shortest * 1000, longest * 1000);
        let launch = if there { 0 } else { self.between(thousand(behaviour.launch_seconds)) };
        let boot = if there { 0 } else { self.between(thousand(behaviour.boot_seconds)) };
        let template = &described["LaunchTemplate"];
        let instance = Instance {
            id: id.clone(),
            group: group.to_owned(),
            image: image.to_owned(),
            instance_type: text(described, "InstanceType").to_owned(),
            weight: number(described, "WeightedCapacity").and_then(|it| u32::try_from(it).ok()),
            zone: text(described, "AvailabilityZone").to_owned(),
            subnet: subnet.map(str::to_owned),
            template: number(template, "Version").map(|version| {
                (
                    text(template, "LaunchTemplateId").to_owned(),
                    text(template, "LaunchTemplateName").to_owned(),
                    version,
                )
            }),
            configuration: described["LaunchConfigurationName"].as_str().map(str::to_owned),
            lifecycle,
            warmed,
            healthy: text(described, "HealthStatus") != "Unhealthy",
            protected: flag(described, "ProtectedFromScaleIn"),
            launched_at: began,
            in_service_at: there.then_some(began),
            server: self.restored_server(began + launch + boot),
            activity: None,
            actions: Default::default(),
        };
        let Some(group) = self.groups.get_mut(group) else { return };
        match &mut group.carried.warm_pool {
            Some(pool) if warmed => pool.members.push(id.clone()),
            _ => group.members.push(id.clone()),
        }
        self.instances.insert(id.clone(), instance);
        match lifecycle {
            Lifecycle::Pending => self.schedule_in(launch, Event::Launched { instance: id }),
            Lifecycle::PendingProceed => self.schedule_in(launch, Event::Proceeded { instance: id }),
            it if it.is_leaving() => self.shut_down(&id),
            _ => self.examine_soon(&id),
        }
    }

    /// Something that answers requests and belongs to no group.
    pub(super) fn restore_stranger(&mut self, id: &str, zone: &str) {
        let began = self.now.saturating_sub(A_WHILE_MILLIS);
        let instance = Instance {
            id: id.to_owned(),
            group: String::new(),
            image: String::new(),
            instance_type: String::new(),
            weight: None,
            zone: zone.to_owned(),
            subnet: None,
            template: None,
            configuration: None,
            lifecycle: Lifecycle::InService,
            warmed: false,
            healthy: true,
            protected: false,
            launched_at: began,
            in_service_at: Some(began),
            server: self.restored_server(began),
            activity: None,
            actions: Default::default(),
        };
        self.instances.insert(id.to_owned(), instance);
    }

    fn restored_server(&mut self, ready_at: u64) -> Server {
        let slot = self.next_slot();
        Server { ready_at, fails_at: u64::MAX, sick: false, stopped: None, flaws: FlawsSince::default(), slot }
    }
}

/// A state of an instance. What is not known to the model is taken for leaving: it is no capacity, and comes to its end.
fn lifecycle(state: &str) -> Lifecycle {
    match state {
        "Pending" => Lifecycle::Pending,
        // What holds it answers before long.
        "Pending:Wait" | "Pending:Proceed" => Lifecycle::PendingProceed,
        "InService" => Lifecycle::InService,
        "EnteringStandby" | "Standby" => Lifecycle::Standby,
        "Stopped" => Lifecycle::Parked(Parked::Stopped),
        "Running" => Lifecycle::Parked(Parked::Running),
        "Hibernated" => Lifecycle::Parked(Parked::Hibernated),
        _ => Lifecycle::Terminating,
    }
}
