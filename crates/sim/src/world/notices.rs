//! Whom a group notifies, and what it measures about itself.
//!
//! What it owns: both lists. Nothing is sent and nothing is measured: to a deployer they are settings that must come
//! through it.

use super::{Refusal, World};

/// What a group can notify of.
pub(crate) const NOTIFICATION_TYPES: &[&str] = &[
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
    "autoscaling:TEST_NOTIFICATION",
];

/// What a group can measure about itself.
pub(crate) const METRICS: &[&str] = &[
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
    "GroupInServiceCapacity",
    "GroupPendingCapacity",
    "GroupStandbyCapacity",
    "GroupTerminatingCapacity",
    "GroupTotalCapacity",
    "WarmPoolDesiredCapacity",
    "WarmPoolWarmedCapacity",
    "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity",
    "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
];

/// How many topics a group can notify.
const MAX_TOPICS: usize = 10;

impl World {
    /// Sets what a group notifies a topic of.
    pub fn put_notifications(&mut self, name: &str, topic: &str, types: &[&str]) -> Result<(), Refusal> {
        let is_gone = self.is_gone(topic);
        let notifications = &mut self.group_mut(name)?.carried.notifications;
        if is_gone {
            // That AWS sends a test notification is documented; the words are not.
            return Err(Refusal::validation(&format!("Unable to publish test notification to topic {topic}")));
        }
        if types.is_empty() {
            return Err(Refusal::validation("At least one notification type is required"));
        }
        if let Some(unknown) = types.iter().find(|kind| !NOTIFICATION_TYPES.contains(kind)) {
            return Err(Refusal::validation(&format!("\"{unknown}\" is not a valid Notification Type.")));
        }
        let mut topics: Vec<&String> = notifications.iter().map(|(topic, _)| topic).collect();
        topics.dedup();
        if topics.len() >= MAX_TOPICS && !topics.iter().any(|known| *known == topic) {
            return Err(Refusal::new(400, "LimitExceeded", "A group can notify at most 10 topics"));
        }
        notifications.retain(|(known, _)| known != topic);
        notifications.extend(types.iter().map(|kind| (topic.to_owned(), (*kind).to_owned())));
        Ok(())
    }

    /// A group notifies a topic no more.
    pub(crate) fn delete_notifications(&mut self, name: &str, topic: &str) -> Result<(), Refusal> {
        let notifications = &mut self.group_mut(name)?.carried.notifications;
        let before = notifications.len();
        notifications.retain(|(known, _)| known != topic);
        if notifications.len() == before {
            return Err(Refusal::validation(&format!("No notification configuration found for topic {topic}")));
        }
        Ok(())
    }

    /// A group measures these from now on; all there is when none is named.
    pub fn enable_metrics(&mut self, name: &str, metrics: &[&str]) -> Result<(), Refusal> {
        let enabled = &mut self.group_mut(name)?.carried.metrics;
        check_metrics(metrics)?;
        let named = if metrics.is_empty() { METRICS } else { metrics };
        enabled.extend(named.iter().map(|metric| (*metric).to_owned()));
        Ok(())
    }

    /// A group measures these no more; nothing at all when none is named.
    pub(crate) fn disable_metrics(&mut self, name: &str, metrics: &[&str]) -> Result<(), Refusal> {
        let enabled = &mut self.group_mut(name)?.carried.metrics;
        check_metrics(metrics)?;
        enabled.retain(|metric| !metrics.is_empty() && !metrics.contains(&metric.as_str()));
        Ok(())
    }
}

fn check_metrics(metrics: &[&str]) -> Result<(), Refusal> {
    match metrics.iter().find(|metric| !METRICS.contains(metric)) {
        Some(unknown) => Err(Refusal::validation(&format!("Metric {unknown} is not supported."))),
        None => Ok(()),
    }
}
