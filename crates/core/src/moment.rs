//! Pauses and drains: stages that wait for a known moment, and for nothing else.

use crate::pace::{PAUSING_MILLIS, WATCH_MILLIS};
use crate::plan::{Action, Stage};
use crate::progress::{Again, Progress};
use crate::rollback::Touched;
use crate::text;

/// The moment that a stage waits for which waits for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    over_millis: u64,
    /// After how many milliseconds it is looked at whether somebody, or what is watched, ends it before.
    most: u64,
}

impl Moment {
    /// That of a stage, if it has one.
    pub fn of(stage: &Stage, progress: &Progress, touched: &Touched) -> Option<Self> {
        let (from, seconds, most) = match &stage.action {
            Action::Pause(pause) if pause.wanted => (progress.stage.started_millis, pause.seconds, PAUSING_MILLIS),
            Action::Pause(pause) => (progress.stage.started_millis, pause.seconds, u64::MAX),
            Action::Drain(drain) => (touched.shifted_millis, drain.seconds, u64::MAX),
            _ => return None,
        };
        let most = if stage.watched { most.min(WATCH_MILLIS) } else { most };
        Some(Self { over_millis: from + u64::from(seconds) * 1000, most })
    }

    /// When to look, and what is said of it; nothing once it has come.
    pub fn ahead(self, now_millis: u64) -> Option<(Again, String)> {
        let left = self.over_millis.checked_sub(now_millis).filter(|left| *left > 0)?;
        Some((Again::In(left.min(self.most)), format!("over at {}", text::clock(self.over_millis))))
    }
}
