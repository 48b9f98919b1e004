//! What the sample's groups carry beside their settings, when they are equipped.

use serde_json::json;

use crate::world::{HookAnswer, Refusal, Tree, Via, World};

/// The topic that everything is told to.
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:shop-operations";

/// Gives a group a hook for either way, notifications, metrics, and a process that somebody has suspended.
///
/// The application answers the hooks as the account's settings say: after 20 seconds, by default.
pub(super) fn equip(world: &mut World, group: &str) -> Result<(), Refusal> {
    let warm_up = json!({
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
        "HeartbeatTimeout": 300,
        "DefaultResult": "ABANDON",
        "NotificationMetadata": "fill the caches",
    });
    let save_logs = json!({
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "HeartbeatTimeout": 120,
        "DefaultResult": "CONTINUE",
        "NotificationTargetARN": TOPIC,
        "RoleARN": "arn:aws:iam::123456789012:role/shop-hooks",
    });
    world.put_hook(group, "warm-up", &Tree::from_json(&warm_up))?;
    world.put_hook(group, "save-logs", &Tree::from_json(&save_logs))?;
    let types = ["autoscaling:EC2_INSTANCE_LAUNCH_ERROR", "autoscaling:EC2_INSTANCE_TERMINATE_ERROR"];
    world.put_notifications(group, TOPIC, &types)?;
    world.enable_metrics(group, &["GroupDesiredCapacity", "GroupInServiceInstances"])?;
    world.suspend(group, vec!["AZRebalance".to_owned()])
}

/// Gives a group policies, alarms and scheduled actions. The base's schedule is suspended: it is a template, and must
/// stay empty (P22).
pub(super) fn scale_by_itself(world: &mut World, group: &str, production: &[String]) -> Result<(), Refusal> {
    // A policy that counts requests is legal only in a group that its target group is attached to (P24).
    world.attach(group, production, Via::TargetGroups)?;
    for target_group in production.iter().take(1) {
        world.add_scaling(group, target_group)?;
    }
    let template = world.group(group).is_some_and(|group| group.max == 0);
    if template { world.suspend(group, vec!["ScheduledActions".to_owned()]) } else { Ok(()) }
}

/// Gives a group a hook whose program takes so long with every instance that leaves.
pub(super) fn hold_leaving(world: &mut World, group: &str, seconds: u32) -> Result<(), Refusal> {
    let finish_jobs = json!({
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "HeartbeatTimeout": 7200.min(seconds + 60),
        "DefaultResult": "CONTINUE",
    });
    world.put_hook(group, "finish-jobs", &Tree::from_json(&finish_jobs))?;
    world.answer_hook(group, "finish-jobs", HookAnswer::After(seconds.into()));
    Ok(())
}

/// Gives a group a warm pool, full from the start.
pub(super) fn add_warm_pool(world: &mut World, group: &str) -> Result<(), Refusal> {
    world.put_warm_pool(group, &Tree::from_json(&json!({ "PoolState": "Stopped", "MinSize": 0 })))?;
    world.assume_warm(group);
    Ok(())
}
