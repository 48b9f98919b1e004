//! The points of a run at which a fault can strike: every call, every invocation, every state entered.

use crossfade_sim::{Effect, Service};

use super::kind::{Kind, Outage, Place};
use super::matrix::Matrix;

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

    /// Whether a service is ever called.
    fn asks(&self, service: Service) -> bool {
        self.calls.iter().any(|call| call.service == service)
    }

    /// Whether the nth state begins a stage, or the waiting of one.
    fn begins(&self, nth: usize) -> bool {
        let name = |nth: usize| self.states[nth].state.as_str();
        let first_look = || (0..nth).rev().map(name).find(|it| ["WaitSteady", "Route"].contains(it)) == Some("Route");
        match name(nth) {
            "Prepare" | "Plan" | "Rollback" | "PlanRollback" | "Decide" | "Finish" => true,
            "WaitSteady" => first_look(),
            _ => nth > 0 && name(nth - 1) == "Route",
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

impl StatePoint {
    /// The `TimeoutSeconds` with which the execution ends about when it enters this state.
    pub fn out_of_time_after(&self) -> u64 {
        (self.after_millis / 1000).max(1)
    }
}

/// How many points each case has at least: (case, calls, invocations, states). A run that passes fewer of them would prove less, and
/// nobody would notice. Whoever makes deployments shorter on purpose lowers them.
const FLOORS: &[(&str, usize, usize, usize)] = &[
    ("basic", 85, 14, 44),
    ("basic, rejected", 122, 22, 71),
    ("canary", 142, 29, 100),
    ("canary, rejected", 179, 37, 127),
    ("shift", 123, 19, 60),
    ("shift, rejected", 150, 26, 84),
    ("shift, ecs", 375, 36, 126),
    ("shift, ecs, rejected", 355, 37, 124),
    ("canary, ecs", 450, 47, 170),
    ("canary, ecs, rejected", 410, 45, 159),
    ("swap", 124, 20, 65),
    ("swap, rejected", 182, 32, 106),
    ("listener swap", 109, 17, 54),
    ("listener swap, rejected", 163, 26, 84),
    ("shift, equipped", 173, 25, 83),
    ("shift, equipped, rejected", 162, 31, 104),
    ("shift, pruning", 141, 20, 65),
    ("shift, network, rejected", 175, 28, 91),
];

/// The cases that have lost points, in words.
pub fn check_floors(matrix: &Matrix) -> Vec<String> {
    let mut shrunk = Vec::new();
    for (case, baseline) in matrix.cases.iter().zip(&matrix.baselines) {
        let name = case.name();
        let points = &baseline.points;
        let found = (points.calls.len(), points.invocations.len(), points.states.len());
        match FLOORS.iter().find(|(of, ..)| *of == name) {
            None => {
                shrunk.push(format!("{name} has no floor: add (\"{name}\", {}, {}, {})", found.0, found.1, found.2))
            }
            Some(&(_, calls, invocations, states)) => {
                if found.0 < calls || found.1 < invocations || found.2 < states {
                    let expected = (calls, invocations, states);
                    shrunk.push(format!("{name} has only {found:?} calls, invocations and states, not {expected:?}"));
                }
            }
        }
    }
    shrunk
}
