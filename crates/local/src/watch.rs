//! The telling of what happens in an installation: stages, weights, capacity, traffic, log lines, approvals.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crossfade_asl::Event as History;
use crossfade_aws::keys;
use crossfade_core::kinds::elb::short;
use crossfade_core::names;
use crossfade_core::plan::{Action, Direction, Plan, StageKind};
use crossfade_core::progress::{Follows, Progress};
use crossfade_core::rollback::Touched;
use crossfade_core::snapshot::Snapshot;
use crossfade_sim::Sim;
use crossfade_sim::world::World;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::installation::{Installation, progress};

/// Something that happened, and when, in seconds of the account's time since the deployment started.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Happening {
    /// When.
    pub at_seconds: f64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum What {
    /// The plan is made: the names of its stages.
    Planned {
        /// Forward, or back.
        direction: Direction,
        /// The stages, in order.
        stages: Vec<String>,
    },
    /// A stage begins.
    StageStarted {
        /// Forward, or back.
        direction: Direction,
        /// Its place in the plan.
        index: usize,
        /// What it does.
        kind: StageKind,
        /// What a person calls it.
        name: String,
    },
    /// A stage's condition was seen to hold.
    StageHeld {
        /// Forward, or back.
        direction: Direction,
        /// Its place in the plan.
        index: usize,
        /// What a person calls it.
        name: String,
        /// How long the condition had held by then, in seconds, for conditions that are waited for.
        idle_seconds: Option<f64>,
    },
    /// A line of the deployment's log.
    Log {
        /// The line.
        line: String,
    },
    /// How things stand.
    Frame(Frame),
    /// A decision was given.
    Decided {
        /// Whether it was a yes.
        approved: bool,
    },
}

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Frame {
    /// The weight of each target group, by its short name.
    pub weights: BTreeMap<String, u32>,
    /// The fleet that served before.
    pub stable: Option<FleetFrame>,
    /// The fleet that is deployed.
    pub candidate: Option<FleetFrame>,
    /// Requests that were served.
    pub requests_served: u64,
    /// Requests that were lost.
    pub requests_lost: u64,
}

/// How one fleet stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetFrame {
    /// Its name.
    pub name: String,
    /// The share of the users' requests that it serves, in percent: by the weights, and where it shares a target group by its
    /// healthy instances.
    pub percent: u32,
    /// Instances that are healthy behind a load balancer; without one, those in service.
    pub healthy: usize,
    /// Instances wanted.
    pub desired: u32,
    /// Instances in service.
    pub in_service: u32,
    /// Instances on their way in.
    pub pending: u32,
    /// Instances on their way out.
    pub terminating: u32,
}

/// Looks on, from the start of one deployment.
pub struct Watch {
    installation: Installation,
    deployment: String,
    router: String,
    started_millis: u64,
    state: Mutex<State>,
}

type Sink = Box<dyn FnMut(&Happening) + Send>;

struct State {
    sink: Sink,
    at: Option<Progress>,
    lines_told: usize,
    told_millis: u64,
    planned: Vec<Direction>,
    decided_millis: Option<u64>,
    idle_seconds: Vec<f64>,
    frame: Frame,
    /// Written once, before the first stage.
    snapshot: Option<Snapshot>,
}

impl Watch {
    /// Looks on at a deployment that is about to start. `router` is the rule or listener; `sink` is told everything, in order.
    pub fn start(installation: &Installation, deployment: &str, router: &str, sink: Sink) -> Arc<Self> {
        let watch = Arc::new(Self {
            installation: installation.clone(),
            deployment: deployment.into(),
            router: router.into(),
            started_millis: installation.sim.clock.now_millis(),
            state: Mutex::new(State {
                sink,
                at: None,
                lines_told: 0,
                told_millis: 0,
                planned: Vec::new(),
                decided_millis: None,
                idle_seconds: Vec::new(),
                frame: Frame::default(),
                snapshot: None,
            }),
        });
        // Weak, since the account keeps its subscribers for ever.
        let weak: Weak<Self> = Arc::downgrade(&watch);
        let own = names::executions(&watch.deployment);
        installation.sim.step_functions().subscribe(Box::new(move |event| {
            let Some(watch) = weak.upgrade() else { return };
            if !own.iter().any(|name| name == event.execution_name) {
                return;
            }
            if let History::StateEntered { input, name, .. } = &event.event.event
                && let Some(progress) = progress(input).filter(|it| it.deployment_id == watch.deployment)
            {
                watch.entered(progress, event.at_millis);
                // A function has just looked, and may have said something.
                if name == "Wait" {
                    watch.tell_log(&mut watch.state());
                }
            }
        }));
        watch
    }

    /// How things stand now; told when it differs from the last time.
    pub fn look(&self) {
        let mut state = self.state();
        let frame = self.frame(&mut state);
        if frame != state.frame {
            state.frame = frame.clone();
            self.tell(&mut state, What::Frame(frame));
        }
    }

    /// The operator has decided.
    pub fn decided(&self, approved: bool) {
        let mut state = self.state();
        self.tell_log(&mut state);
        state.decided_millis = Some(self.sim().clock.now_millis());
        self.tell(&mut state, What::Decided { approved });
    }

    /// Whether the deployment is at a stage that asks a person.
    pub fn asking(&self) -> bool {
        let asks = |progress: &Progress| {
            progress.stage.kind == StageKind::Approve || progress.stage.on_failure == Some(Follows::Ask)
        };
        self.state().at.as_ref().is_some_and(asks)
    }

    /// Tells what the log still has to say.
    pub fn end(&self) {
        self.tell_log(&mut self.state());
    }

    /// How long each waited-for condition had held before it was seen, in seconds.
    pub fn idle_seconds(&self) -> Vec<f64> {
        self.state().idle_seconds.clone()
    }

    /// Since when, in milliseconds since 1970.
    pub fn started_millis(&self) -> u64 {
        self.started_millis
    }

    fn sim(&self) -> &Arc<Sim> {
        &self.installation.sim
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &mut State, what: What) {
        self.tell_of(state, self.sim().clock.now_millis(), what);
    }

    /// Tells what happened then. What is told is in order, even where it is heard of a moment late.
    fn tell_of(&self, state: &mut State, at_millis: u64, what: What) {
        state.told_millis = state.told_millis.max(at_millis);
        let at_seconds = state.told_millis.saturating_sub(self.started_millis) as f64 / 1000.0;
        (state.sink)(&Happening { at_seconds, what });
    }

    fn tell_log(&self, state: &mut State) {
        let lines = self.installation.dated_log(&self.deployment);
        let told = lines.len().max(state.lines_told);
        for (at_millis, line) in lines.into_iter().skip(state.lines_told) {
            self.tell_of(state, at_millis, What::Log { line });
        }
        state.lines_told = told;
    }

    /// A state of the deployment or of its rollback was entered with this progress.
    fn entered(&self, now: Progress, at_millis: u64) {
        let mut state = self.state();
        let frame = self.frame(&mut state);
        let key = |progress: &Progress| (progress.direction, progress.stage.index);
        let before = state.at.clone();
        // The deployment still passes on the stage that failed while, and after, its rollback runs.
        let over = now.direction == Direction::Deploy && state.planned.contains(&Direction::Rollback);
        if over {
            return;
        }
        if before.as_ref().map(key) == Some(key(&now)) {
            state.at = Some(now);
            return;
        }
        self.tell_log(&mut state);
        if let Some(before) = before.filter(|before| before.direction == now.direction) {
            let idle_seconds =
                self.held_since(&before, &state).map(|held| at_millis.saturating_sub(held) as f64 / 1000.0);
            state.idle_seconds.extend(idle_seconds);
            let stage = &before.stage;
            let what = What::StageHeld {
                direction: before.direction,
                index: stage.index,
                name: stage.name.clone(),
                idle_seconds,
            };
            self.tell(&mut state, what);
        }
        if !state.planned.contains(&now.direction)
            && let Some(plan) = self.read::<Plan>(&format!("plan#{}", now.direction.name()))
        {
            state.planned.push(now.direction);
            let stages = plan.stages.iter().map(|stage| stage.name.clone()).collect();
            self.tell(&mut state, What::Planned { direction: now.direction, stages });
        }
        if now.stage.kind != StageKind::Finish {
            let what = What::StageStarted {
                direction: now.direction,
                index: now.stage.index,
                kind: now.stage.kind,
                name: now.stage.name.clone(),
            };
            self.tell(&mut state, what);
        }
        state.frame = frame.clone();
        self.tell(&mut state, What::Frame(frame));
        state.decided_millis = None;
        state.at = Some(now);
    }

    /// Since when a stage's condition has really held, for conditions that are waited for.
    fn held_since(&self, progress: &Progress, state: &State) -> Option<u64> {
        let plan: Plan = self.read(&format!("plan#{}", progress.direction.name()))?;
        let started = progress.stage.started_millis;
        let since = match &plan.stages.get(progress.stage.index)?.action {
            Action::Upscale(upscale) => self.steady_since(&upscale.fleet, &upscale.target_groups)?,
            Action::Attach(attach) => self.steady_since(&attach.fleet, &attach.target_groups)?,
            Action::Downsize(downsize) => self.sim().world().empty_since(&downsize.fleet)?,
            Action::Pause(pause) => started + u64::from(pause.seconds) * 1000,
            Action::Verify(verify) => started + u64::from(verify.seconds) * 1000,
            Action::Drain(drain) => self.read::<Touched>("touched")?.shifted_millis + u64::from(drain.seconds) * 1000,
            Action::Approve(_) => state.decided_millis?,
            // Done at once, or only AWS knows since when.
            _ => return None,
        };
        Some(since.max(started))
    }

    /// Since when a fleet has been steady in all of these target groups.
    fn steady_since(&self, fleet: &str, target_groups: &[String]) -> Option<u64> {
        let world = self.sim().world();
        let since = target_groups.iter().map(|arn| world.steady_since(fleet, arn));
        since.collect::<Option<Vec<u64>>>()?.into_iter().max()
    }

    fn read<T: DeserializeOwned>(&self, sk: &str) -> Option<T> {
        serde_json::from_value(self.installation.record(&keys::deployment(&self.deployment), sk)?).ok()
    }

    fn frame(&self, state: &mut State) -> Frame {
        if state.snapshot.is_none() && state.at.is_some() {
            state.snapshot = self.read("snapshot");
        }
        let snapshot = state.snapshot.as_ref();
        let world = self.sim().world();
        let routes = world.weights(&self.router);
        let traffic = world.traffic();
        Frame {
            weights: routes.iter().map(|(arn, weight)| (short(arn).to_owned(), *weight)).collect(),
            stable: snapshot.and_then(|snapshot| fleet(&world, &snapshot.stable_fleet()?.name, &routes)),
            candidate: snapshot.and_then(|snapshot| fleet(&world, &snapshot.candidate, &routes)),
            requests_served: traffic.totals.served,
            requests_lost: traffic.totals.lost,
        }
    }
}

/// How a fleet stands behind a router with these weights.
fn fleet(world: &World, name: &str, routes: &[(String, u32)]) -> Option<FleetFrame> {
    let view = world.fleet_view(name)?;
    let sum: u32 = routes.iter().map(|(_, weight)| weight).sum();
    let share = |(arn, weight): &(String, u32)| {
        let (own, all) = (world.healthy_of(name, arn), world.healthy_in(arn));
        if sum == 0 || all == 0 { 0.0 } else { f64::from(*weight) / f64::from(sum) * own as f64 / all as f64 }
    };
    let healthy = view.target_groups.iter().map(|arn| world.healthy_of(name, arn)).max();
    Some(FleetFrame {
        name: name.into(),
        percent: (routes.iter().map(share).sum::<f64>() * 100.0).round() as u32,
        healthy: healthy.unwrap_or(view.in_service as usize),
        desired: view.desired,
        in_service: view.in_service,
        pending: view.pending,
        terminating: view.leaving,
    })
}
