//! What has to be true before a deployment begins: everything that the plan depends on, looked at, and every problem collected
//! before any is reported. It only reads.

mod candidate;
mod fleets;
mod hooks;
mod owners;
mod router;

use crossfade_aws::Fleets;
use crossfade_aws::keys;
use crossfade_core::claims::Steered;
use crossfade_core::document::{Artifact, Document};
use crossfade_core::kinds::elb::short;
use crossfade_core::kinds::{Blueprint, scaling_from};
use crossfade_core::observed::{Baggage, Fleet, TargetGroup};
use crossfade_core::plan;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Kind, Result};

use crate::context::Context;
use crate::records::{RevisionRecord, ServingRecord, find, read};
use crate::verify;

/// What was found in the account: everything that the plan depends on.
pub(crate) struct Found {
    pub(crate) snapshot: Snapshot,
    pub(crate) expected_seconds: Option<u32>,
    pub(crate) notes: Vec<String>,
    /// The switches and pools that are nobody's yet.
    pub(crate) unclaimed: Vec<Steered>,
}

/// Looks at everything that the plan depends on.
///
/// # Errors
/// `PreflightFailed` with everything that stands in the way, `LockHeld` when another definition that is being deployed does;
/// anything else, such as a throttle, at once.
pub(crate) async fn look(context: &Context, document: &Document) -> Result<Found> {
    let platform = document.compute.platform();
    let fleets = context.platforms.on(&platform);
    let mut look = Look { context, document, fleets, problems: Problems::default(), notes: Vec::new(), sides: None };
    let infrastructure = document.infrastructure();
    let name = document.compute.series().base;

    let history = history(context, &infrastructure.to_string()).await?;
    let mut fleets = look.own_fleets(&history).await?;
    wakes(&look.fleets, &mut fleets).await?;
    let served = served(context, &infrastructure.to_string()).await?;
    let base = match document.compute.written() {
        None => look.fleets.get(name).await?,
        written => written,
    };
    let router = look.router(&fleets).await?;
    let unverifiable = verify::in_the_way(&document.verification, context).await?;
    unverifiable.into_iter().for_each(|problem| look.problems.add(problem));
    look.hooks().await?;
    let blueprint = look.blueprint(router.as_ref()).await?;
    let unclaimed = match &base {
        Some(_) => look.owners(router.as_ref()).await?,
        // A misspelt base names an infrastructure definition that owns nothing: to hand something over to that helps nobody.
        None => Vec::new(),
    };
    let stable = plan::stable_of(&fleets, &router.as_ref().map(router::Router::production).unwrap_or_default());
    let asked = match &base {
        Some(base) => look.problems.collect(plan::asked_size(document, &stable, base))?,
        None => None,
    };
    let candidate = look.candidate(&fleets, &stable, &history).await?;
    let kept = candidate.as_ref().and_then(|candidate| fleets.iter().find(|fleet| fleet.name == candidate.name));
    look.fleets(base.as_ref(), kept, &fleets, &stable, router.as_ref()).await?;
    if let (Some(launches), Some(router)) = (kept.or(base.as_ref()), router.as_ref()) {
        look.zones(launches, &router.load_balancers).await?;
    }
    look.images(&fleets, &history).await?;
    let known = router.as_ref().map(router::Router::sides).unwrap_or_default();
    let healthy = look.health(&fleets, &known).await?;
    let hook_times = look.hook_times(&fleets, kept).await?;

    let Look { problems, mut notes, fleets: platform_fleets, .. } = look;
    problems.report()?;
    let (Some(blueprint), Some(asked), Some(router), Some(candidate)) = (blueprint, asked, router, candidate) else {
        let path = document.compute.path();
        return Err(Kind::PreflightFailed.because(format!("{path}.base = {name} does not exist in this region.")));
    };
    let from = scaling_from(&document.compute, &stable);
    let (baggage, left_out) = match from {
        Some(from) => platform_fleets.baggage(from, &candidate.name).await?,
        None => {
            let hook_times = platform_fleets.hook_times(name).await?;
            (Baggage { hook_times, ..document.compute.baggage().unwrap_or_default() }, Vec::new())
        }
    };
    notes.extend(left_out);
    let steady_seconds = document.timeouts.steady_state_minutes * 60;
    let hooks = hook_times.get(&candidate.name).copied().unwrap_or(baggage.hook_times);
    if hooks.launching_seconds >= steady_seconds {
        notes.push(format!(
            "The hooks of {} may hold a new member for {} s, as long as timeouts.steadyStateMinutes allows for all of them",
            if hook_times.contains_key(&candidate.name) { &candidate.name } else { name },
            hooks.launching_seconds
        ));
    }
    let stable = stable.into_iter().map(|fleet| fleet.name.clone()).collect();
    let snapshot = Snapshot {
        infrastructure,
        base: name.to_owned(),
        platform,
        blueprint,
        baggage,
        lanes: router.lanes,
        weights: router.weights,
        records: router.records,
        hook_times,
        healthy,
        stable,
        fleets,
        served,
        candidate: candidate.name,
        revision: candidate.revision,
        artifact: candidate.artifact,
        asked,
        load_balancers: router.load_balancers,
        drain_seconds: router.drain_seconds,
        deregistration_seconds: router.deregistration_seconds,
    };
    snapshot.fits()?;
    notes.extend(verify::never_seen(document, &snapshot, context).await?);
    let expected_seconds = history.iter().rev().find_map(|record| record.steady_seconds);
    Ok(Found { snapshot, expected_seconds, notes, unclaimed })
}

/// A look in progress.
struct Look<'a> {
    context: &'a Context,
    document: &'a Document,
    fleets: Fleets,
    problems: Problems,
    notes: Vec<String>,
    /// The router's target groups, once they are known.
    sides: Option<Vec<String>>,
}

impl Look<'_> {
    /// What new fleets are made from, unless something about it stands in the way; and whether its members can be registered in
    /// the pools.
    async fn blueprint(&mut self, router: Option<&router::Router>) -> Result<Option<Blueprint>> {
        let artifact = match &self.document.artifact {
            Artifact::Ami(artifact) | Artifact::Image(artifact) => Some(artifact.as_str()),
            Artifact::Revision(_) => None,
        };
        let lanes = router.map_or(&[][..], |router| &router.lanes);
        let compute = &self.document.compute;
        let template = self.fleets.template(compute, lanes, artifact).await?;
        // A revision that takes over again has its own.
        let records = router.map(|router| router.records.clone()).unwrap_or_default();
        let misfits = if artifact.is_some() { compute.misfits(lanes, &records) } else { Vec::new() };
        template.problems.into_iter().chain(misfits).for_each(|problem| self.problems.add(problem));
        self.notes.extend(template.notes);
        for TargetGroup { arn, targets, .. } in router.iter().flat_map(|router| &router.groups) {
            if let Some(Err(wanted)) = template.blueprint.as_ref().map(|blueprint| blueprint.registers_as(*targets)) {
                self.problems.add(format!(
                    "{} registers targets of another type than the members of {}. Use a target group of target type {wanted}.",
                    short(arn),
                    compute.platform().a_fleet()
                ));
            }
        }
        Ok(template.blueprint)
    }
}

/// Sees what wakes the fleets that have no instances. Whoever is at size 0 for good has scheduled actions that rest.
async fn wakes(platform: &Fleets, fleets: &mut [Fleet]) -> Result<()> {
    let may = |fleet: &&mut Fleet| !fleet.deleting && fleet.size.desired == 0 && !fleet.schedules_rest();
    for fleet in fleets.iter_mut().filter(may) {
        fleet.wakes = platform.wakes(fleet).await?;
    }
    Ok(())
}

/// The revisions of an infrastructure definition, oldest first.
pub(crate) async fn history(context: &Context, infrastructure: &str) -> Result<Vec<RevisionRecord>> {
    let records = context.table.list(&keys::infrastructure(infrastructure), "revision#").await?;
    records.into_iter().map(|(_, value, _)| read("revision", value)).collect()
}

/// The fleets that have served, the one that did last first.
async fn served(context: &Context, infrastructure: &str) -> Result<Vec<String>> {
    let record: Option<ServingRecord> =
        find(&context.table, &keys::infrastructure(infrastructure), keys::SERVING).await?;
    Ok(record.map_or_else(Vec::new, |record| [vec![record.fleet], record.before].concat()))
}

/// What stands in the way of the deployment.
#[derive(Default)]
struct Problems {
    all: Vec<String>,
    /// Whether another deployment is in the way: what waiting may help against.
    held: bool,
}

impl Problems {
    fn held(&mut self, problem: String) {
        self.held = true;
        self.add(problem);
    }

    fn add(&mut self, problem: String) {
        self.all.push(problem);
    }

    /// Keeps a refusal for later; anything else, such as a throttle, ends the look at once.
    fn collect<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.kind == Kind::PreflightFailed => {
                self.add(failure.message);
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    fn report(self) -> Result<()> {
        let kind = if self.held { Kind::LockHeld } else { Kind::PreflightFailed };
        kind.because_of(&self.all).map_or(Ok(()), Err)
    }
}
