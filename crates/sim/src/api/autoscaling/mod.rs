//! EC2 Auto Scaling's API (AWS Query).
//!
//! What it owns: reading requests and writing answers. What groups do is the world's business. An operation or
//! parameter that the model does not know is refused, never ignored.

mod activities;
mod configurations;
mod describe;
mod groups;
mod hooks;
mod notifications;
mod policies;
mod refreshes;
mod schedules;
mod standby;
mod tags;
mod traffic_sources;
mod warm_pools;

use super::query::{Xml, answer, parse};
use crate::world::{Reach, Refusal, Tree, World};
use crate::{Request, Response};

const NAMESPACE: &str = "http://autoscaling.amazonaws.com/doc/2011-01-01/";

/// Answers one request.
pub fn handle(world: &mut World, request: &Request) -> Response {
    let form = parse(&request.form);
    let outcome = dispatch(world, &request.operation, &form);
    let reach = form.str("AutoScalingGroupName").map_or(Reach::All, |group| Reach::Group(group.to_owned()));
    world.settle_after(request, reach);
    answer(request, NAMESPACE, outcome)
}

fn dispatch(world: &mut World, operation: &str, form: &Tree) -> Result<Xml, Refusal> {
    match operation {
        "CreateAutoScalingGroup" => groups::create(world, form),
        "UpdateAutoScalingGroup" => groups::update(world, form),
        "DeleteAutoScalingGroup" => groups::delete(world, form),
        "DescribeAutoScalingGroups" => describe::groups(world, form),
        "DescribeAutoScalingInstances" => describe::instances(world, form),
        "SetDesiredCapacity" => groups::set_desired(world, form),
        "SuspendProcesses" => groups::suspend(world, form),
        "ResumeProcesses" => groups::resume(world, form),
        "AttachLoadBalancerTargetGroups" => groups::attach(world, form),
        "DetachLoadBalancerTargetGroups" => groups::detach(world, form),
        "DescribeLoadBalancerTargetGroups" => describe::target_groups(world, form),
        "AttachTrafficSources" => traffic_sources::attach(world, form),
        "DetachTrafficSources" => traffic_sources::detach(world, form),
        "DescribeTrafficSources" => traffic_sources::describe(world, form),
        "PutLifecycleHook" => hooks::put(world, form),
        "DeleteLifecycleHook" => hooks::delete(world, form),
        "DescribeLifecycleHooks" => hooks::describe(world, form),
        "CompleteLifecycleAction" => hooks::complete(world, form),
        "RecordLifecycleActionHeartbeat" => hooks::heartbeat(world, form),
        "PutWarmPool" => warm_pools::put(world, form),
        "DeleteWarmPool" => warm_pools::delete(world, form),
        "DescribeWarmPool" => warm_pools::describe(world, form),
        "EnterStandby" => standby::enter(world, form),
        "ExitStandby" => standby::exit(world, form),
        "StartInstanceRefresh" => refreshes::start(world, form),
        "CancelInstanceRefresh" => refreshes::cancel(world, form),
        "DescribeInstanceRefreshes" => refreshes::describe(world, form),
        "PutNotificationConfiguration" => notifications::put(world, form),
        "DeleteNotificationConfiguration" => notifications::delete(world, form),
        "DescribeNotificationConfigurations" => notifications::describe(world, form),
        "DescribeAutoScalingNotificationTypes" => Ok(notifications::types()),
        "EnableMetricsCollection" => notifications::enable_metrics(world, form),
        "DisableMetricsCollection" => notifications::disable_metrics(world, form),
        "DescribeMetricCollectionTypes" => Ok(notifications::metric_types()),
        "TerminateInstanceInAutoScalingGroup" => activities::terminate(world, form),
        "SetInstanceProtection" => activities::protect(world, form),
        "DescribeScalingActivities" => activities::describe(world, form),
        "CreateLaunchConfiguration" => configurations::create(world, form),
        "DeleteLaunchConfiguration" => configurations::delete(world, form),
        "DescribeLaunchConfigurations" => configurations::describe(world, form),
        "CreateOrUpdateTags" => tags::create(world, form),
        "DeleteTags" => tags::delete(world, form),
        "DescribeTags" => tags::describe(world, form),
        "PutScalingPolicy" => policies::put(world, form),
        "DescribePolicies" => policies::describe(world, form),
        "DeletePolicy" => policies::delete(world, form),
        "ExecutePolicy" => policies::execute(world, form),
        "PutScheduledUpdateGroupAction" => schedules::put(world, form),
        "BatchPutScheduledUpdateGroupAction" => schedules::put_batch(world, form),
        "DescribeScheduledActions" => schedules::describe(world, form),
        "DeleteScheduledAction" => schedules::delete(world, form),
        "BatchDeleteScheduledAction" => schedules::delete_batch(world, form),
        "DescribeAccountLimits" => Ok(describe::limits(world)),
        // Nothing of these kinds can be created here, so that there are none is the truth.
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    }
}

/// The page size that a request asks for.
fn page_size(form: &Tree, default: usize, greatest: i64) -> Result<usize, Refusal> {
    match form.str("MaxRecords").map(str::parse::<i64>) {
        None => Ok(default),
        Some(Ok(size)) if (0..=greatest).contains(&size) => Ok(usize::try_from(size).unwrap_or(default).max(1)),
        Some(_) => Err(Refusal::validation(&format!("MaxRecords must be between 1 and {greatest}"))),
    }
}
