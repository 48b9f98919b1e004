//! Fleets that are Auto Scaling groups: observing, resizing, and what else is done to one that exists.

mod attach;
mod create;
mod delete;
mod incidents;
mod read;
mod warm_pool;

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter, InstanceRefreshStatus, LifecycleHook};
use aws_types::SdkConfig;
use crossfade_core::Result;
use crossfade_core::capacity::Size;
use crossfade_core::infrastructure::TAG_INFRASTRUCTURE;
use crossfade_core::observed::{Fleet, MemberState};

pub use create::Candidate;
pub(crate) use read::{fleet as as_fleet, suspended};
pub(crate) use warm_pool::{configured, put};

use crate::clients::Lazy;
use crate::refusal::refusal;

/// The most groups that one call names or one page shows (Auto Scaling API reference).
const PAGE: usize = 100;
/// The most instances that one call protects (Auto Scaling API reference).
const PROTECTIONS: usize = 50;

/// The Auto Scaling groups of the account.
#[derive(Clone, Debug)]
pub struct AutoScalingGroups {
    client: Lazy<Client>,
}

impl AutoScalingGroups {
    /// The groups that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Lazy::new(config) }
    }

    /// The fleet of this name, if it exists.
    pub async fn get(&self, name: &str) -> Result<Option<Fleet>> {
        Ok(describe(&self.client, name).await?.map(read::fleet))
    }

    /// The fleets of these names, without those that do not exist.
    pub async fn named(&self, names: &[&str]) -> Result<Vec<Fleet>> {
        let mut fleets = Vec::new();
        for names in names.chunks(PAGE) {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let on = names.join(", ");
            let call = self.client.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(names));
            let mut pages = call.max_records(limit(PAGE)).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|e| refusal("autoscaling:DescribeAutoScalingGroups", &on, e))?;
                fleets.extend(page.auto_scaling_groups.unwrap_or_default().into_iter().map(read::fleet));
            }
        }
        Ok(fleets)
    }

    /// Every fleet that bears the tag of this infrastructure definition (O3), in no particular order.
    pub async fn of(&self, infrastructure: &str) -> Result<Vec<Fleet>> {
        self.with_tag(&format!("tag:{TAG_INFRASTRUCTURE}"), infrastructure, true).await
    }

    /// Every fleet that bears the tag of some infrastructure definition, in no particular order and without its members: of a large
    /// account they would be most of the answer.
    pub async fn of_any(&self) -> Result<Vec<Fleet>> {
        self.with_tag("tag-key", TAG_INFRASTRUCTURE, false).await
    }

    async fn with_tag(&self, filter: &str, value: &str, members: bool) -> Result<Vec<Fleet>> {
        let filter = Filter::builder().name(filter).values(value).build();
        let call = self.client.describe_auto_scaling_groups().filters(filter).include_instances(members);
        let call = call.max_records(limit(PAGE));
        let mut pages = call.into_paginator().send();
        let mut fleets = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| refusal("autoscaling:DescribeAutoScalingGroups", value, e))?;
            fleets.extend(page.auto_scaling_groups.unwrap_or_default().into_iter().map(read::fleet));
        }
        Ok(fleets)
    }

    /// Sets all three sizes in one call, so that none moves another one (P17, P18).
    pub async fn resize(&self, name: &str, size: Size) -> Result<()> {
        let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let call = self.client.update_auto_scaling_group().auto_scaling_group_name(name);
        let call = call.min_size(number(size.min)).desired_capacity(number(size.desired)).max_size(number(size.max));
        call.send().await.map_err(|e| refusal("autoscaling:UpdateAutoScalingGroup", name, e))?;
        Ok(())
    }

    /// Suspends these processes of a group; those that are suspended already stay so.
    pub async fn suspend(&self, name: &str, processes: &[&str]) -> Result<()> {
        suspend(&self.client, name, processes.iter().copied()).await
    }

    /// Resumes these processes of a group; those that run already go on.
    pub async fn resume(&self, name: &str, processes: &[&str]) -> Result<()> {
        resume(&self.client, name, processes).await
    }

    /// Protects instances from scale-in, or no longer (P28). What has left the group meanwhile is passed over.
    pub async fn protect(&self, name: &str, instances: &[String], protected: bool) -> Result<()> {
        let Some(fleet) = self.get(name).await? else { return Ok(()) };
        // AWS refuses the whole call for one instance that leaves or waits in the warm pool.
        let settled = |id: &&String| {
            let state = fleet.members.iter().find(|member| member.id == **id).map(|member| member.state);
            matches!(state, Some(MemberState::Serving | MemberState::Aside))
        };
        let instances: Vec<String> = instances.iter().filter(settled).cloned().collect();
        for instances in instances.chunks(PROTECTIONS) {
            let call = self.client.set_instance_protection().auto_scaling_group_name(name);
            let call = call.set_instance_ids(Some(instances.to_vec())).protected_from_scale_in(protected);
            call.send().await.map_err(|e| refusal("autoscaling:SetInstanceProtection", name, e))?;
        }
        Ok(())
    }

    /// The instance refresh of a group that is not over, if there is one: its id and its status (P32).
    pub async fn active_refresh(&self, name: &str) -> Result<Option<String>> {
        use InstanceRefreshStatus as Status;
        let call = self.client.describe_instance_refreshes().auto_scaling_group_name(name);
        let over =
            [Status::Successful, Status::Failed, Status::Cancelled, Status::RollbackSuccessful, Status::RollbackFailed];
        let mut pages = call.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| refusal("autoscaling:DescribeInstanceRefreshes", name, e))?;
            for refresh in page.instance_refreshes.unwrap_or_default() {
                if let Some(status) = refresh.status.filter(|status| !over.contains(status)) {
                    return Ok(Some(format!("{} ({status})", refresh.instance_refresh_id.unwrap_or_default())));
                }
            }
        }
        Ok(None)
    }
}

/// The group of this name, if it exists.
pub(crate) async fn describe(client: &Client, name: &str) -> Result<Option<AutoScalingGroup>> {
    let answer = client.describe_auto_scaling_groups().auto_scaling_group_names(name).send().await;
    let answer = answer.map_err(|e| refusal("autoscaling:DescribeAutoScalingGroups", name, e))?;
    Ok(answer.auto_scaling_groups.unwrap_or_default().into_iter().next())
}

/// The life-cycle hooks of a group.
pub(crate) async fn hooks(client: &Client, name: &str) -> Result<Vec<LifecycleHook>> {
    let answer = client.describe_lifecycle_hooks().auto_scaling_group_name(name).send().await;
    let answer = answer.map_err(|e| refusal("autoscaling:DescribeLifecycleHooks", name, e))?;
    Ok(answer.lifecycle_hooks.unwrap_or_default())
}

/// Suspends processes. Given none, AWS would suspend them all.
pub(crate) async fn suspend(client: &Client, name: &str, processes: impl Iterator<Item = &str>) -> Result<()> {
    let processes: Vec<String> = processes.map(str::to_owned).collect();
    if processes.is_empty() {
        return Ok(());
    }
    let call = client.suspend_processes().auto_scaling_group_name(name).set_scaling_processes(Some(processes));
    call.send().await.map_err(|e| refusal("autoscaling:SuspendProcesses", name, e))?;
    Ok(())
}

/// Resumes processes. Given none, AWS would resume them all.
pub(crate) async fn resume(client: &Client, name: &str, processes: &[&str]) -> Result<()> {
    if processes.is_empty() {
        return Ok(());
    }
    let processes = processes.iter().map(|&process| process.to_owned()).collect();
    let call = client.resume_processes().auto_scaling_group_name(name).set_scaling_processes(Some(processes));
    call.send().await.map_err(|e| refusal("autoscaling:ResumeProcesses", name, e))?;
    Ok(())
}

/// A limit as AWS counts.
fn limit(limit: usize) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}
