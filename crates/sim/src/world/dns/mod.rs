//! DNS: hosted zones of Route 53, Cloud Map, and whoever asks.
//!
//! What it owns: the records of zones and how changes of them spread, the instances that ECS registers in Cloud Map, and how
//! resolvers and clients keep what they were answered. Records are kept as the API spells them, unknown members included.
//!
//! What it must never do: know who changes records. Whatever is registered, ECS registers.

mod cloud_map;
mod resolving;
mod settings;
mod zones;

use std::collections::{BTreeMap, VecDeque};

pub use cloud_map::{MapInstance, MapService, Namespace};
pub use resolving::Door;
pub(super) use resolving::{Address, Ask, Lookup, Missing};
pub use settings::DnsSettings;
pub use zones::{AliasTarget, RecordSet, Zone};

/// Everything of one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dns {
    pub(crate) zones: BTreeMap<String, Zone>,
    pub(crate) namespaces: BTreeMap<String, Namespace>,
    /// By their ids.
    pub(crate) services: BTreeMap<String, MapService>,
    /// When each change has reached every name server.
    pub(crate) changes: BTreeMap<String, u64>,
    /// When the last requests to Route 53 arrived.
    requests: VecDeque<u64>,
}

/// A name as zones have it: in lower case, with its final dot.
pub(crate) fn full(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}
