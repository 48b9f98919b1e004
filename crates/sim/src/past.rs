//! What the account was a moment ago, for reads that lag behind changes (P68).
//!
//! It keeps the world as it was before each change of the last moments. It must never be asked by what changes anything, nor by
//! reads that are consistent, such as those of the state table.

use std::collections::VecDeque;

use crate::sim::effect;
use crate::world::World;
use crate::{Effect, Request, Service};

/// The worlds of the last moments.
#[derive(Debug, Default)]
pub(crate) struct Past {
    lag_millis: u64,
    /// The worlds before each change, and when that was, the oldest first.
    worlds: VecDeque<(u64, World)>,
}

impl Past {
    /// From now on reads show no change of the last so many milliseconds.
    pub(crate) fn lag(&mut self, millis: u64) {
        self.lag_millis = millis;
    }

    /// Whether what a request asks or changes is read late.
    pub(crate) fn concerns(&self, request: &Request) -> bool {
        let services = [
            Service::AutoScaling,
            Service::Ec2,
            Service::ElasticLoadBalancing,
            Service::CloudWatch,
            Service::Ecs,
            Service::Spot,
            Service::ApplicationAutoScaling,
        ];
        self.lag_millis > 0 && services.contains(&request.service)
    }

    /// Keeps the world as it is, if the request may change it.
    pub(crate) fn keep(&mut self, request: &Request, now_millis: u64, world: &World) {
        self.forget(now_millis);
        if effect(&request.operation) == Effect::Mutate {
            self.worlds.push_back((now_millis, world.clone()));
        }
    }

    /// The world that a read shows, unless it is the present one.
    pub(crate) fn shown(&mut self, request: &Request, now_millis: u64) -> Option<&mut World> {
        self.forget(now_millis);
        let shown = self.worlds.front_mut().map(|(_, world)| world);
        shown.filter(|_| effect(&request.operation) == Effect::Read)
    }

    fn forget(&mut self, now_millis: u64) {
        while self.worlds.front().is_some_and(|(at, _)| at + self.lag_millis <= now_millis) {
            self.worlds.pop_front();
        }
    }
}
