//! How many calls ECS takes: buckets of tokens per account and region, shared by groups of operations.
//!
//! It refuses nothing unless [`EcsSettings::throttles`](super::EcsSettings::throttles) says so.

use std::collections::BTreeMap;

use crate::world::{Refusal, World};

/// Which operations share a bucket, how many calls it holds, and how many come back per second.
const BUCKETS: [(&[&str], f64, f64); 8] = [
    (&["CreateService", "UpdateService", "DeleteService"], 50.0, 5.0),
    (&["DescribeServices", "ListServices"], 100.0, 20.0),
    (&["DescribeTasks", "ListTasks"], 100.0, 20.0),
    (&["RegisterTaskDefinition", "DeregisterTaskDefinition"], 20.0, 1.0),
    (&["DescribeTaskDefinition", "ListTaskDefinitions"], 50.0, 20.0),
    (&["TagResource", "UntagResource"], 20.0, 10.0),
    (&["DescribeServiceRevisions"], 50.0, 20.0),
    (&["GetTaskProtection", "UpdateTaskProtection"], 200.0, 80.0),
];

/// What was left in each bucket, by its place, and when that was.
#[derive(Clone, Debug, Default)]
pub(super) struct Buckets(BTreeMap<usize, (f64, u64)>);

impl World {
    /// Takes a call, or refuses it because there have been too many.
    pub(crate) fn admit(&mut self, operation: &str) -> Result<(), Refusal> {
        if !self.settings.ecs.throttles {
            return Ok(());
        }
        let of = BUCKETS.iter().enumerate().find(|(_, (operations, _, _))| operations.contains(&operation));
        let Some((place, (_, holds, per_second))) = of else { return Ok(()) };
        let (left, at) = self.ecs.buckets.0.get(&place).copied().unwrap_or((*holds, self.now));
        let left = (left + (self.now - at) as f64 / 1000.0 * per_second).min(*holds);
        let admitted = left >= 1.0;
        self.ecs.buckets.0.insert(place, (if admitted { left - 1.0 } else { left }, self.now));
        if admitted { Ok(()) } else { Err(Refusal::new(400, "ThrottlingException", "Rate exceeded")) }
    }
}
