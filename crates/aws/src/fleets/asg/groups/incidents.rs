//! What AWS did with a group, and tried to.

use aws_sdk_autoscaling::types::Activity;
use crossfade_core::observed::{Because, Happened, Incident};
use crossfade_core::{Result, text};

use super::{AutoScalingGroups, PAGE, limit};
use crate::refusal::refusal;

impl AutoScalingGroups {
    /// What happened to a group since `since_millis`, newest first: its scaling activities. Older ones stay listed for six weeks
    /// and say nothing about this deployment (P15).
    pub async fn incidents(&self, name: &str, since_millis: u64) -> Result<Vec<Incident>> {
        // AWS tells times in whole seconds.
        let since = since_millis / 1000 * 1000;
        let call = self.client.describe_scaling_activities().auto_scaling_group_name(name).max_records(limit(PAGE));
        let mut pages = call.into_paginator().send();
        let mut incidents = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| refusal("autoscaling:DescribeScalingActivities", name, e))?;
            let page = page.activities.unwrap_or_default();
            // Those under way come first, whenever they began; then the others, newest first.
            let enough = page.iter().any(|it| it.end_time.is_some() && began_millis(it) < since);
            incidents.extend(page.into_iter().filter(|it| began_millis(it) >= since).map(incident));
            if enough {
                break;
            }
        }
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.at_millis));
        Ok(incidents)
    }
}

fn began_millis(activity: &Activity) -> u64 {
    activity.start_time.and_then(|at| u64::try_from(at.to_millis().ok()?).ok()).unwrap_or(0)
}

/// An activity in the domain's words. That AWS says some of it in prose only is known here and nowhere else.
fn incident(activity: Activity) -> Incident {
    let at_millis = began_millis(&activity);
    // They repeat what others wrote: names, the messages of services.
    let said = |text: Option<String>| text.map(|text| text::one_line(&text, text::COMMENT));
    let description = said(activity.description).unwrap_or_default();
    let cause = said(activity.cause).unwrap_or_default();
    let status = activity.status_code.map(|code| code.as_str().to_owned()).unwrap_or_default();
    let details = said(activity.details).map_or_else(String::new, |details| in_words(&details));
    let reason = said(activity.status_message).filter(|message| !message.is_empty());
    Incident {
        id: activity.activity_id.unwrap_or_default(),
        at_millis,
        what: match () {
            () if description.starts_with("Launching") => Happened::Launch,
            () if description.starts_with("Terminating") => Happened::End,
            () => Happened::Other,
        },
        because: match () {
            () if cause.contains("scheduled action") => Because::Schedule,
            () if cause.contains("health check") => Because::Health,
            () if reason.as_ref().is_some_and(|it| it.contains("Lifecycle Action")) => Because::Hook,
            () => Because::Other,
        },
        failed: status == "Failed" || status == "Cancelled",
        // Its progress is AWS's own, and would read as a deployment's share.
        said: match &reason {
            Some(reason) => format!("{description} ({status}{details}): {reason}"),
            None => format!("{description} ({status}{details})"),
        },
        reason,
    }
}

/// What AWS says of an activity in JSON, to follow its status: the zone that it was in.
fn in_words(details: &str) -> String {
    let details: serde_json::Value = serde_json::from_str(details).unwrap_or_default();
    details.get("Availability Zone").and_then(|zone| zone.as_str()).map_or_else(String::new, |zone| format!(", {zone}"))
}
