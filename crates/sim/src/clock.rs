//! Time as the simulated account sees it.

use std::time::Duration;

use tokio::time::Instant;

/// A clock that starts at a chosen instant and may run faster than the wall clock.
///
/// In a paused tokio runtime (`start_paused`) it is virtual: it jumps to the next timer as soon as nothing else can
/// run, so that 40 minutes pass in milliseconds. On loopback, where real clients are waiting, it runs `speed` times
/// as fast as the wall clock.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    epoch_millis: u64,
    speed: f64,
}

impl Clock {
    /// A clock that reads `epoch_millis` (milliseconds since 1970) now. Call it inside the runtime it is to follow.
    pub fn new(epoch_millis: u64, speed: f64) -> Self {
        Self { origin: Instant::now(), epoch_millis, speed }
    }

    /// Milliseconds since 1970.
    pub fn now_millis(&self) -> u64 {
        self.epoch_millis + (self.origin.elapsed().as_secs_f64() * self.speed * 1000.0).round() as u64
    }

    /// Waits for a span of this clock's time.
    pub async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span.div_f64(self.speed)).await;
    }

    /// Waits until this clock reads `millis`, or not at all when that has passed.
    pub async fn sleep_until(&self, millis: u64) {
        self.sleep(Duration::from_millis(millis.saturating_sub(self.now_millis()))).await;
    }
}
