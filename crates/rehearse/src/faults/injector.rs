//! Makes it go wrong: at a call, at an invocation, at a state.
//!
//! One injector sits in all three places of one run, counts what passes, and strikes where it was told to. It also looks at what
//! passes: whether a call names anything that is not ours.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crossfade_asl::Event;
use crossfade_local::{FUNCTION_TIMEOUT, Installation, rules};
use crossfade_sim::api::stepfunctions::{ExecutionEvent, StepFunctions};
use crossfade_sim::lambda::{Functions, Invocation, function_name};
use crossfade_sim::world::sample::NO_CAPACITY;
use crossfade_sim::world::{ImageBehaviour, Instance, Lifecycle};
use crossfade_sim::{Effect, Fault, Faults, Request, Service, Sim};
use futures_util::future::{BoxFuture, Either, select};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::kind::{DEATHS, Kind, Outage, Place};
use super::points::{CallPoint, Points, StatePoint};

/// A fault and where it strikes: at the nth point of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Injection {
    /// What.
    pub kind: Kind,
    /// Where, from 0.
    pub at: usize,
}

/// Where faults strike in a run.
pub enum Strikes<'a> {
    /// Nowhere: it shows where they could.
    Nowhere,
    /// At these points.
    At(&'a [Injection]),
    /// Nowhere in the run itself, but in a copy of it that begins there, for each.
    InBranches(Box<dyn Branching>),
}

/// Lets a run branch: what follows a point is played more than once.
pub trait Branching: Send {
    /// Called once at each point, in order. Answers what strikes there, which is nothing in the run itself.
    fn at(&mut self, place: Place, nth: usize) -> Option<Injection>;
    /// Whether this is the run itself, and no branch is ahead of it.
    fn are_over(&self) -> bool;
}

/// What is struck, and what nobody may touch.
#[derive(Clone, Debug)]
pub struct Aims {
    /// What no function may name when it changes something.
    pub foreign: Vec<String>,
    /// The fleet that serves, by name.
    pub stable: String,
    /// The fleet that is deployed, by name.
    pub candidate: String,
    /// The cluster of both, when they are services.
    pub cluster: Option<String>,
    /// The image that is deployed, by every name that it has.
    pub images: Vec<String>,
    /// What another deployment is called that comes in between, and what it deploys.
    pub rival: (String, Value),
}

/// How recent an outdated answer is at most.
const STALE_MILLIS: u64 = 30_000;
/// For how long a service throttles that does so for long.
const LONG_MILLIS: u64 = 60_000;
/// ECS's words when there is no room for a task.
const NO_ROOM: &str = "was unable to place a task. Reason: Capacity is unavailable at this time.";
/// Strikes in one run. It does not keep the account alive, which holds it.
pub struct Injector {
    sim: Weak<Sim>,
    functions: Arc<dyn Functions>,
    /// Whether points are looked for that nobody knows yet.
    explores: bool,
    aims: Aims,
    deploy: String,
    /// Whether the trial is over, and nothing goes wrong any more.
    relented: AtomicBool,
    branched: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    points: Points,
    injections: Vec<Injection>,
    branches: Option<Box<dyn Branching>>,
    struck: Vec<Injection>,
    /// Until when a service throttles.
    throttled: Vec<(Service, u64)>,
    denied: Vec<(Service, String)>,
    /// What is out, and until when.
    out: Vec<(Outage, u64)>,
    trespasses: Vec<String>,
    /// By function: what ends the invocation that runs, and whether it has called anybody.
    running: BTreeMap<String, Arc<Running>>,
    /// When each execution began.
    began: BTreeMap<String, u64>,
}

#[derive(Default)]
struct Running {
    die: Notify,
    /// What the platform calls that.
    death: Mutex<&'static str>,
    calls: Mutex<usize>,
}

impl Injector {
    /// Sits down in an account with crossfade in it. From now on everything passes through it.
    pub fn install(installation: &Installation, aims: Aims, strikes: Strikes<'_>) -> Arc<Self> {
        let sim = &installation.sim;
        let explores = matches!(strikes, Strikes::Nowhere);
        let (injections, branches) = match strikes {
            Strikes::Nowhere => (&[][..], None),
            Strikes::At(injections) => (injections, None),
            Strikes::InBranches(branches) => (&[][..], Some(branches)),
        };
        let injector = Arc::new(Self {
            sim: Arc::downgrade(sim),
            functions: sim.functions(),
            explores,
            aims,
            deploy: installation.deploy_arn.clone(),
            relented: AtomicBool::new(false),
            branched: Notify::new(),
            state: Mutex::new(State { injections: injections.to_vec(), branches, ..State::default() }),
        });
        sim.set_faults(Some(injector.clone()));
        sim.set_functions(injector.clone());
        let weak = Arc::downgrade(&injector);
        sim.step_functions().subscribe(Box::new(move |event| {
            if let Some(injector) = weak.upgrade() {
                injector.happened(event);
            }
        }));
        if injector.any(|kind| kind == Kind::StaleRules) {
            sim.world().settings.read_staleness_millis = 5_000;
        }
        if let Some(millis) = injections.iter().filter_map(|it| it.kind.reads_late_millis()).max() {
            sim.set_read_lag(Duration::from_millis(millis));
        }
        let throughout = injections.iter().copied().filter(|it| it.kind.place() == Place::Throughout);
        injector.state().struck.extend(throughout);
        injector
    }

    /// The points that the run has passed.
    pub fn points(&self) -> Points {
        self.state().points.clone()
    }

    /// What has struck.
    pub fn struck(&self) -> Vec<Injection> {
        self.state().struck.clone()
    }

    /// What is to strike.
    pub fn injections(&self) -> Vec<Injection> {
        self.state().injections.clone()
    }

    /// Waits until the run itself has no branch ahead.
    pub async fn branched(&self) {
        self.branched.notified().await;
    }

    /// What functions have changed, or tried to, that is not ours.
    pub fn trespasses(&self) -> Vec<String> {
        self.state().trespasses.clone()
    }

    /// From now on AWS allows again what it denied, and nothing else goes wrong.
    pub fn relent(&self) {
        self.relented.store(true, Ordering::Relaxed);
        let mut state = self.state();
        state.denied.clear();
        state.out.clear();
    }

    /// Whether something is out.
    pub fn is_out(&self, what: Outage) -> bool {
        let Some(sim) = self.sim.upgrade() else { return false };
        let now = sim.clock.now_millis();
        self.state().out.iter().any(|(out, until)| *out == what && now < *until)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether some fault that is to strike is such a one.
    pub fn any(&self, is: impl Fn(Kind) -> bool) -> bool {
        self.state().injections.iter().any(|it| is(it.kind))
    }

    /// The fault that is meant for this point, in this run or in a branch that begins here.
    fn meant(&self, place: Place, nth: usize) -> Option<Injection> {
        if self.relented.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.state();
        if let Some(branches) = &mut state.branches {
            let branched = branches.at(place, nth);
            let over = branches.are_over();
            state.injections.extend(branched);
            if over {
                self.branched.notify_one();
            }
        }
        state.injections.iter().copied().find(|it| it.kind.place() == place && it.at == nth)
    }

    fn struck_by(&self, injection: Injection) {
        self.state().struck.push(injection);
    }

    /// A call of a function: what goes wrong with it.
    fn call(&self, sim: &Arc<Sim>, function: &str, request: &Request) -> Option<Fault> {
        let now = sim.clock.now_millis();
        let can_be_stale = self.explores && sim.can_be_stale(request, STALE_MILLIS);
        let nth = {
            let mut state = self.state();
            let running = state.running.get(function).cloned();
            let calls_before = running.map_or(0, |running| {
                let mut calls = running.calls.lock().unwrap_or_else(PoisonError::into_inner);
                *calls += 1;
                *calls - 1
            });
            let effect = crossfade_sim::effect(&request.operation);
            if effect == Effect::Mutate
                && let Some(name) = request.form.values().find(|value| self.aims.foreign.contains(value))
            {
                let trespass = format!("{function} called {} on {name}", request.operation);
                state.trespasses.push(trespass);
            }
            state.points.calls.push(CallPoint {
                function: function.to_owned(),
                service: request.service,
                operation: request.operation.clone(),
                effect,
                can_be_stale,
                first_of_invocation: calls_before == 0,
            });
            let bus = request.service == Service::EventBridge;
            let of = |out: Outage| out == Outage::Service(request.service) || bus && out == Outage::EventBridge;
            if state.out.iter().any(|(out, until)| of(*out) && now < *until) {
                return refuse(503, "ServiceUnavailable");
            }
            if state
                .denied
                .iter()
                .any(|(service, operation)| *service == request.service && *operation == request.operation)
            {
                return Some(denied(request.service));
            }
            if state.throttled.iter().any(|(service, until)| *service == request.service && now < *until) {
                return Some(throttled(request.service));
            }
            state.points.calls.len() - 1
        };
        let injection = self.meant(Place::Call, nth)?;
        let fault = match injection.kind {
            Kind::Throttled => Some(throttled(request.service)),
            Kind::ThrottledForLong => {
                self.state().throttled.push((request.service, now + LONG_MILLIS));
                Some(throttled(request.service))
            }
            Kind::InternalError => refuse(500, "InternalFailure"),
            Kind::AccessDenied => Some(denied(request.service)),
            Kind::DeniedForGood => {
                self.state().denied.push((request.service, request.operation.clone()));
                Some(denied(request.service))
            }
            Kind::QuotaExceeded => refuse(400, quota(request.service)),
            Kind::ReplyLost => Some(Fault::LoseReply),
            Kind::RequestLost => Some(Fault::LoseRequest),
            Kind::Silence => Some(Fault::Silence { arrives: true }),
            Kind::StaleRead => Some(Fault::Stale { within_millis: STALE_MILLIS }),
            Kind::Panicked => {
                self.struck_by(injection);
                panic!("a fault that is played");
            }
            Kind::Crashed | Kind::CrashedReads8000 => {
                self.end_function(function, death(nth));
                Some(Fault::Silence { arrives: true })
            }
            Kind::DiesReads500 | Kind::DiesReads1500 | Kind::DiesReads3000 | Kind::DiesReads10000 => {
                // A name that no machine knows: nobody tries it again.
                self.end_function(function, "Runtime.Unforeseen");
                Some(Fault::Silence { arrives: true })
            }
            Kind::Killed => {
                self.end_function(function, "Lambda.Unknown");
                for execution in sim.step_functions().executions() {
                    if execution.outcome.is_none() {
                        stop(sim, &execution.arn);
                    }
                }
                Some(Fault::Silence { arrives: true })
            }
            Kind::StableInstanceDies => return self.kill(sim, injection, &self.aims.stable, 1),
            Kind::CandidateInstanceDies => return self.kill(sim, injection, &self.aims.candidate, 1),
            Kind::CandidateDies => {
                no_capacity(sim, &self.aims.images);
                return self.kill(sim, injection, &self.aims.candidate, usize::MAX);
            }
            Kind::NoCapacity => {
                no_capacity(sim, &self.aims.images);
                None
            }
            _ => None,
        };
        self.struck_by(injection);
        fault
    }

    fn end_function(&self, function: &str, death: &'static str) {
        if let Some(running) = self.state().running.get(function) {
            *running.death.lock().unwrap_or_else(PoisonError::into_inner) = death;
            running.die.notify_one();
        }
    }

    /// AWS takes as many members of a fleet as there are of these, the first ones.
    fn kill(&self, sim: &Sim, injection: Injection, group: &str, most: usize) -> Option<Fault> {
        let mut world = sim.world();
        let tasks = self.aims.cluster.as_ref().map(|cluster| world.tasks_of(cluster, group)).unwrap_or_default();
        let instances = [world.spot_instances_of(group), world.instances_of(group)].concat();
        let mut killed = 0;
        for id in tasks {
            let runs = world.task(&id).is_some_and(|task| task.is_running());
            killed += usize::from(killed < most && runs && world.kill_task(&id));
        }
        for id in instances {
            let serves = |it: &Instance| it.lifecycle == Lifecycle::InService && it.server.stopped.is_none();
            let runs = world.spot_instance_runs(&id) || world.instance(&id).is_some_and(serves);
            killed += usize::from(killed < most && runs && world.kill_instance(&id));
        }
        drop(world);
        if killed > 0 {
            self.struck_by(injection);
        }
        None
    }

    /// An execution's event.
    fn happened(&self, event: &ExecutionEvent<'_>) {
        let Some(sim) = self.sim.upgrade() else { return };
        match &event.event.event {
            Event::ExecutionStarted { .. } => {
                self.state().began.insert(event.execution_arn.to_owned(), event.at_millis);
            }
            Event::StateEntered { name, .. } => self.entered(&sim, event, name),
            Event::ExecutionTimedOut => {
                // The next one has its time again.
                self.restore_definitions();
                self.tell(event, "TIMED_OUT");
            }
            Event::ExecutionAborted { .. } => self.tell(event, "ABORTED"),
            Event::ExecutionFailed { .. } => self.tell(event, "FAILED"),
            _ => {}
        }
    }

    fn entered(&self, sim: &Arc<Sim>, event: &ExecutionEvent<'_>, name: &str) {
        let nth = {
            let mut state = self.state();
            let began = state.began.get(event.execution_arn).copied().unwrap_or(event.at_millis);
            state.points.states.push(StatePoint {
                machine: event.state_machine_name.to_owned(),
                state: name.to_owned(),
                after_millis: event.at_millis - began,
            });
            state.points.states.len() - 1
        };
        if let Some(injection) = self.meant(Place::State, nth)
            && injection.kind != Kind::OutOfTime
        {
            self.struck_by(injection);
            if let Some(outage) = injection.kind.outage() {
                let until = sim.clock.now_millis() + injection.kind.outage_lasts(nth).as_millis() as u64;
                self.state().out.push((outage, until));
            }
            match injection.kind {
                kind if kind.outage().is_some() && !kind.halts() => {}
                Kind::InstanceLocked => {
                    let mut world = sim.world();
                    let of = |group: &str| world.spot_instances_of(group);
                    let all = [of(&self.aims.candidate), of(&self.aims.stable)].concat();
                    if let Some(instance) = all.get(nth % all.len().max(1)) {
                        world.lock_spot_instance(instance, LOCKED_MINUTES[nth % LOCKED_MINUTES.len()]);
                    }
                }
                Kind::Rival => {
                    // A second one finds its name taken.
                    let _ = StepFunctions::start(sim, &self.deploy, Some(&self.aims.rival.0), &self.aims.rival.1);
                }
                _ => stop(sim, event.execution_arn),
            }
        }
    }

    /// Gives the machine of a state so little time that the execution is over when it gets there.
    pub fn hurry(&self, injection: Injection, point: &StatePoint) {
        let Some(sim) = self.sim.upgrade() else { return };
        let definitions = Installation::definitions().expect("the shipped definitions are good");
        for (name, text) in definitions.into_iter().filter(|(name, _)| *name == point.machine) {
            let mut definition: Value = serde_json::from_str(&text).expect("a definition is JSON");
            definition["TimeoutSeconds"] = json!(point.out_of_time_after());
            sim.step_functions().create(name, &definition.to_string(), None).expect("a definition that ends sooner");
        }
        // Not yet, but nothing can keep it from it.
        self.struck_by(injection);
    }

    fn restore_definitions(&self) {
        let Some(sim) = self.sim.upgrade() else { return };
        for (name, text) in Installation::definitions().expect("the shipped definitions are good") {
            sim.step_functions().create(name, &text, None).expect("the shipped definitions are good");
        }
    }

    /// EventBridge tells the sweep, unless the fault is that it does not; a stopped execution it tells of twice.
    fn tell(&self, event: &ExecutionEvent<'_>, status: &str) {
        let unheard = |kind: Kind| matches!(kind, Kind::Killed | Kind::StoppedUnnoticed | Kind::EventBridgeOut);
        let lost = self.any(unheard);
        let times = if self.any(|kind| kind == Kind::Stopped) { 2 } else { 1 };
        for _ in 0..if lost { 0 } else { times } {
            let Some(sim) = self.sim.upgrade() else { return };
            let names = (event.execution_arn, event.state_machine_arn, event.execution_name);
            let change = rules::execution_changed(&sim, names.0, names.1, names.2, status);
            tokio::spawn(async move {
                sim.clock.sleep(Duration::from_secs(1)).await;
                sim.functions().invoke("sweep", change).await
            });
        }
    }
}

/// From now on AWS has no capacity for what these images run.
pub(crate) fn no_capacity(sim: &Sim, images: &[String]) {
    let mut world = sim.world();
    for name in images {
        if let Some(image) = world.container_image_mut(name) {
            image.behaviour.placement_failure = Some(NO_ROOM.into());
        }
        if let Some(image) = world.image_mut(name) {
            image.behaviour = ImageBehaviour { launch_failure: Some(NO_CAPACITY.into()), ..image.behaviour.clone() };
        }
    }
}

/// For how long an instance is locked, in turns: some of it is over before the stage that it is in the way of has to be.
const LOCKED_MINUTES: [u64; 3] = [5, 40, 180];

fn stop(sim: &Arc<Sim>, execution: &str) {
    let request = Request::json(Service::StepFunctions, "StopExecution", json!({ "executionArn": execution }));
    StepFunctions::handle(sim, &request);
}

fn refuse(status: u16, code: &str) -> Option<Fault> {
    Some(Fault::Refuse { status, code: code.into(), message: "a fault that is played".into() })
}

fn throttled(service: Service) -> Fault {
    let (status, code) = match service {
        Service::Ec2 => (503, "RequestLimitExceeded"),
        Service::AutoScaling | Service::ElasticLoadBalancing | Service::Sns => (400, "Throttling"),
        Service::Spot => (429, "429"),
        Service::Lambda => (429, "TooManyRequestsException"),
        _ => (400, "ThrottlingException"),
    };
    Fault::Refuse { status, code: code.into(), message: "Rate exceeded".into() }
}

fn denied(service: Service) -> Fault {
    let (status, code) = match service {
        Service::Ec2 => (403, "UnauthorizedOperation"),
        Service::DynamoDb
        | Service::StepFunctions
        | Service::Ssm
        | Service::Ecs
        | Service::SecretsManager
        | Service::EventBridge
        | Service::Logs
        | Service::Lambda
        | Service::ApplicationAutoScaling => (400, "AccessDeniedException"),
        _ => (403, "AccessDenied"),
    };
    Fault::Refuse { status, code: code.into(), message: "is not authorized to perform this action".into() }
}

fn quota(service: Service) -> &'static str {
    match service {
        Service::Ec2 => "VersionsPerLaunchTemplateLimitExceeded",
        Service::ElasticLoadBalancing => "TooManyRules",
        Service::Ecs | Service::ApplicationAutoScaling => "LimitExceededException",
        _ => "LimitExceeded",
    }
}

impl Faults for Injector {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let function = request.caller.as_deref().filter(|caller| *caller != "operator")?;
        let sim = self.sim.upgrade()?;
        self.call(&sim, function, request)
    }
}

impl Functions for Injector {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let name = function_name(function).to_owned();
        let running = Arc::new(Running::default());
        let nth = {
            let mut state = self.state();
            state.running.insert(name.clone(), running.clone());
            state.points.invocations.push(name);
            state.points.invocations.len() - 1
        };
        let inner = self.functions.clone();
        let function = function.to_owned();
        let again = move || inner.invoke(&function, payload.clone());
        let once = mortal(running, again());
        if self.any(|kind| kind == Kind::EachTwice) {
            return Box::pin(async move {
                once.await;
                again().await
            });
        }
        if self.is_out(Outage::Lambda) {
            let (error, cause) = (Kind::TooManyRequests.name().into(), "Rate Exceeded.".into());
            return Box::pin(async move { Invocation::Platform { error, cause } });
        }
        let Some(injection) = self.meant(Place::Invocation, nth) else { return once };
        self.struck_by(injection);
        let platform =
            |error: &str| Invocation::Platform { error: error.into(), cause: "a fault that is played".into() };
        let before = |error: &str| -> BoxFuture<'static, Invocation> {
            let failed = platform(error);
            Box::pin(async move { failed })
        };
        let Some(clock) = self.sim.upgrade().map(|sim| sim.clock.clone()) else { return once };
        match injection.kind {
            Kind::TooManyRequests | Kind::ServiceException | Kind::LambdaException | Kind::ClientException => {
                before(injection.kind.name())
            }
            Kind::ClientTimeout | Kind::Unanswered => {
                let unknown = injection.kind == Kind::Unanswered;
                let failed = platform(if unknown { death(nth) } else { injection.kind.name() });
                Box::pin(async move {
                    once.await;
                    failed
                })
            }
            Kind::TimedOut => {
                let failed = platform("Lambda.Unknown");
                let over = clock.now_millis() + FUNCTION_TIMEOUT.as_millis() as u64;
                Box::pin(async move {
                    once.await;
                    clock.sleep_until(over).await;
                    failed
                })
            }
            Kind::Twice => Box::pin(async move {
                once.await;
                again().await
            }),
            Kind::TwiceAtOnce => {
                let second = again();
                Box::pin(async move { futures_util::future::join(once, second).await.1 })
            }
            _ => once,
        }
    }
}

/// What Lambda calls the death of a function, in turns.
fn death(nth: usize) -> &'static str {
    DEATHS[nth % DEATHS.len()]
}

/// An invocation that ends when its function is to die.
fn mortal(running: Arc<Running>, invocation: BoxFuture<'static, Invocation>) -> BoxFuture<'static, Invocation> {
    Box::pin(async move {
        let die = std::pin::pin!(running.die.notified());
        match select(invocation, die).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Invocation::Platform {
                error: (*running.death.lock().unwrap_or_else(PoisonError::into_inner)).into(),
                cause: "RequestId: 0 Error: Runtime exited with error: signal: killed".into(),
            },
        }
    })
}
