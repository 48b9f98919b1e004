//! Target groups' targets and their health.
//!
//! What it owns: registration, health checks and draining, with AWS's states and reasons. It must never move
//! instances; groups do.

use super::{Event, World};

/// A target: an instance or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetKey {
    /// The instance's id, or the address.
    pub id: String,
    /// The port that it listens on.
    pub port: u16,
}

/// What the load balancer thinks of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Registered, but no check has decided anything yet.
    Initial,
    /// Checks pass.
    Healthy,
    /// Checks fail.
    Unhealthy,
    /// Deregistered; gets no new requests.
    Draining,
    /// Its target group is in no rule, so nothing is checked (P7).
    Unused,
    /// Its target group checks nothing (P12).
    Unavailable,
}

impl Health {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Unused => "unused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A registered (or still draining) target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What the load balancer thinks of it.
    pub health: Health,
    /// Why, as the API spells it.
    pub reason: &'static str,
    /// Why, in words.
    pub description: String,
    /// When it was registered.
    pub registered_at: u64,
    /// Until when it drains.
    pub drains_until: Option<u64>,
    /// Tells this registration from earlier ones.
    stamp: u64,
    passed: u32,
    failed: u32,
}

impl World {
    /// Registers an instance with a target group. A target that is registered already stays as it is; one that drains
    /// starts anew.
    pub(crate) fn register(&mut self, arn: &str, id: &str, port: Option<u16>) {
        let (now, stamp) = (self.now, self.stamp());
        let Some(group) = self.target_groups.get_mut(arn) else { return };
        let key = TargetKey { id: id.to_owned(), port: port.unwrap_or(group.port) };
        if group.targets.get(&key).is_some_and(|target| target.health != Health::Draining) {
            return;
        }
        let target = Target {
            health: Health::Initial,
            reason: "Elb.RegistrationInProgress",
            description: "Target registration is in progress".into(),
            registered_at: now,
            drains_until: None,
            stamp,
            passed: 0,
            failed: 0,
        };
        group.targets.insert(key.clone(), target);
        self.start_checking(arn, &key);
    }

    /// Registers an instance with a target group, as a human with the console would.
    pub fn register_by_hand(&mut self, target_group: &str, id: &str) {
        self.register(target_group, id, None);
        self.settle();
    }

    /// Deregisters an instance from a target group, as a human with the console would.
    pub fn deregister_by_hand(&mut self, target_group: &str, id: &str) {
        self.deregister(target_group, id, None);
        self.settle();
    }

    /// A target that has been there for a while, in this state: checks go on from it.
    pub(super) fn place_target(&mut self, arn: &str, key: TargetKey, state: &str, reason: &str, description: &str) {
        self.register(arn, &key.id, Some(key.port));
        let (now, interval) = (self.now, self.settings.registration_millis);
        let Some(group) = self.target_groups.get_mut(arn) else { return };
        let delay = group.deregistration_delay() * 1000;
        let Some(target) = group.targets.get_mut(&key) else { return };
        let reasons = ["Target.ResponseCodeMismatch", "Target.Timeout", "Target.FailedHealthChecks"];
        match state {
            "healthy" => {
                target.health = Health::Healthy;
                (target.reason, target.description) = ("", String::new());
            }
            "unhealthy" => {
                target.health = Health::Unhealthy;
                target.reason = reasons.into_iter().find(|it| *it == reason).unwrap_or("Target.FailedHealthChecks");
                description.clone_into(&mut target.description);
            }
            "draining" => {
                // Nobody says since when.
                let stamp = target.stamp;
                target.health = Health::Draining;
                target.reason = "Target.DeregistrationInProgress";
                target.description = "Target deregistration is in progress".into();
                target.drains_until = Some(now + delay);
                let event = Event::Drained { target_group: arn.to_owned(), target: key, stamp };
                return self.schedule_in(delay.max(interval), event);
            }
            _ => {}
        }
        if state == "healthy" {
            self.note_healthy(arn, &key.id);
        }
        self.traffic.reroute();
    }

    /// Puts a target at the beginning of its checks, or in the state of a group that checks nothing.
    fn start_checking(&mut self, arn: &str, key: &TargetKey) {
        let (registration, stamp) = (self.settings.registration_millis, self.stamp());
        self.traffic.reroute_to(arn);
        let served = self.serves_zone_of(arn, key);
        let Some(group) = self.target_groups.get_mut(arn) else { return };
        let (in_use, checks) = (group.in_use, group.checks());
        let Some(target) = group.targets.get_mut(key) else { return };
        target.stamp = stamp;
        (target.passed, target.failed) = (0, 0);
        let (health, reason, description) = if !in_use {
            let text = "Target group is not configured to receive traffic from the load balancer";
            (Health::Unused, "Target.NotInUse", text)
        } else if !served {
            let text = "Target is in an Availability Zone that is not enabled for the load balancer";
            (Health::Unused, "Target.NotInUse", text)
        } else if !checks {
            let text = "Health checks are not enabled for this target";
            (Health::Unavailable, "Target.HealthCheckDisabled", text)
        } else {
            (Health::Initial, "Elb.RegistrationInProgress", "Target registration is in progress")
        };
        (target.health, target.reason, target.description) = (health, reason, description.to_owned());
        if health == Health::Initial {
            let event = Event::Check { target_group: arn.to_owned(), target: key.clone(), stamp };
            self.schedule_in(registration, event);
        }
    }

    /// Whether a load balancer sends requests to the zone of a target. Of addresses the model knows no zone.
    pub(super) fn serves_zone_of(&self, arn: &str, key: &TargetKey) -> bool {
        let of_group = self.instances.get(&key.id).map(|instance| &instance.zone);
        let zone = of_group.or_else(|| self.spot.of_instance(&key.id).map(|instance| &instance.zone));
        let Some(letter) = zone.and_then(|zone| zone.chars().last()) else { return true };
        let balancers = self.balancers_of(arn);
        balancers.is_empty()
            || balancers.iter().filter_map(|it| self.balancers.get(it)).any(|balancer| balancer.zones.contains(&letter))
    }

    /// Deregisters an instance from a target group: on one port, or on all. Answers until when it drains, or nothing
    /// when it was not registered.
    pub(crate) fn deregister(&mut self, arn: &str, id: &str, port: Option<u16>) -> Option<u64> {
        let (now, stamp) = (self.now, self.stamp());
        let group = self.target_groups.get_mut(arn)?;
        let delay = if group.in_use { group.deregistration_delay() * 1000 } else { 0 };
        let mut until = None;
        let mut scheduled = Vec::new();
        let wanted = |key: &TargetKey| key.id == id && port.is_none_or(|port| port == key.port);
        for (key, target) in group.targets.iter_mut().filter(|(key, _)| wanted(key)) {
            if target.health != Health::Draining {
                target.health = Health::Draining;
                target.reason = "Target.DeregistrationInProgress";
                target.description = "Target deregistration is in progress".into();
                target.stamp = stamp;
                target.drains_until = Some(now + delay);
                scheduled.push(key.clone());
            }
            until = until.max(target.drains_until);
        }
        for target in scheduled {
            if delay == 0 {
                self.drained(arn, &target, stamp);
            } else {
                self.schedule_in(delay, Event::Drained { target_group: arn.to_owned(), target, stamp });
            }
        }
        self.traffic.reroute_to(arn);
        until
    }

    /// Deregisters an instance from every target group that it is in. Answers until when the last of them drains.
    pub(super) fn deregister_everywhere(&mut self, id: &str) -> Option<u64> {
        let has = |group: &super::TargetGroup| group.targets.keys().any(|key| key.id == id);
        let arns: Vec<String> =
            self.target_groups.iter().filter(|(_, group)| has(group)).map(|(arn, _)| arn.clone()).collect();
        arns.iter().filter_map(|arn| self.deregister(arn, id, None)).max()
    }

    pub(super) fn drained(&mut self, arn: &str, key: &TargetKey, stamp: u64) {
        let Some(group) = self.target_groups.get_mut(arn) else { return };
        if group.targets.get(key).is_some_and(|target| target.stamp == stamp && target.health == Health::Draining) {
            group.targets.remove(key);
            // What is still under way is cut off: the load balancer waits no longer than the deregistration delay.
            if let Some(slot) = self.server(key).map(|server| server.slot) {
                self.traffic.cut_in(arn, slot, self.now);
            }
            self.traffic.reroute_to(arn);
        }
    }

    /// One health check of one target, and the next one after it. Answers whether its health is another one now.
    pub(super) fn check_target(&mut self, arn: &str, key: &TargetKey, stamp: u64) -> bool {
        let Some(group) = self.target_groups.get(arn) else { return false };
        let (interval, rises, falls) =
            (group.interval() * 1000, group.healthy_threshold(), group.unhealthy_threshold());
        let (now, server) = (self.now, self.server(key).cloned());
        let Some(group) = self.target_groups.get_mut(arn) else { return false };
        let Some(target) = group.targets.get_mut(key).filter(|target| target.stamp == stamp) else { return false };
        let passes = server.as_ref().is_some_and(|server| server.answers(now));
        let before = target.health;
        if passes {
            (target.passed, target.failed) = (target.passed + 1, 0);
            // The first passed check makes a new target healthy; one that has been unhealthy has to pass several.
            if before == Health::Initial || (before == Health::Unhealthy && target.passed >= rises) {
                target.health = Health::Healthy;
                (target.reason, target.description) = ("", String::new());
            }
        } else {
            (target.passed, target.failed) = (0, target.failed + 1);
            if target.failed >= falls {
                target.health = Health::Unhealthy;
                let responds = server.as_ref().is_some_and(|it| it.stopped.is_none() && it.ready_at <= now);
                let dead = server.is_none_or(|it| it.stopped.is_some());
                let (reason, description) = if responds {
                    ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")
                } else if dead {
                    ("Target.Timeout", "Request timed out")
                } else {
                    ("Target.FailedHealthChecks", "Health checks failed")
                };
                (target.reason, target.description) = (reason, description.to_owned());
            } else if before == Health::Initial {
                target.reason = "Elb.InitialHealthChecking";
                target.description = "Initial health checks in progress".into();
            }
        }
        let after = target.health;
        let event = Event::Check { target_group: arn.to_owned(), target: key.clone(), stamp };
        self.schedule_in(interval, event);
        if before != after {
            self.traffic.reroute_to(arn);
            match after {
                Health::Healthy => self.note_healthy(arn, &key.id),
                Health::Unhealthy => self.examine_soon(&key.id),
                _ => {}
            }
            self.note_target(key);
        }
        before != after
    }

    /// Brings the targets of a group that has come into use, or gone out of it, into the state that this means.
    pub(super) fn restart_checks(&mut self, arn: &str) {
        let Some(group) = self.target_groups.get(arn) else { return };
        let waits = group.targets.iter().filter(|(_, target)| target.health != Health::Draining);
        let keys: Vec<TargetKey> = waits.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.start_checking(arn, &key);
        }
    }

    /// Makes an instance ill, and lets its targets be found so: for accounts in which it has been for a while.
    pub(super) fn assume_ill(&mut self, id: &str) {
        // All routes are worked out anew with that.
        self.sicken_instance(id);
        for group in self.target_groups.values_mut() {
            for (_, target) in group.targets.iter_mut().filter(|(key, it)| key.id == id && it.health == Health::Healthy)
            {
                target.health = Health::Unhealthy;
                target.reason = "Target.ResponseCodeMismatch";
                target.description = "Health checks failed with these codes: [503]".into();
            }
        }
        self.examine_soon(id);
    }

    /// Makes a target healthy at once: for accounts that have been running for a while when they are first looked at.
    pub(super) fn assume_healthy(&mut self, arn: &str, id: &str) {
        let Some(group) = self.target_groups.get_mut(arn) else { return };
        for (_, target) in group.targets.iter_mut().filter(|(key, _)| key.id == id) {
            if target.health == Health::Initial {
                target.health = Health::Healthy;
                (target.reason, target.description) = ("", String::new());
            }
        }
        self.note_healthy(arn, id);
        self.traffic.reroute_to(arn);
    }
}
