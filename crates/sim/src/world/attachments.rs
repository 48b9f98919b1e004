//! The link between groups and target groups.
//!
//! What it owns: the states of an attachment as AWS shows them, and that attaching registers and detaching
//! deregisters a group's instances. A state says nothing about health: an attachment that came with the group's
//! creation reads `InService` at once (P5).

use super::{Event, Health, Lifecycle, Refusal, Target, TargetKey, World};

/// The operation that attached a target group, which decides what can detach it (P35).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// `AttachLoadBalancerTargetGroups`, or the creation of the group.
    TargetGroups,
    /// `AttachTrafficSources`, or the creation of the group.
    TrafficSources,
}

/// A target group of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// When it was attached.
    pub attached_at: u64,
    /// Whether it came with the group's creation, or one of its instances has been healthy since.
    pub in_service: bool,
    /// Whether it is being detached.
    pub removing: bool,
    /// What attached it.
    pub via: Via,
}

/// How long AWS takes to register a group's instances with a target group that is attached later.
const ADDING_MILLIS: u64 = 2_000;

impl Attachment {
    /// One that comes with the creation of its group.
    pub(super) fn given(now: u64) -> Self {
        Self { attached_at: now, in_service: true, removing: false, via: Via::TargetGroups }
    }

    /// How it shows in an inventory.
    pub(super) fn summary(&self) -> &'static str {
        match (self.removing, self.via) {
            (true, _) => "removing",
            (false, Via::TargetGroups) => "attached",
            (false, Via::TrafficSources) => "attached as a traffic source",
        }
    }
}

impl World {
    pub(super) fn check_target_groups(&self, arns: &[String]) -> Result<(), Refusal> {
        if arns.iter().any(|arn| !self.target_groups.contains_key(arn)) {
            return Err(Refusal::validation(
                "Provided Target Groups may not be valid. Please ensure they exist and try again.",
            ));
        }
        Ok(())
    }

    /// Target groups that came with the creation of a group came as traffic sources.
    pub(crate) fn mark_traffic_sources(&mut self, name: &str, arns: &[String]) {
        let Some(group) = self.groups.get_mut(name) else { return };
        for (_, attachment) in group.attachments.iter_mut().filter(|(arn, _)| arns.contains(arn)) {
            attachment.via = Via::TrafficSources;
        }
    }

    /// Puts a group behind something that is no target group of a load balancer: a classic one (`elb`) or a target group of VPC
    /// Lattice (`vpc-lattice`). What they send is not modelled.
    pub fn add_source(&mut self, name: &str, kind: &str, identifier: &str) -> Result<(), Refusal> {
        self.group_mut(name)?.carried.sources.insert(identifier.to_owned(), kind.to_owned());
        Ok(())
    }

    /// The opposite of [`World::add_source`].
    pub fn remove_source(&mut self, name: &str, identifier: &str) -> Result<(), Refusal> {
        match self.group_mut(name)?.carried.sources.remove(identifier) {
            Some(_) => Ok(()),
            None => Err(Refusal::validation(&format!(
                "Trying to remove Traffic Sources that are not part of the group: {identifier}"
            ))),
        }
    }

    /// Attaches target groups to a group and registers its instances with them.
    pub fn attach(&mut self, name: &str, arns: &[String], via: Via) -> Result<(), Refusal> {
        self.group_mut(name)?.refuse_during_refresh()?;
        self.check_target_groups(arns)?;
        let now = self.now;
        for arn in arns {
            let group = self.group_mut(name)?;
            let known = group.attachments.get(arn).is_some_and(|attachment| !attachment.removing);
            if known {
                continue;
            }
            let attachment = Attachment { attached_at: now, in_service: false, removing: false, via };
            group.attachments.insert(arn.clone(), attachment);
            let adds = group.runs("AddToLoadBalancer");
            for instance in group.members.clone() {
                let serves = self.instances.get(&instance).is_some_and(|it| it.lifecycle == Lifecycle::InService);
                if adds && serves {
                    self.register(arn, &instance, None);
                    if self.is_healthy_in(arn, &instance) {
                        self.note_healthy(arn, &instance);
                    }
                }
            }
        }
        Ok(())
    }

    /// Detaches target groups from a group: its instances are deregistered, and the attachment reads `Removing` until
    /// they have drained.
    ///
    /// `DetachTrafficSources` detaches whatever is attached, `DetachLoadBalancerTargetGroups` only what its counterpart
    /// has attached (P35).
    pub fn detach(&mut self, name: &str, arns: &[String], via: Via) -> Result<(), Refusal> {
        let group = self.group_mut(name)?;
        let known =
            |arn: &String| group.attachments.get(arn).is_some_and(|it| it.via == via || via == Via::TrafficSources);
        if let Some(arn) = arns.iter().find(|arn| !known(arn)) {
            return Err(Refusal::validation(&format!(
                "Trying to remove Target Groups that are not part of the group: {arn}"
            )));
        }
        for arn in arns {
            let group = self.group_mut(name)?;
            if let Some(attachment) = group.attachments.get_mut(arn) {
                attachment.removing = true;
            }
            let members = group.members.clone();
            let until = members.iter().filter_map(|id| self.deregister(arn, id, None)).max().unwrap_or(self.now);
            self.schedule(until, Event::Detached { group: name.to_owned(), target_group: arn.clone() });
        }
        Ok(())
    }

    pub(super) fn detached(&mut self, name: &str, arn: &str) {
        let Some(group) = self.groups.get_mut(name) else { return };
        if group.attachments.get(arn).is_some_and(|attachment| attachment.removing) {
            group.attachments.remove(arn);
        }
    }

    /// The state of an attachment as AWS shows it.
    pub(crate) fn attachment_state(&self, group: &str, arn: &str) -> &'static str {
        let Some(attachment) = self.groups.get(group).and_then(|group| group.attachments.get(arn)) else {
            return "Removed";
        };
        match attachment {
            Attachment { removing: true, .. } => "Removing",
            Attachment { in_service: true, .. } => "InService",
            Attachment { attached_at, .. } if self.now < attached_at + ADDING_MILLIS => "Adding",
            _ => "Added",
        }
    }

    /// A target has become healthy: attachments of its group to that target group are in service from now on.
    pub(super) fn note_healthy(&mut self, arn: &str, instance: &str) {
        let Some(group) = self.instances.get(instance).and_then(|it| self.groups.get_mut(&it.group)) else { return };
        if let Some(attachment) = group.attachments.get_mut(arn) {
            attachment.in_service = true;
        }
    }

    fn is_healthy_in(&self, arn: &str, instance: &str) -> bool {
        let healthy = |(key, target): (&TargetKey, &Target)| key.id == instance && target.health == Health::Healthy;
        self.target_groups.get(arn).is_some_and(|group| group.targets.iter().any(healthy))
    }

    /// Whether the load balancer finds an instance unhealthy, as its group is told: only by attachments in service.
    pub(super) fn balancer_finds_unhealthy(&self, instance: &str) -> bool {
        let Some(group) = self.instances.get(instance).and_then(|it| self.groups.get(&it.group)) else { return false };
        group.attachments.iter().filter(|(_, attachment)| attachment.in_service && !attachment.removing).any(
            |(arn, _)| {
                self.target_groups.get(arn).is_some_and(|group| {
                    group.targets.iter().any(|(key, target)| key.id == instance && target.health == Health::Unhealthy)
                })
            },
        )
    }
}
