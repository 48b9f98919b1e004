//! Whether the router can be steered safely, and whether the fleets stand where it says.

use std::collections::{BTreeMap, BTreeSet};

use crossfade_core::document::{DnsName, Routing, TargetGroups};
use crossfade_core::kinds::dns::{self, Records, is_registry};
use crossfade_core::kinds::elb::{describe, is_network, settle_seconds, short};
use crossfade_core::lane::{Lane, Movement};
use crossfade_core::observed::{Fleet, TargetGroup};
use crossfade_core::plan;
use crossfade_core::split::{Split, Weights, in_words};
use crossfade_core::{Result, text, unnamed};

use super::Look;

/// The router as the plan needs it.
#[derive(Default)]
pub(super) struct Router {
    pub(super) lanes: Vec<Lane>,
    pub(super) weights: Vec<Weights>,
    pub(super) records: BTreeMap<String, Records>,
    /// How long clients may still be served by a side after it has lost its weight, in seconds.
    pub(super) drain_seconds: u32,
    /// How long a deregistering target drains, in seconds.
    pub(super) deregistration_seconds: u32,
    sticky_seconds: u32,
    /// Its target groups.
    pub(super) groups: Vec<TargetGroup>,
    /// The load balancers that forward to its target groups.
    pub(super) load_balancers: Vec<String>,
}

impl Router {
    /// All its target groups.
    pub(super) fn sides(&self) -> Vec<String> {
        let both = self.lanes.iter().flat_map(Lane::sides);
        both.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn production(&self) -> Vec<String> {
        self.lanes.iter().map(|lane| lane.production.clone()).collect()
    }
}

impl Look<'_> {
    /// The router, unless something about it stands in the way.
    pub(super) async fn router(&mut self, fleets: &[Fleet]) -> Result<Option<Router>> {
        let before = self.problems.all.len();
        let mut router = match &self.document.routing {
            Routing::Weighted(rules) => {
                let rules: Vec<&str> = rules.iter().map(|rule| rule.0.as_str()).collect();
                self.weighted(&rules).await?
            }
            Routing::Listeners(pairs) => {
                let pairs: Vec<(&str, &str)> =
                    pairs.iter().map(|pair| (pair.production.0.as_str(), pair.test.0.as_str())).collect();
                self.listeners(&pairs).await?
            }
            Routing::Dns(names) => self.names(names, fleets).await?,
            Routing::TargetGroups(groups) => Router { lanes: attachments(groups), ..Router::default() },
            Routing::None => {
                self.sides = Some(Vec::new());
                return Ok(Some(Router::default()));
            }
        };
        if self.problems.all.len() > before {
            return Ok(None);
        }
        self.sides = Some(router.sides());
        self.draining(&mut router).await?;
        self.unnamed(&router).await?;
        if self.problems.all.len() == before {
            self.places(&router, fleets).await?;
        }
        Ok((self.problems.all.len() == before).then_some(router))
    }

    /// What a rule or listener forwards to.
    async fn read(&mut self, on: &str) -> Result<Option<Split>> {
        self.problems.collect(self.context.switches.read(on).await)
    }

    async fn weighted(&mut self, rules: &[&str]) -> Result<Router> {
        let mut router = Router::default();
        for on in rules {
            let Some(split) = self.read(on).await? else { continue };
            let Some(lane) = self.problems.collect(Lane::read(on, &split))? else { continue };
            self.notes.push(format!(
                "Target group {} is production, {} takes the new fleet ({})",
                short(&lane.production),
                short(&lane.test),
                in_words(&split.routes)
            ));
            router.take(on, split);
            router.lanes.push(lane);
        }
        Ok(router)
    }

    /// Names in DNS, and to which of their two pools each leads.
    async fn names(&mut self, names: &[DnsName], fleets: &[Fleet]) -> Result<Router> {
        let mut router = Router::default();
        let live = fleets.iter().filter(|fleet| fleet.live());
        let occupied: Vec<String> = live.flat_map(|fleet| fleet.target_groups.clone()).collect();
        for dns in names {
            let facts = self.context.switches.facts(dns).await?;
            let (records, notes) = match dns::examine(dns, &facts) {
                Ok(known) => known,
                Err(problems) => {
                    problems.into_iter().for_each(|problem| self.problems.add(problem));
                    continue;
                }
            };
            let (on, split) = (dns.on(), records.split(&records.before));
            let Some(lanes) = self.problems.collect(dns::lanes(&on, &records, &split, &occupied))? else { continue };
            if let Some(lane) = lanes.first() {
                let to = match split.routes.as_slice() {
                    [] => "nothing yet".to_owned(),
                    routes => format!("{} ({})", records.called(&lane.production), records.in_words(routes)),
                };
                self.notes.push(format!(
                    "{} leads to {to}; {} takes the new fleet",
                    dns.name,
                    records.called(&lane.test)
                ));
            }
            self.notes.extend(notes);
            router.take(&on, split);
            router.lanes.extend(lanes);
            router.records.insert(on, records);
        }
        // Whoever asks for another name follows none of these weights.
        let zones: BTreeSet<String> = router.records.values().map(|records| records.zone.clone()).collect();
        for zone in &zones {
            let (listed, all) = self.context.switches.names_of(zone).await?;
            let (problems, notes) = dns::others(names, &router.records, zone, &listed);
            problems.into_iter().for_each(|problem| self.problems.add(problem));
            self.notes.extend(notes);
            if !all {
                self.notes.push(format!(
                    "The hosted zone {zone} has more records than the {} that were looked at: whether other names lead to the same ends \
                     nobody knows",
                    listed.len()
                ));
            }
        }
        Ok(router)
    }

    async fn listeners(&mut self, pairs: &[(&str, &str)]) -> Result<Router> {
        let (mut router, mut of_test) = (Router::default(), Vec::new());
        for (production, test) in pairs {
            let (Some(serves), Some(waits)) = (self.read(production).await?, self.read(test).await?) else { continue };
            let serving = self.problems.collect(serves.only(&describe(production)).cloned())?;
            let waiting = self.problems.collect(waits.only(&describe(test)).cloned())?;
            let (Some(serving), Some(waiting)) = (serving, waiting) else { continue };
            let by = Movement::Exchange { production: (*production).into(), test: (*test).into() };
            let lane = Lane { production: serving.target_group, test: waiting.target_group, by };
            if lane.shared() {
                self.problems.add(format!(
                    "{} and {} both forward to {}. Make the one of the test side forward to a target group of its own.",
                    describe(production),
                    describe(test),
                    short(&lane.production)
                ));
                continue;
            }
            self.notes.push(format!(
                "Target group {} is production, {} is the test side and takes the new fleet",
                short(&lane.production),
                short(&lane.test)
            ));
            router.take(production, serves);
            router.lanes.push(lane);
            of_test.push((*test, waits));
        }
        for (on, split) in of_test {
            router.take(on, split);
        }
        Ok(router)
    }

    /// Whether fleets can register in the target groups, and how long draining takes there.
    async fn draining(&mut self, router: &mut Router) -> Result<()> {
        let arns: Vec<String> = router.sides().into_iter().filter(|arn| !is_registry(arn)).collect();
        let Some(groups) = self.problems.collect(self.context.pools.target_groups(&arns).await)? else {
            return Ok(());
        };
        for group in &groups {
            self.usable(group);
        }
        let load_balancers: BTreeSet<&String> = groups.iter().flat_map(|group| &group.load_balancers).collect();
        router.load_balancers = load_balancers.into_iter().cloned().collect();
        self.delays(router, &groups);
        router.deregistration_seconds = groups.iter().map(|group| group.drain_seconds).max().unwrap_or(0);
        router.groups = groups;
        let network = router.lanes.iter().flat_map(Lane::switches).filter(|on| is_network(on));
        let settles = network.map(settle_seconds).max().unwrap_or(0);
        let caches = router.records.values().map(Records::settle_seconds).max().unwrap_or(0);
        router.drain_seconds = router.deregistration_seconds.max(router.sticky_seconds).max(settles).max(caches);
        self.connections(router, settles);
        let allowed = self.document.timeouts.drain_minutes;
        if router.drain_seconds > allowed * 60 {
            self.problems.add(format!(
                "Clients may stay on the old side for up to {} s (stickiness {} s, deregistration delay {} s, Network Load \
                 Balancer {settles} s, caches of DNS {caches} s), longer than timeouts.drainMinutes = {allowed} allows. Raise it, or lower \
                 the stickiness or the TTL.",
                router.drain_seconds, router.sticky_seconds, router.deregistration_seconds
            ));
        }
        Ok(())
    }

    /// What is open through a Network Load Balancer stays where it was opened, and ends with its instance (P102).
    fn connections(&mut self, router: &Router, settles: u32) {
        if !router.load_balancers.iter().any(|arn| is_network(arn)) {
            return;
        }
        let delay = router.deregistration_seconds;
        let stays = match settles {
            0 => format!("{delay} s after what serves them was to leave"),
            _ => format!("{} s after the last shift ({settles} s, and the deregistration delay)", settles + delay),
        };
        self.notes.push(format!(
            "Connections through a Network Load Balancer stay with the fleet at which they were opened. Those still open {stays} are \
             cut off; the application should close its connections before, or take a longer deregistration delay"
        ));
    }

    /// Whether draining takes long enough where fleets share a target group: there AWS decides how long.
    fn delays(&mut self, router: &Router, groups: &[TargetGroup]) {
        let attached = |lane: &Lane, arn: &String| lane.by == Movement::Attachment && lane.production == *arn;
        let shared = |group: &&TargetGroup| router.lanes.iter().any(|lane| attached(lane, &group.arn));
        let delays: Vec<(String, u32)> =
            groups.iter().filter(shared).map(|group| (group.arn.clone(), group.drain_seconds)).collect();
        match unnamed::short_delay(&delays) {
            Some(Err(problem)) => self.problems.add(problem),
            Some(Ok(note)) => self.notes.push(note),
            None => {}
        }
    }

    /// Whether anything that the document does not name sends requests to a side.
    async fn unnamed(&mut self, router: &Router) -> Result<()> {
        let all = self.context.switches.forwards(&router.load_balancers).await?;
        for problem in unnamed::forwards(&router.lanes, &all, &router.sides()) {
            self.problems.add(problem);
        }
        if let Routing::Dns(names) = &self.document.routing {
            let behind = names.iter().flat_map(|dns| dns::behind(dns, &router.groups, &all));
            behind.for_each(|problem| self.problems.add(problem));
        }
        Ok(())
    }

    /// Whether health can be known in a target group.
    fn usable(&mut self, group: &TargetGroup) {
        let name = short(&group.arn);
        if !group.health_checks {
            self.problems.add(format!(
                "{name} has its health checks switched off, so nothing would prove that a target serves. Switch them on."
            ));
        }
        if group.load_balancers.is_empty() {
            self.problems.add(format!(
                "No rule or listener forwards to {name}, so its targets are never checked. Name it in one."
            ));
        }
    }

    /// Whether the fleets that serve are behind production, and nothing is in the candidate's way.
    async fn places(&mut self, router: &Router, fleets: &[Fleet]) -> Result<()> {
        let production = router.production();
        let stable = plan::stable_of(fleets, &production);
        // After a revision has been rolled back a newer one may still run (O4).
        let runs = |fleet: &&Fleet| fleet.live() && (fleet.behind(&production) || !fleet.asleep());
        let newest = fleets.iter().filter(runs).max_by_key(|fleet| (fleet.behind(&production), fleet.revision));
        if let Some(newest) = newest
            && let Some(arn) = production.iter().find(|arn| !stable.iter().any(|it| it.target_groups.contains(arn)))
        {
            self.problems.add(format!(
                "{} is the newest revision with {} {}, but the traffic goes to {}, to which it is not attached. \
                 Attach it, or size it to 0 if something else serves.",
                newest.name,
                newest.members.len(),
                self.document.compute.platform().members(),
                short(arn)
            ));
        }
        for lane in router.lanes.iter().filter(|lane| !lane.shared()) {
            self.strangers(&lane.test, fleets, &stable).await?;
        }
        Ok(())
    }

    /// What is in the candidate's target group, or may come to it, and would be in its way.
    async fn strangers(&mut self, test: &str, fleets: &[Fleet], stable: &[&Fleet]) -> Result<()> {
        for fleet in stable.iter().filter(|fleet| fleet.target_groups.iter().any(|arn| arn == test)) {
            self.problems.add(format!(
                "{} takes the new fleet, but {}, which serves, is attached to it, too. Detach it from {0}, or traffic for the \
                 new fleet would reach it.",
                short(test),
                fleet.name
            ));
        }
        // Those of fleets without traffic go with their fleets, when the plan downsizes them.
        let older: Vec<Fleet> =
            fleets.iter().filter(|fleet| !stable.iter().any(|it| it.name == fleet.name)).cloned().collect();
        let targets = self.context.pools.targets(test).await?;
        let strangers = unnamed::strangers(&targets, &older);
        if !strangers.is_empty() {
            self.problems.add(format!(
                "{} takes the new fleet, but {} is registered in it already. Deregister it, or traffic for the new fleet \
                 would reach it.",
                short(test),
                text::few(&strangers)
            ));
        }
        Ok(())
    }
}

impl Router {
    fn take(&mut self, on: &str, split: Split) {
        self.sticky_seconds = self.sticky_seconds.max(split.sticky_seconds.unwrap_or(0));
        self.weights.push(Weights { on: on.into(), routes: split.routes });
    }
}

/// The lanes of fleets that change their attachments; both sides are the same where the candidate comes up in production.
fn attachments(groups: &TargetGroups) -> Vec<Lane> {
    let test = |i: usize| groups.test.get(i).unwrap_or(&groups.production[i]).0.clone();
    let production = groups.production.iter().enumerate();
    production.map(|(i, arn)| Lane { production: arn.0.clone(), test: test(i), by: Movement::Attachment }).collect()
}
