//! Many deployments at the same time in one account with AWS's limits: how they end, how long they take, what they call and cost.
//!
//! What it owns: the account, the deployments and the figures. It must never judge: that is for whoever asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crossfade_local::{Installation, Outcome};
use crossfade_rehearse::DOLLARS_A_TRANSITION;
use crossfade_rehearse::drive::in_virtual_time;
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::lambda::{Functions, Invocation, Limited};
use crossfade_sim::world::sample::{Shop, ShopOptions, shop};
use crossfade_sim::{Call, Clock, Effect, Settings, Sim};
use crossfade_steps::FUNCTIONS;
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Value, json};

/// The concurrency of an account that nothing was raised in but that is not new.
pub const CONCURRENCY: usize = 1_000;

/// What is deployed, and where.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// How many infrastructure definitions are deployed at the same time.
    pub deployments: usize,
    /// How many instances each has.
    pub instances: u32,
    /// How many invocations of functions the account runs at once.
    pub concurrency: usize,
    /// Requests per second of each.
    pub requests_per_second: f64,
    /// How much of every rate at which AWS takes calls others leave, in percent.
    pub rates_percent: f64,
    /// What everything random follows from.
    pub seed: u64,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            deployments: 100,
            instances: 4,
            concurrency: CONCURRENCY,
            requests_per_second: 5.0,
            rates_percent: 100.0,
            seed: 1,
        }
    }
}

/// Calls of one service by the functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls that only read.
    pub reads: usize,
    /// All others.
    pub changes: usize,
    /// How many of both were refused for coming too fast.
    pub throttled: usize,
    /// The most within one second.
    pub peak: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Scaled {
    /// How many ended how.
    pub outcomes: BTreeMap<String, usize>,
    /// Why those that failed did, and how many for the same reason.
    pub causes: BTreeMap<String, usize>,
    /// Requests that were served and lost.
    pub requests: (u64, u64),
    /// How long the quickest, the median and the slowest took, in seconds of the account's time.
    pub seconds: [f64; 3],
    /// By service.
    pub calls: BTreeMap<&'static str, Calls>,
    /// How often each function made each call, as `function service:Operation`.
    pub operations: BTreeMap<String, usize>,
    /// How many invocations there were, and how many were refused since as many ran.
    pub invocations: (u64, usize),
    /// State transitions, as Step Functions bills them.
    pub transitions: u64,
    /// US dollars, by what costs them.
    pub dollars: BTreeMap<&'static str, f64>,
    /// How long it took here, in seconds.
    pub real_seconds: f64,
}

/// Prices in eu-west-1, in US dollars: an invocation, a gigabyte and second of a function on arm64, a write and a read
/// of the table. A transaction costs twice; what is longer than 1 KB (read: 4 KB) costs more, which is not counted.
const INVOCATION: f64 = 0.2e-6;
const GIGABYTE_SECOND: f64 = 13.3334e-6;
const WRITE: f64 = 0.7e-6;
const READ: f64 = 0.14e-6;
/// What most functions have, in gigabytes.
const GIGABYTES: f64 = 0.125;

impl Scale {
    /// Deploys all of them and waits for the last.
    pub fn run(&self) -> Scaled {
        self.watched(|| {})
    }

    /// The same; `ended` is called at the end of each.
    pub fn watched(&self, ended: impl Fn()) -> Scaled {
        in_virtual_time(self.deploy(&ended))
    }

    async fn deploy(&self, tell: &impl Fn()) -> Scaled {
        let real = Instant::now();
        let sim = Sim::new(Settings { seed: self.seed, ..Settings::default() });
        // Seven groups of each; whoever has so many has asked for more than the usual quota.
        sim.world().settings.max_groups = 500 + 8 * self.deployments;
        let shops: Vec<(String, Shop)> = (0..self.deployments).map(|nth| self.shop(&sim, nth)).collect();
        let installation = Installation::in_process(&sim).expect("the shipped definitions are good");
        let metered = Arc::new(Metered { inner: sim.functions(), clock: sim.clock.clone(), figures: Arc::default() });
        let limited = Arc::new(Limited::new(metered.clone(), self.concurrency));
        sim.set_functions(limited.clone());
        sim.limit_rates_to(self.rates_percent / 100.0);

        let started = sim.clock.now_millis();
        let running = shops.iter().map(|(name, shop)| {
            let (sim, document) = (sim.clone(), document(name, shop));
            let execution = StepFunctions::start(&sim, &installation.deploy_arn, Some(name), &document);
            async move {
                sim.step_functions().wait_for(&execution.expect("it starts")).await;
                tell();
                (sim.clock.now_millis() - started) as f64 / 1000.0
            }
        });
        let mut seconds = tokio::select! {
            seconds = join_all(running) => seconds,
            never = installation.follow_rules(None) => match never {},
        };
        seconds.sort_by(f64::total_cmp);

        let (mut outcomes, mut causes) = (BTreeMap::new(), BTreeMap::new());
        for (name, _) in &shops {
            let (outcome, cause) = ended(&installation, name);
            *outcomes.entry(format!("{outcome:?}")).or_default() += 1;
            cause.into_iter().for_each(|cause| *causes.entry(cause).or_default() += 1);
        }
        let totals = sim.world().traffic().totals;
        let executions = sim.step_functions().executions();
        let transitions = executions.iter().map(|it| sim.step_functions().transitions(&it.arn)).sum();
        let calls = calls(&sim);
        let invocations = metered.figures.invocations.load(Ordering::Relaxed);
        let busy = metered.figures.millis.load(Ordering::Relaxed) as f64 / 1000.0;
        let table = calls.get("dynamodb").copied().unwrap_or_default();
        let dollars = BTreeMap::from([
            ("Step Functions", transitions as f64 * DOLLARS_A_TRANSITION),
            ("Lambda", invocations as f64 * INVOCATION + busy * GIGABYTES * GIGABYTE_SECOND),
            ("DynamoDB", table.reads as f64 * READ + table.changes as f64 * 2.0 * WRITE),
        ]);
        Scaled {
            outcomes,
            causes,
            requests: (totals.served, totals.lost),
            seconds: [0, seconds.len() / 2, seconds.len().saturating_sub(1)]
                .map(|place| seconds.get(place).copied().unwrap_or_default()),
            calls,
            operations: operations(&sim),
            invocations: (invocations, limited.refused()),
            transitions,
            dollars,
            real_seconds: real.elapsed().as_secs_f64(),
        }
    }

    fn shop(&self, sim: &Arc<Sim>, nth: usize) -> (String, Shop) {
        let name = format!("shop-{nth:04}");
        let options = ShopOptions {
            name: name.clone(),
            instances: self.instances,
            requests_per_second: self.requests_per_second,
            ..ShopOptions::default()
        };
        let shop = shop(&mut sim.world(), options);
        (name, shop)
    }
}

/// A blue/green deployment that takes some twenty minutes: the candidate gets 10 %, 50 % and 100 %, with eight minutes in between.
fn document(name: &str, shop: &Shop) -> Value {
    json!({
        "service": name,
        "environment": "production",
        "artifact": { "ami": shop.new_ami },
        "compute": { "autoScalingGroup": { "base": shop.base_group, "name": name } },
        "routing": { "weighted": [shop.route()] },
        "strategy": { "blueGreenShift": { "percents": [10, 50, 100], "pauseSeconds": 500 } },
    })
}

fn ended(installation: &Installation, name: &str) -> (Outcome, Option<String>) {
    let execution = installation.sim.step_functions().executions().into_iter().find(|it| it.name == name);
    let outcome = execution.and_then(|it| it.outcome).expect("it has ended");
    Outcome::of(&outcome)
}

fn calls(sim: &Arc<Sim>) -> BTreeMap<&'static str, Calls> {
    let mut by_service: BTreeMap<&'static str, Calls> = BTreeMap::new();
    let mut seconds: BTreeMap<(&'static str, u64), usize> = BTreeMap::new();
    for (_, call) in of_functions(sim) {
        let service = call.service.signing_name();
        let calls = by_service.entry(service).or_default();
        match call.effect {
            Effect::Read => calls.reads += 1,
            Effect::Mutate => calls.changes += 1,
        }
        let slow_down = |code: &String| code.contains("Throttl") || code == "RequestLimitExceeded";
        calls.throttled += usize::from(call.error.as_ref().is_some_and(slow_down));
        *seconds.entry((service, call.at_millis / 1000)).or_default() += 1;
    }
    for ((service, _), count) in seconds {
        let calls = by_service.entry(service).or_default();
        calls.peak = calls.peak.max(count);
    }
    by_service
}

/// The calls of functions.
fn of_functions(sim: &Arc<Sim>) -> Vec<(String, Call)> {
    let calls = sim.calls().into_iter().filter_map(|call| Some((call.caller.clone()?, call)));
    calls.filter(|(caller, _)| FUNCTIONS.contains(&caller.as_str())).collect()
}

fn operations(sim: &Arc<Sim>) -> BTreeMap<String, usize> {
    let mut operations = BTreeMap::new();
    for (caller, call) in of_functions(sim) {
        let name = format!("{caller} {}:{}", call.service.signing_name(), call.operation);
        *operations.entry(name).or_default() += 1;
    }
    operations
}

impl Scaled {
    /// All of it.
    pub fn json(&self) -> Value {
        let calls: BTreeMap<_, _> = self
            .calls
            .iter()
            .map(|(service, it)| {
                let figures = json!({ "reads": it.reads, "changes": it.changes, "throttled": it.throttled,
                    "peakPerSecond": it.peak });
                (service, figures)
            })
            .collect();
        json!({
            "outcomes": self.outcomes,
            "causes": self.causes,
            "requestsServed": self.requests.0,
            "requestsLost": self.requests.1,
            "seconds": { "quickest": self.seconds[0], "median": self.seconds[1], "slowest": self.seconds[2] },
            "calls": calls,
            "operations": self.operations,
            "invocations": self.invocations.0,
            "invocationsRefused": self.invocations.1,
            "stateTransitions": self.transitions,
            "dollars": self.dollars,
            "realSeconds": self.real_seconds,
        })
    }
}

/// Functions whose invocations are counted and timed.
struct Metered {
    inner: Arc<dyn Functions>,
    clock: Clock,
    figures: Arc<Figures>,
}

#[derive(Default)]
struct Figures {
    invocations: AtomicU64,
    millis: AtomicU64,
    by_function: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl Functions for Metered {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let (clock, figures) = (self.clock.clone(), self.figures.clone());
        let name = function.rsplit(':').next().unwrap_or_default().to_owned();
        let invocation = self.inner.invoke(function, payload);
        Box::pin(async move {
            let began = clock.now_millis();
            let answer = invocation.await;
            let took = clock.now_millis() - began;
            figures.invocations.fetch_add(1, Ordering::Relaxed);
            figures.millis.fetch_add(took, Ordering::Relaxed);
            let mut by_function = figures.by_function.lock().unwrap_or_else(PoisonError::into_inner);
            let of = by_function.entry(name).or_default();
            *of = (of.0 + 1, of.1 + took);
            answer
        })
    }
}
