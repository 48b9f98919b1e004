//! What the groups of the account launch from, so that nothing of it is deleted.
//!
//! The account has to be listed for that, which may take many calls: it is listed only when something is to be deleted, and once
//! for all that is deleted together.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};
use crossfade_core::Result;
use tokio::sync::OnceCell;

use super::LaunchSources;
use crate::fleets::asg::mixed;
use crate::refusal::refusal;

/// What groups launch from.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// The ids of launch templates, each with the version as it is written down: a number, `$Latest` or `$Default`.
    templates: BTreeSet<(String, String)>,
    configurations: BTreeSet<String>,
}

impl Used {
    /// Whether a group has pinned this version. `$Latest` pins none, and `$Default` is never deleted.
    pub(super) fn version(&self, template: &str, number: u64) -> bool {
        self.templates.contains(&(template.to_owned(), number.to_string()))
    }

    /// Whether a group launches from any version of this launch template.
    pub(super) fn template(&self, id: &str) -> bool {
        self.templates.iter().any(|(template, _)| template == id)
    }

    /// Whether a group launches from this launch configuration.
    pub(super) fn configuration(&self, name: &str) -> bool {
        self.configurations.contains(name)
    }

    fn add(&mut self, group: AutoScalingGroup) {
        self.configurations.extend(group.launch_configuration_name);
        let policy = group.mixed_instances_policy.as_ref();
        let of_policy = policy.and_then(mixed::template).into_iter();
        let references =
            of_policy.chain(policy.into_iter().flat_map(mixed::own_templates)).chain(&group.launch_template);
        self.templates.extend(references.filter_map(written));
    }
}

fn written(reference: &LaunchTemplateSpecification) -> Option<(String, String)> {
    let version = reference.version.clone().unwrap_or_else(|| "$Default".into());
    Some((reference.launch_template_id.clone()?, version))
}

/// The groups of the account but those whose sources are to be deleted, which may still be seen for a while.
pub(super) struct Others<'a> {
    sources: &'a LaunchSources,
    except: Vec<&'a str>,
    used: OnceCell<Used>,
}

impl Others<'_> {
    /// What they launch from. Listed at the first call.
    pub(super) async fn used(&self) -> Result<&Used> {
        self.used.get_or_try_init(|| self.sources.used(&self.except)).await
    }
}

impl LaunchSources {
    /// All groups but these.
    pub(super) fn others<'a>(&'a self, except: Vec<&'a str>) -> Others<'a> {
        Others { sources: self, except, used: OnceCell::new() }
    }

    async fn used(&self, except: &[&str]) -> Result<Used> {
        let call = self.autoscaling.describe_auto_scaling_groups().include_instances(false).max_records(100);
        let mut pages = call.into_paginator().items().send();
        let mut used = Used::default();
        while let Some(group) = pages.next().await {
            let group = group.map_err(|e| refusal("autoscaling:DescribeAutoScalingGroups", "every group", e))?;
            if !group.auto_scaling_group_name.as_deref().is_some_and(|name| except.contains(&name)) {
                used.add(group);
            }
        }
        Ok(used)
    }
}
