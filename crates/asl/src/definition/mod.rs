//! The typed model of a definition.
//!
//! A value of these types is complete and consistent: every target exists, every path parses, every number is in
//! range. There is no other way to make one than [`StateMachine::parse`].

mod choice;
mod fields;
mod graph;
mod parse;
mod states;
mod task;

use std::collections::BTreeMap;

use crate::Problem;
use crate::choice::Rule;
use crate::paths::Path;
use crate::template::{Expression, Template};

/// A state machine of the supported subset.
#[derive(Clone, Debug, PartialEq)]
pub struct StateMachine {
    pub(crate) comment: Option<String>,
    pub(crate) start_at: String,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) states: BTreeMap<String, State>,
}

impl StateMachine {
    /// Parses a definition, after substitution; on failure *all* its problems, in the order of the text's states.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        parse::parse(text)
    }

    /// The first state.
    pub fn start_at(&self) -> &str {
        &self.start_at
    }

    /// The machine's comment.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The names of all states with their comments and types, in the order of the names.
    pub fn states(&self) -> impl Iterator<Item = (&str, &State)> {
        self.states.iter().map(|(name, state)| (name.as_str(), state))
    }
}

/// One state.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub(crate) comment: Option<String>,
    pub(crate) kind: Kind,
}

impl State {
    /// What the author says about it.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Its type, as history events name it.
    pub fn state_type(&self) -> crate::StateType {
        match self.kind {
            Kind::Task(_) => crate::StateType::Task,
            Kind::Choice(_) => crate::StateType::Choice,
            Kind::Wait(_) => crate::StateType::Wait,
            Kind::Pass(_) => crate::StateType::Pass,
            Kind::Succeed(_) => crate::StateType::Succeed,
            Kind::Fail(_) => crate::StateType::Fail,
        }
    }

    /// The states that may follow it: `Next`, the targets of its choices, its Catch. Sorted, each once.
    pub fn targets(&self) -> Vec<&str> {
        let mut targets = graph::edges(&self.kind).into_iter().map(|(_, target)| target).collect::<Vec<_>>();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// The literal function name or ARN that a Task invokes (nothing when it is computed, or for other types).
    pub fn function(&self) -> Option<&str> {
        match &self.kind {
            Kind::Task(task) => match &task.function {
                Template::Literal(name) => name.as_str(),
                _ => None,
            },
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Task(Box<Task>),
    Choice(Choice),
    Wait(Wait),
    Pass(Pass),
    Succeed(Filter),
    Fail(Fail),
}

/// InputPath and OutputPath; `None` is the JSON `null`, which stands for an empty object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    pub(crate) input: Option<Path>,
    pub(crate) output: Option<Path>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Transition {
    Next(String),
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Task {
    /// The part of the resource after `states:::lambda:`, as history events give it.
    pub(crate) resource: &'static str,
    pub(crate) waits_for_token: bool,
    pub(crate) function: Template,
    pub(crate) payload: Option<Template>,
    pub(crate) filter: Filter,
    pub(crate) result_selector: Option<Template>,
    /// `None`: the result is discarded.
    pub(crate) result_path: Option<Path>,
    pub(crate) timeout: Option<Span>,
    pub(crate) heartbeat: Option<Span>,
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
    pub(crate) transition: Transition,
}

/// A number of seconds, known or read from the input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Span {
    Seconds(u64),
    Path(Path),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retrier {
    pub(crate) error_equals: Vec<String>,
    pub(crate) interval_seconds: u64,
    pub(crate) max_attempts: u64,
    pub(crate) backoff_rate: f64,
    pub(crate) max_delay_seconds: Option<u64>,
    pub(crate) full_jitter: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Catcher {
    pub(crate) error_equals: Vec<String>,
    pub(crate) next: String,
    /// `None`: the error's details are discarded.
    pub(crate) result_path: Option<Path>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) filter: Filter,
    pub(crate) choices: Vec<(Rule, String)>,
    pub(crate) default: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Until {
    Seconds(Span),
    /// Milliseconds since 1970.
    Timestamp(u64),
    TimestampPath(Path),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wait {
    pub(crate) filter: Filter,
    pub(crate) until: Until,
    pub(crate) transition: Transition,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pass {
    pub(crate) filter: Filter,
    pub(crate) result: Option<serde_json::Value>,
    pub(crate) parameters: Option<Template>,
    pub(crate) result_path: Option<Path>,
    pub(crate) transition: Transition,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Text {
    Literal(String),
    Computed(Expression),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fail {
    pub(crate) error: Option<Text>,
    pub(crate) cause: Option<Text>,
}
