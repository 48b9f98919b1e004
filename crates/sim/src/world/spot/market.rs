//! What a group asks the market for, and what comes of it: requests that are fulfilled or not, instances that start.

use super::{SpotEvent, SpotInstance, SpotState};
use crate::world::servers::FlawsSince;
use crate::world::{Server, World};

impl World {
    /// Compares what a group has with what it wants.
    pub(super) fn spot_reconcile(&mut self, id: &str) {
        let blocked = self.settings.spot.suspension_blocks_capacity && self.spot_suspended(id, "AUTO_SCALE");
        let Some(group) = self.spot.groups.get_mut(id) else { return };
        if !blocked {
            group.heeded = group.capacity().1;
        }
        let Some(group) = self.spot.groups.get(id) else { return };
        let target = group.heeded;
        let rows: Vec<&SpotInstance> = group.rows.iter().filter_map(|row| self.spot.instances.get(row)).collect();
        // A replacement comes first, and what it replaces goes when it is healthy.
        let replaced = rows.iter().filter(|row| row.to_replace).count();
        let (target, there) = (target as usize, rows.len());
        let wanted = target + replaced.min(target);
        if there < wanted {
            for _ in there..wanted {
                self.spot_ask(id);
            }
        } else if there > wanted.max(target) {
            self.spot_shrink(id, there - wanted);
        }
        self.spot_look_soon(id);
    }

    fn spot_ask(&mut self, id: &str) {
        let fulfil = self.between(self.settings.spot.fulfil_millis);
        let request = format!("sir-{}", self.hex(8));
        let slot = self.next_slot();
        let Some(group) = self.spot.groups.get_mut(id) else { return };
        let zones = group.zones();
        let zone = zones.get(group.rows.len() % zones.len().max(1)).cloned().unwrap_or_else(|| "eu-west-1a".into());
        let row = SpotInstance {
            request: request.clone(),
            id: None,
            group: id.to_owned(),
            image: group.image(),
            instance_type: group.instance_type(),
            zone,
            on_demand: false,
            state: SpotState::Open,
            created_at: self.now,
            running_at: None,
            health: "UNKNOWN",
            once_healthy: false,
            ill_since: None,
            to_replace: false,
            locked_until: None,
            tags: group.tags(),
            server: Server {
                ready_at: u64::MAX,
                fails_at: u64::MAX,
                sick: false,
                stopped: None,
                flaws: FlawsSince::default(),
                slot,
            },
        };
        group.rows.push(request.clone());
        self.spot.instances.insert(request.clone(), row);
        self.spot_in(fulfil, SpotEvent::Fulfil { request });
    }

    /// The market answers.
    pub(super) fn spot_fulfil(&mut self, request: &str) {
        let Some(row) = self.spot.instances.get(request).filter(|row| row.state == SpotState::Open) else { return };
        let (group, image, on_demand) = (row.group.clone(), row.image.clone(), row.on_demand);
        if self.settings.spot.market_empty && !on_demand {
            return self.spot_falls_back(request, &group);
        }
        let behaviour = self.images.get(&image).filter(|it| it.state == "available").map(|it| it.behaviour.clone());
        let running = self.spot.instances.values().filter(|it| it.image == image && it.id.is_some()).count();
        let refused = match &behaviour {
            None => Some(format!("InvalidAMIID.NotFound, Message: The image id '[{image}]' does not exist")),
            Some(behaviour) => match (&behaviour.launch_failure, behaviour.room) {
                (Some(why), _) => Some(format!("InsufficientInstanceCapacity, Message: {why}")),
                (None, Some(room)) if running >= room => Some("InsufficientInstanceCapacity".into()),
                _ => None,
            },
        };
        if let Some(why) = refused {
            self.spot_tell(&group, "ERROR", format!("Can't Spin Spot Instances: Code: {why}"));
            let falls_back = self.spot.groups.get(&group).is_some_and(super::Elastigroup::falls_back);
            if falls_back {
                self.spot_tell(&group, "ERROR", format!("Can't Spin On-Demand Instances: Code: {why}"));
            }
            let again = self.settings.spot.retry_millis;
            return self.spot_in(again, SpotEvent::Fulfil { request: request.to_owned() });
        }
        let (launch, boot) = behaviour.as_ref().map_or(((8, 14), (25, 50)), |it| (it.launch_seconds, it.boot_seconds));
        let instance = format!("i-0{}", self.hex(16));
        let launches = self.between((launch.0 * 1000, launch.1 * 1000));
        let boots = self.between((boot.0 * 1000, boot.1 * 1000));
        let ready_at = self.now + launches + boots;
        let Some(row) = self.spot.instances.get_mut(request) else { return };
        row.id = Some(instance.clone());
        row.state = SpotState::Pending;
        row.server.ready_at = ready_at;
        if let Some(behaviour) = behaviour {
            row.server.flaws = behaviour.flaws.of(ready_at);
            row.server.sick = !behaviour.passes_health_checks;
            row.server.fails_at = behaviour.fails_after_seconds.map_or(u64::MAX, |after| ready_at + after * 1000);
        }
        self.spot.by_instance.insert(instance.clone(), request.to_owned());
        self.spot_tell(&group, "INFO", format!("Instance {instance} was launched"));
        self.spot_in(launches, SpotEvent::Runs { request: request.to_owned() });
    }

    /// The market has nothing: the group asks for an on-demand instance, or again.
    fn spot_falls_back(&mut self, request: &str, group: &str) {
        let why = "Can't Spin Spot Instances: Code: InsufficientInstanceCapacity, Message: There is no Spot capacity available";
        self.spot_tell(group, "WARN", why.into());
        let falls_back = self.spot.groups.get(group).is_some_and(super::Elastigroup::falls_back);
        let wait = if falls_back { self.between((5_000, 20_000)) } else { self.settings.spot.retry_millis };
        if let Some(row) = self.spot.instances.get_mut(request) {
            row.on_demand = falls_back;
        }
        self.spot_in(wait, SpotEvent::Fulfil { request: request.to_owned() });
    }

    /// An instance runs, and is registered in every target group of its group.
    pub(super) fn spot_runs(&mut self, request: &str) {
        let now = self.now;
        let Some(row) = self.spot.instances.get_mut(request).filter(|row| row.state == SpotState::Pending) else {
            return;
        };
        row.state = SpotState::Running;
        row.running_at = Some(now);
        let (group, instance) = (row.group.clone(), row.id.clone().unwrap_or_default());
        if self.spot_suspended(&group, "LB_REGISTRATION") {
            return;
        }
        let target_groups = self.spot.groups.get(&group).map(super::Elastigroup::target_groups).unwrap_or_default();
        for arn in target_groups {
            self.register(&arn, &instance, None);
        }
        self.spot_look_soon(&group);
    }

    /// The load balancers of a group are others now: its instances leave these, and come to those after a while.
    pub(super) fn spot_moves(&mut self, id: &str, before: &[String], after: &[String]) {
        let instances: Vec<String> = self
            .spot
            .instances
            .values()
            .filter(|row| row.group == id && row.state == SpotState::Running)
            .filter_map(|row| row.id.clone())
            .collect();
        for instance in &instances {
            for arn in before.iter().filter(|arn| !after.contains(arn)) {
                self.deregister(arn, instance, None);
            }
            for arn in after.iter().filter(|arn| !before.contains(arn)) {
                self.register(arn, instance, None);
            }
        }
    }
}
