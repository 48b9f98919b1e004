//! How far a rehearsal is, on a terminal: one line on standard error that goes when it is over.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use console::Term;

/// Nothing is said of what takes less, and how often it is said then.
const PATIENCE: Duration = Duration::from_secs(1);
const OFTEN: Duration = Duration::from_millis(200);

/// The line.
pub(super) struct Bar {
    term: Term,
    /// When it is said next.
    next: Mutex<Instant>,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self { term: Term::stderr(), next: Mutex::new(Instant::now() + PATIENCE) }
    }

    /// So many of so many runs are done.
    pub(super) fn tell(&self, done: usize, all: usize) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now < *next || !self.term.is_term() {
            return;
        }
        *next = now + OFTEN;
        // Who sees no progress misses nothing.
        let _ = self.term.clear_line();
        let _ = self.term.write_str(&format!("{done} of {all} runs"));
    }

    /// It is over.
    pub(super) fn clear(&self) {
        if self.term.is_term() {
            let _ = self.term.clear_line();
        }
    }
}
