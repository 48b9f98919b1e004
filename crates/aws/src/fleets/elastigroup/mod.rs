//! Fleets that are Elastigroups of Spot by Flexera.
//!
//! What it owns: groups of one Spot account in one region, read in Spot and in EC2: what Spot has taken out of a group it lists no more,
//! while it still drains. A group goes by our tag; its name is a label that changes last.
//!
//! What it must never do: change the load balancers of a group that has instances, delete one that has any, register a target, or show
//! the account's token.

mod carry;
mod client;
mod create;
mod groups;
mod incidents;
mod inherited;
mod read;
mod template;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use crossfade_core::capacity::Size;
use crossfade_core::infrastructure::TAG_INFRASTRUCTURE;
use crossfade_core::kinds::elastigroup::{Own, RESTING, Source};
use crossfade_core::kinds::{Blueprint, Compute, Own as AnyOwn};
use crossfade_core::lane::{Counterpart, Lane};
use crossfade_core::observed::{Baggage, Fleet, HookTimes, Incident, Wake};
use crossfade_core::plan::Marked;
use crossfade_core::{Failure, Kind as FailureKind, Result};

pub(crate) use client::Client;

use super::{Carrying, Console, Deletion, Heirs, Inherited, Kind, Made, Order, Runs, Template, console_of};

/// The Elastigroups of one account, as fleets.
#[derive(Clone, Debug)]
pub struct Groups {
    client: Arc<Client>,
    account: String,
}

impl Groups {
    /// Those of this account.
    pub(crate) fn new(client: Arc<Client>, account: String) -> Self {
        Self { client, account }
    }
}

/// What new groups are made from.
fn source(blueprint: &Blueprint) -> Result<&Source> {
    match blueprint {
        Blueprint::Elastigroup(source) => Ok(source),
        Blueprint::AutoScalingGroup(_) | Blueprint::EcsService(_) => {
            Err(FailureKind::RecordMissing.because("The snapshot is of another kind of fleet than its platform."))
        }
    }
}

fn own(fleet: &Fleet) -> Option<&Own> {
    match &fleet.own {
        AnyOwn::Elastigroup(own) => Some(own),
        AnyOwn::AutoScalingGroup(_) | AnyOwn::EcsService(_) => None,
    }
}

impl Kind for Groups {
    async fn named(&self, names: &[&str]) -> Result<Vec<Fleet>> {
        self.fleets_named(names).await
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
        Ok(Wake::of(fleet.size, &self.tasks_of(&fleet.name).await?))
    }

    async fn busy(&self, fleet: &Fleet) -> Result<Option<String>> {
        self.under_way(fleet).await
    }

    async fn hook_times(&self, name: &str) -> Result<HookTimes> {
        // A template that is written out has no name.
        let group = if name.is_empty() { None } else { self.find(name).await? };
        let terminating_seconds = group.as_ref().map_or(0, read::draining);
        Ok(HookTimes { launching_seconds: 0, terminating_seconds })
    }

    async fn template(&self, compute: &Compute, lanes: &[Lane], artifact: Option<&str>) -> Result<Template> {
        self.look_at(compute, lanes, artifact).await
    }

    async fn available(&self, artifact: &str) -> Result<()> {
        self.client.images.image(artifact).await.map(drop)
    }

    async fn baggage(&self, base: &str, _: &str) -> Result<(Baggage, Vec<String>)> {
        Ok((self.carried_by(base).await?, Vec::new()))
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

    async fn rest_on(&self, before: &Fleet, seconds: u64) -> Result<()> {
        self.renew_rest(before, seconds).await
    }

    async fn let_go(&self, _: &str, _: &[String]) -> Result<()> {
        // Locks run out, or their owner takes them off: what is locked is refused before anything changes.
        Ok(())
    }

    async fn empty_reserve(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn give_back(&self, fleet: &Fleet, before: &Fleet) -> Result<Vec<String>> {
        let Some(then) = own(before) else { return Ok(Vec::new()) };
        self.rest_as(&fleet.name, then).await
    }

    async fn wake(&self, fleet: &Fleet, _: &str) -> Result<Vec<String>> {
        if !own(fleet).is_some_and(|own| RESTING.iter().any(|name| own.rests.has(name))) {
            return Ok(Vec::new());
        }
        self.set_rest(&fleet.name, false).await?;
        Ok(vec![format!("Resumed what moves {} by itself", fleet.name)])
    }

    async fn attach(&self, name: &str, pools: &[String], _: &Blueprint) -> Result<()> {
        self.join(name, pools).await
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
        self.name_after(fleets).await
    }

    async fn delete(&self, fleet: &Fleet, force: bool) -> Result<Deletion> {
        self.remove(fleet, force).await
    }

    async fn forget(&self, _: &Made<'_>) -> Result<()> {
        // Nothing is made beside a group.
        Ok(())
    }

    async fn image(&self, fleet: &Fleet) -> Result<Option<String>> {
        let group = self.find(&fleet.name).await?;
        let specification = group.as_ref().and_then(|it| it.pointer("/compute/launchSpecification"));
        // Instead of one image it may have a list, of one for each architecture.
        let image =
            specification.and_then(|it| it["imageId"].as_str().or_else(|| it.pointer("/images/0/id")?.as_str()));
        Ok(image.map(str::to_owned))
    }

    async fn runs(&self, fleet: &Fleet) -> Result<Vec<Runs>> {
        let members: Vec<&str> = fleet.members.iter().map(|member| member.id.as_str()).collect();
        self.client.images.run(&members, async || self.image(fleet).await).await
    }

    async fn console(&self, member: &str) -> Result<Console> {
        console_of(&self.client.ec2, member).await
    }

    async fn forget_own(&self, _: &[&Fleet]) -> Result<BTreeMap<String, Failure>> {
        Ok(BTreeMap::new())
    }
}
