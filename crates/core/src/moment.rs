//! Pauses and drains: stages that wait for a known moment, and for nothing else.

use crate::pace::{PAUSING_MILLIS, WATCH_MILLIS, serving_millis};
use crate::plan::{Action, Stage};
use crate::progress::{Again, Progress};
use crate::rollback::Touched;
use crate::text;

/// The moment that a stage waits for which waits for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    over_millis: u64,
    started_millis: u64,
    ends: Ends,
}

/// What may end the stage before.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Nothing,
    /// Somebody.
    Wish,
    /// Somebody, or a candidate that serves and no longer can.
    Candidate,
    /// The same, or a check that is watched.
    Check,
}

impl Moment {
    /// That of a stage, if it has one.
    pub fn of(stage: &Stage, progress: &Progress, touched: &Touched) -> Option<Self> {
        let started_millis = progress.stage.started_millis;
        let (from, seconds, wanted) = match &stage.action {
            Action::Pause(pause) => (started_millis, pause.seconds, pause.wanted),
            Action::Drain(drain) => (touched.shifted_millis, drain.seconds, false),
            _ => return None,
        };
        let ends = match (stage.watched, stage.serves, wanted) {
            (true, ..) => Ends::Check,
            (_, true, _) => Ends::Candidate,
            (.., true) => Ends::Wish,
            _ => Ends::Nothing,
        };
        Some(Self { over_millis: from + u64::from(seconds) * 1000, started_millis, ends })
    }

    /// When to look, and what is said of it; nothing once it has come.
    pub fn ahead(self, now_millis: u64) -> Option<(Again, String)> {
        let left = self.over_millis.checked_sub(now_millis).filter(|left| *left > 0)?;
        let most = match self.ends {
            Ends::Nothing => u64::MAX,
            Ends::Wish => PAUSING_MILLIS,
            Ends::Candidate => serving_millis(now_millis.saturating_sub(self.started_millis)),
            Ends::Check => WATCH_MILLIS,
        };
        Some((Again::In(left.min(most)), format!("over at {}", text::clock(self.over_millis))))
    }
}
