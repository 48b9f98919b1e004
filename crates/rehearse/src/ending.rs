//! How a run ends.

use crossfade_steps::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Ending {
    /// The candidate serves.
    Succeeded,
    /// Everything is as it was.
    FailedClean,
    /// Something is left, and named.
    FailedDirty,
    /// It is not over: what it needs is refused all the time, or cannot be written down.
    NotOver,
}

impl Ending {
    /// The ending of a deployment of which this is written down.
    pub fn of(status: Option<Status>) -> Self {
        match status {
            Some(Status::Succeeded) => Ending::Succeeded,
            Some(Status::FailedClean) => Ending::FailedClean,
            Some(Status::FailedDirty | Status::Accepted) => Ending::FailedDirty,
            // It died before it wrote anything down, and so before it touched anything: whether it did not, somebody else looks at.
            None => Ending::FailedClean,
            Some(Status::Preparing | Status::Running | Status::RollingBack) => Ending::NotOver,
        }
    }

    /// Whether nothing is left to do.
    pub fn is_clean(self) -> bool {
        matches!(self, Ending::Succeeded | Ending::FailedClean)
    }
}
