//! The account as a whole: every request passes through [`Sim::handle`], whichever way it came in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfade_asl::BoxFuture;
use serde_json::Value;

use crate::answers::Answers;
use crate::api::cloudformation::Stacks;
use crate::api::events::Bus;
use crate::api::s3::Objects;
use crate::api::secretsmanager::Secrets;
use crate::api::ssm::Parameters;
use crate::api::{self, dynamodb::Tables, sns::Topics, stepfunctions::StepFunctions};
use crate::callables::Callables;
use crate::lambda::{Functions, Invocation, NoFunctions, function_name, invoke_api};
use crate::past::Past;
use crate::rates::Rates;
use crate::world::World;
use crate::{Clock, Request, Response, Service, requests};

/// What the account is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Everything random in the account follows from this.
    pub seed: u64,
    /// The account's time at the start, in milliseconds since 1970.
    pub epoch_millis: u64,
    /// How many times faster than the wall clock time passes (1.0 in a paused runtime).
    pub speed: f64,
    /// How long one API call takes, in the account's time.
    pub call_latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            // 2026-01-05T09:00:00Z, a Monday morning.
            epoch_millis: 1_767_603_600_000,
            speed: 1.0,
            call_latency: Duration::from_millis(40),
        }
    }
}

/// Whether an operation only reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Describe, Get, List, Query.
    Read,
    /// Everything else.
    Mutate,
}

/// One API call that reached the account, in the order of arrival.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it arrived, in milliseconds since 1970.
    pub at_millis: u64,
    /// The service.
    pub service: Service,
    /// The operation.
    pub operation: String,
    /// Who made it, when the request said so: see [`Sim::sdk_config_for`].
    pub caller: Option<String>,
    /// Whether it only reads.
    pub effect: Effect,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The error code, when it was refused.
    pub error: Option<String>,
}

/// What goes wrong with one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answered with this error and without any effect.
    Refuse {
        /// HTTP status.
        status: u16,
        /// Error code.
        code: String,
        /// Error message.
        message: String,
    },
    /// Takes effect, but the connection breaks before the reply arrives.
    LoseReply,
    /// Never arrives: the connection breaks.
    LoseRequest,
    /// Never answered, on a connection that stays open.
    Silence {
        /// Whether it takes effect.
        arrives: bool,
    },
    /// Answered as it would have been before the last change that it could tell of, if somebody has asked the same within so many
    /// milliseconds: reads are eventually consistent. Without such an answer it is answered properly.
    Stale {
        /// How long ago.
        within_millis: u64,
    },
}

/// Decides, call by call, what goes wrong. `nth` counts the calls of the account from 0.
pub trait Faults: Send + Sync {
    /// The fault for this call, if any.
    fn strike(&self, nth: usize, request: &Request) -> Option<Fault>;
}

/// One simulated account in one region. Cheap to share; see [`Sim::sdk_config`] for how clients reach it.
pub struct Sim {
    /// The account's clock.
    pub clock: Clock,
    /// What it was made with.
    pub settings: Settings,
    world: Mutex<World>,
    tables: Mutex<Tables>,
    topics: Mutex<Topics>,
    stacks: Mutex<Stacks>,
    parameters: Mutex<Parameters>,
    objects: Mutex<Objects>,
    secrets: Mutex<Secrets>,
    bus: Mutex<Bus>,
    callables: Mutex<Callables>,
    step_functions: StepFunctions,
    functions: Mutex<Arc<dyn Functions>>,
    calls: Mutex<Vec<Call>>,
    guard: Mutex<Option<Arc<dyn Faults>>>,
    faults: Mutex<Option<Arc<dyn Faults>>>,
    answers: Mutex<Answers>,
    past: Mutex<Past>,
    rates: Mutex<Option<Rates>>,
}

/// No answer came: the request or the reply was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The connection broke.
    Reset,
    /// The connection is open, and nothing comes.
    Silence,
}

impl Sim {
    /// An empty account. Call it inside the runtime whose time it is to follow.
    ///
    /// It also seeds the calling thread's `fastrand` generator, from which the SDK takes its retry jitter and
    /// idempotency tokens: on a current-thread runtime, the same seed gives the same calls at the same times. Two
    /// accounts that take turns on one thread share that generator, so make each of them anew for a repeatable run.
    pub fn new(settings: Settings) -> Arc<Self> {
        fastrand::seed(settings.seed);
        let clock = Clock::new(settings.epoch_millis, settings.speed);
        Arc::new(Self {
            world: Mutex::new(World::new(settings.seed, clock.now_millis())),
            tables: Mutex::default(),
            topics: Mutex::default(),
            stacks: Mutex::default(),
            parameters: Mutex::default(),
            objects: Mutex::default(),
            secrets: Mutex::default(),
            bus: Mutex::default(),
            callables: Mutex::default(),
            step_functions: StepFunctions::new(clock.clone()),
            functions: Mutex::new(Arc::new(NoFunctions)),
            calls: Mutex::default(),
            guard: Mutex::default(),
            faults: Mutex::default(),
            answers: Mutex::default(),
            past: Mutex::default(),
            rates: Mutex::default(),
            clock,
            settings,
        })
    }

    /// The world, brought up to the present.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = lock(&self.world);
        world.advance(self.clock.now_millis());
        world
    }

    /// The state machines and executions.
    pub fn step_functions(&self) -> &StepFunctions {
        &self.step_functions
    }

    /// Where the account's Lambda functions run.
    pub fn functions(&self) -> Arc<dyn Functions> {
        lock(&self.functions).clone()
    }

    /// From now on, functions run in `functions`. Before, there are none.
    pub fn set_functions(&self, functions: Arc<dyn Functions>) {
        *lock(&self.functions) = functions;
    }

    /// The tables.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }

    /// The topics.
    pub fn topics(&self) -> MutexGuard<'_, Topics> {
        lock(&self.topics)
    }

    /// The CloudFormation stacks.
    pub fn stacks(&self) -> MutexGuard<'_, Stacks> {
        lock(&self.stacks)
    }

    /// The parameters of Parameter Store.
    pub fn parameters(&self) -> MutexGuard<'_, Parameters> {
        lock(&self.parameters)
    }

    /// The objects in S3.
    pub fn objects(&self) -> MutexGuard<'_, Objects> {
        lock(&self.objects)
    }

    /// The secrets in Secrets Manager.
    pub fn secrets(&self) -> MutexGuard<'_, Secrets> {
        lock(&self.secrets)
    }

    /// The default event bus of EventBridge.
    pub fn bus(&self) -> MutexGuard<'_, Bus> {
        lock(&self.bus)
    }

    /// The users' own functions and endpoints.
    pub fn callables(&self) -> MutexGuard<'_, Callables> {
        lock(&self.callables)
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// From now on, `guard` decides who may call what, before `faults` are asked what else goes wrong.
    pub fn set_guard(&self, guard: Option<Arc<dyn Faults>>) {
        *lock(&self.guard) = guard;
    }

    /// From now on, `faults` decides what goes wrong.
    pub fn set_faults(&self, faults: Option<Arc<dyn Faults>>) {
        *lock(&self.faults) = faults;
    }

    /// From now on, reads of groups, services, templates, load balancers and alarms show no change of the last `lag`.
    pub fn set_read_lag(&self, lag: Duration) {
        lock(&self.past).lag(lag.as_millis() as u64);
    }

    /// From now on services refuse what comes too fast, and state machines wait, as on AWS, where others leave this share of every bucket and
    /// of what comes back into it.
    pub fn limit_rates_to(&self, share: f64) {
        *lock(&self.rates) = Some(Rates::of(share));
    }

    /// For how many milliseconds the next state transition has to wait.
    pub(crate) fn transition_wait_millis(&self) -> u64 {
        lock(&self.rates).as_mut().map_or(0, |rates| rates.transition(self.clock.now_millis()))
    }

    /// What the service says to a call too many.
    fn too_fast(&self, request: &Request) -> Option<Response> {
        lock(&self.rates).as_mut()?.admit(request, self.clock.now_millis())
    }

    /// Answers one request, after the time that a call takes.
    pub async fn handle(self: &Arc<Self>, request: Request) -> Result<Response, Lost> {
        self.clock.sleep(self.settings.call_latency).await;
        let nth = lock(&self.calls).len();
        let asked = [&self.guard, &self.faults].map(|asked| lock(asked).clone());
        let fault = asked.iter().flatten().find_map(|asked| asked.strike(nth, &request));
        let outcome = match fault {
            None => match self.too_fast(&request) {
                Some(refusal) => Ok(refusal),
                None => Ok(self.carry_out(&request).await),
            },
            Some(Fault::Refuse { status, code, message }) => Ok(Response::refuse(&request, status, &code, &message)),
            Some(Fault::LoseReply) => {
                self.carry_out(&request).await;
                Err(Lost::Reset)
            }
            Some(Fault::LoseRequest) => Err(Lost::Reset),
            Some(Fault::Silence { arrives }) => {
                if arrives {
                    self.carry_out(&request).await;
                }
                Err(Lost::Silence)
            }
            Some(Fault::Stale { within_millis }) => {
                let since = self.clock.now_millis().saturating_sub(within_millis);
                match self.stale(&request, since) {
                    Some(before) => Ok(before),
                    None => Ok(self.carry_out(&request).await),
                }
            }
        };
        let status = outcome.as_ref().map_or(0, |response| response.status);
        requests::note(&request, outcome.as_ref().ok());
        lock(&self.calls).push(Call {
            at_millis: self.clock.now_millis(),
            service: request.service,
            effect: effect(&request.operation),
            operation: request.operation,
            caller: request.caller,
            status,
            error: outcome.as_ref().ok().and_then(error_code),
        });
        outcome
    }

    /// Whether a read of this moment could be answered with what was true before, as [`Fault::Stale`] does.
    pub fn can_be_stale(self: &Arc<Self>, request: &Request, within_millis: u64) -> bool {
        let since = self.clock.now_millis().saturating_sub(within_millis);
        self.stale(request, since).is_some()
    }

    /// What the same question was last answered with that is not true any more.
    fn stale(self: &Arc<Self>, request: &Request, since_millis: u64) -> Option<Response> {
        let key = Answers::key(request)?;
        // That it is asked twice is nobody's call.
        let counted = self.world().counted_by_spot();
        let now = self.dispatch(request);
        self.world().count_by_spot(counted);
        lock(&self.answers).before(&key, &now, since_millis)
    }

    /// A function may take its time. Everything else is done at once.
    async fn carry_out(self: &Arc<Self>, request: &Request) -> Response {
        if request.service == Service::Lambda { self.lambda(request).await } else { self.answer(request) }
    }

    async fn lambda(self: &Arc<Self>, request: &Request) -> Response {
        let of = |field: &str| request.form.get(field).map(String::as_str).unwrap_or_default();
        let function = of("FunctionName");
        if request.operation == "GetFunctionConfiguration" {
            return api::lambda::configuration(function, self.callables().has(function_name(function)));
        }
        let how = request.form.get("InvocationType").map(String::as_str);
        invoke_api(&Everybodys(self.clone()), function, how, request.json.to_string().into()).await
    }

    fn answer(self: &Arc<Self>, request: &Request) -> Response {
        let response = self.dispatch(request);
        if let Some(key) = Answers::key(request) {
            lock(&self.answers).keep(key, response.clone(), self.clock.now_millis());
        }
        response
    }

    fn dispatch(self: &Arc<Self>, request: &Request) -> Response {
        let now = self.clock.now_millis();
        let mut past = lock(&self.past);
        if past.concerns(request) {
            if let Some(world) = past.shown(request, now) {
                return Self::ask(world, request);
            }
            past.keep(request, now, &self.world());
        }
        drop(past);
        match request.service {
            Service::AutoScaling
            | Service::Ec2
            | Service::ElasticLoadBalancing
            | Service::CloudWatch
            | Service::Ecs
            | Service::Spot
            | Service::Route53
            | Service::CloudMap
            | Service::ApplicationAutoScaling => Self::ask(&mut self.world(), request),
            Service::DynamoDb => self.tables().handle(request, now),
            Service::Sns => self.topics().handle(request, now),
            Service::StepFunctions => StepFunctions::handle(self, request),
            Service::CloudFormation => self.stacks().handle(request),
            Service::Ssm => self.parameters().handle(request, now),
            Service::S3 => self.objects().handle(request),
            Service::SecretsManager => self.secrets().handle(request),
            Service::EventBridge => self.bus().handle(request, now),
            Service::Logs => api::logs::handle(&self.world(), request),
            Service::Sts => api::sts::handle(request, now),
            Service::Lambda => Response::refuse(request, 501, "NotImplemented", "Functions take their time."),
        }
    }

    /// What is in the world, or was.
    fn ask(world: &mut World, request: &Request) -> Response {
        match request.service {
            Service::AutoScaling => api::autoscaling::handle(world, request),
            Service::Ec2 => api::ec2::handle(world, request),
            Service::ElasticLoadBalancing => api::elbv2::handle(world, request),
            Service::Ecs => api::ecs::handle(world, request),
            Service::Spot => api::spot::handle(world, request),
            Service::Route53 => api::route53::handle(world, request),
            Service::CloudMap => api::servicediscovery::handle(world, request),
            Service::ApplicationAutoScaling => api::applicationautoscaling::handle(world, request),
            _ => api::cloudwatch::handle(world, request),
        }
    }
}

/// The functions of users, and those that are installed.
struct Everybodys(Arc<Sim>);

impl Functions for Everybodys {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let (sim, function) = (self.0.clone(), function.to_owned());
        Box::pin(async move {
            let own = sim.callables().invoke(function_name(&function), &payload, sim.clock.now_millis());
            match own {
                Some((span, invocation)) => {
                    sim.clock.sleep(span).await;
                    invocation
                }
                None => sim.functions().invoke(&function, payload).await,
            }
        })
    }
}

/// A lock that a panicking test has poisoned is still the account's state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an operation does, by its name.
pub fn effect(operation: &str) -> Effect {
    let reads = ["Describe", "Get", "List", "Query", "Scan", "BatchGet"];
    if reads.iter().any(|prefix| operation.starts_with(prefix)) { Effect::Read } else { Effect::Mutate }
}

/// The code of the error that this answer is, if it is one.
pub(crate) fn error_code(response: &Response) -> Option<String> {
    if response.status < 400 {
        return None;
    }
    if response.content_type == "application/cbor" {
        let body = crate::cbor::decode(&response.body).unwrap_or_default();
        return Some(body["__type"].as_str().unwrap_or_default().to_owned());
    }
    let text = String::from_utf8_lossy(&response.body);
    if let Some(code) = api::spot::code(&text) {
        return Some(code);
    }
    let between = |start: &str, end: &str| {
        let from = text.find(start)? + start.len();
        Some(text[from..from + text[from..].find(end)?].to_owned())
    };
    Some(between("<Code>", "</Code>").or_else(|| between("\"__type\":\"", "\"")).unwrap_or_default())
}
