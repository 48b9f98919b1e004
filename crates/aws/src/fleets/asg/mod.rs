//! Fleets that are Auto Scaling groups.
//!
//! What it owns: the groups, what their instances are made from, and what lets them scale by themselves.

mod carry;
mod fit;
mod groups;
mod inherited;
pub(crate) mod mixed;
mod sources;

use std::collections::BTreeMap;

use aws_types::SdkConfig;
use crossfade_core::capacity::Size;
use crossfade_core::kinds::asg::{LaunchSource, SCHEDULED_ACTIONS, TemplateVersion};
use crossfade_core::kinds::{Blueprint, Compute, Own};
use crossfade_core::lane::{Counterpart, Lane};
use crossfade_core::observed::{Baggage, Fleet, HookTimes, Incident, Wake};
use crossfade_core::plan::Marked;
use crossfade_core::{Failure, Kind as FailureKind, Result, unless_refused};

pub use carry::Carrier;
pub use groups::{AutoScalingGroups, Candidate};
pub use sources::{LaunchSources, Machine};

use inherited::Described;

use super::{Carrying, Console, Deletion, Heirs, Inherited, Kind, Made, Order, Runs, Template, console_of};

/// The Auto Scaling groups of the account, as fleets.
#[derive(Clone, Debug)]
pub struct Groups {
    groups: AutoScalingGroups,
    sources: LaunchSources,
    carrier: Carrier,
    described: Described,
}

impl Groups {
    /// Those that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            groups: AutoScalingGroups::new(config),
            sources: LaunchSources::new(config),
            carrier: Carrier::new(config),
            described: Described::new(config),
        }
    }
}

/// What an Auto Scaling group's members are made from.
fn source(blueprint: &Blueprint) -> Result<&LaunchSource> {
    match blueprint {
        Blueprint::AutoScalingGroup(source) => Ok(source),
        Blueprint::EcsService(_) | Blueprint::Elastigroup(_) => Err(other_kind()),
    }
}

fn other_kind() -> Failure {
    FailureKind::RecordMissing.because("The snapshot is of another kind of fleet than its platform.")
}

fn warm_pool(fleet: &Fleet) -> Option<&crossfade_core::kinds::asg::WarmPool> {
    match &fleet.own {
        Own::AutoScalingGroup(own) => own.warm_pool.as_ref(),
        Own::EcsService(_) | Own::Elastigroup(_) => None,
    }
}

impl Kind for Groups {
    async fn named(&self, names: &[&str]) -> Result<Vec<Fleet>> {
        self.groups.named(names).await
    }

    async fn of(&self, infrastructure: &str) -> Result<Vec<Fleet>> {
        self.groups.of(infrastructure).await
    }

    async fn of_any(&self) -> Result<Vec<Fleet>> {
        self.groups.of_any().await
    }

    async fn incidents(&self, name: &str, since_millis: u64) -> Result<Vec<Incident>> {
        self.groups.incidents(name, since_millis).await
    }

    async fn wakes(&self, fleet: &Fleet) -> Result<Option<Wake>> {
        Ok(Wake::of(fleet.size, &self.carrier.sizes(&fleet.name).await?))
    }

    async fn busy(&self, fleet: &Fleet) -> Result<Option<String>> {
        let refresh = self.groups.active_refresh(&fleet.name).await?;
        Ok(refresh.map(|refresh| {
            format!(
                "{} is being refreshed ({refresh}): its instances are replaced under way. Wait until that has ended, or cancel it.",
                fleet.name
            )
        }))
    }

    async fn hook_times(&self, name: &str) -> Result<HookTimes> {
        self.carrier.hook_times(name).await
    }

    async fn template(&self, compute: &Compute, _: &[Lane], artifact: Option<&str>) -> Result<Template> {
        let mut template = Template::default();
        let base = compute.series().base;
        let machine = match self.sources.of_base(base).await {
            Ok((source, machine)) => {
                template.blueprint = Some(Blueprint::AutoScalingGroup(source));
                Some(machine)
            }
            Err(failure) if failure.kind == FailureKind::PreflightFailed => {
                template.problems.push(failure.message);
                None
            }
            Err(failure) => return Err(failure),
        };
        if let Some(ami) = artifact {
            let instances = compute.instances();
            template.problems.extend(self.groups.no_room_for_tags(base, instances.tags).await?);
            if let (Some(user_data), Some(Blueprint::AutoScalingGroup(source))) =
                (instances.user_data, &template.blueprint)
            {
                let unfit = self.sources.unfit(source, user_data).await?;
                template.problems.extend(unfit.map(|why| format!("compute.autoScalingGroup.userData: {why}.")));
            }
            self.fit(ami, base, machine.as_ref(), &mut template).await?;
        }
        Ok(template)
    }

    async fn available(&self, artifact: &str) -> Result<()> {
        self.sources.image(artifact).await.map(drop)
    }

    async fn baggage(&self, base: &str, fleet: &str) -> Result<(Baggage, Vec<String>)> {
        self.carrier.baggage(base, fleet).await
    }

    async fn inherited(&self, heirs: &Heirs<'_>) -> Result<Inherited> {
        self.inherited_by(heirs).await
    }

    async fn create(&self, order: &Order<'_>) -> Result<Vec<String>> {
        let Order { name, base, artifact, deployment, infrastructure, .. } = *order;
        let base_source = source(order.blueprint)?;
        let user_data = order.instances.user_data;
        let source = self.sources.derive(base_source, name, artifact, deployment, infrastructure, user_data).await?;
        let mut lines = made(&source, artifact);
        lines.extend(user_data.map(|it| format!("The user data of the document {} that of {base}", it.does())));
        let candidate = Candidate {
            name,
            base,
            base_source,
            source: &source,
            target_groups: order.pools,
            infrastructure,
            revision: order.revision,
            deployment,
            instance_tags: order.instances.tags,
        };
        self.groups.create(&candidate).await?;
        lines.push(format!("Created Auto Scaling group {name} from {base} at size 0"));
        lines.extend(self.carrier.settle_in(base, name).await?);
        Ok(lines)
    }

    async fn resize(&self, name: &str, size: Size) -> Result<()> {
        self.groups.resize(name, size).await
    }

    async fn rest(&self, name: &str, rest: bool) -> Result<()> {
        match rest {
            true => self.groups.suspend(name, &[SCHEDULED_ACTIONS]).await,
            false => self.groups.resume(name, &[SCHEDULED_ACTIONS]).await,
        }
    }

    async fn rest_on(&self, _: &Fleet, _: u64) -> Result<()> {
        // It rests for good.
        Ok(())
    }

    async fn let_go(&self, name: &str, members: &[String]) -> Result<()> {
        self.groups.protect(name, members, false).await
    }

    async fn empty_reserve(&self, name: &str) -> Result<()> {
        self.groups.delete_warm_pool(name).await.map(drop)
    }

    async fn give_back(&self, fleet: &Fleet, before: &Fleet) -> Result<Vec<String>> {
        let (name, mut lines) = (fleet.name.as_str(), Vec::new());
        match (before.schedules_rest(), fleet.schedules_rest()) {
            (false, true) => {
                self.rest(name, false).await?;
                lines.push(format!("Resumed the scheduled actions of {name}"));
            }
            (true, false) => self.rest(name, true).await?,
            _ => {}
        }
        if let Some(pool) = warm_pool(before).filter(|_| before.own.taken(&fleet.own)) {
            self.groups.set_warm_pool(name, pool).await?;
        }
        let unprotected = fleet.members.iter().filter(|member| !member.protected);
        let again: Vec<String> = unprotected
            .filter(|now| before.members.iter().any(|then| then.id == now.id && then.protected))
            .map(|member| member.id.clone())
            .collect();
        if !again.is_empty() {
            self.groups.protect(name, &again, true).await?;
        }
        Ok(lines)
    }

    async fn wake(&self, fleet: &Fleet, base: &str) -> Result<Vec<String>> {
        let (name, mut lines) = (fleet.name.as_str(), Vec::new());
        if fleet.schedules_rest() {
            self.rest(name, false).await?;
            lines.push(format!("Resumed the scheduled actions of {name}"));
        }
        let base = self.groups.get(base).await?;
        if let (Some(pool), None) = (base.as_ref().and_then(warm_pool), warm_pool(fleet)) {
            // It serves without.
            lines.push(match unless_refused(self.groups.set_warm_pool(name, pool).await)? {
                None => format!("Gave {name} the warm pool of its base"),
                Some(refused) => format!("Left the warm pool out: {refused}"),
            });
        }
        Ok(lines)
    }

    async fn attach(&self, name: &str, pools: &[String], _: &Blueprint) -> Result<()> {
        self.groups.attach(name, pools).await
    }

    async fn detach(&self, name: &str, pools: &[String]) -> Result<()> {
        self.groups.detach(name, pools).await
    }

    async fn carry(&self, carrying: &Carrying<'_>) -> Result<Vec<String>> {
        let Carrying { from, fleet, counterparts, now_millis, .. } = *carrying;
        self.carrier.carry(from, fleet, counterparts, now_millis).await
    }

    async fn follow(&self, fleet: &str, counterparts: &[Counterpart]) -> Result<Vec<String>> {
        self.carrier.follow(fleet, counterparts).await
    }

    async fn mark(&self, _: &[Marked]) -> Result<Vec<String>> {
        // Groups have no such tag.
        Ok(Vec::new())
    }

    async fn delete(&self, fleet: &Fleet, force: bool) -> Result<Deletion> {
        self.carrier.unload(fleet).await?;
        self.groups.delete(&fleet.name, force).await
    }

    async fn forget(&self, made: &Made<'_>) -> Result<()> {
        self.sources.remove_derived(source(made.blueprint)?, made.fleet, made.artifact, made.deployment).await
    }

    async fn image(&self, fleet: &Fleet) -> Result<Option<String>> {
        match &fleet.blueprint {
            Some(Blueprint::AutoScalingGroup(source)) => self.sources.image_of(source).await,
            _ => Ok(None),
        }
    }

    async fn runs(&self, fleet: &Fleet) -> Result<Vec<Runs>> {
        let members: Vec<&str> = fleet.members.iter().map(|member| member.id.as_str()).collect();
        let made_from = async || match self.sources.of_base(&fleet.name).await {
            Ok((source, _)) => self.sources.image_meant(&source).await,
            // Of a form that crossfade does not copy.
            Err(failure) if failure.kind == FailureKind::PreflightFailed => Ok(None),
            Err(failure) => Err(failure),
        };
        self.sources.run(&members, made_from).await
    }

    async fn console(&self, member: &str) -> Result<Console> {
        console_of(&self.sources.ec2, member).await
    }

    async fn forget_own(&self, fleets: &[&Fleet]) -> Result<BTreeMap<String, Failure>> {
        Ok(self.sources.remove_own(fleets).await)
    }
}

fn made(source: &LaunchSource, ami: &str) -> Vec<String> {
    let version =
        |it: &TemplateVersion| format!("Created version {} of launch template {} with {ami}", it.version, it.id);
    match source {
        LaunchSource::Template(template) => vec![version(template)],
        LaunchSource::Mixed { template, overrides } => {
            std::iter::once(template).chain(overrides).map(version).collect()
        }
        LaunchSource::Configuration { name } => vec![format!("Created launch configuration {name} with {ami}")],
    }
}
