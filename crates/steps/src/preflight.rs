//! What has to be true before a deployment begins: everything that the plan depends on, looked at, and every problem collected
//! before any is reported. It only reads.

use std::collections::BTreeSet;

use crossfade_aws::{Machine, keys};
use crossfade_core::capacity::Size;
use crossfade_core::document::Document;
use crossfade_core::infrastructure::{fleet_name, next_revision};
use crossfade_core::observed::{Fleet, Health, TargetGroup};
use crossfade_core::plan::{self, Snapshot};
use crossfade_core::split::{Roles, Split, in_words, short};
use crossfade_core::{Kind, Result};

use crate::context::Context;
use crate::records::{RevisionRecord, read};

/// What was found in the account: everything that the plan depends on.
pub(crate) struct Found {
    pub(crate) snapshot: Snapshot,
    pub(crate) asked: Size,
    pub(crate) expected_seconds: Option<u32>,
    pub(crate) notes: Vec<String>,
}

/// Looks at everything that the plan depends on.
///
/// # Errors
/// `PreflightFailed` with everything that stands in the way; anything else, such as a throttle, at once.
pub(crate) async fn look(context: &Context, document: &Document) -> Result<Found> {
    let (mut problems, mut notes) = (Problems::default(), Vec::new());
    let group = document.auto_scaling_group();
    let infrastructure = document.infrastructure();

    let fleets = context.fleets.of(&infrastructure.to_string()).await?;
    let fleets: Vec<Fleet> = fleets.into_iter().filter(|fleet| fleet.revision.is_some()).collect();
    let stable = plan::stable_of(&fleets);
    let source = problems.collect(context.sources.of_base(&group.base).await)?;
    let asked = match context.fleets.get(&group.base).await? {
        Some(base) => problems.collect(plan::asked_size(document, stable, &base))?,
        None => None,
    };
    image(context, document, source.as_ref().map(|(_, machine)| machine), &mut problems, &mut notes).await?;
    let router = router(context, document, &fleets, stable, &mut problems, &mut notes).await?;
    let history = history(context, &infrastructure.to_string()).await?;
    let known = fleets.iter().filter_map(|fleet| fleet.revision).chain(history.iter().map(|record| record.revision));
    let revision = free_revision(context, document, next_revision(known), &mut problems).await?;

    problems.report()?;
    let (Some((base_source, _)), Some(asked), Some(router)) = (source, asked, router) else {
        return Err(Kind::PreflightFailed
            .because(format!("compute.autoScalingGroup.base = {} does not exist in this region.", group.base)));
    };
    let stable = stable.map(|fleet| fleet.name.clone());
    Ok(Found {
        snapshot: Snapshot {
            infrastructure,
            routing: document.routing.clone(),
            roles: router.roles,
            routes: router.split.routes,
            stable,
            fleets,
            candidate: fleet_name(&group.name, revision),
            revision,
            base_source,
            drain_seconds: router.drain_seconds,
            deregistration_seconds: router.deregistration_seconds,
        },
        asked,
        expected_seconds: history.iter().rev().find_map(|record| record.steady_seconds),
        notes,
    })
}

/// Whether the image can run on what the base launches (P41).
async fn image(
    context: &Context,
    document: &Document,
    machine: Option<&Machine>,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Result<()> {
    let image = problems.collect(context.sources.image(&document.artifact.ami).await)?;
    let (Some(image), Some(machine)) = (image, machine) else { return Ok(()) };
    if let Some(instance_type) = &machine.instance_type {
        let architectures = context.sources.architectures(instance_type).await?;
        if !architectures.contains(&image.architecture) {
            problems.add(format!(
                "artifact.ami = {} is built for {}, but the base {} launches {instance_type}, which runs {}. Build the image \
                 for that architecture, or change the base's instance type.",
                image.id,
                image.architecture,
                document.auto_scaling_group().base,
                architectures.join(" or ")
            ));
        }
    }
    // P71: the base's own mapping of the root device would stand beside the image's.
    if let (Some(root), false) = (&image.root_device_name, machine.devices.is_empty())
        && !machine.devices.contains(root)
    {
        notes.push(format!(
            "The base maps {} but the image's root device is {root}: its size and type come from the image",
            machine.devices.join(", ")
        ));
    }
    Ok(())
}

/// The router as the plan needs it.
struct Router {
    split: Split,
    roles: Roles,
    /// How long clients may still be served by a side after it has lost its weight, in seconds.
    drain_seconds: u32,
    /// How long a deregistering target drains, in seconds.
    deregistration_seconds: u32,
}

/// Whether the router can be shifted safely, and whether the fleets stand where its weights say.
async fn router(
    context: &Context,
    document: &Document,
    fleets: &[Fleet],
    stable: Option<&Fleet>,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Result<Option<Router>> {
    let describe = document.routing.describe();
    let Some(split) = problems.collect(context.router.read(&document.routing).await)? else { return Ok(None) };
    let Some(roles) = problems.collect(split.roles(&describe))? else { return Ok(None) };
    let target_groups = context.router.target_groups(&[roles.production.clone(), roles.stage.clone()]).await?;
    target_groups.iter().for_each(|group| usable(group, problems));
    let deregistration_seconds = target_groups.iter().map(|group| group.drain_seconds).max().unwrap_or(0);
    let sticky_seconds = split.sticky_seconds.unwrap_or(0);
    let drain_seconds = deregistration_seconds.max(sticky_seconds);
    if drain_seconds > document.timeouts.drain_minutes * 60 {
        problems.add(format!(
            "{describe} keeps clients on the old side for up to {drain_seconds} s (stickiness {sticky_seconds} s, \
             deregistration delay {deregistration_seconds} s), longer than timeouts.drainMinutes = {} allows. Raise it, or \
             lower the stickiness.",
            document.timeouts.drain_minutes
        ));
    }
    if let Some(stable) = stable
        && !stable.target_groups.contains(&roles.production)
    {
        problems.add(format!(
            "{} is the newest revision with {} instances, but the traffic goes to {}, to which it is not attached. Attach \
             it, or size it to 0 if something else serves.",
            stable.name,
            stable.instances.len(),
            short(&roles.production)
        ));
    }
    if let Some(strangers) = strangers(context, &roles.stage, fleets, stable).await? {
        problems.add(strangers);
    }
    notes.push(format!(
        "Target group {} is production, {} takes the new fleet ({})",
        short(&roles.production),
        short(&roles.stage),
        in_words(&split.routes)
    ));
    Ok(Some(Router { split, roles, drain_seconds, deregistration_seconds }))
}

/// Whether an Auto Scaling group can register in a target group, and its health can be known.
fn usable(group: &TargetGroup, problems: &mut Problems) {
    let name = short(&group.arn);
    if !group.instances {
        problems.add(format!(
            "{name} registers targets other than instances, which an Auto Scaling group cannot. Use a target group of target \
             type instance."
        ));
    }
    if !group.health_checks {
        problems.add(format!(
            "{name} has its health checks switched off, so nothing would prove that an instance serves. Switch them on."
        ));
    }
}

/// The targets in the candidate's target group that would be in its way.
async fn strangers(context: &Context, stage: &str, fleets: &[Fleet], stable: Option<&Fleet>) -> Result<Option<String>> {
    // Those of older fleets go with their fleets, when the plan downsizes them.
    let older = fleets.iter().filter(|fleet| Some(&fleet.name) != stable.map(|stable| &stable.name));
    let known: BTreeSet<&str> = older.flat_map(|fleet| fleet.instances.iter().map(|i| i.id.as_str())).collect();
    let targets = context.router.targets(stage).await?;
    let strangers: Vec<&str> = targets
        .iter()
        .filter(|target| target.health != Health::Draining && !known.contains(target.id.as_str()))
        .map(|target| target.id.as_str())
        .collect();
    Ok((!strangers.is_empty()).then(|| {
        format!(
            "{} takes the new fleet, but {} is registered in it already. Deregister it, or traffic for the new fleet would \
             reach it.",
            short(stage),
            strangers.join(", ")
        )
    }))
}

/// The first revision from this one on whose fleet's name is free. A name that is still being deleted is left to its fate (P2).
async fn free_revision(
    context: &Context,
    document: &Document,
    mut revision: u32,
    problems: &mut Problems,
) -> Result<u32> {
    let series = &document.auto_scaling_group().name;
    while let Some(taken) = context.fleets.get(&fleet_name(series, revision)).await? {
        if !taken.deleting {
            problems.add(format!(
                "An Auto Scaling group named {} exists already, but {} did not make it. Rename or delete it, or choose \
                 another compute.autoScalingGroup.name.",
                taken.name,
                document.infrastructure()
            ));
            break;
        }
        revision += 1;
    }
    Ok(revision)
}

/// The revisions of an infrastructure definition, oldest first.
async fn history(context: &Context, infrastructure: &str) -> Result<Vec<RevisionRecord>> {
    let records = context.table.list(&keys::infrastructure(infrastructure), "revision#").await?;
    records.into_iter().map(|(_, value, _)| read("revision", value)).collect()
}

/// What stands in the way of the deployment.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) {
        self.0.push(problem);
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
        match self.0.as_slice() {
            [] => Ok(()),
            [one] => Err(Kind::PreflightFailed.because(one)),
            many => Err(Kind::PreflightFailed.because(format!(
                "{} things stand in the way:\n- {}",
                many.len(),
                many.join("\n- ")
            ))),
        }
    }
}
