//! The figures of a run.

use crossfade_aws::message;
use crossfade_core::names;
use crossfade_sim::api::stepfunctions::{ExecutionOutcome, ExecutionSummary};
use crossfade_sim::{Effect, Service};
use crossfade_steps::FUNCTIONS;
use serde::Serialize;

use crate::installation::Installation;
use crate::watch::Watch;

/// How a deployment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// The candidate serves.
    Succeeded,
    /// Everything is as it was.
    FailedClean,
    /// Something is left.
    FailedDirty,
    /// Its execution was stopped.
    Aborted,
    /// Its execution ran out of time.
    TimedOut,
}

impl Outcome {
    /// How an execution of the state machine that deploys has ended, and why when it failed.
    pub fn of(ended: &ExecutionOutcome) -> (Self, Option<String>) {
        match ended {
            ExecutionOutcome::Succeeded { .. } => (Self::Succeeded, None),
            ExecutionOutcome::Failed { error, cause } => {
                let clean = error.as_deref() == Some("FailedClean");
                (if clean { Self::FailedClean } else { Self::FailedDirty }, cause.as_deref().map(message))
            }
            ExecutionOutcome::TimedOut => (Self::TimedOut, None),
            ExecutionOutcome::Aborted { .. } => (Self::Aborted, None),
        }
    }
}

/// The figures of a run. The last line of `crossfade demo --output json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// Why, when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Requests that were served.
    pub requests_served: u64,
    /// Requests that were lost through the deployment.
    pub requests_lost: u64,
    /// Requests that an application answered with an error though its health checks were good.
    pub requests_with_errors: u64,
    /// How long it took, in seconds of the account's time.
    pub virtual_seconds: f64,
    /// The time between a waited-for condition holding and the next stage starting, 95th percentile, in seconds.
    pub idle_seconds_p95: f64,
    /// State transitions of both state machines, as Step Functions bills them.
    pub state_transitions: u64,
    /// Calls of the functions to Auto Scaling, EC2 and Elastic Load Balancing that only read.
    pub read_calls: usize,
    /// Calls of the functions to these services that change something.
    pub mutating_calls: usize,
    /// Calls of the functions to the state table, reads and writes.
    pub table_calls: usize,
    /// Whether every resource of the account is as it was before.
    pub account_as_before: bool,
}

impl Summary {
    /// The figures of the deployment that was watched and has ended.
    pub fn of(
        installation: &Installation,
        deployment: &str,
        watch: &Watch,
        ended: &ExecutionOutcome,
        before: &serde_json::Value,
    ) -> Self {
        let sim = &installation.sim;
        let (outcome, cause) = Outcome::of(ended);
        let own = names::executions(deployment);
        let of_this = |execution: &&ExecutionSummary| own.contains(&execution.name);
        let executions = sim.step_functions().executions();
        let transitions = executions.iter().filter(of_this).map(|e| sim.step_functions().transitions(&e.arn)).sum();
        let calls = sim.calls();
        let ours = |services: &[Service]| {
            let of_functions =
                calls.iter().filter(|call| call.caller.as_deref().is_some_and(|c| FUNCTIONS.contains(&c)));
            of_functions.filter(|call| services.contains(&call.service)).cloned().collect::<Vec<_>>()
        };
        let resources = ours(&[
            Service::AutoScaling,
            Service::Ec2,
            Service::ElasticLoadBalancing,
            Service::Ecs,
            Service::Spot,
            Service::ApplicationAutoScaling,
        ]);
        let reads = resources.iter().filter(|call| call.effect == Effect::Read).count();
        let world = sim.world();
        let traffic = world.traffic();
        Self {
            outcome,
            cause,
            requests_served: traffic.totals.served,
            requests_lost: traffic.totals.lost,
            requests_with_errors: traffic.totals.errors,
            virtual_seconds: (sim.clock.now_millis() - watch.started_millis()) as f64 / 1000.0,
            idle_seconds_p95: percentile(watch.idle_seconds(), 95),
            state_transitions: transitions,
            read_calls: reads,
            mutating_calls: resources.len() - reads,
            table_calls: ours(&[Service::DynamoDb]).len(),
            account_as_before: world.inventory() == world.lapsed(before.clone()),
        }
    }
}

/// The value that so many percent of the samples do not exceed (nearest rank); 0 without samples.
pub fn percentile(mut samples: Vec<f64>, percent: usize) -> f64 {
    samples.sort_by(f64::total_cmp);
    let rank = (samples.len() * percent).div_ceil(100);
    samples.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        assert_eq!(percentile(vec![], 95), 0.0);
        assert_eq!(percentile(vec![3.0, 1.0, 2.0], 95), 3.0);
        assert_eq!(percentile((1..=100).map(f64::from).collect(), 95), 95.0);
    }
}
