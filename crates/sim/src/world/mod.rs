//! TODO helper: the world

/// Instances, groups, load balancers and traffic.
#[derive(Debug, Default)]
pub struct World {}

impl World {
    /// An empty account.
    pub fn new(_seed: u64, _now_millis: u64) -> Self {
        Self {}
    }

    /// Lets everything happen that is due until `now_millis`.
    pub fn advance(&mut self, _now_millis: u64) {}
}
