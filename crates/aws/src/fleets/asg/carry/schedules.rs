//! Scheduled actions.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::ScheduledUpdateGroupAction;
use aws_smithy_types::DateTime;
use crossfade_core::{Kind, Result, unless_refused};

use super::Carrier;
use crate::refusal::refusal;

/// What begins so soon may be past when AWS gets to see it, and it refuses what is past (P21).
const SOON_MILLIS: u64 = 10_000;

impl Carrier {
    /// The scheduled actions of a group.
    pub(super) async fn schedules(&self, group: &str) -> Result<Vec<ScheduledUpdateGroupAction>> {
        let call = self.autoscaling.describe_scheduled_actions().auto_scaling_group_name(group);
        let mut pages = call.into_paginator().items().send();
        let mut actions = Vec::new();
        while let Some(action) = pages.next().await {
            actions.push(action.map_err(|e| refusal("autoscaling:DescribeScheduledActions", group, e))?);
        }
        Ok(actions)
    }

    /// Gives the fleet the base's scheduled actions that are still to come. Its own stay. Answers whether it has any.
    pub(super) async fn carry_schedules(
        &self,
        base: &str,
        fleet: &str,
        now_millis: u64,
        lines: &mut Vec<String>,
    ) -> Result<bool> {
        let existing = self.schedules(fleet).await?;
        let mut names: BTreeSet<Option<String>> =
            existing.into_iter().map(|action| action.scheduled_action_name).collect();
        for action in self.schedules(base).await? {
            if names.contains(&action.scheduled_action_name) {
                continue;
            }
            let name = action.scheduled_action_name.clone().unwrap_or_default();
            match still_to_come(action, now_millis) {
                Err(reason) => lines.push(format!("Left scheduled action {name} out: {reason}")),
                Ok(action) => {
                    let refused = unless_refused(self.put_schedule(fleet, action).await)?;
                    lines.push(match &refused {
                        None => format!("Carried scheduled action {name}"),
                        Some(refused) => format!("Left scheduled action {name} out: {refused}"),
                    });
                    if refused.is_none() {
                        names.insert(Some(name));
                    }
                }
            }
        }
        Ok(!names.is_empty())
    }

    /// Makes a scheduled action.
    async fn put_schedule(&self, fleet: &str, action: ScheduledUpdateGroupAction) -> Result<()> {
        let on = format!("{} of {fleet}", action.scheduled_action_name.as_deref().unwrap_or_default());
        let call = self
            .autoscaling
            .put_scheduled_update_group_action()
            .auto_scaling_group_name(fleet)
            .set_scheduled_action_name(action.scheduled_action_name)
            .set_start_time(action.start_time)
            .set_end_time(action.end_time)
            .set_recurrence(action.recurrence)
            .set_time_zone(action.time_zone)
            .set_min_size(action.min_size)
            .set_max_size(action.max_size)
            .set_desired_capacity(action.desired_capacity);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_already_exists_fault()) => {
                Err(Kind::RequestRefused.because("another one happens at the same time"))
            }
            Err(e) => Err(refusal("autoscaling:PutScheduledUpdateGroupAction", &on, e)),
        }
    }
}

/// The action as it can be put now: a recurring one no longer begins in the past (P21).
///
/// # Errors
/// Why it never happens again, in words.
fn still_to_come(
    mut action: ScheduledUpdateGroupAction,
    now_millis: u64,
) -> std::result::Result<ScheduledUpdateGroupAction, &'static str> {
    let soon = i64::try_from(now_millis.saturating_add(SOON_MILLIS)).unwrap_or(i64::MAX);
    let past = |at: &DateTime| at.to_millis().is_ok_and(|at| at <= soon);
    action.recurrence = action.recurrence.filter(|recurrence| !recurrence.is_empty());
    // What AWS shows of an action that was made by its older field.
    action.start_time = action.start_time.or(action.time);
    if action.end_time.as_ref().is_some_and(past) {
        return Err("its end is past");
    }
    action.start_time = action.start_time.filter(|at| !past(at));
    if action.recurrence.is_none() && action.start_time.is_none() {
        return Err("its time is past");
    }
    // Without a recurrence there is no zone to read it in.
    action.time_zone = action.time_zone.filter(|zone| !zone.is_empty() && action.recurrence.is_some());
    Ok(action)
}
