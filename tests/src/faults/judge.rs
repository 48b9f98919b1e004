//! What became of a run, held against the promises.
//!
//! It looks at effects only: requests, capacity, every resource of the account, what is written down.

use std::time::Duration;

pub use crossfade_rehearse::Ending;
use crossfade_rehearse::drive::meta_of;
use crossfade_sim::world::TrafficReport;
use crossfade_sim::world::sample::{Compute, NewImage};
use crossfade_steps::Status;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::case::Case;
use super::injector::Injection;
use super::kind::{Cost, Kind};
use super::told::untold;
use super::trial::{Baseline, CANDIDATE, Ended, ID, RIVAL};
use crate::{Scene, differences};

/// How long AWS may take to replace an instance that it took.
const REPLACING: Duration = Duration::from_secs(1_200);

/// What became of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        self.ending.is_clean()
    }

    /// Of a run that broke off without a word.
    pub(super) fn died(how: &str) -> Self {
        let (cause, log) = (String::new(), Vec::new());
        let problems = vec![format!("the run itself broke off: {how}")];
        Self { ending: Ending::NotOver, struck: false, lost: 0, capacity_percent: 100.0, cause, problems, log }
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

/// Whether a plan was refused because it may take too long: rightly, whatever the case was meant to show.
fn is_too_long(cause: &str) -> bool {
    cause.contains("history events")
}

/// Judges a run by how it ended.
pub(super) async fn judge(
    case: &Case,
    injections: &[Injection],
    baseline: Option<&Baseline>,
    ended: &Ended<'_>,
) -> Verdict {
    let scene = ended.scene;
    let ending = Ending::of(ended.meta.as_ref().map(|meta| meta.status));
    let worst = worst(injections);
    let takes = injections.iter().any(|it| it.kind.takes_capacity());
    let cause = ended.meta.as_ref().and_then(|meta| meta.failure.as_ref()).map_or("", |failure| failure.cause.as_str());
    let mut problems = Vec::new();
    match (ending, worst) {
        (Ending::Succeeded, _) if case.rejected => problems.push("it succeeded though the operator said no".into()),
        (Ending::Succeeded, _) if case.refused => problems.push("it succeeded though it had to be refused".into()),
        (Ending::Succeeded, _) if case.refusal().is_some() => {
            problems.push(format!("it succeeded though {:?} stands in its way", case.refusal()));
        }
        (Ending::FailedClean, Cost::Nothing) if case.refusal().is_some() => {
            let other = case.refusal().filter(|words| !cause.contains(words));
            problems.extend(other.map(|words| format!("it was refused for something else than {words:?}: {cause}")));
        }
        (Ending::FailedClean, Cost::Nothing)
            if !case.rejected && !case.refused && case.options.new_image == NewImage::Good && !is_too_long(cause) =>
        {
            problems.push(format!("what costs nothing has cost the deployment: {cause}"));
        }
        (Ending::FailedDirty | Ending::NotOver, Cost::Nothing | Cost::Deployment) => {
            problems.push(format!("it ended {ending:?}: {cause}"));
        }
        _ => {}
    }
    if !ended.running.is_empty() && worst != Cost::CleanEnd {
        problems.push(format!("it has not come to an end: {}", ended.running.join("; ")));
    }
    // Another deployment of the same may have come first, or after the end. It is refused in between, and then changes nothing.
    let rival = meta_of(&scene.installation, RIVAL).map(|meta| meta.status);
    let rival_ended = rival.is_none_or(|status| matches!(status, Status::Succeeded | Status::FailedClean));
    if !rival_ended && worst != Cost::CleanEnd {
        problems.push(format!("the other deployment ended {rival:?}"));
    }
    match ending {
        _ if rival == Some(Status::Succeeded) => {}
        Ending::Succeeded => {
            if let Some(baseline) = baseline {
                let left = left_over(case, scene, &baseline.inventory, worst, takes).await;
                problems.extend(left.into_iter().map(|difference| format!("not as it should be: {difference}")));
            }
            problems.extend(locks(scene));
        }
        Ending::FailedClean => {
            let left = left_over(case, scene, &scene.before, worst, takes).await;
            problems.extend(left.into_iter().map(|difference| format!("not as it was: {difference}")));
            problems.extend(locks(scene));
        }
        Ending::FailedDirty => {
            let before = as_late_as_now(case, scene, &scene.before);
            problems.extend(unnamed(&scene.world().inventory(), &before, cause));
        }
        Ending::NotOver => {}
    }
    // Some end before the first request.
    scene.sim.clock.sleep(Duration::from_secs(2)).await;
    let traffic = scene.world().traffic();
    // A connection is served when it ends.
    if traffic.totals.served + traffic.in_flight == 0 {
        problems.push("there was no traffic: nothing is proved".into());
    }
    let lost = lost(&traffic, injections);
    if lost > 0 {
        problems.push(format!("{lost} requests were lost: {:?}", traffic.losses));
    }
    let capacity = scene.world().least_capacity().unwrap_or_default();
    if capacity < case.guard() - 1e-9 && !takes {
        problems.push(format!("healthy capacity fell to {capacity}, below the guard of {}", case.guard()));
    }
    // Where no function has died that had something to tell.
    if injections.iter().all(|it| it.kind == Kind::EventBridgeOut) {
        problems.extend(untold(scene, ended.injector).await);
    }
    problems.extend(ended.injector.trespasses());
    problems.extend(scene.roles.refused());
    let struck = ended.injector.struck();
    let told = !problems.is_empty() || matches!(ending, Ending::FailedDirty | Ending::NotOver);
    Verdict {
        ending,
        struck: injections.iter().all(|it| struck.contains(it)),
        lost,
        capacity_percent: capacity / case.guard() * 100.0,
        cause: cause.to_owned(),
        problems,
        log: if told { scene.installation.log(ID) } else { Vec::new() },
    }
}

/// For how long users may be on a fleet of which AWS has left nothing: until health checks notice, somebody looks, and the old fleet is back
/// where it was made smaller already.
const BACK_MILLIS: u64 = 1_800_000;

/// How many requests were lost that need not have been.
fn lost(traffic: &TrafficReport, injections: &[Injection]) -> u64 {
    if injections.iter().all(|it| it.kind != Kind::CandidateDies) {
        return traffic.totals.lost;
    }
    let ours = || traffic.losses.iter().filter(|loss| !loss.excused);
    let first = ours().map(|loss| loss.first_millis).min().unwrap_or_default();
    ours().filter(|loss| loss.last_millis > first + BACK_MILLIS).map(|loss| loss.count).sum()
}

/// The most that these faults may cost. Several at once may cost the deployment, whatever each of them may.
fn worst(injections: &[Injection]) -> Cost {
    let any = |cost: Cost| injections.iter().any(|it| it.kind.cost() == cost);
    if any(Cost::CleanEnd) {
        Cost::CleanEnd
    } else if any(Cost::Deployment) || injections.len() > 1 {
        Cost::Deployment
    } else {
        Cost::Nothing
    }
}

fn locks(scene: &Scene) -> impl Iterator<Item = String> {
    scene.held_locks().into_iter().map(|lock| format!("the lock is held: {lock}"))
}

/// What differs from the account that was expected, once AWS has replaced what it took.
async fn left_over(case: &Case, scene: &Scene, expected: &Value, worst: Cost, takes: bool) -> Vec<String> {
    // Pruning never fails a deployment: what it could not delete is left for the next one, and named.
    let lines = if worst == Cost::Nothing { Vec::new() } else { scene.installation.log(ID) };
    let log = if case.prunes { lines.concat() } else { String::new() };
    let named = |old: &str| log.contains("Pruning broke off") || log.contains(old);
    // What AWS refuses to let the candidate have of its base's baggage is left out, and named.
    let refused = |line: &&String| line.starts_with("Left ") && line.contains(" out: ");
    let left_out: Vec<&str> =
        lines.iter().filter(refused).filter_map(|line| line.split(" out: ").next()?.rsplit(' ').next()).collect();
    let missing = |difference: &str| {
        let baggage = ["/scalingPolicies/", "/scheduledActions/", "/alarms/", "/warmPool", "/notifications"];
        let of_candidate = difference.contains(CANDIDATE) && baggage.iter().any(|part| difference.contains(part));
        // Without its policy, no alarm is made either.
        let named = |name: &&str| difference.contains(*name) || difference.contains("/alarms/");
        of_candidate && left_out.iter().any(named)
    };
    let old = scene.shop.earlier_groups.iter().chain([&scene.shop.template]).collect::<Vec<_>>();
    let excused = |difference: &str| {
        // How fast AWS fills a warm pool, or whether it can, is its own affair.
        difference.contains("/warmPool/instances")
            || (case.ails() && difference.contains("/targets/"))
            || missing(difference)
            || old.iter().any(|old| difference.contains(&format!("/{old}")) && named(old))
    };
    let look = || {
        let expected = as_late_as_now(case, scene, expected);
        let mut left = differences(&scene.world().inventory(), &expected);
        left.retain(|difference| !excused(difference));
        left
    };
    if takes && let Some(image) = scene.world().image_mut(&scene.shop.new_ami) {
        // What has died is replaced as soon as AWS can.
        image.behaviour.launch_failure = None;
    }
    if takes && let Some(image) = scene.world().container_image_mut(&scene.shop.new_ami) {
        image.behaviour.placement_failure = None;
    }
    let mut left = look();
    let held = Duration::from_secs(case.options.held_seconds.unwrap_or(0).into());
    let patience = scene.sim.clock.now_millis() + (REPLACING + held).as_millis() as u64;
    // So does what has woken until it serves.
    let settles = takes || case.settles() || !case.options.sleeping.is_empty();
    while settles && !left.is_empty() && scene.sim.clock.now_millis() < patience {
        scene.sim.clock.sleep(Duration::from_secs(30)).await;
        left = look();
    }
    left
}

/// An account that is expected, with those fleets awake that slept and have been woken by their schedule since, and without what had a
/// time limit that is over.
fn as_late_as_now(case: &Case, scene: &Scene, expected: &Value) -> Value {
    let mut expected = scene.world().lapsed(expected.clone());
    for &(revision, count) in &case.options.sleeping {
        let name = format!("shop__{revision}");
        if case.options.compute == Compute::Elastigroups {
            woken_elastigroup(scene, &mut expected, &name, count);
            continue;
        }
        let now = scene.world().inventory()["autoScalingGroups"][&name].clone();
        let group = &mut expected["autoScalingGroups"][&name];
        let there: u64 = now["inService"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        // One that was retired has no room to wake.
        if scene.size(&name) != Some((count, count, count * 2)) || group["max"] == 0 || there != u64::from(count) {
            continue;
        }
        // A fleet whose new instances are protected has them so when it wakes, too.
        for field in ["min", "desired", "inService", "protectedInstances"] {
            group[field] = now[field].clone();
        }
        let behind: Vec<String> =
            group["targetGroups"].as_object().into_iter().flatten().map(|(arn, _)| arn.clone()).collect();
        for arn in behind {
            let healthy = &mut expected["targetGroups"][arn]["targets"]["healthy"];
            *healthy = (healthy.as_u64().unwrap_or(0) + u64::from(count)).into();
        }
    }
    expected
}

/// The same of an Elastigroup.
fn woken_elastigroup(scene: &Scene, expected: &mut Value, name: &str, count: u32) {
    let now = scene.world().inventory()["elastigroups"][name].clone();
    let there: u64 = now["running"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
    let group = &mut expected["elastigroups"][name];
    let retired = group["fields"]["capacity"]["maximum"] == 0;
    if scene.size(name) != Some((count, count, count * 2)) || retired || there != u64::from(count) {
        return;
    }
    group["fields"]["capacity"] = now["fields"]["capacity"].clone();
    group["running"] = now["running"].clone();
    let balancers = &group["fields"]["compute"]["launchSpecification"]["loadBalancersConfig"]["loadBalancers"];
    let behind: Vec<String> =
        balancers.as_array().into_iter().flatten().filter_map(|it| it["arn"].as_str().map(str::to_owned)).collect();
    for arn in behind {
        let healthy = &mut expected["targetGroups"][arn]["targets"]["healthy"];
        *healthy = (healthy.as_u64().unwrap_or(0) + u64::from(count)).into();
    }
}

/// The groups and services that are not as they were and that a message does not name.
fn unnamed(now: &Value, before: &Value, message: &str) -> Vec<String> {
    let groups = |inventory: &Value| {
        let mut fleets = inventory["autoScalingGroups"].as_object().cloned().unwrap_or_default();
        let services = inventory["services"].as_object().cloned().unwrap_or_default();
        fleets.extend(
            services.into_iter().map(|(name, it)| (name.rsplit('/').next().unwrap_or_default().to_owned(), it)),
        );
        fleets.extend(inventory["elastigroups"].as_object().cloned().unwrap_or_default());
        fleets
    };
    let (now, before) = (groups(now), groups(before));
    let names = now.keys().chain(before.keys()).collect::<std::collections::BTreeSet<_>>();
    let differ = names.into_iter().filter(|name| now.get(*name) != before.get(*name));
    differ
        .filter(|name| !message.contains(name.as_str()))
        .map(|name| format!("{name} is left and not named: {message}"))
        .collect()
}
