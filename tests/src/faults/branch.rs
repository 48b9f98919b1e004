//! Lets a run branch: where something is to go wrong, a copy of the process goes on with it, and the run itself goes on without, so that
//! what comes before a fault is played once for all faults of a case.
//!
//! It owns the copies. It must never make one while another thread runs: a copy has only the thread that made it.

use std::collections::BTreeMap;
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fork::{Fork, fork, waitpid};

use super::injector::{Branching, Injection};
use super::judge::Verdict;
use super::kind::Place;

/// What is told of each branch: its number, and what became of it, which is nothing when it was left out.
pub(super) type Tell<'a> = &'a dyn Fn(usize, Option<&Verdict>);

/// The branches that a run is still to have.
#[derive(Default)]
pub(super) struct Branches {
    /// By place and point: the numbers of the branches, and what goes wrong in each.
    ahead: BTreeMap<(Place, usize), Vec<(usize, Injection)>>,
    /// When no more are made.
    until: Option<Instant>,
    /// The branches that there have been, and what the processes of those said that did not come to their end.
    been: Vec<(usize, Been)>,
    /// The number of the one that this is.
    is: Option<usize>,
}

/// The branches of a run, for it and for what strikes in it.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Branches>>);

impl Shared {
    pub(super) fn of(branches: Branches) -> Self {
        Self(Arc::new(Mutex::new(branches)))
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, Branches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Branching for Shared {
    fn at(&mut self, place: Place, nth: usize) -> Option<Injection> {
        self.locked().at(place, nth)
    }

    fn are_over(&self) -> bool {
        self.locked().are_over()
    }
}

/// What became of a branch, for the run that it came from.
pub(super) enum Been {
    /// It has told so itself.
    Played,
    /// The time was over.
    LeftOut,
    /// Its process ended without a word.
    Died(String),
}

impl Branches {
    /// One for each of these, until then.
    pub(super) fn new(injections: impl Iterator<Item = (usize, Injection)>, until: Option<Instant>) -> Self {
        let mut ahead: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (number, injection) in injections {
            ahead.entry((injection.kind.place(), injection.at)).or_default().push((number, injection));
        }
        Self { ahead, until, ..Self::default() }
    }

    /// Branches at a point. Answers what goes wrong in the copy, and nothing in the run itself, once every copy has ended.
    pub(super) fn at(&mut self, place: Place, nth: usize) -> Option<Injection> {
        for (number, injection) in self.ahead.remove(&(place, nth))? {
            if self.until.is_some_and(|until| Instant::now() >= until) {
                self.been.push((number, Been::LeftOut));
                continue;
            }
            match fork() {
                Ok(Fork::Child) => {
                    *self = Self { is: Some(number), ..Self::default() };
                    return Some(injection);
                }
                Ok(Fork::Parent(copy)) => self.been.push((number, ended(copy))),
                Err(error) => self.been.push((number, Been::Died(format!("no process can be made: {error}")))),
            }
        }
        None
    }

    /// Whether this is the run itself, and none is ahead of it.
    pub(super) fn are_over(&self) -> bool {
        self.is.is_none() && self.ahead.is_empty()
    }

    /// The number of the branch that this is.
    pub(super) fn is(&self) -> Option<usize> {
        self.is
    }

    /// The branches that there have been. Those that are missing had no point.
    pub(super) fn been(self) -> Vec<(usize, Been)> {
        self.been
    }
}

/// Waits for the end of a copy.
fn ended(copy: i32) -> Been {
    match waitpid(copy) {
        Ok(0) => Been::Played,
        Ok(status) => Been::Died(format!("its process ended with wait status {status:#x}")),
        Err(error) => Been::Died(format!("nobody knows how its process ended: {error}")),
    }
}

/// Ends a copy that has told what became of it.
pub(super) fn over() -> ! {
    exit(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::kind::Kind;

    #[test]
    fn a_copy_that_breaks_off_is_told_and_the_run_goes_on() {
        let injection = Injection { kind: Kind::Throttled, at: 3 };
        let mut branches = Branches::new([(7, injection), (8, injection)].into_iter(), None);
        assert_eq!(branches.at(Place::Call, 2), None, "nothing strikes there");
        if let Some(struck) = branches.at(Place::Call, 3) {
            // This is a copy.
            let as_it_should_be = struck == injection && branches.at(Place::Call, 3).is_none();
            let status = if as_it_should_be { branches.is().unwrap_or_default() as i32 } else { 1 };
            exit(if status == 8 { 0 } else { status });
        }
        assert_eq!(branches.is(), None);
        let been = branches.been();
        assert!(matches!(&been[..], [(7, Been::Died(how)), (8, Been::Played)] if how.contains("0x700")));
    }
}
