//! A deployment played in a simulated account before it is made: once as it should go, and again with what can go wrong.
//!
//! What it owns: which runs a rehearsal has, what each is judged by, and what is found ([`Rehearsal`]). The account is whoever calls
//! it ([`Account`]): a sample, or a copy of somebody's own.
//!
//! What it must never do: play a part of crossfade or of AWS itself, or reach an account that is not simulated. What is judged are
//! effects: requests, capacity, every resource of the account, what is written down.

mod differences;
pub mod drive;
mod ending;
pub mod faults;
mod finding;
mod image;
mod once;
mod parallel;
mod press;
mod run;
mod scenery;
mod share;
mod struck;
mod token;
mod whole;

pub use differences::differences;
pub use ending::Ending;
pub use finding::{Finding, Severity};
pub use image::{Image, NoticedBy, WhatIf, dies};
pub use once::{DOLLARS_A_TRANSITION, Due, Once, Passed};
pub use parallel::in_parallel;
pub use press::{Press, Pressed};
pub use scenery::{Account, Wish};
pub use struck::{Faults, HowMany};
pub use token::Token;
pub use whole::{Progress, Rehearsal, Replayed, rehearse, replay};
