//! What became of a run, held against the promises.
//!
//! It looks at effects only: requests, capacity, every resource of the account, what is written down.

use std::time::Duration;

use crossfade_sim::world::sample::NewImage;
use crossfade_steps::Status;
use serde_json::Value;

use super::case::Case;
use super::injector::Injection;
use super::kind::{Cost, Kind};
use super::trial::{Baseline, Ended, ID, RIVAL, meta_of};
use crate::differences;

/// How long AWS may take to replace an instance that it took.
const REPLACING: Duration = Duration::from_secs(1_200);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The candidate serves.
    Succeeded,
    /// Everything is as it was.
    FailedClean,
    /// Something is left, and named.
    FailedDirty,
    /// Nothing that could be written down.
    Untold,
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its first ending.
    pub ending: Ending,
    /// Whether everything that was to strike has struck.
    pub struck: bool,
    /// Requests lost through our doing.
    pub lost: u64,
    /// The least healthy capacity that requests met, in percent of what there was before.
    pub capacity_percent: f64,
    /// Why it failed, if it did.
    pub cause: String,
    /// Promises that were broken.
    pub problems: Vec<String>,
    /// The deployment's log, if there are problems.
    pub log: Vec<String>,
}

impl Verdict {
    /// Whether nothing is left to do.
    pub(super) fn is_clean(&self) -> bool {
        matches!(self.ending, Ending::Succeeded | Ending::FailedClean)
    }

    /// Adds what came of a second attempt, which has to end clean.
    pub(super) fn afterwards(&mut self, second: Verdict) {
        if !second.is_clean() {
            self.problems.push(format!("when AWS allowed it again, it ended {:?}: {}", second.ending, second.cause));
        }
        self.problems
            .extend(second.problems.into_iter().map(|problem| format!("when AWS allowed it again: {problem}")));
        (self.lost, self.log) = (second.lost, [std::mem::take(&mut self.log), second.log].concat());
        self.capacity_percent = self.capacity_percent.min(second.capacity_percent);
    }
}

/// Judges a run by how it ended.
pub(super) async fn judge(
    case: &Case,
    injections: &[Injection],
    baseline: Option<&Baseline>,
    ended: &Ended<'_>,
) -> Verdict {
    let scene = ended.scene;
    let mut problems = Vec::new();
    let ending = match ended.meta.as_ref().map(|meta| meta.status) {
        Some(Status::Succeeded) => Ending::Succeeded,
        Some(Status::FailedClean) => Ending::FailedClean,
        Some(Status::FailedDirty) => Ending::FailedDirty,
        // It died before it wrote anything down, and so before it touched anything.
        None if scene.world().inventory() == scene.before => Ending::FailedClean,
        Some(Status::Preparing | Status::Running | Status::RollingBack) | None => Ending::Untold,
    };
    let of = |kind: &dyn Fn(Kind) -> bool| injections.iter().any(|it| kind(it.kind));
    let takes = of(&Kind::takes_capacity) || case.options.new_image == NewImage::FailsLater;
    let worst = if of(&|kind| kind.cost() == Cost::CleanEnd) {
        Cost::CleanEnd
    } else if of(&|kind| kind.cost() == Cost::Deployment) || injections.len() > 1 {
        Cost::Deployment
    } else {
        Cost::Nothing
    };
    // Another deployment of the same may have come first, or after the end. It is refused in between, and then changes nothing.
    let rival = meta_of(&scene.installation, RIVAL).map(|meta| meta.status);
    if rival.is_some_and(|status| !matches!(status, Status::Succeeded | Status::FailedClean)) && worst != Cost::CleanEnd
    {
        problems.push(format!("the other deployment ended {rival:?}"));
    }
    if ended.endless && worst != Cost::CleanEnd {
        problems.push("it has not come to an end".into());
    }
    let cause = ended.meta.as_ref().and_then(|meta| meta.failure.as_ref()).map_or("", |failure| failure.cause.as_str());
    match (ending, worst) {
        (Ending::Succeeded, _) if case.rejected => problems.push("it succeeded though the operator said no".into()),
        (Ending::FailedClean, Cost::Nothing) if !case.rejected && case.options.new_image == NewImage::Good => {
            problems.push(format!("what costs nothing has cost the deployment: {cause}"));
        }
        (Ending::FailedDirty | Ending::Untold, Cost::Nothing | Cost::Deployment) => {
            problems.push(format!("it ended {ending:?}: {cause}"));
        }
        _ => {}
    }
    let expected = match ending {
        _ if rival == Some(Status::Succeeded) => None,
        Ending::Succeeded => baseline.map(|baseline| &baseline.inventory),
        Ending::FailedClean => Some(&scene.before),
        Ending::FailedDirty | Ending::Untold => None,
    };
    if let Some(expected) = expected {
        // Pruning never fails a deployment: what it could not delete is left for the next one, and named.
        let log =
            if case.prunes && worst != Cost::Nothing { scene.installation.log(ID).concat() } else { String::new() };
        let differences = |now: &Value, expected: &Value| {
            let mut left = differences(now, expected);
            left.retain(|difference| !log.contains(pruned(difference)) && !log.contains("Pruning broke off"));
            // How fast AWS fills a warm pool, or whether it can, is its own affair.
            left.retain(|difference| !difference.contains("/warmPool/instances"));
            left
        };
        let mut left = differences(&scene.world().inventory(), expected);
        let patience = scene.sim.clock.now_millis() + REPLACING.as_millis() as u64;
        while takes && !left.is_empty() && scene.sim.clock.now_millis() < patience {
            scene.sim.clock.sleep(Duration::from_secs(30)).await;
            left = differences(&scene.world().inventory(), expected);
        }
        let as_it = if ending == Ending::Succeeded { "it should be" } else { "it was" };
        problems.extend(left.into_iter().map(|difference| format!("not as {as_it}: {difference}")));
        problems.extend(scene.held_locks().into_iter().map(|lock| format!("the lock is held: {lock}")));
    }
    if ending == Ending::FailedDirty {
        problems.extend(unnamed(&scene.world().inventory(), &scene.before, cause));
    }
    // Some end before the first request.
    scene.sim.clock.sleep(Duration::from_secs(2)).await;
    let traffic = scene.world().traffic().totals;
    if traffic.served == 0 {
        problems.push("there was no traffic: nothing is proved".into());
    }
    if traffic.lost > 0 {
        problems.push(format!("{} requests were lost: {:?}", traffic.lost, scene.world().traffic().losses));
    }
    let capacity = scene.world().least_capacity().unwrap_or_default();
    if capacity < case.guard() - 1e-9 && !takes {
        problems.push(format!("healthy capacity fell to {capacity}, below the guard of {}", case.guard()));
    }
    problems.extend(ended.injector.trespasses());
    let struck = ended.injector.struck();
    let log = if problems.is_empty() && matches!(ending, Ending::Succeeded | Ending::FailedClean) {
        Vec::new()
    } else {
        scene.installation.log(ID)
    };
    Verdict {
        ending,
        struck: injections.iter().all(|it| struck.contains(it)),
        lost: traffic.lost,
        capacity_percent: capacity / case.guard() * 100.0,
        cause: cause.to_owned(),
        problems,
        log,
    }
}

/// The fleet that a difference is about, or the template that its version is of.
fn pruned(difference: &str) -> &str {
    let mut parts = difference.trim_start_matches('/').split(['/', ':']);
    match parts.next() {
        Some("autoScalingGroups" | "launchTemplates") => parts.next().unwrap_or(difference),
        _ => difference,
    }
}

/// The groups that are not as they were and that a message does not name.
fn unnamed(now: &Value, before: &Value, message: &str) -> Vec<String> {
    let groups = |inventory: &Value| inventory["autoScalingGroups"].as_object().cloned().unwrap_or_default();
    let (now, before) = (groups(now), groups(before));
    let names = now.keys().chain(before.keys()).collect::<std::collections::BTreeSet<_>>();
    let differ = names.into_iter().filter(|name| now.get(*name) != before.get(*name));
    differ
        .filter(|name| !message.contains(name.as_str()))
        .map(|name| format!("{name} is left and not named: {message}"))
        .collect()
}
