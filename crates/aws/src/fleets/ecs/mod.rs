//! Fleets that are services of Amazon ECS.
//!
//! What it owns: services, their task definitions, and Application Auto Scaling of them. A fleet is a service of its own, by ECS's
//! rolling deployment controller; ECS's own blue/green deployments are not used (decision 21).
//!
//! What it must never do: stop a task, register a target, or force a deployment. ECS deregisters what it stops before it ends it;
//! whatever else ends a task does not (P90).

mod carry;
mod client;
mod console;
mod create;
mod definition;
mod incidents;
mod inherited;
mod mark;
mod read;
mod services;
mod template;
mod written;

use std::collections::BTreeMap;
use std::sync::Arc;

use crossfade_core::capacity::Size;
use crossfade_core::infrastructure::{TAG_INFRASTRUCTURE, series_of};
use crossfade_core::kinds::ecs::{ScalableTarget, TaskDefinition};
use crossfade_core::kinds::{Blueprint, Compute, Own};
use crossfade_core::lane::{Counterpart, Lane};
use crossfade_core::observed::{Baggage, Fleet, HookTimes, Incident, Wake};
use crossfade_core::plan::Marked;
use crossfade_core::{Failure, Kind as FailureKind, Result};
use serde_json::json;

pub(crate) use client::Client;

use super::{Carrying, Console, Deletion, Heirs, Inherited, Kind, Made, Order, Runs, Template};

/// The services of one cluster, as fleets.
#[derive(Clone, Debug)]
pub struct Services {
    client: Arc<Client>,
    cluster: String,
}

impl Services {
    /// Those of this cluster.
    pub(crate) fn new(client: Arc<Client>, cluster: String) -> Self {
        Self { client, cluster }
    }
}

fn other_kind() -> Failure {
    FailureKind::RecordMissing.because("The snapshot is of another kind of fleet than its platform.")
}

/// What the members of a service are made from.
fn definition_of(blueprint: &Blueprint) -> Result<&TaskDefinition> {
    match blueprint {
        Blueprint::EcsService(definition) => Ok(definition),
        Blueprint::AutoScalingGroup(_) | Blueprint::Elastigroup(_) => Err(other_kind()),
    }
}

fn scaling(fleet: &Fleet) -> Option<&ScalableTarget> {
    match &fleet.own {
        Own::EcsService(own) => own.scaling.as_ref(),
        Own::AutoScalingGroup(_) | Own::Elastigroup(_) => None,
    }
}

impl Kind for Services {
    async fn named(&self, names: &[&str]) -> Result<Vec<Fleet>> {
        self.fleets(self.services(names).await?).await
    }

    async fn of(&self, infrastructure: &str) -> Result<Vec<Fleet>> {
        self.tagged(TAG_INFRASTRUCTURE, Some(infrastructure)).await
    }

    async fn of_any(&self) -> Result<Vec<Fleet>> {
        self.tagged(TAG_INFRASTRUCTURE, None).await
    }

    async fn incidents(&self, name: &str, since_millis: u64) -> Result<Vec<Incident>> {
        self.happened(name, since_millis).await
    }

    async fn wakes(&self, fleet: &Fleet) -> Result<Option<Wake>> {
        Ok(Wake::of(fleet.size, &self.schedules_of(&fleet.name).await?))
    }

    async fn busy(&self, _: &Fleet) -> Result<Option<String>> {
        // A service says itself what is under way: it stands among its problems.
        Ok(None)
    }

    async fn hook_times(&self, name: &str) -> Result<HookTimes> {
        // A template that is written out has no name.
        if name.is_empty() {
            return Ok(HookTimes::default());
        }
        let Some(service) = self.service(name).await? else { return Ok(HookTimes::default()) };
        self.stopping(client::text(&service, "taskDefinition")).await
    }

    async fn template(&self, compute: &Compute, lanes: &[Lane], _: Option<&str>) -> Result<Template> {
        self.of_base(compute, lanes).await
    }

    async fn available(&self, _: &str) -> Result<()> {
        // Whether a registry has an image, its puller alone can tell.
        Ok(())
    }

    async fn baggage(&self, base: &str, fleet: &str) -> Result<(Baggage, Vec<String>)> {
        self.carried_by(base, fleet).await
    }

    async fn inherited(&self, heirs: &Heirs<'_>) -> Result<Inherited> {
        self.inherited_by(heirs).await
    }

    async fn create(&self, order: &Order<'_>) -> Result<Vec<String>> {
        self.make(order).await
    }

    async fn resize(&self, name: &str, size: Size) -> Result<()> {
        self.set_size(name, size).await
    }

    async fn rest(&self, name: &str, rest: bool) -> Result<()> {
        self.set_rest(name, rest).await
    }

    async fn rest_on(&self, _: &Fleet, _: u64) -> Result<()> {
        // It rests for good.
        Ok(())
    }

    async fn let_go(&self, name: &str, members: &[String]) -> Result<()> {
        self.unprotect(name, members).await
    }

    async fn empty_reserve(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn give_back(&self, fleet: &Fleet, before: &Fleet) -> Result<Vec<String>> {
        let (Some(then), Some(now)) = (scaling(before), scaling(fleet)) else { return Ok(Vec::new()) };
        if then == now {
            return Ok(Vec::new());
        }
        let suspended = json!({
            "DynamicScalingInSuspended": then.in_suspended,
            "DynamicScalingOutSuspended": then.out_suspended,
            "ScheduledScalingSuspended": then.schedules_suspended,
        });
        self.register_target(&fleet.name, json!({ "SuspendedState": suspended })).await?;
        let resumed = now.schedules_suspended && !then.schedules_suspended;
        Ok(resumed.then(|| format!("Resumed the scheduled actions of {}", fleet.name)).into_iter().collect())
    }

    async fn wake(&self, fleet: &Fleet, _: &str) -> Result<Vec<String>> {
        if scaling(fleet).is_none_or(|target| !target.schedules_suspended) {
            return Ok(Vec::new());
        }
        self.set_rest(&fleet.name, false).await?;
        Ok(vec![format!("Resumed the scheduled actions of {}", fleet.name)])
    }

    async fn attach(&self, name: &str, pools: &[String], blueprint: &Blueprint) -> Result<()> {
        self.join(name, pools, definition_of(blueprint)?).await
    }

    async fn detach(&self, name: &str, pools: &[String]) -> Result<()> {
        self.leave(name, pools).await
    }

    async fn carry(&self, carrying: &Carrying<'_>) -> Result<Vec<String>> {
        self.carry_over(carrying).await
    }

    async fn follow(&self, fleet: &str, counterparts: &[Counterpart]) -> Result<Vec<String>> {
        self.adapt(fleet, counterparts).await
    }

    async fn mark(&self, fleets: &[Marked]) -> Result<Vec<String>> {
        self.tell(fleets).await
    }

    async fn delete(&self, fleet: &Fleet, force: bool) -> Result<Deletion> {
        self.unload(fleet).await?;
        self.remove(fleet, force).await
    }

    async fn forget(&self, made: &Made<'_>) -> Result<()> {
        self.deregister(series_of(made.fleet), made.deployment).await
    }

    async fn image(&self, fleet: &Fleet) -> Result<Option<String>> {
        let Some(Blueprint::EcsService(made)) = &fleet.blueprint else { return Ok(None) };
        let Some((definition, _)) = self.definition(&made.arn).await? else { return Ok(None) };
        // Of several containers nobody says which one is meant.
        match client::list(&definition, "containerDefinitions") {
            [only] => Ok(Some(client::text(only, "image").to_owned())),
            _ => Ok(None),
        }
    }

    async fn runs(&self, fleet: &Fleet) -> Result<Vec<Runs>> {
        let Some(Blueprint::EcsService(made)) = &fleet.blueprint else { return Ok(Vec::new()) };
        let Some((definition, _)) = self.definition(&made.arn).await? else { return Ok(Vec::new()) };
        Ok(template::runs(&definition, made, fleet.members.len()))
    }

    async fn console(&self, member: &str) -> Result<Console> {
        self.printed_by(member).await
    }

    async fn forget_own(&self, fleets: &[&Fleet]) -> Result<BTreeMap<String, Failure>> {
        let mut failed = BTreeMap::new();
        for fleet in fleets {
            let (Some(Blueprint::EcsService(definition)), Some(deployment)) = (&fleet.blueprint, &fleet.deployment)
            else {
                continue;
            };
            if let Err(failure) = self.deregister_own(&definition.arn, deployment).await {
                failed.insert(fleet.name.clone(), failure);
            }
        }
        Ok(failed)
    }
}
