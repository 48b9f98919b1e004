//! One run: a deployment, what goes wrong with it, and its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossfade_asl::Event;
use crossfade_core::document::Decision;
use crossfade_rehearse::drive::{answer_approvals, in_virtual_time, meta_of, sweep_regularly, try_again, until_over};
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::lambda::Limited;
use crossfade_sim::world::sample::Shop;
use crossfade_steps::{Meta, PauseRecord, pause};
use futures_util::future::select;
use serde_json::Value;

use super::branch::{Been, Branches, Shared, Tell, over};
use super::case::Case;
use super::injector::{Aims, Injection, Injector, Strikes};
use super::judge::{Verdict, judge};
use super::kind::{Cost, Kind, Outage};
use super::points::Points;
use crate::Scene;

/// What every deployment is called.
pub(super) const ID: &str = "faulty";
/// What another deployment is called that comes in between.
pub(super) const RIVAL: &str = "rival";
/// Both.
const IDS: &[&str] = &[ID, RIVAL];
/// What the candidate's fleet is called.
pub(super) const CANDIDATE: &str = "shop__7";
/// What the randomness of the matrix' runs follows from.
pub(super) const SEED: u64 = 1;
/// How long the operator thinks.
const THINKING: Duration = Duration::from_secs(20);
/// How long it takes until somebody has repaired what AWS denied.
const REPAIRED: Duration = Duration::from_secs(3600);
/// How long a run may take, in the account's time: longer than the longest that AWS's refusals can make it.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// The same deployment when nothing goes wrong.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The points at which something can.
    pub points: Points,
    /// The account in the end.
    pub inventory: Value,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Everything random follows from this.
    pub seed: u64,
    /// What goes wrong, in any order.
    pub injections: Vec<Injection>,
}

/// A run that has ended.
pub(super) struct Ended<'a> {
    pub(super) scene: &'a Scene,
    pub(super) injector: &'a Injector,
    /// As it is written down; nothing when nothing was, or the table did not allow it.
    pub(super) meta: Option<Meta>,
    /// What is still running when the time is up, and where it is.
    pub(super) running: Vec<String>,
}

/// The run in which nothing goes wrong.
///
/// # Panics
/// When something does.
pub fn baseline(case: &Case) -> Baseline {
    let (verdict, baseline) = undisturbed(case, SEED);
    assert!(verdict.problems.is_empty(), "{} fails by itself: {:#?}", case.name(), verdict.problems);
    baseline
}

/// The run in which nothing goes wrong, and what became of it.
pub fn undisturbed(case: &Case, seed: u64) -> (Verdict, Baseline) {
    in_virtual_time(async {
        let (scene, injector) = set_up(case, seed, Strikes::Nowhere);
        play(case, &scene, &injector).await;
        let ended = ended(&scene, &injector);
        let inventory = scene.world().inventory();
        (judge(case, &[], None, &ended).await, Baseline { points: injector.points(), inventory })
    })
}

/// Runs it, and says what became of it.
pub fn run(case: &Case, trial: &Trial, baseline: &Baseline) -> Verdict {
    run_with(case, trial, baseline, |_| {})
}

/// The same, with something prepared that no fault does.
pub fn run_with(case: &Case, trial: &Trial, baseline: &Baseline, prepare: impl FnOnce(&Scene)) -> Verdict {
    in_virtual_time(async {
        let (scene, injector) = set_up(case, trial.seed, Strikes::At(&trial.injections));
        prepare(&scene);
        for injection in trial.injections.iter().filter(|it| it.kind == Kind::OutOfTime) {
            if let Some(point) = baseline.points.states.get(injection.at) {
                injector.hurry(*injection, point);
            }
        }
        played(case, baseline, &scene, &injector).await
    })
}

/// Runs the case once, and from each point at which one of these strikes a copy of the process with it: the same as many runs. Answers
/// the numbers of those that had no point. No other thread may run.
pub(super) fn run_branches(
    case: &Case,
    strikes: &[(usize, Injection)],
    baseline: &Baseline,
    until: Option<Instant>,
    tell: Tell<'_>,
) -> Vec<usize> {
    if strikes.is_empty() {
        return Vec::new();
    }
    let branches = Shared::of(Branches::new(strikes.iter().copied(), until));
    let been = in_virtual_time(async {
        let (scene, injector) = set_up(case, SEED, Strikes::InBranches(Box::new(branches.clone())));
        let played = async {
            let verdict = played(case, baseline, &scene, &injector).await;
            let number = branches.locked().is();
            if let Some(number) = number {
                tell(number, Some(&verdict));
                over();
            }
        };
        // How the run itself ends is known.
        select(pin!(played), pin!(injector.branched())).await;
        std::mem::take(&mut *branches.locked()).been()
    });
    for (number, been) in &been {
        match been {
            Been::Played => {}
            Been::LeftOut => tell(*number, None),
            Been::Died(how) => tell(*number, Some(&Verdict::died(how))),
        }
    }
    let played = |number: &usize| been.iter().any(|(been, _)| been == number);
    strikes.iter().map(|(number, _)| *number).filter(|number| !played(number)).collect()
}

/// Plays it, with whatever strikes, and judges it; where AWS has refused something for good, once more after it has given in.
async fn played(case: &Case, baseline: &Baseline, scene: &Scene, injector: &Arc<Injector>) -> Verdict {
    let sweeping = sweep_where_needed(scene, injector);
    play(case, scene, injector).await;
    let injections = injector.injections();
    let first = ended(scene, injector);
    let mut verdict = judge(case, &injections, Some(baseline), &first).await;
    if injector.any(denies_for_good) && !verdict.is_clean() {
        injector.relent();
        try_again(&scene.installation, IDS, LONGEST).await;
        verdict.afterwards(judge(case, &injections, Some(baseline), &ended(scene, injector)).await);
    }
    sweeping.abort();
    verdict
}

fn denies_for_good(kind: Kind) -> bool {
    kind.cost() == Cost::CleanEnd
}

fn set_up(case: &Case, seed: u64, strikes: Strikes<'_>) -> (Scene, Arc<Injector>) {
    let has = |kind: Kind| matches!(strikes, Strikes::At(all) if all.iter().any(|it| it.kind == kind));
    let (skewed, off) = (has(Kind::ClockSkew), has(Kind::ClocksOff));
    let scene = Scene::with_clocks(seed, case.options.clone(), |function| {
        // Anything that differs between functions.
        let nth = function.len() as u64;
        Duration::from_millis(u64::from(skewed) * (nth * 617 % 4_000) + u64::from(off) * (nth % 2 * 20 * 60_000))
    });
    boot_fast(&scene);
    if let Some(limits) = case.limits {
        scene.sim.set_functions(Arc::new(Limited::new(scene.sim.functions(), limits.concurrency)));
        scene.sim.limit_rates_to(f64::from(limits.rates_percent) / 100.0);
    }
    let document = case.document(&scene);
    let aims = aims(&scene.shop, document);
    let injector = Injector::install(&scene.installation, aims, strikes);
    (scene, injector)
}

/// What is struck in the shop, and what nobody may touch.
fn aims(shop: &Shop, document: Value) -> Aims {
    Aims {
        foreign: vec![
            shop.foreign_group.clone(),
            shop.base_group.clone(),
            shop.target_group_other.clone(),
            shop.default_rule.clone(),
        ],
        stable: shop.running_group.clone(),
        candidate: CANDIDATE.into(),
        cluster: shop.cluster.clone(),
        images: vec![shop.new_ami.clone()],
        rival: (RIVAL.into(), document),
    }
}

/// Lets instances and tasks boot in a quarter of a minute: looking at the same wait for longer proves nothing more.
fn boot_fast(scene: &Scene) {
    let mut world = scene.world();
    for image in [&scene.shop.new_ami, &scene.shop.running_ami] {
        if let Some(image) = world.container_image_mut(image) {
            image.behaviour.pull_seconds = (3, 5);
        }
    }
    for image in [&scene.shop.new_ami, &scene.shop.running_ami] {
        if let Some(image) = world.image_mut(image) {
            let behaviour = &mut image.behaviour;
            behaviour.launch_seconds = (3, 5);
            // Those that take for ever are to.
            if behaviour.boot_seconds.1 < 60 {
                behaviour.boot_seconds = (5, 10);
            }
        }
    }
}

fn ended<'a>(scene: &'a Scene, injector: &'a Injector) -> Ended<'a> {
    let machines = scene.sim.step_functions();
    let running = machines.executions().into_iter().filter(|execution| execution.outcome.is_none()).map(|execution| {
        let history = machines.history(&execution.arn);
        let failed = history.iter().rev().find_map(|event| match &event.event {
            Event::TaskFailed { error, .. } => Some(error.clone()),
            _ => None,
        });
        let at = history.iter().rev().find_map(|event| match &event.event {
            Event::StateEntered { name, .. } => Some(name.clone()),
            _ => None,
        });
        format!("{} of {} is at {at:?}, after {failed:?}", execution.name, execution.state_machine_name)
    });
    Ended { scene, injector, meta: meta_of(&scene.installation, ID), running: running.collect() }
}

/// Starts the deployment, and waits until nothing runs any more.
async fn play(case: &Case, scene: &Scene, injector: &Injector) {
    let decision = if case.rejected { Decision::Reject } else { Decision::Approve };
    let _operator = answer_approvals(&scene.installation, IDS, THINKING, move |_| decision);
    let document = case.document(scene);
    let execution = StepFunctions::start(&scene.sim, &scene.installation.deploy_arn, Some(ID), &document);
    let execution = execution.expect("a first execution of its name starts");
    if case.paused {
        let context = scene.installation.context("operator", Duration::ZERO);
        let wish = PauseRecord { by: None, comment: None, since_millis: 0, timeout_minutes: 60 };
        pause(&context, ID, &wish).await.expect("the table takes it");
    }
    let over = async {
        scene.sim.step_functions().wait_for(&execution).await;
        until_over(&scene.installation, IDS).await;
    };
    let patience = async {
        tokio::time::sleep(REPAIRED).await;
        if !injector.any(denies_for_good) {
            tokio::time::sleep(LONGEST - REPAIRED).await;
        }
    };
    // What does not end by then is judged as it is.
    select(pin!(over), pin!(patience)).await;
}

/// What else the sweep is for: of twins that take the lock over one after the other, the answer of the one that lost it may be the one
/// that counts; and while somebody is asked, nobody else looks at the candidate.
const LOOKED_AT: [Kind; 2] = [Kind::TwiceAtOnce, Kind::CandidateDies];

/// The scheduled sweep, from the moment on at which something has struck that needs it.
fn sweep_where_needed(scene: &Scene, injector: &Arc<Injector>) -> tokio::task::JoinHandle<()> {
    let injector = injector.clone();
    sweep_regularly(&scene.installation, move || {
        let needs =
            |kind: Kind| kind.halts() || denies_for_good(kind) || kind.outage().is_some() || LOOKED_AT.contains(&kind);
        !injector.is_out(Outage::EventBridge) && injector.struck().iter().any(|it| needs(it.kind))
    })
}
