//! Whether the fleets can play their parts, forward and back, and how they are before anything begins.

use std::collections::BTreeMap;

use crossfade_core::condition::{ailing, ready};
use crossfade_core::document::StageSpec;
use crossfade_core::kinds::elb::balancer;
use crossfade_core::kinds::{Part, obstacles, remarks};
use crossfade_core::observed::{Fleet, HookTimes};
use crossfade_core::{Kind, Result, text, unnamed};

use super::{Look, router};
use crate::records::RevisionRecord;

impl Look<'_> {
    /// Whether the base can be copied, a kept revision can take over, and those that run can shrink and come back, or stay.
    pub(super) async fn fleets(
        &mut self,
        base: Option<&Fleet>,
        kept: Option<&Fleet>,
        fleets: &[Fleet],
        stable: &[&Fleet],
        router: Option<&router::Router>,
    ) -> Result<()> {
        let behind = router.is_some_and(|router| !router.lanes.is_empty());
        let shrinks = self.document.stages().iter().any(|stage| matches!(stage, StageSpec::Downsize(_)));
        let live: Vec<&Fleet> = fleets.iter().filter(|fleet| fleet.live() && !fleet.asleep()).collect();
        let part = |fleet: &Fleet| match stable.iter().any(|stable| stable.name == fleet.name) {
            true if !shrinks => Part::Stays,
            _ => Part::Shrinks,
        };
        // A kept revision is no copy of the base, but its successors are.
        let parts = base.map(|base| (Part::Base, base)).into_iter().chain(kept.map(|kept| (Part::Kept, kept)));
        for (part, fleet) in parts.chain(live.iter().map(|&fleet| (part(fleet), fleet))) {
            obstacles(part, fleet, behind).into_iter().for_each(|obstacle| self.problems.add(obstacle));
            self.notes.extend(remarks(part, fleet));
        }
        for fleet in &live {
            if let Some(busy) = self.fleets.busy(fleet).await? {
                self.problems.add(busy);
            }
        }
        if let Some(sides) = self.sides.take() {
            self.elsewhere(base, &live, &sides);
        }
        let members = self.document.compute.platform().members();
        if let Some(base) = base.filter(|base| base.schedules_rest() && base.size.desired > 0) {
            self.notes
                .push(format!("The base {} runs {} {members} of its own; they are left alone", base.name, base.size));
        }
        Ok(())
    }

    /// Whether every load balancer serves the zones in which new members come up. It sends nothing to one in another zone, which never
    /// becomes healthy, either (Elastic Load Balancing, `Target.NotInUse`).
    pub(super) async fn zones(&mut self, launches: &Fleet, load_balancers: &[String]) -> Result<()> {
        if launches.zones.is_empty() {
            return Ok(());
        }
        for (load_balancer, served) in self.context.switches.zones(load_balancers).await? {
            let other: Vec<&String> = launches.zones.iter().filter(|zone| !served.contains(zone)).collect();
            if !other.is_empty() && !served.is_empty() {
                self.problems.add(format!(
                    "{} launches {} in {}, and {} serves {} alone: it would send nothing there, and what comes up there would never \
                     be healthy. Enable the zone with `aws elbv2 set-subnets`, or take its subnets out of {}.",
                    launches.name,
                    self.document.compute.platform().members(),
                    text::few(&other),
                    balancer(&load_balancer),
                    text::few(&served),
                    launches.name
                ));
            }
        }
        Ok(())
    }

    /// Whether those that run could be launched again. That they cannot is no reason to keep them: it is said.
    pub(super) async fn images(&mut self, fleets: &[Fleet], history: &[RevisionRecord]) -> Result<()> {
        let members = self.document.compute.platform().members();
        for fleet in fleets.iter().filter(|fleet| fleet.live()) {
            let Some(record) = history.iter().find(|record| Some(record.revision) == fleet.revision) else { continue };
            match self.fleets.available(&record.artifact).await {
                Err(failure) if failure.kind == Kind::PreflightFailed => self.notes.push(format!(
                    "The image {} of {} cannot be launched any more: once it is downsized, nothing brings its {members} back",
                    record.artifact, fleet.name
                )),
                looked => drop(looked?),
            }
        }
        Ok(())
    }

    /// Whether a fleet that is going to be emptied stands behind more than the document names. What the base stands behind beside
    /// that is worth knowing: its copies do not.
    fn elsewhere(&mut self, base: Option<&Fleet>, live: &[&Fleet], sides: &[String]) {
        for fleet in live {
            if let Some(others) = unnamed::elsewhere(fleet, sides) {
                self.problems.add(format!(
                    "{} stands behind {others}, too, which routing does not name: when it goes to 0, nobody serves there. Name \
                     in routing what sends requests there, or detach {} from it.",
                    fleet.name, fleet.name
                ));
            }
        }
        if let Some((base, others)) = base.and_then(|base| Some((base, unnamed::elsewhere(base, sides)?))) {
            self.notes.push(format!("The base {} stands behind {others}, which its copies do not", base.name));
        }
    }

    /// How much of those that run is healthy, of the target groups that the router knows; in service, where a fleet is in none of them.
    pub(super) async fn health(&mut self, fleets: &[Fleet], known: &[String]) -> Result<BTreeMap<String, u32>> {
        let mut healthy = BTreeMap::new();
        // Of one that sleeps nothing is: it may have woken when it is asked for.
        for fleet in fleets.iter().filter(|fleet| fleet.live() && !fleet.asleep()) {
            let of_router: Vec<String> =
                fleet.target_groups.iter().filter(|arn| known.contains(arn)).cloned().collect();
            let registered = self.context.pools.registered(&of_router).await?;
            let least = registered.iter().map(|registered| ready(fleet, registered)).min();
            healthy.insert(fleet.name.clone(), least.unwrap_or_else(|| fleet.capacity()));
            for ailing in registered.iter().filter_map(|registered| ailing(fleet, registered)) {
                self.notes.push(format!("{} is not well: {ailing}. A rollback asks for no more than that", fleet.name));
            }
        }
        Ok(healthy)
    }

    /// How long hooks may hold the instances of those that run, and of the kept revision that takes over.
    pub(super) async fn hook_times(
        &self,
        fleets: &[Fleet],
        kept: Option<&Fleet>,
    ) -> Result<BTreeMap<String, HookTimes>> {
        let mut times = BTreeMap::new();
        let is_kept = |fleet: &Fleet| kept.is_some_and(|kept| kept.name == fleet.name);
        for fleet in fleets.iter().filter(|fleet| fleet.live() || is_kept(fleet)) {
            times.insert(fleet.name.clone(), self.fleets.hook_times(&fleet.name).await?);
        }
        Ok(times)
    }
}
