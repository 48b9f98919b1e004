//! Plays deployments in a simulated account from outside: the operator who answers, the sweep that AWS calls, the wait for the end.
//!
//! What it owns: what people and AWS do to a deployment that runs. What it must never do: judge what came of it.

use std::sync::Arc;
use std::time::Duration;

use crossfade_asl::Event;
use crossfade_aws::keys;
use crossfade_core::document::Decision;
use crossfade_core::haste::Haste;
use crossfade_local::rules::{SWEEP, scheduled};
use crossfade_local::{Installation, answer, open_approval};
use crossfade_steps::{ApprovalRecord, Meta, Status, roll_back};
use tokio::task::JoinHandle;

/// Runs it in virtual time: as soon as nothing can run, the clock jumps to whatever is due next.
///
/// # Panics
/// When the system has no runtime left.
pub fn in_virtual_time<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(run)
}

/// What is written down about a deployment.
pub fn meta_of(installation: &Installation, id: &str) -> Option<Meta> {
    serde_json::from_value(installation.record(&keys::deployment(id), "meta")?).ok()
}

/// An operator who answers what these deployments ask, after so long, for as long as they are kept.
pub fn answer_approvals(
    installation: &Installation,
    ids: &'static [&'static str],
    thinking: Duration,
    decide: impl Fn(&ApprovalRecord) -> Decision + Send + Sync + 'static,
) -> Arc<Installation> {
    let operator = Arc::new(installation.clone());
    // The account holds its subscribers.
    let (there, decide) = (Arc::downgrade(&operator), Arc::new(decide));
    installation.sim.step_functions().subscribe(Box::new(move |event| {
        let Some(installation) = there.upgrade().filter(|_| matches!(event.event.event, Event::TaskSubmitted { .. }))
        else {
            return;
        };
        let decide = decide.clone();
        tokio::spawn(async move {
            installation.sim.clock.sleep(thinking).await;
            if let Some(open) = open_approval(&installation, ids) {
                answer(&installation, &open, decide(&open)).await;
            }
        });
    }));
    operator
}

/// The scheduled sweep, whenever it is needed.
pub fn sweep_regularly(installation: &Installation, needed: impl Fn() -> bool + Send + 'static) -> JoinHandle<()> {
    let sim = installation.sim.clone();
    tokio::spawn(async move {
        loop {
            sim.clock.sleep(SWEEP).await;
            if needed() {
                sim.functions().invoke("sweep", scheduled(&sim)).await;
            }
        }
    })
}

/// Waits until nothing runs any more.
pub async fn until_over(installation: &Installation, ids: &[&str]) {
    while !is_over(installation, ids) {
        installation.sim.clock.sleep(Duration::from_secs(20)).await;
    }
}

/// Whether nothing runs, and each deployment has been told its end, or nobody is there who could tell it.
fn is_over(installation: &Installation, ids: &[&str]) -> bool {
    let executions = installation.sim.step_functions().executions();
    if executions.iter().any(|execution| execution.outcome.is_none()) {
        return false;
    }
    // Those that failed by themselves have done what they could.
    let by_itself = executions.iter().all(|execution| matches!(execution.status(), "SUCCEEDED" | "FAILED"));
    let told = |id: &&str| meta_of(installation, id).is_none_or(|meta| meta.status.ended());
    by_itself || ids.iter().all(told)
}

/// AWS allows everything again: somebody who has read the alarm rolls back once more. It may take so long.
pub async fn try_again(installation: &Installation, ids: &[&str], longest: Duration) {
    let context = installation.context("operator", Duration::ZERO);
    let Some(id) = ids.first() else { return };
    // What was running when AWS gave in may just have come to the conclusion that it cannot go on: then once more.
    for _ in 0..2 {
        // Should it not start, the deployment stays as it is, and is judged so.
        let _ = roll_back(id, &installation.rollback_arn, None, None, Haste::Now, &context).await;
        let _ = tokio::time::timeout(longest, until_over(installation, ids)).await;
        if meta_of(installation, id).is_none_or(|meta| meta.status != Status::FailedDirty) {
            return;
        }
    }
}
