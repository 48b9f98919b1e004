//! How many calls of a route Spot answers in a minute. Whoever goes on calling while it is refused waits longer.

use std::collections::{BTreeMap, VecDeque};

const MINUTE: u64 = 60_000;

/// The calls of the last minute, by route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates(BTreeMap<String, VecDeque<u64>>);

/// What is left of a route, and in how many seconds all of it is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) limit: usize,
    pub(crate) remaining: usize,
    pub(crate) reset_seconds: u64,
    pub(crate) refused: bool,
}

impl Rates {
    pub(super) fn count(&mut self, route: &str, limit: usize, now: u64) -> Left {
        let calls = self.0.entry(route.to_owned()).or_default();
        while calls.front().is_some_and(|at| at + MINUTE <= now) {
            calls.pop_front();
        }
        let refused = calls.len() >= limit;
        if refused {
            // The time begins anew.
            calls.iter_mut().for_each(|at| *at = now);
        } else {
            calls.push_back(now);
        }
        let reset = calls.front().map_or(0, |at| (at + MINUTE).saturating_sub(now).div_ceil(1000));
        Left { limit, remaining: limit.saturating_sub(calls.len()), reset_seconds: reset, refused }
    }
}

impl crate::world::World {
    /// What Spot has counted so far.
    pub(crate) fn counted_by_spot(&self) -> Rates {
        self.spot.rates.clone()
    }

    /// Lets Spot have counted that, and nothing since.
    pub(crate) fn count_by_spot(&mut self, counted: Rates) {
        self.spot.rates = counted;
    }

    /// Counts a call of a route, if calls are counted.
    pub(crate) fn spot_call(&mut self, route: &str) -> Option<Left> {
        let (limit, now) = (self.settings.spot.calls_per_minute?, self.now);
        Some(self.spot.rates.count(route, limit, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_goes_on_while_it_is_refused_waits_anew() {
        let mut rates = Rates::default();
        assert_eq!(rates.count("r", 2, 0), Left { limit: 2, remaining: 1, reset_seconds: 60, refused: false });
        assert!(!rates.count("r", 2, 30_000).refused);
        assert!(rates.count("r", 2, 59_000).refused);
        assert!(rates.count("r", 2, 70_000).refused, "the refused call began the minute anew");
        assert!(!rates.count("s", 2, 70_000).refused, "another route");
        assert!(!rates.count("r", 2, 130_000).refused);
    }
}
