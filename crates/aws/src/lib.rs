//! The adapters: fleets, pools, switches, the state table, notifications and executions on the AWS SDKs.
//!
//! What it owns: every call to AWS, and the translation between AWS's shapes and the domain's. A fleet knows how to be
//! observed, created from its base, resized and retired; a pool who is in it; a switch how to read the split, set it and leave
//! everything else as it is.
//!
//! What it must never do: decide. Which fleet is stable, whether capacity covers a share, what to undo: that is
//! `crossfade-core`'s. Retries within a call are the SDK's, with the [`patience`] that it is given; everything longer is the state
//! machine's.

mod bus;
mod call;
mod caller;
mod clients;
pub mod clone;
pub mod ec2;
mod executions;
mod fleets;
mod here;
mod hooks;
mod https;
mod outputs;
pub mod patience;
mod pools;
mod proof;
mod refusal;
mod secrets;
mod signals;
mod switches;
mod table;
mod topic;
mod triggers;
mod web;

pub use bus::{Bus, Untaken};
pub use caller::Caller;
pub use executions::{Attempt, Execution, Executions, State, execution_arn, machine_of, message, name_with};
pub use fleets::{
    Carrying, Console, Deletion, Fleets, Heirs, Inherited, Known, Made, Order, Platforms, Printed, Runs, Template, asg,
};
pub use hooks::Hooks;
pub use https::{guarded_https, https};
pub use outputs::Outputs;
pub use pools::Pools;
pub use proof::{Proofs, Proven, of_answer, without_start_proof};
pub use signals::Signals;
pub use switches::{Set, Switches};
pub use table::{Body, Holder, Item, Lock, Locked, Table, keys};
pub use topic::Topic;
pub use triggers::{Parameter, Triggers};
pub use web::{Letter, Web};
