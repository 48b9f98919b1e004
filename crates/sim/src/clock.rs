//! Time as the simulated account sees it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

/// A clock that starts at a chosen instant and may run faster than the wall clock.
///
/// In a paused tokio runtime (`start_paused`) it is virtual: it jumps to the next timer as soon as nothing else can
/// run, so that 40 minutes pass in milliseconds. On loopback, where real clients are waiting, it runs `speed` times
/// as fast as the wall clock. There it waits for this machine: what a function needs a second to compute here, since
/// others compute, too, would be half a minute of an account that is thirty times as fast, and functions would time out.
#[derive(Clone, Debug)]
pub struct Clock {
    epoch_millis: u64,
    speed: f64,
    passed: Passed,
}

/// How much of the wall clock's time counts.
#[derive(Clone, Debug)]
enum Passed {
    /// All of it, since then.
    All(Instant),
    /// What this runtime had nothing to do in, and a bit more.
    Looked(Arc<Mutex<Looked>>),
}

/// Looks at the wall clock, and what they have counted.
#[derive(Debug)]
struct Looked {
    counted: Duration,
    last: Instant,
}

/// How often a fast clock looks at the wall clock. A runtime that is busy comes to it later.
const LOOK: Duration = Duration::from_millis(10);
/// How much counts between two looks, however late the second one is.
const LOOK_COUNTS: Duration = Duration::from_millis(30);

impl Looked {
    fn counted(&self) -> Duration {
        self.counted + self.last.elapsed().min(LOOK_COUNTS)
    }

    fn look(&mut self) {
        *self = Self { counted: self.counted(), last: Instant::now() };
    }

    /// Looks again and again, for as long as somebody has the clock.
    async fn look_on(looked: Weak<Mutex<Self>>) {
        while let Some(looked) = looked.upgrade() {
            looked.lock().unwrap_or_else(PoisonError::into_inner).look();
            drop(looked);
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Clock {
    /// A clock that reads `epoch_millis` (milliseconds since 1970) now. Call it inside the runtime it is to follow.
    pub fn new(epoch_millis: u64, speed: f64) -> Self {
        let now = Instant::now();
        let passed = if speed > 1.0 {
            let looked = Arc::new(Mutex::new(Looked { counted: Duration::ZERO, last: now }));
            tokio::spawn(Looked::look_on(Arc::downgrade(&looked)));
            Passed::Looked(looked)
        } else {
            Passed::All(now)
        };
        Self { epoch_millis, speed, passed }
    }

    /// Milliseconds since 1970.
    pub fn now_millis(&self) -> u64 {
        self.epoch_millis + (self.passed().as_secs_f64() * self.speed * 1000.0).round() as u64
    }

    /// Waits for a span of this clock's time.
    pub async fn sleep(&self, span: Duration) {
        let until = self.passed() + span.div_f64(self.speed);
        // The wall clock's time may count for less.
        while let Some(left) = until.checked_sub(self.passed()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left).await;
        }
    }

    /// Waits until this clock reads `millis`, or not at all when that has passed.
    pub async fn sleep_until(&self, millis: u64) {
        self.sleep(Duration::from_millis(millis.saturating_sub(self.now_millis()))).await;
    }

    /// What counts of the wall clock's time since the beginning.
    fn passed(&self) -> Duration {
        match &self.passed {
            Passed::All(since) => since.elapsed(),
            Passed::Looked(looked) => looked.lock().unwrap_or_else(PoisonError::into_inner).counted(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use std::thread;
    use std::time::Duration;

    #[tokio::test]
    async fn a_fast_clock_waits_for_a_machine_that_is_busy() {
        let clock = Clock::new(0, 100.0);
        clock.sleep(Duration::from_secs(1)).await;
        let before = clock.now_millis();
        assert!(before >= 1_000, "{before}");
        // Nothing else can run meanwhile.
        thread::sleep(Duration::from_millis(300));
        clock.sleep(Duration::from_millis(1)).await;
        let counted = clock.now_millis() - before;
        assert!(counted < 20_000, "{counted}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_leaves_nothing_out() {
        let clock = Clock::new(0, 1.0);
        clock.sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now_millis(), 3_600_000);
    }
}
