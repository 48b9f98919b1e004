//! The promises, measured: deployments in which something goes wrong, everywhere it can.
//!
//! [`matrix`] strikes once at every point of every strategy's run with every kind of fault; [`explore`] strikes several times, at
//! random, and makes what breaks a promise as short as it can. Both print what [`report`] counts.

mod branch;
pub mod case;
pub mod explore;
pub mod floors;
pub mod judge;
pub mod matrix;
mod processes;
pub mod report;
mod told;
pub mod trial;

pub use crossfade_rehearse::faults::{injector, kind, points};
