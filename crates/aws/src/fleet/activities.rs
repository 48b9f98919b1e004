//! What AWS did with a group, and tried to.

use aws_sdk_autoscaling::types::Activity as Described;
use aws_smithy_types::DateTime;
use crossfade_core::Result;
use crossfade_core::observed::Activity;

use super::{AutoScalingGroups, PAGE, limit};
use crate::refusal::refusal;

impl AutoScalingGroups {
    /// The scaling activities of a group that began since `since_millis`, newest first. Older ones stay listed for six
    /// weeks and say nothing about this deployment (P15).
    pub async fn activities(&self, name: &str, since_millis: u64) -> Result<Vec<Activity>> {
        // AWS tells times in whole seconds.
        let since = since_millis / 1000 * 1000;
        let call = self.client.describe_scaling_activities().auto_scaling_group_name(name).max_records(limit(PAGE));
        let mut pages = call.into_paginator().send();
        let mut activities = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| refusal("autoscaling:DescribeScalingActivities", name, e))?;
            let page: Vec<Activity> = page.activities.unwrap_or_default().into_iter().map(activity).collect();
            // Those under way come first, whenever they began; then the others, newest first.
            let enough = page.iter().any(|activity| activity.ended && activity.started_millis < since);
            activities.extend(page.into_iter().filter(|activity| activity.started_millis >= since));
            if enough {
                break;
            }
        }
        activities.sort_by_key(|activity| std::cmp::Reverse(activity.started_millis));
        Ok(activities)
    }
}

fn activity(activity: Described) -> Activity {
    let millis = |at: Option<DateTime>| at.and_then(|at| u64::try_from(at.to_millis().ok()?).ok());
    Activity {
        id: activity.activity_id.unwrap_or_default(),
        description: activity.description.unwrap_or_default(),
        cause: activity.cause.unwrap_or_default(),
        status: activity.status_code.map(|code| code.as_str().to_owned()).unwrap_or_default(),
        progress: activity.progress.and_then(|percent| u32::try_from(percent).ok()).unwrap_or(0),
        details: activity.details.unwrap_or_default(),
        reason: activity.status_message.filter(|message| !message.is_empty()),
        started_millis: millis(activity.start_time).unwrap_or(0),
        ended: activity.end_time.is_some(),
    }
}
