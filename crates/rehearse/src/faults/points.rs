//! The points of a run at which a fault can strike: every call, every invocation, every state entered.

use crossfade_sim::{Effect, Service};

use super::kind::{Kind, Outage, Place};

/// Every how many of the looks that repeat each other a kind strikes, and of what a twin has shown.
const TURNS: usize = 4;
/// As many kinds as are alike at most: whatever they leave to each other, the turns above leave to each of them.
const FAMILY: usize = 6;

/// One API call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPoint {
    /// The function.
    pub function: String,
    /// The service.
    pub service: Service,
    /// The operation.
    pub operation: String,
    /// Whether it changes anything.
    pub effect: Effect,
    /// Whether there is an outdated answer that it could get.
    pub can_be_stale: bool,
    /// Whether its function has made no other call before.
    pub first_of_invocation: bool,
}

/// One state that an execution entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePoint {
    /// The state machine's name.
    pub machine: String,
    /// The state's name.
    pub state: String,
    /// How long after the start of its execution, in milliseconds.
    pub after_millis: u64,
}

/// All points of one run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// The calls of functions.
    pub calls: Vec<CallPoint>,
    /// The functions that were invoked.
    pub invocations: Vec<String>,
    /// The states that were entered, of both machines.
    pub states: Vec<StatePoint>,
}

impl Points {
    /// Where a kind means anything: the numbers of its points.
    pub fn of(&self, kind: Kind) -> Vec<usize> {
        match kind.place() {
            Place::Call => (0..self.calls.len()).filter(|&nth| kind.applies(&self.calls[nth])).collect(),
            Place::Invocation => (0..self.invocations.len()).collect(),
            // Time-outs are whole seconds: one for all states that are entered within one.
            Place::State if kind == Kind::OutOfTime => (0..self.states.len())
                .filter(|&nth| {
                    nth == 0 || self.states[nth].out_of_time_after() != self.states[nth - 1].out_of_time_after()
                })
                .collect(),
            Place::State if kind.of_elastigroups() && !self.asks(Service::Spot) => Vec::new(),
            // Whom nobody calls, nobody misses.
            Place::State if matches!(kind.outage(), Some(Outage::Service(service)) if !self.asks(service)) => {
                Vec::new()
            }
            // A service is out for longer than the states around take: where stages begin, and where they begin to wait.
            Place::State if kind.outage().is_some() => {
                let begins: Vec<usize> = (0..self.states.len()).filter(|&nth| self.begins(nth)).collect();
                let rare = matches!(kind, Kind::Ec2Out | Kind::CloudWatchOut | Kind::EventBridgeOut);
                begins.into_iter().step_by(if rare { 3 } else { 1 }).collect()
            }
            Place::State => (0..self.states.len()).collect(),
            Place::Throughout => vec![0],
        }
    }

    /// The same, but in turns where one point is as good as another, or one kind as another: each of these kinds strikes, and each of
    /// these points is struck, but not each by each. Of looks that repeat each other while a stage waits, a kind strikes every so many;
    /// of kinds that come to the same, one strikes; what a `twin` has passed as well, its own runs have shown; and how records are kept,
    /// whatever is deployed, those of the plain cases, to which a `special` one is none.
    pub fn in_turns(&self, kind: Kind, twin: Option<&Points>, special: bool) -> Vec<usize> {
        let repeats = match kind.place() {
            Place::Call => self.repeated_calls(),
            Place::Invocation => self.repeated_invocations(),
            Place::State => self.repeated_states(),
            Place::Throughout => Vec::new(),
        };
        let shared = twin.map_or(0, |twin| self.shared_with(twin, kind.place()));
        let mut points = self.of(kind);
        points.retain(|&nth| {
            let repeated = repeats.get(nth).is_some_and(|&repeat| repeat > 0 && !turn(repeat, kind as usize, TURNS));
            let call = self.calls.get(nth).filter(|_| kind.place() == Place::Call);
            let records = [Service::DynamoDb, Service::StepFunctions, Service::Sns];
            let kept = special && call.is_some_and(|call| records.contains(&call.service));
            let shown = (nth < shared || kept) && !turn(nth / FAMILY, kind as usize, TURNS);
            let changes = call.is_some_and(|call| call.effect == Effect::Mutate);
            let other = kind.alike(changes).is_some_and(|(of, among)| !turn(nth, of, among));
            !(repeated || shown || other)
        });
        points
    }

    /// How many points of a place both have passed before they part.
    fn shared_with(&self, twin: &Points, place: Place) -> usize {
        fn same<T: PartialEq>(ours: &[T], theirs: &[T]) -> usize {
            ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count()
        }
        match place {
            Place::Call => same(&self.calls, &twin.calls),
            Place::Invocation => same(&self.invocations, &twin.invocations),
            Place::State => same(&self.states, &twin.states),
            Place::Throughout => 0,
        }
    }

    /// For each invocation how many before it, since another function ran, have made the same calls.
    fn repeated_invocations(&self) -> Vec<usize> {
        let mut calls: Vec<Vec<&str>> = Vec::new();
        for call in &self.calls {
            if call.first_of_invocation {
                calls.push(Vec::new());
            }
            if let Some(last) = calls.last_mut() {
                last.push(&call.operation);
            }
        }
        // An invocation that calls nobody would put them out of step.
        if calls.len() != self.invocations.len() {
            return Vec::new();
        }
        let mut since: Vec<&Vec<&str>> = Vec::new();
        let mut repeats = Vec::new();
        for (nth, calls) in calls.iter().enumerate() {
            if nth > 0 && self.invocations[nth] != self.invocations[nth - 1] {
                since.clear();
            }
            repeats.push(since.iter().filter(|before| **before == calls).count());
            since.push(calls);
        }
        repeats
    }

    /// The same for each call.
    fn repeated_calls(&self) -> Vec<usize> {
        let repeats = self.repeated_invocations();
        let mut invocation: Option<usize> = None;
        let nth = self.calls.iter().map(|call| {
            if call.first_of_invocation {
                invocation = Some(invocation.map_or(0, |nth| nth + 1));
            }
            invocation.and_then(|nth| repeats.get(nth)).copied().unwrap_or(0)
        });
        nth.collect()
    }

    /// For each state how often the stage has waited before, from the second time on and until the last.
    fn repeated_states(&self) -> Vec<usize> {
        let name = |nth: usize| self.states.get(nth).map(|it| it.state.as_str());
        let waits = |nth: usize| name(nth).is_some_and(|it| ["Wait", "WaitToAct"].contains(&it));
        let mut waited = 0_usize;
        let repeats = (0..self.states.len()).map(|nth| {
            if waits(nth) {
                waited += 1;
            } else if name(nth) == Some("Route") && !waits(nth + 1) {
                waited = 0;
            }
            let routed = (nth..self.states.len()).find(|nth| name(*nth) == Some("Route"));
            if routed.is_some_and(|routed| waits(routed + 1)) { waited.saturating_sub(1) } else { 0 }
        });
        repeats.collect()
    }

    /// Whether a service is ever called.
    fn asks(&self, service: Service) -> bool {
        self.calls.iter().any(|call| call.service == service)
    }

    /// Whether the nth state begins a stage, or the waiting of one.
    fn begins(&self, nth: usize) -> bool {
        let name = |nth: usize| self.states[nth].state.as_str();
        let before = || nth.checked_sub(1).map(name);
        let looked = || (0..nth).rev().map(name).find(|it| !["Wait", "Route"].contains(it)) == Some("WaitSteady");
        match name(nth) {
            "Prepare" | "Plan" | "Rollback" | "PlanRollback" | "Decide" | "Finish" => true,
            "Wait" | "WaitToAct" | "Act" => false,
            "WaitSteady" => before() == Some("Route") || !looked(),
            _ => before() == Some("Route"),
        }
    }

    /// What a point is, for a person.
    pub fn describe(&self, kind: Kind, nth: usize) -> String {
        let found = match kind.place() {
            Place::Call => self.calls.get(nth).map(|it| format!("call {nth}, {} by {}", it.operation, it.function)),
            Place::Invocation => self.invocations.get(nth).map(|function| format!("invocation {nth}, {function}")),
            Place::State => self.states.get(nth).map(|it| format!("state {nth}, {} of {}", it.state, it.machine)),
            Place::Throughout => Some("throughout".into()),
        };
        found.unwrap_or_else(|| format!("point {nth}"))
    }
}

/// Whether it is the turn of one of so many.
fn turn(nth: usize, of: usize, among: usize) -> bool {
    (nth + of).is_multiple_of(among)
}

impl StatePoint {
    /// The `TimeoutSeconds` with which the execution ends about when it enters this state.
    pub fn out_of_time_after(&self) -> u64 {
        (self.after_millis / 1000).max(1)
    }
}
