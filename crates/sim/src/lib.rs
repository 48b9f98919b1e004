//! A simulated AWS account: the part of AWS that deployments touch, with time, traffic and faults.
//!
//! What it owns: the state of one account and region ([`world`]: instances, groups, load balancers, traffic), the
//! wire protocols in front of it ([`api`]), a virtual clock ([`Clock`]), and the two ways in: an HTTP connector
//! for the real SDK clients in this process ([`Sim::sdk_config`]) and a server on loopback for everyone else.
//!
//! What it must never do: know anything of crossfade. It depends on no other crate of the project but the ASL
//! interpreter, so that it can only be right or wrong about AWS. Everything in it is a function of its seed: no wall
//! clock, no unseeded randomness, no iteration over hash maps.

mod answers;
pub mod api;
pub mod callables;
mod cbor;
mod clock;
mod connector;
mod http;
pub mod lambda;
mod past;
mod presigned;
mod rates;
mod requests;
mod server;
mod sim;
mod wire;
pub mod world;

pub use clock::Clock;
pub use http::{Protocol, Request, Response, Service};
pub use rates::told;
pub use server::{Server, ServerError};
pub use sim::{Call, Effect, Fault, Faults, Lost, Settings, Sim, effect};
