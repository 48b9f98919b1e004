//! How long to wait before looking again: often while something may happen, seldom while it cannot.
//!
//! The aim (p95): at most 5 s between a condition holding and the next stage, 2.5 s where it is known how long it took the last time,
//! with at most 60 reads for five minutes of booting and far fewer over an hour. Where the end is known, as with draining, one look is enough, and none of
//! this is asked ([`crate::progress::Again`]).

/// What is known of the thing that is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// How long the stage has been running, in milliseconds.
    pub elapsed_millis: u64,
    /// How long it took the last time, in seconds.
    pub expected_seconds: Option<u32>,
}

/// For how long a read may show what was before the last change (P68). AWS gives no limit: a few seconds are usual.
pub const STALE_MILLIS: u64 = 60_000;
/// No machine image boots and passes a health check sooner; looking earlier finds nothing.
const DEAD_MILLIS: u64 = 35_000;
/// A little under the 5 s that may pass: reading takes time too.
pub const GAP_MILLIS: u64 = 4_900;
/// Where the last deployment, or a known delay, says that it should happen now: what a condition holds unseen is to be at most 2.5 s
/// (p95).
pub const GAP_EXPECTED_MILLIS: u64 = 2_400;
/// What takes long is looked at so many times at most around the time that it took the last time, and a little more.
const LOOKS_EXPECTED: u64 = 200;
/// Early failures, such as a launch that AWS refuses, should not go unseen for longer.
const GAP_UNLIKELY_MILLIS: u64 = 15_000;
/// What takes long may be noticed a little later.
const GAP_MAX_MILLIS: u64 = 60_000;

/// How long to wait before the next look, in milliseconds, from the situation at this one.
pub fn gap_millis(situation: Situation) -> u64 {
    let elapsed = situation.elapsed_millis;
    if let Some(expected) = situation.expected_seconds.map(|s| u64::from(s) * 1000) {
        let soonest = expected * 13 / 20;
        if elapsed < soonest {
            return (soonest - elapsed).clamp(1_000, GAP_UNLIKELY_MILLIS);
        }
        if elapsed < expected * 13 / 10 {
            return (expected / LOOKS_EXPECTED).clamp(GAP_EXPECTED_MILLIS, GAP_MAX_MILLIS);
        }
    }
    if elapsed < DEAD_MILLIS {
        return DEAD_MILLIS - elapsed;
    }
    // 1/60 of the time so far: 4.9 s until five minutes, a minute after an hour.
    (elapsed / 60).clamp(GAP_MILLIS, GAP_MAX_MILLIS)
}

/// The most looks that waiting so long can take.
pub fn looks_max(timeout_seconds: u32, expected_seconds: Option<u32>) -> u64 {
    let (mut looks, mut elapsed_millis) = (0, 0);
    while elapsed_millis < u64::from(timeout_seconds) * 1000 {
        elapsed_millis += gap_millis(Situation { elapsed_millis, expected_seconds });
        looks += 1;
    }
    looks
}

/// How long to wait between two looks at what is watched, in milliseconds. An alarm stays in a state for a minute at least, unless it
/// looks at high-resolution metrics.
pub const WATCH_MILLIS: u64 = 50_000;

/// The most looks that watching for so long can take, and a few more for a clock that runs behind.
pub fn watching_max(seconds: u64) -> u64 {
    (seconds * 1000).div_ceil(WATCH_MILLIS) + 3
}

/// How long to wait in a pause before looking whether somebody has ended it, in milliseconds: whoever ends one waits for no longer.
pub const PAUSING_MILLIS: u64 = 120_000;

/// The most looks that pausing so long can take, and a few more for a clock that runs behind.
pub fn pausing_max(seconds: u64) -> u64 {
    (seconds * 1000).div_ceil(PAUSING_MILLIS) + 3
}

/// How long to wait before looking again whether a candidate that serves still can, where there is nothing else to look at, in
/// milliseconds: after a minute at first, since what is new dies early, and then as seldom as it is looked whether somebody ends a pause.
pub fn serving_millis(elapsed_millis: u64) -> u64 {
    elapsed_millis.clamp(SERVING_MILLIS, PAUSING_MILLIS)
}

/// How long the first such look comes after a stage has begun, in milliseconds.
const SERVING_MILLIS: u64 = 60_000;

/// The most such looks that so long can take, and a few more for a clock that runs behind.
pub fn serving_max(seconds: u64) -> u64 {
    let (mut looks, mut elapsed_millis) = (3, 0);
    while elapsed_millis < seconds * 1000 {
        elapsed_millis += serving_millis(elapsed_millis);
        looks += 1;
    }
    looks
}

/// The least time between two calls of a hook, in milliseconds.
const ASKING_MILLIS: u64 = 10_000;

/// How long to wait before a hook is asked again that wants to be asked in so many seconds, in milliseconds: ever more seldom, so that
/// one that takes a day still fits into an execution.
pub fn asking_millis(wanted_seconds: u32, elapsed_millis: u64) -> u64 {
    (u64::from(wanted_seconds) * 1000).max(elapsed_millis / 20).max(ASKING_MILLIS)
}

/// The most times that a hook can be asked in so many seconds, and a few more for a clock that runs behind.
pub fn asking_max(seconds: u64) -> u64 {
    let (mut times, mut elapsed_millis) = (3, 0);
    while elapsed_millis < seconds * 1000 {
        elapsed_millis += asking_millis(0, elapsed_millis);
        times += 1;
    }
    times
}

/// Until when what AWS makes at once is looked at often, in milliseconds.
const SETTLING_MILLIS: u64 = 60_000;
const GAP_SETTLING_MILLIS: u64 = 2_000;
const GAP_SETTLING_LATE_MILLIS: u64 = 10_000;

/// How long to wait before looking again at what AWS makes at once, in milliseconds: only reads are late.
pub fn settling_millis(elapsed_millis: u64) -> u64 {
    if elapsed_millis < SETTLING_MILLIS { GAP_SETTLING_MILLIS } else { GAP_SETTLING_LATE_MILLIS }
}

/// The most looks that waiting so long for it can take.
pub fn settling_max(timeout_seconds: u64) -> u64 {
    let millis = timeout_seconds * 1000;
    millis.min(SETTLING_MILLIS).div_ceil(GAP_SETTLING_MILLIS)
        + millis.saturating_sub(SETTLING_MILLIS).div_ceil(GAP_SETTLING_LATE_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(until_seconds: u64, expected_seconds: Option<u32>) -> (u64, u64) {
        let (mut looks, mut elapsed_millis, mut last_gap) = (0, 0, 0);
        while elapsed_millis < until_seconds * 1000 {
            last_gap = gap_millis(Situation { elapsed_millis, expected_seconds });
            elapsed_millis += last_gap;
            looks += 1;
        }
        (looks, last_gap)
    }

    #[test]
    fn five_minutes_of_booting_take_at_most_58_looks_and_an_hour_few_more() {
        let (five_minutes, gap) = looks(300, None);
        assert!(five_minutes <= 58, "{five_minutes}");
        assert!(gap <= 5_000);
        let (hour, _) = looks(3600, None);
        assert!(hour <= 220, "{hour}; polling every 5 s would take 720");
    }

    #[test]
    fn what_happened_last_time_saves_looks_and_time() {
        let (looks, gap) = looks(300, Some(300));
        assert!(looks <= 58, "{looks}");
        assert_eq!(gap, GAP_EXPECTED_MILLIS);
        // Three hours, as the last time.
        let long = looks_max(4 * 3600, Some(3 * 3600));
        assert!(long < 700, "{long}");
    }

    #[test]
    fn what_settles_at_once_is_looked_at_often_only_at_first() {
        let (mut elapsed, mut looks) = (0, 0);
        while elapsed < 300_000 {
            elapsed += settling_millis(elapsed);
            looks += 1;
        }
        assert_eq!((looks, settling_max(300)), (54, 54));
        assert_eq!(settling_max(30), 15);
    }

    #[test]
    fn a_hook_that_takes_a_day_is_asked_some_hundred_times() {
        assert_eq!((asking_max(600), asking_max(24 * 3600)), (46, 148));
        assert_eq!((asking_millis(30, 0), asking_millis(1, 0), asking_millis(1, 3_600_000)), (30_000, 10_000, 180_000));
    }

    #[test]
    fn a_candidate_that_serves_is_looked_at_soon_and_through_a_day_hardly_more_often_than_whoever_may_end_a_pause() {
        assert_eq!((serving_millis(0), serving_millis(90_000), serving_millis(7_200_000)), (60_000, 90_000, 120_000));
        assert_eq!((serving_max(24 * 3600), pausing_max(24 * 3600)), (724, 723));
    }

    #[test]
    fn the_longest_steady_state_timeout_still_fits_into_an_execution_once() {
        assert!(looks_max(24 * 3600, None) * 11 < 20_000);
        assert!(looks_max(24 * 3600, Some(3 * 3600)) > looks_max(24 * 3600, None), "looking often costs events, too");
    }
}
