//! Several faults at once, at random, in random accounts with random documents: what nobody would think of.
//!
//! Everything about an exploration follows from its seed, so that the seed is all that it takes to see it again. What breaks a
//! promise is made as short as it can be: without the faults, and the specialities of the account, that it does not need.

use std::time::Instant;

use crossfade_rehearse::in_parallel;
use crossfade_sim::world::sample::{
    AlsoBehind, AlsoForwards, Balancer, Compute, Layout, NewImage, PAGER, Records, ShopOptions, Source,
};
use crossfade_sim::world::spot::Quirk;
use serde_json::json;

use super::case::{Case, Limits, hooked, measured};
use super::injector::Injection;
use super::judge::Verdict;
use super::kind::{Kind, Place};
use super::points::Points;
use super::trial::{Baseline, Trial, run, undisturbed};
use crate::strategies::STRATEGIES;

/// The most faults in one run.
const FAULTS: usize = 4;

/// A random run, and what became of it.
pub struct Exploration {
    /// Everything about it follows from this.
    pub seed: u64,
    /// What was deployed.
    pub case: Case,
    /// What went wrong.
    pub trial: Trial,
    /// The run without that.
    pub baseline: Baseline,
    /// What became of it.
    pub verdict: Verdict,
}

impl Exploration {
    /// The exploration of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let case = random_case(&mut random);
        let (undisturbed, baseline) = undisturbed(&case, seed);
        let mut injections = random_injections(&mut random, &baseline.points);
        leaves_some_alive(&case, &mut injections);
        let trial = Trial { seed, injections };
        // What breaks a promise by itself is found at once.
        let verdict = if undisturbed.problems.is_empty() { run(&case, &trial, &baseline) } else { undisturbed };
        Self { seed, case, trial, baseline, verdict }
    }

    /// The same with as little as it takes to break a promise. What breaks none stays as it is.
    pub fn shortest(mut self) -> Self {
        if !self.verdict.problems.is_empty() {
            while let Some(shorter) = self.shorter() {
                self = shorter;
            }
        }
        self
    }

    /// The first that has one thing less and still breaks a promise.
    fn shorter(&self) -> Option<Self> {
        let injections = &self.trial.injections;
        let fewer = (0..injections.len()).map(|without| {
            let kept = injections.iter().enumerate().filter(|(nth, _)| *nth != without).map(|(_, it)| *it);
            (self.case.clone(), kept.collect())
        });
        let plainer = plainer(&self.case).into_iter().map(|case| (case, injections.clone()));
        fewer.chain(plainer).find_map(|(case, injections)| {
            let (undisturbed, baseline) = undisturbed(&case, self.seed);
            let trial = Trial { seed: self.seed, injections };
            let verdict = if undisturbed.problems.is_empty() { run(&case, &trial, &baseline) } else { undisturbed };
            (!verdict.problems.is_empty()).then_some(Self { seed: self.seed, case, trial, baseline, verdict })
        })
    }

    /// What it is, for a person.
    pub fn describe(&self) -> String {
        let faults =
            self.trial.injections.iter().map(|&Injection { kind, at }| {
                format!("{} at {}", kind.name(), self.baseline.points.describe(kind, at))
            });
        format!("seed {}: {}: {}", self.seed, self.case.name(), faults.collect::<Vec<_>>().join("; "))
    }
}

/// Lets fewer instances of production die than it has, and none where nothing may be launched for it: what is gone then is gone, whoever
/// deploys.
fn leaves_some_alive(case: &Case, injections: &mut Vec<Injection>) {
    let mended = !case.options.suspended_on_running.iter().any(|process| process == "Launch");
    let mut left = if mended { case.options.instances.saturating_sub(1 + case.options.ill) } else { 0 };
    injections.retain(|injection| {
        let dies = injection.kind == Kind::StableInstanceDies;
        let kept = !dies || left > 0;
        left = left.saturating_sub(u32::from(dies));
        kept
    });
}

/// Explores seed after seed until then, those whose case is `wanted`; `done` is told of each.
pub fn explore(
    first_seed: u64,
    until: Instant,
    wanted: impl Fn(&Case) -> bool + Sync,
    done: impl Fn(&Exploration) + Sync,
) {
    let mut seed = first_seed;
    while Instant::now() < until {
        // Few enough to stop in time.
        let seeds: Vec<u64> = (seed..seed + 32).collect();
        in_parallel(&seeds, |&seed| {
            if Instant::now() < until && wanted(&case_of(seed)) {
                done(&Exploration::of(seed));
            }
        });
        seed += 32;
    }
}

/// What the exploration of a seed deploys, and where.
pub fn case_of(seed: u64) -> Case {
    random_case(&mut fastrand::Rng::with_seed(seed))
}

fn random_case(random: &mut fastrand::Rng) -> Case {
    let mut case = Case::of(STRATEGIES[random.usize(..STRATEGIES.len())]);
    if random.bool() {
        case = case.rejected();
    }
    let mut one_in = |n: u32| random.u32(..n) == 0;
    // Where fleets share target groups, connections may outlive the delays that are drawn.
    let network = matches!(case.strategy.name, "shift" | "listener swap") && one_in(4);
    let weighted = case.options.layout == Layout::Weighted && !network;
    let mut special = |is: bool, name: &str| {
        case.special.extend(is.then(|| name.to_owned()));
        is
    };
    let options = ShopOptions {
        // What it carries counts requests of an application load balancer.
        equipped: special(!network && one_in(4), EQUIPPED),
        second_balancer: special(one_in(4), TWO_BALANCERS),
        sticky_seconds: special(weighted && one_in(4), STICKY).then_some(60),
        default_action: special(weighted && one_in(4), DEFAULT_ACTION),
        login: special(!network && one_in(5), LOGIN),
        balancer: if special(network, NETWORK) { Balancer::Network } else { Balancer::Application },
        warm_pool: special(one_in(5), WARM_POOL),
        protected: special(one_in(5), PROTECTED),
        ..case.options.clone()
    };
    let hasty = special(!network && one_in(4), HASTY);
    let also_forwards = special(one_in(8), UNNAMED);
    let also_behind = special(one_in(8), BEHIND_MORE);
    let (several, asleep) = (special(one_in(4), SEVERAL_LIVE), special(one_in(4), ASLEEP));
    let options = ShopOptions {
        slow_nodes: hasty,
        deregistration_seconds: if hasty { [0, 1, 5, 10][random.usize(..4)] } else { options.deregistration_seconds },
        also_forwards: also_forwards
            .then(|| [AlsoForwards::Rule, AlsoForwards::Listener, AlsoForwards::RuleToStage][random.usize(..3)]),
        also_behind: also_behind
            .then(|| [AlsoBehind::TargetGroup, AlsoBehind::Lattice, AlsoBehind::Classic][random.usize(..3)]),
        ..options
    };
    let instances = random.u32(2..=5);
    case.special.push(format!("{instances} instances"));
    let options = ShopOptions { instances, ..options };
    let options = unwell(&mut case, random, options);
    let mut also_running = Vec::new();
    if several {
        also_running = vec![(3, random.u32(1..=3)), (4, random.u32(1..=2))];
        also_running.truncate(random.usize(1..=2));
    }
    // They may wake at any time of a deployment, or after it.
    let (sleeping, sleeps_minutes) = match asleep {
        true => (vec![(5, random.u32(1..=3))], random.u64(2..=60)),
        false => (Vec::new(), 60),
    };
    // A mixed base can have no warm pool.
    let sources: &[(Source, &str)] = match options.warm_pool {
        true => &[(Source::Pinned, "pinned"), (Source::Latest, "latest")],
        false => &[
            (Source::Pinned, "pinned"),
            (Source::Default, "default"),
            (Source::Latest, "latest"),
            (Source::LaunchConfiguration, "launch configuration"),
            (Source::Mixed, "mixed"),
            (Source::MixedOverrides, "mixed overrides"),
        ],
    };
    let (base, name) = sources[random.usize(..sources.len())];
    case.special.push(name.to_owned());
    let images = [(NewImage::Unhealthy, "unhealthy"), (NewImage::NoCapacity, "no capacity"), (NewImage::Slow, "slow")];
    let image = (random.u32(..6) == 0).then(|| images[random.usize(..images.len())]);
    case.special.extend(image.map(|(_, name)| name.to_owned()));
    let new_image = image.map_or(NewImage::Good, |(image, _)| image);
    case.options = ShopOptions { base, new_image, also_running, sleeping, sleeps_minutes, ..options };
    if asleep {
        let size = case.instances();
        let size = json!({ "fixed": { "min": size, "desired": size, "max": size * 2 } });
        case.changes.push(("/compute/autoScalingGroup/capacity".into(), size));
    }
    match case.strategy.name {
        "shift" => {
            let steps = random.usize(..4);
            let mut percents: Vec<u32> = std::iter::repeat_with(|| random.u32(1..100)).take(steps).collect();
            percents.sort_unstable();
            percents.dedup();
            percents.push(100);
            let asked = percents[random.usize(..percents.len())];
            let shift = json!({ "percents": percents, "approveAfterPercents": [asked] });
            case.special.push(format!("{percents:?}, asks at {asked}"));
            case.changes.push(("/strategy/blueGreenShift".into(), shift));
        }
        "canary" if random.bool() => {
            case.special.push("phase by phase".into());
            case.changes.push(("/rollback".into(), json!({ "phaseByPhase": true })));
        }
        _ => {}
    }
    // Drawn last, so that what the seeds before it gave stays what it was.
    if case.strategy.name != "swap" && random.u32(..5) == 0 {
        case = as_services(case, random.u32(..3) == 0);
    } else if random.u32(..12) == 0 {
        case.options.unserved_zone = true;
        case.special.push(UNSERVED.into());
    }
    if case.strategy.name != "swap" && case.options.compute == Compute::Groups && random.u32(..6) == 0 {
        case = as_elastigroups(case, random);
    }
    // Of services those that register in Cloud Map, behind a name.
    if case.strategy.name == "shift" && case.options.compute == Compute::Services && random.u32(..3) == 0 {
        case = by_name(case, random);
    }
    // A rejected swap has its stages written out.
    if random.u32(..6) == 0 && !(case.rejected && case.strategy.layout == Layout::Staged) {
        case.options.pager = true;
        case.special.push(VERIFIED.into());
        let mut verification = json!({ "checks": { "pager": { "alarm": PAGER } } });
        // What a Network Load Balancer, and whoever shares a target group, has no metrics for.
        let by_pool = matches!(case.strategy.name, "shift" | "listener swap")
            && case.options.balancer == Balancer::Application
            && case.options.layout != Layout::Named;
        if by_pool && random.bool() {
            verification = measured();
            verification["checks"]["pager"] = json!({ "alarm": PAGER });
        }
        case.changes.push(("/verification".into(), verification));
        let field = match case.strategy.name {
            "shift" => "blueGreenShift",
            "swap" | "listener swap" => "blueGreenSwap",
            other => other,
        };
        case.changes.push((format!("/strategy/{field}/verify"), json!({ "minutes": 5 })));
    }
    if random.u32(..6) == 0 {
        let moves = matches!(case.strategy.name, "shift" | "listener swap" | "swap");
        let points: &[&str] = if moves {
            &[
                "beforeDeployment",
                "afterSetup",
                "beforeTraffic",
                "afterShift",
                "atEnd",
                "beforeRollback",
                "afterRollback",
            ]
        } else {
            &["beforeDeployment", "afterUpscale", "atEnd", "beforeRollback", "afterRollback"]
        };
        let at: Vec<&str> = points.iter().copied().filter(|_| random.bool()).collect();
        if !at.is_empty() {
            case.special.push(format!("hooked {at:?}"));
            case = case.changed("/hooks", hooked(&at));
        }
    }
    if random.u32(..6) == 0 {
        case.special.push("paused".into());
        case.paused = true;
    }
    if random.u32(..6) == 0 {
        case.special.push("tried again".into());
        let again = json!({ "retries": 1 });
        let all = json!({ "upscale": again, "traffic": again, "verify": again, "hook": again, "downsize": again });
        case = case.changed("/onFailure", all);
    }
    // Fleets of every kind behind two load balancers of one name.
    if case.strategy.name == "shift" && case.options.layout == Layout::Weighted && random.u32(..6) == 0 {
        case = by_stacks(case, random);
    }
    if random.u32(..4) == 0 {
        case.limits = Some(Limits {
            rates_percent: [100, 30, 10, 3][random.usize(..4)],
            concurrency: [1, 2, 10][random.usize(..3)],
        });
        case.special.push(BUSY.into());
    }
    case
}

/// The same behind two load balancers of one name, and without what it would have beside.
fn by_stacks(mut case: Case, random: &mut fastrand::Rng) -> Case {
    case.special.retain(|special| ![TWO_BALANCERS, UNNAMED, BEHIND_MORE].contains(&special.as_str()));
    let records = Records {
        ttl_seconds: [0, 10, 60, 300][random.usize(..4)],
        simple: random.bool(),
        cname: random.u32(..3) == 0,
        dual_stack: random.u32(..3) == 0,
        client_cache_seconds: [0, 60][random.usize(..2)],
        ..Records::default()
    };
    case.special.push(format!("by stacks, {records:?}"));
    case.options = ShopOptions {
        layout: Layout::Stacks,
        records,
        second_balancer: false,
        also_forwards: None,
        also_behind: None,
        ..case.options
    };
    case
}

/// The same by a name in DNS, and without what load balancers alone have.
fn by_name(mut case: Case, random: &mut fastrand::Rng) -> Case {
    let of_balancers =
        [TWO_BALANCERS, STICKY, DEFAULT_ACTION, LOGIN, NETWORK, HASTY, UNNAMED, BEHIND_MORE, EQUIPPED, ILL, ASLEEP];
    case.special.retain(|special| !of_balancers.contains(&special.as_str()));
    let records = Records {
        ttl_seconds: [0, 10, 60, 300][random.usize(..4)],
        simple: random.bool(),
        cname: false,
        dual_stack: false,
        srv: random.u32(..3) == 0,
        negative_seconds: [15, 120][random.usize(..2)],
        client_cache_seconds: [0, 60][random.usize(..2)],
    };
    case.special.push(format!("by {records:?}"));
    case.changes.retain(|(place, _)| !place.contains("/capacity"));
    case.refused = false;
    let plain = ShopOptions::default();
    case.options = ShopOptions {
        layout: Layout::Named,
        records,
        second_balancer: false,
        sticky_seconds: None,
        default_action: false,
        login: false,
        balancer: Balancer::Application,
        slow_nodes: false,
        deregistration_seconds: plain.deregistration_seconds,
        also_forwards: None,
        also_behind: None,
        equipped: false,
        ill: 0,
        sleeping: Vec::new(),
        ..case.options
    };
    case
}

/// The same with services of ECS, and without what groups alone have.
fn as_services(mut case: Case, on_instances: bool) -> Case {
    let of_groups = [WARM_POOL, EC2_CHECKS, SUSPENDED, HELD];
    case.special.retain(|special| !of_groups.contains(&special.as_str()));
    case.special.push(SERVICES.into());
    case.refused = false;
    let also_behind = case.options.also_behind.filter(|it| *it == AlsoBehind::TargetGroup);
    case.options = ShopOptions {
        compute: if on_instances { Compute::ServicesOnInstances } else { Compute::Services },
        base: Source::Pinned,
        warm_pool: false,
        ec2_checks: false,
        suspended_on_base: Vec::new(),
        suspended_on_running: Vec::new(),
        held_seconds: None,
        also_behind,
        ..case.options
    };
    for (place, _) in &mut case.changes {
        *place = place.replace("/autoScalingGroup/", "/ecsService/");
    }
    case
}

/// The same with Elastigroups, without what groups alone have, and with something in which Spot is otherwise.
fn as_elastigroups(mut case: Case, random: &mut fastrand::Rng) -> Case {
    let of_groups = [WARM_POOL, EC2_CHECKS, SUSPENDED, HELD, PROTECTED];
    case.special.retain(|special| !of_groups.contains(&special.as_str()));
    case.special.push(ELASTIGROUPS.into());
    case.refused = false;
    let also_behind = case.options.also_behind.filter(|it| *it == AlsoBehind::TargetGroup);
    case.options = ShopOptions {
        compute: Compute::Elastigroups,
        base: Source::Pinned,
        warm_pool: false,
        protected: false,
        ec2_checks: false,
        suspended_on_base: Vec::new(),
        suspended_on_running: Vec::new(),
        held_seconds: None,
        quirk: random.bool().then(|| Quirk::ALL[random.usize(..Quirk::ALL.len())]),
        also_behind,
        ..case.options
    };
    case.special.extend(case.options.quirk.map(|quirk| quirk.name().to_owned()));
    // What Spot does not tell, or itself ends sooner, nobody can give back.
    let told = !matches!(case.options.quirk, Some(Quirk::EndsUntold | Quirk::SuspensionsEndEarly));
    if told && random.u32(..3) == 0 {
        // It may end at any time of a deployment, or long after it.
        case.options.rests_minutes = Some([4, 8, 16, 60, 20_000][random.usize(..5)]);
        case.special.push(RESTED.into());
    }
    for (place, _) in &mut case.changes {
        *place = place.replace("/autoScalingGroup/", "/elastigroup/");
    }
    case
}

/// Production that is not well: ill instances, suspended processes, hooks that hold what leaves for long.
fn unwell(case: &mut Case, random: &mut fastrand::Rng, mut options: ShopOptions) -> ShopOptions {
    if random.u32(..4) == 0 {
        options.ill = 1;
        options.ec2_checks = random.bool();
        case.special.push(ILL.into());
        case.special.extend(options.ec2_checks.then(|| EC2_CHECKS.to_owned()));
    }
    if random.u32(..4) == 0 {
        // Those that nobody's part needs, and, more seldom, those without which it has to be refused.
        let harmless = ["HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "InstanceRefresh"];
        let needed = ["Launch", "Terminate"];
        case.refused = random.u32(..6) == 0;
        let from: &[&str] = if case.refused { &needed } else { &harmless };
        let process = from[random.usize(..from.len())];
        if process == "Launch" {
            // What is ill goes by itself then, and nothing comes for it, whoever deploys.
            (options.ill, options.ec2_checks) = (0, false);
            case.special.retain(|special| ![ILL, EC2_CHECKS].contains(&special.as_str()));
        }
        options.suspended_on_running = vec![process.to_owned()];
        if !case.refused {
            options.suspended_on_base = vec![process.to_owned()];
        }
        case.special.push(SUSPENDED.into());
        case.special.push(process.into());
    }
    if random.u32(..4) == 0 {
        // A downsizing has 20 minutes beside what hooks may take.
        let seconds = random.u32(10..=1_500);
        options.held_seconds = Some(seconds);
        case.special.push(HELD.into());
        case.special.push(format!("{seconds} s"));
    }
    options
}

const BUSY: &str = "a busy account";
const SERVICES: &str = "ecs";
const ELASTIGROUPS: &str = "elastigroup";
const UNSERVED: &str = "a zone that is not served";
const VERIFIED: &str = "verified";
const ILL: &str = "ill production";
const EC2_CHECKS: &str = "EC2's checks";
const SUSPENDED: &str = "suspended process";
const HELD: &str = "held when leaving";
const HASTY: &str = "hasty";
const UNNAMED: &str = "unnamed traffic";
const BEHIND_MORE: &str = "behind more";
const EQUIPPED: &str = "equipped";
const TWO_BALANCERS: &str = "two balancers";
const STICKY: &str = "sticky";
const NETWORK: &str = "network";
const DEFAULT_ACTION: &str = "default action";
const LOGIN: &str = "login";
const WARM_POOL: &str = "warm pool";
const PROTECTED: &str = "protected";
const SEVERAL_LIVE: &str = "several live";
const ASLEEP: &str = "a fleet asleep";
const RESTED: &str = "put to rest for a while";

/// The case without one of its specialities, for each of those that can go alone.
fn plainer(case: &Case) -> Vec<Case> {
    let without = |name: &str, change: fn(&mut ShopOptions)| {
        let mut case = case.clone();
        let had = case.special.len();
        case.special.retain(|special| special != name);
        change(&mut case.options);
        (case.special.len() < had).then_some(case)
    };
    [
        without(BUSY, |_| {}).map(|case| Case { limits: None, ..case }),
        without(EQUIPPED, |options| options.equipped = false),
        without(RESTED, |options| options.rests_minutes = None),
        without(TWO_BALANCERS, |options| options.second_balancer = false),
        without(STICKY, |options| options.sticky_seconds = None),
        without(DEFAULT_ACTION, |options| options.default_action = false),
        without(LOGIN, |options| options.login = false),
        without(NETWORK, |options| options.balancer = Balancer::Application),
        without(WARM_POOL, |options| options.warm_pool = false),
        without(PROTECTED, |options| options.protected = false),
        without(ILL, |options| options.ill = 0),
        without(EC2_CHECKS, |options| options.ec2_checks = false),
        without(SUSPENDED, |options| {
            options.suspended_on_base.clear();
            options.suspended_on_running.clear();
        })
        .map(|case| Case { refused: false, ..case }),
        without(HELD, |options| options.held_seconds = None),
        without(UNSERVED, |options| options.unserved_zone = false),
        without(HASTY, |options| {
            (options.slow_nodes, options.deregistration_seconds) =
                (false, ShopOptions::default().deregistration_seconds);
        }),
        without(UNNAMED, |options| options.also_forwards = None),
        without(BEHIND_MORE, |options| options.also_behind = None),
        without(SEVERAL_LIVE, |options| options.also_running.clear()),
        without(ASLEEP, |options| options.sleeping.clear()),
        case.options.quirk.and_then(|quirk| without(quirk.name(), |options| options.quirk = None)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn random_injections(random: &mut fastrand::Rng, points: &Points) -> Vec<Injection> {
    let count = random.usize(1..=FAULTS);
    let draw = |random: &mut fastrand::Rng| {
        let kind = Kind::ALL[random.usize(..Kind::ALL.len())];
        // What a fault adds to a run lies beyond what the run had without it.
        let most = match kind.place() {
            Place::Call => points.calls.len() * 3 / 2,
            Place::Invocation => points.invocations.len() * 3 / 2,
            Place::State => points.states.len(),
            Place::Throughout => 1,
        };
        Injection { kind, at: random.usize(..most.max(1)) }
    };
    let mut injections: Vec<Injection> = std::iter::repeat_with(|| draw(random)).take(count).collect();
    injections.sort_unstable();
    injections.dedup();
    injections
}
