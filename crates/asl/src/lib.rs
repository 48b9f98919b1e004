//! Amazon States Language: parser, lint rules and interpreter of the subset crossfade ships.
//!
//! What it owns: the typed model of a definition ([`StateMachine`]), the rules a good definition keeps ([`lint`]), the
//! substitutions that SAM makes before Step Functions sees the text ([`substitute`]), and an interpreter ([`run`])
//! that writes the history AWS would write. Time, randomness, functions and task tokens come from a [`Host`].
//!
//! What it must never do: guess. A definition that uses anything outside the subset is refused by
//! [`StateMachine::parse`], so that a run here never means something else than a run on AWS. It knows neither
//! crossfade nor the simulated account, reads no clock and draws no random number of its own.
//!
//! The subset: JSONPath mode without `Assign`; Task (`lambda:invoke`, with or without `.waitForTaskToken`), Choice,
//! Wait, Pass, Succeed and Fail. Where AWS's documents disagree about whether an error can be caught, this crate takes
//! the harsher reading: a definition that ends well here must end well there.

mod choice;
mod context;
pub mod definition;
mod errors;
mod history;
mod host;
mod interpreter;
mod intrinsics;
mod json;
mod lint;
mod paths;
mod problem;
mod retry;
mod substitute;
mod template;

pub use context::ExecutionContext;
pub use definition::StateMachine;
pub use errors::{TaskError, names};
pub use history::{Event, HistoryEvent, StateType, transitions};
pub use host::{BoxFuture, Host, InvokeRequest, TaskToken, TokenSignal};
pub use interpreter::{Outcome, redrive, run};
pub use lint::{PLATFORM_ERRORS, RULES, Rule, lint};
pub use paths::{Path, PathError};
pub use problem::{Problem, Severity};
pub use retry::backoff_millis;
pub use substitute::{SubstitutionError, substitute};

/// The most characters of JSON that may pass between two states (AWS quota; not adjustable).
pub const PAYLOAD_LIMIT: usize = 262_144;

/// The most events one execution's history may hold (AWS quota; not adjustable).
pub const HISTORY_LIMIT: u64 = 25_000;
