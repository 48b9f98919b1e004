//! The domain of crossfade: what a deployment document says, what a plan is, and every decision on the way.
//!
//! What it owns: the deployment [`document`], the [`plan`] of stages and the [`rollback`] plan, capacity arithmetic,
//! the [`snapshot`], guards and conditions as pure functions of what was observed, the pace of waiting, the [`trigger`]s
//! that start deployments, and the error kinds that the state machines match.
//!
//! What it must never do: wait, read a clock, talk to AWS or name a type of an SDK. Every function here is a
//! function of its arguments, so that each decision can be tested without an account, simulated or real.

pub mod answerers;
pub mod capacity;
pub mod claims;
pub mod condition;
pub mod document;
pub mod failure;
pub mod flight;
pub mod freeze;
pub mod haste;
pub mod hook;
pub mod identity;
pub mod infrastructure;
pub mod kinds;
pub mod lane;
pub mod moment;
pub mod names;
pub mod news;
pub mod observed;
pub mod pace;
pub mod pattern;
pub mod payload;
pub mod plan;
pub mod progress;
pub mod proof;
pub mod recurrence;
pub mod resize;
pub mod rollback;
pub mod settings;
pub mod snapshot;
pub mod split;
pub mod text;
pub mod trigger;
pub mod trouble;
pub mod unnamed;
pub mod verification;

pub use failure::{Class, Failure, Kind, Result, unless_refused};
