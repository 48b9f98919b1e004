//! What a schema cannot say: how the fields of a document have to fit together.

use std::collections::BTreeSet;
use std::num::Saturating;

use serde_json::Value;

use super::read::{MOST, shown};
use super::{
    Artifact, Capacity, Compute, Document, Hooks, OnFailure, Problem, Reaction, RollbackSettings, Routing, StageSpec,
    Strategy, Verification, Verify, checks, hooks_check,
};
use crate::capacity::{Amount, Size};

/// The parts of a document that can be read, whatever is wrong with the others.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) service: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) artifact: Option<Artifact>,
    pub(super) compute: Option<Compute>,
    pub(super) routing: Option<Routing>,
    pub(super) strategy: Option<Strategy>,
    pub(super) rollback: Option<RollbackSettings>,
    pub(super) verification: Option<Verification>,
    pub(super) hooks: Option<Hooks>,
    pub(super) on_failure: Option<OnFailure>,
}

/// Every contradiction in the parts of a document that can be read.
pub(super) fn check(parts: &Parts) -> Vec<Problem> {
    let mut problems = Vec::new();
    let series = parts.compute.as_ref().map(Compute::series);
    if let (Some(compute), Some(Capacity::Fixed(size))) = (&parts.compute, series.map(|series| series.capacity)) {
        capacity(compute.path(), size, &mut problems);
    }
    if let Some(compute) = &parts.compute {
        able(compute, parts, &mut problems);
        let of = parts.service.as_deref().zip(parts.environment.as_deref());
        problems.extend(of.and_then(|(service, environment)| compute.nameless(&default_name(service, environment))));
    }
    if let Some(routing) = &parts.routing {
        router(routing, parts.strategy.as_ref(), &mut problems);
    }
    if let Some(strategy) = &parts.strategy {
        let fixed = match series.map(|series| series.capacity) {
            Some(Capacity::Fixed(size)) => Some(size),
            Some(Capacity::SameAsRunning) | None => None,
        };
        let least_percent = series.map_or(100, |series| series.minimum_healthy_percent);
        let path = parts.compute.as_ref().map_or("compute", Compute::path);
        // What is wrong with a list of percents is said of the list, in its own words.
        let (told, chosen) = (percents(strategy, &mut problems), strategy);
        let strategy = told.as_ref().unwrap_or(strategy);
        Walk::new(strategy, parts.routing.as_ref(), fixed, (least_percent, path), &mut problems).stages();
        choices(chosen, &mut problems);
    }
    if let Some(rollback) = &parts.rollback {
        rolling_back(rollback, &mut problems);
    }
    if let Some(verification) = &parts.verification {
        checks::check(parts, verification, &mut problems);
    }
    if let Some(hooks) = &parts.hooks {
        hooks_check::check(hooks, parts.strategy.as_ref(), &mut problems);
    }
    if let Some(on_failure) = &parts.on_failure {
        reacting(on_failure, &mut problems);
    }
    problems
}

/// Fills in the defaults that depend on other fields.
pub(super) fn fill_in(document: &mut Document) {
    let name = document.compute.name_mut();
    if name.is_empty() {
        *name = default_name(&document.service, &document.environment);
    }
}

/// What a series is called that nobody has given a name.
fn default_name(service: &str, environment: &str) -> String {
    format!("{service}__{environment}")
}

pub(super) fn problem(path: &str, value: Option<String>, problem: String, fix: &str) -> Problem {
    Problem { path: path.into(), value, problem, fix: fix.into() }
}

/// What this kind of fleet cannot do, whatever it is asked for.
fn able(compute: &Compute, parts: &Parts, problems: &mut Vec<Problem>) {
    if let Some(field) = parts.artifact.as_ref().and_then(|artifact| compute.other_artifact(artifact)) {
        let what = format!("this is not what {} runs", compute.platform().a_fleet());
        let fix = format!("Give `artifact.{field}`, or another `compute`.");
        problems.push(problem("artifact", None, what, &fix));
    }
    problems.extend(compute.contradictions(parts.routing.as_ref()));
    if let Some(Routing::Dns(names)) = &parts.routing {
        let in_cloud_map = names.iter().any(|it| !it.services.is_empty());
        if in_cloud_map && !compute.platform().registers_in_dns() {
            let what = format!("{} registers its instances in no Cloud Map service", compute.platform().a_fleet());
            let fix = "Name two load balancers, as `loadBalancers`, or use `compute.ecsService`.";
            problems.push(problem("routing.dns", None, what, fix));
        } else if in_cloud_map && names.iter().any(|it| it.services.is_empty()) {
            let what = "some names lead to Cloud Map services and others to load balancers".into();
            problems.push(problem("routing.dns", None, what, "Let all of them lead to one of both."));
        } else if names.iter().any(|it| !it.services.iter().all(|service| names[0].services.contains(service))) {
            let what = "an ECS service registers its tasks in one Cloud Map service alone".into();
            let fix = "Name the same two services for every name.";
            problems.push(problem("routing.dns", None, what, fix));
        }
    }
    if let Some(Routing::TargetGroups(groups)) = &parts.routing
        && !groups.test.is_empty()
        && !compute.platform().moves_with_members()
    {
        problems.push(problem(
            "routing.targetGroups.test",
            None,
            format!("{} cannot change its target groups while it serves", compute.platform().a_fleet()),
            "Swap by `routing.listeners`, or use `routing.weighted`.",
        ));
    }
    let inspected = parts.rollback.as_ref().is_some_and(|rollback| rollback.approval.is_some());
    if inspected && matches!(parts.routing, Some(Routing::TargetGroups(_))) && !compute.platform().moves_with_members()
    {
        problems.push(problem(
            "rollback.approval",
            None,
            format!(
                "{} cannot leave its target groups to be inspected while it has tasks",
                compute.platform().a_fleet()
            ),
            "Leave it out, or use `routing.weighted` or `routing.listeners`.",
        ));
    }
}

fn capacity(path: &str, size: Size, problems: &mut Vec<Problem>) {
    let path = &format!("{path}.capacity.fixed");
    if !(size.min..=size.max).contains(&size.desired) {
        problems.push(problem(
            path,
            Some(format!("min {}, desired {}, max {}", size.min, size.desired, size.max)),
            "desired is not between min and max".into(),
            "Choose min ≤ desired ≤ max.",
        ));
    }
    if size.desired == 0 {
        problems.push(problem(
            &format!("{path}.desired"),
            Some("0".into()),
            "a fleet without members cannot take traffic".into(),
            "Ask for at least 1.",
        ));
    }
}

/// Nothing is named twice, and every production side that a swap needs has a test side.
fn router(routing: &Routing, strategy: Option<&Strategy>, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    let mut once = |path: String, arn: &str| {
        (!seen.insert(arn.to_owned())).then(|| {
            problem(
                &path,
                Some(shown(&Value::String(arn.into()))),
                "it is named twice".into(),
                "Name each rule, listener, target group and name once.",
            )
        })
    };
    match routing {
        Routing::Weighted(rules) => {
            let named = rules.iter().enumerate();
            problems.extend(named.filter_map(|(i, rule)| once(format!("routing.weighted[{i}]"), &rule.0)));
        }
        Routing::Listeners(pairs) => {
            for (i, pair) in pairs.iter().enumerate() {
                problems.extend(once(format!("routing.listeners[{i}].production"), &pair.production.0));
                problems.extend(once(format!("routing.listeners[{i}].test"), &pair.test.0));
            }
        }
        Routing::Dns(names) => {
            for (i, dns) in names.iter().enumerate() {
                problems.extend(once(format!("routing.dns[{i}].name"), &dns.on()));
                let of_name = dns.contradictions().into_iter();
                problems.extend(
                    of_name.map(|(field, what, fix)| problem(&format!("routing.dns[{i}]{field}"), None, what, fix)),
                );
            }
        }
        Routing::TargetGroups(groups) => {
            for (side, arns) in [("production", &groups.production), ("test", &groups.test)] {
                let named = arns.iter().enumerate();
                problems.extend(named.filter_map(|(i, arn)| once(format!("routing.targetGroups.{side}[{i}]"), &arn.0)));
            }
            let swaps = strategy.map(|strategy| strategy.stages().iter().any(|s| matches!(s, StageSpec::Swap(_))));
            let path = "routing.targetGroups.test";
            let (of_production, of_test) = (groups.production.len(), groups.test.len());
            if swaps == Some(false) && of_test > 0 {
                let what = "no stage of the strategy swaps, so nothing would ever come up there".into();
                problems.push(problem(path, None, what, "Remove it, or use the strategy blueGreenSwap."));
            }
            if swaps == Some(true) && of_test != of_production {
                let what = format!("{of_test} target groups for the {of_production} of production");
                problems.push(problem(
                    path,
                    None,
                    what,
                    "A swap needs one target group of the test side for each of production.",
                ));
            }
        }
        Routing::None => {}
    }
}

/// Whether the percents of a shift rise to 100. Where they do not, the same strategy with percents that do, so that what else is wrong
/// with it can be told.
fn percents(strategy: &Strategy, problems: &mut Vec<Problem>) -> Option<Strategy> {
    let Strategy::BlueGreenShift(shift) = strategy else { return None };
    let given = &shift.percents;
    let in_range = given.iter().all(|percent| (1..=100).contains(percent));
    let rises = given.windows(2).all(|pair| pair[0] < pair[1]);
    if rises && in_range && given.last() == Some(&100) {
        return None;
    }
    let mut whole: Vec<u32> = given.iter().copied().filter(|percent| (1..=100).contains(percent)).collect();
    whole.push(100);
    whole.sort_unstable();
    whole.dedup();
    // What is out of range, or no list at all, the schema tells.
    if in_range && !given.is_empty() {
        let what =
            if rises { "the last one has to be 100" } else { "each has to be more than the one before, up to 100" };
        let value = Some(shown(&Value::from(given.clone())));
        problems.push(problem("strategy.blueGreenShift.percents", value, what.into(), &format!("Write {whole:?}.")));
    }
    Some(Strategy::BlueGreenShift(super::BlueGreenShift { percents: whole, ..shift.clone() }))
}

/// What is chosen by percent or by phase names one that there is.
fn choices(strategy: &Strategy, problems: &mut Vec<Problem>) {
    match strategy {
        Strategy::BlueGreenShift(shift) => {
            let verified = shift.verify_after_percents.iter().flatten().map(|percent| ("verifyAfterPercents", percent));
            let approved = shift.approve_after_percents.iter().map(|percent| ("approveAfterPercents", percent));
            for (field, percent) in verified.chain(approved).filter(|(_, percent)| !shift.percents.contains(percent)) {
                let what = format!("{field} names {percent}, which is none of the percents {:?}", shift.percents);
                problems.push(problem("strategy.blueGreenShift", None, what, "Name one of the percents."));
            }
            unverified("blueGreenShift", "verifyAfterPercents", &shift.verify, &shift.verify_after_percents, problems);
        }
        Strategy::Canary(canary) => {
            let phases = canary.all_phases().len();
            let verified = canary.verify_after_phases.iter().flatten().map(|phase| ("verifyAfterPhases", phase));
            let approved = canary.approve_after_phases.iter().map(|phase| ("approveAfterPhases", phase));
            for (field, phase) in verified.chain(approved).filter(|(_, phase)| **phase as usize > phases) {
                let what = format!("{field} names phase {phase} of {phases}");
                problems.push(problem("strategy.canary", None, what, "Name one of the phases; the first one is 1."));
            }
            unverified("canary", "verifyAfterPhases", &canary.verify, &canary.verify_after_phases, problems);
        }
        Strategy::Basic(_) | Strategy::BlueGreenSwap(_) | Strategy::Stages(_) => {}
    }
}

/// After which steps stands what does not stand at all.
fn unverified(
    strategy: &str,
    field: &str,
    verify: &Option<Verify>,
    after: &Option<Vec<u32>>,
    problems: &mut Vec<Problem>,
) {
    if after.is_some() && verify.is_none() {
        let path = format!("strategy.{strategy}.{field}");
        let what = "there is no `verify` that could stand there".into();
        problems.push(problem(&path, None, what, "Add `verify: {minutes: 15}` beside it, or remove it."));
    }
}

fn rolling_back(rollback: &RollbackSettings, problems: &mut Vec<Problem>) {
    if rollback.approval.as_ref().is_some_and(|approval| !approval.approvers.is_empty()) {
        let what = "either answer ends an inspection, and so everybody's counts".into();
        problems.push(problem("rollback.approval.approvers", None, what, "Leave it out."));
    }
    if rollback.phase_by_phase && rollback.approval.is_some() {
        let what = "phase by phase there is nothing left to inspect at the end".into();
        problems.push(problem("rollback.approval", None, what, "Leave out one of approval and phaseByPhase."));
    }
}

/// What follows a failure is something.
fn reacting(on_failure: &OnFailure, problems: &mut Vec<Problem>) {
    for (name, reaction) in on_failure.each() {
        if *reaction == Reaction::default() {
            let what = "nothing follows, and so all is rolled back at once".into();
            let fix = "Give it `retries` or `ask`, or leave it out.";
            problems.push(problem(&format!("onFailure.{name}"), None, what, fix));
        }
    }
}

/// The stages in order: capacity before traffic, traffic only upwards, all of it at the end.
struct Walk<'a> {
    strategy: &'a Strategy,
    routing: Option<&'a Routing>,
    /// What the candidate ends with, where the document says it.
    desired: Option<u32>,
    /// The most that it may have, likewise.
    max: Option<u32>,
    least_percent: u32,
    compute: &'a str,
    problems: &'a mut Vec<Problem>,
    // What a document says may be any number, and is added up before somebody has judged it.
    up: Saturating<u32>,
    guessed: bool,
    traffic: Saturating<u32>,
    gone: Saturating<u32>,
}

impl<'a> Walk<'a> {
    fn new(
        strategy: &'a Strategy,
        routing: Option<&'a Routing>,
        fixed: Option<Size>,
        (least_percent, compute): (u32, &'a str),
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        let none = Saturating(0);
        let most = strategy.most().unwrap_or(0);
        let desired = fixed.map(|size| size.wanting(most).unwrap_or(size).desired);
        Self {
            strategy,
            routing,
            desired,
            max: fixed.map(|size| size.max),
            least_percent,
            compute,
            problems,
            up: none,
            guessed: false,
            traffic: none,
            gone: none,
        }
    }

    fn report(&mut self, i: usize, what: String, fix: &str) {
        let field = self.strategy.field();
        let written_out = matches!(self.strategy, Strategy::Stages(_));
        let path = if written_out { format!("strategy.stages[{i}]") } else { format!("strategy.{field}") };
        if self.problems.len() > MOST {
            return;
        }
        let reported = self.problems.iter().any(|it| it.path == path && it.problem == what);
        if !reported {
            self.problems.push(problem(&path, None, what, fix));
        }
    }

    /// Of the candidate's instances no more can stand for the old ones than it ends with.
    fn stands_for(&mut self, i: usize, amount: &Amount) {
        if let (Some(count), Some(desired)) = (amount.count(), self.desired)
            && count > desired
            && self.max.is_none_or(|max| count <= max)
        {
            let what = format!("it takes what {count} of the candidate stand for, which ends with {desired}");
            self.report(i, what, "Ask for no more than that.");
        }
    }

    /// The percentage that an amount is, as far as that is known before the running fleet is read.
    fn percent(&self, amount: &Amount) -> Option<u32> {
        match (amount, self.desired) {
            (Amount::Percent(percent), _) => Some(*percent),
            (amount, Some(desired)) if desired > 0 => {
                Some((Saturating(amount.of(desired)) * Saturating(100)).0 / desired)
            }
            _ => None,
        }
    }

    /// Whether the candidate's instances serve as soon as they are healthy.
    fn shared(&self, stages: &[StageSpec]) -> bool {
        match self.routing {
            Some(Routing::TargetGroups(groups)) => groups.test.is_empty(),
            Some(Routing::None) => true,
            Some(Routing::Weighted(_) | Routing::Listeners(_) | Routing::Dns(_)) => false,
            None => !stages.iter().any(|stage| matches!(stage, StageSpec::Shift(_) | StageSpec::Swap(_))),
        }
    }

    fn stages(&mut self) {
        let stages = self.strategy.stages();
        let shared = self.shared(&stages);
        let last = stages.len().saturating_sub(1);
        for (i, stage) in stages.iter().enumerate() {
            if self.gone.0 >= 100 && !shared {
                let what = "a stage stands after the old fleet was downsized".into();
                self.report(i, what, "Make `downsize` the last stage.");
            }
            match stage {
                StageSpec::Upscale(amount) => self.upscale(i, amount),
                StageSpec::Shift(shift) => self.shift(i, shift.percent),
                StageSpec::Swap(_) => self.swap(i),
                StageSpec::Downsize(amount) if shared => self.shrink(i, amount),
                StageSpec::Downsize(amount) => self.downsize(i, amount),
                StageSpec::Verify(_) | StageSpec::Approve(_) | StageSpec::Pause(_) | StageSpec::Hook(_) => {}
            }
        }
        if self.traffic.0 < 100 {
            let (what, fix) = if shared {
                (
                    format!("{} % of the old fleet still serve at the end", 100 - self.gone.0.min(100)),
                    "End with `downsize: {percent: 100}`; two revisions behind one target group are not a deployment.",
                )
            } else {
                (
                    format!("the candidate ends with {} % of the traffic", self.traffic),
                    "End with 100 %, otherwise no deployment could follow this one.",
                )
            };
            self.report(last, what, fix);
        }
        if self.up.0 < 100 {
            let what = format!("the candidate ends with {} % of the capacity that was asked for", self.up);
            self.report(last, what, "Add `upscale: {percent: 100}`.");
        }
    }

    fn upscale(&mut self, i: usize, amount: &Amount) {
        if let (Some(count), Some(max)) = (amount.count(), self.max)
            && count > max
        {
            let what = format!("it asks for {count}, more than {}.capacity.fixed.max = {max}", self.compute);
            self.report(i, what, "Ask for no more than that, or raise it.");
        }
        // Unknown until the running fleet is read; the plan and the capacity guard decide then.
        let known = self.percent(amount);
        let percent = known.unwrap_or(100);
        if percent < self.up.0 && !self.guessed {
            let what = format!("it shrinks the candidate from {} % to {percent} %", self.up);
            self.report(i, what, "Let every `upscale` ask for at least as much as the one before.");
        }
        self.up = Saturating(percent);
        self.guessed = known.is_none();
    }

    fn shift(&mut self, i: usize, percent: u32) {
        if !matches!(self.routing, None | Some(Routing::Weighted(_) | Routing::Dns(_))) {
            let what = "only weights can shift a part of the traffic".into();
            self.report(
                i,
                what,
                "Use routing.weighted or routing.dns, or swap all the traffic at once with blueGreenSwap.",
            );
        }
        if percent <= self.traffic.0 {
            let what = format!("it shifts to {percent} % after {} %", self.traffic);
            self.report(i, what, "Let every shift ask for more than the one before.");
        }
        if percent > self.up.0 {
            let what = format!("it shifts {percent} % of the traffic to {} % of the capacity", self.up);
            self.report(i, what, "Put an `upscale` of at least that much before it.");
        }
        self.traffic = Saturating(percent);
    }

    fn swap(&mut self, i: usize) {
        if matches!(self.routing, Some(Routing::None)) {
            let what = "without a router there is nothing to swap".into();
            self.report(i, what, "Use the strategy basic or canary.");
        }
        if self.traffic.0 >= 100 {
            self.report(i, "the candidate has all the traffic already".into(), "Swap once.");
        }
        if self.up.0 < 100 {
            let what = format!("it swaps all the traffic to {} % of the capacity", self.up);
            self.report(i, what, "Put `upscale: {percent: 100}` before it.");
        }
        self.traffic = Saturating(100);
    }

    /// In production together: what the old fleet loses the candidate must have, or the document must allow.
    fn shrink(&mut self, i: usize, amount: &Amount) {
        self.stands_for(i, amount);
        let Some(percent) = self.percent(amount) else {
            // By number, of a size that is not known yet. The plan checks it.
            (self.gone, self.traffic) = (Saturating(100), Saturating(100));
            return;
        };
        if percent < self.gone.0 {
            let what = format!("it lets the old fleet grow again, from {} % gone to {percent} %", self.gone);
            self.report(i, what, "Let every `downsize` take at least as much as the one before.");
        }
        let there = (self.up + Saturating(100) - Saturating(percent.min(100))).0;
        if there < self.least_percent {
            let what = format!(
                "it leaves {there} % of the capacity, less than {}.minimumHealthyPercent = {}",
                self.compute, self.least_percent
            );
            self.report(i, what, "Let the candidate grow first, use smaller phases, or lower that percentage.");
        }
        if there == 0 {
            let what = "it leaves nothing that could serve".into();
            self.report(i, what, "Let the candidate grow before the old fleet goes.");
        }
        self.gone = Saturating(percent);
        self.traffic = Saturating(percent);
    }

    fn downsize(&mut self, i: usize, amount: &Amount) {
        self.stands_for(i, amount);
        if self.traffic.0 < 100 {
            let left = 100 - self.traffic.0;
            let what = format!("the old fleet is downsized while it has {left} % of the traffic");
            self.report(i, what, "Put `shift: {percent: 100}` or `swap: {}` before it.");
        }
        if self.percent(amount).is_some_and(|percent| percent < 100) {
            let what = "it leaves a part of an old fleet that has no traffic".into();
            self.report(i, what, "Use `downsize: {percent: 100}`, or leave it out.");
        }
        self.gone = Saturating(100);
    }
}
